package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// The JSON bodies of rows. Words are written as words, so that a renumbered
// constant changes nothing that is kept. Times are nanoseconds since 1970 UTC, 0
// for none: a decision made again from the row must see the same moment.

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

// stepBody is what the journal keeps of a step: what the state tables hold.
// Transfers and evidence are append-only in tables of their own.
type stepBody struct {
	MID          string            `json:"mid"`
	At           int64             `json:"at"`
	Transactions []json.RawMessage `json:"transactions,omitempty"`
	Outgoing     []json.RawMessage `json:"outgoing,omitempty"`
	Exceptions   []json.RawMessage `json:"exceptions,omitempty"`
	Batches      []json.RawMessage `json:"batches,omitempty"`
}

// words of enumerations that have no text form of their own.
var (
	messageKinds    = [...]string{payment.Ask: "ask", payment.Undo: "undo", payment.Advise: "advise"}
	outgoingStates  = [...]string{payment.Due: "due", payment.Acknowledged: "acknowledged", payment.Cancelled: "cancelled"}
	exceptionStates = [...]string{payment.ExceptionOpen: "open", payment.ExceptionResolved: "resolved"}
	batchStates     = [...]string{payment.BatchOpen: "open", payment.BatchUploading: "uploading", payment.BatchClosed: "closed"}
)

// wordOf and valueOf turn an enumeration into its word and back.
func wordOf[T ~uint8](words []string, v T) (string, error) {
	if int(v) >= len(words) {
		return "", fmt.Errorf("value %d is in no list", v)
	}
	return words[v], nil
}

func valueOf[T ~uint8](words []string, s string) (T, error) {
	for i, w := range words {
		if w == s {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%q is in no list", s)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// A code of none is two zero bytes.
func codeText(c evidence.Code) string {
	if c == (evidence.Code{}) {
		return ""
	}
	return string(c[:])
}

func codeOf(s string) (c evidence.Code) {
	copy(c[:], s)
	return c
}

// noDate is calendar.None in a body, apart from the zero value, which is left
// out: a row is read as it was written.
const noDate = "-"

func dateText(d calendar.Date) string {
	switch d {
	case 0:
		return ""
	case calendar.None:
		return noDate
	}
	return d.String()
}

func dateOf(s string) (calendar.Date, error) {
	switch s {
	case "":
		return 0, nil
	case noDate:
		return calendar.None, nil
	}
	return calendar.ParseDate(s)
}

// dateOrNull is a date in a column.
func dateOrNull(d calendar.Date) any {
	if d <= 0 {
		return nil
	}
	return d.String()
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func idOrNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id[:]
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// prepared is a step as rows, all but what only the committer knows: places in
// chains and positions.
type prepared struct {
	mid       string
	at        int64
	inserts   []row // payment rows of version 1
	updates   []row // payment rows of higher versions, with the version before
	transfers []ledger.Transfer
	outgoing  []row
	exception []row
	batches   []row
	evidence  []row // node and position are set by the committer
	reference []row
	step      string // the journal's body; "" where there is nothing in it
	extra     []work // reference data
}

func (p *prepared) rows() int {
	return len(p.inserts) + len(p.updates) + len(p.transfers) + len(p.outgoing) + len(p.exception) + len(p.batches) + len(p.evidence) + len(p.reference) + len(p.extra) + 1
}

// invalid is a step that no store would keep.
func invalid(subject, why string) error {
	return fault.New(fault.Invalid, "write step", subject, fmt.Errorf("%w: %s", payment.ErrRefused, why), "")
}

// prepare turns a step into rows. It runs in the caller's goroutine.
func prepare(s *payment.Step) (*prepared, error) {
	p := &prepared{mid: s.MID, at: micros(s.At)}
	body := stepBody{MID: s.MID, At: nanos(s.At)}
	for i := range s.Transactions {
		t := &s.Transactions[i]
		if t.MID != s.MID || t.MID == "" {
			return nil, invalid(t.ID.String(), "a transaction of another merchant")
		}
		if t.Version == 0 || t.ID == uuid.Nil {
			return nil, invalid(t.ID.String(), "a transaction needs an id, and its version counts from 1")
		}
		raw, err := encodeTransaction(t)
		if err != nil {
			return nil, invalid(t.ID.String(), err.Error())
		}
		body.Transactions = append(body.Transactions, raw)
		r := row{t.MID, idBytes(t.ID), int64(t.Version), t.Operation.String(), t.State.String(), flag(t.State.Open()), t.TID, t.Batch, t.STAN,
			orNull(t.RRN), idOrNull(t.Original), micros(t.Received), dateOrNull(t.BusinessDate), t.Currency.String(), t.Amount, string(raw)}
		if t.Version == 1 {
			p.inserts = append(p.inserts, r)
		} else {
			p.updates = append(p.updates, append(r, int64(t.Version)-1))
		}
	}
	for i := range s.Transfers {
		t := &s.Transfers[i]
		if t.Merchant != s.MID {
			return nil, invalid(t.Key, "a transfer of another merchant")
		}
		if err := t.Check(); err != nil {
			return nil, refused(err)
		}
		p.transfers = append(p.transfers, *t)
	}
	for i := range s.Outgoing {
		o := &s.Outgoing[i]
		raw, err := encodeOutgoing(o)
		if err != nil || o.MID != s.MID {
			return nil, invalid(o.Payment.String(), "an outgoing message of another merchant or of no known kind")
		}
		body.Outgoing = append(body.Outgoing, raw)
		p.outgoing = append(p.outgoing, row{o.MID, idBytes(o.Payment), messageKinds[o.Kind], outgoingStates[o.State], micros(o.Next), string(raw)})
	}
	for i := range s.Exceptions {
		e := &s.Exceptions[i]
		raw, err := encodeException(e)
		if err != nil || e.MID != s.MID || e.ID == uuid.Nil {
			return nil, invalid(e.ID.String(), "an exception of another merchant or without an id")
		}
		body.Exceptions = append(body.Exceptions, raw)
		p.exception = append(p.exception, row{e.MID, idBytes(e.ID), idOrNull(e.Payment), e.Kind, exceptionStates[e.State], e.Owner, micros(e.Opened), string(raw)})
	}
	for i := range s.Batches {
		b := &s.Batches[i]
		raw, err := encodeBatch(b)
		if err != nil || b.MID != s.MID {
			return nil, invalid(b.TID+" "+b.Number, "a batch of another merchant or in no known state")
		}
		body.Batches = append(body.Batches, raw)
		p.batches = append(p.batches, row{b.MID, b.TID, b.Number, batchStates[b.State], micros(b.Opened), string(raw)})
	}
	for i := range s.Evidence {
		e := &s.Evidence[i]
		if e.MID != "" && e.MID != s.MID {
			return nil, invalid(e.ID, "evidence of another merchant")
		}
		if err := p.addEvidence(e); err != nil {
			return nil, err
		}
	}
	if s.MID == "" && (len(s.Transactions)+len(s.Transfers)+len(s.Outgoing)+len(s.Exceptions)+len(s.Batches) > 0) {
		return nil, invalid("", "the step names no merchant")
	}
	if len(body.Transactions)+len(body.Outgoing)+len(body.Exceptions)+len(body.Batches) > 0 {
		raw, err := json.Marshal(&body)
		if err != nil {
			return nil, invalid(s.MID, err.Error())
		}
		p.step = string(raw)
	}
	return p, nil
}

func idBytes(id uuid.UUID) []byte { return id[:] }

func (p *prepared) addEvidence(e *payment.Evidence) error {
	if e.Source == "" || e.ID == "" || len(e.Line) == 0 {
		return invalid(e.Source+"#"+e.ID, "evidence has a source, an id and a line")
	}
	if !utf8.Valid(e.Line) || !utf8.ValidString(e.ID) || !utf8.ValidString(e.Source) {
		return invalid(e.Source, "evidence is UTF-8")
	}
	for _, c := range e.Line {
		if c < ' ' {
			return invalid(e.Source+"#"+e.ID, "evidence is one line without control characters")
		}
	}
	hash := sha256.Sum256(e.Line)
	r := row{e.MID, e.ID, e.Source, hash[:16], nil, nil, e.Type.String(), micros(e.Time), string(e.Line)}
	if e.MID == "" {
		p.reference = append(p.reference, r[1:])
	} else {
		p.evidence = append(p.evidence, r)
	}
	return nil
}

func encodeTransaction(t *payment.Transaction) ([]byte, error) {
	b := transactionBody{
		ID: t.ID, Original: t.Original, Operation: t.Operation.String(), State: t.State.String(), Version: t.Version,
		TID: t.TID, Batch: t.Batch, STAN: t.STAN, MID: t.MID, RRN: t.RRN, AuthCode: t.AuthCode,
		Amount: t.Amount, Approved: t.Approved, Currency: t.Currency, Claimed: t.Claimed, Taken: t.Taken,
		PAN: t.PAN, CardToken: t.CardToken, SealedPAN: t.SealedPAN, CardType: t.CardType.String(), Network: t.Network, Issuer: t.Issuer,
		Entry: t.Entry.String(), Code: codeText(t.Code), Link: t.Link, NetworkSTAN: t.NetworkSTAN,
		Received: nanos(t.Received), Answered: nanos(t.Answered), Deadline: nanos(t.Deadline),
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

func decodeTransaction(raw []byte) (t payment.Transaction, err error) {
	var b transactionBody
	if err = json.Unmarshal(raw, &b); err != nil {
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

func encodeOutgoing(o *payment.Outgoing) ([]byte, error) {
	k, err := wordOf(messageKinds[:], o.Kind)
	if err != nil {
		return nil, err
	}
	s, err := wordOf(outgoingStates[:], o.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&outgoingBody{o.Payment, o.MID, k, s, codeText(o.Reason), o.Network, o.Link, o.Attempts, nanos(o.Since), nanos(o.Next),
		codeText(o.Code), o.Commanded})
}

func decodeOutgoing(raw []byte) (o payment.Outgoing, err error) {
	var b outgoingBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return o, err
	}
	o = payment.Outgoing{Payment: b.Payment, MID: b.MID, Reason: codeOf(b.Reason), Network: b.Network, Link: b.Link, Attempts: b.Attempts,
		Since: moment(b.Since), Next: moment(b.Next), Code: codeOf(b.Code), Commanded: b.Commanded}
	if o.Kind, err = valueOf[payment.MessageKind](messageKinds[:], b.Kind); err != nil {
		return o, err
	}
	o.State, err = valueOf[payment.OutgoingState](outgoingStates[:], b.State)
	return o, err
}

func encodeException(e *payment.Exception) ([]byte, error) {
	s, err := wordOf(exceptionStates[:], e.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&exceptionBody{e.ID, e.MID, e.Payment, e.Kind, s, e.Owner, e.Amount, e.Currency, nanos(e.Opened), nanos(e.Closed), e.Detail})
}

func decodeException(raw []byte) (e payment.Exception, err error) {
	var b exceptionBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return e, err
	}
	e = payment.Exception{ID: b.ID, MID: b.MID, Payment: b.Payment, Kind: b.Kind, Owner: b.Owner, Amount: b.Amount, Currency: b.Currency,
		Opened: moment(b.Opened), Closed: moment(b.Closed), Detail: b.Detail}
	e.State, err = valueOf[payment.ExceptionState](exceptionStates[:], b.State)
	return e, err
}

func encodeBatch(b *payment.Batch) ([]byte, error) {
	s, err := wordOf(batchStates[:], b.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&batchBody{b.TID, b.MID, b.Number, s, nanos(b.Opened), nanos(b.Closed), b.Settlement, codeText(b.Code),
		totalsBody(b.Claimed), totalsBody(b.Ours), b.Uploaded, dateText(b.Date)})
}

func decodeBatch(raw []byte) (b payment.Batch, err error) {
	var x batchBody
	if err = json.Unmarshal(raw, &x); err != nil {
		return b, err
	}
	b = payment.Batch{TID: x.TID, MID: x.MID, Number: x.Number, Opened: moment(x.Opened), Closed: moment(x.Closed), Settlement: x.Settlement,
		Code: codeOf(x.Code), Claimed: payment.Totals(x.Claimed), Ours: payment.Totals(x.Ours), Uploaded: x.Uploaded}
	if b.State, err = valueOf[payment.BatchState](batchStates[:], x.State); err != nil {
		return b, err
	}
	b.Date, err = dateOf(x.Date)
	return b, err
}

// decodeStep reads what the journal kept of a step.
func decodeStep(raw []byte) (*payment.Step, error) {
	var b stepBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, err
	}
	s := &payment.Step{MID: b.MID, At: moment(b.At)}
	for _, r := range b.Transactions {
		t, err := decodeTransaction(r)
		if err != nil {
			return nil, err
		}
		s.Transactions = append(s.Transactions, t)
	}
	for _, r := range b.Outgoing {
		o, err := decodeOutgoing(r)
		if err != nil {
			return nil, err
		}
		s.Outgoing = append(s.Outgoing, o)
	}
	for _, r := range b.Exceptions {
		e, err := decodeException(r)
		if err != nil {
			return nil, err
		}
		s.Exceptions = append(s.Exceptions, e)
	}
	for _, r := range b.Batches {
		x, err := decodeBatch(r)
		if err != nil {
			return nil, err
		}
		s.Batches = append(s.Batches, x)
	}
	return s, nil
}
