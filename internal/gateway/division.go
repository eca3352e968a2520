package gateway

import (
	"errors"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Division makes an exchange one of several on one store: it decides only for
// merchants whose part it holds. nil in Config: it decides for all.
type Division struct {
	// Slot is the node's own, from 0 to Slots-1: trace numbers towards networks come
	// from its share of them.
	Slot, Slots int
}

// rrnRange is how many retrieval reference numbers are reserved at one time, for
// half a minute under heavy load; the next are asked for when half are used up.
const rrnRange = 50000

// Holds gives the parts that the exchange decides for.
func (x *Exchange) Holds() payment.PartSet { return x.held }

// decides reports whether requests about a merchant are this exchange's to decide.
func (x *Exchange) decides(mid string) bool {
	return x.cfg.Division == nil || x.held&^x.leaving != 0 && (x.held&^x.leaving).HasMerchant(mid)
}

// Adopt takes parts over with what the store holds of their merchants, as Start
// does with all: what was sent and never answered becomes unknown, what is owed to
// networks is repeated.
func (x *Exchange) Adopt(now time.Time, parts payment.PartSet, rows *payment.Step) {
	now = x.at(now)
	if x.halted {
		return
	}
	parts &^= x.held
	x.held |= parts
	x.Book.Restore(rows, true)
	for _, t := range x.sorted() {
		if parts.HasMerchant(t.MID) {
			x.resume(now, t)
		}
	}
}

// Leave has the exchange begin nothing new for some parts: requests are passed
// on. What is under way goes on. It gives those of the parts of which nothing is;
// Stay takes it back.
func (x *Exchange) Leave(parts payment.PartSet) (quiet payment.PartSet) {
	x.leaving |= parts & x.held
	return x.leaving & parts &^ x.busy()
}

// Stay has the exchange decide again for parts that it was to leave.
func (x *Exchange) Stay(parts payment.PartSet) { x.leaving &^= parts }

// busy gives the parts of which something is under way.
func (x *Exchange) busy() (busy payment.PartSet) {
	for _, l := range x.lines {
		if l.busy != nil {
			busy |= payment.PartsOf(payment.PartOf(l.busy.profile.MID))
		}
	}
	for _, w := range x.writes {
		if mid := w.decision.Step.MID; mid != "" {
			busy |= payment.PartsOf(payment.PartOf(mid))
		}
	}
	for _, w := range x.rereads {
		busy |= payment.PartsOf(payment.PartOf(w.decision.Step.MID))
	}
	for id := range x.flights {
		if t := x.Book.Find(id); t != nil {
			busy |= payment.PartsOf(payment.PartOf(t.MID))
		}
	}
	return busy
}

// Abandon forgets some parts at once, whatever is under way: another node decides
// for them, or will. Who waits for an answer loses the connection.
func (x *Exchange) Abandon(now time.Time, parts payment.PartSet) {
	now = x.at(now)
	parts &= x.held
	x.held &^= parts
	x.leaving &^= parts
	if parts == 0 {
		return
	}
	for _, w := range x.writes {
		if mid := w.decision.Step.MID; mid != "" && parts.HasMerchant(mid) {
			w.abandoned = true
		}
	}
	for _, w := range x.rereads {
		w.abandoned = w.abandoned || parts.HasMerchant(w.decision.Step.MID)
	}
	for _, f := range x.flights {
		if x.abandons(parts, f) {
			x.arrive(now, f, false)
		}
	}
	for k := range x.owing {
		if t := x.Book.Find(k.id); t != nil && parts.HasMerchant(t.MID) {
			x.settle(k)
		}
	}
	for t := range x.Book.Transactions {
		if parts.HasMerchant(t.MID) {
			delete(x.locks, t.ID)
			delete(x.wait, t.ID)
		}
	}
	for tid, l := range x.lines {
		if l.busy == nil || !parts.HasMerchant(l.busy.profile.MID) {
			continue
		}
		for _, j := range append([]*job{l.busy}, l.queue...) {
			x.abandonJob(j)
		}
		delete(x.lines, tid)
	}
	x.Book.Drop(parts)
}

func (x *Exchange) abandons(parts payment.PartSet, f *flight) bool {
	if f.balance != nil {
		return parts.HasMerchant(f.balance.MID)
	}
	t := x.Book.Find(f.id)
	return t != nil && parts.HasMerchant(t.MID)
}

func (x *Exchange) abandonJob(j *job) {
	j.ended = true
	x.requests--
	if x.conns[j.conn] == j {
		delete(x.conns, j.conn)
		x.do(Action{Kind: Close, Conn: j.conn})
	}
	j.request.Card.Wipe()
	x.Count[CountAbandoned]++
}

// Reserved gives the exchange numbers that are its own, count of them from from;
// it asked for them by Reserve. count is 0 where none could be had: it asks again.
func (x *Exchange) Reserved(now time.Time, from, count int64) {
	x.at(now)
	x.reserving = false
	if count > 0 {
		x.ranges = append(x.ranges, numberRange{from, from + count})
	}
}

// numberRange is numbers that nobody else gives out, the last excluded.
type numberRange struct{ next, end int64 }

// reserve asks for numbers in time.
func (x *Exchange) reserve(now time.Time) {
	left := int64(0)
	for _, r := range x.ranges {
		left += r.end - r.next
	}
	if x.cfg.Division == nil || x.reserving || x.halted || left > rrnRange/2 {
		return
	}
	x.reserving = true
	// As a single node's, numbers begin no lower than 277 for each second of the hour.
	least := now.Unix()/3600*1_000_000 + now.Unix()%3600*277
	x.do(Action{Kind: Reserve, From: least, Count: rrnRange})
}

// numbered reports whether there is a number for another request.
func (x *Exchange) numbered() bool { return x.cfg.Division == nil || len(x.ranges) > 0 }

// nextOfRange gives the next of the reserved numbers as hour and count.
func (x *Exchange) nextOfRange() (hour int64, count int) {
	r := &x.ranges[0]
	n := r.next
	if r.next++; r.next >= r.end {
		x.ranges = append(x.ranges[:0], x.ranges[1:]...)
	}
	return n / 1_000_000, int(n % 1_000_000)
}

// conflicting reports whether a step was refused because the store has other rows
// than it was decided from.
func conflicting(err error) bool {
	return errors.Is(err, payment.ErrRefused) && fault.KindOf(err) == fault.Conflict
}

// mostRereads is how often a request is decided anew because of others' changes.
const mostRereads = 3

// reread asks for the rows of a step that was refused; what it concerns stays
// locked until they are there. False where it has been tried often enough.
func (x *Exchange) reread(w *write) bool {
	if w.again == nil {
		if w.job == nil {
			return false // nobody decides it anew
		}
		if w.job.rereads++; w.job.rereads > mostRereads {
			return false
		}
	}
	x.token++
	x.rereads[x.token] = w
	x.do(Action{Kind: Reread, Token: x.token, Step: w.decision.Step})
	return true
}

// Rereads gives the rows that a Reread asked for, nil where they could not be
// read. The decision is made anew.
func (x *Exchange) Rereads(now time.Time, token uint64, rows *payment.Step) {
	now = x.at(now)
	w := x.rereads[token]
	delete(x.rereads, token)
	if w == nil || x.halted || w.abandoned {
		return
	}
	x.Count[CountReread]++
	if rows != nil {
		x.Book.Restore(rows, false)
	}
	s := w.decision.Step
	x.unlockAll(s)
	switch j := w.job; {
	case rows != nil && w.again == nil && j != nil && !j.ended:
		x.begin(now, j)
	default:
		x.notWritten(now, w)
	}
	x.wakeAll(now, s)
}

func (x *Exchange) unlockAll(s *payment.Step) {
	for i := range s.Transactions {
		x.unlock(s.Transactions[i].ID)
	}
	for i := range s.Outgoing {
		x.unlock(s.Outgoing[i].Payment)
	}
}

func (x *Exchange) wakeAll(now time.Time, s *payment.Step) {
	for i := range s.Transactions {
		x.wake(now, s.Transactions[i].ID)
	}
	for i := range s.Outgoing {
		x.wake(now, s.Outgoing[i].Payment)
	}
}
