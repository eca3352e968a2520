package evidence

import "unsafe"

// Facts are by far most of the memory, and each page of it touched for the
// first time costs more than the facts put there. Chunks are therefore cut from
// slabs that the system is asked to back with huge pages: reading touches
// hundreds of times fewer pages, and matching, which jumps between facts, finds
// them mapped.

// slabChunks bounds a slab; the first are smaller, so that small inputs stay
// small.
const slabChunks = 32

// slab gives the memory of a new chunk. The caller holds the Set's lock.
func (s *Set) slab() []Fact {
	if len(s.spare) == 0 {
		n := min(max(len(s.chunks), 1), slabChunks)
		s.spare = make([]Fact, n*chunkSize)
		if n > 1 {
			bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s.spare))), len(s.spare)*int(unsafe.Sizeof(Fact{})))
			preferHugePages(bytes)
		}
	}
	facts := s.spare[:0:chunkSize]
	s.spare = s.spare[chunkSize:]
	return facts
}
