"""Caddy as the front door of a host: a static configuration, and a target in a file that it reads for each request."""
