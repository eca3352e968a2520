package courier

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// SMTP is a mail server and how letters are handed to it.
type SMTP struct {
	Host string // "" for none
	Port int    // default 587, or 465 with TLS
	// Security is "starttls" (the default), "tls" from the first byte, or "none", which
	// is for a relay on this machine.
	Security string
	User     string
	Password string
	From     string // an address, with a name or without
}

var errMail = fault.Say("send mail", "发送邮件")

// check says what is wrong with the settings.
func (s *SMTP) check() error {
	if s.Host == "" {
		return nil
	}
	wrong := func(why fault.Text) error {
		return fault.New(fault.Usage, fault.Say("read the configuration", "读取配置"), "notify.smtp", why, fault.Text{})
	}
	s.Security = cmp.Or(s.Security, "starttls")
	if s.Port == 0 {
		s.Port = map[string]int{"tls": 465, "none": 25}[s.Security]
		s.Port = cmp.Or(s.Port, 587)
	}
	switch s.Security {
	case "starttls", "tls":
	case "none":
		// A password in clear, or a merchant's money in clear on the way, is for nobody.
		if ip := net.ParseIP(s.Host); s.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return wrong(fault.Say("without encryption only a relay on this machine is used", "不加密仅限本机邮件中继"))
		}
	default:
		return wrong(fault.Say("security is starttls, tls or none", "security 可为 starttls、tls 或 none"))
	}
	if _, err := mail.ParseAddress(s.From); err != nil {
		return wrong(fault.Say("from is not an address", "from 不是邮件地址"))
	}
	return nil
}

// Mail implements notify.Courier: it returns when the server has taken the letter.
func (c *Courier) Mail(ctx context.Context, l notify.Letter) error {
	s := &c.o.SMTP
	if s.Host == "" {
		return fault.New(fault.NotFound, errMail, "", fault.Say("there is no mail server", "未配置邮件服务器"), fault.Say("set notify.smtp.host", "请设置 notify.smtp.host"))
	}
	m, err := c.message(l)
	if err != nil {
		return fault.New(fault.Invalid, errMail, "", err, fault.Text{})
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.o.Within)
	defer cancel()
	client, err := gomail.NewClient(s.Host, c.mailOptions()...)
	if err == nil {
		err = client.DialAndSendWithContext(ctx, m)
	}
	if err != nil {
		return fault.New(fault.Internal, errMail, "", fault.Say("the mail server or the way to it says: %s", "邮件服务器或连接返回：%s", c.hidden(err.Error())), fault.Text{})
	}
	return nil
}

// hidden keeps the account of the mail server out of what is shown.
func (c *Courier) hidden(s string) string {
	for _, secret := range []string{c.o.SMTP.Password, c.o.SMTP.User} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "****")
		}
	}
	return s
}

func (c *Courier) mailOptions() []gomail.Option {
	s := &c.o.SMTP
	o := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTimeout(c.o.Within),
		gomail.WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.Host, RootCAs: c.o.Roots})}
	switch s.Security {
	case "tls":
		o = append(o, gomail.WithSSL())
	case "none":
		o = append(o, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		o = append(o, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User != "" {
		o = append(o, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	return o
}

// message makes the letter as mail programs read it: text, and the same as a small
// page.
func (c *Courier) message(l notify.Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(m.From(c.o.SMTP.From), m.To(l.To)); err != nil {
		return nil, err
	}
	from, err := mail.ParseAddress(c.o.SMTP.From)
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	m.Subject(l.Subject)
	m.SetDateWithValue(l.Sent)
	// The same letter again has the same number, so that mail programs can tell.
	m.SetMessageIDWithValue(l.ID + "@" + domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return m, nil
}
