package pos

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/money"
)

// words are a text in the two languages of a slip.
type words struct{ zh, en string }

// slipWidth is that of 58 mm paper: 32 columns of which a Chinese character takes
// two.
const slipWidth = 32

// slip builds a slip line by line.
type slip struct {
	strings.Builder
	lang string
}

func (s *slip) say(w words) string {
	switch s.lang {
	case "zh":
		return w.zh
	case "en":
		return w.en
	}
	return w.zh + "(" + w.en + ")"
}

// columns is how wide a text prints.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
			r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6) {
			n++
		}
	}
	return n
}

func (s *slip) center(text string) {
	s.WriteString(strings.Repeat(" ", max(0, (slipWidth-columns(text))/2)))
	s.WriteString(text + "\n")
}

func (s *slip) rule() { s.WriteString(strings.Repeat("-", slipWidth) + "\n") }

// field prints a label and its value, on one line where it fits.
func (s *slip) field(label words, value string) {
	l := s.say(label)
	if columns(l)+1+columns(value) <= slipWidth {
		fmt.Fprintf(s, "%s%s%s\n", l, strings.Repeat(" ", slipWidth-columns(l)-columns(value)), value)
		return
	}
	fmt.Fprintf(s, "%s\n%s%s\n", l, strings.Repeat(" ", max(0, slipWidth-columns(value))), value)
}

var slipKinds = map[iso8583.Operation]words{
	iso8583.Sale: {"消费", "SALE"}, iso8583.SaleVoid: {"消费撤销", "VOID"}, iso8583.Refund: {"退货", "REFUND"},
	iso8583.Preauth: {"预授权", "PRE-AUTH"}, iso8583.PreauthVoid: {"预授权撤销", "PRE-AUTH VOID"},
	iso8583.Completion: {"预授权完成", "AUTH COMPLETE"}, iso8583.CompletionAdvice: {"预授权完成", "AUTH COMPLETE"},
	iso8583.CompletionVoid: {"预授权完成撤销", "COMPLETE VOID"}, iso8583.OfflineSale: {"离线消费", "OFFLINE SALE"},
}

// entryLetters follow the card number on a slip: how the card was read.
var entryLetters = map[string]string{"chip": "I", "contactless": "C", "magstripe": "S", "manual": "M", "qr": "Q"}

// Slip gives the slip of an approved transaction as text; "" for any other. lang is
// zh, en, or "" for both. merchant is the name to print. A copy says so.
func (x *Transaction) Slip(merchant, mid, tid, lang string, copied bool) string {
	if !x.approved() || x.Reversal != "" {
		return ""
	}
	op, _ := iso8583.ParseOperation(x.Operation)
	s := &slip{lang: lang}
	title := words{"POS签购单", "SALES SLIP"}
	switch lang {
	case "zh":
		s.center(title.zh)
	case "en":
		s.center("POS " + title.en)
	default:
		s.center(title.zh + " " + title.en)
	}
	if copied {
		s.center(s.say(words{"重打印", "DUPLICATE"}))
	}
	s.rule()
	s.field(words{"商户名称", "MERCHANT NAME"}, orElse(merchant, "-"))
	s.field(words{"商户编号", "MERCHANT NO."}, mid)
	s.field(words{"终端编号", "TERMINAL NO."}, tid)
	s.field(words{"操作员号", "OPERATOR NO."}, x.Operator)
	if x.Issuer != "" {
		s.field(words{"发卡行", "ISSUER"}, x.Issuer)
	}
	if x.Acquirer != "" {
		s.field(words{"收单行", "ACQUIRER"}, x.Acquirer)
	}
	s.field(words{"卡号", "CARD NO."}, x.PAN+" /"+entryLetters[x.Entry])
	s.field(words{"交易类型", "TRANS TYPE"}, s.say(slipKinds[op]))
	s.field(words{"批次号", "BATCH NO."}, x.Batch)
	s.field(words{"凭证号", "VOUCHER NO."}, x.STAN)
	s.field(words{"授权码", "AUTH NO."}, orElse(x.AuthCode, "-"))
	s.field(words{"参考号", "REFER NO."}, orElse(x.RRN, "-"))
	s.field(words{"日期/时间", "DATE/TIME"}, x.Time.Format("2006/01/02 15:04:05"))
	amount := money.Format(x.charged(), x.currency())
	sign := x.currency().String()
	if sign == "CNY" {
		sign = "RMB"
	}
	s.field(words{"金额", "AMOUNT"}, sign+" "+amount)
	var remarks []string
	if x.Approved > 0 && x.Approved != x.Amount {
		remarks = append(remarks, s.say(words{"部分批准，原金额", "PARTIAL OF"})+" "+money.Format(x.Amount, x.currency()))
	}
	if x.Original.STAN != "" {
		remarks = append(remarks, s.say(words{"原凭证号", "ORIG VOUCHER"})+" "+x.Original.STAN)
	}
	if x.Result == "offline_approved" {
		remarks = append(remarks, s.say(words{"脱机批准", "APPROVED OFFLINE"}))
	}
	if x.OrderID != "" {
		remarks = append(remarks, s.say(words{"订单号", "ORDER"})+" "+x.OrderID)
	}
	if len(remarks) > 0 {
		s.field(words{"备注", "REFERENCE"}, "")
		for _, r := range remarks {
			s.WriteString("  " + r + "\n")
		}
	}
	s.rule()
	if x.CVM == "signature" {
		s.WriteString(s.say(words{"持卡人签名", "CARDHOLDER SIGNATURE"}) + ":\n\n\n")
	} else if x.CVM == "pin" {
		s.WriteString(s.say(words{"已凭密码确认", "PIN VERIFIED"}) + "\n")
	} else {
		s.WriteString(s.say(words{"免密免签", "NO SIGNATURE REQUIRED"}) + "\n")
	}
	if lang != "en" {
		s.WriteString("本人确认以上交易，同意将其计入\n本卡账户\n")
	}
	if lang != "zh" {
		s.WriteString("I ACKNOWLEDGE SATISFACTORY\nRECEIPT OF RELATIVE GOODS/SERVICES\n")
	}
	s.rule()
	s.center(s.say(words{"商户存根", "MERCHANT COPY"}))
	return s.String()
}

// merchantName is what slips name the merchant.
func (t *Terminal) merchantName() string {
	name := orElse(t.cfg.Merchant, t.host.merchant)
	if !utf8.ValidString(name) {
		return t.cfg.MID
	}
	return orElse(name, t.cfg.MID)
}

// print prints the slip of a transaction and puts down whether it came out. What
// was not approved has none.
func (t *Terminal) print(x *Transaction) (string, error) {
	var text string
	printed := x.approved() && x.Reversal == ""
	if printed {
		if t.cfg.Printer != nil {
			text = x.Slip(t.merchantName(), t.cfg.MID, t.cfg.TID, t.cfg.SlipLang, false)
		}
		var err error
		if printed, err = t.paper(text); err != nil {
			return "", err
		}
		if !printed {
			text = ""
		}
	}
	return text, t.keep(Record{What: didPrint, Time: t.now(), Batch: x.Batch, STAN: x.STAN, Printed: &printed})
}

// paper puts a text on paper, where there is any; false where it did not come out.
func (t *Terminal) paper(text string) (bool, error) {
	for _, what := range []string{NoPaper, Jam} {
		if broken, err := t.broken(what); err != nil || broken {
			return false, err
		}
	}
	if _, err := t.broken(Faded); err != nil {
		return false, err
	}
	if t.cfg.Printer == nil {
		return true, nil
	}
	if _, err := io.WriteString(t.cfg.Printer, text); err != nil {
		t.cfg.Log.Warn("slip not printed", "tid", t.cfg.TID, "error", err)
		return false, nil
	}
	return true, nil
}

// Reprint prints the slip of a transaction again, marked as a copy; the last
// approved one where the reference is empty.
func (t *Terminal) Reprint(ref Ref) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const op = "reprint slip"
	if err := t.alive(); err != nil {
		return "", err
	}
	x := t.state.find(ref)
	if ref == (Ref{}) {
		for _, one := range t.state.order {
			if one.approved() && one.Reversal == "" {
				x = one
			}
		}
	}
	if x == nil || x.Slip("-", "", "", "", true) == "" {
		return "", fault.New(fault.NotFound, op, ref.STAN, ErrNoOriginal, "only approved transactions of this batch and the last have a slip")
	}
	text := x.Slip(t.merchantName(), t.cfg.MID, t.cfg.TID, t.cfg.SlipLang, true)
	out, err := t.paper(text)
	if err != nil {
		return "", err
	}
	if !out {
		return "", fault.New(fault.Conflict, op, x.STAN, errors.New("the printer does not print"), "mend the printer first")
	}
	return text, t.keep(Record{What: didPrint, Time: t.now(), Batch: x.Batch, STAN: x.STAN, Printed: &out})
}

// settlementSlip is printed when a batch is closed.
func (t *Terminal) settlementSlip(b *Settlement) string {
	s := &slip{lang: t.cfg.SlipLang}
	s.center(s.say(words{"结算总计单", "SETTLEMENT"}))
	s.rule()
	s.field(words{"商户名称", "MERCHANT NAME"}, t.merchantName())
	s.field(words{"商户编号", "MERCHANT NO."}, t.cfg.MID)
	s.field(words{"终端编号", "TERMINAL NO."}, t.cfg.TID)
	s.field(words{"操作员号", "OPERATOR NO."}, t.cfg.Operator)
	s.field(words{"批次号", "BATCH NO."}, b.Batch)
	s.field(words{"日期/时间", "DATE/TIME"}, t.now().Format("2006/01/02 15:04:05"))
	s.rule()
	c, _ := money.FromNumeric(t.cfg.Currency)
	side := func(w words, count int, amount int64) {
		s.field(w, fmt.Sprintf("%d  %s", count, money.Format(amount, c)))
	}
	side(words{"借记", "DEBIT"}, b.Totals.DebitCount, b.Totals.DebitAmount)
	side(words{"贷记", "CREDIT"}, b.Totals.CreditCount, b.Totals.CreditAmount)
	s.rule()
	if b.Balanced {
		s.center(s.say(words{"对账平", "BALANCED"}))
	} else {
		s.center(s.say(words{"对账不平", "OUT OF BALANCE"}))
		s.field(words{"已上送笔数", "UPLOADED"}, fmt.Sprint(b.Uploaded))
	}
	return s.String()
}

// Display is what a terminal shows the operator: one line.
func (o *Outcome) Display(lang string) string {
	op, _ := iso8583.ParseOperation(o.Operation)
	kind := slipKinds[op]
	if op == iso8583.Balance {
		kind = words{"余额查询", "BALANCE"}
	}
	say := func(w words) string {
		if lang == "zh" {
			return w.zh
		}
		return w.en
	}
	var text string
	if o.Balance != nil {
		text = money.Format(*o.Balance, o.currency())
	} else {
		text = money.Format(o.charged(), o.currency())
	}
	if o.Code != "" {
		text += " " + o.Code
		if info, ok := evidence.LookupCode(evidence.Code{o.Code[0], o.Code[len(o.Code)-1]}); ok {
			text += " " + say(words{info.ZH, info.EN})
		}
	}
	results := map[string]words{"approved": {"交易成功", "APPROVED"}, "declined": {"交易失败", "DECLINED"}, "timeout": {"交易超时", "NO ANSWER"},
		"aborted": {"交易取消", "ABORTED"}, "unknown": {"结果未知", "UNKNOWN"}, "offline_approved": {"脱机批准", "APPROVED OFFLINE"}}
	line := fmt.Sprintf("%s %s %s", say(kind), say(results[o.Result]), text)
	switch o.Reversal {
	case due:
		line += say(words{"，冲正待发送", ", reversal due"})
	case done:
		line += say(words{"，已冲正", ", reversed"})
	case refused:
		line += say(words{"，冲正被拒绝", ", reversal refused"})
	}
	if o.approved() && o.Printed != nil && !*o.Printed {
		line += say(words{"，未打印签购单", ", no slip printed"})
	}
	return line
}

func trim(s string) string { return strings.TrimSpace(s) }
