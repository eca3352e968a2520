package pos

import (
	"context"
	"errors"
	"fmt"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
)

// settledReversal are the answers after which a reversal is done: acknowledged, or
// there is nothing to take back.
var settledReversal = map[string]bool{"00": true, "25": true}

// outOfStep are the codes after which a terminal has to sign on again; passing
// those of a host that does not serve now.
var (
	outOfStep = map[string]bool{"77": true, "78": true, "99": true, "A0": true, "A7": true, "A8": true, "A9": true}
	passing   = map[string]bool{"90": true, "91": true, "92": true}
)

// maxRefusals is after how many refusing answers a reversal is given up and shown
// to a person; time-outs do not count.
const maxRefusals = 3

// reverseAll sends each reversal that is due, oldest first. ErrReversalDue where
// one is not acknowledged: nothing else may be sent before it.
func (t *Terminal) reverseAll(ctx context.Context) error {
	if t.state.due == 0 {
		return nil
	}
	for _, x := range t.state.order {
		if x.Reversal != due {
			continue
		}
		if !t.signedOn() {
			return fault.New(fault.Conflict, "", "", ErrReversalDue, "sign on, then it is sent")
		}
		if err := t.keep(Record{What: didTry, Time: t.now(), Batch: x.Batch, STAN: x.STAN}); err != nil {
			return err
		}
		m, err := t.reversalMessage(x)
		if err != nil {
			return err
		}
		a, err := t.exchange(ctx, m)
		m.Wipe()
		if errors.Is(err, ErrDead) {
			return err
		}
		wait := fault.New(fault.Conflict, "", "", ErrReversalDue, "try again when the acquirer can be reached")
		if err != nil {
			wait.Err = fmt.Errorf("%w: %w", ErrReversalDue, err)
			return wait
		}
		code, state := a.Get(iso8583.ResponseCode), done
		if !settledReversal[code] {
			records := []Record{{What: didRefuse, Time: t.now(), Batch: x.Batch, STAN: x.STAN, Code: code}}
			if outOfStep[code] {
				records = []Record{{What: didSignOff, Time: t.now()}}
			} else if passing[code] || openOf(code) {
				records = nil
			}
			if err := t.keep(records...); err != nil {
				return err
			}
			if x.Refusals < maxRefusals {
				wait.Err = fmt.Errorf("%w: code %s", ErrReversalDue, code)
				return wait
			}
			state = refused
		}
		if err := t.keep(Record{What: didReverse, Time: t.now(), Batch: x.Batch, STAN: x.STAN, Reversal: state, Code: code}); err != nil {
			return err
		}
		if state == refused {
			t.cfg.Log.Error("a reversal was refused", "tid", t.cfg.TID, "batch", x.Batch, "stan", x.STAN, "code", code)
		}
	}
	return nil
}

// lag tells that stored sales wait.
func (t *Terminal) lag() error {
	n := t.state.stored
	if n == 0 || t.faults.said[Lag] {
		return nil
	}
	t.faults.said[Lag] = true
	return t.tell(t.fact("terminal.software", t.now(), "what", "sync_lag", "pending", n))
}

// tellAll tells the acquirer of sales that were approved offline, oldest first. It
// stops at the first that gets no answer; they stay stored.
func (t *Terminal) tellAll(ctx context.Context) error {
	if t.state.stored == 0 {
		return nil
	}
	told := 0
	for _, x := range t.state.order {
		if !x.stored() {
			continue
		}
		pan, err := t.unseal(x)
		if err != nil {
			return err
		}
		m, err := t.request(x, nil, pan, "")
		if err != nil {
			return err
		}
		a, err := t.exchange(ctx, m)
		m.Wipe()
		if errors.Is(err, ErrDead) {
			return err
		}
		if err != nil {
			return nil // they stay stored
		}
		code := a.Get(iso8583.ResponseCode)
		if outOfStep[code] {
			return t.keep(Record{What: didSignOff, Time: t.now()})
		}
		if openOf(code) || passing[code] {
			return nil // not taken: told again
		}
		if err := t.keep(Record{What: didTell, Time: t.now(), Batch: x.Batch, STAN: x.STAN, Code: code,
			RRN: a.Get(iso8583.RRN), AuthCode: a.Get(iso8583.AuthCode)}); err != nil {
			return err
		}
		told++
	}
	if told > 0 && t.faults.said[Lag] {
		delete(t.faults.said, Lag)
		return t.tell(t.fact("terminal.software", t.now(), "what", "sync_done", "pending", 0))
	}
	return nil
}

// Recover sends what is due: reversals, then stored sales. It signs on first where
// need be. Called after a restart, and whenever the line is back.
func (t *Terminal) Recover(ctx context.Context) error {
	t.mu.Lock()
	signedOn := t.signedOn()
	t.mu.Unlock()
	if !signedOn {
		if err := t.SignOn(ctx); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	const op = "send what is due"
	if err := t.alive(); err != nil {
		return err
	}
	err := t.reverseAll(ctx)
	if err == nil && !t.faults.strikes(Lag) {
		err = t.tellAll(ctx)
	}
	if err != nil {
		return fault.New(kindOfError(err), op, t.cfg.TID, err, fault.HintOf(err))
	}
	return nil
}

// Settlement is what came of settling a batch.
type Settlement struct {
	Batch    string         `json:"batch"`
	Totals   iso8583.Totals `json:"totals"`
	Balanced bool           `json:"balanced"`
	Uploaded int            `json:"uploaded"`
	Next     string         `json:"next_batch"`
	Slip     string         `json:"-"`
}

// Settle closes the open batch: what is due is sent, totals are compared, and where
// they differ every transaction is uploaded. Interrupted anywhere, Settle goes on
// from there when it is called again, also after a restart.
func (t *Terminal) Settle(ctx context.Context) (Settlement, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.settle(ctx)
	if err != nil {
		err = fault.New(kindOfError(err), "settle batch", s.Batch, err, fault.HintOf(err))
	}
	return s, err
}

func (t *Terminal) settle(ctx context.Context) (Settlement, error) {
	s := Settlement{Batch: six(t.state.batch)}
	if err := t.alive(); err != nil {
		return s, err
	}
	if !t.signedOn() {
		return s, fault.New(fault.Conflict, "", "", ErrNotSignedOn, "sign on first")
	}
	if t.faults.strikes(Ignored) {
		if err := t.tell(t.fact("operator.action", t.now(), "operator", t.cfg.Operator, "what", "prompt_ignored", "prompt", "settle_batch")); err != nil {
			return s, err
		}
		return s, ErrIgnored
	}
	if t.state.settling == nil {
		if err := t.reverseAll(ctx); err != nil {
			return s, err
		}
		if err := t.tellAll(ctx); err != nil {
			return s, err
		}
		if t.state.stored > 0 {
			return s, fault.New(fault.Conflict, "", "", errors.New("offline sales are not yet told"), "try again when the acquirer can be reached")
		}
		totals := t.state.totals()
		if err := t.keep(Record{What: didSettle, Time: t.now(), STAN: t.spend(), Totals: &totals}); err != nil {
			return s, err
		}
	}
	s.Totals = t.state.settling.totals
	if !t.state.settling.compared {
		if err := t.compare(ctx); err != nil {
			return s, err
		}
	}
	s.Balanced = t.state.settling.balanced
	nextBatch := ""
	if !s.Balanced {
		var err error
		if s.Uploaded, nextBatch, err = t.upload(ctx); err != nil {
			return s, err
		}
	} else {
		nextBatch = t.state.settling.next
	}
	s.Slip = t.settlementSlip(&s)
	if _, err := t.paper(s.Slip); err != nil {
		return s, err
	}
	what := "closed"
	if !s.Balanced {
		what = "uploaded"
	}
	now := t.now()
	count, total := s.Totals.DebitCount+s.Totals.CreditCount, s.Totals.DebitAmount-s.Totals.CreditAmount
	f := t.fact("terminal.batch", now, "batch", s.Batch, "what", what, "count", count, "total", total)
	if err := t.keep(Record{What: didClose, Time: now, Next: nextBatch}, Record{What: didFact, Time: now, Fact: f.line}); err != nil {
		return s, err
	}
	s.Next = six(t.state.batch)
	return s, t.tell(t.fact("terminal.batch", now, "batch", s.Next, "what", "opened"))
}

// compare sends the totals. The same message goes out however often it is tried,
// so that the acquirer knows it again.
func (t *Terminal) compare(ctx context.Context) error {
	now := t.state.settling
	m, err := t.newMessage(iso8583.Kind{Operation: iso8583.Settlement}, six(t.state.batch), now.stan)
	if err != nil {
		return err
	}
	m.Set(iso8583.Currency, t.cfg.Currency)
	m.Set(iso8583.Private63, t.cfg.Operator+" ")
	if err := m.SetReconciliation(iso8583.Reconciliation{Domestic: now.totals}); err != nil {
		return err
	}
	a, err := t.exchange(ctx, m)
	if err != nil {
		return err
	}
	code := a.Get(iso8583.ResponseCode)
	if code != "00" && code != "95" {
		if outOfStep[code] {
			if err := t.keep(Record{What: didSignOff, Time: t.now()}); err != nil {
				return err
			}
		}
		return fault.New(fault.NotAllowed, "", "", fmt.Errorf("%w: code %s", ErrRefused, code), "sign on, then settle again")
	}
	balanced := code == "00"
	if r, err := a.Reconciliation(); err == nil {
		balanced = balanced && r.DomesticResult != iso8583.Different && r.ForeignResult != iso8583.Different
	}
	records := []Record{{What: didCompare, Time: t.now(), Balanced: balanced, Next: nextBatch(a, t.state.batch)}}
	if !balanced {
		f := t.fact("terminal.batch", t.now(), "batch", six(t.state.batch), "what", "out_of_balance",
			"count", now.totals.DebitCount+now.totals.CreditCount, "total", now.totals.DebitAmount-now.totals.CreditAmount)
		records = append(records, Record{What: didFact, Time: t.now(), Fact: f.line})
	}
	return t.keep(records...)
}

// nextBatch is the batch that an answer opens, "" where it repeats the one asked
// about.
func nextBatch(a *iso8583.Message, batch int) string {
	if n := numberOf(a.Batch()); n > 0 && n != batch {
		return six(n)
	}
	return ""
}

// upload sends every transaction that counts, eight at a time, and the end.
func (t *Terminal) upload(ctx context.Context) (count int, next string, err error) {
	var items []iso8583.Uploaded
	for _, x := range t.state.current() {
		op, _ := iso8583.ParseOperation(x.Operation)
		if x.Batch != six(t.state.batch) || !x.counts() || op == iso8583.Preauth || op == iso8583.PreauthVoid {
			continue
		}
		pan, err := t.unseal(x)
		if err != nil {
			return count, "", err
		}
		items = append(items, iso8583.Uploaded{Foreign: x.Foreign, STAN: x.STAN, PAN: pan, Amount: x.charged()})
	}
	defer clear(items)
	// What was acknowledged before an interruption is not sent again: an acquirer
	// that has the end already would take it for another batch.
	count = min(t.state.settling.uploaded, len(items))
	for from := count; from < len(items); from += iso8583.MaxUploads {
		part := items[from:min(from+iso8583.MaxUploads, len(items))]
		if _, err := t.uploadOne(ctx, iso8583.Upload, func(m *iso8583.Message) error { return m.SetUploads(part) }); err != nil {
			return count, "", err
		}
		count += len(part)
		if err := t.keep(Record{What: didUpload, Time: t.now(), Count: count}); err != nil {
			return count, "", err
		}
	}
	a, err := t.uploadOne(ctx, iso8583.UploadEnd, func(m *iso8583.Message) error { return m.SetUploadEnd(count) })
	if err != nil {
		return count, "", err
	}
	return count, nextBatch(a, t.state.batch), nil
}

func (t *Terminal) uploadOne(ctx context.Context, o iso8583.Operation, fill func(*iso8583.Message) error) (*iso8583.Message, error) {
	stan := t.spend()
	m, err := t.newMessage(iso8583.Kind{Operation: o}, six(t.state.batch), stan)
	if err != nil {
		return nil, err
	}
	defer m.Wipe()
	if err := fill(m); err != nil {
		return nil, err
	}
	if err := t.keep(Record{What: didSpend, Time: t.now(), STAN: stan}); err != nil {
		return nil, err
	}
	a, err := t.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	if code := a.Get(iso8583.ResponseCode); code != "00" {
		if err := t.tell(t.fact("terminal.software", t.now(), "what", "protocol_error", "version", t.cfg.Version, "detail", "the upload was refused")); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.NotAllowed, "", "", fmt.Errorf("%w: code %s", ErrRefused, code), "settle again")
	}
	return a, nil
}
