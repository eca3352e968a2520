package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/store/body"
)

// Report is what an examination of a database found.
type Report struct {
	Database string `json:"database"`
	// Schema is the version found, Wanted this program's.
	Schema int64 `json:"schema"`
	Wanted int64 `json:"wanted"`
	// Merchants with a chain, Entries in all chains, Payments, Evidence and Steps
	// of the journal.
	Merchants int64 `json:"merchants"`
	Entries   int64 `json:"entries"`
	Payments  int64 `json:"payments"`
	Evidence  int64 `json:"evidence"`
	Steps     int64 `json:"steps"`
	// Lines are settlement lines, Payouts all that were ever made.
	Lines   int64 `json:"lines"`
	Payouts int64 `json:"payouts"`
	// Totals is the trial balance per currency.
	Totals []TrialTotals `json:"totals,omitempty"`
	// Findings are what is wrong, in the order of the examination; none means that
	// all is well.
	Findings []Finding `json:"findings,omitempty"`
}

// TrialTotals is one currency of the trial balance in minor units.
type TrialTotals struct {
	Currency       string `json:"currency"`
	Debits         int64  `json:"debits"`
	Credits        int64  `json:"credits"`
	PendingDebits  int64  `json:"pending_debits"`
	PendingCredits int64  `json:"pending_credits"`
}

// Finding is one thing that is wrong.
type Finding struct {
	// What was examined: files, schema, chain, balance, journal, settlement, clearing,
	// people.
	What    string `json:"what"`
	Subject string `json:"subject"`
	Why     string `json:"why"`
}

// maxFindings bounds a report: a broken disk should not fill another.
const maxFindings = 100

func (r *Report) find(what, subject, why string) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{what, subject, why})
	}
}

// Doctor examines a database without changing it, also while it is being
// written: the files (SQLite), the schema's version, every merchant's hash chain
// with its recorded end, balances and reservations, the trial balance, that the
// state tables follow from the journal, and that settlement and clearing agree
// with the ledger and within themselves. The error is that of not getting
// through; what is wrong is in the report. progress, if not nil, is told after
// each merchant.
func Doctor(ctx context.Context, database string, progress func(done, of int)) (*Report, error) {
	d, err := dialectOf(database)
	if err != nil {
		return nil, err
	}
	db, err := d.readers(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	r := &Report{Database: d.String()}
	if r.Schema, r.Wanted, err = schema(ctx, db, d); err != nil {
		if fault.KindOf(err) != fault.Conflict {
			return nil, err
		}
		r.find("schema", d.String(), err.Error())
		return r, nil
	}
	if r.Schema != r.Wanted {
		why := fmt.Sprintf("the schema has version %d, and %d is needed: run `daozhang migrate`", r.Schema, r.Wanted)
		if r.Schema == 0 {
			why = "there is no schema: run `daozhang migrate`"
		}
		r.find("schema", d.String(), why)
		return r, nil
	}
	err = snapshot(ctx, db, d, func(query queryFunc) error {
		e := &examination{ctx, query, r, progress}
		return e.run(d.goose() == goose.DialectSQLite3)
	})
	if err != nil {
		return nil, trouble(d, "examine", err)
	}
	return r, nil
}

type examination struct {
	ctx      context.Context
	query    queryFunc
	r        *Report
	progress func(done, of int)
}

func (e *examination) run(sqlite bool) error {
	if sqlite {
		problems, err := e.texts("PRAGMA quick_check(20)")
		if err != nil {
			return err
		}
		for _, p := range problems {
			if p != "ok" {
				e.r.find("files", "daozhang.db", p)
			}
		}
	}
	for _, c := range []struct {
		into *int64
		of   string
	}{{&e.r.Entries, "ledger_transfer"}, {&e.r.Payments, "payment"}, {&e.r.Evidence, "evidence"}, {&e.r.Steps, "journal"},
		{&e.r.Lines, "settlement_line"}, {&e.r.Payouts, "payout"}} {
		n, err := e.number("SELECT COUNT(*) FROM " + c.of)
		if err != nil {
			return err
		}
		*c.into = n
	}
	packed, err := e.number("SELECT CAST(COALESCE(SUM(facts), 0) AS BIGINT) FROM evidence_pack")
	if err != nil {
		return err
	}
	e.r.Evidence += packed
	merchants, err := e.texts("SELECT merchant FROM ledger_head UNION SELECT DISTINCT merchant FROM ledger_transfer UNION SELECT DISTINCT merchant FROM ledger_balance")
	if err != nil {
		return err
	}
	slices.Sort(merchants)
	e.r.Merchants = int64(len(merchants))
	stateful, err := e.texts("SELECT DISTINCT merchant FROM journal UNION SELECT DISTINCT merchant FROM payment")
	if err != nil {
		return err
	}
	slices.Sort(stateful)
	settled, err := e.texts(`SELECT merchant FROM settlement_position UNION SELECT DISTINCT merchant FROM settlement_line
		UNION SELECT DISTINCT merchant FROM payout UNION SELECT DISTINCT merchant FROM clearing_share UNION SELECT DISTINCT merchant FROM clearing_part`)
	if err != nil {
		return err
	}
	slices.Sort(settled)
	done, of := 0, len(merchants)+len(stateful)+len(settled)
	each := func(all []string, f func(string) error) error {
		for _, mid := range all {
			if err := f(mid); err != nil {
				return err
			}
			if done++; e.progress != nil {
				e.progress(done, of)
			}
		}
		return nil
	}
	if err := each(merchants, e.chain); err != nil {
		return err
	}
	if err := e.trial(); err != nil {
		return err
	}
	if err := each(stateful, e.journal); err != nil {
		return err
	}
	if err := each(settled, e.settlement); err != nil {
		return err
	}
	return e.people()
}

func (e *examination) texts(q string, args ...any) ([]string, error) {
	return collect(e.ctx, e.query, func(b []byte) (string, error) { return string(b), nil }, q, args...)
}

func (e *examination) number(q string) (n int64, err error) {
	rows, err := e.query(e.ctx, q)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

// chain follows one merchant's chain and compares its end with what is recorded.
func (e *examination) chain(mid string) error {
	v := ledger.NewVerifier(mid)
	wrong := func(err error) bool {
		if err == nil {
			return false
		}
		why := err.Error()
		if b, ok := errors.AsType[*ledger.BrokenLink](err); ok {
			why = fmt.Sprintf("entry %d: %s", b.Seq, b.Why)
		}
		e.r.find("chain", "merchant "+mid, why)
		return true
	}
	for entry, err := range entriesOf(e.ctx, e.query, mid) {
		if err != nil {
			if unreadable(err) {
				wrong(err)
				return nil
			}
			return err
		}
		if wrong(v.Next(&entry)) {
			return nil
		}
	}
	recorded, err := readStanding(e.ctx, e.query, mid)
	if err != nil {
		if unreadable(err) {
			wrong(err)
			return nil
		}
		return err
	}
	wrong(v.End(recorded))
	return nil
}

// unreadable is a row whose content cannot be understood, as opposed to a
// database that does not answer.
func unreadable(err error) bool { return strings.HasPrefix(err.Error(), "ledger entry ") }

func (e *examination) trial() error {
	lines, err := readLines(e.ctx, e.query, "")
	if err != nil {
		return err
	}
	var t ledger.Trial
	for _, l := range lines {
		if err := t.Add(l); err != nil {
			e.r.find("balance", l.Account.String(), err.Error())
			return nil
		}
	}
	totals, err := t.Totals()
	if err != nil {
		e.r.find("balance", "trial balance", err.Error())
		return nil
	}
	for _, s := range totals {
		e.r.Totals = append(e.r.Totals, TrialTotals{s.Currency.String(), s.Debits, s.Credits, s.PendingDebits, s.PendingCredits})
		if s.Debits != s.Credits || s.PendingDebits != s.PendingCredits {
			e.r.find("balance", s.Currency.String(), fmt.Sprintf("debits and credits differ: %d and %d moved, %d and %d reserved", s.Debits, s.Credits, s.PendingDebits, s.PendingCredits))
		}
	}
	return nil
}

// journal replays one merchant's steps and compares the outcome with the state
// tables.
func (e *examination) journal(mid string) error {
	rows, err := e.query(e.ctx, "SELECT node, step FROM journal WHERE merchant = $1 ORDER BY node, pos", mid)
	if err != nil {
		return err
	}
	defer rows.Close()
	// By table and key, then by the node that wrote it: each node's last word.
	// Which of several nodes spoke last only a payment's version tells.
	want := map[string]map[string]string{}
	versions := map[string]uint32{}
	payouts := changes{}
	for rows.Next() {
		var node string
		var raw []byte
		if err := rows.Scan(&node, &raw); err != nil {
			return err
		}
		var b body.Step
		if err := json.Unmarshal(raw, &b); err != nil {
			e.r.find("journal", "merchant "+mid, "a step cannot be read")
			return nil
		}
		parts := map[string][]json.RawMessage{"payment": b.Transactions, "outgoing": b.Outgoing, "payment_exception": b.Exceptions, "terminal_batch": b.Batches}
		maps.Copy(parts, b.Rows)
		for table, items := range parts {
			for _, item := range items {
				k, version, err := identity(table, item)
				if err != nil {
					e.r.find("journal", "merchant "+mid, "a step cannot be read")
					return nil
				}
				if table == payoutTable.name && payouts.add(item) != nil {
					e.r.find("journal", "merchant "+mid, k+" cannot be read")
				}
				if version > 0 {
					if versions[k] > version {
						continue
					}
					versions[k] = version
					delete(want, k)
				}
				if want[k] == nil {
					want[k] = map[string]string{}
				}
				want[k][node] = string(item)
			}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, err := range payouts.check() {
		e.r.find("journal", "merchant "+mid, err.Error())
	}
	for _, t := range journaled {
		if err := e.compare(mid, t, want); err != nil {
			return err
		}
	}
	for k := range want {
		e.r.find("journal", "merchant "+mid, k+" is in the journal and not kept")
	}
	return nil
}

// journaled are the tables whose rows follow from the journal.
var journaled = []string{"payment", "outgoing", "payment_exception", "terminal_batch", "settlement_position", "settlement_batch", "settlement_extra",
	"settlement_reserve", "settlement_hold", "payout", "clearing_share", "clearing_day", "merchant_record", "merchant_event",
	"desk_proposal", "desk_case", "desk_event"}

// identity is the table and key of a body, and its version where it has one.
func identity(table string, raw []byte) (string, uint32, error) {
	var b struct {
		ID, Payment, Kind, TID, Number, Currency, Batch, Network, Date string
		Version                                                        uint32
	}
	err := json.Unmarshal(raw, &b)
	key, version := b.ID, b.Version
	switch table {
	case "outgoing":
		key = b.Payment + " " + b.Kind
	case "terminal_batch":
		key = b.TID + " " + b.Number
	case "settlement_position":
		key = b.Currency
	case "settlement_reserve":
		key = b.Batch
	case "clearing_share", "clearing_day":
		key = b.Network + " " + b.Date
	case "merchant_record":
		key = "itself"
	case "merchant_event":
		key, version = strconv.Itoa(int(b.Version)), 0
	}
	return table + " " + key, version, err
}

func (e *examination) compare(mid, table string, want map[string]map[string]string) error {
	rows, err := e.query(e.ctx, "SELECT body FROM "+table+" WHERE merchant = $1", mid)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return err
		}
		k, _, err := identity(table, body)
		if err != nil {
			e.r.find("journal", "merchant "+mid, "a row of "+table+" cannot be read")
			continue
		}
		switch w, ok := want[k]; {
		case !ok:
			e.r.find("journal", "merchant "+mid, k+" is kept and not in the journal")
		case !slices.Contains(slices.Collect(maps.Values(w)), string(body)):
			e.r.find("journal", "merchant "+mid, k+" is not as the journal left it")
		}
		delete(want, k)
	}
	return rows.Err()
}
