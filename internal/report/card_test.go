package report_test

import (
	"bytes"
	"strings"
	"testing"

	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// trace gives the card of one payment.
func trace(t *testing.T, a *investigation.Answer, ref string, o report.Options) string {
	t.Helper()
	found := a.Find(ref)
	if len(found) != 1 {
		t.Fatalf("%s names %d payments", ref, len(found))
	}
	var out bytes.Buffer
	if err := report.Card(&out, a, found[0], o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCard(t *testing.T) {
	a := shop(t)
	for ref, name := range map[string]string{
		"606110000001": "arrived", "606112000003": "partly_refunded", "606210000004": "late", "606213000006": "short",
		"606214000007": "declined", "606214000008": "unclear", "606318000010": "on_its_way", "606318000011": "voided", "606209000021": "held", "606109000041": "returned", "606209000042": "reserve",
	} {
		for _, lang := range []string{"en", "zh"} {
			t.Run(name+"."+lang, func(t *testing.T) {
				golden(t, "card."+name+"."+lang+".txt", []byte(trace(t, a, ref, report.Options{Lang: lang})))
			})
		}
	}
}

// What was read from a file must not move the cursor or forge a line.
func TestCardHidesControls(t *testing.T) {
	a := answerTo(t, "evil\x1b[2J\u202e.csv", `2026-03-03T10:05:00+08:00 terminal/T1 terminal.transaction {"mid":"M1","tid":"T1","stan":"000126","order_id":"o1\u001b[31mred\u202e","kind":"sale","amount":50000,"currency":"CNY","result":"approved"}`, asked)
	var out bytes.Buffer
	a.Each(func(p *investigation.Payment) bool {
		if err := report.Card(&out, a, p, report.Options{Lang: "en"}); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if err := report.Table(&out, a, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("control characters come through: %q", out.String())
	}
}
