package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"daozhang/internal/fault"
)

// Second factors are time-based one-time codes (RFC 6238) as all authenticator
// apps make them: SHA-1, six digits, thirty seconds.
const (
	period = 30 * time.Second
	// drift is how many periods a phone's clock may be off, either way.
	drift = 1
	// recoveries is how many codes stand in for a lost phone.
	recoveries = 10
)

// Sealer keeps secrets that have to be read again: the keyring.
type Sealer interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// Enrolment is a second factor before its owner has shown that it works. It is
// shown once.
type Enrolment struct {
	// Secret is base32, for typing; URL holds the same for a QR code (otpauth://).
	Secret, URL string
}

// NewEnrolment makes a second factor for a person. issuer names the installation
// in the authenticator app.
func NewEnrolment(issuer, user string) (Enrolment, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: user, Period: uint(period / time.Second), SecretSize: 20, Digits: otp.DigitsSix,
		Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Enrolment{}, fault.New(fault.Invalid, fault.Say("make second factor", "生成第二因素"), user, err, "")
	}
	return Enrolment{Secret: key.Secret(), URL: key.URL()}, nil
}

// stepOf gives the period in which a secret makes a code, looking drift periods
// either way of a moment and only after the period last: a code is good once
// (RFC 6238, 5.2). ok is false for none.
func stepOf(secret, code string, now time.Time, last int64) (step int64, ok bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' {
			return -1
		}
		return r
	}, code)
	if len(code) != 6 {
		return 0, false
	}
	at := now.Unix() / int64(period/time.Second)
	for step = at - drift; step <= at+drift; step++ {
		want, err := totp.GenerateCode(secret, time.Unix(step*int64(period/time.Second), 0))
		if err == nil && step > last && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}

// newSecret gives 160 random bits in base32: longer than anyone guesses, short
// enough for a link.
func newSecret() string {
	var b [20]byte
	rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// hashSecret is under what a secret that we made is kept: it is random and long,
// so a plain hash cannot be turned back.
func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// newRecovery gives codes such as k3wq-7rm2-x5ha-b4nd and what is kept of them.
// Eighty random bits each.
func newRecovery() (codes, hashes []string) {
	for range recoveries {
		s := newSecret()[:16]
		codes = append(codes, s[:4]+"-"+s[4:8]+"-"+s[8:12]+"-"+s[12:])
		hashes = append(hashes, hashSecret(s))
	}
	return codes, hashes
}

// useRecovery gives the hashes that are left when a recovery code is used.
func useRecovery(hashes []string, code string) (left []string, ok bool) {
	h := hashSecret(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(code)), "-", ""))
	i := slices.IndexFunc(hashes, func(kept string) bool { return subtle.ConstantTimeCompare([]byte(kept), []byte(h)) == 1 })
	if i < 0 {
		return hashes, false
	}
	return slices.Delete(slices.Clone(hashes), i, i+1), true
}

// ParseEnrolment reads a second factor from the URL of its QR code. The error is of
// kind fault.Invalid where it is none, or is another person's.
func ParseEnrolment(url, user string) (Enrolment, error) {
	key, err := otp.NewKeyFromURL(url)
	if err != nil || key.Type() != "totp" || key.AccountName() != user || key.Secret() == "" {
		return Enrolment{}, fault.New(fault.Invalid, fault.Say("read second factor", "读取第二因素"), user, err, "")
	}
	return Enrolment{Secret: key.Secret(), URL: url}, nil
}
