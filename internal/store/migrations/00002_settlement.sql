-- From the captured payment to the merchant's bank account. As in 00001: one text
-- for both databases; what grows begins its keys with the merchant; what belongs
-- to no merchant (a network's day, what it paid too much) stands under HOUSE.

-- +goose Up

-- What is owed to a merchant beyond what is pending.
CREATE TABLE settlement_position (
	merchant TEXT   NOT NULL,
	currency TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, currency)
);

CREATE TABLE settlement_batch (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	currency TEXT   NOT NULL,
	day      TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX settlement_batch_day ON settlement_batch (merchant, currency, day);
CREATE INDEX settlement_batch_open ON settlement_batch (merchant, currency) WHERE state = 'settling';

-- A batch's lines are all of one payout, so they lie together and in order.
CREATE TABLE settlement_line (
	merchant TEXT   NOT NULL,
	payout   TEXT   NOT NULL,
	batch    TEXT   NOT NULL,
	seq      BIGINT NOT NULL,
	payment  BYTEA, -- and turn, or
	turn     BIGINT NOT NULL,
	extra    TEXT,  -- and kind: what the line is about, once
	kind     TEXT   NOT NULL,
	gross    BIGINT NOT NULL CHECK (gross >= 0),
	fee      BIGINT NOT NULL,
	net      BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, payout, batch, seq)
);
CREATE UNIQUE INDEX settlement_line_payment ON settlement_line (merchant, payment, turn) WHERE payment IS NOT NULL;
CREATE UNIQUE INDEX settlement_line_extra ON settlement_line (merchant, extra, kind) WHERE extra IS NOT NULL;

-- Transactions whose effect on merchant_pending is not what lines have settled:
-- put in with the step that moves it, taken out with the line that settles it,
-- where the effect is still the one that the line knew.
CREATE TABLE settlement_due (
	merchant TEXT   NOT NULL,
	payment  BYTEA  NOT NULL,
	effect   BIGINT NOT NULL,
	PRIMARY KEY (merchant, payment)
);

CREATE TABLE settlement_extra (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	currency TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	batch    TEXT, -- that settled it; then it does not change
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX settlement_extra_waiting ON settlement_extra (merchant, currency, at) WHERE batch IS NULL;

CREATE TABLE settlement_reserve (
	merchant TEXT   NOT NULL,
	batch    TEXT   NOT NULL, -- that took it
	currency TEXT   NOT NULL,
	released TEXT, -- the batch that gave it back; then it does not change
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, batch)
);
CREATE INDEX settlement_reserve_held ON settlement_reserve (merchant, currency) WHERE released IS NULL;

CREATE TABLE settlement_hold (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	released TEXT, -- the day; then it does not change
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);

CREATE TABLE payout (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	state    TEXT   NOT NULL,
	day      TEXT   NOT NULL,
	open     BIGINT NOT NULL, -- 1 while something is still to be done or to be heard
	due      BIGINT NOT NULL, -- when it is asked about; 0 for never
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX payout_id ON payout (id);
CREATE INDEX payout_open ON payout (merchant, id) WHERE open = 1;
CREATE INDEX payout_due ON payout (due) WHERE due > 0;

-- A network's business day: the shares of all merchants, and line by line what
-- its file said.
CREATE TABLE clearing_day (
	merchant TEXT   NOT NULL, -- HOUSE
	network  TEXT   NOT NULL,
	date     TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	state    TEXT   NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, network, date)
);

CREATE TABLE clearing_share (
	merchant TEXT   NOT NULL,
	network  TEXT   NOT NULL,
	date     TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, network, date)
);
CREATE INDEX clearing_share_day ON clearing_share (network, date, merchant);

CREATE TABLE clearing_line (
	merchant TEXT   NOT NULL,
	network  TEXT   NOT NULL,
	date     TEXT   NOT NULL,
	key      TEXT   NOT NULL,
	payment  BYTEA,
	kind     TEXT   NOT NULL,
	signed   BIGINT NOT NULL,
	outcome  TEXT   NOT NULL,
	PRIMARY KEY (merchant, network, date, key)
);
CREATE INDEX clearing_line_payment ON clearing_line (merchant, payment) WHERE payment IS NOT NULL;

-- Captured transactions that no file has cleared.
CREATE TABLE clearing_due (
	merchant TEXT   NOT NULL,
	payment  BYTEA  NOT NULL,
	network  TEXT   NOT NULL,
	date     TEXT   NOT NULL, -- business date
	PRIMARY KEY (merchant, payment)
);
CREATE INDEX clearing_due_network ON clearing_due (network, merchant, date);

-- What was agreed with merchants and who decided it.
CREATE TABLE merchant_record (
	merchant TEXT   NOT NULL PRIMARY KEY,
	version  BIGINT NOT NULL,
	state    TEXT   NOT NULL,
	body     TEXT   NOT NULL
);

CREATE TABLE merchant_event (
	merchant TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	what     TEXT   NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, version)
);

-- Reference table: what became of the files that came in.
CREATE TABLE filing (
	folder   TEXT   NOT NULL,
	hash     TEXT   NOT NULL,
	received BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (folder, hash)
);
CREATE INDEX filing_received ON filing (folder, received);

-- +goose Down
DROP TABLE settlement_position;
DROP TABLE settlement_batch;
DROP TABLE settlement_line;
DROP TABLE settlement_due;
DROP TABLE settlement_extra;
DROP TABLE settlement_reserve;
DROP TABLE settlement_hold;
DROP TABLE payout;
DROP TABLE clearing_day;
DROP TABLE clearing_share;
DROP TABLE IF EXISTS clearing_line;
DROP TABLE clearing_due;
DROP TABLE merchant_record;
DROP TABLE merchant_event;
DROP TABLE filing;
