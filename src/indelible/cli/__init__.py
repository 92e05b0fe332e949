"""The command line: one file a command. It works beside a running server, and without one."""
