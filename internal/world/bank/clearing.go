package bank

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// The clearing file is a CSV of facts in the evidence contract's own form, so
// that it can be read like any other evidence: one clearing.line for each
// transaction of the business date that stands, then one clearing.file with their
// number and signed total: sales and completions count positive, refunds, voids,
// reversals and chargebacks negative; preauthorizations are not cleared. What was
// reversed within its day is left out; what was reversed after its day had ended is
// taken back by a line of the day of the reversal: a reversal, or an adjustment where
// it gives back. The time of all of
// it is the end of the business day. Besides the contract's fields a line has
//
//	network_stan  field 11 as the acquirer sent it
//	payment       the transaction's UUID
//
// and the trailer has
//
//	version       the number of the issue, from 1; none in a file of a day that has
//	              not ended
//
// The name is NETWORK-YYYYMMDD.clearing.csv, with .v2 or .again before .clearing for
// a corrected issue or a copy.
var clearingHeader = []string{"type", "source", "id", "time", "network", "kind", "clearing_date", "date", "count", "total", "currency",
	"mid", "tid", "rrn", "auth_code", "pan", "card_type", "issuer", "amount", "transaction_time", "original_rrn", "network_stan", "payment", "version"}

func clearingName(network string, date calendar.Date, mark string) string {
	return network + "-" + compact(date) + mark + ".clearing.csv"
}

func compact(d calendar.Date) string { return strings.ReplaceAll(d.String(), "-", "") }

// clearingKinds are the operations that are cleared, in the words of evidence.
var clearingKinds = map[string]string{
	"sale": "sale", "offline_sale": "sale", "completion": "completion", "completion_advice": "completion",
	"refund": "refund", "sale_void": "void", "completion_void": "void",
}

// clearing makes clearing files of a journal.
type clearing struct {
	s       *Scenario
	entries []Entry
}

// line is one line of a clearing file.
type line struct {
	*Entry
	id       string
	kind     string
	amount   int64
	mid      string
	rrn      string
	original string // rrn
	currency string
}

// signed is what the network pays for a line.
func (l *line) signed() int64 {
	switch l.kind {
	case "sale", "completion", "adjustment":
		return l.amount
	}
	return -l.amount
}

// lines gives those of a business date. Issue 1 has the scenario's slips; later
// ones are as it should have been.
func (c *clearing) lines(date calendar.Date, version int) []line {
	var all []line
	if before := date.Add(-1); c.s.issue(before).Correct == 0 {
		for _, l := range c.of(before) { // what was left out then
			if s := l.slip; s != nil && s.Do == SlipNextDay {
				all = append(all, l.line)
			}
		}
	}
	for _, l := range c.of(date) {
		if l.slip == nil || version > 1 {
			all = append(all, l.line)
			continue
		}
		switch l.slip.Do {
		case SlipOmit, SlipNextDay:
		case SlipTwice:
			again := l.line
			again.id += "-2"
			all = append(all, l.line, again)
		case SlipAmount:
			l.amount = max(l.amount+l.slip.By, 0)
			all = append(all, l.line)
		case SlipStray:
			all = append(all, l.line, l.stray())
		default:
			all = append(all, l.line)
		}
	}
	return append(all, c.chargebacks(date)...)
}

// slipped is a line with the slip that is meant for it.
type slipped struct {
	line
	slip *Slip
}

// of gives what is to be cleared of a business date.
func (c *clearing) of(date calendar.Date) []slipped {
	undone := map[int64]bool{}
	for i := range c.entries {
		if e := &c.entries[i]; e.What == Reversed && c.entries[e.Of-1].Date == e.Date {
			undone[e.Of] = true
		}
	}
	var all []slipped
	counts := make([]int, len(c.s.Clearing))
	for i := range c.entries {
		e := &c.entries[i]
		if e.Date != date {
			continue
		}
		kind := clearingKinds[e.Operation]
		amount := e.Approved
		switch {
		case kind == "" || undone[e.Seq]:
			continue
		case e.What == Reversed:
			o := &c.entries[e.Of-1]
			if o.Date == date || o.What != Approved {
				continue
			}
			amount = o.Approved
			if kind == "sale" || kind == "completion" {
				kind = "reversal"
			} else {
				kind = "adjustment" // what had been taken from the acquirer comes back
			}
		case e.What != Approved:
			continue
		}
		l := line{Entry: e, id: strconv.FormatInt(e.Seq, 10), kind: kind, amount: amount, mid: e.MID, rrn: e.RRN, currency: "CNY"}
		if e.Of > 0 && e.Of <= int64(len(c.entries)) {
			l.original = c.entries[e.Of-1].RRN
		}
		if (kind == "refund" || kind == "void") && l.rrn == l.original {
			l.rrn = "" // it was sent under the original's reference, and has none of its own
		}
		if cur, ok := money.FromNumeric(e.Currency); ok {
			l.currency = cur.String()
		}
		all = append(all, slipped{l, c.slipFor(&l, counts)})
	}
	return all
}

// slipFor gives the slip that is meant for a line; nil for none. The journal has no
// full numbers: ranges up to six digits and the last four can be told from the
// masked one.
func (c *clearing) slipFor(l *line, counts []int) *Slip {
	for i := range c.s.Clearing {
		s := &c.s.Clearing[i]
		w := s.When
		if l.What == Reversed || len(s.Dates) > 0 && !slices.Contains(s.Dates, l.Date) || !w.fits(l.Entry, l.PAN, false) ||
			w.Chance > 0 && c.s.dice("clearing", int64(i), l.Seq).Float64() >= w.Chance {
			continue
		}
		n := counts[i] - w.Skip
		counts[i]++
		if every := max(w.Every, 1); n < 0 || n%every != 0 || w.First > 0 && n/every >= w.First {
			continue
		}
		return s
	}
	return nil
}

// stray is a line of nobody beside one of somebody.
func (l *slipped) stray() line {
	e := *l.Entry
	e.STAN, e.AuthCode, e.Payment = "999999", "", ""
	s := line{Entry: &e, id: l.id + "-stray", kind: "sale", amount: l.amount, mid: l.mid, currency: l.currency}
	if len(l.rrn) > 1 {
		s.rrn = "9" + l.rrn[1:]
	}
	if l.slip.By > 0 {
		s.amount = l.slip.By
	}
	if l.slip.MID != "" {
		s.mid = l.slip.MID
	}
	return s
}

// chargebacks gives those that come with a business date. One carries the keys of
// the payment that it takes back.
func (c *clearing) chargebacks(date calendar.Date) []line {
	var all []line
	days := map[int]bool{}
	for _, s := range c.s.Clearing {
		if s.Do == SlipChargeback && !days[s.After] {
			days[s.After] = true
			for _, l := range c.of(date.Add(-s.After)) {
				if l.slip != nil && l.slip.Do == SlipChargeback && l.slip.After == s.After && (l.kind == "sale" || l.kind == "completion") {
					l.id, l.kind = l.id+"-chargeback", "chargeback"
					all = append(all, l.line)
				}
			}
		}
	}
	return all
}

// total is what the network pays for lines.
func total(lines []line) int64 {
	sum := int64(0)
	for i := range lines {
		sum += lines[i].signed()
	}
	return sum
}

// content writes the file of a date; version 0 is that of a day that has not ended.
func (c *clearing) content(date calendar.Date, version int) []byte {
	source := "network/" + c.s.Network + "/clearing/" + date.String()
	at := c.s.closing(date).Format("2006-01-02T15:04:05Z07:00")
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	row := func(cells ...string) { _ = w.Write(cells) } // a buffer takes all
	row(clearingHeader...)
	lines := c.lines(date, version)
	first := map[string]line{}
	if version > 1 {
		for _, l := range c.lines(date, 1) {
			first[l.id] = l
		}
	}
	sums, counts := map[string]int64{}, map[string]int{}
	for i := range lines {
		l := &lines[i]
		id := l.id
		if was, ok := first[id]; version > 1 && ok && was.amount != l.amount {
			id += "-v2" // another fact than that of the first issue
		}
		row("clearing.line", source, id, at, c.s.Network, l.kind, date.String(), "", "", "", l.currency,
			l.mid, l.TID, l.rrn, l.AuthCode, l.PAN, l.CardType, l.Issuer, strconv.FormatInt(l.amount, 10),
			l.Time.In(c.s.zone).Format("2006-01-02T15:04:05Z07:00"), l.original, l.STAN, l.Payment, "")
		sums[l.currency] += l.signed()
		counts[l.currency]++
	}
	if len(sums) == 0 {
		sums["CNY"] = 0
	}
	number, id := "", "file"
	if version > 0 {
		number = strconv.Itoa(version)
	}
	if version > 1 {
		id += "-v" + number
	}
	currencies := make([]string, 0, len(sums))
	for currency := range sums {
		currencies = append(currencies, currency)
	}
	slices.Sort(currencies)
	for i, currency := range currencies {
		if i > 0 {
			id += "-" + currency
		}
		file := make([]string, len(clearingHeader))
		copy(file, []string{"clearing.file", source, id, at, c.s.Network, "", "", date.String(), strconv.Itoa(counts[currency]), strconv.FormatInt(sums[currency], 10), currency})
		file[len(file)-1] = number
		row(file...)
	}
	w.Flush()
	return b.Bytes()
}

// writeWhole writes a file whole or not at all, and durably.
func writeWhole(dir, name string, content []byte) (path string, err error) {
	path = filepath.Join(dir, name)
	defer func() {
		if err != nil {
			err = fault.New(fault.Internal, "write clearing file", path, err, "look at the disk and the folder")
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return path, err
	}
	temp := path + ".part"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return path, err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return path, err
	}
	if err := os.Rename(temp, path); err != nil {
		return path, err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return path, err
	}
	return path, errors.Join(folder.Sync(), folder.Close())
}

// preliminary reports whether a clearing file is that of a day that had not ended.
func preliminary(content []byte) bool {
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || len(rows) < 2 {
		return false
	}
	last := rows[len(rows)-1]
	return last[0] == "clearing.file" && last[len(last)-1] == ""
}

// broken makes a file one that cannot be booked.
func broken(content []byte, how string) []byte {
	switch how {
	case "truncate":
		return content[:len(content)*3/5]
	case "no_trailer":
		end := bytes.LastIndexByte(bytes.TrimRight(content, "\n"), '\n')
		return content[:end+1]
	case "total":
		rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
		if err != nil {
			return content
		}
		last := rows[len(rows)-1]
		at := slices.Index(clearingHeader, "total")
		n, _ := strconv.ParseInt(last[at], 10, 64)
		last[at] = fmt.Sprint(n + 1)
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		_ = w.WriteAll(rows)
		return b.Bytes()
	}
	return content
}
