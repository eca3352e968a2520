package report

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// Overview is where all money is, ready to be shown, made from what a live
// investigation keeps; it costs a look at each payment.
type Overview struct {
	AsOf       Moment
	Currencies []Holding // in order of code
	Incidents  []IncidentLine
	Count      int // payments, those not charged among them
	// Ages, Delays and Sources are of all merchants together: nil where the overview
	// is of one, or nothing is overdue.
	Ages    *AgeMatrix
	Delays  []BankDelay
	Sources []Freshness
}

// Holding is the money of one currency.
type Holding struct {
	Code     string
	Headline Text
	// Wide and Narrow are the money map as SVG, in both languages: of texts that
	// differ, each has its lang attribute.
	Wide, Narrow template.HTML
	Places       []PlaceLine
	Total        PlaceLine
	// NotCharged are attempts from which no money comes; Count 0 for none.
	NotCharged PlaceLine
	Memo       string // deductions that name no payment; "" for none
	// Arrivals are the next bank days of all merchants; nil where nothing is expected,
	// or the overview is of one merchant.
	Arrivals *Arrivals
}

// PlaceLine is the money in one place. Status and Stage are the words of the
// contract by which its payments are found; "" for what has left them.
type PlaceLine struct {
	Word          Text
	Tone          Tone
	Sign          string
	Count         string
	Amount        string
	Oldest        Moment
	Status, Stage string
}

// IncidentLine is one fault and what it stopped.
type IncidentLine struct {
	ID           string
	What, Scope  Text
	Since, Until Moment // Until is empty while it lasts
	Count        int
	Amount       string
	Who          Text
	Expected     Moment // empty where none can be named
}

// OverviewOf gathers what is known now; mid "" means all merchants.
func OverviewOf(c *investigation.Current, mid string) *Overview {
	now, offset := c.AsOf(), c.Around().Offset
	o := &Overview{AsOf: momentIn(now, now, offset)}
	sums := map[money.Currency]*currencySum{}
	sum := func(m money.Currency) *currencySum {
		s := sums[m]
		if s == nil {
			s = &currencySum{Currency: m}
			sums[m] = s
		}
		return s
	}
	var pictures sync.WaitGroup
	var arrivals map[money.Currency]*Arrivals
	if mid == "" { // they are made while the payments are counted
		pictures.Go(func() {
			k := clerkOf(c)
			o.Incidents = incidentLines(c.Incidents(), now)
			o.Ages, o.Delays, o.Sources, arrivals = k.ages(), k.delays(), k.freshness(), k.arrivals()
		})
	}
	c.EachPlaced(mid, func(r *journey.Row, at evidence.Instant, status journey.Status) {
		o.Count++
		sum(r.Currency).put(r, status, at, offset)
	})
	words := c.Around().View.Words
	for _, r := range c.Map() {
		if r.Memo != 0 && (mid == "" || words.Text(r.MID) == mid) {
			sum(r.Currency).Memo += r.Memo
		}
	}
	for _, s := range sums {
		o.Currencies = append(o.Currencies, s.holding(now))
	}
	slices.SortFunc(o.Currencies, func(a, b Holding) int { return strings.Compare(a.Code, b.Code) })
	pictures.Wait()
	for currency, a := range arrivals {
		for i := range o.Currencies {
			if o.Currencies[i].Code == currencyName(&currencySum{Currency: currency}) {
				o.Currencies[i].Arrivals = a
			}
		}
	}
	return o
}

func (s *currencySum) holding(now evidence.Instant) Holding {
	h := Holding{Code: currencyName(s), Headline: headline(s), Wide: flow(s, wideCanvas, listOfPlace), Narrow: flow(s, narrowCanvas, listOfPlace)}
	for _, p := range placeOrder {
		at := &s.Places[p]
		if at.Count == 0 {
			continue
		}
		l := PlaceLine{Word: p.word(), Tone: ToneOf(p.status()), Sign: statusSign(p.status()), Count: grouped(at.Count), Amount: amount(at.Amount, s.Currency),
			Oldest: momentIn(at.Oldest, now, at.Offset)}
		if p.status() != journey.NoStatus {
			l.Status = p.status().String()
		}
		if p.stage() != journey.NoStage {
			l.Stage = p.stage().String()
		}
		h.Places = append(h.Places, l)
	}
	h.Total = PlaceLine{Word: tx("Approved in all", "合计（成功金额）"), Count: grouped(s.Count), Amount: amount(s.Gross, s.Currency)}
	if n := s.NotCharged; n.Count > 0 {
		h.NotCharged = PlaceLine{Word: statusWord(journey.NotCharged), Sign: statusSign(journey.NotCharged), Count: grouped(n.Count), Amount: amount(n.Amount, s.Currency),
			Status: journey.NotCharged.String()}
	}
	if s.Memo != 0 {
		h.Memo = amount(s.Memo, s.Currency)
	}
	return h
}

// listOfPlace is the address of the console's list of a place's payments; "" for
// what has left them.
func listOfPlace(p place) string {
	if p.status() == journey.NoStatus {
		return ""
	}
	q := url.Values{"status": {p.status().String()}}
	if p.stage() != journey.NoStage {
		q.Set("stage", p.stage().String())
	}
	return "/payments?" + q.Encode()
}

// incidentLines shows incidents, those of most payments first.
func incidentLines(list []*investigation.Incident, now evidence.Instant) []IncidentLine {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y *investigation.Incident) int { return cmp.Compare(y.Count, x.Count) })
	var lines []IncidentLine
	for _, i := range list {
		what := same(i.Key.Cause)
		if i.Cause != nil {
			what = i.Cause.Title
		}
		lines = append(lines, IncidentLine{ID: i.ID, What: what, Scope: scopeName(i.Key.Scope), Since: momentIn(i.Key.From, now, i.Offset), Until: momentIn(i.Key.To, now, i.Offset),
			Count: i.Count, Amount: amount(i.Amount, i.Currency), Who: partyWord(i.Party), Expected: momentIn(i.Expected, now, i.Offset)})
	}
	return lines
}
