package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"daozhang/internal/keyring"
)

// Cabinet keeps the keyring that the nodes on a PostgreSQL database share. It is a
// keyring.Cabinet: it sees names and sealed bytes, and no key.
type Cabinet struct {
	s  *Store
	db *sql.DB
}

var _ keyring.Cabinet = (*Cabinet)(nil)

// cabinetWithin bounds one look into the database.
const cabinetWithin = 5 * time.Second

// Cabinet opens it. fault.Usage for SQLite, which one node has to itself.
func (s *Store) Cabinet(ctx context.Context) (*Cabinet, error) {
	d, err := s.several()
	if err != nil {
		return nil, err
	}
	db, err := d.admin(ctx, false)
	if err != nil {
		return nil, err
	}
	return &Cabinet{s, db}, nil
}

// Close gives its connections back.
func (c *Cabinet) Close() error { return c.db.Close() }

// Put implements keyring.Cabinet. The series is locked until the change is
// durable, so that changes become visible in the order of their numbers.
func (c *Cabinet) Put(name string, sealed []byte, fresh bool) (put bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), cabinetWithin)
	defer cancel()
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return false, c.s.failed("write keyring in", err)
	}
	defer tx.Rollback()
	var number int64
	err = tx.QueryRowContext(ctx, `INSERT INTO number_series (name, next) VALUES ('keyring', 1)
		ON CONFLICT (name) DO UPDATE SET next = number_series.next + 1 RETURNING next`).Scan(&number)
	if err != nil {
		return false, c.s.failed("write keyring in", err)
	}
	q := "INSERT INTO keyring_slot (name, changed, sealed) VALUES ($1, $2, $3) ON CONFLICT (name) DO "
	if fresh {
		q += "NOTHING"
	} else {
		q += "UPDATE SET changed = excluded.changed, sealed = excluded.sealed"
	}
	res, err := tx.ExecContext(ctx, q, name, number, sealed)
	if err != nil {
		return false, c.s.failed("write keyring in", err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 1 {
		err = tx.Commit()
	}
	return err == nil && n == 1, c.s.failed("write keyring in", err)
}

// Changed implements keyring.Cabinet.
func (c *Cabinet) Changed(after int64) (slots []keyring.Slot, now int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), cabinetWithin)
	defer cancel()
	rows, err := c.db.QueryContext(ctx, "SELECT name, changed, sealed FROM keyring_slot WHERE changed > $1 ORDER BY changed", after)
	if err != nil {
		return nil, after, c.s.failed("read keyring from", err)
	}
	now = after
	for rows.Next() {
		var slot keyring.Slot
		if err = rows.Scan(&slot.Name, &now, &slot.Sealed); err != nil {
			break
		}
		slots = append(slots, slot)
	}
	return slots, now, c.s.failed("read keyring from", errors.Join(err, rows.Err(), rows.Close()))
}
