package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"daozhang/internal/api"
	"daozhang/internal/fault"
)

// Exceptions gives a page of what needs somebody; query is that of
// GET /v1/exceptions.
func (c *Client) Exceptions(ctx context.Context, query url.Values) (*api.Exceptions, error) {
	var out api.Exceptions
	return &out, c.get(ctx, []string{"v1", "exceptions"}, query, &out)
}

// Case gives an item with its case, history and files.
func (c *Client) Case(ctx context.Context, id string) (*api.CaseDetail, error) {
	var out api.CaseDetail
	return &out, c.get(ctx, []string{"v1", "cases", id}, nil, &out)
}

// Candidates gives up to n of what may be the other side of an item.
func (c *Client) Candidates(ctx context.Context, id string, n int) (*api.Candidates, error) {
	var out api.Candidates
	return &out, c.get(ctx, []string{"v1", "cases", id, "candidates"}, url.Values{"limit": {strconv.Itoa(n)}}, &out)
}

// Command does something with a case and gives it as it is then.
func (c *Client) Command(ctx context.Context, id string, cmd api.CaseCommand) (*api.Case, error) {
	var out api.Case
	return &out, c.post(ctx, fault.Say("work on item", "处理事项"), []string{"v1", "cases", id, "commands"}, cmd, &out)
}

// Attach attaches a file to a case.
func (c *Client) Attach(ctx context.Context, id, name string, content []byte) (*api.CaseFile, error) {
	op := fault.Say("attach file", "添加附件")
	body, err := c.ask(ctx, question{op: op, method: http.MethodPost, path: []string{"v1", "cases", id, "files"}, query: url.Values{"name": {name}}, body: content, media: "application/octet-stream"})
	if err != nil {
		return nil, err
	}
	var out api.CaseFile
	return &out, decoded(op, body, &out)
}

// Approvals gives a page of what waits for a second person; query is that of
// GET /v1/approvals.
func (c *Client) Approvals(ctx context.Context, query url.Values) (*api.Approvals, error) {
	var out api.Approvals
	return &out, c.get(ctx, []string{"v1", "approvals"}, query, &out)
}

// Approval gives one with what it books and changes.
func (c *Client) Approval(ctx context.Context, id string) (*api.Approval, error) {
	var out api.Approval
	return &out, c.get(ctx, []string{"v1", "approvals", id}, nil, &out)
}

// Propose asks for something that moves a merchant's money.
func (c *Client) Propose(ctx context.Context, p api.Proposal) (*api.Approval, error) {
	var out api.Approval
	return &out, c.post(ctx, fault.Say("propose", "提交"), []string{"v1", "approvals"}, p, &out)
}

// Approve agrees to a proposal of another.
func (c *Client) Approve(ctx context.Context, id string) (*api.Approval, error) {
	var out api.Approval
	return &out, c.post(ctx, fault.Say("decide on proposal", "复核"), []string{"v1", "approvals", id, "approve"}, nil, &out)
}

// Decline declines a proposal, or withdraws one's own.
func (c *Client) Decline(ctx context.Context, id, why string) (*api.Approval, error) {
	var out api.Approval
	return &out, c.post(ctx, fault.Say("decide on proposal", "复核"), []string{"v1", "approvals", id, "decline"}, map[string]string{"why": why}, &out)
}
