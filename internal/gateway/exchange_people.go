package gateway

import (
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// unreleased is what people get as an answer to Release where it did not happen.
func unreleased(kind fault.Kind, id payment.ID, why, hint fault.Text) error {
	return fault.New(kind, fault.Say("release payment", "解除支付冻结"), id.String(), why, hint)
}

func notHeld(id payment.ID) error {
	return unreleased(fault.Conflict, id, fault.Say("risk does not hold it", "该笔交易未被风控冻结"),
		fault.Say("it was released already, or it is not approved", "可能已经解除，或交易未处于已批准状态"))
}

func notReleased(id payment.ID) error {
	return unreleased(fault.Internal, id, fault.Say("it could not be written", "未能写入"), fault.Say("nothing has happened; try again", "没有任何改动，请重试"))
}

// Release ends a risk hold by decision of two people, maker and checker. row is
// the transaction as the store has it, for one that has left the memory. What
// became of it is told with the token once it is durable.
func (x *Exchange) Release(now time.Time, token uint64, row *payment.Transaction, maker, checker string) {
	now = x.at(now)
	if x.halted {
		x.do(Action{Kind: Tell, Token: token, Err: ErrHalted})
		return
	}
	if t := x.Book.Find(row.ID); (t == nil || t.Version < row.Version) && x.locks[row.ID] == 0 {
		x.Book.Recall(row.MID, row.RRN, row)
	}
	x.when(now, x.Book.Find(row.ID), func(now time.Time) {
		d := x.Book.Release(now, row.ID, maker, checker)
		if d.Step == nil {
			x.do(Action{Kind: Tell, Token: token, Err: notHeld(row.ID)})
			return
		}
		x.commit(now, d, nil, nil)
		if w := x.writes[x.token]; w != nil && !x.halted {
			w.told = token
		}
	})
}
