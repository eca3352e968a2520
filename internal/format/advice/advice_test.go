package advice_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/advice"
	"daozhang/internal/format/registry"
	"daozhang/internal/money"
)

var shanghai = time.FixedZone("", 8*3600)

func file(t testing.TB) *advice.File {
	cny, err := money.ParseCurrency("CNY")
	if err != nil {
		t.Fatal(err)
	}
	day, err := calendar.ParseDate("2026-03-03")
	if err != nil {
		t.Fatal(err)
	}
	return &advice.File{MID: "898310058120001", Name: "咖啡 & Bar", Currency: cny, Date: day, Zone: shanghai,
		At: time.Date(2026, 3, 3, 2, 0, 0, 123456000, shanghai), Count: 3, Total: 12751 - 5000 - 1000,
		Lines: []advice.Line{
			{ID: "019cafe0-0000-7000-8000-000000000001/1", Payment: "019cafe0-0000-7000-8000-000000000001", Kind: evidence.Sale, Gross: 12800, Fee: 49, Net: 12751,
				Time: time.Date(2026, 3, 2, 10, 15, 4, 0, shanghai), Payout: "P20260303-1", TID: "T1000001", Batch: "000012", STAN: "000123", RRN: "606110000123",
				AuthCode: "A1B2C3", PAN: "622202******1234", CardType: evidence.Debit, Network: "UnionPay", Issuer: "ICBC"},
			{ID: "019cafe0-0000-7000-8000-000000000002/1", Kind: evidence.Refund, Gross: 5010, Fee: -10, Net: -5000, Payout: "P20260303-1", OriginalRRN: "606010000007"},
			{ID: "reserve/B1", Kind: evidence.Reserve, Gross: 1000, Net: -1000, At: time.Date(2026, 3, 3, 1, 0, 0, 0, shanghai)},
		}}
}

type form struct {
	name  string
	write func(io.Writer, *advice.File) error
}

var forms = []form{{"csv", advice.WriteCSV}, {"settlement.camt054", advice.WriteCAMT054}}

type result struct {
	format string
	set    *evidence.Set
	out    *format.Out
	err    error
}

// read reads content as what it is detected to be among all formats.
func read(content []byte) result {
	in := format.NewInput("x", content, format.Hints{})
	for _, f := range registry.All() {
		if f.Detect(&in.Head) {
			r := result{format: f.Name, set: evidence.NewSet()}
			r.out = format.NewOut("x", r.set)
			r.err = f.Read(in, r.out)
			return r
		}
	}
	return result{}
}

func (r result) told() string {
	var b strings.Builder
	if r.err != nil {
		fmt.Fprintln(&b, r.err)
	}
	for _, n := range append(r.out.Rejected(), r.out.Warnings()...) {
		fmt.Fprintln(&b, n.Why.EN)
	}
	return b.String()
}

// facts gives every fact with its identity and the hash of its content.
func (r result) facts() []string {
	var list []string
	for ref := range r.set.All {
		list = append(list, fmt.Sprintf("%s %x", r.set.Name(ref), r.set.ContentHash(ref)))
	}
	slices.Sort(list)
	return list
}

// events are the facts that a platform emits of a file, as CloudEvents written
// by hand: what both forms have to come back as.
func events(t interface{ Fatal(...any) }, f *advice.File) []byte {
	var b bytes.Buffer
	put := func(id, typ string, at time.Time, data map[string]any) {
		for k, v := range data {
			if v == "" {
				delete(data, k)
			}
		}
		data["mid"], data["currency"] = f.MID, f.Currency.String()
		line, err := json.Marshal(map[string]any{"specversion": "1.0", "source": "settlement/" + f.MID, "id": id, "type": "daozhang." + typ,
			"time": at.In(f.Zone).Format("2006-01-02T15:04:05.000000Z07:00"), "data": data})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	for _, l := range f.Lines {
		at, happened := l.At, ""
		if at.IsZero() {
			at = f.At
		}
		if !l.Time.IsZero() {
			happened = l.Time.In(f.Zone).Format(time.RFC3339)
		}
		put(l.ID, "settlement.line", at, map[string]any{"tid": l.TID, "batch": l.Batch, "stan": l.STAN, "rrn": l.RRN, "auth_code": l.AuthCode,
			"order_id": l.OrderID, "pan": l.PAN, "card_type": l.CardType.String(), "network": l.Network, "issuer": l.Issuer, "original_rrn": l.OriginalRRN,
			"original_stan": l.OriginalSTAN, "kind": l.Kind.String(), "gross": l.Gross, "fee": l.Fee, "net": l.Net, "settlement_date": f.Date.String(),
			"transaction_time": happened, "payout": l.Payout, "payment": l.Payment})
	}
	put("file/"+f.Currency.String()+"/"+f.Date.String(), "settlement.file", f.At, map[string]any{"date": f.Date.String(), "count": f.Count, "total": f.Total})
	return b.Bytes()
}

// TestRoundTrip: both forms of any file come back as the facts that the
// platform emitted, in identity and content.
func TestRoundTrip(t *testing.T) {
	codes := []string{"CNY", "JPY", "KWD", "EUR"}
	kinds := []evidence.Kind{evidence.Sale, evidence.Void, evidence.Refund, evidence.Completion, evidence.FeeKind, evidence.Chargeback, evidence.Adjustment, evidence.Reserve, evidence.ReserveRelease}
	rapid.Check(t, func(t *rapid.T) {
		text := func(name, pattern string) string {
			if rapid.Bool().Draw(t, "no "+name) {
				return ""
			}
			return rapid.StringMatching(pattern).Draw(t, name)
		}
		moment := func(name string) time.Time {
			return time.UnixMicro(rapid.Int64Range(1.7e15, 1.9e15).Draw(t, name))
		}
		f := &advice.File{MID: rapid.StringMatching(`[0-9]{15}`).Draw(t, "mid"), Name: text("name", `[\p{L}\p{N}&<>"',;]{1,30}`), At: moment("at"),
			Zone: time.FixedZone("", rapid.IntRange(-11, 13).Draw(t, "zone")*3600+rapid.SampledFrom([]int{0, 1800}).Draw(t, "half")), Date: calendar.DateOf(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "date"), 0)}
		f.Currency, _ = money.ParseCurrency(rapid.SampledFrom(codes).Draw(t, "currency"))
		for i := range rapid.IntRange(0, 20).Draw(t, "n") {
			l := advice.Line{ID: fmt.Sprint(text("id", `[\p{L}/<&"]{1,12}`), "-", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Gross: rapid.Int64Range(0, 1e12).Draw(t, "gross"),
				Fee: rapid.Int64Range(-1e6, 1e6).Draw(t, "fee"), Net: rapid.Int64Range(-1e12, 1e12).Draw(t, "net"), Payout: text("payout", `P[0-9]{1,3}`), Payment: text("payment", `[0-9a-f]{8}`),
				TID: text("tid", `T[0-9]{7}`), Batch: text("batch", `[0-9]{6}`), STAN: text("stan", `[0-9]{6}`), RRN: text("rrn", `[0-9]{12}`), AuthCode: text("auth", `[A-Z0-9]{6}`),
				OrderID: text("order", "[\\p{L}\\p{N},;\"&<>='`@+-]{1,20}"), PAN: text("pan", `[0-9]{6}\*{6}[0-9]{4}`), CardType: evidence.CardType(rapid.IntRange(0, 3).Draw(t, "card")),
				Network: text("network", `UnionPay|Visa`), Issuer: text("issuer", `[A-Z]{4}|工商银行`), OriginalRRN: text("original rrn", `[0-9]{12}`), OriginalSTAN: text("original stan", `[0-9]{6}`)}
			if rapid.Bool().Draw(t, "timed") {
				l.Time = moment("time").Truncate(time.Second)
			}
			if rapid.Bool().Draw(t, "earlier") {
				l.At = moment("settled")
			}
			f.Lines = append(f.Lines, l)
			f.Count++
			f.Total += l.Net
		}
		emitted := read(events(t, f))
		for _, form := range forms {
			var b bytes.Buffer
			if err := form.write(&b, f); err != nil {
				t.Fatal(err)
			}
			r := read(b.Bytes())
			if r.format != form.name || r.told() != "" {
				t.Fatalf("%s is read as %s, told %q\n%s", form.name, r.format, r.told(), b.Bytes())
			}
			if got, want := r.facts(), emitted.facts(); !slices.Equal(got, want) || int64(len(got)) != f.Count+1 {
				var x, y bytes.Buffer
				r.set.WriteNDJSON(&x)
				emitted.set.WriteNDJSON(&y)
				t.Fatalf("%s: read\n%s\nwant\n%s", form.name, &x, &y)
			}
		}
	})
}

// TestKept reads all three tellings into one set: they are one set of facts.
func TestKept(t *testing.T) {
	f := file(t)
	want := read(events(t, f)).facts()
	for _, form := range forms {
		var b, again bytes.Buffer
		if err := form.write(&b, f); err != nil {
			t.Fatal(err)
		}
		if err := form.write(&again, f); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
			t.Errorf("%s: written again it differs (%v)", form.name, err)
		}
		if got := read(b.Bytes()).facts(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", form.name, got, want)
		}
	}
}

// TestCAMT054 looks at what other software sees in the XML form.
func TestCAMT054(t *testing.T) {
	var b bytes.Buffer
	if err := advice.WriteCAMT054(&b, file(t)); err != nil {
		t.Fatal(err)
	}
	xml := b.String()
	for _, want := range []string{
		"<NbOfNtries>2</NbOfNtries><Sum>87.51</Sum>", `<Amt Ccy="CNY">77.51</Amt><CdtDbtInd>CRDT</CdtDbtInd>`, "<EndToEndId>P20260303-1</EndToEndId>",
		"<EndToEndId>NOTPROVIDED</EndToEndId>", `<InstdAmt><Amt Ccy="CNY">128.00</Amt>`, "<Nm>咖啡 &amp; Bar</Nm>", "<TxDtTm>2026-03-02T10:15:04+08:00</TxDtTm>",
	} {
		if !strings.Contains(xml, want) {
			t.Errorf("no %s in\n%s", want, xml)
		}
	}
	if n := strings.Count(xml, "<TxDtls>"); n != 3 {
		t.Errorf("%d TxDtls", n)
	}
	for ref, fact := range read(b.Bytes()).set.All {
		if fact.Type == evidence.BankEntry {
			t.Errorf("%d is taken for a bank's entry", ref)
		}
	}
}

func TestTold(t *testing.T) {
	var b bytes.Buffer
	if err := advice.WriteCAMT054(&b, file(t)); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	first := good[strings.Index(good, "<TxDtls>") : strings.Index(good, "</TxDtls>")+len("</TxDtls>")]
	for name, c := range map[string]struct {
		file  string
		facts int
		why   string
	}{
		"line lost":    {change(first, ""), 3, "states 2 lines (NbOfTxs), but there are 1"},
		"count":        {change("<d:count>3<", "<d:count>4<"), 4, "the file states 4 lines, but there are 3"},
		"total":        {change("<d:total>67.51<", "<d:total>67.50<"), 4, "the file states 67.50, but its lines make 67.51"},
		"entry":        {change(`<Amt Ccy="CNY">77.51<`, `<Amt Ccy="CNY">77.50<`), 4, "the entry states 77.50, but its lines make 77.51"},
		"not a number": {change(`<InstdAmt><Amt Ccy="CNY">128.00<`, `<InstdAmt><Amt Ccy="CNY">12x<`), 3, "gross is no amount"},
		"no identity":  {change("<d:id>reserve/B1</d:id>", ""), 3, "does not say which one it is"},
		"no time":      {change("<d:time>2026-03-03T01:00:00.000000+08:00</d:time>", ""), 3, "time"},
		"card":         {change("622202******1234", "6222021234567894"), 3, "pan"},
		"cut off":      {good[:strings.LastIndex(good, "<Ntry>")], 2, "cut off"},
		"bad XML":      {change("</AmtDtls>", "</AmtDtl>"), 0, "not well-formed"},
	} {
		r := read([]byte(c.file))
		if n := len(r.facts()); n != c.facts || !strings.Contains(r.told(), c.why) {
			t.Errorf("%s: %d facts, want %d; told %q, want …%s…", name, n, c.facts, r.told(), c.why)
		}
		if strings.Contains(r.told(), "6222021234567894") {
			t.Errorf("%s: a card number is repeated", name)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*advice.File)
		why    string
	}{
		"count":       {func(f *advice.File) { f.Count++ }, "totals differ: the books have 4 lines and 67.51, but the lines are 3 and make 67.51"},
		"total":       {func(f *advice.File) { f.Lines[0].Net++ }, "make 67.52"},
		"twice":       {func(f *advice.File) { f.Lines[1].ID = f.Lines[0].ID }, "stand twice"},
		"no id":       {func(f *advice.File) { f.Lines[1].ID = "" }, "no identity"},
		"no kind":     {func(f *advice.File) { f.Lines[1].Kind = evidence.NoKind }, "of this kind"},
		"preauth":     {func(f *advice.File) { f.Lines[1].Kind = evidence.Preauth }, "of this kind"},
		"gross":       {func(f *advice.File) { f.Lines[1].Gross = -1 }, "gross is negative"},
		"card":        {func(f *advice.File) { f.Lines[0].PAN = "6222021234567894" }, "not masked"},
		"long payout": {func(f *advice.File) { f.Lines[0].Payout = strings.Repeat("P", 36) }, "longer than 35"},
		"control":     {func(f *advice.File) { f.Lines[0].OrderID = "a\nb" }, "order_id"},
		"no merchant": {func(f *advice.File) { f.MID = "" }, "merchant number"},
		"no date":     {func(f *advice.File) { f.Date = calendar.None }, "settlement date"},
		"no currency": {func(f *advice.File) { f.Currency = money.Currency{} }, "currency"},
		"no time":     {func(f *advice.File) { f.At = time.Time{} }, "time of the file"},
		"too much":    {func(f *advice.File) { f.Lines[0].Net, f.Lines[1].Net = 9e18, 9e18 }, "too large"},
	} {
		for _, form := range forms {
			f := file(t)
			c.change(f)
			var b bytes.Buffer
			err := form.write(&b, f)
			if err == nil || !strings.Contains(err.Error(), c.why) || fault.KindOf(err) != fault.Invalid || b.Len() > 0 {
				t.Errorf("%s as %s: %v and %d bytes, want …%s…", name, form.name, err, b.Len(), c.why)
				continue
			}
			if fault.TextOf(err).In("zh") == err.Error() || strings.Contains(err.Error(), "6222021234567894") {
				t.Errorf("%s: %v", name, fault.TextOf(err))
			}
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestFullDisk(t *testing.T) {
	for _, form := range forms {
		if err := form.write(full{}, file(t)); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v", form.name, err)
		}
	}
}

func FuzzCAMT054(f *testing.F) {
	var b bytes.Buffer
	if err := advice.WriteCAMT054(&b, file(f)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`<Document xmlns:d="urn:daozhang:settlement:1"><BkToCstmrDbtCdtNtfctn><SplmtryData><Envlp><d:file/></Envlp></SplmtryData></BkToCstmrDbtCdtNtfctn></Document>`))
	one := advice.Formats()[0]
	f.Fuzz(func(t *testing.T, content []byte) {
		in := format.NewInput("fuzz", content, format.Hints{})
		one.Detect(&in.Head)
		set := evidence.NewSet()
		out := format.NewOut("fuzz", set)
		if err := one.Read(in, out); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		for ref, fact := range set.All {
			if fact.Type != evidence.SettlementLine && fact.Type != evidence.SettlementFile || fact.Time == 0 || fact.MID == 0 {
				t.Errorf("%s is not whole", set.Name(ref))
			}
		}
	})
}
