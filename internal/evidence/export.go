package evidence

import (
	"io"
	"strconv"
	"unicode/utf8"

	"daozhang/internal/calendar"
)

// AppendJSON appends a fact as the CloudEvents JSON object it was read from or
// would be read from: attributes first, then the data in the order of the field
// table, unknown fields last. Reading it again gives the same fact.
func (s *Set) AppendJSON(dst []byte, r FactRef) []byte {
	f := s.At(r)
	dst = append(dst, `{"specversion":"1.0","id":`...)
	dst = s.appendWord(dst, f.ID)
	dst = append(dst, `,"source":`...)
	dst = s.appendWord(dst, f.Source)
	dst = append(dst, `,"type":`...)
	dst = s.appendType(dst, r)
	dst = append(dst, `,"time":`...)
	dst = s.appendTime(dst, r)
	if f.Recorded != 0 {
		dst = append(dst, `,"recordedtime":`...)
		dst = s.appendRecorded(dst, r)
	}
	for _, d := range s.details(r) {
		if d.field == extension {
			dst = append(append(dst, ','), d.text...)
		}
	}
	dst = append(dst, `,"data":`...)
	dst = s.appendData(dst, r)
	return append(dst, '}')
}

// WriteNDJSON writes the facts that count at the View's moment, one event per
// line: of copies one, of conflicting versions the one that stands.
func WriteNDJSON(w io.Writer, view *View) error { return view.write(w, view.Facts) }

// WriteNDJSON writes every fact of the Set, one event per line: of copies one,
// of conflicting versions all. Unify has been called before.
func (s *Set) WriteNDJSON(w io.Writer) error {
	return s.write(w, func(yield func(FactRef, *Fact) bool) {
		for r, f := range s.All {
			if !s.copies[r] && !yield(r, f) {
				return
			}
		}
	})
}

func (s *Set) write(w io.Writer, facts func(func(FactRef, *Fact) bool)) error {
	const block = 64 << 10
	buf := make([]byte, 0, block+block/4)
	for r := range facts {
		buf = append(s.AppendJSON(buf, r), '\n')
		if len(buf) >= block {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	if len(buf) == 0 {
		return nil
	}
	_, err := w.Write(buf)
	return err
}

// appendWord writes a Word as a JSON string.
func (s *Set) appendWord(dst []byte, w Word) []byte {
	begin := len(dst)
	dst = s.Words.Append(append(dst, '"'), w)
	for _, c := range dst[begin+1:] {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendString(dst[:begin], s.Words.Text(w))
		}
	}
	return append(dst, '"')
}

// typeName gives the type as it was written, of an unknown type.
func (s *Set) typeName(r FactRef) string {
	ds := s.details(r)
	for i := len(ds) - 1; i >= 0; i-- {
		if ds[i].field == UnknownField {
			return ds[i].text
		}
	}
	return ""
}

func (s *Set) appendType(dst []byte, r FactRef) []byte {
	if t := s.At(r).Type; t != UnknownType {
		dst = append(append(dst, '"'), TypePrefix...)
		return append(append(dst, t.String()...), '"')
	}
	return appendString(dst, s.typeName(r))
}

func (s *Set) appendTime(dst []byte, r FactRef) []byte {
	for _, d := range s.details(r) {
		if d.field == timeText {
			return appendString(dst, d.text)
		}
	}
	f := s.At(r)
	return appendInstantString(dst, f.Time, f.Offset)
}

func (s *Set) appendRecorded(dst []byte, r FactRef) []byte {
	f := s.At(r)
	for _, d := range s.details(r) {
		if d.field == recordedText {
			return appendString(dst, d.text)
		}
	}
	return appendInstantString(dst, f.Recorded, f.Offset)
}

func appendInstantString(dst []byte, at Instant, offset int16) []byte {
	return append(AppendInstant(append(dst, '"'), at, offset), '"')
}

// appendData writes the data object.
func (s *Set) appendData(dst []byte, r FactRef) []byte {
	f, ds := s.At(r), s.details(r)
	var apart, written fieldSet // fields among the details
	for i := range ds {
		if ds[i].field == writtenText {
			written.add(Field(ds[i].num))
		} else {
			apart.add(ds[i].field)
		}
	}
	begin := len(dst)
	for field := MID; field < UnknownField; field++ {
		here := written.has(field) || apart.has(field)
		if !here && !f.holds(field) {
			continue
		}
		dst = append(append(append(dst, ',', '"'), fields[field].name...), '"', ':')
		switch {
		case !here:
			dst = s.appendField(dst, f, field)
		case apart.has(field) && !written.has(field):
			dst = appendDetails(dst, ds, field)
		default:
			for i := range ds {
				if ds[i].field == writtenText && Field(ds[i].num) == field {
					dst = append(dst, ds[i].text...)
					break
				}
			}
		}
	}
	if apart.has(UnknownField) {
		name := -1 // of an unknown type: its name is the last of the unknown fields
		for i := range ds {
			if f.Type == UnknownType && ds[i].field == UnknownField {
				name = i
			}
		}
		for i := range ds {
			if ds[i].field == UnknownField && i != name {
				dst = append(append(dst, ','), ds[i].text...)
			}
		}
	}
	if len(dst) == begin {
		return append(dst, '{', '}')
	}
	dst[begin] = '{'
	return append(dst, '}')
}

// appendField writes the value of a field that lies in the struct.
func (s *Set) appendField(dst []byte, f *Fact, field Field) []byte {
	if w := f.word(field); w != nil {
		return s.appendWord(dst, *w)
	}
	word := ""
	switch field {
	case Amount, Gross:
		return strconv.AppendInt(dst, f.amount, 10)
	case Fee:
		return strconv.AppendInt(dst, f.fee, 10)
	case Net:
		return strconv.AppendInt(dst, f.net, 10)
	case Printed:
		return strconv.AppendBool(dst, f.flags&printedYes != 0)
	case TransactionTime:
		return appendInstantString(dst, f.TransactionTime, f.Offset)
	case Date, ClearingDate, SettlementDate, BookingDate:
		return appendDateString(dst, f.Date)
	case CurrencyField:
		return append(append(append(dst, '"'), f.Currency[:]...), '"')
	case ResponseCode:
		return append(append(append(dst, '"'), f.Code[:]...), '"')
	case KindField:
		word = f.Kind.String()
	case ResultField:
		word = f.Result.String()
	case EntryField:
		word = f.Entry.String()
	case CardTypeField:
		word = f.CardType.String()
	case Direction:
		word = "credit"
		if f.flags&isDebit != 0 {
			word = "debit"
		}
	case What, StateField, StatusField, Action:
		word = f.State.String()
	}
	return append(append(append(dst, '"'), word...), '"')
}

func appendDateString(dst []byte, date calendar.Date) []byte {
	dst, _ = date.AppendText(append(dst, '"'))
	return append(dst, '"')
}

// appendDetails writes the value of a field that lies among the details.
func appendDetails(dst []byte, ds []detail, field Field) []byte {
	first := true
	for i := range ds {
		d := &ds[i]
		if d.field != field {
			continue
		}
		switch fields[field].class {
		case classAmount, classSigned, classCount:
			return strconv.AppendInt(dst, d.num, 10)
		case classNumber, classJSON:
			return append(dst, d.text...)
		case classDate:
			return appendDateString(dst, calendar.Date(d.num))
		case classMoment:
			if d.text == momentIsDate {
				return appendDateString(dst, calendar.Date(d.num))
			}
			return appendString(dst, d.text)
		case classList:
			if first {
				dst = append(dst, '[')
			} else {
				dst = append(dst, ',')
			}
			first = false
			dst = appendString(dst, d.text)
		default:
			return appendString(dst, d.text)
		}
	}
	if !first {
		dst = append(dst, ']')
	}
	return dst
}
