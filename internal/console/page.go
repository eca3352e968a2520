package console

import "strings"

// heading is what the browser shows as the page's title.
func (v *visit) heading(title string) string {
	name := "daozhang 到账"
	if v.console.o.Title != "" {
		name = v.console.o.Title + " · " + name
	}
	if title == "" {
		return name
	}
	return title + " · " + name
}

// within reports whether the page is the one at path or below it.
func (v *visit) within(path string) bool {
	return v.URL.Path == path || path != "/" && strings.HasPrefix(v.URL.Path, path+"/")
}
