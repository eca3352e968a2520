package diagnosis

import (
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

// usageKey is what a daily limit counts: a merchant, a terminal, or a card of
// an issuer, on one date.
type usageKey struct {
	of   evidence.Word
	kind uint8
	date calendar.Date
}

const (
	usageMID = iota
	usageTID
	usagePAN
)

type use struct {
	at     evidence.Instant
	amount int64
}

// addUsage sums approved payments where a daily limit is on record.
func (f *faults) addUsage() {
	if !f.daily() {
		return
	}
	var j journey.Journey
	for _, m := range f.c.Match.Merchants {
		for i := range m.Payments {
			f.c.Compute(m, &m.Payments[i], &j)
			if j.Swipe.Outcome != journey.WasApproved {
				continue
			}
			for _, k := range usageKeys(&j) {
				if k.of != 0 {
					f.usage[k] = append(f.usage[k], use{j.Time, j.Amount})
				}
			}
		}
	}
}

// daily reports whether a daily limit is on record.
func (f *faults) daily() bool {
	for _, r := range f.c.Limits() {
		_, amount := f.c.View.Num(r, evidence.DailyAmount)
		_, count := f.c.View.Num(r, evidence.DailyCount)
		if amount || count {
			return true
		}
	}
	return false
}

// usageKeys gives what a payment counts to; those without a name count nothing.
func usageKeys(j *journey.Journey) [3]usageKey {
	date := j.Terms.LocalDate(j.Time)
	return [3]usageKey{{j.Merchant.MID, usageMID, date}, {j.Keys.TID, usageTID, date}, {j.Keys.PAN, usagePAN, date}}
}

// policy gives the limit that a declined payment broke, and whose it is:
// "issuer", "mid", "tid", "platform" or "".
func (f *faults) policy(j *journey.Journey) (string, evidence.FactRef) {
	v := f.c.View
	var stated []policyKey
	issuer, mid, tid := f.name(j.Keys.Issuer), f.name(j.Keys.MID), f.name(j.Keys.TID)
	for n := len(f.c.Limits()) - 1; n >= 0; n-- {
		r := f.c.Limits()[n]
		fact := v.At(r)
		if fact.Time > j.Time || fact.Kind == evidence.PayoutKind || fact.Kind != evidence.NoKind && fact.Kind != j.Kind {
			continue
		}
		scope, name, _ := strings.Cut(v.Text(r, evidence.Scope), "/")
		var of evidence.Word
		var kind uint8
		whose := scope
		switch {
		case (scope == "issuer" || scope == "bank") && issuer != "" && name == issuer:
			of, kind, whose = j.Keys.PAN, usagePAN, "issuer"
		case scope == "mid" && name == mid:
			of, kind = j.Keys.MID, usageMID
		case scope == "tid" && name == tid:
			of, kind = j.Keys.TID, usageTID
		case scope == "platform":
			of, kind = j.Keys.MID, usageMID
		default:
			continue
		}
		// Of what several policies of one scope and kind say, the latest stands.
		said := policyKey{v.Text(r, evidence.Scope), fact.Kind, 0}
		for _, field := range []evidence.Field{evidence.MaxAmount, evidence.DailyAmount, evidence.DailyCount} {
			said.field = field
			if _, ok := v.Num(r, field); !ok || slices.Contains(stated, said) {
				continue
			}
			stated = append(stated, said)
			if f.breaks(j, r, field, usageKey{of, kind, j.Terms.LocalDate(j.Time)}) {
				return whose, r
			}
		}
	}
	return "", 0
}

type policyKey struct {
	scope string
	kind  evidence.Kind
	field evidence.Field
}

func (f *faults) breaks(j *journey.Journey, r evidence.FactRef, field evidence.Field, k usageKey) bool {
	limit, _ := f.c.View.Num(r, field)
	if field == evidence.MaxAmount {
		return j.Amount > limit
	}
	sum, count := int64(0), int64(0)
	for _, u := range f.usage[k] {
		if u.at < j.Time {
			sum += u.amount
			count++
		}
	}
	if field == evidence.DailyAmount {
		return sum+j.Amount > limit
	}
	return count+1 > limit
}

// payoutPolicy gives a bank's limit on payouts that a payment's payout breaks.
func (f *faults) payoutPolicy(j *journey.Journey, bank string) evidence.FactRef {
	if bank == "" || j.Payout == nil {
		return 0
	}
	for _, r := range f.c.Limits() {
		if f.c.View.At(r).Kind != evidence.PayoutKind || f.c.View.Text(r, evidence.Scope) != "bank/"+bank {
			continue
		}
		for _, field := range []evidence.Field{evidence.MaxAmount, evidence.DailyAmount} {
			if limit, ok := f.c.View.Num(r, field); ok && j.Payout.Amount > limit {
				return r
			}
		}
	}
	return 0
}
