package store_test

import (
	"context"
	"database/sql"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/fault"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// referenceNames are the tables that do not grow with payments. Every other
// table has the merchant in its primary and unique keys.
var referenceNames = []string{"evidence_reference", "node", "merchant", "terminal", "route", "risk_list", "api_key", "filing",
	"node_place", "node_part", "number_series", "keyring_slot", "person", "person_session", "audit", "intake_file", "intake_expectation", "notify_receiver", "notify_log", "saved_view", "api_call", "api_request", "goose_db_version", "sqlite_sequence"}

// TestSchemaCanBeDistributed holds the schema rule against what the databases
// say of themselves: the merchant is in every primary and unique key, and there
// are no triggers and no foreign keys.
func TestSchemaCanBeDistributed(t *testing.T) {
	for name, fresh := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return t.TempDir() },
		"PostgreSQL": func(t *testing.T) string { return storetest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			address := fresh(t)
			if _, err := store.Migrate(t.Context(), address, false); err != nil {
				t.Fatal(err)
			}
			keys, triggers, tables := catalogue(t, storetest.Raw(t, address), name == "SQLite")
			if len(triggers) > 0 {
				t.Errorf("triggers or foreign keys: %v", triggers)
			}
			grown := 0
			for _, table := range tables {
				if slices.Contains(referenceNames, table) {
					continue
				}
				grown++
				if len(keys[table]) == 0 {
					t.Errorf("%s has no primary key", table)
				}
				for _, columns := range keys[table] {
					if !slices.Contains(columns, "merchant") {
						t.Errorf("%s has the key %v without the merchant, and is no reference table", table, columns)
					}
				}
			}
			if grown != 32 {
				t.Errorf("%d tables grow with payments: is a new one in the right list?", grown)
			}
		})
	}
}

// catalogue reads the unique keys of each table, and what should not be there.
func catalogue(t *testing.T, db *sql.DB, sqlite bool) (keys map[string][][]string, wrong, tables []string) {
	t.Helper()
	list := func(q string, args ...any) (out []string) {
		rows, err := db.QueryContext(context.Background(), q, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return out
	}
	keys = map[string][][]string{}
	if sqlite {
		wrong = list("SELECT name FROM sqlite_master WHERE type = 'trigger'")
		tables = list("SELECT name FROM sqlite_master WHERE type = 'table'")
		for _, table := range tables {
			wrong = append(wrong, list("SELECT 'foreign key of ' || ? FROM pragma_foreign_key_list(?)", table, table)...)
			if pk := list("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table); len(pk) > 0 {
				keys[table] = append(keys[table], pk)
			}
			for _, index := range list(`SELECT name FROM pragma_index_list(?) WHERE "unique" = 1`, table) {
				keys[table] = append(keys[table], list("SELECT name FROM pragma_index_info(?)", index))
			}
		}
		return keys, wrong, tables
	}
	wrong = append(list("SELECT tgname::text FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"),
		list("SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace")...)
	tables = list("SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace")
	for _, table := range tables {
		for _, columns := range list(`SELECT string_agg(a.attname::text, ',') FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
			WHERE (i.indisunique OR i.indisprimary) AND c.relname = $1 AND c.relnamespace = current_schema()::regnamespace GROUP BY i.indexrelid`, table) {
			keys[table] = append(keys[table], strings.Split(columns, ","))
		}
	}
	return keys, wrong, tables
}

// TestCommitterKnowsTheSchema holds the tables as the committer writes them
// against the schema: the columns it names are there, its key is the primary
// key, and what grows is marked so.
func TestCommitterKnowsTheSchema(t *testing.T) {
	address := t.TempDir()
	if _, err := store.Migrate(t.Context(), address, false); err != nil {
		t.Fatal(err)
	}
	db := storetest.Raw(t, address)
	keys, _, _ := catalogue(t, db, true)
	for _, w := range store.WrittenTables() {
		if len(keys[w.Name]) == 0 || !slices.Equal(keys[w.Name][0], w.Key) {
			t.Errorf("%s: the key is %v, the schema says %v", w.Name, w.Key, keys[w.Name])
		}
		if w.Merchant == slices.Contains(referenceNames, w.Name) || w.Merchant && w.Key[0] != "merchant" {
			t.Errorf("%s: grows with payments: %v", w.Name, w.Merchant)
		}
		if rows, err := db.Query("SELECT " + strings.Join(w.Columns, ", ") + " FROM " + w.Name); err != nil {
			t.Error(err)
		} else {
			rows.Close()
		}
	}
}

// TestDistribute: every table has a place in a distributed database; what cannot
// be distributed is refused and says what to do; a second time nothing is left to
// be done.
func TestDistribute(t *testing.T) {
	dir := t.TempDir()
	if _, err := store.Migrate(t.Context(), dir, false); err != nil {
		t.Fatal(err)
	}
	_, _, tables := catalogue(t, storetest.Raw(t, dir), true)
	placed := store.Placed()
	all := slices.Concat(placed["distributed"], placed["reference"], placed["local"], []string{"goose_db_version", "sqlite_sequence"})
	slices.Sort(all)
	slices.Sort(tables)
	if !slices.Equal(all, tables) {
		t.Errorf("placed are\n%v, in the schema are\n%v", all, tables)
	}
	if _, err := store.Distribute(t.Context(), dir, false); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "Citus") {
		t.Errorf("the embedded database: %v", err)
	}
	address := storetest.Database(t)
	if os.Getenv(storetest.Variable) == "" {
		if _, err := store.Distribute(t.Context(), address, false); fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.HintOf(err), "daozhang migrate") {
			t.Errorf("no schema: %v", err)
		}
	}
	if _, err := store.Migrate(t.Context(), address, false); err != nil {
		t.Fatal(err)
	}
	plan, err := store.Distribute(t.Context(), address, true)
	if fault.KindOf(err) == fault.Conflict && strings.Contains(fault.HintOf(err), "CREATE EXTENSION citus") {
		t.Log("the server has no extension Citus: only the refusal was tested")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plan {
		if len(p.Statements) > 0 {
			t.Errorf("still to be done: %+v", p)
		}
	}
	if len(plan) != len(all)-2 {
		t.Errorf("%d tables in the plan", len(plan))
	}
}

// TestStatementsNameTheMerchant: every statement that writes what grows with
// payments names the merchant.
func TestStatementsNameTheMerchant(t *testing.T) {
	for _, w := range store.WrittenTables() {
		for _, q := range w.Statements {
			if w.Merchant && !regexp.MustCompile(`\bmerchant\b`).MatchString(q) {
				t.Errorf("a statement without the merchant: %s", q)
			}
		}
	}
}
