package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/fault"
)

// A POST may carry an Idempotency-Key, a name that its caller gives it. The first
// request under a name runs the operation, and its answer is kept for a day; the
// same request again gets that answer and has no effect. Names are each API key's
// own. What is the same is the method, the address and the body.
//
// The request is on record before the operation runs, so that of several at the
// same time one runs and the others are told that it does (409). When the server
// dies in between, nobody knows whether the operation had its effect: one that
// Repeats, whose effects carry the name's own id (call.effect) and so happen once,
// is run again; of any other the caller is told to look (409), for two effects
// would be worse than none.
//
// An answer is kept where the operation ran and did not fail on our side. A
// request that was refused before (not valid, not allowed, too often) leaves
// nothing behind.

const (
	idempotencyKey        = "Idempotency-Key"
	longestIdempotencyKey = 255
	// RequestsKept is how long an answer is kept for a replay.
	RequestsKept = 24 * time.Hour
	// requestLease is how long a request counts as running: longer than a server lets
	// one last.
	requestLease = 2 * time.Minute
	// longestReplay is the longest answer that is kept.
	longestReplay = 1 << 20
)

// Request is a POST under a name, as it is put on record before it runs.
type Request struct {
	// Key is the id of the API key, Name a hash of its Idempotency-Key.
	Key, Name string
	// Digest is a hash of what is asked.
	Digest string
	// Holder is the one attempt that carries it out, from At until it is finished, at
	// the latest until Until.
	Holder    string
	At, Until time.Time
	// Version is that of the record; Requests counts it.
	Version uint32
}

// Reply is the answer to a request, as it is replayed. Status 0: it was carried
// out, and the answer is not kept.
type Reply struct {
	Status int
	Media  string
	Body   []byte
}

// Begun is a request on record.
type Begun struct {
	Request
	Reply *Reply // nil: not finished
}

// Requests keeps what was asked under an Idempotency-Key, and the answers. What it
// says it did is durable.
type Requests interface {
	// Begin puts a request on record where there is none of its key and name, and
	// gives nil. Otherwise it changes nothing and gives what is there. Of several at
	// the same time one begins.
	Begin(ctx context.Context, r *Request) (*Begun, error)
	// Resume puts r in the place of b; false where b has changed since it was read.
	Resume(ctx context.Context, b *Begun, r *Request) (bool, error)
	// Finish keeps the reply of a request that r began or resumed.
	Finish(ctx context.Context, r *Request, reply *Reply) error
	// Forget removes a request that r began or resumed, as if it had never been.
	Forget(ctx context.Context, r *Request) error
	// Expire removes what was begun before a moment.
	Expire(ctx context.Context, before time.Time) error
}

// requested says under what name a request comes; "" for none.
func (c *call) requested(o *operation) (string, error) {
	if o.Method != http.MethodPost || o.Open || o.Natural {
		return "", nil
	}
	list := c.Header.Values(idempotencyKey)
	if len(list) == 0 {
		return "", nil
	}
	name := list[0]
	bad := len(list) > 1 || name == "" || len(name) > longestIdempotencyKey || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
	if bad {
		return "", &failure{status: http.StatusBadRequest, detail: notValid,
			errors: []fieldFault{{Field: "header." + idempotencyKey, Why: fault.Say("one name of 1 to %d printable ASCII characters", "应为一个名称，1 至 %d 个可打印 ASCII 字符", longestIdempotencyKey)}}}
	}
	if c.server.o.Requests == nil {
		return "", &failure{status: http.StatusBadRequest, detail: fault.Say("this server keeps no answers for a replay", "本服务不保存可重放的答复"),
			hint: fault.Say("leave Idempotency-Key out", "请去掉 Idempotency-Key")}
	}
	return name, nil
}

// once runs an operation under the name that its caller gave the request: or
// answers as the first time.
func (c *call) once(o *operation, name string, run func()) error {
	s := c.server
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return err
	}
	c.Body = io.NopCloser(bytes.NewReader(body))
	now := s.o.Now()
	r := &Request{Key: c.key.ID, Name: hexDigest(name), Digest: hexDigest(c.Method, c.URL.EscapedPath(), c.URL.RawQuery, string(body)),
		Holder: uuid.NewString(), At: now, Until: now.Add(requestLease)}
	c.effect = uuid.NewSHA1(effects, []byte(r.Key+"/"+r.Name))
	s.expireRequests(c.Context(), now)
	begun, err := s.o.Requests.Begin(c.Context(), r)
	if err != nil {
		return err
	}
	if begun != nil {
		if done, err := c.again(o, begun, r); done || err != nil {
			return err
		}
	}
	c.w.copy = new(bytes.Buffer)
	settled := false
	// Durable work is not broken off because the caller has gone.
	ctx := context.WithoutCancel(c.Context())
	defer func() {
		if !settled { // it panicked
			c.leave(ctx, o, r)
		}
	}()
	run()
	settled = true
	c.settle(ctx, o, r)
	return nil
}

var inFlight = failure{status: http.StatusConflict, detail: fault.Say("a request with this Idempotency-Key is being carried out", "使用该 Idempotency-Key 的请求正在执行"),
	hint: fault.Say("ask again in a few seconds", "请几秒后重试"), retryAfter: 2 * time.Second}

// again answers for a request that is on record. done is false where it is run
// once more.
func (c *call) again(o *operation, b *Begun, r *Request) (done bool, err error) {
	old := r.At.Sub(b.At) >= RequestsKept
	switch {
	case old || b.Digest == r.Digest && b.Reply == nil && o.Repeats && !r.At.Before(b.Until):
		taken, err := c.server.o.Requests.Resume(c.Context(), b, r)
		if err != nil || taken {
			return false, err
		}
		return true, &inFlight
	case b.Digest != r.Digest:
		return true, &failure{status: http.StatusUnprocessableEntity, detail: fault.Say("the Idempotency-Key was used for another request", "该 Idempotency-Key 已用于另一请求"),
			hint: fault.Say("give each request a key of its own", "每个请求请使用各自的键")}
	case b.Reply == nil && r.At.Before(b.Until):
		return true, &inFlight
	case b.Reply == nil:
		return true, &failure{status: http.StatusConflict, detail: fault.Say("an earlier request with this Idempotency-Key was broken off; whether it had its effect is not known", "此前使用该 Idempotency-Key 的请求中断，是否生效不明"),
			hint: fault.Say("look whether it did; if not, send it again with a new key", "请先核实；若未生效，请用新的键重新提交")}
	case b.Reply.Status == 0:
		return true, &failure{status: http.StatusConflict, detail: fault.Say("the request was carried out; its answer is not kept", "该请求已执行；其答复不予保存"),
			hint: fault.Say("look at what it made, or make another under a new key", "请查看其结果，或用新的键另行提交")}
	}
	h := c.w.Header()
	h.Set("Content-Type", b.Reply.Media)
	h.Set("Idempotency-Replayed", "true")
	c.w.WriteHeader(b.Reply.Status)
	_, err = c.w.Write(b.Reply.Body)
	return true, err
}

// settle keeps the answer that was given.
func (c *call) settle(ctx context.Context, o *operation, r *Request) {
	status := c.w.status
	if !c.ran || status >= http.StatusInternalServerError {
		c.leave(ctx, o, r)
		return
	}
	reply := &Reply{Status: status, Media: c.w.Header().Get("Content-Type"), Body: c.w.copy.Bytes()}
	if status < 300 && o.Secret || len(reply.Body) > longestReplay {
		reply = &Reply{} // it was carried out, and that is all
	}
	if err := c.server.o.Requests.Finish(ctx, r, reply); err != nil {
		// The effect is there. Until the lease ends the name stays taken; then the
		// caller is told to look.
		c.server.o.Log.Error("answer not kept", "operation", o.ID, "request", c.id, "error", err)
	}
}

// leave gives a name back where nothing was done, or where doing it again does no
// harm; else it stays taken, because nobody knows.
func (c *call) leave(ctx context.Context, o *operation, r *Request) {
	if c.ran && !o.Repeats {
		return
	}
	if err := c.server.o.Requests.Forget(ctx, r); err != nil {
		c.server.o.Log.Error("name of a request not given back", "operation", o.ID, "request", c.id, "error", err)
	}
}

// expireRequests removes old ones, now and then.
func (s *Server) expireRequests(ctx context.Context, now time.Time) {
	last := s.expired.Load()
	if now.Unix()-last < 600 || !s.expired.CompareAndSwap(last, now.Unix()) {
		return
	}
	if err := s.o.Requests.Expire(ctx, now.Add(-RequestsKept)); err != nil {
		s.o.Log.Warn("old requests not removed", "error", err)
	}
}

// effects is the name space of the ids that effects have.
var effects = uuid.MustParse("6d8f7d1e-6a53-5d0c-9a3e-2f4f5b6a7c81")

// hexDigest is a hash of parts, each by itself.
func hexDigest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		one := sha256.Sum256([]byte(p))
		h.Write(one[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
