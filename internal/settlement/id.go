package settlement

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// BatchID names a batch: the same merchant, currency, day and number always has
// the same.
func BatchID(mid string, c money.Currency, day calendar.Date, seq int) string {
	return mid + "/" + c.String() + "/" + day.String() + "/" + strconv.Itoa(seq)
}

// PayoutID names the payout that a batch opens.
func PayoutID(mid string, c money.Currency, day calendar.Date, seq int) string {
	return payoutID(day, BatchID(mid, c, day, seq))
}

// ReplacementID names the n-th payout that sends a payout's money again.
func ReplacementID(p *Payout, n int) string { return payoutID(p.Day, p.ID+"/"+strconv.Itoa(n)) }

// payoutID has the day in front for people, then 65 bits of what it is about. It
// has letters enough never to be taken for a card number, and 23 characters of
// the 35 that an end-to-end identification may have.
func payoutID(day calendar.Date, about string) string {
	h := sha256.Sum256([]byte("daozhang payout\x00" + about))
	return "P" + strings.ReplaceAll(day.String(), "-", "") + "-" + base32.StdEncoding.EncodeToString(h[:])[:13]
}

// root is a name with a day's time in front, so that what is derived sorts by day.
func root(day calendar.Date, about string) uuid.UUID {
	var id uuid.UUID
	h := sha256.Sum256([]byte("daozhang settlement\x00" + about))
	copy(id[:], h[:])
	ms := day.Unix(0) * 1000
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(ms))
	copy(id[:6], b[2:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// derived names something of a day: an exception, a transfer.
func derived(day calendar.Date, about string) payment.ID { return root(day, about) }

// transfer makes a posted transfer whose key, and so whose effect, is that of
// what it is about.
func transfer(s *Step, c money.Currency, day calendar.Date, debit, credit ledger.Name, amount int64, key, reason string) ledger.Transfer {
	if amount < 0 {
		debit, credit, amount = credit, debit, -amount
	}
	return ledger.Transfer{ID: ledger.IDFor(root(day, s.MID), key), Key: key, Merchant: s.MID, Currency: c, Debit: debit, Credit: credit,
		Amount: amount, At: s.At, Date: day, Reason: reason}
}

// move adds a transfer to the step; nothing for an amount of 0.
func (s *Step) move(c money.Currency, day calendar.Date, debit, credit ledger.Name, amount int64, key, reason string) {
	if amount != 0 {
		s.Transfers = append(s.Transfers, transfer(s, c, day, debit, credit, amount, key, reason))
	}
}

// Reasons that transfers of settlement carry.
const (
	reasonSettle   = "settlement"
	reasonUnsettle = "settlement_back"
	reasonFee      = "fee"
	reasonFreeze   = "freeze"
	reasonUnfreeze = "unfreeze"
	reasonPayout   = "payout"
	reasonCredited = "payout_credited"
	reasonRejected = "payout_rejected"
	reasonReturned = "payout_returned"
	reasonClearing = "clearing"
	reasonFunding  = "network_funding"
)
