package risk

import "daozhang/internal/evidence"

// Limit bounds single amounts, or the amount or number of a business date. It
// holds for the attempts that its scope covers; an empty part covers all.
type Limit struct {
	Name string `yaml:"name"`
	// Scope.
	MID       string `yaml:"mid"`
	TID       string `yaml:"tid"`
	CardType  string `yaml:"card_type"`
	Operation string `yaml:"operation"`
	// Per says what daily numbers are counted for: merchant, terminal or card.
	Per string `yaml:"per"`
	// MaxAmount and MinAmount bound one amount, DailyAmount and DailyCount a
	// business date; 0 means no bound. Minor units.
	MaxAmount   int64 `yaml:"max_amount"`
	MinAmount   int64 `yaml:"min_amount"`
	DailyAmount int64 `yaml:"daily_amount"`
	DailyCount  int64 `yaml:"daily_count"`
}

func (l *Limit) daily() bool { return l.DailyAmount != 0 || l.DailyCount != 0 }

// covers reports whether the limit holds for an attempt.
func (l *Limit) covers(mid, tid, operation, cardType string) bool {
	return (l.MID == "" || l.MID == mid) && (l.TID == "" || l.TID == tid) &&
		(l.Operation == "" || l.Operation == operation) && (l.CardType == "" || l.CardType == cardType)
}

func (l *Limit) subject(mid, tid, card string) string {
	switch l.Per {
	case "terminal":
		return tid
	case "card":
		return mid + " " + card
	}
	return mid
}

// Codes of refusals by the door.
var (
	codeAmount = evidence.Code{'6', '1'} // exceeds an amount limit
	codeCount  = evidence.Code{'6', '5'} // exceeds a count limit
	codeBlock  = evidence.Code{'6', '2'} // on a block list
	codeFraud  = evidence.Code{'5', '9'} // suspected fraud
	codeSmall  = evidence.Code{'1', '3'} // below the least amount
)

// nearLimit reports whether an amount lies within a twentieth below a limit.
func nearLimit(amount, limit int64) bool {
	return limit > 0 && amount <= limit && amount > limit-limit/20
}

// check holds an attempt against every limit; over is the first it exceeds, and
// single the smallest bound of a single amount that covers it.
func (rs *Rules) check(w *Window, a *Attempt) (over *Limit, code evidence.Code, single int64) {
	if !counted(a.Operation) {
		return nil, evidence.Code{}, 0
	}
	for i := range rs.limits {
		l := &rs.limits[i]
		// Daily counters know credit from the rest only, so do the scopes of daily
		// limits; single amounts know every type.
		if !l.covers(a.MID, a.TID, a.Operation, a.CardType) {
			continue
		}
		if l.MaxAmount != 0 {
			if single == 0 || l.MaxAmount < single {
				single = l.MaxAmount
			}
			if a.Amount > l.MaxAmount && over == nil {
				over, code = l, codeAmount
			}
		}
		if a.Amount < l.MinAmount && over == nil {
			over, code = l, codeSmall
		}
		if l.daily() && over == nil {
			d := w.today(i, l.subject(a.MID, a.TID, a.Card), a.Date)
			switch {
			case l.DailyAmount != 0 && d.amount > l.DailyAmount-a.Amount:
				over, code = l, codeAmount
			case l.DailyCount != 0 && d.count >= l.DailyCount:
				over, code = l, codeCount
			}
		}
	}
	return over, code, single
}

// Near reports whether an amount lies just below the smallest limit of a single
// amount that covers it.
func (rs *Rules) Near(mid, tid, operation, cardType string, amount int64) bool {
	single := int64(0)
	for i := range rs.limits {
		if l := &rs.limits[i]; l.MaxAmount != 0 && l.covers(mid, tid, operation, cardType) && (single == 0 || l.MaxAmount < single) {
			single = l.MaxAmount
		}
	}
	return nearLimit(amount, single)
}
