package custody_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
	"daozhang/internal/money"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
)

// tb is what both tests and rapid properties can do.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Accounts of the tests: the acquirer's, and merchants'.
const (
	safe   = "110900000000001234"
	noodle = "31050000000067890"
	bakery = "DE02120300000000202051"
)

var (
	china  = time.FixedZone("", 8*3600)
	monday = time.Date(2026, 3, 2, 10, 0, 0, 0, china)
	cny    = func() money.Currency { c, _ := money.ParseCurrency("CNY"); return c }()
)

// rig is a bank with its folder and a clock.
type rig struct {
	tb
	dir      string
	cfg      custody.Config
	bank     *custody.Bank
	now      time.Time
	reported map[string]bool
}

func newRig(t tb, dir, scenario string) *rig {
	t.Helper()
	s, err := custody.ParseScenario(strings.NewReader(scenario))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{tb: t, dir: dir, now: monday, reported: map[string]bool{},
		cfg: custody.Config{Dir: filepath.Join(dir, "bank"), Journal: filepath.Join(dir, "book.ndjson"), Sync: journal.Never, Scenario: s}}
	r.open()
	return r
}

func (r *rig) open() {
	r.Helper()
	b, err := custody.Open(r.cfg)
	if err != nil {
		r.Fatal(err)
	}
	r.bank = b
}

func (r *rig) restart() {
	r.Helper()
	if err := r.bank.Close(); err != nil {
		r.Fatal(err)
	}
	r.open()
}

func (r *rig) tick() time.Time {
	r.Helper()
	next, err := r.bank.Tick(r.now)
	if err != nil {
		r.Fatal(err)
	}
	return next
}

// until lets time pass in steps that the bank asks for.
func (r *rig) until(at time.Time) {
	r.Helper()
	for r.now.Before(at) {
		next := r.tick()
		if next.IsZero() || next.After(at) {
			next = at
		}
		r.now = next
	}
	r.tick()
}

// pay is a payout of the tests.
type pay struct {
	id      string
	amount  int64
	account string
	name    string
	day     calendar.Date
}

func (r *rig) write(name, content string) {
	r.Helper()
	path := filepath.Join(r.cfg.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
}

// order is a pain.001 as the acquirer writes it.
func order(t tb, at time.Time, id string, pays ...pay) string {
	t.Helper()
	o := &bank.PaymentOrder{ID: id, Created: at, Execution: calendar.DateIn(at, china), Debtor: bank.Party{Name: "Example Acquiring", Account: safe,
		Agent: bank.AgentOf("CSTDCNBJ", "CUSTODY")}}
	for _, p := range pays {
		if p.day != 0 {
			o.Execution = p.day
		}
		o.Payments = append(o.Payments, bank.Payment{EndToEnd: p.id, Amount: p.amount, Currency: cny, Text: "Settlement " + p.id,
			Creditor: bank.Party{Name: cmp.Or(p.name, "面馆 Noodle House"), ID: "898310058120001", Account: cmp.Or(p.account, noodle), Agent: bank.AgentOf("102290000012", "ICBC")}})
	}
	var b bytes.Buffer
	if err := bank.WriteOrder(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (r *rig) order(id string, pays ...pay) {
	r.Helper()
	r.write("orders/"+id+".xml", order(r, r.now, id, pays...))
}

func (r *rig) inquire(id, order, payout string) {
	r.Helper()
	var b bytes.Buffer
	q := &bank.Inquiry{ID: id, Created: r.now, Order: order, EndToEnd: payout, Amount: 1, Currency: cny}
	if err := bank.WriteInquiry(&b, q); err != nil {
		r.Fatal(err)
	}
	r.write("orders/"+id+".inquiry.xml", b.String())
}

func (r *rig) fund(id string, amount int64, value calendar.Date) {
	r.Helper()
	tr := custody.Transfer{ID: id, Network: "UnionPay", Amount: amount, Currency: "CNY", Value: value, Text: "clearing " + id}
	if _, err := tr.Write(filepath.Join(r.cfg.Dir, "incoming"), r.now); err != nil {
		r.Fatal(err)
	}
}

// files lists what the bank has written, by name.
func (r *rig) files() []string {
	r.Helper()
	var names []string
	for _, dir := range []string{"replies", "statements", "payees", "notices"} {
		found, err := os.ReadDir(filepath.Join(r.cfg.Dir, dir))
		if err != nil {
			r.Fatal(err)
		}
		for _, f := range found {
			if strings.HasSuffix(f.Name(), ".part") {
				r.Fatalf("%s was left", f.Name())
			}
			names = append(names, dir+"/"+f.Name())
		}
	}
	return names
}

func (r *rig) read(name string) string {
	r.Helper()
	content, err := os.ReadFile(filepath.Join(r.cfg.Dir, name))
	if err != nil {
		r.Fatal(err)
	}
	return string(content)
}

// fresh tells what the files say that were not reported yet, as the product's own
// readers read them.
func (r *rig) fresh() string {
	r.Helper()
	var b strings.Builder
	for _, name := range r.files() {
		if content := r.read(name); !r.reported[name+content] {
			r.reported[name+content] = true
			fmt.Fprintf(&b, "%s\n%s", name, says(r, name, content))
		}
	}
	return b.String()
}

// says tells what a file says.
func says(t tb, name, content string) string {
	t.Helper()
	var b strings.Builder
	if strings.Contains(name, ".pain.002.") {
		report, err := bank.ReadStatus(strings.NewReader(content), func(s *bank.Status) {
			what := map[bank.Level]string{bank.OfPayment: s.EndToEnd, bank.OfBatch: "batch " + s.Batch, bank.OfOrder: "order " + s.Order}[s.Level]
			if s.Code == "" {
				return
			}
			fmt.Fprintf(&b, "  %s\n", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", what, s.Code, s.Reason, s.Info)), " "))
		})
		if err != nil || len(report.Differences) > 0 || report.Bank != "CSTDCNBJ" {
			t.Errorf("%s: %v, %v, bank %s", name, err, report.Differences, report.Bank)
		}
		return b.String()
	}
	set, told := load(t, name, content)
	for ref := range set.All {
		b.WriteString("  " + fact(t, set, ref) + "\n")
	}
	b.WriteString(told)
	return b.String()
}

// load reads a file by the first format that detects it.
func load(t tb, name, content string) (*evidence.Set, string) {
	t.Helper()
	in := format.NewInput(name, []byte(content), format.Hints{})
	for _, f := range append(bank.Formats(), format.NDJSON()) {
		if !f.Detect(&in.Head) {
			continue
		}
		set := evidence.NewSet()
		out := format.NewOut(name, set)
		var told strings.Builder
		if err := f.Read(in, out); err != nil {
			fmt.Fprintf(&told, "  ! %v\n", err)
		}
		for _, n := range slices.Concat(out.Rejected(), out.Warnings()) {
			fmt.Fprintf(&told, "  ! %s\n", n.Why.EN)
		}
		return set, told.String()
	}
	t.Fatalf("%s: no format reads it", name)
	return nil, ""
}

// fact tells a fact in a line.
func fact(t tb, set *evidence.Set, ref evidence.FactRef) string {
	t.Helper()
	var f struct {
		Type string
		Data struct {
			Booking    string `json:"booking_date"`
			Value      string `json:"value_date"`
			Direction  string
			Status     string
			Amount     int64
			References []string
			Text       string
			From, To   string
			Opening    int64
			Closing    int64
			Account    string
			Reason     string `json:"return_reason"`
		}
	}
	line := set.AppendJSON(nil, ref)
	if err := json.Unmarshal(line, &f); err != nil {
		t.Fatal(err)
	}
	d := &f.Data
	switch f.Type {
	case "daozhang.bank.entry":
		return strings.TrimRight(fmt.Sprintf("%s %s %s %s %d %s %s %s", d.Booking, d.Value[8:], d.Status, d.Direction, d.Amount, strings.Join(d.References, ","), d.Text, d.Reason), " ")
	case "daozhang.bank.statement":
		return fmt.Sprintf("%s complete %s to %s: %d to %d", d.Account, d.From, d.To, d.Opening, d.Closing)
	}
	return string(line)
}
