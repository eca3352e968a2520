package bank_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"daozhang/internal/iso8583"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/journal"
)

// TestAccountsFollowTheJournal: whatever comes in whatever order, repeated or
// reversed any number of times, the balance is the opening one minus what stands
// in the journal, each approval counted once; and after a restart all of it is the
// same.
func TestAccountsFollowTheJournal(t *testing.T) {
	const opening = 1_000_000
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "bank")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		cfg := bank.Config{Journal: filepath.Join(dir, "j"), Sync: journal.Never, Keys: tokens,
			Scenario: scenario(t, fmt.Sprintf(`accounts: [{range: "", balance: %d}]`, opening))}
		b := start(t, cfg)
		a := dial(t, b)
		var sent []*iso8583.Message
		for i := range rapid.IntRange(1, 25).Draw(r, "messages") {
			q := ask{amount: rapid.Int64Range(1, 300).Draw(r, "amount"), uuid: fmt.Sprintf("0198c0de-0000-7000-8000-%012d", i+1),
				rrn: fmt.Sprintf("%012d", i+1)}
			var m *iso8583.Message
			switch what := rapid.IntRange(0, 9).Draw(r, "what"); {
			case what < 4 || len(sent) == 0:
				q.op = rapid.SampledFrom([]iso8583.Operation{iso8583.Sale, iso8583.Preauth, iso8583.OfflineSale}).Draw(r, "operation")
				m = a.message(q)
			case what < 6: // acts on an earlier one
				q.op = rapid.SampledFrom([]iso8583.Operation{iso8583.SaleVoid, iso8583.Refund, iso8583.Completion, iso8583.PreauthVoid, iso8583.CompletionVoid}).Draw(r, "operation")
				q.of = rapid.SampledFrom(sent).Draw(r, "original")
				q.amount, _ = q.of.AmountMinor()
				m = a.message(q)
			case what < 8: // reverses one
				o := rapid.SampledFrom(sent).Draw(r, "original")
				k, _ := o.Kind()
				if !k.Operation.Financial() || k.Reversal {
					continue
				}
				q.op, q.reversal, q.of, q.uuid, q.rrn = k.Operation, true, o, o.UUID(), o.Get(iso8583.RRN)
				q.amount, _ = o.AmountMinor()
				m = a.message(q)
			default: // repeats one
				m = rapid.SampledFrom(sent).Draw(r, "again")
			}
			before := len(b.Entries())
			first := a.call(m).Get(iso8583.ResponseCode)
			again := a.call(m).Get(iso8583.ResponseCode)
			if k, _ := m.Kind(); !k.Reversal && first != again {
				r.Fatalf("%v: %s, repeated %s", m, first, again)
			}
			if n := len(b.Entries()) - before; n > 1 {
				r.Fatalf("%v sent twice made %d entries", m, n)
			}
			sent = append(sent, m)
		}
		check := func(b *bank.Bank) {
			var taken, held int64
			undone := map[int64]int{}
			entries := b.Entries()
			for _, e := range entries {
				taken += e.Taken
				held += e.Held
				if e.What == bank.Reversed {
					if undone[e.Of]++; undone[e.Of] > 1 {
						r.Fatalf("entry %d was reversed twice", e.Of)
					}
					if o := entries[e.Of-1]; o.Taken != -e.Taken || o.Held != -e.Held || o.What != bank.Approved {
						r.Fatalf("the reversal of %v takes back %d and %d", &o, e.Taken, e.Held)
					}
				}
			}
			if got := b.Balance(cardA); got != opening-taken-held {
				r.Fatalf("balance %d, the journal says %d", got, opening-taken-held)
			}
		}
		check(b)
		was := b.Entries()
		if err := b.Close(); err != nil {
			r.Fatal(err)
		}
		b = start(t, cfg)
		check(b)
		if got := fmt.Sprint(b.Entries()); got != fmt.Sprint(was) {
			r.Fatalf("after a restart\n%s\nbefore\n%s", got, fmt.Sprint(was))
		}
		b.Close()
	})
}

func FuzzScenario(f *testing.F) {
	f.Add(rich)
	f.Add(`rules: [{when: {chance: 0.5, every: 2}, do: partial, percent: 10}]`)
	f.Add(`maintenance: [{daily: "23:50-00:10"}, {from: 2026-03-02T00:00:00Z, to: 2026-03-03T00:00:00Z, close: true}]`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = bank.ParseScenario(strings.NewReader(text)) // it may refuse, not fail
	})
}
