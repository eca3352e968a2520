// Package registry lists all formats in the order in which inputs are tried:
// those that tell themselves surely come first, the general ones last.
package registry

import (
	"slices"

	"daozhang/internal/format"
	"daozhang/internal/format/advice"
	"daozhang/internal/format/bank"
	"daozhang/internal/format/pos"
	"daozhang/internal/format/processor"
)

// All gives every format there is, in order of detection.
func All() []format.Format {
	return slices.Concat(
		// The contract's own forms name their fields exactly.
		[]format.Format{format.NDJSON(), format.Contract(), format.TermsFile()},
		advice.Formats(), // a camt.054 that is no bank's
		processor.Formats(),
		pos.Formats(),
		bank.Formats(),
		// Whatever else has headers that people use.
		[]format.Format{format.Recognised()},
	)
}
