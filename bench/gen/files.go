package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// payout is what one settlement date brings one merchant.
type payout struct{ lines, net int64 }

// truth is what a reader of the files must find: payments by class, each in the first class that applies.
type truth struct {
	Payments             int64 `json:"payments"`
	JournalRows          int64 `json:"journal_rows"`
	SettlementRows       int64 `json:"settlement_rows"`
	Payouts              int64 `json:"payouts"`
	PayoutsOnStatement   int64 `json:"payouts_on_statement"`
	Arrived              int64 `json:"arrived"`
	MissingInSettlement  int64 `json:"missing_in_settlement"`
	MissingInJournal     int64 `json:"missing_in_journal"`
	AmountMismatch       int64 `json:"amount_mismatch"`
	PayoutNotOnStatement int64 `json:"payout_not_on_statement"`
	NetOnStatement       int64 `json:"net_on_statement"`
}

// writeAll writes every file of the data set into dir, the two large ones side by side.
func writeAll(t *trade, dir string) (truth, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return truth{}, err
	}
	var (
		found   truth
		payouts = make([][]payout, len(t.merchants))
		wg      sync.WaitGroup
		errs    [2]error
	)
	for m := range payouts {
		payouts[m] = make([]payout, len(t.days))
	}
	found.Payments = int64(t.payments)
	wg.Go(func() { found.JournalRows, errs[0] = writeJournal(t, filepath.Join(dir, "pos.csv")) })
	wg.Go(func() { errs[1] = writeSettlement(t, filepath.Join(dir, "settlement.csv"), payouts, &found) })
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return truth{}, err
		}
	}
	found.MissingInSettlement = found.Payments - found.SettlementRows

	if err := writeStatement(t, payouts, dir, &found); err != nil {
		return truth{}, err
	}
	if err := writeTerms(t, payouts, filepath.Join(dir, "terms.ndjson")); err != nil {
		return truth{}, err
	}
	out, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return truth{}, err
	}
	return found, os.WriteFile(filepath.Join(dir, "truth.json"), append(out, '\n'), 0o644)
}

// writeFile calls fill with a buffered writer on a new file; what fill could not write, the flush reports.
func writeFile(path string, fill func(*bufio.Writer)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fill(w)
	err = w.Flush()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// writeJournal writes the terminals' own records.
func writeJournal(t *trade, path string) (rows int64, err error) {
	order := newShuffle(t.payments, t.seed^1)
	err = writeFile(path, func(w *bufio.Writer) {
		w.WriteString("time,mid,tid,batch,stan,rrn,auth_code,pan,kind,entry,result,response_code,amount,currency\n")
		var b []byte
		for i := range t.payments {
			p := t.at(order.at(i))
			if !p.inJournal {
				continue
			}
			rows++
			b = append(b[:0], t.days[p.day]...)
			b = append(b, 'T')
			b = digits(b, uint64(p.second/3600), 2)
			b = append(b, ':')
			b = digits(b, uint64(p.second/60%60), 2)
			b = append(b, ':')
			b = digits(b, uint64(p.second%60), 2)
			b = append(b, "+08:00,"...)
			b = append(b, t.merchants[p.term.merchant].mid...)
			b = append(b, ',')
			b = append(b, p.term.tid...)
			b = append(b, ',')
			b = digits(b, p.batch, 6)
			b = append(b, ',')
			b = digits(b, p.stan, 6)
			b = append(b, ',')
			b = reference(b, p)
			b = append(b, ',')
			b = digits(b, p.auth, 6)
			b = append(b, ',')
			b = append(b, p.bin...)
			b = append(b, "******"...)
			b = digits(b, p.last4, 4)
			b = append(b, ",sale,"...)
			b = append(b, p.entry...)
			b = append(b, ",approved,00,"...)
			b = strconv.AppendInt(b, p.amount, 10)
			b = append(b, ",CNY\n"...)
			w.Write(b)
		}
	})
	return rows, err
}

// writeSettlement writes the platform's lines and adds them up by payout.
func writeSettlement(t *trade, path string, payouts [][]payout, found *truth) error {
	order := newShuffle(t.payments, t.seed^2)
	return writeFile(path, func(w *bufio.Writer) {
		w.WriteString("time,mid,tid,rrn,stan,kind,gross,fee,net,currency,settlement_date,payout\n")
		var b []byte
		for i := range t.payments {
			p := t.at(order.at(i))
			if !p.inSettle {
				continue
			}
			m := p.term.merchant
			charged := fee(p.gross)
			po := &payouts[m][p.settled]
			po.lines++
			po.net += p.gross - charged

			found.SettlementRows++
			switch {
			case !p.inJournal:
				found.MissingInJournal++
			case p.gross != p.amount:
				found.AmountMismatch++
			case !t.credited(m, p.settled):
				found.PayoutNotOnStatement++
			default:
				found.Arrived++
			}

			date := t.days[p.settled]
			b = append(b[:0], date...)
			b = append(b, "T06:30:00+08:00,"...)
			b = append(b, t.merchants[m].mid...)
			b = append(b, ',')
			b = append(b, p.term.tid...)
			b = append(b, ',')
			b = reference(b, p)
			b = append(b, ',')
			b = digits(b, p.stan, 6)
			b = append(b, ",sale,"...)
			b = strconv.AppendInt(b, p.gross, 10)
			b = append(b, ',')
			b = strconv.AppendInt(b, charged, 10)
			b = append(b, ',')
			b = strconv.AppendInt(b, p.gross-charged, 10)
			b = append(b, ",CNY,"...)
			b = append(b, date...)
			b = append(b, ',')
			b = appendPayout(b, m, date)
			b = append(b, '\n')
			w.Write(b)
		}
	})
}

// reference appends the 12 digits of the retrieval reference number: year, day of the year, serial.
func reference(b []byte, p payment) []byte {
	b = append(b, '6')
	b = digits(b, uint64(61+p.day), 3) // 2 March is day 61
	return digits(b, p.rrn, 8)
}

func appendPayout(b []byte, merchant int, date string) []byte {
	b = append(b, 'P')
	b = append(b, date[:4]...)
	b = append(b, date[5:7]...)
	b = append(b, date[8:]...)
	b = append(b, '-')
	return digits(b, uint64(merchant+1), 4)
}

// digits appends n in width decimal digits, zeros before it.
func digits(b []byte, n uint64, width int) []byte {
	const zeros = "00000000"
	b = append(b, zeros[:width]...)
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// writeStatement writes the bank's view of every merchant's account twice: as camt.053 and, for a reader
// that has no XML, as CSV.
func writeStatement(t *trade, payouts [][]payout, dir string, found *truth) error {
	var table strings.Builder
	table.WriteString("account,amount,booking_date,payout\n")
	err := writeFile(filepath.Join(dir, "statement.xml"), func(w *bufio.Writer) {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
<BkToCstmrStmt>
<GrpHdr><MsgId>BENCH-%s</MsgId><CreDtTm>%sT23:59:59+08:00</CreDtTm></GrpHdr>
`, strings.ReplaceAll(lastCovered, "-", ""), lastCovered)
		for m, shop := range t.merchants {
			var entries strings.Builder
			count, sum := 0, int64(0)
			for d, po := range payouts[m] {
				if po.lines == 0 {
					continue
				}
				found.Payouts++
				if !t.credited(m, d) {
					continue
				}
				found.PayoutsOnStatement++
				found.NetOnStatement += po.net
				count++
				sum += po.net
				id := appendPayout(nil, m, t.days[d])
				fmt.Fprintf(&entries, `<Ntry><NtryRef>%d</NtryRef><Amt Ccy="CNY">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>%s</Dt></BookgDt><ValDt><Dt>%s</Dt></ValDt><AcctSvcrRef>%s-%04d</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs><EndToEndId>%s</EndToEndId></Refs><Amt Ccy="CNY">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls></NtryDtls><AddtlNtryInf>POS settlement %s</AddtlNtryInf></Ntry>
`, count, yuan(po.net), t.days[d], t.days[d], shop.account, count, id, yuan(po.net), id)
				fmt.Fprintf(&table, "%s,%d,%s,%s\n", shop.account, po.net, t.days[d], id)
			}
			fmt.Fprintf(w, `<Stmt><Id>%s-2026-03</Id><ElctrncSeqNb>3</ElctrncSeqNb><CreDtTm>%sT23:59:59+08:00</CreDtTm><FrToDt><FrDtTm>%sT00:00:00+08:00</FrDtTm><ToDtTm>%sT23:59:59+08:00</ToDtTm></FrToDt><Acct><Id><Othr><Id>%s</Id></Othr></Id><Ccy>CNY</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>%s</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>%s</Dt></Dt></Bal>
<TxsSummry><TtlNtries><NbOfNtries>%d</NbOfNtries><Sum>%s</Sum></TtlNtries><TtlCdtNtries><NbOfNtries>%d</NbOfNtries><Sum>%s</Sum></TtlCdtNtries></TxsSummry>
%s</Stmt>
`, shop.account, lastCovered, firstDay, lastCovered, shop.account, yuan(shop.opening), firstDay,
				yuan(shop.opening+sum), lastCovered, count, yuan(sum), count, yuan(sum), entries.String())
		}
		w.WriteString("</BkToCstmrStmt>\n</Document>\n")
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "statement.csv"), []byte(table.String()), 0o644)
}

// yuan writes an amount in fen with its two decimals.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// event is one line of evidence in its interchange form.
type event struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Time        string         `json:"time"`
	Data        map[string]any `json:"data"`
}

// writeTerms writes what the institution states: the merchants' terms, and of each day's settlement file
// that it is whole.
func writeTerms(t *trade, payouts [][]payout, path string) error {
	return writeFile(path, func(w *bufio.Writer) {
		enc := json.NewEncoder(w)
		put := func(source, id, kind, at string, data map[string]any) {
			// A map of strings and numbers always encodes; a failed write stays in w until its flush.
			_ = enc.Encode(event{"1.0", id, source, "daozhang." + kind, at, data})
		}
		for m, shop := range t.merchants {
			put("terms", shop.mid, "merchant.terms", "2026-01-01T00:00:00+08:00", map[string]any{
				"mid": shop.mid, "name": fmt.Sprintf("Shop %04d", m+1), "mcc": shop.mcc, "valid_from": "2026-01-01",
				"cycle": "T1", "cutoff": fmt.Sprintf("%02d:00", cutoffHour), "timezone": "Asia/Shanghai", "calendar": "CN",
				"capture": "host", "payout_by": "18:00", "credit_days": 0,
				"fees": []any{map[string]any{"bps": feeBps}}, "fee_mode": "net",
				"account": shop.account, "bank": "ICBC",
			})
		}
		for d, date := range t.days {
			var all payout
			for m := range payouts {
				all.lines += payouts[m][d].lines
				all.net += payouts[m][d].net
			}
			if all.lines > 0 {
				put("settlement", date, "settlement.file", date+"T06:30:00+08:00", map[string]any{
					"date": date, "count": all.lines, "total": all.net, "currency": "CNY",
				})
			}
		}
	})
}
