package body

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

type counterBody struct {
	Ref    string `json:"ref"`
	Amount int64  `json:"amount,omitempty"`
	Text   string `json:"text,omitempty"`
}

type matchBody struct {
	Number int           `json:"number"`
	Part   int           `json:"part,omitempty"`
	With   []counterBody `json:"with"`
	By     string        `json:"by"`
	At     int64         `json:"at"`
	Why    string        `json:"why,omitempty"`
}

type partBody struct {
	Number  int    `json:"number"`
	Amount  int64  `json:"amount"`
	Note    string `json:"note,omitempty"`
	Outcome string `json:"outcome,omitempty"`
}

// caseBody is a case. Its id is the subject: what it is within its merchant.
type caseBody struct {
	ID          string         `json:"id"`
	Key         string         `json:"key"`
	Version     uint32         `json:"version"`
	State       string         `json:"state"`
	Owner       string         `json:"owner,omitempty"`
	Due         int64          `json:"due,omitempty"`
	Until       int64          `json:"until,omitempty"`
	Escalated   int64          `json:"escalated,omitempty"`
	EscalatedTo string         `json:"escalated_to,omitempty"`
	AwaitedFrom string         `json:"awaited_from,omitempty"`
	Asked       int64          `json:"asked,omitempty"`
	Cause       string         `json:"cause,omitempty"`
	Amount      int64          `json:"amount,omitempty"`
	Currency    money.Currency `json:"currency,omitzero"`
	Outcome     string         `json:"outcome,omitempty"`
	Matches     []matchBody    `json:"matches,omitempty"`
	Parts       []partBody     `json:"parts,omitempty"`
	Proposals   []string       `json:"proposals,omitempty"`
	Settled     []uuid.UUID    `json:"settled,omitempty"`
	Declared    string         `json:"declared,omitempty"`
	Comments    int            `json:"comments,omitempty"`
	Files       int            `json:"files,omitempty"`
	Opened      int64          `json:"opened"`
	Changed     int64          `json:"changed"`
	Over        bool           `json:"over,omitempty"`
}

func countersOf(list []desk.Counter) (out []counterBody) {
	for _, c := range list {
		out = append(out, counterBody(c))
	}
	return out
}

func counters(list []counterBody) (out []desk.Counter) {
	for _, c := range list {
		out = append(out, desk.Counter(c))
	}
	return out
}

func partsOf(list []desk.Part) (out []partBody) {
	for _, p := range list {
		out = append(out, partBody{p.Number, p.Amount, p.Note, string(p.Outcome)})
	}
	return out
}

func parts(list []partBody) (out []desk.Part) {
	for _, p := range list {
		out = append(out, desk.Part{Number: p.Number, Amount: p.Amount, Note: p.Note, Outcome: desk.Outcome(p.Outcome)})
	}
	return out
}

func EncodeCase(c *desk.Case) ([]byte, error) {
	b := caseBody{c.Key.Subject(), c.Key.String(), c.Version, string(c.State), c.Owner, Nanos(c.Due), Nanos(c.Until), Nanos(c.Escalated), c.EscalatedTo, c.AwaitedFrom,
		Nanos(c.Asked), c.Cause, c.Amount, c.Currency, string(c.Outcome), nil, partsOf(c.Parts), c.Proposals, c.Settled, c.Declared, c.Comments, c.Files,
		Nanos(c.Opened), Nanos(c.Changed), c.Over}
	for _, m := range c.Matches {
		b.Matches = append(b.Matches, matchBody{m.Number, m.Part, countersOf(m.With), m.By, Nanos(m.At), m.Why})
	}
	return json.Marshal(&b)
}

func DecodeCase(raw []byte) (c desk.Case, err error) {
	var b caseBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return c, err
	}
	c = desk.Case{Version: b.Version, State: desk.State(b.State), Owner: b.Owner, Due: moment(b.Due), Until: moment(b.Until), Escalated: moment(b.Escalated),
		EscalatedTo: b.EscalatedTo, AwaitedFrom: b.AwaitedFrom, Asked: moment(b.Asked), Cause: b.Cause, Amount: b.Amount, Currency: b.Currency, Outcome: desk.Outcome(b.Outcome),
		Parts: parts(b.Parts), Proposals: b.Proposals, Settled: b.Settled, Declared: b.Declared, Comments: b.Comments, Files: b.Files,
		Opened: moment(b.Opened), Changed: moment(b.Changed), Over: b.Over}
	for _, m := range b.Matches {
		c.Matches = append(c.Matches, desk.Match{Number: m.Number, Part: m.Part, With: counters(m.With), By: m.By, At: moment(m.At), Why: m.Why})
	}
	c.Key, err = desk.ParseKey(b.Key)
	return c, err
}

// historyBody is one line of a case's history. Its id is that of the case with the
// version.
type historyBody struct {
	ID       string         `json:"id"`
	Key      string         `json:"key"`
	Version  uint32         `json:"version"`
	At       int64          `json:"at"`
	By       string         `json:"by"`
	Role     string         `json:"role,omitempty"`
	What     string         `json:"what"`
	Text     string         `json:"text,omitempty"`
	To       string         `json:"to,omitempty"`
	Until    int64          `json:"until,omitempty"`
	Outcome  string         `json:"outcome,omitempty"`
	Amount   int64          `json:"amount,omitempty"`
	Currency money.Currency `json:"currency,omitzero"`
	Part     int            `json:"part,omitempty"`
	With     []counterBody  `json:"with,omitempty"`
	Parts    []partBody     `json:"parts,omitempty"`
	Proposal string         `json:"proposal,omitempty"`
	File     string         `json:"file,omitempty"`
	Request  string         `json:"request,omitempty"`
}

func EncodeHistory(e *desk.Event) ([]byte, error) {
	return json.Marshal(&historyBody{fmt.Sprintf("%s/%d", e.Key.Subject(), e.Version), e.Key.String(), e.Version, Nanos(e.At), e.By, string(e.Role), string(e.What), e.Text, e.To,
		Nanos(e.Until), string(e.Outcome), e.Amount, e.Currency, e.Part, countersOf(e.With), partsOf(e.Parts), e.Proposal, e.File, e.Request})
}

func DecodeHistory(raw []byte) (e desk.Event, err error) {
	var b historyBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return e, err
	}
	e = desk.Event{Version: b.Version, At: moment(b.At), By: b.By, Role: access.Role(b.Role), What: desk.Act(b.What), Text: b.Text, To: b.To, Until: moment(b.Until),
		Outcome: desk.Outcome(b.Outcome), Amount: b.Amount, Currency: b.Currency, Part: b.Part, With: counters(b.With), Parts: parts(b.Parts), Proposal: b.Proposal,
		File: b.File, Request: b.Request}
	e.Key, err = desk.ParseKey(b.Key)
	return e, err
}

type checkBody struct {
	By string `json:"by"`
	At int64  `json:"at"`
}

type motionBody struct {
	MID      string         `json:"mid"`
	ID       string         `json:"id"`
	Version  uint32         `json:"version"`
	Motion   string         `json:"motion"`
	State    string         `json:"state"`
	Case     string         `json:"case,omitempty"`
	Part     int            `json:"part,omitempty"`
	Amount   int64          `json:"amount,omitempty"`
	Currency money.Currency `json:"currency,omitzero"`
	Keep     bool           `json:"keep,omitempty"`
	Against  string         `json:"against,omitempty"`
	Hold     string         `json:"hold,omitempty"`
	Payout   string         `json:"payout,omitempty"`
	Payment  uuid.UUID      `json:"payment,omitzero"`
	RRN      string         `json:"rrn,omitempty"`
	Most     int64          `json:"most,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Document string         `json:"document,omitempty"`
	Links    []string       `json:"links,omitempty"`
	Maker    string         `json:"maker"`
	Made     int64          `json:"made"`
	Expires  int64          `json:"expires"`
	Needs    int            `json:"needs"`
	Checks   []checkBody    `json:"checks,omitempty"`
	Ended    int64          `json:"ended,omitempty"`
	By       string         `json:"by,omitempty"`
	Why      string         `json:"why,omitempty"`
}

func EncodeMotion(p *desk.Proposal) ([]byte, error) {
	b := motionBody{p.MID, p.ID, p.Version, string(p.Motion), string(p.State), "", p.Part, p.Amount, p.Currency, p.Keep, "", p.Hold, p.Payout, p.Payment, p.RRN, p.Most,
		p.Reason, p.Document, p.Links, p.Maker, Nanos(p.Made), Nanos(p.Expires), p.Needs, nil, Nanos(p.Ended), p.By, p.Why}
	if p.Case != (desk.Key{}) {
		b.Case = p.Case.String()
	}
	if p.Against != ledger.NoName {
		b.Against = p.Against.String()
	}
	for _, c := range p.Checks {
		b.Checks = append(b.Checks, checkBody{c.By, Nanos(c.At)})
	}
	return json.Marshal(&b)
}

func DecodeMotion(raw []byte) (p desk.Proposal, err error) {
	var b motionBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return p, err
	}
	p = desk.Proposal{MID: b.MID, ID: b.ID, Version: b.Version, Motion: desk.Motion(b.Motion), State: desk.ProposalState(b.State), Part: b.Part, Amount: b.Amount, Currency: b.Currency,
		Keep: b.Keep, Hold: b.Hold, Payout: b.Payout, Payment: b.Payment, RRN: b.RRN, Most: b.Most, Reason: b.Reason, Document: b.Document, Links: b.Links, Maker: b.Maker,
		Made: moment(b.Made), Expires: moment(b.Expires), Needs: b.Needs, Ended: moment(b.Ended), By: b.By, Why: b.Why}
	for _, c := range b.Checks {
		p.Checks = append(p.Checks, desk.Check{By: c.By, At: moment(c.At)})
	}
	if b.Against != "" {
		if p.Against, err = ledger.ParseName(b.Against); err != nil {
			return p, err
		}
	}
	if b.Case != "" {
		p.Case, err = desk.ParseKey(b.Case)
	}
	return p, err
}

// attachmentBody is a file without its content.
type attachmentBody struct {
	Key    string `json:"key"`
	Hash   string `json:"hash"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	By     string `json:"by"`
	At     int64  `json:"at"`
	Masked bool   `json:"masked,omitempty"`
}

func EncodeAttachment(f *desk.File) ([]byte, error) {
	return json.Marshal(&attachmentBody{f.Key.String(), f.Hash, f.Name, f.Type, f.Size, f.By, Nanos(f.At), f.Masked})
}

func DecodeAttachment(raw []byte) (f desk.File, err error) {
	var b attachmentBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return f, err
	}
	f = desk.File{Hash: b.Hash, Name: b.Name, Type: b.Type, Size: b.Size, By: b.By, At: moment(b.At), Masked: b.Masked}
	f.Key, err = desk.ParseKey(b.Key)
	return f, err
}
