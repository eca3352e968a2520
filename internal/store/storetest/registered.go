package storetest

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// Several reports whether several nodes may write to a database at once.
func Several(address string) bool { return strings.HasPrefix(address, "postgres") }

func reference(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	merchant := store.Merchant{MID: MID, Name: "顺香面馆", MCC: "5812", Currency: cny, Zone: "Asia/Shanghai", Cutoff: 23 * 60, PreauthDays: 10}
	terminal := store.Terminal{TID: "T1000001", MID: MID, Model: "S90", Location: "310101", Operations: []string{"sale", "refund"}}
	route := store.Route{ID: "up", Priority: 1, From: "620000", To: "629999", MaxAmount: 5000000, Currency: cny, Link: "unionpay-1", Network: "UnionPay"}
	for _, err := range []error{
		s.PutMerchant(ctx, merchant), s.PutTerminal(ctx, terminal), s.PutTerminal(ctx, store.Terminal{TID: "T2", MID: "unregistered"}),
		s.PutRoute(ctx, store.Route{ID: "a", Priority: 9, Link: "visa-1"}), s.PutRoute(ctx, route),
		s.PutListed(ctx, store.Listed{List: "block", Value: "tok-1", Reason: "stolen", Until: Begin}),
		s.PutListed(ctx, store.Listed{List: "block", Value: "tok-2", Reason: "lost"}),
		s.PutListed(ctx, store.Listed{List: "block", Value: "tok-2", Reason: "found"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	merchant.Name = "顺香面馆（静安）"
	if err := s.PutMerchant(ctx, merchant); err != nil {
		t.Fatal(err)
	}
	if got := must[[]store.Merchant](t)(s.Merchants(ctx)); !reflect.DeepEqual(got, []store.Merchant{merchant}) {
		t.Errorf("merchants: %+v", got)
	}
	if got := must[[]store.Terminal](t)(s.Terminals(ctx)); len(got) != 2 || !reflect.DeepEqual(got[0], terminal) {
		t.Errorf("terminals: %+v", got)
	}
	if got := must[[]store.Route](t)(s.Routes(ctx)); len(got) != 2 || !reflect.DeepEqual(got[0], route) {
		t.Errorf("routes: %+v", got)
	}
	profiles := must[map[string]*payment.Profile](t)(s.Profiles(ctx))
	p := profiles["T1000001"]
	if len(profiles) != 1 || p == nil || p.MID != MID || p.Zone.String() != "Asia/Shanghai" || p.Cutoff != 23*60 || p.Barred || p.PreauthDays != 10 ||
		!reflect.DeepEqual(p.Operations, []payment.Operation{payment.Sale, payment.Refund}) || p.Location != "310101" {
		t.Errorf("profiles: %+v", profiles)
	}
	terminal.Barred = true
	if err := s.PutTerminal(ctx, terminal); err != nil {
		t.Fatal(err)
	}
	if p := must[map[string]*payment.Profile](t)(s.Profiles(ctx))["T1000001"]; !p.Barred {
		t.Error("a barred terminal may pay")
	}
	if got := must[[]store.Listed](t)(s.Listed(ctx, Begin)); len(got) != 1 || got[0].Value != "tok-2" || got[0].Reason != "found" || !got[0].Until.IsZero() {
		t.Errorf("lists: %+v", got)
	}
	for _, err := range []error{s.RemoveRoute(ctx, "a"), s.RemoveRoute(ctx, "none"), s.RemoveListed(ctx, "block", "tok-2")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if r, l := must[[]store.Route](t)(s.Routes(ctx)), must[[]store.Listed](t)(s.Listed(ctx, Begin)); len(r) != 1 || len(l) != 0 {
		t.Errorf("after removing: %+v, %+v", r, l)
	}
	for name, err := range map[string]error{
		"no currency":      s.PutMerchant(ctx, store.Merchant{MID: "x"}),
		"unknown zone":     s.PutMerchant(ctx, store.Merchant{MID: "x", Currency: cny, Zone: "Asia/Nowhere"}),
		"no merchant":      s.PutTerminal(ctx, store.Terminal{TID: "x"}),
		"no such thing":    s.PutTerminal(ctx, store.Terminal{TID: "x", MID: "y", Operations: []string{"dance"}}),
		"no link":          s.PutRoute(ctx, store.Route{ID: "x"}),
		"unequal prefixes": s.PutRoute(ctx, store.Route{ID: "x", Link: "l", From: "62", To: "629"}),
		"no value":         s.PutListed(ctx, store.Listed{List: "x"}),
	} {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keys(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	hash := store.HashKey("dz_secret")
	k := store.APIKey{ID: "k1", Name: "ICBC's feed", Role: "bank", Sources: []string{"bank/ICBC*"}, Created: Begin.Truncate(time.Microsecond)}
	if err := s.CreateKey(ctx, k, hash); err != nil {
		t.Fatal(err)
	}
	if got := must[store.APIKey](t)(s.Key(ctx, hash)); !reflect.DeepEqual(got, k) {
		t.Errorf("%+v, want %+v", got, k)
	}
	for name, again := range map[string]error{"the id": s.CreateKey(ctx, k, store.HashKey("other")), "the key": s.CreateKey(ctx, store.APIKey{ID: "k2", Role: "bank"}, hash)} {
		if !errors.Is(again, payment.ErrRefused) || fault.KindOf(again) != fault.Conflict {
			t.Errorf("%s twice: %v", name, again)
		}
	}
	if _, err := s.Key(ctx, store.HashKey("wrong")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown key: %v", err)
	}
	if err := s.UseKey(ctx, "k1", Begin); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(ctx, "k1", Begin.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	got := must[[]store.APIKey](t)(s.Keys(ctx))
	if len(got) != 1 || !got[0].Used.Equal(Begin.Truncate(time.Minute)) || got[0].Revoked.IsZero() {
		t.Errorf("%+v", got)
	}
	if err := s.RevokeKey(ctx, "none", Begin); fault.KindOf(err) != fault.NotFound {
		t.Errorf("revoking what is not there: %v", err)
	}
}
