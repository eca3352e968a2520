package terms_test

import (
	"bytes"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// read adds facts, given as lines of CloudEvents, to a set.
func read(t fataler, set *evidence.Set, lines []byte) {
	t.Helper()
	err := evidence.ReadNDJSON(bytes.NewReader(lines), set.Writer(set.AddFile("-")), func(line int, why fault.Text) {
		t.Fatalf("line %d: %s", line, why)
	})
	if err != nil {
		t.Fatal(err)
	}
}
