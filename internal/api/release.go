package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// release is what two people decide about a payment that risk holds.
type release struct {
	// Maker asks for it, Checker agrees.
	Maker   string `json:"maker" doc:"who asks for it, up to 64 letters"`
	Checker string `json:"checker" doc:"who agrees, another person"`
}

// Released is the answer to it.
type Released struct {
	Payment string `json:"payment" format:"uuid" doc:"the UUID of our transaction"`
	Maker   string `json:"maker"`
	Checker string `json:"checker"`
}

// CheckRelease says what is wrong with such a decision, before it is sent.
func CheckRelease(id, maker, checker string) error { return (&release{maker, checker}).check(id) }

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

func (s *Server) releaseOperations() {
	stream(s, operation{Method: "POST", Path: "/v1/payments/{id}/release", ID: "postRelease", Tag: "payments", Summary: "End the risk hold of a payment.",
		Description: "Two people decide: the maker asks for it, the checker agrees. The money goes on with the next settlement.",
		Action:      access.ReadPayments, Roles: []Role{RolePlatform}, Narrows: true, Lenient: true,
		Body:   &huma.RequestBody{Required: true, Content: s.jsonOf(release{})},
		Answer: s.jsonOf(Released{}),
	}, s.postRelease)
}

// postRelease ends the risk hold of a payment, by decision of two people.
func (s *Server) postRelease(c *call, in *paymentAsked) error {
	id, err := uuid.Parse(in.ID)
	missing := fault.New(fault.NotFound, fault.Say("find payment", "查找支付"), id.String(), nil, fault.Say("name it by the UUID of our transaction", "请用平台交易的 UUID 指定"))
	if err != nil || s.o.Release == nil {
		return missing
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
	if c.only != "" && c.only != t.MID {
		return missing // not even that it is there
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if done, err := c.handedTo(t.MID, body); done {
		return err
	}
	if err := s.o.Release(c.Context(), &t, r.Maker, r.Checker); err != nil {
		return err
	}
	s.o.Log.Info("payment released", "payment", id, "merchant", t.MID, "maker", r.Maker, "checker", r.Checker, "key", c.key.ID)
	return c.json(http.StatusOK, Released{id.String(), r.Maker, r.Checker})
}

// ReleaseFunc ends the risk hold of a transaction durably before it returns.
// fault.Conflict where risk does not hold it.
type ReleaseFunc func(ctx context.Context, t *payment.Transaction, maker, checker string) error
