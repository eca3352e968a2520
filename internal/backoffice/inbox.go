package backoffice

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// Tally counts the files that a reading of folders found new.
type Tally struct {
	Files, Taken, Repeated, Waiting, Refused int
}

func (t *Tally) add(s FilingState) {
	t.Files++
	switch s {
	case Taken:
		t.Taken++
	case Repeated, Outdated:
		t.Repeated++
	case Waiting:
		t.Waiting++
	case Refused:
		t.Refused++
	}
}

// stamp tells without reading it whether a file is the one that was read.
type stamp struct {
	size     int64
	modified time.Time
}

// incoming is a file that came in, being read.
type incoming struct {
	Entry
	folder string
	from   Folder
	hash   string
}

// filing begins the filing of a file.
func (in *incoming) filing(now time.Time) Filing {
	return Filing{Folder: in.folder, Hash: in.hash, Name: in.Name, Size: in.Size, Modified: in.Modified, Received: now, State: Taken, Date: calendar.None}
}

// open opens the file. Its Close tells whether it was the content that was
// announced, all of which it reads.
func (in *incoming) open(ctx context.Context) (*checked, error) {
	r, err := in.from.Open(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &checked{r: r, sum: sha256.New(), in: in}, nil
}

// checked is a file that is held against its hash while it is read.
type checked struct {
	r   io.ReadCloser
	sum hash.Hash
	in  *incoming
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	return n, err
}

func (c *checked) Close() error {
	_, err := io.Copy(c.sum, c.r)
	if err = errors.Join(err, c.r.Close()); err == nil && hex.EncodeToString(c.sum.Sum(nil)) != c.in.hash {
		err = fault.Say("it changed while it was read", "读取期间文件被改动")
	}
	if err != nil {
		return fault.New(fault.Internal, fault.Say("read file", "读取文件"), c.in.folder+"/"+c.in.Name, err,
			fault.Say("whoever brings files has to rename them when they are whole", "请在文件写完后再改名放入"))
	}
	return nil
}

// read goes through what is new in a folder, in the order in which it came. take
// reads one file and makes all that it says durable; an error ends the reading,
// and the file is read again at the next turn.
func (o *Office) read(ctx context.Context, k Kind, folder string, f Folder, tally *Tally, take func(*incoming) (Filing, error)) error {
	if f == nil {
		return nil
	}
	list, err := f.List(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if o.seen.known(folder, e) {
			continue
		}
		in := &incoming{Entry: e, folder: folder, from: f}
		if in.hash, err = hashOf(ctx, f, e.Name); err != nil {
			if fault.KindOf(err) == fault.NotFound {
				continue // it was taken away meanwhile
			}
			return err
		}
		before, err := o.Keeper.Filing(ctx, folder, in.hash)
		switch {
		case err == nil && before.State != Waiting:
			o.seen.know(folder, e)
			continue
		case err != nil && fault.KindOf(err) != fault.NotFound:
			return err
		}
		o.reach(k, AfterRead)
		filing, err := take(in)
		if err != nil {
			return err
		}
		o.reach(k, BeforeFiling)
		if before.State != Waiting || filing.State != Waiting || filing.Date != before.Date {
			if before.State == Waiting {
				filing.Received = before.Received
			}
			if err := o.Keeper.PutFiling(ctx, filing); err != nil {
				return err
			}
			tally.add(filing.State)
		}
		o.reach(k, AfterFiling)
		if filing.State != Waiting {
			o.seen.know(folder, e)
		}
	}
	return nil
}

// fresh reports whether a folder holds something that has not been read, or that
// waits for what has come.
func (o *Office) fresh(ctx context.Context, folder string, f Folder) (bool, error) {
	if f == nil {
		return false, nil
	}
	list, err := f.List(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if o.seen.known(folder, e) {
			continue
		}
		hash, err := hashOf(ctx, f, e.Name)
		if err != nil {
			if fault.KindOf(err) == fault.NotFound {
				continue
			}
			return false, err
		}
		filing, err := o.Keeper.Filing(ctx, folder, hash)
		switch {
		case err != nil && fault.KindOf(err) == fault.NotFound:
			return true, nil
		case err != nil:
			return false, err
		case filing.State != Waiting:
			o.seen.know(folder, e)
			continue
		}
		if ready, err := o.awaitedHasCome(ctx, filing.Network, filing.Date); err != nil || ready {
			return ready, err
		}
	}
	return false, nil
}

func hashOf(ctx context.Context, f Folder, name string) (string, error) {
	r, err := f.Open(ctx, name)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return "", fault.New(fault.Internal, fault.Say("read file", "读取文件"), name, err, fault.Say("look at the disk and the folder's permissions", "请检查磁盘与文件夹权限"))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// refuse is the filing of a file that nothing is taken of, and commits the
// exception that says why and who has to act.
func (o *Office) refuse(ctx context.Context, k Kind, in *incoming, owner string, why fault.Text) (Filing, error) {
	now := o.Now()
	filing := in.filing(now)
	filing.State, filing.Why = Refused, why.EN
	x := except(ExceptionFile, in.about(), owner, now, 0, moneyless, in.folder+"/"+printableName(in.Name)+": "+why.EN)
	return filing, o.note(ctx, k, now, x)
}

// about names the file in exceptions: a whole one that comes under the name of a
// broken one takes its place.
func (in *incoming) about() string { return in.folder + "/" + in.Name }

// printableName is a file's name as a sentence may repeat it.
func printableName(name string) string { return safeName(shorten(name, 80)) }

func shorten(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// reasons puts what readers told of a file into one sentence.
func reasons(notes []format.Note) fault.Text {
	var why fault.Text
	for i, n := range notes {
		if i == 3 {
			return why.And(fault.Say("and %d more", "另有 %d 处", len(notes)-i))
		}
		text := n.Why
		if n.Line > 0 {
			text = fault.Say("line %d: %s", "第 %d 行：%s", n.Line, n.Why)
		}
		why = why.And(text)
	}
	return why
}
