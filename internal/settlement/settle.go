package settlement

import (
	"bytes"
	"iter"
	"slices"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/terms"
)

// Input is what a settlement run of one merchant, currency and day starts from.
type Input struct {
	Policy   *Policy
	Now      time.Time
	Merchant *merchant.Merchant
	// Calendars knows calendars by name, with the institution's own holidays.
	Calendars func(name string) (*calendar.Calendar, bool)
	Day       calendar.Date
	// Final is the day's last run: it declares the day's lines whole, and the day
	// takes no further run.
	Final    bool
	Position Position
	// Batch is the one that an interrupted run left open, nil where there is none.
	Batch *Batch
	// Extras wait for the next run, Reserves are not released yet.
	Extras   []Extra
	Reserves []Reserve
}

// errMoved is a stream of items that is not in order.
var errMoved = fault.Say("items do not come in order of payment", "交易未按标识顺序给出")

// Settle runs a merchant's settlement. It gives steps one after the other; each
// has to be durable before the next is asked for, and must not be kept: its room
// is used again. Items come in order of payment and are held one by one, so the
// memory that a run needs does not depend on how many there are.
//
// The last step closes the batch and holds the payout, or the batch says why
// there is none. A run that was interrupted is run again with the position and
// the open batch on record and goes on behind the last durable step. A day whose
// last run is done gives no steps. Where nothing happened, no step is given, but
// for a last run, which declares that.
//
// Errors: fault.Conflict for a day before the latest settled one, or while the run
// of another day is interrupted; fault.Invalid
// for a T cycle on a day that is no business day, fault.NotFound without terms;
// an error of the stream is given as it is.
func Settle(in Input, items iter.Seq2[Item, error]) iter.Seq2[*Step, error] {
	return func(yield func(*Step, error) bool) {
		r, err := newRun(&in)
		if err != nil {
			yield(nil, err)
			return
		}
		if r == nil {
			return
		}
		last := payment.ID{}
		for it, err := range items {
			if err == nil && bytes.Compare(it.Payment[:], last[:]) <= 0 {
				err = fault.New(fault.Internal, fault.Say("settle", "结算"), in.Merchant.MID, errMoved, "")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			last = it.Payment
			if bytes.Compare(it.Payment[:], r.batch.Cursor[:]) <= 0 {
				continue // an earlier step of this batch has looked at it
			}
			r.take(&it)
			if len(r.step.Lines) >= in.Policy.Chunk && !r.flush(yield) {
				return
			}
		}
		for i := range in.Extras {
			if err := r.extra(&in.Extras[i]); err != nil {
				yield(nil, err)
				return
			}
			if len(r.step.Lines) >= in.Policy.Chunk && !r.flush(yield) {
				return
			}
		}
		if r.close() {
			r.check(yield)
		}
	}
}

// agreement is one set of terms, compiled.
type agreement struct {
	*merchant.Terms
	computed *terms.Terms
}

// run is a settlement on its way.
type run struct {
	in         *Input
	agreements []agreement
	now        agreement // in force on the day
	before     Position  // as on record
	pos        Position
	batch      Batch
	step       *Step
	buf        []byte // the step's facts
	source     string // of the lines' facts
	// The sums of the step's lines.
	adds, takes, fee int64
	// due of the latest terms and business date that were asked for: a day has
	// thousands of items with the same answer.
	due struct {
		terms *terms.Terms
		date  calendar.Date
		day   calendar.Date
	}
}

// newRun prepares a run; nil where the day's last one is done.
func newRun(in *Input) (*run, error) {
	m, op := in.Merchant, fault.Say("settle", "结算")
	subject := m.MID + " " + in.Day.String()
	r := &run{in: in, before: in.Position, pos: in.Position, source: "settlement/" + m.MID}
	if r.pos.MID != m.MID {
		return nil, fault.New(fault.Internal, op, subject, fault.Say("the position is of another merchant", "余额记录属于其他商户"), "")
	}
	for i := range m.Terms {
		t, err := m.Agreed(&m.Terms[i], in.Calendars)
		if err != nil {
			return nil, err
		}
		r.agreements = append(r.agreements, agreement{&m.Terms[i], t})
	}
	if len(r.agreements) == 0 {
		return nil, fault.New(fault.NotFound, op, subject, fault.Say("the merchant has no terms", "商户没有结算条款"),
			fault.Say("agree on terms and have them approved", "请约定条款并经复核"))
	}
	r.now = r.agreements[0]
	for _, a := range r.agreements {
		if a.ValidFrom <= in.Day {
			r.now = a
		}
	}
	switch {
	case r.pos.Closed >= in.Day:
		return nil, nil
	case r.pos.Day > in.Day:
		return nil, fault.New(fault.Conflict, op, subject, fault.Say("%s is settled already", "%s 已结算", r.pos.Day.String()),
			fault.Say("days are settled in their order; what was late goes into the next run", "按日期顺序结算, 迟到的交易进入下一次结算"))
	case in.Batch != nil && (in.Batch.Day != in.Day || in.Batch.Currency != r.pos.Currency || in.Batch.State != Settling):
		return nil, fault.New(fault.Conflict, op, subject, fault.Say("the run of %s was interrupted", "%s 的结算曾中断", in.Batch.Day.String()),
			fault.Say("run that day again first: it goes on where it ended", "请先重新执行该日结算, 会从中断处继续"))
	case !r.now.computed.CalendarDays && !r.now.computed.Calendar.IsBusinessDay(in.Day):
		return nil, fault.New(fault.Invalid, op, subject, fault.Say("not a business day of calendar %s", "不是日历 %s 的工作日", r.now.Calendar),
			fault.Say("the next one is %s", "下一个工作日为 %s", r.now.computed.Calendar.NextOnOrAfter(in.Day).String()))
	}
	if in.Batch != nil {
		r.batch = *in.Batch
	} else {
		if r.pos.Day != in.Day {
			r.pos.Day, r.pos.Seq, r.pos.Lines, r.pos.Total = in.Day, 0, 0, 0
		}
		r.pos.Seq++
		r.batch = Batch{ID: BatchID(m.MID, r.pos.Currency, in.Day, r.pos.Seq), MID: m.MID, Currency: r.pos.Currency, Day: in.Day, Seq: r.pos.Seq, Opened: in.Now}
	}
	r.batch.Final = in.Final
	r.begin()
	return r, nil
}

func (r *run) begin() {
	if r.step == nil {
		r.step = &Step{}
	}
	lines := r.step.Lines[:0]
	r.step.Step.Reset()
	*r.step = Step{Step: r.step.Step, Positions: r.step.Positions[:0], Batches: r.step.Batches[:0], Lines: lines}
	r.step.MID, r.step.At = r.in.Merchant.MID, r.in.Now
	r.adds, r.takes, r.fee = 0, 0, 0
}

// termsOf gives the terms under which something captured then was sold; nil
// before the first.
func (r *run) termsOf(captured time.Time) *terms.Terms {
	at := evidence.InstantOf(captured)
	for i := len(r.agreements) - 1; i >= 0; i-- {
		if t := r.agreements[i].computed; t.ValidFrom <= t.BusinessDate(at) {
			return t
		}
	}
	return nil
}

// dueDay is the day on which something captured then is to be settled.
func (r *run) dueDay(t *terms.Terms, captured time.Time) (business, day calendar.Date) {
	at := evidence.InstantOf(captured)
	business = t.BusinessDate(at)
	if t.Days == 0 {
		return business, t.Due(at, at, business, false).Day
	}
	if r.due.terms != t || r.due.date != business {
		r.due.terms, r.due.date, r.due.day = t, business, t.Due(at, at, business, false).Day
	}
	return business, r.due.day
}

// take looks at one item and makes its line where it is due.
func (r *run) take(it *Item) {
	r.batch.Cursor = it.Payment
	delta := it.Effect - it.Done.Gross
	if delta == 0 {
		return
	}
	if it.Currency != r.pos.Currency {
		r.except(it, "settlement_currency", "its currency is not that of this settlement")
		return
	}
	captured := it.Captured
	t := r.termsOf(captured)
	if t != nil && t.TerminalCapture {
		if it.Uploaded.IsZero() {
			r.batch.Waiting++
			return
		}
		captured = it.Uploaded
		t = r.termsOf(captured)
	}
	switch {
	case t == nil:
		r.except(it, "settlement_without_terms", "it was captured before the merchant's first terms")
		return
	case it.Held && it.Done.Gross == 0:
		r.batch.Held++
		r.batch.HeldAmount += it.Effect
		return
	case it.Reversing:
		r.batch.Waiting++
		return
	}
	business, day := r.dueDay(t, captured)
	l := Line{MID: r.batch.MID, Payment: it.Payment, Turn: it.Done.Turns + 1, Kind: it.Kind, Currency: r.pos.Currency, Business: business,
		Time: it.Captured, Keys: it.Keys}
	switch {
	case it.Done.Gross == 0 && day > r.in.Day:
		r.batch.Waiting++
		return
	case it.Done.Gross == 0 && it.Effect > 0:
		fee, _ := t.Fee(it.Effect, it.CardType, it.Network)
		l.Gross = it.Effect
		if t.FeeMode == terms.FeeNet {
			l.Fee = fee
		} else {
			l.Invoiced = fee
		}
		l.Net = l.Gross - l.Fee
	case it.Done.Gross == 0: // a refund; its sale's fee is not given back
		l.Gross, l.Net = -it.Effect, it.Effect
	case it.Effect != 0:
		r.except(it, "settlement_amount_changed", "its amount is not the one that was settled")
		return
	case it.Done.Gross > 0: // undone after it was settled: as if it had not been
		l.Kind, l.Gross, l.Fee = evidence.Void, it.Done.Gross, -it.Done.Fee
		l.Net = -l.Gross - l.Fee
		if t.FeeMode == terms.FeeInvoiced {
			fee, _ := t.Fee(it.Done.Gross, it.CardType, it.Network)
			l.Invoiced = -fee
		}
		l.OriginalRRN, l.OriginalSTAN, l.RRN, l.STAN = it.RRN, it.STAN, "", ""
	default: // a refund that was undone
		l.Kind, l.Gross, l.Net = evidence.Adjustment, -it.Done.Gross, -it.Done.Gross
	}
	r.add(l)
	if delta > 0 {
		r.adds += delta
		r.batch.Sales += delta
	} else {
		r.takes -= delta
		r.batch.Back -= delta
	}
	r.fee += l.Fee
	r.batch.Fee += l.Fee
	r.batch.Invoiced += l.Invoiced
}

// add puts a line into the step, the batch and the open payout.
func (r *run) add(l Line) {
	if r.pos.Open.ID == "" {
		r.pos.Open = Open{ID: PayoutID(r.batch.MID, r.pos.Currency, r.in.Day, r.batch.Seq), Day: r.in.Day}
	}
	r.batch.Lines++
	r.batch.Net += l.Net
	r.pos.Lines++
	r.pos.Total += l.Net
	r.pos.Payable += l.Net
	r.pos.Open.Net += l.Net
	r.pos.Open.Lines++
	l.Batch, l.Seq, l.Date, l.At, l.Payout = r.batch.ID, r.batch.Lines, r.in.Day, r.in.Now, r.pos.Open.ID
	r.batch.Payout = l.Payout
	r.step.Lines = append(r.step.Lines, l)
}

// extra settles a line of no sale.
func (r *run) extra(x *Extra) error {
	if x.Batch != "" || x.Net == 0 || x.Currency != r.pos.Currency {
		return nil
	}
	if err := x.check(); err != nil {
		return err
	}
	l := Line{MID: r.batch.MID, Extra: x.ID, Kind: x.Kind, Gross: abs(x.Net), Net: x.Net, Currency: r.pos.Currency, Business: calendar.None, Keys: x.Keys}
	r.add(l)
	r.batch.Extra += l.Net
	r.step.move(r.pos.Currency, r.in.Day, x.Against, ledger.MerchantPayable, x.Net, "extra/"+x.ID, x.Kind.String())
	switch x.Against {
	case ledger.MerchantHeld:
		r.pos.Retained -= x.Net
	case ledger.FeeIncome:
		r.pos.Fees -= x.Net
	}
	done := *x
	done.Batch = r.batch.ID
	r.step.Extras = append(r.step.Extras, done)
	return nil
}

// post writes the transfers and facts of the step's lines, and its rows.
func (r *run) post() {
	s := r.step
	key := func(word string) string {
		return "batch/" + r.batch.ID + "/" + strconv.Itoa(r.batch.Chunks) + "/" + word
	}
	rest := slices.Clone(s.Transfers) // what follows from the lines comes behind them
	s.Transfers = s.Transfers[:0]
	s.move(r.pos.Currency, r.in.Day, ledger.MerchantPending, ledger.MerchantPayable, r.adds, key("settle"), reasonSettle)
	s.move(r.pos.Currency, r.in.Day, ledger.MerchantPayable, ledger.MerchantPending, r.takes, key("back"), reasonUnsettle)
	s.move(r.pos.Currency, r.in.Day, ledger.MerchantPayable, ledger.FeeIncome, r.fee, key("fee"), reasonFee)
	s.Transfers = append(s.Transfers, rest...)
	r.pos.Fees += r.fee
	f := s.facts(r.now.computed.Zone)
	f.Buffer = r.buf[:0]
	for i := range s.Lines {
		f.line(&s.Lines[i], r.source)
	}
	r.buf = f.Buffer
	r.batch.Chunks++
	r.batch.Version++
	r.pos.Version = r.before.Version + 1
	s.Batches = append(s.Batches, r.batch)
	s.Positions = append(s.Positions, r.pos)
}

// flush gives a step that is full and begins the next.
func (r *run) flush(yield func(*Step, error) bool) bool {
	r.post()
	if !r.check(yield) {
		return false
	}
	r.before = r.pos
	r.begin()
	return true
}

func (r *run) check(yield func(*Step, error) bool) bool {
	if err := Check(&r.before, r.step); err != nil {
		yield(nil, err)
		return false
	}
	return yield(r.step, nil)
}

// close decides on reserves and the payout; false where nothing happened.
func (r *run) close() bool {
	s, day := r.step, r.in.Day
	cal := r.now.computed.Calendar
	for i := range r.in.Reserves {
		v := r.in.Reserves[i]
		if v.Released != "" || v.Release > day || v.Currency != r.pos.Currency {
			continue
		}
		r.add(Line{MID: r.batch.MID, Extra: v.Batch, Kind: evidence.ReserveRelease, Gross: v.Amount, Net: v.Amount, Currency: r.pos.Currency, Business: calendar.None})
		r.batch.Extra += v.Amount
		r.pos.Reserved -= v.Amount
		s.move(r.pos.Currency, day, ledger.MerchantHeld, ledger.MerchantPayable, v.Amount, "reserve/"+v.Batch+"/release", evidence.ReserveRelease.String())
		v.Released = r.batch.ID
		s.Reserves = append(s.Reserves, v)
	}
	if res := r.now.Reserve; res.Rate > 0 {
		// A share of the sales, but never more than there is to pay.
		if amount := min(res.Rate.Of(r.batch.Sales), r.pos.Open.Net); amount > 0 {
			r.add(Line{MID: r.batch.MID, Extra: r.batch.ID, Kind: evidence.Reserve, Gross: amount, Net: -amount, Currency: r.pos.Currency, Business: calendar.None})
			r.batch.Extra -= amount
			r.pos.Reserved += amount
			s.move(r.pos.Currency, day, ledger.MerchantPayable, ledger.MerchantHeld, amount, "reserve/"+r.batch.ID, evidence.Reserve.String())
			s.Reserves = append(s.Reserves, Reserve{Batch: r.batch.ID, MID: r.batch.MID, Currency: r.pos.Currency, Amount: amount, Taken: day,
				Release: cal.NextOnOrAfter(day.Add(res.Days))})
		}
	}
	account, why := r.payable()
	if r.batch.Lines == 0 && r.batch.Chunks == 0 && why != PaidOut && !r.in.Final && len(s.Exceptions) == 0 {
		return false
	}
	r.batch.State, r.batch.Closed, r.batch.Why = Settled, r.in.Now, why
	if r.batch.Payout == "" {
		r.batch.Payout = r.pos.Open.ID
	}
	if r.in.Final {
		r.pos.Closed = day
	}
	// What a frozen merchant has earned is held from the first minute.
	if r.stopped() {
		r.hold()
	}
	var created *Payout
	if why == PaidOut {
		o := r.pos.Open
		created = &Payout{ID: o.ID, MID: r.batch.MID, Currency: r.pos.Currency, Amount: o.Net, Day: day, Lines: o.Lines, Account: account,
			State: Created, Version: 1, Made: r.in.Now}
		s.move(r.pos.Currency, day, ledger.MerchantPayable, ledger.PayoutInTransit, created.Amount, "payout/"+created.ID, reasonPayout)
		r.pos.Payable -= created.Amount
		r.pos.InTransit += created.Amount
		r.pos.Open = Open{Day: calendar.None}
	}
	r.post()
	f := s.facts(r.now.computed.Zone)
	if r.in.Final {
		f.file(&r.pos, s.At)
		if reason := r.refused(why); reason != "" {
			f.kept(&r.batch, r.pos.Open.Net, s.At, reason)
		}
	}
	if created != nil {
		f.payout(created, evidence.Created, s.At, "platform", "")
		s.Payouts = append(s.Payouts, *created)
	}
	return true
}

// refused is the ISO 20022 reason for which a bank refused the account, where that
// is why nothing can be paid out; "" otherwise.
func (r *run) refused(why WhyNot) string {
	if _, obstacle := r.in.Merchant.PayoutAccount(r.in.Now); why == PaidOut || why != WhyNot(obstacle) {
		return ""
	}
	for i := len(r.in.Merchant.Accounts) - 1; i >= 0; i-- {
		if a := &r.in.Merchant.Accounts[i]; a.Blocked != "" {
			return a.Blocked
		}
	}
	return ""
}

func (r *run) stopped() bool {
	return r.in.Merchant.Status.State != merchant.Active || r.pos.Hold != ""
}

// payable decides whether the open payout can be created, in the order in which
// a person would ask.
func (r *run) payable() (merchant.Account, WhyNot) {
	switch {
	case r.in.Merchant.Status.State == merchant.Suspended:
		return merchant.Account{}, MerchantSuspend
	case r.stopped():
		return merchant.Account{}, MerchantFrozen
	case r.pos.Open.Net < 0:
		return merchant.Account{}, NegativeBalance
	case r.pos.Open.Net == 0:
		return merchant.Account{}, NothingToPay
	}
	account, obstacle := r.in.Merchant.PayoutAccount(r.in.Now)
	switch {
	case obstacle != merchant.NoObstacle:
		return account, WhyNot(obstacle)
	case r.pos.Open.Net < r.now.computed.MinimumPayout:
		return account, BelowMinimum
	}
	return account, PaidOut
}

// hold keeps back what a frozen merchant has, and opens the hold where its
// freezing was not followed yet.
func (r *run) hold() {
	if r.pos.Hold == "" {
		h := holdOf(r.in.Merchant, r.pos.Currency)
		r.pos.Hold = h.ID
		r.step.Holds = append(r.step.Holds, h)
	}
	r.step.freeze(&r.pos, r.in.Day, r.before.Version+1)
}

// except opens an exception about an item that cannot be settled; it waits.
func (r *run) except(it *Item, kind, why string) {
	r.batch.Waiting++
	r.step.Exceptions = append(r.step.Exceptions, payment.Exception{ID: ledger.IDFor(it.Payment, kind), MID: r.batch.MID, Payment: it.Payment, Kind: kind,
		Owner: "platform", Amount: abs(it.Effect), Currency: it.Currency, Opened: it.Captured, Detail: why})
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// sum adds amounts that are each bounded; an overflow is an error in the program.
func sum(a, b int64) int64 {
	v, ok := money.Add(a, b)
	if !ok {
		panic("settlement: a sum past 63 bits")
	}
	return v
}
