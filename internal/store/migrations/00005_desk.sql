-- The desk: cases and their history, files, and what waits for a second person. All
-- belong to a merchant, or to HOUSE, and lie beside its other rows.

-- +goose Up

-- A case is what people made of an item of work; subject is what the item is within
-- its merchant. watched is 1 while lists of work have to look at it.
CREATE TABLE desk_case (
	merchant TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	watched  BIGINT NOT NULL,
	state    TEXT   NOT NULL,
	owner    TEXT   NOT NULL,
	changed  BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, subject)
);
CREATE INDEX desk_case_watched ON desk_case (merchant, subject) WHERE watched = 1;
CREATE INDEX desk_case_settled ON desk_case (changed, merchant, subject) WHERE state = 'resolved';

CREATE TABLE desk_event (
	merchant TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, subject, version)
);

CREATE TABLE desk_file (
	merchant TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	hash     TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	body     TEXT   NOT NULL,
	content  BYTEA  NOT NULL,
	PRIMARY KEY (merchant, subject, hash)
);

-- at is when a proposal was made, and once it is over, when it ended.
CREATE TABLE desk_proposal (
	merchant TEXT   NOT NULL,
	id       TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	ended    BIGINT NOT NULL,
	at       BIGINT NOT NULL,
	maker    TEXT   NOT NULL,
	subject  TEXT   NOT NULL, -- of its case; '' for none
	body     TEXT   NOT NULL,
	PRIMARY KEY (merchant, id)
);
CREATE INDEX desk_proposal_queue ON desk_proposal (ended, at, id);

-- +goose Down
DROP TABLE desk_case;
DROP TABLE desk_event;
DROP TABLE desk_file;
DROP TABLE desk_proposal;
