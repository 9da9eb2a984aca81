"""A runbook for a Compose application that has none: what is known of it, what is guessed, and how that is written down."""
