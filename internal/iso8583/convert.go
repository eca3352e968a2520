package iso8583

import "bytes"

// shared are the fields that mean the same in every dialect and go from one to
// another. The PIN block is not among them, for it has to be translated by the
// keyring; nor are security control, private fields and MAC.
var shared = [...]int{PAN, ProcessingCode, Amount, STAN, LocalTime, LocalDate, ExpiryDate, SettlementDate, MerchantType, EntryMode,
	CardSequence, ConditionCode, PINCaptureCode, AcquirerID, ForwarderID, Track2, Track3, RRN, AuthCode, ResponseCode, TID, MID,
	MerchantName, Currency, AdditionalAmounts, ICCData}

// Take copies fields that are present in another message, which may be of another
// dialect; the separator of a track becomes that of this one. A field that this
// dialect does not have is left out.
func (m *Message) Take(from *Message, fields ...int) {
	for _, n := range fields {
		f := m.dialect.Field(n)
		if f == nil || !from.Has(n) {
			continue
		}
		m.SetBytes(n, from.Bytes(n))
		if n == Track2 || n == Track3 {
			v := m.Bytes(n)
			old, now := byte('D'), byte('=')
			if f.as == asBCD {
				old, now = now, old
			}
			if i := bytes.IndexByte(v, old); i >= 0 && bytes.IndexByte(v, now) < 0 {
				v[i] = now
			}
		}
	}
}

// Convert gives the message in another dialect: the same kind with that dialect's
// codes, and the fields that mean the same in both. What the other dialect needs
// besides (transmission time, UUID, PIN block, MAC) the caller adds. ErrOperation
// where the other dialect has no such operation.
func (m *Message) Convert(to *Dialect) (*Message, error) {
	k, err := m.Kind()
	if err != nil {
		return nil, err
	}
	out, err := to.Build(k)
	if err != nil {
		return nil, err
	}
	codes := [...]int{ProcessingCode, ConditionCode}
	own := [len(codes)]string{}
	for i, f := range codes {
		own[i] = out.Get(f)
	}
	out.Take(m, shared[:]...)
	for i, f := range codes {
		switch have := out.Get(f); {
		case own[i] == "":
			out.Unset(f)
		case f == ProcessingCode && len(have) == 6: // the account types go on
			out.Set(f, own[i][:2]+have[2:])
		default:
			out.Set(f, own[i])
		}
	}
	for _, role := range [...]string{roleBatch, roleUUID} {
		if v := m.role(role); v != "" {
			if err := out.setRole(role, v); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
