package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/fault"
	"daozhang/internal/store"
)

// keysNode is the name under which the keys command writes, so that it can while
// the server runs on the same database.
const keysNode = "keys"

// keys manages the keys of the HTTP surface.
func (m *Main) keys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: m.say(text{"API keys: add, list, revoke", "API 密钥：新增、列出、吊销"}),
		Long: m.say(text{
			"A key has a role, and the role says which facts it may bring: nobody but a bank can say what a bank says.\n" +
				"Roles: " + strings.Join(api.Roles(), ", ") + ". Only a hash of the key is kept.\n" +
				"It works while the server runs; a key holds, or has ended, from the next request on.",
			"每个密钥有一个角色，角色决定它能提交哪类事实：银行的话只有银行能说。\n" +
				"角色：" + strings.Join(api.Roles(), "、") + "。系统只保存密钥的哈希。\n" +
				"服务运行期间即可操作；新增或吊销从下一个请求起生效。"}),
		Example: "  daozhang keys add --role bank --name icbc --source 'bank/ICBC*' --database /var/lib/daozhang\n" +
			"  daozhang keys list --database /var/lib/daozhang\n  daozhang keys revoke k3f9a2c17 --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fmt.Sprintf("there is no command %q", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.keysAdd(), m.keysList(), m.keysRevoke())
	return cmd
}

func (m *Main) openKeys(cmd *cobra.Command, database string) (*store.Store, error) {
	address, err := m.databaseOf(cmd, nil, database)
	if err != nil {
		return nil, err
	}
	return store.Open(cmd.Context(), store.Options{Database: address, Node: keysNode, Migrate: true, Registers: true})
}

func (m *Main) keysAdd() *cobra.Command {
	var role, name, mid string
	var sources []string
	cmd := &cobra.Command{
		Use:   "add [flags]",
		Short: m.say(text{"Make a key and print it, once", "生成密钥并只显示一次"}),
		Example: "  daozhang keys add --role institution --name desk --database /var/lib/daozhang\n" +
			"  daozhang keys add --role merchant --mid 898310058120001 --source till/shop-1 --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	f.StringVar(&role, "role", "", m.say(text{"`ROLE`: ", "角色 `ROLE`："})+strings.Join(api.Roles(), ", "))
	f.StringVar(&name, "name", "", m.say(text{"`NAME` by which people know it", "便于辨认的名称 `NAME`"}))
	f.StringVar(&mid, "mid", "", m.say(text{"the only merchant `NUMBER` that it may see and speak for", "只限该商户号 `NUMBER`"}))
	f.StringArrayVar(&sources, "source", nil, m.say(text{"`SOURCE` under which it may bring facts; a star at the end stands for the rest", "可提交事实的来源 `SOURCE`，末尾 * 表示前缀"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k := access.Key{Name: name, Role: role, MID: mid, Sources: sources}
		if err := checkKey(&k); err != nil {
			return usage(cmd, m.say(text{fault.TextOf(err).EN, fault.TextOf(err).In("zh")}))
		}
		db, err := m.openKeys(cmd, *database)
		if err != nil {
			return err
		}
		made, secret, err := (&keyDesk{db: db, now: m.Now}).MakeKey(cmd.Context(), k)
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		m.line(fmt.Sprintf(m.say(text{"daozhang: key %s; it is shown this once", "daozhang：密钥 %s，仅此一次显示"}), made.ID))
		return m.deliver("", func(w io.Writer) error {
			_, err := fmt.Fprintln(w, secret)
			return err
		})
	}
	return cmd
}

// newAPIKey makes an id and a secret of 256 bits.
func newAPIKey() (id, secret string, err error) {
	raw := make([]byte, 36)
	if _, err := rand.Read(raw); err != nil {
		return "", "", fault.New(fault.Internal, "make", "key", err, "")
	}
	return "k" + hex.EncodeToString(raw[:4]), "dz_" + base64.RawURLEncoding.EncodeToString(raw[4:]), nil
}

func (m *Main) keysList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List keys", "列出密钥"}), Example: "  daozhang keys list --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		db, err := m.openKeys(cmd, *database)
		if err != nil {
			return err
		}
		keys, err := db.Keys(cmd.Context())
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		t := plainTable()
		t.AppendHeader(table.Row{"id", m.say(text{"name", "名称"}), m.say(text{"role", "角色"}), m.say(text{"merchant", "商户"}), m.say(text{"sources", "来源"}),
			m.say(text{"created", "创建"}), m.say(text{"last used", "最近使用"}), m.say(text{"revoked", "吊销"})})
		const day = "2006-01-02 15:04"
		for _, k := range keys {
			used, revoked := "", ""
			if !k.Used.IsZero() {
				used = k.Used.In(m.Zone).Format(day)
			}
			if !k.Revoked.IsZero() {
				revoked = k.Revoked.In(m.Zone).Format(day)
			}
			t.AppendRow(table.Row{k.ID, k.Name, k.Role, k.MID, strings.Join(k.Sources, " "), k.Created.In(m.Zone).Format(day), used, revoked})
		}
		return m.deliver("", func(w io.Writer) error { return writeTable(w, t) })
	}
	return cmd
}

func (m *Main) keysRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID [flags]", Short: m.say(text{"End a key at once", "立即吊销密钥"}), Example: "  daozhang keys revoke k3f9a2c17 --database /var/lib/daozhang",
		Args: need(1, 1, text{"name the key's id", "请写密钥编号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		db, err := m.openKeys(cmd, *database)
		if err != nil {
			return err
		}
		return errors.Join(db.RevokeKey(cmd.Context(), args[0], m.Now()), db.Close())
	}
	return cmd
}
