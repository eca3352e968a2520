package payment_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
)

// TestAnyConversation plays whatever inputs, in whatever order, against the
// machine: its invariants hold, the ledger adds up to what terminals were told,
// and the journal gives the same state again.
func TestAnyConversation(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := newTalk(t)
		k.dir["T1000002"].Location = ""
		said := map[payment.ID][]payment.Answer{}
		pick := func(what string) *payment.Transaction {
			var all []*payment.Transaction
			for tx := range k.book.Transactions {
				all = append(all, tx)
			}
			if len(all) == 0 {
				return nil
			}
			slices.SortFunc(all, func(a, b *payment.Transaction) int { return bytes.Compare(a.ID[:], b.ID[:]) })
			return all[rapid.IntRange(0, len(all)-1).Draw(r, what)]
		}
		take := func(d payment.Decision) {
			if err := k.book.Check(&d); err != nil {
				r.Fatal(err)
			}
			for _, e := range d.Effects {
				if e.Kind == payment.Reply && e.Answer.Payment != (payment.ID{}) && e.Answer.Operation.MovesMoney() {
					said[e.Answer.Payment] = append(said[e.Answer.Payment], *e.Answer)
				}
			}
			if d.Step == nil {
				return
			}
			if _, err := k.ledger.Apply(d.Step.Transfers...); err != nil {
				r.Fatal(err)
			}
			k.steps = append(k.steps, d.Step)
			k.book.Apply(d.Step)
			if rapid.IntRange(0, 9).Draw(r, "again") == 0 {
				k.book.Apply(d.Step) // a step that comes twice changes nothing
				if _, err := k.ledger.Apply(d.Step.Transfers...); err != nil {
					r.Fatal(err)
				}
			}
		}
		request := func(q *payment.Request) {
			d, p, ok := k.book.Admit(k.now, q, k)
			switch {
			case !ok:
			case q.Operation == payment.Reversal:
				d = k.book.TakeBack(k.now, q, p, k)
			default:
				d = k.book.Request(k.now, q, p, k)
			}
			take(d)
		}
		for range rapid.IntRange(1, 60).Draw(r, "length") {
			k.now = k.now.Add(time.Duration(rapid.IntRange(0, 200).Draw(r, "pause")) * time.Second)
			switch rapid.IntRange(0, 7).Draw(r, "input") {
			case 0, 1, 2:
				q := &payment.Request{Operation: payment.Operation(rapid.IntRange(int(payment.Sale), int(payment.Offline)).Draw(r, "operation")),
					Key: payment.Key{TID: rapid.SampledFrom([]string{"T1000001", "T1000002"}).Draw(r, "tid"), Batch: "000001",
						STAN: fmt.Sprintf("%06d", rapid.IntRange(1, 40).Draw(r, "stan"))},
					MID: "898310058120001", Currency: cny, Amount: int64(rapid.IntRange(1, 300).Draw(r, "amount")), PAN: "622202******1234", CardToken: "t", Prefix: "622202"}
				if q.Operation.ActsOnOriginal() {
					if o := pick("original"); o != nil {
						q.Original.RRN = o.RRN
						q.TID = o.TID
						if rapid.Bool().Draw(r, "whole") {
							q.Amount = max(o.Approved, 1)
						}
					}
				}
				request(q)
			case 3:
				if tx := pick("reversed"); tx != nil {
					request(&payment.Request{Operation: payment.Reversal, Reverses: tx.Operation, Key: tx.Key, MID: tx.MID, Amount: tx.Amount, Currency: cny})
				}
			case 4, 5:
				if tx := pick("answered"); tx != nil {
					kind := rapid.SampledFrom([]payment.MessageKind{payment.Ask, payment.Ask, payment.Undo, payment.Advise}).Draw(r, "kind")
					code := rapid.SampledFrom([]string{"00", "00", "00", "10", "51", "96", "25", "94", "91"}).Draw(r, "code")
					resp := &payment.Response{Kind: kind, Payment: tx.ID, Code: evidence.Code{code[0], code[1]}, AuthCode: fmt.Sprintf("%06d", rapid.IntRange(1, 5).Draw(r, "auth"))}
					if code == "10" {
						resp.Amount = int64(rapid.IntRange(1, int(tx.Amount)+1).Draw(r, "partial"))
					}
					if rapid.IntRange(0, 9).Draw(r, "mac") == 0 {
						resp.Malformed = payment.BadMAC
					}
					take(k.book.Respond(k.now, tx.ID, resp))
				}
			case 6:
				if tx := pick("timed out"); tx != nil {
					take(k.book.Expire(k.now, tx.ID, "platform-network/UnionPay"))
				}
			case 7:
				if tx := pick("repeated"); tx != nil {
					kind := rapid.SampledFrom([]payment.MessageKind{payment.Undo, payment.Advise}).Draw(r, "owed")
					take(k.book.Repeat(k.now, tx.ID, kind, "UnionPay-2", "000777", rapid.Bool().Draw(r, "reach")))
				}
			}
		}
		judge(r, k, said)
	})
}

func judge(r *rapid.T, k *talk, said map[payment.ID][]payment.Answer) {
	// The ledger is what the rows say, added up anew.
	var receivable, memo int64
	taken := map[payment.ID]int64{}
	claimed := map[payment.ID]int64{}
	for tx := range k.book.Transactions {
		stands := tx.State == payment.Approved || tx.State == payment.Voided || tx.State == payment.Completed || tx.State == payment.Reversing && tx.Booked
		if stands {
			switch tx.Operation {
			case payment.Sale, payment.Offline, payment.Completion:
				receivable += tx.Approved
			case payment.Void, payment.Refund, payment.CompletionVoid:
				receivable -= tx.Approved
			}
			if tx.Operation.ActsOnOriginal() {
				taken[tx.Original] += tx.Approved
			}
			if tx.Operation == payment.CompletionVoid {
				taken[k.book.Find(tx.Original).Original] -= tx.Approved
			}
		}
		if tx.Operation.ActsOnOriginal() && (tx.State == payment.Sent || tx.State == payment.Unknown) {
			claimed[tx.Original] += tx.Amount
		}
		if tx.Operation == payment.Preauth && (tx.State == payment.Approved || tx.State == payment.Reversing && tx.Booked) {
			memo += tx.Approved
		}
	}
	for tx := range k.book.Transactions {
		if tx.Taken != taken[tx.ID] || tx.Claimed != claimed[tx.ID] {
			r.Fatalf("%s %s %s: taken %d, claimed %d; added up anew %d and %d", tx.Operation, tx.Key.STAN, tx.State, tx.Taken, tx.Claimed, taken[tx.ID], claimed[tx.ID])
		}
		if open := k.book.Owed(tx.ID, payment.Undo) != nil; open != (tx.State == payment.Unknown || tx.State == payment.Reversing) {
			r.Fatalf("%s %s is %s, a reversal is owed: %v", tx.Operation, tx.Key.STAN, tx.State, open)
		}
		// Who asks again hears the same.
		if all := said[tx.ID]; len(all) > 1 {
			for _, a := range all[1:] {
				if a.Code != all[0].Code || a.Amount != all[0].Amount || a.RRN != all[0].RRN || a.AuthCode != all[0].AuthCode && all[0].Approved() {
					r.Fatalf("%s %s was told %v and then %v", tx.Operation, tx.Key.STAN, all[0], a)
				}
			}
		}
	}
	if st := k.ledger.Standing("898310058120001"); st != nil {
		if got := st.Balance(cny, ledger.NetworkReceivable).On(ledger.Debit); got != receivable {
			r.Fatalf("the ledger has %d receivable, the rows %d", got, receivable)
		}
		entries := func(yield func(ledger.Entry, error) bool) {
			for _, e := range k.ledger.Entries("898310058120001") {
				if !yield(e, nil) {
					return
				}
			}
		}
		if _, err := ledger.Verify("898310058120001", entries); err != nil {
			r.Fatal(err)
		}
		var pending int64
		for _, open := range st.Open() {
			pending += open.Amount
		}
		if pending != memo {
			r.Fatalf("the ledger has %d reserved, the rows %d", pending, memo)
		}
	}
	if trial, err := k.ledger.Trial(); err != nil {
		r.Fatal(err)
	} else if err := trial.Balanced(); err != nil {
		r.Fatal(err)
	}
	// The journal gives the same state again.
	again := payment.NewBook(k.book.Policy, k.dir, nil)
	for _, s := range k.steps {
		again.Apply(s)
	}
	if a, b := dump(k.book), dump(again); a != b {
		r.Fatalf("replay gives another state:\n%s\n%s", a, b)
	}
	// Every fact is one by the contract.
	var lines bytes.Buffer
	for _, s := range k.steps {
		for _, e := range s.Evidence {
			lines.Write(e.Line)
			lines.WriteByte('\n')
		}
	}
	set := evidence.NewSet()
	if err := evidence.ReadNDJSON(&lines, set.Writer(set.AddFile("-")), func(line int, why fault.Text) { r.Fatalf("evidence line %d: %s", line, why) }); err != nil {
		r.Fatal(err)
	}
}

func dump(b *payment.Book) string {
	var lines []string
	for t := range b.Transactions {
		lines = append(lines, fmt.Sprintf("%+v", *t))
	}
	for o := range b.AllOwed {
		lines = append(lines, fmt.Sprintf("%+v", *o))
	}
	for x := range b.Exceptions {
		lines = append(lines, fmt.Sprintf("%+v", *x))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestCheckCatches: decisions that break an invariant are caught, each by its
// number.
func TestCheckCatches(t *testing.T) {
	k := newTalk(t)
	k.command(strings.Fields("sale stan=1 amount=1000"))
	k.command(strings.Fields("answer #1 code=00 auth=1"))
	tx := k.book.Find(k.ids[0])
	row := *tx
	row.Version++
	with := func(change func(*payment.Transaction)) payment.Decision {
		c := row
		change(&c)
		return payment.Decision{Step: &payment.Step{MID: c.MID, Transactions: []payment.Transaction{c}}}
	}
	answer := tx.Answer()
	answer.Payment = k.NewID(k.now)
	for want, d := range map[string]payment.Decision{
		"P1":  {Step: &payment.Step{MID: tx.MID, Transfers: []ledger.Transfer{{}}}},
		"P2":  {Effects: []payment.Effect{{Kind: payment.Reply, Answer: &answer}}},
		"P3":  with(func(t *payment.Transaction) { t.Taken, t.Claimed = 600, 401 }),
		"P4":  with(func(t *payment.Transaction) { t.State = payment.Declined }),
		"P4 ": with(func(t *payment.Transaction) { t.Version++ }),
		"P6":  with(func(t *payment.Transaction) { t.PAN = "6222021234567890" }),
		"P6 ": {Effects: []payment.Effect{{Kind: payment.SendMessage, Message: &payment.Message{Kind: payment.Undo, Card: &payment.Card{}}}}},
		"P7":  {Effects: []payment.Effect{{Kind: payment.SendMessage, Message: &payment.Message{Kind: payment.Undo, Payment: tx.ID}}}},
	} {
		if err := k.book.Check(&d); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)+" ") {
			t.Errorf("%s: %v", want, err)
		}
	}
	sound := with(func(*payment.Transaction) {})
	if err := k.book.Check(&sound); err != nil {
		t.Error(err)
	}
}

// TestCardIsSilent: clear card data does not come out by accident.
func TestCardIsSilent(t *testing.T) {
	c := &payment.Card{PAN: []byte("6222021234567890"), Track2: []byte("6222021234567890=2912")}
	m := payment.Message{Card: c}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %d %x %q", c, c, c, c, c, c, c), fmt.Sprintf("%+v", m), fmt.Sprint(c.LogValue())} {
		if strings.Contains(s, "6222021234567890") || strings.Contains(s, "36323232") {
			t.Errorf("it prints as %s", s)
		}
	}
	if _, err := c.MarshalJSON(); err == nil {
		t.Error("it marshals to JSON")
	}
	if _, err := c.MarshalText(); err == nil {
		t.Error("it marshals to text")
	}
	pan := c.PAN
	c.Wipe()
	if len(c.PAN) != 0 || bytes.Contains(pan[:cap(pan)], []byte("6222")) {
		t.Error("it was not wiped")
	}
}
