package investigation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// A runner that lets everything pass would make the cases worthless.
func TestCaseChecks(t *testing.T) {
	dec := json.NewDecoder(strings.NewReader(`{"status":"held","overdue_by":0,"due":"2026-03-03T18:00:00+08:00",
		"cause":{"confidence":0.97,"evidence":["a#1","a#2"],"alternatives":[{"code":"x"},{"code":"y"}]}}`))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		"status = held":                       true,
		"status = overdue":                    false,
		"status != overdue":                   true,
		"status != held":                      false,
		"overdue_by = 0":                      true,
		"overdue_by >= 1":                     false,
		"cause.confidence >= 0.95":            true,
		"cause.confidence <= 0.95":            false,
		"due = 2026-03-03T10:00:00Z":          true,
		"due <= 2026-03-03T09:59:59Z":         false,
		"due >= soon":                         false,
		"expected absent":                     true,
		"expected present":                    false,
		"status absent":                       false,
		"cause.evidence has a#2":              true,
		"cause.evidence has a#3":              false,
		"cause.evidence != a#2":               false,
		"cause.alternatives[].code has y":     true,
		"cause.alternatives[].code != y":      false,
		"cause.alternatives[].code = x":       false,
		"cause.alternatives[].code.x present": false,
		"party = nobody":                      false,
	} {
		c, err := parseCheck(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if err := c.holds(object); (err == nil) != want {
			t.Errorf("%s: holds is %v, want %v", line, err == nil, want)
		}
	}
	for _, line := range []string{"status", "status =", "status is held", "expected absent 0"} {
		if _, err := parseCheck(line); err == nil {
			t.Errorf("%q is taken for a check", line)
		}
	}
}

func TestCaseInvariants(t *testing.T) {
	c, err := parseStory(txtar.Parse([]byte(`A story.
-- facts --
2026-03-02T10:00:00+08:00 bank/ICBC bank.entry {"status":"pending"}
2026-03-04T10:00:00+08:00 bank/ICBC bank.entry {"status":"booked"}
-- ask 2026-03-03T10:00:00+08:00 --
count payments = 1
`)))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ answer, want string }{
		"null":         {`{"payments":[],"extra":[{"a":null}]}`, "null at $.extra[0].a"},
		"arrived":      {`{"payments":[{"id":"p","time":"2026-03-02T10:00:00Z","currency":"CNY","status":"arrived","arrived":5,"missing":0,"overdue_by":0}],"summary":{"CNY":{"arrived":{"count":1}}}}`, "no booked entry is known"},
		"summary":      {`{"payments":[{"id":"p","time":"2026-03-02T10:00:00Z","currency":"CNY","status":"held","arrived":0,"missing":0,"overdue_by":0}]}`, "summary: CNY held"},
		"from future":  {`{"payments":[{"id":"p","time":"2026-03-02T10:00:00Z","currency":"CNY","status":"held","arrived":0,"missing":0,"overdue_by":0,"cause":{"evidence":["bank/ICBC#e2"]}}],"summary":{"CNY":{"held":{"count":1}}}}`, "rests on bank/ICBC#e2"},
		"order":        {`{"payments":[{"id":"q","time":"2026-03-02T10:00:00Z","arrived":0,"missing":0,"overdue_by":0},{"id":"p","time":"2026-03-02T10:00:00Z","arrived":0,"missing":0,"overdue_by":0}]}`, "payment p stands after q"},
		"left out":     {`{"payments":[{"id":"p","time":"2026-03-02T10:00:00Z","arrived":0,"missing":0}]}`, "overdue_by is not there"},
		"late":         {`{"payments":[{"id":"p","time":"2026-03-02T10:00:00Z","status":"in_transit","arrived":0,"missing":0,"overdue_by":3}]}`, "in_transit with overdue_by"},
		"map":          {`{"money_map":[{"gross":10,"fees":1,"overdue":{"settled":8}}]}`, "add up to 9"},
		"account":      {`{"accounts":[{"booked":3,"placed":1,"unplaced":1}]}`, "booked is not placed"},
		"all is right": {`{"payments":[],"money_map":[{"gross":10,"fees":1,"in_transit":{"settled":2},"overdue":{"settled":3},"short":4}],"accounts":[{"booked":-1,"placed":1,"unplaced":-2}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dec := json.NewDecoder(strings.NewReader(tc.answer))
			dec.UseNumber()
			var doc map[string]any
			if err := dec.Decode(&doc); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(c.invariants(doc, time.Date(2026, 3, 3, 2, 0, 0, 0, time.UTC)), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
