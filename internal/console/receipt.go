package console

import (
	"net"
	"net/http"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// receiptPage is the public look-up: what a cardholder may learn with the slip in
// hand, and nothing without it.
type receiptPage struct {
	Amount, Date, Tail, Number string
	Asked                      bool
	// Wait is how long this address has to wait, 0 where it need not.
	Wait  time.Duration
	Found *slip
}

// slip is what is said of one payment: never a card number, never another payment.
type slip struct {
	Merchant string
	Amount   string
	Time     report.Moment
	Charged  report.Text
	Means    report.Text
	Advice   report.Text
}

// receipt is the empty form.
func (c *Console) receipt(v *visit) error {
	return v.render(http.StatusOK, receiptView(v, &receiptPage{}))
}

// lookUp answers for the payment whose amount, date, last four digits and approval
// or trace number are all right. A miss and a mismatch have the same answer, and an
// address has a few attempts a minute.
func (c *Console) lookUp(v *visit) error {
	v.limitForm()
	p := receiptPage{Amount: v.PostFormValue("amount"), Date: v.PostFormValue("date"), Tail: v.PostFormValue("tail"), Number: strings.TrimSpace(v.PostFormValue("number")), Asked: true}
	if p.Wait = c.slips.Take(addressOf(v.Request), c.o.Now()); p.Wait > 0 {
		v.retryAfter(p.Wait)
		return v.render(http.StatusTooManyRequests, receiptView(v, &p))
	}
	c.o.Live.Read(func(now *investigation.Current) { p.Found = p.find(now) })
	status := http.StatusOK
	if p.Found == nil {
		status = http.StatusNotFound
	}
	return v.render(status, receiptView(v, &p))
}

func (p *receiptPage) find(now *investigation.Current) *slip {
	minor, err := money.ParseDecimal(strings.TrimSpace(p.Amount), 2, money.Point)
	day, dateErr := calendar.ParseDate(p.Date)
	if err != nil || dateErr != nil || len(p.Tail) != 4 || len(p.Number) < 6 {
		return nil
	}
	a := now.Around()
	text := a.View.Words.Text
	var hit *investigation.Payment
	for _, x := range now.Find(p.Number) {
		k := &x.Keys
		bears := text(k.AuthCode) == p.Number || text(k.STAN) == p.Number || text(k.RRN) == p.Number
		local := calendar.DateOf(x.Time.Unix(), x.Terms.OffsetAt(x.Time))
		if !bears || x.Amount != minor || local != day || !strings.HasSuffix(text(k.PAN), p.Tail) {
			continue
		}
		if hit != nil {
			return nil // of two nothing is said
		}
		hit = x
	}
	if hit == nil {
		return nil
	}
	r := report.RowOf(a, hit)
	s := &slip{Merchant: r.Merchant, Amount: r.Gross, Time: r.Time, Charged: report.CardholderWord(hit.Cardholder), Means: meaning(hit.Cardholder)}
	if v := &hit.Verdict; v.Cause != nil {
		s.Advice = report.Text(v.Cause.AdviceFor(v.Leg, hit.Cardholder).Cardholder)
	}
	return s
}

// meaning says what the state of the card's side means for its holder.
func meaning(c journey.Cardholder) report.Text {
	switch c {
	case journey.Charged:
		return report.Text{EN: "The card was charged. The shop's money goes its own way; nothing is to be done on your side.", ZH: "已扣款。商户的款项另行结算，您无需操作。"}
	case journey.Reserved:
		return report.Text{EN: "An amount is reserved on the card and not taken yet.", ZH: "卡上已冻结金额，尚未扣款。"}
	case journey.Reversing:
		return report.Text{EN: "The charge is being taken back; the card's bank frees the amount when the reversal has reached it.", ZH: "正在冲正；发卡行收到冲正后会退回金额。"}
	case journey.Refunding:
		return report.Text{EN: "A refund is on its way to the card.", ZH: "退款正在退回卡上。"}
	case journey.CardRefunded:
		return report.Text{EN: "The amount was given back to the card.", ZH: "金额已退回卡上。"}
	case journey.CardNotCharged:
		return report.Text{EN: "The card was not charged.", ZH: "没有扣款。"}
	}
	return report.Text{EN: "It is not known yet whether the card was charged. It will be, and no second payment is needed until then.", ZH: "是否扣款尚未确定，核实之前请勿重复付款。"}
}

func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
