package gateway

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

var codeFormat = evidence.Code{'3', '0'}

// operations pairs what a message asks for on the wire with what a payment calls
// it.
var operations = map[iso8583.Operation]payment.Operation{
	iso8583.Sale: payment.Sale, iso8583.SaleVoid: payment.Void, iso8583.Refund: payment.Refund, iso8583.Preauth: payment.Preauth,
	iso8583.PreauthVoid: payment.PreauthVoid, iso8583.Completion: payment.Completion, iso8583.CompletionVoid: payment.CompletionVoid,
	iso8583.CompletionAdvice: payment.Completion, iso8583.OfflineSale: payment.Offline, iso8583.Balance: payment.Balance,
	iso8583.SignOn: payment.SignOn, iso8583.SignOff: payment.SignOff, iso8583.Echo: payment.Echo, iso8583.Status: payment.Echo,
	iso8583.Parameters: payment.Parameters, iso8583.Settlement: payment.Settlement, iso8583.Upload: payment.BatchUpload,
	iso8583.UploadEnd: payment.BatchUpload, iso8583.MasterKey: payment.MasterKey,
}

var entries = map[string]evidence.Entry{}

func init() {
	for e := evidence.Chip; e <= evidence.QR; e++ {
		entries[e.String()] = e
	}
}

// sealContext is what a sealed card number is bound to: the merchant, within whom
// it follows from a sale to its void or refund.
func sealContext(mid string) string { return "merchant/" + mid }

// request reads a terminal's message; bad is what Validate found. Whatever is
// wrong with it is told by Problem: the exchange refuses it.
func (g *Gateway) request(w *pending, bad error) *payment.Request {
	m := w.message
	r := &payment.Request{Operation: operations[w.kind.Operation], MID: m.Get(iso8583.MID),
		Key: payment.Key{TID: m.Get(iso8583.TID), Batch: m.Batch(), STAN: m.Get(iso8583.STAN)}}
	r.Original.Date = calendar.None
	if w.kind.Reversal {
		r.Reverses, r.Operation = r.Operation, payment.Reversal
	}
	if errors.Is(bad, iso8583.ErrOperation) {
		r.Operation = payment.NoOperation
	}
	var err error
	if r.Amount, err = m.AmountMinor(); err != nil {
		r.Amount = 0 // refused as an amount of nothing is
	}
	r.Currency, _ = money.FromNumeric(m.Get(iso8583.Currency))
	entry, _ := m.Entry()
	r.Entry = entries[entry]
	r.Operator = m.Part(iso8583.Private63, "operator")
	if code := m.Bytes(iso8583.ResponseCode); w.kind.Reversal && len(code) == 2 {
		r.Reason = evidence.Code(code)
	}
	owner := keyring.Terminal(r.MID, r.TID)
	if r.Problem = g.authentic(w, owner); r.Problem != payment.NoProblem {
		return r // what it says cannot be trusted, and need not be read
	}
	if !w.kind.Reversal && g.outdated(m) {
		r.Problem = payment.BadVersion
		return r
	}
	if bad != nil && !errors.Is(bad, iso8583.ErrAmount) && !errors.Is(bad, iso8583.ErrOperation) {
		r.Problem = payment.BadFormat
		return r
	}
	r.Location, r.Local = m.Location(), g.localTime(m, r.TID)
	switch r.Operation {
	case payment.Sale, payment.Preauth, payment.Offline, payment.Completion:
		if id := m.OrderID(); !card.IsPAN(id) { // what a till calls an order may be anything
			r.OrderID = id
		}
	}
	if !w.kind.Reversal { // its field 61 is that of the message it takes back
		o := m.Original()
		r.Original.Batch, r.Original.STAN = o.Batch, o.STAN
		if r.Operation.ActsOnOriginal() {
			r.Original.RRN, r.Original.AuthCode = m.Get(iso8583.RRN), strings.TrimSpace(m.Get(iso8583.AuthCode))
		}
	}
	switch {
	case r.Operation == payment.Settlement:
		t, err := m.Reconciliation()
		if err != nil {
			r.Problem = payment.BadFormat
			return r
		}
		r.Totals = payment.Totals{DebitCount: t.Domestic.DebitCount + t.Foreign.DebitCount, DebitAmount: t.Domestic.DebitAmount + t.Foreign.DebitAmount,
			CreditCount: t.Domestic.CreditCount + t.Foreign.CreditCount, CreditAmount: t.Domestic.CreditAmount + t.Foreign.CreditAmount}
	case w.kind.Operation == iso8583.Upload:
		list, err := m.Uploads()
		if err != nil {
			r.Problem = payment.BadFormat
			return r
		}
		for _, u := range list {
			r.Items = append(r.Items, payment.Item{STAN: u.STAN, Amount: u.Amount, PAN: masked(u.PAN)})
		}
	case w.kind.Operation == iso8583.UploadEnd:
		r.Last = true
	default:
		g.readCard(r, m, owner)
	}
	return r
}

// localTime is the terminal's clock by fields 12 and 13, in its merchant's zone;
// zero where it does not say or shows no time. They carry no year: it is the one
// that brings them nearest to now.
func (g *Gateway) localTime(m *iso8583.Message, tid string) time.Time {
	zone := time.UTC
	if p := g.o.Directory.Terminal(tid); p != nil && p.Zone != nil {
		zone = p.Zone
	}
	now, written := g.o.Now(), m.Get(iso8583.LocalDate)+m.Get(iso8583.LocalTime)
	var nearest time.Time
	for _, year := range [...]int{-1, 0, 1} {
		at, err := time.ParseInLocation("20060102150405", strconv.Itoa(now.In(zone).Year()+year)+written, zone)
		if err == nil && (nearest.IsZero() || now.Sub(at).Abs() < now.Sub(nearest).Abs()) {
			nearest = at
		}
	}
	return nearest
}

// outdated reports software older than the door serves. What takes money back is
// taken from any.
func (g *Gateway) outdated(m *iso8583.Message) bool {
	least := g.o.Door.LeastVersion
	h := m.Header()
	return least != "" && len(h) >= 3 && hex.EncodeToString(h[len(h)-3:]) < least
}

// authentic holds the MAC of a message that needs one.
func (g *Gateway) authentic(w *pending, owner keyring.Owner) payment.Problem {
	m, keys := w.message, g.o.Keys
	needs := w.kind.Reversal || w.kind.Operation.Financial() || w.kind.Operation == iso8583.Balance
	has := m.Has(iso8583.MAC) || m.Has(iso8583.MAC2)
	switch {
	case has && keys.HasWorking(owner):
		if err := m.Verify(keys, owner); err != nil {
			if errors.Is(err, keyring.ErrNoKey) {
				return payment.NoKeys
			}
			return payment.BadMAC
		}
		w.signed = true
	case has || needs && !g.o.Door.Unsigned && !keys.HasWorking(owner):
		if !has && g.o.Door.Unsigned {
			return payment.NoProblem
		}
		return payment.NoKeys
	case needs && keys.HasWorking(owner):
		return payment.BadMAC // who has keys uses them
	}
	return payment.NoProblem
}

// readCard takes the card out of a message.
func (g *Gateway) readCard(r *payment.Request, m *iso8583.Message, owner keyring.Owner) {
	if m.Part(iso8583.SecurityControl, "track") == "1" {
		for _, f := range [...]int{iso8583.Track2, iso8583.Track3} {
			if !m.Has(f) {
				continue
			}
			clear, err := g.o.Keys.DecryptTrack(owner, m.Get(f))
			if err != nil {
				r.Problem = payment.BadFormat
				return
			}
			m.Set(f, clear)
		}
	}
	pan := m.CardNumber()
	if pan == "" {
		return
	}
	if len(pan) < 12 || len(pan) > 19 {
		r.Problem = payment.BadFormat
		return
	}
	sealed, err := g.o.Keys.Seal(pan, sealContext(r.MID))
	if err != nil {
		g.o.Log.Error("card number not sealed", "error", err)
		r.Problem = payment.NoKeys
		return
	}
	r.SealedPAN, r.CardToken, r.PAN, r.Prefix = sealed, g.o.Keys.Token(pan), masked(pan), pan[:8]
	for _, c := range g.o.Ranges {
		if n := len(c.From); r.Prefix[:n] >= c.From && r.Prefix[:n] <= c.To {
			r.CardType = c.Type
			break
		}
	}
	own := func(f int) []byte { return append([]byte(nil), m.Bytes(f)...) }
	r.Card = &payment.Card{PAN: []byte(pan), Expiry: m.Get(iso8583.ExpiryDate), Track2: own(iso8583.Track2), Track3: own(iso8583.Track3),
		PINBlock: own(iso8583.PINData), EMV: own(iso8583.ICCData), Sequence: m.Get(iso8583.CardSequence)}
	if len(r.Card.PINBlock) > 0 && !g.o.Keys.HasWorking(owner) {
		r.Problem = payment.NoKeys
	}
}

// masked is first six, stars, last four.
func masked(pan string) string {
	if len(pan) < 12 {
		return ""
	}
	return pan[:6] + strings.Repeat("*", len(pan)-10) + pan[len(pan)-4:]
}

// encodeAnswer writes what a terminal is told.
func (g *Gateway) encodeAnswer(w *pending, a *payment.Answer) ([]byte, error) {
	m := w.message.Answer(a.Code.String())
	defer m.Wipe()
	zone := time.UTC
	profile := g.o.Directory.Terminal(a.TID)
	if profile != nil && profile.Zone != nil {
		zone = profile.Zone
	}
	local := a.Time.In(zone)
	m.Set(iso8583.LocalTime, local.Format("150405"))
	m.Set(iso8583.LocalDate, local.Format("0102"))
	if a.Date != calendar.None && a.Date != 0 {
		_, month, day := a.Date.YMD()
		m.Set(iso8583.SettlementDate, string([]byte{digit(month / 10), digit(month % 10), digit(day / 10), digit(day % 10)}))
	}
	if a.RRN != "" {
		m.Set(iso8583.RRN, a.RRN)
	}
	if a.AuthCode != "" {
		m.Set(iso8583.AuthCode, a.AuthCode)
	}
	if a.Operation.MovesMoney() && a.Approved() && a.Amount != 0 {
		if err := m.SetAmount(a.Amount); err != nil {
			return nil, err
		}
	}
	if len(a.EMV) > 0 {
		m.SetBytes(iso8583.ICCData, a.EMV)
	}
	if a.HasBalance {
		if err := m.SetBalance(a.Balance, w.message.Get(iso8583.Currency)); err != nil {
			return nil, err
		}
	}
	if a.NextBatch != "" && w.kind.Operation == iso8583.SignOn {
		if err := m.SetBatch(a.NextBatch); err != nil {
			return nil, err
		}
	}
	owner := keyring.Terminal(w.message.Get(iso8583.MID), w.message.Get(iso8583.TID))
	switch w.kind.Operation {
	case iso8583.Settlement:
		if err := g.totals(m, w, a); err != nil {
			return nil, err
		}
	case iso8583.MasterKey:
		if a.Code == (evidence.Code{'0', '0'}) && profile != nil {
			if err := g.newMaster(m, owner); err != nil {
				return nil, err
			}
		}
	case iso8583.SignOn:
		if a.Code == (evidence.Code{'0', '0'}) && profile != nil {
			if err := g.newKeys(m, owner); err != nil {
				return nil, err
			}
		}
	}
	if w.signed {
		return m.Sign(g.o.Keys, owner)
	}
	return m.Encode()
}

// newKeys puts working keys into the answer to a sign-on. A terminal that was
// never injected is told so by A7, or lives without where the door allows it.
func (g *Gateway) newKeys(m *iso8583.Message, owner keyring.Owner) error {
	if !g.o.Keys.HasMaster(owner) {
		if !g.o.Door.Unsigned {
			m.Set(iso8583.ResponseCode, "A7")
		}
		return nil
	}
	keys, err := g.o.Keys.NewWorking(owner)
	if err != nil {
		return fault.New(fault.KindOf(err), "make working keys", string(owner), err, "")
	}
	return m.SetWorkingKeys(keys)
}

// newMaster puts a master key into the answer to a download, for a terminal that
// has none yet. Who has one is refused with 58: the request is not signed, and a
// stranger could take a terminal's key from it; people inject it anew.
func (g *Gateway) newMaster(m *iso8583.Message, owner keyring.Owner) error {
	if g.o.Keys.HasMaster(owner) {
		m.Set(iso8583.ResponseCode, "58")
		g.o.Log.Warn("master key asked for by a terminal that has one", "terminal", string(owner))
		return nil
	}
	key, err := g.o.Keys.NewMaster(owner)
	if err != nil {
		return fault.New(fault.KindOf(err), "make a master key", string(owner), err, "")
	}
	return m.SetMasterKey(key)
}

// totals puts ours into the answer to a settlement. We hold all cards' together:
// where a terminal keeps foreign cards apart, its own split stands if the sum is
// right.
func (g *Gateway) totals(m *iso8583.Message, w *pending, a *payment.Answer) error {
	r, err := w.message.Reconciliation()
	if err != nil {
		return nil // refused for its form; the code says so
	}
	r.DomesticResult, r.ForeignResult = iso8583.Different, iso8583.Different
	if a.Balanced {
		r.DomesticResult, r.ForeignResult = iso8583.Equal, iso8583.Equal
	} else {
		r.Foreign = iso8583.Totals{}
		r.Domestic = iso8583.Totals{DebitAmount: a.Totals.DebitAmount, DebitCount: a.Totals.DebitCount, CreditAmount: a.Totals.CreditAmount, CreditCount: a.Totals.CreditCount}
	}
	return m.SetReconciliation(r)
}

func digit(n int) byte { return byte('0' + n) }
