// Package demo is a story as data: five shops and two of their trading weeks, in
// which most money arrives as promised and some does not. It says who sells what
// when and what goes wrong; what becomes of the money is for the platform that
// plays it to find out, and is not written here.
//
// The parts: Script, all of it; Shop and Till, who sells; Event, one thing that
// happens, in order of time. Fortnight makes the script of a seed: the ordinary
// trade of it follows from the seed, the troubles are always the same.
package demo

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
)

// Script is a story from its first moment to its last.
type Script struct {
	Seed uint64
	Zone *time.Location
	// First and Last are its first and last day, End the moment of the question
	// with which it closes.
	First, Last calendar.Date
	End         time.Time
	Shops       []Shop
	Issuers     []Issuer
	// Network is how the card network's host behaves where no event says otherwise,
	// Payer the bank that pays the shops.
	Network bank.Scenario
	Payer   custody.Scenario
	// Safeguarded is the platform's account there.
	Safeguarded Account
	// Events are in order of time, no two at the same moment.
	Events []Event
}

// Shop is one merchant.
type Shop struct {
	MID, MCC string
	Name     fault.Text
	Tills    []Till
	// Account is where it is paid to; no real account has such a number.
	Account Account
	// Daily is how many sales it makes on an ordinary day, From and To about how
	// large they are, in minor units. Opens and Closes are hours of the day.
	Daily         int
	From, To      int64
	Opens, Closes int
}

// Till is one terminal of a shop.
type Till struct {
	TID   string
	Model string
}

// Account is one at a bank.
type Account struct {
	Number, Holder, Bank, Agent string
}

// Issuer is a bank whose cards are used: how the simulated terminal calls them,
// and with which digits they begin.
type Issuer struct {
	Name, Card, Range, Type string
}

// Deed is what happens in an event.
type Deed string

// The deeds, with what they need of an Event beside the moment.
const (
	// Nothing happens but what is told.
	Nothing Deed = "nothing"
	// Sale at a till: TID, Card, Amount; Mark names it for later.
	Sale Deed = "sale"
	// Void of a sale, in full and the same day: TID, Of.
	Void Deed = "void"
	// Refund of a sale: TID, Of, Card, Amount.
	Refund Deed = "refund"
	// Break a till's part, Mend it: TID, Part in the words of the simulated terminal.
	Break Deed = "break"
	Mend  Deed = "mend"
	// Restart a till that died: TID.
	Restart Deed = "restart"
	// Close a till's batch for the day: TID.
	Close Deed = "close"
	// Mute: the issuer decides and no longer answers; Unmute ends it: Issuer.
	Mute   Deed = "mute"
	Unmute Deed = "unmute"
	// Notice of an issuing bank about its own trouble: Issuer, From, Until, Title.
	Notice Deed = "notice"
	// Propose, Approve and Verify another payout account: Shop, By.
	Propose Deed = "propose"
	Approve Deed = "approve"
	Verify  Deed = "verify"
	// Freeze proposes it, Frozen approves it: Shop, By.
	Freeze Deed = "freeze"
	Frozen Deed = "frozen"
)

// Event is one thing that happens.
type Event struct {
	At   time.Time
	Deed Deed
	// Shop is a merchant's number, TID a till's.
	Shop, TID string
	// Card is one of the simulated terminal's: icbc-debit:7.
	Card   string
	Amount int64
	// Mark names the sale for later events and for what is told; Of names one.
	Mark, Of string
	// Order is the till's reference of what is paid for.
	Order  string
	Part   string
	Issuer string
	// From, Until and Title are those of a notice.
	From, Until time.Time
	Title       fault.Text
	By          string
	// Account is a shop's new one.
	Account *Account
	// Result is what a transaction has to come to at its till, in the till's words:
	// approved where empty. What happens otherwise is not the story.
	Result string
	// Tell is what the reader is told once it has happened; none for the ordinary.
	// {amount} and {rrn} stand for those of the sale that the event makes or names,
	// {shop} for the shop's name.
	Tell fault.Text
}

// ShopOf gives the shop of a till or merchant number; nil where there is none.
func (s *Script) ShopOf(id string) *Shop {
	for i := range s.Shops {
		if s.Shops[i].MID == id {
			return &s.Shops[i]
		}
		for _, t := range s.Shops[i].Tills {
			if t.TID == id {
				return &s.Shops[i]
			}
		}
	}
	return nil
}
