package store

import (
	"slices"
	"strconv"
	"strings"
)

// kind is the type of a column where rows are written in bulk.
type kind uint8

const (
	text kind = iota
	number
	bytea
)

var pgArrays = [...]string{text: "text[]", number: "bigint[]", bytea: "bytea[]"}

type column struct {
	name string
	kind kind
}

// table is what the committer writes rows into. Columns stand in the order of
// the values of a row; the first key of them are the primary key.
type table struct {
	name    string
	columns []column
	key     int
	// fixed are columns that a replace leaves alone: they name the row for life,
	// and rewriting them would rewrite their indexes.
	fixed []string
	// merchant is true where the table grows with payments and so has the
	// merchant first in its key; the others are reference tables.
	merchant bool
	// part is true where the columns are not the table's, or the key not its own:
	// another way into a table that stands here whole.
	part bool
	// open is the column that is NULL while a claim may replace the row.
	open string
	// statement is what the verb run executes.
	statement string
}

// row is one row's values in the order of the table's columns: string, int64,
// []byte or nil.
type row []any

func columns(spec string) []column {
	var out []column
	for f := range strings.FieldsSeq(spec) {
		name, k, _ := strings.Cut(f, ":")
		out = append(out, column{name, map[string]kind{"": text, "n": number, "b": bytea}[k]})
	}
	return out
}

// The tables of a step, and what else the committer writes.
var (
	paymentTable   = &table{name: "payment", columns: columns("merchant id:b version:n operation state open:n tid batch stan rrn original:b received:n business_date currency amount:n body"), key: 2, merchant: true, fixed: strings.Fields("operation tid batch stan rrn original received currency amount")}
	journalTable   = &table{name: "journal", columns: columns("merchant node pos:n at:n step"), key: 3, merchant: true}
	transferTable  = &table{name: "ledger_transfer", columns: columns("merchant seq:n id:b key currency debit credit amount:n phase of_id:b at:n date payment:b reason hash:b"), key: 2, merchant: true}
	headTable      = &table{name: "ledger_head", columns: columns("merchant seq:n hash:b"), key: 1, merchant: true}
	balanceTable   = &table{name: "ledger_balance", columns: columns("merchant currency account debits:n credits:n pending_debits:n pending_credits:n"), key: 3, merchant: true}
	openTable      = &table{name: "ledger_open", columns: columns("merchant id:b seq:n"), key: 2, merchant: true}
	evidenceTable  = &table{name: "evidence", columns: columns("merchant id source hash:b node pos:n type at:n line"), key: 4, merchant: true}
	outgoingTable  = &table{name: "outgoing", columns: columns("merchant payment:b kind state next:n body"), key: 3, merchant: true}
	exceptionTable = &table{name: "payment_exception", columns: columns("merchant id:b payment:b kind state owner opened:n body"), key: 2, merchant: true}
	batchTable     = &table{name: "terminal_batch", columns: columns("merchant tid number state opened:n body"), key: 3, merchant: true}
	referenceFacts = &table{name: "evidence_reference", columns: columns("id source hash:b node pos:n type at:n line"), key: 3, merchant: false}
)

// nodeTable is moved on by every commit.
var nodeTable = &table{name: "node", columns: columns("name pos:n"), key: 1, merchant: false}

// newNodeTable is the same with what is written once.
var newNodeTable = &table{name: "node", columns: columns("name opened:n pos:n"), key: 1, merchant: false}

// tables are those that the committer writes, in the order of writing. One
// order for all writers keeps them from waiting for each other in a circle.
var tables = slices.Concat([]*table{nodeTable, headTable, paymentTable, transferTable, balanceTable, openTable, outgoingTable, exceptionTable, batchTable},
	settlementTables, deskTables, notifyTables, []*table{evidenceTable, packTable, referenceFacts, journalTable})

// verb is how rows meet those that are there.
type verb uint8

const (
	// insert fails where the key is there.
	insert verb = iota
	// ignore leaves what is there.
	ignore
	// upsert replaces what is there.
	upsert
	// claim replaces what is there while its open column is NULL, and counts.
	claim
	// replace changes what is there and counts: its rows have one more value, the
	// version (or place) that has to be there, compared with the column guarded
	// by guard.
	replace
	// change sets columns of what is there; where there is nothing it does nothing.
	change
	// remove deletes by the key; its rows are keys.
	remove
	// run executes the table's own statement, once for each row of parameters.
	run
)

// counts reports whether a verb has to find, or make, every one of its rows.
func (v verb) counts() bool { return v == replace || v == claim }

// guard is the column whose value a replace finds and checks.
func (t *table) guard() string {
	switch t {
	case headTable:
		return "seq"
	case nodeTable:
		return "pos"
	}
	return "version"
}

func (t *table) names() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// column is a column's place, or -1.
func (t *table) column(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
}

// parameter is the place of a value in a statement for one row.
func parameter(i int) string { return "$" + strconv.Itoa(i+1) }

// one is the statement that changes or removes one row, and the places in the
// row of its parameters $1, $2, ….
func (t *table) one(v verb) (statement string, places []int) {
	value := func(i int) string {
		places = append(places, i)
		return parameter(len(places) - 1)
	}
	switch v {
	case remove:
		statement = "DELETE FROM " + t.name + " WHERE " + t.where(value, "")
	case change:
		statement = t.set(value, "")
	case run:
		for i := range t.columns {
			places = append(places, i)
		}
		statement = t.statement
	default:
		statement = t.set(value, "") + " AND " + t.guard() + " = " + value(len(t.columns))
	}
	return statement, places
}

// pick gives the values of a row at some places.
func (r row) pick(into []any, places []int) []any {
	for _, p := range places {
		into = append(into, r[p])
	}
	return into
}

// values is the statement that inserts n rows, or removes them, row after row of
// parameters. SQLite runs it: there is no round trip to save, only parsing and
// starting.
func (t *table) values(v verb, n int) string {
	if v == remove {
		var key []string
		for _, c := range t.columns[:t.key] {
			key = append(key, c.name)
		}
		return "DELETE FROM " + t.name + " WHERE (" + strings.Join(key, ", ") + ") IN (VALUES " + parameters(n, t.key) + ")"
	}
	return "INSERT INTO " + t.name + " (" + t.names() + ") VALUES " + parameters(n, len(t.columns)) + t.conflict(v)
}

// parameters are the places of n rows of some values: ($1, $2), ($3, $4).
func parameters(n, values int) string {
	var b strings.Builder
	for i := range n * values {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%values == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	b.WriteString(")")
	return b.String()
}

// many is the statement that writes any number of rows from one array per
// column. PostgreSQL runs it: one plan and one round trip for a whole batch.
func (t *table) many(v verb) string {
	cols := t.columns
	var names []string
	switch v {
	case replace:
		cols = append(append([]column(nil), cols...), column{"expected", number})
	case remove:
		cols = cols[:t.key]
	}
	var b strings.Builder
	b.WriteString("unnest(")
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1) + "::" + pgArrays[c.kind])
		names = append(names, c.name)
	}
	b.WriteString(") AS v(" + strings.Join(names, ", ") + ")")
	from := b.String()
	value := func(i int) string { return "v." + t.columns[i].name }
	switch v {
	case replace:
		return t.set(value, " FROM "+from) + " AND " + t.name + "." + t.guard() + " = v.expected"
	case change:
		return t.set(value, " FROM "+from)
	case remove:
		return "DELETE FROM " + t.name + " USING " + from + " WHERE " + t.where(value, t.name+".")
	}
	return "INSERT INTO " + t.name + " (" + t.names() + ") SELECT " + strings.Join(names, ", ") + " FROM " + from + t.conflict(v)
}

func (t *table) conflict(v verb) string {
	switch v {
	case ignore:
		return " ON CONFLICT DO NOTHING"
	case upsert, claim:
		var key, set []string
		for i, c := range t.columns {
			if i < t.key {
				key = append(key, c.name)
			} else {
				set = append(set, c.name+" = excluded."+c.name)
			}
		}
		out := " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ")
		if v == claim {
			out += " WHERE " + t.name + "." + t.open + " IS NULL"
		}
		return out
	}
	return ""
}

func (t *table) set(value func(int) string, from string) string {
	var set []string
	for i := t.key; i < len(t.columns); i++ {
		if slices.Contains(t.fixed, t.columns[i].name) {
			continue
		}
		set = append(set, t.columns[i].name+" = "+value(i))
	}
	prefix := ""
	if from != "" {
		prefix = t.name + "."
	}
	return "UPDATE " + t.name + " SET " + strings.Join(set, ", ") + from + " WHERE " + t.where(value, prefix)
}

func (t *table) where(value func(int) string, prefix string) string {
	var w []string
	for i := 0; i < t.key; i++ {
		w = append(w, prefix+t.columns[i].name+" = "+value(i))
	}
	return strings.Join(w, " AND ")
}

// work is rows to be written in one way.
type work struct {
	table *table
	verb  verb
	rows  []row
}
