package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// settlement examines what is kept of one merchant's settlement, and of its parts
// of clearing, against the ledger and against each other: F1, F3, F4, F5 and F8 of
// internal/settlement/DESIGN.md.
func (e *examination) settlement(mid string) error {
	x := &audit{examination: e, mid: mid, balances: map[money.Currency]map[ledger.Name]int64{}, payouts: map[string]settlement.Payout{}}
	for _, f := range []func() error{x.read, x.positions, x.lines, x.batches, x.due, x.shares, x.packs} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// audit is the examination of one merchant's settlement.
type audit struct {
	*examination
	mid      string
	balances map[money.Currency]map[ledger.Name]int64 // on each account's own side
	standing []settlement.Position
	payouts  map[string]settlement.Payout
}

func (x *audit) wrong(what, subject, format string, args ...any) {
	x.r.find(what, "merchant "+x.mid+" "+subject, fmt.Sprintf(format, args...))
}

func (x *audit) balance(c money.Currency, n ledger.Name) int64 { return x.balances[c][n] }

// read reads what the rest compares. Rows that cannot be read are findings.
func (x *audit) read() error {
	lines, err := readLines(x.ctx, x.query, x.mid)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if x.balances[l.Currency] == nil {
			x.balances[l.Currency] = map[ledger.Name]int64{}
		}
		x.balances[l.Currency][l.Name] = l.On(l.Name.Side())
	}
	if x.standing, err = readable(x, "position", body.DecodePosition, "SELECT body FROM settlement_position WHERE merchant = $1 ORDER BY currency", x.mid); err != nil {
		return err
	}
	payouts, err := readable(x, "payout", body.DecodePayout, "SELECT body FROM payout WHERE merchant = $1 ORDER BY id", x.mid)
	for _, p := range payouts {
		x.payouts[p.ID] = p
	}
	return err
}

// readable reads bodies and finds those that nobody can read.
func readable[T any](x *audit, what string, decode func([]byte) (T, error), q string, args ...any) (out []T, err error) {
	_, err = collect(x.ctx, x.query, func(raw []byte) (none struct{}, _ error) {
		v, err := decode(raw)
		if err != nil {
			x.wrong("settlement", what, "a row cannot be read: %v", err)
			return none, nil
		}
		out = append(out, v)
		return none, nil
	}, q, args...)
	return out, err
}

// positions holds every position against the ledger (F1), against itself (F4, F5)
// and against the merchant's payouts.
func (x *audit) positions() error {
	for i := range x.standing {
		p := &x.standing[i]
		subject := "position " + p.Currency.String()
		for _, a := range []struct {
			name ledger.Name
			says int64
		}{{ledger.MerchantPayable, p.Payable}, {ledger.MerchantHeld, p.Held()}, {ledger.PayoutInTransit, p.InTransit}, {ledger.MerchantPaid, p.Paid}, {ledger.FeeIncome, p.Fees}} {
			if is := x.balance(p.Currency, a.name); is != a.says {
				x.wrong("settlement", subject, "%s is %d in the ledger, the position says %d", a.name, is, a.says)
			}
		}
		if p.Payable+p.Frozen != p.Open.Net+p.Returned {
			x.wrong("settlement", subject, "payable %d and frozen %d against %d in the open payout and %d returned", p.Payable, p.Frozen, p.Open.Net, p.Returned)
		}
		if min(p.Frozen, p.Reserved, p.Retained, p.Stopped, p.InTransit, p.Returned) < 0 {
			x.wrong("settlement", subject, "a part that cannot be negative is")
		}
		var transit, stopped, paid, returned int64
		for _, o := range x.payouts {
			switch {
			case o.Currency != p.Currency:
			case o.State == settlement.Stopped:
				stopped += o.Amount
			case o.State == settlement.Rejected || o.State == settlement.Returned:
				returned += o.Amount - o.Resent
			case o.Paid:
				paid += o.Amount
			default:
				transit += o.Amount
			}
		}
		for _, a := range []struct {
			what     string
			sum, has int64
		}{{"in transit", transit, p.InTransit}, {"stopped", stopped, p.Stopped}, {"paid", paid, p.Paid}, {"returned", returned, p.Returned}} {
			if a.sum != a.has {
				x.wrong("settlement", subject, "payouts of %d are %s, the position says %d", a.sum, a.what, a.has)
			}
		}
	}
	return nil
}

// count is how many lines there are of something, and what they come to.
type count struct{ lines, net int64 }

// counts sums lines by a column.
func (x *audit) counts(column string) (map[string]count, error) {
	rows, err := x.query(x.ctx, "SELECT "+column+", COUNT(*), CAST(SUM(net) AS BIGINT) FROM settlement_line WHERE merchant = $1 GROUP BY "+column, x.mid)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]count{}
	for rows.Next() {
		var name string
		var c count
		if err := rows.Scan(&name, &c.lines, &c.net); err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// lines holds payouts and lines against each other, one to one (F3): each payout
// that replaces none is the sum of its lines, each line is of one payout, and
// each that replaces one replaces what came back.
func (x *audit) lines() error {
	counts, err := x.counts("payout")
	if err != nil {
		return err
	}
	resent := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(x.payouts)) {
		p := x.payouts[id]
		subject := "payout " + id
		c := counts[id]
		delete(counts, id)
		if p.Replaces == "" {
			if c.net != p.Amount || c.lines != p.Lines {
				x.wrong("settlement", subject, "it is of %d and %d lines, its lines are %d and come to %d", p.Amount, p.Lines, c.lines, c.net)
			}
			continue
		}
		resent[p.Replaces] += p.Amount
		old, ok := x.payouts[p.Replaces]
		switch {
		case c.lines != 0:
			x.wrong("settlement", subject, "it replaces %s and has %d lines of its own", p.Replaces, c.lines)
		case !ok || old.State != settlement.Rejected && old.State != settlement.Returned:
			x.wrong("settlement", subject, "it sends again what did not come back (%s)", p.Replaces)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.payouts)) {
		if p := x.payouts[id]; p.Resent != resent[id] || p.Resent > p.Amount {
			x.wrong("settlement", "payout "+id, "%d of %d was sent again, payouts that name it come to %d", p.Resent, p.Amount, resent[id])
		}
	}
	for i := range x.standing {
		o := x.standing[i].Open
		if o.ID == "" {
			continue
		}
		if c := counts[o.ID]; c != (count{o.Lines, o.Net}) {
			x.wrong("settlement", "open payout "+o.ID, "it is of %d and %d lines, its lines are %d and come to %d", o.Net, o.Lines, c.lines, c.net)
		}
		delete(counts, o.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		x.wrong("settlement", "payout "+id, "%d lines name a payout that is not kept", counts[id].lines)
	}
	return nil
}

func (x *audit) batches() error {
	all, err := readable(x, "batch", body.DecodeSettlement, "SELECT body FROM settlement_batch WHERE merchant = $1 ORDER BY id", x.mid)
	if err != nil {
		return err
	}
	counts, err := x.counts("batch")
	if err != nil {
		return err
	}
	for _, b := range all {
		if c := counts[b.ID]; c != (count{b.Lines, b.Net}) {
			x.wrong("settlement", "batch "+b.ID, "it is of %d and %d lines, its lines are %d and come to %d", b.Net, b.Lines, c.lines, c.net)
		}
		delete(counts, b.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		x.wrong("settlement", "batch "+id, "%d lines are of a batch that is not kept", counts[id].lines)
	}
	return nil
}

// due holds what waits to be settled against merchant_pending: together they are
// all that was captured and not settled.
func (x *audit) due() error {
	if len(x.standing) == 0 {
		return nil
	}
	rows, err := x.query(x.ctx, `SELECT p.currency, d.payment, d.effect, l.kind, l.gross FROM settlement_due d
		JOIN payment p ON p.merchant = d.merchant AND p.id = d.payment
		LEFT JOIN settlement_line l ON l.merchant = d.merchant AND l.payment = d.payment
		WHERE d.merchant = $1 ORDER BY d.payment`, x.mid)
	if err != nil {
		return err
	}
	defer rows.Close()
	pending := map[string]int64{}
	last := ""
	for rows.Next() {
		var currency string
		var id sql.RawBytes
		var effect int64
		var kind sql.NullString
		var gross sql.NullInt64
		if err := rows.Scan(&currency, &id, &effect, &kind, &gross); err != nil {
			return err
		}
		if string(id) != last {
			pending[currency] += effect
			last = string(id)
		}
		if kind.String == evidence.Void.String() || kind.String == evidence.Refund.String() {
			gross.Int64 = -gross.Int64
		}
		pending[currency] -= gross.Int64
	}
	for i := range x.standing {
		c := x.standing[i].Currency
		if is := x.balance(c, ledger.MerchantPending); is != pending[c.String()] {
			x.wrong("settlement", "pending "+c.String(), "merchant_pending is %d in the ledger, %d waits to be settled", is, pending[c.String()])
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// shares holds the merchant's parts of networks' days against their lines and
// against what the networks still owe (F8).
func (x *audit) shares() error {
	all, err := readable(x, "clearing share", body.DecodeShare, "SELECT body FROM clearing_share WHERE merchant = $1 ORDER BY network, date", x.mid)
	if err != nil {
		return err
	}
	owed := map[money.Currency]int64{}
	for _, h := range all {
		owed[h.Currency] += h.Cleared - h.Funded
	}
	if x.mid == settlement.House {
		days, err := readable(x, "clearing day", body.DecodeDay, "SELECT body FROM clearing_day WHERE merchant = $1 ORDER BY network, date", x.mid)
		if err != nil {
			return err
		}
		for _, d := range days {
			owed[d.Currency] -= d.House
		}
	}
	lines, err := x.parts()
	if err != nil {
		return err
	}
	for _, h := range all {
		k := [2]string{h.Network, h.Date.String()}
		if lines[k] != h.Cleared {
			x.wrong("clearing", h.Network+" "+h.Date.String(), "its share is %d, its lines come to %d", h.Cleared, lines[k])
		}
		delete(lines, k)
	}
	for k := range lines {
		x.wrong("clearing", k[0]+" "+k[1], "lines have no share")
	}
	for c, v := range owed {
		if is := x.balance(c, ledger.NetworkCleared); is != v {
			x.wrong("clearing", c.String(), "network_cleared is %d in the ledger, shares that are not funded come to %d", is, v)
		}
	}
	return nil
}

// changes are the rows that payouts had, whoever wrote them.
type changes map[string][]settlement.Payout

func (c changes) add(raw []byte) error {
	p, err := body.DecodePayout(raw)
	if err == nil {
		c[p.ID] = append(c[p.ID], settlement.Payout{ID: p.ID, State: p.State, Version: p.Version})
	}
	return err
}

// check says of every payout whether its versions rise by one along legal states.
func (c changes) check() (wrong []error) {
	for _, id := range slices.Sorted(maps.Keys(c)) {
		rows := c[id]
		slices.SortFunc(rows, func(a, b settlement.Payout) int { return cmp.Compare(a.Version, b.Version) })
		var before *settlement.Payout
		for i := range rows {
			if err := settlement.CheckChange(before, &rows[i]); err != nil {
				wrong = append(wrong, err)
				break
			}
			before = &rows[i]
		}
	}
	return wrong
}

// parts gives what the lines of each network's day come to, and finds the parts that
// do not hold what they say.
func (x *audit) parts() (lines map[[2]string]int64, err error) {
	rows, err := x.query(x.ctx, "SELECT network, date, lines, signed, body FROM clearing_part WHERE merchant = $1", x.mid)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	lines = map[[2]string]int64{}
	for rows.Next() {
		var network, date string
		var count, signed int64
		var raw []byte
		if err := rows.Scan(&network, &date, &count, &signed, &raw); err != nil {
			return nil, err
		}
		all, err := body.DecodeCleared(nil, x.mid, network, 0, raw)
		if err != nil {
			x.wrong("clearing", network+" "+date, "a row cannot be read: %v", err)
			continue
		}
		sum := int64(0)
		for i := range all {
			sum += all[i].Signed
		}
		if int64(len(all)) != count || sum != signed {
			x.wrong("clearing", network+" "+date, "a row of %d lines of %d holds %d of %d", count, signed, len(all), sum)
		}
		lines[[2]string{network, date}] += signed
	}
	return lines, errors.Join(rows.Err(), rows.Close())
}

// packs finds packs of evidence that cannot be read.
func (x *audit) packs() error {
	return eachPack(x.ctx, x.query, func(p *packed) error {
		if _, err := p.lines(); err != nil {
			x.wrong("evidence", p.source, "%v", err)
		}
		return nil
	}, "merchant = $1", x.mid)
}
