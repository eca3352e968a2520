package investigation_test

import (
	"bytes"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// answer gives the whole answer, as the JSON of the contract, to the question
// where the money of these facts (NDJSON CloudEvents) is at asOf.
func answer(t *testing.T, facts []byte, asOf time.Time) []byte {
	t.Helper()
	set := evidence.NewSet()
	var rejected []investigation.Rejection
	err := evidence.ReadNDJSON(bytes.NewReader(facts), set.Writer(set.AddFile("-")), func(line int, why fault.Text) {
		rejected = append(rejected, investigation.Rejection{File: "-", Line: line, Why: why})
	})
	if err != nil {
		t.Fatal(err)
	}
	_, offset := asOf.Zone()
	a, err := investigation.Investigate(set, evidence.InstantOf(asOf), int16(offset/60), investigation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a.Rejected = rejected
	var out bytes.Buffer
	if err := report.JSON(&out, a, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
