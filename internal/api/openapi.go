package api

import "strings"

// openapi describes the surface in OpenAPI 3.1, from the table of routes.
func (s *Server) openapi() map[string]any {
	paths := map[string]any{}
	for _, r := range s.routes() {
		op := map[string]any{"operationId": r.ID, "summary": r.Summary}
		for k, v := range r.operation {
			op[k] = v
		}
		responses := map[string]any{"default": ref("responses", "Problem")}
		if own, ok := op["responses"].(map[string]any); ok {
			for k, v := range own {
				responses[k] = v
			}
		} else {
			responses["200"] = map[string]any{"description": "as asked"}
		}
		op["responses"] = responses
		if !r.Open {
			op["security"] = []any{map[string]any{"key": []any{}}}
		}
		item, _ := paths[r.Path].(map[string]any)
		if item == nil {
			item = map[string]any{}
			paths[r.Path] = item
		}
		item[strings.ToLower(r.Method)] = op
	}
	version := s.o.Version["version"]
	if version == "" {
		version = "0"
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "daozhang", "version": version, "summary": "Where the money of card payments is, why, who acts, and when it arrives."},
		"paths":   paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"key": map[string]any{"type": "http", "scheme": "bearer", "description": "an API key, made by `daozhang keys add`"}},
			"responses": map[string]any{"Problem": map[string]any{"description": "an RFC 9457 problem",
				"content": map[string]any{"application/problem+json": map[string]any{"schema": ref("schemas", "Problem")}}}},
			"schemas": schemas,
		},
	}
}

func ref(kind, name string) map[string]any {
	return map[string]any{"$ref": "#/components/" + kind + "/" + name}
}

type object = map[string]any

func typed(t, description string) object { return object{"type": t, "description": description} }

var rejection = object{"type": "object", "properties": object{
	"line": typed("integer", "of the body, from 1"), "evidence": typed("string", "source#id"), "why": typed("string", "the reason; it repeats no value")}}

var schemas = object{
	"Problem": object{"type": "object", "required": []any{"type", "title", "status"}, "properties": object{
		"type": typed("string", "a URI"), "title": typed("string", ""), "status": typed("integer", ""), "detail": typed("string", ""),
		"instance": typed("string", "the request's id, as X-Request-Id"), "hint": typed("string", "what the caller can do"),
		"errors":     object{"type": "array", "items": rejection},
		"candidates": object{"type": "array", "items": object{"type": "string"}, "description": "ids among which to choose"}}},
	"CloudEvent": object{"type": "object", "required": []any{"specversion", "id", "source", "type", "time", "data"}, "properties": object{
		"specversion": object{"const": "1.0"}, "id": typed("string", "with source the identity of the fact"), "source": typed("string", "the witness"),
		"type": typed("string", "daozhang. and a type of the contract"), "time": object{"type": "string", "format": "date-time"},
		"recordedtime": object{"type": "string", "format": "date-time"}, "data": object{"type": "object"}}},
	"Received": object{"type": "object", "required": []any{"added", "repeated"}, "properties": object{
		"added": typed("integer", "new facts"), "repeated": typed("integer", "facts that were there already"),
		"contradicts": object{"type": "array", "items": object{"type": "string"}, "description": "source#id of facts that were there with other content"},
		"rejected":    object{"type": "array", "items": rejection}}},
}

var evidenceOperation = object{
	"description": "Idempotent by the facts' own identity (source and id). What a key may bring follows from its role and its sources.",
	"requestBody": object{"required": true, "content": object{
		"application/cloudevents+json":       object{"schema": ref("schemas", "CloudEvent")},
		"application/cloudevents-batch+json": object{"schema": object{"type": "array", "items": ref("schemas", "CloudEvent")}},
		"application/x-ndjson":               object{"schema": typed("string", "one CloudEvent per line")}}},
	"responses": object{"200": object{"description": "kept; what was not taken is listed",
		"content": object{"application/json": object{"schema": ref("schemas", "Received")}}}},
}

var whereaboutsOperation = object{
	"parameters": []any{
		object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string"},
			"description": "the payment's id, its RRN (ISO 8583 field 37), another of its keys, or the UUID of our transaction"},
		object{"name": "lang", "in": "query", "schema": object{"enum": []any{"en", "zh"}}, "description": "of the card; else Accept-Language"}},
	"responses": object{"200": object{"description": "one payment of the answer, as the evidence contract has it, with advice",
		"content": object{"application/json": object{"schema": object{"type": "object"}}, "text/plain": object{"schema": typed("string", "the card that people read")}}}},
}
