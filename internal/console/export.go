package console

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// exportBlock is how many rows are worked out at a time, while nobody can bring
// evidence.
const exportBlock = 500

// patience is how long a reader may take for one block.
const patience = time.Minute

// export is a table on its way to a reader as a file. What is written to it while
// answers are being read is kept until pass, so that a slow reader holds up nobody.
type export struct {
	v       *visit
	format  string
	waiting bytes.Buffer
	through bool // what is written goes to the reader at once
}

var exportKinds = map[string]string{"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

// export begins a file; name is the first part of its name. The error is of kind
// fault.Invalid for a format that there is not.
func (v *visit) export(name, format string) (*export, error) {
	kind, ok := exportKinds[format]
	if !ok {
		return nil, fault.New(fault.Invalid, fault.Say("export", "导出"), "", nil, fault.Say("the formats are %s", "可用的格式：%s", strings.Join(report.Exports(), ", ")))
	}
	var day string
	v.console.o.Live.Read(func(now *investigation.Current) {
		day = now.AsOf().In(time.FixedZone("", int(now.Around().Offset)*60)).Format(time.DateOnly)
	})
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+"-"+day+"."+format+`"`)
	return &export{v: v, format: format}, nil
}

// Write keeps what is to be sent, or sends it.
func (x *export) Write(b []byte) (int, error) {
	if !x.through {
		return x.waiting.Write(b)
	}
	x.extend()
	return x.v.w.Write(b)
}

func (x *export) extend() {
	// Where the connection knows no deadline there is none to put off.
	_ = http.NewResponseController(x.v.w).SetWriteDeadline(time.Now().Add(patience))
}

// pass sends what has been kept. A reader that has gone ends the request: what it
// has must not look like the whole file.
func (x *export) pass() {
	x.extend()
	_, err := x.waiting.WriteTo(x.v.w)
	if err == nil {
		err = x.v.Context().Err()
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// finish sends the rest; end closes the table.
func (x *export) finish(end func() error) {
	x.pass()
	x.through = true
	if err := end(); err != nil {
		x.v.console.o.Log.Warn("export not finished", "path", addressOn(x.v.URL), "error", err)
		panic(http.ErrAbortHandler)
	}
}
