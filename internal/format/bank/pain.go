package bank

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// painRoots are the elements that hold an order or a report of its status. The
// first versions were named after the message itself.
var painRoots = []struct{ element, message string }{
	{"CstmrCdtTrfInitn", "pain.001"},
	{"pain.001.001.02", "pain.001"},
	{"pain.001.001.01", "pain.001"},
	{"CstmrPmtStsRpt", "pain.002"},
	{"pain.002.001.02", "pain.002"},
	{"pain.002.001.01", "pain.002"},
	{inquiryRoot, "pacs.028"},
}

// painKind gives the message whose element begins somewhere in text; "" where
// there is none.
func painKind(text string) string {
	for _, r := range painRoots {
		for rest := text; ; {
			i := strings.Index(rest, r.element)
			if i < 0 {
				break
			}
			before, after := i > 0 && (rest[i-1] == '<' || rest[i-1] == ':'), rest[i+len(r.element):]
			if before && (after == "" || after[0] == '>' || after[0] == '/' || after[0] <= ' ') {
				return r.message
			}
			rest = after
		}
	}
	return ""
}

func painMessage(element []byte) string {
	for _, r := range painRoots {
		if string(element) == r.element {
			return r.message
		}
	}
	return ""
}

// walker goes through a message by the path of element names below its root:
// "/PmtInf/CdtTrfTxInf/Amt/InstdAmt".
type walker struct {
	x       *xmlReader
	message string // pain.001 or pain.002
	version string // with its version, where the namespace says it
	path    []byte
	leaf    bool
	inside  bool
	root    int // depth of the root within the document
}

// walk reads all messages of one kind. start is told of each element, with its
// attributes in x; text of each that holds nothing but text; end of each. The
// path of the root itself is "".
func (w *walker) walk(start func(path []byte), text func(path, text []byte), end func(path []byte)) error {
	depth := 0
	for {
		kind, name, err := w.x.next()
		if err != nil {
			return fault.New(fault.Invalid, fault.Say("read line %d", "读取第 %d 行", w.x.line), "", err,
				fault.Say("what stood before was read; fetch the file again from its sender", "前面的内容已读取；请向发送方重新获取文件"))
		}
		switch kind {
		case xmlEOF:
			return nil
		case xmlStart:
			depth++
			w.leaf = true
			switch {
			case w.inside:
				w.path = append(append(w.path, '/'), name...)
				start(w.path)
			case painMessage(name) == w.message:
				w.inside, w.root, w.path = true, depth, w.path[:0]
				start(w.path)
			default:
				if v := painVersion(w.x.tag, w.message); v != "" {
					w.version = v
				}
			}
		case xmlEnd:
			if w.inside {
				if w.leaf {
					if t := bytes.TrimSpace(w.x.text); len(t) > 0 {
						text(w.path, t)
					}
				}
				end(w.path)
				if depth == w.root {
					w.inside = false
				} else {
					w.path = w.path[:bytes.LastIndexByte(w.path, '/')]
				}
			}
			w.leaf = false
			depth--
		}
	}
}

// painVersion finds "pain.001.001.09" in a tag.
func painVersion(tag []byte, message string) string {
	const length = len("pain.001.001.09")
	i := bytes.Index(tag, []byte(message+"."))
	if i < 0 || len(tag) < i+length {
		return ""
	}
	for _, c := range tag[i+len(message) : i+length] {
		if c != '.' && c-'0' > 9 {
			return ""
		}
	}
	return string(tag[i : i+length])
}

// Agent is the bank of one side of a payment: known by one of its codes, or by
// its name alone.
type Agent struct {
	BIC    string // ISO 9362, 8 or 11 characters
	Member string // number in a national clearing system, such as CNAPS
	Name   string // as in links and notices: ICBC
}

// AgentOf gives an agent by the code that accounts are kept with, a BIC or the
// twelve digits of a CNAPS number, and by its name. A code that is neither is
// taken for the number of another clearing system.
func AgentOf(code, name string) Agent {
	if isBIC(code) {
		return Agent{BIC: code, Name: name}
	}
	return Agent{Member: code, Name: name}
}

// isBIC reports whether s has the form of a BIC: bank, country, place and
// perhaps branch.
func isBIC(s string) bool {
	if len(s) != 8 && len(s) != 11 {
		return false
	}
	for i := range len(s) {
		letter, digit := s[i]-'A' <= 25, s[i]-'0' <= 9
		if !letter && (!digit || i == 4 || i == 5) {
			return false
		}
	}
	return true
}

// Party is one side of a payment.
type Party struct {
	Name string
	// ID is the merchant number, where the side is a merchant of ours.
	ID string
	// Account is the full number, an IBAN where it has the form of one. It is
	// only ever in an order: evidence shows the last four digits.
	Account string
	Agent   Agent
}

// midScheme names the scheme under which a merchant number stands in an order.
const midScheme = "MID"

// take takes what an element below the party, its account or its agent says.
// scheme remembers the scheme of the identification being read.
func (p *Party) take(path, text []byte) {
	switch string(path) {
	case "/Nm":
		p.Name = string(text)
	case "Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/BBAN", "Acct/Id/PrtryAcct/Id":
		if p.Account == "" {
			p.Account, _ = cleanAccount(string(text))
		}
	case "Agt/FinInstnId/BICFI", "Agt/FinInstnId/BIC", "Agt/FinInstnId/CmbndId/BIC":
		p.Agent.BIC = string(text)
	case "Agt/FinInstnId/ClrSysMmbId/MmbId", "Agt/FinInstnId/ClrSysMmbId/Id":
		p.Agent.Member = string(text)
	case "Agt/FinInstnId/Nm":
		p.Agent.Name = string(text)
	}
}

// parties sorts the elements of debtor and creditor to the two sides.
func takeParty(debtor, creditor *Party, path, text []byte) {
	if rest, ok := bytes.CutPrefix(path, []byte("/Dbtr")); ok {
		debtor.take(rest, text)
	} else if rest, ok := bytes.CutPrefix(path, []byte("/Cdtr")); ok {
		creditor.take(rest, text)
	}
}

// sumPlaces are the decimal places of a control sum: amounts of all currencies
// are added up as they are written, and ISO 20022 gives amounts five at most.
const sumPlaces = 5

// tally compares a stated count and control sum with what is there.
type tally struct {
	count    int64
	sum      int64 // in units of 10^-sumPlaces
	unsummed bool  // an amount could not be read, or the sum grew too large
	line     int   // of the statement

	stated    int64
	hasCount  bool
	statedSum string
}

func (t *tally) setCount(text []byte) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	t.stated, t.hasCount = n, err == nil && n >= 0
}

func (t *tally) add(amount []byte) {
	t.count++
	v, _, err := money.ParseDecimalRound(amount, sumPlaces, money.Point)
	if err != nil {
		t.unsummed = true
		return
	}
	sum, ok := money.Add(t.sum, v)
	t.sum, t.unsummed = sum, t.unsummed || !ok
}

// sumDiffers reports a stated sum that is not the one that is there.
func (t *tally) sumDiffers() bool {
	if t.statedSum == "" || t.unsummed {
		return false
	}
	v, _, err := money.ParseDecimalRound(t.statedSum, sumPlaces, money.Point)
	return err != nil || v != t.sum
}

// readSum shows the sum that is there without needless zeros.
func (t *tally) readSum() string {
	neg, v := "", t.sum
	if v < 0 {
		neg, v = "-", -v
	}
	s := strconv.FormatInt(v, 10)
	if len(s) <= sumPlaces {
		s = strings.Repeat("0", sumPlaces+1-len(s)) + s
	}
	whole, part := s[:len(s)-sumPlaces], strings.TrimRight(s[len(s)-sumPlaces:], "0")
	for len(part) < 2 {
		part += "0"
	}
	return neg + whole + "." + part
}

// shown is a value of a file as a message may repeat it: a code or a decimal
// number, nothing that could be a card number or an account.
func shown(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) > most {
		return "…"
	}
	for i := range len(text) {
		if c := text[i]; c-'0' > 9 && c-'A' > 25 && c != '.' && c != '-' {
			return "…"
		}
	}
	return text
}

// painFormat makes a format of one of the two messages.
func painFormat(message string, title fault.Text, read func(*format.Input, *format.Out) error) format.Format {
	return format.Format{Name: message, Title: title, Read: read,
		Detect: func(h *format.Head) bool { return strings.Contains(h.Text, "<") && painKind(h.Text) == message }}
}

// time gives a moment as a time in its own offset.
func (m moment) time() time.Time {
	zone := time.UTC
	if m.offset != 0 {
		zone = time.FixedZone("", int(m.offset)*60)
	}
	return time.Unix(0, int64(m.at)).In(zone)
}
