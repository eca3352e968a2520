package console

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/notify"
)

// indented gives JSON as people read it.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// typeChoices are the types of events with what they mean.
func typeChoices(v *visit) (list []choice) {
	for _, t := range notify.Types() {
		list = append(list, choice{string(t), string(t) + " · " + t.Meaning().In(v.lang)})
	}
	return list
}

// typesWord says which types a receiver wants.
func typesWord(v *visit, types []string) string {
	if len(types) == 0 {
		return v.say("all", "全部")
	}
	return strings.Join(types, ", ")
}

// receiverState is a receiver's state as a sign, a word and a colour.
func receiverState(v *visit, r *notify.Receiver) standing {
	switch {
	case r.Disabled && !r.Why.None():
		return standing{"bad", "×", v.say("disabled: ", "已停用：") + r.Why.In(v.lang)}
	case r.Disabled:
		return standing{"", "–", v.say("disabled", "已停用")}
	case !r.Failing.IsZero():
		return standing{"bad", "!", v.say("failing", "投递失败中")}
	}
	return standing{"good", "✓", v.say("enabled", "已启用")}
}

// deliveryState is a delivery's state as a sign, a word and a colour.
func deliveryState(v *visit, d *notify.Delivery) standing {
	switch {
	case d.State == notify.Delivered:
		return standing{"good", "✓", v.say("delivered", "已送达")}
	case d.State == notify.Failed:
		return standing{"bad", "×", v.say("failed", "失败")}
	case d.Tries > 0:
		return standing{"wait", "…", v.say("is tried again", "等待重试")}
	}
	return standing{"wait", "…", v.say("on its way", "发送中")}
}

// keyState is a key's state as a sign, a word and a colour.
func keyState(v *visit, k *access.Key, now time.Time) standing {
	switch {
	case k.Ended(now):
		return standing{"", "–", v.say("revoked", "已吊销")}
	case !k.Revoked.IsZero():
		return standing{"wait", "…", v.say("ends soon", "即将失效")}
	}
	return standing{"good", "✓", v.say("in force", "有效")}
}

// everyWord says how long mail is gathered.
func everyWord(v *visit, d time.Duration) string {
	switch {
	case d == 0:
		return v.say("at once", "立即")
	case d%(24*time.Hour) == 0 && d > 24*time.Hour:
		n := strconv.Itoa(int(d / (24 * time.Hour)))
		return v.say("every "+n+" days", "每 "+n+" 天")
	case d == 24*time.Hour:
		return v.say("once a day", "每天")
	}
	n := strconv.FormatFloat(d.Hours(), 'f', -1, 64)
	return v.say("every "+n+" h", "每 "+n+" 小时")
}

// millis writes a duration in milliseconds.
func millis(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 0), 10) + " ms" }

// callTone is the colour of an HTTP status.
func callTone(status int) string {
	if status >= 400 {
		return "bad"
	}
	return ""
}

// subjectLink leads to what an event is about; "" where there is no page.
func (v *visit) subjectLink(subject string) templ.SafeURL {
	kind, id, _ := strings.Cut(subject, "/")
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || id == "" {
		return ""
	}
	switch kind {
	case "payment":
		return templ.SafeURL("/payments/" + id)
	case "payout":
		return templ.SafeURL("/payouts/" + id)
	case "incident":
		return templ.SafeURL("/payments?incident=" + id)
	case "merchant":
		return templ.SafeURL("/payments?status=overdue&merchant=" + id)
	case "receiver":
		return templ.SafeURL(receiverPath(id))
	case "case":
		if v.console.o.Desk != nil {
			return templ.SafeURL("/cases/" + id)
		}
	case "user":
		return templ.SafeURL(personPath(id))
	}
	return ""
}

// joined writes a list for people.
func joined(list []string) string { return strings.Join(list, " ") }

// logOf leads to the requests of a key.
func logOf(key string) templ.SafeURL { return templ.SafeURL("/developers/log?key=" + key) }

func receiversTitle(v *visit, kind notify.Kind) string {
	if kind == notify.Mailbox {
		return v.say("E-mail", "邮件通知")
	}
	return v.say("Webhooks", "Webhook")
}

// attemptTone is the colour of an attempt.
func attemptTone(a *notify.Attempt) string {
	if a.Good {
		return "good"
	}
	return "bad"
}
