package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/api"
)

var (
	update  = flag.Bool("update", false, "write docs/openapi.json")
	release = flag.Bool("release", false, "take docs/openapi.json for what clients rely on")
)

var (
	committed = filepath.Join("..", "..", "docs", "openapi.json")
	// released is what clients of the last release rely on.
	released = filepath.Join("testdata", "released.json")
)

// TestOpenAPIFresh holds the committed description against the one that is served.
func TestOpenAPIFresh(t *testing.T) {
	served := newWorld(t, nil).do("GET", "/v1/openapi.json", "", "").Body.Bytes()
	if *update {
		write(t, committed, served)
	}
	kept, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, served) {
		t.Errorf("%s is not what is served: run go test ./internal/api -run OpenAPI -update, and read the difference", committed)
	}
	if *release {
		write(t, released, served)
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOpenAPIStyle: names are snake_case, every operation has a summary and a tag,
// every parameter a meaning or a closed set of values, and every reference leads
// somewhere.
func TestOpenAPIStyle(t *testing.T) {
	doc := document(t, committed)
	snake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	ids := map[string]bool{}
	for name, o := range doc.operations() {
		id, _ := o["operationId"].(string)
		if id == "" || ids[id] || o["summary"] == nil || o["tags"] == nil {
			t.Errorf("%s: operationId %q, summary %v, tags %v", name, id, o["summary"], o["tags"])
		}
		ids[id] = true
		for _, p := range list(o["parameters"]) {
			if n := text(p["name"]); text(p["in"]) != "header" && !snake.MatchString(n) {
				t.Errorf("%s: parameter %s is not snake_case", name, n)
			}
		}
	}
	for name, s := range doc.schemas() {
		for field := range object(s["properties"]) {
			if !snake.MatchString(field) {
				t.Errorf("%s.%s is not snake_case", name, field)
			}
		}
	}
	raw, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllSubmatch(raw, -1) {
		if doc.schemas()[string(m[1])] == nil {
			t.Errorf("there is no schema %s", m[1])
		}
	}
}

// TestOpenAPICompatible: nothing on which a client of the last release relies has
// gone, unless the version says so.
func TestOpenAPICompatible(t *testing.T) {
	before, now := document(t, released), document(t, committed)
	if major(before) != major(now) {
		t.Skipf("version %s may break clients of %s", version(now), version(before))
	}
	for _, b := range breaks(before, now) {
		t.Error(b)
	}
	if version(now) != api.Version {
		t.Errorf("the document is of version %s, the package of %s", version(now), api.Version)
	}
}

// TestDoctored: each way to break a client is found in a document that was
// tampered with, and nothing else is.
func TestDoctored(t *testing.T) {
	const payment, list = "components/schemas/Payment", "paths//v1/payments/get"
	for name, c := range map[string]struct {
		at     string
		change func(map[string]any)
		want   string // "" where nothing breaks
	}{
		"a path has gone":               {"paths", func(o map[string]any) { delete(o, "/v1/payouts") }, "GET /v1/payouts has gone"},
		"an operation has gone":         {"paths//v1/payments", func(o map[string]any) { delete(o, "get") }, "GET /v1/payments has gone"},
		"an operation has another name": {list, func(o map[string]any) { o["operationId"] = "findPayments" }, "operationId"},
		"a parameter has gone":          {list, func(o map[string]any) { o["parameters"] = o["parameters"].([]any)[1:] }, "has gone"},
		"a parameter is required now":   {list, func(o map[string]any) { object(o["parameters"].([]any)[3])["required"] = true }, "is required now"},
		"a parameter takes less": {list, func(o map[string]any) {
			s := object(parameter(o, "status")["schema"])
			items := object(s["items"])
			items["enum"] = items["enum"].([]any)[1:]
		}, "does not take"},
		"a limit is lower": {list, func(o map[string]any) { object(parameter(o, "limit")["schema"])["maximum"] = 10.0 }, "maximum"},
		"a new parameter must be there": {list, func(o map[string]any) {
			add(o, "parameters", map[string]any{"name": "x", "in": "query", "required": true, "schema": map[string]any{"type": "string"}})
		}, "x is new and required"},
		"an answer's field has gone":   {payment + "/properties", func(o map[string]any) { delete(o, "rrn") }, "rrn has gone"},
		"an answer's field may lack":   {payment, func(o map[string]any) { o["required"] = remove(o["required"], "amount") }, "amount may lack now"},
		"an answer's field is another": {payment + "/properties/amount", func(o map[string]any) { o["type"] = "string" }, "type"},
		"a status of success has gone": {list + "/responses", func(o map[string]any) { delete(o, "200") }, "200"},
		"a form of answer has gone":    {"paths//v1/payments/{id}/whereabouts/get/responses/200/content", func(o map[string]any) { delete(o, "text/plain") }, "text/plain"},
		"a body's field must be there": {"components/schemas/Release", func(o map[string]any) {
			add(o, "required", "why")
			object(o["properties"])["why"] = map[string]any{"type": "string"}
		}, "why is new and required"},
		"a body's field has gone":  {"components/schemas/Release/properties", func(o map[string]any) { delete(o, "checker") }, "checker is not taken"},
		"a key is needed now":      {"paths//livez/get", func(o map[string]any) { o["security"] = []any{map[string]any{"key": []any{}}} }, "needs a key"},
		"a new path":               {"paths", func(o map[string]any) { o["/v1/more"] = map[string]any{} }, ""},
		"a new field of an answer": {payment + "/properties", func(o map[string]any) { o["more"] = map[string]any{"type": "string"} }, ""},
		"a new value of an answer": {payment + "/properties/stage", func(o map[string]any) { add(o, "enum", "lost") }, ""},
		"a new parameter that may lack": {list, func(o map[string]any) {
			add(o, "parameters", map[string]any{"name": "x", "in": "query", "schema": map[string]any{"type": "string"}})
		}, ""},
		"another text":                  {list, func(o map[string]any) { o["summary"] = "All payments." }, ""},
		"a body's field that may lack":  {"components/schemas/Release/properties", func(o map[string]any) { o["why"] = map[string]any{"type": "string"} }, ""},
		"a body's field may lack now":   {"components/schemas/Release", func(o map[string]any) { o["required"] = remove(o["required"], "checker") }, ""},
		"an answer's field is sure now": {payment, func(o map[string]any) { add(o, "required", "rrn") }, ""},
		"a limit is higher":             {list, func(o map[string]any) { object(parameter(o, "limit")["schema"])["maximum"] = 1000.0 }, ""},
		"a parameter takes more":        {list, func(o map[string]any) { add(object(object(parameter(o, "status")["schema"])["items"]), "enum", "lost") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, now := document(t, committed), document(t, committed)
			c.change(now.at(t, c.at))
			got := breaks(before, now)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), c.want)) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// TestDocs: the page shows every operation, asks no other host for anything, and
// has no script.
func TestDocs(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do("GET", "/docs", "", "")
	page := rec.Body.String()
	if rec.Code != 200 || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatal(rec.Code, rec.Header())
	}
	for name, o := range document(t, committed).operations() {
		if id := text(o["operationId"]); !strings.Contains(page, `id="`+id+`"`) || !strings.Contains(page, `href="#`+id+`"`) {
			t.Errorf("the page lacks %s", name)
		}
	}
	if m := regexp.MustCompile(`(src|href)="(https?:)?//|<script|style=`).FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	if rec := w.do("GET", "/docs/docs.css", "", ""); rec.Code != 200 || rec.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Error(rec.Code, rec.Header())
	}
}

// TestMethods: what is not there, and what is there by another method.
func TestMethods(t *testing.T) {
	w := newWorld(t, nil)
	if rec := w.do("DELETE", "/v1/payments", "institution-key", ""); rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET" {
		t.Errorf("%d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
	if rec := w.do("GET", "/v1/evidence", "bank-key", "", "Accept-Language", "zh"); rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "POST" || !strings.Contains(rec.Body.String(), "只支持 POST") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	s := httptest.NewServer(w.server)
	defer s.Close()
	res, err := http.Head(s.URL + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 || res.StatusCode != 200 {
		t.Error(res.Status, b, err)
	}
}

// openapi is a document as it stands in JSON.
type openapi map[string]any

func document(t *testing.T, name string) openapi {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc openapi
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func (d openapi) schemas() map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, s := range object(object(d["components"])["schemas"]) {
		out[name] = object(s)
	}
	return out
}

// operations are all of them by method and path.
func (d openapi) operations() map[string]map[string]any {
	out := map[string]map[string]any{}
	for path, item := range object(d["paths"]) {
		for method, o := range object(item) {
			out[strings.ToUpper(method)+" "+path] = object(o)
		}
	}
	return out
}

// at is the object at a place of the document; a path of the surface is one part,
// behind two slashes.
func (d openapi) at(t *testing.T, place string) map[string]any {
	t.Helper()
	at := map[string]any(d)
	if rest, ok := strings.CutPrefix(place, "paths//"); ok {
		at = object(at["paths"])
		for path := range at {
			if tail, ok := strings.CutPrefix("/"+rest, path); ok && (tail == "" || slices.Contains([]string{"get", "post"}, strings.Split(tail, "/")[1])) {
				at, place = object(at[path]), strings.TrimPrefix(tail, "/")
				break
			}
		}
	}
	if place == "" {
		return at
	}
	// A media type has a slash of its own.
	for _, part := range strings.Split(place, "/") {
		next, ok := at[part].(map[string]any)
		if !ok {
			t.Fatalf("there is no %s in %v", part, slices.Collect(maps.Keys(at)))
		}
		at = next
	}
	return at
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }

func text(v any) string { s, _ := v.(string); return s }

func list(v any) (out []map[string]any) {
	all, _ := v.([]any)
	for _, x := range all {
		out = append(out, object(x))
	}
	return out
}

func add(o map[string]any, name string, v any) {
	all, _ := o[name].([]any)
	o[name] = append(slices.Clone(all), v)
}

func remove(v any, name string) []any {
	return slices.DeleteFunc(slices.Clone(v.([]any)), func(x any) bool { return x == name })
}

func parameter(o map[string]any, name string) map[string]any {
	for _, p := range list(o["parameters"]) {
		if text(p["name"]) == name {
			return p
		}
	}
	return nil
}

func version(d openapi) string { return text(object(d["info"])["version"]) }

func major(d openapi) string { m, _, _ := strings.Cut(version(d), "."); return m }

// breaks says in what a document breaks clients of the one before it.
func breaks(before, now openapi) (all []string) {
	b := breach{before: before, now: now}
	for _, name := range slices.Sorted(maps.Keys(before.operations())) {
		b.operation(name, before.operations()[name], now.operations()[name])
	}
	return b.found
}

// breach looks for what breaks clients.
type breach struct {
	before, now openapi
	found       []string
	seen        map[string]bool // pairs of references that are being compared
}

func (b *breach) say(format string, args ...any) {
	b.found = append(b.found, fmt.Sprintf(format, args...))
}

func (b *breach) operation(name string, old, new map[string]any) {
	if new == nil {
		b.say("%s has gone", name)
		return
	}
	if old["operationId"] != new["operationId"] {
		b.say("%s: its operationId was %v", name, old["operationId"])
	}
	if old["security"] == nil && new["security"] != nil {
		b.say("%s needs a key now", name)
	}
	b.parameters(name, old, new)
	oldBody, newBody := object(old["requestBody"]), object(new["requestBody"])
	if oldBody["required"] != true && newBody["required"] == true {
		b.say("%s: the body is required now", name)
	}
	for media, m := range object(oldBody["content"]) {
		n, ok := object(newBody["content"])[media]
		if !ok {
			b.say("%s does not take %s any more", name, media)
			continue
		}
		b.seen = map[string]bool{}
		b.taken(name+" body", object(object(m)["schema"]), object(object(n)["schema"]))
	}
	for status, r := range object(old["responses"]) {
		now, ok := object(new["responses"])[status]
		if !ok {
			b.say("%s does not answer %s any more", name, status)
			continue
		}
		for media, m := range object(object(r)["content"]) {
			n, ok := object(object(now)["content"])[media]
			if !ok {
				b.say("%s does not answer %s any more", name, media)
				continue
			}
			b.seen = map[string]bool{}
			b.given(name+" "+status, object(object(m)["schema"]), object(object(n)["schema"]))
		}
	}
}

func (b *breach) parameters(name string, old, new map[string]any) {
	for _, p := range list(old["parameters"]) {
		n := parameter(new, text(p["name"]))
		switch {
		case n == nil:
			b.say("%s: the parameter %v has gone", name, p["name"])
			continue
		case p["required"] != true && n["required"] == true:
			b.say("%s: the parameter %v is required now", name, p["name"])
		}
		b.seen = map[string]bool{}
		b.taken(fmt.Sprintf("%s %v", name, p["name"]), object(p["schema"]), object(n["schema"]))
	}
	for _, n := range list(new["parameters"]) {
		if n["required"] == true && parameter(old, text(n["name"])) == nil {
			b.say("%s: the parameter %v is new and required", name, n["name"])
		}
	}
}

// both follows references; known is true where the pair is being compared already.
func (b *breach) both(old, new map[string]any) (o, n map[string]any, known bool) {
	pair := text(old["$ref"]) + " " + text(new["$ref"])
	if pair != " " {
		known = b.seen[pair]
		b.seen[pair] = true
	}
	follow := func(d openapi, s map[string]any) map[string]any {
		if name, ok := strings.CutPrefix(text(s["$ref"]), "#/components/schemas/"); ok {
			return d.schemas()[name]
		}
		return s
	}
	return follow(b.before, old), follow(b.now, new), known
}

func (b *breach) kind(where string, old, new map[string]any) {
	if fmt.Sprint(old["type"]) != fmt.Sprint(new["type"]) || text(old["format"]) != text(new["format"]) {
		b.say("%s: the type was %v %v, is %v %v", where, old["type"], text(old["format"]), new["type"], text(new["format"]))
	}
}

// taken compares what callers send: what was taken must still be.
func (b *breach) taken(where string, old, new map[string]any) {
	old, new, known := b.both(old, new)
	if known || old == nil {
		return
	}
	b.kind(where, old, new)
	if values, _ := new["enum"].([]any); values != nil {
		before, _ := old["enum"].([]any)
		for _, v := range before {
			if !slices.Contains(values, v) {
				b.say("%s does not take %v any more", where, v)
			}
		}
		if before == nil {
			b.say("%s does not take any value any more", where)
		}
	}
	for bound, sign := range map[string]float64{"maximum": 1, "maxLength": 1, "maxItems": 1, "minimum": -1, "minLength": -1, "minItems": -1} {
		o, had := old[bound].(float64)
		if n, has := new[bound].(float64); has && (!had || sign*n < sign*o) {
			b.say("%s: its %s is narrower", where, bound)
		}
	}
	if p := new["pattern"]; p != nil && p != old["pattern"] {
		b.say("%s: its pattern was %v", where, old["pattern"])
	}
	oldFields, newFields := object(old["properties"]), object(new["properties"])
	for field, o := range oldFields {
		n, ok := newFields[field]
		if !ok {
			b.say("%s: %s is not taken any more", where, field)
			continue
		}
		b.taken(where+"."+field, object(o), object(n))
	}
	for _, r := range strings.Fields(names(new["required"])) {
		switch _, there := oldFields[r]; {
		case there && !strings.Contains(names(old["required"]), " "+r+" "):
			b.say("%s: %s is required now", where, r)
		case !there && oldFields != nil:
			b.say("%s: %s is new and required", where, r)
		}
	}
	if old["items"] != nil {
		b.taken(where+"[]", object(old["items"]), object(new["items"]))
	}
}

// given compares what callers get: what was there must still be.
func (b *breach) given(where string, old, new map[string]any) {
	old, new, known := b.both(old, new)
	if known || old == nil {
		return
	}
	b.kind(where, old, new)
	newFields := object(new["properties"])
	for field, o := range object(old["properties"]) {
		n, ok := newFields[field]
		if !ok {
			b.say("%s: %s has gone", where, field)
			continue
		}
		if strings.Contains(names(old["required"]), " "+field+" ") && !strings.Contains(names(new["required"]), " "+field+" ") {
			b.say("%s: %s may lack now", where, field)
		}
		b.given(where+"."+field, object(o), object(n))
	}
	if old["items"] != nil {
		b.given(where+"[]", object(old["items"]), object(new["items"]))
	}
	if o := object(old["additionalProperties"]); o != nil {
		b.given(where+".*", o, object(new["additionalProperties"]))
	}
}

// names are the strings of a list with spaces around each.
func names(v any) string {
	all, _ := v.([]any)
	return " " + strings.Trim(fmt.Sprint(all), "[]") + " "
}
