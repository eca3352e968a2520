package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
)

// What a page holds at most; everything stands in the CSV and the workbook.
const (
	pageNeeds    = 500
	pageWay      = 100
	pageDone     = 100
	pageProblems = 50
	pageDays     = 400
	pageIncident = 500
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"t": bilingual, "css": func() template.CSS { return template.CSS(pageCSS) }, "tx": tx, "grouped": grouped,
}).Parse(pageHTML))

// HTML writes one self-contained page that needs neither script nor network:
// the headline, the money map as a picture, the places, incidents, the payments
// that need someone, each payment's trail, and the inputs. Both languages are
// in it; o.Lang is shown first. Of very many payments the page holds the trails
// that need someone and the newest others, and says so.
func HTML(w io.Writer, a *investigation.Answer, o Options) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if err := pageTemplate.Execute(out, pageOf(a, o)); err != nil {
		return err
	}
	return out.Flush()
}

// bilingual writes a text in both languages, of which the page shows one.
func bilingual(t Text) template.HTML {
	en, zh := template.HTMLEscapeString(plain(t.EN)), template.HTMLEscapeString(plain(t.ZH))
	if en == zh {
		return template.HTML(en)
	}
	return template.HTML(`<span lang="en">` + en + `</span><span lang="zh">` + zh + `</span>`)
}

type page struct {
	Lang       string
	Lead       Text
	Empty      *Text
	Currencies []pageCurrency
	Needs      []pageNeed
	NeedsCount int
	NeedsRest  int
	Incidents  block
	Accounts   block
	Days       block
	Problems   block
	Terms      block
	Sources    block
	Groups     []pageGroup
	Advice     []pageAdvice
	Legend     []pageLegend
}

type pageCurrency struct {
	Name     string
	ID       string
	Headline Text
	Wide     template.HTML
	Narrow   template.HTML
	Money    block
}

// pageNeed is a payment on the list of those that need someone.
type pageNeed struct {
	Anchor     string
	Time       template.HTML
	Key        string
	Amount     string
	Late       Text
	Sign, Tone string
	Where      Text
	Why        Text
	Who        Text
	When       template.HTML
}

type pageGroup struct {
	Title Text
	Note  Text
	List  []pageTrail
	Open  bool
}

// pageTrail is a payment's trail as the page shows it.
type pageTrail struct {
	pageNeed
	Kind      Text
	Status    Text
	Keys      []Text
	Second    Text
	Sentences []pageSentence
	Missed    Text
	Legs      []pageLeg
	Sums      []pageSum
	SumNotes  []Text
	Check     Text
	Others    []OtherCause
	Evidence  []EvidenceLine
	Unlisted  int
	Advice    string // anchor; "" for none
	CopyEN    string
	CopyZH    string
}

type pageSentence struct {
	Name   Text
	Text   Text
	Proof  Text
	Proved bool
}

type pageLeg struct {
	Leg        Text
	State      Text
	Sign, Tone string
	Promised   template.HTML
	Actual     template.HTML
	Amount     string
	Difference string
	Witness    string
	Place      string
	Note       Text
}

type pageSum struct {
	What   Text
	Figure string
	Total  bool
}

// pageAdvice is what to do about one cause.
type pageAdvice struct {
	Anchor string
	Title  Text
	Code   string
	Why    Text
	Check  Text
	Roles  []role
	Count  int
}

type pageLegend struct {
	Sign, Tone string
	Word       Text
	Meaning    Text
}

// Class names the tone for style sheets.
func (t Tone) Class() string {
	return [...]string{calm: "calm", good: "good", waiting: "wait", bad: "bad"}[t]
}

// Percent gives the confidence for the page.
func (o OtherCause) Percent() string { return percent(o.Confidence) }

// timeTag writes a moment in the merchant's zone, in UTC on hover.
func timeTag(p *investigation.Payment, at evidence.Instant) template.HTML {
	if at == 0 {
		return ""
	}
	return momentTag(at, p.AsOf, zone(p, at))
}

func momentTag(at, now evidence.Instant, offset int16) template.HTML {
	if at == 0 {
		return ""
	}
	m := momentIn(at, now, offset)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, m.ISO, m.UTC, m.Brief))
}

func pageOf(a *investigation.Answer, o Options) *page {
	d := digestOf(a, limits{needs: pageNeeds, way: pageWay, done: pageDone})
	p := &page{Lang: "en", Lead: lead(d), NeedsCount: d.needs.count, NeedsRest: d.needs.rest()}
	if o.Lang == "zh" {
		p.Lang = "zh"
	}
	if d.count == 0 {
		t := emptyAnswer(d)
		p.Empty = &t
	}
	for _, s := range d.currencies {
		if d.count == 0 {
			break
		}
		c := pageCurrency{Name: currencyName(s), ID: currencyID(s), Headline: headline(s), Wide: flow(s, wideCanvas, nil), Narrow: flow(s, narrowCanvas, nil), Money: moneyBlock(d, s)}
		p.Currencies = append(p.Currencies, c)
	}
	p.Incidents = capped(incidentBlock(d, false), pageIncident)
	p.Accounts = capped(accountBlock(d), pageDays)
	p.Days = capped(daysBlock(d), pageDays)
	p.Problems = problemBlock(d, pageProblems)
	p.Terms = termsBlock(d, pageProblems)
	p.Sources = sourceBlock(d)
	advice := map[string]int{}
	group := func(title Text, r *ranked, open bool, rest Text) {
		if len(r.list) == 0 {
			return
		}
		g := pageGroup{Title: join(title, same(" · "+grouped(r.count))), Open: open}
		if n := r.rest(); n > 0 {
			g.Note = join(tx("The first "+grouped(len(r.list))+" of "+grouped(r.count)+", ", "共"+grouped(r.count)+"笔，此处为前"+grouped(len(r.list))+"笔（"), rest,
				tx("; the rest stands in -o xlsx and -o csv, and daozhang trace shows any single one.", "）；其余见 -o xlsx 和 -o csv，单笔可用 daozhang trace 查看。"))
		}
		for _, x := range r.list {
			g.List = append(g.List, p.trail(a, x, advice))
		}
		p.Groups = append(p.Groups, g)
	}
	group(tx("Need someone", "需要处理"), &d.needs, true, tx("latest first", "逾期最久在前"))
	group(tx("On their way", "在途"), &d.way, false, tx("newest first", "最新在前"))
	group(tx("Arrived, refunded or not charged", "已到账、已退款或未扣款"), &d.done, false, tx("newest first", "最新在前"))
	for i := range p.Groups {
		for _, t := range p.Groups[i].List {
			if i == 0 && d.needs.count > 0 {
				p.Needs = append(p.Needs, t.pageNeed)
			}
		}
	}
	for _, s := range journey.Statuses() {
		p.Legend = append(p.Legend, pageLegend{statusSign(s), ToneOf(s).Class(), statusWord(s), statusMeaning(s)})
	}
	return p
}

// trail makes a payment's trail; advice collects what to do about each cause,
// once for all payments that it is the same for.
func (p *page) trail(a *investigation.Answer, x *investigation.Payment, advice map[string]int) pageTrail {
	t, row := TrailOf(a, x), RowOf(a, x)
	out := pageTrail{
		pageNeed: pageNeed{
			Anchor: "p-" + row.ID, Time: timeTag(x, x.Time), Key: row.Key, Amount: row.Gross, Late: row.Late,
			Sign: row.Sign, Tone: row.Tone.Class(), Where: row.Where, Why: row.Why, Who: row.Who,
		},
		Kind: kindWord(x.Kind), Status: statusWord(x.Status), Keys: t.Keys, Second: cardSecond(x), Missed: t.Missed,
		SumNotes: t.SumNotes, Check: t.Check, Others: t.Others, Evidence: t.Evidence, Unlisted: t.Unlisted,
		CopyEN: CopyText(a, x, "en"), CopyZH: CopyText(a, x, "zh"),
	}
	switch {
	case x.Verdict.Expected.Likely != 0:
		out.When = timeTag(x, x.Verdict.Expected.Likely)
	case x.Status == journey.Arrived:
		out.When = timeTag(x, x.CreditedAt)
	default:
		out.When = bilingual(whenText(x))
	}
	for _, s := range []struct {
		name Text
		s    Sentence
	}{{tx("Where", "在哪"), t.Where}, {tx("Why", "为何"), t.Why}, {tx("Who acts", "谁办"), t.Who}, {tx("When", "何时"), t.When}} {
		out.Sentences = append(out.Sentences, pageSentence{s.name, s.s.Text, s.s.Proof(), s.s.Proved})
	}
	for _, l := range t.Legs {
		g := pageLeg{Leg: legWord(l.Leg), State: l.State.Word(), Sign: l.State.Sign(), Tone: l.State.Tone().Class(), Promised: timeTag(x, l.Promised), Actual: timeTag(x, l.Actual), Note: l.Note}
		if l.HasAmount {
			g.Amount = amount(l.Amount, x.Currency)
			if l.Difference != 0 {
				g.Difference = Signed(l.Difference, x.Currency)
			}
		}
		if l.Witness != 0 {
			g.Witness, g.Place = plain(a.View.Name(l.Witness)), placeOf(a, l.Witness)
		}
		out.Legs = append(out.Legs, g)
	}
	for _, s := range t.Sums {
		figure := amount(s.Amount, x.Currency)
		if s.Signed {
			figure = Signed(s.Amount, x.Currency)
		}
		out.Sums = append(out.Sums, pageSum{s.What, figure, s.Total})
	}
	if c := x.Verdict.Cause; c != nil {
		out.Advice = p.adviceFor(c, x, t, advice)
	}
	return out
}

func (p *page) adviceFor(c *diagnosis.Cause, x *investigation.Payment, t *Trail, advice map[string]int) string {
	key := strings.Join([]string{c.Code, t.Why.Text.EN, t.Check.EN, t.Advice.Merchant.EN, t.Advice.Cardholder.EN, t.Advice.Institution.EN}, "\n")
	at, ok := advice[key]
	if !ok {
		at = len(p.Advice)
		advice[key] = at
		p.Advice = append(p.Advice, pageAdvice{
			Anchor: fmt.Sprintf("advice-%d", at+1), Title: c.Title, Code: c.Code, Why: t.Why.Text, Check: t.Check, Roles: rolesOf(t.Advice),
		})
	}
	p.Advice[at].Count++
	return p.Advice[at].Anchor
}

// daysBlock is the money map by merchant, currency and business date.
func daysBlock(d *digest) block {
	b := block{
		Title: tx("By merchant and business date", "按商户和交易日"),
		Head:  []Text{tx("Merchant", "商户"), tx("Date", "交易日"), tx("Approved", "成功金额"), tx("Arrived", "已到账"), tx("On its way", "在途"), tx("Late", "逾期"), tx("Held, short, unclear", "冻结/少到/不明"), tx("Fees", "手续费"), tx("Refunds, deductions", "退款及扣款")},
		Right: []bool{false, false, true, true, true, true, true, true, true},
		Wide:  make([]bool, 9),
	}
	for _, r := range d.totals.Rows {
		sums := map[string]int64{}
		for p := range placeCount {
			switch n := amountAt(r, p); p.status() {
			case journey.Arrived:
				sums["come"] += n
			case journey.Confirmed, journey.InTransit:
				sums["way"] += n
			case journey.Overdue:
				sums["late"] += n
			case journey.Held, journey.Short, journey.Unknown, journey.Unproven:
				sums["kept"] += n
			default:
				if p == inFees {
					sums["fees"] += n
				} else {
					sums["gone"] += n
				}
			}
		}
		cell := func(n int64) Text {
			if n == 0 {
				return same("–")
			}
			return same(amount(n, r.Currency))
		}
		b.Rows = append(b.Rows, []Text{
			merchantName(d.a, r.MID), same(dateText(r.Date)), same(amount(r.Gross, r.Currency)), cell(sums["come"]), cell(sums["way"]), cell(sums["late"]),
			cell(sums["kept"]), cell(sums["fees"]), cell(sums["gone"]),
		})
		t := calm
		if sums["late"]+sums["kept"] != 0 {
			t = bad
		}
		b.Tones = append(b.Tones, t)
	}
	return b
}

// sourceBlock lists what was read.
func sourceBlock(d *digest) block {
	b := block{
		Title: tx("What was read", "已读取的输入"),
		Head:  []Text{tx("File", "文件"), tx("Format", "格式"), tx("Facts", "数据条数"), tx("Not taken", "未采用"), tx("From", "起"), tx("To", "止")},
		Right: []bool{false, false, true, true, false, false},
		Wide:  make([]bool, 6),
	}
	for _, s := range d.a.Sources {
		b.Rows = append(b.Rows, []Text{
			same(plain(s.File)), same(plain(s.Format)), same(grouped(s.Facts)), same(grouped(s.Rejected)), same(clock(s.From, d.a.Offset)), same(clock(s.To, d.a.Offset)),
		})
		t := calm
		if s.Rejected > 0 {
			t = bad
		}
		b.Tones = append(b.Tones, t)
	}
	return b
}

// Cells gives the rows of a block for the page.
func (b block) Cells() []pageRow {
	rows := make([]pageRow, len(b.Rows))
	for i, r := range b.Rows {
		rows[i].Cells = make([]pageCell, len(r))
		for n, c := range r {
			rows[i].Cells[n] = pageCell{Text: c, Right: b.Right[n], Head: n == 0, Sub: n == 0 && strings.HasPrefix(c.EN, "  ")}
		}
		if i < len(b.Tones) {
			rows[i].Tone = b.Tones[i].Class()
		}
	}
	return rows
}

// Heads gives the header of a block for the page.
func (b block) Heads() []pageCell {
	list := make([]pageCell, len(b.Head))
	for i, h := range b.Head {
		list[i] = pageCell{Text: h, Right: b.Right[i]}
	}
	return list
}

// Feet gives the footer of a block for the page.
func (b block) Feet() []pageRow {
	return block{Rows: b.Foot, Right: b.Right}.Cells()
}

type pageRow struct {
	Tone  string
	Cells []pageCell
}

type pageCell struct {
	Text  Text
	Right bool
	Head  bool
	Sub   bool // stands below the row above it
}
