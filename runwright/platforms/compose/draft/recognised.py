"""What a service of a Compose project probably is: a database, a proxy, tests, a stand-in, or what users reach."""

from __future__ import annotations

import re

from runwright.known_images import OTHER_DATABASES, POSTGRES, PROXY, STAND_INS, STORES, TOOLS
from runwright.platforms.compose.draft.facts import ServiceFacts

URL = re.compile(r"(?:https?://|(?<![\w/.:@-])(?=(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?/))[^\s'\"\\)<>|;,]+")
"""An address that a healthcheck asks; curl and wget take one of this machine without its scheme."""
_POSTGRES_PORT = 5432
_DATABASE = re.compile(r"(^|[._-])(db|database|pg|postgres(ql)?|sql)([._-]|$)")
"""Names of a service whose image is nobody's but the user's own, and is a database all the same."""
_TESTS = re.compile(
    r"(^|[._-])(e2e|tests?|testing|pytest|jest|cypress|playwright|selenium|lint(er)?|coverage|mock|emulator)([._-]|$)"
)
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
    if STAND_INS.search(image.lower()) or STAND_INS.search(service.name.lower()):
        return f"looks like a stand-in for development ({image})" if image else "looks like a stand-in for development"
    return f"is built on {service.base}, and holds data" if service.context and is_store(service) else ""


def is_postgres(service: ServiceFacts) -> bool:
    image = service.base or service.image
    if holds_data(image) or "pg_isready" in service.healthcheck:
        return "pg_isready" in service.healthcheck or bool(POSTGRES.search(image))
    # what only uses a database has its name and its user too
    said = not service.context and any(service.postgres.values())
    at_its_port = _POSTGRES_PORT in (*service.exposed, *(port for _, port in service.ports))
    return said and (at_its_port or bool(_DATABASE.search(service.name.lower())))


def holds_data(image: str) -> bool:
    """Return whether an image is a database, a queue or the like: two of it on one folder destroy it."""
    return bool(STORES.search(image.lower()))


def is_store(service: ServiceFacts) -> bool:
    return is_postgres(service) or bool(STORES.search(service.base or service.image))


def is_tool(service: ServiceFacts) -> bool:
    """Return whether it is what others make: a monitor, a browser of the database."""
    return bool(TOOLS.search(service.base or service.image))


def is_other_database(service: ServiceFacts) -> bool:
    return bool(OTHER_DATABASES.search(service.base or service.image)) and not is_postgres(service)


def is_proxy(service: ServiceFacts) -> bool:
    return bool(PROXY.search(service.image) or PROXY.search(service.name))


def serves(service: ServiceFacts, fronted: set[str]) -> int:
    """Return how much speaks for it that clients reach this service; below 0: it works behind the others."""
    return (
        8 * bool(service.ports)
        + 4 * (service.name in fronted)
        + 2 * bool(service.exposed or URL.search(service.healthcheck))
        - 5 * bool(_BEHIND.search(service.name.lower()))
    )
