"""What a service of a Compose project probably is: a database, a proxy, tests, a stand-in, or what users reach."""

from __future__ import annotations

import re

from runwright.platforms.compose.draft.facts import ServiceFacts

URL = re.compile(r"(?:https?://|(?<![\w/.:@-])(?=(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?/))[^\s'\"\\)<>|;,]+")
"""An address that a healthcheck asks; curl and wget take one of this machine without its scheme."""
_POSTGRES = re.compile(r"(^|/)(postgres(ql)?|postgis|timescaledb|pgvector)([:@]|$)")
_POSTGRES_PORT = 5432
_DATABASE = re.compile(r"(^|[._-])(db|database|pg|postgres(ql)?|sql)([._-]|$)")
"""Names of a service whose image is nobody's but the user's own, and is a database all the same."""
_STORES = re.compile(
    r"(^|/)(postgres(ql)?|postgis|timescaledb|pgvector|mysql|mariadb|percona|mongo|mongodb|redis|valkey|keydb|memcached|rabbitmq|"
    r"cassandra|clickhouse(-server)?|elasticsearch|opensearch|influxdb|neo4j|couchdb|kafka|zookeeper|nats|mosquitto|"
    r"meilisearch|typesense|qdrant|weaviate|etcd|consul|vault)([:@]|$)"
)
"""Images of what holds data: also with a Dockerfile of its own it is not what a release replaces."""
_OTHER_DATABASES = re.compile(
    r"(^|/)(mysql|mariadb|percona|mongo|mongodb|mssql|azure-sql-edge|oracle|cockroach|cassandra|clickhouse(-server)?|influxdb|"
    r"neo4j|couchdb)([:@/]|$)"
)
"""Images that hold what cannot be made again, and of which no release takes a backup."""
_STAND_INS = re.compile(
    r"localstack|mail(hog|pit|catcher|dev)|greenmail|smtp4dev|(^|/)minio([:@/]|$)|stripe-(mock|cli)|wiremock|mockserver|"
    r"azurite|emulator|fake-|elasticmq|dynamodb-local|moto(server)?([:@/]|$)|selenium|browserless|playwright|cypress|(^|[/_-])mock"
)
"""Images that stand in for something else where software is developed and tested."""
_TOOLS = re.compile(
    r"(^|/)(grafana|prometheus|alertmanager|loki|promtail|tempo|jaeger|zipkin|otel|opentelemetry|node-exporter|cadvisor|kibana|"
    r"logstash|filebeat|fluent|vector|adminer|pgadmin|phpmyadmin|mongo-express|redis-?insight|redis-commander|portainer|"
    r"watchtower|autoheal|dozzle|flyway|liquibase|swagger-ui|pgbouncer|sentry|keycloak)"
)
"""Images of what others make, beside an application; none of them is what a team releases."""
_TESTS = re.compile(
    r"(^|[._-])(e2e|tests?|testing|pytest|jest|cypress|playwright|selenium|lint(er)?|coverage|mock|emulator)([._-]|$)"
)
_PROXY = re.compile(r"(^|[/_-])(nginx|caddy|traefik|haproxy|envoy|httpd|apache)([:@_-]|$)|proxy")
_BEHIND = re.compile(
    r"work|celery|beat|cron|queue|task|job|schedul|consum|listen|migrat|prestart|init|seed|flower|test"
)


def why_asked(service: ServiceFacts) -> str:
    """Return why a release leaves a service alone that may be meant all the same; "" if nothing speaks for asking."""
    if service.profiles:
        return f"is started with the profile {' or '.join(service.profiles)} only"
    if _TESTS.search(service.name.lower()):
        return "looks like tests"
    image = service.base or service.image
    if _STAND_INS.search(image.lower()) or _STAND_INS.search(service.name.lower()):
        return f"looks like a stand-in for development ({image})" if image else "looks like a stand-in for development"
    return f"is built on {service.base}, and holds data" if service.context and is_store(service) else ""


def is_postgres(service: ServiceFacts) -> bool:
    image = service.base or service.image
    if holds_data(image) or "pg_isready" in service.healthcheck:
        return "pg_isready" in service.healthcheck or bool(_POSTGRES.search(image))
    # what only uses a database has its name and its user too
    said = not service.context and any(service.postgres.values())
    at_its_port = _POSTGRES_PORT in (*service.exposed, *(port for _, port in service.ports))
    return said and (at_its_port or bool(_DATABASE.search(service.name.lower())))


def holds_data(image: str) -> bool:
    """Return whether an image is a database, a queue or the like: two of it on one folder destroy it."""
    return bool(_STORES.search(image.lower()))


def is_store(service: ServiceFacts) -> bool:
    return is_postgres(service) or bool(_STORES.search(service.base or service.image))


def is_tool(service: ServiceFacts) -> bool:
    """Return whether it is what others make: a monitor, a browser of the database."""
    return bool(_TOOLS.search(service.base or service.image))


def is_other_database(service: ServiceFacts) -> bool:
    return bool(_OTHER_DATABASES.search(service.base or service.image)) and not is_postgres(service)


def is_proxy(service: ServiceFacts) -> bool:
    return bool(_PROXY.search(service.image) or _PROXY.search(service.name))


def serves(service: ServiceFacts, fronted: set[str]) -> int:
    """Return how much speaks for it that clients reach this service; below 0: it works behind the others."""
    return (
        8 * bool(service.ports)
        + 4 * (service.name in fronted)
        + 2 * bool(service.exposed or URL.search(service.healthcheck))
        - 5 * bool(_BEHIND.search(service.name.lower()))
    )
