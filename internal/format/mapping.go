package format

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Mapping explains the columns of a file that no format knows. It is written
// as YAML:
//
//	name: our-acquirer          # becomes the format's name
//	type: settlement.line       # of every row
//	timezone: Europe/Berlin     # of local times
//	currency: EUR               # where no column says it
//	decimal: comma              # comma, point, or minor (whole minor units)
//	dates: ["DD.MM.YYYY"]       # layouts of dates and times, if unusual
//	columns:
//	  Buchungstag: settlement_date
//	  Umsatz: gross
//	  Art: {field: kind, words: {Verkauf: sale, Gutschrift: refund}}
//	  Uhrzeit: {with: Datum}    # follows the column Datum after a space
//	constants:
//	  mid: "898310058120001"
//
// It serves every input that has all its columns.
type Mapping struct {
	table *Table
}

type mappingFile struct {
	Name      string               `yaml:"name"`
	Type      string               `yaml:"type"`
	Timezone  string               `yaml:"timezone"`
	Currency  string               `yaml:"currency"`
	Decimal   string               `yaml:"decimal"`
	Delimiter string               `yaml:"delimiter"`
	Dates     []string             `yaml:"dates"`
	Columns   map[string]yaml.Node `yaml:"columns"`
	Constants map[string]string    `yaml:"constants"`
}

type mappedColumn struct {
	Field    string            `yaml:"field"`
	Words    map[string]string `yaml:"words"`
	With     string            `yaml:"with"`
	Optional bool              `yaml:"optional"`
}

// ReadMapping reads a mapping file. An error is of kind fault.Invalid and says
// which key is wrong.
func ReadMapping(r io.Reader) (*Mapping, error) {
	var f mappingFile
	dec := yaml.NewDecoder(io.LimitReader(r, 1<<20))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return nil, wrongMapping("", yamlReason(err))
	}
	typ, ok := evidence.ParseType(f.Type)
	if !ok {
		return nil, wrongMapping("type", "must be a type of the contract, such as settlement.line or terminal.transaction")
	}
	t := &Table{Name: f.Name, Title: "table of the mapping file", Type: typ, Zone: f.Timezone, Currency: f.Currency}
	if t.Name == "" {
		t.Name = "mapped." + typ.String()
	}
	if f.Timezone != "" {
		if _, err := calendar.Location(f.Timezone); err != nil {
			return nil, wrongMapping("timezone", "must be a zone such as Asia/Shanghai")
		}
	}
	if f.Currency != "" {
		c, ok := ParseCurrency([]byte(f.Currency))
		if !ok {
			return nil, wrongMapping("currency", "must be an ISO 4217 code")
		}
		t.Currency = c.String()
	}
	amounts := AsDecimal
	switch f.Decimal {
	case "", "point":
	case "comma":
		t.Comma = true
	case "minor":
		amounts = AsMinor
	default:
		return nil, wrongMapping("decimal", "must be point, comma or minor")
	}
	switch f.Delimiter {
	case "":
	case "tab", "\\t":
		t.Delimiter = '\t'
	default:
		if len(f.Delimiter) != 1 {
			return nil, wrongMapping("delimiter", "must be one character, or tab")
		}
		t.Delimiter = f.Delimiter[0]
	}
	var layouts []string
	for _, d := range f.Dates {
		layouts = append(layouts, goLayout(d))
	}
	withs := map[string]string{}
	for _, header := range slices.Sorted(maps.Keys(f.Columns)) {
		node := f.Columns[header]
		var c mappedColumn
		if node.Kind == yaml.ScalarNode {
			c.Field = node.Value
		} else if err := node.Decode(&c); err != nil {
			return nil, wrongMapping("columns."+header, yamlReason(err))
		}
		if c.With != "" {
			withs[c.With] = header
			continue
		}
		col, err := mapColumn(typ, header, c, amounts, layouts)
		if err != nil {
			return nil, err
		}
		t.Columns = append(t.Columns, col)
	}
	for first, second := range withs {
		i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Headers[0] == first })
		if i < 0 {
			return nil, wrongMapping("columns."+second+".with", "names no column that is mapped")
		}
		t.Columns[i].With = []string{second}
	}
	if len(t.Columns) == 0 {
		return nil, wrongMapping("columns", "must name at least one column")
	}
	for name, v := range f.Constants {
		field, ok := evidence.FieldOf(typ, name)
		if !ok {
			return nil, wrongMapping("constants."+name, "is no field of the contract")
		}
		if t.Const == nil {
			t.Const = map[evidence.Field]string{}
		}
		t.Const[field] = v
	}
	t.Fill = fillOf(typ)
	return &Mapping{table: t}, nil
}

func mapColumn(typ evidence.Type, header string, c mappedColumn, amounts As, layouts []string) (Column, error) {
	col := Column{Headers: []string{header}, Optional: c.Optional, Words: c.Words}
	switch c.Field {
	case "time":
		col.Field, col.As, col.Layouts = When, AsTime, layouts
	case "recordedtime":
		col.Field, col.As, col.Layouts = Recorded, AsTime, layouts
	case "id":
		col.Field = IDField
	case "source":
		col.Field = SourceField
	default:
		f, ok := evidence.FieldOf(typ, c.Field)
		if !ok {
			return col, wrongMapping("columns."+header, "must name a field of the contract, such as time, amount or rrn")
		}
		col.Field = f
		col.As = usualAs(f, amounts)
		if col.As == AsDate || col.As == AsTime {
			col.Layouts = layouts
		}
		if col.As == AsWord {
			words := maps.Clone(Known(f).Words)
			if f == evidence.KindField && typ == evidence.SettlementLine {
				words = maps.Clone(LineWords)
			}
			maps.Copy(words, c.Words)
			col.Words = words
		}
	}
	if c.Words != nil && col.As == AsIs {
		col.As = AsWord
		col.Words = withOther(c.Words)
	}
	return col, nil
}

// usualAs says how the text of a field is read in files of any origin.
func usualAs(f evidence.Field, amounts As) As {
	switch f {
	case evidence.Amount, evidence.Gross:
		if amounts == AsDecimal {
			return AsMagnitude
		}
		return amounts
	case evidence.Fee:
		if amounts == AsDecimal {
			return AsRounded
		}
		return amounts
	case evidence.Net, evidence.Total, evidence.Opening, evidence.Closing, evidence.ApprovedAmount,
		evidence.MaxAmount, evidence.DailyAmount, evidence.MinimumPayout:
		return amounts
	case evidence.Date, evidence.ClearingDate, evidence.SettlementDate, evidence.BookingDate, evidence.ValueDate:
		return AsDate
	case evidence.TransactionTime:
		return AsTime
	case evidence.PAN:
		return AsPAN
	case evidence.CurrencyField:
		return AsCurrency
	case evidence.KindField, evidence.EntryField, evidence.ResultField, evidence.CardTypeField, evidence.Direction, evidence.Network:
		return AsWord
	}
	return AsIs
}

var layoutWords = strings.NewReplacer("YYYY", "2006", "yyyy", "2006", "YY", "06", "yy", "06", "MMM", "Jan", "MM", "01",
	"DD", "02", "dd", "02", "HH", "15", "hh", "03", "mm", "04", "ss", "05", "SSS", "000", "D", "2", "d", "2", "M", "1", "tt", "PM")

// goLayout reads a layout written either as Go does or with YYYY, MM, DD, HH,
// mm and ss.
func goLayout(s string) string {
	if strings.ContainsAny(s, "0123456789") {
		return s
	}
	return layoutWords.Replace(s)
}

func wrongMapping(key, why string) error {
	return fault.New(fault.Invalid, "read mapping file", key, fmt.Errorf("%s", why), "")
}

// yamlReason is a YAML error on one line.
func yamlReason(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
}

func (m *Mapping) fits(h *Head) bool { return m.table.Detect(h) }

func (m *Mapping) format() Format { return m.table.Format() }
