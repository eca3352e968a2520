package console

import (
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/report"
)

// postings is what the books would say: accounts before and after, and the
// transfers between.
type postings struct {
	Head      string
	Accounts  []accountChange
	Transfers []posting
	Notes     []string
}

// accountChange is one account of the chart. Change is signed as the account's
// normal side has it.
type accountChange struct {
	Name, Word            string
	Before, Change, After string
}

// posting is one transfer in words.
type posting struct {
	Debit, Credit, Amount, When string
}

// change is one field that is not money, before and after.
type change struct {
	Name, Before, After string
}

// accountWords are the accounts of the chart as people call them.
var accountWords = map[ledger.Name]fault.Text{
	ledger.NetworkReceivable: fault.Say("owed by the network", "应收卡组织"),
	ledger.NetworkCleared:    fault.Say("cleared by the network", "卡组织已清算"),
	ledger.BankSafeguarded:   fault.Say("in the safeguarded account", "备付金账户"),
	ledger.MerchantPending:   fault.Say("owed to the merchant, not due", "商户待结算"),
	ledger.MerchantPayable:   fault.Say("due to the merchant", "商户应付"),
	ledger.MerchantHeld:      fault.Say("kept back", "冻结与留置"),
	ledger.PayoutInTransit:   fault.Say("on its way to the merchant", "出款在途"),
	ledger.MerchantPaid:      fault.Say("paid to the merchant", "已付商户"),
	ledger.FeeIncome:         fault.Say("our fee income", "手续费收入"),
	ledger.Authorized:        fault.Say("authorized, no money", "已授权（备忘）"),
	ledger.AuthorizedContra:  fault.Say("authorized, contra", "已授权对方（备忘）"),
}

// fieldWords are the fields that proposals change, as people call them.
var fieldWords = map[string]fault.Text{
	"valid_from":     fault.Say("valid from", "生效日期"),
	"cycle":          fault.Say("settlement cycle", "结算周期"),
	"cutoff":         fault.Say("cut-off", "日切时间"),
	"timezone":       fault.Say("time zone", "时区"),
	"calendar":       fault.Say("calendar", "日历"),
	"capture":        fault.Say("capture", "请款方式"),
	"payout_by":      fault.Say("payout by", "出款时限"),
	"t0_minutes":     fault.Say("T+0 within minutes", "T+0 出款分钟"),
	"credit_days":    fault.Say("bank days to credit", "到账工作日"),
	"fees":           fault.Say("fees", "手续费"),
	"fee_mode":       fault.Say("how fees are taken", "手续费收取方式"),
	"minimum_payout": fault.Say("least payout, minor units", "最低出款额（分）"),
	"preauth_days":   fault.Say("preauthorization days", "预授权天数"),
	"reserve":        fault.Say("reserve", "保证金"),
	"account":        fault.Say("account", "账户"),
	"holder":         fault.Say("holder", "户名"),
	"bank":           fault.Say("bank", "开户行"),
	"agent":          fault.Say("bank's number", "联行号"),
	"state":          fault.Say("state", "状态"),
	"reason":         fault.Say("reason", "原因"),
	"document":       fault.Say("document", "文书"),
}

func fieldWord(v *visit, name string) string {
	if w, ok := fieldWords[name]; ok {
		return w.In(v.lang)
	}
	return name
}

// postingsOf shows what a proposal books; nil where it moves no money.
func postingsOf(v *visit, a *desk.Approval) *postings {
	if len(a.Postings) == 0 && len(a.Balances) == 0 {
		return nil
	}
	p := &postings{Head: v.say("Before → after, in the books", "记账前 → 记账后")}
	for _, b := range a.Balances {
		p.Accounts = append(p.Accounts, accountChange{Name: b.Account.String(), Word: accountWords[b.Account].In(v.lang), Before: report.Amount(b.Before, b.Currency),
			Change: report.Signed(b.After-b.Before, b.Currency), After: report.Amount(b.After, b.Currency)})
	}
	later := false
	for _, t := range a.Postings {
		row := posting{Debit: accountWords[t.Debit].In(v.lang), Credit: accountWords[t.Credit].In(v.lang), Amount: report.Amount(t.Amount, t.Currency), When: v.say("on approval", "批准时")}
		if t.Later {
			later, row.When = true, v.say("with the next settlement", "下次结算时")
		}
		p.Transfers = append(p.Transfers, row)
	}
	if a.State == desk.ProposalDone {
		p.Head = v.say("What it booked", "已记账内容")
	}
	if later {
		p.Notes = append(p.Notes, v.say("It stands as a line of its own in the merchant's next settlement.", "以单独一行列入商户下一次结算。"))
	}
	return p
}
