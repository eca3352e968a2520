package bank

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/journal"
)

// Event is what an Entry records.
type Event string

// The events of the journal.
const (
	Approved Event = "approved"
	Declined Event = "declined"
	// Reversed undoes the entry named by Of.
	Reversed Event = "reversed"
	// Unmatched is a reversal of something never seen: should it still come, it is
	// declined.
	Unmatched Event = "unmatched"
)

// Entry is one decision as the journal keeps it. It holds no clear card data.
type Entry struct {
	Seq       int64     `json:"seq"`
	Time      time.Time `json:"time"`
	What      Event     `json:"what"`
	Operation string    `json:"operation"` // as iso8583.Operation spells it
	// Payment is the transaction's UUID from the private field, where one came.
	Payment string `json:"payment,omitempty"`
	// STAN, Sent and Acquirer are the fields 11, 7 and 32 by which a message is
	// known on the line.
	STAN     string `json:"stan"`
	Sent     string `json:"sent,omitempty"`
	Acquirer string `json:"acquirer,omitempty"`
	RRN      string `json:"rrn,omitempty"`
	TID      string `json:"tid"`
	MID      string `json:"mid"`
	MCC      string `json:"mcc,omitempty"`
	PAN      string `json:"pan,omitempty"`  // masked
	Card     string `json:"card,omitempty"` // keyed token
	Issuer   string `json:"issuer,omitempty"`
	CardType string `json:"card_type,omitempty"`
	Entry    string `json:"entry,omitempty"`
	// Amount asked and approved, minor units.
	Amount   int64  `json:"amount,omitempty"`
	Approved int64  `json:"approved,omitempty"`
	Currency string `json:"currency,omitempty"` // numeric, as on the line
	Code     string `json:"code"`
	AuthCode string `json:"auth_code,omitempty"`
	// Of is the entry acted on: of a void, refund, completion or reversal.
	Of int64 `json:"of,omitempty"`
	// Date is the business date.
	Date calendar.Date `json:"date"`
	// Taken left the account, Held is kept reserved in it; negative came back.
	Taken int64 `json:"taken,omitempty"`
	Held  int64 `json:"held,omitempty"`
}

// entry is an Entry with what later ones did to it.
type entry struct {
	Entry
	ticket   *journal.Ticket // nil once it needs no waiting
	undone   bool            // reversed
	acted    bool            // voided or completed
	refunded int64
}

// account is what a card can spend, in minor units.
type account struct {
	balance, held int64
	opened        bool          // its opening balance is in
	date          calendar.Date // of what was spent
	spent         int64
	count         int
	wrongPIN      int
}

// book is the sum of all entries. Everything in it is guarded by mu.
type book struct {
	mu       sync.Mutex
	scenario *Scenario
	keys     keyring.Keyring
	journal  *journal.Journal
	entries  []*entry
	byKey    map[string]*entry // STAN, transmission time, acquirer
	byUUID   map[string]*entry // transaction's UUID and operation
	byTrace  map[string]*entry // terminal and STAN
	byRRN    map[string]*entry // terminal and retrieval reference number
	byAuth   map[string]*entry // card and authorization code
	unseen   map[string]bool   // keys and UUIDs that were reversed before they came
	accounts map[string]*account
	pvv      map[string]string
	times    map[uint64]int // how often a message was seen
	counts   []int          // of each rule, the messages that fitted
}

func newBook(s *Scenario, keys keyring.Keyring) *book {
	b := &book{scenario: s, keys: keys, byKey: map[string]*entry{}, byUUID: map[string]*entry{}, byTrace: map[string]*entry{},
		byRRN: map[string]*entry{}, byAuth: map[string]*entry{}, unseen: map[string]bool{}, accounts: map[string]*account{},
		pvv: map[string]string{}, times: map[uint64]int{}}
	if s != nil {
		b.counts = make([]int, len(s.Rules))
	}
	return b
}

func (b *book) setScenario(s *Scenario) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scenario, b.counts = s, make([]int, len(s.Rules))
}

func (b *book) setting() *Scenario {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.scenario
}

func (b *book) list() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Entry, len(b.entries))
	for i, e := range b.entries {
		all[i] = e.Entry
	}
	return all
}

// request is what the book needs of a message.
type request struct {
	operation iso8583.Operation
	reversal  bool
	repeat    bool
	entry     Entry // what the message says of itself
	pan       string
	pin       *keyring.PINBlock
	original  iso8583.Original
	authCode  string
	owner     keyring.Owner
	at        time.Time
}

func (e *Entry) key() string { return e.STAN + "/" + e.Sent + "/" + e.Acquirer }

// id names a message for chance: the same message gives the same dice.
func (r *request) id() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%s|%v", r.entry.key(), r.entry.Operation, r.reversal)
	return h.Sum64()
}

// verdict is what the host does with a message.
type verdict struct {
	rule       Rule
	dice       *rand.Rand
	code       string
	auth       string
	approved   int64
	balance    *int64
	date       calendar.Date
	ticket     *journal.Ticket
	what       Event
	duplicate  bool
	undecided  bool // the deed leaves the message undecided
	closeAfter bool // maintenance closes the connection
}

// decide takes one message. What it changes stands in the journal when the
// verdict's ticket is through.
func (b *book) decide(r *request) verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scenario
	id := r.id()
	seen := b.times[id]
	b.times[id]++
	v := verdict{dice: rand.New(rand.NewPCG(s.Seed^id, uint64(seen))), date: s.businessDate(r.at)}
	v.rule = b.ruleFor(r, seen, v.dice)
	switch v.rule.Do {
	case DoIgnore, DoClose, DoStall:
		v.undecided = true
		return v
	}
	if w := s.maintenance(r.at); w != nil {
		v.code, v.closeAfter = w.Code, w.Close
		v.undecided = w.Close
		return v
	}
	if r.reversal {
		b.reverse(r, &v)
		return v
	}
	if old := b.duplicate(r); old != nil {
		v.duplicate, v.ticket = true, old.ticket
		v.code, v.auth, v.approved, v.what, v.date = old.Code, old.AuthCode, old.Approved, old.What, old.Date
		return v
	}
	b.authorize(r, &v)
	return v
}

// ruleFor gives the first rule that fits; the zero rule answers.
func (b *book) ruleFor(r *request, seen int, dice *rand.Rand) Rule {
	for i := range b.scenario.Rules {
		rule := &b.scenario.Rules[i]
		if !rule.When.fits(&r.entry, r.pan, r.reversal) {
			continue
		}
		if w := rule.When; w.Repeats == 1 && seen > 0 || w.Repeats == 2 && seen == 0 || w.Chance > 0 && dice.Float64() >= w.Chance {
			continue
		}
		n := b.counts[i]
		b.counts[i]++
		w := rule.When
		if n -= w.Skip; n < 0 || w.Every > 1 && n%w.Every != 0 {
			continue
		}
		if w.Every > 1 {
			n /= w.Every
		}
		if w.First > 0 && n >= w.First {
			continue
		}
		return *rule
	}
	return Rule{Do: DoAnswer}
}

// fits holds everything that does not depend on chance or order.
func (w *When) fits(e *Entry, pan string, reversal bool) bool {
	operation := e.Operation
	if len(w.Operations) > 0 && !slices.Contains(w.Operations, operation) && !(reversal && slices.Contains(w.Operations, "reversal")) {
		return false
	}
	if reversal && !slices.Contains(w.Operations, "reversal") {
		return false // a rule has to mean reversals
	}
	has := func(list []string, v string, how func(string, string) bool) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(x string) bool { return how(v, x) })
	}
	equal := func(a, b string) bool { return a == b }
	amount := fmt.Sprintf("%012d", e.Amount)
	return has(w.Ranges, pan, strings.HasPrefix) && has(w.Last4, pan, strings.HasSuffix) &&
		has(w.Endings, amount, strings.HasSuffix) && (w.From == 0 || e.Amount >= w.From) && (w.To == 0 || e.Amount <= w.To) &&
		has(w.MID, e.MID, equal) && has(w.TID, e.TID, equal) && has(w.Entry, e.Entry, equal)
}

// duplicate finds the earlier decision on the same message: by what it is known
// by on the line, and for advices and repeats, which may be sent at another time,
// by the transaction.
func (b *book) duplicate(r *request) *entry {
	same := func(e *entry) bool {
		return e != nil && e.Operation == r.entry.Operation && e.Amount == r.entry.Amount && e.Card == r.entry.Card && e.TID == r.entry.TID
	}
	if e := b.byKey[r.entry.key()]; same(e) && (e.Payment == r.entry.Payment) {
		return e
	}
	if r.repeat || r.operation.Advice() {
		if e := b.byUUID[r.entry.Payment+"/"+r.entry.Operation]; r.entry.Payment != "" && same(e) {
			return e
		}
	}
	return nil
}

// originalOf finds what a void, refund, completion or reversal is about.
func (b *book) originalOf(r *request) *entry {
	fits := func(e *entry) bool {
		if e == nil || e.What != Approved && e.What != Declined || e.TID != r.entry.TID {
			return false
		}
		if r.reversal {
			return e.Operation == r.entry.Operation && (e.Payment == "" || r.entry.Payment == "" || e.Payment == r.entry.Payment)
		}
		return e.What == Approved && (r.entry.Card == "" || e.Card == r.entry.Card)
	}
	o := r.original
	if o.STAN != "" && o.STAN != "000000" {
		if e := b.byKey[o.STAN+"/"+o.Sent+"/"+o.Acquirer]; fits(e) {
			return e
		}
	}
	if r.reversal {
		if e := b.byUUID[r.entry.Payment+"/"+r.entry.Operation]; r.entry.Payment != "" {
			if fits(e) {
				return e
			}
			return nil
		}
	}
	if o.STAN != "" && o.STAN != "000000" {
		if e := b.byTrace[r.entry.TID+"/"+o.STAN]; fits(e) {
			return e
		}
	}
	if e := b.byRRN[r.entry.TID+"/"+r.entry.RRN]; r.entry.RRN != "" && fits(e) {
		return e
	}
	if e := b.byAuth[r.entry.Card+"/"+r.authCode]; r.authCode != "" && fits(e) {
		return e
	}
	return nil
}

// reverse takes a reversal: one effect however often it comes.
func (b *book) reverse(r *request, v *verdict) {
	e := r.entry
	v.code, v.what = "00", Reversed
	o := b.originalOf(r)
	switch {
	case o == nil:
		v.code, v.what = "25", Unmatched
		if b.unseen[b.unseenKey(r)] {
			v.duplicate = true
			return
		}
		e.What = Unmatched
	case o.undone || o.What == Declined:
		v.duplicate = true
		v.ticket = o.ticket
		return
	default:
		e.What, e.Of, e.Taken, e.Held = Reversed, o.Seq, -o.Taken, -o.Held
		e.Card, e.PAN = o.Card, o.PAN
	}
	e.Code, e.Time, e.Date = v.code, r.at, v.date
	if o := r.original; o.STAN != "" && o.STAN != "000000" {
		e.STAN, e.Sent, e.Acquirer = o.STAN, o.Sent, o.Acquirer // the journal names the original
	}
	v.ticket = b.keep(&entry{Entry: e})
}

// unseenKey names what a reversal wanted to take back.
func (b *book) unseenKey(r *request) string {
	if r.entry.Payment != "" {
		return r.entry.Payment + "/" + r.entry.Operation
	}
	return r.original.STAN + "/" + r.original.Sent + "/" + r.original.Acquirer
}

// authorize decides on a request that moves, reserves or asks for money.
func (b *book) authorize(r *request, v *verdict) {
	e := &entry{Entry: r.entry}
	code, o := b.judge(r, e, v)
	e.Code, e.Time, e.Date = code, r.at, v.date
	e.What = Declined
	if ok := len(code) == 2 && evidence.IsApproval(evidence.Code{code[0], code[1]}); ok {
		e.What = Approved
		e.AuthCode = fmt.Sprintf("%06d", v.dice.IntN(1_000_000))
	} else {
		e.Approved, e.Taken, e.Held = 0, 0, 0
	}
	if o != nil {
		e.Of = o.Seq
	}
	v.code, v.auth, v.approved, v.what = e.Code, e.AuthCode, e.Approved, e.What
	if r.operation == iso8583.Balance {
		if e.What == Approved {
			have := b.account(r.entry.Card, r.pan).available()
			v.balance = &have
		}
		return // nothing happened that has to be remembered
	}
	v.ticket = b.keep(e)
}

// judge gives the response code, what the entry takes, and what it acts on.
func (b *book) judge(r *request, e *entry, v *verdict) (string, *entry) {
	if v.rule.Do == DoDecline {
		return v.rule.Code, nil
	}
	if b.unseen[e.Payment+"/"+e.Operation] && e.Payment != "" || b.unseen[e.key()] {
		return "22", nil // its reversal has come before it
	}
	if r.operation != iso8583.Balance && e.Amount <= 0 {
		return "13", nil
	}
	if r.pan == "" && r.operation != iso8583.SaleVoid && r.operation != iso8583.CompletionVoid && r.operation != iso8583.PreauthVoid {
		return "14", nil
	}
	s := b.scenario
	var about *Accounts
	if r.pan != "" {
		if about = s.accountsOf(r.pan); about == nil {
			return "14", nil
		}
		e.Issuer, e.CardType = about.Issuer, about.Type
	}
	if code := b.pinCode(r, about); code != "" {
		return code, nil
	}
	amount := e.Amount
	switch r.operation {
	case iso8583.Balance:
		return "00", nil
	case iso8583.Sale, iso8583.OfflineSale, iso8583.Preauth:
		code, acc := "00", b.account(e.Card, r.pan)
		if v.rule.Do == DoPartial && r.operation == iso8583.Sale {
			if amount = amount * v.rule.Percent / 100; amount > 0 {
				code = "10"
			}
		}
		// An advice tells what has happened: it is booked whatever the account has.
		if r.operation != iso8583.OfflineSale {
			for _, l := range []Limits{s.Limits, about.Limits} {
				if refused := acc.limit(l, amount, v.date); refused != "" {
					return refused, nil
				}
			}
			if acc.available() < amount {
				return "51", nil
			}
		}
		e.Approved = amount
		if r.operation == iso8583.Preauth {
			e.Held = amount
		} else {
			e.Taken = amount
		}
		return code, nil
	}
	o := b.originalOf(r)
	if o == nil {
		return "25", nil
	}
	if e.Card == "" {
		e.Card, e.PAN, e.Issuer, e.CardType = o.Card, o.PAN, o.Issuer, o.CardType
	}
	if o.undone || o.acted {
		return "22", o
	}
	e.Approved = amount
	switch op := o.Operation; r.operation {
	case iso8583.SaleVoid, iso8583.CompletionVoid, iso8583.PreauthVoid:
		want := map[iso8583.Operation]string{iso8583.SaleVoid: "sale", iso8583.CompletionVoid: "completion", iso8583.PreauthVoid: "preauth"}[r.operation]
		if op != want && !(want == "sale" && op == "offline_sale") && !(want == "completion" && op == "completion_advice") {
			return "12", o
		}
		if o.refunded > 0 {
			return "22", o
		}
		if amount != o.Approved {
			return "64", o
		}
		e.Taken, e.Held = -o.Taken, -o.Held
	case iso8583.Refund:
		if op != "sale" && op != "completion" && op != "completion_advice" && op != "offline_sale" {
			return "12", o
		}
		if o.refunded+amount > o.Approved {
			return "64", o
		}
		e.Taken = -amount
	case iso8583.Completion, iso8583.CompletionAdvice:
		if op != "preauth" {
			return "12", o
		}
		if amount > o.Approved+o.Approved*15/100 { // UnionPay's 115 %
			return "64", o
		}
		e.Taken, e.Held = amount, -o.Held
	default:
		return "40", o
	}
	return "00", o
}

// maxWrongPINs is after how many wrong PINs a card's PIN is locked.
const maxWrongPINs = 3

// pinCode checks a PIN where the accounts have one and a PIN block came.
func (b *book) pinCode(r *request, about *Accounts) string {
	if r.pin == nil || about == nil || about.PIN == "" || b.keys == nil {
		return ""
	}
	acc := b.account(r.entry.Card, r.pan)
	if acc.wrongPIN >= maxWrongPINs {
		return "38"
	}
	pvv, ok := b.pvv[r.entry.Card]
	if !ok {
		var err error
		if pvv, err = b.keys.NewPVV(about.PIN, r.pan); err != nil {
			return "96"
		}
		b.pvv[r.entry.Card] = pvv
	}
	ok, err := b.keys.VerifyPIN(r.owner, *r.pin, r.pan, pvv)
	switch {
	case err != nil:
		return iso8583.ResponseCodeOf(err)
	case !ok:
		acc.wrongPIN++
		return "55"
	}
	acc.wrongPIN = 0
	return ""
}

func (a *account) available() int64 { return a.balance - a.held }

// limit gives the code of a limit that an amount passes, "" for none.
func (a *account) limit(l Limits, amount int64, date calendar.Date) string {
	spent, count := a.spent, a.count
	if a.date != date {
		spent, count = 0, 0
	}
	switch {
	case l.Single > 0 && amount > l.Single, l.Daily > 0 && spent+amount > l.Daily:
		return "61"
	case l.Count > 0 && count+1 > l.Count:
		return "65"
	}
	return ""
}

// account gives a card's account. Its opening balance is put in when its number
// is first seen: the journal, which has no numbers, holds only what was taken.
func (b *book) account(card, pan string) *account {
	acc := b.accounts[card]
	if acc == nil {
		acc = &account{}
		b.accounts[card] = acc
	}
	if !acc.opened && pan != "" && b.scenario != nil {
		if about := b.scenario.accountsOf(pan); about != nil {
			acc.balance += about.Balance
			acc.opened = true
		}
	}
	return acc
}

func (b *book) available(pan string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.account(b.keys.Token(pan), pan).available()
}

// keep gives an entry its number, applies it and hands it to the journal, all
// under the book's lock: the journal has the order of the decisions.
func (b *book) keep(e *entry) *journal.Ticket {
	e.Seq = int64(len(b.entries)) + 1
	b.apply(e)
	if b.journal != nil {
		e.ticket = b.journal.Enqueue(&e.Entry)
	}
	return e.ticket
}

// replay takes an entry of the journal.
func (b *book) replay(line []byte) error {
	e := &entry{}
	if err := json.Unmarshal(line, &e.Entry); err != nil {
		return err
	}
	if e.Seq != int64(len(b.entries))+1 {
		return fmt.Errorf("entry %d follows entry %d", e.Seq, len(b.entries))
	}
	b.apply(e)
	return nil
}

// apply is the only place where entries change the book, so that replaying the
// journal gives the same book.
func (b *book) apply(e *entry) {
	b.entries = append(b.entries, e)
	if e.What == Approved || e.What == Declined {
		b.byKey[e.key()] = e
		b.byTrace[e.TID+"/"+e.STAN] = e
		if e.Payment != "" {
			b.byUUID[e.Payment+"/"+e.Operation] = e
		}
		if e.RRN != "" && e.What == Approved {
			b.byRRN[e.TID+"/"+e.RRN] = e
		}
		if e.AuthCode != "" {
			b.byAuth[e.Card+"/"+e.AuthCode] = e
		}
	}
	var of *entry
	if e.Of > 0 && e.Of <= int64(len(b.entries)) {
		of = b.entries[e.Of-1]
	}
	switch e.What {
	case Unmatched:
		if e.Payment != "" {
			b.unseen[e.Payment+"/"+e.Operation] = true
		} else {
			b.unseen[e.key()] = true
		}
		return
	case Declined:
		return
	case Reversed:
		if of == nil {
			return
		}
		of.undone = true
		if of.Of > 0 { // what it had done to another is taken back as well
			b.entries[of.Of-1].act(of, false)
		}
	case Approved:
		if of != nil {
			of.act(e, true)
		}
	}
	acc := b.account(e.Card, "")
	acc.balance -= e.Taken
	acc.held += e.Held
	if e.What == Approved && e.Taken+e.Held > 0 && (e.Operation == "sale" || e.Operation == "preauth" || e.Operation == "offline_sale") {
		if acc.date != e.Date {
			acc.date, acc.spent, acc.count = e.Date, 0, 0
		}
		acc.spent += e.Approved
		acc.count++
	}
	if e.What == Reversed && of != nil && acc.date == of.Date && (of.Operation == "sale" || of.Operation == "preauth" || of.Operation == "offline_sale") {
		acc.spent -= of.Approved
		acc.count--
	}
}

// act does to an entry what a later one says, or takes it back.
func (e *entry) act(by *entry, does bool) {
	if by.Operation == iso8583.Refund.String() {
		if does {
			e.refunded += by.Approved
		} else {
			e.refunded -= by.Approved
		}
		return
	}
	e.acted = does
}
