package evidence

import (
	"encoding/binary"
	"math/bits"
)

// nameTable finds a few fixed names in one step: a name is known by its first
// and its last eight bytes and its length, and a multiplier found at start
// gives each a slot of its own.
type nameTable struct {
	slots      []uint8 // index into entries, of which the first is none
	entries    []nameEntry
	multiplier uint64
	shift      uint8
}

type nameEntry struct {
	head, tail uint64
	length     uint32
	value      uint8
	name       string
}

const mixing = 0x9e3779b97f4a7c15

func newNameTable(names map[string]uint8) *nameTable {
	size := bits.Len(uint(len(names) * 16))
	t := &nameTable{multiplier: mixing, shift: uint8(64 - size)}
	for {
		t.slots, t.entries = make([]uint8, 1<<size), make([]nameEntry, 1, len(names)+1)
		if t.fill(names) {
			return t
		}
		t.multiplier += 0x2545f4914f6cdd1e
	}
}

func (t *nameTable) fill(names map[string]uint8) bool {
	for name, value := range names {
		if name == "" {
			continue
		}
		head, tail := nameEnds([]byte(name))
		h := t.slot(head, tail)
		if t.slots[h] != 0 {
			return false
		}
		t.slots[h] = uint8(len(t.entries))
		t.entries = append(t.entries, nameEntry{head, tail, uint32(len(name)), value, name})
	}
	return true
}

func (t *nameTable) slot(head, tail uint64) uint64 {
	return (head ^ bits.RotateLeft64(tail, 23)*mixing) * t.multiplier >> t.shift
}

// find gives the value of a name, 0 for an unknown one.
func (t *nameTable) find(b []byte) uint8 {
	head, tail := nameEnds(b)
	e := &t.entries[t.slots[t.slot(head, tail)]]
	if e.head == head && e.tail == tail && e.length == uint32(len(b)) && (e.length <= 16 || e.name == string(b)) {
		return e.value
	}
	return 0
}

// ends gives the value of a name of n bytes, at most sixteen, by its ends.
func (t *nameTable) ends(head, tail uint64, n int) uint8 {
	if e := &t.entries[t.slots[t.slot(head, tail)]]; e.head == head && e.tail == tail && e.length == uint32(n) {
		return e.value
	}
	return 0
}

// nameEnds gives the first eight bytes of a name and the last eight; of a
// shorter one all of it and 0.
func nameEnds(b []byte) (head, tail uint64) {
	n := len(b)
	if n >= 8 {
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	}
	return shortWord(b), 0
}

// shortWord gives up to seven bytes as a number, the first lowest.
func shortWord(b []byte) uint64 {
	n := len(b)
	switch {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(b[0]) | uint64(b[n>>1])<<(8*(n>>1)) | uint64(b[n-1])<<(8*(n-1))
	}
	return 0
}

// pattern is a name as it stands in the text, with its quotes and colon.
type pattern struct {
	text, mask [3]uint64
	length     uint8
}

var patterns = func() (p [fieldCount]pattern) {
	for f := range p {
		p[f].text[0] = 1 // no name begins so
		if name := fields[f].name; name != "" {
			text := `"` + name + `":`
			var b, mask [3 * 8]byte
			for i := range copy(b[:], text) {
				mask[i] = 0xff
			}
			for i := range p[f].text {
				p[f].text[i] = binary.LittleEndian.Uint64(b[8*i:])
				p[f].mask[i] = binary.LittleEndian.Uint64(mask[8*i:])
			}
			p[f].length = uint8(len(text))
		}
	}
	return p
}()

// matches reports whether b, of at least 24 bytes, begins with the pattern.
func (p *pattern) matches(b []byte) bool {
	_ = b[23]
	return (binary.LittleEndian.Uint64(b)&p.mask[0]^p.text[0])|
		(binary.LittleEndian.Uint64(b[8:])&p.mask[1]^p.text[1])|
		(binary.LittleEndian.Uint64(b[16:])&p.mask[2]^p.text[2]) == 0
}

// shortName looks at the name that begins at the position and gives its ends,
// as nameEnds does, and its length; 0 for one that is longer than any field's.
// A name with escapes gives ends that no field has.
func (s *scanner) shortName() (head, tail uint64, n int) {
	b := s.buf[s.pos+1:]
	x := binary.LittleEndian.Uint64(b)
	q := x ^ quotes
	if m := (q - ones) &^ q & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
		return x & (1<<(8*n) - 1), 0, n
	}
	q = binary.LittleEndian.Uint64(b[8:]) ^ quotes
	if m := (q - ones) &^ q & highs; m != 0 {
		n = 8 + bits.TrailingZeros64(m)>>3
	} else if b[16] == '"' {
		n = 16
	} else {
		return 0, 0, 0
	}
	return x, binary.LittleEndian.Uint64(b[n-8:]), n
}
