// Package client asks a server of this project: what the command line does with
// --server. It is thin: an operation a method, the types of package api, and a
// problem as an error of the kind that its status stands for.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/api"
	"daozhang/internal/fault"
)

// Client asks a server.
type Client struct {
	URL  string // of the server, such as http://127.0.0.1:8080
	Key  string // the API key
	Lang string // "en" or "zh", of what the server says
	// HTTP is what asks; nil: http.DefaultClient.
	HTTP *http.Client
}

const (
	within     = 30 * time.Second
	mostAnswer = 16 << 20
)

var (
	asking    = fault.Say("ask", "查询")
	theServer = "server"
)

// question is one request.
type question struct {
	op     fault.Text
	method string
	path   []string // its parts, not escaped
	query  url.Values
	accept string
	// body is sent as it is, with its media type.
	body  []byte
	media string
	name  string // Idempotency-Key
}

// Whereabouts gives the answer for a payment: the card that people read, or the
// JSON. The error has the kind of the server's problem; where several payments
// fit, it is fault.Conflict and names them.
func (c *Client) Whereabouts(ctx context.Context, ref string, text bool) ([]byte, error) {
	accept := "application/json"
	if text {
		accept = "text/plain"
	}
	return c.ask(ctx, question{op: asking, path: []string{"v1", "payments", ref, "whereabouts"}, accept: accept})
}

// Bring gives the server facts in the interchange form, one a line. It is an error
// where any of them was not taken; the others were.
func (c *Client) Bring(ctx context.Context, lines []byte) error {
	op := fault.Say("bring evidence", "提交事实")
	body, err := c.ask(ctx, question{op: op, method: http.MethodPost, path: []string{"v1", "evidence"}, body: lines, media: "application/x-ndjson"})
	if err != nil {
		return err
	}
	var got api.Received
	if err := json.Unmarshal(body, &got); err != nil {
		return fault.New(fault.Internal, op, theServer, err, "")
	}
	if len(got.Rejected) > 0 {
		first := got.Rejected[0]
		return fault.New(fault.Rejected, op, first.Evidence, fault.Same(first.Why), fault.Say("%d facts were not taken", "有 %d 条事实未被接受", len(got.Rejected)))
	}
	return nil
}

// Release asks the server to end the risk hold of the payment with a UUID: maker
// asks for it, checker agrees.
func (c *Client) Release(ctx context.Context, id, maker, checker string) error {
	if err := api.CheckRelease(id, maker, checker); err != nil {
		return err
	}
	return c.post(ctx, fault.Say("release payment", "解除支付冻结"), []string{"v1", "payments", id, "release"}, map[string]string{"maker": maker, "checker": checker}, nil)
}

// get reads JSON into answer.
func (c *Client) get(ctx context.Context, path []string, query url.Values, answer any) error {
	body, err := c.ask(ctx, question{op: asking, path: path, query: query})
	if err != nil {
		return err
	}
	return decoded(asking, body, answer)
}

// post sends JSON under a fresh Idempotency-Key and reads the answer; nil is none.
func (c *Client) post(ctx context.Context, op fault.Text, path []string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fault.New(fault.Internal, op, theServer, err, "")
	}
	got, err := c.ask(ctx, question{op: op, method: http.MethodPost, path: path, body: b, media: "application/json", name: uuid.NewString()})
	if err != nil || answer == nil {
		return err
	}
	return decoded(op, got, answer)
}

func decoded(op fault.Text, body []byte, answer any) error {
	if err := json.Unmarshal(body, answer); err != nil {
		return fault.New(fault.Internal, op, theServer, err, fault.Say("see whether the server is of the same version", "请核对服务端版本是否一致"))
	}
	return nil
}

// ask makes one request and gives its answer's body; a problem is an error of the
// kind that its status stands for.
func (c *Client) ask(ctx context.Context, q question) ([]byte, error) {
	to, err := url.Parse(c.URL)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, fault.New(fault.Usage, q.op, theServer, fault.Say("its address is none", "地址无效"),
			fault.Say("write for example http://127.0.0.1:8080", "例如 http://127.0.0.1:8080"))
	}
	host := to.Host
	for _, part := range q.path {
		to = to.JoinPath(url.PathEscape(part))
	}
	to.RawQuery = q.query.Encode()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, cmp.Or(q.method, http.MethodGet), to.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, fault.New(fault.Usage, q.op, host, err, "")
	}
	for name, value := range map[string]string{"Content-Type": q.media, "Authorization": bearer(c.Key), "Accept-Language": c.Lang,
		"Accept": cmp.Or(q.accept, "application/json"), "Idempotency-Key": q.name} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := cmp.Or(c.HTTP, http.DefaultClient).Do(req)
	if err != nil {
		return nil, fault.New(fault.Internal, q.op, host, err, fault.Say("see whether `daozhang serve` runs there", "请确认该地址运行着 `daozhang serve`"))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return nil, fault.New(fault.Internal, q.op, host, err, "")
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return body, nil
	}
	return nil, refusal(q.op, host, res, body)
}

func bearer(key string) string {
	if key == "" {
		return ""
	}
	return "Bearer " + key
}

// refusal is a problem as an error; the server has said it in the caller's
// language.
func refusal(op fault.Text, host string, res *http.Response, body []byte) error {
	var p api.Problem
	if json.Unmarshal(body, &p) != nil || p.Status == 0 {
		return fault.New(fault.Internal, op, host, fault.Say("it answers %s", "其答复为 %s", res.Status),
			fault.Say("see whether that is the address of `daozhang serve`", "请确认这是 `daozhang serve` 的地址"))
	}
	detail := p.Detail
	if len(p.Candidates) > 0 {
		detail += ": " + strings.Join(p.Candidates, ", ")
	}
	for _, e := range p.Errors {
		detail += "; " + strings.TrimSpace(e.Field+" "+e.Why)
	}
	return fault.New(api.KindOf(p.Status), op, host, fault.Same(detail), fault.Same(p.Hint))
}
