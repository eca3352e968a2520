-- Who may come in, their sessions, and what anybody changed. All are reference
-- tables: they grow with people, not with payments.

-- +goose Up
CREATE TABLE person (
	name     TEXT   NOT NULL PRIMARY KEY,
	version  BIGINT NOT NULL,
	role     TEXT   NOT NULL,
	mid      TEXT   NOT NULL, -- of people of one merchant; '' for the others
	standing TEXT   NOT NULL,
	body     TEXT   NOT NULL
);
CREATE INDEX person_mid ON person (mid, name);

CREATE TABLE person_session (
	token   TEXT   NOT NULL PRIMARY KEY, -- its hash: the token itself is the browser's
	expires BIGINT NOT NULL,
	data    BYTEA  NOT NULL
);
CREATE INDEX person_session_expires ON person_session (expires);

-- Rows are added and never changed.
CREATE TABLE audit (
	id      BYTEA  NOT NULL PRIMARY KEY, -- UUID version 7
	at      BIGINT NOT NULL,
	who     TEXT   NOT NULL,
	what    TEXT   NOT NULL,
	subject TEXT   NOT NULL,
	mid     TEXT   NOT NULL, -- '' where it is about no merchant
	body    TEXT   NOT NULL
);
CREATE INDEX audit_who ON audit (who, id);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_mid ON audit (mid, id);

-- +goose Down
DROP TABLE person;
DROP TABLE person_session;
DROP TABLE audit;
