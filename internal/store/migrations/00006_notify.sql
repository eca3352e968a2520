-- What was told, to whom, and what is on its way; and what programs asked.

-- +goose Up

-- Events as they were told. seq is the place in the log, 0 until the leader gives
-- one. Rows are added and, after their time, removed; only seq is ever changed.
CREATE TABLE notify_event (
	merchant TEXT   NOT NULL, -- '' for the platform itself
	id       TEXT   NOT NULL,
	seq      BIGINT NOT NULL,
	type     TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	share    BIGINT NOT NULL, -- 1: for the merchant alone
	at       BIGINT NOT NULL, -- by the clock of the business
	made     BIGINT NOT NULL, -- by the machine's
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX notify_event_unposted ON notify_event (made, id) WHERE seq = 0;
CREATE INDEX notify_event_seq ON notify_event (seq);
CREATE INDEX notify_event_of_merchant ON notify_event (merchant, seq);
CREATE INDEX notify_event_id ON notify_event (id);
CREATE INDEX notify_event_made ON notify_event (made);

-- What was told last of each subject of which there may be more to tell.
CREATE TABLE notify_mark (
	merchant TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, subject)
);

-- An event on its way to a receiver.
CREATE TABLE notify_delivery (
	merchant TEXT   NOT NULL, -- of the event
	receiver TEXT   NOT NULL,
	event    TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	seq      BIGINT NOT NULL, -- of the event
	state    TEXT   NOT NULL,
	next     BIGINT NOT NULL, -- 0: it is not tried again
	made     BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, receiver, event)
);
CREATE INDEX notify_delivery_due ON notify_delivery (receiver, seq) WHERE state = 'due';
CREATE INDEX notify_delivery_seq ON notify_delivery (receiver, seq);
CREATE INDEX notify_delivery_made ON notify_delivery (made);

-- Reference tables: a row a receiver, one row for the log, and for each key and
-- node as many requests as are shown.
CREATE TABLE notify_receiver (
	id      TEXT   NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	body    TEXT   NOT NULL
);

CREATE TABLE notify_log (
	name    TEXT   NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL, -- the last place that is taken
	body    TEXT   NOT NULL  -- the first event of those that took places last
);
INSERT INTO notify_log (name, version, body) VALUES ('events', 0, '');

CREATE TABLE api_call (
	key_id TEXT   NOT NULL,
	node   TEXT   NOT NULL,
	slot   BIGINT NOT NULL,
	at     BIGINT NOT NULL,
	body   TEXT   NOT NULL,
	PRIMARY KEY (key_id, node, slot)
);
CREATE INDEX api_call_at ON api_call (at);

-- +goose Down
DROP TABLE notify_event;
DROP TABLE notify_mark;
DROP TABLE notify_delivery;
DROP TABLE notify_receiver;
DROP TABLE notify_log;
DROP TABLE api_call;
