package backoffice

import (
	"context"
	"io"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format/advice"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
)

// adviceForms are the forms of a merchant's settlement file by the ends of their
// names. The last is written last: where it is, all are.
var adviceForms = [...]struct {
	ext   string
	write func(io.Writer, *advice.File) error
}{{".csv", advice.WriteCSV}, {".xml", advice.WriteCAMT054}}

// WriteAdvice writes a merchant's settlement file of a day in both its forms:
// MID/DATE.csv and MID/DATE.xml. The same day gives the same bytes. It returns
// fault.Conflict for a day whose last run is not done, and fault.Invalid where
// lines and batches do not agree; then nothing is written.
func (o *Office) WriteAdvice(ctx context.Context, mid string, day calendar.Date) error {
	if o.Advice == nil {
		return nil
	}
	m, err := o.Keeper.MerchantRecord(ctx, mid)
	if err != nil {
		return err
	}
	file, err := o.adviceOf(ctx, &m, day)
	if err != nil {
		return err
	}
	o.reach(Advising, AfterRead)
	folder := o.Advice.Sub(mid)
	for _, form := range adviceForms {
		err := folder.Put(ctx, day.String()+form.ext, func(w io.Writer) error { return form.write(w, file) }, func() error {
			o.reach(Advising, BeforeRename)
			return nil
		})
		if err != nil {
			return err
		}
		o.reach(Advising, AfterRename)
	}
	set(&o.seen, &o.seen.advised, mid, day)
	return nil
}

// adviceOf puts a day's lines together.
func (o *Office) adviceOf(ctx context.Context, m *merchant.Merchant, day calendar.Date) (*advice.File, error) {
	batches, err := o.Keeper.Batches(ctx, m.MID, m.Currency, day)
	if err != nil {
		return nil, err
	}
	file := &advice.File{MID: m.MID, Name: m.Name, Currency: m.Currency, Date: day, Zone: o.zoneOf(m)}
	for i := range batches {
		file.Count += batches[i].Lines
		file.Total += batches[i].Net
		if batches[i].Final && batches[i].State == settlement.Settled {
			file.At = batches[i].Closed
		}
	}
	if file.At.IsZero() {
		return nil, fault.New(fault.Conflict, fault.Say("write settlement file", "写结算文件"), m.MID+" "+day.String(),
			fault.Say("the day's last run is not done", "当日最后一次结算尚未完成"), fault.Say("it is written when the day is settled", "结算完成后生成"))
	}
	for l, err := range o.Keeper.Lines(ctx, m.MID, m.Currency, day) {
		if err != nil {
			return nil, err
		}
		id, about := l.FactID()
		file.Lines = append(file.Lines, advice.Line{ID: id, At: l.At, Kind: l.Kind, Gross: l.Gross, Fee: l.Fee, Net: l.Net, Time: l.Time, Payout: l.Payout,
			Payment: about, TID: l.TID, Batch: l.Keys.Batch, STAN: l.STAN, RRN: l.RRN, AuthCode: l.AuthCode, OrderID: l.OrderID, PAN: l.PAN,
			CardType: l.CardType, Network: l.Network, Issuer: l.Issuer, OriginalRRN: l.OriginalRRN, OriginalSTAN: l.OriginalSTAN})
	}
	return file, nil
}

// adviceDue reports whether the settlement file of a merchant's latest settled day
// is still to be written.
func (o *Office) adviceDue(ctx context.Context, mid string, closed calendar.Date) (bool, error) {
	if o.Advice == nil || closed == calendar.None {
		return false, nil
	}
	if d, ok := get(&o.seen, &o.seen.advised, mid); ok && d >= closed {
		return false, nil
	}
	there, err := o.Advice.Sub(mid).Has(ctx, closed.String()+adviceForms[len(adviceForms)-1].ext)
	if err == nil && there {
		set(&o.seen, &o.seen.advised, mid, closed)
	}
	return !there, err
}
