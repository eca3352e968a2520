package payment

import (
	"fmt"
	"log/slog"
)

// Card is the clear card data of one message in flight. It lives in memory
// until the network has been sent the message, and nowhere else: it prints as
// "[card]", refuses to be marshalled, and Wipe clears it.
type Card struct {
	PAN      []byte // digits, field 2 or from track 2
	Expiry   string // YYMM, field 14
	Track2   []byte // field 35
	Track3   []byte // field 36
	PINBlock []byte // field 52, under the terminal's key; the runtime translates it
	EMV      []byte // field 55
	Sequence string // field 23
}

// Wipe overwrites the data.
func (c *Card) Wipe() {
	if c == nil {
		return
	}
	for _, b := range [][]byte{c.PAN, c.Track2, c.Track3, c.PINBlock, c.EMV} {
		clear(b)
	}
	*c = Card{}
}

const hidden = "[card]"

// String returns "[card]".
func (*Card) String() string { return hidden }

// GoString returns "[card]".
func (*Card) GoString() string { return hidden }

// Format writes "[card]" for every verb.
func (*Card) Format(s fmt.State, _ rune) { fmt.Fprint(s, hidden) }

// LogValue returns "[card]".
func (*Card) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText fails: card data is not written down.
func (*Card) MarshalText() ([]byte, error) { return nil, errClear }

// MarshalJSON fails: card data is not written down.
func (*Card) MarshalJSON() ([]byte, error) { return nil, errClear }
