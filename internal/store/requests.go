package store

import (
	"context"
	"encoding/json"
	"time"

	"daozhang/internal/fault"
)

// APIRequest is a request of the API under a name that its caller gave it, and
// its answer once there is one.
type APIRequest struct {
	// Key is the id of the API key, Name a hash of what the caller calls it, Digest a
	// hash of what is asked.
	Key    string `json:"-"`
	Name   string `json:"-"`
	Digest string `json:"digest"`
	// Holder is the one attempt that carries it out, until Until; Began is when the
	// first did.
	Holder string    `json:"holder"`
	Began  time.Time `json:"-"`
	Until  time.Time `json:"until"`
	// Done says that it was carried out. Status is 0 where the answer is not kept.
	Done   bool   `json:"done,omitempty"`
	Status int    `json:"status,omitempty"`
	Media  string `json:"media,omitempty"`
	Answer []byte `json:"answer,omitempty"`
	// Version is that of the row, from 1.
	Version uint32 `json:"-"`
}

var requestTable = &table{name: "api_request", columns: columns("api_key name version:n began:n body"), key: 2}

// oldRequests takes out those that began before a moment.
var oldRequests = &table{name: "api_request", columns: columns("began:n"), key: 1, part: true, statement: "DELETE FROM api_request WHERE began < $1"}

// requestTables follow those of the people in the order of writing.
var requestTables = []*table{requestTable, oldRequests}

// PutAPIRequest writes a request: version 1 is new, a later one follows the
// version that was read. The error is of kind fault.Conflict where another attempt
// was quicker; then nothing is changed.
func (s *Store) PutAPIRequest(ctx context.Context, r *APIRequest) error {
	if r.Key == "" || r.Name == "" || r.Digest == "" || r.Holder == "" || r.Version == 0 || r.Began.IsZero() {
		return invalid("request", "a request has a key, a name, a digest, a holder, a beginning and a version")
	}
	body, err := json.Marshal(r)
	if err != nil {
		return invalid("request", err.Error())
	}
	p := &prepared{subject: "request", at: micros(r.Began), decided: true}
	p.putVersion(requestTable, r.Version, row{r.Key, r.Name, int64(r.Version), micros(r.Began), string(body)})
	return s.submit(ctx, p)
}

// APIRequest gives the request of a key and a name. fault.NotFound where there is
// none.
func (s *Store) APIRequest(ctx context.Context, key, name string) (APIRequest, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT version, began, body FROM api_request WHERE api_key = $1 AND name = $2", key, name)
	if err != nil {
		return APIRequest{}, s.failed("read request from", err)
	}
	defer rows.Close()
	var all []APIRequest
	for rows.Next() {
		r := APIRequest{Key: key, Name: name}
		var body []byte
		var began int64
		if err = rows.Scan(&r.Version, &began, &body); err == nil {
			err = json.Unmarshal(body, &r)
		}
		if err != nil {
			break
		}
		r.Began = fromMicros(began)
		all = append(all, r)
	}
	if err == nil {
		err = rows.Err()
	}
	if err == nil && len(all) == 0 {
		return APIRequest{}, fault.New(fault.NotFound, fault.Say("find request", "查找请求"), "", fault.Say("there is none of that name", "没有这个名称的请求"), "")
	}
	return first(s, "read request", "", all, err)
}

// RemoveAPIRequest removes a request, as if it had never been; removing none is no
// error.
func (s *Store) RemoveAPIRequest(ctx context.Context, key, name string) error {
	return s.put(ctx, requestTable, remove, row{key, name})
}

// ExpireAPIRequests removes what began before a moment.
func (s *Store) ExpireAPIRequests(ctx context.Context, before time.Time) error {
	return s.put(ctx, oldRequests, run, row{micros(before)})
}
