package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
	"daozhang/internal/store/body"
)

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// dateOrNull is a date in a column.
func dateOrNull(d calendar.Date) any {
	if d <= 0 {
		return nil
	}
	return d.String()
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func idOrNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id[:]
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// prepared is a step as rows, all but what only the committer knows: places in
// chains and positions.
type prepared struct {
	mid string
	// subject names the step in errors, beside the merchant.
	subject   string
	at        int64
	works     []work
	transfers []ledger.Transfer
	evidence  []row // node and position are set by the committer
	packs     []row // likewise
	reference []row
	step      string // the journal's body; "" where there is nothing in it
	// decided is a step that was decided on rows as others left them. It is kept
	// already only where every one of them is on record exactly so; one that is
	// further on may be the work of another decision.
	decided bool
	// once is a step whose commit lets something go out that must not go out twice:
	// it is never taken for kept already.
	once bool
	// firsthand is a step whose facts are told here for the first time: they come of
	// what it decided. Looking for each whether it is there costs as much as writing
	// it, so they are written as new ones; where one is there after all, the step is
	// written alone, which looks.
	firsthand bool
}

// put adds a row to those that go into a table in one way.
func (p *prepared) put(t *table, v verb, r row) {
	for i := range p.works {
		if w := &p.works[i]; w.table == t && w.verb == v {
			w.rows = append(w.rows, r)
			return
		}
	}
	p.works = append(p.works, work{t, v, []row{r}})
}

// putVersion adds a row of a table with versions: the first is inserted, a later
// one replaces the version before it.
func (p *prepared) putVersion(t *table, version uint32, r row) {
	if version == 1 {
		p.put(t, insert, r)
		return
	}
	p.put(t, replace, append(r, int64(version)-1))
}

func (p *prepared) rows() int {
	n := len(p.transfers) + len(p.evidence) + len(p.packs) + len(p.reference) + 1
	for i := range p.works {
		n += len(p.works[i].rows)
	}
	return n
}

// invalid is a step that no store would keep.
func invalid(subject, why string) error {
	return fault.New(fault.Invalid, "write step", subject, fmt.Errorf("%w: %s", payment.ErrRefused, why), "")
}

// prepare turns a step into rows. It runs in the caller's goroutine.
func prepare(s *payment.Step) (*prepared, error) {
	p := &prepared{mid: s.MID, at: micros(s.At)}
	kept := body.Step{MID: s.MID, At: body.Nanos(s.At)}
	if err := p.take(s, &kept); err != nil {
		return nil, err
	}
	return p, p.journal(&kept)
}

// journal makes the journal's row of what was kept in the state tables.
func (p *prepared) journal(kept *body.Step) error {
	if kept.Empty() {
		return nil
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return invalid(p.mid, err.Error())
	}
	p.step = string(raw)
	return nil
}

// take turns what a payment's step holds into rows.
func (p *prepared) take(s *payment.Step, kept *body.Step) error {
	if s.MID == "" && (len(s.Transactions)+len(s.Transfers)+len(s.Outgoing)+len(s.Exceptions)+len(s.Batches) > 0) {
		return invalid("", "the step names no merchant")
	}
	for i := range s.Transactions {
		t := &s.Transactions[i]
		if t.MID != s.MID {
			return invalid(t.ID.String(), "a transaction of another merchant")
		}
		if t.Version == 0 || t.ID == uuid.Nil {
			return invalid(t.ID.String(), "a transaction needs an id, and its version counts from 1")
		}
		raw, err := body.EncodeTransaction(t)
		if err != nil {
			return invalid(t.ID.String(), err.Error())
		}
		kept.Transactions = append(kept.Transactions, raw)
		if p.subject == "" {
			p.subject = "payment " + t.ID.String()
		}
		p.putVersion(paymentTable, t.Version, row{t.MID, idBytes(t.ID), int64(t.Version), t.Operation.String(), t.State.String(), flag(t.State.Open()), t.TID,
			t.Batch, t.STAN, orNull(t.RRN), idOrNull(t.Original), micros(t.Received), dateOrNull(t.BusinessDate), t.Currency.String(), t.Amount, string(raw)})
		if moves(s, t) {
			p.putDue(t)
		}
	}
	for i := range s.Transfers {
		t := &s.Transfers[i]
		if t.Merchant != s.MID {
			return invalid(t.Key, "a transfer of another merchant")
		}
		if err := t.Check(); err != nil {
			return refused(err)
		}
		p.transfers = append(p.transfers, *t)
	}
	for i := range s.Outgoing {
		o := &s.Outgoing[i]
		raw, err := body.EncodeOutgoing(o)
		if err != nil || o.MID != s.MID {
			return invalid(o.Payment.String(), "an outgoing message of another merchant or of no known kind")
		}
		kept.Outgoing = append(kept.Outgoing, raw)
		p.put(outgoingTable, upsert, row{o.MID, idBytes(o.Payment), body.MessageKinds[o.Kind], body.OutgoingStates[o.State], micros(o.Next), string(raw)})
	}
	for i := range s.Exceptions {
		e := &s.Exceptions[i]
		raw, err := body.EncodeException(e)
		if err != nil || e.MID != s.MID || e.ID == uuid.Nil {
			return invalid(e.ID.String(), "an exception of another merchant or without an id")
		}
		kept.Exceptions = append(kept.Exceptions, raw)
		p.put(exceptionTable, upsert, row{e.MID, idBytes(e.ID), idOrNull(e.Payment), e.Kind, body.ExceptionStates[e.State], e.Owner, micros(e.Opened), string(raw)})
	}
	for i := range s.Batches {
		b := &s.Batches[i]
		raw, err := body.EncodeBatch(b)
		if err != nil || b.MID != s.MID {
			return invalid(b.TID+" "+b.Number, "a batch of another merchant or in no known state")
		}
		kept.Batches = append(kept.Batches, raw)
		p.put(batchTable, upsert, row{b.MID, b.TID, b.Number, body.BatchStates[b.State], micros(b.Opened), string(raw)})
	}
	for i := range s.Evidence {
		e := &s.Evidence[i]
		if e.MID != "" && e.MID != s.MID {
			return invalid(e.ID, "evidence of another merchant")
		}
		if err := p.addEvidence(e); err != nil {
			return err
		}
	}
	return nil
}

func idBytes(id uuid.UUID) []byte { return id[:] }

// checkFact refuses what is no fact of one line.
func checkFact(e *payment.Evidence) error {
	if e.Source == "" || e.ID == "" || len(e.Line) == 0 {
		return invalid(e.Source+"#"+e.ID, "evidence has a source, an id and a line")
	}
	if !utf8.Valid(e.Line) || !utf8.ValidString(e.ID) || !utf8.ValidString(e.Source) {
		return invalid(e.Source, "evidence is UTF-8")
	}
	for _, c := range e.Line {
		if c < ' ' {
			return invalid(e.Source+"#"+e.ID, "evidence is one line without control characters")
		}
	}
	return nil
}

func (p *prepared) addEvidence(e *payment.Evidence) error {
	if err := checkFact(e); err != nil {
		return err
	}
	hash := sha256.Sum256(e.Line)
	r := row{e.MID, e.ID, e.Source, hash[:16], nil, nil, e.Type.String(), micros(e.Time), string(e.Line)}
	if e.MID == "" {
		p.reference = append(p.reference, r[1:])
	} else {
		p.evidence = append(p.evidence, r)
	}
	return nil
}
