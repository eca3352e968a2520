package bank

import (
	"bytes"
	"strconv"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// maxReferences bounds the references of one entry: a batch of more payments
// keeps the first of them.
const maxReferences = 100_000

// remittanceWidth is the length at which banks cut remittance information.
const remittanceWidth = 140

func (c *camtReader) startEntry() {
	c.begin()
	c.entryAt = len(c.path)
	c.e.reset(c.x.line)
	c.amount.set(nil, nil)
	c.hasSign = false
	c.status, c.info = c.status[:0], c.info[:0]
	c.entRef, c.txRef, c.txs, c.last, c.problem, c.tooMany = "", "", 0, 0, fault.Text{}, false
}

// takeEntry takes what stands in an entry outside of its transactions.
func (c *camtReader) takeEntry(path, text []byte) {
	e := &c.e
	switch string(path) {
	case "/NtryRef":
		c.entRef = string(text)
		c.refer(text)
	case "/Amt":
		c.amount.text = append(c.amount.text[:0], text...)
	case "/CdtDbtInd":
		c.hasSign = string(text) == "CRDT" || string(text) == "DBIT"
		e.credit = string(text) == "CRDT"
	case "/RvslInd":
		// The direction is already that of the reversal itself: CRDT gives a
		// debit back.
		e.reversal = isTrue(text)
	case "/Sts", "/Sts/Cd", "/Sts/Prtry":
		c.status = append(c.status[:0], text...)
	case "/BookgDt/Dt", "/BookgDt/DtTm":
		m, ok := parseMoment(text, c.stmt.zone)
		if !ok {
			c.problem = fault.Say("the booking date is no date", "记账日不是日期")
			return
		}
		e.booking = m.date
		e.setTime(m)
	case "/ValDt/Dt", "/ValDt/DtTm":
		m, ok := parseMoment(text, c.stmt.zone)
		if !ok {
			c.problem = fault.Say("the value date is no date", "起息日不是日期")
			return
		}
		e.value = m.date
	case "/AcctSvcrRef":
		e.ref = string(text)
		c.refer(text)
	case "/BkTxCd/Domn/Fmly/SubFmlyCd": // of the external code set of ISO 20022
		e.charge = string(text) == "CHRG" || string(text) == "COMM" || string(text) == "FEES"
	case "/AddtlNtryInf":
		c.info = append(c.info[:0], text...)
	case "/NtryDtls/Btch/MsgId", "/NtryDtls/Btch/PmtInfId", "/Btch/MsgId", "/Btch/PmtInfId":
		c.refer(text)
	}
}

// takeTransaction takes what stands in one of an entry's transactions.
func (c *camtReader) takeTransaction(path, text []byte) {
	switch string(path) {
	case "/Refs/Prtry/Tp", "/Refs/Prtry/Tp/Cd", "/Refs/Prtry/Tp/Prtry":
		return
	case "/Refs/AcctSvcrRef":
		c.txRef = string(text)
	case "/RmtInf/Strd/CdtrRefInf/Ref", "/RmtInf/Strd/CdtrRefInf/CdtrRef",
		"/RmtInf/Strd/RfrdDocInf/Nb", "/RmtInf/Strd/RfrdDocInf/RfrdDocNb":
		c.refer(text)
		return
	case "/RtrInf/Rsn/Cd", "/RtrInf/Rsn/Prtry", "/RtrInf/RtrRsn/Cd", "/RtrInf/RtrRsn/Prtry":
		if c.e.returned == "" {
			c.e.returned = string(text)
		}
		return
	case "/RmtInf/Ustrd", "/RmtInf/Strd/AddtlRmtInf":
		c.e.tell(text, remittanceWidth, &c.last)
		return
	case "/AddtlTxInf":
		c.last = 0
		c.e.tell(text, remittanceWidth, &c.last)
		c.last = 0
		return
	}
	if bytes.HasPrefix(path, []byte("/Refs/")) {
		c.refer(text)
	}
}

func (c *camtReader) refer(text []byte) {
	if len(c.e.references) >= maxReferences {
		c.tooMany = true
		return
	}
	c.e.refer(string(text))
}

// endEntry makes the entry a fact, or tells why it cannot be one.
func (c *camtReader) endEntry() {
	e, s := &c.e, c.stmt
	c.countEntry()
	if !c.problem.None() {
		c.refuse(c.problem.And(fault.Say("write it as YYYY-MM-DD", "请写作 YYYY-MM-DD")))
		return
	}
	cur := s.currency
	if len(c.amount.currency) > 0 {
		var ok bool
		if cur, ok = money.ParseCurrencyBytes(c.amount.currency); !ok {
			c.refuse(fault.Say("the amount's currency is not an ISO 4217 code", "金额的币种不是 ISO 4217 代码"))
			return
		}
	}
	switch {
	case len(c.amount.text) == 0:
		c.refuse(fault.Say("the entry has no amount (Amt)", "该笔流水没有金额（Amt）"))
		return
	case cur == (money.Currency{}):
		c.refuse(fault.Say("the amount has no currency, and neither has the account", "金额和账户都没有写币种"))
		return
	case !c.hasSign:
		c.refuse(fault.Say("the entry does not say whether it is a credit or a debit (CdtDbtInd)", "该笔流水没有写明收入还是支出（CdtDbtInd）"))
		return
	}
	v, rounded, err := money.ParseDecimalRound(c.amount.text, cur.Exponent(), money.Point)
	if err != nil {
		c.refuse(fault.Say("the amount (Amt) is %s", "金额（Amt）有误：%s", err))
		return
	}
	if v < 0 { // against the standard, but it can only mean the other way
		v, e.credit = -v, !e.credit
	}
	e.amount, e.rounded, e.currency = v, rounded, cur
	c.count.add(e, s)

	switch string(c.status) {
	case "BOOK":
	case "":
		e.pending = c.message != "camt.053"
	default: // PDNG announced, INFO told only, FUTR to come
		e.pending = true
	}
	c.nameEntry()
	if len(c.info) > 0 {
		c.e.text = prepend(c.e.text, c.info)
	}
	if c.tooMany {
		c.out.Warn(e.line, fault.Say("the entry has more than %d references; the rest are left out", "该笔流水的参考号超过 %d 个，其余未采用", maxReferences))
	}
	s.put(c.out, e)
}

// countEntry counts an entry for the bank's summary, kept or not.
func (c *camtReader) countEntry() {
	c.count.all.count++
	if !c.hasSign {
		return
	}
	if c.e.credit {
		c.count.credits.count++
	} else {
		c.count.debits.count++
	}
}

func (c *camtReader) refuse(why fault.Text) {
	c.stmt.entries++
	c.stmt.reject(c.out, c.e.line, why)
}

// add counts an entry's amount towards the sums of the summary.
func (t *camtSummary) add(e *entry, s *statement) {
	t.mixed = t.mixed || e.currency.Exponent() != s.currencyOfSums().Exponent()
	add := func(to *int64, v int64) {
		sum, ok := money.Add(*to, v)
		*to = sum
		t.mixed = t.mixed || !ok // too large to be compared
	}
	add(&t.all.sum, e.amount)
	add(&t.net.sum, signedAmount(e.amount, e.credit))
	if e.credit {
		add(&t.credits.sum, e.amount)
	} else {
		add(&t.debits.sum, e.amount)
	}
}

// nameEntry gives the entry the reference by which other messages repeat it:
// the bank's own of the entry, or of its only transaction. NtryRef is the last
// resort: many banks write a counter there, or the payee's own number, so that
// it names an entry only together with its day and amount.
func (c *camtReader) nameEntry() {
	e := &c.e
	if noReference[e.ref] || isZeros(e.ref) {
		e.ref = ""
	}
	if e.ref == "" && c.txs == 1 && !noReference[c.txRef] && !isZeros(c.txRef) {
		e.ref = c.txRef
	}
	if e.ref != "" || c.entRef == "" || noReference[c.entRef] || isZeros(c.entRef) {
		return
	}
	day := e.booking
	if day == calendar.None {
		day = e.value
	}
	if day != calendar.None {
		e.ref = c.entRef + "/" + day.String() + "/" + strconv.FormatInt(signedAmount(e.amount, e.credit), 10)
	}
}

// prepend puts what the bank says about an entry before what the payer wrote.
func prepend(text, before []byte) []byte {
	if len(text) == 0 || bytes.Equal(text, before) {
		return append(text[:0], before...)
	}
	out := make([]byte, 0, len(text)+len(before)+1)
	out = append(out, before...)
	out = append(out, ' ')
	return append(out, text...)
}
