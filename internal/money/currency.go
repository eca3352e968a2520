// Package money holds amounts as integer minor units with their ISO 4217
// currency, reads and writes them as people and files spell them, and rounds
// half up, as fees are rounded. It has no floating point.
package money

import (
	"strings"

	"daozhang/internal/fault"
)

// Currency is an ISO 4217 alphabetic code. The zero value means that none is
// known. It is comparable and holds no pointer.
type Currency [3]byte

const (
	unknown = 0            // no such code
	codeMax = 26 * 26 * 26 // every three letters
)

// entries holds, for every three letters, exponent+1, or unknown.
// numbers maps numeric codes to currencies.
var entries, numbers = index()

func index() (*[codeMax]uint8, *[1000]Currency) {
	var e [codeMax]uint8
	var n [1000]Currency
	for _, group := range codes {
		for f := range strings.FieldsSeq(group.list) {
			c := Currency{f[0], f[1], f[2]}
			e[c.slot()] = group.exponent + 1
			i := int(f[3]-'0')*100 + int(f[4]-'0')*10 + int(f[5]-'0')
			// The current currencies come first and keep their numbers.
			if i != 0 && n[i] == (Currency{}) {
				n[i] = c
			}
		}
	}
	return &e, &n
}

// slot returns c's place in entries; c must be upper-case letters.
func (c Currency) slot() int {
	return (int(c[0]-'A')*26+int(c[1]-'A'))*26 + int(c[2]-'A')
}

func known(a, b, c byte) bool {
	if a-'A' > 25 || b-'A' > 25 || c-'A' > 25 {
		return false
	}
	return entries[Currency{a, b, c}.slot()] != unknown
}

// ParseCurrency reads a code of three upper-case letters that ISO 4217 lists,
// now or in the past. The error is of kind fault.Invalid.
func ParseCurrency(s string) (Currency, error) {
	if len(s) == 3 && known(s[0], s[1], s[2]) {
		return Currency{s[0], s[1], s[2]}, nil
	}
	return Currency{}, errCurrency
}

var errCurrency = fault.New(fault.Invalid, fault.Say("unknown currency", "未知币种"), "", nil,
	fault.Say("use the three upper-case letters of ISO 4217, such as CNY or EUR", "请用 ISO 4217 的三个大写字母，如 CNY、EUR"))

// ParseCurrencyBytes is ParseCurrency for the hot path: no error value, no
// allocation.
func ParseCurrencyBytes(b []byte) (Currency, bool) {
	if len(b) == 3 && known(b[0], b[1], b[2]) {
		return Currency{b[0], b[1], b[2]}, true
	}
	return Currency{}, false
}

// FromNumeric returns the currency of an ISO 4217 numeric code, "156" for CNY,
// as card networks' files and ISO 8583 field 49 carry it.
func FromNumeric(s string) (Currency, bool) {
	if len(s) != 3 || s[0]-'0' > 9 || s[1]-'0' > 9 || s[2]-'0' > 9 {
		return Currency{}, false
	}
	c := numbers[int(s[0]-'0')*100+int(s[1]-'0')*10+int(s[2]-'0')]
	return c, c != Currency{}
}

// String returns the code, or "" for none.
func (c Currency) String() string {
	if c == (Currency{}) {
		return ""
	}
	return string(c[:])
}

// AppendText appends the code to dst; nothing for none. It never fails.
func (c Currency) AppendText(dst []byte) ([]byte, error) {
	if c == (Currency{}) {
		return dst, nil
	}
	return append(dst, c[:]...), nil
}

// MarshalText returns the code.
func (c Currency) MarshalText() ([]byte, error) { return c.AppendText(nil) }

// UnmarshalText reads a code as ParseCurrency does; empty text is none.
func (c *Currency) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*c = Currency{}
		return nil
	}
	v, ok := ParseCurrencyBytes(b)
	if !ok {
		return errCurrency
	}
	*c = v
	return nil
}

// Exponent returns the number of decimal digits of the minor unit: 2 for CNY,
// 0 for JPY, 3 for KWD. It is 2 for none or an unknown code.
func (c Currency) Exponent() int {
	if !known(c[0], c[1], c[2]) {
		return 2
	}
	return int(entries[c.slot()]) - 1
}
