-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 UTC,
-- identifiers the 16 bytes of a UUID, amounts minor units, dates YYYY-MM-DD.
-- Tables that grow with payments have the merchant in their primary and unique
-- keys, so that they can be distributed by it; no triggers, no foreign keys
-- between them. The others are reference tables.

-- +goose Up

-- Grows with payments.

CREATE TABLE payment (
	merchant      TEXT    NOT NULL,
	id            BYTEA   NOT NULL,
	version       BIGINT  NOT NULL,
	operation     TEXT    NOT NULL,
	state         TEXT    NOT NULL,
	open          BIGINT  NOT NULL, -- 1 while the state changes without the terminal asking
	tid           TEXT    NOT NULL,
	batch         TEXT    NOT NULL,
	stan          TEXT    NOT NULL,
	rrn           TEXT,
	original      BYTEA,
	received      BIGINT  NOT NULL,
	business_date TEXT,
	currency      TEXT    NOT NULL,
	amount        BIGINT  NOT NULL,
	body          TEXT    NOT NULL, -- the whole row as JSON
	PRIMARY KEY (merchant, id),
	UNIQUE (merchant, tid, batch, stan),
	UNIQUE (rrn, merchant)
);
CREATE INDEX payment_id ON payment (id);
CREATE INDEX payment_open ON payment (received) WHERE open = 1;
CREATE INDEX payment_original ON payment (merchant, original) WHERE original IS NOT NULL;

-- What each step wrote, in the order in which the node committed it: the state
-- tables follow from it.
CREATE TABLE journal (
	merchant TEXT   NOT NULL,
	node     TEXT   NOT NULL,
	pos      BIGINT NOT NULL,
	at       BIGINT NOT NULL,
	step     TEXT   NOT NULL,
	PRIMARY KEY (merchant, node, pos)
);
CREATE INDEX journal_pos ON journal (node, pos);

CREATE TABLE ledger_transfer (
	merchant TEXT   NOT NULL,
	seq      BIGINT NOT NULL, -- place in the merchant's chain
	id       BYTEA  NOT NULL,
	key      TEXT   NOT NULL,
	currency TEXT   NOT NULL,
	debit    TEXT   NOT NULL,
	credit   TEXT   NOT NULL,
	amount   BIGINT NOT NULL CHECK (amount > 0),
	phase    TEXT   NOT NULL,
	of_id    BYTEA, -- the pending transfer that this one finishes
	at       BIGINT NOT NULL,
	date     TEXT   NOT NULL,
	payment  BYTEA,
	reason   TEXT   NOT NULL,
	hash     BYTEA  NOT NULL,
	PRIMARY KEY (merchant, seq),
	UNIQUE (merchant, key),
	UNIQUE (merchant, of_id)
);
CREATE INDEX ledger_transfer_payment ON ledger_transfer (merchant, payment) WHERE payment IS NOT NULL;

CREATE TABLE ledger_head (
	merchant TEXT   NOT NULL PRIMARY KEY,
	seq      BIGINT NOT NULL,
	hash     BYTEA  NOT NULL
);

CREATE TABLE ledger_balance (
	merchant        TEXT   NOT NULL,
	currency        TEXT   NOT NULL,
	account         TEXT   NOT NULL,
	debits          BIGINT NOT NULL CHECK (debits >= 0),
	credits         BIGINT NOT NULL CHECK (credits >= 0),
	pending_debits  BIGINT NOT NULL CHECK (pending_debits >= 0),
	pending_credits BIGINT NOT NULL CHECK (pending_credits >= 0),
	PRIMARY KEY (merchant, currency, account)
);

-- Pending transfers that are neither posted nor voided.
CREATE TABLE ledger_open (
	merchant TEXT   NOT NULL,
	id       BYTEA  NOT NULL,
	seq      BIGINT NOT NULL,
	PRIMARY KEY (merchant, id)
);

CREATE TABLE evidence (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	source   TEXT   NOT NULL,
	hash     BYTEA  NOT NULL, -- of the line: versions that differ are all kept
	node     TEXT   NOT NULL,
	pos      BIGINT NOT NULL,
	type     TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	line     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id, source, hash)
);
CREATE INDEX evidence_pos ON evidence (node, pos);

CREATE TABLE outgoing (
	merchant TEXT   NOT NULL,
	payment  BYTEA  NOT NULL,
	kind     TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	next     BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, payment, kind)
);
CREATE INDEX outgoing_due ON outgoing (next) WHERE state = 'due';

CREATE TABLE payment_exception (
	merchant TEXT   NOT NULL,
	id       BYTEA  NOT NULL,
	payment  BYTEA,
	kind     TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	owner    TEXT   NOT NULL,
	opened   BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX payment_exception_open ON payment_exception (opened) WHERE state = 'open';

CREATE TABLE terminal_batch (
	merchant TEXT   NOT NULL,
	tid      TEXT   NOT NULL,
	number   TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	opened   BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, tid, number)
);
CREATE INDEX terminal_batch_last ON terminal_batch (merchant, tid, opened);

-- Reference tables.

-- Facts that are about no single merchant: links, notices, calendars.
CREATE TABLE evidence_reference (
	id     TEXT   NOT NULL,
	source TEXT   NOT NULL,
	hash   BYTEA  NOT NULL,
	node   TEXT   NOT NULL,
	pos    BIGINT NOT NULL,
	type   TEXT   NOT NULL,
	at     BIGINT NOT NULL,
	line   TEXT   NOT NULL,
	PRIMARY KEY (id, source, hash)
);
CREATE INDEX evidence_reference_pos ON evidence_reference (node, pos);

-- One process at a time writes as a node. pos counts what it wrote; every commit
-- moves it on, so after a lost connection it tells whether the last one happened.
CREATE TABLE node (
	name   TEXT   NOT NULL PRIMARY KEY,
	opened BIGINT NOT NULL,
	pos    BIGINT NOT NULL
);

CREATE TABLE merchant (
	mid     TEXT   NOT NULL PRIMARY KEY,
	changed BIGINT NOT NULL,
	body    TEXT   NOT NULL
);

CREATE TABLE terminal (
	tid     TEXT   NOT NULL PRIMARY KEY,
	mid     TEXT   NOT NULL,
	changed BIGINT NOT NULL,
	body    TEXT   NOT NULL
);
CREATE INDEX terminal_mid ON terminal (mid);

CREATE TABLE route (
	id      TEXT   NOT NULL PRIMARY KEY,
	changed BIGINT NOT NULL,
	body    TEXT   NOT NULL
);

CREATE TABLE risk_list (
	list    TEXT   NOT NULL,
	value   TEXT   NOT NULL, -- a token, a merchant or a terminal; never a card number
	reason  TEXT   NOT NULL,
	until   BIGINT NOT NULL, -- 0: no end
	changed BIGINT NOT NULL,
	PRIMARY KEY (list, value)
);

CREATE TABLE api_key (
	id      TEXT   NOT NULL PRIMARY KEY,
	hash    BYTEA  NOT NULL UNIQUE,
	role    TEXT   NOT NULL,
	created BIGINT NOT NULL,
	revoked BIGINT NOT NULL, -- 0: in force
	used    BIGINT NOT NULL, -- to the minute
	body    TEXT   NOT NULL
);

-- +goose Down
DROP TABLE payment;
DROP TABLE journal;
DROP TABLE ledger_transfer;
DROP TABLE ledger_head;
DROP TABLE ledger_balance;
DROP TABLE ledger_open;
DROP TABLE evidence;
DROP TABLE outgoing;
DROP TABLE payment_exception;
DROP TABLE terminal_batch;
DROP TABLE evidence_reference;
DROP TABLE node;
DROP TABLE merchant;
DROP TABLE terminal;
DROP TABLE route;
DROP TABLE risk_list;
DROP TABLE api_key;
