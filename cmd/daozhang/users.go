package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/access"
	"daozhang/internal/console"
	"daozhang/internal/fault"
	"daozhang/internal/store"
)

// usersNode is the name under which the users command writes, so that it can while
// the server runs on the same database.
const usersNode = "users"

// users manages the people who can sign in to the web pages.
func (m *Main) users() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "users",
		Short: m.say(text{"People who sign in to the web pages: list, invite, disable", "网页登录用户：列出、邀请、停用"}),
		Long: m.say(text{
			"A person has a role: merchant sees one merchant's rows, auditor sees everything and changes nothing, institution runs\n" +
				"the platform. Whoever is invited gets a one-time link, by which password and second factor are set; it is shown once\n" +
				"and is good for 72 hours. invite-again is for a link that ran out, a lost phone, a forgotten password: it ends what\n" +
				"was there. Each change is in the audit log. It works while the server runs, and holds from the next page on.",
			"每个用户有一个角色：merchant 只看一个商户的数据，auditor 可看全部但不能改动，institution 管理平台。\n" +
				"被邀请的人得到一次性链接，用它设置密码和第二因素；链接只显示一次，72 小时内有效。\n" +
				"链接过期、手机丢失或忘记密码时用 invite-again，原有登录方式随即失效。每次改动都记入审计日志。\n" +
				"服务运行期间即可操作，从下一个页面起生效。"}),
		Example: "  daozhang users invite wangfang --role institution --shown 'Wang Fang' --database /var/lib/daozhang\n" +
			"  daozhang users invite zhao --role merchant --merchant 898310058120001 --database /var/lib/daozhang\n" +
			"  daozhang users invite-again admin --database /var/lib/daozhang --url https://pay.example\n  daozhang users disable zhao --why 'left the shop' --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.usersList(), m.usersShow(), m.usersInvite(), m.usersInviteAgain(), m.usersDisable(), m.usersEnable())
	return cmd
}

// withPeople opens the database of a command for people's rows, beside the server.
func (m *Main) withPeople(cmd *cobra.Command, database string, do func(db *store.Store) error) error {
	address, err := m.databaseOf(cmd, nil, database)
	if err != nil {
		return err
	}
	db, err := store.Open(cmd.Context(), store.Options{Database: address, Node: usersNode, Migrate: true, Registers: true})
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// byFlag is the flag of who acts; on the machine itself that is the account.
func (m *Main) byFlag(f *pflag.FlagSet) func() access.Actor {
	by := f.String("by", "", m.say(text{"your `NAME`, for the audit log (default: the account on this machine)", "操作人姓名 `NAME`，记入审计日志（默认为本机账号）"}))
	return func() access.Actor {
		name := *by
		for _, variable := range []string{"SUDO_USER", "USER", "USERNAME"} {
			if name == "" {
				name = m.Getenv(variable)
			}
		}
		if name == "" {
			name = "unknown"
		}
		return access.Actor{Name: "host/" + name}
	}
}

// linkFlag is the flag of where the pages are; the function shows a one-time link.
func (m *Main) linkFlag(f *pflag.FlagSet) func(u *access.User, secret string) error {
	at := f.String("url", "", m.say(text{"`URL` of the web pages in the link (else DAOZHANG_CONSOLE_URL, else http://127.0.0.1:8080)", "链接中网页的地址 `URL`（未给出时取 DAOZHANG_CONSOLE_URL，再次为 http://127.0.0.1:8080）"}))
	return func(u *access.User, secret string) error {
		base := *at
		if base == "" {
			base = m.Getenv(envName("console.url"))
		}
		m.line(fmt.Sprintf(m.say(text{"daozhang: give this link to %s; it is shown this once and is good until %s", "daozhang：请将此链接交给 %s，仅此一次显示，有效期至 %s"}),
			u.Name, u.InvitationEnds.In(m.Zone).Format("2006-01-02 15:04")))
		return m.deliver("", func(w io.Writer) error {
			_, err := fmt.Fprintln(w, site(base, "127.0.0.1:8080")+console.SetUpPath(u.Name, secret))
			return err
		})
	}
}

// oneUser is the argument of a command about one person.
func (m *Main) oneUser() cobra.PositionalArgs {
	return need(1, 1, text{"name one user", "请写一个用户名"})(m)
}

// userView is a person as programs read it: nothing of what signs in.
type userView struct {
	Name           string          `json:"name"`
	Shown          string          `json:"shown"`
	Role           access.Role     `json:"role"`
	MID            string          `json:"mid,omitempty"`
	Lang           string          `json:"lang,omitempty"`
	Standing       access.Standing `json:"standing"`
	SecondFactor   bool            `json:"second_factor"`
	RecoveryCodes  int             `json:"recovery_codes"` // not used yet
	Made           time.Time       `json:"made"`
	Seen           time.Time       `json:"last_sign_in,omitzero"`
	PasswordSet    time.Time       `json:"password_set,omitzero"`
	LockedUntil    time.Time       `json:"locked_until,omitzero"`
	InvitationEnds time.Time       `json:"invitation_ends,omitzero"`
	Version        uint32          `json:"version"`
	Events         []auditView     `json:"events,omitempty"`
}

// auditView is a line of the audit log as programs read it.
type auditView struct {
	ID      uuid.UUID `json:"id"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Role    string    `json:"role,omitempty"`
	What    string    `json:"what"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail,omitempty"`
	From    string    `json:"from,omitempty"`
	Request string    `json:"request,omitempty"`
}

func viewUser(u *access.User) userView {
	return userView{Name: u.Name, Shown: u.Shown, Role: u.Role, MID: u.MID, Lang: u.Lang, Standing: u.Standing, SecondFactor: u.Factor != nil, RecoveryCodes: len(u.Recovery),
		Made: u.Made, Seen: u.Seen, PasswordSet: u.PasswordSet, LockedUntil: u.LockedUntil, InvitationEnds: u.InvitationEnds, Version: u.Version}
}

// standingWords are the standings of people.
var standingWords = map[access.Standing]text{access.Invited: {"invited", "待设置"}, access.Active: {"active", "正常"}, access.Disabled: {"disabled", "已停用"}}

func (m *Main) usersList() *cobra.Command {
	var role, mid string
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List users", "列出用户"}), Example: "  daozhang users list --database /var/lib/daozhang\n  daozhang users list --role merchant -o json --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	output := choice(f, "output", "o", "table", m.say(text{"form of the list", "列表形式"}), "table", "json")
	f.StringVar(&role, "role", "", m.say(text{"only those of a `ROLE`", "只列出角色 `ROLE`"}))
	f.StringVar(&mid, "merchant", "", m.say(text{"only those of a merchant, by its number `MID`", "只列出商户号 `MID` 的用户"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, ok := access.ParseRole(role); role != "" && !ok {
			return usage(cmd, fault.Say("there is no role %q: merchant, auditor or institution", "没有角色 %q：merchant、auditor 或 institution", role))
		}
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			all := []userView{}
			for after := ""; ; {
				page, err := db.Users(cmd.Context(), access.UserFilter{Role: access.Role(role), MID: mid}, after, paged)
				if err != nil {
					return err
				}
				for i := range page {
					all = append(all, viewUser(&page[i]))
				}
				if len(page) < paged {
					break
				}
				after = page[len(page)-1].Name
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return indented(w, all)
				}
				return m.userTable(w, all)
			})
		})
	}
	return cmd
}

// indented writes a value as JSON for people.
func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (m *Main) userTable(w io.Writer, all []userView) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, m.say(text{"no users", "没有用户"}))
		return err
	}
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"name", "用户名"}), m.say(text{"shown as", "显示名"}), m.say(text{"role", "角色"}), m.say(text{"merchant", "商户"}), m.say(text{"state", "状态"}),
		m.say(text{"second factor", "第二因素"}), m.say(text{"last sign-in", "最近登录"})})
	for i := range all {
		u := &all[i]
		factor := m.say(text{"no", "无"})
		if u.SecondFactor {
			factor = m.say(text{"yes", "有"})
		}
		t.AppendRow(table.Row{u.Name, u.Shown, u.Role, u.MID, m.say(standingWords[u.Standing]), factor, m.minute(u.Seen)})
	}
	return writeTable(w, t)
}

// minute is a moment to the minute; "" for none.
func (m *Main) minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(m.Zone).Format("2006-01-02 15:04")
}

// lastEvents is how many lines of the audit log are shown of a person.
const lastEvents = 20

func (m *Main) usersShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME [flags]", Short: m.say(text{"One user, with what happened last", "查看用户及其最近的记录"}), Example: "  daozhang users show wangfang --database /var/lib/daozhang",
		Args: m.oneUser(),
	}
	database := m.databaseFlag(cmd.Flags())
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			u, err := db.User(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			events, err := db.Audit(cmd.Context(), access.AuditFilter{Subject: "user/" + u.Name}, uuid.Nil, lastEvents)
			if err != nil {
				return err
			}
			v := viewUser(&u)
			for _, e := range events {
				v.Events = append(v.Events, auditView{ID: e.ID, At: e.At, By: e.Name, Role: string(e.Role), What: e.What, Subject: e.Subject, Detail: e.Detail, From: e.From, Request: e.Request})
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return indented(w, v)
				}
				if err := m.userTable(w, []userView{v}); err != nil {
					return err
				}
				t := plainTable()
				t.AppendHeader(table.Row{m.say(text{"time", "时间"}), m.say(text{"what", "事件"}), m.say(text{"by", "操作人"}), m.say(text{"from", "来自"}), m.say(text{"remark", "备注"})})
				for _, e := range v.Events {
					t.AppendRow(table.Row{m.minute(e.At), e.What, e.By, e.From, e.Detail})
				}
				return writeTable(w, t)
			})
		})
	}
	return cmd
}

func (m *Main) usersInvite() *cobra.Command {
	var u access.User
	var role string
	cmd := &cobra.Command{
		Use: "invite NAME --role ROLE [flags]", Short: m.say(text{"Invite somebody by a one-time link", "用一次性链接邀请用户"}),
		Example: "  daozhang users invite wangfang --role institution --shown 'Wang Fang' --database /var/lib/daozhang\n" +
			"  daozhang users invite zhao --role merchant --merchant 898310058120001 --database /var/lib/daozhang",
		Args: m.oneUser(),
	}
	f := cmd.Flags()
	database, by, link := m.databaseFlag(f), m.byFlag(f), m.linkFlag(f)
	f.StringVar(&role, "role", "", m.say(text{"`ROLE`: merchant, auditor or institution", "角色 `ROLE`：merchant、auditor 或 institution"}))
	f.StringVar(&u.MID, "merchant", "", m.say(text{"number `MID` of the merchant of somebody of role merchant", "商户角色所属的商户号 `MID`"}))
	f.StringVar(&u.Shown, "shown", "", m.say(text{"the `NAME` that others see", "显示给他人的姓名 `NAME`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		u.Name, u.Role = args[0], access.Role(role)
		c, secret, err := access.Invite(m.Now(), by(), u)
		if err != nil {
			return err
		}
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			if u.MID != "" {
				if _, err := db.MerchantName(cmd.Context(), u.MID); err != nil {
					return err
				}
			}
			if err := db.CommitUser(cmd.Context(), &c); err != nil {
				return err
			}
			return link(&c.User, secret)
		})
	}
	return cmd
}

// changeUser reads a person, commits what a command leads to, and shows the
// one-time link where there is one.
func (m *Main) changeUser(ctx context.Context, db *store.Store, name string, act func(u *access.User) (access.Change, string, error), link func(*access.User, string) error) error {
	u, err := db.User(ctx, name)
	if err != nil {
		return err
	}
	c, secret, err := act(&u)
	if err != nil {
		return err
	}
	if err := db.CommitUser(ctx, &c); err != nil || secret == "" {
		return err
	}
	return link(&c.User, secret)
}

func (m *Main) usersInviteAgain() *cobra.Command {
	cmd := &cobra.Command{
		Use: "invite-again NAME [flags]", Short: m.say(text{"A new one-time link; what was there ends", "重新发出一次性链接，原登录方式失效"}),
		Example: "  daozhang users invite-again admin --database /var/lib/daozhang --url https://pay.example", Args: m.oneUser(),
	}
	database, by, link := m.databaseFlag(cmd.Flags()), m.byFlag(cmd.Flags()), m.linkFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			return m.changeUser(cmd.Context(), db, args[0], func(u *access.User) (access.Change, string, error) { return u.InviteAgain(m.Now(), by()) }, link)
		})
	}
	return cmd
}

func (m *Main) usersDisable() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "disable NAME --why TEXT [flags]", Short: m.say(text{"End a user's access and sessions", "停用用户并结束其会话"}),
		Example: "  daozhang users disable zhao --why 'left the shop' --database /var/lib/daozhang", Args: m.oneUser(),
	}
	database, by := m.databaseFlag(cmd.Flags()), m.byFlag(cmd.Flags())
	cmd.Flags().StringVar(&why, "why", "", m.say(text{"the reason, a `TEXT` for the audit log", "原因 `TEXT`，记入审计日志"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if why == "" {
			return usage(cmd, fault.Say("say why: --why", "请说明原因：--why"))
		}
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			return m.changeUser(cmd.Context(), db, args[0], func(u *access.User) (access.Change, string, error) {
				c, err := u.Disable(m.Now(), by(), why)
				return c, "", err
			}, nil)
		})
	}
	return cmd
}

func (m *Main) usersEnable() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enable NAME [flags]", Short: m.say(text{"Let a disabled user in again, by a new one-time link", "重新启用用户，并发出一次性链接"}),
		Example: "  daozhang users enable zhao --database /var/lib/daozhang", Args: m.oneUser(),
	}
	database, by, link := m.databaseFlag(cmd.Flags()), m.byFlag(cmd.Flags()), m.linkFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.withPeople(cmd, *database, func(db *store.Store) error {
			return m.changeUser(cmd.Context(), db, args[0], func(u *access.User) (access.Change, string, error) { return u.Enable(m.Now(), by()) }, link)
		})
	}
	return cmd
}
