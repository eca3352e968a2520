package money

import (
	"math"
	"math/bits"
	"strconv"
)

// Add returns a+b; ok is false, and the sum 0, where it exceeds int64.
func Add(a, b int64) (sum int64, ok bool) {
	s := a + b
	if (s > a) != (b > 0) && b != 0 {
		return 0, false
	}
	return s, true
}

// Sub returns a-b; ok is false, and the difference 0, where it exceeds int64.
func Sub(a, b int64) (diff int64, ok bool) {
	d := a - b
	if (d < a) != (b > 0) && b != 0 {
		return 0, false
	}
	return d, true
}

// MulDiv returns a·num/den rounded half up (away from zero when negative),
// computed in 128 bits: a conversion at a rate, a share of an amount. ok is
// false when den is zero or the result exceeds int64.
func MulDiv(a, num, den int64) (v int64, ok bool) {
	if den == 0 {
		return 0, false
	}
	neg := (a < 0) != (num < 0) != (den < 0)
	d := magnitude(den)
	hi, lo := bits.Mul64(magnitude(a), magnitude(num))
	// Half of den; an odd den has no exact half, so its floor rounds the same.
	lo, carry := bits.Add64(lo, d/2, 0)
	hi += carry
	if hi >= d {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, d)
	if q > math.MaxInt64 {
		return 0, false
	}
	return signed(q, neg), true
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// Format writes an amount in major units with c's decimals: "128.00", "-0.05",
// "100" for JPY. Two decimals where c is none.
func Format(minor int64, c Currency) string {
	var b [24]byte
	return string(AppendFormat(b[:0], minor, c))
}

// AppendFormat appends what Format returns.
func AppendFormat(dst []byte, minor int64, c Currency) []byte {
	return appendAmount(dst, minor, c, false)
}

// FormatGrouped is Format with commas between thousands: "55,308.07".
func FormatGrouped(minor int64, c Currency) string {
	var b [32]byte
	return string(appendAmount(b[:0], minor, c, true))
}

// AppendFormatGrouped appends what FormatGrouped returns.
func AppendFormatGrouped(dst []byte, minor int64, c Currency) []byte {
	return appendAmount(dst, minor, c, true)
}

func appendAmount(dst []byte, minor int64, c Currency, grouped bool) []byte {
	if minor < 0 {
		dst = append(dst, '-')
	}
	var buf [20]byte
	d := strconv.AppendUint(buf[:0], magnitude(minor), 10)
	exp := c.Exponent()
	whole := len(d) - exp
	if whole <= 0 {
		dst = append(dst, '0')
	}
	for i := 0; i < whole; i++ {
		if grouped && i > 0 && (whole-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, d[i])
	}
	if exp == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := whole; i < 0; i++ {
		dst = append(dst, '0')
	}
	return append(dst, d[max(whole, 0):]...)
}
