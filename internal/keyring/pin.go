package keyring

import (
	"crypto/subtle"
	"fmt"
	"strings"
)

// panDigits gives the part of a card number that PIN blocks and verification
// values use: the last n digits before the check digit, zeros before a shorter one.
func panDigits(pan string, n int) (string, error) {
	if len(pan) < 12 || len(pan) > 19 || strings.Trim(pan, "0123456789") != "" {
		return "", fmt.Errorf("%w: it belongs to no card number of 12 to 19 digits", ErrPINBlock)
	}
	d := pan[:len(pan)-1]
	if len(d) < n {
		return strings.Repeat("0", n-len(d)) + d, nil
	}
	return d[len(d)-n:], nil
}

// pack writes 16 hexadecimal digits (0–9, A–F) as 8 bytes.
func pack(s string) (b [8]byte) {
	for i := range 16 {
		d := s[i] - '0'
		if s[i] >= 'A' {
			d = s[i] - 'A' + 10
		}
		b[i/2] = b[i/2]<<4 | d
	}
	return b
}

// clearBlock makes a PIN block of ISO 9564-1 format 0 in clear.
func clearBlock(pin, pan string) (b [8]byte, err error) {
	if len(pin) < 4 || len(pin) > 12 || strings.Trim(pin, "0123456789") != "" {
		return b, fmt.Errorf("%w: a PIN has 4 to 12 digits", ErrPINBlock)
	}
	account, err := panDigits(pan, 12)
	if err != nil {
		return b, err
	}
	const hexLength = "0123456789ABC"
	b = pack("0" + hexLength[len(pin):len(pin)+1] + pin + strings.Repeat("F", 14-len(pin)))
	a := pack("0000" + account)
	subtle.XORBytes(b[:], b[:], a[:])
	return b, nil
}

// pinOf reads the PIN of a clear block of format 0. The caller clears it.
func pinOf(b [8]byte, pan string) ([]byte, error) {
	account, err := panDigits(pan, 12)
	if err != nil {
		return nil, err
	}
	a := pack("0000" + account)
	subtle.XORBytes(b[:], b[:], a[:])
	n := int(b[0])
	if n < 4 || n > 12 { // the high half is the format, 0
		return nil, ErrPINBlock
	}
	pin := make([]byte, 0, 12)
	for i := range 14 {
		d := b[1+i/2] >> 4
		if i%2 == 1 {
			d = b[1+i/2] & 15
		}
		switch {
		case i < n && d <= 9:
			pin = append(pin, '0'+d)
		case i >= n && d == 15:
		default:
			clear(pin)
			return nil, ErrPINBlock
		}
	}
	return pin, nil
}

// pvkIndex is the index of the PIN verification key, of which there is one.
const pvkIndex = "1"

// pvv computes the PIN verification value: eleven digits of the card number, the
// key's index and four digits of the PIN are encrypted; of the result the first
// four decimal digits count, and if there are fewer, those from A to F less ten.
func (k *desKey) pvv(pin, pan string) (string, error) {
	account, err := panDigits(pan, 11)
	if err != nil {
		return "", err
	}
	x := pack(account + pvkIndex + pin[:4])
	k.block.Encrypt(x[:], x[:])
	out := make([]byte, 0, 4)
	for _, hexadecimal := range []bool{false, true} {
		for i := range 16 {
			d := x[i/2] >> 4
			if i%2 == 1 {
				d = x[i/2] & 15
			}
			if len(out) == 4 || hexadecimal != (d > 9) {
				continue
			}
			out = append(out, '0'+d%10)
		}
	}
	return string(out), nil
}

// trackBlock gives which digits of a track are encrypted: of its bytes (two digits
// each, the last perhaps one) the eight before the last.
func trackBlock(track string) (from int, err error) {
	whole := (len(track) + 1) / 2
	if whole < 9 || len(track) > 104 {
		return 0, fmt.Errorf("a track of %d digits cannot be encrypted", len(track))
	}
	for i := range len(track) {
		if c := track[i]; c-'0' > 9 && (c < 'A' || c > 'F') {
			return 0, fmt.Errorf("a track is hexadecimal digits")
		}
	}
	return 2 * (whole - 9), nil
}

func (k *desKey) track(track string, run func(dst, src []byte)) (string, error) {
	from, err := trackBlock(track)
	if err != nil {
		return "", err
	}
	b := pack(track[from : from+16])
	run(b[:], b[:])
	return track[:from] + fmt.Sprintf("%016X", b[:]) + track[from+16:], nil
}
