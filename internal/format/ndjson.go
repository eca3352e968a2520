package format

import (
	"regexp"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// NDJSON is the format of evidence in its interchange form: CloudEvents, one
// JSON object a line.
func NDJSON() Format {
	return Format{Name: "evidence", Title: fault.Say("evidence as NDJSON", "NDJSON 事实记录"), Detect: isEvents, Read: readEvents}
}

var eventSign = regexp.MustCompile(`"(specversion|data)"\s*:|"type"\s*:\s*"daozhang\.`)

func isEvents(h *Head) bool {
	for i := 0; i < len(h.Text); i++ {
		switch c := h.Text[i]; c {
		case ' ', '\t', '\r', '\n', '[':
		case '{':
			return eventSign.MatchString(h.Text[i:])
		default:
			return false
		}
	}
	return false
}

func readEvents(in *Input, out *Out) error {
	return evidence.ReadNDJSON(in.Text(), out.Writer(), out.Reject)
}
