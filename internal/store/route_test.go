package store_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// spread are the statements on tables that grow with payments which do not name
// the merchant, so that a distributed database asks all machines. Each is here
// with its reason; where a statement can name the merchant, it has to. A statement
// is known by what it contains.
var spread = []struct{ contains, reason string }{
	// At the start of a process, once.
	{"FROM payment WHERE open = 1", "what is open is loaded at the start"},
	{"FROM outgoing WHERE state = 'due'", "messages owed are loaded at the start, and swept"},
	{"FROM terminal_batch GROUP BY merchant, tid", "the last batch of every terminal is loaded at the start"},
	{"SELECT body FROM payment_exception WHERE state = 'open'", "open exceptions are loaded at the start"},
	{"SELECT body FROM payment_exception WHERE 1 = 1", "exceptions are listed for people, of all merchants where none is named"},
	{"SELECT id FROM payment LIMIT", "whether there is anything else, at the start"},
	{"SELECT step FROM journal ORDER BY", "the whole journal is replayed by tools"},
	// Asked by a key that does not hold the merchant.
	{"SELECT body FROM payment WHERE id = $1", "a payment is asked for by its id alone"},
	{"SELECT body FROM payment WHERE rrn = $1 ORDER BY", "a reference is asked for without the merchant by people and networks"},
	{"SELECT body FROM payout WHERE id = $1", "a bank's word names the payout alone"},
	// By a cursor over what all merchants have.
	{"FROM evidence WHERE node = $1 AND pos >", "evidence is followed by cursor, by all nodes"},
	{"FROM evidence_pack WHERE node = $1 AND pos >", "evidence is followed by cursor, by all nodes"},
	{"FROM payout WHERE (merchant > $1 OR", "payouts in a state are swept, page by page"},
	{"FROM payout WHERE due > 0", "payouts to be asked about are swept"},
	{"FROM clearing_share WHERE network = $1 AND date = $2 AND merchant >", "a network's day is funded for all merchants, page by page"},
	{"FROM clearing_due WHERE network = $1 AND merchant >", "merchants with something to be cleared, page by page"},
	{"FROM merchant_record WHERE merchant > $1", "all merchants, page by page"},
	// The desk of the institution looks at all merchants.
	{"SELECT body FROM desk_case WHERE watched = 1", "cases that lists of work look at, of all merchants where none is named"},
	{"SELECT body FROM desk_case WHERE state = 'resolved'", "what was resolved last, page by page"},
	{"SELECT body FROM desk_proposal WHERE ended = $1 ORDER BY", "what waits for a second person, of all merchants"},
	{"SELECT body FROM desk_proposal WHERE ended = $1 AND maker", "what one person proposed, about whomever"},
	{"SELECT body FROM desk_proposal WHERE ended = $1 AND (at <", "what was decided last, page by page"},
	{"FROM merchant_record WHERE body LIKE", "merchants whose own proposals wait for a second person"},
	// What is told, posted and delivered by one node for all merchants.
	{"FROM notify_mark ORDER BY", "what was told last is read whole at each look"},
	{"FROM notify_event WHERE seq = 0", "events without a place in the log are gathered"},
	{"FROM notify_event WHERE share = $1", "those who see all merchants read the log"},
	{"FROM notify_event WHERE id = $1", "an event is asked for by its id alone"},
	{"FROM notify_event WHERE made <", "old events are gathered"},
	{"FROM notify_delivery WHERE made <", "old deliveries are gathered"},
	{"FROM notify_delivery WHERE state = 'due'", "deliveries that are due are swept"},
	{"FROM notify_delivery WHERE receiver = $1", "a receiver of all merchants has deliveries of each"},
	// The examination of the whole.
	{"SELECT COUNT(*) FROM", "the examination counts rows"},
	{"SELECT CAST(COALESCE(SUM(facts), 0) AS BIGINT) FROM evidence_pack", "the examination counts facts"},
	{"SELECT merchant FROM ledger_head UNION", "the examination finds the merchants"},
	{"SELECT DISTINCT merchant FROM journal UNION", "the examination finds the merchants"},
	{"SELECT merchant FROM settlement_position UNION", "the examination finds the merchants"},
	{"FROM ledger_balance", "the trial balance is over all merchants"},
}

var (
	named    = regexp.MustCompile(`\bmerchant = \$\d+`)
	inserted = regexp.MustCompile(`^INSERT INTO \w+ \(merchant, .*\bVALUES\b`)
	tableOf  = regexp.MustCompile(`\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)`)
)

// TestStatementsRoute runs the suite and holds every statement that the store
// sent against the rule: one on a table that grows with payments names the
// merchant as a value, so that a distributed database asks one machine, or is one
// of the few that are named above. The statements that write are those that
// PostgreSQL is sent, too, once its tables lie on several machines.
func TestStatementsRoute(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite runs once in the short form")
	}
	var mu sync.Mutex
	statements := map[string]bool{}
	stop := store.Observe(func(s string) {
		mu.Lock()
		defer mu.Unlock()
		statements[strings.Join(strings.Fields(s), " ")] = true
	})
	defer stop()
	storetest.Run(t, func(tb testing.TB) string { return tb.TempDir() })
	stop()
	growing := store.Placed()["distributed"]
	asked, used := 0, map[int]bool{}
	for s := range statements {
		touches := false
		for _, m := range tableOf.FindAllStringSubmatch(s, -1) {
			touches = touches || slices.Contains(growing, m[1])
		}
		if !touches {
			continue
		}
		asked++
		if named.MatchString(s) && !strings.Contains(s, "OR merchant = ") || inserted.MatchString(s) {
			continue
		}
		i := slices.IndexFunc(spread, func(x struct{ contains, reason string }) bool { return strings.Contains(s, x.contains) })
		if i < 0 {
			t.Errorf("a statement that does not name the merchant: %s", s)
		}
		used[i] = true
	}
	if asked < 60 {
		t.Errorf("only %d statements were seen", asked)
	}
	for i, x := range spread {
		if !used[i] {
			t.Errorf("%q was not sent by the suite: is it still needed? (%s)", x.contains, x.reason)
		}
	}
}
