package backoffice_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/world/bank/custody"
)

var mutants = flag.Int("backoffice.mutants", 150, "how many spoilt files TestSpoiltFiles brings")

// status is a report of the bank on one payout, as simple as can be.
func status(id, code, reason string, amount int64, at time.Time) string {
	rsn := ""
	if reason != "" {
		rsn = "<StsRsnInf><Rsn><Cd>" + reason + "</Cd></Rsn></StsRsnInf>"
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>R-%s-%s-%d</MsgId><CreDtTm>%s</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>%s</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>%s</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>%s</OrgnlEndToEndId><TxSts>%s</TxSts>%s<OrgnlTxRef><Amt><InstdAmt Ccy="CNY">%d.%02d</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts></OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>
`, id, code, at.UnixNano(), at.Format(time.RFC3339), id, id, id, code, rsn, amount/100, amount%100)
}

// statement is a camt.053 of an account with some entries.
func statement(account, number string, day int, opening int64, entries ...string) string {
	closing := opening
	var b strings.Builder
	for i, e := range entries {
		var id, text, reason string
		var amount int64
		fmt.Sscan(e, &amount, &id, &reason)
		text = id
		closing += amount
		side := "CRDT"
		if amount < 0 {
			side, amount = "DBIT", -amount
		}
		if reason != "" {
			reason = "<RtrInf><Rsn><Cd>" + reason + "</Cd></Rsn></RtrInf>"
		}
		fmt.Fprintf(&b, `<Ntry><Amt Ccy="CNY">%d.%02d</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-%02d</Dt></BookgDt><AcctSvcrRef>%s-%02d-%d</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>%s</EndToEndId></Refs><RmtInf><Ustrd>%s</Ustrd></RmtInf>%s</TxDtls></NtryDtls></Ntry>`+"\n",
			amount/100, amount%100, side, day, number, day, i, id, text, reason)
	}
	bal := func(kind string, n int64) string {
		return fmt.Sprintf(`<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">%d.%02d</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-%02d</Dt></Dt></Bal>`, kind, n/100, n%100, day)
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>%s</MsgId><CreDtTm>2026-03-%02dT06:00:00+08:00</CreDtTm></GrpHdr>
<Stmt><Id>%s</Id><CreDtTm>2026-03-%02dT06:00:00+08:00</CreDtTm><Acct><Id><Othr><Id>%s</Id></Othr></Id><Ccy>CNY</Ccy></Acct>%s%s
%s</Stmt></BkToCstmrStmt></Document>
`, number, day+1, number, day+1, account, bal("OPBD", opening), bal("CLBD", closing), b.String())
}

// paidOut leads a sale of each merchant up to a payout that is sent, with a bank
// that does nothing.
func paidOut(t *testing.T) (*town, settlement.Payout) {
	t.Helper()
	w := newTown(t, "rules: [{do: pend, after: 900h, tell: nothing}]\nstatements: {form: none, payees: none}\n")
	w.until(on(2, 12, 0))
	for i, mid := range mids {
		w.sell(mid, int64(10000*(i+1)))
	}
	w.until(on(3, 9, 5))
	p := w.payouts(noodle)
	if len(p) != 1 || p[0].State != settlement.Sent {
		t.Fatalf("%d payouts", len(p))
	}
	return w, p[0]
}

func (w *town) filing(folder, name string) backoffice.Filing {
	w.Helper()
	for f, err := range w.db.Filings(context.Background(), folder) {
		if err != nil {
			w.Fatal(err)
		}
		if f.Name == name {
			return f
		}
	}
	w.Fatalf("nothing is known of %s/%s", folder, name)
	return backoffice.Filing{}
}

// TestBadInput brings what must not move money, and says for each what is to be
// known of it afterwards: the filing, whose exception, and the payout's state.
func TestBadInput(t *testing.T) {
	type bad struct {
		name   string
		folder string // of the town, with the file's name
		inbox  string
		file   func(w *town, p settlement.Payout) string
		state  backoffice.FilingState
		// mid's open exceptions afterwards, and the payout's state.
		mid, exception string
		payout         settlement.PayoutState
	}
	house, sent := settlement.House, settlement.Sent
	replies, statements, clearing := "replies/CUSTODY", "statements/CUSTODY", "clearing/UnionPay"
	for _, c := range []bad{
		{"status for a payout never sent", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			return status("P20260303-AAAAAAAAAAAAA", "ACCC", "", 5000, w.now)
		}, backoffice.Taken, house, settlement.ExceptionNeverSent, sent},
		{"status for another amount", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			return status(p.ID, "ACCC", "", p.Amount-1, w.now)
		}, backoffice.Taken, noodle, settlement.ExceptionPayoutAmount, sent},
		{"status cut short", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			s := status(p.ID, "RJCT", "AC01", p.Amount, w.now)
			return s[:len(s)-60]
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"status in words nobody knows", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			return status(p.ID, "XXXX", "", p.Amount, w.now)
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"a second order refused says nothing of the first", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			return status(p.ID, "RJCT", "DUPL", p.Amount, w.now)
		}, backoffice.Repeated, noodle, "", sent},
		{"no original received, while it may still arrive", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string {
			return status(p.ID, "RJCT", "NOOR", p.Amount, w.now)
		}, backoffice.Repeated, noodle, "", sent},
		{"no file of any kind", "bank/replies/x.bin", replies, func(w *town, p settlement.Payout) string { return "\x00\x01\x02garbage" },
			backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"an empty file", "bank/replies/x.xml", replies, func(w *town, p settlement.Payout) string { return "" },
			backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"statement of an account that is not ours", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return statement("31050000000067890", "S1", 3, 100, fmt.Sprint(p.Amount, " ", p.ID))
		}, backoffice.Refused, house, backoffice.ExceptionFile + " " + backoffice.ExceptionAccount, sent},
		{"statement that does not add up", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return strings.Replace(statement(safe, "S1", 3, 100, fmt.Sprint(p.Amount, " ", p.ID, " AC04")), ">1.00<", ">1.01<", 1)
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"statement cut short", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			s := statement(safe, "S1", 3, 100, fmt.Sprint(p.Amount, " ", p.ID, " AC04"))
			return s[:len(s)-40]
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"an entry of nobody", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return statement(safe, "S1", 3, 100, "700 HELLO")
		}, backoffice.Taken, house, backoffice.ExceptionEntry, sent},
		{"a network's money that says no day", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return statement(safe, "S1", 3, 100, "700 UNIONPAY")
		}, backoffice.Taken, house, backoffice.ExceptionEntry, sent},
		{"a network's money before its file", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return statement(safe, "S1", 3, 100, "700 UNIONPAY-20260302")
		}, backoffice.Waiting, house, "", sent},
		{"a returned payout that was not credited", "bank/statements/x.xml", statements, func(w *town, p settlement.Payout) string {
			return statement(safe, "S1", 3, 10000000, fmt.Sprint(-p.Amount, " ", p.ID), fmt.Sprint(p.Amount, " ", p.ID, " AC04"))
		}, backoffice.Taken, noodle, settlement.ExceptionReturned, settlement.Returned},
		{"clearing of another network", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return strings.ReplaceAll(w.clearing(date(2)), "UnionPay", "Visa")
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"clearing of a day to come", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return strings.ReplaceAll(w.clearing(date(2)), "2026-03-02", "2026-04-02")
		}, backoffice.Refused, house, backoffice.ExceptionFile, sent},
		{"clearing without its trailer", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			f := w.clearing(date(2))
			return f[:strings.LastIndex(strings.TrimSpace(f), "\n")+1]
		}, backoffice.Refused, house, settlement.ExceptionFileBroken, sent},
		{"clearing with a line twice", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			rows := strings.SplitAfter(w.clearing(date(2)), "\n")
			return strings.Join(slices.Insert(rows, 2, rows[1]), "")
		}, backoffice.Refused, house, settlement.ExceptionFileBroken, sent},
		{"clearing in which a line is of another day", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return strings.Replace(w.clearing(date(2)), "sale,2026-03-02", "sale,2026-03-01", 1)
		}, backoffice.Refused, house, settlement.ExceptionFileBroken, sent},
		{"clearing in another currency", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return strings.ReplaceAll(w.clearing(date(2)), "CNY", "EUR")
		}, backoffice.Refused, house, settlement.ExceptionFileBroken, sent},
		{"two clearing files in one", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			f := w.clearing(date(2))
			return f + f[strings.Index(f, "\n")+1:]
		}, backoffice.Refused, house, settlement.ExceptionFileBroken, sent},
		{"clearing for a merchant that is not ours", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return w.clearing(date(2), func(l []sold) []sold {
				return append(l, sold{mid: "898310058129999", tid: "T9", rrn: "999000000001", kind: "sale", amount: 700, at: on(2, 12, 0), date: date(2)})
			})
		}, backoffice.Taken, house, settlement.ExceptionUnknownMerchant, sent},
		{"clearing of a sale that nobody made", "clearing/x.csv", clearing, func(w *town, p settlement.Payout) string {
			return w.clearing(date(2), func(l []sold) []sold {
				return append(l, sold{mid: noodle, tid: "T1000001", rrn: "999000000001", kind: "sale", amount: 700, at: on(2, 12, 0), date: date(2)})
			})
		}, backoffice.Taken, noodle, string(settlement.Long), sent},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p := paidOut(t)
			before := w.balances()
			w.write(c.folder, c.file(w, p))
			w.now = w.now.Add(time.Minute)
			w.work()
			if got := w.filing(c.inbox, filepath.Base(c.folder)); got.State != c.state || got.State == backoffice.Refused && got.Why == "" {
				t.Errorf("the file is %s (%s), want %s", got.State, got.Why, c.state)
			}
			if got := strings.Join(w.exceptions(c.mid), " "); got != c.exception {
				t.Errorf("exceptions of %s: %q, want %q", c.mid, got, c.exception)
			}
			q, err := w.db.Payout(context.Background(), noodle, p.ID)
			if err != nil || q.State != c.payout {
				t.Errorf("the payout is %s, want %s (%v)", q.State, c.payout, err)
			}
			after := w.balances()
			if c.state == backoffice.Refused && !maps.Equal(before, after) {
				t.Errorf("a refused file has moved money:\n%v\n%v", before, after)
			}
			// The same again, under another name: no further effect.
			w.write(filepath.Join(filepath.Dir(c.folder), "again-"+filepath.Base(c.folder)), c.file(w, p))
			w.work()
			if again := w.balances(); !maps.Equal(after, again) {
				t.Errorf("the same file again has moved money:\n%v\n%v", after, again)
			}
			w.audit()
		})
	}
}

// balances are those of all merchants and the house.
func (w *town) balances() map[string]int64 {
	w.Helper()
	all := map[string]int64{}
	for _, mid := range append([]string{settlement.House}, mids...) {
		s, err := w.db.Standing(context.Background(), mid)
		if err != nil {
			w.Fatal(err)
		}
		for _, n := range ledger.Names() {
			if v := s.Balance(cny, n).On(n.Side()); v != 0 {
				all[mid+"/"+n.String()] = v
			}
		}
	}
	return all
}

// TestClosedDay: a day that is closed takes no other file and no more money.
func TestClosedDay(t *testing.T) {
	w := newTown(t, "")
	w.times.CloseAfter = 1
	w.office = w.newOffice()
	w.until(on(2, 12, 0))
	w.sell(noodle, 10000)
	w.until(on(3, 8, 0))
	w.clear(date(2))
	w.until(on(5, 12, 0))
	d, err := w.db.Day(context.Background(), "UnionPay", date(2))
	if err != nil || d.State != settlement.DayClosed {
		t.Fatalf("the day is %d, %v", d.State, err)
	}
	before := w.balances()
	w.write("clearing/late.csv", w.clearing(date(2), func(l []sold) []sold { l[0].amount++; return l }))
	w.write("bank/statements/late.xml", statement(safe, "S9", 5, 100, "700 UNIONPAY-20260302"))
	w.now = w.now.Add(time.Minute)
	w.work()
	if got := w.filing("clearing/UnionPay", "late.csv"); got.State != backoffice.Refused {
		t.Errorf("the file is %s", got.State)
	}
	if got := w.exceptions(settlement.House); !slices.Equal(got, []string{backoffice.ExceptionEntry, settlement.ExceptionClosedDay}) {
		t.Errorf("exceptions: %v", got)
	}
	if after := w.balances(); !maps.Equal(before, after) {
		t.Errorf("money has moved:\n%v\n%v", before, after)
	}
	w.audit()
}

// TestAccountMended: a payout that was refused for its account blocks the account
// and waits for another, which is paid once.
func TestAccountMended(t *testing.T) {
	w := newTown(t, "payees: [{account: \""+accountOf(noodle)+"\", closed: 2026-01-01, found_after: 3h}]\n")
	w.until(on(2, 12, 0))
	w.sell(noodle, 10000)
	w.until(on(3, 20, 0))
	m := w.merchant(noodle)
	if a := m.Accounts[0]; a.Blocked != "AC04" {
		t.Fatalf("the account is not blocked: %+v", a)
	}
	if got := w.exceptions(noodle); !slices.Equal(got, []string{settlement.ExceptionReturned}) {
		t.Errorf("exceptions %v", got)
	}
	w.until(on(5, 9, 0)) // nothing is sent to it again
	if n := len(w.payouts(noodle)); n != 1 {
		t.Fatalf("%d payouts", n)
	}
	w.bring(&m, w.now.AddDate(0, 0, -2), "6217009999990001")
	w.until(on(6, 12, 0))
	var got int64
	w.bank.View(func(b *custody.Book) { got = b.Balance("6217009999990001") })
	if want := w.owed(noodle); got != want {
		t.Errorf("%d on the new account, want %d", got, want)
	}
	if got := w.exceptions(noodle); len(got) > 0 {
		t.Errorf("exceptions %v", got)
	}
	w.audit()
}

// TestLimit: what is over the bank's limit goes in parts.
func TestLimit(t *testing.T) {
	w := newTown(t, "limits: {single: 500000}\n")
	w.until(on(2, 12, 0))
	w.sell(noodle, 1200000)
	w.until(on(4, 12, 0))
	var parts []int64
	for _, p := range w.payouts(noodle) {
		if p.Replaces != "" {
			parts = append(parts, p.Amount)
		}
	}
	slices.Sort(parts)
	if want := w.owed(noodle); len(parts) != 3 || parts[0]+parts[1]+parts[2] != want || parts[2] != 500000 {
		t.Errorf("parts %v of %d", parts, want)
	}
	w.rest()
}

// unreachable is a folder that cannot be looked into.
type unreachable struct{ backoffice.Folder }

func (unreachable) List(context.Context) ([]backoffice.Entry, error) {
	return nil, fault.New(fault.Internal, "list", "folder", errors.New("no route to host"), "")
}

// TestFolderOutOfReach: one folder that cannot be looked into is its own task's
// trouble; everything else is done.
func TestFolderOutOfReach(t *testing.T) {
	w := newTown(t, "")
	w.until(on(2, 12, 0))
	w.sell(noodle, 8800)
	w.office.Networks[0].Clearing = unreachable{w.office.Networks[0].Clearing}
	w.now = on(3, 12, 0)
	tasks, err := w.office.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[backoffice.Kind]int{}
	for _, task := range tasks {
		kinds[task.Kind]++
		if task.Kind == backoffice.Import {
			if err := w.office.Do(t.Context(), task); err == nil || !strings.Contains(err.Error(), "no route to host") {
				t.Errorf("the import of what cannot be looked into: %v", err)
			}
		}
	}
	if kinds[backoffice.Import] != 1 || kinds[backoffice.Settlement] == 0 {
		t.Errorf("what waits: %v", kinds)
	}
}

// TestTakenAway: where the bank takes orders out of the folder, a file that is
// missing proves nothing, and nothing is written again.
func TestTakenAway(t *testing.T) {
	for _, away := range []bool{false, true} {
		w := newTown(t, "")
		w.away = away
		w.office = w.newOffice()
		w.until(on(2, 12, 0))
		w.sell(noodle, 10000)
		w.until(on(3, 8, 0))
		w.die = func(p backoffice.Point) bool { // after the payout is sent, before its order is there
			return p == backoffice.Point(backoffice.Dispatching)+"/"+backoffice.AfterCommit && func() bool { w.die = nil; return true }()
		}
		w.now = on(3, 9, 0)
		w.work()
		w.work()
		p := w.payouts(noodle)[0]
		_, err := os.Stat(filepath.Join(w.dir, "bank", "orders", p.ID+".xml"))
		if there := err == nil; there == away {
			t.Errorf("taken away %v: the order is there %v", away, there)
		}
	}
}

// TestOrderInTime: an order is not written any more when its time is over, however
// late its process wakes.
func TestOrderInTime(t *testing.T) {
	w := newTown(t, "")
	w.until(on(2, 12, 0))
	w.sell(noodle, 10000)
	w.until(on(3, 8, 0))
	w.now = on(3, 9, 0)
	w.die = func(p backoffice.Point) bool {
		if p == backoffice.Point(backoffice.Dispatching)+"/"+backoffice.BeforeRename {
			w.now = w.now.Add(13 * time.Hour) // it sleeps between writing and renaming
		}
		return false
	}
	w.work()
	w.die = nil
	p := w.payouts(noodle)[0]
	if _, err := os.Stat(filepath.Join(w.dir, "bank", "orders", p.ID+".xml")); err == nil {
		t.Error("the order was written after its time")
	}
	if len(w.trouble) != 1 || fault.KindOf(w.trouble[0]) != fault.Conflict {
		t.Errorf("trouble: %v", w.trouble)
	}
	w.trouble = nil
	w.until(on(5, 20, 0)) // the bank never had it: it goes out again, once
	w.rest()
}

// TestSpoiltFiles brings files that were spoilt on the way, and then the files as
// they were. Whatever came before, in the end each merchant has what it has to get,
// and nothing was paid twice.
func TestSpoiltFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays weeks; two offices at once are raced in their own test")
	}
	per := 50
	for batch := range (*mutants + per - 1) / per {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			spoiltFiles(t, uint64(batch), per)
		})
	}
}

func spoiltFiles(t *testing.T, seed uint64, count int) {
	r := rand.New(rand.NewPCG(seed, 3))
	w := newTown(t, fmt.Sprintf("seed: %d\nrules:\n- {when: {chance: 0.2}, do: return, code: AB05, after: 5h}\n- {when: {chance: 0.2}, do: pay, tell: nothing}\n", seed))
	w.until(on(2, 12, 0))
	for range 3 {
		for _, mid := range mids {
			s := w.sell(mid, int64(1000+r.IntN(90000)))
			if r.IntN(3) == 0 {
				w.take(mid, payment.Refund, s.amount/2, s)
			}
		}
	}
	w.until(on(3, 7, 0))
	file := w.clearing(date(2))
	outcomes := map[backoffice.FilingState]int{}
	bring := func(dir string, content []byte, n int) {
		w.write(fmt.Sprintf("%s/spoilt-%03d", dir, n), string(content))
		w.now = w.now.Add(time.Second)
		w.work()
	}
	for n := range count / 2 {
		bring("clearing", spoil(r, []byte(file)), n)
	}
	w.write("clearing/right.csv", file)
	w.fund(date(2), total(file))
	w.until(on(3, 14, 0))
	var known [][]byte // what the bank has sent so far
	for _, dir := range []string{"replies", "statements", "payees"} {
		list, _ := filepath.Glob(filepath.Join(w.dir, "bank", dir, "*"))
		for _, name := range list {
			if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
				known = append(known, b)
			}
		}
	}
	for n := range count - count/2 {
		b := known[r.IntN(len(known))]
		bring("bank/"+[]string{"replies", "statements"}[r.IntN(2)], spoil(r, b), n)
	}
	if r.IntN(2) == 0 { // the right file once more, later than all
		w.write("clearing/right-again.csv", file)
	}
	w.until(on(7, 12, 0))
	w.trouble = nil
	w.audit()
	for _, folder := range []string{"clearing/UnionPay", "replies/CUSTODY", "statements/CUSTODY"} {
		for f, err := range w.db.Filings(context.Background(), folder) {
			if err != nil {
				t.Fatal(err)
			}
			if f.State == backoffice.Refused && f.Why == "" {
				t.Errorf("%s was refused without a reason", f.Name)
			}
			if strings.HasPrefix(f.Name, "spoilt") {
				outcomes[f.State]++
			}
		}
	}
	for _, mid := range mids {
		var got int64
		w.bank.View(func(b *custody.Book) { got = b.Balance(accountOf(mid)) })
		if want := w.owed(mid); got != want {
			t.Errorf("merchant %s has %d at its bank, and ought to have %d", mid, got, want)
		}
	}
	t.Log(outcomes)
}

// spoil does to a file what happens on the way.
func spoil(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	lines := bytes.SplitAfter(b, []byte("\n"))
	switch r.IntN(8) {
	case 0: // cut
		return b[:r.IntN(len(b))]
	case 1: // a line twice
		i := r.IntN(len(lines))
		return bytes.Join(slices.Insert(lines, i, lines[i]), nil)
	case 2: // two lines swapped
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
		return bytes.Join(lines, nil)
	case 3: // a line lost
		i := r.IntN(len(lines))
		return bytes.Join(slices.Delete(lines, i, i+1), nil)
	case 4: // a digit changed
		for range 50 {
			if i := r.IntN(len(b)); b[i] >= '0' && b[i] <= '9' {
				b[i] = '0' + byte(r.IntN(10))
				return b
			}
		}
	case 5: // a byte changed
		b[r.IntN(len(b))] = byte(r.IntN(256))
	case 6: // twice in one
		return append(b, b...)
	case 7: // zeros from somewhere on
		i := r.IntN(len(b))
		clear(b[i:])
	}
	return b
}

// TestAcceptedNotCredited: a payout that the bank accepted becomes an exception once
// three bank days have passed without its credit, the weekend not counted, and is one
// no more when the bank says that it came.
func TestAcceptedNotCredited(t *testing.T) {
	w, p := paidOut(t)
	w.until(on(5, 10, 0)) // a Thursday
	w.write("bank/replies/accepted.pain.002.xml", status(p.ID, "ACSP", "", p.Amount, w.now))
	const kind = settlement.ExceptionUncredited
	for _, x := range []struct {
		at   time.Time
		want bool
	}{{on(10, 23, 59), false}, {on(11, 0, 0), true}, {on(13, 12, 0), true}} {
		w.until(x.at)
		if got := w.exceptions(noodle); slices.Contains(got, kind) != x.want || len(slices.Compact(got)) != len(w.exceptions(noodle)) {
			t.Errorf("at %s the exceptions are %v", x.at, got)
		}
	}
	if now := w.payouts(noodle)[0]; now.State != settlement.Accepted || now.Paid || now.Resent != 0 {
		t.Errorf("it is %+v", now)
	}
	w.write("bank/replies/credited.pain.002.xml", status(p.ID, "ACCC", "", p.Amount, w.now))
	w.work()
	if now := w.payouts(noodle)[0]; now.State != settlement.Credited || len(w.exceptions(noodle)) != 0 {
		t.Errorf("it is %s, the exceptions are %v", now.State, w.exceptions(noodle))
	}
	if len(w.trouble) > 0 {
		t.Error(w.trouble)
	}
}
