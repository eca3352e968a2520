package backoffice

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Folder is a place where files are exchanged with a counterparty: a directory,
// later a server. Files that are still being written are not shown.
type Folder interface {
	// List returns what is there, in order of time and then name.
	List(ctx context.Context) ([]Entry, error)
	// Open opens a file; fault.NotFound where there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Has reports whether a file is there.
	Has(ctx context.Context, name string) (bool, error)
	// Put writes a file whole or not at all, durably before it returns: under a name
	// that ends in .part, then renamed. A file of its name is replaced. ready, where
	// not nil, is called when the part is durable, before the renaming; its error
	// ends it.
	Put(ctx context.Context, name string, write func(io.Writer) error, ready func() error) error
	// Sub is a folder below.
	Sub(name string) Folder
}

// Entry is one file in a folder.
type Entry struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Dir is a directory as a folder. It is made when something is written into it.
type Dir string

// part ends the names of files that are being written.
const part = ".part"

// leftover is how old a part is when nobody writes it any more.
const leftover = time.Hour

// List implements Folder. A directory that is not there has no files.
func (d Dir) List(context.Context) ([]Entry, error) {
	found, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, d.failed(fault.Say("list folder", "列出文件夹"), "", err)
	}
	var list []Entry
	for _, f := range found {
		if strings.HasPrefix(f.Name(), ".") || strings.HasSuffix(f.Name(), part) {
			continue
		}
		info, err := os.Stat(filepath.Join(string(d), f.Name())) // a link to a file is the file
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was taken away meanwhile
		}
		if err != nil {
			return nil, d.failed(fault.Say("list folder", "列出文件夹"), f.Name(), err)
		}
		if info.Mode().IsRegular() {
			list = append(list, Entry{f.Name(), info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Name, b.Name)) })
	return list, nil
}

// Open implements Folder.
func (d Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, d.failed(fault.Say("open file", "打开文件"), name, err)
	}
	return f, nil
}

// Has implements Folder.
func (d Dir) Has(_ context.Context, name string) (bool, error) {
	_, err := os.Lstat(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, d.failed(fault.Say("look for file", "查找文件"), name, err)
	}
	return true, nil
}

// Put implements Folder. Two that write one name at once do not disturb each
// other: each has a part of its own.
func (d Dir) Put(_ context.Context, name string, write func(io.Writer) error, ready func() error) error {
	op := fault.Say("write file", "写文件")
	if info, err := os.Lstat(d.path(name)); err == nil && !info.Mode().IsRegular() {
		return fault.New(fault.Conflict, op, d.path(name), fault.Say("there is something of that name that is no file", "同名的不是普通文件"),
			fault.Say("name another folder", "请换一个文件夹"))
	}
	if err := d.make(); err != nil {
		return d.failed(op, name, err)
	}
	var unique [6]byte
	if _, err := rand.Read(unique[:]); err != nil {
		return d.failed(op, name, err)
	}
	temp := d.path(name) + "." + hex.EncodeToString(unique[:]) + part
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return d.failed(op, name, err)
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && ready != nil {
		err = ready()
	}
	if err != nil {
		os.Remove(temp)
		return d.failed(op, name, err)
	}
	if err := os.Rename(temp, d.path(name)); err != nil {
		os.Remove(temp)
		return d.failed(op, name, err)
	}
	d.sweep(name)
	if err := syncDir(string(d)); err != nil {
		return d.failed(op, name, err)
	}
	return nil
}

// Sub implements Folder.
func (d Dir) Sub(name string) Folder { return Dir(d.path(name)) }

// path is where a name lies. Names come from others too: whatever could lead out
// of the directory, or hide in it, is written in hexadecimal digits.
func (d Dir) path(name string) string { return filepath.Join(string(d), safeName(name)) }

func safeName(name string) string {
	safe := func(i int, c byte) bool {
		return c-'a' < 26 || c-'A' < 26 || c-'0' < 10 || c == '-' || c == '_' || c >= 0x80 || c == ' ' || c == '.' && i > 0
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; safe(i, c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// make makes the directory, durably.
func (d Dir) make() error {
	if info, err := os.Stat(string(d)); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(string(d), 0o750); err != nil {
		return err
	}
	return syncDir(filepath.Dir(string(d)))
}

// sweep removes parts of a name that a process left when it ended.
func (d Dir) sweep(name string) {
	found, _ := filepath.Glob(globQuote(d.path(name)) + ".*" + part)
	for _, p := range found {
		if info, err := os.Lstat(p); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftover {
			os.Remove(p)
		}
	}
}

func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// failed gives an error the kind and the subject that it has for people; one that
// has a kind already keeps it.
func (d Dir) failed(op fault.Text, name string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	kind, hint := fault.Internal, fault.Say("look at the disk and the folder's permissions", "请检查磁盘与文件夹权限")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind, hint = fault.NotFound, fault.Text{}
	case errors.Is(err, fs.ErrPermission):
		hint = fault.Say("let this user read and write the folder", "请授予本用户读写该文件夹的权限")
	}
	return fault.New(kind, op, filepath.Join(string(d), name), err, hint)
}
