package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// scripted is a store of facts in which a cursor is the number of those before.
type scripted []store.Line

func (s scripted) read(_ context.Context, after store.Cursor, limit int) ([]store.Line, store.Cursor, error) {
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(string(after)); err != nil {
			return nil, after, err
		}
	}
	to := min(from+limit, len(s))
	return s[from:to], store.Cursor(strconv.Itoa(to)), nil
}

// TestFollowerKeepsItsPlace: what could not be taken comes again, and nothing is
// passed over.
func TestFollowerKeepsItsPlace(t *testing.T) {
	facts := scripted{}
	for i := range 7 {
		facts = append(facts, store.Line{MID: "M", ID: strconv.Itoa(i)})
	}
	var taken []string
	failures := 0
	broken := errors.New("no room")
	f := &follower{read: facts.read, parts: payment.AllParts, general: true, page: 3, add: func(lines []store.Line) error {
		if failures++; failures%2 == 1 {
			return broken
		}
		for _, l := range lines {
			taken = append(taken, l.ID)
		}
		return nil
	}}
	for more := true; more; {
		before := f.after
		if _, _, err := f.step(t.Context()); !errors.Is(err, broken) || f.after != before {
			t.Fatalf("a page that was not taken: %v, the cursor went from %q to %q", err, before, f.after)
		}
		var err error
		if _, more, err = f.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6"}; !slices.Equal(taken, want) {
		t.Errorf("taken: %v", taken)
	}
}

// TestFollowerParts: a follower takes the facts of its merchants, and those of no
// merchant where it is to.
func TestFollowerParts(t *testing.T) {
	own, other := "", ""
	for i := 0; own == "" || other == ""; i++ {
		mid := "M" + strconv.Itoa(i)
		if payment.PartOf(mid) == 5 {
			own = mid
		} else {
			other = mid
		}
	}
	facts := scripted{{MID: own, ID: "own"}, {MID: other, ID: "other"}, {ID: "general"}}
	for _, c := range []struct {
		general bool
		want    []string
	}{{true, []string{"own", "general"}}, {false, []string{"own"}}} {
		var taken []string
		f := &follower{read: facts.read, parts: payment.PartsOf(5), general: c.general, page: 2, add: func(lines []store.Line) error {
			for _, l := range lines {
				taken = append(taken, l.ID)
			}
			return nil
		}}
		if err := f.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(taken, c.want) {
			t.Errorf("general %v: %v", c.general, taken)
		}
	}
}
