package console

import (
	"net/http"
	"strconv"
)

// castCookie holds which of the Cast the browser plays.
const castCookie = "daozhang_as"

// playing gives which of the cast a request plays: the first until another is
// chosen.
func playing(r *http.Request, cast []Person) (n int) {
	if c, err := r.Cookie(castCookie); err == nil {
		n, err = strconv.Atoi(c.Value)
		if err != nil || n < 0 || n >= len(cast) {
			return 0
		}
	}
	return n
}

// castRoutes are there where whoever sits at the machine may be any of a cast.
func (c *Console) castRoutes() []route {
	if len(c.o.Cast) < 2 {
		return nil
	}
	return []route{{"POST", "/as", "", c.playAs}}
}

// playAs changes which of the cast the reader is.
func (c *Console) playAs(v *visit) error {
	v.limitForm()
	n, err := strconv.Atoi(v.PostFormValue("who"))
	if _, here := c.o.Who(v.Request); !here || err != nil || n < 0 || n >= len(c.o.Cast) {
		return errNoPage
	}
	http.SetCookie(v.w, &http.Cookie{Name: castCookie, Value: strconv.Itoa(n), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(v.w, v.Request, ownPath(v.PostFormValue("next")), http.StatusSeeOther)
	return nil
}
