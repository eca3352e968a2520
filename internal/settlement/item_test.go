package settlement_test

import (
	"testing"

	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// What a transaction has to settle follows from what it stands for in the books
// now and what lines have settled of it.
func TestItemOf(t *testing.T) {
	original := &payment.Transaction{RRN: "606212000107"}
	original.STAN = "000123"
	for _, c := range []struct {
		name      string
		operation payment.Operation
		booked    bool
		state     payment.State
		done      int64
		original  *payment.Transaction
		effect    int64
		offered   bool
	}{
		{"a sale", payment.Sale, true, payment.Approved, 0, nil, 8800, true},
		{"a declined sale", payment.Sale, false, payment.Declined, 0, nil, 0, false},
		{"a sale voided before it was settled", payment.Sale, false, payment.Approved, 0, nil, 0, false},
		{"a sale voided after it was settled", payment.Sale, false, payment.Approved, 8800, nil, 0, true},
		{"an offline sale", payment.Offline, true, payment.Approved, 0, nil, 8800, true},
		{"a completion", payment.Completion, true, payment.Approved, 0, original, 8800, true},
		{"a refund", payment.Refund, true, payment.Approved, 0, original, -8800, true},
		{"a sale being reversed", payment.Sale, true, payment.Reversing, 0, nil, 8800, true},
		{"a preauthorization", payment.Preauth, true, payment.Approved, 0, nil, 0, false},
		{"a void", payment.Void, true, payment.Approved, 0, original, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx := &payment.Transaction{Operation: c.operation, State: c.state, Booked: c.booked, Approved: 8800}
			it, ok := settlement.ItemOf(tx, c.original, settlement.Done{Gross: c.done})
			if ok != c.offered || it.Effect != c.effect {
				t.Errorf("effect %d, offered %v; want %d, %v", it.Effect, ok, c.effect, c.offered)
			}
			if ok && it.Reversing != (c.state == payment.Reversing) {
				t.Errorf("reversing: %v", it.Reversing)
			}
			if ok && c.original != nil && (it.OriginalRRN != original.RRN || it.OriginalSTAN != original.STAN) {
				t.Errorf("original %q %q", it.OriginalRRN, it.OriginalSTAN)
			}
		})
	}
}
