package api

import (
	"fmt"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// paymentsAsked narrows a list of payments. All that is given has to hold; of a
// parameter that is given several times one has to.
type paymentsAsked struct {
	Q string `query:"q" maxLength:"200" doc:"a search as people type it: 12 digits are an RRN, 6 an approval or trace number, 4 the card's last digits, decimals an amount, anything else a reference"`

	MID   string   `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	TID   string   `query:"tid" maxLength:"64" doc:"terminal (ISO 8583 field 41)"`
	RRN   string   `query:"rrn" maxLength:"64" doc:"retrieval reference number (ISO 8583 field 37)"`
	Key   []string `query:"key,explode" maxItems:"6" doc:"a number that it has: RRN, trace number (ISO 8583 field 11), approval code (field 38), order, reference, payout, id; with several all of them"`
	First string   `query:"first6" pattern:"^[0-9]{1,6}$" doc:"first digits of the card number (ISO 8583 field 2)"`
	Last  string   `query:"last4" pattern:"^[0-9]{1,4}$" doc:"last digits of the card number (ISO 8583 field 2)"`

	From time.Time `query:"from" doc:"time of the payment, from"`
	To   time.Time `query:"to" doc:"time of the payment, before"`
	Date string    `query:"date" format:"date" doc:"business date"`

	Currency  string          `query:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217"`
	MinAmount optional[int64] `query:"min_amount" doc:"approved amount, from, in minor units (ISO 8583 field 4)"`
	MaxAmount optional[int64] `query:"max_amount" doc:"approved amount, up to, in minor units"`
	MinFee    optional[int64] `query:"min_fee" doc:"fee, from, in minor units"`
	MaxFee    optional[int64] `query:"max_fee" doc:"fee, up to, in minor units"`
	MinNet    optional[int64] `query:"min_net" doc:"what is to arrive, from, in minor units"`
	MaxNet    optional[int64] `query:"max_net" doc:"what is to arrive, up to, in minor units"`

	Status []string `query:"status,explode" enum:"not_charged,refunded,unknown,arrived,held,short,confirmed,in_transit,unproven,overdue" doc:"how the money stands"`
	Stage  []string `query:"stage,explode" enum:"tendered,authorized,captured,cleared,settled,paid_out,credited" doc:"the furthest stage that is proven"`
	Party  []string `query:"party,explode" enum:"nobody,cardholder,merchant,operator,platform,issuer,network,bank" doc:"who acts next"`
	Cause  []string `query:"cause,explode" maxItems:"50" doc:"code of the catalogue"`

	Incident string `query:"incident" maxLength:"128" doc:"id of the incident that stops it"`
	Payout   string `query:"payout" maxLength:"128" doc:"number of the payout that carries it"`

	ExpectedFrom time.Time `query:"expected_from" doc:"likely arrival, from"`
	ExpectedTo   time.Time `query:"expected_to" doc:"likely arrival, before"`
	DueFrom      time.Time `query:"due_from" doc:"due time of the leg that is judged, from"`
	DueTo        time.Time `query:"due_to" doc:"due time of the leg that is judged, before"`
	Needs        bool      `query:"needs_action" doc:"only those about which somebody has to do something"`

	Sort   string `query:"sort" enum:"time,due,amount" default:"time" doc:"time: the newest first; due: what was or is due first; amount: the greatest first"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before, of a list asked for in the same way"`

	filter investigation.Filter
	order  investigation.Order
	after  investigation.Mark
}

var paymentOrders = map[string]investigation.Order{"time": investigation.ByTime, "due": investigation.ByDue, "amount": investigation.ByAmount}

// Resolve makes the filter, or says everything that is wrong with it.
func (in *paymentsAsked) Resolve(huma.Context) []error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	f := investigation.Filter{MID: in.MID, TID: in.TID, RRN: in.RRN, Keys: in.Key, Head: in.First, Tail: in.Last, Incident: in.Incident, Payout: in.Payout, Causes: in.Cause,
		Needs: in.Needs, Statuses: named(journey.Statuses(), in.Status), Stages: named(journey.Stages(), in.Stage), Parties: named(diagnosis.Parties(), in.Party)}
	for _, m := range []struct {
		name     string
		from, to time.Time
		least    *evidence.Instant
		before   *evidence.Instant
	}{{"", in.From, in.To, &f.From, &f.To}, {"expected_", in.ExpectedFrom, in.ExpectedTo, &f.ExpectedFrom, &f.ExpectedTo}, {"due_", in.DueFrom, in.DueTo, &f.DueFrom, &f.DueTo}} {
		note(between(m.name, m.from, m.to))
		*m.least, *m.before = evidence.InstantOf(m.from), evidence.InstantOf(m.to)
	}
	amounts := investigation.Bounds{}
	for _, b := range []struct {
		name        string
		least, most optional[int64]
		bounds      *investigation.Bounds
	}{{"amount", in.MinAmount, in.MaxAmount, &amounts}, {"fee", in.MinFee, in.MaxFee, &f.Fee}, {"net", in.MinNet, in.MaxNet, &f.Net}} {
		note(bounds(b.name, b.least, b.most, b.bounds))
	}
	f.Amounts, f.Least, f.Most = amounts.Set, amounts.Least, amounts.Most
	var err error
	f.Day, err = dateOf("query.date", in.Date)
	note(err)
	if in.Currency != "" {
		if f.Currency, err = money.ParseCurrency(in.Currency); err != nil {
			note(invalid("query.currency", fault.Say("not a currency of ISO 4217", "不是 ISO 4217 货币")))
		}
	}
	in.after, err = markOf[investigation.Mark](in.Cursor)
	note(err)
	for i, k := range in.Key {
		if k == "" || len(k) > 128 || card.IsPAN(k) {
			note(invalid(fmt.Sprintf("query.key[%d]", i), fault.Say("not a number of a payment", "不是支付的号码")))
		}
	}
	in.filter, in.order = f, paymentOrders[in.Sort]
	return errs
}

// named gives those of a list whose names are asked for.
func named[T fmt.Stringer](list []T, names []string) (out []T) {
	for _, x := range list {
		if slices.Contains(names, x.String()) {
			out = append(out, x)
		}
	}
	return out
}

// Moments outside these years cannot be told from each other as evidence has them.
const firstYear, lastYear = 1970, 2200

func between(name string, from, to time.Time) error {
	for _, m := range []struct {
		field string
		at    time.Time
	}{{"from", from}, {"to", to}} {
		if y := m.at.Year(); !m.at.IsZero() && (y < firstYear || y > lastYear) {
			return invalid("query."+name+m.field, fault.Say("a year from %d to %d", "年份应在 %d 至 %d 之间", firstYear, lastYear))
		}
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return invalid("query."+name+"to", fault.Say("it lies after the beginning", "应晚于起始时间"))
	}
	return nil
}

func bounds(name string, least, most optional[int64], b *investigation.Bounds) error {
	*b = investigation.Bounds{Set: least.Set || most.Set, Least: -1 << 63, Most: 1<<63 - 1}
	if least.Set {
		b.Least = least.Value
	}
	if most.Set {
		b.Most = most.Value
	}
	if b.Least > b.Most {
		return invalid("query.max_"+name, fault.Say("it is not less than the least", "不得小于下限"))
	}
	return nil
}

// dateOf reads a date; "" is none.
func dateOf(field, s string) (calendar.Date, error) {
	if s == "" {
		return 0, nil
	}
	d, err := calendar.ParseDate(s)
	if err != nil {
		return 0, invalid(field, fault.TextOf(err))
	}
	return d, nil
}
