package payment_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/risk"
)

var update = flag.Bool("update", false, "write the conversations anew; read the difference before committing")

// TestConversations plays every conversation of testdata: after each input stands
// what was decided, written and done. The form is explained in testdata/README.md.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newTalk(t).play(string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(data) {
				t.Errorf("%s has changed; look at the difference and run with -update\n%s", file, difference(string(data), got))
			}
		})
	}
}

func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n  want %s\n  got  %s", i+1, a, b)
		}
	}
	return ""
}

var cny, _ = money.ParseCurrency("CNY")

// talk is one conversation: a book, its ledger, and the names given to ids.
type talk struct {
	t      testing.TB
	now    time.Time
	book   *payment.Book
	ledger *ledger.Book
	steps  []*payment.Step
	names  map[payment.ID]string
	ids    []payment.ID
	last   uint64
	rrn    int
	stan   int
	route  payment.Route
	dir    payment.Profiles
}

func newTalk(t testing.TB) *talk {
	dir := payment.Profiles{
		"T1000001": {TID: "T1000001", MID: "898310058120001", Name: "Noodle shop", MCC: "5812", Currency: cny, Cutoff: 23 * 60, Zone: time.FixedZone("", 8*3600)},
		"T1000002": {TID: "T1000002", MID: "898310058120001", Name: "Noodle shop", MCC: "5812", Currency: cny, Cutoff: 23 * 60, Zone: time.FixedZone("", 8*3600),
			Location: "460-00-1"},
		"T2000001": {TID: "T2000001", MID: "898310058120002", Name: "Barred", Currency: cny, Barred: true},
		"T3000001": {TID: "T3000001", MID: "898310058120003", Name: "Sales only", Currency: cny, Operations: []payment.Operation{payment.Sale, payment.Void}},
	}
	return &talk{t: t, now: time.Date(2026, 3, 2, 2, 15, 4, 0, time.UTC), dir: dir, ledger: ledger.NewBook(), names: map[payment.ID]string{},
		book:  payment.NewBook(payment.DefaultPolicy("main"), dir, risk.NewDoor(nil)),
		route: payment.Route{Link: "UnionPay-1", Network: "UnionPay", Issuer: "ICBC"}}
}

func (k *talk) NewID(at time.Time) payment.ID {
	k.last++
	var id payment.ID
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70, 0x80
	id[14], id[15] = byte(k.last>>8), byte(k.last)
	return id
}

func (k *talk) NextRRN(time.Time) string { k.rrn++; return fmt.Sprintf("606102%06d", k.rrn) }

func (k *talk) Route(*payment.Request, *payment.Transaction) payment.Route {
	r := k.route
	if r.Refusal == (evidence.Code{}) {
		k.stan++
		r.STAN = fmt.Sprintf("%06d", k.stan)
	}
	return r
}

// name calls transactions #1, #2, … in the order in which they are met.
func (k *talk) name(id payment.ID) string {
	if id == (payment.ID{}) {
		return "none"
	}
	if k.names[id] == "" {
		k.ids = append(k.ids, id)
		k.names[id] = "#" + strconv.Itoa(len(k.ids))
	}
	return k.names[id]
}

func (k *talk) play(script string) string {
	var out strings.Builder
	inOutput := false
	for line := range strings.SplitSeq(strings.TrimSuffix(script, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, ">"):
			inOutput = true
			out.WriteString(line + "\n")
			out.WriteString(k.command(strings.Fields(line[1:])))
		case line == "" || strings.HasPrefix(line, "#"):
			if inOutput {
				inOutput = false
			}
			out.WriteString(line + "\n")
		case inOutput:
		default:
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func (k *talk) fail(format string, args ...any) { k.t.Helper(); k.t.Fatalf(format, args...) }

func (k *talk) command(words []string) string {
	verb, args := words[0], map[string]string{}
	var subject string
	for _, w := range words[1:] {
		if name, value, ok := strings.Cut(w, "="); ok {
			args[name] = value
		} else {
			subject = w
		}
	}
	id := func() payment.ID {
		n, _ := strconv.Atoi(strings.TrimPrefix(subject, "#"))
		if n < 1 || n > len(k.ids) {
			k.fail("there is no %s yet", subject)
		}
		return k.ids[n-1]
	}
	code := func(name string) evidence.Code {
		if v := args[name]; len(v) == 2 {
			return evidence.Code{v[0], v[1]}
		}
		return evidence.Code{}
	}
	amount := func(name string) int64 { n, _ := strconv.ParseInt(args[name], 10, 64); return n }
	switch verb {
	case "wait":
		d, err := time.ParseDuration(subject)
		if err != nil {
			k.fail("%v", err)
		}
		k.now = k.now.Add(d)
		return ""
	case "route":
		k.route = payment.Route{Link: args["link"], Network: "UnionPay", Issuer: args["issuer"], Refusal: code("refuse")}
		return ""
	case "forget":
		k.book.Forget(k.now)
		return fmt.Sprintf("  the book holds %d\n", k.book.Len())
	case "replay":
		again := payment.NewBook(k.book.Policy, k.dir, risk.NewDoor(nil))
		for _, s := range k.steps {
			again.Apply(s)
		}
		k.book = again
		return fmt.Sprintf("  the book holds %d\n", k.book.Len())
	case "show":
		return k.row(k.book.Find(id()))
	case "balances":
		var b strings.Builder
		for _, mid := range k.ledger.Merchants() {
			for _, l := range k.ledger.Standing(mid).Lines() {
				fmt.Fprintf(&b, "  %s %s %d\n", mid, l.Name, l.Balance.On(l.Name.Side()))
			}
		}
		return b.String()
	case "answer", "reversal-answer", "advice-answer":
		kind := map[string]payment.MessageKind{"answer": payment.Ask, "reversal-answer": payment.Undo, "advice-answer": payment.Advise}[verb]
		r := &payment.Response{Kind: kind, Payment: id(), Code: code("code"), AuthCode: args["auth"], Amount: amount("amount")}
		if args["mac"] == "wrong" {
			r.Malformed = payment.BadMAC
		}
		return k.tell(k.book.Respond(k.now, id(), r))
	case "time-out":
		return k.tell(k.book.Expire(k.now, id(), "network-issuer/ICBC"))
	case "repeat":
		kind := payment.Undo
		if args["kind"] == "advice" {
			kind = payment.Advise
		}
		return k.tell(k.book.Repeat(k.now, id(), kind, "UnionPay-2", "000999", args["link"] != "none"))
	case "release":
		return k.tell(k.book.Release(k.now, id(), args["by"], args["check"]))
	case "lapse":
		return k.tell(k.book.Lapse(k.now, id()))
	}
	op, ok := payment.ParseOperation(verb)
	if !ok {
		k.fail("what is %q", verb)
	}
	r := k.request(op, args)
	d, p, ok := k.book.Admit(k.now, r, k)
	if ok {
		switch {
		case op.MovesMoney():
			d = k.book.Request(k.now, r, p, k)
		case op == payment.Reversal:
			d = k.book.TakeBack(k.now, r, p, k)
		case op == payment.Settlement:
			d = k.book.Settle(k.now, r, p, k)
		case op == payment.BatchUpload:
			d = k.book.Upload(k.now, r, p, k)
		default:
			d = k.book.Serve(k.now, r, p)
		}
	}
	return k.tell(d)
}

func (k *talk) request(op payment.Operation, args map[string]string) *payment.Request {
	get := func(name, otherwise string) string {
		if v, ok := args[name]; ok {
			return v
		}
		return otherwise
	}
	six := func(s string) string {
		if n, err := strconv.Atoi(s); err == nil && len(s) < 6 {
			return fmt.Sprintf("%06d", n)
		}
		return s
	}
	num := func(name string) int64 { n, _ := strconv.ParseInt(args[name], 10, 64); return n }
	r := &payment.Request{Operation: op, Key: payment.Key{TID: get("tid", "T1000001"), Batch: six(get("batch", "1")), STAN: six(args["stan"])},
		MID: get("mid", "898310058120001"), Amount: num("amount"), Currency: cny, Entry: evidence.Chip, Location: args["at"]}
	if c, err := money.ParseCurrency(get("currency", "CNY")); err == nil {
		r.Currency = c
	}
	if card := get("card", "622202******1234"); card != "none" && op.MovesMoney() {
		r.PAN, r.CardToken, r.Prefix, r.CardType = card, "token of "+card, card[:6], evidence.Debit
		if args["type"] == "credit" {
			r.CardType = evidence.Credit
		}
	}
	r.Original = payment.Reference{STAN: six(args["original"]), RRN: args["rrn"], AuthCode: args["auth"]}
	if r.Original.STAN == "000000" {
		r.Original.STAN = ""
	}
	if v := args["original_batch"]; v != "" {
		r.Original.Batch = six(v)
	}
	r.Totals = payment.Totals{DebitCount: int(num("debits")), DebitAmount: num("debit"), CreditCount: int(num("credits")), CreditAmount: num("credit")}
	for item := range strings.SplitSeq(args["items"], ",") {
		stan, amount, ok := strings.Cut(item, ":")
		if !ok {
			continue
		}
		it := payment.Item{STAN: six(stan)}
		it.Amount, _ = strconv.ParseInt(strings.TrimPrefix(amount, "-"), 10, 64)
		r.Items = append(r.Items, it)
	}
	r.Last = args["last"] == "yes"
	switch args["problem"] {
	case "mac":
		r.Problem = payment.BadMAC
	case "format":
		r.Problem = payment.BadFormat
	case "version":
		r.Problem = payment.BadVersion
	case "pin":
		r.Problem = payment.BadPIN
	case "keys":
		r.Problem = payment.NoKeys
	}
	return r
}

// tell commits a decision and says what it was.
func (k *talk) tell(d payment.Decision) string {
	var b strings.Builder
	if err := k.book.Check(&d); err != nil {
		k.fail("%v", err)
	}
	outcome := string(d.Outcome)
	if d.Wait {
		outcome += ", waits"
	}
	if d.Older {
		outcome = "asks for an older transaction"
	}
	fmt.Fprintf(&b, "  %s\n", outcome)
	if s := d.Step; s != nil {
		for i := range s.Transactions {
			b.WriteString(k.row(&s.Transactions[i]))
		}
		for _, m := range s.Transfers {
			fmt.Fprintf(&b, "  ledger   %s %d debit %s credit %s %s %s %s\n", m.Phase, m.Amount, m.Debit, m.Credit, m.Reason, m.Date, k.name(m.Payment))
		}
		if _, err := k.ledger.Apply(s.Transfers...); err != nil {
			k.fail("ledger: %v", err)
		}
		for _, o := range s.Outgoing {
			fmt.Fprintf(&b, "  owed     %s %s reason %s attempt %d next +%s\n", messageNames[o.Kind], o.State, o.Reason, o.Attempts, o.Next.Sub(k.now))
		}
		for _, bt := range s.Batches {
			fmt.Fprintf(&b, "  batch    %s %s %s\n", bt.TID, bt.Number, bt.State)
		}
		for _, x := range s.Exceptions {
			state := "opened"
			if x.State == payment.ExceptionResolved {
				state = "resolved"
			}
			fmt.Fprintf(&b, "  exception %s %s for %s, %d: %s\n", x.Kind, state, x.Owner, x.Amount, x.Detail)
		}
		for _, e := range s.Evidence {
			b.WriteString(k.fact(e))
		}
		k.book.Apply(s)
		k.steps = append(k.steps, s)
	}
	for _, e := range d.Effects {
		switch e.Kind {
		case payment.SendMessage:
			m := e.Message
			fmt.Fprintf(&b, "  send     %s %s %d over %s stan %s attempt %d", messageNames[m.Kind], m.Operation, m.Amount, m.Link, m.STAN, m.Attempt)
			if m.Reason != (evidence.Code{}) {
				fmt.Fprintf(&b, " reason %s", m.Reason)
			}
			if m.Original.RRN != "" {
				fmt.Fprintf(&b, " of %s", m.Original.RRN)
			}
			b.WriteString("\n")
		case payment.Reply:
			a := e.Answer
			fmt.Fprintf(&b, "  reply    %s %s", a.Operation, a.Code)
			for _, f := range [...][2]string{{"rrn", a.RRN}, {"auth", a.AuthCode}, {"next batch", a.NextBatch}} {
				if f[1] != "" {
					fmt.Fprintf(&b, " %s %s", f[0], f[1])
				}
			}
			if a.Approved() {
				fmt.Fprintf(&b, " amount %d", a.Amount)
			}
			if a.Operation == payment.Settlement {
				fmt.Fprintf(&b, " balanced %v, ours %d/%d and %d/%d", a.Balanced, a.Totals.DebitCount, a.Totals.DebitAmount, a.Totals.CreditCount, a.Totals.CreditAmount)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

var messageNames = map[payment.MessageKind]string{payment.Ask: "request", payment.Undo: "reversal", payment.Advise: "advice"}

func (k *talk) row(t *payment.Transaction) string {
	s := fmt.Sprintf("  row      %s %s %d %s", k.name(t.ID), t.Operation, t.Amount, t.State)
	if t.Approved != 0 && t.Approved != t.Amount {
		s += fmt.Sprintf(" approved %d", t.Approved)
	}
	if t.Claimed != 0 {
		s += fmt.Sprintf(" claimed %d", t.Claimed)
	}
	if t.Taken != 0 {
		s += fmt.Sprintf(" taken %d", t.Taken)
	}
	if t.Held {
		s += " held"
	}
	return s + "\n"
}

// fact shows the data of a fact without what every fact repeats.
func (k *talk) fact(e payment.Evidence) string {
	var event struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(e.Line, &event); err != nil {
		k.fail("evidence is not JSON: %v: %s", err, e.Line)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  fact     %s", e.Type)
	for _, name := range []string{"kind", "stan", "amount", "approved_amount", "response_code", "auth_code", "state", "what", "action", "rule", "link", "detail",
		"original_stan", "original_rrn", "count", "total"} {
		if v, ok := event.Data[name]; ok {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	return b.String() + "\n"
}
