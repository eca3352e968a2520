package bank_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/bank"
)

// cardA and cardB are made-up numbers in ranges of Chinese issuers; they pass the
// check digit and must not be found in any file.
const (
	cardA = "6222021234567890128"
	cardB = "6228480402564890018"
	uuidA = "0198c0de-0000-7000-8000-000000000001"
	uuidB = "0198c0de-0000-7000-8000-000000000002"
	uuidC = "0198c0de-0000-7000-8000-000000000003"
)

// monday is when every test happens unless it says otherwise.
var monday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("", 8*3600))

func start(t testing.TB, cfg bank.Config) *bank.Bank {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return monday }
	}
	if cfg.Keys == nil && len(cfg.Master.Cipher) == 0 {
		cfg.Keys = tokens
	}
	b, err := bank.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func scenario(t testing.TB, text string) *bank.Scenario {
	t.Helper()
	s, err := bank.ParseScenario(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// acquirer speaks to a bank as a gateway does.
type acquirer struct {
	t    testing.TB
	conn net.Conn
	r    *iso8583.Reader
	keys keyring.Keyring
	stan int
}

var link = keyring.Link("bank")

func dial(t testing.TB, b *bank.Bank) *acquirer {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &acquirer{t: t, conn: conn, r: iso8583.NewReader(conn, iso8583.Network().Framing, 0)}
}

// ask is what a message is to say; zero fields are left out.
type ask struct {
	op       iso8583.Operation
	reversal bool
	stan     string
	pan      string
	amount   int64
	uuid     string
	rrn      string
	auth     string
	pin      string
	of       *iso8583.Message // the original
	mti      string
}

func (a *acquirer) message(q ask) *iso8583.Message {
	a.t.Helper()
	m, err := iso8583.Network().Build(iso8583.Kind{Operation: q.op, Reversal: q.reversal})
	if err != nil {
		a.t.Fatal(err)
	}
	if q.mti != "" {
		m.SetMTI(q.mti)
	}
	if q.stan == "" {
		a.stan++
		q.stan = fmt.Sprintf("%06d", a.stan)
	}
	m.Set(iso8583.STAN, q.stan)
	m.Set(iso8583.TransmissionTime, "0302040000")
	if q.op == iso8583.Echo || q.op == iso8583.SignOn || q.op == iso8583.SignOff {
		return m
	}
	if q.pan == "" {
		q.pan = cardA
	}
	if q.pan != "none" {
		m.Set(iso8583.PAN, q.pan)
	}
	m.Set(iso8583.EntryMode, "051")
	m.Set(iso8583.AcquirerID, "00001000000")
	m.Set(iso8583.TID, "90010001")
	m.Set(iso8583.MID, "898310058120001")
	m.Set(iso8583.MerchantType, "5812")
	m.Set(iso8583.Currency, "156")
	if q.rrn != "" {
		m.Set(iso8583.RRN, q.rrn)
	}
	if q.auth != "" {
		m.Set(iso8583.AuthCode, q.auth)
	}
	if q.amount != 0 {
		if err := m.SetAmount(q.amount); err != nil {
			a.t.Fatal(err)
		}
	} else if q.op != iso8583.Balance {
		m.Set(iso8583.Amount, "000000000100")
	}
	if err := m.SetUUID(q.uuid); err != nil {
		a.t.Fatal(err)
	}
	if q.pin != "" {
		block, err := a.keys.EncryptPIN(link, q.pin, q.pan)
		if err != nil {
			a.t.Fatal(err)
		}
		m.SetBytes(iso8583.PINData, block[:])
	}
	if q.of != nil {
		m.SetOriginal(iso8583.Original{MTI: q.of.MTI(), STAN: q.of.Get(iso8583.STAN), Sent: q.of.Get(iso8583.TransmissionTime),
			Acquirer: q.of.Get(iso8583.AcquirerID)})
	}
	return m
}

func (a *acquirer) send(m *iso8583.Message) {
	a.t.Helper()
	var out []byte
	var err error
	if a.keys != nil && m.MTI()[1] != '8' {
		out, err = m.Sign(a.keys, link)
	} else {
		out, err = m.Encode()
	}
	if err != nil {
		a.t.Fatal(err)
	}
	if err := iso8583.WriteFrame(a.conn, iso8583.Network().Framing, out); err != nil {
		a.t.Fatal(err)
	}
}

func (a *acquirer) receive(wait time.Duration) (*iso8583.Message, error) {
	_ = a.conn.SetReadDeadline(time.Now().Add(wait))
	frame, err := a.r.Next()
	if err != nil {
		return nil, err
	}
	m, err := iso8583.Network().Decode(frame)
	if err == nil && a.keys != nil && m.MTI()[1] != '8' {
		err = m.Verify(a.keys, link)
	}
	return m, err
}

// call sends a message and gives its answer.
func (a *acquirer) call(m *iso8583.Message) *iso8583.Message {
	a.t.Helper()
	a.send(m)
	r, err := a.receive(5 * time.Second)
	if err != nil {
		a.t.Fatalf("no answer to %v: %v", m, err)
	}
	if r.Get(iso8583.STAN) != m.Get(iso8583.STAN) || r.UUID() != m.UUID() {
		a.t.Errorf("%v is answered by a message of another transaction", m)
	}
	return r
}

// want asks and compares the response code.
func (a *acquirer) want(code string, q ask) *iso8583.Message {
	a.t.Helper()
	m := a.message(q)
	r := a.call(m)
	if got := r.Get(iso8583.ResponseCode); got != code {
		a.t.Fatalf("%v of %d: code %s, want %s", q.op, q.amount, got, code)
	}
	m.Set(iso8583.AuthCode, r.Get(iso8583.AuthCode))
	return m
}

func (a *acquirer) signOn() {
	a.t.Helper()
	r := a.call(a.message(ask{op: iso8583.SignOn}))
	if got := r.Get(iso8583.ResponseCode); got != "00" {
		a.t.Fatalf("sign-on: code %s", got)
	}
	if a.keys == nil {
		return
	}
	w, err := r.WorkingKeys()
	if err == nil {
		err = a.keys.InstallWorking(link, w)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

var transport = []string{"0123456789ABCDEFFEDCBA9876543210", "1111111122222222333333334444444F"}

// tokens is a keyring that outlives the banks of a test.
var tokens = func() *keyring.Software {
	k, err := keyring.Open(keyring.Options{})
	if err != nil {
		panic(err)
	}
	return k
}()

// keys gives a keyring for the acquirer and the master key to inject at the bank.
func keys(t testing.TB) (*keyring.Software, keyring.Wrapped) {
	t.Helper()
	k, err := keyring.Open(keyring.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	w, err := k.NewMaster(link)
	if err != nil {
		t.Fatal(err)
	}
	return k, w
}

// noCard fails if card data stands in clear in any file of a folder.
func noCard(t testing.TB, dir string, secrets ...[]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, s := range append(secrets, []byte(cardA), []byte(cardB), []byte(cardA)[5:16], []byte(cardB)[5:16]) {
			if bytes.Contains(content, s) {
				t.Errorf("%s holds card data in clear", path)
			}
		}
		return nil
	})
	if err = errors.Join(err); err != nil || files == 0 {
		t.Fatalf("%d files looked at: %v", files, err)
	}
}
