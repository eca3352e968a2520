package custody

import (
	"path/filepath"
	"strings"
	"time"

	"daozhang/internal/calendar"
)

// money gives a network's transfers, nil where the message is of another kind.
func (m *message) money() *moneyXML {
	for _, x := range []*moneyXML{m.Transfer, m.Transfer2, m.Debit} {
		if x != nil {
			return x
		}
	}
	return nil
}

// transfers reads what a network pays, and what it takes. One that cannot be read
// has no currency.
func (m *message) transfers() []Transfer {
	var all []Transfer
	add := func(id string, a amountXML, value, network string, account accountXML, text []string, sign int64) {
		tr := Transfer{ID: strings.TrimSpace(id), Network: clean(network, 140), Account: account.number(), Value: calendar.None, Text: clean(strings.Join(text, " "), 140)}
		amount, currency, code := a.amount()
		if code == "" {
			tr.Amount, tr.Currency = sign*amount, currency
		}
		if d, err := calendar.ParseDate(strings.TrimSpace(value)); err == nil {
			tr.Value = d
		}
		all = append(all, tr)
	}
	x := m.money()
	for _, c := range x.Credits {
		add(c.EndToEnd, c.Amount, c.Value, c.Debtor, c.Account, c.Text, 1)
	}
	for _, d := range x.Debits {
		add(d.Debit.EndToEnd, d.Debit.Amount, d.Debit.Value, d.Creditor, d.Debit.Account, d.Debit.Text, -1)
	}
	return all
}

// Write writes the transfer into a bank's folder incoming, as its network sends
// it: pacs.009 for what it pays, pacs.010 for what it takes. The same transfer
// gives the same file, and the bank books it once. Account may be empty: it is
// then the bank's first customer's.
func (tr Transfer) Write(dir string, at time.Time) (path string, err error) {
	amount := amountOf("IntrBkSttlmAmt", max(tr.Amount, -tr.Amount), tr.Currency)
	id := el("PmtId", leaf("InstrId", tr.ID), leaf("EndToEndId", tr.ID), leaf("TxId", tr.ID))
	network := el("FinInstnId", leaf("Nm", tr.Network))
	header := el("GrpHdr", leaf("MsgId", tr.ID), leaf("CreDtTm", moment(at, at.Location())), leaf("NbOfTxs", "1"), el("SttlmInf", leaf("SttlmMtd", "CLRG")))
	text := el("RmtInf", leaf("Ustrd", tr.Text))
	message, root := "pacs.009.001.08", el("FICdtTrf", header, el("CdtTrfTxInf", id, amount, leaf("IntrBkSttlmDt", tr.Value.String()),
		node{name: "Dbtr", kids: []node{network}}, accountNode("CdtrAcct", tr.Account), text))
	if tr.Amount < 0 {
		message, root = "pacs.010.001.03", el("FIDrctDbt", header, el("CdtInstr", leaf("CdtId", tr.ID), node{name: "Cdtr", kids: []node{network}},
			el("DrctDbtTxInf", id, amount, leaf("IntrBkSttlmDt", tr.Value.String()), accountNode("DbtrAcct", tr.Account), text)))
	}
	path = filepath.Join(dir, tr.ID+"."+message[:8]+".xml")
	return path, writeFile(path, document(message, root), true)
}
