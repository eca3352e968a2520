package backoffice_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"daozhang/internal/backoffice"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank/custody"
)

// TestTwoOffices has two back offices do all work at once on one record and one set
// of folders. Each decision is taken once.
func TestTwoOffices(t *testing.T) {
	w := newTown(t, fmt.Sprintf(trouble, 11, "camt.053"))
	r := rand.New(rand.NewPCG(11, 1))
	both := [2]*backoffice.Office{w.newOffice(), w.newOffice()}
	both[0].Reached, both[1].Reached = nil, nil // nobody listens: merchants are done side by side
	var mu sync.Mutex
	done := map[string]int{}
	together := func() {
		t.Helper()
		for range 8 {
			var wait sync.WaitGroup
			for _, o := range both {
				wait.Go(func() {
					tasks, err := o.Sweep(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					for _, task := range tasks {
						if task.Due.After(w.now) {
							continue
						}
						err := o.Do(context.Background(), task)
						if err != nil && fault.KindOf(err) != fault.Conflict {
							t.Errorf("%s: %v", task.Key(), err)
						}
						mu.Lock()
						done[string(task.Kind)]++
						mu.Unlock()
					}
				})
			}
			wait.Wait()
		}
	}
	for day := 2; day <= 5; day++ {
		for _, hour := range []int{8, 9, 11, 13, 16, 20} {
			w.now = on(day, hour, 5)
			if _, err := w.bank.Tick(w.now); err != nil {
				t.Fatal(err)
			}
			together()
			if hour == 11 {
				for _, mid := range mids {
					for range 4 {
						w.sell(mid, int64(1000+r.IntN(90000)))
					}
				}
			}
			if hour == 8 && day > 2 {
				w.clear(date(day - 1))
			}
			if hour == 13 && day > 2 { // a corrected issue, and a copy of the first
				first := w.clearing(date(day - 1))
				w.sold[len(w.sold)-13].different = true
				w.write("clearing/second-"+date(day-1).String()+".csv", w.clearing(date(day-1)))
				w.sold[len(w.sold)-13].different = false
				w.write("clearing/third-"+date(day-1).String()+".csv", first)
			}
		}
	}
	w.until(on(6, 7, 0))
	w.clear(date(5))
	w.until(on(14, 12, 0))
	w.rest()
	for _, k := range []backoffice.Kind{backoffice.Import, backoffice.Settlement, backoffice.Dispatching, backoffice.Hearing} {
		if done[string(k)] == 0 {
			t.Errorf("no %s was done by two", k)
		}
	}
	// One order a payout.
	list, _ := filepath.Glob(filepath.Join(w.dir, "bank", "orders", "*.xml"))
	orders := map[string]bool{}
	for _, name := range list {
		if strings.HasSuffix(name, ".inquiry.xml") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSuffix(filepath.Base(name), ".xml")
		if n := strings.Count(string(b), "<EndToEndId>"); n != 1 || !strings.Contains(string(b), "<EndToEndId>"+id+"<") {
			t.Errorf("%s has %d payments", name, n)
		}
		orders[id] = true
	}
	w.bank.View(func(b *custody.Book) {
		for _, p := range b.Payments() {
			if !orders[p.EndToEnd] {
				t.Errorf("the bank has %s of which there is no order", p.EndToEnd)
			}
		}
	})
}
