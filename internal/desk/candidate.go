package desk

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

// Side is one thing that may be the other side of another: a line of a network, a
// capture, an entry on an account, a payout.
type Side struct {
	// Ref is Counter.Ref.
	Ref string
	// What is the word for it: payment, network_long, bank_entry, payout, ….
	What     string
	MID      string
	Amount   int64 // minor units, not negative
	Currency money.Currency
	// Time is when it happened; of what has only a date, its noon.
	Time time.Time
	// TID, Tail and Code are terminal, last four digits and approval code; "" for
	// none. Refs are retrieval references, trace numbers and whatever else names it.
	TID, Tail, Code string
	Refs            []string
	Text            string
}

// Candidate is a side that may be the other one, and why.
type Candidate struct {
	Side
	// Score orders candidates: 100 is as good as sure, below 30 is not shown.
	Score   int
	Reasons []Reason
}

// Reason is one thing that speaks for a candidate, or against it.
type Reason struct {
	Word   ReasonWord
	Points int // negative speaks against it
	// Detail is what it was seen by: a reference, a difference in minor units, days.
	Detail string
}

// ReasonWord is what kind of thing it is.
type ReasonWord string

// The reasons.
const (
	SameAmount    ReasonWord = "amount_equal"
	NearAmount    ReasonWord = "amount_near"    // within what a fee takes
	OtherAmount   ReasonWord = "amount_differs" // against it
	SameReference ReasonWord = "reference_equal"
	PartReference ReasonWord = "reference_part" // one contains the other's last digits
	SameTerminal  ReasonWord = "terminal_equal"
	SameCard      ReasonWord = "card_equal" // its last four digits
	SameCode      ReasonWord = "approval_code_equal"
	SameMerchant  ReasonWord = "merchant_equal"
	OtherMerchant ReasonWord = "merchant_differs" // against it
	SameDay       ReasonWord = "same_day"
	NearDay       ReasonWord = "days_apart"
)

// least is the score below which a candidate is not shown.
const least = 30

// apart is how many bank days two sides may lie apart.
const apart = 10

// Rank gives those of a list that may be the other side of a subject, the likeliest
// first, each with its reasons; equal ones stand in order of their Ref. Amounts are
// the strongest witness after a reference: another amount with another reference is
// nobody's other side. It is pure.
func Rank(subject Side, list []Side, c *calendar.Calendar, zone *time.Location) []Candidate {
	var out []Candidate
	for i := range list {
		if list[i].Ref == subject.Ref || list[i].Currency != subject.Currency {
			continue
		}
		if x := judge(&subject, &list[i], c, zone); x.Score >= least {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Candidate) int { return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Ref, b.Ref)) })
	return out
}

func judge(a, b *Side, c *calendar.Calendar, zone *time.Location) Candidate {
	x := Candidate{Side: *b}
	add := func(w ReasonWord, points int, detail string) {
		x.Reasons = append(x.Reasons, Reason{w, points, detail})
		x.Score += points
	}
	difference := b.Amount - a.Amount
	switch {
	case difference == 0:
		add(SameAmount, 40, "")
	case near(a.Amount, b.Amount):
		add(NearAmount, 20, strconv.FormatInt(difference, 10))
	default:
		add(OtherAmount, -20, strconv.FormatInt(difference, 10))
	}
	switch ref, whole := sameReference(a.Refs, b.Refs); {
	case ref != "" && whole:
		add(SameReference, 45, ref)
	case ref != "":
		add(PartReference, 20, ref)
	}
	for _, same := range []struct {
		word   ReasonWord
		a, b   string
		points int
	}{{SameTerminal, a.TID, b.TID, 8}, {SameCard, a.Tail, b.Tail, 8}, {SameCode, a.Code, b.Code, 15}} {
		if same.a != "" && same.a == same.b {
			add(same.word, same.points, same.a)
		}
	}
	switch {
	case a.MID == "" || b.MID == "" || a.MID == settlement.House || b.MID == settlement.House:
	case a.MID == b.MID:
		add(SameMerchant, 5, "")
	default:
		add(OtherMerchant, -30, "")
	}
	if a.Time.IsZero() || b.Time.IsZero() {
		return x
	}
	days := c.BusinessDaysBetween(calendar.DateIn(a.Time, zone), calendar.DateIn(b.Time, zone))
	switch n := max(days, -days); {
	case n == 0:
		add(SameDay, 15, "")
	case n <= apart:
		add(NearDay, 10-n, strconv.Itoa(days))
	default:
		add(NearDay, -20, strconv.Itoa(days))
	}
	x.Score = min(x.Score, 100)
	return x
}

// near reports amounts as far apart as fees take: 3 % or two units of the currency's
// hundreds, whichever is more, and never more than half.
func near(a, b int64) bool {
	difference, most := max(a-b, b-a), max(max(a, b)/100*3, 200)
	return difference <= min(most, max(a, b)/2)
}

// leastPart is how many characters two references share at their ends to be taken
// for parts of each other.
const leastPart = 6

// sameReference finds a reference that both have, whole or as the end of the other.
func sameReference(a, b []string) (ref string, whole bool) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case x == "" || y == "":
			case x == y:
				return x, true
			case len(y) >= leastPart && strings.HasSuffix(x, y):
				ref = y
			case len(x) >= leastPart && strings.HasSuffix(y, x):
				ref = x
			}
		}
	}
	return ref, false
}

// reference is what looks like a reference in a sentence: digits and capital letters
// with digits among them.
var reference = regexp.MustCompile(`\b[A-Z0-9][A-Z0-9-]{5,34}\b`)

// referencesIn finds what looks like references in a text.
func referencesIn(text string) []string {
	var list []string
	for _, s := range reference.FindAllString(text, -1) {
		if strings.ContainsAny(s, "0123456789") && !slices.Contains(list, s) && !isDate(s) {
			list = append(list, s)
		}
	}
	return list
}

func isDate(s string) bool {
	_, err := calendar.ParseDate(s)
	return err == nil
}

// Candidates gives what may be the other side of an item, the likeliest first, at
// most n. It looks at what else needs somebody, at payments of the merchant of a
// like amount, at entries on accounts that nothing explains, and at payouts.
func (d *Desk) Candidates(ctx context.Context, who Actor, k Key, n int) ([]Candidate, error) {
	if who.Role == access.Merchant {
		return nil, nil // which side is whose is the platform's business
	}
	x, err := d.look(ctx, k)
	if err != nil {
		return nil, err
	}
	subject := d.side(ctx, x)
	list, err := d.others(ctx, x, &subject)
	if err != nil {
		return nil, err
	}
	out := Rank(subject, list, d.calendar(), d.zone())
	return out[:min(len(out), n)], nil
}

// window is how far from an item's time its other side is looked for.
const window = 21 * 24 * time.Hour

// mostPayments bounds how many payments of a like amount are looked at.
const mostPayments = 50

// others gathers the sides that an item is held against.
func (d *Desk) others(ctx context.Context, x *Item, subject *Side) ([]Side, error) {
	w, err := d.gather(ctx, "")
	if err != nil {
		return nil, err
	}
	defer d.known.release(w)
	var list []Side
	have := map[string]bool{}
	mine := sideWord(x.Cause)
	if mine == "" {
		mine = sideWord(string(x.Key.Kind))
	}
	for i := range w.items {
		o := &w.items[i]
		// Whatever is far from it in amount is looked at only where it is an exception
		// of the same merchant or of nobody: there references decide.
		if o.Key == x.Key || o.Currency != x.Currency || len(o.Exceptions) == 0 && !near(o.Amount, x.Amount) {
			continue
		}
		if o.Key.MID != x.Key.MID && o.Key.MID != settlement.House && x.Key.MID != settlement.House {
			continue
		}
		if side := sideWord(o.Cause); side != "" && side == mine {
			continue
		}
		list = append(list, d.side(ctx, o))
		have[o.Key.String()] = true
	}
	if d.Live == nil {
		return list, nil
	}
	d.Live.Read(func(c *investigation.Current) {
		if mine != "ours" && x.Key.MID != settlement.House {
			list = append(list, paymentsLike(c, x, have)...)
		}
		if mine != "theirs" {
			c.EachOpenEntry(func(e investigation.Entry) {
				if e.Currency == x.Currency && near(max(e.Amount, -e.Amount), x.Amount) {
					list = append(list, sideOfEntry(e, d.zone()))
				}
			})
		}
	})
	return list, nil
}

// paymentsLike are those of the item's merchant of nearly its amount, near its time.
func paymentsLike(c *investigation.Current, x *Item, have map[string]bool) (list []Side) {
	most := x.Amount + max(x.Amount/100*3, 200)
	page := c.List(&investigation.Filter{MID: x.Key.MID, Currency: x.Currency, Amounts: true, Least: 2*x.Amount - most, Most: most,
		From: evidence.InstantOf(x.Since.Add(-window)), To: evidence.InstantOf(x.Since.Add(window))}, investigation.ByTime, investigation.Mark{}, mostPayments)
	words := c.Around().View.Words
	for _, p := range page.Payments {
		k := Key{x.Key.MID, OnPayment, words.Text(p.ID)}
		if k != x.Key && !have[k.String()] {
			s := Side{Ref: k.String(), What: string(OnPayment), MID: k.MID, Amount: p.Amount, Currency: p.Currency}
			s.payment(p, words)
			list = append(list, s)
		}
	}
	return list
}

// payment takes what names a payment.
func (s *Side) payment(p *investigation.Payment, words *evidence.Words) {
	k := &p.Keys
	s.Time, s.TID, s.Tail, s.Code = p.Time.In(p.Terms.Zone), words.Text(k.TID), card.Last4(words.Text(k.PAN)), words.Text(k.AuthCode)
	for _, w := range []evidence.Word{k.RRN, k.OrderID, k.Ref, k.STAN} {
		if t := words.Text(w); t != "" {
			s.Refs = append(s.Refs, t)
		}
	}
	s.Text = strings.Join(slices.DeleteFunc([]string{named("RRN", words.Text(k.RRN)), named("TID", s.TID), named("STAN", words.Text(k.STAN))}, func(t string) bool { return t == "" }), " ")
}

func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

func sideOfEntry(e investigation.Entry, zone *time.Location) Side {
	y, m, day := e.Date.YMD()
	return Side{Ref: e.Name, What: "bank_entry", Amount: max(e.Amount, -e.Amount), Currency: e.Currency, Time: time.Date(y, time.Month(m), day, 12, 0, 0, 0, zone),
		Refs: referencesIn(e.Text + " " + e.References), Text: strings.TrimSpace(e.Account + " " + e.Text)}
}

// side is an item as one side of a match.
func (d *Desk) side(_ context.Context, x *Item) Side {
	s := Side{Ref: x.Key.String(), What: x.Cause, MID: x.Key.MID, Amount: x.Amount, Currency: x.Currency, Time: x.Since, TID: x.TID, Text: x.Cause}
	if x.Key.Kind == OnPayment && len(x.Exceptions) == 0 {
		s.What = string(OnPayment)
	}
	if x.Payout != "" {
		s.Refs = append(s.Refs, x.Payout)
	}
	for i := range x.Exceptions {
		s.Refs = append(s.Refs, referencesIn(x.Exceptions[i].Detail)...)
		s.Text = x.Exceptions[i].Detail
	}
	if x.Key.Kind == OnPayment && d.Live != nil {
		d.Live.Read(func(c *investigation.Current) {
			if p, ok := c.Payment(x.Key.Ref); ok {
				s.payment(p, c.Around().View.Words)
			}
		})
	}
	return s
}

// sideOf is what a reference of a match names: an item, or an entry on an account.
func (d *Desk) sideOf(ctx context.Context, ref string) (Side, error) {
	if k, err := ParseKey(ref); err == nil {
		x, err := d.look(ctx, k)
		if err != nil {
			return Side{}, err
		}
		return d.worth(ctx, x), nil
	}
	var found *Side
	if d.Live != nil {
		d.Live.Read(func(c *investigation.Current) {
			c.EachOpenEntry(func(e investigation.Entry) {
				if e.Name == ref {
					s := sideOfEntry(e, d.zone())
					found = &s
				}
			})
		})
	}
	if found == nil {
		return Side{}, fault.New(fault.NotFound, opDo, "", fault.Say("there is no such other side", "没有该匹配对象"), fault.Say("take it from the candidates", "请从候选中选择"))
	}
	return *found, nil
}

// worth is an item's side where it need not need anybody: a payment that is on its
// way is worth what was approved, a payout what it is of.
func (d *Desk) worth(ctx context.Context, x *Item) Side {
	s := d.side(ctx, x)
	if s.Amount != 0 {
		return s
	}
	switch x.Key.Kind {
	case OnPayment:
		d.Live.Read(func(c *investigation.Current) {
			if p, ok := c.Payment(x.Key.Ref); ok {
				s.Amount, s.Currency, s.What = p.Amount, p.Currency, string(OnPayment)
			}
		})
	case OnPayout:
		if p, err := d.Keeper.Payout(ctx, x.Key.MID, x.Key.Ref); err == nil {
			s.Amount, s.Currency = p.Amount, p.Currency
		}
	}
	return s
}
