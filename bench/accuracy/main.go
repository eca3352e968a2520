// Command accuracy measures how well daozhang answers: it lets the command make
// simulated worlds, asks it about each at every moment of which the truth
// speaks, has the answers scored, and writes the figures beside their bars as
// Markdown. It uses the command line alone, as anyone could by hand.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// setting is one kind of world.
type setting struct {
	name string
	// flags of daozhang simulate, without seed and folder
	flags []string
}

// settings are the kinds of worlds in docs/accuracy.md. Each gets seeds of its
// own.
var settings = []setting{
	{"usual", strings.Fields("--payments 20000 --days 10 --merchants 40")},
	{"usual, longer", strings.Fields("--payments 20000 --days 30 --merchants 40")},
	{"three days", strings.Fields("--payments 8000 --days 3 --merchants 40")},
	{"many merchants", strings.Fields("--payments 30000 --days 8 --merchants 300")},
	{"few merchants", strings.Fields("--payments 12000 --days 12 --merchants 9")},
	{"three times the trouble", strings.Fields("--payments 15000 --days 10 --merchants 40 --trouble 300")},
	{"much evidence lost", strings.Fields("--payments 15000 --days 10 --merchants 40 --loss 20")},
	{"trouble and loss", strings.Fields("--payments 15000 --days 10 --merchants 40 --trouble 300 --loss 10")},
	{"T0 and D0 only", strings.Fields("--payments 12000 --days 10 --merchants 30 --cycles T0,D0")},
	{"T2, D1 and D3 only", strings.Fields("--payments 12000 --days 10 --merchants 30 --cycles T2,D1,D3")},
	{"hardly any trouble", strings.Fields("--payments 12000 --days 10 --merchants 30 --trouble 10 --loss 0")},
}

func main() {
	var (
		binary = flag.String("daozhang", "daozhang", "the `command` to measure")
		dir    = flag.String("dir", "", "`folder` for worlds and answers; none: a temporary one")
		first  = flag.Uint64("first", 1, "`seed` of the first world; each has the next")
		rounds = flag.Int("rounds", 1, "worlds of each setting")
		extra  = flag.String("flags", "", "flags of one setting, in place of the list")
		only   = flag.String("only", "", "settings whose name holds this `word`")
		out    = flag.String("o", "", "`file` to write; none: standard output")
		keep   = flag.Bool("misses", false, "write misses.ndjson beside each world")
		strict = flag.Bool("strict", false, "exit with 1 where a bar is missed")
	)
	flag.Parse()
	list := settings
	if *extra != "" {
		list = []setting{{*extra, strings.Fields(*extra)}}
	}
	if *dir == "" {
		tmp, err := os.MkdirTemp("", "daozhang-accuracy")
		fail(err)
		defer os.RemoveAll(tmp)
		*dir = tmp
	}
	var worlds []world
	seed := *first
	for range *rounds {
		for _, s := range list {
			at := seed
			seed++
			if !strings.Contains(s.name, *only) {
				continue
			}
			w := world{setting: s, seed: at, dir: filepath.Join(*dir, fmt.Sprintf("w%d", at))}
			fail(w.run(*binary, *keep))
			fmt.Fprintln(os.Stderr, w.brief())
			worlds = append(worlds, w)
		}
	}
	var text bytes.Buffer
	missed := report(&text, worlds)
	if *out == "" {
		_, err := os.Stdout.Write(text.Bytes())
		fail(err)
	} else {
		fail(os.WriteFile(*out, text.Bytes(), 0o644))
	}
	if *strict && missed > 0 {
		fmt.Fprintf(os.Stderr, "%d figures miss their bar\n", missed)
		os.Exit(1)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

// world is one simulated world and what its answers scored.
type world struct {
	setting
	seed   uint64
	dir    string
	result result
}

// run makes the world, asks about it and scores the answers.
func (w *world) run(binary string, misses bool) error {
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"simulate", "--seed", strconv.FormatUint(w.seed, 10), "--out", w.dir}, w.flags...)
	if _, err := command(binary, args...); err != nil {
		return err
	}
	truth, evidence := filepath.Join(w.dir, "truth.ndjson"), filepath.Join(w.dir, "evidence.ndjson")
	moments, err := momentsOf(truth)
	if err != nil {
		return err
	}
	args = []string{"score", "--truth", truth, "-o", "json"}
	if misses {
		args = append(args, "--misses", filepath.Join(w.dir, "misses.ndjson"))
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	errs := make([]error, len(moments))
	for i, at := range moments {
		answer := filepath.Join(w.dir, "answer."+strconv.Itoa(i)+".json")
		args = append(args, answer)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			_, errs[i] = command(binary, "check", evidence, "--as-of", at, "-o", "json", "--advice", "code", "--out", answer)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	figures, err := command(binary, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(figures, &w.result)
}

func command(binary string, args ...string) ([]byte, error) {
	var errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", binary, strings.Join(args, " "), err, errs.String())
	}
	return out, nil
}

// momentsOf lists the moments of which a truth speaks, in its order.
func momentsOf(path string) ([]string, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var list []string
	known := map[string]bool{}
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		var t struct {
			AsOf string `json:"as_of"`
		}
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !known[t.AsOf] {
			known[t.AsOf] = true
			list = append(list, t.AsOf)
		}
	}
}
