package desk

import (
	"cmp"
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// Board is everything that needs somebody, of one merchant or of all, at one moment
// and for one person: List and Matrix of a page agree, and it is gathered once.
type Board struct {
	d   *Desk
	who Actor
	w   *work
}

// Board gathers what needs somebody, of a merchant or, with "", of all. A person of
// role merchant sees its own alone.
func (d *Desk) Board(ctx context.Context, who Actor, mid string) (*Board, error) {
	if who.Role == access.Merchant {
		mid = who.MID
	}
	w, err := d.gather(ctx, mid)
	if err != nil {
		return nil, err
	}
	return &Board{d, who, w}, nil
}

// Release gives back the room that the work takes, for the next one who asks: the
// Board is of no use after it. What it gave stays good. Without it the room is left to
// the garbage collector.
func (b *Board) Release() {
	b.d.known.release(b.w)
	b.w = nil
}

// List is Board and its List.
func (d *Desk) List(ctx context.Context, who Actor, f Filter, after string, n int) (*Page, error) {
	b, err := d.Board(ctx, who, f.MID)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	return b.List(ctx, f, after, n)
}

// Matrix is Board and its Matrix.
func (d *Desk) Matrix(ctx context.Context, who Actor, f Filter) (*Matrix, error) {
	b, err := d.Board(ctx, who, f.MID)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	return b.Matrix(f), nil
}

// List gives up to n items of a list, the longest due first, after the cursor of
// another page; "" begins. It looks at everything that needs somebody, so what it
// counts is right whatever the page. The error is of kind fault.Invalid for a cursor
// that is none.
func (b *Board) List(ctx context.Context, f Filter, after string, n int) (*Page, error) {
	mark, err := parseCursor(after)
	if err != nil {
		return nil, err
	}
	d, w, who := b.d, b.w, b.who
	f.own(who)
	p := &Page{Sums: map[money.Currency]int64{}, Inboxes: map[Inbox]int{}}
	var kept []*Item
	for i := range w.items {
		x := &w.items[i]
		if !f.passes(x) {
			continue
		}
		for _, in := range Inboxes {
			if in != Done && x.lies(in, who.Name) {
				p.Inboxes[in]++
			}
		}
		if f.Inbox == Done || !x.lies(cmp.Or(f.Inbox, Team), who.Name) {
			continue
		}
		p.Count++
		if x.Amount != 0 {
			p.Sums[x.Currency] += x.Amount
		}
		if mark.before(x) {
			kept = keep(kept, x, n+1)
		}
	}
	if f.Inbox == Done {
		return p, d.settled(ctx, &f, w, after, n, p)
	}
	if len(kept) > n {
		kept = kept[:n]
		p.Next = cursorOf(kept[n-1])
	}
	for _, x := range kept {
		p.Items = append(p.Items, *x)
	}
	return p, nil
}

// Matrix gives age × cause of what passes a filter.
func (b *Board) Matrix(f Filter) *Matrix {
	w, who := b.w, b.who
	f.own(who)
	m, rows := &Matrix{}, map[string]*MatrixRow{}
	for i := range w.items {
		x := &w.items[i]
		if !f.passes(x) || !x.lies(cmp.Or(f.Inbox, Team), who.Name) {
			continue
		}
		r := rows[x.Cause]
		if r == nil {
			r = &MatrixRow{Cause: x.Cause}
			rows[x.Cause] = r
		}
		band := BandOf(x.Age)
		for _, c := range []*Cell{&r.Cells[band], &r.All, &m.Total.Cells[band], &m.Total.All} {
			c.add(x)
		}
	}
	for _, cause := range slices.Sorted(maps.Keys(rows)) {
		m.Rows = append(m.Rows, *rows[cause])
	}
	slices.SortStableFunc(m.Rows, func(a, b MatrixRow) int {
		for band := Bands; band > 0; band-- {
			if c := cmp.Compare(b.Cells[band-1].Count, a.Cells[band-1].Count); c != 0 {
				return c
			}
		}
		return 0
	})
	return m
}

// Item gives one item, with its case, also where it needs nobody any more.
// fault.NotFound where there is nothing of that key, or it is another merchant's
// and the person may see only one's own.
func (d *Desk) Item(ctx context.Context, who Actor, k Key) (*Item, error) {
	if who.Role == access.Merchant && k.MID != who.MID {
		return nil, noItem(k)
	}
	x, err := d.look(ctx, k)
	if err != nil {
		return nil, err
	}
	return x, nil
}

func noItem(k Key) error {
	return k.wrong(fault.NotFound, fault.Say("find item", "查找事项"), fault.Say("there is none", "没有此事项"), fault.Say("take it from the list of exceptions", "请从异常清单中选择"))
}

// own narrows a filter to what a person may see.
func (f *Filter) own(who Actor) {
	if who.Role == access.Merchant {
		f.MID = who.MID
	}
}

func (f *Filter) passes(x *Item) bool {
	switch {
	case f.MID != "" && x.Key.MID != f.MID,
		f.Owner != "" && x.Owner() != f.Owner,
		f.Party != "" && !strings.HasPrefix(x.Party, f.Party),
		f.Incident != "" && x.Incident != f.Incident,
		f.Currency != (money.Currency{}) && x.Currency != f.Currency,
		f.Escalated && (x.Case == nil || x.Case.Escalated.IsZero()),
		x.Amount < f.Least,
		f.Most != 0 && x.Amount > f.Most,
		len(f.Causes) > 0 && !slices.Contains(f.Causes, x.Cause),
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, x.Key.Kind),
		len(f.Ages) > 0 && !slices.Contains(f.Ages, BandOf(x.Age)),
		len(f.Keys) > 0 && !slices.Contains(f.Keys, x.Key):
		return false
	}
	return true
}

// lies reports whether an item lies in an inbox of a person.
func (i *Item) lies(in Inbox, name string) bool {
	switch in {
	case Mine:
		return i.Inbox == Owned && i.Owner() == name
	case Team:
		return i.Inbox != Snoozed && i.Inbox != Done
	}
	return i.Inbox == in
}

// place puts an item where its case says.
func (i *Item) place(now time.Time) {
	c := i.Case
	i.Due = i.Promised
	if c == nil {
		i.Inbox = Unassigned
		return
	}
	if !c.Due.IsZero() {
		i.Due = c.Due
	}
	switch c.StateAt(now) {
	case Resolved:
		if c.Cause == i.Cause && i.Amount <= c.Amount {
			i.Inbox = Done
			return
		}
		i.Again = true
	case Asleep:
		i.Inbox = Snoozed
		return
	case Awaiting:
		i.Inbox = Waiting
		return
	}
	i.Inbox = Unassigned
	if c.Owner != "" {
		i.Inbox = Owned
	}
}

// work is everything that needs somebody, at one moment.
type work struct {
	items []Item
	// touched are the places of what has an exception or a case, by key; -1 where it
	// is not there.
	touched map[Key]int
	at      map[Key]int // of all, once somebody asks
	// gone are cases that nobody resolved and whose matter is over by itself.
	gone []Case
	// texts are those of words that many items share: merchants and terminals.
	texts map[evidence.Word]string
}

func (w *work) text(words *evidence.Words, word evidence.Word) string {
	t, ok := w.texts[word]
	if !ok {
		t = words.Text(word)
		w.texts[word] = t
	}
	return t
}

// item gives the item of something touched, made where it is not there.
func (w *work) item(k Key) *Item {
	i, ok := w.touched[k]
	if !ok || i < 0 {
		i = len(w.items)
		w.touched[k] = i
		w.items = append(w.items, Item{Key: k})
	}
	return &w.items[i]
}

// find gives the place of an item.
func (w *work) find(k Key) (int, bool) {
	if w.at == nil {
		w.at = make(map[Key]int, len(w.items))
		for i := range w.items {
			w.at[w.items[i].Key] = i
		}
	}
	i, ok := w.at[k]
	return i, ok
}

// gather finds all that needs somebody, of one merchant or of all.
func (d *Desk) gather(ctx context.Context, mid string) (*work, error) {
	open, err := d.Keeper.ExceptionsOpen(ctx, mid)
	if err != nil {
		return nil, err
	}
	cases, err := d.Keeper.OpenCases(ctx, mid)
	if err != nil {
		return nil, err
	}
	asked, err := d.transactions(ctx, open)
	if err != nil {
		return nil, err
	}
	w := &work{touched: map[Key]int{}, texts: map[evidence.Word]string{}}
	if mid == "" {
		w.items = d.known.room()
	}
	for i := range cases {
		w.touched[cases[i].Key] = -1
	}
	now := d.Now()
	keys := make([]Key, len(open))
	about := func() {
		for i := range open {
			keys[i] = keyOfException(&open[i])
			if ref := d.known.payment(open[i].Payment); ref != "" {
				keys[i] = Key{open[i].MID, OnPayment, ref}
			}
			if _, ok := w.touched[keys[i]]; !ok {
				w.touched[keys[i]] = -1
			}
		}
	}
	if d.Live != nil && mid != settlement.House {
		d.Live.Read(func(c *investigation.Current) {
			d.known.learn(c, asked)
			about()
			words := c.Around().View.Words
			c.EachNeeded(mid, func(n *investigation.Needed) { w.payment(n, words, now) })
		})
	} else {
		about()
	}
	for i := range open {
		d.exception(w.item(keys[i]), &open[i], now)
	}
	for i := range cases {
		if at := w.touched[cases[i].Key]; at >= 0 {
			w.items[at].Case = &cases[i]
		} else if cases[i].State != Resolved {
			w.gone = append(w.gone, cases[i])
		}
	}
	for i := range w.items {
		w.items[i].place(now)
	}
	if mid == "" {
		d.known.most.Store(int64(len(w.items)))
	}
	return w, nil
}

// payment takes a payment of the investigation.
func (w *work) payment(n *investigation.Needed, words *evidence.Words, now time.Time) {
	k := Key{w.text(words, n.MID), OnPayment, words.Text(n.ID)}
	if len(w.touched) > 0 {
		if _, ok := w.touched[k]; ok {
			w.touched[k] = len(w.items)
		}
	}
	w.items = append(w.items, Item{Key: k, TID: w.text(words, n.TID)})
	w.items[len(w.items)-1].fill(n, now)
}

// causesByStatus name payments for which the investigation has no cause.
var causesByStatus = func() map[journey.Status]string {
	names := map[journey.Status]string{}
	for _, s := range journey.Statuses() {
		names[s] = "status." + s.String()
	}
	return names
}()

func (i *Item) fill(n *investigation.Needed, now time.Time) {
	i.Cause = causesByStatus[n.Status]
	if n.Cause != nil {
		i.Cause = n.Cause.Code
	}
	i.Amount, i.Currency = cmp.Or(n.Missing, n.Amount), n.Currency
	i.Since, i.Party, i.Incident = n.Time.In(n.Terms.Zone), n.Party.String(), n.Incident
	if n.Due != 0 {
		i.Promised = n.Due.In(n.Terms.Zone)
		i.Age = Age(i.Promised, now, n.Terms.Calendar, n.Terms.Zone)
	}
}

// exception takes an exception. Where the investigation has a cause for the payment
// that it is about, that stands.
func (d *Desk) exception(i *Item, x *payment.Exception, now time.Time) {
	i.Exceptions = append(i.Exceptions, *x)
	i.Payout = cmp.Or(i.Payout, payoutNamed(x))
	if i.Cause != "" {
		return
	}
	i.Cause, i.Party = x.Kind, x.Owner
	i.Amount, i.Currency = x.Amount, x.Currency
	i.Since = x.Opened.In(d.zone())
	days, ok := d.Policy.Within[x.Kind]
	if !ok {
		days = d.Policy.Usual
	}
	i.Promised = promiseOf(x.Opened, days, d.calendar(), d.zone())
	i.Age = Age(i.Promised, now, d.calendar(), d.zone())
}

func (d *Desk) zone() *time.Location {
	if d.Zone == nil {
		return time.UTC
	}
	return d.Zone
}

func (d *Desk) calendar() *calendar.Calendar {
	if d.Calendar != nil {
		return d.Calendar
	}
	c, _ := calendar.Builtin("WEEKEND")
	return c
}

// known remembers which payment of the investigation a transaction of ours is: that
// does not change once it is known.
type known struct {
	mu  sync.Mutex
	ids map[uuid.UUID]string
	// most is how many items there were the last time, for the room of the next.
	most  atomic.Int64
	rooms sync.Pool // of *[]Item
}

// room is room for as many items as there were: what a Board gave back, where there
// is some. Tens of thousands of items are many megabytes at every look.
func (k *known) room() []Item {
	if r, ok := k.rooms.Get().(*[]Item); ok {
		return (*r)[:0]
	}
	n := int(k.most.Load())
	return make([]Item, 0, n+n/8)
}

// release keeps the room of work that nobody looks at any more.
func (k *known) release(w *work) {
	const worth = 1000
	if room := w.items; cap(room) >= worth {
		clear(room) // it holds on to nothing
		k.rooms.Put(&room)
	}
}

func (k *known) payment(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ids[id]
}

// mostKnown bounds what is remembered.
const mostKnown = 100_000

func (k *known) learn(c *investigation.Current, asked []payment.Transaction) {
	words := c.Around().View.Words
	for i := range asked {
		t := &asked[i]
		for _, p := range c.Find(t.RRN) {
			if words.Text(p.Keys.MID) != t.MID || words.Text(p.Keys.TID) != t.TID || words.Text(p.Keys.STAN) != t.STAN {
				continue
			}
			k.mu.Lock()
			if k.ids == nil || len(k.ids) >= mostKnown {
				k.ids = map[uuid.UUID]string{}
			}
			k.ids[t.ID] = words.Text(p.ID)
			k.mu.Unlock()
		}
	}
}

// transactions reads those that exceptions are about and whose payment is not known
// yet.
func (d *Desk) transactions(ctx context.Context, open []payment.Exception) (list []payment.Transaction, err error) {
	if d.Live == nil {
		return nil, nil
	}
	for i := range open {
		id := open[i].Payment
		if id == uuid.Nil || d.known.payment(id) != "" {
			continue
		}
		t, err := d.Keeper.Transaction(ctx, id)
		if fault.KindOf(err) == fault.NotFound && err != nil || err == nil && t.RRN == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// look gives one item by its key.
func (d *Desk) look(ctx context.Context, k Key) (*Item, error) {
	w, err := d.gather(ctx, k.MID)
	if err != nil {
		return nil, err
	}
	if at, ok := w.find(k); ok {
		return &w.items[at], nil
	}
	// It needs nobody, or never was.
	c, err := d.Keeper.Case(ctx, k)
	if err == nil {
		x := itemOf(&c)
		return &x, nil
	}
	if fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	return d.quiet(ctx, k)
}

// quiet gives the item of something that nobody has touched and that needs nobody:
// a case may be opened about it all the same.
func (d *Desk) quiet(ctx context.Context, k Key) (*Item, error) {
	x := &Item{Key: k, Inbox: Done}
	found := false
	switch k.Kind {
	case OnPayment:
		if d.Live == nil {
			return nil, noItem(k)
		}
		d.Live.Read(func(c *investigation.Current) {
			words := c.Around().View.Words
			p, ok := c.Payment(k.Ref)
			if found = ok && words.Text(p.Keys.MID) == k.MID; !found {
				return
			}
			x.Since, x.Currency, x.TID = p.Time.In(p.Terms.Zone), p.Currency, words.Text(p.Keys.TID)
			x.Cause = "status." + p.Status.String()
		})
	case OnPayout:
		p, err := d.Keeper.Payout(ctx, k.MID, k.Ref)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		found = err == nil
		x.Since, x.Currency, x.Payout, x.Cause = p.Made, p.Currency, p.ID, "payout_"+p.State.String()
	case OnException:
		id, err := uuid.Parse(k.Ref)
		if err != nil {
			return nil, noItem(k)
		}
		e, err := d.Keeper.ExceptionByID(ctx, k.MID, id)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		found = err == nil
		x.Since, x.Currency, x.Cause, x.Party = e.Opened, e.Currency, e.Kind, e.Owner
	}
	if !found {
		return nil, noItem(k)
	}
	return x, nil
}

// itemOf is the item of a case whose matter needs nobody any more.
func itemOf(c *Case) Item {
	return Item{Key: c.Key, Cause: c.Cause, Amount: c.Amount, Currency: c.Currency, Since: c.Opened, Due: c.Due, Inbox: Done, Case: c, Payout: payoutOf(c.Key)}
}

func payoutOf(k Key) string {
	if k.Kind == OnPayout {
		return k.Ref
	}
	return ""
}

// SettledMark is a place in the list of what is done, the latest first; the zero
// value is its beginning.
type SettledMark struct {
	Changed time.Time
	ID      string // of what stands there
}

// settled fills a page of what is done: first, once, what is over by itself, then
// what people resolved.
func (d *Desk) settled(ctx context.Context, f *Filter, w *work, after string, n int, p *Page) error {
	if after == "" {
		for i := range w.gone {
			if x := itemOf(&w.gone[i]); f.passes(&x) {
				p.Items = append(p.Items, x)
			}
		}
	}
	mark, err := parseSettled(after)
	if err != nil {
		return err
	}
	for {
		list, err := d.Keeper.SettledCases(ctx, f.MID, mark, n+1)
		if err != nil {
			return err
		}
		for i := range list {
			c := &list[i]
			if len(p.Items) >= n {
				p.Next = mark.cursor()
				return nil
			}
			mark = SettledMark{c.Changed, c.Key.String()}
			// What has come up again is no longer done.
			if at, live := w.find(c.Key); live && w.items[at].Inbox != Done {
				continue
			}
			if x := itemOf(c); f.passes(&x) {
				p.Items = append(p.Items, x)
			}
		}
		if len(list) <= n {
			return nil
		}
	}
}

// keep keeps an item if it is among the first most; kept is in order.
func keep(kept []*Item, x *Item, most int) []*Item {
	if len(kept) == most {
		if compareItems(x, kept[most-1]) >= 0 {
			return kept
		}
		kept = kept[:most-1]
	}
	at, _ := slices.BinarySearchFunc(kept, x, compareItems)
	return slices.Insert(kept, at, x)
}

func compareItems(a, b *Item) int {
	return cmp.Or(cmp.Compare(dueOrder(a), dueOrder(b)), compareKeys(a.Key, b.Key))
}

func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.MID, b.MID), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Ref, b.Ref))
}

func dueOrder(i *Item) int64 {
	if i.Due.IsZero() {
		return 1<<63 - 1
	}
	return i.Due.UnixMicro()
}

// cursor is a place in a list by due time.
type cursor struct {
	due int64
	key Key
	set bool
}

func (c cursor) before(x *Item) bool {
	return !c.set || cmp.Or(cmp.Compare(c.due, dueOrder(x)), compareKeys(c.key, x.Key)) < 0
}

func cursorOf(x *Item) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(dueOrder(x), 36) + " " + x.Key.String()))
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	due, id, err := splitCursor(s)
	if err != nil {
		return c, err
	}
	c.due, c.set = due, true
	if c.key, err = ParseKey(id); err != nil {
		// The cursor of the list of what is done is another one.
		return c, badCursor()
	}
	return c, nil
}

func (m SettledMark) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.Changed.UnixMicro(), 36) + " " + m.ID))
}

func parseSettled(s string) (m SettledMark, err error) {
	if s == "" {
		return m, nil
	}
	at, id, err := splitCursor(s)
	return SettledMark{time.UnixMicro(at).UTC(), id}, err
}

func splitCursor(s string) (n int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	head, id, ok := strings.Cut(string(b), " ")
	if err == nil && ok {
		n, err = strconv.ParseInt(head, 36, 64)
	}
	if err != nil || !ok {
		return 0, "", badCursor()
	}
	return n, id, nil
}

func badCursor() error {
	return fault.New(fault.Invalid, fault.Say("list", "列出"), "", fault.Say("the cursor is none of this list", "游标无效"), fault.Say("begin with the first page", "请从第一页开始"))
}
