package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/payment"
)

// shelf is the store that several exchanges share: rows by their versions, and the
// numbers that were reserved.
type shelf struct {
	rows    map[payment.ID]payment.Transaction
	owed    map[owedKey]payment.Outgoing
	batches map[string]payment.Batch
	next    int64
}

func (s *shelf) write(step *payment.Step) error {
	for _, t := range step.Transactions {
		if have := s.rows[t.ID]; have.Version != t.Version-1 {
			return fault.New(fault.Conflict, "write step", t.ID.String(), fmt.Errorf("%w: version %d is there", payment.ErrRefused, have.Version), "")
		}
		for _, have := range s.rows {
			if have.Key == t.Key && have.ID != t.ID {
				return fault.New(fault.Conflict, "write step", t.ID.String(), fmt.Errorf("%w: the key is there", payment.ErrRefused), "")
			}
		}
	}
	for _, t := range step.Transactions {
		s.rows[t.ID] = t
	}
	for _, o := range step.Outgoing {
		s.owed[owedKey{o.Payment, o.Kind}] = o
	}
	for _, b := range step.Batches {
		s.batches[b.TID+b.Number] = b
	}
	return nil
}

func (s *shelf) load() *payment.Step {
	out := &payment.Step{}
	for _, t := range s.rows {
		out.Transactions = append(out.Transactions, t)
	}
	for _, o := range s.owed {
		out.Outgoing = append(out.Outgoing, o)
	}
	for _, b := range s.batches {
		out.Batches = append(out.Batches, b)
	}
	return out
}

// office is one exchange at the shelf.
type office struct {
	t      *testing.T
	shelf  *shelf
	x      *gateway.Exchange
	now    time.Time
	ids    byte
	sent   []*payment.Message
	told   []*payment.Answer
	passed []gateway.Conn
	closed []gateway.Conn
	conn   gateway.Conn
}

const officeMID = "898310058120001"

var officePart = payment.PartsOf(payment.PartOf(officeMID))

func newOffice(t *testing.T, s *shelf, slot int) *office {
	t.Helper()
	o := &office{t: t, shelf: s, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), conn: gateway.Conn(1000 * slot)}
	dir := payment.Profiles{}
	for i := range 3 {
		tid := fmt.Sprintf("T%07d", i)
		dir[tid] = &payment.Profile{TID: tid, MID: officeMID, Currency: cny}
	}
	policy := payment.DefaultPolicy(fmt.Sprintf("node-%d", slot))
	x, err := gateway.New(gateway.Config{Division: &gateway.Division{Slot: slot, Slots: 8}, Links: []gateway.LinkConfig{{Name: "UnionPay-1", Network: "UnionPay"}},
		Routes: []gateway.Route{{Links: []string{"UnionPay-1"}}},
		NewID: func(time.Time) payment.ID {
			o.ids++
			return payment.ID{0: byte(slot + 1), 1: o.ids, 6: 0x70, 8: 0x80}
		}}, payment.NewBook(policy, dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	o.x = x
	x.Start(o.now)
	x.LinkUp(o.now, "UnionPay-1")
	o.pump()
	return o
}

func (o *office) pump() {
	for {
		actions := o.x.Take(nil)
		if len(actions) == 0 {
			return
		}
		for _, a := range actions {
			switch a.Kind {
			case gateway.Commit:
				o.x.Committed(o.now, a.Token, o.shelf.write(a.Step))
			case gateway.Send:
				o.sent = append(o.sent, a.Message)
			case gateway.Reply:
				o.told = append(o.told, a.Answer)
			case gateway.Pass:
				o.passed = append(o.passed, a.Conn)
			case gateway.Close:
				o.closed = append(o.closed, a.Conn)
			case gateway.Reserve:
				from := max(o.shelf.next, a.From)
				o.shelf.next = from + a.Count
				o.x.Reserved(o.now, from, a.Count)
			case gateway.Reread:
				o.x.Rereads(o.now, a.Token, o.shelf.load())
			case gateway.Halt:
				o.t.Fatal(a.Err)
			}
		}
	}
}

func (o *office) ask(r payment.Request) gateway.Conn {
	r.MID, r.Currency, r.CardToken, r.Prefix = officeMID, cny, "tok_1", "62220212"
	r.Original.Date = 0
	o.conn++
	o.x.Request(o.now, o.conn, &r)
	o.pump()
	return o.conn
}

func sale(tid int, stan string) payment.Request {
	return payment.Request{Operation: payment.Sale, Amount: 8800, Key: payment.Key{TID: fmt.Sprintf("T%07d", tid), Batch: "000001", STAN: stan}}
}

// approve answers the last message to the network.
func (o *office) approve() {
	m := o.sent[len(o.sent)-1]
	o.x.Response(o.now, "UnionPay-1", &payment.Response{Kind: m.Kind, Payment: m.Payment, STAN: m.STAN, Code: evidence.Code{'0', '0'}, AuthCode: "123456"})
	o.pump()
}

func (o *office) last() *payment.Answer { return o.told[len(o.told)-1] }

func newShelf() *shelf {
	return &shelf{rows: map[payment.ID]payment.Transaction{}, owed: map[owedKey]payment.Outgoing{}, batches: map[string]payment.Batch{}}
}

// TestDivisionPasses: a request about a merchant of another is passed on and
// changes nothing.
func TestDivisionPasses(t *testing.T) {
	o := newOffice(t, newShelf(), 0)
	conn := o.ask(sale(0, "000001"))
	if len(o.passed) != 1 || o.passed[0] != conn || len(o.sent) != 0 || len(o.told) != 0 || len(o.shelf.rows) != 0 {
		t.Errorf("passed %v, sent %v, told %v", o.passed, o.sent, o.told)
	}
}

// TestDivisionTakenOver: what a node had sent when it died is unknown to the next,
// which reverses it; the request that repeats gets that answer and has no second
// effect; what the former still learns is not written.
func TestDivisionTakenOver(t *testing.T) {
	s := newShelf()
	a, b := newOffice(t, s, 0), newOffice(t, s, 1)
	a.x.Adopt(a.now, officePart, s.load())
	a.ask(sale(0, "000001"))
	a.approve()
	conn := a.ask(sale(1, "000001")) // no answer yet
	if len(a.sent) != 2 || len(a.told) != 1 || !a.told[0].Approved() {
		t.Fatalf("sent %v, told %v", a.sent, a.told)
	}
	b.x.Adopt(b.now, officePart, s.load())
	b.pump()
	if len(b.sent) != 1 || b.sent[0].Kind != payment.Undo || b.sent[0].Payment != a.sent[1].Payment {
		t.Fatalf("the next sent %+v", b.sent)
	}
	b.ask(sale(1, "000001"))
	if got := b.last(); got.Code != (evidence.Code{'9', '8'}) || len(b.sent) != 1 {
		t.Errorf("a request that repeats: %+v, sent %d", got, len(b.sent))
	}
	b.ask(sale(0, "000001"))
	if got := b.last(); !got.Approved() || got.RRN != a.told[0].RRN || len(b.sent) != 1 {
		t.Errorf("a request that was approved before: %+v", got)
	}
	// The former is alive after all, and finds out.
	a.x.Abandon(a.now, officePart)
	a.pump()
	if len(a.closed) != 1 || a.closed[0] != conn {
		t.Errorf("who waited is told nothing, and closed are %v", a.closed)
	}
	before := len(s.rows)
	a.approve()
	if row := s.rows[a.sent[1].Payment]; row.State != payment.Unknown || len(s.rows) != before || a.x.Book.Len() != 0 {
		t.Errorf("the former wrote %+v", row)
	}
}

// TestDivisionLeave: a part is quiet once what is under way has ended; meanwhile
// nothing new is begun, and Stay takes it back.
func TestDivisionLeave(t *testing.T) {
	o := newOffice(t, newShelf(), 0)
	o.x.Adopt(o.now, payment.AllParts, o.shelf.load())
	o.ask(sale(0, "000001"))
	if quiet := o.x.Leave(officePart); quiet != 0 {
		t.Fatal("quiet while a request is on its way")
	}
	o.ask(sale(1, "000001"))
	if len(o.passed) != 1 {
		t.Error("something new was begun for a part that is being left")
	}
	o.x.Stay(officePart)
	o.ask(sale(2, "000001"))
	if len(o.passed) != 1 || len(o.sent) != 2 {
		t.Errorf("passed on %d, sent %d", len(o.passed), len(o.sent))
	}
	o.approve()
	if quiet := o.x.Leave(officePart); quiet != 0 {
		t.Error("quiet while another request is on its way")
	}
	o.sent = o.sent[:1]
	o.approve()
	if quiet := o.x.Leave(officePart); quiet != officePart {
		t.Error("not quiet although everything is answered")
	}
	o.x.Abandon(o.now, officePart)
	o.pump()
	if len(o.closed) != 0 || o.x.Book.Len() != 0 || o.x.Holds() != payment.AllParts&^officePart {
		t.Errorf("closed %v, in memory %d", o.closed, o.x.Book.Len())
	}
}

// TestDivisionNumbers: no two nodes give the same retrieval reference or, on one
// link, the same trace number.
func TestDivisionNumbers(t *testing.T) {
	s := newShelf()
	rrns, stans := map[string]bool{}, map[string]bool{}
	for slot := range 8 {
		o := newOffice(t, s, slot)
		o.x.Adopt(o.now, officePart, &payment.Step{})
		for i := range 3 {
			o.ask(sale(i, fmt.Sprintf("%06d", 100*slot+i)))
			m := o.sent[len(o.sent)-1]
			if rrns[m.RRN] || stans[m.STAN] || len(m.RRN) != 12 || len(m.STAN) != 6 {
				t.Errorf("node %d gives %s and %s", slot, m.RRN, m.STAN)
			}
			rrns[m.RRN], stans[m.STAN] = true, true
			o.approve()
		}
	}
	if len(rrns) != 24 || len(stans) != 24 {
		t.Errorf("%d references, %d trace numbers", len(rrns), len(stans))
	}
}

// TestDivisionConflict: a row that somebody else has moved on is read again, and
// the request is decided on it.
func TestDivisionConflict(t *testing.T) {
	o := newOffice(t, newShelf(), 0)
	o.x.Adopt(o.now, officePart, o.shelf.load())
	o.ask(sale(0, "000001"))
	o.approve()
	row := o.shelf.rows[o.sent[0].Payment]
	row.Version++
	row.Taken = 8000 // most of it was refunded elsewhere
	o.shelf.rows[row.ID] = row
	refund := payment.Request{Operation: payment.Refund, Amount: 700, Key: payment.Key{TID: "T0000001", Batch: "000001", STAN: "000001"}, Original: payment.Reference{RRN: row.RRN}}
	o.ask(refund)
	if len(o.sent) != 2 || o.sent[1].Operation != payment.Refund {
		t.Fatalf("sent %+v, told %+v", o.sent, o.told)
	}
	if got := o.shelf.rows[row.ID]; got.Version != row.Version+1 || got.Claimed != 700 || got.Taken != 8000 {
		t.Errorf("the original is %+v", got)
	}
	refund.Amount, refund.STAN = 200, "000002" // more than is left
	refund.TID = "T0000002"
	o.ask(refund)
	if got := o.last(); got.Approved() || len(o.sent) != 2 {
		t.Errorf("more than is left: %+v", got)
	}
	// A number that stands for another payment in the store.
	used := sale(0, "000009")
	other := row
	other.ID, other.Key, other.Version = payment.ID{15: 1}, used.Key, 1
	o.shelf.rows[other.ID] = other
	o.ask(used)
	if got := o.last(); got.Payment != other.ID || len(o.sent) != 2 {
		t.Errorf("a request that the store has already: %+v, sent %d", got, len(o.sent))
	}
}
