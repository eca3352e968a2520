package advice

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// notification reads the XML form.
var notification = format.Format{
	Name:  "settlement.camt054",
	Title: fault.Say("settlement file of a merchant as XML (camt.054 with settlement lines)", "商户结算文件 XML（含结算明细的 camt.054）"),
	Detect: func(h *format.Head) bool {
		return strings.Contains(h.Text, "BkToCstmrDbtCdtNtfctn") && strings.Contains(h.Text, `"`+Namespace+`"`)
	},
	Read: func(in *format.Input, out *format.Out) error {
		r := &reader{out: out, d: xml.NewDecoder(in.Text())}
		r.d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
		return r.read()
	},
}

// maxText is the length of the text of one element that is kept.
const maxText = 4 << 10

// reader walks through the elements by the path of their names below the
// message, those of our namespace with "d:" before them.
type reader struct {
	out  *format.Out
	d    *xml.Decoder
	path []string
	text []byte
	line int

	date  string // settlement date of the entry
	entry struct {
		line        int
		amount, sum int64
		stated      int64
		lines       int64
		whole       bool // every line could be counted
	}
	lines, total int64
	whole        bool
	cur          money.Currency
	at           item
}

// item is what an element with an identity of its own says.
type item struct {
	line   int
	fields map[string]string
	amount string // Amt with its direction and currency
}

const (
	root      = "Document/BkToCstmrDbtCdtNtfctn"
	entryPath = root + "/Ntfctn/Ntry"
	linePath  = entryPath + "/NtryDtls/TxDtls"
	lineData  = linePath + "/SplmtryData/Envlp/d:line/d:"
	filePath  = root + "/SplmtryData/Envlp/d:file"
)

func (r *reader) read() error {
	r.whole = true
	for {
		r.line, _ = r.d.InputPos()
		token, err := r.d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			why := fault.Say("not well-formed XML", "XML 格式有误")
			if s, ok := errors.AsType[*xml.SyntaxError](err); ok && strings.Contains(s.Msg, "unexpected EOF") {
				why = fault.Say("the file is cut off", "文件被截断")
			}
			return fault.New(fault.Invalid, fault.Say("read line %d", "读取第 %d 行", r.line), "", why,
				fault.Say("what stood before was read; get the file again from its sender", "前面的内容已读取；请向发送方重新获取文件"))
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if e.Name.Space == Namespace {
				name = "d:" + name
			}
			r.path = append(r.path, name)
			r.text = r.text[:0]
			r.start(strings.Join(r.path, "/"), e.Attr)
		case xml.CharData:
			if len(r.text) < maxText {
				r.text = append(r.text, e...)
			}
		case xml.EndElement:
			r.end(strings.Join(r.path, "/"), strings.TrimSpace(string(r.text)))
			r.path = r.path[:len(r.path)-1]
			r.text = r.text[:0]
		}
	}
}

func (r *reader) start(path string, attrs []xml.Attr) {
	switch path {
	case entryPath:
		r.date = ""
		r.entry.line, r.entry.amount, r.entry.sum, r.entry.stated, r.entry.lines, r.entry.whole = r.line, 0, 0, -1, 0, true
		r.at = item{line: r.line, fields: map[string]string{}}
	case linePath, filePath:
		r.at = item{line: r.line, fields: map[string]string{}}
	}
	if strings.HasSuffix(path, "/Amt") && r.at.fields != nil {
		for _, a := range attrs {
			if a.Name.Local == "Ccy" {
				r.at.fields["currency"] = a.Value
			}
		}
	}
}

func (r *reader) end(path, text string) {
	at := &r.at
	if at.fields == nil {
		return
	}
	switch path {
	case entryPath + "/Amt":
		at.amount = text
	case entryPath + "/CdtDbtInd":
		r.entry.amount, r.entry.whole = r.money(at.amount, text == "DBIT")
	case entryPath + "/BookgDt/Dt":
		r.date = text
	case entryPath + "/NtryDtls/Btch/NbOfTxs":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			r.entry.stated = n
		}
	case entryPath:
		r.endEntry()

	case linePath + "/Refs/EndToEndId":
		if text != noPayout {
			at.fields["payout"] = text
		}
	case linePath + "/Amt":
		at.fields["net"] = text
	case linePath + "/CdtDbtInd":
		if text == "DBIT" && at.fields["net"] != "" {
			at.fields["net"] = "-" + at.fields["net"]
		}
	case linePath + "/AmtDtls/InstdAmt/Amt":
		at.fields["gross"] = text
	case linePath + "/BkTxCd/Prtry/Cd":
		at.fields["kind"] = text
	case linePath + "/Chrgs/Rcrd/Amt":
		at.fields["fee"] = text
	case linePath + "/Chrgs/Rcrd/CdtDbtInd":
		if text == "CRDT" && at.fields["fee"] != "" { // given back
			at.fields["fee"] = "-" + at.fields["fee"]
		}
	case linePath + "/RltdDts/TxDtTm":
		at.fields["transaction_time"] = text
	case linePath:
		r.endLine()
	case filePath:
		r.endFile()
	default:
		if name, ok := strings.CutPrefix(path, lineData); ok {
			at.fields[name] = text
		} else if name, ok := strings.CutPrefix(path, filePath+"/d:"); ok {
			at.fields[name] = text
		}
	}
}

// money reads an amount of the item at hand.
func (r *reader) money(text string, minus bool) (int64, bool) {
	cur, err := money.ParseCurrency(r.at.fields["currency"])
	if err != nil {
		return 0, false
	}
	v, err := money.ParseDecimal(text, cur.Exponent(), money.Point)
	if minus {
		v = -v
	}
	r.cur = cur
	return v, err == nil
}

// put gives a draft the fields that stand in the item as they are.
func (r *reader) put(d *evidence.Draft, names ...string) {
	for _, name := range names {
		text := r.at.fields[name]
		if text == "" {
			continue
		}
		if f, ok := evidence.FieldOf(d.Type(), name); ok {
			d.Put(f, []byte(text)) // a refusal is told by Commit
		} else {
			d.PutUnknownText(name, []byte(text))
		}
	}
}

func (r *reader) begin(t evidence.Type) *evidence.Draft {
	d := r.out.Begin(t)
	d.SetSource(source(r.at.fields["mid"]))
	d.SetID(r.at.fields["id"])
	d.PutTime([]byte(r.at.fields["time"]))
	r.put(d, "mid", "currency")
	return d
}

var errNoIdentity = fault.Say("the line does not say which one it is: its supplementary data (SplmtryData) with id, time and mid is missing; get the file again from its sender",
	"该行缺少含 id、time、mid 的补充数据（SplmtryData），无法识别；请向发送方重新获取文件")

func (r *reader) endLine() {
	at := &r.at
	r.lines++
	r.entry.lines++
	net, ok := r.money(at.fields["net"], false)
	if sum, fits := money.Add(r.entry.sum, net); ok && fits {
		r.entry.sum = sum
	} else {
		r.entry.whole = false
	}
	if sum, fits := money.Add(r.total, net); ok && fits {
		r.total = sum
	} else {
		r.whole = false
	}
	if at.fields["id"] == "" || at.fields["mid"] == "" {
		r.out.Reject(at.line, errNoIdentity)
		return
	}
	d := r.begin(evidence.SettlementLine)
	for _, a := range []struct {
		name  string
		field evidence.Field
	}{{"gross", evidence.Gross}, {"fee", evidence.Fee}, {"net", evidence.Net}} {
		text := at.fields[a.name]
		if text == "" && a.field == evidence.Fee {
			text = "0"
		}
		v, ok := r.money(text, false)
		if !ok {
			r.out.Reject(at.line, fault.Say("%s is no amount of its currency", "%s 不是该币种的金额", a.name))
			return
		}
		d.PutInt(a.field, v)
	}
	r.put(d, "kind", "transaction_time", "payout")
	if date, err := calendar.ParseDate(r.date); err == nil {
		d.PutDate(evidence.SettlementDate, date)
	}
	for _, k := range keys {
		r.put(d, k.name)
	}
	r.out.Commit(d, at.line)
}

// endEntry compares an entry with its lines.
func (r *reader) endEntry() {
	e := &r.entry
	switch {
	case e.stated >= 0 && e.stated != e.lines:
		r.out.Warn(e.line, fault.Say("totals differ: the entry states %d lines (NbOfTxs), but there are %d; get the file again from its sender", "合计不符：该条目写 %d 笔（NbOfTxs），实有 %d 笔；请向发送方重新获取文件", e.stated, e.lines))
	case e.whole && e.amount != e.sum:
		r.out.Warn(e.line, fault.Say("totals differ: the entry states %s, but its lines make %s; get the file again from its sender", "合计不符：该条目写 %s，明细合计 %s；请向发送方重新获取文件",
			money.Format(e.amount, r.cur), money.Format(e.sum, r.cur)))
	}
}

// endFile declares the settlement whole, as its sender states it. Where the
// lines are others, that is told here and again where they are compared.
func (r *reader) endFile() {
	at := &r.at
	if at.fields["id"] == "" || at.fields["mid"] == "" {
		r.out.Reject(at.line, errNoIdentity)
		return
	}
	total, ok := r.money(at.fields["total"], false)
	if !ok {
		r.out.Reject(at.line, fault.Say("%s is no amount of its currency", "%s 不是该币种的金额", "total"))
		return
	}
	count, err := strconv.ParseInt(at.fields["count"], 10, 64)
	if err != nil || count != r.lines {
		r.out.Warn(at.line, fault.Say("totals differ: the file states %s lines, but there are %d; get it again from its sender", "合计不符：文件写 %s 笔，实有 %d 笔；请向发送方重新获取文件",
			shortNumber(at.fields["count"]), r.lines))
	} else if r.whole && total != r.total {
		r.out.Warn(at.line, fault.Say("totals differ: the file states %s, but its lines make %s; get it again from its sender", "合计不符：文件写 %s，明细合计 %s；请向发送方重新获取文件",
			money.Format(total, r.cur), money.Format(r.total, r.cur)))
	}
	d := r.begin(evidence.SettlementFile)
	r.put(d, "date", "count")
	d.PutInt(evidence.Total, total)
	r.out.Commit(d, at.line)
	r.lines, r.total, r.whole = 0, 0, true
}

// shortNumber is a count as a message may repeat it.
func shortNumber(s string) string {
	if len(s) > 12 || strings.Trim(s, "0123456789") != "" {
		return "…"
	}
	return s
}
