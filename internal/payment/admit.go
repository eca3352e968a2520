package payment

import (
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/risk"
)

// Response codes that we give ourselves.
var (
	codeOK            = evidence.Code{'0', '0'}
	codeMerchant      = evidence.Code{'0', '3'} // the merchant is not the terminal's
	codeRelated       = evidence.Code{'1', '2'} // the original is in no state for it
	codeAmount        = evidence.Code{'1', '3'}
	codeState         = evidence.Code{'2', '2'}
	codeNotFound      = evidence.Code{'2', '5'}
	codeFormat        = evidence.Code{'3', '0'}
	codeUnsupported   = evidence.Code{'4', '0'}
	codeBarred        = evidence.Code{'5', '8'}
	codeOtherAmount   = evidence.Code{'6', '4'}
	codeLate          = evidence.Code{'6', '8'}
	codeBatch         = evidence.Code{'7', '7'}
	codeDownload      = evidence.Code{'7', '8'}
	codeDuplicate     = evidence.Code{'9', '4'}
	codeOutOfBalance  = evidence.Code{'9', '5'}
	codeMalfunction   = evidence.Code{'9', '6'}
	codeUnregistered  = evidence.Code{'9', '7'}
	codeNoAnswer      = evidence.Code{'9', '8'}
	codePINFormat     = evidence.Code{'9', '9'}
	codeMAC           = evidence.Code{'A', '0'}
	codeCurrency      = evidence.Code{'A', '1'}
	codeMACKey        = evidence.Code{'A', '9'}
	codeTerminalUndid = evidence.Code{'1', '7'} // reason of a reversal: the terminal took it back
	codeOffline       = evidence.Code{'Y', '1'}
)

// problems maps what the reader found wrong to what the terminal is told.
var problemCodes = [problems]struct {
	code    evidence.Code
	outcome Outcome
	detail  string // of the gateway.error
}{
	BadFormat:  {codeFormat, OutcomeBadFormat, "format"},
	BadMAC:     {codeMAC, OutcomeBadMAC, "mac"},
	BadVersion: {codeDownload, OutcomeBadVersion, "version"},
	BadPIN:     {codePINFormat, OutcomeBadPIN, "pin"},
	NoKeys:     {codeMACKey, OutcomeNoKeys, "keys"},
}

// Refuse answers a request with a code and no effect, for reasons that lie
// outside the book: overload, a disk that is full. detail is a word for evidence.
func (b *Book) Refuse(now time.Time, r *Request, code evidence.Code, outcome Outcome, detail string, env Env) Decision {
	mid := ""
	p := b.directory.Terminal(r.TID)
	if p != nil {
		mid = p.MID
	}
	f := b.facts(&Step{MID: mid, At: now}, p)
	f.refused(r, mid, env.NewID(now).String(), detail, code, now)
	return Decision{Step: f.step, Outcome: outcome, Effects: []Effect{{Kind: Reply, Answer: plain(r, code, now, p)}}}
}

func (b *Book) facts(s *Step, p *Profile) *facts {
	return &facts{LineWriter: evidence.LineWriter{Zone: p.zone()}, step: s, source: "gateway/" + b.Policy.Node}
}

// plain is an answer that carries a code and what the request said.
func plain(r *Request, code evidence.Code, now time.Time, p *Profile) *Answer {
	a := &Answer{Operation: r.Operation, Key: r.Key, MID: r.MID, Code: code, Amount: r.Amount, Currency: r.Currency, Time: now, PAN: r.PAN}
	if p != nil {
		a.Date = p.BusinessDate(now)
	}
	return a
}

// Admit checks what needs no transaction: the terminal, its rights, and the form
// of the message. A refusal is returned as a decision; ok says to go on.
func (b *Book) Admit(now time.Time, r *Request, env Env) (d Decision, p *Profile, ok bool) {
	p = b.directory.Terminal(r.TID)
	refuse := func(code evidence.Code, outcome Outcome, detail string, payment bool) (Decision, *Profile, bool) {
		mid := ""
		if p != nil {
			mid = p.MID
		}
		f := b.facts(&Step{MID: mid, At: now}, p)
		subject := env.NewID(now).String()
		if payment && p != nil && r.Operation.MovesMoney() && b.byKey[r.Key] == nil {
			f.refusedPayment(r, mid, subject, detail, code, now)
		} else {
			f.refused(r, mid, subject, detail, code, now)
		}
		return Decision{Step: f.step, Outcome: outcome, Effects: []Effect{{Kind: Reply, Answer: plain(r, code, now, p)}}}, p, false
	}
	switch {
	case p == nil:
		// What names nobody is not repeated: it may be anything.
		s := &Step{At: now}
		f := b.facts(s, nil)
		f.begin(evidence.GatewayError, env.NewID(now).String(), "unregistered", now, "")
		f.str("detail", "unregistered").str("response_code", codeUnregistered.String()).end()
		return Decision{Step: s, Outcome: OutcomeUnregistered, Effects: []Effect{{Kind: Reply, Answer: plain(r, codeUnregistered, now, nil)}}}, nil, false
	case r.Problem != NoProblem && r.Problem < problems:
		pc := problemCodes[r.Problem]
		return refuse(pc.code, pc.outcome, pc.detail, r.Problem != BadMAC && r.Problem != BadFormat)
	case r.MID != p.MID:
		return refuse(codeMerchant, OutcomeUnregistered, "merchant", false)
	case p.Barred:
		return refuse(codeBarred, OutcomeBarred, "barred", true)
	case !p.permits(r.Operation):
		return refuse(codeUnsupported, OutcomeForbidden, "unsupported", true)
	}
	if r.Operation.MovesMoney() || r.Operation == Reversal {
		switch {
		case !digits(r.STAN, 6) || !digits(r.Batch, 6):
			return refuse(codeFormat, OutcomeBadFormat, "format", false)
		case r.Currency != p.Currency:
			return refuse(codeCurrency, OutcomeBadCurrency, "currency", true)
		case r.Amount <= 0 || r.Amount > b.Policy.MaxAmount:
			return refuse(codeAmount, OutcomeBadAmount, "amount", true)
		}
	}
	return Decision{}, p, true
}

func (p *Profile) permits(o Operation) bool {
	if o == NoOperation || o >= operations {
		return false
	}
	if len(p.Operations) == 0 || !o.MovesMoney() && o != Balance {
		return true
	}
	for _, have := range p.Operations {
		if have == o {
			return true
		}
	}
	return false
}

func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// Original finds what a request acts on, or nil. It only reads, so that the
// caller can wait while a step about it is being written.
func (b *Book) Original(r *Request) *Transaction {
	var t *Transaction
	o := &r.Original
	switch {
	case r.Operation == Reversal:
		k := Key{r.TID, r.Batch, r.STAN}
		if o.Batch != "" {
			k.Batch = o.Batch
		}
		if o.STAN != "" {
			k.STAN = o.STAN
		}
		return b.byKey[k]
	case !r.Operation.ActsOnOriginal():
		return nil
	case o.RRN != "":
		t = b.byRRN[rrnKey{r.MID, o.RRN}]
	case o.STAN != "":
		k := Key{r.TID, o.Batch, o.STAN}
		if k.Batch == "" {
			k.Batch = r.Batch
		}
		t = b.byKey[k]
	case o.AuthCode != "":
		t = b.byAuth[authKey{r.MID, o.AuthCode}]
	}
	if t == nil || t.MID != r.MID || o.RRN != "" && o.STAN != "" && o.STAN != t.STAN ||
		o.AuthCode != "" && t.AuthCode != "" && o.AuthCode != t.AuthCode {
		return nil
	}
	return t
}

// fits says whether an operation may act on a transaction as it stands, and the
// code of the refusal.
func (b *Book) fits(r *Request, o *Transaction) (code evidence.Code, ok bool) {
	if o == nil {
		return codeNotFound, false
	}
	if r.CardToken != "" && o.CardToken != "" && r.CardToken != o.CardToken && r.Operation != Refund {
		return codeNotFound, false
	}
	var whole bool
	var acts bool
	switch r.Operation {
	case Void:
		acts, whole = o.Operation == Sale, true
	case Refund:
		acts = o.Operation == Sale || o.Operation == Offline || o.Operation == Completion
	case PreauthVoid:
		acts, whole = o.Operation == Preauth, true
	case Completion:
		acts = o.Operation == Preauth
	case CompletionVoid:
		acts, whole = o.Operation == Completion, true
	}
	switch {
	case !acts:
		return codeRelated, false
	case o.State == Sent || o.State == Unknown || o.State == Reversing:
		return codeState, false // its outcome is open: it must be known first
	case o.State != Approved:
		return codeRelated, false
	case (r.Operation == Void || r.Operation == CompletionVoid) && (o.TID != r.TID || o.Batch != r.Batch):
		return codeState, false // settled meanwhile, or another terminal's: refund it
	case whole && (o.Taken != 0 || o.Claimed != 0), r.Operation == Completion && (o.Taken != 0 || o.Claimed != 0):
		return codeRelated, false
	case whole && r.Amount != o.Approved:
		return codeOtherAmount, false
	case r.Amount > o.Remaining():
		return codeOtherAmount, false
	}
	return codeOK, true
}

// Request decides about a request that moves or reserves money, after Admit.
func (b *Book) Request(now time.Time, r *Request, p *Profile, env Env) Decision {
	if t := b.byKey[r.Key]; t != nil {
		return b.again(now, r, t, p, env)
	}
	if d, ok := b.inBatch(now, r, p, env); !ok {
		return d
	}
	step := &Step{MID: r.MID, At: now}
	f := b.facts(step, p)
	f.local = r.Local
	original := b.Original(r)
	if r.Operation.ActsOnOriginal() && original == nil && b.forgotten && r.Original.RRN != "" && !b.missing[rrnKey{r.MID, r.Original.RRN}] {
		return Decision{Older: true}
	}
	t := b.draft(now, r, p, env)
	b.openBatch(step, now, r, p)
	if r.Operation.ActsOnOriginal() {
		if code, ok := b.fits(r, original); !ok {
			outcome := OutcomeOutOfState
			if code == codeNotFound {
				outcome = OutcomeNotFound
			}
			return b.declineOurselves(f, t, original, p, code, outcome, now)
		}
		t.Original = original.ID
		if r.Operation != Refund && t.CardToken == "" {
			t.PAN, t.CardToken, t.SealedPAN, t.CardType, t.Issuer = original.PAN, original.CardToken, original.SealedPAN, original.CardType, original.Issuer
		}
	}
	if b.Door != nil && r.Operation.screened() {
		v := b.Door.Decide(attempt(now, r, original, t, p))
		t.Risk = v.Trace
		if r.Operation == Offline && v.Action == risk.Decline {
			v.Action = risk.Hold // it has happened: its money can only be kept back
		}
		t.Held = v.Action == risk.Hold
		if v.Action == risk.Decline {
			d := b.declineOurselves(f, t, original, p, v.Code, OutcomeRiskDeclined, now)
			f.risk(&d.Step.Transactions[0], evidence.Decline, v.Rule, v.Score, now)
			return d
		}
		if v.Action != risk.Approve {
			f.risk(t, actionState(v.Action), v.Rule, v.Score, now)
		}
	}
	route := env.Route(r, original)
	t.Network, t.Issuer = route.Network, route.Issuer
	if r.Operation == Offline {
		return b.acceptOffline(f, t, p, route, now)
	}
	if route.Refusal != (evidence.Code{}) {
		return b.declineOurselves(f, t, original, p, route.Refusal, OutcomeNoRoute, now)
	}
	t.State, t.Link, t.NetworkSTAN = Sent, route.Link, route.STAN
	t.Deadline = now.Add(b.Policy.AnswerWithin)
	f.request(t, original, now)
	step.Transactions = append(step.Transactions, *t)
	if original != nil {
		o := original.next()
		o.Claimed += t.Amount
		step.Transactions = append(step.Transactions, o)
	}
	m := b.message(Ask, t, original, p, now)
	m.Card = r.Card
	return Decision{Step: step, Outcome: OutcomeSent, Urgent: true, Effects: []Effect{{Kind: SendMessage, Message: m}}}
}

func actionState(a risk.Action) evidence.State {
	switch a {
	case risk.Review:
		return evidence.Review
	case risk.Hold:
		return evidence.Hold
	case risk.Decline:
		return evidence.Decline
	}
	return evidence.Approve
}

// screened reports whether the door is asked about an operation.
func (o Operation) screened() bool { return o == Sale || o == Preauth || o == Refund || o == Offline }

func attempt(now time.Time, r *Request, original, t *Transaction, p *Profile) *risk.Attempt {
	a := &risk.Attempt{At: now, Date: p.BusinessDate(now), Zone: p.zone(), MID: r.MID, TID: r.TID, MCC: p.MCC, Operation: r.Operation.String(),
		Card: r.CardToken, Prefix: r.Prefix, CardType: t.CardType.String(), Entry: r.Entry.String(), Amount: r.Amount, Currency: r.Currency,
		Location: r.Location, Installed: p.Location}
	if original != nil {
		a.OriginalAt, a.OriginalCard = original.Received, original.CardToken
	}
	return a
}

// again answers a request whose number is taken.
func (b *Book) again(now time.Time, r *Request, t *Transaction, p *Profile, env Env) Decision {
	f := b.facts(&Step{MID: p.MID, At: now}, p)
	if !t.SameContent(r) && !t.tombstone() {
		f.refused(r, p.MID, env.NewID(now).String(), "stan_reused", codeDuplicate, now)
		return Decision{Step: f.step, Outcome: OutcomeSTANReused, Effects: []Effect{{Kind: Reply, Answer: plain(r, codeDuplicate, now, p)}}}
	}
	if t.State == Sent {
		return Decision{Wait: true, Outcome: OutcomeInFlight}
	}
	f.refused(r, p.MID, env.NewID(now).String(), "duplicate", evidence.Code{}, now)
	a := t.Answer()
	a.Operation = r.Operation
	return Decision{Step: f.step, Outcome: OutcomeDuplicate, Effects: []Effect{{Kind: Reply, Answer: &a}}}
}

// tombstone reports whether the transaction only marks that its terminal took
// back a request which had not come in.
func (t *Transaction) tombstone() bool { return t.State == Reversed && t.Version == 1 }

func (b *Book) draft(now time.Time, r *Request, p *Profile, env Env) *Transaction {
	return &Transaction{ID: env.NewID(now), Operation: r.Operation, State: Received, Version: 1, Key: r.Key, MID: r.MID, RRN: env.NextRRN(now),
		Amount: r.Amount, Currency: r.Currency, PAN: r.PAN, CardToken: r.CardToken, SealedPAN: r.SealedPAN, CardType: r.CardType, Entry: r.Entry,
		Received: now, BusinessDate: p.BusinessDate(now), OrderID: r.OrderID}
}

// next is a copy of a row for the step that changes it.
func (t *Transaction) next() Transaction {
	c := *t
	c.Version++
	return c
}

func (b *Book) declineOurselves(f *facts, t, original *Transaction, p *Profile, code evidence.Code, outcome Outcome, now time.Time) Decision {
	t.State, t.Code, t.Answered = Declined, code, now
	f.request(t, original, now)
	f.response(t, original, code, "", 0, now)
	f.step.Transactions = append(f.step.Transactions, *t)
	a := t.Answer()
	return Decision{Step: f.step, Outcome: outcome, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: &a}}}
}

// acceptOffline takes a sale that the terminal approved itself: it is in the
// ledger at once, and owed to the network as an advice.
func (b *Book) acceptOffline(f *facts, t *Transaction, p *Profile, route Route, now time.Time) Decision {
	t.State, t.Code, t.Answered, t.Approved = Approved, codeOK, now, t.Amount
	t.Link, t.NetworkSTAN = route.Link, route.STAN
	f.request(t, nil, now)
	f.response(t, nil, codeOffline, "", t.Amount, now)
	f.step.book(t, nil, nil, now)
	f.step.Transactions = append(f.step.Transactions, *t)
	o := Outgoing{Payment: t.ID, MID: t.MID, Kind: Advise, Network: t.Network, Link: t.Link, Since: now, Next: now}
	d := Decision{Step: f.step, Outcome: OutcomeApproved, Urgent: true}
	if route.Refusal == (evidence.Code{}) {
		o.Attempts, o.Next = 1, now.Add(b.Policy.pause(1))
		d.Effects = append(d.Effects, Effect{Kind: SendMessage, Message: b.message(Advise, t, nil, p, now)})
	} else {
		o.Next = now.Add(b.Policy.pause(1))
	}
	f.step.Outgoing = append(f.step.Outgoing, o)
	a := t.Answer()
	d.Effects = append(d.Effects, Effect{Kind: Reply, Answer: &a})
	return d
}

func (b *Book) message(kind MessageKind, t, original *Transaction, p *Profile, now time.Time) *Message {
	m := &Message{Kind: kind, Payment: t.ID, Operation: t.Operation, Link: t.Link, STAN: t.NetworkSTAN, RRN: t.RRN, TID: t.TID, MID: t.MID,
		Amount: t.Amount, Currency: t.Currency, Entry: t.Entry, At: now, Attempt: 1, SealedPAN: t.SealedPAN}
	if p != nil {
		m.Name, m.MCC = p.Name, p.MCC
	}
	if kind == Undo {
		original = t
	}
	if original != nil {
		m.Original = OriginalRef{Payment: original.ID, STAN: original.NetworkSTAN, RRN: original.RRN, AuthCode: original.AuthCode,
			At: original.Received, Amount: original.told()}
	}
	return m
}
