package access

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"daozhang/internal/fault"
)

// Limits of passwords in characters: NIST SP 800-63B asks for at least eight and
// to allow at least 64; twelve is what PCI DSS 4.0.1, 8.3.6, asks for. No rule
// about kinds of characters: length is what counts.
const (
	LeastPassword = 12
	MostPassword  = 128
)

// cost is OWASP's second choice for argon2id (19 MiB, two passes, one lane): a
// sign-in takes some tens of milliseconds and a machine can take several at once.
var cost = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// common are the words that passwords of this length are made of by those who
// guess first; compared in small letters without what is not a letter or digit.
var common = []string{"password", "passw0rd", "qwerty", "letmein", "welcome", "iloveyou", "administrator", "daozhang", "到账",
	"123456", "112233", "abcdef", "abc123", "qazwsx", "1q2w3e", "asdfgh", "zxcvbn", "5201314", "woaini"}

// CheckPassword says why a password cannot be taken, with fault.Invalid.
// words are what must not be its main part, such as the person's name.
func CheckPassword(password string, words ...string) error {
	op := fault.Say("set password", "设置密码")
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return fault.New(fault.Invalid, op, "", fault.Say("it is not text", "不是文本"), "")
	case n < LeastPassword:
		return fault.New(fault.Invalid, op, "", fault.Say("it has %d characters", "只有 %d 个字符", n),
			fault.Say("take at least %d; several words make a good one", "至少 %d 个字符；几个词连起来就好", LeastPassword))
	case n > MostPassword:
		return fault.New(fault.Invalid, op, "", fault.Say("it has %d characters", "有 %d 个字符", n), fault.Say("take at most %d", "最多 %d 个字符", MostPassword))
	}
	rest := plain(password)
	for _, w := range append(common, words...) {
		if w = plain(w); utf8.RuneCountInString(w) >= 3 {
			rest = strings.ReplaceAll(rest, w, "")
		}
	}
	if surprises(rest) < 5 {
		return fault.New(fault.Invalid, op, "", fault.Say("it is one of the first that are guessed", "太容易被猜到"),
			fault.Say("take several words that do not belong together", "用几个互不相关的词"))
	}
	return nil
}

// plain is text in small letters without what is neither letter nor digit.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 0x80 {
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// surprises counts the different characters that do not follow from the one
// before, as in 1234, cba or aaa.
func surprises(s string) int {
	seen := make(map[rune]bool)
	before := rune(-2)
	for _, r := range s {
		if d := r - before; d < -1 || d > 1 {
			seen[r] = true
		}
		before = r
	}
	return len(seen)
}

// hashPassword gives the password's argon2id hash in PHC form, with its own salt.
func hashPassword(password string) (string, error) {
	h, err := argon2id.CreateHash(password, &cost)
	if err != nil {
		return "", fault.New(fault.Internal, fault.Say("hash password", "计算密码哈希"), "", err, "")
	}
	return h, nil
}

// matches compares a password with a hash. A person without one costs the same
// time, so that nobody learns from the clock who is there. stale is true where it
// was hashed at another cost.
func matches(password, hash string) (ok, stale bool, err error) {
	if hash == "" {
		_, _, err = argon2id.CheckHash(password, nobody())
		return false, false, err
	}
	ok, params, err := argon2id.CheckHash(password, hash)
	if err != nil {
		return false, false, fault.New(fault.Internal, fault.Say("compare password", "核对密码"), "", err, "")
	}
	return ok, ok && *params != cost, nil
}

// nobody is the hash of a password that nobody has.
var nobody = sync.OnceValue(func() string {
	h, err := argon2id.CreateHash(newSecret(), &cost)
	if err != nil {
		panic(err) // there is no randomness
	}
	return h
})
