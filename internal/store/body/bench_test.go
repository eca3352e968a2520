package body

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// BenchmarkDecodeTransaction reads the body of an approved sale, beside
// encoding/json reading the same.
func BenchmarkDecodeTransaction(b *testing.B) {
	now := time.Date(2026, 3, 2, 4, 30, 0, 0, time.UTC)
	raw, err := EncodeTransaction(&payment.Transaction{ID: uuid.New(), Operation: payment.Sale, State: payment.Approved, Version: 3,
		Key: payment.Key{TID: "T0000001", Batch: "000001", STAN: "000042"}, MID: "M00000000000001", RRN: "606112345678", AuthCode: "A1B2C3",
		Amount: 8800, Approved: 8800, Currency: money.Currency{'C', 'N', 'Y'}, PAN: "625812******0007", CardToken: "tok_0123456789abcdef0123456789abcdef",
		SealedPAN: make([]byte, 60), CardType: evidence.Debit, Network: "UnionPay", Issuer: "ICBC", Entry: evidence.Chip, Code: evidence.Code{'0', '0'},
		Link: "network", NetworkSTAN: "123456", Received: now, Answered: now.Add(time.Second), Deadline: now.Add(time.Minute),
		BusinessDate: calendar.DateIn(now, time.UTC), OrderID: "O-1", Booked: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeTransaction(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var t transactionBody
			if err := json.Unmarshal(raw, &t); err != nil {
				b.Fatal(err)
			}
		}
	})
}
