#!/bin/bash
# What the runbooks have people type, in one go: $PROJECT runs the old version; the new one's code is in the current folder.
set -euo pipefail

mark() { echo "$1 $(date +%s.%N)"; }
compose() { docker compose -p "$PROJECT" --env-file "$ENV_FILE" "$@"; }

mark start
compose exec -T db pg_dump -Fc -U shop -d shop > "$BACKUP"
mark dumped
compose build -q web scheduler
mark built
compose run --rm --no-deps -T web alembic upgrade head
mark migrated
compose up -d web scheduler
mark replaced
until curl -fsS -o /dev/null "$FRONT/readyz" 2>/dev/null; do sleep 0.1; done
curl -fsS "$FRONT/" | grep -q Shop
curl -fsS -o /dev/null "$FRONT/items"
mark answers
# what Runwright also waits for: no service starts up or restarts any more
until [ -z "$(compose ps -q web scheduler | xargs docker inspect -f '{{.State.Health.Status}}' | grep -v '^healthy$')" ]; do
  sleep 0.1
done
mark healthy
