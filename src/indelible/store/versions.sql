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

-- name: note_deletions
ALTER TABLE versions ADD COLUMN deleted_at_ms INTEGER;

-- name: add
INSERT INTO versions (root, path, body, sum) VALUES (?, ?, ?, ?);

-- name: of_path
SELECT id, root, path, body, deleted_at_ms, sum FROM versions
WHERE root = ? AND path = ? AND deleted_at_ms IS NULL ORDER BY id;

-- name: one
SELECT id, root, path, body, deleted_at_ms, sum FROM versions WHERE root = ? AND path = ? AND id = ?;

-- name: newest
SELECT id, root, path, body, deleted_at_ms, sum FROM versions
WHERE root = ? AND path = ? AND deleted_at_ms IS NULL AND json_extract(CAST(body AS TEXT), '$.source') = ?
ORDER BY id DESC LIMIT 1;

-- name: drop_older
DELETE FROM versions
WHERE root = ? AND path = ? AND deleted_at_ms IS NULL AND json_extract(CAST(body AS TEXT), '$.source') = ? AND id < ?;

-- name: below_path
SELECT id, root, path, body FROM versions
WHERE root = ? AND (path = ? OR substr(path, 1, ?) = ?) AND deleted_at_ms IS NULL ORDER BY id;

-- name: every
SELECT id, root, path, body, deleted_at_ms, sum FROM versions ORDER BY id;

-- name: move
UPDATE versions SET path = ?, sum = ? WHERE id = ?;

-- name: mark_deleted
UPDATE versions SET deleted_at_ms = ?, sum = ? WHERE id = ?;

-- name: drop
DELETE FROM versions WHERE id = ?;
