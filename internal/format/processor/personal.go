package processor

import (
	"errors"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// Personal bills show what a person has paid from a wallet. They have no
// merchant, no fee and no settlement, so that no merchant's money can be found
// in them; to read them as a merchant's bill would be wrong for every row.

var errPersonal = errors.New("a personal bill, which says what a person paid and nothing of a merchant's money")

// personalBill is a kind of bill that is told apart in order to be refused.
type personalBill struct {
	name, title string
	// marks are texts that stand before the rows of such a bill and in no
	// merchant's bill; all of them.
	marks []string
	hint  string
}

var personal = []personalBill{
	{
		name: "alipay.personal", title: "Alipay personal bill",
		marks: []string{"支付宝账户：", "电子客户回单"},
		hint:  "export 业务明细 of the day from the Alipay merchant portal",
	},
	{
		name: "alipay.personal", title: "Alipay personal bill",
		marks: []string{"支付宝交易记录明细查询"},
		hint:  "export 业务明细 of the day from the Alipay merchant portal",
	},
	{
		name: "wechat.personal", title: "WeChat Pay personal bill",
		marks: []string{"微信支付账单明细", "微信昵称"},
		hint:  "export 交易账单 of the day from the WeChat Pay merchant platform",
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
