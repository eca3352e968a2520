package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/desk"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// TestInboxes follows one payment through the inboxes, seen by three people.
func TestInboxes(t *testing.T) {
	r := newRig(t, 5)
	all := r.list(anne, desk.Filter{})
	if len(all) != 5 {
		t.Fatalf("%d items", len(all))
	}
	if own := r.list(shop, desk.Filter{}); len(own) != 4 || slices.ContainsFunc(own, func(k desk.Key) bool { return k.MID != mid }) {
		t.Errorf("the merchant sees %v", own)
	}
	k := r.list(shop, desk.Filter{})[0]
	x := r.item(k)
	if x.Age != 1 || !x.Promised.Equal(at(t, "2026-03-04 00:00").Add(-time.Second)) || x.Inbox != desk.Unassigned || x.Amount == 0 || x.Case != nil {
		t.Errorf("untouched: %+v", x)
	}
	count := func(who desk.Actor, in desk.Inbox, want int) {
		t.Helper()
		f := desk.Filter{Inbox: in}
		got := r.list(who, f)
		if len(got) != want {
			t.Errorf("%s has %d in %s, want %d", who.Name, len(got), in, want)
		}
		if p, err := r.List(t.Context(), who, f, "", 50); err != nil || in != desk.Done && (p.Count != want || p.Inboxes[in] != want) {
			t.Errorf("%s: counted %d and %d, %v", in, p.Count, p.Inboxes[in], err)
		}
	}
	c := r.do(anne, k, desk.Command{Do: desk.Assign, To: "anne", Text: "mine"})
	if c.Version != 1 || c.Owner != "anne" || !strings.HasPrefix(c.Number(), "C20260304-") {
		t.Errorf("%+v", c)
	}
	count(anne, desk.Mine, 1)
	count(bert, desk.Mine, 0)
	count(bert, desk.Unassigned, 4)
	count(bert, desk.Team, 5)
	// Whoever looked at an earlier version does not overwrite the later.
	r.refuse(fault.Conflict, bert, k, desk.Command{Do: desk.Assign, To: "bert", Version: 7})
	r.refuse(fault.Conflict, bert, k, desk.Command{Do: desk.Assign, To: "anne"})

	r.do(anne, k, desk.Command{Do: desk.Snooze, Until: r.now.Add(2 * time.Hour), Text: "the file comes at eleven"})
	count(anne, desk.Snoozed, 1)
	count(anne, desk.Mine, 0)
	count(anne, desk.Team, 4)
	r.now = r.now.Add(3 * time.Hour) // it wakes by itself
	count(anne, desk.Mine, 1)
	for _, until := range []time.Time{{}, r.now, r.now.AddDate(1, 0, 0)} {
		r.refuse(fault.Invalid, anne, k, desk.Command{Do: desk.Snooze, Until: until, Text: "later"})
	}

	r.do(anne, k, desk.Command{Do: desk.Ask, To: "merchant", Text: "was the batch uploaded? Card 6222021234567890128"})
	count(anne, desk.Waiting, 1)
	if h, err := r.History(t.Context(), anne, k); err != nil || strings.Contains(h[2].Text, "6222021234567890128") || !strings.Contains(h[2].Text, "622202") {
		t.Errorf("a card number in the history: %v %v", h, err)
	}
	r.refuse(fault.NotAllowed, shop, k, desk.Command{Do: desk.Assign, To: "noodles"})
	r.refuse(fault.NotAllowed, shop, k, desk.Command{Do: desk.Resolve, Outcome: desk.Explained, Text: "all is well"})
	r.do(shop, k, desk.Command{Do: desk.Answer, Text: "yes, at 22:50"})
	count(anne, desk.Mine, 1)

	r.refuse(fault.Invalid, anne, k, desk.Command{Do: desk.Resolve, Text: "done"})
	r.refuse(fault.Invalid, anne, k, desk.Command{Do: desk.Resolve, Outcome: desk.Explained})
	r.do(anne, k, desk.Command{Do: desk.Resolve, Outcome: desk.Explained, Text: "a holiday of the bank"})
	count(anne, desk.Done, 1)
	count(anne, desk.Team, 4)
	r.refuse(fault.Conflict, bert, k, desk.Command{Do: desk.Assign, To: "bert"})
	r.do(bert, k, desk.Command{Do: desk.Reopen, Text: "it is no holiday"})
	count(anne, desk.Mine, 1)

	heard, err := r.History(t.Context(), shop, k)
	var passed []string
	for _, e := range heard {
		passed = append(passed, string(e.What))
	}
	if want := "ask answer resolve reopen"; err != nil || strings.Join(passed, " ") != want {
		t.Errorf("the merchant is told %q (%v), want %q", passed, err, want)
	}
	h, err := r.History(t.Context(), anne, k)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for i, e := range h {
		acts = append(acts, string(e.What)+" "+e.By)
		if e.Version != uint32(i+1) || e.At.IsZero() || e.Request != "" && e.Request != "request-1" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if got := strings.Join(acts, ", "); got != "assign anne, snooze anne, ask anne, answer noodles, resolve anne, reopen bert" {
		t.Error(got)
	}
	// What is another merchant's is not there, not even by its key.
	theirs := all[slices.IndexFunc(all, func(k desk.Key) bool { return k.MID == other })]
	r.refuse(fault.NotFound, shop, theirs, desk.Command{Do: desk.Comment, Text: "hello"})
	if _, err := r.Item(t.Context(), shop, theirs); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	audit, err := r.db.Audit(t.Context(), accessFilter("case/"+k.String()), uuid.Nil, 50)
	if err != nil || len(audit) != 6 || audit[0].What != "reopened" || audit[5].After != "open, owner anne" {
		t.Errorf("%d lines in the audit log: %+v, %v", len(audit), audit, err)
	}
	r.healthy()
}

// TestComesBack: what was resolved stays done until it is about something else.
func TestComesBack(t *testing.T) {
	r := newRig(t, 0)
	k := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line in the network's file of 2026-03-02, which is whole")
	r.do(anne, k, desk.Command{Do: desk.Resolve, Outcome: desk.Corrected, Text: "it is in tomorrow's file"})
	if x := r.exception(k); x.State != payment.ExceptionResolved || x.Closed.IsZero() {
		t.Errorf("the exception: %+v", x)
	}
	// The next file's comparison opens it again as it was: people have decided.
	x := r.exception(k)
	x.State, x.Closed = payment.ExceptionOpen, time.Time{}
	r.commitException(x)
	if got := r.item(k); got.Inbox != desk.Done || got.Again {
		t.Errorf("the same again: %+v", got)
	}
	x.Amount = 9000
	r.commitException(x)
	if got := r.item(k); got.Inbox != desk.Unassigned || !got.Again {
		t.Errorf("of more: %+v", got)
	}
	if got := r.list(anne, desk.Filter{Inbox: desk.Done}); len(got) != 0 {
		t.Errorf("done all the same: %v", got)
	}
	r.do(bert, k, desk.Command{Do: desk.Assign, To: "bert", Text: "again"})
	if got := r.item(k); got.Inbox != desk.Owned || got.Again || got.Case.State != desk.Open {
		t.Errorf("taken up: %+v", got)
	}
	// Over by itself: it leaves the list of work and stands among what is done.
	x.State, x.Closed = payment.ExceptionResolved, r.now
	r.commitException(x)
	if got := r.list(anne, desk.Filter{}); len(got) != 0 {
		t.Errorf("still to be done: %v", got)
	}
	if got := r.list(anne, desk.Filter{Inbox: desk.Done}); len(got) != 1 || got[0] != k {
		t.Errorf("done: %v", got)
	}
}

// TestMatrix: the matrix is the list, counted; filters narrow both alike.
func TestMatrix(t *testing.T) {
	r := newRig(t, 40)
	r.except(settlement.House, "file_refused", 0, "clearing/UnionPay/x: nothing reads it")
	r.except(mid, string(settlement.Long), 700, "the network clears RRN 606212000107")
	for _, f := range []desk.Filter{{}, {MID: mid}, {Ages: []desk.Band{desk.OneDay}}, {Kinds: []desk.Kind{desk.OnException}}, {Causes: []string{"file_refused"}}, {Party: "network"}, {Least: 10010, Most: 10020}} {
		m, err := r.Matrix(t.Context(), anne, f)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.List(t.Context(), anne, f, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		sum, count := int64(0), 0
		for _, row := range m.Rows {
			for band, c := range row.Cells {
				count += c.Count
				sum += c.Sums[cny]
				if n := len(r.list(anne, with(f, row.Cause, desk.Band(band)))); n != c.Count {
					t.Errorf("%s of %s: %d in the matrix, %d in the list", row.Cause, desk.Band(band), c.Count, n)
				}
			}
		}
		if count != p.Count || count != m.Total.All.Count || sum != p.Sums[cny] || len(p.Items) != count {
			t.Errorf("%+v: matrix %d of %d, list %d of %d", f, count, sum, p.Count, p.Sums[cny])
		}
	}
	if _, err := r.List(t.Context(), anne, desk.Filter{}, "nonsense", 5); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a cursor that is none: %v", err)
	}
}

func with(f desk.Filter, cause string, band desk.Band) desk.Filter {
	f.Causes, f.Ages = []string{cause}, []desk.Band{band}
	return f
}

// TestMatch: two sides of one thing, over the border between a merchant and nobody.
func TestMatch(t *testing.T) {
	r := newRig(t, 0)
	short := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line")
	long := r.except(settlement.House, settlement.ExceptionUnknownMerchant, 5000, "the network clears RRN 606212000107, of which no transaction is on record")
	third := r.except(mid, string(settlement.Long), 4000, "the network clears RRN 606212000999")
	c, err := r.Candidates(t.Context(), anne, short, 5)
	if err != nil || len(c) == 0 || c[0].Ref != long.String() || !slices.ContainsFunc(c[0].Reasons, func(x desk.Reason) bool { return x.Word == desk.SameReference }) {
		t.Fatalf("%+v, %v", c, err)
	}
	pair := func(with ...string) desk.Command {
		return desk.Command{Do: desk.Pair, With: with, Text: "the line bears the wrong merchant number"}
	}
	r.refuse(fault.Conflict, anne, short, pair(third.String()))      // of another amount
	r.refuse(fault.Invalid, anne, short, pair(short.String()))       // with itself
	r.refuse(fault.Conflict, anne, long, pair(third.String()))       // both are theirs
	r.refuse(fault.NotFound, anne, short, pair("bank/ICBC#nothing")) // nothing there
	r.refuse(fault.Invalid, anne, short, pair())                     // with nothing
	got := r.do(anne, short, pair(long.String()))
	if got.State != desk.Resolved || got.Outcome != desk.Matched || got.Matches[0].With[0].Amount != 5000 {
		t.Errorf("%+v", got)
	}
	for _, k := range []desk.Key{short, long} {
		if x := r.exception(k); x.State != payment.ExceptionResolved {
			t.Errorf("%s is still open", k)
		}
		if x := r.item(k); x.Inbox != desk.Done {
			t.Errorf("%s lies in %s", k, x.Inbox)
		}
	}
	r.do(bert, long, desk.Command{Do: desk.Unpair, Text: "it is another sale"})
	for _, k := range []desk.Key{short, long} {
		if x := r.exception(k); x.State != payment.ExceptionOpen || !x.Closed.IsZero() {
			t.Errorf("%s: %+v", k, x)
		}
		if x := r.item(k); x.Inbox != desk.Unassigned || len(x.Case.Matches) != 0 {
			t.Errorf("%s lies in %s: %+v", k, x.Inbox, x.Case)
		}
	}
	r.healthy()
}

// TestMatchIsFinished: where the process ends between the two sides, Resume tells the
// other one.
func TestMatchIsFinished(t *testing.T) {
	r := newRig(t, 0)
	short := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line")
	long := r.except(settlement.House, settlement.ExceptionUnknownMerchant, 5000, "the network clears RRN 606212000107")
	broken := r.over(&breaking{Store: r.db, left: 1})
	if _, err := broken.Do(t.Context(), anne, short, desk.Command{Do: desk.Pair, Version: desk.AnyVersion, With: []string{long.String()}, Text: "one sale"}); err == nil {
		t.Fatal("the process did not end")
	}
	if x := r.exception(long); x.State != payment.ExceptionOpen {
		t.Fatal("the other side was told already")
	}
	for range 2 {
		if err := r.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if x := r.item(long); x.Inbox != desk.Done || x.Case.Outcome != desk.Matched || len(x.Case.Matches) != 1 || x.Case.Matches[0].By != "anne" {
		t.Errorf("%+v", x.Case)
	}
	if h, err := r.History(t.Context(), bert, long); err != nil || len(h) != 1 || h[0].What != desk.Found {
		t.Errorf("%+v, %v", h, err)
	}
	r.healthy()
}

// TestSplit settles a case part by part.
func TestSplit(t *testing.T) {
	r := newRig(t, 0)
	long := r.except(mid, string(settlement.Long), 9000, "the network clears RRN 606212000107")
	short := r.except(mid, string(settlement.Short), 6000, "captured RRN 606212000107 has no line")
	r.refuse(fault.Invalid, anne, long, desk.Command{Do: desk.Split, Parts: []desk.Part{{Amount: 6000}, {Amount: 2000}}})
	r.refuse(fault.Invalid, anne, long, desk.Command{Do: desk.Split, Parts: []desk.Part{{Amount: 9000}}})
	r.do(anne, long, desk.Command{Do: desk.Split, Parts: []desk.Part{{Amount: 6000, Note: "of the sale"}, {Amount: 3000, Note: "of nobody"}}})
	c := r.do(anne, long, desk.Command{Do: desk.Pair, Part: 1, With: []string{short.String()}, Text: "the sale"})
	if c.State == desk.Resolved || c.Parts[0].Outcome != desk.Matched || c.Left(9000) != 3000 {
		t.Errorf("%+v", c)
	}
	r.refuse(fault.Conflict, anne, long, desk.Command{Do: desk.Resolve, Part: 1, Outcome: desk.Explained, Text: "again"})
	r.refuse(fault.NotFound, anne, long, desk.Command{Do: desk.Resolve, Part: 7, Outcome: desk.Explained, Text: "none"})
	c = r.do(anne, long, desk.Command{Do: desk.Resolve, Part: 2, Outcome: desk.Corrected, Text: "the network took it back"})
	if c.State != desk.Resolved {
		t.Errorf("%+v", c)
	}
	r.healthy()
}

// TestDeclare: a complaint is a fact of the contract, and so is its end.
func TestDeclare(t *testing.T) {
	r := newRig(t, 1)
	k := r.list(anne, desk.Filter{})[0]
	r.refuse(fault.Invalid, anne, k, desk.Command{Do: desk.Declare, What: "party"})
	r.do(anne, k, desk.Command{Do: desk.Declare, What: "complaint"})
	r.refuse(fault.Conflict, anne, k, desk.Command{Do: desk.Declare, What: "complaint"})
	r.do(anne, k, desk.Command{Do: desk.Resolve, Outcome: desk.Explained, Text: "told the cardholder"})
	var told []string
	for l, err := range r.db.EvidenceOf(t.Context(), mid) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(l.JSON), "institution/desk") {
			continue
		}
		set := evidence.NewSet()
		err := evidence.ReadNDJSON(strings.NewReader(string(l.JSON)), set.Writer(set.AddFile("desk")), func(_ int, why fault.Text) { t.Error(why) })
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, string(l.JSON))
	}
	slices.Reverse(told) // they stand in the order of their ids
	if len(told) != 2 || !strings.Contains(told[0], `"type":"daozhang.case.opened"`) || !strings.Contains(told[0], `"rrn":"606100000000"`) || !strings.Contains(told[1], "case.closed") {
		t.Errorf("%q", told)
	}
	r.healthy()
}

// TestAttach: what a file is follows from its content, and card numbers in text are
// hidden.
func TestAttach(t *testing.T) {
	r := newRig(t, 1)
	k := r.list(anne, desk.Filter{})[0]
	r.Policy.FileMost, r.Policy.FilesMost = 1<<10, 3
	f, err := r.Attach(t.Context(), shop, k, `C:\slips\slip 6222021234567890128.txt`, []byte("card 6222 0212 3456 7890 128 paid 88.00"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(f.Name, "6222021234567890128") || f.Type != "text/plain" || !f.Masked {
		t.Errorf("%+v", f)
	}
	got, err := r.File(t.Context(), anne, k, f.Hash)
	if err != nil || strings.Contains(string(got.Content), "7890 128") {
		t.Errorf("%q, %v", got.Content, err)
	}
	if again, err := r.Attach(t.Context(), shop, k, "other name", []byte("card 6222 0212 3456 7890 128 paid 88.00")); err != nil || again.Name != f.Name {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	for name, content := range map[string]string{"page.txt": "<!doctype html><script>", "picture.png": "MZ\x90\x00", "empty": "", "large.txt": strings.Repeat("x", 2<<10), "x.svg": "<svg onload=x>", "x.zip": "PK\x03\x04..."} {
		if _, err := r.Attach(t.Context(), shop, k, name, []byte(content)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{"%PDF-1.7 x": "application/pdf", "\x89PNG\r\n\x1a\nx": "image/png"} {
		if f, err := r.Attach(t.Context(), anne, k, "x", []byte(name)); err != nil || f.Type != want {
			t.Errorf("%q: %+v, %v", name, f, err)
		}
	}
	if _, err := r.Attach(t.Context(), anne, k, "fourth", []byte("a fourth")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("one too many: %v", err)
	}
	foreign := desk.Actor{Actor: shop.Actor, MID: other}
	if _, err := r.File(t.Context(), foreign, k, f.Hash); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another merchant's file: %v", err)
	}
	if list, err := r.Files(t.Context(), anne, k); err != nil || len(list) != 3 || r.item(k).Case.Files != 3 {
		t.Errorf("%+v, %v", list, err)
	} else {
		for _, x := range list {
			if _, err := r.File(t.Context(), shop, k, x.Hash); (err == nil) != (x.Hash == f.Hash) {
				t.Errorf("the merchant and the file %s of %s: %v", x.Name, x.By, err)
			}
		}
	}
	if own, err := r.Files(t.Context(), shop, k); err != nil || len(own) != 1 || own[0].Hash != f.Hash {
		t.Errorf("the merchant's own: %+v, %v", own, err)
	}
	r.healthy()
}

// TestBulk does the same to many, and says of each what became of it.
func TestBulk(t *testing.T) {
	r := newRig(t, 30)
	bulk := func(who desk.Actor, b desk.Bulk) *desk.BulkResult {
		t.Helper()
		got, err := r.Bulk(t.Context(), who, b)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := r.list(anne, desk.Filter{})[0]
	r.do(anne, first, desk.Command{Do: desk.Assign, To: "bert", Text: "yours"})
	got := bulk(anne, desk.Bulk{Command: desk.Command{Do: desk.Assign, To: "bert", Text: "one bank, one person"}, Expect: 30})
	if len(got.Done) != 29 || len(got.Ineligible) != 1 || got.Ineligible[0].Key != first || len(got.Failed) != 0 {
		t.Errorf("%d done, %v", len(got.Done), got.Ineligible)
	}
	if n := len(r.list(bert, desk.Filter{Inbox: desk.Mine})); n != 30 {
		t.Errorf("%d are bert's", n)
	}
	some := r.list(bert, desk.Filter{Inbox: desk.Mine, MID: mid})[:3]
	got = bulk(bert, desk.Bulk{Keys: append(some, desk.Key{MID: mid, Kind: desk.OnPayment, Ref: "none"}), Command: desk.Command{Do: desk.Resolve, Outcome: desk.Corrected, Text: "the bank paid"}})
	if len(got.Done) != 3 || len(got.Ineligible) != 1 || fault.KindOf(got.Ineligible[0].Why) != fault.NotFound {
		t.Errorf("%+v", got)
	}
	got = bulk(bert, desk.Bulk{Filter: desk.Filter{MID: mid}, Command: desk.Command{Do: desk.Snooze, Until: r.now.Add(time.Hour), Text: "the file is late"}})
	if len(got.Done) != 21 {
		t.Errorf("%d snoozed", len(got.Done))
	}
	for name, b := range map[string]desk.Bulk{
		"without a remark": {Command: desk.Command{Do: desk.Assign, To: "bert"}},
		"money":            {Command: desk.Command{Do: desk.WriteOff, Text: "all"}},
	} {
		if _, err := r.Bulk(t.Context(), anne, b); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Bulk(t.Context(), anne, desk.Bulk{Command: desk.Command{Do: desk.Comment, Text: "x"}, Expect: 1}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("more than were seen: %v", err)
	}
	if _, err := r.Bulk(t.Context(), shop, desk.Bulk{Command: desk.Command{Do: desk.Assign, To: "x", Text: "y"}}); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("by a merchant: %v", err)
	}
	if got := bulk(shop, desk.Bulk{Command: desk.Command{Do: desk.Comment, Text: "when?"}, Filter: desk.Filter{MID: other, Inbox: desk.Snoozed}}); len(got.Done) != 21 || slices.ContainsFunc(got.Done, func(k desk.Key) bool { return k.MID != mid }) {
		t.Errorf("a merchant's bulk reached %d", len(got.Done))
	}
	r.healthy()
}
