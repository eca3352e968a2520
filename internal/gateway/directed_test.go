package gateway_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/payment"
	"daozhang/internal/risk"
)

// scene is a stage without random faults, with a number of terminals that only
// do what the scene tells them.
func scene(t testing.TB, tills int, f func(*stage)) *stage {
	s := newStage(t, 1, f)
	s.healed = true // the bank approves what it answers
	s.staged = true
	s.faults = faults{delay: time.Second}
	for n := range tills {
		s.addTill(n, 0)
	}
	s.boot()
	return s
}

// sell lets a terminal ask for a sale now; what comes back is in the entry.
func (k *till) sell(amount int64, card int) *entry {
	e := &entry{op: payment.Sale, amount: amount, card: card, batch: k.batchNo(), stan: k.number()}
	k.journal = append(k.journal, e)
	k.ask(k.request(e), e)
	return e
}

func (s *stage) states() map[payment.State]int {
	n := map[payment.State]int{}
	for t := range s.x.Book.Transactions {
		n[t.State]++
	}
	return n
}

// statuses lists what link.status facts said of a link, in order.
func (s *stage) statuses(link string) string {
	var all []string
	for _, step := range s.disk.log {
		for _, e := range step.Evidence {
			if e.Type == evidence.LinkStatus && bytes.Contains(e.Line, []byte(`"link":"`+link+`"`)) {
				_, rest, _ := strings.Cut(string(e.Line), `"state":"`)
				state, _, _ := strings.Cut(rest, `"`)
				all = append(all, state)
			}
		}
	}
	return strings.Join(all, " ")
}

// TestIssuerDownTwoHours: one issuer is silent for two hours. Its payments become
// unknown and are reversed when it is back; the other issuer's go on as always,
// over the same links; and what is asked while it is known to be down is told so
// at once instead of waiting for the time-out.
func TestIssuerDownTwoHours(t *testing.T) {
	s := scene(t, 12, nil)
	down := func(m *payment.Message) bool {
		if m.Kind == payment.Undo {
			t := s.x.Book.Find(m.Payment)
			return t != nil && t.Issuer == "ICBC"
		}
		return s.disk.rows[m.Payment].Issuer == "ICBC"
	}
	icbc, abc := s.shops[0], s.shops[1]
	others := s.shops[2:]
	sales := func(k *till, card int, until time.Duration, every time.Duration) {
		for at := time.Duration(0); at < until; at += every {
			s.after(at, func() {
				if k.waiting == nil {
					k.sell(int64(100000+k.stan), card)
				}
			})
		}
	}
	s.bank.silent = down
	sales(icbc, 0, 2*time.Hour, 90*time.Second)
	for i, k := range others {
		s.after(time.Duration(i)*7*time.Second, func() { sales(k, 0, 2*time.Hour-2*time.Minute, 100*time.Second) })
	}
	sales(abc, 1, 2*time.Hour, 10*time.Second)
	s.run(s.now.Add(2*time.Hour), nil)
	if n := s.states(); n[payment.Unknown] < 5 || n[payment.Approved] < 700 || n[payment.Declined] < 10 {
		t.Errorf("during the outage: %v", n)
	}
	for _, e := range abc.journal {
		if !e.approved {
			t.Fatalf("the other issuer's sale %s was harmed", e.stan)
		}
	}
	open := 0
	for x := range s.x.Book.Exceptions {
		if x.Kind != payment.ExceptionReversal || x.Owner == "" || x.State != payment.ExceptionOpen {
			t.Errorf("%+v", x)
		}
		open++
	}
	if open < 5 {
		t.Errorf("%d exceptions after two hours of reversals that nobody acknowledges", open)
	}
	s.heal()
	s.judge()
	for x := range s.x.Book.Exceptions {
		if x.State != payment.ExceptionResolved {
			t.Errorf("still open: %+v", x)
		}
	}
	// A request is let through now and then to see whether the issuer is back; the
	// first after the outage finds it so.
	again := icbc.sell(777, 0)
	icbc.stopped = false
	s.run(s.now.Add(time.Minute), nil)
	if !again.approved {
		t.Error("the issuer is back and its sale was not approved")
	}
	if got := s.statuses("network-issuer/ICBC"); got != "down up" && got != "degraded down up" && got != "down degraded up" {
		t.Errorf("network-issuer/ICBC: %s", got)
	}
	if got := s.statuses("platform-network/UnionPay"); strings.Contains(got, "down") && !strings.HasPrefix(got, "down up") || strings.Count(got, "down") > 1 {
		t.Errorf("platform-network/UnionPay: %s", got)
	}
}

// TestSlowIssuer: answers take from 0.1 to 60 seconds. What comes within the
// time-out is approved, what comes later is reversed, nothing is lost.
func TestSlowIssuer(t *testing.T) {
	s := scene(t, 30, nil)
	n := 0
	s.bank.slow = func() time.Duration {
		n++
		return 100*time.Millisecond + time.Duration(n%60)*time.Second
	}
	for round := range 4 {
		for i, k := range s.shops {
			s.after(time.Duration(round)*2*time.Minute+time.Duration(i)*100*time.Millisecond, func() {
				if k.waiting == nil {
					k.sell(int64(100000+i+1000*round), i)
				}
			})
		}
	}
	s.run(s.now.Add(8*time.Minute), nil)
	count := s.x.Count
	if count[payment.OutcomeApproved] < 30 || count[payment.OutcomeUnknown] < 10 || count[payment.OutcomeLate] < 5 {
		t.Errorf("%v", count)
	}
	s.heal()
	s.judge()
	if got := s.statuses("platform-network/UnionPay"); !strings.Contains(got, "degraded") {
		t.Errorf("the slowness was not told: %s", got)
	}
}

// TestAnswerAfterTimeout: the approval comes one second after the time-out, and
// once more after the reversal.
func TestAnswerAfterTimeout(t *testing.T) {
	s := scene(t, 1, nil)
	s.bank.slow = func() time.Duration { return 31 * time.Second }
	e := s.shops[0].sell(12800, 0)
	s.run(s.now.Add(31*time.Second), nil)
	if e.approved || !e.undoing {
		t.Error("the terminal was not told that it is open")
	}
	if n := s.states(); n[payment.Unknown] != 1 {
		t.Errorf("%v", n)
	}
	s.bank.slow = nil
	s.run(s.now.Add(10*time.Second), nil)
	s.heal()
	s.judge()
	if n := s.states(); n[payment.Reversed] != 1 || s.x.Count[payment.OutcomeLate] != 1 {
		t.Errorf("%v, %v", n, s.x.Count)
	}
}

// TestTraceNumberWraps: the terminal's and the link's numbers go past 999999
// while an old message still holds one of the first.
func TestTraceNumberWraps(t *testing.T) {
	s := scene(t, 2, nil)
	k := s.shops[0]
	k.stan = 999997
	s.bank.silent = func(m *payment.Message) bool { return m.Amount == 55 }
	held := s.shops[1].sell(55, 0) // unanswered: its STAN stays taken
	s.run(s.now.Add(time.Second), nil)
	taken := s.x.Book.FindKey(payment.Key{TID: s.shops[1].tid, Batch: held.batch, STAN: held.stan}).NetworkSTAN
	if taken != "000001" {
		t.Fatalf("the first message has %s", taken)
	}
	// 999998 more messages over the link, most of them not through the whole stage.
	for range 999998 - 1 {
		s.x.Route(&payment.Request{Prefix: "622202", Currency: cny, Amount: 1}, nil)
	}
	var numbers []string
	for i := range 4 {
		e := k.sell(int64(1000+i), 0)
		s.run(s.now.Add(2*time.Second), nil)
		if !e.approved {
			t.Fatalf("sale %s was not approved", e.stan)
		}
		numbers = append(numbers, e.stan+"/"+s.x.Book.FindKey(payment.Key{TID: k.tid, Batch: e.batch, STAN: e.stan}).NetworkSTAN)
	}
	if got := strings.Join(numbers, " "); got != "999998/999999 999999/000002 000001/000003 000002/000004" {
		t.Errorf("numbers %s", got)
	}
	s.heal()
	s.judge()
}

// TestSilentIssuerDoesNotHoldOthersBack: many reversals wait for an issuer that
// does not answer, more than may be on the link at a time; another issuer's
// reversal over the same link goes through.
func TestSilentIssuerDoesNotHoldOthersBack(t *testing.T) {
	s := scene(t, 20, func(s *stage) { s.cfg.UndoWindow = 4 })
	s.bank.silent = func(m *payment.Message) bool { return m.Kind == payment.Ask || s.disk.rows[m.Payment].Issuer == "ICBC" }
	other := s.shops[19]
	for i, k := range s.shops[:19] {
		s.after(time.Duration(i)*10*time.Millisecond, func() { k.sell(int64(100+i), 0) })
	}
	s.after(time.Second, func() { other.sell(500, 1) })
	s.run(s.now.Add(6*time.Minute+20*time.Second), nil) // not found counts only after five
	for tx := range s.x.Book.Transactions {
		if want := tx.Issuer == "ABC"; want != (tx.State == payment.Reversed) && tx.State != payment.Declined {
			t.Errorf("%s of %d is %s", tx.Issuer, tx.Amount, tx.State)
		}
	}
	s.heal()
	s.judge()
}

// TestDiskFull: while nothing can be written no approval is told and nothing new
// is sent; what the issuer has said meanwhile is told when there is room again.
func TestDiskFull(t *testing.T) {
	s := scene(t, 3, nil)
	a, b := s.shops[0], s.shops[1]
	s.bank.slow = func() time.Duration { return 5 * time.Second }
	first := a.sell(12800, 0)
	s.run(s.now.Add(2*time.Second), nil)
	s.disk.full = true
	second := b.sell(500, 0)
	s.run(s.now.Add(20*time.Second), nil)
	if first.approved {
		t.Error("an approval was told that is not durable")
	}
	if second.approved || !second.undoing || len(s.bank.known) != 1 {
		t.Errorf("the second sale: %+v, the bank has %d", second, len(s.bank.known))
	}
	s.disk.full = false
	s.run(s.now.Add(10*time.Second), nil)
	if !first.approved {
		t.Error("the issuer's word was lost")
	}
	s.bank.slow = nil
	s.heal()
	s.judge()
	if s.x.Count[gateway.CountNotWritten] == 0 {
		t.Error("the refused writes were not counted")
	}
}

// TestKilledBetweenAnswerAndCommit: the issuer approved and the gateway died
// before that was durable. The terminal saw nothing; the charge is reversed.
func TestKilledBetweenAnswerAndCommit(t *testing.T) {
	s := scene(t, 1, nil)
	e := s.shops[0].sell(12800, 0)
	for len(s.bank.known) == 0 {
		s.run(s.queue[0].at, nil)
	}
	s.crash("killed")
	s.run(s.now.Add(2*time.Minute), nil)
	s.heal()
	s.judge()
	if e.approved || s.states()[payment.Reversed] != 1 {
		t.Errorf("%+v %v", e, s.states())
	}
}

// TestFailover: the first link goes down; its route's second takes over, and
// reversals follow.
func TestFailover(t *testing.T) {
	s := scene(t, 1, nil)
	k := s.shops[0]
	via := func(e *entry) string {
		return s.x.Book.FindKey(payment.Key{TID: k.tid, Batch: e.batch, STAN: e.stan}).Link
	}
	one := k.sell(100, 0)
	s.run(s.now.Add(2*time.Second), nil)
	s.feed(func(x *gateway.Exchange, now time.Time) { x.LinkDown(now, "UnionPay-1") })
	two := k.sell(200, 0)
	s.run(s.now.Add(2*time.Second), nil)
	s.feed(func(x *gateway.Exchange, now time.Time) { x.LinkDown(now, "UnionPay-2") })
	three := k.sell(300, 0)
	s.run(s.now.Add(2*time.Second), nil)
	if via(one) != "UnionPay-1" || via(two) != "UnionPay-2" || !two.approved {
		t.Errorf("the second sale went by %s", via(two))
	}
	if row := s.x.Book.FindKey(payment.Key{TID: k.tid, Batch: three.batch, STAN: three.stan}); row.State != payment.Declined || row.Code.String() != "91" {
		t.Errorf("with no link: %s %s", row.State, row.Code)
	}
	s.feed(func(x *gateway.Exchange, now time.Time) { x.LinkUp(now, "UnionPay-2") })
	four := k.sell(400, 0)
	s.run(s.now.Add(2*time.Second), nil)
	if !four.approved || via(four) != "UnionPay-2" {
		t.Error("the link is back and was not used")
	}
	if got := s.statuses("platform-network/UnionPay"); got != "up down up" {
		t.Errorf("platform-network/UnionPay: %s", got)
	}
	s.heal()
	s.judge()
}

// TestOneTerminalInOrder: requests of one terminal are decided one after the
// other, a repeated one over a new connection takes the place of the old, and too
// many are turned away with an open answer.
func TestOneTerminalInOrder(t *testing.T) {
	s := scene(t, 1, nil)
	k := s.shops[0]
	s.bank.slow = func() time.Duration { return 3 * time.Second }
	request := func(stan string, amount int64) *payment.Request {
		return k.request(&entry{op: payment.Sale, amount: amount, batch: k.batchNo(), stan: stan})
	}
	var got []string
	in := func(conn gateway.Conn, r *payment.Request) {
		s.x.Request(s.clock(), conn, r)
		for _, a := range s.x.Take(nil) {
			switch a.Kind {
			case gateway.Reply:
				got = append(got, fmt.Sprintf("reply %d %s %s", a.Conn, a.Answer.STAN, a.Answer.Code))
			case gateway.Close:
				got = append(got, fmt.Sprintf("close %d", a.Conn))
			case gateway.Commit:
				got = append(got, fmt.Sprintf("commit %d rows", len(a.Step.Transactions)))
				s.disk.commit(a.Token, a.Step)
			}
		}
	}
	in(1, request("000001", 100))
	in(2, request("000001", 100))
	in(3, request("000002", 100))
	in(4, request("000002", 100))
	in(5, request("000003", 100))
	in(6, request("000004", 100))
	in(7, request("000005", 100))
	want := "commit 1 rows, close 1, close 3, reply 7 000005 96, commit 0 rows"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	var replies []string
	for range 4 {
		s.conns[2], s.conns[4], s.conns[5], s.conns[6] = k, k, k, k
		s.run(s.now.Add(4*time.Second), nil)
		replies = append(replies, fmt.Sprint(s.states()[payment.Approved]))
	}
	if s := strings.Join(replies, " "); s != "1 2 3 4" {
		t.Errorf("approved over time: %s", s)
	}
}

// TestExchangeDrains: what is under way ends, what comes is turned away, and nothing is
// owed afterwards that is not on record.
func TestExchangeDrains(t *testing.T) {
	s := scene(t, 2, nil)
	first := s.shops[0].sell(100, 0)
	s.run(s.now.Add(100*time.Millisecond), nil)
	s.feed(func(x *gateway.Exchange, now time.Time) { x.Drain(now) })
	if s.x.Drained() {
		t.Error("drained with a sale under way")
	}
	second := s.shops[1].sell(200, 0)
	s.run(s.now.Add(5*time.Second), nil)
	if !first.approved || second.approved || !second.undoing {
		t.Errorf("%+v %+v", first, second)
	}
	if !s.x.Drained() || s.x.Count[gateway.CountDraining] != 1 {
		t.Errorf("not drained: %v", s.x.Count)
	}
}

// TestRefusals: every bad message gets its code, a counter and evidence, and has
// no effect on rows, ledger or network.
func TestRefusals(t *testing.T) {
	s := scene(t, 1, nil)
	k := s.shops[0]
	s.dir["BARRED01"] = &payment.Profile{TID: "BARRED01", MID: k.mid, Currency: cny, Barred: true}
	eur := cny
	copy(eur[:], "EUR")
	sale := func(change func(*payment.Request)) *payment.Request {
		r := k.request(&entry{op: payment.Sale, amount: 100, batch: k.batchNo(), stan: "000001"})
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		r     *payment.Request
		code  string
		count payment.Outcome
	}{
		"unknown terminal":   {sale(func(r *payment.Request) { r.TID = "NOBODY00" }), "97", payment.OutcomeUnregistered},
		"another's merchant": {sale(func(r *payment.Request) { r.MID = "x" }), "03", payment.OutcomeUnregistered},
		"barred":             {sale(func(r *payment.Request) { r.TID = "BARRED01" }), "58", payment.OutcomeBarred},
		"wrong currency":     {sale(func(r *payment.Request) { r.Currency = eur }), "A1", payment.OutcomeBadCurrency},
		"amount 0":           {sale(func(r *payment.Request) { r.Amount = 0 }), "13", payment.OutcomeBadAmount},
		"amount too large":   {sale(func(r *payment.Request) { r.Amount = 999999999999 }), "13", payment.OutcomeBadAmount},
		"wrong MAC":          {sale(func(r *payment.Request) { r.Problem = payment.BadMAC }), "A0", payment.OutcomeBadMAC},
		"no keys":            {sale(func(r *payment.Request) { r.Problem = payment.NoKeys }), "A9", payment.OutcomeNoKeys},
		"wrong PIN block":    {sale(func(r *payment.Request) { r.Problem = payment.BadPIN }), "99", payment.OutcomeBadPIN},
		"old version":        {sale(func(r *payment.Request) { r.Problem = payment.BadVersion }), "78", payment.OutcomeBadVersion},
		"bad format":         {sale(func(r *payment.Request) { r.Problem = payment.BadFormat }), "30", payment.OutcomeBadFormat},
		"no operation":       {sale(func(r *payment.Request) { r.Operation = payment.NoOperation }), "40", payment.OutcomeForbidden},
		"a strange number":   {sale(func(r *payment.Request) { r.STAN = "1" }), "30", payment.OutcomeBadFormat},
		"uploads unasked": {&payment.Request{Operation: payment.BatchUpload, Key: payment.Key{TID: k.tid, Batch: "000001", STAN: "000009"}, MID: k.mid}, "77",
			payment.OutcomeBatchMismatch},
	} {
		s.conn++
		before := s.x.Count[c.count]
		s.x.Request(s.clock(), s.conn, c.r)
		var code string
		var fact bool
		for _, a := range s.x.Take(nil) {
			switch a.Kind {
			case gateway.Reply:
				code = a.Answer.Code.String()
			case gateway.Commit:
				fact = len(a.Step.Evidence) == 1 && a.Step.Evidence[0].Type == evidence.GatewayError
				if len(a.Step.Transactions)+len(a.Step.Transfers)+len(a.Step.Outgoing)+len(a.Step.Batches) > 0 {
					t.Errorf("%s: it had an effect", name)
				}
				s.x.Committed(s.clock(), a.Token, nil)
			default:
				t.Errorf("%s: action %d", name, a.Kind)
			}
		}
		if code != c.code || !fact || s.x.Count[c.count] != before+1 {
			t.Errorf("%s: code %s, evidence %v, counted %d → %d", name, code, fact, before, s.x.Count[c.count])
		}
		if c.r.Card != nil && len(c.r.Card.PAN) > 0 {
			t.Errorf("%s: the card data was not wiped", name)
		}
	}
	if s.x.Book.Len() != 0 {
		t.Error("bad input left transactions")
	}
	// A replayed approval has its first answer and no second effect.
	e := k.sell(4200, 0)
	s.run(s.now.Add(2*time.Second), nil)
	steps := len(s.disk.ledger.Entries(k.mid))
	for range 3 {
		s.conn++
		s.conns[s.conn] = k
		s.x.Request(s.clock(), s.conn, k.request(e))
		s.pump()
	}
	s.run(s.now.Add(2*time.Second), nil)
	if len(s.disk.ledger.Entries(k.mid)) != steps || s.x.Count[payment.OutcomeDuplicate] != 3 || len(s.bank.known) != 1 {
		t.Errorf("a replay had an effect: %v", s.x.Count)
	}
}

// TestRefusalsAreBounded: a flood of bad messages is answered and counted, and
// writes only so much.
func TestRefusalsAreBounded(t *testing.T) {
	s := scene(t, 1, nil)
	commits := 0
	for i := range 5000 {
		r := &payment.Request{Operation: payment.Sale, Key: payment.Key{TID: "FLOOD", Batch: "000001", STAN: fmt.Sprintf("%06d", i)}}
		s.x.Request(s.clock(), gateway.Conn(i+1), r)
		for _, a := range s.x.Take(nil) {
			if a.Kind == gateway.Commit {
				commits++
			}
		}
	}
	if commits > 60 || s.x.Count[payment.OutcomeUnregistered] != 5000 || s.x.Count[gateway.CountSuppressed] < 4900 {
		t.Errorf("%d commits, %v", commits, s.x.Count)
	}
}

// TestOlderOriginal: a refund names a sale that has left the memory; it is
// fetched from the store.
func TestOlderOriginal(t *testing.T) {
	s := scene(t, 1, func(s *stage) { s.cfg.ForgetAfter = time.Hour })
	k := s.shops[0]
	e := k.sell(12800, 0)
	s.run(s.now.Add(2*time.Second), nil)
	k.settle()
	s.run(s.now.Add(time.Second), nil)
	next := k.sell(100, 0)
	s.run(s.now.Add(2*time.Hour), nil)
	if s.x.Book.FindKey(payment.Key{TID: k.tid, Batch: e.batch, STAN: e.stan}) != nil {
		t.Fatal("the sale is still in memory")
	}
	r := &entry{op: payment.Refund, amount: 800, batch: k.batchNo(), stan: k.number(), of: e}
	k.journal = append(k.journal, r)
	k.ask(k.request(r), r)
	s.run(s.now.Add(5*time.Second), nil)
	if !r.approved || !next.approved {
		t.Errorf("%+v %v", r, s.x.Count)
	}
	unknown := &entry{op: payment.Refund, amount: 800, batch: k.batchNo(), stan: k.number(), of: &entry{rrn: "999999999999"}}
	k.ask(k.request(unknown), unknown)
	s.run(s.now.Add(5*time.Second), nil)
	if unknown.approved || s.x.Count[payment.OutcomeNotFound] != 1 {
		t.Errorf("%v", s.x.Count)
	}
}

// TestEvidenceTellsTheSame: from the evidence alone the investigation concludes
// what the book says.
func TestEvidenceTellsTheSame(t *testing.T) {
	compared := map[payment.State]int{}
	for seed := uint64(1); seed <= 30; seed++ {
		s := newStage(t, seed, nil)
		s.faults = faults{loss: 40, twice: 40, slow: 50, delay: 40 * time.Second}
		for n := range 4 {
			s.addTill(n, 12)
		}
		s.boot()
		for _, k := range s.shops {
			k.next(k.pause())
		}
		s.run(s.now.Add(10*time.Minute), nil)
		s.heal()
		s.judge()
		var lines bytes.Buffer
		for _, step := range s.disk.log {
			for _, e := range step.Evidence {
				lines.Write(e.Line)
				lines.WriteByte('\n')
			}
		}
		set := evidence.NewSet()
		err := evidence.ReadNDJSON(&lines, set.Writer(set.AddFile("gateway")), func(line int, why fault.Text) {
			t.Errorf("seed %d: evidence line %d: %s", seed, line, why.EN)
		})
		if err != nil {
			t.Fatal(err)
		}
		a, err := investigation.Investigate(set, evidence.InstantOf(s.now.Add(time.Minute)), 0, investigation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		status := map[string]journey.Status{}
		for p := range a.Each {
			status[a.View.Words.Text(p.Keys.RRN)] = p.Status
		}
		// A void or refund that was itself taken back has no word in the contract.
		tangled := map[payment.ID]bool{}
		for tx := range s.x.Book.Transactions {
			if tx.Operation.ActsOnOriginal() && tx.State == payment.Reversed {
				tangled[tx.Original] = true
			}
		}
		for tx := range s.x.Book.Transactions {
			if tx.Operation.ActsOnOriginal() || tx.Version == 1 && tx.State == payment.Reversed || tangled[tx.ID] || tx.Operation == payment.Preauth {
				continue
			}
			got, ok := status[tx.RRN]
			want := map[payment.State]journey.Status{payment.Approved: journey.InTransit, payment.Declined: journey.NotCharged, payment.Reversed: journey.NotCharged,
				payment.Voided: journey.Refunded}[tx.State]
			if tx.State == payment.Approved && tx.Taken == tx.Approved {
				want = journey.Refunded
			}
			if !ok || got != want {
				t.Errorf("seed %d: %s %s %s: the book has %s, the evidence says %s", seed, tx.TID, tx.Operation, tx.RRN, tx.State, got)
			}
			compared[tx.State]++
		}
	}
	for _, state := range []payment.State{payment.Approved, payment.Declined, payment.Reversed, payment.Voided} {
		if compared[state] == 0 {
			t.Errorf("no %s payment was compared", state)
		}
	}
}

// BenchmarkSale is one sale through the exchange, from the request to the answer,
// with a journal that keeps nothing.
func BenchmarkSale(b *testing.B) {
	for name, door := range map[string]*risk.Door{"without rules": nil, "with the floor": risk.NewDoor(nil)} {
		b.Run(name, func(b *testing.B) {
			dir := payment.Profiles{}
			const tills = 64
			var tids [tills]string
			for i := range tids {
				tids[i] = fmt.Sprintf("T%07d", i)
				dir[tids[i]] = &payment.Profile{TID: tids[i], MID: "898310058120001", Currency: cny}
			}
			book := payment.NewBook(payment.DefaultPolicy("bench"), dir, door)
			x, err := gateway.New(gateway.Config{Links: []gateway.LinkConfig{{Name: "A", Network: "UnionPay", MaxInFlight: 100000}},
				Routes: []gateway.Route{{Issuer: "ICBC", Links: []string{"A"}}}}, book)
			if err != nil {
				b.Fatal(err)
			}
			now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			x.Start(now)
			x.LinkUp(now, "A")
			var actions []gateway.Action
			approved := 0
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				now = now.Add(time.Millisecond)
				if next, ok := x.Next(); ok && !next.After(now) {
					x.Tick(now)
				}
				n++
				r := &payment.Request{Operation: payment.Sale, Key: payment.Key{TID: tids[n%tills], Batch: "000001", STAN: six(n / tills)},
					MID: "898310058120001", Amount: 12800, Currency: cny, PAN: "622202******1234", CardToken: "card", Prefix: "62220212"}
				x.Request(now, gateway.Conn(n), r)
				for {
					if actions = x.Take(actions[:0]); len(actions) == 0 {
						break
					}
					for _, a := range actions {
						switch a.Kind {
						case gateway.Commit:
							x.Committed(now, a.Token, nil)
						case gateway.Send:
							x.Response(now, "A", &payment.Response{Payment: a.Message.Payment, STAN: a.Message.STAN, Code: evidence.Code{'0', '0'}, AuthCode: "123456"})
						case gateway.Reply:
							if a.Answer.Approved() {
								approved++
							}
						}
					}
				}
			}
			if approved != n {
				b.Fatalf("%d of %d approved: %v", approved, n, x.Count)
			}
		})
	}
}

func six(n int) string {
	b := []byte("000000")
	for i := 5; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
	return string(b)
}
