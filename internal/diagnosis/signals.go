package diagnosis

import (
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

// Signals is what the predicates of the catalogue can ask about a payment. It
// holds no times and no references, only words and yes or no: payments with the
// same signals have the same cause, and the predicates are evaluated once for
// all of them. What each signal rests on stands in the findings beside it.
//
// Faults are words: "" for none, else "down", "degraded", "incident" or
// "maintenance" (a notice), "failed"; each was in force when the leg was tried
// or due, and concerns this very payment.
type Signals struct {
	Leg        string `expr:"leg"`        // the leg that is missing
	Status     string `expr:"status"`     // of the contract
	Cardholder string `expr:"cardholder"` // of the contract
	Stage      string `expr:"stage"`      // of the contract
	Kind       string `expr:"kind"`       // sale, preauth, …
	Outcome    string `expr:"outcome"`    // approved, declined, open, reversed, reversing, contradicted, never_sent or ""
	Due        bool   `expr:"due"`        // the leg's due time has passed

	// The moment at the terminal.
	Result    string `expr:"result"`     // the terminal's word
	Entry     string `expr:"entry"`      // how the card was read
	Code      string `expr:"code"`       // response code
	Category  string `expr:"category"`   // of the code in the response-code table
	Requested bool   `expr:"requested"`  // the platform saw it
	Answered  bool   `expr:"answered"`   // the platform approved it
	TimedOut  bool   `expr:"timed_out"`  // no answer in time, or none at all
	Reversal  string `expr:"reversal"`   // queued, acknowledged, abandoned or ""
	Lingering bool   `expr:"lingering"`  // that reversal is open for more than a day
	Offline   bool   `expr:"offline"`    // approved offline
	RiskNo    bool   `expr:"risk_no"`    // the platform's risk control declined it
	NamedLink string `expr:"named_link"` // kind of link its own time-out or error names: issuer, network, platform, merchant, terminal

	// Faults.
	Reader       string `expr:"reader"`        // of the way the card was read
	Board        string `expr:"board"`         // mainboard, battery or SIM
	Printer      string `expr:"printer"`       //
	Unprinted    bool   `expr:"unprinted"`     // a slip of its batch was not printed
	Crash        bool   `expr:"crash"`         // crashed within the attempt, or not started again
	Lag          bool   `expr:"lag"`           // transactions wait in the terminal
	UploadError  string `expr:"upload_error"`  // how the upload of its batch was refused
	OwnError     string `expr:"own_error"`     // detail of its own gateway.error
	Updated      bool   `expr:"updated"`       // new software within the week before
	Burst        bool   `expr:"burst"`         // errors of the platform's interface came in a burst
	IssuerLink   string `expr:"issuer_link"`   //
	NetworkLink  string `expr:"network_link"`  //
	Platform     string `expr:"platform"`      //
	MerchantLink string `expr:"merchant_link"` // merchant's network, or terminal to platform
	BankLink     string `expr:"bank_link"`     // payouts
	Policy       string `expr:"policy"`        // whose limit it broke: issuer, mid, tid, platform
	PayoutPolicy bool   `expr:"payout_policy"` // the bank's limit on payouts
	Prompt       string `expr:"prompt"`        // the ignored prompt whose step is the one missing

	// Capture.
	Upload        bool `expr:"upload"`         // waits for its batch
	BatchClosed   bool `expr:"batch_closed"`   //
	OutOfBalance  bool `expr:"out_of_balance"` //
	ReportsHealth bool `expr:"reports_health"` // the terminal reports its health
	// TerminalCovered: all that the terminal said from the sale to the due time is
	// declared to be on record.
	TerminalCovered bool `expr:"terminal_covered"`
	OpenPreauth     bool `expr:"open_preauth"`  //
	MeantAsSale     bool `expr:"meant_as_sale"` //
	MistakenVoid    bool `expr:"mistaken_void"` // a later order or action shows that the void was a mistake
	Voided          bool `expr:"voided"`        //

	// Clearing and settlement.
	File string `expr:"file"` // whole (and lacks it), short, absent (and expected), "" (nobody declared any)

	LateBefore bool `expr:"late_before"` // an earlier leg came late; faults are those of then

	// Holds, payouts, credit. A hold counts while it lasts, and for what it made
	// late also after its release.
	Account       string `expr:"account"`        // frozen, suspended or ""
	AccountReason string `expr:"account_reason"` //
	Held          string `expr:"held"`           // payment, merchant, payout or ""
	HeldReason    bool   `expr:"held_reason"`    // a reason is stated
	Payout        string `expr:"payout"`         // its latest state
	PayoutReason  string `expr:"payout_reason"`  // amount, account, other or ""
	Suspended     string `expr:"suspended"`      // minimum, negative, limit or ""
	PayoutsKnown  bool   `expr:"payouts_known"`  // the due time is covered
	Covered       bool   `expr:"covered"`        // a statement covers the credit's day
	Contested     bool   `expr:"contested"`      // an entry fits several ways
	Deduction     string `expr:"deduction"`      // chargeback, reserve, adjustment, fee: the largest

	// The record.
	Mismatch     bool   `expr:"mismatch"`      // witnesses give different amounts
	Duplicate    string `expr:"duplicate"`     // clearing, order, near or ""
	OrderDiffers bool   `expr:"order_differs"` // from what the customer was to pay
	Corrected    bool   `expr:"corrected"`     // the operator corrected the amount

	AfterCutoff bool `expr:"after_cutoff"`
	OverHoliday bool `expr:"over_holiday"`
}

// finding is what a signal rests on.
type finding struct {
	refs     []evidence.FactRef
	from, to evidence.Instant
	known    bool
	subject  string
}

// The findings that rules cite and incidents are about.
const (
	fTerminal = iota
	fCode
	fTimeout
	fError
	fReversal
	fRisk
	fReader
	fBoard
	fPrinter
	fUnprinted
	fCrash
	fLag
	fUploadError
	fUpdated
	fBurst
	fIssuerLink
	fNetworkLink
	fPlatform
	fMerchantLink
	fBankLink
	fPolicy
	fPayoutPolicy
	fPrompt
	fBatch
	fFunction
	fAct
	fFile
	fAccount
	fHold
	fPayout
	fDeduction
	fMismatch
	fDuplicate
	fOrder
	fStatement
	fEntry
	fProof
	findingCount
)

var findingByName = map[string]int{
	"terminal": fTerminal, "code": fCode, "timeout": fTimeout, "error": fError, "reversal": fReversal, "risk": fRisk,
	"reader": fReader, "board": fBoard, "printer": fPrinter, "unprinted": fUnprinted, "crash": fCrash, "lag": fLag,
	"upload_error": fUploadError, "updated": fUpdated, "burst": fBurst, "issuer_link": fIssuerLink,
	"network_link": fNetworkLink, "platform": fPlatform, "merchant_link": fMerchantLink, "bank_link": fBankLink,
	"policy": fPolicy, "payout_policy": fPayoutPolicy, "prompt": fPrompt, "batch": fBatch, "function": fFunction,
	"act": fAct, "file": fFile, "account": fAccount, "hold": fHold, "payout": fPayout, "deduction": fDeduction,
	"mismatch": fMismatch, "duplicate": fDuplicate, "order": fOrder, "statement": fStatement, "entry": fEntry, "proof": fProof,
}

// findings is what is known of one payment's circumstances.
type findings [findingCount]finding

func (f *findings) set(at int, refs ...evidence.FactRef) *finding {
	found := &f[at]
	for _, r := range refs {
		if r != 0 {
			found.refs = append(found.refs, r)
		}
	}
	return found
}

func (f *findings) fault(at int, i *interval, subject string) string {
	if i == nil {
		return ""
	}
	*f.set(at, i.ref) = finding{refs: []evidence.FactRef{i.ref}, from: i.from, to: i.to, known: i.known, subject: subject}
	return i.state
}

var outcomeNames = map[journey.Outcome]string{
	journey.WasApproved: "approved", journey.WasDeclined: "declined", journey.WasOpen: "open", journey.WasReversed: "reversed",
	journey.WasReversing: "reversing", journey.WasContradicted: "contradicted", journey.NeverSent: "never_sent",
}

// judgedLeg gives the leg that a cause has to explain.
func judgedLeg(j *journey.Journey) journey.Leg {
	switch j.Status {
	case journey.Refunded, journey.Arrived, journey.Confirmed:
		return journey.Credit
	case journey.Short:
		return journey.Credit
	}
	if j.Next == journey.NoLeg {
		return journey.Credit
	}
	return j.Next
}

// read fills the signals and findings of a payment.
func (e *Engine) read(j *journey.Journey, s *Signals, f *findings) {
	*s, *f = Signals{}, findings{}
	leg := judgedLeg(j)
	w := &j.Swipe
	s.Leg, s.Status, s.Cardholder, s.Stage, s.Kind = leg.String(), j.Status.String(), j.Cardholder.String(), j.Stage.String(), j.Kind.String()
	s.Outcome = outcomeNames[w.Outcome]
	s.Due = j.LegDue != 0 && j.AsOf > j.LegDue
	s.Voided = voided(e.ctx, j)
	s.Offline = w.OfflineApproved
	s.Upload = j.Terms.TerminalCapture || w.OfflineApproved && w.Response == 0
	s.AfterCutoff, s.OverHoliday = j.Legs.AfterCutoff, j.Legs.OverHoliday
	f.set(fProof, latest(j.SettlementLine, j.ClearingLine, j.BatchFact, w.Response, w.Terminal))
	e.readRecord(j, s, f)
	switch leg {
	case journey.Authorization:
		e.readAuthorization(j, s, f)
	case journey.Capture:
		e.readCapture(j, s, f)
	default:
		e.readLater(j, leg, s, f)
	}
}

func latest(refs ...evidence.FactRef) evidence.FactRef {
	for _, r := range refs {
		if r != 0 {
			return r
		}
	}
	return 0
}

func voided(c *journey.Context, j *journey.Journey) bool {
	if j.Kind == evidence.Void {
		return true
	}
	for _, a := range j.Merchant.Acts(j.Payment) {
		if a.Kind == evidence.Void {
			return true
		}
	}
	return false
}

// readRecord reads what the records say of the payment itself.
func (e *Engine) readRecord(j *journey.Journey, s *Signals, f *findings) {
	if j.AmountMismatch != 0 {
		s.Mismatch = true
		f.set(fMismatch, j.AmountMismatch)
	}
	if j.HasOrder && j.OrderDifference != 0 && s.Code != "10" && j.Swipe.Code != (evidence.Code{'1', '0'}) {
		s.OrderDiffers = true
		f.set(fOrder, j.OrderFact)
	}
	if corrected := e.corrected(j); corrected != 0 {
		s.Corrected = true
		f.set(fOrder, corrected)
	}
	s.Duplicate = e.duplicate(j, f)
	d := &j.Deductions
	switch largest := max(d.Chargeback, d.Reserve, d.Adjustment, d.ExcessFee); {
	case largest == 0:
	case largest == d.Chargeback:
		s.Deduction = "chargeback"
	case largest == d.Reserve:
		s.Deduction = "reserve"
	case largest == d.Adjustment:
		s.Deduction = "adjustment"
	default:
		s.Deduction = "fee"
		f.set(fDeduction, j.SettlementLine)
	}
	f.set(fDeduction, d.Facts...)
	for _, a := range j.Merchant.Acts(j.Payment) {
		if a.Kind == evidence.Void || a.Kind == evidence.Refund {
			f.set(fAct, j.Merchant.ActFacts(&a)...)
		}
	}
	if j.Kind == evidence.Void || j.Kind == evidence.Refund {
		f.set(fAct, latest(j.Swipe.Terminal, j.Swipe.Response, j.SettlementLine, j.ClearingLine))
	}
	if s.Voided && j.Status == journey.Refunded {
		s.MistakenVoid = e.mistakenVoid(j, f)
	}
}

// corrected gives the operator's correction of the payment's amount: one that
// names it, or the one at its terminal between it and the payment before.
func (e *Engine) corrected(j *journey.Journey) evidence.FactRef {
	if j.Swipe.Corrected != 0 {
		return j.Swipe.Corrected
	}
	for _, r := range e.ctx.Actions(j.Keys.TID) {
		fact := e.view.At(r)
		if fact.State == evidence.AmountCorrected && fact.STAN == 0 && fact.RRN == 0 && fact.OrderID == 0 {
			if gap := j.Time.Sub(fact.Time); gap >= -attemptSlack && gap <= attemptSlack {
				return r
			}
		}
	}
	return 0
}

// mistakenVoid reports whether an order or an operator's action after a void
// shows that the sale was meant to stand.
func (e *Engine) mistakenVoid(j *journey.Journey, f *findings) bool {
	var at evidence.Instant
	var stan evidence.Word
	for _, a := range j.Merchant.Acts(j.Payment) {
		if a.Kind == evidence.Void {
			at = max(at, a.Time)
			for _, r := range j.Merchant.ActFacts(&a) {
				stan = max(stan, e.view.At(r).STAN)
			}
		}
	}
	if j.OrderFact != 0 && at != 0 && e.view.At(j.OrderFact).Time > at {
		f.set(fFunction, j.OrderFact)
		return true
	}
	if r := j.Swipe.WrongFunction; r != 0 && at != 0 && e.view.At(r).Time >= at {
		f.set(fFunction, r)
		return true
	}
	for _, r := range e.ctx.Actions(j.Keys.TID) {
		fact := e.view.At(r)
		if fact.State == evidence.WrongFunction && at != 0 && fact.Time >= at && fact.Time.Sub(at) <= burstWindow*2 && (fact.STAN == 0 || fact.STAN == j.Keys.STAN || fact.STAN == stan) {
			f.set(fFunction, r)
			return true
		}
	}
	return false
}

// readAuthorization reads what may have stopped the authorization.
func (e *Engine) readAuthorization(j *journey.Journey, s *Signals, f *findings) {
	w, v, fl := &j.Swipe, e.view, e.faults
	s.Result, s.Entry, s.Code = w.Result.String(), w.Entry.String(), w.Code.String()
	if info, ok := evidence.LookupCode(w.Code); ok && w.Code != (evidence.Code{}) {
		s.Category = info.Category
	}
	s.Requested = w.Requested
	s.Answered = w.Response != 0 && evidence.IsApproval(v.At(w.Response).Code)
	s.TimedOut = w.Timeout != 0 || w.Requested && w.Response == 0 && w.Error == 0
	s.Reversal = w.ReversalState.String()
	s.Lingering = w.ReversalState == evidence.Queued && j.AsOf.Sub(w.ReversalFirst) > promptReach || w.ReversalState == evidence.Abandoned
	s.RiskNo = w.RiskDecline != 0
	f.set(fTerminal, w.Terminal)
	f.set(fCode, w.CodeFact)
	f.set(fTimeout, w.Timeout)
	f.set(fError, w.Error)
	f.set(fReversal, w.Reversal)
	f.set(fRisk, w.RiskDecline)
	if w.Error != 0 {
		s.OwnError = v.Text(w.Error, evidence.Detail)
	}
	named := ""
	for _, r := range []evidence.FactRef{w.Timeout, w.Error} {
		if r != 0 && named == "" {
			named = v.Text(r, evidence.Link)
		}
	}
	s.NamedLink = linkKind(named)
	from, to := w.Tendered.Add(-attemptSlack), j.Time
	for _, r := range []evidence.FactRef{w.Terminal, w.Request, w.Response, w.Timeout, w.Error} {
		if r != 0 {
			to = max(to, v.At(r).Time)
		}
	}
	if to.Sub(w.Tendered) > promptReach { // a fact of another day says nothing of the attempt
		to = w.Tendered
	}
	to = to.Add(attemptSlack)
	link := func(at int, subjects ...string) string {
		for _, subject := range subjects {
			if state := f.fault(at, fl.links[subject].at(from, to, journey.Authorization), subject); state != "" {
				return state
			}
		}
		return ""
	}
	issuer, network := fl.name(j.Keys.Issuer), fl.name(j.Keys.Network)
	if s.NamedLink == "issuer" && issuer == "" {
		issuer = strings.TrimPrefix(named, "network-issuer/")
	}
	s.IssuerLink = link(fIssuerLink, "network-issuer/"+issuer)
	s.NetworkLink = link(fNetworkLink, fl.networkOf(network, named)...)
	s.Platform = link(fPlatform, "platform")
	tid, mid := fl.name(j.Keys.TID), fl.name(j.Keys.MID)
	s.MerchantLink = link(fMerchantLink, "terminal-platform/"+tid, "merchant-network/"+mid)
	// Of faults on its way, those in force at the attempt itself go before those
	// that came or went within the minutes around it.
	ways := [...]struct {
		at   int
		word *string
	}{{fIssuerLink, &s.IssuerLink}, {fNetworkLink, &s.NetworkLink}, {fPlatform, &s.Platform}, {fMerchantLink, &s.MerchantLink}}
	inside := func(i *finding) bool {
		return len(i.refs) > 0 && i.from <= to.Add(-attemptSlack) && i.to > from.Add(attemptSlack)
	}
	within := false
	for _, way := range ways {
		within = within || inside(&f[way.at])
	}
	for _, way := range ways {
		if within && !inside(&f[way.at]) {
			*way.word, f[way.at] = "", finding{}
		}
	}
	if part := readerOf(w.Entry); part != "" {
		s.Reader = f.fault(fReader, fl.health[partKey{j.Keys.TID, part}].at(from, to, journey.Authorization), tid)
	} else if w.Entry == evidence.NoEntry {
		for _, part := range []string{"chip_reader", "contactless_reader", "magstripe_reader"} {
			if s.Reader == "" {
				s.Reader = f.fault(fReader, fl.health[partKey{j.Keys.TID, part}].at(from, to, journey.Authorization), tid)
			}
		}
	}
	s.Board = fl.board(j, f, from, to)
	s.Crash = fl.crashedAt(j, f, from, to)
	if i := fl.bursts.at(from, to, journey.Authorization); i != nil {
		s.Burst = f.fault(fBurst, i, "platform") != ""
	}
	s.Updated = fl.updatedBefore(j, f, w.Tendered)
	s.Policy = ""
	if w.Outcome == journey.WasDeclined {
		whose, r := fl.policy(j)
		s.Policy = whose
		f.set(fPolicy, r)
	}
	s.Prompt = fl.promptBefore(j, f, w.Tendered)
}

// linkKind names the kind of a link.
func linkKind(link string) string {
	kind, _, _ := strings.Cut(link, "/")
	switch kind {
	case "network-issuer":
		return "issuer"
	case "platform-network":
		return "network"
	case "platform":
		return "platform"
	case "merchant-network":
		return "merchant"
	case "terminal-platform":
		return "terminal"
	case "platform-bank":
		return "bank"
	}
	return ""
}

// networkOf gives the links to the payment's network; where the payment does
// not know it, the one its time-out names, or the only one on record.
func (f *faults) networkOf(network, named string) []string {
	switch {
	case network != "":
		return []string{"platform-network/" + network}
	case strings.HasPrefix(named, "platform-network/"):
		return []string{named}
	case len(f.networks) == 1:
		return f.networks
	}
	return nil
}

// board gives a fault of the terminal's mainboard, battery or SIM.
func (f *faults) board(j *journey.Journey, found *findings, from, to evidence.Instant) string {
	for _, part := range []string{"mainboard", "battery", "sim"} {
		if i := f.health[partKey{j.Keys.TID, part}].at(from, to, journey.Authorization); i != nil {
			return found.fault(fBoard, i, f.name(j.Keys.TID))
		}
	}
	return ""
}

// crashedAt reports whether the terminal's software crashed within a stretch of
// time, or had crashed before and not started again.
func (f *faults) crashedAt(j *journey.Journey, found *findings, from, to evidence.Instant) bool {
	i := f.crashes(j.Keys.TID).at(from, to, journey.Authorization)
	return found.fault(fCrash, i, f.name(j.Keys.TID)) != ""
}

// crashes gives the stretches in which a terminal's software was down: until it
// was started, or was seen to work.
func (f *faults) crashes(tid evidence.Word) timeline { return f.health[partKey{tid, softwarePart}] }

// updatedBefore reports whether the terminal got new software in the week
// before a moment, the last time.
func (f *faults) updatedBefore(j *journey.Journey, found *findings, at evidence.Instant) bool {
	refs := f.software[j.Keys.TID]
	for n := len(refs) - 1; n >= 0; n-- {
		fact := f.c.View.At(refs[n])
		if fact.State == evidence.Updated && fact.Time <= at.Add(attemptSlack) && at.Sub(fact.Time) <= staleAfter {
			found[fUpdated] = finding{refs: refs[n : n+1 : n+1], from: fact.Time, subject: f.name(j.Keys.TID)}
			return true
		}
	}
	return false
}

// promptBefore gives the prompt that was ignored at the terminal before an
// attempt: to sign on, within a day and with nothing approved since; to update, at
// any time in the week before; to ask for a result, after it.
func (f *faults) promptBefore(j *journey.Journey, found *findings, at evidence.Instant) string {
	v := f.c.View
	prompt := ""
	take := func(p string, r evidence.FactRef) {
		prompt = p
		found[fPrompt] = finding{refs: []evidence.FactRef{r}, from: v.At(r).Time, subject: f.name(j.Keys.TID)}
	}
	for _, r := range f.prompts[j.Keys.TID] {
		fact := v.At(r)
		gap := at.Sub(fact.Time)
		switch p := v.Text(r, evidence.Prompt); {
		case p == "update_required" && gap >= -attemptSlack && gap <= staleAfter,
			p == "query_result" && gap <= attemptSlack && -gap <= promptReach && (fact.STAN == 0 || fact.STAN == j.Keys.STAN) && (fact.RRN == 0 || fact.RRN == j.Keys.RRN):
			take(p, r)
		}
	}
	if i := f.health[partKey{j.Keys.TID, keysPart}].at(at, at.Add(attemptSlack), journey.Authorization); i != nil {
		take("sign_on", i.ref)
	}
	if r := j.Swipe.PromptIgnored; r != 0 {
		take(v.Text(r, evidence.Prompt), r)
	}
	return prompt
}
