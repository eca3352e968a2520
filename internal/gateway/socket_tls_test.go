package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"daozhang/internal/gateway"
)

// certificate makes one for the loopback, signed by itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestSocketTLS: with a certificate the door speaks TLS alone, and who does not
// agree on it in time is sent away.
func TestSocketTLS(t *testing.T) {
	pair, pool := certificate(t)
	r := newRig(t, setup{door: gateway.Door{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}, FrameWithin: 300 * time.Millisecond}})
	r.dial = func() (net.Conn, error) { return tls.Dial("tcp", r.gateway.Addr(), &tls.Config{RootCAs: pool}) }
	te := r.terminal(0)
	te.signOn()
	te.code(te.sale(100), "00")
	r.dial = nil
	plain := r.terminal(1)
	out, err := plain.sale(100).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.conn.Write(out); err != nil {
		t.Fatal(err)
	}
	mute := r.terminal(2)
	for name, te := range map[string]*terminal{"plain": plain, "mute": mute} {
		_ = te.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			if _, err := te.conn.Read(make([]byte, 64)); err != nil { // an alert may come first
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection stays open", name)
				}
				break
			}
		}
	}
	te.code(te.sale(100), "00")
	if n := len(r.bank.Entries()); n != 2 {
		t.Errorf("the bank has %d entries", n)
	}
}
