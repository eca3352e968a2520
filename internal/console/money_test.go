package console

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/access"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
)

// count is the number that a list's heading shows.
func count(t *testing.T, body string) string {
	t.Helper()
	m := regexp.MustCompile(`<h1>[^<]*<span class="n">(\d+)</span>`).FindStringSubmatch(body)
	if m == nil {
		t.Fatal("no count in the page")
	}
	return m[1]
}

// TestFilters narrows the list by each column, and says beside the field what was
// typed wrong.
func TestFilters(t *testing.T) {
	s := newSite(t, staff)
	_, _, all := s.get("/payments")
	total := count(t, all)
	for query, want := range map[string]string{
		"rrn=606212000107":                                     "1",
		"rrn=999999999999":                                     "0",
		"amount_from=88.00&amount_to=88":                       "1",
		"head=621700&merchant=898310058120002":                 "70",
		"head=621700&tail=0037":                                "1",
		"from=2026-03-05T11:00&to=2026-03-05T11:01":            "2",
		"merchant=898310058120002&net_from=10.00&net_to=10.13": "2",
		"fee_from=1000":                                        "0",
		"status=arrived&status=overdue&status=in_transit&status=held&status=short&status=confirmed&status=unproven&status=unknown&status=refunded&status=not_charged": total,
		"expected_from=2036-01-01T00:00": "0",
		"due_to=2026-01-01T00:00":        "0",
		"day=2026-03-05":                 "",
	} {
		status, _, body := s.get("/payments?"+query, "Accept-Language", "en")
		if status != 200 {
			t.Errorf("%s: %d", query, status)
			continue
		}
		if got := count(t, body); want != "" && got != want {
			t.Errorf("%s: %s payments, want %s", query, got, want)
		}
		if !strings.Contains(body, `class="chips"`) {
			t.Errorf("%s: no filter is shown to be in force", query)
		}
	}
	for query, want := range map[string]string{
		"tail=55":               "4 digits",
		"head=abcdef":           "6 digits",
		"amount_from=lots":      "an amount",
		"from=yesterday":        "write it as",
		"fee_to=1.234":          "an amount",
		"tail=4111111111111111": "4 digits",
	} {
		status, _, body := s.get("/payments?"+query, "Accept-Language", "en")
		name, typed, _ := strings.Cut(query, "=")
		if status != 400 || !strings.Contains(body, want) || !strings.Contains(body, `aria-describedby="wrong-`+name) && name != "from" {
			t.Errorf("%s: %d, or nothing is said at the field", query, status)
		}
		if len(typed) < 13 && !strings.Contains(body, typed) {
			t.Errorf("%s: what was typed is gone", query)
		}
		if strings.Contains(body, "4111111111111111") {
			t.Error("a card number stays in the page")
		}
	}
	// A chip leads to the list without it.
	_, _, body := s.get("/payments?rrn=606212000107&tail=5512")
	without := regexp.MustCompile(`class="chips".*?href="([^"]+)"`).FindStringSubmatch(strings.ReplaceAll(body, "\n", ""))
	if without == nil {
		t.Fatal("no chip leads away")
	}
	if _, at, _ := s.get(strings.ReplaceAll(without[1], "&amp;", "&")); at.Query().Get("rrn") != "" || at.Query().Get("tail") != "5512" {
		t.Errorf("without the first filter: %s", at)
	}
}

// TestPlaces follows every cell of the overview to its list: the numbers are those of
// the rows that they lead to.
func TestPlaces(t *testing.T) {
	s := newSite(t, staff)
	_, _, body := s.get("/overview", "Accept-Language", "en")
	flat := strings.ReplaceAll(body, "\n", "")
	followed := 0
	for _, pattern := range []string{
		`<td class="heat-\d"><a href="(/payments\?[^"]+)">(\d+)<small>`,
		`<th scope="row"><a href="(/payments\?expected[^"]+)">[^<]*</a> ?</th> ?<td class="r">(\d+)</td>`,
	} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(flat, -1) {
			followed++
			if _, _, list := s.get(strings.ReplaceAll(m[1], "&amp;", "&")); count(t, list) != m[2] {
				t.Errorf("%s says %s, its list %s", m[1], m[2], count(t, list))
			}
		}
	}
	if followed < 3 {
		t.Errorf("only %d cells lead to lists", followed)
	}
	for _, want := range []string{"Data as of", "Expected on the next bank days", "Late: why, and for how long", "How long banks take", "ICBC", `<a href="/payments?status=arrived">`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(body, "Still to set up") {
		t.Error("what is there is still to be set up")
	}
	for table, want := range map[string]string{"places": "Arrived", "incidents": "Scope", "late": "Bank days late", "sources": "bank entry"} {
		status, _, file := s.get("/overview/"+table+".csv", "Accept-Language", "en")
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		if status != 200 || err != nil || len(rows) < 2 || !strings.Contains(file, want) {
			t.Errorf("%s: %d, %d rows, %v", table, status, len(rows), err)
		}
	}
	for _, path := range []string{"/overview/nothing.csv", "/overview/places.doc", "/overview/places"} {
		if status, _, _ := s.get(path); status != 404 && status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestSetUp: what an installation still lacks is told until it is there.
func TestSetUp(t *testing.T) {
	empty := newSiteWith(t, func(o *Options) { o.Live = nothing(t) })
	empty.person = staff
	if _, _, body := empty.get("/overview", "Accept-Language", "en"); !strings.Contains(body, "Still to set up") || !strings.Contains(body, "No payment has been told yet") {
		t.Error("an empty installation does not say what to do")
	}
	empty.person = &Person{Name: "audit", Role: access.Auditor}
	if _, _, body := empty.get("/overview", "Accept-Language", "en"); strings.Contains(body, "Still to set up") {
		t.Error("who may change nothing is told what to set up")
	}
}

func nothing(t *testing.T) *investigation.Live {
	t.Helper()
	l, err := investigation.NewLive(investigation.LiveOptions{AsOf: evidence.InstantOf(monday), Offset: 480})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestExports: a file has every row that fits, far beyond a page, and only those that
// its reader may see.
func TestExports(t *testing.T) {
	s := newSite(t, staff)
	_, _, page := s.get("/payments")
	total := count(t, page)
	rows := func(path string) [][]string {
		t.Helper()
		status, _, file := s.get(path, "Accept-Language", "en")
		list, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		if status != 200 || err != nil {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		return list[1:]
	}
	if got := len(rows("/payments/export?format=csv")); fmt.Sprint(got) != total || got <= pageSize {
		t.Errorf("%d rows in the file, %s in the list", got, total)
	}
	if got := rows("/payments/export?format=csv&rrn=606212000107"); len(got) != 1 || got[0][1] != "606212000107" {
		t.Errorf("%v", got)
	}
	if got := len(rows("/payments/export?format=csv&only=page")); got != pageSize {
		t.Errorf("%d rows of a page", got)
	}
	res, err := s.server.Client().Get(s.server.URL + "/payments/export?format=xlsx&sort=amount")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if d := res.Header.Get("Content-Disposition"); !strings.HasPrefix(d, `attachment; filename="payments-2026-03-09.xlsx"`) || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error(d)
	}
	book, err := excelize.OpenReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if list, err := book.GetRows("Payments"); err != nil || fmt.Sprint(len(list)-1) != total {
		t.Errorf("%d rows in the workbook (%v)", len(list)-1, err)
	}
	s.person = &Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}
	for _, r := range rows("/payments/export?format=csv&merchant=" + shopMID) {
		if r[2] != "898310058120002" {
			t.Fatalf("another merchant's row: %v", r)
		}
	}
	if got := rows("/payouts/export?format=csv"); len(got) != 0 {
		t.Errorf("another merchant's payouts: %v", got)
	}
	for _, path := range []string{"/payments/export", "/payments/export?format=doc", "/payments/export?format=csv&tail=1", "/payments/export?format=csv&sort=colour", "/payouts/export?format=csv&from=x"} {
		if status, _, _ := s.get(path); status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// slow is a reader that takes nothing until it is let.
type slow struct {
	*httptest.ResponseRecorder
	reached chan struct{}
	let     chan struct{}
}

func (s *slow) Write(b []byte) (int, error) {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	<-s.let
	return s.ResponseRecorder.Write(b)
}

// TestSlowReader: while one reads a file as slowly as can be, evidence comes in.
func TestSlowReader(t *testing.T) {
	var live *investigation.Live
	s := newSiteWith(t, func(o *Options) { live = o.Live.(*investigation.Live) })
	s.person = staff
	w := &slow{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}
	done := make(chan struct{})
	go func() {
		s.server.Config.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/payments/export?format=csv", nil))
		close(done)
	}()
	<-w.reached
	if err := live.Advance(live.AsOf() + 1); err != nil { // takes the lock that readers hold
		t.Error(err)
	}
	close(w.let)
	<-done
	if n := strings.Count(w.Body.String(), "\n"); w.Code != 200 || n < 90 {
		t.Errorf("%d, %d lines", w.Code, n)
	}
}

// gone is a reader that has gone.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

// TestGoneReader: a file that could not be sent whole does not end as if it were.
func TestGoneReader(t *testing.T) {
	s := newSite(t, staff)
	for _, format := range []string{"csv", "xlsx"} {
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s: the connection is not cut", format)
				}
			}()
			s.server.Config.Handler.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest("GET", "/payments/export?format="+format, nil))
		}()
	}
}

// TestPayouts goes from the list to one payout: it adds up, its payments are there, and
// it can be printed.
func TestPayouts(t *testing.T) {
	s := newSite(t, staff)
	status, _, list := s.get("/payouts", "Accept-Language", "en")
	if status != 200 || !strings.Contains(list, "P20260303-0001") || !strings.Contains(list, "arrived") || strings.Contains(list, "1001234509876544416") {
		t.Errorf("%d, or a payout is missing, or an account number shown", status)
	}
	for query, want := range map[string]bool{"state=arrived": true, "state=returned": false, "bank=icbc": true, "bank=ABC": false, "from=2026-03-03&to=2026-03-03": true, "from=2026-03-04": false,
		"amount_from=559.25&amount_to=559.25": true, "amount_to=1": false, "merchant=" + shopMID: true, "payout=P20260303-0001": true, "payout=P1": false} {
		if status, _, body := s.get("/payouts?" + query); status != 200 || strings.Contains(body, ">P20260303-0001<") != want {
			t.Errorf("%s: %d, there %v", query, status, !want)
		}
	}
	for _, query := range []string{"state=lost", "after=!", "from=x", "amount_to=y"} {
		if status, _, _ := s.get("/payouts?" + query); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
	status, at, body := s.get("/payouts/P20260303-0001", "Accept-Language", "en")
	if status != 200 || at.Path != "/payouts/"+shopMID+"/P20260303-0001" {
		t.Fatalf("%d at %s", status, at)
	}
	for _, want := range []string{"¥559.25", "opening", "sales", "refunds and voids", "reserves", "chargebacks", "It adds up to what was paid out", "ICBC", "Its payments", "booked by the bank on 2026-03-03", "/payments?merchant=" + shopMID, "4416-20260308-1"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(regexp.MustCompile(`camt[^"<]*`).ReplaceAllString(body, ""), "1001234509876544416") {
		t.Error("the account's number is shown")
	}
	if status, _, body := s.get(at.Path+"/receipt", "Accept-Language", "zh"); status != 200 || !strings.Contains(body, "出款回单") || !strings.Contains(body, "净额") {
		t.Errorf("the receipt: %d", status)
	}
	if status, _, _ := s.get("/payouts/" + shopMID + "/P1"); status != 404 {
		t.Errorf("no payout: %d", status)
	}
	s.person = &Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}
	for _, path := range []string{at.Path, at.Path + "/receipt"} {
		if status, _, body := s.get(path); status != 404 || strings.Contains(body, "559.25") {
			t.Errorf("%s of another merchant: %d", path, status)
		}
	}
	if _, at, body := s.get("/payouts/P20260303-0001"); at.Path != "/payouts" || strings.Contains(body, "559.25") {
		t.Errorf("another merchant's payout by its number: %s", at)
	}
	s.person.MID = shopMID
	if status, _, _ := s.get(at.Path); status != 200 {
		t.Errorf("its own: %d", status)
	}
}

// TestAddsUp: the lines of every payout in the list come to what the page says of
// them.
func TestAddsUp(t *testing.T) {
	s := newSite(t, staff)
	_, _, list := s.get("/payouts")
	links := regexp.MustCompile(`href="(/payouts/\d+/[^"]+)"`).FindAllStringSubmatch(list, -1)
	if len(links) < 4 {
		t.Fatalf("%d payouts", len(links))
	}
	figure := regexp.MustCompile(`<tr[^>]*><th scope="row">([^<]*)</th><td class="r">([+-]?)¥?([\d,.]+)</td></tr>|<tr[^>]*><th scope="row">([^<]*)</th><td class="r">-¥([\d,.]+)</td></tr>`)
	for _, m := range links {
		_, _, body := s.get(m[1], "Accept-Language", "en")
		table := regexp.MustCompile(`(?s)<table class="sums">.*?</table>`).FindString(body)
		rows := regexp.MustCompile(`<td class="r">([^<]+)</td>`).FindAllStringSubmatch(table, -1)
		if len(rows) < 2 {
			t.Errorf("%s has no arithmetic", m[1])
			continue
		}
		var sum, net int64
		for i, r := range rows {
			n := minor(t, r[1])
			if i == len(rows)-1 {
				net = n
			} else {
				sum += n
			}
		}
		if sum != net || !figure.MatchString(table) {
			t.Errorf("%s: the lines come to %d, the page says %d", m[1], sum, net)
		}
	}
}

// minor reads an amount as pages show it.
func minor(t *testing.T, s string) (n int64) {
	t.Helper()
	for _, c := range s {
		if c >= '0' && c <= '9' {
			n = n*10 + int64(c-'0')
		}
	}
	if strings.Contains(s, "-") {
		n = -n
	}
	return n
}

// TestFact follows the evidence of a payment: every name on its page leads to what it
// says, and nobody else's is shown to a merchant.
func TestFact(t *testing.T) {
	s := newSite(t, staff)
	_, at, body := s.get("/?q=606212000107", "Accept-Language", "en")
	links := regexp.MustCompile(`href="(/evidence/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(links) < 2 {
		t.Fatalf("%d links to evidence", len(links))
	}
	for _, m := range links {
		status, _, fact := s.get(m[1], "Accept-Language", "en")
		if status != 200 || !strings.Contains(fact, "What it says") || strings.Contains(regexp.MustCompile(`camt[^"<&]*`).ReplaceAllString(fact, ""), "1001234509876544416") {
			t.Errorf("%s: %d, or it shows an account", m[1], status)
		}
	}
	own := links[0][1]
	if _, _, fact := s.get(own); !strings.Contains(fact, at.Path) || !strings.Contains(fact, "625330******5512") {
		t.Error("the fact does not lead back to its payment, or has no masked card")
	}
	s.person = &Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}
	if status, _, fact := s.get(own); status != 404 || strings.Contains(fact, "5512") {
		t.Errorf("another merchant's evidence: %d", status)
	}
	if status, _, _ := s.get("/evidence/" + url.PathEscape("gateway/n") + "/n3"); status != 200 {
		t.Errorf("its own evidence: %d", status)
	}
	// What names no merchant is for those of all.
	if status, _, _ := s.get("/evidence/" + url.PathEscape("notices/CMB") + "/CMB-20260302-01"); status != 404 {
		t.Errorf("a bank's notice to a merchant: %d", status)
	}
	s.person = &Person{Name: "audit", Role: access.Auditor}
	if status, _, _ := s.get("/evidence/" + url.PathEscape("notices/CMB") + "/CMB-20260302-01"); status != 200 {
		t.Errorf("a bank's notice to an auditor: %d", status)
	}
	if status, _, _ := s.get("/evidence/nobody/nothing"); status != 404 {
		t.Errorf("no fact: %d", status)
	}
}

// TestTrailWhole: an answer's card, its way as a picture and as a table, a missed
// promise struck through, what is linked, and the text to pass on.
func TestTrailWhole(t *testing.T) {
	s := newSite(t, staff)
	_, _, body := s.get("/?q=606212000107", "Accept-Language", "en")
	for _, want := range []string{`class="way"`, "<s>", `class="proof proved"`, `class="proof"`, `data-copy="copy"`, "<textarea", "readonly", `data-live="/live?at=`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	// The refunded one names its refund and its payout.
	_, _, refunded := s.get("/?q=606112000103", "Accept-Language", "en")
	if !strings.Contains(refunded, "refund") || !strings.Contains(refunded, `href="/payouts/`+shopMID+`/`) {
		t.Error("the refund or the payout is not linked")
	}
}

// TestFindNames: chips say what a word is of the payments that were found.
func TestFindNames(t *testing.T) {
	s := newSite(t, staff)
	for query, want := range map[string]string{"90010001": "terminal", shopMID: "merchant", "P20260303-0001": "payout", "5512": "card ends in", "¥88.00": ""} {
		_, at, body := s.get("/?q="+url.QueryEscape(query), "Accept-Language", "en")
		if want != "" && !strings.Contains(body, "<span>"+want+" <b>"+query) {
			t.Errorf("%s at %s is not taken for a %s", query, at, want)
		}
	}
	if _, _, body := s.get("/?q=P20260303-0001", "Accept-Language", "en"); !strings.Contains(body, "/payouts/"+shopMID+"/P20260303-0001") {
		t.Error("a payout's number does not lead to it")
	}
	s.person = &Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}
	if _, _, body := s.get("/?q=P20260303-0001"); strings.Contains(body, "559.25") {
		t.Error("another merchant's payout is found")
	}
	if _, _, body := s.get("/?q=" + shopMID); strings.Contains(body, "/payments/") {
		t.Error("another merchant's payments are found by its number")
	}
}

// TestLanguages shows every page of this file in both languages, and nothing of the
// one in the other.
func TestLanguages(t *testing.T) {
	s := newSite(t, staff)
	_, trail, _ := s.get("/?q=606212000107")
	paths := []string{"/", "/overview", "/payments", "/payouts", "/payouts/" + shopMID + "/P20260303-0001", trail.Path}
	words := map[string][2]string{"/": {"Which payment?", "查哪一笔"}, "/overview": {"Where the money is", "钱在哪"}, "/payments": {"Needs somebody", "需处理"}, "/payouts": {"At the bank", "银行处理中"}}
	for _, path := range paths {
		for i, lang := range []string{"en", "zh"} {
			status, _, body := s.get(path, "Accept-Language", lang)
			if status != 200 || !strings.Contains(body, `<html lang="`+lang+`">`) {
				t.Errorf("%s in %s: %d", path, lang, status)
			}
			if w, ok := words[path]; ok && (!strings.Contains(body, w[i]) || slices.Contains([]string{w[1-i]}, "") || strings.Contains(withoutBoth(body), w[1-i])) {
				t.Errorf("%s in %s: the words are not that language's", path, lang)
			}
		}
	}
}

// withoutBoth takes out what a page holds in both languages: its pictures.
func withoutBoth(body string) string {
	return regexp.MustCompile(`(?s)<svg.*?</svg>`).ReplaceAllString(body, "")
}
