package evidence

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// RowID gives the identity of a row in a document: of its hash, and of how many
// equal rows stand before it. Draft.HashID gives the same.
func RowID(hash uint64, before uint32) Word {
	if before > 0 {
		var b [12]byte
		binary.LittleEndian.PutUint64(b[:], hash)
		binary.LittleEndian.PutUint32(b[8:], before)
		hash = xxhash.Sum64(b[:])
	}
	return HashWord(hash)
}

// SetIDWord is SetID for an identity already known, such as RowID gives.
func (d *Draft) SetIDWord(w Word) { d.fact.ID = w }

// SetRowHash is HashID for the hash of a row whose equals are counted by the
// caller, who corrects the identity of the later ones by SetRowID.
func (d *Draft) SetRowHash(hash uint64) {
	d.fact.ID = RowID(hash, 0)
	d.hashed = true
}

// Time gives the time set so far; 0 where none is.
func (d *Draft) Time() Instant { return d.fact.Time }

// SetRowID changes the identity of a fact just committed, once it is known how
// many equal rows stand before it. Other facts may be committed meanwhile.
func (s *Set) SetRowID(r FactRef, id Word) {
	r--
	s.mu.Lock()
	c := s.chunks[r>>chunkBits]
	s.mu.Unlock()
	c.facts[r&(chunkSize-1)].ID = id
}

// Homeless is [Fact.Homeless] of the fact at hand.
func (d *Draft) Homeless() bool { return d.fact.Homeless() }
