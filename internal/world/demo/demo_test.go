package demo_test

import (
	"reflect"
	"strings"
	"testing"

	"daozhang/internal/world/demo"
	"daozhang/internal/world/pos"
)

// TestFortnight holds scripts of several seeds to what a stage rests on.
func TestFortnight(t *testing.T) {
	for seed := range uint64(20) {
		s, err := demo.Fortnight(seed)
		if err != nil {
			t.Fatal(err)
		}
		tills := map[string]bool{}
		for _, shop := range s.Shops {
			for _, x := range shop.Tills {
				tills[x.TID] = true
			}
		}
		marks := map[string]demo.Deed{}
		sales := 0
		for i := range s.Events {
			e := &s.Events[i]
			bad := func(why string) { t.Errorf("seed %d, %s %s: %s", seed, e.At.Format("2 January 15:04:05"), e.Deed, why) }
			if i > 0 && !e.At.After(s.Events[i-1].At) {
				bad("it does not come after the one before")
			}
			if e.At.Before(s.First.In(s.Zone)) || !e.At.Before(s.End) {
				bad("it lies outside of the story")
			}
			if e.TID != "" && !tills[e.TID] || e.Shop != "" && s.ShopOf(e.Shop) == nil {
				bad("there is no such shop or till")
			}
			if e.Card != "" {
				if _, err := pos.NamedCard(e.Card); err != nil {
					bad(err.Error())
				}
			}
			if e.Of != "" && marks[e.Of] != demo.Sale {
				bad("it is about a sale that was not made: " + e.Of)
			}
			if e.Mark != "" {
				if marks[e.Mark] != "" {
					bad("a name is given twice: " + e.Mark)
				}
				marks[e.Mark] = e.Deed
			}
			switch e.Deed {
			case demo.Sale, demo.Refund:
				sales++
				if e.Amount <= 0 || e.Card == "" || e.TID == "" {
					bad("a sale has an amount, a card and a till")
				}
			case demo.Propose, demo.Approve, demo.Verify, demo.Freeze, demo.Frozen:
				if e.By == "" || e.Shop == "" {
					bad("somebody decides about some shop")
				}
			}
			if (e.Tell.EN == "") != (e.Tell.ZH == "") || strings.Count(e.Tell.EN, "{") != strings.Count(e.Tell.ZH, "{") {
				bad("it is not told alike in both languages")
			}
		}
		if sales < 300 || sales > 700 {
			t.Errorf("seed %d: %d sales", seed, sales)
		}
		again, err := demo.Fortnight(seed)
		if err != nil || !reflect.DeepEqual(s.Events, again.Events) {
			t.Errorf("seed %d tells two stories", seed)
		}
	}
	one, _ := demo.Fortnight(1)
	two, _ := demo.Fortnight(2)
	if reflect.DeepEqual(one.Events, two.Events) {
		t.Error("two seeds have the same trade")
	}
}

// TestTroublesAreApart: what the ordinary trade does by chance does not disturb the
// troubles: no other card of the silent issuer, no sale at the dead till, and none
// that the network's odd files would mean too.
func TestTroublesAreApart(t *testing.T) {
	for seed := range uint64(50) {
		s, err := demo.Fortnight(seed)
		if err != nil {
			t.Fatal(err)
		}
		muted, dead := false, map[string]bool{}
		for i := range s.Events {
			e := &s.Events[i]
			switch e.Deed {
			case demo.Mute, demo.Unmute:
				muted = e.Deed == demo.Mute
			case demo.Restart:
				delete(dead, e.TID)
			case demo.Sale:
				if muted && strings.HasPrefix(e.Card, "cmb-") != (e.Result == "unknown") {
					t.Errorf("seed %d, %s: a card of the silent bank and the story expect otherwise", seed, e.At)
				}
				if dead[e.TID] {
					t.Errorf("seed %d, %s: a sale at a dead till", seed, e.At)
				}
				if e.Result == demo.Unended {
					dead[e.TID] = true
				}
			}
			for _, odd := range s.Network.Clearing {
				w := odd.When
				if e.Deed == demo.Sale && e.TID == w.TID[0] && e.Amount == w.From && int(odd.Dates[0]) == int(s.First)+int(e.At.Sub(s.First.In(s.Zone)).Hours()/24) && e.Mark == "" {
					t.Errorf("seed %d, %s: an ordinary sale has the amount of an odd one", seed, e.At)
				}
			}
		}
	}
}
