package report

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// orderedZip is a ZIP archive whose members stand in the order of their names,
// in whatever order they were written, so that the same workbook is the same
// file. Members are written one after the other.
type orderedZip struct {
	w       io.Writer
	members map[string]*zipMember
}

func newOrderedZip(w io.Writer) *orderedZip {
	return &orderedZip{w: w, members: map[string]*zipMember{}}
}

type zipMember struct {
	packed bytes.Buffer
	flate  *flate.Writer
	sum    uint32
	size   uint64
}

// Write compresses the next piece of a member.
func (m *zipMember) Write(b []byte) (int, error) {
	m.sum = crc32.Update(m.sum, crc32.IEEETable, b)
	m.size += uint64(len(b))
	return m.flate.Write(b)
}

// Create begins a member.
func (z *orderedZip) Create(name string) (io.Writer, error) {
	m := &zipMember{}
	var err error
	if m.flate, err = flate.NewWriter(&m.packed, flate.BestSpeed); err != nil {
		return nil, err
	}
	z.members[name] = m
	return m, nil
}

// AddFS adds every file of a file system.
func (z *orderedZip) AddFS(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		m, err := z.Create(name)
		if err == nil {
			_, err = m.Write(b)
		}
		return err
	})
}

// Close writes the archive.
func (z *orderedZip) Close() error {
	out := zip.NewWriter(z.w)
	for _, name := range slices.Sorted(maps.Keys(z.members)) {
		m := z.members[name]
		if err := m.flate.Close(); err != nil {
			return err
		}
		w, err := out.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Deflate, CRC32: m.sum,
			CompressedSize64: uint64(m.packed.Len()), UncompressedSize64: m.size,
		})
		if err != nil {
			return err
		}
		if _, err := m.packed.WriteTo(w); err != nil {
			return err
		}
		delete(z.members, name)
	}
	return out.Close()
}
