package iso8583

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Description is a message in words, masked: card numbers show six and four,
// tracks, PIN blocks, keys and verification values nothing.
type Description struct {
	Dialect     string `json:"dialect"`
	DialectName string `json:"dialect_name"`
	MTI         string `json:"mti"`
	MTIMeaning  string `json:"mti_meaning,omitempty"`
	// Operation is "unknown" where the codes stand for none.
	Operation        string `json:"operation"`
	OperationMeaning string `json:"operation_meaning,omitempty"`
	Reversal         bool   `json:"reversal"`
	Response         bool   `json:"response"`
	Repeat           bool   `json:"repeat"`
	Header           []Item `json:"header,omitempty"`
	Fields           []Item `json:"fields"`
}

// Item is one field, one part of it, or one element of chip data.
type Item struct {
	Field int    `json:"field,omitempty"`
	Key   string `json:"key,omitempty"` // of a part or tag
	Name  string `json:"name"`
	// Format as the dialect has it; only of fields.
	Format string `json:"format,omitempty"`
	// Value as it may be shown; binary in hexadecimal.
	Value   string `json:"value"`
	Meaning string `json:"meaning,omitempty"`
	// Masked: Value does not show all.
	Masked bool   `json:"masked,omitempty"`
	Parts  []Item `json:"parts,omitempty"`
}

// Describe gives the message in words, in English or with lang "zh" in Chinese.
func (m *Message) Describe(lang string) Description {
	k, err := m.Kind()
	d := Description{Dialect: m.dialect.Name, DialectName: m.dialect.Title.In(lang), MTI: m.MTI(),
		Operation: k.Operation.String(), Reversal: k.Reversal, Response: k.Response, Repeat: k.Repeat && !k.Response}
	d.MTIMeaning = meaning().MessageTypes[d.MTI[1:3]].In(lang)
	if err == nil {
		d.OperationMeaning = meaning().Operations[k.Operation.String()].In(lang)
	}
	at := 0
	for _, p := range m.dialect.header {
		if at+p.Length > len(m.header) {
			break
		}
		v := m.header[at : at+p.Length]
		at += p.Length
		it := Item{Key: p.Key, Name: p.In(lang), Value: strings.ToUpper(hex.EncodeToString(v))}
		if p.Length > 1 && printable(v) {
			it.Value = string(v)
		}
		d.Header = append(d.Header, it)
	}
	for n := range m.Fields() {
		d.Fields = append(d.Fields, m.describeField(n, k, lang))
	}
	return d
}

func (m *Message) describeField(n int, k Kind, lang string) Item {
	f := m.dialect.fields[n]
	v := m.Bytes(n)
	it := Item{Field: n, Name: f.Name.In(lang), Format: f.Format}
	switch f.Secrecy {
	case CardNumber:
		it.Value, it.Masked = maskPAN(string(v)), true
		it.Meaning = card.Network(string(v))
		return it
	case Secret:
		it.Value, it.Masked = hidden(len(v)), true
		return it
	}
	it.Value, it.Masked = show(f, v)
	words := meaning()
	switch f.Content {
	case "processing":
		it.Meaning = words.Processing[head(v, 2)].In(lang)
	case "entry":
		it.Meaning = words.Entry[head(v, 2)].In(lang)
		if len(v) > 2 {
			if pin := words.PIN[string(v[2:3])].In(lang); pin != "" {
				it.Meaning += glue(lang) + pin
			}
		}
	case "condition":
		it.Meaning = words.Condition[string(v)].In(lang)
	case "network":
		it.Meaning = words.Network[string(v)].In(lang)
	case "code":
		if len(v) == 2 {
			if info, ok := evidence.LookupCode(evidence.Code(v)); ok {
				it.Meaning = Text{info.EN, info.ZH}.In(lang)
			}
		}
	case "currency":
		if c, ok := money.FromNumeric(string(v)); ok {
			it.Meaning = c.String()
		}
	case "amount":
		it.Meaning = m.amountInWords(v)
	case "balance":
		if minor, currency, err := m.Balance(); err == nil {
			if c, ok := money.FromNumeric(currency); ok {
				it.Meaning = money.FormatGrouped(minor, c) + " " + c.String()
			}
		}
	case "tlv":
		m.describeTLV(&it, v, lang)
	case "keys":
		// Requests of management tell the terminal's number here; answers bring
		// keys, and payments without a card its verification value.
		if management := k.Operation >= SignOn; !management || k.Response || !printable(v) {
			it.Value, it.Masked = hidden(len(v)), true
		}
	case "batch":
		m.describeBatch(&it, k, lang)
	}
	switch n {
	case LocalTime:
		it.Meaning = clock(v)
	case LocalDate, SettlementDate:
		if len(v) == 4 {
			it.Meaning = string(v[:2]) + "-" + string(v[2:])
		}
	case TransmissionTime:
		if len(v) == 10 {
			it.Meaning = string(v[:2]) + "-" + string(v[2:4]) + " " + clock(v[4:]) + " UTC"
		}
	}
	if !it.Masked {
		for i := range f.Parts {
			p := &f.Parts[i]
			part := p.cut(v)
			if part == nil {
				break
			}
			sub := Item{Key: p.Key, Name: p.In(lang)}
			sub.Value, sub.Masked = show(f, part)
			switch {
			case n == m.dialect.roles[roleCode].field && p.Key == "code" && k.Operation != UnknownOperation:
				sub.Meaning = words.Operations[k.Operation.String()].In(lang)
			case p.Key == "network":
				sub.Meaning = words.Network[string(part)].In(lang)
			case p.Key == "operation":
				sub.Meaning = words.Operations[string(part)].In(lang)
			}
			it.Parts = append(it.Parts, sub)
		}
	}
	return it
}

func (m *Message) describeTLV(it *Item, v []byte, lang string) {
	list, err := ParseTLV(v)
	it.Masked = false
	for _, e := range list {
		tag, known := meaning().Tags[e.Tag]
		sub := Item{Key: e.Tag, Name: tag.In(lang), Value: strings.ToUpper(hex.EncodeToString(e.Value))}
		if !known {
			sub.Name = Text{"Tag of the issuer or device", "自定义标签"}.In(lang)
		}
		switch {
		case tag.Secrecy == "pan":
			sub.Value, sub.Masked = maskPAN(strings.TrimRight(sub.Value, "F")), true
		case tag.Secrecy == "secret":
			sub.Value, sub.Masked = hidden(len(e.Value)), true
		case e.Tag == "9F02" || e.Tag == "9F03":
			sub.Meaning = m.amountInWords([]byte(sub.Value))
		case e.Tag == "5F2A":
			if c, ok := money.FromNumeric(strings.TrimPrefix(sub.Value, "0")); ok {
				sub.Meaning = c.String()
			}
		case known:
		default: // of an issuer's own tags nobody knows the content
			sub.Value, sub.Masked = card.MaskText(sub.Value)
			if text, ok := gbk(e.Value); ok && len(e.Value) > 3 && !sub.Masked {
				text, sub.Masked = card.MaskText(text)
				if sub.Masked || looksLikeTrack(text) {
					sub.Value, sub.Masked, text = hidden(len(e.Value)), true, ""
				}
				sub.Meaning = text
			}
		}
		it.Parts = append(it.Parts, sub)
	}
	if err != nil {
		it.Meaning = err.Error()
	}
	// The whole repeats what the parts show, card numbers in clear among it.
	it.Value = hidden(len(v))
	if len(list) > 0 && err == nil {
		it.Value = fmt.Sprintf("%d B", len(v))
	}
}

func (m *Message) describeBatch(it *Item, k Kind, lang string) {
	switch k.Operation {
	case Settlement:
		r, err := m.Reconciliation()
		if err != nil {
			return
		}
		amount := func(minor int64) string {
			c, ok := money.FromNumeric(m.Get(Currency))
			if !ok {
				c, _ = money.ParseCurrency("CNY")
			}
			return money.FormatGrouped(minor, c)
		}
		for _, half := range []struct {
			key  string
			name Text
			t    Totals
			c    Comparison
		}{{"domestic", Text{"domestic cards", "内卡"}, r.Domestic, r.DomesticResult}, {"foreign", Text{"foreign cards", "外卡"}, r.Foreign, r.ForeignResult}} {
			name := half.name.In(lang) + glue(lang)
			it.Parts = append(it.Parts,
				Item{Key: half.key + "_debits", Name: name + Text{"debits", "借记"}.In(lang), Value: fmt.Sprint(half.t.DebitCount), Meaning: amount(half.t.DebitAmount)},
				Item{Key: half.key + "_credits", Name: name + Text{"credits", "贷记"}.In(lang), Value: fmt.Sprint(half.t.CreditCount), Meaning: amount(half.t.CreditAmount)},
				Item{Key: half.key + "_result", Name: name + Text{"comparison", "对账"}.In(lang), Value: string(rune(half.c)), Meaning: meaning().Comparison[string(rune(half.c))].In(lang)})
		}
	case Upload:
		list, err := m.Uploads()
		it.Value, it.Masked = hidden(len(m.Bytes(it.Field))), true
		if err != nil {
			return
		}
		for i, u := range list {
			it.Parts = append(it.Parts, Item{Key: fmt.Sprint(i + 1), Name: Text{"trace number ", "流水号"}.In(lang) + u.STAN,
				Value: maskPAN(u.PAN), Meaning: m.amountInWords(fmt.Appendf(nil, "%012d", u.Amount)), Masked: true})
		}
	case UploadEnd:
	default: // other networks use the field for anything
		it.Value, it.Masked = hidden(len(m.Bytes(it.Field))), true
	}
}

// amountInWords gives digits as an amount in the message's currency, "" without.
func (m *Message) amountInWords(digits []byte) string {
	c, ok := money.FromNumeric(m.Get(Currency))
	minor, err := money.ParseMinor(string(digits))
	if !ok || err != nil {
		return ""
	}
	return money.FormatGrouped(minor, c) + " " + c.String()
}

// show gives a value that is no secret by its field, and masks what looks like a
// card number in it all the same.
func show(f *Field, v []byte) (string, bool) {
	if f.class == classN {
		// Digits with a meaning of their own: that sixteen of them pass for a
		// card number is chance.
		return string(v), false
	}
	if f.class == classB && !(f.Content == "keys" && printable(v)) {
		if f.Content == "mac" && printable(v) {
			return strings.ToUpper(hex.EncodeToString(v)) + " (" + string(v) + ")", false
		}
		return card.MaskText(strings.ToUpper(hex.EncodeToString(v)))
	}
	if text, ok := gbk(v); ok {
		if f.class == classANS || f.class == classB {
			text = strings.TrimRight(text, " ")
			if looksLikeTrack(text) {
				return hidden(len(v)), true
			}
		}
		return card.MaskText(text)
	}
	return card.MaskText(strings.ToUpper(hex.EncodeToString(v)))
}

// looksLikeTrack reports whether free text holds a track 2: a separator after at
// least twelve digits, followed by at least seven.
func looksLikeTrack(s string) bool {
	for i := range len(s) {
		if s[i] != '=' && s[i] != 'D' {
			continue
		}
		before, after := 0, 0
		for j := i - 1; j >= 0 && s[j]-'0' <= 9; j-- {
			before++
		}
		for j := i + 1; j < len(s) && s[j]-'0' <= 9; j++ {
			after++
		}
		if before >= 12 && after >= 7 {
			return true
		}
	}
	return false
}

// gbk reads text of ASCII or GBK; false where it is neither or does not print.
func gbk(v []byte) (string, bool) {
	if printable(v) {
		return string(v), true
	}
	b, err := simplifiedchinese.GBK.NewDecoder().Bytes(v)
	if err != nil {
		return "", false
	}
	for _, r := range string(b) {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return "", false
		}
	}
	return string(b), len(v) > 0
}

func printable(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(v) > 0
}

// maskPAN shows six and four of a card number, nothing of a shorter text.
func maskPAN(s string) string {
	if len(s) < 13 {
		return hidden(len(s))
	}
	return s[:6] + strings.Repeat("*", len(s)-10) + s[len(s)-4:]
}

// hidden stands for a value that is not shown; its length tells no secret.
func hidden(n int) string { return fmt.Sprintf("**** (%d)", n) }

func head(v []byte, n int) string { return string(v[:min(n, len(v))]) }

func glue(lang string) string {
	if lang == "zh" {
		return "，"
	}
	return ", "
}

func clock(v []byte) string {
	if len(v) != 6 {
		return ""
	}
	return string(v[:2]) + ":" + string(v[2:4]) + ":" + string(v[4:])
}
