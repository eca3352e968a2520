package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// circumstances is the witness of what people state here.
const circumstances = "institution/console"

// Notice is what a bank, a network, a vendor or the platform announced and a person
// has written down.
type Notice struct {
	// ID names it for whoever ends it; made where empty.
	ID string
	// Issuer is "bank/ICBC", "issuer/ICBC", "platform", "network/UnionPay" or
	// "vendor/NAME".
	Issuer string
	// What is "maintenance", "incident" or "policy"; of one that ends another
	// "resolved" or "cancelled".
	What string
	// From and To bound what is announced; To zero: not known.
	From, To time.Time
	// Affects are links ("platform-bank/ICBC") or Legs; none: all of its issuer's.
	Affects []string
	Title   string
	// Published is when it was; zero: now.
	Published time.Time
}

// LinkState is in what state a link is since a moment. It holds until the next state
// of the link, at most seven days.
type LinkState struct {
	Link  string
	State string // up, degraded, down
	Since time.Time
}

// Holiday is a day on which a calendar differs from what is built in.
type Holiday struct {
	Calendar string
	Date     calendar.Date
	// Workday says that the day is worked, else it is off.
	Workday bool
}

// issuers and links are the forms that the evidence contract gives them.
var (
	issuers = regexp.MustCompile(`^(platform|(bank|issuer|network|vendor)/[^\s/]{1,64})$`)
	links   = regexp.MustCompile(`^(platform|(merchant-network|terminal-platform|platform-network|network-issuer|platform-bank)/[^\s/]{1,64})$`)
)

// Legs are the words of a notice for what it concerns of its issuer's links.
var Legs = []string{"authorization", "clearing", "settlement", "payout"}

// NoticeKinds and LinkStates are what can be entered.
var (
	NoticeKinds = []string{"maintenance", "incident", "policy"}
	LinkStates  = []string{"up", "degraded", "down"}
)

const mostTitle = 400

func (n *Notice) flaws(now time.Time) Flaws {
	var f Flaws
	f.need(issuers.MatchString(n.Issuer), "issuer", fault.Say("write bank/NAME, network/NAME, vendor/NAME or platform", "请写 bank/名称、network/名称、vendor/名称 或 platform"))
	f.need(slices.Contains(NoticeKinds, n.What), "what", fault.Say("choose maintenance, incident or policy", "请选择维护、故障或政策"))
	f.need(!n.From.IsZero(), "from", fault.Say("say from when", "请填写开始时间"))
	f.need(n.To.IsZero() || n.To.After(n.From), "to", fault.Say("the end comes after the beginning", "结束时间须晚于开始时间"))
	f.need(!n.Published.After(now), "published", fault.Say("it was published at the latest now", "发布时间不能晚于现在"))
	for _, a := range n.Affects {
		f.need(slices.Contains(Legs, a) || links.MatchString(a), "affects",
			fault.Say("write a leg (%s) or a link such as platform-bank/ICBC", "请写环节（%s）或 platform-bank/ICBC 这样的链路", strings.Join(Legs, ", ")))
	}
	f.need(strings.TrimSpace(n.Title) != "" && len(n.Title) <= mostTitle, "title", fault.Say("say in a sentence what is announced", "请用一句话写明通知内容"))
	f.need(len(n.ID) <= 64, "notice", fault.Say("the number has up to 64 letters", "编号不超过 64 个字符"))
	return f
}

var opState = fault.Say("state circumstance", "登记情况")

// StateNotice keeps a notice as evidence and gives it with its ID. The error is
// fault.Invalid with Flaws.
func (i *Intake) StateNotice(ctx context.Context, who access.Actor, n Notice) (Notice, error) {
	now := i.Now()
	if n.Published.IsZero() {
		n.Published = now
	}
	if err := n.flaws(now).err(opState, "notice"); err != nil {
		return n, err
	}
	if n.ID == "" {
		n.ID = "N" + now.In(i.zone()).Format("20060102") + "-" + unique()
	}
	n.Title, _ = card.MaskText(strings.TrimSpace(n.Title))
	return n, i.state(ctx, who, evidence.Notice, "notice/"+n.ID+"/"+n.What, n.Published, n.write)
}

func (n *Notice) write(w *evidence.LineWriter) {
	w.Str("notice", n.ID)
	w.Str("issuer", n.Issuer)
	w.Str("what", n.What)
	w.Moment("from", n.From)
	w.Moment("to", n.To)
	if len(n.Affects) > 0 {
		list, _ := json.Marshal(n.Affects)
		w.Raw("affects", list)
	}
	w.Str("title", n.Title)
}

// EndNotice ends a notice of those in force, see InForce: one that has begun is resolved from now
// on, one that has not is cancelled. fault.NotFound where none of that number is in
// force.
func (i *Intake) EndNotice(ctx context.Context, who access.Actor, force *Circumstances, id string) (Notice, error) {
	now := i.Now()
	for _, n := range force.Notices {
		if n.ID != id {
			continue
		}
		end := n.Notice
		end.What, end.To, end.Published = "resolved", now, now
		if n.From.After(now) {
			end.What, end.To = "cancelled", time.Time{}
		}
		return end, i.state(ctx, who, evidence.Notice, "notice/"+id+"/"+end.What, now, end.write)
	}
	return Notice{}, fault.New(fault.NotFound, fault.Say("end notice", "结束通知"), id, fault.Say("no such notice is in force", "没有生效中的该通知"),
		fault.Say("list those in force", "请先查看生效中的通知"))
}

// StateLink keeps the state of a link as evidence; where it says no moment, it holds
// from now on. The error is fault.Invalid with Flaws.
func (i *Intake) StateLink(ctx context.Context, who access.Actor, l LinkState) (LinkState, error) {
	now := i.Now()
	if l.Since.IsZero() {
		l.Since = now
	}
	var f Flaws
	f.need(links.MatchString(l.Link), "link", fault.Say("write a link such as platform-bank/ICBC or network-issuer/ICBC", "请写 platform-bank/ICBC、network-issuer/ICBC 这样的链路"))
	f.need(slices.Contains(LinkStates, l.State), "state", fault.Say("choose up, degraded or down", "请选择正常、降级或中断"))
	f.need(!l.Since.After(now), "since", fault.Say("a state is what is, not what will be; enter a notice for that", "状态指当前情况，将来的请登记为通知"))
	if err := f.err(opState, "link"); err != nil {
		return l, err
	}
	return l, i.state(ctx, who, evidence.LinkStatus, "link/"+l.Link, l.Since, func(w *evidence.LineWriter) {
		w.Str("link", l.Link)
		w.Str("state", l.State)
	})
}

// StateHoliday keeps as evidence that a day of a calendar is off, or worked: of two
// statements about a day the later holds. The error is fault.Invalid with Flaws.
func (i *Intake) StateHoliday(ctx context.Context, who access.Actor, h Holiday) error {
	var f Flaws
	_, known := i.calendar(h.Calendar)
	f.need(known, "calendar", fault.Say("choose one of CN, TARGET2, US, GB and WEEKEND", "请选择 CN、TARGET2、US、GB 或 WEEKEND"))
	year, _, _ := h.Date.YMD()
	f.need(h.Date != calendar.None && year >= 2000 && year < 2100, "date", fault.Say("give a date from 2000 to 2099", "请填写 2000 至 2099 年的日期"))
	if err := f.err(opState, "holiday"); err != nil {
		return err
	}
	what := "holiday"
	if h.Workday {
		what = "workday"
	}
	return i.state(ctx, who, evidence.CalendarHoliday, "holiday/"+h.Calendar+"/"+h.Date.String(), i.Now(), func(w *evidence.LineWriter) {
		w.Str("calendar", h.Calendar)
		w.Date("date", h.Date)
		w.Str("what", what)
	})
}

// unique is a short name that no other has.
func unique() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base32.StdEncoding.EncodeToString(b[:])
}

// state keeps one circumstance as evidence. It is read as any other evidence is, so
// that nothing is kept that the answers could not read.
func (i *Intake) state(ctx context.Context, who access.Actor, t evidence.Type, about string, at time.Time, write func(*evidence.LineWriter)) error {
	w := evidence.LineWriter{Zone: i.zone()}
	id := about + "/" + strconv.FormatInt(i.Now().UnixMicro(), 36)
	w.Begin(circumstances, id, t, at, i.Now())
	write(&w)
	line := slices.Clone(w.End())
	set := evidence.NewSet()
	var why fault.Text
	err := evidence.ReadNDJSON(bytes.NewReader(line), set.Writer(set.AddFile("stated")), func(_ int, w fault.Text) { why = w })
	if err == nil && !why.None() {
		err = fault.New(fault.Invalid, opState, about, why, fault.Say("correct it and send it again", "请更正后重新提交"))
	}
	if err != nil {
		return err
	}
	if _, err = i.Keeper.Tell(ctx, []payment.Evidence{{Source: circumstances, ID: id, Type: t, Time: at, Line: line}}); err != nil {
		return err
	}
	e := who.Did(i.Now(), "stated", about)
	e.After = string(line[bytes.Index(line, []byte(`"data":`))+len(`"data":`) : len(line)-1])
	return i.record(ctx, e)
}
