package api

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

// Exception is one thing that needs somebody: a payment that is late, short, held or
// open, a payout that came back, or what clearing, statements and terminals left
// over.
type Exception struct {
	ID       string    `json:"id" doc:"of the item, and of the case about it: MERCHANT.KIND.REFERENCE"`
	MID      string    `json:"mid" doc:"merchant (ISO 8583 field 42); HOUSE for what belongs to none"`
	Kind     string    `json:"kind" enum:"payment,exception,payout"`
	Cause    string    `json:"cause" doc:"code of the catalogue of causes, or the kind of exception"`
	Title    Words     `json:"title" doc:"the cause in words"`
	Amount   int64     `json:"amount" doc:"money at risk, in minor units"`
	Currency string    `json:"currency,omitempty" doc:"ISO 4217; absent where no money is at risk"`
	Since    time.Time `json:"since" doc:"time of the payment, or when the exception was opened"`
	Promised time.Time `json:"promised,omitzero" doc:"by when it was to be done; it does not move"`
	Age      int       `json:"age" doc:"bank days past the promise, by the calendar of the merchant's terms"`
	Due      time.Time `json:"due,omitzero" doc:"by when somebody means to be done"`
	Party    string    `json:"party,omitempty" doc:"who has to act: platform, merchant, bank/…, network/…"`
	TID      string    `json:"tid,omitempty" doc:"terminal (ISO 8583 field 41)"`
	Payout   string    `json:"payout,omitempty" doc:"number of the payout (pain.001 EndToEndId)"`
	Incident string    `json:"incident,omitempty"`
	Inbox    string    `json:"inbox" enum:"unassigned,owned,waiting,snoozed,done"`
	Again    bool      `json:"again,omitempty" doc:"it was resolved, and something else has come up"`
	Details  []string  `json:"details,omitempty" doc:"what the exceptions that it stands for say"`
	Case     *Case     `json:"case,omitempty" doc:"absent while nobody has touched it"`
}

// Case is what people have made of an item.
type Case struct {
	Number      string      `json:"number" doc:"how people name it"`
	Version     uint32      `json:"version" doc:"rises with every change; a command names the one that it was decided on"`
	State       string      `json:"state" enum:"open,waiting,snoozed,resolved"`
	Owner       string      `json:"owner,omitempty"`
	Due         time.Time   `json:"due,omitzero"`
	SnoozedTo   time.Time   `json:"snoozed_until,omitzero"`
	Escalated   time.Time   `json:"escalated_at,omitzero"`
	EscalatedTo string      `json:"escalated_to,omitempty"`
	AwaitedFrom string      `json:"awaited_from,omitempty" doc:"who was asked and has not answered"`
	Outcome     string      `json:"outcome,omitempty" enum:"matched,written_off,adjusted,corrected,explained,duplicate"`
	Declared    string      `json:"declared,omitempty" enum:"complaint,refund_request,chargeback"`
	Matches     []CaseMatch `json:"matches,omitempty" doc:"decisions that stand"`
	Parts       []CasePart  `json:"parts,omitempty" doc:"what it was split into"`
	Proposals   []string    `json:"proposals,omitempty" doc:"approvals that it waits for"`
	Comments    int         `json:"comments"`
	Files       int         `json:"files"`
	Opened      time.Time   `json:"opened_at"`
	Changed     time.Time   `json:"changed_at"`
}

// CaseMatch is a person's decision that two sides are one.
type CaseMatch struct {
	Number int           `json:"number"`
	Part   int           `json:"part,omitempty"`
	With   []CaseCounter `json:"with"`
	By     string        `json:"by"`
	At     time.Time     `json:"at"`
	Why    string        `json:"why"`
}

// CaseCounter is the other side of a match.
type CaseCounter struct {
	Ref    string `json:"ref" doc:"id of another item, or source#id of a fact"`
	Amount int64  `json:"amount" doc:"in minor units"`
	Text   string `json:"text,omitempty"`
}

// CasePart is a share of a case that was split.
type CasePart struct {
	Number  int    `json:"number,omitempty"`
	Amount  int64  `json:"amount" minimum:"1" doc:"in minor units"`
	Note    string `json:"note,omitempty" maxLength:"4000"`
	Outcome string `json:"outcome,omitempty" doc:"absent while it is open"`
}

// CaseEvent is one line of a case's history.
type CaseEvent struct {
	Version  uint32        `json:"version"`
	At       time.Time     `json:"at"`
	By       string        `json:"by"`
	Role     string        `json:"role,omitempty"`
	What     string        `json:"what"`
	Title    Words         `json:"title"`
	Text     string        `json:"text,omitempty"`
	To       string        `json:"to,omitempty"`
	Until    time.Time     `json:"until,omitzero"`
	Outcome  string        `json:"outcome,omitempty"`
	Amount   int64         `json:"amount,omitempty" doc:"in minor units"`
	Currency string        `json:"currency,omitempty"`
	Part     int           `json:"part,omitempty"`
	With     []CaseCounter `json:"with,omitempty"`
	Parts    []CasePart    `json:"parts,omitempty"`
	Approval string        `json:"approval,omitempty" doc:"of the proposal that was made, decided or carried out"`
	File     string        `json:"file,omitempty" doc:"name of the file"`
}

// CaseFile is something attached to a case.
type CaseFile struct {
	Hash   string    `json:"hash" doc:"SHA-256 of the content, for GET /v1/cases/{id}/files/{hash}"`
	Name   string    `json:"name"`
	Type   string    `json:"type" doc:"what the content shows it to be"`
	Size   int64     `json:"size" doc:"in bytes"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Masked bool      `json:"masked,omitempty" doc:"card numbers in it were hidden before it was kept"`
}

// CaseDetail is an item with everything that people did about it.
type CaseDetail struct {
	Exception
	History  []CaseEvent `json:"history"`
	Attached []CaseFile  `json:"attached"`
}

// Candidate is something that may be the other side of an item.
type Candidate struct {
	Ref      string            `json:"ref" doc:"for the command match"`
	What     string            `json:"what" doc:"payment, payout, bank_entry, or the kind of exception"`
	MID      string            `json:"mid,omitempty"`
	Amount   int64             `json:"amount" doc:"in minor units"`
	Currency string            `json:"currency"`
	Time     time.Time         `json:"time,omitzero"`
	Text     string            `json:"text,omitempty"`
	Score    int               `json:"score" maximum:"100" doc:"100 is as good as sure"`
	Reasons  []CandidateReason `json:"reasons"`
}

// CandidateReason is what speaks for a candidate, or against it.
type CandidateReason struct {
	Word   string `json:"word" enum:"amount_equal,amount_near,amount_differs,reference_equal,reference_part,terminal_equal,card_equal,approval_code_equal,merchant_equal,merchant_differs,same_day,days_apart"`
	Points int    `json:"points"`
	Detail string `json:"detail,omitempty"`
}

// Exceptions is a page of what needs somebody.
type Exceptions struct {
	Items      []Exception    `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
	Count      int            `json:"count" doc:"of all that pass the filter; 0 in the inbox done"`
	Sums       []CaseSum      `json:"sums" doc:"money at risk of all that pass the filter"`
	Inboxes    map[string]int `json:"inboxes" doc:"how many lie where, under the filter without its inbox"`
}

// CaseSum is money of one currency.
type CaseSum struct {
	Currency string `json:"currency" doc:"ISO 4217"`
	Amount   int64  `json:"amount" doc:"in minor units"`
}

// ExceptionMatrix is age by cause.
type ExceptionMatrix struct {
	Ages  []string             `json:"ages" doc:"bands of bank days past the promise, in the order of the cells"`
	Rows  []ExceptionMatrixRow `json:"rows"`
	Total ExceptionMatrixRow   `json:"total"`
}

// ExceptionMatrixRow is one cause.
type ExceptionMatrixRow struct {
	Cause string          `json:"cause,omitempty"`
	Title Words           `json:"title,omitzero"`
	Cells []ExceptionCell `json:"cells"`
	All   ExceptionCell   `json:"all"`
}

// ExceptionCell is what one cause has of one age.
type ExceptionCell struct {
	Count int       `json:"count"`
	Sums  []CaseSum `json:"sums"`
}

// ExceptionFilter narrows lists of items.
type ExceptionFilter struct {
	Inbox     string   `query:"inbox" enum:"unassigned,mine,owned,team,waiting,snoozed,done" default:"team" doc:"team: all that is neither snoozed nor done; mine: what the key owns"`
	MID       string   `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42); HOUSE for what belongs to none"`
	Owner     string   `query:"owner" maxLength:"64"`
	Party     string   `query:"party" maxLength:"64" doc:"who has to act, or its beginning: network"`
	Cause     []string `query:"cause,explode" maxItems:"50" doc:"any of"`
	Kind      []string `query:"kind,explode" enum:"payment,exception,payout" doc:"any of"`
	Age       []string `query:"age,explode" enum:"0,1,2-3,4-5,6-10,11+" doc:"bank days past the promise, any of"`
	Currency  string   `query:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217"`
	Incident  string   `query:"incident" maxLength:"128"`
	Escalated bool     `query:"escalated" doc:"only what was escalated"`
	MinAmount int64    `query:"min_amount" minimum:"0" doc:"money at risk, from, in minor units"`
	MaxAmount int64    `query:"max_amount" minimum:"0" doc:"money at risk, up to, in minor units; 0: no bound"`
}

// Filter gives it as the desk takes it.
func (in *ExceptionFilter) Filter() (desk.Filter, error) {
	f := desk.Filter{Inbox: desk.Inbox(in.Inbox), MID: in.MID, Owner: in.Owner, Party: in.Party, Causes: in.Cause, Incident: in.Incident, Escalated: in.Escalated,
		Least: in.MinAmount, Most: in.MaxAmount}
	for _, k := range in.Kind {
		f.Kinds = append(f.Kinds, desk.Kind(k))
	}
	for _, a := range in.Age {
		if b, ok := desk.ParseBand(a); ok {
			f.Ages = append(f.Ages, b)
		}
	}
	if in.Currency != "" {
		var err error
		if f.Currency, err = money.ParseCurrency(in.Currency); err != nil {
			return f, unacceptable(invalid("query.currency", fault.Say("not a currency of ISO 4217", "不是 ISO 4217 货币")))
		}
	}
	return f, nil
}

type exceptionsAsked struct {
	ExceptionFilter
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before, of a list asked for in the same way"`
}

type matrixAsked struct{ ExceptionFilter }

type caseAsked struct {
	ID string `path:"id" maxLength:"200" doc:"of the item"`
}

type candidatesAsked struct {
	ID    string `path:"id" maxLength:"200" doc:"of the item"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"10"`
}

type fileAsked struct {
	ID   string `path:"id" maxLength:"200" doc:"of the item"`
	Hash string `path:"hash" pattern:"^[0-9a-f]{64}$"`
}

type attachAsked struct {
	ID   string `path:"id" maxLength:"200" doc:"of the item"`
	Name string `query:"name" required:"true" minLength:"1" maxLength:"200" doc:"of the file"`
}

// CaseCommand is what is to be done with a case.
type CaseCommand struct {
	Do       string     `json:"do" enum:"assign,comment,snooze,wake,due,escalate,ask,answer,declare,match,unmatch,split,resolve,reopen,write_off,adjust,hold,resend,release" doc:"write_off, adjust, hold, resend and release make a proposal that another has to check"`
	Version  *int64     `json:"version,omitempty" minimum:"0" doc:"of the case as it was decided on, 0 for one that nobody has touched; another one is refused (409). Absent: whatever it is"`
	Text     string     `json:"text,omitempty" maxLength:"4000" doc:"the comment, the reason, the question or the answer"`
	To       string     `json:"to,omitempty" maxLength:"64" doc:"assign: the owner, absent for nobody; escalate: to whom; ask: whom"`
	Until    time.Time  `json:"until,omitzero" doc:"snooze: until when; due: the due time"`
	Outcome  string     `json:"outcome,omitempty" enum:"corrected,explained,duplicate" doc:"resolve: how"`
	What     string     `json:"what,omitempty" enum:"complaint,refund_request,chargeback" doc:"declare: as what"`
	With     []string   `json:"with,omitempty" maxItems:"20" doc:"match: refs of candidates"`
	Match    int        `json:"match,omitempty" minimum:"0" doc:"unmatch: number of the match; 0: all"`
	Parts    []CasePart `json:"parts,omitempty" maxItems:"20" doc:"split: parts that add up to the money at risk"`
	Part     int        `json:"part,omitempty" minimum:"0" doc:"the part of a split case that is meant; 0: the whole"`
	Amount   int64      `json:"amount,omitempty" doc:"in minor units. write_off: 0 is what is left; adjust: less than 0 takes from the merchant; resend: the most of one payout, 0 for no limit"`
	Keep     bool       `json:"keep,omitempty" doc:"write_off: it is ours to keep, not to bear"`
	Against  string     `json:"against,omitempty" enum:"fee_income,network_receivable" doc:"adjust: where the money comes from"`
	Document string     `json:"document,omitempty" maxLength:"64" doc:"hold: number of the paper behind it"`
}

// Command gives it as the desk takes it.
func (in *CaseCommand) Command() desk.Command {
	c := desk.Command{Do: desk.Act(in.Do), Version: desk.AnyVersion, Text: in.Text, To: in.To, Until: in.Until, Outcome: desk.Outcome(in.Outcome), What: in.What, With: in.With,
		Match: in.Match, Part: in.Part, Amount: in.Amount, Keep: in.Keep, Document: in.Document}
	if in.Version != nil {
		c.Version = *in.Version
	}
	for _, p := range in.Parts {
		c.Parts = append(c.Parts, desk.Part{Amount: p.Amount, Note: p.Note})
	}
	if in.Against != "" {
		c.Against, _ = ledger.ParseName(in.Against) // the schema names the only ones
	}
	return c
}

type commandAsked struct {
	ID   string `path:"id" maxLength:"200" doc:"of the item"`
	Body CaseCommand
}

// bulkCommand is the same done to many items.
type bulkCommand struct {
	Items    []string  `json:"items,omitempty" maxItems:"20000" doc:"ids; absent: all that pass the filter of the query"`
	Do       string    `json:"do" enum:"assign,comment,snooze,wake,due,escalate,resolve"`
	Text     string    `json:"text" minLength:"1" maxLength:"4000" doc:"the remark, for the history of each"`
	To       string    `json:"to,omitempty" maxLength:"64"`
	Until    time.Time `json:"until,omitzero"`
	Outcome  string    `json:"outcome,omitempty" enum:"corrected,explained,duplicate"`
	Expected int       `json:"expected,omitempty" minimum:"0" doc:"how many were seen; where more pass the filter by now, nothing is done (409)"`
}

type bulkAsked struct {
	ExceptionFilter
	Body bulkCommand
}

// BulkReport is what became of each item of a bulk command.
type BulkReport struct {
	Done       []string      `json:"done"`
	Ineligible []BulkRefusal `json:"ineligible" doc:"those that it cannot be done to as they are"`
	Failed     []BulkRefusal `json:"failed" doc:"those where it should have worked"`
}

// BulkRefusal is why something was not done to an item.
type BulkRefusal struct {
	ID  string `json:"id"`
	Why Words  `json:"why"`
}

// deskOperations are exceptions, cases and approvals.
func (s *Server) deskOperations() {
	absent := s.o.Desk == nil
	register(s, operation{Method: "GET", Path: "/v1/exceptions", ID: "listExceptions", Tag: "exceptions", Summary: "What needs somebody, the longest due first.",
		Action: access.ReadExceptions, Narrows: true, Absent: absent}, s.listExceptions)
	register(s, operation{Method: "GET", Path: "/v1/exceptions/matrix", ID: "getExceptionMatrix", Tag: "exceptions", Summary: "Age by cause of what needs somebody.",
		Action: access.ReadExceptions, Narrows: true, Absent: absent}, s.exceptionMatrix)
	register(s, operation{Method: "POST", Path: "/v1/exceptions/bulk", ID: "postBulk", Tag: "exceptions", Summary: "Do the same to many items, and learn what became of each.",
		Description: "Whatever was done already to some of them is done to those: what came in between is told as ineligible.",
		Action:      access.WorkOnExceptions, Narrows: true, Absent: absent}, s.postBulk)
	register(s, operation{Method: "GET", Path: "/v1/cases/{id}", ID: "getCase", Tag: "cases", Summary: "An item with its case, history and files.",
		Action: access.ReadExceptions, Narrows: true, Absent: absent}, s.getCase)
	register(s, operation{Method: "GET", Path: "/v1/cases/{id}/candidates", ID: "listCandidates", Tag: "cases", Summary: "What may be the other side of an item, with reasons.",
		Action: access.ReadExceptions, Absent: absent}, s.listCandidates)
	register(s, operation{Method: "POST", Path: "/v1/cases/{id}/commands", ID: "postCommand", Tag: "cases", Summary: "Do something with a case; it is opened where there is none.",
		Description: "A key of a merchant comments and answers in its own cases.", Action: access.WorkOnExceptions, Narrows: true, Absent: absent}, s.postCommand)
	stream(s, operation{Method: "POST", Path: "/v1/cases/{id}/files", ID: "postCaseFile", Tag: "cases", Summary: "Attach a file to a case.",
		Description: "PDF, PNG, JPEG, GIF, WebP, XLSX, CSV, XML, JSON or plain text, by its content. Card numbers in text are hidden before it is kept; pictures of cards do not belong here.",
		Action:      access.WorkOnExceptions, Narrows: true, Absent: absent, Status: http.StatusCreated, Natural: true,
		Body:   &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}},
		Answer: map[string]*huma.MediaType{"application/json": {Schema: s.schemas.Schema(reflect.TypeFor[CaseFile](), true, "CaseFile")}}}, s.postCaseFile)
	stream(s, operation{Method: "GET", Path: "/v1/cases/{id}/files/{hash}", ID: "getCaseFile", Tag: "cases", Summary: "An attached file.",
		Action: access.ReadExceptions, Narrows: true, Absent: absent,
		Answer: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}, s.getCaseFile)
	s.approvalOperations(absent)
}

// worker is who acts with the key, as the desk knows them.
func (c *call) worker() desk.Actor { return desk.Actor{Actor: c.actor(), MID: c.only} }

func (s *Server) listExceptions(c *call, in *exceptionsAsked) (*Exceptions, error) {
	f, err := in.Filter()
	if err != nil {
		return nil, err
	}
	if c.only != "" {
		f.MID = c.only
	}
	return ExceptionsOf(c.Context(), s.o.Desk, c.worker(), f, in.Cursor, in.Limit)
}

// ExceptionsOf reads a page of what needs somebody. Errors are those of
// desk.Desk.List.
func ExceptionsOf(ctx context.Context, d *desk.Desk, who desk.Actor, f desk.Filter, cursor string, n int) (*Exceptions, error) {
	p, err := d.List(ctx, who, f, cursor, n)
	if err != nil {
		return nil, err
	}
	out := &Exceptions{Items: []Exception{}, NextCursor: p.Next, Count: p.Count, Sums: caseSums(p.Sums), Inboxes: map[string]int{}}
	for i := range p.Items {
		out.Items = append(out.Items, ExceptionOf(d.Catalogue, &p.Items[i]))
	}
	for in, n := range p.Inboxes {
		out.Inboxes[string(in)] = n
	}
	return out, nil
}

func (s *Server) exceptionMatrix(c *call, in *matrixAsked) (*ExceptionMatrix, error) {
	f, err := in.Filter()
	if err != nil {
		return nil, err
	}
	if c.only != "" {
		f.MID = c.only
	}
	m, err := s.o.Desk.Matrix(c.Context(), c.worker(), f)
	if err != nil {
		return nil, err
	}
	out := &ExceptionMatrix{Rows: []ExceptionMatrixRow{}, Total: matrixRow(&m.Total)}
	for b := range desk.Bands {
		out.Ages = append(out.Ages, b.String())
	}
	for i := range m.Rows {
		r := matrixRow(&m.Rows[i])
		r.Title = inWords(desk.CauseTitle(s.o.Desk.Catalogue, r.Cause))
		out.Rows = append(out.Rows, r)
	}
	return out, nil
}

func matrixRow(r *desk.MatrixRow) ExceptionMatrixRow {
	out := ExceptionMatrixRow{Cause: r.Cause, All: ExceptionCell{r.All.Count, caseSums(r.All.Sums)}}
	for _, c := range r.Cells {
		out.Cells = append(out.Cells, ExceptionCell{c.Count, caseSums(c.Sums)})
	}
	return out
}

func caseSums(by map[money.Currency]int64) []CaseSum {
	out := []CaseSum{}
	for c, n := range by {
		out = append(out, CaseSum{c.String(), n})
	}
	slices.SortFunc(out, func(a, b CaseSum) int { return strings.Compare(a.Currency, b.Currency) })
	return out
}

func inWords(t fault.Text) Words { return Words{EN: t.In("en"), ZH: t.In("zh")} }

func currencyText(c money.Currency) string {
	if c == (money.Currency{}) {
		return ""
	}
	return c.String()
}

// ExceptionOf is an item as it is answered; catalogue gives the words of causes.
func ExceptionOf(catalogue *diagnosis.Catalogue, x *desk.Item) Exception {
	out := Exception{ID: x.Key.String(), MID: x.Key.MID, Kind: string(x.Key.Kind), Cause: x.Cause, Title: inWords(desk.CauseTitle(catalogue, x.Cause)), Amount: x.Amount,
		Currency: currencyText(x.Currency), Since: x.Since, Promised: x.Promised, Age: x.Age, Due: x.Due, Party: x.Party, TID: x.TID, Payout: x.Payout, Incident: x.Incident,
		Inbox: string(x.Inbox), Again: x.Again}
	for i := range x.Exceptions {
		out.Details = append(out.Details, x.Exceptions[i].Detail)
	}
	if x.Case != nil {
		out.Case = CaseOf(x.Case)
	}
	return out
}

// CaseOf is a case as it is answered.
func CaseOf(c *desk.Case) *Case {
	out := &Case{Number: c.Number(), Version: c.Version, State: string(c.State), Owner: c.Owner, Due: c.Due, SnoozedTo: c.Until, Escalated: c.Escalated, EscalatedTo: c.EscalatedTo,
		AwaitedFrom: c.AwaitedFrom, Outcome: string(c.Outcome), Declared: c.Declared, Parts: casePartsOf(c.Parts), Comments: c.Comments, Files: c.Files, Opened: c.Opened, Changed: c.Changed}
	for _, id := range c.Proposals {
		out.Proposals = append(out.Proposals, c.Key.MID+"."+id)
	}
	for _, m := range c.Matches {
		out.Matches = append(out.Matches, CaseMatch{m.Number, m.Part, caseCountersOf(m.With), m.By, m.At, m.Why})
	}
	return out
}

func casePartsOf(list []desk.Part) (out []CasePart) {
	for _, p := range list {
		out = append(out, CasePart{p.Number, p.Amount, p.Note, string(p.Outcome)})
	}
	return out
}

func caseCountersOf(list []desk.Counter) (out []CaseCounter) {
	for _, c := range list {
		out = append(out, CaseCounter(c))
	}
	return out
}

// CaseFileOf is an attached file as it is answered.
func CaseFileOf(f *desk.File) CaseFile {
	return CaseFile{f.Hash, f.Name, f.Type, f.Size, f.By, f.At, f.Masked}
}

func (s *Server) getCase(c *call, in *caseAsked) (*CaseDetail, error) {
	k, err := desk.ParseKey(in.ID)
	if err != nil {
		return nil, err
	}
	return CaseDetailOf(c.Context(), s.o.Desk, c.worker(), k)
}

// CaseDetailOf reads an item with its case, history and files. Errors are those of
// desk.Desk.Item.
func CaseDetailOf(ctx context.Context, d *desk.Desk, who desk.Actor, k desk.Key) (*CaseDetail, error) {
	x, err := d.Item(ctx, who, k)
	if err != nil {
		return nil, err
	}
	events, err := d.History(ctx, who, k)
	if err != nil {
		return nil, err
	}
	files, err := d.Files(ctx, who, k)
	if err != nil {
		return nil, err
	}
	out := &CaseDetail{Exception: ExceptionOf(d.Catalogue, x), History: []CaseEvent{}, Attached: []CaseFile{}}
	for i := range events {
		out.History = append(out.History, caseEventOf(&events[i]))
	}
	for i := range files {
		out.Attached = append(out.Attached, CaseFileOf(&files[i]))
	}
	return out, nil
}

func caseEventOf(e *desk.Event) CaseEvent {
	out := CaseEvent{Version: e.Version, At: e.At, By: e.By, Role: string(e.Role), What: string(e.What), Title: inWords(e.What.Text()), Text: e.Text, To: e.To, Until: e.Until,
		Outcome: string(e.Outcome), Amount: e.Amount, Currency: currencyText(e.Currency), Part: e.Part, With: caseCountersOf(e.With), Parts: casePartsOf(e.Parts), File: e.File}
	if e.Proposal != "" {
		out.Approval = e.Key.MID + "." + e.Proposal
	}
	return out
}

// Candidates are the likely other sides of an item.
type Candidates struct {
	Items []Candidate `json:"items"`
}

func (s *Server) listCandidates(c *call, in *candidatesAsked) (*Candidates, error) {
	k, err := desk.ParseKey(in.ID)
	if err != nil {
		return nil, err
	}
	return CandidatesOf(c.Context(), s.o.Desk, c.worker(), k, in.Limit)
}

// CandidatesOf reads what may be the other side of an item. Errors are those of
// desk.Desk.Candidates.
func CandidatesOf(ctx context.Context, d *desk.Desk, who desk.Actor, k desk.Key, n int) (*Candidates, error) {
	list, err := d.Candidates(ctx, who, k, n)
	if err != nil {
		return nil, err
	}
	out := &Candidates{Items: []Candidate{}}
	for i := range list {
		x := &list[i]
		one := Candidate{Ref: x.Ref, What: x.What, MID: x.MID, Amount: x.Amount, Currency: currencyText(x.Currency), Time: x.Time, Text: x.Text, Score: x.Score, Reasons: []CandidateReason{}}
		for _, r := range x.Reasons {
			one.Reasons = append(one.Reasons, CandidateReason{string(r.Word), r.Points, r.Detail})
		}
		out.Items = append(out.Items, one)
	}
	return out, nil
}

func (s *Server) postCommand(c *call, in *commandAsked) (*Case, error) {
	k, err := desk.ParseKey(in.ID)
	if err != nil {
		return nil, err
	}
	got, err := s.o.Desk.Do(c.Context(), c.worker(), k, in.Body.Command())
	if err != nil {
		return nil, err
	}
	return CaseOf(got), nil
}

func (s *Server) postBulk(c *call, in *bulkAsked) (*BulkReport, error) {
	f, err := in.Filter()
	if err != nil {
		return nil, err
	}
	b := desk.Bulk{Filter: f, Expect: in.Body.Expected, Command: desk.Command{Do: desk.Act(in.Body.Do), Text: in.Body.Text, To: in.Body.To, Until: in.Body.Until,
		Outcome: desk.Outcome(in.Body.Outcome)}}
	for _, id := range in.Body.Items {
		k, err := desk.ParseKey(id)
		if err != nil {
			return nil, unacceptable(invalid("body.items", fault.Say("ids of items", "事项编号")))
		}
		b.Keys = append(b.Keys, k)
	}
	r, err := s.o.Desk.Bulk(c.Context(), c.worker(), b)
	if err != nil {
		return nil, err
	}
	out := &BulkReport{Done: []string{}, Ineligible: []BulkRefusal{}, Failed: []BulkRefusal{}}
	for _, k := range r.Done {
		out.Done = append(out.Done, k.String())
	}
	for _, x := range r.Ineligible {
		out.Ineligible = append(out.Ineligible, BulkRefusal{x.Key.String(), inWords(reasonOf(x.Why))})
	}
	for _, x := range r.Failed {
		// What went wrong inside is for the log.
		s.o.Log.Error("bulk command failed", "item", x.Key.String(), "request", c.id, "error", x.Why)
		out.Failed = append(out.Failed, BulkRefusal{x.Key.String(), inWords(fault.Say("something went wrong here; try again", "内部出错，请重试"))})
	}
	return out, nil
}

// reasonOf is why something was refused, without what was being done to what.
func reasonOf(err error) fault.Text {
	if e, ok := err.(*fault.Error); ok && e.Err != nil {
		return fault.TextOf(e.Err).And(e.Hint)
	}
	return fault.Reason(err)
}

func (s *Server) postCaseFile(c *call, in *attachAsked) error {
	k, err := desk.ParseKey(in.ID)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, s.o.MaxBody))
	if err != nil {
		return fault.New(fault.Invalid, fault.Say("attach file", "添加附件"), "", fault.Say("the file is too large", "文件过大"), fault.Say("attach the pages that matter", "请只附相关页面"))
	}
	f, err := s.o.Desk.Attach(c.Context(), c.worker(), k, in.Name, content)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, CaseFileOf(f))
}

func (s *Server) getCaseFile(c *call, in *fileAsked) error {
	k, err := desk.ParseKey(in.ID)
	if err != nil {
		return err
	}
	f, err := s.o.Desk.File(c.Context(), c.worker(), k, in.Hash)
	if err != nil {
		return err
	}
	// Whoever opens it in a browser saves it: nothing of it runs here.
	c.w.Header().Set("Content-Disposition", "attachment")
	return c.raw(f.Type, f.Content)
}
