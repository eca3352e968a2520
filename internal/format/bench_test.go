//go:build unix

package format_test

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
)

// journalRows makes a journal in the contract's form, as bench/gen writes it.
func journalRows(n int) []byte {
	var b bytes.Buffer
	b.WriteString("time,mid,tid,batch,stan,rrn,auth_code,pan,kind,entry,result,response_code,amount,currency\n")
	for i := range n {
		x := uint32(i) * 2654435761
		fmt.Fprintf(&b, "2026-03-%02dT%02d:%02d:%02d+08:00,8983100581200%02d,T10%05d,%06d,%06d,6061%08d,%06d,622202******%04d,sale,chip,approved,00,%d,CNY\n",
			2+x%20, 8+x/20%14, x/280%60, x/16800%60, x%97, x%20000, 1+x%30, 1+i%999999, i, x%999999, x%10000, 100+x%500000)
	}
	return b.Bytes()
}

func settlementRows(n int) []byte {
	var b bytes.Buffer
	b.WriteString("time,mid,tid,rrn,stan,kind,gross,fee,net,currency,settlement_date,payout\n")
	for i := range n {
		x := uint32(i) * 2654435761
		gross := 100 + x%500000
		fee := gross * 38 / 10000
		fmt.Fprintf(&b, "2026-03-%02dT06:30:00+08:00,8983100581200%02d,T10%05d,6061%08d,%06d,sale,%d,%d,%d,CNY,2026-03-%02d,P202603%02d-%04d\n",
			3+x%20, x%97, x%20000, i, 1+i%999999, gross, fee, gross-fee, 3+x%20, 3+x%20, x%97)
	}
	return b.Bytes()
}

func benchmarkRead(b *testing.B, text []byte, rows, procs int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	began := cpuTime()
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := time.Now()
		set := evidence.NewSet()
		in := format.NewInput("bench.csv", text, format.Hints{})
		out := format.NewOut("bench.csv", set)
		f := format.Contract()
		if !f.Detect(&in.Head) {
			b.Fatal("not detected")
		}
		if err := f.Read(in, out); err != nil {
			b.Fatal(err)
		}
		if out.Source().Facts != rows {
			b.Fatal(out.Source(), out.Rejected()[:1])
		}
		best = min(best, time.Since(start))
	}
	// On a machine shared with others the best run and the processor's time say
	// more than the mean.
	b.ReportMetric(float64(best.Nanoseconds())/float64(rows), "best-ns/row")
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/float64(rows), "cpu-ns/row")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

// cpuTime is the processor time of this process so far, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkJournal reads POS journal rows on one core; the aim is 350 ns a row.
func BenchmarkJournal(b *testing.B) { benchmarkRead(b, journalRows(100_000), 100_000, 1) }

// BenchmarkSettlement reads settlement lines on one core.
func BenchmarkSettlement(b *testing.B) { benchmarkRead(b, settlementRows(100_000), 100_000, 1) }

// BenchmarkJournalTwoCores reads blocks side by side.
func BenchmarkJournalTwoCores(b *testing.B) { benchmarkRead(b, journalRows(100_000), 100_000, 2) }
