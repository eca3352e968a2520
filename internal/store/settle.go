package store

import (
	"context"
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// The tables of settlement, clearing and merchants.
var (
	positionTable   = &table{name: "settlement_position", columns: columns("merchant currency version:n body"), key: 2, merchant: true}
	settlementTable = &table{name: "settlement_batch", columns: columns("merchant id version:n currency day state body"), key: 2, merchant: true, fixed: []string{"currency", "day"}}
	lineTable       = &table{name: "settlement_line", columns: columns("merchant payout batch seq:n payment:b turn:n extra kind gross:n fee:n net:n body"), key: 4, merchant: true}
	dueTable        = &table{name: "settlement_due", columns: columns("merchant payment:b effect:n"), key: 2, merchant: true}
	extraTable      = &table{name: "settlement_extra", columns: columns("merchant id currency at:n batch body"), key: 2, merchant: true, open: "batch"}
	reserveTable    = &table{name: "settlement_reserve", columns: columns("merchant batch currency released body"), key: 2, merchant: true, open: "released"}
	holdTable       = &table{name: "settlement_hold", columns: columns("merchant id released body"), key: 2, merchant: true, open: "released"}
	payoutTable     = &table{name: "payout", columns: columns("merchant id version:n state day open:n due:n body"), key: 2, merchant: true, fixed: []string{"day"}}
	dayTable        = &table{name: "clearing_day", columns: columns("merchant network date version:n state body"), key: 3, merchant: true}
	shareTable      = &table{name: "clearing_share", columns: columns("merchant network date version:n body"), key: 3, merchant: true}
	clearingTable   = &table{name: "clearing_part", columns: columns("merchant network date part:n lines:n signed:n body:b"), key: 4, merchant: true}
	unclearedTable  = &table{name: "clearing_due", columns: columns("merchant payment:b network date"), key: 2, merchant: true}
	recordTable     = &table{name: "merchant_record", columns: columns("merchant version:n state body"), key: 1, merchant: true}
	eventTable      = &table{name: "merchant_event", columns: columns("merchant version:n what body"), key: 2, merchant: true}
)

// Other ways into them.
var (
	// dueSettled takes out what a line has settled, where the effect is still the
	// one that the line knew; else something happened meanwhile and it stays.
	dueSettled = &table{name: "settlement_due", columns: columns("merchant payment:b effect:n"), key: 3, merchant: true, part: true}
	// dueNothing takes out what was undone before any line settled it.
	dueNothing = &table{name: "settlement_due", columns: columns("merchant"), key: 1, merchant: true, part: true,
		statement: `DELETE FROM settlement_due WHERE merchant = $1 AND effect = 0
			AND NOT EXISTS (SELECT 1 FROM settlement_line l WHERE l.merchant = $1 AND l.payment = settlement_due.payment)`}
	// clearedAgain puts back what an earlier issue of a file had cleared and the new
	// one does not.
	clearedAgain = &table{name: "clearing_due", columns: columns("merchant payment:b network date"), key: 4, merchant: true, part: true,
		statement: `INSERT INTO clearing_due (merchant, payment, network, date)
			SELECT merchant, id, CAST($3 AS TEXT), COALESCE(business_date, CAST($4 AS TEXT)) FROM payment
			WHERE merchant = $1 AND id = $2 AND state IN ('approved', 'reversing')
			ON CONFLICT DO NOTHING`}
	clearedDay = &table{name: "clearing_part", columns: columns("merchant network date"), key: 3, merchant: true, part: true}
)

// settlementTables are written in this order; see tables.
var settlementTables = []*table{positionTable, settlementTable, lineTable, dueTable, dueSettled, dueNothing, extraTable, reserveTable, holdTable, payoutTable,
	clearedAgain, clearedDay, clearingTable, unclearedTable, shareTable, dayTable, recordTable, eventTable}

// CommitSettlement writes a step of settlement durably, as Commit does, together
// with what others commit. It does not keep the step: its room may be used again.
//
// A step that rests on a row of another version than the one on record, that
// settles what is settled already, or that would change a settled extra, a
// released reserve or an ended hold, is refused as fault.Conflict with
// payment.ErrRefused: nothing of it is kept and the decision is taken anew. A
// step that is on record exactly as it is has no second effect and no error,
// unless it holds an order to pay: then it is refused, for its order may have
// left.
func (s *Store) CommitSettlement(ctx context.Context, step *settlement.Step) error {
	p, err := prepareSettlement(step)
	if err != nil {
		return err
	}
	return s.submit(ctx, p)
}

// CommitMerchant writes a merchant's row with what happened and its evidence. One
// that rests on another version is refused as fault.Conflict with
// payment.ErrRefused.
func (s *Store) CommitMerchant(ctx context.Context, c *merchant.Change) error {
	p, err := prepareMerchant(c)
	if err != nil {
		return err
	}
	return s.submit(ctx, p)
}

// prepareSettlement turns a step into rows. It runs in the caller's goroutine and
// keeps nothing of the step.
func prepareSettlement(s *settlement.Step) (*prepared, error) {
	p := &prepared{mid: s.MID, at: micros(s.At), decided: true}
	kept := &body.Step{MID: s.MID, At: body.Nanos(s.At)}
	if s.MID == "" {
		return nil, invalid("", "the step names no merchant")
	}
	if len(s.Transactions) > 0 {
		return nil, invalid(s.MID, "settlement writes no transactions")
	}
	core := s.Step
	p.firsthand = !slices.ContainsFunc(s.Shares, func(h settlement.Share) bool { return h.Version > 1 }) // a corrected file repeats most of its lines
	if p.firsthand && s.Recleared {
		var err error
		if core.Evidence, err = p.pack(s); err != nil {
			return nil, err
		}
	}
	if err := p.take(&core, kept); err != nil {
		return nil, err
	}
	for _, f := range []func(*settlement.Step, *body.Step) error{p.takeSettlement, p.takeLines, p.takePayouts, p.takeClearing} {
		if err := f(s, kept); err != nil {
			return nil, err
		}
	}
	return p, p.journal(kept)
}

// own checks what every row of a step has to be.
func (p *prepared) own(mid, what string, version uint32, err error) error {
	switch {
	case err != nil:
		return invalid(mid+" "+what, err.Error())
	case mid != p.mid:
		return invalid(what, "a row of another merchant")
	case version == 0:
		return invalid(mid+" "+what, "versions count from 1")
	}
	if p.subject == "" {
		p.subject = what
	}
	return nil
}

func (p *prepared) takeSettlement(s *settlement.Step, kept *body.Step) error {
	for i := range s.Positions {
		x := &s.Positions[i]
		raw, err := body.EncodePosition(x)
		if err := p.own(x.MID, "position "+x.Currency.String(), x.Version, err); err != nil {
			return err
		}
		kept.Put(positionTable.name, raw)
		p.putVersion(positionTable, x.Version, row{x.MID, x.Currency.String(), int64(x.Version), string(raw)})
	}
	for i := range s.Batches {
		b := &s.Batches[i]
		raw, err := body.EncodeSettlement(b)
		if err := p.own(b.MID, "batch "+b.ID, b.Version, err); err != nil {
			return err
		}
		kept.Put(settlementTable.name, raw)
		p.putVersion(settlementTable, b.Version, row{b.MID, b.ID, int64(b.Version), b.Currency.String(), b.Day.String(), body.SettlementStates[b.State], string(raw)})
		if b.State == settlement.Settled {
			p.put(dueNothing, run, row{b.MID})
		}
	}
	for i := range s.Extras {
		x := &s.Extras[i]
		raw, err := body.EncodeExtra(x)
		if err := p.own(x.MID, "extra "+x.ID, 1, err); err != nil {
			return err
		}
		kept.Put(extraTable.name, raw)
		p.put(extraTable, claim, row{x.MID, x.ID, x.Currency.String(), micros(x.At), orNull(x.Batch), string(raw)})
	}
	for i := range s.Reserves {
		r := &s.Reserves[i]
		raw, err := body.EncodeReserve(r)
		if err := p.own(r.MID, "reserve "+r.Batch, 1, err); err != nil {
			return err
		}
		kept.Put(reserveTable.name, raw)
		p.put(reserveTable, claim, row{r.MID, r.Batch, r.Currency.String(), orNull(r.Released), string(raw)})
	}
	for i := range s.Holds {
		h := &s.Holds[i]
		raw, err := body.EncodeHold(h)
		if err := p.own(h.MID, "hold "+h.ID, 1, err); err != nil {
			return err
		}
		released := ""
		if !h.Released.IsZero() {
			released = h.Released.UTC().Format("2006-01-02")
		}
		kept.Put(holdTable.name, raw)
		p.put(holdTable, claim, row{h.MID, h.ID, orNull(released), string(raw)})
	}
	return nil
}

// takeLines takes lines, and out of what is due what they settle.
func (p *prepared) takeLines(s *settlement.Step, _ *body.Step) error {
	if len(s.Lines) == 0 {
		return nil
	}
	lines := make([]row, 0, len(s.Lines))
	settled := make([]row, 0, len(s.Lines))
	for i := range s.Lines {
		l := &s.Lines[i]
		raw, err := body.EncodeLine(l)
		if err := p.own(l.MID, "line", 1, err); err != nil {
			return err
		}
		lines = append(lines, row{l.MID, l.Payout, l.Batch, l.Seq, idOrNull(l.Payment), int64(l.Turn), orNull(l.Extra), l.Kind.String(), l.Gross, l.Fee, l.Net, string(raw)})
		if l.Payment != (payment.ID{}) {
			settled = append(settled, row{l.MID, idBytes(l.Payment), settledBy(l)})
		}
	}
	p.works = append(p.works, work{lineTable, insert, lines})
	if len(settled) > 0 {
		p.works = append(p.works, work{dueSettled, remove, settled})
	}
	return nil
}

// settledBy is what a transaction's lines come to, before fees, with its latest.
func settledBy(l *settlement.Line) int64 {
	switch l.Kind {
	case evidence.Sale, evidence.Completion:
		return l.Gross
	case evidence.Refund:
		return -l.Gross
	}
	return 0 // it undoes the one before
}

func (p *prepared) takePayouts(s *settlement.Step, kept *body.Step) error {
	for i := range s.Payouts {
		o := &s.Payouts[i]
		raw, err := body.EncodePayout(o)
		if err := p.own(o.MID, "payout "+o.ID, o.Version, err); err != nil {
			return err
		}
		due := int64(0)
		if o.State == settlement.Sent || o.State == settlement.Unknown {
			due = micros(o.Next)
		}
		kept.Put(payoutTable.name, raw)
		p.putVersion(payoutTable, o.Version, row{o.MID, o.ID, int64(o.Version), o.State.String(), o.Day.String(), flag(openPayout(o)), due, string(raw)})
	}
	for i := range s.Orders {
		p.once = p.once || s.Orders[i].Kind == settlement.Pay
	}
	return nil
}

// openPayout reports whether something is still to be done about a payout, or to
// be heard of it.
func openPayout(o *settlement.Payout) bool {
	switch o.State {
	case settlement.Credited:
		return false
	case settlement.Rejected, settlement.Returned:
		return o.Resent < o.Amount
	}
	return true
}

func (p *prepared) takeClearing(s *settlement.Step, kept *body.Step) error {
	for i := range s.Shares {
		h := &s.Shares[i]
		raw, err := body.EncodeShare(h)
		if err := p.own(h.MID, "share of "+h.Network+" "+h.Date.String(), h.Version, err); err != nil {
			return err
		}
		kept.Put(shareTable.name, raw)
		p.putVersion(shareTable, h.Version, row{h.MID, h.Network, h.Date.String(), int64(h.Version), string(raw)})
	}
	if s.Recleared && len(s.Shares) != 1 || !s.Recleared && len(s.Cleared)+len(s.Reopened) > 0 {
		return invalid(s.MID, "clearing lines are replaced together, with the share that they make")
	}
	if s.Recleared {
		if err := p.replaceLines(s, &s.Shares[0]); err != nil {
			return err
		}
	}
	for i := range s.Days {
		d := &s.Days[i]
		raw, err := body.EncodeDay(d)
		if err := p.own(settlement.House, "day "+d.Network+" "+d.Date.String(), d.Version, err); err != nil {
			return err
		}
		kept.Put(dayTable.name, raw)
		p.putVersion(dayTable, d.Version, row{settlement.House, d.Network, d.Date.String(), int64(d.Version), body.DayStates[d.State], string(raw)})
	}
	return nil
}

// replaceLines writes the lines of a merchant's part of a file in place of those of
// an earlier issue.
func (p *prepared) replaceLines(s *settlement.Step, h *settlement.Share) error {
	network, date := h.Network, h.Date.String()
	p.put(clearedDay, remove, row{h.MID, network, date})
	for _, id := range s.Reopened {
		p.put(clearedAgain, run, row{h.MID, idBytes(id), network, date})
	}
	for i := range s.Cleared {
		c := &s.Cleared[i]
		if c.MID != h.MID || c.Network != network || c.Date != h.Date {
			return invalid(s.MID+" "+c.Key, "a clearing line of another day")
		}
		if c.Clears() {
			p.put(unclearedTable, remove, row{c.MID, idBytes(c.Payment)})
		}
	}
	parts, err := clearingParts(h.MID, network, date, s.Cleared)
	if err != nil {
		return invalid(s.MID, err.Error())
	}
	for _, r := range parts {
		p.put(clearingTable, insert, r)
	}
	return nil
}

func prepareMerchant(c *merchant.Change) (*prepared, error) {
	m, e := &c.Merchant, &c.Event
	p := &prepared{mid: m.MID, at: micros(e.At), decided: true}
	kept := &body.Step{MID: m.MID, At: body.Nanos(e.At)}
	raw, err := body.EncodeMerchant(m)
	if err := p.own(m.MID, "record", m.Version, err); err != nil {
		return nil, err
	}
	kept.Put(recordTable.name, raw)
	p.putVersion(recordTable, m.Version, row{m.MID, int64(m.Version), string(m.Status.State), string(raw)})
	raw, err = body.EncodeEvent(e)
	if err := p.own(e.MID, "event", e.Version, err); err != nil {
		return nil, err
	}
	kept.Put(eventTable.name, raw)
	p.put(eventTable, insert, row{e.MID, int64(e.Version), e.What, string(raw)})
	for i := range c.Facts {
		f := &c.Facts[i]
		if f.MID != m.MID {
			return nil, invalid(f.ID, "evidence of another merchant")
		}
		if err := p.addEvidence(&payment.Evidence{Source: f.Source, ID: f.ID, Type: f.Type, Time: f.Time, MID: f.MID, Line: f.Line}); err != nil {
			return nil, err
		}
	}
	return p, p.journal(kept)
}

// moves reports whether a step changes what a transaction of it adds to
// merchant_pending: by a transfer of its own, or of a void that acts on it.
func moves(s *payment.Step, t *payment.Transaction) bool {
	if !settles(t.Operation) {
		return false
	}
	for i := range s.Transfers {
		m := &s.Transfers[i]
		if m.Debit != ledger.MerchantPending && m.Credit != ledger.MerchantPending {
			continue
		}
		if m.Payment == t.ID {
			return true
		}
		for j := range s.Transactions {
			if v := &s.Transactions[j]; v.ID == m.Payment && v.Original == t.ID && !settles(v.Operation) {
				return true
			}
		}
	}
	return false
}

// settles reports whether transactions of an operation get settlement lines.
func settles(o payment.Operation) bool {
	return o == payment.Sale || o == payment.Offline || o == payment.Completion || o == payment.Refund
}

// effectOf is what a transaction adds to merchant_pending; see settlement.ItemOf.
func effectOf(t *payment.Transaction) int64 {
	switch {
	case !t.Booked:
		return 0
	case t.Operation == payment.Refund:
		return -t.Approved
	}
	return t.Approved
}

// putDue notes what a transaction adds to merchant_pending now, for the next
// settlement, and for the next file of its network.
func (p *prepared) putDue(t *payment.Transaction) {
	effect := effectOf(t)
	p.put(dueTable, upsert, row{t.MID, idBytes(t.ID), effect})
	if effect == 0 {
		p.put(unclearedTable, remove, row{t.MID, idBytes(t.ID)})
		return
	}
	p.put(unclearedTable, upsert, row{t.MID, idBytes(t.ID), t.Network, t.BusinessDate.String()})
}

// settledAlready reports whether a step that has no versions, a ruling of people,
// is on record: its extra lines are, whether a run has settled them or not.
func (g *groupState) settledAlready(ctx context.Context, p *prepared) (bool, error) {
	same := 0
	for _, w := range p.works {
		if w.table != extraTable {
			continue
		}
		for _, r := range w.rows {
			var raw string
			found, err := g.one(ctx, "SELECT body FROM settlement_extra WHERE merchant = $1 AND id = $2", r[:2], &raw)
			if err != nil || !found {
				return false, err
			}
			have, err := body.DecodeExtra([]byte(raw))
			if err != nil {
				return false, fault.New(fault.Internal, "read", "extra "+have.ID, err, "")
			}
			want, err := body.DecodeExtra([]byte(r[len(r)-1].(string)))
			if err != nil {
				return false, fault.New(fault.Internal, "write", "extra "+have.ID, err, "")
			}
			if have.Batch, want.Batch = "", ""; have != want {
				return false, nil
			}
			same++
		}
	}
	return same > 0, nil
}
