package settlement_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

var update = flag.Bool("update", false, "write the conversations anew; read the difference before committing")

// TestConversations plays every conversation of testdata: after each input stands
// what was decided and written. The form is explained in testdata/README.md. At
// its end everything is audited.
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
			k := &talk{desk: newDesk(t), names: map[string]string{}}
			got := k.play(string(data))
			if err := k.audit(); err != nil {
				t.Error(err)
			}
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

// talk is one conversation: a desk, and the names given to payouts.
type talk struct {
	*desk
	names map[string]string // P1, P2, … by payout
	ids   []string
	words int // of the bank so far
	out   strings.Builder
}

func (k *talk) play(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue // what was decided before: written anew
		}
		k.out.WriteString(line + "\n")
		if cmd, ok := strings.CutPrefix(line, "> "); ok {
			k.do(cmd)
		}
	}
	return k.out.String()
}

func (k *talk) say(format string, args ...any) {
	k.out.WriteString(strings.TrimRight("  "+fmt.Sprintf(format, args...), " ") + "\n")
}

func (k *talk) fails(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for id, n := range k.names {
		text = strings.ReplaceAll(text, id, n)
	}
	k.say("refused  %s: %s", fault.KindOf(err), text)
	if h := fault.HintOf(err); h != "" {
		k.say("         %s", h)
	}
	return true
}

// args are the words of an input: those with = by name, the others in order.
type args struct {
	t     testing.TB
	words []string
	named map[string]string
}

func (a *args) get(name, otherwise string) string {
	if v, ok := a.named[name]; ok {
		return v
	}
	return otherwise
}

func (a *args) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		a.t.Fatalf("%q is no number", s)
	}
	return n
}

func (a *args) day(s string) calendar.Date {
	d, err := calendar.ParseDate(s)
	if err != nil {
		a.t.Fatalf("%q is no date", s)
	}
	return d
}

func (k *talk) do(input string) {
	a := &args{t: k.t, named: map[string]string{}}
	for w := range strings.FieldsSeq(input) {
		if n, v, ok := strings.Cut(w, "="); ok {
			a.named[n] = v
		} else {
			a.words = append(a.words, w)
		}
	}
	word := func(i int) string {
		if i < len(a.words) {
			return a.words[i]
		}
		k.t.Fatalf("%q lacks a word", input)
		return ""
	}
	number := func(i int) int64 { return a.number(word(i)) }
	date := func(i int) calendar.Date { return a.day(word(i)) }
	sale := func(i int) *sold { return k.sold[a.number(strings.TrimPrefix(word(i), "#"))-1] }
	payout := func(i int) settlement.Payout {
		n, _ := strconv.Atoi(strings.TrimPrefix(word(i), "P"))
		return k.payouts[k.ids[n-1]]
	}
	today := calendar.DateIn(k.now, china)
	kept := func(s *settlement.Step, err error) {
		if k.fails(err) || s == nil {
			if err == nil {
				k.say("nothing to do")
			}
			return
		}
		if !k.fails(k.commit(s)) {
			k.see(s)
		}
	}
	changed := func(c merchant.Change, err error) {
		if !k.fails(err) {
			k.change(c)
			k.say("merchant %s by %s %s", c.Event.What, c.Event.By, c.Event.Detail)
		}
	}
	switch word(0) {
	case "merchant":
		t := usual()
		t.Cycle = a.get("cycle", t.Cycle)
		t.Cutoff = a.get("cutoff", t.Cutoff)
		t.FeeMode = a.get("mode", "")
		t.MinimumPayout = a.number(a.get("minimum", "0"))
		t.Capture = a.get("capture", "")
		if r, ok := a.named["reserve"]; ok {
			bps, days, _ := strings.Cut(r, "/")
			t.Reserve = merchant.Reserve{Rate: money.Rate(a.number(bps)) * money.BasisPoint, Days: int(a.number(days))}
		}
		k.agree(t)
	case "at":
		at, err := time.ParseInLocation("2006-01-02T15:04", word(1), china)
		if err != nil || at.Before(k.now) {
			k.t.Fatal(input, err)
		}
		k.now = at
	case "wait":
		w, err := time.ParseDuration(word(1))
		if err != nil {
			k.t.Fatal(err)
		}
		k.now = k.now.Add(w)
	case "sale":
		card, _ := evidence.ParseCardType(a.get("card", "credit"))
		s := k.sell(number(1), card)
		k.now = k.now.Add(time.Minute)
		k.say("#%d", len(k.sold))
		s.Held = a.get("held", "no") == "yes"
	case "refund":
		k.refund(sale(1), number(2))
		k.now = k.now.Add(time.Minute)
		k.say("#%d", len(k.sold))
	case "void":
		k.undo(sale(1), payment.Voided)
	case "reversing":
		sale(1).Reversing = true
	case "reversed":
		sale(1).Reversing = false
		k.undo(sale(1), payment.Reversed)
	case "upload":
		for _, s := range k.sold {
			if s.Uploaded.IsZero() {
				s.Uploaded = k.now
			}
		}
	case "risk-release":
		sale(1).Held = false
	case "settle":
		k.fail = int(a.number(a.get("dies", "-1")))
		k.pol.Chunk = int(a.number(a.get("chunk", "500")))
		err := k.settle(date(1), a.get("last", "yes") == "yes", k.see)
		k.fail = -1
		k.fails(err)
	case "dispatch":
		kept(settlement.Dispatch(&k.pol, k.now, &k.m, payout(1)))
	case "ask":
		kept(settlement.Tick(&k.pol, k.now, payout(1)))
	case "bank":
		w := settlement.Word{Reason: a.get("reason", ""), Amount: a.number(a.get("amount", "0")), At: k.now, Ref: a.get("ref", "M"+strconv.Itoa(k.words))}
		k.words++
		if ago, ok := a.named["ago"]; ok {
			d, _ := time.ParseDuration(ago)
			w.At = w.At.Add(-d)
		}
		state := word(2)
		if state == "no-original" {
			state, w.Reason = "unknown", "NOOR"
		}
		w.State, _ = settlement.ParsePayoutState(state)
		w.Payout = word(1)
		if !strings.HasPrefix(w.Payout, "P") || len(w.Payout) > 3 {
			kept(settlement.Stray(k.now, w, today), nil)
			return
		}
		p := payout(1)
		s, heard, err := settlement.Hear(&k.pol, k.now, &k.m, k.pos, p, w, today)
		if k.fails(err) {
			return
		}
		k.say("%s", heard)
		if s != nil && !k.fails(k.commit(s)) {
			k.see(s)
		}
		if s != nil && (w.State == settlement.Rejected || w.State == settlement.Returned) && heard == settlement.Taken {
			k.say("remedy   %s", settlement.RemedyOf(w.Reason))
		}
	case "resend":
		kept(settlement.Resend(&k.pol, k.now, &k.m, k.pos, payout(1), a.number(a.get("most", "0")), today))
	case "block":
		changed(k.m.BlockAccount(k.now, "bank", k.m.Accounts[len(k.m.Accounts)-1].Token, a.get("reason", "AC01")))
	case "account":
		c, err := k.m.ProposeAccount(k.now, "anne", merchant.NewAccount(word(1), []byte("sealed"), "Noodle shop", a.get("bank", "ICBC"), "ICBKCNBJ"), "new account", &k.policy)
		if k.fails(err) {
			return
		}
		k.change(c)
		changed(k.m.Approve(k.now, "bert", k.m.Proposed, &k.policy, merchant.Trade{}))
	case "verify":
		changed(k.m.VerifyAccount(k.now, "carl", k.m.Accounts[len(k.m.Accounts)-1].Token, "penny_test"))
	case "freeze":
		k.fails(k.state(merchant.Frozen, merchant.Reason(a.get("reason", "judicial")), k.see))
	case "suspend":
		k.fails(k.state(merchant.Suspended, merchant.Reason(a.get("reason", "violation")), k.see))
	case "activate":
		k.fails(k.state(merchant.Active, "", k.see))
	case "retain":
		kept(settlement.Retain(k.now, &k.pos, settlement.Ruling{ID: word(1), Amount: number(2), Reason: a.get("reason", "dispute"), Maker: "anne", Checker: a.get("checker", "bert")}))
	case "free":
		kept(settlement.Release(k.now, k.holds[word(1)], "anne", a.get("checker", "bert")))
	case "adjust":
		against := ledger.NetworkReceivable
		if a.get("against", "network") == "platform" {
			against = ledger.FeeIncome
		}
		kept(settlement.Adjust(k.now, &k.pos, settlement.Ruling{ID: word(1), Reason: "correction", Maker: "anne", Checker: "bert"}, number(2), against, settlement.Keys{}))
	case "clearing":
		f, lines := k.file(date(1), a)
		v, err := k.clear(f, lines, k.see)
		if !k.fails(err) {
			k.say("%s", v)
		}
	case "fund":
		var f *settlement.Funding
		if len(a.words) > 2 {
			f = &settlement.Funding{Entry: a.get("entry", "E1"), Amount: number(2), At: k.now}
		}
		k.fails(k.fund(date(1), f, k.see))
	case "close":
		kept(k.days[date(1)].Close(k.now))
	case "balances":
		for _, who := range []string{mid, settlement.House} {
			if s := k.books.Standing(who); s != nil {
				for _, l := range s.Lines() {
					k.say("%s %s %d", who, l.Name, l.On(l.Name.Side()))
				}
			}
		}
	case "exceptions":
		var all []payment.Exception
		for _, x := range k.opened {
			if x.State == payment.ExceptionOpen {
				all = append(all, x)
			}
		}
		slices.SortFunc(all, func(a, b payment.Exception) int { return strings.Compare(a.Kind+a.Detail, b.Kind+b.Detail) })
		for _, x := range all {
			k.say("open %s %d owner %s: %s", x.Kind, x.Amount, x.Owner, k.plain(x.Detail))
		}
		if all == nil {
			k.say("none open")
		}
	default:
		k.t.Fatalf("unknown input %q", input)
	}
}

// file makes a clearing file: lines=1,2:5000,+long:700,-2:300 are sales by their
// number with another amount, a line that is not ours, a refund's line by number.
func (k *talk) file(date calendar.Date, a *args) (settlement.File, []settlement.NetworkLine) {
	var lines []settlement.NetworkLine
	for i, w := range strings.Split(a.get("lines", ""), ",") {
		if w == "" {
			continue
		}
		name, amount, other := strings.Cut(w, ":")
		l := settlement.NetworkLine{Line: i + 1, MID: mid, Kind: evidence.Sale, Currency: cny, Time: k.now}
		switch {
		case strings.HasPrefix(name, "long"), strings.HasPrefix(name, "foreign"):
			l.RRN = "7001000" + fmt.Sprintf("%05d", a.number(strings.TrimLeft(name, "longfrei")+"0"))
			if strings.HasPrefix(name, "foreign") {
				l.MID = "898310058129999"
			}
		case strings.HasPrefix(name, "cb"):
			s := k.sold[a.number(name[2:])-1]
			l.Keys, l.Kind, l.Amount = s.Keys, evidence.Chargeback, s.amount
		case strings.HasPrefix(name, "void"):
			s := k.sold[a.number(name[4:])-1]
			l.Keys, l.Kind, l.Amount = s.Keys, evidence.Void, s.amount
			l.OriginalRRN, l.RRN = l.RRN, ""
		default:
			s := k.sold[a.number(name)-1]
			l.Keys, l.Kind, l.Amount, l.Time = s.Keys, s.Kind, s.amount, s.Captured
		}
		if other {
			l.Amount = a.number(amount)
		}
		lines = append(lines, l)
	}
	var d settlement.Digester
	for i := range lines {
		d.Add(&lines[i])
	}
	f := d.File("UnionPay", date, cny)
	f.Count, f.Total, f.Declared = f.Lines, f.Sum, a.get("trailer", "yes") != "missing"
	f.Version = int(a.number(a.get("version", "0")))
	if n, ok := a.named["count"]; ok {
		f.Count = a.number(n)
	}
	f.Broken = a.number(a.get("broken", "0"))
	return f, lines
}

// payoutName gives a payout a short name, in order of appearance.
func (k *talk) payoutName(id string) string {
	if id == "" {
		return "-"
	}
	if n, ok := k.names[id]; ok {
		return n
	}
	k.ids = append(k.ids, id)
	k.names[id] = "P" + strconv.Itoa(len(k.ids))
	return k.names[id]
}

func (k *talk) number(id payment.ID) string {
	for i, s := range k.sold {
		if s.Payment == id {
			return "#" + strconv.Itoa(i+1)
		}
	}
	return ""
}

func (k *talk) plain(text string) string {
	for id, n := range k.names {
		text = strings.ReplaceAll(text, id, n)
	}
	return text
}

// see writes what a step holds.
func (k *talk) see(s *settlement.Step) {
	for _, l := range s.Lines {
		about := k.number(l.Payment)
		if about == "" {
			about = strings.TrimPrefix(l.Extra, mid+"/CNY/")
		}
		fee := ""
		if l.Invoiced != 0 {
			fee = fmt.Sprintf(" invoiced %d", l.Invoiced)
		}
		k.say("line     %s %s gross %d fee %d net %d in %s%s", l.Kind, about, l.Gross, l.Fee, l.Net, k.payoutName(l.Payout), fee)
	}
	for _, b := range s.Batches {
		if b.State == settlement.Settling {
			k.say("batch    %s/%d goes on after %d lines", b.Day, b.Seq, b.Lines)
			continue
		}
		why := ""
		if b.Why != settlement.PaidOut {
			why = ", no payout: " + string(b.Why)
		}
		k.say("batch    %s/%d sales %d back %d fees %d extra %d net %d, waiting %d, held %d%s", b.Day, b.Seq, b.Sales, b.Back, b.Fee, b.Extra, b.Net, b.Waiting, b.HeldAmount, why)
	}
	for _, p := range s.Payouts {
		extra := ""
		if p.Reason != "" {
			extra += " " + p.Reason
		}
		if p.Replaces != "" {
			extra += " replaces " + k.payoutName(p.Replaces)
		}
		k.say("payout   %s %d %s %s%s", k.payoutName(p.ID), p.Amount, p.State, p.Account.Tail, extra)
	}
	for _, r := range s.Reserves {
		state := "until " + r.Release.String()
		if r.Released != "" {
			state = "released"
		}
		k.say("reserve  %d %s", r.Amount, state)
	}
	for _, h := range s.Holds {
		state := "by " + h.Maker + " and " + h.Checker
		if !h.Released.IsZero() {
			state = "released by " + h.Releaser + " and " + h.ReleaseChecker
		}
		k.say("hold     %s %s", h.Reason, state)
	}
	for _, x := range s.Extras {
		if x.Batch == "" {
			k.say("extra    %s %s %d", x.Kind, x.ID, x.Net)
		}
	}
	for _, t := range s.Transfers {
		k.say("ledger   %d debit %s credit %s %s", t.Amount, t.Debit, t.Credit, t.Reason)
	}
	for _, o := range s.Orders {
		k.say("order    %s %s attempt %d", map[settlement.OrderKind]string{settlement.Pay: "pay", settlement.Inquire: "inquire"}[o.Kind], k.payoutName(o.Payout.ID), o.Attempt)
	}
	for _, sh := range s.Shares {
		k.say("share    %s %s cleared %d funded %d", sh.MID, sh.Date, sh.Cleared, sh.Funded)
	}
	for _, c := range s.Cleared {
		k.say("cleared  %s %d %s", c.Outcome, c.Signed, k.number(c.Payment))
	}
	for _, d := range s.Days {
		k.say("day      %s %s total %d received %d house %d", d.Date, [...]string{"awaited", "file in", "funded", "closed"}[d.State], d.Total, d.Received, d.House)
	}
	for _, x := range s.Exceptions {
		state := "opened"
		if x.State == payment.ExceptionResolved {
			state = "resolved"
		}
		k.say("except   %s %s %d owner %s", state, x.Kind, x.Amount, x.Owner)
	}
	for _, e := range s.Evidence {
		var v struct{ Data map[string]any }
		if err := json.Unmarshal(e.Line, &v); err != nil {
			k.t.Fatal(err)
		}
		var parts []string
		for _, name := range []string{"kind", "state", "by", "date", "count", "total", "amount", "reason"} {
			if x, ok := v.Data[name]; ok {
				if f, ok := x.(float64); ok {
					x = int64(f)
				}
				parts = append(parts, fmt.Sprintf("%s=%v", name, x))
			}
		}
		if e.Type != evidence.SettlementLine {
			k.say("fact     %s %s", e.Type, strings.Join(parts, " "))
		}
	}
}
