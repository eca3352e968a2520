package format

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// FuzzSplitPlain compares the eight-bytes-at-a-time splitter with bytes.Split.
func FuzzSplitPlain(f *testing.F) {
	f.Add([]byte("a,b,,cdefghij,k"), byte(','))
	f.Add([]byte(""), byte(';'))
	f.Add([]byte("\x2d\x2c\x2d,\x2c-"), byte(','))
	f.Fuzz(func(t *testing.T, line []byte, delim byte) {
		got := splitPlain(line, delim, nil)
		want := bytes.Split(line, []byte{delim})
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q by %q: %q, want %q", line, delim, got, want)
		}
	})
}

// allRecords reads a text through blocks and gives its records.
func allRecords(t *testing.T, r io.Reader, delim byte) (cells [][]string, raws []string, lines []int) {
	bl := newBlocks(r, delim, true)
	var b block
	var rec records
	for {
		more, err := bl.next(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
		rec.begin(&b, delim)
		for {
			ok, _ := rec.scan()
			if !ok {
				break
			}
			row := make([]string, len(rec.cells))
			for i, c := range rec.cells {
				row[i] = string(c)
			}
			cells = append(cells, row)
			raws = append(raws, string(rec.raw))
			lines = append(lines, rec.line)
		}
		if b.final {
			return
		}
	}
}

// FuzzRecords: whatever the text, no byte is lost, lines are counted right,
// and what encoding/csv reads without complaint is read the same.
func FuzzRecords(f *testing.F) {
	f.Add("a,b\r\n\"c,\"\"d\"\"\",e\n\"x\ny\",z\n")
	f.Add("\"open,a\nb,c\n")
	f.Add("a\"b,c\n\n,\n")
	f.Add("=\"001\",`2\n")
	f.Fuzz(func(t *testing.T, text string) {
		cells, raws, lines := allRecords(t, strings.NewReader(text), ',')
		again, _, _ := allRecords(t, iotest.OneByteReader(strings.NewReader(text)), ',')
		if !slices.EqualFunc(cells, again, slices.Equal[[]string]) {
			t.Fatalf("read in pieces: %q, whole: %q", again, cells)
		}
		at, line := 0, 1
		for i, raw := range raws {
			if !strings.HasPrefix(text[at:], raw) {
				t.Fatalf("record %d is %q, text goes on %q", i, raw, text[at:])
			}
			if lines[i] != line {
				t.Fatalf("record %d is on line %d, told %d", i, line, lines[i])
			}
			end := at + len(raw)
			if strings.HasPrefix(text[end:], "\r\n") {
				end += 2
			} else if end < len(text) {
				if text[end] != '\n' {
					if text[end:] != "\r" {
						t.Fatalf("record %d %q is not followed by a line end", i, raw)
					}
				}
				end++
			}
			line += strings.Count(text[at:end], "\n")
			at = end
		}
		if at != len(text) {
			t.Fatalf("%q is lost", text[at:])
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if err != nil || strings.Contains(text, "\r") {
			return
		}
		cells = slices.DeleteFunc(cells, func(c []string) bool { return len(c) == 1 && c[0] == "" })
		want = slices.DeleteFunc(want, func(c []string) bool { return len(c) == 1 && c[0] == "" })
		if !slices.EqualFunc(cells, want, slices.Equal[[]string]) {
			t.Errorf("%q\ngot  %q\nwant %q", text, cells, want)
		}
	})
}

// FuzzDecoder: whatever the bytes and however they come, the text is the same
// and begins as the head does.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf时间,金额\n"))
	f.Add([]byte("\xca\xb1\xbc\xe4,\xbd\xf0\xb6\xee\n"))
	f.Add([]byte("\xff\xfea\x00,\x00"))
	f.Add([]byte("Caf\xe9 M\xfcller;1,50\r"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := NewInput("x", raw, Hints{})
		whole, err := io.ReadAll(in.Text())
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := io.ReadAll(newDecoder(iotest.OneByteReader(bytes.NewReader(raw)), in.Head.Encoding, in.Head.Raw))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(whole, pieces) {
			t.Errorf("whole %q, in pieces %q", whole, pieces)
		}
		if in.Head.Encoding != Binary && in.Head.Whole && string(whole) != in.Head.Text {
			t.Errorf("head %q, text %q", in.Head.Text, whole)
		}
	})
}

// FuzzGeneral: no bytes make a general format fail otherwise than by telling;
// facts and rejections are counted right; reading again gives the same facts.
func FuzzGeneral(f *testing.F) {
	f.Add([]byte("time,mid,tid,stan,kind,result,amount,currency\n2026-03-02T10:15:04+08:00,M1,T1,000001,sale,approved,1250,CNY\n"), uint8(0))
	f.Add([]byte("type,time,mid,state\naccount.status,2026-03-02T10:15:04+08:00,M1,frozen\nx.y,2026-03-02T10:15:04+08:00,M1,q\n"), uint8(0))
	f.Add([]byte("交易日期;交易时间;终端号;流水号;交易金额;卡号\n20260302;101504;T1;7;1.234,50;622202******1234\n"), uint8(0))
	f.Add([]byte("terms:\n  - mid: M1\n    fees: [{percent: 0.38}]\n"), uint8(0))
	f.Add([]byte("Date,Order No,Gross,Fee,Net\n31/12/2026,a,(1.00),-0.1,9e3\n"), uint8(16))
	f.Fuzz(func(t *testing.T, raw []byte, typ uint8) {
		hints := Hints{}
		if typ <= uint8(evidence.CaseClosed) {
			hints.Type = evidence.Type(typ)
		}
		var first []string
		for round := range 2 {
			set := evidence.NewSet()
			in := NewInput("x", raw, hints)
			formats := []Format{NDJSON(), Contract(), TermsFile(), Recognised()}
			i := slices.IndexFunc(formats, func(f Format) bool { return f.Detect(&in.Head) })
			if i < 0 {
				if explain(&in.Head, formats).None() {
					t.Fatal("refused without a reason")
				}
				return
			}
			out := NewOut("x", set)
			if err := formats[i].Read(in, out); err != nil && fault.Reason(err).None() {
				t.Fatal("an error without a reason")
			}
			if i > 0 && out.Source().Facts != set.Len() {
				t.Fatalf("%d facts counted, %d kept", out.Source().Facts, set.Len())
			}
			for _, n := range out.Rejected() {
				if n.Why.None() {
					t.Fatal("a rejection without a reason")
				}
			}
			var names []string
			for r := range set.All {
				names = append(names, set.Name(r))
			}
			if round == 0 {
				first = names
			} else if !slices.Equal(first, names) {
				t.Fatalf("first %v, then %v", first, names)
			}
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-03-02 10:15:04", "20260302101504", "2026年3月2日 10：15", "2 Mar 2026 3:04 PM", "02.03.2026", "2026/03/02T10:15:04.123+0800"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var z zone
		z.loc = NewInput("", nil, Hints{}).ZoneOr("")
		at, offset, err := z.parse([]byte(s), nil)
		if err != nil {
			return
		}
		again, offset2, err := evidence.ParseInstant(evidence.AppendInstant(nil, at, offset))
		if err != nil || again != at || offset2 != offset {
			t.Errorf("%q gives %d %d, which comes back as %d %d (%v)", s, at, offset, again, offset2, err)
		}
	})
}
