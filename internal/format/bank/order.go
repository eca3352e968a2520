package bank

import (
	"bytes"
	"io"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// orderFormat reads payment orders (pain.001). An order proves that a payout
// was made, not that the bank has seen it: its payments are payouts that the
// platform has created. That the bank took them is for its report (pain.002) or
// its statement to say.
var orderFormat = painFormat("pain.001",
	fault.Say("ISO 20022 payment order (pain.001)", "ISO 20022 付款指令（pain.001）"), readOrderFacts)

// Order is a payment order as a whole.
type Order struct {
	// ID is the message identification; a bank refuses a second order of the
	// same.
	ID string
	// Message is "pain.001.001.09", without a version where the file has none.
	Message string
	// Created is when the order was made; zero where it does not say. A time
	// without offset is UTC.
	Created time.Time
	// Payments counts the payments that stand in it.
	Payments int64
	// Differences tells where counts and control sums differ from the payments
	// that are there: such an order is to be refused (ISO 20022 reason AM10).
	Differences []Difference

	created []byte // as written
}

// Difference is one thing that does not fit in an order or report.
type Difference struct {
	Line int
	Why  fault.Text
}

// Instruction is one payment of an order.
type Instruction struct {
	Line int
	// Order is what is known of the whole before its end: ID, Message, Created.
	Order *Order
	// Batch is the payment information that holds it.
	Batch string
	// Execution is the day on which the bank shall pay; calendar.None where
	// the order does not say.
	Execution calendar.Date
	Debtor    Party
	// EndToEnd names the payment from payer to payee: the payout. "" for none.
	EndToEnd string
	// ID names it between payer and bank, UETR for all banks.
	ID, UETR string
	Amount   int64 // minor units
	Currency money.Currency
	Creditor Party
	Text     string // what the payee is told
	// Problem says why it cannot be carried out as it stands; none where it can.
	Problem fault.Text

	amount, currency []byte
	rounded          bool
	scheme           string // of the creditor's identification being read
	ident            string
}

// ReadOrder reads payment orders of any version in UTF-8 as a stream: take is
// given one payment after the other and keeps what it needs, for the memory of
// an Instruction is used again. The error says in which line the file cannot be
// read further; what was taken before stands.
func ReadOrder(r io.Reader, take func(*Instruction)) (*Order, error) {
	p := &orderReader{w: walker{x: newXMLReader(r), message: "pain.001"}, take: take}
	return p.read()
}

type orderReader struct {
	w       walker
	take    func(*Instruction)
	order   *Order
	all     tally // of the order
	batch   tally // of the payment information
	in      Instruction
	head    Instruction // what holds for every payment of a batch
	inBatch bool
	inTx    bool
}

func (p *orderReader) read() (*Order, error) {
	p.order = &Order{Message: "pain.001"}
	err := p.w.walk(p.start, p.text, p.end)
	return p.order, err
}

const (
	batchPath = "/PmtInf"
	orderPath = "/PmtInf/CdtTrfTxInf"
)

func (p *orderReader) start(path []byte) {
	switch string(path) {
	case "":
		*p.order = Order{Message: "pain.001", Payments: p.order.Payments, Differences: p.order.Differences}
		if p.w.version != "" {
			p.order.Message = p.w.version
		}
		p.all = tally{line: p.w.x.line}
	case batchPath:
		p.inBatch = true
		p.batch = tally{line: p.w.x.line}
		p.head = Instruction{Order: p.order, Execution: calendar.None}
	case orderPath:
		p.inTx = true
		amount, currency := p.in.amount[:0], p.in.currency[:0]
		p.in = p.head
		p.in.Line, p.in.amount, p.in.currency = p.w.x.line, amount, currency
	case orderPath + "/Amt/InstdAmt", orderPath + "/Amt/EqvtAmt/Amt":
		p.in.currency = append(p.in.currency[:0], p.w.x.attr("Ccy")...)
	case orderPath + "/Cdtr/Id/OrgId/Othr", orderPath + "/Cdtr/Id/PrvtId/Othr":
		p.in.scheme, p.in.ident = "", ""
	}
}

func (p *orderReader) text(path, text []byte) {
	switch {
	case p.inTx:
		p.takePayment(path[len(orderPath):], text)
	case p.inBatch:
		p.takeBatch(path[len(batchPath):], text)
	default:
		switch string(path) {
		case "/GrpHdr/MsgId":
			p.order.ID = string(text)
		case "/GrpHdr/CreDtTm":
			p.order.created = bytes.Clone(text)
			if m, ok := parseMoment(text, nil); ok && m.timed {
				p.order.Created = m.time()
			}
		case "/GrpHdr/NbOfTxs":
			p.all.setCount(text)
			p.all.line = p.w.x.line
		case "/GrpHdr/CtrlSum":
			p.all.statedSum = string(text)
		}
	}
}

func (p *orderReader) takeBatch(path, text []byte) {
	switch string(path) {
	case "/PmtInfId":
		p.head.Batch = string(text)
	case "/NbOfTxs":
		p.batch.setCount(text)
		p.batch.line = p.w.x.line
	case "/CtrlSum":
		p.batch.statedSum = string(text)
	case "/ReqdExctnDt", "/ReqdExctnDt/Dt", "/ReqdExctnDt/DtTm":
		if m, ok := parseMoment(text, nil); ok {
			p.head.Execution = m.date
		}
	default:
		takeParty(&p.head.Debtor, &p.head.Creditor, path, text)
	}
}

func (p *orderReader) takePayment(path, text []byte) {
	in := &p.in
	switch string(path) {
	case "/PmtId/InstrId":
		if !noReference[strings.ToUpper(string(text))] {
			in.ID = string(text)
		}
	case "/PmtId/EndToEndId":
		if !noReference[strings.ToUpper(string(text))] {
			in.EndToEnd = string(text)
		}
	case "/PmtId/UETR":
		in.UETR = string(text)
	case "/Amt/InstdAmt", "/Amt/EqvtAmt/Amt":
		in.amount = append(in.amount[:0], text...)
	case "/RmtInf/Ustrd":
		if in.Text != "" {
			in.Text += " "
		}
		if len(in.Text) < maxText {
			in.Text += string(text)
		}
	case "/Cdtr/Id/OrgId/Othr/Id", "/Cdtr/Id/PrvtId/Othr/Id":
		in.ident = string(text)
	case "/Cdtr/Id/OrgId/Othr/SchmeNm/Prtry", "/Cdtr/Id/PrvtId/Othr/SchmeNm/Prtry":
		in.scheme = string(text)
	default:
		takeParty(&in.Debtor, &in.Creditor, path, text)
	}
}

func (p *orderReader) end(path []byte) {
	switch string(path) {
	case orderPath + "/Cdtr/Id/OrgId/Othr", orderPath + "/Cdtr/Id/PrvtId/Othr":
		if p.in.scheme == midScheme {
			p.in.Creditor.ID = p.in.ident
		}
	case orderPath:
		p.inTx = false
		p.endPayment()
	case batchPath:
		p.inBatch = false
		p.compare(&p.batch, fault.Say("payment information", "付款信息"))
	case "":
		p.compare(&p.all, fault.Say("the order", "付款指令"))
	}
}

// compare tells where stated totals differ from the payments that are there.
func (p *orderReader) compare(t *tally, what fault.Text) {
	tell := func(why fault.Text) {
		p.order.Differences = append(p.order.Differences, Difference{t.line, why})
	}
	if t.hasCount && t.stated != t.count {
		tell(fault.Say("totals differ: %[1]s states %[2]d payments (NbOfTxs), but there are %[3]d; have the order written again",
			"合计不符：%[1]s写 %[2]d 笔（NbOfTxs），实有 %[3]d 笔；请重新生成指令文件", what, t.stated, t.count))
	}
	if t.sumDiffers() {
		tell(fault.Say("totals differ: %[1]s states a control sum of %[2]s (CtrlSum), but the payments make %[3]s; have the order written again",
			"合计不符：%[1]s写控制总额 %[2]s（CtrlSum），各笔合计 %[3]s；请重新生成指令文件", what, shown(t.statedSum, 24), t.readSum()))
	}
}

func (p *orderReader) endPayment() {
	in := &p.in
	p.order.Payments++
	p.all.add(in.amount)
	p.batch.add(in.amount)
	in.Amount, in.Currency, in.rounded, in.Problem = readAmount(in.amount, in.currency)
	if in.Problem.None() && in.Amount <= 0 {
		in.Problem = fault.Say("the amount (InstdAmt) is not more than zero", "金额（InstdAmt）必须大于零")
	}
	if in.Problem.None() && in.Creditor.Account == "" {
		in.Problem = fault.Say("the payment names no account of the payee (CdtrAcct)", "该笔付款没有收款账号（CdtrAcct）")
	}
	p.take(in)
}

// readAmount reads an amount with the currency of its attribute.
func readAmount(text, currency []byte) (v int64, cur money.Currency, rounded bool, why fault.Text) {
	cur, ok := money.ParseCurrencyBytes(currency)
	switch {
	case len(text) == 0:
		return 0, cur, false, fault.Say("the payment has no amount (InstdAmt)", "该笔付款没有金额（InstdAmt）")
	case !ok:
		return 0, cur, false, fault.Say("the amount's currency is not an ISO 4217 code", "金额的币种不是 ISO 4217 代码")
	}
	v, rounded, err := money.ParseDecimalRound(text, cur.Exponent(), money.Point)
	if err != nil {
		why = fault.Say("the amount (Amt) is %s", "金额（Amt）有误：%s", err)
	}
	return v, cur, rounded, why
}

// readOrderFacts makes each payment of an order a payout that was created.
func readOrderFacts(in *format.Input, out *format.Out) error {
	var source string
	var at moment
	order, err := ReadOrder(xmlText(in), func(p *Instruction) {
		// A file may hold several orders, and an order batches out of several
		// accounts.
		if s := strings.ToValidUTF8("pain.001/"+accountInSource(p.Debtor.Account)+"/"+p.Order.ID, "\uFFFD"); s != source {
			source = s
			made, _ := parseMoment(p.Order.created, nil)
			at, _ = parseMoment(p.Order.created, zoneOf(in, p.Debtor.Account, p.Debtor.Agent.BIC, p.Currency, made))
		}
		switch {
		case !p.Problem.None():
			out.Reject(p.Line, p.Problem)
			return
		case p.EndToEnd == "" && p.ID == "":
			out.Reject(p.Line, fault.Say("the payment has no identification (EndToEndId): which payout it is cannot be told",
				"该笔付款没有标识（EndToEndId），无法得知是哪一笔出款"))
			return
		case !at.timed:
			out.Reject(p.Line, fault.Say("the order does not say when it was made (CreDtTm); write it as 2026-03-02T10:15:04+08:00",
				"付款指令没有写明生成时间（CreDtTm），请写作 2026-03-02T10:15:04+08:00"))
			return
		}
		d := out.Begin(evidence.PayoutStatus)
		d.SetSource(source)
		d.HashID([]byte(strings.Join([]string{p.Batch, p.EndToEnd, p.ID, p.Creditor.Account, string(p.amount), string(p.currency)}, "|")))
		d.SetTime(at.at, at.offset)
		payoutID := p.EndToEnd
		if payoutID == "" {
			payoutID = p.ID
		}
		putText(d, evidence.Payout, payoutID)
		putText(d, evidence.MID, p.Creditor.ID)
		d.PutInt(evidence.Amount, p.Amount)
		putCurrency(d, p.Currency)
		putText(d, evidence.Account, p.Creditor.Account)
		putText(d, evidence.Bank, p.Creditor.Agent.Name)
		d.PutString(evidence.By, "platform")
		d.PutString(evidence.StateField, evidence.Created.String())
		putText(d, evidence.Text, p.Text)
		putUnknown(d, "order", p.Order.ID)
		if out.Commit(d, p.Line) && p.rounded {
			warnRounded(out, p.Line, p.Amount, p.Currency)
		}
	})
	out.SetFormat(order.Message)
	for _, d := range order.Differences {
		out.Warn(d.Line, d.Why)
	}
	if err == nil && order.Payments == 0 {
		out.Warn(0, fault.Say("the order holds no payments", "付款指令中没有任何付款"))
	}
	return err
}

func warnRounded(out *format.Out, line int, amount int64, c money.Currency) {
	out.Warn(line, fault.Say("amount finer than the minor unit of %s: rounded half up to %s", "金额比 %s 的最小单位更细，四舍五入为 %s", c, money.Format(amount, c)))
}

func putText(d *evidence.Draft, f evidence.Field, text string) {
	if text != "" {
		d.PutString(f, strings.ToValidUTF8(text, "\uFFFD"))
	}
}

func putUnknown(d *evidence.Draft, name, text string) {
	if text != "" {
		d.PutUnknownText(name, []byte(strings.ToValidUTF8(text, "\uFFFD")))
	}
}
