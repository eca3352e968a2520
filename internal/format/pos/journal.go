// Package pos reads the journals of point-of-sale terminals, as terminals,
// cash registers and acquirers' portals export them.
package pos

import (
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// Formats gives the formats of this package in order of detection.
func Formats() []format.Format {
	return []format.Format{{
		Name: journal.Name, Title: journal.Title, Table: journal,
		Detect: func(h *format.Head) bool {
			// With fees or a settlement date the rows are a settlement's.
			return journal.Detect(h) && format.TypeByHeaders(h) == evidence.TerminalTransaction
		},
		Read: func(in *format.Input, out *format.Out) error { return journal.Adapt(&in.Head).Read(in, out) },
	}}
}

// journal is a table with a row per transaction of a terminal. What makes it
// one is a terminal and its trace number beside time and amount. Amounts are in
// major units, unless all of them are whole under the contract's own names or
// the header says 分.
var journal = &format.Table{
	Name:  "pos.journal",
	Title: fault.Say("POS journal", "POS 流水"),
	Type:  evidence.TerminalTransaction,
	Columns: []format.Column{
		format.Must(format.Known(format.When)),
		format.Must(format.Known(evidence.TID)),
		format.Must(format.Known(evidence.STAN)),
		format.Must(journalAmount()),
		format.Known(evidence.MID),
		format.Known(evidence.Batch),
		format.Known(evidence.RRN),
		format.Known(evidence.AuthCode),
		format.Known(evidence.OrderID),
		format.Known(evidence.PAN),
		format.Known(evidence.Network),
		format.Known(evidence.Issuer),
		format.Known(evidence.CardTypeField),
		format.Known(evidence.KindField),
		format.Known(evidence.EntryField),
		format.Known(evidence.ResultField),
		format.Known(evidence.ResponseCode),
		format.Known(evidence.Operator),
		format.Known(evidence.OriginalRRN),
		format.Known(evidence.OriginalSTAN),
		format.Known(evidence.CurrencyField),
	},
	Fill: format.FillJournal,
}

func journalAmount() format.Column {
	c := format.Known(evidence.Amount)
	c.As = format.AsMagnitude
	return c
}
