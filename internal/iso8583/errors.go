package iso8583

import (
	"errors"
	"fmt"

	"daozhang/internal/keyring"
)

// What can be wrong with a message. Errors wrap one of these; ResponseCodeOf maps
// them. None repeats a field's value.
var (
	// ErrFormat: the bytes are no message of the dialect.
	ErrFormat = errors.New("not a message of this dialect")
	// ErrMissing: a field that the operation needs is absent.
	ErrMissing = errors.New("a field is missing")
	// ErrOperation: message type and codes stand for no operation of the dialect.
	ErrOperation = errors.New("the codes stand for no operation")
	// ErrAmount: the amount is zero or not a number.
	ErrAmount = errors.New("the amount is not valid")
	// ErrCurrency: the currency is not the one expected.
	ErrCurrency = errors.New("the currency is not accepted")
	// ErrMAC: no MAC, or a wrong one.
	ErrMAC = keyring.ErrMAC
	// ErrTooLong: a frame announces more than the limit, or a value is longer
	// than its field.
	ErrTooLong = errors.New("longer than allowed")
)

// Error says what is wrong where. It never holds a value.
type Error struct {
	// Offset in the bytes that were decoded, header included; -1 where the
	// message was not read from bytes.
	Offset int
	// Field is the field's number; 0 for message type, bitmap or header.
	Field int
	// What is wrong, in words.
	What string
	// Err is one of the package's sentinel errors.
	Err error
}

// Error gives "field 4 at byte 23: …".
func (e *Error) Error() string {
	where := ""
	if e.Field > 0 {
		where = fmt.Sprintf("field %d", e.Field)
	}
	if e.Offset >= 0 {
		if where != "" {
			where += " "
		}
		where += fmt.Sprintf("at byte %d", e.Offset)
	}
	if where != "" {
		where += ": "
	}
	if e.What == "" {
		return where + e.Err.Error()
	}
	return where + e.What
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// ResponseCodeOf gives the response code (field 39) by which an error is told to
// the peer; "" for nil, 96 for an error that says nothing of the message.
func ResponseCodeOf(err error) string {
	for _, c := range [...]struct {
		err  error
		code string
	}{
		{keyring.ErrMAC, "A0"}, {keyring.ErrPINBlock, "99"}, {keyring.ErrNoKey, "A7"}, {keyring.ErrKCV, "A7"},
		{ErrAmount, "13"}, {ErrCurrency, "12"}, {ErrOperation, "40"}, {ErrMissing, "30"}, {ErrFormat, "30"}, {ErrTooLong, "30"},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if err == nil {
		return ""
	}
	return "96"
}
