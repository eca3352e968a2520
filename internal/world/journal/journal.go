// Package journal keeps what a simulated terminal or bank must not forget: a
// file of JSON lines that only grows. A record is on disk when Append returns;
// records appended at the same time share one fsync. Each line ends with a
// checksum of itself, so that a line torn by a power cut is told from one that
// was damaged later: the first is cut off at the next start, as its writer was
// never told that it is kept, the second is refused.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"daozhang/internal/fault"
)

// Sync says when a record counts as kept.
type Sync string

// The degrees of keeping.
const (
	// Always waits for fsync before Append returns; the zero value too.
	Always Sync = "always"
	// Never leaves it to the system when bytes reach the disk: a killed process
	// loses nothing, a power cut may. For load generators.
	Never Sync = "never"
)

// Recovered tells what was found when a journal was opened.
type Recovered struct {
	Records int   // whole records
	Torn    int64 // bytes of an unfinished last record that were cut off
}

// Journal is an open journal. Its methods may be called at the same time.
type Journal struct {
	file *os.File
	sync Sync

	mu       sync.Mutex
	pending  []byte // encoded, not yet written
	group    *group // of those that wait for pending
	flushing bool
	idle     *sync.Cond // told when flushing ends
	err      error      // the first failure to write; nothing is kept after it
	syncs    int64
}

// group waits for one write.
type group struct {
	done chan struct{}
	err  error
}

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("journal is closed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A checksum is the last field of a line: ,"sum":"01234567"}
const (
	sumHead = `,"sum":"`
	sumTail = len(sumHead) + 8 + len(`"}`)
)

// seal encodes a record with its checksum and line end.
func seal(record any) ([]byte, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	if len(b) < 3 || b[0] != '{' {
		return nil, fmt.Errorf("a record is a JSON object with a field, not %T", record)
	}
	b = b[:len(b)-1]
	return fmt.Appendf(b, "%s%08x\"}\n", sumHead, crc32.Checksum(b, castagnoli)), nil
}

// unseal checks a line without its end.
func unseal(line []byte) bool {
	if len(line) < sumTail+1 || !bytes.HasPrefix(line[len(line)-sumTail:], []byte(sumHead)) {
		return false
	}
	body := line[:len(line)-sumTail]
	return fmt.Sprintf("%08x\"}", crc32.Checksum(body, castagnoli)) == string(line[len(line)-sumTail+len(sumHead):])
}

// Open opens a journal for appending, creating it and its folder if need be. It
// gives every record on file to replay, in order, as a line of JSON (with the
// field "sum"), then cuts off what is torn at the end. One process at a time
// may have a journal open.
func Open(path string, when Sync, replay func(line []byte) error) (*Journal, Recovered, error) {
	var found Recovered
	if when == "" {
		when = Always
	}
	if when != Always && when != Never {
		return nil, found, fault.New(fault.Usage, "open journal", path, fmt.Errorf("there is no sync %q", when), "use always or never")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, found, fault.New(fault.Internal, "open journal", path, err, "")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, found, fault.New(fault.Internal, "open journal", path, err, "choose a place where files can be written")
	}
	fail := func(err error) (*Journal, Recovered, error) {
		f.Close()
		return nil, found, err
	}
	if err := lock(f); err != nil {
		return fail(fault.New(fault.Conflict, "open journal", path, err, "another process has it open: stop that one first"))
	}
	end, found, err := read(f, path, replay)
	if err != nil {
		return fail(err)
	}
	if found.Torn > 0 {
		if err := f.Truncate(end); err != nil {
			return fail(fault.New(fault.Internal, "mend journal", path, err, ""))
		}
	}
	if _, err := f.Seek(end, io.SeekStart); err != nil {
		return fail(fault.New(fault.Internal, "open journal", path, err, ""))
	}
	// The name of a new file is kept only once its folder is.
	if when == Always {
		err := f.Sync()
		if dir, derr := os.Open(filepath.Dir(path)); derr == nil {
			err = errors.Join(err, dir.Sync())
			dir.Close()
		}
		if err != nil {
			return fail(fault.New(fault.Internal, "open journal", path, err, ""))
		}
	}
	j := &Journal{file: f, sync: when, group: newGroup()}
	j.idle = sync.NewCond(&j.mu)
	return j, found, nil
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// Read gives every whole record of a journal to replay without opening it for
// writing: what an observer beside the running process does. A torn end is
// counted, not mended.
func Read(path string, replay func(line []byte) error) (Recovered, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recovered{}, fault.New(fault.NotFound, "read journal", path, err, "")
	}
	defer f.Close()
	_, found, err := read(f, path, replay)
	return found, err
}

// read replays a file and gives the end of its last whole record.
func read(f *os.File, path string, replay func([]byte) error) (end int64, found Recovered, err error) {
	all, err := io.ReadAll(f)
	if err != nil {
		return 0, found, fault.New(fault.Internal, "read journal", path, err, "")
	}
	for rest := all; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 || !unseal(rest[:i]) {
			// Torn only if no whole record follows: what was written after it
			// proves that it once was whole.
			if wholeAfter(rest) {
				return 0, found, fault.New(fault.Internal, "read journal", fmt.Sprintf("%s:%d", path, found.Records+1),
					errors.New("the record is damaged"), "restore the file from a copy, or begin with another")
			}
			if found.Records == 0 && foreign(rest) {
				return 0, found, fault.New(fault.Conflict, "read journal", path, errors.New("it holds something else"), "name another file, or a new one")
			}
			found.Torn = int64(len(rest))
			break
		}
		if err := replay(rest[:i]); err != nil {
			return 0, found, fault.New(fault.KindOf(err), "read journal", fmt.Sprintf("%s:%d", path, found.Records+1), err, "")
		}
		found.Records++
		rest = rest[i+1:]
		end = int64(len(all) - len(rest))
	}
	return end, found, nil
}

// foreign tells content that no journal begins with: mending it would destroy a
// file of somebody else. The first record of a journal is one line, of which a
// power cut leaves a beginning, or zeros.
func foreign(content []byte) bool {
	return content[0] != '{' && content[0] != 0 || bytes.IndexByte(content, '\n') >= 0 && bytes.IndexByte(content, 0) < 0
}

// wholeAfter tells whether a whole record stands behind a broken one. The line
// end of the broken one may itself be what is damaged, so that a record may
// begin at any brace.
func wholeAfter(rest []byte) bool {
	for {
		i := bytes.IndexByte(rest[1:], '{')
		if i < 0 {
			return false
		}
		rest = rest[1+i:]
		if end := bytes.IndexByte(rest, '\n'); end >= 0 && unseal(rest[:end]) {
			return true
		}
	}
}

// Append keeps records, in order and beside each other. When it returns nil they
// are on disk (under Always). After a failed write or fsync every further Append
// fails: what reached the disk is known only by opening the journal again.
func (j *Journal) Append(records ...any) error { return j.Enqueue(records...).Wait() }

// Ticket stands for records that are being written.
type Ticket struct{ g *group }

// Wait returns when the records are kept, or why they are not. It may be called
// any number of times, from several goroutines.
func (t *Ticket) Wait() error {
	<-t.g.done
	return t.g.err
}

// Enqueue hands records over to be written in this order and returns at once: a
// caller that decides under its own lock keeps the order of its decisions, and
// waits for the disk after the lock.
func (j *Journal) Enqueue(records ...any) *Ticket {
	failed := func(err error) *Ticket { // or done, with nil
		t := &Ticket{newGroup()}
		t.g.err = err
		close(t.g.done)
		return t
	}
	if len(records) == 0 {
		return failed(nil)
	}
	var b []byte
	for _, r := range records {
		line, err := seal(r)
		if err != nil {
			return failed(fault.New(fault.Internal, "append to journal", j.file.Name(), err, ""))
		}
		b = append(b, line...)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return failed(j.err)
	}
	j.pending = append(j.pending, b...)
	t := &Ticket{j.group}
	if !j.flushing {
		j.flushing = true
		go j.flush()
	}
	return t
}

// flush writes what is pending until nothing is.
func (j *Journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending) > 0 {
		b, g := j.pending, j.group
		j.pending, j.group = nil, newGroup()
		failed := j.err
		j.mu.Unlock()
		if failed == nil {
			if _, err := j.file.Write(b); err != nil {
				failed = err
			} else if j.sync == Always {
				failed = j.file.Sync()
			}
			if failed != nil {
				failed = fault.New(fault.Internal, "append to journal", j.file.Name(), failed, "look at the disk, then start again")
			}
		}
		j.mu.Lock()
		if j.err == nil {
			j.err = failed
		}
		j.syncs++
		g.err = failed
		close(g.done)
	}
	j.flushing = false
	j.idle.Broadcast()
}

// Groups gives how many writes there were: fewer than records where records
// shared one.
func (j *Journal) Groups() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.syncs
}

// Close waits for what is being written and closes the file. It may be called
// more than once.
func (j *Journal) Close() error {
	j.mu.Lock()
	if errors.Is(j.err, ErrClosed) {
		j.mu.Unlock()
		return nil
	}
	for j.flushing {
		j.idle.Wait()
	}
	defer j.mu.Unlock()
	j.err = ErrClosed
	return j.file.Close()
}
