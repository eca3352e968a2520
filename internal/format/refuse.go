package format

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// signatures are the beginnings of files that hold no evidence as they are.
var signatures = []struct {
	begin string
	why   fault.Text
}{
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", fault.Say("an old Excel file (.xls); save it as .xlsx or .csv", "旧版 Excel 文件（.xls），请另存为 .xlsx 或 .csv")},
	{"%PDF", fault.Say("a PDF; its figures cannot be read surely: ask for the same report as .csv, .xlsx, camt.053 or MT940", "PDF 文件，其中的数字无法可靠读取，请索取同一报表的 .csv、.xlsx、camt.053 或 MT940")},
	{"\x89PNG", fault.Say("a picture; ask for the report as a file of figures", "图片，请索取报表的数据文件（.csv 或 .xlsx）")},
	{"\xff\xd8\xff", fault.Say("a picture; ask for the report as a file of figures", "图片，请索取报表的数据文件（.csv 或 .xlsx）")},
	{"GIF8", fault.Say("a picture; ask for the report as a file of figures", "图片，请索取报表的数据文件（.csv 或 .xlsx）")},
	{"7z\xbc\xaf\x27\x1c", fault.Say("a 7-Zip archive; unpack it and hand in the files, or pack them as .zip", "7-Zip 压缩包，请解压后再交文件，或改用 .zip")},
	{"Rar!", fault.Say("a RAR archive; unpack it and hand in the files, or pack them as .zip", "RAR 压缩包，请解压后再交文件，或改用 .zip")},
	{"BZh", fault.Say("a bzip2 file; unpack it first", "bzip2 文件，请先解压")},
	{"\xfd7zXZ", fault.Say("an xz file; unpack it first", "xz 文件，请先解压")},
	{"\x28\xb5\x2f\xfd", fault.Say("a zstd file; unpack it first", "zstd 文件，请先解压")},
	{"-----BEGIN PGP", fault.Say("an encrypted file; decrypt it first", "加密文件，请先解密")},
	{"SQLite format 3", fault.Say("a database; export its tables as .csv", "数据库文件，请把其中的表导出为 .csv")},
	{"PAR1", fault.Say("a Parquet file; export it as .csv", "Parquet 文件，请导出为 .csv")},
	{"\x7fELF", fault.Say("a program, not a report", "程序文件，不是报表")},
	{"MZ", fault.Say("a program, not a report", "程序文件，不是报表")},
}

// unreadable says why an input cannot hold what any format reads; "" where it
// may.
func (ld *loader) unreadable(in *Input) fault.Text {
	raw := in.Head.Raw
	if len(raw) == 0 {
		return fault.Say("the file is empty; get it again from its sender", "文件是空的，请向发送方重新索取")
	}
	for _, s := range signatures {
		if len(s.begin) > 2 && bytes.HasPrefix(raw, []byte(s.begin)) ||
			bytes.HasPrefix(raw, []byte(s.begin)) && in.Head.Encoding == Binary {
			return s.why
		}
	}
	if in.Head.Encoding == Binary {
		return fault.Say("binary content that no format knows; export the report as text, .csv or .xlsx", "无法识别的二进制内容，请把报表导出为文本、.csv 或 .xlsx")
	}
	if strings.TrimSpace(in.Head.Text) == "" && in.Head.Whole {
		return fault.Say("the file holds nothing but blanks; get it again from its sender", "文件里只有空白，请向发送方重新索取")
	}
	return fault.Text{}
}

// alien are kinds of text that are told by their beginning and not read.
var alien = []struct {
	begin *regexp.Regexp
	why   fault.Text
}{
	{regexp.MustCompile(`(?is)^\s*<(!doctype\s+html|html|table|meta).*<table`), fault.Say("a web page with a table in it, as some portals save their \"Excel\" files; open it in a spreadsheet program and save it as .xlsx or .csv", "含表格的网页（有些平台把它存成“Excel”文件），请用电子表格软件打开后另存为 .xlsx 或 .csv")},
	{regexp.MustCompile(`(?is)^\s*<\?xml.*urn:schemas-microsoft-com:office:spreadsheet`), fault.Say("a spreadsheet saved as XML; save it as .xlsx or .csv", "存成 XML 的电子表格，请另存为 .xlsx 或 .csv")},
	{regexp.MustCompile(`(?i)^\s*(<!doctype\s+html|<html)`), fault.Say("a web page, perhaps the sign-in or error page saved in place of the report; download the report again", "网页，可能是把登录页或出错页当成报表存了下来，请重新下载报表")},
	{regexp.MustCompile(`(?s)^\s*(OFXHEADER|<\?OFX|(<\?xml.{0,200}?)?<(\?OFX|OFX>))`), fault.Say("an OFX statement, which is not read; ask the bank for camt.053, MT940 or CSV", "OFX 对账单，暂不支持，请向银行索取 camt.053、MT940 或 CSV")},
	{regexp.MustCompile(`^0[0-3],[^,\n]*,[^,\n]*,`), fault.Say("a BAI2 statement, which is not read; ask the bank for camt.053, MT940 or CSV", "BAI2 对账单，暂不支持，请向银行索取 camt.053、MT940 或 CSV")},
	{regexp.MustCompile(`^101 [0-9 ]{9,10}`), fault.Say("a NACHA (ACH) file, which is not read; it orders payments and proves none", "NACHA（ACH）文件，不予读取：它只是付款指令，不能证明款项到账")},
	{regexp.MustCompile(`^[5-9][0-9A-Z ][ -~]{92}\s*\n`), fault.Say("a part of a NACHA (ACH) file, which is not read; it orders payments and proves none", "NACHA（ACH）文件的一部分，不予读取：它只是付款指令，不能证明款项到账")},
	{regexp.MustCompile(`^!Type:`), fault.Say("a QIF file, which is not read; ask the bank for camt.053, MT940 or CSV", "QIF 文件，暂不支持，请向银行索取 camt.053、MT940 或 CSV")},
	{regexp.MustCompile(`(?s)^\s*<.*(urn:iso:std:iso:20022:tech:xsd:pain\.|urn:swift:xsd:\$?pain\.)`), fault.Say("an order or report of payments (pain), which proves no money; hand in the bank's statement (camt.053)", "付款指令或付款状态报告（pain），不能证明款项到账，请提供银行对账单（camt.053）")},
	{regexp.MustCompile(`(?s)^\s*<.*urn:iso:std:iso:20022:tech:xsd:pacs\.`), fault.Say("a message between banks (pacs), which is not read; hand in the bank's statement (camt.053)", "银行间报文（pacs），不予读取，请提供银行对账单（camt.053）")},
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
func explain(h *Head, formats []Format) fault.Text {
	for _, k := range alien {
		if k.begin.MatchString(h.Text) {
			return k.why
		}
	}
	text := strings.TrimSpace(h.Text)
	if mojibake(text) {
		return fault.Say("its Chinese is damaged: UTF-8 was read as GBK and saved so, which lost characters; export the file again and do not open it in between", "文件里的中文已成乱码：UTF-8 被当作 GBK 打开并保存，丢失了文字；请重新导出，中途不要打开另存")
	}
	if m := xmlRoot.FindStringSubmatch(text); m != nil {
		return fault.Say("an XML document <%s> that no format knows; of XML the bank's camt.052, camt.053 and camt.054 are read", "无法识别的 XML 文件 <%s>；XML 只读取银行的 camt.052、camt.053、camt.054", m[1])
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return fault.Say("JSON that is not evidence; evidence is one CloudEvents object per line with specversion, id, source, type, time and data", "JSON 文件，但不是事实记录；事实记录每行为一个 CloudEvents 对象，含 specversion、id、source、type、time、data")
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
		return fault.Say("a report of %s, which is not read yet; name its columns in a mapping file (--mapping)", "%s 的报表，暂不支持，请在映射文件（--mapping）中说明各列", name)
	}
	switch {
	case near != nil && len(missing) > 0:
		return fault.Say("looks like this format: %s; but it lacks the columns %s; export it with them, or name the columns in a mapping file (--mapping)",
			"像是“%s”，但缺少这些列：%s；请带上这些列重新导出，或在映射文件（--mapping）中说明各列",
			near.Title, strings.Join(quoteAll(missing, 8), ", "))
	case !lacking(h).None():
		return lacking(h)
	case len(header) > 1:
		return fault.Say("a table that no format knows, with the columns %s; name them in a mapping file (--mapping)",
			"无法识别的表格，其列为 %s；请在映射文件（--mapping）中说明各列",
			strings.Join(quoteAll(header, 12), ", "))
	}
	return fault.Say("text that no format knows; \"daozhang formats\" lists those that are read", "无法识别的文本；可读取的格式见 daozhang formats")
}

// lacking says what a table of known headers lacks to be evidence; "" where its
// headers are not known.
func lacking(h *Head) fault.Text {
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
				return fault.Say("a table of payments without their time: none of its columns is a date or time; export it with that column", "交易表格缺少时间：没有任何一列是日期或时间，请带上该列重新导出")
			case !amount:
				return fault.Say("a table of payments without amounts: none of its columns is an amount; export it with that column", "交易表格缺少金额：没有任何一列是金额，请带上该列重新导出")
			}
			return fault.Say("a table of payments that does not say what its rows are; hand it in with --type, such as --type terminal.transaction or --type settlement.line", "交易表格没有说明每一行是什么，请用 --type 指明，如 --type terminal.transaction（终端流水）或 --type settlement.line（结算明细）")
		}
	}
	return fault.Text{}
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
