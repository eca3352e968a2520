package custody

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
)

// matter is something that falls due: a payout, a transfer, an account's statement.
type matter struct {
	at  time.Time // when it is looked at: an outage may move it
	due time.Time // as it stands in the book
	of  string    // payment, transfer, statement
	key string
}

// queue orders matters by time, then by what they are, so that two runs do the
// same.
type queue []matter

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	if a.of != b.of {
		return a.of < b.of
	}
	return a.key < b.key
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(matter)) }
func (q *queue) Pop() any {
	old := *q
	m := old[len(old)-1]
	*q = old[:len(old)-1]
	return m
}

// schedule notes what a step makes due.
func (b *Bank) schedule(s *Step) {
	for i := range s.Payments {
		if p := &s.Payments[i]; p.Act != "" {
			heap.Push(&b.due, matter{p.Due, p.Due, "payment", p.EndToEnd})
		}
	}
	for i := range s.Transfers {
		if t := &s.Transfers[i]; !t.Due.IsZero() {
			heap.Push(&b.due, matter{t.Due, t.Due, "transfer", t.ID})
		}
	}
	for i := range s.Accounts {
		b.scheduleStatement(s.Accounts[i].Number)
	}
	for i := range s.Statements {
		b.scheduleStatement(s.Statements[i].Account)
	}
}

func (b *Bank) scheduleStatement(account string) {
	a := b.book.accounts[account]
	if a == nil || a.stated == calendar.None || b.scenario.form(account, a.Customer) == None {
		return
	}
	at := b.scenario.statedAt(a)
	heap.Push(&b.due, matter{at, at, "statement", account})
}

// statedAt is when the next day of an account is stated: the morning after it.
func (s *Scenario) statedAt(a *standing) time.Time {
	return a.stated.Add(2).In(s.zone).Add(s.statingAt)
}

// turn is one step being made: what happens at one moment.
type turn struct {
	b        *Bank
	s        *Scenario
	at       time.Time
	step     Step
	payments map[string]*Payment  // changed, or read in this step
	changed  []string             // their ids, in order
	opened   map[string]*standing // accounts that the step opens
	delta    map[string]int64     // of balances
	spent    map[string]int64     // by customers in this step
	count    map[string]int
	told     []status
	whole    map[string]bool // orders whose first report this is
}

func (b *Bank) turn(at time.Time) *turn {
	return &turn{b: b, s: b.scenario, at: at, step: Step{At: at}, payments: map[string]*Payment{}, opened: map[string]*standing{}, delta: map[string]int64{},
		spent: map[string]int64{}, count: map[string]int{}, whole: map[string]bool{}}
}

// settleDue does what fell due up to now, one step a moment.
func (b *Bank) settleDue(now time.Time) error {
	for len(b.due) > 0 && !b.due[0].at.After(now) {
		at := b.due[0].at
		t := b.turn(at)
		var held []matter
		for len(b.due) > 0 && !b.due[0].at.After(at) {
			m := heap.Pop(&b.due).(matter)
			if until := t.working(&m); until.After(at) {
				m.at = until
				held = append(held, m)
				continue
			}
			t.do(&m)
		}
		for _, m := range held {
			heap.Push(&b.due, m)
		}
		if err := t.finish(); err != nil {
			return err
		}
	}
	return nil
}

// working is when a matter can be carried out. Statements are made whatever stands
// still; they are delivered later.
func (t *turn) working(m *matter) time.Time {
	switch m.of {
	case "statement":
		return t.at
	case "payment":
		if p := t.payment(m.key); p != nil {
			return t.s.working(scopeOf(p.Act), t.at)
		}
	}
	return t.s.working(Bookings, t.at)
}

// scopeOf names what an outage has to stop for an act to wait.
func scopeOf(act Act) string {
	if act == Judge {
		return Orders
	}
	return Bookings
}

// do carries a matter out, unless the book has moved on since it was noted.
func (t *turn) do(m *matter) {
	switch m.of {
	case "payment":
		if p := t.payment(m.key); p != nil && p.Act != "" && p.Due.Equal(m.due) {
			t.advance(p)
		}
	case "transfer":
		if tr := t.b.book.transfers[m.key]; tr != nil && tr.Due.Equal(m.due) {
			t.receiveMoney(*tr)
		}
	case "statement":
		if a := t.b.book.accounts[m.key]; a != nil && t.s.statedAt(a).Equal(m.due) {
			t.state(a)
		}
	}
}

// payment gives a payout as it stands in this step.
func (t *turn) payment(id string) *Payment {
	if p := t.payments[id]; p != nil {
		return p
	}
	if p := t.b.book.payments[id]; p != nil {
		c := *p
		return &c
	}
	return nil
}

// change puts a payout into the step.
func (t *turn) change(p *Payment) {
	if t.payments[p.EndToEnd] == nil {
		t.changed = append(t.changed, p.EndToEnd)
	}
	t.payments[p.EndToEnd] = p
}

// advance does what a payout waits for, and what then follows at once.
func (t *turn) advance(p *Payment) {
	t.change(p)
	for p.Act != "" && !p.Due.After(t.at) {
		if t.s.working(scopeOf(p.Act), t.at).After(t.at) {
			break // it waits for the end of an outage
		}
		switch p.Act {
		case Judge:
			t.judge(p)
		case Debit:
			t.debit(p)
		case Credit:
			t.credit(p)
		case Return:
			t.giveBack(p, Transit, "return")
		case Recall:
			t.giveBack(p, p.Account, "recall")
		}
	}
	t.tell(p)
}

func (t *turn) set(p *Payment, s State, act Act, due time.Time) {
	p.State, p.At, p.Act, p.Due = s, t.at, act, due
}

func (t *turn) reject(p *Payment, code string, info string) {
	p.Reason, p.Info = code, info
	t.set(p, Rejected, "", time.Time{})
}

// judge is the bank's verdict on an order.
func (t *turn) judge(p *Payment) {
	switch {
	case p.Plan.Do == DoReject:
		t.reject(p, p.Plan.Code, reasons[p.Plan.Code])
		return
	case p.Plan.Do == DoPend:
		p.Plan.Do = DoPay
		t.set(p, Pending, Judge, t.at.Add(p.Plan.After))
		return
	}
	if code := t.trouble(p); code != "" && t.s.payeeFound(p.Account) == 0 {
		t.reject(p, code, reasons[code])
		return
	}
	if code := t.refused(p); code != "" {
		t.reject(p, code, reasons[code])
		return
	}
	t.set(p, Accepted, Debit, t.s.bookable(t.at, p.Execution))
}

// refused gives the reason for which a customer may not pay a payout at all; ""
// where it may.
func (t *turn) refused(p *Payment) string {
	switch a := t.account(p.Debtor); {
	case a == nil || !a.Customer:
		return "AC02"
	case a.Currency != p.Currency:
		return "AM03"
	case t.s.Limits.Single > 0 && p.Amount > t.s.Limits.Single:
		return "AM02"
	}
	return ""
}

// debit books a payout on the payer's account, unless a limit or the balance is in
// the way.
func (t *turn) debit(p *Payment) {
	if book := t.s.bookable(t.at, p.Execution); book.After(t.at) {
		t.set(p, p.State, Debit, book) // an outage has kept it past the hours
		return
	}
	a, today := t.account(p.Debtor), t.s.day(t.at)
	spent, count := t.spent[p.Debtor], t.count[p.Debtor]
	if a.day == today {
		spent, count = spent+a.spent, count+a.count
	}
	code := ""
	switch l := t.s.Limits; {
	case l.Daily > 0 && spent+p.Amount > l.Daily:
		code = "AM14"
	case l.Count > 0 && count+1 > l.Count:
		code = "AM21"
	case a.balance+t.delta[p.Debtor] < p.Amount+t.s.Charge:
		code = "AM04"
	}
	if code != "" {
		t.reject(p, code, reasons[code])
		return
	}
	t.spent[p.Debtor] += p.Amount
	t.count[p.Debtor]++
	t.move(Movement{Kind: "payout", From: p.Debtor, To: Transit, Amount: p.Amount, Currency: p.Currency, EndToEnd: p.EndToEnd, Party: p.Name, Text: p.Text})
	if t.s.Charge > 0 {
		t.move(Movement{Kind: "charge", From: p.Debtor, To: Income, Amount: t.s.Charge, Currency: p.Currency, EndToEnd: p.EndToEnd, Text: "CHARGE"})
	}
	p.Debits++
	code = t.trouble(p)
	switch found := t.s.payeeFound(p.Account); {
	case p.Plan.Do == DoReturn:
		p.Reason = p.Plan.Code
		t.set(p, Debited, Return, t.at.Add(p.Plan.After))
	case code != "":
		p.Reason = code
		t.set(p, Debited, Return, t.at.Add(found))
	default:
		t.set(p, Debited, Credit, t.at.Add(p.Plan.Credit))
	}
}

// credit books a payout on the payee's account. What has become of the account
// meanwhile sends the money back.
func (t *turn) credit(p *Payment) {
	if code := t.trouble(p); code != "" {
		p.Reason = code
		t.set(p, Debited, Return, t.at)
		return
	}
	if t.account(p.Account) == nil {
		t.openAccount(Account{Number: p.Account, Name: p.Name, Currency: p.Currency, Opened: t.s.day(t.at)})
	}
	t.move(Movement{Kind: "credit", From: Transit, To: p.Account, Amount: p.Amount, Currency: p.Currency, EndToEnd: p.EndToEnd, Party: t.account(p.Debtor).Name, Text: p.Text})
	p.Credits++
	if p.Plan.Do == DoRecall {
		t.set(p, Credited, Recall, t.at.Add(p.Plan.After))
		return
	}
	t.set(p, Credited, "", time.Time{})
}

// giveBack returns a payout to the payer.
func (t *turn) giveBack(p *Payment, from, kind string) {
	if kind == "recall" {
		p.Reason = p.Plan.Code
	}
	p.Info = reasons[p.Reason]
	t.move(Movement{Kind: kind, From: from, To: p.Debtor, Amount: p.Amount, Currency: p.Currency, EndToEnd: p.EndToEnd, Party: p.Name,
		Text: strings.TrimSpace("RETURN " + p.Reason + " " + p.Info), Reason: p.Reason})
	p.Returns++
	t.set(p, Returned, "", time.Time{})
}

// move books a movement.
func (t *turn) move(m Movement) {
	m.Seq, m.Time, m.Value = int64(len(t.b.book.movements)+len(t.step.Movements)+1), t.at, t.s.day(t.at)
	t.delta[m.From] -= m.Amount
	t.delta[m.To] += m.Amount
	t.step.Movements = append(t.step.Movements, m)
}

// receiveMoney books what a network pays.
func (t *turn) receiveMoney(tr Transfer) {
	tr.Due = time.Time{}
	t.step.Transfers = append(t.step.Transfers, tr)
	m := Movement{Kind: "funding", From: Nostro, To: tr.Account, Amount: tr.Amount, Currency: tr.Currency, EndToEnd: tr.ID, Party: tr.Network, Text: tr.Text}
	if tr.Amount < 0 {
		m.From, m.To, m.Amount = tr.Account, Nostro, -tr.Amount
	}
	if tr.Amount != 0 {
		t.move(m)
	}
}

// trouble gives the reason for which an account cannot take a payout; "" where it
// can.
func (t *turn) trouble(p *Payment) string {
	payee := t.s.payee(p.Account)
	switch {
	case payee == nil && t.s.OnlyListed:
		return "AC01"
	case payee == nil:
		return ""
	case payee.Closed != 0 && t.s.day(t.at) >= payee.Closed:
		return "AC04"
	case payee.Blocked.has(t.at):
		return "AC06"
	case payee.Name != "" && payee.Name != p.Name:
		return "BE01"
	case payee.Limit > 0 && p.Amount > payee.Limit:
		return "AM21"
	}
	return ""
}

// payeeFound is how long after the debit the account's bank finds what is wrong.
func (s *Scenario) payeeFound(account string) time.Duration {
	if p := s.payee(account); p != nil {
		return p.Found
	}
	return 0
}

// reasons are the codes that the bank uses, with the names that ISO 20022 gives
// them.
var reasons = map[string]string{
	"AC01": "Incorrect account number", "AC02": "Invalid debtor account number", "AC04": "Closed account number", "AC06": "Blocked account",
	"AM01": "Zero amount", "AM02": "Not allowed amount", "AM03": "Not allowed currency", "AM04": "Insufficient funds", "AM10": "Invalid control sum",
	"AM11": "Invalid transaction currency", "AM12": "Invalid amount", "AM14": "Amount exceeds agreed limit", "AM18": "Invalid number of transactions",
	"AM21": "Limit exceeded", "BE01": "Inconsistent with end customer", "DU01": "Duplicate message identification", "DUPL": "Duplicate payment",
	"FF01": "Invalid file format", "NOOR": "No original transaction received", "RC01": "Bank identifier incorrect",
}

// plan decides the course of a payout that has come, by the rules and by chance:
// the same payout has the same course in every run.
func (t *turn) plan(p *Payment, counted map[int]int) (accept time.Duration) {
	dice := t.b.dice("payout", p.EndToEnd)
	p.Plan = Plan{Do: DoPay, Tell: TellAll}
	accept, p.Plan.Credit = t.s.Accept.draw(dice), t.s.Credit.draw(dice)
	for i := range t.s.Rules {
		r := &t.s.Rules[i]
		if !r.When.fits(p, t.s.day(t.at)) || r.When.Chance > 0 && dice.Float64() >= r.When.Chance {
			continue
		}
		n := t.b.book.fitted[i] + counted[i] - r.When.Skip
		counted[i]++
		p.Plan.Fitted = append(p.Plan.Fitted, i)
		if every := max(r.When.Every, 1); n < 0 || n%every != 0 || r.When.First > 0 && n/every >= r.When.First {
			continue
		}
		p.Plan.Do, p.Plan.Code, p.Plan.Tell, p.Plan.After = r.Do, r.Code, r.Tell, r.After
		p.Plan.Credit += r.Credit
		return accept + r.Accept
	}
	return accept
}

func (d Delay) draw(dice *rand.Rand) time.Duration {
	v := d.Fixed
	if d.Spread > 0 {
		v += time.Duration(dice.Int64N(int64(d.Spread) + 1)).Round(time.Second)
	}
	return v
}

// dice gives the chance of one thing, whatever else happens.
func (b *Bank) dice(of, key string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s", of, key)
	return rand.New(rand.NewPCG(b.scenario.Seed, h.Sum64()))
}

// finish closes the step: the documents that tell of it, then the book. A step in
// which nothing happened is none.
func (t *turn) finish() error {
	for _, id := range t.changed {
		t.step.Payments = append(t.step.Payments, *t.payments[id])
	}
	t.report()
	t.notify()
	s := &t.step
	if len(s.Files)+len(s.Accounts)+len(s.Payments)+len(s.Transfers)+len(s.Movements)+len(s.Statements)+len(s.Documents) == 0 {
		return nil
	}
	if err := t.b.commit(s); err != nil {
		return err
	}
	t.log(s)
	return nil
}

// log tells what a step was about; accounts by their last four.
func (t *turn) log(s *Step) {
	at := t.at.In(t.s.zone).Format(time.RFC3339)
	for i := range s.Payments {
		p := &s.Payments[i]
		args := []any{"id", p.EndToEnd, "state", string(p.State), "amount", p.Amount, "currency", p.Currency, "account", card.AccountTail(p.Account), "at", at}
		if p.Reason != "" && p.State != Debited {
			args = append(args, "reason", p.Reason+" "+reasons[p.Reason])
		}
		if p.Act != "" {
			args = append(args, "next", string(p.Act), "due", p.Due.In(t.s.zone).Format(time.RFC3339))
		}
		t.b.log.Info("payout", args...)
	}
	for i := range s.Movements {
		if m := &s.Movements[i]; m.Kind == "funding" {
			t.b.log.Info("network's money", "id", m.EndToEnd, "amount", m.Amount, "currency", m.Currency, "at", at)
		}
	}
}

// open opens the customers' accounts that the scenario names.
func (b *Bank) open(now time.Time) error {
	t := b.turn(now)
	for _, c := range b.scenario.Customers {
		if b.book.accounts[c.Account] == nil {
			t.openAccount(Account{Number: c.Account, Name: c.Name, Currency: c.Currency, Customer: true, Opened: b.scenario.day(now), Opening: c.Balance})
		}
	}
	t.announce()
	return t.finish()
}

// next is when something falls due after now.
func (b *Bank) next(now time.Time) time.Time {
	var next time.Time
	earlier := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if len(b.due) > 0 {
		earlier(b.due[0].at)
	}
	for _, d := range b.owed {
		earlier(b.scenario.working(scopeOfFile(d.Name), later(d.Due, now)))
	}
	earlier(b.scenario.working(Orders, now)) // then the folder is read again
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
