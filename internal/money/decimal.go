package money

import (
	"math"
	"unicode/utf8"

	"daozhang/internal/fault"
)

// Style says which sign separates the whole from the fraction in a text.
type Style uint8

const (
	// Auto decides by the text itself: where both point and comma occur, the
	// last one is the decimal sign; one that occurs several times groups; a
	// single point is the decimal sign; a single comma groups when one to
	// three digits other than a lone or leading zero stand before it and
	// exactly three after it ("1,234" is 1234, "0,123" and "12,5" are
	// fractions). A file whose style is known should say it.
	Auto Style = iota
	// Point is 1,234.56 (also 1 234.56 and 1'234.56).
	Point
	// Comma is 1.234,56 (also 1 234,56 and 1'234,56).
	Comma
)

// The ways in which an amount cannot be read. None repeats the text, which may
// be a card number in the wrong column; the caller adds file, line and field.
var (
	// ErrSyntax is text that is no amount.
	ErrSyntax error = fault.New(fault.Invalid, fault.Say("not an amount", "不是金额"), "", nil,
		fault.Say("write digits with at most one decimal sign, such as 1234.56; check that the column holds amounts", "请写数字，最多一个小数点，如 1234.56；并确认该列是金额"))
	// ErrPrecision is a fraction finer than the currency's minor unit.
	ErrPrecision error = fault.New(fault.Invalid, fault.Say("amount finer than the currency's minor unit", "金额比币种的最小单位更细"), "", nil,
		fault.Say("check the currency and the decimal sign of the column", "请检查币种和该列的小数点"))
	// ErrOverflow is an amount beyond ±9,223,372,036,854,775,807 minor units.
	ErrOverflow error = fault.New(fault.Invalid, fault.Say("amount too large", "金额过大"), "", nil,
		fault.Say("amounts reach to 9,223,372,036,854,775,807 minor units; check that the column holds amounts", "金额最大为 9,223,372,036,854,775,807 个最小单位；请确认该列是金额"))
)

// Text is what amounts are read from.
type Text interface{ ~string | ~[]byte }

// ParseDecimal reads an amount in major units, such as 1,234.56, and returns
// it in minor units of the given exponent. It accepts a sign before or after
// (-12.00, 12.00-, +1), accounting brackets ((12.00)), a currency symbol or
// known ISO 4217 code before or after (¥100.00, 12,00 EUR), groups of three
// digits (the Indian groups of two also), an exponent as spreadsheets write
// it (1.28E+2), and space around. Zeros beyond the minor unit are dropped;
// other digits there are ErrPrecision.
//
// Plain digits with a point or comma in the matching style take a fast path;
// no path allocates.
func ParseDecimal[T Text](text T, exponent int, style Style) (int64, error) {
	if v, ok := parsePlain(text, exponent, style); ok {
		return v, nil
	}
	v, rounded, err := parse(text, exponent, style)
	if err == nil && rounded {
		return 0, ErrPrecision
	}
	return v, err
}

// ParseDecimalRound is ParseDecimal for sources that compute finer than the
// minor unit (fees, spreadsheets): it rounds half up, away from zero for
// negative amounts, and reports whether any digit was lost.
func ParseDecimalRound[T Text](text T, exponent int, style Style) (v int64, rounded bool, err error) {
	if v, ok := parsePlain(text, exponent, style); ok {
		return v, false, nil
	}
	return parse(text, exponent, style)
}

// ParseMinor reads a whole number of minor units: an optional sign and digits.
func ParseMinor[T Text](text T) (int64, error) {
	i, neg := 0, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		i, neg = 1, text[0] == '-'
	}
	if i == len(text) {
		return 0, ErrSyntax
	}
	var v uint64
	for ; i < len(text); i++ {
		d := uint64(text[i] - '0')
		if d > 9 {
			return 0, ErrSyntax
		}
		if v > (math.MaxInt64-d)/10 {
			return 0, ErrOverflow
		}
		v = v*10 + d
	}
	return signed(v, neg), nil
}

// parsePlain reads [-]digits[.digits] of at most 18 digits after scaling; ok
// is false for whatever else, valid or not.
func parsePlain[T Text](text T, exponent int, style Style) (v int64, ok bool) {
	n := len(text)
	if n == 0 || n > 18 || uint(exponent) > 18 {
		return 0, false
	}
	i, neg := 0, false
	if text[0] == '-' {
		i, neg = 1, true
		if n == 1 {
			return 0, false
		}
	}
	mark := byte('.')
	if style == Comma {
		mark = ','
	}
	start := i
	for ; i < n; i++ {
		d := text[i] - '0'
		if d > 9 {
			break
		}
		v = v*10 + int64(d)
	}
	fraction := 0
	if i < n {
		if text[i] != mark || i == start {
			return 0, false
		}
		fraction = n - i - 1
		if fraction == 0 || fraction > exponent {
			return 0, false
		}
		for i++; i < n; i++ {
			d := text[i] - '0'
			if d > 9 {
				return 0, false
			}
			v = v*10 + int64(d)
		}
	}
	if n+exponent-fraction > 18 {
		return 0, false
	}
	for ; fraction < exponent; fraction++ {
		v *= 10
	}
	if neg {
		v = -v
	}
	return v, true
}

// parse is the whole grammar. It works on bytes; what is not ASCII is decoded
// where a symbol, space or minus sign may stand.
func parse[T Text](text T, exponent int, style Style) (int64, bool, error) {
	if uint(exponent) > 18 {
		return 0, false, ErrSyntax
	}
	lo, hi, neg, ok := trimSigns(text)
	if !ok {
		return 0, false, ErrSyntax
	}
	// An exponent of a spreadsheet's scientific notation shifts the point.
	shift := 0
	for i := lo; i < hi; i++ {
		if text[i] == 'E' || text[i] == 'e' {
			if shift, ok = readExponent(text, i+1, hi); !ok {
				return 0, false, ErrSyntax
			}
			hi = i
			break
		}
	}
	mark, ok := decimalMark(text, lo, hi, style)
	if !ok {
		return 0, false, ErrSyntax
	}
	return digits(text, lo, hi, mark, exponent, shift, neg)
}

// trimSigns narrows text[lo:hi] to digits and separators, taking off space,
// currency and signs on both sides.
func trimSigns[T Text](text T) (lo, hi int, neg, ok bool) {
	hi = len(text)
	signs, open, closed, currency := 0, false, false, 0
	for lo < hi {
		c := text[lo]
		if c-'0' <= 9 || c == '.' || c == ',' {
			break
		}
		switch {
		case c == ' ' || c == '\t':
			lo++
		case c == '-' || c == '+':
			signs++
			neg = neg || c == '-'
			lo++
		case c == '(' && !open:
			open = true
			lo++
		case c-'A' <= 25 && lo+3 <= hi && known(c, text[lo+1], text[lo+2]):
			currency++
			lo += 3
		default:
			r, n := runeAt(text, lo)
			switch {
			case isSpace(r):
			case r == '\u2212' || r == '\ufe63' || r == '\uff0d': // minus, small and full-width hyphen
				signs++
				neg = true
			case isSymbol(r):
				currency++
			default:
				return 0, 0, false, false
			}
			lo += n
		}
	}
	for hi > lo {
		c := text[hi-1]
		if c-'0' <= 9 || c == '.' || c == ',' {
			break
		}
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			hi--
		case c == '-' || c == '+':
			signs++
			neg = neg || c == '-'
			hi--
		case c == ')' && !closed:
			closed = true
			hi--
		case c-'A' <= 25 && hi-3 >= lo && known(text[hi-3], text[hi-2], c):
			currency++
			hi -= 3
		default:
			r, n := lastRune(text, lo, hi)
			switch {
			case isSpace(r):
			case r == '\u2212' || r == '\ufe63' || r == '\uff0d': // minus, small and full-width hyphen
				signs++
				neg = true
			case isSymbol(r):
				currency++
			default:
				return 0, 0, false, false
			}
			hi -= n
		}
	}
	if open != closed || signs > 1 || open && signs > 0 || currency > 2 {
		return 0, 0, false, false
	}
	return lo, hi, neg || open, lo < hi
}

func runeAt[T Text](text T, i int) (rune, int) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], text[i:min(len(text), i+utf8.UTFMax)])
	return utf8.DecodeRune(b[:n])
}

func lastRune[T Text](text T, lo, hi int) (rune, int) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], text[max(lo, hi-utf8.UTFMax):hi])
	return utf8.DecodeLastRune(b[:n])
}

// isSpace reports the spaces that typesetting puts into amounts: no-break,
// figure, thin, narrow no-break, ideographic.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\u00a0', '\u2007', '\u2009', '\u202f', '\u3000':
		return true
	}
	return false
}

func isSymbol(r rune) bool {
	switch r {
	case '\u00a5', '\uffe5', '$', '€', '£', '₹', '₩', '₽', '₺', '₫', '฿', '₱', '₦', '₪', '₴', '元', '円':
		return true
	}
	return false
}

func readExponent[T Text](text T, i, hi int) (int, bool) {
	neg := false
	if i < hi && (text[i] == '+' || text[i] == '-') {
		neg = text[i] == '-'
		i++
	}
	if i >= hi || hi-i > 3 {
		return 0, false
	}
	v := 0
	for ; i < hi; i++ {
		d := text[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int(d)
	}
	if neg {
		v = -v
	}
	return v, true
}

// decimalMark returns the decimal sign of text[lo:hi], or 0 when all its
// points and commas group.
func decimalMark[T Text](text T, lo, hi int, style Style) (byte, bool) {
	switch style {
	case Point:
		return '.', true
	case Comma:
		return ',', true
	}
	points, commas, last := 0, 0, -1
	for i := lo; i < hi; i++ {
		switch text[i] {
		case '.':
			points++
			last = i
		case ',':
			commas++
			last = i
		}
	}
	switch {
	case last < 0:
		return 0, true
	case points > 0 && commas > 0:
		if text[last] == '.' && points > 1 || text[last] == ',' && commas > 1 {
			return 0, false
		}
		return text[last], true
	case points > 1 || commas > 1:
		return 0, true
	case points == 1:
		return '.', true
	}
	if hi-last-1 == 3 && last-lo >= 1 && last-lo <= 3 && text[lo] != '0' {
		return 0, true
	}
	return ',', true
}

// digits reads the number itself: groups before mark, plain digits after it.
func digits[T Text](text T, lo, hi int, mark byte, exponent, shift int, neg bool) (int64, bool, error) {
	// The point is moved by exponent+shift places: that many digits after
	// mark still count, the next one decides the rounding.
	places := exponent + shift
	whole := hi
	if mark != 0 {
		for i := lo; i < hi; i++ {
			if text[i] == mark {
				whole = i
				break
			}
		}
	}
	var acc accumulator
	n, err := readGroups(text, lo, whole, mark, places, &acc)
	if err != nil {
		return 0, false, err
	}
	fraction := 0
	for i := whole + 1; i < hi; i++ {
		d := text[i] - '0'
		if d > 9 {
			return 0, false, ErrSyntax
		}
		fraction++
		acc.add(d, places-fraction)
	}
	if n+fraction == 0 {
		return 0, false, ErrSyntax
	}
	acc.scale(places - fraction)
	v, rounded := acc.v, acc.lost
	if acc.up {
		v++
	}
	if acc.over || v > math.MaxInt64 {
		return 0, false, ErrOverflow
	}
	return signed(v, neg), rounded, nil
}

// accumulator gathers digits of which some may lie beyond the minor unit.
type accumulator struct {
	v    uint64
	over bool // beyond int64
	lost bool // a digit other than zero lay beyond the minor unit
	up   bool // the first digit beyond it was 5 or more
}

// add takes a digit that stands rest places above the minor unit; below it
// (rest < 0) it only rounds.
func (a *accumulator) add(d byte, rest int) {
	switch {
	case rest >= 0:
		if a.v > (math.MaxInt64-uint64(d))/10 {
			a.over = true
			return
		}
		a.v = a.v*10 + uint64(d)
	case d != 0:
		a.lost = true
		a.up = a.up || rest == -1 && d >= 5
	}
}

// scale appends n zeros.
func (a *accumulator) scale(n int) {
	for ; n > 0 && a.v != 0; n-- {
		if a.v > math.MaxInt64/10 {
			a.over = true
			return
		}
		a.v *= 10
	}
}

// readGroups reads the whole part text[lo:hi], with or without groups, and
// returns how many digits it has.
func readGroups[T Text](text T, lo, hi int, mark byte, places int, acc *accumulator) (int, error) {
	total := 0
	for i := lo; i < hi; i++ {
		if text[i]-'0' <= 9 {
			total++
		}
	}
	var sep rune
	group, seen := 0, 0
	for i := lo; i < hi; {
		if d := text[i] - '0'; d <= 9 {
			group++
			seen++
			acc.add(d, places+total-seen)
			i++
			continue
		}
		r, n := runeAt(text, i)
		if byte(r) == mark && r < utf8.RuneSelf {
			return 0, ErrSyntax
		}
		if isSpace(r) {
			r = ' '
		}
		switch r {
		case '.', ',', ' ', '\'', '’', '٬':
		default:
			return 0, ErrSyntax
		}
		// The first group has one to three digits, an inner one three or,
		// as in India, two; only one sign groups.
		if sep == 0 && (group < 1 || group > 3) || sep != 0 && (r != sep || group < 2 || group > 3) {
			return 0, ErrSyntax
		}
		sep, group = r, 0
		i += n
	}
	if sep != 0 && group != 3 {
		return 0, ErrSyntax
	}
	return total, nil
}

func signed(v uint64, neg bool) int64 {
	if neg {
		return -int64(v)
	}
	return int64(v)
}
