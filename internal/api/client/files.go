package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"daozhang/internal/api"
	"daozhang/internal/fault"
)

// FileHints are what is said beside a file; see POST /v1/files.
type FileHints struct {
	To, MID, Currency, Type, Zone string
	DryRun                        bool
}

// PutFile sends a file and gives what became of it: also a file that was refused is
// no error.
func (c *Client) PutFile(ctx context.Context, name string, content io.Reader, h FileHints) (*api.File, error) {
	op := fault.Say("bring file", "上传文件")
	body, err := io.ReadAll(content)
	if err != nil {
		return nil, fault.New(fault.Internal, op, name, err, fault.Text{})
	}
	query := url.Values{"name": {name}}
	for key, value := range map[string]string{"to": h.To, "mid": h.MID, "currency": h.Currency, "type": h.Type, "timezone": h.Zone} {
		if value != "" {
			query.Set(key, value)
		}
	}
	if h.DryRun {
		query.Set("dry_run", "true")
	}
	got, err := c.ask(ctx, question{op: op, method: http.MethodPost, path: []string{"v1", "files"}, query: query, body: body, media: "application/octet-stream"})
	if err != nil {
		return nil, err
	}
	var f api.File
	return &f, decoded(op, got, &f)
}
