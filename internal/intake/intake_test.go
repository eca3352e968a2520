package intake_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

var (
	shanghai, _ = calendar.Location("Asia/Shanghai")
	cny, _      = money.ParseCurrency("CNY")
	wang        = access.Actor{Name: "wangfang", Role: access.Institution}
	li          = access.Actor{Name: "lilei", Role: access.Institution}
)

// trail is an audit log in memory.
type trail struct{ events []access.Event }

func (l *trail) Record(_ context.Context, e access.Event) error {
	l.events = append(l.events, e)
	return nil
}

func (l *trail) has(what, subject string) bool {
	for _, e := range l.events {
		if e.What == what && strings.HasPrefix(e.Subject, subject) {
			return true
		}
	}
	return false
}

// bench is an Intake over a real database.
type bench struct {
	*intake.Intake
	t       *testing.T
	db      *store.Store
	now     time.Time
	log     trail
	boxes   string // the folders
	address string
}

// newBench opens a database; office gives it a network, a bank and a merchant.
func newBench(t *testing.T, address string, office bool) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Database: address, Node: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &bench{t: t, db: db, now: time.Date(2026, 6, 3, 14, 0, 0, 0, shanghai), boxes: t.TempDir(), address: address}
	b.Intake = &intake.Intake{Keeper: db, Formats: registry.All(), Zone: shanghai, Now: func() time.Time { return b.now }, Log: &b.log,
		Seal: func(number, _ string) ([]byte, error) { return []byte("sealed"), nil }}
	if !office {
		return b
	}
	dir := backoffice.Dir(b.boxes)
	b.Office = &backoffice.Office{Keeper: db, Now: b.Now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: shanghai,
		Networks: []backoffice.Network{{Name: "UnionPay", Currency: cny, Zone: shanghai, Clearing: dir.Sub("clearing")}},
		Banks: []backoffice.Bank{{Name: "ICBC", Currency: cny, Zone: shanghai, Orders: dir.Sub("orders"), Replies: dir.Sub("replies"), Statements: dir.Sub("statements"),
			Payees: dir.Sub("payees")}}}
	b.Office.Banks[0].Account.Account = "110900000000001234"
	return b
}

func (b *bench) bring(name, content string, change ...func(*intake.Upload)) intake.File {
	b.t.Helper()
	u := intake.Upload{Name: name, Content: strings.NewReader(content), By: wang, Via: intake.Console}
	for _, f := range change {
		f(&u)
	}
	f, err := b.Bring(b.t.Context(), u)
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	return f
}

func dry(u *intake.Upload) { u.Dry = true }

func (b *bench) evidence() int {
	b.t.Helper()
	lines, _, err := b.db.Evidence(b.t.Context(), "", 100_000)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(lines)
}

// onBoth runs a test on SQLite, and on PostgreSQL where it is installed.
func onBoth(t *testing.T, run func(t *testing.T, address string)) {
	t.Run("SQLite", func(t *testing.T) { run(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, storetest.Database(t)) })
}

const mid = "898310058120001"

const statement = `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-06-03T01:00:00+08:00</CreDtTm></GrpHdr>
<Stmt><Id>S20260602</Id><CreDtTm>2026-06-03T01:00:00+08:00</CreDtTm>
<FrToDt><FrDtTm>2026-06-02T00:00:00+08:00</FrDtTm><ToDtTm>2026-06-02T23:59:59+08:00</ToDtTm></FrToDt>
<Acct><Id><Othr><Id>ACCOUNT</Id></Othr></Id><Ccy>CNY</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-06-02</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">CLOSING</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-06-02</Dt></Dt></Bal>
<Ntry><NtryRef>E1</NtryRef><Amt Ccy="CNY">50.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-06-02</Dt></BookgDt><ValDt><Dt>2026-06-02</Dt></ValDt>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><AcctSvcrRef>R1</AcctSvcrRef></Ntry>
</Stmt></BkToCstmrStmt></Document>`

func stating(account, closing string) string {
	return strings.NewReplacer("ACCOUNT", account, "CLOSING", closing).Replace(statement)
}

func TestBring(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		b := newBench(t, address, false)
		content := stating("622200001111", "150.00")

		preview := b.bring("June 2.xml", content, dry)
		if preview.State != intake.Taken || !preview.Dry || preview.Added != 2 || preview.Rows != 2 || b.evidence() != 0 {
			t.Fatalf("the dry run says %+v and left %d facts", preview, b.evidence())
		}
		if _, err := b.db.File(t.Context(), preview.ID); fault.KindOf(err) != fault.NotFound {
			t.Fatalf("the dry run is on record: %v", err)
		}

		f := b.bring("June 2.xml", content)
		if f.State != intake.Taken || f.Added != 2 || f.Repeated != 0 || f.Rejected != 0 || !strings.HasPrefix(f.Format, "camt.053") || f.By != "wangfang" {
			t.Fatalf("%+v", f)
		}
		if len(f.Trailers) != 1 || !f.Trailers[0].Fits() || f.Trailers[0].Sum != 5000 || f.Trailers[0].ReadSum != 5000 {
			t.Errorf("trailer: %+v", f.Trailers)
		}
		if len(f.Streams) != 1 || f.Streams[0].Days[0].String() != "2026-06-02" || strings.Contains(f.Streams[0].Name, "S2026") {
			t.Errorf("streams: %+v", f.Streams)
		}
		if b.evidence() != 2 {
			t.Fatalf("%d facts on record", b.evidence())
		}

		again := b.bring("another name.xml", content)
		if again.State != intake.Unchanged || again.Added != 0 || again.Repeated != 2 || !strings.Contains(again.Why.EN, "June 2.xml") || again.Why.ZH == "" || b.evidence() != 2 {
			t.Fatalf("the second time: %+v, %d facts", again, b.evidence())
		}
		// The same rows in other bytes are the same facts.
		other := b.bring("spaced.xml", strings.ReplaceAll(content, "><", ">\n<"))
		if other.State != intake.Unchanged || other.Repeated != 2 || b.evidence() != 2 {
			t.Fatalf("in other bytes: %+v", other)
		}

		list, next, err := b.db.Files(t.Context(), "", 10)
		if err != nil || next != "" || len(list) != 2 {
			t.Fatalf("%d files on record, %q, %v", len(list), next, err)
		}
		if !b.log.has("brought", "file/"+f.ID) {
			t.Error("the audit log does not know it")
		}
	})
}

func TestTotalsThatDiffer(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	f := b.bring("s.xml", stating("622200001111", "151.00"))
	if f.Doubts == 0 || len(f.Warnings) == 0 || f.Warnings[0].Why.ZH == "" {
		t.Errorf("no doubt is told: %+v", f)
	}
}

func TestRefused(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	for name, content := range map[string]string{
		"nothing.csv":  "",
		"letter.txt":   "Dear sirs,\nplease find enclosed nothing.\n",
		"binary.dat":   "\x00\x01\x02\x03\xff\xfe",
		"torn.xml":     stating("622200001111", "150.00")[:300],
		"own.ndjson":   `{"specversion":"1.0","id":"1","source":"gateway/x","type":"daozhang.gateway.timeout","time":"2026-06-02T10:00:00+08:00","data":{"mid":"` + mid + `"}}`,
		"stated.jsonl": `{"specversion":"1.0","id":"1","source":"institution/console","type":"daozhang.calendar.holiday","time":"2026-06-02T10:00:00+08:00","data":{"calendar":"CN","date":"2026-06-05","what":"holiday"}}`,
	} {
		f := b.bring(name, content)
		if f.State != intake.Refused || f.Why.EN == "" || f.Why.ZH == "" || f.Why.EN == f.Why.ZH {
			t.Errorf("%s: %s, %q, %q", name, f.State, f.Why.EN, f.Why.ZH)
		}
		kept, err := b.db.File(t.Context(), f.ID)
		if err != nil || kept.Why.EN != f.Why.EN {
			t.Errorf("%s: the reason is not kept: %v, %v", name, kept.Why, err)
		}
	}
	if b.evidence() != 0 {
		t.Errorf("%d facts of refused files", b.evidence())
	}
	// A refused file is read again: what was missing may be known now.
	if f := b.bring("letter.txt", "Dear sirs,\nplease find enclosed nothing.\n"); f.State != intake.Refused {
		t.Errorf("%+v", f)
	}
}

const orders = `{"specversion":"1.0","id":"1","source":"till/7","type":"daozhang.sale.order","time":"2026-06-02T10:00:00+08:00","data":{"mid":"898310058120001","order_id":"A1","amount":1200,"currency":"CNY"}}
{"specversion":"1.0","id":"2","source":"till/7","type":"daozhang.sale.order","time":"2026-06-02T10:05:00+08:00","data":{"mid":"898310058120001","order_id":"A2","amount":-5,"currency":"CNY","pan":"6222021234567890128"}}
{"specversion":"1.0","id":"3","source":"till/7","type":"daozhang.sale.order","time":"2026-06-02T10:06:00+08:00","data":{"mid":"898310058120001","order_id":"A3","amount":300,"currency":"CNY"
{"specversion":"1.0","id":"4","source":"till/7","type":"daozhang.sale.order","time":"2026-06-02T10:07:00+08:00","data":{"mid":"898310058120001","order_id":"A4","track2":"6222021234567890128=25121010000012300000"}}
`

func TestLinesThatCannotBeRead(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	f := b.bring("orders.ndjson", orders)
	if f.State != intake.Partly || f.Added != 1 || f.Rejected != 3 || len(f.Errors) != 3 {
		t.Fatalf("%+v", f)
	}
	for i, want := range []int{2, 3, 4} {
		if e := f.Errors[i]; e.Line != want || e.Why.EN == "" || e.Why.ZH == "" {
			t.Errorf("error %d: %+v", i, e)
		}
	}
	if !strings.Contains(f.Errors[1].Raw, `"A3"`) {
		t.Errorf("the raw line is not shown: %q", f.Errors[1].Raw)
	}
	kept, err := b.db.File(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range kept.Errors {
		if strings.Contains(e.Raw, "6222021234567890128") || strings.Contains(e.Raw, "2512101") {
			t.Errorf("card data in %q", e.Raw)
		}
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	b.MaxSize = 100
	_, err := b.Bring(t.Context(), intake.Upload{Name: "big.csv", Content: strings.NewReader(strings.Repeat("x", 101)), By: wang})
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("too large: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	b.MaxSize, b.AtOnce = 0, 1
	if _, err := b.Bring(ended, intake.Upload{Name: "x.xml", Content: strings.NewReader(stating("1", "150.00")), By: wang}); err == nil {
		t.Error("a file of somebody who has gone was read")
	}
}

// Facts of the platform's own account, of a network that clears here and of payout
// replies are for the books; they lie in the folder where these look.
func TestHandedToTheBackOffice(t *testing.T) {
	b := newBench(t, t.TempDir(), true)
	for name, x := range map[string]struct {
		content, folder string
	}{
		"own statement":   {stating("110900000000001234", "150.00"), "statements/ICBC"},
		"clearing":        {clearing("UnionPay", ""), "clearing/UnionPay"},
		"other network":   {clearing("Visa", ""), ""},
		"merchant's bank": {stating("622200009999", "150.00"), ""},
	} {
		f := b.bring(name+".xml", x.content, dry)
		if f.SentTo != x.folder {
			t.Errorf("%s goes to %q, want %q (%s %v)", name, f.SentTo, x.folder, f.State, f.Why)
		}
	}
	f := b.bring("clearing.ndjson", clearing("UnionPay", ""))
	if f.State != intake.Handed || b.evidence() != 0 {
		t.Fatalf("%+v, %d facts", f, b.evidence())
	}
	found, err := filepath.Glob(filepath.Join(b.boxes, "clearing", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v in the folder, %v", found, err)
	}
	if raw, err := os.ReadFile(found[0]); err != nil || string(raw) != clearing("UnionPay", "") {
		t.Errorf("it is not the file: %v", err)
	}
	// With card numbers in clear it would lie there for anybody.
	f = b.bring("clear.ndjson", clearing("UnionPay", "6222021234567890128"))
	if f.State != intake.Refused {
		t.Errorf("a clearing file with card numbers: %+v", f)
	}
	if _, err := b.Bring(t.Context(), intake.Upload{Name: "x", Content: strings.NewReader(clearing("UnionPay", "")), By: wang, To: "clearing/JCB"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("an unknown folder: %v", err)
	}
}

// clearing is a network's file of two lines and a trailer; text stands in a field.
func clearing(network, text string) string {
	line := func(id, data string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"file/` + network + `","type":"daozhang.clearing.` + data + `}}` + "\n"
	}
	one := `line","time":"2026-06-03T02:00:00+08:00","data":{"mid":"` + mid + `","network":"` + network + `","kind":"sale","clearing_date":"2026-06-02","currency":"CNY","note":"` + text + `",`
	return line("1", one+`"rrn":"615300000001","amount":1000`) + line("2", one+`"rrn":"615300000002","amount":500`) +
		line("3", `file","time":"2026-06-03T02:00:00+08:00","data":{"network":"`+network+`","date":"2026-06-02","count":2,"total":1500,"currency":"CNY"`)
}

func TestCircumstances(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		b := newBench(t, address, false)
		ctx := t.Context()
		n, err := b.StateNotice(ctx, wang, intake.Notice{Issuer: "bank/ICBC", What: "maintenance", From: b.now.Add(time.Hour), To: b.now.Add(5 * time.Hour),
			Affects: []string{"payout"}, Title: "core banking maintenance"})
		if err != nil || n.ID == "" {
			t.Fatal(n, err)
		}
		if _, err := b.StateLink(ctx, wang, intake.LinkState{Link: "platform-bank/ICBC", State: "down"}); err != nil {
			t.Fatal(err)
		}
		if err := b.StateHoliday(ctx, wang, intake.Holiday{Calendar: "CN", Date: calendar.MustYMD(2026, 6, 5)}); err != nil {
			t.Fatal(err)
		}
		c := intake.InForce(b.view(), b.now)
		if len(c.Notices) != 1 || c.Notices[0].ID != n.ID || c.Notices[0].What != "maintenance" || !c.Notices[0].From.Equal(b.now.Add(time.Hour)) || c.Notices[0].Source != "institution/console" {
			t.Fatalf("notices: %+v", c.Notices)
		}
		if len(c.Links) != 1 || c.Links[0].State != "down" || len(c.Holidays) != 1 || c.Holidays[0].Workday {
			t.Fatalf("%+v", c)
		}
		b.now = b.now.Add(2 * time.Hour)
		end, err := b.EndNotice(ctx, li, b.inForce(), n.ID)
		if err != nil || end.What != "resolved" {
			t.Fatal(end, err)
		}
		if c := intake.InForce(b.view(), b.now); len(c.Notices) != 0 {
			t.Errorf("it is in force after its end: %+v", c.Notices)
		}
		if _, err := b.EndNotice(ctx, li, b.inForce(), n.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("ended twice: %v", err)
		}
		if !b.log.has("stated", "notice/") || !b.log.has("stated", "link/platform-bank/ICBC") || !b.log.has("stated", "holiday/CN/2026-06-05") {
			t.Errorf("audit: %+v", b.log.events)
		}
	})
}

func (b *bench) inForce() *intake.Circumstances {
	c := intake.InForce(b.view(), b.now)
	return &c
}

// view is all evidence on record as it is known now.
func (b *bench) view() *evidence.View {
	b.t.Helper()
	var lines strings.Builder
	if _, err := b.db.WriteEvidence(b.t.Context(), &lines, ""); err != nil {
		b.t.Fatal(err)
	}
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(strings.NewReader(lines.String()), set.Writer(set.AddFile("all")), func(line int, why fault.Text) { b.t.Errorf("line %d: %v", line, why) })
	if err != nil {
		b.t.Fatal(err)
	}
	set.Unify()
	return set.Known(evidence.InstantOf(b.now))
}

func TestFlaws(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	_, err := b.StateNotice(t.Context(), wang, intake.Notice{Issuer: "somebody", What: "rumour", Affects: []string{"everything"}})
	flaws, ok := asFlaws(err)
	if !ok || fault.KindOf(err) != fault.Invalid {
		t.Fatalf("%v", err)
	}
	got := map[string]bool{}
	for _, f := range flaws {
		got[f.Field] = true
		if f.Why.ZH == "" {
			t.Errorf("%s in one language", f.Field)
		}
	}
	for _, field := range []string{"issuer", "what", "from", "affects", "title"} {
		if !got[field] {
			t.Errorf("nothing is said of %s", field)
		}
	}
	if fault.TextOf(err).ZH == fault.TextOf(err).EN {
		t.Errorf("the error is in one language: %v", fault.TextOf(err))
	}
	if _, err := b.StateLink(t.Context(), wang, intake.LinkState{Link: "the line", State: "odd", Since: b.now.Add(time.Hour)}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if err := b.StateHoliday(t.Context(), wang, intake.Holiday{Calendar: "MARS"}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if b.evidence() != 0 {
		t.Error("something was kept all the same")
	}
}

func asFlaws(err error) (intake.Flaws, bool) {
	return errors.AsType[intake.Flaws](err)
}
