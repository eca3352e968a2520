package evidence

import (
	"bytes"
	"slices"
)

// A Set that is read between additions: one owner adds through one Writer that
// goes on from input to input, asks Since what has come, and decides itself by
// Versions which facts count. Adding and reading never happen at the same time.

// Next makes the writer ready for another input: what it noted of the one before
// (the ordinals of equal rows) is forgotten. It goes on in the same memory.
func (w *Writer) Next(file uint16) {
	w.set.Words.stir()
	w.moved = w.moved || w.file != file
	w.file = file
	clear(w.ordinals)
	clear(w.sources)
	w.last, w.lastGiven = 0, false
}

// Mark is a moment in the filling of a Set.
type Mark struct{ chunks, own, length int }

// Mark notes what the Set holds now.
func (w *Writer) Mark() Mark {
	m := Mark{chunks: len(w.set.chunks), own: -1}
	if w.chunk != nil {
		m.own, m.length = int(w.first>>chunkBits), len(w.chunk.facts)
	}
	return m
}

// Since calls yield for each fact that has been added since a mark of the same
// writer, through it or through writers that are newer.
func (w *Writer) Since(m Mark) func(yield func(FactRef, *Fact) bool) {
	return func(yield func(FactRef, *Fact) bool) {
		each := func(n, from int) bool {
			c := w.set.chunks[n]
			for i := from; i < len(c.facts); i++ {
				if !yield(FactRef(n<<chunkBits|i)+1, &c.facts[i]) {
					return false
				}
			}
			return true
		}
		if m.own >= 0 && !each(m.own, m.length) {
			return
		}
		for n := m.chunks; n < len(w.set.chunks); n++ {
			if !each(n, 0) {
				return
			}
		}
	}
}

// Follow gives a View whose owner says with Hide which facts do not count; no
// copies have been looked for.
func (s *Set) Follow(asOf Instant) *View {
	return &View{Set: s, AsOf: asOf, hidden: map[FactRef]bool{}}
}

// Hide says that a fact does not count, or counts again. Only for a View made by
// Follow.
func (v *View) Hide(r FactRef, hidden bool) {
	if hidden {
		v.hidden[r] = true
	} else {
		delete(v.hidden, r)
	}
}

// Settle says that reading begins: until facts are added again, strings are read
// without locks.
func (v *View) Settle() { v.Words.settle() }

// Versions gives, of facts with one source and id, those that differ in content:
// of copies the one that was known first, and where there are several versions,
// in order of the hash of their content: of those known, the first stands.
func (s *Set) Versions(group []FactRef) []FactRef {
	group = slices.Clone(group)
	slices.SortFunc(group, s.compareKnown)
	type version struct {
		ref FactRef
		sum [32]byte
	}
	var versions []version
	for _, r := range group {
		if len(versions) == 1 && s.identical(versions[0].ref, r) {
			continue
		}
		sum := s.ContentHash(r)
		if !slices.ContainsFunc(versions, func(v version) bool { return v.sum == sum }) {
			versions = append(versions, version{r, sum})
		}
	}
	slices.SortFunc(versions, func(a, b version) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	out := make([]FactRef, len(versions))
	for i, v := range versions {
		out[i] = v.ref
	}
	return out
}

// ChunkSize is how many facts lie together; they are let go together too.
const ChunkSize = chunkSize

// PlaceOf gives the chunk of a fact, and its place there.
func PlaceOf(r FactRef) (chunk, at int) {
	return int((r - 1) >> chunkBits), int((r - 1) & (chunkSize - 1))
}

// Chunks counts the chunks of facts, those let go included.
func (s *Set) Chunks() int { return len(s.chunks) }

// ChunkLen counts the facts of a chunk; 0 for one let go.
func (s *Set) ChunkLen(chunk int) int { return len(s.chunks[chunk].facts) }

// Release lets the facts of a chunk go, of which the caller knows no one needs any.
// The writer's own chunk stays.
func (w *Writer) Release(chunk int) bool {
	c := w.set.chunks[chunk]
	if c == w.chunk {
		return false
	}
	c.facts, c.details, c.types, c.clocks = nil, nil, 0, false
	return true
}
