package pos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/acquirertest"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/pos"
)

const (
	tid    = "90010001"
	mid    = "898310058120001"
	canary = "6222021234567890128" // a made-up number that passes the check digit
)

var (
	transport = []string{"0123456789ABCDEFFEDCBA9876543210"}
	monday    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("", 8*3600))
)

// bench is a terminal with its acquirer.
type bench struct {
	t        *testing.T
	acquirer *acquirertest.Acquirer
	cfg      pos.Config
	terminal *pos.Terminal
	paper    bytes.Buffer
	log      bytes.Buffer
}

func openKeys(t testing.TB) *keyring.Software {
	t.Helper()
	k, err := keyring.Open(keyring.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newBench(t *testing.T, change ...func(*pos.Config)) *bench {
	t.Helper()
	host := openKeys(t)
	master, err := host.NewMaster(keyring.Terminal(mid, tid))
	if err != nil {
		t.Fatal(err)
	}
	a, err := acquirertest.Start(host, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	b := &bench{t: t, acquirer: a}
	b.cfg = pos.Config{Address: a.Addr(), TID: tid, MID: mid, Merchant: "街角小馆", Dir: t.TempDir(), Sync: journal.Never, Keys: openKeys(t),
		Master: master, Timeout: 5 * time.Second, Now: func() time.Time { return monday }, Printer: &b.paper}
	for _, c := range change {
		c(&b.cfg)
	}
	b.start()
	if err := b.terminal.SignOn(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) start() {
	b.t.Helper()
	var err error
	if b.terminal, err = pos.New(b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.terminal.Close() })
}

// restart closes what is left of the terminal and starts it on the same folder.
func (b *bench) restart() {
	b.t.Helper()
	b.terminal.Close()
	b.start()
}

func (b *bench) card() *pos.Card {
	b.t.Helper()
	c, err := pos.NewCard(canary)
	if err != nil {
		b.t.Fatal(err)
	}
	c.Issuer = "ICBC"
	return c
}

func (b *bench) do(q pos.Request) pos.Outcome {
	b.t.Helper()
	o, err := b.terminal.Do(context.Background(), q)
	if err != nil {
		b.t.Fatalf("%v: %v", q.Operation, err)
	}
	return o
}

func (b *bench) sale(amount int64, entry string) pos.Outcome {
	b.t.Helper()
	return b.do(pos.Request{Operation: iso8583.Sale, Amount: amount, Card: b.card(), Entry: entry})
}

func (b *bench) want(o pos.Outcome, result string) pos.Outcome {
	b.t.Helper()
	if o.Result != result {
		b.t.Fatalf("%s %s: %s (code %s), want %s", o.Operation, o.STAN, o.Result, o.Code, result)
	}
	return o
}

// standing is what the acquirer believes to be approved, as a sum.
func (b *bench) standing() (sum int64, n int) {
	for _, amount := range b.acquirer.Standing() {
		sum, n = sum+amount, n+1
	}
	return sum, n
}

// facts reads the telemetry: type, then the values of the named fields.
func (b *bench) facts(names ...string) []string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.cfg.Dir, "evidence.ndjson"))
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	ids := map[string]bool{}
	for line := range bytes.Lines(text) {
		var f struct {
			Specversion, Source, ID, Type string
			Time                          time.Time
			Data                          map[string]any
		}
		if err := json.Unmarshal(line, &f); err != nil {
			b.t.Fatal(err)
		}
		if ids[f.ID] || f.ID == "" || f.Source != "terminal/"+tid || f.Time.IsZero() {
			b.t.Errorf("not an identity: %s", line)
		}
		ids[f.ID] = true
		s := strings.TrimPrefix(f.Type, "daozhang.")
		for _, n := range names {
			if v, ok := f.Data[n]; ok {
				s += " " + fmt.Sprint(v)
			}
		}
		all = append(all, s)
	}
	return all
}

func (b *bench) told(want string, names ...string) {
	b.t.Helper()
	if all := b.facts(names...); !slices.Contains(all, want) {
		b.t.Errorf("telemetry lacks %q:\n%s", want, strings.Join(all, "\n"))
	}
}

// noCard fails if card data stands in clear in the terminal's folder, on paper or
// in the log.
func (b *bench) noCard() {
	b.t.Helper()
	texts := map[string][]byte{"paper": b.paper.Bytes(), "log": b.log.Bytes()}
	err := filepath.WalkDir(b.cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			texts[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(texts) < 5 {
		b.t.Fatal(len(texts), err)
	}
	for name, text := range texts {
		for _, secret := range []string{canary, canary[5:16], "D3012", "123456\"", canary[:8]} {
			if bytes.Contains(text, []byte(secret)) {
				b.t.Errorf("%s holds card data: %q", name, secret)
			}
		}
	}
}

func TestOperations(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	if err := b.terminal.Echo(ctx); err != nil {
		t.Fatal(err)
	}
	for i, entry := range []string{"chip", "contactless", "magstripe", "qr"} {
		o := b.want(b.sale(int64(1000+i), entry), "approved")
		if o.Entry != entry || o.RRN == "" || o.AuthCode == "" || o.PAN != "622202*********0128" || o.Printed == nil || !*o.Printed {
			t.Errorf("%+v", o.Transaction)
		}
	}
	first := b.terminal.Journal()[0]
	o := b.want(b.do(pos.Request{Operation: iso8583.SaleVoid, Original: pos.Ref{STAN: first.STAN}}), "approved")
	if o.Amount != 1000 || o.Original.RRN != first.RRN {
		t.Errorf("%+v", o.Transaction)
	}
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.SaleVoid, Original: pos.Ref{STAN: first.STAN}}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("voided twice: %v", err)
	}
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.SaleVoid, Original: pos.Ref{STAN: "999999"}}); !errors.Is(err, pos.ErrNoOriginal) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	second := b.terminal.Journal()[1]
	b.want(b.do(pos.Request{Operation: iso8583.Refund, Amount: 400, Card: b.card(), Original: pos.Ref{STAN: second.STAN}}), "approved")
	hold := b.want(b.do(pos.Request{Operation: iso8583.Preauth, Amount: 5000, Card: b.card()}), "approved")
	done := b.want(b.do(pos.Request{Operation: iso8583.Completion, Amount: 4500, Card: b.card(), Original: pos.Ref{STAN: hold.STAN}}), "approved")
	b.want(b.do(pos.Request{Operation: iso8583.CompletionVoid, Original: pos.Ref{STAN: done.STAN}}), "approved")
	hold = b.want(b.do(pos.Request{Operation: iso8583.Preauth, Amount: 700, Card: b.card()}), "approved")
	b.want(b.do(pos.Request{Operation: iso8583.PreauthVoid, Original: pos.Ref{STAN: hold.STAN}}), "approved")
	balance := b.want(b.do(pos.Request{Operation: iso8583.Balance, Card: b.card()}), "approved")
	if balance.Balance == nil || *balance.Balance != 123456 {
		t.Errorf("%+v", balance)
	}
	for _, e := range b.acquirer.Events() {
		if e.Code != "00" {
			t.Errorf("%v was answered %s", e.Kind, e.Code)
		}
	}
	// Tracks and PIN go out where they were read and nowhere else.
	for _, e := range b.acquirer.Events() {
		reads := e.Kind.Operation == iso8583.Sale && e.Entry != "qr" || e.Kind.Operation == iso8583.Preauth || e.Kind.Operation == iso8583.Refund ||
			e.Kind.Operation == iso8583.Completion || e.Kind.Operation == iso8583.Balance
		if slices.Contains(e.Fields, iso8583.Track2) != reads {
			t.Errorf("%v %s: fields %v", e.Kind, e.Entry, e.Fields)
		}
	}
	s, err := b.terminal.Settle(ctx)
	if err != nil || !s.Balanced || s.Totals != (iso8583.Totals{DebitAmount: 1000 + 1001 + 1002 + 1003 + 4500, DebitCount: 5, CreditAmount: 1000 + 400 + 4500, CreditCount: 3}) {
		t.Fatalf("%+v %v", s, err)
	}
	if st := b.terminal.Status(); st.Batch != "000002" || st.Transactions != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.SaleVoid, Original: pos.Ref{Batch: "000001", STAN: second.STAN}}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a settled sale was voided: %v", err)
	}
	b.want(b.do(pos.Request{Operation: iso8583.Refund, Amount: 600, Card: b.card(), Original: pos.Ref{Batch: "000001", STAN: second.STAN}}), "approved")
	if err := b.terminal.SignOff(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.Sale, Amount: 1, Card: b.card()}); !errors.Is(err, pos.ErrNotSignedOn) {
		t.Errorf("sold without keys: %v", err)
	}
	if err := b.terminal.Close(); err != nil {
		t.Fatal(err)
	}
	b.noCard()
}

func TestSlip(t *testing.T) {
	b := newBench(t, func(c *pos.Config) { c.SlipLang = "zh" })
	o := b.sale(123456, "chip")
	want := strings.Join([]string{
		"           POS签购单",
		"--------------------------------",
		"商户名称                街角小馆",
		"商户编号         898310058120001",
		"终端编号                90010001",
		"操作员号                      01",
		"发卡行                      ICBC",
		"收单行                  ACQUIRER",
		"卡号      622202*********0128 /I",
		"交易类型                    消费",
		"批次号                    000001",
		"凭证号                    000002",
		"授权码                    " + o.AuthCode,
		"参考号              " + o.RRN,
		"日期/时间    2026/03/02 12:00:00",
		"金额                 RMB 1234.56",
		"--------------------------------",
		"已凭密码确认",
		"本人确认以上交易，同意将其计入",
		"本卡账户",
		"--------------------------------",
		"            商户存根",
		"",
	}, "\n")
	if o.Slip != want || b.paper.String() != want {
		t.Errorf("got\n%s\nwant\n%s", o.Slip, want)
	}
	text, err := b.terminal.Reprint(pos.Ref{})
	if err != nil || !strings.Contains(text, "重打印") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, label := range []string{"MERCHANT NAME", "TERMINAL NO.", "BATCH NO.", "VOUCHER NO.", "AUTH NO.", "REFER NO.", "DATE/TIME", "AMOUNT"} {
		if en := o.Transaction.Slip("Corner Noodles", mid, tid, "en", false); !strings.Contains(en, label) {
			t.Errorf("the English slip lacks %s", label)
		}
		if both := o.Transaction.Slip("", mid, tid, "", false); !strings.Contains(both, "("+label+")") {
			t.Errorf("the slip in both languages lacks %s", label)
		}
	}
}

// TestTimeouts: whatever keeps a valid answer from the terminal, it was put down
// for reversal, the reversal names the request, carries no track and no PIN, and
// in the end terminal and acquirer agree.
func TestTimeouts(t *testing.T) {
	short := func(c *pos.Config) { c.Timeout = 150 * time.Millisecond }
	for _, tc := range []struct {
		name   string
		deed   acquirertest.Deed
		result string
		reason string
		seen   bool // the acquirer approved it first
	}{
		{"never came", acquirertest.Deed{Ignore: true}, "timeout", "98", false},
		{"no answer", acquirertest.Deed{Silent: true}, "timeout", "98", true},
		{"closed", acquirertest.Deed{Close: true}, "timeout", "98", true},
		{"wrong MAC", acquirertest.Deed{BadMAC: true}, "unknown", "A0", true},
		{"no MAC", acquirertest.Deed{NoMAC: true}, "unknown", "A0", true},
		{"garbage", acquirertest.Deed{Garbage: true}, "timeout", "98", true},
		{"open code", acquirertest.Deed{Code: "98"}, "unknown", "98", false},
		{"late", acquirertest.Deed{Delay: 400 * time.Millisecond}, "timeout", "98", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, short)
			b.want(b.sale(100, "chip"), "approved")
			b.acquirer.Do(func(e acquirertest.Event) acquirertest.Deed {
				if e.Kind.Operation == iso8583.Sale && !e.Kind.Reversal {
					return tc.deed
				}
				return acquirertest.Deed{}
			})
			o := b.want(b.sale(777, "chip"), tc.result)
			b.acquirer.Do(nil)
			if o.Slip != "" {
				t.Error("a slip was printed")
			}
			if tc.name == "wrong MAC" || tc.name == "no MAC" { // keys may be out of step
				if err := b.terminal.SignOn(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.terminal.Recover(context.Background()); err != nil {
				t.Fatal(err)
			}
			x := b.terminal.Journal()[1]
			if x.Reversal != "done" || x.Reason != tc.reason {
				t.Errorf("%+v", x)
			}
			var reversals []acquirertest.Event
			for _, e := range b.acquirer.Events() {
				if e.Kind.Reversal {
					reversals = append(reversals, e)
				}
			}
			if len(reversals) == 0 || reversals[0].STAN != x.STAN || reversals[0].Batch != x.Batch || reversals[0].Amount != 777 || reversals[0].Reason != tc.reason {
				t.Fatalf("%+v", reversals)
			}
			for _, secret := range []int{iso8583.Track2, iso8583.Track3, iso8583.PINData, iso8583.ICCData, iso8583.ExpiryDate} {
				if slices.Contains(reversals[0].Fields, secret) {
					t.Errorf("the reversal carries field %d", secret)
				}
			}
			if sum, n := b.standing(); sum != 100 || n != 1 {
				t.Errorf("%d stand approved, %d in all", n, sum)
			}
			b.want(b.sale(50, "contactless"), "approved")
			b.told("terminal.transaction reversal 777 approved", "kind", "amount", "result")
			b.noCard()
		})
	}
}

func TestReversalGoesFirst(t *testing.T) {
	b := newBench(t, func(c *pos.Config) { c.Timeout = 100 * time.Millisecond })
	lost := true
	b.acquirer.Do(func(acquirertest.Event) acquirertest.Deed { return acquirertest.Deed{Silent: lost} })
	o := b.want(b.sale(100, "chip"), "timeout")
	if o.Reversal != "due" {
		t.Errorf("%+v", o)
	}
	if _, err := b.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 200, Card: b.card()}); !errors.Is(err, pos.ErrReversalDue) {
		t.Errorf("sold before the reversal was through: %v", err)
	}
	b.restart() // it stands in the journal
	if st := b.terminal.Status(); st.Reversals != 1 || !st.SignedOn {
		t.Errorf("%+v", st)
	}
	b.acquirer.Do(nil)
	b.want(b.sale(300, "chip"), "approved")
	if sum, n := b.standing(); sum != 300 || n != 1 {
		t.Errorf("%d stand approved, %d in all", n, sum)
	}
	var after []string
	for _, e := range b.acquirer.Events() {
		if e.Kind.Operation == iso8583.Sale {
			after = append(after, fmt.Sprint(e.Kind.Reversal, e.Amount))
		}
	}
	want := []string{"false100", "true100", "true100", "true100", "false300"}
	if got := strings.ReplaceAll(strings.Join(after, ","), " ", ""); got != strings.Join(want, ",") {
		t.Errorf("order on the line: %s", got)
	}
}

// TestDeath kills the terminal at each point of a sale in each way. After a restart
// terminal and acquirer agree: what no slip or approval is on record for does not
// stand.
func TestDeath(t *testing.T) {
	for _, cause := range []string{pos.Crash, pos.Mainboard, pos.Power} {
		for _, point := range pos.Points {
			t.Run(cause+"@"+string(point), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.want(b.sale(100, "chip"), "approved")
				if err := b.terminal.Break(pos.Fault{What: cause, At: point}); err != nil {
					t.Fatal(err)
				}
				_, err := b.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 777, Card: b.card()})
				if !errors.Is(err, pos.ErrDead) {
					t.Fatalf("it lives: %v", err)
				}
				if err := b.terminal.Echo(context.Background()); !errors.Is(err, pos.ErrDead) {
					t.Errorf("a dead terminal spoke: %v", err)
				}
				b.restart()
				if err := b.terminal.Recover(context.Background()); err != nil {
					t.Fatal(err)
				}
				kept := point == pos.Recorded || point == pos.Printed
				want := int64(100)
				if kept {
					want += 777
				}
				if sum, _ := b.standing(); sum != want {
					t.Errorf("%d stands approved, want %d", sum, want)
				}
				if sum := b.terminal.Status().DebitAmount; sum != want {
					t.Errorf("the terminal counts %d", sum)
				}
				x := b.terminal.Journal()
				if last := x[len(x)-1]; kept && (last.Result != "approved" || last.Printed == nil || *last.Printed != (point == pos.Printed)) {
					t.Errorf("%+v", last)
				}
				b.want(b.sale(1, "chip"), "approved")
				s, err := b.terminal.Settle(context.Background())
				if err != nil || !s.Balanced {
					t.Errorf("%+v %v", s, err)
				}
				switch cause {
				case pos.Crash:
					b.told("terminal.software crashed", "what")
				case pos.Mainboard:
					b.told("terminal.health mainboard failed", "component", "state")
					b.told("terminal.health mainboard ok", "component", "state")
				case pos.Power:
					b.told("terminal.health battery failed", "component", "state")
				}
			})
		}
	}
}

func TestFaults(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	set := func(f string) {
		t.Helper()
		one, err := pos.ParseFault(f)
		if err == nil {
			err = b.terminal.Break(one)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mend := func(f string) {
		t.Helper()
		if err := b.terminal.Mend(f); err != nil {
			t.Fatal(err)
		}
	}

	set("no_paper")
	o := b.want(b.sale(100, "chip"), "approved")
	if o.Slip != "" || *o.Printed {
		t.Error("printed without paper")
	}
	if _, err := b.terminal.Reprint(pos.Ref{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	mend("no_paper")
	if _, err := b.terminal.Reprint(pos.Ref{STAN: o.STAN}); err != nil {
		t.Error(err)
	}
	b.told("terminal.health printer failed", "component", "state")
	b.told("terminal.health printer ok", "component", "state")
	b.told("terminal.transaction approved false", "result", "printed")

	set("chip")
	if o := b.want(b.sale(101, "chip"), "approved"); o.Entry != "magstripe" || !o.Fallback {
		t.Errorf("no fallback: %+v", o)
	}
	set("stripe")
	before := len(b.acquirer.Events())
	b.want(b.sale(102, "chip"), "aborted")
	b.want(b.sale(102, "magstripe"), "aborted")
	if n := len(b.acquirer.Events()); n != before {
		t.Error("a card that was not read was sent")
	}
	b.told("terminal.health magstripe_reader failed", "component", "state")
	b.told("terminal.transaction magstripe aborted", "entry", "result")
	mend("chip")
	mend("stripe")
	set("contactless")
	if o := b.want(b.sale(103, "contactless"), "approved"); o.Entry != "chip" {
		t.Errorf("%+v", o)
	}
	mend("contactless")

	set("interface")
	o = b.want(b.sale(104, "chip"), "declined")
	if o.Code != "30" {
		t.Errorf("%+v", o)
	}
	b.told("terminal.software protocol_error", "what")
	mend("interface")
	set("version")
	b.sale(105, "chip")
	events := b.acquirer.Events()
	if h := events[len(events)-1].Header; !strings.HasSuffix(h, "200000") {
		t.Errorf("header %s", h)
	}
	mend("version")

	set("clock=-48h")
	b.sale(106, "chip")
	events = b.acquirer.Events()
	if c := events[len(events)-1].Clock; c != "0228120000" {
		t.Errorf("clock %s", c)
	}
	b.told("terminal.health clock failed", "component", "state")
	mend("clock")

	set("amount")
	o = b.want(b.sale(107, "chip"), "approved")
	if o.Amount != 1070 || o.OrderID == "" {
		t.Errorf("%+v", o)
	}
	b.told("sale.order "+o.OrderID+" 107", "order_id", "amount")
	mend("amount")
	set("function")
	if o := b.want(b.sale(108, "chip"), "approved"); o.Operation != "preauth" {
		t.Errorf("%+v", o)
	}
	b.told("operator.action wrong_function", "what")
	mend("function")

	for _, harmless := range []string{"twice", "dribble", "faded"} {
		set(harmless)
		b.want(b.sale(109, "chip"), "approved")
		mend(harmless)
	}
	set("no_network")
	before = len(b.acquirer.Events())
	b.want(b.sale(110, "chip"), "aborted")
	if n := len(b.acquirer.Events()); n != before {
		t.Error("sent without a network")
	}
	mend("no_network")

	set("mac")
	if o := b.want(b.sale(111, "chip"), "declined"); o.Code != "A0" {
		t.Errorf("%+v", o)
	}
	mend("mac")
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.Sale, Amount: 1, Card: b.card()}); !errors.Is(err, pos.ErrNotSignedOn) {
		t.Errorf("keys out of step: %v", err)
	}
	if err := b.terminal.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	set("keys")
	b.sale(112, "chip")
	if err := b.terminal.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	b.want(b.sale(113, "chip"), "approved")
	set("ignored")
	if _, err := b.terminal.Settle(ctx); !errors.Is(err, pos.ErrIgnored) {
		t.Errorf("%v", err)
	}
	b.told("operator.action prompt_ignored settle_batch", "what", "prompt")
	mend("ignored")
	s, err := b.terminal.Settle(ctx)
	if err != nil || !s.Balanced {
		t.Errorf("%+v %v", s, err)
	}
	sum, _ := b.standing()
	if got := s.Totals.DebitAmount + 108; got != sum { // the preauthorization is in no total
		t.Errorf("the terminal counts %d, the acquirer %d", got, sum)
	}
	for _, f := range []string{"", "nothing", "chip@sent", "crash@noon", "clock=x", "chip=1h", "chip:2", "chip:0"} {
		if _, err := pos.ParseFault(f); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", f, err)
		}
	}
	b.terminal.Close()
	b.noCard()
}

func TestOffline(t *testing.T) {
	b := newBench(t, func(c *pos.Config) { c.Timeout = 100 * time.Millisecond })
	ctx := context.Background()
	b.acquirer.Do(func(acquirertest.Event) acquirertest.Deed { return acquirertest.Deed{Ignore: true} })
	for i := range 3 {
		b.want(b.do(pos.Request{Operation: iso8583.OfflineSale, Amount: int64(10 + i), Card: b.card()}), "offline_approved")
	}
	if err := b.terminal.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	b.restart()
	if st := b.terminal.Status(); st.Offline != 3 {
		t.Errorf("%+v", st)
	}
	if _, err := b.terminal.Settle(ctx); fault.KindOf(err) != fault.Conflict {
		t.Errorf("settled with sales that nobody knows: %v", err)
	}
	b.acquirer.Do(nil)
	if err := b.terminal.Break(pos.Fault{What: pos.Lag}); err != nil {
		t.Fatal(err)
	}
	b.want(b.sale(100, "chip"), "approved")
	if st := b.terminal.Status(); st.Offline != 3 {
		t.Errorf("%+v", st)
	}
	b.told("terminal.software sync_lag 3", "what", "pending")
	if err := b.terminal.Mend(pos.Lag); err != nil {
		t.Fatal(err)
	}
	if s, err := b.terminal.Settle(ctx); err != nil || !s.Balanced || s.Totals.DebitAmount != 133 {
		t.Errorf("%+v %v", s, err)
	}
	if sum, n := b.standing(); sum != 133 || n != 4 {
		t.Errorf("%d stand, %d in all", n, sum)
	}
}

func TestUpload(t *testing.T) {
	b := newBench(t, func(c *pos.Config) { c.Timeout = 150 * time.Millisecond })
	ctx := context.Background()
	for i := range 17 {
		b.want(b.sale(int64(100+i), "contactless"), "approved")
	}
	// The acquirer has lost one, and at first does not answer the second upload.
	lost := false
	b.acquirer.Do(func(e acquirertest.Event) acquirertest.Deed {
		switch {
		case e.Kind.Operation == iso8583.Settlement:
			return acquirertest.Deed{Code: "95"}
		case e.Kind.Operation == iso8583.UploadEnd && !lost:
			lost = true
			return acquirertest.Deed{Silent: true}
		}
		return acquirertest.Deed{}
	})
	if _, err := b.terminal.Settle(ctx); err == nil {
		t.Fatal("settled without an answer")
	}
	if _, err := b.terminal.Do(ctx, pos.Request{Operation: iso8583.Sale, Amount: 1, Card: b.card()}); !errors.Is(err, pos.ErrSettling) {
		t.Errorf("sold into a batch that is being settled: %v", err)
	}
	b.restart()
	s, err := b.terminal.Settle(ctx)
	if err != nil || s.Balanced || s.Uploaded != 17 || s.Next != "000002" {
		t.Fatalf("%+v %v", s, err)
	}
	count := map[iso8583.Operation]int{}
	for _, e := range b.acquirer.Events() {
		count[e.Kind.Operation]++
	}
	if count[iso8583.Settlement] != 1 || count[iso8583.Upload] != 3 || count[iso8583.UploadEnd] != 2 {
		t.Errorf("%v", count)
	}
	b.told("terminal.batch 000001 out_of_balance", "batch", "what")
	b.told("terminal.batch 000001 uploaded 17", "batch", "what", "count")
	b.noCard()
}

func TestCountersWrap(t *testing.T) {
	b := newBench(t)
	b.terminal.Close()
	// A terminal at the end of its numbers.
	j, _, err := journal.Open(filepath.Join(b.cfg.Dir, ".state", "terminal.ndjson"), journal.Never, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(&pos.Record{What: "closed", Time: monday, Next: "999999"}, &pos.Record{What: "spent", Time: monday, STAN: "999998"}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	b.start()
	a, c := b.want(b.sale(1, "chip"), "approved"), b.want(b.sale(2, "chip"), "approved")
	if a.STAN != "999999" || c.STAN != "000001" || a.Batch != "999999" {
		t.Errorf("%s/%s then %s", a.Batch, a.STAN, c.STAN)
	}
	s, err := b.terminal.Settle(context.Background())
	if err != nil || s.Next != "000001" {
		t.Errorf("%+v %v", s, err)
	}
}

func TestFullBatch(t *testing.T) {
	b := newBench(t, func(c *pos.Config) { c.MaxBatch = 2 })
	b.sale(1, "chip")
	b.sale(1, "chip")
	_, err := b.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 1, Card: b.card()})
	if !errors.Is(err, pos.ErrBatchFull) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestPartialApproval(t *testing.T) {
	b := newBench(t)
	b.acquirer.Do(func(e acquirertest.Event) acquirertest.Deed {
		if e.Kind.Operation == iso8583.Sale {
			return acquirertest.Deed{Approved: 60}
		}
		return acquirertest.Deed{}
	})
	o := b.want(b.sale(100, "chip"), "approved")
	if o.Approved != 60 || !strings.Contains(o.Slip, "RMB 0.60") || b.terminal.Status().DebitAmount != 60 {
		t.Errorf("%+v", o)
	}
}

func TestWrongMaster(t *testing.T) {
	b := newBench(t)
	other, err := openKeys(t).NewMaster(keyring.Terminal(mid, tid))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.terminal.Inject(other); err != nil {
		t.Fatal(err)
	}
	if err := b.terminal.SignOn(context.Background()); !errors.Is(err, keyring.ErrKCV) || fault.HintOf(err) == "" {
		t.Errorf("keys under another master key were taken: %v", err)
	}
}

func TestUnusableConfig(t *testing.T) {
	for _, cfg := range []pos.Config{{}, {TID: "1", MID: mid}, {TID: tid, MID: mid, Faults: []pos.Fault{{What: "crash"}}, Keys: openKeys(t)}} {
		if _, err := pos.New(cfg); fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v", cfg.TID, err)
		}
	}
}

// TestNextAddress: where one of the acquirer's addresses cannot be reached or does
// not answer, the terminal goes on at the next, with its keys, batch and numbers.
func TestNextAddress(t *testing.T) {
	var tried []string
	down := map[string]bool{"one:1": true}
	acquirer := ""
	b := newBench(t, func(c *pos.Config) {
		acquirer, c.Address = c.Address, "one:1,two:2"
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			tried = append(tried, address)
			if down[address] {
				return nil, errors.New("connection refused")
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", acquirer)
		}
	})
	b.want(b.sale(100, "chip"), "approved")
	if want := []string{"one:1", "two:2"}; !slices.Equal(tried, want) {
		t.Errorf("tried %v", tried)
	}
	// The node at two dies with a request; its reversal goes to one.
	down["one:1"], down["two:2"] = false, true
	b.acquirer.Do(func(e acquirertest.Event) acquirertest.Deed {
		return acquirertest.Deed{Close: e.Kind.Operation == iso8583.Sale && !e.Kind.Reversal}
	})
	lost := b.want(b.sale(200, "chip"), "timeout")
	b.acquirer.Do(nil)
	if lost.Reversal != "done" {
		t.Errorf("the reversal is %q", lost.Reversal)
	}
	next := b.want(b.sale(300, "chip"), "approved")
	if next.Batch != lost.Batch || next.STAN <= lost.STAN {
		t.Errorf("after %s/%s comes %s/%s", lost.Batch, lost.STAN, next.Batch, next.STAN)
	}
	if want := []string{"one:1", "two:2", "one:1"}; !slices.Equal(tried, want) {
		t.Errorf("tried %v", tried)
	}
	if sum, n := b.standing(); sum != 400 || n != 2 {
		t.Errorf("the acquirer believes %d in %d", sum, n)
	}
	// Neither can be reached.
	down["one:1"] = true
	b.acquirer.Drop()
	if o, err := b.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 1, Card: b.card()}); err == nil && o.Result == "approved" {
		t.Errorf("%+v", o)
	}
}
