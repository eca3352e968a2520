package bank_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// report002 is a status report of a bank on one order; group and body are what
// it says of the order and of its payments.
func report002(group, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>R7</MsgId><CreDtTm>2026-03-03T10:30:00+08:00</CreDtTm><DbtrAgt><FinInstnId><BICFI>ICBKCNBJXXX</BICFI></FinInstnId></DbtrAgt></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>PO20260303-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>` + group + `</OrgnlGrpInfAndSts>
` + body + `</CstmrPmtStsRpt></Document>`
}

// tx002 is what a report says of one payment.
func tx002(payout, status, rest string) string {
	if status != "" {
		status = "<TxSts>" + status + "</TxSts>"
	}
	return "<TxInfAndSts><OrgnlEndToEndId>" + payout + "</OrgnlEndToEndId>" + status + rest + "</TxInfAndSts>\n"
}

func batch002(rest string) string {
	return "<OrgnlPmtInfAndSts><OrgnlPmtInfId>PO20260303-1</OrgnlPmtInfId>" + rest + "</OrgnlPmtInfAndSts>"
}

func reason(code, info string) string {
	return "<StsRsnInf><Rsn><Cd>" + code + "</Cd></Rsn><AddtlInf>" + info + "</AddtlInf></StsRsnInf>"
}

func amount002(amount string) string {
	return `<OrgnlTxRef><Amt><InstdAmt Ccy="CNY">` + amount + `</InstdAmt></Amt></OrgnlTxRef>`
}

// words gives what a reading says of payouts: id, state, reason.
func words(t *testing.T, r result) []string {
	var list []string
	for _, ref := range facts(t, r, evidence.PayoutStatus) {
		if by := r.set.Text(ref, evidence.By); by != "bank" {
			t.Errorf("said by %q", by)
		}
		list = append(list, strings.TrimSpace(r.set.Text(ref, evidence.Payout)+" "+r.set.At(ref).State.String()+" "+r.set.Text(ref, evidence.Reason)))
	}
	return list
}

func TestStatusStates(t *testing.T) {
	for code, want := range map[string]string{
		"RCVD": "sent", "ACTC": "sent", "PDNG": "sent", "ACCP": "accepted", "ACSP": "accepted", "ACSC": "accepted", "ACWC": "accepted",
		"ACWP": "accepted", "ACFC": "accepted", "ACCC": "credited", "RJCT": "rejected", "CANC": "rejected", "BLCK": "held",
	} {
		r := read(code, []byte(report002("", batch002(tx002("P1", code, "")))), format.Hints{})
		if got := words(t, r); !slices.Equal(got, []string{"P1 " + want}) || r.told() != "" {
			t.Errorf("%s: %q, told %q", code, got, r.told())
		}
	}
}

func TestStatusFact(t *testing.T) {
	r := read("r.xml", []byte(report002("", batch002(
		tx002("P1", "RJCT", reason("AC04", "Account &lt;closed&gt;")+amount002("127.51"))+
			tx002("P2", "ACSP", "<AccptncDtTm>2026-03-03T10:05:00+08:00</AccptncDtTm>"+amount002("0.05"))))), format.Hints{})
	if got := words(t, r); !slices.Equal(got, []string{"P1 rejected AC04", "P2 accepted"}) || r.told() != "" {
		t.Fatalf("%q, told %q", got, r.told())
	}
	refs := facts(t, r, evidence.PayoutStatus)
	if a, ok := r.set.At(refs[0]).Amount(); a != 12751 || !ok || r.set.Text(refs[0], evidence.Text) != "Account <closed>" {
		t.Errorf("amount %d %v, text %q", a, ok, r.set.Text(refs[0], evidence.Text))
	}
	at := func(ref evidence.FactRef) (string, string) {
		f := r.set.At(ref)
		known := ""
		if f.Recorded != 0 {
			known = time.Unix(0, int64(f.Recorded)).UTC().Format("15:04")
		}
		return time.Unix(0, int64(f.Time)).UTC().Format("15:04"), known
	}
	if time, known := at(refs[0]); time != "02:30" || known != "" {
		t.Errorf("rejected at %s, known %s", time, known)
	}
	// The bank took it at 10:05 and said so at 10:30.
	if time, known := at(refs[1]); time != "02:05" || known != "02:30" {
		t.Errorf("accepted at %s, known %s", time, known)
	}
	if name := r.set.Name(refs[0]); !strings.HasPrefix(name, "pain.002/ICBKCNBJXXX/R7#") || r.out.Source().Format != "pain.002.001.10" {
		t.Errorf("%s of %s", name, r.out.Source().Format)
	}
}

// TestStatusLevels: a payment without a status has that of what holds it; what
// is said of payments that are not named moves none and is told.
func TestStatusLevels(t *testing.T) {
	for name, c := range map[string]struct {
		group, body string
		want        []string
		why         string
		refused     int
	}{
		"of the order":       {"<GrpSts>RJCT</GrpSts>" + reason("AM04", "no cover"), tx002("P1", "", ""), []string{"P1 rejected AM04"}, "", 0},
		"of the batch":       {"<GrpSts>PART</GrpSts>", batch002("<PmtInfSts>ACCP</PmtInfSts>" + tx002("P1", "", "") + tx002("P2", "RJCT", reason("AC01", ""))), []string{"P1 accepted", "P2 rejected AC01"}, "", 0},
		"order refused":      {"<GrpSts>RJCT</GrpSts>" + reason("DU01", "twice"), "", nil, "of the whole order: RJCT, reason DU01", 1},
		"order taken":        {"<GrpSts>ACTC</GrpSts>", "", nil, "of the whole order: ACTC", 0},
		"batch refused":      {"", batch002("<PmtInfSts>RJCT</PmtInfSts>"), nil, "of a whole payment information: RJCT", 1},
		"the rest":           {"<OrgnlNbOfTxs>3</OrgnlNbOfTxs><GrpSts>ACSP</GrpSts>", tx002("P1", "RJCT", ""), []string{"P1 rejected"}, "of 2 payments that it does not name: ACSP", 0},
		"only the refused":   {"<OrgnlNbOfTxs>3</OrgnlNbOfTxs><GrpSts>PART</GrpSts>", tx002("P1", "RJCT", ""), []string{"P1 rejected"}, "speaks of 1 of the 3 payments of the order", 0},
		"more than ordered":  {"<OrgnlNbOfTxs>1</OrgnlNbOfTxs>", tx002("P1", "RJCT", "") + tx002("P2", "RJCT", ""), []string{"P1 rejected", "P2 rejected"}, "has 1 payments (OrgnlNbOfTxs), but speaks of 2", 0},
		"sum":                {"<OrgnlNbOfTxs>1</OrgnlNbOfTxs><OrgnlCtrlSum>2</OrgnlCtrlSum>", tx002("P1", "ACSP", amount002("1.99")), []string{"P1 accepted"}, "control sum of 2 (OrgnlCtrlSum) for the order, but its payments make 1.99", 0},
		"count per status":   {"<NbOfTxsPerSts><DtldNbOfTxs>2</DtldNbOfTxs><DtldSts>RJCT</DtldSts></NbOfTxsPerSts>", tx002("P1", "RJCT", ""), []string{"P1 rejected"}, "states 2 payments as RJCT (DtldNbOfTxs), but lists 1", 0},
		"sum per status":     {"", batch002("<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>RJCT</DtldSts><DtldCtrlSum>3.00</DtldCtrlSum></NbOfTxsPerSts>" + tx002("P1", "RJCT", amount002("4"))), []string{"P1 rejected"}, "sum of 3.00 for RJCT (DtldCtrlSum), but its payments make 4.00", 0},
		"not listed":         {"<NbOfTxsPerSts><DtldNbOfTxs>2</DtldNbOfTxs><DtldSts>ACSP</DtldSts></NbOfTxsPerSts>", tx002("P1", "RJCT", ""), []string{"P1 rejected"}, "", 0},
		"unknown status":     {"", tx002("P1", "OKAY", "") + tx002("P2", "ACSP", ""), []string{"P2 accepted"}, "OKAY", 1},
		"no status":          {"", tx002("P1", "", ""), nil, "none that ISO 20022 knows", 1},
		"nobody's":           {"", tx002("NOTPROVIDED", "RJCT", ""), nil, "names no payment", 1},
		"by instruction":     {"", "<TxInfAndSts><OrgnlInstrId>I1</OrgnlInstrId><TxSts>ACCC</TxSts></TxInfAndSts>", []string{"I1 credited"}, "", 0},
		"two of the same":    {"", tx002("P1", "ACSP", "") + tx002("P1", "ACSP", ""), []string{"P1 accepted", "P1 accepted"}, "", 0},
		"a card, not a code": {"", tx002("P1", "6222021234567890123", ""), nil, "knows of a payment: …", 1},
	} {
		r := read(name, []byte(report002(c.group, c.body)), format.Hints{})
		if got := words(t, r); !slices.Equal(got, c.want) || !strings.Contains(r.told(), c.why) || c.why == "" && r.told() != "" || len(r.out.Rejected()) != c.refused {
			t.Errorf("%s: %q, want %q; %d refused, told %q, want …%s…", name, got, c.want, len(r.out.Rejected()), r.told(), c.why)
		}
		for _, n := range append(r.out.Rejected(), r.out.Warnings()...) {
			if n.Why.In("zh") == n.Why.EN {
				t.Errorf("%s: no Chinese for %q", name, n.Why.EN)
			}
		}
	}
}

func TestStatusBroken(t *testing.T) {
	good := report002("", batch002(tx002("P1", "ACSP", "")+tx002("P2", "ACSP", "")))
	r := read("cut", []byte(good[:strings.Index(good, "P2")]), format.Hints{})
	if got := words(t, r); !slices.Equal(got, []string{"P1 accepted"}) || r.err == nil || !strings.Contains(r.err.Error(), "cut off") {
		t.Errorf("%q, %v", got, r.err)
	}
	debits := strings.Replace(good, "pain.001.001.09", "pain.008.001.02", 1)
	if r := read("debits", []byte(debits), format.Hints{}); len(words(t, r)) != 0 || !strings.Contains(r.told(), "no payouts") {
		t.Errorf("a report on direct debits: told %q", r.told())
	}
	timeless := strings.Replace(good, "<CreDtTm>2026-03-03T10:30:00+08:00</CreDtTm>", "", 1)
	if r := read("timeless", []byte(timeless), format.Hints{}); len(words(t, r)) != 0 || !strings.Contains(r.told(), "when it was made") {
		t.Errorf("a report without time: told %q", r.told())
	}
}

// TestPainSamples reads every sample of these messages: what they say in
// payments, the sum of orders, what does not fit.
func TestPainSamples(t *testing.T) {
	root := filepath.Join(samples(t), "pain_pacs")
	for _, c := range []struct {
		file, format string
		facts        int
		sum          int64 // of the amounts that are told, in minor units
		words, why   string
	}{
		{"cbpr/pain.001.max.xml", "pain.001.001.09", 1, 100000, "", ""},
		{"dutch-sepa/ing_pain.001.001.03_voorbeeldbestand.xml", "pain.001.001.03", 1, 101, "", ""},
		{"iso20022js/cross_river_pain_001_ach_credit.xml", "pain.001.001.03", 1, 1, "", ""},
		{"iso20022js/cross_river_pain_001_rtp_credit.xml", "pain.001.001.03", 1, 1, "", ""},
		{"iso20022js/example_sepa_pain_001_v3_multiple_pmtinf.xml", "pain.001.001.03", 2, 2000, "", "control sum of 10.00 (CtrlSum), but the payments make 20.00"},
		{"iso20022js/example_swift_pain_001_v3.xml", "pain.001.001.03", 1, 1000, "", ""},
		{"iso20022js/goldman_sachs_pain_001_ach_credit.xml", "pain.001.001.03", 1, 12300, "", "control sum of 510.24 (CtrlSum), but the payments make 123.00"},
		{"iso20022js/goldman_sachs_pain_001_v3_sepa.xml", "pain.001.001.03", 1, 51024, "", ""},
		{"moov-iso20022/International_payment_RUB_naujas_1.xml", "pain.001.001.03", 1, 100000, "", ""},
		{"moov-iso20022/International_payment_USD_naujas_1.xml", "pain.001.001.03", 1, 11111, "", ""},
		{"moov-iso20022/sepa_payment_naujas_1.xml", "pain.001.001.03", 1, 9999, "", ""},
		{"../camt/moov-iso20022/gistfile1.xml", "pain.001.001.03", 3, 160000000, "", ""},
		{"iso20022js/cross_river_pain_002_debit_accepted.xml", "pain.002.001.03", 0, 0, "", "PAIN.008.001.02"},
		{"iso20022js/cross_river_pain_002_transaction_rejected.xml", "pain.002.001.03", 3, 0, "rejected NARR", ""},
		{"iso20022js/goldman_sachs_pain_002_v3_accepted.xml", "pain.002.001.03", 1, 1000, "accepted NARR", "speaks of 1 of the 2 payments"},
		{"iso20022js/nordea_pain_002_v3_group_reject.xml", "pain.002.001.03", 0, 0, "", "whole order: RJCT, reason DU01"},
		{"iso20022js/nordea_pain_002_v3_payment_reject.xml", "pain.002.001.03", 0, 0, "", "whole payment information: RJCT, reason NARR"},
		{"iso20022js/nordea_pain_002_v3_txn_reject.xml", "pain.002.001.03", 2, 0, "rejected NARR", ""},
		{"moov-iso20022/pain002-chdd-cor1_p_ch2909000000250094239_1110097483_0_2018031317221082.xml", "pain.002.001.03", 0, 0, "", "no payouts"},
		{"moov-iso20022/pain002-epo_p_0_0_0_2018031510491259.xml", "pain.002.001.03", 0, 0, "", "whole order: ACTC"},
		{"moov-iso20022/pain002-epo_p_0_0_0_2018032614401842.xml", "pain.002.001.03", 0, 0, "", "whole order: RJCT, reason AM10"},
		{"moov-iso20022/valid_pain_v11.xml", "pain.002.001.11", 0, 0, "", ""},
	} {
		content, err := os.ReadFile(filepath.Join(root, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		r := read(c.file, content, format.Hints{})
		if !r.detected {
			t.Errorf("%s: not recognised", c.file)
			continue
		}
		var sum int64
		var said []string
		for ref, f := range r.set.All {
			a, _ := f.Amount()
			sum += a
			if w := strings.TrimSpace(f.State.String() + " " + r.set.Text(ref, evidence.Reason)); f.State != evidence.Created && !slices.Contains(said, w) {
				said = append(said, w)
			}
		}
		got := fmt.Sprint(r.out.Source().Format, " ", r.out.Source().Facts, " ", sum, " ", said)
		want := c.format
		if got != fmt.Sprint(want, " ", c.facts, " ", c.sum, " ", strings.Fields(c.words)) || !strings.Contains(r.told(), c.why) || c.why == "" && r.told() != "" {
			t.Errorf("%s: %s, told %q", c.file, got, r.told())
		}
	}
}

func FuzzOrder(f *testing.F) {
	fuzzPain(f, bank.Formats()[2], written(f, order(f)))
}

func FuzzStatus(f *testing.F) {
	fuzzPain(f, bank.Formats()[3], report002("<GrpSts>PART</GrpSts><OrgnlNbOfTxs>3</OrgnlNbOfTxs>", batch002("<NbOfTxsPerSts><DtldNbOfTxs>2</DtldNbOfTxs><DtldSts>RJCT</DtldSts></NbOfTxsPerSts>"+
		tx002("P1", "RJCT", reason("AC01", "x")+amount002("1.00"))+tx002("P2", "", ""))))
}

// fuzzPain reads any bytes: it must neither panic nor hang, and whatever it
// keeps must be whole.
func fuzzPain(f *testing.F, one format.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		in := format.NewInput("fuzz", content, format.Hints{})
		one.Detect(&in.Head)
		set := evidence.NewSet()
		out := format.NewOut("fuzz", set)
		if err := one.Read(in, out); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		for ref, fact := range set.All {
			if fact.Type != evidence.PayoutStatus || fact.State == 0 || fact.Time == 0 || set.Text(ref, evidence.Payout) == "" {
				t.Errorf("%s is not whole", set.Name(ref))
			}
		}
		for _, n := range append(out.Rejected(), out.Warnings()...) {
			if n.Why.None() {
				t.Error("told without a reason")
			}
		}
	})
}
