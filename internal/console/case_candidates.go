package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/desk"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// candidateList are the records that could be the other side.
type candidateList struct {
	Action  templ.SafeURL
	Chosen  []string
	Reason  string
	Version string
	Can     bool
	Rows    []candidate
	Wrong   string
}

// candidate is one of them with its reasons.
type candidate struct {
	ID, Name, Kind     string
	Link               templ.SafeURL
	Time               report.Moment
	Amount, Difference string
	Score              int // percent
	Reasons            []reasonLine
}

// reasonLine is what speaks for a candidate, or against it.
type reasonLine struct {
	Tone       report.Tone
	Sign, Text string
}

// likely is the score from which a candidate is chosen beforehand.
const likely = 75

// candidateRow shows one candidate.
func (c *Console) candidateRow(v *visit, of *desk.Item, x *desk.Candidate) candidate {
	r := candidate{ID: x.Ref, Name: x.Ref, Kind: c.causeTitle(v, x.What), Time: c.moment(x.Time), Score: min(max(x.Score, 0), 100)}
	if x.Text != "" {
		r.Name = x.Text
	}
	if k, err := desk.ParseKey(x.Ref); err == nil {
		r.Link = caseLink(k)
	}
	if x.Currency != (money.Currency{}) {
		r.Amount = report.Amount(x.Amount, x.Currency)
		if x.Currency == of.Currency && x.Amount != of.Amount {
			r.Difference = report.Signed(x.Amount-of.Amount, x.Currency)
		}
	}
	for _, why := range x.Reasons {
		line := reasonLine{good, "+", why.Word.Text().In(v.lang)}
		if why.Points < 0 {
			line.Tone, line.Sign = bad, "−"
		}
		if d := reasonDetail(why, x.Currency); d != "" {
			line.Text += " " + d
		}
		r.Reasons = append(r.Reasons, line)
	}
	return r
}

// reasonDetail is what a reason was seen by. A difference of amounts comes in minor
// units.
func reasonDetail(why desk.Reason, currency money.Currency) string {
	if why.Word != desk.NearAmount && why.Word != desk.OtherAmount {
		return why.Detail
	}
	n, err := strconv.ParseInt(why.Detail, 10, 64)
	if err != nil {
		return why.Detail
	}
	return report.Amount(n, currency)
}

// mostCandidates is how many are shown.
const mostCandidates = 8

// fillCandidates ranks what could be the other side, and holds an item that has no
// two sides of its own against the likeliest.
func (c *Console) fillCandidates(v *visit, p *casePage, can bool) error {
	i := p.item
	if i.Inbox == desk.Done && !i.Again {
		return nil
	}
	list, err := c.o.Desk.Candidates(v.Context(), v.worker(), i.Key, mostCandidates)
	if err != nil {
		return err
	}
	p.Candidates = &candidateList{Action: caseLink(i.Key) + templ.SafeURL("/"+string(desk.Pair)), Version: versionOf(i), Can: can}
	for n := range list {
		p.Candidates.Rows = append(p.Candidates.Rows, c.candidateRow(v, i, &list[n]))
	}
	if len(list) > 0 && list[0].Score >= likely {
		p.Candidates.Chosen = []string{list[0].Ref}
	}
	if p.Sides == nil && len(list) > 0 {
		p.Sides = c.itemSides(v, i, &list[0])
	}
	return nil
}

// itemSides holds an item against a candidate.
func (c *Console) itemSides(v *visit, i *desk.Item, x *desk.Candidate) *sides {
	s := &sides{Left: i.Key.Kind.Text().In(v.lang), Right: v.say("likeliest: ", "最可能：") + c.causeTitle(v, x.What)}
	s.compareAmounts(v.say("amount", "金额"), sum{i.Amount, i.Currency, i.Currency != (money.Currency{})}, sum{x.Amount, x.Currency, x.Currency != (money.Currency{})})
	s.compare(v.say("merchant", "商户"), merchantWord(v, i.Key.MID), merchantWord(v, x.MID))
	s.compare(v.say("date", "日期"), c.day(i.Since), c.day(x.Time))
	s.compare(v.say("terminal", "终端"), i.TID, x.TID)
	s.compare(v.say("reference", "参考号"), i.Payout, strings.Join(x.Refs, " "))
	s.Verdict = verdictOf(v, s.Rows)
	return s
}

// day is the date of a moment in the zone of the institution.
func (c *Console) day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(c.o.Zone).Format(time.DateOnly)
}
