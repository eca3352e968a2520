package daozhang_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "daozhang"

// order lists the packages of the module in the order in which money moves. A
// package imports only packages that stand before it here: what a payment is
// does not depend on how it is stored, shown or asked about. A name that ends
// in /* stands for a family of packages below the one before it.
//
// A new package gets a line here with the reason why it exists.
var order = []struct{ name, reason string }{
	{"fault", "every error has a kind; one table maps kinds to exit codes and statuses"},
	{"money", "amounts are integers in minor units; one place rounds"},
	{"card", "one place recognises card numbers, so that none leaves it unmasked"},
	{"calendar", "due dates rest on business days; it reads no clock"},
	{"evidence", "the contract: all that is known comes in as facts and only so"},
	{"terms", "what was agreed with a merchant and when each leg falls due; matching needs business dates"},
	{"match", "which facts are one payment; knows facts, not what they mean for its money"},
	{"journey", "stages, due times, the money map: what is proved, not yet why"},
	{"diagnosis", "causes explain what the journey shows; causes are data"},
	{"investigation", "facts in, answers out: the one entry to the three above"},
	{"format", "files to facts and back: what a format needs of a file, and detection"},
	{"format/*", "one folder per family of formats, so that a new format touches one"},
	{"report", "the answer in every output; it computes nothing"},
	{"ledger", "accounts and transfers that balance by construction"},
	{"merchant", "merchants, their terms and accounts"},
	{"terminal", "devices and their health"},
	{"risk", "rules, limits and holds decide before a payment goes on"},
	{"payment", "the state machine of a payment, pure: no link, no database"},
	{"settlement", "cut-off, netting, fees and payouts follow from payments"},
	{"keyring", "keys stay behind one interface; MACs, PIN blocks and sealed card numbers are made inside"},
	{"access", "who may do what, in one table; people, their passwords and second factors, pure"},
	{"iso8583", "message dialects as data; the wire's only vocabulary"},
	{"backoffice", "the work from a captured payment to the merchant's account, over files and rows that others keep"},
	{"desk", "cases, exceptions and what waits for a second person, over what the back office and the investigation know"},
	{"intake", "what people bring: files with what became of them and when they have to come, circumstances, entries of registers"},
	{"notify", "what happened, told to programs and people: events, receivers, deliveries; pure"},
	{"notify/*", "the carrier of webhooks and mail, on the outside's sockets"},
	{"store", "SQL for all of the above; an edge"},
	{"store/*", "rows as bodies, the jobs on River, and the suite that every database under it passes"},
	{"gateway", "links to terminals and networks; an edge"},
	{"score", "answers against the truth; two forms of JSON lines and nothing else"},
	{"world", "a simulated world with its truth; an edge"},
	{"world/*", "the simulators on the wire, terminal and bank host"},
	{"api", "HTTP JSON; an edge"},
	{"api/*", "the client of that surface, for the command line"},
	{"console", "web pages; an edge"},
}

// edges touch the outside world. They never import each other, so that each can
// be replaced or left out; only cmd/daozhang wires them.
var edges = []string{"store", "gateway", "world", "api", "console"}

// computed are the packages that the simulated world may not know: it has to be
// an independent witness against them.
var computed = []string{"match", "journey", "diagnosis", "investigation"}

// fenced are imports that stay within some packages.
var fenced = []struct {
	imports []string // the path itself or anything below it
	within  []string
	reason  string
}{
	{[]string{"database/sql", "modernc.org/sqlite", "zombiezen.com/go/sqlite", "github.com/mattn/go-sqlite3",
		"github.com/jackc/pgx", "github.com/lib/pq", "github.com/pressly/goose", "github.com/riverqueue/river"},
		[]string{"store"}, "rules do not drift into SQL"},
	{[]string{"github.com/moov-io/iso8583"}, []string{"iso8583"}, "dialects are data in one place"},
	{[]string{"net/http"}, []string{"api", "console", "notify"}, "HTTP is an edge; webhooks go out by notify/courier"},
	{[]string{"github.com/xuri/excelize"}, []string{"format", "report"}, "spreadsheets are a format, not a type"},
}

// banned are package names that say nothing about what is in them.
var banned = []string{"utils", "util", "common", "shared", "pkg", "helpers", "misc", "base", "lib"}

// maxLines is the length past which a file holds more than one noun.
const maxLines = 900

// source is one parsed Go file.
type source struct {
	path    string // from the module root, with slashes
	dir     string
	test    bool
	file    *ast.File
	lines   int
	imports []string
}

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (name[0] == '.' || name[0] == '_' || name == "testdata" || name == "node_modules" || name == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || name[0] == '.' || name[0] == '_' {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{
			path:  filepath.ToSlash(p),
			test:  strings.HasSuffix(name, "_test.go"),
			file:  f,
			lines: fset.File(f.FileStart).LineCount(),
		}
		s.dir = path.Dir(s.path)
		for _, im := range f.Imports {
			v, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, v)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// internalName returns the name below internal/ of a directory, or of an import
// path without the module; ok is false outside internal/.
func internalName(dir string) (string, bool) { return strings.CutPrefix(dir, "internal/") }

// family returns the first element of a package's name: format for format/bank.
func family(name string) string {
	head, _, _ := strings.Cut(name, "/")
	return head
}

// rank returns a package's place in order, or -1.
func rank(name string) int {
	for i, o := range order {
		if o.name == name || strings.HasSuffix(o.name, "/*") && strings.HasPrefix(name, strings.TrimSuffix(o.name, "*")) {
			return i
		}
	}
	return -1
}

// within reports whether import path p is one of roots or below one. A major
// version (/v5) is below.
func within(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return p == r || strings.HasPrefix(p, r+"/") })
}

func TestImportOrder(t *testing.T) {
	for _, s := range sources(t) {
		name, internal := internalName(s.dir)
		if internal && rank(name) < 0 {
			t.Errorf("%s: package %s stands nowhere in the order; add a line with its reason to arch_test.go", s.path, name)
			continue
		}
		if s.test {
			continue // a test may use what its package may not
		}
		for _, p := range s.imports {
			rel, own := strings.CutPrefix(p, module+"/")
			if !own {
				continue
			}
			if family(rel) == "cmd" {
				t.Errorf("%s imports %s: nothing imports a command", s.path, p)
				continue
			}
			target, ok := internalName(rel)
			if !ok || !internal || target == name {
				continue
			}
			// Within a family the compiler's ban on cycles suffices.
			if family(target) != family(name) && rank(target) >= rank(name) {
				t.Errorf("%s imports %s, which does not stand above %s in the order (%s)", s.path, target, name, order[rank(name)].reason)
			}
			if a, b := family(name), family(target); a != b && slices.Contains(edges, a) && slices.Contains(edges, b) {
				t.Errorf("%s imports %s: edges do not know each other", s.path, target)
			}
			if family(name) == "world" && slices.Contains(computed, family(target)) {
				t.Errorf("%s imports %s: the simulated world is a witness against it", s.path, target)
			}
		}
	}
}

func TestFencedImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		name, _ := internalName(s.dir)
		for _, p := range s.imports {
			for _, f := range fenced {
				if within(p, f.imports) && !slices.Contains(f.within, family(name)) {
					t.Errorf("%s imports %s, which stays in %s: %s", s.path, p, strings.Join(f.within, " and "), f.reason)
				}
			}
		}
	}
}

func TestOnePackageComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			if s.file.Doc != nil {
				t.Errorf("%s: a test file carries a package comment; move it to the package", s.path)
			}
			continue
		}
		if _, ok := comments[s.dir]; !ok {
			comments[s.dir] = nil
		}
		if s.file.Doc == nil {
			continue
		}
		comments[s.dir] = append(comments[s.dir], path.Base(s.path))
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.dir) + " "
		}
		if text := s.file.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %q, not with %q", s.path, firstWords(text), want)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s: %d package comments (%s), want exactly one", dir, len(files), strings.Join(files, ", "))
		}
	}
}

func firstWords(s string) string {
	f := strings.Fields(s)
	return strings.Join(f[:min(3, len(f))], " ")
}

func TestNamesAndSizes(t *testing.T) {
	for _, s := range sources(t) {
		for _, n := range []string{path.Base(s.dir), strings.TrimSuffix(s.file.Name.Name, "_test")} {
			if slices.Contains(banned, n) {
				t.Errorf("%s: %q says nothing about what is in it", s.path, n)
			}
		}
		if !s.test && s.lines > maxLines && !ast.IsGenerated(s.file) {
			t.Errorf("%s has %d lines, more than %d: one noun per file", s.path, s.lines, maxLines)
		}
	}
}

// TestOrderIsWhole keeps the list itself in order: no name twice, a reason for
// each, every edge in it.
func TestOrderIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range order {
		if seen[o.name] {
			t.Errorf("%s stands twice in the order", o.name)
		}
		seen[o.name] = true
		if o.reason == "" {
			t.Errorf("%s has no reason", o.name)
		}
	}
	for _, n := range slices.Concat(edges, computed) {
		if !seen[n] {
			t.Errorf("%s is not in the order", n)
		}
	}
}
