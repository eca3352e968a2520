package report

import (
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
)

// ActLine is something that was done to a payment: a void, refund, reversal,
// completion or chargeback, by the first fact that tells of it.
type ActLine struct {
	What   Text
	At     Moment
	Amount string // "" where none is told
	Name   string // of the fact
	Place  string // the file and line it was read from
}

// ActsOf gives what was done to a payment, in order of time.
func ActsOf(a *investigation.Answer, p *investigation.Payment) (list []ActLine) {
	acts := p.Merchant.Acts(p.Payment)
	for i := range acts {
		l := ActLine{What: kindWord(acts[i].Kind), At: MomentOf(p, acts[i].Time)}
		for _, r := range p.Merchant.ActFacts(&acts[i]) {
			f := a.View.At(r)
			if l.Name == "" {
				l.Name, l.Place = WitnessOf(a, r)
				if f.State != evidence.NoState {
					l.What = join(l.What, same(" "), saidWord(f.State.String()))
				}
			}
			if n, ok := f.Amount(); ok && l.Amount == "" {
				l.Amount = amount(n, p.Currency)
			}
		}
		list = append(list, l)
	}
	return list
}

// FactField is one field of a fact, as it may be shown.
type FactField struct{ Name, Value string }

// FactPage is one fact, ready to be shown: what it says, with accounts by their last
// digits and no card number.
type FactPage struct {
	Name, Source, ID string
	What             Text
	Type             string
	Time             Moment
	Recorded         Moment // empty where it was not told when it became known
	Place            string
	Fields           []FactField
	JSON             string
}

// FactOf shows a fact.
func FactOf(a *investigation.Answer, r evidence.FactRef) *FactPage {
	v := a.View
	f := v.At(r)
	p := &FactPage{Name: plain(v.Name(r)), Source: plain(v.Words.Text(f.Source)), ID: plain(v.Words.Text(f.ID)), What: factWord(f.Type), Type: f.Type.String(),
		Time: momentIn(f.Time, a.AsOf, f.Offset), Recorded: momentIn(f.Recorded, a.AsOf, f.Offset), Place: placeOf(a, r)}
	p.Fields, p.JSON = shownJSON(v.AppendJSON(nil, r))
	for i := range p.Fields {
		p.Fields[i].Value, _ = card.MaskText(plain(p.Fields[i].Value))
	}
	return p
}
