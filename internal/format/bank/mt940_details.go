package bank

import (
	"bytes"
	"strings"
)

// swiftWidth is the length at which SWIFT cuts the lines of a text, and
// purposeWidth that of the German purpose fields.
const (
	swiftWidth   = 65
	purposeWidth = 27
)

// describe fills an entry's text and references from its details (:86:). They
// come as numbered subfields (?20…), as /KEY/value/ pairs, or plain.
func describe(e *entry, lines [][]byte, extra []byte) {
	last := 0
	e.tell(extra, swiftWidth, &last)
	last = 0
	if len(lines) == 0 {
		return
	}
	if sep, ok := subfieldMark(lines); ok {
		describeSubfields(e, bytes.Join(lines, nil), sep)
		return
	}
	var joined []byte
	width := 0
	for i, l := range lines {
		if i == 0 {
			l = bytes.TrimLeft(l, " ")
		}
		joined = appendWrapped(joined, l, swiftWidth, &width)
	}
	e.tell(joined, len(joined)+1, &last)
	if bytes.HasPrefix(joined, []byte{'/'}) {
		// Keys and values run over the ends of lines without regard to words.
		for key, value := range slashPairs(bytes.Join(lines, nil)) {
			if slashReference[key] {
				e.refer(value)
			}
		}
	}
}

// subfieldMark tells the sign that parts numbered subfields: three digits (the
// code of the transaction), then the sign and two digits.
func subfieldMark(lines [][]byte) (byte, bool) {
	first := bytes.TrimSpace(lines[0])
	if len(first) < 3 || !digitsOnly(first[:3]) {
		return 0, false
	}
	all := first
	if len(first) < 6 && len(lines) > 1 {
		all = append(bytes.Clone(first), lines[1]...)
	}
	if len(all) < 6 {
		return 0, false
	}
	switch sep := all[3]; sep {
	case '?', '>', '~', '^', '<', '@', '+', '|':
		return sep, digitsOnly(all[4:6])
	}
	return 0, false
}

// describeSubfields reads the subfields of German, Polish and other banks: 00
// what kind of booking, 20–29 and 60–63 the purpose, 30 and 31 the other bank
// and account, 32 and 33 the other's name.
func describeSubfields(e *entry, v []byte, sep byte) {
	var kind, purpose, name []byte
	last := 0
	v = bytes.TrimSpace(v)[3:]
	for len(v) > 0 {
		v = v[1:] // sep
		if len(v) < 2 {
			break
		}
		code := string(v[:2])
		end := nextSubfield(v[2:], sep)
		value := v[2 : 2+end]
		v = v[2+end:]
		switch {
		case code == "00":
			kind = bytes.TrimSpace(value)
		case code >= "20" && code <= "29" || code >= "60" && code <= "63":
			purpose = appendWrapped(purpose, value, purposeWidth, &last)
		case code == "32" || code == "33":
			name = append(name, value...)
		}
	}
	n := 0
	for _, part := range [][]byte{kind, purpose, bytes.TrimSpace(name)} {
		n = 0
		e.tell(part, len(part)+1, &n)
	}
	purposeReferences(e, string(purpose))
}

// nextSubfield finds where the next subfield begins: the sign with two digits
// behind it. The sign may also be part of a text.
func nextSubfield(v []byte, sep byte) int {
	for i := 0; i < len(v); i++ {
		if v[i] == sep && (i+2 < len(v) && v[i+1]-'0' <= 9 && v[i+2]-'0' <= 9 || i+1 == len(v)) {
			return i
		}
	}
	return len(v)
}

// purposeKeys are the SEPA keys within a purpose, each followed by "+" or ":".
// Those with true name the payment.
var purposeKeys = map[string]bool{
	"EREF": true, "KREF": true, "MREF": true, "RREF": true, "PREF": true,
	"CRED": false, "DEBT": false, "COAM": false, "OAMT": false, "SVWZ": false, "ABWA": false, "ABWE": false,
	"IBAN": false, "BIC": false, "PURP": false, "RTRN": false, "SQTP": false, "ORCR": false, "ORMR": false,
	"DDAT": false, "ANAM": false, "BREF": true,
}

// purposeReferences takes the references that stand behind SEPA keys.
func purposeReferences(e *entry, purpose string) {
	type found struct {
		key        string
		begin, end int // of key and sign
	}
	var keys []found
	for i := 4; i < len(purpose); i++ {
		if purpose[i] != '+' {
			continue
		}
		key := purpose[i-4 : i]
		if _, ok := purposeKeys[key]; ok {
			keys = append(keys, found{key, i - 4, i + 1})
		}
	}
	for n, k := range keys {
		end := len(purpose)
		if n+1 < len(keys) {
			end = keys[n+1].begin
		}
		if purposeKeys[k.key] && end > k.end {
			value, _, _ := strings.Cut(purpose[k.end:end], "MTLG:") // the bank's message
			e.refer(value)
		}
	}
}

// slashReference are the keys of the /KEY/value/ form that name the payment.
var slashReference = map[string]bool{
	"EREF": true, "KREF": true, "MARF": true, "PREF": true, "IREF": true, "RREF": true, "TRF": true, "CREF": true,
	"UETR": true, "INST": true, "ROC": true,
}

var slashKeys = map[string]bool{
	"TRTP": true, "IBAN": true, "BIC": true, "NAME": true, "REMI": true, "EREF": true, "ORDP": true, "BENM": true,
	"ID": true, "ISDT": true, "CSID": true, "MARF": true, "PREF": true, "RTRN": true, "ACCW": true, "OCMT": true,
	"CHGS": true, "TRCD": true, "ADDR": true, "KREF": true, "IREF": true, "ULTD": true, "ULTC": true, "PURP": true,
	"CNTP": true, "INST": true, "RTYP": true, "SVCL": true, "EXCH": true, "CHG1": true, "RREF": true, "UETR": true,
	"ROC": true, "TRF": true, "CREF": true, "USTD": true, "STRD": true,
}

// slashPairs gives the keys and values of /KEY/value/. A value may hold
// slashes: it ends where the next known key begins.
func slashPairs(v []byte) func(func(key, value string) bool) {
	return func(yield func(key, value string) bool) {
		parts := strings.Split(string(v), "/")
		key, from := "", 0
		flush := func(to int) bool {
			if key == "" {
				return true
			}
			return yield(key, strings.TrimSpace(strings.Trim(strings.Join(parts[from:to], "/"), "/")))
		}
		for i, p := range parts {
			if slashKeys[p] {
				if !flush(i) {
					return
				}
				key, from = p, i+1
			}
		}
		flush(len(parts))
	}
}
