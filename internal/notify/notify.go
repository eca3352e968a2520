// Package notify tells programs and people what has happened to their money: that
// a payment is overdue or has arrived after all, that a fault began or ended to
// stop payments, that a payout came back, that a promise was missed.
//
// What is told is an Event. Events follow from what the investigation says now,
// held against what was told before (Compare, pure): a node that starts again, or
// a second one, finds nothing new in what is on record, and an event's id is made
// of what it says, so that the same thing is never on record twice. A fault that
// stops ten thousand payments is one event, not ten thousand.
//
// Events are written first and posted after: the one node that leads gives them
// their place in the log and, in the same transaction, to each receiver that wants
// them a delivery. A delivery is tried until the receiver has taken it or a
// schedule is at its end (Wait); it may come twice, never not at all, and what
// concerns one subject comes in order.
//
// The parts: notify.go is an event, compare.go and house.go find what is new,
// look.go reads it from an investigation, receiver.go is who is told, secret.go
// signs, guard.go says which addresses may be reached, delivery.go is one event on
// its way, mail.go what people read. Notifier, in notifier.go, is what a person or a
// program does, and round.go what happens by itself. Package courier carries.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Type is what an event tells, in the words that receivers choose by.
type Type string

// The types. A receiver that names none gets all of them but Test.
const (
	PaymentOverdue   Type = "payment.overdue"   // a leg is past its due time, and no fault explains it for many
	PaymentArrived   Type = "payment.arrived"   // the money of a payment that was told as overdue has come
	PromiseMissed    Type = "promise.missed"    // the time that was named for a late payment has passed too
	IncidentOpened   Type = "incident.opened"   // one fault stops payments
	IncidentResolved Type = "incident.resolved" // it stops none any more
	PayoutReturned   Type = "payout.returned"   // the bank sent a payout back, or refused it
	PayoutCredited   Type = "payout.credited"   // a payout is on the merchant's account
	CaseOpened       Type = "case.opened"
	CaseAssigned     Type = "case.assigned"
	CaseEscalated    Type = "case.escalated"
	CaseResolved     Type = "case.resolved"
	// ReceiverDisabled tells those who run the platform that a receiver is not told
	// any more, because it failed for days.
	ReceiverDisabled Type = "receiver.disabled"
	// Test is sent to one receiver when somebody asks for it.
	Test Type = "test"
)

// meanings are the types in the order in which they are listed, with what each
// means.
var meanings = []struct {
	is   Type
	says fault.Text
}{
	{PaymentOverdue, fault.Say("a payment is past its due time", "交易款项逾期未到")},
	{PaymentArrived, fault.Say("the money of an overdue payment has come", "逾期款项已到账")},
	{PromiseMissed, fault.Say("the time named for a late payment has passed", "承诺的到账时间已过")},
	{IncidentOpened, fault.Say("one fault stops payments", "故障事件开始影响交易")},
	{IncidentResolved, fault.Say("a fault stops no payment any more", "故障事件已不再影响交易")},
	{PayoutReturned, fault.Say("a payout came back or was refused", "出款被退回或拒绝")},
	{PayoutCredited, fault.Say("a payout is on the merchant's account", "出款已入商户账户")},
	{CaseOpened, fault.Say("a case was opened", "新建差错单")},
	{CaseAssigned, fault.Say("a case was given to somebody", "差错单已分派")},
	{CaseEscalated, fault.Say("a case was escalated", "差错单已升级")},
	{CaseResolved, fault.Say("a case was resolved", "差错单已结案")},
	{ReceiverDisabled, fault.Say("a receiver failed for days and is not told any more", "接收方连续多日失败，已停用")},
}

// Types lists the types that can be chosen.
func Types() []Type {
	out := make([]Type, len(meanings))
	for i, m := range meanings {
		out[i] = m.is
	}
	return out
}

// Meaning says what a type means, in a few words.
func (t Type) Meaning() fault.Text {
	for _, m := range meanings {
		if m.is == t {
			return m.says
		}
	}
	if t == Test {
		return fault.Say("a test", "测试")
	}
	return fault.Same(string(t))
}

// Event is one thing that happened, as it was told. It does not change once it is
// on record.
type Event struct {
	// ID is made of what the event says.
	ID   string
	Type Type
	// Seq is its place in the log, from 1; 0 until it is posted.
	Seq int64
	// Time is when it happened, by the clock of the business.
	Time time.Time
	// MID is the merchant whose money it is about; "" for the platform itself.
	MID string
	// Subject is what it is about, as payment/ID, payout/ID, incident/ID, case/ID or
	// receiver/ID. Events of one subject are delivered in order.
	Subject string
	// Share marks a merchant's part of something that the platform is told once for
	// all merchants: only that merchant is told of it.
	Share bool
	// To is the only receiver; "" for all who want it.
	To string
	// Said is the event as one sentence for people. It holds no card data.
	Said fault.Text
	// Data is the event for programs, an object in the words of the API.
	Data json.RawMessage
}

// idOf makes an id of what an event says.
func idOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "evt_" + hex.EncodeToString(sum[:12])
}

// SeenBy reports whether somebody who may see merchant mid alone, or with "" all of
// them, may see the event.
func (e *Event) SeenBy(mid string) bool {
	if mid == "" {
		return !e.Share
	}
	return e.MID == mid
}

// wire is an event as programs get it, from GET /v1/events and by a webhook.
type wire struct {
	ID        string          `json:"id"`
	Type      Type            `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	MID       string          `json:"mid,omitempty"`
	Subject   string          `json:"subject,omitempty"`
	Text      wireText        `json:"text"`
	Data      json.RawMessage `json:"data"`
}

type wireText struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

// MarshalJSON gives the event as programs get it. The same event always gives the
// same bytes: what was signed once is sent again as it was.
func (e *Event) MarshalJSON() ([]byte, error) {
	data := e.Data
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	return json.Marshal(wire{e.ID, e.Type, e.Time.UTC(), e.MID, e.Subject, wireText{e.Said.EN, e.Said.In("zh")}, data})
}

// Wants reports whether types, as a receiver names them, hold t: none for all, a
// type, or the first word of one with a star, as payment.*.
func wants(types []string, t Type) bool {
	if len(types) == 0 {
		return t != Test
	}
	return slices.ContainsFunc(types, func(s string) bool {
		head, all := strings.CutSuffix(s, "*")
		return all && strings.HasPrefix(string(t), head) || s == string(t)
	})
}

// ParseTypes reads the types that a receiver or a reader names, and leaves out what
// stands twice. The error is of kind fault.Invalid for one that there is not.
func ParseTypes(list []string) ([]string, error) {
	var out []string
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" || slices.Contains(out, s) {
			continue
		}
		if !slices.ContainsFunc(meanings, func(m struct {
			is   Type
			says fault.Text
		}) bool {
			return wants([]string{s}, m.is)
		}) || s == "*" {
			return nil, fault.New(fault.Invalid, fault.Say("choose events", "选择事件"), s, fault.Say("there is no such type", "没有这种事件类型"),
				fault.Say("take a type such as %s, or payment.*", "请写类型，如 %s，或 payment.*", PaymentOverdue))
		}
		out = append(out, s)
	}
	return out, nil
}

// Matching gives the types that a list of ParseTypes stands for; none for an empty
// list.
func Matching(list []string) []Type {
	var out []Type
	for _, m := range meanings {
		if len(list) > 0 && wants(list, m.is) {
			out = append(out, m.is)
		}
	}
	return out
}
