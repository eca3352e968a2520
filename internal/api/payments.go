package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// PaymentList is a page of payments.
type PaymentList struct {
	AsOf       time.Time `json:"as_of" doc:"the moment of the answer"`
	Items      []Payment `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
	Count      int       `json:"count" doc:"how many there are on all pages"`
	Sums       []Sum     `json:"sums" doc:"approved amounts on all pages, by currency"`
}

// PaymentTrail is a payment with the way of its money.
type PaymentTrail struct {
	Payment
	Way
}

// Way is the way of a payment's money, and the answer in four sentences.
type Way struct {
	Legs  []Leg     `json:"legs" doc:"the steps, in their order"`
	Facts []Witness `json:"facts" doc:"the facts about it, in order of time"`
	Where Sentence  `json:"where" doc:"where the money is"`
	Why   Sentence  `json:"why" doc:"why it is there"`
	Who   Sentence  `json:"who" doc:"who acts next"`
	When  Sentence  `json:"when" doc:"when it arrives"`
}

// Leg is a step of a payment's way.
type Leg struct {
	Name       string    `json:"name" enum:"authorization,capture,clearing,settlement,payout,credit"`
	State      string    `json:"state" enum:"done,done_late,now,late,held,open,failed,expected,not_seen"`
	Promised   time.Time `json:"promised,omitzero" doc:"when it is or was due"`
	Actual     time.Time `json:"actual,omitzero" doc:"when it was done"`
	Amount     *int64    `json:"amount,omitempty" doc:"in minor units"`
	Difference *int64    `json:"difference,omitempty" doc:"of the amount from what was to be, in minor units"`
	Evidence   string    `json:"evidence,omitempty" doc:"source#id of the fact that shows it"`
	Note       Words     `json:"note,omitzero"`
}

// Witness is a fact about a payment.
type Witness struct {
	Evidence string `json:"evidence" doc:"source#id"`
	What     Words  `json:"what"`
	Time     string `json:"time"`
	Place    string `json:"place,omitempty" doc:"file and line it was read from"`
	Tells    bool   `json:"tells,omitempty" doc:"the cause rests on it"`
}

// Sentence is one of the answer, and what it rests on.
type Sentence struct {
	Words
	Proved bool `json:"proved" doc:"proved by facts, else inferred"`
}

// paymentAsked names a payment.
type paymentAsked struct {
	ID string `path:"id" doc:"the payment's id, its RRN (ISO 8583 field 37), another of its keys, or the UUID of our transaction"`
}

func (s *Server) paymentOperations() {
	stream(s, operation{Method: "GET", Path: "/v1/payments", ID: "listPayments", Tag: "payments", Summary: "Payments, with every filter.",
		Description: "All that is given has to hold. Payments that are over for long have left memory and are not listed; their whereabouts are asked by id.",
		Action:      access.ReadPayments, Narrows: true,
		Answer: s.jsonOf(PaymentList{}),
	}, s.listPayments)
	stream(s, operation{Method: "GET", Path: "/v1/payments/{id}", ID: "getPayment", Tag: "payments", Summary: "A payment with the way of its money, step by step.",
		Action: access.ReadPayments, Narrows: true,
		Answer: s.jsonOf(PaymentTrail{}),
	}, s.getPayment)
}

// listPayments gives a page of payments, of all nodes.
func (s *Server) listPayments(c *call, in *paymentsAsked) error {
	if c.only != "" {
		if in.filter.MID != "" && in.filter.MID != c.only {
			return errNoMerchant
		}
		in.filter.MID = c.only
	}
	return answerPage(c, in.filter.MID, in.Limit, investigation.Mark.Compare, func() (part slice[investigation.Mark], asOf time.Time, err error) {
		failed := s.reading(c.Context(), func(now *investigation.Current) {
			f := in.filter
			now.Narrow(&f, investigation.Guess(in.Q))
			page := now.List(&f, in.order, in.after, in.Limit)
			part.More, part.Sums = page.More, sumsOf(page.Sums)
			asOf = momentOf(now.AsOf(), now.Around().Offset)
			for _, p := range page.Payments {
				raw, e := paymentJSON(now, p, report.Options{Lang: c.lang, AdviceCode: true})
				if e != nil {
					err = e
				}
				part.Rows, part.Marks = append(part.Rows, raw), append(part.Marks, now.MarkOf(p, in.order))
			}
		})
		if err == nil {
			err = failed
		}
		return part, asOf, err
	})
}

// errNoMerchant is a merchant that is not the caller's, or none: the two are not
// told apart.
var errNoMerchant = fault.New(fault.NotFound, fault.Say("find merchant", "查找商户"), "", nil, fault.Say("name a merchant of yours", "请指定您自己的商户"))

func paymentJSON(now *investigation.Current, p *investigation.Payment, o report.Options) (json.RawMessage, error) {
	var b bytes.Buffer
	err := report.Payment(&b, now.Around(), p, o)
	return bytes.TrimSpace(b.Bytes()), err
}

// getPayment gives a payment with its trail.
func (s *Server) getPayment(c *call, in *paymentAsked) error {
	var body []byte
	done, err := s.onePayment(c, in.ID, func(now *investigation.Current, p *investigation.Payment) error {
		raw, err := paymentJSON(now, p, report.Options{Lang: c.lang})
		if err != nil {
			return err
		}
		way, err := json.Marshal(wayOf(now.Around(), p))
		if err != nil {
			return err
		}
		body = append(append(append(body, raw[:len(raw)-1]...), ','), way[1:]...)
		return nil
	})
	if done || err != nil {
		return err
	}
	return c.raw("application/json", append(body, '\n'))
}

// wayOf is what a trail adds to a payment.
func wayOf(a *investigation.Answer, p *investigation.Payment) *Way {
	t := report.TrailOf(a, p)
	w := Way{Legs: []Leg{}, Facts: []Witness{}, Where: sentenceOf(t.Where), Why: sentenceOf(t.Why), Who: sentenceOf(t.Who), When: sentenceOf(t.When)}
	for _, l := range t.Legs {
		leg := Leg{Name: l.Leg.String(), State: strings.ReplaceAll(l.State.Word().EN, " ", "_"), Promised: localTime(p, l.Promised), Actual: localTime(p, l.Actual), Note: wordsOf(l.Note)}
		if l.HasAmount {
			leg.Amount, leg.Difference = &l.Amount, &l.Difference
		}
		if l.Witness != 0 {
			leg.Evidence, _ = report.WitnessOf(a, l.Witness)
		}
		w.Legs = append(w.Legs, leg)
	}
	for _, e := range t.Evidence {
		w.Facts = append(w.Facts, Witness{e.Name, wordsOf(e.What), e.Time, e.Place, e.Tells})
	}
	return &w
}

func wordsOf(t report.Text) Words { return Words{t.EN, t.In("zh")} }

func sentenceOf(s report.Sentence) Sentence { return Sentence{wordsOf(s.Text), s.Proved} }

// localTime gives a moment in the zone of a payment's merchant.
func localTime(p *investigation.Payment, at evidence.Instant) time.Time {
	return momentOf(at, int16(p.Terms.OffsetAt(at)/60))
}
