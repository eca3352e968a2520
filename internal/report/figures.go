package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// signs are the currencies written by a sign that no other currency here shares.
var signs = map[string]string{"CNY": "¥", "EUR": "€", "USD": "$", "GBP": "£"}

// amount writes minor units as people read them: "¥12,345.67", "JPY 1,200".
func amount(minor int64, c money.Currency) string {
	figure := money.FormatGrouped(minor, c)
	code := c.String()
	if code == "" {
		return figure
	}
	minus := ""
	if rest, ok := strings.CutPrefix(figure, "-"); ok {
		minus, figure = "-", rest
	}
	if sign, ok := signs[code]; ok {
		return minus + sign + figure
	}
	return minus + code + " " + figure
}

// Amount writes minor units as people read them, with the currency's sign where it
// has one: ¥12,345.67.
func Amount(minor int64, c money.Currency) string { return amount(minor, c) }

// Signed is Amount with a plus before what is added.
func Signed(minor int64, c money.Currency) string {
	if minor > 0 {
		return "+" + amount(minor, c)
	}
	return amount(minor, c)
}

// grouped writes a count with commas between thousands.
func grouped(n int) string { return money.FormatGrouped(int64(n), money.Currency{'J', 'P', 'Y'}) }

// plural gives the English word for a count.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// payments names a number of payments.
func payments(n int) Text {
	return tx(grouped(n)+plural(n, " payment", " payments"), grouped(n)+"笔交易")
}

// clock writes a moment in a zone, in minutes east of UTC: "2026-03-02 10:15".
func clock(at evidence.Instant, offset int16) string {
	if at == 0 {
		return ""
	}
	var buf [40]byte
	b := evidence.AppendInstant(buf[:0], at, offset)
	b[10] = ' '
	return string(b[:16])
}

// clockWith is clock with seconds and the zone: "2026-03-02 10:15:04 +08:00".
func clockWith(at evidence.Instant, offset int16) string {
	if at == 0 {
		return ""
	}
	at -= at % 1e9
	b := evidence.AppendInstant(nil, at, offset)
	zone := string(b[19:])
	if zone == "Z" {
		zone = "UTC"
	}
	b[10] = ' '
	return string(b[:19]) + " " + zone
}

// brief is clock without the year, or the date alone where the year is another
// than that of now.
func brief(at, now evidence.Instant, offset int16) string {
	s := clock(at, offset)
	switch {
	case s == "":
		return ""
	case s[:4] != clock(now, offset)[:4]:
		return s[:10]
	}
	return s[5:]
}

// zone gives the merchant's offset at a moment, in minutes east of UTC.
func zone(p *investigation.Payment, at evidence.Instant) int16 {
	return int16(p.Terms.OffsetAt(at) / 60)
}

// local writes a moment in the merchant's zone.
func local(p *investigation.Payment, at evidence.Instant) string {
	if at == 0 {
		return ""
	}
	return clock(at, zone(p, at))
}

// localBrief is brief in the merchant's zone.
func localBrief(p *investigation.Payment, at evidence.Instant) string {
	if at == 0 {
		return ""
	}
	return brief(at, p.AsOf, zone(p, at))
}

func dateText(d calendar.Date) string {
	if d == calendar.None || d == 0 {
		return ""
	}
	return d.String()
}

// lateBy says how late the late leg is: in business days of the merchant's
// calendar past the promise, or in hours within the day.
func lateBy(p *investigation.Payment) Text {
	if p.OverdueBy <= 0 {
		return Text{}
	}
	from, to := p.Terms.LocalDate(p.LegDue), p.Terms.LocalDate(p.AsOf)
	if n := p.Terms.Calendar.BusinessDaysBetween(from, to); n > 0 {
		return tx(fmt.Sprintf("%d bank %s", n, plural(n, "day", "days")), fmt.Sprintf("%d个工作日", n))
	}
	switch s := p.OverdueBy; {
	case s >= 2*86400:
		return tx(fmt.Sprintf("%d days", s/86400), fmt.Sprintf("%d天", s/86400))
	case s >= 3600:
		n := int(s / 3600)
		return tx(fmt.Sprintf("%d %s", n, plural(n, "hour", "hours")), fmt.Sprintf("%d小时", n))
	case s >= 60:
		return tx(fmt.Sprintf("%d min", s/60), fmt.Sprintf("%d分钟", s/60))
	default:
		return tx(fmt.Sprintf("%d s", s), fmt.Sprintf("%d秒", s))
	}
}

// percent writes a confidence, 0 to 1.
func percent(c float64) string { return fmt.Sprintf("%.0f %%", c*100) }

// plain takes out of a text what could move the cursor, hide or turn letters:
// control and formatting characters become a space.
func plain(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] >= ' ' && s[i] < 0x7f
	}
	if ascii || strings.IndexFunc(s, moves) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if moves(r) {
			return ' '
		}
		return r
	}, s)
}

// moves reports whether a character is no sign that stands where it is written.
// Bytes that are no UTF-8 come as the replacement character.
func moves(r rune) bool {
	switch {
	case r < ' ' || r >= 0x7f && r < 0xa0:
		return true
	case r < 0xad || r >= 0x4e00 && r < 0xa000: // Latin, Chinese
		return false
	}
	return unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029'
}

// reference is the key by which a payment is asked about: its RRN, else the
// order, the processor's reference, the trace number, the approval code, the id.
func reference(a *investigation.Answer, p *investigation.Payment) (name Text, key string) {
	w, k := a.View.Words, &p.Keys
	switch {
	case k.RRN != 0:
		return tx("RRN", "参考号"), plain(w.Text(k.RRN))
	case k.OrderID != 0:
		return tx("order", "订单"), plain(w.Text(k.OrderID))
	case k.Ref != 0:
		return tx("reference", "平台单号"), plain(w.Text(k.Ref))
	case k.STAN != 0:
		return tx("trace no.", "流水号"), plain(w.Text(k.STAN))
	case k.AuthCode != 0:
		return tx("approval code", "授权码"), plain(w.Text(k.AuthCode))
	}
	return tx("id", "编号"), w.Text(p.ID)
}

// describeTerms says in a line what is agreed or assumed; c is the currency of
// the fees.
func describeTerms(t *terms.Terms, c money.Currency) Text {
	cycle := fmt.Sprintf("T+%d", t.Days)
	days := tx("bank days", "工作日")
	if t.CalendarDays {
		cycle, days = fmt.Sprintf("D+%d", t.Days), tx("calendar days", "自然日")
	}
	out := join(same(cycle), tx(" in ", "（"), days, tx("", "）"))
	if t.Cutoff == 24*60 {
		out = join(out, tx(", day ends at midnight", "，零点日切"))
	} else {
		at := fmt.Sprintf("%02d:%02d", t.Cutoff/60, t.Cutoff%60)
		out = join(out, tx(", day ends at "+at, "，"+at+"日切"))
	}
	out = join(out, calendarName(t.Calendar))
	by := fmt.Sprintf("%02d:%02d", t.PayoutBy/60, t.PayoutBy%60)
	out = join(out, tx(", paid out by "+by, "，"+by+"前出款"))
	if t.TerminalCapture {
		out = join(out, tx(", captured by batch upload", "，批次上送请款"))
	}
	switch {
	case t.FeeMode == terms.FeePassthrough:
		out = join(out, tx(", fee as charged", "，手续费以实收为准"))
	case len(t.Fees) == 0:
		out = join(out, tx(", no fee", "，无手续费"))
	default:
		for i, f := range t.Fees {
			if i == 3 {
				out = join(out, same(" …"))
				break
			}
			out = join(out, tx(", fee ", "，费率 "), feeRule(f, c))
		}
	}
	return out
}

// calendarName says which days are bank days.
func calendarName(c *calendar.Calendar) Text {
	switch name := c.Name(); name {
	case "CN":
		return tx(", calendar of China", "，中国工作日历")
	case "WEEKEND":
		return tx(", weekends off", "，周末休息")
	default:
		return tx(", calendar "+name, "，日历 "+name)
	}
}

// feeRule writes one rule of the fee table: "0.38 % + ¥0.10, at most ¥20.00 (debit
// cards)".
func feeRule(f terms.Fee, c money.Currency) Text {
	// A Rate has four decimals of a basis point, six of a percent.
	figure := strconv.FormatFloat(float64(f.Rate)/1e6, 'f', -1, 64)
	s := tx(figure+" %", figure+"%")
	if f.Fixed != 0 {
		s = join(s, same(" + "+amount(f.Fixed, c)))
	}
	if f.Cap != 0 {
		most := amount(f.Cap, c)
		s = join(s, tx(" at most "+most, "，封顶 "+most))
	}
	if of := listOf(same(" "), same(plain(f.Network)), cardTypeWord(f.CardType)); of.EN != "" {
		s = join(s, tx(" (", "（"), of, tx(")", "）"))
	}
	return s
}

// whereNow says in few words where a payment's money is.
func whereNow(p *investigation.Payment) Text {
	w := statusWord(p.Status)
	switch p.Status {
	case journey.InTransit, journey.Overdue, journey.Held:
		if cameBack(p) {
			return join(w, tx(": payout came back", "：出款被退回"))
		}
		if p.Entry != 0 {
			return join(w, tx(": reserve", "：保证金"))
		}
		return join(w, tx(": ", "："), listOf(tx(", ", "，"), stageWord(p.Stage), waitsFor(p.Next)))
	case journey.Short:
		sum := amount(p.Missing, p.Currency)
		return join(w, tx(": "+sum+" missing", "：缺"+sum))
	case journey.Unproven:
		return join(w, tx(": ", "："), stageWord(p.Stage))
	case journey.Refunded:
		if p.Cardholder == journey.Refunding {
			return tx("Being refunded", "退款中")
		}
	}
	return w
}

// cameBack reports whether the payout of a payment was rejected or returned and
// has to be sent again.
func cameBack(p *investigation.Payment) bool {
	return p.Next == journey.Payout && p.Stage >= journey.PaidOut
}
