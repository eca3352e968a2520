package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/api"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// diary keeps requests in memory, as the store does in a database.
type diary struct {
	mu   sync.Mutex
	all  map[string]*api.Begun
	fail error
}

func (d *diary) name(r *api.Request) string { return r.Key + "/" + r.Name }

func (d *diary) Begin(_ context.Context, r *api.Request) (*api.Begun, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return nil, d.fail
	}
	r.Version = 1
	if b, ok := d.all[d.name(r)]; ok {
		there := *b
		return &there, nil
	}
	d.all[d.name(r)] = &api.Begun{Request: *r}
	return nil, nil
}

func (d *diary) Resume(_ context.Context, b *api.Begun, r *api.Request) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if there := d.all[d.name(r)]; there == nil || there.Version != b.Version {
		return false, nil
	}
	r.Version = b.Version + 1
	d.all[d.name(r)] = &api.Begun{Request: *r}
	return true, nil
}

func (d *diary) Finish(_ context.Context, r *api.Request, reply *api.Reply) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	there := d.all[d.name(r)]
	if there == nil || there.Holder != r.Holder {
		return errors.New("another holds it")
	}
	there.Reply, there.Version = reply, r.Version+1
	return d.fail
}

func (d *diary) Forget(_ context.Context, r *api.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, d.name(r))
	return nil
}

func (d *diary) Expire(_ context.Context, before time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, b := range d.all {
		if b.At.Before(before) {
			delete(d.all, name)
		}
	}
	return nil
}

// counter is a world whose only POST counts how often it had its effect.
type counter struct {
	*world
	*diary
	id      uuid.UUID
	effects atomic.Int64
	act     func() error // what it does before it has its effect
}

func newCounter(t *testing.T) *counter {
	c := &counter{diary: &diary{all: map[string]*api.Begun{}}, id: uuid.MustParse("0195b2f0-0000-7000-8000-000000000001")}
	c.world = newWorld(t, func(o *api.Options) {
		o.Requests, o.Rate, o.Burst = c.diary, 1e6, 1e6
		o.Release = func(context.Context, *payment.Transaction, string, string) error {
			if c.act != nil {
				if err := c.act(); err != nil {
					return err
				}
			}
			c.effects.Add(1)
			return nil
		}
	})
	c.txs[c.id] = payment.Transaction{ID: c.id, MID: mid}
	return c
}

func (c *counter) post(key, body string) *httptest.ResponseRecorder {
	header := []string{"Content-Type", "application/json"}
	if key != "" {
		header = append(header, "Idempotency-Key", key)
	}
	return c.do("POST", "/v1/payments/"+c.id.String()+"/release", "platform-key", body, header...)
}

const decision = `{"maker":"anne","checker":"bert"}`

// TestIdempotency: what becomes of a request that comes again.
func TestIdempotency(t *testing.T) {
	c := newCounter(t)
	first := c.post("one", decision)
	if first.Code != 200 || c.effects.Load() != 1 || first.Header().Get("Idempotency-Replayed") != "" {
		t.Fatal(first.Code, first.Body, c.effects.Load())
	}
	again := c.post("one", decision)
	if again.Code != 200 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" ||
		again.Header().Get("Content-Type") != first.Header().Get("Content-Type") || c.effects.Load() != 1 {
		t.Errorf("again: %d %s, %d effects", again.Code, again.Body, c.effects.Load())
	}
	if rec := c.post("one", `{"maker":"anne","checker":"carl"}`); rec.Code != 422 || !strings.Contains(rec.Body.String(), "another request") {
		t.Errorf("another body: %d %s", rec.Code, rec.Body)
	}
	if rec := c.post("two", decision); rec.Code != 200 || c.effects.Load() != 2 {
		t.Errorf("another name: %d", rec.Code)
	}
	if rec := c.post("", decision); rec.Code != 200 || c.effects.Load() != 3 {
		t.Errorf("no name: %d", rec.Code)
	}
	for _, bad := range []string{strings.Repeat("x", 256), "naïve", "\x7f"} {
		if rec := c.post(bad, decision); rec.Code != 400 || !strings.Contains(rec.Body.String(), "header.Idempotency-Key") {
			t.Errorf("%q: %d %s", bad, rec.Code, rec.Body)
		}
	}
	c.now = c.now.Add(api.RequestsKept)
	if rec := c.post("one", `{"maker":"anne","checker":"carl"}`); rec.Code != 200 || c.effects.Load() != 4 {
		t.Errorf("after a day: %d %s", rec.Code, rec.Body)
	}
	c.fail = errors.New("no database")
	if rec := c.post("three", decision); rec.Code != 500 || c.effects.Load() != 4 {
		t.Errorf("a request that is not on record runs: %d, %d effects", rec.Code, c.effects.Load())
	}
}

// TestIdempotencyRefused: a request that did nothing leaves its name free; one that
// the operation itself refused is answered the same again.
func TestIdempotencyRefused(t *testing.T) {
	c := newCounter(t)
	header := []string{"Idempotency-Key", "one"}
	target := "/v1/payments/" + c.id.String() + "/release"
	for _, key := range []string{"auditor-key", "guess"} {
		c.do("POST", target, key, decision, header...)
	}
	c.do("POST", target, "platform-key", strings.Repeat(" ", 65<<10), header...)
	if len(c.all) != 0 {
		t.Errorf("names that are taken: %v", c.all)
	}
	c.act = func() error {
		return fault.New(fault.Conflict, fault.Say("release", "解除"), "", nil, fault.Say("risk does not hold it", "风控没有冻结它"))
	}
	first := c.post("one", decision)
	c.act = nil
	if again := c.post("one", decision); first.Code != 409 || again.Code != 409 || c.effects.Load() != 0 || again.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d, then %d %s", first.Code, again.Code, again.Body)
	}
}

// TestIdempotencyTogether sends one request many times at once: it has one effect,
// and all get its answer, or are told to ask again.
func TestIdempotencyTogether(t *testing.T) {
	c := newCounter(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.act = func() error {
		once.Do(func() { close(running) })
		<-goOn
		return nil
	}
	var work sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		work.Go(func() { statuses[i] = c.post("one", decision).Code })
	}
	<-running
	if rec := c.post("one", decision); rec.Code != 409 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("in flight: %d %s", rec.Code, rec.Body)
	}
	close(goOn)
	work.Wait()
	done := 0
	for _, s := range statuses {
		switch s {
		case 200:
			done++
		case 409:
		default:
			t.Errorf("status %d", s)
		}
	}
	if done == 0 || c.effects.Load() != 1 {
		t.Errorf("%d answers, %d effects", done, c.effects.Load())
	}
	if rec := c.post("one", decision); rec.Code != 200 || c.effects.Load() != 1 {
		t.Errorf("afterwards: %d", rec.Code)
	}
}

// TestIdempotencyBrokenOff: where nobody knows whether a request had its effect,
// it is not run again, and its caller is told to look.
func TestIdempotencyBrokenOff(t *testing.T) {
	for name, act := range map[string]func() error{
		"a failure on our side": func() error { return errors.New("the gateway does not answer") },
		"a panic":               func() error { panic("at the worst moment") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t)
			c.act = act
			if rec := c.post("one", decision); rec.Code != 500 {
				t.Fatal(rec.Code, rec.Body)
			}
			c.act = nil
			if rec := c.post("one", decision); rec.Code != 409 || rec.Header().Get("Retry-After") == "" {
				t.Errorf("at once: %d %s", rec.Code, rec.Body)
			}
			c.now = c.now.Add(3 * time.Minute)
			if rec := c.post("one", decision); rec.Code != 409 || !strings.Contains(rec.Body.String(), "not known") || c.effects.Load() != 0 {
				t.Errorf("later: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// TestIdempotencyHandedOn: the server that decides is another; the answer is kept
// where the caller asked.
func TestIdempotencyHandedOn(t *testing.T) {
	far := newCounter(t)
	second := httptest.NewServer(far.server)
	defer second.Close()
	near := newCounter(t)
	w := newWorld(t, func(o *api.Options) {
		o.Requests, o.Nodes = near.diary, &town{name: "near", mine: otherMID, other: second.URL}
		o.Release = func(context.Context, *payment.Transaction, string, string) error { return fmt.Errorf("not here") }
	})
	w.txs[near.id] = payment.Transaction{ID: near.id, MID: mid}
	for range 3 {
		rec := w.do("POST", "/v1/payments/"+near.id.String()+"/release", "platform-key", decision, "Idempotency-Key", "one")
		if rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body)
		}
	}
	if far.effects.Load() != 1 {
		t.Errorf("%d effects", far.effects.Load())
	}
}
