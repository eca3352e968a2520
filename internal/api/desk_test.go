package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/api"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// office is a surface over a desk that keeps its rows in a real store.
type office struct {
	*world
	t  *testing.T
	db *store.Store
}

func newOffice(t *testing.T) *office {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Database: t.TempDir(), Node: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := storetest.OpenShop(t.Context(), db, mid); err != nil {
		t.Fatal(err)
	}
	catalogue, err := diagnosis.Load()
	if err != nil {
		t.Fatal(err)
	}
	china, _ := calendar.Builtin("CN")
	zone := time.FixedZone("", 8*3600)
	now := func() time.Time { return noon }
	d := &desk.Desk{Keeper: db, Catalogue: catalogue, Policy: desk.DefaultPolicy(), Calendar: china, Zone: zone, Now: now,
		Office: &backoffice.Office{Keeper: db, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: zone}}
	o := &office{t: t, db: db}
	o.world = newWorld(t, func(options *api.Options) { options.Desk = d; d.Live = options.Live; options.MaxBody = 1 << 20 })
	o.keys["second-key"] = api.Key{ID: "20", Role: api.RoleInstitution}
	return o
}

// short puts a break on record and gives the id of its item.
func (o *office) short(owner string, amount int64) string {
	o.t.Helper()
	cny, err := money.ParseCurrency("CNY")
	if err != nil {
		o.t.Fatal(err)
	}
	x := payment.Exception{ID: uuid.New(), MID: owner, Kind: string(settlement.Short), Owner: "network/UnionPay", Amount: amount, Currency: cny, Opened: noon.Add(-time.Hour),
		Detail: "captured RRN 606212000107 has no line"}
	s := &settlement.Step{}
	s.MID, s.At, s.Exceptions = owner, noon, []payment.Exception{x}
	if err := o.db.CommitSettlement(o.t.Context(), s); err != nil {
		o.t.Fatal(err)
	}
	return owner + ".exception." + x.ID.String()
}

// ask asks and reads the answer into a value, or, where it is nil, leaves it.
func (o *office) ask(method, target, key, body string, status int, into any) {
	o.t.Helper()
	rec := o.do(method, target, key, body, "Content-Type", "application/json")
	if rec.Code != status {
		o.t.Fatalf("%s %s by %s: %d, want %d: %s", method, target, key, rec.Code, status, rec.Body)
	}
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			o.t.Fatal(err)
		}
	}
}

const staff, second = "institution-key", "second-key"

// TestCaseOverHTTP works on an exception from the list to its end.
func TestCaseOverHTTP(t *testing.T) {
	o := newOffice(t)
	id, foreign := o.short(mid, 5000), o.short("898310058120999", 700)
	var list api.Exceptions
	o.ask("GET", "/v1/exceptions", staff, "", 200, &list)
	if list.Count != 2 || list.Inboxes["unassigned"] != 2 || len(list.Sums) != 1 || list.Sums[0].Amount != 5700 || list.Items[0].Title.ZH == "" || list.Items[0].Details[0] == "" {
		t.Errorf("%+v", list)
	}
	o.ask("GET", "/v1/exceptions?mid="+mid, "merchant-key", "", 200, &list)
	if list.Count != 1 || list.Items[0].ID != id {
		t.Errorf("the merchant sees %+v", list)
	}
	o.ask("GET", "/v1/exceptions?mid=898310058120999", "merchant-key", "", 200, &list)
	if slices.ContainsFunc(list.Items, func(x api.Exception) bool { return x.MID != mid }) {
		t.Errorf("another merchant's items: %+v", list)
	}
	var m api.ExceptionMatrix
	o.ask("GET", "/v1/exceptions/matrix", "auditor-key", "", 200, &m)
	if m.Total.All.Count != 2 || len(m.Rows) != 1 || len(m.Rows[0].Cells) != len(m.Ages) {
		t.Errorf("%+v", m)
	}
	cases := "/v1/cases/" + url.PathEscape(id)
	var c api.Case
	o.ask("POST", cases+"/commands", staff, `{"do":"assign","to":"anne","text":"hers","version":0}`, 200, &c)
	if c.Owner != "anne" || c.Version != 1 || !strings.HasPrefix(c.Number, "C20260304-") {
		t.Errorf("%+v", c)
	}
	o.ask("POST", cases+"/commands", staff, `{"do":"assign","to":"bert","version":0}`, 409, nil)
	o.ask("POST", cases+"/commands", "merchant-key", `{"do":"assign","to":"me"}`, 403, nil)
	o.ask("POST", cases+"/commands", "merchant-key", `{"do":"comment","text":"the slip is attached, 6222021234567890128"}`, 200, nil)
	o.ask("POST", cases+"/commands", "other-key", `{"do":"comment","text":"hello"}`, 404, nil)
	o.ask("POST", cases+"/commands", "auditor-key", `{"do":"comment","text":"hello"}`, 403, nil)
	o.ask("POST", cases+"/commands", staff, `{"do":"dance"}`, 422, nil)
	o.ask("POST", "/v1/cases/nonsense/commands", staff, `{"do":"comment","text":"x"}`, 422, nil)
	var f api.CaseFile
	o.ask("POST", cases+"/files?name=slip.txt", "merchant-key", "card 6222021234567890128", 201, &f)
	if f.Type != "text/plain" || !f.Masked {
		t.Errorf("%+v", f)
	}
	o.ask("POST", cases+"/files?name=page.html", staff, "<!doctype html><script>", 422, nil)
	rec := o.do("GET", cases+"/files/"+f.Hash, staff, "")
	if rec.Code != 200 || strings.Contains(rec.Body.String(), "6222021234567890128") || rec.Header().Get("Content-Disposition") != "attachment" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	o.ask("GET", cases+"/files/"+f.Hash, "other-key", "", 404, nil)
	var detail api.CaseDetail
	o.ask("GET", cases, staff, "", 200, &detail)
	if len(detail.History) != 3 || strings.Contains(detail.History[1].Text, "6222021234567890128") || detail.History[1].By != "key/3" || len(detail.Attached) != 1 {
		t.Errorf("%+v", detail)
	}
	var own api.CaseDetail // without what the institution's people do among themselves
	o.ask("GET", cases, "merchant-key", "", 200, &own)
	if len(own.History) != 2 || own.History[0].What != "comment" || len(own.Attached) != 1 {
		t.Errorf("%+v", own)
	}
	o.ask("GET", "/v1/cases/"+url.PathEscape(foreign), "merchant-key", "", 404, nil)
	o.ask("GET", cases+"/candidates", staff, "", 200, nil)
	var report api.BulkReport
	o.ask("POST", "/v1/exceptions/bulk?inbox=unassigned", staff, `{"do":"assign","to":"bert","text":"all of it","expected":1}`, 200, &report)
	if !slices.Equal(report.Done, []string{foreign}) {
		t.Errorf("%+v", report)
	}
	o.ask("POST", "/v1/exceptions/bulk", staff, `{"do":"assign","to":"bert","text":"again","items":["`+foreign+`","`+id+`"]}`, 200, &report)
	if len(report.Done) != 1 || len(report.Ineligible) != 1 || report.Ineligible[0].ID != foreign || report.Ineligible[0].Why.ZH == report.Ineligible[0].Why.EN {
		t.Errorf("%+v", report)
	}
	o.ask("POST", "/v1/exceptions/bulk", staff, `{"do":"assign","to":"bert"}`, 422, nil)
}

// TestApprovalsOverHTTP: four eyes by keys.
func TestApprovalsOverHTTP(t *testing.T) {
	o := newOffice(t)
	id := o.short(mid, 5000)
	var c api.Case
	o.ask("POST", "/v1/cases/"+url.PathEscape(id)+"/commands", staff, `{"do":"write_off","text":"the network does not find it"}`, 200, &c)
	var queue api.Approvals
	o.ask("GET", "/v1/approvals", second, "", 200, &queue)
	if queue.Count != 1 || queue.Items[0].ID != c.Proposals[0] || queue.Items[0].Case != id || queue.Items[0].Title.ZH != "核销" {
		t.Fatalf("%+v", queue)
	}
	one := "/v1/approvals/" + url.PathEscape(queue.Items[0].ID)
	var a api.Approval
	o.ask("GET", one, "auditor-key", "", 200, &a)
	if len(a.Postings) != 1 || a.Postings[0].Debit != "fee_income" || len(a.Balances) != 2 || a.Balances[0].After != -5000 {
		t.Errorf("%+v", a)
	}
	o.ask("GET", one, "merchant-key", "", 403, nil)
	o.ask("POST", one+"/approve", staff, "", 403, nil)
	o.ask("POST", one+"/approve", "auditor-key", "", 403, nil)
	o.ask("POST", one+"/decline", second, `{"why":""}`, 422, nil)
	o.ask("POST", one+"/approve", second, "", 200, &a)
	if a.State != "done" || a.By != "key/20" {
		t.Errorf("%+v", a)
	}
	o.ask("POST", one+"/approve", second, "", 409, nil)
	o.ask("GET", "/v1/approvals?over=true", staff, "", 200, &queue)
	if len(queue.Items) != 1 || queue.Items[0].State != "done" {
		t.Errorf("%+v", queue)
	}
	o.ask("POST", "/v1/approvals", staff, `{"mid":"`+mid+`","motion":"adjustment","amount":-1800,"reason":"paid twice"}`, 200, &a)
	if a.Amount != -1800 || a.Postings[0].Debit != "merchant_payable" || !a.Postings[0].Later {
		t.Errorf("%+v", a)
	}
	o.ask("POST", "/v1/approvals/"+url.PathEscape(a.ID)+"/decline", staff, `{"why":"a mistake"}`, 200, &a)
	if a.State != "withdrawn" {
		t.Errorf("%+v", a)
	}
	o.ask("POST", "/v1/approvals", staff, `{"mid":"none","motion":"adjustment","amount":5,"reason":"x"}`, 404, nil)
	if rec := newWorld(t, nil).do("GET", "/v1/approvals", staff, ""); rec.Code != http.StatusNotFound {
		t.Errorf("an installation without desk: %d", rec.Code)
	}
}
