package api_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/payment"
)

// TestMatrix asks every operation by a key of every role, of one merchant and of
// all: what is answered follows from the one table of rights, and from nothing
// else.
func TestMatrix(t *testing.T) {
	w := shop(t, func(o *api.Options) { o.Rate, o.Burst = 1e9, 1e9 })
	doc := document(t, committed)
	checked := map[bool]int{}
	for _, role := range api.Roles() {
		for _, only := range []string{"", mid} {
			if role == string(api.RoleMerchant) && only == "" {
				continue // there is no such key
			}
			secret := "matrix-" + role + only
			w.keys[secret] = api.Key{ID: secret, Role: api.Role(role), MID: only, Sources: []string{"x/*"}}
			for name, o := range doc.operations() {
				action := access.Action(text(o["x-action"]))
				if action == "" {
					continue // open, or decided by what is brought
				}
				method, path, _ := strings.Cut(name, " ")
				rec := w.do(method, regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "0195b2f0-0000-7000-8000-00000000ffff"), secret, "{}", "Content-Type", "application/json")
				_, may := api.Role(role).Allowed(action).Narrow(only)
				may = may && (only == "" || o["x-merchants-own"] == true)
				if roles, ok := o["x-roles"].([]any); ok {
					may = may && slices.Contains(roles, any(role))
				}
				if got := rec.Code != 403; got != may || rec.Code == 401 || rec.Code == 429 {
					t.Errorf("%s by a key of role %s, merchant %q: %d, allowed %v: %s", name, role, only, rec.Code, may, rec.Body)
				}
				checked[may]++
			}
		}
	}
	if checked[true] < 100 || checked[false] < 100 {
		t.Errorf("allowed %d, not allowed %d: is something left out?", checked[true], checked[false])
	}
}

// TestNoKey: without a key, or with one that is not known, only what is open is
// answered.
func TestNoKey(t *testing.T) {
	w := newWorld(t, nil)
	for name, o := range document(t, committed).operations() {
		method, path, _ := strings.Cut(name, " ")
		rec := w.do(method, regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x"), "", "")
		if open := o["security"] == nil; open != (rec.Code != 401 && rec.Code != 429) {
			t.Errorf("%s: %d, open %v", name, rec.Code, open)
		}
	}
}

// TestForeignRows asks every list by a merchant's key, and for single things of
// another merchant: nothing of it is in any answer.
func TestForeignRows(t *testing.T) {
	w := shop(t, func(o *api.Options) { o.Rate, o.Burst = 1e9, 1e9 })
	theirs := w.list(t, "other-key", nil).Items[0]
	id := uuid.MustParse("0195b2f0-0000-7000-8000-00000000000a")
	w.txs[id] = payment.Transaction{ID: id, MID: otherMID, RRN: theirs.RRN, Key: payment.Key{TID: theirs.TID, Batch: theirs.Batch, STAN: theirs.STAN}}
	asked := 0
	for name, o := range document(t, committed).operations() {
		path, get := strings.CutPrefix(name, "GET ")
		if !get || text(o["x-action"]) == "" {
			continue
		}
		for _, ref := range []string{theirs.ID, theirs.RRN, theirs.STAN, id.String(), otherMID, "2026-03-04.CNY"} {
			for _, query := range []string{"", "?mid=" + otherMID, "?q=" + theirs.RRN, "?cursor=" + url.QueryEscape("%%")} {
				rec := w.do("GET", regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, ref)+query, "merchant-key", "")
				if b := strings.ReplaceAll(rec.Body.String(), ref, ""); rec.Code < 300 && (strings.Contains(b, otherMID) || strings.Contains(b, theirs.ID)) {
					t.Errorf("%s of %s%s: %d %s", path, ref, query, rec.Code, b)
				}
				asked++
			}
		}
	}
	if asked < 100 {
		t.Errorf("%d questions", asked)
	}
	// The same questions find it for whom it belongs to.
	if rec := w.do("GET", "/v1/payments/"+id.String()+"/whereabouts", "other-key", ""); rec.Code != 200 {
		t.Error(rec.Code, rec.Body)
	}
}
