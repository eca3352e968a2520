package diagnosis

import (
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
)

// moment gives the stretch in which a fault has to be in force to explain that
// a leg after the authorization has not happened: its due time; before it, now,
// unless the fault is known to end before the leg is due.
func moment(j *journey.Journey) (at evidence.Instant, early bool) {
	if j.LegDue == 0 || j.AsOf <= j.LegDue {
		return j.AsOf, true
	}
	return j.LegDue, false
}

func during(t timeline, j *journey.Journey, leg journey.Leg) *interval {
	at, early := moment(j)
	i := t.at(at, at, leg)
	if i == nil || early && i.known && i.to <= j.LegDue {
		return nil
	}
	return i
}

// readCapture reads what may keep a batch, or a preauthorization, from being
// captured.
func (e *Engine) readCapture(j *journey.Journey, s *Signals, f *findings) {
	fl, v := e.faults, e.view
	tid := fl.name(j.Keys.TID)
	s.OpenPreauth, s.MeantAsSale = j.OpenPreauth, j.MeantAsSale
	f.set(fTerminal, j.Swipe.Terminal)
	if j.OpenPreauth {
		f.set(fFunction, latest(j.Swipe.WrongFunction, j.OrderFact))
	}
	s.ReportsHealth = fl.reporting[j.Keys.TID]
	s.TerminalCovered = s.Due && e.ctx.CoveredSpan("terminal/"+tid, j.Time, j.LegDue)
	// A printer that printed another slip since is no excuse for the slip that
	// is missing: it holds the batch until the printer is reported well.
	s.Printer = f.fault(fPrinter, during(fl.reported[partKey{j.Keys.TID, "printer"}], j, journey.Capture), tid)
	key := batchKey{j.Keys.MID, j.Keys.TID, j.Keys.Batch}
	if r := fl.unprinted[key]; r != 0 {
		s.Unprinted = true
		f.set(fUnprinted, r)
	}
	for _, part := range []string{"mainboard", "battery", "sim"} {
		if s.Board == "" {
			s.Board = f.fault(fBoard, during(fl.health[partKey{j.Keys.TID, part}], j, journey.Capture), tid)
		}
	}
	s.Crash = f.fault(fCrash, during(fl.crashes(j.Keys.TID), j, journey.Capture), tid) != ""
	s.Lag = f.fault(fLag, during(fl.lags(j.Keys.TID), j, journey.Capture), tid) != ""
	fl.uploadErrors(j, key, s, f)
	for _, r := range e.ctx.Batch(key.mid, key.tid, key.batch) {
		fact := v.At(r)
		switch fact.State {
		case evidence.Closed:
			s.BatchClosed = s.BatchClosed || fact.Time >= j.Time
		case evidence.OutOfBalance:
			s.OutOfBalance = true
			f[fBatch] = finding{refs: []evidence.FactRef{r}, from: fact.Time, subject: tid + "/" + fl.name(j.Keys.Batch)}
		}
	}
	if f[fBatch].subject == "" {
		f[fBatch].subject = tid + "/" + fl.name(j.Keys.Batch)
	}
	s.Platform = f.fault(fPlatform, during(fl.links["platform"], j, journey.Capture), "platform")
	for _, link := range []string{"terminal-platform/" + tid, "merchant-network/" + fl.name(j.Keys.MID)} {
		if s.MerchantLink == "" {
			s.MerchantLink = f.fault(fMerchantLink, during(fl.links[link], j, journey.Capture), link)
		}
	}
	for _, r := range fl.prompts[j.Keys.TID] {
		fact := v.At(r)
		p := v.Text(r, evidence.Prompt)
		if (p == "settle_batch" || p == "reprint") && near(fact, j) {
			s.Prompt = p
			f[fPrompt] = finding{refs: []evidence.FactRef{r}, from: fact.Time, subject: tid + "/" + fl.name(j.Keys.Batch)}
		}
	}
}

// near reports whether a fact about a terminal concerns the batch of a payment:
// it names the batch, which holds all its payments, those sold later too; or it
// came after the payment, within the time in which a state holds.
func near(f *evidence.Fact, j *journey.Journey) bool {
	if f.Batch != 0 {
		return f.Batch == j.Keys.Batch
	}
	return f.Time >= j.Time && f.Time.Sub(j.Time) <= staleAfter
}

// lags gives the stretches in which a terminal held transactions back.
func (f *faults) lags(tid evidence.Word) timeline {
	var t timeline
	for _, r := range f.software[tid] {
		fact := f.c.View.At(r)
		open := len(t) > 0 && !t[len(t)-1].known
		switch fact.State {
		case evidence.SyncLag:
			pending, said := f.c.View.Num(r, evidence.PendingCount)
			switch {
			case said && pending == 0:
				if open {
					t[len(t)-1].to, t[len(t)-1].known = fact.Time, true
				}
			case open && fact.Time < t[len(t)-1].to:
				t[len(t)-1].to = fact.Time.Add(staleAfter)
			default:
				t = append(t, interval{from: fact.Time, to: fact.Time.Add(staleAfter), state: "lag", ref: r})
			}
		case evidence.SyncDone:
			if open {
				t[len(t)-1].to, t[len(t)-1].known = fact.Time, true
			}
		}
	}
	return t
}

// uploadErrors finds how the upload of a batch was refused.
func (f *faults) uploadErrors(j *journey.Journey, key batchKey, s *Signals, found *findings) {
	v := f.c.View
	for _, k := range []batchKey{key, {0, key.tid, key.batch}} {
		for _, r := range f.errors[k] {
			fact := v.At(r)
			s.UploadError = v.Text(r, evidence.Detail)
			s.Code = fact.Code.String()
			found[fUploadError] = finding{refs: []evidence.FactRef{r}, from: fact.Time, subject: f.name(key.tid)}
		}
	}
	for _, r := range f.software[key.tid] {
		fact := v.At(r)
		if fact.State != evidence.ProtocolError {
			continue
		}
		// The terminal's word and the platform's are of one refusal.
		if from := found[fUploadError].from; from != 0 && fact.Time >= from.Add(-attemptSlack) && fact.Time <= from.Add(attemptSlack) {
			found[fUploadError].from = min(from, fact.Time)
		}
		if near(fact, j) {
			s.UploadError = "protocol"
			refs := append(found[fUploadError].refs, r)
			from := fact.Time
			if found[fUploadError].from != 0 {
				from = min(from, found[fUploadError].from)
			}
			found[fUploadError] = finding{refs: refs, from: from, subject: f.name(key.tid)}
		}
	}
}

// readLater reads what may keep clearing, settlement, payout or credit back.
func (e *Engine) readLater(j *journey.Journey, leg journey.Leg, s *Signals, f *findings) {
	fl, v := e.faults, e.view
	bank := j.Terms.Bank
	if j.Payout != nil && j.Payout.Bank != "" {
		bank = j.Payout.Bank
	}
	s.Covered = j.Covered
	s.Contested = j.Contested(e.ctx)
	if s.Contested {
		f.set(fEntry, e.contestedBy(j)...)
	}
	f.set(fEntry, j.Entry)
	if j.Status == journey.Short || j.Status == journey.Refunded {
		return
	}
	s.Platform = f.fault(fPlatform, stopping(fl.links["platform"], j, leg), "platform")
	networks := fl.networkOf(fl.name(j.Keys.Network), "")
	// What is paid out within minutes does not wait to be cleared, and what is
	// cleared has the network behind it.
	if (leg == journey.Clearing && (s.Due || !j.Legs.Immediate)) || leg == journey.Settlement && j.ClearingLine == 0 {
		for _, link := range networks {
			s.NetworkLink = f.fault(fNetworkLink, stopping(fl.links[link], j, leg), link)
		}
	}
	switch leg {
	case journey.Clearing:
		e.clearingFile(j, s, f)
		// What is paid out within minutes is settled before it is cleared: what
		// stops settlement stops it.
		if j.Legs.Immediate && s.Platform == "" {
			s.Platform = f.fault(fPlatform, stopping(fl.links["platform"], j, journey.Settlement), "platform")
		}
	case journey.Settlement:
		e.settlementFile(j, s, f)
	}
	if bank != "" && (leg == journey.Payout || leg == journey.Credit) {
		s.BankLink = f.fault(fBankLink, stopping(fl.links["platform-bank/"+bank], j, leg), "platform-bank/"+bank)
	}
	if leg == journey.Settlement || leg == journey.Payout {
		e.readHolds(j, s, f)
	}
	if p := j.Payout; p != nil {
		state, r := p.State(v)
		s.Payout = state.String()
		if r != 0 {
			s.PayoutReason = reasonKind(v.Text(r, evidence.Reason))
			f[fPayout] = finding{refs: []evidence.FactRef{r}, from: v.At(r).Time, subject: fl.name(p.ID)}
		} else {
			f[fPayout] = finding{subject: fl.name(p.ID)}
		}
		if r := fl.payoutPolicy(j, bank); r != 0 && leg == journey.Payout {
			s.PayoutPolicy = true
			f[fPayoutPolicy] = finding{refs: []evidence.FactRef{r}, from: v.At(r).Time, subject: fl.name(p.ID)}
		}
	}
	switch j.Suspended {
	case journey.BelowMinimum:
		s.Suspended = "minimum"
	case journey.NegativeBalance:
		s.Suspended = "negative"
	case journey.OverPayoutLimit:
		s.Suspended = "limit"
		f.set(fPolicy, e.ctx.PayoutLimitFact(j.Keys.MID))
	}
	if leg == journey.Payout && j.LegDue != 0 {
		s.PayoutsKnown = e.ctx.Covered("payouts", j.LegDue)
	}
	e.dropEnded(j, s, f)
	if leg != journey.Credit && s.Account == "" && s.Held == "" {
		e.readPastHold(j, s, f)
	}
	if s.Platform == "" && s.NetworkLink == "" && s.BankLink == "" {
		// Nothing stops it now, or did when it was due: it is late because of what
		// made an earlier leg late.
		if before, at := lateBefore(j, leg); at != 0 {
			s.LateBefore = true
			s.Platform = f.fault(fPlatform, fl.links["platform"].at(at, at, before), "platform")
			for _, link := range networks {
				s.NetworkLink = f.fault(fNetworkLink, fl.links[link].at(at, at, before), link)
			}
		}
	}
	f[fStatement].subject = j.Account()
	if r, ok := e.ctx.Statement(j.Account(), j.CreditDay); ok {
		f[fStatement].refs = []evidence.FactRef{r}
	}
}

// dropEnded leaves, of several faults that may stop a leg that is late, those
// still in force: what has ended does not stop it any more.
func (e *Engine) dropEnded(j *journey.Journey, s *Signals, f *findings) {
	if !s.Due {
		return
	}
	ways := [...]struct {
		at   int
		word *string
	}{{fPlatform, &s.Platform}, {fNetworkLink, &s.NetworkLink}, {fBankLink, &s.BankLink}}
	still := false
	for _, way := range ways {
		still = still || *way.word != "" && f[way.at].to > j.AsOf
	}
	for _, way := range ways {
		if still && *way.word != "" && f[way.at].to <= j.AsOf {
			*way.word, f[way.at] = "", finding{}
		}
	}
}

// stopping gives the fault that stops a leg: one in force when it was due (or,
// before that, will be); for a leg that is late without such a one, one in force
// now, since what is late is tried again until it succeeds.
func stopping(t timeline, j *journey.Journey, leg journey.Leg) *interval {
	i := during(t, j, leg)
	if i == nil && j.LegDue != 0 && j.AsOf > j.LegDue {
		i = t.at(j.AsOf, j.AsOf, leg)
	}
	return i
}

// lateBefore gives an earlier leg that came late and when it was due; 0 where
// none did. What is late since then is late because of what delayed that leg; what
// was cleared late and settled in time all the same has made up for it.
func lateBefore(j *journey.Journey, leg journey.Leg) (journey.Leg, evidence.Instant) {
	settledLate := j.SettlementLine == 0 || j.SettledAt > j.Legs.Settlement
	switch {
	case leg > journey.Clearing && j.ClearedAt > j.Legs.ClearingFile && j.ClearingLine != 0 && settledLate:
		return journey.Clearing, j.Legs.ClearingFile
	case leg > journey.Settlement && settledLate && j.SettlementLine != 0:
		return journey.Settlement, j.Legs.Settlement
	}
	return journey.NoLeg, 0
}

// readPastHold reads a hold that was in force when the leg was due, or when the
// day's file was made without the payment, and has been released since: what it
// delayed is late because of it. What is paid within minutes is settled before
// it is cleared: there a hold that still lasts counts on the clearing leg.
func (e *Engine) readPastHold(j *journey.Journey, s *Signals, f *findings) {
	var r evidence.FactRef
	if j.Legs.Immediate {
		r = e.ctx.HeldAt(j, j.AsOf)
	} else if j.Next == journey.Clearing {
		return
	}
	now := func(at int) bool { return len(f[at].refs) > 0 && f[at].to > j.AsOf }
	if r == 0 && (now(fBankLink) || now(fPlatform) || now(fNetworkLink)) {
		return // that is what stops it now
	}
	if r == 0 && s.Due {
		r = e.ctx.HeldAt(j, j.LegDue)
	}
	if r == 0 && (j.SettlementLine == 0 || j.SettledAt > j.Legs.Settlement) {
		if file, _ := e.ctx.SettlementFile(j.Keys.MID, j.Legs.Day); file != 0 {
			r = e.ctx.HeldAt(j, e.view.At(file).Time)
		}
	}
	if r == 0 {
		return
	}
	fact := e.view.At(r)
	switch fact.Type {
	case evidence.AccountStatus:
		s.Account, s.AccountReason = fact.State.String(), e.view.Text(r, evidence.Reason)
		f[fAccount] = finding{refs: []evidence.FactRef{r}, from: fact.Time, subject: e.faults.name(j.Keys.MID)}
	default:
		s.Held = "payment"
		f[fHold] = finding{refs: []evidence.FactRef{r}, from: fact.Time}
		if fact.RRN == 0 && fact.STAN == 0 && fact.OrderID == 0 && fact.Ref == 0 {
			s.Held = "merchant"
			f[fHold].subject = e.faults.name(j.Keys.MID)
		}
	}
}

// contestedBy gives the entries that may prove the payment among others.
func (e *Engine) contestedBy(j *journey.Journey) []evidence.FactRef {
	var out []evidence.FactRef
	for _, a := range e.ctx.Match.Ambiguous {
		hit := false
		for _, p := range a.Payouts {
			hit = hit || p == j.Payout
		}
		for _, p := range a.Payments {
			hit = hit || p == j.Payment
		}
		if hit {
			out = append(out, a.Fact)
		}
	}
	return out
}

// reasonKind says what an ISO 20022 reason of a payout is about.
func reasonKind(reason string) string {
	switch strings.ToUpper(reason) {
	case "":
		return ""
	case "AM02", "AM14", "AM21", "AM13":
		return "amount"
	}
	switch up := strings.ToUpper(reason); {
	case strings.HasPrefix(up, "AC"), strings.HasPrefix(up, "BE"), strings.HasPrefix(up, "RC"), strings.HasPrefix(up, "MD"):
		return "account"
	}
	return "other"
}

func (e *Engine) readHolds(j *journey.Journey, s *Signals, f *findings) {
	if j.Status != journey.Held {
		return
	}
	v, fl := e.view, e.faults
	mid := fl.name(j.Keys.MID)
	r := j.HeldBy
	fact := v.At(r)
	switch fact.Type {
	case evidence.AccountStatus:
		s.Account, s.AccountReason = fact.State.String(), v.Text(r, evidence.Reason)
		from := fact.Time
		refs := e.ctx.AccountStates(j.Keys.MID)
		for n := len(refs) - 1; n >= 0; n-- { // the hold began with the first of the same state
			if o := v.At(refs[n]); o.State != fact.State {
				break
			}
			from = v.At(refs[n]).Time
		}
		f[fAccount] = finding{refs: []evidence.FactRef{r}, from: from, subject: mid}
	case evidence.RiskDecision:
		s.Held = "payment"
		if r != j.Swipe.Hold {
			s.Held = "merchant"
			f[fHold] = finding{subject: mid}
		}
		f[fHold].refs, f[fHold].from = []evidence.FactRef{r}, fact.Time
	case evidence.PayoutStatus:
		s.Held = "payout"
		s.HeldReason = v.Text(r, evidence.Reason) != ""
	}
}

// clearingFile says what is known of the network's file that should have the
// payment.
func (e *Engine) clearingFile(j *journey.Journey, s *Signals, f *findings) {
	network := e.faults.name(j.Keys.Network)
	date := j.BusinessDate
	r, whole := e.ctx.ClearingFile(j.Keys.Network, date)
	if next := j.Terms.Calendar.NextOnOrAfter(date); r == 0 && next != date {
		if r, whole = e.ctx.ClearingFile(j.Keys.Network, next); r != 0 {
			date = next
		}
	}
	switch {
	case r != 0 && whole:
		s.File = "whole"
	case r != 0:
		s.File = "short"
	case s.Due && j.AsOf > j.Legs.ClearingFile && !j.Legs.Immediate && (e.ctx.CoveredSpan("clearing/"+network, startOf(j, date), j.Legs.ClearingFile) || e.ctx.ClearingFilesAround(j.Keys.Network, date)):
		s.File = "absent"
	}
	subject := "platform-network/" + network
	if network == "" && len(e.faults.networks) == 1 {
		subject = e.faults.networks[0]
	}
	f[fFile] = finding{refs: refsOf(r), subject: subject, from: startOf(j, date)}
	if r != 0 {
		f[fFile].subject = "clearing/" + network + "/" + date.String()
	}
}

// settlementFile says what is known of the platform's file that should have the
// payment.
func (e *Engine) settlementFile(j *journey.Journey, s *Signals, f *findings) {
	date := j.Legs.Day
	r, whole := e.ctx.SettlementFile(j.Keys.MID, date)
	// A file made before the payment was cleared or while it was held, or before
	// it was captured where it is paid within minutes, could not have it: the
	// next one is to.
	last := j.Terms.LocalDate(j.AsOf)
	without := func(file evidence.FactRef) bool {
		at := e.view.At(file).Time
		return j.ClearedAt > at || e.ctx.HeldAt(j, at) != 0
	}
	for n := 0; n < fileReach && date < last && (r == 0 && j.Legs.Immediate || r != 0 && without(r)); n++ {
		date++
		if next, complete := e.ctx.SettlementFile(j.Keys.MID, date); next != 0 {
			r, whole = next, complete
		}
	}
	switch {
	case r != 0 && without(r):
	case r != 0 && whole:
		s.File = "whole"
	case r != 0:
		s.File = "short"
	case s.Due && e.ctx.SettledLines(0, date) == 0 && !e.ctx.AnySettlementFile(date) &&
		(e.ctx.CoveredSpan("settlement", startOf(j, date), j.LegDue) || e.ctx.SettlementFilesAround(date)):
		s.File = "absent"
	}
	f[fFile] = finding{refs: refsOf(r), subject: "settlement/" + date.String(), from: startOf(j, date)}
	at := j.LegDue
	if r != 0 {
		at = e.view.At(r).Time
	}
	if i := e.faults.bursts.at(at.Add(-fileBurst), at, journey.Settlement); i != nil {
		s.Burst = f.fault(fBurst, i, "platform") != ""
	}
}

// fileReach is for how many days after its own a file is looked for that could
// have a payment which its own day's file could not.
const fileReach = 7

func refsOf(r evidence.FactRef) []evidence.FactRef {
	if r == 0 {
		return nil
	}
	return []evidence.FactRef{r}
}

// duplicate says whether the payment is the second presentment of a sale: the
// same reference twice in clearing; or both approved with one terminal, card,
// amount and order within three minutes ("near" where there are no orders).
func (e *Engine) duplicate(j *journey.Journey, f *findings) string {
	if j.Payment.Duplicate {
		f.set(fDuplicate, latest(j.ClearingLine, j.SettlementLine))
		return "clearing"
	}
	if j.Swipe.Outcome != journey.WasApproved || j.Status == journey.Refunded || j.Keys.PAN == 0 || j.Keys.TID == 0 {
		return ""
	}
	earlier := e.twin(j)
	if earlier == nil {
		return ""
	}
	f.set(fDuplicate, j.Swipe.Terminal, e.firstFact(j.Merchant, earlier))
	if j.Keys.OrderID != 0 {
		return "order"
	}
	return "near"
}

func (e *Engine) firstFact(m *match.Merchant, p *match.Payment) evidence.FactRef {
	return m.Facts(p)[0]
}

// twinWindow is how near two approvals of one card, terminal and amount are one
// sale tried twice.
const twinWindow = 180 * 1e9

// twin gives the approved payment just before with the same terminal, card and
// amount, and the same order where either has one.
func (e *Engine) twin(j *journey.Journey) *match.Payment {
	list := j.Merchant.Payments
	at := indexOf(list, j.Payment)
	for n := at - 1; n >= 0 && j.Time-list[n].Time <= twinWindow; n-- {
		p := &list[n]
		same, approved := false, false
		var order evidence.Word
		for _, r := range j.Merchant.Facts(p) {
			fact := e.view.At(r)
			amount, ok := fact.Amount()
			if fact.TID == j.Keys.TID && fact.PAN == j.Keys.PAN && ok && amount == j.Amount {
				same = true
			}
			if fact.OrderID != 0 {
				order = fact.OrderID
			}
			approved = approved || fact.Result == evidence.Approved || fact.Type == evidence.GatewayResponse && evidence.IsApproval(fact.Code)
		}
		if same && approved && order == j.Keys.OrderID {
			var other journey.Journey
			e.ctx.Compute(j.Merchant, p, &other)
			if other.Swipe.Outcome == journey.WasApproved && other.Status != journey.Refunded {
				return p
			}
		}
	}
	return nil
}
