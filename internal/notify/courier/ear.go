package courier

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// Heard is a webhook that came.
type Heard struct {
	notify.Headers
	Body []byte
}

// Ear is a receiver of webhooks for trying: what somebody would write in their own
// service.
type Ear struct {
	server *http.Server
	addr   string
	ended  chan error
}

// mostHeard is the longest webhook that an Ear takes.
const mostHeard = 1 << 20

// Listen makes an Ear at an address. hear is told of each webhook, one at a time or
// several, and says with which HTTP status it is answered.
func Listen(address string, hear func(Heard) (status int)) (*Ear, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New(fault.Internal, fault.Say("listen for webhooks", "监听 Webhook"), address, err, fault.Say("choose a free port, or :0 for any", "请换一个空闲端口，或用 :0 自动选择"))
	}
	e := &Ear{addr: l.Addr().String(), ended: make(chan error, 1)}
	e.server = &http.Server{ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostHeard))
			if err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			w.WriteHeader(hear(Heard{notify.Headers{ID: r.Header.Get("Webhook-Id"), Timestamp: r.Header.Get("Webhook-Timestamp"), Signature: r.Header.Get("Webhook-Signature")}, body}))
		})}
	go func() { e.ended <- e.server.Serve(l) }()
	return e, nil
}

// Addr is where it listens.
func (e *Ear) Addr() string { return e.addr }

// Wait waits until ctx ends, or until it listens no more.
func (e *Ear) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.ended:
		e.ended <- err
		return err
	}
}

// Close ends it.
func (e *Ear) Close() error {
	err := e.server.Close()
	if served := <-e.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
