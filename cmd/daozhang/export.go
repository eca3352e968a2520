package main

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"daozhang/internal/evidence"
)

// export writes what was read as evidence.
func (m *Main) export() *cobra.Command {
	var (
		in        input
		asOf, out string
	)
	cmd := &cobra.Command{
		Use:   "export FILES… [flags]",
		Short: m.say(text{"Write what was read as evidence, NDJSON", "把读到的内容导出为事实记录（NDJSON）"}),
		Long: m.say(text{
			"Writes one fact per line in the interchange form (CloudEvents 1.0). Reading it again gives the same facts\n" +
				"and so the same answer. With --as-of only the facts known at that moment, as they stood then.",
			"以交换格式（CloudEvents 1.0）每行写一条事实。重新读入得到相同的事实和结果。\n" +
				"给出 --as-of 时只导出当时已知的事实。"}),
		Example: "  daozhang export pos.csv settlement.csv > evidence.ndjson",
		Args:    need(1, -1, text{"name at least one file or folder, or - for standard input", "请至少给出一个文件或文件夹，标准输入写 -"})(m),
	}
	in.flags(m, cmd)
	cmd.Flags().StringVar(&asOf, "as-of", "", m.say(text{"only what was known at this `MOMENT`", "只导出该时刻 `MOMENT` 已知的内容"}))
	cmd.Flags().StringVar(&out, "out", "", m.say(text{"write to `FILE`", "写入文件 `FILE`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		when, err := asOfFlag(asOf)
		if err != nil {
			return err
		}
		set, loaded, err := m.load(cmd.Context(), cmd, &in, args)
		if err != nil {
			return err
		}
		set.Unify()
		view := set.Known(math.MaxInt64)
		if asOf != "" {
			_, seconds := m.Now().In(m.Zone).Zone()
			at, _ := when.in(zoneOf(set, int16(seconds/60)), m.Now())
			view = set.Known(at)
		}
		refs := facts(view, asOf == "")
		if err := m.deliver(out, func(w io.Writer) error { return writeFacts(w, set, refs) }); err != nil {
			return err
		}
		m.warned(loaded.Warnings, true)
		return m.refused(loaded.Rejected, true)
	}
	return cmd
}

// facts lists the facts of a view in order of time, source and id, so that the
// same evidence is written the same way in whatever order it was read; of
// conflicting versions the one that stands, or all.
func facts(view *evidence.View, all bool) []evidence.FactRef {
	var refs []evidence.FactRef
	for r := range view.Facts {
		refs = append(refs, r)
	}
	if all {
		for _, versions := range view.Conflicts() {
			for _, r := range versions {
				if !view.Counts(r, view.At(r)) {
					refs = append(refs, r)
				}
			}
		}
	}
	hashes := map[evidence.FactRef][32]byte{}
	slices.SortFunc(refs, func(a, b evidence.FactRef) int {
		if c := view.CompareTime(a, b); c != 0 || a == b {
			return c
		}
		for _, r := range []evidence.FactRef{a, b} { // versions of one fact
			if _, ok := hashes[r]; !ok {
				hashes[r] = view.ContentHash(r)
			}
		}
		x, y := hashes[a], hashes[b]
		return bytes.Compare(x[:], y[:])
	})
	return refs
}

// writeFacts writes facts, one event a line.
func writeFacts(w io.Writer, set *evidence.Set, refs []evidence.FactRef) error {
	out := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for _, r := range refs {
		line = append(set.AppendJSON(line[:0], r), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}
