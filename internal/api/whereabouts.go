package api

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// whereaboutsAsked is a question for a payment's whereabouts.
type whereaboutsAsked struct {
	ID   string `path:"id" doc:"the payment's id, its RRN (ISO 8583 field 37), another of its keys, or the UUID of our transaction"`
	Lang string `query:"lang" doc:"en or zh, of the card; else Accept-Language"`
}

func (s *Server) whereaboutsOperations() {
	stream(s, operation{Method: "GET", Path: "/v1/payments/{id}/whereabouts", ID: "getWhereabouts", Tag: "payments",
		Summary:     "Where a payment's money is, why, who acts, when it arrives.",
		Description: "One payment of the answer, as the evidence contract has it, with advice; or the card that people read (Accept: text/plain).",
		Action:      access.ReadPayments, Narrows: true, Lenient: true,
		Answer: map[string]*huma.MediaType{"application/json": {Schema: s.schemas.Schema(reflect.TypeFor[Payment](), true, "Payment")},
			"text/plain": {Schema: &huma.Schema{Type: "string", Description: "the card that people read"}}},
	}, s.getWhereabouts)
}

// getWhereabouts answers for one payment: as the contract's JSON, or as the card
// that people read (Accept: text/plain).
func (s *Server) getWhereabouts(c *call, in *whereaboutsAsked) error {
	text := wantsText(c.Request)
	var body bytes.Buffer
	done, err := s.onePayment(c, in.ID, func(now *investigation.Current, p *investigation.Payment) error {
		if text {
			return report.Card(&body, now.Around(), p, report.Options{Lang: c.lang})
		}
		return report.Payment(&body, now.Around(), p, report.Options{Lang: c.lang})
	})
	if done || err != nil {
		return err
	}
	c.w.Header().Set("Vary", "Accept, Accept-Language, Authorization")
	if !text {
		return c.raw("application/json", body.Bytes())
	}
	c.w.Header().Set("Content-Language", c.lang)
	return c.raw("text/plain; charset=utf-8", body.Bytes())
}

// onePayment calls use for the payment that is named by its id, a key such as its
// RRN, or the UUID of our transaction. done says that another node has answered.
func (s *Server) onePayment(c *call, ref string, use func(*investigation.Current, *investigation.Payment) error) (done bool, err error) {
	ref = strings.TrimSpace(ref)
	shown, _ := card.MaskText(ref)
	missing := fault.New(fault.NotFound, fault.Say("find payment", "查找支付"), shown, nil,
		fault.Say("name it by its id, its retrieval reference number or another of its keys", "请用其 id、检索参考号或其他号码指定"))
	if ref == "" || len(ref) > 128 || card.IsPAN(ref) {
		return false, missing
	}
	keys := keysOf{ref: ref, mid: c.only}
	if id, err := uuid.Parse(ref); err == nil {
		t, err := s.o.Keeper.Transaction(c.Context(), id)
		switch {
		case err == nil && c.only != "" && c.only != t.MID:
			return false, missing // not even that it is there
		case err == nil:
			keys = keysOf{ref: t.RRN, mid: t.MID, tid: t.TID, stan: t.STAN}
		case fault.KindOf(err) != fault.NotFound:
			return false, err
		}
	}
	if done, err := c.handedTo(keys.mid, nil); done {
		return true, err
	}
	var candidates []string
	count := 0
	s.o.Live.Read(func(now *investigation.Current) {
		found := keys.among(now)
		if count = len(found); count == 1 {
			err = use(now, found[0])
			return
		}
		for _, p := range found {
			candidates = append(candidates, now.Around().View.Words.Text(p.ID))
		}
	})
	switch {
	case err != nil || count == 1:
		return false, err
	case count > 1:
		return false, &failure{status: http.StatusConflict, detail: fault.Say("several payments have this reference", "有多笔支付使用该号码"),
			hint: fault.Say("ask by one of the ids", "请用其中一个 id 查询"), candidates: candidates}
	case keys.mid == "":
		if done, err := c.others(); done {
			return true, err
		}
	}
	return false, missing
}

// keysOf is what a payment is asked by.
type keysOf struct{ ref, mid, tid, stan string }

func (k *keysOf) among(now *investigation.Current) []*investigation.Payment {
	words := now.Around().View.Words
	var found []*investigation.Payment
	for _, p := range now.Find(k.ref) {
		if (k.mid == "" || words.Text(p.Keys.MID) == k.mid) && (k.tid == "" || words.Text(p.Keys.TID) == k.tid) &&
			(k.stan == "" || words.Text(p.Keys.STAN) == k.stan) {
			found = append(found, p)
		}
	}
	return found
}

func wantsText(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		switch t, _, _ := strings.Cut(strings.TrimSpace(part), ";"); t {
		case "text/plain":
			return true
		case "application/json":
			return false
		}
	}
	return false
}

func language(r *http.Request) string {
	if v := r.URL.Query().Get("lang"); v == "zh" || v == "en" {
		return v
	}
	for _, part := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		switch t := strings.TrimSpace(part); {
		case strings.HasPrefix(t, "zh"):
			return "zh"
		case strings.HasPrefix(t, "en"):
			return "en"
		}
	}
	return "en"
}
