package bank_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/format/bank"
	"daozhang/internal/money"
)

func TestInquiry(t *testing.T) {
	cny, _ := money.ParseCurrency("CNY")
	q := bank.Inquiry{ID: "P20260303-ABCDEFGHIJKLM-1", Created: time.Date(2026, 3, 3, 9, 30, 0, 0, time.FixedZone("", 8*3600)),
		Asker: bank.Party{Agent: bank.AgentOf("ICBKCNBJ", "ICBC")}, Order: "P20260303-ABCDEFGHIJKLM", EndToEnd: "P20260303-ABCDEFGHIJKLM", Amount: 12751, Currency: cny}
	var b, again bytes.Buffer
	if err := bank.WriteInquiry(&b, &q); err != nil {
		t.Fatal(err)
	}
	if bank.WriteInquiry(&again, &q); !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same inquiry gives other bytes")
	}
	got, err := bank.ReadInquiry(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := q
	want.Asker = bank.Party{}
	if !got.Created.Equal(want.Created) {
		t.Errorf("created %v", got.Created)
	}
	if got.Created = want.Created; *got != want {
		t.Errorf("read %+v, want %+v", *got, want)
	}
	for n := range b.Len() - 12 { // torn anywhere before its end
		if got, err := bank.ReadInquiry(bytes.NewReader(b.Bytes()[:n])); err == nil && got.EndToEnd == "" {
			t.Fatalf("torn after %d bytes it asks about nothing and is no error", n)
		}
	}
	for name, spoil := range map[string]func(*bank.Inquiry){
		"no id":       func(q *bank.Inquiry) { q.ID = "" },
		"long order":  func(q *bank.Inquiry) { q.Order = strings.Repeat("P", 36) },
		"no payment":  func(q *bank.Inquiry) { q.EndToEnd = "" },
		"no amount":   func(q *bank.Inquiry) { q.Amount = 0 },
		"no currency": func(q *bank.Inquiry) { q.Currency = money.Currency{} },
		"no time":     func(q *bank.Inquiry) { q.Created = time.Time{} },
	} {
		bad := q
		spoil(&bad)
		var b bytes.Buffer
		if err := bank.WriteInquiry(&b, &bad); fault.KindOf(err) != fault.Invalid || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, b.Len())
		}
	}
}
