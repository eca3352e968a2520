package body

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// fill sets every field of a struct to something that is not zero, so that a
// field that somebody adds and the codec forgets makes the test fail.
func fill(t *rapid.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(0, rapid.Int64Range(1, 1<<60).Draw(t, "time")).UTC()
		return
	case *uuid.UUID:
		copy(x[:], rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, "id"))
		return
	case *money.Currency:
		*x = rapid.SampledFrom([]money.Currency{{'C', 'N', 'Y'}, {'E', 'U', 'R'}}).Draw(t, "currency")
		return
	case *evidence.Code:
		*x = rapid.SampledFrom([]evidence.Code{{'0', '0'}, {'A', '0'}, {'9', '8'}}).Draw(t, "code")
		return
	case *calendar.Date:
		*x = calendar.Date(rapid.Int32Range(1, 40000).Draw(t, "date"))
		return
	case *payment.Operation:
		*x = payment.Operation(rapid.IntRange(int(payment.Sale), int(payment.Parameters)).Draw(t, "operation"))
		return
	case *payment.State:
		*x = payment.State(rapid.IntRange(int(payment.Received), int(payment.Expired)).Draw(t, "state"))
		return
	case *payment.MessageKind:
		*x = rapid.SampledFrom([]payment.MessageKind{payment.Undo, payment.Advise}).Draw(t, "kind")
		return
	case *payment.OutgoingState:
		*x = rapid.SampledFrom([]payment.OutgoingState{payment.Acknowledged, payment.Cancelled}).Draw(t, "state")
		return
	case *payment.ExceptionState:
		*x = payment.ExceptionResolved
		return
	case *payment.BatchState:
		*x = rapid.SampledFrom([]payment.BatchState{payment.BatchUploading, payment.BatchClosed}).Draw(t, "state")
		return
	case *settlement.BatchState:
		*x = settlement.Settled
		return
	case *settlement.DayState:
		*x = rapid.SampledFrom([]settlement.DayState{settlement.FileIn, settlement.Funded, settlement.DayClosed}).Draw(t, "state")
		return
	case *settlement.PayoutState:
		*x = settlement.PayoutState(rapid.IntRange(int(settlement.Created), int(settlement.Returned)).Draw(t, "state"))
		return
	case *evidence.Kind:
		*x = evidence.Kind(rapid.IntRange(int(evidence.Sale), int(evidence.PayoutKind)).Draw(t, "kind"))
		return
	case *ledger.Name:
		*x = rapid.SampledFrom(ledger.Names()).Draw(t, "account")
		return
	case *merchant.State:
		*x = rapid.SampledFrom([]merchant.State{merchant.Active, merchant.Frozen, merchant.Suspended}).Draw(t, "state")
		return
	case *evidence.Entry:
		*x = rapid.SampledFrom([]evidence.Entry{evidence.Chip, evidence.Contactless, evidence.Magstripe, evidence.Manual, evidence.QR}).Draw(t, "entry")
		return
	case *evidence.CardType:
		*x = rapid.SampledFrom([]evidence.CardType{evidence.Debit, evidence.Credit, evidence.Prepaid}).Draw(t, "card type")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.String:
		v.SetString(rapid.StringN(1, 12, 40).Draw(t, "text"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(1, 3).Draw(t, "length"), 3))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(rapid.StringN(1, 12, 40).Draw(t, "bytes")))
			return
		}
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64Range(1, 100).Draw(t, "number"))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64Range(1, 100).Draw(t, "number"))
	default:
		t.Fatalf("no value for a %v", v.Type())
	}
}

func roundTrip[T any](t *testing.T, encode func(*T) ([]byte, error), decode func([]byte) (T, error)) {
	t.Helper()
	check := func(fatal func(string, ...any), in T) {
		raw, err := encode(&in)
		if err != nil {
			fatal("%+v: %v", in, err)
			return
		}
		if out, err := decode(raw); err != nil || !reflect.DeepEqual(in, out) {
			fatal("%s:\n%+v became\n%+v, %v", raw, in, out, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var in T
		fill(t, reflect.ValueOf(&in).Elem())
		check(t.Fatalf, in)
	})
}

func TestBodiesKeepEveryField(t *testing.T) {
	roundTrip(t, EncodeTransaction, DecodeTransaction)
	roundTrip(t, EncodeOutgoing, DecodeOutgoing)
	roundTrip(t, EncodeException, DecodeException)
	roundTrip(t, EncodeBatch, DecodeBatch)
	roundTrip(t, EncodePosition, DecodePosition)
	roundTrip(t, EncodeSettlement, DecodeSettlement)
	roundTrip(t, EncodeLine, DecodeLine)
	roundTrip(t, EncodeExtra, DecodeExtra)
	roundTrip(t, EncodeReserve, DecodeReserve)
	roundTrip(t, EncodeHold, DecodeHold)
	roundTrip(t, EncodePayout, DecodePayout)
	roundTrip(t, EncodeShare, DecodeShare)
	roundTrip(t, EncodeDay, DecodeDay)
	roundTrip(t, EncodeMerchant, DecodeMerchant)
	roundTrip(t, EncodeEvent, DecodeEvent)
	roundTrip(t, EncodeFiling, DecodeFiling)
}

// TestBodiesKeepWhatIsAbsent: what is not there stays so, and both forms of no
// date stay apart.
func TestBodiesKeepWhatIsAbsent(t *testing.T) {
	for _, in := range []payment.Transaction{
		{Operation: payment.Sale, State: payment.Sent},
		{Operation: payment.Sale, State: payment.Sent, BusinessDate: calendar.None},
	} {
		raw, err := EncodeTransaction(&in)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := DecodeTransaction(raw); err != nil || !reflect.DeepEqual(in, out) {
			t.Errorf("%s: %+v, %v", raw, out, err)
		}
	}
	for _, raw := range []string{"", "{}", `{"operation":"dance","state":"sent","currency":"CNY"}`, `{"operation":"sale","state":"sent","entry":"toe"}`, `{"operation":"sale","state":"sent","business_date":"x"}`} {
		if _, err := DecodeTransaction([]byte(raw)); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
	start := settlement.Start("m", money.Currency{'C', 'N', 'Y'})
	raw, err := EncodePosition(&start)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := DecodePosition(raw); err != nil || out != start {
		t.Errorf("%s: %+v, %v", raw, out, err)
	}
	for what, err := range map[string]error{
		"a batch in no state":     second(DecodeSettlement([]byte(`{"currency":"CNY","state":"x"}`))),
		"a payout in no state":    second(DecodePayout([]byte(`{"currency":"CNY","state":"x"}`))),
		"a line of no kind":       second(DecodeLine([]byte(`{"currency":"CNY","kind":"x"}`))),
		"an account that is none": second(DecodeExtra([]byte(`{"currency":"CNY","kind":"fee","against":"cash"}`))),
		"a day in no state":       second(DecodeDay([]byte(`{"currency":"CNY","state":"x"}`))),
		"a digest that is none":   second(DecodeDay([]byte(`{"currency":"CNY","state":"file_in","digest":"xy"}`))),
		"a merchant in no state":  second(DecodeMerchant([]byte(`{"currency":"CNY","status":{"state":"x"}}`))),
		"a date that is none":     second(DecodeReserve([]byte(`{"currency":"CNY","taken":"x"}`))),
	} {
		if err == nil {
			t.Errorf("%s was read", what)
		}
	}
	for _, raw := range []string{"{", `{"kind":"x"}`, `{"kind":"undo","state":"x"}`} {
		if _, err := DecodeOutgoing([]byte(raw)); err == nil {
			t.Errorf("%s was read", raw)
		}
		if _, err := DecodeException([]byte(raw)); err == nil {
			t.Errorf("%s was read as an exception", raw)
		}
		if _, err := DecodeBatch([]byte(raw)); err == nil {
			t.Errorf("%s was read as a batch", raw)
		}
	}
}

func second[T any](_ T, err error) error { return err }
