package evidence

import (
	"bytes"
	"math"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// eventReader reads CloudEvents into the facts of one writer.
type eventReader struct {
	scanner
	w *Writer

	// Of the event being read:
	attributes
	given      fieldSet // fields of its data
	unknown    nameSet  // names in its data that the contract does not know
	others     nameSet  // attributes that the contract does not read
	extensions []string // and their values, as `"name":value`
	raw        []byte

	// after remembers, for each type, which field came last time behind which
	// other: a witness writes its fields in the same order again and again.
	after [typeCount][fieldCount]Field
}

// attributes are those of a CloudEvent that the contract reads.
type attributes struct {
	seen                       uint8
	id, source, when, recorded []byte
	typ                        Type
	typeName                   []byte // of an unknown type
	dataAt                     int    // where the data stands that is still to be read
	draft                      *Draft // holds the data that has been read
}

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

// missing names the first attribute that an event cannot be without and that
// has not been given; "" where all have.
func (a *attributes) missing() fault.Text {
	switch m := ^a.seen; {
	case m&attrSpecVersion != 0:
		return ofField("specversion", fault.Say("missing; an event of CloudEvents 1.0 is expected", "缺失；此处应为 CloudEvents 1.0 事件"))
	case m&attrID != 0:
		return ofField("id", whyMissing)
	case m&attrSource != 0:
		return ofField("source", whyMissing)
	case m&attrType != 0:
		return ofField("type", whyMissing)
	case m&attrTime != 0:
		return ofField("time", whyMissing)
	case m&attrData != 0:
		return ofField("data", whyMissing)
	}
	return fault.Text{}
}

// fieldSet is a set of fields.
type fieldSet [2]uint64

func (s *fieldSet) has(f Field) bool { return s[f>>6]&(1<<(f&63)) != 0 }
func (s *fieldSet) add(f Field)      { s[f>>6] |= 1 << (f & 63) }

// event reads one event and keeps it as a fact of the given line. why says what
// is wrong with it; nothing is kept then. It never repeats a value.
//
// Attributes beside those of the contract (subject, datacontenttype, a trace
// id) are not evidence: they are kept as they came for the export, and are no
// part of the content that two copies must share. As CloudEvents demands, an
// attribute that is null is one that is absent.
func (rd *eventReader) event(line int) (why fault.Text) {
	if rd.next() != '{' {
		return fault.Say("not an event: a line holds one JSON object, {…}", "不是事件：每行应为一个 JSON 对象 {…}")
	}
	rd.pos++
	rd.attributes = attributes{}
	rd.given, rd.extensions = fieldSet{}, rd.extensions[:0]
	rd.unknown.reset()
	rd.others.reset()
	if !rd.envelope() {
		return rd.why
	}
	if rd.next(); rd.pos != rd.end {
		rd.fail(fault.Say("more follows the object; a line holds one event", "对象后面还有内容；一行只写一个事件"))
		return rd.why
	}
	if why := rd.missing(); !why.None() {
		return why
	}
	if rd.draft == nil {
		rd.pos = rd.dataAt
		if !rd.begin() || !rd.data(rd.draft) {
			return rd.why
		}
	}
	d := rd.draft
	d.fact.Source = rd.w.word(rd.source)
	d.fact.ID = d.Words().Of(rd.id)
	d.fact.Line = uint32(min(line, math.MaxUint32))
	if rd.recorded != nil {
		if err := d.PutRecorded(rd.recorded); err != nil {
			return fault.TextOf(err)
		}
	}
	for _, e := range rd.extensions {
		d.details = append(d.details, detail{field: extension, text: e})
	}
	if _, err := d.Commit(); err != nil {
		return fault.TextOf(err)
	}
	return fault.Text{}
}

// envelope reads the members of the event, up to its closing brace.
func (rd *eventReader) envelope() bool {
	const usual = `"specversion":"1.0",`
	if rd.end-rd.pos > len(usual) && string(rd.buf[rd.pos:rd.pos+len(usual)]) == usual {
		rd.pos += len(usual)
		rd.seen = attrSpecVersion
	} else if rd.next() == '}' {
		rd.pos++
		return true
	}
	for {
		if rd.next() != '"' {
			return rd.fail(needName)
		}
		head, tail, n := rd.shortName()
		attr := attributeNames.ends(head, tail, n)
		var name []byte
		if attr != 0 {
			name = rd.buf[rd.pos+1:][:n]
			rd.pos += n + 2
			if !rd.colon() {
				return false
			}
		} else {
			var ok bool
			if name, ok = rd.name(); !ok {
				return false
			}
			attr = attributeNames.find(name)
		}
		if !rd.attribute(attr, name) {
			return false
		}
		if again, ok := rd.more('}'); !again {
			return ok
		}
	}
}

// attribute reads the value of an attribute.
func (rd *eventReader) attribute(attr uint8, name []byte) bool {
	c := rd.next()
	switch {
	case attr == 0:
		return rd.extension(name)
	case c == 'n':
		return rd.literal("null")
	case rd.seen&attr != 0:
		return rd.refuse(ofField(string(name), whyTwice))
	}
	rd.seen |= attr
	if attr == attrData {
		if rd.seen&(attrType|attrTime) == attrType|attrTime {
			return rd.begin() && rd.data(rd.draft)
		}
		// What the fields of the data mean depends on the type and on the zone
		// of the time: they are read when these are known.
		rd.dataAt = rd.pos
		return rd.skip(0)
	}
	if c != '"' {
		return rd.refuse(ofField(string(name), mustString))
	}
	value, ok := rd.str()
	if !ok {
		return false
	}
	if len(value) == 0 {
		return rd.refuse(ofField(string(name), fault.Say("is empty", "为空")))
	}
	switch attr {
	case attrSpecVersion:
		if string(value) != "1.0" {
			return rd.refuse(ofField("specversion", fault.Say("must be 1.0", "须为 1.0")))
		}
	case attrID:
		rd.id = value
	case attrSource:
		rd.source = value
	case attrType:
		if rd.typ = typeOf(value); rd.typ == UnknownType {
			rd.typeName = value
		}
	case attrTime:
		rd.when = value
	case attrRecorded:
		rd.recorded = value
	}
	return true
}

// begin starts the draft, once type and time are known.
func (rd *eventReader) begin() bool {
	d := rd.w.Begin(rd.typ)
	if rd.typ == UnknownType {
		d.typeAs, _ = card.MaskText(string(rd.typeName))
	}
	if err := d.PutTime(rd.when); err != nil {
		return rd.refuse(fault.TextOf(err))
	}
	rd.draft = d
	return true
}

// extension keeps an attribute the contract does not read.
func (rd *eventReader) extension(name []byte) bool {
	if !rd.others.add(name) {
		return rd.refuse(ofField(showName(name), whyTwice))
	}
	if string(name) == "data_base64" {
		return rd.refuse(ofField("data_base64", fault.Say("binary data is not evidence; give the fields in data", "二进制数据不是事实；请在 data 中给出各字段")))
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

var whyTwice = fault.Say("given twice", "出现两次")

// typeOf gives the type of a name as an event carries it.
func typeOf(name []byte) Type {
	if len(name) > len(TypePrefix) && string(name[:len(TypePrefix)]) == TypePrefix {
		name = name[len(TypePrefix):]
	}
	return Type(types.of(name))
}
