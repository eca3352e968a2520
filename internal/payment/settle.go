package payment

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"daozhang/internal/evidence"
)

// derive names something by what it is about: the same always has the same id.
func derive(id ID, word string) ID {
	h := sha256.New()
	h.Write(id[:])
	h.Write([]byte(word))
	var out ID
	copy(out[:], h.Sum(nil))
	copy(out[:6], id[:6])
	out[6] = out[6]&0x0f | 0x80
	out[8] = out[8]&0x3f | 0x80
	return out
}

// inBatch refuses a request whose batch does not take it.
func (b *Book) inBatch(now time.Time, r *Request, p *Profile, env Env) (Decision, bool) {
	bt := b.current[r.TID]
	if bt == nil {
		return Decision{}, true
	}
	ok := bt.Number == r.Batch && bt.State == BatchOpen && now.Sub(bt.Opened) < b.Policy.BatchMaxAge ||
		bt.State == BatchClosed && r.Batch == nextBatch(bt.Number)
	if ok {
		return Decision{}, true
	}
	f := b.facts(&Step{MID: p.MID, At: now}, p)
	if r.Operation.MovesMoney() {
		f.refusedPayment(r, p.MID, env.NewID(now).String(), "batch", codeBatch, now)
	} else {
		f.refused(r, p.MID, env.NewID(now).String(), "batch", codeBatch, now)
	}
	a := plain(r, codeBatch, now, p)
	a.NextBatch = b.wanted(r.TID)
	return Decision{Step: f.step, Outcome: OutcomeBatchMismatch, Effects: []Effect{{Kind: Reply, Answer: a}}}, false
}

// wanted is the batch that a terminal is to use next; "" where it may choose.
func (b *Book) wanted(tid string) string {
	bt := b.current[tid]
	switch {
	case bt == nil:
		return ""
	case bt.State == BatchClosed:
		return nextBatch(bt.Number)
	}
	return bt.Number
}

func nextBatch(number string) string {
	n := 0
	for _, c := range []byte(number) {
		n = n*10 + int(c-'0')
	}
	if n++; n > 999999 {
		n = 1
	}
	return fmt.Sprintf("%06d", n)
}

// openBatch adds the batch of a request to the step where it is new.
func (b *Book) openBatch(s *Step, now time.Time, r *Request, p *Profile) {
	if bt := b.batches[batchKey{r.TID, r.Batch}]; bt != nil && bt.State != BatchClosed {
		return
	}
	s.Batches = append(s.Batches, Batch{TID: r.TID, MID: r.MID, Number: r.Batch, Opened: now, Date: p.BusinessDate(now)})
}

// debit and credit say on which side of a batch's totals a transaction stands.
func (t *Transaction) debit() bool {
	return (t.Operation == Sale || t.Operation == Completion || t.Operation == Offline) && (t.State == Approved || t.State == Voided)
}

func (t *Transaction) credit() bool {
	return (t.Operation == Refund || t.Operation == Void || t.Operation == CompletionVoid) && t.State == Approved
}

// Totals are ours for a batch; see the type.
func (b *Book) Totals(tid, number string) Totals {
	var sum Totals
	bt := b.batches[batchKey{tid, number}]
	if bt == nil {
		return sum
	}
	for _, t := range bt.txs {
		switch {
		case t.debit():
			sum.DebitCount++
			sum.DebitAmount += t.Approved
		case t.credit():
			sum.CreditCount++
			sum.CreditAmount += t.Approved
		}
	}
	return sum
}

// Settle compares the totals of a batch (0500). Equal totals close it; else the
// terminal is told 95 and uploads its list.
func (b *Book) Settle(now time.Time, r *Request, p *Profile, env Env) Decision {
	bt := b.batches[batchKey{r.TID, r.Batch}]
	if bt == nil {
		if c := b.current[r.TID]; c != nil && r.Batch != b.wanted(r.TID) {
			d, _ := b.inBatch(now, r, p, env)
			return d
		}
		bt = &batch{Batch: Batch{TID: r.TID, MID: r.MID, Number: r.Batch, Opened: now, Date: p.BusinessDate(now)}}
	}
	ours := b.Totals(r.TID, r.Batch)
	a := plain(r, codeOK, now, p)
	if bt.State == BatchUploading && bt.Settlement == r.STAN && bt.Claimed == r.Totals {
		a.Code, a.Totals = bt.Code, bt.Ours
		return Decision{Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: a}}}
	}
	if bt.State == BatchClosed {
		if bt.Claimed != r.Totals {
			d, _ := b.inBatch(now, r, p, env)
			return d
		}
		a.Code, a.Totals, a.Balanced = bt.Code, bt.Ours, bt.Code == codeOK
		a.NextBatch = b.wanted(r.TID)
		return Decision{Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: a}}}
	}
	f := b.facts(&Step{MID: r.MID, At: now}, p)
	row := bt.Batch
	row.Settlement, row.Claimed, row.Ours, row.Uploaded = r.STAN, r.Totals, ours, nil
	a.Totals = ours
	outcome := OutcomeSettled
	if ours == r.Totals {
		row.State, row.Code, row.Closed = BatchClosed, codeOK, now
		a.Balanced, a.NextBatch = true, nextBatch(row.Number)
		f.batch(&row, evidence.Closed, ours, p.Currency.String(), now)
	} else {
		row.State, row.Code = BatchUploading, codeOutOfBalance
		a.Code = codeOutOfBalance
		outcome = OutcomeDiffers
		f.batch(&row, evidence.OutOfBalance, r.Totals, p.Currency.String(), now)
	}
	f.step.Batches = append(f.step.Batches, row)
	return Decision{Step: f.step, Outcome: outcome, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: a}}}
}

// Upload takes lines of a terminal's own list of its batch (0320). What one side
// has and the other has not becomes an exception; the last message closes the
// batch.
func (b *Book) Upload(now time.Time, r *Request, p *Profile, env Env) Decision {
	bt := b.batches[batchKey{r.TID, r.Batch}]
	a := plain(r, codeOK, now, p)
	switch {
	case bt != nil && bt.State == BatchClosed && r.Last:
		a.NextBatch = b.wanted(r.TID)
		return Decision{Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: a}}}
	case bt == nil || bt.State != BatchUploading:
		f := b.facts(&Step{MID: p.MID, At: now}, p)
		f.begin(evidence.GatewayError, env.NewID(now).String(), "upload", now, p.MID)
		f.str("mid", p.MID).str("tid", r.TID).str("batch", r.Batch).str("detail", "upload").str("response_code", codeBatch.String()).end()
		a.Code, a.NextBatch = codeBatch, b.wanted(r.TID)
		return Decision{Step: f.step, Outcome: OutcomeBatchMismatch, Effects: []Effect{{Kind: Reply, Answer: a}}}
	}
	f := b.facts(&Step{MID: r.MID, At: now}, p)
	row := bt.Batch
	row.Uploaded = slices.Clone(row.Uploaded)
	for _, it := range r.Items {
		if slices.Contains(row.Uploaded, it.STAN) {
			continue
		}
		row.Uploaded = append(row.Uploaded, it.STAN)
		t := b.byKey[Key{r.TID, r.Batch, it.STAN}]
		if t != nil && (t.debit() || t.credit()) && t.Approved == it.Amount {
			continue
		}
		x := Exception{MID: r.MID, Kind: ExceptionTerminalOnly, Owner: "merchant", Amount: it.Amount, Currency: p.Currency, Opened: now,
			Detail: fmt.Sprintf("terminal %s, batch %s, trace %s: the terminal has it approved and we do not", r.TID, r.Batch, it.STAN)}
		if t != nil {
			x.Payment = t.ID
		}
		x.ID = b.batchID(bt, ExceptionTerminalOnly+it.STAN)
		f.step.Exceptions = append(f.step.Exceptions, x)
	}
	if r.Last {
		for _, t := range bt.txs {
			if (t.debit() || t.credit()) && !slices.Contains(row.Uploaded, t.STAN) {
				x := b.exception(t, ExceptionHostOnly, "platform", now, "we have it approved and the terminal's upload does not have it")
				f.step.Exceptions = append(f.step.Exceptions, x)
			}
		}
		if row.Claimed != row.Ours {
			f.step.Exceptions = append(f.step.Exceptions, Exception{ID: b.batchID(bt, ExceptionBatch), MID: r.MID, Kind: ExceptionBatch, Owner: "platform",
				Amount: abs(row.Claimed.DebitAmount - row.Claimed.CreditAmount - row.Ours.DebitAmount + row.Ours.CreditAmount), Currency: p.Currency,
				Opened: now, Detail: fmt.Sprintf("terminal %s, batch %s: the terminal's totals differ from ours", r.TID, r.Batch)})
		}
		row.State, row.Code, row.Closed = BatchClosed, codeOutOfBalance, now
		a.NextBatch = nextBatch(row.Number)
		f.batch(&row, evidence.Uploaded, row.Claimed, p.Currency.String(), now)
	}
	f.step.Batches = append(f.step.Batches, row)
	return Decision{Step: f.step, Outcome: OutcomeUploaded, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: a}}}
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// batchID names something about a batch. It takes its time from the batch's
// opening, so that ids sort.
func (b *Book) batchID(bt *batch, word string) ID {
	var id ID
	ms := bt.Opened.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return derive(id, bt.TID+"/"+bt.Number+"/"+word)
}

// Serve answers what needs no record: sign-on, sign-off, echo, parameters. The
// runtime adds keys and parameters to the answer.
func (b *Book) Serve(now time.Time, r *Request, p *Profile) Decision {
	a := plain(r, codeOK, now, p)
	if r.Operation == SignOn {
		if a.NextBatch = b.wanted(r.TID); a.NextBatch == "" {
			a.NextBatch = "000001"
			if digits(r.Batch, 6) && r.Batch != "000000" {
				a.NextBatch = r.Batch
			}
		}
	}
	return Decision{Outcome: OutcomeServed, Effects: []Effect{{Kind: Reply, Answer: a}}}
}

// TakeBack decides about a terminal's reversal (0400): it names a request to
// which the terminal saw no usable answer. Once this is durable the terminal may
// forget the request: the reversal towards the network is ours.
func (b *Book) TakeBack(now time.Time, r *Request, p *Profile, env Env) Decision {
	t := b.Original(r)
	a := plain(r, codeOK, now, p)
	f := b.facts(&Step{MID: r.MID, At: now}, p)
	refuse := func(code evidence.Code, detail string) Decision {
		a.Code = code
		f.refused(r, p.MID, env.NewID(now).String(), detail, code, now)
		return Decision{Step: f.step, Outcome: OutcomeOutOfState, Effects: []Effect{{Kind: Reply, Answer: a}}}
	}
	if t == nil {
		// The request has not come, or not yet: a mark keeps it from having an effect
		// if it does.
		key := Key{r.TID, r.Batch, r.STAN}
		if r.Original.Batch != "" {
			key.Batch = r.Original.Batch
		}
		if r.Original.STAN != "" {
			key.STAN = r.Original.STAN
		}
		q := *r
		q.Batch = key.Batch
		if d, ok := b.inBatch(now, &q, p, env); !ok {
			if bt := b.batches[batchKey{key.TID, key.Batch}]; bt != nil && bt.State == BatchClosed {
				return refuse(codeNotFound, "original_not_found") // nor can it come any more
			}
			return d
		}
		mark := b.draft(now, r, p, env)
		mark.Key = key
		if mark.Operation = r.Reverses; !mark.Operation.MovesMoney() {
			mark.Operation = Sale
		}
		mark.State, mark.Code, mark.Answered = Reversed, codeNotFound, now
		b.openBatch(f.step, now, &q, p)
		f.refused(r, p.MID, env.NewID(now).String(), "original_not_found", codeNotFound, now)
		f.step.Transactions = append(f.step.Transactions, *mark)
		a.Code = codeNotFound
		return Decision{Step: f.step, Outcome: OutcomeNotFound, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: a}}}
	}
	a.RRN, a.Payment = t.RRN, t.ID
	switch {
	case t.tombstone():
		a.Code = codeNotFound
		return Decision{Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: a}}}
	case r.Amount != t.Amount && r.Amount != t.Approved:
		return refuse(codeOtherAmount, "reversal_amount")
	case t.Operation == Offline:
		return refuse(codeRelated, "reversal_of_offline")
	}
	switch t.State {
	case Declined, Unknown, Reversing, Reversed:
		return Decision{Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: a}}}
	case Sent:
		return Decision{Wait: true, Outcome: OutcomeInFlight}
	case Approved:
		if t.Claimed != 0 || t.Taken != 0 {
			return refuse(codeState, "reversal_out_of_state")
		}
	default:
		return refuse(codeState, "reversal_out_of_state")
	}
	if bt := b.batches[batchKey{t.TID, t.Batch}]; bt == nil || bt.State == BatchClosed {
		return refuse(codeState, "reversal_after_settlement")
	}
	// Until the network acknowledges, what it took of its original stays taken.
	row := t.next()
	row.State = Reversing
	f.reversal(&row, evidence.Queued, evidence.Code{}, now)
	f.step.Transactions = append(f.step.Transactions, row)
	d := Decision{Step: f.step, Outcome: OutcomeReversing, Urgent: true}
	reason := r.Reason
	if reason == (evidence.Code{}) {
		reason = codeTerminalUndid
	}
	b.owe(&d, &row, p, reason, true, now)
	d.Effects = append(d.Effects, Effect{Kind: Reply, Answer: a})
	return d
}
