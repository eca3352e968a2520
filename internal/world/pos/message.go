package pos

import (
	"encoding/hex"
	"fmt"

	"daozhang/internal/iso8583"
)

// newMessage begins a message of an operation: header, trace number, terminal and
// merchant, batch.
func (t *Terminal) newMessage(k iso8583.Kind, batch, stan string) (*iso8583.Message, error) {
	m, err := t.dialect.Build(k)
	if err != nil {
		return nil, err
	}
	version := t.cfg.Version
	if t.faults.strikes(OldVersion) {
		version = oldVersion
	}
	// TPDU; then application 60, version of the specification, status, request, and
	// six digits of the software's version.
	header, err := hex.DecodeString(t.cfg.TPDU + "603100" + version)
	if err != nil {
		return nil, fmt.Errorf("TPDU and version are ten and six hexadecimal digits: %w", err)
	}
	m.SetHeader(header)
	m.Set(iso8583.STAN, stan)
	m.Set(iso8583.TID, t.cfg.TID)
	m.Set(iso8583.MID, t.cfg.MID)
	if err := m.SetBatch(batch); err != nil {
		return nil, err
	}
	return m, nil
}

// entryCodes are the first two digits of field 22.
var entryCodes = map[string]string{"chip": "05", "contactless": "07", "magstripe": "02", "manual": "01", "qr": "03"}

// request builds the message of a transaction. The card is nil where the number
// comes from the journal.
func (t *Terminal) request(x *Transaction, c *Card, pan, pin string) (*iso8583.Message, error) {
	op, _ := iso8583.ParseOperation(x.Operation)
	m, err := t.newMessage(iso8583.Kind{Operation: op}, x.Batch, x.STAN)
	if err != nil {
		return nil, err
	}
	if pan != "" {
		m.Set(iso8583.PAN, pan)
	}
	if op != iso8583.Balance {
		if err := m.SetAmount(x.Amount); err != nil {
			return nil, err
		}
	}
	m.Set(iso8583.LocalTime, x.Time.Format("150405"))
	m.Set(iso8583.LocalDate, x.Time.Format("0102"))
	mode := "2"
	if pin != "" {
		mode = "1"
	}
	m.Set(iso8583.EntryMode, entryCodes[x.Entry]+mode)
	m.Set(iso8583.Currency, x.Currency)
	capability, chip := "6", "0"
	if x.Fallback {
		chip = "2"
	}
	for _, p := range [][2]string{{"capability", capability}, {"chip", chip}} {
		if err := m.SetPart(iso8583.Private60, p[0], p[1]); err != nil {
			return nil, err
		}
	}
	if t.cfg.Location != "" {
		if err := m.SetLocation(t.cfg.Location); err != nil {
			return nil, err
		}
	}
	if x.OrderID != "" {
		if err := m.SetPart(iso8583.Private63, "operator", x.Operator); err != nil {
			return nil, err
		}
		if err := m.SetOrderID(x.OrderID); err != nil {
			return nil, err
		}
	}
	if c != nil {
		if err := t.cardData(m, x, c, pin); err != nil {
			return nil, err
		}
	}
	t.setOriginal(m, x)
	if t.faults.strikes(Interface) {
		m.Unset(iso8583.EntryMode)
	}
	return m, nil
}

// cardData puts in what the reader and the keypad gave.
func (t *Terminal) cardData(m *iso8583.Message, x *Transaction, c *Card, pin string) error {
	security := []byte("0600000000000000")
	if x.Entry != "qr" {
		m.Set(iso8583.ExpiryDate, c.Expiry)
	}
	switch x.Entry {
	case "chip", "contactless":
		m.Set(iso8583.CardSequence, c.Sequence)
		m.Set(iso8583.Track2, c.track2())
		data, err := c.chipData(t.faults.dice, x.Amount, x.Time.Format("060102"), numberOf(x.STAN), pin != "")
		if err != nil {
			return err
		}
		m.SetBytes(iso8583.ICCData, data)
	case "magstripe":
		m.Set(iso8583.Track2, c.track2())
	}
	if pin != "" {
		block, err := t.keys.EncryptPIN(t.owner, pin, c.pan)
		if err != nil {
			return err
		}
		m.Set(iso8583.PINCaptureCode, "12")
		m.SetBytes(iso8583.PINData, block[:])
		security[0] = '2' // the PIN block is made with the card number
		m.Set(iso8583.SecurityControl, string(security))
	}
	return nil
}

// setOriginal names the transaction acted on, in the fields that the
// specification has for it.
func (t *Terminal) setOriginal(m *iso8583.Message, x *Transaction) {
	o := x.Original
	if o == (Ref{}) {
		return
	}
	if o.RRN != "" {
		m.Set(iso8583.RRN, o.RRN)
	}
	if o.AuthCode != "" {
		m.Set(iso8583.AuthCode, o.AuthCode)
	}
	m.SetOriginal(iso8583.Original{Batch: o.Batch, STAN: o.STAN, Date: o.Date})
}

// reversalOf builds the reversal of a transaction from the journal alone, so that
// it is the same before and after a restart. It carries no track and no PIN.
func (t *Terminal) reversalMessage(x *Transaction) (*iso8583.Message, error) {
	op, _ := iso8583.ParseOperation(x.Operation)
	m, err := t.newMessage(iso8583.Kind{Operation: op, Reversal: true}, x.Batch, x.STAN)
	if err != nil {
		return nil, err
	}
	pan, err := t.unseal(x)
	if err != nil {
		return nil, err
	}
	if pan != "" {
		m.Set(iso8583.PAN, pan)
	}
	if err := m.SetAmount(x.Amount); err != nil {
		return nil, err
	}
	m.Set(iso8583.EntryMode, entryCodes[x.Entry]+"2")
	m.Set(iso8583.Currency, x.Currency)
	m.Set(iso8583.ResponseCode, x.Reason)
	if o := x.Original; o != (Ref{}) {
		if o.AuthCode != "" {
			m.Set(iso8583.AuthCode, o.AuthCode)
		}
		m.SetOriginal(iso8583.Original{Batch: o.Batch, STAN: o.STAN, Date: o.Date})
	}
	return m, nil
}

// sealContext binds a sealed number to its transaction.
func sealContext(tid, batch, stan string) string { return tid + "/" + batch + "/" + stan }

func (t *Terminal) unseal(x *Transaction) (string, error) {
	if len(x.Sealed) == 0 {
		return "", nil
	}
	return t.keys.Open(x.Sealed, sealContext(t.cfg.TID, x.Batch, x.STAN))
}
