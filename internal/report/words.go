package report

import (
	"strings"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
)

// Text is a text in both languages. Everything shown is built in both, so that
// a page can hold the two and every other output picks one.
type Text = diagnosis.Text

func tx(en, zh string) Text { return Text{EN: en, ZH: zh} }

// same is a text that is alike in both languages: a number, a key, a code.
func same(s string) Text { return Text{EN: s, ZH: s} }

// StatusWord is a status in one word, for lists outside of a report.
func StatusWord(s journey.Status) Text { return statusWord(s) }

// LegWord names a step of the way by its name in the catalogue of causes; a name
// that is none stays.
func LegWord(name string) Text {
	for l := journey.NoLeg + 1; int(l) < len(legWords); l++ {
		if l.String() == name {
			return legWords[l]
		}
	}
	return same(name)
}

// StageWord is a stage in a word, for lists outside of a report.
func StageWord(s journey.Stage) Text { return stageWord(s) }

// PartyWord names who acts by the name in the catalogue of causes; a name that is
// none stays.
func PartyWord(name string) Text {
	for p := diagnosis.Nobody; int(p) < len(partyWords); p++ {
		if p.String() == name {
			return partyWords[p]
		}
	}
	return same(name)
}

// statusWord is the answer in one word, as it is said at a counter.
func statusWord(s journey.Status) Text { return statusWords[s] }

var statusWords = [...]Text{
	journey.NoStatus:   {},
	journey.NotCharged: tx("Not charged", "未扣款"),
	journey.Refunded:   tx("Refunded", "已退款"),
	journey.Unknown:    tx("Unclear", "扣款不明"),
	journey.Arrived:    tx("Arrived", "已到账"),
	journey.Held:       tx("Held", "冻结"),
	journey.Short:      tx("Short", "少到账"),
	journey.Confirmed:  tx("Confirmed", "银行已确认"),
	journey.InTransit:  tx("On its way", "在途"),
	journey.Unproven:   tx("Unproven", "待对账"),
	journey.Overdue:    tx("Late", "逾期未到账"),
}

// statusSign stands beside the word, so that colour is never the only sign.
func statusSign(s journey.Status) string { return statusSigns[s] }

var statusSigns = [...]string{
	journey.NoStatus: "", journey.NotCharged: "×", journey.Refunded: "↩", journey.Unknown: "?", journey.Arrived: "✓",
	journey.Held: "‖", journey.Short: "−", journey.Confirmed: "≈", journey.InTransit: "→", journey.Unproven: "○", journey.Overdue: "!",
}

// statusMeaning explains a status in one sentence.
func statusMeaning(s journey.Status) Text { return statusMeanings[s] }

var statusMeanings = [...]Text{
	journey.NoStatus:   {},
	journey.NotCharged: tx("The card was not charged; no money will come.", "没有扣款，不会有款项。"),
	journey.Refunded:   tx("Voided or refunded in full.", "已全额撤销或退款。"),
	journey.Unknown:    tx("Whether the card was charged is still open.", "是否已扣款尚无定论。"),
	journey.Arrived:    tx("Booked bank entries prove the whole net amount.", "银行入账已证实全部净额到账。"),
	journey.Held:       tx("Someone keeps the money back: a hold, a freeze, a reserve.", "款项被冻结、暂扣或留作保证金。"),
	journey.Short:      tx("Less arrived than the net amount.", "到账金额少于应到净额。"),
	journey.Confirmed:  tx("The paying bank says it has credited the money; no bank entry is seen yet.", "出款银行称已入账，尚未见到银行流水。"),
	journey.InTransit:  tx("The next step is not due yet.", "下一步还没到时间。"),
	journey.Unproven:   tx("Due, but no bank statement covers the day.", "已到应到日，但没有覆盖当天的银行账单。"),
	journey.Overdue:    tx("The card was charged, and the next step is late.", "已扣款，下一步已逾期。"),
}

// stageWord is the furthest point that is proven.
func stageWord(s journey.Stage) Text { return stageWords[s] }

var stageWords = [...]Text{
	journey.NoStage:    {},
	journey.Tendered:   tx("presented", "已刷卡"),
	journey.Authorized: tx("authorized", "已授权"),
	journey.Captured:   tx("captured", "已请款"),
	journey.Cleared:    tx("cleared", "已清算"),
	journey.Settled:    tx("settled", "已结算"),
	journey.PaidOut:    tx("paid out", "已出款"),
	journey.Credited:   tx("credited", "已入账"),
}

// legWord names a step of the way.
func legWord(l journey.Leg) Text { return legWords[l] }

var legWords = [...]Text{
	journey.NoLeg:         {},
	journey.Authorization: tx("Authorization", "授权"),
	journey.Capture:       tx("Capture", "请款"),
	journey.Clearing:      tx("Clearing", "清算"),
	journey.Settlement:    tx("Settlement", "结算"),
	journey.Payout:        tx("Payout", "出款"),
	journey.Credit:        tx("Credit", "入账"),
}

// waitsFor says what is to come next.
func waitsFor(l journey.Leg) Text { return waitWords[l] }

var waitWords = [...]Text{
	journey.NoLeg:         {},
	journey.Authorization: tx("waits for the answer", "待应答"),
	journey.Capture:       tx("waits for capture", "待请款"),
	journey.Clearing:      tx("waits for clearing", "待清算"),
	journey.Settlement:    tx("waits for settlement", "待结算"),
	journey.Payout:        tx("waits for payout", "待出款"),
	journey.Credit:        tx("waits for the bank", "待入账"),
}

// partyWord names who must act next.
func partyWord(p diagnosis.Party) Text { return partyWords[p] }

var partyWords = [...]Text{
	diagnosis.NoParty:    {},
	diagnosis.Nobody:     tx("nobody", "无需处理"),
	diagnosis.Cardholder: tx("cardholder", "持卡人"),
	diagnosis.Merchant:   tx("merchant", "商户"),
	diagnosis.Operator:   tx("cashier", "收银员"),
	diagnosis.Platform:   tx("payment provider", "收单机构"),
	diagnosis.Issuer:     tx("card's bank", "发卡行"),
	diagnosis.Network:    tx("card network", "转接机构"),
	diagnosis.Bank:       tx("bank", "银行"),
}

// CardholderWord says what the card was charged.
func CardholderWord(c journey.Cardholder) Text { return cardholderWords[c] }

var cardholderWords = [...]Text{
	journey.NoCardholder:   {},
	journey.Charged:        tx("charged", "已扣款"),
	journey.Reserved:       tx("reserved", "预授权冻结"),
	journey.Reversing:      tx("being reversed", "冲正中"),
	journey.Refunding:      tx("being refunded", "退款中"),
	journey.CardRefunded:   tx("refunded", "已退款"),
	journey.CardNotCharged: tx("not charged", "未扣款"),
	journey.CardUnknown:    tx("not known", "不明"),
}

// kindWord names what a transaction or a line does.
func kindWord(k evidence.Kind) Text { return kindWords[k] }

var kindWords = [...]Text{
	evidence.NoKind:         {},
	evidence.Sale:           tx("sale", "消费"),
	evidence.Void:           tx("void", "撤销"),
	evidence.Refund:         tx("refund", "退款"),
	evidence.Preauth:        tx("preauthorization", "预授权"),
	evidence.Completion:     tx("completion", "预授权完成"),
	evidence.Reversal:       tx("reversal", "冲正"),
	evidence.FeeKind:        tx("fee", "手续费"),
	evidence.Chargeback:     tx("chargeback", "拒付"),
	evidence.Adjustment:     tx("adjustment", "调账"),
	evidence.Reserve:        tx("reserve", "保证金"),
	evidence.ReserveRelease: tx("reserve release", "保证金释放"),
	evidence.PayoutKind:     tx("payout", "出款"),
}

// cardTypeWord names a type of card; nothing for any.
func cardTypeWord(t evidence.CardType) Text {
	switch t {
	case evidence.Debit:
		return tx("debit cards", "借记卡")
	case evidence.Credit:
		return tx("credit cards", "贷记卡")
	case evidence.Prepaid:
		return tx("prepaid cards", "预付卡")
	}
	return Text{}
}

// factWord names a type of evidence.
func factWord(t evidence.Type) Text {
	if w, ok := factWords[t]; ok {
		return w
	}
	return same(t.String())
}

var factWords = map[evidence.Type]Text{
	evidence.MerchantTerms:       tx("merchant's terms", "商户约定"),
	evidence.CalendarHoliday:     tx("holiday", "节假日"),
	evidence.SaleOrder:           tx("order", "订单"),
	evidence.TerminalTransaction: tx("terminal journal", "终端流水"),
	evidence.TerminalHealth:      tx("terminal health", "终端状态"),
	evidence.TerminalSoftware:    tx("terminal software", "终端程序"),
	evidence.TerminalBatch:       tx("terminal batch", "终端批次"),
	evidence.OperatorAction:      tx("cashier's action", "收银员操作"),
	evidence.GatewayRequest:      tx("request", "平台请求"),
	evidence.GatewayResponse:     tx("response", "平台应答"),
	evidence.GatewayTimeout:      tx("time-out", "平台超时"),
	evidence.GatewayReversal:     tx("reversal", "平台冲正"),
	evidence.GatewayError:        tx("platform error", "平台报错"),
	evidence.ClearingLine:        tx("clearing line", "清算明细"),
	evidence.ClearingFile:        tx("clearing file", "清算文件"),
	evidence.NetworkFunding:      tx("network funding", "转接机构拨款"),
	evidence.SettlementLine:      tx("settlement line", "结算明细"),
	evidence.SettlementFile:      tx("settlement file", "结算文件"),
	evidence.PayoutStatus:        tx("payout status", "出款状态"),
	evidence.BankEntry:           tx("bank entry", "银行流水"),
	evidence.BankStatement:       tx("bank statement", "银行账单"),
	evidence.Coverage:            tx("coverage", "覆盖声明"),
	evidence.LinkStatus:          tx("link status", "链路状态"),
	evidence.Notice:              tx("notice", "公告"),
	evidence.AccountStatus:       tx("account status", "账户状态"),
	evidence.LimitPolicy:         tx("limit policy", "限额规则"),
	evidence.RiskDecision:        tx("risk decision", "风控决定"),
	evidence.CaseOpened:          tx("case opened", "工单开启"),
	evidence.CaseClosed:          tx("case closed", "工单关闭"),
}

// saidWord translates the word that says what happened to the subject of a fact:
// its state or result.
func saidWord(word string) Text {
	if zh, ok := saidWords[word]; ok {
		return tx(strings.ReplaceAll(word, "_", " "), zh)
	}
	return same(word)
}

var saidWords = map[string]string{
	"approved": "成功", "declined": "拒绝", "timeout": "超时", "aborted": "中止", "unknown": "不明", "offline_approved": "脱机批准",
	"ok": "正常", "degraded": "变差", "failed": "故障", "started": "启动", "crashed": "崩溃", "updated": "更新", "sync_lag": "同步滞后",
	"sync_done": "同步完成", "protocol_error": "协议错误", "opened": "开启", "closed": "关闭", "uploaded": "已上送", "out_of_balance": "对账不平",
	"prompt_ignored": "忽视提示", "wrong_function": "用错功能", "cancelled": "取消", "amount_corrected": "改正金额",
	"queued": "排队中", "acknowledged": "已确认", "abandoned": "已放弃", "created": "已生成", "sent": "已发出", "accepted": "已受理",
	"credited": "已入账", "rejected": "被拒", "returned": "被退回", "held": "被暂扣", "booked": "已记账", "pending": "未记账",
	"up": "正常", "down": "中断", "maintenance": "维护", "incident": "故障", "resolved": "已恢复", "policy": "规则",
	"active": "正常", "frozen": "冻结", "suspended": "暂停", "approve": "放行", "review": "审核", "hold": "暂扣", "decline": "拒绝", "release": "解除",
	"holiday": "假日", "workday": "工作日", "complaint": "投诉", "refund_request": "退款申请", "chargeback": "拒付",
}

// place is where a minor unit of an approved amount is: a column of the money
// map, those by stage one place for each stage.
type place uint8

const (
	inArrived     place = 0
	inConfirmed   place = 1
	inTransit     place = 2 // the first of its stages
	inHeld              = inTransit + place(stageCount)
	inOverdue           = inHeld + 1 // the first of its stages
	inShort             = inOverdue + place(stageCount)
	inUnproven          = inShort + 1
	inUnknown           = inShort + 2
	inFees              = inShort + 3
	inRefunded          = inShort + 4
	inChargebacks       = inShort + 5
	inReserves          = inShort + 6
	inAdjustments       = inShort + 7
	placeCount          = inShort + 8

	stageCount = int(journey.Credited) + 1
)

// placeOrder lists the places in the order in which a reader wants them: come,
// coming (nearest first), kept back or late, and what will not come.
var placeOrder = func() []place {
	list := []place{inArrived, inConfirmed}
	for s := journey.Credited; s > journey.NoStage; s-- {
		list = append(list, inTransit+place(s))
	}
	list = append(list, inHeld)
	for s := journey.Credited; s > journey.NoStage; s-- {
		list = append(list, inOverdue+place(s))
	}
	return append(list, inShort, inUnproven, inUnknown, inFees, inRefunded, inChargebacks, inReserves, inAdjustments)
}()

// status gives the status to which a place belongs; NoStatus for what has left
// the payment for good (fees, refunds, deductions).
func (p place) status() journey.Status {
	switch {
	case p == inArrived:
		return journey.Arrived
	case p == inConfirmed:
		return journey.Confirmed
	case p < inHeld:
		return journey.InTransit
	case p == inHeld:
		return journey.Held
	case p < inShort:
		return journey.Overdue
	case p == inShort:
		return journey.Short
	case p == inUnproven:
		return journey.Unproven
	case p == inUnknown:
		return journey.Unknown
	}
	return journey.NoStatus
}

// stage gives the stage of a place that has one.
func (p place) stage() journey.Stage {
	switch p.status() {
	case journey.InTransit:
		return journey.Stage(p - inTransit)
	case journey.Overdue:
		return journey.Stage(p - inOverdue)
	}
	return journey.NoStage
}

func (p place) word() Text {
	switch p {
	case inFees:
		return tx("Fees", "手续费")
	case inRefunded:
		return tx("Refunded", "已退款")
	case inChargebacks:
		return tx("Chargebacks", "拒付")
	case inReserves:
		return tx("Reserves", "保证金")
	case inAdjustments:
		return tx("Adjustments", "调账")
	}
	w := statusWord(p.status())
	if s := p.stage(); s != journey.NoStage {
		return join(w, tx(": ", "："), stageWord(s))
	}
	return w
}

// scopeWords name the objects that a fault strikes, by what stands before the
// slash in an incident's scope.
var scopeWords = map[string]Text{
	"mid":               tx("merchant ", "商户"),
	"tid":               tx("terminal ", "终端"),
	"terminal":          tx("terminal ", "终端"),
	"batch":             tx("batch ", "批次"),
	"payout":            tx("payout ", "出款"),
	"account":           tx("account ", "账户"),
	"bank":              tx("bank ", "银行"),
	"issuer":            tx("card's bank ", "发卡行"),
	"settlement":        tx("settlement of ", "结算日"),
	"clearing":          tx("clearing of ", "清算"),
	"merchant-network":  tx("the shop's line, merchant ", "商户线路"),
	"terminal-platform": tx("the line of terminal ", "终端线路"),
	"platform-network":  tx("the line to ", "转接线路"),
	"network-issuer":    tx("the line to card's bank ", "发卡行线路"),
	"platform-bank":     tx("the line to payout bank ", "出款行线路"),
}

// scopeName says what an incident struck.
func scopeName(scope string) Text {
	kind, name, ok := strings.Cut(scope, "/")
	w, known := scopeWords[kind]
	switch {
	case !ok && kind == "platform":
		return tx("the platform", "平台")
	case !ok || !known:
		return same(plain(scope))
	case kind == "account":
		name = accountTail(name)
	}
	return join(w, same(plain(name)))
}

// join puts texts together in each language.
func join(parts ...Text) Text {
	var t Text
	for _, p := range parts {
		t.EN += p.EN
		t.ZH += p.ZH
	}
	return t
}

// listOf joins the texts that say something, with a separator.
func listOf(sep Text, parts ...Text) Text {
	var t Text
	for _, p := range parts {
		if p.EN == "" {
			continue
		}
		if t.EN != "" {
			t = join(t, sep)
		}
		t = join(t, p)
	}
	return t
}

// reason is a message of the evidence or of a file, as it was made.
func reason(why fault.Text) Text { return Text{EN: why.EN, ZH: why.In("zh")} }
