package custody

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Why a file is refused as a whole.
var (
	notOurs     = fault.Say("it is neither an order (pain.001) nor an inquiry (pacs.028) nor, in incoming, a transfer (pacs.009, pacs.010)", "既不是付款指令（pain.001）或查询（pacs.028），也不是 incoming 中的划款（pacs.009、pacs.010）")
	knownOrder  = fault.Say("an order of this message identification (MsgId) was taken before; nothing of this one is", "该报文标识（MsgId）的指令已受理过，本文件未采用")
	noTransfer  = fault.Say("a transfer has no identification, currency or amount", "划款缺少标识、币种或金额")
	notCustomer = fault.Say("it pays into an account that no customer has in this currency", "收款账号不是本行该币种的客户账户")
)

// receive takes one file of a folder: an order, an inquiry, or a network's
// money.
func (t *turn) receive(name string, content []byte) {
	hash := sha256.Sum256(content)
	f := File{Name: name, Hash: hex.EncodeToString(hash[:])}
	m, refused := parseMessage(content)
	incoming := strings.HasPrefix(name, incomingDir)
	switch {
	case refused != nil:
	case incoming && m.money() != nil:
		refused = t.receiveTransfers(m)
	case !incoming && m.Order != nil:
		refused = t.receiveOrder(m.Order, &f)
	case !incoming && m.Inquiry != nil:
		t.answer(m.Inquiry)
	default:
		refused = &refusal{"FF01", notOurs}
	}
	if refused != nil {
		f.Refused = refused.code
		t.b.log.Warn("file refused", "file", name, "code", refused.code, "why", refused.why.EN)
		if !incoming {
			t.refuse(salvage(content), refused)
		}
	}
	t.step.Files = append(t.step.Files, f)
}

// receiveOrder takes an order: refused as a whole, or payment by payment.
func (t *turn) receiveOrder(o *orderXML, f *File) *refusal {
	if r := o.check(); r != nil {
		return r
	}
	id := strings.TrimSpace(o.Header.ID)
	if t.b.book.orders[id] {
		return &refusal{"DU01", knownOrder}
	}
	t.b.log.Info("order", "id", id, "file", f.Name, "at", t.at.In(t.s.zone).Format(time.RFC3339))
	f.Order = id
	t.whole[id] = true
	counted := map[int]int{}
	for i := range o.Batches {
		batch := &o.Batches[i]
		for j := range batch.Payments {
			t.receivePayment(id, batch, &batch.Payments[j], counted)
		}
	}
	return nil
}

func (t *turn) receivePayment(order string, batch *batchXML, x *paymentXML, counted map[int]int) {
	p := &Payment{Order: order, Batch: clean(batch.ID, maxID), EndToEnd: strings.TrimSpace(x.EndToEnd), ID: clean(x.ID, maxID), UETR: clean(x.UETR, 36),
		Debtor: batch.Debtor.number(), Account: x.Account.number(), Name: clean(x.Name, 140), MID: x.mid(), Agent: x.agent(),
		Text: clean(strings.Join(x.Text, " "), 140), Received: t.at}
	var code string
	p.Amount, p.Currency, code = x.Amount.amount()
	execution, ok := batch.execution()
	if execution != calendar.None {
		p.Execution = execution
	}
	if p.EndToEnd == "" || p.EndToEnd == "NOTPROVIDED" || utf8.RuneCountInString(p.EndToEnd) > maxID {
		p.EndToEnd = ""
		t.refusePayment(p, "FF01", "the payment has no identification (EndToEndId) of 1 to 35 characters")
		return
	}
	if t.payment(p.EndToEnd) != nil {
		t.refusePayment(p, "DUPL", reasons["DUPL"])
		return
	}
	if p.Debtor == "" {
		code = or(code, "AC02")
	}
	if p.Account == "" {
		code = or(code, "AC01")
	}
	if !ok {
		code = or(code, "DT01")
	}
	t.openCustomer(p)
	accept := t.plan(p, counted)
	switch {
	case code != "":
		t.change(p)
		t.reject(p, code, reasons[code])
		t.tell(p)
	case p.Plan.Do == DoLose:
		t.set(p, Lost, "", time.Time{})
		t.change(p)
	default:
		t.set(p, Received, Judge, t.at.Add(accept))
		t.advance(p)
	}
}

// openCustomer opens the account that an order pays from, where the scenario
// names no customers.
func (t *turn) openCustomer(p *Payment) {
	if p.Debtor == "" || p.Currency == "" || t.firstCustomer() != "" {
		return
	}
	t.openAccount(Account{Number: p.Debtor, Currency: p.Currency, Customer: true, Opened: t.s.day(t.at), Opening: DefaultBalance})
}

// refusePayment refuses a payment of which the book keeps nothing.
func (t *turn) refusePayment(p *Payment, code, info string) {
	p.State, p.Reason, p.Info, p.At = Rejected, code, info, t.at
	t.told = append(t.told, statusOf(p))
}

// receiveTransfers takes what networks pay.
func (t *turn) receiveTransfers(m *message) *refusal {
	for _, tr := range m.transfers() {
		if tr.ID == "" || utf8.RuneCountInString(tr.ID) > maxID || tr.Currency == "" || tr.Amount == 0 {
			return &refusal{"FF01", noTransfer}
		}
		if tr.Account == "" {
			tr.Account = t.firstCustomer()
		}
		a := t.account(tr.Account)
		if a == nil || !a.Customer || a.Currency != tr.Currency {
			return &refusal{"AC01", notCustomer}
		}
		if t.b.book.transfers[tr.ID] != nil || slices.ContainsFunc(t.step.Transfers, func(o Transfer) bool { return o.ID == tr.ID }) {
			continue // the same money is booked once
		}
		value := tr.Value
		if value == calendar.None {
			value = t.s.day(t.at)
		}
		tr.Due = later(t.s.nextBusinessDay(value).In(t.s.zone).Add(t.s.fundingAt), t.at)
		t.step.Transfers = append(t.step.Transfers, tr)
	}
	return nil
}

// firstCustomer is the account of the customer that the scenario names first, or
// the only one there is; "" before there is one.
func (t *turn) firstCustomer() string {
	if len(t.s.Customers) > 0 {
		return t.s.Customers[0].Account
	}
	if t.b.book.customer != "" {
		return t.b.book.customer
	}
	for _, a := range t.step.Accounts {
		if a.Customer {
			return a.Number
		}
	}
	return ""
}

// openAccount opens an account with this step.
func (t *turn) openAccount(a Account) {
	t.step.Accounts = append(t.step.Accounts, a)
	t.opened[a.Number] = &standing{Account: a, balance: a.Opening}
}

// account gives an account as it stands before this step's movements; nil where
// there is none.
func (t *turn) account(number string) *standing {
	if a := t.b.book.accounts[number]; a != nil {
		return a
	}
	return t.opened[number]
}

// clean trims a text and cuts it to a length in characters.
func clean(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if utf8.RuneCountInString(s) > most {
		s = strings.TrimSpace(string([]rune(s)[:most]))
	}
	return s
}
