-- The journal: what is newer than the files. docs/reference/store.md describes the columns.

-- name: create
CREATE TABLE working_copies (
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE TABLE parts (
    wc TEXT NOT NULL,
    cell INTEGER NOT NULL,
    part INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;

-- name: every_working_copy
SELECT rowid, id, body, sum FROM working_copies;

-- name: add_working_copy
INSERT INTO working_copies (id, body, sum) VALUES (?, ?, ?);

-- name: set_working_copy
UPDATE working_copies SET body = ?, sum = ? WHERE rowid = ?;

-- name: drop_working_copy
DELETE FROM working_copies WHERE rowid = ?;

-- name: every_part
SELECT rowid, wc, cell, part, idx, seq, at_ms, body, sum FROM parts;

-- name: one_part
SELECT wc, cell, part, idx, seq, at_ms, body, sum FROM parts WHERE rowid = ?;

-- name: add_part
INSERT INTO parts (wc, cell, part, idx, seq, at_ms, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: set_part
UPDATE parts SET seq = ?, at_ms = ?, body = ?, sum = ? WHERE rowid = ?;

-- name: drop_part
DELETE FROM parts WHERE rowid = ?;
