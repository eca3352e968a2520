package payment

import (
	"strconv"
	"time"

	"daozhang/internal/evidence"
)

// facts writes the evidence of one step.
type facts struct {
	evidence.LineWriter
	step   *Step
	source string
	local  time.Time // the terminal's own clock; zero if it did not say
}

// begin starts a fact. Its id is derived from the subject and a word, so that
// the same step always gives the same ids.
func (f *facts) begin(t evidence.Type, subject, word string, at time.Time, mid string) {
	id := subject + "/" + word
	f.step.Evidence = append(f.step.Evidence, Evidence{Source: f.source, ID: id, Type: t, Time: at, MID: mid})
	f.Begin(f.source, id, t, at, time.Time{})
}

func (f *facts) str(name, value string) *facts {
	f.Str(name, value)
	return f
}

func (f *facts) num(name string, v int64) *facts {
	f.Num(name, v)
	return f
}

func (f *facts) raw(name string, json []byte) *facts {
	f.Raw(name, json)
	return f
}

func (f *facts) end() { f.step.Evidence[len(f.step.Evidence)-1].Line = f.End() }

// keys writes what names a transaction. What acts on a charge leaves out card and
// amount in facts that do not say their kind, so that nobody takes them for the
// charge's own.
func (f *facts) keys(t *Transaction) *facts {
	return f.str("mid", t.MID).str("tid", t.TID).str("batch", t.Batch).str("stan", t.STAN).str("rrn", t.RRN).str("order_id", t.OrderID)
}

func (f *facts) card(t *Transaction) *facts {
	return f.str("pan", t.PAN).str("network", t.Network).str("issuer", t.Issuer).str("card_type", t.CardType.String())
}

func (f *facts) money(t *Transaction, amount int64) *facts {
	return f.num("amount", amount).str("currency", t.Currency.String())
}

func (f *facts) payment(t *Transaction) { f.str("payment", t.ID.String()).end() }

// version is the word that tells the facts of a transaction's steps apart.
func version(word string, t *Transaction) string {
	if t.Version <= 1 {
		return word
	}
	return word + "/" + strconv.Itoa(int(t.Version))
}

func (f *facts) request(t, original *Transaction, at time.Time) {
	f.begin(evidence.GatewayRequest, t.ID.String(), "request", at, t.MID)
	f.keys(t).card(t).str("kind", t.Operation.Kind().String())
	if original != nil {
		f.str("original_rrn", original.RRN).str("original_stan", original.STAN)
	}
	f.money(t, t.Amount).Moment("terminal_time", f.local)
	f.payment(t)
}

// response tells of an answer: the network's, late or in time, or our own.
func (f *facts) response(t, original *Transaction, code evidence.Code, auth string, approved int64, at time.Time) {
	f.begin(evidence.GatewayResponse, t.ID.String(), version("response", t), at, t.MID)
	f.keys(t).card(t).str("kind", t.Operation.Kind().String()).str("response_code", code.String()).str("auth_code", auth)
	if original != nil {
		f.str("original_rrn", original.RRN).str("original_stan", original.STAN)
	}
	f.money(t, t.Amount)
	if approved != 0 && approved != t.Amount {
		f.num("approved_amount", approved)
	}
	f.payment(t)
}

// garbled tells of a network's answer that cannot be trusted.
func (f *facts) garbled(t *Transaction, detail string, at time.Time) {
	f.begin(evidence.GatewayError, t.ID.String(), version("garbled", t), at, t.MID)
	f.keys(t).str("kind", t.Operation.Kind().String()).str("link", "platform-network/"+t.Network).str("detail", detail).payment(t)
}

// timeout: link is where the message got stuck, at the issuer if its link is
// otherwise answering, else on the way to the network.
func (f *facts) timeout(t *Transaction, link string, at time.Time) {
	f.begin(evidence.GatewayTimeout, t.ID.String(), version("timeout", t), at, t.MID)
	f.keys(t).str("kind", t.Operation.Kind().String()).str("link", link).payment(t)
}

func (f *facts) reversal(t *Transaction, state evidence.State, code evidence.Code, at time.Time) {
	f.begin(evidence.GatewayReversal, t.ID.String(), version("reversal", t), at, t.MID)
	f.keys(t).str("state", state.String())
	if !t.Operation.ActsOnOriginal() {
		f.card(t).money(t, t.Amount)
	}
	if code != (evidence.Code{}) {
		f.str("response_code", code.String())
	}
	f.payment(t)
}

func (f *facts) risk(t *Transaction, action evidence.State, rule string, score int, at time.Time) {
	f.begin(evidence.RiskDecision, t.ID.String(), version("risk", t), at, t.MID)
	f.keys(t).str("action", action.String()).str("rule", rule).num("score", int64(score)).raw("trace", t.Risk).payment(t)
}

// refused tells of a message without effect. It names the terminal, not the
// payment: its number may be another payment's.
func (f *facts) refused(r *Request, mid, subject, detail string, code evidence.Code, at time.Time) {
	f.begin(evidence.GatewayError, subject, detail, at, mid)
	f.str("mid", mid).str("tid", r.TID).str("link", "terminal-platform/"+r.TID).str("detail", detail)
	if code != (evidence.Code{}) {
		f.str("response_code", code.String())
	}
	f.str("operation", r.Operation.String()).end()
}

// refusedPayment is refused for a message that nobody else's number can be in:
// it failed at the door, and its payment never was.
func (f *facts) refusedPayment(r *Request, mid, subject, detail string, code evidence.Code, at time.Time) {
	f.begin(evidence.GatewayError, subject, detail, at, mid)
	f.str("mid", mid).str("tid", r.TID).str("batch", r.Batch).str("stan", r.STAN).str("kind", r.Operation.Kind().String())
	f.str("link", "terminal-platform/"+r.TID).str("detail", detail).str("response_code", code.String()).end()
}

func (f *facts) batch(bt *Batch, what evidence.State, totals Totals, currency string, at time.Time) {
	f.begin(evidence.TerminalBatch, bt.TID+"/"+bt.Number, what.String()+"/"+bt.Settlement, at, bt.MID)
	f.str("mid", bt.MID).str("tid", bt.TID).str("batch", bt.Number).str("what", what.String())
	f.num("count", int64(totals.DebitCount+totals.CreditCount)).num("total", totals.DebitAmount-totals.CreditAmount).str("currency", currency).end()
}

// LinkStatus is a step that only tells of a link: "platform-network/UnionPay",
// "network-issuer/ICBC". The error rate lies between 0 and 1.
func (b *Book) LinkStatus(now time.Time, link string, state evidence.State, latency time.Duration, errorRate float64) *Step {
	s := &Step{At: now}
	f := b.facts(s, nil)
	f.begin(evidence.LinkStatus, link, strconv.FormatInt(now.UnixMicro(), 36), now, "")
	f.str("link", link).str("state", state.String()).num("latency_ms", latency.Milliseconds())
	f.raw("error_rate", strconv.AppendFloat(nil, errorRate, 'f', 3, 64)).end()
	return s
}

// Unreadable tells of bytes from a network that are no answer to anything. They
// name nobody, so neither does it; nothing is decided by them.
func (b *Book) Unreadable(now time.Time, network, link, detail string, env Env) Decision {
	s := &Step{At: now}
	f := b.facts(s, nil)
	f.begin(evidence.GatewayError, env.NewID(now).String(), detail, now, "")
	f.str("link", "platform-network/"+network).str("line", link).str("detail", detail).end()
	return Decision{Step: s, Outcome: OutcomeUnreadable}
}

// Profile is the directory's answer about a terminal; nil if it is not
// registered.
func (b *Book) Profile(tid string) *Profile { return b.directory.Terminal(tid) }
