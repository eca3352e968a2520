package format

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Format makes the format that reads the table.
func (t *Table) Format() Format {
	return Format{Name: t.Name, Title: t.Title, Detect: t.Detect, Read: t.Read, Table: t}
}

// Detect reports whether an input has the table's columns.
func (t *Table) Detect(h *Head) bool {
	if t.Recognise != nil && !t.Recognise(h) {
		return false
	}
	if t.Fixed || t.NoHeader {
		return t.Recognise != nil
	}
	return h.Text != "" && t.find(h) != nil
}

// Read reads an input of the table's columns.
func (t *Table) Read(in *Input, out *Out) error {
	l := t.find(&in.Head)
	if l == nil {
		return fault.Say("no header with the columns of %s", "找不到含这些列的表头：%s", t.Title)
	}
	out.SetFormat(t.Name)
	if t.unclear != "" {
		return fault.Say("the dates of column %q can be read as day/month or month/day; name their layout in a mapping file (--mapping)", "列 %q 的日期既可读作日/月也可读作月/日，请在映射文件（--mapping）中说明写法", t.unclear)
	}
	return newSheet(t, in, l).read(out)
}

// setter fills one field of a fact from one column.
type setter struct {
	col   int
	at    int // cell, where the column is one cell of a delimited table
	as    As
	field evidence.Field
}

// sheet is a Table laid over one input.
type sheet struct {
	t  *Table
	in *Input
	*layout
	doc         *Doc
	byName      map[string]int
	setters     []setter
	currencyCol int
	currency    money.Currency
	style       money.Style
	firstRow    int // line of the first row
	least       int // cells a row must have
	midCol      int
	keyCols     []int // whose text is a row's source, by preference
	idCol       int
	sourceCol   int
	hasID       bool
	hasSource   bool
	contract    bool // the contract's own form: nothing is assumed
	// variants gives the columns of a row where rows are of several types.
	variants func(*Row) (*sheet, error)
	sums     totals
}

func newSheet(t *Table, in *Input, l *layout) *sheet {
	s := &sheet{t: t, in: in, layout: l, byName: map[string]int{}, currencyCol: -1, midCol: -1, firstRow: 1}
	s.currency = in.CurrencyOr(t.Currency)
	if t.Comma {
		s.style = money.Comma
	}
	s.doc = &Doc{In: in}
	if l.header != nil {
		s.doc.Header = l.header.cells
		s.firstRow = l.header.next
		for _, row := range in.Head.grid(l.delim) {
			if row.line < l.header.line {
				s.doc.Preamble = append(s.doc.Preamble, row.raw)
			}
		}
	}
	keys := map[evidence.Field]int{}
	for i := range t.Columns {
		c := &t.Columns[i]
		name := c.Name
		if name == "" {
			switch {
			case c.Field != evidence.NoField && c.Field < SourceField-1 && c.Field < evidence.UnknownField:
				name = c.Field.String()
			case c.Field == When:
				name = "time"
			case c.Field == Recorded:
				name = "recordedtime"
			case len(c.Headers) > 0:
				name = c.Headers[0]
			}
		}
		if _, ok := s.byName[name]; !ok || l.at[s.byName[name]] < 0 {
			s.byName[name] = i
		}
		if !t.Fixed && l.at[i] < 0 {
			continue
		}
		if !t.Fixed && !c.Optional {
			s.least = max(s.least, l.at[i]+1, l.with[i]+1)
		}
		switch c.Field {
		case evidence.NoField:
			continue
		case evidence.CurrencyField:
			s.currencyCol = i
		case evidence.MID:
			s.midCol = i
		case IDField:
			s.hasID, s.idCol = true, i
		case SourceField:
			s.hasSource, s.sourceCol = true, i
		}
		if _, ok := keys[c.Field]; !ok {
			keys[c.Field] = i
		}
		set := setter{col: i, at: l.at[i], as: c.As, field: c.Field}
		if t.Fixed || l.with[i] >= 0 {
			set.at = -1
		}
		s.setters = append(s.setters, set)
	}
	for _, f := range []evidence.Field{evidence.MID, evidence.Account, evidence.TID} {
		if i, ok := keys[f]; ok {
			s.keyCols = append(s.keyCols, i)
		}
	}
	// Time goes first, since later times are kept against its offset.
	sort.SliceStable(s.setters, func(a, b int) bool { return rank(s.setters[a].field) < rank(s.setters[b].field) })
	return s
}

func rank(f evidence.Field) int {
	switch f {
	case When:
		return 0
	case Recorded, SourceField, IDField:
		return 1
	case evidence.CurrencyField:
		return 2
	}
	return 3
}

// label names a column for a person.
func (s *sheet) label(i int) string {
	if at := s.at[i]; s.header != nil && at >= 0 && at < len(s.header.cells) {
		return strconv.Quote(s.header.cells[at])
	}
	if c := &s.t.Columns[i]; len(c.Headers) > 0 {
		return strconv.Quote(c.Headers[0])
	}
	return strconv.Itoa(i + 1)
}

// alone reports whether rows stand for themselves, so that blocks of them can
// be read side by side.
func (s *sheet) alone() bool {
	return s.t.Row == nil && s.t.Footer == nil && s.t.Close == nil
}

func (s *sheet) read(out *Out) error {
	if s.t.Open != nil {
		if err := s.t.Open(s.doc, out); err != nil {
			return err
		}
	}
	var src io.Reader
	if s.t.Fixed {
		src = s.in.Reader()
	} else {
		src = s.in.Text()
	}
	bl := newBlocks(src, s.delim, !s.t.Fixed)
	bl.tooLong = func(line int) {
		out.Reject(line, fault.Say("the line is longer than 1 MiB and was left out; no row of such a file is so long", "该行超过 1 MiB，未采用；这类文件不会有这么长的行，请重新获取文件"))
	}
	var err error
	if s.alone() && !s.in.Head.Whole {
		err = readSideBySide(bl, out, func(o *Out) func(*block) { return newRowReader(s, o).block })
	} else {
		rd := newRowReader(s, out)
		err = readInTurn(bl, out, rd.block)
	}
	if s.t.Close != nil {
		s.t.Close(s.doc, out)
	}
	if err == nil {
		s.sums.check(out)
	}
	return err
}

// readInTurn reads blocks one after the other.
func readInTurn(bl *blocks, out *Out, read func(*block)) error {
	var b block
	for {
		more, err := bl.next(&b)
		if more {
			read(&b)
		}
		if err != nil || !more || b.final {
			out.settle()
			return err
		}
	}
}

// readSideBySide reads blocks on all processors. Each reader has an Out of its
// own; what they tell is put in order at the end.
func readSideBySide(bl *blocks, out *Out, reader func(*Out) func(*block)) error {
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *block, workers+2)
	for range workers + 2 {
		free <- new(block)
	}
	full := make(chan *block, workers+2)
	var wg sync.WaitGroup
	for range workers {
		o := out.fork()
		read := reader(o)
		wg.Go(func() {
			for b := range full {
				read(b)
				free <- b
			}
		})
	}
	var failed error
	for {
		b := <-free
		more, err := bl.next(b)
		final := b.final
		if more {
			full <- b
		}
		if err != nil || !more || final {
			failed = err
			break
		}
	}
	close(full)
	wg.Wait()
	out.settle()
	return failed
}

// rowReader reads blocks of a sheet into facts.
type rowReader struct {
	s       *sheet
	out     *Out
	rec     records
	row     Row
	footer  bool
	sources map[sourceKey]map[string]evidence.Word
	recent  [512]recentSource
	tally   rowTally
}

func newRowReader(s *sheet, out *Out) *rowReader {
	rd := &rowReader{s: s, out: out, sources: map[sourceKey]map[string]evidence.Word{}}
	rd.row.sheet, rd.row.Doc = s, s.doc
	rd.row.zone.loc = s.in.ZoneOr(s.t.Zone)
	return rd
}

func (rd *rowReader) block(b *block) {
	s, row := rd.s, &rd.row
	delim := s.delim
	if s.t.Fixed {
		delim = 0
	}
	valid := s.t.Fixed || utf8.Valid(b.data)
	alone := s.alone()
	rd.out.startBlock(b.index)
	if s.t.totals {
		defer func() { s.sums.join(&rd.tally); rd.tally = rowTally{} }()
	}
	rd.rec.begin(b, delim)
	for {
		more, broken := rd.rec.scan()
		if !more {
			return
		}
		if rd.rec.line < s.firstRow {
			continue
		}
		row.Line, row.Raw, row.Cells = rd.rec.line, rd.rec.raw, rd.rec.cells
		if blank(row.Raw, delim) || s.header != nil && string(row.Raw) == s.header.raw {
			continue // the header stands again where files were put together
		}
		if !alone {
			s.doc.Line = row.Line
		}
		if s.t.Skip != nil && s.t.Skip(row) {
			continue
		}
		if s.t.totals {
			if all, part := sumRow(row); all || part {
				if all {
					s.sums.add(row)
				}
				continue
			}
		}
		if rd.footer || s.t.Footer != nil && s.t.Footer(row) {
			rd.footer = true
			if s.t.Foot != nil {
				s.t.Foot(row, rd.out)
			}
			continue
		}
		if !alone {
			s.doc.Rows++
		}
		switch {
		case broken:
			rd.out.Reject(row.Line, fault.Say("a quote opens in this line and does not close where the cell ends; quote the cell as \"…\" and double quotes inside it", "该行的引号没有在单元格末尾结束，请用 \"…\" 括起单元格，其中的引号写两个"))
		case !valid && !utf8.Valid(row.Raw):
			rd.out.Reject(row.Line, fault.Say("holds bytes that are not UTF-8 while the rest of the file is; save the file again in one encoding", "该行含非 UTF-8 的字节，而文件其余部分是 UTF-8，请用同一编码重新保存"))
		case !s.t.Fixed && len(row.Cells) < s.least, s.header != nil && len(row.Cells) < s.width && rd.torn(b):
			rd.out.Reject(row.Line, short(len(row.Cells), s.width, rd.torn(b)))
		case !s.t.Fixed && s.header != nil && len(row.Cells) > s.width && !emptyFrom(row.Cells, s.width):
			rd.out.Reject(row.Line, fault.Say("has %d cells where the header has %d; quote cells that contain the delimiter", "有 %d 个单元格，表头有 %d 个；含分隔符的单元格请加引号", len(row.Cells), s.width))
		case s.t.Row != nil:
			s.t.Row(row, rd.out)
		default:
			rd.fact(row)
		}
	}
}

// torn reports that the text ends within the record at hand.
func (rd *rowReader) torn(b *block) bool {
	return b.final && rd.rec.pos >= len(b.data) && b.data[len(b.data)-1] != '\n'
}

func short(have, want int, last bool) fault.Text {
	if last {
		return fault.Say("has %d cells where the header has %d: the file ends within this line; get it whole from its sender", "只有 %d 个单元格，表头有 %d 个：文件在这一行中断，请向发送方索取完整文件", have, want)
	}
	return fault.Say("has %d cells where the header has %d; mend the line or get the file again", "只有 %d 个单元格，表头有 %d 个，请更正该行或重新获取文件", have, want)
}

func emptyFrom(cells [][]byte, n int) bool {
	for _, c := range cells[n:] {
		if len(clean(c)) > 0 {
			return false
		}
	}
	return true
}

// blank reports a line without any text.
func blank(raw []byte, delim byte) bool {
	for i, c := range raw {
		if c > ' ' && c != delim && c != '"' {
			return c >= 0x80 && len(trim(bytes.ReplaceAll(raw[i:], []byte{delim}, nil))) == 0
		}
	}
	return true
}

func (rd *rowReader) fact(row *Row) {
	s := rd.s
	if s.t.totals {
		rd.tally.add(row)
	}
	if s.variants != nil {
		var err error
		if s, err = s.variants(row); err != nil {
			rd.out.Reject(row.Line, fault.TextOf(err))
			return
		}
		row.sheet = s
	}
	var d *evidence.Draft
	if s.t.Type == evidence.UnknownType {
		d = rd.out.w.BeginUnknown(strings.TrimPrefix(s.t.Name, "csv."))
	} else {
		d = rd.out.Begin(s.t.Type)
	}
	if err := rd.put(s, row, d); err != nil {
		rd.out.Reject(row.Line, fault.TextOf(err))
		return
	}
	if s.t.Fill != nil {
		if err := s.t.Fill(row, d); err != nil {
			rd.out.Reject(row.Line, fault.Reason(err))
			return
		}
	}
	if s.hasID && len(row.cell(s.idCol)) > 0 {
		rd.out.Commit(d, row.Line)
		return
	}
	h := xxhash.Sum64(row.Raw)
	d.SetRowHash(h)
	rd.out.commitRow(d, row.Line, h)
}

// put fills a fact by the columns, except for its id.
func (rd *rowReader) put(s *sheet, row *Row, d *evidence.Draft) error {
	if !s.hasSource || len(row.cell(s.sourceCol)) == 0 {
		d.SetSourceWord(rd.sourceOf(s, row))
	}
	return s.fill(row, d, nil)
}

// sourceOf gives the source of a row's fact: the format and the document's own
// number, or else the merchant, account or terminal that the row names.
func (rd *rowReader) sourceOf(s *sheet, row *Row) evidence.Word {
	words := rd.out.words()
	if s.t.Source != nil {
		return words.OfString(s.t.Name + "/" + s.t.Source(row))
	}
	if s.doc.Source != "" {
		return rd.named(s, s.doc.Source)
	}
	for _, i := range s.keyCols {
		if b := row.cell(i); len(b) > 0 {
			recent := &rd.recent[xxhash.Sum64(b)%uint64(len(rd.recent))]
			if recent.s == s && recent.col == i && string(recent.text) == string(b) {
				return recent.word
			}
			key := sourceKey{s, i}
			m := rd.sources[key]
			if w, ok := m[string(b)]; ok {
				*recent = recentSource{key, append(recent.text[:0], b...), w}
				return w
			}
			part := string(b)
			if s.t.Columns[i].Field == evidence.Account {
				part = AccountPart(part)
			}
			if m == nil {
				m = map[string]evidence.Word{}
				rd.sources[key] = m
			}
			w := words.OfString(s.t.Name + "/" + part)
			m[string(b)] = w
			return w
		}
	}
	part := s.in.MID
	if part == "" {
		part = "-"
	}
	return rd.named(s, part)
}

// named gives the source of a part that is the same for all rows.
func (rd *rowReader) named(s *sheet, part string) evidence.Word {
	key := sourceKey{s, -1}
	if w, ok := rd.sources[key][""]; ok {
		return w
	}
	w := rd.out.words().OfString(s.t.Name + "/" + part)
	rd.sources[key] = map[string]evidence.Word{"": w}
	return w
}

// recentSource is a source that was asked for not long ago.
type recentSource struct {
	sourceKey
	text []byte
	word evidence.Word
}

// sourceKey is a column whose text makes sources.
type sourceKey struct {
	s   *sheet
	col int
}

// put is Row.Put.
func (s *sheet) put(r *Row, d *evidence.Draft, part string, except []string) error {
	if !s.hasSource {
		d.SetSource(s.sourceText(r))
	}
	if err := s.fill(r, d, except); err != nil {
		return err
	}
	if !s.hasID {
		r.joined = append(append(r.joined[:0], r.Raw...), part...)
		d.HashID(r.joined)
	}
	return nil
}

func (s *sheet) sourceText(r *Row) string {
	if s.t.Source != nil {
		return s.t.Name + "/" + s.t.Source(r)
	}
	if s.doc.Source != "" {
		return s.t.Name + "/" + s.doc.Source
	}
	for _, i := range s.keyCols {
		if b := r.cell(i); len(b) > 0 {
			if s.t.Columns[i].Field == evidence.Account {
				return s.t.Name + "/" + AccountPart(string(b))
			}
			return s.t.Name + "/" + string(b)
		}
	}
	if s.in.MID != "" {
		return s.t.Name + "/" + s.in.MID
	}
	return s.t.Name + "/-"
}

// edge marks the bytes with which a cell that needs cleaning begins or ends.
var edge = func() (t [256]bool) {
	for c := range t {
		t[c] = c <= ' ' || c >= 0x80 || c == '`' || c == '\'' || c == '"' || c == '='
	}
	return t
}()

// fill sets the fields of a fact from the columns.
func (s *sheet) fill(row *Row, d *evidence.Draft, except []string) error {
	currency := s.currency
	said := false
	hasMID := false
	for i := range s.setters {
		set := &s.setters[i]
		var b []byte
		if set.at >= 0 {
			if set.at >= len(row.Cells) {
				continue
			}
			b = row.Cells[set.at]
			if len(b) == 0 {
				continue
			}
			if edge[b[0]] || edge[b[len(b)-1]] {
				b = clean(b)
			}
		} else {
			b = row.cell(set.col)
		}
		if len(b) == 0 {
			continue
		}
		if len(except) > 0 && s.excepted(set.col, except) {
			continue
		}
		var err error
		switch set.as {
		case AsIs:
			switch set.field {
			case When:
				err = d.PutTime(b)
			case Recorded:
				err = d.PutRecorded(b)
			case SourceField:
				d.SetSourceWord(d.Words().Of(b))
			case IDField:
				d.SetIDWord(d.Words().Of(b))
			case evidence.MID:
				hasMID = true
				err = d.Put(set.field, b)
			case evidence.UnknownField:
				err = putUnknown(d, s.t.Columns[set.col].Name, b)
			case evidence.CurrencyField:
				said = true
				err = d.Put(set.field, b)
				currency, _ = money.ParseCurrencyBytes(b)
			default:
				err = d.Put(set.field, b)
			}
		case AsDecimal, AsMagnitude, AsMinor, AsRounded, asMinorMagnitude:
			var n int64
			if n, err = s.amount(b, set.as, currency); err == nil {
				err = d.PutInt(set.field, n)
			}
		case AsDate:
			var date calendar.Date
			if date, err = ParseDate(b, s.t.Columns[set.col].Layouts...); err == nil {
				err = s.putDate(row, d, set.field, date)
			}
		case AsTime:
			var at evidence.Instant
			var offset int16
			if at, offset, err = row.zone.parse(b, s.t.Columns[set.col].Layouts); err == nil {
				switch set.field {
				case When:
					d.SetTime(at, offset)
				case Recorded:
					d.SetRecorded(at)
				default:
					d.PutInstant(set.field, at, offset)
				}
			}
		case AsWord:
			if w, ok := s.t.Columns[set.col].word(b); ok {
				err = d.PutString(set.field, w)
			} else {
				err = s.unknownWord(set.col)
			}
		case AsPAN:
			var masked string
			var ok bool
			if masked, ok, err = MaskedPAN(b); ok {
				err = d.PutString(set.field, masked)
			}
		case AsCurrency:
			c, ok := ParseCurrency(b)
			if !ok {
				err = errCurrency
				break
			}
			said = true
			currency = c
			err = d.Put(set.field, c[:])
		}
		if err != nil {
			return row.wrong(set.col, err)
		}
	}
	if s.contract {
		return nil
	}
	if !said && currency != (money.Currency{}) {
		if err := d.Put(evidence.CurrencyField, currency[:]); err != nil {
			return err
		}
	}
	if !hasMID && s.in.MID != "" {
		if err := d.PutString(evidence.MID, s.in.MID); err != nil {
			return err
		}
	}
	for f, v := range s.t.Const {
		if err := d.PutString(f, v); err != nil {
			return err
		}
	}
	return nil
}

// putUnknown keeps the text of a column the contract does not name.
func putUnknown(d *evidence.Draft, name string, b []byte) error {
	text, err := json.Marshal(string(b))
	if err != nil {
		return err
	}
	return d.PutUnknown(name, text)
}

func (s *sheet) putDate(row *Row, d *evidence.Draft, f evidence.Field, date calendar.Date) error {
	if f != When && f != Recorded && f != evidence.TransactionTime {
		return d.PutDate(f, date)
	}
	at, offset, err := row.zone.moment(clock{date: date})
	switch {
	case err != nil:
	case f == When:
		d.SetTime(at, offset)
	case f == Recorded:
		d.SetRecorded(at)
	default:
		d.PutInstant(f, at, offset)
	}
	return err
}

func (s *sheet) excepted(col int, except []string) bool {
	for _, name := range except {
		if i, ok := s.byName[name]; ok && i == col {
			return true
		}
	}
	return false
}

func (s *sheet) unknownWord(col int) error {
	words := make([]string, 0, len(s.t.Columns[col].Words))
	for w := range s.t.Columns[col].Words {
		words = append(words, w)
	}
	sort.Strings(words)
	const most = 12
	more := ""
	if len(words) > most {
		words, more = words[:most], ", …"
	}
	return fault.Say("is none of the words known there: %s%s", "不是该列认识的词：%s%s", strings.Join(words, ", "), more)
}

// amount reads a number of minor units as a column writes it.
func (s *sheet) amount(b []byte, as As, c money.Currency) (int64, error) {
	var n int64
	var err error
	switch as {
	case AsDecimal:
		n, err = money.ParseDecimal(b, c.Exponent(), s.style)
	case AsMagnitude:
		if n, err = money.ParseDecimal(b, c.Exponent(), s.style); n < 0 {
			n = -n
		}
	case AsRounded:
		n, _, err = money.ParseDecimalRound(b, c.Exponent(), s.style)
	default:
		if n, err = money.ParseMinor(b); as == asMinorMagnitude && n < 0 {
			n = -n
		}
	}
	return n, err
}

// fixedCell gives the bytes of a column of a fixed layout, in UTF-8.
func (r *Row) fixedCell(i int) []byte {
	c := &r.sheet.t.Columns[i]
	part := func(at, width int) []byte {
		if at >= len(r.Raw) {
			return nil
		}
		return trim(r.Raw[at:min(at+width, len(r.Raw))])
	}
	b := part(c.At, c.Width)
	if c.WithWidth > 0 && len(b) > 0 {
		r.joined = append(append(append(r.joined[:0], b...), ' '), part(c.WithAt, c.WithWidth)...)
		b = r.joined
	}
	for _, x := range b {
		if x >= 0x80 {
			return decodeBytes(b, r.sheet.in.Head.Encoding)
		}
	}
	return b
}
