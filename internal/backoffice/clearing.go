package backoffice

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

var moneyless money.Currency

func (n *Network) folder() string { return "clearing/" + n.Name }

// ImportClearing reads what is new of a network's clearing files, in the order in
// which they came, and books each that is whole: merchant by merchant, what
// differs from an earlier issue. What cannot be booked is refused with an
// exception; see settlement.Day.Admit.
func (o *Office) ImportClearing(ctx context.Context, network string) (Tally, error) {
	var tally Tally
	n, err := o.network(network)
	if err != nil {
		return tally, err
	}
	err = o.read(ctx, Import, n.folder(), n.Clearing, &tally, func(in *incoming) (Filing, error) { return o.importFile(ctx, n, in) })
	return tally, err
}

// importFile reads and books one file.
func (o *Office) importFile(ctx context.Context, n *Network, in *incoming) (Filing, error) {
	read, why, err := o.readClearing(ctx, n, in)
	if err != nil {
		return Filing{}, err
	}
	if !why.None() {
		return o.refuse(ctx, Import, in, "network/"+n.Name, why)
	}
	filing := in.filing(o.Now())
	f := &read.file
	filing.Format, filing.Network, filing.Date = read.format, n.Name, f.Date
	filing.Rows, filing.Refused, filing.Total = f.Lines, f.Broken, f.Sum
	err = o.again(fault.Say("import clearing file", "导入清算文件"), in.Name, func() error {
		return o.bookClearing(ctx, n, read, &filing)
	})
	if err != nil {
		return filing, err
	}
	if filing.State != Refused {
		err = o.settled(ctx, Import, o.Now(), ExceptionFile, "a file that can be read came", in.about())
	}
	return filing, err
}

// bookClearing decides what to do with a file and does it.
func (o *Office) bookClearing(ctx context.Context, n *Network, read *clearingFile, filing *Filing) error {
	now, f := o.Now(), &read.file
	day, err := o.day(ctx, n, f.Date)
	if err != nil {
		return err
	}
	verdict, step := day.Admit(now, f)
	if err := o.commit(ctx, Import, step); err != nil {
		return err
	}
	switch verdict {
	case settlement.Duplicate:
		filing.State = Repeated
		return nil
	case settlement.Outdated:
		filing.State = Outdated
		return nil
	case settlement.Refuse:
		filing.State, filing.Why = Refused, refusal(step)
		return nil
	}
	filing.State, filing.Taken = Taken, 0
	c := settlement.Clearing{Policy: &o.Policy, Now: now, File: f, Issue: day.Issues + 1, Zone: zoneOr(n.Zone), DayEnds: n.dayEnds(f.Date)}
	if err := o.reconcileAll(ctx, c, read, filing); err != nil {
		return err
	}
	if err := o.commit(ctx, Import, day.Take(now, f, c.Zone)); err != nil {
		return err
	}
	if len(day.Entries) > 0 {
		return o.Fund(ctx, n.Name, f.Date)
	}
	return nil
}

func refusal(s *settlement.Step) string {
	if s == nil || len(s.Exceptions) == 0 {
		return ""
	}
	return s.Exceptions[0].Detail
}

// day is a network's day as on record, or as it begins.
func (o *Office) day(ctx context.Context, n *Network, date calendar.Date) (settlement.Day, error) {
	day, err := o.Keeper.Day(ctx, n.Name, date)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return settlement.Owed(n.Name, date, n.Currency), nil
	}
	return day, err
}

// reconcileAll holds the file against the ledger for every merchant that has
// lines in it, rows of an earlier issue, or captures that it should have; then the
// lines that are of nobody.
func (o *Office) reconcileAll(ctx context.Context, c settlement.Clearing, read *clearingFile, filing *Filing) error {
	network, date := c.File.Network, c.File.Date
	mids := map[string]bool{}
	for mid := range read.lines {
		mids[mid] = true
	}
	for s, err := range o.Keeper.Shares(ctx, network, date) {
		if err != nil {
			return err
		}
		mids[s.MID] = true
	}
	for mid, err := range o.Keeper.Uncleared(ctx, network, date) {
		if err != nil {
			return err
		}
		mids[mid] = true
	}
	var strangers []settlement.NetworkLine
	house := mids[settlement.House]
	delete(mids, settlement.House)
	var ours []string
	for _, mid := range slices.Sorted(maps.Keys(mids)) {
		_, err := o.Keeper.MerchantRecord(ctx, mid)
		switch {
		case err == nil:
			ours = append(ours, mid)
		case fault.KindOf(err) == fault.NotFound:
			strangers = read.take(strangers, mid)
		default:
			return err
		}
	}
	var taken atomic.Int64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(o.atOnce())
	for _, mid := range ours {
		one := func() error {
			part := c
			part.Lines = read.take(nil, mid)
			changed, err := o.reconcile(within, part, mid)
			taken.Add(changed)
			return err
		}
		if o.Reached != nil { // whoever listens to the points wants them in order
			if err := one(); err != nil {
				return err
			}
			continue
		}
		group.Go(one)
	}
	if err := group.Wait(); err != nil {
		return err
	}
	filing.Taken += taken.Load()
	strangers = read.take(strangers, settlement.House)
	if len(strangers) == 0 && !house {
		return nil
	}
	c.Lines = strangers
	changed, err := o.reconcile(ctx, c, settlement.House)
	filing.Taken += changed
	return err
}

// atOnce is for how many merchants a file is held against the ledger at the same
// time: while the record writes one merchant's part, others are decided.
func (o *Office) atOnce() int { return 4 * runtime.GOMAXPROCS(0) }

// reconcile does it for one merchant, or for settlement.House.
func (o *Office) reconcile(ctx context.Context, c settlement.Clearing, mid string) (changed int64, err error) {
	network, date := c.File.Network, c.File.Date
	err = o.again(fault.Say("reconcile clearing", "核对清算文件"), mid+" "+date.String(), func() (err error) {
		c.Share, err = o.Keeper.Share(ctx, mid, network, date)
		if err != nil {
			if fault.KindOf(err) != fault.NotFound {
				return err
			}
			c.Share = settlement.Share{MID: mid, Network: network, Date: date, Currency: c.File.Currency}
		}
		if c.Prior, err = o.Keeper.Cleared(ctx, mid, network, date); err != nil {
			return err
		}
		if c.Open, err = o.Keeper.OpenExceptions(ctx, mid); err != nil {
			return err
		}
		if mid != settlement.House {
			if err = o.ours(ctx, &c, mid); err != nil {
				return err
			}
		}
		o.reach(Import, AfterRead)
		decide := settlement.Reconcile
		if mid == settlement.House {
			decide = settlement.Unplaced
		}
		step, _, err := decide(c)
		if err != nil || step == nil {
			return err
		}
		changed = int64(len(step.Cleared))
		return o.commit(ctx, Import, step)
	})
	return changed, err
}

// ours reads what a merchant's lines can be about: what waits for the file, which is
// mostly all there is to know, and the rest where the lines or what is open ask for it.
func (o *Office) ours(ctx context.Context, c *settlement.Clearing, mid string) (err error) {
	network, date := c.File.Network, c.File.Date
	if len(c.Prior) == 0 {
		if c.Ours, err = o.Keeper.Awaiting(ctx, mid, network, date); err != nil || c.Accounted() {
			return err
		}
	}
	c.Ours, err = o.Keeper.Ours(ctx, mid, network, date, references(c.Lines))
	return err
}

// references are the retrieval references of lines, each once.
func references(lines []settlement.NetworkLine) []string {
	var all []string
	for i := range lines {
		for _, rrn := range [...]string{lines[i].RRN, lines[i].OriginalRRN} {
			if rrn != "" {
				all = append(all, rrn)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// clearingFile is a file as it was read.
type clearingFile struct {
	format string
	file   settlement.File
	set    *evidence.Set
	// lines are the facts of each merchant.
	lines map[string][]evidence.FactRef
}

// take appends a merchant's lines.
func (c *clearingFile) take(to []settlement.NetworkLine, mid string) []settlement.NetworkLine {
	to = slices.Grow(to, len(c.lines[mid]))
	for _, r := range c.lines[mid] {
		to = append(to, networkLine(c.set, r))
	}
	return to
}

// readClearing reads a file. why says that it is no clearing file of the network.
func (o *Office) readClearing(ctx context.Context, n *Network, in *incoming) (_ *clearingFile, why fault.Text, err error) {
	set, loaded, err := in.load(ctx, format.Hints{Zone: zoneOr(n.Zone), Currency: n.Currency})
	if err != nil {
		return nil, why, err
	}
	read := &clearingFile{set: set, lines: map[string][]evidence.FactRef{}}
	if len(loaded.Sources) > 0 {
		read.format = loaded.Sources[0].Format
	}
	var trailers []evidence.FactRef
	var d settlement.Digester
	dates := map[calendar.Date]int64{}
	currencies := map[money.Currency]int64{}
	networks := map[string]int64{}
	for r, f := range set.All {
		switch f.Type {
		case evidence.ClearingFile:
			trailers = append(trailers, r)
		case evidence.ClearingLine:
			l := networkLine(set, r)
			d.Add(&l)
			dates[f.Date]++
			currencies[f.Currency]++
			networks[l.Network]++
			read.lines[l.MID] = append(read.lines[l.MID], r)
		}
	}
	if lines := read.lines[""]; lines != nil { // they name nobody
		delete(read.lines, "")
		read.lines[settlement.House] = lines
	}
	if len(trailers) == 0 && len(dates) == 0 {
		why = reasons(loaded.Rejected)
		if why.None() {
			why = fault.Say("it holds no lines of clearing", "文件中没有清算明细")
		}
		return nil, why, nil
	}
	date, currency := most(dates), n.Currency
	f := d.File(n.Name, date, currency)
	f.Name = in.Name
	f.Broken += int64(len(loaded.Rejected))
	if len(trailers) > 0 {
		t := set.At(trailers[0])
		f.Date = t.Date
		f.Count, _ = set.Num(trailers[0], evidence.Count)
		f.Total, _ = set.Num(trailers[0], evidence.Total)
		f.Declared = true
		f.Version = issueOf(set, trailers[0])
		if t.Currency != moneyless {
			currencies[t.Currency]++
		}
		networks[set.Words.Text(t.Network)]++
		f.Broken += int64(len(trailers) - 1) // two days in one file, or one that was put together
	}
	for network := range networks {
		if network != "" && network != n.Name {
			return nil, fault.Say("it is a file of another network (%s)", "这是其他卡组织的文件（%s）", printableName(network)), nil
		}
	}
	for d, count := range dates {
		if d != calendar.None && d != f.Date {
			f.Broken += count
		}
	}
	for c, count := range currencies {
		if c != n.Currency {
			f.Broken += count
		}
	}
	switch today := calendar.DateIn(o.Now(), zoneOr(n.Zone)); {
	case f.Date == calendar.None:
		return nil, fault.Say("it does not say of which business day it is", "文件没有写明清算日期"), nil
	case f.Date > today.Add(1):
		return nil, fault.Say("its business day %s is still to come", "清算日期 %s 尚未到来", f.Date), nil
	}
	read.file = f
	return read, why, nil
}

// most is the date that stands at most lines.
func most(dates map[calendar.Date]int64) calendar.Date {
	best := calendar.None
	for _, d := range slices.Sorted(maps.Keys(dates)) {
		if best == calendar.None || dates[d] > dates[best] {
			best = d
		}
	}
	return best
}

// issueOf is the number of a trailer's issue, 0 where it has none.
func issueOf(set *evidence.Set, r evidence.FactRef) int {
	f := unknownFields(set, r)
	for _, name := range [...]string{"version", "issue"} {
		if v, err := strconv.Atoi(strings.TrimSpace(f.text(name))); err == nil && v > 0 {
			return v
		}
	}
	return 0
}

// networkLine reads a fact.
func networkLine(set *evidence.Set, r evidence.FactRef) settlement.NetworkLine {
	f, w := set.At(r), set.Words
	l := settlement.NetworkLine{Line: int(f.Line), MID: w.Text(f.MID), Kind: f.Kind, Currency: f.Currency,
		Keys: settlement.Keys{TID: w.Text(f.TID), Batch: w.Text(f.Batch), STAN: w.Text(f.STAN), RRN: w.Text(f.RRN), AuthCode: w.Text(f.AuthCode),
			OrderID: w.Text(f.OrderID), PAN: w.Text(f.PAN), CardType: f.CardType, Network: w.Text(f.Network), Issuer: w.Text(f.Issuer),
			OriginalRRN: set.Text(r, evidence.OriginalRRN), OriginalSTAN: set.Text(r, evidence.OriginalSTAN)}}
	l.Amount, _ = f.Amount()
	if f.TransactionTime != 0 {
		l.Time = f.TransactionTime.In(time.UTC)
	}
	return l
}

// load reads the file by whatever format it is of.
func (in *incoming) load(ctx context.Context, hints format.Hints) (*evidence.Set, *format.Loaded, error) {
	r, err := in.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	set := evidence.NewSet()
	loaded, err := format.Load(ctx, []string{"-"}, format.Options{Hints: hints, Stdin: r}, registry.All(), set, nil)
	if closed := r.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), fault.Say("read file", "读取文件"), in.folder+"/"+in.Name, err, "")
	}
	return set, loaded, nil
}
