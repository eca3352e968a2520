package processor_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
)

// sample is what a real file must be read as. A file that is whole has its
// totals checked by the reader: it has no warning.
type sample struct {
	format   string
	facts    map[evidence.Type]int
	rejected []string
	warnings []string
}

const (
	line   = evidence.SettlementLine
	file   = evidence.SettlementFile
	payout = evidence.PayoutStatus
)

type facts = map[evidence.Type]int

// wanted says what each sample is: read whole with its totals verified, read
// with what does not fit told, or refused for the right reason.
var wanted = map[string]sample{
	"adyen/oca/adyen_test.xlsx": {format: "adyen.settlement", facts: facts{line: 20, payout: 1, file: 1},
		warnings: []string{"a spreadsheet has rounded its digits", "on 1 rows, first here"}},
	"adyen/oca/adyen_test_credit_fees.xlsx": {format: "adyen.settlement", facts: facts{line: 39, payout: 1, file: 1}},
	"adyen/oca/adyen_test_invalid.xls":      {rejected: []string{`"Merchant Account"`}},
	// The balance of one batch carried on: its lines sum to nothing.
	"adyen/oca/settlement_detail_report_batch_238.csv":               {format: "adyen.settlement", facts: facts{line: 3, file: 1}},
	"adyen/oca/settlement_detail_report_batch_380.csv":               {format: "adyen.settlement", facts: facts{line: 227, payout: 1, file: 1}},
	"adyen/smashpig/payments_accounting_report_chargeback.csv":       {format: "adyen.accounting", facts: facts{line: 1}},
	"adyen/smashpig/payments_accounting_report_gravy_chargeback.csv": {format: "adyen.accounting", facts: facts{line: 1}},
	"adyen/smashpig/settlement_detail_report_chargeback.csv":         {format: "adyen.settlement", facts: facts{line: 2, payout: 1}, warnings: []string{"4.03 stated, -4.80 read"}},
	"adyen/smashpig/settlement_detail_report_donation-ach.csv":       {format: "adyen.settlement", facts: facts{line: 1, payout: 1, file: 1}},
	"adyen/smashpig/settlement_detail_report_donation-ideal.csv":     {format: "adyen.settlement", facts: facts{line: 1, payout: 1}, warnings: []string{"0.76 stated, 5.43 read"}},
	"adyen/smashpig/settlement_detail_report_donation.csv":           {format: "adyen.settlement", facts: facts{line: 1, payout: 1, file: 1}},
	"adyen/smashpig/settlement_detail_report_donation_reordered.csv": {format: "adyen.settlement", facts: facts{line: 1, payout: 1, file: 1}},
	"adyen/smashpig/settlement_detail_report_invoice_deduction.csv":  {format: "adyen.settlement", facts: facts{line: 2}},
	"adyen/smashpig/settlement_detail_report_refund.csv":             {format: "adyen.settlement", facts: facts{line: 2, payout: 1}, warnings: []string{"4.03 stated, -2.80 read"}},
	"adyen/wmf/chargeback_reversal_batch_1120.csv":                   {format: "adyen.settlement", facts: facts{line: 3}},
	"adyen/wmf/deposit_correction_batch_2.csv":                       {format: "adyen.settlement", facts: facts{line: 3, payout: 1, file: 1}, warnings: []string{"on 1 rows, first here"}},
	"adyen/wmf/refund_credit_fee.csv":                                {format: "adyen.settlement", facts: facts{line: 2, payout: 1, file: 1}},
	"adyen/wmf/refunded_reversal_batch_1120.csv":                     {format: "adyen.settlement", facts: facts{line: 3}},
	"adyen/wmf/settlement_detail_report_batch_1120-2.csv":            {format: "adyen.settlement", facts: facts{line: 2}},
	"adyen/wmf/settlement_detail_report_batch_1120.csv":              {format: "adyen.settlement", facts: facts{line: 4}},
	"adyen/wmf/settlement_detail_report_batch_1129-duplicate.csv":    {format: "adyen.settlement", facts: facts{line: 16, payout: 2, file: 1}, warnings: []string{"on 1 rows, first here"}},
	"alipay/deg/example-alipay-records.csv":                          {format: "alipay.personal", rejected: []string{"a personal bill"}},
	"alipay/merchant/20887226827483540156_20260605_业务明细.gbk.csv":     {format: "alipay.detail", facts: facts{line: 3, file: 1}},
	"alipay/merchant/derived_20880211096256330156_20190916.zip":      {format: "alipay.detail alipay.summary", facts: facts{line: 10, file: 2}},
	"stripe/hledger/stripe.csv":                                      {format: "stripe.itemized", facts: facts{line: 2}},
	"stripe/smashpig/payments_activity.csv":                          {format: "stripe.itemized", facts: facts{line: 2}},
	"stripe/smashpig/settlement_report.csv":                          {format: "stripe.itemized", facts: facts{line: 6, payout: 1, file: 1}},
	"stripe/smashpig/settlement_report_with_customer_data.csv":       {format: "stripe.itemized", facts: facts{line: 3}},
	"stripe/wmf/settlement_report.csv":                               {format: "stripe.itemized", facts: facts{line: 5, payout: 1, file: 1}},
	"stripe/wmf/settlement_report_giving_basket.csv":                 {format: "stripe.itemized", facts: facts{line: 2}},
	"unionpay/INN17071888ZM_898319849000018":                         {format: "unionpay.zm", facts: facts{line: 1207, file: 1}},
	"unionpay/INN_ZM_layout.csv":                                     {rejected: []string{"a table that no format knows"}},
	"unionpay/chinaums_20170625.txt.netbank.tsv":                     {format: "chinaums.export", facts: facts{line: 33}},
	"unionpay/chinaums_20170625.txt.wap.tsv":                         {format: "chinaums.wap", facts: facts{line: 4396}},
	"unionpay/chinaums_acq_ledger_20170702.csv":                      {format: "chinaums.ledger", facts: facts{evidence.ClearingLine: 4084}},
	"unionpay/merchant_20170625_test.txt":                            {format: "chinaums.merchant", facts: facts{evidence.TerminalTransaction: 33}},
	"wechat/deg/example-wechat-records.xlsx":                         {format: "wechat.personal wechat.personal", rejected: []string{"a personal bill", "a personal bill"}},
	"wechat/merchant/derived_tradebill_all.csv.gz":                   {format: "wechat.tradebill", facts: facts{line: 3, file: 1}},
	"wechat/merchant/doc_fundflow_20180201.csv":                      {format: "wechat.fundflow", facts: facts{evidence.BankEntry: 1}, warnings: []string{"资金流水总笔数 20 stated, 1 read"}},
	"wechat/merchant/go_wechatpay_fundflow_20210201.csv":             {format: "wechat.fundflow", facts: facts{evidence.BankEntry: 2}, warnings: []string{"资金流水总笔数 3 stated, 2 read; 收入笔数 1 stated, 0 read"}},
	"wechat/merchant/go_wechatpay_tradebill_all_20210128.csv":        {format: "wechat.tradebill", facts: facts{line: 3, file: 1}},
	"wechat/merchant/sandbox_excel_mangled.csv": {format: "wechat.tradebill", facts: facts{line: 2},
		rejected: []string{"has 25 cells where the header has 27"}, warnings: []string{"a spreadsheet has cut the numbers", "总交易单数 1269 stated, 3 read"}},
	"wechat/merchant/wxjava_all.csv":     {format: "wechat.tradebill", facts: facts{line: 1}, warnings: []string{"总交易单数 48 stated, 1 read"}},
	"wechat/merchant/wxjava_all_1.csv":   {format: "wechat.tradebill", facts: facts{line: 2, file: 1}},
	"wechat/merchant/wxjava_refund.csv":  {format: "wechat.tradebill", facts: facts{line: 1}, warnings: []string{"总交易单数 4 stated, 1 read"}},
	"wechat/merchant/wxjava_success.csv": {format: "wechat.tradebill", facts: facts{line: 1}, warnings: []string{"总交易单数 31 stated, 1 read"}},
}

func TestSamples(t *testing.T) {
	root := samples(t)
	seen := map[string]bool{}
	for _, family := range []string{"adyen", "alipay", "stripe", "unionpay", "wechat"} {
		err := filepath.WalkDir(filepath.Join(root, family), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			rel = filepath.ToSlash(rel)
			seen[rel] = true
			want, ok := wanted[rel]
			if !ok {
				t.Errorf("%s: nobody says what it must be read as", rel)
				return nil
			}
			t.Run(rel, func(t *testing.T) { checkSample(t, path, want) })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for rel := range wanted {
		if !seen[rel] {
			t.Logf("%s is not among the samples here", rel)
		}
	}
}

func checkSample(t *testing.T, path string, want sample) {
	set, loaded := load(t, path, format.Hints{})
	var formats []string
	read := 0
	for _, s := range loaded.Sources {
		formats = append(formats, s.Format)
		read += s.Facts
	}
	if got := strings.Join(formats, " "); got != want.format {
		t.Errorf("read as %q, want %q", got, want.format)
	}
	have := facts{}
	for _, f := range set.All {
		have[f.Type]++
	}
	if len(have) != len(want.facts) {
		t.Errorf("facts %v, want %v", have, want.facts)
	}
	for typ, n := range want.facts {
		if have[typ] != n {
			t.Errorf("%d of %s, want %d", have[typ], typ, n)
		}
		read -= n
	}
	if read != 0 {
		t.Errorf("the sources count %d facts more than there are", read)
	}
	checkTold(t, "rejected", loaded.Rejected, want.rejected)
	checkTold(t, "warnings", loaded.Warnings, want.warnings)
}

func checkTold(t *testing.T, what string, have []format.Note, want []string) {
	t.Helper()
	if len(have) != len(want) {
		t.Errorf("%s: %v, want %v", what, have, want)
		return
	}
	for i := range want {
		if !strings.Contains(have[i].Why.EN, want[i]) {
			t.Errorf("%s: %s, want %q", what, have[i], want[i])
		}
	}
}

// sums adds up the lines of a set.
func sums(set *evidence.Set) (gross, fee, net int64) {
	for _, f := range set.All {
		if f.Type != line {
			continue
		}
		g, _ := f.Amount()
		e, _ := f.Fee()
		n, _ := f.Net()
		gross, fee, net = gross+g, fee+e, net+n
	}
	return gross, fee, net
}

// TestHandChecked reproduces the figures that were worked out by hand.
func TestHandChecked(t *testing.T) {
	root := samples(t)
	for _, c := range []struct {
		path            string
		gross, fee, net int64
	}{
		{"unionpay/INN17071888ZM_898319849000018", 4_727_546_394, 28_968, 4_727_517_426},
		{"unionpay/chinaums_20170625.txt.wap.tsv", 3_664_567_403, 6_819_004, 3_657_748_399},
		{"unionpay/chinaums_20170625.txt.netbank.tsv", 794_479_900, 635_584, 793_844_316},
	} {
		set, _ := load(t, filepath.Join(root, c.path), format.Hints{})
		if gross, fee, net := sums(set); gross != c.gross || fee != c.fee || net != c.net {
			t.Errorf("%s: %d − %d = %d, want %d − %d = %d", c.path, gross, fee, net, c.gross, c.fee, c.net)
		}
		for r, f := range set.All {
			if f.Type != line {
				continue
			}
			g, _ := f.Amount()
			e, _ := f.Fee()
			if n, _ := f.Net(); g-e != n {
				t.Errorf("%s: %s does not foot", c.path, set.Name(r))
			}
		}
	}
}

// TestAdyenBatch380 checks credits, debits and the payout of a real batch.
func TestAdyenBatch380(t *testing.T) {
	set, _ := load(t, filepath.Join(samples(t), "adyen/oca/settlement_detail_report_batch_380.csv"), format.Hints{})
	var credits, debits, paid, total, count int64
	payouts := map[string]bool{}
	for r, f := range set.All {
		n, _ := f.Net()
		switch f.Type {
		case line:
			if n > 0 {
				credits += n
			} else {
				debits -= n
			}
			payouts[set.Words.Text(f.Payout)] = true
		case payout:
			paid, _ = f.Amount()
			payouts[set.Words.Text(f.Payout)] = true
		case file:
			total, _ = set.Num(r, evidence.Total)
			count, _ = set.Num(r, evidence.Count)
		}
	}
	if credits != 5_643_852 || debits != 113_045 || paid != 5_530_807 || total != paid || count != 227 {
		t.Errorf("credits %d − debits %d, payout %d, total %d of %d lines", credits, debits, paid, total, count)
	}
	if len(payouts) != 1 || !payouts["TX635094301XT"] {
		t.Errorf("payouts %v, want TX635094301XT alone", payouts)
	}
}

// TestChinaUMSPair matches the merchant's own list with the portal's export on
// trace number and amount, 33 of 33.
func TestChinaUMSPair(t *testing.T) {
	root := samples(t)
	type key struct {
		stan   string
		amount int64
	}
	keys := func(name string) map[key]int {
		set, _ := load(t, filepath.Join(root, "unionpay", name), format.Hints{MID: "898319849000018"})
		m := map[key]int{}
		for _, f := range set.All {
			amount, _ := f.Amount()
			m[key{set.Words.Text(f.STAN), amount}]++
		}
		return m
	}
	list, export := keys("merchant_20170625_test.txt"), keys("chinaums_20170625.txt.netbank.tsv")
	matched := 0
	for k, n := range list {
		matched += min(n, export[k])
	}
	if matched != 33 || len(list) != 33 || len(export) != 33 {
		t.Errorf("%d of %d match %d", matched, len(list), len(export))
	}
}

// TestWapReferences checks what the export's keys are worth: the reference
// number is unique, the trace number is not.
func TestWapReferences(t *testing.T) {
	set, _ := load(t, filepath.Join(samples(t), "unionpay/chinaums_20170625.txt.wap.tsv"), format.Hints{})
	rrn, stan := map[evidence.Word]bool{}, map[evidence.Word]bool{}
	for _, f := range set.All {
		rrn[f.RRN], stan[f.STAN] = true, true
	}
	if len(rrn) != 4396 || len(stan) != 4382 {
		t.Errorf("%d reference numbers and %d trace numbers, want 4396 and 4382", len(rrn), len(stan))
	}
}
