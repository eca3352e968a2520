package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/fault"
)

var morning = time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC)

const shop, stall = "898310058120001", "898310058120002"

// desk plays looks one after the other and keeps what they put on record, as a
// store does.
type desk struct {
	t      testing.TB
	marks  map[[2]string]Mark
	events map[string]Event
	order  []string // "type subject" in the order of the record
}

func newDesk(t testing.TB) *desk {
	return &desk{t: t, marks: map[[2]string]Mark{}, events: map[string]Event{}}
}

func (d *desk) list() []Mark {
	return slices.SortedFunc(maps.Values(d.marks), func(a, b Mark) int { return strings.Compare(a.MID+a.Subject, b.MID+b.Subject) })
}

// look takes a picture and gives what was new, as "type subject".
func (d *desk) look(p *Picture) []string {
	d.t.Helper()
	before := len(d.order)
	for _, s := range Compare(Policy{}, d.list(), p) {
		d.put(&s)
	}
	s := CompareHouse(d.list(), p)
	d.put(&s)
	return d.order[before:]
}

func (d *desk) put(s *Step) {
	d.t.Helper()
	for _, m := range s.Marks {
		k := [2]string{m.MID, m.Subject}
		if d.marks[k].Version != m.Version-1 {
			d.t.Fatalf("mark %s rests on version %d, on record is %d", m.Subject, m.Version-1, d.marks[k].Version)
		}
		d.marks[k] = m
	}
	for _, m := range s.Closed {
		delete(d.marks, [2]string{m.MID, m.Subject})
	}
	for _, e := range s.Events {
		if e.MID != s.MID || !json.Valid(e.Data) || e.Said.EN == "" || e.Said.ZH == "" {
			d.t.Fatalf("event %+v", e)
		}
		if _, told := d.events[e.ID]; told {
			continue
		}
		d.events[e.ID] = e
		who := ""
		if e.MID == "" {
			who = "house "
		}
		d.order = append(d.order, who+string(e.Type)+" "+e.Subject)
	}
}

func picture(at time.Time) *Picture {
	return &Picture{AsOf: at, Holds: func(string) bool { return true }, Known: map[string]Known{}, Amount: func(n int64, c string) string { return fmt.Sprintf("%d %s", n, c) },
		Clock: func(t time.Time) string { return t.Format(time.RFC3339) }}
}

func (p *Picture) withLate(mid, id, leg string, promise time.Time) *Picture {
	p.Late = append(p.Late, Late{MID: mid, ID: id, Leg: leg, Due: morning.Add(-time.Hour), Promise: promise, Amount: 8800, Currency: "CNY", Name: fault.Same("Corner Shop"),
		Why: fault.Say("the file has not come", "文件未到"), By: fault.Say("1 hour", "1小时"), Data: func() json.RawMessage { return json.RawMessage(`{"payment":{"id":"` + id + `"}}`) }})
	return p
}

func (p *Picture) withShare(mid, incident string, count int) *Picture {
	p.Shares = append(p.Shares, Share{MID: mid, Incident: incident, Code: "link.down", Cause: fault.Say("the line is down", "线路中断"), Count: count, Amount: int64(count) * 100, Currency: "CNY"})
	return p
}

func (p *Picture) withKnown(id string, s Standing) *Picture {
	p.Known["payment/"+id] = Known{Standing: s, Data: func() json.RawMessage { return json.RawMessage("{}") }}
	return p
}

func (p *Picture) withPaid(id string, returned bool, at time.Time) *Picture {
	p.Paid = append(p.Paid, Paid{MID: shop, ID: id, Returned: returned, At: at, Amount: 100, Currency: "CNY", Shown: "1.00 CNY", Merchant: "Corner Shop", Reason: "account closed"})
	return p
}

// TestCompare tells stories look by look, and what each look has to tell.
func TestCompare(t *testing.T) {
	hour := func(n int) time.Time { return morning.Add(time.Duration(n) * time.Hour) }
	none := time.Time{}
	for _, story := range []struct {
		name  string
		looks []*Picture
		want  [][]string
	}{
		{"late, then arrived", []*Picture{
			picture(hour(0)), picture(hour(1)).withLate(shop, "p1", "settlement", none), picture(hour(2)).withLate(shop, "p1", "settlement", none),
			picture(hour(3)).withKnown("p1", Waiting), picture(hour(4)).withKnown("p1", Arrived), picture(hour(5))},
			[][]string{nil, {"payment.overdue payment/p1"}, nil, nil, {"payment.arrived payment/p1"}, nil}},
		{"late on two legs", []*Picture{
			picture(hour(1)).withLate(shop, "p1", "settlement", none), picture(hour(2)).withKnown("p1", Waiting), picture(hour(3)).withLate(shop, "p1", "credit", none)},
			[][]string{{"payment.overdue payment/p1"}, nil, {"payment.overdue payment/p1"}}},
		{"late, then refunded", []*Picture{picture(hour(1)).withLate(shop, "p1", "settlement", none), picture(hour(2)).withKnown("p1", Over), picture(hour(3)).withKnown("p1", Arrived)},
			[][]string{{"payment.overdue payment/p1"}, nil, nil}},
		{"late and sealed", []*Picture{picture(hour(1)).withLate(shop, "p1", "settlement", none), picture(hour(2)), picture(hour(2000 * 24))},
			[][]string{{"payment.overdue payment/p1"}, nil, nil}},
		{"missed twice", []*Picture{
			picture(hour(1)).withLate(shop, "p1", "settlement", hour(3)), picture(hour(2)).withLate(shop, "p1", "settlement", hour(9)),
			picture(hour(4)).withLate(shop, "p1", "settlement", hour(9)), picture(hour(5)).withLate(shop, "p1", "settlement", hour(9)),
			picture(hour(10)).withLate(shop, "p1", "settlement", none), picture(hour(20)).withLate(shop, "p1", "settlement", none)},
			[][]string{{"payment.overdue payment/p1"}, nil, {"promise.missed payment/p1"}, nil, {"promise.missed payment/p1"}, nil}},
		{"missed while it waits", []*Picture{picture(hour(1)).withLate(shop, "p1", "settlement", hour(3)), picture(hour(4)).withKnown("p1", Waiting)},
			[][]string{{"payment.overdue payment/p1"}, {"promise.missed payment/p1"}}},
		{"an incident of two merchants", []*Picture{
			picture(hour(1)).withShare(shop, "i1", 4000).withShare(stall, "i1", 6000), picture(hour(2)).withShare(shop, "i1", 4500).withShare(stall, "i1", 6000),
			picture(hour(3)).withShare(stall, "i1", 10), picture(hour(4))},
			[][]string{
				{"incident.opened incident/i1", "incident.opened incident/i1", "house incident.opened incident/i1"}, nil,
				{"incident.resolved incident/i1"}, {"incident.resolved incident/i1", "house incident.resolved incident/i1"}}},
		{"payouts", []*Picture{picture(hour(1)).withPaid("po1", true, hour(0)).withPaid("po2", false, hour(0)), picture(hour(2)).withPaid("po1", true, hour(0)),
			picture(hour(3)).withPaid("old", true, hour(-24*30))},
			[][]string{{"payout.credited payout/po2", "payout.returned payout/po1"}, nil, nil}},
	} {
		t.Run(story.name, func(t *testing.T) {
			d := newDesk(t)
			for i, p := range story.looks {
				got := slices.Sorted(slices.Values(d.look(p)))
				slices.Sort(story.want[i])
				if !slices.Equal(got, story.want[i]) {
					t.Errorf("look %d tells %q, want %q", i+1, got, story.want[i])
				}
			}
		})
	}
}

// TestManyAreOne: what falls due together is one event, and each payment of it is
// still told when it misses its promise or arrives.
func TestManyAreOne(t *testing.T) {
	d := newDesk(t)
	p, back := picture(morning), picture(morning.Add(time.Hour))
	for i := range 10000 {
		id := fmt.Sprintf("p%05d", i)
		p.withLate(shop, id, "settlement", time.Time{})
		back.withKnown(id, Arrived)
	}
	p.withLate(stall, "other", "settlement", time.Time{})
	back.withKnown("other", Waiting)
	if got := d.look(p); !slices.Equal(got, []string{"payment.overdue merchant/" + shop, "payment.overdue payment/other"}) {
		t.Fatalf("%d events: %.5q", len(got), got)
	}
	var data struct {
		Count    int
		Amounts  map[string]int64
		Payments []string
	}
	for _, e := range d.events {
		if e.MID == shop {
			if err := json.Unmarshal(e.Data, &data); err != nil || data.Count != 10000 || data.Amounts["CNY"] != 88000000 || len(data.Payments) != 100 {
				t.Errorf("%v %+v", err, data)
			}
		}
	}
	if len(d.marks) != 10001 {
		t.Errorf("%d marks", len(d.marks))
	}
	if got := d.look(back); !slices.Equal(got, []string{"payment.arrived merchant/" + shop}) {
		t.Errorf("%.5q", got)
	}
}

// TestHouseSeesWhole: the platform's event adds the shares up, and tells at the end
// what the fault stopped at most.
func TestHouseSeesWhole(t *testing.T) {
	d := newDesk(t)
	d.look(picture(morning).withShare(shop, "i1", 3).withShare(stall, "i1", 4))
	d.look(picture(morning.Add(time.Hour)).withShare(shop, "i1", 5).withShare(stall, "i1", 4))
	d.look(picture(morning.Add(2*time.Hour)).withShare(stall, "i1", 1))
	d.look(picture(morning.Add(3 * time.Hour)))
	counts := map[Type]int{}
	for _, e := range d.events {
		if e.MID == "" {
			var data struct{ Incident struct{ Count int } }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatal(err)
			}
			counts[e.Type] = data.Incident.Count
			if e.Share || !e.SeenBy("") || e.SeenBy(shop) {
				t.Errorf("who sees %+v", e)
			}
		} else if !e.Share || e.SeenBy("") || !e.SeenBy(e.MID) {
			t.Errorf("who sees %+v", e)
		}
	}
	if counts[IncidentOpened] != 7 || counts[IncidentResolved] != 9 {
		t.Errorf("told %v", counts)
	}
}

// TestForeignMerchants: what a node does not hold it leaves as it is.
func TestForeignMerchants(t *testing.T) {
	d := newDesk(t)
	d.look(picture(morning).withLate(shop, "p1", "settlement", morning.Add(time.Hour)).withShare(shop, "i1", 3))
	p := picture(morning.Add(5 * time.Hour))
	p.Holds = func(mid string) bool { return mid != shop }
	if got := d.look(p); len(got) != 0 || len(d.marks) != 3 {
		t.Errorf("%q, %d marks", got, len(d.marks))
	}
}

// TestLooksAgree: whatever is seen in whatever looks, a look repeated tells nothing
// new, no two events have one id, and what is told depends on the set of what is
// seen and not on its order.
func TestLooksAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		now := morning
		for range rapid.IntRange(1, 8).Draw(rt, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 48).Draw(rt, "hours")) * time.Hour)
			p, turned := picture(now), picture(now)
			for _, id := range []string{"a", "b", "c"} {
				promise := time.Time{}
				if rapid.Bool().Draw(rt, "promised") {
					promise = now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(rt, "promise")) * time.Hour)
				}
				switch rapid.IntRange(0, 4).Draw(rt, id) {
				case 0:
					leg := rapid.SampledFrom([]string{"settlement", "credit"}).Draw(rt, "leg")
					p.withLate(shop, id, leg, promise)
				case 1:
					p.withKnown(id, rapid.SampledFrom([]Standing{Gone, Waiting, Arrived, Over}).Draw(rt, "standing"))
				case 2:
					p.withShare(rapid.SampledFrom([]string{shop, stall}).Draw(rt, "mid"), "i"+id, rapid.IntRange(1, 9).Draw(rt, "count"))
				case 3:
					p.withPaid(id, rapid.Bool().Draw(rt, "returned"), now)
				}
			}
			for i := len(p.Late) - 1; i >= 0; i-- {
				turned.Late = append(turned.Late, p.Late[i])
			}
			turned.Known, turned.Paid = p.Known, p.Paid
			for i := len(p.Shares) - 1; i >= 0; i-- {
				turned.Shares = append(turned.Shares, p.Shares[i])
			}
			told := func(p *Picture) (ids []string) {
				for _, s := range Compare(Policy{}, d.list(), p) {
					for _, e := range s.Events {
						ids = append(ids, e.ID+string(e.Data))
					}
				}
				slices.Sort(ids)
				return ids
			}
			if a, b := told(p), told(turned); !slices.Equal(a, b) {
				rt.Fatalf("in another order: %q and %q", a, b)
			}
			d.look(p)
			if again := d.look(p); len(again) != 0 {
				rt.Fatalf("told again: %q", again)
			}
		}
	})
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		types []string
		t     Type
		want  bool
	}{
		{nil, PaymentOverdue, true}, {nil, Test, false}, {[]string{"payment.*"}, PaymentArrived, true}, {[]string{"payment.*"}, PayoutReturned, false},
		{[]string{"payout.returned"}, PayoutReturned, true}, {[]string{"payout.returned"}, PayoutCredited, false},
	} {
		if got := wants(c.types, c.t); got != c.want {
			t.Errorf("%q wants %s: %v", c.types, c.t, got)
		}
	}
	if got, err := ParseTypes([]string{" payment.* ", "", "payment.*", "case.opened"}); err != nil || !slices.Equal(got, []string{"payment.*", "case.opened"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"*", "payment", "nothing.*", "test", "payment.overdue "} {
		if got, err := ParseTypes([]string{bad}); strings.TrimSpace(bad) == bad && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	for _, x := range Types() {
		if m := x.Meaning(); m.EN == "" || m.ZH == "" || m.EN == string(x) {
			t.Errorf("%s means %+v", x, m)
		}
	}
	if got := Matching([]string{"payout.*", "case.opened"}); !slices.Equal(got, []Type{PayoutReturned, PayoutCredited, CaseOpened}) || Matching(nil) != nil {
		t.Errorf("%q", got)
	}
}

// TestSchedule: ten attempts over three to four days, each a little later than the
// schedule says and always the same.
func TestSchedule(t *testing.T) {
	total, later := time.Duration(0), map[time.Duration]bool{}
	for n := 1; n < Attempts(); n++ {
		d, ok := Wait("a", n)
		if again, _ := Wait("a", n); !ok || d != again || d < schedule[n-1] || d > schedule[n-1]*12/10 {
			t.Errorf("after attempt %d: %v, %v", n, d, ok)
		}
		total += d
		other, _ := Wait("b", n)
		later[d-other] = true
	}
	if total < 75*time.Hour || total > 91*time.Hour {
		t.Errorf("in all %v", total)
	}
	if len(later) < 5 {
		t.Error("two deliveries wait alike")
	}
	for _, n := range []int{-1, 0, Attempts()} {
		if _, ok := Wait("a", n); ok {
			t.Errorf("attempt %d is followed by another", n)
		}
	}
}

// TestShownAnswer: what a receiver answers is shown short, without card numbers and
// without what moves a cursor.
func TestShownAnswer(t *testing.T) {
	a := Answer{Status: 500, Body: "no\x1b[31m such\r\n card 6222021234567890128 \u202e" + strings.Repeat("汉", 400)}
	got := a.said().EN
	if len(got) > MostSaid || strings.ContainsAny(got, "\x1b\r\n\u202e") || strings.Contains(got, "6222021234567890128") || !strings.HasPrefix(got, "no [31m such card") {
		t.Errorf("%q", got)
	}
}
