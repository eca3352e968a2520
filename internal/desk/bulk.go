package desk

import (
	"context"
	"slices"
	"strings"
	"sync"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// Bulk is the same done to many items. Text is the remark, which is required.
type Bulk struct {
	// Keys are the items; where there are none, all that pass Filter are meant, in
	// whatever inbox it names.
	Keys    []Key
	Filter  Filter
	Command Command
	// Expect is how many the person saw; where more pass the filter by now, nothing is
	// done. 0: whatever there are.
	Expect int
}

// BulkResult is what became of each.
type BulkResult struct {
	Done []Key
	// Ineligible are those that it cannot be done to as they are, Failed those where
	// it should have worked; each with its reason.
	Ineligible, Failed []Refusal
}

// Refusal is why something was not done to an item.
type Refusal struct {
	Key Key
	Why error
}

// bulkActs are what may be done to many at once.
var bulkActs = []Act{Assign, Snooze, Wake, SetDue, Comment, Escalate, Resolve}

// MostBulk is how many items are taken at once.
const MostBulk = 20_000

// side by side, so that their commits are grouped.
const bulkWorkers = 32

// Bulk does the same to many items, each by itself: what cannot be done to one does
// not keep it from the others. The error is of kind fault.Invalid for a request that
// says too little or too much, fault.Conflict where more pass the filter than were
// seen, fault.NotAllowed for the role.
func (d *Desk) Bulk(ctx context.Context, who Actor, b Bulk) (*BulkResult, error) {
	op := fault.Say("do to many", "批量处理")
	if err := admits(who, Key{MID: who.MID}, b.Command.Do); err != nil {
		return nil, err
	}
	b.Command.Text = strings.TrimSpace(b.Command.Text)
	switch {
	case !slices.Contains(bulkActs, b.Command.Do):
		return nil, fault.New(fault.Invalid, op, string(b.Command.Do), fault.Say("that is done one by one", "该操作须逐笔进行"), fault.Say("many can be assigned, snoozed, woken, commented, escalated or resolved", "批量仅支持分配、暂缓、恢复、备注、升级和解决"))
	case b.Command.Text == "":
		return nil, fault.New(fault.Invalid, op, string(b.Command.Do), fault.Say("a remark is needed", "须填写备注"), fault.Say("say in a sentence why the same is done to all", "请说明批量处理的理由"))
	}
	f := b.Filter
	f.own(who)
	w, err := d.gather(ctx, f.MID)
	if err != nil {
		return nil, err
	}
	r := &BulkResult{}
	var items []*Item
	if len(b.Keys) > 0 {
		items = d.picked(ctx, who, w, b.Keys, r)
	} else {
		for i := range w.items {
			x := &w.items[i]
			in := f.Inbox
			if in == "" {
				in = Team
			}
			if f.passes(x) && x.lies(in, who.Name) {
				items = append(items, x)
			}
		}
	}
	switch {
	case len(items) > MostBulk:
		return nil, fault.New(fault.Invalid, op, "", fault.Say("%d at once are too many", "一次处理 %d 笔过多", len(items)), fault.Say("narrow the filter: at most %d", "请缩小筛选范围，最多 %d 笔", MostBulk))
	case b.Expect > 0 && len(items) > b.Expect && len(b.Keys) == 0:
		return nil, fault.New(fault.Conflict, op, "", fault.Say("%d pass the filter by now, %d were seen", "现有 %d 笔符合筛选，查看时为 %d 笔", len(items), b.Expect), fault.Say("look at the list again", "请刷新清单后再操作"))
	}
	slices.SortFunc(items, compareItems)
	d.each(ctx, who, items, b.Command, r)
	return r, nil
}

// picked are the items of some keys.
func (d *Desk) picked(ctx context.Context, who Actor, w *work, keys []Key, r *BulkResult) (items []*Item) {
	seen := map[Key]bool{}
	for _, k := range keys {
		if seen[k] {
			continue
		}
		seen[k] = true
		if who.Role == access.Merchant && k.MID != who.MID {
			r.Ineligible = append(r.Ineligible, Refusal{k, noItem(k)})
			continue
		}
		if at, ok := w.find(k); ok {
			items = append(items, &w.items[at])
			continue
		}
		x, err := d.look(ctx, k)
		if err != nil {
			r.Ineligible = append(r.Ineligible, Refusal{k, err})
			continue
		}
		items = append(items, x)
	}
	return items
}

// each does it to all.
func (d *Desk) each(ctx context.Context, who Actor, items []*Item, cmd Command, r *BulkResult) {
	cmd.Version = AnyVersion
	errs := make([]error, len(items))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(bulkWorkers, len(items)) {
		workers.Go(func() {
			for i := range next {
				c := cmd
				c.Parts = slices.Clone(cmd.Parts)
				if _, errs[i] = d.do(ctx, who, items[i], c); fault.KindOf(errs[i]) == fault.Conflict && errs[i] != nil {
					// Somebody may have been there in between: as it is now.
					_, errs[i] = d.Do(ctx, who, items[i].Key, c)
				}
			}
		})
	}
	for i := range items {
		next <- i
	}
	close(next)
	workers.Wait()
	for i, err := range errs {
		k := items[i].Key
		switch {
		case err == nil:
			r.Done = append(r.Done, k)
		case fault.KindOf(err) == fault.Conflict || fault.KindOf(err) == fault.NotAllowed || fault.KindOf(err) == fault.NotFound || fault.KindOf(err) == fault.Invalid:
			r.Ineligible = append(r.Ineligible, Refusal{k, err})
		default:
			r.Failed = append(r.Failed, Refusal{k, err})
		}
	}
}
