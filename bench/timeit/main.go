// Command timeit runs one command and notes its time and memory, or sums up what was noted.
//
//	timeit -label A -log runs.ndjson -o out -- command arg…
//	timeit -report runs.ndjson -pairs "A/B;A/C"
//
// It needs nothing of the machine but the kernel's own accounting of a finished process.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// run is one measured run of one command.
type run struct {
	Label  string  `json:"label"`
	Wall   float64 `json:"wall_s"`
	User   float64 `json:"user_s,omitempty"`
	Sys    float64 `json:"sys_s,omitempty"`
	MaxRSS int64   `json:"maxrss_kib,omitempty"` // the most that was resident at once
	Exit   int     `json:"exit,omitempty"`
}

func main() {
	label := flag.String("label", "run", "name of the command in the log")
	log := flag.String("log", "", "file to add the measurement to, one JSON object a line (else standard error)")
	out := flag.String("o", "", "file for the command's standard output (else passed through)")
	allowed := flag.String("exit", "0", "exit codes, by comma, that count as success")
	report := flag.String("report", "", "sum up this log and stop")
	pairs := flag.String("pairs", "", "with -report: ratios A/B to give, by semicolon, run by run")
	flag.Parse()

	if *report != "" {
		if err := summarise(os.Stdout, *report, *pairs); err != nil {
			fatal(1, err)
		}
		return
	}
	if flag.NArg() == 0 {
		fatal(2, errors.New("usage: timeit [-label A] [-log runs.ndjson] [-o out] [-exit 0,6] -- command arg…"))
	}
	r, err := measure(flag.Args(), *out)
	if err != nil {
		fatal(1, err)
	}
	r.Label = *label
	if err := note(r, *log); err != nil {
		fatal(1, err)
	}
	if !strings.Contains(","+*allowed+",", fmt.Sprintf(",%d,", r.Exit)) {
		fatal(1, fmt.Errorf("%s: exit code %d, expected %s", flag.Arg(0), r.Exit, *allowed))
	}
}

func fatal(code int, err error) {
	fmt.Fprintln(os.Stderr, "timeit:", err)
	os.Exit(code)
}

// measure runs the command to its end. A command that cannot start is an error, one that fails is not.
func measure(args []string, out string) (r run, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if out != "" {
		// Each run meets a fresh file: truncating the old one costs time that is not the command's.
		if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
		f, err := os.Create(out)
		if err != nil {
			return r, err
		}
		defer f.Close()
		cmd.Stdout = f
	}
	started := time.Now()
	err = cmd.Run()
	r.Wall = time.Since(started).Seconds()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		return r, err
	}
	r.Exit = cmd.ProcessState.ExitCode()
	r.User = cmd.ProcessState.UserTime().Seconds()
	r.Sys = cmd.ProcessState.SystemTime().Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.MaxRSS = usage.Maxrss
	}
	return r, nil
}

// note adds one line to the log.
func note(r run, log string) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if log == "" {
		_, err = os.Stderr.Write(line)
		return err
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// summarise prints a line for each label, in order of appearance, and then the ratios.
func summarise(w io.Writer, log, pairs string) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	runs := map[string][]run{}
	var labels []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r run
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%s: %w", log, err)
		}
		if runs[r.Label] == nil {
			labels = append(labels, r.Label)
		}
		runs[r.Label] = append(runs[r.Label], r)
	}
	fmt.Fprintf(w, "%-28s %4s %9s %9s %9s %9s %9s\n", "", "runs", "min s", "median s", "max s", "cpu s", "RSS MiB")
	for _, label := range labels {
		var wall, cpu []float64
		var resident int64
		for _, r := range runs[label] {
			wall = append(wall, r.Wall)
			cpu = append(cpu, r.User+r.Sys)
			resident = max(resident, r.MaxRSS)
		}
		low, middle, high := spread(wall)
		_, busy, _ := spread(cpu)
		fmt.Fprintf(w, "%-28s %4d %9.2f %9.2f %9.2f", label, len(wall), low, middle, high)
		if resident > 0 {
			fmt.Fprintf(w, " %9.2f %9.0f", busy, float64(resident)/1024)
		}
		fmt.Fprintln(w)
	}
	for pair := range strings.SplitSeq(pairs, ";") {
		above, below, ok := strings.Cut(pair, "/")
		a, b := runs[above], runs[below]
		if !ok || len(a) == 0 || len(b) == 0 {
			continue
		}
		var ratios []float64
		for i := range min(len(a), len(b)) {
			ratios = append(ratios, a[i].Wall/b[i].Wall)
		}
		low, middle, high := spread(ratios)
		fmt.Fprintf(w, "%s : %s, pair by pair: median %.2f (%.2f to %.2f)\n", above, below, middle, low, high)
	}
	return nil
}
