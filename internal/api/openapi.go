package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Version is that of the surface, which clients rely on: its first number changes
// where one of them could break.
const Version = "1.0.0"

// newHuma gives what checks requests and makes the OpenAPI document. It serves
// nothing by itself.
func (s *Server) newHuma() (huma.API, huma.Registry) {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "daozhang", Version: Version, Description: description},
			Components: &huma.Components{Schemas: schemas, SecuritySchemes: map[string]*huma.SecurityScheme{
				"key": {Type: "http", Scheme: "bearer", Description: "an API key, made by `daozhang keys add`"}}},
			Tags: tags},
		Formats: map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}, DefaultFormat: "application/json",
	}
	return humago.New(framed{s}, config), schemas
}

const description = "Where the money of card payments is, why, who acts, and when it arrives. Amounts are integers in minor units beside an ISO 4217 currency, " +
	"moments RFC 3339. Errors are RFC 9457 problems in the language of Accept-Language (en, zh). Lists come in pages: next_cursor of one is cursor of the next."

var tags = []*huma.Tag{
	{Name: "evidence", Description: "facts come in"},
	{Name: "payments", Description: "where the money is"},
	{Name: "payouts", Description: "orders to banks to pay merchants"},
	{Name: "overview", Description: "all money, by place and by fault"},
	{Name: "register", Description: "merchants and terminals"},
	{Name: "calendar", Description: "business days, and when money arrives"},
	{Name: "events", Description: "what happened, and who is told"},
	{Name: "webhooks", Description: "where events are posted to"},
	{Name: "keys", Description: "API keys"},
	{Name: "audit", Description: "what anybody changed"},
	{Name: "service", Description: "what machines ask about the service itself"},
}

var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}

// framed is a mux on which operations stand in the frame that all have.
type framed struct{ s *Server }

func (f framed) HandleFunc(pattern string, run func(http.ResponseWriter, *http.Request)) {
	f.s.mux.Handle(pattern, f.s.handle(f.s.operations[pattern], run))
}

func (f framed) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.s.ServeHTTP(w, r) }

// openapi is the document, the same for every installation.
func (s *Server) openapi() []byte {
	doc := s.huma.OpenAPI()
	incoming := map[string]bool{}
	for _, item := range doc.Paths {
		for _, m := range methods {
			if o := operationOf(item, m); o != nil && o.RequestBody != nil {
				for _, media := range o.RequestBody.Content {
					s.mark(incoming, media.Schema)
				}
			}
		}
	}
	for name, schema := range s.schemas.Map() {
		if !incoming[name] && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil // answers may come to have more
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(doc); err != nil {
		panic(err) // it is made of literals
	}
	return b.Bytes()
}

// mark notes the named schemas that one reaches.
func (s *Server) mark(seen map[string]bool, schema *huma.Schema) {
	if schema == nil {
		return
	}
	if name, ok := strings.CutPrefix(schema.Ref, "#/components/schemas/"); ok {
		if !seen[name] {
			seen[name] = true
			s.mark(seen, s.schemas.Map()[name])
		}
		return
	}
	s.mark(seen, schema.Items)
	for _, p := range schema.Properties {
		s.mark(seen, p)
	}
	if more, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		s.mark(seen, more)
	}
}

// operationOf gives the operation of a path by its method; nil where there is none.
func operationOf(item *huma.PathItem, method string) *huma.Operation {
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	}
	return item.Delete
}
