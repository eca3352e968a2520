package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

const (
	fuzzMID = "898310058120001"
	fuzzTID = "T0000001"
	fuzzPAN = "6222021234567890128"
)

// translator is a gateway without sockets: what turns messages into requests and
// answers into messages.
func translator(t testing.TB, unsigned bool) *Gateway {
	keys, err := keyring.Open(keyring.Options{Transport: []string{"0123456789ABCDEFFEDCBA9876543210"}})
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("", 8*3600)
	g := &Gateway{o: Options{Keys: keys, Acquirer: "48270000", Ranges: []CardRange{{From: "625", To: "625", Type: evidence.Credit}, {From: "62", To: "62", Type: evidence.Debit}},
		Directory: payment.Profiles{fuzzTID: {TID: fuzzTID, MID: fuzzMID, Name: "店 Corner Shop", MCC: "5411", Currency: money.Currency{'C', 'N', 'Y'}, Zone: zone}},
		Now:       func() time.Time { return time.Date(2026, 12, 31, 23, 59, 50, 0, zone) }, Log: slog.New(slog.DiscardHandler)}}
	g.o.Door.Unsigned, g.o.Door.LeastVersion = unsigned, "300000"
	g.o.defaults()
	return g
}

func fuzzSeeds(f *testing.F) {
	d := iso8583.POS()
	for op := range operations {
		for _, reversal := range []bool{false, true} {
			m, err := d.Build(iso8583.Kind{Operation: op, Reversal: reversal && op.Financial()})
			if err != nil {
				continue
			}
			for field, v := range map[int]string{iso8583.STAN: "000107", iso8583.TID: fuzzTID, iso8583.MID: fuzzMID, iso8583.PAN: fuzzPAN, iso8583.ExpiryDate: "3012",
				iso8583.Track2: fuzzPAN + "D30122010000000000", iso8583.EntryMode: "051", iso8583.Currency: "156", iso8583.LocalTime: "235959", iso8583.LocalDate: "1231",
				iso8583.RRN: "634823000001", iso8583.AuthCode: "A1B2C3", 59: "172031.230416,121.473701", iso8583.Private63: "01 TAB-17"} {
				m.Set(field, v)
			}
			if m.SetAmount(8800) != nil || m.SetBatch("000001") != nil {
				f.Fatal(op)
			}
			if op == iso8583.Settlement {
				if err := m.SetReconciliation(iso8583.Reconciliation{Domestic: iso8583.Totals{DebitAmount: 8800, DebitCount: 1}}); err != nil {
					f.Fatal(err)
				}
			}
			if op == iso8583.Upload {
				if err := m.SetUploads([]iso8583.Uploaded{{STAN: "000107", PAN: fuzzPAN, Amount: 8800}}); err != nil {
					f.Fatal(err)
				}
			}
			raw, err := m.Encode()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Add([]byte{})
}

// FuzzRequest: whatever a terminal writes, it becomes a request that holds to its
// own rules and shows no card, and every answer to it can be written.
func FuzzRequest(f *testing.F) {
	fuzzSeeds(f)
	signed, unsigned := translator(f, false), translator(f, true)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, g := range []*Gateway{signed, unsigned} {
			m, err := iso8583.POS().Decode(raw)
			if err != nil {
				return
			}
			kind, bad := m.Validate("")
			if kind.Response {
				return
			}
			w := &pending{message: m, kind: kind}
			r := g.request(w, bad)
			pan := m.CardNumber()
			switch {
			case r.Amount < 0 || r.Amount > 999_999_999_999:
				t.Errorf("amount %d", r.Amount)
			case r.PAN != "" && (len(r.PAN) < 12 || !strings.Contains(r.PAN, "*")):
				t.Errorf("the number is shown as %q", r.PAN)
			case pan != "" && len(pan) >= 13 && (strings.Contains(r.OrderID, pan) || strings.Contains(r.Location, pan) || strings.Contains(r.Operator, pan)):
				t.Error("the number is in a field that is kept")
			case !r.Local.IsZero() && r.Local.Sub(g.o.Now()).Abs() > 366*24*time.Hour/2+25*time.Hour:
				t.Errorf("the terminal's clock is %s", r.Local)
			case g == signed && r.Operation.MovesMoney() && r.Problem == payment.NoProblem:
				t.Errorf("%s passes without a MAC", r.Operation)
			case r.Problem != payment.NoProblem && r.Operation == payment.NoOperation && bad == nil:
				t.Errorf("nothing is wrong with it, and it asks for nothing")
			}
			for _, i := range r.Items {
				if i.PAN != "" && !strings.Contains(i.PAN, "*") {
					t.Errorf("an upload's number is shown as %q", i.PAN)
				}
			}
			a := &payment.Answer{Operation: r.Operation, Key: r.Key, MID: r.MID, Code: evidence.Code{'0', '0'}, RRN: "634823000001", AuthCode: "A1B2C3", Amount: r.Amount,
				Currency: r.Currency, Time: g.o.Now(), Date: calendar.MustYMD(2026, 12, 31), EMV: []byte{0x91, 0x02, 0x30, 0x30}, NextBatch: "000002", Totals: r.Totals}
			out, err := g.encodeAnswer(w, a)
			if err != nil {
				// What it said has no room in an answer.
				if bad == nil && !errors.Is(err, iso8583.ErrTooLong) {
					t.Errorf("no answer to %s: %v", m, err)
				}
				continue
			}
			back, err := iso8583.POS().Decode(out)
			if err != nil {
				t.Fatalf("the answer is none: %v", err)
			}
			if back.Get(iso8583.STAN) != m.Get(iso8583.STAN) || back.Get(iso8583.TID) != m.Get(iso8583.TID) {
				t.Errorf("the answer is to another: %s", back)
			}
		}
	})
}

// FuzzResponse: whatever a network answers, it becomes a response, and one that is
// not whole approves nothing; and what goes to the network can be read back.
func FuzzResponse(f *testing.F) {
	g := translator(f, true)
	w, err := g.newWire(&Line{Name: "bank", Network: "UnionPay", Address: "127.0.0.1:9", Dialect: iso8583.Network()})
	if err != nil {
		f.Fatal(err)
	}
	ask := &payment.Message{Kind: payment.Ask, Payment: payment.ID{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10}, Operation: payment.Sale, STAN: "000107", RRN: "634823000001", TID: fuzzTID, MID: fuzzMID,
		Name: "店 Corner Shop", MCC: "5411", Amount: 8800, Currency: money.Currency{'C', 'N', 'Y'}, Entry: evidence.Chip, At: g.o.Now(), Attempt: 1,
		Card: &payment.Card{PAN: []byte(fuzzPAN), Track2: []byte(fuzzPAN + "D30122010000000000"), Expiry: "3012", EMV: []byte{0x9f, 0x36, 2, 0, 1}}}
	raw, err := w.encode(ask)
	if err != nil {
		f.Fatal(err)
	}
	m, err := iso8583.Network().Decode(raw)
	if err != nil || m.UUID() != ask.Payment.String() || m.Get(iso8583.PAN) != fuzzPAN {
		f.Fatalf("%v: %s", err, m)
	}
	for _, code := range []string{"00", "10", "51", "96", ""} {
		out, err := m.Answer(code).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := w.dialect.Decode(raw)
		if err != nil {
			return
		}
		kind, _ := m.Kind()
		r := w.response(m, kind)
		switch {
		case r.Malformed == payment.NoProblem && len(m.Bytes(iso8583.ResponseCode)) != 2:
			t.Errorf("an answer without a code is taken: %s", m)
		case r.Amount < 0 || r.Amount > 999_999_999_999:
			t.Errorf("amount %d", r.Amount)
		case r.Malformed != payment.NoProblem && r.Code != (evidence.Code{}) && evidence.IsApproval(r.Code) && r.Malformed == payment.BadMAC:
			t.Error("an answer whose MAC does not hold approves")
		}
		if len(r.EMV) > 0 && !bytes.Equal(r.EMV, m.Bytes(iso8583.ICCData)) {
			t.Error("chip data are not those of the answer")
		}
	})
}
