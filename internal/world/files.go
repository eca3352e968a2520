package world

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files writes a world's evidence as the files that people have: the POS
// journal of each market, UnionPay's clearing files and a table of the other
// lines, Adyen's settlement details, MT940 and camt.053 statements. What has no
// such file (terms, notices, payouts, the state of devices) stays as facts;
// what only the platform sees (requests, answers, the networks' lines) is left
// out. It streams: one file per kind, or per account or merchant and day.
func Files(evidence io.Reader, dir string) (err error) {
	x := &exporter{dir: dir, open: map[string]*exported{}, terms: map[string]termsData{}, entries: map[string][]entryData{}}
	defer func() {
		if cerr := x.close(); err == nil {
			err = cerr
		}
	}()
	sc := bufio.NewScanner(evidence)
	sc.Buffer(make([]byte, 1<<16), 1<<22)
	seen := map[string]bool{} // entries and lines that came twice
	for sc.Scan() {
		var f exportFact
		if err := json.Unmarshal(sc.Bytes(), &f); err != nil {
			return err
		}
		kind := strings.TrimPrefix(f.Type, "daozhang.")
		switch kind {
		case "gateway.request", "gateway.response", "gateway.timeout", "gateway.reversal", "gateway.error", "clearing.line", "clearing.file", "settlement.file":
			continue
		case "terminal.transaction", "settlement.line", "bank.entry", "bank.statement":
			if seen[f.Source+"#"+f.ID] {
				continue
			}
			seen[f.Source+"#"+f.ID] = true
		}
		switch kind {
		case "merchant.terms":
			x.remember(&f.Data)
			err = x.raw(sc.Bytes())
		case "coverage":
			if f.Data.Of != "gateway" {
				err = x.raw(sc.Bytes())
			}
		case "terminal.transaction":
			err = x.journal(&f)
		case "settlement.line":
			err = x.settlement(&f)
		case "bank.entry":
			x.entry(&f)
		case "bank.statement":
			err = x.statement(&f)
		default:
			err = x.raw(sc.Bytes())
		}
		if err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return err
	}
	return x.writeBills()
}

type exportFact struct {
	ID     string     `json:"id"`
	Source string     `json:"source"`
	Type   string     `json:"type"`
	Time   time.Time  `json:"time"`
	Data   exportData `json:"data"`
}

type exportData struct {
	MID          string    `json:"mid"`
	TID          string    `json:"tid"`
	Batch        string    `json:"batch"`
	STAN         string    `json:"stan"`
	RRN          string    `json:"rrn"`
	AuthCode     string    `json:"auth_code"`
	OrderID      string    `json:"order_id"`
	PAN          string    `json:"pan"`
	Ref          string    `json:"ref"`
	Network      string    `json:"network"`
	CardType     string    `json:"card_type"`
	Amount       int64     `json:"amount"`
	Currency     string    `json:"currency"`
	Kind         string    `json:"kind"`
	Entry        string    `json:"entry"`
	Result       string    `json:"result"`
	Code         string    `json:"response_code"`
	Printed      *bool     `json:"printed"`
	OriginalRRN  string    `json:"original_rrn"`
	OriginalSTAN string    `json:"original_stan"`
	Gross        int64     `json:"gross"`
	Fee          int64     `json:"fee"`
	Net          int64     `json:"net"`
	Settled      string    `json:"settlement_date"`
	Sold         time.Time `json:"transaction_time"`
	Payout       string    `json:"payout"`
	Account      string    `json:"account"`
	Direction    string    `json:"direction"`
	EntryRef     string    `json:"entry_ref"`
	Booking      string    `json:"booking_date"`
	Text         string    `json:"text"`
	References   []string  `json:"references"`
	From         any       `json:"from"`
	Of           string    `json:"of"`
	Timezone     string    `json:"timezone"`
	MCC          string    `json:"mcc"`
	Calendar     string    `json:"calendar"`
}

type termsData struct {
	mcc, account, calendar string
	zone                   *time.Location
}

type entryData struct {
	amount          int64
	currency        string
	ref, text, note string
}

type exporter struct {
	dir     string
	open    map[string]*exported
	terms   map[string]termsData
	bills   map[[3]string][]exportFact // wallets' bills by network, merchant and day, written at the end
	entries map[string][]entryData     // by account and date, until the statement comes
	serial  map[string]int
}

type exported struct {
	f *os.File
	w *bufio.Writer
}

// to opens a file for more, with a header when it is new. Few are open at once.
func (x *exporter) to(name, header string) (*bufio.Writer, error) {
	if e := x.open[name]; e != nil {
		return e.w, nil
	}
	if len(x.open) > 64 {
		if err := x.close(); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(x.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	e := &exported{f, bufio.NewWriter(f)}
	x.open[name] = e
	if at, err := f.Seek(0, io.SeekEnd); err == nil && at == 0 && header != "" {
		e.w.WriteString(header + "\n")
	}
	return e.w, nil
}

func (x *exporter) close() error {
	var first error
	for name, e := range x.open {
		if err := e.w.Flush(); err != nil && first == nil {
			first = err
		}
		if err := e.f.Close(); err != nil && first == nil {
			first = err
		}
		delete(x.open, name)
	}
	return first
}

func (x *exporter) raw(line []byte) error {
	w, err := x.to("facts.ndjson", "")
	if err == nil {
		w.Write(line)
		err = w.WriteByte('\n')
	}
	return err
}

func (x *exporter) remember(d *exportData) {
	zone, err := time.LoadLocation(d.Timezone)
	if err != nil {
		zone = time.UTC
	}
	x.terms[d.MID] = termsData{d.MCC, d.Account, d.Calendar, zone}
}

func decimal(minor int64) string {
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	return fmt.Sprintf("%s%d.%02d", sign, minor/100, minor%100)
}

var chinese = map[string]string{
	"sale": "消费", "void": "消费撤销", "refund": "退货", "preauth": "预授权", "completion": "预授权完成",
	"approved": "成功", "declined": "失败", "timeout": "超时", "aborted": "中止", "unknown": "未知", "offline_approved": "脱机成功",
	"chip": "插卡", "contactless": "挥卡", "magstripe": "刷卡", "manual": "手输", "qr": "扫码",
	"debit": "借记卡", "credit": "贷记卡",
}

// psp is the processor's own number of a payment, as slips show it.
func psp(rrn string) string { return "88" + rrn + "QX" }

// journal writes one row of the POS journal of the merchant's market.
func (x *exporter) journal(f *exportFact) error {
	d, t := &f.Data, x.terms[f.Data.MID]
	at := f.Time
	if t.zone != nil {
		at = at.In(t.zone)
	}
	printed := ""
	if d.Printed != nil {
		printed = fmt.Sprint(*d.Printed)
	}
	if t.calendar == "CN" {
		w, err := x.to("pos-cn.csv", "交易日期,交易时间,商户号,终端号,批次号,凭证号,参考号,授权码,卡号,卡类型,输入方式,交易类型,交易金额,交易结果,应答码,原参考号,商户订单号,流水号")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", at.Format("2006-01-02"), at.Format("15:04:05"), d.MID, d.TID, d.Batch, d.STAN,
			d.RRN, d.AuthCode, d.PAN, chinese[d.CardType], chinese[d.Entry], chinese[d.Kind], decimal(d.Amount), chinese[d.Result], d.Code, d.OriginalRRN, d.OrderID, d.Ref)
		return err
	}
	w, err := x.to("pos-eu.csv", "time,mid,tid,batch,stan,rrn,auth_code,pan,card_type,entry,kind,amount,currency,result,response_code,printed,original_rrn,order_id,ref")
	if err != nil {
		return err
	}
	ref := ""
	if d.RRN != "" && (d.Kind == "sale" || d.Kind == "preauth") {
		ref = psp(d.RRN)
	}
	_, err = fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", at.Format(time.RFC3339), d.MID, d.TID, d.Batch, d.STAN, d.RRN, d.AuthCode, d.PAN,
		d.CardType, d.Entry, d.Kind, decimal(d.Amount), d.Currency, d.Result, d.Code, printed, d.OriginalRRN, d.OrderID, ref)
	return err
}

// settlement writes a line in the form of the merchant's processor.
func (x *exporter) settlement(f *exportFact) error {
	d, t := &f.Data, x.terms[f.Data.MID]
	switch {
	case t.calendar != "CN":
		return x.adyen(f)
	case d.Ref != "" && d.Kind == "sale":
		x.wallet(f)
		return nil
	case d.Network == "UnionPay" && d.Kind == "sale" && d.STAN != "":
		return x.unionpay(f)
	}
	w, err := x.to("settlement-cn.csv", "settlement_date,mid,tid,stan,rrn,original_rrn,auth_code,order_id,pan,card_type,network,kind,gross,fee,net,currency,transaction_time,payout")
	if err != nil {
		return err
	}
	sold := ""
	if !d.Sold.IsZero() {
		sold = d.Sold.Format(time.RFC3339)
	}
	_, err = fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", d.Settled, d.MID, d.TID, d.STAN, d.RRN, d.OriginalRRN, d.AuthCode, d.OrderID, d.PAN, d.CardType,
		d.Network, d.Kind, decimal(d.Gross), decimal(d.Fee), decimal(d.Net), d.Currency, sold, d.Payout)
	return err
}

// unionpay writes a row of the merchant's clearing file (INN…ZM).
func (x *exporter) unionpay(f *exportFact) error {
	d, t := &f.Data, x.terms[f.Data.MID]
	w, err := x.to("unionpay/INN"+strings.ReplaceAll(d.Settled, "-", "")[2:]+"88ZM_"+d.MID, "")
	if err != nil {
		return err
	}
	row := []byte(strings.Repeat(" ", 607))
	put := func(at int, text string) { copy(row[at:], text) }
	sold := d.Sold.In(t.zone)
	side := func(n int64) string {
		if n < 0 {
			return fmt.Sprintf("D%012d", -n)
		}
		return fmt.Sprintf("C%012d", n)
	}
	put(0, "S22")
	put(4, "48020000")
	put(16, "00040000")
	put(28, d.STAN)
	put(35, sold.Format("0102150405"))
	put(46, d.PAN)
	put(66, fmt.Sprintf("%012d", d.Gross))
	put(79, t.mcc)
	put(84, "07")
	put(87, sold.Format("20060102150405")+d.STAN+"8")
	put(109, "05")
	put(112, d.OrderID)
	card := "01"
	if d.CardType == "credit" {
		card = "02"
	}
	put(145, card)
	put(166, side(-d.Fee))
	put(180, side(d.Net))
	put(194, "0201")
	put(215, "01")
	put(221, "000201")
	put(293, d.MID)
	put(311, "000000000000000")
	put(361, "000000000000")
	put(374, side(d.Net))
	put(388, d.TID)
	w.Write(row)
	return w.WriteByte('\n')
}

// adyen writes a row of the settlement details of a merchant account.
func (x *exporter) adyen(f *exportFact) error {
	d := &f.Data
	w, err := x.to("adyen/settlement_detail_"+d.MID+"_"+d.Payout+".csv", "Company Account,Merchant Account,Merchant Reference,Psp Reference,Payment Method,Creation Date,TimeZone,Booking Date,Booking Date TimeZone,Type,Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Markup (NC),Scheme Fees (NC),Interchange (NC),Payment Method Variant,Batch Number")
	if err != nil {
		return err
	}
	kinds := map[string]string{"sale": "Settled", "completion": "Settled", "refund": "Refunded", "chargeback": "Chargeback", "adjustment": "Fee", "reserve": "DepositCorrection"}
	rrn := d.RRN
	if d.OriginalRRN != "" {
		rrn = d.OriginalRRN
	}
	split := func(n int64) (debit, credit string) {
		if n < 0 {
			return decimal(-n), ""
		}
		return "", decimal(n)
	}
	gross := d.Gross
	if d.Net < 0 {
		gross = -gross
	}
	gd, gc := split(gross)
	nd, nc := split(d.Net)
	sold := f.Time
	if !d.Sold.IsZero() {
		sold = d.Sold
	}
	ref := ""
	if rrn != "" {
		ref = psp(rrn)
	}
	batch := d.Payout[strings.LastIndexByte(d.Payout, '-')+1:]
	_, err = fmt.Fprintf(w, "Company,%s,%s,%s,%s,%s,CET,%s,CET,%s,%s,%s,%s,%s,1,%s,%s,%s,%s,,,,%s,%s\n", d.MID, d.OrderID, ref, strings.ToLower(d.Network),
		inCET(sold), inCET(f.Time), kinds[d.Kind], ref, d.Currency, gd, gc, d.Currency, nd, nc, decimal(d.Fee), d.CardType, batch)
	return err
}

// inCET writes a time as the report does: the zone's own, summer or winter.
func inCET(t time.Time) string {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}

func (x *exporter) entry(f *exportFact) {
	d := &f.Data
	e := entryData{amount: d.Amount, currency: d.Currency, ref: d.EntryRef, text: d.Text}
	if len(d.References) > 0 {
		e.note = d.References[0]
	}
	k := d.Account + " " + d.Booking
	x.entries[k] = append(x.entries[k], e)
}

// statement writes the account's statement of a day: camt.053 where IBANs are
// used, else MT940.
func (x *exporter) statement(f *exportFact) error {
	d := &f.Data
	day, _ := d.From.(string)
	k := d.Account + " " + day
	entries := x.entries[k]
	delete(x.entries, k)
	if x.serial == nil {
		x.serial = map[string]int{}
	}
	x.serial[d.Account]++
	name := fmt.Sprintf("bank/%s-%s", d.Account, day)
	total := int64(0)
	for _, e := range entries {
		total += e.amount
	}
	const opening = 1000000
	date, err := time.Parse("2006-01-02", day)
	if err != nil {
		return err
	}
	if strings.HasPrefix(d.Account, "DE") {
		w, err := x.to(name+".xml", "")
		if err != nil {
			return err
		}
		balance := func(code string, n int64) string {
			return fmt.Sprintf(`<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>%s</Dt></Dt></Bal>`, code, decimal(n), day)
		}
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>%s-%s</MsgId><CreDtTm>%sT06:30:00+02:00</CreDtTm></GrpHdr><Stmt><Id>%s</Id><ElctrncSeqNb>%d</ElctrncSeqNb><CreDtTm>%sT06:30:00+02:00</CreDtTm><FrToDt><FrDtTm>%sT00:00:00+02:00</FrDtTm><ToDtTm>%sT23:59:59+02:00</ToDtTm></FrToDt><Acct><Id><IBAN>%s</IBAN></Id><Ccy>EUR</Ccy></Acct>%s%s`,
			d.Account, day, day, d.Account[4:]+day, x.serial[d.Account], day, day, day, d.Account, balance("OPBD", opening), balance("CLBD", opening+total))
		for _, e := range entries {
			fmt.Fprintf(w, "\n"+`<Ntry><NtryRef>%s</NtryRef><Amt Ccy="%s">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>%s</Dt></BookgDt><ValDt><Dt>%s</Dt></ValDt><AcctSvcrRef>%s</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>%s</EndToEndId></Refs><Amt Ccy="%s">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><RmtInf><Ustrd>%s</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>`,
				e.ref, e.currency, decimal(e.amount), day, day, e.ref, orNone(e.note), e.currency, decimal(e.amount), e.text+" "+e.note)
		}
		_, err = w.WriteString("</Stmt></BkToCstmrStmt></Document>\n")
		return err
	}
	w, err := x.to(name+".mt940", "")
	if err != nil {
		return err
	}
	comma := func(n int64) string { return strings.Replace(decimal(n), ".", ",", 1) }
	short := date.Format("060102")
	fmt.Fprintf(w, ":20:%s\n:25:%s\n:28C:%d/1\n:60F:C%sCNY%s\n", "ST"+short, d.Account, x.serial[d.Account], short, comma(opening))
	for _, e := range entries {
		fmt.Fprintf(w, ":61:%s%sC%sNTRF%s//%s\n:86:%s\n", short, date.Format("0102"), comma(e.amount), "NONREF", clip(e.ref, 16), strings.TrimSpace(e.text+" "+e.note))
	}
	_, err = fmt.Fprintf(w, ":62F:C%sCNY%s\n", short, comma(opening+total))
	return err
}

func orNone(s string) string {
	if s == "" {
		return "NOTPROVIDED"
	}
	return s
}

// clip keeps the end of a text, where it differs from others.
func clip(s string, n int) string { return s[max(0, len(s)-n):] }
