package console

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// casePage is one matter with all that was said and done about it.
type casePage struct {
	Amount, Cause string
	Tone          report.Tone
	Sign          string
	State         string
	Escalated     string
	Done          string // what was just done
	Facts         []fact
	Says, Check   string
	Waiting       []waitingFor
	Sides         *sides
	Candidates    *candidateList
	Parts         []partLine
	History       []said
	Files         []attached
	Attach        *act
	Groups        []actGroup
	ReadOnly      string // why nothing can be done here
	Wrong         string // what was refused and has no form here
	Notes         []string

	item *desk.Item
	held bool // its money is held
}

// actGroup are acts of one purpose.
type actGroup struct {
	Word string
	Acts []act
}

// waitingFor is a proposal that waits for its checker.
type waitingFor struct {
	Text string
	Link templ.SafeURL
}

// partLine is a share of a case that was split.
type partLine struct {
	Number, Amount, Note string
	Tone                 report.Tone
	Sign, State          string
}

// attached is a file of the case.
type attached struct {
	Name, Size, Who string
	At              report.Moment
	Link            templ.SafeURL
}

// caseOf is the case that an address names, as this reader may see it.
func (c *Console) caseOf(v *visit) (*casePage, error) {
	k, err := desk.ParseKey(v.PathValue("id"))
	if err != nil {
		return nil, errNoPage
	}
	i, err := c.o.Desk.Item(v.Context(), v.worker(), k)
	if err != nil {
		return nil, err
	}
	row := c.exceptionLines(v, []desk.Item{*i})[0]
	p := &casePage{item: i, Amount: cmp.Or(row.Amount, row.About), Cause: row.Cause, Tone: row.Tone, Sign: row.Sign, State: c.stateOf(v, i)}
	if i.Inbox == desk.Done {
		p.Tone, p.Sign = good, "✓"
	}
	if i.Case != nil && !i.Case.Escalated.IsZero() {
		p.Escalated = v.say("escalated to ", "已升级至 ") + i.Case.EscalatedTo
	}
	p.Facts = c.caseFacts(v, i, &row)
	c.whatIsKnown(v, p)
	if err := c.fillCase(v, p); err != nil {
		return nil, err
	}
	return p, nil
}

// stateOf says where a case stands.
func (c *Console) stateOf(v *visit, i *desk.Item) string {
	if s := c.progress(v, i); s != "" {
		return s
	}
	return i.Inbox.Text().In(v.lang)
}

// caseFacts are what the list has of it, and whom it concerns.
func (c *Console) caseFacts(v *visit, i *desk.Item, row *exceptionRow) []fact {
	list := []fact{{Name: v.say("About", "对象"), Text: row.Kind + " " + row.About, Link: aboutLink(i.Key)}}
	if v.only == "" {
		list = append(list, fact{Name: v.say("Merchant", "商户"), Text: row.Merchant})
	}
	if i.Party != "" {
		list = append(list, fact{Name: v.say("Who acts", "处理方"), Text: c.partyName(v, i.Party)})
	}
	list = append(list, fact{Name: v.say("Since", "发生时间"), Moment: c.moment(i.Since)})
	if !i.Promised.IsZero() {
		list = append(list, fact{Name: v.say("Promised by", "约定时间"), Moment: c.moment(i.Promised)},
			fact{Name: v.say("Past the promise", "已超过约定"), Text: desk.AgeText(i.Age).In(v.lang)})
	}
	if !i.Due.IsZero() && !i.Due.Equal(i.Promised) {
		list = append(list, fact{Name: v.say("Due", "期限"), Moment: c.moment(i.Due)})
	}
	list = append(list, fact{Name: v.say("Owner", "负责人"), Text: cmp.Or(i.Owner(), v.say("nobody", "无"))})
	if i.Incident != "" && v.only == "" {
		list = append(list, fact{Name: v.say("Incident", "事件"), Text: v.say("all that the same fault stopped", "同一故障影响的全部交易"), Link: templ.SafeURL("/payments?incident=" + url.QueryEscape(i.Incident))})
	}
	return list
}

// aboutLink leads to what an item is about; "" where that has no page of its own.
func aboutLink(k desk.Key) templ.SafeURL {
	switch k.Kind {
	case desk.OnPayment:
		return templ.SafeURL("/payments/" + url.PathEscape(k.Ref))
	case desk.OnPayout:
		return payoutLink(k.MID, k.Ref)
	}
	return ""
}

// historyOf is everything that was done, the newest first.
func (c *Console) historyOf(v *visit, events []desk.Event) []said {
	list := make([]said, 0, len(events))
	for i := range events {
		e := &events[i]
		h := said{At: c.moment(e.At), Who: e.By, What: c.eventWord(v, e), Text: e.Text, Tone: eventTone(e.What)}
		if e.What == desk.Attach { // its text is the hash of the file
			h.Text = ""
		}
		list = append(list, h)
	}
	slices.Reverse(list)
	return list
}

// eventTone sets apart what was decided and what failed from what was said.
func eventTone(a desk.Act) report.Tone {
	switch a {
	case desk.Pair, desk.Resolve, desk.Executed, desk.Approved:
		return good
	case desk.Escalate, desk.Declined, desk.Failed, desk.Reopen, desk.Unpair:
		return bad
	case desk.Comment, desk.Answer, desk.Ask, desk.Attach:
		return waitingTone
	}
	return calm
}

// eventWord says what was done in a few words.
func (c *Console) eventWord(v *visit, e *desk.Event) string {
	word := e.What.Text().In(v.lang)
	var more []string
	switch {
	case e.What == desk.Assign && e.To == "":
		return v.say("gave it back to all", "退回未分配")
	case e.To != "":
		more = append(more, "→ "+c.toWhom(v, e))
	}
	if !e.Until.IsZero() {
		more = append(more, v.say("until ", "至 ")+c.moment(e.Until).Brief)
	}
	if e.Outcome != "" {
		more = append(more, "("+e.Outcome.Text().In(v.lang)+")")
	}
	if e.Amount != 0 && e.Currency != (money.Currency{}) {
		more = append(more, report.Amount(e.Amount, e.Currency))
	}
	if e.Part != 0 {
		more = append(more, v.say("part ", "第 ")+strconv.Itoa(e.Part)+v.say("", " 部分"))
	}
	for _, w := range e.With {
		more = append(more, cmp.Or(w.Text, w.Ref))
	}
	for _, x := range e.Parts {
		more = append(more, report.Amount(x.Amount, e.Currency)+" "+x.Note)
	}
	if e.File != "" {
		more = append(more, e.File)
	}
	return strings.TrimSpace(word + " " + strings.Join(more, " · "))
}

// toWhom is a colleague for what stays in the house, a party for what is asked.
func (c *Console) toWhom(v *visit, e *desk.Event) string {
	if e.What == desk.Ask || e.What == desk.Answer {
		return c.partyName(v, e.To)
	}
	return e.To
}

// caseName is what an item is called: a payment by its number on the slip.
func (c *Console) caseName(v *visit, k desk.Key) string {
	name := k.Ref
	if k.Kind == desk.OnPayment {
		c.o.Live.Read(func(now *investigation.Current) {
			if x, ok := now.Payment(k.Ref); ok {
				name = report.RowOf(now.Around(), x).Key
			}
		})
	}
	return k.Kind.Text().In(v.lang) + " " + name
}

// whatIsKnown tells why a payment stands where it does, and holds its two sides
// against each other.
func (c *Console) whatIsKnown(v *visit, p *casePage) {
	i := p.item
	if i.Key.Kind != desk.OnPayment {
		if len(i.Exceptions) > 0 {
			p.Says = i.Exceptions[0].Detail
		}
		return
	}
	c.o.Live.Read(func(now *investigation.Current) {
		x, ok := now.Payment(i.Key.Ref)
		if !ok {
			return
		}
		a := now.Around()
		t := report.TrailOf(a, x)
		p.Says, p.Check = strings.TrimSpace(v.text(t.Where.Text)+" "+v.text(t.Why.Text)), v.text(t.Check)
		p.Sides = paymentSides(v, a, x, inClearing(i))
		p.held = x.Status == journey.Held
	})
	for _, x := range i.Exceptions {
		p.Notes = append(p.Notes, x.Detail)
	}
}

// fillCase adds what people made of it and what this reader can do.
func (c *Console) fillCase(v *visit, p *casePage) error {
	d, k := c.o.Desk, p.item.Key
	events, err := d.History(v.Context(), v.worker(), k)
	if err != nil {
		return err
	}
	files, err := d.Files(v.Context(), v.worker(), k)
	if err != nil {
		return err
	}
	p.History = c.historyOf(v, events)
	for _, f := range files {
		p.Files = append(p.Files, attached{Name: f.Name, Size: sizeOf(f.Size), Who: f.By, At: c.moment(f.At), Link: caseLink(k) + templ.SafeURL("/files/"+url.PathEscape(f.Hash))})
	}
	f := forms{c: c, v: v, i: p.item, version: versionOf(p.item)}
	offered := c.offered(v, p)
	p.Groups = f.groups(slices.DeleteFunc(slices.Clone(offered), func(a desk.Act) bool { return a == desk.Attach }))
	if slices.Contains(offered, desk.Attach) {
		p.Attach = &act{Name: string(desk.Attach), Action: caseLink(k) + "/files", Help: v.say("A slip, a letter, a page of a statement; at most ", "小票、函件或账单页；最大 ") + sizeOf(int64(d.Policy.FileMost)) + v.say(". Card numbers in texts are hidden.", "。文本中的卡号会被隐藏。")}
	}
	if len(offered) == 0 {
		p.ReadOnly = v.say("You may read this; staff of the institution work on it.", "您可查看；由机构人员处理。")
	}
	if x := p.item.Case; x != nil {
		for _, id := range x.Proposals {
			w := waitingFor{Text: v.say("A proposal of this case waits for a second person.", "本案件有提交待第二人复核。")}
			if v.may(access.ReadApprovals) {
				w.Link = approvalLink(k.MID + "." + id)
			}
			p.Waiting = append(p.Waiting, w)
		}
		for _, x := range x.Parts {
			line := partLine{Number: strconv.Itoa(x.Number), Amount: report.Amount(x.Amount, p.item.Currency), Note: x.Note, Tone: waitingTone, Sign: "→", State: v.say("open", "待处理")}
			if x.Outcome != "" {
				line.Tone, line.Sign, line.State = good, "✓", x.Outcome.Text().In(v.lang)
			}
			p.Parts = append(p.Parts, line)
		}
	}
	if v.only == "" {
		return c.fillCandidates(v, p, slices.Contains(offered, desk.Pair))
	}
	return nil
}

// versionOf is the version of the row that the reader looks at, as forms carry it.
func versionOf(i *desk.Item) string {
	if i.Case == nil {
		return "0"
	}
	return strconv.FormatUint(uint64(i.Case.Version), 10)
}

// offered are the acts that make sense for this reader as the case stands. What is
// not offered the desk refuses, too.
func (c *Console) offered(v *visit, p *casePage) (list []desk.Act) {
	i, x := p.item, p.item.Case
	if !v.may(access.WorkOnExceptions) {
		return nil
	}
	if x == nil {
		x = &desk.Case{State: desk.Open}
	}
	state := x.StateAt(c.o.Now())
	if v.only != "" {
		if state == desk.Awaiting && x.AwaitedFrom == "merchant" {
			list = append(list, desk.Answer)
		}
		return append(list, desk.Comment, desk.Attach)
	}
	if state == desk.Resolved && !i.Again {
		return []desk.Act{desk.Comment, desk.Attach, desk.Reopen}
	}
	_, writable := desk.Writable(i)
	has := map[desk.Act]bool{
		desk.Assign: true, desk.Comment: true, desk.Attach: true, desk.SetDue: true, desk.Escalate: true, desk.Pair: true, desk.Resolve: true,
		desk.Snooze: state != desk.Asleep, desk.Wake: state == desk.Asleep, desk.Ask: state != desk.Awaiting, desk.Answer: state == desk.Awaiting,
		desk.Declare: i.Key.Kind == desk.OnPayment && x.Declared == "", desk.Unpair: len(x.Matches) > 0,
		desk.Split:    i.Amount > 1 && len(x.Matches)+len(x.Proposals) == 0 && len(x.Parts) == 0,
		desk.WriteOff: writable, desk.Adjust: i.Key.MID != settlement.House && i.Amount > 0, desk.Hold: i.Key.MID != settlement.House && i.Amount > 0,
		desk.Resend: i.Payout != "", desk.LetGo: p.held && c.o.Desk.Release != nil,
	}
	for _, a := range append([]desk.Act{desk.Attach}, desk.Acts...) {
		if has[a] {
			list = append(list, a)
		}
	}
	if state == desk.Awaiting { // what is waited for comes first
		list = append([]desk.Act{desk.Answer}, slices.DeleteFunc(list, func(a desk.Act) bool { return a == desk.Answer })...)
	}
	return list
}

// sizeOf writes a number of bytes.
func sizeOf(n int64) string {
	switch {
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatInt((n+1<<10-1)>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " B"
}

// doneWords say what was just done, by the name of the act.
func (c *Console) doneWord(v *visit, a desk.Act) string {
	if slices.Contains(moneyActs, a) {
		return v.say("Proposed. Nothing is booked until a second person agrees.", "已提交复核。第二人同意前不会记账。")
	}
	if slices.Contains(desk.Acts, a) || a == desk.Attach {
		return v.say("Done: ", "已完成：") + a.Text().In(v.lang)
	}
	return ""
}

// showCase is the page of one case.
func (c *Console) showCase(v *visit) error {
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	p.Done = c.doneWord(v, desk.Act(v.URL.Query().Get("done")))
	return v.render(http.StatusOK, caseView(v, p))
}

// actOn gives the handler that does one thing to a case.
func (c *Console) actOn(a desk.Act) func(*visit) error {
	return func(v *visit) error {
		v.Body = http.MaxBytesReader(v.w, v.Body, mostForm)
		p, err := c.caseOf(v)
		if err != nil {
			return err
		}
		cmd, err := c.commandOf(v, a, p.item)
		if err == nil {
			_, err = c.o.Desk.Do(v.Context(), v.worker(), p.item.Key, cmd)
		}
		if err == nil {
			return v.done(caseLink(p.item.Key), string(a))
		}
		status, ok := refused(err)
		if !ok {
			return err
		}
		wrong := v.told(err)
		if p.Candidates != nil && a == desk.Pair {
			p.Candidates.Wrong, p.Candidates.Reason = wrong, v.PostFormValue("reason")
			p.Candidates.Chosen = v.PostForm["candidate"]
		} else if x := p.act(string(a)); x != nil {
			x.refuse(v.PostFormValue, wrong)
		} else {
			p.Wrong = wrong
		}
		return v.render(status, caseView(v, p))
	}
}

// act finds one of the page's acts by its name; nil where it is not offered.
func (p *casePage) act(name string) *act {
	for i := range p.Groups {
		for j := range p.Groups[i].Acts {
			if p.Groups[i].Acts[j].Name == name {
				return &p.Groups[i].Acts[j]
			}
		}
	}
	return nil
}

// done leads back to a page after something was changed on it.
func (v *visit) done(page templ.SafeURL, what string) error {
	http.Redirect(v.w, v.Request, string(page)+"?"+url.Values{"done": {what}}.Encode(), http.StatusSeeOther)
	return nil
}

// attach takes a file of a form.
func (c *Console) attach(v *visit) error {
	most := int64(c.o.Desk.Policy.FileMost)
	v.Body = http.MaxBytesReader(v.w, v.Body, most+mostForm)
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	name, content, err := fileOf(v, most)
	if err == nil {
		_, err = c.o.Desk.Attach(v.Context(), v.worker(), p.item.Key, name, content)
	}
	if err == nil {
		return v.done(caseLink(p.item.Key), string(desk.Attach))
	}
	status, ok := refused(err)
	if !ok {
		return err
	}
	if p.Attach != nil {
		p.Attach.Wrong = v.told(err)
	} else {
		p.Wrong = v.told(err)
	}
	return v.render(status, caseView(v, p))
}

// fileOf reads the file of a form.
func fileOf(v *visit, most int64) (name string, content []byte, err error) {
	tooLarge := badEntry(fault.Say("the file is too large", "文件过大"), fault.Say("at most %s", "最大 %s", sizeOf(most)))
	part, head, err := v.FormFile("file")
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return "", nil, tooLarge
		}
		return "", nil, badEntry(fault.Say("no file was chosen", "未选择文件"), fault.Say("choose one", "请选择文件"))
	}
	defer part.Close()
	if content, err = io.ReadAll(io.LimitReader(part, most+1)); err != nil {
		return "", nil, err
	}
	if int64(len(content)) > most {
		return "", nil, tooLarge
	}
	return head.Filename, content, nil
}

// caseFile sends a file of a case, to be kept and not to be shown: what somebody
// attached is no page of ours.
func (c *Console) caseFile(v *visit) error {
	p, err := c.caseOf(v)
	if err != nil {
		return err
	}
	link := caseLink(p.item.Key) + templ.SafeURL("/files/"+url.PathEscape(v.PathValue("hash")))
	if !slices.ContainsFunc(p.Files, func(f attached) bool { return f.Link == link }) {
		return errNoPage
	}
	f, err := c.o.Desk.File(v.Context(), v.worker(), p.item.Key, v.PathValue("hash"))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	_, err = v.w.Write(f.Content)
	return err
}
