package backoffice

import (
	"context"
	"io"
	"time"
)

// Folder is a place where files are exchanged with a counterparty: a directory,
// later a server. Names have no separators. Files that are still being written
// (NAME.part) are not shown.
type Folder interface {
	// List returns what is there, in order of time and then name.
	List(ctx context.Context) ([]Entry, error)
	// Open opens a file; fault.NotFound where there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Has reports whether a file is there.
	Has(ctx context.Context, name string) (bool, error)
	// Put writes a file whole or not at all, durably before it returns: as
	// NAME.part, then renamed. A file of that name is replaced. ready, where not nil,
	// is called when the part is durable, before the renaming; its error ends it.
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
