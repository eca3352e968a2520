package bank

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// The clearing file is a CSV of facts in the evidence contract's own form, so
// that it can be read like any other evidence: one clearing.line for each
// transaction of the business date that stands (not reversed), then one
// clearing.file with their number and signed total: sales and completions count
// positive, refunds and voids negative; preauthorizations are not cleared. The
// time of all of it is the end of the business day. Besides the contract's
// fields a line has
//
//	network_stan  field 11 as the acquirer sent it
//	payment       the transaction's UUID
//
// The name is NETWORK-YYYYMMDD.clearing.csv.
var clearingHeader = []string{"type", "source", "id", "time", "network", "kind", "clearing_date", "date", "count", "total", "currency",
	"mid", "tid", "rrn", "auth_code", "pan", "card_type", "issuer", "amount", "transaction_time", "original_rrn", "network_stan", "payment"}

func clearingName(network string, date calendar.Date) string {
	return network + "-" + strings.ReplaceAll(date.String(), "-", "") + ".clearing.csv"
}

// clearingKinds are the operations that are cleared, in the words of evidence.
var clearingKinds = map[string]string{
	"sale": "sale", "offline_sale": "sale", "completion": "completion", "completion_advice": "completion",
	"refund": "refund", "sale_void": "void", "completion_void": "void",
}

// writeClearing writes the file of a date, whole or not at all.
func writeClearing(dir string, date calendar.Date, s *Scenario, entries []Entry) (path string, err error) {
	path = filepath.Join(dir, clearingName(s.Network, date))
	defer func() {
		if err != nil {
			err = fault.New(fault.Internal, "write clearing file", path, err, "")
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
	buf := bufio.NewWriter(f)
	w := csv.NewWriter(buf)
	for _, row := range clearingRows(date, s, entries) {
		if err := w.Write(row); err != nil {
			break // Flush gives it again
		}
	}
	w.Flush()
	err = errors.Join(w.Error(), buf.Flush(), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	return path, err
}

func clearingRows(date calendar.Date, s *Scenario, entries []Entry) [][]string {
	undone := map[int64]bool{}
	for _, e := range entries {
		if e.What == Reversed {
			undone[e.Of] = true
		}
	}
	source := "network/" + s.Network + "/clearing/" + date.String()
	at := s.closing(date).Format("2006-01-02T15:04:05Z07:00")
	rows := [][]string{clearingHeader}
	var count, total int64
	currency := "CNY"
	for _, e := range entries {
		kind := clearingKinds[e.Operation]
		if e.What != Approved || e.Date != date || kind == "" || undone[e.Seq] {
			continue
		}
		times, amount := 1, e.Approved
		for _, slip := range s.Clearing {
			// The journal has no full numbers; ranges up to six digits and the last
			// four can be told from the masked one.
			if !slip.When.fits(&e, e.PAN, false) {
				continue
			}
			switch slip.Do {
			case "omit":
				times = 0
			case "twice":
				times = 2
			case "amount":
				amount = max(amount+slip.By, 0)
			}
			break
		}
		var original string
		if e.Of > 0 && e.Of <= int64(len(entries)) {
			original = entries[e.Of-1].RRN
		}
		if c, ok := money.FromNumeric(e.Currency); ok {
			currency = c.String()
		}
		for i := range times {
			id := strconv.FormatInt(e.Seq, 10)
			if i > 0 {
				id = fmt.Sprintf("%s-%d", id, i+1)
			}
			rows = append(rows, []string{"clearing.line", source, id, at, s.Network, kind, date.String(), "", "", "", currency,
				e.MID, e.TID, e.RRN, e.AuthCode, e.PAN, e.CardType, e.Issuer, strconv.FormatInt(amount, 10),
				e.Time.In(s.zone).Format("2006-01-02T15:04:05Z07:00"), original, e.STAN, e.Payment})
			count++
			if kind == "refund" || kind == "void" {
				total -= amount
			} else {
				total += amount
			}
		}
	}
	file := make([]string, len(clearingHeader))
	copy(file, []string{"clearing.file", source, "file", at, s.Network, "", "", date.String(), strconv.FormatInt(count, 10), strconv.FormatInt(total, 10), currency})
	return append(rows, file)
}
