package evidence

import "math/bits"

// recentStrings remembers strings and words that a writer has met lately, so
// that what stands in every other fact (a source, a link, "pin") is neither
// allocated nor looked up again.
type recentStrings struct {
	texts [1 << recentBits]string
	words [1 << recentBits]recentWord
}

type recentWord struct {
	text string
	word Word
}

const (
	recentBits    = 10
	recentLongest = 40
)

// recentSlot mixes the ends and the length of b, which is not empty.
func recentSlot(b []byte) uint64 {
	head, tail := nameEnds(b)
	return ((head ^ bits.RotateLeft64(tail, 23)*mixing) * mixing) >> (64 - recentBits)
}

// text gives the string of b.
func (w *Writer) text(b []byte) string {
	if len(b) == 0 || len(b) > recentLongest {
		return string(b)
	}
	s := &w.recent.texts[recentSlot(b)]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// word gives the Word of a string that is likely to repeat.
func (w *Writer) word(b []byte) Word {
	if len(b) < 10 || len(b) > recentLongest {
		return w.set.Words.Of(b)
	}
	s := &w.recent.words[recentSlot(b)]
	if s.text != string(b) {
		s.word, s.text = w.set.Words.Of(b), string(b)
	}
	return s.word
}
