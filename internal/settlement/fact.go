package settlement

import (
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/payment"
)

// facts writes the evidence of one step.
type facts struct {
	evidence.LineWriter
	step *Step
	// recorded is when we learnt what happened earlier; zero where we did it.
	recorded time.Time
}

func (s *Step) facts(zone *time.Location) *facts {
	return &facts{LineWriter: evidence.LineWriter{Zone: zone}, step: s}
}

// begin starts a fact. Source and id follow from what it is about, so the same
// decision gives the same fact.
func (f *facts) begin(t evidence.Type, source, id string, at time.Time) *facts {
	mid := f.step.MID
	if mid == House {
		mid = ""
	}
	f.step.Evidence = append(f.step.Evidence, payment.Evidence{Source: source, ID: id, Type: t, Time: at, MID: mid})
	f.Begin(source, id, t, at, f.recorded)
	return f.str("mid", mid)
}

func (f *facts) str(name, value string) *facts {
	f.Str(name, value)
	return f
}

func (f *facts) num(name string, v int64) *facts {
	f.Num(name, v)
	return f
}

func (f *facts) date(name string, d calendar.Date) *facts {
	f.Date(name, d)
	return f
}

func (f *facts) moment(name string, at time.Time) *facts {
	f.Moment(name, at)
	return f
}

func (f *facts) end() { f.step.Evidence[len(f.step.Evidence)-1].Line = f.End() }

// keys writes what names a payment.
func (f *facts) keys(k *Keys) *facts {
	return f.str("tid", k.TID).str("batch", k.Batch).str("stan", k.STAN).str("rrn", k.RRN).str("auth_code", k.AuthCode).
		str("order_id", k.OrderID).str("pan", k.PAN).str("card_type", k.CardType.String()).str("network", k.Network).str("issuer", k.Issuer).
		str("original_rrn", k.OriginalRRN).str("original_stan", k.OriginalSTAN)
}

// FactID is the identity of the fact that tells of the line, under the source of
// the merchant's settlement: what the line is about, so that a line is one fact
// however often it is told. about is the payment's part of it, "" for none.
func (l *Line) FactID() (id, about string) {
	if l.Payment == (payment.ID{}) {
		return l.Kind.String() + "/" + l.Extra, ""
	}
	var b [64]byte
	text := appendUUID(b[:0], l.Payment)
	n := len(text)
	id = string(strconv.AppendInt(append(text, '/'), int64(l.Turn), 10))
	return id, id[:n]
}

// line tells of a settlement line.
func (f *facts) line(l *Line, source string) {
	id, about := l.FactID()
	f.begin(evidence.SettlementLine, source, id, l.At).keys(&l.Keys).str("kind", l.Kind.String())
	f.num("gross", l.Gross).num("fee", l.Fee).num("net", l.Net).str("currency", l.Currency.String()).date("settlement_date", l.Date)
	f.moment("transaction_time", l.Time).str("payout", l.Payout).str("payment", about).end()
}

// appendUUID appends what String returns, without making a string.
func appendUUID(b []byte, id payment.ID) []byte {
	const digits = "0123456789abcdef"
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// file declares a merchant's settlement of a day whole.
func (f *facts) file(p *Position, at time.Time) {
	f.begin(evidence.SettlementFile, "settlement/"+p.MID, "file/"+p.Currency.String()+"/"+p.Day.String(), at)
	f.date("date", p.Day).num("count", p.Lines).num("total", p.Total).str("currency", p.Currency.String()).end()
}

// payout tells of a payout's state: by the platform what it did itself, by the
// bank what the bank said.
func (f *facts) payout(p *Payout, state evidence.State, at time.Time, by, ref string) {
	source, id := "payouts/platform", p.ID+"/"+state.String()
	if by == "bank" {
		source = "payouts/" + p.Account.Bank
		id += "/" + ref
	} else if p.Version > 1 {
		id += "/" + strconv.Itoa(int(p.Version))
	}
	if at = at.Truncate(time.Microsecond); !at.After(p.Told) {
		at = p.Told.Add(time.Microsecond)
	}
	p.Told = at
	f.begin(evidence.PayoutStatus, source, id, at).str("payout", p.ID).num("amount", p.Amount).str("currency", p.Currency.String())
	f.str("account", p.Account.Tail).str("bank", p.Account.Bank).str("by", by).str("state", state.String())
	if state == evidence.Rejected || state == evidence.Returned {
		f.str("reason", p.Reason)
	}
	f.str("replaces", p.Replaces).end()
}

// kept tells that a payout is not made as long as there is no account that the bank
// would take, by the reason for which it refused the last one.
func (f *facts) kept(b *Batch, amount int64, at time.Time, reason string) {
	f.begin(evidence.PayoutStatus, "payouts/platform", b.Payout+"/"+evidence.Held.String()+"/"+b.ID, at).str("payout", b.Payout).num("amount", amount)
	f.str("currency", b.Currency.String()).str("by", "platform").str("state", evidence.Held.String()).str("reason", reason).end()
}

// Declare says that all settlement lines and payouts of a stretch of time are
// written as evidence. Only inside what was declared does absence prove
// something: without it nobody can tell a payout that was not made from one of
// which nobody spoke. The caller has run every merchant's settlement of it.
func Declare(now, from, to time.Time, zone *time.Location) *Step {
	s := newStep(House, now)
	f := s.facts(zone)
	for _, of := range [...]string{"settlement", "payouts"} {
		f.begin(evidence.Coverage, "settlement/coverage", of+"/"+strconv.FormatInt(from.Unix(), 10)+"/"+strconv.FormatInt(to.Unix(), 10), now).
			str("of", of).moment("from", from).moment("to", to).end()
	}
	return s
}
