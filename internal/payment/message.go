package payment

import (
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// MessageKind is what a message to a network is.
type MessageKind uint8

// The kinds of messages.
const (
	// Ask is a request that waits for its answer (0100, 0200).
	Ask MessageKind = iota
	// Undo is a reversal (0400 or 0420), repeated until acknowledged.
	Undo
	// Advise tells of what has happened, an offline sale (0220), repeated until
	// acknowledged.
	Advise
)

// Message is what a link is to send about a payment. The runtime encodes it in
// the link's dialect; sign-on and echo of a link are its own affair.
type Message struct {
	Kind      MessageKind
	Payment   ID // goes along in a private field and comes back in the response
	Operation Operation
	Link      string
	STAN      string // ours on that link, six digits
	RRN       string
	TID, MID  string
	Name, MCC string // of the merchant
	Amount    int64
	Currency  money.Currency
	Entry     evidence.Entry
	At        time.Time // of transmission
	Attempt   int       // from 1; a repeat is sent as such (0401, 0421, 0221)
	// Card is the clear data of an Ask or nil. An Undo or an Advise has none: the
	// runtime opens SealedPAN by the keyring for the moment of encoding.
	Card      *Card
	SealedPAN []byte
	// Original is the transaction acted on or taken back (field 90 and 38).
	Original OriginalRef
	// Reason says why an Undo is sent, field 39: 98 no answer in time, 68 the
	// answer came too late, 96 could not be completed, 17 the terminal took it back.
	Reason evidence.Code
}

// OriginalRef names a transaction to the network that answered it.
type OriginalRef struct {
	Payment  ID
	STAN     string
	RRN      string
	AuthCode string
	At       time.Time
	Amount   int64
}

// Response is a decoded answer of a network.
type Response struct {
	Kind     MessageKind
	Payment  ID // from the private field; the zero ID where the network lost it
	STAN     string
	Code     evidence.Code
	AuthCode string
	// Amount that was approved; 0 where the response does not say, which means
	// what was asked.
	Amount     int64
	Balance    int64
	HasBalance bool
	EMV        []byte
	// Malformed is a response that cannot be trusted: wrong MAC or form. It
	// counts as no answer.
	Malformed Problem
}
