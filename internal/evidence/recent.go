package evidence

import "hash/maphash"

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

// text gives the string of b.
func (w *Writer) text(b []byte) string {
	if len(b) == 0 || len(b) > recentLongest {
		return string(b)
	}
	s := &w.recent.texts[maphash.Bytes(w.set.Words.seed, b)&(1<<recentBits-1)]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// word gives the Word of a string that is likely to repeat.
func (w *Writer) word(b []byte) Word {
	if word, ok := packed(b); ok {
		return word
	}
	h := maphash.Bytes(w.set.Words.seed, b)
	if len(b) > recentLongest {
		return w.set.Words.intern(b, h)
	}
	s := &w.recent.words[h&(1<<recentBits-1)]
	if s.text != string(b) {
		s.word, s.text = w.set.Words.intern(b, h), string(b)
	}
	return s.word
}
