package intake

import (
	"cmp"
	"slices"
	"time"

	"daozhang/internal/evidence"
)

// Health is what a terminal last told of itself.
type Health struct {
	// Heard is when anything was told, zero for never.
	Heard time.Time
	// Version is that of its software; "" where it never said.
	Version string
	// Pending is how many transactions it had not sent when it last said so.
	Pending int64
	// Parts are those that it ever spoke of, in order of name.
	Parts []Part
}

// Part is the state of one part of a terminal.
type Part struct {
	Name   string // component
	State  string // ok, degraded, failed
	Since  time.Time
	Detail string
}

// Worst is the worst state among the parts: "failed", "degraded", "ok", or "" where
// nothing was told.
func (h *Health) Worst() string {
	worst := ""
	rank := map[string]int{"": 0, "ok": 1, "degraded": 2, "failed": 3}
	for _, p := range h.Parts {
		if rank[p.State] > rank[worst] {
			worst = p.State
		}
	}
	return worst
}

// HealthOf gathers what terminals told of themselves; wanted keeps some of them.
func HealthOf(v *evidence.View, wanted func(tid string) bool) map[string]*Health {
	type partKey struct{ tid, part string }
	all := map[string]*Health{}
	parts := map[partKey]evidence.FactRef{}
	software := map[string]evidence.FactRef{}
	of := func(tid string, at evidence.Instant) *Health {
		h := all[tid]
		if h == nil {
			h = &Health{}
			all[tid] = h
		}
		if t := at.In(time.UTC); t.After(h.Heard) {
			h.Heard = t
		}
		return h
	}
	for r, f := range v.Of(evidence.TerminalHealth) {
		tid := v.Words.Text(f.TID)
		if !wanted(tid) {
			continue
		}
		of(tid, f.Time)
		k := partKey{tid, v.Text(r, evidence.Component)}
		if was, ok := parts[k]; !ok || v.CompareTime(was, r) < 0 {
			parts[k] = r
		}
	}
	for r, f := range v.Of(evidence.TerminalSoftware) {
		tid := v.Words.Text(f.TID)
		if !wanted(tid) {
			continue
		}
		of(tid, f.Time)
		if was, ok := software[tid]; !ok || v.CompareTime(was, r) < 0 {
			software[tid] = r
		}
	}
	for tid, r := range software {
		all[tid].Version = v.Text(r, evidence.Version)
		all[tid].Pending, _ = v.Num(r, evidence.PendingCount)
	}
	for k, r := range parts {
		f := v.At(r)
		all[k.tid].Parts = append(all[k.tid].Parts, Part{Name: k.part, State: f.State.String(), Since: f.Time.In(time.UTC), Detail: v.Text(r, evidence.Detail)})
	}
	for _, h := range all {
		slices.SortFunc(h.Parts, func(a, b Part) int { return cmp.Compare(a.Name, b.Name) })
	}
	return all
}
