package gateway_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"daozhang/internal/gateway"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
)

// disk is the journal: what is durable, and what is being written. Durable is what
// its bytes give back: each record is its length, a sum over its content, and the
// step as JSON.
type disk struct {
	s        *stage
	bytes    []byte
	log      []*payment.Step
	rows     map[payment.ID]payment.Transaction
	owed     map[owedKey]payment.Outgoing
	keys     map[payment.Key]bool
	rrns     map[string]bool
	evidence map[string]string
	ledger   *ledger.Book
	pending  []pending
	full     bool
}

type owedKey struct {
	id   payment.ID
	kind payment.MessageKind
}

type pending struct {
	token uint64
	step  *payment.Step
}

func (d *disk) commit(token uint64, step *payment.Step) {
	s, life := d.s, d.s.life
	s.sums.Steps++
	d.pending = append(d.pending, pending{token: token, step: step})
	delay := time.Duration(1+s.rng.IntN(6)) * time.Millisecond
	if s.permille(5) {
		delay += time.Duration(s.rng.IntN(3000)) * time.Millisecond
	}
	if s.permille(s.faults.crash) {
		s.after(time.Duration(s.rng.IntN(12))*time.Millisecond, func() {
			if s.life == life {
				s.crash("killed")
			}
		})
	}
	s.after(delay, func() {
		if s.life != life {
			return
		}
		i := slices.IndexFunc(d.pending, func(p pending) bool { return p.token == token })
		d.pending = slices.Delete(d.pending, i, i+1)
		var err error
		switch {
		case d.full || s.permille(s.faults.full):
			s.sums.Refused++
			err = fmt.Errorf("no space left on device: %w", payment.ErrRefused)
		case s.permille(s.faults.fsync):
			// Nobody knows whether it is there.
			s.sums.Unsynced++
			if s.permille(500) {
				d.write(step)
			}
			err = errors.New("fsync: input/output error")
		default:
			d.write(step)
		}
		s.feed(func(x *gateway.Exchange, now time.Time) { x.Committed(now, token, err) })
	})
}

// tear ends what was being written, at any byte: what had come before it is whole,
// one step may be there in part, the rest is not there. Which of several was first
// nobody knows.
func (d *disk) tear() {
	r := d.s.rng
	r.Shuffle(len(d.pending), func(i, j int) { d.pending[i], d.pending[j] = d.pending[j], d.pending[i] })
	for _, p := range d.pending {
		if d.s.permille(500) {
			d.write(p.step)
			continue
		}
		rec := record(p.step)
		cut := r.IntN(len(rec))
		if rec = rec[:cut]; cut > 0 && d.s.permille(300) {
			rec[r.IntN(cut)] ^= byte(1 + r.IntN(255)) // a sector that was half old, half new
		}
		d.bytes = append(d.bytes, rec...)
		if cut > 0 {
			d.s.sums.Torn++
		}
		break
	}
	d.pending = d.pending[:0]
}

func record(step *payment.Step) []byte {
	body, err := json.Marshal(step)
	if err != nil {
		panic(err)
	}
	rec := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(binary.BigEndian.AppendUint32(rec, crc32.ChecksumIEEE(body)), body...)
}

// recover reads the log back from its bytes, up to the first record that is not
// whole: that one was never durable, and goes.
func (d *disk) recover() {
	var log []*payment.Step
	at := 0
	for rest := d.bytes; len(rest) >= 8; rest = d.bytes[at:] {
		n := int(binary.BigEndian.Uint32(rest))
		if n > len(rest)-8 || crc32.ChecksumIEEE(rest[8:8+n]) != binary.BigEndian.Uint32(rest[4:]) {
			break
		}
		step := &payment.Step{}
		if err := json.Unmarshal(rest[8:8+n], step); err != nil {
			d.s.t.Fatalf("seed %d: a whole record cannot be read: %v", d.s.seed, err)
		}
		log = append(log, step)
		at += 8 + n
	}
	d.bytes = d.bytes[:at]
	if len(log) != len(d.log) {
		d.s.t.Errorf("seed %d: %d steps are read back, %d were durable", d.s.seed, len(log), len(d.log))
	}
	d.log = log
}

// write makes a step durable, under the rules that a database would hold it to.
func (d *disk) write(step *payment.Step) {
	fail := func(format string, args ...any) {
		d.s.t.Errorf("seed %d: "+format, append([]any{d.s.seed}, args...)...)
	}
	for _, row := range step.Transactions {
		old, known := d.rows[row.ID]
		if row.Version != old.Version+1 {
			fail("row %s goes from version %d to %d", row.ID, old.Version, row.Version)
		}
		if !known {
			if d.keys[row.Key] || d.rrns[row.RRN] {
				fail("two transactions have the key %v or the reference %s", row.Key, row.RRN)
			}
			d.keys[row.Key], d.rrns[row.RRN] = true, true
		}
		d.rows[row.ID] = row
	}
	if _, err := d.ledger.Apply(step.Transfers...); err != nil {
		fail("ledger: %v", err)
	}
	if len(step.Transfers) == 0 {
		// nothing moved
	} else if trial, err := d.ledger.Trial(); err != nil {
		fail("ledger: %v", err)
	} else if err := trial.Balanced(); err != nil {
		fail("ledger: %v", err)
	}
	for _, o := range step.Outgoing {
		d.owed[owedKey{o.Payment, o.Kind}] = o
	}
	for _, e := range step.Evidence {
		k := e.Source + "#" + e.ID
		if old, ok := d.evidence[k]; ok && old != string(e.Line) {
			fail("two facts are called %s", k)
		}
		d.evidence[k] = string(e.Line)
		if bytes.Contains(e.Line, []byte(clearMark)) {
			fail("a clear card number in evidence")
		}
	}
	d.bytes = append(d.bytes, record(step)...)
	d.log = append(d.log, step)
}

// load gives the rows as a store would read them back.
func (d *disk) load() *payment.Step {
	all := &payment.Step{}
	batches := map[string]payment.Batch{}
	exceptions := map[payment.ID]payment.Exception{}
	for _, step := range d.log {
		for _, b := range step.Batches {
			batches[b.TID+b.Number] = b
		}
		for _, x := range step.Exceptions {
			exceptions[x.ID] = x
		}
	}
	for _, b := range batches {
		all.Batches = append(all.Batches, b)
	}
	slices.SortFunc(all.Batches, func(a, b payment.Batch) int { return a.Opened.Compare(b.Opened) })
	for _, row := range d.rows {
		all.Transactions = append(all.Transactions, row)
	}
	slices.SortFunc(all.Transactions, func(a, b payment.Transaction) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, o := range d.owed {
		all.Outgoing = append(all.Outgoing, o)
	}
	slices.SortFunc(all.Outgoing, func(a, b payment.Outgoing) int { return bytes.Compare(a.Payment[:], b.Payment[:]) })
	for _, x := range exceptions {
		all.Exceptions = append(all.Exceptions, x)
	}
	return all
}

func (d *disk) find(mid, rrn string) *payment.Transaction {
	for _, row := range d.rows {
		if row.MID == mid && row.RRN == rrn {
			return &row
		}
	}
	return nil
}
