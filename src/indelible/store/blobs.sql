-- Bytes named by their SHA-256. docs/reference/store.md describes the columns.

-- name: create
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    codec INTEGER NOT NULL,
    wanted_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX blobs_by_hash ON blobs (hash);

-- name: look_up
SELECT id, wanted_at FROM blobs WHERE hash = ?;

-- name: want_again
UPDATE blobs SET wanted_at = ? WHERE id = ?;

-- name: add
INSERT INTO blobs (hash, codec, wanted_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING;

-- name: get
SELECT codec, body FROM blobs WHERE hash = ?;

-- name: unwanted_since
SELECT id, hash FROM blobs WHERE wanted_at < ? AND id > ? ORDER BY id LIMIT 1000;

-- name: drop
DELETE FROM blobs WHERE id = ?;
