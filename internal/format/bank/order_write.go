package bank

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// PaymentOrder is an order to a bank to pay payouts out of one account.
type PaymentOrder struct {
	// ID is the message identification, at most 35 characters. The bank refuses
	// a second order of the same, which is why it has to follow from what is
	// paid: an order written again after a crash is the same order.
	ID string
	// Created is when the order was made. Written again, it is the same.
	Created time.Time
	// Execution is the day on which the bank shall pay.
	Execution calendar.Date
	// Debtor is the platform: name, safeguarded account and its bank.
	Debtor   Party
	Payments []Payment
}

// Payment is one payout of an order.
type Payment struct {
	// EndToEnd is the payout's id, at most 35 characters. The bank hands it on to
	// the payee's entry.
	EndToEnd string
	// UETR is a UUID that all banks on the way keep; "" for none.
	UETR     string
	Amount   int64 // minor units, more than 0
	Currency money.Currency
	// Creditor is the merchant: name as its bank knows it, account, agent, and in
	// ID the merchant number.
	Creditor Party
	// Text is what the merchant reads, at most 140 characters; "" for none.
	Text string
}

// Limits of ISO 20022's text types.
const (
	maxID      = 35  // Max35Text
	maxName    = 140 // Max140Text
	maxAccount = 34  // IBAN, and the identification of other accounts
)

// WriteOrder writes an order as pain.001.001.09 in UTF-8, with its counts and
// control sums. The same order gives the same bytes. Nothing is written of an
// order that a bank would have to refuse: the error (kind Invalid) names the
// payment and what is wrong with it.
func WriteOrder(w io.Writer, o *PaymentOrder) error {
	sum, err := o.check()
	if err != nil {
		return err
	}
	x := xmlWriter{w: bufio.NewWriter(w)}
	x.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	x.raw(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">`)
	x.open("CstmrCdtTrfInitn")
	x.open("GrpHdr")
	x.leaf("MsgId", o.ID)
	x.leaf("CreDtTm", o.Created.Format("2006-01-02T15:04:05.000Z07:00"))
	x.totals(len(o.Payments), sum)
	x.open("InitgPty")
	x.leaf("Nm", o.Debtor.Name)
	x.close("InitgPty")
	x.close("GrpHdr")
	x.open("PmtInf")
	x.leaf("PmtInfId", o.ID)
	x.leaf("PmtMtd", "TRF")
	x.leaf("BtchBookg", "false") // each payout is an entry of its own on the account
	x.totals(len(o.Payments), sum)
	x.open("ReqdExctnDt")
	x.leaf("Dt", o.Execution.String())
	x.close("ReqdExctnDt")
	x.open("Dbtr")
	x.leaf("Nm", o.Debtor.Name)
	x.close("Dbtr")
	x.account("DbtrAcct", o.Debtor.Account)
	x.agent("DbtrAgt", o.Debtor.Agent)
	x.leaf("ChrgBr", "SLEV")
	for i := range o.Payments {
		x.payment(&o.Payments[i])
	}
	x.close("PmtInf")
	x.close("CstmrCdtTrfInitn")
	x.raw("</Document>\n")
	if err := x.w.Flush(); err != nil {
		return fault.New(fault.Internal, fault.Say("write payment order", "写付款指令"), o.ID, err, fault.Say("look at the disk, then write the same order again", "请检查磁盘，然后重新写同一份指令"))
	}
	return nil
}

func (x *xmlWriter) payment(p *Payment) {
	x.open("CdtTrfTxInf")
	x.open("PmtId")
	x.leaf("InstrId", p.EndToEnd)
	x.leaf("EndToEndId", p.EndToEnd)
	x.leaf("UETR", p.UETR)
	x.close("PmtId")
	x.open("Amt")
	x.amount("InstdAmt", p.Amount, p.Currency)
	x.close("Amt")
	x.agent("CdtrAgt", p.Creditor.Agent)
	x.open("Cdtr")
	x.leaf("Nm", p.Creditor.Name)
	if p.Creditor.ID != "" {
		x.open("Id")
		x.open("OrgId")
		x.open("Othr")
		x.leaf("Id", p.Creditor.ID)
		x.open("SchmeNm")
		x.leaf("Prtry", midScheme)
		x.close("SchmeNm")
		x.close("Othr")
		x.close("OrgId")
		x.close("Id")
	}
	x.close("Cdtr")
	x.account("CdtrAcct", p.Creditor.Account)
	if p.Text != "" {
		x.open("RmtInf")
		x.leaf("Ustrd", p.Text)
		x.close("RmtInf")
	}
	x.close("CdtTrfTxInf")
}

// check says why a bank would refuse the order; else it gives the control sum.
func (o *PaymentOrder) check() (sum string, err error) {
	refuse := func(subject string, why fault.Text) (string, error) {
		return "", fault.New(fault.Invalid, fault.Say("write payment order", "写付款指令"), subject, why,
			fault.Say("nothing was written; mend it and write the order again", "未写出任何内容；请改正后重新写指令"))
	}
	if why := fits("MsgId", o.ID, maxID); !why.None() {
		return refuse("", why)
	}
	switch {
	case o.Created.IsZero():
		return refuse(o.ID, fault.Say("the time of creation is missing", "缺少生成时间"))
	case o.Execution == calendar.None:
		return refuse(o.ID, fault.Say("the day of execution is missing", "缺少执行日期"))
	case len(o.Payments) == 0:
		return refuse(o.ID, fault.Say("it has no payments", "没有任何付款"))
	}
	if why := o.Debtor.check(); !why.None() {
		return refuse(o.ID, fault.Say("payer: %s", "付款方：%s", why))
	}
	var t tally
	seen := make(map[string]bool, len(o.Payments))
	for i := range o.Payments {
		p := &o.Payments[i]
		if why := fits("EndToEndId", p.EndToEnd, maxID); !why.None() {
			return refuse(o.ID+" #"+strconv.Itoa(i+1), why)
		}
		switch {
		case noReference[p.EndToEnd] || isZeros(p.EndToEnd):
			return refuse(o.ID+" #"+strconv.Itoa(i+1), fault.Say("EndToEndId says that there is none; give the payout's id", "EndToEndId 表示“无”，请填写出款编号"))
		case seen[p.EndToEnd]:
			return refuse(p.EndToEnd, fault.Say("it stands twice in one order: it would be paid twice", "同一份指令中出现两次，会重复付款"))
		case p.Amount <= 0:
			return refuse(p.EndToEnd, fault.Say("the amount is not more than zero", "金额必须大于零"))
		case p.Currency == (money.Currency{}):
			return refuse(p.EndToEnd, fault.Say("the currency is missing", "缺少币种"))
		case p.UETR != "" && !isUUID(p.UETR):
			return refuse(p.EndToEnd, fault.Say("UETR is not a UUID", "UETR 不是 UUID"))
		}
		seen[p.EndToEnd] = true
		why := p.Creditor.check()
		if why.None() && p.Text != "" {
			why = fits("Ustrd", p.Text, maxName)
		}
		if why.None() && p.Creditor.ID != "" {
			why = fits("Cdtr/Id", p.Creditor.ID, maxID)
		}
		if !why.None() {
			return refuse(p.EndToEnd, fault.Say("payee: %s", "收款方：%s", why))
		}
		t.add(money.AppendFormat(nil, p.Amount, p.Currency))
	}
	if t.unsummed {
		return refuse(o.ID, fault.Say("the amounts make more than a control sum can hold; split the order", "金额合计超出控制总额的范围，请拆分指令"))
	}
	return t.readSum(), nil
}

// check says what a side of a payment lacks.
func (p *Party) check() fault.Text {
	if why := fits("Nm", p.Name, maxName); !why.None() {
		return why
	}
	if why := fits("Acct", p.Account, maxAccount); !why.None() {
		return why
	}
	a := p.Agent
	if a == (Agent{}) {
		return fault.Say("no bank is named: give its BIC, its CNAPS number or its name", "没有写明开户行：请填写 BIC、联行号或行名")
	}
	if a.BIC != "" && !isBIC(a.BIC) {
		return fault.Say("the BIC does not have the form of one", "BIC 格式不对")
	}
	if a.Member != "" {
		if why := fits("MmbId", a.Member, maxID); !why.None() {
			return why
		}
	}
	if a.Name != "" {
		return fits("FinInstnId/Nm", a.Name, maxName)
	}
	return fault.Text{}
}

// fits says what is wrong with the text of an element. The text itself is never
// repeated: it may be an account.
func fits(element, text string, most int) fault.Text {
	if text == "" {
		return fault.Say("%s is missing", "缺少 %s", element)
	}
	if n := utf8.RuneCountInString(text); n > most {
		return fault.Say("%s has %d characters, at most %d are allowed", "%s 有 %d 个字符，最多 %d 个", element, n, most)
	}
	if strings.TrimSpace(text) != text {
		return fault.Say("%s begins or ends with a blank", "%s 首尾有空格", element)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
			return fault.Say("%s has a character that XML does not carry", "%s 含有 XML 不能承载的字符", element)
		}
	}
	return fault.Text{}
}

// isUUID reports whether s has the form of a UUID in small letters.
func isUUID(s string) bool {
	return len(s) == 36 && s == strings.ToLower(s) && uuid.Validate(s) == nil
}

// xmlWriter writes elements one after the other. Errors are those of Flush.
type xmlWriter struct {
	w   *bufio.Writer
	buf []byte
}

func (x *xmlWriter) raw(s string) { x.w.WriteString(s) }

func (x *xmlWriter) open(name string) {
	x.w.WriteByte('<')
	x.w.WriteString(name)
	x.w.WriteByte('>')
}

func (x *xmlWriter) close(name string) {
	x.w.WriteString("</")
	x.w.WriteString(name)
	x.w.WriteString(">\n")
}

// leaf writes an element with its text; nothing where there is none.
func (x *xmlWriter) leaf(name, text string) {
	if text == "" {
		return
	}
	x.open(name)
	for i := range len(text) {
		switch c := text[i]; c {
		case '&':
			x.w.WriteString("&amp;")
		case '<':
			x.w.WriteString("&lt;")
		case '>':
			x.w.WriteString("&gt;")
		default:
			x.w.WriteByte(c)
		}
	}
	x.close(name)
}

func (x *xmlWriter) amount(name string, minor int64, c money.Currency) {
	x.raw("<" + name + ` Ccy="` + c.String() + `">`)
	x.buf = money.AppendFormat(x.buf[:0], minor, c)
	x.w.Write(x.buf)
	x.close(name)
}

func (x *xmlWriter) totals(count int, sum string) {
	x.leaf("NbOfTxs", strconv.Itoa(count))
	x.leaf("CtrlSum", sum)
}

func (x *xmlWriter) account(name, account string) {
	x.open(name)
	x.open("Id")
	if isIBAN(account) {
		x.leaf("IBAN", account)
	} else {
		x.open("Othr")
		x.leaf("Id", account)
		x.close("Othr")
	}
	x.close("Id")
	x.close(name)
}

func (x *xmlWriter) agent(name string, a Agent) {
	x.open(name)
	x.open("FinInstnId")
	x.leaf("BICFI", a.BIC)
	if a.Member != "" {
		x.open("ClrSysMmbId")
		if len(a.Member) == cnapsLength && strings.Trim(a.Member, "0123456789") == "" {
			x.open("ClrSysId")
			x.leaf("Cd", "CNAPS")
			x.close("ClrSysId")
		}
		x.leaf("MmbId", a.Member)
		x.close("ClrSysMmbId")
	}
	x.leaf("Nm", a.Name)
	x.close("FinInstnId")
	x.close(name)
}

// cnapsLength is the number of digits of a CNAPS number (联行号).
const cnapsLength = 12
