package store_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// cursors are methods whose merchant is where a page begins, not whose rows are
// meant, each with the reason.
var cursors = map[string]string{"RecordsAfter": "all merchants, page by page"}

// reading is a method of the store that reads by merchant.
type reading struct {
	name string
	mid  int // place of the merchant among the parameters; -1 where it stands in a filter
}

// readings finds every method of the store that takes a merchant (a parameter named
// mid, or a filter with a field MID) and gives anything but an error.
func readings(t *testing.T) (all []reading) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	methods := reflect.TypeFor[*store.Store]()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			m, ok := methods.MethodByName(f.Name.Name)
			if star, isStar := f.Recv.List[0].Type.(*ast.StarExpr); !ok || !isStar || fmt.Sprint(star.X) != "Store" || cursors[f.Name.Name] != "" {
				continue
			}
			if n := m.Type.NumOut(); n == 0 || n == 1 && m.Type.Out(0) == reflect.TypeFor[error]() {
				continue
			}
			place, r := 1, reading{name: f.Name.Name, mid: -1}
			filtered := false
			for _, field := range f.Type.Params.List {
				for _, name := range field.Names {
					in := m.Type.In(place)
					if name.Name == "mid" && in.Kind() == reflect.String {
						r.mid = place
					}
					if in.Kind() == reflect.Struct && strings.HasSuffix(in.Name(), "Filter") {
						_, has := in.FieldByName("MID")
						filtered = filtered || has
					}
					place++
				}
			}
			if r.mid > 0 || filtered {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b reading) int { return strings.Compare(a.name, b.name) })
	return all
}

// pool is what arguments are taken from, by type.
type pool map[reflect.Type][]any

// arguments gives every combination of arguments of a method for a merchant, up to
// a number; what has no pool is the zero value.
func (p pool) arguments(ctx context.Context, method reflect.Type, r reading, mid string) [][]reflect.Value {
	all := [][]reflect.Value{nil}
	n := method.NumIn()
	if method.IsVariadic() {
		n--
	}
	for i := 1; i < n; i++ {
		in := method.In(i)
		var choices []reflect.Value
		switch {
		case in == reflect.TypeFor[context.Context]():
			choices = []reflect.Value{reflect.ValueOf(ctx)}
		case i == r.mid:
			choices = []reflect.Value{reflect.ValueOf(mid)}
		case in.Kind() == reflect.Struct && strings.HasSuffix(in.Name(), "Filter"):
			f := reflect.New(in).Elem()
			if mf := f.FieldByName("MID"); mf.IsValid() {
				mf.SetString(mid)
			}
			choices = []reflect.Value{f}
		case in.Kind() == reflect.Int:
			choices = []reflect.Value{reflect.ValueOf(1000).Convert(in)}
		case in.Kind() == reflect.Slice && in.Elem().Kind() == reflect.String:
			whole := reflect.MakeSlice(in, 0, 8)
			for _, v := range p[reflect.TypeFor[string]()] {
				whole = reflect.Append(whole, reflect.ValueOf(v))
			}
			choices = []reflect.Value{whole}
		default:
			for _, v := range p[in] {
				choices = append(choices, reflect.ValueOf(v))
			}
			choices = append(choices, reflect.Zero(in))
		}
		var next [][]reflect.Value
		for _, head := range all {
			for _, c := range choices {
				if len(next) < 400 {
					next = append(next, append(slices.Clone(head), c))
				}
			}
		}
		all = next
	}
	return all
}

// words collects every text and every identifier in what a method gave.
func words(v reflect.Value, into map[string]bool, depth int) {
	if depth > 12 || !v.IsValid() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		into[v.String()] = true
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			words(v.Elem(), into, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			words(v.Field(i), into, depth+1)
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			words(iter.Key(), into, depth+1)
			words(iter.Value(), into, depth+1)
		}
	case reflect.Array, reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			into[string(b)] = true
			return
		}
		for i := range v.Len() {
			words(v.Index(i), into, depth+1)
		}
	case reflect.Func:
		if v.Type().NumIn() == 1 && v.Type().CanSeq2() && !v.IsNil() {
			for a := range v.Seq2() {
				words(a, into, depth+1)
			}
		}
	}
}

// TestEveryReadingKeepsToItsMerchant calls every reading of the store for each of
// two merchants with everything that the other has as further arguments: nothing of
// the other comes out.
func TestEveryReadingKeepsToItsMerchant(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"SQLite": func(tb testing.TB) string { return tb.TempDir() }, "PostgreSQL": storetest.Database} {
		t.Run(name, func(t *testing.T) { keepsToItsMerchant(t, fresh(t)) })
	}
}

func keepsToItsMerchant(t *testing.T, address string) {
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Database: address, Node: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shops := []string{"898310058120001", "898310058120002"}
	args, marks := map[string]pool{}, map[string][]string{}
	for _, mid := range shops {
		args[mid], marks[mid] = trade(t, s, mid)
	}
	methods := reflect.ValueOf(s)
	found := map[string]bool{}
	all := readings(t)
	for _, r := range all {
		m := methods.MethodByName(r.name)
		whole, _ := reflect.TypeFor[*store.Store]().MethodByName(r.name)
		for i, mid := range shops {
			stranger := shops[1-i]
			for _, of := range shops {
				for _, in := range args[of].arguments(ctx, whole.Type, r, mid) {
					out := map[string]bool{}
					for _, v := range m.Call(in) {
						if !v.Type().Implements(reflect.TypeFor[error]()) {
							words(v, out, 0)
						}
					}
					for said := range out {
						for _, mark := range marks[stranger] {
							if strings.Contains(said, mark) {
								t.Errorf("%s for %s gives %q, which is of %s (arguments of %s)", r.name, mid, mark, stranger, of)
							}
						}
						for _, mark := range marks[mid] {
							found[r.name] = found[r.name] || strings.Contains(said, mark)
						}
					}
				}
			}
		}
	}
	t.Logf("%d readings by merchant, %d of them gave rows: %v", len(all), len(found), slices.Sorted(maps.Keys(found)))
	if len(all) < 35 || len(found) < 20 {
		t.Errorf("of %d readings only %d gave rows: the test no longer sees what it should", len(all), len(found))
	}
}

// trade gives a merchant rows of every kind that the suite can make, what to ask
// for them with, and what they are known by.
func trade(t *testing.T, s *store.Store, mid string) (pool, []string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	cny, err := money.ParseCurrency("CNY")
	must(err)
	must(s.PutMerchant(ctx, store.Merchant{MID: mid, Name: "shop " + mid, Currency: cny}))
	h, err := storetest.OpenShop(ctx, s, mid)
	must(err)
	must(h.Sell(ctx, 0, 4))
	must(s.Commit(ctx, h.Refund(1, 10)))
	sale := storetest.Sale{MID: mid, TID: "T" + mid[len(mid)-7:], N: 9}
	must(s.Commit(ctx, sale.Requested())) // in flight, with a message owed where the step has one
	must(h.Settle(ctx, storetest.Day, true, nil))
	pos, err := s.Position(ctx, mid, cny)
	must(err)
	ruling := settlement.Ruling{ID: "ruling of " + mid, Amount: 1, Reason: "judicial", Document: "7", Maker: "anne", Checker: "bert"}
	hold, err := settlement.Retain(h.Now, &pos, ruling)
	must(err)
	must(s.CommitSettlement(ctx, hold))
	c, _, err := access.Invite(h.Now, access.System, access.User{Name: "person-" + mid, Role: access.Merchant, MID: mid})
	must(err)
	must(s.CommitUser(ctx, &c))
	payouts, err := s.PayoutsOf(ctx, mid)
	must(err)
	first := storetest.Sale{MID: mid, TID: sale.TID, N: 0}
	texts := []any{"", sale.TID, first.RRN(), "UnionPay", ruling.ID, first.Transaction().Batch, "person-" + mid}
	ids := []any{first.ID(), sale.ID()}
	for _, p := range payouts {
		texts = append(texts, p.ID)
	}
	p := pool{reflect.TypeFor[string](): texts, reflect.TypeFor[uuid.UUID](): ids, reflect.TypeFor[time.Time](): {h.Now.Add(48 * time.Hour)},
		reflect.TypeFor[calendar.Date](): {storetest.Day, storetest.Day.Add(-1)}, reflect.TypeFor[money.Currency](): {cny},
		reflect.TypeFor[payment.Key](): {first.Transaction().Key}, reflect.TypeFor[ledger.Name](): {ledger.MerchantPending}}
	id := first.ID()
	return p, []string{mid, sale.TID, string(id[:]), "person-" + mid}
}
