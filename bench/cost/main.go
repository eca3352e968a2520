// Command cost measures what the diagnosis adds to an answer: it reads the files
// of the benchmark, answers with and without it in turn, each time from reading
// to the last line written, and prints the medians and their ratio.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

func main() {
	dir := flag.String("dir", "", "`folder` that bench/gen has written")
	asOf := flag.String("as-of", "2026-03-18T12:00:00+08:00", "`moment` of the question")
	runs := flag.Int("runs", 5, "measured runs of each, after one warm-up")
	most := flag.Float64("most", 0, "exit with 1 where the diagnosis adds more `percent` of processor time; 0: never")
	flag.Parse()
	at, err := time.Parse(time.RFC3339, *asOf)
	fail(err)
	if *dir == "" || *runs < 1 {
		fmt.Fprintln(os.Stderr, "usage: cost -dir FOLDER [-runs 5] [-most 30]")
		os.Exit(2)
	}
	var times, used [2][]time.Duration // with, without: wall and processor time
	for n := range *runs + 1 {
		for k, skip := range [2]bool{false, true} {
			before := processor()
			took, payments := run(*dir, at, skip)
			if n > 0 {
				times[k] = append(times[k], took)
				used[k] = append(used[k], processor()-before)
			} else if !skip {
				fmt.Printf("%d payments, %d processors\n", payments, runtime.GOMAXPROCS(0))
			}
		}
	}
	adds := 0.0
	for _, row := range []struct {
		what string
		of   [2][]time.Duration
	}{{"wall", times}, {"processor", used}} {
		with, without := middle(row.of[0]), middle(row.of[1])
		adds = 100 * (float64(with)/float64(without) - 1)
		fmt.Printf("%-9s  with the diagnosis %v (%v to %v), without %v (%v to %v): it adds %.1f %%\n", row.what,
			round(with), round(slices.Min(row.of[0])), round(slices.Max(row.of[0])),
			round(without), round(slices.Min(row.of[1])), round(slices.Max(row.of[1])), adds)
	}
	if *most > 0 && adds > *most {
		os.Exit(1)
	}
}

// run answers once, from the files to the last line.
func run(dir string, at time.Time, skip bool) (time.Duration, int) {
	runtime.GC()
	begun := time.Now()
	set := evidence.NewSet()
	var paths []string
	for _, name := range []string{"pos.csv", "settlement.csv", "statement.xml", "terms.ndjson"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	_, err := format.Load(context.Background(), paths, format.Options{}, registry.All(), set, func(int64, int64) {})
	fail(err)
	_, offset := at.Zone()
	a, err := investigation.Investigate(set, evidence.InstantOf(at), int16(offset/60), investigation.Options{SkipDiagnosis: skip})
	fail(err)
	fail(report.Write(io.Discard, "ndjson", a, report.Options{Lang: "en", AdviceCode: true}))
	return time.Since(begun), a.Len()
}

// processor gives the processor time used so far, which other work on the machine
// moves less than the wall's.
func processor() time.Duration {
	var u syscall.Rusage
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func middle(list []time.Duration) time.Duration {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}
