package evidence

import (
	"math"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// FieldError says which field of a fact is wrong and why. It never repeats a
// value that may hold card data.
type FieldError struct {
	Field string
	Why   fault.Text
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Why.EN }

// Text gives the error in both languages.
func (e *FieldError) Text() fault.Text { return ofField(e.Field, e.Why) }

// ofField says of a field, by its name in the contract, what is wrong with it.
func ofField(name string, why fault.Text) fault.Text {
	return fault.Say("%s: %s", "字段 %s：%s", name, why)
}

func fieldError(f Field, why fault.Text) error { return &FieldError{f.String(), why} }

// Draft builds one fact and validates it. A writer reuses its draft: Begin
// clears it, Commit keeps the fact. After an error the draft can be filled on
// or begun anew; Commit refuses what is not whole.
type Draft struct {
	w       *Writer
	fact    Fact
	details []detail
	typeAs  string // the type as written, for unknown types
	err     error
	hashed  bool // the id is made of the row, see HashID
}

// Writer adds the facts of one input to a Set. It is used by one goroutine.
type Writer struct {
	set       *Set
	file      uint16
	moved     bool // it has written for other files too
	chunk     *chunk
	sources   map[Word]bool // whose facts; true where an id was given
	last      Word          // the last of them, and what sources says of it
	lastGiven bool
	first     FactRef
	draft     Draft
	ordinals  map[ordinalKey]uint32
	blocks    []detail // details are cut from blocks, to allocate rarely
	recent    recentStrings
}

type ordinalKey struct {
	source Word
	hash   uint64
}

// Writer gives a writer for one input, numbered by AddFile.
func (s *Set) Writer(file uint16) *Writer {
	s.Words.stir()
	w := &Writer{set: s, file: file, sources: map[Word]bool{}, ordinals: map[ordinalKey]uint32{}}
	w.draft.w = w
	return w
}

// Begin starts a fact of type t and gives the writer's draft.
func (w *Writer) Begin(t Type) *Draft {
	d := &w.draft
	d.fact = Fact{Type: t, File: w.file}
	d.details = d.details[:0]
	d.typeAs = ""
	d.err = nil
	d.hashed = false
	return d
}

// BeginUnknown starts a fact of a type this version does not know. It is kept
// and counted, and its data comes back on export.
func (w *Writer) BeginUnknown(typeName string) *Draft {
	d := w.Begin(UnknownType)
	d.typeAs, _ = card.MaskText(typeName)
	return d
}

// Words gives the strings of the Set being written.
func (d *Draft) Words() *Words { return d.w.set.Words }

// Type gives the type of the fact being built.
func (d *Draft) Type() Type { return d.fact.Type }

// At sets the line of the input the fact stands on, from 1.
func (d *Draft) At(line int) { d.fact.Line = uint32(line) }

// SetSource sets who saw the fact.
func (d *Draft) SetSource(s string) { d.fact.Source = d.Words().OfString(s) }

// SetSourceWord is SetSource for a source already known.
func (d *Draft) SetSourceWord(w Word) { d.fact.Source = w }

// SetID sets the witness's own identity of the fact.
func (d *Draft) SetID(s string) { d.fact.ID = d.Words().OfString(s) }

// HashID sets the identity of a row in a file: the hash of the row and its
// ordinal among equal rows of the same document. The source is set before. So
// a file read twice gives the same facts, and two equal rows are two facts.
func (d *Draft) HashID(row []byte) {
	h := xxhash.Sum64(row)
	key := ordinalKey{d.fact.Source, h}
	n := d.w.ordinals[key]
	d.w.ordinals[key] = n + 1
	d.fact.ID = RowID(h, n)
	d.hashed = true
}

// SetTime sets when the fact happened and the zone it was written in, in
// minutes east of UTC.
func (d *Draft) SetTime(at Instant, offset int16) {
	d.fact.Time, d.fact.Offset = at, offset
}

// SetRecorded sets when the fact became known.
func (d *Draft) SetRecorded(at Instant) { d.fact.Recorded = at }

// PutTime reads `time` from RFC 3339 text.
func (d *Draft) PutTime(b []byte) error {
	at, offset, err := ParseInstant(b)
	if err != nil {
		return d.fail(&FieldError{"time", fault.TextOf(err)})
	}
	d.fact.Time, d.fact.Offset = at, offset
	if !usualForm(b, at, offset) {
		d.details = append(d.details, detail{field: timeText, text: string(b)})
	}
	return nil
}

// PutRecorded reads `recordedtime` from RFC 3339 text.
func (d *Draft) PutRecorded(b []byte) error {
	at, offset, err := ParseInstant(b)
	if err != nil {
		return d.fail(&FieldError{"recordedtime", fault.TextOf(err)})
	}
	d.fact.Recorded = at
	if !usualForm(b, at, d.fact.Offset) || offset != d.fact.Offset {
		d.details = append(d.details, detail{field: recordedText, text: string(b)})
	}
	return nil
}

func (d *Draft) fail(err error) error {
	if d.err == nil {
		d.err = err
	}
	return err
}

// Put reads a field from its text, as a CSV cell gives it: amounts in minor
// units, dates as 2006-01-02, instants in RFC 3339, lists separated by ";".
// An empty text leaves the field absent.
func (d *Draft) Put(f Field, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	switch fields[f].class {
	case classWord:
		return d.putWord(f, text)
	case classText:
		return d.putText(f, text)
	case classAmount, classSigned, classCount:
		n, ok := parseInt(text)
		if !ok {
			return d.fail(fieldError(f, fault.Say("not a whole number within 64 bits (amounts are integers in minor units)", "不是 64 位以内的整数（金额以最小货币单位计，如分）")))
		}
		return d.PutInt(f, n)
	case classNumber:
		number, ok := decimalNumber(text)
		if !ok {
			return d.fail(fieldError(f, fault.Say("not a number", "不是数字")))
		}
		d.details = append(d.details, detail{field: f, text: d.w.text(number)})
		return nil
	case classBool:
		switch strings.ToLower(string(text)) {
		case "true", "1", "yes", "y", "是":
			return d.PutBool(f, true)
		case "false", "0", "no", "n", "否":
			return d.PutBool(f, false)
		}
		return d.fail(fieldError(f, fault.Say("neither true nor false", "既不是 true 也不是 false（是或否）")))
	case classInstant:
		at, offset, err := ParseInstant(text)
		if err != nil {
			return d.fail(fieldError(f, fault.TextOf(err)))
		}
		d.putInstantText(f, at, offset, text)
		return nil
	case classDate:
		date, err := parseDate(text)
		if err != nil {
			return d.fail(fieldError(f, fault.TextOf(err)))
		}
		return d.PutDate(f, date)
	case classMoment:
		if date, err := parseDate(text); err == nil {
			d.details = append(d.details, detail{field: f, num: int64(date), text: momentIsDate})
			return nil
		}
		at, _, err := ParseInstant(text)
		if err != nil {
			return d.fail(fieldError(f, fault.TextOf(err)))
		}
		d.details = append(d.details, detail{field: f, num: int64(at), text: string(text)})
		return nil
	case classEnum:
		return d.putEnum(f, text)
	case classList:
		for _, item := range strings.Split(string(text), ";") {
			if item = strings.TrimSpace(item); item != "" {
				d.PutItem(f, item)
			}
		}
		return nil
	default:
		return d.PutJSON(f, text)
	}
}

// PutString is Put for a string.
func (d *Draft) PutString(f Field, text string) error { return d.Put(f, []byte(text)) }

// PutItem adds one string to a list field.
func (d *Draft) PutItem(f Field, item string) {
	if f != References {
		item, _ = card.MaskText(item)
	}
	d.details = append(d.details, detail{field: f, text: item})
}

// PutJSON keeps a structured field, such as fees, as its JSON.
func (d *Draft) PutJSON(f Field, raw []byte) error {
	text, why := compactJSON("", raw)
	if !why.None() {
		return d.fail(fieldError(f, why))
	}
	if f == Fees {
		if err := checkFees(text); err != nil {
			return d.fail(err)
		}
	}
	d.details = append(d.details, detail{field: f, text: string(text)})
	return nil
}

// PutUnknown keeps a field the contract does not name, as its JSON. Fields
// that carry track data, a CVV or a PIN block are refused, at any depth; card
// numbers are masked.
func (d *Draft) PutUnknown(name string, raw []byte) error {
	if card.Forbidden(name) {
		return d.fail(&FieldError{showName([]byte(name)), whyForbidden})
	}
	value, why := compactJSON(name, raw)
	if !why.None() {
		return d.fail(&FieldError{showName([]byte(name)), why})
	}
	text := append(appendMaskedString(nil, []byte(name)), ':')
	d.details = append(d.details, detail{field: UnknownField, text: string(append(text, value...))})
	return nil
}

// PutUnknownText is PutUnknown for a plain text, such as the cell of a column
// that no field is known for.
func (d *Draft) PutUnknownText(name string, text []byte) error {
	return d.PutUnknown(name, appendString(nil, text))
}

// decimalNumber gives a number as JSON writes it: as it came where it is
// written so, else in the shortest form (+1.5, .5). False for what is none, or
// beyond what can be computed with.
func decimalNumber(text []byte) ([]byte, bool) {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return nil, false
	}
	if raw, why := compactJSON("", text); why.None() && raw[0] != '"' {
		return raw, true
	}
	return appendNumber(nil, v), true
}

func (d *Draft) putWord(f Field, text []byte) error {
	switch f {
	case CurrencyField:
		c, ok := money.ParseCurrencyBytes(text)
		if !ok {
			return d.fail(fieldError(f, whyCurrency))
		}
		d.fact.Currency = c
		return nil
	case ResponseCode:
		if len(text) != 2 || !isLetterOrDigit(text[0]) || !isLetterOrDigit(text[1]) {
			// Codes of other dialects keep their text and decide nothing.
			return d.putText(f, text)
		}
		d.fact.Code = Code{text[0], text[1]}
		return nil
	case PAN:
		if !card.IsMasked(string(text)) {
			return d.fail(fieldError(f, whyPAN))
		}
	case STAN:
		var padded [stanDigits]byte
		text = padSTAN(&padded, text)
	}
	*d.fact.word(f) = d.Words().Of(text)
	return nil
}

const stanDigits = 6

// padSTAN gives a trace number its leading zeros, which not everybody prints.
func padSTAN(dst *[stanDigits]byte, text []byte) []byte {
	if len(text) >= stanDigits || !allDigits(text) {
		return text
	}
	n := copy(dst[:], "000000"[len(text):])
	copy(dst[n:], text)
	return dst[:]
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return len(b) > 0
}

func isLetterOrDigit(c byte) bool { return c-'0' <= 9 || c|0x20-'a' <= 25 }

func (d *Draft) putText(f Field, text []byte) error {
	switch f {
	case EntryRef, OriginalRRN, Replaces, Bank: // keys are never masked
	case OriginalSTAN:
		var padded [stanDigits]byte
		text = padSTAN(&padded, text)
	default:
		if why := checkText(f, text); !why.None() {
			return d.fail(fieldError(f, why))
		}
		text, _ = card.MaskBytes(text)
	}
	d.details = append(d.details, detail{field: f, text: d.w.text(text)})
	return nil
}

func (d *Draft) putEnum(f Field, text []byte) error {
	if v := vocabularyOf[f]; v != nil {
		n := v.of(text)
		if n == 0 {
			return d.fail(fieldError(f, oneOf(v.words[1:])))
		}
		d.setEnum(f, n)
		return nil
	}
	// state, what, action, status
	allowed := &statesOf[d.fact.Type]
	if allowed.field != f {
		// The word of another type: kept, it decides nothing here.
		text, _ = card.MaskBytes(text)
		d.details = append(d.details, detail{field: f, text: d.w.text(text)})
		return nil
	}
	number := State(states.of(text))
	for _, s := range allowed.words {
		if s == number {
			d.fact.State = s
			return nil
		}
	}
	names := make([]string, len(allowed.words))
	for i, s := range allowed.words {
		names[i] = s.String()
	}
	return d.fail(fieldError(f, oneOf(names)))
}

// setEnum sets a field by the number of its word.
func (d *Draft) setEnum(f Field, n uint8) {
	switch f {
	case KindField:
		d.fact.Kind = Kind(n)
	case ResultField:
		d.fact.Result = Result(n)
	case EntryField:
		d.fact.Entry = Entry(n)
	case CardTypeField:
		d.fact.CardType = CardType(n)
	case Direction:
		d.fact.flags &^= isCredit | isDebit
		if n == 1 {
			d.fact.flags |= isCredit
		} else {
			d.fact.flags |= isDebit
		}
	}
}

// PutInt sets a number: minor units or a count.
func (d *Draft) PutInt(f Field, n int64) error {
	if n < 0 && (fields[f].class == classAmount || fields[f].class == classCount) {
		return d.fail(fieldError(f, fault.Say("is never negative; the sign is in kind or direction", "不能为负；正负由 kind 或 direction 表示")))
	}
	switch f {
	case Amount, Gross:
		switch {
		case d.fact.flags&hasAmount == 0:
			d.fact.amount = n
			d.fact.flags |= hasAmount
			if f == Gross {
				d.fact.flags |= amountIsGross
			}
		case d.fact.flags&amountIsGross != 0 && f == Gross, d.fact.flags&amountIsGross == 0 && f == Amount:
			d.fact.amount = n
		case f == Gross: // both are given: the gross is what the line is about
			d.details = append(d.details, detail{field: Amount, num: d.fact.amount})
			d.fact.amount = n
			d.fact.flags |= amountIsGross
		default:
			d.details = append(d.details, detail{field: Amount, num: n})
		}
	case Fee:
		d.fact.fee = n
		d.fact.flags |= hasFee
	case Net:
		d.fact.net = n
		d.fact.flags |= hasNet
	default:
		d.details = append(d.details, detail{field: f, num: n})
	}
	return nil
}

// PutDate sets a date field.
func (d *Draft) PutDate(f Field, date calendar.Date) error {
	if date < earliestDate || date > latestDate {
		return d.fail(fieldError(f, whyYear))
	}
	if f == dateField[d.fact.Type] {
		d.fact.Date = date
		return nil
	}
	d.details = append(d.details, detail{field: f, num: int64(date)})
	return nil
}

// dateField names the date that a fact of a type keeps in its Date.
var dateField = func() [typeCount]Field {
	var t [typeCount]Field
	for i := range t {
		t[i] = Date
	}
	t[SettlementLine], t[ClearingLine], t[BankEntry] = SettlementDate, ClearingDate, BookingDate
	return t
}()

// PutInstant sets an instant field, written in a zone in minutes east of UTC.
func (d *Draft) PutInstant(f Field, at Instant, offset int16) {
	d.putInstantText(f, at, offset, nil)
}

func (d *Draft) putInstantText(f Field, at Instant, offset int16, text []byte) {
	if f == TransactionTime {
		d.fact.TransactionTime = at
		if offset == d.fact.Offset && (text == nil || usualForm(text, at, offset)) {
			return
		}
	}
	if text == nil {
		text = AppendInstant(nil, at, offset)
	}
	d.details = append(d.details, detail{field: f, num: int64(at), text: string(text)})
}

// PutBool sets a yes-or-no field.
func (d *Draft) PutBool(f Field, yes bool) error {
	if f == Printed {
		d.fact.flags &^= printedYes | printedNo
		if yes {
			d.fact.flags |= printedYes
		} else {
			d.fact.flags |= printedNo
		}
		return nil
	}
	return d.fail(fieldError(f, fault.Say("is not a yes-or-no field", "不是“是/否”字段")))
}

// has reports whether a field has been given.
func (d *Draft) has(f Field) bool {
	if d.fact.holds(f) || f == Amount && d.fact.flags&hasAmount != 0 {
		return true
	}
	for i := range d.details {
		if d.details[i].field == f {
			return true
		}
	}
	return false
}

var whyMissing = fault.Say("missing", "缺失")

const clockTolerance = Instant(10 * 60 * 1e9) // contract, rule 2

// Commit validates the fact and adds it to the Set. The error is a FieldError
// and names the field; the fact is then not kept.
func (d *Draft) Commit() (FactRef, error) {
	if d.err != nil {
		return 0, d.err
	}
	f := &d.fact
	if f.Time == 0 {
		return 0, &FieldError{"time", whyMissing}
	}
	if f.Source == 0 {
		return 0, &FieldError{"source", whyMissing}
	}
	if f.ID == 0 {
		return 0, &FieldError{"id", whyMissing}
	}
	for _, group := range requiredFields[f.Type] {
		if !d.hasAny(group) {
			names := make([]string, len(group))
			for i, g := range group {
				names[i] = g.String()
			}
			return 0, &FieldError{strings.Join(names, " or "), fault.Say("missing in %[1]s", "%[1]s 缺少该字段", f.Type)}
		}
	}
	if f.flags&(hasAmount|hasNet) != 0 && f.Currency == (money.Currency{}) {
		return 0, fieldError(CurrencyField, fault.Say("missing beside an amount", "有金额而无币种"))
	}
	if f.Recorded != 0 && f.Recorded < f.Time-clockTolerance {
		if !d.has(timeText) {
			d.details = append(d.details, detail{field: timeText, text: string(AppendInstant(nil, f.Time, f.Offset))})
		}
		f.Time = f.Recorded
		f.flags |= wrongClock
	}
	return d.w.add(d), nil
}

func (d *Draft) hasAny(group []Field) bool {
	for _, g := range group {
		if d.has(g) {
			return true
		}
	}
	return false
}

// noteSource notes whose facts the writer adds, and whether an id among them was
// given by its witness: only those made of a row's hash are known to differ.
func (w *Writer) noteSource(d *Draft) {
	source := d.fact.Source
	if source == w.last && (d.hashed || w.lastGiven) {
		return
	}
	given, known := w.sources[source]
	if !known || !given && !d.hashed {
		given = !d.hashed
		w.sources[source] = given
	}
	w.last, w.lastGiven = source, given
}

func (w *Writer) add(d *Draft) FactRef {
	if w.chunk == nil || len(w.chunk.facts) == chunkSize {
		w.chunk, w.first = w.set.newChunk(w)
	}
	if d.fact.Type == UnknownType {
		d.details = append(d.details, detail{field: UnknownField, text: d.typeAs})
		w.set.mu.Lock()
		w.set.unread[d.typeAs]++
		w.set.mu.Unlock()
	}
	if n := len(d.details); n > 0 {
		if len(w.blocks) < n {
			w.blocks = make([]detail, max(256, n))
		}
		kept := w.blocks[:n:n]
		w.blocks = w.blocks[n:]
		copy(kept, d.details)
		w.chunk.details = append(w.chunk.details, kept)
		d.fact.more = uint32(len(w.chunk.details))
	}
	w.chunk.note(&d.fact)
	w.noteSource(d)
	w.chunk.facts = append(w.chunk.facts, d.fact)
	return w.first + FactRef(len(w.chunk.facts))
}
