package store

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// The tables of the desk. All lie beside the other rows of their merchant.
var (
	caseTable       = &table{name: "desk_case", columns: columns("merchant subject version:n watched:n state owner changed:n body"), key: 2, merchant: true}
	historyTable    = &table{name: "desk_event", columns: columns("merchant subject version:n body"), key: 3, merchant: true}
	attachmentTable = &table{name: "desk_file", columns: columns("merchant subject hash at:n body content:b"), key: 3, merchant: true}
	proposalTable   = &table{name: "desk_proposal", columns: columns("merchant id version:n ended:n at:n maker subject body"), key: 2, merchant: true}
)

// deskTables are written in this order; see tables.
var deskTables = []*table{proposalTable, caseTable, historyTable, attachmentTable}

// errRegisters is a step for a store that is open for its registers alone.
var errRegisters = fault.Same("the database is open for its registers alone")

var _ desk.Keeper = (*Store)(nil)

// CommitDesk writes what one decision at the desk comes to, durably: cases with
// their history, files, proposals, what is booked, and the lines of the audit log. A
// step that rests on a row of another version than the one on record is refused as
// fault.Conflict with payment.ErrRefused; nothing of it is kept then.
func (s *Store) CommitDesk(ctx context.Context, step *desk.Step) error {
	if s.options.Registers {
		return refused(fault.New(fault.NotAllowed, "write", "step", errRegisters, ""))
	}
	p, err := prepareDesk(step)
	if err != nil {
		return err
	}
	return s.submit(ctx, p)
}

func prepareDesk(s *desk.Step) (*prepared, error) {
	p := &prepared{mid: s.MID, at: micros(s.At), decided: true}
	kept := &body.Step{MID: s.MID, At: body.Nanos(s.At)}
	if s.MID == "" {
		return nil, invalid("", "the step names no merchant")
	}
	if b := s.Settlement; b != nil {
		if err := p.takeBooked(b, kept); err != nil {
			return nil, err
		}
	}
	for _, f := range []func(*desk.Step, *body.Step) error{p.takeProposals, p.takeCases, p.takeHistory, p.takeFiles} {
		if err := f(s, kept); err != nil {
			return nil, err
		}
	}
	for _, e := range s.Audit {
		if err := p.audit(e); err != nil {
			return nil, err
		}
	}
	return p, p.journal(kept)
}

// takeBooked takes what a decision books: never a payment, a line, or an order to
// pay, which other steps bring.
func (p *prepared) takeBooked(b *settlement.Step, kept *body.Step) error {
	switch {
	case b.MID != p.mid:
		return invalid(p.mid, "what is booked is of another merchant")
	case len(b.Transactions)+len(b.Lines)+len(b.Orders) > 0:
		return invalid(p.mid, "the desk writes no payments, no settlement lines and no orders")
	}
	if err := p.take(&b.Step, kept); err != nil {
		return err
	}
	if err := p.takeSettlement(b, kept); err != nil {
		return err
	}
	return p.takePayouts(b, kept)
}

func (p *prepared) takeProposals(s *desk.Step, kept *body.Step) error {
	for i := range s.Proposals {
		x := &s.Proposals[i]
		raw, err := body.EncodeMotion(x)
		if err := p.own(x.MID, "proposal "+x.ID, x.Version, err); err != nil {
			return err
		}
		at := x.Made
		if x.State.Over() {
			at = x.Ended
		}
		subject := ""
		if x.Case != (desk.Key{}) {
			subject = x.Case.Subject()
		}
		kept.Put(proposalTable.name, raw)
		p.putVersion(proposalTable, x.Version, row{x.MID, x.ID, int64(x.Version), flag(x.State.Over()), micros(at), x.Maker, subject, string(raw)})
	}
	return nil
}

func (p *prepared) takeCases(s *desk.Step, kept *body.Step) error {
	for i := range s.Cases {
		c := &s.Cases[i]
		raw, err := body.EncodeCase(c)
		if err := p.own(c.Key.MID, "case "+c.Key.Subject(), c.Version, err); err != nil {
			return err
		}
		kept.Put(caseTable.name, raw)
		p.putVersion(caseTable, c.Version, row{c.Key.MID, c.Key.Subject(), int64(c.Version), flag(!c.Over), string(c.State), c.Owner, micros(c.Changed), string(raw)})
	}
	return nil
}

func (p *prepared) takeHistory(s *desk.Step, kept *body.Step) error {
	for i := range s.Events {
		e := &s.Events[i]
		raw, err := body.EncodeHistory(e)
		if err := p.own(e.Key.MID, "history of "+e.Key.Subject(), e.Version, err); err != nil {
			return err
		}
		kept.Put(historyTable.name, raw)
		p.put(historyTable, insert, row{e.Key.MID, e.Key.Subject(), int64(e.Version), string(raw)})
	}
	return nil
}

// takeFiles takes what is attached. The same content again stays as it is.
func (p *prepared) takeFiles(s *desk.Step, _ *body.Step) error {
	for i := range s.Files {
		f := &s.Files[i]
		raw, err := body.EncodeAttachment(f)
		if err := p.own(f.Key.MID, "file of "+f.Key.Subject(), 1, err); err != nil {
			return err
		}
		if f.Hash == "" || int64(len(f.Content)) != f.Size {
			return invalid(f.Key.String(), "a file has a hash and as many bytes as it says")
		}
		p.put(attachmentTable, ignore, row{f.Key.MID, f.Key.Subject(), f.Hash, micros(f.At), string(raw), f.Content})
	}
	return nil
}

// Case returns the case about something. fault.NotFound where nobody has touched it.
func (s *Store) Case(ctx context.Context, k desk.Key) (desk.Case, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeCase, "SELECT body FROM desk_case WHERE merchant = $1 AND subject = $2", k.MID, k.Subject())
	return first(s, "read case", k.String(), all, err)
}

// CaseEvents returns the history of a case, the oldest first.
func (s *Store) CaseEvents(ctx context.Context, k desk.Key) ([]desk.Event, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeHistory, "SELECT body FROM desk_event WHERE merchant = $1 AND subject = $2 ORDER BY version", k.MID, k.Subject())
	return all, s.failed("read case from", err)
}

// OpenCases returns the cases that lists of work have to look at, of one merchant,
// or of all where mid is "", in no order.
func (s *Store) OpenCases(ctx context.Context, mid string) ([]desk.Case, error) {
	q, args := "SELECT body FROM desk_case WHERE watched = 1", []any(nil)
	if mid != "" {
		q, args = q+" AND merchant = $1", []any{mid}
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeCase, q, args...)
	return all, s.failed("read cases from", err)
}

// SettledCases returns up to n resolved cases after a mark, the latest first.
func (s *Store) SettledCases(ctx context.Context, mid string, after desk.SettledMark, n int) ([]desk.Case, error) {
	q, args := "SELECT body FROM desk_case WHERE state = 'resolved'", []any(nil)
	if after.ID != "" {
		k, err := desk.ParseKey(after.ID)
		if err != nil {
			return nil, err
		}
		q += " AND (changed < $1 OR changed = $1 AND (merchant > $2 OR merchant = $2 AND subject > $3))"
		args = []any{after.Changed.UnixMicro(), k.MID, k.Subject()}
	}
	if mid != "" {
		args = append(args, mid)
		q += " AND merchant = $" + strconv.Itoa(len(args))
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeCase, q+" ORDER BY changed DESC, merchant, subject LIMIT "+strconv.Itoa(n), args...)
	return all, s.failed("read cases from", err)
}

// CaseFiles returns what is attached to a case, without the content, the oldest first.
func (s *Store) CaseFiles(ctx context.Context, k desk.Key) ([]desk.File, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeAttachment, "SELECT body FROM desk_file WHERE merchant = $1 AND subject = $2 ORDER BY at, hash", k.MID, k.Subject())
	return all, s.failed("read files from", err)
}

// CaseFile returns one with its content. fault.NotFound where there is none.
func (s *Store) CaseFile(ctx context.Context, k desk.Key, hash string) (desk.File, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeAttachment, "SELECT body FROM desk_file WHERE merchant = $1 AND subject = $2 AND hash = $3", k.MID, k.Subject(), hash)
	f, err := first(s, "read file", k.String(), all, err)
	if err != nil {
		return f, err
	}
	content, err := collect(ctx, s.read.QueryContext, func(b []byte) ([]byte, error) { return append([]byte(nil), b...), nil },
		"SELECT content FROM desk_file WHERE merchant = $1 AND subject = $2 AND hash = $3", k.MID, k.Subject(), hash)
	f.Content, err = first(s, "read file", k.String(), content, err)
	return f, err
}

// Proposal returns one. fault.NotFound where there is none.
func (s *Store) Proposal(ctx context.Context, mid, id string) (desk.Proposal, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeMotion, "SELECT body FROM desk_proposal WHERE merchant = $1 AND id = $2", mid, id)
	return first(s, "read proposal", mid+"."+id, all, err)
}

// Proposals returns up to n that pass a filter: what waits the oldest first, what is
// over the latest first.
func (s *Store) Proposals(ctx context.Context, f desk.ProposalFilter, n int) ([]desk.Proposal, error) {
	var c condition
	c.and("ended = ", flag(f.Over))
	mid := f.MID
	if f.Case != (desk.Key{}) {
		mid = f.Case.MID
		c.and("subject = ", f.Case.Subject())
	}
	if mid != "" {
		c.and("merchant = ", mid)
	}
	if f.Maker != "" {
		c.and("maker = ", f.Maker)
	}
	order := " ORDER BY at, id"
	if f.Over {
		order = " ORDER BY at DESC, id"
		if f.After.ID != "" {
			at := "$" + strconv.Itoa(len(c.args)+1)
			c.parts = append(c.parts, "(at < "+at+" OR at = "+at+" AND id > $"+strconv.Itoa(len(c.args)+2)+")")
			c.args = append(c.args, f.After.Changed.UnixMicro(), f.After.ID)
		}
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeMotion, "SELECT body FROM desk_proposal"+c.where()+order+" LIMIT "+strconv.Itoa(n), c.args...)
	return all, s.failed("read proposals from", err)
}

// MerchantsWithProposals returns the merchants about whose terms, account or state
// something waits for a check, by number; of one where mid is given.
func (s *Store) MerchantsWithProposals(ctx context.Context, mid string) ([]merchant.Merchant, error) {
	q, args := `SELECT body FROM merchant_record WHERE body LIKE '%"proposals":[{%'`, []any(nil)
	if mid != "" {
		q, args = q+" AND merchant = $1", []any{mid}
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeMerchant, q+" ORDER BY merchant", args...)
	return all, s.failed("read merchants from", err)
}

// ExceptionsOpen returns the exceptions that are not resolved, of one merchant, or
// of all where mid is "", the oldest first.
func (s *Store) ExceptionsOpen(ctx context.Context, mid string) ([]payment.Exception, error) {
	return s.Exceptions(ctx, ExceptionFilter{MID: mid, Open: true})
}

// ExceptionByID returns one, resolved or not. fault.NotFound where there is none.
func (s *Store) ExceptionByID(ctx context.Context, mid string, id uuid.UUID) (payment.Exception, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeException, "SELECT body FROM payment_exception WHERE merchant = $1 AND id = $2", mid, id[:])
	return first(s, "read exception", id.String(), all, err)
}
