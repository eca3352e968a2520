package main

import "math/bits"

// mix is the finalizer of splitmix64: equal inputs give equal, well spread outputs, so that everything
// about payment i follows from the seed and i alone and no list of payments is ever held.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw gives a number in [0,n) and the state for the next draw.
func draw(state *uint64, n uint64) uint64 {
	*state = mix(*state)
	hi, _ := bits.Mul64(*state, n)
	return hi
}

// shuffle is a permutation of [0,n) that is computed, not stored: a Feistel network over the next even
// number of bits, walked until it falls inside. Rows come out shuffled in constant memory.
type shuffle struct {
	n, key uint64
	half   uint
	mask   uint64
}

func newShuffle(n, key uint64) shuffle {
	half := uint(bits.Len64(max(n, 2)-1)+1) / 2
	return shuffle{n: n, key: mix(key), half: half, mask: 1<<half - 1}
}

// at gives the element that stands at position i; i is below n.
func (s shuffle) at(i uint64) uint64 {
	for {
		left, right := i>>s.half, i&s.mask
		for round := range uint64(4) {
			left, right = right, left^(mix(right^s.key+round)&s.mask)
		}
		i = left<<s.half | right
		if i < s.n {
			return i
		}
	}
}
