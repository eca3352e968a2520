package console

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/settlement"
)

// form sends one act on a case, with the version that the reader saw.
func (o *office) act(k desk.Key, do string, fields ...string) (int, string) {
	o.t.Helper()
	_, body := o.page("/cases/" + k.String())
	m := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(body)
	if m != nil {
		fields = append(fields, "version", m[1])
	}
	return o.post("/cases/"+k.String()+"/"+do, fields...)
}

// TestCase reads one case: what is known, its two sides and its candidates.
func TestCase(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	for lang, words := range map[string][]string{
		"en": {"Missing from the settlement file", "3 bank days", "Two sides", "our record", "only on the left", "nothing on record", "the same reference", "Nobody has touched it yet",
			"/payments/" + k.Ref, "Match with what is chosen", "needs a second person"},
		"zh": {"结算文件缺此笔", "3 个银行工作日", "两方对照", "我方记录", "仅左方有", "参考号一致", "尚无人处理", "须第二人复核"},
	} {
		_, _, body := o.get("/cases/"+k.String(), "Accept-Language", lang)
		has(t, lang, body, words...)
	}
	// A payment that the settlement file has: the fields are the same, or marked.
	c := *o.server.Client()
	c.CheckRedirect = nil
	res, err := c.Get(o.server.URL + "/payments?status=arrived")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := io.ReadAll(res.Body)
	res.Body.Close()
	m := regexp.MustCompile(`href="/payments/([0-9a-z-]+)"`).FindSubmatch(list)
	if m == nil {
		t.Fatal("no payment that arrived")
	}
	status, body := o.page("/cases/" + desk.Key{MID: shopMID, Kind: desk.OnPayment, Ref: string(m[1])}.String())
	if status != 200 {
		t.Fatal(status)
	}
	has(t, "arrived", body, "Two sides", "the same")
	// From the trail to the case, and from the menu to both lists.
	_, body = o.page("/payments/" + k.Ref)
	has(t, "trail", body, "/cases/"+k.String(), `href="/exceptions"`, `href="/approvals"`)
}

// TestCaseWork goes through what can be done with a case that moves no money.
func TestCaseWork(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	status, body := o.act(k, "comment", "text", "card 4111111111111111 <script>alert(1)</script>")
	has(t, "comment", body, "411111******1111", "&lt;script&gt;", "Done: comment")
	lacks(t, "comment", body, "4111111111111111", "<script>alert")
	if status != 200 {
		t.Error(status)
	}
	for _, c := range []struct {
		do     string
		fields []string
		want   []string
	}{
		{"assign", []string{"to", "zhao"}, []string{"→ zhao"}},
		{"due", []string{"until", "2026-03-12"}, []string{"until 03-12 23:59"}},
		{"escalate", []string{"to", "qian", "text", "over a week"}, []string{"escalated to qian", "over a week"}},
		{"snooze", []string{"until", "2026-03-11", "text", "the file comes on Tuesday"}, []string{"snoozed until 03-11 23:59", "the file comes on Tuesday"}},
		{"wake", nil, []string{"wake"}},
		{"ask", []string{"to", "merchant", "text", "Have you the slip?"}, []string{"Have you the slip?", "waits for merchant"}},
		{"answer", []string{"text", "they have"}, []string{"they have"}},
		{"split", []string{"parts", "80.00 the sale\n7.47 a fee\n"}, []string{"¥80.00", "a fee"}},
		{"resolve", []string{"outcome", "corrected", "part", "2", "text", "fee came back"}, []string{"fee came back"}},
		{"resolve", []string{"outcome", "explained", "text", "came by another file"}, []string{"Reopen", "came by another file"}},
		{"reopen", []string{"text", "it did not"}, []string{"it did not"}},
		{"declare", []string{"what", "complaint", "text", "the cardholder wrote"}, []string{"the cardholder wrote"}},
	} {
		status, body := o.act(k, c.do, c.fields...)
		if status != 200 {
			i := max(strings.Index(body, `role="alert"`), 0)
			t.Errorf("%s: %d %s", c.do, status, body[i:min(i+200, len(body))])
		}
		has(t, c.do, body, c.want...)
	}
	// What is refused is said beside the form, and what was entered stays.
	for name, c := range map[string]struct {
		do     string
		fields []string
		want   string
	}{
		"no text":          {"comment", []string{"text", "  "}, "Say why in a sentence"},
		"a date long gone": {"snooze", []string{"until", "2026-01-01", "text", "hm hm"}, "Until when?"},
		"no date":          {"due", []string{"until", "tomorrow"}, "That is no date"},
		"no amount":        {"adjust", []string{"amount", "a lot", "text", "hm hm"}, "That is no amount"},
		"parts":            {"split", []string{"parts", "1.00 a\n2.00 b"}, "The parts come to"},
	} {
		status, body := o.act(k, c.do, c.fields...)
		if status != 400 || !strings.Contains(body, c.want) || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %d, no %q", name, status, c.want)
		}
		if strings.Contains(strings.Join(c.fields, " "), "hm hm") {
			has(t, name, body, "hm hm")
		}
	}
	status, body = o.post("/cases/"+k.String()+"/comment", "version", "1", "text", "written on an old page")
	if status != 409 || !strings.Contains(body, "Somebody else has changed the case") || !strings.Contains(body, "written on an old page") {
		t.Errorf("an old page: %d", status)
	}
	_, body = o.page("/cases/" + k.String())
	lacks(t, "after the refusals", body, "written on an old page")
}

// TestMatch matches a payment with the entry that nobody claimed, and undoes it.
func TestMatch(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	entry := desk.Key{MID: settlement.House, Kind: desk.OnException, Ref: strange.String()}
	_, body := o.page("/cases/" + entry.String())
	has(t, "entry", body, "Two sides", "likeliest", "differs", "What it could belong to", k.String())
	status, body := o.act(k, "match", "candidate", entry.String())
	if status != 400 || !strings.Contains(body, "Say why in a sentence") {
		t.Errorf("without a reason: %d", status)
	}
	if status, _ = o.act(k, "match", "reason", "none chosen"); status != 400 {
		t.Errorf("without a candidate: %d", status)
	}
	status, body = o.act(k, "match", "candidate", entry.String(), "reason", "the bank wrote the reference")
	switch status {
	case 200:
		has(t, "matched", body, "the bank wrote the reference")
		if status, body = o.act(k, "unmatch", "text", "it was another"); status != 200 {
			t.Errorf("unmatch: %d", status)
		}
		has(t, "unmatched", body, "it was another")
	case 400, 409: // the amounts differ: the desk says what to do first
		has(t, "refused", body, `role="alert"`, "the bank wrote the reference")
	default:
		t.Errorf("match: %d", status)
	}
}

// TestMerchantsCase: a merchant sees what passed between it and the institution, and
// speaks in its own case.
func TestMerchantsCase(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	o.act(k, "comment", "text", "between us: they were late before")
	o.act(k, "assign", "to", "zhao")
	o.act(k, "ask", "to", "merchant", "text", "Have you the slip?")
	o.person = merchant1
	_, body := o.page("/cases/" + k.String())
	has(t, "merchant", body, "Have you the slip?", "Answer", "Attach a file")
	lacks(t, "merchant", body, "between us", "Write off", "Assign", "What it could belong to", "/approvals")
	status, body := o.act(k, "answer", "text", "here it is")
	if status != 200 {
		t.Error(status)
	}
	has(t, "answered", body, "here it is")
	for _, do := range []string{"assign", "resolve", "escalate"} {
		if status, _ := o.act(k, do, "to", "wang", "outcome", "explained", "text", "please"); status != 403 {
			t.Errorf("a merchant does %s: %d", do, status)
		}
	}
	_, body = o.page("/exceptions")
	lacks(t, "merchant's list", body, "Unassigned", `name="scope"`, "the institution")
	o.person = maker
	_, body = o.page("/cases/" + k.String())
	has(t, "institution", body, "here it is", "between us")
}

// attachTo sends a file.
func (o *office) attachTo(k desk.Key, name string, content []byte) (int, string) {
	o.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		o.t.Fatal(err)
	}
	_, _ = part.Write(content)
	_ = w.Close()
	req, err := http.NewRequest("POST", o.server.URL+"/cases/"+k.String()+"/files", &b)
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	return o.follow(req)
}

// TestCaseFiles attaches files and gets them back, to be kept and never shown.
func TestCaseFiles(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	status, body := o.attachTo(k, "letter of the bank.txt", []byte("about card 4111111111111111\n"))
	if status != 200 {
		t.Fatal(status)
	}
	has(t, "attached", body, "letter of the bank.txt", "28 B")
	link := regexp.MustCompile(`href="(/cases/[^"]+/files/[0-9a-f]+)"`).FindStringSubmatch(body)
	if link == nil {
		t.Fatal("no link to the file")
	}
	res, err := o.server.Client().Get(o.server.URL + link[1])
	if err != nil {
		t.Fatal(err)
	}
	content, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(content) != "about card 411111******1111\n" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%q %v", content, res.Header)
	}
	o.person = merchant1 // the letter is the institution's
	if status, _ := o.page(link[1]); status != 404 {
		t.Errorf("the merchant reads it: %d", status)
	}
	if status, body = o.attachTo(k, "slip.txt", []byte("sale 88.00\n")); status != 200 || !strings.Contains(body, "slip.txt") {
		t.Errorf("the merchant's own: %d", status)
	}
	o.person = merchant2
	if status, _ := o.attachTo(k, "x.txt", []byte("x")); status != 404 {
		t.Errorf("another merchant attaches: %d", status)
	}
	o.person = maker
	for name, content := range map[string][]byte{"empty": nil, "a program": []byte("\x7fELF\x02\x01\x01"), "too large": bytes.Repeat([]byte("a\n"), o.desk.Policy.FileMost)} {
		if status, body := o.attachTo(k, "x", content); status != 400 || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := o.page("/cases/" + k.String() + "/files/00"); status != 404 {
		t.Errorf("no such file: %d", status)
	}
}

// propose makes an adjustment and gives the page of the proposal.
func (o *office) propose(k desk.Key, amount, why string) string {
	o.t.Helper()
	status, body := o.act(k, "adjust", "amount", amount, "text", why)
	if status != 200 {
		i := max(strings.Index(body, `role="alert"`), 0)
		o.t.Fatalf("propose: %d %s", status, body[i:min(i+200, len(body))])
	}
	has(o.t, "case", body, "Nothing is booked until a second person agrees", "A proposal of this case waits")
	m := regexp.MustCompile(`href="(/approvals/[^"?]+\.[^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		o.t.Fatal("the case does not lead to its proposal")
	}
	return m[1]
}

// TestFourEyes: the maker sees why not, a checker sees before and after, and what is
// approved is booked once.
func TestFourEyes(t *testing.T) {
	o := newOffice(t)
	k := o.late()
	path := o.propose(k, "12.00", "agreed on the phone; card 4111111111111111")
	status, body := o.page(path)
	has(t, "maker", body, "You made this: the maker cannot be the checker", "Withdraw", "agreed on the phone; card 411111******1111", "03-16 10:00")
	lacks(t, "maker", body, ">Approve<", "4111111111111111")
	if status != 200 {
		t.Error(status)
	}
	if status, body = o.post(path + "/approve"); status != 403 || !strings.Contains(body, "maker cannot be the checker") {
		t.Errorf("the maker approves: %d", status)
	}
	o.person = checker
	_, body = o.page("/approvals?queue=check")
	has(t, "queue", body, path, "+¥12.00", "one checker", shopMID)
	_, body = o.page(path)
	has(t, "checker", body, "Before → after, in the books", "merchant_payable", "→ </span>¥12.00", "-¥12.00", "with the next settlement", "Approve", "Decline", "/cases/"+k.String(), "606212000107")
	if status, body = o.post(path+"/decline", "reason", " "); status != 400 || !strings.Contains(body, "Say why in a sentence") {
		t.Errorf("declined without a reason: %d", status)
	}
	status, body = o.post(path + "/approve")
	has(t, "approved", body, "Your agreement is on record", "zhao", "agreed")
	if status != 200 {
		t.Error(status)
	}
	if status, _ = o.post(path + "/approve"); status != 409 {
		t.Errorf("twice: %d", status)
	}
	extras, err := o.store.Extras(t.Context(), shopMID, settlementCNY)
	if err != nil || len(extras) != 1 || extras[0].Net != 1200 || extras[0].Maker != "li" || extras[0].Checker != "zhao" {
		t.Errorf("%+v %v", extras, err)
	}
	_, body = o.page("/approvals?queue=over")
	has(t, "over", body, path, "done")
	_, body = o.page("/cases/" + k.String())
	has(t, "history", body, "carried out")

	// Declined and withdrawn: nothing is booked.
	o.person = maker
	path = o.propose(k, "1.00", "once more")
	o.person = checker
	_, body = o.post(path+"/decline", "reason", "it was enough")
	has(t, "declined", body, "It is declined; nothing was booked", "it was enough")
	o.person = maker
	path = o.propose(k, "2.00", "and again")
	if status, body = o.post(path+"/withdraw", "reason", "a slip of the pen"); status != 200 {
		t.Error(status)
	}
	has(t, "withdrawn", body, "It is withdrawn", "a slip of the pen")
	path = o.propose(k, "3.00", "too slow")
	o.now = o.now.Add(8 * 24 * time.Hour)
	o.person = checker
	if status, _ = o.post(path + "/approve"); status != 409 {
		t.Errorf("after its expiry: %d", status)
	}
	if extras, _ := o.store.Extras(t.Context(), shopMID, settlementCNY); len(extras) != 1 {
		t.Errorf("%d are booked", len(extras))
	}
}

// TestLimits: above the limit two people check, and neither twice.
func TestLimits(t *testing.T) {
	o := newOffice(t)
	path := o.propose(o.late(), "100,000.01", "the whole month")
	_, body := o.page("/approvals")
	has(t, "limits", body, "up to 100,000.00: one checker; above: 2 checkers", "0/2")
	o.person = checker
	_, body = o.post(path + "/approve")
	has(t, "first", body, "You have agreed already; another colleague has to, too")
	if status, _ := o.post(path + "/approve"); status != 403 {
		t.Errorf("the same again: %d", status)
	}
	o.person = &Person{Name: "qian", Role: access.Institution}
	_, body = o.page("/approvals?queue=check")
	has(t, "second", body, "1/2")
	_, body = o.post(path + "/approve")
	has(t, "done", body, "done", "qian", "zhao")
	if extras, _ := o.store.Extras(t.Context(), shopMID, settlementCNY); len(extras) != 1 || extras[0].Checker != "zhao, qian" {
		t.Errorf("%+v", extras)
	}
}

// TestMerchantsProposal: what is proposed about a merchant waits in the same queue.
func TestMerchantsProposal(t *testing.T) {
	o := newOffice(t)
	m, err := o.store.MerchantRecord(t.Context(), shopMID)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.ProposeStatus(o.now, "li", "frozen", "risk", "case 7", "odd sales <at night>", &o.desk.Office.Merchants)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.store.CommitMerchant(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	o.person = checker
	_, body := o.page("/approvals")
	path := fmt.Sprintf("/approvals/%s.%d", shopMID, c.Merchant.Proposed)
	has(t, "queue", body, path, "odd sales &lt;at night&gt;")
	_, body = o.page(path)
	has(t, "proposal", body, "What changes", "active", "frozen")
	if status, body := o.post(path + "/approve"); status != 200 || !strings.Contains(body, "Your agreement is on record") {
		t.Errorf("approve: %d", status)
	}
	if m, _ = o.store.MerchantRecord(t.Context(), shopMID); m.Status.State != "frozen" || m.Status.Checker != "zhao" {
		t.Errorf("%+v", m.Status)
	}
}
