package registry_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
)

// FuzzEveryFormat: whatever the bytes, no format panics in detection or
// reading, and what is refused is told with a reason.
func FuzzEveryFormat(f *testing.F) {
	seeds := []string{
		"time,mid,tid,stan,kind,result,amount,currency\n2026-03-02T10:15:04+08:00,M1,T1,000001,sale,approved,1250,CNY\n",
		"`交易时间,`公众账号ID\n", ":20:X\n:25:A\n:28C:1\n:60F:C260301CNY1,00\n:62F:C260302CNY1,00\n-\n",
		`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt/></Document>`,
		"PK\x03\x04", "\x1f\x8b\x08\x00", "mid: M1\ncycle: T1\n", `{"specversion":"1.0"}`,
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	// Where the real files are, their beginnings are seeds too.
	if dir, err := os.Getwd(); err == nil {
		data := filepath.Join(dir, "..", "..", "..", "..", "shared", "data")
		for _, family := range []string{"adyen", "alipay", "bank_csv", "camt", "mt940", "stripe", "unionpay", "wechat"} {
			n := 0
			_ = filepath.WalkDir(filepath.Join(data, family), func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || n > 12 {
					return nil
				}
				if b, err := os.ReadFile(p); err == nil {
					f.Add(b[:min(len(b), 3000)])
					n++
				}
				return nil
			})
		}
	}
	formats := registry.All()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i := range formats {
			in := format.NewInput("x", raw, format.Hints{})
			if !formats[i].Detect(&in.Head) {
				continue
			}
			out := format.NewOut("x", evidence.NewSet())
			if err := formats[i].Read(in, out); err != nil && err.Error() == "" {
				t.Errorf("%s: an error without words", formats[i].Name)
			}
			for _, n := range out.Rejected() {
				if n.Why.None() {
					t.Errorf("%s: a rejection without a reason", formats[i].Name)
				}
			}
		}
	})
}

// FuzzLoad: whatever the bytes of a file, archives among them, it is either
// read or refused with a reason.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	f.Add([]byte("time,mid,state\n2026-03-02T10:15:04+08:00,M1,frozen\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(p, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := format.Load(t.Context(), []string{p}, format.Options{}, registry.All(), evidence.NewSet(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Sources) == 0 && len(l.Rejected) == 0 && len(l.Warnings) == 0 {
			t.Error("neither read nor refused")
		}
		for _, r := range l.Rejected {
			if r.Why.None() {
				t.Error("refused without a reason")
			}
		}
	})
}
