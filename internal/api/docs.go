package api

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// The documentation is made of the same document as /v1/openapi.json, once, on the
// server: it asks no other host for anything and reads without JavaScript.

//go:embed assets/docs.html assets/docs.css
var docsAssets embed.FS

var docsPage = template.Must(template.ParseFS(docsAssets, "assets/docs.html"))

// guide is the documentation as the page shows it.
type guide struct {
	Title, Version, Description string
	Tags                        []guideTag
}

type guideTag struct {
	Name, Description string
	Operations        []guideOperation
}

type guideOperation struct {
	ID, Method, Path, Summary, Description, Action string
	Open                                           bool
	Parameters                                     []guideField
	Bodies                                         []guideBody
}

// guideField is a parameter, or a field of a body at a depth.
type guideField struct {
	Name, In, Type, Meaning string
	Depth                   int
}

type guideBody struct {
	Name, Media, Meaning string
	Fields               []guideField
}

// docs serves the page and its style sheet.
func (s *Server) docs() {
	page := sync.OnceValue(func() []byte {
		s.document() // it finishes the schemas
		var b bytes.Buffer
		if err := docsPage.Execute(&b, s.guide()); err != nil {
			panic(err) // the template and the document are of this package
		}
		return b.Bytes()
	})
	serve := func(path, media string, content func() []byte) {
		s.mux.Handle("GET "+path, s.handle(&operation{Path: path, Open: true}, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			h.Set("Cache-Control", "no-cache")
			_ = callOf(r.Context()).raw(media, content())
		}))
	}
	style, err := docsAssets.ReadFile("assets/docs.css")
	if err != nil {
		panic(err)
	}
	serve("/docs", "text/html; charset=utf-8", page)
	serve("/docs/docs.css", "text/css; charset=utf-8", func() []byte { return style })
}

func (s *Server) guide() *guide {
	doc := s.huma.OpenAPI()
	g := guide{Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description}
	by := map[string][]guideOperation{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range methods {
			if o := operationOf(doc.Paths[path], method); o != nil {
				tag := "service"
				if len(o.Tags) > 0 {
					tag = o.Tags[0]
				}
				by[tag] = append(by[tag], s.guideOf(path, method, o))
			}
		}
	}
	for _, t := range doc.Tags {
		if len(by[t.Name]) > 0 {
			g.Tags = append(g.Tags, guideTag{t.Name, t.Description, by[t.Name]})
			delete(by, t.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		g.Tags = append(g.Tags, guideTag{Name: name, Operations: by[name]})
	}
	return &g
}

func (s *Server) guideOf(path, method string, o *huma.Operation) guideOperation {
	g := guideOperation{ID: o.OperationID, Method: method, Path: path, Summary: o.Summary, Description: o.Description, Open: len(o.Security) == 0}
	g.Action, _ = o.Extensions["x-action"].(string)
	for _, p := range o.Parameters {
		g.Parameters = append(g.Parameters, guideField{Name: p.Name, In: p.In, Type: s.typeOf(p.Schema, p.Required), Meaning: p.Description})
	}
	if o.RequestBody != nil {
		for _, media := range slices.Sorted(maps.Keys(o.RequestBody.Content)) {
			g.Bodies = append(g.Bodies, s.bodyOf("Request", media, o.RequestBody.Content[media].Schema))
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if status == "default" {
			continue // problems are the same everywhere
		}
		content := o.Responses[status].Content
		for _, media := range slices.Sorted(maps.Keys(content)) {
			g.Bodies = append(g.Bodies, s.bodyOf("Answer "+status, media, content[media].Schema))
		}
	}
	return g
}

func (s *Server) bodyOf(name, media string, schema *huma.Schema) guideBody {
	b := guideBody{Name: name, Media: media, Fields: s.fieldsOf(schema, 0)}
	if resolved := s.resolved(schema); len(b.Fields) == 0 && resolved != nil {
		b.Meaning = cmp.Or(resolved.Description, resolved.Type)
	}
	return b
}

// resolved follows a reference.
func (s *Server) resolved(schema *huma.Schema) *huma.Schema {
	if schema != nil && schema.Ref != "" {
		return s.schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// deepest is how far fields within fields are shown.
const deepest = 3

func (s *Server) fieldsOf(schema *huma.Schema, depth int) (list []guideField) {
	if schema = s.resolved(schema); schema == nil || depth > deepest {
		return nil
	}
	if schema.Items != nil {
		return s.fieldsOf(schema.Items, depth)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		meaning := p.Description
		if full := s.resolved(p); meaning == "" && full != nil {
			meaning = full.Description
		}
		list = append(list, guideField{Name: name, Type: s.typeOf(p, slices.Contains(schema.Required, name)), Meaning: meaning, Depth: depth})
		list = append(list, s.fieldsOf(p, depth+1)...)
	}
	return list
}

// typeOf says what a value may be.
func (s *Server) typeOf(schema *huma.Schema, required bool) string {
	full := s.resolved(schema)
	if full == nil {
		return ""
	}
	var parts []string
	switch {
	case full.Type == "array" && full.Items != nil:
		parts = append(parts, "list of "+s.typeOf(full.Items, true))
	case full.Format != "" && full.Format != "int64":
		parts = append(parts, full.Format)
	default:
		parts = append(parts, full.Type)
	}
	for _, v := range full.Enum {
		parts = append(parts, fmt.Sprint(v))
	}
	text := parts[0]
	if len(parts) > 1 {
		text = strings.Join(parts[1:], " · ")
	}
	if full.Default != nil {
		text += fmt.Sprintf(", else %v", full.Default)
	}
	if !required && full.Default == nil {
		text += ", optional"
	}
	return text
}
