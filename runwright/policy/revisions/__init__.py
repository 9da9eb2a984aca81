"""Reads what a migration does from its source, without running it. Whatever it cannot read counts as unsafe."""
