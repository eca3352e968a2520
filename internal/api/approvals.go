package api

import (
	"context"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/ledger"
)

// Approval is what waits for a second person, or was decided.
type Approval struct {
	ID       string          `json:"id"`
	Motion   string          `json:"motion" enum:"write_off,adjustment,hold,hold_release,risk_release,resend,terms,account,status"`
	Title    Words           `json:"title"`
	State    string          `json:"state" enum:"waiting,approved,done,failed,declined,withdrawn,expired"`
	MID      string          `json:"mid" doc:"merchant (ISO 8583 field 42); HOUSE for what belongs to none"`
	Merchant string          `json:"merchant,omitempty" doc:"its name"`
	Case     string          `json:"case,omitempty" doc:"id of the item that it came from"`
	Part     int             `json:"part,omitempty"`
	Amount   int64           `json:"amount,omitempty" doc:"in minor units; of an adjustment less than 0 where the merchant gives"`
	Currency string          `json:"currency,omitempty"`
	Maker    string          `json:"maker"`
	Made     time.Time       `json:"made_at"`
	Expires  time.Time       `json:"expires_at"`
	Reason   string          `json:"reason"`
	Document string          `json:"document,omitempty"`
	Links    []string        `json:"links,omitempty" doc:"what it rests on: ids of items, source#id of facts"`
	Needs    int             `json:"checkers_needed"`
	Checks   []ApprovalCheck `json:"checks"`
	Ended    time.Time       `json:"ended_at,omitzero"`
	By       string          `json:"ended_by,omitempty"`
	Why      string          `json:"ended_why,omitempty"`
	// The rest is answered for one approval, not in lists.
	Postings []ApprovalPosting `json:"postings,omitempty" doc:"transfers that it books"`
	Balances []ApprovalBalance `json:"balances,omitempty" doc:"accounts before and after, while it waits"`
	Changes  []ApprovalChange  `json:"changes,omitempty" doc:"what it changes besides"`
	Obstacle *Words            `json:"obstacle,omitempty" doc:"why it cannot be carried out as things are now"`
}

// ApprovalCheck is one person's agreement.
type ApprovalCheck struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// ApprovalPosting is one transfer in the books.
type ApprovalPosting struct {
	Debit    string `json:"debit"`
	Credit   string `json:"credit"`
	Amount   int64  `json:"amount" doc:"in minor units"`
	Currency string `json:"currency"`
	Later    bool   `json:"later,omitempty" doc:"the merchant's next settlement books it"`
}

// ApprovalBalance is an account before and after.
type ApprovalBalance struct {
	Account  string `json:"account"`
	Currency string `json:"currency"`
	Before   int64  `json:"before" doc:"in minor units, on the account's own side"`
	After    int64  `json:"after"`
}

// ApprovalChange is a field before and after.
type ApprovalChange struct {
	Field  string `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Approvals is a page of the queue.
type Approvals struct {
	Items      []Approval `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
	Count      int        `json:"count" doc:"of all that wait; 0 for what is over"`
}

type approvalsAsked struct {
	Over   bool     `query:"over" doc:"what was decided, the latest first, instead of what waits, the oldest first"`
	MID    string   `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Motion []string `query:"motion,explode" enum:"write_off,adjustment,hold,hold_release,risk_release,resend,terms,account,status" doc:"any of"`
	Maker  string   `query:"maker" maxLength:"64"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string   `query:"cursor" maxLength:"512" doc:"next_cursor of the page before, of a list asked for in the same way"`
}

type approvalAsked struct {
	ID string `path:"id" maxLength:"128"`
}

type declineAsked struct {
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"4000" doc:"in a sentence: the maker learns by it"`
	}
}

// Proposal is what is asked for without a case.
type Proposal struct {
	MID      string    `json:"mid" minLength:"1" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Motion   string    `json:"motion" enum:"adjustment,hold,hold_release,risk_release,resend"`
	Amount   int64     `json:"amount,omitempty" doc:"in minor units; of an adjustment less than 0 takes from the merchant; of a resend the most of one payout"`
	Against  string    `json:"against,omitempty" enum:"fee_income,network_receivable" doc:"adjustment: where the money comes from"`
	Hold     string    `json:"hold,omitempty" maxLength:"64" doc:"hold_release: number of the hold"`
	Payout   string    `json:"payout,omitempty" maxLength:"35" doc:"resend: number of the payout (pain.001 EndToEndId)"`
	Payment  uuid.UUID `json:"payment,omitzero" doc:"risk_release: UUID of our transaction"`
	RRN      string    `json:"rrn,omitempty" maxLength:"12" doc:"adjustment: the payment that it is about (ISO 8583 field 37)"`
	Reason   string    `json:"reason" minLength:"1" maxLength:"4000" doc:"in a sentence: the checkers decide by it"`
	Document string    `json:"document,omitempty" maxLength:"64" doc:"number of the paper behind it"`
}

type proposalAsked struct{ Body Proposal }

func (s *Server) approvalOperations(absent bool) {
	register(s, operation{Method: "GET", Path: "/v1/approvals", ID: "listApprovals", Tag: "approvals", Summary: "What waits for a second person, or was decided.",
		Action: access.ReadApprovals, Absent: absent}, s.listApprovals)
	register(s, operation{Method: "POST", Path: "/v1/approvals", ID: "postProposal", Tag: "approvals", Summary: "Propose something that moves a merchant's money, outside of a case.",
		Action: access.Propose, Absent: absent}, s.postProposal)
	register(s, operation{Method: "GET", Path: "/v1/approvals/{id}", ID: "getApproval", Tag: "approvals", Summary: "One, with what it books and changes as things are now.",
		Action: access.ReadApprovals, Absent: absent}, s.getApproval)
	register(s, operation{Method: "POST", Path: "/v1/approvals/{id}/approve", ID: "postApprove", Tag: "approvals", Summary: "Agree to a proposal of another; with the last word that is needed it is carried out.",
		Description: "The maker is refused (403), and who has agreed already. It is carried out once, however often it is asked for.",
		Action:      access.Decide, Absent: absent}, s.postApprove)
	register(s, operation{Method: "POST", Path: "/v1/approvals/{id}/decline", ID: "postDecline", Tag: "approvals", Summary: "Decline a proposal, or withdraw one's own.",
		Action: access.Decide, Absent: absent}, s.postDecline)
}

func (s *Server) listApprovals(c *call, in *approvalsAsked) (*Approvals, error) {
	f := desk.ApprovalFilter{Over: in.Over, MID: in.MID, Maker: in.Maker}
	for _, m := range in.Motion {
		f.Motions = append(f.Motions, desk.Motion(m))
	}
	return ApprovalsOf(c.Context(), s.o.Desk, c.worker(), f, in.Cursor, in.Limit)
}

// ApprovalsOf reads a page of the queue. Errors are those of desk.Desk.Approvals.
func ApprovalsOf(ctx context.Context, d *desk.Desk, who desk.Actor, f desk.ApprovalFilter, cursor string, n int) (*Approvals, error) {
	p, err := d.Approvals(ctx, who, f, cursor, n)
	if err != nil {
		return nil, err
	}
	out := &Approvals{Items: []Approval{}, NextCursor: p.Next, Count: p.Count}
	for i := range p.Approvals {
		out.Items = append(out.Items, *ApprovalOf(&p.Approvals[i]))
	}
	return out, nil
}

// ApprovalOf is an approval as it is answered.
func ApprovalOf(a *desk.Approval) *Approval {
	out := &Approval{ID: a.ID, Motion: string(a.Motion), Title: inWords(a.Motion.Text()), State: string(a.State), MID: a.MID, Merchant: a.Merchant, Part: a.Part, Amount: a.Amount,
		Currency: currencyText(a.Currency), Maker: a.Maker, Made: a.Made, Expires: a.Expires, Reason: a.Reason, Document: a.Document, Links: a.Links, Needs: a.Needs,
		Checks: []ApprovalCheck{}, Ended: a.Ended, By: a.By, Why: a.Why}
	if a.Case != (desk.Key{}) {
		out.Case = a.Case.String()
	}
	for _, x := range a.Checks {
		out.Checks = append(out.Checks, ApprovalCheck(x))
	}
	for _, p := range a.Postings {
		out.Postings = append(out.Postings, ApprovalPosting{p.Debit.String(), p.Credit.String(), p.Amount, p.Currency.String(), p.Later})
	}
	for _, b := range a.Balances {
		out.Balances = append(out.Balances, ApprovalBalance{b.Account.String(), b.Currency.String(), b.Before, b.After})
	}
	for _, x := range a.Changes {
		out.Changes = append(out.Changes, ApprovalChange(x))
	}
	if a.Obstacle != nil {
		w := inWords(reasonOf(a.Obstacle))
		out.Obstacle = &w
	}
	return out
}

// Wanted gives it as the desk takes it.
func (b *Proposal) Wanted() desk.Proposal {
	want := desk.Proposal{MID: b.MID, Motion: desk.Motion(b.Motion), Amount: b.Amount, Hold: b.Hold, Payout: b.Payout, Payment: b.Payment, RRN: b.RRN, Reason: b.Reason, Document: b.Document}
	if want.Motion == desk.MoveResend {
		want.Amount, want.Most = 0, b.Amount
	}
	if b.Against != "" {
		want.Against, _ = ledger.ParseName(b.Against) // the schema names the only ones
	}
	return want
}

func (s *Server) postProposal(c *call, in *proposalAsked) (*Approval, error) {
	p, err := s.o.Desk.Propose(c.Context(), c.worker(), in.Body.Wanted())
	if err != nil {
		return nil, err
	}
	a, err := s.o.Desk.Approval(c.Context(), c.worker(), p.MID+"."+p.ID)
	if err != nil {
		return nil, err
	}
	return ApprovalOf(a), nil
}

func (s *Server) getApproval(c *call, in *approvalAsked) (*Approval, error) {
	a, err := s.o.Desk.Approval(c.Context(), c.worker(), in.ID)
	if err != nil {
		return nil, err
	}
	return ApprovalOf(a), nil
}

func (s *Server) postApprove(c *call, in *approvalAsked) (*Approval, error) {
	a, err := s.o.Desk.Approve(c.Context(), c.worker(), in.ID)
	if err != nil {
		return nil, err
	}
	return ApprovalOf(a), nil
}

func (s *Server) postDecline(c *call, in *declineAsked) (*Approval, error) {
	a, err := s.o.Desk.Decline(c.Context(), c.worker(), in.ID, in.Body.Why)
	if err != nil {
		return nil, err
	}
	return ApprovalOf(a), nil
}
