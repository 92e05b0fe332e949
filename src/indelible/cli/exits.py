"""Exit codes, the same for every command."""

FINE = 0
NOTHING_FOUND = 1
"""Nothing that matches: no draft, no server."""
USAGE = 2
NOT_PROTECTED = 3
"""A server runs, but something is not protected."""
UNREACHABLE = 4
"""The store or the server could not be read."""
INCOMPLETE = 5
"""A draft is there, but cannot be made whole, or the output could not be written."""
