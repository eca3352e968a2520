package bank_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/journal"
)

const rich = `
accounts:
  - {range: "622202", issuer: ICBC, type: debit, balance: 100000}
  - {range: "62", issuer: ABC, type: credit, balance: 50000}
`

func balance(t *testing.T, b *bank.Bank, pan string, want int64) {
	t.Helper()
	if got := b.Balance(pan); got != want {
		t.Errorf("balance %d, want %d", got, want)
	}
}

func TestOperations(t *testing.T) {
	b := start(t, bank.Config{Scenario: scenario(t, rich)})
	a := dial(t, b)
	a.signOn()
	a.want("00", ask{op: iso8583.Echo})

	sale := a.want("00", ask{op: iso8583.Sale, amount: 30000, uuid: uuidA, rrn: "606112000001"})
	balance(t, b, cardA, 70000)
	a.want("51", ask{op: iso8583.Sale, amount: 70001})
	a.want("14", ask{op: iso8583.Sale, pan: "4111111111111111", amount: 1})
	r := a.call(a.message(ask{op: iso8583.Balance}))
	if n, currency, err := r.Balance(); n != 70000 || currency != "156" || err != nil {
		t.Errorf("balance inquiry: %d %s %v", n, currency, err)
	}

	a.want("64", ask{op: iso8583.Refund, amount: 30001, rrn: "606112000001"})
	refund := a.want("00", ask{op: iso8583.Refund, amount: 10000, of: sale})
	balance(t, b, cardA, 80000)
	a.want("22", ask{op: iso8583.SaleVoid, amount: 30000, of: sale})
	a.want("00", ask{op: iso8583.Refund, reversal: true, amount: 10000, of: refund})
	balance(t, b, cardA, 70000)
	void := a.want("00", ask{op: iso8583.SaleVoid, amount: 30000, of: sale, pan: "none"})
	balance(t, b, cardA, 100000)
	a.want("22", ask{op: iso8583.SaleVoid, amount: 30000, of: sale})
	a.want("00", ask{op: iso8583.SaleVoid, reversal: true, amount: 30000, of: void})
	balance(t, b, cardA, 70000)
	a.want("64", ask{op: iso8583.SaleVoid, amount: 29999, of: sale})
	a.want("25", ask{op: iso8583.SaleVoid, amount: 1, rrn: "606112999999"})

	auth := a.want("00", ask{op: iso8583.Preauth, pan: cardB, amount: 20000})
	balance(t, b, cardB, 30000)
	a.want("12", ask{op: iso8583.SaleVoid, pan: cardB, amount: 20000, of: auth})
	a.want("64", ask{op: iso8583.Completion, pan: cardB, amount: 23001, of: auth})
	done := a.want("00", ask{op: iso8583.Completion, pan: cardB, amount: 23000, auth: auth.Get(iso8583.AuthCode)})
	balance(t, b, cardB, 27000)
	a.want("22", ask{op: iso8583.PreauthVoid, pan: cardB, amount: 20000, of: auth})
	a.want("00", ask{op: iso8583.CompletionVoid, pan: cardB, amount: 23000, of: done})
	balance(t, b, cardB, 30000)
	auth = a.want("00", ask{op: iso8583.Preauth, pan: cardB, amount: 1000})
	a.want("00", ask{op: iso8583.PreauthVoid, pan: cardB, amount: 1000, of: auth})
	balance(t, b, cardB, 30000)
	// An offline sale has happened: it is booked whatever the account has.
	a.want("00", ask{op: iso8583.OfflineSale, pan: cardB, amount: 40000, uuid: uuidC})
	balance(t, b, cardB, -10000)
}

func TestOneEffectPerMessage(t *testing.T) {
	dir := t.TempDir()
	cfg := bank.Config{Journal: filepath.Join(dir, "bank.ndjson"), Scenario: scenario(t, rich)}
	b := start(t, cfg)
	a := dial(t, b)

	sale := a.message(ask{op: iso8583.Sale, amount: 30000, uuid: uuidA})
	first := a.call(sale)
	again := a.call(sale)
	if first.Get(iso8583.AuthCode) == "" || first.Get(iso8583.AuthCode) != again.Get(iso8583.AuthCode) {
		t.Error("the same message got another answer")
	}
	balance(t, b, cardA, 70000)
	advice := ask{op: iso8583.OfflineSale, amount: 5000, uuid: uuidC}
	a.want("00", advice)
	advice.mti, advice.stan = "0221", "000777" // repeated at another time under another trace number
	a.want("00", advice)
	balance(t, b, cardA, 65000)

	// A reversal that overtakes its sale: the sale is declined when it comes.
	late := a.message(ask{op: iso8583.Sale, amount: 1000, uuid: uuidB})
	a.want("25", ask{op: iso8583.Sale, reversal: true, amount: 1000, uuid: uuidB, of: late})

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, cfg)
	if b.Recovered().Records != 3 {
		t.Errorf("recovered %+v, want the sale, the advice and the reversal", b.Recovered())
	}
	a = dial(t, b)
	again = a.call(sale)
	if again.Get(iso8583.AuthCode) != first.Get(iso8583.AuthCode) {
		t.Error("after a restart the same message got another answer")
	}
	if got := a.call(late).Get(iso8583.ResponseCode); got != "22" {
		t.Errorf("a sale that had been reversed before it came: code %s", got)
	}
	balance(t, b, cardA, 65000)
	for range 3 { // however often
		a.want("00", ask{op: iso8583.Sale, reversal: true, amount: 30000, uuid: uuidA, of: sale, mti: "0401"})
		balance(t, b, cardA, 95000)
	}
	a.want("00", ask{op: iso8583.Sale, reversal: true, amount: 30000, uuid: uuidA}) // named by its UUID alone
	// A reversal of another transaction under the same trace number takes nothing back.
	a.want("25", ask{op: iso8583.OfflineSale, reversal: true, amount: 5000, uuid: "0198c0de-0000-7000-8000-0000000000ff", of: sale})
	balance(t, b, cardA, 95000)
	a.want("22", ask{op: iso8583.SaleVoid, amount: 30000, of: sale})

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := bank.ReadJournal(cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	reversed := map[int64]int{}
	for _, e := range entries {
		if e.What == bank.Reversed {
			reversed[e.Of]++
		}
	}
	if len(reversed) != 1 || reversed[1] != 1 {
		t.Errorf("reversed %v, want the first entry once", reversed)
	}
	noCard(t, dir)
}

// TestConcurrentDuplicates sends the same sales over many connections at once.
func TestConcurrentDuplicates(t *testing.T) {
	dir := t.TempDir()
	b := start(t, bank.Config{Journal: filepath.Join(dir, "j"), Sync: journal.Never})
	const peers, sales = 8, 30
	var wg sync.WaitGroup
	for range peers {
		a := dial(t, b)
		wg.Go(func() {
			for range sales {
				m := a.message(ask{op: iso8583.Sale, amount: 100, uuid: uuidA})
				a.send(m)
				if r, err := a.receive(10 * time.Second); err != nil || r.Get(iso8583.ResponseCode) != "00" {
					t.Errorf("%v %v", r, err)
				}
			}
		})
	}
	wg.Wait()
	if got := b.Stats(); got.Approved != sales || got.Duplicates != (peers-1)*sales {
		t.Errorf("%+v", got)
	}
	if got := len(b.Entries()); got != sales {
		t.Errorf("%d entries", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := bank.ReadJournal(filepath.Join(dir, "j"))
	if err != nil || len(entries) != sales {
		t.Errorf("%d entries read: %v", len(entries), err)
	}
}

func TestDeeds(t *testing.T) {
	const rule = `rules: [{when: {amount_endings: ["07"]}, %}]`
	zmk, master := keys(t)
	for _, tc := range []struct {
		do      string
		code    string // of the answer that comes; "" for none
		closed  bool
		decided bool // it stands in the journal
	}{
		{do: "do: decline, code: \"59\"", code: "59", decided: true},
		{do: "code: \"51\"", code: "51", decided: true},
		{do: "do: partial, percent: 40", code: "10", decided: true},
		{do: "do: silent", decided: true},
		{do: "do: ignore"},
		{do: "do: close", closed: true},
		{do: "do: close_after", closed: true, decided: true},
		{do: "do: stall"},
		{do: "do: garbage", decided: true},
		{do: "do: truncate", closed: true, decided: true},
		{do: "do: wrong_mac", decided: true},
		{do: "do: wrong_trace", decided: true},
		{do: "delay: 30ms", code: "00", decided: true},
		{do: "do: twice", code: "00", decided: true},
	} {
		t.Run(tc.do, func(t *testing.T) {
			b := start(t, bank.Config{Scenario: scenario(t, strings.ReplaceAll(rule, "%", tc.do)), Master: master, Transport: transport})
			a := dial(t, b)
			a.keys = zmk
			a.signOn()
			a.want("00", ask{op: iso8583.Sale, amount: 100, uuid: uuidA}) // the rule is not for this one
			m := a.message(ask{op: iso8583.Sale, amount: 1007, uuid: uuidB})
			a.send(m)
			wait := 5 * time.Second
			if tc.code == "" && !tc.closed {
				wait = 150 * time.Millisecond
			}
			r, err := a.receive(wait)
			switch {
			case tc.code != "":
				if err != nil || r.Get(iso8583.ResponseCode) != tc.code {
					t.Fatalf("answer %v: %v", r, err)
				}
				if tc.code == "10" {
					if n, _ := r.AmountMinor(); n != 402 {
						t.Errorf("approved in part: %d", n)
					}
				}
				if strings.Contains(tc.do, "twice") {
					if second, err := a.receive(wait); err != nil || second.Get(iso8583.STAN) != m.Get(iso8583.STAN) {
						t.Errorf("the second answer: %v", err)
					}
				}
			case tc.closed:
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the connection is not closed: %v", err)
				}
			case err == nil && r.Get(iso8583.STAN) == m.Get(iso8583.STAN):
				t.Errorf("it was answered with %s", r.Get(iso8583.ResponseCode))
			}
			if strings.Contains(tc.do, "wrong_mac") && !errors.Is(err, iso8583.ErrMAC) {
				t.Errorf("the MAC holds: %v", err)
			}
			if strings.Contains(tc.do, "stall") {
				if n, isNet := errors.AsType[net.Error](err); !isNet || !n.Timeout() {
					t.Errorf("the connection is not left half-open: %v", err)
				}
			}
			decided := slices.ContainsFunc(b.Entries(), func(e bank.Entry) bool { return e.Amount == 1007 })
			if decided != tc.decided {
				t.Errorf("decided: %v", decided)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	b := start(t, bank.Config{Scenario: scenario(t, rich+`
limits: {single: 40000}
maintenance: [{daily: "23:50-00:10"}]
rules:
  - {when: {last4: ["0128"], amount_from: 200, amount_to: 300}, code: "05"}
  - {when: {ranges: ["622848"], first: 2}, code: "96"}
  - {when: {tid: ["none"]}, code: "58"}
  - {when: {operations: [reversal], first: 1, repeats: 1}, do: ignore}
`)})
	a := dial(t, b)
	a.want("00", ask{op: iso8583.Sale, amount: 199})
	a.want("05", ask{op: iso8583.Sale, amount: 200})
	a.want("05", ask{op: iso8583.Sale, amount: 300})
	a.want("00", ask{op: iso8583.Sale, amount: 301})
	a.want("61", ask{op: iso8583.Sale, amount: 40001})
	a.want("96", ask{op: iso8583.Sale, pan: cardB})
	a.want("96", ask{op: iso8583.Sale, pan: cardB})
	sale := a.want("00", ask{op: iso8583.Sale, pan: cardB})
	lost := a.message(ask{op: iso8583.Sale, pan: cardB, reversal: true, of: sale})
	a.send(lost)
	if r, err := a.receive(100 * time.Millisecond); err == nil {
		t.Errorf("the first reversal was answered %v", r)
	}
	a = &acquirer{t: t, conn: dial(t, b).conn, stan: a.stan}
	a.r = iso8583.NewReader(a.conn, iso8583.Network().Framing, 0)
	if got := a.call(lost).Get(iso8583.ResponseCode); got != "00" {
		t.Errorf("the repeated reversal: code %s", got)
	}

	if err := b.SetScenario(scenario(t, `require_sign_on: true`)); err != nil {
		t.Fatal(err)
	}
	a.want("91", ask{op: iso8583.Sale})
	a.signOn()
	a.want("00", ask{op: iso8583.Sale})
	a.want("00", ask{op: iso8583.SignOff})
	a.want("91", ask{op: iso8583.Sale})
	if err := b.SetScenario(scenario(t, `require_mac: true`)); err != nil {
		t.Fatal(err)
	}
	a.want("A0", ask{op: iso8583.Sale})

	a = dial(t, start(t, bank.Config{
		Now:      func() time.Time { return time.Date(2026, 3, 2, 23, 55, 0, 0, monday.Location()) },
		Scenario: scenario(t, `maintenance: [{daily: "23:50-00:10"}]`)}))
	a.want("91", ask{op: iso8583.Sale})
	a.want("00", ask{op: iso8583.Echo})
}

func TestDailyLimits(t *testing.T) {
	now, mu := monday, sync.Mutex{}
	dir := t.TempDir()
	cfg := bank.Config{Journal: filepath.Join(dir, "j"), Sync: journal.Never,
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		Scenario: scenario(t, `
cutoff: "23:00"
accounts: [{range: "", balance: 1000000, limits: {daily: 1200, daily_count: 3}}]`)}
	b := start(t, cfg)
	a := dial(t, b)
	sale := a.want("00", ask{op: iso8583.Sale, amount: 600})
	a.want("61", ask{op: iso8583.Sale, amount: 601})
	a.want("00", ask{op: iso8583.Sale, amount: 200})
	b.Close()
	b = start(t, cfg) // what was spent today is still spent
	stan := a.stan
	a = dial(t, b)
	a.stan = stan
	a.want("00", ask{op: iso8583.Sale, amount: 200})
	a.want("65", ask{op: iso8583.Sale, amount: 0})
	a.want("00", ask{op: iso8583.Sale, reversal: true, amount: 600, of: sale})
	a.want("00", ask{op: iso8583.Sale, amount: 600})
	mu.Lock()
	now = time.Date(2026, 3, 2, 23, 0, 0, 0, monday.Location()) // the next business day
	mu.Unlock()
	a.want("00", ask{op: iso8583.Sale, amount: 1000})
	if e := b.Entries(); e[len(e)-1].Date != calendar.MustYMD(2026, 3, 3) {
		t.Errorf("business date %v", e[len(e)-1].Date)
	}
}

func TestKeysAndPIN(t *testing.T) {
	dir := t.TempDir()
	zmk, master := keys(t)
	var log strings.Builder
	cfg := bank.Config{Journal: filepath.Join(dir, "j"), Master: master, Transport: transport,
		Scenario: scenario(t, `accounts: [{range: "6222", balance: 10000, pin: "135790"}]`)}
	b := start(t, cfg)
	a := dial(t, b)
	a.keys = zmk
	a.signOn()
	a.want("00", ask{op: iso8583.Sale, pin: "135790"})
	a.want("55", ask{op: iso8583.Sale, pin: "975310"})
	a.want("55", ask{op: iso8583.Sale, pin: "975310"})
	a.want("00", ask{op: iso8583.Sale, pin: "135790"}) // counts anew
	for range 3 {
		a.want("55", ask{op: iso8583.Sale, pin: "0000"})
	}
	a.want("38", ask{op: iso8583.Sale, pin: "135790"})
	block, err := zmk.EncryptPIN(link, "135790", cardA)
	if err != nil {
		t.Fatal(err)
	}

	m := a.message(ask{op: iso8583.Sale, amount: 4242})
	out, err := m.Sign(zmk, link)
	if err != nil {
		t.Fatal(err)
	}
	out[60] ^= 1 // within the fields
	if err := iso8583.WriteFrame(a.conn, iso8583.Network().Framing, out); err != nil {
		t.Fatal(err)
	}
	if r, err := a.receive(5 * time.Second); err == nil && r.Get(iso8583.ResponseCode) == "00" {
		t.Error("an altered message was approved")
	}
	if slices.ContainsFunc(b.Entries(), func(e bank.Entry) bool { return e.Amount == 4242 }) {
		t.Error("an altered message had an effect")
	}
	b.Close()
	noCard(t, dir, block[:])
	if strings.Contains(log.String(), cardA) {
		t.Error("the log repeats a card number")
	}
	cfg.Transport = nil
	if _, err := bank.Start(context.Background(), cfg); err == nil {
		t.Error("a master key under another transport key was taken")
	}
}

func TestUnreachable(t *testing.T) {
	b := start(t, bank.Config{})
	a := dial(t, b)
	a.want("00", ask{op: iso8583.Sale})
	b.SetState(bank.Refusing)
	if _, err := a.receive(5 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still open: %v", err)
	}
	refused := dial(t, b)
	if _, err := refused.receive(5 * time.Second); err == nil {
		t.Error("a refusing bank spoke")
	}
	b.SetState(bank.Silent)
	a = dial(t, b)
	a.send(a.message(ask{op: iso8583.Sale, amount: 777}))
	if r, err := a.receive(100 * time.Millisecond); err == nil {
		t.Errorf("a silent bank answered %v", r)
	}
	b.SetState(bank.Serving)
	dial(t, b).want("00", ask{op: iso8583.Sale, stan: "000099"})
	if n := len(b.Entries()); n != 2 {
		t.Errorf("%d entries", n)
	}
}

func TestBadInput(t *testing.T) {
	b := start(t, bank.Config{})
	for name, bytes := range map[string]string{
		"length":   "\xff\xff",
		"rubbish":  "\x00\x20" + strings.Repeat("x", 32),
		"bitmap":   "\x00\x14" + "0200" + strings.Repeat("G", 16),
		"response": "\x00\x14" + "0210" + strings.Repeat("0", 16),
	} {
		a := dial(t, b)
		if _, err := a.conn.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		if r, err := a.receive(300 * time.Millisecond); err == nil {
			t.Errorf("%s: answered %v", name, r)
		}
	}
	a := dial(t, b)
	m := a.message(ask{op: iso8583.Sale})
	m.Unset(iso8583.TID)
	if got := a.call(m).Get(iso8583.ResponseCode); got != "30" {
		t.Errorf("without a terminal: code %s", got)
	}
	m = a.message(ask{op: iso8583.Sale})
	m.Set(iso8583.Amount, "000000000000")
	if got := a.call(m).Get(iso8583.ResponseCode); got != "13" {
		t.Errorf("an amount of zero: code %s", got)
	}
	if n := len(b.Entries()); n != 0 {
		t.Errorf("%d entries", n)
	}
	if s := b.Stats(); s.Malformed < 5 {
		t.Errorf("%+v", s)
	}
}

func TestClearingFile(t *testing.T) {
	dir := t.TempDir()
	b := start(t, bank.Config{Clearing: dir, Journal: filepath.Join(dir, "j"), Scenario: scenario(t, rich+`
clearing:
  - {when: {amount_endings: ["11"]}, do: omit}
  - {when: {amount_endings: ["22"]}, do: twice}
  - {when: {amount_endings: ["33"]}, do: amount, by: -3}
`)})
	a := dial(t, b)
	sale := a.want("00", ask{op: iso8583.Sale, amount: 1000, rrn: "606112000001", uuid: uuidA})
	a.want("00", ask{op: iso8583.Refund, amount: 400, rrn: "606112000002", uuid: uuidB, of: sale})
	gone := a.want("00", ask{op: iso8583.Sale, amount: 500})
	a.want("00", ask{op: iso8583.Sale, reversal: true, amount: 500, of: gone})
	a.want("00", ask{op: iso8583.Preauth, amount: 500})
	a.want("51", ask{op: iso8583.Sale, amount: 5000000})
	a.want("00", ask{op: iso8583.Sale, amount: 111})
	a.want("00", ask{op: iso8583.Sale, amount: 222})
	a.want("00", ask{op: iso8583.Sale, amount: 333})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "UnionPay-20260302.clearing.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	col := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	var got []string
	for _, r := range rows[1:] {
		got = append(got, strings.Join([]string{col(r, "type"), col(r, "kind"), col(r, "amount"), col(r, "count"), col(r, "total"), col(r, "rrn"), col(r, "original_rrn")}, " "))
	}
	want := []string{
		"clearing.line sale 1000   606112000001 ",
		"clearing.line refund 400   606112000002 606112000001",
		"clearing.line sale 222    ",
		"clearing.line sale 222    ",
		"clearing.line sale 330    ",
		"clearing.file   5 1374  ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	noCard(t, dir)
}

func TestScenarioErrors(t *testing.T) {
	for _, text := range []string{
		"rulez: []", "rules: [{do: explode}]", "rules: [{when: {operations: [sail]}}]", "rules: [{when: {chance: 2}}]",
		"rules: [{code: \"5\"}]", "cutoff: \"25:00\"", "zone: Mars", "maintenance: [{}]", "maintenance: [{daily: noon}]",
		"accounts: [{range: abc}]", "accounts: [{range: \"1\", pin: x}]", "delay: {tail: 3}", "delay: {fixed: -1s}",
		"clearing: [{do: burn}]", "rules: [{do: partial, percent: 100}]", "rules: [{when: {amount_from: 3, amount_to: 2}}]",
	} {
		if _, err := bank.ParseScenario(strings.NewReader(text)); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := bank.ReadScenario(filepath.Join(t.TempDir(), "none")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	s := scenario(t, `{"delay": {"fixed": "20ms"}, "rules": [{"when": {"amount_endings": ["51"]}, "code": "51"}]}`)
	if s.Delay.Fixed != 20*time.Millisecond || s.Rules[0].Do != bank.DoDecline {
		t.Errorf("%+v", s)
	}
}

// BenchmarkBank is how many sales a second a bank decides and keeps, asked over 32
// connections, each waiting for its answer.
func BenchmarkBank(b *testing.B) {
	for _, when := range []journal.Sync{journal.Always, journal.Never, ""} {
		b.Run("sync="+string(when), func(b *testing.B) {
			cfg := bank.Config{Sync: when}
			if when != "" {
				cfg.Journal = filepath.Join(b.TempDir(), "j")
			}
			host := start(b, cfg)
			var left, stan atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range 32 {
				a := dial(b, host)
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						m := a.message(ask{op: iso8583.Sale, stan: fmt.Sprintf("%06d", stan.Add(1)%1_000_000), amount: 1, uuid: uuidA})
						a.send(m)
						if _, err := a.receive(10 * time.Second); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
