package desk

import (
	"regexp"

	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// payoutNumber is the form of a payout's number; see settlement.PayoutID.
var payoutNumber = regexp.MustCompile(`\bP\d{8}-[A-Z2-7]{13}\b`)

// payoutNamed is the payout that an exception is about, "" where it is about none.
// Exceptions of payouts have no field for it: they say it in their sentence.
func payoutNamed(x *payment.Exception) string {
	switch x.Kind {
	case settlement.ExceptionPayoutUnknown, settlement.ExceptionUncredited, settlement.ExceptionReturned, settlement.ExceptionContradiction, settlement.ExceptionPayoutAmount:
		return payoutNumber.FindString(x.Detail)
	case settlement.ExceptionNeverSent:
		if x.MID != settlement.House { // else it is no payout of ours
			return payoutNumber.FindString(x.Detail)
		}
	}
	return ""
}
