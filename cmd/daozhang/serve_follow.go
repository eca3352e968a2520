package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"sync/atomic"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// inquiry is the continuous investigation as it is asked: the same until another
// takes its place, which happens when the node gives merchants up.
type inquiry struct {
	now atomic.Pointer[investigation.Live]
}

// Read is that of investigation.Live.
func (i *inquiry) Read(use func(*investigation.Current)) { i.now.Load().Read(use) }

// AsOf is that of investigation.Live.
func (i *inquiry) AsOf() evidence.Instant { return i.now.Load().AsOf() }

// Changed is that of investigation.Live; who waits looks again now and then, since
// another Live may stand in its place.
func (i *inquiry) Changed() <-chan struct{} { return i.now.Load().Changed() }

// Advance is that of investigation.Live.
func (i *inquiry) Advance(t evidence.Instant) error { return i.now.Load().Advance(t) }

// newLive makes an investigation that knows nothing yet.
func (p *platform) newLive() (*investigation.Live, error) {
	_, offset := p.m.Now().In(p.m.Zone).Zone()
	return investigation.NewLive(investigation.LiveOptions{AsOf: evidence.InstantOf(p.m.Now()), Offset: int16(offset / 60), Load: p.reload})
}

// follower feeds an investigation with evidence as the store has it. Its cursor
// moves on once what was read has been taken, so that nothing is passed over.
type follower struct {
	read  func(ctx context.Context, after store.Cursor, limit int) ([]store.Line, store.Cursor, error)
	add   func(lines []store.Line) error
	parts payment.PartSet // of the merchants whose facts it takes
	// general are facts of no merchant, such as bank entries, links and notices.
	general bool
	page    int
	after   store.Cursor
}

// step takes one page of facts, how many it says; more is true where there are
// more now. After an error the same page comes again.
func (f *follower) step(ctx context.Context) (taken int, more bool, err error) {
	lines, next, err := f.read(ctx, f.after, f.page)
	if err != nil {
		return 0, false, err
	}
	own := lines
	if f.parts != payment.AllParts || !f.general {
		own = nil
		for _, l := range lines {
			if l.MID == "" && f.general || l.MID != "" && f.parts.HasMerchant(l.MID) {
				own = append(own, l)
			}
		}
	}
	if len(own) > 0 {
		if err := f.add(own); err != nil {
			return 0, false, err
		}
	}
	f.after = next
	return len(own), len(lines) == f.page, nil
}

// catchUp takes all that is there.
func (f *follower) catchUp(ctx context.Context) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if _, more, err = f.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// adder gives facts to an investigation.
func (p *platform) adder(live *investigation.Live) func([]store.Line) error {
	var buf bytes.Buffer
	return func(lines []store.Line) error {
		buf.Reset()
		for i := range lines {
			buf.Write(lines[i].JSON)
			buf.WriteByte('\n')
		}
		added, err := live.AddNDJSON(&buf, func(line int, why fault.Text) {
			l := lines[min(line, len(lines))-1]
			p.log.Error("evidence not understood", "evidence", l.Source+"#"+l.ID, "why", why.EN)
		})
		for _, late := range added.Late {
			p.log.Warn("evidence of a payment that is sealed and could not be brought back", "why", late.Why.EN)
		}
		return err
	}
}

const followPage = 5000

func (p *platform) follower(live *investigation.Live, parts payment.PartSet) *follower {
	return &follower{read: p.db.Evidence, add: p.adder(live), parts: parts, general: true, page: followPage}
}

// follow feeds the investigation: all evidence of the store once, then what is
// added, and the time as it passes. Where several nodes divide the merchants, it
// follows the division.
func (p *platform) follow(ctx context.Context) {
	changed, stop := p.db.Watch()
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	if !p.division.begun(ctx) {
		return
	}
	live := p.live.now.Load()
	f := p.follower(live, p.division.holds())
	for {
		if more := p.followOnce(ctx, &live, &f); more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.division.changes():
		case <-changed:
			// Many commits are one look: the investigation may be a moment behind.
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// followOnce brings the investigation one page on; more says that there may be
// more to do at once.
func (p *platform) followOnce(ctx context.Context, live **investigation.Live, f **follower) (more bool) {
	if err := p.followDivision(ctx, live, f); err != nil {
		p.followFailed(ctx, err)
		return false
	}
	p.advance(*live)
	taken, more, err := (*f).step(ctx)
	if err != nil {
		p.followFailed(ctx, err)
		return false
	}
	p.followed.Add(int64(taken))
	p.reached.Store((*f).after)
	if !more {
		if p.live.now.Load() != *live {
			p.live.now.Store(*live)
		}
		p.answers.Store(uint64((*f).parts))
		p.caughtUp.Store(true)
	}
	return more
}

func (p *platform) followFailed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		p.log.Error("evidence not taken; it is read again", "error", err)
	}
}

// followDivision takes the facts of merchants that have come to this node. Where
// some have gone, an investigation without them is begun beside, since what it
// sums up would count them twice in all; until it knows all, the former answers.
func (p *platform) followDivision(ctx context.Context, live **investigation.Live, f **follower) error {
	want := p.division.holds()
	if lost := (*f).parts &^ want; lost != 0 {
		next, err := p.newLive()
		if err != nil {
			return err
		}
		p.answers.Store(p.answers.Load() & uint64(want))
		*live, *f = next, p.follower(next, want)
		return nil
	}
	gained := want &^ (*f).parts
	if gained == 0 {
		return nil
	}
	since := p.follower(*live, gained)
	since.general = false
	if err := since.catchUp(ctx); err != nil {
		return err
	}
	(*f).parts |= gained
	return nil
}

// abreast reports whether the investigation has taken all evidence that is on
// record.
func (p *platform) abreast(ctx context.Context) bool {
	after, _ := p.reached.Load().(store.Cursor)
	lines, _, err := p.db.Evidence(ctx, after, 1)
	return err == nil && len(lines) == 0
}

func (p *platform) advance(live *investigation.Live) {
	if err := live.Advance(evidence.InstantOf(p.m.Now())); err != nil && !errors.Is(err, investigation.ErrBackwards) {
		p.log.Error("investigation not advanced", "error", err)
	}
}

// reload gives the facts of a payment that has left the investigation's memory.
// Most lie with its merchant; for those that name no merchant, such as bank
// entries, all evidence is gone through, which happens seldom: only when a late
// fact speaks of a sealed payment.
func (p *platform) reload(s investigation.Sealed) (io.ReadCloser, error) {
	ctx := context.Background()
	missing := make(map[investigation.FactName]bool, len(s.Facts))
	for _, f := range s.Facts {
		missing[f] = true
	}
	wanted := maps.Clone(missing)
	var b bytes.Buffer
	take := func(l *store.Line) {
		if name := (investigation.FactName{Source: l.Source, ID: l.ID}); wanted[name] {
			b.Write(l.JSON) // of several versions all
			b.WriteByte('\n')
			delete(missing, name)
		}
	}
	for l, err := range p.db.EvidenceOf(ctx, s.MID) {
		if err != nil {
			return nil, err
		}
		take(&l)
	}
	const page = 2000
	wanted = maps.Clone(missing)
	for after := store.Cursor(""); len(missing) > 0; {
		lines, next, err := p.db.Evidence(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for i := range lines {
			take(&lines[i])
		}
		if after = next; len(lines) < page {
			break
		}
	}
	return io.NopCloser(&b), nil
}
