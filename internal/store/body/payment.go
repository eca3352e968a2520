package body

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

type transactionBody struct {
	ID           uuid.UUID      `json:"id"`
	Original     uuid.UUID      `json:"original,omitzero"`
	Operation    string         `json:"operation"`
	State        string         `json:"state"`
	Version      uint32         `json:"version"`
	TID          string         `json:"tid"`
	Batch        string         `json:"batch"`
	STAN         string         `json:"stan"`
	MID          string         `json:"mid"`
	RRN          string         `json:"rrn,omitempty"`
	AuthCode     string         `json:"auth_code,omitempty"`
	Amount       int64          `json:"amount"`
	Approved     int64          `json:"approved,omitempty"`
	Currency     money.Currency `json:"currency"`
	Claimed      int64          `json:"claimed,omitempty"`
	Taken        int64          `json:"taken,omitempty"`
	PAN          string         `json:"pan,omitempty"`
	CardToken    string         `json:"card_token,omitempty"`
	SealedPAN    []byte         `json:"sealed_pan,omitempty"`
	CardType     string         `json:"card_type,omitempty"`
	Network      string         `json:"network,omitempty"`
	Issuer       string         `json:"issuer,omitempty"`
	Entry        string         `json:"entry,omitempty"`
	Code         string         `json:"code,omitempty"`
	Link         string         `json:"link,omitempty"`
	NetworkSTAN  string         `json:"network_stan,omitempty"`
	Received     int64          `json:"received,omitempty"`
	Answered     int64          `json:"answered,omitempty"`
	Deadline     int64          `json:"deadline,omitempty"`
	BusinessDate string         `json:"business_date,omitempty"`
	OrderID      string         `json:"order_id,omitempty"`
	Booked       bool           `json:"booked,omitempty"`
	Held         bool           `json:"held,omitempty"`
	Memo         int8           `json:"memo,omitempty"`
	Risk         string         `json:"risk,omitempty"`
}

type outgoingBody struct {
	Payment   uuid.UUID `json:"payment"`
	MID       string    `json:"mid"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Network   string    `json:"network,omitempty"`
	Link      string    `json:"link,omitempty"`
	Attempts  int       `json:"attempts,omitempty"`
	Since     int64     `json:"since,omitempty"`
	Next      int64     `json:"next,omitempty"`
	Code      string    `json:"code,omitempty"`
	Commanded bool      `json:"commanded,omitempty"`
}

type exceptionBody struct {
	ID       uuid.UUID      `json:"id"`
	MID      string         `json:"mid"`
	Payment  uuid.UUID      `json:"payment,omitzero"`
	Kind     string         `json:"kind"`
	State    string         `json:"state"`
	Owner    string         `json:"owner"`
	Amount   int64          `json:"amount,omitempty"`
	Currency money.Currency `json:"currency,omitzero"`
	Opened   int64          `json:"opened,omitempty"`
	Closed   int64          `json:"closed,omitempty"`
	Detail   string         `json:"detail,omitempty"`
}

type totalsBody struct {
	DebitCount   int   `json:"debit_count,omitempty"`
	DebitAmount  int64 `json:"debit_amount,omitempty"`
	CreditCount  int   `json:"credit_count,omitempty"`
	CreditAmount int64 `json:"credit_amount,omitempty"`
}

type batchBody struct {
	TID        string     `json:"tid"`
	MID        string     `json:"mid"`
	Number     string     `json:"number"`
	State      string     `json:"state"`
	Opened     int64      `json:"opened,omitempty"`
	Closed     int64      `json:"closed,omitempty"`
	Settlement string     `json:"settlement,omitempty"`
	Code       string     `json:"code,omitempty"`
	Claimed    totalsBody `json:"claimed,omitzero"`
	Ours       totalsBody `json:"ours,omitzero"`
	Uploaded   []string   `json:"uploaded,omitempty"`
	Date       string     `json:"date,omitempty"`
}

// Step is what the journal keeps of a step: what the state tables hold.
// Transfers and evidence are append-only in tables of their own.
type Step struct {
	MID          string            `json:"mid"`
	At           int64             `json:"at"`
	Transactions []json.RawMessage `json:"transactions,omitempty"`
	Outgoing     []json.RawMessage `json:"outgoing,omitempty"`
	Exceptions   []json.RawMessage `json:"exceptions,omitempty"`
	Batches      []json.RawMessage `json:"batches,omitempty"`
	// Rows are those of settlement and merchants, by table.
	Rows map[string][]json.RawMessage `json:"rows,omitempty"`
}

// Put adds a row of a table of settlement or merchants.
func (s *Step) Put(table string, raw []byte) {
	if s.Rows == nil {
		s.Rows = map[string][]json.RawMessage{}
	}
	s.Rows[table] = append(s.Rows[table], raw)
}

// Empty reports whether there is nothing to be kept in the journal.
func (s *Step) Empty() bool {
	return len(s.Transactions)+len(s.Outgoing)+len(s.Exceptions)+len(s.Batches)+len(s.Rows) == 0
}

// Words of enumerations that have no text form of their own.
var (
	MessageKinds    = [...]string{payment.Ask: "ask", payment.Undo: "undo", payment.Advise: "advise"}
	OutgoingStates  = [...]string{payment.Due: "due", payment.Acknowledged: "acknowledged", payment.Cancelled: "cancelled"}
	ExceptionStates = [...]string{payment.ExceptionOpen: "open", payment.ExceptionResolved: "resolved"}
	BatchStates     = [...]string{payment.BatchOpen: "open", payment.BatchUploading: "uploading", payment.BatchClosed: "closed"}
)

func EncodeTransaction(t *payment.Transaction) ([]byte, error) {
	b := transactionBody{
		ID: t.ID, Original: t.Original, Operation: t.Operation.String(), State: t.State.String(), Version: t.Version,
		TID: t.TID, Batch: t.Batch, STAN: t.STAN, MID: t.MID, RRN: t.RRN, AuthCode: t.AuthCode,
		Amount: t.Amount, Approved: t.Approved, Currency: t.Currency, Claimed: t.Claimed, Taken: t.Taken,
		PAN: t.PAN, CardToken: t.CardToken, SealedPAN: t.SealedPAN, CardType: t.CardType.String(), Network: t.Network, Issuer: t.Issuer,
		Entry: t.Entry.String(), Code: codeText(t.Code), Link: t.Link, NetworkSTAN: t.NetworkSTAN,
		Received: Nanos(t.Received), Answered: Nanos(t.Answered), Deadline: Nanos(t.Deadline),
		BusinessDate: dateText(t.BusinessDate), OrderID: t.OrderID, Booked: t.Booked, Held: t.Held, Memo: t.Memo, Risk: string(t.Risk),
	}
	if _, ok := payment.ParseOperation(b.Operation); !ok {
		return nil, fmt.Errorf("operation %s", b.Operation)
	}
	if _, ok := payment.ParseState(b.State); !ok {
		return nil, fmt.Errorf("state %s", b.State)
	}
	return json.Marshal(&b)
}

func DecodeTransaction(raw []byte) (t payment.Transaction, err error) {
	var b transactionBody
	if err = b.read(raw); err != nil {
		return t, err
	}
	var ok [3]bool
	t = payment.Transaction{
		ID: b.ID, Original: b.Original, Version: b.Version, Key: payment.Key{TID: b.TID, Batch: b.Batch, STAN: b.STAN}, MID: b.MID,
		RRN: b.RRN, AuthCode: b.AuthCode, Amount: b.Amount, Approved: b.Approved, Currency: b.Currency, Claimed: b.Claimed, Taken: b.Taken,
		PAN: b.PAN, CardToken: b.CardToken, SealedPAN: b.SealedPAN, Network: b.Network, Issuer: b.Issuer, Code: codeOf(b.Code),
		Link: b.Link, NetworkSTAN: b.NetworkSTAN, Received: moment(b.Received), Answered: moment(b.Answered), Deadline: moment(b.Deadline),
		OrderID: b.OrderID, Booked: b.Booked, Held: b.Held, Memo: b.Memo,
	}
	if b.Risk != "" {
		t.Risk = []byte(b.Risk)
	}
	t.Operation, ok[0] = payment.ParseOperation(b.Operation)
	t.State, ok[1] = payment.ParseState(b.State)
	t.CardType, ok[2] = evidence.ParseCardType(b.CardType)
	if b.CardType == "" {
		t.CardType, ok[2] = evidence.NoCardType, true
	}
	if ok != [3]bool{true, true, true} {
		return t, fmt.Errorf("operation %q, state %q or card type %q is not known", b.Operation, b.State, b.CardType)
	}
	if t.Entry, err = entryOf(b.Entry); err != nil {
		return t, err
	}
	t.BusinessDate, err = dateOf(b.BusinessDate)
	return t, err
}

// read is json.Unmarshal for this one body, at less than half of its cost: a start reads
// every open payment, and a clearing file all that it may be about. Fields of a later
// version are passed over.
func (b *transactionBody) read(raw []byte) (err error) {
	if !gjson.ValidBytes(raw) {
		return errors.New("the body is no JSON")
	}
	number := func(v gjson.Result, bits int) (n int64) {
		if err == nil {
			n, err = strconv.ParseInt(v.Raw, 10, bits)
		}
		return n
	}
	text := func(v gjson.Result) string {
		if err == nil && v.Type != gjson.String {
			err = fmt.Errorf("%s is no text", v.Raw)
		}
		return v.Str
	}
	id := func(v gjson.Result) (id uuid.UUID) {
		if s := text(v); err == nil {
			id, err = uuid.Parse(s)
		}
		return id
	}
	gjson.ParseBytes(raw).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "id":
			b.ID = id(v)
		case "original":
			b.Original = id(v)
		case "operation":
			b.Operation = text(v)
		case "state":
			b.State = text(v)
		case "version":
			b.Version = uint32(number(v, 33)) // all that are not negative
		case "tid":
			b.TID = text(v)
		case "batch":
			b.Batch = text(v)
		case "stan":
			b.STAN = text(v)
		case "mid":
			b.MID = text(v)
		case "rrn":
			b.RRN = text(v)
		case "auth_code":
			b.AuthCode = text(v)
		case "amount":
			b.Amount = number(v, 64)
		case "approved":
			b.Approved = number(v, 64)
		case "currency":
			if s := text(v); err == nil {
				err = b.Currency.UnmarshalText([]byte(s))
			}
		case "claimed":
			b.Claimed = number(v, 64)
		case "taken":
			b.Taken = number(v, 64)
		case "pan":
			b.PAN = text(v)
		case "card_token":
			b.CardToken = text(v)
		case "sealed_pan":
			if s := text(v); err == nil {
				b.SealedPAN, err = base64.StdEncoding.DecodeString(s)
			}
		case "card_type":
			b.CardType = text(v)
		case "network":
			b.Network = text(v)
		case "issuer":
			b.Issuer = text(v)
		case "entry":
			b.Entry = text(v)
		case "code":
			b.Code = text(v)
		case "link":
			b.Link = text(v)
		case "network_stan":
			b.NetworkSTAN = text(v)
		case "received":
			b.Received = number(v, 64)
		case "answered":
			b.Answered = number(v, 64)
		case "deadline":
			b.Deadline = number(v, 64)
		case "business_date":
			b.BusinessDate = text(v)
		case "order_id":
			b.OrderID = text(v)
		case "booked":
			b.Booked = v.Type == gjson.True
		case "held":
			b.Held = v.Type == gjson.True
		case "memo":
			b.Memo = int8(number(v, 8))
		case "risk":
			b.Risk = text(v)
		}
		if err != nil {
			err = fmt.Errorf("field %s: %w", k.Str, err)
		}
		return err == nil
	})
	return err
}

// entryOf finds the entry mode by its word.
func entryOf(s string) (evidence.Entry, error) {
	if s == "" {
		return evidence.NoEntry, nil
	}
	for _, e := range [...]evidence.Entry{evidence.Chip, evidence.Contactless, evidence.Magstripe, evidence.Manual, evidence.QR} {
		if e.String() == s {
			return e, nil
		}
	}
	return evidence.NoEntry, fmt.Errorf("entry mode %q is not known", s)
}

func EncodeOutgoing(o *payment.Outgoing) ([]byte, error) {
	k, err := wordOf(MessageKinds[:], o.Kind)
	if err != nil {
		return nil, err
	}
	s, err := wordOf(OutgoingStates[:], o.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&outgoingBody{o.Payment, o.MID, k, s, codeText(o.Reason), o.Network, o.Link, o.Attempts, Nanos(o.Since), Nanos(o.Next),
		codeText(o.Code), o.Commanded})
}

func DecodeOutgoing(raw []byte) (o payment.Outgoing, err error) {
	var b outgoingBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return o, err
	}
	o = payment.Outgoing{Payment: b.Payment, MID: b.MID, Reason: codeOf(b.Reason), Network: b.Network, Link: b.Link, Attempts: b.Attempts,
		Since: moment(b.Since), Next: moment(b.Next), Code: codeOf(b.Code), Commanded: b.Commanded}
	if o.Kind, err = valueOf[payment.MessageKind](MessageKinds[:], b.Kind); err != nil {
		return o, err
	}
	o.State, err = valueOf[payment.OutgoingState](OutgoingStates[:], b.State)
	return o, err
}

func EncodeException(e *payment.Exception) ([]byte, error) {
	s, err := wordOf(ExceptionStates[:], e.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&exceptionBody{e.ID, e.MID, e.Payment, e.Kind, s, e.Owner, e.Amount, e.Currency, Nanos(e.Opened), Nanos(e.Closed), e.Detail})
}

func DecodeException(raw []byte) (e payment.Exception, err error) {
	var b exceptionBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return e, err
	}
	e = payment.Exception{ID: b.ID, MID: b.MID, Payment: b.Payment, Kind: b.Kind, Owner: b.Owner, Amount: b.Amount, Currency: b.Currency,
		Opened: moment(b.Opened), Closed: moment(b.Closed), Detail: b.Detail}
	e.State, err = valueOf[payment.ExceptionState](ExceptionStates[:], b.State)
	return e, err
}

func EncodeBatch(b *payment.Batch) ([]byte, error) {
	s, err := wordOf(BatchStates[:], b.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&batchBody{b.TID, b.MID, b.Number, s, Nanos(b.Opened), Nanos(b.Closed), b.Settlement, codeText(b.Code),
		totalsBody(b.Claimed), totalsBody(b.Ours), b.Uploaded, dateText(b.Date)})
}

func DecodeBatch(raw []byte) (b payment.Batch, err error) {
	var x batchBody
	if err = json.Unmarshal(raw, &x); err != nil {
		return b, err
	}
	b = payment.Batch{TID: x.TID, MID: x.MID, Number: x.Number, Opened: moment(x.Opened), Closed: moment(x.Closed), Settlement: x.Settlement,
		Code: codeOf(x.Code), Claimed: payment.Totals(x.Claimed), Ours: payment.Totals(x.Ours), Uploaded: x.Uploaded}
	if b.State, err = valueOf[payment.BatchState](BatchStates[:], x.State); err != nil {
		return b, err
	}
	b.Date, err = dateOf(x.Date)
	return b, err
}

// DecodeStep reads what the journal kept of a step.
func DecodeStep(raw []byte) (*payment.Step, error) {
	var b Step
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	s := &payment.Step{MID: b.MID, At: moment(b.At)}
	for _, r := range b.Transactions {
		t, err := DecodeTransaction(r)
		if err != nil {
			return nil, err
		}
		s.Transactions = append(s.Transactions, t)
	}
	for _, r := range b.Outgoing {
		o, err := DecodeOutgoing(r)
		if err != nil {
			return nil, err
		}
		s.Outgoing = append(s.Outgoing, o)
	}
	for _, r := range b.Exceptions {
		e, err := DecodeException(r)
		if err != nil {
			return nil, err
		}
		s.Exceptions = append(s.Exceptions, e)
	}
	for _, r := range b.Batches {
		x, err := DecodeBatch(r)
		if err != nil {
			return nil, err
		}
		s.Batches = append(s.Batches, x)
	}
	return s, nil
}
