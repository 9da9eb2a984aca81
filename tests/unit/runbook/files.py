"""A small runbook that is right, and a way to make it wrong."""

from __future__ import annotations

RIGHT = """\
system: shop
source: {repo: github:acme/shop}
components:
  api: {services: [api, worker]}
  web: {}
environments:
  staging:
    tier: staging
    target: {platform: compose, project: shop, directory: /opt/shop}
    urls: {api: "http://localhost:8000"}
    database: {kind: postgres, service: db, name: shop, user: shop}
  production:
    tier: production
    target:
      platform: compose
      project: shop
      directory: /opt/shop
    urls: {api: "https://api.example.org"}
    database: {kind: postgres, service: db, name: shop, user: shop}
    metrics: {kind: scrape, url: "${url.api}/metrics"}
    config: {required: [DATABASE_URL]}
gates:
  - {id: ci, ci: {}}
  - {id: env, env: true, environments: [production]}
backup: {directory: /var/backups/shop}
migrate: {tool: alembic}
verify:
  health:
    - {id: ready, get: "${url.api}/readyz"}
  smoke:
    - {id: docs, get: "${url.api}/docs"}
watch:
  duration: 30m
  rules:
    - {id: down, probe: ready, failures: 3}
    - {id: errors, measure: error_ratio, above: 0.05, for: 2m, min_requests: 50, environments: [production]}
"""


def wrong(*changes: tuple[str, str]) -> str:
    """Return the right runbook with parts of it replaced; each part must be in it."""
    text = RIGHT
    for old, new in changes:
        assert old in text, f"{old!r} is not in the runbook"
        text = text.replace(old, new, 1)
    return text
