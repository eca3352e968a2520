package bank

import (
	"encoding/csv"
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// bareTable is a file without header: date, text, money out, money in, balance
// (so TD Canada Trust). It is told by the balances, which must lead from row to
// row; no other table does that by chance.
var bareTable = &format.Table{
	Name: "bank.csv", Title: fault.Say("bank statement as CSV without header", "CSV 银行对账单（无表头）"), Type: evidence.BankEntry,
	NoHeader: true, Delimiter: ',', Recognise: recogniseBare,
	Columns: []format.Column{
		{Name: "date", At: 0}, {Name: "text", At: 1}, {Name: "debit", At: 2}, {Name: "credit", At: 3}, {Name: "balance", At: 4},
	},
	Open: func(doc *format.Doc, out *format.Out) error {
		doc.State = &csvDoc{split: true, own: "CAD", parts: map[string]*csvPart{}}
		return nil
	},
	Row: rowCSV, Close: closeCSV,
}

func recogniseBare(h *format.Head) bool {
	if h.Text == "" {
		return false
	}
	r := csv.NewReader(strings.NewReader(h.Text))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var older, newer chain
	var last balanceStep
	rows := 0
	for rows < 64 {
		cells, err := r.Read()
		if err != nil {
			break
		}
		if len(cells) != 5 {
			return false
		}
		_, _, dated := parseDate(cells[0], dayFirst)
		if !dated {
			_, _, dated = parseDate(cells[0], monthFirst)
		}
		out, err1 := bareAmount(cells[2])
		in, err2 := bareAmount(cells[3])
		balance, err3 := bareAmount(cells[4])
		if !dated || err1 != nil || err2 != nil || err3 != nil || (cells[2] == "") == (cells[3] == "") || cells[4] == "" {
			return false
		}
		step := balanceStep{in - out, balance}
		if rows++; rows > 1 {
			older.link(last.balance+step.net == step.balance, rows)
			newer.link(step.balance+last.net == last.balance, rows)
		}
		last = step
	}
	return rows >= 2 && min(older.broken, newer.broken)*5 <= older.links
}

func bareAmount(s string) (int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, nil
	}
	return money.ParseDecimal(s, 2, money.Auto)
}
