package body

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

// Words of enumerations of settlement that have no text form of their own.
var (
	SettlementStates = [...]string{settlement.Settling: "settling", settlement.Settled: "settled"}
	DayStates        = [...]string{settlement.Awaited: "awaited", settlement.FileIn: "file_in", settlement.Funded: "funded", settlement.DayClosed: "closed"}
)

type openBody struct {
	ID    string `json:"id,omitempty"`
	Day   string `json:"day,omitempty"`
	Net   int64  `json:"net,omitempty"`
	Lines int64  `json:"lines,omitempty"`
}

type positionBody struct {
	MID       string         `json:"mid"`
	Currency  money.Currency `json:"currency"`
	Version   uint32         `json:"version"`
	Payable   int64          `json:"payable,omitempty"`
	Frozen    int64          `json:"frozen,omitempty"`
	Reserved  int64          `json:"reserved,omitempty"`
	Retained  int64          `json:"retained,omitempty"`
	InTransit int64          `json:"in_transit,omitempty"`
	Stopped   int64          `json:"stopped,omitempty"`
	Paid      int64          `json:"paid,omitempty"`
	Fees      int64          `json:"fees,omitempty"`
	Returned  int64          `json:"returned,omitempty"`
	Open      openBody       `json:"open"`
	Hold      string         `json:"hold,omitempty"`
	Day       string         `json:"day,omitempty"`
	Seq       int            `json:"seq,omitempty"`
	Closed    string         `json:"closed,omitempty"`
	Lines     int64          `json:"lines,omitempty"`
	Total     int64          `json:"total,omitempty"`
}

// EncodePosition gives a position's body.
func EncodePosition(p *settlement.Position) ([]byte, error) {
	return json.Marshal(&positionBody{p.MID, p.Currency, p.Version, p.Payable, p.Frozen, p.Reserved, p.Retained, p.InTransit, p.Stopped, p.Paid, p.Fees,
		p.Returned, openBody{p.Open.ID, dateText(p.Open.Day), p.Open.Net, p.Open.Lines}, p.Hold, dateText(p.Day), p.Seq, dateText(p.Closed), p.Lines, p.Total})
}

// DecodePosition is the reverse of EncodePosition.
func DecodePosition(raw []byte) (p settlement.Position, err error) {
	var b positionBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return p, err
	}
	p = settlement.Position{MID: b.MID, Currency: b.Currency, Version: b.Version, Payable: b.Payable, Frozen: b.Frozen, Reserved: b.Reserved, Retained: b.Retained,
		InTransit: b.InTransit, Stopped: b.Stopped, Paid: b.Paid, Fees: b.Fees, Returned: b.Returned,
		Open: settlement.Open{ID: b.Open.ID, Net: b.Open.Net, Lines: b.Open.Lines}, Hold: b.Hold, Seq: b.Seq, Lines: b.Lines, Total: b.Total}
	return p, dates(pair{b.Day, &p.Day}, pair{b.Closed, &p.Closed}, pair{b.Open.Day, &p.Open.Day})
}

// pair is a date's text and where it goes.
type pair struct {
	text string
	into *calendar.Date
}

func dates(all ...pair) (err error) {
	for _, p := range all {
		if *p.into, err = dateOf(p.text); err != nil {
			return err
		}
	}
	return nil
}

type settlementBatchBody struct {
	ID         string         `json:"id"`
	MID        string         `json:"mid"`
	Currency   money.Currency `json:"currency"`
	Day        string         `json:"day"`
	Seq        int            `json:"seq"`
	Version    uint32         `json:"version"`
	State      string         `json:"state"`
	Opened     int64          `json:"opened,omitempty"`
	Closed     int64          `json:"closed,omitempty"`
	Cursor     uuid.UUID      `json:"cursor,omitzero"`
	Chunks     int            `json:"chunks,omitempty"`
	Lines      int64          `json:"lines,omitempty"`
	Sales      int64          `json:"sales,omitempty"`
	Back       int64          `json:"back,omitempty"`
	Fee        int64          `json:"fee,omitempty"`
	Invoiced   int64          `json:"invoiced,omitempty"`
	Extra      int64          `json:"extra,omitempty"`
	Net        int64          `json:"net,omitempty"`
	Waiting    int64          `json:"waiting,omitempty"`
	Held       int64          `json:"held,omitempty"`
	HeldAmount int64          `json:"held_amount,omitempty"`
	Payout     string         `json:"payout,omitempty"`
	Why        string         `json:"why,omitempty"`
	Final      bool           `json:"final,omitempty"`
}

// EncodeSettlement gives a settlement batch's body.
func EncodeSettlement(b *settlement.Batch) ([]byte, error) {
	state, err := wordOf(SettlementStates[:], b.State)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&settlementBatchBody{b.ID, b.MID, b.Currency, dateText(b.Day), b.Seq, b.Version, state, Nanos(b.Opened), Nanos(b.Closed), b.Cursor,
		b.Chunks, b.Lines, b.Sales, b.Back, b.Fee, b.Invoiced, b.Extra, b.Net, b.Waiting, b.Held, b.HeldAmount, b.Payout, string(b.Why), b.Final})
}

// DecodeSettlement is the reverse of EncodeSettlement.
func DecodeSettlement(raw []byte) (b settlement.Batch, err error) {
	var x settlementBatchBody
	if err = json.Unmarshal(raw, &x); err != nil {
		return b, err
	}
	b = settlement.Batch{ID: x.ID, MID: x.MID, Currency: x.Currency, Seq: x.Seq, Version: x.Version, Opened: moment(x.Opened), Closed: moment(x.Closed),
		Cursor: x.Cursor, Chunks: x.Chunks, Lines: x.Lines, Sales: x.Sales, Back: x.Back, Fee: x.Fee, Invoiced: x.Invoiced, Extra: x.Extra, Net: x.Net,
		Waiting: x.Waiting, Held: x.Held, HeldAmount: x.HeldAmount, Payout: x.Payout, Why: settlement.WhyNot(x.Why), Final: x.Final}
	if b.State, err = valueOf[settlement.BatchState](SettlementStates[:], x.State); err != nil {
		return b, err
	}
	b.Day, err = dateOf(x.Day)
	return b, err
}

type keysBody struct {
	TID          string `json:"tid,omitempty"`
	Batch        string `json:"terminal_batch,omitempty"`
	STAN         string `json:"stan,omitempty"`
	RRN          string `json:"rrn,omitempty"`
	AuthCode     string `json:"auth_code,omitempty"`
	OrderID      string `json:"order_id,omitempty"`
	PAN          string `json:"pan,omitempty"`
	CardType     string `json:"card_type,omitempty"`
	Network      string `json:"network,omitempty"`
	Issuer       string `json:"issuer,omitempty"`
	OriginalRRN  string `json:"original_rrn,omitempty"`
	OriginalSTAN string `json:"original_stan,omitempty"`
}

func keysOf(k *settlement.Keys) keysBody {
	return keysBody{k.TID, k.Batch, k.STAN, k.RRN, k.AuthCode, k.OrderID, k.PAN, k.CardType.String(), k.Network, k.Issuer, k.OriginalRRN, k.OriginalSTAN}
}

func (b *keysBody) keys() (k settlement.Keys, err error) {
	k = settlement.Keys{TID: b.TID, Batch: b.Batch, STAN: b.STAN, RRN: b.RRN, AuthCode: b.AuthCode, OrderID: b.OrderID, PAN: b.PAN,
		Network: b.Network, Issuer: b.Issuer, OriginalRRN: b.OriginalRRN, OriginalSTAN: b.OriginalSTAN}
	k.CardType, err = cardType(b.CardType)
	return k, err
}

type lineBody struct {
	MID      string         `json:"mid"`
	Batch    string         `json:"batch"`
	Seq      int64          `json:"seq"`
	Payment  uuid.UUID      `json:"payment,omitzero"`
	Turn     int            `json:"turn,omitempty"`
	Extra    string         `json:"extra,omitempty"`
	Kind     string         `json:"kind"`
	Gross    int64          `json:"gross"`
	Fee      int64          `json:"fee,omitempty"`
	Net      int64          `json:"net"`
	Invoiced int64          `json:"invoiced,omitempty"`
	Currency money.Currency `json:"currency"`
	Date     string         `json:"date"`
	Business string         `json:"business,omitempty"`
	Time     int64          `json:"time,omitempty"`
	At       int64          `json:"at,omitempty"`
	Payout   string         `json:"payout"`
	keysBody
}

// EncodeLine gives a settlement line's body.
func EncodeLine(l *settlement.Line) ([]byte, error) {
	return json.Marshal(&lineBody{l.MID, l.Batch, l.Seq, l.Payment, l.Turn, l.Extra, l.Kind.String(), l.Gross, l.Fee, l.Net, l.Invoiced, l.Currency,
		dateText(l.Date), dateText(l.Business), Nanos(l.Time), Nanos(l.At), l.Payout, keysOf(&l.Keys)})
}

// DecodeLine is the reverse of EncodeLine.
func DecodeLine(raw []byte) (l settlement.Line, err error) {
	var b lineBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return l, err
	}
	l = settlement.Line{MID: b.MID, Batch: b.Batch, Seq: b.Seq, Payment: b.Payment, Turn: b.Turn, Extra: b.Extra, Gross: b.Gross, Fee: b.Fee, Net: b.Net,
		Invoiced: b.Invoiced, Currency: b.Currency, Time: moment(b.Time), At: moment(b.At), Payout: b.Payout}
	if l.Kind, err = KindOf(b.Kind); err != nil {
		return l, err
	}
	if l.Keys, err = b.keys(); err != nil {
		return l, err
	}
	return l, dates(pair{b.Date, &l.Date}, pair{b.Business, &l.Business})
}

// KindOf reads the word of a kind of line.
func KindOf(s string) (evidence.Kind, error) {
	for k := evidence.NoKind; k <= evidence.PayoutKind; k++ {
		if k.String() == s {
			return k, nil
		}
	}
	return evidence.NoKind, fmt.Errorf("kind %q is not known", s)
}

func cardType(s string) (evidence.CardType, error) {
	if c, ok := evidence.ParseCardType(s); ok || s == "" {
		return c, nil
	}
	return evidence.NoCardType, fmt.Errorf("card type %q is not known", s)
}

type extraBody struct {
	ID       string         `json:"id"`
	MID      string         `json:"mid"`
	Kind     string         `json:"kind"`
	Net      int64          `json:"net"`
	Currency money.Currency `json:"currency"`
	Against  string         `json:"against"`
	Payment  uuid.UUID      `json:"payment,omitzero"`
	Reason   string         `json:"reason,omitempty"`
	Maker    string         `json:"maker,omitempty"`
	Checker  string         `json:"checker,omitempty"`
	At       int64          `json:"at,omitempty"`
	Batch    string         `json:"batch,omitempty"`
	keysBody
}

// EncodeExtra gives an extra line's body.
func EncodeExtra(x *settlement.Extra) ([]byte, error) {
	return json.Marshal(&extraBody{x.ID, x.MID, x.Kind.String(), x.Net, x.Currency, x.Against.String(), x.Payment, x.Reason, x.Maker, x.Checker, Nanos(x.At),
		x.Batch, keysOf(&x.Keys)})
}

// DecodeExtra is the reverse of EncodeExtra.
func DecodeExtra(raw []byte) (x settlement.Extra, err error) {
	var b extraBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return x, err
	}
	x = settlement.Extra{ID: b.ID, MID: b.MID, Net: b.Net, Currency: b.Currency, Payment: b.Payment, Reason: b.Reason, Maker: b.Maker, Checker: b.Checker,
		At: moment(b.At), Batch: b.Batch}
	if x.Kind, err = KindOf(b.Kind); err != nil {
		return x, err
	}
	if x.Against, err = ledger.ParseName(b.Against); err != nil {
		return x, err
	}
	x.Keys, err = b.keys()
	return x, err
}

type reserveBody struct {
	Batch    string         `json:"batch"`
	MID      string         `json:"mid"`
	Currency money.Currency `json:"currency"`
	Amount   int64          `json:"amount"`
	Taken    string         `json:"taken"`
	Release  string         `json:"release"`
	Released string         `json:"released,omitempty"`
}

// EncodeReserve gives a reserve's body.
func EncodeReserve(r *settlement.Reserve) ([]byte, error) {
	return json.Marshal(&reserveBody{r.Batch, r.MID, r.Currency, r.Amount, dateText(r.Taken), dateText(r.Release), r.Released})
}

// DecodeReserve is the reverse of EncodeReserve.
func DecodeReserve(raw []byte) (r settlement.Reserve, err error) {
	var b reserveBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return r, err
	}
	r = settlement.Reserve{Batch: b.Batch, MID: b.MID, Currency: b.Currency, Amount: b.Amount, Released: b.Released}
	return r, dates(pair{b.Taken, &r.Taken}, pair{b.Release, &r.Release})
}

type holdBody struct {
	ID             string         `json:"id"`
	MID            string         `json:"mid"`
	Currency       money.Currency `json:"currency"`
	Whole          bool           `json:"whole,omitempty"`
	Amount         int64          `json:"amount,omitempty"`
	Reason         string         `json:"reason,omitempty"`
	Document       string         `json:"document,omitempty"`
	Maker          string         `json:"maker,omitempty"`
	Checker        string         `json:"checker,omitempty"`
	Releaser       string         `json:"releaser,omitempty"`
	ReleaseChecker string         `json:"release_checker,omitempty"`
	Opened         int64          `json:"opened,omitempty"`
	Released       int64          `json:"released,omitempty"`
}

// EncodeHold gives a hold's body.
func EncodeHold(h *settlement.Hold) ([]byte, error) {
	return json.Marshal(&holdBody{h.ID, h.MID, h.Currency, h.Whole, h.Amount, h.Reason, h.Document, h.Maker, h.Checker, h.Releaser, h.ReleaseChecker,
		Nanos(h.Opened), Nanos(h.Released)})
}

// DecodeHold is the reverse of EncodeHold.
func DecodeHold(raw []byte) (h settlement.Hold, err error) {
	var b holdBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return h, err
	}
	return settlement.Hold{ID: b.ID, MID: b.MID, Currency: b.Currency, Whole: b.Whole, Amount: b.Amount, Reason: b.Reason, Document: b.Document, Maker: b.Maker,
		Checker: b.Checker, Releaser: b.Releaser, ReleaseChecker: b.ReleaseChecker, Opened: moment(b.Opened), Released: moment(b.Released)}, nil
}

type payoutBody struct {
	ID         string         `json:"id"`
	MID        string         `json:"mid"`
	Currency   money.Currency `json:"currency"`
	Amount     int64          `json:"amount"`
	Day        string         `json:"day"`
	Lines      int64          `json:"lines,omitempty"`
	Account    accountBody    `json:"account"`
	State      string         `json:"state"`
	Version    uint32         `json:"version"`
	Reason     string         `json:"reason,omitempty"`
	Replaces   string         `json:"replaces,omitempty"`
	ReplacedBy []string       `json:"replaced_by,omitempty"`
	Made       int64          `json:"made,omitempty"`
	Sent       int64          `json:"sent,omitempty"`
	Word       int64          `json:"word,omitempty"`
	Next       int64          `json:"next,omitempty"`
	Inquiries  int            `json:"inquiries,omitempty"`
	Escalated  int64          `json:"escalated,omitempty"`
	Told       int64          `json:"told,omitempty"`
	Doubts     []string       `json:"doubts,omitempty"`
	Paid       bool           `json:"paid,omitempty"`
	Back       int64          `json:"back,omitempty"`
	Resent     int64          `json:"resent,omitempty"`
}

// EncodePayout gives a payout's body.
func EncodePayout(p *settlement.Payout) ([]byte, error) {
	if _, ok := settlement.ParsePayoutState(p.State.String()); !ok {
		return nil, fmt.Errorf("payout state %d", p.State)
	}
	return json.Marshal(&payoutBody{p.ID, p.MID, p.Currency, p.Amount, dateText(p.Day), p.Lines, accountOf(&p.Account), p.State.String(), p.Version, p.Reason,
		p.Replaces, p.ReplacedBy, Nanos(p.Made), Nanos(p.Sent), Nanos(p.Word), Nanos(p.Next), p.Inquiries, Nanos(p.Escalated), Nanos(p.Told), p.Doubts, p.Paid,
		Nanos(p.Back), p.Resent})
}

// DecodePayout is the reverse of EncodePayout.
func DecodePayout(raw []byte) (p settlement.Payout, err error) {
	var b payoutBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return p, err
	}
	p = settlement.Payout{ID: b.ID, MID: b.MID, Currency: b.Currency, Amount: b.Amount, Lines: b.Lines, Account: b.Account.account(), Version: b.Version,
		Reason: b.Reason, Replaces: b.Replaces, ReplacedBy: b.ReplacedBy, Made: moment(b.Made), Sent: moment(b.Sent), Word: moment(b.Word), Next: moment(b.Next),
		Inquiries: b.Inquiries, Escalated: moment(b.Escalated), Told: moment(b.Told), Doubts: b.Doubts, Paid: b.Paid, Back: moment(b.Back), Resent: b.Resent}
	var ok bool
	if p.State, ok = settlement.ParsePayoutState(b.State); !ok {
		return p, fmt.Errorf("payout state %q is not known", b.State)
	}
	p.Day, err = dateOf(b.Day)
	return p, err
}

type shareBody struct {
	MID      string         `json:"mid"`
	Network  string         `json:"network"`
	Date     string         `json:"date"`
	Currency money.Currency `json:"currency"`
	Version  uint32         `json:"version"`
	Issue    int            `json:"issue,omitempty"`
	Cleared  int64          `json:"cleared,omitempty"`
	Funded   int64          `json:"funded,omitempty"`
}

// EncodeShare gives a clearing share's body.
func EncodeShare(s *settlement.Share) ([]byte, error) {
	return json.Marshal(&shareBody{s.MID, s.Network, dateText(s.Date), s.Currency, s.Version, s.Issue, s.Cleared, s.Funded})
}

// DecodeShare is the reverse of EncodeShare.
func DecodeShare(raw []byte) (s settlement.Share, err error) {
	var b shareBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return s, err
	}
	s = settlement.Share{MID: b.MID, Network: b.Network, Currency: b.Currency, Version: b.Version, Issue: b.Issue, Cleared: b.Cleared, Funded: b.Funded}
	s.Date, err = dateOf(b.Date)
	return s, err
}

type dayBody struct {
	Network  string         `json:"network"`
	Date     string         `json:"date"`
	Currency money.Currency `json:"currency"`
	Version  uint32         `json:"version"`
	State    string         `json:"state"`
	Digest   string         `json:"digest,omitempty"`
	Issue    int            `json:"issue,omitempty"`
	Issues   int            `json:"issues,omitempty"`
	Count    int64          `json:"count,omitempty"`
	Total    int64          `json:"total,omitempty"`
	Broken   int64          `json:"broken,omitempty"`
	Received int64          `json:"received,omitempty"`
	Entries  []string       `json:"entries,omitempty"`
	House    int64          `json:"house,omitempty"`
	Excepted bool           `json:"excepted,omitempty"`
}

// EncodeDay gives the body of a network's day.
func EncodeDay(d *settlement.Day) ([]byte, error) {
	state, err := wordOf(DayStates[:], d.State)
	if err != nil {
		return nil, err
	}
	digest := ""
	if d.Digest != (settlement.Digest{}) {
		digest = d.Digest.String()
	}
	return json.Marshal(&dayBody{d.Network, dateText(d.Date), d.Currency, d.Version, state, digest, d.Issue, d.Issues, d.Count, d.Total, Nanos(d.Broken),
		d.Received, d.Entries, d.House, d.Excepted})
}

// DecodeDay is the reverse of EncodeDay.
func DecodeDay(raw []byte) (d settlement.Day, err error) {
	var b dayBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return d, err
	}
	d = settlement.Day{Network: b.Network, Currency: b.Currency, Version: b.Version, Issue: b.Issue, Issues: b.Issues, Count: b.Count, Total: b.Total,
		Broken: moment(b.Broken), Received: b.Received, Entries: b.Entries, House: b.House, Excepted: b.Excepted}
	if d.State, err = valueOf[settlement.DayState](DayStates[:], b.State); err != nil {
		return d, err
	}
	if d.Digest, err = digestOf(b.Digest); err != nil {
		return d, err
	}
	d.Date, err = dateOf(b.Date)
	return d, err
}

// digestOf is the reverse of settlement.Digest.String; "" is none.
func digestOf(s string) (d settlement.Digest, err error) {
	if s == "" {
		return d, nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 8*len(d) {
		return d, fmt.Errorf("digest %q cannot be read", s)
	}
	for i := range d {
		d[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return d, nil
}
