package bank

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/world/bank/custody"
)

// delivery is one file that is due.
type delivery struct {
	due     time.Time
	dir     string
	name    string
	replace bool // one of the open day, under the same name
	write   func(c *clearing) (path string, err error)
}

// issue gives what happens to a day's file; the zero Issue where nothing odd does.
func (s *Scenario) issue(date calendar.Date) Issue {
	for i := range s.Issues {
		x := &s.Issues[i]
		if (len(x.Dates) == 0 || slices.Contains(x.Dates, date)) && (x.Chance == 0 || s.dice("issue", int64(i), int64(date)).Float64() < x.Chance) {
			return *x
		}
	}
	return Issue{}
}

// dice gives the chance of one thing, whatever else happens.
func (s *Scenario) dice(of string, which, about int64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d/%d", of, which, about)
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// deliveries gives all files of a day that has ended, in the order in which they
// are due: its issues, and the network's payments for them.
func (b *Bank) deliveries(s *Scenario, date calendar.Date) []delivery {
	x := s.issue(date)
	ended := s.closing(date).Add(s.ClearingAfter)
	var all []delivery
	file := func(due time.Time, mark string, version int, how string) {
		name := clearingName(s.Network, date, mark)
		all = append(all, delivery{due, b.cfg.Clearing, name, mark == "", func(c *clearing) (string, error) {
			return writeWhole(b.cfg.Clearing, name, broken(c.content(date, version), how))
		}})
	}
	if b.cfg.Clearing != "" && !x.Withhold {
		first := ended.Add(x.Late)
		file(first, "", 1, x.Broken)
		if x.Again > 0 {
			file(first.Add(x.Again), ".again", 1, x.Broken)
		}
		if x.Correct > 0 {
			file(first.Add(x.Correct), ".v2", 2, "")
		}
	}
	if b.cfg.Incoming != "" {
		all = append(all, b.payment(s, date, ended, 1))
		if x.Correct > 0 && !x.Withhold {
			all = append(all, b.payment(s, date, ended.Add(x.Late+x.Correct), 2))
		}
	}
	slices.SortStableFunc(all, func(a, b delivery) int { return a.due.Compare(b.due) })
	return all
}

// payment is what the network pays for an issue: the first in all, a later one
// what it corrects. It is booked on the business day after.
func (b *Bank) payment(s *Scenario, date calendar.Date, due time.Time, version int) delivery {
	x := s.issue(date)
	id := fmt.Sprintf("%s-%s", strings.ToUpper(s.Network), compact(date))
	value := s.calendar.AddBusinessDays(date, 1+x.PayLate)
	text := s.Network + " clearing " + date.String()
	if version > 1 {
		id += fmt.Sprintf("-%d", version)
		value = s.calendar.AddBusinessDays(calendar.DateIn(due, s.zone), 1)
		text += " correction"
	}
	return delivery{due: due, dir: b.cfg.Incoming, name: id, write: func(c *clearing) (string, error) {
		lines := c.lines(date, version)
		amount := total(lines)
		if version > 1 {
			amount -= total(c.lines(date, 1))
		} else {
			amount += x.PayBy
		}
		if amount == 0 {
			return "", nil
		}
		currency := "CNY"
		if len(lines) > 0 {
			currency = lines[0].currency
		}
		return custody.Transfer{ID: id, Network: s.Network, Account: s.SettleTo, Amount: amount, Currency: currency, Value: value, Text: text}.
			Write(b.cfg.Incoming, due.In(s.zone))
	}}
}

// Tick writes the clearing files, and the network's payments, that are due and
// missing, each as it is due however late the call comes, and gives the moment at
// which the next is due. Beside the host's own clock it may be called by whoever
// moves time: what is written already is not written again.
func (b *Bank) Tick(now time.Time) (next time.Time, err error) {
	b.clearing.Lock()
	defer b.clearing.Unlock()
	s := b.book.setting()
	today := s.businessDate(now)
	next = s.closing(today).Add(s.ClearingAfter)
	if b.cfg.Clearing == "" && b.cfg.Incoming == "" {
		return next, nil
	}
	var c *clearing
	for date := b.firstDate(); date < today; date = date.Add(1) {
		for _, d := range b.deliveries(s, date) {
			if b.issued[d.name] {
				continue
			}
			if d.due.After(now) {
				if d.due.Before(next) {
					next = d.due
				}
				continue
			}
			if c == nil {
				c = &clearing{s: s, entries: b.Entries()}
			}
			if err := b.write(c, &d); err != nil {
				return now, err
			}
		}
	}
	return next, nil
}

// write writes a file unless it is there.
func (b *Bank) write(c *clearing, d *delivery) error {
	found, err := filepath.Glob(filepath.Join(d.dir, d.name+"*"))
	if err != nil {
		return err
	}
	there := slices.ContainsFunc(found, func(p string) bool {
		base := filepath.Base(p)
		return base == d.name || strings.HasPrefix(base, d.name+".pacs.") && !strings.HasSuffix(base, ".part")
	})
	if there && d.replace {
		content, err := os.ReadFile(filepath.Join(d.dir, d.name))
		there = err != nil || !preliminary(content)
	}
	if !there {
		path, err := d.write(c)
		if err != nil {
			return err
		}
		if path != "" {
			b.cfg.Log.Info("written", "file", path)
		}
	}
	b.issued[d.name] = true
	return nil
}

// firstDate is the first business date of which the bank knows.
func (b *Bank) firstDate() calendar.Date {
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	if len(b.book.entries) > 0 {
		return min(b.started, b.book.entries[0].Date)
	}
	return b.started
}

// writeOpenDay writes what the day that has not ended has come to, without a number
// of issue: the file of the whole day will take its place.
func (b *Bank) writeOpenDay() error {
	if b.cfg.Clearing == "" {
		return nil
	}
	b.clearing.Lock()
	defer b.clearing.Unlock()
	c := clearing{s: b.book.setting(), entries: b.Entries()}
	today := c.s.businessDate(b.cfg.Now())
	if len(c.of(today)) == 0 {
		return nil
	}
	_, err := writeWhole(b.cfg.Clearing, clearingName(c.s.Network, today, ""), c.content(today, 0))
	return err
}

// clear keeps the files coming while nobody else moves time.
func (b *Bank) clear(ctx context.Context) {
	const most = time.Minute // a clock may be moved
	for {
		now := b.cfg.Now()
		next, err := b.Tick(now)
		if err != nil {
			b.cfg.Log.Error("clearing file not written", "error", err)
		}
		timer := time.NewTimer(min(max(next.Sub(now), time.Second), most))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
