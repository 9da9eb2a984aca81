"""A small shop: what Runwright is tried out on."""

VERSION = "1.0.0"
