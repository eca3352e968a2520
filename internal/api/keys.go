package api

import (
	"net/http"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// APIKey is a key as its owner looks at it, without the key itself.
type APIKey struct {
	ID      string    `json:"id"`
	Name    string    `json:"name" doc:"by which people know it"`
	Role    string    `json:"role" doc:"which facts it may bring, and what it may do"`
	MID     string    `json:"mid,omitempty" doc:"the only merchant that it may see and speak for; absent for all"`
	Sources []string  `json:"sources" doc:"sources of the facts that it may bring; a star at the end stands for the rest"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero" doc:"last use, to the minute; absent for never"`
	Revoked time.Time `json:"revoked,omitzero" doc:"when it ends or ended; absent while nobody has said so"`
}

// APIKeyList are all keys.
type APIKeyList struct {
	Items []APIKey `json:"items"`
}

// APIKeyMade is a key with its secret.
type APIKeyMade struct {
	APIKey
	Secret string `json:"secret" doc:"the key itself, for Authorization: Bearer; shown this once"`
}

func (s *Server) keyOperations() {
	absent := s.o.Developers == nil
	register(s, operation{Method: "GET", Path: "/v1/keys", ID: "listKeys", Tag: "keys", Summary: "API keys, without the keys themselves.",
		Action: access.ReadDevelopers, Narrows: true, Absent: absent}, s.listKeys)
	register(s, operation{Method: "POST", Path: "/v1/keys", ID: "postKey", Tag: "keys", Summary: "Make an API key.", Secret: true, Status: http.StatusCreated,
		Action: access.ChangeDevelopers, Absent: absent}, s.postKey)
	register(s, operation{Method: "POST", Path: "/v1/keys/{id}/rotate", ID: "rotateKey", Tag: "keys", Summary: "Make a key in place of one that is there.", Secret: true,
		Description: "The former works for a grace time, 24 hours where none is said.", Action: access.ChangeDevelopers, Absent: absent}, s.rotateKey)
	register(s, operation{Method: "POST", Path: "/v1/keys/{id}/revoke", ID: "revokeKey", Tag: "keys", Summary: "End a key at once.", Action: access.ChangeDevelopers, Repeats: true, Absent: absent}, s.revokeKey)
}

func apiKeyOf(k *access.Key) APIKey {
	out := APIKey{k.ID, k.Name, k.Role, k.MID, k.Sources, k.Created.UTC(), k.Used, k.Revoked}
	if out.Sources == nil {
		out.Sources = []string{}
	}
	return out
}

func (s *Server) listKeys(c *call, _ *nothing) (*APIKeyList, error) {
	all, err := s.o.Developers.Keys.Keys(c.Context())
	out := &APIKeyList{Items: []APIKey{}}
	for i := range all {
		if c.only == "" || all[i].MID == c.only {
			out.Items = append(out.Items, apiKeyOf(&all[i]))
		}
	}
	return out, err
}

type keyMaking struct {
	Body struct {
		Name    string   `json:"name" minLength:"1" maxLength:"100" doc:"by which people know it"`
		Role    string   `json:"role" maxLength:"40" doc:"institution, platform, bank, network, issuer, merchant, terminal, vendor or auditor"`
		MID     string   `json:"mid,omitempty" maxLength:"64" doc:"the only merchant that it may see and speak for (ISO 8583 field 42)"`
		Sources []string `json:"sources,omitempty" maxItems:"20" doc:"sources of the facts that it may bring"`
	}
}

func (s *Server) postKey(c *call, in *keyMaking) (*APIKeyMade, error) {
	b := &in.Body
	k, secret, err := s.o.Developers.Keys.MakeKey(c.Context(), access.Key{Name: b.Name, Role: b.Role, MID: b.MID, Sources: b.Sources})
	if err != nil {
		return nil, fieldsOf(err, "body")
	}
	return &APIKeyMade{apiKeyOf(&k), secret}, c.did("made", "key/"+k.ID, k.MID, "", k.Role+" "+k.Name)
}

type keyAsked struct {
	ID string `path:"id" maxLength:"64" doc:"id of the key"`
}

type keyRotating struct {
	ID    string        `path:"id" maxLength:"64" doc:"id of the key"`
	Grace optional[int] `query:"grace" minimum:"0" maximum:"2592000" doc:"seconds for which the former key still works"`
}

func (s *Server) rotateKey(c *call, in *keyRotating) (*APIKeyMade, error) {
	grace := access.KeyGrace
	if in.Grace.Set {
		grace = time.Duration(in.Grace.Value) * time.Second
	}
	k, secret, err := s.o.Developers.Keys.RotateKey(c.Context(), in.ID, grace)
	if err != nil {
		return nil, err
	}
	return &APIKeyMade{apiKeyOf(&k), secret}, c.did("rotated", "key/"+in.ID, k.MID, in.ID, k.ID)
}

func (s *Server) revokeKey(c *call, in *keyAsked) (*Removed, error) {
	if in.ID == c.key.ID {
		return nil, fault.New(fault.NotAllowed, fault.Say("revoke API key", "吊销 API 密钥"), in.ID, fault.Say("a key does not end itself", "密钥不能吊销自己"), fault.Say("use another one", "请使用另一个密钥"))
	}
	if err := s.o.Developers.Keys.RevokeKey(c.Context(), in.ID); err != nil {
		return nil, err
	}
	return &Removed{in.ID}, c.did("revoked", "key/"+in.ID, "", "", "")
}
