package backoffice

import (
	"context"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// seen is what an office remembers so that a sweep need not ask again. Losing it
// costs time only.
type seen struct{}

func unknownKind(k Kind) error {
	return fault.New(fault.Invalid, fault.Say("do back-office work", "执行后台任务"), string(k), nil,
		fault.Say("there is no such kind of work", "没有这种任务"))
}

// Imported counts what an import of clearing files did.
type Imported struct {
	Files, Taken, Refused, Waiting int
}

// Heard counts what hearing a bank did.
type Heard struct {
	Files, Taken, Refused, Waiting int
}

// Sweep tells what waits, due or not, in an order in which it can be done.
func (o *Office) Sweep(ctx context.Context) ([]Task, error) { return nil, unknownKind("sweep") }

// ImportClearing reads what is new of a network's clearing files.
func (o *Office) ImportClearing(ctx context.Context, network string) (Imported, error) {
	return Imported{}, unknownKind(Import)
}

// Fund books what a corrected clearing file changed after the network had paid.
func (o *Office) Fund(ctx context.Context, network string, date calendar.Date) error {
	return unknownKind(Funding)
}

// Close ends a network's day that was paid as its file says.
func (o *Office) Close(ctx context.Context, network string, date calendar.Date) error {
	return unknownKind(Closing)
}

// Settle runs a merchant's settlement of a day.
func (o *Office) Settle(ctx context.Context, mid string, day calendar.Date, final bool) error {
	return unknownKind(Settlement)
}

// Declare says that a day's lines and payouts are all on record.
func (o *Office) Declare(ctx context.Context, day calendar.Date) error {
	return unknownKind(Declaration)
}

// Dispatch hands a payout to its bank.
func (o *Office) Dispatch(ctx context.Context, mid, payout string) error {
	return unknownKind(Dispatching)
}

// Inquire asks what became of a payout.
func (o *Office) Inquire(ctx context.Context, mid, payout string) error { return unknownKind(Inquiry) }

// Hear reads what is new of a bank's replies and statements.
func (o *Office) Hear(ctx context.Context, bank string) (Heard, error) {
	return Heard{}, unknownKind(Hearing)
}

// Remedy sends again what came back, or blocks the account that was at fault.
func (o *Office) Remedy(ctx context.Context, mid, payout string) error { return unknownKind(Remedying) }

// Follow brings settlement in line with a merchant's state.
func (o *Office) Follow(ctx context.Context, mid string) error { return unknownKind(Following) }

// WriteAdvice writes a merchant's settlement file of a day.
func (o *Office) WriteAdvice(ctx context.Context, mid string, day calendar.Date) error {
	return unknownKind(Advising)
}
