package backoffice

import (
	"context"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Kind is a kind of work.
type Kind string

// The kinds of work, in the order in which money moves.
const (
	// Import reads what is new of a network's clearing files, in the order in which
	// they came. It names the Network.
	Import Kind = "import"
	// Funding books what a corrected clearing file changed after the network had
	// paid. It names Network and Date.
	Funding Kind = "fund"
	// Closing ends a network's day. It names Network and Date.
	Closing Kind = "close"
	// Settlement runs a merchant's settlement of a day. It names Merchant and Date;
	// Final where it is the day's last.
	Settlement Kind = "settle"
	// Declaration says that a day's lines and payouts are all on record. It names
	// the Date.
	Declaration Kind = "declare"
	// Dispatching hands a payout to its bank. It names Merchant and Payout.
	Dispatching Kind = "dispatch"
	// Inquiry asks what became of a payout. It names Merchant and Payout.
	Inquiry Kind = "inquire"
	// Hearing reads what is new of a bank's replies and statements. It names the Bank.
	Hearing Kind = "hear"
	// Remedying sends again what came back, or blocks the account that was at
	// fault. It names Merchant and Payout.
	Remedying Kind = "remedy"
	// Following brings settlement in line with a merchant's state. It names the
	// Merchant.
	Following Kind = "follow"
	// Advising writes a merchant's settlement file. It names Merchant and Date.
	Advising Kind = "advise"
)

// Kinds are all kinds in their order.
func Kinds() []Kind {
	return []Kind{Import, Funding, Closing, Settlement, Declaration, Dispatching, Inquiry, Hearing, Remedying, Following, Advising}
}

// Task is one piece of work that waits.
type Task struct {
	Kind     Kind          `json:"kind"`
	Merchant string        `json:"merchant,omitempty"`
	Network  string        `json:"network,omitempty"`
	Bank     string        `json:"bank,omitempty"`
	Payout   string        `json:"payout,omitempty"`
	Date     calendar.Date `json:"date"` // calendar.None for none
	Final    bool          `json:"final,omitempty"`
	// Due is when it was or will be due.
	Due time.Time `json:"due"`
}

// Key names the work: two tasks of one key are the same work, and one of them
// running at a time suffices.
func (t *Task) Key() string {
	k := string(t.Kind)
	for _, part := range [...]string{t.Merchant, t.Network, t.Bank, t.Payout, t.Date.String()} {
		if part != "" {
			k += "/" + part
		}
	}
	if t.Final {
		k += "/final"
	}
	return k
}

// Point is a place in the work at which a process can end: tests make it.
type Point string

// The points. Each is passed with the Kind of work before it: "dispatch/decided".
const (
	AfterRead    Point = "read"    // rows or a file were read, nothing is decided
	BeforeCommit Point = "decided" // a step is decided, not offered
	AfterCommit  Point = "durable" // the step is durable, nothing else is done
	BeforeRename Point = "written" // a file is written under its .part name
	AfterRename  Point = "renamed" // the file stands under its name
	BeforeFiling Point = "unfiled" // all that a file says is on record, the filing is not
	AfterFiling  Point = "filed"
)

// Points are all points of a kind of work that can be passed in it.
func Points(k Kind) []Point {
	all := []Point{AfterRead, BeforeCommit, AfterCommit}
	switch k {
	case Dispatching, Inquiry:
		all = append(all, BeforeRename, AfterRename)
	case Advising:
		all = []Point{AfterRead, BeforeRename, AfterRename}
	case Import, Hearing:
		all = append(all, BeforeFiling, AfterFiling)
	}
	for i := range all {
		all[i] = Point(k) + "/" + all[i]
	}
	return all
}

// Do does what a task says. An error of kind fault.Internal may pass and is worth
// another attempt; fault.Conflict means that others changed the same rows too
// often, or that something else has to happen first; fault.NotAllowed,
// fault.Invalid and fault.NotFound need a person.
func (o *Office) Do(ctx context.Context, t Task) error {
	switch t.Kind {
	case Import:
		_, err := o.ImportClearing(ctx, t.Network)
		return err
	case Funding:
		return o.Fund(ctx, t.Network, t.Date)
	case Closing:
		return o.Close(ctx, t.Network, t.Date)
	case Settlement:
		return o.Settle(ctx, t.Merchant, t.Date, t.Final)
	case Declaration:
		return o.Declare(ctx, t.Date)
	case Dispatching:
		return o.Dispatch(ctx, t.Merchant, t.Payout)
	case Inquiry:
		return o.Inquire(ctx, t.Merchant, t.Payout)
	case Hearing:
		_, err := o.Hear(ctx, t.Bank)
		return err
	case Remedying:
		return o.Remedy(ctx, t.Merchant, t.Payout)
	case Following:
		return o.Follow(ctx, t.Merchant)
	case Advising:
		return o.WriteAdvice(ctx, t.Merchant, t.Date)
	}
	return unknownKind(t.Kind)
}

func unknownKind(k Kind) error {
	return fault.New(fault.Invalid, fault.Say("do back-office work", "执行后台任务"), string(k), nil,
		fault.Say("the kinds of work are: %s", "任务种类有：%s", Kinds()))
}
