package settlement

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
)

// Funding is what a network paid into the safeguarded account for one of its
// days, as our bank's statement says.
type Funding struct {
	// Entry names the bank entry: the same entry twice has one effect on a day. One
	// that pays for several days is booked on each with its part.
	Entry string
	// Amount in minor units; negative where the network took it.
	Amount int64
	At     time.Time // booking
}

// Fund books what a network paid: each merchant's share goes from network_cleared
// to bank_safeguarded, and what the network paid more or less than its file says
// stands under House, with an exception, until it is paid or corrected. Shares are
// all of that network and day; the day's own step comes last, so an interrupted
// run begins anew. A funding of nil books what a corrected file changed after the
// network had paid.
//
// Errors: fault.Conflict where the day has no file yet: the money waits on the
// statement, and is booked when the file has come.
func Fund(now time.Time, d Day, f *Funding, shares iter.Seq2[Share, error], zone *time.Location) iter.Seq2[*Step, error] {
	return func(yield func(*Step, error) bool) {
		op := fault.Say("book network funding", "登记清算资金")
		subject := d.Network + " " + d.Date.String()
		if d.State == Awaited || d.State == DayClosed {
			yield(nil, fault.New(fault.Conflict, op, subject, fault.Say("the day has no file, or is closed", "当日没有清算文件或已关闭"),
				fault.Say("import the network's file first", "请先导入清算文件")))
			return
		}
		if f != nil && slices.Contains(d.Entries, f.Entry) || f == nil && len(d.Entries) == 0 {
			return
		}
		received := d.Received
		if f != nil {
			received = sum(received, f.Amount)
		}
		cleared := int64(0)
		for share, err := range shares {
			if err != nil {
				yield(nil, err)
				return
			}
			cleared = sum(cleared, share.Cleared)
			if share.Cleared == share.Funded {
				continue
			}
			s := newStep(share.MID, now)
			delta := share.Cleared - share.Funded
			share.Funded = share.Cleared
			share.Version++
			s.move(share.Currency, share.Date, ledger.BankSafeguarded, ledger.NetworkCleared, delta,
				"funding/"+share.Network+"/"+share.Date.String()+"/"+strconv.Itoa(int(share.Version)), reasonFunding)
			s.Shares = append(s.Shares, share)
			if err := Check(nil, s); err != nil {
				yield(nil, err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
		if cleared != d.Total {
			yield(nil, fault.New(fault.Internal, op, subject, &violation{8, fmt.Sprintf("shares of %d, the file's total is %d", cleared, d.Total)}, ""))
			return
		}
		s := newStep(House, now)
		differs := received - cleared
		key := "funding/" + d.Network + "/" + d.Date.String() + "/house/" + strconv.Itoa(int(d.Version)+1)
		s.move(d.Currency, d.Date, ledger.BankSafeguarded, ledger.NetworkCleared, differs-d.House, key, reasonFunding)
		d.Received, d.House = received, differs
		d.State = FileIn
		if differs == 0 {
			d.State = Funded
		}
		d.Version++
		if f != nil {
			d.Entries = append(slices.Clip(d.Entries), f.Entry)
			if f.Amount >= 0 {
				s.facts(zone).begin(evidence.NetworkFunding, "funding/"+d.Network, d.Date.String()+"/"+f.Entry, f.At).str("network", d.Network).date("date", d.Date).
					num("amount", f.Amount).str("currency", d.Currency.String()).end()
			}
		}
		x := payment.Exception{ID: derived(d.Date, ExceptionFunding+"/"+d.Network), MID: House, Kind: ExceptionFunding, Owner: "network/" + d.Network,
			Amount: abs(differs), Currency: d.Currency, Opened: now,
			Detail: fmt.Sprintf("%s paid %d for %s, its file comes to %d", d.Network, received, d.Date, cleared)}
		switch {
		case differs != 0:
			d.Excepted = true
			s.Exceptions = append(s.Exceptions, x)
		case d.Excepted:
			x.State, x.Closed = payment.ExceptionResolved, now
			d.Excepted = false
			s.Exceptions = append(s.Exceptions, x)
		}
		s.Days = append(s.Days, d)
		if err := Check(nil, s); err != nil {
			yield(nil, err)
			return
		}
		yield(s, nil)
	}
}

// Close ends a network's day: it is funded as its file says and takes nothing
// more. The error is of kind fault.Conflict where money is still missing.
func (d Day) Close(now time.Time) (*Step, error) {
	if d.State != Funded {
		return nil, fault.New(fault.Conflict, fault.Say("close clearing day", "关闭清算日"), d.Network+" "+d.Date.String(),
			fault.Say("it is not funded as its file says", "资金与清算文件不一致"), fault.Say("settle the difference with the network first", "请先与网络核对差额"))
	}
	s := newStep(House, now)
	d.State = DayClosed
	d.Version++
	s.Days = append(s.Days, d)
	return s, nil
}
