package bank_test

import (
	"bytes"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// fuzz reads any bytes with one format: it must neither panic nor hang, and
// whatever it keeps must be whole.
func fuzz(f *testing.F, formats []format.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		in := format.NewInput("fuzz", content, format.Hints{})
		for _, one := range formats {
			one.Detect(&in.Head)
		}
		set := evidence.NewSet()
		out := format.NewOut("fuzz", set)
		if err := formats[0].Read(in, out); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		entries := 0
		for ref, fact := range set.All {
			amount, ok := fact.Amount()
			switch fact.Type {
			case evidence.BankEntry:
				entries++
				if !ok || amount < 0 || set.Text(ref, evidence.Account) == "" || fact.Time == 0 {
					t.Errorf("entry %s is not whole", set.Name(ref))
				}
			case evidence.BankStatement:
				_, from, isDate, _ := set.Moment(ref, evidence.From)
				_, to, _, _ := set.Moment(ref, evidence.To)
				if !isDate || from > to {
					t.Errorf("statement from %s to %s", from, to)
				}
			default:
				t.Errorf("a fact of type %s", fact.Type)
			}
		}
		if entries > len(content) {
			t.Errorf("%d entries of %d bytes", entries, len(content))
		}
	})
}

func FuzzCAMT(f *testing.F) {
	fuzz(f, bank.Formats()[:1], statement053("", creditEntry, "227.51"),
		statement053("<StmtPgntn><PgNb>2</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>", creditEntry+creditEntry, "1"),
		"<BkToCstmrStmt><Stmt><Ntry/></Stmt></BkToCstmrStmt>", "<a b='>'><![CDATA[]]><!DOCTYPE x [<!ENTITY a '&a;'>]>", "<?xml version='1.0' encoding='GBK'?><a>\x81")
}

func FuzzMT940(f *testing.F) {
	fuzz(f, bank.Formats()[1:2], statement940(":61:2603040303CR127,51NTRFKUNDE-7//BR00000001\r\n:86:166?00GUTSCHRIFT?20EREF+P1?21SVWZ+x\r\n", "227,51"),
		":20:A\n:25:1\n:28C:1/2\n:60M:D260303JPY1,\n:61:260303RC1,NMSC\n:86:/EREF/A/REMI/B\n:62M:C260303JPY1,\n-}{1:F01XXXXXXXXAXXX}{4:\n:20:B\n",
		":34F:EUR0,\n:13D:2603031415+0100\n:61:2603EC\n:90C:1EUR1,\n", ":\n86:\n:NS:x", bytesOf(':', 100))
}

func FuzzBankCSV(f *testing.F) {
	csv := bank.Formats()[4:]
	fuzz(f, csv, "Account: 12,,,\nDate,Description,Amount,Balance\n2026-03-02,a,1.00,1.00\n03/04/2026,b,(1.00),0\nTotal,,1\n",
		"交易日期,收入,支出,余额,摘要\n2026-03-02,10.00,,10.00,a\n合计,16.00,0.00,,\n", "05/01/2023,A,1.00,,13.00\n05/02/2023,B,,2.00,15.00\n",
		"Buchungstag;Betrag;Saldo;Soll/Haben\n02.03.26;1.234,56;1.234,56;H\n")
}

func FuzzBankCSVBare(f *testing.F) {
	fuzz(f, bank.Formats()[5:], "05/01/2023,A,1.00,,13.00\n05/02/2023,B,,2.00,15.00\n", "1,2,3,4,5\n,,,,\n")
}

func bytesOf(c byte, n int) string { return string(bytes.Repeat([]byte{c}, n)) }
