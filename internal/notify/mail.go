package notify

import (
	"bytes"
	"html/template"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Letter is a mail ready to be sent.
type Letter struct {
	To      string
	Subject string
	Text    string
	HTML    string
	// ID names what it tells: the same letter sent twice can be told by it.
	ID string
	// Sent is the moment that stands in it.
	Sent time.Time
}

// mostLines is how many events one letter tells; of more it says how many.
const mostLines = 50

// letterPage is the small page of a letter. Mail programs load nothing for it.
var letterPage = template.Must(template.New("letter").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body style="font-family:sans-serif;color:#1b2427;max-width:42em">
<p>{{.Lead}}</p>
<ul>{{range .Lines}}<li style="margin:0 0 .5em">{{if .Link}}<a href="{{.Link}}">{{.Said}}</a>{{else}}{{.Said}}{{end}} <small style="color:#566269">{{.At}}</small></li>{{end}}</ul>
{{if .More}}<p>{{.More}}</p>{{end}}<p style="color:#566269"><small>{{.Why}}</small></p>
</body></html>
`))

type letterLine struct{ Said, At, Link string }

type letterView struct {
	Lang, Title, Lead, More, Why string
	Lines                        []letterLine
}

// Compose makes one letter of events for a receiver, in its language. site is how
// browsers reach the pages, "" where that is not known.
func Compose(r *Receiver, events []Event, site string, zone *time.Location, now time.Time) (Letter, error) {
	say := func(t fault.Text) string { return t.In(r.Lang) }
	v := letterView{Lang: r.Lang}
	ids := make([]string, len(events))
	for i := range events {
		e := &events[i]
		ids[i] = e.ID
		if i < mostLines {
			v.Lines = append(v.Lines, letterLine{say(e.Said), e.Time.In(zone).Format("2006-01-02 15:04"), linkOf(site, e.Subject)})
		}
	}
	subject := fault.Say("%d messages about your payments", "%d 条款项通知", len(events))
	if len(events) == 1 {
		subject = events[0].Type.Meaning()
	}
	v.Title = "daozhang: " + say(subject)
	v.Lead = say(fault.Say("What has happened to your payments:", "您的款项有以下变化："))
	if n := len(events) - len(v.Lines); n > 0 {
		v.More = say(fault.Say("%d more are in the list of events.", "另有 %d 条，请在事件列表中查看。", n))
	}
	v.Why = say(fault.Say("You get this because %s is registered for it; whoever runs the platform can change that.", "收到此邮件是因为 %s 登记了该通知，可请平台运营方调整。", r.Address))
	l := Letter{To: r.Address, Subject: v.Title, ID: strings.TrimPrefix(idOf(append([]string{r.ID}, ids...)...), "evt_"), Sent: now}
	var text strings.Builder
	text.WriteString(v.Lead + "\n\n")
	for _, line := range v.Lines {
		text.WriteString("- " + line.Said + "\n  " + line.At)
		if line.Link != "" {
			text.WriteString("  " + line.Link)
		}
		text.WriteString("\n")
	}
	if v.More != "" {
		text.WriteString("\n" + v.More + "\n")
	}
	text.WriteString("\n" + v.Why + "\n")
	l.Text = text.String()
	var page bytes.Buffer
	if err := letterPage.Execute(&page, v); err != nil {
		return l, fault.New(fault.Internal, fault.Say("compose mail", "撰写邮件"), strconv.Itoa(len(events)), err, fault.Text{})
	}
	l.HTML = page.String()
	return l, nil
}

// linkOf leads to the page about a subject; "" where there is none.
func linkOf(site, subject string) string {
	kind, id, _ := strings.Cut(subject, "/")
	if site == "" || id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") != "" {
		return ""
	}
	site = strings.TrimSuffix(site, "/")
	switch kind {
	case "payment":
		return site + "/payments/" + id
	case "payout":
		return site + "/payouts/" + id
	case "incident":
		return site + "/payments?incident=" + id
	case "case":
		return site + "/cases/" + id
	case "merchant":
		return site + "/payments?status=overdue&merchant=" + id
	}
	return ""
}
