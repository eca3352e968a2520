package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/fault"
)

// paid adds a payout of two sales and a refund, and the bank's entry that proves it.
func (w *world) paid(t *testing.T, merchant string, n int, date string) {
	t.Helper()
	id := fmt.Sprintf("P%s-%d", date, n)
	at := date + "T14:00:00+08:00"
	one := func(source, fact, typ, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"%s/%s","source":%q,"type":"daozhang.%s","time":%q,"data":{"currency":"CNY",%s}}`, id, fact, source, typ, at, data)
	}
	line := func(k int, kind string, gross, fee, net int) string {
		return one("settlement", fmt.Sprint("line", k), "settlement.line", fmt.Sprintf(`"mid":%q,"tid":"T0000001","rrn":"7%02d%03d%06d","kind":%q,"gross":%d,"fee":%d,"net":%d,"settlement_date":%q,"payout":%q`,
			merchant, n, k, n, kind, gross, fee, net, date, id))
	}
	w.add(t, line(1, "sale", 10000, 38, 9962), line(2, "sale", 5000, 19, 4981), line(3, "refund", 3000, 0, -3000),
		one("payouts", "sent", "payout.status", fmt.Sprintf(`"payout":%q,"mid":%q,"amount":11943,"account":"110907433210601","bank":"ICBC","state":"sent"`, id, merchant)),
		one("bank/ICBC", "entry", "bank.entry", fmt.Sprintf(`"account":"110907433210601","amount":11943,"direction":"credit","status":"booked","entry_ref":"E%s","booking_date":%q,"value_date":%q,"references":[%q]`, id, date, date, id)))
}

// registered is a register of merchants and terminals in order of number.
type registered struct {
	merchants []api.Merchant
	terminals []api.Terminal
}

func (r registered) Merchants(_ context.Context, only, after string, limit int) (out []api.Merchant, _ error) {
	for _, m := range r.merchants {
		if m.MID > after && (only == "" || m.MID == only) && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

func (r registered) Terminals(_ context.Context, only, after string, limit int) (out []api.Terminal, _ error) {
	for _, x := range r.terminals {
		if x.TID > after && (only == "" || x.MID == only) && len(out) < limit {
			out = append(out, x)
		}
	}
	return out, nil
}

func reading(t *testing.T) (*world, *client.Client) {
	t.Helper()
	r := registered{}
	for n := range 7 {
		m := mid
		if n%2 == 1 {
			m = otherMID
		}
		r.terminals = append(r.terminals, api.Terminal{TID: fmt.Sprintf("T%07d", n), MID: m})
	}
	r.merchants = []api.Merchant{{MID: mid, Name: "顺香面馆", Currency: "CNY", Cutoff: "00:00"}, {MID: otherMID, Name: "Harbour Books", Currency: "CNY", Cutoff: "23:00"}}
	w := shop(t, func(o *api.Options) { o.Register, o.Rate, o.Burst = r, 1e6, 1e6 })
	for n, date := range []string{"2026-03-02", "2026-03-02", "2026-03-03", "2026-03-04"} {
		m := mid
		if n == 1 {
			m = otherMID
		}
		w.paid(t, m, n, date)
	}
	s := httptest.NewServer(w.server)
	t.Cleanup(s.Close)
	return w, &client.Client{URL: s.URL, Key: "institution-key", Lang: "en"}
}

// TestPayouts: a payout is found by every filter, and its lines add up to it.
func TestPayouts(t *testing.T) {
	w, c := reading(t)
	for query, want := range map[string][]string{
		"":                               {"P2026-03-04-3", "P2026-03-03-2", "P2026-03-02-0", "P2026-03-02-1"},
		"mid=" + otherMID:                {"P2026-03-02-1"},
		"from=2026-03-03&to=2026-03-03":  {"P2026-03-03-2"},
		"state=arrived&min_amount=11943": {"P2026-03-04-3", "P2026-03-03-2", "P2026-03-02-0", "P2026-03-02-1"},
		"state=returned&state=rejected":  nil,
		"bank=icb&id=P2026-03-03-2":      {"P2026-03-03-2"},
		"max_amount=11942":               nil,
	} {
		for _, most := range []int{0, 1, 3} {
			list, err := c.Payouts(t.Context(), mustQuery(t, query), most)
			if err != nil {
				t.Fatal(query, err)
			}
			var ids []string
			for _, p := range list {
				ids = append(ids, p.ID)
			}
			short := want
			if most > 0 {
				short = want[:min(most, len(want))]
			}
			if !slices.Equal(ids, short) {
				t.Errorf("%s, at most %d: %v, want %v", query, most, ids, short)
			}
		}
	}
	p, err := c.Payout(t.Context(), "", "P2026-03-03-2")
	if err != nil {
		t.Fatal(err)
	}
	if want := (api.MadeUpOf{Sales: 15000, Refunds: -3000, Fees: -57, Net: 11943}); p.MadeUpOf != want || p.Amount != 11943 || p.Proved != 11943 || p.State != "arrived" || len(p.Items) != 3 ||
		p.Account != "****0601" && p.Account != "0601" || p.BankRef != "EP2026-03-03-2" || p.Sent.IsZero() {
		t.Errorf("%+v", p)
	}
	sum := int64(0)
	for _, l := range p.Items {
		sum += l.Net
	}
	if sum != p.Amount {
		t.Errorf("lines of %d, amount %d", sum, p.Amount)
	}
	for _, x := range []struct{ key, id, mid string }{{"institution-key", "nothing", ""}, {"merchant-key", "P2026-03-02-1", ""}, {"merchant-key", "P2026-03-02-1", otherMID}} {
		if rec := w.do("GET", "/v1/payouts/"+x.id+"?mid="+x.mid, x.key, ""); rec.Code != 404 {
			t.Errorf("%+v: %d %s", x, rec.Code, rec.Body)
		}
	}
	rec := w.do("GET", "/v1/payouts?from=2026-13-01&min_amount=2&max_amount=1&cursor=x&state=lost", "institution-key", "")
	var bad api.Problem
	strictly(t, rec.Body.Bytes(), &bad)
	if rec.Code != 422 || len(bad.Errors) != 4 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestFigures: the map's rows add up, and the overview is of the same payments.
func TestFigures(t *testing.T) {
	w, _ := reading(t)
	var m api.MoneyMap
	strictly(t, w.do("GET", "/v1/money-map", "institution-key", "").Body.Bytes(), &m)
	gross, approved := int64(0), int64(0)
	for _, r := range m.Items {
		places := r.Arrived + r.Confirmed + r.Fees + r.Refunded + r.Chargebacks + r.Reserves + r.Adjustments + r.Held + r.Unproven + r.Short + r.Unknown
		for _, by := range []map[string]int64{r.InTransit, r.Overdue} {
			for _, n := range by {
				places += n
			}
		}
		if places != r.Gross {
			t.Errorf("%+v adds up to %d", r, places)
		}
		gross += r.Gross
	}
	for _, p := range w.list(t, "institution-key", url.Values{"limit": {"500"}}).Items {
		if p.Status != "not_charged" {
			approved += p.Amount
		}
	}
	if gross == 0 || gross != approved {
		t.Errorf("the map has %d, the list %d", gross, approved)
	}
	var own api.MoneyMap
	strictly(t, w.do("GET", "/v1/money-map?from=2026-03-03&to=2026-03-03&currency=CNY", "merchant-key", "").Body.Bytes(), &own)
	if len(own.Items) != 1 || own.Items[0].MID != mid || own.Items[0].Date != "2026-03-03" {
		t.Errorf("%+v", own.Items)
	}
	var o api.Overview
	strictly(t, w.do("GET", "/v1/overview", "auditor-key", "").Body.Bytes(), &o)
	count := 0
	for _, s := range o.Statuses {
		count += s.Count
	}
	if count != w.list(t, "institution-key", nil).Count || len(o.Sources) < 4 || o.AsOf.IsZero() {
		t.Errorf("%+v", o)
	}
	var incidents api.IncidentList
	strictly(t, w.do("GET", "/v1/incidents", "institution-key", "").Body.Bytes(), &incidents)
	if !reflect.DeepEqual(normal(t, o.Incidents), normal(t, incidents.Items)) {
		t.Errorf("%v\n%v", o.Incidents, incidents.Items)
	}
	for _, i := range incidents.Items {
		var one api.Incident
		strictly(t, w.do("GET", "/v1/incidents/"+url.PathEscape(i.ID), "institution-key", "").Body.Bytes(), &one)
		if one.ID != i.ID || w.list(t, "institution-key", url.Values{"incident": {i.ID}}).Count == 0 {
			t.Errorf("%+v", one)
		}
	}
	if rec := w.do("GET", "/v1/incidents/none", "institution-key", ""); rec.Code != 404 {
		t.Error(rec.Code)
	}
}

// TestFiguresOfAllNodes: two nodes that divide the merchants give the figures of
// one.
func TestFiguresOfAllNodes(t *testing.T) {
	quick := func(n *town) func(*api.Options) {
		return func(o *api.Options) {
			o.Rate, o.Burst = 1e6, 1e6
			if n != nil {
				o.Nodes = n
			}
		}
	}
	far, near := &town{name: "far", mine: otherMID}, &town{name: "near", mine: mid}
	whole, a, b := newWorld(t, quick(nil)), newWorld(t, quick(near)), newWorld(t, quick(far))
	for n := range 20 {
		m, to := mid, a
		if n%3 == 0 {
			m, to = otherMID, b
		}
		facts := saleAt(m, n, noon.Add(-time.Duration(n)*9*time.Hour), 1000+n, "00")
		to.add(t, facts...)
		whole.add(t, facts...)
	}
	first, second := httptest.NewServer(a.server), httptest.NewServer(b.server)
	defer first.Close()
	defer second.Close()
	far.other, near.other = first.URL, second.URL
	for _, target := range []string{"/v1/money-map", "/v1/money-map?mid=" + otherMID, "/v1/overview", "/v1/incidents", "/v1/payouts"} {
		want := whole.do("GET", target, "institution-key", "").Body.String()
		for _, w := range []*world{a, b} {
			if got := w.do("GET", target, "institution-key", "").Body.String(); got != want {
				t.Errorf("%s:\n got %s\nwant %s", target, got, want)
			}
		}
	}
}

// TestRegister: what is registered comes in pages, to a merchant its own.
func TestRegister(t *testing.T) {
	w, c := reading(t)
	for key, want := range map[string]int{"institution-key": 7, "merchant-key": 4, "other-key": 3} {
		n := 0
		for cursor := ""; ; {
			var l api.TerminalList
			strictly(t, w.do("GET", "/v1/terminals?limit=2&cursor="+cursor, key, "").Body.Bytes(), &l)
			n += len(l.Items)
			if cursor = l.NextCursor; cursor == "" {
				break
			}
		}
		if n != want {
			t.Errorf("%s: %d terminals, want %d", key, n, want)
		}
	}
	for target, want := range map[string]int{"/v1/merchants/" + mid: 200, "/v1/merchants/" + otherMID: 404, "/v1/merchants?mid=" + otherMID: 404, "/v1/merchants": 200} {
		if rec := w.do("GET", target, "merchant-key", ""); rec.Code != want {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
		}
	}
	if rec := newWorld(t, nil).do("GET", "/v1/merchants", "institution-key", ""); rec.Code != 404 {
		t.Errorf("without a register: %d", rec.Code)
	}
	list, err := c.Payments(t.Context(), url.Values{"mid": {otherMID}}, 0)
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	trail, err := c.Payment(t.Context(), list[0].RRN)
	if err != nil || trail.ID != list[0].ID || len(trail.Legs) == 0 {
		t.Errorf("%+v %v", trail, err)
	}
	if _, err := c.Payments(t.Context(), url.Values{"status": {"lost"}, "currency": {"x"}}, 0); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}
