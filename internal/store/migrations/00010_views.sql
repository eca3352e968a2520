-- Lists that people have saved under a name. A reference table: it grows with people.

-- +goose Up
CREATE TABLE saved_view (
	owner  TEXT   NOT NULL, -- sign-in name
	id     BYTEA  NOT NULL, -- UUID version 7
	page   TEXT   NOT NULL,
	shared BIGINT NOT NULL, -- 1: with everybody of the role, and where there is one of the merchant
	role   TEXT   NOT NULL,
	mid    TEXT   NOT NULL,
	body   TEXT   NOT NULL,
	PRIMARY KEY (owner, id)
);
CREATE INDEX saved_view_page ON saved_view (page, role, mid);

-- +goose Down
DROP TABLE saved_view;
