package store_test

import (
	"os"
	"testing"

	"daozhang/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) string { return tb.TempDir() })
}

func TestPostgreSQL(t *testing.T) {
	storetest.Run(t, storetest.Database)
}
