"""The inside of pods on a real cluster: PostgreSQL by exec, what was printed, what is configured, and what is left of a database."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runwright.databases.postgres import Postgres
from runwright.engine.actions import Command
from runwright.errors import ActionError
from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker
from tests.fixtures.kubernetes import REGISTRY, Namespace
from tests.fixtures.kubernetes_shop import deployment, service, together
from tests.unit.platforms.kubernetes.objects import target

pytestmark = pytest.mark.kubernetes
Object = dict[str, Any]
SERVES = {"exec": {"command": ["psql", "-U", "shop", "-d", "shop", "-c", "select 1"]}}


@pytest.fixture(scope="session")
def postgres_image(docker: Docker, kubernetes_registry: str) -> str:
    """PostgreSQL where a node pulls it from."""
    image = f"{kubernetes_registry}/postgres:15"
    docker.run("tag", "postgres:15", image)
    docker.run("push", "--quiet", image)
    return image


def stateful(image: str) -> list[Object]:
    """Return PostgreSQL as many have it: a StatefulSet, with another container beside it."""
    variables = {"POSTGRES_PASSWORD": "only-here", "POSTGRES_USER": "shop", "POSTGRES_DB": "shop"}
    env = [{"name": name, "value": value} for name, value in variables.items()]
    labels = {"app": "postgresql"}
    watcher = {"name": "a-metrics", "image": image, "command": ["sleep", "infinity"]}
    server = {"name": "postgresql", "image": image, "env": env, "readinessProbe": {**SERVES, "periodSeconds": 1}}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [watcher, server]}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "postgresql", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "serviceName": "postgresql",
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "postgresql"},
            "spec": {"clusterIP": "None", "selector": labels, "ports": [{"port": 5432}]},
        },
    ]


def driver(namespace: Namespace, tmp_path: Path) -> Kubernetes:
    place = target(context=namespace.cluster.context, namespace=namespace.name)
    return Kubernetes(place, {"shop": "shop"}, tmp_path, tmp_path, namespace.kubectl, system="shop", environment="dev")


def test_a_database_in_a_pod_is_asked_dumped_proven_and_restored_by_exec(
    namespace: Namespace, postgres_image: str, tmp_path: Path
) -> None:
    """Whether it is a StatefulSet, and which container it is, is asked and not assumed; what is not there has an error of its own."""
    platform = driver(namespace, tmp_path)
    assert platform.is_new(Direct(), "postgresql")
    namespace.run("apply", "-f", "-", stdin=json.dumps(together(*stateful(postgres_image))))
    namespace.run("rollout", "status", "statefulset/postgresql", "--timeout=120s")
    assert not platform.is_new(Direct(), "postgresql")
    runbook = PostgresDatabase(kind="postgres", service="postgresql", name="shop", user="shop")
    database = Postgres(runbook, platform.exec_argv("postgresql"), None)
    assert database.reachable(Direct()).startswith("PostgreSQL 15")
    assert database.revisions(Direct()) == ()
    sql = "create table item as select n, repeat('x', 100) t from generate_series(1, 20000) n"
    namespace.run("exec", "postgresql-0", "-c", "postgresql", "--", "psql", "-q", "-U", "shop", "-c", sql)
    with_password = Postgres(runbook, platform.exec_argv("postgresql"), "only-here")
    assert with_password.reachable(Direct()).startswith("PostgreSQL 15")
    backup = with_password.backup(Direct(), tmp_path, "before", "backup")
    assert backup is not None and backup.sha256
    assert with_password.restore(Direct(), backup, "shop_scratch", "restore") == "shop_scratch"
    count = ("psql", "-qAt", "-U", "shop", "-d", "shop_scratch", "-c", "select count(*) from item")
    assert namespace.run("exec", "postgresql-0", "-c", "postgresql", "--", *count).strip() == "20000"
    shown = (*platform.exec_argv("postgresql")[:-1], "-e", "PGPASSWORD", "--", "sh", "-c", "echo $PGPASSWORD; cat")
    asked: Command[str] = Command(
        says="ask", argv=shown, env={"PGPASSWORD": "it's \\ $HOME"}, stdin=b"more", parse=lambda o: o.text
    )
    assert Direct()(asked) == "it's \\ $HOME\nmore", "a password goes as it is, and what is read after it as well"
    with pytest.raises(ActionError, match="No pod of mysql is ready"):
        Direct()(Command(says="ask", argv=(*platform.exec_argv("mysql"), "true")))


def test_what_pods_printed_see_and_hold_is_known(
    namespace: Namespace, app_image: Callable[[str], str], tmp_path: Path
) -> None:
    """Logs of every pod, also of a run that ended; the names of variables from each kind of source; the values that are redacted."""
    platform = driver(namespace, tmp_path)
    began = datetime.now(UTC) - timedelta(seconds=60)
    with pytest.raises(ActionError, match="There is no pod"):
        platform.lines(Direct(), (), "", began, says="read", parse=list, assume=())
    shop = deployment(app_image("v1"), replicas=2, SET_COLOUR="blue", SET_NOTHING="")
    (container,) = shop["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": "app"}}, {"secretRef": {"name": "keys"}, "prefix": "K_"}]
    held = base64.b64encode(b"postgres://shop:hunter2!@db/shop").decode()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"LEVEL": "info"}}
    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"DSN": held}}
    namespace.run("apply", "-f", "-", stdin=json.dumps(together(shop, service(), config, keys)))
    namespace.run("rollout", "status", "deployment/shop", "--timeout=90s")
    do = Direct()
    assert do(platform.lines(do, ("shop",), "", began, says="read", parse=list, assume=[])) == ["serving v1"] * 2
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert do(platform.lines(do, (), "", later, says="read", parse=list, assume=[])) == []
    seen = platform.keys_seen(do, "shop")
    assert len(seen) == 2 and all(one.names == {"SET_COLOUR", "LEVEL", "K_DSN"} for one in seen)
    assert began < seen[0].since < datetime.now(UTC)
    assert ("K_DSN", "postgres://shop:hunter2!@db/shop") in platform.carried(do, ())
    pod = Direct()(Command(says="ask", argv=(*platform.inside(do, "shop", ""), "hostname"), parse=lambda o: o.text))
    assert pod.startswith("shop-")
    namespace.run("exec", pod.strip(), "--", "python", "-c", "import os; os.kill(1, 15)", codes=(0, 137))
    namespace.run(
        "wait", f"pod/{pod.strip()}", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=60s"
    )
    namespace.run("wait", f"pod/{pod.strip()}", "--for=condition=Ready", "--timeout=60s")
    lines = do(platform.lines(do, ("shop",), "", began, says="read", parse=list, assume=[]))
    assert lines == ["serving v1"] * 3, "also the run before of the pod that was restarted"
    assert REGISTRY in app_image("v1") and not platform.is_new(do, "shop")
