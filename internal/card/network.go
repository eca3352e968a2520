// Package card masks card numbers and account numbers, and recognises them
// where they must not be. No full card number leaves it.
package card

// span is a range of leading digits that a card network issues from, written
// as its first and last six digits.
type span struct {
	from, to uint32
	network  string
}

// spans are the ranges of the card networks, in the order of their digits.
//
// Sources: ISO/IEC 7812 (issuer identification numbers) and the ranges that the
// networks publish to acquirers. They are wide on purpose, and no length is
// bound to a network: this table decides what is hidden, and an order number
// hidden by mistake does less harm than a card number shown. Maestro's 56–58
// and 6 stand for its whole published block, which Discover, RuPay and others
// share.
var spans = []span{
	{220000, 220499, "Mir"},
	{222100, 272099, "Mastercard"},
	{300000, 305999, "Diners Club"},
	{308800, 310299, "JCB"},
	{311200, 312099, "JCB"},
	{315800, 315999, "JCB"},
	{333700, 334999, "JCB"},
	{340000, 349999, "American Express"},
	{352800, 358999, "JCB"},
	{360000, 369999, "Diners Club"},
	{370000, 379999, "American Express"},
	{380000, 399999, "Diners Club"},
	{400000, 499999, "Visa"},
	{500000, 509999, "Maestro"},
	{510000, 559999, "Mastercard"},
	{560000, 589999, "Maestro"},
	{600000, 600999, "Maestro"},
	{601100, 601199, "Discover"},
	{601200, 619999, "Maestro"},
	{620000, 629999, "UnionPay"},
	{630000, 643999, "Maestro"},
	{644000, 659999, "Discover"},
	{660000, 699999, "Maestro"},
	{810000, 817199, "UnionPay"},
	{817200, 829999, "RuPay"},
	// Debit cards of Chinese banks from before 2002, still in use.
	{955880, 955889, "UnionPay"},
}

// byPrefix tells for every four leading digits whether any network's range
// touches them, so that most digits are dismissed by one look.
var byPrefix = func() *[10000]bool {
	var t [10000]bool
	for _, s := range spans {
		for p := s.from / 100; p <= s.to/100; p++ {
			t[p] = true
		}
	}
	return &t
}()

// network returns the network of six leading digits, or "".
func network(d *[maxDigits]byte) string {
	var four, six uint32
	for i, c := range d[:6] {
		six = six*10 + uint32(c-'0')
		if i == 3 {
			four = six
		}
	}
	if !byPrefix[four] {
		return ""
	}
	for _, s := range spans {
		if s.from <= six && six <= s.to {
			return s.network
		}
	}
	return ""
}

// Network returns the card network by the first six digits of a masked (or
// any) card number: "UnionPay", "Visa"; "" where no range fits. Ranges that
// networks share go to one of them, so it is a hint, not evidence.
func Network(s string) string {
	if len(s) < 6 {
		return ""
	}
	var d [maxDigits]byte
	for i := range 6 {
		if s[i]-'0' > 9 {
			return ""
		}
		d[i] = s[i]
	}
	return network(&d)
}

// luhn reports whether the digits pass the check of ISO/IEC 7812-1 annex B.
func luhn(digits []byte) bool {
	sum, double := 0, false
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
