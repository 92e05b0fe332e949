-- States of notebooks that are kept: what a save would have overwritten, and checkpoints. docs/reference/store.md.

-- name: create
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    path TEXT NOT NULL,
    body BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE INDEX versions_by_path ON versions (root, path);

-- name: add
INSERT INTO versions (root, path, body, sum) VALUES (?, ?, ?, ?);

-- name: of_path
SELECT id, root, path, body, sum FROM versions WHERE root = ? AND path = ? ORDER BY id;

-- name: below_path
SELECT id, root, path, body, sum FROM versions WHERE root = ? AND (path = ? OR substr(path, 1, ?) = ?) ORDER BY id;

-- name: every
SELECT id, root, path, body, sum FROM versions ORDER BY id;

-- name: move
UPDATE versions SET path = ?, sum = ? WHERE id = ?;

-- name: drop
DELETE FROM versions WHERE id = ?;
