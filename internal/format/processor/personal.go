package processor

import (
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// Personal bills show what a person has paid from a wallet. They have no
// merchant, no fee and no settlement, so that no merchant's money can be found
// in them; to read them as a merchant's bill would be wrong for every row.

var errPersonal = error(fault.Say("a personal bill, which says what a person paid and nothing of a merchant's money", "个人账单，只说明个人付了什么，与商户的款项无关"))

// personalBill is a kind of bill that is told apart in order to be refused.
type personalBill struct {
	name  string
	title fault.Text
	// marks are texts that stand before the rows of such a bill and in no
	// merchant's bill; all of them.
	marks []string
	hint  fault.Text
}

var personal = []personalBill{
	{
		name: "alipay.personal", title: fault.Say("Alipay personal bill", "支付宝个人账单"),
		marks: []string{"支付宝账户：", "电子客户回单"},
		hint:  fault.Say("export 业务明细 of the day from the Alipay merchant portal", "请从支付宝商家平台导出当天的业务明细"),
	},
	{
		name: "alipay.personal", title: fault.Say("Alipay personal bill", "支付宝个人账单"),
		marks: []string{"支付宝交易记录明细查询"},
		hint:  fault.Say("export 业务明细 of the day from the Alipay merchant portal", "请从支付宝商家平台导出当天的业务明细"),
	},
	{
		name: "wechat.personal", title: fault.Say("WeChat Pay personal bill", "微信支付个人账单"),
		marks: []string{"微信支付账单明细", "微信昵称"},
		hint:  fault.Say("export 交易账单 of the day from the WeChat Pay merchant platform", "请从微信支付商户平台导出当天的交易账单"),
	},
}

func personalBills() []format.Format {
	formats := make([]format.Format, 0, len(personal))
	for _, p := range personal {
		formats = append(formats, format.Format{
			Name: p.name, Title: p.title,
			Detect: func(h *format.Head) bool { return p.is(h) },
			Read: func(in *format.Input, out *format.Out) error {
				out.SetFormat(p.name)
				return fault.New(fault.Invalid, "", "", errPersonal, p.hint)
			},
		})
	}
	return formats
}

func (p personalBill) is(h *format.Head) bool {
	head := strings.Join(h.Lines(40), "\n")
	for _, mark := range p.marks {
		if !strings.Contains(head, mark) {
			return false
		}
	}
	return true
}
