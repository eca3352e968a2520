package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

var settlementCNY = money.Currency{'C', 'N', 'Y'}

const (
	shopMID = "898310058120001" // of testdata/shops.ndjson
	nextMID = "898310058120002" // of neighbour
)

var (
	maker     = &Person{Name: "li", Role: access.Institution}
	checker   = &Person{Name: "zhao", Role: access.Institution}
	merchant1 = &Person{Name: "wang", Role: access.Merchant, MID: shopMID}
	merchant2 = &Person{Name: "wu", Role: access.Merchant, MID: nextMID}
)

// office is a site with a desk on a real database.
type office struct {
	*site
	store *store.Store
	desk  *desk.Desk
	now   time.Time
}

// strange is the exception about an entry of nobody, of the institution itself.
var strange = uuid.MustParse("0195ccaa-0000-7000-8000-000000000001")

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{now: monday}
	var err error
	if o.store, err = store.Open(t.Context(), store.Options{Database: t.TempDir(), Migrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.store.Close() })
	for _, mid := range []string{shopMID, nextMID} {
		if _, err := storetest.OpenShop(t.Context(), o.store, mid); err != nil {
			t.Fatal(err)
		}
	}
	step := &settlement.Step{}
	step.MID, step.At = settlement.House, monday.AddDate(0, 0, -6)
	step.Exceptions = []payment.Exception{{ID: strange, MID: settlement.House, Kind: backoffice.ExceptionEntry, Owner: "bank/ICBC", Amount: 8800, Currency: settlementCNY,
		Opened: step.At, Detail: "an entry of 88.00 <b>from</b> ICBC names nobody, reference 606212000107"}}
	if err := o.store.CommitSettlement(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return o.now }
	cn, _ := calendar.Builtin("CN")
	o.site = newSiteWith(t, func(c *Options) {
		c.Now = now
		o.desk = &desk.Desk{Keeper: o.store, Live: c.Live, Catalogue: c.Catalogue, Calendar: cn, Zone: monday.Location(), Policy: desk.DefaultPolicy(), Now: now,
			Office: &backoffice.Office{Keeper: o.store, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: monday.Location()}}
		c.Desk = o.desk
	})
	o.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.person = maker
	return o
}

// page asks for a page in English.
func (o *office) page(path string) (int, string) {
	o.t.Helper()
	status, _, body := o.get(path, "Accept-Language", "en")
	return status, body
}

// post sends a form and follows where it leads.
func (o *office) post(path string, fields ...string) (int, string) {
	o.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequest("POST", o.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.follow(req)
}

func (o *office) follow(req *http.Request) (int, string) {
	o.t.Helper()
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Accept-Language", "en")
	res, err := o.server.Client().Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode == http.StatusSeeOther {
		return o.page(to)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// late is the key of the payment of 88.00 that never came into settlement.
func (o *office) late() desk.Key {
	o.t.Helper()
	_, at, _ := func() (int, *url.URL, string) {
		c := *o.server.Client()
		c.CheckRedirect = nil
		res, err := c.Get(o.server.URL + "/?q=606212000107")
		if err != nil {
			o.t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Request.URL, ""
	}()
	return desk.Key{MID: shopMID, Kind: desk.OnPayment, Ref: strings.TrimPrefix(at.Path, "/payments/")}
}

func has(t *testing.T, what, body string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			t.Errorf("%s: no %q", what, w)
		}
	}
}

func lacks(t *testing.T, what, body string, not ...string) {
	t.Helper()
	for _, w := range not {
		if strings.Contains(body, w) {
			t.Errorf("%s: there is %q", what, w)
		}
	}
}

var rowLink = regexp.MustCompile(`<th scope="row" class="where"><a href="/cases/([^"]+)"`)

// rows are the items of a list, as its page has them.
func rows(body string) (list []string) {
	for _, m := range rowLink.FindAllStringSubmatch(body, -1) {
		list = append(list, m[1])
	}
	return list
}

// TestExceptions reads the list in both languages: inboxes, the matrix whose figures
// lead to their rows, pages, and what is escaped.
func TestExceptions(t *testing.T) {
	o := newOffice(t)
	_, body := o.page("/exceptions")
	has(t, "list", body, "Missing from the settlement file", "Bank entry not placed", "606212000107", "the institution", "Unassigned", "&lt;b&gt;from&lt;/b&gt;", "By age and cause",
		"2 to 3", `aria-label="Missing from the settlement file, 2 to 3: 1, ¥87.47"`)
	lacks(t, "list", body, "<b>from</b>")
	_, _, zh := o.get("/exceptions", "Accept-Language", "zh")
	has(t, "Chinese", zh, "结算文件缺此笔", "银行流水未匹配", "未分配", "按账龄和原因", "本机构")

	cell := regexp.MustCompile(`<a href="(/exceptions[^"]*)" aria-label="Missing from the settlement file, 2 to 3`).FindStringSubmatch(body)
	if cell == nil {
		t.Fatal("the figure of the matrix leads nowhere")
	}
	narrow := strings.ReplaceAll(cell[1], "&amp;", "&")
	if _, body = o.page(narrow); !slices.Equal(rows(body), []string{o.late().String()}) {
		t.Errorf("%s shows %v", narrow, rows(body))
	}
	has(t, "narrowed", body, "Take the filters away", `aria-current="true"`)

	// All that there are, page after page, each once and in order of their due time.
	_, body = o.page("/exceptions")
	count := regexp.MustCompile(`<h1>[^<]*<span class="n">(\d+)</span>`).FindStringSubmatch(body)
	seen := map[string]bool{}
	next := regexp.MustCompile(`hx-get="([^"]+)"`)
	for path, n := "/exceptions", 0; path != ""; n++ {
		_, body := o.page(path)
		for _, id := range rows(body) {
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
		}
		path = ""
		if m := next.FindStringSubmatch(body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		if n > 10 {
			t.Fatal("no end")
		}
	}
	if count == nil || fmt.Sprint(len(seen)) != count[1] || len(seen) <= pageSize {
		t.Errorf("%v by the heading, %d on the pages", count, len(seen))
	}
	for path, want := range map[string]string{
		"/exceptions?merchant=nobody":         "Nothing here passes these filters",
		"/exceptions?inbox=mine":              "Nothing is yours to do",
		"/exceptions?kind=exception":          "Bank entry not placed",
		"/exceptions?owner=nobody&inbox=done": "Nothing here passes these filters",
		"/exceptions?merchant=" + nextMID:     "Cause not known",
	} {
		status, body := o.page(path)
		if status != 200 {
			t.Errorf("%s: %d", path, status)
		}
		has(t, path, body, want)
	}
	for _, path := range []string{"/exceptions?inbox=attic", "/exceptions?age=old", "/exceptions?kind=x", "/exceptions?after=%21"} {
		if status, _ := o.page(path); status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestBulk does the same to many, and tells what became of each.
func TestBulk(t *testing.T) {
	o := newOffice(t)
	late := o.late().String()
	house := desk.Key{MID: settlement.House, Kind: desk.OnException, Ref: strange.String()}.String()
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"no remark":      {[]string{"scope", "ticked", "item", late, "do", "assign", "to", "li"}, "A remark is required"},
		"no row":         {[]string{"scope", "ticked", "do", "assign", "to", "li", "remark", "mine"}, "No row is ticked"},
		"no date":        {[]string{"scope", "ticked", "item", late, "do", "snooze", "until", "soon", "remark", "later"}, "Until when?"},
		"not at once":    {[]string{"scope", "ticked", "item", late, "do", "write_off", "remark", "away"}, "Choose what is to be done"},
		"more than seen": {[]string{"scope", "all", "seen", "2", "filter", "merchant=" + nextMID, "do", "assign", "to", "li", "remark", "mine"}, "pass the filter by now"},
	} {
		status, body := o.post("/exceptions/bulk", c.fields...)
		if status < 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d, no %q", name, status, c.want)
		}
		if name == "no date" { // what was entered is kept
			has(t, name, body, `value="later"`, "checked", `value="snooze" selected`)
		}
	}
	status, body := o.post("/exceptions/bulk", "scope", "ticked", "item", late, "item", house, "do", "assign", "to", "li", "remark", "mine <now>", "filter", "inbox=unassigned")
	has(t, "two", body, "done 2", "not eligible 0", "failed 0", "mine &lt;now&gt;")
	if status != 200 {
		t.Error(status)
	}
	// The same again: they are so already, and the third is not.
	third := rows(body)[0]
	_, body = o.post("/exceptions/bulk", "scope", "ticked", "item", late, "item", house, "item", third, "do", "assign", "to", "li", "remark", "again")
	has(t, "again", body, "done 1", "not eligible 2", "It is so already")
	// The report is for who did it alone.
	mark := regexp.MustCompile(`report=[0-9a-f-]+`)
	req, _ := http.NewRequest("POST", o.server.URL+"/exceptions/bulk", strings.NewReader(url.Values{"scope": {"all"}, "filter": {"merchant=" + nextMID}, "do": {"comment"}, "remark": {"asked the terminal's shop"}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := o.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	to := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !mark.MatchString(to) {
		t.Fatalf("%d to %s", res.StatusCode, to)
	}
	_, body = o.page(to)
	has(t, "all", body, "done 70")
	o.person = checker
	_, body = o.page(to)
	lacks(t, "somebody else", body, "done 70")
	_, body = o.page("/exceptions?inbox=mine&owner=li")
	lacks(t, "mine of another", body, late)
	o.person = maker
	_, body = o.page("/exceptions?inbox=mine")
	if got := rows(body); len(got) != 3 || !slices.Contains(got, late) || !slices.Contains(got, house) {
		t.Errorf("mine: %v", got)
	}
	_, body = o.page("/cases/" + late)
	has(t, "history", body, "mine &lt;now&gt;", "assign", "→ li")
}

// TestDeskRights asks for every page of the desk as every role: what the table of
// rights says, in the words of screens 6 to 8.
func TestDeskRights(t *testing.T) {
	o := newOffice(t)
	k := o.late().String()
	o.post("/cases/"+k+"/adjust", "amount", "3.00", "text", "fee was wrong")
	_, body := o.page("/approvals")
	m := regexp.MustCompile(`href="(/approvals/[^"?]+\.[^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatal("no proposal")
	}
	reads := map[string][]access.Role{
		"/exceptions": {access.Merchant, access.Auditor, access.Institution},
		"/cases/" + k: {access.Merchant, access.Auditor, access.Institution},
		"/approvals":  {access.Auditor, access.Institution},
		m[1]:          {access.Auditor, access.Institution},
	}
	writes := map[string][]access.Role{}
	for _, r := range (&Console{o: Options{Desk: o.desk}}).deskRoutes() {
		if r.Method != "POST" {
			continue
		}
		switch r.Action {
		case access.WorkOnExceptions:
			writes[r.Path] = []access.Role{access.Merchant, access.Institution}
		case access.Propose, access.Decide:
			writes[r.Path] = []access.Role{access.Institution}
		default:
			t.Errorf("%s needs %q", r.Path, r.Action)
		}
	}
	for _, role := range access.Roles {
		o.person = &Person{Name: "somebody", Role: role}
		if role == access.Merchant {
			o.person.MID = shopMID
		}
		for path, roles := range reads {
			want := 404
			if slices.Contains(roles, role) {
				want = 200
			}
			status, body := o.page(path)
			if status != want || want == 404 && strings.Contains(body, "¥") {
				t.Errorf("%s reads %s: %d, want %d", role, path, status, want)
			}
			if role == access.Auditor && strings.Contains(regexp.MustCompile(`(?s)<main.*</main>`).FindString(body), `method="post"`) {
				t.Errorf("the auditor can send a form on %s", path)
			}
		}
		for path, roles := range writes {
			path = strings.NewReplacer("/cases/{id}", "/cases/"+k, "/approvals/{id}", m[1]).Replace(path)
			if status, _ := o.post(path, "text", ""); (status == 404) == slices.Contains(roles, role) {
				t.Errorf("%s posts to %s: %d", role, path, status)
			}
		}
	}
	o.person = merchant2
	for _, path := range []string{"/cases/" + k, "/cases/" + (desk.Key{MID: settlement.House, Kind: desk.OnException, Ref: strange.String()}).String(), "/cases/nothing", "/cases/" + shopMID + ".payout.P20260301-AAAAAAAAAAAAA"} {
		if status, body := o.page(path); status != 404 || strings.Contains(body, "¥") {
			t.Errorf("another merchant reads %s: %d", path, status)
		}
	}
	if status, _ := o.post("/cases/"+k+"/comment", "text", "let me in"); status != 404 {
		t.Errorf("another merchant comments: %d", status)
	}
	_, body = o.page("/exceptions?merchant=" + shopMID)
	for _, id := range rows(body) {
		if !strings.HasPrefix(id, nextMID) {
			t.Errorf("another merchant sees %s", id)
		}
	}
}
