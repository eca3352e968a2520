package bank_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// statement053 is a camt.053 of one day: opening 100.00, entries, closing.
func statement053(head, entries, closing string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-03-04T06:00:00+01:00</CreDtTm></GrpHdr>
<Stmt><Id>S42</Id>` + head + `<ElctrncSeqNb>42</ElctrncSeqNb><CreDtTm>2026-03-04T06:00:00+01:00</CreDtTm>
<Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-03</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">` + closing + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-03</Dt></Dt></Bal>
` + entries + `</Stmt></BkToCstmrStmt></Document>`
}

const creditEntry = `<Ntry><NtryRef>1</NtryRef><Amt Ccy="EUR">127.51</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-03-03</Dt></BookgDt><ValDt><Dt>2026-03-04</Dt></ValDt><AcctSvcrRef>BR-0001</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>P20260303-1</EndToEndId><UETR>eb6305c9-1f7f-49de-aed0-16487c27b42d</UETR></Refs>
<RmtInf><Ustrd>Settlement Caf&#233; &amp; Bar</Ustrd><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>
<AddtlNtryInf>SEPA credit</AddtlNtryInf></Ntry>`

// facts gives the facts of one type in the order in which they were read.
func facts(t *testing.T, r result, typ evidence.Type) []evidence.FactRef {
	t.Helper()
	if !r.detected {
		t.Fatal("not recognised")
	}
	var refs []evidence.FactRef
	for ref, f := range r.set.All {
		if f.Type == typ {
			refs = append(refs, ref)
		}
	}
	return refs
}

func TestCAMTEntry(t *testing.T) {
	r := read("a.xml", []byte(statement053("", creditEntry, "227.51")), format.Hints{})
	entries := facts(t, r, evidence.BankEntry)
	if len(entries) != 1 || r.told() != "" {
		t.Fatalf("%d entries, told %q", len(entries), r.told())
	}
	f, set := r.set.At(entries[0]), r.set
	if a, _ := f.Amount(); a != 12751 || f.Debit() || f.State.String() != "booked" || f.Currency.String() != "EUR" {
		t.Errorf("amount %d debit %v %s %s", a, f.Debit(), f.State, f.Currency)
	}
	for field, want := range map[evidence.Field]string{
		evidence.Account:  "DE02120300000000202051",
		evidence.EntryRef: "BR-0001",
		evidence.Text:     "SEPA credit Settlement Café & Bar",
	} {
		if got := set.Text(entries[0], field); got != want {
			t.Errorf("%s = %q, want %q", field, got, want)
		}
	}
	if f.Date.String() != "2026-03-03" {
		t.Errorf("booking date %s", f.Date)
	}
	if v, _ := set.DateAt(entries[0], evidence.ValueDate); v.String() != "2026-03-04" {
		t.Errorf("value date %s", v)
	}
	want := []string{"1", "BR-0001", "P20260303-1", "eb6305c9-1f7f-49de-aed0-16487c27b42d", "RF18539007547034"}
	if got := set.List(entries[0], evidence.References); !slices.Equal(got, want) {
		t.Errorf("references %q, want %q", got, want)
	}
	if at := f.Time.In(time.UTC).Format(time.RFC3339); at != "2026-03-02T23:00:00Z" {
		t.Errorf("time %s, want the beginning of the day in Berlin", at)
	}
	if name := set.Name(entries[0]); !strings.HasPrefix(name, "camt.053/DE02120300000000202051/S42#") {
		t.Errorf("named %s", name)
	}
	if r.out.Source().Format != "camt.053.001.08" {
		t.Errorf("format %s", r.out.Source().Format)
	}

	st := facts(t, r, evidence.BankStatement)
	if len(st) != 1 {
		t.Fatalf("%d statements", len(st))
	}
	_, from, _, _ := set.Moment(st[0], evidence.From)
	_, to, _, _ := set.Moment(st[0], evidence.To)
	opening, _ := set.Num(st[0], evidence.Opening)
	closing, _ := set.Num(st[0], evidence.Closing)
	if from.String() != "2026-03-03" || to.String() != "2026-03-03" || opening != 10000 || closing != 22751 {
		t.Errorf("statement %s to %s, %d to %d", from, to, opening, closing)
	}
	// It was made the next morning, but what it covers ended at midnight.
	if at := set.At(st[0]).Time.In(time.UTC).Format(time.RFC3339); at != "2026-03-03T23:00:00Z" {
		t.Errorf("statement known at %s", at)
	}
}

func TestCAMTDirectionAndStatus(t *testing.T) {
	entry := func(amount, sign, reversal, status string) string {
		return `<Ntry><Amt Ccy="EUR">` + amount + `</Amt><CdtDbtInd>` + sign + `</CdtDbtInd>` + reversal + status +
			`<BookgDt><Dt>2026-03-03</Dt></BookgDt></Ntry>`
	}
	const booked, reversed = "<Sts>BOOK</Sts>", "<RvslInd>true</RvslInd>"
	for _, c := range []struct {
		name, entry string
		signed      int64
		status      string
	}{
		{"credit", entry("1.00", "CRDT", "", booked), 100, "booked"},
		{"debit", entry("1.00", "DBIT", "", booked), -100, "booked"},
		{"reversal of a debit", entry("1.00", "CRDT", reversed, booked), 100, "booked"},
		{"reversal of a credit", entry("1.00", "DBIT", reversed, booked), -100, "booked"},
		{"pending", entry("1.00", "CRDT", "", "<Sts><Cd>PDNG</Cd></Sts>"), 100, "pending"},
		{"information", entry("1.00", "CRDT", "", "<Sts>INFO</Sts>"), 100, "pending"},
		{"zeros beyond the minor unit", entry("1.00000", "CRDT", "", booked), 100, "booked"},
		{"negative amount", entry("-1.00", "CRDT", "", booked), -100, "booked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.xml", []byte(statement053("", c.entry, "100.00")), format.Hints{})
			refs := facts(t, r, evidence.BankEntry)
			if len(refs) != 1 {
				t.Fatalf("%d entries: %s", len(refs), r.told())
			}
			if f := r.set.At(refs[0]); signed(f) != c.signed || f.State.String() != c.status {
				t.Errorf("%d %s, want %d %s", signed(f), f.State, c.signed, c.status)
			}
		})
	}
}

func TestCAMTRefusesEntries(t *testing.T) {
	for _, c := range []struct{ name, from, to, why string }{
		{"no amount", `<Amt Ccy="EUR">127.51</Amt>`, "", "no amount"},
		{"amount too large", "127.51", "99999999999999999999", "too large"},
		{"amount with letters", "127.51", "12x", "not an amount"},
		{"unknown currency", `<Ntry><NtryRef>1</NtryRef><Amt Ccy="EUR">`, `<Ntry><NtryRef>1</NtryRef><Amt Ccy="QQQ">`, "ISO 4217"},
		{"no direction", "<CdtDbtInd>CRDT</CdtDbtInd><Sts>", "<Sts>", "credit or a debit"},
		{"day that does not exist", "<BookgDt><Dt>2026-03-03", "<BookgDt><Dt>2026-02-30", "booking date"},
		{"year 0", "<BookgDt><Dt>2026-03-03", "<BookgDt><Dt>0000-03-03", "booking date"},
		{"year 2099", "<BookgDt><Dt>2026-03-03", "<BookgDt><Dt>2099-03-03", "booking_date"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := statement053("", creditEntry+strings.ReplaceAll(creditEntry, "BR-0001", "BR-0002"), "355.02")
			i := strings.Index(doc, "<Ntry>")
			broken := doc[:i] + strings.Replace(doc[i:], c.from, c.to, 1)
			r := read("a.xml", []byte(broken), format.Hints{})
			if n := len(facts(t, r, evidence.BankEntry)); n != 1 {
				t.Errorf("%d entries, want the other one: %s", n, r.told())
			}
			if n := len(facts(t, r, evidence.BankStatement)); n != 0 {
				t.Error("a statement that lost an entry is complete")
			}
			if rejected := r.out.Rejected(); len(rejected) != 1 || !strings.Contains(rejected[0].Why.EN, c.why) || rejected[0].Line == 0 {
				t.Errorf("rejected %+v, want %q", rejected, c.why)
			}
		})
	}
}

func TestCAMTEncodings(t *testing.T) {
	doc := statement053("", strings.Replace(creditEntry, "Caf&#233;", "Café", 1), "227.51")
	declared := func(name string) string { return strings.Replace(doc, "UTF-8", name, 1) }
	encoded := func(e encoding.Encoding, s string) string {
		out, err := e.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cafe := func(s string) string { return strings.ReplaceAll(s, "Café", "到账") }
	for _, c := range []struct{ name, doc, text string }{
		{"UTF-8", doc, "Café"},
		{"byte order mark", "\ufeff" + doc, "Café"},
		{"Latin-1", encoded(charmap.ISO8859_1, declared("ISO-8859-1")), "Café"},
		{"Latin-1 that calls itself UTF-8", encoded(charmap.ISO8859_1, doc), ""},
		{"GB18030", encoded(simplifiedchinese.GB18030, cafe(declared("GB18030"))), "到账"},
		{"GBK", encoded(simplifiedchinese.GBK, cafe(declared("GBK"))), "到账"},
		{"UTF-16", encoded(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), declared("UTF-16")), "Café"},
		{"prefixed names", strings.NewReplacer("</", "</n:", "<", "<n:", "<?", "<?", `xmlns=`, `xmlns:n=`).Replace(strings.SplitN(doc, "\n", 2)[1]), "Café"},
		{"CDATA", strings.Replace(doc, "Settlement Café &amp; Bar", "<![CDATA[Settlement Café & Bar]]>", 1), "Café & Bar"},
		{"comments and processing instructions", strings.ReplaceAll(doc, "<Ntry>", "<!-- <Ntry> --><?x <Ntry> ?><Ntry>"), "Café"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.xml", []byte(c.doc), format.Hints{})
			refs := facts(t, r, evidence.BankEntry)
			if len(refs) != 1 || r.told() != "" {
				t.Fatalf("%d entries, told %q", len(refs), r.told())
			}
			if text := r.set.Text(refs[0], evidence.Text); !strings.Contains(text, c.text) {
				t.Errorf("text %q", text)
			}
		})
	}
}

func TestCAMTCutOff(t *testing.T) {
	whole := statement053("", creditEntry+strings.ReplaceAll(creditEntry, "BR-0001", "BR-0002"), "355.02")
	for _, at := range []string{"BR-0002", "</Stmt>", "</BkToCstmrStmt>", "<AddtlNtryInf>"} {
		i := strings.LastIndex(whole, at)
		r := read("a.xml", []byte(whole[:i]), format.Hints{})
		if len(facts(t, r, evidence.BankEntry)) == 0 {
			t.Errorf("cut at %s: what stood before is lost", at)
		}
		if r.err == nil || !strings.Contains(r.err.Error(), "line ") || !strings.Contains(r.err.Error(), "cut off") {
			t.Errorf("cut at %s: error %v", at, r.err)
		}
		if strings.HasSuffix(whole[:i], "</Ntry>") && len(facts(t, r, evidence.BankStatement)) != 0 {
			t.Errorf("cut at %s: taken as complete", at)
		}
	}
	r := read("a.xml", []byte(strings.Replace(whole, "</Ntry>", "</Entry>", 1)), format.Hints{})
	if r.err == nil || !strings.Contains(r.err.Error(), "well-formed") {
		t.Errorf("error %v", r.err)
	}
}

func TestCAMTPages(t *testing.T) {
	page := func(n, last string) string {
		return "<StmtPgntn><PgNb>" + n + "</PgNb><LastPgInd>" + last + "</LastPgInd></StmtPgntn>"
	}
	first := strings.Replace(statement053(page("1", "false"), creditEntry, "227.51"), "CLBD", "ITBD", 1)
	second := strings.Replace(statement053(page("2", "true"), strings.ReplaceAll(creditEntry, "BR-0001", "BR-0002"), "355.02"), "OPBD", "ITBD", 1)
	second = strings.Replace(second, ">100.00<", ">227.51<", 1)
	inner := func(s string) string {
		return s[strings.Index(s, "<Stmt>") : strings.Index(s, "</Stmt>")+len("</Stmt>")]
	}
	both := strings.Replace(first, "</Stmt>", "</Stmt>"+inner(second), 1)

	r := read("both.xml", []byte(both), format.Hints{})
	if st := facts(t, r, evidence.BankStatement); len(st) != 1 || len(facts(t, r, evidence.BankEntry)) != 2 || r.told() != "" {
		t.Errorf("both pages: %d statements, told %q", len(st), r.told())
	} else if closing, _ := r.set.Num(st[0], evidence.Closing); closing != 35502 {
		t.Errorf("closing %d", closing)
	}
	for _, alone := range []string{first, second} {
		r := read("alone.xml", []byte(alone), format.Hints{})
		if len(facts(t, r, evidence.BankStatement)) != 0 || len(facts(t, r, evidence.BankEntry)) != 1 || !strings.Contains(r.told(), "not taken as complete") {
			t.Errorf("one page alone: told %q", r.told())
		}
	}
}

func TestCAMTReferences(t *testing.T) {
	noRef := strings.Replace(creditEntry, "<AcctSvcrRef>BR-0001</AcctSvcrRef>", "", 1)
	for _, c := range []struct{ name, entries, want string }{
		{"the bank's own", creditEntry, "BR-0001"},
		{"of the only transaction", strings.Replace(noRef, "<Refs>", "<Refs><AcctSvcrRef>TX-7</AcctSvcrRef>", 1), "TX-7"},
		{"the counter with day and amount", noRef, "1/2026-03-03/12751"},
		{"none", strings.Replace(noRef, "<NtryRef>1</NtryRef>", "", 1), ""},
		{"none, in words", strings.Replace(strings.Replace(creditEntry, "BR-0001", "NOTPROVIDED", 1), "<NtryRef>1</NtryRef>", "", 1), ""},
		{"one for several", creditEntry + creditEntry, "BR-0001,BR-0001#2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.xml", []byte(statement053("", c.entries, "100.00")), format.Hints{})
			var got []string
			ids := map[string]bool{}
			for _, ref := range facts(t, r, evidence.BankEntry) {
				got = append(got, r.set.Text(ref, evidence.EntryRef))
				ids[r.set.Name(ref)] = true
			}
			if s := strings.Join(got, ","); s != c.want {
				t.Errorf("entry_ref %q, want %q", s, c.want)
			}
			if len(ids) != len(got) {
				t.Error("equal rows share an identity")
			}
		})
	}
}

func TestCAMTBatch(t *testing.T) {
	tx := func(n int) string {
		return fmt.Sprintf("<TxDtls><Refs><EndToEndId>E2E-%d</EndToEndId></Refs></TxDtls>", n)
	}
	entry := strings.Replace(creditEntry, "<NtryDtls>", "<NtryDtls><Btch><PmtInfId>BATCH-9</PmtInfId></Btch>"+tx(1)+tx(2), 1)
	r := read("a.xml", []byte(statement053("", entry, "227.51")), format.Hints{})
	refs := facts(t, r, evidence.BankEntry)
	if len(refs) != 1 {
		t.Fatalf("%d entries", len(refs))
	}
	got := r.set.List(refs[0], evidence.References)
	for _, want := range []string{"BATCH-9", "E2E-1", "E2E-2", "P20260303-1"} {
		if !slices.Contains(got, want) {
			t.Errorf("references %q lack %s", got, want)
		}
	}
}

func TestCAMTHidesCardNumbers(t *testing.T) {
	r := read("a.xml", []byte(statement053("", strings.Replace(creditEntry, "Settlement", "Card 4111111111111111", 1), "227.51")), format.Hints{})
	if text := r.set.Text(facts(t, r, evidence.BankEntry)[0], evidence.Text); strings.Contains(text, "4111111111111111") || !strings.Contains(text, "411111******1111") {
		t.Errorf("text %q", text)
	}
}

func TestSummaryIsChecked(t *testing.T) {
	sum := func(n, s string) string {
		return "<TxsSummry><TtlNtries><NbOfNtries>" + n + "</NbOfNtries><Sum>" + s + "</Sum></TtlNtries></TxsSummry>"
	}
	for _, c := range []struct{ n, sum, why string }{
		{"1", "127.51", ""},
		{"2", "127.51", "states 2 entries"},
		{"1", "127.52", "states a sum of 127.52"},
	} {
		r := read("a.xml", []byte(statement053("", sum(c.n, c.sum)+creditEntry, "227.51")), format.Hints{})
		if told := r.told(); c.why == "" && told != "" || !strings.Contains(told, c.why) {
			t.Errorf("told %q, want %q", told, c.why)
		}
	}
}

// entryStream is a camt.053 of n entries that is made while it is read.
type entryStream struct {
	n, next int
	buf     []byte
}

func (s *entryStream) Read(p []byte) (int, error) {
	for len(s.buf) < len(p) && s.next <= s.n+1 {
		switch {
		case s.next == 0:
			doc := statement053("", "", fmt.Sprintf("%d.00", 100+s.n))
			s.buf = append(s.buf, doc[:strings.Index(doc, "</Stmt>")]...)
		case s.next == s.n+1:
			s.buf = append(s.buf, "</Stmt></BkToCstmrStmt></Document>"...)
		default:
			s.buf = fmt.Appendf(s.buf, `<Ntry>
  <Amt Ccy="EUR">1.00</Amt>
  <CdtDbtInd>CRDT</CdtDbtInd>
  <Sts>BOOK</Sts>
  <BookgDt><Dt>2026-03-03</Dt></BookgDt>
  <ValDt><Dt>2026-03-03</Dt></ValDt>
  <AcctSvcrRef>BR%09d</AcctSvcrRef>
  <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>
  <NtryDtls><TxDtls>
    <Refs><EndToEndId>P20260303-%d</EndToEndId></Refs>
    <RltdPties><Dbtr><Nm>Processor Ltd</Nm></Dbtr><DbtrAcct><Id><IBAN>DE02100500000054540402</IBAN></Id></DbtrAcct></RltdPties>
    <RmtInf><Ustrd>Settlement of card sales</Ustrd></RmtInf>
  </TxDtls></NtryDtls>
</Ntry>
`, s.next, s.next)
		}
		s.next++
	}
	if len(s.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.buf)
	s.buf = append(s.buf[:0], s.buf[n:]...)
	return n, nil
}

func BenchmarkCAMT(b *testing.B) {
	doc, err := io.ReadAll(&entryStream{n: 20_000})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		in := format.NewInput("a.xml", doc, format.Hints{})
		out := format.NewOut("a.xml", evidence.NewSet())
		if err := bank.Formats()[0].Read(in, out); err != nil || out.Source().Facts != 20_001 {
			b.Fatal(err, out.Source())
		}
	}
}

// TestCAMTReturn: a payment that came back says why.
func TestCAMTReturn(t *testing.T) {
	entry := strings.Replace(creditEntry, "</TxDtls>", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls>", 1)
	if entry == creditEntry {
		t.Fatal("the fixture has no transaction")
	}
	r := read("a.xml", []byte(statement053("", entry, "227.51")), format.Hints{})
	refs := facts(t, r, evidence.BankEntry)
	if len(refs) != 1 || !strings.Contains(string(r.set.AppendJSON(nil, refs[0])), `"return_reason":"AC04"`) {
		t.Fatalf("%d entries: %s", len(refs), r.told())
	}
}

// TestDoubts: a statement whose own totals differ is not as its bank wrote it, a
// page of a longer one is.
func TestDoubts(t *testing.T) {
	page := "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
	for _, c := range []struct {
		name, doc string
		doubts    int
	}{
		{"whole", statement053("", creditEntry, "227.51"), 0},
		{"it does not add up", statement053("", creditEntry, "227.52"), 1},
		{"the first page", statement053(page, creditEntry, "227.51"), 0},
		{"the first page, which does not add up", statement053(page, creditEntry, "227.52"), 1},
		{"it states another sum", statement053("<TxsSummry><TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>1.00</Sum></TtlCdtNtries></TxsSummry>", creditEntry, "227.51"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read("a.xml", []byte(c.doc), format.Hints{})
			if got := r.out.Source().Doubts; got != c.doubts {
				t.Errorf("%d doubts, want %d: %s", got, c.doubts, r.told())
			}
		})
	}
}
