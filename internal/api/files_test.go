package api_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// depot is a surface over a real database.
type depot struct {
	*world
	t  *testing.T
	db *store.Store
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Database: t.TempDir(), Node: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	zone, err := calendar.Location("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	d := &depot{t: t, db: db}
	d.world = newWorld(t, func(o *api.Options) {
		o.MaxBody = 1 << 20
		o.Intake = &intake.Intake{Keeper: db, Formats: registry.All(), Zone: zone, Now: o.Now, Log: db, MaxSize: 10_000,
			Office: &backoffice.Office{Keeper: db, Now: o.Now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: zone}}
	})
	d.keys["second-key"] = api.Key{ID: "20", Role: api.RoleInstitution}
	return d
}

// ask makes a request and reads its answer.
func (d *depot) ask(method, target, key, body string, status int, out any, header ...string) {
	d.t.Helper()
	if len(header) == 0 && body != "" {
		header = []string{"Content-Type", "application/json"}
	}
	rec := d.do(method, target, key, body, header...)
	if rec.Code != status {
		d.t.Fatalf("%s %s: %d, want %d: %s", method, target, rec.Code, status, rec.Body)
	}
	if out != nil {
		reflect.ValueOf(out).Elem().SetZero()
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			d.t.Fatalf("%s: %v in %s", target, err, rec.Body)
		}
	}
}

// follow gives the investigation what the database has.
func (d *depot) follow() {
	d.t.Helper()
	var lines strings.Builder
	if _, err := d.db.WriteEvidence(d.t.Context(), &lines, ""); err != nil {
		d.t.Fatal(err)
	}
	d.add(d.t, strings.Split(strings.TrimSpace(lines.String()), "\n")...)
}

const twoOrders = `{"specversion":"1.0","id":"1","source":"till/7","type":"daozhang.sale.order","time":"2026-03-02T10:00:00+08:00","data":{"mid":"898310058120001","order_id":"A1","amount":1200,"currency":"CNY"}}
{"specversion":"1.0","id":"2","source":"till/7","type":"daozhang.sale.order","time":"2026-03-02T10:05:00+08:00","data":{"mid":"898310058120001","order_id":"A2","amount":1,"currency":"CNY","pan":"6222021234567890128"}}
`

func TestFiles(t *testing.T) {
	d := newDepot(t)
	octets := []string{"Content-Type", "application/octet-stream"}
	var f api.File
	d.ask("POST", "/v1/files?name=orders.ndjson&dry_run=true", "institution-key", twoOrders, 200, &f, octets...)
	if !f.DryRun || f.Added != 1 || f.Rejected != 1 || f.State != "partly" {
		t.Fatalf("%+v", f)
	}
	d.ask("GET", "/v1/files/"+f.ID, "institution-key", "", 404, nil)
	d.ask("POST", "/v1/files?name=orders.ndjson", "institution-key", twoOrders, 200, &f, octets...)
	if f.DryRun || f.Added != 1 || f.By != "key/2" || len(f.Errors) != 1 || f.Errors[0].Line != 2 || strings.Contains(f.Errors[0].Raw, "6222021234567890128") {
		t.Fatalf("%+v", f)
	}
	id := f.ID

	// As a form, under another name: the same file.
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "other.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte(twoOrders))
	w.Close()
	d.ask("POST", "/v1/files", "institution-key", b.String(), 200, &f, "Content-Type", w.FormDataContentType())
	if f.State != "unchanged" || f.ID != id || f.Name != "other.ndjson" || f.Added != 0 {
		t.Fatalf("%+v", f)
	}
	d.ask("GET", "/v1/files/"+id, "auditor-key", "", 200, &f)
	if f.Name != "orders.ndjson" || len(f.Errors) != 1 {
		t.Errorf("%+v", f)
	}
	var list api.Files
	d.ask("GET", "/v1/files", "auditor-key", "", 200, &list)
	if len(list.Items) != 1 || list.NextCursor != "" {
		t.Errorf("%+v", list)
	}

	d.ask("POST", "/v1/files", "institution-key", strings.Repeat("x", 10_001), 400, nil, octets...)
	d.ask("POST", "/v1/files?currency=XXX1", "institution-key", "x", 422, nil, octets...)
	d.ask("POST", "/v1/files?to=clearing/Nobody", "institution-key", twoOrders, 400, nil, octets...)
	for _, key := range []string{"auditor-key", "bank-key", "merchant-key"} {
		d.ask("POST", "/v1/files", key, twoOrders, 403, nil, octets...)
	}
	var expected api.ExpectedFiles
	d.ask("POST", "/v1/files/expected", "institution-key", `{"source":"till/7","days_after":1,"by":"10:00","from":"2026-03-02"}`, 200, nil)
	d.ask("GET", "/v1/files/expected?from=2026-03-01&to=2026-03-03", "institution-key", "", 200, &expected)
	if len(expected.Sources) != 1 || expected.Sources[0].Origin != "stated" || len(expected.Sources[0].Days) != 3 || expected.Sources[0].Days[0].State != "not_expected" {
		t.Errorf("%+v", expected)
	}
	d.ask("POST", "/v1/files/expected", "institution-key", `{"source":"till/7","days_after":1,"by":"soon"}`, 422, nil)
}

func TestPutFile(t *testing.T) {
	d := newDepot(t)
	s := httptest.NewServer(d.server)
	defer s.Close()
	c := client.Client{URL: s.URL, Key: "institution-key", Lang: "zh"}
	f, err := c.PutFile(t.Context(), "orders.ndjson", strings.NewReader(twoOrders), client.FileHints{DryRun: true})
	if err != nil || !f.DryRun || f.Added != 1 {
		t.Fatal(f, err)
	}
	if f, err = c.PutFile(t.Context(), "letter.txt", strings.NewReader("Dear sirs"), client.FileHints{}); err != nil || f.State != "refused" || f.Why == "" {
		t.Fatal(f, err)
	}
	c.Key = "auditor-key"
	if _, err := c.PutFile(t.Context(), "orders.ndjson", strings.NewReader(twoOrders), client.FileHints{}); err == nil {
		t.Error("an auditor brings a file")
	}
}

func TestCircumstances(t *testing.T) {
	d := newDepot(t)
	var n api.Notice
	d.ask("POST", "/v1/notices?dry_run=true", "institution-key", `{"issuer":"bank/ICBC","what":"maintenance","from":"2026-03-03T08:00:00+08:00","affects":["payout"],"title":"core banking"}`, 200, &n)
	if n.Notice != "" || n.Concerns == nil {
		t.Fatalf("%+v", n)
	}
	d.ask("POST", "/v1/notices", "institution-key", `{"issuer":"bank/ICBC","what":"maintenance","from":"2026-03-03T08:00:00+08:00","affects":["payout"],"title":"core banking"}`, 200, &n)
	var p api.Problem
	d.ask("POST", "/v1/notices", "institution-key", `{"issuer":"who","what":"maintenance","from":"2026-03-03T08:00:00+08:00","title":"x"}`, 422, &p)
	if len(p.Errors) != 1 || p.Errors[0].Field != "body.issuer" {
		t.Errorf("%+v", p)
	}
	d.ask("POST", "/v1/links", "institution-key", `{"link":"platform-bank/ICBC","state":"down"}`, 200, nil)
	d.ask("POST", "/v1/holidays", "institution-key", `{"calendar":"CN","date":"2026-03-11","what":"holiday"}`, 200, nil)
	d.follow()
	var c api.Circumstances
	d.ask("GET", "/v1/circumstances", "auditor-key", "", 200, &c)
	if len(c.Notices) != 1 || c.Notices[0].Notice != n.Notice || len(c.Links) != 1 || len(c.Holidays) != 1 {
		t.Fatalf("%+v", c)
	}
	var m api.Month
	d.ask("GET", "/v1/calendars/CN?month=2026-03", "auditor-key", "", 200, &m)
	if len(m.Days) != 31 || m.Days[10].Business || !m.Days[10].Stated {
		t.Errorf("%+v", m.Days[10])
	}
	d.ask("GET", "/v1/calendars/MARS", "auditor-key", "", 404, nil)
	d.ask("POST", "/v1/notices/"+n.Notice+"/end", "auditor-key", "", 403, nil)
	d.ask("POST", "/v1/notices/"+n.Notice+"/end", "institution-key", "", 200, &n)
	if n.What != "resolved" {
		t.Errorf("%+v", n)
	}
	d.ask("POST", "/v1/notices/nothing/end", "institution-key", "", 404, nil)
}

// Terms are proposed by one key and approved by another; the arrival follows them.
func TestRegisterByTwo(t *testing.T) {
	d := newDepot(t)
	const terms = `{"valid_from":"2026-03-10","cycle":"T1","cutoff":"23:00","timezone":"Asia/Shanghai","calendar":"CN","fees":[{"bps":"60"}]}`
	d.ask("POST", "/v1/merchants", "institution-key", `{"mid":"`+mid+`","name":"Noodle House","mcc":"5812","currency":"CNY","onboarded":"2026-01-05"}`, 200, nil)
	d.ask("POST", "/v1/merchants", "institution-key", `{"mid":"`+mid+`","name":"Noodle House","mcc":"5812","currency":"CNY"}`, 409, nil)
	d.ask("POST", "/v1/merchants/"+mid+"/proposals", "institution-key", `{"why":"nothing"}`, 422, nil)
	var r api.MerchantRecord
	d.ask("POST", "/v1/merchants/"+mid+"/proposals", "institution-key", `{"terms":`+terms+`,"why":"contract"}`, 200, &r)
	if len(r.Proposals) != 1 || r.Proposals[0].Maker != "key/2" {
		t.Fatalf("%+v", r)
	}
	d.ask("POST", "/v1/merchants/"+mid+"/proposals/1/approval", "institution-key", "", 403, nil)
	d.ask("POST", "/v1/merchants/"+mid+"/proposals/1/approval", "second-key", "", 200, &r)
	if len(r.Terms) != 1 || r.Terms[0].Checker != "key/20" || len(r.Proposals) != 0 {
		t.Fatalf("%+v", r)
	}
	d.ask("GET", "/v1/merchants/"+mid+"/record", "merchant-key", "", 200, &r)
	if len(r.History) != 3 {
		t.Errorf("%+v", r.History)
	}
	d.ask("GET", "/v1/merchants/"+mid+"/record", "other-key", "", 404, nil)
	d.ask("POST", "/v1/merchants", "merchant-key", `{"mid":"1","name":"x","mcc":"5812","currency":"CNY"}`, 403, nil)
	d.ask("PUT", "/v1/terminals/T0000009", "institution-key", `{"mid":"`+mid+`","model":"A920"}`, 200, nil)
	d.ask("PUT", "/v1/terminals/T9", "institution-key", `{"mid":"`+mid+`"}`, 422, nil)
	d.follow()
	var a api.SaleArrival
	d.ask("GET", "/v1/calendar/arrival?at=2026-06-18T23:30:00%2B08:00", "merchant-key", "", 200, &a)
	if a.BusinessDate != "2026-06-19" || a.Terms != "stated" || len(a.Steps) != 6 || !strings.HasPrefix(a.Credit.Format("2006-01-02"), "2026-06-22") {
		t.Fatalf("%+v", a)
	}
	d.ask("GET", "/v1/calendar/arrival?mid="+mid+"&at=2026-06-18T23:30:00%2B08:00", "other-key", "", http.StatusNotFound, nil)
}
