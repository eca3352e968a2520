package format

import (
	"strings"
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

var errNoHeader = fault.Say("the header was not found again", "未能再次找到表头")

const contractName = "csv"

// Contract is the CSV form of the evidence contract: a header with `type`,
// `time` and names of fields, one fact a row. Without a type column the file is
// of the type its columns tell, or that the person says. Amounts are in minor
// units, times in RFC 3339, lists separated by semicolons; columns the contract
// does not name are kept.
func Contract() Format {
	return Format{Name: contractName, Title: fault.Say("evidence as CSV", "CSV 事实记录"),
		Detect: func(h *Head) bool { return findContract(h, h.hint) != nil },
		Read: func(in *Input, out *Out) error {
			c := findContract(&in.Head, in.Type)
			if c == nil {
				return errNoHeader
			}
			return c.read(in, out)
		},
	}
}

// contract is the contract's header found in an input.
type contract struct {
	layout
	types map[string]*sheet // by the text of the type column
	typ   evidence.Type     // of all rows, where there is no type column
	mu    sync.Mutex
	in    *Input
}

// findContract looks for the header: a time, and a type column or columns that
// tell the type, most names those of the contract.
func findContract(h *Head, hint evidence.Type) *contract {
	if h.Text == "" {
		return nil
	}
	for _, delim := range delimiters {
		rows := h.grid(delim)
		for i := range rows {
			row := &rows[i]
			if len(row.cells) < 3 {
				continue
			}
			has := map[string]bool{}
			named := 0
			for _, c := range row.cells {
				has[c] = true
				switch c {
				case "type", "time", "source", "id", "recordedtime", "specversion":
					named++
				default:
					if _, ok := evidence.FieldOf(evidence.UnknownType, c); ok {
						named++
					}
				}
			}
			if !has["time"] || named*3 < len(row.cells)*2 {
				continue
			}
			c := &contract{layout: layout{delim: delim, header: row, width: len(row.cells)}}
			if !has["type"] {
				if c.typ = hint; c.typ == evidence.UnknownType {
					c.typ = typeByColumns(has)
				}
				if c.typ == evidence.UnknownType {
					continue
				}
			} else if !typesAreKnown(row, rows[i+1:]) {
				continue
			}
			if wroteDecimals(row, rows[i+1:]) || !has["type"] && wroteLocalTimes(row, rows[i+1:]) {
				continue // not the contract's, but perhaps still recognised
			}
			return c
		}
	}
	return nil
}

// typesAreKnown reports whether the type column holds types of facts rather
// than, say, types of transactions.
func typesAreKnown(header *headRow, rows []headRow) bool {
	cells := sample(rows, header, "type")
	for _, c := range cells {
		if strings.Contains(c, ".") || c == "notice" || c == "coverage" {
			return true
		}
	}
	return len(cells) == 0
}

// wroteDecimals reports amounts that are no minor units.
func wroteDecimals(header *headRow, rows []headRow) bool {
	with, without := 0, 0
	for _, name := range []string{"amount", "gross", "net"} {
		for _, s := range sample(rows, header, name) {
			if strings.ContainsAny(s, ".,") {
				with++
			} else {
				without++
			}
		}
	}
	return with >= max(without, 1)
}

// wroteLocalTimes reports times without an offset.
func wroteLocalTimes(header *headRow, rows []headRow) bool {
	with, without := 0, 0
	for _, s := range sample(rows, header, "time") {
		if _, _, err := evidence.ParseInstant([]byte(s)); err == nil {
			with++
		} else if c, ok := parseClock([]byte(s)); ok && !c.zoned {
			without++
		}
	}
	return without > with
}

// typeSigns tell a type by the columns it has; the first that fits counts.
var typeSigns = []struct {
	columns string
	typ     evidence.Type
}{
	{"account direction amount", evidence.BankEntry},
	{"opening closing account", evidence.BankStatement},
	{"settlement_date gross", evidence.SettlementLine},
	{"settlement_date net", evidence.SettlementLine},
	{"gross net", evidence.SettlementLine},
	{"gross fee", evidence.SettlementLine},
	{"clearing_date", evidence.ClearingLine},
	{"payout state", evidence.PayoutStatus},
	{"result kind", evidence.TerminalTransaction},
	{"result amount", evidence.TerminalTransaction},
	{"entry kind", evidence.TerminalTransaction},
	{"cvm kind", evidence.TerminalTransaction},
	{"approved_amount", evidence.GatewayResponse},
	{"tid component", evidence.TerminalHealth},
	{"tid version", evidence.TerminalSoftware},
	{"prompt what", evidence.OperatorAction},
	{"tid batch what", evidence.TerminalBatch},
	{"calendar date what", evidence.CalendarHoliday},
	{"link state", evidence.LinkStatus},
	{"notice", evidence.Notice},
	{"affects what", evidence.Notice},
	{"scope max_amount", evidence.LimitPolicy},
	{"scope daily_amount", evidence.LimitPolicy},
	{"scope daily_count", evidence.LimitPolicy},
	{"case what", evidence.CaseOpened},
	{"of from to", evidence.Coverage},
	{"mid cycle", evidence.MerchantTerms},
	{"mid fees", evidence.MerchantTerms},
	{"network date count", evidence.ClearingFile},
	{"date count total", evidence.SettlementFile},
	{"rule action", evidence.RiskDecision},
	{"action mid", evidence.RiskDecision},
	{"mid state", evidence.AccountStatus},
	{"tid stan amount", evidence.TerminalTransaction},
	{"order_id amount", evidence.SaleOrder},
}

func typeByColumns(has map[string]bool) evidence.Type {
next:
	for _, s := range typeSigns {
		for name := range strings.FieldsSeq(s.columns) {
			if !has[name] {
				continue next
			}
		}
		return s.typ
	}
	return evidence.UnknownType
}

// sheetOf gives the columns of a type.
func (c *contract) sheetOf(typ evidence.Type, name string) *sheet {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.types[name]; s != nil {
		return s
	}
	t := &Table{Name: "csv." + name, Title: fault.Say("evidence as CSV", "CSV 事实记录"), Type: typ}
	l := c.layout
	for i, cell := range c.header.cells {
		if cell == "" || cell == "type" || cell == "specversion" {
			continue
		}
		col := Column{Name: cell, Headers: []string{cell}, Optional: true}
		switch cell {
		case "time":
			col.Field = When
		case "recordedtime":
			col.Field = Recorded
		case "source":
			col.Field = SourceField
		case "id":
			col.Field = IDField
		default:
			col.Field, _ = evidence.FieldOf(typ, cell)
		}
		t.Columns = append(t.Columns, col)
		l.at = append(l.at, i)
		l.with = append(l.with, -1)
	}
	s := newSheet(t, c.in, &l)
	s.contract = true
	if c.types == nil {
		c.types = map[string]*sheet{}
	}
	c.types[name] = s
	return s
}

func (c *contract) read(in *Input, out *Out) error {
	c.in = in
	out.SetFormat(contractName)
	if c.typ != evidence.UnknownType {
		out.SetFormat("csv:" + c.typ.String())
		return c.sheetOf(c.typ, c.typ.String()).read(out)
	}
	typeAt := -1
	for i, cell := range c.header.cells {
		if cell == "type" {
			typeAt = i
		}
	}
	base := c.sheetOf(evidence.UnknownType, "")
	base.variants = func(row *Row) (*sheet, error) {
		name := ""
		if typeAt < len(row.Cells) {
			name = strings.TrimPrefix(string(clean(row.Cells[typeAt])), evidence.TypePrefix)
		}
		if name == "" {
			return nil, fault.Say("the type is missing", "缺少类型（type）")
		}
		typ, _ := evidence.ParseType(name)
		if typ == evidence.UnknownType && len(name) > 64 {
			return nil, fault.Say("column %q: not a type", "列 %q：不是事实类型", "type")
		}
		return c.sheetOf(typ, name), nil
	}
	return base.read(out)
}
