package card

import (
	"crypto/sha256"
	"encoding/hex"
)

// AccountTail returns how an account is shown: ****6789, its last four letters
// or digits, spaces and hyphens aside; "" for none. An account that is shown so
// already stays as it is.
func AccountTail(account string) string {
	var b [tail]byte
	n := tail
	for i := len(account) - 1; i >= 0 && n > 0; i-- {
		c := account[i]
		if c == ' ' || c == '-' || c == '\t' {
			continue
		}
		if c == '*' {
			break
		}
		n--
		b[n] = c
	}
	if n == tail {
		return ""
	}
	return "****" + string(b[n:])
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
