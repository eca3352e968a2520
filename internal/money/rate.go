package money

import (
	"math"
	"math/bits"
	"strconv"

	"daozhang/internal/fault"
)

// Rate is a share of an amount, as merchants' fees are agreed, in 1e-4 basis
// points: 600000 is 60 bps, or 0.6 %. In JSON, YAML and text it is the number
// of basis points: 60, 38, 55.5.
type Rate int64

const (
	rateDecimals = 4
	// BasisPoint is one basis point, a hundredth of a percent.
	BasisPoint Rate = 1e4
	// whole is the Rate at which all of an amount is taken.
	whole = 1e4 * uint64(BasisPoint)
)

// ErrRate is text that is no number of basis points, or finer than 1e-4.
var ErrRate error = fault.New(fault.Invalid, fault.Say("not a rate", "不是费率"), "", nil,
	fault.Say("write basis points as a plain number, such as 60 or 55.5; 60 is 0.6 %", "请写万分数，如 60 或 55.5；60 即 0.6%"))

// ParseRate reads basis points such as "60" or "55.5", of at most four
// decimals. A rate may be negative (a rebate).
func ParseRate(s string) (Rate, error) {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 && s[i] != '.' && (s[i] != '-' || i > 0) {
			return 0, ErrRate
		}
	}
	v, err := ParseDecimal(s, rateDecimals, Point)
	if err != nil {
		return 0, ErrRate
	}
	return Rate(v), nil
}

// Of returns the part of amount that the rate takes, in minor units, rounded
// half up. Of a negative amount (a refund's returned fee) it is the negative of
// the part of the same amount, so that giving back is the mirror of taking. A
// result beyond int64 (possible only above 100 %) stays at the limit.
func (r Rate) Of(amount int64) int64 {
	if amount >= 0 && r >= 0 && uint64(amount) <= 1<<32 && uint64(r) <= 1<<30 {
		return int64((uint64(amount)*uint64(r) + whole/2) / whole)
	}
	neg := (amount < 0) != (r < 0)
	hi, lo := bits.Mul64(magnitude(amount), magnitude(int64(r)))
	lo, carry := bits.Add64(lo, whole/2, 0)
	hi += carry
	q := uint64(math.MaxInt64)
	if hi < whole {
		q, _ = bits.Div64(hi, lo, whole)
		q = min(q, math.MaxInt64)
	}
	return signed(q, neg)
}

// String returns the basis points in the shortest form: "60", "55.5".
func (r Rate) String() string {
	var b [24]byte
	return string(r.append(b[:0]))
}

func (r Rate) append(dst []byte) []byte {
	if r < 0 {
		dst = append(dst, '-')
	}
	m := magnitude(int64(r))
	dst = strconv.AppendUint(dst, m/uint64(BasisPoint), 10)
	f := m % uint64(BasisPoint)
	if f == 0 {
		return dst
	}
	dst = append(dst, '.')
	for div := uint64(BasisPoint) / 10; f > 0; div /= 10 {
		dst = append(dst, byte('0'+f/div))
		f %= div
	}
	return dst
}

// MarshalJSON writes a number of basis points.
func (r Rate) MarshalJSON() ([]byte, error) { return r.append(nil), nil }

// UnmarshalJSON reads a number of basis points, or the same in a string.
func (r *Rate) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	return r.UnmarshalText(b)
}

// UnmarshalText reads basis points; YAML scalars are read by it too.
func (r *Rate) UnmarshalText(b []byte) error {
	v, err := ParseRate(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// MarshalYAML returns the number of basis points as a YAML number.
func (r Rate) MarshalYAML() (any, error) {
	if r%BasisPoint == 0 {
		return int64(r / BasisPoint), nil
	}
	return strconv.ParseFloat(r.String(), 64)
}
