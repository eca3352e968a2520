package desk

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Kind is what an item is about.
type Kind string

// The kinds.
const (
	// OnPayment: a payment that is late, short, held or open, or an exception about
	// one.
	OnPayment Kind = "payment"
	// OnException: an exception about no payment: a file, an entry, a line of nobody.
	OnException Kind = "exception"
	// OnPayout: a payout that came back, or whose outcome nobody tells.
	OnPayout Kind = "payout"
)

// Key names an item, and the case about it.
type Key struct {
	// MID is the merchant's number, or settlement.House for what belongs to none.
	MID  string
	Kind Kind
	// Ref is the payment's id, the exception's UUID or the payout's number.
	Ref string
}

// String gives the key as addresses have it: MID.payment.REF.
func (k Key) String() string { return k.MID + "." + string(k.Kind) + "." + k.Ref }

// Subject is the key within its merchant, as the store has it.
func (k Key) Subject() string { return string(k.Kind) + "." + k.Ref }

// ParseKey is the reverse of String. The error is of kind fault.Invalid.
func ParseKey(s string) (Key, error) {
	mid, rest, _ := strings.Cut(s, ".")
	kind, ref, _ := strings.Cut(rest, ".")
	k := Key{mid, Kind(kind), ref}
	if mid == "" || ref == "" || len(s) > 200 || k.Kind != OnPayment && k.Kind != OnException && k.Kind != OnPayout {
		return Key{}, fault.New(fault.Invalid, fault.Say("read item", "读取事项"), "", fault.Say("that is no item", "不是有效的事项编号"),
			fault.Say("take it from the list of exceptions: MERCHANT.payment.ID, MERCHANT.exception.ID or MERCHANT.payout.ID",
				"请从异常清单中复制：商户号.payment.编号、商户号.exception.编号或商户号.payout.编号"))
	}
	return k, nil
}

// Item is one thing that needs somebody.
type Item struct {
	Key Key
	// Cause is a code of the catalogue ("record.not_in_settlement") where the
	// investigation gives one, else the word of the exception ("network_short").
	// CauseTitle gives its words.
	Cause string
	// Amount is the money at risk in minor units, not negative.
	Amount   int64
	Currency money.Currency // none where no money is at risk
	// Since is the payment's time, or when the exception was opened.
	Since time.Time
	// Promised is by when it was to be done: the due time of the leg that is late, or
	// for an exception the end of the bank day by which it is to be settled; zero for
	// no promise. It does not move.
	Promised time.Time
	// Age is how many bank days have passed since the promise, by the calendar of the
	// merchant's terms; 0 on the day itself and before, and where nothing is promised.
	Age int
	// Due is by when somebody means to be done: the case's own, else Promised.
	Due time.Time
	// Party is who has to act, as the investigation or the exception says: "platform",
	// "bank", "network/UnionPay", "merchant".
	Party string
	// TID is the terminal of a payment, Payout the number of a payout; "" for none.
	TID, Payout string
	// Incident is the incident that a payment belongs to; "" for none.
	Incident string
	// Exceptions are the open ones that it stands for.
	Exceptions []payment.Exception
	// Inbox is where it lies for whoever asks.
	Inbox Inbox
	// Case is its case; nil while nobody touched it.
	Case *Case
	// Again is true where it was resolved and something else has come up since.
	Again bool
}

// Owner is who owns it; "" for nobody.
func (i *Item) Owner() string {
	if i.Case == nil {
		return ""
	}
	return i.Case.Owner
}

// Inbox is where an item lies.
type Inbox string

// The inboxes. Each item lies in exactly one of Unassigned, Owned, Waiting,
// Snoozed and Done; Mine are those of Owned that belong to whoever asks, Team all
// that is neither snoozed nor done.
const (
	Unassigned Inbox = "unassigned"
	Mine       Inbox = "mine"
	Owned      Inbox = "owned"
	Team       Inbox = "team"
	Waiting    Inbox = "waiting" // for the counterparty's answer
	Snoozed    Inbox = "snoozed"
	Done       Inbox = "done"
)

// Inboxes are those that a person is shown, in their order.
var Inboxes = []Inbox{Unassigned, Mine, Team, Waiting, Snoozed, Done}

// Filter narrows a list of items. What is zero does not narrow.
type Filter struct {
	Inbox Inbox // "" is Team
	MID   string
	Owner string // a name
	Party string // its beginning: "network" for every network
	// Causes, Kinds and Ages are any of.
	Causes   []string
	Kinds    []Kind
	Ages     []Band
	Currency money.Currency
	Incident string
	// Escalated keeps what was escalated.
	Escalated bool
	// Least and Most bound the money at risk in minor units, both included; Most 0 is
	// no bound.
	Least, Most int64
	// Keys keeps these only.
	Keys []Key
}

// Page is a part of a list, and what the whole of it adds up to.
type Page struct {
	Items []Item
	// Next is the cursor of the next page; "" where there is none.
	Next string
	// Count and Sums are of all that pass the filter; Sums in minor units by currency.
	Count int
	Sums  map[money.Currency]int64
	// Inboxes count what lies where under the filter without its inbox, but for Done,
	// which is as long as the history is.
	Inboxes map[Inbox]int
}

// Matrix is age × cause: what waits, by why and since when.
type Matrix struct {
	// Rows are in order of the money at risk of the oldest band, then of count.
	Rows []MatrixRow
	// Total is the row of all causes together.
	Total MatrixRow
}

// MatrixRow is one cause.
type MatrixRow struct {
	Cause string // "" for the total
	Cells [Bands]Cell
	All   Cell
}

// Cell is what one cause has of one age.
type Cell struct {
	Count int
	Sums  map[money.Currency]int64 // minor units
}

func (c *Cell) add(i *Item) {
	c.Count++
	if i.Amount == 0 {
		return
	}
	if c.Sums == nil {
		c.Sums = map[money.Currency]int64{}
	}
	c.Sums[i.Currency] += i.Amount
}

// keyOfException names the item that an exception about no payment stands for.
func keyOfException(x *payment.Exception) Key {
	if p := payoutNamed(x); p != "" {
		return Key{x.MID, OnPayout, p}
	}
	return Key{x.MID, OnException, uuid.UUID(x.ID).String()}
}
