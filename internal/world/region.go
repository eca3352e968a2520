package world

import (
	"fmt"
	"time"

	"daozhang/internal/calendar"
)

// region is one market: its currency, calendar, networks, issuers and banks.
type region struct {
	code, currency, calendarName string
	zone                         *time.Location
	cal                          *calendar.Calendar
	networks                     []*network
	banks                        []*bank
	issuers                      []*issuer
	merchants                    []*merchant
	clearAt                      int // minutes after midnight of the next day
}

// network carries authorizations and clears what was captured.
type network struct {
	name     string
	bin      string
	wallet   string   // of one paid by QR code: how its payment numbers begin; no card, no issuer
	fault    *trouble // authorizations do not get through
	troubles []*trouble
	clearOff int64 // no clearing before this time
}

// issuer answers authorizations.
type issuer struct {
	name  string
	fault *trouble
	// how the fault shows: declines with a code, open answers, or silence
	mode string
}

// bank pays merchants out.
type bank struct {
	name      string
	lag       int // minutes from acceptance to booking, at most
	credits   bool
	weight    int // of its merchants
	troubles  []*trouble
	off       int64 // no payouts go out before this time
	creditOff int64
}

func (s *sim) makeRegions() {
	cn, _ := calendar.Builtin("CN")
	t2, _ := calendar.Builtin("TARGET2")
	shanghai, err := calendar.Location("Asia/Shanghai")
	if err != nil {
		shanghai = time.FixedZone("CST", 8*3600)
	}
	berlin, err := calendar.Location("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("CET", 3600)
	}
	s.zone = shanghai
	s.regions = []*region{
		{code: "CN", currency: "CNY", calendarName: "CN", zone: shanghai, cal: cn, clearAt: 210,
			networks: []*network{{name: "UnionPay", bin: "6222"}, {name: "Mastercard", bin: "5412"}, {name: "WeChat Pay", wallet: "4200001"}, {name: "Alipay", wallet: "2026000"}},
			banks: []*bank{{name: "ICBC", lag: 20, credits: true}, {name: "CCB", lag: 90, credits: true},
				{name: "ABC", lag: 180}, {name: "BOC", lag: 45}},
			issuers: []*issuer{{name: "ICBC"}, {name: "CCB"}, {name: "CMB"}, {name: "BOC"}, {name: "SPDB"}}},
		{code: "EU", currency: "EUR", calendarName: "TARGET2", zone: berlin, cal: t2, clearAt: 90,
			networks: []*network{{name: "Visa", bin: "4567"}, {name: "girocard", bin: "6723"}},
			banks:    []*bank{{name: "COBA", lag: 120, credits: true}, {name: "DEUT", lag: 60}},
			issuers:  []*issuer{{name: "DKB"}, {name: "INGD"}, {name: "SPARKASSE"}}},
	}
}

// trade is what a shop sells: when, and for how much.
type trade struct {
	name, mcc string
	open      [24]int // weight of each hour
	weekend   int     // weight of a weekend day in percent
	amounts   []int   // in major units; the pence are drawn
	hotel     bool
	fixed     bool // amounts are exact prices
}

var trades = []trade{
	{name: "Restaurant", mcc: "5812", weekend: 150, amounts: []int{28, 45, 66, 88, 120, 168, 220, 380, 520},
		open: [24]int{11: 8, 12: 12, 13: 6, 14: 2, 17: 6, 18: 14, 19: 14, 20: 8, 21: 4}},
	{name: "Supermarket", mcc: "5411", weekend: 130, amounts: []int{12, 23, 35, 48, 67, 90, 150, 260},
		open: [24]int{8: 4, 9: 6, 10: 8, 11: 8, 12: 5, 13: 4, 14: 5, 15: 6, 16: 8, 17: 12, 18: 12, 19: 10, 20: 6, 21: 2}},
	{name: "Clothing", mcc: "5651", weekend: 180, amounts: []int{99, 129, 199, 259, 399, 599, 899},
		open: [24]int{10: 4, 11: 6, 12: 5, 13: 6, 14: 8, 15: 9, 16: 9, 17: 8, 18: 7, 19: 9, 20: 8}},
	{name: "Fuel", mcc: "5541", weekend: 90, amounts: []int{100, 150, 200, 260, 300, 350},
		open: [24]int{0: 1, 5: 2, 6: 4, 7: 9, 8: 10, 9: 6, 10: 5, 11: 5, 12: 5, 13: 5, 14: 5, 15: 5, 16: 6, 17: 9, 18: 9, 19: 6, 20: 4, 21: 3, 22: 2, 23: 1}},
	{name: "Hotel", mcc: "7011", weekend: 140, hotel: true, amounts: []int{268, 388, 520, 688, 980, 1480},
		open: [24]int{0: 1, 7: 6, 8: 8, 9: 8, 10: 6, 11: 5, 12: 4, 13: 5, 14: 8, 15: 8, 16: 6, 17: 5, 18: 5, 19: 4, 20: 4, 21: 4, 22: 3, 23: 2}},
	{name: "Cinema", mcc: "7832", weekend: 220, fixed: true, amounts: []int{35, 45, 60, 70, 90},
		open: [24]int{10: 2, 12: 3, 13: 4, 14: 5, 15: 5, 16: 4, 17: 5, 18: 9, 19: 12, 20: 9, 21: 5, 22: 2}},
}

// merchant is a shop under one contract with the platform.
type merchant struct {
	index           int
	mid, name       string
	tr              *trade
	reg             *region
	bank            *bank
	account         string
	weight          int
	terms           []*terminal
	calDays         bool // D cycle
	days            int
	cutoff          int // minutes; 1440 for none
	byTerminal      bool
	payoutBy        int
	payoutAt        int
	settleAt        int
	closeAt         int
	t0              int
	creditDays      int
	feeMode         string
	bps, credBps    int64
	cap             int64
	minimum         int64
	preauthDays     int
	orders, batches bool
	statements      bool // the bank's statements reach the observer
	early           bool // bank entries are known at once, not with the statement
	references      bool // bank entries name the payout
	journal         bool // the terminals' journals are complete
	visible         int  // entries and statements seen so far

	limit      *trouble // sales over limitAt are declined
	limitAt    int64    // minor units
	net        *trouble // the shop's own line is down
	troubles   []*trouble
	hold       *trouble // keeps all its money
	holdStage  leg      // settlement or payoutLeg
	awaitClear []*payment
	awaitPay   []*payment // cleared, not yet settled
	payouts    []*payout  // opened, not yet sent
	lines      []extraLine
	payoutSeq  int
	waiting    []*payout                  // kept by a hold
	limits     []*trouble                 // payout policies that were exceeded
	missing    map[calendar.Date]*trouble // statements that come late
	fate       map[string]*trouble        // what befalls the next run or payout
}

// terminal is one device in a shop.
type terminal struct {
	m        *merchant
	tid      string
	stan     int
	batch    *batch
	batchNo  int
	busy     int64 // until when it is taken
	reader   *trouble
	readerOf string
	fault    *trouble // what stops authorizations
	mode     string
	line     *trouble
	sync     *trouble
}

// batch is what a terminal with capture by upload has collected.
type batch struct {
	t        *terminal
	no       string
	pays     []*payment
	troubles []*trouble
	uploaded ref
	until    int64 // not to be uploaded before
	count    int64
	total    int64
}

func (s *sim) makeMerchants() {
	cn, eu := s.regions[0], s.regions[1]
	for i := range s.cfg.Merchants {
		reg := cn
		if i%8 == 5 {
			reg = eu
		}
		tr := &trades[s.rng.IntN(len(trades))]
		if i == 3 || i == 11 {
			tr = &trades[4]
		}
		m := &merchant{
			index: i, tr: tr, reg: reg, bank: pick(s, reg.banks), weight: s.n(3, 20),
			days: 1, cutoff: 1440, payoutBy: 18 * 60, payoutAt: pick(s, []int{630, 840, 900, 990}), settleAt: 510 + s.n(0, 45),
			bps: 38 + int64(s.n(0, 22)), credBps: 55 + int64(s.n(0, 20)), preauthDays: 30, feeMode: "net",
			orders: s.permille(600), batches: s.permille(800), statements: s.permille(930), early: s.permille(500),
			references: s.permille(850), journal: s.permille(850),
			missing: map[calendar.Date]*trouble{}, fate: map[string]*trouble{},
		}
		if s.permille(200) {
			m.weight *= 4
		}
		m.mid = fmt.Sprintf("8983%02d0%s%04d", 10+i%37, tr.mcc, 1+i)
		m.name = fmt.Sprintf("%s %d", tr.name, i+1)
		m.account = fmt.Sprintf("11%06d%07d", 200000+i*37%99999, 1000003*(i+1)%9999991)
		if reg == eu {
			m.account = fmt.Sprintf("DE%02d50040000%010d", 10+i%80, 300000+i*7919)
		}
		switch s.rng.IntN(10) {
		case 0:
			m.days, m.t0 = 0, 30
		case 1:
			m.calDays, m.days = true, 0
			m.t0 = 30
		case 2, 3:
			m.calDays = true
		case 4:
			m.days = 2
		case 5:
			m.creditDays = 1
		}
		if len(s.cfg.Cycles) > 0 {
			cycle := pick(s, s.cfg.Cycles)
			m.calDays, m.days, m.t0 = cycle[0] == 'D', int(cycle[1]-'0'), 0
			if m.days == 0 {
				m.t0 = 30
			}
		}
		if s.permille(550) {
			m.cutoff = pick(s, []int{20 * 60, 21 * 60, 22 * 60, 23 * 60})
		}
		if m.days > 0 && !tr.hotel && reg == cn && s.permille(400) {
			m.byTerminal, m.batches, m.cutoff = true, true, 23*60
			m.closeAt = 22*60 + s.n(5, 40)
		}
		switch {
		case s.permille(120):
			m.feeMode = "invoiced"
		case s.permille(60):
			m.feeMode = "passthrough"
		}
		if s.permille(500) {
			m.cap = 2000
		}
		if m.payoutAt == 630 && m.days > 0 {
			m.payoutBy = 720 + 60
		}
		if tr.hotel {
			m.preauthDays = pick(s, []int{3, 30})
		}
		if m.days > 0 && (i%13 == 7) {
			m.weight, m.minimum = 1, 30000
		}
		if m.days == 0 {
			m.references = true // one payout a sale: without its number nobody could tell them apart
		}
		m.bank.weight += m.weight
		n := 1 + s.rng.IntN(3)
		if m.weight > 30 {
			n += 2
		}
		for k := range n {
			m.terms = append(m.terms, &terminal{m: m, tid: fmt.Sprintf("T%03d%04d", k+1, i+1), stan: s.n(1, 900), batchNo: s.n(1, 400)})
		}
		s.merchants = append(s.merchants, m)
		reg.merchants = append(reg.merchants, m)
	}
}

// stateTerms writes what was agreed, as a fact of the day before the world begins.
func (s *sim) stateTerms(m *merchant, at int64) {
	cycle := "T"
	if m.calDays {
		cycle = "D"
	}
	f := s.fact("merchant.terms", "institution", at, m.reg.zone).str("mid", m.mid).str("name", m.name).str("mcc", m.tr.mcc).
		date("valid_from", s.cfg.From.Add(-90)).str("cycle", fmt.Sprintf("%s%d", cycle, m.days)).
		str("timezone", m.reg.zone.String()).str("calendar", m.reg.calendarName).str("account", m.account).str("bank", m.bank.name)
	if m.cutoff < 1440 {
		f.str("cutoff", clock(m.cutoff))
	}
	if m.byTerminal {
		f.str("capture", "terminal")
	}
	if m.payoutBy != 1080 {
		f.str("payout_by", clock(m.payoutBy))
	}
	if m.t0 > 0 {
		f.num("t0_minutes", int64(m.t0))
	}
	if m.creditDays > 0 {
		f.num("credit_days", int64(m.creditDays))
	}
	if m.minimum > 0 {
		f.num("minimum_payout", m.minimum)
	}
	if m.preauthDays != 30 {
		f.num("preauth_days", int64(m.preauthDays))
	}
	if m.feeMode != "net" {
		f.str("fee_mode", m.feeMode)
	}
	capped := ""
	if m.cap > 0 {
		capped = fmt.Sprintf(`,"cap":%d`, m.cap)
	}
	f.raw("fees", fmt.Sprintf(`[{"bps":%d%s},{"bps":%d,"card_type":"credit"}]`, m.bps, capped, m.credBps))
	f.emit()
}

func clock(min int) string { return fmt.Sprintf("%02d:%02d", min/60, min%60) }

// fee is the agreed one: half up, then the cap, never above the amount.
func (m *merchant) fee(amount int64, credit bool) int64 {
	bps, top := m.bps, m.cap
	if credit {
		bps, top = m.credBps, 0
	}
	fee := (amount*bps + 5000) / 10000
	if top > 0 {
		fee = min(fee, top)
	}
	return min(fee, amount)
}
