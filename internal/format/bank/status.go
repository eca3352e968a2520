package bank

import (
	"bytes"
	"io"
	"strings"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// statusFormat reads reports on the status of payment orders (pain.002). Each
// payment of which the bank speaks singly becomes the bank's word on a payout.
// A report on an order as a whole names no payout; it is told, and the platform
// that made the order knows which payouts it concerns (ReadStatus).
var statusFormat = painFormat("pain.002",
	fault.Say("ISO 20022 payment status report (pain.002)", "ISO 20022 付款状态报告（pain.002）"), readStatusFacts)

// stateOfStatus gives the state of a payout that a code of the external code
// sets of ISO 20022 (ExternalPaymentTransactionStatus1Code and, for groups,
// ExternalPaymentGroupStatus1Code) proves.
//
// Only ACCC says that the money is on the payee's account. ACSC is settlement on
// the payer's. ACTC and RCVD prove no more than that the order has come in, PDNG
// that it waits there. What was cancelled on request never left, as if rejected.
var stateOfStatus = map[string]evidence.State{
	"RCVD": evidence.Sent,
	"ACTC": evidence.Sent,
	"PATC": evidence.Sent,
	"PDNG": evidence.Sent,
	"ACCP": evidence.Accepted,
	"ACFC": evidence.Accepted,
	"ACPD": evidence.Accepted,
	"ACSP": evidence.Accepted,
	"ACSC": evidence.Accepted,
	"ACWC": evidence.Accepted,
	"ACWP": evidence.Accepted,
	"ACCC": evidence.Credited,
	"RJCT": evidence.Rejected,
	"CANC": evidence.Rejected,
	"BLCK": evidence.Held,
}

// partly is the status of a group whose payments have different ones.
const partly = "PART"

// Level says of what a bank speaks in a status.
type Level uint8

// The levels of a report, from the payment to the order.
const (
	OfPayment Level = iota
	OfBatch         // one payment information
	OfOrder
)

// Status is what a report says of one payment, one batch of payments or the
// whole order.
type Status struct {
	Line  int
	Level Level
	// Report is what is known of the whole before its end.
	Report *Report
	// Code is the status as the bank writes it. A payment without one has that
	// of its batch, or of the order. "" where the bank says none, PART where the
	// payments have different ones.
	Code string
	// State is what the code says of a payout; the zero value where it says
	// nothing.
	State evidence.State
	// Reason is the ISO 20022 code of the reason (AC01, AM04), or the bank's own;
	// Info what it adds in words.
	Reason, Info string
	// Order, Message, Batch, EndToEnd, ID and UETR name what was ordered, as far
	// as the bank repeats it.
	Order, Message, Batch, EndToEnd, ID, UETR string
	// Payments is how many payments the bank says the batch or order has, 0 where
	// it does not say; Listed of how many of them the report speaks singly. The
	// status of a batch or order is that of the payments not listed.
	Payments, Listed int64
	// Amount is that of the payment, in minor units; Currency is the zero value
	// where the bank does not repeat it.
	Amount   int64
	Currency money.Currency
	// Accepted is when the bank took the payment; zero where it does not say.
	Accepted time.Time
	Creditor Party

	accepted         []byte
	amount, currency []byte
	scheme, ident    string
}

// Report is a status report as a whole.
type Report struct {
	ID      string
	Message string // "pain.002.001.10"
	// Created is when the bank made it; a time without offset is UTC.
	Created time.Time
	// Bank is the bank's BIC, or its name, where the report says who made it.
	Bank string
	// Differences tells where stated counts and sums differ from what is listed.
	Differences []Difference

	created []byte
}

// ReadStatus reads status reports of any version in UTF-8 as a stream: take is
// given the payments as they come, each batch after its payments, and at last
// the order. It keeps what it needs, for the memory of a Status is used again.
// The error says in which line the file cannot be read further.
func ReadStatus(r io.Reader, take func(*Status)) (*Report, error) {
	p := &statusReader{w: walker{x: newXMLReader(r), message: "pain.002"}, take: take, report: &Report{Message: "pain.002"}}
	err := p.w.walk(p.start, p.text, p.end)
	return p.report, err
}

type statusReader struct {
	w                walker
	take             func(*Status)
	report           *Report
	order, batch, tx group
	inBatch, inTx    bool
	txAt             int // length of the path of the payment
}

// group is a status with the totals that stand beside it.
type group struct {
	Status
	listed tally            // what is listed below it
	per    map[string]tally // likewise by status
	stated []perStatus      // NbOfTxsPerSts
}

// perStatus is what a bank states of the payments of one status.
type perStatus struct {
	code string
	tally
}

func (g *group) reset(level Level, line int, report *Report) {
	amount, currency := g.amount[:0], g.currency[:0]
	*g = group{Status: Status{Line: line, Level: level, Report: report, amount: amount, currency: currency}}
	g.listed.line = line
}

const (
	statusOrder = "/OrgnlGrpInfAndSts"
	statusBatch = "/OrgnlPmtInfAndSts"
	statusTx    = "/TxInfAndSts"
)

func (p *statusReader) start(path []byte) {
	line := p.w.x.line
	switch string(path) {
	case "":
		*p.report = Report{Message: "pain.002", Differences: p.report.Differences}
		if p.w.version != "" {
			p.report.Message = p.w.version
		}
		p.order.reset(OfOrder, line, p.report)
	case statusOrder, "/OrgnlGrpInf":
		p.order.Line, p.order.listed.line = line, line
	case statusBatch:
		p.inBatch = true
		p.batch.reset(OfBatch, line, p.report)
	case statusTx, statusBatch + statusTx:
		p.inTx, p.txAt = true, len(path)
		p.tx.reset(OfPayment, line, p.report)
	}
	if p.inTx {
		switch rest := path[p.txAt:]; string(rest) {
		case "/OrgnlTxRef/Amt/InstdAmt", "/OrgnlTxRef/Amt/EqvtAmt/Amt", "/OrgnlTxRef/IntrBkSttlmAmt":
			p.tx.currency = append(p.tx.currency[:0], p.w.x.attr("Ccy")...)
		case "/OrgnlTxRef/Cdtr/Id/OrgId/Othr", "/OrgnlTxRef/Cdtr/Pty/Id/OrgId/Othr":
			p.tx.scheme, p.tx.ident = "", ""
		}
		return
	}
	if bytes.HasSuffix(path, []byte("/NbOfTxsPerSts")) {
		g := p.open()
		g.stated = append(g.stated, perStatus{tally: tally{line: line}})
	}
}

// open gives the group being read.
func (p *statusReader) open() *group {
	if p.inBatch {
		return &p.batch
	}
	return &p.order
}

func (p *statusReader) text(path, text []byte) {
	switch {
	case p.inTx:
		p.takePayment(path[p.txAt:], text)
		return
	case p.inBatch:
		p.takeGroup(&p.batch, path[len(statusBatch):], text)
		return
	case bytes.HasPrefix(path, []byte(statusOrder)):
		p.takeGroup(&p.order, path[len(statusOrder):], text)
		return
	}
	switch string(path) {
	case "/GrpHdr/MsgId":
		p.report.ID = string(text)
	case "/GrpHdr/CreDtTm":
		p.report.created = bytes.Clone(text)
		if m, ok := parseMoment(text, nil); ok && m.timed {
			p.report.Created = m.time()
		}
	case "/GrpHdr/DbtrAgt/FinInstnId/BIC", "/GrpHdr/DbtrAgt/FinInstnId/BICFI":
		p.report.Bank = string(text) // surely the bank; the rest is second best
	case "/GrpHdr/InitgPty/Id/OrgId/BICOrBEI", "/GrpHdr/InitgPty/Id/OrgId/AnyBIC", "/GrpHdr/InitgPty/Nm":
		if p.report.Bank == "" {
			p.report.Bank = string(text)
		}
	}
}

// takeReason takes what stands in StsRsnInf; of several reasons the first counts.
func (s *Status) takeReason(path, text []byte) {
	switch string(path) {
	case "/StsRsnInf/Rsn/Cd", "/StsRsnInf/Rsn/Prtry", "/StsRsnInf/StsRsn/Cd", "/StsRsnInf/StsRsn/Prtry":
		if s.Reason == "" {
			s.Reason = string(text)
		}
	case "/StsRsnInf/AddtlInf", "/StsRsnInf/AddtlStsRsnInf":
		if len(s.Info) > maxText {
			return
		}
		if s.Info != "" {
			s.Info += " "
		}
		s.Info += string(text)
	}
}

func (p *statusReader) takeGroup(g *group, path, text []byte) {
	switch string(path) {
	case "/OrgnlMsgId":
		g.Order = string(text)
	case "/OrgnlMsgNmId":
		g.Message = string(text)
	case "/OrgnlPmtInfId":
		g.Batch = string(text)
	case "/OrgnlNbOfTxs":
		g.listed.setCount(text)
		if g.listed.hasCount {
			g.Payments = g.listed.stated
		}
	case "/OrgnlCtrlSum":
		g.listed.statedSum = string(text)
	case "/GrpSts", "/PmtInfSts":
		g.Code = string(text)
	case "/NbOfTxsPerSts/DtldNbOfTxs":
		g.stated[len(g.stated)-1].setCount(text)
	case "/NbOfTxsPerSts/DtldCtrlSum":
		g.stated[len(g.stated)-1].statedSum = string(text)
	case "/NbOfTxsPerSts/DtldSts":
		g.stated[len(g.stated)-1].code = string(text)
	default:
		g.takeReason(path, text)
	}
}

func (p *statusReader) takePayment(path, text []byte) {
	s := &p.tx.Status
	switch string(path) {
	case "/OrgnlInstrId":
		s.ID = string(text)
	case "/OrgnlEndToEndId":
		if !noReference[strings.ToUpper(string(text))] {
			s.EndToEnd = string(text)
		}
	case "/OrgnlUETR":
		s.UETR = string(text)
	case "/TxSts":
		s.Code = string(text)
	case "/AccptncDtTm":
		s.accepted = bytes.Clone(text)
		if m, ok := parseMoment(text, nil); ok && m.timed {
			s.Accepted = m.time()
		}
	case "/OrgnlTxRef/Amt/InstdAmt", "/OrgnlTxRef/Amt/EqvtAmt/Amt", "/OrgnlTxRef/IntrBkSttlmAmt":
		s.amount = append(s.amount[:0], text...)
	case "/OrgnlTxRef/Cdtr/Id/OrgId/Othr/Id", "/OrgnlTxRef/Cdtr/Pty/Id/OrgId/Othr/Id":
		s.ident = string(text)
	case "/OrgnlTxRef/Cdtr/Id/OrgId/Othr/SchmeNm/Prtry", "/OrgnlTxRef/Cdtr/Pty/Id/OrgId/Othr/SchmeNm/Prtry":
		s.scheme = string(text)
	default:
		if rest, ok := bytes.CutPrefix(path, []byte("/OrgnlTxRef")); ok {
			var debtor Party
			takeParty(&debtor, &s.Creditor, rest, text)
			return
		}
		s.takeReason(path, text)
	}
}

func (p *statusReader) end(path []byte) {
	if p.inTx {
		switch rest := path[p.txAt:]; string(rest) {
		case "":
			p.inTx = false
			p.endPayment()
		case "/OrgnlTxRef/Cdtr/Id/OrgId/Othr", "/OrgnlTxRef/Cdtr/Pty/Id/OrgId/Othr":
			if p.tx.scheme == midScheme {
				p.tx.Creditor.ID = p.tx.ident
			}
		}
		return
	}
	switch string(path) {
	case statusBatch:
		p.inBatch = false
		p.batch.Order, p.batch.Message = p.order.Order, p.order.Message
		p.endGroup(&p.batch)
	case "":
		p.endGroup(&p.order)
	}
}

func (p *statusReader) endPayment() {
	s := &p.tx.Status
	s.Order, s.Message = p.order.Order, p.order.Message
	above := []*group{&p.order}
	if p.inBatch {
		s.Batch = p.batch.Batch
		above = []*group{&p.batch, &p.order}
	}
	for _, g := range above {
		if s.Code == "" && g.Code != partly {
			s.Code = g.Code
			if s.Reason == "" {
				s.Reason, s.Info = g.Reason, g.Info
			}
		}
	}
	s.State = stateOfStatus[s.Code]
	if len(s.amount) > 0 {
		amount, cur, _, why := readAmount(s.amount, s.currency)
		if why.None() && amount >= 0 {
			s.Amount, s.Currency = amount, cur
		}
	}
	for _, g := range above {
		g.Listed++
		g.listed.add(s.amount)
		if g.per == nil {
			g.per = map[string]tally{}
		}
		t := g.per[s.Code]
		t.add(s.amount)
		g.per[s.Code] = t
	}
	p.take(s)
}

// endGroup gives the status of a batch or of the order, and compares what is
// listed below it with what is stated.
func (p *statusReader) endGroup(g *group) {
	g.State = stateOfStatus[g.Code]
	tell := func(line int, why fault.Text) {
		p.report.Differences = append(p.report.Differences, Difference{line, why})
	}
	if g.Listed > 0 {
		what := fault.Say("the order", "付款指令")
		if g.Level == OfBatch {
			what = fault.Say("payment information", "付款信息")
		}
		t := &g.listed
		switch {
		case t.hasCount && t.count > t.stated:
			tell(t.line, fault.Say("totals differ: the report says that %[1]s has %[2]d payments (OrgnlNbOfTxs), but speaks of %[3]d; ask the bank",
				"合计不符：报告称%[1]s共 %[2]d 笔（OrgnlNbOfTxs），却列出 %[3]d 笔；请向银行核实", what, t.stated, t.count))
		case t.hasCount && t.count < t.stated && (g.Code == "" || g.Code == partly):
			tell(t.line, fault.Say("the report speaks of %[3]d of the %[2]d payments of %[1]s; of the others it says nothing: wait for the bank's next report or ask for it",
				"%[1]s共 %[2]d 笔，报告只写明 %[3]d 笔，其余未提及；请等待或索取银行的下一份报告", what, t.stated, t.count))
		case t.hasCount && t.count == t.stated && t.sumDiffers():
			tell(t.line, fault.Say("totals differ: the report states a control sum of %[2]s (OrgnlCtrlSum) for %[1]s, but its payments make %[3]s; ask the bank",
				"合计不符：报告写%[1]s控制总额 %[2]s（OrgnlCtrlSum），所列各笔合计 %[3]s；请向银行核实", what, shown(t.statedSum, 24), t.readSum()))
		}
		for _, s := range g.stated {
			read, ok := g.per[s.code]
			if !ok {
				continue // stated, not listed: many banks list only what was rejected
			}
			if s.hasCount && s.stated != read.count {
				tell(s.line, fault.Say("totals differ: the report states %[2]d payments as %[1]s (DtldNbOfTxs), but lists %[3]d; ask the bank",
					"合计不符：报告写状态 %[1]s 共 %[2]d 笔（DtldNbOfTxs），实列 %[3]d 笔；请向银行核实", shown(s.code, 4), s.stated, read.count))
				continue
			}
			read.statedSum = s.statedSum
			if read.sumDiffers() {
				tell(s.line, fault.Say("totals differ: the report states a sum of %[2]s for %[1]s (DtldCtrlSum), but its payments make %[3]s; ask the bank",
					"合计不符：报告写状态 %[1]s 合计 %[2]s（DtldCtrlSum），所列各笔合计 %[3]s；请向银行核实", shown(s.code, 4), shown(s.statedSum, 24), read.readSum()))
			}
		}
	}
	p.take(&g.Status)
}

// readStatusFacts makes what a bank says of single payments its word on payouts.
func readStatusFacts(in *format.Input, out *format.Out) error {
	f := statusFacts{in: in, out: out}
	report, err := ReadStatus(xmlText(in), f.take)
	out.SetFormat(report.Message)
	for _, d := range report.Differences {
		out.Warn(d.Line, d.Why)
	}
	return err
}

type statusFacts struct {
	in     *format.Input
	out    *format.Out
	source string
	zone   *time.Location
	made   moment
	other  bool // a report on another kind of order was told
}

// begin settles what all statuses of a report share.
func (f *statusFacts) begin(r *Report) {
	source := strings.ToValidUTF8("pain.002/"+r.Bank+"/"+r.ID, "\uFFFD")
	if f.source == source {
		return
	}
	f.source = source
	made, _ := parseMoment(r.created, nil)
	bic := r.Bank
	if !isBIC(bic) {
		bic = ""
	}
	f.zone = zoneOf(f.in, "", bic, money.Currency{}, made)
	f.made, _ = parseMoment(r.created, f.zone)
}

func (f *statusFacts) take(s *Status) {
	f.begin(s.Report)
	if strings.HasPrefix(s.Message, "pain.") && !strings.HasPrefix(s.Message, "pain.001") {
		if !f.other {
			f.out.Warn(s.Line, fault.Say("a report on orders that are no payouts (%s); nothing of it is taken", "报告针对的不是出款指令（%s），未采用", shown(strings.ToUpper(s.Message), 24)))
		}
		f.other = true
		return
	}
	if s.Level != OfPayment {
		f.whole(s)
		return
	}
	switch {
	case s.State == 0:
		f.out.Reject(s.Line, fault.Say("the status (TxSts) is none that ISO 20022 knows of a payment: %s; ask the bank what it means", "状态（TxSts）不是 ISO 20022 的付款状态：%s；请向银行询问其含义", shown(s.Code, 4)))
		return
	case s.EndToEnd == "" && s.ID == "":
		f.out.Reject(s.Line, fault.Say("the status names no payment (OrgnlEndToEndId): of which payout it speaks cannot be told; ask the bank for it", "状态没有写明是哪笔付款（OrgnlEndToEndId），无法得知对应哪一笔出款；请向银行索取"))
		return
	case !f.made.timed:
		f.out.Reject(s.Line, fault.Say("the report does not say when it was made (CreDtTm); write it as 2026-03-02T10:15:04+08:00", "报告没有写明生成时间（CreDtTm），请写作 2026-03-02T10:15:04+08:00"))
		return
	}
	at := f.made
	if s.State == evidence.Accepted {
		// When the bank took the payment; it was known with the report.
		if m, ok := parseMoment(s.accepted, f.zone); ok && m.timed && m.at < at.at {
			at = m
		}
	}
	payout := s.EndToEnd
	if payout == "" {
		payout = s.ID
	}
	d := f.out.Begin(evidence.PayoutStatus)
	d.SetSource(f.source)
	d.HashID([]byte(strings.Join([]string{s.Batch, payout, s.ID, s.Code, s.Reason, s.Info, string(s.amount), string(s.currency), string(s.accepted)}, "|")))
	d.SetTime(at.at, at.offset)
	if f.made.at > at.at {
		d.SetRecorded(f.made.at)
	}
	putText(d, evidence.Payout, payout)
	putText(d, evidence.MID, s.Creditor.ID)
	if s.Currency != (money.Currency{}) {
		d.PutInt(evidence.Amount, s.Amount)
		putCurrency(d, s.Currency)
	}
	putText(d, evidence.Account, s.Creditor.Account)
	putText(d, evidence.Bank, s.Creditor.Agent.Name)
	d.PutString(evidence.By, "bank")
	d.PutString(evidence.StateField, s.State.String())
	putText(d, evidence.Reason, s.Reason)
	putText(d, evidence.Text, s.Info)
	putUnknown(d, "iso_status", s.Code)
	putUnknown(d, "order", s.Order)
	f.out.Commit(d, s.Line)
}

// whole tells what a bank says of payments that it does not name. Bad news of
// payouts that nobody can name is a refusal; what goes on needs no more than to
// be told.
func (f *statusFacts) whole(s *Status) {
	if s.Code == "" || s.Code == partly || s.Payments > 0 && s.Listed >= s.Payments || s.Payments == 0 && s.Listed > 0 {
		return
	}
	what := fault.Say("the whole order", "整份付款指令")
	if s.Level == OfBatch {
		what = fault.Say("a whole payment information", "整组付款信息")
	}
	if s.Listed > 0 {
		what = fault.Say("%d payments that it does not name", "未列出的 %d 笔付款", s.Payments-s.Listed)
	}
	code := fault.Same(shown(s.Code, 4))
	if s.Reason != "" {
		code = fault.Say("%s, reason %s", "%s，原因 %s", shown(s.Code, 4), shown(s.Reason, 4))
	}
	switch s.State {
	case evidence.Rejected, evidence.Held:
		f.out.Reject(s.Line, fault.Say("the bank says of %[1]s: %[2]s; the report names no payout: ask the bank for the status of each payment (TxInfAndSts)",
			"银行对%[1]s的答复是 %[2]s，但没有写明是哪些出款；请向银行索取逐笔状态（TxInfAndSts）", what, code))
	case 0:
		f.out.Reject(s.Line, fault.Say("the status of %[1]s is none that ISO 20022 knows: %[2]s; ask the bank what it means",
			"%[1]s的状态不是 ISO 20022 的付款状态：%[2]s；请向银行询问其含义", what, code))
	default:
		f.out.Warn(s.Line, fault.Say("the bank says of %[1]s: %[2]s; the report names no payout, so none has moved by it",
			"银行对%[1]s的答复是 %[2]s；报告没有写明是哪些出款，各笔出款状态不变", what, code))
	}
}
