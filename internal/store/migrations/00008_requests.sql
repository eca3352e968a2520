-- Requests of the API under a name that their caller gave (Idempotency-Key). A
-- reference table: it is emptied of what is older than a day.

-- +goose Up

CREATE TABLE api_request (
	api_key TEXT   NOT NULL,
	name    TEXT   NOT NULL, -- a hash of the Idempotency-Key
	version BIGINT NOT NULL, -- 1 begun; higher: taken over, or finished
	began   BIGINT NOT NULL,
	body    TEXT   NOT NULL, -- what was asked, by a hash; who carries it out, until when; the answer
	PRIMARY KEY (api_key, name)
);

CREATE INDEX api_request_began ON api_request (began);

-- +goose Down
DROP TABLE api_request;
