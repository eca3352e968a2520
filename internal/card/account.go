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
