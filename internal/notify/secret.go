package notify

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// Webhooks are signed as Standard Webhooks 1.0 says: HMAC-SHA256 over id,
// timestamp and body, a signature for each secret in force.

// secretPrefix and secretSize are those of the specification, which asks for 24 to
// 64 bytes.
const (
	secretPrefix = "whsec_"
	secretSize   = 32
)

// Grace is how long the former secret signs beside a new one.
const Grace = 24 * time.Hour

// Secret is one with which a receiver can tell that a message is ours. It is kept
// sealed.
type Secret struct {
	Sealed  []byte    `json:"sealed"`
	Created time.Time `json:"created"`
	Until   time.Time `json:"until,omitzero"` // zero: in force until another is made
}

// newSecret makes a secret; it is shown once.
func newSecret(now time.Time, seal access.Sealer) (s Secret, shown string, err error) {
	var raw [secretSize]byte
	rand.Read(raw[:]) // never fails
	sealed, err := seal.Seal(raw[:])
	if err != nil {
		return s, "", fault.New(fault.Internal, fault.Say("seal secret", "加密密钥"), "", err, fault.Text{})
	}
	return Secret{Sealed: sealed, Created: now}, secretPrefix + base64.StdEncoding.EncodeToString(raw[:]), nil
}

// inForce are the secrets that sign at a moment, the newest first.
func inForce(secrets []Secret, now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(secrets), func(s Secret) bool { return !s.Until.IsZero() && !now.Before(s.Until) })
}

// Headers are what goes with the body of a webhook.
type Headers struct{ ID, Timestamp, Signature string }

// sign makes them for a message that is sent at a moment.
func sign(id string, now time.Time, body []byte, secrets []Secret, open access.Sealer) (Headers, error) {
	h := Headers{ID: id, Timestamp: strconv.FormatInt(now.Unix(), 10)}
	var all []string
	for _, s := range inForce(secrets, now) {
		key, err := open.Open(s.Sealed)
		if err != nil {
			return h, fault.New(fault.Internal, fault.Say("open secret", "解密密钥"), "", err, fault.Say("it was sealed by another keyring: rotate it", "由其他密钥库加密，请轮换密钥"))
		}
		all = append(all, signature(key, h, body))
		clear(key)
	}
	h.Signature = strings.Join(all, " ")
	return h, nil
}

func signature(key []byte, h Headers, body []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(h.ID + "." + h.Timestamp + "."))
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
