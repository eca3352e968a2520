package investigation_test

import (
	"testing"
	"time"
)

// answer gives the whole answer, as the JSON of the contract, to the question
// where the money of these facts (NDJSON CloudEvents) is at asOf.
func answer(t *testing.T, facts []byte, asOf time.Time) []byte {
	t.Helper()
	t.Skip("the investigation is not wired to the cases yet")
	return nil
}
