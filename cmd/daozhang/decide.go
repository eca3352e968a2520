package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// deskNode is the name under which people's decisions are written.
const deskNode = "desk"

// decider is where people look at merchants and payouts and decide about them.
type decider struct {
	*backoffice.Office
	db *store.Store
}

// look opens the database of a command for reading, also while the server runs.
func (m *Main) look(cmd *cobra.Command, database string, do func(d *decider) error) error {
	return m.atDesk(cmd, database, store.Options{Registers: true}, do)
}

// decide opens it for writing. An embedded database has one writer.
func (m *Main) decide(cmd *cobra.Command, database string, do func(d *decider) error) error {
	err := m.atDesk(cmd, database, store.Options{}, do)
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Conflict && e.Subject == "" && strings.Contains(e.Error(), "database") {
		return fault.New(fault.Conflict, fault.Say("open the database for a decision", "打开数据库以登记决定"), "", err,
			fault.Say("the embedded database has one writer, the server: stop it for the moment; on PostgreSQL both work at once",
				"内嵌数据库只能由服务写入：请暂停服务再操作；使用 PostgreSQL 时可同时进行"))
	}
	return err
}

func (m *Main) atDesk(cmd *cobra.Command, database string, o store.Options, do func(d *decider) error) (err error) {
	if o.Database, err = m.databaseOf(cmd, nil, database); err != nil {
		return err
	}
	o.Node = deskNode
	db, err := store.Open(cmd.Context(), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(&decider{db: db, Office: officeOver(db, m.Zone, m.Now)})
}

// officeOver is the back office as people decide in it: without networks, banks and
// folders.
func officeOver(db *store.Store, zone *time.Location, now func() time.Time) *backoffice.Office {
	return &backoffice.Office{Keeper: db, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: zone}
}

// person is the flag of who acts.
func (m *Main) person(f *pflag.FlagSet) *string {
	return f.String("by", "", m.say(text{"your `NAME`, for the record", "操作人姓名 `NAME`，留作记录"}))
}

// paged is how many transactions are looked at at once.
const paged = 1000

// trade is what the books know of a merchant's trade: the days with captured sales
// on which risk held nothing.
func (d *decider) trade(ctx context.Context, mid string) (merchant.Trade, error) {
	return tradeOf(ctx, d.db, mid)
}

func tradeOf(ctx context.Context, db *store.Store, mid string) (merchant.Trade, error) {
	sold, held := map[calendar.Date]bool{}, map[calendar.Date]bool{}
	for after := (payment.ID{}); ; {
		page, err := db.Payments(ctx, mid, after, paged)
		if err != nil {
			return merchant.Trade{}, err
		}
		for i := range page {
			t := &page[i]
			after = t.ID
			if t.Booked && t.Operation.Kind() == payment.Sale.Kind() {
				sold[t.BusinessDate] = true
			}
			if t.Held {
				held[t.BusinessDate] = true
			}
		}
		if len(page) < paged {
			break
		}
	}
	var t merchant.Trade
	for day := range sold {
		if !held[day] {
			t.NormalDays++
		}
	}
	return t, nil
}
