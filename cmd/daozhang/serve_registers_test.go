package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/store"
)

// TestServeReload: SIGHUP puts the file's merchants, terminals and routes in force
// while connections stay; a file that is wrong changes nothing; and what another
// process changes in the registers is noticed.
func TestServeReload(t *testing.T) {
	was := registersEvery
	registersEvery = 50 * time.Millisecond
	t.Cleanup(func() { registersEvery = was })
	file, bankAt := filepath.Join(t.TempDir(), "serve.yaml"), freePort(t)
	write := func(name, route string, terminals ...string) {
		t.Helper()
		text := fmt.Sprintf("merchants: [{mid: %q, name: %s, mcc: \"5411\", currency: CNY, zone: Asia/Shanghai}]\nterminals: [%s]\n"+
			"links: [{name: bank, network: UnionPay, address: %q}]\nroutes: [%s]\n", devMID, name, strings.Join(terminals, ", "), bankAt, route)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, two := fmt.Sprintf("{tid: T0000001, mid: %q}", devMID), fmt.Sprintf("{tid: T0000002, mid: %q}", devMID)
	write("First", "{links: [bank]}", one)
	s := openShopAt(t, bankAt, "--config", file)
	sale := func(tid string, want int, what string) {
		t.Helper()
		if code, out := s.pos(tid, "sale 5.00"); code != want {
			t.Errorf("%s: exit code %d, want %d\n%s", what, code, want, out)
		}
	}
	hangup := func(says string) {
		t.Helper()
		before := strings.Count(s.serve.err.String(), says)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		await(t, "it says "+says, func() bool { return strings.Count(s.serve.err.String(), says) > before })
	}
	sale("T0000001", 0, "as it began")
	conn, err := net.Dial("tcp", s.at["terminals"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	write("Second", "{links: [bank]}", strings.Replace(one, "}", ", barred: true}", 1), two)
	hangup("configuration read anew")
	sale("T0000001", 4, "a terminal that is barred now")
	sale("T0000002", 0, "a terminal that is new")

	write("Third", "{links: [nowhere]}", two)
	hangup("those before stay in force")
	sale("T0000002", 0, "after a file that is wrong")

	write("Fourth", "{from: \"99\", to: \"99\", links: [bank]}", two)
	hangup("configuration read anew")
	sale("T0000002", 4, "without a route for its card")
	write("Fifth", "{links: [bank]}", two)
	hangup("configuration read anew")
	sale("T0000002", 0, "with the route again")

	db, err := store.Open(t.Context(), store.Options{Database: s.data, Node: "desk", Registers: true})
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Count(s.serve.err.String(), "registers read anew") // it may be noticed before the next line
	if err := errors.Join(db.PutTerminal(t.Context(), store.Terminal{TID: "T0000002", MID: devMID, Barred: true}), db.Close()); err != nil {
		t.Fatal(err)
	}
	await(t, "the change is noticed", func() bool { return strings.Count(s.serve.err.String(), "registers read anew") > before })
	await(t, "a terminal is barred by another process", func() bool {
		code, _ := s.pos("T0000002", "sale 5.00")
		return code == 4
	})

	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection has not lasted: %v", err)
	}
}
