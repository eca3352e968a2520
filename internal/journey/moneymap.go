package journey

import (
	"bytes"
	"cmp"
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Row is the money map of one merchant, currency and business date, in minor
// units. Gross is the sum of all other columns; NotCharged and Memo stand
// beside it.
type Row struct {
	MID      evidence.Word
	Currency money.Currency
	Date     calendar.Date

	Gross, Arrived, Confirmed, Fees, Refunded, Chargebacks, Reserves, Adjustments, Held int64
	InTransit, Overdue                                                                  [Credited + 1]int64 // by stage
	Unproven, Short, Unknown                                                            int64
	// NotCharged and Memo (deductions that name no payment, fees kept on
	// refunds) are beside the sum.
	NotCharged, Memo int64
}

// Sum adds every place up; it equals Gross.
func (r *Row) Sum() int64 {
	sum := r.Arrived + r.Confirmed + r.Fees + r.Refunded + r.Chargebacks + r.Reserves + r.Adjustments + r.Held + r.Unproven + r.Short + r.Unknown
	for s := range r.InTransit {
		sum += r.InTransit[s] + r.Overdue[s]
	}
	return sum
}

// Map adds payments up.
type Map struct {
	rows map[rowKey]*Row
	last *Row
}

type rowKey struct {
	mid      evidence.Word
	currency money.Currency
	date     calendar.Date
}

// NewMap makes an empty map.
func NewMap() *Map { return &Map{rows: map[rowKey]*Row{}} }

func (m *Map) row(mid evidence.Word, currency money.Currency, date calendar.Date) *Row {
	if l := m.last; l != nil && l.MID == mid && l.Currency == currency && l.Date == date {
		return l
	}
	k := rowKey{mid, currency, date}
	r := m.rows[k]
	if r == nil {
		r = &Row{MID: mid, Currency: currency, Date: date}
		m.rows[k] = r
	}
	m.last = r
	return r
}

// Add adds a payment to the row of its merchant, currency and business date.
func (m *Map) Add(j *Journey) { m.row(j.Keys.MID, j.Currency, j.BusinessDate).Put(j) }

// Put adds a payment to a row, whatever the row's keys. Every minor unit of its
// approved amount lands in exactly one column.
func (r *Row) Put(j *Journey) {
	switch j.Status {
	case NotCharged:
		r.NotCharged += j.Amount
		return
	case Unknown:
		r.Gross += j.Amount
		r.Unknown += j.Amount
		return
	case Refunded:
		r.Gross += j.Amount
		r.Refunded += j.Amount
		r.Memo += j.FeeKept
		return
	}
	r.Gross += j.Amount
	if j.Kind == evidence.Chargeback {
		r.Chargebacks += j.Amount
		return
	}
	refunded := min(j.Refunded, j.Amount)
	r.Refunded += refunded
	r.Fees += j.Amount - refunded - j.Net
	r.Arrived += j.Arrived
	open := j.Net - j.Arrived
	take := func(column *int64, amount int64) {
		amount = min(amount, open)
		*column += amount
		open -= amount
	}
	take(&r.Chargebacks, j.Deductions.Chargeback)
	take(&r.Reserves, j.Deductions.Reserve)
	take(&r.Adjustments, j.Deductions.Adjustment)
	switch j.Status {
	case Held:
		r.Held += open
	case Short:
		r.Short += open
	case Confirmed:
		r.Confirmed += open
	case InTransit:
		r.InTransit[j.Stage] += open
	case Unproven:
		r.Unproven += open
	case Overdue:
		r.Overdue[j.Stage] += open
	default: // arrived: nothing is open
		r.Short += open
	}
}

// AddMemo adds a deduction that names no payment.
func (m *Map) AddMemo(mid evidence.Word, currency money.Currency, date calendar.Date, amount int64) {
	m.row(mid, currency, date).Memo += amount
}

// Merge adds the rows of another map.
func (m *Map) Merge(o *Map) {
	for _, r := range o.rows {
		m.row(r.MID, r.Currency, r.Date).add(r)
	}
}

func (r *Row) add(o *Row) {
	r.Gross += o.Gross
	r.Arrived += o.Arrived
	r.Confirmed += o.Confirmed
	r.Fees += o.Fees
	r.Refunded += o.Refunded
	r.Chargebacks += o.Chargebacks
	r.Reserves += o.Reserves
	r.Adjustments += o.Adjustments
	r.Held += o.Held
	r.Unproven += o.Unproven
	r.Short += o.Short
	r.Unknown += o.Unknown
	r.NotCharged += o.NotCharged
	r.Memo += o.Memo
	for s := range r.InTransit {
		r.InTransit[s] += o.InTransit[s]
		r.Overdue[s] += o.Overdue[s]
	}
}

// Rows gives the rows in order of merchant, currency and date.
func (m *Map) Rows(words *evidence.Words) []*Row {
	rows := make([]*Row, 0, len(m.rows))
	for _, r := range m.rows {
		rows = append(rows, r)
	}
	SortRows(rows, words)
	return rows
}

// SortRows puts rows in order of merchant, currency and date.
func SortRows(rows []*Row, words *evidence.Words) {
	slices.SortFunc(rows, func(a, b *Row) int {
		if a.MID != b.MID {
			if c := words.Compare(a.MID, b.MID); c != 0 {
				return c
			}
		}
		return cmp.Or(bytes.Compare(a.Currency[:], b.Currency[:]), cmp.Compare(a.Date, b.Date))
	})
}
