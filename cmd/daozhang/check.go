package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/report"
)

// check is the main job: files in, where every payment's money is out.
func (m *Main) check() *cobra.Command {
	var (
		in               input
		asOf, out, terms string
		failOn           []string
		output, advice   *oneOf
	)
	cmd := &cobra.Command{
		Use: "check FILES… [flags]",
		Short: m.say(text{"Say where every payment's money is",
			"查清每一笔款在哪里"}),
		Long: m.say(text{
			"Reads files, folders and globs, and standard input as -; .gz and .zip are opened in place. What each file is,\n" +
				"its content tells, not its name (see `daozhang formats`). Without terms, cycle, cut-off and fee are inferred\n" +
				"from the settled history where it shows them, and the answer says so.\n\n" +
				"Exit codes: 0 done, 1 failed, 2 usage, 3 no such file, 6 done and some input refused, 7 --fail-on met.",
			"读取文件、文件夹、通配符以及标准输入（-），.gz 和 .zip 直接打开。文件类型按内容识别，与文件名无关\n" +
				"（见 daozhang formats）。没有约定文件时，会从已结算记录推断结算周期、日切和费率，并加以说明。\n\n" +
				"退出码：0 完成，1 失败，2 用法错误，3 文件不存在，6 完成但有输入未采用，7 满足 --fail-on 条件。"}),
		Example: `  daozhang check pos.csv settlement.csv statement.xml
  daozhang check examples/corner-shop --as-of 2026-03-09T10:00:00+08:00 --lang zh
  daozhang check march/ --terms terms.yaml -o html --out march.html
  cat evidence.ndjson | daozhang check - -o ndjson --advice code --fail-on overdue`,
		Args: need(1, -1, text{"name at least one file or folder, or - for standard input", "请至少给出一个文件或文件夹，标准输入写 -"})(m),
	}
	in.flags(m, cmd)
	f := cmd.Flags()
	output = choice(f, "output", "o", "", m.say(text{"form of the answer (default: by the name of --out, else table)", "结果形式（默认按 --out 的文件名，否则为 table）"}), report.Formats()...)
	advice = choice(f, "advice", "", "full", m.say(text{"advice in JSON and NDJSON in full, or by the cause's code alone", "JSON、NDJSON 中的建议：全文，或仅给原因代码"}), "full", "code")
	f.StringVar(&asOf, "as-of", "", m.say(text{"`MOMENT` of the question: a time, a date (its end) or now (default: now)", "以哪一时刻 `MOMENT` 为准：时间、日期（当天终了）或 now（默认现在）"}))
	f.StringVar(&out, "out", "", m.say(text{"write the answer to `FILE`", "把结果写入文件 `FILE`"}))
	f.StringVar(&terms, "write-terms", "", m.say(text{"write the terms that were inferred to `FILE`, for you to correct", "把推断出的约定写入文件 `FILE`，供您更正"}))
	f.StringSliceVar(&failOn, "fail-on", nil, m.say(text{"exit with 7 when any payment has this `STATUS`, such as overdue", "有处于该状态 `STATUS`（如 overdue）的款项时以退出码 7 结束"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		form, err := m.form(output.value, out)
		if err != nil {
			return err
		}
		if err := knownStatuses(cmd, failOn); err != nil {
			return err
		}
		when, err := asOfFlag(asOf)
		if err != nil {
			return err
		}
		set, loaded, err := m.load(cmd.Context(), cmd, &in, args)
		if err != nil {
			return err
		}
		a, err := m.investigate(set, loaded, when)
		if err != nil {
			return err
		}
		opts := m.reportOptions(out == "" || out == "-")
		opts.AdviceCode = advice.value == "code"
		if err := m.deliver(out, func(w io.Writer) error { return report.Write(w, form, a, opts) }); err != nil {
			return err
		}
		if terms != "" {
			if err := m.deliver(terms, func(w io.Writer) error { return writeTerms(w, a) }); err != nil {
				return err
			}
			m.line(fmt.Sprintf(m.say(text{"daozhang: the terms of %d merchants are in %s; correct them and hand them in with --terms",
				"daozhang：%d 个商户的约定已写入 %s，请更正后用 --terms 交回"}), len(a.Inferred), terms))
		}
		// A table names what was refused itself.
		rejected := m.refused(loaded.Rejected, form != "table" || out != "" && out != "-")
		m.warned(loaded.Warnings, form != "table" || out != "" && out != "-")
		if n := failing(a, failOn); n > 0 {
			m.line(fmt.Sprintf(m.say(text{"daozhang: %d payments are %s", "daozhang：有 %d 笔处于 %s 状态"}), n, strings.Join(failOn, ", ")))
			return fault.New(fault.FailOn, "", "", nil, "")
		}
		return rejected
	}
	return cmd
}

// form is the form of the answer: the one named, else by the name of the file
// it goes to.
func (m *Main) form(output, out string) (string, error) {
	if output == "" {
		output = "table"
		if ext := strings.TrimPrefix(filepath.Ext(out), "."); slices.Contains(report.Formats(), ext) {
			output = ext
		} else if ext == "htm" {
			output = "html"
		}
	}
	if _, terminal := m.Terminal(m.Stdout); output == "xlsx" && (out == "" || out == "-") && terminal {
		return "", fault.New(fault.Usage, fault.Same("check"), "-o xlsx", fault.Say("a spreadsheet cannot be shown on a terminal", "电子表格不能显示在终端上"), fault.Say("name a file: --out answer.xlsx", "请指定文件：--out answer.xlsx"))
	}
	return output, nil
}

// reportOptions are the reader's language and what the terminal can show.
func (m *Main) reportOptions(toStdout bool) report.Options {
	o := report.Options{Lang: m.lang}
	if width, ok := m.Terminal(m.Stdout); ok && toStdout {
		o.Width = width
		o.Color = m.Getenv("NO_COLOR") == "" && m.Getenv("TERM") != "dumb"
	}
	return o
}

// investigate answers from what was read.
func (m *Main) investigate(set *evidence.Set, loaded *format.Loaded, when moment) (*investigation.Answer, error) {
	now := m.Now()
	_, seconds := now.In(m.Zone).Zone()
	at, offset := when.in(zoneOf(set, int16(seconds/60)), now)
	a, err := investigation.Investigate(set, at, offset, investigation.Options{})
	if err != nil {
		return nil, err
	}
	for _, s := range loaded.Sources {
		a.Sources = append(a.Sources, investigation.Source{File: s.File, Format: s.Format, Facts: s.Facts, Rejected: s.Rejected, From: s.From, To: s.To})
	}
	for _, n := range loaded.Rejected {
		a.Rejected = append(a.Rejected, investigation.Rejection(n))
	}
	for _, n := range loaded.Warnings {
		a.Warnings = append(a.Warnings, investigation.Warning{File: n.File, Line: n.Line, Why: n.Why})
	}
	return a, nil
}

// warned tells on Stderr what was read but does not fit.
func (m *Main) warned(warnings []format.Note, list bool) {
	if !list {
		return
	}
	for i, n := range warnings {
		if i == toldAtMost {
			m.line(fmt.Sprintf(m.say(text{"… and %d more warnings; -o json lists all", "……另有 %d 条提醒，-o json 会全部列出"}), len(warnings)-toldAtMost))
			return
		}
		m.line(m.place(n.File, n.Line) + m.say(text{"warning: ", "提醒："}) + n.Why.In(m.lang))
	}
}

// knownStatuses checks the words of --fail-on.
func knownStatuses(cmd *cobra.Command, words []string) error {
	var names []string
	for _, s := range journey.Statuses() {
		names = append(names, s.String())
	}
	for _, w := range words {
		if !slices.Contains(names, w) {
			return usage(cmd, fault.Say("--fail-on must be a status: %s", "--fail-on 须为状态之一：%s", strings.Join(names, ", ")))
		}
	}
	return nil
}

// failing counts the payments in one of the statuses.
func failing(a *investigation.Answer, statuses []string) int {
	n := 0
	if len(statuses) == 0 {
		return 0
	}
	for _, by := range a.Totals().Summary {
		for status, sum := range by {
			if slices.Contains(statuses, status.String()) {
				n += sum.Count
			}
		}
	}
	return n
}
