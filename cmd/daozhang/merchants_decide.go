package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

// change has people decide about a merchant, and says what came of it.
func (m *Main) change(cmd *cobra.Command, database, mid string, decide func(d *decider, x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error)) error {
	return m.decide(cmd, database, func(d *decider) error {
		made, err := d.Change(cmd.Context(), mid, func(x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) { return decide(d, x, p) })
		if err != nil {
			return err
		}
		m.told(&made)
		return nil
	})
}

// told says what a change was, and what has to follow.
func (m *Main) told(c *merchant.Change) {
	e := &c.Event
	m.line(fmt.Sprintf(m.say(text{"daozhang: merchant %s: %s by %s", "daozhang：商户 %s：%s（%s）"}), e.MID, m.word(e.What), e.By))
	if strings.HasSuffix(e.What, "_proposed") {
		m.line(fmt.Sprintf(m.say(text{"  a colleague checks it: daozhang merchants approve %s %d --by NAME", "  请另一位同事复核：daozhang merchants approve %s %d --by 姓名"}), e.MID, e.Proposal))
	}
}

func (m *Main) merchantsOnboard() *cobra.Command {
	var x merchant.Details
	var currency, onboarded string
	cmd := &cobra.Command{
		Use: "onboard MERCHANT [flags]", Short: m.say(text{"Begin a merchant, without terms and account", "新商户入网，尚无条款和账户"}),
		Example: "  daozhang merchants onboard 898310058120001 --name 'Noodle House' --mcc 5812 --by anne --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database, by := m.databaseFlag(f), m.person(f)
	f.StringVar(&x.Name, "name", "", m.say(text{"its `NAME`", "商户名称 `NAME`"}))
	f.StringVar(&x.MCC, "mcc", "", m.say(text{"its category `CODE`, four digits", "商户类别码 `CODE`，四位数字"}))
	f.StringVar(&currency, "currency", "CNY", m.say(text{"`CURRENCY` of its sales and payouts", "交易与出款币种 `CURRENCY`"}))
	f.StringVar(&onboarded, "onboarded", "", m.say(text{"first `DATE` on which it may trade (default: today)", "可交易的首日 `DATE`（默认今天）"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		x.MID = args[0]
		if x.Currency, err = money.ParseCurrency(strings.ToUpper(currency)); err != nil {
			return usage(cmd, fault.Say("--currency: write an ISO 4217 code such as CNY", "--currency：请写 ISO 4217 币种代码，如 CNY"))
		}
		x.Onboarded = calendar.DateIn(m.Now(), m.Zone)
		if onboarded != "" {
			if x.Onboarded, err = calendar.ParseDate(onboarded); err != nil {
				return usage(cmd, fault.Say("--onboarded: write it as 2026-03-09", "--onboarded：请写作 2026-03-09"))
			}
		}
		return m.decide(cmd, *database, func(d *decider) error {
			if _, err := d.db.MerchantRecord(cmd.Context(), x.MID); err == nil {
				return fault.New(fault.Conflict, fault.Say("onboard merchant", "商户入网"), x.MID, fault.Say("it is on record already", "该商户已存在"),
					fault.Say("propose what is to change instead", "如需变更，请提交变更"))
			}
			made, err := merchant.Onboard(m.Now(), *by, x)
			if err == nil {
				err = d.db.CommitMerchant(cmd.Context(), &made)
			}
			if err == nil {
				m.told(&made)
			}
			return err
		})
	}
	return cmd
}

func (m *Main) merchantsPropose() *cobra.Command {
	cmd := &cobra.Command{
		Use: "propose", Short: m.say(text{"Propose terms or a payout account", "提交结算条款或出款账户"}),
		Example: "  daozhang merchants propose terms 898310058120001 --file terms.yaml --why 'contract of March' --by anne --database /var/lib/daozhang\n" +
			"  echo 6217000000000000 | daozhang merchants propose account 898310058120001 --holder 'Noodle House' --bank ICBC --agent ICBKCNBJ --why 'new account' --by anne --config serve.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.proposeTerms(), m.proposeAccount())
	return cmd
}

// whyFlag is the flag of a maker's reason.
func (m *Main) whyFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("why", "", m.say(text{"`REASON` in a sentence: the checker decides by it", "理由 `REASON`，供复核人判断"}))
}

func (m *Main) proposeTerms() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "terms MERCHANT [flags]", Short: m.say(text{"Propose terms, from a YAML or JSON file", "提交结算条款（YAML 或 JSON 文件）"}),
		Long: m.say(text{
			"The names in the file are those of merchant.terms in the evidence contract, and reserve:\n\n" +
				"  valid_from: 2026-04-01\n  cycle: T1\n  cutoff: \"23:00\"\n  timezone: Asia/Shanghai\n  calendar: CN\n" +
				"  fees: [{bps: 60}, {bps: 50, cap: 1800, card_type: debit}]\n  minimum_payout: 100\n  reserve: {bps: 500, days: 30}",
			"文件中的名称与证据约定的 merchant.terms 相同，另有保证金 reserve：\n\n" +
				"  valid_from: 2026-04-01\n  cycle: T1\n  cutoff: \"23:00\"\n  timezone: Asia/Shanghai\n  calendar: CN\n" +
				"  fees: [{bps: 60}, {bps: 50, cap: 1800, card_type: debit}]\n  minimum_payout: 100\n  reserve: {bps: 500, days: 30}"}),
		Example: "  daozhang merchants propose terms 898310058120001 --file terms.yaml --why 'contract of March' --by anne --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database, by, why := m.databaseFlag(f), m.person(f), m.whyFlag(cmd)
	f.StringVar(&file, "file", "", m.say(text{"`FILE` of the terms", "条款文件 `FILE`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, err := readTerms(args[0], file)
		if err != nil {
			return err
		}
		return m.change(cmd, *database, args[0], func(d *decider, x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
			trade, err := d.trade(cmd.Context(), x.MID)
			if err != nil {
				return merchant.Change{}, err
			}
			return x.ProposeTerms(m.Now(), *by, t, *why, p, trade)
		})
	}
	return cmd
}

// readTerms reads a file of terms.
func readTerms(mid, file string) (merchant.Terms, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return merchant.Terms{}, openError(file, err)
	}
	x := merchantConfig{MID: mid}
	var reserve struct {
		Reserve struct {
			Rate money.Rate `yaml:"bps"`
			Days int        `yaml:"days"`
		} `yaml:"reserve"`
	}
	if err = yaml.Unmarshal(b, &x.Terms); err == nil {
		err = yaml.Unmarshal(b, &reserve)
	}
	if err != nil {
		return merchant.Terms{}, fault.New(fault.Invalid, fault.Say("read terms", "读取条款"), file, err,
			fault.Say("see `daozhang merchants propose terms --help` for the names", "名称见 `daozhang merchants propose terms --help`"))
	}
	delete(x.Terms, "reserve")
	t, err := x.agreed()
	t.Reserve = merchant.Reserve{Rate: reserve.Reserve.Rate, Days: reserve.Reserve.Days}
	return t, err
}

func (m *Main) proposeAccount() *cobra.Command {
	var holder, bank, agent, config string
	cmd := &cobra.Command{
		Use: "account MERCHANT [flags]", Short: m.say(text{"Propose a payout account; its number is read from standard input", "提交出款账户，账号从标准输入读取"}),
		Long: m.say(text{
			"The number is read from standard input, so that it stands in no list of commands, and sealed by the keyring that the\n" +
				"server's configuration names; only a payment order ever shows it again. It is used once somebody else has approved it,\n" +
				"its owner is verified, and, where it takes the place of another, the cooling time is over.",
			"账号从标准输入读取，不会留在命令历史中，并由服务配置所指的密钥环加密；此后只出现在付款指令里。\n" +
				"须经他人复核、核验户主，更换账户时还须过冷静期后才会使用。"}),
		Example: "  daozhang merchants propose account 898310058120001 --holder 'Noodle House' --bank ICBC --agent ICBKCNBJ --why 'new account' --by anne --config serve.yaml < number.txt",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database, by, why := m.databaseFlag(f), m.person(f), m.whyFlag(cmd)
	f.StringVar(&holder, "holder", "", m.say(text{"`NAME` of the holder as the bank knows it", "银行登记的户名 `NAME`"}))
	f.StringVar(&bank, "bank", "", m.say(text{"short `NAME` of its bank: ICBC", "开户行简称 `NAME`，如 ICBC"}))
	f.StringVar(&agent, "agent", "", m.say(text{"`CODE` of its bank: BIC or CNAPS number", "开户行 BIC 或联行号 `CODE`"}))
	f.StringVar(&config, "config", "", m.say(text{"the server's configuration `FILE`, which names the keyring", "服务配置文件 `FILE`，其中写明密钥环"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags := map[string]any{}
		if *database != "" {
			flags["database"] = *database
		}
		c, err := m.readServeConfig(config, flags)
		if err != nil {
			return err
		}
		line, err := bufio.NewReader(m.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fault.New(fault.Internal, fault.Say("read the account number from", "读取账号"), fault.Say("standard input", "标准输入").In(m.lang), err, "")
		}
		number := strings.Join(strings.Fields(line), "")
		if number == "" {
			return usage(cmd, fault.Say("give the account number on standard input", "请从标准输入提供账号"))
		}
		return m.change(cmd, c.Database, args[0], func(d *decider, x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
			sealed, err := m.seal(cmd, d, c, number, backoffice.AccountContext(x.MID))
			if err != nil {
				return merchant.Change{}, err
			}
			return x.ProposeAccount(m.Now(), *by, merchant.NewAccount(number, sealed, holder, bank, agent), *why, p)
		})
	}
	return cmd
}

// seal has the keyring of a configuration seal an account number.
func (m *Main) seal(cmd *cobra.Command, d *decider, c *serveConfig, number, context string) (sealed []byte, err error) {
	p := &platform{m: m, c: c, db: d.db, shut: func() error { return nil }}
	if err := p.openKeyring(cmd.Context(), false); err != nil {
		return nil, err
	}
	defer func() {
		if closed := p.shut(); err == nil {
			err = closed
		}
	}()
	return accountVault{p.keys}.Seal(number, context)
}

// proposal reads the merchant and the number of a proposal.
func proposal(cmd *cobra.Command, args []string) (mid string, number int, err error) {
	if number, err = strconv.Atoi(args[1]); err != nil || number < 1 {
		return "", 0, usage(cmd, fault.Say("a proposal has a number; `daozhang merchants show` tells it", "提交有编号，可用 `daozhang merchants show` 查看"))
	}
	return args[0], number, nil
}

func (m *Main) merchantsApprove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve MERCHANT NUMBER [flags]", Short: m.say(text{"Make a proposal effective, as its checker", "复核通过一项提交"}),
		Example: "  daozhang merchants approve 898310058120001 3 --by bert --database /var/lib/daozhang",
		Args:    need(2, 2, text{"give the merchant's number and that of the proposal", "请写商户号和提交编号"})(m),
	}
	database, by := m.databaseFlag(cmd.Flags()), m.person(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		mid, number, err := proposal(cmd, args)
		if err != nil {
			return err
		}
		return m.change(cmd, *database, mid, func(d *decider, x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
			trade, err := d.trade(cmd.Context(), x.MID)
			if err != nil {
				return merchant.Change{}, err
			}
			return x.Approve(m.Now(), *by, number, p, trade)
		})
	}
	return cmd
}

func (m *Main) merchantsDecline() *cobra.Command {
	cmd := &cobra.Command{
		Use: "decline MERCHANT NUMBER [flags]", Short: m.say(text{"Drop a proposal: as its checker, or withdraw it as its maker", "驳回或撤回一项提交"}),
		Example: "  daozhang merchants decline 898310058120001 3 --why 'the name differs' --by bert --database /var/lib/daozhang",
		Args:    need(2, 2, text{"give the merchant's number and that of the proposal", "请写商户号和提交编号"})(m),
	}
	database, by, why := m.databaseFlag(cmd.Flags()), m.person(cmd.Flags()), m.whyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		mid, number, err := proposal(cmd, args)
		if err != nil {
			return err
		}
		return m.change(cmd, *database, mid, func(_ *decider, x *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
			return x.Decline(m.Now(), *by, number, *why)
		})
	}
	return cmd
}

func (m *Main) merchantsVerify() *cobra.Command {
	var account, method string
	cmd := &cobra.Command{
		Use: "verify MERCHANT [flags]", Short: m.say(text{"Record that an account's owner was confirmed", "登记账户户主已核验"}),
		Example: "  daozhang merchants verify 898310058120001 --account 6789 --method penny_test --by carl --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database, by := m.databaseFlag(f), m.person(f)
	f.StringVar(&account, "account", "", m.say(text{"last four `DIGITS` of the account, or its token", "账号末四位 `DIGITS` 或其标识"}))
	f.StringVar(&method, "method", "", m.say(text{"`HOW`: four_elements, penny_test or document", "核验方式 `HOW`：four_elements、penny_test 或 document"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.change(cmd, *database, args[0], func(_ *decider, x *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
			for i := len(x.Accounts) - 1; i >= 0; i-- {
				if a := &x.Accounts[i]; a.Token == account || account != "" && strings.HasSuffix(a.Tail, account) {
					return x.VerifyAccount(m.Now(), *by, a.Token, method)
				}
			}
			return x.VerifyAccount(m.Now(), *by, account, method)
		})
	}
	return cmd
}

// stateCommands are what people call the states that they ask for.
var stateCommands = map[merchant.State]struct {
	name  string
	short text
}{
	merchant.Frozen:    {"freeze", text{"Propose to freeze: by order of a court or the police", "提交冻结：依司法或公安指令"}},
	merchant.Suspended: {"suspend", text{"Propose to suspend: by the platform's own decision", "提交暂停：平台自行决定"}},
	merchant.Active:    {"activate", text{"Propose to lift a freeze or suspension", "提交解除冻结或暂停"}},
}

func (m *Main) merchantsState(s merchant.State) *cobra.Command {
	var reason, document string
	c := stateCommands[s]
	example := "  daozhang merchants " + c.name + " 898310058120001 --why 'court order' --by anne --database /var/lib/daozhang"
	if s != merchant.Active {
		example = strings.Replace(example, "--why", "--reason judicial --document 'order 7' --why", 1)
	}
	cmd := &cobra.Command{
		Use: c.name + " MERCHANT [flags]", Short: m.say(c.short), Example: example,
		Args: need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database, by, why := m.databaseFlag(f), m.person(f), m.whyFlag(cmd)
	if s != merchant.Active {
		f.StringVar(&reason, "reason", "", m.say(text{"`WORD`: judicial, violation, verification, dormant or risk", "原因 `WORD`：judicial、violation、verification、dormant 或 risk"}))
	}
	f.StringVar(&document, "document", "", m.say(text{"`NUMBER` of the order or the case", "指令或案件编号 `NUMBER`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.change(cmd, *database, args[0], func(_ *decider, x *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
			return x.ProposeStatus(m.Now(), *by, s, merchant.Reason(reason), document, *why, p)
		})
	}
	return cmd
}
