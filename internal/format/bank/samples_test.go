package bank_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// samples gives the folder of sample files, found by walking up; the test is
// skipped where it is absent.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		root := filepath.Join(dir, "..", "shared", "data")
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			return root
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skip("the sample files are not on this machine")
		}
		dir = parent
	}
}

type result struct {
	detected bool
	err      error
	set      *evidence.Set
	out      *format.Out
}

func read(name string, content []byte, hints format.Hints) result {
	in := format.NewInput(name, content, hints)
	var r result
	for _, f := range bank.Formats() {
		if !f.Detect(&in.Head) {
			continue
		}
		r.detected = true
		r.set = evidence.NewSet()
		r.out = format.NewOut(name, r.set)
		r.err = f.Read(in, r.out)
		return r
	}
	return r
}

// told gives everything a reading told, one line each.
func (r result) told() string {
	var b strings.Builder
	if r.err != nil {
		b.WriteString(r.err.Error() + "\n")
	}
	for _, n := range append(r.out.Rejected(), r.out.Warnings()...) {
		b.WriteString(n.Why.EN + "\n")
	}
	return b.String()
}

// sample is what a sample file says: the sum of its booked entries, and of its
// complete statements the number, the first opening and the last closing
// balance. Where why is given, something does not fit and is told so. Files of
// other kinds have no format.
type sample struct {
	file, format     string
	entries          int
	sum              int64
	statements       int
	opening, closing int64
	rejected         int
	refused          bool
	why              string
}

var sampleFiles = []sample{
	{file: "camt/dutch-sepa/camt.053.001.02.xml", format: "camt.053.001.02", entries: 3, sum: -6432150, statements: 1, opening: 50000000, closing: 43567850},
	{file: "camt/genkgo/camt052.v1.xml", format: "camt.052.001.01", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt052.v2.other-account.xml", format: "camt.052.001.02", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt052.v2.with-account-name.xml", format: "camt.052.001.02", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt052.v4.xml", format: "camt.052.001.04", entries: 1, sum: 0},
	{file: "camt/genkgo/camt052.v6.Amt-zero.xml", format: "camt.052.001.06", entries: 1, sum: 0},
	{file: "camt/genkgo/camt052.v6.xml", format: "camt.052.001.06", entries: 1, sum: 0},
	{file: "camt/genkgo/camt052.v8.xml", format: "camt.052.001.08", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt053.v2.all-balance-types.xml", format: "camt.053.001.02", entries: 1, sum: 885, why: "does not add up"},
	{file: "camt/genkgo/camt053.v2.five.decimals.xml", format: "camt.053.001.02", entries: 1, sum: 885, why: "does not add up"},
	{file: "camt/genkgo/camt053.v2.minimal.xml", format: "camt.053.001.02", entries: 1, sum: 885, why: "different currencies"},
	{file: "camt/genkgo/camt053.v2.multi.statement.xml", format: "camt.053.001.02", entries: 2, sum: 185, statements: 2, opening: 1815, closing: 2000},
	{file: "camt/genkgo/camt053.v2.with-account-name.xml", format: "camt.053.001.02", entries: 1, sum: 885, why: "no closing balance"},
	{file: "camt/genkgo/camt053.v2.with-party-ids.xml", format: "camt.053.001.02", entries: 1, sum: 885, why: "different currencies"},
	{file: "camt/genkgo/camt053.v3.xml", format: "camt.053.001.03", entries: 1, sum: 885, why: "different currencies"},
	{file: "camt/genkgo/camt053.v4.xml", format: "camt.053.001.04", entries: 1, sum: 885, why: "later part of a longer one"},
	{file: "camt/genkgo/camt053.v8.xml", format: "camt.053.001.08", entries: 1, sum: 885, why: "later part of a longer one"},
	{file: "camt/genkgo/camt054.v2.xml", format: "camt.054.001.02", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt054.v4.xml", format: "camt.054.001.04", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt054.v8-with-UETR.xml", format: "camt.054.001.08", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt054.v8-with-financial-institution.xml", format: "camt.054.001.08", entries: 1, sum: -20000000},
	{file: "camt/genkgo/camt054.v8.xml", format: "camt.054.001.08", entries: 1, sum: -20000000},
	{file: "camt/iso20022js/goldman_sachs_camt_053_uk_v2_1.xml", format: "camt.053.001.02", entries: 6, sum: -20000, statements: 1, opening: 6820651, closing: 6820651, why: "does not add up"},
	{file: "camt/iso20022js/goldman_sachs_camt_053_uk_v2_2.xml", format: "camt.053.001.02", entries: 6, sum: -20000, statements: 1, opening: 6820651, closing: 6820651, why: "does not add up"},
	{file: "camt/iso20022js/goldman_sachs_camt_053_uk_v2_virtual_accounts.xml", format: "camt.053.001.02", entries: 6, sum: -20000, statements: 1, opening: 6820651, closing: 6820651, why: "does not add up"},
	{file: "camt/iso20022js/goldman_sachs_camt_053_us_v2_sample.xml", format: "camt.053.001.02", entries: 15, sum: 3094, why: "states 14 entries, but there are 15"},
	{file: "camt/iso20022js/ing_example_camt.xml", format: "camt.053.001.02", entries: 9, sum: 60500, statements: 1, opening: 100000, closing: 160500},
	{file: "camt/iso20022js/nordea_example_camt.xml", format: "camt.053.001.02", entries: 6, sum: 860000, statements: 1, opening: 20050, closing: 880050},
	{file: "camt/moov-iso20022/200519_camt.052_P_CH2909000000250094239_1110092686_0_2019042416072347.xml", format: "camt.052.001.04", entries: 2, sum: -101600},
	{file: "camt/moov-iso20022/200519_camt.054-Credit_P_CH2909000000250094239_1110092691_0_2019042421291293.xml", format: "camt.054.001.04", entries: 1, sum: 150000},
	{file: "camt/moov-iso20022/200519_camt.054-Debit_P_CH2909000000250094239_1110092692_0_2019042401501580.xml", format: "camt.054.001.04", entries: 1, sum: -91300},
	{file: "camt/moov-iso20022/200519_camt054-returns_p_ch2909000000250094239_1109800798_0_2019052023472022.xml", format: "camt.054.001.04", entries: 1, sum: 40000},
	{file: "camt/moov-iso20022/200924_camt.054_P_CH2909000000250094239_1110092703_0_2019042423412214.xml", format: "camt.054.001.04", entries: 1, sum: 150000},
	{file: "camt/moov-iso20022/200924_camt.054_P_CH2909000000250094239_1111091335_0_2020061900081727.xml", format: "camt.054.001.04", entries: 1, sum: 169222},
	{file: "camt/moov-iso20022/camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml", format: "camt.053.001.04", entries: 5, sum: 465602, why: "does not add up"},
	{file: "camt/moov-iso20022/gistfile1.xml", format: "pain.001.001.03"}, // see TestPainSamples
	{file: "camt/moov-iso20022/statement_1.xml", format: "camt.053.001.02", entries: 4, sum: -276808, statements: 1, opening: 276808, closing: 0},
	{file: "camt/moov-iso20022/valid_camt_v09.xml"},
	{file: "camt/prowide/camt.053.001.07.xml", format: "camt.053.001.07"},
	{file: "camt/pyiso20022/camt052_001_02.xml", format: "camt.052.001.02", entries: 17, sum: -8037},
	{file: "mt940/jejik/K4262927_20200905-080000-952.txt", format: "mt940", entries: 1, sum: 23000, why: "no closing balance"},
	{file: "mt940/jejik/abnamro.txt", format: "mt940", entries: 10, sum: -34593, why: "does not add up"},
	{file: "mt940/jejik/bug-core-5401.txt", format: "mt940", entries: 1, sum: 5000, why: "does not add up"},
	{file: "mt940/jejik/commerzbank.txt", format: "mt940", entries: 1, sum: -1235, why: "does not add up"},
	{file: "mt940/jejik/deutschebank.txt", format: "mt940", entries: 1, sum: -1235, why: "does not add up"},
	{file: "mt940/jejik/generic.txt", format: "mt940", entries: 2, sum: -2000, statements: 2, opening: 10000, closing: 8000},
	{file: "mt940/jejik/ing-unix.txt", format: "mt940", entries: 7, sum: -4559, why: "does not add up"},
	{file: "mt940/jejik/lbbw.txt", format: "mt940", entries: 2, sum: 0, statements: 1, opening: 0, closing: 0},
	{file: "mt940/jejik/oldenburgischelandesbank2.txt", format: "mt940", entries: 1, sum: 23000, why: "no closing balance"},
	{file: "mt940/jejik/postfinance.txt", format: "mt940", entries: 4, sum: 15940, why: "does not add up"},
	{file: "mt940/jejik/rabobank-iban.txt", format: "mt940", entries: 4, sum: -7000, statements: 2, opening: 100000, closing: 93000},
	{file: "mt940/jejik/sparkasse2.txt", format: "mt940", entries: 1, sum: 102725, why: "does not add up"},
	{file: "mt940/jejik/triodos.txt", format: "mt940", entries: 2, sum: -71570, why: "does not add up"},
	{file: "mt940/jejik/volksbankenraiffeisenbanken.txt", format: "mt940", entries: 12, sum: 74500, statements: 8, opening: 308500, closing: 383000},
	{file: "mt940/oca/test-rabo.swi", format: "mt940", entries: 2, sum: 36539, statements: 4, opening: 443352, closing: 479891},
	{file: "mt940/wolph/ASNB_mt940.txt", format: "mt940", entries: 8, sum: 5694, statements: 31, opening: 44429, closing: 50123},
	{file: "mt940/wolph/betterplace_amount_formats.sta", format: "mt940", rejected: 1, why: "a balance without an account"},
	{file: "mt940/wolph/betterplace_empty_86.sta", format: "mt940", rejected: 1, why: "no statement in this file"},
	{file: "mt940/wolph/betterplace_missing_crlf_at_end.sta", format: "mt940", rejected: 1, why: "a balance without an account"},
	{file: "mt940/wolph/betterplace_sepa_mt9401.sta", format: "mt940", entries: 97, sum: -926913590, statements: 20, opening: -123471836, closing: 5005},
	{file: "mt940/wolph/betterplace_sepa_snippet_broken.sta", format: "mt940", entries: 1, sum: 5099005, why: "does not add up"},
	{file: "mt940/wolph/betterplace_with_binary_character.sta", format: "mt940", entries: 4, sum: -17906675, statements: 2, opening: 38011577, closing: 13119319},
	{file: "mt940/wolph/cmxl_mt940.sta", format: "mt940", entries: 16, sum: 1232730, statements: 2, opening: 8434974, closing: 438795, why: "closes on a day before it opens"},
	{file: "mt940/wolph/mBank_mt940.sta", format: "mt940", entries: 3, sum: 3, statements: 1, opening: 40, closing: 43},
	{file: "mt940/wolph/mBank_mt942.sta", format: "mt942", entries: 3, sum: 3},
	{file: "mt940/wolph/mBank_with_newline_in_tnr.sta", format: "mt940", entries: 2, sum: 8900, why: "does not add up"},
	{file: "mt940/wolph/sberbank_171011_01234945.sta", format: "mt940", entries: 3, sum: -943700, statements: 1, opening: 62731130, closing: 61787430},
	{file: "mt940/wolph/self-provided_empty_non_swift.sta"},
	{file: "mt940/wolph/self-provided_february_30.sta", format: "mt940", entries: 1, sum: -600, statements: 1, opening: 120000, closing: 119400, why: "keeps its booking date 2016-03-01"},
	{file: "mt940/wolph/self-provided_gv_codes.sta", format: "mt940", entries: 2, sum: -25745, why: "no closing balance"},
	{file: "mt940/wolph/self-provided_invalid_statement.sta"},
	{file: "mt940/wolph/self-provided_long_statement_number.sta", format: "mt940", statements: 1, opening: 0, closing: 0},
	{file: "mt940/wolph/self-provided_malformed_details.sta", format: "mt940", entries: 1, sum: -23315, why: "does not add up"},
	{file: "mt940/wolph/self-provided_mt942.sta", format: "mt942", entries: 1, sum: -42, why: "states 1 debits of 2.30, but there are 1 of 0.42"},
	{file: "mt940/wolph/self-provided_overly_long_details.sta", format: "mt940", entries: 1, sum: -23315, why: "does not add up"},
	{file: "mt940/wolph/self-provided_raiffeisen-cmi.sta", format: "mt940", entries: 7, sum: -101221350, why: "does not add up"},
	{file: "mt940/wolph/self-provided_sparkassen.sta", format: "mt940", rejected: 1, why: "before any currency"},
	{file: "mt940/wolph/self-provided_transaction_details_wrapped.sta", format: "mt940", entries: 1, sum: -600, statements: 1, opening: 120000, closing: 119400, why: "keeps its booking date 2016-03-01"},
	{file: "mt940/wolph/self-provided_whitespace.sta", format: "mt940", entries: 1, sum: -23315, why: "does not add up"},
	{file: "mt940/wolph/self-provided_wrapped_timestamp.sta", format: "mt940", entries: 1, sum: -600, statements: 1, opening: 120000, closing: 119400, why: "keeps its booking date 2016-03-01"},
	{file: "mt940/zilverline/14aug2014.swi", format: "mt940", entries: 2, sum: -24352, why: "does not add up"},
	{file: "mt940/zilverline/abn_abn_sepa_periodieke_overboeking.txt", format: "mt940", entries: 1, sum: 1050, why: "does not add up"},
	{file: "mt940/zilverline/abn_abnamro.txt", format: "mt940", entries: 10, sum: -34593, why: "does not add up"},
	{file: "mt940/zilverline/abn_abnamro_structured.txt", format: "mt940", entries: 10, sum: -602110, why: "does not add up"},
	{file: "mt940/zilverline/ing.txt", format: "mt940", entries: 6, sum: -4659, why: "does not add up"},
	{file: "mt940/zilverline/ing_eu_incasso_foreign_transaction.txt", format: "mt940", entries: 1, sum: -5097, why: "does not add up"},
	{file: "mt940/zilverline/ing_failing.txt", format: "mt940", entries: 1, sum: -5000, statements: 1, opening: 100000, closing: 95000},
	{file: "mt940/zilverline/knab_knab_empty.txt", format: "mt940", statements: 1, opening: 101000, closing: 101000},
	{file: "mt940/zilverline/knab_knab_invalid.txt", format: "mt940", entries: 2, sum: -5750, statements: 1, opening: 150085, closing: 145085, why: "no closing balance"},
	{file: "mt940/zilverline/knab_knab_pin.txt", format: "mt940", entries: 1, sum: -101000, why: "does not add up"},
	{file: "mt940/zilverline/knab_knab_two_blocks.txt", format: "mt940", entries: 3, sum: 106000, statements: 2, opening: 0, closing: 106000},
	{file: "mt940/zilverline/rabobank.txt", format: "mt940", entries: 11, sum: -1075568, statements: 23, opening: 1743167, closing: 667599},
	{file: "mt940/zilverline/rabobank_dash_as_start_of_line.txt", format: "mt940", entries: 1, sum: 100000, statements: 1, opening: 1000050, closing: 1100050},
	{file: "mt940/zilverline/rabobank_with_debet_previous_balance.txt", format: "mt940", statements: 1, opening: -1200, closing: -1200},
	{file: "mt940/zilverline/sns_sns.txt", format: "mt940", entries: 4, sum: 4501245, statements: 16, opening: 53403, closing: 4554648},
	{file: "mt940/zilverline/triodos_multiline_bug.txt", format: "mt940", entries: 1, sum: -12228, why: "does not add up"},
	{file: "mt940/zilverline/two_accounts.txt", format: "mt940", entries: 3, sum: -634875, statements: 4, opening: 926512, closing: 23800},
	{file: "mt940/zilverline/unknown.txt", format: "mt940", entries: 6, sum: -4659, why: "does not add up"},
	{file: "mt940/zilverline/van_lanschot_unspecified_contra_account.txt", format: "mt940", entries: 1, sum: -2092, statements: 1, opening: 359200, closing: 357108},
	{file: "bank_csv/camt-csv/viseca.csv", format: "bank.csv", refused: true, why: "payment card"},
	{file: "bank_csv/deg/bmo_credit_bmo-records.csv", format: "bank.csv", refused: true, why: "payment card"},
	{file: "bank_csv/deg/bmo_debit_bmo-records.csv", format: "bank.csv", entries: 4, sum: -15831, why: "names no currency"},
	{file: "bank_csv/deg/boc_credit_boc-records.csv", format: "bank.csv", entries: 14, sum: -24197, why: "names no account"},
	{file: "bank_csv/deg/boc_debit_boc-records.csv", format: "bank.csv", entries: 17, sum: 42670, statements: 1, opening: 281358, closing: 324028},
	{file: "bank_csv/deg/bocom_credit_bocom_credit-records.csv", format: "bank.csv", refused: true, why: "payment card"},
	{file: "bank_csv/deg/cgb_credit_cgb_credit-records.csv", format: "bank.csv", refused: true, why: "payment card"},
	{file: "bank_csv/deg/cmb_credit_cmb-records.csv", format: "bank.csv", refused: true, why: "payment card"},
	{file: "bank_csv/deg/cmb_debit_cmb-records.csv", format: "bank.csv", entries: 5, sum: -77914, why: "does not lead from row to row"},
	{file: "bank_csv/deg/hsbchk_credit_hsbchk-credit-records.csv", format: "bank.csv", entries: 11, sum: 170437, why: "names no account"},
	{file: "bank_csv/deg/hsbchk_debit_hsbchk-debit-records.csv", format: "bank.csv", entries: 10, sum: 2197895, why: "does not lead from row to row"},
	{file: "bank_csv/deg/icbc_credit_icbc-credit-records.csv", format: "bank.csv", entries: 9, sum: 425788, why: "the file sums its credits to 1234.56"},
	{file: "bank_csv/deg/icbc_debit-v1_icbc-debit-v1-records.csv", format: "bank.csv", entries: 11, sum: -139934, why: "the balance cannot be read"},
	{file: "bank_csv/deg/td_td-records.csv", format: "bank.csv", entries: 9, sum: 1306, why: "names no currency"},
	{file: "bank_csv/hledger/csb43.csv", format: "bank.csv", entries: 2, sum: 100000, statements: 1, opening: 0, closing: 100000},
	{file: "bank_csv/ledger-autosync/venmo.csv", format: "bank.csv", entries: 4, sum: 7601, statements: 1, opening: 0, closing: 7601},
	{file: "bank_csv/oca/debit_credit.csv", format: "bank.csv", entries: 2, sum: 150000, why: "names no currency"},
	{file: "bank_csv/oca/debit_credit_amount.csv", format: "bank.csv", entries: 4, sum: -146000, why: "names no currency"},
	{file: "bank_csv/oca/meta_data_separated_credit_debit.csv", format: "bank.csv", entries: 4, sum: 106932, why: "does not add up"},
	{file: "bank_csv/oca/multi_currency.csv", format: "bank.csv", entries: 2, sum: 149150, why: "names no account"},
	{file: "bank_csv/oca/sample_statement_credit_card_inverse_sign_en.csv", format: "bank.csv", entries: 2, sum: -149150, why: "names no account"},
	{file: "bank_csv/oca/sample_statement_en.csv", format: "bank.csv", entries: 2, sum: 149150, why: "names no account"},
	{file: "camt/oca/test-camt053.zip:test-camt053_02.xml", format: "camt.053.001.02", entries: 3, sum: 5701, why: "does not add up"},
	{file: "camt/oca/test-camt053.zip:test-camt053_03.xml", format: "camt.053.001.02", entries: 3, sum: 5701, why: "does not add up"},
}

func TestSamples(t *testing.T) {
	root := samples(t)
	want := map[string]sample{}
	for _, s := range sampleFiles {
		want[s.file] = s
	}
	for _, dir := range []string{"camt", "mt940", "bank_csv"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".json") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for name, content := range parts(t, name, content) {
				s, ok := want[name]
				if !ok {
					t.Errorf("%s: no expectation", name)
					continue
				}
				t.Run(name, func(t *testing.T) { checkSample(t, s, content) })
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// parts gives a file, or the files of an archive.
func parts(t *testing.T, name string, content []byte) map[string][]byte {
	t.Helper()
	if !strings.HasSuffix(name, ".zip") {
		return map[string][]byte{name: content}
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[name+":"+f.Name] = b
	}
	return files
}

func checkSample(t *testing.T, s sample, content []byte) {
	r := read(s.file, content, format.Hints{})
	if !r.detected {
		if s.format != "" {
			t.Error("not recognised")
		}
		return
	}
	if s.format == "" {
		t.Fatalf("taken for %s", r.out.Source().Format)
	}
	got := sample{file: s.file, format: r.out.Source().Format, rejected: len(r.out.Rejected()), refused: r.err != nil, why: s.why}
	for ref, f := range r.set.All {
		switch f.Type {
		case evidence.BankEntry:
			got.entries++
			if f.State.String() == "booked" {
				got.sum += signed(f)
			}
		case evidence.BankStatement:
			if got.statements++; got.statements == 1 {
				got.opening, _ = r.set.Num(ref, evidence.Opening)
			}
			got.closing, _ = r.set.Num(ref, evidence.Closing)
		}
	}
	if got != s {
		t.Errorf("got  %+v\nwant %+v\n%s", got, s, r.told())
	}
	if told := r.told(); s.why == "" && told != "" || !strings.Contains(told, s.why) {
		t.Errorf("told: %s\nwant: %s", told, s.why)
	}
}

func signed(f *evidence.Fact) int64 {
	a, _ := f.Amount()
	if f.Debit() {
		return -a
	}
	return a
}
