package custody

import (
	"encoding/xml"
	"strings"
	"time"

	"daozhang/internal/money"
)

// node is an XML element.
type node struct {
	name string
	attr string // of the only attribute that messages of banks have: Ccy, or xmlns of the root
	text string
	kids []node
}

// el makes an element of others; none of those without content.
func el(name string, kids ...node) node {
	n := node{name: name}
	for _, k := range kids {
		if k.name != "" {
			n.kids = append(n.kids, k)
		}
	}
	if len(n.kids) == 0 {
		return node{}
	}
	return n
}

// leaf makes an element of text; none where there is no text.
func leaf(name, text string) node {
	if text == "" {
		return node{}
	}
	return node{name: name, text: text}
}

// amountOf makes an element of an amount with its currency.
func amountOf(name string, minor int64, currency string) node {
	c, _ := money.ParseCurrency(currency)
	return node{name: name, attr: ` Ccy="` + currency + `"`, text: money.Format(minor, c)}
}

// document writes a message of ISO 20022, of one root element.
func document(message string, root node) string {
	var b strings.Builder
	b.WriteString(xml.Header)
	node{name: "Document", attr: ` xmlns="urn:iso:std:iso:20022:tech:xsd:` + message + `"`, kids: []node{root}}.write(&b, "")
	return b.String()
}

func (n node) write(b *strings.Builder, indent string) {
	b.WriteString(indent + "<" + n.name + n.attr + ">")
	if n.kids == nil {
		_ = xml.EscapeText(b, []byte(n.text)) // a strings.Builder takes all
	} else {
		b.WriteByte('\n')
		for _, k := range n.kids {
			k.write(b, indent+" ")
		}
		b.WriteString(indent)
	}
	b.WriteString("</" + n.name + ">\n")
}

// moment writes a time as ISO 20022's ISODateTime, in a zone.
func moment(at time.Time, zone *time.Location) string {
	return at.In(zone).Format("2006-01-02T15:04:05.000Z07:00")
}

// accountNode writes an account: an IBAN where it has the form of one.
func accountNode(name, number string) node {
	if number == "" {
		return node{}
	}
	if isIBAN(number) {
		return el(name, el("Id", leaf("IBAN", number)))
	}
	return el(name, el("Id", el("Othr", leaf("Id", number))))
}

// isIBAN reports whether a number has the form of an IBAN.
func isIBAN(s string) bool {
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	for i := range len(s) {
		letter, digit := s[i] >= 'A' && s[i] <= 'Z', s[i] >= '0' && s[i] <= '9'
		if i < 2 && !letter || i >= 2 && i < 4 && !digit || !letter && !digit {
			return false
		}
	}
	return true
}
