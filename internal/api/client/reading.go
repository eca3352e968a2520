package client

import (
	"context"
	"net/url"
	"strconv"

	"daozhang/internal/api"
)

// mostPage is the longest page that a server gives.
const mostPage = 500

// Payments gives up to most payments that fit a query, that of GET /v1/payments,
// page after page; most below 1 is all of them.
func (c *Client) Payments(ctx context.Context, query url.Values, most int) ([]api.Payment, error) {
	return pages(query, most, func(q url.Values) ([]api.Payment, string, error) {
		var list api.PaymentList
		err := c.get(ctx, []string{"v1", "payments"}, q, &list)
		return list.Items, list.NextCursor, err
	})
}

// Payment gives a payment with the way of its money.
func (c *Client) Payment(ctx context.Context, ref string) (*api.PaymentTrail, error) {
	var out api.PaymentTrail
	return &out, c.get(ctx, []string{"v1", "payments", ref}, nil, &out)
}

// Payouts gives up to most payouts that fit a query, that of GET /v1/payouts, the
// newest first; most below 1 is all of them.
func (c *Client) Payouts(ctx context.Context, query url.Values, most int) ([]api.Payout, error) {
	return pages(query, most, func(q url.Values) ([]api.Payout, string, error) {
		var list api.PayoutList
		err := c.get(ctx, []string{"v1", "payouts"}, q, &list)
		return list.Items, list.NextCursor, err
	})
}

// Payout gives a payout with its arithmetic and its lines; mid, which may be "",
// is the merchant, where several have one of that number.
func (c *Client) Payout(ctx context.Context, mid, id string) (*api.PayoutDetail, error) {
	var out api.PayoutDetail
	return &out, c.get(ctx, []string{"v1", "payouts", id}, given("mid", mid), &out)
}

// Arrival gives when the money of a sale of a merchant, made at a moment in RFC
// 3339, arrives, and why.
func (c *Client) Arrival(ctx context.Context, mid, at string) (*api.SaleArrival, error) {
	q := given("mid", mid)
	q.Set("at", at)
	var out api.SaleArrival
	return &out, c.get(ctx, []string{"v1", "calendar", "arrival"}, q, &out)
}

// Month gives the days of a month, such as 2026-02, of a calendar.
func (c *Client) Month(ctx context.Context, calendar, month string) (*api.Month, error) {
	var out api.Month
	return &out, c.get(ctx, []string{"v1", "calendars", calendar}, given("month", month), &out)
}

// given is a query with one parameter, unless it is "".
func given(name, value string) url.Values {
	q := url.Values{}
	if value != "" {
		q.Set(name, value)
	}
	return q
}

// pages reads a list page after page.
func pages[T any](query url.Values, most int, page func(url.Values) ([]T, string, error)) ([]T, error) {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	var all []T
	for {
		limit := mostPage
		if most > 0 {
			limit = min(limit, most-len(all))
		}
		q.Set("limit", strconv.Itoa(limit))
		items, next, err := page(q)
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); next == "" || most > 0 && len(all) >= most {
			return all, nil
		}
		q.Set("cursor", next)
	}
}
