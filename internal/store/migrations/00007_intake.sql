-- What people bring: files, and when the files of each source have to come. These
-- are reference tables.

-- +goose Up

CREATE TABLE intake_file (
	id   TEXT   NOT NULL PRIMARY KEY,
	at   BIGINT NOT NULL,
	body TEXT   NOT NULL
);
CREATE INDEX intake_file_at ON intake_file (at, id);

CREATE TABLE intake_expectation (
	source TEXT NOT NULL PRIMARY KEY,
	body   TEXT NOT NULL
);

-- The files of all folders in the order in which they came.
CREATE INDEX filing_at ON filing (received, folder, hash);

-- +goose Down
DROP INDEX filing_at;
DROP TABLE intake_expectation;
DROP TABLE intake_file;
