package evidence

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// Word is a short string in eight bytes, made by [Words]. Two words of the same
// Words are equal exactly when their strings are; the zero Word is the empty
// string. Payment keys are digits or a few letters, so nearly all of them fit
// into the word itself and cost neither memory nor a look-up; the rest are
// numbers of strings kept once. Words hold no pointers: millions of facts are
// nothing to the garbage collector.
type Word uint64

// The four high bits say how the other sixty are read.
const (
	formDigits   = 1 // up to 16 digits: value in 54 bits, length in 6
	formSixBit   = 2 // up to 9 characters of sixBit: 54 bits, length in 6
	formHash     = 3 // 15 lower-case hex digits that begin with a to f
	formPAN      = 4 // six digits, stars, four digits
	formInterned = 5 // number of a kept string: shard in 6 bits, index above
)

const (
	formShift = 60
	lenShift  = 54
	valueMask = 1<<54 - 1
	shardBits = 6
)

const sixBit = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"

var sixBitValue = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xff
	}
	for i := 0; i < len(sixBit); i++ {
		t[sixBit[i]] = uint8(i)
	}
	return t
}()

// Words keeps the strings that do not fit into a Word. It is safe for use by
// several goroutines.
type Words struct {
	seed   maphash.Seed
	shards [1 << shardBits]wordShard
	// settled tells that nobody adds strings, so that they are read without
	// locks: reading begins when writing is done, see Set.
	settled atomic.Bool
}

type wordShard struct {
	mu    sync.Mutex
	table []uint32 // open addressing: index+1 into spans, above it a byte of its hash
	spans [][]span // blocks of spanBlock
	n     int      // strings kept
	text  [][]byte // blocks of kept bytes
}

const (
	indexBits = 24 // 64 shards of 16 million strings
	indexMask = 1<<indexBits - 1
)

type span struct {
	block, off, length uint32
	hash               uint32 // to find its place again when the table grows
}

const (
	wordBlock = 1 << 16
	spanBits  = 8
	spanBlock = 1 << spanBits
)

// NewWords makes an empty store of strings.
func NewWords() *Words { return &Words{seed: maphash.MakeSeed()} }

// settle says that reading begins: until the next string is added, strings are
// read without locks.
func (ws *Words) settle() { ws.settled.Store(true) }

// stir says that strings may be added again.
func (ws *Words) stir() { ws.settled.Store(false) }

// Of gives the Word of a string.
func (ws *Words) Of(s []byte) Word {
	if w, ok := packed(s); ok {
		return w
	}
	return ws.intern(s, maphash.Bytes(ws.seed, s))
}

// OfString gives the Word of a string.
func (ws *Words) OfString(s string) Word { return ws.Of([]byte(s)) }

// Find gives the Word of a string without keeping it; false when no fact has
// ever used it.
func (ws *Words) Find(s string) (Word, bool) {
	b := []byte(s)
	if w, ok := packed(b); ok {
		return w, true
	}
	h := maphash.Bytes(ws.seed, b)
	n := h & (1<<shardBits - 1)
	sh := &ws.shards[n]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i, _, ok := sh.find(b, h); ok {
		return internedWord(n, i), true
	}
	return 0, false
}

// HashWord makes the Word of a 60-bit hash: fifteen hex digits, the first of
// them a to f so that it is never taken for a number.
func HashWord(h uint64) Word {
	top := 10 + (h>>56&15)%6
	return Word(formHash<<formShift | top<<56 | h&(1<<56-1))
}

// packed gives the Word of a string that fits into it.
func packed(s []byte) (Word, bool) {
	n := len(s)
	if n == 0 {
		return 0, true
	}
	if n > 26 {
		return 0, false
	}
	if n <= 16 {
		if v, ok := digitsValue(s); ok {
			return digitsWord(n, v), true
		}
	}
	if n <= 9 {
		v := uint64(0)
		for _, c := range s {
			d := sixBitValue[c]
			if d == 0xff {
				return 0, false
			}
			v = v<<6 | uint64(d)
		}
		return Word(formSixBit<<formShift | uint64(n)<<lenShift | v), true
	}
	if n == 15 && s[0] >= 'a' && s[0] <= 'f' {
		v := uint64(0)
		for _, c := range s {
			switch {
			case c-'0' <= 9:
				v = v<<4 | uint64(c-'0')
			case c-'a' <= 5:
				v = v<<4 | uint64(c-'a'+10)
			default:
				return 0, false
			}
		}
		return Word(formHash<<formShift | v), true
	}
	return packedPAN(s)
}

func digitsWord(n int, v uint64) Word {
	return Word(formDigits<<formShift | uint64(n)<<lenShift | v)
}

// digitsValue gives the value of one to sixteen digits; false for other text.
func digitsValue(s []byte) (uint64, bool) {
	n := len(s)
	if n < 8 {
		x := shortWord(s) ^ zeros>>(64-8*n)
		return eightDigits(x << (64 - 8*n)), (x+0x76*ones|x)&highs == 0
	}
	x := binary.LittleEndian.Uint64(s) ^ zeros
	y := binary.LittleEndian.Uint64(s[n-8:]) ^ zeros
	if ((x+0x76*ones)|x|(y+0x76*ones)|y)&highs != 0 {
		return 0, false
	}
	// The last eight bytes overlap the first; only what is new counts.
	k := n - 8
	return eightDigits(x)*powers[k] + eightDigits(y)%powers[k], true
}

// packedPAN packs a masked card number: first six, stars, last four.
func packedPAN(s []byte) (Word, bool) {
	n := len(s)
	stars := n - 10
	if stars < 1 || s[6] != '*' {
		return 0, false
	}
	first, last := uint64(0), uint64(0)
	for i, c := range s {
		switch {
		case i < 6 && c-'0' <= 9:
			first = first*10 + uint64(c-'0')
		case i >= n-4 && c-'0' <= 9:
			last = last*10 + uint64(c-'0')
		case i >= 6 && i < n-4 && c == '*':
		default:
			return 0, false
		}
	}
	return Word(formPAN<<formShift | uint64(stars)<<34 | first<<14 | last), true
}

// intern keeps a string, of which the hash is given.
func (ws *Words) intern(s []byte, h uint64) Word {
	n := h & (1<<shardBits - 1)
	sh := &ws.shards[n]
	sh.mu.Lock()
	i, at, ok := sh.find(s, h)
	if !ok {
		ws.settled.Store(false)
		i = sh.add(s, uint32(h>>shardBits), at)
	}
	sh.mu.Unlock()
	return internedWord(n, i)
}

func internedWord(shard uint64, i uint32) Word {
	return Word(formInterned<<formShift | uint64(i)<<shardBits | shard)
}

// find gives the index of a string; where it is not kept, the free place of the
// table for it.
func (sh *wordShard) find(s []byte, h uint64) (i uint32, at uint64, ok bool) {
	if len(sh.table) == 0 {
		return 0, 0, false
	}
	mask, tag := uint64(len(sh.table)-1), uint32(h>>shardBits)&^indexMask
	for at = h >> shardBits & mask; sh.table[at] != 0; at = (at + 1) & mask {
		if slot := sh.table[at]; slot&^indexMask == tag {
			if i := slot&indexMask - 1; bytes.Equal(sh.bytes(i), s) {
				return i, at, true
			}
		}
	}
	return 0, at, false
}

// place finds the free place of a new string in the table.
func (sh *wordShard) place(hash uint32) uint64 {
	mask := uint64(len(sh.table) - 1)
	at := uint64(hash) & mask
	for sh.table[at] != 0 {
		at = (at + 1) & mask
	}
	return at
}

func (sh *wordShard) bytes(i uint32) []byte {
	sp := &sh.spans[i>>spanBits][i&(spanBlock-1)]
	return sh.text[sp.block][sp.off : sp.off+sp.length]
}

// add keeps a new string, at a free place of the table.
func (sh *wordShard) add(s []byte, hash uint32, at uint64) uint32 {
	if sh.n == indexMask {
		panic("evidence: more than a billion different strings")
	}
	if 4*(sh.n+1) > 3*len(sh.table) {
		sh.table = make([]uint32, max(64, 2*len(sh.table)))
		slot := uint32(0)
		for _, block := range sh.spans {
			for i := range block {
				slot++
				h := block[i].hash
				sh.table[sh.place(h)] = slot | h&^indexMask
			}
		}
		at = sh.place(hash)
	}
	last := len(sh.text) - 1
	if last < 0 || len(sh.text[last])+len(s) > cap(sh.text[last]) {
		sh.text = append(sh.text, make([]byte, 0, max(wordBlock>>max(0, 6-len(sh.text)), len(s))))
		last++
	}
	off := len(sh.text[last])
	sh.text[last] = append(sh.text[last], s...)
	if sh.n&(spanBlock-1) == 0 {
		sh.spans = append(sh.spans, make([]span, 0, spanBlock))
	}
	block := &sh.spans[sh.n>>spanBits]
	*block = append(*block, span{uint32(last), uint32(off), uint32(len(s)), hash})
	i := uint32(sh.n)
	sh.n++
	sh.table[at] = i + 1 | hash&^indexMask
	return i
}

// Append appends the string of a Word to dst.
func (ws *Words) Append(dst []byte, w Word) []byte {
	v := uint64(w)
	switch v >> formShift {
	case formDigits:
		n := int(v >> lenShift & 63)
		v &= valueMask
		if n > 8 {
			dst = appendLast(dst, digitsText(v/1e8), n-8)
			v, n = v%1e8, 8
		}
		dst = appendLast(dst, digitsText(v), n)
	case formSixBit:
		n := int(v >> lenShift & 63)
		for i := n - 1; i >= 0; i-- {
			dst = append(dst, sixBit[v>>(6*i)&63])
		}
	case formHash:
		dst = appendLast(dst, hexText(uint32(v>>28)), 8)
		dst = appendLast(dst, hexText(uint32(v&(1<<28-1))), 7)
	case formPAN:
		dst = appendLast(dst, digitsText(v>>14&(1<<20-1)), 6)
		dst = append(dst, "****************************************************************"[:v>>34&63]...)
		dst = appendLast(dst, digitsText(v&(1<<14-1)), 4)
	case formInterned:
		sh := &ws.shards[v&(1<<shardBits-1)]
		if ws.settled.Load() {
			return append(dst, sh.bytes(uint32(v&(1<<formShift-1)>>shardBits))...)
		}
		sh.mu.Lock()
		dst = append(dst, sh.bytes(uint32(v&(1<<formShift-1)>>shardBits))...)
		sh.mu.Unlock()
	}
	return dst
}

// appendLast appends the last n of eight bytes, the first of which is lowest.
func appendLast(dst []byte, x uint64, n int) []byte {
	return binary.LittleEndian.AppendUint64(dst, x>>(64-8*n))[:len(dst)+n]
}

// Text gives the string of a Word.
func (ws *Words) Text(w Word) string {
	if w == 0 {
		return ""
	}
	var buf [32]byte
	return string(ws.Append(buf[:0], w))
}

// Compare orders two Words by their strings, so that an order never depends on
// which of them was seen first.
func (ws *Words) Compare(a, b Word) int {
	if a == b {
		return 0
	}
	const form, length = uint64(15) << formShift, uint64(63) << lenShift
	x, y := uint64(a), uint64(b)
	// Digits of one length, and hashes, are in the order of their numbers.
	if x>>formShift == formDigits && x&(form|length) == y&(form|length) || x>>formShift == formHash && y>>formShift == formHash {
		if x < y {
			return -1
		}
		return 1
	}
	var p, q [32]byte
	return bytes.Compare(ws.Append(p[:0], a), ws.Append(q[:0], b))
}

// LastFour gives the last four digits of a masked card number.
func LastFour(w Word) (uint16, bool) {
	if uint64(w)>>formShift != formPAN {
		return 0, false
	}
	return uint16(w & (1<<14 - 1)), true
}

// Hash64 spreads a Word over 64 bits for hash tables.
func (w Word) Hash64() uint64 {
	h := uint64(w) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// IsDigits reports whether s is made of digits only.
func IsDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Plain reports that a Word's string is letters, digits, stars, '-' and '_'
// only, so that it needs no escaping anywhere.
func (w Word) Plain() bool { return uint64(w)>>formShift != formInterned }
