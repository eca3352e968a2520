package card

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// AccountTail returns how an account is shown: ****6789, its last four
// characters, spaces and hyphens aside; "" for none. An account that is shown so
// already stays as it is.
func AccountTail(account string) string {
	var b [tail * utf8.UTFMax]byte
	at, n := len(b), 0
	for n < tail && account != "" {
		r, size := utf8.DecodeLastRuneInString(account)
		if r == '*' {
			break
		}
		if r != ' ' && r != '-' && r != '\t' {
			at -= size
			copy(b[at:], account[len(account)-size:])
			n++
		}
		account = account[:len(account)-size]
	}
	if n == 0 {
		return ""
	}
	return "****" + string(b[at:])
}

// AccountToken returns a short stable token, 12 hexadecimal digits, that tells
// two accounts with equal last four apart; "" for none. Spaces, hyphens and case
// do not matter. It hides an account from sight, not from someone who can try
// all account numbers of a bank: it is as confidential as the answer it stands in.
func AccountToken(account string) string {
	const domain = "daozhang account\x00"
	b := make([]byte, 0, 64)
	b = append(b, domain...)
	for i := 0; i < len(account); i++ {
		c := account[i]
		switch {
		case c == ' ' || c == '-' || c == '\t':
			continue
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	if len(b) == len(domain) {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// lengths of account numbers: the shortest that banks use, and that of the longest
// IBAN (ISO 13616), which is also the most that a payment order carries.
const (
	leastAccount = 5
	mostAccount  = 34
)

// Account gives an account number as orders carry it: digits, or an IBAN in
// capitals, spaces and hyphens aside. ok is false for anything else, and for an
// IBAN whose check digits are wrong (ISO 13616: modulo 97 is 1): one that was
// mistyped.
func Account(s string) (number string, ok bool) {
	b := make([]byte, 0, mostAccount)
	digits := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == ' ' || c == '-' || c == '\t':
			continue
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
			digits = false
		case c >= 'A' && c <= 'Z':
			digits = false
		default:
			return "", false
		}
		if len(b) == mostAccount {
			return "", false
		}
		b = append(b, c)
	}
	if len(b) < leastAccount || !digits && !checkedIBAN(b) {
		return "", false
	}
	return string(b), true
}

// checkedIBAN reports whether a number is an IBAN with the right check digits: two
// letters, two digits, and what the country has, of which the remainder is taken
// with the first four behind and letters as 10 to 35.
func checkedIBAN(b []byte) bool {
	letter := func(c byte) bool { return c >= 'A' }
	if len(b) < 15 || !letter(b[0]) || !letter(b[1]) || letter(b[2]) || letter(b[3]) {
		return false
	}
	rest := 0
	for i := range b {
		c := b[(i+4)%len(b)]
		if letter(c) {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}
