package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"daozhang/internal/fault"
	"daozhang/internal/world/journal"
)

type record struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

func open(t testing.TB, path string, when journal.Sync) (*journal.Journal, []record, journal.Recovered) {
	t.Helper()
	var got []record
	j, found, err := journal.Open(path, when, func(line []byte) error {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		got = append(got, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, got, found
}

func TestKeepsOrderAndSharesWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "journal.ndjson")
	j, got, _ := open(t, path, journal.Always)
	if len(got) != 0 {
		t.Fatalf("a new journal has %d records", len(got))
	}
	const writers, each = 16, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(record{N: w*each + i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := j.Groups(); n > writers*each {
		t.Errorf("%d writes for %d records", n, writers*each)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := j.Append(record{}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	j, got, found := open(t, path, journal.Always)
	defer j.Close()
	if found.Records != writers*each || found.Torn != 0 {
		t.Errorf("recovered %+v", found)
	}
	last := map[int]int{}
	for _, r := range got {
		w := r.N / each
		if prev, ok := last[w]; ok && r.N <= prev {
			t.Errorf("record %d after %d", r.N, prev)
		}
		last[w] = r.N
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.ndjson")
	j, _, _ := open(t, path, journal.Never)
	_, _, err := journal.Open(path, journal.Never, nil)
	if err == nil || fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("opened twice: %v", err)
	}
	if err := j.Append(record{N: 1}); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := journal.Read(path, func([]byte) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("an observer read %d records: %v", n, err)
	}
	j.Close()
	j, got, _ := open(t, path, journal.Never)
	defer j.Close()
	if len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}

// A file cut at any byte gives back a prefix of its records and takes more; a
// byte changed before the last record is never read over.
func TestTornAndDamaged(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "j")
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-z"\\{},:0-9]{0,12}`), 1, 8).Draw(r, "texts")
		j, _, _ := open(t, path, journal.Never)
		var ends []int64
		for i, text := range texts {
			if err := j.Append(record{N: i, Text: text}); err != nil {
				r.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				r.Fatal(err)
			}
			ends = append(ends, info.Size())
		}
		j.Close()
		whole, err := os.ReadFile(path)
		if err != nil {
			r.Fatal(err)
		}

		cut := rapid.IntRange(0, len(whole)).Draw(r, "cut")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			r.Fatal(err)
		}
		want := 0
		for _, e := range ends {
			if int64(cut) >= e {
				want++
			}
		}
		j, got, found := open(t, path, journal.Never)
		if len(got) != want || (found.Torn > 0) != (want == 0 && cut > 0 || want > 0 && int64(cut) > ends[want-1]) {
			r.Fatalf("cut at %d of %v: %d records, torn %d", cut, ends, len(got), found.Torn)
		}
		if err := j.Append(record{N: 99}); err != nil {
			r.Fatal(err)
		}
		j.Close()
		j, got, found = open(t, path, journal.Never)
		j.Close()
		if len(got) != want+1 || got[want].N != 99 || found.Torn != 0 {
			r.Fatalf("after mending: %v, torn %d", got, found.Torn)
		}

		if len(ends) > 1 {
			at := rapid.IntRange(0, int(ends[len(ends)-2])-1).Draw(r, "damage")
			bad := slices.Clone(whole)
			bad[at] ^= 1 << rapid.IntRange(0, 6).Draw(r, "bit")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				r.Fatal(err)
			}
			_, _, err := journal.Open(path, journal.Never, func([]byte) error { return nil })
			if err == nil {
				r.Fatalf("damage at %d was read over", at)
			}
			if !strings.Contains(err.Error(), "damaged") || fault.HintOf(err) == "" {
				r.Fatalf("%v", err)
			}
		}
	})
}

func TestFailedWriteIsFinal(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no full device here")
	}
	j, _, _ := open(t, filepath.Join(t.TempDir(), "j"), journal.Never)
	defer j.Close()
	j.Replace(full)
	first := j.Append(record{N: 1})
	if first == nil {
		t.Fatal("a record was kept on a full disk")
	}
	if second := j.Append(record{N: 2}); second == nil {
		t.Error("a record was kept after one was lost")
	}
}

func TestUnusable(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := journal.Open(filepath.Join(dir, "j"), "sometimes", nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
	if _, err := journal.Read(filepath.Join(dir, "none"), nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(filepath.Join(dir, "file", "j"), "", nil); err == nil {
		t.Error("opened below a file")
	}
	j, _, _ := open(t, filepath.Join(dir, "k"), journal.Never)
	defer j.Close()
	for _, r := range []any{1, struct{}{}, make(chan int)} {
		if err := j.Append(r); err == nil {
			t.Errorf("%T was kept", r)
		}
	}
	if err := j.Append(record{N: 1}); err != nil {
		t.Errorf("a refused record stops the journal: %v", err)
	}
	_, err := journal.Read(filepath.Join(dir, "k"), func([]byte) error { return fmt.Errorf("no") })
	if err == nil || !strings.Contains(err.Error(), "k:1") {
		t.Errorf("%v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, when := range []journal.Sync{journal.Always, journal.Never} {
		b.Run(string(when), func(b *testing.B) {
			j, _, _ := open(b, filepath.Join(b.TempDir(), "j"), when)
			defer j.Close()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := j.Append(record{N: 1, Text: "a record of the usual length, near enough"}); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(j.Groups()), "records/write")
		})
	}
}

// TestForeignFile: what is no journal is refused and stays as it is; what a power
// cut leaves of a first record is mended.
func TestForeignFile(t *testing.T) {
	nothing := func([]byte) error { return nil }
	for content, foreign := range map[string]bool{
		"payouts: {}\n": true, "{\n \"a\": 1\n}\n": true, "\n": true, "text": true,
		`{"n":1,"te`: false, "\x00\x00\x00": false, "{\"n\":1\x00\x00\n": false,
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Read(path, nothing); (fault.KindOf(err) == fault.Conflict && err != nil) != foreign {
			t.Errorf("%q is read: %v", content, err)
		}
		j, found, err := journal.Open(path, journal.Always, nothing)
		if err == nil {
			j.Close()
		}
		if (err != nil) != foreign || err == nil && found.Torn != int64(len(content)) {
			t.Errorf("%q is opened: %v, %+v", content, err, found)
		}
		if kept, _ := os.ReadFile(path); foreign && string(kept) != content {
			t.Errorf("%q has become %q", content, kept)
		}
	}
}
