package processor

import (
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// The names of Stripe's formats begin the source of their facts.
const (
	stripeItemizedName = "stripe.itemized"
	stripeBalanceName  = "stripe.balance"
)

// stripeItemized is any of Stripe's itemized reports of balance transactions:
// balance change from activity, payouts and payout reconciliation. They share
// their columns and differ in which of the optional ones they have. Amounts are
// in major units with the decimals of their currency; a row belongs to the
// payout it names, and is due when that payout reaches the bank, else when
// Stripe makes it available.
var stripeItemized = &format.Table{
	Name: stripeItemizedName, Title: fault.Say("Stripe itemized balance or payout report", "Stripe 余额或出款明细报表"),
	Type: evidence.SettlementLine, Zone: "UTC", Currency: "USD",
	Columns: []format.Column{
		{Name: "mid", Optional: true,
			Headers: []string{"connected_account_id", "connected_account", "account_id", "gateway_account"}},
		{Name: "transaction", Headers: []string{"balance_transaction_id"}},
		{Name: "created", Headers: []string{"created_utc", "created"}, As: format.AsTime, Optional: true},
		{Name: "available", Headers: []string{"available_on_utc", "available_on"}, As: format.AsTime, Optional: true},
		{Name: "effective", As: format.AsTime, Optional: true,
			Headers: []string{"automatic_payout_effective_at_utc", "automatic_payout_effective_at", "effective_at_utc", "effective_at"}},
		{Field: evidence.CurrencyField, Headers: []string{"currency"}, As: format.AsCurrency},
		{Name: "gross", Headers: []string{"gross"}, As: format.AsDecimal},
		{Name: "fee", Headers: []string{"fee"}, As: format.AsDecimal},
		{Name: "net", Headers: []string{"net"}, As: format.AsDecimal},
		{Name: "category", Headers: []string{"reporting_category"}},
		{Name: "payout", Headers: []string{"automatic_payout_id", "payout_id"}, Optional: true},
		{Name: "payout status", Headers: []string{"payout_status"}, Optional: true},
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
	Open: func(doc *format.Doc, _ *format.Out) error {
		doc.State = newStripeReport(stripeItemizedName)
		return nil
	},
	Row:   stripeRow,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*stripeReport).check(doc, out) },
}

// stripeBalance is the older export of the balance's history from the
// dashboard, with the same content under other names.
var stripeBalance = &format.Table{
	Name: stripeBalanceName, Title: fault.Say("Stripe balance history", "Stripe 余额历史"),
	Type: evidence.SettlementLine, Zone: "UTC", Currency: "USD",
	Columns: []format.Column{
		{Name: "transaction", Headers: []string{"id"}},
		{Name: "category", Headers: []string{"Type"}},
		{Name: "object", Headers: []string{"Source"}},
		{Name: "gross", Headers: []string{"Amount"}, As: format.AsDecimal},
		{Name: "fee", Headers: []string{"Fee"}, As: format.AsDecimal},
		{Name: "net", Headers: []string{"Net"}, As: format.AsDecimal},
		{Field: evidence.CurrencyField, Headers: []string{"Currency"}, As: format.AsCurrency},
		{Name: "created", Headers: []string{"Created (UTC)"}, As: format.AsTime},
		{Name: "available", Headers: []string{"Available On (UTC)"}, As: format.AsTime},
		{Name: "description", Headers: []string{"Description"}, Optional: true},
		{Name: "payout", Headers: []string{"Transfer"}, Optional: true},
		{Name: "effective", Headers: []string{"Transfer Date (UTC)"}, As: format.AsTime, Optional: true},
		{Name: "order", Headers: []string{"order_id (metadata)"}, Optional: true},
		{Name: "order2", Headers: []string{"external_identifier (metadata)", "order (metadata)", "orderid (metadata)"}, Optional: true},
	},
	Source: stripeSource,
	Open:   func(doc *format.Doc, _ *format.Out) error { doc.State = newStripeReport(stripeBalanceName); return nil },
	Row:    stripeRow,
	Close:  func(doc *format.Doc, out *format.Out) { doc.State.(*stripeReport).check(doc, out) },
}

// stripeKinds says what Stripe's reporting categories are. Won disputes and
// failed refunds bring the money back as adjustments of their payment.
// Categories that are not here, such as transfers and top-ups, are adjustments.
var stripeKinds = map[string]evidence.Kind{
	"charge": evidence.Sale, "payment": evidence.Sale,
	"refund": evidence.Refund, "payment_refund": evidence.Refund, "partial_capture_reversal": evidence.Refund,
	"dispute": evidence.Chargeback,
	"fee":     evidence.FeeKind, "network_cost": evidence.FeeKind, "stripe_fee": evidence.FeeKind, "tax": evidence.FeeKind,
	"risk_reserved_funds": evidence.Reserve, "payout_minimum_balance_hold": evidence.Reserve,
	"payout_minimum_balance_release": evidence.ReserveRelease,
}

// stripeReport is what a report's payouts come to.
type stripeReport struct {
	document
	table   string
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
}

func newStripeReport(table string) *stripeReport {
	return &stripeReport{table: table, document: *newDocument(), payouts: map[string]*stripePayout{}, unnamed: map[string]*sum{}}
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
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if created.at == 0 { // a report of payouts has the day of the payout alone
		created = effective
	}
	switch {
	case created.at == 0:
		out.Reject(row.Line, fault.Say(`column "created": is empty; it says when the row was made`, `列 "created"：为空，应为该行的生成时间`))
		return
	case !hasNet:
		out.Reject(row.Line, fault.Say(`column "net": is empty; it says what the row adds to the balance`, `列 "net"：为空，应为该行对余额的增减`))
		return
	}
	category := strings.ToLower(row.Text("category"))
	if state := stripePayoutState(category, row.Text("payout status")); state != "" {
		stripePayoutRow(row, out, state, c, created, effective, net)
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
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	r := row.Doc.State.(*stripeReport)
	r.note(row.Line, a)
	r.of(part{stripeMID(row), due, c}).add(net)
	if payout != "" {
		r.payout(payout).add(net)
	} else if at := row.Text("effective"); at != "" {
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

// stripePayoutState says what became of the payout that a row is; "" for a row
// that is none. Stripe calls a payout paid when the bank should have it, which
// is its word alone.
func stripePayoutState(category, status string) string {
	switch category {
	case "payout":
		switch strings.ToLower(status) {
		case "paid":
			return "accepted"
		case "pending":
			return "created"
		case "failed":
			return "returned"
		case "canceled":
			return "rejected"
		}
		return "sent"
	case "payout_reversal", "payout_failure", "payout_cancel":
		return "returned"
	}
	return ""
}

// stripePayoutRow states a payout.
func stripePayoutRow(row *format.Row, out *format.Out, state string, c money.Currency, created, effective dated, net int64) {
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
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) || state == "returned" || state == "rejected" || id == "" {
		return
	}
	p := row.Doc.State.(*stripeReport).payout(id)
	p.line, p.amount, p.currency, p.effective = row.Line, magnitude(net), c, row.Text("effective")
	p.mid, p.known, p.due = stripeMID(row), created, created.date()
	if effective.at != 0 {
		p.due = effective.date()
	}
}

// check compares the rows of each payout with the payout, and declares the days
// on which all that is paid is seen to be here. Stripe leaves the payout's id
// out on some fees: rows that take effect with the payout and name none may
// belong to it.
func (r *stripeReport) check(doc *format.Doc, out *format.Out) {
	r.tellUneven(out)
	paid := map[part]*stripePayout{}
	short := map[part]bool{}
	for _, id := range r.order {
		p := r.payouts[id]
		if p.line == 0 || p.count == 0 {
			continue // a report of activity alone shows no payouts, one of payouts alone no activity
		}
		total := p.total
		if also := r.unnamed[p.effective]; also != nil && total != p.amount {
			total, _ = money.Add(total, also.total)
		}
		day := part{mid: p.mid, due: p.due}
		var t totals
		t.compare(fault.Say("payout %s in %s", "出款 %s（%s）", id, p.currency), money.Format(p.amount, p.currency), money.Format(total, p.currency))
		short[day] = !t.agree(out, p.line) || short[day]
		paid[day] = p
	}
	whole := r.document
	whole.order = nil
	for _, p := range r.document.order {
		if day := (part{mid: p.mid, due: p.due}); paid[day] != nil && !short[day] {
			whole.order = append(whole.order, p)
		}
	}
	of := func(p part) *stripePayout { return paid[part{mid: p.mid, due: p.due}] }
	whole.declare(out, doc.Line,
		func(p part) string { return r.table + "/" + p.mid + "/" + p.due.String() },
		func(p part) dated { return of(p).known })
}
