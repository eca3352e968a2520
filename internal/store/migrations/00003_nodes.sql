-- Several nodes on one database. All are reference tables: a row a node, a row a
-- part of the merchants, a row a series of numbers, a row a key.

-- +goose Up

-- Where a node can be reached, and which of the ranges of numbers is its own.
CREATE TABLE node_place (
	node    TEXT   NOT NULL PRIMARY KEY,
	slot    BIGINT NOT NULL UNIQUE,
	relay   TEXT   NOT NULL, -- for messages of terminals that other nodes pass on
	web     TEXT   NOT NULL, -- base URL of the HTTP surface
	changed BIGINT NOT NULL
);

-- Which node took a part last. Whether it still holds it says the lock. times
-- counts the takings: equal, nobody else has had the part in between.
CREATE TABLE node_part (
	part  BIGINT NOT NULL PRIMARY KEY,
	node  TEXT   NOT NULL,
	times BIGINT NOT NULL
);

-- The next number of a series of which nodes take ranges.
CREATE TABLE number_series (
	name TEXT   NOT NULL PRIMARY KEY,
	next BIGINT NOT NULL
);

-- The keyring that nodes share: what is sealed under its secret.
CREATE TABLE keyring_slot (
	name    TEXT   NOT NULL PRIMARY KEY,
	changed BIGINT NOT NULL UNIQUE, -- counts the changes of the whole keyring
	sealed  BYTEA  NOT NULL
);

-- +goose Down
DROP TABLE node_place;
DROP TABLE node_part;
DROP TABLE number_series;
DROP TABLE keyring_slot;
