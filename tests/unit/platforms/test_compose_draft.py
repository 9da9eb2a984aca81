"""The first runbook of a system."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.platforms.compose.draft.writing import DraftFacts, ServiceFacts, draft, service_facts
from runwright.runbook.loader import load
from tests.fixtures.properties import examples

DATABASE = ServiceFacts("db", image="postgres:15", postgres={"POSTGRES_DB": "shop", "POSTGRES_USER": "owner"})
API = ServiceFacts(
    "api",
    context="backend",
    ports=((8000, 8080),),
    healthcheck="CMD-SHELL curl -fsS http://localhost:8080/readyz || exit 1",
    depends_on=("db",),
)
WORKER = ServiceFacts("worker", context="backend", depends_on=("db",))
WEB = ServiceFacts("web", context="web", ports=((3000, 3000),))
PROXY = ServiceFacts("caddy", image="caddy:2", ports=((80, 80),), depends_on=("api",))


def facts(*services, **more):
    return DraftFacts(
        **{"project": "shop", "directory": "/opt/shop", "repo": "/home/me/shop", "services": services, **more}
    )


@pytest.fixture
def loaded(tmp_path):
    def _loaded(given_facts):
        file = tmp_path / "shop.yaml"
        file.write_text(draft(given_facts))
        return load(file).runbook

    return _loaded


def test_a_usual_system_is_drafted_whole(loaded):
    """Components by folder, the database's names, the healthcheck's path on its published port, and the migrations."""
    book = loaded(facts(DATABASE, API, WORKER, WEB, PROXY, alembic="backend"))
    assert book.services() == {"api": "api", "worker": "api", "web": "web"}
    place = book.environments["development"]
    assert place.urls == {"api": "http://localhost:8000", "web": "http://localhost:3000"}
    assert (place.database.service, place.database.name, place.database.user) == ("db", "shop", "owner")
    assert [(p.id, p.get) for p in book.verify.health] == [
        ("api-readyz", "${url.api}/readyz"),
        ("web-front", "${url.web}/"),
    ]
    assert book.migrate.component == "api"
    watched = [(rule.id, rule.probe) for rule in book.watch.rules if rule.probe]
    assert watched == [("down", "api-readyz"), ("down-web", "web-front")]


def test_a_draft_is_short_and_marks_what_it_guessed():
    """About forty lines; every guess is a `# check:`; what stays as it is is named."""
    text = draft(facts(DATABASE, API, WORKER, WEB, PROXY, alembic="backend"))
    assert 30 <= len(text.splitlines()) <= 45
    assert "db, caddy stay as they are" in text
    assert "# check: no healthcheck names a path" in text


@pytest.mark.parametrize(
    "command, path",
    [
        ("CMD curl -f http://localhost:8080/healthz", "/healthz"),
        ("CMD-SHELL wget -qO- http://127.0.0.1:8080/health/ready || exit 1", "/health/ready"),
        ('CMD python -c import urllib.request; urllib.request.urlopen("http://127.0.0.1:8080/up").read()', "/up"),
        ("CMD-SHELL curl localhost:8080/up", "/up"),
        ("CMD-SHELL curl --silent --fail 127.0.0.1:8080/health-check || exit 1", "/health-check"),
        ("CMD-SHELL nc -z localhost:8080", "/"),
        ("CMD redis-cli -u redis://localhost:8080/up", "/"),
        ("CMD psql postgres@localhost:8080/up", "/"),
        ("CMD curl -f http://0.0.0.0:8080", "/"),
        ("CMD curl -f http://localhost:9999/other", "/"),
        ("CMD curl -f http://example.com:8080/elsewhere", "/"),
        ("CMD curl -f http://localhost:$PORT/x", "/"),
        ("CMD curl -f http://localhost:8080/x?token=secret", "/x"),
        ("CMD redis-cli ping", "/"),
        ("", "/"),
    ],
)
def test_the_path_of_a_probe_is_what_the_healthcheck_asks(loaded, command, path):
    """curl, wget or Python, on this container's own published port; anything else is no evidence."""
    book = loaded(facts(ServiceFacts("api", context=".", ports=((8000, 8080),), healthcheck=command)))
    assert [p.get for p in book.verify.health] == ["${url.api}" + path]


@pytest.mark.parametrize(
    "alembic, context, directory",
    [
        (".", ".", "."),
        ("backend", "backend", "."),
        ("backend", "./backend/", "."),
        ("backend/db", "backend", "db"),
        ("db", ".", "db"),
    ],
)
def test_migrations_are_where_the_image_has_them(loaded, alembic, context, directory):
    """alembic.ini is named relative to the folder that its component is built from."""
    book = loaded(facts(DATABASE, ServiceFacts("api", context=context), alembic=alembic))
    assert (book.migrate.component, book.migrate.directory) == ("api", directory)


def test_migrations_that_no_component_is_built_from_are_a_guess():
    """The draft says so instead of naming a folder that is not in the image."""
    assert "# check: alembic.ini is in tools" in draft(facts(DATABASE, API, alembic="tools"))


def test_a_folder_in_the_image_is_a_guess():
    """Which one it is depends on the Dockerfile."""
    known = draft(facts(DATABASE, ServiceFacts("api", context="."), alembic="backend"))
    assert "directory: backend} # check: backend is seen from the image's WORKDIR" in known
    assert "WORKDIR" not in draft(facts(DATABASE, API, alembic="backend"))


def test_a_container_that_migrates_when_it_starts_is_pointed_out(loaded):
    """Its old version would not start on a schema with additions, which is how a release is put back."""
    known = facts(DATABASE, API, alembic="backend", at_start=("backend/start.sh",))
    assert "# check: backend/start.sh: if a service migrates when it starts" in draft(known)
    assert loaded(known).migrate.component == "api"
    assert "when it starts" not in draft(facts(DATABASE, API, at_start=("backend/start.sh",)))


def test_a_probe_of_a_long_path_has_the_name_of_its_end(loaded):
    """Names are read in messages at night."""
    health = "curl http://localhost:8000/api/v1/utils/health-check/"
    book = loaded(facts(ServiceFacts("api", context=".", ports=((80, 8000),), healthcheck=health)))
    assert [p.id for p in book.verify.health] == ["health-check"]


def test_a_proxy_that_is_built_is_asked_as_well(loaded):
    """A release replaces it with its configuration; what it leads to may answer on ports of its own all the same."""
    first, second = (
        ServiceFacts(name, context="web", ports=((on, 5000),)) for name, on in (("web1", 81), ("web2", 82))
    )
    front = ServiceFacts("nginx", context="nginx", ports=((80, 80),), depends_on=("web1", "web2"))
    book = loaded(facts(first, second, front))
    assert book.environments["development"].urls == {
        "web1": "http://localhost:81", "web2": "http://localhost:82", "nginx": "http://localhost",
    }  # fmt: skip
    assert [p.id for p in book.verify.health] == ["web1-front", "web2-front", "nginx-front"]


def test_each_service_of_a_component_that_publishes_a_port_has_an_address_and_a_probe(loaded):
    """The component's is that of its first service; each healthcheck's path is asked of its own port, and of no other."""
    api, admin = (
        ServiceFacts(name, context="app", ports=((on, 8000),), healthcheck=f"curl -f http://localhost:8000/{name}/up")
        for name, on in (("api", 8000), ("admin", 8001))
    )
    metrics = ServiceFacts("web_", context="app", ports=((9000, 9000),))
    book = loaded(facts(DATABASE, api, admin, metrics, ServiceFacts("worker", context="app"), WEB, alembic="elsewhere"))
    assert list(book.components) == ["api", "web"]
    assert book.environments["development"].urls == {
        "api": "http://localhost:8000", "admin": "http://localhost:8001", "web-2": "http://localhost:9000",
        "web": "http://localhost:3000",
    }  # fmt: skip
    assert [p.get for p in book.verify.health] == [
        "${url.api}/api/up", "${url.admin}/admin/up", "${url.web-2}/", "${url.web}/",
    ]  # fmt: skip
    assert [rule.id for rule in book.watch.rules if rule.probe] == ["down", "down-admin", "down-web-2", "down-web"]
    assert book.migrate.component == "api"


def test_migrations_without_a_database_are_left_for_a_person(loaded):
    """A database that was not recognised is asked for; the draft loads without it."""
    known = facts(API, alembic="backend")
    assert "no database that could be recognised" in draft(known)
    assert loaded(known).migrate is None


def test_a_system_without_ports_has_no_probes_and_says_so(loaded):
    """Nothing is invented: no address, no probe, and a line that asks for one."""
    known = facts(WORKER)
    assert "# check: no port is published" in draft(known)
    assert loaded(known).verify.health == []


FLASK = {"context": "services/web", "depends_on": ("db",)}
NGINX = ServiceFacts("nginx", image="nginx:1.25", ports=((443, 443), (1337, 80)), depends_on=("web",))


@pytest.mark.parametrize(
    "services, components, urls, probes",
    [
        pytest.param(
            [ServiceFacts("beat", **FLASK), ServiceFacts("celery", **FLASK), ServiceFacts("web", **FLASK), NGINX],
            {"web": ["web", "beat", "celery"]},
            {"web": "http://localhost:1337"},
            ["${url.web}/"],
            id="the service that the proxy waits for names the component",
        ),
        pytest.param(
            [ServiceFacts("a-worker", **FLASK), ServiceFacts("site", ports=((8004, 8000),), **FLASK)],
            {"site": ["site", "a-worker"]},
            {"site": "http://localhost:8004"},
            ["${url.site}/"],
            id="the service that publishes a port names it",
        ),
        pytest.param(
            [ServiceFacts("backend", **FLASK), ServiceFacts("scheduler", **FLASK), ServiceFacts("aaa-queue", **FLASK)],
            {"backend": ["backend", "scheduler", "aaa-queue"]},
            {},
            [],
            id="what is called a worker names nothing, also without a port",
        ),
        pytest.param(
            [
                ServiceFacts("api", context="api", healthcheck="curl -f http://localhost:8000/healthz"),
                ServiceFacts("ui", context="ui"),
                ServiceFacts("traefik", image="traefik:3", ports=((80, 80),)),
            ],
            {"api": ["api"], "ui": ["ui"]},
            {"api": "http://localhost", "ui": "http://localhost"},
            ["${url.api}/healthz", "${url.ui}/"],
            id="a proxy that names no service leads to all that serve",
        ),
        pytest.param(
            [ServiceFacts("web", **FLASK), ServiceFacts("nginx", context="nginx", ports=((80, 80),), depends_on=("web",))],
            {"web": ["web"], "nginx": ["nginx"]},
            {"web": "http://localhost"},
            ["${url.web}/"],
            id="a proxy that is built leads to what it waits for",
        ),
        pytest.param(
            [ServiceFacts("front", image="acme/front:1", ports=((8443, 8443),), depends_on=("db",))],
            {"front": ["front"]},
            {"front": "https://localhost:8443"},
            ["${url.front}/"],
            id="a port of TLS",
        ),
    ],
)  # fmt: skip
def test_the_component_has_the_name_of_what_serves_and_the_address_that_clients_use(
    loaded, services, components, urls, probes
):
    """Compose lists services by the alphabet: that says nothing about which of them is the application."""
    book = loaded(facts(DATABASE, *services))
    assert {name: c.services for name, c in book.components.items()} == components
    assert list(book.components) == list(components)
    assert book.environments["development"].urls == urls
    assert [p.get for p in book.verify.health] == probes


@pytest.mark.parametrize(
    "needs, components",
    [
        ({}, ["api", "ui", "search"]),
        ({"api": ["search"]}, ["search", "api", "ui"]),
        ({"api": ["ui"], "ui": ["search"]}, ["search", "ui", "api"]),
        ({"api": ["ui"], "ui": ["api"]}, ["ui", "api", "search"]),
        ({"api": ["db", "api"], "search": ["gone"]}, ["api", "ui", "search"]),
    ],
)
def test_what_others_depend_on_comes_first(loaded, needs, components):
    """Services are replaced in this order; but what nobody reaches is not taken for what migrates."""
    ports = {"api": ((80, 80),), "ui": ((81, 81),)}
    known = [
        ServiceFacts(name, context=name, ports=ports.get(name, ()), depends_on=tuple(needs.get(name, ())))
        for name in ("api", "search", "ui")
    ]
    book = loaded(facts(DATABASE, *known, alembic="elsewhere"))
    assert list(book.components) == components
    assert book.migrate.component == next(name for name in components if name != "search")


@pytest.mark.parametrize(
    "service, database",
    [
        (ServiceFacts("app", image="ghcr.io/acme/app:1", depends_on=("store",)), False),
        (ServiceFacts("app", image="nextcloud:apache", ports=((80, 80),)), False),
        (ServiceFacts("app", image="ghcr.io/acme/app:1"), False),
        (ServiceFacts("mysql-db", image="mysql:8"), False),
        (ServiceFacts("db", image="ghcr.io/acme/people:1"), True),
        (ServiceFacts("people", image="ghcr.io/acme/people:1", exposed=(5432,)), True),
        (ServiceFacts("people", image="bitnami/postgresql:15"), True),
    ],
)
def test_what_only_uses_a_database_is_none(loaded, service, database):
    """It is given the database's name and user as well, and may come first."""
    store = ServiceFacts("store", image="postgres:15", postgres={"POSTGRES_DB": "shop", "POSTGRES_USER": "owner"})
    known = loaded(facts(replace(service, postgres={"POSTGRES_DB": "shop"}), store))
    assert known.environments["development"].database.service == (service.name if database else "store")


@pytest.mark.parametrize(
    "said, doubt",
    [
        ({}, ""),
        ({"environment": {"POSTGRES_USER": "owner"}}, ""),
        ({"environment": {"POSTGRES_DB": "$DB_NAME"}}, "POSTGRES_DB of `db` could not be read"),
        ({"environment": {"POSTGRES_USER_FILE": "/run/secrets/user"}}, "POSTGRES_USER of `db` could not be read"),
        ({"env_file": [{"path": ".env"}]}, "POSTGRES_DB and POSTGRES_USER of `db` could not be read"),
    ],
)
def test_what_the_image_of_postgres_takes_by_itself_is_no_guess(said, doubt):
    """Without a name it has that of its user, and without a user `postgres`; what stands elsewhere is not known."""
    (database,) = service_facts({"services": {"db": {"image": "postgres:15", **said}}}, "/opt/shop")
    assert (doubt or "user: ") in draft(facts(database, API))
    assert bool(doubt) == ("could not be read" in draft(facts(database, API)))


@pytest.mark.parametrize(
    "image, told",
    [("mysql:8", True), ("mcr.microsoft.com/mssql/server:2022", True), ("redis:7", False), ("postgres:15", False)],
)
def test_a_database_that_no_release_backs_up_is_told(loaded, image, told):
    """It is left alone, which is not the same as looked after; what a cache holds can be made again."""
    known = facts(API, ServiceFacts("data", image=image))
    assert ("# check: data is no database that a release backs up" in draft(known)) == told
    assert loaded(known).services() == {"api": "api"}


def test_migrations_of_django_that_nothing_runs_are_told(loaded):
    """Where a start script runs them, that script is named instead; what is no Django has none."""
    told = "# check: a release does not run Django's migrations"
    web = ServiceFacts("web", context="app", ports=((8000, 8000),))
    assert told in draft(facts(DATABASE, web, django=("app",)))
    assert told not in draft(facts(DATABASE, web, django=("tools",)))
    started = facts(DATABASE, web, django=("app",), at_start=("app/entrypoint.sh",))
    assert told not in draft(started)
    assert loaded(started).services() == {"web": "web"}


def test_of_a_project_whose_services_are_all_behind_profiles_the_profiles_are_asked_for(loaded):
    """They are chosen in an env file, which is not there yet after a clone."""
    known = facts(replace(API, profiles=("web",)), replace(DATABASE, profiles=("data",)))
    assert "set COMPOSE_PROFILES (data,web) in .env, then run init again" in draft(known)
    assert loaded(known).services() == {"app": "app"}


def built(name: str, **more) -> ServiceFacts:
    return ServiceFacts(name, **{"context": ".", "made_from": name, **more})


@pytest.mark.parametrize(
    "service, why",
    [
        (built("db", base="postgres:15"), "is built on postgres:15, and holds data"),
        (built("db", base="registry.example/postgis/postgis:15-3"), "holds data"),
        (built("db", base="", healthcheck="CMD-SHELL pg_isready -U shop"), None),
        (built("cache", base="redis:7-alpine"), "is built on redis:7-alpine, and holds data"),
        (built("search", base="docker.elastic.co/elasticsearch/elasticsearch:8"), "holds data"),
        (built("e2e", base="node:20"), "looks like tests"),
        (built("api-tests"), "looks like tests"),
        (built("mail", base="axllent/mailpit"), "stand-in for development (axllent/mailpit)"),
        (built("aws", base="localstack/localstack:3"), "stand-in"),
        (built("stripe-mock"), "looks like tests"),
        (built("debug", profiles=("debug",)), "is started with the profile debug only"),
    ],
)
def test_what_is_built_and_is_no_application_is_left_alone_and_asked_about(loaded, service, why):
    """A database with a Dockerfile of its own is a database; tests, stand-ins and what is behind a profile are a question."""
    known = facts(API, service)
    assert loaded(known).services() == {"api": "api"}
    assert why is None or f"# check: {service.name} " in draft(known)
    assert (why or "") in draft(known)


@pytest.mark.parametrize("name", ["latest-prices", "contest", "attestation", "reminder", "testimonials"])
def test_a_name_that_only_sounds_like_tests_is_an_application(loaded, name):
    """Words are whole ones."""
    assert set(loaded(facts(API, built(name))).services()) == {"api", name}


def test_a_web_server_with_a_dockerfile_of_its_own_is_replaced(loaded):
    """It is built from the repository: its pages and its configuration are the version's."""
    nginx = built("nginx", base="nginx:1.25", ports=((80, 80),), depends_on=("api",))
    assert loaded(facts(API, nginx)).services() == {"api": "api", "nginx": "nginx"}


def test_a_database_that_is_built_is_the_database(loaded):
    """Not only one whose image has the name."""
    place = loaded(facts(built("store", base="postgres:15"), API)).environments["development"]
    assert place.database.service == "store"


@pytest.mark.parametrize(
    "written, image",
    [
        ("registry.example/acme/api:${VERSION:-latest}", "registry.example/acme/api:${release.version}"),
        ("registry.example:5000/acme/api:$TAG", "registry.example:5000/acme/api:${release.version}"),
        ("acme/api:${GIT_SHA}", "acme/api:${release.commit}"),
        ("acme/api:${TAG:?set it}-slim", "acme/api:${release.version}-slim"),
        ("${REGISTRY}/api:${TAG}", None),
        ("acme/api:1.4.2", None),
        ("acme/api@sha256:" + "0" * 64, None),
    ],
)
def test_an_image_that_ci_built_is_named_by_the_version(loaded, written, image):
    """A tag that a variable gives is the release's; otherwise the Compose file of each version names it."""
    service = ServiceFacts("api", image=written, written=written, ports=((80, 80),))
    known = facts(ServiceFacts("cache", image="redis:7"), service)
    assert loaded(known).components["api"].image == image
    assert loaded(known).services() == {"api": "api"}
    assert "components:\n  api: " in draft(known)
    assert "# check: " in draft(known).partition("components:")[2].splitlines()[1]


def test_a_port_without_a_value_is_asked_for():
    """By its variable."""
    text = draft(facts(ServiceFacts("api", context=".", hidden_ports=("${PORT}",))))
    assert "# check: api is published on ${PORT}, which has no value here" in text
    web = ServiceFacts("web", context="web", hidden_ports=("${PORT}",))
    assert "# check: web is published on ${PORT}" in draft(facts(API, web)), "also if others have an address"


def test_what_others_make_is_no_component(loaded):
    """In a project that builds nothing, a version that a variable gives is also that of a monitor."""
    app = ServiceFacts("app", image="acme/app:", written="acme/app:${TAG}")
    grafana = ServiceFacts("grafana", image="grafana/grafana:11", written="grafana/grafana:${GRAFANA:-11}")
    assert loaded(facts(grafana, app)).services() == {"app": "app"}


def test_a_page_that_django_need_not_have_is_no_failure(loaded):
    """Where it works it answers with a redirect to its login, or that there is no page; a path of its own is asked as usual."""
    django = ServiceFacts("web", context="app", ports=((8000, 8000),))
    known = facts(django, django=("app/src",))
    (probe,) = loaded(known).verify.health
    assert (probe.get, list(probe.status)) == ("${url.web}/", [200, 301, 302, 404])
    assert "# check: Django need not have a page here" in draft(known)
    asked = replace(django, healthcheck="curl http://localhost:8000/healthz")
    assert loaded(facts(asked, django=("app",))).verify.health[0].status == 200
    assert loaded(facts(django, django=("other",))).verify.health[0].status == 200


def test_a_service_that_runs_once_and_ends_is_no_part_of_a_component():
    """It would never be healthy; the draft says that a release does not run it."""
    rendered = {
        "services": {
            "api": {
                "build": {"context": "/r"},
                "expose": ["8000"],
                "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
            },
            "migrate": {"build": {"context": "/r"}, "depends_on": {"db": {"condition": "service_healthy"}}},
        }
    }
    api, migrate = service_facts(rendered, "/r")
    assert (api.ends, api.exposed, migrate.ends) == (False, (8000,), True)
    text = draft(facts(DATABASE, api, migrate))
    assert "api: {services: [api]}" in text
    assert "# check: migrate runs once and ends" in text


def test_a_version_may_take_as_long_as_the_slowest_healthcheck_of_what_is_replaced(loaded):
    """Until then users may wait for it; the database is not replaced, and without a healthcheck nothing is drafted."""
    slow = replace(API, judged_seconds=241.0)
    database = replace(DATABASE, judged_seconds=900.0)
    known = facts(database, slow, replace(WEB, judged_seconds=40.0))
    assert loaded(known).environments["development"].target.ready_timeout == 250
    assert "ready_timeout: 250s # so long a version may take until its healthchecks pass" in draft(known)
    assert "ready_timeout" not in draft(facts(database, API))


def test_a_rendered_compose_file_gives_facts_without_its_secrets():
    """Of environments only the database's name and user are kept."""
    rendered = {
        "services": {
            "api": {
                "build": {"context": "/work/shop/backend"},
                "environment": {"SECRET_KEY": "hunter2", "POSTGRES_PASSWORD": "hunter2"},
                "ports": [{"target": 8080, "published": "8000"}, {"target": 9000}],
                "healthcheck": {"test": ["CMD", "curl", "http://localhost:8080/up"]},
                "depends_on": {"db": {"condition": "service_healthy"}},
            },
            "db": {"image": "postgres:15", "environment": {"POSTGRES_DB": "shop", "POSTGRES_PASSWORD": "hunter2"}},
            "odd": None,
        }
    }
    found = service_facts(json.loads(json.dumps(rendered)), "/work/shop")
    assert replace(found[0], made_from="") == ServiceFacts(
        "api",
        context="backend",
        dockerfile="backend/Dockerfile",
        ports=((8000, 8080),),
        healthcheck="CMD curl http://localhost:8080/up",
        judged_seconds=240.0,
        depends_on=("db",),
    )
    assert found[1] == ServiceFacts(
        "db", image="postgres:15", written="postgres:15", made_from="postgres:15", postgres={"POSTGRES_DB": "shop"}
    )
    assert "hunter2" not in repr(found)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
services = st.builds(
    ServiceFacts,
    name=names,
    image=st.sampled_from(["", "postgres:15", "redis:7", "ghcr.io/acme/x@sha256:1"]),
    context=st.sampled_from(["", ".", "./api", "api", "we b", "#x"]),
    exposed=st.sampled_from([(), (8000,)]),
    depends_on=st.sampled_from([(), ("db",), ("web", "api")]),
    ends=st.booleans(),
    ports=st.lists(st.tuples(st.integers(1, 65535), st.integers(1, 65535)), max_size=2).map(tuple),
    healthcheck=st.sampled_from(
        ["", "curl http://localhost:80/a'b", "wget http://127.0.0.1/" + "x" * 90, "http://[::1/"]
    ),
    postgres=st.dictionaries(st.sampled_from(["POSTGRES_DB", "POSTGRES_USER"]), st.text(max_size=5)),
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(services, min_size=1, max_size=5, unique_by=lambda s: s.name),
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    st.sampled_from([None, ".", "api", "api/db", "we b"]),
    st.sampled_from(["/opt/shop", "/home/a b/#shop", "/x: y", "/ü"]),
)
def test_every_draft_loads(loaded, known, project, alembic, directory):
    """Whatever a project is called and made of, what was drafted from it is a runbook without mistakes."""
    book = loaded(
        DraftFacts(project, directory, directory, tuple(known), files=("a b.yml",), alembic=alembic, env_file="/x #y")
    )
    assert book.environments["development"].target.directory == directory
