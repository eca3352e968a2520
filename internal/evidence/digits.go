package evidence

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// leadingDigits reads the digits at the beginning of b, behind which at least
// sixteen bytes follow: how many there are, at most sixteen, and their value.
func leadingDigits(b []byte) (n int, v uint64) {
	x := binary.LittleEndian.Uint64(b) ^ zeros
	if m := (x + 0x76*ones | x) & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
		return n, eightDigits(x << (64 - 8*n))
	}
	y := binary.LittleEndian.Uint64(b[8:]) ^ zeros
	n = 8
	if m := (y + 0x76*ones | y) & highs; m != 0 {
		n = bits.TrailingZeros64(m) >> 3
	}
	return 8 + n, eightDigits(x)*powers[n] + eightDigits(y<<(64-8*n))
}

var powers = [...]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

// eightDigits gives the value of eight digits, the first lowest in x, each as
// its number.
func eightDigits(x uint64) uint64 {
	x = x*10 + x>>8
	return (x&0x000000ff000000ff*0x000f424000000064 + x>>16&0x000000ff000000ff*0x0000271000000001) >> 32
}

// digitsText is eightDigits backwards: the text of a number below 10^8 as eight
// digits, the first lowest.
func digitsText(v uint64) uint64 {
	x := v/10_000 | v%10_000<<32 // below 10,000 each
	q := x * 10_486 >> 20 & 0x0000007f0000007f
	x = q | (x-q*100)<<16 // below 100 each
	q = x * 103 >> 10 & 0x000f000f000f000f
	return q | (x-q*10)<<8 | zeros
}

// hexText gives the text of 32 bits as eight lower-case hex digits, the first
// lowest.
func hexText(v uint32) uint64 {
	x := uint64(bits.ReverseBytes32(v))
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = x>>4&0x000f000f000f000f | x&0x000f000f000f000f<<8
	letters := (x + 6*ones) >> 4 & ones
	return x + letters*('a'-'0'-10) + zeros
}

// parseInt reads digits with or without a minus; false beyond int64.
func parseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if neg {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}
