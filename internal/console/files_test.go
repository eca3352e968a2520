package console

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// counter is a console over a real database, with the investigation fed from it.
type counter struct {
	site
	db     *store.Store
	intake *intake.Intake
	live   *investigation.Live
	read   store.Cursor
}

func newCounter(t *testing.T, who Person) *counter {
	t.Helper()
	catalogue, err := diagnosis.Load()
	if err != nil {
		t.Fatal(err)
	}
	k := &counter{site: site{t: t, person: &who}}
	if k.live, err = investigation.NewLive(investigation.LiveOptions{Options: investigation.Options{Catalogue: catalogue}, AsOf: evidence.InstantOf(monday), Offset: 480, Keep: -1}); err != nil {
		t.Fatal(err)
	}
	if k.db, err = store.Open(t.Context(), store.Options{Database: t.TempDir(), Node: "test", Migrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.db.Close() })
	now := func() time.Time { return monday }
	zone, err := calendar.Location("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	k.intake = &intake.Intake{Keeper: k.db, Formats: registry.All(), Zone: zone, Now: now, Log: k.db,
		Seal:   func(string, string) ([]byte, error) { return []byte("sealed"), nil },
		Office: &backoffice.Office{Keeper: k.db, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: zone}}
	k.server = httptest.NewServer(New(Options{Live: k.live, Catalogue: catalogue, Intake: k.intake, Now: now, Who: func(*http.Request) (Person, bool) {
		if k.person == nil {
			return Person{}, false
		}
		return *k.person, true
	}}))
	t.Cleanup(k.server.Close)
	return k
}

// follow gives the investigation what the database has since.
func (k *counter) follow() {
	k.t.Helper()
	lines, next, err := k.db.Evidence(k.t.Context(), k.read, 10_000)
	if err != nil {
		k.t.Fatal(err)
	}
	k.read = next
	var b bytes.Buffer
	for _, l := range lines {
		b.Write(append(l.JSON, '\n'))
	}
	if _, err := k.live.AddNDJSON(&b, func(line int, why fault.Text) { k.t.Errorf("line %d: %s", line, why.EN) }); err != nil {
		k.t.Fatal(err)
	}
}

// upload sends a file with the fields of the form before it.
func (k *counter) upload(name, content string, fields ...string) (int, *url.URL, string) {
	k.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			k.t.Fatal(err)
		}
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			k.t.Fatal(err)
		}
		part.Write([]byte(content))
	}
	w.Close()
	req, err := http.NewRequest("POST", k.server.URL+"/files", &b)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return k.do(req)
}

// send sends a form.
func (k *counter) send(path string, fields ...string) (int, *url.URL, string) {
	k.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequest("POST", k.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return k.do(req)
}

var wang = Person{Name: "Wang Fang", Login: "wangfang", Role: access.Institution}

// aSale is a sale of Wednesday that is settled and sent to the shop's bank on Thursday.
const aSale = `{"specversion":"1.0","id":"g1","source":"acquirer/x","type":"daozhang.gateway.response","time":"2026-03-04T11:00:00+08:00","data":{"mid":"898310058120009","tid":"T9000001","stan":"000001","batch":"000001","rrn":"606311000001","auth_code":"700001","pan":"621700******1111","network":"UnionPay","amount":10000,"currency":"CNY","kind":"sale","response_code":"00"}}
{"specversion":"1.0","id":"l1","source":"acquirer/x","type":"daozhang.settlement.line","time":"2026-03-05T00:00:00+08:00","data":{"mid":"898310058120009","tid":"T9000001","stan":"000001","batch":"000001","rrn":"606311000001","kind":"sale","gross":10000,"fee":0,"net":10000,"currency":"CNY","settlement_date":"2026-03-05","payout":"P1"}}
{"specversion":"1.0","id":"p1","source":"acquirer/x","type":"daozhang.payout.status","time":"2026-03-05T16:30:00+08:00","data":{"mid":"898310058120009","payout":"P1","amount":10000,"currency":"CNY","account":"622200001111","bank":"ICBC","state":"sent"}}
`

// camt is a statement of the shop's account for a day, with one credit or none.
func camt(day string, credit bool) string {
	entry, closing := "", "100.00"
	if credit {
		closing = "200.00"
		entry = `<Ntry><NtryRef>E1</NtryRef><Amt Ccy="CNY">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>` + day + `</Dt></BookgDt><ValDt><Dt>` + day + `</Dt></ValDt><AcctSvcrRef>R1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>P1</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M` + day + `</MsgId><CreDtTm>` + day + `T23:59:00+08:00</CreDtTm></GrpHdr>
<Stmt><Id>S` + day + `</Id><CreDtTm>` + day + `T23:59:00+08:00</CreDtTm><FrToDt><FrDtTm>` + day + `T00:00:00+08:00</FrDtTm><ToDtTm>` + day + `T23:59:59+08:00</ToDtTm></FrToDt><Acct><Id><Othr><Id>622200001111</Id></Othr></Id><Ccy>CNY</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>` + day + `</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">` + closing + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>` + day + `</Dt></Dt></Bal>
` + entry + `</Stmt></BkToCstmrStmt></Document>`
}

// The upload of a statement turns overdue into arrived.
func TestUploadOfStatement(t *testing.T) {
	k := newCounter(t, wang)
	statusOf := func() (s string) {
		t.Helper()
		k.follow()
		k.live.Read(func(c *investigation.Current) {
			for _, p := range c.Find("606311000001") {
				s = p.Status.String()
			}
		})
		return s
	}
	if code, at, body := k.upload("facts.ndjson", aSale); code != http.StatusOK || !strings.HasPrefix(at.Path, "/files/") || !strings.Contains(body, "taken") {
		t.Fatalf("%d %s %s", code, at, body)
	}
	for _, day := range []string{"2026-03-05", "2026-03-06"} {
		if code, _, _ := k.upload(day+".xml", camt(day, false)); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	if s := statusOf(); s != "overdue" {
		t.Fatalf("with a statement that lacks it: %s", s)
	}

	code, _, body := k.upload("monday.xml", camt("2026-03-09", true), "dry", "1")
	if code != http.StatusOK || !strings.Contains(body, "nothing was kept") || statusOf() != "overdue" {
		t.Fatalf("the dry run: %d, %s", code, statusOf())
	}
	code, at, body := k.upload("monday.xml", camt("2026-03-09", true))
	if code != http.StatusOK || !strings.Contains(body, "agree") {
		t.Fatalf("%d %s", code, body)
	}
	if s := statusOf(); s != "arrived" {
		t.Fatalf("with the statement: %s", s)
	}
	_, again, body := k.upload("under another name.xml", camt("2026-03-09", true))
	if again.Path != at.Path || !strings.Contains(body, "Nothing is changed") {
		t.Errorf("the same file again leads to %s", again)
	}
	_, _, body = k.get("/files")
	for _, want := range []string{"facts.ndjson", "monday.xml", "wangfang", "camt.053"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %s", want)
		}
	}
	_, _, zh := k.get("/files", "Accept-Language", "zh")
	if !strings.Contains(zh, "应到与已到") || !strings.Contains(zh, "已接收") {
		t.Error("the list is not in Chinese")
	}
}

func TestUploadsThatAreWrong(t *testing.T) {
	k := newCounter(t, wang)
	if code, _, body := k.upload("", ""); code != http.StatusBadRequest || !strings.Contains(body, "No file") {
		t.Errorf("no file: %d", code)
	}
	if code, _, body := k.upload("x.xml", camt("2026-03-09", false), "to", "clearing/Nobody"); code != http.StatusBadRequest || !strings.Contains(body, `role="alert"`) {
		t.Errorf("an unknown folder: %d", code)
	}
	code, at, body := k.upload("../../etc/<b>letter.txt", "Dear sirs, 6222021234567890128")
	if code != http.StatusOK || !strings.Contains(body, "refused") || strings.Contains(body, "<b>") || strings.Contains(body, "6222021234567890128") {
		t.Errorf("%d %s", code, at)
	}
	k.intake.MaxSize = 1000
	if code, _, body := k.upload("big.csv", strings.Repeat("x,y\n", 1000)); code != http.StatusBadRequest || !strings.Contains(body, "larger") {
		t.Errorf("too large: %d", code)
	}
	for _, path := range []string{"/files/nothing", "/files/in/clearing/UnionPay/abc", "/terms/nobody", "/merchants/nobody", "/terminals/T0000000"} {
		if code, _, _ := k.get(path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// Who may not, does not; and a merchant sees its own.
func TestIntakeRights(t *testing.T) {
	k := newCounter(t, wang)
	k.send("/merchants", "mid", "898310058120009", "name", "Noodle House", "mcc", "5812", "currency", "CNY", "onboarded", "2026-01-05")
	k.send("/merchants", "mid", "898310058120010", "name", "Other Shop", "mcc", "5812", "currency", "CNY", "onboarded", "2026-01-05")
	k.person = &Person{Name: "Auditor", Login: "audit", Role: access.Auditor}
	if code, _, body := k.get("/files"); code != http.StatusOK || strings.Contains(body, `enctype="multipart/form-data"`) {
		t.Errorf("an auditor is offered to bring files: %d", code)
	}
	if code, _, _ := k.upload("x.xml", camt("2026-03-09", false)); code != http.StatusNotFound {
		t.Errorf("an auditor brings a file: %d", code)
	}
	if code, _, _ := k.send("/circumstances/links", "link", "platform-bank/ICBC", "state", "down"); code != http.StatusNotFound {
		t.Errorf("an auditor states a link: %d", code)
	}
	k.person = &Person{Name: "Shop", Login: "shop", Role: access.Merchant, MID: "898310058120009"}
	for path, want := range map[string]int{"/files": 404, "/circumstances": 404, "/merchants/898310058120009": 200, "/merchants/898310058120010": 404, "/terms/898310058120010": 404, "/terms/898310058120009": 200} {
		if code, _, _ := k.get(path); code != want {
			t.Errorf("a merchant gets %s: %d, want %d", path, code, want)
		}
	}
	if code, _, _ := k.send("/merchants/898310058120009/status", "state", "frozen", "reason", "risk", "why", "x"); code != http.StatusNotFound {
		t.Errorf("a merchant proposes its state: %d", code)
	}
}

// Terms are proposed by one and approved by another; the tester goes by them.
func TestTermsByTwo(t *testing.T) {
	k := newCounter(t, wang)
	const mid = "898310058120009"
	k.send("/merchants", "mid", mid, "name", "Noodle House", "mcc", "5812", "currency", "CNY", "onboarded", "2026-01-05")
	terms := []string{"from", "2026-03-10", "cycle", "T1", "cutoff", "23:00", "zone", "Asia/Shanghai", "calendar", "CN", "mode", "net", "bps_0", "60", "card_1", "debit", "bps_1", "50", "cap_1", "18.00", "why", "contract"}
	code, _, body := k.send("/merchants/"+mid+"/terms", append([]string{"bps_2", "lots"}, terms...)...)
	if code != http.StatusBadRequest || !strings.Contains(body, `value="lots"`) || !strings.Contains(body, `role="alert"`) {
		t.Fatalf("a rate that is none: %d", code)
	}
	if code, _, body = k.send("/merchants/"+mid+"/terms", terms...); code != http.StatusOK || !strings.Contains(body, "a colleague has to check it") {
		t.Fatalf("%d %s", code, body)
	}
	if code, _, body = k.send("/merchants/"+mid+"/proposals/1", "decision", "approve"); code != http.StatusBadRequest || !strings.Contains(body, "maker cannot be the checker") {
		t.Fatalf("approved by its maker: %d", code)
	}
	k.person = &Person{Name: "Li Lei", Login: "lilei", Role: access.Institution}
	if code, _, body = k.send("/merchants/"+mid+"/proposals/1", "decision", "approve"); code != http.StatusOK || !strings.Contains(body, "Nothing waits") {
		t.Fatalf("%d", code)
	}
	k.follow()
	_, _, body = k.get("/terms/" + mid + "?at=2026-06-18T23:30")
	text := regexp.MustCompile(`<[^>]*>|\s+`).ReplaceAllString(body, " ")
	for _, want := range []string{"to come", "wangfang, lilei", "after the cut-off at 23:00", "Dragon Boat Festival", "2026-06-22", "debit 50 bp, at most ¥18.00"} {
		if !strings.Contains(text, want) {
			t.Errorf("the terms lack %q", want)
		}
	}
	_, _, zh := k.get("/terms/"+mid+"?at=2026-06-18T23:30", "Accept-Language", "zh")
	if !strings.Contains(zh, "端午节") || !strings.Contains(zh, "日切") {
		t.Error("not in Chinese")
	}
}

// A stated holiday moves what is due, and a notice can be ended.
func TestStatedCircumstances(t *testing.T) {
	k := newCounter(t, wang)
	k.upload("facts.ndjson", aSale)
	k.follow()
	if code, _, body := k.send("/circumstances/links", "link", "platform", "state", "down", "preview", "1"); code != http.StatusOK || !strings.Contains(body, "1 payments") {
		t.Errorf("the preview: %d", code)
	}
	if code, _, body := k.send("/circumstances/notices", "issuer", "somebody", "what", "maintenance", "title", "x"); code != http.StatusBadRequest || strings.Count(body, `class="err"`) < 2 || !strings.Contains(body, `value="somebody"`) {
		t.Errorf("a wrong notice: %d", code)
	}
	code, _, body := k.send("/circumstances/notices", "issuer", "bank/ICBC", "what", "maintenance", "from", "2026-03-09T09:00", "leg", "payout", "title", "core banking")
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	k.follow()
	_, _, body = k.get("/circumstances")
	end := regexp.MustCompile(`/circumstances/notices/[^/"]+/end`).FindString(body)
	if !strings.Contains(body, "core banking") || end == "" {
		t.Fatalf("the notice is not in force")
	}
	k.send(end)
	k.follow()
	if _, _, body = k.get("/circumstances"); strings.Contains(body, "core banking") {
		t.Error("it is in force after its end")
	}
	k.send("/circumstances/holidays", "calendar", "CN", "date", "2026-03-11", "what", "holiday")
	k.follow()
	_, _, body = k.get("/terms?calendar=CN&month=2026-03")
	if !strings.Contains(body, "stated: off") {
		t.Error("the month does not show the stated day")
	}
}

func TestTerminalRegister(t *testing.T) {
	k := newCounter(t, wang)
	k.send("/merchants", "mid", "898310058120009", "name", "Noodle House", "mcc", "5812", "currency", "CNY", "onboarded", "2026-01-05")
	if code, _, body := k.send("/terminals", "tid", "T1", "mid", "898310058120009"); code != http.StatusBadRequest || !strings.Contains(body, "8 characters") {
		t.Errorf("a short number: %d", code)
	}
	if code, _, body := k.send("/terminals", "tid", "T9000001", "mid", "898310058120077"); code != http.StatusBadRequest || !strings.Contains(body, "no such merchant") {
		t.Errorf("of nobody: %d", code)
	}
	code, at, _ := k.send("/terminals", "tid", "T9000001", "mid", "898310058120009", "model", "A920")
	if code != http.StatusOK || at.Path != "/terminals/T9000001" {
		t.Fatal(code, at)
	}
	profiles, err := k.db.Profiles(t.Context())
	if err != nil || profiles["T9000001"] == nil {
		t.Fatalf("the gateway does not know it: %v", err)
	}
	k.send("/terminals", "tid", "T9000001", "mid", "898310058120009", "model", "A920", "barred", "1")
	if _, _, body := k.get("/terminals"); !strings.Contains(body, "barred") {
		t.Error("it is not barred")
	}
}
