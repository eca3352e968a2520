package backoffice_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format/bank"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
)

const (
	noodle = "898310058120001"
	tea    = "898310058120002"
	books  = "898310058120003"
	// safe is the safeguarded account.
	safe = "110900000000001234"
)

var (
	cny, _ = money.ParseCurrency("CNY")
	china  = time.FixedZone("", 8*3600)
	mids   = []string{noodle, tea, books}
)

// accountOf is the number of the account that a merchant is paid to.
func accountOf(mid string) string { return "6217001234567" + mid[len(mid)-3:] }

// vault keeps numbers as they are, for their merchant alone.
type vault struct{}

func (vault) Open(sealed []byte, context string) (string, error) {
	number, ok := strings.CutPrefix(string(sealed), context+"=")
	if !ok {
		return "", fault.New(fault.NotAllowed, "open", "account", nil, "")
	}
	return number, nil
}

func sealed(mid, number string) []byte {
	return []byte(backoffice.AccountContext(mid) + "=" + number)
}

// died is what a process that ends at a point leaves.
type died struct{ at backoffice.Point }

// town is an acquirer with its record, three merchants, a network, and the bank of
// its safeguarded account, which has a book of its own.
type town struct {
	testing.TB
	dir    string
	now    time.Time
	db     *store.Store
	book   *payment.Book
	office *backoffice.Office
	bank   *custody.Bank
	env    env
	sold   []sold
	// die says whether the process ends at a point.
	die func(backoffice.Point) bool
	// policy and times of the offices.
	policy settlement.Policy
	times  backoffice.Times
	away   bool // the bank takes orders out of the folder
	late   []late
	// trouble are errors of tasks that a person would have to look at.
	trouble []error
}

// late is a file that comes on a later day.
type late struct {
	day        int
	name, file string
}

// sold is what the network knows of a transaction.
type sold struct {
	id                   payment.ID
	mid, tid, rrn        string
	auth, original       string
	kind                 string
	amount               int64
	at                   time.Time
	date                 calendar.Date
	uncleared, different bool // slips of the network
}

// env gives the decisions of payments what they take from outside.
type env struct{ n int }

func (e *env) NewID(at time.Time) payment.ID {
	e.n++
	var id uuid.UUID
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8], id[14], id[15] = 0x70, 0x80, byte(e.n>>8), byte(e.n)
	return id
}

func (e *env) NextRRN(time.Time) string { e.n++; return fmt.Sprintf("6%011d", e.n) }

func (e *env) Route(r *payment.Request, o *payment.Transaction) payment.Route {
	e.n++
	return payment.Route{Link: "UNIONPAY-1", Network: "UnionPay", Issuer: "ICBC", STAN: fmt.Sprintf("%06d", e.n%1e6)}
}

// newTown opens a town on a Monday at nine, with a bank that behaves as the scenario
// says.
func newTown(t testing.TB, scenario string) *town {
	t.Helper()
	w := &town{TB: t, dir: room(t), now: time.Date(2026, 3, 2, 9, 0, 0, 0, china), policy: settlement.DefaultPolicy()}
	s, err := custody.ParseScenario(strings.NewReader("name: CUSTODY\nzone: Asia/Shanghai\ncustomers: [{account: \"" + safe + "\", name: Example Acquiring, balance: 100000000}]\n" + scenario))
	if err != nil {
		t.Fatal(err)
	}
	w.bank, err = custody.Open(custody.Config{Dir: filepath.Join(w.dir, "bank"), Journal: filepath.Join(w.dir, "book.ndjson"), Sync: journal.Never, Scenario: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.bank.Close() })
	t.Cleanup(func() { w.db.Close() })
	w.open()
	for _, mid := range mids {
		w.agree(mid, usual())
	}
	w.book = payment.NewBook(payment.DefaultPolicy("main"), profiles(), nil)
	return w
}

// room is a directory in memory where the system has one: what is tested here is
// not the disk.
func room(t testing.TB) string {
	if dir, err := os.MkdirTemp("/dev/shm", "backoffice-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func profiles() payment.Profiles {
	p := payment.Profiles{}
	for i, mid := range mids {
		tid := "T100000" + strconv.Itoa(i+1)
		p[tid] = &payment.Profile{TID: tid, MID: mid, Name: "Shop", MCC: "5812", Currency: cny, Zone: china, Cutoff: 23 * 60}
	}
	return p
}

// open begins a process: what the one before knew is gone.
func (w *town) open() {
	w.Helper()
	db, err := store.Open(context.Background(), store.Options{Database: filepath.Join(w.dir, "data"), Migrate: true, Linger: -1})
	if err != nil {
		w.Fatal(err)
	}
	w.db = db
	w.office = w.newOffice()
}

func (w *town) newOffice() *backoffice.Office {
	dir := func(part ...string) backoffice.Dir {
		return backoffice.Dir(filepath.Join(append([]string{w.dir}, part...)...))
	}
	return &backoffice.Office{Keeper: w.db, Vault: vault{}, Now: func() time.Time { return w.now }, Policy: w.policy, Merchants: merchant.DefaultPolicy(),
		Calendars: calendar.Builtin, Zone: china,
		Times:    w.times,
		Networks: []backoffice.Network{{Name: "UnionPay", Currency: cny, Zone: china, Cutoff: 23 * time.Hour, Clearing: dir("clearing")}},
		Banks: []backoffice.Bank{{Name: "CUSTODY", Currency: cny, Zone: china, MostPerPayout: 500000, TakesAway: w.away,
			Account: bank.Party{Name: "Example Acquiring", Account: safe, Agent: bank.AgentOf("CSTDCNBJ", "CUSTODY")},
			Orders:  dir("bank", "orders"), Replies: dir("bank", "replies"), Statements: dir("bank", "statements"), Payees: dir("bank", "payees")}},
		Advice: dir("advice"),
		Reached: func(p backoffice.Point) {
			if w.die != nil && w.die(p) {
				panic(died{p})
			}
		}}
}

// reopen is what happens after a process has ended.
func (w *town) reopen() {
	w.Helper()
	if err := w.db.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

func usual() merchant.Terms {
	return merchant.Terms{ValidFrom: calendar.MustYMD(2026, 1, 5), Cycle: "T1", Cutoff: "23:00", Timezone: "+08:00", Calendar: "CN",
		Fees: []merchant.Fee{{Rate: 60 * money.BasisPoint}, {Rate: 50 * money.BasisPoint, Cap: 1800, CardType: "debit"}}}
}

// agree onboards a merchant eight weeks ago with terms and a verified account.
func (w *town) agree(mid string, t merchant.Terms) {
	w.Helper()
	p := merchant.DefaultPolicy()
	long := w.now.AddDate(0, 0, -56)
	busy := merchant.Trade{NormalDays: 99}
	m := w.change(merchant.Onboard(long, "anne", merchant.Details{MID: mid, Name: "Shop " + mid[12:], MCC: "5812", Currency: cny, Onboarded: calendar.MustYMD(2025, 9, 1)}))
	m = w.change(m.ProposeTerms(long, "anne", t, "contract", &p, busy))
	m = w.change(m.Approve(long, "bert", m.Proposed, &p, busy))
	w.bring(&m, long, accountOf(mid))
}

// bring gives a merchant another account, approved and verified.
func (w *town) bring(m *merchant.Merchant, at time.Time, number string) {
	w.Helper()
	p := merchant.DefaultPolicy()
	next := w.change(m.ProposeAccount(at, "anne", merchant.NewAccount(number, sealed(m.MID, number), m.Name, "ICBC", "ICBKCNBJ"), "contract", &p))
	next = w.change(next.Approve(at, "bert", next.Proposed, &p, merchant.Trade{}))
	*m = w.change(next.VerifyAccount(at, "carl", next.Accounts[len(next.Accounts)-1].Token, "penny_test"))
}

func (w *town) change(c merchant.Change, err error) merchant.Merchant {
	w.Helper()
	if err == nil {
		err = w.db.CommitMerchant(context.Background(), &c)
	}
	if err != nil {
		w.Fatal(err)
	}
	return c.Merchant
}

func (w *town) merchant(mid string) merchant.Merchant {
	w.Helper()
	m, err := w.db.MerchantRecord(context.Background(), mid)
	if err != nil {
		w.Fatal(err)
	}
	return m
}

// state freezes, suspends or activates a merchant by two people.
func (w *town) state(mid string, s merchant.State, r merchant.Reason) {
	w.Helper()
	m := w.merchant(mid)
	p := merchant.DefaultPolicy()
	w.change(m.ProposeStatus(w.now, "anne", s, r, "case 7", "ordered", &p))
	// Who gets no answer looks, and does it again where it was not done.
	for again := true; again && w.merchant(mid).Status.State != s; {
		again = false
		w.living(func() {
			_, err := w.office.Change(context.Background(), mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
				return m.Approve(w.now, "bert", m.Proposed, p, merchant.Trade{})
			})
			if err != nil {
				w.Fatal(err)
			}
		}, &again)
	}
}

// take has the till of a merchant do something, and the network approve it.
func (w *town) take(mid string, op payment.Operation, amount int64, of *sold) *sold {
	w.Helper()
	i := slices.Index(mids, mid) + 1
	w.env.n++
	card := evidence.Debit
	if w.env.n%3 == 0 {
		card = evidence.Credit
	}
	r := payment.Request{Operation: op, Key: payment.Key{TID: "T100000" + strconv.Itoa(i), Batch: "000001", STAN: fmt.Sprintf("%06d", w.env.n)}, MID: mid,
		Amount: amount, Currency: cny, Entry: evidence.Chip, PAN: "622202******1234", CardToken: "tok", CardType: card, Prefix: "622202"}
	if of != nil {
		r.Original = payment.Reference{Batch: "000001", RRN: of.rrn}
	}
	d, p, ok := w.book.Admit(w.now, &r, &w.env)
	if !ok {
		w.Fatal("not admitted: ", d.Outcome)
	}
	w.keep(w.book.Request(w.now, &r, p, &w.env))
	t := w.book.FindKey(r.Key)
	if t == nil {
		w.Fatal("no transaction")
		return nil
	}
	id := t.ID
	w.keep(w.book.Respond(w.now, id, &payment.Response{Kind: payment.Ask, Payment: id, STAN: t.STAN, Code: evidence.Code{'0', '0'}, AuthCode: fmt.Sprintf("A%05d", w.env.n)}))
	t = w.book.Find(id)
	if t.State != payment.Approved {
		w.Fatalf("%s is %s", op, t.State)
	}
	w.sold = append(w.sold, sold{id: id, mid: mid, tid: t.TID, rrn: t.RRN, auth: t.AuthCode, kind: t.Operation.Kind().String(), amount: amount, at: w.now, date: t.BusinessDate})
	s := &w.sold[len(w.sold)-1]
	if of != nil {
		s.original = of.rrn
	}
	return s
}

func (w *town) keep(d payment.Decision) {
	w.Helper()
	if d.Step == nil {
		return
	}
	if err := w.db.Commit(context.Background(), d.Step); err != nil {
		w.Fatal(err)
	}
	w.book.Apply(d.Step)
}

func (w *town) sell(mid string, amount int64) *sold {
	w.Helper()
	return w.take(mid, payment.Sale, amount, nil)
}

// clearing is the network's file of a date, as its own book has it.
func (w *town) clearing(date calendar.Date, change ...func([]sold) []sold) string {
	var lines []sold
	for _, s := range w.sold {
		if s.date == date && !s.uncleared {
			lines = append(lines, s)
		}
	}
	for _, c := range change {
		lines = c(slices.Clone(lines))
	}
	return clearingFile(date, 0, lines)
}

func clearingFile(date calendar.Date, version int, lines []sold) string {
	var b bytes.Buffer
	c := csv.NewWriter(&b)
	c.Write(strings.Split("type,source,id,time,network,kind,clearing_date,date,count,total,currency,mid,tid,rrn,auth_code,pan,amount,transaction_time,original_rrn,version", ","))
	total := int64(0)
	at := date.Add(1).In(china).Add(-time.Hour).Format(time.RFC3339)
	for i, s := range lines {
		amount := s.amount
		if s.different {
			amount++
		}
		if s.kind == "refund" || s.kind == "void" || s.kind == "chargeback" {
			total -= amount
		} else {
			total += amount
		}
		c.Write([]string{"clearing.line", "network/UnionPay/" + date.String(), strconv.Itoa(i + 1), at, "UnionPay", s.kind, date.String(), "", "", "", "CNY", s.mid, s.tid, s.rrn, s.auth,
			"622202******1234", strconv.FormatInt(amount, 10), s.at.Format(time.RFC3339), s.original, ""})
	}
	v := ""
	if version > 0 {
		v = strconv.Itoa(version)
	}
	c.Write([]string{"clearing.file", "network/UnionPay/" + date.String(), "file", at, "UnionPay", "", "", date.String(), strconv.Itoa(len(lines)), strconv.FormatInt(total, 10), "CNY",
		"", "", "", "", "", "", "", "", v})
	c.Flush()
	return b.String()
}

// total is what a clearing file comes to.
func total(file string) int64 {
	rows, _ := csv.NewReader(strings.NewReader(file)).ReadAll()
	n, _ := strconv.ParseInt(rows[len(rows)-1][9], 10, 64)
	return n
}

// bring writes a file into a folder of the town.
func (w *town) write(name, content string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.Fatal(err)
	}
	if err := os.Chtimes(path, w.now, w.now); err != nil {
		w.Fatal(err)
	}
}

// clear brings the network's file of a date, and has its money paid.
func (w *town) clear(date calendar.Date, change ...func([]sold) []sold) {
	w.Helper()
	file := w.clearing(date, change...)
	w.write("clearing/UnionPay-"+date.String()+".csv", file)
	w.fund(date, total(file))
}

func (w *town) fund(date calendar.Date, amount int64) {
	w.Helper()
	if amount == 0 {
		return
	}
	id := "UNIONPAY-" + strings.ReplaceAll(date.String(), "-", "")
	tr := custody.Transfer{ID: id, Network: "UnionPay", Account: safe, Amount: amount, Currency: "CNY", Value: calendar.DateIn(w.now, china), Text: "clearing " + id}
	if _, err := tr.Write(filepath.Join(w.dir, "bank", "incoming"), w.now); err != nil {
		w.Fatal(err)
	}
}

// work does what is due, over and over, until nothing more is. A process that ends
// in between is begun again.
func (w *town) work() {
	w.Helper()
	done := map[string]int{}
	for range 60 {
		again := false
		w.living(func() {
			tasks, err := w.office.Sweep(context.Background())
			if err != nil {
				w.Fatal(err)
			}
			for _, t := range tasks {
				if t.Due.After(w.now) || done[t.Key()] >= 4 {
					continue
				}
				done[t.Key()]++
				if err := w.office.Do(context.Background(), t); err != nil {
					w.trouble = append(w.trouble, fmt.Errorf("%s: %w", t.Key(), err))
					done[t.Key()] = 4
				}
				again = true
			}
		}, &again)
		if !again {
			return
		}
	}
}

// living runs something in a process that may end; then it begins another.
func (w *town) living(do func(), again *bool) {
	w.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(died); !ok {
				panic(r)
			}
			*again = true
			w.reopen()
		}
	}()
	do()
}

// until lets time pass: the bank works when it wants to, the office every half hour,
// at night every other hour.
func (w *town) until(at time.Time) {
	w.Helper()
	for {
		next, err := w.bank.Tick(w.now)
		if err != nil {
			w.Fatal(err)
		}
		w.work()
		if !w.now.Before(at) {
			if _, err = w.bank.Tick(w.now); err != nil {
				w.Fatal(err)
			}
			return
		}
		pause := w.now.Add(30 * time.Minute)
		if h := w.now.Hour(); h >= 20 || h < 6 {
			pause = w.now.Add(2 * time.Hour)
		}
		if !next.IsZero() && next.After(w.now) && next.Before(pause) {
			pause = next
		}
		if w.now = pause; w.now.After(at) {
			w.now = at
		}
	}
}

func on(day int, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 0, china)
}
func date(day int) calendar.Date { return calendar.MustYMD(2026, 3, day) }

func (w *town) payouts(mid string) []settlement.Payout {
	w.Helper()
	all, err := w.db.PayoutsOf(context.Background(), mid)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

func (w *town) balance(mid string, n ledger.Name) int64 {
	w.Helper()
	s, err := w.db.Standing(context.Background(), mid)
	if err != nil {
		w.Fatal(err)
	}
	return s.Balance(cny, n).On(n.Side())
}

// open exceptions of the merchant, or of the house, by their kinds.
func (w *town) exceptions(mid string) []string {
	w.Helper()
	list, err := w.db.OpenExceptions(context.Background(), mid)
	if err != nil {
		w.Fatal(err)
	}
	var kinds []string
	for _, x := range list {
		kinds = append(kinds, x.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// audit holds the record, the bank's book and the network's against each other.
func (w *town) audit() {
	w.Helper()
	for _, err := range w.trouble {
		w.Error(err)
	}
	r, err := store.Doctor(context.Background(), filepath.Join(w.dir, "data"), nil)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range r.Findings {
		w.Errorf("doctor: %s, %s: %s", f.What, f.Subject, f.Why)
	}
	w.bank.View(func(b *custody.Book) {
		if n := b.Imbalance(); n != 0 {
			w.Errorf("the bank's book is out of balance by %d", n)
		}
		ours := map[string]bool{}
		for _, mid := range mids {
			arrived := int64(0)
			for _, p := range w.payouts(mid) {
				ours[p.ID] = true
				if n := b.Paid(p.ID); n > 1 {
					w.Errorf("payout %s was paid %d times", p.ID, n)
				}
				at, account := b.Where(p.ID), accountOfPayout(p)
				switch p.State {
				case settlement.Created, settlement.Stopped:
					if at != "" {
						w.Errorf("payout %s is %s, and the bank has it", p.ID, p.State)
					}
				case settlement.Credited:
					arrived += p.Amount
					if at != account {
						w.Errorf("payout %s is credited, its money is on %q", p.ID, at)
					}
				case settlement.Rejected, settlement.Returned:
					if at != "" && at != safe {
						w.Errorf("payout %s is %s, its money is on %q", p.ID, p.State, at)
					}
				}
			}
			if got := w.balance(mid, ledger.MerchantPaid); got != arrived {
				w.Errorf("merchant %s was paid %d, its payouts make %d", mid, got, arrived)
			}
		}
		for _, p := range b.Payments() {
			if !ours[p.EndToEnd] {
				w.Errorf("the bank has a payout %s of which nothing is on record", p.EndToEnd)
			}
		}
	})
}

func accountOfPayout(p settlement.Payout) string {
	return string(p.Account.Sealed[strings.IndexByte(string(p.Account.Sealed), '=')+1:])
}
