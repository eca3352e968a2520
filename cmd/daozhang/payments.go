package main

import (
	"strings"

	"github.com/spf13/cobra"

	"daozhang/internal/fault"
)

// payments is what people decide about single payments.
func (m *Main) payments() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "payments",
		Short:   m.say(text{"Payments of a server: list them, decide about single ones", "服务中的支付：列出，处理单笔"}),
		Example: "  daozhang payments list --status overdue --server http://127.0.0.1:8080\n  daozhang payments release 0198c0de-0000-7000-8000-000000000001 --by anne --check bert",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.paymentsList(), m.paymentsRelease())
	return cmd
}

func (m *Main) paymentsRelease() *cobra.Command {
	var server, by, check string
	cmd := &cobra.Command{
		Use:   "release ID [flags]",
		Short: m.say(text{"End the risk hold of a payment", "解除一笔支付的风控冻结"}),
		Long: m.say(text{
			"The server is asked, with the key in " + apiKeyVariable + ", which is of role platform. Two people decide: one asks\n" +
				"for it (--by), another agrees (--check); both names go into the evidence. The money goes on with the next settlement.",
			"向服务发出请求，密钥取自 " + apiKeyVariable + "，须为 platform 角色。须两人决定：经办人（--by）提出，复核人（--check）同意，\n" +
				"两人姓名都写入证据。款项随下一次结算继续。"}),
		Example: "  daozhang payments release 0198c0de-0000-7000-8000-000000000001 --by anne --check bert --server http://127.0.0.1:8080",
		Args:    need(1, 1, text{"name the payment by its UUID", "请写支付的 UUID"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&server, "server", "http://127.0.0.1:8080", m.say(text{"`URL` of the server", "服务地址 `URL`"}))
	f.StringVar(&by, "by", "", m.say(text{"`NAME` of who asks for it", "经办人 `NAME`"}))
	f.StringVar(&check, "check", "", m.say(text{"`NAME` of who agrees", "复核人 `NAME`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asked := m.asking(server)
		if err := asked.Release(cmd.Context(), strings.TrimSpace(args[0]), by, check); err != nil {
			return err
		}
		m.line(m.say(text{"daozhang: released", "daozhang：已解除冻结"}))
		return nil
	}
	return cmd
}
