package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/fault"
	"daozhang/internal/score"
)

// score compares answers with the truth of a simulated world.
func (m *Main) score() *cobra.Command {
	var truth, misses string
	var output *oneOf
	cmd := &cobra.Command{
		Use:   "score --truth truth.ndjson [MOMENT=]ANSWERS… [flags]",
		Short: m.say(text{"Compare answers with the truth of a simulated world", "把结果与模拟世界的真相对比打分"}),
		Long: m.say(text{
			"Answers are what `daozhang check -o json` or `-o ndjson` prints. JSON says its moment itself; for NDJSON put\n" +
				"the moment before the file's name, as 2026-03-03T12:00:00+08:00=answers.ndjson, unless the truth has only one.",
			"结果为 daozhang check -o json 或 -o ndjson 的输出。JSON 自带时刻；NDJSON 请在文件名前写明时刻，\n" +
				"如 2026-03-03T12:00:00+08:00=answers.ndjson（真相只有一个时刻时可省略）。"}),
		Example: "  daozhang simulate --seed 7 --out world/\n" +
			"  daozhang check world/evidence.ndjson --as-of 2026-04-22T12:00:00+08:00 -o json --out noon.json\n" +
			"  daozhang score --truth world/truth.ndjson noon.json",
		Args: need(1, -1, text{"name at least one file of answers, or - for standard input", "请至少给出一个结果文件，标准输入写 -"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&truth, "truth", "", m.say(text{"the world's truth", "模拟世界的真相文件"}))
	f.StringVar(&misses, "misses", "", m.say(text{"write every wrong field with both sides to this file", "把每一处不符连同双方内容写入该文件"}))
	output = choice(f, "output", "o", "table", m.say(text{"form of the figures", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if truth == "" {
			return usage(cmd, m.say(text{"name the truth with --truth", "请用 --truth 指定真相文件"}))
		}
		in, err := os.Open(truth)
		if err != nil {
			return fault.New(fault.NotFound, "score", truth, err, "")
		}
		defer in.Close()
		s, err := score.New(in)
		if err != nil {
			return fault.New(fault.Invalid, "score", truth, err, "")
		}
		if misses != "" {
			out, err := os.Create(misses)
			if err != nil {
				return fault.New(fault.Internal, "score", misses, err, "")
			}
			w := bufio.NewWriter(out)
			enc := json.NewEncoder(w)
			s.OnMiss = func(miss score.Miss) { _ = enc.Encode(miss) }
			defer func() {
				if ferr := w.Flush(); err == nil && ferr != nil {
					err = ferr
				}
				if cerr := out.Close(); err == nil && cerr != nil {
					err = cerr
				}
			}()
		}
		for _, arg := range args {
			name, asOf := arg, time.Time{}
			if before, after, ok := strings.Cut(arg, "="); ok {
				if at, err := time.Parse(time.RFC3339, before); err == nil {
					name, asOf = after, at
				}
			}
			var r io.Reader = m.Stdin
			if name != "-" {
				file, err := os.Open(name)
				if err != nil {
					return fault.New(fault.NotFound, "score", name, err, "")
				}
				defer file.Close()
				r = file
			}
			if err := s.Read(r, asOf); err != nil {
				return fault.New(fault.Invalid, "score", name, err, "")
			}
		}
		result := s.Result()
		return m.deliver("", func(w io.Writer) error {
			if output.value == "json" {
				enc := json.NewEncoder(w)
				enc.SetIndent("", "  ")
				return enc.Encode(result)
			}
			return m.showScore(w, &result)
		})
	}
	return cmd
}

// showScore prints the figures beside their bars.
func (m *Main) showScore(w io.Writer, r *score.Result) error {
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"figure", "指标"}), m.say(text{"value", "数值"}), m.say(text{"of", "样本"}), m.say(text{"bar", "目标"})})
	share := func(name string, x score.Ratio, bar string) {
		t.AppendRow(table.Row{name, fmt.Sprintf("%.3f %%", 100*x.Share()), x.All, bar})
	}
	share("stage", r.Stage, "≥ 99.9 %")
	share("status", r.Status, "≥ 99.9 %")
	share("cardholder", r.Cardholder, "≥ 99.9 %")
	share("party", r.Party, "≥ 99 %")
	share(m.say(text{"cause, evidence suffices", "原因（证据充分）"}), r.Cause, "≥ 99 %")
	share(m.say(text{"cause, evidence does not", "原因（证据不足）"}), r.CauseOpen, "≥ 95 %")
	t.AppendRow(table.Row{m.say(text{"confident wrong cause", "高置信度错误"}), fmt.Sprintf("%.3f %%", 100*r.ConfidentWrong), r.CauseOpen.All, "≤ 0.5 %"})
	t.AppendRow(table.Row{m.say(text{"false arrived", "误报到账"}), r.FalseArrived, "", "0"})
	t.AppendRow(table.Row{m.say(text{"arrived without entry", "无银行入账却称到账"}), r.ArrivedWithoutEntry, "", "0"})
	t.AppendRow(table.Row{m.say(text{"missed overdue", "漏报逾期"}), r.MissedOverdue, "", ""})
	share(m.say(text{"arrival inside, in transit", "到账区间命中（在途）"}), r.InTransit.Ratio, "≥ 95 %")
	t.AppendRow(table.Row{m.say(text{"median width, in transit", "区间中位宽度（在途）"}), fmt.Sprintf("%.1f h", r.InTransit.MedianHours), "", ""})
	share(m.say(text{"arrival inside, others", "到账区间命中（其他）"}), r.Others.Ratio, "≥ 80 %")
	t.AppendRow(table.Row{m.say(text{"median width, others", "区间中位宽度（其他）"}), fmt.Sprintf("%.1f h", r.Others.MedianHours), "", ""})
	t.AppendRow(table.Row{m.say(text{"calibration error", "校准误差"}), fmt.Sprintf("%.4f", r.Calibration.ECE), r.Calibration.Answers, "≤ 0.03"})
	t.AppendRow(table.Row{m.say(text{"Brier score", "Brier 分数"}), fmt.Sprintf("%.4f", r.Calibration.Brier), r.Calibration.Answers, ""})
	share(m.say(text{"incident: together", "同一故障归入同一事件"}), r.IncidentsTogether, "≥ 98 %")
	share(m.say(text{"incident: purity", "事件纯度"}), r.IncidentPurity, "≥ 99.5 %")
	t.AppendRow(table.Row{m.say(text{"truths not answered", "未作答"}), r.NotAnswered, r.Truths, "0"})
	causes := plainTable()
	causes.AppendHeader(table.Row{m.say(text{"cause", "原因"}), m.say(text{"right", "正确率"}), m.say(text{"of", "样本"})})
	for _, c := range r.PerCause {
		causes.AppendRow(table.Row{c.Code, fmt.Sprintf("%.1f %%", 100*c.Share()), c.All})
	}
	wrong := plainTable()
	wrong.AppendHeader(table.Row{m.say(text{"truth", "真相"}), m.say(text{"answer", "结果"}), m.say(text{"count", "笔数"})})
	for _, c := range r.Confusion[:min(40, len(r.Confusion))] {
		wrong.AppendRow(table.Row{c.Truth, c.Answer, c.Count})
	}
	bins := plainTable()
	bins.AppendHeader(table.Row{m.say(text{"confidence", "置信度"}), m.say(text{"right", "正确率"}), m.say(text{"of", "样本"})})
	for _, b := range r.Calibration.Bins {
		bins.AppendRow(table.Row{fmt.Sprintf("%.3f", b.Confidence), fmt.Sprintf("%.3f", b.Right), b.Answers})
	}
	_, err := fmt.Fprintf(w, "%s\n\n%s\n\n%s\n\n%s\n", t.Render(), causes.Render(), wrong.Render(), bins.Render())
	return err
}
