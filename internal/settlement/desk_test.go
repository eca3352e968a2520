package settlement_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

const mid = "898310058120001"

var (
	cny, _ = money.ParseCurrency("CNY")
	china  = time.FixedZone("", 8*3600)
)

// sold is a transaction as the gateway would have it.
type sold struct {
	settlement.Item
	amount   int64
	original *sold
	cleared  calendar.Date // None: in no file yet
	state    payment.State
}

// desk is what a store and its jobs are, in memory: it keeps what steps write,
// refuses what contradicts it, and can be audited.
type desk struct {
	t        testing.TB
	pol      settlement.Policy
	policy   merchant.Policy
	now      time.Time
	m        merchant.Merchant
	books    *ledger.Book
	pos      settlement.Position
	batches  map[string]settlement.Batch
	open     *settlement.Batch
	lines    []settlement.Line
	done     map[payment.ID]settlement.Done
	unique   map[string]bool
	extras   map[string]settlement.Extra
	reserves map[string]settlement.Reserve
	holds    map[string]settlement.Hold
	payouts  map[string]settlement.Payout
	orders   []settlement.Order
	shares   map[string]settlement.Share
	cleared  map[string][]settlement.Cleared // by merchant and date
	days     map[calendar.Date]settlement.Day
	opened   map[payment.ID]payment.Exception
	facts    map[string]payment.Evidence
	order    []string // of facts
	sold     []*sold
	// fail is how many more steps are kept before the process dies; -1: all.
	fail int
}

var errDied = errors.New("the process died")

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, pol: settlement.DefaultPolicy(), policy: merchant.DefaultPolicy(), now: time.Date(2026, 3, 2, 9, 0, 0, 0, china), books: ledger.NewBook(),
		pos: settlement.Start(mid, cny), batches: map[string]settlement.Batch{}, done: map[payment.ID]settlement.Done{}, unique: map[string]bool{},
		extras: map[string]settlement.Extra{}, reserves: map[string]settlement.Reserve{}, holds: map[string]settlement.Hold{}, payouts: map[string]settlement.Payout{},
		shares: map[string]settlement.Share{}, cleared: map[string][]settlement.Cleared{}, days: map[calendar.Date]settlement.Day{},
		opened: map[payment.ID]payment.Exception{}, facts: map[string]payment.Evidence{}, fail: -1}
	return d
}

// usual are the terms of a shop in China.
func usual() merchant.Terms {
	return merchant.Terms{ValidFrom: calendar.MustYMD(2026, 1, 5), Cycle: "T1", Cutoff: "23:00", Timezone: "+08:00", Calendar: "CN",
		Fees: []merchant.Fee{{Rate: 60 * money.BasisPoint}, {Rate: 50 * money.BasisPoint, Cap: 1800, CardType: "debit"}}}
}

// agree makes the merchant with its terms and a verified account.
func (d *desk) agree(t merchant.Terms) {
	must := func(c merchant.Change, err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
		d.change(c)
	}
	long := d.now.AddDate(0, 0, -56)
	must(merchant.Onboard(long, "anne", merchant.Details{MID: mid, Name: "Noodle shop", MCC: "5812", Currency: cny, Onboarded: min(t.ValidFrom, calendar.MustYMD(2025, 9, 1))}))
	must(d.m.ProposeTerms(long, "anne", t, "contract", &d.policy, merchant.Trade{NormalDays: 99}))
	must(d.m.Approve(long, "bert", 1, &d.policy, merchant.Trade{NormalDays: 99}))
	must(d.m.ProposeAccount(long, "anne", merchant.NewAccount("6217 0012 3456 6789", []byte("sealed"), "Noodle shop", "ICBC", "ICBKCNBJ"), "contract", &d.policy))
	must(d.m.Approve(long, "bert", 2, &d.policy, merchant.Trade{}))
	must(d.m.VerifyAccount(long, "carl", d.m.Accounts[0].Token, "penny_test"))
}

func (d *desk) change(c merchant.Change) {
	if c.Merchant.Version != d.m.Version+1 {
		d.t.Fatalf("merchant version %d after %d", c.Merchant.Version, d.m.Version)
	}
	d.m = c.Merchant
	for _, f := range c.Facts {
		d.fact(payment.Evidence{Source: f.Source, ID: f.ID, Type: f.Type, Time: f.Time, MID: f.MID, Line: f.Line})
	}
}

func (d *desk) fact(e payment.Evidence) {
	k := e.Source + "#" + e.ID
	if old, ok := d.facts[k]; ok {
		if !bytes.Equal(old.Line, e.Line) {
			d.t.Fatalf("fact %s is told twice:\n%s\n%s", k, old.Line, e.Line)
		}
		return
	}
	e.Line = bytes.Clone(e.Line)
	d.facts[k] = e
	d.order = append(d.order, k)
}

// sell captures a sale now; n names it.
func (d *desk) sell(amount int64, card evidence.CardType) *sold {
	n := len(d.sold) + 1
	s := &sold{amount: amount, cleared: calendar.None, state: payment.Approved}
	s.Item = settlement.Item{Payment: d.id(n), Kind: evidence.Sale, Effect: amount, Currency: cny, Captured: d.now,
		Keys: settlement.Keys{TID: "T1000001", Batch: "000001", STAN: fmt.Sprintf("%06d", n), RRN: fmt.Sprintf("606100%06d", n), AuthCode: fmt.Sprintf("A%05d", n),
			PAN: "622202******1234", CardType: card, Network: "UnionPay", Issuer: "ICBC"}}
	d.sold = append(d.sold, s)
	d.capture(s, amount, "capture")
	return s
}

func (d *desk) id(n int) payment.ID {
	var id uuid.UUID
	ms := d.now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[7], id[8], id[14], id[15] = 0x70, 0, 0x80, byte(n>>8), byte(n)
	return id
}

func (d *desk) refund(of *sold, amount int64) *sold {
	s := d.sell(0, of.CardType)
	s.Kind, s.Effect, s.amount, s.original = evidence.Refund, -amount, amount, of
	s.OriginalRRN, s.OriginalSTAN = of.RRN, of.STAN
	d.capture(s, -amount, "refund")
	return s
}

// undo voids or reverses: the effect is gone, and the network is told.
func (d *desk) undo(s *sold, state payment.State) {
	d.capture(s, -s.Effect, "undo")
	s.Effect, s.state = 0, state
}

func (d *desk) capture(s *sold, amount int64, word string) {
	if amount == 0 {
		return
	}
	debit, credit := ledger.NetworkReceivable, ledger.MerchantPending
	if amount < 0 {
		debit, credit, amount = credit, debit, -amount
	}
	key := s.Payment.String() + "/" + word
	_, err := d.books.Apply(ledger.Transfer{ID: ledger.IDFor(s.Payment, key), Key: key, Merchant: mid, Currency: cny, Debit: debit, Credit: credit, Amount: amount,
		At: d.now, Date: calendar.DateIn(d.now, china), Payment: s.Payment, Reason: "capture"})
	if err != nil {
		d.t.Fatal(err)
	}
}

// commit keeps a step or refuses it whole.
func (d *desk) commit(s *settlement.Step) error {
	if d.fail == 0 {
		return errDied
	}
	if d.fail > 0 {
		d.fail--
	}
	for i := range s.Positions {
		if p := &s.Positions[i]; p.Version != d.pos.Version+1 {
			return fmt.Errorf("position version %d after %d", p.Version, d.pos.Version)
		}
	}
	for i := range s.Batches {
		if b := &s.Batches[i]; b.Version != d.batches[b.ID].Version+1 {
			return fmt.Errorf("batch version %d after %d", b.Version, d.batches[b.ID].Version)
		}
	}
	for i := range s.Payouts {
		p := &s.Payouts[i]
		var old *settlement.Payout
		if o, ok := d.payouts[p.ID]; ok {
			old = &o
		}
		if err := settlement.CheckChange(old, p); err != nil {
			return err
		}
	}
	for i := range s.Shares {
		sh := &s.Shares[i]
		if sh.Version != d.shares[shareKey(sh.MID, sh.Date)].Version+1 {
			return fmt.Errorf("share version %d", sh.Version)
		}
	}
	for i := range s.Days {
		if s.Days[i].Version != d.days[s.Days[i].Date].Version+1 {
			return fmt.Errorf("day version %d", s.Days[i].Version)
		}
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		k := fmt.Sprintf("%s/%d/%s/%s", l.Payment, l.Turn, l.Kind, l.Extra)
		if d.unique[k] {
			return fmt.Errorf("line %s is there twice", k)
		}
	}
	if _, err := d.books.Apply(s.Transfers...); err != nil {
		return err
	}
	for i := range s.Lines {
		l := s.Lines[i]
		d.unique[fmt.Sprintf("%s/%d/%s/%s", l.Payment, l.Turn, l.Kind, l.Extra)] = true
		d.lines = append(d.lines, l)
		if l.Payment != (payment.ID{}) {
			o := d.done[l.Payment]
			switch {
			case l.Net < 0:
				o.Gross -= l.Gross
			default:
				o.Gross += l.Gross
			}
			o.Fee += l.Fee
			o.Turns = l.Turn
			d.done[l.Payment] = o
		}
	}
	for _, p := range s.Positions {
		d.pos = p
	}
	for _, b := range s.Batches {
		d.batches[b.ID] = b
		d.open = nil
		if b.State == settlement.Settling {
			d.open = &b
		}
	}
	for _, x := range s.Extras {
		if old, ok := d.extras[x.ID]; ok && old.Batch != "" {
			return fmt.Errorf("extra %s is settled already", x.ID)
		}
		d.extras[x.ID] = x
	}
	for _, r := range s.Reserves {
		d.reserves[r.Batch] = r
	}
	for _, h := range s.Holds {
		d.holds[h.ID] = h
	}
	for _, p := range s.Payouts {
		d.payouts[p.ID] = p
	}
	d.orders = append(d.orders, s.Orders...)
	for _, sh := range s.Shares {
		d.shares[shareKey(sh.MID, sh.Date)] = sh
	}
	if s.Recleared {
		d.cleared[shareKey(s.Shares[0].MID, s.Shares[0].Date)] = s.Cleared
	}
	for _, day := range s.Days {
		d.days[day.Date] = day
	}
	for _, x := range s.Exceptions {
		d.opened[x.ID] = x
	}
	for _, e := range s.Evidence {
		if !json.Valid(e.Line) {
			return fmt.Errorf("not JSON: %s", e.Line)
		}
		d.fact(e)
	}
	return nil
}

func shareKey(mid string, date calendar.Date) string { return mid + "/" + date.String() }

// items is the stream of what may have to be settled, in order of payment.
func (d *desk) items() iter.Seq2[settlement.Item, error] {
	all := slices.SortedFunc(slices.Values(d.sold), func(a, b *sold) int { return bytes.Compare(a.Payment[:], b.Payment[:]) })
	return func(yield func(settlement.Item, error) bool) {
		for _, s := range all {
			it := s.Item
			it.Done = d.done[it.Payment]
			if it.Effect == 0 && it.Done.Gross == 0 {
				continue
			}
			if !yield(it, nil) {
				return
			}
		}
	}
}

// settle runs a day; each step is shown to see once it is kept.
func (d *desk) settle(day calendar.Date, final bool, see func(*settlement.Step)) error {
	if d.open != nil && d.open.Day != day { // an interrupted one first
		if err := d.settle(d.open.Day, d.open.Final, see); err != nil {
			return err
		}
	}
	in := settlement.Input{Policy: &d.pol, Now: d.now, Merchant: &d.m, Calendars: calendar.Builtin, Day: day, Final: final, Position: d.pos, Batch: d.open}
	for _, x := range d.extras {
		if x.Batch == "" {
			in.Extras = append(in.Extras, x)
		}
	}
	slices.SortFunc(in.Extras, func(a, b settlement.Extra) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.ID), []byte(b.ID))
	})
	for _, r := range d.reserves {
		in.Reserves = append(in.Reserves, r)
	}
	slices.SortFunc(in.Reserves, func(a, b settlement.Reserve) int { return bytes.Compare([]byte(a.Batch), []byte(b.Batch)) })
	for s, err := range settlement.Settle(in, d.items()) {
		if err != nil {
			return err
		}
		if err := d.commit(s); err != nil {
			return err
		}
		if see != nil {
			see(s)
		}
	}
	return nil
}

// clear brings a file: the jobs of a store around Admit, Reconcile and Take.
func (d *desk) clear(f settlement.File, lines []settlement.NetworkLine, see func(*settlement.Step)) (settlement.Verdict, error) {
	day, ok := d.days[f.Date]
	if !ok {
		day = settlement.Owed("UnionPay", f.Date, cny)
	}
	show := func(s *settlement.Step) error {
		if s == nil {
			return nil
		}
		if err := d.commit(s); err != nil {
			return err
		}
		if see != nil {
			see(s)
		}
		return nil
	}
	v, s := day.Admit(d.now, &f)
	if err := show(s); err != nil {
		return v, err
	}
	if v != settlement.Book && v != settlement.Rebook {
		return v, nil
	}
	ends := f.Date.In(china).Add(23 * time.Hour)
	for _, who := range []string{mid, settlement.House} {
		c := settlement.Clearing{Policy: &d.pol, Now: d.now, File: &f, Zone: china, DayEnds: ends, Share: d.share(who, f.Date), Prior: d.cleared[shareKey(who, f.Date)]}
		for _, l := range lines {
			if (l.MID == mid) == (who == mid) {
				c.Lines = append(c.Lines, l)
			}
		}
		for _, x := range d.opened {
			if x.MID == who && x.State == payment.ExceptionOpen {
				c.Open = append(c.Open, x)
			}
		}
		var err error
		if who == settlement.House {
			s, _, err = settlement.Unplaced(c)
		} else {
			c.Ours = d.ours(f.Date)
			s, _, err = settlement.Reconcile(c)
			if e := d.accounted(c, s); e != nil {
				return v, e
			}
		}
		if err != nil {
			return v, err
		}
		if err := show(s); err != nil {
			return v, err
		}
		if s == nil || !s.Recleared || who == settlement.House {
			continue
		}
		for _, o := range d.sold { // what this date's file cleared
			if o.cleared == f.Date {
				o.cleared = calendar.None
			}
		}
		for _, r := range s.Cleared {
			for _, o := range d.sold {
				if o.Payment == r.Payment && (r.Outcome == settlement.Matched || r.Outcome == settlement.Differs) {
					o.cleared = f.Date
				}
			}
		}
	}
	return v, show(day.Take(d.now, &f, china))
}

// accounted holds that where the captured transactions are all that the lines are
// about, nothing else that is there changes the step.
func (d *desk) accounted(c settlement.Clearing, want *settlement.Step) error {
	c.Ours = slices.DeleteFunc(slices.Clone(c.Ours), func(o settlement.Ours) bool { return o.Standing != settlement.Captured })
	if !c.Accounted() {
		return nil
	}
	got, _, err := settlement.Reconcile(c)
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("by what is captured alone the step is %+v, else %+v", got, want)
	}
	return err
}

func (d *desk) share(who string, date calendar.Date) settlement.Share {
	if s, ok := d.shares[shareKey(who, date)]; ok {
		return s
	}
	return settlement.Share{MID: who, Network: "UnionPay", Date: date, Currency: cny}
}

func (d *desk) ours(date calendar.Date) []settlement.Ours {
	var out []settlement.Ours
	for _, s := range d.sold {
		o := settlement.Ours{Payment: s.Payment, Kind: s.Kind, State: s.state, Amount: s.amount, Currency: cny, Time: s.Captured, Keys: s.Keys,
			Business: calendar.DateIn(s.Captured.Add(time.Hour-time.Second), china)}
		switch {
		case o.Business > date:
			continue
		case s.Effect == 0:
			o.Standing = settlement.OutOfState
		case s.cleared != calendar.None && s.cleared != date:
			o.Standing = settlement.ClearedBefore
		}
		out = append(out, o)
	}
	return out
}

func (d *desk) fund(date calendar.Date, f *settlement.Funding, see func(*settlement.Step)) error {
	shares := func(yield func(settlement.Share, error) bool) {
		for _, who := range []string{mid, settlement.House} {
			if s, ok := d.shares[shareKey(who, date)]; ok && !yield(s, nil) {
				return
			}
		}
	}
	day, ok := d.days[date]
	if !ok {
		day = settlement.Owed("UnionPay", date, cny)
	}
	for s, err := range settlement.Fund(d.now, day, f, shares, china) {
		if err != nil {
			return err
		}
		if err := d.commit(s); err != nil {
			return err
		}
		if see != nil {
			see(s)
		}
	}
	return nil
}

// freeze or activate: the merchant's state, and the settlement that follows it.
func (d *desk) state(st merchant.State, r merchant.Reason, see func(*settlement.Step)) error {
	c, err := d.m.ProposeStatus(d.now, "anne", st, r, "case 7", "ordered", &d.policy)
	if err != nil {
		return err
	}
	d.change(c)
	if c, err = d.m.Approve(d.now, "bert", d.m.Proposed, &d.policy, merchant.Trade{}); err != nil {
		return err
	}
	d.change(c)
	return d.follow(see)
}

func (d *desk) follow(see func(*settlement.Step)) error {
	var waiting []settlement.Payout
	for _, p := range d.payouts {
		waiting = append(waiting, p)
	}
	slices.SortFunc(waiting, func(a, b settlement.Payout) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	var hold *settlement.Hold
	if h, ok := d.holds[d.pos.Hold]; ok {
		hold = &h
	}
	s, err := settlement.Follow(&d.pol, d.now, &d.m, d.pos, calendar.DateIn(d.now, china), hold, waiting)
	if err != nil || s == nil {
		return err
	}
	if err := d.commit(s); err != nil {
		return err
	}
	if see != nil {
		see(s)
	}
	return nil
}

func (d *desk) balance(who string, n ledger.Name) int64 {
	if s := d.books.Standing(who); s != nil {
		return s.Balance(cny, n).On(n.Side())
	}
	return 0
}

// audit holds everything that is kept against everything else.
func (d *desk) audit() error {
	trial, err := d.books.Trial()
	if err != nil {
		return err
	}
	if err := trial.Balanced(); err != nil {
		return err
	}
	// F1: the position is the ledger's word.
	for _, a := range []struct {
		n    ledger.Name
		want int64
	}{{ledger.MerchantPayable, d.pos.Payable}, {ledger.MerchantHeld, d.pos.Held()}, {ledger.PayoutInTransit, d.pos.InTransit},
		{ledger.MerchantPaid, d.pos.Paid}, {ledger.FeeIncome, d.pos.Fees}} {
		if got := d.balance(mid, a.n); got != a.want {
			return fmt.Errorf("%s is %d in the ledger, %d in the position", a.n, got, a.want)
		}
	}
	// What is not settled is pending: Σ over the settlement = Σ over the ledger.
	pending, lines, fees := int64(0), int64(0), int64(0)
	for _, s := range d.sold {
		pending += s.Effect - d.done[s.Payment].Gross
	}
	if got := d.balance(mid, ledger.MerchantPending); got != pending {
		return fmt.Errorf("merchant_pending is %d, %d is not settled", got, pending)
	}
	perPayout, count := map[string]int64{}, map[string]int64{}
	for _, l := range d.lines {
		lines += l.Net
		fees += l.Fee
		perPayout[l.Payout] += l.Net
		count[l.Payout]++
	}
	// Payouts and transactions, one to one: each line has one payout, each payout
	// that replaces none is the sum of its lines.
	out := int64(0)
	resent := map[string]int64{}
	for _, p := range d.payouts {
		if p.Replaces == "" {
			out += p.Amount
			if perPayout[p.ID] != p.Amount || count[p.ID] != p.Lines {
				return fmt.Errorf("payout %s of %d has %d lines of %d", p.ID, p.Amount, count[p.ID], perPayout[p.ID])
			}
			continue
		}
		old, ok := d.payouts[p.Replaces]
		if !ok || old.State != settlement.Rejected && old.State != settlement.Returned {
			return fmt.Errorf("payout %s replaces %s, which did not come back", p.ID, p.Replaces)
		}
		resent[p.Replaces] += p.Amount
	}
	for id, n := range resent {
		if n > d.payouts[id].Amount || n != d.payouts[id].Resent {
			return fmt.Errorf("payout %s of %d was sent again with %d", id, d.payouts[id].Amount, n)
		}
	}
	if lines != out+d.pos.Open.Net || perPayout[d.pos.Open.ID] != d.pos.Open.Net {
		return fmt.Errorf("lines of %d against payouts of %d and %d open", lines, out, d.pos.Open.Net)
	}
	// Each order to pay left once.
	sent := map[string]int{}
	for _, o := range d.orders {
		if o.Kind == settlement.Pay {
			if sent[o.Payout.ID]++; sent[o.Payout.ID] > 1 {
				return fmt.Errorf("payout %s was sent twice", o.Payout.ID)
			}
		}
	}
	// F8: what the networks owe is what is not cleared, less what is too long.
	for date, day := range d.days {
		total := d.shares[shareKey(mid, date)].Cleared + d.shares[shareKey(settlement.House, date)].Cleared
		if day.State != settlement.Awaited && total != day.Total {
			return fmt.Errorf("day %s: shares of %d, the file's total is %d", date, total, day.Total)
		}
		if len(day.Entries) > 0 {
			if got := d.shares[shareKey(mid, date)].Funded + d.shares[shareKey(settlement.House, date)].Funded + day.House; got != day.Received {
				return fmt.Errorf("day %s: %d booked of %d received", date, got, day.Received)
			}
		}
	}
	return nil
}

func paymentEvidence(source, id string, t evidence.Type, line []byte) payment.Evidence {
	return payment.Evidence{Source: source, ID: id, Type: t, MID: mid, Line: line}
}
