package evidence

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sync"

	"daozhang/internal/calendar"
)

// Set is all evidence of one investigation. Facts lie in chunks that are never
// moved; a FactRef names one for as long as the Set lives. Several writers may fill
// one Set at the same time, each into chunks of its own; reading begins when
// they are done.
type Set struct {
	Words *Words

	mu     sync.Mutex
	chunks []*chunk
	spare  []Fact // memory of chunks to come
	files  []string
	unread map[string]int // unknown types and how many facts had them

	// refs that lost against an equal (source, id); see Unify.
	copies    map[FactRef]bool
	conflicts [][]FactRef
}

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

// chunk is facts that one writer has added one after the other.
type chunk struct {
	facts   []Fact
	details [][]detail
	writer  *Writer
	types   uint64 // types among them, as bits
	clocks  bool   // a wrong clock among them
}

func (c *chunk) note(f *Fact) {
	c.types |= 1 << f.Type
	c.clocks = c.clocks || f.flags&wrongClock != 0
}

// NewSet makes an empty Set.
func NewSet() *Set {
	return &Set{Words: NewWords(), files: []string{""}, unread: map[string]int{}}
}

// AddFile gives a number to an input by the name to show in messages.
func (s *Set) AddFile(name string) uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, name)
	return uint16(min(len(s.files)-1, 1<<16-1))
}

// FileName gives the name of an input.
func (s *Set) FileName(n uint16) string { return s.files[n] }

// At gives the fact a FactRef names.
func (s *Set) At(r FactRef) *Fact {
	r--
	return &s.chunks[r>>chunkBits].facts[r&(chunkSize-1)]
}

// Touch brings facts near. Facts lie where they were read, so that those of one
// payment are far apart; asking for many at once lets their loads overlap. It is
// not inlined, where the loads would be seen to serve nothing and be left out.
//
//go:noinline
func (s *Set) Touch(refs []FactRef) (sum uint64) {
	for _, r := range refs {
		f := s.At(r)
		sum += uint64(f.Time) + uint64(f.MID) + uint64(f.Line) // one field of each cache line
	}
	return sum
}

// Of calls yield for each fact of a type that counts. Chunks without that type
// are passed over whole.
func (v *View) Of(t Type) func(yield func(FactRef, *Fact) bool) {
	return func(yield func(FactRef, *Fact) bool) {
		for n, c := range v.chunks {
			if c.types>>t&1 == 0 {
				continue
			}
			for i := range c.facts {
				f := &c.facts[i]
				if r := FactRef(n<<chunkBits|i) + 1; f.Type == t && v.Counts(r, f) && !yield(r, f) {
					return
				}
			}
		}
	}
}

// WrongClocks calls yield for each fact that counts whose witness's clock was
// wrong.
func (v *View) WrongClocks(yield func(FactRef, *Fact) bool) {
	for n, c := range v.chunks {
		if !c.clocks {
			continue
		}
		for i := range c.facts {
			f := &c.facts[i]
			if r := FactRef(n<<chunkBits|i) + 1; f.WrongClock() && v.Counts(r, f) && !yield(r, f) {
				return
			}
		}
	}
}

// Part calls yield for each fact that counts in the n-th of several parts of
// the evidence, so that the parts can be gone through side by side.
func (v *View) Part(n, of int) func(yield func(FactRef, *Fact) bool) {
	return func(yield func(FactRef, *Fact) bool) {
		for at := n * len(v.chunks) / of; at < (n+1)*len(v.chunks)/of; at++ {
			c := v.chunks[at]
			for i := range c.facts {
				f := &c.facts[i]
				if r := FactRef(at<<chunkBits|i) + 1; v.Counts(r, f) && !yield(r, f) {
					return
				}
			}
		}
	}
}

// Len counts the facts kept, repeated ones included.
func (s *Set) Len() int {
	n := 0
	for _, c := range s.chunks {
		n += len(c.facts)
	}
	return n
}

// All calls yield for every fact, repeated ones included, until it says false.
func (s *Set) All(yield func(FactRef, *Fact) bool) {
	for n, c := range s.chunks {
		for i := range c.facts {
			if !yield(FactRef(n<<chunkBits|i)+1, &c.facts[i]) {
				return
			}
		}
	}
}

// From calls yield for every fact that was read from an input, by its number.
func (s *Set) From(file uint16) func(yield func(FactRef, *Fact) bool) {
	return func(yield func(FactRef, *Fact) bool) {
		for n, c := range s.chunks {
			if c.writer.file != file && !c.writer.moved {
				continue
			}
			for i := range c.facts {
				if f := &c.facts[i]; f.File == file && !yield(FactRef(n<<chunkBits|i)+1, f) {
					return
				}
			}
		}
	}
}

func (s *Set) newChunk(w *Writer) (*chunk, FactRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chunk{facts: s.slab(), writer: w}
	s.chunks = append(s.chunks, c)
	return c, FactRef((len(s.chunks) - 1) << chunkBits)
}

func (s *Set) details(r FactRef) []detail {
	c := s.chunks[(r-1)>>chunkBits]
	if m := c.facts[(r-1)&(chunkSize-1)].more; m != 0 {
		return c.details[m-1]
	}
	return nil
}

// Text gives a field's string; "" where the fact does not have it. Fields that
// are numbers, dates and instants are read by Num, lists by List.
func (s *Set) Text(r FactRef, f Field) string {
	fact := s.At(r)
	if w := fact.word(f); w != nil {
		return s.Words.Text(*w)
	}
	for _, d := range s.details(r) {
		if d.field == f {
			return d.text
		}
	}
	return ""
}

// Num gives a field's number: a count, minor units, a calendar.Date or an
// Instant, as the field's meaning is; false where the fact does not have it.
func (s *Set) Num(r FactRef, f Field) (int64, bool) {
	for _, d := range s.details(r) {
		if d.field == f {
			return d.num, true
		}
	}
	return 0, false
}

// DateAt gives a date field from the details, such as value_date.
func (s *Set) DateAt(r FactRef, f Field) (calendar.Date, bool) {
	n, ok := s.Num(r, f)
	return calendar.Date(n), ok
}

// List gives the strings of a list field.
func (s *Set) List(r FactRef, f Field) []string {
	var out []string
	for _, d := range s.details(r) {
		if d.field == f {
			out = append(out, d.text)
		}
	}
	return out
}

// Name gives the "source#id" by which answers point at a fact.
func (s *Set) Name(r FactRef) string {
	f := s.At(r)
	b := s.Words.Append(nil, f.Source)
	b = append(b, '#')
	return string(s.Words.Append(b, f.ID))
}

// UnknownTypes gives the types this version does not know and how many facts
// had each.
func (s *Set) UnknownTypes() map[string]int { return s.unread }

// Unify finds facts with the same source and id. Copies with the same content
// become one fact, known at the earliest recordedtime; different content is a
// conflict, kept for View to decide. It is called once, after reading.
func (s *Set) Unify() {
	s.Words.settle()
	s.copies = map[FactRef]bool{}
	s.conflicts = nil
	doubtful, n := s.doubtful()
	table := newRefTable(n)
	groups := map[FactRef][]FactRef{} // first fact of the pair → all of them
	for r, f := range doubtful {
		h := f.Source.Hash64()*31 + f.ID.Hash64()
		if first := table.findOrAdd(h, r, func(o FactRef) bool {
			g := s.At(o)
			return g.Source == f.Source && g.ID == f.ID
		}); first != r {
			if groups[first] == nil {
				groups[first] = []FactRef{first}
			}
			groups[first] = append(groups[first], r)
		}
	}
	firsts := make([]FactRef, 0, len(groups))
	for first := range groups {
		firsts = append(firsts, first)
	}
	slices.Sort(firsts)
	for _, first := range firsts {
		group := groups[first]
		slices.SortFunc(group, s.compareKnown)
		versions := group[:1:1]
		byContent := map[[32]byte]FactRef{}
		for _, r := range group[1:] {
			if s.identical(versions[0], r) {
				s.copies[r] = true
				continue
			}
			if len(byContent) == 0 {
				byContent[s.ContentHash(versions[0])] = versions[0]
			}
			sum := s.ContentHash(r)
			if _, seen := byContent[sum]; seen {
				s.copies[r] = true
				continue
			}
			byContent[sum] = r
			versions = append(versions, r)
		}
		if len(versions) > 1 {
			versions = versions[:0]
			for _, sum := range slices.SortedFunc(maps.Keys(byContent), func(x, y [32]byte) int { return bytes.Compare(x[:], y[:]) }) {
				versions = append(versions, byContent[sum])
			}
			s.conflicts = append(s.conflicts, versions)
		}
	}
}

// doubtful gives the facts whose source and id may stand again, and how many
// they are. The rows of a document have ids that differ within it, so what was
// read from one file only needs no look.
func (s *Set) doubtful() (facts func(func(FactRef, *Fact) bool), count int) {
	const several = ^uint16(0)
	writers := map[*Writer]bool{} // has a source that may stand again
	for _, c := range s.chunks {
		writers[c.writer] = false
	}
	readFrom := map[Word]uint16{}
	for w := range writers {
		for source, given := range w.sources {
			if file, ok := readFrom[source]; given || ok && file != w.file {
				readFrom[source] = several
			} else {
				readFrom[source] = w.file
			}
		}
	}
	for w := range writers {
		for source := range w.sources {
			if readFrom[source] == several {
				writers[w] = true
				break
			}
		}
	}
	for _, c := range s.chunks {
		if writers[c.writer] {
			count += len(c.facts)
		}
	}
	return func(yield func(FactRef, *Fact) bool) {
		for n, c := range s.chunks {
			if !writers[c.writer] {
				continue
			}
			for i := range c.facts {
				if !yield(FactRef(n<<chunkBits|i)+1, &c.facts[i]) {
					return
				}
			}
		}
	}, count
}

// compareKnown orders facts by the moment from which each counts, so that the
// first of several copies is the one whose recordedtime stands; then by the
// place where they were read.
func (s *Set) compareKnown(a, b FactRef) int {
	f, g := s.At(a), s.At(b)
	return cmp.Or(cmp.Compare(f.KnownAt(), g.KnownAt()), cmp.Compare(f.Recorded, g.Recorded),
		cmp.Compare(f.File, g.File), cmp.Compare(f.Line, g.Line), cmp.Compare(a, b))
}

// identical reports whether two facts are kept alike but for what is no content:
// then they need not be hashed to be known as copies.
func (s *Set) identical(a, b FactRef) bool {
	f, g := *s.At(a), *s.At(b)
	for _, p := range []*Fact{&f, &g} {
		p.File, p.Line, p.Recorded, p.more = 0, 0, 0, 0
	}
	if f != g {
		return false
	}
	beside := func(d detail) bool { return d.field == recordedText || d.field == extension }
	x, y := s.details(a), s.details(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] && !(beside(x[i]) && x[i].field == y[i].field) {
			return false
		}
	}
	return true
}

// Conflicts gives the groups of facts that share source and id but not content,
// each in order of the hash of their content: of those known, the first stands.
func (s *Set) Conflicts() [][]FactRef { return s.conflicts }

// refTable is a hash table of refs by open addressing.
type refTable struct {
	slots []FactRef
	mask  uint64
}

func newRefTable(n int) *refTable {
	size := 16
	for size < n+n/2 {
		size *= 2
	}
	return &refTable{slots: make([]FactRef, size), mask: uint64(size - 1)}
}

func (t *refTable) findOrAdd(h uint64, r FactRef, same func(FactRef) bool) FactRef {
	h ^= h >> 32
	for at := h & t.mask; ; at = (at + 1) & t.mask {
		switch o := t.slots[at]; {
		case o == 0:
			t.slots[at] = r
			return r
		case same(o):
			return o
		}
	}
}

// View is the evidence known at one moment.
type View struct {
	*Set
	AsOf   Instant
	hidden map[FactRef]bool
}

// Known gives the View of the Set at a moment. Unify has been called before.
func (s *Set) Known(asOf Instant) *View {
	v := &View{Set: s, AsOf: asOf, hidden: s.copies}
	if len(s.conflicts) == 0 {
		return v
	}
	v.hidden = make(map[FactRef]bool, len(s.copies)+len(s.conflicts))
	for r := range s.copies {
		v.hidden[r] = true
	}
	for _, versions := range s.conflicts {
		stands := false
		for _, r := range versions {
			if stands {
				v.hidden[r] = true
			} else if s.At(r).KnownAt() <= asOf {
				stands = true
			}
		}
	}
	return v
}

// Counts reports whether a fact is known at the View's moment and stands.
func (v *View) Counts(r FactRef, f *Fact) bool {
	return f.Time <= v.AsOf && f.Recorded <= v.AsOf && (len(v.hidden) == 0 || !v.hidden[r])
}

// Facts calls yield for each fact that counts.
func (v *View) Facts(yield func(FactRef, *Fact) bool) {
	for r, f := range v.All {
		if v.Counts(r, f) && !yield(r, f) {
			return
		}
	}
}

// word gives the place of a field that lies in the struct as a Word.
func (f *Fact) word(field Field) *Word {
	switch field {
	case MID:
		return &f.MID
	case TID:
		return &f.TID
	case Batch:
		return &f.Batch
	case STAN:
		return &f.STAN
	case RRN:
		return &f.RRN
	case AuthCode:
		return &f.AuthCode
	case OrderID:
		return &f.OrderID
	case Ref:
		return &f.Ref
	case PAN:
		return &f.PAN
	case Payout:
		return &f.Payout
	case Network:
		return &f.Network
	case Issuer:
		return &f.Issuer
	}
	return nil
}

// Moment gives a field that is a date or an instant: the instant, or the date
// with isDate; false where the fact does not have it.
func (s *Set) Moment(r FactRef, f Field) (at Instant, date calendar.Date, isDate, ok bool) {
	for _, d := range s.details(r) {
		if d.field == f {
			if d.text == momentIsDate {
				return 0, calendar.Date(d.num), true, true
			}
			return Instant(d.num), 0, false, true
		}
	}
	return 0, 0, false, false
}

// CompareTime orders facts by time, then id, then source: an order that does
// not depend on when each arrived.
func (s *Set) CompareTime(a, b FactRef) int {
	if a == b {
		return 0
	}
	f, g := s.At(a), s.At(b)
	switch {
	case f.Time != g.Time:
		if f.Time < g.Time {
			return -1
		}
		return 1
	case f.ID != g.ID:
		return s.Words.Compare(f.ID, g.ID)
	default:
		return s.Words.Compare(f.Source, g.Source)
	}
}
