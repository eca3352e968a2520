package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// bilingual are the packages and files whose messages reach the person with a
// file in hand: all that they say is in both languages.
var bilingual = []string{
	"internal/money/", "internal/calendar/", "internal/evidence/", "internal/terms/", "internal/match/", "internal/journey/",
	"internal/investigation/warnings.go", "internal/format/", "internal/report/", "internal/access/",
	"cmd/daozhang/check.go", "cmd/daozhang/trace.go", "cmd/daozhang/export.go", "cmd/daozhang/catalogue.go", "cmd/daozhang/calendar.go",
	"cmd/daozhang/load.go", "cmd/daozhang/run.go", "cmd/daozhang/asof.go", "cmd/daozhang/jobs.go", "internal/store/jobs/",
	"internal/backoffice/", "internal/api/", "cmd/daozhang/decide.go", "internal/desk/", "cmd/daozhang/exceptions", "cmd/daozhang/approvals", "cmd/daozhang/serve_desk.go", "cmd/daozhang/merchants", "cmd/daozhang/payouts", "cmd/daozhang/users.go", "cmd/daozhang/serve_console.go",
	"internal/notify/", "internal/intake/", "cmd/daozhang/import.go",
	"internal/console/exceptions", "internal/console/case", "internal/console/approvals",
}

// plain are errors that no person is shown: the code that gets them goes by
// which one it is.
var plain = []string{"event too long", "unknown form "}

// TestMessages reads the source of the whole module. Wherever a message is made
// with Say, its two formats must be literals that take the same arguments, and
// the second must be Chinese. In the packages above nothing may be said in one
// language alone.
func TestMessages(t *testing.T) {
	root := filepath.Join("..", "..")
	said := 0
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			r := reader{t: t, fset: fset, own: file.Name.Name == "fault", strict: slices.ContainsFunc(bilingual, func(p string) bool {
				return strings.HasPrefix(filepath.ToSlash(rel), p)
			})}
			ast.Inspect(file, r.node)
			said += r.said
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if said < 200 {
		t.Errorf("only %d messages were found: the test no longer sees them", said)
	}
}

// reader reads one file.
type reader struct {
	t      *testing.T
	fset   *token.FileSet
	own    bool // it is of the package fault itself
	strict bool
	said   int
}

func (r *reader) complain(n ast.Node, format string, args ...any) {
	r.t.Helper()
	r.t.Errorf("%s: "+format, append([]any{r.fset.Position(n.Pos())}, args...)...)
}

func (r *reader) node(n ast.Node) bool {
	if pair, ok := n.(*ast.CompositeLit); ok && len(pair.Elts) == 2 {
		if name, ok := pair.Type.(*ast.Ident); ok && name.Name == "text" { // of the command line
			r.pair(pair, pair.Elts[0], pair.Elts[1])
		}
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return true
	}
	switch name := calledName(call); {
	case name == "fault.Say" || r.own && name == "Say":
		r.said++
		r.say(call)
	case name == "tx" && len(call.Args) == 2: // of the reports
		r.pair(call, call.Args[0], call.Args[1])
	case name == "errors.New" && r.strict:
		if s, ok := literal(call.Args[0]); !ok || !slices.Contains(plain, s) {
			r.complain(call, "an error in English alone; make it with fault.Say")
		}
	case name == "fmt.Errorf" && r.strict:
		if s, ok := literal(call.Args[0]); ok && letters(s) && !slices.ContainsFunc(plain, func(p string) bool { return strings.HasPrefix(s, p) }) {
			r.complain(call, "an error in English alone; make it with fault.Say")
		}
	case name == "fault.New" && r.strict && len(call.Args) == 5:
		for _, i := range []int{1, 4} { // operation and hint
			if s, ok := literal(call.Args[i]); ok && letters(s) {
				r.complain(call.Args[i], "%q is English alone; give fault.New a fault.Say", s)
			}
		}
	}
	return true
}

// halfWidth is punctuation of English between Chinese characters.
var halfWidth = regexp.MustCompile(`\p{Han}[,;:?!]|[,;:?!]\p{Han}`)

// verb is a place of an argument in a format.
var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*\d*(\.\d+)?([a-zA-Z%])`)

// places gives what a format takes: for each argument its verb.
func places(format string) map[int]string {
	taken := map[int]string{}
	next := 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		if m[3] == "%" {
			continue
		}
		if m[1] != "" {
			next, _ = strconv.Atoi(strings.Trim(m[1], "[]"))
		}
		taken[next] = m[3]
		next++
	}
	return taken
}

// pair looks at a text of a report or of the command line. One that begins with
// a space is a piece of a sentence whose Chinese may say it elsewhere.
func (r *reader) pair(n ast.Node, one, two ast.Expr) {
	r.said++
	en, ok1 := literal(one)
	zh, ok2 := literal(two)
	if ok1 && ok2 && letters(en) && !chinese(zh) && en != zh && en[0] != ' ' {
		r.complain(n, "no Chinese for %q", en)
	}
	if ok1 && ok2 && r.strict && halfWidth.MatchString(zh) {
		r.complain(n, "%q: Chinese is punctuated with ，；：？！", zh)
	}
	if a, b := places(en), places(zh); ok1 && ok2 && len(a) != len(b) {
		r.complain(n, "%q and %q take different arguments", en, zh)
	}
}

func (r *reader) say(call *ast.CallExpr) {
	if len(call.Args) < 2 {
		r.complain(call, "Say takes a format in each language")
		return
	}
	en, ok1 := literal(call.Args[0])
	zh, ok2 := literal(call.Args[1])
	switch {
	case !ok1 || !ok2:
		r.complain(call, "the formats of Say must be literals")
		return
	case en == "":
		r.complain(call, "no English")
	case letters(verb.ReplaceAllString(en, "")) && !chinese(zh):
		r.complain(call, "no Chinese for %q", en)
	case r.strict && halfWidth.MatchString(zh):
		r.complain(call, "%q: Chinese is punctuated with ，；：？！", zh)
	}
	args := len(call.Args) - 2
	if args == 0 {
		return
	}
	inEN, inZH := places(en), places(zh)
	if len(inEN) != args || len(inZH) != args {
		r.complain(call, "%d arguments, of which English takes %d and Chinese %d", args, len(inEN), len(inZH))
	}
	for n, v := range inEN {
		if inZH[n] != v {
			r.complain(call, "argument %d is %%%s in English and %%%s in Chinese", n, v, inZH[n])
		}
	}
}

// calledName gives the name of a called function as it is written.
func calledName(call *ast.CallExpr) string {
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// literal gives the text of a string literal, or of several put together.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, ok1 := literal(e.X)
		y, ok2 := literal(e.Y)
		return x + y, ok1 && ok2 && e.Op == token.ADD
	case *ast.ParenExpr:
		return literal(e.X)
	}
	return "", false
}

func letters(s string) bool {
	return strings.ContainsFunc(verb.ReplaceAllString(s, ""), unicode.IsLetter)
}

func chinese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}
