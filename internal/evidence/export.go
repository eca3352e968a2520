package evidence

import (
	"io"
	"strconv"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
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

// appendWord writes a Word as a JSON string. Words that are packed need no
// escapes.
func (s *Set) appendWord(dst []byte, w Word) []byte {
	if uint64(w)>>formShift != formInterned {
		dst = append(dst, '"')
		return append(s.Words.Append(dst, w), '"')
	}
	return appendString(dst, s.Words.Text(w))
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
		before := len(dst)
		dst = append(append(append(dst, ',', '"'), fields[field].name...), '"', ':')
		value := len(dst)
		switch {
		case written.has(field):
			for i := range ds {
				if ds[i].field == writtenText && Field(ds[i].num) == field {
					dst = append(dst, ds[i].text...)
					break
				}
			}
		case apart.has(field):
			dst = appendDetails(dst, ds, field)
		default:
			dst = s.appendField(dst, f, field)
		}
		if len(dst) == value {
			dst = dst[:before]
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

// appendField writes the value of a field that lies in the struct, or nothing.
func (s *Set) appendField(dst []byte, f *Fact, field Field) []byte {
	if w := f.word(field); w != nil {
		if *w == 0 {
			return dst
		}
		return s.appendWord(dst, *w)
	}
	word := ""
	switch field {
	case Amount:
		if f.flags&(hasAmount|amountIsGross) == hasAmount {
			return strconv.AppendInt(dst, f.amount, 10)
		}
		return dst
	case Gross:
		if f.flags&amountIsGross != 0 {
			return strconv.AppendInt(dst, f.amount, 10)
		}
		return dst
	case Fee:
		if f.flags&hasFee != 0 {
			return strconv.AppendInt(dst, f.fee, 10)
		}
		return dst
	case Net:
		if f.flags&hasNet != 0 {
			return strconv.AppendInt(dst, f.net, 10)
		}
		return dst
	case CurrencyField:
		if f.Currency != (money.Currency{}) {
			return append(append(append(dst, '"'), f.Currency[:]...), '"')
		}
		return dst
	case ResponseCode:
		word = f.Code.String()
	case KindField:
		word = f.Kind.String()
	case ResultField:
		word = f.Result.String()
	case EntryField:
		word = f.Entry.String()
	case CardTypeField:
		word = f.CardType.String()
	case Direction:
		switch {
		case f.flags&isDebit != 0:
			word = "debit"
		case f.flags&isCredit != 0:
			word = "credit"
		}
	case Printed:
		if f.flags&(printedYes|printedNo) != 0 {
			return strconv.AppendBool(dst, f.flags&printedYes != 0)
		}
		return dst
	case TransactionTime:
		if f.TransactionTime != 0 {
			return appendInstantString(dst, f.TransactionTime, f.Offset)
		}
		return dst
	case What, StateField, StatusField, Action:
		if statesOf[f.Type].field == field {
			word = f.State.String()
		}
	case Date, ClearingDate, SettlementDate, BookingDate:
		if dateField[f.Type] == field && f.Date != 0 {
			return appendDateString(dst, f.Date)
		}
		return dst
	}
	if word == "" {
		return dst
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
