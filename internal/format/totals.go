package format

import (
	"bytes"
	"sync"

	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// totals checks the rows in which a table of any origin sums itself up: rows
// that begin with 合计, 总计 or Total. They are no facts; where a sum differs
// from the rows, it is told.
type totals struct {
	mu     sync.Mutex
	stated []statedTotal
	// sums of the amounts as written; of sales less what is taken back; of
	// sales alone. Files mean any of them by their total.
	written, balance, sales int64
	overflow                bool
	rows                    int
}

type statedTotal struct {
	line   int
	amount int64
	c      money.Currency
}

var (
	totalWords    = []string{"合计", "总计", "总额", "总金额", "汇总", "共计", "total", "grandtotal", "sum", "totals"}
	subtotalWords = []string{"小计", "本页合计", "subtotal", "pagetotal"}
)

// sumRow reports a row that sums others up: of all rows, or of a part.
func sumRow(row *Row) (all, part bool) {
	for i, c := range row.Cells {
		if i > 2 {
			break
		}
		b := clean(c)
		if len(b) == 0 {
			continue
		}
		if len(b) > 40 || b[0] >= '0' && b[0] <= '9' {
			return false, false
		}
		name := []byte(normal(string(b)))
		for _, w := range subtotalWords {
			if bytes.HasPrefix(name, []byte(w)) {
				return false, true
			}
		}
		for _, w := range totalWords {
			if string(name) == w || bytes.HasPrefix(name, []byte(w)) && (w[0] >= 0x80 || bytes.HasPrefix(name[len(w):], []byte("("))) {
				return true, false
			}
		}
		return false, false
	}
	return false, false
}

// amountName names the column that is summed.
func (s *sheet) amountName() string {
	if _, ok := s.byName["gross"]; ok {
		return "gross"
	}
	return "amount"
}

// add takes a sum that the table states.
func (t *totals) add(row *Row) {
	c := row.Currency()
	n, ok, err := row.signedAmount(row.sheet.amountName(), c)
	if err != nil || !ok {
		return
	}
	t.mu.Lock()
	t.stated = append(t.stated, statedTotal{row.Line, n, c})
	t.mu.Unlock()
}

// rowTally is what one reader adds up.
type rowTally struct {
	written, balance, sales int64
	rows                    int
	overflow                bool
}

func (t *rowTally) add(row *Row) {
	n, ok, err := row.signedAmount(row.sheet.amountName(), row.Currency())
	if err != nil || !ok {
		return
	}
	t.rows++
	kind, _ := row.Word("kind")
	m := n
	if m < 0 {
		m = -m
	}
	sum := func(to *int64, v int64) {
		s, ok := money.Add(*to, v)
		t.overflow = t.overflow || !ok
		*to = s
	}
	sum(&t.written, n)
	switch kind {
	case "refund", "void", "reversal", "chargeback":
		sum(&t.balance, -m)
	default:
		sum(&t.balance, n)
		sum(&t.sales, n)
	}
}

func (t *totals) join(r *rowTally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range [...]struct {
		to *int64
		n  int64
	}{{&t.written, r.written}, {&t.balance, r.balance}, {&t.sales, r.sales}} {
		s, ok := money.Add(*p.to, p.n)
		t.overflow = t.overflow || !ok
		*p.to = s
	}
	t.overflow = t.overflow || r.overflow
	t.rows += r.rows
}

// check tells of stated sums that no sum of the rows is.
func (t *totals) check(out *Out) {
	if t.overflow {
		return
	}
	for _, s := range t.stated {
		if s.amount != t.written && s.amount != t.balance && s.amount != t.sales {
			out.Warn(s.line, fault.Say("totals differ: %s stated, the %d rows make %s; rows are missing or were changed: get the file again",
				"合计不符：文件写 %s，%d 行明细合计 %s；有行缺失或被改动，请重新获取文件", money.Format(s.amount, s.c), t.rows, money.Format(t.written, s.c)))
		}
	}
}

// signedAmount is Amount with the sign as written, whatever the column's As.
func (r *Row) signedAmount(name string, c money.Currency) (int64, bool, error) {
	i, col := r.column(name)
	if i < 0 {
		return 0, false, nil
	}
	b := r.cell(i)
	if len(b) == 0 {
		return 0, false, nil
	}
	as := col.As
	switch as {
	case AsMagnitude:
		as = AsDecimal
	case asMinorMagnitude:
		as = AsMinor
	}
	n, err := r.sheet.amount(b, as, c)
	return n, err == nil, err
}
