package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Reference data changes seldom and by people, so it is written at once, each
// record by itself, through the same connection as everything else: Put and
// Remove return when it is durable. Errors are as those of Commit.

// Merchant is what is registered of a merchant for taking payments.
type Merchant struct {
	MID      string         `json:"mid"`
	Name     string         `json:"name"`
	MCC      string         `json:"mcc,omitempty"`
	Currency money.Currency `json:"currency"`
	Zone     string         `json:"zone,omitempty"`   // IANA name; "" is UTC
	Cutoff   int            `json:"cutoff,omitempty"` // minutes after midnight; 0 is midnight itself
	Barred   bool           `json:"barred,omitempty"`
	// PreauthDays is how long a preauthorization holds; 0 means 30.
	PreauthDays int `json:"preauth_days,omitempty"`
}

// Terminal is a registered terminal.
type Terminal struct {
	TID        string   `json:"tid"`
	MID        string   `json:"mid"`
	Model      string   `json:"model,omitempty"`
	Location   string   `json:"location,omitempty"` // where it was installed
	Barred     bool     `json:"barred,omitempty"`
	Operations []string `json:"operations,omitempty"` // that it may ask for; none means all
}

// Route sends payments by a link. Of the routes that fit the one with the lowest
// Priority is taken whose link is healthy.
type Route struct {
	ID       string `json:"id"`
	Priority int    `json:"priority"`
	// From and To are the first and the last card number prefix, of equal length;
	// "" fits every card.
	From       string         `json:"from,omitempty"`
	To         string         `json:"to,omitempty"`
	MinAmount  int64          `json:"min_amount,omitempty"`
	MaxAmount  int64          `json:"max_amount,omitempty"` // 0: no limit
	Currency   money.Currency `json:"currency,omitzero"`    // none: every
	Operations []string       `json:"operations,omitempty"` // none: every
	Link       string         `json:"link"`
	Network    string         `json:"network,omitempty"`
	Issuer     string         `json:"issuer,omitempty"`
	CardType   string         `json:"card_type,omitempty"`
}

// Listed is an entry of a risk list: a card's token, a merchant, a terminal.
type Listed struct {
	List    string
	Value   string
	Reason  string
	Until   time.Time // zero: no end
	Changed time.Time
}

// APIKey is a key of the API. The key itself is not kept, only its hash.
type APIKey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
	// MID is the only merchant that it may see; "" for all.
	MID string `json:"mid,omitempty"`
	// Sources are the sources, or with a star at the end their beginnings, for
	// which it may bring evidence; none for none.
	Sources []string  `json:"sources,omitempty"`
	Created time.Time `json:"-"`
	Revoked time.Time `json:"-"` // zero while in force
	Used    time.Time `json:"-"` // to the minute; zero for never
}

var (
	merchantTable = &table{name: "merchant", columns: columns("mid changed:n body"), key: 1}
	terminalTable = &table{name: "terminal", columns: columns("tid mid changed:n body"), key: 1}
	routeTable    = &table{name: "route", columns: columns("id changed:n body"), key: 1}
	listTable     = &table{name: "risk_list", columns: columns("list value reason until:n changed:n"), key: 2}
	filingTable   = &table{name: "filing", columns: columns("folder hash received:n body"), key: 2}
	keyTable      = &table{name: "api_key", columns: columns("id hash:b role created:n revoked:n used:n body"), key: 1}
)

// Parts of a key that change by themselves: noting its use must not undo that it
// was revoked meanwhile.
var (
	keyUsed    = &table{name: "api_key", columns: columns("id used:n"), key: 1, part: true}
	keyRevoked = &table{name: "api_key", columns: columns("id revoked:n"), key: 1, part: true}
)

// referenceTables follow those of steps in the order of writing.
var referenceTables = []*table{merchantTable, terminalTable, routeTable, listTable, filingTable, keyTable, keyUsed, keyRevoked}

// writeOrder is the order in which a group's rows are written.
var writeOrder = slices.Concat(tables, referenceTables, peopleTables, intakeTables, notifyRegisters, requestTables, viewTables)

func (s *Store) put(ctx context.Context, t *table, v verb, r row) error {
	return s.submit(ctx, &prepared{works: []work{{t, v, []row{r}}}})
}

func (s *Store) putJSON(ctx context.Context, t *table, v any, r ...any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Invalid, "write", t.name, err, "")
	}
	return s.put(ctx, t, upsert, append(r, string(body)))
}

func missing(what, hint string) error {
	return fault.New(fault.Invalid, "register", what, errors.New(hint), "")
}

// PutMerchant registers a merchant or replaces what is registered.
func (s *Store) PutMerchant(ctx context.Context, m Merchant) error {
	if m.MID == "" || m.Currency == (money.Currency{}) || m.Cutoff < 0 || m.Cutoff > 24*60 {
		return missing("merchant "+m.MID, "a merchant has a number, a currency and a cut-off within the day")
	}
	if _, err := time.LoadLocation(m.Zone); err != nil {
		return missing("merchant "+m.MID, "the time zone is not known")
	}
	return s.putJSON(ctx, merchantTable, m, m.MID, time.Now().UnixMicro())
}

// PutTerminal registers a terminal or replaces what is registered.
func (s *Store) PutTerminal(ctx context.Context, t Terminal) error {
	if t.TID == "" || t.MID == "" {
		return missing("terminal "+t.TID, "a terminal has a number and a merchant")
	}
	for _, o := range t.Operations {
		if _, ok := payment.ParseOperation(o); !ok {
			return missing("terminal "+t.TID, "there is no operation "+o)
		}
	}
	return s.putJSON(ctx, terminalTable, t, t.TID, t.MID, time.Now().UnixMicro())
}

// PutRoute adds a route or replaces the one of its id.
func (s *Store) PutRoute(ctx context.Context, r Route) error {
	if r.ID == "" || r.Link == "" || len(r.From) != len(r.To) || r.From > r.To || r.MaxAmount != 0 && r.MinAmount > r.MaxAmount {
		return missing("route "+r.ID, "a route has an id, a link, prefixes of one length in order, and amounts in order")
	}
	return s.putJSON(ctx, routeTable, r, r.ID, time.Now().UnixMicro())
}

// RemoveRoute removes one; removing none is no error.
func (s *Store) RemoveRoute(ctx context.Context, id string) error {
	return s.put(ctx, routeTable, remove, row{id})
}

// Merchants returns all that are registered, by number.
func (s *Store) Merchants(ctx context.Context) ([]Merchant, error) {
	return bodies[Merchant](ctx, s, "SELECT body FROM merchant ORDER BY mid")
}

// Terminals returns all that are registered, by number.
func (s *Store) Terminals(ctx context.Context) ([]Terminal, error) {
	return bodies[Terminal](ctx, s, "SELECT body FROM terminal ORDER BY tid")
}

// Routes returns all, by priority and id.
func (s *Store) Routes(ctx context.Context) ([]Route, error) {
	all, err := bodies[Route](ctx, s, "SELECT body FROM route ORDER BY id")
	slices.SortStableFunc(all, func(a, b Route) int { return a.Priority - b.Priority })
	return all, err
}

func bodies[T any](ctx context.Context, s *Store, q string, args ...any) ([]T, error) {
	all, err := collect(ctx, s.read.QueryContext, func(raw []byte) (v T, err error) { return v, json.Unmarshal(raw, &v) }, q, args...)
	return all, s.failed("read", err)
}

// Profiles returns what a gateway has to know of each registered terminal, by
// its number. Terminals of merchants that are not registered are left out.
func (s *Store) Profiles(ctx context.Context) (map[string]*payment.Profile, error) {
	var merchants []Merchant
	var terminals []Terminal
	err := s.snapshot(ctx, func(query queryFunc) (err error) {
		merchants, err = collect(ctx, query, func(raw []byte) (v Merchant, err error) { return v, json.Unmarshal(raw, &v) }, "SELECT body FROM merchant")
		if err == nil {
			terminals, err = collect(ctx, query, func(raw []byte) (v Terminal, err error) { return v, json.Unmarshal(raw, &v) }, "SELECT body FROM terminal")
		}
		return err
	})
	if err != nil {
		return nil, s.failed("read terminals from", err)
	}
	byMID := map[string]Merchant{}
	for _, m := range merchants {
		byMID[m.MID] = m
	}
	out := map[string]*payment.Profile{}
	for _, t := range terminals {
		m, ok := byMID[t.MID]
		if !ok {
			continue
		}
		zone, err := time.LoadLocation(m.Zone)
		if err != nil {
			return nil, missing("merchant "+m.MID, "the time zone is not known")
		}
		p := &payment.Profile{TID: t.TID, MID: m.MID, Name: m.Name, MCC: m.MCC, Currency: m.Currency, Zone: zone, Cutoff: m.Cutoff,
			Barred: m.Barred || t.Barred, Location: t.Location, PreauthDays: m.PreauthDays}
		for _, o := range t.Operations {
			if op, ok := payment.ParseOperation(o); ok {
				p.Operations = append(p.Operations, op)
			}
		}
		out[t.TID] = p
	}
	return out, nil
}

// PutListed puts a value on a risk list, or changes its reason and end.
func (s *Store) PutListed(ctx context.Context, l Listed) error {
	if l.List == "" || l.Value == "" {
		return missing("list entry", "an entry has a list and a value")
	}
	return s.put(ctx, listTable, upsert, row{l.List, l.Value, l.Reason, micros(l.Until), time.Now().UnixMicro()})
}

// RemoveListed takes a value off a list; one that is not on it is no error.
func (s *Store) RemoveListed(ctx context.Context, list, value string) error {
	return s.put(ctx, listTable, remove, row{list, value})
}

// Listed returns all entries of all risk lists that have not ended at a moment.
func (s *Store) Listed(ctx context.Context, at time.Time) ([]Listed, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT list, value, reason, until, changed FROM risk_list WHERE until = 0 OR until > $1 ORDER BY list, value", at.UnixMicro())
	if err != nil {
		return nil, s.failed("read lists from", err)
	}
	defer rows.Close()
	var out []Listed
	for rows.Next() {
		var l Listed
		var until, changed int64
		if err := rows.Scan(&l.List, &l.Value, &l.Reason, &until, &changed); err != nil {
			return nil, s.failed("read lists from", err)
		}
		l.Until, l.Changed = fromMicros(until), fromMicros(changed)
		out = append(out, l)
	}
	return out, s.failed("read lists from", rows.Err())
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// HashKey is the hash under which an API key is kept. Keys are random and long,
// so that a plain hash cannot be turned back.
func HashKey(secret string) [32]byte { return sha256.Sum256([]byte("daozhang api key\n" + secret)) }

// CreateKey keeps a new API key by its hash. An id or a key that is there is
// fault.Conflict.
func (s *Store) CreateKey(ctx context.Context, k APIKey, hash [32]byte) error {
	if k.ID == "" || k.Role == "" {
		return missing("API key", "a key has an id and a role")
	}
	body, err := json.Marshal(k)
	if err != nil {
		return fault.New(fault.Invalid, "register", "API key", err, "")
	}
	return s.put(ctx, keyTable, insert, row{k.ID, hash[:], k.Role, micros(k.Created), int64(0), int64(0), string(body)})
}

// RevokeKey ends a key at a moment. fault.NotFound where there is none.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	if _, _, err := s.key(ctx, "id = $1", id); err != nil {
		return err
	}
	return s.put(ctx, keyRevoked, change, row{id, micros(at)})
}

// UseKey notes that a key was used; call it at most once a minute and key.
func (s *Store) UseKey(ctx context.Context, id string, at time.Time) error {
	return s.put(ctx, keyUsed, change, row{id, micros(at.Truncate(time.Minute))})
}

// Key returns the API key of a hash, whether revoked or not. fault.NotFound where
// there is none.
func (s *Store) Key(ctx context.Context, hash [32]byte) (APIKey, error) {
	k, _, err := s.key(ctx, "hash = $1", hash[:])
	return k, err
}

func (s *Store) key(ctx context.Context, where string, arg any) (APIKey, []byte, error) {
	all, hashes, err := s.keys(ctx, " WHERE "+where, arg)
	if err != nil {
		return APIKey{}, nil, err
	}
	if len(all) == 0 {
		return APIKey{}, nil, fault.New(fault.NotFound, "read", "API key", errors.New("there is none"), "")
	}
	return all[0], hashes[0], nil
}

// Keys returns all API keys in the order of their making.
func (s *Store) Keys(ctx context.Context) ([]APIKey, error) {
	all, _, err := s.keys(ctx, "")
	return all, err
}

func (s *Store) keys(ctx context.Context, where string, args ...any) (out []APIKey, hashes [][]byte, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT hash, created, revoked, used, body FROM api_key"+where+" ORDER BY created, id", args...)
	if err != nil {
		return nil, nil, s.failed("read keys from", err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash, body []byte
		var created, revoked, used int64
		var k APIKey
		if err = rows.Scan(&hash, &created, &revoked, &used, &body); err == nil {
			err = json.Unmarshal(body, &k)
		}
		if err != nil {
			return nil, nil, s.failed("read keys from", err)
		}
		k.Created, k.Revoked, k.Used = fromMicros(created), fromMicros(revoked), fromMicros(used)
		out, hashes = append(out, k), append(hashes, hash)
	}
	return out, hashes, s.failed("read keys from", rows.Err())
}
