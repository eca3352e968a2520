package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
)

// Lists come in pages. A cursor is a place in the list, not a number of rows: what
// comes or goes in between neither hides a row nor shows one twice. Where several
// nodes divide the merchants, each is asked for the same page of its own, and the
// first of all are the page; the cursor means the same place to every node.

// Sum is what a whole list adds up to in one currency.
type Sum struct {
	Currency string `json:"currency" doc:"ISO 4217"`
	Count    int    `json:"count"`
	Amount   int64  `json:"amount" doc:"in minor units"`
}

// sumsOf gives sums in order of currency.
func sumsOf(by map[money.Currency]investigation.Sum) []Sum {
	out := []Sum{}
	for c, s := range by {
		out = append(out, Sum{c.String(), s.Count, s.Amount})
	}
	slices.SortFunc(out, func(a, b Sum) int { return strings.Compare(a.Currency, b.Currency) })
	return out
}

// addSums adds up sums of several nodes.
func addSums(a, b []Sum) []Sum {
	for _, s := range b {
		i := slices.IndexFunc(a, func(o Sum) bool { return o.Currency == s.Currency })
		if i < 0 {
			a = append(a, s)
			continue
		}
		a[i].Count += s.Count
		a[i].Amount += s.Amount
	}
	slices.SortFunc(a, func(a, b Sum) int { return strings.Compare(a.Currency, b.Currency) })
	return a
}

// slice is a page on its way between nodes and to the caller: rows as they are
// written, and with each its place in the list.
type slice[M any] struct {
	Rows  []json.RawMessage
	Marks []M
	More  bool
	Sums  []Sum
}

// merged is the first n rows of several slices of one list.
func merged[M any](n int, before func(a, b M) int, parts ...slice[M]) slice[M] {
	type row struct {
		raw  json.RawMessage
		mark M
	}
	var rows []row
	out := slice[M]{Sums: []Sum{}}
	for _, p := range parts {
		for i := range p.Rows {
			rows = append(rows, row{p.Rows[i], p.Marks[i]})
		}
		out.More = out.More || p.More
		out.Sums = addSums(out.Sums, p.Sums)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return before(a.mark, b.mark) })
	if len(rows) > n {
		rows, out.More = rows[:n], true
	}
	for _, r := range rows {
		out.Rows, out.Marks = append(out.Rows, r.raw), append(out.Marks, r.mark)
	}
	return out
}

// page is a list as it is answered. Its schema is that of the list of clients.
type page struct {
	AsOf       time.Time         `json:"as_of"`
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"next_cursor,omitempty"`
	Count      int               `json:"count"`
	Sums       []Sum             `json:"sums"`
}

// answerPage answers with a list that every node has a part of: own is this
// one's. mid, where it is not "", is the only merchant that is meant.
func answerPage[M any](c *call, mid string, n int, before func(a, b M) int, own func() (slice[M], time.Time, error)) error {
	if done, err := c.handedTo(mid, nil); done {
		return err
	}
	part, asOf, err := own()
	if err != nil {
		return err
	}
	if c.Header.Get(gathered) != "" {
		return c.json(http.StatusOK, part)
	}
	if mid == "" {
		others, err := gather[slice[M]](c)
		if err != nil {
			return err
		}
		part = merged(n, before, append(others, part)...)
	}
	p := page{AsOf: asOf, Items: part.Rows, Sums: part.Sums}
	if p.Items == nil {
		p.Items = []json.RawMessage{}
	}
	for _, s := range part.Sums {
		p.Count += s.Count
	}
	if last := len(part.Marks) - 1; part.More && last >= 0 {
		p.NextCursor = cursorOf(part.Marks[last])
	}
	return c.json(http.StatusOK, p)
}

// gathered marks a question by which a node gathers the parts of an answer from
// all others.
const gathered = "Daozhang-Gathered"

// gather asks all other nodes what this one was asked and gives what each has. An
// answer with a part missing would be wrong, so that one that does not come is an
// error.
func gather[T any](c *call) ([]T, error) {
	nodes := c.server.o.Nodes
	if nodes == nil || c.Header.Get(handedOn) != "" {
		return nil, nil
	}
	bases := nodes.Others()
	parts, errs := make([]T, len(bases)), make([]error, len(bases))
	var work sync.WaitGroup
	for i, base := range bases {
		work.Go(func() { errs[i] = c.part(base, &parts[i]) })
	}
	work.Wait()
	for i, err := range errs {
		if err != nil {
			c.server.o.Log.Warn("part of an answer not gathered", "from", bases[i], "error", err)
			return nil, changing()
		}
	}
	return parts, nil
}

func (c *call) part(base string, into any) error {
	res, err := c.handOn(base, nil, gathered)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fault.Same(res.Status)
	}
	return json.NewDecoder(http.MaxBytesReader(nil, res.Body, 64<<20)).Decode(into)
}

// Cursors are JSON in base64: nobody but this package reads them.
func cursorOf[M any](m M) string {
	b, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// markOf reads a cursor; "" is the beginning.
func markOf[M any](cursor string) (m M, err error) {
	if cursor == "" {
		return m, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return m, invalid("query.cursor", fault.Say("not a cursor of this list", "不是该列表的游标"))
	}
	return m, nil
}

// optional is a query parameter of which 0 is a value.
type optional[T any] struct {
	Value T
	Set   bool
}

// Receiver is where huma puts the value.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(&o.Value).Elem() }

// OnParamSet is told by huma whether there is one.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.Set = set }

// Schema is that of the value.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// momentOf gives a moment in a zone, minutes east of UTC.
func momentOf(at evidence.Instant, offset int16) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return at.In(time.FixedZone("", int(offset)*60))
}

// reading reads the answers of the present moment, unless the caller has gone.
func (s *Server) reading(ctx context.Context, use func(*investigation.Current)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.o.Live.Read(use)
	return nil
}
