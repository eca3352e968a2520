package evidence

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"daozhang/internal/card"
)

// eventReader reads CloudEvents into the facts of one writer.
type eventReader struct {
	scanner
	w *Writer

	// Of the event being read:
	given      fieldSet // fields of its data
	unknown    nameSet  // names in its data that the contract does not know
	extensions []string // attributes beside the contract's, as `"name":value`
	raw        []byte

	// after remembers, for each type, which field came last time behind which
	// other: a witness writes its fields in the same order again and again.
	after [typeCount][fieldCount]Field
}

// fieldSet is a set of fields.
type fieldSet [2]uint64

func (s *fieldSet) has(f Field) bool { return s[f>>6]&(1<<(f&63)) != 0 }
func (s *fieldSet) add(f Field)      { s[f>>6] |= 1 << (f & 63) }

// The attributes of a CloudEvent that the contract reads.
const (
	attrSpecVersion = 1 << iota
	attrID
	attrSource
	attrType
	attrTime
	attrRecorded
	attrData
)

var attributeNames = newNameTable(map[string]uint8{
	"specversion": attrSpecVersion, "id": attrID, "source": attrSource, "type": attrType,
	"time": attrTime, "recordedtime": attrRecorded, "data": attrData,
})

// event reads one event and keeps it as a fact of the given line. why says what
// is wrong with it; nothing is kept then. It never repeats a value.
//
// Attributes beside those of the contract (subject, datacontenttype, a trace
// id) are not evidence: they are kept as they came for the export, and are no
// part of the content that two copies must share. As CloudEvents demands, an
// attribute that is null is one that is absent.
func (rd *eventReader) event(line int) (why string) {
	if rd.next() != '{' {
		return "not an event: a line holds one JSON object, {…}"
	}
	rd.pos++
	const usual = `"specversion":"1.0",`
	var (
		seen             uint8
		id, source, when []byte
		recorded, name   []byte
		typ              Type
		d                *Draft
		dataAt           int
	)
	rd.given, rd.extensions = fieldSet{}, rd.extensions[:0]
	rd.unknown.few, rd.unknown.many = rd.unknown.few[:0], nil
	var attributes nameSet
	if rd.end-rd.pos > len(usual) && string(rd.buf[rd.pos:rd.pos+len(usual)]) == usual {
		rd.pos += len(usual)
		seen = attrSpecVersion
	}
	if seen == 0 && rd.next() == '}' {
		rd.pos++
	} else {
		for again := true; again; {
			if rd.next() != '"' {
				rd.fail("a name in double quotes is expected")
				return rd.why
			}
			var key []byte
			var attr uint8
			ok := true
			head, tail, n := rd.shortName()
			if attr = attributeNames.ends(head, tail, n); attr != 0 {
				key = rd.buf[rd.pos+1:][:n]
				rd.pos += n + 2
				ok = rd.colon()
			} else if key, ok = rd.name(); ok {
				attr = attributeNames.find(key)
			}
			if !ok {
				return rd.why
			}
			if attr == 0 {
				if !attributes.add(key) {
					return showName(key) + ": given twice"
				}
				if !rd.extension(key) {
					return rd.why
				}
			} else if rd.next() == 'n' && rd.literal("null") {
				ok = true
			} else {
				if seen&attr != 0 {
					return string(key) + ": given twice"
				}
				seen |= attr
				if attr == attrData {
					if d != nil || seen&(attrType|attrTime) != attrType|attrTime {
						// What the data's fields mean depends on the type and
						// on the zone of the time: it is read when they are known.
						dataAt = rd.pos
						ok = rd.skip(0)
					} else {
						if d, ok = rd.begin(typ, name, when); ok {
							ok = rd.data(d)
						}
					}
				} else {
					var value []byte
					if rd.buf[rd.pos] != '"' {
						return string(key) + ": must be a string"
					}
					if value, ok = rd.str(); !ok {
						return rd.why
					}
					if len(value) == 0 {
						return string(key) + ": is empty"
					}
					switch attr {
					case attrSpecVersion:
						if string(value) != "1.0" {
							return "specversion: must be 1.0"
						}
					case attrID:
						id = value
					case attrSource:
						source = value
					case attrType:
						if typ = typeOf(value); typ == UnknownType {
							name = value
						}
					case attrTime:
						when = value
					case attrRecorded:
						recorded = value
					}
				}
			}
			if !ok {
				return rd.why
			}
			if again, ok = rd.more('}'); !ok {
				return rd.why
			}
		}
	}
	if c := rd.next(); c != '\n' || rd.pos != rd.end {
		rd.fail("more follows the object; a line holds one event")
		return rd.why
	}
	switch missing := (attrSpecVersion | attrID | attrSource | attrType | attrTime | attrData) &^ seen; {
	case missing == 0:
	case missing&attrSpecVersion != 0:
		return "specversion: missing; an event of CloudEvents 1.0 is expected"
	case missing&attrID != 0:
		return "id: missing"
	case missing&attrSource != 0:
		return "source: missing"
	case missing&attrType != 0:
		return "type: missing"
	case missing&attrTime != 0:
		return "time: missing"
	default:
		return "data: missing"
	}
	if d == nil {
		var ok bool
		if d, ok = rd.begin(typ, name, when); ok {
			rd.pos = dataAt
			ok = rd.data(d)
		}
		if !ok {
			return rd.why
		}
	}
	d.fact.Source = rd.w.word(source)
	d.fact.ID = d.Words().Of(id)
	d.fact.Line = uint32(min(line, math.MaxUint32))
	if recorded != nil {
		if err := d.PutRecorded(recorded); err != nil {
			return err.Error()
		}
	}
	for _, e := range rd.extensions {
		d.details = append(d.details, detail{field: extension, text: e})
	}
	if _, err := d.Commit(); err != nil {
		return err.Error()
	}
	return ""
}

func (rd *eventReader) begin(t Type, name, when []byte) (*Draft, bool) {
	d := rd.w.Begin(t)
	if t == UnknownType {
		d.typeAs, _ = card.MaskText(string(name))
	}
	if err := d.PutTime(when); err != nil {
		return nil, rd.refuse(err.Error())
	}
	return d, true
}

// extension keeps an attribute the contract does not read.
func (rd *eventReader) extension(name []byte) bool {
	if string(name) == "data_base64" {
		return rd.refuse("data_base64: binary data is not evidence; give the fields in data")
	}
	if !rd.allowName(name) {
		return false
	}
	var ok bool
	rd.raw = append(appendMaskedString(rd.raw[:0], name), ':')
	if rd.raw, ok = rd.appendNamed(rd.raw, name, 1); ok && !bytes.HasSuffix(rd.raw, []byte(":null")) {
		rd.extensions = append(rd.extensions, string(rd.raw))
	}
	return ok
}

// data reads the data object into the draft.
func (rd *eventReader) data(d *Draft) bool {
	if rd.next() != '{' {
		return rd.refuse("data: must be an object")
	}
	rd.pos++
	if rd.next() == '}' {
		rd.pos++
		return true
	}
	after, last := &rd.after[d.fact.Type], NoField
	for {
		if rd.buf[rd.pos] != '"' && rd.next() != '"' {
			return rd.fail("a name in double quotes is expected")
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

// pattern is a name as it stands in the text, with its quotes and colon.
type pattern struct {
	text, mask [3]uint64
	length     uint8
}

var patterns = func() (p [fieldCount]pattern) {
	for f := range p {
		p[f].text[0] = 1 // no name begins so
		if name := fields[f].name; name != "" {
			text := `"` + name + `":`
			var b, mask [3 * 8]byte
			for i := range copy(b[:], text) {
				mask[i] = 0xff
			}
			for i := range p[f].text {
				p[f].text[i] = binary.LittleEndian.Uint64(b[8*i:])
				p[f].mask[i] = binary.LittleEndian.Uint64(mask[8*i:])
			}
			p[f].length = uint8(len(text))
		}
	}
	return p
}()

// matches reports whether b, of at least 24 bytes, begins with the pattern.
func (p *pattern) matches(b []byte) bool {
	_ = b[23]
	return (binary.LittleEndian.Uint64(b)&p.mask[0]^p.text[0])|
		(binary.LittleEndian.Uint64(b[8:])&p.mask[1]^p.text[1])|
		(binary.LittleEndian.Uint64(b[16:])&p.mask[2]^p.text[2]) == 0
}

// shortName looks at the name that begins at the position and gives its ends,
// as nameEnds does, and its length; 0 for one that is longer than any field's.
// A name with escapes gives ends that no field has.
func (s *scanner) shortName() (head, tail uint64, n int) {
	b := s.buf[s.pos+1:]
	x := binary.LittleEndian.Uint64(b)
	q := x ^ quotes
	if m := (q - ones) &^ q & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
		return x & (1<<(8*n) - 1), 0, n
	}
	q = binary.LittleEndian.Uint64(b[8:]) ^ quotes
	if m := (q - ones) &^ q & highs; m != 0 {
		n = 8 + bits.TrailingZeros64(m)>>3
	} else if b[16] == '"' {
		n = 16
	} else {
		return 0, 0, 0
	}
	return x, binary.LittleEndian.Uint64(b[n-8:]), n
}

// known reads a field of the contract.
func (rd *eventReader) known(d *Draft, f Field) bool {
	if f == Issuer && d.fact.Type == Notice {
		f = NoticeIssuer
	}
	if rd.given.has(f) {
		return rd.refuse(f.String() + ": given twice")
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
		return rd.refuse(showName(name) + ": given twice")
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
	case classWord:
		if c == '"' && rd.digits(d, f) {
			return true
		}
		fallthrough
	case classText, classInstant, classDate, classMoment, classEnum:
		if c != '"' {
			return rd.wrongType(f, "must be a string")
		}
		text, ok := rd.str()
		if !ok {
			return false
		}
		if len(text) == 0 {
			if fields[f].class > classText {
				return rd.refuse(f.String() + ": is empty; leave out what is not known")
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
			return rd.refuse(err.Error())
		}
	case classAmount, classSigned:
		return rd.integer(d, f, "must be an integer in minor units")
	case classCount:
		return rd.integer(d, f, "must be a whole number")
	case classNumber:
		if c != '-' && c-'0' > 9 {
			return rd.wrongType(f, "must be a number")
		}
		text, _, ok := rd.number()
		if !ok {
			return false
		}
		if err := d.Put(f, text); err != nil {
			return rd.refuse(err.Error())
		}
	case classBool:
		yes := c == 't'
		if !yes && c != 'f' {
			return rd.wrongType(f, "must be true or false")
		}
		if yes && !rd.literal("true") || !yes && !rd.literal("false") {
			return false
		}
		if err := d.PutBool(f, yes); err != nil {
			return rd.refuse(err.Error())
		}
	case classList:
		if c != '[' {
			return rd.wrongType(f, "must be a list of strings")
		}
		return rd.list(d, f)
	default:
		if c == 'n' {
			return rd.wrongType(f, "")
		}
		var ok bool
		if rd.raw, ok = rd.appendRaw(rd.raw[:0], 1); !ok {
			return false
		}
		if err := d.Put(f, rd.raw); err != nil {
			return rd.refuse(err.Error())
		}
	}
	return true
}

// digits reads a word of up to sixteen digits, as most keys are, in one go;
// false where it is another, or a field that has a form of its own.
func (rd *eventReader) digits(d *Draft, f Field) bool {
	at := rd.pos + 1
	n, v := leadingDigits(rd.buf[at:])
	if n == 0 || rd.buf[at+n] != '"' || f >= PAN || f == STAN && n < stanDigits {
		return false
	}
	*d.fact.word(f) = digitsWord(n, v)
	rd.pos = at + n + 1
	return true
}

// leadingDigits reads the digits at the beginning of b, behind which at least
// sixteen bytes follow: how many there are, at most sixteen, and their value.
func leadingDigits(b []byte) (n int, v uint64) {
	x := binary.LittleEndian.Uint64(b) ^ zeros
	if m := (x + 0x76*ones | x) & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
		return n, eightDigits(x << (64 - 8*n))
	}
	y := binary.LittleEndian.Uint64(b[8:]) ^ zeros
	n = 8
	if m := (y + 0x76*ones | y) & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
	}
	return 8 + n, eightDigits(x)*powers[n] + eightDigits(y<<(64-8*n))
}

var powers = [...]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

// eightDigits gives the value of eight digits, the first lowest in x, each as
// its number.
func eightDigits(x uint64) uint64 {
	x = x*10 + x>>8
	return (x&0x000000ff000000ff*0x000f424000000064 + x>>16&0x000000ff000000ff*0x0000271000000001) >> 32
}

func (rd *eventReader) integer(d *Draft, f Field, must string) bool {
	n, v := leadingDigits(rd.buf[rd.pos:])
	if c := rd.buf[rd.pos+n]; n > 0 && n <= 15 && (c == ',' || c == '}') && (n == 1 || rd.buf[rd.pos] != '0') {
		rd.pos += n
		if err := d.PutInt(f, int64(v)); err != nil {
			return rd.refuse(err.Error())
		}
		return true
	}
	if c := rd.buf[rd.pos]; c != '-' && c-'0' > 9 {
		return rd.wrongType(f, must)
	}
	text, integer, ok := rd.number()
	if !ok {
		return false
	}
	if !integer {
		return rd.refuse(f.String() + ": " + must)
	}
	whole, fits := parseInt(text)
	if !fits {
		return rd.refuse(f.String() + ": " + must + " within 64 bits")
	}
	if err := d.PutInt(f, whole); err != nil {
		return rd.refuse(err.Error())
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
			return rd.refuse(showItem(f.String(), n) + ": must be a string")
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

// wrongType refuses a value of another JSON type than the field's.
func (rd *eventReader) wrongType(f Field, must string) bool {
	switch c := rd.buf[rd.pos]; {
	case c == 'n':
		return rd.literal("null") && rd.refuse(f.String()+": is null; leave out what is not known")
	case strings.IndexByte(`"{[tf-0123456789`, c) < 0:
		return rd.fail("a value is expected")
	}
	if f == PAN {
		must = whyPAN
	}
	return rd.refuse(f.String() + ": " + must)
}

// asWritten keeps a field's JSON as it was written, where the fact keeps it
// otherwise, for the export and the content.
func (d *Draft) asWritten(f Field, raw []byte) {
	d.details = append(d.details, detail{field: writtenText, num: int64(f), text: string(raw)})
}

// parseInt reads digits with or without a minus; false beyond int64.
func parseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if neg {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// typeOf gives the type of a name as an event carries it.
func typeOf(name []byte) Type {
	if len(name) > len(TypePrefix) && string(name[:len(TypePrefix)]) == TypePrefix {
		name = name[len(TypePrefix):]
	}
	return Type(types.of(name))
}

// showItem names an item of a list, counted from 1.
func showItem(name string, n int) string { return name + "[" + strconv.Itoa(n+1) + "]" }
