package format

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Dates outside these years are typing errors or placeholders, never payments;
// evidence refuses them likewise.
var (
	earliest = calendar.MustYMD(1980, 1, 1)
	latest   = calendar.MustYMD(2079, 12, 31)
)

var (
	errDate     = error(fault.Say("not a date that is understood; write it as 2026-03-02, or name its layout in a mapping file", "看不懂的日期，请写作 2026-03-02，或在映射文件中说明其写法"))
	errTime     = error(fault.Say("not a time that is understood; write it as 2026-03-02 10:15:04, or name its layout in a mapping file", "看不懂的时间，请写作 2026-03-02 10:15:04，或在映射文件中说明其写法"))
	errYear     = error(fault.Say("the year must lie between 1980 and 2079; correct it at its source", "年份须在 1980 至 2079 之间，请在源头更正"))
	errFullPAN  = error(fault.Say("holds a full card number; mask it to the first six and last four digits at its source", "含完整卡号，请在源头只保留前六位和后四位，其余打星号"))
	errCurrency = error(fault.Say("not an ISO 4217 currency such as CNY or 156", "不是 ISO 4217 币种，如 CNY 或 156"))
)

// clock is a date and time of day as a text gives them.
type clock struct {
	date   calendar.Date
	second int // of the day
	nano   int
	timed  bool // a time of day was given
	offset int  // minutes east of UTC
	zoned  bool // an offset was given
	epoch  bool // counted from 1970 UTC, and shown in the zone of the file
}

// ParseDate reads a date: by the given layouts (as Go writes them), else in
// the usual forms, in which the year comes first (2026-03-02, 2026/3/2,
// 2026.03.02, 20260302, 2026年3月2日) or the month is a word (2 Mar 2026) or
// points part day, month and year (02.03.2026). A time of day after it is left
// out. Day and month parted by slashes need a layout.
func ParseDate(text []byte, layouts ...string) (calendar.Date, error) {
	if len(layouts) > 0 {
		t, ok := byLayout(text, layouts, time.UTC)
		if !ok {
			return calendar.None, errDate
		}
		return checkYear(calendar.DateIn(t, t.Location()))
	}
	c, ok := parseClock(text)
	if !ok {
		return calendar.None, errDate
	}
	return checkYear(c.date)
}

func checkYear(d calendar.Date) (calendar.Date, error) {
	if d < earliest || d > latest {
		return calendar.None, errYear
	}
	return d, nil
}

func byLayout(text []byte, layouts []string, loc *time.Location) (time.Time, bool) {
	s := strings.Join(strings.Fields(string(text)), " ")
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ParseTime reads a date and time of day: by the given layouts, else a date in
// the forms of ParseDate followed by 10:15, 10:15:04, 101504 or fractions of a
// second, also with full-width colons, and an offset if there is one. A date
// alone is its first moment. Without an offset the time is in loc.
func ParseTime(text []byte, loc *time.Location, layouts ...string) (evidence.Instant, int16, error) {
	var z zone
	z.loc = loc
	return z.parse(text, layouts)
}

// zone turns local times into moments; the offset of a day is kept, since rows
// come in runs of days.
type zone struct {
	loc    *time.Location
	date   calendar.Date
	offset int // minutes east of UTC all day long
	known  bool
}

func (z *zone) parse(text []byte, layouts []string) (evidence.Instant, int16, error) {
	if len(layouts) > 0 {
		t, ok := byLayout(text, layouts, z.loc)
		if !ok {
			return 0, 0, errTime
		}
		if _, err := checkYear(calendar.DateIn(t, t.Location())); err != nil {
			return 0, 0, err
		}
		_, seconds := t.Zone()
		return evidence.InstantOf(t), int16(seconds / 60), nil
	}
	c, ok := parseClock(text)
	if !ok {
		return 0, 0, errTime
	}
	return z.moment(c)
}

func (z *zone) moment(c clock) (evidence.Instant, int16, error) {
	if _, err := checkYear(c.date); err != nil {
		return 0, 0, err
	}
	offset := c.offset
	if c.epoch {
		at := evidence.Instant((c.date.Unix(0)+int64(c.second))*1e9 + int64(c.nano))
		_, seconds := at.In(z.loc).Zone()
		return at, int16(seconds / 60), nil
	}
	if !c.zoned {
		offset = z.at(c)
	}
	return evidence.Instant((c.date.Unix(offset*60)+int64(c.second))*1e9 + int64(c.nano)), int16(offset), nil
}

// at gives the offset of a local time, in minutes.
func (z *zone) at(c clock) int {
	if z.known && z.date == c.date {
		return z.offset
	}
	y, m, d := c.date.YMD()
	_, begin := time.Date(y, time.Month(m), d, 0, 0, 0, 0, z.loc).Zone()
	_, end := time.Date(y, time.Month(m), d, 23, 59, 59, 0, z.loc).Zone()
	if begin != end { // the clocks change that day
		_, now := time.Date(y, time.Month(m), d, c.second/3600, c.second/60%60, c.second%60, 0, z.loc).Zone()
		return now / 60
	}
	z.date, z.offset, z.known = c.date, begin/60, true
	return z.offset
}

// parseClock reads a date, and a time of day and an offset where they follow.
func parseClock(b []byte) (c clock, ok bool) {
	b = trim(b)
	if len(b) >= 10 && b[4] == '-' && b[7] == '-' { // the form nearly every file has
		d, err := calendar.ParseDate(b[:10])
		if err != nil {
			return c, false
		}
		c.date = d
		return c, parseRest(b[10:], &c)
	}
	if len(b) > 0 && b[0] == '1' && (len(b) == 10 || len(b) == 13) {
		return sinceEpoch(b)
	}
	y, m, d, rest, ok := parseYMD(b)
	if !ok {
		return c, false
	}
	date, err := calendar.FromYMD(y, m, d)
	if err != nil {
		return c, false
	}
	c.date = date
	return c, parseRest(rest, &c)
}

// sinceEpoch reads seconds or milliseconds since 1970 UTC, as machines log
// them: ten or thirteen digits that begin with 1, which is 2001 to 2033.
func sinceEpoch(b []byte) (c clock, ok bool) {
	n, w := number(b, 13)
	if w != len(b) {
		return c, false
	}
	if w == 13 {
		c.nano = n % 1000 * 1e6
		n /= 1000
	}
	c.date = calendar.DateOf(int64(n), 0)
	c.second = n % 86400
	c.timed, c.zoned, c.epoch = true, true, true
	return c, true
}

// number reads up to max digits.
func number(b []byte, most int) (n, width int) {
	for width < len(b) && width < most && b[width]-'0' <= 9 {
		n = n*10 + int(b[width]-'0')
		width++
	}
	return n, width
}

// parted reads one separator between the numbers of a date.
func parted(b []byte) (sep byte, rest []byte, ok bool) {
	switch {
	case len(b) == 0:
		return 0, b, false
	case b[0] == '-' || b[0] == '/' || b[0] == '.' || b[0] == ' ':
		return b[0], b[1:], true
	case bytes.HasPrefix(b, []byte("年")), bytes.HasPrefix(b, []byte("月")), bytes.HasPrefix(b, []byte("日")):
		return '-', bytes.TrimLeft(b[3:], " "), true
	case bytes.HasPrefix(b, []byte("／")):
		return '/', b[3:], true
	}
	return 0, b, false
}

func parseYMD(b []byte) (y, m, d int, rest []byte, ok bool) {
	n, w := number(b, 15)
	switch w {
	case 8, 14, 12: // 20260302, 20260302101504, 202603021015
		y, _ = number(b, 4)
		m, _ = number(b[4:], 2)
		d, _ = number(b[6:], 2)
		return y, m, d, b[8:], true
	case 4:
		y = n
		_, rest, ok = parted(b[4:])
		if !ok {
			return 0, 0, 0, nil, false
		}
		if m, w = number(rest, 2); w == 0 {
			if m, w = monthWord(rest); w == 0 {
				return 0, 0, 0, nil, false
			}
		}
		_, rest, ok = parted(rest[w:])
		if !ok {
			return 0, 0, 0, nil, false
		}
		if d, w = number(rest, 2); w == 0 {
			return 0, 0, 0, nil, false
		}
		rest = rest[w:]
		if bytes.HasPrefix(rest, []byte("日")) {
			rest = rest[3:]
		}
		return y, m, d, rest, true
	case 1, 2:
		d = n
		sep, rest, ok := parted(b[w:])
		if !ok {
			return 0, 0, 0, nil, false
		}
		if m, w = monthWord(rest); w == 0 {
			if sep != '.' { // 02/03/2026 is two dates
				return 0, 0, 0, nil, false
			}
			if m, w = number(rest, 2); w == 0 {
				return 0, 0, 0, nil, false
			}
		}
		if _, rest, ok = parted(rest[w:]); !ok {
			return 0, 0, 0, nil, false
		}
		if y, w = number(rest, 4); w != 4 {
			return 0, 0, 0, nil, false
		}
		return y, m, d, rest[w:], true
	}
	if m, w = monthWord(b); w > 0 { // Mar 2, 2026
		_, rest, ok = parted(b[w:])
		if !ok {
			return 0, 0, 0, nil, false
		}
		if d, w = number(rest, 2); w == 0 {
			return 0, 0, 0, nil, false
		}
		rest = bytes.TrimLeft(rest[w:], ", ")
		if y, w = number(rest, 4); w != 4 {
			return 0, 0, 0, nil, false
		}
		return y, m, d, rest[w:], true
	}
	return 0, 0, 0, nil, false
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// monthWord reads an English month, short or long, and says how long it is.
func monthWord(b []byte) (m, width int) {
	for width < len(b) && (b[width]|0x20)-'a' < 26 {
		width++
	}
	if width < 3 {
		return 0, 0
	}
	i := strings.Index(months, strings.ToLower(string(b[:3])))
	if i < 0 || i%3 != 0 {
		return 0, 0
	}
	return i/3 + 1, width
}

// parseRest reads the time of day and the offset after a date.
func parseRest(b []byte, c *clock) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] == 'T' || b[0] == 't' {
		b = b[1:]
	}
	b = bytes.TrimLeft(b, " \t,")
	if len(b) == 0 {
		return true
	}
	h, w := number(b, 6)
	switch w {
	case 6:
		c.second = h/10000*3600 + h/100%100*60 + h%100
		if h/10000 > 23 || h/100%100 > 59 || h%100 > 59 {
			return false
		}
		b = b[6:]
	case 4:
		c.second = h/100*3600 + h%100*60
		if h/100 > 23 || h%100 > 59 {
			return false
		}
		b = b[4:]
	case 1, 2:
		var m, s int
		var ok bool
		if b, ok = colon(b[w:]); !ok {
			return false
		}
		if m, w = number(b, 2); w != 2 {
			return false
		}
		b = b[2:]
		if rest, ok := colon(b); ok {
			if s, w = number(rest, 2); w != 2 {
				return false
			}
			b = rest[2:]
		}
		if h > 23 || m > 59 || s > 60 {
			return false
		}
		c.second = h*3600 + m*60 + s
	default:
		return false
	}
	c.timed = true
	if len(b) > 1 && (b[0] == '.' || b[0] == ',') && b[1]-'0' <= 9 {
		unit := int(1e8)
		b = b[1:]
		for len(b) > 0 && b[0]-'0' <= 9 {
			c.nano += int(b[0]-'0') * unit
			unit /= 10
			b = b[1:]
		}
	}
	return parseOffset(bytes.TrimLeft(b, " "), c)
}

func colon(b []byte) ([]byte, bool) {
	if len(b) > 0 && b[0] == ':' {
		return b[1:], true
	}
	if bytes.HasPrefix(b, []byte("：")) {
		return b[len("："):], true
	}
	return b, false
}

func parseOffset(b []byte, c *clock) bool {
	switch {
	case len(b) == 0:
		return true
	case len(b) == 2 && (b[0]|0x20 == 'a' || b[0]|0x20 == 'p') && b[1]|0x20 == 'm':
		h := c.second / 3600
		if h == 0 || h > 12 {
			return false
		}
		c.second += (h%12 - h) * 3600
		if b[0]|0x20 == 'p' {
			c.second += 12 * 3600
		}
		return true
	case string(b) == "Z" || string(b) == "z" || string(b) == "UTC" || string(b) == "GMT":
		c.zoned = true
		return true
	}
	b = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("UTC")), []byte("GMT"))
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return false
	}
	h, w := number(b[1:], 2)
	if w != 2 {
		return false
	}
	rest := b[3:]
	if r, ok := colon(rest); ok {
		rest = r
	}
	m, w := number(rest, 2)
	if w != 0 && w != 2 || len(rest) != w || h > 18 || m > 59 {
		return false
	}
	c.offset = h*60 + m
	if b[0] == '-' {
		c.offset = -c.offset
	}
	c.zoned = true
	return true
}

// currencies are names that stand for a currency in files.
var currencies = map[string]string{
	"人民币": "CNY", "人民币元": "CNY", "RMB": "CNY", "元": "CNY", "¥": "CNY", "￥": "CNY", "CNH": "CNY",
	"美元": "USD", "$": "USD", "US$": "USD", "港币": "HKD", "港元": "HKD", "HK$": "HKD", "欧元": "EUR", "€": "EUR",
	"英镑": "GBP", "£": "GBP", "日元": "JPY", "日圆": "JPY", "澳门元": "MOP", "澳门币": "MOP", "新台币": "TWD", "新加坡元": "SGD",
}

// ParseCurrency reads a currency by its ISO 4217 letters, whatever their case,
// its number, or a usual name or sign.
func ParseCurrency(text []byte) (money.Currency, bool) {
	if c, ok := money.ParseCurrencyBytes(text); ok {
		return c, true
	}
	if name, ok := currencies[string(text)]; ok {
		return money.ParseCurrencyBytes([]byte(name))
	}
	if c, ok := money.FromNumeric(string(text)); ok {
		return c, true
	}
	upper := bytes.ToUpper(text)
	if name, ok := currencies[string(upper)]; ok {
		return money.ParseCurrencyBytes([]byte(name))
	}
	return money.ParseCurrencyBytes(upper)
}

// MaskedPAN gives a card number as evidence keeps it. ok is false where the
// text shows too little to be a key; the error is a full number, which must
// not be repeated.
func MaskedPAN(text []byte) (masked string, ok bool, err error) {
	s := string(text)
	if card.IsMasked(s) {
		return s, true, nil
	}
	if card.IsPAN(s) {
		return "", false, errFullPAN
	}
	masked, ok = card.Normalize(s)
	return masked, ok, nil
}

// AccountPart gives the part of a source that stands for an account: its last
// four and a token, so that no account number stands in an answer.
func AccountPart(account string) string {
	if account == "" {
		return ""
	}
	return strings.TrimLeft(card.AccountTail(account), "*") + "." + card.AccountToken(account)
}

// trim takes space off both ends: ASCII, no-break and ideographic.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] <= ' ' || b[0] >= 0x80) {
		r, n := utf8.DecodeRune(b)
		if r > ' ' && r != '\u00a0' && r != '\u3000' && r != '\ufeff' {
			break
		}
		b = b[n:]
	}
	for len(b) > 0 && (b[len(b)-1] <= ' ' || b[len(b)-1] >= 0x80) {
		r, n := utf8.DecodeLastRune(b)
		if r > ' ' && r != '\u00a0' && r != '\u3000' && r != '\ufeff' {
			break
		}
		b = b[:len(b)-n]
	}
	return b
}

// clean takes off what programs put around a cell besides quotes: padding, the
// back-tick or apostrophe that keeps a spreadsheet from reading a number, and
// the form ="123".
func clean(b []byte) []byte {
	b = trim(b)
	if len(b) == 0 {
		return b
	}
	switch b[0] {
	case '`':
		return trim(b[1:])
	case '\'':
		b = b[1:]
		if len(b) > 0 && b[len(b)-1] == '\'' {
			b = b[:len(b)-1]
		}
		return trim(b)
	case '=':
		if len(b) >= 3 && b[1] == '"' && b[len(b)-1] == '"' {
			return trim(b[2 : len(b)-1])
		}
	case '"':
		if len(b) >= 2 && b[len(b)-1] == '"' {
			return trim(b[1 : len(b)-1])
		}
	}
	return b
}
