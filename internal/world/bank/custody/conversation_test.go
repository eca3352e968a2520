package custody_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/world/bank/custody"
)

var update = flag.Bool("update", false, "write the conversations and documents anew; read the difference before committing")

// TestConversations plays every conversation of testdata: a scenario, then inputs
// and the files that the bank answers with, as the product's readers read them. The
// form is explained in testdata/README.md.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s has changed; look at the difference and run with -update\n%s", file, got)
			}
		})
	}
}

func play(t *testing.T, text string) string {
	scenario, talk, ok := strings.Cut(text, "---\n")
	if !ok {
		t.Fatal("no --- ends the scenario")
	}
	r := newRig(t, t.TempDir(), scenario)
	defer func() { r.bank.Close() }()
	out := scenario + "---\n"
	for line := range strings.Lines(talk) {
		line = strings.TrimRight(line, "\n")
		input, isInput := strings.CutPrefix(line, "> ")
		if !isInput {
			if strings.HasPrefix(line, "# ") {
				out += line + "\n"
			}
			continue
		}
		out += line + "\n" + r.do(t, strings.Fields(input))
	}
	audit(r)
	return out
}

// do carries out one input and gives what the bank says.
func (r *rig) do(t *testing.T, words []string) string {
	switch words[0] {
	case "at":
		at, err := time.ParseInLocation("2006-01-02T15:04", words[1], china)
		if err != nil {
			t.Fatal(err)
		}
		r.until(at)
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		r.until(r.now.Add(d))
	case "jump": // without being called in between
		at, err := time.ParseInLocation("2006-01-02T15:04", words[1], china)
		if err != nil {
			t.Fatal(err)
		}
		r.now = at
	case "order":
		r.order(words[1], pays(t, words[2:])...)
	case "again": // the same order in another file
		r.write("orders/"+words[2]+".xml", r.read("orders/"+words[1]+".xml"))
	case "spoil": // an order with a piece of text replaced
		r.order(words[1], pays(t, words[4:])...)
		r.write("orders/"+words[1]+".xml", strings.ReplaceAll(r.read("orders/"+words[1]+".xml"), words[2], strings.Trim(words[3], `"`)))
	case "cut":
		r.order(words[1], pays(t, words[2:])...)
		whole := r.read("orders/" + words[1] + ".xml")
		r.write("orders/"+words[1]+".xml", whole[:len(whole)/2])
	case "ask":
		r.inquire(words[1], words[2], words[3])
	case "fund":
		amount, _ := strconv.ParseInt(words[2], 10, 64)
		day, err := calendar.ParseDate(words[3])
		if err != nil {
			t.Fatal(err)
		}
		r.fund(words[1], amount, day)
	case "restart":
		r.restart()
	case "where":
		var s string
		r.bank.View(func(b *custody.Book) { s = fmt.Sprintf("  paid %d, at %s\n", b.Paid(words[1]), b.Where(words[1])) })
		return s
	case "balances":
		var s string
		r.bank.View(func(b *custody.Book) {
			for _, a := range b.Accounts() {
				s += fmt.Sprintf("  %s %d\n", a, b.Balance(a))
			}
		})
		return s
	default:
		t.Fatalf("no input %q", words[0])
	}
	r.tick()
	return r.fresh()
}

// pays reads P1=12300, P1=12300@account, P1=12300@account/name.
func pays(t *testing.T, words []string) []pay {
	var all []pay
	for _, w := range words {
		id, rest, _ := strings.Cut(w, "=")
		amount, to, _ := strings.Cut(rest, "@")
		account, name, _ := strings.Cut(to, "/")
		n, err := strconv.ParseInt(amount, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pay{id: id, amount: n, account: account, name: strings.ReplaceAll(name, "_", " ")})
	}
	return all
}

// audit holds the book against what the bank promises.
func audit(r *rig) {
	r.Helper()
	r.bank.View(func(b *custody.Book) {
		if n := b.Imbalance(); n != 0 {
			r.Errorf("the accounts are out of balance by %d", n)
		}
		for _, p := range b.Payments() {
			if n := b.Paid(p.EndToEnd); n > 1 || n != p.Debits {
				r.Errorf("%s was paid %d times, %d on record", p.EndToEnd, n, p.Debits)
			}
		}
	})
}
