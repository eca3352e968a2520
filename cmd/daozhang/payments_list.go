package main

import (
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/api"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// paymentFilters are the flags by which payments are listed, each a parameter of
// GET /v1/payments.
var paymentFilters = []struct {
	flag, parameter string
	what            text
}{
	{"search", "q", text{"`WORDS` as typed from a slip: RRN, approval or trace number, last four digits, amount", "签购单上的内容 `WORDS`：参考号、授权码或流水号、卡号后四位、金额"}},
	{"merchant", "mid", text{"only of this merchant `NUMBER`", "只列出该商户号 `NUMBER`"}},
	{"terminal", "tid", text{"only of this terminal `NUMBER`", "只列出该终端号 `NUMBER`"}},
	{"date", "date", text{"only of this business `DATE`", "只列出该交易日 `DATE`"}},
	{"from", "from", text{"`TIME` of the payment, from", "交易时间起 `TIME`"}},
	{"to", "to", text{"`TIME` of the payment, before", "交易时间止 `TIME`"}},
	{"status", "status", text{"only in these `STATUSES`, such as overdue,held", "只列出这些状态 `STATUSES`，如 overdue,held"}},
	{"stage", "stage", text{"only at these `STAGES`, such as captured", "只列出这些阶段 `STAGES`，如 captured"}},
	{"cause", "cause", text{"only of these `CAUSES`", "只列出这些原因 `CAUSES`"}},
	{"party", "party", text{"only where these `PARTIES` act next", "只列出由这些方 `PARTIES` 处理的"}},
	{"payout", "payout", text{"only those that this `PAYOUT` carries", "只列出该出款 `PAYOUT` 所含的"}},
	{"incident", "incident", text{"only those that this `INCIDENT` stops", "只列出该事件 `INCIDENT` 影响的"}},
}

// severally are the parameters that may be given several times.
var severally = map[string]bool{"status": true, "stage": true, "cause": true, "party": true}

var paymentColumns = []column{{text{"time", "时间"}, false}, {text{"RRN", "参考号"}, false}, {text{"merchant", "商户"}, false}, {text{"terminal", "终端"}, false}, {text{"card", "卡号"}, false},
	{text{"amount", "金额"}, true}, {text{"currency", "币种"}, false}, {text{"status", "状态"}, false}, {text{"who acts", "处理方"}, false}, {text{"expected", "预计到账"}, false}, {text{"id", "id"}, false}}

func (m *Main) paymentsList() *cobra.Command {
	var server, sort string
	var most int
	var needs bool
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: m.say(text{"List payments of a server: where each one's money is", "列出服务中的交易及其款项位置"}),
		Long: m.say(text{"The server is asked, with the key in " + apiKeyVariable + ". All that is given has to hold.",
			"向服务发出请求，密钥取自 " + apiKeyVariable + "。各条件须同时满足。"}),
		Example: "  daozhang payments list --status overdue,held --server http://127.0.0.1:8080\n  daozhang payments list --search '88.00 5512' -o csv",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&server, "server", "http://127.0.0.1:8080", m.say(text{"`URL` of the server", "服务地址 `URL`"}))
	for _, p := range paymentFilters {
		values[p.parameter] = f.String(p.flag, "", m.say(p.what))
	}
	f.BoolVar(&needs, "needs-action", false, m.say(text{"only those about which somebody has to do something", "只列出需要处理的"}))
	f.StringVar(&sort, "sort", "time", m.say(text{"`ORDER`: time, due or amount", "排序 `ORDER`：time、due 或 amount"}))
	f.IntVar(&most, "limit", 100, m.say(text{"at most `N`; 0: all", "最多 `N` 条；0 为全部"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), tableForms...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q := url.Values{"sort": {sort}}
		for name, v := range values {
			switch {
			case *v == "":
			case severally[name]:
				q[name] = strings.Split(*v, ",")
			default:
				q.Set(name, *v)
			}
		}
		if needs {
			q.Set("needs_action", strconv.FormatBool(needs))
		}
		list, err := m.asking(server).Payments(cmd.Context(), q, most)
		if err != nil {
			return err
		}
		return m.deliver("", func(w io.Writer) error {
			return writeList(m, w, output.value, text{"payments", "交易"}, text{"no payments", "没有交易"}, paymentColumns, list, m.paymentCells)
		})
	}
	return cmd
}

func (m *Main) paymentCells(p *api.Payment) []any {
	expected := ""
	if p.Expected != nil {
		expected = p.Expected.Likely.Format("2006-01-02 15:04")
	}
	return []any{p.Time.Format(time.DateTime), p.RRN, p.MID, p.TID, p.PAN, m.amountCell(p.Amount, p.Currency), p.Currency, m.statusOf(p.Status),
		report.PartyWord(p.Party).In(m.lang), expected, p.ID}
}

// amountCell is an amount in major units, as people read it.
func (m *Main) amountCell(minor int64, code string) string {
	c, err := money.ParseCurrency(code)
	if err != nil {
		return strconv.FormatInt(minor, 10)
	}
	return money.FormatGrouped(minor, c)
}

// statusOf is a status of an answer in words.
func (m *Main) statusOf(name string) string {
	for _, s := range journey.Statuses() {
		if s.String() == name {
			return report.StatusWord(s).In(m.lang)
		}
	}
	return name
}
