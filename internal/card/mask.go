package card

const (
	minDigits = 13 // a full card number has 13 to 19 digits
	maxDigits = 19
	shown     = 6 // digits that a masked number shows at its beginning
	tail      = 4 // and at its end
)

// IsMasked reports whether s is a card number as the evidence carries it: the
// first six digits, one or more stars, the last four (622202******1234).
func IsMasked(s string) bool {
	n := len(s)
	if n < shown+1+tail {
		return false
	}
	for i := 0; i < n; i++ {
		if i < shown || i >= n-tail {
			if s[i]-'0' > 9 {
				return false
			}
		} else if s[i] != '*' {
			return false
		}
	}
	return true
}

// First6 returns the first six digits of a masked card number, or "".
func First6(s string) string {
	if !IsMasked(s) {
		return ""
	}
	return s[:shown]
}

// Last4 returns the last four digits of a masked card number, or "".
func Last4(s string) string {
	if !IsMasked(s) {
		return ""
	}
	return s[len(s)-tail:]
}

// Normalize brings a masked card number as files write it to the form of
// IsMasked: 622280*********0000, 6222 80** **** 0000, 622280xxxxxx0000,
// 62228012****0000. The stars stand for as many digits as were hidden; where
// the text does not count them (622280...0000) they are six. Further digits
// that the source showed are hidden. ok is false for all that shows less than
// six and four, and for a full card number, which no caller should hold.
func Normalize(s string) (masked string, ok bool) {
	if IsMasked(s) {
		return s, true
	}
	var digits [maxDigits]byte // of both ends, in order
	head, total, hidden := -1, 0, 0
	counted := true
	n := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			if n == len(digits) {
				return "", false
			}
			digits[n] = byte(r)
			n++
			total++
			continue
		case r == ' ' || r == '-' || r == '\t' || r == '\'' || r == '`' || r == '\u00a0':
			continue
		case r == '*' || r == 'x' || r == 'X' || r == '#' || r == '•' || r == '●' || r == '×' || r == '\uff0a':
			hidden++
			total++
		case r == '.' || r == '·' || r == '_' || r == '…':
			hidden++
			counted = false
		default:
			return "", false
		}
		switch {
		case head < 0:
			head = n
		case head != n:
			return "", false // digits between two hidden parts
		}
	}
	if hidden == 0 || head < shown || n-head < tail {
		return "", false
	}
	stars := 6
	if counted {
		stars = total - shown - tail
		if total > maxDigits+tail {
			return "", false
		}
	}
	out := make([]byte, 0, maxDigits+tail)
	out = append(out, digits[:shown]...)
	for range stars {
		out = append(out, '*')
	}
	out = append(out, digits[n-tail:n]...)
	return string(out), true
}

// IsPAN reports whether all of s, space around it aside, is a full card
// number: 13–19 digits, plain or in groups as MaskText knows them, that pass
// Luhn and begin with a card network's range.
func IsPAN(s string) bool {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	from, to, _, ok := find(s, 0)
	return ok && from == 0 && to == len(s)
}

// MaskText hides every full card number in free text: first six, stars, last
// four. It returns s itself, without allocating, when there is none.
//
// A card number is a whole run of 13–19 digits that passes Luhn and begins with
// a network's range; longer runs (order numbers, 28-digit references) are left
// alone. Grouped numbers are hidden too, without their separators, when single
// spaces or hyphens part them as on the face of a card: 4-4-4-4 with up to three
// more digits, 4-6-5, 4-6-4, 6-13. Other groupings are more often dates, phone
// numbers and columns of figures.
func MaskText(s string) (masked string, found bool) {
	from, to, d, ok := find(s, 0)
	if !ok {
		return s, false
	}
	out := make([]byte, 0, len(s)+8)
	done := 0
	for ok {
		out = append(out, s[done:from]...)
		out = appendMasked(out, d.bytes())
		done = to
		from, to, d, ok = find(s, to)
	}
	return string(append(out, s[done:]...)), true
}

// MaskBytes is MaskText over bytes; b itself is returned where nothing was
// found, and never changed.
func MaskBytes(b []byte) (masked []byte, found bool) {
	from, to, d, ok := find(b, 0)
	if !ok {
		return b, false
	}
	out := make([]byte, 0, len(b)+8)
	done := 0
	for ok {
		out = append(out, b[done:from]...)
		out = appendMasked(out, d.bytes())
		done = to
		from, to, d, ok = find(b, to)
	}
	return append(out, b[done:]...), true
}

func appendMasked(dst, digits []byte) []byte {
	dst = append(dst, digits[:shown]...)
	for range len(digits) - shown - tail {
		dst = append(dst, '*')
	}
	return append(dst, digits[len(digits)-tail:]...)
}

// number is a card number's digits, without separators.
type number struct {
	digits [maxDigits]byte
	n      int
}

func (d *number) bytes() []byte { return d.digits[:d.n] }

func (d *number) isPAN() bool {
	return d.n >= minDigits && network(&d.digits) != "" && luhn(d.bytes())
}

type text interface{ ~string | ~[]byte }

// find returns the first card number in s at or after start.
//
// No card number is shorter than minDigits, and it consists of digits and
// single separators; so a look at every thirteenth byte passes over most text.
func find[T text](s T, start int) (from, to int, d number, ok bool) {
	i := start // no number begins before i
	for i+minDigits <= len(s) {
		probe := i + minDigits - 1
		if c := s[probe]; c-'0' > 9 && c != ' ' && c != '-' {
			i = probe + 1
			continue
		}
		// Back to where the stretch of digits and separators around the
		// probe begins.
		j := probe
		for j > i && partOf(s[j-1]) {
			j--
		}
		end := probe + 1
		for end < len(s) && partOf(s[end]) {
			end++
		}
		if end-j >= minDigits {
			for k := j; k < end; {
				if s[k]-'0' > 9 {
					k++
					continue
				}
				if to, d, ok := at(s, k, end); ok {
					return k, to, d, true
				}
				for k < end && s[k]-'0' <= 9 {
					k++
				}
			}
		}
		i = end
	}
	return 0, 0, number{}, false
}

func partOf(c byte) bool { return c-'0' <= 9 || c == ' ' || c == '-' }

// at reads a card number that begins with the run of digits at s[k].
func at[T text](s T, k, end int) (to int, d number, ok bool) {
	var groups [5]int // lengths of up to five groups of digits
	n := 0
	var sep byte
	i := k
	for n < len(groups) {
		first := i
		for i < end && s[i]-'0' <= 9 {
			if d.n < maxDigits {
				d.digits[d.n] = s[i]
			}
			d.n++
			i++
		}
		groups[n] = i - first
		n++
		if d.n > maxDigits {
			return 0, d, false
		}
		if n == 1 && d.n >= minDigits {
			return i, d, d.isPAN()
		}
		if n > 1 && embossed(groups[:n]) && d.isPAN() {
			// The longest grouping wins: 4-4-4-4-3 before 4-4-4-4.
			to, ok = i, true
			if long, more, fits := extend(s, i, end, sep, d, groups[:n]); fits {
				to, d = long, more
			}
			return to, d, ok
		}
		if i+1 >= end || s[i] != ' ' && s[i] != '-' || sep != 0 && s[i] != sep || s[i+1]-'0' > 9 {
			return 0, d, false
		}
		sep = s[i]
		i++
	}
	return 0, d, false
}

// extend tries one more group after an embossed number.
func extend[T text](s T, i, end int, sep byte, d number, groups []int) (to int, more number, ok bool) {
	if i+1 >= end || s[i] != sep || s[i+1]-'0' > 9 || len(groups) == 5 {
		return 0, d, false
	}
	i++
	size := 0
	for i < end && s[i]-'0' <= 9 {
		if d.n >= maxDigits {
			return 0, d, false
		}
		d.digits[d.n] = s[i]
		d.n++
		i++
		size++
	}
	var all [5]int
	n := copy(all[:], groups)
	all[n] = size
	return i, d, embossed(all[:n+1]) && d.isPAN()
}

// embossed reports whether digits are parted as on the face of a card.
func embossed(g []int) bool {
	switch len(g) {
	case 2:
		return g[0] == 6 && g[1] == 13
	case 3:
		return g[0] == 4 && g[1] == 6 && (g[2] == 5 || g[2] == 4)
	case 4:
		return g[0] == 4 && g[1] == 4 && g[2] == 4 && g[3] == 4
	case 5:
		return g[0] == 4 && g[1] == 4 && g[2] == 4 && g[3] == 4 && g[4] <= 3
	}
	return false
}
