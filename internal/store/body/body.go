// Package body gives rows their content: each is one JSON object, made from a row
// of payment, settlement, merchant or filing and read back into the same. It
// knows no database.
//
// Words are written as words, so that a renumbered constant changes nothing that
// is kept. Times are nanoseconds since 1970 UTC, 0 for none: a decision made again
// from the row must see the same moment. A row is read as it was written.
package body

import (
	"fmt"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
)

// wordOf and valueOf turn an enumeration into its word and back.
func wordOf[T ~uint8](words []string, v T) (string, error) {
	if int(v) >= len(words) {
		return "", fmt.Errorf("value %d is in no list", v)
	}
	return words[v], nil
}

func valueOf[T ~uint8](words []string, s string) (T, error) {
	for i, w := range words {
		if w == s {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%q is in no list", s)
}

// Nanos is how a body writes a moment: nanoseconds since 1970 UTC, 0 for none.
func Nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// A code of none is two zero bytes.
func codeText(c evidence.Code) string {
	if c == (evidence.Code{}) {
		return ""
	}
	return string(c[:])
}

func codeOf(s string) (c evidence.Code) {
	copy(c[:], s)
	return c
}

// noDate is calendar.None in a body, apart from the zero value, which is left
// out: a row is read as it was written.
const noDate = "-"

func dateText(d calendar.Date) string {
	switch d {
	case 0:
		return ""
	case calendar.None:
		return noDate
	}
	return d.String()
}

func dateOf(s string) (calendar.Date, error) {
	switch s {
	case "":
		return 0, nil
	case noDate:
		return calendar.None, nil
	}
	return calendar.ParseDate(s)
}
