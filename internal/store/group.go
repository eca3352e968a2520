package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
)

// maxRows bounds a group besides the number of its steps.
const maxRows = 20000

// maxStandings bounds how many merchants' standings are remembered.
const maxStandings = 50000

// groupState is what the committer goroutine knows. It alone writes, so nothing
// in it is locked.
type groupState struct {
	s       *Store
	session session
	// pos is the node's position as of its last commit.
	pos int64
	// standings are those of the merchants that wrote lately, as they are in the
	// database. What is not certain is forgotten and read again.
	standings ledger.Standings
	recorded  map[string]int64 // the place that the database has for each
	lost      time.Time        // when the database was last found gone
	lastErr   error
	last      time.Duration // how long the last commit took
	parts     parts         // of the merchants, where several nodes divide them
}

func (g *groupState) init(s *Store) {
	g.s = s
	g.forget()
}

// forget drops what is remembered of the database.
func (g *groupState) forget() {
	g.standings, g.recorded = ledger.Standings{}, map[string]int64{}
}

// run commits group after group until the store is closed.
func (g *groupState) run() {
	defer close(g.s.stopped)
	defer func() {
		if g.session != nil {
			g.session.close()
		}
	}()
	batch := make([]*job, 0, g.s.options.MaxGroup)
	for {
		select {
		case j := <-g.s.jobs:
			batch = g.gather(append(batch[:0], j))
			g.commit(batch)
		case c := <-g.s.controls:
			c.done <- g.obey(c)
		case <-g.s.stop:
			for { // what was accepted is written
				select {
				case j := <-g.s.jobs:
					batch = g.gather(append(batch[:0], j))
					g.commit(batch)
				default:
					return
				}
			}
		}
	}
}

// gather takes what is queued, and waits a little for those callers of the last
// group that are about to come back: a group of one and then one of all others
// costs two syncs where one would do.
func (g *groupState) gather(batch []*job) []*job {
	rows := batch[0].rows()
	take := func(j *job) { batch = append(batch, j); rows += j.rows() }
	room := func() bool { return len(batch) < g.s.options.MaxGroup && rows < maxRows }
	drain := func() {
		for room() {
			select {
			case j := <-g.s.jobs:
				take(j)
			default:
				return
			}
		}
	}
	drain()
	linger := min(g.s.options.Linger, g.last/2)
	if expected := int(g.s.counts.last.Load()) * 3 / 4; linger > 0 && len(batch) < expected {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		for room() && len(batch) < expected {
			select {
			case j := <-g.s.jobs:
				take(j)
			case <-timer.C:
				drain()
				return batch
			}
		}
	}
	return batch
}

// commit writes a group and answers every one of its callers exactly once.
func (g *groupState) commit(batch []*job) {
	batch = slices.DeleteFunc(batch, func(j *job) bool { return !j.state.CompareAndSwap(queued, taken) })
	if len(batch) == 0 {
		return
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), g.s.options.Settle+10*time.Second)
	defer cancel()
	results := g.write(ctx, batch)
	g.last = time.Since(begun)
	c := &g.s.counts
	kept := 0
	for i, j := range batch {
		switch err := results[i]; {
		case err == nil:
			kept++
			c.rows.Add(int64(j.rows()))
		case errors.Is(err, payment.ErrRefused):
			c.refused.Add(1)
		default:
			c.unknown.Add(1)
		}
	}
	c.last.Store(int64(len(batch)))
	c.steps.Add(int64(kept))
	if kept > 0 {
		c.groups.Add(1)
	}
	for i, j := range batch {
		j.done <- results[i]
	}
	if kept > 0 {
		g.s.tellWatchers()
	}
	if len(g.standings) > maxStandings {
		g.forget()
	}
}

// write tries the whole group at once, and step by step where that cannot tell
// who is at fault. It returns each step's own outcome.
func (g *groupState) write(ctx context.Context, batch []*job) []error {
	results := make([]error, len(batch))
	all := func(err error) []error {
		for i := range results {
			results[i] = err
		}
		return results
	}
	until := time.Now().Add(g.s.options.Settle)
	for attempt := 0; ; attempt++ {
		fresh, err := g.connect(ctx)
		if err != nil {
			return all(refused(g.s.failed("write", err)))
		}
		before := g.pos
		err, sent := g.together(ctx, batch)
		if err == nil {
			return results
		}
		switch class := g.s.dialect.classify(err); {
		case !sent && (apart(err) || class == constraint || class == other || class == busy && attempt > 0):
			g.s.counts.apart.Add(1)
			err, sent = g.apart(ctx, batch, results)
			if err == nil {
				return results
			}
		case !sent && class == busy:
			continue
		}
		if !sent && g.s.dialect.classify(err) == busy && attempt < 5 {
			clear(results)
			continue // the transaction was chosen to end a circle of waiting
		}
		// Whatever is left of the transaction ends with its connection.
		class := g.s.dialect.classify(err)
		g.drop(class)
		g.lastErr = err
		retry := class == gone && !fresh && attempt < 3 && time.Now().Before(until)
		switch {
		case !sent && retry: // the connection broke in idle times; the first write found out
			continue
		case !sent:
			return all(refused(g.s.failed("write", err)))
		}
		// The commit was sent and its answer is an error. What the database says
		// once the node's lock is ours again is how it ended.
		happened, lookErr := g.learn(before, until)
		switch {
		case lookErr != nil:
			return all(g.s.failed("commit", fmt.Errorf("whether it was written is not known: %w", err)))
		case happened:
			return results
		case class == full:
			return all(refused(g.s.failed("commit", err)))
		case attempt < 3 && time.Now().Before(until):
			clear(results)
			continue // writing it again also overwrites what a failed sync may have left in the log
		case class == damaged:
			return all(g.s.failed("commit", err))
		}
		return all(refused(g.s.failed("commit", err)))
	}
}

// apart reports whether an error is one step's own, so that the others are to be
// written without it.
func apart(err error) bool {
	_, own := errors.AsType[*fault.Error](err)
	return own || errors.Is(err, errStale)
}

// connect makes sure of the writing connection; fresh says that it was made now.
// A database that was gone a moment ago is not asked again at once.
func (g *groupState) connect(ctx context.Context) (fresh bool, err error) {
	if g.session != nil {
		return false, nil
	}
	if g.lastErr != nil && !g.lost.IsZero() && time.Since(g.lost) < 200*time.Millisecond {
		return false, g.lastErr
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	session, err := g.s.dialect.writer(ctx, g.s.options.Node)
	if err == nil {
		g.forget()
		if g.pos, err = g.position(ctx, session); err != nil {
			session.close()
		}
	}
	if err != nil {
		g.lost, g.lastErr = time.Now(), err
		return false, g.s.failed("open", err)
	}
	g.session, g.lost, g.lastErr = session, time.Time{}, nil
	if err := g.reclaim(ctx); err != nil {
		g.drop(g.s.dialect.classify(err))
		return false, err
	}
	return true, nil
}

// position reads the node's position, registering the node where it is new. It
// writes nothing else: a full disk must not keep the outcome of a commit secret.
func (g *groupState) position(ctx context.Context, session session) (pos int64, err error) {
	for {
		rows, err := session.query(ctx, "SELECT pos FROM node WHERE name = $1", g.s.options.Node)
		if err != nil {
			return 0, err
		}
		found := rows.Next()
		if found {
			err = rows.Scan(&pos)
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil || found {
			return pos, err
		}
		err = session.write(ctx, []work{{newNodeTable, ignore, []row{{g.s.options.Node, time.Now().UnixMicro(), int64(0)}}}})
		if err != nil {
			return 0, err
		}
	}
}

func (g *groupState) drop(c class) {
	if g.session == nil {
		return
	}
	g.session.rollback() // where the connection is lost this says so again
	g.session.close()
	g.session = nil
	g.forget()
	if c == gone {
		g.s.counts.lost.Add(1)
	}
}

// learn connects again and tells whether the node's position has moved on past
// before: then the commit happened.
func (g *groupState) learn(before int64, until time.Time) (bool, error) {
	for {
		ctx, cancel := context.WithDeadline(context.Background(), until.Add(time.Second))
		g.lost = time.Time{}
		_, err := g.connect(ctx)
		cancel()
		if err == nil {
			return g.pos > before, nil
		}
		if time.Now().After(until) {
			return false, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// together writes a whole group in one transaction. sent says that the commit
// was sent, so that an error leaves the outcome open; before that, the
// transaction has been rolled back.
func (g *groupState) together(ctx context.Context, batch []*job) (err error, sent bool) {
	if err := g.session.begin(ctx); err != nil {
		return err, false
	}
	d := newDraft(g, g.pos)
	for _, j := range batch {
		if err = d.add(ctx, j.prepared, j.transfers); err != nil {
			break
		}
	}
	if err == nil {
		err = g.session.write(ctx, d.works())
	}
	if err != nil {
		g.forgetMerchants(batch)
		if r := g.session.rollback(); r != nil && g.s.dialect.classify(r) == gone {
			return r, false
		}
		return err, false
	}
	if err := g.session.commit(ctx); err != nil {
		return err, true
	}
	d.kept()
	return nil, false
}

// apart writes a group in one transaction with a savepoint before each step, so
// that a step that is refused leaves the others alone. Steps that are kept
// already are found here. results get what each step is to be told; the error
// concerns them all.
func (g *groupState) apart(ctx context.Context, batch []*job, results []error) (err error, sent bool) {
	g.forgetMerchants(batch)
	if err := g.session.begin(ctx); err != nil {
		return err, false
	}
	pos := g.pos
	written := false
	// Merchants are locked one after the other, in the order that all nodes keep.
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(batch[a].mid, batch[b].mid) })
	for _, i := range order {
		j := batch[i]
		for attempt := 0; ; attempt++ {
			if err := g.session.exec(ctx, "SAVEPOINT step"); err != nil {
				return err, false
			}
			next, stepErr := g.single(ctx, j.prepared, pos)
			if stepErr == nil {
				if err := g.session.exec(ctx, "RELEASE SAVEPOINT step"); err != nil {
					return err, false
				}
				written = written || next > pos
				pos = next
				break
			}
			g.forgetMerchants(batch[i : i+1])
			switch c := g.s.dialect.classify(stepErr); {
			case apart(stepErr), c == constraint, c == other:
			default:
				g.session.rollback()
				return stepErr, false
			}
			if err := g.session.exec(ctx, "ROLLBACK TO SAVEPOINT step"); err != nil {
				return err, false
			}
			if err := g.session.exec(ctx, "RELEASE SAVEPOINT step"); err != nil {
				return err, false
			}
			if c := g.s.dialect.classify(stepErr); attempt < 3 && (c == constraint || errors.Is(stepErr, errStale)) {
				continue // another node was in between; what it wrote is seen now
			}
			results[i] = refused(g.own(stepErr, j.prepared))
			break
		}
	}
	if !written {
		g.session.rollback()
		g.forgetMerchants(batch)
		return nil, false
	}
	if err := g.session.commit(ctx); err != nil {
		return err, true
	}
	g.pos = pos
	// What the standings are recorded at is known again when they are read again.
	g.forgetMerchants(batch)
	return nil, false
}

// own names the reason why one step cannot be kept.
func (g *groupState) own(err error, p *prepared) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	subject := strings.TrimSpace(p.mid + " " + p.subject)
	switch {
	case errors.Is(err, errStale):
		return fault.New(fault.Conflict, "write step", subject, errStale, "read what is there and decide again")
	case g.s.dialect.classify(err) == constraint:
		return fault.New(fault.Conflict, "write step", subject, errors.New("a key of it stands for something else: of a payment terminal, batch and trace number, or retrieval reference; of a line what it is about"),
			"read what is there and decide again")
	}
	return fault.New(fault.Invalid, "write step", subject, err, "")
}

func (g *groupState) forgetMerchants(batch []*job) {
	for _, j := range batch {
		delete(g.standings, j.mid)
		delete(g.recorded, j.mid)
	}
}

// single writes one step within a transaction and gives the position after it:
// the same where the step is kept already.
func (g *groupState) single(ctx context.Context, p *prepared, pos int64) (int64, error) {
	kept, err := g.keptAlready(ctx, p)
	if err != nil || kept {
		return pos, err
	}
	if len(p.transfers) > 0 && g.standings[p.mid] == nil {
		// Writing the row as it is locks it, in either database, until the end of
		// the transaction: no other node comes in between what is read and written.
		var seq int64
		if _, err := g.one(ctx, "UPDATE ledger_head SET seq = seq WHERE merchant = $1 RETURNING seq", []any{p.mid}, &seq); err != nil {
			return pos, err
		}
	}
	transfers, err := g.newTransfers(ctx, p.transfers)
	if err != nil {
		return pos, err
	}
	d := newDraft(g, pos)
	d.alone = true
	if err := d.add(ctx, p, transfers); err != nil {
		return pos, err
	}
	if err := g.session.write(ctx, d.works()); err != nil {
		return pos, err
	}
	return d.next, nil
}

// keptAlready reports whether the step's rows are there as it has them, or, where
// nobody else can have written them, in later versions.
func (g *groupState) keptAlready(ctx context.Context, p *prepared) (bool, error) {
	kept, fresh := 0, 0
	for _, w := range p.works {
		version := w.table.column("version")
		if version < 0 || w.verb != insert && w.verb != replace {
			continue
		}
		q := "SELECT version, body FROM " + w.table.name + " WHERE " + w.table.where(parameter, "")
		for _, r := range w.rows {
			var have int64
			var haveBody string
			found, err := g.one(ctx, q, r[:w.table.key], &have, &haveBody)
			want, body := r[version].(int64), r[len(w.table.columns)-1].(string)
			switch {
			case err != nil:
				return false, err
			case !found || have < want:
				fresh++
			case have == want && haveBody != body, have > want && p.decided, p.once:
				return false, errStale
			default:
				kept++
			}
		}
	}
	if kept > 0 && fresh > 0 {
		return false, errStale
	}
	if kept == 0 && fresh == 0 {
		return g.settledAlready(ctx, p)
	}
	return kept > 0, nil
}

// newTransfers leaves out those whose key is on record with the same content.
func (g *groupState) newTransfers(ctx context.Context, all []ledger.Transfer) ([]ledger.Transfer, error) {
	out := make([]ledger.Transfer, 0, len(all))
	for i := range all {
		t := &all[i]
		rows, err := g.session.query(ctx, transferQuery+" WHERE merchant = $1 AND key = $2", t.Merchant, t.Key)
		if err != nil {
			return nil, err
		}
		entries, err := scanEntries(rows)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			if again := slices.IndexFunc(out, func(o ledger.Transfer) bool { return o.Key == t.Key }); again >= 0 {
				if !out[again].Same(t) {
					return nil, ledger.Reused(t)
				}
				continue
			}
			if t.Of != uuid.Nil {
				var n int64
				if found, err := g.one(ctx, "SELECT seq FROM ledger_transfer WHERE merchant = $1 AND of_id = $2", []any{t.Merchant, t.Of[:]}, &n); err != nil {
					return nil, err
				} else if found {
					return nil, ledger.Finished(t)
				}
			}
			out = append(out, *t)
		} else if !entries[0].Same(t) {
			return nil, ledger.Reused(t)
		}
	}
	return out, nil
}

// one reads one row; found is false where there is none.
func (g *groupState) one(ctx context.Context, query string, args []any, into ...any) (found bool, err error) {
	rows, err := g.session.query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if rows.Next() {
		found, err = true, rows.Scan(into...)
	}
	return found, errors.Join(err, rows.Err())
}

// draft collects the rows of steps that are written together.
type draft struct {
	g          *groupState
	from, next int64 // the node's position before and after
	byTable    map[workKey][]row
	touched    []string // merchants with new entries
	// alone is a step that is written by itself, since the group could not be.
	alone bool
}

func newDraft(g *groupState, pos int64) *draft {
	return &draft{g: g, from: pos, next: pos, byTable: map[workKey][]row{}}
}

type workKey struct {
	t *table
	v verb
}

func (d *draft) put(t *table, v verb, rows ...row) {
	if len(rows) == 0 {
		return
	}
	k := workKey{t, v}
	d.byTable[k] = append(d.byTable[k], rows...)
}

// add gives a step its places and takes its rows.
func (d *draft) add(ctx context.Context, p *prepared, transfers []ledger.Transfer) error {
	g := d.g
	if err := g.guard(p); err != nil {
		return err
	}
	if len(transfers) > 0 {
		if err := g.load(ctx, p.mid); err != nil {
			return err
		}
		entries, err := g.standings.Apply(transfers...)
		if err != nil {
			return err
		}
		for i := range entries {
			e := &entries[i]
			d.put(transferTable, insert, transferRow(e))
			switch e.Phase {
			case ledger.Pending:
				d.put(openTable, insert, row{e.Merchant, idBytes(e.ID), e.Seq})
			case ledger.Post, ledger.Void:
				d.put(openTable, remove, row{e.Merchant, idBytes(e.Of)})
			}
		}
		if !slices.Contains(d.touched, p.mid) {
			d.touched = append(d.touched, p.mid)
		}
	}
	for _, w := range p.works {
		d.put(w.table, w.verb, w.rows...)
	}
	node := g.s.options.Node
	facts := ignore
	if p.firsthand && !d.alone {
		facts = insert
	}
	for _, r := range p.evidence {
		d.next++
		r[4], r[5] = node, d.next
		d.put(evidenceTable, facts, r)
	}
	for _, r := range p.packs {
		d.next += r[6].(int64)
		r[4], r[5] = node, d.next
		d.put(packTable, facts, r)
	}
	for _, r := range p.reference {
		d.next++
		r[3], r[4] = node, d.next
		d.put(referenceFacts, ignore, r)
	}
	d.next++ // also a step of transfers alone moves the node on
	if p.step != "" {
		d.put(journalTable, insert, row{p.mid, node, d.next, p.at, p.step})
	}
	return nil
}

// works returns the rows in the order in which all nodes write them.
func (d *draft) works() []work {
	g := d.g
	for _, mid := range d.touched {
		s := g.standings[mid]
		head := s.Head()
		r := row{mid, head.Seq, append([]byte(nil), head.Hash[:]...)}
		if before := g.recorded[mid]; before == 0 {
			d.put(headTable, insert, r)
		} else {
			d.put(headTable, replace, append(r, before))
		}
		for _, l := range s.Moved() {
			d.put(balanceTable, upsert, row{mid, l.Currency.String(), l.Name.String(), l.Debits, l.Credits, l.PendingDebits, l.PendingCredits})
		}
	}
	d.put(nodeTable, replace, row{g.s.options.Node, d.next, d.from})
	var out []work
	for _, t := range writeOrder {
		for v := insert; v <= run; v++ {
			rows := d.byTable[workKey{t, v}]
			if len(rows) == 0 {
				continue
			}
			if t.merchant && t != transferTable && t != journalTable {
				slices.SortStableFunc(rows, func(a, b row) int { return compareKey(t, a, b) })
			}
			if v == upsert {
				rows = lastOfEach(t, rows)
			}
			out = append(out, work{t, v, rows})
		}
	}
	return out
}

// kept remembers what a commit has recorded.
func (d *draft) kept() {
	g := d.g
	g.pos = d.next
	for _, mid := range d.touched {
		g.recorded[mid] = g.standings[mid].Head().Seq
	}
}

// compareKey orders rows by their primary key: pages of the index are visited
// in order, and writers that wait for each other wait in one order.
func compareKey(t *table, a, b row) int {
	for i := range t.key {
		var c int
		switch x := a[i].(type) {
		case string:
			c = strings.Compare(x, b[i].(string))
		case []byte:
			c = bytes.Compare(x, b[i].([]byte))
		case int64:
			c = int(min(max(x-b[i].(int64), -1), 1))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// lastOfEach keeps the last of rows with one key; they are sorted stably.
func lastOfEach(t *table, rows []row) []row {
	out := rows[:0]
	for i, r := range rows {
		if i+1 < len(rows) && compareKey(t, r, rows[i+1]) == 0 {
			continue
		}
		out = append(out, r)
	}
	return out
}

// load reads a merchant's standing unless it is known.
func (g *groupState) load(ctx context.Context, mid string) error {
	if g.standings[mid] != nil {
		return nil
	}
	s, err := readStanding(ctx, g.session.query, mid)
	if err != nil {
		return err
	}
	g.standings[mid] = s
	g.recorded[mid] = s.Head().Seq
	return nil
}

type queryFunc func(ctx context.Context, query string, args ...any) (*sql.Rows, error)
