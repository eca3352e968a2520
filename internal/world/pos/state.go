package pos

import (
	"encoding/json"
	"fmt"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

// Transaction is one transaction as the terminal's journal has it. It holds no
// clear card data: the number is masked, and sealed where a later message needs
// it.
type Transaction struct {
	Batch     string         `json:"batch"`
	STAN      string         `json:"stan"`
	Operation string         `json:"operation"` // as iso8583.Operation spells it
	Time      time.Time      `json:"time"`      // by the terminal's own clock
	Amount    int64          `json:"amount"`    // minor units
	Currency  string         `json:"currency"`  // numeric
	PAN       string         `json:"pan,omitempty"`
	Sealed    keyring.Sealed `json:"sealed,omitempty"`
	Issuer    string         `json:"issuer,omitempty"`
	CardType  string         `json:"card_type,omitempty"`
	Foreign   bool           `json:"foreign,omitempty"`
	Entry     string         `json:"entry"` // chip, contactless, magstripe, manual, qr
	Fallback  bool           `json:"fallback,omitempty"`
	CVM       string         `json:"cvm"` // pin, signature, none
	Operator  string         `json:"operator"`
	OrderID   string         `json:"order_id,omitempty"`
	Original  Ref            `json:"original,omitzero"`

	// Result as evidence names it: approved, declined, timeout, aborted, unknown,
	// offline_approved; "" while there is none.
	Result   string `json:"result,omitempty"`
	Code     string `json:"code,omitempty"`
	RRN      string `json:"rrn,omitempty"`
	AuthCode string `json:"auth_code,omitempty"`
	Approved int64  `json:"approved,omitempty"`
	HostTime string `json:"host_time,omitempty"` // MMDDhhmmss of the answer
	Acquirer string `json:"acquirer,omitempty"`
	Balance  *int64 `json:"balance,omitempty"`
	// Printed is nil until the slip was printed or was not.
	Printed *bool `json:"printed,omitempty"`
	// Reversal of this request: "", due, done, or refused by the acquirer.
	Reversal string `json:"reversal,omitempty"`
	Reason   string `json:"reason,omitempty"` // field 39 of it
	Attempts int    `json:"attempts,omitempty"`
	Refusals int    `json:"refusals,omitempty"` // of its reversal
	// Told is true once the acquirer has acknowledged an offline sale.
	Told bool `json:"told,omitempty"`
	// Voided by a later transaction.
	Voided bool `json:"voided,omitempty"`
	// Settled with its batch.
	Settled bool `json:"settled,omitempty"`

	filed bool // it stands in the papers
}

// Ref names an earlier transaction. Date is MMDD.
type Ref struct {
	Batch    string `json:"batch,omitempty"`
	STAN     string `json:"stan,omitempty"`
	RRN      string `json:"rrn,omitempty"`
	AuthCode string `json:"auth_code,omitempty"`
	Date     string `json:"date,omitempty"`
}

// The states of a reversal.
const (
	due     = "due"
	done    = "done"
	refused = "refused"
)

func (x *Transaction) approved() bool {
	return x.Result == "approved" || x.Result == "offline_approved"
}

func (x *Transaction) voids() bool {
	op, _ := iso8583.ParseOperation(x.Operation)
	return op == iso8583.SaleVoid || op == iso8583.CompletionVoid || op == iso8583.PreauthVoid
}

// stored reports an offline sale that the acquirer does not know yet.
func (x *Transaction) stored() bool { return x.Result == "offline_approved" && !x.Told }

// counts reports whether the transaction stands in its batch's totals: a voided
// sale does, on both sides.
func (x *Transaction) counts() bool { return x.approved() && x.Reversal == "" }

// The records of the journal.
const (
	didStart   = "started"
	didStop    = "stopped"
	didDie     = "died"
	didSignOn  = "signed_on"
	didSignOff = "signed_off"
	didSpend   = "spent" // a trace number, by a message that leaves no other record
	didBegin   = "begun"
	didEnd     = "ended"
	didPrint   = "printed"
	didTry     = "reversal_tried"
	didRefuse  = "reversal_refused"
	didReverse = "reversed"
	didTell    = "told"
	didSettle  = "settling"
	didCompare = "compared"
	didUpload  = "uploaded" // so many transactions of the batch
	didClose   = "closed"
	didFact    = "fact"
)

// Record is one line of the journal.
type Record struct {
	What  string       `json:"what"`
	Time  time.Time    `json:"time"`
	Batch string       `json:"batch,omitempty"`
	STAN  string       `json:"stan,omitempty"`
	Begun *Transaction `json:"begun,omitempty"`
	// True is the moment by a clock that is right, where the terminal's is not.
	True *time.Time `json:"true,omitempty"`
	TID  string     `json:"tid,omitempty"` // at the start
	MID  string     `json:"mid,omitempty"`

	Result   string `json:"result,omitempty"`
	Code     string `json:"code,omitempty"`
	RRN      string `json:"rrn,omitempty"`
	AuthCode string `json:"auth_code,omitempty"`
	Approved int64  `json:"approved,omitempty"`
	HostTime string `json:"host_time,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
	Acquirer string `json:"acquirer,omitempty"`
	Balance  *int64 `json:"balance,omitempty"`
	Printed  *bool  `json:"printed,omitempty"`
	Reversal string `json:"reversal,omitempty"`
	Reason   string `json:"reason,omitempty"`

	Totals   *iso8583.Totals `json:"totals,omitempty"`
	Balanced bool            `json:"balanced,omitempty"`
	Count    int             `json:"count,omitempty"`
	Next     string          `json:"next,omitempty"` // batch
	Cause    string          `json:"cause,omitempty"`
	Fact     json.RawMessage `json:"fact,omitempty"`
}

// settling is a batch between its totals and its closing.
type settling struct {
	stan     string
	totals   iso8583.Totals
	compared bool
	balanced bool
	next     string // batch, as the acquirer said
	uploaded int
}

// state is the sum of the records.
type state struct {
	tid, mid    string
	batch, stan int
	signedOn    bool
	order       []*Transaction // of the current and the last batch, unless all
	all         bool
	byKey       map[string]*Transaction
	settling    *settling
	due, stored int   // reversals due and offline sales not told, in order
	begun       int   // transactions of the open batch
	facts       int   // that were written
	charged     int64 // ever: what counts, charges minus what was given back
	reversed    int64 // ever: reversals that are done
	last        time.Time
	started     bool
	since       time.Time // of the start
	stopped     bool
	death       string
}

func newState() state { return state{batch: 1, byKey: map[string]*Transaction{}} }

func (s *state) replay(line []byte) error {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if x := s.byKey[r.Batch+"/"+r.STAN]; x == nil && (r.What == didEnd || r.What == didPrint || r.What == didReverse) {
		return fmt.Errorf("%s of a transaction that was not begun", r.What)
	}
	s.apply(&r)
	return nil
}

// apply is the only place where records change the state.
func (s *state) apply(r *Record) {
	if r.Time.After(s.last) {
		s.last = r.Time
	}
	if n := numberOf(r.STAN); n > 0 && (r.What == didBegin || r.What == didSpend || r.What == didSettle || r.What == didSignOn) {
		s.stan = n
	}
	x := s.byKey[r.Batch+"/"+r.STAN]
	switch r.What {
	case didStart:
		s.started, s.stopped, s.death = true, false, ""
		s.tid, s.mid, s.since = r.TID, r.MID, r.Time
	case didStop:
		s.stopped = true
	case didDie:
		s.death = r.Cause
	case didSignOn:
		s.signedOn = true
		if n := numberOf(r.Next); n > 0 && n != s.batch && s.begun == 0 {
			s.batch = n
		}
	case didSignOff:
		s.signedOn = false
	case didBegin:
		x := *r.Begun
		s.order = append(s.order, &x)
		s.byKey[x.Batch+"/"+x.STAN] = &x
		s.begun++
	case didEnd:
		x.Result, x.Code, x.RRN, x.AuthCode, x.Approved = r.Result, r.Code, r.RRN, r.AuthCode, r.Approved
		x.HostTime, x.Acquirer, x.Balance, x.Reversal, x.Reason = r.HostTime, r.Acquirer, r.Balance, r.Reversal, r.Reason
		if r.Issuer != "" {
			x.Issuer = r.Issuer
		}
		s.charged += x.effect()
		if x.Reversal == due {
			s.due++
		}
		if x.stored() {
			s.stored++
		}
		if o := s.byKey[x.Original.Batch+"/"+x.Original.STAN]; o != nil && x.approved() && x.voids() {
			o.Voided = true
		}
	case didPrint:
		x.Printed = r.Printed
	case didTry:
		x.Attempts++
	case didRefuse:
		x.Refusals++
	case didReverse:
		if x.Reversal == due {
			s.due--
		}
		x.Reversal = r.Reversal
		s.reversed++
	case didTell:
		if x.stored() {
			s.stored--
		}
		x.Told = true
		x.RRN, x.AuthCode, x.Code = orElse(r.RRN, x.RRN), orElse(x.AuthCode, r.AuthCode), r.Code
	case didSettle:
		s.settling = &settling{stan: r.STAN, totals: *r.Totals}
	case didCompare:
		if s.settling != nil {
			s.settling.compared, s.settling.balanced, s.settling.next = true, r.Balanced, r.Next
		}
	case didUpload:
		if s.settling != nil {
			s.settling.uploaded = r.Count
		}
	case didClose:
		closed := six(s.batch)
		s.settling, s.begun = nil, 0
		s.batch = next(s.batch)
		if n := numberOf(r.Next); n > 0 {
			s.batch = n
		}
		for _, x := range s.order {
			if x.Batch == closed {
				x.Settled = true
			}
		}
		s.prune(closed)
	case didFact:
		s.facts++
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// prune forgets what is older than the batch just closed; what is still to be
// reversed or told stays.
func (s *state) prune(closed string) {
	if s.all {
		return
	}
	kept := s.order[:0]
	for _, x := range s.order {
		if x.Batch == closed || x.Reversal == due || x.stored() {
			kept = append(kept, x)
		} else {
			delete(s.byKey, x.Batch+"/"+x.STAN)
		}
	}
	clear(s.order[len(kept):])
	s.order = kept
}

// current gives the transactions of the open batch.
func (s *state) current() []*Transaction {
	batch := six(s.batch)
	for i, x := range s.order {
		if x.Batch == batch && !x.Settled {
			return s.order[i:]
		}
	}
	return nil
}

// totals are those of the open batch as acquirers compare them: sales, completions
// and offline sales are debits; refunds and voids of sales and completions credits,
// so that a voided sale stands on both sides. What was reversed stands on neither.
func (s *state) totals() iso8583.Totals {
	var sum iso8583.Totals
	batch := six(s.batch)
	for _, x := range s.current() {
		if x.Batch != batch || !x.counts() {
			continue
		}
		switch op, _ := iso8583.ParseOperation(x.Operation); op {
		case iso8583.Sale, iso8583.Completion, iso8583.CompletionAdvice, iso8583.OfflineSale:
			sum.DebitAmount += x.charged()
			sum.DebitCount++
		case iso8583.Refund, iso8583.SaleVoid, iso8583.CompletionVoid:
			sum.CreditAmount += x.charged()
			sum.CreditCount++
		}
	}
	return sum
}

// effect is what the transaction moves from the cardholder, negative for what goes
// back.
func (x *Transaction) effect() int64 {
	if !x.counts() {
		return 0
	}
	switch op, _ := iso8583.ParseOperation(x.Operation); op {
	case iso8583.Sale, iso8583.Completion, iso8583.CompletionAdvice, iso8583.OfflineSale:
		return x.charged()
	case iso8583.Refund, iso8583.SaleVoid, iso8583.CompletionVoid:
		return -x.charged()
	}
	return 0
}

// charged is the amount that counts: the approved one where it differs.
func (x *Transaction) charged() int64 {
	if x.Approved > 0 {
		return x.Approved
	}
	return x.Amount
}

// find gives the transaction that a reference names, the latest first.
func (s *state) find(r Ref) *Transaction {
	for i := len(s.order) - 1; i >= 0; i-- {
		x := s.order[i]
		if (r.Batch == "" || r.Batch == x.Batch) && (r.STAN == "" || r.STAN == x.STAN) && (r.RRN == "" || r.RRN == x.RRN) &&
			(r.STAN != "" || r.RRN != "") {
			return x
		}
	}
	return nil
}

// approvalOf reports whether a response code approves.
func approvalOf(code string) bool {
	return len(code) == 2 && evidence.IsApproval(evidence.Code{code[0], code[1]})
}

// openOf reports whether a response code leaves the outcome open.
func openOf(code string) bool {
	return len(code) == 2 && evidence.IsOpen(evidence.Code{code[0], code[1]})
}
