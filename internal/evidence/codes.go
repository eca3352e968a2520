package evidence

import (
	_ "embed"
	"strings"
)

// CodeInfo is what the response-code table says of a code. Codes mean what the
// network's version says; the table is one dialect (UnionPay's).
type CodeInfo struct {
	Code     Code
	EN, ZH   string // what the code says
	Category string // OK, OK_DEFECT, ISSUER, CARD, PIN, LIMIT, FRAUD, UNKNOWN, …
	// Who must act: letters separated by commas, the first decides the party.
	// C cardholder, I issuer, M merchant, T operator; A acquirer, S switch and
	// R risk desk are the platform; - nobody.
	Who string
	// Retry: Y again with what was wrong put right, L again later, K after
	// signing on or settling, V only query or reverse, N never.
	Retry byte
}

//go:embed response_codes.psv
var responseCodes string

var codeTable = func() map[Code]*CodeInfo {
	table := map[Code]*CodeInfo{}
	for i, line := range strings.Split(strings.TrimSpace(responseCodes), "\n") {
		cells := strings.Split(strings.TrimSuffix(line, "\r"), "|")
		if i == 0 {
			continue
		}
		if len(cells) != 6 || len(cells[0]) != 2 || len(cells[5]) != 1 {
			panic("evidence: response_codes.psv: malformed line " + line)
		}
		c := Code{cells[0][0], cells[0][1]}
		if table[c] != nil {
			panic("evidence: response_codes.psv: code " + cells[0] + " is listed twice")
		}
		table[c] = &CodeInfo{Code: c, EN: cells[1], ZH: cells[2], Category: cells[3], Who: cells[4], Retry: cells[5][0]}
	}
	return table
}()

// LookupCode gives what the table says of a response code; false for a code it
// does not list, which is then a decline of unknown reason.
func LookupCode(c Code) (*CodeInfo, bool) {
	info, ok := codeTable[c]
	return info, ok
}

// Codes gives every code of the table, in the table's order.
func Codes(yield func(*CodeInfo) bool) {
	for line := range strings.Lines(responseCodes) {
		if info, ok := codeTable[Code{line[0], line[1]}]; ok && line[2] == '|' && !yield(info) {
			return
		}
	}
}

// IsApproval reports whether a response code approves the transaction: 10 in
// part (the approved_amount counts), Y1 and Y3 offline.
func IsApproval(c Code) bool {
	switch c {
	case Code{'0', '0'}, Code{'1', '0'}, Code{'1', '1'}, Code{'1', '6'},
		Code{'A', '2'}, Code{'A', '4'}, Code{'A', '5'}, Code{'A', '6'},
		Code{'R', '1'}, Code{'R', '2'}, Code{'R', '3'}, Code{'R', '4'},
		Code{'Y', '1'}, Code{'Y', '3'}:
		return true
	}
	return false
}

// IsOpen reports whether a response code leaves open whether the cardholder
// was charged: the transaction is queried or reversed, never sent again.
func IsOpen(c Code) bool {
	switch c {
	case Code{'0', '9'}, Code{'2', '0'}, Code{'3', '2'}, Code{'6', '8'},
		Code{'9', '4'}, Code{'9', '6'}, Code{'9', '8'}:
		return true
	}
	return false
}
