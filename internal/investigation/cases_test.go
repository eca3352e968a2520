package investigation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// The cases are what a support person would tell: facts in, answer out. Each is a
// txtar archive under testdata/cases. Its comment tells the story, then come
//
//	-- facts --
//	TIME SOURCE TYPE [recorded=TIME] [id=ID] {data as JSON}
//
// one fact per line, TYPE without its prefix "daozhang."; blank lines and lines
// that begin with # do not count. The n-th fact has the id eN unless id= names it.
// Then, as often as the answer changes,
//
//	-- ask TIME --
//	payment rrn=606110000001
//	  status = held
//	  cause.evidence has terminal/T1#e3
//
// A block names one object of the answer by its fields (payment, incident, map,
// account, ambiguous, unplaced, warning, rejected), and each line PATH OPERATOR VALUE
// below it checks one path in it. Times are compared as instants, numbers as numbers.
// `!=` holds when no value at the path equals, `has` when one does.
// `count LIST [FIELD=VALUE…] = N` counts the objects of a list.

// lists maps the word of a block to the list of the answer it selects from.
var lists = map[string]string{
	"payment":   "payments",
	"incident":  "incidents",
	"map":       "money_map",
	"account":   "accounts",
	"ambiguous": "ambiguous",
	"unplaced":  "unplaced",
	"warning":   "warnings",
	"rejected":  "rejected",
}

var operators = map[string]bool{
	"=": true, "!=": true, ">=": true, "<=": true, "has": true, "absent": true, "present": true,
}

type story struct {
	facts []fact
	asks  []ask
}

// fact is one line of a case; line is its CloudEvents form.
type fact struct {
	ref    string
	typ    string
	time   time.Time
	known  time.Time
	booked bool
	line   []byte
}

// knownAt reports whether the fact counts at asOf (rule 2 of the contract).
func (f fact) knownAt(asOf time.Time) bool {
	return !f.time.After(asOf) && !f.known.After(asOf)
}

type ask struct {
	asOf   time.Time
	blocks []block
}

type block struct {
	header string
	list   string
	where  []check
	count  *check
	checks []check
}

type check struct{ path, op, want string }

func (c check) String() string { return strings.TrimSpace(c.path + " " + c.op + " " + c.want) }

func TestCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases under testdata/cases (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := parseStory(txtar.Parse(raw))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range c.asks {
				t.Run(a.asOf.Format("2006-01-02T15.04.05"), func(t *testing.T) { c.run(t, a) })
			}
		})
	}
}

// run asks once, checks what the case says and what holds for every answer, and
// asks again with the facts in other orders.
func (c story) run(t *testing.T, a ask) {
	got := answer(t, c.ndjson(nil), a.asOf)
	for seed := range uint64(3) {
		order := rand.New(rand.NewPCG(seed, 2026)).Perm(len(c.facts))
		if again := answer(t, c.ndjson(order), a.asOf); !bytes.Equal(withoutLines(t, got), withoutLines(t, again)) {
			t.Errorf("the answer depends on the order of the facts (seed %d): %s", seed, firstDifference(got, again))
			break
		}
	}
	dec := json.NewDecoder(bytes.NewReader(got))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("the answer is not a JSON object: %v\n%s", err, got)
	}
	for _, b := range a.blocks {
		b.run(t, doc)
	}
	for _, problem := range c.invariants(doc, a.asOf) {
		t.Error(problem)
	}
}

// withoutLines leaves out the refused lines of an answer that has some, because their
// line numbers follow the order in which the facts were written.
func withoutLines(t *testing.T, answer []byte) []byte {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(answer, &doc); err != nil {
		t.Fatalf("the answer is not a JSON object: %v\n%s", err, answer)
	}
	if list := bytes.TrimSpace(doc["rejected"]); len(list) == 0 || string(list) == "[]" {
		return answer
	}
	delete(doc, "rejected")
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c story) ndjson(order []int) []byte {
	var out bytes.Buffer
	for i := range c.facts {
		j := i
		if order != nil {
			j = order[i]
		}
		out.Write(c.facts[j].line)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func (b block) run(t *testing.T, doc map[string]any) {
	t.Helper()
	var found []map[string]any
	var all []string
	for _, item := range objects(doc[b.list]) {
		all = append(all, compact(item))
		fits := true
		for _, w := range b.where {
			fits = fits && w.holds(item) == nil
		}
		if fits {
			found = append(found, item)
		}
	}
	if b.count != nil {
		if err := b.count.compare(json.Number(fmt.Sprint(len(found)))); err != nil {
			t.Errorf("%s: %v\n%s", b.header, err, strings.Join(all, "\n"))
		}
		return
	}
	if len(found) != 1 {
		t.Errorf("%s selects %d, want exactly one of:\n%s", b.header, len(found), strings.Join(all, "\n"))
		return
	}
	var wrong []string
	for _, c := range b.checks {
		if err := c.holds(found[0]); err != nil {
			wrong = append(wrong, "  "+err.Error())
		}
	}
	if wrong != nil {
		t.Errorf("%s:\n%s\nin %s", b.header, strings.Join(wrong, "\n"), compact(found[0]))
	}
}

// holds checks one path of an object.
func (c check) holds(object map[string]any) error {
	values := lookup(object, strings.Split(c.path, "."))
	switch c.op {
	case "absent":
		if len(values) != 0 {
			return fmt.Errorf("%s, but it is %s", c, compact(values[0]))
		}
		return nil
	case "present":
		if len(values) == 0 {
			return fmt.Errorf("%s, but it is absent", c)
		}
		return nil
	case "has", "!=":
		hit := false
		for _, v := range flatten(values) {
			hit = hit || equal(v, c.want)
		}
		if hit != (c.op == "has") {
			return fmt.Errorf("%s, but it is %s", c, compact(flatten(values)))
		}
		return nil
	}
	if len(values) != 1 {
		return fmt.Errorf("%s, but there are %d values", c, len(values))
	}
	return c.compare(values[0])
}

// compare checks one value by =, >= or <=.
func (c check) compare(got any) error {
	ok := false
	if c.op == "=" {
		ok = equal(got, c.want)
	} else if sign, comparable := order(got, c.want); comparable {
		ok = c.op == ">=" && sign >= 0 || c.op == "<=" && sign <= 0
	}
	if !ok {
		return fmt.Errorf("%s, but it is %s", c, compact(got))
	}
	return nil
}

func equal(got any, want string) bool {
	if sign, comparable := order(got, want); comparable {
		return sign == 0
	}
	return fmt.Sprint(got) == want
}

// order compares two numbers or two instants.
func order(got any, want string) (sign int, comparable bool) {
	switch v := got.(type) {
	case json.Number:
		g, ok := new(big.Rat).SetString(v.String())
		w, ok2 := new(big.Rat).SetString(want)
		if ok && ok2 {
			return g.Cmp(w), true
		}
	case string:
		g, err := time.Parse(time.RFC3339, v)
		w, err2 := time.Parse(time.RFC3339, want)
		if err == nil && err2 == nil {
			return g.Compare(w), true
		}
	}
	return 0, false
}

// lookup collects the values at a path; a segment that ends in [] fans out over a list.
func lookup(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	name, each := strings.CutSuffix(path[0], "[]")
	next, ok := object[name]
	if !ok {
		return nil
	}
	if !each {
		return lookup(next, path[1:])
	}
	var out []any
	list, _ := next.([]any)
	for _, item := range list {
		out = append(out, lookup(item, path[1:])...)
	}
	return out
}

func flatten(values []any) []any {
	out := []any{}
	for _, v := range values {
		if list, ok := v.([]any); ok {
			out = append(out, list...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

func objects(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			out = append(out, object)
		}
	}
	return out
}

func compact(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func firstDifference(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	around := func(s []byte) []byte { return s[max(0, i-80):min(len(s), i+80)] }
	return fmt.Sprintf("…%s… or …%s…", around(a), around(b))
}

// parseStory reads a case and refuses what the runner could not check.
func parseStory(archive *txtar.Archive) (story, error) {
	var c story
	if len(bytes.TrimSpace(archive.Comment)) == 0 {
		return c, fmt.Errorf("the case tells no story before its first section")
	}
	refs := map[string]bool{}
	for _, section := range archive.Files {
		switch name, rest, _ := strings.Cut(section.Name, " "); name {
		case "facts":
			for n, line := range strings.Split(string(section.Data), "\n") {
				if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
					continue
				}
				f, err := parseFact(line, len(c.facts)+1)
				if err != nil {
					return c, fmt.Errorf("facts, line %d: %w", n+1, err)
				}
				c.facts = append(c.facts, f)
				refs[f.ref] = true
			}
		case "ask":
			a, err := parseAsk(rest, string(section.Data))
			if err != nil {
				return c, fmt.Errorf("ask %s: %w", rest, err)
			}
			c.asks = append(c.asks, a)
		default:
			return c, fmt.Errorf("unknown section %q", section.Name)
		}
	}
	if len(c.facts) == 0 || len(c.asks) == 0 {
		return c, fmt.Errorf("a case needs facts and at least one ask")
	}
	for _, a := range c.asks {
		for _, b := range a.blocks {
			for _, k := range append(b.checks, b.where...) {
				if strings.HasSuffix(k.path, "evidence") && strings.Contains(k.want, "#") && !refs[k.want] {
					return c, fmt.Errorf("ask %s: %s: there is no fact %s", a.asOf, b.header, k.want)
				}
			}
		}
	}
	return c, nil
}

func parseFact(line string, ordinal int) (fact, error) {
	var f fact
	head, data, ok := strings.Cut(line, " {")
	words := strings.Fields(head)
	if !ok || len(words) < 3 {
		return f, fmt.Errorf("want TIME SOURCE TYPE {data}, got %q", line)
	}
	id := fmt.Sprintf("e%d", ordinal)
	var recorded string
	for _, word := range words[3:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "id":
			id = value
		case "recorded":
			recorded = value
		default:
			return f, fmt.Errorf("unknown option %q", word)
		}
	}
	var err error
	if f.time, err = time.Parse(time.RFC3339, words[0]); err != nil {
		return f, err
	}
	if recorded != "" {
		if f.known, err = time.Parse(time.RFC3339, recorded); err != nil {
			return f, err
		}
		if f.known.Before(f.time.Add(-10 * time.Minute)) { // a wrong clock: it happened when it was recorded
			f.time = f.known
		}
	}
	f.ref, f.typ = words[1]+"#"+id, words[2]
	raw := json.RawMessage("{" + data)
	var body struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return f, fmt.Errorf("data of %s: %w", f.ref, err)
	}
	f.booked = f.typ == "bank.entry" && body.Status == "booked"
	event := struct {
		SpecVersion  string          `json:"specversion"`
		ID           string          `json:"id"`
		Source       string          `json:"source"`
		Type         string          `json:"type"`
		Time         string          `json:"time"`
		RecordedTime string          `json:"recordedtime,omitempty"`
		Data         json.RawMessage `json:"data"`
	}{"1.0", id, words[1], "daozhang." + f.typ, words[0], recorded, raw}
	f.line, err = json.Marshal(event)
	return f, err
}

func parseAsk(at, body string) (ask, error) {
	var a ask
	var err error
	if a.asOf, err = time.Parse(time.RFC3339, at); err != nil {
		return a, err
	}
	for _, line := range strings.Split(body, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		// A check's second word is its operator; a block's never is.
		if words := strings.Fields(trimmed); len(words) > 1 && operators[words[1]] {
			if len(a.blocks) == 0 || a.blocks[len(a.blocks)-1].count != nil {
				return a, fmt.Errorf("%q belongs to no block", trimmed)
			}
			c, err := parseCheck(trimmed)
			if err != nil {
				return a, err
			}
			last := &a.blocks[len(a.blocks)-1]
			last.checks = append(last.checks, c)
			continue
		}
		b, err := parseBlock(trimmed)
		if err != nil {
			return a, err
		}
		a.blocks = append(a.blocks, b)
	}
	if len(a.blocks) == 0 {
		return a, fmt.Errorf("nothing is checked")
	}
	return a, nil
}

func parseBlock(line string) (block, error) {
	b := block{header: line}
	words := strings.Fields(line)
	if words[0] == "count" {
		if len(words) < 4 {
			return b, fmt.Errorf("want count LIST [FIELD=VALUE…] = N, got %q", line)
		}
		b.list = words[1]
		b.count = &check{"count", words[len(words)-2], words[len(words)-1]}
		words = words[1 : len(words)-2]
		known := false
		for _, list := range lists {
			known = known || list == b.list
		}
		if !known || b.count.op != "=" && b.count.op != ">=" && b.count.op != "<=" {
			return b, fmt.Errorf("cannot count %q", line)
		}
	} else if b.list = lists[words[0]]; b.list == "" {
		return b, fmt.Errorf("unknown block %q", line)
	}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return b, fmt.Errorf("selector %q is not FIELD=VALUE", word)
		}
		b.where = append(b.where, check{key, "=", value})
	}
	return b, nil
}

func parseCheck(line string) (check, error) {
	words := strings.SplitN(line, " ", 3)
	var c check
	c.path = words[0]
	if len(words) > 1 {
		c.op = words[1]
	}
	if len(words) > 2 {
		c.want = strings.TrimSpace(words[2])
	}
	unary := c.op == "absent" || c.op == "present"
	if !operators[c.op] || unary != (c.want == "") {
		return c, fmt.Errorf("cannot check %q", line)
	}
	return c, nil
}
