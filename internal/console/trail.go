package console

import (
	"net/http"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// trailPage is one payment's page.
type trailPage struct {
	Row      report.Row
	Trail    *report.Trail
	MID      string
	Incident string
	Payout   string
	Copy     string
	// Legs are the steps of its way with the fact that shows each.
	Legs []legView
	Sums []sumView
	Acts []report.ActLine
}

type legView struct {
	report.LegLine
	Name               string
	Promised, Actual   report.Moment
	Amount, Difference string
	Witness, Place     string
}

// missed reports whether the step's promise was not kept: it stays, struck through.
func (l *legView) missed() bool {
	return l.State == report.LegDoneLate || l.State == report.LegLate || l.State == report.LegHeld
}

type sumView struct {
	What   string
	Figure string
	Total  bool
}

// trail is the page of one payment.
func (c *Console) trail(v *visit) error {
	var p *trailPage
	c.o.Live.Read(func(now *investigation.Current) {
		x, ok := now.Payment(v.PathValue("id"))
		if ok && v.sees(now, x) {
			p = v.trailOf(now.Around(), x)
		}
	})
	if p == nil {
		return fault.New(fault.NotFound, fault.Say("find payment", "查找交易"), "", nil,
			fault.Say("search for it by a number from the slip; one that has been over for a long time may have left the pages", "可用小票上的号码查找；结束已久的交易可能已不在页面中"))
	}
	return v.render(http.StatusOK, trailView(v, p))
}

// sees reports whether the reader may see a payment.
func (v *visit) sees(now *investigation.Current, x *investigation.Payment) bool {
	return v.only == "" || now.Around().View.Words.Text(x.Keys.MID) == v.only
}

func (v *visit) trailOf(a *investigation.Answer, x *investigation.Payment) *trailPage {
	t := report.TrailOf(a, x)
	p := &trailPage{Row: report.RowOf(a, x), Trail: t, MID: a.View.Words.Text(x.Keys.MID), Incident: x.Incident, Copy: report.CopyText(a, x, v.lang), Acts: report.ActsOf(a, x)}
	if x.Payout != nil {
		p.Payout = investigation.PayoutID(a.View, x.Payout)
	}
	for _, l := range t.Legs {
		g := legView{LegLine: l, Name: v.text(report.LegWord(l.Leg.String())), Promised: report.MomentOf(x, l.Promised), Actual: report.MomentOf(x, l.Actual)}
		if l.HasAmount {
			g.Amount = report.Amount(l.Amount, x.Currency)
		}
		if l.HasAmount && l.Difference != 0 {
			g.Difference = report.Signed(l.Difference, x.Currency)
		}
		g.Witness, g.Place = report.WitnessOf(a, l.Witness)
		p.Legs = append(p.Legs, g)
	}
	for _, s := range t.Sums {
		figure := report.Amount(s.Amount, x.Currency)
		if s.Signed {
			figure = report.Signed(s.Amount, x.Currency)
		}
		p.Sums = append(p.Sums, sumView{v.text(s.What), figure, s.Total})
	}
	return p
}

// sentence is one of the four.
type sentence struct {
	Name string
	report.Sentence
}

func (p *trailPage) four(v *visit) []sentence {
	t := p.Trail
	return []sentence{{v.say("Where", "在哪"), t.Where}, {v.say("Why", "为何"), t.Why}, {v.say("Who acts", "谁办"), t.Who}, {v.say("When", "何时"), t.When}}
}

// advice is what to do, reader by reader.
func (p *trailPage) advice(v *visit) []choice {
	a := &p.Trail.Advice
	var list []choice
	for _, x := range []choice{{v.say("Merchant", "商户"), v.text(a.Merchant)}, {v.say("Cardholder", "持卡人"), v.text(a.Cardholder)}, {v.say("Institution", "收单机构"), v.text(a.Institution)}} {
		if x.Word != "" {
			list = append(list, x)
		}
	}
	return list
}

// lineCount is how many lines a text has.
func lineCount(s string) int { return strings.Count(strings.TrimRight(s, "\n"), "\n") + 1 }
