package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

var headers = notify.Headers{ID: "evt_1", Timestamp: "1", Signature: "v1,x"}

func carrier(t *testing.T, o Options) *Courier {
	t.Helper()
	if o.Within == 0 {
		o.Within = 5 * time.Second
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestInsideIsClosed: wherever a name leads when it is dialled, what runs on this
// machine is not reached unless the host is named.
func TestInsideIsClosed(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	leads := func(list ...string) func(context.Context, string) ([]netip.Addr, error) {
		return func(context.Context, string) (all []netip.Addr, err error) {
			for _, a := range list {
				all = append(all, netip.MustParseAddr(a))
			}
			return all, nil
		}
	}
	// example.com is a name of the test server's certificate.
	to := "https://example.com:" + port + "/hook"
	for _, where := range []string{"127.0.0.1", "::ffff:127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "10.1.2.3", "64:ff9b::7f00:1"} {
		a := carrier(t, Options{Roots: roots, Resolve: leads(where)}).Post(t.Context(), to, headers, nil)
		if fault.KindOf(a.Err) != fault.NotAllowed || a.Status != 0 {
			t.Errorf("a name that leads to %s: %+v", where, a)
		}
	}
	// A name that leads to several places is reached where it may be, and only there.
	several := leads("10.0.0.1", "127.0.0.1")
	if a := carrier(t, Options{Roots: roots, Resolve: several}).Post(t.Context(), to, headers, nil); fault.KindOf(a.Err) != fault.NotAllowed {
		t.Errorf("%+v", a)
	}
	if n := asked.Load(); n != 0 {
		t.Fatalf("the machine itself was asked %d times", n)
	}
	// A name that led outside when it was entered and inside when it is dialled.
	var turns atomic.Int64
	turning := func(context.Context, string) ([]netip.Addr, error) {
		if turns.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	c := carrier(t, Options{Roots: roots, Resolve: turning})
	for range 3 {
		if a := c.Post(t.Context(), to, headers, nil); a.Status != 0 {
			t.Errorf("%+v", a)
		}
	}
	if turns.Load() < 3 || asked.Load() != 0 {
		t.Errorf("looked at %d times, asked %d times", turns.Load(), asked.Load())
	}
	named := carrier(t, Options{Roots: roots, Resolve: leads("127.0.0.1"), Guard: notify.Guard{Hosts: []string{"example.com"}}})
	if a := named.Post(t.Context(), to, headers, nil); a.Err != nil || a.Status != 200 {
		t.Errorf("a host that is named: %+v", a)
	}
	if a := carrier(t, Options{Resolve: leads("127.0.0.1"), Guard: notify.Guard{Hosts: []string{"example.com"}}}).Post(t.Context(), to, headers, nil); a.Err == nil {
		t.Errorf("a certificate that nobody knows: %+v", a)
	}
	if a := named.Post(t.Context(), "http://8.8.8.8/", headers, nil); fault.KindOf(a.Err) != fault.Invalid {
		t.Errorf("without encryption: %+v", a)
	}
}

// TestAnswers: redirections are not followed, answers are read up to a bound, and
// nobody holds the courier for long.
func TestAnswers(t *testing.T) {
	hang := make(chan struct{})
	var followed atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") != "evt_1" || r.Header.Get("Webhook-Timestamp") != "1" || r.Header.Get("Webhook-Signature") != "v1,x" || r.ContentLength != 2 {
			t.Errorf("%v", r.Header)
		}
		fmt.Fprint(w, "thanks")
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/target", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/target", func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/again", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Date(2026, 3, 5, 9, 10, 0, 0, time.UTC).Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	c := carrier(t, Options{Guard: notify.Guard{Hosts: []string{"127.0.0.1"}}, Within: time.Second, Now: func() time.Time { return time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC) }})
	post := func(path string) notify.Answer { return c.Post(t.Context(), s.URL+path, headers, []byte("{}")) }
	if a := post("/ok"); a.Err != nil || a.Status != 200 || a.Body != "thanks" {
		t.Errorf("%+v", a)
	}
	if a := post("/moved"); a.Err != nil || a.Status != 307 || followed.Load() != 0 {
		t.Errorf("%+v, followed %d times", a, followed.Load())
	}
	if a := post("/long"); a.Err != nil || len(a.Body) != mostRead {
		t.Errorf("%d bytes, %v", len(a.Body), a.Err)
	}
	if a := post("/again"); a.Status != 503 || a.Again != 10*time.Minute {
		t.Errorf("%+v", a)
	}
	if a := post("/none"); a.Status != 404 {
		t.Errorf("%+v", a)
	}
	begun := time.Now()
	if a := post("/hang?token=secret"); a.Err == nil || time.Since(begun) > 4*time.Second || strings.Contains(a.Err.Error(), "secret") {
		t.Errorf("%+v after %v", a, time.Since(begun))
	}
	close(hang)
	s.Close()
	if a := post("/ok"); a.Err == nil || a.Status != 0 || strings.Contains(a.Err.Error(), "/ok") {
		t.Errorf("%+v", a)
	}
	if a := c.Post(t.Context(), "https://no-such-host.invalid/", headers, nil); a.Err == nil {
		t.Error("a name that there is not")
	}
}

// FuzzRetryAfter reads whatever a receiver says about when to come again.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "5", "-1", "99999999999999999999", "Thu, 05 Mar 2026 09:10:00 GMT", "tomorrow"} {
		f.Add(s)
	}
	c, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := c.again(s); d < 0 {
			t.Errorf("%q: %v", s, d)
		}
	})
}

// mailServer is an SMTP server on a socket, as much of one as a client needs.
type mailServer struct {
	t      *testing.T
	addr   string
	tls    *tls.Config
	refuse string // answer to RCPT
	got    chan letter
}

type letter struct {
	from, to, auth, data string
	encrypted            bool
}

func newMailServer(t *testing.T, implicit, starts bool, refuse string) (*mailServer, *x509.CertPool) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate, which names 127.0.0.1
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	config := web.TLS.Clone()
	config.NextProtos = nil
	web.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &mailServer{t: t, addr: l.Addr().String(), refuse: refuse, got: make(chan letter, 10)}
	if starts || implicit {
		s.tls = config
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if implicit {
				conn = tls.Server(conn, config)
			}
			go s.talk(conn, implicit)
		}
	}()
	return s, roots
}

func (s *mailServer) talk(conn net.Conn, encrypted bool) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var buf []byte
	line := func() (string, bool) {
		for {
			if i := strings.Index(string(buf), "\r\n"); i >= 0 {
				l := string(buf[:i])
				buf = buf[i+2:]
				return l, true
			}
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if err != nil {
				return "", false
			}
			buf = append(buf, b[:n]...)
		}
	}
	say := func(l string) { fmt.Fprint(conn, l+"\r\n") }
	l := letter{encrypted: encrypted}
	say("220 mail.test ESMTP")
	for {
		cmd, ok := line()
		if !ok {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(cmd), " "); verb {
		case "EHLO", "HELO":
			say("250-mail.test")
			if s.tls != nil && !l.encrypted {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.tls)
			l.encrypted, buf = true, nil
		case "AUTH":
			l.auth = cmd
			say("235 welcome")
		case "MAIL":
			l.from = cmd
			say("250 ok")
		case "RCPT":
			if s.refuse != "" {
				say(s.refuse)
				continue
			}
			l.to = cmd
			say("250 ok")
		case "DATA":
			say("354 go on")
			for {
				part, ok := line()
				if !ok {
					return
				}
				if part == "." {
					break
				}
				l.data += part + "\n"
			}
			s.got <- l
			say("250 taken")
		case "NOOP", "RSET":
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what")
		}
	}
}

func (s *mailServer) settings(security string) SMTP {
	host, port, _ := net.SplitHostPort(s.addr)
	o := SMTP{Host: host, Security: security, From: "daozhang <money@pay.example>"}
	_, _ = fmt.Sscan(port, &o.Port)
	return o
}

var note = notify.Letter{To: "shop@shop.example", Subject: "daozhang: 出款被退回", Text: "金额 88.00", HTML: "<p>金额 88.00</p>", ID: "abc", Sent: time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC)}

// TestMail hands letters to a server in each of the ways there are.
func TestMail(t *testing.T) {
	for _, security := range []string{"starttls", "tls", "none"} {
		t.Run(security, func(t *testing.T) {
			s, roots := newMailServer(t, security == "tls", security == "starttls", "")
			o := s.settings(security)
			if security != "none" {
				o.User, o.Password = "money", "pass phrase"
			}
			if err := carrier(t, Options{SMTP: o, Roots: roots}).Mail(t.Context(), note); err != nil {
				t.Fatal(err)
			}
			got := <-s.got
			if !strings.Contains(got.to, "<shop@shop.example>") || !strings.Contains(got.from, "<money@pay.example>") || got.encrypted != (security != "none") || (got.auth != "") != (o.User != "") {
				t.Errorf("%+v", got)
			}
			for _, want := range []string{"Message-ID: <abc@pay.example>", "Auto-Submitted: auto-generated", "text/plain", "text/html", "=?UTF-8?q?daozhang:", "Date: Thu, 05 Mar 2026"} {
				if !strings.Contains(got.data, want) {
					t.Errorf("%q is not in\n%s", want, got.data)
				}
			}
		})
	}
}

// TestMailRefused: what the server says is told, without the account; and nothing
// goes out in clear where it must not.
func TestMailRefused(t *testing.T) {
	s, roots := newMailServer(t, false, true, "550 5.1.1 no such user")
	o := s.settings("starttls")
	o.User, o.Password = "money", "pass phrase"
	err := carrier(t, Options{SMTP: o, Roots: roots}).Mail(t.Context(), note)
	if err == nil || !strings.Contains(err.Error(), "no such user") || strings.Contains(err.Error(), "pass phrase") {
		t.Errorf("%v", err)
	}
	if err := carrier(t, Options{SMTP: o}).Mail(t.Context(), note); err == nil {
		t.Error("a certificate that nobody knows is taken")
	}
	plain, _ := newMailServer(t, false, false, "")
	o = plain.settings("starttls")
	o.User, o.Password = "money", "pass phrase"
	if err := carrier(t, Options{SMTP: o}).Mail(t.Context(), note); err == nil || len(plain.got) != 0 {
		t.Errorf("sent in clear: %v", err)
	}
	if err := carrier(t, Options{}).Mail(t.Context(), note); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without a server: %v", err)
	}
	if err := carrier(t, Options{SMTP: plain.settings("none")}).Mail(t.Context(), notify.Letter{To: "a@b\r\nBcc: x@y", Subject: "x"}); err == nil || len(plain.got) != 0 {
		t.Errorf("two addresses in one: %v", err)
	}
	for name, bad := range map[string]SMTP{"far in clear": {Host: "mail.example", Security: "none", From: "a@b.example"}, "security": {Host: "mail.example", Security: "maybe", From: "a@b.example"},
		"from": {Host: "mail.example", From: "nobody"}} {
		if _, err := New(Options{SMTP: bad}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEar: a receiver hears what is posted, and its answer comes back.
func TestEar(t *testing.T) {
	var heard []Heard
	ear, err := Listen("127.0.0.1:0", func(h Heard) int {
		heard = append(heard, h)
		return 202
	})
	if err != nil {
		t.Fatal(err)
	}
	c := carrier(t, Options{Guard: notify.Guard{Hosts: []string{ear.Addr()}}})
	if a := c.Post(t.Context(), "http://"+ear.Addr()+"/hook", headers, []byte("{}")); a.Status != 202 || len(heard) != 1 || heard[0].Headers != headers || string(heard[0].Body) != "{}" {
		t.Errorf("%+v, heard %+v", a, heard)
	}
	if a := c.Post(t.Context(), "http://"+ear.Addr()+"/hook", headers, make([]byte, mostHeard+1)); a.Status == 202 || len(heard) != 1 {
		t.Errorf("too long: %+v", a)
	}
	if _, err := Listen(ear.Addr(), func(Heard) int { return 200 }); err == nil {
		t.Error("two listen at one address")
	}
	if err := ear.Close(); err != nil {
		t.Error(err)
	}
}
