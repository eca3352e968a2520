package backoffice

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// entry is one movement on an account, as a bank tells it.
type entry struct {
	account    string
	amount     int64
	currency   money.Currency
	credit     bool
	booked     bool
	date       calendar.Date // of booking
	at         time.Time
	text       string
	references []string
	// name tells the entry apart from others of the bank, in whatever message it
	// stands.
	name string
	// payout is the payout that it names, "" for none; reason why it came back.
	payout, reason string
	// charge is what the bank takes for its work.
	charge bool
}

func (e *entry) signed() int64 {
	if e.credit {
		return e.amount
	}
	return -e.amount
}

// payoutInText is the form of a payout's identification, see settlement.PayoutID.
var payoutInText = regexp.MustCompile(`P20\d{6}-[A-Z2-7]{13}`)

// reasonInText finds the code of a reason in what a bank wrote.
var reasonInText = regexp.MustCompile(`\b[A-Z]{2}\d{2}\b`)

func readEntry(set *evidence.Set, r evidence.FactRef) entry {
	f := set.At(r)
	e := entry{account: set.Text(r, evidence.Account), currency: f.Currency, credit: !f.Debit(), booked: f.State == evidence.Booked, date: f.Date,
		at: f.Time.In(time.FixedZone("", int(f.Offset)*60)), text: set.Text(r, evidence.Text), references: set.List(r, evidence.References)}
	e.amount, _ = f.Amount()
	for _, s := range append(slices.Clone(e.references), e.text) {
		if id := payoutInText.FindString(s); id != "" {
			e.payout = id
			break
		}
	}
	fields := unknownFields(set, r)
	e.reason = fields.text("return_reason")
	e.charge = fields.text("charge") == "true"
	if e.reason == "" {
		for _, code := range reasonInText.FindAllString(e.text, -1) {
			if settlement.IsReason(code) {
				e.reason = code
				break
			}
		}
	}
	e.name = set.Text(r, evidence.EntryRef)
	if e.name == "" {
		e.name = set.Name(r)
	}
	e.name = reference("entry", tokenOf(e.account), e.name)
	return e
}

// word is what an entry says of the payout that it names. ours says that it stands
// on the account out of which we pay.
func (e *entry) word(ours bool, now time.Time) settlement.Word {
	w := settlement.Word{Payout: e.payout, State: settlement.Credited, Amount: e.amount, Currency: e.currency, At: e.at, Ref: e.name}
	switch {
	case ours && e.credit:
		w.State, w.Reason = settlement.Returned, e.reason
		// What carries only a date came back in the course of the day, after whatever
		// happened before.
		if h, m, s := e.at.Clock(); h+m+s == 0 {
			if w.At = e.at.Add(24*time.Hour - time.Second); w.At.After(now) {
				w.At = now
			}
		}
	case ours:
		w.State = settlement.Accepted
	}
	return w
}

// owners finds whose accounts are: each of a payout bank's of ours, or any that a
// merchant has or had.
func (o *Office) owners(ctx context.Context, accounts []string) (map[string]owner, error) {
	own := map[string]owner{}
	byToken := map[string]string{}
	for _, a := range accounts {
		token := tokenOf(a)
		byToken[token] = a
		for i := range o.Banks {
			if token == tokenOf(o.Banks[i].Account.Account) {
				own[a] = owner{bank: &o.Banks[i]}
			}
		}
	}
	if len(own) == len(accounts) {
		return own, nil
	}
	for m, err := range o.Keeper.MerchantRecords(ctx) {
		if err != nil {
			return nil, err
		}
		for i := range m.Accounts {
			if a, ok := byToken[m.Accounts[i].Token]; ok && own[a].bank == nil {
				own[a] = owner{mid: m.MID}
			}
		}
	}
	return own, nil
}

func tokenOf(account string) string { return card.AccountToken(account) }

func tails(accounts []string) string {
	var b strings.Builder
	for i, a := range accounts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(card.AccountTail(a))
	}
	return b.String()
}

// masked is a fact about a merchant's account as it is kept: with the account's
// last four and its token in place of the number.
func masked(set *evidence.Set, r evidence.FactRef, mid string) payment.Evidence {
	f := set.At(r)
	account := set.Text(r, evidence.Account)
	shown := card.AccountTail(account) + "~" + tokenOf(account)
	source := strings.ReplaceAll(set.Words.Text(f.Source), account, shown)
	at := f.Time.In(time.FixedZone("", int(f.Offset)*60))
	w := evidence.LineWriter{Zone: at.Location()}
	w.Begin(source, set.Words.Text(f.ID), f.Type, at, time.Time{})
	w.Str("account", card.AccountTail(account))
	w.Str("account_token", tokenOf(account))
	if f.Type == evidence.BankStatement {
		for _, field := range [...]evidence.Field{evidence.From, evidence.To} {
			if _, d, isDate, ok := set.Moment(r, field); ok && isDate {
				w.Date(field.String(), d)
			}
		}
		for _, field := range [...]evidence.Field{evidence.Opening, evidence.Closing} {
			if v, ok := set.Num(r, field); ok {
				w.Num(field.String(), v)
			}
		}
		w.Str("currency", f.Currency.String())
	} else {
		e := readEntry(set, r)
		direction := "debit"
		if e.credit {
			direction = "credit"
		}
		w.Num("amount", e.amount)
		w.Str("currency", f.Currency.String())
		w.Str("direction", direction)
		w.Str("status", f.State.String())
		w.Str("entry_ref", set.Text(r, evidence.EntryRef))
		w.Date("booking_date", e.date)
		if d, ok := set.DateAt(r, evidence.ValueDate); ok {
			w.Date("value_date", d)
		}
		text, _ := card.MaskText(strings.ReplaceAll(e.text, account, shown))
		w.Str("text", text)
		if len(e.references) > 0 {
			list, _ := json.Marshal(e.references)
			w.Raw("references", list)
		}
		w.Str("return_reason", e.reason)
	}
	return payment.Evidence{Source: source, ID: set.Words.Text(f.ID), Type: f.Type, Time: at, MID: mid, Line: slices.Clone(w.End())}
}

// fields are those of a fact by the names that they have in evidence, also those
// that the contract does not name.
type fields map[string]json.RawMessage

func unknownFields(set *evidence.Set, r evidence.FactRef) fields {
	var event struct {
		Data fields `json:"data"`
	}
	if json.Unmarshal(set.AppendJSON(nil, r), &event) != nil {
		return nil
	}
	return event.Data
}

// text is a field as text; "" where the fact has none.
func (f fields) text(name string) string {
	raw := f[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
