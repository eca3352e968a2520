package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Options are what the person says about the inputs.
type Options struct {
	Hints
	// Stdin is what "-" reads; nil is the process's standard input.
	Stdin io.Reader
}

// Loaded is what Load read and what it could not, in the order of the inputs.
type Loaded struct {
	Sources  []Source
	Rejected []Note
	Warnings []Note

	files    map[uint16]int // places in Sources of those whose facts the input's Writer wrote, past the Out
	homeless map[uint16]int // and of those with facts that name no merchant
}

// Load reads files, folders, globs and "-" (standard input) into the Set. Each
// input is read by the first of the formats that detects it; archives are
// opened in place. progress, if any, is told from time to time how many of how
// many bytes are read (total 0: unknown). The error is of the context only:
// what cannot be read is in Loaded.Rejected.
func Load(ctx context.Context, paths []string, opts Options, formats []Format, set *evidence.Set,
	progress func(done, total int64)) (*Loaded, error) {
	targets := expand(paths)
	var done atomic.Int64
	stop := watch(&done, targets, progress)
	results := make([]Loaded, len(targets))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range targets {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			ld := &loader{ctx: ctx, opts: opts, formats: formats, set: set, done: &done, to: &results[i]}
			ld.target(&targets[i])
			return ctx.Err()
		})
	}
	err := group.Wait()
	stop()
	all := &Loaded{files: map[uint16]int{}, homeless: map[uint16]int{}}
	for i := range results {
		for file, at := range results[i].files {
			all.files[file] = len(all.Sources) + at
		}
		for file, at := range results[i].homeless {
			all.homeless[file] = len(all.Sources) + at
		}
		all.Sources = append(all.Sources, results[i].Sources...)
		all.Rejected = append(all.Rejected, results[i].Rejected...)
		all.Warnings = append(all.Warnings, results[i].Warnings...)
	}
	all.countDirect(set)
	all.adopt(set)
	return all, err
}

// target is one thing to open.
type target struct {
	name string
	size int64
	why  fault.Text // why it cannot be opened
}

// expand makes a list of files of paths, folders and globs, each file once, in
// the order given; the files of a folder and of a glob by name.
func expand(paths []string) []target {
	var out []target
	seen := map[string]bool{}
	add := func(t target) {
		key := t.name
		if abs, err := filepath.Abs(t.name); err == nil && t.name != "-" {
			key = abs
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, t)
		}
	}
	visit := func(name string) {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			add(target{name: name, why: cannotOpen(err)})
		case info.IsDir():
			n := 0
			err := filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					add(target{name: p, why: cannotOpen(err)})
					n++
				case p != name && strings.HasPrefix(d.Name(), "."):
					if d.IsDir() {
						return fs.SkipDir
					}
				case d.IsDir():
				default:
					n++
					if d.Type()&fs.ModeSymlink != 0 {
						// A link to a file is the file; one to a folder might go round.
						if info, err := os.Stat(p); err == nil && info.IsDir() {
							add(target{name: p, why: fault.Say("a link to a folder, which is not followed; name the folder itself", "是指向文件夹的链接，不予跟随，请直接写该文件夹")})
							return nil
						}
					}
					t := target{name: p}
					if info, err := d.Info(); err == nil {
						t.size = info.Size()
					}
					add(t)
				}
				return nil
			})
			if err != nil {
				add(target{name: name, why: cannotOpen(err)})
			} else if n == 0 {
				add(target{name: name, why: fault.Say("the folder holds no files", "文件夹里没有文件")})
			}
		default:
			add(target{name: name, size: info.Size()})
		}
	}
	for _, p := range paths {
		if p == "-" {
			add(target{name: p})
			continue
		}
		if _, err := os.Lstat(p); err != nil && strings.ContainsAny(p, "*?[") {
			matches, err := filepath.Glob(p)
			switch {
			case err != nil:
				add(target{name: p, why: fault.Say("the pattern is malformed; quote or remove its brackets", "通配符写法有误，请加引号或去掉方括号")})
			case len(matches) == 0:
				add(target{name: p, why: fault.Say("no file matches the pattern", "没有文件与通配符相符")})
			}
			slices.Sort(matches)
			for _, m := range matches {
				visit(m)
			}
			continue
		}
		visit(p)
	}
	return out
}

// cannotOpen says why a file cannot be opened, without its name.
func cannotOpen(err error) fault.Text {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Say("there is no such file or folder", "没有这个文件或文件夹，请检查名称")
	case errors.Is(err, fs.ErrPermission):
		return fault.Say("it may not be read; change its permissions or run as its owner", "没有读取权限，请更改权限或以其所有者身份运行")
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fault.Say("it cannot be opened: %s", "打不开：%s", err)
}

// watch tells progress until stop is called.
func watch(done *atomic.Int64, targets []target, progress func(done, total int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	total := int64(0)
	for _, t := range targets {
		if t.name == "-" {
			total = 0
			break
		}
		total += t.size
	}
	quit, quitted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(quitted)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress(done.Load(), total)
			case <-quit:
				progress(done.Load(), total)
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-quitted
	}
}

// loader reads one target, with all that is in it.
type loader struct {
	ctx     context.Context
	opts    Options
	formats []Format
	set     *evidence.Set
	done    *atomic.Int64
	to      *Loaded
}

func (ld *loader) refuse(name string, why fault.Text) {
	ld.to.Rejected = append(ld.to.Rejected, Note{File: name, Why: why})
}

func (ld *loader) warn(name string, why fault.Text) {
	ld.to.Warnings = append(ld.to.Warnings, Note{File: name, Why: why})
}

func (ld *loader) target(t *target) {
	if !t.why.None() {
		ld.refuse(t.name, t.why)
		return
	}
	if t.name == "-" {
		r := ld.opts.Stdin
		if r == nil {
			r = os.Stdin
		}
		ld.open(part{name: t.name, r: &counted{r: r, n: ld.done, ctx: ld.ctx}})
		return
	}
	f, err := os.Open(t.name)
	if err != nil {
		ld.refuse(t.name, cannotOpen(err))
		return
	}
	defer f.Close()
	p := part{name: t.name, r: &counted{r: f, n: ld.done, ctx: ld.ctx}}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		p.at, p.size = f, info.Size()
	}
	ld.open(p)
}

// counted counts what is read of the files, and ends when the context does.
type counted struct {
	r   io.Reader
	n   *atomic.Int64
	ctx context.Context
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// read reads one input that is no archive.
func (ld *loader) read(in *Input) {
	if why := ld.unreadable(in); !why.None() {
		ld.refuse(in.Name, why)
		return
	}
	f := ld.detect(in)
	if f == nil {
		ld.refuse(in.Name, explain(&in.Head, ld.formats))
		return
	}
	ld.readAs(f, in)
}

func (ld *loader) detect(in *Input) *Format {
	if m := in.Mapping; m != nil && m.fits(&in.Head) {
		f := m.format()
		return &f
	}
	for i := range ld.formats {
		if ld.formats[i].Detect(&in.Head) {
			return &ld.formats[i]
		}
	}
	return nil
}

func (ld *loader) readAs(f *Format, in *Input) {
	out := newOut(in.Name, f.Name, ld.set)
	if err := f.Read(in, out); err != nil {
		out.Reject(0, readError(err))
	}
	out.settle()
	note := func(m *map[uint16]int) {
		if *m == nil {
			*m = map[uint16]int{}
		}
		(*m)[out.file] = len(ld.to.Sources)
	}
	if out.source.Facts == 0 {
		note(&ld.to.files)
	}
	if out.homeless > 0 && f.Name != contractName {
		note(&ld.to.homeless)
	}
	ld.to.Sources = append(ld.to.Sources, out.source)
	ld.to.Rejected = append(ld.to.Rejected, out.rejected...)
	ld.to.Warnings = append(ld.to.Warnings, out.warnings...)
}

// readError says why the rest of an input could not be read.
func readError(err error) fault.Text {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Say("the file ends early, so what follows is missing; get it again from its sender", "文件提前结束，后面的内容缺失，请向发送方重新索取")
	case errors.Is(err, context.Canceled):
		return fault.Say("reading was stopped", "读取已中止")
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return fault.Reason(err)
}

// countDirect counts the facts of sources whose format writes them by the
// input's Writer, past the Out.
func (l *Loaded) countDirect(set *evidence.Set) {
	for file, at := range l.files {
		s := &l.Sources[at]
		for _, f := range set.From(file) {
			s.Facts++
			if s.From == 0 || f.Time < s.From {
				s.From = f.Time
			}
			s.To = max(s.To, f.Time)
		}
	}
}

func (n Note) String() string { return fmt.Sprintf("%s:%d: %s", n.File, n.Line, n.Why) }
