package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// release is what two people decide about a payment that risk holds.
type release struct {
	// Maker asks for it, Checker agrees.
	Maker   string `json:"maker"`
	Checker string `json:"checker"`
}

// check says what is wrong with a decision.
func (r *release) check(id string) error {
	r.Maker, r.Checker = strings.TrimSpace(r.Maker), strings.TrimSpace(r.Checker)
	bad := func(hint fault.Text) error {
		return fault.New(fault.Usage, fault.Say("release payment", "解除支付冻结"), id, nil, hint)
	}
	switch {
	case r.Maker == "" || r.Checker == "" || len(r.Maker) > 64 || len(r.Checker) > 64:
		return bad(fault.Say("name the maker and the checker, each with up to 64 letters", "请写明经办人和复核人，各不超过 64 个字符"))
	case strings.EqualFold(r.Maker, r.Checker):
		return bad(fault.Say("the maker cannot be the checker", "经办人不能复核自己的提交"))
	}
	return nil
}

// postRelease ends the risk hold of a payment, by decision of two people.
func (s *Server) postRelease(c *call) error {
	id, err := uuid.Parse(c.PathValue("id"))
	missing := fault.New(fault.NotFound, fault.Say("find payment", "查找支付"), id.String(), nil, fault.Say("name it by the UUID of our transaction", "请用平台交易的 UUID 指定"))
	if err != nil || s.o.Release == nil {
		return missing
	}
	if c.key.Role != RolePlatform {
		return fault.New(fault.NotAllowed, fault.Say("release payment", "解除支付冻结"), id.String(), nil,
			fault.Say("it takes a key of role platform", "需要 platform 角色的密钥"))
	}
	var r release
	dec := json.NewDecoder(http.MaxBytesReader(c.w, c.Body, 4096))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return fault.New(fault.Usage, fault.Say("read", "读取"), "release", err, fault.Say(`send {"maker":"…","checker":"…"}`, `请发送 {"maker":"…","checker":"…"}`))
	}
	if err := r.check(id.String()); err != nil {
		return err
	}
	t, err := s.o.Keeper.Transaction(c.Context(), id)
	if err != nil {
		return err
	}
	if c.key.MID != "" && c.key.MID != t.MID {
		return missing // not even that it is there
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if done, err := c.elsewhere(t.MID, body); done {
		return err
	}
	if err := s.o.Release(c.Context(), &t, r.Maker, r.Checker); err != nil {
		return err
	}
	s.o.Log.Info("payment released", "payment", id, "merchant", t.MID, "maker", r.Maker, "checker", r.Checker, "key", c.key.ID)
	return c.json(http.StatusOK, map[string]string{"payment": id.String(), "maker": r.Maker, "checker": r.Checker})
}

// ReleaseFunc ends the risk hold of a transaction durably before it returns.
// fault.Conflict where risk does not hold it.
type ReleaseFunc func(ctx context.Context, t *payment.Transaction, maker, checker string) error

// Release asks the server to end the risk hold of the payment with a UUID.
func (c *Client) Release(ctx context.Context, id, maker, checker string) error {
	r := release{maker, checker}
	if err := r.check(id); err != nil {
		return err
	}
	const op = "release payment"
	base, err := c.base(op)
	if err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, op, http.MethodPost, base.JoinPath("v1", "payments", url.PathEscape(id), "release"), "application/json", body)
	return err
}

var releaseOperation = object{
	"description": "Two people decide: the maker asks for it, the checker agrees. The money goes on with the next settlement.",
	"parameters": []any{object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string", "format": "uuid"},
		"description": "the UUID of our transaction"}},
	"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{"type": "object",
		"required": []any{"maker", "checker"}, "properties": object{"maker": typed("string", ""), "checker": typed("string", "another person")}}}}},
	"responses": object{"200": object{"description": "released, durably", "content": object{"application/json": object{"schema": object{"type": "object"}}}}},
}
