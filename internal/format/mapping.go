package format

import (
	"io"
	"maps"
	"regexp"
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
		return nil, wrongMapping("type", fault.Say("must be a type of the contract, such as settlement.line or terminal.transaction", "须为约定的事实类型，如 settlement.line、terminal.transaction"))
	}
	t := &Table{Name: f.Name, Title: fault.Say("table of the mapping file", "映射文件说明的表格"), Type: typ, Zone: f.Timezone, Currency: f.Currency}
	if t.Name == "" {
		t.Name = "mapped." + typ.String()
	}
	if f.Timezone != "" {
		if _, err := calendar.Location(f.Timezone); err != nil {
			return nil, wrongMapping("timezone", fault.Say("must be a zone such as Asia/Shanghai", "须为时区，如 Asia/Shanghai"))
		}
	}
	if f.Currency != "" {
		c, ok := ParseCurrency([]byte(f.Currency))
		if !ok {
			return nil, wrongMapping("currency", fault.Say("must be an ISO 4217 code", "须为 ISO 4217 币种代码"))
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
		return nil, wrongMapping("decimal", fault.Say("must be point, comma or minor", "须为 point（小数点）、comma（小数逗号）或 minor（最小货币单位）"))
	}
	switch f.Delimiter {
	case "":
	case "tab", "\\t":
		t.Delimiter = '\t'
	default:
		if len(f.Delimiter) != 1 {
			return nil, wrongMapping("delimiter", fault.Say("must be one character, or tab", "须为一个字符，或 tab"))
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
			return nil, wrongMapping("columns."+second+".with", fault.Say("names no column that is mapped", "所指的列没有映射"))
		}
		t.Columns[i].With = []string{second}
	}
	if len(t.Columns) == 0 {
		return nil, wrongMapping("columns", fault.Say("must name at least one column", "至少须写一列"))
	}
	for name, v := range f.Constants {
		field, ok := evidence.FieldOf(typ, name)
		if !ok {
			return nil, wrongMapping("constants."+name, fault.Say("is no field of the contract", "不是约定的字段"))
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
			return col, wrongMapping("columns."+header, fault.Say("must name a field of the contract, such as time, amount or rrn", "须为约定的字段，如 time、amount、rrn"))
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

func wrongMapping(key string, why fault.Text) error {
	return fault.New(fault.Invalid, fault.Say("read mapping file", "读取映射文件"), key, why, "")
}

// yamlReason is a YAML error on one line. The library's words are English; in
// Chinese stand the line and what such a mistake mostly is.
func yamlReason(err error) fault.Text {
	why := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
	zh := "缩进、冒号或引号有误"
	if strings.Contains(why, "unmarshal") {
		zh = "值的类型不对（数字、文字、列表用错）"
	}
	if m := yamlLine.FindStringSubmatch(why); m != nil {
		zh = "第 " + m[1] + " 行" + zh
	}
	return fault.Text{EN: why, ZH: zh}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func (m *Mapping) fits(h *Head) bool { return m.table.Detect(h) }

func (m *Mapping) format() Format { return m.table.Format() }
