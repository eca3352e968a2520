package api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/money"
)

// uploadWithin is how long a slow line may take for one file.
const uploadWithin = 10 * time.Minute

// File is a file that came in, with what became of it.
type File struct {
	ID       string    `json:"id" doc:"of a file that was brought, for GET /v1/files/{id}; of one of a folder the hash of its content"`
	Folder   string    `json:"folder,omitempty" doc:"the folder of the back office into which a counterparty put it; absent for one that was brought"`
	Name     string    `json:"name"`
	Size     int64     `json:"size" doc:"in bytes"`
	SHA256   string    `json:"sha256"`
	Received time.Time `json:"received"`
	By       string    `json:"by,omitempty" doc:"who brought it"`
	Format   string    `json:"format,omitempty" doc:"what it was read as, such as camt.053.001.08"`
	State    string    `json:"state" enum:"taken,partly,unchanged,outdated,waiting,handed,refused" doc:"partly: some lines could not be read; unchanged: nothing was new; handed: given to the back office, which books it"`
	Why      string    `json:"why,omitempty" doc:"what is wrong with it, or why nothing was done"`
	SentTo   string    `json:"sent_to,omitempty" doc:"the folder of the back office that has it"`
	DryRun   bool      `json:"dry_run,omitempty" doc:"nothing was kept"`

	Rows        int64 `json:"rows" doc:"that were read as facts"`
	Added       int64 `json:"added" doc:"of them new"`
	Repeated    int64 `json:"repeated" doc:"of them on record before"`
	Contradicts int64 `json:"contradicts" doc:"of them on record with other content; both are kept"`
	Rejected    int64 `json:"rejected" doc:"lines that could not be read"`

	Totals   []FileTotal  `json:"totals,omitempty" doc:"its own totals held against its rows"`
	Covers   []FileStream `json:"covers,omitempty" doc:"the series that it belongs to, and the days it covers"`
	Errors   []FileNote   `json:"errors,omitempty" doc:"rejected lines, the first 200"`
	Warnings []FileNote   `json:"warnings,omitempty" doc:"what does not fit, the first 200"`
	Unlisted int          `json:"unlisted,omitempty" doc:"errors and warnings that are not listed"`
}

// FileTotal is a declared total and what the rows come to.
type FileTotal struct {
	Of       string `json:"of" doc:"what it counts"`
	Currency string `json:"currency,omitempty" doc:"ISO 4217"`
	Count    *int64 `json:"count,omitempty" doc:"declared; absent where none is"`
	Sum      int64  `json:"sum" doc:"declared, in minor units"`
	ReadRows int64  `json:"read_rows"`
	ReadSum  int64  `json:"read_sum" doc:"in minor units"`
	Agrees   bool   `json:"agrees"`
}

// FileStream is a series of files.
type FileStream struct {
	Source string   `json:"source" doc:"of its facts, without the document's own number"`
	Days   []string `json:"days" doc:"business dates"`
	Rows   int64    `json:"rows"`
}

// FileNote is something to tell about a line.
type FileNote struct {
	Part string `json:"part,omitempty" doc:"of an archive"`
	Line int    `json:"line" doc:"0 is the file as a whole"`
	Why  string `json:"why" doc:"the reason and what to do"`
	Raw  string `json:"raw,omitempty" doc:"the line as it stands in the file, card numbers masked; absent where it cannot be shown"`
}

// shown is an account by its last four, wherever it stands in a source.
func shown(s string) string {
	s, _ = card.MaskText(s)
	return s
}

// FileOf shows a file in a language.
func FileOf(f *intake.File, lang string) *File {
	out := &File{ID: f.ID, Folder: f.Folder, Name: f.Name, Size: f.Size, SHA256: f.Hash, Received: f.At, By: f.By, Format: f.Format, State: string(f.State), Why: f.Why.In(lang),
		SentTo: f.SentTo, DryRun: f.Dry, Rows: f.Rows, Added: f.Added, Repeated: f.Repeated, Contradicts: f.Contradicts, Rejected: f.Rejected, Unlisted: f.Unlisted}
	for i := range f.Trailers {
		t := &f.Trailers[i]
		total := FileTotal{Of: t.Of, Sum: t.Sum, ReadRows: t.ReadCount, ReadSum: t.ReadSum, Agrees: t.Fits()}
		if t.Currency != (money.Currency{}) {
			total.Currency = t.Currency.String()
		}
		if t.Counted {
			total.Count = &t.Count
		}
		out.Totals = append(out.Totals, total)
	}
	for _, s := range f.Streams {
		x := FileStream{Source: shown(s.Name), Rows: s.Rows}
		for _, d := range s.Days {
			x.Days = append(x.Days, d.String())
		}
		out.Covers = append(out.Covers, x)
	}
	notes := func(list []intake.LineNote) (to []FileNote) {
		for _, n := range list {
			to = append(to, FileNote{n.Part, n.Line, n.Why.In(lang), n.Raw})
		}
		return to
	}
	out.Errors, out.Warnings = notes(f.Errors), notes(f.Warnings)
	return out
}

func (s *Server) fileOperations() {
	absent := s.o.Intake == nil
	most := int64(intake.DefaultMaxSize)
	if !absent {
		most = s.o.Intake.Most()
	}
	file := s.schemas.Schema(reflect.TypeFor[File](), true, "File")
	raw := &huma.Schema{Type: "string", Format: "binary"}
	stream(s, operation{Method: "POST", Path: "/v1/files", ID: "postFile", Tag: "files", Summary: "Bring a file of any format that is known.",
		Description: "The file is the body, or the part \"file\" of a form. It is known by its content: the same file again changes nothing. Clearing files, replies and statements " +
			"of the safeguarded account are given to the back office, which books them; all other files become evidence. Full card numbers are refused or masked. With dry_run nothing is kept.",
		Action: access.BringFiles, Absent: absent, Natural: true, MaxBody: most + 1<<20,
		Body: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: raw},
			"multipart/form-data":      {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{"file": raw}, Required: []string{"file"}}}}},
		Answer: map[string]*huma.MediaType{"application/json": {Schema: file}}}, s.postFile)
	register(s, operation{Method: "GET", Path: "/v1/files", ID: "listFiles", Tag: "files", Summary: "Files that came, the latest first.",
		Action: access.ReadFiles, Absent: absent}, s.listFiles)
	register(s, operation{Method: "GET", Path: "/v1/files/expected", ID: "getExpectedFiles", Tag: "files", Summary: "Which files were expected and which came: source by day.",
		Action: access.ReadFiles, Absent: absent}, s.getExpectedFiles)
	register(s, operation{Method: "POST", Path: "/v1/files/expected", ID: "postExpectedFile", Tag: "files", Summary: "Set when the files of a source have to come.",
		Action: access.StateCircumstances, Absent: absent, Repeats: true}, s.postExpectedFile)
	register(s, operation{Method: "GET", Path: "/v1/files/{id}", ID: "getFile", Tag: "files", Summary: "A file that was brought, with every line that was rejected.",
		Action: access.ReadFiles, Absent: absent}, s.getFile)
}

// flawed puts what is wrong with an entry into the words of a problem: each field.
func flawed(err error) error {
	flaws, ok := errors.AsType[intake.Flaws](err)
	if !ok {
		return err
	}
	f := failure{status: http.StatusUnprocessableEntity, detail: notValid}
	for _, x := range flaws {
		f.errors = append(f.errors, fieldFault{Field: "body." + x.Field, Why: x.Why})
	}
	return &f
}

// fileBrought is what is said beside a file.
type fileBrought struct {
	Name     string `query:"name" maxLength:"200" doc:"the file's name; of a form that of its part"`
	To       string `query:"to" maxLength:"128" doc:"the folder of the back office that is meant, such as clearing/UnionPay; absent: found by the content"`
	MID      string `query:"mid" maxLength:"64" doc:"the merchant of rows that name none"`
	Currency string `query:"currency" maxLength:"3" doc:"ISO 4217, of amounts whose file names none"`
	Type     string `query:"type" maxLength:"40" doc:"type of the facts of a table that does not say it, such as bank.entry"`
	Zone     string `query:"timezone" maxLength:"64" doc:"of local times, an IANA name"`
	Dry      bool   `query:"dry_run" doc:"say what would become of it and keep nothing"`
}

func (s *Server) postFile(c *call, in *fileBrought) error {
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(uploadWithin)) // not of every connection
	_ = control.SetWriteDeadline(time.Now().Add(uploadWithin))
	u := intake.Upload{Name: in.Name, Content: c.Body, By: c.actor(), Via: intake.API, To: in.To, Dry: in.Dry}
	if err := in.hints(&u); err != nil {
		return err
	}
	media, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err == nil && media == "multipart/form-data" {
		part, err := filePart(c.Body, params["boundary"])
		if err != nil {
			return err
		}
		u.Content = part
		if u.Name == "" {
			u.Name = part.FileName()
		}
	}
	f, err := s.o.Intake.Bring(c.Context(), u)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, FileOf(&f, c.lang))
}

// hints are what the caller says about the file.
func (in *fileBrought) hints(u *intake.Upload) error {
	var bad []error
	u.Hints.MID = in.MID
	if in.Currency != "" {
		var err error
		if u.Hints.Currency, err = money.ParseCurrency(strings.ToUpper(in.Currency)); err != nil {
			bad = append(bad, invalid("query.currency", fault.Say("write a currency, for example CNY", "请写币种，例如 CNY")))
		}
	}
	if in.Type != "" {
		var ok bool
		if u.Hints.Type, ok = evidence.ParseType(in.Type); !ok {
			bad = append(bad, invalid("query.type", fault.Say("a type of the contract, such as bank.entry", "凭据约定中的类型，如 bank.entry")))
		}
	}
	if in.Zone != "" {
		var err error
		if u.Hints.Zone, err = calendar.Location(in.Zone); err != nil {
			bad = append(bad, invalid("query.timezone", fault.Say("a name such as Asia/Shanghai", "时区名，如 Asia/Shanghai")))
		}
	}
	return unacceptable(bad...)
}

// filePart finds the file in a form.
func filePart(body io.Reader, boundary string) (*multipart.Part, error) {
	parts := multipart.NewReader(body, boundary)
	for {
		part, err := parts.NextPart()
		if err != nil {
			return nil, fault.New(fault.Usage, fault.Say("read form", "读取表单"), "", err, fault.Say("send the file as the part \"file\"", "请以名为 file 的部分上传文件"))
		}
		if part.FormName() == "file" {
			return part, nil
		}
	}
}

// filesAsked is a page of files.
type filesAsked struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before"`
}

// Files is a page of files.
type Files struct {
	Items      []*File `json:"items"`
	NextCursor string  `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
}

func (s *Server) listFiles(c *call, in *filesAsked) (*Files, error) {
	mark, err := markOf[intake.Mark](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, next, err := s.o.Intake.Keeper.Files(c.Context(), mark, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &Files{Items: []*File{}}
	for i := range list {
		f := FileOf(&list[i], c.lang)
		f.Errors, f.Warnings = nil, nil // each file has its own
		out.Items = append(out.Items, f)
	}
	if next != "" {
		out.NextCursor = cursorOf(next)
	}
	return out, nil
}

type broughtAsked struct {
	ID string `path:"id" maxLength:"64" doc:"of the file"`
}

func (s *Server) getFile(c *call, in *broughtAsked) (*File, error) {
	f, err := s.o.Intake.Keeper.File(c.Context(), in.ID)
	if err != nil {
		return nil, err
	}
	return FileOf(&f, c.lang), nil
}

// ExpectedFiles is which files were expected and which came.
type ExpectedFiles struct {
	Sources []ExpectedSource `json:"sources"`
}

// ExpectedSource is one source with its days.
type ExpectedSource struct {
	Source   string        `json:"source" doc:"a folder of the back office, or the source of a file's facts without the document's own number"`
	Expected bool          `json:"expected" doc:"false for a source whose files came and are not expected"`
	Origin   string        `json:"origin,omitempty" enum:"configured,stated,learnt" doc:"whence it is known; what was learnt opens no exception"`
	Business bool          `json:"business_days" doc:"for business days of calendar alone"`
	Calendar string        `json:"calendar,omitempty"`
	Lag      int           `json:"days_after" doc:"how many days after its day a file is due"`
	By       string        `json:"by,omitempty" doc:"time of day"`
	Owner    string        `json:"owner,omitempty" doc:"who has to send it"`
	Days     []ExpectedDay `json:"days"`
}

// ExpectedDay is the file of one day.
type ExpectedDay struct {
	Date   string    `json:"date" format:"date"`
	State  string    `json:"state" enum:"not_expected,awaited,arrived,arrived_late,late,absent,refused"`
	Due    time.Time `json:"due,omitzero"`
	Came   time.Time `json:"came,omitzero"`
	Folder string    `json:"folder,omitempty"`
	File   string    `json:"file,omitempty" doc:"its id"`
}

type expectedAsked struct {
	From string `query:"from" format:"date" doc:"first day; default two weeks before to"`
	To   string `query:"to" format:"date" doc:"last day; default today"`
}

func (s *Server) getExpectedFiles(c *call, in *expectedAsked) (*ExpectedFiles, error) {
	zone := s.o.Intake.Zone
	if zone == nil {
		zone = time.UTC
	}
	to := calendar.DateIn(s.o.Now(), zone)
	if d, err := calendar.ParseDate(in.To); err == nil {
		to = d
	}
	from := to.Add(-13)
	if d, err := calendar.ParseDate(in.From); err == nil {
		from = d
	}
	if from > to || to.Add(-366) > from {
		return nil, unacceptable(invalid("query.from", fault.Say("from comes before to, by a year at most", "起始日不晚于截止日，且不超过一年")))
	}
	g, err := s.o.Intake.Grid(c.Context(), from, to)
	if err != nil {
		return nil, err
	}
	out := &ExpectedFiles{Sources: []ExpectedSource{}}
	for i := range g.Lines {
		l := &g.Lines[i]
		x := ExpectedSource{Source: shown(l.Source), Expected: l.Expected, Origin: string(l.Origin), Business: l.Business, Calendar: l.Calendar, Lag: l.Lag, Owner: l.Owner}
		if l.Expected {
			x.By = clockOf(l.By)
		}
		for _, d := range l.Cells {
			x.Days = append(x.Days, ExpectedDay{d.Day.String(), string(d.State), d.Due, d.At, d.Folder, d.ID})
		}
		out.Sources = append(out.Sources, x)
	}
	return out, nil
}

// clockOf writes minutes after midnight.
func clockOf(minutes int) string {
	return time.Date(2000, 1, 1, 0, min(minutes, 24*60-1), 0, 0, time.UTC).Format("15:04")
}

// expectationSet is when the files of a source have to come.
type expectationSet struct {
	Body struct {
		Source   string `json:"source" maxLength:"128" doc:"such as clearing/UnionPay"`
		Off      bool   `json:"off,omitempty" doc:"no file is expected"`
		Business bool   `json:"business_days,omitempty" doc:"for business days of calendar alone; else for every day"`
		Calendar string `json:"calendar,omitempty" maxLength:"32"`
		Lag      int    `json:"days_after" minimum:"0" maximum:"31"`
		By       string `json:"by" doc:"time of day, such as 10:00"`
		From     string `json:"from,omitempty" format:"date" doc:"first day; default today"`
		Zone     string `json:"timezone,omitempty" maxLength:"64" doc:"of by; default the institution's"`
	}
}

// Set is the answer to something that was set.
type Set struct {
	Source string `json:"source"`
}

func (s *Server) postExpectedFile(c *call, in *expectationSet) (*Set, error) {
	b := &in.Body
	e := intake.Expectation{Source: b.Source, Off: b.Off, Business: b.Business, Calendar: b.Calendar, Lag: b.Lag, By: -1, Zone: b.Zone}
	if t, err := time.Parse("15:04", b.By); err == nil {
		e.By = t.Hour()*60 + t.Minute()
	}
	zone := s.o.Intake.Zone
	if zone == nil {
		zone = time.UTC
	}
	e.From = calendar.DateIn(s.o.Now(), zone)
	if d, err := calendar.ParseDate(b.From); err == nil {
		e.From = d
	}
	return &Set{b.Source}, flawed(s.o.Intake.Expect(c.Context(), c.actor(), e))
}
