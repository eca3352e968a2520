// Package report writes an answer for its readers: JSON and NDJSON as the
// contract has them, CSV and XLSX for spreadsheets, a table for the terminal, a
// page for the browser. It decides nothing: every figure and word comes from
// the answer.
package report

// Options are what the reader chose.
type Options struct {
	// Lang is the language of prose, "en" or "zh".
	Lang string
	// AdviceCode leaves the advice out of JSON and NDJSON: the cause's code
	// names it.
	AdviceCode bool
	// Color allows colours on the terminal.
	Color bool
	// Width is the terminal's width in columns; 0 where it is not a terminal.
	Width int
	// Server is the address at which more can be asked, for a hint on how; "" where
	// the answer comes from files.
	Server string
	// Command is how the reader calls the program, for that hint; "" for its name.
	Command string
	// Over says that nothing can be asked any more: there is no hint on how.
	Over bool
	// Needs is how many of the payments that need someone a table shows at most; 0
	// for the usual.
	Needs int
}
