package custody

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// State is where a payout stands at the bank.
type State string

// The states of a payout. The comments give the status in a report.
const (
	Received State = "received" // ACTC: read, not judged
	Pending  State = "pending"  // PDNG: waits for a day, or for the bank
	Accepted State = "accepted" // ACSP: judged, to be booked
	Debited  State = "debited"  // ACSC: booked on the payer's account
	Credited State = "credited" // ACCC: booked on the payee's account
	Rejected State = "rejected" // RJCT: never booked
	Returned State = "returned" // RJCT: booked, and given back
	Lost     State = "lost"     // the bank knows nothing of it
)

// Act is what a payout waits for.
type Act string

// The acts, in the order in which they come.
const (
	Judge  Act = "judge"  // the verdict
	Debit  Act = "debit"  // the booking on the payer's account
	Credit Act = "credit" // the booking on the payee's
	Return Act = "return" // back to the payer, never credited
	Recall Act = "recall" // back to the payer, out of the payee's account
)

// Payment is one payout of an order.
type Payment struct {
	EndToEnd string `json:"end_to_end"`
	Order    string `json:"order"` // message identification
	Batch    string `json:"batch,omitempty"`
	ID       string `json:"id,omitempty"` // InstrId
	UETR     string `json:"uetr,omitempty"`
	Amount   int64  `json:"amount"` // minor units
	Currency string `json:"currency"`
	// Debtor is the customer's account, Account the payee's.
	Debtor  string `json:"debtor"`
	Account string `json:"account"`
	Name    string `json:"name"`
	MID     string `json:"mid,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Text    string `json:"text,omitempty"`

	Received time.Time `json:"received"`
	State    State     `json:"state"`
	// Reason is the ISO 20022 code of a rejection or return, Info what the bank says
	// beside it.
	Reason string    `json:"reason,omitempty"`
	Info   string    `json:"info,omitempty"`
	At     time.Time `json:"at"` // of the state
	// Act is what it waits for, Due when that comes; none where it is over.
	Act Act       `json:"act,omitempty"`
	Due time.Time `json:"due,omitzero"`
	// Execution is the day that the order names.
	Execution calendar.Date `json:"execution,omitzero"`
	// Plan is what was decided about its course when it was read.
	Plan Plan `json:"plan,omitzero"`
	// Debits, Credits and Returns count its bookings.
	Debits  int `json:"debits,omitempty"`
	Credits int `json:"credits,omitempty"`
	Returns int `json:"returns,omitempty"`
}

// Plan is the course of a payout.
type Plan struct {
	Do   string `json:"do,omitempty"`
	Code string `json:"code,omitempty"`
	Tell string `json:"tell,omitempty"`
	// After is when a return, a recall or the end of a pending comes, Credit when
	// the payee has it, after the debit.
	After  time.Duration `json:"after,omitempty"`
	Credit time.Duration `json:"credit,omitempty"`
	// Fitted are the rules that counted it, by number.
	Fitted []int `json:"fitted,omitempty"`
}

// Accounts of the bank's own.
const (
	// Nostro is where money comes from and goes to beyond this world: what networks pay.
	Nostro = "NOSTRO"
	// Transit is what left a customer's account and is not on the payee's yet.
	Transit = "TRANSIT"
	// Income is what the bank charges.
	Income = "INCOME"
)

// Movement is one booking: Amount goes from one account to another.
type Movement struct {
	Seq      int64         `json:"seq"`
	Time     time.Time     `json:"time"`
	Value    calendar.Date `json:"value"`
	Kind     string        `json:"kind"` // payout, credit, return, recall, funding, charge
	From     string        `json:"from"`
	To       string        `json:"to"`
	Amount   int64         `json:"amount"` // minor units, more than 0
	Currency string        `json:"currency"`
	EndToEnd string        `json:"end_to_end,omitempty"`
	// Party is the other side's name, Text what the owner is told, Reason the code of
	// a return.
	Party  string `json:"party,omitempty"`
	Text   string `json:"text,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Ref is the bank's own reference of a movement.
func (m *Movement) Ref() string {
	y, mo, d := m.Value.YMD()
	return fmt.Sprintf("CB%02d%02d%02d-%06d", y%100, mo, d, m.Seq)
}

// on is what the movement does to an account's balance.
func (m *Movement) on(account string) int64 {
	switch account {
	case m.To:
		return m.Amount
	case m.From:
		return -m.Amount
	}
	return 0
}

// Account is one that the bank has opened.
type Account struct {
	Number   string        `json:"number"`
	Name     string        `json:"name,omitempty"`
	Currency string        `json:"currency"`
	Customer bool          `json:"customer,omitempty"`
	Opened   calendar.Date `json:"opened"`
	Opening  int64         `json:"opening,omitempty"` // balance on that day
}

// Statement is one account's day as the bank stated it.
type Statement struct {
	Account string        `json:"account"`
	Day     calendar.Date `json:"day"`
	Number  int           `json:"number"` // of the account, from 1
	Opening int64         `json:"opening"`
	Closing int64         `json:"closing"`
	Entries []int64       `json:"entries,omitempty"` // movements, in order
}

// File is one that the bank has read.
type File struct {
	Name string `json:"name"` // with its folder
	Hash string `json:"hash"` // SHA-256 of its content
	// Order is the message identification of an order or transfer that was taken.
	Order string `json:"order,omitempty"`
	// Refused is the code for which nothing of it was taken.
	Refused string `json:"refused,omitempty"`
}

// Document is a file that the bank owes. A later one of the same name takes its
// place.
type Document struct {
	Name    string    `json:"name"` // with its folder
	Due     time.Time `json:"due"`
	Content string    `json:"content"`
}

// Transfer is money of a network for a customer's account, waiting for its day.
type Transfer struct {
	ID       string        `json:"id"`
	Network  string        `json:"network"`
	Account  string        `json:"account"`
	Amount   int64         `json:"amount"` // negative where the network takes it
	Currency string        `json:"currency"`
	Value    calendar.Date `json:"value"`
	Text     string        `json:"text,omitempty"`
	Due      time.Time     `json:"due,omitzero"` // zero once booked
}

// Step is one record of the book: everything in it happens at once.
type Step struct {
	Seq        int64       `json:"seq"`
	At         time.Time   `json:"at"`
	Files      []File      `json:"files,omitempty"`
	Accounts   []Account   `json:"accounts,omitempty"`
	Payments   []Payment   `json:"payments,omitempty"`
	Transfers  []Transfer  `json:"transfers,omitempty"`
	Movements  []Movement  `json:"movements,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	Documents  []Document  `json:"documents,omitempty"`
}

// standing is an account with what has happened on it.
type standing struct {
	Account
	balance  int64
	unstated []int64 // movements that no statement has had
	stated   calendar.Date
	closing  int64 // of the last statement
	number   int   // of the last statement
	day      calendar.Date
	spent    int64 // on that day
	count    int
}

// Book is the sum of all steps. Reading it is safe while nobody writes it.
type Book struct {
	steps     int64
	last      time.Time
	accounts  map[string]*standing
	customer  string // the first that was opened
	payments  map[string]*Payment
	order     []string // EndToEndIds as they came
	transfers map[string]*Transfer
	movements []Movement
	orders    map[string]bool // message identifications that were taken
	files     map[File]bool   // name and hash
	documents map[string]bool // names of files
	owed      int             // how many documents there were
	fitted    map[int]int     // how many payouts a rule has counted
}

func newBook() *Book {
	return &Book{accounts: map[string]*standing{}, payments: map[string]*Payment{}, transfers: map[string]*Transfer{}, orders: map[string]bool{},
		files: map[File]bool{}, documents: map[string]bool{}, fitted: map[int]int{}}
}

// check holds a step against what the bank promises, before it is kept.
func (b *Book) check(s *Step) error {
	for i := range s.Payments {
		p := &s.Payments[i]
		if p.Debits > 1 || p.Credits > p.Debits || p.Returns > p.Debits {
			return fault.Say("%s would be booked twice", "%s 会被重复记账", p.EndToEnd)
		}
		if old := b.payments[p.EndToEnd]; old != nil && p.Debits < old.Debits {
			return fault.Say("%s would forget a booking", "%s 会丢失记账", p.EndToEnd)
		}
	}
	for i := range s.Documents {
		if name := s.Documents[i].Name; strings.HasPrefix(name, repliesDir) && b.documents[name] {
			return fault.Say("%s would take the place of another reply", "%s 会覆盖另一份回执", name)
		}
	}
	for i := range s.Movements {
		m := &s.Movements[i]
		if m.Amount <= 0 || m.From == m.To || m.From == "" || m.To == "" {
			return fault.Say("movement %d takes from no account what it gives to another", "流水 %d 没有对方账户", m.Seq)
		}
	}
	return nil
}

// apply is the only place where steps change the book, so that reading it again
// gives the same.
func (b *Book) apply(s *Step) error {
	if s.Seq != b.steps+1 {
		return fault.Say("step %d follows step %d", "第 %d 步接在第 %d 步之后", s.Seq, b.steps)
	}
	b.steps = s.Seq
	if s.At.After(b.last) {
		b.last = s.At
	}
	for _, f := range s.Files {
		b.files[File{Name: f.Name, Hash: f.Hash}] = true
		if f.Order != "" {
			b.orders[f.Order] = true
		}
	}
	for _, a := range s.Accounts {
		if b.accounts[a.Number] == nil {
			if a.Customer && b.customer == "" {
				b.customer = a.Number
			}
			b.accounts[a.Number] = &standing{Account: a, balance: a.Opening, closing: a.Opening, stated: a.Opened.Add(-1)}
		}
	}
	for i := range s.Payments {
		p := s.Payments[i]
		if b.payments[p.EndToEnd] == nil {
			b.order = append(b.order, p.EndToEnd)
			for _, r := range p.Plan.Fitted {
				b.fitted[r]++
			}
		}
		b.payments[p.EndToEnd] = &p
	}
	for i := range s.Transfers {
		t := s.Transfers[i]
		b.transfers[t.ID] = &t
	}
	for _, m := range s.Movements {
		b.move(&m)
	}
	for i := range s.Statements {
		b.state(&s.Statements[i])
	}
	for i := range s.Documents {
		b.documents[s.Documents[i].Name] = true
		b.owed++
	}
	return nil
}

// move books a movement on both sides.
func (b *Book) move(m *Movement) {
	b.movements = append(b.movements, *m)
	for _, number := range []string{m.From, m.To} {
		a := b.accounts[number]
		if a == nil { // the bank's own
			a = &standing{Account: Account{Number: number, Currency: m.Currency}, stated: calendar.None}
			b.accounts[number] = a
		}
		a.balance += m.on(number)
		a.unstated = append(a.unstated, m.Seq)
	}
	if m.Kind == "payout" {
		a := b.accounts[m.From]
		if a.day != m.Value {
			a.day, a.spent, a.count = m.Value, 0, 0
		}
		a.spent += m.Amount
		a.count++
	}
}

func (b *Book) state(s *Statement) {
	a := b.accounts[s.Account]
	if a == nil {
		return
	}
	a.stated, a.closing, a.number = s.Day, s.Closing, s.Number
	stated := map[int64]bool{}
	for _, seq := range s.Entries {
		stated[seq] = true
	}
	a.unstated = slices.DeleteFunc(a.unstated, func(seq int64) bool { return stated[seq] })
}

// movement gives one by its number.
func (b *Book) movement(seq int64) *Movement { return &b.movements[seq-1] }

// Steps is how many records the book has.
func (b *Book) Steps() int64 { return b.steps }

// Movements gives all bookings, oldest first.
func (b *Book) Movements() []Movement { return slices.Clone(b.movements) }

// Payments gives all payouts, in the order in which they came.
func (b *Book) Payments() []Payment {
	all := make([]Payment, len(b.order))
	for i, id := range b.order {
		all[i] = *b.payments[id]
	}
	return all
}

// Transfers gives what networks pay, by their ids.
func (b *Book) Transfers() []Transfer {
	var all []Transfer
	for _, id := range slices.Sorted(maps.Keys(b.transfers)) {
		all = append(all, *b.transfers[id])
	}
	return all
}

// Payment gives a payout by its EndToEndId.
func (b *Book) Payment(id string) (Payment, bool) {
	if p := b.payments[id]; p != nil {
		return *p, true
	}
	return Payment{}, false
}

// Paid counts how often an EndToEndId was debited: never more than once (B1).
func (b *Book) Paid(id string) int {
	n := 0
	for i := range b.movements {
		if m := &b.movements[i]; m.EndToEnd == id && m.Kind == "payout" {
			n++
		}
	}
	return n
}

// Where tells on which account the money of an EndToEndId is: the customer's, where
// it was not debited or came back; Transit; or the payee's. "" for an id that no
// order had.
func (b *Book) Where(id string) string {
	p := b.payments[id]
	if p == nil {
		return ""
	}
	at := p.Debtor
	for i := range b.movements {
		if m := &b.movements[i]; m.EndToEnd == id && m.Kind != "charge" {
			at = m.To
		}
	}
	return at
}

// Accounts gives the numbers of all accounts, the bank's own included, in order.
func (b *Book) Accounts() []string { return slices.Sorted(maps.Keys(b.accounts)) }

// Balance gives an account's balance in minor units, with what it was opened with.
func (b *Book) Balance(account string) int64 {
	if a := b.accounts[account]; a != nil {
		return a.balance
	}
	return 0
}

// Imbalance is what all movements add up to over all accounts: zero (B2).
func (b *Book) Imbalance() int64 {
	sum := int64(0)
	for _, a := range b.accounts {
		sum += a.balance - a.Opening
	}
	return sum
}

// padded writes an amount with leading zeros, so that endings can be told.
func padded(amount int64) string {
	s := strconv.FormatInt(amount, 10)
	if len(s) < 12 {
		s = "000000000000"[len(s):] + s
	}
	return s
}
