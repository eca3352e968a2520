package registry_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
)

// samples gives the folder of real files beside the project, or skips.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		data := filepath.Join(dir, "..", "shared", "data")
		if _, err := os.Stat(data); err != nil {
			t.Skip("no sample files here")
		}
		return data
	}
	t.Skip("no module root")
	return ""
}

// families are the folders of samples by the formats their files are read as.
// A file of another format, or refused, must say so by a reason in refused.
var families = map[string][]string{
	"adyen": {"adyen."}, "alipay": {"alipay."}, "bank_csv": {"bank.csv"}, "camt": {"camt.05", "pain.001"}, "pain_pacs": {"camt.05", "pain.00"}, "mt940": {"mt94"},
	"stripe": {"stripe."}, "unionpay": {"unionpay.", "chinaums."}, "wechat": {"wechat."},
}

// refused are samples that are not read, by the beginning of their path, with a
// part of the reason that a person must be given.
var refused = []struct{ path, why string }{
	{"INDEX.md", "no format knows"},
	{"adyen/oca/adyen_test_invalid.xls", "Adyen"},
	{"amazon/settlement", "report of Amazon"},
	{"amazon/fee-codes.json", "JSON that is not evidence"},
	{"bai2/", "BAI2"},
	{"braintree/", "JSON that is not evidence"},
	{"checkoutcom/", "report of Checkout.com"},
	{"dlocal/Wikimedia", "report of dLocal"},
	{"mastercard_ipm/derived_ascii", "binary content"},
	{"nacha/", "NACHA"},
	{"ofx/", "OFX"},
	{"other_psp/", "no format knows"},
	{"paypal/smashpig/stl", "report of PayPal"},
	{"paypal/smashpig/trr", "report of PayPal"},
	{"paypal/oca/statement_en.csv", "report of PayPal"},
	{"pos_cn/order_sample.txt", "UTF-8 was read as GBK"},
	{"pos_cn/statement.csv", "without their time"},
	{"razorpay/valid_combined", "report of Razorpay"},
	{"square/", "report of Square"},
	{"vipps/Vipps-oppgjørsrapport-16655-2018-09-23.xlsx", "report of Vipps"},
	{"vipps/Vipps-oppgjørsrapport-16655-2018-09-23.xml", "<SettlementReport>"},
	{"worldline_ingenico/", "XML document"},
}

// TestSamples reads every real file: those of the families as their format,
// the others refused with a reason that is right. Nothing is passed over.
func TestSamples(t *testing.T) {
	root := samples(t)
	set := evidence.NewSet()
	l, err := format.Load(context.Background(), []string{root}, format.Options{}, registry.All(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	rel := func(file string) string { return strings.TrimPrefix(strings.TrimPrefix(file, root), "/") }
	told := map[string]bool{}
	for _, s := range l.Sources {
		told[rel(s.File)] = true
		folder, _, _ := strings.Cut(rel(s.File), "/")
		known := families[folder] == nil
		for _, prefix := range families[folder] {
			known = known || strings.HasPrefix(s.Format, prefix)
		}
		if !known {
			t.Errorf("%s is read as %s", rel(s.File), s.Format)
		}
		if s.Facts > 0 && (s.From == 0 || s.To < s.From) {
			t.Errorf("%s: %d facts from %d to %d", rel(s.File), s.Facts, s.From, s.To)
		}
	}
	why := map[string]string{}
	for _, r := range l.Rejected {
		told[rel(r.File)] = true
		if r.Line == 0 {
			why[rel(r.File)] = r.Why.EN
		}
		if r.Why.None() {
			t.Errorf("%v: rejected without a reason", r)
		}
	}
	for _, x := range refused {
		n := 0
		for file, reason := range why {
			if strings.HasPrefix(file, x.path) {
				n++
				if !strings.Contains(reason, x.why) {
					t.Errorf("%s: %s; want …%s…", file, reason, x.why)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: not refused", x.path)
		}
	}
	err = filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		name := rel(p)
		for file := range told {
			if file == name || strings.HasPrefix(file, name+":") || strings.HasPrefix(file, name+"#") || file+".gz" == name {
				return nil
			}
		}
		t.Errorf("%s: neither read nor refused", name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
