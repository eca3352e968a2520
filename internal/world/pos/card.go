package pos

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"daozhang/internal/card"
	"daozhang/internal/iso8583"
)

// Card is a made-up card. Its number lives in memory only; it prints masked.
type Card struct {
	pan      string
	Expiry   string // YYMM
	Sequence string // three digits, of the chip
	PIN      string // what the cardholder types; "" for a card without
	Issuer   string
	Type     string // debit, credit
	// Which ways it can be read.
	Chip, Contactless, Stripe bool
}

// issuers are the ranges from which made-up cards come: Chinese banks as slips name
// them, and one of Visa's.
var issuers = []struct{ name, prefix, issuer, kind string }{
	{"icbc-debit", "622202", "ICBC", "debit"},
	{"icbc-credit", "625330", "ICBC", "credit"},
	{"abc-debit", "622848", "ABC", "debit"},
	{"ccb-debit", "621700", "CCB", "debit"},
	{"boc-debit", "621660", "BOC", "debit"},
	{"cmb-credit", "622575", "CMB", "credit"},
	{"bocom-debit", "622260", "BOCOM", "debit"},
	{"psbc-debit", "622188", "PSBC", "debit"},
	{"visa-credit", "400000", "VISA", "credit"},
}

// CardNames lists what NamedCard knows.
func CardNames() []string {
	var names []string
	for _, i := range issuers {
		names = append(names, i.name)
	}
	return names
}

// NamedCard gives a made-up card by the name of its kind, icbc-debit, and a number
// that tells cards of a kind apart: icbc-debit:7. The same name is the same card.
func NamedCard(name string) (*Card, error) {
	kind, number, _ := strings.Cut(name, ":")
	n := uint64(0)
	if number != "" {
		if _, err := fmt.Sscanf(number, "%d", &n); err != nil {
			return nil, fmt.Errorf("after %q a number is wanted", kind+":")
		}
	}
	for _, i := range issuers {
		if i.name == kind {
			return makeCard(i.prefix, i.issuer, i.kind, n), nil
		}
	}
	return nil, fmt.Errorf("there is no card %q; there are %s", kind, strings.Join(CardNames(), ", "))
}

// NewCard gives a card of a number, for tests. The number must pass the check
// digit.
func NewCard(pan string) (*Card, error) {
	if !card.IsPAN(pan) {
		return nil, fmt.Errorf("it is no card number")
	}
	return &Card{pan: pan, Expiry: "3012", Sequence: "001", PIN: "123456", Type: "debit", Chip: true, Contactless: true, Stripe: true}, nil
}

func makeCard(prefix, issuer, kind string, n uint64) *Card {
	length := 19
	if kind == "credit" {
		length = 16
	}
	middle := fmt.Sprintf("%0*d", length-7, (n*7919+1234567)%pow10(length-7))
	digits := prefix + middle
	return &Card{pan: digits + checkDigit(digits), Expiry: "3012", Sequence: "001", PIN: "123456", Issuer: issuer, Type: kind,
		Chip: true, Contactless: true, Stripe: true}
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// checkDigit completes a number so that it passes ISO/IEC 7812-1 annex B.
func checkDigit(digits string) string {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return string(rune('0' + (10-sum%10)%10))
}

// String shows the card masked.
func (c *Card) String() string { return mask(c.pan) }

// GoString is String, so that %#v shows no more.
func (c *Card) GoString() string { return c.String() }

func mask(pan string) string {
	if len(pan) < 11 {
		return ""
	}
	return pan[:6] + strings.Repeat("*", len(pan)-10) + pan[len(pan)-4:]
}

// track2 is the card's second track: number, separator, expiry, service code
// (2xx for a card with a chip), discretionary data.
func (c *Card) track2() string {
	service := "101"
	if c.Chip {
		service = "201"
	}
	t := c.pan + "D" + c.Expiry + service + "0000000000"
	return t[:min(len(t), 37)]
}

// foreign reports a card of a network other than UnionPay: batches total them
// apart.
func (c *Card) foreign() bool { return card.Network(c.pan) != "UnionPay" }

// chipData gives field 55 of a chip or contactless transaction: the elements that
// UnionPay's specification asks of a terminal, in its order.
func (c *Card) chipData(dice *rand.Rand, amount int64, date string, stan int, pin bool) ([]byte, error) {
	b := func(n int) []byte {
		v := make([]byte, n)
		for i := range v {
			v[i] = byte(dice.Uint32())
		}
		return v
	}
	h := func(s string) []byte {
		v, err := hex.DecodeString(s)
		if err != nil {
			panic("pos: " + err.Error()) // constants below
		}
		return v
	}
	cvm := "1F0302"
	if pin {
		cvm = "420300"
	}
	return iso8583.AppendTLV(nil,
		iso8583.TLV{Tag: "9F26", Value: b(8)},
		iso8583.TLV{Tag: "9F27", Value: h("80")},
		iso8583.TLV{Tag: "9F10", Value: h("07010103A0A802010A010000000000" + "00000000")},
		iso8583.TLV{Tag: "9F37", Value: b(4)},
		iso8583.TLV{Tag: "9F36", Value: []byte{byte(stan >> 8), byte(stan)}},
		iso8583.TLV{Tag: "95", Value: h("0000000000")},
		iso8583.TLV{Tag: "9A", Value: h(date)},
		iso8583.TLV{Tag: "9C", Value: h("00")},
		iso8583.TLV{Tag: "9F02", Value: h(fmt.Sprintf("%012d", amount))},
		iso8583.TLV{Tag: "5F2A", Value: h("0156")},
		iso8583.TLV{Tag: "82", Value: h("7C00")},
		iso8583.TLV{Tag: "9F1A", Value: h("0156")},
		iso8583.TLV{Tag: "9F03", Value: h("000000000000")},
		iso8583.TLV{Tag: "9F33", Value: h("E0F8C8")},
		iso8583.TLV{Tag: "9F34", Value: h(cvm)},
		iso8583.TLV{Tag: "9F35", Value: h("22")},
		iso8583.TLV{Tag: "84", Value: h("A000000333010101")},
		iso8583.TLV{Tag: "9F41", Value: h(fmt.Sprintf("%08d", stan))},
	)
}
