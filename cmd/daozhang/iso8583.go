package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
)

// iso8583 holds the commands about messages on the wire.
func (m *Main) iso8583() *cobra.Command {
	c := &cobra.Command{
		Use:   "iso8583",
		Short: m.say(text{"Read messages between terminals, acquirer and networks", "解读终端、收单机构与网络之间的报文"}),
		Example: "  daozhang iso8583 decode 003C60000300006031000110010800002000...\n" +
			"  daozhang iso8583 dialects",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fmt.Sprintf("there is no command %q", args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	c.AddCommand(m.iso8583Decode(), m.iso8583Dialects())
	return c
}

// maxHex bounds what is read: a few messages, not a capture of a day.
const maxHex = 8 << 20

func (m *Main) iso8583Decode() *cobra.Command {
	var output *oneOf
	var dialect string
	c := &cobra.Command{
		Use:   "decode [HEX|FILE|-]",
		Short: m.say(text{"Say what a message says, field by field", "逐域解读报文"}),
		Long: m.say(text{
			"Reads a message as hexadecimal digits from the argument, a file or standard input (one message, or one a\n" +
				"line), or as bytes from a file. The length before it may stand there or not, TPDU and header too; the dialect\n" +
				"is told by content. Card numbers are shown with six and four digits; tracks, PIN blocks and keys not at all.",
			"从参数、文件或标准输入读取十六进制报文（一条，或每行一条），也可从文件读取原始字节。报文前的长度、TPDU 和\n" +
				"报文头可有可无；报文规范按内容识别。卡号只显示前六后四，磁道、PIN 和密钥一律不显示。"}),
		Example: "  daozhang iso8583 decode 003C60000300006031000110010800002000...\n" +
			"  daozhang iso8583 decode capture.hex -o json\n" +
			"  xxd -p message.bin | daozhang iso8583 decode --lang zh",
		Args: need(0, 1, text{"name one message or file", "请给出一条报文或一个文件"})(m),
		RunE: func(cmd *cobra.Command, args []string) error {
			const op = "decode"
			var known []*iso8583.Dialect
			if dialect != "" {
				d, err := iso8583.Lookup(dialect)
				if err != nil {
					return err
				}
				known = append(known, d)
			}
			name, raw, err := m.wireInput(args)
			if err != nil {
				return err
			}
			messages, lines, err := wireMessages(name, raw, known)
			if err != nil {
				return err
			}
			var all []decoded
			var refused int
			for i, b := range messages {
				found, err := iso8583.Detect(b, known...)
				if err == nil {
					all = append(all, m.decoded(b, found))
					found.Message.Wipe()
					continue
				}
				where := name
				if len(messages) > 1 {
					where = place(name, lines[i])
				}
				bad := fault.New(fault.Invalid, op, where, err, m.say(text{
					"the byte is counted from the beginning of the input; `--dialect` tries one dialect alone",
					"字节位置从输入开头算起；可用 --dialect 指定报文规范"}))
				if len(messages) == 1 {
					return bad
				}
				m.tell(bad)
				refused++
			}
			err = m.deliver("", func(w io.Writer) error {
				for i, d := range all {
					if output.value == "json" {
						enc := json.NewEncoder(w)
						enc.SetEscapeHTML(false)
						if err := enc.Encode(d); err != nil {
							return err
						}
						continue
					}
					if i > 0 {
						if _, err := io.WriteString(w, "\n"); err != nil {
							return err
						}
					}
					if err := m.writeDecoded(w, d); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil || refused == 0 {
				return err
			}
			return fault.New(fault.Rejected, op, "", nil, "")
		},
	}
	output = choice(c.Flags(), "output", "o", "table", m.say(text{"form of the answer", "结果形式"}), "table", "json")
	c.Flags().StringVar(&dialect, "dialect", "", m.say(text{"`NAME` of the dialect (default: told by content)", "报文规范 `NAME`（默认按内容识别）"}))
	return c
}

// wireInput gives the argument itself where it is hexadecimal, or what the file or
// standard input holds.
func (m *Main) wireInput(args []string) (name string, raw []byte, err error) {
	if len(args) == 0 || args[0] == "-" {
		raw, err = io.ReadAll(io.LimitReader(m.Stdin, maxHex+1))
		name = "<stdin>"
	} else if _, ok := parseHex([]byte(args[0])); ok {
		return m.say(text{"the message", "报文"}), []byte(args[0]), nil
	} else {
		name = args[0]
		var f *os.File
		if f, err = os.Open(name); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return "", nil, fault.New(fault.NotFound, "open", "", errors.New(m.say(text{
					"the argument is neither hexadecimal digits nor a file", "参数既不是十六进制，也不是文件"})), "")
			}
			return "", nil, openError(name, err)
		}
		defer f.Close()
		raw, err = io.ReadAll(io.LimitReader(f, maxHex+1))
	}
	if err != nil {
		return "", nil, fault.New(fault.Internal, "read", name, err, "")
	}
	if len(raw) > maxHex {
		return "", nil, fault.New(fault.Invalid, "read", name, fmt.Errorf("it is larger than %d MB", maxHex>>20), "")
	}
	return name, raw, nil
}

// parseHex reads hexadecimal digits as people copy them: with spaces, line breaks,
// colons, 0x before them.
func parseHex(b []byte) ([]byte, bool) {
	clean := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ':' || c == ',' || c == '-':
		case c == '0' && i+1 < len(b) && (b[i+1] == 'x' || b[i+1] == 'X'):
			i++
		default:
			clean = append(clean, c)
		}
	}
	out := make([]byte, len(clean)/2)
	_, err := hex.Decode(out, clean)
	return out, err == nil && len(out) > 0
}

// wireMessages finds the messages of an input: one in all its lines, else one a
// line, else its bytes as they are. Lines that begin with # are comments.
func wireMessages(name string, raw []byte, known []*iso8583.Dialect) (messages [][]byte, lines []int, err error) {
	var body [][]byte
	for i, l := range bytes.Split(raw, []byte("\n")) {
		if l = bytes.TrimSpace(l); len(l) > 0 && l[0] != '#' {
			body, lines = append(body, l), append(lines, i+1)
		}
	}
	if len(body) == 0 {
		return nil, nil, fault.New(fault.Invalid, "read", name, errors.New("it is empty"), "")
	}
	whole, isHex := parseHex(bytes.Join(body, []byte("\n")))
	if !isHex {
		single := true
		for _, l := range body {
			b, ok := parseHex(l)
			messages, single = append(messages, b), single && ok
		}
		if single {
			return messages, lines, nil
		}
		if len(body) == 1 && printableASCII(raw) && !bytes.HasPrefix(body[0], []byte("0")) {
			return nil, nil, fault.New(fault.Invalid, "read", name, errors.New("it is no hexadecimal text"), "")
		}
		return [][]byte{raw}, []int{1}, nil
	}
	if len(body) > 1 {
		if _, err := iso8583.Detect(whole, known...); err != nil {
			for _, l := range body {
				b, ok := parseHex(l)
				if !ok {
					return [][]byte{whole}, lines[:1], nil
				}
				messages = append(messages, b)
			}
			return messages, lines, nil
		}
	}
	return [][]byte{whole}, lines[:1], nil
}

func printableASCII(b []byte) bool {
	for _, c := range b {
		if c > '~' || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// decoded is a described message and how it lay in the input.
type decoded struct {
	Bytes         int   `json:"bytes"`
	LengthPrefix  *int  `json:"length_prefix,omitempty"`
	LengthCorrect *bool `json:"length_correct,omitempty"`
	HeaderMissing bool  `json:"header_missing,omitempty"`
	iso8583.Description
}

func (m *Main) decoded(b []byte, found *iso8583.Detected) decoded {
	d := decoded{Bytes: len(b) - found.Start, HeaderMissing: found.HeaderMissing, Description: found.Message.Describe(m.lang)}
	if found.Length >= 0 {
		right := !found.LengthWrong
		d.LengthPrefix, d.LengthCorrect = &found.Length, &right
	}
	return d
}

func (m *Main) writeDecoded(w io.Writer, d decoded) error {
	var b strings.Builder
	title := d.MTI
	if d.MTIMeaning != "" {
		title += " " + d.MTIMeaning
	}
	what := d.OperationMeaning
	if what == "" {
		what = m.say(text{"the codes stand for no operation", "代码不对应任何交易"})
	} else if d.Reversal {
		what = m.say(text{"reversal: ", "冲正："}) + what
	}
	fmt.Fprintf(&b, "%s · %s\n%s (%s) · %s\n", title, what, d.DialectName, d.Dialect, fmt.Sprintf(m.say(text{"%d bytes", "%d 字节"}), d.Bytes))
	if d.LengthCorrect != nil && !*d.LengthCorrect {
		fmt.Fprintf(&b, m.say(text{"the length before it says %d, which is wrong\n", "报文前的长度为 %d，不正确\n"}), *d.LengthPrefix)
	}
	if d.HeaderMissing {
		b.WriteString(m.say(text{"TPDU or header are missing\n", "缺少 TPDU 或报文头\n"}))
	}
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"field", "域"}), m.say(text{"name", "名称"}), m.say(text{"value", "值"}), m.say(text{"meaning", "含义"})})
	for _, it := range d.Header {
		t.AppendRow(table.Row{"-", it.Name, it.Value, ""})
	}
	for _, it := range d.Fields {
		t.AppendRow(table.Row{fmt.Sprint(it.Field), it.Name, it.Value, it.Meaning})
		for _, p := range it.Parts {
			t.AppendRow(table.Row{fmt.Sprintf("%d.%s", it.Field, p.Key), p.Name, p.Value, p.Meaning})
		}
	}
	return writeTable(w, t)
}

func (m *Main) iso8583Dialects() *cobra.Command {
	return &cobra.Command{
		Use:     "dialects",
		Short:   m.say(text{"List the dialects that are known", "列出已知的报文规范"}),
		Example: "  daozhang iso8583 dialects",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
		RunE: func(_ *cobra.Command, _ []string) error {
			t := plainTable()
			t.AppendHeader(table.Row{m.say(text{"dialect", "报文规范"}), m.say(text{"what it is", "说明"}), "MAC"})
			for _, d := range iso8583.Dialects() {
				t.AppendRow(table.Row{d.Name, d.Title.In(m.lang), d.Algorithm.String()})
			}
			return m.deliver("", func(w io.Writer) error { return writeTable(w, t) })
		},
	}
}
