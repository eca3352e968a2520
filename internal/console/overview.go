package console

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// overviewPage is where all money is, and what is still to be set up.
type overviewPage struct {
	*report.Overview
	Steps []setupStep
}

// setupStep is one thing without which answers are poorer than they could be.
type setupStep struct {
	Done bool
	What string
	Hint string
	Link templ.SafeURL // where it is done; "" where not in the pages
}

// overview is where all money is.
func (c *Console) overview(v *visit) error {
	p := overviewPage{Overview: c.outlook.look(c.o.Live, v.only)}
	if v.may(access.StateCircumstances) {
		p.Steps = c.setupSteps(v)
	}
	return v.render(http.StatusOK, overviewView(v, &p))
}

// outlook keeps the overview of all merchants: with many payments it costs a look at
// each, which people who watch it do not wait for, nor have made for each of them. One
// that is made in no time is made anew for whoever asks. Another one is shown as it was
// made, with the moment it is of, while it is made anew beside; and only after longest
// is it waited for.
type outlook struct {
	mu      sync.Mutex
	made    time.Time
	cost    time.Duration
	changed <-chan struct{} // closed when it may be another
	o       *report.Overview
	making  bool // beside
}

const (
	// quickly is the cost up to which an overview is always made anew.
	quickly = 20 * time.Millisecond
	// longest is for how long one that has changed since is shown.
	longest = 10 * time.Second
)

func (k *outlook) look(live Answers, mid string) (o *report.Overview) {
	if mid != "" {
		live.Read(func(now *investigation.Current) { o = report.OverviewOf(now, mid) })
		return o
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch age := time.Since(k.made); {
	case k.o != nil && (k.still() || k.cost > quickly && age < 10*k.cost):
	case k.o != nil && k.cost > quickly && age < longest:
		if !k.making {
			k.making = true
			go func() {
				next := made(live)
				k.mu.Lock()
				defer k.mu.Unlock()
				k.keep(next)
				k.making = false
			}()
		}
	default:
		k.keep(made(live))
	}
	return k.o
}

// made makes an overview of all merchants.
func made(live Answers) *outlook {
	k := &outlook{}
	if w, ok := live.(Watched); ok {
		k.changed = w.Changed()
	}
	begun := time.Now()
	live.Read(func(now *investigation.Current) { k.o = report.OverviewOf(now, "") })
	k.made = time.Now()
	k.cost = k.made.Sub(begun)
	return k
}

// keep takes over one that was just made, unless a later one is there.
func (k *outlook) keep(next *outlook) {
	if next.made.After(k.made) {
		k.made, k.cost, k.changed, k.o = next.made, next.cost, next.changed, next.o
	}
}

// current reports whether the overview that is kept, if there is one, is that of now.
func (k *outlook) current() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.o == nil || k.changed == nil || k.still()
}

// still reports whether nothing has changed since the overview was made.
func (k *outlook) still() bool {
	if k.changed == nil {
		return false
	}
	select {
	case <-k.changed:
		return false
	default:
		return true
	}
}

// print tells one overview from another by what people would see change: not by
// the clock.
func printOf(o *report.Overview) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, int64(o.Count)) // a hash takes everything
	for i := range o.Currencies {
		c := &o.Currencies[i]
		fmt.Fprint(h, c.Code, c.Places, c.NotCharged, c.Memo)
		if c.Arrivals != nil {
			fmt.Fprint(h, c.Arrivals.Total, c.Arrivals.Count)
		}
	}
	for _, i := range o.Incidents {
		fmt.Fprint(h, i.ID, i.Count, i.Amount, i.Expected.ISO, i.Until.ISO)
	}
	return h.Sum64()
}

// setupSteps are what an installation needs before its answers rest on evidence;
// nil when all of it is there.
func (c *Console) setupSteps(v *visit) []setupStep {
	told := map[evidence.Type]bool{}
	c.o.Live.Read(func(now *investigation.Current) {
		for _, s := range now.Sources() {
			told[s.What] = true
		}
	})
	steps := []setupStep{
		{told[evidence.TerminalTransaction] || told[evidence.GatewayResponse], v.say("Payments are told", "交易已接入"),
			v.say("Terminals on the gateway bring them, files, or POST /v1/evidence.", "由终端、文件或 POST /v1/evidence 接入。"), ""},
		{told[evidence.MerchantTerms], v.say("Merchants' terms are on record", "已登记商户约定"),
			v.say("Without them cycle, cut-off and fees are assumed, and what is late rests on that.", "否则结算周期、日切和费率只能假设，是否逾期也随之不准。"), ""},
		{told[evidence.SettlementLine] || told[evidence.ClearingLine], v.say("Clearing or settlement files come in", "已接入清算或结算文件"),
			v.say("They show what the networks have taken up, and what was deducted.", "可证实转接机构已受理及扣款情况。"), ""},
		{told[evidence.BankEntry] || told[evidence.BankStatement], v.say("Bank statements come in", "已接入银行账单"),
			v.say("Nothing else proves that money has arrived.", "只有账单能证实到账。"), ""},
	}
	if people, ok := c.signedUp(); ok && v.who.Login != "" {
		n, err := people(v.Context())
		if err == nil {
			steps = append(steps, setupStep{n > 1, v.say("A second person can sign in", "已有第二位用户"),
				v.say("What moves money needs two: one proposes, another approves (daozhang users invite).", "资金操作需两人：一人提交、一人复核（daozhang users invite）。"), ""})
		}
	}
	for _, s := range steps {
		if !s.Done {
			return steps
		}
	}
	return nil
}

// signedUp counts who can sign in, up to two; false where nobody does.
func (c *Console) signedUp() (count func(context.Context) (int, error), ok bool) {
	if c.o.SignIn == nil {
		return nil, false
	}
	list, ok := c.o.SignIn.People.(interface {
		Users(ctx context.Context, f access.UserFilter, after string, limit int) ([]access.User, error)
	})
	if !ok {
		return nil, false
	}
	return func(ctx context.Context) (int, error) {
		users, err := list.Users(ctx, access.UserFilter{Standing: access.Active}, "", 2)
		return len(users), err
	}, true
}

// placeLink leads to the payments of a place.
func placeLink(p *report.PlaceLine) templ.SafeURL {
	q := url.Values{"status": {p.Status}}
	if p.Stage != "" {
		q.Set("stage", p.Stage)
	}
	return templ.SafeURL("/payments?" + q.Encode())
}

// arrivalLink leads to the payments expected on a day.
func arrivalLink(v *visit, d *report.ArrivalDay) templ.SafeURL {
	q := url.Values{"sort": {"due"}}
	v.span(q, "expected", d.Span)
	return templ.SafeURL("/payments?" + q.Encode())
}

// ageLink leads to the overdue payments of a cause and an age; the column after the
// last is that of all ages.
func ageLink(v *visit, m *report.AgeMatrix, code string, column int) templ.SafeURL {
	q := url.Values{"status": {"overdue"}, "sort": {"due"}}
	if code != "" {
		q.Set("cause", code)
	}
	if column < len(m.Ages) {
		v.span(q, "due", m.Ages[column].Span)
	}
	return templ.SafeURL("/payments?" + q.Encode())
}

// heat is the class of a cell that is as hot.
func heat(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("heat-%d", n)
}

// exportOverview gives a table of the overview as a file, named by its address as
// incidents.csv.
func (c *Console) exportOverview(v *visit) error {
	table, format, _ := strings.Cut(v.PathValue("table"), ".")
	o := c.outlook.look(c.o.Live, v.only)
	var cols []report.Column
	var rows [][]any
	switch table {
	case "places":
		cols, rows = o.PlaceTable()
	case "incidents":
		cols, rows = o.IncidentTable()
	case "late":
		cols, rows = o.AgeTable()
	case "sources":
		cols, rows = o.SourceTable()
	default:
		return errNoPage
	}
	x, err := v.export(table, format)
	if err != nil {
		return err
	}
	out, err := report.NewExport(x, format, v.lang, report.Text{EN: table, ZH: table}, cols)
	if err != nil {
		return err
	}
	for _, r := range rows {
		out.Put(r...)
	}
	x.finish(out.Close)
	return nil
}
