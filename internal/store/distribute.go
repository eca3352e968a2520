package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"daozhang/internal/fault"
)

// reference are the tables that hold what is registered and what is about no
// merchant. Distributed, every machine has a copy of them.
var reference = []string{"evidence_reference", "merchant", "terminal", "route", "risk_list", "filing", "api_key", "person", "person_session", "audit", "intake_file", "intake_expectation", "notify_receiver", "notify_log", "saved_view", "api_call", "api_request"}

// local are the tables by which nodes get on with each other. Distributed, they
// stay on the coordinator, where the sessions are that hold the nodes' locks.
var local = []string{"node", "node_place", "node_part", "number_series", "keyring_slot"}

// growing are the tables that grow with payments, the first the one that the
// others lie beside.
func growing() (names []string) {
	for _, t := range tables {
		if t.merchant && !t.part && t != paymentTable {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	return append([]string{paymentTable.name}, names...)
}

// Placement is one table of a distributed database.
type Placement struct {
	Table string
	// How is "distributed" (by merchant, its rows beside those of the same merchant
	// in the other tables), "reference" or "local".
	How string
	// Statements turn it into that; none where it is so already.
	Statements []string
}

// Distribute turns the schema of a PostgreSQL database with the extension Citus
// into distributed and reference tables, and gives what it did, or, on a dry run,
// what it would do. What is done is left alone, so it can be run again after an
// interruption or a migration. Rows that are there move to the workers.
//
// The error is of kind fault.Usage for an embedded database, and fault.Conflict
// where the extension or the schema is not there.
func Distribute(ctx context.Context, database string, dry bool) ([]Placement, error) {
	op := fault.Say("distribute database", "分布数据库")
	d, err := dialectOf(database)
	if err != nil {
		return nil, err
	}
	if _, ok := d.(*postgres); !ok {
		return nil, fault.New(fault.Usage, op, d.String(), fault.Say("the embedded database lies on one machine", "内嵌数据库只在一台机器上"),
			fault.Say("name a PostgreSQL database with the extension Citus: postgres://user@coordinator/name", "请给出带 Citus 扩展的 PostgreSQL: postgres://user@coordinator/name"))
	}
	db, err := d.admin(ctx, false)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := current(ctx, db, d); err != nil {
		return nil, err
	}
	there, err := citus(ctx, db)
	if err != nil {
		return nil, trouble(d, "distribute", err)
	}
	if !there {
		return nil, fault.New(fault.Conflict, op, d.String(), fault.Say("the extension citus is not there", "没有 citus 扩展"),
			fault.Say("load citus on every machine (shared_preload_libraries), CREATE EXTENSION citus in this database, add the workers by citus_add_node, and try again",
				"请在每台机器加载 citus (shared_preload_libraries), 在此数据库执行 CREATE EXTENSION citus, 用 citus_add_node 加入工作节点后重试"))
	}
	plan, err := placements(ctx, db)
	if err != nil || dry {
		return plan, trouble(d, "distribute", err)
	}
	for _, p := range plan {
		for _, statement := range p.Statements {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return nil, fault.New(fault.Internal, op, p.Table, fmt.Errorf("%s: %w", statement, err), fault.Say("what was done before it stays; mend the cause and run it again", "此前已完成的不受影响, 排除原因后重新执行"))
			}
		}
	}
	return plan, nil
}

// citus reports whether the extension is there.
func citus(ctx context.Context, db *sql.DB) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_extension WHERE extname = 'citus'").Scan(&n)
	return n > 0, err
}

// distributed reports whether the tables lie on several machines.
func distributed(ctx context.Context, conn *sql.Conn) (there bool, err error) {
	err = conn.QueryRowContext(ctx, "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL").Scan(&there)
	if err != nil || !there {
		return false, err
	}
	err = conn.QueryRowContext(ctx, "SELECT COUNT(*) > 0 FROM pg_dist_partition WHERE logicalrelid = to_regclass('payment')").Scan(&there)
	return there, err
}

// placements gives what every table is to be and what is still to be done for it.
func placements(ctx context.Context, db *sql.DB) ([]Placement, error) {
	rows, err := db.QueryContext(ctx, "SELECT c.relname::text FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid WHERE c.relnamespace = current_schema()::regnamespace")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		done[name] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var plan []Placement
	add := func(table, how, statement string) {
		p := Placement{Table: table, How: how}
		if !done[table] && statement != "" {
			p.Statements = []string{statement, fmt.Sprintf("SELECT truncate_local_data_after_distributing_table('%s')", table)}
		}
		plan = append(plan, p)
	}
	for i, table := range growing() {
		beside := "none"
		if i > 0 {
			beside = paymentTable.name
		}
		add(table, "distributed", fmt.Sprintf("SELECT create_distributed_table('%s', 'merchant', colocate_with => '%s')", table, beside))
	}
	for _, table := range reference {
		add(table, "reference", fmt.Sprintf("SELECT create_reference_table('%s')", table))
	}
	for _, table := range local {
		add(table, "local", "")
	}
	return plan, nil
}
