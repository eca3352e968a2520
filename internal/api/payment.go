package api

import "time"

// Payment is the answer for one payment, as the evidence contract has it: where
// its money is, why, who acts, and when it arrives. What is not known is absent.
type Payment struct {
	ID       string `json:"id" doc:"of the payment, for GET /v1/payments/{id}"`
	MID      string `json:"mid,omitempty" doc:"merchant (ISO 8583 field 42)"`
	TID      string `json:"tid,omitempty" doc:"terminal (ISO 8583 field 41)"`
	Batch    string `json:"batch,omitempty" doc:"batch number of the terminal (ISO 8583 field 60)"`
	STAN     string `json:"stan,omitempty" doc:"system trace audit number (ISO 8583 field 11)"`
	RRN      string `json:"rrn,omitempty" doc:"retrieval reference number (ISO 8583 field 37)"`
	AuthCode string `json:"auth_code,omitempty" doc:"approval code (ISO 8583 field 38)"`
	OrderID  string `json:"order_id,omitempty" doc:"the till's number of the order"`
	Ref      string `json:"ref,omitempty" doc:"the processor's reference"`
	PAN      string `json:"pan,omitempty" doc:"card number (ISO 8583 field 2), masked to its first six and last four digits"`
	Kind     string `json:"kind" doc:"sale, refund, … (ISO 8583 field 3)"`

	Time         time.Time `json:"time" doc:"of the payment, with the merchant's offset (ISO 8583 fields 12 and 13)"`
	BusinessDate string    `json:"business_date" format:"date" doc:"the merchant's day to which it belongs (ISO 8583 field 15)"`
	Amount       int64     `json:"amount" doc:"approved, in minor units (ISO 8583 field 4)"`
	Currency     string    `json:"currency,omitempty" doc:"ISO 4217 (ISO 8583 field 49)"`
	Fee          *int64    `json:"fee,omitempty" doc:"agreed fee, in minor units; absent where nothing was charged"`
	FeeCharged   *int64    `json:"fee_charged,omitempty" doc:"fee that was taken, in minor units"`
	Net          *int64    `json:"net,omitempty" doc:"what is to arrive, in minor units; absent where nothing was charged"`
	Arrived      int64     `json:"arrived" doc:"what booked bank entries prove of net, in minor units (camt.053 Ntry/Amt)"`
	Missing      int64     `json:"missing" doc:"net less arrived, in minor units"`
	// OrderDifference is the order's amount less the payment's.
	OrderDifference *int64 `json:"order_difference,omitempty" doc:"the order's amount less the payment's, in minor units; absent without an order"`

	Stage      string    `json:"stage" enum:"tendered,authorized,captured,cleared,settled,paid_out,credited" doc:"the furthest stage that is proven"`
	Status     string    `json:"status" enum:"not_charged,refunded,unknown,arrived,held,short,confirmed,in_transit,unproven,overdue" doc:"how the money stands"`
	Cardholder string    `json:"cardholder" enum:"charged,reserved,reversing,refunding,refunded,not_charged,unknown" doc:"what the card was charged"`
	Terms      string    `json:"terms" enum:"stated,assumed" doc:"whether the merchant's terms are on record"`
	Cause      *Cause    `json:"cause,omitempty" doc:"why; absent where the money has come and nothing differs"`
	Party      string    `json:"party" enum:"nobody,cardholder,merchant,operator,platform,issuer,network,bank" doc:"who acts next"`
	Due        time.Time `json:"due,omitzero" doc:"when the credit is due under the terms; absent where nothing was charged"`
	OverdueBy  int64     `json:"overdue_by" doc:"seconds that the late leg is late, else 0"`
	Expected   *Expected `json:"expected,omitempty" doc:"when the money is to be expected; absent where that cannot be known"`
	Refunds    []Refund  `json:"refunds,omitempty" doc:"what was given back"`
	Payout     string    `json:"payout,omitempty" doc:"the payout that carries it (pain.001 EndToEndId)"`
	BankEntry  string    `json:"bank_entry,omitempty" doc:"source#id of the bank entry that proves it (camt.053 Ntry)"`
	Incident   string    `json:"incident,omitempty" doc:"the fault that stops it together with others"`
	Advice     *Advice   `json:"advice,omitempty" doc:"what to do and not to do; lists leave it out"`
}

// Cause is why a payment's money is where it is.
type Cause struct {
	Code         string        `json:"code" doc:"of the catalogue, such as payout.returned"`
	Confidence   float64       `json:"confidence" minimum:"0" maximum:"1"`
	Evidence     []string      `json:"evidence" doc:"source#id of the facts it rests on"`
	Alternatives []Alternative `json:"alternatives,omitempty" doc:"what else fits"`
}

// Alternative is another cause that fits.
type Alternative struct {
	Code       string  `json:"code"`
	Confidence float64 `json:"confidence" minimum:"0" maximum:"1"`
}

// Expected is when money is to be expected.
type Expected struct {
	Earliest time.Time `json:"earliest"`
	Likely   time.Time `json:"likely"`
	Latest   time.Time `json:"latest"`
}

// Refund is money given back.
type Refund struct {
	Amount int64     `json:"amount" doc:"in minor units"`
	Time   time.Time `json:"time"`
}

// Advice is what each reader should do.
type Advice struct {
	Cardholder  Words `json:"cardholder"`
	Merchant    Words `json:"merchant"`
	Institution Words `json:"institution"`
}

// Words are a sentence in both languages.
type Words struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}
