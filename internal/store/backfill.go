package store

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"daozhang/internal/payment"
	"daozhang/internal/store/body"
)

// backfillVersion is the migration that notes what was captured before there was
// settlement. It reads the rows' bodies, so it is no SQL.
const (
	backfillVersion = 4
	backfillName    = "00004_captured_before.go"
)

func backfill() *goose.Migration {
	return goose.NewGoMigration(backfillVersion, &goose.GoFunc{RunTx: noteCaptured}, nil)
}

// noteCaptured puts the captures that no line has settled into settlement_due,
// and into clearing_due, page by page. What is there stays.
func noteCaptured(ctx context.Context, tx *sql.Tx) error {
	mid, id := "", payment.ID{}
	for {
		page, err := collect(ctx, tx.QueryContext, body.DecodeTransaction, `SELECT body FROM payment WHERE (merchant > $1 OR merchant = $1 AND id > $2)
			AND operation IN ('sale', 'offline', 'completion', 'refund') AND state IN ('approved', 'reversing')
			AND NOT EXISTS (SELECT 1 FROM settlement_line l WHERE l.merchant = payment.merchant AND l.payment = payment.id)
			ORDER BY merchant, id LIMIT 1000`, mid, id[:])
		if err != nil {
			return err
		}
		for i := range page {
			t := &page[i]
			mid, id = t.MID, t.ID
			effect := effectOf(t)
			if effect == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, dueTable.values(ignore, 1), t.MID, id[:], effect); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, unclearedTable.values(ignore, 1), t.MID, id[:], t.Network, t.BusinessDate.String()); err != nil {
				return err
			}
		}
		if len(page) < 1000 {
			return nil
		}
	}
}
