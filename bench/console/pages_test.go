//go:build linux

package console_test

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// page is one kind of page or list: the address of each visit.
type page struct {
	what   string
	within float64 // milliseconds of p95; 0 is the usual
	key    string  // of a program that asks; "" for a person
	path   func(visit int) string
}

// fixed is the same address at each visit.
func fixed(path string) func(int) string { return func(int) string { return path } }

// each goes through addresses in turn.
func each(paths []string) func(int) string {
	return func(i int) string {
		if len(paths) == 0 {
			return ""
		}
		return paths[i%len(paths)]
	}
}

// links are the addresses of a page's links that match.
func (s *served) links(path, pattern string) []string {
	s.t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`href="(`+pattern+`)"`).FindAllSubmatch(s.read(s.get(path, "")), -1) {
		if to := html.UnescapeString(string(m[1])); !slices.Contains(out, to) {
			out = append(out, to)
		}
	}
	return out
}

// pages is everything that is asked for: the console by its own menu and links, the
// API by its own document, so that a screen or a list that is new is measured too.
func (s *served) pages() []page {
	s.t.Helper()
	trails := s.sample()
	all := []page{{what: "search by RRN, to the trail", within: searchWithin, path: each(s.searches())}}
	console := func(what string, path func(int) string) { all = append(all, page{what: what, path: path}) }
	console("payment trail", each(trails))
	seen := map[string]bool{"/r": true, "/account": true, "/sign-out": true}
	for _, path := range s.links("/overview", `/[a-z-]*(?:/[a-z-]+)?`) {
		if seen[path] || strings.HasPrefix(path, "/assets") {
			continue
		}
		seen[path] = true
		console(path, fixed(path))
		if inner := s.links(path, regexp.QuoteMeta(strings.TrimRight(path, "/"))+`/[^"?/]+`); path != "/" && path != "/payments" && len(inner) > 0 {
			console(path+"/…", each(inner))
		}
	}
	for _, query := range []string{"needs=1", "status=overdue", "sort=due", "sort=amount", "day=" + time.Now().AddDate(0, 0, -3).Format(time.DateOnly)} {
		console("/payments?"+strings.Split(query, "=20")[0], fixed("/payments?"+query))
	}
	console("/payments, the tenth page", fixed(s.deep("/payments", 10)))
	return append(all, s.operations(trails)...)
}

// deep follows a list's way on.
func (s *served) deep(path string, pages int) string {
	for range pages - 1 {
		next := s.links(path, `/payments\?[^"]*after=[^"]*`)
		if len(next) == 0 {
			break
		}
		path = next[0]
	}
	return path
}

// sample are trails of payments from all over the list.
func (s *served) sample() (trails []string) {
	for _, sort := range []string{"", "&sort=due", "&sort=amount", "&needs=1"} {
		trails = append(trails, s.links("/payments?"+sort, `/payments/[^"?/]+`)...)
	}
	return trails
}

// searches are searches by a reference number.
func (s *served) searches() (out []string) {
	rrn := regexp.MustCompile(`<a href="/payments/[^"]+"[^>]*>(\d{12})<`)
	for _, sort := range []string{"", "sort=due", "sort=amount", "needs=1"} {
		for _, m := range rrn.FindAllSubmatch(s.read(s.get("/payments?"+sort, "")), -1) {
			out = append(out, "/?q="+url.QueryEscape(string(m[1])))
		}
	}
	return out
}

// operations are the lists and trails of the API's document.
func (s *served) operations(trails []string) (all []page) {
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name, In string
				Required bool
			}
			Responses map[string]struct {
				Content map[string]any
			}
		}
	}
	decode(s.t, s.read(s.get("/v1/openapi.json", s.key)), &document)
	ids := make([]string, len(trails))
	for i, t := range trails {
		ids[i] = strings.TrimPrefix(t, "/payments/")
	}
	var paths []string
	for path, operations := range document.Paths {
		get, ok := operations["get"]
		if !ok || get.Responses["200"].Content["application/json"] == nil || path == "/v1/openapi.json" {
			continue
		}
		needs := slices.ContainsFunc(get.Parameters, func(p struct {
			Name, In string
			Required bool
		}) bool {
			return p.Required && p.In != "path"
		})
		if strings.HasPrefix(path, "/v1/") && !needs {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		switch {
		case !strings.Contains(path, "{"):
			if s.answers(path) {
				all = append(all, page{what: "API " + path, key: s.key, path: fixed(path)})
			}
		case strings.HasPrefix(path, "/v1/payments/{id}"):
			if s.answers(strings.Replace(path, "{id}", ids[0], 1)) {
				all = append(all, page{what: "API " + path, key: s.key, path: func(i int) string { return strings.Replace(path, "{id}", ids[i%len(ids)], 1) }})
			}
		}
	}
	return all
}

// answers tells whether an operation is there: this installation may lack it.
func (s *served) answers(path string) bool {
	res := s.get(path, s.key)
	s.read(res)
	return res.StatusCode == 200
}
