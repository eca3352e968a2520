package bank_test

import (
	"slices"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
)

// statement940 is an MT940 of one day: opening 100,00, lines, closing.
func statement940(lines, closing string) string {
	return "{1:F01COBADEFFAXXX0000000000}{2:I940COBADEFFXXXXN}{4:\r\n:20:STARTUMS\r\n:25:DE02120300000000202051\r\n:28C:00042/001\r\n" +
		":60F:C260302EUR100,00\r\n" + lines + ":62F:C260303EUR" + closing + "\r\n-}\r\n"
}

func TestMT940Entry(t *testing.T) {
	r := read("a.sta", []byte(statement940(":61:2603040303CR127,51NTRFKUNDE-7//BR00000001\r\n/OCMT/EUR127,51/\r\n"+
		":86:166?00GUTSCHRIFT?109075?20EREF+P20260303-1?21SVWZ+Settlement of card sal?22es?30COBADEFF?32PROCESSOR LTD\r\n", "227,51")), format.Hints{})
	entries := facts(t, r, evidence.BankEntry)
	if len(entries) != 1 || r.told() != "" {
		t.Fatalf("%d entries, told %q", len(entries), r.told())
	}
	f, set := r.set.At(entries[0]), r.set
	if signed(f) != 12751 || f.State.String() != "booked" || f.Date.String() != "2026-03-03" {
		t.Errorf("%d %s %s", signed(f), f.State, f.Date)
	}
	if v, _ := set.DateAt(entries[0], evidence.ValueDate); v.String() != "2026-03-04" {
		t.Errorf("value date %s", v)
	}
	if got := set.Text(entries[0], evidence.EntryRef); got != "BR00000001" {
		t.Errorf("entry_ref %q", got)
	}
	if got, want := set.List(entries[0], evidence.References), []string{"KUNDE-7", "BR00000001", "P20260303-1"}; !slices.Equal(got, want) {
		t.Errorf("references %q, want %q", got, want)
	}
	if got := set.Text(entries[0], evidence.Text); !strings.Contains(got, "Settlement of card sales") || !strings.Contains(got, "PROCESSOR LTD") {
		t.Errorf("text %q", got)
	}
	st := facts(t, r, evidence.BankStatement)
	if len(st) != 1 {
		t.Fatalf("%d statements", len(st))
	}
	_, from, _, _ := set.Moment(st[0], evidence.From)
	_, to, _, _ := set.Moment(st[0], evidence.To)
	if from.String() != "2026-03-03" || to.String() != "2026-03-03" {
		t.Errorf("statement of %s to %s: the opening day closed the statement before", from, to)
	}
	if name := set.Name(entries[0]); !strings.HasPrefix(name, "mt940/DE02120300000000202051/00042/001/2026-03-02#") {
		t.Errorf("named %s", name)
	}
}

func TestMT940Lines(t *testing.T) {
	for _, c := range []struct {
		name, line string
		signed     int64
		booking    string
		entryRef   string
	}{
		{"credit", ":61:260303C1,5NTRFNONREF", 150, "2026-03-03", ""},
		{"debit without cents", ":61:260303D107,NTRFNONREF", -10700, "2026-03-03", ""},
		{"reversal of a credit", ":61:2603030303RC2,00NTRFNONREF", -200, "2026-03-03", ""},
		{"reversal of a debit with funds code", ":61:2603030303RDR2,00NTRFNONREF", 200, "2026-03-03", ""},
		{"funds code", ":61:2603030303CR2,00NTRFNONREF//REF123456", 200, "2026-03-03", "REF123456"},
		{"leading zeros", ":61:260303C000000000672,66N505NONREF", 67266, "2026-03-03", ""},
		{"booked in the old year", ":61:2601021231C2,00NTRFNONREF", 200, "2025-12-31", ""},
		{"booked in the new year", ":61:2512310102C2,00NTRFNONREF", 200, "2026-01-02", ""},
		{"space before the type", ":61:2603030303C2,00 NTRFNONREF//REF123456", 200, "2026-03-03", "REF123456"},
		{"a number of the day", ":61:2603030303C2,00NTRFNONREF//55555", 200, "2026-03-03", ""},
		{"30 February as value date", ":61:2602300302C2,00NTRFNONREF", 200, "2026-03-02", ""},
		{"cut within the line", ":61:2603030303CR\r\n2,00NTRFNONREF", 200, "2026-03-03", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.sta", []byte(statement940(c.line+"\r\n:86:x\r\n", "100,00")), format.Hints{})
			refs := facts(t, r, evidence.BankEntry)
			if len(refs) != 1 {
				t.Fatalf("%d entries: %s", len(refs), r.told())
			}
			f := r.set.At(refs[0])
			if got := r.set.Text(refs[0], evidence.EntryRef); signed(f) != c.signed || f.Date.String() != c.booking || got != c.entryRef {
				t.Errorf("%d %s %q, want %d %s %q", signed(f), f.Date, got, c.signed, c.booking, c.entryRef)
			}
		})
	}
}

func TestMT940RefusesLines(t *testing.T) {
	for _, c := range []struct{ name, line, why string }{
		{"30 February alone", ":61:260230C2,00NTRFNONREF", "does not exist"},
		{"no direction", ":61:260303X2,00NTRFNONREF", "credit or a debit"},
		{"no amount", ":61:2603030303CNTRFNONREF", "no amount"},
		{"too large", ":61:2603030303C99999999999999999999,00NTRFNONREF", "too large"},
		{"no date", ":61:ABCDEFC2,00NTRFNONREF", "date"},
		{"too short", ":61:2603", "too short"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := ":61:2603030303C127,51NTRFNONREF\r\n:86:x\r\n"
			r := read("a.sta", []byte(statement940(c.line+"\r\n:86:y\r\n"+good, "227,51")), format.Hints{})
			if n := len(facts(t, r, evidence.BankEntry)); n != 1 {
				t.Errorf("%d entries, want the other one", n)
			}
			if n := len(facts(t, r, evidence.BankStatement)); n != 0 {
				t.Error("a statement that lost an entry is complete")
			}
			if rejected := r.out.Rejected(); len(rejected) != 1 || rejected[0].Line != 6 || !strings.Contains(rejected[0].Why.EN, c.why) {
				t.Errorf("rejected %+v, want %q", rejected, c.why)
			}
		})
	}
}

func TestMT942(t *testing.T) {
	r := read("a.sta", []byte(":20:I1\n:25:DE02120300000000202051\n:28C:1/1\n:34F:EUR0,\n:13D:2603031415+0100\n"+
		":61:2603030303C1,00NTRFNONREF//BR00000001\n:86:a\n:61:2603040304EC2,00NTRFNONREF//BR00000002\n:86:b\n:90D:0EUR0,\n:90C:2EUR3,00\n-\n"), format.Hints{})
	refs := facts(t, r, evidence.BankEntry)
	if len(refs) != 2 || r.told() != "" {
		t.Fatalf("%d entries, told %q", len(refs), r.told())
	}
	if a, b := r.set.At(refs[0]).State.String(), r.set.At(refs[1]).State.String(); a != "booked" || b != "pending" {
		t.Errorf("%s, %s: an expected credit is not booked", a, b)
	}
	if len(facts(t, r, evidence.BankStatement)) != 0 {
		t.Error("a report within the day is complete")
	}
	if name := r.set.Name(refs[0]); !strings.HasPrefix(name, "mt942/") {
		t.Errorf("named %s", name)
	}
}

func TestMT940DaysWithoutStatement(t *testing.T) {
	one := func(number, opened, opening, closed, closing string) string {
		return ":20:X\n:25:1234567\n:28C:" + number + "\n:60F:C" + opened + "EUR" + opening + "\n:61:" + closed + "C1,00NTRFNONREF\n:86:x\n:62F:C" + closed + "EUR" + closing + "\n-\n"
	}
	first := one("1/1", "260302", "10,00", "260302", "11,00")
	for _, c := range []struct{ name, next, from string }{
		{"follows", one("2/1", "260306", "11,00", "260306", "12,00"), "2026-03-03"},
		{"one is missing between", one("3/1", "260306", "11,00", "260306", "12,00"), "2026-03-06"},
		{"opens with another balance", one("2/1", "260306", "21,00", "260306", "22,00"), "2026-03-06"},
		{"silent too long", one("2/1", "260506", "11,00", "260506", "12,00"), "2026-05-06"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.sta", []byte(first+c.next), format.Hints{})
			st := facts(t, r, evidence.BankStatement)
			if len(st) != 2 {
				t.Fatalf("%d statements: %s", len(st), r.told())
			}
			if _, from, _, _ := r.set.Moment(st[1], evidence.From); from.String() != c.from {
				t.Errorf("from %s, want %s", from, c.from)
			}
		})
	}
}

func TestMT940SameFileTwice(t *testing.T) {
	doc := statement940(strings.Repeat(":61:2603030303C1,00NTRFNONREF\r\n:86:coins\r\n", 2), "102,00")
	set := evidence.NewSet()
	for _, name := range []string{"a.sta", "b.txt"} {
		in := format.NewInput(name, []byte(doc), format.Hints{})
		if err := formatOf(t, in).Read(in, format.NewOut(name, set)); err != nil {
			t.Fatal(err)
		}
	}
	set.Unify()
	view, n := set.Known(1<<62), 0
	for range view.Facts {
		n++
	}
	if n != 3 || len(set.Conflicts()) != 0 {
		t.Errorf("%d facts and %d conflicts, want two equal entries and their statement", n, len(set.Conflicts()))
	}
}
