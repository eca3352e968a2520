-- What a network's file says of one merchant is told, read and replaced together, so
-- it lies together: some hundred lines in a row, compressed.

-- +goose Up
CREATE TABLE evidence_pack (
	merchant TEXT   NOT NULL,
	source   TEXT   NOT NULL,
	scope    TEXT   NOT NULL, -- what the ids of its facts begin with
	hash     BYTEA  NOT NULL, -- of the lines
	node     TEXT   NOT NULL,
	pos      BIGINT NOT NULL, -- of the last fact; those before it have the positions before
	facts    BIGINT NOT NULL,
	body     BYTEA  NOT NULL, -- NDJSON, Zstandard
	PRIMARY KEY (merchant, source, scope, hash)
);
CREATE INDEX evidence_pack_pos ON evidence_pack (node, pos);

CREATE TABLE clearing_part (
	merchant TEXT   NOT NULL,
	network  TEXT   NOT NULL,
	date     TEXT   NOT NULL,
	part     BIGINT NOT NULL, -- from 1, in order of the lines' keys
	lines    BIGINT NOT NULL,
	signed   BIGINT NOT NULL, -- what they come to
	body     BYTEA  NOT NULL, -- JSON, Zstandard
	PRIMARY KEY (merchant, network, date, part)
);

-- +goose Down
DROP TABLE evidence_pack;
DROP TABLE clearing_part;
