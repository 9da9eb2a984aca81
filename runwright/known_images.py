"""Images that everybody knows by their names: what holds data, stands in, or is a tool; none of them is somebody's application."""

from __future__ import annotations

import re

POSTGRES = re.compile(r"(^|/)(postgres(ql)?|postgis|timescaledb|pgvector)([:@]|$)")
STORES = re.compile(
    r"(^|/)(postgres(ql)?|postgis|timescaledb|pgvector|mysql|mariadb|percona|mongo|mongodb|redis|valkey|keydb|memcached|rabbitmq|"
    r"cassandra|clickhouse(-server)?|elasticsearch|opensearch|influxdb|neo4j|couchdb|kafka|zookeeper|nats|mosquitto|"
    r"meilisearch|typesense|qdrant|weaviate|etcd|consul|vault)([:@]|$)"
)
"""Images of what holds data: also with a Dockerfile of its own it is not what a release replaces."""
OTHER_DATABASES = re.compile(
    r"(^|/)(mysql|mariadb|percona|mongo|mongodb|mssql|azure-sql-edge|oracle|cockroach|cassandra|clickhouse(-server)?|influxdb|"
    r"neo4j|couchdb)([:@/]|$)"
)
"""Images that hold what cannot be made again, and of which no release takes a backup."""
STAND_INS = re.compile(
    r"localstack|mail(hog|pit|catcher|dev)|greenmail|smtp4dev|(^|/)minio([:@/]|$)|stripe-(mock|cli)|wiremock|mockserver|"
    r"azurite|emulator|fake-|elasticmq|dynamodb-local|moto(server)?([:@/]|$)|selenium|browserless|playwright|cypress|(^|[/_-])mock"
)
"""Images that stand in for something else where software is developed and tested."""
TOOLS = re.compile(
    r"(^|/)(grafana|prometheus|alertmanager|loki|promtail|tempo|jaeger|zipkin|otel|opentelemetry|node-exporter|cadvisor|kibana|"
    r"logstash|filebeat|fluent|vector|adminer|pgadmin|phpmyadmin|mongo-express|redis-?insight|redis-commander|portainer|"
    r"watchtower|autoheal|dozzle|flyway|liquibase|swagger-ui|pgbouncer|sentry|keycloak)"
)
"""Images of what others make, beside an application; none of them is what a team releases."""
PROXY = re.compile(r"(^|[/_-])(nginx|caddy|traefik|haproxy|envoy|httpd|apache)([:@_-]|$)|proxy")
