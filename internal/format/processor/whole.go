package processor

import (
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// part is what one document says of one merchant, due day and currency.
type part struct {
	mid      string
	due      calendar.Date
	currency money.Currency
}

// sum is what its lines come to.
type sum struct {
	count    int64
	total    int64 // Σ net
	overflow bool
}

func (s *sum) add(net int64) {
	s.count++
	total, ok := money.Add(s.total, net)
	if !ok {
		s.overflow = true
		return
	}
	s.total = total
}

// document gathers the lines of a file, to state at its end what it holds.
type document struct {
	parts map[part]*sum
	order []part
	// torn says that the file is not whole: by its kind, or because its own
	// totals say something else.
	torn bool
	// uneven counts the rows whose figures do not foot.
	uneven, unevenLine int
}

func newDocument() *document { return &document{parts: map[part]*sum{}} }

func (doc *document) of(p part) *sum {
	s := doc.parts[p]
	if s == nil {
		s = &sum{}
		doc.parts[p] = s
		doc.order = append(doc.order, p)
	}
	return s
}

// note remembers a row that does not foot; they are told together.
func (doc *document) note(line int, a amounts) {
	if a.foots() {
		return
	}
	if doc.uneven == 0 {
		doc.unevenLine = line
	}
	doc.uneven++
}

// tellUneven warns of the rows that do not foot.
func (doc *document) tellUneven(out *format.Out) {
	if doc.uneven > 0 {
		out.Warn(doc.unevenLine, fault.Say(
			"the net is not the gross less the fees on %d rows, first here; the stated net is taken, ask the processor for the difference",
			"有 %d 行的净额不等于金额减手续费，首处在此；按所写净额计，请向收单机构核实差额", doc.uneven))
	}
}

// declare states for each merchant and due day of a whole document that all
// its lines are here. sourceOf gives the source of its lines; known is when it
// is known.
func (doc *document) declare(out *format.Out, line int, sourceOf func(part) string, known func(part) dated) {
	if doc.torn || out.Source().Rejected > 0 {
		return
	}
	stated := map[part]bool{}
	for _, p := range doc.order {
		day := part{mid: p.mid, due: p.due}
		if p.mid == "" || p.due == calendar.None || stated[day] {
			continue
		}
		stated[day] = true
		var whole sum
		several := false
		for _, other := range doc.order {
			if other.mid != p.mid || other.due != p.due {
				continue
			}
			several = several || other.currency != p.currency
			s := doc.parts[other]
			whole.count += s.count
			whole.total, whole.overflow = s.total, whole.overflow || s.overflow
		}
		if several {
			p.currency = money.Currency{}
		}
		if !whole.overflow {
			declareFile(out, line, sourceOf(p), p, &whole, known(p))
		}
	}
}

// declareFile states the settlement.file of one merchant and due day. Lines of
// several currencies have a count and no total.
func declareFile(out *format.Out, line int, source string, p part, s *sum, known dated) {
	d := out.Begin(evidence.SettlementFile)
	d.SetSource(source)
	d.SetTime(known.at, known.offset)
	err := firstError(
		d.PutString(evidence.MID, p.mid),
		d.PutDate(evidence.Date, p.due),
		d.PutInt(evidence.Count, s.count),
	)
	if p.currency != (money.Currency{}) {
		err = firstError(err, d.PutInt(evidence.Total, s.total), d.PutString(evidence.CurrencyField, p.currency.String()))
	}
	if err != nil {
		out.Reject(line, fault.Reason(err))
		return
	}
	d.HashID([]byte("settlement.file " + p.mid + " " + p.due.String()))
	out.Commit(d, line)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// totals compares what a file states of itself with its rows; all that differs
// is told at once.
type totals struct {
	differ fault.Text
}

// compare notes one total.
func (t *totals) compare(what fault.Text, stated, counted string) {
	if stated != counted {
		t.differ = t.differ.And(fault.Say("%s %s stated, %s read", "%s文件写 %s，实读 %s", what, stated, counted))
	}
}

// unreadable notes a total that is no number.
func (t *totals) unreadable(what fault.Text) {
	t.differ = t.differ.And(fault.Say("%s cannot be read", "%s无法读取", what))
}

// amount notes a total in major units.
func (t *totals) amount(what fault.Text, stated string, c money.Currency, counted int64) {
	n, _, err := money.ParseDecimalRound(stated, c.Exponent(), money.Point)
	if err != nil {
		t.unreadable(what)
		return
	}
	t.compare(what, money.Format(n, c), money.Format(counted, c))
}

// count notes a number of rows, which is at times written as a decimal (20.0).
func (t *totals) count(what fault.Text, stated string, counted int64) {
	whole, fraction, _ := strings.Cut(stated, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0") != "" {
		t.unreadable(what)
		return
	}
	t.compare(what, strconv.FormatInt(n, 10), strconv.FormatInt(counted, 10))
}

// agree tells what differs, and reports whether nothing does.
func (t *totals) agree(out *format.Out, line int) bool {
	if t.differ.None() {
		return true
	}
	out.Warn(line, fault.Say("totals differ: %s; rows are missing or the file was changed: get it again from its sender", "合计不符：%s；有行缺失或文件被改动，请向发送方重新索取", t.differ))
	return false
}
