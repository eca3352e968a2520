package advice

import (
	"bufio"
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"daozhang/internal/money"
)

// WriteCAMT054 writes a settlement file as a camt.054.001.08. The same file
// gives the same bytes. Nothing is written of one that does not foot.
func WriteCAMT054(w io.Writer, f *File) error {
	if err := f.check(); err != nil {
		return err
	}
	x := &writer{w: bufio.NewWriter(w), f: f}
	at := f.clock(f.At)
	x.raw(xml.Header + `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08" xmlns:d="` + Namespace + `">`)
	x.open("BkToCstmrDbtCdtNtfctn")
	x.open("GrpHdr").leaf("MsgId", f.messageID()).leaf("CreDtTm", at).close()
	x.open("Ntfctn").leaf("Id", f.messageID()).leaf("CreDtTm", at)
	x.open("FrToDt").leaf("FrDtTm", f.Date.String()+"T00:00:00").leaf("ToDtTm", f.Date.String()+"T23:59:59").close()
	x.open("Acct").open("Id").open("Othr").leaf("Id", f.MID).open("SchmeNm").leaf("Prtry", "MID").close().close().close()
	x.leaf("Ccy", f.Currency.String())
	if f.Name != "" {
		x.open("Ownr").leaf("Nm", f.Name).close()
	}
	x.close()
	payouts := f.payouts()
	var sum int64
	for _, p := range payouts {
		sum += max(p.net, -p.net) // of what was added up already
	}
	x.open("TxsSummry").open("TtlNtries").leaf("NbOfNtries", strconv.Itoa(len(payouts))).leaf("Sum", money.Format(sum, f.Currency))
	x.open("TtlNetNtry").signed(f.Total).close().close().close()
	for i := range payouts {
		x.entry(&payouts[i])
	}
	x.close() // Ntfctn
	x.open("SplmtryData").open("Envlp").open("d:file")
	x.leaf("d:id", f.fileID()).leaf("d:time", at).leaf("d:mid", f.MID).leaf("d:date", f.Date.String())
	x.leaf("d:count", strconv.FormatInt(f.Count, 10)).leaf("d:total", money.Format(f.Total, f.Currency)).leaf("d:currency", f.Currency.String())
	x.close().close().close().close()
	x.raw("</Document>\n")
	return unwritten(f, x.w.Flush())
}

// messageID names the notification, in at most 35 characters.
func (f *File) messageID() string {
	id := f.Currency.String() + strings.ReplaceAll(f.Date.String(), "-", "")
	if room := 35 - 1 - len(id); len(f.MID) > room {
		return f.MID[:room] + "-" + id
	}
	return f.MID + "-" + id
}

// payout is the lines that one payout pays.
type payout struct {
	id    string
	net   int64
	lines []*Line
}

// payouts groups the lines, in order of the first of each.
func (f *File) payouts() []payout {
	var list []payout
	at := map[string]int{}
	for i := range f.Lines {
		l := &f.Lines[i]
		n, ok := at[l.Payout]
		if !ok {
			n = len(list)
			at[l.Payout] = n
			list = append(list, payout{id: l.Payout})
		}
		list[n].net += l.Net
		list[n].lines = append(list[n].lines, l)
	}
	return list
}

// noPayout stands where a line is not paid out yet.
const noPayout = "NOTPROVIDED"

func (x *writer) entry(p *payout) {
	f := x.f
	id := p.id
	if id == "" {
		id = noPayout
	}
	x.open("Ntry").leaf("NtryRef", id).signed(p.net).open("Sts").leaf("Cd", "BOOK").close()
	x.open("BookgDt").leaf("Dt", f.Date.String()).close().open("ValDt").leaf("Dt", f.Date.String()).close()
	x.code("payout")
	x.open("NtryDtls").open("Btch").leaf("NbOfTxs", strconv.Itoa(len(p.lines))).total(p.net).close()
	for _, l := range p.lines {
		x.open("TxDtls").open("Refs").leaf("EndToEndId", id).close().signed(l.Net)
		x.open("AmtDtls").open("InstdAmt").amount("Amt", l.Gross).close().close()
		x.code(l.Kind.String())
		if l.Fee != 0 {
			x.open("Chrgs").open("Rcrd").signed(-l.Fee).close().close()
		}
		if l.Time.Year() > 1 {
			x.open("RltdDts").leaf("TxDtTm", f.moment(l.Time)).close()
		}
		x.open("SplmtryData").open("Envlp").open("d:line").leaf("d:id", l.ID).leaf("d:time", f.clock(l.At)).leaf("d:mid", f.MID)
		for _, k := range keys {
			x.leaf("d:"+k.name, k.value(l))
		}
		x.close().close().close().close()
	}
	x.close().close()
}

// writer writes elements one within the other. Errors are those of Flush.
type writer struct {
	w    *bufio.Writer
	f    *File
	tags []string
}

func (x *writer) raw(s string) { x.w.WriteString(s) }

func (x *writer) open(name string) *writer {
	x.tags = append(x.tags, name)
	x.raw("<" + name + ">")
	return x
}

func (x *writer) close() *writer {
	last := len(x.tags) - 1
	x.raw("</" + x.tags[last] + ">\n")
	x.tags = x.tags[:last]
	return x
}

// leaf writes an element with its text; nothing where there is none.
func (x *writer) leaf(name, text string) *writer {
	if text != "" {
		x.raw("<" + name + ">")
		xml.EscapeText(x.w, []byte(text))
		x.raw("</" + name + ">")
	}
	return x
}

func (x *writer) amount(name string, minor int64) *writer {
	x.raw("<" + name + ` Ccy="` + x.f.Currency.String() + `">` + money.Format(minor, x.f.Currency) + "</" + name + ">")
	return x
}

// signed writes an amount and which way it goes for the merchant.
func (x *writer) signed(minor int64) *writer { return x.amount("Amt", max(minor, -minor)).way(minor) }

// total is signed for the sum of a batch.
func (x *writer) total(minor int64) *writer { return x.amount("TtlAmt", max(minor, -minor)).way(minor) }

func (x *writer) way(minor int64) *writer {
	if minor < 0 {
		return x.leaf("CdtDbtInd", "DBIT")
	}
	return x.leaf("CdtDbtInd", "CRDT")
}

func (x *writer) code(kind string) {
	x.open("BkTxCd").open("Prtry").leaf("Cd", kind).leaf("Issr", "daozhang").close().close()
}
