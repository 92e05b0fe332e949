"""The Jupyter side: configuration, endpoints, the feed. Only here are tornado and Jupyter known."""
