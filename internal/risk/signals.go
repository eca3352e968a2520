package risk

import (
	"reflect"
	"strconv"
)

// Signals are what a rule can ask about: one attempt and what went before it.
// Rules name them by the tags. Counts and sums cover payments that were sent or
// approved and not undone, the attempt itself excluded; sums are minor units.
type Signals struct {
	Operation string `expr:"operation"` // sale, refund, …
	CardType  string `expr:"card_type"` // debit, credit, prepaid, or "" if not known
	Entry     string `expr:"entry"`     // chip, contactless, magstripe, manual, qr
	MCC       string `expr:"mcc"`
	Currency  string `expr:"currency"`

	Amount int64 `expr:"amount"` // minor units
	Major  int64 `expr:"major"`  // the amount in whole major units
	// Round is the largest power of ten, in major units, that divides the amount
	// without remainder: 5000.00 gives 1000, 128.50 gives 0.
	Round int64 `expr:"round"`
	// Limit is the smallest limit of a single amount that holds for the attempt,
	// 0 where none does.
	Limit int64 `expr:"limit"`
	Hour  int   `expr:"hour"` // local to the merchant, 0 to 23

	// The card on this terminal.
	CardTerminal1h        int   `expr:"card_terminal_1h"`
	CardTerminal24h       int   `expr:"card_terminal_24h"`
	CardTerminalAmount24h int64 `expr:"card_terminal_amount_24h"`
	// CardSame24h counts equal amounts of the card with this merchant.
	CardSame24h int `expr:"card_same_24h"`
	// The card with this merchant in the last ten minutes: a split sale.
	CardMerchant10m       int   `expr:"card_merchant_10m"`
	CardMerchantAmount10m int64 `expr:"card_merchant_amount_10m"`
	// The card anywhere with us.
	Card1h           int `expr:"card_1h"`
	Card24h          int `expr:"card_24h"`
	CardTerminals24h int `expr:"card_terminals_24h"` // different terminals
	CardDeclines1h   int `expr:"card_declines_1h"`

	// The terminal with all cards.
	Terminal1h        int   `expr:"terminal_1h"`
	Terminal24h       int   `expr:"terminal_24h"`
	TerminalAmount24h int64 `expr:"terminal_amount_24h"`
	TerminalCredit24h int   `expr:"terminal_credit_24h"` // on credit cards
	TerminalNight24h  int   `expr:"terminal_night_24h"`  // between 0 and 6 o'clock
	// SameAmount24h counts equal amounts on the terminal, whatever the card.
	SameAmount24h      int `expr:"same_amount_24h"`
	TerminalRefunds24h int `expr:"terminal_refunds_24h"`
	// NearLimit24h counts amounts on the terminal within a twentieth below a limit.
	NearLimit24h int `expr:"near_limit_24h"`

	// OriginalAge is, for what acts on an earlier payment, its age in seconds;
	// -1 where there is none.
	OriginalAge int64 `expr:"original_age"`
	// OtherCard is true where a refund goes to another card than was charged.
	OtherCard bool `expr:"other_card"`
	// Moved is true where the terminal names another cell area or place than it was
	// installed in; MovedBy is how far it stands from there in metres, -1 where one
	// of the two has no coordinates.
	Moved   bool  `expr:"moved"`
	MovedBy int64 `expr:"moved_by"`
}

// signal is one field of Signals by its name in rules.
type signal struct {
	name  string
	field int
}

var signals = func() []signal {
	t := reflect.TypeFor[Signals]()
	all := make([]signal, t.NumField())
	for i := range all {
		all[i] = signal{t.Field(i).Tag.Get("expr"), i}
	}
	return all
}()

// SignalNames lists what rules can ask about.
func SignalNames() []string {
	names := make([]string, len(signals))
	for i, s := range signals {
		names[i] = s.name
	}
	return names
}

// append writes `"name":value`.
func (s signal) append(dst []byte, v reflect.Value) []byte {
	dst = append(append(append(dst, '"'), s.name...), '"', ':')
	switch f := v.Field(s.field); f.Kind() {
	case reflect.String:
		return strconv.AppendQuote(dst, f.String())
	case reflect.Bool:
		return strconv.AppendBool(dst, f.Bool())
	default:
		return strconv.AppendInt(dst, f.Int(), 10)
	}
}
