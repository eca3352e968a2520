//go:build linux

package console_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// world is the evidence of a simulated world that has traded until today, with the
// troubles of an ordinary week.
type world struct {
	evidence string    // file
	until    time.Time // facts of later are left out
}

// tradingDays is how many days the world trades; the last of them is today.
const tradingDays = 12

// openWorld makes the world, or takes the one that a run of today has left in dir.
func openWorld(t *testing.T, binary, dir string, payments int) *world {
	t.Helper()
	now := time.Now()
	first := now.AddDate(0, 0, 1-tradingDays)
	out := filepath.Join(dir, fmt.Sprintf("world-%d-%s", payments, first.Format("0102")))
	w := &world{evidence: filepath.Join(out, "evidence.ndjson"), until: now}
	if _, err := os.Stat(w.evidence); err == nil {
		return w
	}
	begun := time.Now()
	// What is being written bears another name, so that a run that was broken off leaves no half a world.
	cmd := exec.Command(binary, "simulate", "--seed", "20260101", "--payments", strconv.Itoa(payments), "--merchants", "400", "--days", strconv.Itoa(tradingDays),
		"--from", first.Format(time.DateOnly), "--out", out+".part")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("simulate: %v\n%s", err, said)
	}
	_ = os.Remove(filepath.Join(out+".part", "truth.ndjson"))
	if err := os.Rename(out+".part", out); err != nil {
		t.Fatal(err)
	}
	t.Logf("a world after %.0f s", time.Since(begun).Seconds())
	return w
}

// loadPage is how many facts are read and written together.
const loadPage = 40_000

// load fills a database with the facts of the world that are known by now, as the
// API's evidence operation does, and gives their number. One that was filled today is
// taken as it is.
func (w *world) load(t *testing.T, database string) int {
	t.Helper()
	ctx := context.Background()
	done := database + ".loaded"
	if b, err := os.ReadFile(done); err == nil {
		if n, _ := strconv.Atoi(strings.TrimSpace(string(b))); n > 0 {
			return n
		}
	}
	if err := os.RemoveAll(database); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	db, err := store.Open(ctx, store.Options{Database: database, Node: "node-1", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(w.evidence)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		page, err := lines(in, loadPage)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		added, err := w.append(ctx, db, page)
		if err != nil {
			t.Fatal(err)
		}
		n += added
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(database, "://") {
		if err := os.WriteFile(done, []byte(strconv.Itoa(n)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// lines gives up to most lines, none at the end.
func lines(in *bufio.Reader, most int) ([]byte, error) {
	var page bytes.Buffer
	for range most {
		line, err := in.ReadSlice('\n')
		page.Write(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return page.Bytes(), nil
}

// append writes a page of facts, each merchant's in one step.
func (w *world) append(ctx context.Context, db *store.Store, page []byte) (int, error) {
	set := evidence.NewSet()
	var refused error
	err := evidence.ReadNDJSON(bytes.NewReader(page), set.Writer(set.AddFile("world")), func(line int, why fault.Text) {
		refused = fmt.Errorf("line %d of the world: %s", line, why.EN)
	})
	if err = errors.Join(err, refused); err != nil {
		return 0, err
	}
	steps := map[string]*payment.Step{}
	n := 0
	for ref, f := range set.All {
		at := f.Time.In(time.UTC)
		if at.After(w.until) {
			continue
		}
		mid := set.Text(ref, evidence.MID)
		if steps[mid] == nil {
			steps[mid] = &payment.Step{MID: mid, At: at}
		}
		s := steps[mid]
		s.Evidence = append(s.Evidence, payment.Evidence{Source: set.Words.Text(f.Source), ID: set.Words.Text(f.ID), Type: f.Type, Time: at, MID: mid, Line: set.AppendJSON(nil, ref)})
		n++
	}
	errs := make(chan error, len(steps))
	for _, s := range steps { // at once, so that they share groups
		go func() { errs <- db.Commit(ctx, s) }()
	}
	for range len(steps) {
		err = errors.Join(err, <-errs)
	}
	return n, err
}
