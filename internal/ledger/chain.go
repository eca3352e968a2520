package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"iter"

	"daozhang/internal/fault"
)

// Hash is the link of a chain: SHA-256 over the link before it, the place in
// the chain and every field of the transfer.
type Hash [sha256.Size]byte

// Head is the end of one merchant's chain.
type Head struct {
	Merchant string
	// Seq is the place of the last entry, counted from 1; 0 for an empty chain.
	Seq int64
	// Hash is that of the last entry; zeros for an empty chain.
	Hash Hash
}

// Entry is a transfer in its place in its merchant's chain.
type Entry struct {
	Transfer
	Seq  int64
	Hash Hash
}

// domain keeps these hashes apart from all others, and names the layout.
const domain = "daozhang ledger entry 1\n"

// link computes the hash of t in place seq after prev. Fields of variable
// length carry their length, so that no two contents give the same bytes.
func link(prev Hash, seq int64, t *Transfer) Hash {
	h := sha256.New()
	b := make([]byte, 0, 320)
	b = append(b, domain...)
	b = append(b, prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(seq))
	b = append(b, t.ID[:]...)
	b = text(b, t.Key)
	b = text(b, t.Merchant)
	b = append(b, t.Currency[:]...)
	// The names, not the numbers: these are what the chart is for a reader.
	b = text(b, t.Debit.String())
	b = text(b, t.Credit.String())
	b = binary.BigEndian.AppendUint64(b, uint64(t.Amount))
	b = text(b, t.Phase.String())
	b = append(b, t.Of[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.At.UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Date))
	b = append(b, t.Payment[:]...)
	b = text(b, t.Reason)
	return sum(h, b)
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func sum(h hash.Hash, b []byte) (out Hash) {
	h.Write(b)
	h.Sum(out[:0])
	return out
}

// BrokenLink is the first place at which a merchant's chain does not hold.
type BrokenLink struct {
	Merchant string
	Seq      int64 // the place where an entry is wrong, missing or too much
	Why      string
}

// Error says where and why.
func (b *BrokenLink) Error() string {
	return fmt.Sprintf("merchant %s, entry %d: %s", b.Merchant, b.Seq, b.Why)
}

// Verifier follows one merchant's chain from its beginning, entry by entry: the
// places have no gap, each hash follows from the one before, and each transfer
// is one that the rules accept after those before it.
type Verifier struct {
	standing *Standing
	keys     map[string]struct{}
}

// NewVerifier begins at the beginning of a merchant's chain.
func NewVerifier(merchant string) *Verifier {
	return &Verifier{standing: NewStanding(merchant), keys: map[string]struct{}{}}
}

// Next takes the next entry. The error is of kind fault.Conflict and wraps a
// *BrokenLink; after it the verifier must not be used further.
func (v *Verifier) Next(e *Entry) error {
	head := v.standing.head
	want := head.Seq + 1
	switch {
	case e.Merchant != head.Merchant:
		return v.broken(want, "an entry of merchant "+e.Merchant+" stands in this chain")
	case e.Seq > want:
		return v.broken(want, "the entry is missing")
	case e.Seq < want:
		return v.broken(e.Seq, "the place is taken twice")
	case e.Hash != link(head.Hash, want, &e.Transfer):
		return v.broken(want, "the hash does not follow from the content and the link before; this entry, or the one before, was changed")
	}
	if _, twice := v.keys[e.Key]; twice {
		return v.broken(want, "the key "+e.Key+" stands twice")
	}
	if _, err := v.standing.Apply(e.Transfer); err != nil {
		return v.broken(want, "the transfer breaks a rule: "+err.Error())
	}
	v.keys[e.Key] = struct{}{}
	return nil
}

// End compares what was followed with what is recorded as the merchant's
// standing: an entry missing at the end, or a balance that does not follow
// from the entries, is found here. The errors are as those of Next.
func (v *Verifier) End(recorded *Standing) error {
	have, want := v.standing, recorded
	if have.head.Seq < want.head.Seq {
		return v.broken(have.head.Seq+1, fmt.Sprintf("the entry is missing: the chain is recorded to end at %d", want.head.Seq))
	}
	if have.head.Seq > want.head.Seq {
		return v.broken(want.head.Seq+1, "the entry lies beyond the recorded end of the chain")
	}
	if have.head.Hash != want.head.Hash {
		return v.broken(have.head.Seq, "the recorded end of the chain has another hash")
	}
	if a, ok := have.differ(want); ok {
		return v.broken(have.head.Seq, "the recorded balance or reservation of "+a+" does not follow from the entries")
	}
	return nil
}

func (v *Verifier) broken(seq int64, why string) error {
	return fault.New(fault.Conflict, "verify ledger", "", &BrokenLink{Merchant: v.standing.head.Merchant, Seq: seq, Why: why},
		"the books were changed outside the program or a disk is failing: restore a backup and compare")
}

// Verify follows a whole chain and gives the standing at its end. An error of
// the sequence ends it and is returned as it is; else the error is that of
// Verifier.Next, naming the first broken link.
func Verify(merchant string, entries iter.Seq2[Entry, error]) (*Standing, error) {
	v := NewVerifier(merchant)
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if err := v.Next(&e); err != nil {
			return nil, err
		}
	}
	return v.standing, nil
}
