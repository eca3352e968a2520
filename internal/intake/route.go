package intake

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"daozhang/internal/backoffice"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// way is where a file goes: into a folder of the back office, to the evidence, or
// both.
type way struct {
	folder string
	told   bool
}

func accountFact(set *evidence.Set, ref evidence.FactRef, mid string) payment.Evidence {
	return backoffice.AccountFact(set, ref, mid)
}

// findHolders finds out whose the accounts in the file are.
func (r *reading) findHolders(ctx context.Context) error {
	var accounts []string
	for ref, f := range r.set.All {
		if f.Type != evidence.BankEntry && f.Type != evidence.BankStatement {
			continue
		}
		if a := r.set.Text(ref, evidence.Account); !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
	}
	if r.Office == nil || len(accounts) == 0 {
		return nil
	}
	found, err := r.Office.Holders(ctx, accounts)
	if err != nil {
		return err
	}
	r.holders = make(map[string]holder, len(found))
	for a, h := range found {
		r.holders[a] = holder{bank: h.Bank, mid: h.MID}
	}
	return nil
}

// route finds where the file goes by what it says, and refuses it where that
// cannot be known.
func (r *reading) route() (way, error) {
	if r.Office == nil {
		if r.u.To != "" {
			return way{}, r.noFolder()
		}
		return way{told: true}, nil
	}
	if r.u.To != "" {
		if r.Office.Boxes()[r.u.To] == nil {
			return way{}, r.noFolder()
		}
		return way{folder: r.u.To}, nil
	}
	networks, banks, merchants := map[string]bool{}, map[string]bool{}, false
	replies := strings.HasPrefix(r.file.Format, "pain.002")
	for _, f := range r.set.All {
		if f.Type == evidence.ClearingLine || f.Type == evidence.ClearingFile {
			networks[r.set.Words.Text(f.Network)] = true
		}
	}
	for _, h := range r.holders {
		if h.bank != "" {
			banks[h.bank] = true
		}
		merchants = merchants || h.mid != ""
	}
	switch {
	case len(networks) > 0:
		return r.clearing(networks), nil
	case replies && len(r.Office.Banks) > 0:
		return r.only("replies/"), nil
	case len(banks) == 1:
		return way{folder: "statements/" + slices.Collect(maps.Keys(banks))[0]}, nil
	case len(banks) > 1:
		r.refuse(fault.Say("it tells of our accounts at several banks; bring a file for each", "文件涉及我方在多家银行的账户，请逐个上传"))
	case merchants:
		// The answers rest on the evidence at once; the books learn of it by the folder.
		if w := r.only("payees/"); r.file.State != Refused && w.folder != "" {
			return way{folder: w.folder, told: true}, nil
		}
		r.file.State, r.file.Why = Taken, fault.Text{}
	}
	return way{told: true}, nil
}

func (r *reading) noFolder() error {
	return fault.New(fault.Usage, opBring, r.file.Name, fault.Say("there is no folder %s", "没有文件夹 %s", r.u.To),
		fault.Say("leave it open: it is found by the content", "可不填写，系统会按内容判断"))
}

// clearing is the folder of the network whose file it is.
func (r *reading) clearing(networks map[string]bool) way {
	delete(networks, "")
	names := slices.Sorted(maps.Keys(networks))
	if len(names) > 1 {
		r.refuse(fault.Say("it holds lines of several networks (%s); bring a file for each", "文件含多个卡组织的明细（%s），请逐个上传", strings.Join(names, ", ")))
		return way{}
	}
	for i := range r.Office.Networks {
		if n := r.Office.Networks[i].Name; len(names) == 0 && len(r.Office.Networks) == 1 || len(names) == 1 && names[0] == n {
			return way{folder: "clearing/" + n}
		}
	}
	return way{told: true} // of a network that does not clear with us
}

// only is the one folder that begins so; where there are several, the file is
// refused: nobody guesses with money.
func (r *reading) only(head string) way {
	var fit []string
	for name := range r.Office.Boxes() {
		if strings.HasPrefix(name, head) {
			fit = append(fit, name)
		}
	}
	slices.Sort(fit)
	switch len(fit) {
	case 0:
		return way{}
	case 1:
		return way{folder: fit[0]}
	}
	r.refuse(fault.Say("say into which folder it goes: %s", "请指明放入哪个文件夹：%s", strings.Join(fit, ", ")))
	return way{}
}

// hand gives the file to the back office. A clearing file with card numbers in
// clear is refused: it would lie in the folder as it is.
func (r *reading) hand(ctx context.Context, folder string) error {
	f := &r.file
	if filing, err := r.Keeper.Filing(ctx, folder, f.Hash); err == nil && filing.State != backoffice.Waiting {
		f.State, f.SentTo = Unchanged, folder
		f.Why = fault.Say("the back office has had it since %s as %s; nothing is changed", "清算处理已于 %s 以 %s 收到该文件，未作任何改动",
			filing.Received.In(r.zone()).Format("2006-01-02 15:04"), shownName(filing.Name))
		return nil
	} else if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if strings.HasPrefix(folder, "clearing/") {
		if _, found := card.MaskBytes(r.content); found {
			r.refuse(fault.Say("it holds card numbers in clear; have the network mask them (first six, last four)", "文件含明文卡号，请由卡组织脱敏（前六后四）后重新提供"))
			return nil
		}
	}
	f.State, f.SentTo = Handed, folder
	f.Streams = nil // the filing tells
	if r.u.Dry {
		return nil
	}
	name := f.Hash[:12] + "-" + f.Name
	return r.Office.Boxes()[folder].Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(r.content)
		return err
	}, nil)
}
