package evidence

import "strings"

// Field names one thing a fact may carry. One table describes them all: the
// NDJSON reader, the CSV forms, validation, export and the canonical form read
// it, so a field is added in one place.
type Field uint8

// The fields of the contract. Those up to Issuer are keys of the payment.
const (
	NoField Field = iota
	MID
	TID
	Batch
	STAN
	RRN
	AuthCode
	OrderID
	Ref
	PAN
	Network
	Issuer
	CardTypeField
	Amount
	CurrencyField
	Payout
	Account
	Bank
	KindField
	EntryField
	CVM
	ResultField
	ResponseCode
	Operator
	Printed
	OriginalSTAN
	OriginalRRN
	ApprovedAmount
	Component
	Detail
	Version
	PendingCount
	Prompt
	What
	StateField
	StatusField
	Action
	Link
	Date
	ClearingDate
	SettlementDate
	TransactionTime
	Count
	Total
	Gross
	Fee
	Net
	NetCurrency
	Rate
	By
	Reason
	Replaces
	Direction
	EntryRef
	BookingDate
	ValueDate
	Text
	References
	From
	To
	Opening
	Closing
	Of
	LatencyMS
	ErrorRate
	NoticeID
	NoticeIssuer
	Affects
	Title
	Scope
	MaxAmount
	DailyAmount
	DailyCount
	Rule
	Score
	CaseID
	Name
	MCC
	ValidFrom
	Cycle
	Cutoff
	Timezone
	CalendarField
	Capture
	PayoutBy
	T0Minutes
	CreditDays
	Fees
	FeeMode
	MinimumPayout
	PreauthDays
	UnknownField // kept as raw JSON under its own name
	timeText     // `time` as written, where it is not the usual form
	recordedText // `recordedtime` likewise
	writtenText  // a field's JSON as written, where the fact keeps it otherwise
	extension    // an attribute beside those of the contract, as `"name":value`
	fieldCount
)

// class says how a field's value is read, kept and written.
type class uint8

const (
	classWord    class = iota // short string, kept as a Word
	classText                 // free text, card numbers in it are masked
	classAmount               // integer minor units, not negative
	classSigned               // integer minor units, signed
	classCount                // integer, not negative
	classNumber               // decimal number, kept as written
	classBool                 // true or false
	classInstant              // RFC 3339 with offset
	classDate                 // 2006-01-02
	classMoment               // date or RFC 3339 instant
	classEnum                 // closed vocabulary
	classList                 // list of strings
	classJSON                 // structure kept as JSON
)

type fieldInfo struct {
	name  string
	class class
}

var fields = [fieldCount]fieldInfo{
	MID: {"mid", classWord}, TID: {"tid", classWord}, Batch: {"batch", classWord}, STAN: {"stan", classWord},
	RRN: {"rrn", classWord}, AuthCode: {"auth_code", classWord}, OrderID: {"order_id", classWord}, Ref: {"ref", classWord},
	PAN: {"pan", classWord}, Network: {"network", classWord}, Issuer: {"issuer", classWord}, CardTypeField: {"card_type", classEnum},
	Amount: {"amount", classAmount}, CurrencyField: {"currency", classWord}, Payout: {"payout", classWord},
	Account: {"account", classText}, Bank: {"bank", classText}, KindField: {"kind", classEnum}, EntryField: {"entry", classEnum},
	CVM: {"cvm", classText}, ResultField: {"result", classEnum}, ResponseCode: {"response_code", classWord},
	Operator: {"operator", classText}, Printed: {"printed", classBool}, OriginalSTAN: {"original_stan", classText},
	OriginalRRN: {"original_rrn", classText}, ApprovedAmount: {"approved_amount", classAmount},
	Component: {"component", classText}, Detail: {"detail", classText}, Version: {"version", classText},
	PendingCount: {"pending", classCount}, Prompt: {"prompt", classText}, What: {"what", classEnum},
	StateField: {"state", classEnum}, StatusField: {"status", classEnum}, Action: {"action", classEnum},
	Link: {"link", classText}, Date: {"date", classDate}, ClearingDate: {"clearing_date", classDate},
	SettlementDate: {"settlement_date", classDate}, TransactionTime: {"transaction_time", classInstant},
	Count: {"count", classCount}, Total: {"total", classSigned}, Gross: {"gross", classAmount}, Fee: {"fee", classSigned},
	Net: {"net", classSigned}, NetCurrency: {"net_currency", classText}, Rate: {"rate", classNumber}, By: {"by", classText},
	Reason: {"reason", classText}, Replaces: {"replaces", classText}, Direction: {"direction", classEnum},
	EntryRef: {"entry_ref", classText}, BookingDate: {"booking_date", classDate}, ValueDate: {"value_date", classDate},
	Text: {"text", classText}, References: {"references", classList}, From: {"from", classMoment}, To: {"to", classMoment},
	Opening: {"opening", classSigned}, Closing: {"closing", classSigned}, Of: {"of", classText},
	LatencyMS: {"latency_ms", classNumber}, ErrorRate: {"error_rate", classNumber}, NoticeID: {"notice", classText},
	NoticeIssuer: {"issuer", classText}, Affects: {"affects", classList}, Title: {"title", classText}, Scope: {"scope", classText},
	MaxAmount: {"max_amount", classAmount}, DailyAmount: {"daily_amount", classAmount}, DailyCount: {"daily_count", classCount},
	Rule: {"rule", classText}, Score: {"score", classNumber}, CaseID: {"case", classText}, Name: {"name", classText},
	MCC: {"mcc", classText}, ValidFrom: {"valid_from", classMoment}, Cycle: {"cycle", classText}, Cutoff: {"cutoff", classText},
	Timezone: {"timezone", classText}, CalendarField: {"calendar", classText}, Capture: {"capture", classText},
	PayoutBy: {"payout_by", classText}, T0Minutes: {"t0_minutes", classCount}, CreditDays: {"credit_days", classCount},
	Fees: {"fees", classJSON}, FeeMode: {"fee_mode", classText}, MinimumPayout: {"minimum_payout", classAmount},
	PreauthDays: {"preauth_days", classCount}, UnknownField: {"", classJSON},
}

var fieldByName = func() map[string]Field {
	m := make(map[string]Field, fieldCount)
	for f := Field(1); f < UnknownField; f++ {
		if f != NoticeIssuer { // a notice's issuer is read by its type, see FieldOf
			m[fields[f].name] = f
		}
	}
	return m
}()

// fieldNames is fieldByName for the reader's hot path.
var fieldNames = func() *nameTable {
	m := make(map[string]uint8, len(fieldByName))
	for name, f := range fieldByName {
		if len(name) > 16 {
			panic("evidence: the name of field " + name + " is longer than 16 bytes")
		}
		m[name] = uint8(f)
	}
	return newNameTable(m)
}()

// String gives the field's name in the interchange form.
func (f Field) String() string { return fields[f].name }

// FieldOf gives the field a name stands for in a fact of type t. Names are
// compared exactly; an unknown name gives false and is kept as it came.
func FieldOf(t Type, name string) (Field, bool) {
	f, ok := fieldByName[name]
	if !ok {
		return UnknownField, false
	}
	if f == Issuer && t == Notice {
		return NoticeIssuer, true
	}
	return f, true
}

// FieldNames lists every field name of the contract, for header recognition
// and help texts.
func FieldNames() []string {
	names := make([]string, 0, fieldCount)
	for f := Field(1); f < UnknownField; f++ {
		if f != NoticeIssuer {
			names = append(names, fields[f].name)
		}
	}
	return names
}

// required lists the fields without which a fact of the type says nothing.
// A group separated by "|" needs one of its members.
var required = [typeCount]string{
	MerchantTerms:       "mid",
	CalendarHoliday:     "calendar date what",
	SaleOrder:           "amount currency",
	TerminalTransaction: "kind|result",
	TerminalHealth:      "tid component state",
	TerminalSoftware:    "tid what",
	TerminalBatch:       "tid what",
	OperatorAction:      "what",
	GatewayReversal:     "state",
	ClearingFile:        "network date",
	NetworkFunding:      "amount currency",
	SettlementLine:      "gross|net|amount currency",
	SettlementFile:      "date",
	PayoutStatus:        "payout state",
	BankEntry:           "account amount currency direction",
	BankStatement:       "account from to",
	Coverage:            "of from to",
	LinkStatus:          "link state",
	Notice:              "what",
	AccountStatus:       "mid state",
	LimitPolicy:         "scope",
	RiskDecision:        "action",
}

var requiredFields = func() [typeCount][][]Field {
	var out [typeCount][][]Field
	for t, spec := range required {
		for _, group := range strings.Fields(spec) {
			var alternatives []Field
			for _, name := range strings.Split(group, "|") {
				f, ok := FieldOf(Type(t), name)
				if !ok {
					panic("evidence: required field " + name + " is not in the field table")
				}
				alternatives = append(alternatives, f)
			}
			out[t] = append(out[t], alternatives)
		}
	}
	return out
}()
