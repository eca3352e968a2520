package console

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"net/http"
	"net/url"

	"github.com/pquerna/otp"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// SetUpPath is where a person ends an invitation, below the address of the pages;
// the secret of its one-time link is in it.
func SetUpPath(name, secret string) string { return "/set-up/" + url.PathEscape(name) + "/" + secret }

// setUpPage is where an invited person sets a password and a second factor.
type setUpPage struct {
	Name, Secret string // of the link
	factorPart
	// Spared: the person may go without a second factor.
	Spared      bool
	Done        bool
	Wrong, Hint string
	Codes       []string // once it is done
}

// invited gives the person of a one-time link: /set-up/NAME/SECRET. What is wrong
// with a link is not told.
func (c *Console) invited(v *visit) (access.User, string, error) {
	name, secret := v.PathValue("name"), v.PathValue("secret")
	u, err := c.entrance.People.User(v.Context(), name)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return u, "", err
	}
	if err != nil || !u.Invites(c.o.Now(), secret) {
		return u, "", fault.New(fault.NotFound, fault.Say("set up access", "设置登录"), "", nil,
			fault.Say("The link is not good, or not any more; ask for a new one.", "链接无效或已过期，请索取新的链接。"))
	}
	return u, secret, nil
}

func (c *Console) setUp(v *visit) error {
	u, secret, err := c.invited(v)
	if err != nil {
		return err
	}
	p, err := c.factorOf(v, &u, secret)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, setUpView(v, p))
}

// factorOf gives the second factor that this session sets up, the same on each page.
func (c *Console) factorOf(v *visit, u *access.User, secret string) (*setUpPage, error) {
	f, err := c.enrolment(v, u)
	if err != nil {
		return nil, err
	}
	return &setUpPage{Name: u.Name, Secret: secret, factorPart: f, Spared: c.entrance.Policy.Spares(u.Role)}, nil
}

// factorPart is a second factor as its owner takes it into the app.
type factorPart struct {
	Factor  access.Enrolment
	Picture string // QR code as a data address
}

// enrolment gives the second factor that this session sets up for a person.
func (c *Console) enrolment(v *visit, u *access.User) (p factorPart, err error) {
	e := c.entrance
	if p.Factor, err = access.ParseEnrolment(e.kept(v.Context(), sessionFactor), u.Name); err != nil {
		if p.Factor, err = access.NewEnrolment(e.Issuer, u.Name); err != nil {
			return p, err
		}
		if err = e.keep(v.Context(), sessionFactor, p.Factor.URL); err != nil {
			return p, err
		}
	}
	p.Picture, err = qrCode(p.Factor.URL)
	return p, err
}

// qrCode draws an address for a camera.
func qrCode(address string) (string, error) {
	key, err := otp.NewKeyFromURL(address)
	if err != nil {
		return "", err
	}
	img, err := key.Image(232, 232)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func (c *Console) finishSetUp(v *visit) error {
	v.limitForm()
	u, secret, err := c.invited(v)
	if err != nil {
		return err
	}
	p, err := c.factorOf(v, &u, secret)
	if err != nil {
		return err
	}
	password := v.PostFormValue("password")
	if password != v.PostFormValue("again") {
		p.Wrong = v.say("The two passwords are not the same.", "两次输入的密码不一致。")
		return v.render(http.StatusBadRequest, setUpView(v, p))
	}
	factor := p.Factor
	if p.Spared && v.PostFormValue("code") == "" {
		factor = access.Enrolment{}
	}
	change, codes, err := u.SetUp(c.o.Now(), v.origin(), secret, password, factor, v.PostFormValue("code"), c.entrance.Policy)
	if err != nil {
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotAllowed {
			return err
		}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return v.render(http.StatusBadRequest, setUpView(v, p))
	}
	if err := c.entrance.People.CommitUser(v.Context(), &change); err != nil {
		return err
	}
	c.entrance.sessions.Remove(v.Context(), sessionFactor)
	if err := c.begin(v, &change.User); err != nil {
		return err
	}
	p.Done, p.Codes = true, codes
	return v.render(http.StatusOK, setUpView(v, p))
}
