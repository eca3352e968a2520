package custody

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/world/journal"
)

// The parts of the bank's folder.
const (
	ordersDir     = "orders/"
	incomingDir   = "incoming/"
	repliesDir    = "replies/"
	statementsDir = "statements/"
	payeesDir     = "payees/"
	noticesDir    = "notices/"
)

func (b *Bank) makeFolders() error {
	for _, dir := range []string{ordersDir, incomingDir, repliesDir, statementsDir, payeesDir, noticesDir} {
		if err := os.MkdirAll(filepath.Join(b.cfg.Dir, dir), 0o755); err != nil {
			return fault.New(fault.Internal, fault.Say("make folder", "建立目录"), filepath.Join(b.cfg.Dir, dir), err, "")
		}
	}
	return nil
}

// stamp tells without reading whether a file has changed.
type stamp struct {
	size int64
	time time.Time
}

// readFolders takes the files that have come, one step each, in the order of
// their names: the networks' money first, for a payout may need it. A file that
// cannot be read now is left for the next time.
func (b *Bank) readFolders(now time.Time) error {
	var failed error
	for _, dir := range []string{incomingDir, ordersDir} {
		if dir == incomingDir && b.turn(now).firstCustomer() == "" {
			continue // whose money it is, is not known yet
		}
		entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, dir))
		if err != nil {
			return fault.New(fault.Internal, fault.Say("read folder", "读取目录"), filepath.Join(b.cfg.Dir, dir), err, "")
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".xml") {
				continue
			}
			if err := b.readFile(now, dir+e.Name(), e); err != nil {
				if b.failed != nil {
					return err
				}
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

// readFile takes one file, unless this name was read with this content before.
func (b *Bank) readFile(now time.Time, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if st := b.seen[name]; st.size == info.Size() && st.time.Equal(info.ModTime()) {
			return nil
		}
	}
	content, err := readMost(filepath.Join(b.cfg.Dir, name), maxFile+1)
	if err != nil {
		return fault.New(fault.Internal, fault.Say("read file", "读取文件"), name, err, fault.Say("it is tried again", "将会重试"))
	}
	hash := sha256.Sum256(content)
	if !b.book.files[File{Name: name, Hash: hex.EncodeToString(hash[:])}] {
		t := b.turn(now)
		t.receive(name, content)
		if err := t.finish(); err != nil {
			return err
		}
		if err := b.settleDue(now); err != nil { // what follows at once
			return err
		}
	}
	b.seen[name] = stamp{info.Size(), info.ModTime()}
	return nil
}

func readMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// scopeOfFile names what an outage has to stop for a file to wait.
func scopeOfFile(name string) string {
	switch {
	case strings.HasPrefix(name, statementsDir), strings.HasPrefix(name, payeesDir):
		return Delivered
	case strings.HasPrefix(name, noticesDir):
		return "" // notices come by another way
	}
	return Orders
}

// deliver writes the files that are due and missing, in the order in which they are
// due. One that is there was written before a restart.
func (b *Bank) deliver(now time.Time) error {
	var failed error
	slices.SortStableFunc(b.owed, func(a, b *Document) int { return a.Due.Compare(b.Due) })
	later := map[string][]*Document{} // of each name, in the order in which they are due
	for _, d := range b.owed {
		later[d.Name] = append(later[d.Name], d)
	}
	keep := b.owed[:0]
	for _, d := range b.owed {
		same := later[d.Name]
		later[d.Name] = same[1:]
		if d.Due.After(now) || b.scenario.working(scopeOfFile(d.Name), now).After(now) {
			keep = append(keep, d)
			continue
		}
		path := filepath.Join(b.cfg.Dir, filepath.FromSlash(d.Name))
		if written(path, same) {
			continue
		}
		b.point("before " + d.Name)
		if err := writeFile(path, d.Content, b.cfg.Sync != journal.Never); err != nil {
			failed = errors.Join(failed, fault.New(fault.Internal, fault.Say("write file", "写入文件"), path, err, fault.Say("it is tried again; look at the disk", "将会重试，请检查磁盘")))
			keep = append(keep, d)
			continue
		}
		b.point("after " + d.Name)
		b.log.Info("written", "file", d.Name)
	}
	clear(b.owed[len(keep):]) // their contents are on disk
	b.owed = keep
	return failed
}

// written reports whether a file, or one that takes its place, is there already.
func written(path string, docs []*Document) bool {
	content, err := os.ReadFile(path)
	return err == nil && slices.ContainsFunc(docs, func(d *Document) bool { return d.Content == string(content) })
}

// writeFile writes a file whole or not at all, and durably where sure.
func writeFile(path, content string, sure bool) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".part"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if sure {
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil || !sure {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
