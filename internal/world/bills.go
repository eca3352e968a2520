package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// wallet keeps a line for the bill of its day.
func (x *exporter) wallet(f *exportFact) {
	if x.bills == nil {
		x.bills = map[[3]string][]exportFact{}
	}
	day := f.Data.Sold.In(x.terms[f.Data.MID].zone).Format(time.DateOnly)
	k := [3]string{f.Data.Network, f.Data.MID, day}
	x.bills[k] = append(x.bills[k], *f)
}

// writeBills writes the bills that WeChat Pay and Alipay give each merchant for
// each day.
func (x *exporter) writeBills() error {
	keys := slices.SortedFunc(maps.Keys(x.bills), func(a, b [3]string) int { return strings.Compare(strings.Join(a[:], "|"), strings.Join(b[:], "|")) })
	for _, k := range keys {
		lines := x.bills[k]
		zone := x.terms[k[1]].zone
		var err error
		if k[0] == "Alipay" {
			err = x.alipay(k[1], k[2], lines, zone)
		} else {
			err = x.wechat(k[1], k[2], lines, zone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) wechat(mid, day string, lines []exportFact, zone *time.Location) error {
	w, err := x.to("wechat/"+mid+"All"+day+".csv", "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注")
	if err != nil {
		return err
	}
	total, fees := int64(0), int64(0)
	for _, f := range lines {
		d := &f.Data
		total += d.Gross
		fees += d.Fee
		fmt.Fprintf(w, "`%s,`wx0000000000000001,`%s,`0,`%s,`%s,`%s,`o%s,`MICROPAY,`SUCCESS,`OTHERS,`CNY,`%s,`0.00,`0,`0,`0.00,`0.00,`,`,`goods,`,`%s000,`0.60%%,`%s,`0.00,`\n",
			d.Sold.In(zone).Format("2006-01-02 15:04:05"), mid, d.TID, d.Ref, d.OrderID, d.RRN, decimal(d.Gross), decimal(d.Fee), decimal(d.Gross))
	}
	_, err = fmt.Fprintf(w, "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n`%d,`%s,`0.00,`0.00,`%s000,`%s,`0.00\n", len(lines), decimal(total), decimal(fees), decimal(total))
	return err
}

func (x *exporter) alipay(mid, day string, lines []exportFact, zone *time.Location) error {
	w, err := x.to("alipay/"+mid+"_"+strings.ReplaceAll(day, "-", "")+".csv", "")
	if err != nil {
		return err
	}
	from, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#支付宝业务明细查询\n#账号：[%s]\n#起始日期：[%s 00:00:00]   终止日期：[%s 00:00:00]\n#-----------------------------------------业务明细列表----------------------------------------\n",
		mid, from.Format("2006年01月02日"), from.AddDate(0, 0, 1).Format("2006年01月02日"))
	b.WriteString("支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\n")
	total := int64(0)
	for _, f := range lines {
		d := &f.Data
		total += d.Gross
		at := d.Sold.In(zone).Format("2006-01-02 15:04:05")
		fmt.Fprintf(&b, "%s\t,%s\t,交易\t,商品,%s,%s,\t,\t,\t,%s\t,*某\t,%s,%s,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,%s,0.00,\n", d.Ref, d.OrderID, at, at, d.TID, decimal(d.Gross), decimal(d.Gross), decimal(-d.Fee))
	}
	fmt.Fprintf(&b, "#-----------------------------------------业务明细列表结束------------------------------------\n#交易合计：%d笔，商家实收共%s元，商家优惠共0.00元\n#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元\n#导出时间：[%s 05:46:49]\n",
		len(lines), decimal(total), from.AddDate(0, 0, 1).Format("2006年01月02日"))
	text, err := simplifiedchinese.GB18030.NewEncoder().String(b.String())
	if err != nil {
		return err
	}
	_, err = w.WriteString(text)
	return err
}
