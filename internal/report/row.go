package report

import (
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
)

// Row is one payment as a line of a list, ready to be shown.
type Row struct {
	ID       string
	Key      string // RRN, else the order, else what there is; plain
	Merchant string // its name, else its number
	Terminal string
	Card     string // first six, stars, last four
	Time     Moment
	Gross    string
	Fee, Net string // "" where none is known
	Kind     Text
	Where    Text // in few words
	Why      Text // the cause in few words; empty for none
	Who      Text
	Late     Text
	// Expected is when the money is to be expected, or when it came; its Brief is ""
	// where that is open or nothing is to come.
	Expected Moment
	Open     bool // nobody can say when it comes
	Sign     string
	Tone     Tone
}

// KeyName says which key of some payments a word is: of all of them, or else none.
func KeyName(a *investigation.Answer, list []*investigation.Payment, word string) Text {
	var name Text
	for i, p := range list {
		k, is := &p.Keys, Text{}
		for _, x := range []struct {
			word evidence.Word
			name Text
		}{{k.RRN, tx("RRN", "参考号")}, {k.AuthCode, tx("approval code", "授权码")}, {k.STAN, tx("trace number", "流水号")}, {k.OrderID, tx("order", "订单")}, {k.Ref, tx("processor's reference", "平台单号")},
			{k.TID, tx("terminal", "终端")}, {k.MID, tx("merchant", "商户")}, {k.Batch, tx("batch", "批次")}, {p.ID, tx("id", "编号")}} {
			if x.word != 0 && a.View.Words.Text(x.word) == word {
				is = x.name
				break
			}
		}
		if is.EN == "" || i > 0 && is != name {
			return Text{}
		}
		name = is
	}
	return name
}

// Moment is a moment as shown: Brief in the merchant's zone and without the year
// where that goes without saying, ISO in the merchant's zone, UTC for who asks.
type Moment struct{ Brief, ISO, UTC string }

// MomentOf shows a moment in the zone of a payment's merchant; empty for 0.
func MomentOf(p *investigation.Payment, at evidence.Instant) Moment {
	return momentIn(at, p.AsOf, zone(p, at))
}

func momentIn(at, now evidence.Instant, offset int16) Moment {
	if at == 0 {
		return Moment{}
	}
	return Moment{brief(at, now, offset), string(evidence.AppendInstant(nil, at, offset)), clockWith(at, 0)}
}

// RowOf shows a payment as a line of a list.
func RowOf(a *investigation.Answer, p *investigation.Payment) Row {
	_, key := reference(a, p)
	text := func(w evidence.Word) string { return plain(a.View.Words.Text(w)) }
	r := Row{
		ID: a.View.Words.Text(p.ID), Key: key, Merchant: plain(p.Terms.Name), Terminal: text(p.Keys.TID), Card: text(p.Keys.PAN),
		Time: MomentOf(p, p.Time), Gross: amount(p.Amount, p.Currency), Kind: kindWord(p.Kind), Where: whereNow(p), Why: why(p),
		Who: partyWord(p.Verdict.Party), Late: lateBy(p), Sign: statusSign(p.Status), Tone: ToneOf(p.Status),
	}
	if r.Merchant == "" {
		r.Merchant = text(p.Keys.MID)
	}
	if p.HasFee {
		r.Fee, r.Net = amount(p.Fee, p.Currency), amount(p.Net, p.Currency)
	}
	switch {
	case p.Verdict.Expected.Likely != 0:
		r.Expected = MomentOf(p, p.Verdict.Expected.Likely)
	case p.Status == journey.Arrived:
		r.Expected = MomentOf(p, p.CreditedAt)
	default:
		r.Open = p.Status != journey.NotCharged && p.Status != journey.Refunded
	}
	return r
}
