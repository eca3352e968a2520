package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Begin is when the steps of the suite happen.
var Begin = time.Date(2026, 3, 2, 10, 15, 4, 123456789, time.UTC)

var cny = money.Currency{'C', 'N', 'Y'}

// Sale is a made-up sale as a gateway would journal it: Requested, then Approved.
type Sale struct {
	MID, TID string
	// N tells the sales of a merchant apart; it becomes trace number, reference
	// and amount.
	N int
}

// ID is derived from the rest, with the time in front as version 7 has it.
func (s Sale) ID() uuid.UUID {
	id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, s.MID, "/", s.TID, "/", s.N))
	ms := uint64(s.at().UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6] = id[6]&0x0f | 0x70
	return id
}

func (s Sale) at() time.Time { return Begin.Add(time.Duration(s.N) * time.Second) }

// Amount in minor units.
func (s Sale) Amount() int64 { return int64(100 + s.N%9000) }

// RRN is the sale's retrieval reference number.
func (s Sale) RRN() string {
	h := uuid.NewSHA1(uuid.NameSpaceOID, []byte(s.TID))
	return fmt.Sprintf("%06d%06d", (int(h[0])<<16|int(h[1])<<8|int(h[2]))%1000000, s.N)
}

// Transaction is the row in its first version.
func (s Sale) Transaction() payment.Transaction {
	return payment.Transaction{ID: s.ID(), Operation: payment.Sale, State: payment.Sent, Version: 1,
		Key: payment.Key{TID: s.TID, Batch: fmt.Sprintf("%06d", 1+s.N/1000000), STAN: fmt.Sprintf("%06d", s.N%1000000)},
		MID: s.MID, RRN: s.RRN(), Amount: s.Amount(), Currency: cny, PAN: "622202******1234", CardToken: "tok-" + s.TID, SealedPAN: []byte{1, 2, 3, byte(s.N)},
		CardType: evidence.Debit, Network: "UnionPay", Issuer: "ICBC", Entry: evidence.Chip, Link: "unionpay-1", NetworkSTAN: "000777",
		Received: s.at(), Deadline: s.at().Add(30 * time.Second), BusinessDate: calendar.MustYMD(2026, 3, 2), Risk: []byte(`{"rules":[]}`)}
}

// Requested is the step before the request is sent.
func (s Sale) Requested() *payment.Step {
	return &payment.Step{MID: s.MID, At: s.at(), Transactions: []payment.Transaction{s.Transaction()},
		Evidence: []payment.Evidence{s.Fact(evidence.GatewayRequest, "request", s.at())}}
}

// Approved is the step before the terminal is told.
func (s Sale) Approved() *payment.Step {
	at := s.at().Add(time.Second)
	t := s.Transaction()
	t.State, t.Version, t.Approved, t.AuthCode, t.Code, t.Answered, t.Booked = payment.Approved, 2, t.Amount, "123456", evidence.Code{'0', '0'}, at, true
	return &payment.Step{MID: s.MID, At: at, Transactions: []payment.Transaction{t}, Transfers: []ledger.Transfer{s.Capture(at)},
		Evidence: []payment.Evidence{s.Fact(evidence.GatewayResponse, "response", at)}}
}

// Capture is the transfer of an approved sale.
func (s Sale) Capture(at time.Time) ledger.Transfer {
	key := s.ID().String() + "/capture"
	return ledger.Transfer{ID: ledger.IDFor(s.ID(), key), Key: key, Merchant: s.MID, Currency: cny, Debit: ledger.NetworkReceivable,
		Credit: ledger.MerchantPending, Amount: s.Amount(), At: at, Date: calendar.MustYMD(2026, 3, 2), Payment: s.ID(), Reason: ledger.ReasonCapture}
}

// Unanswered is the step when no answer came in time: unknown, and a reversal due.
func (s Sale) Unanswered() *payment.Step {
	at := s.at().Add(31 * time.Second)
	t := s.Transaction()
	t.State, t.Version = payment.Unknown, 2
	return &payment.Step{MID: s.MID, At: at, Transactions: []payment.Transaction{t},
		Outgoing: []payment.Outgoing{{Payment: s.ID(), MID: s.MID, Kind: payment.Undo, State: payment.Due, Reason: evidence.Code{'9', '8'}, Network: "UnionPay",
			Link: "unionpay-1", Since: at, Next: at.Add(5 * time.Second)}},
		Evidence: []payment.Evidence{s.Fact(evidence.GatewayTimeout, "timeout", at)}}
}

// Fact is a line of evidence about the sale.
func (s Sale) Fact(t evidence.Type, word string, at time.Time) payment.Evidence {
	return Fact("gateway/test", s.ID().String()+"/"+word, t, s.MID, at, map[string]any{"mid": s.MID, "tid": s.TID, "amount": s.Amount(), "currency": "CNY"})
}

// Fact makes a line of evidence; MID "" is about no merchant.
func Fact(source, id string, t evidence.Type, mid string, at time.Time, data map[string]any) payment.Evidence {
	line, err := json.Marshal(map[string]any{"specversion": "1.0", "id": id, "source": source, "type": evidence.TypePrefix + t.String(),
		"time": at.Format(time.RFC3339Nano), "data": data})
	if err != nil {
		panic(err) // maps of strings and numbers marshal
	}
	return payment.Evidence{Source: source, ID: id, Type: t, Time: at, MID: mid, Line: line}
}
