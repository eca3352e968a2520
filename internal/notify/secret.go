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

// Tolerance is how far a message's timestamp may be from the receiver's clock.
const Tolerance = 5 * time.Minute

// Verify says why a message is not to be believed, with fault.NotAllowed; nil where
// it was signed by the secret and is not old. It is for receivers.
func Verify(secret string, h Headers, body []byte, now time.Time) error {
	refuse := func(why fault.Text) error {
		return fault.New(fault.NotAllowed, fault.Say("verify webhook", "验证 Webhook"), "", why, fault.Text{})
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) == 0 {
		return refuse(fault.Say("the secret is none: it is whsec_ and base64", "密钥格式不对：应为 whsec_ 加 base64"))
	}
	at, err := strconv.ParseInt(h.Timestamp, 10, 64)
	if d := now.Sub(time.Unix(at, 0)); err != nil || d > Tolerance || d < -Tolerance {
		return refuse(fault.Say("its timestamp is not of now", "时间戳不在允许范围内"))
	}
	want := []byte(signature(key, h, body))
	for s := range strings.FieldsSeq(h.Signature) {
		if hmac.Equal([]byte(s), want) {
			return nil
		}
	}
	return refuse(fault.Say("no signature of it is by this secret", "签名与该密钥不符"))
}
