package intake

import (
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// File is a file that came in, with what became of it.
type File struct {
	// ID names it: of a file that a person brought, a hash of its content and of what
	// the person said about it; of one that came into a folder, that of its content.
	ID string
	// Folder is where a counterparty put it ("clearing/UnionPay"); "" for a file that
	// a person brought.
	Folder string
	// Hash is the SHA-256 of the content in hexadecimal digits.
	Hash string
	Name string
	Size int64
	At   time.Time
	// By is who brought it, Via how; empty for a file of a folder.
	By  string
	Via Via
	// Format is what it was read as, Title what people call that.
	Format string
	Title  fault.Text
	State  State
	// Why says what is wrong with it, or why nothing was done; none where all is well.
	Why fault.Text
	// Rows were read as facts; of those Added were new, Repeated were on record, and
	// Contradicts were on record with other content. Rejected could not be read.
	Rows, Added, Repeated, Contradicts, Rejected int64
	// Doubts counts the warnings that the file is not as its sender wrote it.
	Doubts int
	// Trailers are its own totals held against its rows.
	Trailers []Trailer
	// Streams are the series of files that it belongs to, with the days it covers.
	Streams []Stream
	// Errors are its rejected lines and Warnings what does not fit, the first of
	// each; Unlisted is how many more there are.
	Errors, Warnings []LineNote
	Unlisted         int
	// SentTo is the folder of the back office into which it was put; "" where its
	// facts were kept as evidence.
	SentTo string
	// Dry says that nothing was kept.
	Dry bool `json:"-"`
}

// State is what became of a file.
type State string

// The states of a file.
const (
	// Taken was read, and all it says is on record.
	Taken State = "taken"
	// Partly was read, and some of its lines could not be.
	Partly State = "partly"
	// Unchanged said nothing that was not on record.
	Unchanged State = "unchanged"
	// Outdated is an issue before the one that is booked.
	Outdated State = "outdated"
	// Waiting holds something for which another file has to come first.
	Waiting State = "waiting"
	// Handed was given to the back office, which books it.
	Handed State = "handed"
	// Refused says why; nothing of it was kept.
	Refused State = "refused"
)

// stateWords are the states for people.
var stateWords = map[State]fault.Text{
	Taken: {EN: "taken", ZH: "已接收"}, Partly: {EN: "taken in part", ZH: "部分接收"}, Unchanged: {EN: "nothing new", ZH: "无新内容"}, Outdated: {EN: "outdated", ZH: "已有更新版本"},
	Waiting: {EN: "waits for another file", ZH: "等待其他文件"}, Handed: {EN: "given to the back office", ZH: "已交清算处理"}, Refused: {EN: "refused", ZH: "已拒收"},
}

// Word is the state for people.
func (s State) Word() fault.Text { return stateWords[s] }

// Trailer is one total that a file declares, held against its rows.
type Trailer struct {
	// Of is what it counts: "UnionPay 2026-06-03", "****6789 2026-06-03".
	Of       string
	Currency money.Currency
	// Count and Sum are declared, in minor units; Counted says whether a count is.
	// ReadCount and ReadSum are those of the rows.
	Counted          bool
	Count, ReadCount int64
	Sum, ReadSum     int64
}

// Fits reports whether the declared totals are those of the rows.
func (t *Trailer) Fits() bool { return t.Sum == t.ReadSum && (!t.Counted || t.Count == t.ReadCount) }

// Stream is a series of files: one comes for each day.
type Stream struct {
	// Name is the source of its facts without the document's own number.
	Name string
	// Days are what the file covers of it, in order.
	Days []calendar.Date
	Rows int64
}

// LineNote is something to tell about a line, 0 for the file as a whole.
type LineNote struct {
	// Part is the part of an archive; "" for the file itself.
	Part string
	Line int
	Why  fault.Text
	// Raw is the line as it stands in the file, with card numbers masked; "" where it
	// cannot be shown.
	Raw string
}

// filingStates are the states of a back office's filings.
var filingStates = map[backoffice.FilingState]State{backoffice.Taken: Taken, backoffice.Repeated: Unchanged, backoffice.Outdated: Outdated,
	backoffice.Waiting: Waiting, backoffice.Refused: Refused}

// FromFiling shows a file of the back office's folders among the others.
func FromFiling(f *backoffice.Filing) File {
	out := File{ID: f.Hash, Folder: f.Folder, Hash: f.Hash, Name: f.Name, Size: f.Size, At: f.Received, Format: f.Format, State: filingStates[f.State],
		Rows: f.Rows, Added: f.Taken, Rejected: f.Refused}
	if f.Why != "" {
		out.Why = fault.Same(f.Why)
	}
	if f.Date != calendar.None && f.State != backoffice.Waiting {
		out.Streams = []Stream{{Name: f.Folder, Days: []calendar.Date{f.Date}, Rows: f.Rows}}
	}
	return out
}
