package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// The store keeps what package notify tells. Its rows go through the committer like
// all others, but belong to no step: the node that leads writes them for every
// merchant.

var (
	notifyEvent    = &table{name: "notify_event", columns: columns("merchant id seq:n type subject share:n at:n made:n body"), key: 2, merchant: true}
	notifyPosted   = &table{name: "notify_event", columns: columns("merchant id seq:n"), key: 2, merchant: true, part: true}
	notifyMark     = &table{name: "notify_mark", columns: columns("merchant subject version:n body"), key: 2, merchant: true}
	notifyDelivery = &table{name: "notify_delivery", columns: columns("merchant receiver event version:n seq:n state next:n made:n body"), key: 3, merchant: true}
	notifyReceiver = &table{name: "notify_receiver", columns: columns("id version:n body"), key: 1}
	notifyLog      = &table{name: "notify_log", columns: columns("name version:n body"), key: 1}
)

// notifyTables are written in this order, the log first: whoever would give the same
// places waits there.
var notifyTables = []*table{notifyMark, notifyEvent, notifyPosted, notifyDelivery}

// notifyRegisters are the reference tables of the same.
var notifyRegisters = []*table{notifyLog, notifyReceiver, callTable}

var _ notify.Keeper = (*Store)(nil)

// eventLog is the name of the one log.
const eventLog = "events"

// eventBody is what a row of notify_event holds beside its columns.
type eventBody struct {
	To   string          `json:"to,omitempty"`
	At   time.Time       `json:"at"`
	EN   string          `json:"en"`
	ZH   string          `json:"zh,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

func eventRow(e *notify.Event, made time.Time) (row, error) {
	b, err := json.Marshal(eventBody{e.To, e.Time, e.Said.EN, e.Said.ZH, e.Data})
	if err != nil {
		return nil, invalid("event "+e.ID, err.Error())
	}
	share := int64(0)
	if e.Share {
		share = 1
	}
	return row{e.MID, e.ID, e.Seq, string(e.Type), e.Subject, share, micros(e.Time), micros(made), string(b)}, nil
}

const eventColumns = "SELECT merchant, id, seq, type, subject, share, body FROM notify_event"

func scanEvent(rows *sql.Rows) (e notify.Event, err error) {
	var kind string
	var share int64
	var raw []byte
	if err = rows.Scan(&e.MID, &e.ID, &e.Seq, &kind, &e.Subject, &share, &raw); err != nil {
		return e, err
	}
	var b eventBody
	err = json.Unmarshal(raw, &b)
	e.Type, e.Share, e.To, e.Time, e.Said, e.Data = notify.Type(kind), share == 1, b.To, b.At, fault.Text{EN: b.EN, ZH: b.ZH}, b.Data
	return e, err
}

// each reads rows one by one.
func each[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows) (T, error), q string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, s.failed(what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, s.failed(what, err)
		}
		out = append(out, v)
	}
	return out, s.failed(what, rows.Err())
}

// NotifyMarks implements notify.Keeper.
func (s *Store) NotifyMarks(ctx context.Context) ([]notify.Mark, error) {
	return each(ctx, s, "read what was told from", func(rows *sql.Rows) (m notify.Mark, err error) {
		var version int64
		var raw []byte
		if err = rows.Scan(&version, &raw); err == nil {
			err = json.Unmarshal(raw, &m)
		}
		m.Version = version
		return m, err
	}, "SELECT version, body FROM notify_mark ORDER BY merchant, subject")
}

// ToldEvents implements notify.Keeper.
func (s *Store) ToldEvents(ctx context.Context, events []notify.Event) (map[string]bool, error) {
	by := map[string][]any{}
	for i := range events {
		by[events[i].MID] = append(by[events[i].MID], events[i].ID)
	}
	out := map[string]bool{}
	for mid, ids := range by {
		told, err := each(ctx, s, "read events from", func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
			"SELECT id FROM notify_event WHERE merchant = $1 AND id IN ("+places(2, len(ids))+")", append([]any{mid}, ids...)...)
		if err != nil {
			return nil, err
		}
		for _, id := range told {
			out[id] = true
		}
	}
	return out, nil
}

// places are n parameters from one on: $2, $3, $4.
func places(from, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = "$" + strconv.Itoa(from+i)
	}
	return strings.Join(list, ", ")
}

// PublishEvents implements notify.Keeper.
func (s *Store) PublishEvents(ctx context.Context, step *notify.Step) error {
	p := &prepared{subject: "events of " + step.MID, decided: true}
	made := time.Now()
	for i := range step.Marks {
		m := &step.Marks[i]
		b, err := json.Marshal(m)
		if err != nil {
			return invalid(m.Subject, err.Error())
		}
		p.putVersion(notifyMark, uint32(m.Version), row{m.MID, m.Subject, m.Version, string(b)})
	}
	for i := range step.Closed {
		p.put(notifyMark, remove, row{step.Closed[i].MID, step.Closed[i].Subject})
	}
	for i := range step.Events {
		e := &step.Events[i]
		if e.ID == "" || e.Type == "" {
			return invalid("event", "an event has an id and a type")
		}
		r, err := eventRow(e, made)
		if err != nil {
			return err
		}
		p.put(notifyEvent, ignore, r)
	}
	return s.submit(ctx, p)
}

// UnpostedEvents implements notify.Keeper.
func (s *Store) UnpostedEvents(ctx context.Context, n int) ([]notify.Event, error) {
	return each(ctx, s, "read events from", scanEvent, eventColumns+" WHERE seq = 0 ORDER BY made, id LIMIT "+strconv.Itoa(n))
}

// LastPosted implements notify.Keeper.
func (s *Store) LastPosted(ctx context.Context) (int64, error) {
	var last int64
	err := s.read.QueryRowContext(ctx, "SELECT version FROM notify_log WHERE name = $1", eventLog).Scan(&last)
	return last, s.failed("read the log of events from", err)
}

// PostEvents implements notify.Keeper.
func (s *Store) PostEvents(ctx context.Context, last int64, events []notify.Event, deliveries []notify.Delivery) error {
	if len(events) == 0 {
		return nil
	}
	p := &prepared{subject: "log of events", decided: true}
	p.put(notifyLog, replace, row{eventLog, last + int64(len(events)), events[0].ID, last})
	for i := range events {
		p.put(notifyPosted, change, row{events[i].MID, events[i].ID, events[i].Seq})
	}
	for i := range deliveries {
		r, err := deliveryRow(&deliveries[i])
		if err != nil {
			return err
		}
		p.put(notifyDelivery, ignore, r)
	}
	return s.submit(ctx, p)
}

// Events implements notify.Keeper.
func (s *Store) Events(ctx context.Context, q notify.EventQuery) ([]notify.Event, error) {
	c := condition{}
	switch {
	case q.Only != "":
		c.and("merchant = ", q.Only)
	case q.MID != "":
		c.and("merchant = ", q.MID)
		c.and("share = ", int64(0))
	default:
		c.and("share = ", int64(0))
	}
	c.and("seq > ", max(q.After, 0))
	if q.Before > 0 {
		c.and("seq < ", q.Before)
	}
	if q.Subject != "" {
		c.and("subject = ", q.Subject)
	}
	if !q.From.IsZero() {
		c.and("at >= ", micros(q.From))
	}
	if !q.To.IsZero() {
		c.and("at < ", micros(q.To))
	}
	where := c.where()
	if len(q.Types) > 0 {
		where += " AND type IN (" + places(len(c.args)+1, len(q.Types)) + ")"
		for _, t := range q.Types {
			c.args = append(c.args, string(t))
		}
	}
	order := " ORDER BY seq"
	if q.Newest {
		order += " DESC"
	}
	return each(ctx, s, "read events from", scanEvent, eventColumns+where+order+" LIMIT "+strconv.Itoa(max(q.Most, 1)), c.args...)
}

// EventOf implements notify.Keeper.
func (s *Store) EventOf(ctx context.Context, id string) (notify.Event, error) {
	all, err := each(ctx, s, "read event from", scanEvent, eventColumns+" WHERE id = $1 LIMIT 1", id)
	if err == nil && len(all) == 0 {
		return notify.Event{}, fault.New(fault.NotFound, fault.Say("find event", "查找事件"), "", fault.Say("there is none of this id", "没有此编号的事件"), fault.Text{})
	}
	if err != nil {
		return notify.Event{}, err
	}
	return all[0], nil
}

// ForgetEvents implements notify.Keeper.
func (s *Store) ForgetEvents(ctx context.Context, before time.Time, n int) (int, error) {
	p := &prepared{subject: "old events"}
	limit := " ORDER BY made LIMIT " + strconv.Itoa(n)
	keys := func(width int) func(*sql.Rows) (row, error) {
		return func(rows *sql.Rows) (row, error) {
			parts, into := make([]string, width), make([]any, width)
			for i := range parts {
				into[i] = &parts[i]
			}
			err := rows.Scan(into...)
			r := make(row, width)
			for i := range parts {
				r[i] = parts[i]
			}
			return r, err
		}
	}
	deliveries, err := each(ctx, s, "read deliveries from", keys(3), "SELECT merchant, receiver, event FROM notify_delivery WHERE made < $1"+limit, micros(before))
	if err != nil {
		return 0, err
	}
	events, err := each(ctx, s, "read events from", keys(2), "SELECT merchant, id FROM notify_event WHERE made < $1"+limit, micros(before))
	if err != nil {
		return 0, err
	}
	for _, r := range deliveries {
		p.put(notifyDelivery, remove, r)
	}
	for _, r := range events {
		p.put(notifyEvent, remove, r)
	}
	if len(p.works) == 0 {
		return 0, nil
	}
	return len(deliveries) + len(events), s.submit(ctx, p)
}

// Receivers implements notify.Keeper.
func (s *Store) Receivers(ctx context.Context) ([]notify.Receiver, error) {
	all, err := each(ctx, s, "read receivers from", func(rows *sql.Rows) (r notify.Receiver, err error) {
		var raw []byte
		if err = rows.Scan(&r.Version, &raw); err == nil {
			err = json.Unmarshal(raw, &r)
		}
		return r, err
	}, "SELECT version, body FROM notify_receiver ORDER BY id")
	slices.SortStableFunc(all, func(a, b notify.Receiver) int { return a.Created.Compare(b.Created) })
	return all, err
}

// CommitReceiver implements notify.Keeper.
func (s *Store) CommitReceiver(ctx context.Context, r *notify.Receiver) error {
	b, err := json.Marshal(r)
	if err != nil || r.ID == "" || r.Version < 1 {
		return invalid("receiver "+r.ID, errors.Join(errors.New("a receiver has an id and a version"), err).Error())
	}
	p := &prepared{subject: "receiver " + r.ID, decided: true}
	p.putVersion(notifyReceiver, uint32(r.Version), row{r.ID, r.Version, string(b)})
	return s.submit(ctx, p)
}

// RemoveReceiver implements notify.Keeper.
func (s *Store) RemoveReceiver(ctx context.Context, id string) error {
	if err := s.put(ctx, notifyReceiver, remove, row{id}); err != nil {
		return err
	}
	for {
		list, err := s.Deliveries(ctx, notify.DeliveryQuery{Receiver: id, Most: 500})
		if err != nil || len(list) == 0 {
			return err
		}
		p := &prepared{subject: "receiver " + id}
		for i := range list {
			p.put(notifyDelivery, remove, row{list[i].MID, id, list[i].Event})
		}
		if err := s.submit(ctx, p); err != nil {
			return err
		}
	}
}

func deliveryRow(d *notify.Delivery) (row, error) {
	b, err := json.Marshal(d)
	if err != nil || d.Receiver == "" || d.Event == "" || d.Version < 1 {
		return nil, invalid("delivery of "+d.Event, errors.Join(errors.New("a delivery has a receiver, an event and a version"), err).Error())
	}
	return row{d.MID, d.Receiver, d.Event, d.Version, d.Seq, string(d.State), micros(d.Next), micros(d.Created), string(b)}, nil
}

const deliveryColumns = "SELECT version, state, next, body FROM notify_delivery"

func scanDelivery(rows *sql.Rows) (d notify.Delivery, err error) {
	var state string
	var next, version int64
	var raw []byte
	if err = rows.Scan(&version, &state, &next, &raw); err == nil {
		err = json.Unmarshal(raw, &d)
	}
	d.Version, d.State, d.Next = version, notify.State(state), fromMicros(next)
	return d, err
}

// DueReceivers implements notify.Keeper.
func (s *Store) DueReceivers(ctx context.Context, at time.Time) ([]string, error) {
	return each(ctx, s, "read deliveries from", func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
		"SELECT DISTINCT receiver FROM notify_delivery WHERE state = 'due' AND next <= $1", micros(at))
}

// Backlog implements notify.Keeper.
func (s *Store) Backlog(ctx context.Context, receiver string, n int) ([]notify.Delivery, error) {
	return each(ctx, s, "read deliveries from", scanDelivery, deliveryColumns+" WHERE state = 'due' AND receiver = $1 ORDER BY seq LIMIT "+strconv.Itoa(n), receiver)
}

// Deliveries implements notify.Keeper.
func (s *Store) Deliveries(ctx context.Context, q notify.DeliveryQuery) ([]notify.Delivery, error) {
	c := condition{}
	c.and("receiver = ", q.Receiver)
	if q.Event != "" {
		c.and("event = ", q.Event)
	}
	if q.State != "" {
		c.and("state = ", string(q.State))
	}
	if q.Before > 0 {
		c.and("seq < ", q.Before)
	}
	return each(ctx, s, "read deliveries from", scanDelivery, deliveryColumns+c.where()+" ORDER BY seq DESC LIMIT "+strconv.Itoa(max(q.Most, 1)), c.args...)
}

// CommitDeliveries implements notify.Keeper.
func (s *Store) CommitDeliveries(ctx context.Context, list []notify.Delivery) error {
	p := &prepared{subject: "deliveries", decided: true}
	for i := range list {
		r, err := deliveryRow(&list[i])
		if err != nil {
			return err
		}
		p.putVersion(notifyDelivery, uint32(list[i].Version), r)
	}
	return s.submit(ctx, p)
}
