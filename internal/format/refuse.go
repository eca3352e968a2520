package format

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
)

// signatures are the beginnings of files that hold no evidence as they are.
var signatures = []struct {
	begin string
	why   string
}{
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls); save it as .xlsx or .csv"},
	{"%PDF", "a PDF; its figures cannot be read surely: ask for the same report as .csv, .xlsx, camt.053 or MT940"},
	{"\x89PNG", "a picture; ask for the report as a file of figures"},
	{"\xff\xd8\xff", "a picture; ask for the report as a file of figures"},
	{"GIF8", "a picture; ask for the report as a file of figures"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it and hand in the files, or pack them as .zip"},
	{"Rar!", "a RAR archive; unpack it and hand in the files, or pack them as .zip"},
	{"BZh", "a bzip2 file; unpack it first"},
	{"\xfd7zXZ", "an xz file; unpack it first"},
	{"\x28\xb5\x2f\xfd", "a zstd file; unpack it first"},
	{"-----BEGIN PGP", "an encrypted file; decrypt it first"},
	{"SQLite format 3", "a database; export its tables as .csv"},
	{"PAR1", "a Parquet file; export it as .csv"},
	{"\x7fELF", "a program, not a report"},
	{"MZ", "a program, not a report"},
}

// unreadable says why an input cannot hold what any format reads; "" where it
// may.
func (ld *loader) unreadable(in *Input) string {
	raw := in.Head.Raw
	if len(raw) == 0 {
		return "the file is empty; get it again from its sender"
	}
	for _, s := range signatures {
		if len(s.begin) > 2 && bytes.HasPrefix(raw, []byte(s.begin)) ||
			bytes.HasPrefix(raw, []byte(s.begin)) && in.Head.Encoding == Binary {
			return s.why
		}
	}
	if in.Head.Encoding == Binary {
		return "binary content that no format knows; export the report as text, .csv or .xlsx"
	}
	if strings.TrimSpace(in.Head.Text) == "" && in.Head.Whole {
		return "the file holds nothing but blanks; get it again from its sender"
	}
	return ""
}

// alien are kinds of text that are told by their beginning and not read.
var alien = []struct {
	begin *regexp.Regexp
	why   string
}{
	{regexp.MustCompile(`(?is)^\s*<(!doctype\s+html|html|table|meta).*<table`), "a web page with a table in it, as some portals save their \"Excel\" files; open it in a spreadsheet program and save it as .xlsx or .csv"},
	{regexp.MustCompile(`(?is)^\s*<\?xml.*urn:schemas-microsoft-com:office:spreadsheet`), "a spreadsheet saved as XML; save it as .xlsx or .csv"},
	{regexp.MustCompile(`(?i)^\s*(<!doctype\s+html|<html)`), "a web page, perhaps the sign-in or error page saved in place of the report; download the report again"},
	{regexp.MustCompile(`(?s)^\s*(OFXHEADER|<\?OFX|(<\?xml.{0,200}?)?<(\?OFX|OFX>))`), "an OFX statement, which is not read; ask the bank for camt.053, MT940 or CSV"},
	{regexp.MustCompile(`^0[0-3],[^,\n]*,[^,\n]*,`), "a BAI2 statement, which is not read; ask the bank for camt.053, MT940 or CSV"},
	{regexp.MustCompile(`^101 [0-9 ]{9,10}`), "a NACHA (ACH) file, which is not read; it orders payments and proves none"},
	{regexp.MustCompile(`^[5-9][0-9A-Z ][ -~]{92}\s*\n`), "a part of a NACHA (ACH) file, which is not read; it orders payments and proves none"},
	{regexp.MustCompile(`^!Type:`), "a QIF file, which is not read; ask the bank for camt.053, MT940 or CSV"},
	{regexp.MustCompile(`(?s)^\s*<.*(urn:iso:std:iso:20022:tech:xsd:pain\.|urn:swift:xsd:\$?pain\.)`), "an order or report of payments (pain), which proves no money; hand in the bank's statement (camt.053)"},
	{regexp.MustCompile(`(?s)^\s*<.*urn:iso:std:iso:20022:tech:xsd:pacs\.`), "a message between banks (pacs), which is not read; hand in the bank's statement (camt.053)"},
}

// foreign are reports of processors that are not read, told by columns that
// only they have.
var foreign = []struct {
	columns string // as headers are compared, separated by bars
	name    string
}{
	{"paypalreferenceid", "PayPal"},
	{"fromemailaddress|net|transactionid", "PayPal"},
	{"cardid|mcc|panentrymethod", "Square"},
	{"pansuffix|depositid", "Square"},
	{"grosssales|netsales|timezone", "Square"},
	{"settlementutr|entityid", "Razorpay"},
	{"settlementid|settlementstartdate", "Amazon"},
	{"dlocaltransactionid", "dLocal"},
	{"dlocalid", "dLocal"},
	{"cliententityid|payoutid", "Checkout.com"},
	{"transaksjonsid|oppgjørsid", "Vipps"},
}

// foreignName gives whose report a table is that is not read; "" where no such
// columns are seen.
func foreignName(h *Head) string {
	for _, delim := range delimiters {
		for _, row := range h.grid(delim) {
			if len(row.names) < 3 {
				continue
			}
			has := map[string]bool{}
			for _, n := range row.names {
				has[n] = true
			}
		next:
			for _, f := range foreign {
				for c := range strings.SplitSeq(f.columns, "|") {
					if !has[c] {
						continue next
					}
				}
				return f.name
			}
		}
	}
	return ""
}

// mojibake reports text whose Chinese was read in the wrong encoding and saved
// so: as GBK it spells UTF-8.
func mojibake(text string) bool {
	high := 0
	for _, r := range text {
		if r >= 0x80 {
			high++
		}
	}
	if high < 8 {
		return false
	}
	back, err := encoding.ReplaceUnsupported(simplifiedchinese.GB18030.NewEncoder()).String(text)
	if err != nil {
		return false
	}
	// Counting only whole Chinese characters: some bytes were lost for good.
	good, bad := 0, 0
	for i := 0; i < len(back); {
		r, n := utf8.DecodeRuneInString(back[i:])
		switch {
		case r == utf8.RuneError:
			bad++
		case r >= 0x3000:
			good++
		}
		i += n
	}
	return good > 4 && good > bad
}

var xmlRoot = regexp.MustCompile(`(?s)^\s*(?:<\?.*?\?>|<!--.*?-->|\s)*<([A-Za-z_][\w.:-]*)`)

// explain says what an input that no format knows looks like, and what to do.
func explain(h *Head, formats []Format) string {
	for _, k := range alien {
		if k.begin.MatchString(h.Text) {
			return k.why
		}
	}
	text := strings.TrimSpace(h.Text)
	if mojibake(text) {
		return "its Chinese is damaged: UTF-8 was read as GBK and saved so, which lost characters; export the file again and do not open it in between"
	}
	if m := xmlRoot.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("an XML document <%s> that no format knows; of XML the bank's camt.052, camt.053 and camt.054 are read", m[1])
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return "JSON that is not evidence; evidence is one CloudEvents object per line with specversion, id, source, type, time and data"
	}
	var near *Format
	best, missing := 0.0, []string(nil)
	for i := range formats {
		t := formats[i].Table
		if t == nil {
			continue
		}
		have, want, miss := t.Near(h)
		if have < 2 || have*3 < want*2 {
			continue
		}
		if share := float64(have) / float64(want); share > best {
			near, best, missing = &formats[i], share, miss
		}
	}
	header := tableHeader(h)
	if name := foreignName(h); name != "" {
		return fmt.Sprintf("a report of %s, which is not read yet; name its columns in a mapping file (--mapping)", name)
	}
	switch {
	case near != nil && len(missing) > 0:
		return fmt.Sprintf("looks like this format: %s; but it lacks the columns %s; export it with them, or name the columns in a mapping file (--mapping)",
			near.Title, strings.Join(quoteAll(missing, 8), ", "))
	case lacking(h) != "":
		return lacking(h)
	case len(header) > 1:
		return fmt.Sprintf("a table that no format knows, with the columns %s; name them in a mapping file (--mapping)",
			strings.Join(quoteAll(header, 12), ", "))
	}
	return "text that no format knows; \"daozhang formats\" lists those that are read"
}

// lacking says what a table of known headers lacks to be evidence; "" where its
// headers are not known.
func lacking(h *Head) string {
	loose := looseTable()
	for _, delim := range delimiters {
		rows := h.grid(delim)
		for i := range rows {
			if len(rows[i].cells) < 3 {
				continue
			}
			l, _ := loose.match(&rows[i])
			n, time, amount := 0, false, false
			for c, at := range l.at {
				if at < 0 {
					continue
				}
				n++
				switch known[c].Field {
				case When, evidence.SettlementDate, evidence.BookingDate:
					time = true
				case evidence.Amount, evidence.Gross, evidence.Net:
					amount = true
				}
			}
			if n < 3 || n*2 < len(rows[i].cells) {
				continue
			}
			switch {
			case !time:
				return "a table of payments without their time: none of its columns is a date or time; export it with that column"
			case !amount:
				return "a table of payments without amounts: none of its columns is an amount; export it with that column"
			}
			return "a table of payments that does not say what its rows are; hand it in with --type, such as --type terminal.transaction or --type settlement.line"
		}
	}
	return ""
}

// tableHeader guesses the header of a table: the first line with the most
// cells that are words.
func tableHeader(h *Head) []string {
	var best []string
	for _, delim := range delimiters {
		for i, row := range h.grid(delim) {
			words := 0
			for _, c := range row.cells {
				if c != "" && !strings.ContainsAny(c[:1], "0123456789-+¥$") {
					words++
				}
			}
			if i < 30 && words*3 >= len(row.cells)*2 && words > len(best) {
				best = row.cells
			}
		}
	}
	return best
}

// quoteAll quotes names for a message; what might be a card number is masked.
func quoteAll(names []string, most int) []string {
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, "…")
			break
		}
		if r := []rune(n); len(r) > 40 {
			n = string(r[:40]) + "…"
		}
		n, _ = card.MaskText(n)
		out = append(out, strconv.Quote(n))
	}
	return out
}
