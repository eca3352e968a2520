package format

import (
	"errors"

	"daozhang/internal/evidence"
)

// Format makes the format that reads the table.
func (t *Table) Format() Format {
	return Format{Name: t.Name, Title: t.Title, Detect: t.Detect, Read: t.Read, Table: t}
}

// Detect reports whether an input has the table's columns.
func (t *Table) Detect(h *Head) bool { return false }

// Read reads an input of the table's columns.
func (t *Table) Read(in *Input, out *Out) error { return errors.New("not built yet") }

type rowIDs struct{}

func (o *Out) count(d interface{ Time() evidence.Instant }) {}
