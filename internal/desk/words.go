package desk

import (
	"strings"

	"daozhang/internal/backoffice"
	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
	"daozhang/internal/payment"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// CauseTitle says in words why an item needs somebody; a code that is not known
// stays as it is. catalogue may be nil.
func CauseTitle(catalogue *diagnosis.Catalogue, code string) fault.Text {
	if t, ok := exceptionTitles[code]; ok {
		return t
	}
	if name, ok := strings.CutPrefix(code, "status."); ok {
		for _, s := range journey.Statuses() {
			if s.String() == name {
				t := report.StatusWord(s)
				return fault.Text{EN: t.EN, ZH: t.ZH}
			}
		}
	}
	if catalogue != nil {
		if c := catalogue.Cause(code); c != nil {
			return fault.Text{EN: c.Title.EN, ZH: c.Title.ZH}
		}
	}
	return fault.Same(code)
}

// jobFailed is the exception about a job of the back office that failed for good.
const jobFailed = "job_failed"

// exceptionTitles are the kinds of exceptions in words.
var exceptionTitles = map[string]fault.Text{
	payment.ExceptionReversal:     fault.Say("Reversal not acknowledged", "冲正未获确认"),
	payment.ExceptionAdvice:       fault.Say("Offline sale refused", "脱机交易被拒"),
	payment.ExceptionBatch:        fault.Say("Terminal batch out of balance", "终端批次不平"),
	payment.ExceptionTerminalOnly: fault.Say("Only the terminal has it", "仅终端有此交易"),
	payment.ExceptionHostOnly:     fault.Say("The terminal's batch lacks it", "终端批次缺此交易"),

	string(settlement.Short):    fault.Say("Captured, not cleared (short)", "短款：已请款，清算文件缺失"),
	string(settlement.Long):     fault.Say("Cleared, not on record (long)", "长款：清算有，我方无记录"),
	string(settlement.OneSided): fault.Say("One-sided: cleared, not captured", "单边账：清算有，我方未请款"),
	string(settlement.Differs):  fault.Say("Cleared with another amount", "清算金额不符"),
	string(settlement.Doubled):  fault.Say("Cleared twice", "重复清算"),

	settlement.ExceptionFileBroken:      fault.Say("Clearing file not whole", "清算文件不完整"),
	settlement.ExceptionClosedDay:       fault.Say("File for a closed day", "清算日已关闭仍收到文件"),
	settlement.ExceptionUnknownMerchant: fault.Say("Line for a merchant that is not ours", "清算行的商户非我方"),
	settlement.ExceptionFunding:         fault.Say("Network paid another sum", "卡组织划款金额不符"),
	settlement.ExceptionPayoutUnknown:   fault.Say("Payout: outcome unknown", "出款结果不明"),
	settlement.ExceptionUncredited:      fault.Say("Payout accepted, not credited", "出款已受理，未见入账"),
	settlement.ExceptionReturned:        fault.Say("Payout came back", "出款被拒或退回"),
	settlement.ExceptionNeverSent:       fault.Say("Bank speaks of a payout never sent", "银行提及未发出的出款"),
	settlement.ExceptionContradiction:   fault.Say("Bank contradicts itself on a payout", "银行对出款前后说法矛盾"),
	settlement.ExceptionPayoutAmount:    fault.Say("Payout of another amount", "出款金额不符"),

	backoffice.ExceptionFile:    fault.Say("File refused", "文件被拒收"),
	backoffice.ExceptionEntry:   fault.Say("Bank entry not placed", "银行流水未匹配"),
	backoffice.ExceptionCharge:  fault.Say("Bank charge to be covered", "银行手续费待补足"),
	backoffice.ExceptionAccount: fault.Say("Statement of a strange account", "对账单账户不属于我方"),
	jobFailed:                   fault.Say("Job failed for good", "任务最终失败"),
}

// stateTexts and the others name what the desk knows.
var (
	inboxTexts = map[Inbox]fault.Text{
		Unassigned: fault.Say("Unassigned", "未分配"), Mine: fault.Say("Mine", "我的"), Owned: fault.Say("Assigned", "已分配"), Team: fault.Say("Team", "团队"),
		Waiting: fault.Say("Waiting for the counterparty", "等待对方"), Snoozed: fault.Say("Snoozed", "已暂缓"), Done: fault.Say("Done", "已完成"),
	}
	stateTexts = map[State]fault.Text{
		Open: fault.Say("open", "处理中"), Awaiting: fault.Say("waiting for the counterparty", "等待对方"), Asleep: fault.Say("snoozed", "已暂缓"), Resolved: fault.Say("resolved", "已解决"),
	}
	outcomeTexts = map[Outcome]fault.Text{
		Matched: fault.Say("matched", "已匹配"), WrittenOff: fault.Say("written off", "已核销"), Adjusted: fault.Say("adjusted", "已调账"),
		Corrected: fault.Say("the counterparty put it right", "对方已更正"), Explained: fault.Say("nothing was wrong", "核实无误"),
		Duplicate: fault.Say("another case is about the same", "与其他案件重复"),
	}
	actTexts = map[Act]fault.Text{
		Assign: fault.Say("assign", "分配"), Comment: fault.Say("comment", "备注"), Snooze: fault.Say("snooze", "暂缓"), Wake: fault.Say("wake", "恢复"),
		SetDue: fault.Say("set due time", "设定期限"), Escalate: fault.Say("escalate", "升级"), Ask: fault.Say("ask the counterparty", "询问对方"),
		Answer: fault.Say("answer", "答复"), Attach: fault.Say("attach a file", "添加附件"), Declare: fault.Say("declare", "登记案件类型"),
		Pair: fault.Say("match", "匹配"), Unpair: fault.Say("unmatch", "取消匹配"), Split: fault.Say("split", "拆分"), Resolve: fault.Say("resolve", "解决"),
		Reopen: fault.Say("reopen", "重新打开"), WriteOff: fault.Say("write off", "核销"), Adjust: fault.Say("adjust", "调账"),
		Hold: fault.Say("hold an amount", "冻结部分资金"), Resend: fault.Say("send again", "重新出款"), LetGo: fault.Say("release from risk", "解除风控冻结"),
		Proposed: fault.Say("proposed", "已提交"), Approved: fault.Say("approved", "已复核通过"), Declined: fault.Say("declined", "已驳回"),
		Executed: fault.Say("carried out", "已执行"), Failed: fault.Say("could not be carried out", "未能执行"), Found: fault.Say("matched from another case", "由其他案件匹配"),
	}
	motionTexts = map[Motion]fault.Text{
		MoveWriteOff: fault.Say("Write-off", "核销"), MoveAdjust: fault.Say("Adjustment", "调账"), MoveHold: fault.Say("Hold of an amount", "冻结部分资金"),
		MoveFree: fault.Say("End of a hold", "解除资金冻结"), MoveRelease: fault.Say("Release from risk", "解除风控冻结"), MoveResend: fault.Say("Payout sent again", "重新出款"),
		MoveTerms: fault.Say("Merchant's terms", "商户条款"), MoveAccount: fault.Say("Merchant's account", "商户账户"), MoveStatus: fault.Say("Merchant's state", "商户状态"),
	}
	proposalTexts = map[ProposalState]fault.Text{
		ProposalWaiting: fault.Say("waits for its check", "待复核"), ProposalApproved: fault.Say("approved, being carried out", "已通过，执行中"),
		ProposalDone: fault.Say("done", "已执行"), ProposalFailed: fault.Say("failed", "执行失败"), ProposalDeclined: fault.Say("declined", "已驳回"),
		ProposalWithdrawn: fault.Say("withdrawn", "已撤回"), ProposalExpired: fault.Say("expired", "已过期"),
	}
	reasonTexts = map[ReasonWord]fault.Text{
		SameAmount: fault.Say("the same amount", "金额一致"), NearAmount: fault.Say("nearly the same amount", "金额接近"), OtherAmount: fault.Say("another amount", "金额不同"),
		SameReference: fault.Say("the same reference", "参考号一致"), PartReference: fault.Say("part of a reference", "参考号部分一致"),
		SameTerminal: fault.Say("the same terminal", "终端一致"), SameCard: fault.Say("the same last four digits", "卡号末四位一致"),
		SameCode: fault.Say("the same approval code", "授权码一致"), SameMerchant: fault.Say("the same merchant", "商户一致"),
		OtherMerchant: fault.Say("another merchant", "商户不同"), SameDay: fault.Say("the same day", "同一天"), NearDay: fault.Say("days apart", "相隔数天"),
	}
	kindTexts = map[Kind]fault.Text{
		OnPayment: fault.Say("payment", "交易"), OnException: fault.Say("exception", "差错"), OnPayout: fault.Say("payout", "出款"),
	}
)

// Text says the value in words, as the other Text methods do.
func (i Inbox) Text() fault.Text { return wordOf(inboxTexts, i) }

// Text says the state in words.
func (s State) Text() fault.Text { return wordOf(stateTexts, s) }

// Text says the outcome in words.
func (o Outcome) Text() fault.Text { return wordOf(outcomeTexts, o) }

// Text says the act in words.
func (a Act) Text() fault.Text { return wordOf(actTexts, a) }

// Text says the motion in words.
func (m Motion) Text() fault.Text { return wordOf(motionTexts, m) }

// Text says the state in words.
func (s ProposalState) Text() fault.Text { return wordOf(proposalTexts, s) }

// Text says the reason in words.
func (r ReasonWord) Text() fault.Text { return wordOf(reasonTexts, r) }

// Text says the kind in words.
func (k Kind) Text() fault.Text { return wordOf(kindTexts, k) }

func wordOf[T ~string](texts map[T]fault.Text, v T) fault.Text {
	if t, ok := texts[v]; ok {
		return t
	}
	return fault.Same(string(v))
}
