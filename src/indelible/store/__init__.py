"""The durable side: the journal of edits and the blobs. Only here is SQLite known."""
