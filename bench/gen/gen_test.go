package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestShuffleIsAPermutation(t *testing.T) {
	for n := uint64(1); n <= 300; n++ {
		s := newShuffle(n, n*7)
		seen := make([]bool, n)
		for i := range n {
			at := s.at(i)
			if at >= n || seen[at] {
				t.Fatalf("n=%d: position %d gives %d, out of range or given before", n, i, at)
			}
			seen[at] = true
		}
	}
}

func make5000(t *testing.T, seed uint64) (string, truth) {
	t.Helper()
	dir := t.TempDir()
	tr, err := newTrade(5000, 20, seed)
	if err != nil {
		t.Fatal(err)
	}
	found, err := writeAll(tr, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, found
}

func TestSameSeedSameBytes(t *testing.T) {
	a, _ := make5000(t, 3)
	b, _ := make5000(t, 3)
	c, _ := make5000(t, 4)
	for _, name := range []string{"pos.csv", "settlement.csv", "statement.xml", "statement.csv", "terms.ndjson", "truth.json"} {
		x, y, z := read(t, a, name), read(t, b, name), read(t, c, name)
		if !bytes.Equal(x, y) {
			t.Errorf("%s: two runs with one seed differ", name)
		}
		if bytes.Equal(x, z) {
			t.Errorf("%s: another seed gives the same file", name)
		}
	}
}

// TestFilesHoldWhatTruthSays joins the files in the plainest way.
func TestFilesHoldWhatTruthSays(t *testing.T) {
	dir, want := make5000(t, 1)
	journal, settlement, statement := rows(t, dir, "pos.csv"), rows(t, dir, "settlement.csv"), rows(t, dir, "statement.csv")

	credited := map[string]int64{}
	got := truth{PayoutsOnStatement: int64(len(statement))}
	for _, e := range statement {
		credited[e["payout"]] = number(t, e["amount"])
		got.NetOnStatement += number(t, e["amount"])
	}
	sums := map[string]int64{}
	lines := map[string]map[string]string{}
	for _, s := range settlement {
		key := s["mid"] + s["rrn"]
		if lines[key] != nil {
			t.Errorf("settlement has %s twice", key)
		}
		lines[key] = s
		gross, charged, net := number(t, s["gross"]), number(t, s["fee"]), number(t, s["net"])
		if charged != (gross*38+5000)/10000 || net != gross-charged {
			t.Errorf("%s: gross %d, fee %d, net %d", key, gross, charged, net)
		}
		sums[s["payout"]] += net
	}
	got.Payouts, got.SettlementRows, got.JournalRows = int64(len(sums)), int64(len(settlement)), int64(len(journal))
	for id, sum := range sums {
		if paid, ok := credited[id]; ok && paid != sum {
			t.Errorf("payout %s: statement %d, lines %d", id, paid, sum)
		}
	}

	mid, tid, rrn, six := regexp.MustCompile(`^\d{15}$`), regexp.MustCompile(`^[A-Z0-9]{8}$`), regexp.MustCompile(`^\d{12}$`), regexp.MustCompile(`^\d{6}$`)
	seen := map[string]bool{}
	for _, p := range journal {
		key := p["mid"] + p["rrn"]
		slip := p["tid"] + p["batch"] + p["stan"]
		if seen[key] || seen[slip] {
			t.Errorf("journal has %s or %s twice", key, slip)
		}
		seen[key], seen[slip] = true, true
		if !mid.MatchString(p["mid"]) || !tid.MatchString(p["tid"]) || !rrn.MatchString(p["rrn"]) ||
			!six.MatchString(p["stan"]) || !six.MatchString(p["batch"]) || !six.MatchString(p["auth_code"]) {
			t.Errorf("ill-formed key in %v", p)
		}
		s := lines[key]
		switch {
		case s == nil:
			got.MissingInSettlement++
			got.Payments++
			continue
		case s["gross"] != p["amount"]:
			got.AmountMismatch++
		case credited[s["payout"]] == 0:
			got.PayoutNotOnStatement++
		default:
			got.Arrived++
		}
		if s["tid"] != p["tid"] || s["stan"] != p["stan"] {
			t.Errorf("%s: terminal or trace number differ between the files", key)
		}
		if s["settlement_date"] != due(t, p["time"]) {
			t.Errorf("sale at %s settled on %s", p["time"], s["settlement_date"])
		}
	}
	for key := range lines {
		got.Payments++
		if !seen[key] {
			got.MissingInJournal++
		}
	}
	if got != want {
		t.Errorf("the files hold\n%+v, truth.json says\n%+v", got, want)
	}
	if want.MissingInSettlement == 0 || want.MissingInJournal == 0 || want.AmountMismatch == 0 || want.PayoutNotOnStatement == 0 {
		t.Errorf("a class is empty: %+v", want)
	}
	if slices.IsSortedFunc(journal, func(a, b map[string]string) int { return strings.Compare(a["time"], b["time"]) }) {
		t.Error("the journal is in order of time")
	}
}

// due is T1 in this March: the next day but Saturday and Sunday, after 23:00 counted from the next date.
func due(t *testing.T, at string) string {
	sale, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	if sale.Hour()*3600+sale.Minute()*60+sale.Second() > 23*3600 {
		sale = sale.AddDate(0, 0, 1)
	}
	sale = sale.AddDate(0, 0, 1)
	for sale.Weekday() == time.Saturday || sale.Weekday() == time.Sunday {
		sale = sale.AddDate(0, 0, 1)
	}
	return sale.Format(time.DateOnly)
}

func TestStatementBalances(t *testing.T) {
	dir, want := make5000(t, 1)
	var doc struct {
		Statements []struct {
			Account  string   `xml:"Acct>Id>Othr>Id"`
			Balances []string `xml:"Bal>Amt"`
			Entries  []struct {
				Amount string `xml:"Amt"`
				Payout string `xml:"NtryDtls>TxDtls>Refs>EndToEndId"`
			} `xml:"Ntry"`
		} `xml:"BkToCstmrStmt>Stmt"`
	}
	if err := xml.Unmarshal(read(t, dir, "statement.xml"), &doc); err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for _, e := range rows(t, dir, "statement.csv") {
		table[e["payout"]] = e["account"] + " " + e["amount"]
	}
	var entries int64
	for _, s := range doc.Statements {
		sum := fen(t, s.Balances[0])
		for _, e := range s.Entries {
			entries++
			sum += fen(t, e.Amount)
			if in := s.Account + " " + strconv.FormatInt(fen(t, e.Amount), 10); table[e.Payout] != in {
				t.Errorf("%s: XML has %q, CSV %q", e.Payout, in, table[e.Payout])
			}
		}
		if closing := fen(t, s.Balances[1]); closing != sum {
			t.Errorf("account %s closes at %d, its entries lead to %d", s.Account, closing, sum)
		}
	}
	if len(doc.Statements) != 20 || entries != want.PayoutsOnStatement {
		t.Errorf("%d statements, %d entries, want 20 and %d", len(doc.Statements), entries, want.PayoutsOnStatement)
	}
}

func TestTermsAndFilesAreDeclared(t *testing.T) {
	dir, want := make5000(t, 1)
	var terms int
	var lines int64
	for line := range bytes.Lines(read(t, dir, "terms.ndjson")) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case "daozhang.merchant.terms":
			terms++
		case "daozhang.settlement.file":
			lines += int64(e.Data["count"].(float64))
		default:
			t.Errorf("unexpected type %q", e.Type)
		}
	}
	if terms != 20 || lines != want.SettlementRows {
		t.Errorf("%d terms and files of %d lines, want 20 and %d", terms, lines, want.SettlementRows)
	}
}

func TestRefusesWhatItCannotNumber(t *testing.T) {
	for _, c := range []struct {
		payments  uint64
		merchants int
	}{{0, 200}, {100_000_000, 200}, {10, 0}, {10, 10_000}} {
		if _, err := newTrade(c.payments, c.merchants, 1); err == nil {
			t.Errorf("%d payments of %d merchants: no error", c.payments, c.merchants)
		}
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rows(t *testing.T, dir, name string) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(read(t, dir, name))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[all[0][i]] = cell
		}
		out = append(out, row)
	}
	return out
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fen(t *testing.T, s string) int64 {
	t.Helper()
	return number(t, strings.Replace(s, ".", "", 1))
}
