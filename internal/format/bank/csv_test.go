package bank_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

func formatOf(t *testing.T, in *format.Input) format.Format {
	t.Helper()
	for _, f := range bank.Formats() {
		if f.Detect(&in.Head) {
			return f
		}
	}
	t.Fatal("not recognised")
	return format.Format{}
}

func TestCSVLanguages(t *testing.T) {
	gbk := func(s string) string {
		out, err := simplifiedchinese.GBK.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		name, file string
		sum        int64
		entries    int
		account    string
		currency   string
		first      string // booking date of the first entry
		covers     string // days of the statement
	}{
		{"Chinese company account", "账号：6228480402564890018,,,,,\n起始日期：2026-03-01 终止日期：2026-03-05,,,,,\n" +
			"交易日期,借方发生额,贷方发生额,余额,对方户名,摘要\n" +
			"20260302,,\"12,751.00\",\"22,751.00\",收单机构,P20260302-1\n20260303,100.00,,\"22,651.00\",供电公司,电费\n",
			1265100, 2, "622848*********0018", "CNY", "2026-03-02", "2026-03-01/2026-03-05"},
		{"Chinese in GBK", gbk("交易日期,收入,支出,余额,摘要\n2026年3月2日,10.00,,10.00,到账\n2026年3月4日,,5.00,5.00,手续费\n"),
			500, 2, "unknown", "CNY", "2026-03-02", "2026-03-03/2026-03-03"},
		{"Chinese with a mark", "交易时间,借贷标志,交易金额,余额,摘要\n2026-03-02 10:00:00,贷,10.00,10.00,到账\n2026-03-03 11:00:00,借,4.00,6.00,费\n",
			600, 2, "unknown", "CNY", "2026-03-02", ""},
		{"German", "Auftragskonto;Buchungstag;Valutadatum;Buchungstext;Verwendungszweck;Kundenreferenz (End-to-End);Betrag;Waehrung\n" +
			"DE02120300000000202051;02.03.26;03.03.26;GUTSCHRIFT;Abrechnung;P20260302-1;1.127,51;EUR\n" +
			"DE02120300000000202051;03.03.26;03.03.26;LASTSCHRIFT;Strom;;-27,00;EUR\n",
			110051, 2, "DE02120300000000202051", "EUR", "2026-03-02", ""},
		{"Dutch with a mark", "Datum;Naam / Omschrijving;Rekening;Tegenrekening;Code;Af Bij;Bedrag (EUR);Mutatiesoort;Mededelingen\n" +
			"20260302;Processor;NL13INGB0001234567;NL10ABNA0413137424;VZ;Bij;12,51;Storting;P1\n20260303;Huur;NL13INGB0001234567;;GT;Af;2,51;x;y\n",
			1000, 2, "NL13INGB0001234567", "EUR", "2026-03-02", ""},
		{"French", "Date;Libellé;Débit;Crédit;Solde\n02/03/2026;VIR PROCESSOR;;100,00;100,00\n13/03/2026;LOYER;40,00;;60,00\n",
			6000, 2, "unknown", "EUR", "2026-03-02", "2026-03-03/2026-03-12"},
		{"English, month first", "Account Number: 12345678,,,\nDate,Description,Amount,Balance\n03/13/2026,Coffee,-5.00,95.00\n03/02/2026,Payout,100.00,100.00\n",
			9500, 2, "12345678", "USD", "2026-03-13", "2026-03-03/2026-03-12"},
		{"English with brackets for debits", "Date,Details,Money Out,Money In,Balance\n2 Mar 2026,Payout,,100.00,100.00\n4 Mar 2026,Rent,40.00,,60.00\n",
			6000, 2, "unknown", "USD", "2026-03-02", "2026-03-03/2026-03-03"},
		{"stated balances and period", "account_number,currency,initial_date,final_date,initial_balance,final_balance,date,amount,description\n" +
			"777,EUR,2026-03-01,2026-03-31,0.00,12.50,2026-03-02,20.00,in\n777,EUR,2026-03-01,2026-03-31,0.00,12.50,2026-03-09,-7.50,out\n",
			1250, 2, "777", "EUR", "2026-03-02", "2026-03-01/2026-03-31"},
		{"other party's account", "Buchungsdatum;Status;Zahlungsempfänger*in;Verwendungszweck;IBAN;Betrag (€)\n02.03.26;Gebucht;A;x;DE1;1,00 €\n03.03.26;Vorgemerkt;B;y;DE2;-0,50 €\n",
			50, 2, "unknown", "EUR", "2026-03-02", ""},
		{"Chinese and English headers", "交易日期[ Transaction Date ],交易金额[ Trade Amount ],交易后余额[ After-transaction balance ],交易货币[ Trade Currency ],摘要[ Reference ]\n20260302,1.00,5.00,CNY,OBSS\n20260305,-2.00,3.00,CNY,x\n",
			-100, 2, "unknown", "CNY", "2026-03-02", "2026-03-03/2026-03-04"},
		{"balance brought forward", "Date,Description,Amount,Running Bal.\n03/01/2026,Beginning balance as of 03/01/2026,,\"1,000.00\"\n03/13/2026,in,5.00,\"1,005.00\"\n03/15/2026,out,-1.00,\"1,004.00\"\n",
			400, 2, "unknown", "USD", "2026-03-13", "2026-03-14/2026-03-14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hints := format.Hints{}
			if c.currency == "USD" {
				hints.Currency = [3]byte{'U', 'S', 'D'}
			}
			r := read("a.csv", []byte(c.file), hints)
			refs := facts(t, r, evidence.BankEntry)
			if r.err != nil || len(r.out.Rejected()) > 0 || len(refs) != c.entries {
				t.Fatalf("%d entries, told %s", len(refs), r.told())
			}
			sum := int64(0)
			for _, ref := range refs {
				sum += signed(r.set.At(ref))
			}
			f := r.set.At(refs[0])
			if account := r.set.Text(refs[0], evidence.Account); sum != c.sum || account != c.account || f.Currency.String() != c.currency || f.Date.String() != c.first {
				t.Errorf("%d on %s in %s from %s, want %d on %s in %s from %s", sum, account, f.Currency, f.Date, c.sum, c.account, c.currency, c.first)
			}
			covers := ""
			for _, ref := range facts(t, r, evidence.BankStatement) {
				_, from, _, _ := r.set.Moment(ref, evidence.From)
				_, to, _, _ := r.set.Moment(ref, evidence.To)
				covers = from.String() + "/" + to.String()
			}
			if covers != c.covers {
				t.Errorf("complete for %q, want %q (%s)", covers, c.covers, r.told())
			}
		})
	}
}

func TestCSVWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ name, file, why string }{
		{"running balance", "Date,Description,Amount,Balance\n2026-03-02,a,1.00,1.00\n2026-03-04,b,1.00,2.00\n2026-03-06,c,1.00,4.00\n", "does not lead from row to row"},
		{"sum", "交易日期,收入,支出,余额,摘要\n2026-03-02,10.00,,10.00,a\n2026-03-04,5.00,,15.00,b\n合计,16.00,0.00,,\n", "sums its credits to 16.00, but they make 15.00"},
		{"closing balance", "Opening balance: 10.00,,\nClosing balance: 12.00,,\nDate,Description,Amount\n2026-03-02,a,1.00\n", "does not add up"},
		{"day that does not exist", "Date,Description,Amount,Balance\n2026-02-30,a,1.00,1.00\n", "none that exists"},
		{"year 2099", "Date,Description,Amount,Balance\n2099-03-02,a,1.00,1.00\n", "booking_date"},
		{"amount too large", "Date,Description,Amount,Balance\n2026-03-02,a,99999999999999999999.00,1.00\n", "too large"},
		{"amount with letters", "Date,Description,Amount,Balance\n2026-03-02,a,x,1.00\n", "not an amount"},
		{"card statement", "Card #,Posting Date,Amount,Description\n5191*,20260302,1.00,shop\n", "payment card"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.csv", []byte(c.file), format.Hints{})
			if !r.detected || !strings.Contains(r.told(), c.why) {
				t.Errorf("told %q, want %q", r.told(), c.why)
			}
			if r.detected && len(facts(t, r, evidence.BankStatement)) > 0 {
				t.Error("taken as complete")
			}
		})
	}
}

func TestCSVOverlappingExports(t *testing.T) {
	const header = "Account,Date,Description,Amount,Balance\n"
	rows := []string{"1234567,2026-03-02,a,1.00,1.00\n", "1234567,2026-03-03,b,1.00,2.00\n", "1234567,2026-03-04,c,1.00,3.00\n"}
	set := evidence.NewSet()
	for _, doc := range []string{header + rows[0] + rows[1], header + rows[1] + rows[2]} {
		in := format.NewInput("a.csv", []byte(doc), format.Hints{Currency: [3]byte{'E', 'U', 'R'}})
		if err := formatOf(t, in).Read(in, format.NewOut("a.csv", set)); err != nil {
			t.Fatal(err)
		}
	}
	set.Unify()
	view, n := set.Known(1<<62), 0
	for _, f := range view.Facts {
		if f.Type == evidence.BankEntry {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

func TestNotBank(t *testing.T) {
	for name, file := range map[string]string{
		"evidence":          "type,time,account,amount,currency,direction,booking_date,text\nbank.entry,2026-03-02T00:00:00Z,1,100,EUR,credit,2026-03-02,x\n",
		"journal":           "交易日期,交易时间,终端号,参考号,交易金额,摘要\n2026-03-02,10:00:00,10000001,123456789012,1.00,x\n",
		"settlement":        "商户号,交易日期,交易金额,手续费,结算金额,摘要\n898,2026-03-02,1.00,0.01,0.99,x\n",
		"nothing":           "",
		"prose":             "Date of the meeting: Monday.\nAmount of coffee: much.\n",
		"direct debits":     `<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.02"><CstmrDrctDbtInitn/></Document>`,
		"payment status":    `<Document><FIToFIPmtStsRpt/></Document>`,
		"a word about camt": "BkToCstmrStmt is an element of camt.053\n",
	} {
		if r := read(name, []byte(file), format.Hints{}); r.detected {
			t.Errorf("%s is taken for %s", name, r.out.Source().Format)
		}
	}
}
