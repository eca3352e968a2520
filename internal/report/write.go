package report

import (
	"io"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
)

var formats = []struct {
	name  string
	write func(io.Writer, *investigation.Answer, Options) error
}{
	{"table", Table}, {"json", JSON}, {"ndjson", NDJSON}, {"csv", CSV}, {"md", Markdown}, {"xlsx", XLSX}, {"html", HTML},
}

// Formats lists the names that Write takes.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Write writes an answer in a format by its name. The error is of kind
// fault.Invalid for a name that is none, else what w returned.
func Write(w io.Writer, format string, a *investigation.Answer, o Options) error {
	for _, f := range formats {
		if f.name == format {
			return f.write(w, a, o)
		}
	}
	return fault.New(fault.Invalid, fault.Say("write the answer", "写出结果"), format, fault.Say("no such output format", "没有这种结果形式"),
		fault.Say("use one of %s", "可用的形式：%s", strings.Join(Formats(), ", ")))
}
