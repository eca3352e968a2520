package evidence

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
)

// Instant is a moment in nanoseconds since 1970 UTC; 0 means none is given.
type Instant int64

// InstantOf gives the Instant of a time.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixNano())
}

// In gives the moment as a time in a zone.
func (i Instant) In(loc *time.Location) time.Time { return time.Unix(0, int64(i)).In(loc) }

// Unix gives whole seconds since 1970 UTC.
func (i Instant) Unix() int64 {
	s := int64(i) / 1e9
	if int64(i)%1e9 < 0 {
		s--
	}
	return s
}

// Add gives the moment d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub gives the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Code is a response code (ISO 8583 field 39), two characters; zero is none.
type Code [2]byte

func (c Code) String() string {
	if c == (Code{}) {
		return ""
	}
	return string(c[:])
}

// FactRef is the place of a fact in its Set; 0 is no fact.
type FactRef uint32

// flag marks which amounts a fact gives, and what else is yes or no.
type flag uint16

const (
	hasAmount     flag = 1 << iota
	amountIsGross      // the amount came as `gross`
	hasFee
	hasNet
	isDebit
	isCredit
	printedYes
	printedNo
	wrongClock // recordedtime long before time: Time was set to it
)

// Fact is one fact in compact form: what nearly every fact has stands in the
// struct, the rest in the Set's details. It holds no pointers.
type Fact struct {
	// Time is when it happened. Of a fact whose recordedtime shows a wrong
	// clock it is the recordedtime.
	Time Instant
	// Recorded is when it became known; 0 where that is not told.
	Recorded Instant
	// TransactionTime is the time of the payment a line speaks of.
	TransactionTime Instant

	amount, fee, net int64

	Source, ID Word
	// The keys of the payment.
	MID, TID, Batch, STAN, RRN, AuthCode, OrderID, Ref, PAN Word
	Payout                                                  Word
	Network, Issuer                                         Word

	// Date is the fact's own date: settlement_date of a settlement line,
	// clearing_date of a clearing line, booking_date of an entry, else date.
	Date calendar.Date
	Line uint32 // line in its file, from 1; 0 where there is none
	more uint32 // place of the details in the chunk, from 1
	File uint16 // number of the input it was read from, see Set.Files
	// Offset is the zone in which Time was written, in minutes east of UTC.
	Offset   int16
	flags    flag
	Currency money.Currency
	Code     Code
	Type     Type
	Kind     Kind
	Result   Result
	State    State
	Entry    Entry
	CardType CardType
}

// Amount gives the amount in minor units and whether the fact has one; of a
// settlement line that is its gross.
func (f *Fact) Amount() (int64, bool) { return f.amount, f.flags&hasAmount != 0 }

// Fee gives the fee a settlement line states, in minor units, positive when it
// is taken from the merchant.
func (f *Fact) Fee() (int64, bool) { return f.fee, f.flags&hasFee != 0 }

// Net gives what a settlement line adds to its payout, in minor units, signed.
func (f *Fact) Net() (int64, bool) { return f.net, f.flags&hasNet != 0 }

// Debit reports whether a bank entry takes money from the account.
func (f *Fact) Debit() bool { return f.flags&isDebit != 0 }

// Printed gives whether the slip was printed, and whether the fact says so.
func (f *Fact) Printed() (printed, said bool) {
	return f.flags&printedYes != 0, f.flags&(printedYes|printedNo) != 0
}

// WrongClock reports that the witness's clock was wrong: it recorded the fact
// more than ten minutes before the time it gave.
func (f *Fact) WrongClock() bool { return f.flags&wrongClock != 0 }

// Homeless reports a fact of a payment that names neither merchant nor terminal.
func (f *Fact) Homeless() bool {
	if f.MID != 0 || f.TID != 0 {
		return false
	}
	switch f.Type {
	case TerminalTransaction, GatewayRequest, GatewayResponse, ClearingLine, SettlementLine, SaleOrder:
		return true
	}
	return false
}

// holds reports whether a field lies in the struct; it may lie in the details.
func (f *Fact) holds(field Field) bool {
	if w := f.word(field); w != nil {
		return *w != 0
	}
	switch field {
	case Amount:
		return f.flags&(hasAmount|amountIsGross) == hasAmount
	case Gross:
		return f.flags&amountIsGross != 0
	case Fee:
		return f.flags&hasFee != 0
	case Net:
		return f.flags&hasNet != 0
	case CurrencyField:
		return f.Currency != money.Currency{}
	case ResponseCode:
		return f.Code != Code{}
	case KindField:
		return f.Kind != NoKind
	case ResultField:
		return f.Result != NoResult
	case EntryField:
		return f.Entry != NoEntry
	case CardTypeField:
		return f.CardType != NoCardType
	case Direction:
		return f.flags&(isDebit|isCredit) != 0
	case Printed:
		return f.flags&(printedYes|printedNo) != 0
	case TransactionTime:
		return f.TransactionTime != 0
	case What, StateField, StatusField, Action:
		return statesOf[f.Type].field == field && f.State != NoState
	case Date, ClearingDate, SettlementDate, BookingDate:
		return dateField[f.Type] == field && f.Date != 0
	}
	return false
}

// KnownAt is the moment from which the fact counts.
func (f *Fact) KnownAt() Instant { return max(f.Time, f.Recorded) }

// momentIsDate is the text of a detail that holds a date where an instant could
// stand.
const momentIsDate = "date"

// detail is a field outside the struct. Num holds numbers, dates and instants,
// text everything else; fields with several values have several details.
type detail struct {
	field Field
	num   int64
	text  string
}
