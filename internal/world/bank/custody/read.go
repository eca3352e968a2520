package custody

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// The messages that the bank reads, as far as it reads them, of any version:
// elements are known by their local names.

// message is any file of the folders orders and incoming.
type message struct {
	XMLName   xml.Name
	Order     *orderXML   `xml:"CstmrCdtTrfInitn"`
	Inquiry   *inquiryXML `xml:"FIToFIPmtStsReq"`
	Transfer  *moneyXML   `xml:"FICdtTrf"` // pacs.009
	Transfer2 *moneyXML   `xml:"FinInstnCdtTrf"`
	Debit     *moneyXML   `xml:"FIDrctDbt"` // pacs.010
}

type groupXML struct {
	ID      string `xml:"MsgId"`
	Created string `xml:"CreDtTm"`
	Count   string `xml:"NbOfTxs"`
	Sum     string `xml:"CtrlSum"`
}

type orderXML struct {
	Header  groupXML   `xml:"GrpHdr"`
	Batches []batchXML `xml:"PmtInf"`
}

type batchXML struct {
	ID        string `xml:"PmtInfId"`
	Count     string `xml:"NbOfTxs"`
	Sum       string `xml:"CtrlSum"`
	Execution struct {
		Text string `xml:",chardata"`
		Date string `xml:"Dt"`
		Time string `xml:"DtTm"`
	} `xml:"ReqdExctnDt"`
	Debtor   accountXML   `xml:"DbtrAcct"`
	Payments []paymentXML `xml:"CdtTrfTxInf"`
}

type accountXML struct {
	IBAN  string `xml:"Id>IBAN"`
	Other string `xml:"Id>Othr>Id"`
}

func (a accountXML) number() string {
	return strings.Join(strings.Fields(or(a.IBAN, a.Other)), "")
}

type amountXML struct {
	Currency string `xml:"Ccy,attr"`
	Text     string `xml:",chardata"`
}

type paymentXML struct {
	ID       string     `xml:"PmtId>InstrId"`
	EndToEnd string     `xml:"PmtId>EndToEndId"`
	UETR     string     `xml:"PmtId>UETR"`
	Amount   amountXML  `xml:"Amt>InstdAmt"`
	Account  accountXML `xml:"CdtrAcct"`
	Agent    struct {
		BIC    string `xml:"BICFI"`
		BIC2   string `xml:"BIC"`
		Member string `xml:"ClrSysMmbId>MmbId"`
		Name   string `xml:"Nm"`
	} `xml:"CdtrAgt>FinInstnId"`
	Name   string `xml:"Cdtr>Nm"`
	Others []struct {
		ID     string `xml:"Id"`
		Scheme string `xml:"SchmeNm>Prtry"`
	} `xml:"Cdtr>Id>OrgId>Othr"`
	Text []string `xml:"RmtInf>Ustrd"`
}

type inquiryXML struct {
	Header struct {
		ID string `xml:"MsgId"`
	} `xml:"GrpHdr"`
	Group struct {
		Order string `xml:"OrgnlMsgId"`
	} `xml:"OrgnlGrpInf"`
	Payments []struct {
		Order    string `xml:"OrgnlGrpInf>OrgnlMsgId"`
		ID       string `xml:"OrgnlInstrId"`
		EndToEnd string `xml:"OrgnlEndToEndId"`
		UETR     string `xml:"OrgnlUETR"`
	} `xml:"TxInf"`
}

type moneyXML struct {
	Header struct {
		ID string `xml:"MsgId"`
	} `xml:"GrpHdr"`
	Credits []fundsXML `xml:"CdtTrfTxInf"`
	Debits  []fundsXML `xml:"CdtInstr"`
}

type fundsXML struct {
	EndToEnd string     `xml:"PmtId>EndToEndId"`
	Amount   amountXML  `xml:"IntrBkSttlmAmt"`
	Value    string     `xml:"IntrBkSttlmDt"`
	Debtor   string     `xml:"Dbtr>FinInstnId>Nm"`
	Creditor string     `xml:"Cdtr>FinInstnId>Nm"`
	Account  accountXML `xml:"CdtrAcct"`
	Text     []string   `xml:"RmtInf>Ustrd"`
	// Of a direct debit.
	Debit struct {
		EndToEnd string     `xml:"PmtId>EndToEndId"`
		Amount   amountXML  `xml:"IntrBkSttlmAmt"`
		Value    string     `xml:"IntrBkSttlmDt"`
		Account  accountXML `xml:"DbtrAcct"`
		Text     []string   `xml:"RmtInf>Ustrd"`
	} `xml:"DrctDbtTxInf"`
}

// maxFile bounds what the bank reads of a file.
const maxFile = 64 << 20

// refusal is why a file is refused as a whole.
type refusal struct {
	code string // ISO 20022
	why  fault.Text
}

func (r *refusal) Error() string { return r.code + " " + r.why.EN }

// parseMessage reads a file. The error is a refusal.
func parseMessage(content []byte) (*message, *refusal) {
	if len(content) > maxFile {
		return nil, &refusal{"FF01", fault.Say("the file is larger than %d bytes", "文件超过 %d 字节", maxFile)}
	}
	if !utf8.Valid(content) {
		return nil, &refusal{"FF01", fault.Say("the file is not UTF-8", "文件不是 UTF-8 编码")}
	}
	dec := xml.NewDecoder(bytes.NewReader(content))
	var m message
	if err := dec.Decode(&m); err != nil {
		return nil, &refusal{"FF01", fault.Say("the file is no XML that can be read, or is cut short", "文件不是可读取的 XML，或已被截断")}
	}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		text, isText := token.(xml.CharData)
		_, isComment := token.(xml.Comment)
		if err != nil || !isComment && !(isText && len(bytes.TrimSpace(text)) == 0) {
			return nil, &refusal{"FF01", fault.Say("something follows the end of the message", "报文结束之后还有内容")}
		}
	}
	if m.XMLName.Local != "Document" {
		return nil, &refusal{"FF01", fault.Say("the root element is not Document", "根元素不是 Document")}
	}
	return &m, nil
}

// salvage finds the message identification of a file that cannot be read to its
// end, so that its sender can be told which one it was; "" where there is none.
func salvage(content []byte) string {
	dec := xml.NewDecoder(bytes.NewReader(content))
	for inside := false; ; {
		token, err := dec.Token()
		if err != nil {
			return ""
		}
		switch x := token.(type) {
		case xml.StartElement:
			inside = x.Name.Local == "MsgId"
		case xml.CharData:
			if inside {
				return clean(string(x), maxID)
			}
		}
	}
}

// check says why an order is refused as a whole; nil where it is not.
func (o *orderXML) check() *refusal {
	if id := strings.TrimSpace(o.Header.ID); id == "" || utf8.RuneCountInString(id) > maxID {
		return &refusal{"FF01", fault.Say("the message identification (MsgId) is missing or longer than 35 characters", "报文标识（MsgId）缺失或超过 35 个字符")}
	}
	created := strings.TrimSpace(o.Header.Created)
	if _, err := time.Parse("2006-01-02T15:04:05", created[:min(len(created), len("2006-01-02T15:04:05"))]); err != nil {
		return &refusal{"FF01", fault.Say("it does not say when it was made (CreDtTm)", "没有写明生成时间（CreDtTm）")}
	}
	total := sums{}
	for i := range o.Batches {
		batch := sums{}
		for j := range o.Batches[i].Payments {
			batch.add(o.Batches[i].Payments[j].Amount.Text)
		}
		if r := batch.check(o.Batches[i].Count, o.Batches[i].Sum); r != nil {
			return r
		}
		total.join(&batch)
	}
	if total.count == 0 {
		return &refusal{"AM18", fault.Say("the order holds no payments", "付款指令中没有任何付款")}
	}
	return total.check(o.Header.Count, o.Header.Sum)
}

const maxID = 35 // Max35Text

// sums compares a stated count and control sum with what is there.
type sums struct {
	count  int
	sum    int64 // in 10^-sumPlaces
	broken bool
}

// sumPlaces are the decimal places of a control sum: amounts of all currencies are
// added as they are written.
const sumPlaces = 5

func (s *sums) add(amount string) {
	s.count++
	v, err := parseAmount(strings.TrimSpace(amount), sumPlaces)
	s.sum += v
	s.broken = s.broken || err != nil || s.sum < 0
}

func (s *sums) join(o *sums) {
	s.count += o.count
	s.sum += o.sum
	s.broken = s.broken || o.broken || s.sum < 0
}

func (s *sums) check(count, sum string) *refusal {
	count, sum = strings.TrimSpace(count), strings.TrimSpace(sum)
	if n, err := strconv.Atoi(count); count != "" && (err != nil || n != s.count) {
		return &refusal{"AM18", fault.Say("it states another number of payments (NbOfTxs) than the %d that it holds", "所写笔数（NbOfTxs）与实有 %d 笔不符", s.count)}
	}
	if sum == "" || s.broken { // what is broken is refused payment by payment
		return nil
	}
	if v, err := parseAmount(sum, sumPlaces); err != nil || v != s.sum {
		return &refusal{"AM10", fault.Say("it states another control sum (CtrlSum) than its payments make", "所写控制总额（CtrlSum）与各笔合计不符")}
	}
	return nil
}

var errAmount = fault.Say("no amount", "不是金额")

// parseAmount reads a decimal number, as XML Schema writes one, in units of
// 10^-places. Digits beyond are an error unless they are zeros.
func parseAmount(s string, places int) (int64, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole+part == "" || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, errAmount
	}
	if extra := part[min(len(part), places):]; strings.Trim(extra, "0") != "" {
		return 0, errAmount
	}
	part = part[:min(len(part), places)]
	digits := strings.TrimLeft(whole+part+strings.Repeat("0", places-len(part)), "0")
	if len(digits) > 18 {
		return 0, errAmount
	}
	if digits == "" {
		return 0, nil
	}
	return strconv.ParseInt(digits, 10, 64)
}

// amount reads an amount in minor units; the code says what is wrong with it.
func (a amountXML) amount() (minor int64, currency, code string) {
	c, err := money.ParseCurrency(strings.TrimSpace(a.Currency))
	if err != nil {
		return 0, "", "AM11"
	}
	v, err := parseAmount(strings.TrimSpace(a.Text), c.Exponent())
	switch {
	case err != nil:
		return 0, c.String(), "AM12"
	case v == 0:
		return 0, c.String(), "AM01"
	}
	return v, c.String(), ""
}

// execution is the day on which the order asks to be paid; calendar.None where it
// does not say, and ok is false where what it says is no day.
func (b *batchXML) execution() (day calendar.Date, ok bool) {
	text := strings.TrimSpace(or(or(strings.TrimSpace(b.Execution.Date), strings.TrimSpace(b.Execution.Time)), b.Execution.Text))
	if text == "" {
		return calendar.None, true
	}
	day, err := calendar.ParseDate(text[:min(10, len(text))])
	return day, err == nil
}

// agent names the payee's bank by the strongest of what is given.
func (p *paymentXML) agent() string {
	a := &p.Agent
	return strings.TrimSpace(or(or(or(a.BIC, a.BIC2), a.Member), a.Name))
}

// mid is the merchant number, where the order gives one.
func (p *paymentXML) mid() string {
	for _, o := range p.Others {
		if strings.TrimSpace(o.Scheme) == "MID" {
			return strings.TrimSpace(o.ID)
		}
	}
	return ""
}
