package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"daozhang/internal/card"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/acquirertest"
	"daozhang/internal/world/pos"
)

// wireTransport is the transport key of the scripts.
const wireTransport = "0123456789ABCDEFFEDCBA9876543210"

// TestWireScripts runs the simulated terminal and bank as people type them. The
// scripts under testdata/wire have, besides the usual commands:
//
//	code N COMMAND…          the command ends with exit code N
//	acquirer DEVICES [RULE…] start a stand-in acquirer; its address is $ACQUIRER.
//	                         RULE is silent:AMOUNT, decline:AMOUNT:CODE
//	background NAME COMMAND… start a process; its first line is $NAME
//	stop NAME                end it by SIGTERM; it must end with exit code 0, and
//	                         what it wrote is in NAME.out and NAME.err
//	ask ADDRESS WORDS…       send one message to a bank and print its answer:
//	                         sale TRACE AMOUNT, reversal TRACE AMOUNT, echo TRACE
//	nopan FILES…             no card number is in any file below them, nor in the
//	                         last output
func TestWireScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/wire",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LANG", "en_US.UTF-8")
			env.Setenv("LC_ALL", "")
			env.Setenv("DAOZHANG_TRANSPORT", wireTransport)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode, "acquirer": startAcquirer, "background": startBackground, "stop": stopBackground, "ask": askBank, "nopan": noPAN,
		},
	})
}

func startAcquirer(ts *testscript.TestScript, _ bool, args []string) {
	keys, err := keyring.Open(keyring.Options{Transport: []string{wireTransport}})
	ts.Check(err)
	devices, err := pos.ReadDevices(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	for _, d := range devices {
		ts.Check(keys.InstallMaster(keyring.Terminal(d.MID, d.TID), d.Master))
	}
	rules := map[string]acquirertest.Deed{}
	for _, rule := range args[1:] {
		part := strings.Split(rule, ":")
		switch part[0] {
		case "silent":
			rules[part[1]] = acquirertest.Deed{Silent: true}
		case "decline":
			rules[part[1]] = acquirertest.Deed{Code: part[2]}
		default:
			ts.Fatalf("no rule %s", rule)
		}
	}
	a, err := acquirertest.Start(keys, func(e acquirertest.Event) acquirertest.Deed {
		if e.Kind.Reversal {
			return acquirertest.Deed{}
		}
		return rules[fmt.Sprint(e.Amount)]
	})
	ts.Check(err)
	ts.Defer(a.Close)
	ts.Setenv("ACQUIRER", a.Addr())
}

// process is one that a script started.
type process struct {
	cmd    *exec.Cmd
	stdout strings.Builder // complete when rest is closed
	stderr strings.Builder // complete when the process has ended
	rest   chan struct{}
}

// processes are those of the scripts, which run side by side, by script and name.
var processes sync.Map

type processKey struct {
	ts   *testscript.TestScript
	name string
}

func startBackground(ts *testscript.TestScript, _ bool, args []string) {
	name, command := args[0], args[1:]
	path := command[0]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if full := filepath.Join(dir, command[0]); filepath.IsAbs(full) {
			if _, err := os.Stat(full); err == nil {
				path = full
				break
			}
		}
	}
	p := &process{cmd: exec.Command(path, command[1:]...), rest: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "DAOZHANG_TRANSPORT="+wireTransport, "LANG=en_US.UTF-8", "LC_ALL=")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Defer(func() { _ = p.cmd.Process.Kill() })
	r := bufio.NewReader(out)
	first, err := r.ReadString('\n')
	if err != nil {
		_ = p.cmd.Wait()
		ts.Fatalf("%s did not start: %s", name, p.stderr.String())
	}
	p.stdout.WriteString(first)
	go func() {
		defer close(p.rest)
		_, _ = io.Copy(&p.stdout, r)
	}()
	processes.Store(processKey{ts, name}, p)
	ts.Setenv(name, strings.TrimSpace(first))
}

func stopBackground(ts *testscript.TestScript, _ bool, args []string) {
	v, ok := processes.Load(processKey{ts, args[0]})
	if !ok {
		ts.Fatalf("%s was not started", args[0])
	}
	p := v.(*process)
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.rest
	err := p.cmd.Wait()
	for name, text := range map[string]string{".out": p.stdout.String(), ".err": p.stderr.String()} {
		write(ts, args[0]+name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	if err != nil {
		ts.Fatalf("%s ended: %v\n%s", args[0], err, p.stderr.String())
	}
}

func askBank(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	defer conn.Close()
	ts.Check(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	d := iso8583.Network()
	kind := iso8583.Kind{Operation: iso8583.Sale, Reversal: args[1] == "reversal"}
	if args[1] == "echo" {
		kind = iso8583.Kind{Operation: iso8583.Echo}
	}
	m, err := d.Build(kind)
	ts.Check(err)
	m.Set(iso8583.TransmissionTime, "0309020000")
	m.Set(iso8583.STAN, args[2])
	if args[1] != "echo" {
		m.Set(iso8583.PAN, canary)
		m.Set(iso8583.Amount, fmt.Sprintf("%012s", args[3]))
		m.Set(iso8583.TID, "90010001")
		m.Set(iso8583.MID, "898310058120001")
		m.Set(iso8583.RRN, "606810"+args[2])
		m.Set(iso8583.Currency, "156")
		ts.Check(m.SetUUID("0198c0de-0000-7000-8000-000000" + args[2]))
	}
	out, err := m.Encode()
	ts.Check(err)
	ts.Check(iso8583.WriteFrame(conn, d.Framing, out))
	frame, err := iso8583.NewReader(conn, d.Framing, 0).Next()
	if err != nil {
		fmt.Fprintln(ts.Stdout(), "no answer")
		return
	}
	a, err := d.Decode(frame)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s %s\n", a.MTI(), a.Get(iso8583.ResponseCode))
}

func noPAN(ts *testscript.TestScript, _ bool, args []string) {
	look := func(name, text string) {
		if masked, found := card.MaskText(text); found {
			ts.Fatalf("%s holds a card number: %d bytes masked to %d", name, len(text), len(masked))
		}
	}
	for _, name := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			look(path, string(text))
			return err
		}))
	}
	look("stdout", ts.ReadFile("stdout"))
	look("stderr", ts.ReadFile("stderr"))
}
