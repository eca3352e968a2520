package world

import (
	"time"

	"daozhang/internal/calendar"
)

// payment is one sale or preauthorization with all that was stated about it.
type payment struct {
	m  *merchant
	t  *terminal
	is *issuer
	nw *network

	kind           string // sale or preauth
	actRRN         string // of the completion
	amount, billed int64  // the approved amount; what the order says
	tender         int64
	stan, batchNo  string
	rrn, auth      string
	order          string
	pan            string
	ref            string // a wallet's own number
	credit         bool
	entry          string
	hasTerm        bool // the terminal wrote its journal

	orderRef, term, req, resp, tmo, gerr ref
	revQueued, revAcked, revAbandoned    ref
	result, code                         string
	open                                 bool // the code leaves the outcome open
	approved, offline                    bool
	noRequest                            bool
	also                                 []*trouble // other faults in force at the attempt
	why                                  *trouble   // of the authorization
	ignored                              ref        // a query that was not made

	captured int64 // when; 0 not yet
	capRef   ref   // what shows it: the response, the upload, the completion
	inBatch  *batch
	clr, stl ref
	payout   *payout
	short    *trouble // what the deduction is
	taken    int64
	tookAt   ref
	troubles []*trouble

	second                  bool     // the same sale presented again
	twice                   *trouble // why it is
	heldUntil               int64
	clearAfter, settleAfter int64
	lacking                 *trouble // the file that lacked it
	pending                 int      // lines that are still to come
	refunded                int64    // in part
	refundRef               ref
	after                   bool // the deduction came after it had arrived

	undo               string // void or refund, of all of it
	undone, undoneBack ref
	undoAt             int64
	wrong              ref // a sale was meant (of a preauthorization), or the void was a mistake
	wrongAt            int64

	arrival  int64
	doneAt   int64 // from then on the truth does not change; 0 not yet
	verdicts []kept
}

// businessDate is the date of the capture, or while not captured of the
// approval, in the merchant's zone; later than the cut-off, the next date.
func (m *merchant) businessDate(t int64) calendar.Date {
	d, min := m.local(t)
	if min > m.cutoff*60 {
		d = d.Add(1)
	}
	return d
}

// local gives date and second of the day.
func (m *merchant) local(t int64) (calendar.Date, int) { return localIn(t, m.reg.zone) }

func localIn(t int64, zone *time.Location) (calendar.Date, int) {
	at := time.Unix(t, 0).In(zone)
	h, min, sec := at.Clock()
	return calendar.DateIn(at, zone), h*3600 + min*60 + sec
}

// date is the day in the merchant's zone.
func (m *merchant) date(t int64) calendar.Date {
	d, _ := m.local(t)
	return d
}

// clockAt is a time of day on a date.
func clockAt(d calendar.Date, minutes int, zone *time.Location) int64 {
	y, m, day := d.YMD()
	return time.Date(y, time.Month(m), day, 0, minutes, 0, 0, zone).Unix()
}

// due holds when each leg of a payment's way is due.
type due struct {
	date                                   calendar.Date // business date
	day                                    calendar.Date // of the payout
	creditDay                              calendar.Date
	captured, cleared, settled, paid, cred int64
	instant                                bool // T0 or D0 in time
}

// dueFrom gives the due times of what was captured (or, not yet, approved) at t.
func (m *merchant) dueFrom(t int64) due {
	var d due
	d.date = m.businessDate(t)
	own, _ := m.local(t)
	switch {
	case m.days == 0 && d.date == own && (m.calDays || m.reg.cal.IsBusinessDay(own)):
		d.instant, d.day = true, own
		d.paid = t + int64(m.t0)*60
	case m.days == 0 && m.calDays:
		d.day = own.Add(1)
	case m.days == 0:
		d.day = m.reg.cal.AddBusinessDays(own, 1)
	case m.calDays:
		d.day = d.date.Add(m.days)
	default:
		d.day = m.reg.cal.AddBusinessDays(d.date, m.days)
	}
	if !d.instant {
		d.paid = clockAt(d.day, m.payoutBy, m.reg.zone)
	}
	d.creditDay = m.reg.cal.AddBusinessDays(d.day, m.creditDays)
	d.cred = clockAt(d.creditDay.Add(1), 0, m.reg.zone) - 1
	d.paid = min(d.paid, d.cred)
	d.settled = d.paid
	d.cleared = min(clockAt(m.reg.cal.AddBusinessDays(d.date, 1), 12*60, m.reg.zone), d.settled)
	d.captured = t
	return d
}
