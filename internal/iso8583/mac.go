package iso8583

import (
	"daozhang/internal/keyring"
)

// Sign encodes the message with its MAC: in field 64, or in 128 where the message
// has fields above 64. What the MAC covers runs from the message type to the field
// before; the dialect names the algorithm. A dialect without MAC is refused.
func (m *Message) Sign(keys keyring.Keyring, owner keyring.Owner) ([]byte, error) {
	d := m.dialect
	if d.Algorithm == 0 {
		return nil, &Error{Offset: -1, What: "dialect " + d.Name + " has no MAC", Err: ErrMAC}
	}
	m.Unset(MAC, MAC2)
	field := MAC
	if m.present[1] != 0 {
		field = MAC2
	}
	m.SetBytes(field, make([]byte, 8))
	out, macAt, err := m.append(make([]byte, 0, m.guess()))
	if err != nil {
		return nil, err
	}
	mac, err := keys.MAC(owner, d.Algorithm, out[len(m.header):macAt])
	if err != nil {
		return nil, err
	}
	m.SetBytes(field, mac[:])
	out, bad := d.appendField(out[:macAt], d.fields[field], mac[:], 0)
	if bad != nil {
		return nil, bad
	}
	return out, nil
}

// Verify holds the MAC of a message, as it was received, against the owner's key.
// It wants a message from Decode of which no field was changed. ErrMAC where the
// MAC is wrong or absent, keyring.ErrNoKey where the owner has none.
func (m *Message) Verify(keys keyring.Keyring, owner keyring.Owner) error {
	field := MAC
	if m.Has(MAC2) {
		field = MAC2
	}
	if m.macAt == 0 || !m.Has(field) {
		return &Error{Offset: -1, Field: field, What: "the message has no MAC", Err: ErrMAC}
	}
	return keys.VerifyMAC(owner, m.dialect.Algorithm, m.buf[:m.macAt], m.Bytes(field))
}
