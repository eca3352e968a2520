package console

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/report"
)

// route is one page: who may see it, and how it is made. A page without an action
// is for everybody.
type route struct {
	Method, Path string
	Action       access.Action
	show         func(*visit) error
}

// routes is every page that there is.
func (c *Console) routes() []route {
	pages := append(c.moneyRoutes(),
		route{"GET", "/r", access.LookUpReceipt, c.receipt},
		route{"POST", "/r", access.LookUpReceipt, c.lookUp},
	)
	pages = append(pages, c.castRoutes()...)
	if c.o.Desk != nil {
		pages = append(pages, c.deskRoutes()...)
	}
	pages = append(pages, c.intakeRoutes()...)
	if c.o.Developers != nil {
		pages = append(pages, c.developerRoutes()...)
	}
	if c.entrance == nil {
		return pages
	}
	return append(pages, c.accessRoutes()...)
}

// visit is one request being answered.
type visit struct {
	*http.Request
	w       http.ResponseWriter
	console *Console
	lang    string
	who     Person
	id      string // of the request, as the audit log has it
	// only is the merchant whose rows the person may see; "" for those of all.
	only string
}

// errNoPage is an address that leads nowhere, for this person or for anybody: the
// two are not told apart.
var errNoPage = fault.New(fault.NotFound, fault.Say("find page", "查找页面"), "", nil, fault.Say("the search box finds payments", "可用搜索框查找交易"))

// security is what every answer says to the browser: nothing from elsewhere, no
// script in the page, no frame around it.
const security = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page wraps what a page needs around it: its reader, the language, the right to
// see it, and an error as a page.
func (c *Console) page(p route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", security)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if chooseLanguage(w, r) {
			return
		}
		v := &visit{Request: r, w: w, console: c, who: Person{Role: access.Public}, id: uuid.Must(uuid.NewV7()).String()}
		h.Set("X-Request-Id", v.id)
		err := v.recognise()
		v.lang = language(r, v.who.Lang)
		only, ok := access.Allowed(v.who.Role, p.Action).Narrow(v.who.MID)
		switch {
		case err != nil:
		case ok || p.Action == "":
			v.only = only
			err = p.show(v)
		case c.entrance != nil && v.who.Role == access.Public && r.Method == http.MethodGet:
			// Whether the page is there is told after the sign-in.
			http.Redirect(w, r, "/sign-in?"+url.Values{"next": {addressOn(r.URL)}}.Encode(), http.StatusSeeOther)
		default:
			err = errNoPage
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// recognise finds out who the reader is.
func (v *visit) recognise() error {
	c := v.console
	if c.entrance != nil {
		who, ok, err := c.entrance.who(v.Request)
		if ok {
			v.who = who
		}
		if ok || err != nil {
			return err
		}
	}
	if c.o.Who != nil {
		if who, ok := c.o.Who(v.Request); ok {
			v.who = who
		}
	}
	return nil
}

// origin is where the request comes from, for the audit log.
func (v *visit) origin() access.Origin {
	return access.Origin{Request: v.id, From: addressOf(v.Request)}
}

// actor is the reader as the one who changes something.
func (v *visit) actor() access.Actor {
	name := v.who.Login
	if name == "" {
		name = v.who.Name
	}
	return access.Actor{Name: name, Role: v.who.Role, Origin: v.origin()}
}

// record puts what the reader changed into the audit log; more fills in the rest of
// the event, and may be nil. What is committed with an event of its own is not
// recorded here again.
func (v *visit) record(what, subject string, more func(*access.Event)) error {
	log := v.console.o.Audit
	if log == nil {
		return nil
	}
	e := v.actor().Did(v.console.o.Now(), what, subject)
	if more != nil {
		more(&e)
	}
	return log.Record(v.Context(), e)
}

// limitForm bounds a form without files: what is longer is refused when it is read.
func (v *visit) limitForm() { v.Body = http.MaxBytesReader(v.w, v.Body, 4096) }

// retryAfter says how long to wait, to programs.
func (v *visit) retryAfter(wait time.Duration) {
	v.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
}

// messageOf gives an error's reason and hint for people.
func messageOf(err error, lang string) (what, hint string) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error(), ""
	}
	var why fault.Text
	if errors.As(f.Err, &why) {
		what = why.In(lang)
	} else if f.Err != nil {
		what = f.Err.Error()
	}
	return what, f.Hint.In(lang)
}

// render answers with a page.
func (v *visit) render(status int, t templ.Component) error {
	var b bytes.Buffer
	if err := t.Render(v.Context(), &b); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang)
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie, HX-Request")
	if b.Len() < leastCompressed || !strings.Contains(v.Header.Get("Accept-Encoding"), "gzip") {
		v.w.WriteHeader(status)
		_, err := v.w.Write(b.Bytes())
		return err
	}
	h.Set("Content-Encoding", "gzip")
	v.w.WriteHeader(status)
	z := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(v.w)
	_, err := z.Write(b.Bytes())
	return errors.Join(err, z.Close())
}

// leastCompressed is the size in bytes from which a page is sent compressed: less
// fits in a packet or two as it is.
const leastCompressed = 2 << 10

// compressors are used again: each holds some hundred kilobytes. Pages carry no token
// that their compressed length could betray: a form from elsewhere is told by its
// origin, and a secret that is shown once answers a form.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is one
	return z
}}

// fail answers with an error as a page; what went wrong inside goes to the log.
func (v *visit) fail(err error) {
	status := http.StatusInternalServerError
	switch fault.KindOf(err) {
	case fault.NotFound, fault.NotAllowed:
		status = http.StatusNotFound
	case fault.Invalid, fault.Usage:
		status = http.StatusBadRequest
	case fault.Conflict:
		status = http.StatusConflict
	}
	what, hint := v.say("Something went wrong here.", "这里出错了。"), v.say("Try again; if it stays, tell those who run this service.", "请重试；若仍出错，请告知服务维护人员。")
	if status == http.StatusInternalServerError {
		v.console.o.Log.Error("page not shown", "path", addressOn(&url.URL{Path: v.URL.Path}), "error", err)
	} else {
		what = v.say("There is no such page.", "没有这个页面。")
		if why, _ := messageOf(err, v.lang); status != http.StatusNotFound && why != "" {
			what = why
		}
		var f *fault.Error
		if errors.As(err, &f) {
			hint = f.Hint.In(v.lang)
		}
	}
	if err := v.render(status, problemPage(v, what, hint)); err != nil {
		v.console.o.Log.Error("page not shown", "path", addressOn(&url.URL{Path: v.URL.Path}), "error", err)
	}
}

// say picks one of two texts by the reader's language.
func (v *visit) say(en, zh string) string {
	if v.lang == "zh" {
		return zh
	}
	return en
}

func (v *visit) text(t report.Text) string { return t.In(v.lang) }

// moment shows a moment that belongs to no payment.
func (v *visit) moment(t time.Time) report.Moment { return v.console.moment(t) }

func (c *Console) moment(t time.Time) report.Moment { return report.MomentAt(t, c.o.Now(), c.o.Zone) }

// may reports whether the reader may do something to anything at all.
func (v *visit) may(a access.Action) bool { return access.Allowed(v.who.Role, a) != access.None }

// link is the address of this page with one parameter changed; "" removes it.
func (v *visit) link(name, value string) templ.SafeURL {
	q := v.URL.Query()
	q.Del("after")
	if value == "" {
		q.Del(name)
	} else {
		q.Set(name, value)
	}
	return templ.SafeURL(addressOn(&url.URL{Path: v.URL.Path, RawPath: v.URL.RawPath, RawQuery: q.Encode()}))
}

// addressOn is an address as pages and logs repeat it: a card number that somebody
// put into it is masked.
func addressOn(u *url.URL) string {
	s, _ := card.MaskText(u.RequestURI())
	return s
}

const languageCookie = "daozhang_lang"

// chooseLanguage takes ?lang= into a cookie and leads back to the page without it.
func chooseLanguage(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	lang := q.Get("lang")
	if r.Method != http.MethodGet || lang != "zh" && lang != "en" {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: lang, Path: "/", MaxAge: int(365 * 24 * time.Hour / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode})
	q.Del("lang")
	// Only the path of this very request: an address given by others leads nowhere else.
	to := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return true
}

// language is that of the cookie, else the person's own, else the first of the
// browser's that there is.
func language(r *http.Request, own string) string {
	if c, err := r.Cookie(languageCookie); err == nil && (c.Value == "zh" || c.Value == "en") {
		return c.Value
	}
	if own == "zh" || own == "en" {
		return own
	}
	for _, part := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		switch t := strings.TrimSpace(part); {
		case strings.HasPrefix(t, "zh"):
			return "zh"
		case strings.HasPrefix(t, "en"):
			return "en"
		}
	}
	return "en"
}
