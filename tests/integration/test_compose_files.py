"""Which Compose files a version is made of: Compose itself, asked, against what a release reads. Nothing is started."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runwright.errors import InputError, NotBuiltError
from runwright.platforms.compose.config import read_config
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.draft.gathering import gather
from runwright.platforms.compose.release import InTree, project_in_tree
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

API = "services: {api: {image: nginx:1, volumes: ['./data:/data'], environment: {MODE: debug}}}\n"
PROD = "services: {api: {image: 'nginx:${TAG:-2}', volumes: ['./data:/prod']}}\n"


@dataclass
class Case:
    """The files of a version, what the user's folder has besides, and what Compose makes of it: image and mounts."""

    files: dict[str, str]
    env: str = ""
    image: str = "nginx:2"
    mounts: list[str] = field(default_factory=lambda: ["data"])
    target: dict[str, object] = field(default_factory=dict)


CASES = {
    "an override beside": Case({"compose.yaml": API, "compose.override.yaml": PROD}),
    "named in the env file": Case(
        {"docker-compose.yml": API, "docker-compose.prod.yml": PROD},
        "COMPOSE_FILE=docker-compose.yml:docker-compose.prod.yml\n",
    ),
    "with a separator of its own": Case(
        {"a.yml": API, "b.yml": PROD}, "COMPOSE_PATH_SEPARATOR=,\nCOMPOSE_FILE=a.yml,b.yml\n"
    ),
    "in a folder": Case(
        {"deploy/a.yml": API, "deploy/b.yml": PROD},
        "COMPOSE_FILE=deploy/a.yml:deploy/b.yml\n",
        mounts=["deploy/data"],
    ),
    "through a link": Case({"real/prod.yml": API, "compose.yaml": "-> real/prod.yml"}, image="nginx:1"),
    "named by an env file elsewhere": Case(
        {"a.yml": API, "b.yml": PROD}, "COMPOSE_FILE=nowhere.yml\n", target={"env_file": "prod.env"}
    ),
    "the runbook's own": Case({"a.yml": API, "b.yml": PROD}, "COMPOSE_FILE=b.yml\n", "nginx:1", target={"files": ["a.yml"]}),
    "included": Case(
        {"compose.yaml": "include: [sub/more.yml]\n", "sub/more.yml": PROD}, "TAG=7\n", "nginx:7", ["sub/data"]
    ),
    "extended": Case(
        {
            "compose.yaml": "services: {api: {extends: {file: sub/base.yml, service: api}}}\n",
            "sub/base.yml": PROD,
        },
        mounts=["sub/data"],
    ),
}  # fmt: skip


def found(case: Case, folder: Path) -> InTree:
    """Return the project of a version with the files of ``case``, for the application that is run in ``folder``/opt."""
    tree, opt = folder / "tree", folder / "opt"
    for top in (tree, opt):
        for name, text in case.files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                (top / name).symlink_to(text.removeprefix("-> "))
            else:
                (top / name).write_text(text if top == tree else "this is not what is released\n")
    (opt / ".env").write_text(case.env)
    (opt / "prod.env").write_text("COMPOSE_FILE=a.yml:b.yml\n")
    target = ComposeTarget.model_validate({"platform": "compose", "project": "p", "directory": str(opt), **case.target})
    return project_in_tree(Direct(), Place(target, tree, folder / "state", {}, folder))


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_version_is_made_of_the_files_that_compose_itself_would_take(
    case: Case, tmp_path: Path, docker: Docker
) -> None:
    """Of the commit, and with its paths in the folder that the application is run from."""
    api = read_config(Direct(), found(case, tmp_path).project).services["api"]
    assert api.image == case.image
    assert {m.source for m in api.mounts} == {str(tmp_path / "opt" / path) for path in case.mounts}


def test_what_is_put_together_keeps_variables_and_no_secrets(tmp_path: Path, docker: Docker) -> None:
    """It is kept with the version: what an env file says is filled in when it is started."""
    files = {
        "compose.yaml": "include: [more.yml]\n",
        "more.yml": "services: {a: {image: x, environment: {S: '${S}'}}}\n",
    }
    (file,) = found(Case(files, "S=geheim-1\n"), tmp_path).project.files
    assert "${S}" in file.read_text()
    assert "geheim" not in file.read_text()


@pytest.mark.parametrize(
    ("files", "env", "error", "told"),
    [
        ({"a.yml": API}, "COMPOSE_FILE=a.yml:b.yml\n", InputError, "no b.yml in this version's tree.*COMPOSE_FILE"),
        ({"a.yml": API}, "COMPOSE_FILE=a.yml:../b.yml\n", InputError, r"\.\./b\.yml, which is not in"),
        ({"compose.yaml": "include: [{path: b.yml, env_file: b.env}]\n", "b.yml": API}, "", NotBuiltError, "b.yml"),
    ],
)
def test_files_that_are_of_no_version_are_refused(
    files: dict[str, str], env: str, error: type[Exception], told: str, tmp_path: Path, docker: Docker
) -> None:
    """Those outside of the repository, those that this version lacks, and included ones with variables of their own."""
    with pytest.raises(error, match=told):
        found(Case(files, env), tmp_path)


def test_init_goes_by_the_same_files(tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the env file they need not be in the runbook; named in the shell they must, for no worker knows that."""
    for name, text in {"docker-compose.yml": API, "prod.yml": PROD, ".gitignore": ".env\n"}.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    assert gather(Direct(), tmp_path).facts.files == ()
    monkeypatch.setenv("COMPOSE_FILE", os.pathsep.join(("docker-compose.yml", "prod.yml")))
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "named")
    facts = gather(Direct(), tmp_path).facts
    assert (facts.files, facts.project) == (("docker-compose.yml", "prod.yml"), "named")
    monkeypatch.delenv("COMPOSE_FILE")
    (tmp_path / ".env").write_text("COMPOSE_FILE=docker-compose.yml:prod.yml\n")
    assert gather(Direct(), tmp_path).facts.files == ()
