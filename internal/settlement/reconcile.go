package settlement

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Kinds of exceptions about files; those about lines are named as their Outcome.
const (
	// ExceptionFileBroken is a file that is not whole: truncated, or its own totals
	// do not add up. Nothing of it is booked.
	ExceptionFileBroken = "clearing_file_broken"
	// ExceptionClosedDay is another file for a day that takes nothing more.
	ExceptionClosedDay = "clearing_closed_day"
	// ExceptionUnknownMerchant is a line for a merchant that is not ours.
	ExceptionUnknownMerchant = "clearing_unknown_merchant"
	// ExceptionFunding is a network that paid another sum than its file says.
	ExceptionFunding = "network_funding_differs"
)

// Verdict is what is to be done with a file.
type Verdict string

// The verdicts on a file.
const (
	Book      Verdict = "book"      // the first of its day
	Rebook    Verdict = "rebook"    // a corrected issue: what differs is booked
	Duplicate Verdict = "duplicate" // its content is booked already
	Outdated  Verdict = "outdated"  // an issue before the one that is booked
	Refuse    Verdict = "refuse"    // the step holds the exception
)

// Owed begins a network's day that nobody has spoken of yet.
func Owed(network string, date calendar.Date, c money.Currency) Day {
	return Day{Network: network, Date: date, Currency: c}
}

// Admit decides what to do with a file, before anything of it is booked. For
// Refuse there is a step with the exception that says why and who has to act; for
// a Duplicate there is one where it shows that a broken file in between said
// nothing new.
func (d *Day) Admit(now time.Time, f *File) (Verdict, *Step) {
	refuse := func(kind, detail string) (Verdict, *Step) {
		s := newStep(House, now)
		x := payment.Exception{ID: derived(f.Date, kind+"/"+f.Network+"/"+f.Digest.String()), MID: House, Kind: kind,
			Owner: "network/" + f.Network, Amount: abs(f.Sum), Currency: f.Currency, Opened: now, Detail: detail}
		if kind == ExceptionFileBroken {
			// One a day, however many broken files come, until a whole one does.
			next := *d
			x.ID = next.brokenFile().ID
			if next.Broken.IsZero() {
				next.Broken = now
			}
			x.Opened = next.Broken
			next.Version++
			s.Days = append(s.Days, next)
		}
		s.Exceptions = append(s.Exceptions, x)
		return Refuse, s
	}
	day := f.Network + " " + f.Date.String()
	switch {
	case f.Broken > 0:
		return refuse(ExceptionFileBroken, fmt.Sprintf("clearing %s: %d lines could not be read; ask the network for the file again", day, f.Broken))
	case !f.Declared:
		return refuse(ExceptionFileBroken, fmt.Sprintf("clearing %s: the trailer is missing, the file is cut short; ask the network for it again", day))
	case f.Lines != f.Count || f.Sum != f.Total:
		return refuse(ExceptionFileBroken, fmt.Sprintf("clearing %s: %d lines of %d in sum, the trailer says %d lines of %d; ask the network for the file again",
			day, f.Lines, f.Sum, f.Count, f.Total))
	case d.State != Awaited && f.Digest == d.Digest:
		if d.Broken.IsZero() {
			return Duplicate, nil
		}
		s, next := newStep(House, now), *d
		next.whole(s)
		next.Version++
		s.Days = append(s.Days, next)
		return Duplicate, s
	case d.State == DayClosed:
		return refuse(ExceptionClosedDay, fmt.Sprintf("clearing %s: the day is closed and takes no other file; the network has to correct by adjustments in a later one", day))
	case d.State == Awaited:
		return Book, nil
	case f.Version != 0 && f.Version < d.Issue:
		return Outdated, nil
	}
	return Rebook, nil
}

func (d *Day) brokenFile() payment.Exception {
	return payment.Exception{ID: derived(d.Date, ExceptionFileBroken+"/"+d.Network), MID: House, Kind: ExceptionFileBroken, Owner: "network/" + d.Network,
		Currency: d.Currency, Opened: d.Broken}
}

// whole resolves the exception about broken files of the day.
func (d *Day) whole(s *Step) {
	if d.Broken.IsZero() {
		return
	}
	x := d.brokenFile()
	x.State, x.Closed, x.Detail = payment.ExceptionResolved, s.At, "a whole file came"
	d.Broken = time.Time{}
	s.Exceptions = append(s.Exceptions, x)
}

// Take writes that a file is booked, once the steps of all its merchants are
// durable: a run that was interrupted before begins anew and changes nothing that
// is booked already.
func (d Day) Take(now time.Time, f *File, zone *time.Location) *Step {
	s := newStep(House, now)
	d.State = max(d.State, FileIn)
	d.Digest, d.Count, d.Total = f.Digest, f.Count, f.Total
	d.Issue = max(d.Issue, f.Version)
	d.Issues++
	d.Version++
	d.whole(s)
	s.Days = append(s.Days, d)
	id := f.Date.String()
	if d.Issues > 1 {
		id += "/" + strconv.Itoa(d.Issues)
	}
	s.facts(zone).begin(evidence.ClearingFile, "clearing/"+f.Network, "file/"+id, now).str("network", f.Network).date("date", f.Date).
		num("count", f.Count).num("total", f.Total).str("currency", f.Currency.String()).end()
	return s
}

// Clearing is one merchant's part of a file, and what we have of it.
type Clearing struct {
	Policy *Policy
	Now    time.Time
	File   *File
	Zone   *time.Location
	// Issue is what Day.Issues will be once the file is booked. A share that a later
	// issue has changed is left alone: two that read one folder may be at different
	// files.
	Issue int
	// DayEnds is when the card day of the file ended for us: what was captured
	// within Policy.Grace before it may stand in the next day's file.
	DayEnds time.Time
	// Share is the row on record, its zero values but for the key where there is none.
	Share Share
	// Lines are the file's lines of the merchant.
	Lines []NetworkLine
	// Ours are its transactions of that network with a business date up to the
	// file's that no file of another date has cleared, and those out of state that
	// the network may have seen.
	Ours []Ours
	// Prior are the rows of an earlier issue of the same date.
	Prior []Cleared
	// Open are the merchant's open exceptions about clearing.
	Open []payment.Exception
}

// Result counts what a comparison found.
type Result struct {
	Outcomes map[Outcome]int
	// Waiting are captures near the cut-off that may stand in the next file.
	Waiting int
}

// Reconcile holds a merchant's part of a clearing file against what was captured,
// books the file's sum from network_receivable to network_cleared, and makes each
// break an exception with its owner. What is booked is always what the network
// says it pays: after it network_receivable holds exactly what is short less what
// is long. Lines may come in any order. The same part again gives a nil step.
//
// The error is of kind fault.Conflict where a later issue has changed the share,
// else fault.Internal.
func Reconcile(c Clearing) (*Step, Result, error) {
	if c.Share.Issue > c.Issue {
		return nil, Result{}, fault.New(fault.Conflict, fault.Say("reconcile clearing", "核对清算文件"), c.Share.MID+" "+c.Share.Date.String(),
			fault.Say("a later issue is booked", "已登记更晚的版本"), fault.Say("read the day again and decide anew", "请重新读取当日记录再判断"))
	}
	// The order of lines decides nothing.
	c.Lines = slices.Clone(c.Lines)
	slices.SortStableFunc(c.Lines, compareLines)
	r := reconciler{c: &c, s: newStep(c.Share.MID, c.Now), result: Result{Outcomes: map[Outcome]int{}}, keys: map[string]int{}}
	r.index()
	r.pair()
	for pass := range passes {
		open := func(i int) bool { return r.of[i] == none && r.matchable(i) }
		if !slices.ContainsFunc(r.places, open) {
			break // the weaker keys are made for nobody
		}
		r.indexBy(pass)
		for _, i := range r.places {
			if open(i) {
				r.match(i, pass)
			}
		}
	}
	total := int64(0)
	r.rows = make([]Cleared, 0, len(c.Lines)+len(c.Prior))
	for i := range c.Lines {
		r.conclude(i)
		total = sum(total, c.Lines[i].Signed())
	}
	if r.c.Share.MID != House {
		r.chargebacks()
	}
	r.missing()
	r.resolve()
	r.facts()
	r.withdraw()
	slices.SortFunc(r.rows, func(a, b Cleared) int { return cmp.Compare(a.Key, b.Key) })
	before, share := c.Share, c.Share
	if !slices.Equal(r.rows, sorted(c.Prior)) {
		r.s.Cleared, r.s.Recleared = r.rows, true
		r.reopen()
		share.Cleared, share.Issue = total, c.Issue
		share.Version++
		r.s.Shares = append(r.s.Shares, share)
		r.s.move(share.Currency, share.Date, ledger.NetworkCleared, ledger.NetworkReceivable, share.Cleared-before.Cleared,
			"clearing/"+share.Network+"/"+share.Date.String()+"/"+strconv.Itoa(int(share.Version)), reasonClearing)
	}
	if len(r.s.Shares) == 0 && len(r.s.Exceptions) == 0 {
		return nil, r.result, nil
	}
	if err := r.check(before); err != nil {
		return nil, r.result, fault.New(fault.Internal, fault.Say("reconcile clearing", "核对清算文件"), share.MID, err, "")
	}
	return r.s, r.result, Check(nil, r.s)
}

func compareLines(a, b NetworkLine) int {
	return cmp.Or(cmp.Compare(a.RRN, b.RRN), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.TID, b.TID), cmp.Compare(a.STAN, b.STAN),
		cmp.Compare(a.AuthCode, b.AuthCode), cmp.Compare(a.PAN, b.PAN), cmp.Compare(a.OriginalRRN, b.OriginalRRN), a.Time.Compare(b.Time))
}

func sorted(rows []Cleared) []Cleared {
	return slices.SortedFunc(slices.Values(rows), func(a, b Cleared) int { return cmp.Compare(a.Key, b.Key) })
}

// Accounted reports whether the lines are about captured transactions in Ours and
// nothing else: every line is a charge or a refund whose retrieval reference and amount
// one of its own has. That is the strongest key, and what is captured comes first, so
// nothing else that we have would change what becomes of the lines; and there is no
// earlier issue, and nothing short that may have been undone since.
func (c *Clearing) Accounted() bool {
	short := func(x payment.Exception) bool { return x.Kind == string(Short) }
	if len(c.Prior) > 0 || len(c.Ours) < len(c.Lines) || slices.ContainsFunc(c.Open, short) {
		return false
	}
	type key struct {
		rrn    string
		refund bool
		amount int64
	}
	captured := make(map[key]int, len(c.Ours))
	for i := range c.Ours {
		if o := &c.Ours[i]; o.Standing == Captured && o.RRN != "" {
			captured[key{o.RRN, o.Kind == evidence.Refund, o.Amount}]++
		}
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		k := key{l.RRN, l.Kind == evidence.Refund, l.Amount}
		if !l.charge() && l.Kind != evidence.Refund || captured[k] == 0 {
			return false
		}
		captured[k]--
	}
	return true
}

const none = -1

// passes is the number of keys by which a line finds its transaction, strongest
// first: retrieval reference and amount; retrieval reference; terminal, trace
// number and amount; approval code, last four digits and amount; of a refund
// terminal, last four digits and amount. A weaker one never overrules a stronger
// that disagrees.
const passes = 5

type reconciler struct {
	c      *Clearing
	s      *Step
	result Result
	ours   [passes]map[string][]int // places in Ours by key
	order  []int                    // of Ours: what is captured first, then by time
	places []int                    // of Lines
	taken  []bool                   // of Ours
	of     []int                    // the place in Ours of each line, or none
	state  []Outcome                // of each line
	keys   map[string]int           // how often a line's name occurred
	rows   []Cleared
	opened map[payment.ID]bool // exceptions that hold now
}

func (r *reconciler) index() {
	c := r.c
	r.taken, r.of, r.state = make([]bool, len(c.Ours)), make([]int, len(c.Lines)), make([]Outcome, len(c.Lines))
	r.opened = map[payment.ID]bool{}
	for i := range r.of {
		r.of[i] = none
	}
	r.places = make([]int, len(c.Lines))
	for i := range r.places {
		r.places[i] = i
	}
	// What is captured comes first: of two that fit, it is the one that was cleared.
	r.order = make([]int, len(c.Ours))
	for i := range r.order {
		r.order[i] = i
	}
	slices.SortStableFunc(r.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.Ours[a].Standing, c.Ours[b].Standing), c.Ours[a].Time.Compare(c.Ours[b].Time))
	})
}

func (r *reconciler) indexBy(pass int) {
	m := make(map[string][]int, len(r.order))
	one := make([]int, 0, len(r.order)) // most keys have one transaction: their lists are cut from one piece
	for _, i := range r.order {
		o := &r.c.Ours[i]
		k := matchKey(pass, o.Kind, &o.Keys, o.Amount)
		if k == "" {
			continue
		}
		if list := m[k]; list != nil {
			m[k] = append(list, i)
			continue
		}
		one = append(one, i)
		n := len(one)
		m[k] = one[n-1 : n : n]
	}
	r.ours[pass] = m
}

// matchable reports whether a line is of a kind that finds a transaction of ours.
func (r *reconciler) matchable(i int) bool {
	l := &r.c.Lines[i]
	return r.state[i] == "" && (l.charge() || l.Kind == evidence.Refund)
}

// matchKey is what a line and a transaction share in one of the passes; "" where
// it has none.
func matchKey(pass int, k evidence.Kind, keys *Keys, amount int64) string {
	side := "+"
	if k == evidence.Refund {
		side = "-"
	}
	switch {
	case pass == 0 && keys.RRN != "":
		return side + keys.RRN + "/" + strconv.FormatInt(amount, 10)
	case pass == 1 && keys.RRN != "":
		return side + keys.RRN
	case pass == 2 && keys.TID != "" && keys.STAN != "":
		return side + keys.TID + "/" + keys.STAN + "/" + strconv.FormatInt(amount, 10)
	case pass == 3 && keys.AuthCode != "" && len(keys.PAN) >= 4:
		return side + keys.AuthCode + "/" + keys.PAN[len(keys.PAN)-4:] + "/" + strconv.FormatInt(amount, 10)
	case pass == 4 && k == evidence.Refund && keys.TID != "" && len(keys.PAN) >= 4:
		return side + keys.TID + "/" + keys.PAN[len(keys.PAN)-4:] + "/" + strconv.FormatInt(amount, 10)
	}
	return ""
}

// pair finds sales that the same file voids: they were undone on both sides.
func (r *reconciler) pair() {
	sales := map[string][]int{}
	for i := range r.c.Lines {
		if l := &r.c.Lines[i]; l.charge() && l.RRN != "" {
			sales[l.RRN] = append(sales[l.RRN], i)
		}
	}
	for i := range r.c.Lines {
		l := &r.c.Lines[i]
		if l.Kind != evidence.Void && l.Kind != evidence.Reversal {
			continue
		}
		rrn := cmp.Or(l.OriginalRRN, l.RRN)
		for _, j := range sales[rrn] {
			if r.state[j] == "" && r.c.Lines[j].Amount == l.Amount {
				r.state[i], r.state[j] = Paired, Paired
				// If it stands in the ledger all the same, it is short.
				break
			}
		}
	}
}

// own is the line's own retrieval reference. A refund is sent to the network under
// the reference of the payment that it gives back, which then names that and no
// refund; "" where it does, or there is none.
func (l *NetworkLine) own() string {
	if l.Kind == evidence.Refund && l.RRN == l.OriginalRRN {
		return ""
	}
	return l.RRN
}

func (l *NetworkLine) charge() bool {
	return l.Kind == evidence.Sale || l.Kind == evidence.Completion || l.Kind == evidence.NoKind
}

func (r *reconciler) match(i, pass int) {
	l := &r.c.Lines[i]
	k := matchKey(pass, l.Kind, &l.Keys, l.Amount)
	if k == "" {
		return
	}
	for _, j := range r.ours[pass][k] {
		o := &r.c.Ours[j]
		// A weaker key does not overrule a retrieval reference that disagrees.
		if r.taken[j] || l.own() != "" && o.RRN != "" && l.own() != o.RRN {
			continue
		}
		r.taken[j], r.of[i] = true, j
		return
	}
}

// conclude says what became of one line, and opens its exception.
func (r *reconciler) conclude(i int) {
	l := &r.c.Lines[i]
	row := Cleared{MID: r.c.Share.MID, Network: r.c.Share.Network, Date: r.c.Share.Date, Key: r.key(l), Kind: l.Kind, Signed: l.Signed()}
	network := "network/" + row.Network
	switch j := r.of[i]; {
	case r.state[i] == Paired:
		row.Outcome = Paired
	case l.Kind == evidence.Chargeback:
		row.Outcome = Charged
	case j == none && r.seen(l):
		row.Outcome = Doubled
		r.except(Doubled, row.Key, payment.ID{}, network, l.Amount, "the network clears "+named(&l.Keys)+" a second time")
	case j == none:
		row.Outcome = Long
		r.except(Long, row.Key, payment.ID{}, "platform", l.Amount, "the network clears "+named(&l.Keys)+", of which no transaction is on record: is it one that was lost?")
	default:
		o := &r.c.Ours[j]
		row.Payment = o.Payment
		switch {
		case o.Standing == ClearedBefore:
			row.Outcome = Doubled
			r.except(Doubled, row.Key, o.Payment, network, l.Amount, "the network clears "+named(&l.Keys)+" again, which its file of another day had")
		case o.Standing == OutOfState:
			row.Outcome = OneSided
			r.except(OneSided, row.Key, o.Payment, "platform", l.Amount, "the network clears "+named(&l.Keys)+", which is "+o.State.String()+" with us: it has to be undone there or captured here")
		case o.Amount != l.Amount:
			row.Outcome = Differs
			r.except(Differs, row.Key, o.Payment, network, abs(o.Amount-l.Amount),
				fmt.Sprintf("the network clears %s with %d, %d were captured", named(&l.Keys), l.Amount, o.Amount))
		default:
			row.Outcome = Matched
		}
	}
	r.result.Outcomes[row.Outcome]++
	r.rows = append(r.rows, row)
}

// seen reports whether the line's transaction was taken by another line.
func (r *reconciler) seen(l *NetworkLine) bool {
	for p := range passes {
		for _, j := range r.ours[p][matchKey(p, l.Kind, &l.Keys, l.Amount)] {
			if o := &r.c.Ours[j]; r.taken[j] && (l.own() == "" || o.RRN == "" || l.own() == o.RRN) {
				return true
			}
		}
	}
	return false
}

// key names a line within merchant, network and date, the same in every issue of
// the file: by what it is about, not by where it stands.
func (r *reconciler) key(l *NetworkLine) string {
	k := l.Kind.String() + "/" + cmp.Or(l.RRN, l.OriginalRRN, l.TID+"."+l.Batch+"."+l.STAN+"."+l.AuthCode)
	if l.RRN == "" {
		k += "/" + strconv.FormatInt(l.Amount, 10)
	}
	r.keys[k]++
	if n := r.keys[k]; n > 1 {
		k += "/" + strconv.Itoa(n)
	}
	return k
}

func named(k *Keys) string {
	switch {
	case k.RRN != "":
		return "RRN " + k.RRN
	case k.STAN != "":
		return "terminal " + k.TID + ", trace " + k.STAN
	}
	return "approval code " + k.AuthCode
}

// chargebacks makes what the network took back for cardholders a line of the next
// settlement, once for each: of a corrected file, only what differs.
func (r *reconciler) chargebacks() {
	prior := map[string]int64{}
	for i := range r.c.Prior {
		if p := &r.c.Prior[i]; p.Outcome == Charged {
			prior[p.Key] = p.Signed
		}
	}
	issue := "chargeback/" + r.c.Share.Network + "/" + r.c.Share.Date.String() + "/" + strconv.Itoa(int(r.c.Share.Version)+1) + "/"
	take := func(key string, k evidence.Kind, net int64, keys Keys) {
		r.s.Extras = append(r.s.Extras, Extra{ID: issue + key, MID: r.c.Share.MID, Kind: k, Net: net, Currency: r.c.Share.Currency,
			Against: ledger.NetworkReceivable, Keys: keys, Reason: "chargeback", At: r.c.Now})
	}
	for i := range r.c.Lines {
		row := &r.rows[i]
		if row.Outcome != Charged {
			continue
		}
		was, had := prior[row.Key]
		delete(prior, row.Key)
		switch {
		case !had:
			take(row.Key, evidence.Chargeback, row.Signed, r.c.Lines[i].chargedBack())
		case was != row.Signed:
			take(row.Key, evidence.Adjustment, row.Signed-was, r.c.Lines[i].chargedBack())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(prior)) {
		take(key, evidence.Adjustment, -prior[key], Keys{Network: r.c.Share.Network})
	}
}

// chargedBack gives the keys of the payment that a chargeback takes back: they
// are those that its facts carry.
func (l *NetworkLine) chargedBack() Keys {
	k := l.Keys
	if k.OriginalRRN != "" {
		k.RRN, k.OriginalRRN = k.OriginalRRN, ""
	}
	if k.OriginalSTAN != "" {
		k.STAN, k.OriginalSTAN = k.OriginalSTAN, ""
	}
	return k
}

// missing finds what was captured and has no line.
func (r *reconciler) missing() {
	for j := range r.c.Ours {
		o := &r.c.Ours[j]
		if r.taken[j] || o.Standing != Captured || o.Business > r.c.Share.Date {
			continue
		}
		if o.Business == r.c.Share.Date && !r.c.DayEnds.IsZero() && o.Time.After(r.c.DayEnds.Add(-r.c.Policy.Grace)) {
			r.result.Waiting++
			continue
		}
		r.result.Outcomes[Short]++
		r.except(Short, o.Payment.String(), o.Payment, "network/"+r.c.Share.Network, o.Amount,
			"captured "+named(&o.Keys)+" has no line in the network's file of "+r.c.Share.Date.String()+", which is whole")
	}
}

// except opens an exception, or leaves the one that is open as it is.
func (r *reconciler) except(kind Outcome, about string, id payment.ID, owner string, amount int64, detail string) {
	day := r.c.Share.Date
	if kind == Short {
		day = 0 // one exception however many files lack it
	}
	x := payment.Exception{ID: derived(day, string(kind)+"/"+r.c.Share.MID+"/"+r.c.Share.Network+"/"+about), MID: r.c.Share.MID, Payment: id, Kind: string(kind),
		Owner: owner, Amount: amount, Currency: r.c.Share.Currency, Opened: r.c.Now, Detail: detail}
	r.opened[x.ID] = true
	if !slices.ContainsFunc(r.c.Open, func(o payment.Exception) bool {
		return o.ID == x.ID && o.Amount == x.Amount && o.State == payment.ExceptionOpen
	}) {
		r.s.Exceptions = append(r.s.Exceptions, x)
	}
}

// resolve closes what this issue has put right: exceptions about lines of this
// date that it no longer has, and about captures that it has now.
func (r *reconciler) resolve() {
	was := map[payment.ID]bool{}
	for i := range r.c.Prior {
		p := &r.c.Prior[i]
		was[derived(p.Date, string(p.Outcome)+"/"+p.MID+"/"+p.Network+"/"+p.Key)] = true
	}
	here := map[payment.ID]bool{}
	for j := range r.c.Ours {
		if r.taken[j] || r.c.Ours[j].Standing != Captured { // or it was undone meanwhile
			here[r.c.Ours[j].Payment] = true
		}
	}
	open := slices.Clone(r.c.Open)
	slices.SortFunc(open, func(a, b payment.Exception) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, x := range open {
		if x.State != payment.ExceptionOpen || r.opened[x.ID] || !was[x.ID] && (x.Kind != string(Short) || !here[x.Payment]) {
			continue
		}
		x.State, x.Closed = payment.ExceptionResolved, r.c.Now
		r.s.Exceptions = append(r.s.Exceptions, x)
	}
}

// facts tells of the lines that no earlier issue had. A line that was changed is
// not told again: as a second fact it would be a second presentment.
func (r *reconciler) facts() {
	had := map[string]bool{}
	for i := range r.c.Prior {
		had[r.c.Prior[i].Key] = true
	}
	f := r.s.facts(r.c.Zone)
	f.Buffer = make([]byte, 0, 448*len(r.c.Lines))
	r.s.Evidence = slices.Grow(r.s.Evidence, len(r.c.Lines))
	for i := range r.c.Lines {
		l, row := &r.c.Lines[i], &r.rows[i]
		if had[row.Key] {
			continue
		}
		f.begin(evidence.ClearingLine, "clearing/"+row.Network, r.c.Share.MID+"/"+row.Date.String()+"/"+row.Key, r.c.Now)
		k := l.Keys
		if l.Kind == evidence.Chargeback {
			k = l.chargedBack()
		}
		if k.Network == "" {
			k.Network = row.Network
		}
		f.keys(&k).str("kind", l.Kind.String()).num("amount", l.Amount).str("currency", r.c.Share.Currency.String()).date("clearing_date", row.Date)
		f.moment("transaction_time", l.Time).end()
	}
}

// withdraw keeps the names of lines that this issue no longer has.
func (r *reconciler) withdraw() {
	have := map[string]bool{}
	for i := range r.rows {
		have[r.rows[i].Key] = true
	}
	for i := range r.c.Prior {
		if p := r.c.Prior[i]; !have[p.Key] {
			p.Payment, p.Signed, p.Outcome = payment.ID{}, 0, Withdrawn
			r.rows = append(r.rows, p)
		}
	}
}

// reopen names what an earlier issue cleared and this one does not.
func (r *reconciler) reopen() {
	if len(r.c.Prior) == 0 {
		return
	}
	cleared := map[payment.ID]bool{}
	for i := range r.rows {
		if r.rows[i].Clears() {
			cleared[r.rows[i].Payment] = true
		}
	}
	for i := range r.c.Prior {
		if p := &r.c.Prior[i]; p.Clears() && !cleared[p.Payment] {
			r.s.Reopened = append(r.s.Reopened, p.Payment)
		}
	}
}

// check holds the step against F8: what is booked is the file's sum for the
// merchant, whatever broke.
func (r *reconciler) check(before Share) error {
	rows := int64(0)
	for i := range r.rows {
		rows += r.rows[i].Signed
	}
	moved := int64(0)
	for i := range r.s.Transfers {
		if t := &r.s.Transfers[i]; t.Debit == ledger.NetworkCleared {
			moved += t.Amount
		} else {
			moved -= t.Amount
		}
	}
	if len(r.s.Shares) == 1 && (r.s.Shares[0].Cleared != rows || moved != rows-before.Cleared) || len(r.s.Shares) == 0 && moved != 0 {
		return &violation{8, fmt.Sprintf("lines of %d, share was %d, moved %d", rows, before.Cleared, moved)}
	}
	return nil
}

// Unplaced books the lines of a file that name no merchant of ours, under House:
// the network pays for them all the same. lines are all of them; prior the rows of
// an earlier issue.
func Unplaced(c Clearing) (*Step, Result, error) {
	c.Share.MID = House
	c.Ours = nil
	s, result, err := Reconcile(c)
	if s != nil {
		for i := range s.Exceptions {
			x := &s.Exceptions[i]
			if x.State == payment.ExceptionOpen && x.Kind == string(Long) {
				x.Kind, x.Detail = ExceptionUnknownMerchant, x.Detail+" Its merchant is not ours."
			}
		}
	}
	return s, result, err
}
