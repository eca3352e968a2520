package format

import (
	"maps"
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// A shop's own list often names neither merchant nor terminal: to the shop there
// is one of each. Where the other inputs speak of one merchant only, such rows are
// that merchant's, and of its terminal where it has only one; otherwise they wait
// for the person to say (--mid). Evidence in the contract's own form is left as it
// stands.

// adopt gives the facts of tables that name no merchant to the only one there is.
func (l *Loaded) adopt(set *evidence.Set) {
	if len(l.homeless) == 0 {
		return
	}
	mids, tids := map[evidence.Word]bool{}, map[evidence.Word]bool{}
	for _, f := range set.All {
		if f.MID != 0 {
			mids[f.MID] = true
		}
		if f.TID != 0 {
			tids[f.TID] = true
		}
		if len(mids) > 1 {
			return
		}
	}
	only := func(of map[evidence.Word]bool) evidence.Word {
		for w := range of {
			if len(of) == 1 {
				return w
			}
		}
		return 0
	}
	mid, tid := only(mids), only(tids)
	if mid == 0 {
		return
	}
	for _, file := range slices.Sorted(maps.Keys(l.homeless)) {
		rows := 0
		for _, f := range set.From(file) {
			if f.Homeless() {
				f.MID, f.TID = mid, tid
				rows++
			}
		}
		l.Warnings = append(l.Warnings, Note{File: l.Sources[l.homeless[file]].File, Why: fault.Say(
			"%d rows name no merchant; they are taken for those of %s, the only one in the evidence (--mid names another)",
			"%d 行未写商户号，按记录中唯一的商户 %s 计（如属其他商户，请用 --mid 指定）", rows, set.Words.Text(mid))})
	}
}
