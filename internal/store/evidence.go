package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Outcome is what became of one fact that was brought.
type Outcome uint8

// The outcomes.
const (
	// Added is new.
	Added Outcome = iota
	// Repeated is there already with the same content.
	Repeated
	// Contradicts is there under the same source and id with other content. Both
	// are kept; the contract says which stands.
	Contradicts
)

// String returns the outcome's name.
func (o Outcome) String() string {
	return [...]string{"added", "repeated", "contradicts"}[min(o, Contradicts)]
}

// Append keeps facts that came from outside, durably before it returns, and says
// for each what became of it. Facts may be of several merchants; all are kept or,
// with an error as of Commit, none of those of one merchant. Lines are checked by
// whoever brings them: here they only have to be one line of UTF-8.
func (s *Store) Append(ctx context.Context, facts []payment.Evidence) ([]Outcome, error) {
	outcomes := make([]Outcome, len(facts))
	byMerchant := map[string]*payment.Step{}
	var order []string
	seen := map[string]*content{}
	for i := range facts {
		e := &facts[i]
		c, err := contentOf(e.Line)
		if err != nil {
			return nil, fault.New(fault.Invalid, "append evidence", e.Source+"#"+e.ID, fmt.Errorf("%w: not a JSON object", payment.ErrRefused), "")
		}
		versions, err := s.versions(ctx, e)
		if err != nil {
			return nil, s.failed("read evidence from", err)
		}
		name := e.MID + "\x00" + e.Source + "\x00" + e.ID
		if v := seen[name]; v != nil {
			versions = append(versions, *v)
		}
		keep := true
		for _, v := range versions {
			if v.hash == c.hash {
				outcomes[i] = Repeated
				// The earliest recordedtime stands, so an earlier one is news.
				keep = c.recorded != v.recorded
				break
			}
			outcomes[i] = Contradicts
		}
		if !keep {
			continue
		}
		seen[name] = &c
		if byMerchant[e.MID] == nil {
			byMerchant[e.MID] = &payment.Step{MID: e.MID, At: e.Time}
			order = append(order, e.MID)
		}
		byMerchant[e.MID].Evidence = append(byMerchant[e.MID].Evidence, *e)
	}
	errs := make(chan error, len(order))
	for _, mid := range order { // at once, so that they share a group
		go func() { errs <- s.Commit(ctx, byMerchant[mid]) }()
	}
	var failed error
	for range order {
		if err := <-errs; err != nil && failed == nil {
			failed = err
		}
	}
	if failed != nil {
		return nil, failed
	}
	return outcomes, nil
}

// content is what identifies a version of a fact.
type content struct{ hash, recorded string }

// contentOf gives a fact's type, time and data in one form: two lines that
// differ in spaces and the order of names are one version.
func contentOf(line []byte) (content, error) {
	var v struct {
		Type     any `json:"type"`
		Time     any `json:"time"`
		Data     any `json:"data"`
		Recorded any `json:"recordedtime"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return content{}, err
	}
	raw, err := json.Marshal([]any{v.Type, v.Time, v.Data})
	return content{string(raw), fmt.Sprint(v.Recorded)}, err
}

func (s *Store) versions(ctx context.Context, e *payment.Evidence) ([]content, error) {
	q, args := "SELECT line FROM evidence_reference WHERE id = $1 AND source = $2", []any{e.ID, e.Source}
	if e.MID != "" {
		q, args = "SELECT line FROM evidence WHERE id = $1 AND source = $2 AND merchant = $3", append(args, e.MID)
	}
	out, err := collect(ctx, s.read.QueryContext, contentOf, q, args...)
	if err != nil {
		return nil, err
	}
	lines, err := s.packedVersions(ctx, e)
	for _, line := range lines {
		c, unread := contentOf(line)
		out, err = append(out, c), cmp.Or(err, unread)
	}
	return out, err
}

// Line is one fact as it is kept.
type Line struct {
	MID    string // "" where it is about no single merchant
	Source string
	ID     string
	// JSON is the CloudEvents object, without a line feed.
	JSON []byte
}

// Cursor says how far evidence has been read: for each node the position up to
// which everything has been seen. "" is the beginning. A node's positions become
// visible in their order, so nothing is passed over.
type Cursor string

func (c Cursor) parse() (map[string]int64, error) {
	out := map[string]int64{}
	if c == "" {
		return out, nil
	}
	for part := range strings.SplitSeq(string(c), ",") {
		node, pos, ok := strings.Cut(part, ":")
		n, err := strconv.ParseInt(pos, 10, 64)
		if !ok || err != nil || n < 0 || !nodeName(node) {
			return nil, fault.New(fault.Invalid, "read evidence", "", fmt.Errorf("the cursor cannot be read"), "use a cursor that an earlier answer gave, or none")
		}
		out[node] = n
	}
	return out, nil
}

func cursorOf(at map[string]int64) Cursor {
	parts := make([]string, 0, len(at))
	for node, pos := range at {
		if pos > 0 {
			parts = append(parts, node+":"+strconv.FormatInt(pos, 10))
		}
	}
	slices.Sort(parts)
	return Cursor(strings.Join(parts, ","))
}

// Evidence returns up to limit facts after a cursor and the cursor after them.
// Fewer than limit means that there are no more now.
func (s *Store) Evidence(ctx context.Context, after Cursor, limit int) ([]Line, Cursor, error) {
	at, err := after.parse()
	if err != nil {
		return nil, after, err
	}
	nodes, err := s.nodes(ctx)
	if err != nil {
		return nil, after, err
	}
	var out []Line
	for _, node := range nodes {
		if len(out) >= limit {
			break
		}
		shown, err := s.dialect.shown(ctx, s.read, node)
		if err != nil {
			return nil, after, s.failed("read evidence from", err)
		}
		lines, upTo, err := s.factsOf(ctx, node, at[node], shown, limit-len(out))
		if err != nil {
			return nil, after, s.failed("read evidence from", err)
		}
		if len(lines) > 0 {
			at[node] = upTo
			out = append(out, lines...)
		}
	}
	return out, cursorOf(at), nil
}

// factsOf returns up to limit facts of a node with positions after one and up to
// another, in their order, and the position of the last.
func (s *Store) factsOf(ctx context.Context, node string, after, upTo int64, limit int) (out []Line, last int64, err error) {
	alone, at, err := s.loose(ctx, node, after, upTo, limit)
	if err != nil {
		return nil, 0, err
	}
	if len(alone) == limit {
		upTo = at[limit-1]
	}
	aloneUntil := func(pos int64) {
		for len(alone) > 0 && at[0] < pos && len(out) < limit {
			out, last = append(out, alone[0]), at[0]
			alone, at = alone[1:], at[1:]
		}
	}
	const few = 4 // packs hold hundreds of facts, of which the next page may want none
	for from := after; len(out) < limit; {
		found, err := packs(ctx, s.read.QueryContext, "node = $1 AND pos > $2 AND pos <= $3 ORDER BY pos LIMIT "+strconv.Itoa(few), node, from, upTo)
		if err != nil {
			return nil, 0, err
		}
		for i := range found {
			if len(out) == limit {
				break // before the next is unpacked
			}
			p := &found[i]
			from = p.pos
			lines, err := p.lines()
			if err != nil {
				return nil, 0, err
			}
			first := p.pos - p.facts + 1
			aloneUntil(first)
			begin := max(after+1-first, 0) // the cursor may stand within a pack
			n := min(int64(limit-len(out)), p.facts-begin)
			if n > 0 {
				out, last = append(out, lines[begin:begin+n]...), first+begin+n-1
			}
		}
		if len(found) < few {
			break
		}
	}
	aloneUntil(math.MaxInt64)
	return out, last, nil
}

// loose returns facts as factsOf does, those that lie in rows of their own.
func (s *Store) loose(ctx context.Context, node string, after, upTo int64, limit int) (out []Line, at []int64, err error) {
	n := strconv.Itoa(limit)
	// $1 to $3 stand twice each; both databases take them by number.
	rows, err := s.read.QueryContext(ctx, `SELECT pos, merchant, source, id, line FROM (
			SELECT pos, merchant, source, id, line FROM evidence WHERE node = $1 AND pos > $2 AND pos <= $3 ORDER BY pos LIMIT `+n+`) a
		UNION ALL SELECT pos, merchant, source, id, line FROM (
			SELECT pos, '' AS merchant, source, id, line FROM evidence_reference WHERE node = $1 AND pos > $2 AND pos <= $3 ORDER BY pos LIMIT `+n+`) b
		ORDER BY pos LIMIT `+n, node, after, upTo)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var pos int64
		if err := rows.Scan(&pos, &l.MID, &l.Source, &l.ID, &l.JSON); err != nil {
			return nil, nil, err
		}
		out, at = append(out, l), append(at, pos)
	}
	return out, at, cmp.Or(rows.Err(), rows.Close())
}

func (s *Store) nodes(ctx context.Context) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name FROM node ORDER BY name")
	if err != nil {
		return nil, s.failed("read nodes from", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, s.failed("read nodes from", err)
		}
		out = append(out, n)
	}
	return out, s.failed("read nodes from", rows.Err())
}

// EvidenceOf streams the facts of one merchant, or with "" those of none: first those
// in rows of their own by id and source, then those in packs. A failure is the last
// pair.
func (s *Store) EvidenceOf(ctx context.Context, mid string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var id, source string
		hash := []byte{}
		for more := true; more; {
			var page []Line
			var err error
			if page, id, source, hash, err = s.looseOf(ctx, mid, id, source, hash); err != nil {
				yield(Line{}, s.failed("read evidence from", err))
				return
			}
			for _, l := range page {
				if !yield(l, nil) {
					return
				}
			}
			more = len(page) == pageRows
		}
		const few = 16
		last := packed{hash: []byte{}}
		for more := mid != ""; more; {
			found, err := packs(ctx, s.read.QueryContext, "merchant = $1 AND (source, scope, hash) > ($2, $3, $4) ORDER BY source, scope, hash LIMIT "+strconv.Itoa(few),
				mid, last.source, last.scope, last.hash)
			for i := range found {
				last = found[i]
				var lines []Line
				if lines, err = last.lines(); err != nil {
					break
				}
				for _, l := range lines {
					if !yield(l, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(Line{}, s.failed("read evidence from", err))
				return
			}
			more = len(found) == few
		}
	}
}

// looseOf returns a page of a merchant's facts in rows of their own after one, and
// the key of its last.
func (s *Store) looseOf(ctx context.Context, mid, id, source string, hash []byte) (out []Line, _, _ string, _ []byte, err error) {
	from, args := "evidence WHERE merchant = $4 AND", []any{id, source, hash, mid}
	if mid == "" {
		from, args = "evidence_reference WHERE", args[:3]
	}
	rows, err := s.read.QueryContext(ctx, "SELECT source, id, hash, line FROM "+from+" (id, source, hash) > ($1, $2, $3) ORDER BY id, source, hash LIMIT "+strconv.Itoa(pageRows), args...)
	if err != nil {
		return nil, "", "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		l := Line{MID: mid}
		if err := rows.Scan(&l.Source, &l.ID, &hash, &l.JSON); err != nil {
			return nil, "", "", nil, err
		}
		id, source = l.ID, l.Source
		out = append(out, l)
	}
	return out, id, source, hash, cmp.Or(rows.Err(), rows.Close())
}

// WriteEvidence writes all facts after a cursor as NDJSON, each as it was brought,
// and gives the cursor after them.
func (s *Store) WriteEvidence(ctx context.Context, w io.Writer, after Cursor) (Cursor, error) {
	const page = 1000
	for {
		lines, next, err := s.Evidence(ctx, after, page)
		if err != nil {
			return after, err
		}
		var b bytes.Buffer
		for _, l := range lines {
			b.Write(l.JSON)
			b.WriteByte('\n')
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return after, err
		}
		after = next
		if len(lines) < page {
			return after, nil
		}
	}
}
