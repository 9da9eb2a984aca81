"""What people get wrong, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.errors import RunbookError
from runwright.runbook.finding import MAX_BYTES, content
from runwright.runbook.loader import load
from tests.unit.runbook.files import RIGHT, wrong

READY = '    - {id: ready, get: "${url.api}/readyz"}\n'
ERRORS = "{id: errors, measure: error_ratio, above: 0.05, for: 2m, min_requests: 50, environments: [production]}"
DOWN = "{id: down, probe: ready, failures: 3}"
TARGET = "      platform: compose\n      project: shop\n      directory: /opt/shop\n"
SHOP_DATABASE = "service: db, name: shop, user: shop}\n    metrics"
POSTGRES = "database: {kind: postgres, service: db, name: shop, user: shop}\n  production"
BILLION = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

MERGES = "x-a: &a {}\n" + "".join(
    f"x-{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

NO_YAML = {
    "an empty file": (b"", "1:1: the file is empty"),
    "only comments": (b"# nothing yet\n", "the file is empty"),
    "a list": (b"- system: shop\n", "1:1: a runbook is a mapping (`key: value` lines), and this is a list"),
    "one word": (b"shop\n", "and this is one value"),
    "two documents": (b"system: shop\n---\nsystem: other\n", "2:1: there is a second document"),
    "a tab": (b"source:\n\trepo: x\n", "2:1: YAML is indented with spaces, and there is a tab here"),
    "not UTF-8": ("system: shöp\n".encode("latin-1"), "1:11: the file is not UTF-8 (byte 0xf6)"),
    "a NUL byte": (b"system: shop\x00\n", "the character '\\x00' may not stand in a YAML file"),
    "too large": (b"# " + b"x" * 300_000, "at most 262,144"),
    "an alias bomb": (BILLION.encode(), "more than 20,000 values"),
    "a bomb of merges": (MERGES.encode(), "more than 20,000 values"),
    "an alias that holds itself": (b"x-a: &a {b: *a}\n", "deeper than 40 levels, or an alias holds itself"),
    "very deep brackets": (b"x-a: " + b"[" * 5000, "the nesting is too deep"),
    "an open quote": (b"system: 'shop\nsource: x\n", "the file ends inside of something that begins in line 1"),
    "an open bracket": (b"a: [1, 2\n", "the file ends inside of something that begins in line 1"),
    "an unknown alias": (b"a: *shop\n", "the anchor (`&name`) has to stand above it"),
    "a colon too many": (b"description: shop: the shop\n", "a `: ` too many"),
    "an unquoted reference in braces": (b"a: {get: ${url.api}/x}\n", "between { } or [ ] a reference needs quotes"),
    "an at sign": (b"system: @shop\n", "A text that begins with it needs quotes"),
}

MISTAKES = {
    # the YAML of it
    "a key given twice": (wrong(("source:", "system: other\nsource:")), ":2:1: system", "`system` is given twice; the first one is in line 1"),
    "a tag": (wrong(("system: shop", "system: !!python/object:os.system shop")), "system", "has no meaning in a runbook"),
    "a key that is a number": (wrong(("components:\n", "components:\n  1: {}\n")), "components", "`1` is no key: keys are text"),
    "a merge of no mapping": (wrong(("  web: {}", "  web: {<<: shop}")), "components.web", "`<<:` merges mappings"),
    # one value
    "a key misspelt": (wrong(("verify:", "verfy:")), ":27:1: verfy", "Did you mean `verify`?"),
    "a nested key misspelt": (wrong(("  health:", "  healthcheck:")), "verify.healthcheck", "`healthcheck` is no key here. Did you mean `health`?"),
    "a required key misspelt, said once": (wrong(("      project: shop", "      projet: shop")), "environments.production.target.projet", "Did you mean `project`?"),
    "a key in the wrong place": (wrong(("  duration: 30m", "  smoke: []")), "watch.smoke", "There is one in `verify`"),
    "a key of another tool": (wrong(("  web: {}", "  web: {restart: always}")), "components.web.restart", "Here are: services, context, image, dockerfile"),
    "a key missing": (wrong(("      project: shop\n", "")), "environments.production.target.project", "`project` is missing.\n    For example:\n        project: shop"),
    "an empty section": (wrong(("migrate: {tool: alembic}", "migrate:\ndescription: shop\nschedules:")), ":28:1: schedules", "nothing stands here"),
    "a list where keys are meant": (wrong(("migrate: {tool: alembic}", "migrate: [alembic]")), "migrate", "a group of keys is meant"),
    "text where a list is meant": (wrong(("[api, worker]", "api")), "components.api.services", '"api" stands here; a list, each'),
    "a name with capitals": (wrong(("system: shop", "system: Shop App")), "system", '"Shop App" stands here; a name of lower-case letters'),
    "an environment's name with a space": (wrong(("  staging:\n    tier", "  my staging:\n    tier")), "environments.my staging", "a name of lower-case letters"),
    "a project with capitals": (wrong(("      project: shop", "      project: Shop")), "environments.production.target.project", "a project name as Compose allows it"),
    "an unknown platform": (wrong(("      platform: compose", "      platform: kuberntes")), "environments.production.target.platform", "Did you mean kubernetes? There are host, compose, kubernetes; planned"),
    "no platform": (wrong(("      platform: compose\n", "")), "environments.production.target", "`platform` is missing: it says of which kind this is"),
    "an unknown tier": (wrong(("tier: production", "tier: prod")), "environments.production.tier", '"prod" is none of development, staging, production. Did you mean production?'),
    "a duration without a unit": (wrong(("for: 2m", "for: 120")), "watch.rules[1].for", "120: a duration with its unit is meant, for example 30s"),
    "a duration as a fraction": (wrong(("duration: 30m", "duration: 1800.0")), "watch.duration", "a duration with its unit is meant"),
    "a drill of production": (wrong(("migrate: {tool: alembic}", "migrate: {tool: alembic}\ndrill: {environments: [production]}")), "drill.environments[0]", "`production` is production: a drill breaks what it releases"),
    "a drill of nothing": (wrong(("migrate: {tool: alembic}", "migrate: {tool: alembic}\ndrill: {environments: [stagin]}")), "drill.environments[0]", "Did you mean `staging`?"),
    "a drill that breaks nothing": (wrong(("migrate: {tool: alembic}", "migrate: {tool: alembic}\ndrill: {by: []}")), "drill.by", "an empty list breaks nothing"),
    "a drill by other means": (wrong(("migrate: {tool: alembic}", "migrate: {tool: alembic}\ndrill: {by: [fire]}")), "drill.by[0]", "kill, errors, latency"),
    "drills on a schedule and nowhere": (wrong(("migrate: {tool: alembic}", "migrate: {tool: alembic}\nschedules: {drill: 0 4 1 * *}")), "schedules.drill", "there is no `drill` section that says where"),
    "a duration of centuries": (wrong(("directory: /var/backups/shop", "directory: /b, keep: 9999w")), "backup.keep", "at most ten years"),
    "a version that YAML reads as a number": (wrong(("{id: ci, ci: {}}", "{id: docker, tool: {name: docker, at_least: 20.10}}")), "gates[0].tool.at_least", 'Put it in quotes: "20.10"'),
    "yes for true": (wrong(("env: true", "env: yes")), "gates[1].env", '"yes" is text in YAML 1.2; true or false is meant'),
    "a number in quotes": (wrong(("failures: 3", 'failures: "3"')), "watch.rules[0].failures", "Leave out the quotes"),
    "true for a number": (wrong(("failures: 3", "failures: true")), "watch.rules[0].failures", "a whole number"),
    "not a number": (wrong(("above: 0.05", "above: .nan")), "watch.rules[1]", "a duration with its unit is meant"),
    "an impossible status": (wrong(("docs, get", "docs, status: 2000, get")), "verify.smoke[0].status", "an HTTP status, 100 to 599"),
    "an empty list of statuses": (wrong(("docs, get", "docs, status: [], get")), "verify.smoke[0].status", "must not be empty"),
    "an address without http": (wrong(("http://localhost:8000", "localhost:8000")), "environments.staging.urls.api", "that begins with http:// or https://"),
    "an address with a slash at the end": (wrong(("http://localhost:8000", "http://localhost:8000/")), "environments.staging.urls.api", "leave out the slash at the end"),
    "an address with a password": (wrong(("http://localhost", "http://me:secret@localhost")), "environments.staging.urls.api", "must not hold a user or a password"),
    "an unknown reference": (wrong(("${url.api}/docs", "${env.api}/docs")), "verify.smoke[0].get", "${env.api} is unknown; there are ${url.…}"),
    "a shell variable": (wrong(("${url.api}/docs", "${API_URL}/docs")), "verify.smoke[0].get", "this reference is not understood"),
    "an unknown fact of the release": (wrong(("${url.api}/docs", "${url.api}/${release.sha}")), "verify.smoke[0].get", "a release has id, version and commit"),
    "an unknown reference in a body": (wrong(("{id: docs, get:", '{id: docs, body: {a: ["${run.id}"]}, post:')), "verify.smoke[0]", "${run.id} is unknown"),
    "a broken regular expression": (wrong(("[DATABASE_URL]}", "[DATABASE_URL], placeholders: ['(x']}")), "environments.production.config.placeholders[0]", "this regular expression is broken"),
    "a form that cannot match": (wrong(("[DATABASE_URL]}", "[DATABASE_URL], forms: {DATABASE_URL: '^postgresql+asyncpg://'}}")), "config.forms.DATABASE_URL", "`+` means «one or more»"),
    "a form that ends before it begins": (wrong(("[DATABASE_URL]}", "[DATABASE_URL], forms: {DATABASE_URL: 'a$b'}}")), "config.forms.DATABASE_URL", "this can never match"),
    "a cron expression of four fields": (wrong(("migrate:", 'schedules: {backup: "2 * * *"}\nmigrate:')), "schedules.backup", "five fields are meant"),
    "a cron hour that is none": (wrong(("migrate:", 'schedules: {backup: "0 24 * * *"}\nmigrate:')), "schedules.backup", "'24' is no hour: 0 to 23 is meant"),
    "a cron that says either day": (wrong(("migrate:", 'schedules: {backup: "0 2 1 * 1"}\nmigrate:')), "schedules.backup", "mean «either of them»"),
    "a time zone that is none": (wrong(("migrate:", "schedules: {timezone: Europe/Berln}\nmigrate:")), "schedules.timezone", "did you mean Europe/Berlin"),
    "a time zone that is a path": (wrong(("migrate:", "schedules: {timezone: ../../etc/passwd}\nmigrate:")), "schedules.timezone", "is no time zone"),
    "a time of day that is none": (wrong(("{id: ci, ci: {}}", "{id: w, window: {timezone: UTC, days: [MO], from: '09:00', to: '25:00'}}")), "gates[0].window.to", "a time of day in quotes"),
    "a window without length": (wrong(("{id: ci, ci: {}}", "{id: w, window: {timezone: UTC, days: [MO], from: '09:00', to: '09:00'}}")), "gates[0].window", "are the same"),
    "a day that is none": (wrong(("{id: ci, ci: {}}", "{id: w, window: {timezone: UTC, days: [MO], from: '09:00', to: '10:00', except_dates: [2026-02-30]}}")), "gates[0].window.except_dates[0]", "YYYY-MM-DD"),
    "refs of no form": (wrong(("tier: production", "tier: production\n    refs: v*")), "environments.production.refs", "any, branch:NAME or tag:PATTERN"),
    # keys of one part
    "a probe of two methods": (wrong(("docs, get", "docs, head: http://x, get")), "verify.smoke[0]", "exactly one of get, head, post, delete"),
    "a body in a get": (wrong(("docs, get", "docs, body: {a: 1}, get")), "verify.smoke[0]", "only a post has a body"),
    "a post asked again and again": (wrong(("{id: docs, get", "{id: docs, within: 1m, post")), "verify.smoke[0]", "which a post or a delete may not do"),
    "JSON of a head": (wrong(("{id: docs, get", "{id: docs, json: {a: 1}, head")), "verify.smoke[0]", "has no body"),
    "a rule without a limit": (wrong(("probe: ready, failures: 3", "probe: ready")), "watch.rules[0]", "without a limit it could never be breached"),
    "a rule of two sources": (wrong(("probe: ready, failures: 3", "probe: ready, stats: restarts, above: 1")), "watch.rules[0]", "exactly one of measure, promql, probe"),
    "failures of no probe": (wrong(("probe: ready, failures: 3", "stats: restarts, failures: 3")), "watch.rules[0]", "name the probe"),
    "a ratio in percent": (wrong(("above: 0.05", "above: 5")), "watch.rules[1]", "for 5 % write 0.05"),
    "a percentage as a ratio": (wrong((DOWN, "{id: cpu, stats: cpu_percent, above: 0.8}")), "watch.rules[0]", "would be 0.8 %; for 80 % write 80"),
    "milliseconds as seconds": (wrong((DOWN, "{id: slow, probe: ready, above: 500}")), "watch.rules[0]", "would be 500 seconds; write 500ms"),
    "a duration of a ratio": (wrong(("above: 0.05", "above: 500ms")), "watch.rules[1]", "above takes a number here"),
    "requests of a probe": (wrong(("failures: 3", "failures: 3, min_requests: 5")), "watch.rules[0]", "min_requests is for measure and promql"),
    "services of a measure": (wrong(("above: 0.05", "above: 0.05, services: [api]")), "watch.rules[1]", "services is for stats"),
    "a probe of two kinds": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", sql: select 1}')), "verify.smoke[0]", 'exactly one of get, head, post, delete, options, sql, redis, logs, command'),
    "a header of a query": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, sql: select 1, headers: {a: b}}')), "verify.smoke[0]", 'headers is for a URL, and this asks sql'),
    "a query that writes": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, sql: delete from orders}')), "verify.smoke[0].sql", 'this is a DELETE: a probe asks one query that only reads'),
    "a query that writes inside": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, sql: with gone as (delete from orders returning 1) select * from gone}')), "verify.smoke[0].sql", 'there is a DELETE in it'),
    "two queries": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, sql: "select 1; select 2"}')), "verify.smoke[0].sql", 'these are 2 statements'),
    "no query at all": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, sql: "select from where ("}')), "verify.smoke[0].sql", 'this is no SQL that is understood'),
    "a command of Redis that writes": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, redis: {service: redis, command: [FLUSHALL]}}')), "verify.smoke[0].redis", "'FLUSHALL' is none of the commands that only read"),
    "a Redis that is nowhere": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, redis: {}}')), "verify.smoke[0].redis", 'exactly one of service, url'),
    "the password of a Redis": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, redis: {service: redis, password: geheim}}')), "verify.smoke[0].redis.password", 'a secret must not stand in a runbook'),
    "a burst in production": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", burst: {requests: 9, answers: {"429": 0.1}}}')), "verify.smoke[0].burst", 'a burst is never sent to production (production)'),
    "a status of a burst": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", environments: [staging], burst: {requests: 9, answers: {many: 0.1}}}')), "verify.smoke[0].burst.answers", "'many' names no statuses"),
    "an upload by get": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", upload: {}}')), "verify.smoke[0]", 'upload is for a post without a `body`'),
    "variables inside of a service": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, inside: api, command: {argv: [x], env: {A: b}}}')), "verify.smoke[0]", 'has the variables of that service'),
    "a number that is nowhere": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", numbers: {n: {}}}')), "verify.smoke[0].numbers.n", 'exactly one of json, text'),
    "a number without a group": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", numbers: {n: {text: "[0-9]+"}}}')), "verify.smoke[0].numbers.n", 'needs a group'),
    "a number at no path": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", numbers: {n: {json: "a[", of: [1]}}}')), "verify.smoke[0].numbers.n.json", 'is no path into a JSON answer'),
    "a header that is a number": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, get: "${url.api}/docs", headers: {x-a: 1}}')), "verify.smoke[0].headers.x-a", 'the value of a header is text'),
    "a rule of a number that is not there": (wrong(("probe: ready, failures: 3", "probe: ready, number: pool, above: 1")), "watch.rules[0].number", "there is no number `pool`"),
    "a rule of what writes": (wrong(('{id: docs, get: "${url.api}/docs"}', '{id: docs, post: "${url.api}/a", save: {a: id}, cleanup: "${url.api}/a/${saved.a}"}'), ("probe: ready", "probe: docs")), "watch.rules[0].probe", "cannot be asked again and again"),
    "a duration of a number": (wrong(("probe: ready, failures: 3", "probe: ready, number: pool, above: 500ms")), "watch.rules[0]", "above takes a number here"),
    "a part of a time": (wrong(("probe: ready, failures: 3", "probe: ready, above: 80 %")), "watch.rules[0]", "above takes a duration here"),
    "a phase of nothing": (wrong(("probe: ready, failures: 3", "stats: restarts, phase: dns, above: 1")), "watch.rules[0]", "number and phase are for a probe"),
    "services that stay without a limit": (wrong(("probe: ready, failures: 3", "staying: all, above: 1")), "watch.rules[0]", "say `failures`"),
    "a gate of no kind": (wrong(("{id: ci, ci: {}}", "{id: ci}")), "gates[0]", "this one has none"),
    "a gate that is switched off": (wrong(("env: true", "env: false")), "gates[1]", "this one has none"),
    "a gate of two kinds": (wrong(("{id: ci, ci: {}}", "{id: ci, ci: {}, env: true}")), "gates[0]", "this one has ci and env"),
    # between the parts
    "a rule of a probe that is not there": (wrong(("probe: ready", "probe: redy")), "watch.rules[0].probe", "there is no probe `redy`. Did you mean `ready`? There are: ready, docs"),
    "a rule of a probe that is asked elsewhere": (wrong(('"${url.api}/readyz"}', '"${url.api}/readyz", environments: [production]}')), "watch.rules[0].probe", "is not asked in staging"),
    "an address that one environment lacks": (wrong(('urls: {api: "http://localhost:8000"}', "urls: {}"), ('"${url.api}/docs"', '"${url.api}/docs", environments: [production]')), "verify.health[0].get", "${url.api} is no address in the `urls` of staging (none there)"),
    "an address misspelt": (wrong(("${url.api}/docs", "${url.apo}/docs")), "verify.smoke[0].get", "Did you mean ${url.api}?"),
    "an address misspelt in metrics": (wrong(("${url.api}/metrics", "${url.ap}/metrics")), "environments.production.metrics.url", "Did you mean ${url.api}?"),
    "a probe of a path alone": (wrong(("${url.api}/docs", "/docs")), "verify.smoke[0].get", "'/docs' is no address"),
    "an unsaved value": (wrong(("docs, get", 'docs, bearer: "${saved.token}", get')), "verify.smoke[0].bearer", "was saved by no earlier probe in staging"),
    "a value saved too late": (wrong((READY, '    - {id: ready, get: "${url.api}/${saved.x}"}\n'), ("docs, get", "docs, save: {x: id}, get")), "verify.health[0].get", "was saved by no earlier probe"),
    "a saved value outside of probes": (wrong(("${url.api}/metrics", "${url.api}/${saved.x}")), "environments.production.metrics.url", "is only known to probes"),
    "a token written down": (wrong(("docs, get", "docs, bearer: hunter2hunter2, get")), "verify.smoke[0].bearer", "a secret must not stand in a runbook"),
    "a password written down": (wrong(("docs, get", "docs, basic: [admin, hunter2hunter2], get")), "verify.smoke[0].basic", "a secret must not stand in a runbook"),
    "an unknown condition": (wrong(("docs, get", "docs, json: {n: {lte: 5}}, get")), "verify.smoke[0].json.n", "a condition is made of in, lt, gt"),
    "a condition of the wrong type": (wrong(("docs, get", "docs, json: {n: {lt: five}}, get")), "verify.smoke[0].json.n.lt", "`lt` takes a number"),
    "a path into JSON that is none": (wrong(("docs, get", "docs, json: {'checks[].ok': true}, get")), "verify.smoke[0].json.checks[].ok", "paths look like checks[0].ok"),
    "a path to save that is none": (wrong(("docs, get", "docs, save: {token: 'a..b'}, get")), "verify.smoke[0].save.token", "paths look like checks[0].ok"),
    "two gates of one id": (wrong(("{id: env,", "{id: ci,")), "gates[1].id", "is the id of another one already"),
    "health and smoke of one id": (wrong(("id: docs", "id: ready")), "verify.smoke[0].id", "is the id of another one already"),
    "an unknown environment": (wrong(("env: true, environments: [production]", "env: true, environments: [prodction]")), "gates[1].environments[0]", "Did you mean `production`?"),
    "one service in two components": (wrong(("  web: {}", "  web: {services: [api]}")), "components.web.services[0]", "belongs to the component `api` already"),
    "an unknown service in the order": (wrong(("directory: /opt/shop\n    urls", "directory: /opt/shop\n      order: [api, worker, wbe]\n    urls")), "environments.production.target.order[2]", "Did you mean `web`?"),
    "an unknown service that sees keys": (wrong(("config: {required: [DATABASE_URL]}", "config: {required: [A], seen_in: [wbe]}")), "environments.production.config.seen_in[0]", "Did you mean `web`?"),
    "an order that forgets a service": (wrong(("directory: /opt/shop\n    urls", "directory: /opt/shop\n      order: [api, web]\n    urls")), "environments.production.target.order", "worker is not in it"),
    "an unknown component of migrations": (wrong(("{tool: alembic}", "{tool: alembic, component: ap}")), "migrate.component", "Did you mean `api`?"),
    "a service of another component for migrations": (wrong(("{tool: alembic}", "{tool: alembic, service: web}")), "migrate.service", "would not run the release's own image"),
    "migrations without a database": (wrong((POSTGRES, "block: shop\n  production")), "environments.staging", "names no `database` that it migrates"),
    "an address that is none for ssh": (wrong((TARGET, TARGET + "      on: deploy@shop\n")), "environments.production.target.on", "a host for ssh, such as ssh://deploy@shop.example.com"),
    "an address that ssh takes for an option": (wrong((TARGET, TARGET + "      on: ssh://-oProxyCommand=x\n")), "environments.production.target.on", "a host for ssh"),
    "a relative folder on another host": (wrong((TARGET, TARGET.replace("/opt/shop", "./shop") + "      on: ssh://shop\n")), "environments.production.target.directory", "this is a path on ssh://shop, where nothing is relative to this file"),
    "backups in a relative folder on another host": (wrong((TARGET, TARGET + "      on: ssh://shop\n"), ("/var/backups/shop", "backups")), "backup.directory", "this is a path on ssh://shop"),
    "two colours on another host": (wrong((TARGET, TARGET + "      on: ssh://shop\n      strategy: blue_green\n      traffic: {api: {port: 80}}\n"), ("tier: production", "tier: production\n    router: {kind: caddy}")), "environments.production.target.strategy", "or run a worker on that host and leave `on` out"),
    "SQLite on another host": (wrong((TARGET, TARGET + "      on: ssh://shop\n"), (f"database: {{kind: postgres, {SHOP_DATABASE}", "database: {kind: sqlite, path: a.db}\n    metrics")), "environments.production.database", "is read by Runwright itself, which does not run on ssh://shop"),
    "steps of a build on another host": (wrong((TARGET, TARGET + "      on: ssh://shop\n"), ("  web: {}", "  web: {context: ., steps: [{run: [make]}]}")), "components.web.steps", "are run by Runwright itself, which does not run on ssh://shop"),
    "a router on Compose": (wrong(("tier: production", "tier: production\n    router: {kind: caddy}")), "environments.production.router", "`router` is for two colours"),
    "no router on the host": (wrong((TARGET, "      platform: host\n      process: {command: [x]}\n"), (SHOP_DATABASE, "host: db, name: shop, user: shop}\n    metrics")), "environments.production", "needs a `router`"),
    "a Compose service on the host": (wrong((TARGET, "      platform: host\n      process: {command: [x]}\n    router: {kind: caddy}\n")), "environments.production.database.service", "on the host platform give the server's `host`"),
    "a database nowhere": (wrong((SHOP_DATABASE, "name: shop, user: shop}\n    metrics")), "environments.production.database", "neither is given"),
    "a database in two places": (wrong((SHOP_DATABASE, "service: db, host: db, name: shop, user: shop}\n    metrics")), "environments.production.database", "both are given"),
    "source mounted in production": (wrong(("      directory: /opt/shop\n", "      directory: /opt/shop\n      allow_source_mounts: true\n")), "environments.production.target.allow_source_mounts", "for development only"),
    "production without a backup": (wrong(("backup: {directory: /var/backups/shop}\n", "")), "environments.production", "it needs a `backup`"),
    "production with a database that nothing backs up": (wrong(("backup: {directory: /var/backups/shop}\n", ""), ("migrate: {tool: alembic}\n", "")), "environments.production", "is production and has a database: it needs a `backup`"),
    "a window that closes before a release could be put back": (wrong(("  - {id: ci, ci: {}}\n", '  - {id: hours, window: {timezone: UTC, days: [MO], from: "23:57", to: "00:03"}}\n')), "gates[0].window", "open for 6m, and a release needs 7m of it: verify.deadline (2m) and rollback.target (5m)"),
    "production that is never backed up": (wrong(("directory: /var/backups/shop", "directory: /b, when: never")), "backup.when", "`never` is refused: `production` is production"),
    "production watched too briefly": (wrong(("duration: 30m", "duration: 10m")), "watch.duration", "10m is too short: production is watched for at least 30m"),
    "production with a short watch of its own": (wrong(("tier: production", "tier: production\n    watch: 5m")), "environments.production.watch", "5m is too short"),
    "production without a health probe": (wrong((READY, ""), ("  health:\n", ""), (DOWN, "{id: down, probe: docs, failures: 3}")), "environments.production", "has no probe in verify.health"),
    "a schedule without a backup": (wrong(("backup: {directory: /var/backups/shop}", 'schedules: {backup: "15 2 * * *"}'), ("tier: production", "tier: staging")), "schedules.backup", "there is no `backup` section"),
    "a measure without metrics": (wrong(("min_requests: 50, environments: [production]", "min_requests: 50")), "watch.rules[1].measure", "staging has no `metrics` that could answer this"),
    "a query without Prometheus": (wrong(("measure: error_ratio", "promql: up")), "watch.rules[1].promql", "a query needs a Prometheus server"),
    "a rule that outlasts the watch": (wrong(("for: 2m", "for: 45m")), "watch.rules[1]", "it could never be breached"),
    "failures that outlast the watch": (wrong(("failures: 3", "failures: 90")), "watch.rules[0]", "it could never be breached"),
    "an unknown service of a rule": (wrong((DOWN, "{id: cpu, stats: cpu_percent, above: 80, services: [apii]}")), "watch.rules[0].services[0]", "Did you mean `api`?"),
    "a gate on metrics that are not there": (wrong(("{id: ci, ci: {}}", "{id: m, metrics: true}")), "gates[0].metrics", "which staging has not: it could never fail"),
    "a gate on an env file of which nothing is asked": (wrong((", environments: [production]}\nbackup", "}\nbackup")), "gates[1].env", "which staging has not"),
    "a gate on checks of no GitHub": (wrong(("github:acme/shop", "https://git.example.org/shop")), "gates[0].ci", "say whose checks are meant"),
    "a certificate over http": (wrong(("{id: ci, ci: {}}", '{id: t, tls: {url: "http://x"}}')), "gates[0].tls.url", "over https://"),
}  # fmt: skip


@pytest.mark.parametrize("text, said", NO_YAML.values(), ids=NO_YAML)
def test_what_is_no_runbook_at_all_is_refused_with_its_place(tmp_path, text, said):
    """A file that cannot be read as one mapping is refused by a sentence that begins with file, line and column."""
    file = tmp_path / "shop.yaml"
    file.write_bytes(text)
    with pytest.raises(RunbookError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")


@pytest.mark.parametrize("text, where, said", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_once_with_its_place_and_what_was_meant(tmp_path, text, where, said):
    """One mistake gives one entry: file, line, column, path, and what would be right, without a library's jargon."""
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    with pytest.raises(RunbookError) as caught:
        load(file)
    message = str(caught.value)
    assert where in message
    assert said in message
    assert "has 1 mistake:" in message
    for jargon in ("pydantic", "Value error", "type=", "Input should", "union", "str_type", "model_", "None"):
        assert jargon not in message.replace(str(file), "")


def test_all_mistakes_of_a_file_are_told_in_the_order_of_its_lines(tmp_path):
    """Mistakes of YAML, of the schema and between the parts come in one list; what only follows from one is left out."""
    file = tmp_path / "shop.yaml"
    changes = (
        ("system: shop", "system: Shop\nsystem: shop"),
        ("      project: shop", "      projet: shop"),
        ("directory: /var/backups/shop", "directory: /b, when: never"),
        ("  health:", "  healthcheck:"),
        ("for: 2m", "for: 2"),
        ("{id: env,", "{id: ci,"),
    )
    file.write_text(wrong(*changes))
    with pytest.raises(RunbookError) as caught:
        load(file)
    places = [
        line.split(": ")[-1] for line in str(caught.value).splitlines() if line.startswith(str(file)) and ": " in line
    ]
    assert places == [
        "system",
        "system",
        "environments.production.target.projet",
        "gates[1].id",
        "backup.when",
        "verify.healthcheck",
        "watch.rules[1].for",
    ]


def test_a_password_in_an_address_is_not_repeated(tmp_path):
    """A message never shows what may be a secret."""
    file = tmp_path / "shop.yaml"
    file.write_text(
        wrong(("http://localhost", "http://me:hunter2hunter2@localhost"), ("docs, get", "docs, bearer: 77, get"))
    )
    with pytest.raises(RunbookError) as caught:
        load(file)
    assert "hunter2hunter2" not in str(caught.value)
    assert "77" not in str(caught.value).replace(str(file), "")


def test_the_runbook_that_is_made_wrong_is_right(tmp_path):
    """The table above starts from a runbook without mistakes and without warnings."""
    file = tmp_path / "shop.yaml"
    file.write_text(RIGHT)
    assert load(file).warnings == ()


def test_of_a_file_without_an_end_no_more_is_read_than_of_any_runbook() -> None:
    """A device, or a pipe that somebody goes on writing to, fills no memory."""
    assert len(content(Path("/dev/zero"))) == MAX_BYTES + 1
