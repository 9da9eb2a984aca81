"""What a program, a probe's answer or a person says passes through what the application keeps secret."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runwright.engine.actions import Command, Output
from runwright.errors import ActionError, RunwrightError
from runwright.release import redacting
from runwright.release.work import Work
from runwright.testing.replies import Replies
from tasks.begin import released, taken_up
from tasks.step import without_secrets
from tests.unit.release.conftest import Opener

CONFIG = {"services": {"api": {"environment": {"FROM_FILE_KEY": "pa$$word-in-a-file", "MODE": "quiet", "EMPTY": None}},
                       "db": {"environment": {"POSTGRES_PASSWORD": "shop"}}}}  # fmt: skip
CARRIED = [
    "FROM_FILE_KEY=of-last-week",
    "DATABASE_URL=postgresql://a:tiger@db/x",
    "GPG_KEY=A035C8C19219BA82",
    "PATH=/bin",
]
PRINTED = "File of-last-week, pa$word-in-a-file, 'shop', password=tiger, hunter22 quiet A035C8C19219BA82"
CLEANED = (
    "File [secret FROM_FILE_KEY], [secret FROM_FILE_KEY], '[secret POSTGRES_PASSWORD]', "
    "password=[secret DATABASE_URL], [secret API_TOKEN] quiet A035C8C19219BA82"
)


def compose(opened: Opener, folder: Path) -> Work:
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {api: {image: x}}\n")
    (folder / ".env.production").write_text("API_TOKEN=hunter22\nDATABASE_URL=postgresql://a:b@db/x\n")
    (folder / ".env.example").write_text("MODE_KEY=quiet\n")
    return opened(
        components={"api": {}},
        local={"target": {"platform": "compose", "project": "shop", "directory": str(folder)}, "router": None},
    )


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Docker answers."""
    table: dict[str, Any] = {
        "-f - config": Output(
            0, json.dumps({"services": {"asked": {"labels": {"files": "", "separator": ""}}}}).encode(), b""
        ),
        "config --format json": Output(0, json.dumps(CONFIG).encode(), b""),
        "docker ps": Output(0, b"aaa\n", b""),
        "docker container inspect": Output(0, json.dumps(CARRIED).encode() + b"\nnull\n", b""),
    }
    monkeypatch.setattr(redacting, "_Reading", lambda: Replies(table))
    return table


def test_all_that_the_application_keeps_secret_is_taken_out_of_what_is_printed(
    opened: Opener, docker: dict[str, Any], tmp_path: Path
) -> None:
    """Of its env files, its Compose files, and its containers, which may carry an older value; an image's own stays."""
    work = compose(opened, tmp_path / "shop")
    assert work.performer.clean_printed(PRINTED) == CLEANED
    assert work.probing().redact(PRINTED) == CLEANED
    assert work.performer.clean("release shop quiet") == "release shop quiet"


@pytest.mark.parametrize("silent", ["config --format json", "docker ps", "docker container inspect"])
def test_who_does_not_answer_keeps_nobody_from_reading_an_error(
    opened: Opener, docker: dict[str, Any], tmp_path: Path, silent: str
) -> None:
    """The engine may be what the error is about; what else is known is taken out all the same."""
    docker[silent] = ActionError("docker is away")
    cleaned = compose(opened, tmp_path / "shop").performer.clean_printed(
        f"{PRINTED}: Cannot connect to the Docker daemon"
    )
    assert cleaned.endswith("Cannot connect to the Docker daemon")
    assert "hunter22" not in cleaned


def test_errors_and_tracebacks_of_a_step_hold_nothing_of_it(
    opened: Opener, docker: dict[str, Any], tmp_path: Path
) -> None:
    """A program's last lines, what a parser quotes, and an exception of a library such as SQLAlchemy's."""
    work = compose(opened, tmp_path / "shop")
    told: list[str] = []
    work.run = SimpleNamespace(say=lambda text, level="info": told.append(text))

    def quotes(output: Output) -> None:
        raise RunwrightError(f"not understood: {output.text}")

    def foreign(_: Work) -> None:
        raise ValueError(f"(psycopg.OperationalError) {PRINTED} postgresql+psycopg://a:tiger@db/x")

    print_it = ("sh", "-c", 'printf %s "$IT" >&2; printf %s "$IT"; exit "$CODE"')
    for code in ("1", "0"):
        it = Command(says="look", argv=print_it, env={"IT": PRINTED, "CODE": code}, parse=quotes)
        with pytest.raises(RunwrightError) as caught:
            work.do(it)
        told.append(str(caught.value))
    with pytest.raises(RunwrightError) as caught:
        without_secrets(work, foreign)
    told.append(str(caught.value))
    assert all(CLEANED in text for text in told) and len(told) == 4
    assert not any(secret in text for text in told for secret in ("tiger", "of-last-week", "hunter22", "'shop'"))


def test_on_the_host_platform_the_runbook_and_the_env_file_count(opened: Opener, tmp_path: Path) -> None:
    """The process gets the one from us and reads the other itself."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".env").write_text("export DB_PASS='shop'\n")
    process = {"command": ["{python}"], "env": {"API_KEY": "in-the-runbook", "LOG_LEVEL": "debugging"}}
    target = {"platform": "host", "directory": str(tmp_path / "run"), "process": process}
    work = opened(local={"target": target})
    told = "shop in-the-runbook debugging"
    assert work.performer.clean_printed(told) == "[secret DB_PASS] [secret API_KEY] debugging"
    assert work.performer.clean(told) == told


def test_what_a_person_writes_is_kept_without_secrets(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and reasons are kept for good and shown to everybody; a line of a log is easily pasted."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".env").write_text("DB_PASS=hunter22\n")
    work = opened()
    monkeypatch.setattr("runwright.release.begin.checked", lambda *_: work.runbook)
    work.ledger.releases.advance(work.id, work.release.state.ABANDONED, "over")
    with released("shop", "local", "v2", "ada hunter22", {"team": "Ada hunter22"}, None) as release_id:
        release = work.ledger.releases.get(release_id)
        assert release.deployer == "ada [secret DB_PASS]"
        assert release.parameters["attestations"] == {"team": "Ada [secret DB_PASS]"}
        asked = {"reason": "password hunter22 is wrong", "deployer": "eve hunter22"}
        taken_up("shop", "local", "rollback", release_id=release_id, asked=asked)
        kept = work.ledger.releases.fact(release_id, "asked")
        assert (kept["reason"], kept["deployer"]) == ("password [secret DB_PASS] is wrong", "eve [secret DB_PASS]")
