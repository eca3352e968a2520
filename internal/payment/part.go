package payment

import "hash/fnv"

// Parts is into how many parts merchants are divided where several nodes share
// one database: each part is decided by one node at a time. It is part of what is
// kept and never changes.
const Parts = 64

// Part is one of them, from 0.
type Part int

// PartOf gives the part of a merchant.
func PartOf(mid string) Part {
	h := fnv.New32a()
	h.Write([]byte(mid))
	return Part(h.Sum32() % Parts)
}

// PartSet is a set of parts.
type PartSet uint64

// AllParts holds every part.
const AllParts = ^PartSet(0)

// PartsOf gives the set of some parts.
func PartsOf(parts ...Part) PartSet {
	var s PartSet
	for _, p := range parts {
		s |= 1 << p
	}
	return s
}

// Has reports whether the set holds a part.
func (s PartSet) Has(p Part) bool { return s>>p&1 == 1 }

// HasMerchant reports whether the set holds the part of a merchant.
func (s PartSet) HasMerchant(mid string) bool { return s.Has(PartOf(mid)) }

// List gives the parts in their order.
func (s PartSet) List() []Part {
	var list []Part
	for p := Part(0); p < Parts; p++ {
		if s.Has(p) {
			list = append(list, p)
		}
	}
	return list
}

// Drop lets all that concerns some parts' merchants leave the book: another node
// goes on with it. The door forgets what it counted of them, so that they can
// come back without counting twice.
func (b *Book) Drop(parts PartSet) {
	for id, t := range b.txs {
		if !parts.HasMerchant(t.MID) {
			continue
		}
		gone := *t
		gone.State = Reversed // for the door: it counts no more
		b.observe(t, &gone)
		delete(b.txs, id)
		delete(b.byKey, t.Key)
		delete(b.byRRN, rrnKey{t.MID, t.RRN})
		if t.AuthCode != "" {
			delete(b.byAuth, authKey{t.MID, t.AuthCode})
		}
	}
	for k, bt := range b.batches {
		if parts.HasMerchant(bt.MID) {
			delete(b.batches, k)
			delete(b.current, bt.TID)
		}
	}
	for k, o := range b.outgoing {
		if parts.HasMerchant(o.MID) {
			delete(b.outgoing, k)
		}
	}
	for id, x := range b.exceptions {
		if parts.HasMerchant(x.MID) {
			delete(b.exceptions, id)
		}
	}
	for k := range b.missing {
		if parts.HasMerchant(k.mid) {
			delete(b.missing, k)
		}
	}
}
