package processor

import (
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// stripeItemizedName begins the source of its facts.
const stripeItemizedName = "stripe.itemized"

// stripeItemized is any of Stripe's itemized reports of balance transactions:
// balance change from activity, payouts and payout reconciliation. They share
// their columns and differ in which of the optional ones they have. Amounts are
// in major units with the decimals of their currency; a row belongs to the
// payout it names, and is due when that payout reaches the bank, else when
// Stripe makes it available.
var stripeItemized = &format.Table{
	Name: stripeItemizedName, Title: "Stripe itemized balance or payout report",
	Type: evidence.SettlementLine, Zone: "UTC", Currency: "USD",
	Columns: []format.Column{
		{Name: "mid", Optional: true,
			Headers: []string{"connected_account_id", "connected_account", "account_id", "gateway_account"}},
		{Name: "transaction", Headers: []string{"balance_transaction_id"}},
		{Name: "created", Headers: []string{"created_utc", "created"}, As: format.AsTime},
		{Name: "available", Headers: []string{"available_on_utc", "available_on"}, As: format.AsTime, Optional: true},
		{Name: "effective", As: format.AsTime, Optional: true,
			Headers: []string{"automatic_payout_effective_at_utc", "automatic_payout_effective_at", "effective_at_utc", "effective_at"}},
		{Field: evidence.CurrencyField, Headers: []string{"currency"}, As: format.AsCurrency},
		{Name: "gross", Headers: []string{"gross"}, As: format.AsDecimal},
		{Name: "fee", Headers: []string{"fee"}, As: format.AsDecimal},
		{Name: "net", Headers: []string{"net"}, As: format.AsDecimal},
		{Name: "category", Headers: []string{"reporting_category"}},
		{Name: "payout", Headers: []string{"automatic_payout_id", "payout_id"}, Optional: true},
		{Name: "charge", Headers: []string{"charge_id"}, Optional: true},
		{Name: "object", Headers: []string{"source_id"}, Optional: true},
		{Name: "intent", Headers: []string{"payment_intent_id"}, Optional: true},
		{Name: "description", Headers: []string{"description"}, Optional: true},
		{Name: "brand", Headers: []string{"card_brand"}, Optional: true},
		{Name: "method", Headers: []string{"payment_method_type"}, Optional: true},
		{Name: "funding", Headers: []string{"card_funding"}, Optional: true},
		// The order number is in whatever metadata the merchant puts it.
		{Name: "order", Headers: []string{"order_id", "payment_metadata[order_id]", "charge_metadata[order_id]"}, Optional: true},
		{Name: "order2", Headers: []string{"payment_metadata[external_identifier]", "payment_metadata[order]", "payment_metadata[orderid]"}, Optional: true},
		{Name: "order3", Headers: []string{"payment_metadata[orchestrator_tx_ref]", "payment_metadata[reference]"}, Optional: true},
		{Name: "order4", Headers: []string{"payment_metadata[gr4vy_tx_ref]"}, Optional: true},
	},
	Source: stripeSource,
	Open:   func(doc *format.Doc, _ *format.Out) error { doc.State = newStripeReport(); return nil },
	Row:    stripeRow,
	Close:  func(doc *format.Doc, out *format.Out) { doc.State.(*stripeReport).check(doc, out) },
}

// stripeKinds says what Stripe's reporting categories are. Won disputes and
// failed refunds bring the money back as adjustments of their payment.
// Categories that are not here, such as transfers and top-ups, are adjustments.
var stripeKinds = map[string]evidence.Kind{
	"charge": evidence.Sale, "payment": evidence.Sale,
	"refund": evidence.Refund, "partial_capture_reversal": evidence.Refund,
	"dispute": evidence.Chargeback,
	"fee":     evidence.FeeKind, "network_cost": evidence.FeeKind, "stripe_fee": evidence.FeeKind, "tax": evidence.FeeKind,
	"risk_reserved_funds": evidence.Reserve, "payout_minimum_balance_hold": evidence.Reserve,
	"payout_minimum_balance_release": evidence.ReserveRelease,
}

// stripeReport is what a report's payouts come to.
type stripeReport struct {
	document
	payouts map[string]*stripePayout
	order   []string
	mid     string // the account named last
	several bool   // more than one is named
	// unnamed are the rows that name no payout, by when they take effect.
	unnamed map[string]*sum
}

type stripePayout struct {
	sum
	mid, effective string
	line           int // of the row that is the payout itself; 0 where there is none
	currency       money.Currency
	amount         int64
	due            calendar.Date
	known          dated
	split          bool // its rows name more than one account
}

func newStripeReport() *stripeReport {
	return &stripeReport{document: *newDocument(), payouts: map[string]*stripePayout{}, unnamed: map[string]*sum{}}
}

func (r *stripeReport) payout(id string) *stripePayout {
	p := r.payouts[id]
	if p == nil {
		p = &stripePayout{}
		r.payouts[id] = p
		r.order = append(r.order, id)
	}
	return p
}

// stripeMID gives the account of a row. Stripe leaves it out on fees: in a
// report of one account they are that account's.
func stripeMID(row *format.Row) string {
	r := row.Doc.State.(*stripeReport)
	if mid := row.Text("mid"); mid != "" {
		r.several = r.several || r.mid != "" && r.mid != mid
		r.mid = mid
		return mid
	}
	if r.mid != "" && !r.several {
		return r.mid
	}
	return row.Doc.In.MID
}

// stripeSource names the account and the payout; rows that are in none yet
// stand under the account alone.
func stripeSource(row *format.Row) string {
	mid := stripeMID(row)
	if mid == "" {
		mid = "-"
	}
	if payout := stripePayoutID(row); payout != "" {
		return mid + "/" + payout
	}
	return mid
}

func stripePayoutID(row *format.Row) string {
	if id := row.Text("payout"); id != "" {
		return id
	}
	if object := row.Text("object"); strings.HasPrefix(object, "po_") {
		return object
	}
	return ""
}

func stripeRow(row *format.Row, out *format.Out) {
	c := row.Currency()
	created, err := momentOf(row, "created")
	available, err2 := momentOf(row, "available")
	effective, err3 := momentOf(row, "effective")
	gross, _, err4 := row.Amount("gross", c)
	fee, _, err5 := row.Amount("fee", c)
	net, hasNet, err6 := row.Amount("net", c)
	if err = firstError(err, err2, err3, err4, err5, err6); err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	switch {
	case created.at == 0:
		out.Reject(row.Line, `column "created": is empty; it says when the row was made`)
		return
	case !hasNet:
		out.Reject(row.Line, `column "net": is empty; it says what the row adds to the balance`)
		return
	}
	category := strings.ToLower(row.Text("category"))
	if category == "payout" || category == "payout_reversal" || category == "payout_failure" {
		stripePayoutRow(row, out, category, c, created, effective, net)
		return
	}
	a := amounts{kind: stripeKinds[category], gross: magnitude(gross), fee: fee, net: net}
	switch {
	case a.kind == evidence.NoKind:
		a.kind = evidence.Adjustment
	case a.kind == evidence.Reserve && net > 0:
		a.kind = evidence.ReserveRelease
	}
	when := created
	if available.at > when.at {
		when = available
	}
	due := when.date()
	switch {
	case effective.at != 0:
		due = effective.date()
	case available.at != 0:
		due = available.date()
	}
	d := out.Begin(evidence.SettlementLine)
	err = row.Put(d, "")
	d.SetTime(when.at, when.offset)
	d.PutInstant(evidence.TransactionTime, created.at, created.offset)
	payout := stripePayoutID(row)
	if err = firstError(err, putWord(d, evidence.MID, stripeMID(row)), putStripeKeys(row, d, a.kind), a.put(d), putWord(d, evidence.Payout, payout), d.PutDate(evidence.SettlementDate, due)); err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	r := row.Doc.State.(*stripeReport)
	r.note(row.Line, a)
	if payout != "" {
		p := r.payout(payout)
		p.add(net)
		if mid := stripeMID(row); p.mid == "" {
			p.mid = mid
		} else if p.mid != mid {
			p.split = true
		}
		return
	}
	if at := row.Text("effective"); at != "" {
		if r.unnamed[at] == nil {
			r.unnamed[at] = &sum{}
		}
		r.unnamed[at].add(net)
	}
}

// putStripeKeys sets the keys of a line: the charge is what sale, refund and
// dispute have in common.
func putStripeKeys(row *format.Row, d *evidence.Draft, kind evidence.Kind) error {
	ref := firstOf(row, "charge")
	if ref == "" && kind == evidence.Sale {
		ref = firstOf(row, "object", "intent", "transaction")
	}
	if ref == "" && kind != evidence.FeeKind {
		ref = firstOf(row, "intent")
	}
	network := scheme(row.Text("brand"))
	if network == "" {
		network = scheme(row.Text("method"))
	}
	err := firstError(
		putWord(d, evidence.Ref, ref),
		putWord(d, evidence.OrderID, firstOf(row, "order", "order2", "order3", "order4")),
		putWord(d, evidence.Network, network),
	)
	if t, ok := evidence.ParseCardType(strings.ToLower(row.Text("funding"))); ok && err == nil {
		err = d.PutString(evidence.CardTypeField, t.String())
	}
	if kind == evidence.FeeKind || kind == evidence.Adjustment {
		err = firstError(err, putWord(d, evidence.Text, row.Text("description")))
	}
	return err
}

func momentOf(row *format.Row, column string) (dated, error) {
	at, offset, err := row.Time(column)
	return dated{at, offset}, err
}

// stripePayoutRow states a payout: sent, or come back.
func stripePayoutRow(row *format.Row, out *format.Out, category string, c money.Currency, created, effective dated, net int64) {
	state := "sent"
	if category != "payout" {
		state = "returned"
	}
	id := stripePayoutID(row)
	d := out.Begin(evidence.PayoutStatus)
	err := row.Put(d, "")
	d.SetTime(created.at, created.offset)
	if err = firstError(err,
		putWord(d, evidence.MID, stripeMID(row)),
		putWord(d, evidence.Payout, id),
		d.PutInt(evidence.Amount, magnitude(net)),
		d.PutString(evidence.By, "platform"),
		d.PutString(evidence.StateField, state),
	); err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	if !out.Commit(d, row.Line) || state != "sent" || id == "" {
		return
	}
	p := row.Doc.State.(*stripeReport).payout(id)
	p.line, p.amount, p.currency, p.effective = row.Line, magnitude(net), c, row.Text("effective")
	if mid := stripeMID(row); p.mid == "" {
		p.mid = mid
	} else if p.mid != mid {
		p.split = true
	}
	p.known, p.due = created, created.date()
	if effective.at != 0 {
		p.due = effective.date()
	}
}

// check compares the rows of each payout with the payout. Stripe leaves the
// payout's id out on some fees: rows that take effect with the payout and name
// none may belong to it.
func (r *stripeReport) check(doc *format.Doc, out *format.Out) {
	r.tellUneven(out)
	for _, id := range r.order {
		p := r.payouts[id]
		if p.line == 0 || p.count == 0 {
			continue // a report of activity alone shows no payouts, one of payouts alone no activity
		}
		whole := p.sum
		if also := r.unnamed[p.effective]; also != nil && whole.total != p.amount {
			whole.count += also.count
			whole.total, _ = money.Add(whole.total, also.total)
		}
		var t totals
		t.compare("payout "+id+" in "+p.currency.String(), money.Format(p.amount, p.currency), money.Format(whole.total, p.currency))
		if !t.agree(out, p.line) {
			continue
		}
		if p.mid == "" || p.split || out.Source().Rejected > 0 {
			continue
		}
		declareFile(out, doc.Line, stripeItemizedName+"/"+p.mid+"/"+id, part{p.mid, p.due, p.currency}, &whole, p.known)
	}
}
