package demo

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
)

// The fortnight: Monday 8 to Sunday 21 June 2026. Its last three days are the
// Dragon Boat Festival (端午节) of the official notice for 2026, so that what was
// sold on the Thursday before is not due until the Monday after.
var (
	first = calendar.MustYMD(2026, 6, 8)
	last  = calendar.MustYMD(2026, 6, 21)
)

// ends is the time of the question on the last day.
const ends = 20 * time.Hour

// zone is where the shops are.
const zone = "Asia/Shanghai"

// The shops' merchant numbers.
const (
	noodles = "898310058120001"
	corner  = "898310054110002"
	tea     = "898310054990003"
	tools   = "898310052510004"
	books   = "898310059420005"
)

// The tills.
const (
	noodles1 = "T1000001"
	noodles2 = "T1000002"
	corner1  = "T2000001"
	corner2  = "T2000002"
	tea1     = "T3000001"
	tools1   = "T4000001"
	books1   = "T5000001"
)

func shops() []Shop {
	till := func(tids ...string) []Till {
		var all []Till
		for _, t := range tids {
			all = append(all, Till{TID: t, Model: "A920"})
		}
		return all
	}
	return []Shop{
		{MID: noodles, MCC: "5812", Name: fault.Say("Noodle House", "面馆"), Tills: till(noodles1, noodles2),
			Account: Account{"1109000000000011001", "面馆", harbor, harborCode}, Daily: 8, From: 1800, To: 12800, Opens: 10, Closes: 21},
		{MID: corner, MCC: "5411", Name: fault.Say("Corner Shop", "便利店"), Tills: till(corner1, corner2),
			Account: Account{"1109000000000022002", "便利店", harbor, harborCode}, Daily: 9, From: 900, To: 18000, Opens: 8, Closes: 22},
		{MID: tea, MCC: "5499", Name: fault.Say("Tea House", "茶庄"), Tills: till(tea1),
			Account: Account{"1109000000000033003", "茶庄", harbor, harborCode}, Daily: 4, From: 8800, To: 68000, Opens: 10, Closes: 20},
		{MID: tools, MCC: "5251", Name: fault.Say("Tool Shop", "五金店"), Tills: till(tools1),
			Account: Account{"1109000000000044004", "五金店", harbor, harborCode}, Daily: 4, From: 2500, To: 39000, Opens: 9, Closes: 18},
		{MID: books, MCC: "5942", Name: fault.Say("Book Shop", "书店"), Tills: till(books1),
			Account: Account{"1109000000000055005", "书店", harbor, harborCode}, Daily: 4, From: 2900, To: 24000, Opens: 9, Closes: 20},
	}
}

// mendedTools is the account that the tool shop brings after its old one was closed.
var mendedTools = Account{"1109000000000044111", "五金店", harbor, harborCode}

// issuers are those of the simulated terminal's cards. Credit cards of CMB have no
// answer for a while.
func issuers() []Issuer {
	return []Issuer{
		{"ICBC", "icbc-debit", "622202", "debit"}, {"ICBC", "icbc-credit", "625330", "credit"}, {"ABC", "abc-debit", "622848", "debit"},
		{"CCB", "ccb-debit", "621700", "debit"}, {"BOC", "boc-debit", "621660", "debit"}, {"CMB", "cmb-credit", "622575", "credit"},
		{"BOCOM", "bocom-debit", "622260", "debit"}, {"PSBC", "psbc-debit", "622188", "debit"},
	}
}

// The bank that pays the shops, which keep their accounts with it too. It and its
// number in the clearing system are made up.
const (
	harbor     = "HARBOR"
	harborCode = "999290000018"
)

// safeguarded is the platform's account at the bank that pays the shops.
var safeguarded = Account{"110900000000000900", "Example Acquiring", harbor, harborCode}

// network is the host that answers for every card's bank. It leaves one sale of the
// 11th out of its file, and takes one of the 9th back a week later.
func (s *Script) network() bank.Scenario {
	line := func(day int, tid string, amount int64, do string, after int) bank.Slip {
		return bank.Slip{When: bank.When{TID: []string{tid}, From: amount, To: amount, Operations: []string{"sale"}},
			Dates: []calendar.Date{calendar.MustYMD(2026, 6, day)}, Do: do, After: after}
	}
	h := bank.Scenario{Network: "UnionPay", Seed: s.Seed, Zone: zone, SignOn: true, MAC: true, SettleTo: safeguarded.Number,
		Clearing: []bank.Slip{line(11, tea1, omitted, bank.SlipOmit, 0), line(9, noodles1, disputed, bank.SlipChargeback, 6)}}
	for _, i := range s.Issuers {
		a := bank.Accounts{Range: i.Range, Issuer: i.Name, Type: i.Type, Balance: 2_000_000, PIN: "123456"}
		if i.Name == "ABC" {
			a.Limits.Single = 500_000
		}
		h.Accounts = append(h.Accounts, a)
	}
	return h
}

// payer is the bank that pays the shops: open on bank days from half past eight, paying within the
// hour. It does no work on the 16th, when a day's orders wait in its folder, finds
// out a day late that the tool shop's account is closed, and lets the tea house
// wait over the holiday for what was sold on the 17th.
func (s *Script) payer() custody.Scenario {
	b := custody.Scenario{Name: harbor, BIC: "HRBRCNSH", Seed: s.Seed, Zone: zone, Calendar: "CN", Hours: "08:30-17:30", OnlyListed: true,
		Customers: []custody.Customer{{Account: safeguarded.Number, Name: safeguarded.Holder, Balance: 5_000_000}},
		Accept:    custody.Delay{Fixed: 3 * time.Minute}, Credit: custody.Delay{Fixed: 20 * time.Minute},
		Outages: []custody.Outage{{From: s.at(16, 8, 40, 0), To: s.at(17, 8, 30, 0), Of: []string{custody.Orders, custody.Bookings}, Notice: true, Title: "Payment system out of order 付款系统故障"}},
		Rules: []custody.Rule{{When: custody.When{MID: []string{tea}, Dates: []calendar.Date{calendar.MustYMD(2026, 6, 18)}},
			Do: custody.DoPay, Credit: 100 * time.Hour}},
		// A day is stated as soon as it is over, so that its evening can be told.
		Statements: custody.Statements{At: "00:05"}}
	for _, shop := range s.Shops {
		p := custody.Payee{Account: shop.Account.Number, Name: shop.Account.Holder}
		if shop.MID == tools {
			p.Closed, p.Found = calendar.MustYMD(2026, 6, 10), 25*time.Hour
		}
		b.Payees = append(b.Payees, p)
	}
	b.Payees = append(b.Payees, custody.Payee{Account: mendedTools.Number, Name: mendedTools.Holder})
	return b
}

// Fortnight is the script of a seed.
func Fortnight(seed uint64) (*Script, error) {
	z, err := calendar.Location(zone)
	if err != nil {
		return nil, err
	}
	s := &Script{Seed: seed, Zone: z, First: first, Last: last, End: last.In(z).Add(ends), Shops: shops(), Issuers: issuers(), Safeguarded: safeguarded}
	s.Network, s.Payer = s.network(), s.payer()
	s.Events = s.troubles()
	s.trade()
	slices.SortStableFunc(s.Events, func(a, b Event) int { return a.At.Compare(b.At) })
	// A moment is one event's alone: the clock of the story stands between them.
	for i := 1; i < len(s.Events); i++ {
		if least := s.Events[i-1].At.Add(time.Second); s.Events[i].At.Before(least) {
			s.Events[i].At = least
		}
	}
	return s, nil
}

// at is a moment of a day of June.
func (s *Script) at(day, hour, minute, second int) time.Time {
	return time.Date(2026, time.June, day, hour, minute, second, 0, s.Zone)
}

// down says which tills sell nothing when, and for which cards: those that a
// trouble of the story is about at the time.
func (s *Script) down(tid, card string, at time.Time) bool {
	between := func(from, to time.Time) bool { return !at.Before(from) && at.Before(to) }
	return card == "cmb-credit" && between(s.at(11, 11, 30, 0), s.at(11, 14, 0, 0)) ||
		tid == noodles2 && between(s.at(17, 12, 20, 0), s.at(17, 15, 30, 0))
}

// trade adds the ordinary sales, which follow from the seed, and the closing of
// each till's batch.
func (s *Script) trade() {
	dice := rand.New(rand.NewPCG(s.Seed, 0x64656d6f))
	for d := s.First; d <= s.Last; d = d.Add(1) {
		day := d.In(s.Zone)
		for i := range s.Shops {
			shop := &s.Shops[i]
			n := shop.Daily - 1 + dice.IntN(3)
			if w := d.Weekday(); w == time.Saturday || w == time.Sunday {
				n += shop.Daily / 4
			}
			for range n {
				till := shop.Tills[dice.IntN(len(shop.Tills))]
				issuer := s.Issuers[dice.IntN(len(s.Issuers))]
				seconds := shop.Opens*3600 + dice.IntN((shop.Closes-shop.Opens)*3600)
				at := day.Add(time.Duration(seconds) * time.Second)
				// Small amounts are the usual ones: the smaller of two draws. Prices end
				// in whole jiao.
				amount := shop.From + min(dice.Int64N(shop.To-shop.From), dice.Int64N(shop.To-shop.From))
				amount = amount / 10 * 10
				number := dice.IntN(400)
				if !at.Before(s.End) || s.down(till.TID, issuer.Card, at) {
					continue
				}
				s.Events = append(s.Events, Event{At: at, Deed: Sale, TID: till.TID, Card: card(issuer.Card, number), Amount: amount})
			}
			for j, till := range shop.Tills {
				if at := day.Add(time.Duration(shop.Closes)*time.Hour + time.Duration(20+i+5*j)*time.Minute); at.Before(s.End) {
					s.Events = append(s.Events, Event{At: at, Deed: Close, TID: till.TID})
				}
			}
		}
	}
	slices.SortFunc(s.Events, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.TID, b.TID)) })
}
