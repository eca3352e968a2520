package payment

import (
	"encoding/json"
	"strconv"
	"time"

	"daozhang/internal/evidence"
)

// facts writes the evidence of one step. All lines share one buffer.
type facts struct {
	step   *Step
	source string
	buf    []byte
	zone   *time.Location
	first  bool
	start  int
}

// begin starts a fact. Its id is derived from the subject and a word, so that
// the same step always gives the same ids.
func (f *facts) begin(t evidence.Type, subject, word string, at time.Time, mid string) {
	if f.buf == nil {
		f.buf = make([]byte, 0, 768)
	}
	f.start = len(f.buf)
	id := subject + "/" + word
	f.step.Evidence = append(f.step.Evidence, Evidence{Source: f.source, ID: id, Type: t, Time: at, MID: mid})
	b := append(f.buf, `{"specversion":"1.0","id":`...)
	b = appendJSON(b, id)
	b = append(b, `,"source":`...)
	b = appendJSON(b, f.source)
	b = append(b, `,"type":"`...)
	b = append(append(b, evidence.TypePrefix...), t.String()...)
	b = append(b, `","time":"`...)
	b = at.In(f.zone).AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	f.buf = append(b, `","data":{`...)
	f.first = true
}

func (f *facts) name(name string) {
	if !f.first {
		f.buf = append(f.buf, ',')
	}
	f.first = false
	f.buf = append(append(append(f.buf, '"'), name...), '"', ':')
}

// str writes a field, nothing where it is empty.
func (f *facts) str(name, value string) *facts {
	if value != "" {
		f.name(name)
		f.buf = appendJSON(f.buf, value)
	}
	return f
}

func (f *facts) num(name string, v int64) *facts {
	f.name(name)
	f.buf = strconv.AppendInt(f.buf, v, 10)
	return f
}

func (f *facts) raw(name string, json []byte) *facts {
	if len(json) > 0 {
		f.name(name)
		f.buf = append(f.buf, json...)
	}
	return f
}

func (f *facts) end() {
	f.buf = append(f.buf, '}', '}')
	f.step.Evidence[len(f.step.Evidence)-1].Line = f.buf[f.start:len(f.buf):len(f.buf)]
}

func appendJSON(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

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
	f.money(t, t.Amount).payment(t)
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
	f.name("error_rate")
	f.buf = strconv.AppendFloat(f.buf, errorRate, 'f', 3, 64)
	f.end()
	return s
}

// Profile is the directory's answer about a terminal; nil if it is not
// registered.
func (b *Book) Profile(tid string) *Profile { return b.directory.Terminal(tid) }
