package report

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// Strings are scanned eight bytes at a time for what needs escaping; every byte
// has to be seen at every place.
func TestQuoted(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			text := []byte("abcdefghijklmnopq")
			text[at] = byte(c)
			if !utf8.Valid(text) {
				continue // what is not UTF-8 never gets this far
			}
			b := append([]byte(`{"x":"`), text...)
			b = quoted(b, len(`{"x":"`))
			var back struct{ X string }
			if err := json.Unmarshal(append(b, '}'), &back); err != nil || back.X != string(text) {
				t.Fatalf("byte %#x at %d: %s: %q, %v", c, at, b, back.X, err)
			}
		}
	}
}
