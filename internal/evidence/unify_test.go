package evidence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

func moment(s string) evidence.Instant {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return evidence.InstantOf(t)
}

// version is one telling of a fact.
func version(id, at, recorded, state string) string {
	if recorded != "" {
		recorded = `"recordedtime":"` + recorded + `",`
	}
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"s","type":"daozhang.link.status","time":%q,%s"data":{"link":"platform","state":%q}}`, id, at, recorded, state)
}

// known lists what counts at a moment.
func known(set *evidence.Set, asOf string) []string {
	view := set.Known(moment(asOf))
	var out []string
	for r := range view.Facts {
		out = append(out, set.Name(r)+" "+set.At(r).State.String()+" "+string(evidence.AppendInstant(nil, set.At(r).Time, 0)))
	}
	slices.Sort(out)
	return out
}

func TestCopiesAndConflicts(t *testing.T) {
	const ten, eleven, noon = "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z"
	up, down := "s#1 up 2026-03-02T10:00:00Z", "s#1 down 2026-03-02T10:00:00Z"
	// Of two versions the one with the smaller hash stands.
	first := readText(t, version("1", ten, "", "up")+"\n"+version("2", ten, "", "down"))
	x, y := first.ContentHash(first.facts[0]), first.ContentHash(first.facts[1])
	stands, other := "up", "down"
	standsLine, otherLine := up, down
	if slices.Compare(x[:], y[:]) > 0 {
		stands, other, standsLine, otherLine = other, stands, otherLine, standsLine
	}
	for name, c := range map[string]struct {
		lines     []string
		asOf      string
		want      []string
		conflicts int
	}{
		"copies":                        {[]string{version("1", ten, "", "up"), version("1", ten, "", "up")}, ten, []string{up}, 0},
		"the earliest record stands":    {[]string{version("1", ten, noon, "up"), version("1", ten, eleven, "up")}, eleven, []string{up}, 0},
		"not recorded yet":              {[]string{version("1", ten, noon, "up"), version("1", ten, eleven, "up")}, ten, nil, 0},
		"known at its time":             {[]string{version("1", ten, noon, "up"), version("1", ten, "", "up")}, ten, []string{up}, 0},
		"not happened yet":              {[]string{version("1", eleven, "", "up")}, ten, nil, 0},
		"a conflict":                    {[]string{version("1", ten, "", "up"), version("1", ten, "", "down"), version("1", ten, "", "up")}, ten, []string{standsLine}, 1},
		"a conflict of which one knew":  {[]string{version("1", ten, eleven, stands), version("1", ten, "", other)}, ten, []string{otherLine}, 1},
		"a conflict of which both knew": {[]string{version("1", ten, eleven, stands), version("1", ten, "", other)}, eleven, []string{standsLine}, 1},
		"a wrong clock":                 {[]string{version("1", ten, "2026-03-02T09:00:00Z", "up")}, "2026-03-02T09:00:00Z", []string{"s#1 up 2026-03-02T09:00:00Z"}, 0},
		"a clock within ten minutes":    {[]string{version("1", ten, "2026-03-02T09:50:00Z", "up")}, "2026-03-02T09:50:00Z", nil, 0},
		"a copy with a wrong clock":     {[]string{version("1", ten, "2026-03-02T09:00:00Z", "up"), version("1", ten, "", "up")}, ten, []string{"s#1 up 2026-03-02T09:00:00Z"}, 0},
		"another source":                {[]string{version("1", ten, "", "up"), strings.Replace(version("1", ten, "", "down"), `"source":"s"`, `"source":"t"`, 1)}, ten, []string{up, "t#1 down 2026-03-02T10:00:00Z"}, 0},
	} {
		for turned := range 2 {
			if turned == 1 {
				slices.Reverse(c.lines)
			}
			got := readText(t, strings.Join(c.lines, "\n"))
			if len(got.rejected) > 0 {
				t.Fatal(got.rejected)
			}
			if list := known(got.Set, c.asOf); !slices.Equal(list, c.want) {
				t.Errorf("%s: %q, want %q", name, list, c.want)
			}
			if n := len(got.Conflicts()); n != c.conflicts {
				t.Errorf("%s: %d conflicts, want %d", name, n, c.conflicts)
			}
		}
	}
}

// TestOrderOfArrival tells a few facts again and again, with changes, in any
// order and from any file: what is known at every moment, and what is exported,
// is the same.
func TestOrderOfArrival(t *testing.T) {
	clock := func(minute int) string {
		return time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC).Format(time.RFC3339)
	}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			recorded := rapid.IntRange(-30, 30).Draw(t, "recorded")
			at := ""
			if recorded > -25 {
				at = clock(recorded)
			}
			return version(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "id"),
				clock(rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(t, "time")), at,
				rapid.SampledFrom([]string{"up", "up", "down", "degraded"}).Draw(t, "state"))
		}), 1, 8).Draw(t, "lines")
		shuffled := rapid.Permutation(lines).Draw(t, "shuffled")

		sets := [2]*evidence.Set{evidence.NewSet(), evidence.NewSet()}
		for i, in := range [2][]string{lines, shuffled} {
			cut := rapid.IntRange(0, len(in)).Draw(t, "cut")
			for n, part := range [2][]string{in[:cut], in[cut:]} {
				w := sets[i].Writer(sets[i].AddFile(fmt.Sprint(n)))
				err := evidence.ReadNDJSON(strings.NewReader(strings.Join(part, "\n")), w, func(line int, why fault.Text) { t.Fatal(why) })
				if err != nil {
					t.Fatal(err)
				}
			}
			sets[i].Unify()
		}
		for minute := -30; minute <= 30; minute++ {
			if a, b := known(sets[0], clock(minute)), known(sets[1], clock(minute)); !slices.Equal(a, b) {
				t.Fatalf("at %s %q or %q", clock(minute), a, b)
			}
			if a, b := exported(t, sets[0].Known(moment(clock(minute)))), exported(t, sets[1].Known(moment(clock(minute)))); a != b {
				t.Fatalf("at %s\n%sor\n%s", clock(minute), a, b)
			}
		}
		if a, b := len(sets[0].Conflicts()), len(sets[1].Conflicts()); a != b {
			t.Fatalf("%d or %d conflicts", a, b)
		}
	})
}

// exported gives the view's NDJSON with its lines sorted.
func exported(t interface{ Fatal(...any) }, view *evidence.View) string {
	var b strings.Builder
	if err := evidence.WriteNDJSON(&b, view); err != nil {
		t.Fatal(err)
	}
	lines := slices.Sorted(strings.Lines(b.String()))
	return strings.Join(lines, "")
}
