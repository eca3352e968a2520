package evidence

import (
	"strconv"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// data reads the data object into the draft.
func (rd *eventReader) data(d *Draft) bool {
	if rd.next() != '{' {
		return rd.refuse(ofField("data", fault.Say("must be an object", "须为对象")))
	}
	rd.pos++
	if rd.next() == '}' {
		rd.pos++
		return true
	}
	after, last := &rd.after[d.fact.Type], NoField
	for {
		if rd.buf[rd.pos] != '"' && rd.next() != '"' {
			return rd.fail(needName)
		}
		f, ok := after[last], true
		if p := &patterns[f]; p.matches(rd.buf[rd.pos:]) {
			rd.pos += int(p.length)
		} else {
			f = NoField
			if d.fact.Type != UnknownType {
				if head, tail, n := rd.shortName(); n > 0 {
					if f = Field(fieldNames.ends(head, tail, n)); f != NoField {
						rd.pos += n + 2
						ok = rd.colon()
						after[last] = f
					}
				}
			}
		}
		if f != NoField {
			last = f
			ok = ok && rd.known(d, f)
		} else {
			ok = rd.other(d)
		}
		if !ok {
			return false
		}
		if rd.buf[rd.pos] == ',' {
			rd.pos++
			continue
		}
		again, ok := rd.more('}')
		if !again {
			return ok
		}
	}
}

// known reads a field of the contract.
func (rd *eventReader) known(d *Draft, f Field) bool {
	if f == Issuer && d.fact.Type == Notice {
		f = NoticeIssuer
	}
	if rd.given.has(f) {
		return rd.refuse(ofField(f.String(), whyTwice))
	}
	rd.given.add(f)
	return rd.field(d, f)
}

// other reads a field that is not known at first sight: one that the contract
// does not name, or one whose name is written with escapes.
func (rd *eventReader) other(d *Draft) bool {
	name, ok := rd.name()
	if !ok {
		return false
	}
	if d.fact.Type != UnknownType {
		if f, ok := fieldByName[string(name)]; ok {
			return rd.known(d, f)
		}
	}
	return rd.unknownField(d, name)
}

func (rd *eventReader) unknownField(d *Draft, name []byte) bool {
	if !rd.unknown.add(name) {
		return rd.refuse(ofField(showName(name), whyTwice))
	}
	if !rd.allowName(name) {
		return false
	}
	var ok bool
	rd.raw = append(appendMaskedString(rd.raw[:0], name), ':')
	if rd.raw, ok = rd.appendNamed(rd.raw, name, 1); ok {
		d.details = append(d.details, detail{field: UnknownField, text: string(rd.raw)})
	}
	return ok
}

// field reads the value of a field of the contract.
func (rd *eventReader) field(d *Draft, f Field) bool {
	c := rd.buf[rd.pos]
	if c <= ' ' {
		c = rd.next()
	}
	switch fields[f].class {
	case classWord, classEnum:
		if c == '"' && rd.atSight(d, f) {
			return true
		}
		fallthrough
	case classText, classInstant, classDate, classMoment:
		if c != '"' {
			return rd.wrongType(f, mustString)
		}
		text, ok := rd.str()
		if !ok {
			return false
		}
		if len(text) == 0 {
			if fields[f].class > classText {
				return rd.refuse(ofField(f.String(), fault.Say("is empty; leave out what is not known", "为空；不知道的内容请省略该字段")))
			}
			// Nothing is said, but the content is what was written.
			d.asWritten(f, []byte(`""`))
			return true
		}
		if (f == STAN || f == OriginalSTAN) && len(text) < stanDigits && allDigits(text) {
			d.asWritten(f, appendString(nil, text))
		}
		var err error
		switch fields[f].class {
		case classWord:
			if f == TID || f == Network || f == Issuer || f == Payout {
				*d.fact.word(f) = rd.w.word(text) // likely to repeat
				return true
			}
			err = d.putWord(f, text)
		case classText:
			err = d.putText(f, text)
		case classEnum:
			err = d.putEnum(f, text)
		default:
			err = d.Put(f, text)
		}
		if err != nil {
			return rd.refuse(fault.TextOf(err))
		}
	case classAmount, classSigned:
		return rd.integer(d, f, &mustMinor)
	case classCount:
		return rd.integer(d, f, &mustWhole)
	case classNumber:
		if c != '-' && c-'0' > 9 {
			return rd.wrongType(f, fault.Say("must be a number", "须为数字"))
		}
		text, _, ok := rd.number()
		if !ok {
			return false
		}
		if err := d.Put(f, text); err != nil {
			return rd.refuse(fault.TextOf(err))
		}
	case classBool:
		yes := c == 't'
		if !yes && c != 'f' {
			return rd.wrongType(f, fault.Say("must be true or false", "须为 true 或 false"))
		}
		if yes && !rd.literal("true") || !yes && !rd.literal("false") {
			return false
		}
		if err := d.PutBool(f, yes); err != nil {
			return rd.refuse(fault.TextOf(err))
		}
	case classList:
		if c != '[' {
			return rd.wrongType(f, fault.Say("must be a list of strings", "须为字符串列表"))
		}
		return rd.list(d, f)
	default:
		if c == 'n' {
			return rd.wrongType(f, fault.Text{})
		}
		var ok bool
		if rd.raw, ok = rd.appendRaw(rd.raw[:0], 1); !ok {
			return false
		}
		if err := d.Put(f, rd.raw); err != nil {
			return rd.refuse(fault.TextOf(err))
		}
	}
	return true
}

// atSight reads in one go what most values are: a word of up to sixteen digits,
// a word of a vocabulary, a currency, a response code. False where the value is
// none of these; nothing is read then.
func (rd *eventReader) atSight(d *Draft, f Field) bool {
	at := rd.pos + 1
	switch {
	case f < PAN:
		n, v := leadingDigits(rd.buf[at:])
		if n == 0 || rd.buf[at+n] != '"' || f == STAN && n < stanDigits {
			return false
		}
		*d.fact.word(f) = digitsWord(n, v)
		rd.pos = at + n + 1
		return true
	case f == CurrencyField:
		c, ok := money.ParseCurrencyBytes(rd.buf[at : at+3])
		if !ok || rd.buf[at+3] != '"' {
			return false
		}
		d.fact.Currency = c
		rd.pos = at + 4
		return true
	case f == ResponseCode:
		c := Code{rd.buf[at], rd.buf[at+1]}
		if !isLetterOrDigit(c[0]) || !isLetterOrDigit(c[1]) || rd.buf[at+2] != '"' {
			return false
		}
		d.fact.Code = c
		rd.pos = at + 3
		return true
	}
	v := vocabularyOf[f]
	if v == nil {
		return false
	}
	head, tail, n := rd.shortName()
	if n == 0 {
		return false
	}
	number := v.table.ends(head, tail, n)
	if number == 0 {
		return false
	}
	d.setEnum(f, number)
	rd.pos = at + n + 1
	return true
}

func (rd *eventReader) integer(d *Draft, f Field, must *fault.Text) bool {
	n, v := leadingDigits(rd.buf[rd.pos:])
	if c := rd.buf[rd.pos+n]; n > 0 && n <= 15 && (c == ',' || c == '}') && (n == 1 || rd.buf[rd.pos] != '0') {
		rd.pos += n
		if err := d.PutInt(f, int64(v)); err != nil {
			return rd.refuse(fault.TextOf(err))
		}
		return true
	}
	if c := rd.buf[rd.pos]; c != '-' && c-'0' > 9 {
		return rd.wrongType(f, *must)
	}
	text, integer, ok := rd.number()
	if !ok {
		return false
	}
	if !integer {
		return rd.refuse(ofField(f.String(), *must))
	}
	whole, fits := parseInt(text)
	if !fits {
		return rd.refuse(ofField(f.String(), fault.Say("%s within 64 bits", "%s，且不超出 64 位", *must)))
	}
	if err := d.PutInt(f, whole); err != nil {
		return rd.refuse(fault.TextOf(err))
	}
	return true
}

func (rd *eventReader) list(d *Draft, f Field) bool {
	rd.pos++
	if rd.next() == ']' {
		rd.pos++
		d.asWritten(f, []byte("[]"))
		return true
	}
	for n := 0; ; n++ {
		if rd.next() != '"' {
			return rd.refuse(ofField(showItem(f.String(), n), mustString))
		}
		item, ok := rd.str()
		if !ok {
			return false
		}
		d.PutItem(f, rd.w.text(item))
		again, ok := rd.more(']')
		if !again {
			return ok
		}
	}
}

// What an integer must be.
var (
	mustMinor = fault.Say("must be an integer in minor units", "须为整数，以最小货币单位计（如分）")
	mustWhole = fault.Say("must be a whole number", "须为整数")
)

// wrongType refuses a value of another JSON type than the field's.
func (rd *eventReader) wrongType(f Field, must fault.Text) bool {
	switch c := rd.buf[rd.pos]; {
	case c == 'n':
		return rd.literal("null") && rd.refuse(ofField(f.String(), fault.Say("is null; leave out what is not known", "为 null；不知道的内容请省略该字段")))
	case strings.IndexByte(`"{[tf-0123456789`, c) < 0:
		return rd.fail(fault.Say("a value is expected", "此处应为值"))
	}
	if f == PAN {
		must = whyPAN
	}
	return rd.refuse(ofField(f.String(), must))
}

// asWritten keeps a field's JSON as it was written, where the fact keeps it
// otherwise, for the export and the content.
func (d *Draft) asWritten(f Field, raw []byte) {
	d.details = append(d.details, detail{field: writtenText, num: int64(f), text: string(raw)})
}

// showItem names an item of a list, counted from 1.
func showItem(name string, n int) string { return name + "[" + strconv.Itoa(n+1) + "]" }
