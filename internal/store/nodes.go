package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store/body"
)

// Slots is how many nodes can share a database, each with ranges of numbers of its
// own.
const Slots = 8

// Place is where a node can be reached by the others.
type Place struct {
	Node string
	// Relay is host:port, where it takes messages of terminals that other nodes
	// pass on. Web is the base URL of its HTTP surface; "" for a node that is
	// leaving and takes nothing more.
	Relay, Web string
}

// Survey is who lives and decides, as of one moment.
type Survey struct {
	// Living are the nodes whose lock is held, in one order for all.
	Living []Place
	// Holder gives for each part the node that holds it, nil where none does.
	Holder [payment.Parts]*Place
}

// Taking are the living nodes that take what is free: each has an equal share.
func (s *Survey) Taking() (taking []Place) {
	for _, p := range s.Living {
		if p.Web != "" {
			taking = append(taking, p)
		}
	}
	return taking
}

// Free are the parts that nobody holds.
func (s *Survey) Free() (free payment.PartSet) {
	for p := range payment.Parts {
		if s.Holder[p] == nil {
			free |= payment.PartsOf(payment.Part(p))
		}
	}
	return free
}

// ErrPart is a step about a merchant whose part this node does not hold (any
// more): another node may have moved its rows on. It comes with payment.ErrRefused.
var ErrPart = errors.New("another node decides for this merchant")

// Nodes is this store as one of several on a PostgreSQL database. Merchants are
// divided into parts; a part is held by an advisory lock of the connection that
// writes. A node that holds a part is the only one that writes the payments of its
// merchants: a lost connection loses the right to write together with the means.
// It is safe for concurrent use.
type Nodes struct {
	s    *Store
	db   *sql.DB
	name string
	slot int

	mu   sync.Mutex
	lost payment.PartSet
	told chan struct{}
}

// control is work of the committer between two groups.
type control struct {
	do   func(g *groupState) error
	done chan error
}

// obey does what is asked; a connection that turns out to be lost is made anew by
// whoever needs it next.
func (g *groupState) obey(c *control) error {
	err := c.do(g)
	if err != nil && g.s.dialect.classify(err) == gone {
		g.drop(gone)
	}
	return err
}

// parts is what the committer knows of the division; the zero value is none.
type parts struct {
	nodes *Nodes
	held  map[payment.Part]int64 // with the count of its takings
}

// Join makes the store one of several: from now on it writes payments only of
// parts that it holds, which are none yet. fault.Usage for SQLite, which one node
// has to itself; fault.Conflict where Slots nodes have joined before.
func (s *Store) Join(ctx context.Context) (*Nodes, error) {
	d, err := s.several()
	if err != nil {
		return nil, err
	}
	db, err := d.admin(ctx, false)
	if err != nil {
		return nil, err
	}
	n := &Nodes{s: s, db: db, name: s.options.Node, told: make(chan struct{}, 1)}
	if err = n.settle(ctx); err == nil {
		err = s.control(ctx, func(g *groupState) error {
			g.parts = parts{nodes: n, held: map[payment.Part]int64{}}
			if g.session != nil {
				g.watchful(ctx)
			}
			return nil
		})
	}
	if err != nil {
		db.Close()
		return nil, s.failed("join", err)
	}
	return n, nil
}

// several gives the database where several nodes can share it.
func (s *Store) several() (*postgres, error) {
	if d, ok := s.dialect.(*postgres); ok {
		return d, nil
	}
	return nil, fault.New(fault.Usage, "share", s.dialect.String(), errors.New("an embedded database serves one node"), "several nodes need PostgreSQL")
}

// settle takes the first free slot, unless the node has one from an earlier time.
func (n *Nodes) settle(ctx context.Context) error {
	for range 3 * Slots {
		rows, err := n.db.QueryContext(ctx, "SELECT node, slot FROM node_place")
		if err != nil {
			return err
		}
		taken := make([]bool, Slots)
		found := false
		for rows.Next() {
			var node string
			var slot int
			if err = rows.Scan(&node, &slot); err != nil {
				break
			}
			if node == n.name {
				n.slot, found = slot, true
			}
			if slot < Slots {
				taken[slot] = true
			}
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return err
		}
		if found {
			return n.Leave(ctx) // nobody is to look for it where it was before
		}
		slot := slices.Index(taken, false)
		if slot < 0 {
			return fault.New(fault.Conflict, "join", n.s.dialect.String(), fmt.Errorf("%d nodes have joined before", Slots), "give this one the name of a node that is no more")
		}
		// Of two nodes that want the same slot one is refused and looks again.
		_, err = n.db.ExecContext(ctx, "INSERT INTO node_place (node, slot, relay, web, changed) VALUES ($1, $2, '', '', $3)", n.name, slot, time.Now().UnixMicro())
		if err != nil && n.s.dialect.classify(err) != constraint {
			return err
		}
	}
	return errors.New("no slot could be taken")
}

// Announce says where the node is: relay takes messages of terminals that others
// pass on, host:port; web is the base URL of the HTTP surface. From then on it has
// its share.
func (n *Nodes) Announce(ctx context.Context, relay, web string) error {
	_, err := n.db.ExecContext(ctx, "UPDATE node_place SET relay = $2, web = $3, changed = $4 WHERE node = $1", n.name, relay, web, time.Now().UnixMicro())
	return n.s.failed("announce in", err)
}

// Leave takes the node out of those that get a share. What it holds it holds until
// Release.
func (n *Nodes) Leave(ctx context.Context) error {
	_, err := n.db.ExecContext(ctx, "UPDATE node_place SET web = '', changed = $2 WHERE node = $1", n.name, time.Now().UnixMicro())
	return n.s.failed("leave", err)
}

// Name is the node's own, Slot which of the ranges of numbers is its own, from 0
// to Slots-1.
func (n *Nodes) Name() string { return n.name }

// Slot is that of the node.
func (n *Nodes) Slot() int { return n.slot }

// Close ends the membership: it gives up the parts that are still held.
func (n *Nodes) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := n.Release(ctx, payment.AllParts)
	return errors.Join(err, n.db.Close())
}

// control has the committer do something between two groups, on its connection.
func (s *Store) control(ctx context.Context, do func(g *groupState) error) error {
	c := &control{do, make(chan error, 1)}
	select {
	case s.controls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return errClosed
	}
	select {
	case err := <-c.done:
		return err
	case <-s.stopped:
		return errClosed
	}
}

// partClass is the first key of the locks of parts; the second is the part. It
// tells databases apart as the locks of nodes do.
func (d *postgres) partClass() int32 { return int32(d.lockKey("parts of the merchants") & 0x7fffffff) }

func (g *groupState) partClass() int32 { return g.s.dialect.(*postgres).partClass() }

func numbers(p payment.PartSet) []int64 {
	var list []int64
	for _, part := range p.List() {
		list = append(list, int64(part))
	}
	return list
}

// Take tries to take parts, which are free or may be, and gives those that it got.
func (n *Nodes) Take(ctx context.Context, want payment.PartSet) (got payment.PartSet, err error) {
	err = n.s.control(ctx, func(g *groupState) error {
		if _, err := g.connect(ctx); err != nil {
			return err
		}
		list := slices.DeleteFunc(numbers(want), func(p int64) bool { _, held := g.parts.held[payment.Part(p)]; return held })
		locked, err := g.lockParts(ctx, list)
		if err != nil || len(locked) == 0 {
			return err
		}
		rows, err := g.session.query(ctx, `INSERT INTO node_part (part, node, times) SELECT part, $2, 1 FROM unnest($1::bigint[]) AS v(part)
			ON CONFLICT (part) DO UPDATE SET node = excluded.node, times = node_part.times + 1 RETURNING part, times`, locked, n.name)
		if err != nil {
			return err
		}
		for rows.Next() {
			var part payment.Part
			var times int64
			if err = rows.Scan(&part, &times); err != nil {
				break
			}
			g.parts.held[part] = times
			got |= payment.PartsOf(part)
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			g.drop(g.s.dialect.classify(err)) // the locks that are not on record end with the connection
		}
		return err
	})
	return got, n.s.failed("take parts of", err)
}

// Release gives up parts, after the last step about them was committed.
func (n *Nodes) Release(ctx context.Context, parts payment.PartSet) error {
	err := n.s.control(ctx, func(g *groupState) error {
		var list []int64
		for part := range g.parts.held {
			if parts.Has(part) {
				list = append(list, int64(part))
				delete(g.parts.held, part)
			}
		}
		if g.session == nil || len(list) == 0 {
			return nil
		}
		return g.unlockParts(ctx, list)
	})
	return n.s.failed("release parts of", err)
}

// Lost gives a value when parts were lost, with the connection that held them;
// TakeLost says which.
func (n *Nodes) Lost() <-chan struct{} { return n.told }

// TakeLost gives the parts that were lost since it was last asked. Another node
// has had them: what is known of their merchants may be old.
func (n *Nodes) TakeLost() payment.PartSet {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.lost
	n.lost = 0
	return lost
}

func (n *Nodes) lose(p payment.PartSet) {
	if p == 0 {
		return
	}
	n.mu.Lock()
	n.lost |= p
	n.mu.Unlock()
	select {
	case n.told <- struct{}{}:
	default:
	}
}

// lockParts tries the locks of parts and gives those that it got.
func (g *groupState) lockParts(ctx context.Context, list []int64) (got []int64, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	rows, err := g.session.query(ctx, "SELECT part FROM unnest($1::bigint[]) AS v(part) WHERE pg_try_advisory_lock($2, part::int)", list, g.partClass())
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var part int64
		if err = rows.Scan(&part); err != nil {
			break
		}
		got = append(got, part)
	}
	return got, errors.Join(err, rows.Err(), rows.Close())
}

// watchful has the server notice within seconds that this machine is gone: until
// then it keeps the locks of its connection. A server that does not take these
// settings notices later.
func (g *groupState) watchful(ctx context.Context) {
	for _, set := range [...][2]string{{"tcp_keepalives_idle", "1"}, {"tcp_keepalives_interval", "1"}, {"tcp_keepalives_count", "3"}, {"tcp_user_timeout", "4000"}} {
		_ = g.run1(ctx, "SELECT set_config($1, $2, false)", set[0], set[1])
	}
}

// reclaim takes the parts again after the connection was made anew. Those that
// another node has, or had meanwhile, are lost.
func (g *groupState) reclaim(ctx context.Context) error {
	if g.parts.nodes == nil {
		return nil
	}
	g.watchful(ctx)
	before := g.parts.held
	var all, kept, stale []int64
	for part := range before {
		all = append(all, int64(part))
	}
	locked, err := g.lockParts(ctx, all)
	if err != nil {
		return err
	}
	rows, err := g.session.query(ctx, "SELECT part, node, times FROM node_part WHERE part = ANY($1::bigint[])", locked)
	if err != nil {
		return err
	}
	g.parts.held = map[payment.Part]int64{}
	for rows.Next() {
		var part, times int64
		var node string
		if err = rows.Scan(&part, &node, &times); err != nil {
			break
		}
		if node == g.s.options.Node && before[payment.Part(part)] == times {
			kept = append(kept, part)
			g.parts.held[payment.Part(part)] = times
		}
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		g.parts.held = before
		return err
	}
	var lost payment.PartSet
	for part := range before {
		if _, ok := g.parts.held[part]; !ok {
			lost |= payment.PartsOf(part)
		}
	}
	for _, part := range locked {
		if !slices.Contains(kept, part) {
			stale = append(stale, part)
		}
	}
	g.parts.nodes.lose(lost)
	return g.unlockParts(ctx, stale)
}

func (g *groupState) unlockParts(ctx context.Context, list []int64) error {
	if len(list) == 0 {
		return nil
	}
	return g.run1(ctx, "SELECT pg_advisory_unlock($1, part::int) FROM unnest($2::bigint[]) AS v(part)", g.partClass(), list)
}

// guard refuses a step about payments of a part that is not held.
func (g *groupState) guard(p *prepared) error {
	if g.parts.nodes == nil {
		return nil
	}
	if _, ok := g.parts.held[payment.PartOf(p.mid)]; ok {
		return nil
	}
	for i := range p.works {
		if t := p.works[i].table; t == paymentTable || t == outgoingTable || t == batchTable {
			return fault.New(fault.Conflict, "write step", p.mid, ErrPart, "")
		}
	}
	return nil
}

// run1 runs a statement whose result is not wanted.
func (g *groupState) run1(ctx context.Context, q string, args ...any) error {
	rows, err := g.session.query(ctx, q, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Survey says which nodes live and which parts each holds: a node lives as long
// as the lock of its name is held.
func (n *Nodes) Survey(ctx context.Context) (*Survey, error) {
	out, err := n.survey(ctx)
	return out, n.s.failed("read nodes from", err)
}

func (n *Nodes) survey(ctx context.Context) (*Survey, error) {
	// The owner of a part is on record a moment after the lock is taken, and the
	// lock is looked at first: whoever holds one is known by then, or next time.
	locks := map[[2]uint32]bool{}
	rows, err := n.db.QueryContext(ctx, `SELECT classid::bigint, objid::bigint FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var class, object int64
		if err = rows.Scan(&class, &object); err != nil {
			break
		}
		locks[[2]uint32{uint32(class), uint32(object)}] = true
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	d := n.s.dialect.(*postgres)
	class := uint32(d.partClass())
	out := &Survey{}
	if rows, err = n.db.QueryContext(ctx, "SELECT node, relay, web FROM node_place ORDER BY slot"); err != nil {
		return nil, err
	}
	for rows.Next() {
		var p Place
		if err = rows.Scan(&p.Node, &p.Relay, &p.Web); err != nil {
			break
		}
		if key := uint64(d.lockKey(p.Node)); locks[[2]uint32{uint32(key >> 32), uint32(key)}] {
			out.Living = append(out.Living, p)
		}
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	if rows, err = n.db.QueryContext(ctx, "SELECT part, node FROM node_part"); err != nil {
		return nil, err
	}
	for rows.Next() {
		var part int
		var node string
		if err = rows.Scan(&part, &node); err != nil {
			break
		}
		i := slices.IndexFunc(out.Living, func(p Place) bool { return p.Node == node })
		if part < payment.Parts && i >= 0 && locks[[2]uint32{class, uint32(part)}] {
			out.Holder[part] = &out.Living[i]
		}
	}
	return out, errors.Join(err, rows.Err(), rows.Close())
}

// Reserve gives the node the next count numbers of a series, none of which is
// below least, and never to another: from the one returned.
func (n *Nodes) Reserve(ctx context.Context, series string, least, count int64) (from int64, err error) {
	var next int64
	err = n.db.QueryRowContext(ctx, `INSERT INTO number_series (name, next) VALUES ($1, $2::bigint + $3::bigint)
		ON CONFLICT (name) DO UPDATE SET next = GREATEST(number_series.next, $2::bigint) + $3::bigint RETURNING next`, series, least, count).Scan(&next)
	return next - count, n.s.failed("reserve numbers in", err)
}

// merchants gives the registered merchants of some parts.
func (n *Nodes) merchants(ctx context.Context, query queryFunc, of payment.PartSet) ([]string, error) {
	all, err := collect(ctx, query, func(b []byte) (string, error) { return string(b), nil }, "SELECT mid FROM merchant ORDER BY mid")
	return slices.DeleteFunc(all, func(mid string) bool { return !of.HasMerchant(mid) }), err
}

// Load is Store.Load for the merchants of some parts. Each statement binds them.
func (n *Nodes) Load(ctx context.Context, of payment.PartSet) (*State, error) {
	o := &State{More: true}
	err := n.s.snapshot(ctx, func(query queryFunc) (err error) {
		mids, err := n.merchants(ctx, query, of)
		if err != nil || len(mids) == 0 {
			return err
		}
		if o.Transactions, err = collect(ctx, query, body.DecodeTransaction, `WITH wanted AS (
				SELECT merchant, id FROM payment WHERE merchant = ANY($1::text[]) AND open = 1
				UNION SELECT merchant, payment FROM outgoing WHERE merchant = ANY($1::text[]) AND state = 'due'
				UNION SELECT p.merchant, p.id FROM payment p JOIN terminal_batch b ON b.merchant = p.merchant AND b.tid = p.tid AND b.number = p.batch
					WHERE b.merchant = ANY($1::text[]) AND b.state <> 'closed'
				UNION SELECT t.merchant, t.payment FROM ledger_open o JOIN ledger_transfer t ON t.merchant = o.merchant AND t.seq = o.seq
					WHERE o.merchant = ANY($1::text[]))
			SELECT p.body FROM payment p JOIN wanted w ON w.merchant = p.merchant AND w.id = p.id ORDER BY p.id`, mids); err != nil {
			return err
		}
		if o.Transactions, err = withOriginals(ctx, query, o.Transactions); err != nil {
			return err
		}
		if o.Outgoing, err = collect(ctx, query, body.DecodeOutgoing,
			"SELECT body FROM outgoing WHERE merchant = ANY($1::text[]) AND state = 'due' ORDER BY next, payment", mids); err != nil {
			return err
		}
		if o.Batches, err = collect(ctx, query, body.DecodeBatch, `SELECT b.body FROM terminal_batch b
			JOIN (SELECT merchant, tid, MAX(opened) AS opened FROM terminal_batch WHERE merchant = ANY($1::text[]) GROUP BY merchant, tid) l
				ON l.merchant = b.merchant AND l.tid = b.tid
			WHERE b.merchant = ANY($1::text[]) AND (b.state <> 'closed' OR b.opened = l.opened) ORDER BY b.opened, b.merchant, b.tid, b.number`, mids); err != nil {
			return err
		}
		o.Exceptions, err = collect(ctx, query, body.DecodeException,
			"SELECT body FROM payment_exception WHERE merchant = ANY($1::text[]) AND state = 'open' ORDER BY opened, id", mids)
		return err
	})
	if err != nil {
		return nil, n.s.failed("read open payments from", err)
	}
	return o, nil
}

// Now returns the rows that a step writes as they stand, those of its transactions
// also by terminal, batch and trace number; what is not there is left out. Whoever
// decided on older rows decides again on these.
func (s *Store) Now(ctx context.Context, step *payment.Step) (*payment.Step, error) {
	out := &payment.Step{MID: step.MID, At: step.At}
	err := s.snapshot(ctx, func(query queryFunc) error {
		owed := map[payment.ID]bool{}
		for i := range step.Transactions {
			t := &step.Transactions[i]
			owed[t.ID] = true
			found, err := collect(ctx, query, body.DecodeTransaction,
				"SELECT body FROM payment WHERE merchant = $1 AND (id = $2 OR tid = $3 AND batch = $4 AND stan = $5)", t.MID, t.ID[:], t.TID, t.Batch, t.STAN)
			if err != nil {
				return err
			}
			out.Transactions = append(out.Transactions, found...)
			for _, f := range found {
				owed[f.ID] = true
			}
		}
		for i := range step.Outgoing {
			owed[step.Outgoing[i].Payment] = true
		}
		for id := range owed {
			found, err := collect(ctx, query, body.DecodeOutgoing, "SELECT body FROM outgoing WHERE merchant = $1 AND payment = $2", step.MID, id[:])
			if err != nil {
				return err
			}
			out.Outgoing = append(out.Outgoing, found...)
		}
		for i := range step.Batches {
			b := &step.Batches[i]
			found, err := collect(ctx, query, body.DecodeBatch, "SELECT body FROM terminal_batch WHERE merchant = $1 AND tid = $2 AND number = $3", b.MID, b.TID, b.Number)
			if err != nil {
				return err
			}
			out.Batches = append(out.Batches, found...)
		}
		return nil
	})
	return out, s.failed("read payments from", err)
}
