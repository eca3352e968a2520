package iso8583

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

// Dialect is how a network or a kind of terminal writes messages. It is data (a
// file under dialects/), immutable, and may be used from several goroutines.
type Dialect struct {
	// Name is what settings call it: "unionpay-pos", "iso87-ascii".
	Name string
	// Title says what it is.
	Title Text
	// Framing is what stands before each message on a connection.
	Framing Framing
	// Algorithm is that of the MAC, 0 for a dialect without.
	Algorithm keyring.Algorithm

	header     []Part // its lengths are bytes
	headerSize int
	initial    []byte // the header of a new message
	mtiAs      encoding
	bitmapAs   encoding
	prefixAs   encoding
	fields     [maxField + 1]*Field
	roles      map[string]role
	operations []codes
	required   map[Operation][]int
	echo       []int
	reversal   []int
	variant    bool
	twoBitmaps bool
}

// Text is a text in the two languages of the product.
type Text struct {
	EN string `yaml:"en" json:"en"`
	ZH string `yaml:"zh" json:"zh"`
}

// In gives the text in a language, "zh" or else English.
func (t Text) In(lang string) string {
	if lang == "zh" && t.ZH != "" {
		return t.ZH
	}
	return t.EN
}

// Secrecy says how much of a value may be shown.
type Secrecy uint8

const (
	// Public values are shown.
	Public Secrecy = iota
	// CardNumber shows first six and last four.
	CardNumber
	// Secret values are never shown: tracks, PIN blocks, keys, verification values.
	Secret
)

// Field is one field of a dialect.
type Field struct {
	Number int
	Name   Text
	// Format as the standard writes it: "n6", "n..19", "ans...999", "b64".
	Format  string
	Secrecy Secrecy
	// Content names what the value is made of beyond parts: "tlv" (EMV tags),
	// "keys", "totals", "upload", "balance", "code", "entry", "processing".
	Content string
	Parts   []Part

	class   class
	max     int // digits, characters or bytes; exact where prefix is 0
	prefix  int // digits of the length, 0 for a fixed field
	as      encoding
	left    bool // an odd number of digits is padded at the left
	numeric bool
	tags    tagging
}

// Part is one of the positions that a private field is made of.
type Part struct {
	Key    string `yaml:"key"`
	Length int    `yaml:"length"` // 0: the rest
	Text   `yaml:",inline"`
	// Pad fills up a shorter value: digits at the left, text at the right.
	Pad string `yaml:"pad"`
	// Default of a header's part, hexadecimal.
	Default string `yaml:"default"`
	from    int
}

// role is a place in a message: a field, or one part or tagged element of it.
type role struct {
	field, part int // part is -1 for none
	tag         string
}

// codes is one line of the table of operations.
type codes struct {
	Name       string `yaml:"operation"`
	Request    string `yaml:"request"`
	Response   string `yaml:"response"`
	Processing string `yaml:"processing"` // its first two digits decide
	Condition  string `yaml:"condition"`
	Code       string `yaml:"code"`    // transaction type, UnionPay's 60.1
	Network    string `yaml:"network"` // network management code, 60.3 or field 70
	operation  Operation
}

type class uint8

const (
	classN   class = iota // digits
	classAN               // printable
	classANS              // any byte
	classB                // bytes
	classZ                // digits and separators, and what encryption makes of them
)

type encoding uint8

const (
	asASCII encoding = iota
	asBCD
	asBinary
	asHex
	asEBCDIC
)

var encodings = map[string]encoding{"ascii": asASCII, "bcd": asBCD, "binary": asBinary, "hex": asHex, "ebcdic": asEBCDIC}

// dialectFile is a dialect as it is written down.
type dialectFile struct {
	Name       string            `yaml:"name"`
	Extends    string            `yaml:"extends"`
	Title      Text              `yaml:"title"`
	Frame      string            `yaml:"frame"`
	Header     []Part            `yaml:"header"`
	MTI        string            `yaml:"mti"`
	Bitmap     string            `yaml:"bitmap"`
	Bitmaps    int               `yaml:"bitmaps"` // 2: always both, whatever bit 1 says
	Prefix     string            `yaml:"prefix"`
	Text       string            `yaml:"text"`    // ebcdic: what is ascii in the fields is EBCDIC here
	Variant    bool              `yaml:"variant"` // looks like the one it extends, so that content cannot tell
	MAC        string            `yaml:"mac"`
	Fields     map[int]fieldFile `yaml:"fields"`
	Roles      map[string]string `yaml:"roles"`
	Operations []codes           `yaml:"operations"`
	Required   map[string][]int  `yaml:"required"`
	Echo       []int             `yaml:"echo"`
	Reversal   []int             `yaml:"reversal"`
}

type fieldFile struct {
	Text    `yaml:",inline"`
	Format  string `yaml:"format"`
	As      string `yaml:"as"`
	Left    bool   `yaml:"left"`
	Hide    string `yaml:"hide"`
	Content string `yaml:"content"`
	Tags    string `yaml:"tags"` // how tagged elements are written: text, packed
	Parts   []Part `yaml:"parts"`
}

//go:embed dialects/*.yaml
var dialectFiles embed.FS

var builtin = sync.OnceValue(func() []*Dialect {
	all, err := LoadDialects(dialectFiles, "dialects")
	if err != nil {
		panic(err) // embedded, and read by every test
	}
	return all
})

// Dialects gives the dialects that come with the program, in the order in which
// Detect tries them.
func Dialects() []*Dialect { return slices.Clone(builtin()) }

// Lookup gives a dialect by name; NotFound where there is none.
func Lookup(name string) (*Dialect, error) {
	var names []string
	for _, d := range builtin() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return nil, fault.New(fault.NotFound, "look up dialect", name, errors.New("there is no such dialect"), "known are "+strings.Join(names, ", "))
}

func mustLookup(name string) *Dialect {
	d, err := Lookup(name)
	if err != nil {
		panic(err)
	}
	return d
}

// POS is the dialect of UnionPay-style terminals, with the ECB MAC.
func POS() *Dialect { return mustLookup("unionpay-pos") }

// Network is the ASCII dialect of ISO 8583:1987 towards networks and issuers.
func Network() *Dialect { return mustLookup("iso87-ascii") }

// LoadDialects reads every *.yaml of a folder, in the order of their names. A
// dialect may extend one that stands in a file before it. The error names file and
// entry.
func LoadDialects(files fs.FS, dir string) ([]*Dialect, error) {
	const op = "load dialects"
	names, err := fs.Glob(files, path.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	raw := map[string]dialectFile{}
	var all []*Dialect
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var f dialectFile
		dec := yaml.NewDecoder(strings.NewReader(string(b)))
		dec.KnownFields(true)
		if err := dec.Decode(&f); err != nil {
			return nil, fault.New(fault.Invalid, op, name, err, "see the dialects that come with the program")
		}
		if f.Extends != "" {
			base, ok := raw[f.Extends]
			if !ok {
				return nil, fault.New(fault.Invalid, op, name, fmt.Errorf("extends %q, which no file before it defines", f.Extends), "")
			}
			f = f.over(base)
		}
		raw[f.Name] = f
		d, err := f.compile()
		if err != nil {
			return nil, fault.New(fault.Invalid, op, name, err, "")
		}
		all = append(all, d)
	}
	return all, nil
}

// over fills what f leaves open from the dialect it extends. Fields are replaced
// one by one, lists as a whole.
func (f dialectFile) over(base dialectFile) dialectFile {
	pick := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	f.Frame, f.MTI, f.Bitmap = pick(f.Frame, base.Frame), pick(f.MTI, base.MTI), pick(f.Bitmap, base.Bitmap)
	f.Prefix, f.MAC = pick(f.Prefix, base.Prefix), pick(f.MAC, base.MAC)
	if f.Header == nil {
		f.Header = base.Header
	}
	if f.Operations == nil {
		f.Operations = base.Operations
	}
	if f.Required == nil {
		f.Required = base.Required
	}
	if f.Echo == nil {
		f.Echo = base.Echo
	}
	if f.Reversal == nil {
		f.Reversal = base.Reversal
	}
	if f.Roles == nil {
		f.Roles = base.Roles
	}
	fields := map[int]fieldFile{}
	for n, own := range base.Fields {
		fields[n] = own
	}
	for n, own := range f.Fields {
		was := fields[n]
		own.EN, own.ZH = pick(own.EN, was.EN), pick(own.ZH, was.ZH)
		own.Format, own.As, own.Hide = pick(own.Format, was.Format), pick(own.As, was.As), pick(own.Hide, was.Hide)
		own.Content, own.Tags = pick(own.Content, was.Content), pick(own.Tags, was.Tags)
		own.Left = own.Left || was.Left
		if own.Parts == nil {
			own.Parts = was.Parts
		}
		fields[n] = own
	}
	f.Fields = fields
	return f
}

func (f dialectFile) compile() (*Dialect, error) {
	d := &Dialect{Name: f.Name, Title: f.Title, header: f.Header, roles: map[string]role{}, required: map[Operation][]int{},
		echo: f.Echo, reversal: f.Reversal, operations: f.Operations}
	if d.Name == "" {
		return nil, errors.New("it has no name")
	}
	var ok bool
	if d.Framing, ok = framings[f.Frame]; !ok {
		return nil, fmt.Errorf("frame %q is not known", f.Frame)
	}
	for _, e := range []struct {
		what, name string
		to         *encoding
		allowed    []encoding
	}{
		{"mti", f.MTI, &d.mtiAs, []encoding{asASCII, asBCD, asEBCDIC}},
		{"bitmap", f.Bitmap, &d.bitmapAs, []encoding{asBinary, asHex}},
		{"prefix", f.Prefix, &d.prefixAs, []encoding{asASCII, asBCD, asEBCDIC, asBinary}},
	} {
		as, ok := encodings[e.name]
		if !ok || !slices.Contains(e.allowed, as) {
			return nil, fmt.Errorf("%s: encoding %q is not known here", e.what, e.name)
		}
		*e.to = as
	}
	if f.MAC != "" && f.MAC != "none" {
		if d.Algorithm, ok = keyring.ParseAlgorithm(f.MAC); !ok {
			return nil, fmt.Errorf("mac: algorithm %q is not known", f.MAC)
		}
	}
	for _, p := range f.Header {
		if len(p.Default) != 2*p.Length {
			return nil, fmt.Errorf("header %s: the default is not %d bytes", p.Key, p.Length)
		}
		b, err := fromHex(p.Default)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", p.Key, err)
		}
		d.initial = append(d.initial, b...)
		d.headerSize += p.Length
	}
	d.variant, d.twoBitmaps = f.Variant, f.Bitmaps == 2
	for n, ff := range f.Fields {
		if f.Text != "" && ff.As == "ascii" {
			ff.As = f.Text
		}
		field, err := ff.compile(n)
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", n, err)
		}
		d.fields[n] = field
	}
	for name, at := range f.Roles {
		r, err := d.parseRole(at)
		if err != nil {
			return nil, fmt.Errorf("role %s: %w", name, err)
		}
		d.roles[name] = r
	}
	seen := map[codes]string{}
	for i := range d.operations {
		c := &d.operations[i]
		if c.operation, ok = ParseOperation(c.Name); !ok {
			return nil, fmt.Errorf("operation %q is not known", c.Name)
		}
		if len(c.Request) != 4 || len(c.Response) != 4 {
			return nil, fmt.Errorf("operation %s: request and response are message types of four digits", c.Name)
		}
		key := *c
		key.Name, key.operation = "", 0
		if was, twice := seen[key]; twice {
			return nil, fmt.Errorf("operations %s and %s have the same codes", was, c.Name)
		}
		seen[key] = c.Name
	}
	for name, list := range f.Required {
		o, ok := ParseOperation(name)
		if !ok {
			return nil, fmt.Errorf("required: operation %q is not known", name)
		}
		d.required[o] = list
	}
	return d, nil
}

func (ff fieldFile) compile(n int) (*Field, error) {
	if n < 2 || n > maxField {
		return nil, errors.New("there is no such field")
	}
	f := &Field{Number: n, Name: ff.Text, Format: ff.Format, Content: ff.Content, Parts: slices.Clone(ff.Parts), left: ff.Left}
	cls := strings.TrimRight(ff.Format, ".0123456789")
	rest := ff.Format[len(cls):]
	f.prefix = strings.LastIndex(rest, ".") + 1
	max, err := strconv.Atoi(rest[f.prefix:])
	if err != nil || max <= 0 || f.prefix == 1 || f.prefix > 4 {
		return nil, fmt.Errorf("format %q cannot be understood", ff.Format)
	}
	f.max = max
	var ok bool
	if f.class, ok = map[string]class{"n": classN, "an": classAN, "a": classAN, "ans": classANS, "as": classANS, "x+n": classAN, "b": classB, "z": classZ}[cls]; !ok {
		return nil, fmt.Errorf("format %q is of no known class", ff.Format)
	}
	if f.as, ok = encodings[ff.As]; !ok {
		return nil, fmt.Errorf("encoding %q is not known", ff.As)
	}
	if f.tags, ok = taggings[ff.Tags]; !ok {
		return nil, fmt.Errorf("tags: %q is not known", ff.Tags)
	}
	f.numeric = f.class == classN
	if f.class == classB {
		if f.as != asBinary && f.as != asHex {
			return nil, errors.New("bytes are written binary or hex")
		}
		if f.prefix == 0 {
			if f.max%8 != 0 {
				return nil, errors.New("the length of a fixed field of class b is in bits")
			}
			f.max /= 8
		}
	} else if f.as == asBCD && f.class != classN && f.class != classZ {
		return nil, errors.New("only digits are written in BCD")
	} else if f.as == asHex {
		return nil, errors.New("only bytes are written in hex")
	}
	switch ff.Hide {
	case "":
	case "pan":
		f.Secrecy = CardNumber
	case "secret":
		f.Secrecy = Secret
	default:
		return nil, fmt.Errorf("hide: %q is not known", ff.Hide)
	}
	at := 0
	for i := range f.Parts {
		p := &f.Parts[i]
		p.from = at
		if p.Length == 0 && i < len(f.Parts)-1 {
			return nil, fmt.Errorf("part %s: only the last may have no length", p.Key)
		}
		at += p.Length
		if p.Pad == "" {
			p.Pad = " "
			if f.numeric {
				p.Pad = "0"
			}
		}
	}
	return f, nil
}

func (d *Dialect) parseRole(at string) (role, error) {
	number, part, has := strings.Cut(at, ".")
	n, err := strconv.Atoi(number)
	if err != nil || n < 2 || n > maxField || d.fields[n] == nil {
		return role{}, fmt.Errorf("there is no field %q", number)
	}
	if !has {
		return role{field: n, part: -1}, nil
	}
	switch t := d.fields[n].tags; {
	case t == tagsText && len(part) == 2, t == tagsPacked && len(part) == 4 && strings.Trim(part, "0123456789ABCDEF") == "":
		return role{n, -1, part}, nil
	}
	for i, p := range d.fields[n].Parts {
		if p.Key == part {
			return role{field: n, part: i}, nil
		}
	}
	return role{}, fmt.Errorf("field %d has no part %q", n, part)
}

// Field gives a field's description; nil where the dialect has no such field.
func (d *Dialect) Field(n int) *Field {
	if n < 2 || n > maxField {
		return nil
	}
	return d.fields[n]
}

// String gives the dialect's name.
func (d *Dialect) String() string { return d.Name }

// New gives a message without fields, its header the dialect's usual one.
func (d *Dialect) New(mti string) *Message {
	m := &Message{dialect: d, header: slices.Clone(d.initial), buf: make([]byte, 0, 256)}
	m.SetMTI(mti)
	return m
}
