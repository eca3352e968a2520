package backoffice

import (
	"context"

	"daozhang/internal/evidence"
	"daozhang/internal/payment"
)

// Holder is whose an account is: a payout bank's of ours, or a merchant's.
type Holder struct {
	// Bank is the bank that keeps the safeguarded account; "" for a merchant's.
	Bank string
	MID  string
}

// Holders tells whose accounts are, by account number; those of nobody here are
// left out. It is for files that come another way than by the folders.
func (o *Office) Holders(ctx context.Context, accounts []string) (map[string]Holder, error) {
	own, err := o.owners(ctx, accounts)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Holder, len(own))
	for account, who := range own {
		h := Holder{MID: who.mid}
		if who.bank != nil {
			h.Bank = who.bank.Name
		}
		out[account] = h
	}
	return out, nil
}

// AccountFact is a bank.entry or bank.statement about a merchant's account in the
// form in which the back office keeps it, whichever way it came: so it is one fact.
func AccountFact(set *evidence.Set, r evidence.FactRef, mid string) payment.Evidence {
	return masked(set, r, mid)
}

// Boxes are the folders in which the office finds files, by their names as in
// Filing.Folder.
func (o *Office) Boxes() map[string]Folder {
	all := map[string]Folder{}
	for i := range o.Networks {
		all[o.Networks[i].folder()] = o.Networks[i].Clearing
	}
	for i := range o.Banks {
		for _, box := range o.Banks[i].inboxes() {
			if box.Folder != nil {
				all[box.name] = box.Folder
			}
		}
	}
	return all
}
