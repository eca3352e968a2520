package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
	"daozhang/internal/store"
)

// webhooksNode is the name under which the webhooks command writes.
const webhooksNode = "webhooks"

// webhooks looks after those who are told, beside a running server.
func (m *Main) webhooks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: m.say(text{"Webhooks: list, test, replay, listen", "Webhook：列出、测试、重发、监听"}),
		Long: m.say(text{
			"Webhooks are made on the page Developers or by POST /v1/webhooks, because their secrets are sealed by the server's keyring.\n" +
				"Here they are listed, tested and replayed, also while the server runs, and `listen` is a receiver for trying.",
			"Webhook 在“开发者”页面或通过 POST /v1/webhooks 新建，因为其密钥由服务端的密钥库加密。\n" +
				"这里可以列出、测试和重发（服务运行期间也可以），`listen` 则是供试用的接收方。"}),
		Example: "  daozhang webhooks list --database /var/lib/daozhang\n  daozhang webhooks test wh_3f9a2c17 --database /var/lib/daozhang\n" +
			"  daozhang webhooks replay wh_3f9a2c17 --from 2026-03-02 --to 2026-03-09 --database /var/lib/daozhang\n  daozhang webhooks listen --secret whsec_…",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fmt.Sprintf("there is no command %q", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.webhooksList(), m.webhooksTest(), m.webhooksReplay(), m.webhooksListen())
	return cmd
}

// withNotifier opens the database of a command beside the server.
func (m *Main) withNotifier(cmd *cobra.Command, database string, do func(n *notify.Notifier) error) (err error) {
	address, err := m.databaseOf(cmd, nil, database)
	if err != nil {
		return err
	}
	db, err := store.Open(cmd.Context(), store.Options{Database: address, Node: webhooksNode, Migrate: true, Registers: true})
	if err != nil {
		return err
	}
	defer func() {
		if closed := db.Close(); err == nil { // joined, an error would speak English alone
			err = closed
		}
	}()
	return do(notify.New(notify.Options{Keeper: db, Now: m.Now}))
}

func (m *Main) webhooksList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List webhooks and mail addresses", "列出 Webhook 和邮件地址"}), Example: "  daozhang webhooks list --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t := plainTable()
		t.AppendHeader(table.Row{"id", m.say(text{"to", "发往"}), m.say(text{"events", "事件"}), m.say(text{"merchant", "商户"}), m.say(text{"state", "状态"}), m.say(text{"last", "最近一次"})})
		err := m.withNotifier(cmd, *database, func(n *notify.Notifier) error {
			for _, kind := range []notify.Kind{notify.Webhook, notify.Mailbox} {
				all, err := n.Receivers(cmd.Context(), "", kind)
				if err != nil {
					return err
				}
				for i := range all {
					last, err := m.lastDelivery(cmd.Context(), n, all[i].ID)
					if err != nil {
						return err
					}
					t.AppendRow(table.Row{all[i].ID, all[i].Name(), strings.Join(all[i].Types, " "), all[i].MID, m.receiverState(&all[i]), last})
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return m.deliver("", func(w io.Writer) error { return writeTable(w, t) })
	}
	return cmd
}

// lastDelivery says what became of what was sent last.
func (m *Main) lastDelivery(ctx context.Context, n *notify.Notifier, id string) (string, error) {
	list, err := n.Deliveries(ctx, "", notify.DeliveryQuery{Receiver: id, Most: 1})
	if err != nil || len(list) == 0 {
		return "", err
	}
	s := string(list[0].Type) + " " + string(list[0].State)
	if len(list[0].Attempts) > 0 && list[0].Attempts[0].Status > 0 {
		s += " " + strconv.Itoa(list[0].Attempts[0].Status)
	}
	return s, nil
}

func (m *Main) receiverState(r *notify.Receiver) string {
	switch {
	case r.Disabled:
		return m.say(text{"disabled", "已停用"})
	case !r.Failing.IsZero():
		return m.say(text{"failing", "失败中"})
	}
	return m.say(text{"enabled", "已启用"})
}

func (m *Main) webhooksTest() *cobra.Command {
	cmd := &cobra.Command{
		Use: "test ID [flags]", Short: m.say(text{"Send a test event", "发送测试事件"}), Example: "  daozhang webhooks test wh_3f9a2c17 --database /var/lib/daozhang",
		Args: need(1, 1, text{"name the webhook's id", "请写 Webhook 编号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.withNotifier(cmd, *database, func(n *notify.Notifier) error {
			e, err := n.Test(cmd.Context(), "", args[0])
			if err == nil {
				m.line(fmt.Sprintf(m.say(text{"daozhang: %s is on its way, as soon as the server runs", "daozhang：%s 将由运行中的服务发出"}), e.ID))
			}
			return err
		})
	}
	return cmd
}

func (m *Main) webhooksReplay() *cobra.Command {
	var event, from, to string
	var failed bool
	cmd := &cobra.Command{
		Use: "replay ID [flags]", Short: m.say(text{"Send one event again, or those of some days", "重发一个事件，或某几天的事件"}),
		Example: "  daozhang webhooks replay wh_3f9a2c17 --event evt_0a1b2c --database /var/lib/daozhang\n" +
			"  daozhang webhooks replay wh_3f9a2c17 --from 2026-03-02 --to 2026-03-09 --failed --database /var/lib/daozhang",
		Args: need(1, 1, text{"name the webhook's id", "请写 Webhook 编号"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	f.StringVar(&event, "event", "", m.say(text{"`ID` of the one event", "单个事件的编号 `ID`"}))
	f.StringVar(&from, "from", "", m.say(text{"first `DAY`", "起始日期 `DAY`"}))
	f.StringVar(&to, "to", "", m.say(text{"last `DAY`", "结束日期 `DAY`（含）"}))
	f.BoolVar(&failed, "failed", false, m.say(text{"leave out what was delivered", "跳过已送达的"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		first, err := time.ParseInLocation(time.DateOnly, from, m.Zone)
		last, err2 := time.ParseInLocation(time.DateOnly, to, m.Zone)
		if event == "" && (err != nil || err2 != nil) {
			return usage(cmd, m.say(text{"give --event, or --from and --to as 2026-03-09", "请给出 --event，或 --from 和 --to（如 2026-03-09）"}))
		}
		return m.withNotifier(cmd, *database, func(n *notify.Notifier) error {
			if event != "" {
				return n.Replay(cmd.Context(), "", args[0], event)
			}
			count, err := n.ReplayRange(cmd.Context(), "", args[0], first, last.AddDate(0, 0, 1), failed)
			m.line(fmt.Sprintf(m.say(text{"daozhang: %d events are sent again", "daozhang：重发 %d 个事件"}), count))
			return err
		})
	}
	return cmd
}

func (m *Main) webhooksListen() *cobra.Command {
	var address, secret string
	var status, count int
	cmd := &cobra.Command{
		Use: "listen [flags]", Short: m.say(text{"Be a receiver: print what comes, check its signature", "充当接收方：打印收到的消息并验证签名"}),
		Long: m.say(text{
			"Prints the body of each webhook on a line of its own. The server reaches it where notify.allow_hosts names it.",
			"每个 Webhook 的内容打印为一行。服务端须在 notify.allow_hosts 中列出该地址。"}),
		Example: "  daozhang webhooks listen --secret whsec_…\n  daozhang webhooks listen --listen 127.0.0.1:9900 --status 503",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&address, "listen", "127.0.0.1:9900", m.say(text{"`ADDRESS` to listen at", "监听地址 `ADDRESS`"}))
	f.StringVar(&secret, "secret", "", m.say(text{"`SECRET` of the webhook; what it did not sign is answered with 401", "Webhook 的密钥 `SECRET`；签名不符则应答 401"}))
	f.IntVar(&status, "status", 200, m.say(text{"`STATUS` of the answer", "应答状态码 `STATUS`"}))
	f.IntVar(&count, "count", 0, m.say(text{"end after this many", "收到指定数量后结束"}))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if status < 200 || status > 599 {
			return usage(cmd, m.say(text{"--status is 200 to 599", "--status 应为 200 至 599"}))
		}
		return m.listen(cmd.Context(), address, secret, status, count)
	}
	return cmd
}

// listen prints webhooks until ctx ends or count have come; 0 for no end.
func (m *Main) listen(ctx context.Context, address, secret string, status, count int) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	heard := 0
	ear, err := courier.Listen(address, func(h courier.Heard) int {
		mu.Lock()
		defer mu.Unlock()
		if secret != "" {
			if err := notify.Verify(secret, h.Headers, h.Body, time.Now()); err != nil {
				m.line("daozhang: " + m.say(text{fault.TextOf(err).EN, fault.TextOf(err).In("zh")}))
				return 401
			}
		}
		fmt.Fprintln(m.Stdout, strings.ReplaceAll(string(h.Body), "\n", " "))
		if heard++; count > 0 && heard >= count {
			time.AfterFunc(100*time.Millisecond, stop) // the answer goes out first
		}
		return status
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ear.Close()) }()
	m.line(fmt.Sprintf(m.say(text{"daozhang: listening at http://%s", "daozhang：监听 http://%s"}), ear.Addr()))
	return ear.Wait(ctx)
}
