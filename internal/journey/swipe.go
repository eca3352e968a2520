package journey

import (
	"daozhang/internal/evidence"
	"daozhang/internal/match"
)

// Outcome is what is known of an attempt's outcome.
type Outcome uint8

// The outcomes.
const (
	NoOutcome       Outcome = iota // nobody has answered yet
	WasApproved                    // approved
	WasDeclined                    // declined, aborted: no money comes
	WasOpen                        // an answer that leaves it open
	WasReversed                    // reversed with acknowledgement
	WasReversing                   // reversal queued or abandoned
	WasContradicted                // witnesses contradict each other
	NeverSent                      // timed out at the terminal, and the gateway's covered time has no request
)

// HoldSpan is a hold on one payment; To is 0 while it is not released.
type HoldSpan struct {
	Fact     evidence.FactRef
	From, To evidence.Instant
}

// Swipe is what the facts of a charge tell of the moment at the terminal.
type Swipe struct {
	Outcome Outcome
	// Tendered, Approved and the like are when; 0 where it did not happen.
	Tendered, ApprovedAt, ReversalAt evidence.Instant
	OfflineApproved                  bool
	Result                           evidence.Result // the terminal's last word
	Entry                            evidence.Entry
	Code                             evidence.Code // the code that answers
	CodeFact                         evidence.FactRef
	Terminal, Request, Response      evidence.FactRef // last of each
	Timeout, Error                   evidence.FactRef
	Printed, PrintSaid               bool
	Reversal                         evidence.FactRef // latest word on the reversal
	ReversalState                    evidence.State
	ReversalFirst                    evidence.Instant // when it was first queued
	Hold                             evidence.FactRef // risk decision that holds it, not released
	Holds                            []HoldSpan       // all of them, in order of time
	RiskDecline                      evidence.FactRef // risk decision that declined it
	Corrected                        evidence.FactRef // operator corrected the amount
	WrongFunction                    evidence.FactRef
	PromptIgnored                    evidence.FactRef
	Requested                        bool // a request, response or error at the platform
}

// readSwipe gathers what a payment's own facts tell.
func (c *Context) readSwipe(j *Journey) {
	v, s := c.View, &j.Swipe
	var gatewayYes, gatewayNo, terminalYes, terminalNo, open evidence.FactRef
	for _, r := range j.Merchant.Facts(j.Payment) {
		f := v.At(r)
		j.Keys.take(f)
		switch f.Type {
		case evidence.TerminalTransaction:
			s.Terminal = r
			if s.Tendered == 0 || f.Time < s.Tendered {
				s.Tendered = f.Time
			}
			if f.Kind != evidence.NoKind && f.Kind != evidence.Completion {
				j.Kind = f.Kind
			}
			s.Result = f.Result
			if f.Entry != evidence.NoEntry {
				s.Entry = f.Entry
			}
			if printed, said := f.Printed(); said {
				s.Printed, s.PrintSaid = printed, true
			}
			if f.Code != (evidence.Code{}) && s.Response == 0 {
				s.Code, s.CodeFact = f.Code, r
			}
			switch {
			case evidence.IsOpen(f.Code):
				open = r
			case f.Result == evidence.Approved || f.Result == evidence.NoResult && (evidence.IsApproval(f.Code) || f.Code == (evidence.Code{}) && f.AuthCode != 0):
				terminalYes = r
				if s.ApprovedAt == 0 {
					s.ApprovedAt = f.Time
				}
			case f.Result == evidence.OfflineApproved:
				terminalYes = r
				s.OfflineApproved = true
				if s.ApprovedAt == 0 {
					s.ApprovedAt = f.Time
				}
			case f.Result == evidence.Declined || f.Result == evidence.Aborted || f.Result == evidence.NoResult && f.Code != (evidence.Code{}):
				terminalNo = r
			}
		case evidence.GatewayRequest:
			s.Request, s.Requested = r, true
			if s.Tendered == 0 || f.Time < s.Tendered {
				s.Tendered = f.Time
			}
			if j.Kind == evidence.NoKind && f.Kind != evidence.Completion {
				j.Kind = f.Kind
			}
		case evidence.GatewayResponse:
			s.Response, s.Requested = r, true
			if j.Kind == evidence.NoKind && f.Kind != evidence.Completion {
				j.Kind = f.Kind
			}
			if f.Code == (evidence.Code{}) {
				break
			}
			s.Code, s.CodeFact = f.Code, r
			switch {
			case evidence.IsApproval(f.Code):
				gatewayYes = r
				if s.ApprovedAt == 0 || f.Time < s.ApprovedAt {
					s.ApprovedAt = f.Time
				}
			case evidence.IsOpen(f.Code):
				open = r
			default:
				gatewayNo = r
			}
		case evidence.GatewayTimeout:
			s.Timeout, s.Requested = r, true
		case evidence.GatewayError:
			s.Error, s.Requested = r, true
			if f.Code != (evidence.Code{}) && s.Response == 0 {
				s.Code, s.CodeFact = f.Code, r
				if evidence.IsOpen(f.Code) {
					open = r
				} else if !evidence.IsApproval(f.Code) {
					gatewayNo = r
				}
			}
		case evidence.RiskDecision:
			switch f.State {
			case evidence.Hold:
				if s.Hold == 0 {
					s.Holds = append(s.Holds, HoldSpan{Fact: r, From: f.Time})
				}
				s.Hold = r
			case evidence.Release:
				if s.Hold != 0 {
					s.Holds[len(s.Holds)-1].To = f.Time
				}
				s.Hold = 0
			case evidence.Decline:
				s.RiskDecline = r
			}
		case evidence.OperatorAction:
			switch f.State {
			case evidence.AmountCorrected:
				s.Corrected = r
			case evidence.WrongFunction:
				s.WrongFunction = r
			case evidence.PromptIgnored:
				s.PromptIgnored = r
			}
		case evidence.ClearingLine:
			if j.ClearingLine == 0 {
				j.ClearingLine, j.ClearedAt = r, f.Time
			}
			if j.Kind == evidence.NoKind {
				j.Kind = f.Kind
			}
		case evidence.SettlementLine:
			switch f.Kind {
			case evidence.FeeKind, evidence.Adjustment, evidence.Reserve, evidence.ReserveRelease:
			default:
				if j.SettlementLine == 0 {
					j.SettlementLine, j.SettledAt = r, f.Time
				}
				if j.Kind == evidence.NoKind {
					j.Kind = f.Kind
				}
			}
		case evidence.SaleOrder:
			j.OrderFact = r
		}
	}
	if j.Kind == evidence.NoKind {
		j.Kind = evidence.Sale
	}
	c.readReversal(j)
	presented := j.ClearingLine != 0 || j.SettlementLine != 0
	yes, no := gatewayYes, gatewayNo
	switch {
	case s.ReversalState == evidence.Acknowledged && !presented:
		s.Outcome = WasReversed
	case s.ReversalState == evidence.Acknowledged:
		s.Outcome = WasContradicted
	case s.Reversal != 0 && presented && s.ReversalState != evidence.Acknowledged:
		s.Outcome = WasReversing
	case s.Reversal != 0 && !(gatewayNo != 0 && gatewayYes == 0 && terminalYes == 0):
		s.Outcome = WasReversing
	case presented:
		s.Outcome = WasApproved
	case yes != 0 && no != 0:
		s.Outcome = WasContradicted
	case yes != 0 && terminalNo != 0:
		s.Outcome = WasContradicted
	case yes != 0:
		s.Outcome = WasApproved
	case no != 0 && terminalYes != 0:
		s.Outcome = WasContradicted
	case no != 0:
		s.Outcome = WasDeclined
	case open != 0:
		s.Outcome = WasOpen
	case terminalYes != 0 && terminalNo != 0:
		s.Outcome = WasContradicted
	case terminalYes != 0:
		s.Outcome = WasApproved
	case s.Error != 0 && s.Timeout == 0 && s.Response == 0 && (terminalNo != 0 || v.Text(s.Error, evidence.Detail) != "5xx" && v.Text(s.Error, evidence.Detail) != "connection"):
		// The platform refused the message itself: nothing was forwarded.
		s.Outcome = WasDeclined
	case s.Requested && terminalNo != 0 && s.Timeout == 0 && s.Error == 0 && s.Result == evidence.Declined:
		s.Outcome = WasDeclined
	case s.Requested && terminalNo != 0 && s.Timeout == 0 && s.Result == evidence.Aborted:
		// The request left before the terminal gave up: nobody answered it.
		s.Outcome = WasOpen
	case s.Requested && s.Timeout != 0 || s.Requested && terminalNo == 0:
		s.Outcome = NoOutcome
	case terminalNo != 0:
		s.Outcome = WasDeclined
	case s.Terminal != 0 && s.Result == evidence.Timeout && !j.Payment.Contested && c.Covered("gateway", v.At(s.Terminal).Time):
		s.Outcome = NeverSent
	}
	if s.Outcome == WasApproved && s.ApprovedAt == 0 {
		s.ApprovedAt = j.Payment.Time
	}
	if s.Tendered == 0 {
		s.Tendered = j.Payment.Time
	}
}

// approvedBy takes an accepted completion for the answer of its preauthorization,
// where that answer is not on record: nothing else can be completed.
func (s *Swipe) approvedBy(completed evidence.Instant) {
	switch s.Outcome {
	case NoOutcome, WasOpen, NeverSent:
		s.Outcome = WasApproved
		if s.ApprovedAt == 0 {
			s.ApprovedAt = min(completed, s.Tendered.Add(answerWithin))
		}
	}
}

// take adds the keys a fact knows.
func (k *Keys) take(f *evidence.Fact) {
	fill(&k.MID, f.MID)
	fill(&k.TID, f.TID)
	fill(&k.Batch, f.Batch)
	fill(&k.STAN, f.STAN)
	fill(&k.RRN, f.RRN)
	fill(&k.AuthCode, f.AuthCode)
	fill(&k.OrderID, f.OrderID)
	fill(&k.Ref, f.Ref)
	fill(&k.PAN, f.PAN)
	fill(&k.Network, f.Network)
	fill(&k.Issuer, f.Issuer)
	if k.CardType == evidence.NoCardType {
		k.CardType = f.CardType
	}
}

// admits reports whether a fact about the payment's terminal does not name
// another payment.
func (k *Keys) admits(f *evidence.Fact) bool {
	return (f.STAN == 0 || f.STAN == k.STAN) && (f.RRN == 0 || f.RRN == k.RRN) && (f.OrderID == 0 || f.OrderID == k.OrderID)
}

func fill(to *evidence.Word, w evidence.Word) {
	if *to == 0 {
		*to = w
	}
}

// readReversal gathers the latest word on the reversal of a charge.
func (c *Context) readReversal(j *Journey) {
	s := &j.Swipe
	for _, r := range j.Merchant.Facts(j.Payment) {
		// Of a payment of which nothing else is on record.
		if f := c.View.At(r); f.Type == evidence.GatewayReversal {
			s.heardReversal(r, f.Time, f.State)
		}
	}
	acts := j.Merchant.Acts(j.Payment)
	for i := range acts {
		a := &acts[i]
		if a.Kind != evidence.Reversal {
			continue
		}
		for _, r := range j.Merchant.ActFacts(a) {
			f := c.View.At(r)
			state := evidence.NoState
			switch f.Type {
			case evidence.GatewayReversal:
				state = f.State
			case evidence.TerminalTransaction:
				state = evidence.Queued
				if f.Result == evidence.Approved {
					state = evidence.Acknowledged
				}
			case evidence.GatewayRequest:
				state = evidence.Queued
			case evidence.GatewayResponse:
				if evidence.IsApproval(f.Code) {
					state = evidence.Acknowledged
				}
			case evidence.ClearingLine, evidence.SettlementLine:
				state = evidence.Acknowledged
			}
			s.heardReversal(r, f.Time, state)
		}
	}
}

// heardReversal takes a word on the reversal; once acknowledged it stays so.
func (s *Swipe) heardReversal(r evidence.FactRef, at evidence.Instant, state evidence.State) {
	if state == evidence.NoState {
		return
	}
	if s.Reversal == 0 {
		s.ReversalFirst = at
	}
	if s.ReversalState == evidence.Acknowledged && state != evidence.Acknowledged {
		return
	}
	s.Reversal, s.ReversalState, s.ReversalAt = r, state, at
}

// actOutcome tells whether an act was accepted, when, for how much, and whether
// a line shows it cleared or settled.
type actOutcome struct {
	accepted, declined bool
	at                 evidence.Instant
	amount             int64
	hasAmount          bool
	cleared, settled   evidence.FactRef
	given              int64 // Σ net of its settlement lines, signed
}

func (c *Context) readAct(m *match.Merchant, a *match.Act) actOutcome {
	var o actOutcome
	for _, r := range m.ActFacts(a) {
		f := c.View.At(r)
		amount, has := f.Amount()
		if has && (!o.hasAmount || f.Type == evidence.GatewayResponse) {
			o.amount, o.hasAmount = amount, true
		}
		yes := false
		switch f.Type {
		case evidence.TerminalTransaction:
			yes = f.Result == evidence.Approved || f.Result == evidence.OfflineApproved || f.Result == evidence.NoResult && evidence.IsApproval(f.Code)
			if yes && f.Code != (evidence.Code{}) && !evidence.IsApproval(f.Code) {
				yes = false
			}
			o.declined = o.declined || f.Result == evidence.Declined || f.Result == evidence.Aborted
		case evidence.GatewayResponse:
			yes = evidence.IsApproval(f.Code)
			o.declined = o.declined || !yes && f.Code != (evidence.Code{}) && !evidence.IsOpen(f.Code)
		case evidence.ClearingLine:
			yes = true
			o.cleared = r
		case evidence.SettlementLine:
			yes = true
			o.settled = r
			o.given += match.LineNet(f)
		}
		if yes {
			if !o.accepted {
				o.at = f.Time
			}
			o.accepted = true
		}
	}
	return o
}
