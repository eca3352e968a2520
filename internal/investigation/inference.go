package investigation

import (
	"runtime"
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// sampled is about how many payments of a merchant its terms are inferred from.
const sampled = 2000

// inferTerms assumes terms for merchants without any on record, from what their
// settled payments show. It reports whether business dates by which payments were
// matched have moved by that.
func (a *Answer) inferTerms(book *terms.Book, merchants []*match.Merchant) (moved bool) {
	var open []*match.Merchant
	for _, m := range merchants {
		if m.MID != 0 && len(m.Settlement) > 0 && len(book.All(m.MID)) == 0 {
			open = append(open, m)
		}
	}
	histories := make([][]terms.Settled, len(open))
	var wg sync.WaitGroup
	workers := min(len(open), runtime.GOMAXPROCS(0))
	for n := range workers {
		wg.Go(func() {
			for i := n; i < len(open); i += workers {
				histories[i] = history(a.View, open[i])
			}
		})
	}
	wg.Wait()
	for i, m := range open {
		t, other := inferFrom(book, m, histories[i])
		if t == nil {
			continue
		}
		moved = moved || other
		a.Inferred = append(a.Inferred, t)
	}
	return moved
}

// inferFrom assumes for a merchant the terms that its history shows; nil where it
// shows too little. moved is as of inferTerms.
func inferFrom(book *terms.Book, m *match.Merchant, history []terms.Settled) (t *terms.Terms, moved bool) {
	if t = book.Infer(m.MID, history); t == nil {
		return nil, false
	}
	before := book.Assumed(m.MID, 0)
	for _, s := range history {
		moved = moved || m.Dated && before.BusinessDate(s.Captured) != t.BusinessDate(s.Captured)
	}
	// Lines without a transaction time are matched by the due day.
	moved = moved || m.Dated && (before.Days != t.Days || before.CalendarDays != t.CalendarDays || before.Calendar != t.Calendar)
	book.Assume(t)
	return t, moved
}

// history gathers the settled sales of a merchant: of many, every n-th.
func history(v *evidence.View, m *match.Merchant) []terms.Settled {
	step := max(len(m.Payments)/sampled, 1)
	out := make([]terms.Settled, 0, min(len(m.Payments), 2*sampled))
	for i := 0; i < len(m.Payments); i += step {
		p := &m.Payments[i]
		if p.Duplicate || len(m.Acts(p)) > 0 {
			continue
		}
		if s, ok := settled(v, m, p); ok {
			out = append(out, s)
		}
	}
	return out
}

// settled gives what a payment shows of the terms; false where it was not settled
// as one sale, or nobody knows when it was made.
func settled(v *evidence.View, m *match.Merchant, p *match.Payment) (s terms.Settled, ok bool) {
	var line evidence.FactRef
	told := evidence.Instant(0) // by a line
	for _, r := range m.Facts(p) {
		f := v.At(r)
		if f.Kind != evidence.NoKind && f.Kind != evidence.Sale {
			return s, false
		}
		switch f.Type {
		case evidence.TerminalTransaction:
			if f.Result == evidence.OfflineApproved {
				return s, false // captured with its batch
			}
			if f.Result == evidence.Approved && (s.Captured == 0 || f.Time < s.Captured) {
				s.Captured, s.Offset = f.Time, f.Offset
			}
		case evidence.GatewayResponse:
			if evidence.IsApproval(f.Code) && (s.Captured == 0 || f.Time < s.Captured) {
				s.Captured, s.Offset = f.Time, f.Offset
			}
		case evidence.ClearingLine, evidence.SettlementLine:
			if f.TransactionTime != 0 && told == 0 {
				told = f.TransactionTime
				if s.Captured == 0 {
					s.Offset = f.Offset
				}
			}
			if f.Type == evidence.SettlementLine && line == 0 {
				line = r
			}
		}
		if s.CardType == evidence.NoCardType {
			s.CardType = f.CardType
		}
		if s.Network == "" && f.Network != 0 {
			s.Network = v.Words.Text(f.Network)
		}
	}
	if s.Captured == 0 {
		s.Captured = told
	}
	if line == 0 || s.Captured == 0 {
		return s, false
	}
	f := v.At(line)
	s.Date, s.Currency = f.Date, f.Currency
	s.Amount, ok = f.Amount()
	if s.Fee, s.HasFee = f.Fee(); !s.HasFee {
		if net, said := f.Net(); said && v.Text(line, evidence.NetCurrency) == "" {
			s.Fee, s.HasFee = s.Amount-net, true
		}
	}
	return s, ok && f.Date != 0 && f.Currency != (money.Currency{})
}
