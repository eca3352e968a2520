package diagnosis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"daozhang/internal/diagnosis"
	"daozhang/internal/journey"
)

// codes are those of the contract, in its order.
var codes = strings.Fields(`
hardware.printer hardware.card_reader hardware.mainboard software.crash software.sync_delay
software.interface_incompatible terminal.keys bank.network_latency bank.outage bank.limit bank.slow_processing
platform.interface_unstable platform.outage platform.account_frozen platform.violation platform.verification
platform.limit human.input_error human.misoperation human.prompt_ignored authorization.expired
transaction.declined transaction.reversed transaction.voided transaction.refunded reversal.unresolved
channel.congestion channel.fault network.merchant fraud.hold fraud.declined timing.not_due timing.after_cutoff
timing.holiday batch.out_of_balance payout.returned payout.below_minimum payout.negative_balance payout.not_sent
deduction.chargeback deduction.reserve deduction.adjustment deduction.fee record.not_in_clearing
record.not_in_settlement record.amount_mismatch record.duplicate record.ambiguous record.statement_missing unknown`)

func load(t *testing.T) *diagnosis.Catalogue {
	t.Helper()
	c, err := diagnosis.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryCauseOfTheContractIsThere(t *testing.T) {
	c := load(t)
	for _, code := range codes {
		if c.Cause(code) == nil {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
	if got := len(c.Causes()); got != len(codes) {
		t.Errorf("the catalogue has %d causes, the contract %d", got, len(codes))
	}
}

func TestEveryCauseSpeaksBothLanguages(t *testing.T) {
	for _, c := range load(t).Causes() {
		texts := map[string]diagnosis.Text{"title": c.Title, "why": c.Why, "check": c.Check}
		for leg := journey.NoLeg; leg <= journey.Credit; leg++ {
			for state := journey.NoCardholder; state <= journey.CardUnknown; state++ {
				a := c.AdviceFor(leg, state)
				at := leg.String() + "." + state.String()
				texts["advice to the cardholder "+at] = a.Cardholder
				texts["advice to the merchant "+at] = a.Merchant
				texts["advice to the institution "+at] = a.Institution
				texts["why "+at] = c.WhyFor(leg, state)
			}
		}
		for what, text := range texts {
			if strings.TrimSpace(text.EN) == "" || strings.ContainsFunc(text.EN, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%s: %s: not English: %q", c.Code, what, text.EN)
			}
			if !strings.ContainsFunc(text.ZH, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%s: %s: not Chinese: %q", c.Code, what, text.ZH)
			}
		}
		if len(c.Rules) == 0 {
			t.Errorf("%s has no rule: it can never be found", c.Code)
		}
	}
}

// Nobody whose charge is open is told that he was not charged: by the causes that
// stop an attempt without an answer.
func TestAdviceFitsTheCardholder(t *testing.T) {
	c := load(t)
	for _, code := range strings.Fields(`hardware.mainboard software.crash bank.network_latency bank.outage
		platform.interface_unstable platform.outage human.prompt_ignored reversal.unresolved channel.congestion
		channel.fault network.merchant unknown`) {
		c := c.Cause(code)
		for _, state := range []journey.Cardholder{journey.CardUnknown, journey.Reversing} {
			if en := c.AdviceFor(journey.Authorization, state).Cardholder.EN; strings.Contains(en, "You were not charged") {
				t.Errorf("%s: a cardholder whose charge is %s hears %q", c.Code, state, en)
			}
		}
	}
}

func TestEveryCauseHasACase(t *testing.T) {
	files, err := filepath.Glob("../investigation/testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases found: %v", err)
	}
	var all strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, code := range codes {
		if !strings.Contains(all.String(), "cause.code = "+code+"\n") {
			t.Errorf("no case ends in %s", code)
		}
	}
}

const entry = `
- code: test.cause
  title: {en: Test, zh: 测试}
  why: {en: Test., zh: 测试。}
  legs: [credit]
  party: merchant
  check: {en: Test., zh: 测试。}
  advice:
    cardholder: {en: Test., zh: 测试。}
    merchant: {en: Test., zh: 测试。}
    institution: {en: Test., zh: 测试。}
  rules:
    - {when: 'status == "overdue" and covered', rank: 30, confidence: 0.8, cites: [statement], expected: credit}
`

func TestACauseIsDataAlone(t *testing.T) {
	for _, tt := range []struct {
		name, old, new, want string
	}{
		{"as it should be", "", "", ""},
		{"a predicate over nothing known", "covered", "coverd", "unknown name coverd"},
		{"a predicate that is no question", "and covered'", "' ", "mismatched types"},
		{"an unknown finding", "[statement]", "[sermon]", `unknown finding "sermon"`},
		{"an unknown expectation", "expected: credit", "expected: soon", `unknown expectation "soon"`},
		{"an unknown party", "party: merchant", "party: king", `unknown party "king"`},
		{"an unknown leg", "legs: [credit]", "legs: [moon]", `unknown leg "moon"`},
		{"an unknown field", "title:", "titel:", "titel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := entry
			if tt.name == "a predicate that is no question" {
				text = strings.Replace(text, `'status == "overdue" and covered'`, `'status'`, 1)
				tt.want = "bool"
			} else if tt.old != "" {
				text = strings.Replace(text, tt.old, tt.new, 1)
			}
			c, err := diagnosis.LoadFrom(fstest.MapFS{"catalogue/test.yaml": {Data: []byte(text)}})
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want == "" && c.Cause("test.cause") == nil:
				t.Fatal("the cause is not there")
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	twice := fstest.MapFS{"catalogue/a.yaml": {Data: []byte(entry)}, "catalogue/b.yaml": {Data: []byte(entry)}}
	if _, err := diagnosis.LoadFrom(twice); err == nil || !strings.Contains(err.Error(), "stands twice") {
		t.Errorf("one code twice gives %v", err)
	}
}
