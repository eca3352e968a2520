// Package format turns the files people have into evidence. A [Format] knows
// one kind of file by its content and reads it; a [Table] describes one that is
// a table, so that a new format is a table plus a test; [Load] opens files,
// folders, archives and standard input, finds each one's format and reads them
// side by side. What cannot be read is told with file, line and reason, and the
// rest is read all the same.
package format

import (
	"bytes"
	"io"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// headSize is how much of an input its format is told by.
const headSize = 64 << 10

// Head is the beginning of an input, by which its format is told.
type Head struct {
	// Name is the input's name as shown in messages. Detection never looks at
	// it: the same file under another name is the same file.
	Name string
	// Raw is the first 64 KiB or less, as they are.
	Raw []byte
	// Text is Raw in UTF-8, without byte order mark; "" for binary content.
	// Of a spreadsheet it is the sheet as tab-separated lines.
	Text string
	// Encoding is what Raw is written in.
	Encoding Encoding
	// Whole says that Raw is all there is.
	Whole bool

	hint  evidence.Type // of the facts, as the person says
	grids map[byte][]headRow
}

// Lines gives the first n lines of Text without their line ends. The last may
// be cut short where Raw ends.
func (h *Head) Lines(n int) []string {
	lines := make([]string, 0, min(n, 64))
	rest := h.Text
	for len(lines) < n && rest != "" {
		var line string
		line, rest = cutLine(rest)
		lines = append(lines, line)
	}
	return lines
}

// Format is one kind of file.
type Format struct {
	// Name stands in the answer's sources and begins the source of its facts:
	// "wechat.tradebill".
	Name string
	// Title is what people call it: "WeChat Pay trade bill", "微信支付交易账单".
	Title fault.Text
	// Detect reports by content whether an input is of this format. It must
	// not be fooled into a panic by any bytes.
	Detect func(*Head) bool
	// Read reads the input into facts. An error means that the rest could not
	// be read; it is told as a rejection at line 0, and what was committed
	// before stays.
	Read func(*Input, *Out) error
	// Table is the description by which a file that is nearly of this format
	// is told what it lacks; nil where the format is no table.
	Table *Table
}

// Hints are what the person says about files that do not say it themselves.
type Hints struct {
	// Type is the type of the facts in a CSV without a type column;
	// evidence.UnknownType where nothing is said.
	Type evidence.Type
	// Mapping explains the columns of files that have all of its headers.
	Mapping *Mapping
	// MID is the merchant of facts whose file names none.
	MID string
	// Zone is the zone of local times. Nil is the format's own, and
	// Asia/Shanghai where it has none.
	Zone *time.Location
	// Currency is that of amounts whose file names none. The zero value is the
	// format's own, and CNY where it has none.
	Currency money.Currency
}

// Input is one file to be read, or one file inside an archive, or one sheet of
// a spreadsheet.
type Input struct {
	// Name is shown in messages: the path as given, for a part of an archive
	// "archive.zip:part.csv", "-" for standard input.
	Name string
	Head Head
	Hints

	rest  io.Reader // what follows Head.Raw
	begun bool
}

// NewInput makes an Input of bytes, for tests and for content that is not in a
// file.
func NewInput(name string, content []byte, hints Hints) *Input {
	in, _ := newInput(name, bytes.NewReader(content), hints) // reading memory does not fail
	return in
}

func newInput(name string, r io.Reader, hints Hints) (*Input, error) {
	raw := make([]byte, headSize)
	n, err := io.ReadFull(r, raw)
	in := &Input{Name: name, Hints: hints, rest: r}
	in.Head = Head{Name: name, hint: hints.Type, Raw: raw[:n:n], Whole: err == io.EOF || err == io.ErrUnexpectedEOF}
	if in.Head.Whole {
		err = nil
	}
	in.Head.Encoding, in.Head.Text = decodeHead(in.Head.Raw, in.Head.Whole)
	return in, err
}

// Reader gives the input's bytes as they are. An input is read once, either
// by Reader, Text or Bytes.
func (in *Input) Reader() io.Reader {
	if in.begun {
		return errorReader{fault.Say("the input was read twice", "输入被读了两次")}
	}
	in.begun = true
	if in.Head.Whole {
		return bytes.NewReader(in.Head.Raw)
	}
	return io.MultiReader(bytes.NewReader(in.Head.Raw), in.rest)
}

// Text gives the input in UTF-8 without byte order mark, from UTF-8, UTF-16,
// GB18030 or Latin-1, as its content shows.
func (in *Input) Text() io.Reader { return newDecoder(in.Reader(), in.Head.Encoding, in.Head.Raw) }

// Bytes gives the whole input as it is; an error where it is longer than limit.
func (in *Input) Bytes(limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in.Reader(), limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fault.New(fault.Invalid, fault.Say("read", "读取"), in.Name, fault.Say("longer than %d MiB", "超过 %d MiB", limit>>20),
			fault.Say("split the file; no real file of this format is so long", "这种格式的文件不会这么长，请拆分"))
	}
	return b, err
}

// ZoneOr gives the zone the person named, else the format's own.
func (in *Input) ZoneOr(own string) *time.Location {
	if in.Zone != nil {
		return in.Zone
	}
	if own == "" {
		own = "Asia/Shanghai"
	}
	loc, err := calendar.Location(own)
	if err != nil {
		return time.UTC
	}
	return loc
}

// CurrencyOr gives the currency the person named, else the format's own.
func (in *Input) CurrencyOr(own string) money.Currency {
	if in.Currency != (money.Currency{}) {
		return in.Currency
	}
	if own == "" {
		own = "CNY"
	}
	c, _ := money.ParseCurrencyBytes([]byte(own))
	return c
}

// Source is what was read from one input, as the answer lists it.
type Source struct {
	File     string
	Format   string
	Facts    int
	Rejected int
	// Doubts counts the warnings which show that the input is not as its sender
	// wrote it: totals of its own that differ, an end that is missing.
	Doubts int
	// From and To are the times of the earliest and the latest fact; 0 where
	// there is none.
	From, To evidence.Instant
}

// Note is one thing to tell about an input: a rejection or a warning. Line 0
// is the input as a whole.
type Note struct {
	File string
	Line int
	Why  fault.Text
}

// Out takes what a format reads. It is used by one goroutine.
type Out struct {
	name     string
	set      *evidence.Set
	file     uint16
	w        *evidence.Writer
	source   Source
	rejected []Note
	warnings []Note
	ids      []blockIDs
	forks    []*Out
	homeless int // facts of payments that name neither merchant nor terminal
}

// NewOut makes an Out that adds facts to a Set, for tests.
func NewOut(name string, set *evidence.Set) *Out {
	return newOut(name, "", set)
}

func newOut(name, format string, set *evidence.Set) *Out {
	file := set.AddFile(name)
	return &Out{name: name, set: set, file: file, w: set.Writer(file), source: Source{File: name, Format: format}}
}

// Writer gives the writer of the input's facts.
func (o *Out) Writer() *evidence.Writer { return o.w }

// Begin starts a fact.
func (o *Out) Begin(t evidence.Type) *evidence.Draft { return o.w.Begin(t) }

// SetFormat states the format more exactly than its detection did:
// "camt.053.001.08".
func (o *Out) SetFormat(name string) { o.source.Format = name }

// Commit keeps the fact that stands on a line of the input, or tells why not.
// It reports whether the fact was kept.
func (o *Out) Commit(d *evidence.Draft, line int) bool {
	d.At(line)
	if _, err := d.Commit(); err != nil {
		o.Reject(line, fault.Reason(err))
		return false
	}
	o.count(d)
	return true
}

// Reject tells that a line was refused: why, and what to do.
func (o *Out) Reject(line int, why fault.Text) {
	o.source.Rejected++
	o.rejected = append(o.rejected, Note{o.name, line, why})
}

// Warn tells of something that was read but does not fit, such as a total
// that differs from its rows.
func (o *Out) Warn(line int, why fault.Text) {
	o.warnings = append(o.warnings, Note{o.name, line, why})
}

// Doubt is Warn of something which shows that the input is not as its sender
// wrote it: whoever moves money by it has to ask for it again.
func (o *Out) Doubt(line int, why fault.Text) {
	o.source.Doubts++
	o.Warn(line, why)
}

// Source gives what has been read so far.
func (o *Out) Source() Source { return o.source }

// Rejected gives the rejections in the order in which they were made.
func (o *Out) Rejected() []Note { return o.rejected }

// Warnings gives the warnings in the order in which they were made.
func (o *Out) Warnings() []Note { return o.warnings }
