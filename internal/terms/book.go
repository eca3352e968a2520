package terms

import (
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Book holds the terms of all merchants as known at one moment.
type Book struct {
	byMID     map[evidence.Word][]*Terms // in order of ValidFrom
	holds     map[evidence.Word]*Terms   // what is assumed, per merchant
	overrides map[string]map[calendar.Date]bool
	calendars map[string]*calendar.Calendar // as overridden; nil for unknown names
	// Problems are what could not be understood, by fact.
	Problems []Problem
}

// Problem says what in a fact could not be understood, and what to do.
type Problem struct {
	Fact evidence.FactRef
	Why  fault.Text
}

// Read gathers the terms and holidays of a view. Of two holiday facts for one
// date the later one holds.
func Read(v *evidence.View) *Book {
	var terms, holidays []evidence.FactRef
	for r := range v.Of(evidence.MerchantTerms) {
		terms = append(terms, r)
	}
	for r := range v.Of(evidence.CalendarHoliday) {
		holidays = append(holidays, r)
	}
	return ReadFacts(v, terms, holidays)
}

// ReadFacts is Read of these facts, the merchant.terms and the calendar.holiday
// that count.
func ReadFacts(v *evidence.View, terms, holidays []evidence.FactRef) *Book {
	b := &Book{byMID: map[evidence.Word][]*Terms{}, holds: map[evidence.Word]*Terms{}, overrides: map[string]map[calendar.Date]bool{}, calendars: map[string]*calendar.Calendar{}}
	slices.SortFunc(holidays, v.CompareTime)
	for _, r := range holidays {
		name := calendarName(v.Text(r, evidence.CalendarField))
		if b.overrides[name] == nil {
			b.overrides[name] = map[calendar.Date]bool{}
		}
		b.overrides[name][v.At(r).Date] = v.At(r).State == evidence.Workday
	}
	b.state(v, terms)
	return b
}

// state takes merchant.terms facts of merchants that have none in the book yet.
func (b *Book) state(v *evidence.View, terms []evidence.FactRef) {
	slices.SortFunc(terms, v.CompareTime)
	stated := map[evidence.Word]bool{}
	for _, r := range terms {
		t, problems := parse(v.Set, r, b.Calendar)
		for _, why := range problems {
			b.Problems = append(b.Problems, Problem{r, why})
		}
		t.settle()
		b.byMID[t.MID] = append(b.byMID[t.MID], t)
		stated[t.MID] = true
	}
	for mid := range stated {
		slices.SortStableFunc(b.byMID[mid], func(x, y *Terms) int { return int(x.ValidFrom) - int(y.ValidFrom) })
	}
}

// Calendar gives a calendar by name with the holidays that facts state; false
// for a name that is neither built in nor stated. It is not for several
// goroutines at once.
func (b *Book) Calendar(name string) (*calendar.Calendar, bool) {
	name = calendarName(name)
	if c, ok := b.calendars[name]; ok {
		return c, c != nil
	}
	c, ok := calendar.Builtin(name)
	overrides := b.overrides[name]
	if !ok && overrides != nil {
		c, _ = calendar.Builtin("WEEKEND")
		ok = true
	}
	if ok && overrides != nil {
		c = c.With(overrides)
	}
	if !ok {
		c = nil
	}
	b.calendars[name] = c
	return c, ok
}

func calendarName(name string) string {
	name = strings.ToUpper(name)
	if name == "T2" || name == "TARGET" {
		return "TARGET2"
	}
	return name
}

// settle computes what is read often.
func (t *Terms) settle() {
	// Zones without daylight saving, such as Asia/Shanghai today, have one
	// offset for all payments; asking the zone for each would cost more than
	// all else.
	_, winter := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).In(t.Zone).Zone()
	for year := 2000; year < 2080; year++ {
		for month := time.January; month <= time.December; month++ {
			if _, o := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).In(t.Zone).Zone(); o != winter {
				return
			}
		}
	}
	t.fixed = &winter
}

// Merchants lists the merchants with stated terms.
func (b *Book) Merchants() []evidence.Word {
	out := make([]evidence.Word, 0, len(b.byMID))
	for mid := range b.byMID {
		out = append(out, mid)
	}
	return out
}

// All gives the stated terms of a merchant in order of ValidFrom.
func (b *Book) All(mid evidence.Word) []*Terms { return b.byMID[mid] }

// At gives the terms that hold for a payment captured at a moment: the latest
// not after its business date, or what is assumed. offset is the zone of the
// payment's own fact, in minutes, used where no terms name one.
func (b *Book) At(mid evidence.Word, captured evidence.Instant, offset int16) *Terms {
	list := b.byMID[mid]
	for i := len(list) - 1; i >= 0; i-- {
		t := list[i]
		if t.ValidFrom == calendar.None || t.ValidFrom <= t.BusinessDate(captured) {
			return t
		}
	}
	return b.Assumed(mid, offset)
}

// Assume sets what is assumed for a merchant without stated terms, such as
// terms inferred from its settled history.
func (b *Book) Assume(t *Terms) {
	t.Stated = false
	t.settle()
	b.holds[t.MID] = t
}

// Prepare makes sure that something is assumed for a merchant, so that At can
// be used by several goroutines afterwards.
func (b *Book) Prepare(mid evidence.Word, offset int16) {
	if b.holds[mid] != nil {
		return
	}
	t := Assumed(mid, zoneOf(offset))
	t.Calendar, _ = b.Calendar(weekends)
	if list := b.byMID[mid]; len(list) > 0 {
		t.Account, t.Bank, t.Name, t.Zone = list[0].Account, list[0].Bank, list[0].Name, list[0].Zone
	}
	b.Assume(t)
}

// Assumed gives what is assumed for a merchant; Prepare has been called for it.
func (b *Book) Assumed(mid evidence.Word, offset int16) *Terms {
	if t := b.holds[mid]; t != nil {
		return t
	}
	t := Assumed(mid, zoneOf(offset))
	t.settle()
	return t
}

func zoneOf(offset int16) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", int(offset)*60)
}
