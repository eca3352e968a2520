package investigation

import (
	"cmp"
	"slices"
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/match"
	"daozhang/internal/terms"
)

// warn gathers what the evidence itself shows to be wrong.
func (a *Answer) warn(book *terms.Book) {
	v := a.View
	var contradicted, clocks []evidence.FactRef
	for _, versions := range v.Conflicts() {
		for _, r := range versions {
			if f := v.At(r); f.KnownAt() <= a.AsOf && v.Counts(r, f) {
				contradicted = append(contradicted, r)
			}
		}
	}
	for r := range v.WrongClocks {
		clocks = append(clocks, r)
	}
	a.warnOf(book, contradicted, clocks)
}

// warnOf warns of facts of which other versions were given, of facts of wrong
// clocks, and of what terms and files show.
func (a *Answer) warnOf(book *terms.Book, contradicted, clocks []evidence.FactRef) {
	v := a.View
	for _, r := range contradicted {
		a.Warnings = append(a.Warnings, Warning{Fact: r, Why: fault.Say("conflicting content: the same source and id were given with different facts; one of them stands, correct it at its source", "内容冲突：同一来源和编号给出了不同的事实，只采用其中一条，请在源头更正")})
	}
	for _, r := range clocks {
		a.Warnings = append(a.Warnings, Warning{Fact: r, Why: fault.Say("wrong clock: recorded more than ten minutes before the time it gives; the time of recording is used", "时钟有误：记录时间比所写时间早十分钟以上，按记录时间计；请校准该设备的时钟")})
	}
	for _, p := range book.Problems {
		a.Warnings = append(a.Warnings, Warning{Fact: p.Fact, Why: p.Why})
	}
	for _, g := range a.Context.FileGaps() {
		if g.Count >= 0 && g.Count != g.Lines {
			a.Warnings = append(a.Warnings, Warning{Fact: g.File, Why: fault.Say("the file says %d lines, %d are on record; ask its sender for the whole file", "文件自称 %d 行，实有 %d 行，请向发送方索取完整文件", g.Count, g.Lines)})
		} else {
			a.Warnings = append(a.Warnings, Warning{Fact: g.File, Why: fault.Say("totals differ: the file says %d, its lines sum to %d; ask its sender which is right", "合计不符：文件自称 %d，明细之和为 %d（最小货币单位），请向发送方核实", g.Total, g.Sum)})
		}
	}
	slices.SortStableFunc(a.Warnings, func(x, y Warning) int {
		if x.Fact == 0 || y.Fact == 0 {
			return cmp.Compare(x.Fact, y.Fact)
		}
		return cmp.Or(v.CompareTime(x.Fact, y.Fact), strings.Compare(x.Why.EN, y.Why.EN))
	})
}

// Unplaced is a fact that belongs nowhere, and its amount.
type Unplaced struct {
	Fact      evidence.FactRef
	Amount    int64
	HasAmount bool
	Why       fault.Text
}

// Unplaced lists the facts that belong to no payment and no payout: bank
// entries first, then the rest, each in order of time.
func (a *Answer) Unplaced() []Unplaced {
	var out []Unplaced
	for _, e := range a.Match.Entries {
		if e.Booked && !e.Placed && !e.Ambiguous {
			out = append(out, Unplaced{e.Fact, e.Amount, true, whyUnplaced(e)})
		}
	}
	for _, u := range a.Match.Unplaced {
		amount, ok := a.View.At(u.Fact).Amount()
		out = append(out, Unplaced{u.Fact, amount, ok, u.Why})
	}
	return out
}

func whyUnplaced(e *match.Entry) fault.Text {
	if e.Amount < 0 {
		return fault.Say("a debit that names no payout", "一笔支出，没有对应的出款")
	}
	return fault.Say("no payout with its reference, its amount or a set that sums to it", "没有参考号、金额或合计与它相符的出款")
}

// PaymentsOf gives the ids of the payments that payouts carry, in order of time.
func (a *Answer) PaymentsOf(payouts []*match.Payout) []string {
	if len(payouts) == 0 {
		return nil
	}
	var ids []string
	for _, at := range a.order {
		m := a.Match.Merchants[at.merchant]
		if !slices.ContainsFunc(payouts, func(p *match.Payout) bool { return p.MID == m.MID }) {
			continue
		}
		mp := &m.Payments[at.payment]
		for _, r := range m.Facts(mp) {
			if f := a.View.At(r); f.Type == evidence.SettlementLine && slices.Contains(payouts, a.Match.PayoutOf(m, r)) {
				ids = append(ids, a.IDOf(mp))
				break
			}
		}
	}
	return ids
}
