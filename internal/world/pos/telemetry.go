package pos

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/money"
	"daozhang/internal/world/journal"
)

// fact is one line of telemetry, without its source and number yet.
type fact struct{ line json.RawMessage }

// stamp is how facts carry times.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// fact makes a fact about the terminal: pairs of names and values, empty ones left
// out. It gets its number when it is kept.
func (t *Terminal) fact(typ string, at time.Time, pairs ...any) fact {
	data := map[string]any{"tid": t.cfg.TID}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := pairs[i+1]; v != "" && v != nil {
			data[pairs[i].(string)] = v
		}
	}
	if typ == "terminal.batch" || typ == "sale.order" {
		data["mid"] = t.cfg.MID
	}
	if typ == "sale.order" || typ == "coverage" {
		delete(data, "tid")
	}
	f := map[string]any{"type": evidence.TypePrefix + typ, "time": at.Format(stamp), "data": data}
	if t.faults.clock() != 0 {
		f["recordedtime"] = t.cfg.Now().Format(stamp) // who takes the fact has a right clock
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic("pos: " + err.Error()) // strings, numbers and maps
	}
	return fact{b}
}

// tell keeps facts.
func (t *Terminal) tell(facts ...fact) error {
	records := make([]Record, len(facts))
	for i, f := range facts {
		records[i] = Record{What: didFact, Time: t.now(), Fact: f.line}
	}
	return t.keep(records...)
}

// papers are the files that people and programs read: both follow from the
// journal, and are written anew from it at the start.
type papers struct {
	journal, facts *os.File
	err            error
}

// The columns of pos.csv, the POS journal as acquirers' portals export it, so that
// `daozhang check` reads it.
var journalHeader = []string{"交易日期", "交易时间", "商户号", "终端号", "批次号", "凭证号", "参考号", "授权码", "卡号", "发卡行", "卡类型", "输入方式",
	"交易类型", "交易金额", "币种", "交易结果", "应答码", "操作员", "订单号", "原凭证号", "原参考号"}

var (
	entryWords  = map[string]string{"chip": "插卡", "contactless": "挥卡", "magstripe": "刷卡", "manual": "手输", "qr": "扫码"}
	cardWords   = map[string]string{"debit": "借记卡", "credit": "贷记卡", "prepaid": "预付费卡"}
	resultWords = map[string]string{"approved": "成功", "declined": "失败", "timeout": "超时", "aborted": "取消", "unknown": "未知", "offline_approved": "脱机成功"}
	kindWords   = map[string]string{"sale": "消费", "void": "撤销", "refund": "退货", "preauth": "预授权", "completion": "预授权完成"}
)

// kindOf is an operation in the words of evidence; "" for what moves no money.
func kindOf(operation string) string {
	switch op, _ := iso8583.ParseOperation(operation); op {
	case iso8583.Sale, iso8583.OfflineSale:
		return "sale"
	case iso8583.SaleVoid, iso8583.CompletionVoid, iso8583.PreauthVoid:
		return "void"
	case iso8583.Refund:
		return "refund"
	case iso8583.Preauth:
		return "preauth"
	case iso8583.Completion, iso8583.CompletionAdvice:
		return "completion"
	}
	return ""
}

// openPapers writes the files anew from the journal beside them.
func openPapers(dir string) (*papers, error) {
	const op = "write the terminal's papers"
	p := &papers{}
	for _, x := range []struct {
		to   **os.File
		name string
	}{{&p.journal, "pos.csv"}, {&p.facts, "evidence.ndjson"}} {
		f, err := os.OpenFile(filepath.Join(dir, x.name+".part"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			p.close()
			return nil, fault.New(fault.Internal, op, dir, err, "")
		}
		*x.to = f
	}
	w := bufio.NewWriter(p.journal)
	if err := writeRows(w, journalHeader); err != nil {
		return nil, err
	}
	all := newState()
	all.all = true
	facts := bufio.NewWriter(p.facts)
	_, err := journal.Read(journalPath(dir), func(line []byte) error {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		all.apply(&r)
		row, told := project(&all, &r)
		if row != nil {
			p.err = errors.Join(p.err, writeRows(w, row))
		}
		_, err := facts.Write(told)
		return err
	})
	err = errors.Join(err, p.err, w.Flush(), facts.Flush())
	for _, name := range []string{"pos.csv", "evidence.ndjson"} {
		if err == nil {
			err = os.Rename(filepath.Join(dir, name+".part"), filepath.Join(dir, name))
		}
	}
	if err != nil {
		p.close()
		return nil, fault.New(fault.Internal, op, dir, err, "")
	}
	return p, nil
}

func writeRows(w io.Writer, row []string) error {
	c := csv.NewWriter(w)
	if err := c.Write(row); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// write adds what a record says.
func (p *papers) write(s *state, r *Record) {
	row, line := project(s, r)
	if row != nil {
		p.err = errors.Join(p.err, writeRows(p.journal, row))
	}
	if line != nil {
		_, err := p.facts.Write(line)
		p.err = errors.Join(p.err, err)
	}
}

func (p *papers) close() error {
	err := p.err
	for _, f := range []*os.File{p.journal, p.facts} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// project gives what a record, just applied, adds to the papers: a row of the
// journal once a transaction is done with its slip, a line of telemetry with it
// and for each fact. It depends on records alone, so that the papers are the same
// however often they are written.
func project(s *state, r *Record) (row []string, line []byte) {
	switch r.What {
	case didFact:
		return nil, finish(r.Fact, s.tid, strconv.Itoa(s.facts))
	case didPrint:
		x := s.byKey[r.Batch+"/"+r.STAN]
		if x == nil || kindOf(x.Operation) == "" || x.filed {
			return nil, nil
		}
		x.filed = true
		return x.row(s.mid, s.tid), finish(x.fact(s.mid, s.tid, r), s.tid, x.Batch+"-"+x.STAN)
	case didTell:
		// Once the acquirer knows an offline sale, so does the terminal know how the
		// acquirer calls it.
		if x := s.byKey[r.Batch+"/"+r.STAN]; x != nil && x.filed {
			return nil, finish(x.fact(s.mid, s.tid, r), s.tid, x.Batch+"-"+x.STAN+"-told")
		}
	case didReverse:
		if x := s.byKey[r.Batch+"/"+r.STAN]; x != nil && r.Reversal == done {
			return nil, finish(x.reversal(s.mid, s.tid, r), s.tid, x.Batch+"-"+x.STAN+"-reversal")
		}
	}
	return nil, nil
}

// finish completes a fact with the contract's envelope.
func finish(f json.RawMessage, tid, id string) []byte {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(f, &m); err != nil {
		return nil
	}
	q := func(s string) json.RawMessage { b, _ := json.Marshal(s); return b }
	m["specversion"], m["source"], m["id"] = q("1.0"), q("terminal/"+tid), q(id)
	b, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return append(b, '\n')
}

func (x *Transaction) currency() money.Currency {
	if c, ok := money.FromNumeric(x.Currency); ok {
		return c
	}
	return money.Currency{'C', 'N', 'Y'}
}

// row is the transaction in pos.csv.
func (x *Transaction) row(mid, tid string) []string {
	return []string{x.Time.Format("2006-01-02"), x.Time.Format("15:04:05"), mid, tid, x.Batch, x.STAN, x.RRN, x.AuthCode, x.PAN, x.Issuer,
		cardWords[x.CardType], entryWords[x.Entry], kindWords[kindOf(x.Operation)], money.Format(x.charged(), x.currency()), x.currency().String(),
		resultWords[x.Result], x.Code, x.Operator, x.OrderID, x.Original.STAN, x.Original.RRN}
}

// fact is the transaction as terminal.transaction.
func (x *Transaction) fact(mid, tid string, r *Record) json.RawMessage {
	data := map[string]any{"mid": mid, "tid": tid, "batch": x.Batch, "stan": x.STAN, "kind": kindOf(x.Operation), "amount": x.charged(),
		"currency": x.currency().String(), "entry": x.Entry, "cvm": x.CVM, "result": x.Result, "operator": x.Operator}
	if x.approved() {
		data["printed"] = x.Printed != nil && *x.Printed
	}
	for name, v := range map[string]string{"rrn": x.RRN, "auth_code": x.AuthCode, "pan": x.PAN, "issuer": x.Issuer, "card_type": x.CardType,
		"response_code": x.Code, "order_id": x.OrderID, "original_stan": x.Original.STAN, "original_rrn": x.Original.RRN} {
		if v != "" {
			data[name] = v
		}
	}
	return wrap("terminal.transaction", x.Time, r, data)
}

// reversal is the acknowledged reversal of the transaction as a fact.
func (x *Transaction) reversal(mid, tid string, r *Record) json.RawMessage {
	data := map[string]any{"mid": mid, "tid": tid, "batch": x.Batch, "kind": "reversal", "amount": x.Amount, "currency": x.currency().String(),
		"result": "approved", "response_code": "00", "original_stan": x.STAN, "operator": x.Operator}
	if x.PAN != "" {
		data["pan"] = x.PAN
	}
	return wrap("terminal.transaction", r.Time, r, data)
}

func wrap(typ string, at time.Time, r *Record, data map[string]any) json.RawMessage {
	f := map[string]any{"type": evidence.TypePrefix + typ, "time": at.Format(stamp), "data": data}
	if r.True != nil {
		f["recordedtime"] = r.True.Format(stamp)
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic("pos: " + err.Error()) // strings, numbers and maps
	}
	return b
}
