package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"

	"daozhang/internal/access"
)

// callTable holds the last requests of each key: a ring for each node, so that it
// is bounded and nothing has to be removed.
var callTable = &table{name: "api_call", columns: columns("key_id node slot:n at:n body"), key: 3}

// CallsKept is how many requests of a key are kept by each node.
const CallsKept = 200

// Calls is the log of what programs asked, as one process writes it.
type Calls struct {
	s  *Store
	mu sync.Mutex
	// next is the slot of a key that is written next.
	next map[string]int64
}

// CallLog opens it.
func (s *Store) CallLog() *Calls { return &Calls{s: s, next: map[string]int64{}} }

// Keep writes calls in one commit. Of one key's more than CallsKept the last stay.
func (c *Calls) Keep(ctx context.Context, list []access.Call) error {
	p := &prepared{subject: "API log"}
	for i := range list {
		slot, err := c.slot(ctx, list[i].Key)
		if err != nil {
			return err
		}
		b, err := json.Marshal(&list[i])
		if err != nil {
			return invalid("API log", err.Error())
		}
		p.put(callTable, upsert, row{list[i].Key, c.s.options.Node, slot, micros(list[i].At), string(b)})
	}
	if len(p.works) == 0 {
		return nil
	}
	// Of two rows of one slot the later stands.
	w := &p.works[0]
	seen, rows := map[[2]any]bool{}, []row{}
	for i := len(w.rows) - 1; i >= 0; i-- {
		k := [2]any{w.rows[i][0], w.rows[i][2]}
		if !seen[k] {
			seen[k] = true
			rows = append(rows, w.rows[i])
		}
	}
	w.rows = rows
	return c.s.submit(ctx, p)
}

// slot gives the next slot of a key: at first the one after the latest on record.
func (c *Calls) slot(ctx context.Context, key string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, known := c.next[key]
	if !known {
		last, err := each(ctx, c.s, "read the API log from", func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) },
			"SELECT slot FROM api_call WHERE key_id = $1 AND node = $2 ORDER BY at DESC, slot DESC LIMIT 1", key, c.s.options.Node)
		if err != nil {
			return 0, err
		}
		if len(last) > 0 {
			next = (last[0] + 1) % CallsKept
		}
	}
	c.next[key] = (next + 1) % CallsKept
	return next, nil
}

// RecentCalls gives the last requests, of one key or with "" of all, the newest
// first.
func (s *Store) RecentCalls(ctx context.Context, key string, most int) ([]access.Call, error) {
	q := condition{}
	if key != "" {
		q.and("key_id = ", key)
	}
	q.args = append(q.args, int64(most))
	return each(ctx, s, "read the API log from", func(rows *sql.Rows) (c access.Call, err error) {
		var raw []byte
		if err = rows.Scan(&raw); err == nil {
			err = json.Unmarshal(raw, &c)
		}
		return c, err
	}, "SELECT body FROM api_call"+q.where()+" ORDER BY at DESC LIMIT "+places(len(q.args), 1), q.args...)
}
