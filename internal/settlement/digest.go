package settlement

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
)

// Digest names a set of clearing lines, whatever their order: the sum of the
// lines' hashes in four lanes, with their number.
type Digest [5]uint64

// String returns the digest as hexadecimal digits.
func (d Digest) String() string {
	var b [40]byte
	for i, v := range d {
		binary.BigEndian.PutUint64(b[8*i:], v)
	}
	return hex.EncodeToString(b[:])
}

// Digester adds up lines of one file: its digest, their number and signed sum.
type Digester struct {
	digest Digest
	sum    int64
	over   bool
	buf    []byte
}

// Add takes a line.
func (d *Digester) Add(l *NetworkLine) {
	b := d.buf[:0]
	for _, s := range [...]string{l.MID, l.TID, l.Batch, l.STAN, l.RRN, l.AuthCode, l.OrderID, l.PAN, l.OriginalRRN, l.OriginalSTAN} {
		b = append(append(b, s...), 0)
	}
	b = append(b, byte(l.Kind), byte(l.CardType))
	if l.Negative {
		b = append(b, '-')
	}
	b = strconv.AppendInt(b, l.Amount, 10)
	b = append(b, l.Currency[:]...)
	if !l.Time.IsZero() {
		b = strconv.AppendInt(b, l.Time.UnixMicro(), 10)
	}
	d.buf = b
	h := sha256.Sum256(b)
	for i := range 4 {
		d.digest[i] += binary.BigEndian.Uint64(h[8*i:])
	}
	d.digest[4]++
	var ok bool
	if d.sum, ok = money.Add(d.sum, l.Signed()); !ok {
		d.over = true
	}
}

// File completes a file's description with what was read. Sums past 63 bits
// count as broken.
func (d *Digester) File(network string, date calendar.Date, c money.Currency) File {
	f := File{Network: network, Date: date, Currency: c, Lines: int64(d.digest[4]), Sum: d.sum, Digest: d.digest}
	if d.over {
		f.Broken++
	}
	return f
}
