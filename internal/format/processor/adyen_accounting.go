package processor

import (
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// adyenAccounting is Adyen's payments accounting report: each step that a
// payment took on a day. A request received and its answer are gateway facts, a
// capture sent to the scheme is its clearing, and what is booked to the
// merchant is a settlement line. Adyen writes no response code of field 39:
// Authorised stands as 00 and Refused as 05, the refusal without a reason.
var adyenAccounting = &format.Table{
	Name: "adyen.accounting", Title: fault.Say("Adyen payments accounting report", "Adyen 付款核算报表"),
	Type: evidence.SettlementLine, Zone: "UTC", Currency: "EUR",
	Columns: []format.Column{
		{Field: evidence.MID, Name: "mid", Headers: []string{"Merchant Account"}},
		{Field: evidence.Ref, Name: "ref", Headers: []string{"Psp Reference"}},
		{Field: evidence.OrderID, Name: "order_id", Headers: []string{"Merchant Reference"}},
		{Name: "Payment Method", Headers: []string{"Payment Method"}, Optional: true},
		{Name: "Payment Method Variant", Headers: []string{"Payment Method Variant"}, Optional: true},
		{Name: "Booking Date", Headers: []string{"Booking Date"}},
		{Name: "zone", Headers: []string{"TimeZone"}},
		{Name: "Type", Headers: []string{"Record Type"}},
		{Name: "Main Currency", Headers: []string{"Main Currency"}},
		{Name: "Main Amount", Headers: []string{"Main Amount"}, As: format.AsDecimal},
		{Name: "Settlement Currency", Headers: []string{"Settlement Currency"}},
		{Name: "Payable", Headers: []string{"Payable (SC)"}, As: format.AsDecimal},
		{Name: "Commission", Headers: []string{"Commission (SC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Markup", Headers: []string{"Markup (SC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Scheme Fees", Headers: []string{"Scheme Fees (SC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Interchange", Headers: []string{"Interchange (SC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Payable Batch", Headers: []string{"Payable Batch", "Batch Number"}, Optional: true},
	},
	Source: func(row *format.Row) string {
		t, err := adyenMoment(row, "Booking Date", "zone")
		if err != nil || t.at == 0 {
			return row.Text("mid")
		}
		return row.Text("mid") + "/" + t.date().String()
	},
	Row: adyenAccountingRow,
}

// adyenSteps are the record types that are no settlement lines, in lower case:
// the type of their fact, its kind and response code.
var adyenSteps = map[string]struct {
	fact evidence.Type
	kind evidence.Kind
	code string
}{
	"received":          {evidence.GatewayRequest, evidence.Sale, ""},
	"authorised":        {evidence.GatewayResponse, evidence.Sale, "00"},
	"refused":           {evidence.GatewayResponse, evidence.Sale, "05"},
	"sentforsettle":     {evidence.ClearingLine, evidence.Sale, ""},
	"sentforrefund":     {evidence.GatewayRequest, evidence.Refund, ""},
	"cancelled":         {evidence.GatewayReversal, evidence.NoKind, ""},
	"expired":           {evidence.GatewayReversal, evidence.NoKind, ""},
	"error":             {evidence.GatewayError, evidence.NoKind, ""},
	"capturefailed":     {evidence.GatewayReversal, evidence.NoKind, ""},
	"refundfailed":      {evidence.GatewayResponse, evidence.Refund, "05"},
	"authorisedpending": {evidence.GatewayRequest, evidence.Sale, ""},
}

func adyenAccountingRow(row *format.Row, out *format.Out) {
	step, ok := adyenSteps[strings.ToLower(row.Text("Type"))]
	if !ok {
		step.fact = evidence.SettlementLine
		if _, known := adyenKind(row.Text("Type"), 0); !known && len(row.Bytes("Payable")) == 0 {
			out.Warn(row.Line, fault.Say("the record type %s is not known and moves no money; the row is left out", "记录类型 %s 未知且不涉及资金，该行未采用", quoted(row.Text("Type"))))
			return
		}
	}
	d := out.Begin(step.fact)
	if err := putAdyenRecord(row, d, step.kind, step.code); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	out.Commit(d, row.Line)
}

func putAdyenRecord(row *format.Row, d *evidence.Draft, kind evidence.Kind, code string) error {
	when, err := adyenMoment(row, "Booking Date", "zone")
	if err != nil {
		return err
	}
	if when.at == 0 {
		return fault.Say("column %q: is empty; it says when the step was booked", "列 %q：为空，应为记账时间", "Booking Date")
	}
	// The columns' own currency is said below.
	if err := row.Put(d, ""); err != nil {
		return err
	}
	d.SetTime(when.at, when.offset)
	network, cardType := adyenCard(row)
	if err := firstError(putWord(d, evidence.Network, network), putWord(d, evidence.CardTypeField, cardType)); err != nil {
		return err
	}
	if d.Type() == evidence.SettlementLine {
		return putAdyenBooking(row, d, when)
	}
	c, ok := format.ParseCurrency(row.Bytes("Main Currency"))
	if !ok {
		return noCurrency("Main Currency")
	}
	amount, has, err := row.Amount("Main Amount", c)
	if err != nil {
		return err
	}
	if has {
		err = d.PutInt(evidence.Amount, magnitude(amount))
	}
	if err = firstError(err, d.PutString(evidence.CurrencyField, c.String())); err != nil {
		return err
	}
	switch d.Type() {
	case evidence.GatewayReversal:
		return d.PutString(evidence.StateField, "acknowledged")
	case evidence.GatewayError:
		return d.PutString(evidence.Detail, "5xx")
	case evidence.ClearingLine:
		err = d.PutDate(evidence.ClearingDate, when.date())
	}
	return firstError(err, d.PutString(evidence.KindField, kind.String()), putWord(d, evidence.ResponseCode, code))
}

// putAdyenBooking fills a settlement line. Payable is what the merchant gets or
// gives, fees taken; the gross follows from it, since Main Amount is at times
// the one and at times the other.
func putAdyenBooking(row *format.Row, d *evidence.Draft, when dated) error {
	c, ok := format.ParseCurrency(row.Bytes("Settlement Currency"))
	if !ok {
		return noCurrency("Settlement Currency")
	}
	net, has, err := row.Amount("Payable", c)
	if err != nil {
		return err
	}
	if !has {
		return fault.Say("column %q: is empty; it says what the row adds to the payout", "列 %q：为空，应为该行对出款的增减", "Payable (SC)")
	}
	fee, err := adyenFees(row, c, "Commission", "Markup", "Scheme Fees", "Interchange")
	if err != nil {
		return err
	}
	gross, ok := money.Add(net, fee)
	if !ok {
		return money.ErrOverflow
	}
	a := amounts{gross: magnitude(gross), fee: fee, net: net}
	a.kind, _ = adyenKind(row.Text("Type"), net)
	err = firstError(a.put(d), d.PutString(evidence.CurrencyField, c.String()), d.PutDate(evidence.SettlementDate, when.date()))
	if batch := row.Text("Payable Batch"); batch != "" && err == nil {
		err = d.PutString(evidence.Payout, "batch "+batch+", "+row.Text("mid"))
	}
	return err
}
