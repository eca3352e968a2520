package format

import (
	"slices"
	"sort"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Rows of a table are known by their content: the id of a row is its hash, and
// of equal rows of a document the ordinal too. The readers of blocks do not
// know each other's rows, so each gives its rows the id of a first one; the
// hashes are kept until all are read, and equal rows then get their ordinals in
// order of their lines.
//
// Where a document has no number of its own, the source of a row is the format
// and the merchant, account or terminal it names. So the same file under two
// names, or two exports whose days overlap, are one set of facts.

// blockIDs are the rows of one block.
type blockIDs struct {
	index  int
	hashes []uint64
	refs   []evidence.FactRef
}

func (o *Out) words() *evidence.Words { return o.set.Words }

// fork gives an Out for another goroutine that reads part of the same input.
func (o *Out) fork() *Out {
	f := &Out{name: o.name, set: o.set, file: o.file, w: o.set.Writer(o.file), source: o.source}
	o.forks = append(o.forks, f)
	return f
}

// count takes a committed fact into the input's figures.
func (o *Out) count(d *evidence.Draft) {
	o.source.Facts++
	if d.Homeless() {
		o.homeless++
	}
	at := d.Time()
	if o.source.From == 0 || at < o.source.From {
		o.source.From = at
	}
	if at > o.source.To {
		o.source.To = at
	}
}

// startBlock begins the rows of a block.
func (o *Out) startBlock(index int) { o.ids = append(o.ids, blockIDs{index: index}) }

// commitRow is Commit for a fact that is known by its row's hash.
func (o *Out) commitRow(d *evidence.Draft, line int, hash uint64) bool {
	d.At(line)
	ref, err := d.Commit()
	if err != nil {
		o.Reject(line, fault.Reason(err))
		return false
	}
	o.count(d)
	b := &o.ids[len(o.ids)-1]
	if b.hashes == nil {
		b.hashes = make([]uint64, 0, rowsPerBlock)
		b.refs = make([]evidence.FactRef, 0, rowsPerBlock)
	}
	b.hashes = append(b.hashes, hash)
	b.refs = append(b.refs, ref)
	return true
}

// rowsPerBlock is a usual number, to begin with.
const rowsPerBlock = 1 << 10

// settle joins what forks have read and gives equal rows their ordinals.
func (o *Out) settle() {
	for _, f := range o.forks {
		o.source.Facts += f.source.Facts
		o.source.Rejected += f.source.Rejected
		o.homeless += f.homeless
		if f.source.From != 0 && (o.source.From == 0 || f.source.From < o.source.From) {
			o.source.From = f.source.From
		}
		o.source.To = max(o.source.To, f.source.To)
		o.rejected = append(o.rejected, f.rejected...)
		o.warnings = append(o.warnings, f.warnings...)
		o.ids = append(o.ids, f.ids...)
	}
	o.forks = nil
	byLine := func(a, b Note) int { return a.Line - b.Line }
	slices.SortStableFunc(o.rejected, byLine)
	slices.SortStableFunc(o.warnings, byLine)
	sort.Slice(o.ids, func(i, j int) bool { return o.ids[i].index < o.ids[j].index })
	numberEqualRows(o.ids, o.set)
	o.ids = nil
}

// numberEqualRows gives every row but the first of several equal ones the id
// of its ordinal. Few rows are ever equal: a bit set finds the candidates.
func numberEqualRows(ids []blockIDs, set *evidence.Set) {
	total := 0
	for _, b := range ids {
		total += len(b.hashes)
	}
	if total < 2 {
		return
	}
	size := uint64(1 << 10)
	for size < 16*uint64(total) {
		size *= 2
	}
	mask := size - 1
	seen, twice := make([]uint64, size/64), make([]uint64, size/64)
	any := false
	for _, b := range ids {
		for _, h := range b.hashes {
			at := h & mask
			bit := uint64(1) << (at % 64)
			if seen[at/64]&bit != 0 {
				twice[at/64] |= bit
				any = true
			}
			seen[at/64] |= bit
		}
	}
	if !any {
		return
	}
	before := map[uint64]uint32{}
	for _, b := range ids {
		for i, h := range b.hashes {
			at := h & mask
			if twice[at/64]>>(at%64)&1 == 0 {
				continue
			}
			n := before[h]
			before[h] = n + 1
			if n > 0 {
				set.SetRowID(b.refs[i], evidence.RowID(h, n))
			}
		}
	}
}
