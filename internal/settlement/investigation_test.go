package settlement_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// TestEvidenceAnswers plays stories and asks the investigation, which knows
// nothing but the evidence that settlement wrote (and what the gateway and the
// merchant's bank would have): where is the money of sale 1?
func TestEvidenceAnswers(t *testing.T) {
	const begin = "merchant cycle=T1\nat 2026-03-02T12:00\nsale 10000\n"
	for _, tc := range []struct {
		name, story   string
		stage, status string
		cause         string // "" for none
		held          string // more of the answer, as name=value
	}{
		{"captured", begin, "captured", "in_transit", "timing.not_due", ""},
		{"cleared", begin + "at 2026-03-03T08:00\nclearing 2026-03-02 lines=1", "cleared", "in_transit", "timing.not_due", ""},
		{"not in clearing", begin + "sale 5000\nat 2026-03-03T08:00\nclearing 2026-03-02 lines=2\nat 2026-03-03T13:00", "captured", "overdue", "record.not_in_clearing", "party=network"},
		{"settled", begin + "at 2026-03-03T09:00\nsettle 2026-03-03", "settled", "in_transit", "timing.not_due", "net=9940"},
		{"paid out", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1", "paid_out", "in_transit", "timing.not_due", ""},
		{"accepted", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 accepted", "paid_out", "in_transit", "timing.not_due", ""},
		{"credited by the bank's word", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 credited", "credited", "confirmed", "", "payout=P1"},
		{"arrived by the merchant's statement", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 credited\nentry P1 9940", "credited", "arrived", "", "arrived=9940"},
		{"frozen before the payout", begin + "freeze reason=judicial\nat 2026-03-03T09:00\nsettle 2026-03-03\nat 2026-03-03T19:00", "settled", "held", "platform.account_frozen", "party=merchant"},
		{"suspended for a violation", begin + "suspend reason=violation\nat 2026-03-03T09:00\nsettle 2026-03-03\nat 2026-03-03T19:00", "settled", "held", "platform.violation", ""},
		{"stopped between creation and sending", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\nsuspend reason=risk\nat 2026-03-03T19:00", "settled", "held", "platform.verification", ""},
		{"freed", begin + "freeze reason=judicial\nat 2026-03-03T09:00\nsettle 2026-03-03\nat 2026-03-04T08:00\nactivate\nsettle 2026-03-04\ndispatch P1\nbank P1 credited", "credited", "confirmed", "", ""},
		{"below the minimum", strings.Replace(begin, "cycle=T1", "cycle=T1 minimum=50000", 1) + "at 2026-03-03T09:00\nsettle 2026-03-03\nat 2026-03-03T19:00\ndeclare", "settled", "in_transit", "payout.below_minimum", ""},
		{"negative balance", begin + "sale 300\nat 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 credited\nrefund #1 10000\nat 2026-03-03T12:00\nsale 500\nat 2026-03-04T09:00\nsettle 2026-03-04\nat 2026-03-04T19:00\nwhere 4",
			"settled", "in_transit", "payout.negative_balance", ""},
		{"refunded before settlement", begin + "sale 50000\nrefund #1 10000\nat 2026-03-03T09:00\nsettle 2026-03-03\nwhere 1", "settled", "refunded", "transaction.refunded", ""},
		{"rejected for the account", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 rejected reason=AC01\nat 2026-03-03T19:00", "paid_out", "overdue", "payout.returned", "party=merchant"},
		{"returned", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 credited\nwait 1h\nbank P1 returned reason=AC04\nat 2026-03-04T09:00", "credited", "overdue", "payout.returned", ""},
		{"returned and sent again", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 returned reason=AC04\nblock reason=AC04\naccount 6217001299998888\nverify\nat 2026-03-04T12:00\nresend P1\ndispatch P2\nbank P2 credited\nentry P2 9940",
			"credited", "arrived", "", "arrived=9940"},
		{"kept while the account is refused", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 rejected reason=AC04\nblock reason=AC04\nsale 5000\nat 2026-03-04T09:00\nsettle 2026-03-04\nat 2026-03-04T19:00\nwhere 2",
			"settled", "held", "payout.returned", "party=merchant"},
		{"charged back after it arrived", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nbank P1 credited\nentry P1 9940\nat 2026-03-04T08:00\nclearing 2026-03-03 lines=cb1\nsettle 2026-03-04\nat 2026-03-05T08:00", "credited", "short", "deduction.chargeback", ""},
		{"unknown at the bank", begin + "at 2026-03-03T09:00\nsettle 2026-03-03\ndispatch P1\nwait 1h\nask P1\nat 2026-03-04T09:00", "paid_out", "unproven", "record.statement_missing", ""},
		{"paid late after a crash, once", begin + "at 2026-03-03T09:00\nsettle 2026-03-03 dies=0\nat 2026-03-03T10:00\nsettle 2026-03-03\nsettle 2026-03-03\ndispatch P1\nbank P1 credited", "credited", "confirmed", "", "net=9940"},
		{"voided", begin + "void #1\nsale 5000\nat 2026-03-03T09:00\nsettle 2026-03-03", "captured", "refunded", "transaction.voided", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := &talk{desk: newDesk(t), names: map[string]string{}}
			about := 1
			for line := range strings.SplitSeq(strings.TrimSpace(tc.story), "\n") {
				if n, ok := strings.CutPrefix(line, "where "); ok {
					fmt.Sscan(n, &about)
					continue
				}
				if rest, ok := strings.CutPrefix(line, "entry "); ok {
					k.entry(rest)
					continue
				}
				if line == "declare" {
					if err := k.commit(settlement.Declare(k.now, k.now.Add(-24*time.Hour), k.now, china)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				k.do(line)
				k.witness(line)
			}
			if err := k.audit(); err != nil {
				t.Fatal(err)
			}
			p, raw := k.whereabouts(about)
			cause, _ := p["cause"].(map[string]any)
			code, _ := cause["code"].(string)
			if p["stage"] != tc.stage || p["status"] != tc.status || code != tc.cause {
				t.Errorf("stage %v status %v cause %q, want %s %s %q\n%s\n%s", p["stage"], p["status"], code, tc.stage, tc.status, tc.cause, raw, k.out.String())
			}
			if name, want, ok := strings.Cut(tc.held, "="); ok {
				got := strings.Trim(strings.TrimSuffix(fmt.Sprint(p[name]), ".0"), `"`)
				if name == "payout" {
					got = k.names[got]
				}
				if got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
		})
	}
}

// witness tells what the gateway would of a transaction that the input made.
func (k *talk) witness(input string) {
	word, rest, _ := strings.Cut(input, " ")
	var s *sold
	kind := word
	switch word {
	case "sale", "refund":
		s = k.sold[len(k.sold)-1]
	case "void":
		var n int
		fmt.Sscanf(rest, "#%d", &n)
		o := *k.sold[n-1]
		o.OriginalRRN, o.OriginalSTAN, o.RRN, o.STAN = o.RRN, o.STAN, "999"+o.RRN[3:], "9"+o.STAN[1:]
		o.Captured = k.now
		s = &o
	default:
		return
	}
	data := map[string]any{"mid": mid, "tid": s.TID, "batch": s.Batch, "stan": s.STAN, "rrn": s.RRN, "auth_code": s.AuthCode, "pan": s.PAN, "network": s.Network,
		"kind": kind, "amount": s.amount, "currency": "CNY", "response_code": "00", "card_type": s.CardType.String()}
	if s.OriginalRRN != "" {
		data["original_rrn"], data["original_stan"] = s.OriginalRRN, s.OriginalSTAN
	}
	k.tell("gateway/main", "gateway.response", s.RRN, s.Captured.Format("2006-01-02T15:04:05Z07:00"), data)
}

// entry is the merchant's bank: a credit on its statement.
func (k *talk) entry(rest string) {
	var name string
	var amount int64
	fmt.Sscan(rest, &name, &amount)
	for id, n := range k.names {
		if n == name {
			k.tell("bank/ICBC/statement", "bank.entry", id, k.now.Format("2006-01-02T15:04:05Z07:00"), map[string]any{"account": k.payouts[id].Account.Tail, "amount": amount,
				"currency": "CNY", "direction": "credit", "status": "booked", "entry_ref": "B" + name, "booking_date": k.now.Format("2006-01-02"), "references": []string{id}})
		}
	}
}

func (k *talk) tell(source, typ, id, at string, data map[string]any) {
	line, err := json.Marshal(map[string]any{"specversion": "1.0", "id": id, "source": source, "type": "daozhang." + typ, "time": at, "data": data})
	if err != nil {
		k.t.Fatal(err)
	}
	f, _ := evidence.ParseType(typ)
	k.fact(paymentEvidence(source, id, f, line))
}

// whereabouts asks about a sale by its trace number, as of now.
func (k *talk) whereabouts(n int) (map[string]any, string) {
	k.t.Helper()
	var facts bytes.Buffer
	for _, key := range k.order {
		facts.Write(k.facts[key].Line)
		facts.WriteByte('\n')
	}
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(&facts, set.Writer(set.AddFile("-")), func(line int, why fault.Text) { k.t.Errorf("fact %d is refused: %s", line, why.EN) })
	if err != nil {
		k.t.Fatal(err)
	}
	a, err := investigation.Investigate(set, evidence.InstantOf(k.now.Add(time.Second)), 8*60, investigation.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.JSON(&out, a, report.Options{Lang: "en"}); err != nil {
		k.t.Fatal(err)
	}
	var answer struct {
		Payments []map[string]any
		Unplaced []any
		Warnings []any
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		k.t.Fatal(err)
	}
	for _, w := range answer.Warnings {
		k.t.Errorf("warning: %v", w)
	}
	for _, u := range answer.Unplaced {
		k.t.Errorf("unplaced: %v", u)
	}
	for _, p := range answer.Payments {
		if p["stan"] == fmt.Sprintf("%06d", n) {
			return p, out.String()
		}
	}
	k.t.Fatalf("no payment %d in %s", n, out.String())
	return nil, ""
}
