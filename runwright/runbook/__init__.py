"""Runbooks: the schema, the loader and its messages."""
