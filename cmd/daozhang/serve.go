package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serve takes payments and answers where their money is.
func (m *Main) serve() *cobra.Command {
	var (
		config, bank, folder, ready string
		dev                         bool
	)
	flags := map[string]string{ // flag → key
		"node": "node", "database": "database", "terminals": "listen.terminals", "http": "listen.http", "production": "production",
	}
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: m.say(text{"Take payments and answer where their money is", "受理支付，并随时回答每笔款在哪里"}),
		Long: m.say(text{
			"Terminals connect over ISO 8583, networks and banks are reached over links, the books are kept in an embedded\n" +
				"database or in PostgreSQL, and every step is evidence for a continuous investigation, which is asked over HTTP:\n" +
				"GET /v1/payments/{id}/whereabouts, POST /v1/evidence, /livez, /readyz, /metrics, /version, /v1/openapi.json.\n\n" +
				"The same address has the web pages. Where nobody can sign in yet a one-time link for the first person is printed, once;\n" +
				"console.url is how browsers reach them, http.proxies what ends TLS before, console.enabled: false leaves them out.\n\n" +
				"Settings come from flags, else the environment (DAOZHANG_ and the name: DAOZHANG_LISTEN_HTTP), else the file,\n" +
				"else the defaults. Merchants, terminals, links, routes and card ranges stand in the file. Without card ranges nobody\n" +
				"knows a credit card: the rules against cash-out that ask for the type of card are silent, and fees and limits by type\n" +
				"of card do not apply. --dev sets up one merchant with eight\n" +
				"terminals and a route to one bank, for trying. SIGTERM drains: what is under way is brought to its end.\n" +
				"SIGHUP reads the merchants, terminals and routes of the file anew, and no connection is dropped; what is wrong in it\n" +
				"changes nothing. Changes of the registers by others are noticed within a minute.\n\n" +
				"Several processes can serve one PostgreSQL: give each a name (node) and listen.nodes, where the others pass messages on,\n" +
				"and keyring.shared to all. Merchants are divided among those that run; where one dies the others take over within seconds.",
			"终端以 ISO 8583 接入，经链路连接卡组织和银行；账目保存在内嵌数据库或 PostgreSQL 中，每一步都成为持续调查的证据，\n" +
				"可通过 HTTP 查询：GET /v1/payments/{id}/whereabouts、POST /v1/evidence、/livez、/readyz、/metrics、/version、/v1/openapi.json。\n\n" +
				"同一地址提供网页。尚无人能登录时，会打印一次（且仅一次）供第一位用户使用的一次性链接。console.url 为浏览器访问的地址，\n" +
				"http.proxies 为前面终结 TLS 的程序，console.enabled: false 不提供网页。\n\n" +
				"设置的优先级：命令行选项 > 环境变量（DAOZHANG_ 加名称，如 DAOZHANG_LISTEN_HTTP）> 配置文件 > 默认值。商户、终端、链路、\n" +
				"路由、卡 BIN 区间写在配置文件中。不配置卡 BIN 区间就无法识别信用卡：按卡类型判断的反套现规则不会触发，\n" +
				"按卡类型设定的费率和限额也不起作用。--dev 会建立一个商户、八台终端和一条到银行的路由，供试用。收到 SIGTERM 后先处理完在途交易再退出。\n" +
				"收到 SIGHUP 后重新读取配置文件中的商户、终端和路由，不中断任何连接；文件有误则一切照旧。其他进程对登记信息的修改在一分钟内生效。\n\n" +
				"多个进程可共用一个 PostgreSQL：各自设置名称（node）和 listen.nodes（接收其他节点转来的报文），并都设置 keyring.shared。\n" +
				"商户在运行中的节点之间划分；某个节点故障时，其余节点在数秒内接管。"}),
		Example: `  daozhang serve --dev --bank 127.0.0.1:9001
  daozhang serve --config /etc/daozhang/serve.yaml --database postgres://daozhang@db.internal/daozhang

  # serve.yaml
  listen: {terminals: ":5000", http: "127.0.0.1:8080"}
  console: {url: "https://pay.example", title: Example Acquiring}
  http: {proxies: ["127.0.0.1", "::1"]} # what ends TLS for them
  merchants:
    - {mid: "898310058120001", name: Corner Shop, mcc: "5411", currency: CNY, zone: Asia/Shanghai, cutoff: "23:00",
       terms: {cycle: T1, calendar: CN, fees: [{bps: 38}]}}
  terminals:
    - {tid: T0000001, mid: "898310058120001", location: "31.230416,121.473701"}
  links:
    - {name: unionpay-1, network: UnionPay, address: "10.1.1.1:9001", connections: 2}
  routes:
    - {from: "62", to: "62", links: [unionpay-1]}
  ranges:
    - {from: "625", to: "625", type: credit}
  networks:     # whose clearing files come
    - {name: UnionPay, currency: CNY, cutoff: "23:00", clearing: /var/lib/daozhang/unionpay}
  banks:        # who pays merchants, by files in orders/, replies/ and statements/
    - {name: ICBC, currency: CNY, folder: /var/lib/daozhang/icbc,
       account: {name: Example Acquiring, number: "110900000000001234", agent: ICBKCNBJ}}
  backoffice: {advice: /var/lib/daozhang/advice, settle_at: "09:00"}`,
		Args: need(0, 0, text{"serve takes no arguments", "serve 不带参数"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&config, "config", "", m.say(text{"configuration `FILE`", "配置文件 `FILE`"}))
	f.String("node", "", m.say(text{"`NAME` of this process among those on one database (default node-1)", "本进程在同一数据库中的名称 `NAME`（默认 node-1）"}))
	f.String("database", "", m.say(text{"`DATABASE`: a data directory or a postgres:// URL (default daozhang-data)", "数据库 `DATABASE`：数据目录或 postgres:// 地址（默认 daozhang-data）"}))
	f.String("terminals", "", m.say(text{"`ADDRESS` at which terminals connect (default 127.0.0.1:5000)", "终端接入地址 `ADDRESS`（默认 127.0.0.1:5000）"}))
	f.String("http", "", m.say(text{"`ADDRESS` of the HTTP surface (default 127.0.0.1:8080)", "HTTP 接口地址 `ADDRESS`（默认 127.0.0.1:8080）"}))
	f.Bool("production", false, m.say(text{"refuse what is for development only, such as keys in software", "生产模式：拒绝仅供开发的配置（如软件密钥库）"}))
	f.BoolVar(&dev, "dev", false, m.say(text{"set up a merchant, terminals and a route for trying", "建立试用的商户、终端和路由"}))
	f.StringVar(&bank, "bank", "127.0.0.1:9001", m.say(text{"with --dev, the `ADDRESS` of the bank", "与 --dev 同用：银行地址 `ADDRESS`"}))
	f.StringVar(&folder, "bank-folder", "", m.say(text{"with --dev, the `DIR` of files that the bank works in, as `daozhang bank --folder` (default: bank in the data directory)", "与 --dev 同用：与银行交换文件的目录 `DIR`，即 `daozhang bank --folder`（默认为数据目录下的 bank）"}))
	f.StringVar(&ready, "ready-file", "", m.say(text{"write the addresses to `FILE` as JSON once serving", "开始服务后把实际地址以 JSON 写入 `FILE`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given := map[string]any{}
		f.Visit(func(fl *pflag.Flag) {
			if key, ok := flags[fl.Name]; ok {
				given[key] = fl.Value.String()
			}
		})
		read := func() (*serveConfig, error) {
			c, err := m.readServeConfig(config, given)
			if err != nil {
				return nil, err
			}
			if dev {
				c.develop(bank)
				c.developOffice(folder)
			}
			return c, c.check()
		}
		c, err := read()
		if err != nil {
			return err
		}
		if dev && c.Production {
			return usage(cmd, m.say(text{"--dev and --production exclude each other", "--dev 与 --production 不能同时使用"}))
		}
		if err := noDump(); err != nil {
			return err
		}
		p, err := m.openPlatform(cmd.Context(), c, dev)
		if err != nil {
			return err
		}
		defer p.close()
		p.again = read
		if err := p.openPages(); err != nil {
			return err
		}
		return p.run(cmd.Context(), func(terminals, web string) error {
			m.line(fmt.Sprintf(m.say(text{"daozhang: terminals at %s, HTTP at http://%s", "daozhang：终端接入 %s，HTTP http://%s"}), terminals, web))
			if err := p.welcome(cmd.Context(), web); err != nil {
				return err
			}
			if ready == "" {
				return nil
			}
			b, err := json.Marshal(map[string]string{"terminals": terminals, "http": web})
			if err != nil {
				return err
			}
			temp := ready + ".new"
			if err := os.WriteFile(temp, append(b, '\n'), 0o644); err != nil {
				return openError(ready, err)
			}
			return os.Rename(temp, ready)
		})
	}
	return cmd
}
