package investigation_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
)

func newLive(t failer, asOf time.Time) *investigation.Live {
	causes, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	_, offset := asOf.Zone()
	l, err := investigation.NewLive(investigation.LiveOptions{
		Options: investigation.Options{Catalogue: causes}, AsOf: evidence.InstantOf(asOf), Offset: int16(offset / 60), Keep: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func addEvents(t failer, l *investigation.Live, events []event) investigation.Added {
	var lines bytes.Buffer
	for _, e := range events {
		lines.Write(e.line())
		lines.WriteByte('\n')
	}
	added, err := l.AddNDJSON(&lines, func(int, fault.Text) {})
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// sameAsWhole checks that a Live answers what Investigate does for the same facts
// at the same moment, and that its sums are those over all payments.
func sameAsWhole(t failer, l *investigation.Live, events []event, asOf time.Time) {
	whole := investigate(t, [][]event{events}, asOf)
	want := asJSON(t, whole)
	l.Read(func(c *investigation.Current) {
		if got := asJSON(t, c.Answer()); !bytes.Equal(got, want) {
			t.Fatal(fmt.Sprintf("at %s live differs from whole: %s\n%s", asOf.Format(time.RFC3339), firstDifference(want, got), story2text(events)))
		}
		totals := whole.Totals()
		differ := func(what string, got, want any) {
			if !reflect.DeepEqual(got, want) {
				t.Fatal(fmt.Sprintf("at %s %s:\n got %+v\nwant %+v\n%s", asOf.Format(time.RFC3339), what, got, want, story2text(events)))
			}
		}
		differ("summary", c.Summary(), totals.Summary)
		differ("causes", c.Causes(), totals.ByCause)
		differ("money map", readableRows(c.Map(), c.Answer()), readableRows(totals.Rows, whole))
		differ("incidents", readableIncidents(c.Incidents()), readableIncidents(totals.Incidents))
		differ("length", c.Len(), whole.Len())
		for p := range whole.Each {
			id := whole.View.Words.Text(p.ID)
			found, ok := c.Payment(id)
			if !ok || found.Status != p.Status || found.Incident != p.Incident {
				t.Fatal(fmt.Sprintf("payment %s: found %v", id, ok))
			}
		}
		for _, ref := range []string{"606110000001", "000002", "O1", "R1", "A00001", "PAY1", "PAY2"} {
			var got, want []string
			for _, p := range c.Find(ref) {
				got = append(got, c.Around().View.Words.Text(p.ID))
			}
			for _, p := range whole.Find(ref) {
				want = append(want, whole.View.Words.Text(p.ID))
			}
			differ("find "+ref, got, want)
		}
		sameLists(t, c, whole)
		samePictures(t, c, whole)
	})
}

func readableRows(rows []*journey.Row, a *investigation.Answer) (out []string) {
	for _, r := range rows {
		row := *r
		row.MID = 0
		out = append(out, a.View.Words.Text(r.MID)+fmt.Sprintf(" %+v", row))
	}
	return out
}

func readableIncidents(list []*investigation.Incident) (out []string) {
	for _, i := range list {
		out = append(out, fmt.Sprintf("%s %+v %s %v %v %v %v %v", i.ID, i.Key, i.Cause.Code, i.Party, i.Currency, i.Sum, i.Expected, i.Offset))
	}
	return out
}

// However evidence comes and time passes, a Live answers as if all that has come
// had been there from the start.
func TestLiveEqualsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.Permutation(someEvidence(t)).Draw(t, "order")
		now := firstDay.Add(time.Duration(rapid.IntRange(-48, 24*14).Draw(t, "begin")) * time.Hour)
		l := newLive(t, now)
		var come []event
		for len(come) < len(events) {
			n := min(rapid.IntRange(1, 6).Draw(t, "some"), len(events)-len(come))
			addEvents(t, l, events[len(come):len(come)+n])
			come = events[:len(come)+n]
			if chance(t, "time passes", 2) {
				now = now.Add(pick(t, "by", time.Second, time.Hour, 7*time.Hour, 25*time.Hour, 100*time.Hour))
				if err := l.Advance(evidence.InstantOf(now)); err != nil {
					t.Fatal(err)
				}
			}
			if chance(t, "read", 2) {
				sameAsWhole(t, l, come, now)
			}
		}
		for range 3 {
			now = now.Add(pick(t, "at last by", time.Hour, 30*time.Hour, 200*time.Hour, 1000*time.Hour))
			if err := l.Advance(evidence.InstantOf(now)); err != nil {
				t.Fatal(err)
			}
			sameAsWhole(t, l, come, now)
		}
	})
}

// Readers see whole answers while evidence comes and time passes.
func TestLiveReadWhileItChanges(t *testing.T) {
	life := &shopLife{}
	l := newLive(t, firstDay)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l.Read(func(c *investigation.Current) {
					n := 0
					for _, by := range c.Summary() {
						for _, s := range by {
							n += s.Count
						}
					}
					if n != c.Len() || len(c.Map()) == 0 && n > 0 {
						t.Errorf("the summary counts %d of %d payments, the map has %d rows", n, c.Len(), len(c.Map()))
					}
					for _, p := range c.Find("606200000001") {
						if _, ok := c.Payment(c.Around().View.Words.Text(p.ID)); !ok {
							t.Error("a payment that was found is not there by its id")
						}
					}
					if a := c.Answer(); a.Len() != n || len(a.Totals().Rows) != len(c.Map()) {
						t.Errorf("the answer has %d payments of %d", a.Len(), n)
					}
					c.Incidents()
				})
			}
		})
	}
	now := firstDay
	for range 8 {
		addEvents(t, l, life.day())
		now = now.AddDate(0, 0, 1)
		if err := l.Advance(evidence.InstantOf(now)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if err := l.Advance(evidence.InstantOf(firstDay)); !errors.Is(err, investigation.ErrBackwards) {
		t.Errorf("time goes backwards with %v", err)
	}
	sameAsWhole(t, l, life.all, now)
}

// Copies change nothing, whatever is told of them.
func TestAddingAgainChangesNothing(t *testing.T) {
	life := &shopLife{}
	l := newLive(t, firstDay.AddDate(0, 0, 3))
	first := life.day()
	if added := addEvents(t, l, first); added.Facts != len(first) || added.Copies != 0 {
		t.Errorf("added %+v of %d facts", added, len(first))
	}
	done := workOf(l)
	if added := addEvents(t, l, first); added.Copies != len(first) || added.Conflicts != 0 {
		t.Errorf("added again: %+v of %d facts", added, len(first))
	}
	if again := workOf(l); again != done {
		t.Errorf("copies are worked on: %+v after %+v", again, done)
	}
	other := first[1]
	other.data = mapsClone(other.data)
	other.data["amount"] = 7
	if added := addEvents(t, l, []event{other}); added.Conflicts != 1 {
		t.Errorf("a contradiction is told of as %+v", added)
	}
	sameAsWhole(t, l, append(first, other), firstDay.AddDate(0, 0, 3))
	late := event{source: "core", id: "later", typ: "link.status", at: firstDay.AddDate(0, 0, 9), data: map[string]any{"link": "platform", "state": "down"}}
	if added := addEvents(t, l, []event{late}); added.Waiting != 1 {
		t.Errorf("a fact of a later day is told of as %+v", added)
	}
}
