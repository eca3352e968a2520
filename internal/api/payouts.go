package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/match"
)

// Payout is an order to a bank to pay a merchant, and what is proved of it.
type Payout struct {
	ID       string `json:"id" doc:"its number (pain.001 EndToEndId); of one that nobody has named, date and currency"`
	MID      string `json:"mid" doc:"merchant (ISO 8583 field 42)"`
	Date     string `json:"date" format:"date" doc:"settlement date of its lines, else the date it was sent"`
	Currency string `json:"currency" doc:"ISO 4217"`
	Amount   int64  `json:"amount" doc:"in minor units (pain.001 InstdAmt)"`
	State    string `json:"state" enum:"settled,created,sent,credited,arrived,partly,held,rejected,returned,resent" doc:"arrived: booked entries prove all of it; credited: the bank says so"`
	Reason   string `json:"reason,omitempty" doc:"why it was held, rejected or returned"`
	Proved   int64  `json:"proved" doc:"what booked entries prove of it, in minor units (camt.053 Ntry/Amt)"`
	Account  string `json:"account,omitempty" doc:"the end of the account's number"`
	Bank     string `json:"bank,omitempty"`
	// BankRef is the bank's own number of the entry that proves it.
	BankRef    string    `json:"bank_ref,omitempty" doc:"the bank's reference of the entry that proves it (camt.053 AcctSvcrRef)"`
	Sent       time.Time `json:"sent,omitzero" doc:"when it was first sent"`
	Lines      int       `json:"lines" doc:"how many settlement lines it carries"`
	Replaces   string    `json:"replaces,omitempty" doc:"the payout that this one sends again"`
	ReplacedBy []string  `json:"replaced_by,omitempty" doc:"those that send this one again"`
}

// PayoutList is a page of payouts, the newest first.
type PayoutList struct {
	AsOf       time.Time `json:"as_of" doc:"the moment of the answer"`
	Items      []Payout  `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
	Count      int       `json:"count" doc:"how many there are on all pages"`
	Sums       []Sum     `json:"sums" doc:"amounts on all pages, by currency"`
}

// PayoutDetail is a payout with what it is made up of.
type PayoutDetail struct {
	Payout
	MadeUpOf MadeUpOf     `json:"made_up_of" doc:"its lines, added up: all together is net"`
	Items    []PayoutLine `json:"items" doc:"its settlement lines in memory, in order of time"`
}

// MadeUpOf is the arithmetic of a payout: what its lines add and take away, in
// minor units; what takes away is negative.
type MadeUpOf struct {
	Opening     int64 `json:"opening" doc:"lines of earlier days"`
	Sales       int64 `json:"sales" doc:"gross, as all that follows"`
	Refunds     int64 `json:"refunds" doc:"with voids and reversals"`
	Fees        int64 `json:"fees"`
	Reserves    int64 `json:"reserves" doc:"withheld, less what was released"`
	Chargebacks int64 `json:"chargebacks"`
	Adjustments int64 `json:"adjustments"`
	Unlisted    int64 `json:"unlisted" doc:"lines of payments that are over and have left memory"`
	Net         int64 `json:"net" doc:"all together"`
}

// PayoutLine is a settlement line that a payout carries.
type PayoutLine struct {
	Evidence string    `json:"evidence" doc:"source#id"`
	Kind     string    `json:"kind"`
	Payment  string    `json:"payment,omitempty" doc:"id of its payment"`
	Time     time.Time `json:"time"`
	Date     string    `json:"date,omitempty" format:"date" doc:"settlement date (ISO 8583 field 15)"`
	Gross    int64     `json:"gross" doc:"in minor units; below 0 where it takes from the payout"`
	Fee      int64     `json:"fee" doc:"in minor units"`
	Net      int64     `json:"net" doc:"what it adds to the payout, in minor units"`
}

// payoutsAsked narrows a list of payouts.
type payoutsAsked struct {
	MID       string          `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	ID        string          `query:"id" maxLength:"128" doc:"number"`
	From      string          `query:"from" format:"date" doc:"date, from"`
	To        string          `query:"to" format:"date" doc:"date, up to"`
	State     []string        `query:"state,explode" enum:"settled,created,sent,credited,arrived,partly,held,rejected,returned,resent"`
	Bank      string          `query:"bank" maxLength:"64" doc:"part of the bank's name"`
	MinAmount optional[int64] `query:"min_amount" doc:"in minor units"`
	MaxAmount optional[int64] `query:"max_amount" doc:"in minor units"`
	Limit     int             `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor    string          `query:"cursor" maxLength:"512" doc:"next_cursor of the page before, of a list asked for in the same way"`

	filter investigation.PayoutFilter
	after  investigation.PayoutMark
}

// Resolve makes the filter, or says everything that is wrong with it.
func (in *payoutsAsked) Resolve(huma.Context) []error {
	f := investigation.PayoutFilter{MID: in.MID, ID: in.ID, Bank: in.Bank, States: named(investigation.PayoutStates(), in.State)}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	f.From, err = dateOf("query.from", in.From)
	note(err)
	f.To, err = dateOf("query.to", in.To)
	note(err)
	note(bounds("amount", in.MinAmount, in.MaxAmount, &f.Amounts))
	in.after, err = markOf[investigation.PayoutMark](in.Cursor)
	note(err)
	in.filter = f
	return errs
}

// payoutAsked names a payout: numbers are a merchant's own.
type payoutAsked struct {
	ID  string `path:"id" maxLength:"128" doc:"number of the payout"`
	MID string `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42), where several have one of that number"`
}

func (s *Server) payoutOperations() {
	stream(s, operation{Method: "GET", Path: "/v1/payouts", ID: "listPayouts", Tag: "payouts", Summary: "Payouts, the newest first.",
		Action: access.ReadPayouts, Narrows: true,
		Answer: s.jsonOf(PayoutList{}),
	}, s.listPayouts)
	stream(s, operation{Method: "GET", Path: "/v1/payouts/{id}", ID: "getPayout", Tag: "payouts", Summary: "A payout with its arithmetic and its lines.",
		Action: access.ReadPayouts, Narrows: true,
		Answer: s.jsonOf(PayoutDetail{}),
	}, s.getPayout)
}

func (s *Server) listPayouts(c *call, in *payoutsAsked) error {
	mid, err := c.narrowed(in.filter.MID)
	if err != nil {
		return err
	}
	in.filter.MID = mid
	return answerPage(c, mid, in.Limit, investigation.PayoutMark.Compare, func() (part slice[investigation.PayoutMark], asOf time.Time, err error) {
		failed := s.reading(c.Context(), func(now *investigation.Current) {
			page := now.Payouts(&in.filter, in.after, in.Limit)
			part.More, part.Sums = page.More, sumsOf(page.Sums)
			asOf = momentOf(now.AsOf(), now.Around().Offset)
			for _, p := range page.Payouts {
				raw, e := json.Marshal(payoutOf(now, p))
				if e != nil {
					err = e
				}
				part.Rows, part.Marks = append(part.Rows, raw), append(part.Marks, now.PayoutMarkOf(p))
			}
		})
		if err == nil {
			err = failed
		}
		return part, asOf, err
	})
}

func (s *Server) getPayout(c *call, in *payoutAsked) error {
	mid, err := c.narrowed(in.MID)
	if err != nil {
		return err
	}
	if done, err := c.handedTo(mid, nil); done {
		return err
	}
	var found []*match.Payout
	var answer PayoutDetail
	var candidates []string
	s.o.Live.Read(func(now *investigation.Current) {
		found = now.Payouts(&investigation.PayoutFilter{MID: mid, ID: in.ID}, investigation.PayoutMark{}, 20).Payouts
		for _, p := range found {
			candidates = append(candidates, now.Around().View.Words.Text(p.MID))
		}
		if len(found) == 1 {
			answer = detailOf(now, found[0])
		}
	})
	switch {
	case len(found) == 1:
		return c.json(http.StatusOK, answer)
	case len(found) > 1:
		return &failure{status: http.StatusConflict, detail: fault.Say("several merchants have a payout of this number", "有多家商户的出款使用该编号"),
			hint: fault.Say("name the merchant by mid", "请用 mid 指定商户"), candidates: candidates}
	case mid == "":
		if done, err := c.others(); done {
			return err
		}
	}
	return fault.New(fault.NotFound, fault.Say("find payout", "查找出款"), masked(in.ID), nil, fault.Say("GET /v1/payouts lists those there are", "GET /v1/payouts 列出全部出款"))
}

func payoutOf(now *investigation.Current, p *match.Payout) Payout {
	v := now.Around().View
	out := Payout{ID: investigation.PayoutID(v, p), MID: v.Words.Text(p.MID), Currency: p.Currency.String(), Amount: p.Amount, State: investigation.StateOf(v, p).String(),
		Proved: p.Proved, Account: card.AccountTail(p.Account), Bank: p.Bank, Lines: p.Lines}
	if p.Date != calendar.None {
		out.Date = p.Date.String()
	}
	offset := now.Around().Offset
	for _, r := range p.Statuses {
		offset = v.At(r).Offset
		out.Reason = v.Text(r, evidence.Reason) // of the latest word
	}
	for _, e := range p.Entries {
		if ref := v.Text(e.Fact, evidence.EntryRef); ref != "" {
			out.BankRef = ref
		}
	}
	out.Sent = momentOf(p.Sent, offset)
	if p.Replaces != nil {
		out.Replaces = investigation.PayoutID(v, p.Replaces)
	}
	for _, r := range p.ReplacedBy {
		out.ReplacedBy = append(out.ReplacedBy, investigation.PayoutID(v, r))
	}
	return out
}

func detailOf(now *investigation.Current, p *match.Payout) PayoutDetail {
	v, lines := now.Around().View, now.PayoutLines(p)
	sums := now.SumsOf(p, lines)
	d := PayoutDetail{Payout: payoutOf(now, p), Items: []PayoutLine{}, MadeUpOf: MadeUpOf{Opening: sums.Opening, Sales: sums.Sales, Refunds: sums.Refunds, Fees: sums.Fees,
		Reserves: sums.Reserves, Chargebacks: sums.Chargebacks, Adjustments: sums.Adjustments, Unlisted: p.Net - sums.Net, Net: p.Net}}
	for _, l := range lines {
		f := v.At(l.Fact)
		fee, _ := f.Fee()
		net := match.LineNet(f)
		line := PayoutLine{Evidence: v.Name(l.Fact), Kind: f.Kind.String(), Payment: l.Payment, Time: momentOf(f.Time, f.Offset), Gross: net + fee, Fee: fee, Net: net}
		if f.Date != calendar.None {
			line.Date = f.Date.String()
		}
		d.Items = append(d.Items, line)
	}
	return d
}
