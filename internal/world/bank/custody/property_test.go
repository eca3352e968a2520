package custody_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/world/bank/custody"
)

// TestNeverTwice: whatever orders come, repeated under the same and other names,
// with ids that come again, cut, spoilt or overwritten, and whenever the bank is
// called or opened anew: no EndToEndId is debited twice, the accounts add up to
// zero, and each movement of a customer is stated once, in statements that follow
// from each other.
func TestNeverTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "custody")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		r := newRig(t, dir, drawScenario(t))
		var written []string
		for i := range rapid.IntRange(1, 10).Draw(t, "inputs") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2, 3:
				var pays []pay
				for range rapid.IntRange(1, 4).Draw(t, "payouts") {
					id := fmt.Sprintf("P%d", rapid.IntRange(1, 9).Draw(t, "id"))
					if slices.ContainsFunc(pays, func(p pay) bool { return p.id == id }) {
						continue // the writer would not
					}
					pays = append(pays, pay{id: id, amount: rapid.Int64Range(1, 90_000).Draw(t, "amount"),
						account: rapid.SampledFrom([]string{noodle, bakery, "6000001", "6000002"}).Draw(t, "account")})
				}
				name := fmt.Sprintf("M%d", rapid.IntRange(1, 5).Draw(t, "order"))
				r.order(name, pays...)
				written = append(written, "orders/"+name+".xml")
			case 4:
				if len(written) > 0 {
					from := rapid.SampledFrom(written).Draw(t, "again")
					to := fmt.Sprintf("orders/C%d.xml", i)
					r.write(to, r.read(from))
				}
			case 5:
				if len(written) > 0 {
					text := []byte(r.read(rapid.SampledFrom(written).Draw(t, "spoilt")))
					at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
					if rapid.Bool().Draw(t, "cut") {
						text = text[:at]
					} else {
						text[at] = byte(rapid.IntRange(0, 255).Draw(t, "byte"))
					}
					r.write(fmt.Sprintf("orders/S%d.xml", i), string(text))
				}
			case 6:
				r.fund(fmt.Sprintf("UNIONPAY-%d", rapid.IntRange(1, 3).Draw(t, "funding")), rapid.Int64Range(-500, 100_000).Draw(t, "money"), calendar.DateIn(r.now, china))
			case 7:
				r.inquire(fmt.Sprintf("Q%d", i), "M1", fmt.Sprintf("P%d", rapid.IntRange(1, 9).Draw(t, "asked")))
			case 8:
				r.restart()
			default:
				r.now = r.now.Add(time.Duration(rapid.IntRange(0, 30*60).Draw(t, "minutes")) * time.Minute)
			}
			r.tick()
			audit(r)
		}
		for again := true; again; again = r.busy() { // what came in an outage is read after it
			r.now = r.now.AddDate(0, 0, 1)
			r.tick()
		}
		// An entry is left to the next day, whose statement is late; by noon what was
		// wrong in the morning is corrected.
		r.now = calendar.DateIn(r.now, china).Add(6).In(china).Add(12 * time.Hour)
		r.tick()
		audit(r)
		if err := r.bank.Close(); err != nil {
			t.Fatal(err)
		}
		checkStatements(r)
	})
}

// busy reports whether something is still to happen but statements.
func (r *rig) busy() (busy bool) {
	r.bank.View(func(b *custody.Book) {
		for _, p := range b.Payments() {
			busy = busy || p.Act != ""
		}
		for _, t := range b.Transfers() {
			busy = busy || !t.Due.IsZero()
		}
	})
	return busy
}

func drawScenario(t *rapid.T) string {
	s := `customers: [{account: "110900000000001234", name: Example Acquiring, balance: 300000}]
charge: ` + fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "charge")) + `
payees: [{account: "6000001", closed: 2026-03-03, found_after: 20h}, {account: "6000002", limit: 40000}]
`
	if rapid.Bool().Draw(t, "slow") {
		s += "accept: {spread: 1h}\ncredit: {fixed: 1h, spread: 40h}\ncalendar: CN\nhours: 08:30-17:00\n"
	}
	if rapid.Bool().Draw(t, "outage") {
		s += "outages: [{from: 2026-03-02T11:00:00+08:00, to: 2026-03-03T03:00:00+08:00}, {daily: \"12:00-13:30\", of: [orders]}]\n"
	}
	s += "rules:\n"
	for _, do := range custody.Deeds {
		s += fmt.Sprintf("  - {when: {chance: %g}, do: %s, after: %dm, tell: %s}\n", float64(rapid.IntRange(1, 20).Draw(t, do))/100, do,
			rapid.IntRange(1, 6000).Draw(t, "after"), rapid.SampledFrom([]string{custody.TellAll, custody.TellAcceptance, custody.TellNothing}).Draw(t, "tell"))
	}
	s += "statements: {form: " + rapid.SampledFrom([]string{custody.Camt053, custody.MT940}).Draw(t, "form") + ", page: " + fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "page"))
	return s + ", faults: [{chance: 0.2, omit: 2, twice: 1h}, {chance: 0.2, wrong: drop, correct: 1h}, {chance: 0.2, late: 50h}, {chance: 0.2, wrong: truncate, correct: 1h}]}\n"
}

// checkStatements reads all statements of the folder with the product's readers:
// each is complete once it was corrected, opens as the one before closed, and all
// together hold every movement of the account once.
func checkStatements(r *rig) {
	r.Helper()
	book, err := custody.ReadBook(r.cfg.Journal)
	if err != nil {
		r.Fatal(err)
	}
	var firsts []string
	for _, name := range r.files() {
		if strings.HasPrefix(name, "replies/") || strings.HasPrefix(name, "notices/") {
			checkReadable(r, name)
			continue
		}
		if !strings.Contains(name, ".again") {
			firsts = append(firsts, name)
		}
	}
	closing := map[string]int64{}
	stated := map[string][]string{}
	for _, name := range firsts {
		set, told := load(r, name, r.read(name))
		if told != "" {
			r.Errorf("%s: %s", name, told)
		}
		whole := false
		for ref, f := range set.All {
			var fact struct{ Data statementData }
			if err := json.Unmarshal(set.AppendJSON(nil, ref), &fact); err != nil {
				r.Fatal(err)
			}
			d := fact.Data
			if d.Account == "" {
				r.Fatalf("%s: a fact without account", name)
			}
			if amount, ok := f.Amount(); ok {
				sign := map[string]string{"credit": "+", "debit": "-"}[d.Direction]
				stated[d.Account] = append(stated[d.Account], fmt.Sprintf("%s%d %s", sign, amount, d.EntryRef))
				continue
			}
			whole = true
			if was, ok := closing[d.Account]; ok && was != d.Opening {
				r.Errorf("%s opens with %d, the one before closed with %d", name, d.Opening, was)
			}
			closing[d.Account] = d.Closing
		}
		if !whole {
			r.Errorf("%s is not complete", name)
		}
	}
	moved := map[string][]string{}
	for _, m := range book.Movements() {
		moved[m.From] = append(moved[m.From], fmt.Sprintf("-%d %s", m.Amount, m.Ref()))
		moved[m.To] = append(moved[m.To], fmt.Sprintf("+%d %s", m.Amount, m.Ref()))
	}
	for account := range closing {
		slices.Sort(stated[account])
		slices.Sort(moved[account])
		if !slices.Equal(stated[account], moved[account]) {
			r.Errorf("account %s: stated\n%s\nmoved\n%s", account, strings.Join(stated[account], "\n"), strings.Join(moved[account], "\n"))
		}
		if got := book.Balance(account); got != closing[account] {
			r.Errorf("account %s closes with %d, the book says %d", account, closing[account], got)
		}
	}
	if len(closing) == 0 {
		r.Errorf("no statement was read")
	}
}

type statementData struct {
	Account   string
	Direction string
	EntryRef  string `json:"entry_ref"`
	Opening   int64
	Closing   int64
}

// checkReadable reads a reply or notice: all of it is taken.
func checkReadable(r *rig, name string) {
	r.Helper()
	told := says(r, name, r.read(name))
	if strings.Contains(told, "! ") || told == "" {
		r.Errorf("%s: %q", name, told)
	}
}

// FuzzOrder: whatever the bank reads, it refuses or takes; what it refuses has a
// code of four characters, and what it takes of the same bytes again has no effect.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(order(f, monday, "M1", pay{id: "P1", amount: 12300}, pay{id: "P2", amount: 5, account: bakery})))
	f.Add([]byte(`<Document><FIToFIPmtStsReq><GrpHdr><MsgId>Q</MsgId></GrpHdr><TxInf><OrgnlEndToEndId>P1</OrgnlEndToEndId></TxInf></FIToFIPmtStsReq></Document>`))
	f.Add([]byte(`<Document><CstmrCdtTrfInitn><GrpHdr><MsgId>M</MsgId><NbOfTxs>1</NbOfTxs></GrpHdr><PmtInf><ReqdExctnDt>2026-03-02</ReqdExctnDt><DbtrAcct><Id><IBAN>1</IBAN></Id></DbtrAcct><CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId></PmtId><Amt><InstdAmt Ccy="JPY">9223372036854775807</InstdAmt></Amt></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>`))
	f.Add([]byte("<Document/>"))
	f.Add([]byte("\xff\xfe<"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		if code := custody.ParseMessage(content); code != "" && len(code) != 4 {
			t.Errorf("refused with %q", code)
		}
		b, err := custody.Open(custody.Config{Dir: dir, Scenario: &custody.Scenario{Customers: []custody.Customer{{Account: safe, Balance: 100_000_000}}}})
		if err != nil {
			t.Fatal(err)
		}
		var paid [2]int64
		for i := range paid {
			if err := b.Receive(fmt.Sprintf("orders/F%d.xml", i), content, monday.Add(time.Duration(i)*time.Hour)); err != nil {
				t.Fatal(err)
			}
			audit(&rig{tb: t, bank: b})
			b.View(func(b *custody.Book) { paid[i] = b.Balance(safe) })
		}
		if paid[0] != paid[1] {
			t.Errorf("the same bytes again moved %d", paid[0]-paid[1])
		}
		for name, reply := range b.Owed() {
			if strings.HasPrefix(name, "replies/") {
				says(t, name, reply)
			}
		}
	})
}
