"""Notebooks as values: chunks, texts, the wire's messages, .ipynb content, drafts made whole. No I/O."""
