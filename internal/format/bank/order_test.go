package bank_test

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
	"daozhang/internal/money"
)

func currencyOf(t testing.TB, code string) money.Currency {
	t.Helper()
	c, err := money.ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// order is a good order of two payouts.
func order(t testing.TB) *bank.PaymentOrder {
	cny := currencyOf(t, "CNY")
	day, err := calendar.ParseDate("2026-03-03")
	if err != nil {
		t.Fatal(err)
	}
	return &bank.PaymentOrder{ID: "PO20260303-1", Created: time.Date(2026, 3, 3, 9, 0, 0, 0, time.FixedZone("", 8*3600)), Execution: day,
		Debtor: bank.Party{Name: "Example Acquiring", Account: "110900000000001234", Agent: bank.AgentOf("ICBKCNBJXXX", "ICBC")},
		Payments: []bank.Payment{
			{EndToEnd: "P20260303-1", UETR: "eb6305c9-1f7f-49de-aed0-16487c27b42d", Amount: 12751, Currency: cny, Text: "Settlement <2026-03-02> & thanks",
				Creditor: bank.Party{Name: "咖啡馆", ID: "898310058120001", Account: "31050000000067890", Agent: bank.AgentOf("102290000012", "ICBC")}},
			{EndToEnd: "P20260303-2", Amount: 5, Currency: cny,
				Creditor: bank.Party{Name: "Bakery", ID: "898310058120002", Account: "DE02120300000000202051", Agent: bank.AgentOf("BYLADEM1001", "")}},
		}}
}

func written(t testing.TB, o *bank.PaymentOrder) string {
	t.Helper()
	var b bytes.Buffer
	if err := bank.WriteOrder(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOrderFacts(t *testing.T) {
	file := written(t, order(t))
	if !strings.Contains(file, "<NbOfTxs>2</NbOfTxs>\n<CtrlSum>127.56</CtrlSum>") {
		t.Errorf("control sum missing in\n%s", file)
	}
	if again := written(t, order(t)); again != file {
		t.Error("the same order written twice differs")
	}
	r := read("order.xml", []byte(file), format.Hints{})
	payouts := facts(t, r, evidence.PayoutStatus)
	if len(payouts) != 2 || r.told() != "" || r.out.Source().Format != "pain.001.001.09" {
		t.Fatalf("%d payouts as %s, told %q", len(payouts), r.out.Source().Format, r.told())
	}
	for field, want := range map[evidence.Field]string{
		evidence.Payout: "P20260303-1", evidence.MID: "898310058120001", evidence.Account: "31050000000067890", evidence.Bank: "ICBC",
		evidence.By: "platform", evidence.Text: "Settlement <2026-03-02> & thanks",
	} {
		if got := r.set.Text(payouts[0], field); got != want {
			t.Errorf("%s = %q, want %q", field, got, want)
		}
	}
	f := r.set.At(payouts[0])
	if a, _ := f.Amount(); a != 12751 || f.State != evidence.Created || f.Currency.String() != "CNY" {
		t.Errorf("amount %d %s, state %s", a, f.Currency, f.State)
	}
	if at := time.Unix(0, int64(f.Time)).UTC().Format(time.RFC3339); at != "2026-03-03T01:00:00Z" {
		t.Errorf("created %s", at)
	}
	if twice := read("again.xml", []byte(file), format.Hints{}); twice.set.Name(facts(t, twice, evidence.PayoutStatus)[0]) != r.set.Name(payouts[0]) {
		t.Error("the same file under another name gives another fact")
	}
}

// TestOrderRoundTrip: whatever can be written is read back as it was, and no
// order that is refused leaves a byte.
func TestOrderRoundTrip(t *testing.T) {
	currencies := []money.Currency{currencyOf(t, "CNY"), currencyOf(t, "JPY"), currencyOf(t, "KWD"), currencyOf(t, "EUR")}
	rapid.Check(t, func(t *rapid.T) {
		o := &bank.PaymentOrder{
			ID:        rapid.StringMatching(`[A-Za-z0-9-]{1,35}`).Draw(t, "id"),
			Created:   time.UnixMilli(rapid.Int64Range(1.7e12, 1.9e12).Draw(t, "created")).In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)),
			Execution: calendar.DateOf(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "day"), 0),
		}
		party := func(name string) bank.Party {
			return bank.Party{
				Name:    rapid.StringMatching(`[\p{L}\p{N}&<>"']{1,70}( [\p{L}\]]{1,9})?`).Draw(t, name),
				Account: rapid.StringMatching(`[0-9]{6,34}|DE[0-9]{20}`).Draw(t, "account"),
				Agent: bank.AgentOf(rapid.StringMatching(`[A-Z]{4}CN[A-Z0-9]{2}([A-Z0-9]{3})?|[0-9]{12}|[0-9]{6}`).Draw(t, "agent"),
					rapid.StringMatching(`([A-Z]{3,8})?`).Draw(t, "bank")),
			}
		}
		o.Debtor = party("debtor")
		var want []string
		n := rapid.IntRange(1, 30).Draw(t, "n")
		for i := range n {
			p := bank.Payment{EndToEnd: fmt.Sprintf("P%d-%s", i, rapid.StringMatching(`[A-Z0-9/]{0,20}`).Draw(t, "payout")),
				Amount: rapid.Int64Range(1, 1e12).Draw(t, "amount"), Currency: rapid.SampledFrom(currencies).Draw(t, "currency"), Creditor: party("creditor"),
				Text: rapid.StringMatching(`([!-~]{1,60})?`).Draw(t, "text")}
			p.Creditor.ID = rapid.StringMatching(`([0-9]{15})?`).Draw(t, "mid")
			o.Payments = append(o.Payments, p)
			want = append(want, fmt.Sprint(p.EndToEnd, p.Amount, p.Currency, p.Creditor, p.Text, o.Execution, o.Debtor, o.ID))
		}
		var b bytes.Buffer
		if err := bank.WriteOrder(&b, o); err != nil {
			t.Fatal(err)
		}
		var got []string
		head, err := bank.ReadOrder(&b, func(in *bank.Instruction) {
			if !in.Problem.None() {
				t.Error(in.Problem)
			}
			got = append(got, fmt.Sprint(in.EndToEnd, in.Amount, in.Currency, in.Creditor, in.Text, in.Execution, in.Debtor, in.Order.ID))
		})
		if err != nil || len(head.Differences) > 0 || !slices.Equal(got, want) {
			t.Fatalf("read %v %v\n%q, want\n%q", err, head.Differences, got, want)
		}
		if !head.Created.Equal(o.Created) || head.Payments != int64(n) {
			t.Fatalf("created %s of %s, %d payments", head.Created, o.Created, head.Payments)
		}
	})
}

func TestOrderRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bank.PaymentOrder)
		why    string
	}{
		"no id":           {func(o *bank.PaymentOrder) { o.ID = "" }, "MsgId is missing"},
		"long id":         {func(o *bank.PaymentOrder) { o.ID = strings.Repeat("x", 36) }, "MsgId has 36 characters"},
		"no time":         {func(o *bank.PaymentOrder) { o.Created = time.Time{} }, "time of creation"},
		"no day":          {func(o *bank.PaymentOrder) { o.Execution = calendar.None }, "day of execution"},
		"nothing":         {func(o *bank.PaymentOrder) { o.Payments = nil }, "no payments"},
		"no payer":        {func(o *bank.PaymentOrder) { o.Debtor.Account = "" }, "payer: Acct is missing"},
		"twice":           {func(o *bank.PaymentOrder) { o.Payments[1].EndToEnd = o.Payments[0].EndToEnd }, "paid twice"},
		"zero":            {func(o *bank.PaymentOrder) { o.Payments[1].Amount = 0 }, "not more than zero"},
		"no currency":     {func(o *bank.PaymentOrder) { o.Payments[1].Currency = money.Currency{} }, "currency is missing"},
		"no reference":    {func(o *bank.PaymentOrder) { o.Payments[1].EndToEnd = "NOTPROVIDED" }, "says that there is none"},
		"bad UETR":        {func(o *bank.PaymentOrder) { o.Payments[0].UETR = "1234" }, "not a UUID"},
		"no agent":        {func(o *bank.PaymentOrder) { o.Payments[0].Creditor.Agent = bank.Agent{} }, "no bank is named"},
		"bad BIC":         {func(o *bank.PaymentOrder) { o.Payments[0].Creditor.Agent = bank.Agent{BIC: "icbc"} }, "BIC"},
		"control letters": {func(o *bank.PaymentOrder) { o.Payments[0].Creditor.Name = "a\x00b" }, "XML does not carry"},
		"too much": {func(o *bank.PaymentOrder) {
			o.Payments[0].Amount, o.Payments[1].Amount = 9e18, 9e18
		}, "control sum"},
	} {
		o := order(t)
		c.change(o)
		var b bytes.Buffer
		err := bank.WriteOrder(&b, o)
		if err == nil || !strings.Contains(err.Error(), c.why) || fault.KindOf(err) != fault.Invalid || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written; want …%s…", name, err, b.Len(), c.why)
			continue
		}
		if strings.Contains(err.Error(), "31050000000067890") {
			t.Errorf("%s: the error repeats an account", name)
		}
		if zh := fault.TextOf(err).In("zh"); zh == err.Error() {
			t.Errorf("%s: no Chinese", name)
		}
	}
}

// TestOrderTold: what does not fit in an order is told, and the rest is read.
func TestOrderTold(t *testing.T) {
	good := written(t, order(t))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the order", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct {
		file    string
		payouts int
		why     string
	}{
		"count":       {change("<NbOfTxs>2<", "<NbOfTxs>3<"), 2, "states 3 payments (NbOfTxs), but there are 2"},
		"sum":         {change("<CtrlSum>127.56<", "<CtrlSum>127.57<"), 2, "control sum of 127.57 (CtrlSum), but the payments make 127.56"},
		"no sum":      {change("<CtrlSum>127.56<", "<CtrlSum>much<"), 2, "control sum of …"},
		"changed":     {change(">0.05<", ">0.06<"), 2, "the payments make 127.57"},
		"amount":      {change(">0.05<", ">5 fen<"), 1, "the amount (Amt) is"},
		"no amount":   {change(`<InstdAmt Ccy="CNY">0.05</InstdAmt>`, ""), 1, "no amount"},
		"currency":    {change(`Ccy="CNY">0.05`, `Ccy="CN">0.05`), 1, "not an ISO 4217"},
		"negative":    {change(">0.05<", ">-0.05<"), 1, "not more than zero"},
		"no id":       {strings.ReplaceAll(good, "P20260303-2", "NOTPROVIDED"), 1, "no identification (EndToEndId)"},
		"no payee":    {change("<IBAN>DE02120300000000202051</IBAN>", ""), 1, "no account of the payee"},
		"no time":     {change("<CreDtTm>2026-03-03T09:00:00.000+08:00</CreDtTm>", ""), 0, "when it was made"},
		"cut off":     {good[:len(good)-300], 1, "cut off"},
		"not closed":  {change("</CdtTrfTxInf>", "</CdtTrfTx>"), 0, "not open"},
		"no payments": {`<Document><CstmrCdtTrfInitn><GrpHdr><MsgId>1</MsgId></GrpHdr></CstmrCdtTrfInitn></Document>`, 0, "holds no payments"},
	} {
		r := read(name, []byte(c.file), format.Hints{})
		if n := len(facts(t, r, evidence.PayoutStatus)); n != c.payouts || !strings.Contains(r.told(), c.why) {
			t.Errorf("%s: %d payouts, want %d; told %q, want …%s…", name, n, c.payouts, r.told(), c.why)
		}
	}
}

// TestOrderOld reads the forms that only older versions have.
func TestOrderOld(t *testing.T) {
	r := read("old.xml", []byte(`<?xml version="1.0"?>
<p:Document xmlns:p="urn:iso:std:iso:20022:tech:xsd:pain.001.001.02"><p:pain.001.001.02><p:GrpHdr><p:MsgId>M1</p:MsgId><p:CreDtTm>2010-03-02T10:00:00</p:CreDtTm>
<p:NbOfTxs>1</p:NbOfTxs><p:CtrlSum>10.5</p:CtrlSum></p:GrpHdr><p:PmtInf><p:ReqdExctnDt>2010-03-02</p:ReqdExctnDt>
<p:DbtrAcct><p:Id><p:IBAN>DE02 1203 0000 0000 2020 51</p:IBAN></p:Id></p:DbtrAcct><p:DbtrAgt><p:FinInstnId><p:BIC>BYLADEM1001</p:BIC></p:FinInstnId></p:DbtrAgt>
<p:CdtTrfTxInf><p:PmtId><p:EndToEndId>E1</p:EndToEndId></p:PmtId><p:Amt><p:InstdAmt Ccy="EUR">10.50</p:InstdAmt></p:Amt>
<p:CdtrAcct><p:Id><p:BBAN>12345678</p:BBAN></p:Id></p:CdtrAcct></p:CdtTrfTxInf></p:PmtInf></p:pain.001.001.02></p:Document>`), format.Hints{})
	payouts := facts(t, r, evidence.PayoutStatus)
	if len(payouts) != 1 || r.told() != "" {
		t.Fatalf("%d payouts, told %q", len(payouts), r.told())
	}
	// A time without offset is that of the payer's country.
	if f := r.set.At(payouts[0]); time.Unix(0, int64(f.Time)).UTC().Hour() != 9 || r.set.Text(payouts[0], evidence.Account) != "12345678" {
		t.Errorf("at %d, account %q", f.Time, r.set.Text(payouts[0], evidence.Account))
	}
}

// TestOrderSeveral reads several orders in one file, and an order out of two
// accounts: each payment belongs to its own.
func TestOrderSeveral(t *testing.T) {
	second := order(t)
	second.ID, second.Created = "PO20260304-1", second.Created.Add(24*time.Hour)
	second.Payments[0].EndToEnd, second.Payments[1].EndToEnd = "P20260304-1", "P20260304-2"
	r := read("two.xml", []byte(written(t, order(t))+written(t, second)), format.Hints{})
	payouts := facts(t, r, evidence.PayoutStatus)
	if len(payouts) != 4 || r.told() != "" {
		t.Fatalf("%d payouts, told %q", len(payouts), r.told())
	}
	for i, day := range []int{3, 3, 4, 4} {
		if f := r.set.At(payouts[i]); time.Unix(0, int64(f.Time)).UTC().Day() != day || !strings.Contains(r.set.Name(payouts[i]), fmt.Sprintf("PO2026030%d-1#", day)) {
			t.Errorf("payout %d: %s at %d", i, r.set.Name(payouts[i]), f.Time)
		}
	}
}

// BenchmarkOrder writes and reads an order of 10,000 payouts.
func BenchmarkOrder(b *testing.B) {
	o := order(b)
	for i := len(o.Payments); i < 10_000; i++ {
		p := o.Payments[0]
		p.EndToEnd = fmt.Sprint("P20260303-", i+1)
		o.Payments = append(o.Payments, p)
	}
	file := written(b, o)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if err := bank.WriteOrder(io.Discard, o); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if head, err := bank.ReadOrder(strings.NewReader(file), func(*bank.Instruction) {}); err != nil || head.Payments != 10_000 {
				b.Fatal(err)
			}
		}
	})
}

// TestOrderElements holds the order of elements against a message of the same
// version by somebody else: XML schemas of ISO 20022 are sequences.
func TestOrderElements(t *testing.T) {
	sample, err := os.ReadFile(filepath.Join(samples(t), "pain_pacs", "cbpr", "pain.001.max.xml"))
	if err != nil {
		t.Skip(err)
	}
	theirs := childrenOf(t, sample)
	o := order(t)
	o.Payments = o.Payments[:1]
	o.Payments[0].Creditor.Agent = bank.Agent{BIC: "ICBKCNBJXXX", Member: "102290000012", Name: "ICBC"}
	for parent, children := range childrenOf(t, []byte(written(t, o))) {
		last := -1
		for _, c := range children {
			at := slices.Index(theirs[parent], c)
			if at < 0 {
				continue // a choice that the sample makes otherwise
			}
			if at < last {
				t.Errorf("<%s> comes too late in <%s>: %v, there %v", c, parent, children, theirs[parent])
			}
			last = max(last, at)
		}
	}
}

// childrenOf gives the elements within each element in order of their first
// appearance in any of its kind.
func childrenOf(t *testing.T, file []byte) map[string][]string {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(file))
	d.Strict = false
	children := map[string][]string{}
	var open []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			return children
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			parent := cmp.Or(strings.Join(open, "/"), "/")
			if i := strings.Index(parent, "CstmrCdtTrfInitn"); i >= 0 {
				parent = parent[i:]
				if !slices.Contains(children[parent], e.Name.Local) {
					children[parent] = append(children[parent], e.Name.Local)
				}
			}
			open = append(open, e.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}
