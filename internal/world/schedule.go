package world

import (
	"math/bits"

	"daozhang/internal/calendar"
)

// begin sets up the shops and what happens every day.
func (s *sim) begin() {
	s.makeRegions()
	s.makeMerchants()
	start := clockAt(s.cfg.From, 0, s.zone)
	s.last = start + int64(s.cfg.Days+DrainDays)*86400
	s.now = start - 3600
	for _, m := range s.merchants {
		s.stateTerms(m, start-86400)
	}
	s.sales()
	s.plan()
	for day := range s.cfg.Days + DrainDays {
		d := s.cfg.From.Add(day)
		s.at(clockAt(d, 0, s.zone)-9*3600, func() { s.day(d) })
	}
}

// day schedules what happens on one day, whoever sells.
func (s *sim) day(d calendar.Date) {
	for _, reg := range s.regions {
		for _, nw := range reg.networks {
			s.at(clockAt(d, reg.clearAt, reg.zone), func() { s.clear(reg, nw, d.Add(-1)) })
		}
	}
	for _, m := range s.merchants {
		s.at(clockAt(d, 390, m.reg.zone), func() { s.statement(m) })
		s.at(clockAt(d, m.settleAt, m.reg.zone), func() { s.settle(m, d) })
		s.at(clockAt(d, m.payoutAt, m.reg.zone), func() { s.payDay(m) })
		if m.byTerminal {
			for _, t := range m.terms {
				s.at(clockAt(d, m.closeAt, m.reg.zone), func() { s.closeBatch(t) })
				s.at(clockAt(d, 500, m.reg.zone), func() { s.health(t, "mainboard", "ok", s.now, false) })
			}
		}
	}
	for h := range 24 {
		s.at(clockAt(d, h*60+5, s.zone), func() { s.cover("gateway", 3600, s.now-300) })
	}
	for _, what := range []string{"payouts", "settlement", "risk", "orders"} {
		s.at(clockAt(d, 30, s.zone), func() { s.cover(what, 6*3600, clockAt(d, 0, s.zone)) })
		for _, h := range []int{6, 12, 18} {
			s.at(clockAt(d, h*60+30, s.zone), func() { s.cover(what, 6*3600, clockAt(d, h*60, s.zone)) })
		}
	}
	for _, a := range s.cfg.Ask {
		s.at(clockAt(d, a, s.zone), func() { s.ask() })
	}
}

// cover declares a witness complete for a period that ends at a time.
func (s *sim) cover(of string, seconds, to int64) {
	s.fact("coverage", "platform/coverage", s.now, s.zone).str("of", of).when("from", to-seconds).when("to", to).emit()
}

// sales spreads the payments over merchants, days and hours: each cell gets its
// share of the whole by weight, so that their number is exact and no list of
// them is kept.
func (s *sim) sales() {
	total := uint64(0)
	before := make([]uint64, s.cfg.Days) // the weight of all days before
	for day := range before {
		before[day] = total
		s.cells(day, func(_ *merchant, _ int, w uint64) { total += w })
	}
	if total == 0 {
		return
	}
	share := func(w uint64) int {
		hi, lo := bits.Mul64(w, uint64(s.cfg.Payments))
		q, _ := bits.Div64(hi, lo, total)
		return int(q)
	}
	for day := range s.cfg.Days {
		d := s.cfg.From.Add(day)
		s.at(clockAt(d, 0, s.zone)-8*3600, func() { s.salesOf(d, day, before[day], share) })
	}
}

// salesOf schedules one day's sales, hour by hour. Each hour draws its own.
func (s *sim) salesOf(d calendar.Date, day int, sum uint64, share func(uint64) int) {
	s.cells(day, func(m *merchant, hour int, w uint64) {
		first := share(sum)
		sum += w
		n := share(sum) - first
		if n == 0 {
			return
		}
		from := clockAt(d, hour*60, m.reg.zone)
		s.at(from, func() {
			for i := range n {
				at := from + int64(3600*i/n+s.rng.IntN(3600/n+1))
				s.at(at, func() { s.sell(m, pick(s, m.terms), s.now) })
			}
			if s.cfg.Progress != nil {
				s.cfg.Progress(s.stats.Payments, s.cfg.Payments)
			}
		})
	})
}

// cells visits every merchant and hour of a day in which it sells, with a
// weight that chance varies by the seed alone.
func (s *sim) cells(day int, visit func(m *merchant, hour int, weight uint64)) {
	d := s.cfg.From.Add(day)
	for _, m := range s.merchants {
		w := uint64(m.weight) * 100
		if wd := d.Weekday(); wd == 0 || wd == 6 {
			w = w * uint64(m.tr.weekend) / 100
		}
		for hour, share := range m.tr.open {
			if share == 0 || m.byTerminal && hour >= 22 {
				continue
			}
			noise := 60 + mix(s.cfg.Seed, uint64(day), uint64(m.index), uint64(hour))%80
			visit(m, hour, w*uint64(share)*noise)
		}
	}
}

func mix(v ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, x := range v {
		h ^= x
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 29
	}
	return h
}
