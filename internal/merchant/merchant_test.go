package merchant_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

const mid = "898310058120001"

var (
	cny, _ = money.ParseCurrency("CNY")
	start  = time.Date(2026, 3, 2, 10, 0, 0, 0, time.FixedZone("", 8*3600))
	old    = merchant.Trade{NormalDays: 300}
)

func usual() merchant.Terms {
	return merchant.Terms{ValidFrom: calendar.MustYMD(2026, 3, 2), Cycle: "T1", Cutoff: "23:00", Timezone: "Asia/Shanghai", Calendar: "CN",
		PayoutBy: "18:00", Fees: []merchant.Fee{{Rate: 60 * money.BasisPoint}, {Rate: 50 * money.BasisPoint, Fixed: 10, Cap: 1800, CardType: "debit", Network: "UnionPay"}},
		MinimumPayout: 1000, CreditDays: 1, Reserve: merchant.Reserve{Rate: 500 * money.BasisPoint, Days: 180}}
}

func account(number string) merchant.Account {
	return merchant.NewAccount(number, []byte("sealed"), "Noodle shop", "ICBC", "ICBKCNBJ")
}

func onboarded(t testing.TB) *merchant.Merchant {
	c, err := merchant.Onboard(start, "anne", merchant.Details{MID: mid, Name: "Noodle shop", MCC: "5812", Currency: cny, Onboarded: calendar.MustYMD(2026, 3, 2)})
	if err != nil {
		t.Fatal(err)
	}
	return &c.Merchant
}

func policy() *merchant.Policy { p := merchant.DefaultPolicy(); return &p }

// agreed has terms and a verified account.
func agreed(t testing.TB) *merchant.Merchant {
	m, p := onboarded(t), policy()
	must := func(c merchant.Change, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		m = &c.Merchant
	}
	must(m.ProposeTerms(start, "anne", usual(), "contract", p, old))
	must(m.Approve(start, "bert", 1, p, old))
	must(m.ProposeAccount(start, "anne", account("6217001234566789"), "contract", p))
	must(m.Approve(start, "bert", 2, p, old))
	must(m.VerifyAccount(start, "carl", m.Accounts[0].Token, "penny_test"))
	return m
}

// TestTermsThatCannotBe: each is refused, with a hint that says what to write.
func TestTermsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*merchant.Terms)
		hint  string
	}{
		"T+400":             {func(t *merchant.Terms) { t.Cycle = "T400" }, "at most 92 days"},
		"a word":            {func(t *merchant.Terms) { t.Cycle = "weekly" }, "T0, T1"},
		"T01":               {func(t *merchant.Terms) { t.Cycle = "T01" }, "T0, T1"},
		"T":                 {func(t *merchant.Terms) { t.Cycle = "T" }, "T0, T1"},
		"a huge number":     {func(t *merchant.Terms) { t.Cycle = "T99999999999999999999" }, "at most 92 days"},
		"cap below fixed":   {func(t *merchant.Terms) { t.Fees[1].Fixed = 2000 }, "cap of 1800 lies below the fixed part of 2000"},
		"negative rate":     {func(t *merchant.Terms) { t.Fees[0].Rate = -1 }, "not negative"},
		"more than all":     {func(t *merchant.Terms) { t.Fees[0].Rate = 10_001 * money.BasisPoint }, "basis points"},
		"unknown card type": {func(t *merchant.Terms) { t.Fees[0].CardType = "gold" }, "debit, credit or prepaid"},
		"two rules alike":   {func(t *merchant.Terms) { t.Fees = append(t.Fees, t.Fees[1]) }, "another rule"},
		"others are free":   {func(t *merchant.Terms) { t.Fees = t.Fees[1:] }, "add a fee rule for all other cards"},
		"no fees":           {func(t *merchant.Terms) { t.Fees = nil }, "add a fee rule"},
		"passthrough":       {func(t *merchant.Terms) { t.FeeMode = "passthrough" }, "net or invoiced"},
		"mode":              {func(t *merchant.Terms) { t.FeeMode = "gross" }, "net or invoiced"},
		"unknown calendar":  {func(t *merchant.Terms) { t.Calendar = "MARS" }, "CN, TARGET2"},
		"cut-off 25:00":     {func(t *merchant.Terms) { t.Cutoff = "25:00" }, "00:01 to 24:00"},
		"cut-off 00:00":     {func(t *merchant.Terms) { t.Cutoff = "00:00" }, "midnight is 24:00"},
		"cut-off 23h":       {func(t *merchant.Terms) { t.Cutoff = "23h" }, "such as 23:00"},
		"payout at 24:30":   {func(t *merchant.Terms) { t.PayoutBy = "24:30" }, "payout_by"},
		"zone":              {func(t *merchant.Terms) { t.Timezone = "Peking" }, "Asia/Shanghai"},
		"capture":           {func(t *merchant.Terms) { t.Capture = "printer" }, "host or terminal"},
		"minimum":           {func(t *merchant.Terms) { t.MinimumPayout = -1 }, "not negative"},
		"credit days":       {func(t *merchant.Terms) { t.CreditDays = 31 }, "0 to 30"},
		"T0 minutes":        {func(t *merchant.Terms) { t.T0Minutes = 1441 }, "1440"},
		"preauth":           {func(t *merchant.Terms) { t.PreauthDays = 366 }, "365"},
		"reserve rate":      {func(t *merchant.Terms) { t.Reserve.Rate = -1 }, "basis points"},
		"reserve days":      {func(t *merchant.Terms) { t.Reserve.Days = 0 }, "1 to 540"},
		"no date":           {func(t *merchant.Terms) { t.ValidFrom = calendar.None }, "from which date"},
		"before onboarding": {func(t *merchant.Terms) { t.ValidFrom = calendar.MustYMD(2026, 3, 1) }, "first day of trade, 2026-03-02"},
	} {
		t.Run(name, func(t *testing.T) {
			terms := usual()
			tc.spoil(&terms)
			_, err := onboarded(t).ProposeTerms(start, "anne", terms, "contract", policy(), old)
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), tc.hint) {
				t.Errorf("got %v, hint %q, want %q", err, fault.HintOf(err), tc.hint)
			}
			if zh := fault.HintText(err).In("zh"); zh == fault.HintOf(err) {
				t.Errorf("the hint has no Chinese: %s", zh)
			}
		})
	}
	for _, ok := range []func(*merchant.Terms){
		func(*merchant.Terms) {}, func(t *merchant.Terms) { t.Cutoff = "24:00" }, func(t *merchant.Terms) { t.Cycle = "D7" }, func(t *merchant.Terms) { t.Cycle = "T92" },
		func(t *merchant.Terms) { t.FeeMode = "invoiced" }, func(t *merchant.Terms) { t.Fees[1].Cap = 10 }, func(t *merchant.Terms) { t.Reserve = merchant.Reserve{} },
	} {
		terms := usual()
		ok(&terms)
		if _, err := onboarded(t).ProposeTerms(start, "anne", terms, "contract", policy(), old); err != nil {
			t.Error(err, fault.HintOf(err))
		}
	}
}

// TestTermsAreReadAlike: what settlement computes with is what the investigation
// reads from the evidence of the same terms.
func TestTermsAreReadAlike(t *testing.T) {
	for _, cycle := range []string{"T1", "D0", "T0", "D30"} {
		for _, mode := range []string{"", "net", "invoiced"} {
			tm := usual()
			tm.Cycle, tm.FeeMode, tm.Capture, tm.PreauthDays, tm.T0Minutes = cycle, mode, "terminal", 20, 45
			tm.ValidFrom = calendar.MustYMD(2026, 9, 1)
			m := onboarded(t)
			c, err := m.ProposeTerms(start, "anne", tm, "contract", policy(), old)
			if err == nil {
				m = &c.Merchant
				c, err = m.Approve(start, "bert", 1, policy(), old)
			}
			if err != nil {
				t.Fatal(err)
			}
			ours, err := c.Merchant.Agreed(&c.Merchant.Terms[0], calendar.Builtin)
			if err != nil {
				t.Fatal(err)
			}
			set := evidence.NewSet()
			if len(c.Facts) != 1 {
				t.Fatal("no fact")
			}
			err = evidence.ReadNDJSON(bytes.NewReader(append(c.Facts[0].Line, '\n')), set.Writer(set.AddFile("-")), func(_ int, why fault.Text) { t.Error(why.EN) })
			if err != nil {
				t.Fatal(err)
			}
			set.Unify()
			book := terms.Read(set.Known(evidence.InstantOf(start.AddDate(1, 0, 0))))
			if len(book.Problems) > 0 || len(book.Merchants()) != 1 {
				t.Fatalf("problems %v", book.Problems)
			}
			theirs := book.All(book.Merchants()[0])[0]
			at := evidence.InstantOf(time.Date(2026, 9, 30, 23, 0, 1, 0, time.FixedZone("", 8*3600)))
			if a, b := ours.Due(at, at, ours.BusinessDate(at), false), theirs.Due(at, at, theirs.BusinessDate(at), false); a != b {
				t.Errorf("%s: due %+v and %+v", cycle, a, b)
			}
			for _, card := range []evidence.CardType{evidence.Debit, evidence.Credit} {
				for _, amount := range []int64{1, 49, 8800, 5_000_000} {
					a, _ := ours.Fee(amount, card, "UnionPay")
					if b, _ := theirs.Fee(amount, card, "UnionPay"); a != b {
						t.Errorf("fee of %d is %d and %d", amount, a, b)
					}
				}
			}
			if ours.MinimumPayout != theirs.MinimumPayout || ours.FeeMode != theirs.FeeMode || ours.PreauthDays != theirs.PreauthDays || ours.T0 != theirs.T0 ||
				ours.TerminalCapture != theirs.TerminalCapture || ours.ValidFrom != theirs.ValidFrom || ours.CreditDays != theirs.CreditDays {
				t.Errorf("%+v\n%+v", ours, theirs)
			}
		}
	}
}

func TestMakerAndChecker(t *testing.T) {
	p := policy()
	m := onboarded(t)
	c, err := m.ProposeTerms(start, "anne", usual(), "contract", p, old)
	if err != nil {
		t.Fatal(err)
	}
	proposed := c.Merchant
	m = &proposed
	if len(m.Terms) != 0 {
		t.Error("terms hold before they are checked")
	}
	if _, err := m.Approve(start, "anne", 1, p, old); fault.KindOf(err) != fault.NotAllowed {
		t.Error("the maker checked", err)
	}
	if _, err := m.Approve(start, "", 1, p, old); fault.KindOf(err) != fault.Invalid {
		t.Error("nobody checked", err)
	}
	if _, err := m.Approve(start, "bert", 2, p, old); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := m.Approve(start.Add(7*24*time.Hour), "bert", 1, p, old); fault.KindOf(err) != fault.Conflict {
		t.Error("an expired proposal was approved", err)
	}
	if _, err := m.ProposeTerms(start, "carl", usual(), "again", p, old); fault.KindOf(err) != fault.Conflict {
		t.Error("two proposals about the same", err)
	}
	if _, err := m.ProposeTerms(start.Add(8*24*time.Hour), "carl", usual(), "again", p, old); err != nil {
		t.Error("an expired proposal is in the way", err)
	}
	c, err = m.Approve(start, "bert", 1, p, old)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Merchant.Terms[0]
	if got.Maker != "anne" || got.Checker != "bert" || c.Merchant.Version != m.Version+1 || len(c.Merchant.Proposals) != 0 {
		t.Errorf("%+v", c.Merchant)
	}
	if len(m.Terms) != 0 || len(m.Proposals) != 1 {
		t.Error("a command changed its receiver")
	}
	if _, err := c.Merchant.Approve(start, "bert", 1, p, old); fault.KindOf(err) != fault.NotFound {
		t.Error("approved twice", err)
	}
	for by, word := range map[string]string{"anne": "terms_withdrawn", "bert": "terms_declined"} {
		c, err := m.Decline(start, by, 1, "no")
		if err != nil || c.Event.What != word || len(c.Merchant.Proposals) != 0 || len(c.Merchant.Terms) != 0 {
			t.Error(c.Event, err)
		}
	}
	if _, err := m.ProposeAccount(start, "anne", account("6217001234566789"), "", p); fault.KindOf(err) != fault.Invalid {
		t.Error("a proposal without a reason", err)
	}
}

// TestTermsHoldFromADate: new terms never change what was sold before.
func TestTermsHoldFromADate(t *testing.T) {
	m, p := agreed(t), policy()
	next := usual()
	next.Cycle, next.ValidFrom = "T2", calendar.MustYMD(2026, 3, 2)
	if _, err := m.ProposeTerms(start, "anne", next, "new", p, old); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "2026-03-03") {
		t.Error("terms for today", err, fault.HintOf(err))
	}
	next.ValidFrom = calendar.MustYMD(2026, 4, 1)
	c, err := m.ProposeTerms(start, "anne", next, "new", p, old)
	if err != nil {
		t.Fatal(err)
	}
	m = &c.Merchant
	if _, err := m.Approve(start.AddDate(0, 1, 0), "bert", m.Proposed, p, old); err == nil {
		t.Error("approved after they were to begin")
	}
	if c, err = m.Approve(start, "bert", m.Proposed, p, old); err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{"2026-03-01": "", "2026-03-02": "T1", "2026-03-31": "T1", "2026-04-01": "T2", "2027-01-01": "T2"} {
		d, _ := calendar.ParseDate(day)
		got := ""
		if tm, ok := c.Merchant.TermsOn(d); ok {
			got = tm.Cycle
		}
		if got != want {
			t.Errorf("%s: %q, want %q", day, got, want)
		}
	}
}

func TestSameDayPayoutNeedsStanding(t *testing.T) {
	p := policy()
	m := onboarded(t)
	sameDay := usual()
	sameDay.Cycle = "D0"
	for _, tc := range []struct {
		from string
		days int
		ok   bool
	}{{"2026-05-30", 30, false}, {"2026-05-31", 30, true}, {"2026-05-31", 29, false}, {"2027-01-01", 0, false}} {
		sameDay.ValidFrom, _ = calendar.ParseDate(tc.from)
		_, err := m.ProposeTerms(start, "anne", sameDay, "wish", p, merchant.Trade{NormalDays: tc.days})
		if (err == nil) != tc.ok || err != nil && (fault.KindOf(err) != fault.NotAllowed || fault.HintOf(err) == "") {
			t.Errorf("%s with %d days: %v", tc.from, tc.days, err)
		}
	}
	p.T0 = merchant.T0Rule{} // the rule can be set
	sameDay.ValidFrom = calendar.MustYMD(2026, 3, 2)
	c, err := m.ProposeTerms(start, "anne", sameDay, "wish", p, merchant.Trade{})
	if err != nil {
		t.Fatal(err)
	}
	// What was true when it was proposed must be so when it is approved.
	if _, err := c.Merchant.Approve(start, "bert", 1, policy(), merchant.Trade{}); fault.KindOf(err) != fault.NotAllowed {
		t.Error(err)
	}
}

func TestPayoutAccount(t *testing.T) {
	p := policy()
	m := onboarded(t)
	step := func(c merchant.Change, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err, fault.HintOf(err))
		}
		m = &c.Merchant
	}
	want := func(at time.Time, tail string, o merchant.Obstacle) {
		t.Helper()
		if a, got := m.PayoutAccount(at); got != o || a.Tail != tail {
			t.Errorf("account %q, obstacle %q, want %q %q", a.Tail, got, tail, o)
		}
	}
	want(start, "", merchant.NoAccount)
	step(m.ProposeAccount(start, "anne", account("6217 0012 3456 6789"), "contract", p))
	want(start, "", merchant.NoAccount)
	step(m.Approve(start, "bert", m.Proposed, p, old))
	want(start, "", merchant.Unverified)
	step(m.VerifyAccount(start, "carl", m.Accounts[0].Token, "four_elements"))
	want(start, "****6789", merchant.NoObstacle) // the first needs no cooling
	// A changed one: the old is paid until the cooling time ends.
	step(m.ProposeAccount(start, "anne", account("6217001211112222"), "moved", p))
	step(m.Approve(start, "bert", m.Proposed, p, old))
	step(m.VerifyAccount(start, "carl", m.Accounts[1].Token, "penny_test"))
	want(start.Add(p.Cooling-time.Second), "****6789", merchant.NoObstacle)
	want(start.Add(p.Cooling), "****2222", merchant.NoObstacle)
	// The bank refuses the old one meanwhile: nobody is paid till then.
	step(m.BlockAccount(start, "bank", m.Accounts[0].Token, "AC04"))
	want(start, "", merchant.Cooling)
	step(m.BlockAccount(start, "bank", m.Accounts[1].Token, "AC01"))
	want(start.Add(p.Cooling), "", merchant.Blocked)
	// The same account, mended and approved again, is good again.
	step(m.ProposeAccount(start, "anne", account("6217001211112222"), "name corrected", p))
	step(m.Approve(start, "bert", m.Proposed, p, old))
	step(m.VerifyAccount(start, "carl", m.Accounts[2].Token, "penny_test"))
	want(start.Add(p.Cooling), "****2222", merchant.NoObstacle)
	if _, err := m.VerifyAccount(start, "carl", "other", "penny_test"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*merchant.Account){
		"number": func(a *merchant.Account) { a.Token = "" }, "sealed": func(a *merchant.Account) { a.Sealed = nil },
		"holder": func(a *merchant.Account) { a.Holder = "" }, "bank": func(a *merchant.Account) { a.Agent = "" },
	} {
		a := account("6217001211112222")
		spoil(&a)
		if _, err := m.ProposeAccount(start, "anne", a, "wrong", p); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Error(name, err)
		}
	}
	if raw, _ := json.Marshal(m); bytes.Contains(raw, []byte("62170012")) {
		t.Error("an account number in clear")
	}
}

func TestStatus(t *testing.T) {
	m, p := agreed(t), policy()
	for _, tc := range []struct {
		state  merchant.State
		reason merchant.Reason
		kind   fault.Kind
	}{{"closed", "", fault.Invalid}, {merchant.Active, "risk", fault.Invalid}, {merchant.Frozen, "", fault.Invalid}, {merchant.Frozen, "whim", fault.Invalid}, {merchant.Active, "", fault.Conflict}} {
		if _, err := m.ProposeStatus(start, "anne", tc.state, tc.reason, "", "why", p); fault.KindOf(err) != tc.kind || fault.HintOf(err) == "" {
			t.Error(tc, err)
		}
	}
	c, err := m.ProposeStatus(start, "anne", merchant.Frozen, merchant.Judicial, "order 12", "court", p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Merchant.Status.State != merchant.Active {
		t.Error("frozen before it was checked")
	}
	c, err = c.Merchant.Approve(start, "bert", c.Merchant.Proposed, p, old)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Merchant.Status
	if s.State != merchant.Frozen || s.Reason != merchant.Judicial || s.Maker != "anne" || s.Checker != "bert" || s.Document != "order 12" {
		t.Errorf("%+v", s)
	}
	if len(c.Facts) != 1 || c.Facts[0].Type != evidence.AccountStatus || !bytes.Contains(c.Facts[0].Line, []byte(`"state":"frozen","reason":"judicial"`)) {
		t.Errorf("%s", c.Facts)
	}
}

func TestStoresAndOnboarding(t *testing.T) {
	m := onboarded(t)
	c, err := m.OpenStore(start, "anne", merchant.Store{ID: "S1", Name: "East gate", Opened: calendar.MustYMD(2026, 3, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Merchant.OpenStore(start, "anne", merchant.Store{ID: "S1", Name: "West gate"}); fault.KindOf(err) != fault.Conflict {
		t.Error(err)
	}
	if _, err := m.OpenStore(start, "anne", merchant.Store{ID: "S2"}); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if c, err = c.Merchant.CloseStore(start, "anne", "S1", calendar.MustYMD(2026, 9, 1)); err != nil || c.Merchant.Stores[0].Closed == calendar.None {
		t.Error(err)
	}
	if _, err := m.CloseStore(start, "anne", "S9", 0); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	good := merchant.Details{MID: mid, Name: "Noodle shop", MCC: "5812", Currency: cny, Onboarded: calendar.MustYMD(2026, 3, 2)}
	for name, spoil := range map[string]func(*merchant.Details){
		"number": func(d *merchant.Details) { d.MID = "8983 1005" }, "name": func(d *merchant.Details) { d.Name = "" }, "category": func(d *merchant.Details) { d.MCC = "food" },
		"currency": func(d *merchant.Details) { d.Currency = money.Currency{} }, "date": func(d *merchant.Details) { d.Onboarded = calendar.None },
	} {
		d := good
		spoil(&d)
		if _, err := merchant.Onboard(start, "anne", d); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Error(name, err)
		}
	}
}

// TestRowSurvivesJSON: the store keeps the row as JSON and reads the same back.
func TestRowSurvivesJSON(t *testing.T) {
	m := agreed(t)
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back merchant.Merchant
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(&back)
	if !bytes.Equal(raw, again) || len(back.Terms) != 1 || !reflect.DeepEqual(back.Terms[0].Fees, m.Terms[0].Fees) || back.Terms[0].ValidFrom != m.Terms[0].ValidFrom {
		t.Errorf("%s\n%s", raw, again)
	}
}

// TestNothingByOnePerson: whatever commands come, in whatever order, everything
// that moves money was made by one and checked by another.
func TestNothingByOnePerson(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m, p, now := onboarded(t), policy(), start
		people := []string{"anne", "bert", "carl"}
		for range rapid.IntRange(1, 30).Draw(r, "length") {
			now = now.Add(time.Duration(rapid.IntRange(0, 80).Draw(r, "hours")) * time.Hour)
			who := rapid.SampledFrom(people).Draw(r, "who")
			var c merchant.Change
			var err error
			switch rapid.IntRange(0, 5).Draw(r, "command") {
			case 0:
				tm := usual()
				tm.ValidFrom = calendar.DateIn(now, time.FixedZone("", 8*3600)).Add(rapid.IntRange(-1, 9).Draw(r, "from"))
				c, err = m.ProposeTerms(now, who, tm, "why", p, old)
			case 1:
				c, err = m.ProposeAccount(now, who, account(rapid.SampledFrom([]string{"6217001234566789", "6217001211112222"}).Draw(r, "account")), "why", p)
			case 2:
				c, err = m.ProposeStatus(now, who, rapid.SampledFrom([]merchant.State{merchant.Active, merchant.Frozen}).Draw(r, "state"),
					rapid.SampledFrom([]merchant.Reason{"", merchant.Risk}).Draw(r, "reason"), "", "why", p)
			case 3, 4:
				c, err = m.Approve(now, who, rapid.IntRange(1, max(1, m.Proposed)).Draw(r, "number"), p, old)
			case 5:
				c, err = m.Decline(now, who, rapid.IntRange(1, max(1, m.Proposed)).Draw(r, "number"), "no")
			}
			if err != nil {
				if fault.HintOf(err) == "" {
					r.Fatal("no hint", err)
				}
				continue
			}
			if c.Merchant.Version != m.Version+1 || c.Event.Version != c.Merchant.Version {
				r.Fatal("version", c.Event)
			}
			m = &c.Merchant
			for i, tm := range m.Terms {
				if tm.Maker == tm.Checker || tm.Maker == "" || i > 0 && tm.ValidFrom <= m.Terms[i-1].ValidFrom {
					r.Fatalf("%+v", m.Terms)
				}
			}
			if s := m.Status; s.State != merchant.Active && (s.Maker == s.Checker || s.Reason == "") {
				r.Fatalf("%+v", s)
			}
			if a, o := m.PayoutAccount(now); o == merchant.NoObstacle && a.Verified.IsZero() {
				r.Fatal("an unverified account is paid to")
			}
		}
	})
}
