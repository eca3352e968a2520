package iso8583_test

import (
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/iso8583"
)

func itoa(n int) string { return strconv.Itoa(n) }

// asTheySay gives a value in the form in which a table of expectations writes it:
// bytes in hexadecimal, Chinese text in UTF-8.
func asTheySay(m *iso8583.Message, field int, want string) string {
	v := m.Get(field)
	if v == want {
		return v
	}
	if h := strings.ToUpper(hex.EncodeToString([]byte(v))); h == strings.ToUpper(strings.TrimPrefix(want, "hex:")) {
		return want
	}
	if s, err := simplifiedchinese.GBK.NewDecoder().String(v); err == nil {
		return s
	}
	return v
}
