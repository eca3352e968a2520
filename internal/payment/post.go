package payment

import (
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/ledger"
)

// capture owes the merchant what the network owes us: a sale, an offline sale,
// a completion.
func capture(t *Transaction, reason string, at time.Time) ledger.Transfer {
	return move(t, ledger.NetworkReceivable, ledger.MerchantPending, t.Approved, "capture", reason, at)
}

// giveBack is the opposite: a void, a refund, or the reversal of a capture.
func giveBack(t *Transaction, word, reason string, at time.Time) ledger.Transfer {
	return move(t, ledger.MerchantPending, ledger.NetworkReceivable, t.Approved, word, reason, at)
}

func move(t *Transaction, debit, credit ledger.Name, amount int64, word, reason string, at time.Time) ledger.Transfer {
	key := t.ID.String() + "/" + word
	return ledger.Transfer{ID: ledger.IDFor(t.ID, key), Key: key, Merchant: t.MID, Currency: t.Currency, Debit: debit, Credit: credit,
		Amount: amount, At: at, Date: t.BusinessDate, Payment: t.ID, Reason: reason}
}

// openMemo notes a reservation; closeMemo releases it.
func openMemo(t *Transaction, at time.Time) ledger.Transfer {
	if t.Memo < 0 {
		t.Memo = -t.Memo
	}
	t.Memo++
	return memo(t, at)
}

func memo(t *Transaction, at time.Time) ledger.Transfer {
	m := move(t, ledger.Authorized, ledger.AuthorizedContra, t.Approved, "authorize/"+strconv.Itoa(int(t.Memo)), ledger.ReasonAuthorize, at)
	m.Phase = ledger.Pending
	return m
}

func closeMemo(t *Transaction, reason string, at time.Time) ledger.Transfer {
	m := memo(t, at).VoidOf(t.ID.String()+"/release/"+strconv.Itoa(int(t.Memo)), at)
	m.Reason = reason
	t.Memo = -t.Memo
	return m
}

// book writes the effect of an approval into the ledger and into what it acts on:
// the original, and for the void of a completion the preauthorization behind it.
// Both are nil where there is none.
func (s *Step) book(t, original, behind *Transaction, at time.Time) {
	t.Booked = true
	post := func(m ledger.Transfer) { m.Date = t.BusinessDate; s.Transfers = append(s.Transfers, m) }
	switch t.Operation {
	case Sale, Offline:
		post(capture(t, ledger.ReasonCapture, at))
	case Preauth:
		post(openMemo(t, at))
	case Completion:
		if original.Memo > 0 {
			s.Transfers = append(s.Transfers, closeMemo(original, ledger.ReasonCompletion, at))
		}
		post(capture(t, ledger.ReasonCompletion, at))
		original.State = Completed
	case Void:
		post(giveBack(t, "void", ledger.ReasonVoid, at))
		original.State, original.Booked = Voided, false
	case CompletionVoid:
		post(giveBack(t, "void", ledger.ReasonVoid, at))
		original.State, original.Booked = Voided, false
		if behind != nil {
			behind.State = Approved
			behind.Taken -= t.Approved
			s.Transfers = append(s.Transfers, openMemo(behind, at))
		}
	case Refund:
		post(giveBack(t, "refund", ledger.ReasonRefund, at))
	case PreauthVoid:
		if original.Memo > 0 {
			s.Transfers = append(s.Transfers, closeMemo(original, ledger.ReasonVoid, at))
		}
		original.State, original.Booked = Voided, false
	}
	if original != nil {
		original.Taken += t.Approved
	}
}

// unbook takes the effect back, on the business date of the moment at which the
// network acknowledged the reversal.
func (s *Step) unbook(t, original, behind *Transaction, date calendar.Date, at time.Time) {
	t.Booked = false
	post := func(m ledger.Transfer) { m.Date = date; s.Transfers = append(s.Transfers, m) }
	again := func() {
		post(move(t, ledger.NetworkReceivable, ledger.MerchantPending, t.Approved, "reversal", ledger.ReasonReversal, at))
	}
	switch t.Operation {
	case Sale, Offline:
		post(giveBack(t, "reversal", ledger.ReasonReversal, at))
	case Preauth:
		if t.Memo > 0 {
			s.Transfers = append(s.Transfers, closeMemo(t, ledger.ReasonReversal, at))
		}
	case Completion:
		post(giveBack(t, "reversal", ledger.ReasonReversal, at))
		original.State = Approved
		s.Transfers = append(s.Transfers, openMemo(original, at))
	case Void:
		again()
		original.State, original.Booked = Approved, true
	case CompletionVoid:
		again()
		original.State, original.Booked = Approved, true
		if behind != nil {
			if behind.Memo > 0 {
				s.Transfers = append(s.Transfers, closeMemo(behind, ledger.ReasonCompletion, at))
			}
			behind.State = Completed
			behind.Taken += t.Approved
		}
	case Refund:
		again()
	case PreauthVoid:
		original.State, original.Booked = Approved, true
		s.Transfers = append(s.Transfers, openMemo(original, at))
	}
	if original != nil {
		original.Taken -= t.Approved
	}
}
