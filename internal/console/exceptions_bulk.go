package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/report"
)

// bulkForm does one thing to many rows.
type bulkForm struct {
	Filter    string // the query of the list, for all that match
	Seen      int    // how many match
	Scope     string
	Scopes    []choice
	Do        string
	Acts      []choice
	To, Until string
	Outcome   string
	Outcomes  []choice
	Remark    string
	Wrong     string
	Chosen    []string // rows that were ticked
}

// bulkReport is what became of each row.
type bulkReport struct {
	Head, Remark             string
	Done, Ineligible, Failed int
	Lines                    []bulkLine
}

type bulkLine struct {
	About, Word, Why string
	Link             templ.SafeURL
	Tone             report.Tone
	Sign             string
}

// mostBulkForm bounds the form in bytes: each row that is shown has a name in it.
const mostBulkForm = 4 << 20

// What a bulk action is done to.
const (
	onTicked = "ticked"
	onPage   = "page"
	onAll    = "all"
)

// bulkActs are what can be done to many at once, in the order in which it is offered.
var bulkActs = []desk.Act{desk.Assign, desk.Comment, desk.Snooze, desk.Wake, desk.SetDue, desk.Escalate, desk.Resolve}

// newBulkForm offers what can be done to many at once.
func newBulkForm(v *visit, q url.Values, page *desk.Page) *bulkForm {
	b := &bulkForm{Filter: with(q, "after", "").Encode(), Seen: page.Count, Scope: onTicked, Do: string(desk.Assign), To: v.actor().Name}
	b.Scopes = []choice{
		{onTicked, v.say("the ticked rows", "勾选的行")},
		{onPage, v.say("this page: every row shown", "本页：已显示的全部行")},
		{onAll, v.say("all that match: ", "全部符合条件的：") + strconv.Itoa(page.Count)},
	}
	for _, a := range bulkActs {
		b.Acts = append(b.Acts, choice{string(a), capital(a.Text().In(v.lang))})
	}
	for _, o := range desk.Outcomes {
		b.Outcomes = append(b.Outcomes, choice{string(o), o.Text().In(v.lang)})
	}
	return b
}

// bulk does one thing to many items and tells what became of each.
func (c *Console) bulk(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, mostBulkForm)
	q, err := url.ParseQuery(v.PostFormValue("filter"))
	if err != nil {
		return badFilter("filter", "")
	}
	f, err := exceptionFilter(q)
	if err != nil {
		return err
	}
	r, err := c.doBulk(v, f)
	if err == nil {
		id := c.reports.keep(v.actor().Name, r)
		http.Redirect(v.w, v.Request, string(exceptionsLink(with(q, "after", "")))+reportMark(q)+url.QueryEscape(id)+"#report", http.StatusSeeOther)
		return nil
	}
	status, ok := refused(err)
	if !ok {
		return err
	}
	p, err2 := c.exceptionList(v, q)
	if err2 != nil {
		return err2
	}
	if p.Bulk != nil {
		p.Bulk.Wrong = v.told(err)
		p.Bulk.Scope, p.Bulk.Do, p.Bulk.To, p.Bulk.Until = v.PostFormValue("scope"), v.PostFormValue("do"), v.PostFormValue("to"), v.PostFormValue("until")
		p.Bulk.Remark, p.Bulk.Outcome, p.Bulk.Chosen = v.PostFormValue("remark"), v.PostFormValue("outcome"), v.PostForm["item"]
	}
	return v.render(status, exceptionsView(v, p))
}

// reportMark continues a query with the name of a report.
func reportMark(q url.Values) string {
	if with(q, "after", "").Encode() == "" {
		return "?report="
	}
	return "&report="
}

// doBulk reads the form and has it done.
func (c *Console) doBulk(v *visit, f desk.Filter) (*bulkReport, error) {
	do := desk.Act(v.PostFormValue("do"))
	if !slices.Contains(bulkActs, do) {
		return nil, badEntry(fault.Say("choose what is to be done", "请选择操作"), fault.Say("one of the list", "请从列表中选择"))
	}
	cmd := desk.Command{Do: do, Version: desk.AnyVersion, Text: strings.TrimSpace(v.PostFormValue("remark"))}
	if cmd.Text == "" {
		return nil, badEntry(fault.Say("a remark is required", "必须填写备注"), fault.Say("it stands in the history of each", "备注会写入每个案件的记录"))
	}
	switch do {
	case desk.Assign, desk.Escalate:
		cmd.To = strings.TrimSpace(v.PostFormValue("to"))
	case desk.Resolve:
		cmd.Outcome = desk.Outcome(v.PostFormValue("outcome"))
	case desk.Snooze, desk.SetDue:
		until, err := c.dateOf(v.PostFormValue("until"))
		if err != nil {
			return nil, badEntry(fault.Say("until when?", "到何时？"), fault.Say("write a date", "请填写日期"))
		}
		cmd.Until = until
	}
	names, scope := []string(nil), v.PostFormValue("scope")
	switch scope {
	case onTicked:
		names = v.PostForm["item"]
	case onPage:
		names = v.PostForm["page"]
	}
	if scope != onAll && len(names) == 0 {
		return nil, badEntry(fault.Say("no row is ticked", "未勾选任何行"), fault.Say("tick some, or choose the page or all that match", "请勾选，或选择本页、全部"))
	}
	b := desk.Bulk{Filter: f, Command: cmd}
	// What was seen bounds what is done: more may have come up since.
	b.Expect, _ = strconv.Atoi(v.PostFormValue("seen"))
	for _, s := range names {
		k, err := desk.ParseKey(s)
		if err != nil {
			return nil, err
		}
		b.Keys = append(b.Keys, k)
	}
	done, err := c.o.Desk.Bulk(v.Context(), v.worker(), b)
	if err != nil {
		return nil, err
	}
	return c.bulkReportOf(v, done, cmd), nil
}

// reports keeps what bulk actions led to until their page has been looked at: each
// for who did it, the latest few alone. What happened stands in the cases' histories.
type reports struct {
	mu   sync.Mutex
	kept []keptReport
}

type keptReport struct {
	id, who string
	*bulkReport
}

const mostReports = 100

func (r *reports) keep(who string, b *bulkReport) (id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id = uuid.Must(uuid.NewV7()).String()
	r.kept = append(r.kept, keptReport{id, who, b})
	if len(r.kept) > mostReports {
		r.kept = slices.Delete(r.kept, 0, 1)
	}
	return id
}

// of gives somebody's report; nil where it is not kept any more.
func (r *reports) of(who, id string) *bulkReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kept {
		if k.id == id && k.who == who {
			return k.bulkReport
		}
	}
	return nil
}

// bulkReportOf tells what became of each. What was done needs no line of its own.
func (c *Console) bulkReportOf(v *visit, r *desk.BulkResult, cmd desk.Command) *bulkReport {
	out := &bulkReport{Head: capital(cmd.Do.Text().In(v.lang)), Remark: cmd.Text, Done: len(r.Done), Ineligible: len(r.Ineligible), Failed: len(r.Failed)}
	for _, x := range r.Failed {
		out.Lines = append(out.Lines, c.bulkLineOf(v, x, bad, "×", v.say("failed", "失败")))
	}
	for _, x := range r.Ineligible {
		out.Lines = append(out.Lines, c.bulkLineOf(v, x, calm, "–", v.say("not eligible", "不适用")))
	}
	return out
}

func (c *Console) bulkLineOf(v *visit, x desk.Refusal, tone report.Tone, sign, word string) bulkLine {
	why := v.say("Something went wrong here.", "这里出错了。")
	if _, ok := refused(x.Why); ok || fault.KindOf(x.Why) == fault.NotFound {
		why = v.told(x.Why)
	} else {
		c.o.Log.Error("bulk action failed", "item", x.Key.String(), "error", x.Why)
	}
	return bulkLine{About: x.Key.Ref, Link: caseLink(x.Key), Tone: tone, Sign: sign, Word: word, Why: why}
}
