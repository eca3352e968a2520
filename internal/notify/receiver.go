package notify

import (
	"crypto/rand"
	"encoding/hex"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/fault"
)

// Kind is how a receiver is told.
type Kind string

// The kinds.
const (
	Webhook Kind = "webhook" // a program, by an HTTP POST that is signed
	Mailbox Kind = "mail"    // a person, by e-mail
)

// Receiver is somebody who is told of events. Only the methods of Notifier change
// one.
type Receiver struct {
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// URL is where a webhook is posted to, Address where mail goes.
	URL     string `json:"url,omitempty"`
	Address string `json:"address,omitempty"`
	// Lang is the language of mail: "zh" or "en".
	Lang string `json:"lang,omitempty"`
	// Every gathers what happens within this time into one mail; 0 for at once.
	Every time.Duration `json:"every,omitempty"`
	// Types are what it wants, see ParseTypes; none for everything.
	Types []string `json:"types,omitempty"`
	// MID is the only merchant that it is told of; "" for all.
	MID         string `json:"mid,omitempty"`
	Description string `json:"description,omitempty"`
	// Disabled receivers are told nothing. Why says so where nobody did it.
	Disabled bool       `json:"disabled,omitempty"`
	Why      fault.Text `json:"why,omitzero"`
	// Secrets sign webhooks, the newest first.
	Secrets []Secret `json:"secrets,omitempty"`
	// Failing is since when every attempt has failed; zero where the last did not.
	Failing time.Time `json:"failing,omitzero"`
	Created time.Time `json:"created"`
	By      string    `json:"by,omitempty"`
	// Version is that of its row, from 1.
	Version int64 `json:"-"`
}

// Bounds of a receiver.
const (
	MostReceivers = 200 // of one merchant, or of the platform
	mostWords     = 200 // characters of a description
	mostDigest    = 7 * 24 * time.Hour
)

// prefixes begin the ids of receivers.
var prefixes = map[Kind]string{Webhook: "wh_", Mailbox: "mb_"}

func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// check says what is wrong with a receiver, with fault.Invalid, and brings it into
// one form.
func (r *Receiver) check(g Guard) error {
	op := fault.Say("register receiver", "登记接收方")
	refuse := func(why fault.Text) error { return fault.New(fault.Invalid, op, "", why, fault.Text{}) }
	var err error
	if r.Types, err = ParseTypes(r.Types); err != nil {
		return err
	}
	r.Description = strings.TrimSpace(r.Description)
	if utf8.RuneCountInString(r.Description) > mostWords || !utf8.ValidString(r.Description) {
		return refuse(fault.Say("the description is longer than %d characters", "说明超过 %d 个字符", mostWords))
	}
	switch r.Kind {
	case Webhook:
		u, err := g.Check(r.URL)
		if err != nil {
			return err
		}
		r.URL = u.String()
	case Mailbox:
		a, err := mail.ParseAddress(strings.TrimSpace(r.Address))
		if err != nil || len(a.Address) > 254 || strings.ContainsAny(a.Address, "\r\n") {
			return refuse(fault.Say("it is not an e-mail address", "不是电子邮件地址"))
		}
		r.Address = a.Address
		if r.Lang != "zh" {
			r.Lang = "en"
		}
		if r.Every < 0 || r.Every > mostDigest {
			return refuse(fault.Say("mail is gathered for a week at most", "汇总时间最长一周"))
		}
	default:
		return refuse(fault.Say("there is no such kind of receiver", "没有这种接收方"))
	}
	return nil
}

// wants reports whether a receiver is to be told of an event.
func (r *Receiver) wants(e *Event) bool {
	if e.To != "" {
		return e.To == r.ID
	}
	return !r.Disabled && e.SeenBy(r.MID) && wants(r.Types, e.Type)
}

// Signs gives until when a former secret signs beside the newest; zero where there
// is none.
func (r *Receiver) Signs(now time.Time) time.Time {
	for _, s := range inForce(r.Secrets, now) {
		if !s.Until.IsZero() {
			return s.Until
		}
	}
	return time.Time{}
}

// Name is how people know a receiver.
func (r *Receiver) Name() string {
	if r.Kind == Mailbox {
		return r.Address
	}
	return r.URL
}

// ended drops secrets that sign no more.
func (r *Receiver) ended(now time.Time) {
	r.Secrets = slices.DeleteFunc(r.Secrets, func(s Secret) bool { return !s.Until.IsZero() && !now.Before(s.Until) })
}

// Sketch is a receiver as the audit log has it: what a person may change of it.
func (r *Receiver) Sketch() string {
	s := r.Name()
	if len(r.Types) > 0 {
		s += " " + strings.Join(r.Types, ",")
	}
	if r.Disabled {
		s += " disabled"
	}
	return s
}
