package console

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/intake"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// uploadWithin is how long a slow line may take for one file.
const uploadWithin = 10 * time.Minute

// gridDays is for how many days the grid of expected files is shown.
const gridDays = 14

// filesPage is the grid, the upload form, and the files that came.
type filesPage struct {
	Grid    *intake.Grid
	Folders []string
	Form    uploadForm
	Files   []intake.File
	Next    templ.SafeURL
	Late    int // cells that somebody has to look after
}

// uploadForm is what was entered beside a file.
type uploadForm struct {
	To, MID, Currency string
	Wrong, Hint       string
}

// intakeRoutes are the pages over what people bring.
func (c *Console) intakeRoutes() []route {
	if c.o.Intake == nil {
		return nil
	}
	return slices.Concat(c.fileRoutes(), c.circumstanceRoutes(), c.termsRoutes(), c.merchantRoutes())
}

// fileRoutes are the pages of files.
func (c *Console) fileRoutes() []route {
	return []route{
		{"GET", "/files", access.ReadFiles, c.files},
		{"POST", "/files", access.BringFiles, c.bring},
		{"GET", "/files/expected", access.ReadFiles, c.expected},
		{"POST", "/files/expected", access.StateCircumstances, c.expect},
		{"GET", "/files/{id}", access.ReadFiles, c.file},
		{"GET", "/files/in/{kind}/{party}/{hash}", access.ReadFiles, c.filing},
	}
}

// today is the institution's date.
func (v *visit) today() calendar.Date { return calendar.DateIn(v.console.o.Now(), v.console.o.Zone) }

// both picks the reader's language.
func (v *visit) both(t fault.Text) string { return t.In(v.lang) }

// files is the list of files with the grid and the form.
func (c *Console) files(v *visit) error {
	return c.showFiles(v, http.StatusOK, uploadForm{})
}

func (c *Console) showFiles(v *visit, status int, form uploadForm) error {
	i := c.o.Intake
	p := filesPage{Form: form}
	var err error
	to := v.today()
	if p.Grid, err = i.Grid(v.Context(), to.Add(1-gridDays), to); err != nil {
		return err
	}
	for _, line := range p.Grid.Lines {
		for _, cell := range line.Cells {
			if cell.State.Missing() {
				p.Late++
			}
		}
	}
	if i.Office != nil {
		for name := range i.Office.Boxes() {
			p.Folders = append(p.Folders, name)
		}
		slices.Sort(p.Folders)
	}
	files, next, err := i.Keeper.Files(v.Context(), intake.Mark(v.URL.Query().Get("after")), pageSize)
	if err != nil {
		return err
	}
	p.Files = files
	if next != "" {
		p.Next = templ.SafeURL("/files?" + url.Values{"after": {string(next)}}.Encode())
	}
	if v.Header.Get("HX-Request") == "true" && v.URL.Query().Has("after") {
		return v.render(http.StatusOK, fileRows(v, p.Files, p.Next))
	}
	return v.render(status, fileListView(v, &p))
}

// bring takes a file that a person sends. It is read part by part and never put on a
// disk before it has been read.
func (c *Console) bring(v *visit) error {
	control := http.NewResponseController(v.w)
	_ = control.SetReadDeadline(time.Now().Add(uploadWithin)) // a test's recorder has none
	_ = control.SetWriteDeadline(time.Now().Add(uploadWithin))
	v.Body = http.MaxBytesReader(v.w, v.Body, c.o.Intake.Most()+1<<20)
	parts, err := v.MultipartReader()
	if err != nil {
		return c.showFiles(v, http.StatusBadRequest, uploadForm{Wrong: v.say("No file was sent.", "没有收到文件。"), Hint: v.say("Choose one and send it again.", "请选择文件后重新上传。")})
	}
	var form uploadForm
	u := intake.Upload{By: v.actor(), Via: intake.Console}
	for {
		part, err := parts.NextPart()
		if err != nil {
			form.Wrong, form.Hint = v.say("No file was sent.", "没有收到文件。"), v.say("Choose one and send it again.", "请选择文件后重新上传。")
			return c.showFiles(v, http.StatusBadRequest, form)
		}
		if part.FormName() == "file" {
			// Names of other machines' files; only the last part is looked at.
			_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			u.Name, u.Content = params["filename"], part
			break
		}
		value, err := io.ReadAll(io.LimitReader(part, 1024))
		if err != nil {
			return fault.New(fault.Usage, fault.Say("read form", "读取表单"), "", err, fault.Text{})
		}
		form.take(&u, part.FormName(), strings.TrimSpace(string(value)))
	}
	if u.Name == "" {
		form.Wrong, form.Hint = v.say("No file was chosen.", "没有选择文件。"), v.say("Choose one and send it again.", "请选择文件后重新上传。")
		return c.showFiles(v, http.StatusBadRequest, form)
	}
	f, err := c.o.Intake.Bring(v.Context(), u)
	switch {
	case err != nil && (fault.KindOf(err) == fault.Usage || fault.KindOf(err) == fault.Conflict):
		form.Wrong, form.Hint = messageOf(err, v.lang)
		return c.showFiles(v, http.StatusBadRequest, form)
	case err != nil:
		return err
	case f.Dry:
		return v.render(http.StatusOK, fileView(v, &filePage{File: f, Form: form}))
	}
	to := url.URL{Path: "/files/" + f.ID}
	if f.State == intake.Unchanged {
		to.RawQuery = url.Values{"again": {f.Name}}.Encode()
	}
	http.Redirect(v.w, v.Request, to.String(), http.StatusSeeOther)
	return nil
}

// take takes one field of the form.
func (f *uploadForm) take(u *intake.Upload, name, value string) {
	switch name {
	case "to":
		f.To, u.To = value, value
	case "mid":
		f.MID, u.Hints.MID = value, value
	case "currency":
		f.Currency = value
		if c, err := money.ParseCurrency(value); err == nil {
			u.Hints.Currency = c
		}
	case "dry":
		u.Dry = value != ""
	}
}

// filePage is one file.
type filePage struct {
	intake.File
	Form uploadForm
	// Again is the name under which it came another time just now.
	Again string
	// Booked is what became of it in the back office.
	Booked *intake.File
}

// file shows one file of a person's.
func (c *Console) file(v *visit) error {
	f, err := c.o.Intake.Keeper.File(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	p := filePage{File: f, Again: v.URL.Query().Get("again")}
	if f.SentTo != "" {
		filing, err := c.o.Intake.Keeper.Filing(v.Context(), f.SentTo, f.Hash)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		if err == nil {
			booked := intake.FromFiling(&filing)
			p.Booked = &booked
		}
	}
	return v.render(http.StatusOK, fileView(v, &p))
}

// filing shows one file of a folder.
func (c *Console) filing(v *visit) error {
	filing, err := c.o.Intake.Keeper.Filing(v.Context(), v.PathValue("kind")+"/"+v.PathValue("party"), v.PathValue("hash"))
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, fileView(v, &filePage{File: intake.FromFiling(&filing)}))
}

// fileLink leads to a file.
func fileLink(folder, id string) templ.SafeURL {
	if folder == "" {
		return templ.SafeURL("/files/" + url.PathEscape(id))
	}
	kind, party, _ := strings.Cut(folder, "/")
	return templ.SafeURL("/files/in/" + url.PathEscape(kind) + "/" + url.PathEscape(party) + "/" + url.PathEscape(id))
}

// stateMark is a state as sign and tone.
type stateMark struct{ Tone, Sign, Word string }

func (v *visit) fileMark(s intake.State) stateMark {
	m := stateMark{"calm", "·", v.both(s.Word())}
	switch s {
	case intake.Taken:
		m.Tone, m.Sign = "good", "✓"
	case intake.Handed, intake.Waiting:
		m.Tone, m.Sign = "wait", "→"
	case intake.Partly:
		m.Tone, m.Sign = "bad", "!"
	case intake.Refused:
		m.Tone, m.Sign = "bad", "✕"
	case intake.Unchanged, intake.Outdated:
		m.Sign = "="
	}
	return m
}

func (v *visit) cellMark(s intake.CellState) stateMark {
	m := stateMark{"off", "–", v.both(s.Word())}
	switch s {
	case intake.Arrived:
		m.Tone, m.Sign = "good", "✓"
	case intake.ArrivedLate:
		m.Tone, m.Sign = "good", "✓"
	case intake.Awaited:
		m.Tone, m.Sign = "wait", "…"
	case intake.Late, intake.Absent:
		m.Tone, m.Sign = "bad", "!"
	case intake.Spoilt:
		m.Tone, m.Sign = "bad", "✕"
	}
	return m
}

// cellTitle says all about a cell.
func (v *visit) cellTitle(c *intake.Cell) string {
	s := c.Day.String() + ": " + v.both(c.State.Word())
	if !c.At.IsZero() {
		s += v.say(", came ", "，到达 ") + v.moment(c.At).Brief
	}
	if !c.Due.IsZero() {
		s += v.say(", due ", "，时限 ") + v.moment(c.Due).Brief
	}
	return s
}

// expectation says when a source is expected.
func (v *visit) expectation(e *intake.Expectation) string {
	if e.Off {
		return v.say("not expected", "不要求到达")
	}
	when := v.say("every day", "每天")
	if e.Business {
		when = v.say("business days "+e.Calendar, e.Calendar+" 工作日")
	}
	if e.OnTrade {
		when = v.say("every day with sales", "有交易之日")
	}
	by := clock(e.By)
	switch e.Lag {
	case 0:
		when += v.say(", by "+by+" that day", "，当日 "+by+" 前")
	case 1:
		when += v.say(", by "+by+" the day after", "，次日 "+by+" 前")
	default:
		when += v.say(", by "+by+", "+strconv.Itoa(e.Lag)+" days after", "，"+strconv.Itoa(e.Lag)+" 天后 "+by+" 前")
	}
	switch e.Origin {
	case intake.Learnt:
		when += v.say(" (learnt)", "（推断）")
	case intake.Stated:
		when += v.say(" (set by "+e.SetBy+")", "（"+e.SetBy+" 设置）")
	}
	return when
}

// clock writes minutes after midnight.
func clock(minutes int) string {
	two := func(n int) string { return strconv.Itoa(n/10) + strconv.Itoa(n%10) }
	return two(minutes/60) + ":" + two(minutes%60)
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt((n+1<<9)>>10, 10) + " KiB"
	}
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64), ".0") + " MiB"
}

// days writes the days of a stream in short.
func days(list []calendar.Date) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].String()
	}
	return list[0].String() + " – " + list[len(list)-1].String()
}

// trailerText is a declared total and what the rows come to.
func trailerText(count, sum int64, counted bool, c money.Currency) string {
	s := report.Amount(sum, c)
	if counted {
		s = strconv.FormatInt(count, 10) + " · " + s
	}
	return s
}

// formatTitle is what a file was read as, for people.
func (v *visit) formatTitle(f *intake.File) string {
	if t := v.both(f.Title); t != "" && t != f.Format {
		return t
	}
	return f.Format
}

// expectPage is the form in which a person sets when files of a source come.
type expectPage struct {
	Lines  []intake.Line
	Form   expectForm
	Flaws  map[string]string
	Source string
}

// expectForm is what was entered.
type expectForm struct {
	Source, Days, Calendar, Lag, By string
}

// expected lists the expectations, with a form for the one of an address.
func (c *Console) expected(v *visit) error {
	p := expectPage{Source: v.URL.Query().Get("source")}
	p.Form = expectForm{Source: p.Source, Days: "business", Calendar: "CN", Lag: "1", By: "10:00"}
	return c.showExpected(v, http.StatusOK, &p, true)
}

func (c *Console) showExpected(v *visit, status int, p *expectPage, fill bool) error {
	g, err := c.o.Intake.Grid(v.Context(), v.today().Add(1-gridDays), v.today())
	if err != nil {
		return err
	}
	p.Lines = g.Lines
	for n := range p.Lines {
		if e := &p.Lines[n].Expectation; fill && e.Source == p.Source && (e.Origin != "" || !e.Off) {
			p.Form = expectForm{Source: e.Source, Days: "every", Calendar: e.Calendar, Lag: strconv.Itoa(e.Lag), By: clock(e.By)}
			if e.Business {
				p.Form.Days = "business"
			}
			if e.Off {
				p.Form.Days = "none"
			}
		}
	}
	return v.render(status, expectView(v, p))
}

// expect sets an expectation.
func (c *Console) expect(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	p := expectPage{Source: v.PostFormValue("source")}
	f := expectForm{Source: strings.TrimSpace(p.Source), Days: v.PostFormValue("days"), Calendar: v.PostFormValue("calendar"), Lag: v.PostFormValue("lag"), By: v.PostFormValue("by")}
	p.Form = f
	e := intake.Expectation{Source: f.Source, Business: f.Days == "business", Calendar: f.Calendar, Off: f.Days == "none", From: v.today(), Lag: -1, By: -1}
	if n, err := strconv.Atoi(f.Lag); err == nil {
		e.Lag = n
	}
	if t, err := time.Parse("15:04", f.By); err == nil {
		e.By = t.Hour()*60 + t.Minute()
	}
	err := c.o.Intake.Expect(v.Context(), v.actor(), e)
	if p.Flaws = v.flaws(err); p.Flaws != nil {
		return c.showExpected(v, http.StatusBadRequest, &p, false)
	}
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/files/expected", http.StatusSeeOther)
	return nil
}

// flaws are what is wrong with an entry by field, in the reader's language; nil where
// an error is of another kind, or there is none.
func (v *visit) flaws(err error) map[string]string {
	list, ok := errors.AsType[intake.Flaws](err)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, f := range list {
		out[f.Field] = v.both(f.Why)
	}
	return out
}

// formatNames are what files can be read as, for the form's note.
func formatNames(v *visit, all []format.Format) string {
	var names []string
	for i := range all {
		if t := v.both(all[i].Title); t != "" {
			names = append(names, t)
		}
	}
	return strings.Join(names, v.say(", ", "、"))
}

// invalid marks a field that is wrong, for those who do not see its colour.
func invalid(flaws map[string]string, field string) templ.Attributes {
	if flaws[field] == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true"}
}

// expectLink leads to the form of a source.
func expectLink(source string) templ.SafeURL {
	return templ.SafeURL("/files/expected?" + url.Values{"source": {source}}.Encode() + "#set")
}

// calendarChoices are the calendars that are built in.
func calendarChoices(v *visit) []choice {
	return []choice{{"CN", v.say("China (CN)", "中国（CN）")}, {"TARGET2", v.say("Euro area (TARGET2)", "欧元区（TARGET2）")}, {"US", v.say("United States (US)", "美国（US）")},
		{"GB", v.say("England and Wales (GB)", "英格兰和威尔士（GB）")}, {"WEEKEND", v.say("weekends off (WEEKEND)", "仅周末休息（WEEKEND）")}}
}
