package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/format/registry"
	"daozhang/internal/report"
)

// causes shows the catalogue of causes.
func (m *Main) causes() *cobra.Command {
	return &cobra.Command{
		Use:   "causes [CODE]",
		Short: m.say(text{"List the causes why money has not arrived, or show one", "列出未到账的原因，或查看其中一个"}),
		Long: m.say(text{
			"Without CODE, every cause of the catalogue: its code, title, the legs it acts on and who acts.\nWith CODE, one cause in both languages: what it means, what to check, and the advice to each reader.",
			"不带代码时列出全部原因：代码、名称、所在环节和处理方。\n带代码时以中英文显示该原因：含义、如何核实、给各方的建议。"}),
		Example: "  daozhang causes\n  daozhang causes payout.returned",
		Args:    need(0, 1, text{"name one cause at most", "最多给出一个原因代码"})(m),
		RunE: func(cmd *cobra.Command, args []string) error {
			catalogue, err := diagnosis.Load()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return m.deliver("", func(w io.Writer) error { return m.listCauses(w, catalogue) })
			}
			c := catalogue.Cause(args[0])
			if c == nil {
				return fault.New(fault.NotFound, fault.Same("causes"), args[0], fault.Say("there is no such cause", "没有这个原因代码"), near(catalogue, args[0]))
			}
			return m.deliver("", func(w io.Writer) error { return showCause(w, c) })
		},
	}
}

func (m *Main) listCauses(w io.Writer, catalogue *diagnosis.Catalogue) error {
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"code", "代码"}), m.say(text{"title", "名称"}), m.say(text{"leg", "环节"}), m.say(text{"who acts", "处理方"})})
	for _, c := range catalogue.Causes() {
		var legs []string
		for _, l := range c.Legs {
			legs = append(legs, report.LegWord(l).In(m.lang))
		}
		t.AppendRow(table.Row{c.Code, c.Title.In(m.lang), strings.Join(legs, m.say(text{", ", "、"})), report.PartyWord(c.Party).In(m.lang)})
	}
	return writeTable(w, t)
}

// writeTable writes a table without spaces at the ends of its lines.
func writeTable(w io.Writer, t table.Writer) error {
	for line := range strings.SplitSeq(t.Render(), "\n") {
		if _, err := io.WriteString(w, strings.TrimSpace(line)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// plainTable is a table without lines, whose columns align also where
// characters are wide.
func plainTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = 0
	return t
}

// showCause prints one cause in both languages.
func showCause(w io.Writer, c *diagnosis.Cause) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n\n", c.Code, c.Title.EN, c.Title.ZH)
	fmt.Fprintf(&b, "legs %s · who acts %s", strings.Join(c.Legs, ", "), c.Party)
	legs := make([]string, 0, len(c.PartyByLeg))
	for leg := range c.PartyByLeg {
		legs = append(legs, leg)
	}
	sort.Strings(legs)
	for _, leg := range legs {
		fmt.Fprintf(&b, ", on %s %s", leg, c.PartyByLeg[leg])
	}
	b.WriteString("\n")
	for _, part := range []struct {
		title string
		text  diagnosis.Text
	}{
		{"why 原因", c.Why}, {"check 核实", c.Check}, {"to the cardholder 致持卡人", c.Advice.Cardholder},
		{"to the merchant 致商户", c.Advice.Merchant}, {"to the institution 致机构", c.Advice.Institution},
	} {
		if part.text.EN != "" {
			fmt.Fprintf(&b, "\n%s\n  %s\n  %s\n", part.title, part.text.EN, part.text.ZH)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// near names the causes a wrong code may mean.
func near(catalogue *diagnosis.Catalogue, code string) fault.Text {
	family, _, _ := strings.Cut(code, ".")
	var some []string
	for _, c := range catalogue.Causes() {
		if strings.HasPrefix(c.Code, family+".") || strings.Contains(c.Code, code) {
			some = append(some, c.Code)
		}
	}
	if len(some) == 0 {
		return fault.Say("`daozhang causes` lists all", "`daozhang causes` 列出全部原因")
	}
	return fault.Say("perhaps %s", "是否指：%s", strings.Join(some, ", "))
}

// formats lists what files can be read.
func (m *Main) formats() *cobra.Command {
	return &cobra.Command{
		Use:   "formats",
		Short: m.say(text{"List the files that can be read", "列出可以读取的文件格式"}),
		Long: m.say(text{
			"Formats are told by content, in this order; a file's name never matters. Tables that none of them knows\nare read by the names of their columns, or by a mapping file (--mapping).",
			"格式按内容依次识别，与文件名无关。都不认识的表格按列名读取，或用映射文件（--mapping）说明。"}),
		Example: "  daozhang formats",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := plainTable()
			t.AppendHeader(table.Row{m.say(text{"format", "格式"}), m.say(text{"what it is", "说明"})})
			seen := map[string]bool{}
			for _, f := range registry.All() {
				if !seen[f.Name] { // one format may come in several layouts
					t.AppendRow(table.Row{f.Name, f.Title.In(m.lang)})
				}
				seen[f.Name] = true
			}
			return m.deliver("", func(w io.Writer) error {
				return writeTable(w, t)
			})
		},
	}
}
