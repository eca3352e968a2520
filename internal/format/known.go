package format

import (
	"maps"

	"daozhang/internal/evidence"
)

// The names by which columns go in files of any origin, and the words found in
// them. A format that names its own columns borrows the words; one that reads
// what people export borrows both.

// KindWords translate what files call a transaction.
var KindWords = map[string]string{
	"sale": "sale", "purchase": "sale", "payment": "sale", "charge": "sale", "capture": "sale", "debit": "sale", "pos": "sale",
	"消费": "sale", "支付": "sale", "付款": "sale", "收款": "sale", "交易": "sale", "销售": "sale", "扫码支付": "sale", "刷卡": "sale",
	"消费交易": "sale", "普通消费": "sale", "有卡支付": "sale", "正向交易": "sale", "扫码消费": "sale", "刷卡消费": "sale", "主扫": "sale", "被扫": "sale",
	"void": "void", "cancel": "void", "cancellation": "void", "cancelled": "void", "voided": "void",
	"撤销": "void", "消费撤销": "void", "撤消": "void", "消费撤消": "void", "预授权撤销": "void", "预授权完成撤销": "void", "扫码撤销": "void",
	"refund": "refund", "return": "refund", "credit": "refund", "refunded": "refund",
	"退货": "refund", "退款": "refund", "退货交易": "refund", "联机退货": "refund", "脱机退货": "refund", "扫码退货": "refund", "扫码退款": "refund",
	"preauth": "preauth", "pre-auth": "preauth", "preauthorization": "preauth", "pre-authorization": "preauth", "authorization": "preauth", "auth": "preauth",
	"预授权":        "preauth",
	"completion": "completion", "preauth completion": "completion", "预授权完成": "completion", "预授权完成联机": "completion", "预授权完成离线": "completion", "预授权完成请求": "completion", "预授权完成通知": "completion",
	"reversal": "reversal", "冲正": "reversal", "消费冲正": "reversal", "自动冲正": "reversal",
}

// LineWords are KindWords and what else a settlement line may be.
var LineWords = func() map[string]string {
	m := maps.Clone(KindWords)
	maps.Copy(m, map[string]string{
		"fee": "fee", "fees": "fee", "commission": "fee", "手续费": "fee", "服务费": "fee",
		"chargeback": "chargeback", "dispute": "chargeback", "拒付": "chargeback", "差错": "chargeback", "退单": "chargeback", "调单": "chargeback",
		"adjustment": "adjustment", "correction": "adjustment", "调账": "adjustment", "调整": "adjustment",
		"reserve": "reserve", "保证金": "reserve", "reserve_release": "reserve_release", "reserve release": "reserve_release", "保证金释放": "reserve_release",
	})
	return m
}()

// ResultWords translate how a transaction ended.
var ResultWords = map[string]string{
	"approved": "approved", "success": "approved", "successful": "approved", "ok": "approved", "succeeded": "approved", "completed": "approved", "paid": "approved",
	"成功": "approved", "交易成功": "approved", "支付成功": "approved", "批准": "approved", "承兑": "approved", "已支付": "approved", "已完成": "approved",
	"已退款": "approved", "退款成功": "approved", "已撤销": "approved", "撤销成功": "approved",
	"declined": "declined", "failed": "declined", "failure": "declined", "refused": "declined", "rejected": "declined", "denied": "declined",
	"失败": "declined", "交易失败": "declined", "支付失败": "declined", "拒绝": "declined",
	"timeout": "timeout", "timed out": "timeout", "time out": "timeout", "超时": "timeout", "交易超时": "timeout",
	"aborted": "aborted", "cancelled": "aborted", "canceled": "aborted", "取消": "aborted", "已取消": "aborted", "用户取消": "aborted", "中止": "aborted",
	"unknown": "unknown", "pending": "unknown", "processing": "unknown", "未知": "unknown", "处理中": "unknown", "交易未知": "unknown", "支付中": "unknown",
	"offline_approved": "offline_approved", "offline approved": "offline_approved", "脱机成功": "offline_approved", "脱机批准": "offline_approved", "离线成功": "offline_approved",
}

// EntryWords translate how a card was read; ISO 8583's point of service entry
// modes are among them.
var EntryWords = map[string]string{
	"chip": "chip", "icc": "chip", "ic": "chip", "insert": "chip", "contact": "chip", "05": "chip", "051": "chip", "052": "chip", "插卡": "chip", "ic卡": "chip", "芯片": "chip", "接触": "chip",
	"contactless": "contactless", "tap": "contactless", "nfc": "contactless", "07": "contactless", "071": "contactless", "072": "contactless", "98": "contactless",
	"挥卡": "contactless", "非接": "contactless", "闪付": "contactless", "云闪付": "contactless", "碰一碰": "contactless",
	"magstripe": "magstripe", "swipe": "magstripe", "swiped": "magstripe", "02": "magstripe", "021": "magstripe", "022": "magstripe", "90": "magstripe", "刷卡": "magstripe", "磁条": "magstripe", "磁条卡": "magstripe",
	"manual": "manual", "keyed": "manual", "01": "manual", "011": "manual", "012": "manual", "手输": "manual", "手工": "manual", "手工输入": "manual",
	"qr": "qr", "qr code": "qr", "scan": "qr", "03": "qr", "031": "qr", "032": "qr", "扫码": "qr", "二维码": "qr", "主扫": "qr", "被扫": "qr", "扫一扫": "qr",
	"*": "",
}

// CardTypeWords translate the type of a card.
var CardTypeWords = map[string]string{
	"debit": "debit", "credit": "credit", "prepaid": "prepaid", "d": "debit", "c": "credit", "p": "prepaid",
	"借记卡": "debit", "借记": "debit", "储蓄卡": "debit", "贷记卡": "credit", "贷记": "credit", "信用卡": "credit", "准贷记卡": "credit", "准贷记": "credit", "预付费卡": "prepaid", "预付卡": "prepaid", "预付费": "prepaid",
	"*": "",
}

// NetworkWords translate a card network.
var NetworkWords = map[string]string{
	"银联": "UnionPay", "中国银联": "UnionPay", "unionpay": "UnionPay", "cup": "UnionPay", "upi": "UnionPay", "china unionpay": "UnionPay", "银联卡": "UnionPay", "云闪付": "UnionPay",
	"visa": "Visa", "维萨": "Visa", "mastercard": "Mastercard", "master": "Mastercard", "mc": "Mastercard", "万事达": "Mastercard",
	"amex": "Amex", "american express": "Amex", "美国运通": "Amex", "运通": "Amex", "jcb": "JCB", "discover": "Discover", "diners": "Diners",
	"微信": "WeChat", "微信支付": "WeChat", "wechat": "WeChat", "wechat pay": "WeChat", "支付宝": "Alipay", "alipay": "Alipay",
}

// directionWords translate which way an entry of an account goes.
var directionWords = map[string]string{
	"credit": "credit", "c": "credit", "cr": "credit", "crdt": "credit", "in": "credit", "贷": "credit", "贷方": "credit", "收入": "credit", "收": "credit", "转入": "credit", "入账": "credit",
	"debit": "debit", "d": "debit", "dr": "debit", "dbit": "debit", "out": "debit", "借": "debit", "借方": "debit", "支出": "debit", "支": "debit", "转出": "debit", "出账": "debit",
}

// known are the columns by the names files give them. Amounts under these
// names are in major units, unless the whole file shows otherwise.
var known = []Column{
	{Field: When, Headers: []string{"交易日期", "transaction date", "txn date", "trans date", "日期", "date", "time", "交易时间", "transaction time", "date time", "datetime", "timestamp", "交易日期时间", "txn time", "trans time", "日期时间", "支付时间", "付款时间", "完成时间", "创建时间", "created at", "created", "受理时间", "刷卡时间", "下单时间", "时间"},
		With: []string{"交易时间", "时间", "transaction time", "txn time", "trans time", "time of day", "time"}, As: AsTime},
	{Field: Recorded, Headers: []string{"recordedtime", "recorded time", "上送时间", "入库时间"}, As: AsTime},
	{Field: evidence.MID, Headers: []string{"mid", "merchant id", "merchant", "merchant no", "merchant number", "merchant code", "商户号", "商户编号", "商户代码", "商户id", "收单商户号", "受理商户编号", "商户"}},
	{Field: evidence.TID, Headers: []string{"tid", "terminal id", "terminal", "terminal no", "terminal number", "device id", "终端号", "终端编号", "终端代码", "终端id", "pos终端号", "设备号", "设备编号", "机具号", "交易终端号"}},
	{Field: evidence.Batch, Headers: []string{"batch", "batch no", "batch number", "批次号", "批次", "批号", "交易批次号"}},
	{Field: evidence.STAN, Headers: []string{"stan", "trace", "trace no", "trace number", "system trace number", "voucher no", "凭证号", "流水号", "终端流水号", "系统跟踪号", "pos流水号", "票据号", "交易流水号", "跟踪号", "收银流水号"}},
	{Field: evidence.RRN, Headers: []string{"rrn", "retrieval reference number", "reference no", "reference number", "reference", "retrieval ref", "参考号", "系统参考号", "检索参考号", "交易参考号", "检索号"}},
	{Field: evidence.AuthCode, Headers: []string{"auth code", "authcode", "approval code", "authorization code", "auth no", "授权码", "授权号", "批准号"}},
	{Field: evidence.OrderID, Headers: []string{"order id", "order no", "order number", "merchant order", "merchant order no", "merchant reference", "商户订单号", "订单号", "订单编号", "商家订单号", "外部订单号"}},
	{Field: evidence.Ref, Headers: []string{"ref", "transaction id", "txn id", "payment id", "psp reference", "平台流水号", "平台订单号", "交易单号", "支付流水号", "渠道流水号", "交易号", "系统订单号", "银商订单号", "渠道订单号"}},
	{Field: evidence.PAN, Headers: []string{"pan", "card no", "card number", "card", "masked pan", "masked card number", "卡号", "银行卡号", "交易卡号", "主账号", "付款卡号"}, As: AsPAN},
	{Field: evidence.Network, Headers: []string{"network", "card network", "scheme", "card scheme", "brand", "card brand", "卡组织", "卡品牌", "清算组织", "支付方式", "支付渠道", "支付类型", "渠道"}, As: AsWord, Words: withOther(NetworkWords)},
	{Field: evidence.Issuer, Headers: []string{"issuer", "issuing bank", "issuer bank", "发卡行", "发卡机构", "发卡银行", "付款银行"}},
	{Field: evidence.CardTypeField, Headers: []string{"card type", "卡类型", "卡种", "卡片类型", "借贷标识", "卡性质"}, As: AsWord, Words: CardTypeWords},
	{Field: evidence.KindField, Headers: []string{"kind", "transaction type", "txn type", "trans type", "type", "交易类型", "交易名称", "业务类型", "订单类型", "交易类别", "类型"}, As: AsWord, Words: KindWords},
	{Field: evidence.EntryField, Headers: []string{"entry", "entry mode", "pos entry mode", "输入方式", "服务点输入方式", "读卡方式", "刷卡方式", "受理方式"}, As: AsWord, Words: EntryWords},
	{Field: evidence.ResultField, Headers: []string{"result", "transaction status", "txn status", "status", "交易状态", "交易结果", "订单状态", "支付状态", "结果", "状态"}, As: AsWord, Words: ResultWords},
	{Field: evidence.ResponseCode, Headers: []string{"response code", "resp code", "rc", "应答码", "响应码", "返回码", "交易应答码"}},
	{Field: evidence.Operator, Headers: []string{"operator", "cashier", "clerk", "操作员", "收银员", "操作员号", "柜员号", "收银员号"}},
	{Field: evidence.OriginalRRN, Headers: []string{"original rrn", "original reference", "original reference number", "原参考号", "原交易参考号", "原检索参考号", "原系统参考号"}},
	{Field: evidence.OriginalSTAN, Headers: []string{"original stan", "original trace", "original trace number", "原流水号", "原凭证号", "原交易流水号", "原终端流水号", "原系统跟踪号"}},
	{Field: evidence.Amount, Headers: []string{"amount", "transaction amount", "txn amount", "trans amount", "sale amount", "total", "total amount", "交易金额", "金额", "订单金额", "消费金额", "支付金额", "应收金额", "实付金额", "付款金额", "金额(元)", "交易金额(元)", "订单金额(元)", "金额(分)", "交易金额(分)", "订单金额(分)", "amount(minor)", "amount(cents)", "amount(fen)", "amount minor", "amount cents", "amount(cny)", "amount(rmb)", "amount(yuan)", "amount(eur)", "amount(usd)", "amount(hkd)"}, As: AsDecimal},
	{Field: evidence.Gross, Headers: []string{"gross", "gross amount", "交易总额", "gross(cny)", "gross(eur)", "gross(usd)"}, As: AsDecimal},
	{Field: evidence.Fee, Headers: []string{"fee", "fees", "fee amount", "commission", "mdr", "手续费", "商户手续费", "手续费(元)", "手续费(分)", "服务费", "通道手续费", "交易手续费"}, As: AsRounded},
	{Field: evidence.Net, Headers: []string{"net", "net amount", "settlement amount", "settled amount", "payout amount", "清算金额", "结算金额", "入账金额", "到账金额", "净额", "应结算金额", "划账金额", "结算净额", "实收金额", "清算净额", "清算金额(元)", "结算金额(元)", "清算金额(分)", "结算金额(分)"}, As: AsDecimal},
	{Field: evidence.CurrencyField, Headers: []string{"currency", "currency code", "ccy", "币种", "货币", "交易币种", "币别", "货币种类"}, As: AsCurrency},
	{Field: evidence.SettlementDate, Headers: []string{"settlement date", "settled date", "payout date", "清算日期", "结算日期", "入账日期", "划账日期", "清算日", "结算日", "到账日期"}, As: AsDate},
	{Field: evidence.ClearingDate, Headers: []string{"clearing date", "银联清算日期"}, As: AsDate},
	{Field: evidence.Payout, Headers: []string{"payout", "payout id", "payout no", "batch reference", "settlement id", "结算批次号", "结算单号", "划账流水号", "出款单号", "打款批次"}},
	{Field: evidence.Account, Headers: []string{"account", "account number", "account no", "iban", "账号", "账户", "银行账号", "本方账号", "结算账号"}},
	{Field: evidence.BookingDate, Headers: []string{"booking date", "booked on", "posting date", "记账日期", "记账日"}, As: AsDate},
	{Field: evidence.ValueDate, Headers: []string{"value date", "起息日"}, As: AsDate},
	{Field: evidence.Direction, Headers: []string{"direction", "debit/credit", "credit/debit", "d/c", "c/d", "借贷标志", "借贷方向", "收支", "收/支", "收支类型"}, As: AsWord, Words: directionWords},
	{Field: evidence.Text, Headers: []string{"text", "description", "details", "memo", "narrative", "remark", "摘要", "附言", "备注", "用途"}},
	{Field: evidence.EntryRef, Headers: []string{"entry ref", "bank reference", "银行流水号"}},
	{Field: evidence.StateField, Headers: []string{"state", "出款状态", "打款状态", "划账状态"}},
}

// withOther lets words that are not known stand as they are.
func withOther(words map[string]string) map[string]string {
	m := maps.Clone(words)
	m["*"] = "*"
	return m
}

// Known gives the column of a field with every name it is known by and the
// words found in it, optional.
func Known(f evidence.Field) Column {
	for _, c := range known {
		if c.Field == f {
			c.Optional = true
			return c
		}
	}
	return Column{Field: f, Headers: []string{f.String()}, Optional: true}
}

// Must makes a column a required one.
func Must(c Column) Column {
	c.Optional = false
	return c
}
