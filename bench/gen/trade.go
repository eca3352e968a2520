package main

import (
	"fmt"
	"math"
	"sort"
	"time"
)

// The trading days and the terms that every merchant of the data set has.
const (
	firstDay    = "2026-03-02" // a Monday; no holiday of mainland China falls in this March
	tradingDays = 12           // two working weeks with the weekend between them
	lastCovered = "2026-03-17" // the last day of the statements and of the settlement files
	asOf        = "2026-03-18T12:00:00+08:00"

	openHour   = 7  // the first sale of the day
	cutoffHour = 23 // a later sale belongs to the next business date
	feeBps     = 38 // the merchant's fee, half up to the fen

	// Of 1,000 payments so many are missing in one file, missing in the other, or settled with
	// another amount than the journal has.
	missingInSettlement = 5
	missingInJournal    = 5
	wrongAmount         = 5
	// Of 1,000 payouts so many never reach the statement.
	payoutsNotCredited = 10
)

// terminal is one POS terminal. Its payments are numbered from first, in order of time.
type terminal struct {
	merchant    int
	tid         string
	first, size uint64
	stan, batch uint64 // of its first payment
}

type merchant struct {
	mid, account, mcc string
	opening           int64 // the account's balance before the first payout, in fen
}

// trade is the whole data set in principle: who trades, when, and how many payments fall to each terminal.
type trade struct {
	seed      uint64
	payments  uint64
	merchants []merchant
	terminals []terminal
	starts    []uint64 // terminals[i].first, for the search
	days      []string // calendar dates from firstDay on, long enough for every settlement
	due       []int    // index into days: when the business date of that index is settled (T1)
	serial    shuffle
}

var (
	regions = []string{"1100", "3100", "4401", "4403", "3301", "5101", "3201", "4201"}
	mccs    = []string{"5812", "5411", "5311", "5541", "7011", "5912", "5651", "5732"}
	bins    = []string{"622202", "622848", "621700", "622588", "622262", "621661", "622155", "622690", "625965", "628288", "622568", "622908"}
)

func newTrade(payments uint64, merchants int, seed uint64) (*trade, error) {
	if payments < 1 || payments > 99_999_999 {
		return nil, fmt.Errorf("-n %d: between 1 and 99,999,999 payments have distinct reference numbers", payments)
	}
	if merchants < 1 || merchants > 9999 {
		return nil, fmt.Errorf("-merchants %d: between 1 and 9,999", merchants)
	}
	t := &trade{seed: mix(seed), payments: payments, serial: newShuffle(payments, mix(seed)^3)}
	t.layDays()

	var weights []float64
	total := 0.0
	for m := range merchants {
		state := t.seed ^ mix(uint64(m)+1<<40)
		mcc := mccs[draw(&state, uint64(len(mccs)))]
		t.merchants = append(t.merchants, merchant{
			mid:     fmt.Sprintf("898%s%s%04d", regions[draw(&state, uint64(len(regions)))], mcc, m+1),
			account: fmt.Sprintf("11090210%04d", m+1),
			mcc:     mcc,
			opening: int64(draw(&state, 50_000_000)),
		})
		// Few large shops, many small ones; a shop has one to five terminals of unlike use.
		size := 1 / math.Sqrt(float64(m+1))
		for range 1 + draw(&state, 5) {
			w := size * float64(50+draw(&state, 100))
			weights = append(weights, w)
			total += w
			t.terminals = append(t.terminals, terminal{
				merchant: m,
				tid:      fmt.Sprintf("T%07d", 1000001+len(t.terminals)),
				stan:     draw(&state, 999_999),
				batch:    1 + draw(&state, 999_000),
			})
		}
	}
	sum := 0.0
	for i := range t.terminals {
		term := &t.terminals[i]
		term.first = uint64(sum / total * float64(payments))
		sum += weights[i]
		end := payments
		if i+1 < len(t.terminals) {
			end = min(uint64(sum/total*float64(payments)), payments)
		}
		term.size = end - term.first
		t.starts = append(t.starts, term.first)
	}
	return t, nil
}

// layDays lists the calendar dates and the T1 settlement date of each: the next day that is neither
// Saturday nor Sunday.
func (t *trade) layDays() {
	day, err := time.Parse(time.DateOnly, firstDay)
	if err != nil {
		panic(err)
	}
	for i := range tradingDays + 4 {
		date := day.AddDate(0, 0, i)
		t.days = append(t.days, date.Format(time.DateOnly))
		next := i + 1
		for wd := day.AddDate(0, 0, next).Weekday(); wd == time.Saturday || wd == time.Sunday; wd = day.AddDate(0, 0, next).Weekday() {
			next++
		}
		t.due = append(t.due, next)
	}
}

// payment is one sale as both files know it.
type payment struct {
	term        *terminal
	day, second int // calendar day and second of that day
	settled     int // index of the settlement date
	stan, batch uint64
	rrn         uint64
	auth        uint64
	bin         string
	last4       uint64
	entry       string
	amount      int64 // what the terminal recorded, in fen
	gross       int64 // what the settlement file says
	inJournal   bool
	inSettle    bool
}

// at gives payment i; the same i always gives the same payment.
func (t *trade) at(i uint64) payment {
	where := sort.Search(len(t.starts), func(k int) bool { return t.starts[k] > i }) - 1
	term := &t.terminals[where]
	k := i - term.first
	day := k * tradingDays / term.size
	dayFirst := (day*term.size + tradingDays - 1) / tradingDays
	dayNext := ((day+1)*term.size + tradingDays - 1) / tradingDays

	state := t.seed ^ mix(i)
	open := uint64(24-openHour) * 3600
	second := openHour*3600 + ((k-dayFirst)*open+draw(&state, open))/(dayNext-dayFirst)
	p := payment{
		term:      term,
		day:       int(day),
		second:    int(second),
		stan:      (term.stan+k)%999_999 + 1,
		batch:     term.batch + day,
		rrn:       t.serial.at(i) + 1,
		inJournal: true,
		inSettle:  true,
	}
	businessDate := p.day
	if p.second > cutoffHour*3600 {
		businessDate++
	}
	p.settled = t.due[businessDate]

	bits := draw(&state, 1<<62)
	p.auth = bits % 1_000_000
	bits /= 1_000_000
	p.last4 = bits % 10_000
	bits /= 10_000
	p.bin = bins[bits%uint64(len(bins))]
	bits /= uint64(len(bins))
	switch e := bits % 20; {
	case e < 10:
		p.entry = "chip"
	case e < 19:
		p.entry = "contactless"
	default:
		p.entry = "magstripe"
	}

	// From 1.00 to 4,096.00, as many in each doubling.
	octave := int64(100) << draw(&state, 12)
	p.amount = octave + int64(draw(&state, uint64(octave)))
	p.gross = p.amount
	switch fate := draw(&state, 1000); {
	case fate < missingInSettlement:
		p.inSettle = false
	case fate < missingInSettlement+missingInJournal:
		p.inJournal = false
	case fate < missingInSettlement+missingInJournal+wrongAmount:
		switch draw(&state, 3) {
		case 0:
			p.gross += 1 + int64(draw(&state, 99))
		case 1:
			p.gross *= 10
		default:
			p.gross -= 1 + int64(draw(&state, uint64(p.amount/2)))
		}
	}
	return p
}

// fee of a gross amount, half up to the fen.
func fee(gross int64) int64 { return (gross*feeBps + 5000) / 10_000 }

// credited says whether the payout of a merchant and settlement date reaches the statement.
func (t *trade) credited(merchant, settled int) bool {
	return mix(t.seed^mix(uint64(merchant)<<8|uint64(settled)|1<<50))%1000 >= payoutsNotCredited
}
