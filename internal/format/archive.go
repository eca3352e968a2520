package format

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/fault"
)

// What an archive may expand to. Files of payments shrink to a tenth or a
// thirtieth; what shrinks more than two hundredfold was made to fill a disk.
const (
	expandedFree  = 64 << 20 // below this the ratio does not matter
	expandedRatio = 200
	expandedMost  = 8 << 30
	entriesMost   = 10_000
	depthMost     = 2         // an archive in an archive
	inMemoryMost  = 256 << 20 // of an archive that is not a file
)

// part is something to be opened: a file, or what is inside one.
type part struct {
	name  string
	r     io.Reader
	at    io.ReaderAt // where the part is a file
	size  int64       // of at
	depth int
	guard *guard
}

// guard bounds what one archive, with all that is in it, expands to.
type guard struct {
	packed   func() int64 // how many bytes of the archive stand behind it
	expanded atomic.Int64
}

var errBomb = fault.New(fault.Invalid, fault.Say("expands to more than 200 times its size or 8 GiB", "解压后超过原大小的 200 倍或 8 GiB"), "", nil,
	fault.Say("this may be a decompression bomb; unpack it yourself and hand in the files", "可能是压缩炸弹，请自行解压后再交文件"))

// expanding counts what comes out of an archive.
type expanding struct {
	r io.Reader
	g *guard
}

func (e *expanding) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	total := e.g.expanded.Add(int64(n))
	if total > expandedMost || total > expandedFree && total > expandedRatio*max(e.g.packed(), 1) {
		return 0, errBomb
	}
	return n, err
}

// tally counts the bytes read of an archive.
type tally struct {
	r io.Reader
	n atomic.Int64
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n.Add(int64(n))
	return n, err
}

// open opens a part: an archive's parts are opened in turn, everything else is
// an input.
func (ld *loader) open(p part) {
	in, err := newInput(p.name, p.r, ld.opts.Hints)
	if err != nil && len(in.Head.Raw) == 0 {
		ld.refuse(p.name, readError(err))
		return
	}
	switch raw := in.Head.Raw; {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		ld.gunzip(p, in)
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")), bytes.HasPrefix(raw, []byte("PK\x05\x06")):
		ld.unzip(p, in)
	default:
		ld.read(in)
	}
}

func (ld *loader) gunzip(p part, in *Input) {
	if p.depth >= depthMost {
		ld.refuse(p.name, fault.Say("an archive within an archive within an archive; unpack it and hand in the files", "压缩包套了三层以上，请解压后再交文件"))
		return
	}
	packed := &tally{r: in.Reader()}
	z, err := gzip.NewReader(packed)
	if err != nil {
		ld.refuse(p.name, fault.Say("a .gz file whose beginning is damaged; get it again from its sender", ".gz 文件开头已损坏，请向发送方重新索取"))
		return
	}
	g := p.guard
	if g == nil {
		g = &guard{packed: packed.n.Load}
	}
	ld.open(part{name: strings.TrimSuffix(p.name, ".gz"), r: &expanding{gzipReader{z}, g}, depth: p.depth + 1, guard: g})
}

// gzipReader says in words what is wrong with a damaged file.
type gzipReader struct{ z *gzip.Reader }

func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		if _, ok := errors.AsType[*fault.Error](err); !ok {
			err = fault.Say("the .gz file is damaged (%s); get it again from its sender", ".gz 文件已损坏（%s），请向发送方重新索取", err)
		}
	}
	return n, err
}

func (ld *loader) unzip(p part, in *Input) {
	if p.depth >= depthMost {
		ld.refuse(p.name, fault.Say("an archive within an archive within an archive; unpack it and hand in the files", "压缩包套了三层以上，请解压后再交文件"))
		return
	}
	at, size := p.at, p.size
	if at == nil {
		b, err := in.Bytes(inMemoryMost)
		if err != nil {
			ld.refuse(p.name, readError(err))
			return
		}
		at, size = bytes.NewReader(b), int64(len(b))
	}
	z, err := zip.NewReader(at, size)
	if err != nil {
		ld.refuse(p.name, fault.Say("a .zip file that is damaged or cut short; get it again from its sender", ".zip 文件已损坏或不完整，请向发送方重新索取"))
		return
	}
	if len(z.File) > entriesMost {
		ld.refuse(p.name, fault.Say("holds %d files; archives of more than %d are not opened: unpack it and hand in the folder", "内含 %d 个文件，超过 %d 个的压缩包不予打开，请解压后交文件夹", len(z.File), entriesMost))
		return
	}
	g := p.guard
	if g == nil {
		g = &guard{packed: func() int64 { return size }}
	}
	switch kind := officeKind(z); kind {
	case "":
	case "xlsx":
		expanded := uint64(0)
		for _, f := range z.File {
			expanded += min(f.UncompressedSize64, expandedMost)
		}
		if expanded > expandedFree && expanded > expandedRatio*uint64(size) {
			ld.refuse(p.name, fault.Reason(errBomb))
			return
		}
		ld.spreadsheet(p.name, at, size)
		return
	default:
		ld.refuse(p.name, fault.Say("a document (%s), not a table; export it as .xlsx or .csv", "是文档（%s），不是表格，请导出为 .xlsx 或 .csv", kind))
		return
	}
	n := 0
	for _, f := range z.File {
		name := entryName(f)
		base := path.Base(name)
		if strings.HasSuffix(name, "/") || strings.HasPrefix(base, ".") || strings.HasPrefix(name, "__MACOSX/") {
			continue
		}
		n++
		full := p.name + ":" + name
		if f.Flags&1 != 0 {
			ld.refuse(full, fault.Say("encrypted; unpack the archive with its password and hand in the files", "已加密，请用密码解压后再交文件"))
			continue
		}
		r, err := f.Open()
		if err != nil {
			ld.refuse(full, fault.Say("this part of the archive cannot be unpacked: %s", "压缩包中的这个文件无法解压：%s", strings.TrimPrefix(err.Error(), "zip: ")))
			continue
		}
		ld.open(part{name: full, r: &expanding{zipReader{r}, g}, depth: p.depth + 1, guard: g})
		r.Close()
	}
	if n == 0 {
		ld.refuse(p.name, fault.Say("the archive holds no files", "压缩包里没有文件"))
	}
}

// zipReader says in words what is wrong with a damaged part.
type zipReader struct{ r io.Reader }

func (z zipReader) Read(p []byte) (int, error) {
	n, err := z.r.Read(p)
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) {
		err = fault.Say("this part of the archive is damaged; get the archive again from its sender", "压缩包中的这个文件已损坏，请向发送方重新索取")
	}
	return n, err
}

// entryName gives an entry's name in UTF-8; Chinese programs write GBK without
// saying so.
func entryName(f *zip.File) string {
	if f.NonUTF8 && !utf8.ValidString(f.Name) {
		if s, err := simplifiedchinese.GB18030.NewDecoder().String(f.Name); err == nil {
			return s
		}
	}
	return strings.ToValidUTF8(f.Name, "\ufffd")
}

// officeKind tells an office document from an archive of files.
func officeKind(z *zip.Reader) string {
	for _, f := range z.File {
		switch f.Name {
		case "xl/workbook.xml", "xl/workbook.bin":
			if f.Name == "xl/workbook.bin" {
				return "xlsb"
			}
			return "xlsx"
		case "word/document.xml":
			return "docx"
		case "ppt/presentation.xml":
			return "pptx"
		case "META-INF/manifest.xml", "content.xml":
			return "OpenDocument"
		}
	}
	return ""
}
