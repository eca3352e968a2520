package evidence

// recentStrings remembers strings and words that a writer has met lately, so
// that what stands in every other fact (a source, a link, "pin") is neither
// allocated nor looked up again.
type recentStrings struct {
	texts [1 << recentBits]string
	words [1 << recentBits]struct {
		text string
		word Word
	}
}

const (
	recentBits    = 8
	recentLongest = 40
)

// recentSlot mixes both ends and the length; b is not empty.
func recentSlot(b []byte) uint {
	n := len(b)
	h := uint(b[0]) + uint(b[n>>1])*31 + uint(b[n-1])*131 + uint(n)*17
	if n > 3 {
		h += uint(b[n-2])*61 + uint(b[n-3])*241
	}
	return (h ^ h>>recentBits) & (1<<recentBits - 1)
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
	if len(b) == 0 || len(b) > recentLongest {
		return w.set.Words.Of(b)
	}
	s := &w.recent.words[recentSlot(b)]
	if s.text != string(b) {
		s.word, s.text = w.set.Words.Of(b), string(b)
	}
	return s.word
}
