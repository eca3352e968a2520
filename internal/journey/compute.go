package journey

import (
	"math/bits"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

const (
	// A preauthorization meant as a sale should have been completed a day after.
	saleMeantWithin = 24 * time.Hour
	// A sale is authorized within this time after its tender.
	answerWithin = 60 * time.Second
	// A reversal queued for longer says nothing of the outcome any more.
	reversalPatience = 24 * time.Hour
)

// Compute works out where a payment's money is. j is overwritten, so that one
// Journey serves for many payments.
func (c *Context) Compute(m *match.Merchant, p *match.Payment, j *Journey) {
	*j = Journey{Payment: p, Merchant: m, Time: p.Time, Offset: p.Offset, AsOf: c.AsOf, Swipe: Swipe{}}
	c.readSwipe(j)
	c.readBatch(j)
	c.amounts(j)
	c.dates(j)
	c.acts(j)
	c.net(j)
	c.payout(j)
	c.order(j)
	c.stage(j)
	c.status(j)
	c.cardholder(j)
	j.Missing = max(j.Net-j.Arrived, 0)
}

// readBatch finds the upload that captured the payment, where batches capture.
func (c *Context) readBatch(j *Journey) {
	captured := j.Swipe.ApprovedAt
	if captured == 0 {
		captured = j.Time
	}
	j.Terms = c.Book.At(j.Keys.MID, captured, j.Offset)
	if !j.needsUpload() || j.Keys.Batch == 0 || !j.inBatch() {
		return
	}
	for _, r := range c.Batch(j.Keys.MID, j.Keys.TID, j.Keys.Batch) {
		if f := c.View.At(r); f.Time >= j.Time && f.State == evidence.Uploaded {
			j.BatchFact, j.CapturedAt = r, f.Time
			return
		}
	}
}

// needsUpload reports whether the payment is captured only when its batch is
// uploaded: by the terms, and offline approvals always.
func (j *Journey) needsUpload() bool {
	return j.Terms.TerminalCapture || j.Swipe.OfflineApproved && j.Swipe.Response == 0
}

// inBatch reports whether the terminal's batch holds the payment: the terminal
// saw it approved, or nobody has its journal.
func (j *Journey) inBatch() bool {
	s := &j.Swipe
	return s.ApprovedAt != 0 && (s.Terminal == 0 || s.Result == evidence.Approved || s.Result == evidence.OfflineApproved || s.Result == evidence.NoResult)
}

// amounts finds the approved amount and the presented ones, and whether they
// agree.
func (c *Context) amounts(j *Journey) {
	v := c.View
	var asked, approved, terminal, cleared, settled int64 = -1, -1, -1, -1, -1
	var approvedFact, terminalFact evidence.FactRef
	for _, r := range j.Merchant.Facts(j.Payment) {
		f := v.At(r)
		amount, ok := f.Amount()
		if f.Type == evidence.GatewayResponse && evidence.IsApproval(f.Code) {
			if part, said := v.Num(r, evidence.ApprovedAmount); said {
				approved, approvedFact = part, r
			}
		}
		if !ok {
			continue
		}
		if j.Currency == (money.Currency{}) && f.Type != evidence.SaleOrder {
			j.Currency = f.Currency
		}
		switch f.Type {
		case evidence.TerminalTransaction:
			terminal, terminalFact = amount, r
		case evidence.GatewayRequest, evidence.GatewayTimeout, evidence.GatewayError, evidence.GatewayReversal:
			asked = amount
			if terminalFact == 0 {
				terminalFact = r
			}
		case evidence.GatewayResponse:
			if approved < 0 {
				approved, approvedFact = amount, r
			}
		case evidence.ClearingLine:
			if cleared < 0 {
				cleared = amount
			}
		case evidence.SettlementLine:
			if r == j.SettlementLine {
				settled = amount
			}
		}
	}
	if asked < 0 {
		asked = terminal
	}
	switch {
	case approved >= 0:
		j.Amount = approved
	case asked >= 0:
		j.Amount = asked
	case cleared >= 0:
		j.Amount = cleared
	case settled >= 0:
		j.Amount = settled
	}
	swiped := approved >= 0 || asked >= 0
	partial := approvedFact != 0 && j.Swipe.Code == evidence.Code{'1', '0'}
	presented := settled
	if cleared >= 0 {
		presented = cleared
	}
	line := func(amount int64) bool { return amount < 0 || amount == j.Amount }
	switch {
	case swiped && presented >= 0 && presented > j.Amount && j.Kind != evidence.Preauth &&
		presented-j.Amount <= j.Amount/5 && (cleared < 0 || settled < 0 || cleared == settled):
		// A tip added after the approval.
		j.Amount = presented
	case j.Kind == evidence.Preauth || j.Kind == evidence.Completion:
	case !line(cleared):
		j.AmountMismatch = j.ClearingLine
	case !line(settled):
		j.AmountMismatch = j.SettlementLine
	case terminal >= 0 && swiped && terminal != j.Amount && !partial:
		j.AmountMismatch = terminalFact
	case approved >= 0 && asked >= 0 && approved != asked && !partial:
		j.AmountMismatch = approvedFact
	}
}

// dates finds the business date and the due times.
func (c *Context) dates(j *Journey) {
	captured := j.captureTime()
	if approved := j.Swipe.ApprovedAt; captured != approved || approved == 0 { // else readBatch has them
		j.Terms = c.Book.At(j.Keys.MID, captured, j.Offset)
	}
	j.BusinessDate = j.Terms.BusinessDate(captured)
	open := j.needsUpload() && j.BatchFact == 0
	j.Legs = j.Terms.Due(j.Swipe.Tendered, captured, j.BusinessDate, open)
	if j.Swipe.ApprovedAt == 0 {
		// Nothing bounds the time in which an answer is to come.
		j.Legs.Authorization = max(j.Legs.Authorization, j.Swipe.Tendered.Add(answerWithin))
	}
	j.Due, j.CreditDay = j.Legs.Credit, j.Legs.CreditDay
}

// captureTime is when the payment was captured, or approved where it is not.
func (j *Journey) captureTime() evidence.Instant {
	switch {
	case j.CapturedAt != 0:
		return j.CapturedAt
	case j.Swipe.ApprovedAt != 0:
		return j.Swipe.ApprovedAt
	default:
		return j.Time
	}
}

// acts applies voids, refunds, completions and chargebacks.
func (c *Context) acts(j *Journey) {
	m := j.Merchant
	acts := m.Acts(j.Payment)
	completed := false
	var voidAt evidence.Instant
	voided := false
	var given int64
	allSettled := true
	j.Refunds = j.refunds[:0]
	for i := range acts {
		a := &acts[i]
		o := c.readAct(m, a)
		switch a.Kind {
		case evidence.Completion:
			if !o.accepted {
				continue
			}
			completed = true
			j.Swipe.approvedBy(o.at)
			if o.hasAmount {
				j.Amount = o.amount
			}
			if !j.needsUpload() || j.BatchFact == 0 {
				j.CapturedAt = o.at
			}
			for _, r := range m.ActFacts(a) {
				f := c.View.At(r)
				switch f.Type {
				case evidence.ClearingLine:
					if j.ClearingLine == 0 {
						j.ClearingLine, j.ClearedAt = r, f.Time
					}
				case evidence.SettlementLine:
					if j.SettlementLine == 0 {
						j.SettlementLine, j.SettledAt = r, f.Time
					}
				}
			}
			c.dates(j)
		case evidence.Void:
			if o.accepted {
				voided, voidAt = true, o.at
				given += o.given
				if o.cleared == 0 && o.settled == 0 && j.ClearingLine != 0 && (j.ClearedAt == 0 || j.ClearedAt < o.at) {
					allSettled = false
				}
			}
		case evidence.Refund:
			if o.accepted {
				amount := o.amount
				if !o.hasAmount {
					amount = j.Amount
				}
				j.Refunds = append(j.Refunds, Refund{amount, o.at})
				j.Refunded += amount
				given += o.given
				if o.settled == 0 && (o.cleared == 0 || c.Speaks(j.Keys.MID, Settlement)) {
					allSettled = false
				}
			}
		case evidence.Chargeback:
			for _, r := range m.ActFacts(a) {
				f := c.View.At(r)
				if f.Type == evidence.SettlementLine {
					j.Deductions.Chargeback += -match.LineNet(f)
					j.Deductions.Facts = append(j.Deductions.Facts, r)
				}
			}
		}
	}
	if completed {
		for _, r := range []evidence.FactRef{j.ClearingLine, j.SettlementLine} {
			if r == 0 {
				continue
			}
			if amount, ok := c.View.At(r).Amount(); ok && amount != j.Amount {
				j.AmountMismatch = r
				break
			}
		}
	}
	if j.Kind == evidence.Preauth && !completed && j.ClearingLine == 0 && j.SettlementLine == 0 {
		j.OpenPreauth = true
	}
	switch {
	case voided:
		j.Refunded = j.Amount
		j.Status = Refunded
		j.Cardholder = CardRefunded
		if !allSettled {
			j.Cardholder = Refunding
		}
		if len(j.Refunds) == 0 {
			j.Refunds = append(j.Refunds, Refund{j.Amount, voidAt})
		}
	case j.Refunded >= j.Amount && j.Refunded > 0:
		j.Refunded = j.Amount
		j.Status = Refunded
		j.Cardholder = CardRefunded
		if !allSettled {
			j.Cardholder = Refunding
		}
	}
	if j.Status == Refunded && j.SettlementLine != 0 {
		if kept := -(match.LineNet(c.View.At(j.SettlementLine)) + given); kept > 0 && given != 0 {
			j.FeeKept = kept
		}
	}
}

// net works out the fee and what the merchant is to get.
func (c *Context) net(j *Journey) {
	v := c.View
	apart := int64(0) // fees taken by lines of their own
	agreed, known := j.Terms.Fee(j.Amount, j.Keys.CardType, v.Words.Text(j.Keys.Network))
	if r := j.SettlementLine; r != 0 {
		f := v.At(r)
		gross, _ := f.Amount()
		if fee, ok := f.Fee(); ok {
			j.FeeCharged, j.TookFee = fee, true
		} else if n, ok := f.Net(); ok && c.oneCurrency(r, f) {
			j.FeeCharged, j.TookFee = gross-n, true
		}
	}
	for _, r := range j.Merchant.Facts(j.Payment) {
		f := v.At(r)
		if f.Type != evidence.SettlementLine {
			continue
		}
		switch f.Kind {
		case evidence.FeeKind:
			j.FeeCharged += -match.LineNet(f)
			j.TookFee = true
			apart += -match.LineNet(f)
			j.Deductions.Facts = append(j.Deductions.Facts, r)
		case evidence.Reserve, evidence.ReserveRelease:
			j.Deductions.Reserve += -match.LineNet(f)
			j.Deductions.Facts = append(j.Deductions.Facts, r)
		case evidence.Adjustment:
			j.Deductions.Adjustment += -match.LineNet(f)
			j.Deductions.Facts = append(j.Deductions.Facts, r)
		}
	}
	j.Deductions.Reserve = max(j.Deductions.Reserve, 0)
	j.Deductions.Adjustment = max(j.Deductions.Adjustment, 0)
	j.Deductions.Chargeback = max(j.Deductions.Chargeback, 0)
	j.HasFee = known || j.TookFee
	j.Fee = agreed
	if !known {
		j.Fee = j.FeeCharged
	}
	taken := j.Fee // what is expected to be missing from the payout
	if known && j.Terms.FeeMode == terms.FeeInvoiced {
		taken = 0
	}
	if known && j.TookFee && j.AmountMismatch == 0 {
		switch over := j.FeeCharged - taken; {
		case over > 1:
			j.Deductions.ExcessFee = over
		case over != 0:
			taken = j.FeeCharged // rounding, or less than agreed: the net is what came
		}
	}
	j.Net = max(j.Amount-taken-j.Refunded, 0)
	j.apart = apart + j.Deductions.Reserve + j.Deductions.Adjustment + j.Deductions.Chargeback + j.Refunded
	j.Missing = j.Net
}

// oneCurrency reports whether a line's net is in the currency of its gross.
func (c *Context) oneCurrency(r evidence.FactRef, f *evidence.Fact) bool {
	other := c.View.Text(r, evidence.NetCurrency)
	return other == "" || other == f.Currency.String()
}

// payout finds the payout that carries the payment, or what was sent again in
// its place, and what booked entries prove of the payment's net.
func (c *Context) payout(j *Journey) {
	if j.SettlementLine == 0 {
		if e := c.direct[directKey{j.Keys.MID, j.BusinessDate, j.Currency}]; e != nil && j.countsDirectly() {
			j.Arrived = max(j.Net-j.Deductions.Total(), 0)
			j.Entry, j.CreditedAt = e.Fact, c.View.At(e.Fact).Time
		}
		return
	}
	f := c.View.At(j.SettlementLine)
	p := c.Match.PayoutOf(j.Merchant, j.SettlementLine)
	if p == nil {
		return
	}
	j.Payout = p.Current()
	entries, proved := p.Proof()
	if len(entries) == 0 {
		return
	}
	j.Entry, j.CreditedAt = entries[len(entries)-1].Fact, c.View.At(entries[0].Fact).Time
	part := match.LineNet(f)
	if !c.oneCurrency(j.SettlementLine, f) {
		part = j.Net
	}
	if whole := max(p.Amount, p.Net); proved < whole && part > 0 {
		part = shareOf(part, max(proved, 0), whole)
	}
	// The sale's own line is whole; what other lines take comes off it.
	j.Arrived = min(max(part-j.apart, 0), j.Net)
}

// shareOf gives a payment's part of a payout that was proved in part, rounded
// down: no sale is whole of which anything may be missing, and what arrived is
// never more than what came. All are minor units, none negative, proved below
// whole.
func shareOf(part, proved, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(part), uint64(proved))
	if hi >= uint64(whole) {
		return part
	}
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(min(q, uint64(part)))
}

// countsDirectly reports whether a payment is part of what a bank entry proves
// where no payout or settlement facts exist.
func (j *Journey) countsDirectly() bool {
	return j.Swipe.Outcome == WasApproved && !j.OpenPreauth && j.Status != Refunded
}
