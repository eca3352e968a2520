package format

import (
	"context"
	"errors"

	"daozhang/internal/evidence"
)

// Mapping explains the columns of a file that no format knows.
type Mapping struct{}

// Options are what the person says about the inputs.
type Options struct {
	Hints
}

// Loaded is what Load read and what it could not, in the order of the inputs.
type Loaded struct {
	Sources  []Source
	Rejected []Note
	Warnings []Note
}

// Load reads files, folders, globs and "-" (standard input) into the Set. Each
// input is read by the first of the formats that detects it. progress, if any,
// is told from time to time how many of how many bytes are read (total 0:
// unknown). The error is of the context only: what cannot be read is in
// Loaded.Rejected.
func Load(ctx context.Context, paths []string, opts Options, formats []Format, set *evidence.Set,
	progress func(done, total int64)) (*Loaded, error) {
	return nil, errors.New("not built yet")
}
