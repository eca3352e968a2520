package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/store/body"
)

var (
	fileTable        = &table{name: "intake_file", columns: columns("id at:n body"), key: 1}
	expectationTable = &table{name: "intake_expectation", columns: columns("source body"), key: 1}
	intakeTables     = []*table{fileTable, expectationTable}
)

var _ intake.Keeper = (*Store)(nil)

// Tell is Append with what became of the facts as a sum.
func (s *Store) Tell(ctx context.Context, facts []payment.Evidence) (intake.Told, error) {
	outcomes, err := s.Append(ctx, facts)
	if err != nil {
		return intake.Told{}, err
	}
	return sumUp(outcomes), nil
}

// Compare says what Append would do with facts, and keeps nothing.
func (s *Store) Compare(ctx context.Context, facts []payment.Evidence) (intake.Told, error) {
	outcomes := make([]Outcome, len(facts))
	for i := range facts {
		c, err := contentOf(facts[i].Line)
		if err != nil {
			return intake.Told{}, fault.New(fault.Invalid, "compare evidence", facts[i].Source+"#"+facts[i].ID, err, "")
		}
		versions, err := s.versions(ctx, &facts[i])
		if err != nil {
			return intake.Told{}, s.failed("read evidence from", err)
		}
		for _, v := range versions {
			outcomes[i] = Contradicts
			if v.hash == c.hash {
				outcomes[i] = Repeated
				break
			}
		}
	}
	return sumUp(outcomes), nil
}

func sumUp(outcomes []Outcome) (t intake.Told) {
	for _, o := range outcomes {
		switch o {
		case Added:
			t.Added++
		case Repeated:
			t.Repeated++
		case Contradicts:
			t.Contradicts++
		}
	}
	return t
}

func decodeFile(raw []byte) (f intake.File, err error) { return f, json.Unmarshal(raw, &f) }

func decodeExpectation(raw []byte) (e intake.Expectation, err error) {
	return e, json.Unmarshal(raw, &e)
}

// File returns a file that a person brought. fault.NotFound where there is none.
func (s *Store) File(ctx context.Context, id string) (intake.File, error) {
	all, err := collect(ctx, s.read.QueryContext, decodeFile, "SELECT body FROM intake_file WHERE id = $1", id)
	return first(s, "read file", id, all, err)
}

// PutFile adds a file or replaces it, durably.
func (s *Store) PutFile(ctx context.Context, f intake.File) error {
	if f.ID == "" {
		return missing("file "+f.Name, "a file has an id")
	}
	return s.putJSON(ctx, fileTable, f, f.ID, micros(f.At))
}

// FilesSince streams the files that people brought since a moment, the oldest first.
func (s *Store) FilesSince(ctx context.Context, at time.Time) iter.Seq2[intake.File, error] {
	return stream(ctx, s, "read files from", decodeFile, "SELECT body FROM intake_file WHERE at >= $1 ORDER BY at, id", micros(at))
}

// Files returns up to limit files of people and of folders, the latest first, after
// a mark.
func (s *Store) Files(ctx context.Context, after intake.Mark, limit int) ([]intake.File, intake.Mark, error) {
	at, name, err := parseFileMark(after)
	if err != nil {
		return nil, after, err
	}
	n := strconv.Itoa(limit + 1)
	rows, err := s.read.QueryContext(ctx, `SELECT at, name, kind, body FROM (
			SELECT at, id AS name, 0 AS kind, body FROM intake_file WHERE at < $1 OR at = $1 AND id < $2 ORDER BY at DESC, id DESC LIMIT `+n+`) a
		UNION ALL SELECT at, name, kind, body FROM (
			SELECT received AS at, folder || '/' || hash AS name, 1 AS kind, body FROM filing
			WHERE received < $1 OR received = $1 AND folder || '/' || hash < $2 ORDER BY received DESC, folder DESC, hash DESC LIMIT `+n+`) b
		ORDER BY at DESC, name DESC LIMIT `+n, at, name)
	if err != nil {
		return nil, after, s.failed("read files from", err)
	}
	defer rows.Close()
	var out []intake.File
	var marks []intake.Mark
	for rows.Next() {
		var kind int64
		var raw []byte
		if err := rows.Scan(&at, &name, &kind, &raw); err != nil {
			return nil, after, s.failed("read files from", err)
		}
		f, err := decodeListed(kind, raw)
		if err != nil {
			return nil, after, s.failed("read files from", err)
		}
		out, marks = append(out, f), append(marks, intake.Mark(strconv.FormatInt(at, 36)+"."+name))
	}
	if err := rows.Err(); err != nil {
		return nil, after, s.failed("read files from", err)
	}
	if len(out) <= limit {
		return out, "", nil
	}
	return out[:limit], marks[limit-1], nil
}

// decodeListed reads a row of either table.
func decodeListed(kind int64, raw []byte) (intake.File, error) {
	if kind == 0 {
		return decodeFile(raw)
	}
	filing, err := body.DecodeFiling(raw)
	return intake.FromFiling(&filing), err
}

// parseFileMark reads a mark; without one it is after everything.
func parseFileMark(m intake.Mark) (at int64, name string, err error) {
	if m == "" {
		return 1<<63 - 1, "", nil
	}
	head, name, ok := strings.Cut(string(m), ".")
	at, err = strconv.ParseInt(head, 36, 64)
	if !ok || err != nil {
		return 0, "", fault.New(fault.Usage, "read files", "", fmt.Errorf("the cursor cannot be read"), "use a cursor that an earlier answer gave, or none")
	}
	return at, name, nil
}

// Expectations returns all that were set, by source.
func (s *Store) Expectations(ctx context.Context) ([]intake.Expectation, error) {
	all, err := collect(ctx, s.read.QueryContext, decodeExpectation, "SELECT body FROM intake_expectation ORDER BY source")
	return all, s.failed("read expectations from", err)
}

// PutExpectation sets one, durably.
func (s *Store) PutExpectation(ctx context.Context, e intake.Expectation) error {
	return s.putJSON(ctx, expectationTable, e, e.Source)
}

// Captured reports whether a captured transaction of a network with a business date
// waits for its clearing.
func (s *Store) Captured(ctx context.Context, network string, date calendar.Date) (bool, error) {
	var n int64
	err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM clearing_due WHERE network = $1 AND date = $2 LIMIT 1) found",
		network, date.String()).Scan(&n)
	return n > 0, s.failed("read what waits for clearing from", err)
}

// ExceptionOf returns an exception, whether open or not. fault.NotFound where there
// is none.
func (s *Store) ExceptionOf(ctx context.Context, mid string, id payment.ID) (payment.Exception, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeException, "SELECT body FROM payment_exception WHERE merchant = $1 AND id = $2", mid, id[:])
	return first(s, "read exception", id.String(), all, err)
}

// RecordsAfter returns up to limit merchants after a number.
func (s *Store) RecordsAfter(ctx context.Context, mid string, limit int) ([]merchant.Merchant, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeMerchant,
		"SELECT body FROM merchant_record WHERE merchant > $1 ORDER BY merchant LIMIT "+strconv.Itoa(limit), mid)
	return all, s.failed("read merchants from", err)
}

// RegisterMerchant registers a merchant for taking payments, unless it is registered.
func (s *Store) RegisterMerchant(ctx context.Context, m *merchant.Merchant, zone string) error {
	known, err := bodies[Merchant](ctx, s, "SELECT body FROM merchant WHERE mid = $1", m.MID)
	if err != nil || len(known) > 0 {
		return err
	}
	return s.PutMerchant(ctx, Merchant{MID: m.MID, Name: m.Name, MCC: m.MCC, Currency: m.Currency, Zone: zone})
}

// RegisteredTerminals returns all terminals, by number.
func (s *Store) RegisteredTerminals(ctx context.Context) ([]intake.Terminal, error) {
	all, err := s.Terminals(ctx)
	out := make([]intake.Terminal, len(all))
	for i := range all {
		out[i] = intake.Terminal(all[i])
	}
	return out, err
}

// PutTerminalRecord is PutTerminal.
func (s *Store) PutTerminalRecord(ctx context.Context, t intake.Terminal) error {
	return s.PutTerminal(ctx, Terminal(t))
}
