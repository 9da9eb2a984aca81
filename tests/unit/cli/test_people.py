"""`clear`, `accept` and `abandon`: decisions of people, kept with their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.cli.closing import frozen_next
from runwright.ledger import Ledger
from runwright.ledger.states import ReleaseState as S
from tests.unit.cli.conftest import Call, Opened

ACCEPT = ("accept", "--why", "the metrics are right after all", "--name", "Ada Lovelace")
ABANDON = ("abandon", "--why", "removed by hand", "--name", "Ada Lovelace")


@pytest.mark.parametrize(
    ("words", "state", "said"),
    [
        (ACCEPT, S.PROVEN, "Ada Lovelace accepted it: the metrics are right after all"),
        (ABANDON, S.ABANDONED, "Ada Lovelace abandoned it: removed by hand"),
    ],
)
def test_a_person_ends_a_frozen_release_by_name_and_reason(
    call: Call, ledger: Ledger, opened: Opened, words: tuple[str, ...], state: S, said: str
) -> None:
    """Both are in its history for good, and what they said is an approval."""
    release = opened("v1", to=S.FROZEN)
    found = call(*words, release.id)
    assert found.exit_code == 0, found.output
    after = ledger.releases.get(release.id)
    assert (after.state, after.because) == (state, said)
    (approval,) = ledger.records.approvals(release.id)
    assert (approval.name, approval.gate) == ("Ada Lovelace", "frozen")


@pytest.mark.parametrize("words", [ACCEPT, ABANDON])
@pytest.mark.parametrize("state", [S.PREPARING, S.WATCHING, S.PROVEN, S.ROLLED_BACK, S.ABANDONED])
def test_only_a_frozen_release_is_a_persons_to_end(
    call: Call, ledger: Ledger, opened: Opened, words: tuple[str, ...], state: S
) -> None:
    """One that failed its watch cannot be talked into being proven."""
    release = opened("v1", to=state)
    found = call(*words, release.id)
    assert found.exit_code == 3
    assert ledger.releases.get(release.id).state is state
    assert ledger.records.approvals(release.id) == []


def test_a_way_back_that_fails_again_and_again_can_be_closed(
    call: Call, ledger: Ledger, opened: Opened, shop: Path
) -> None:
    """Without that nothing could ever be released there again; `status` says how. It is not to be called proven."""
    release = opened("v1", to=S.ROLLING_BACK)
    status = call("status", "shop/production").stdout
    assert f"runwright abandon {release.id} --why" in status
    assert call(*ACCEPT, release.id).exit_code == 3
    found = call(*ABANDON, release.id)
    assert found.exit_code == 0, found.output
    assert ledger.releases.get(release.id).state is S.ABANDONED
    assert "unfinished" not in call("status", "shop/production").stdout


@pytest.mark.parametrize("words", [ACCEPT, ABANDON])
@pytest.mark.parametrize("state", [S.FROZEN, S.ROLLING_BACK])
def test_nobody_decides_about_what_a_rollback_has_in_hand(
    call: Call, opened: Opened, runwright_home: Path, words: tuple[str, ...], state: S
) -> None:
    """It may come right a moment later."""
    from runwright.ledger import open_ledger

    release = opened("v1", to=state)
    with open_ledger() as ledger:
        ledger.leases.take(
            "shop", "production", holder="rollback", run_id="r", procedure="rollback", release_id=release.id
        )
        assert call(*words, release.id).exit_code == 3
        assert ledger.releases.get(release.id).state is state


def test_nobody_decides_while_somebody_works_on_it(call: Call, opened: Opened, runwright_home: Path) -> None:
    """A rollback that has just begun would end somewhere else."""
    from runwright.ledger import open_ledger

    release = opened("v1", to=S.FROZEN)
    with open_ledger() as ledger:  # by the real clock, as the command asks
        ledger.leases.take(
            "shop", "production", holder="rollback", run_id="r", procedure="rollback", release_id=release.id
        )
    found = call(*ACCEPT, release.id)
    assert found.exit_code == 3
    assert "held by rollback" in found.stderr


def test_a_version_is_let_out_of_quarantine(call: Call, ledger: Ledger, opened: Opened) -> None:
    """And may be released again; who said so is kept."""
    release = opened("v1", to=S.ROLLED_BACK)
    assert ledger.releases.quarantined("shop", "production", release.commit) is not None
    found = call("clear", release.id, "--why", "it was the network", "--name", "Ada", "--json")
    assert found.exit_code == 0, found.output
    data = json.loads(found.stdout)
    assert (data["cleared_by"], data["cleared_because"]) == ("Ada", "it was the network")
    assert ledger.releases.quarantined("shop", "production", release.commit) is None
    again = call("clear", release.id, "--why", "twice", "--name", "Ada")
    assert again.exit_code == 3
    assert ledger.releases.get(release.id).cleared_because == "it was the network"


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 201, "\x1b[31m"])
@pytest.mark.parametrize("option", ["--why", "--name"])
def test_a_reason_and_a_name_are_one_line_that_somebody_can_read(
    call: Call, ledger: Ledger, opened: Opened, option: str, text: str
) -> None:
    """They are read at night, years later."""
    release = opened("v1", to=S.FROZEN)
    words = {"--why": "x", "--name": "Ada"} | {option: text}
    found = call("accept", release.id, *(w for pair in words.items() for w in pair))
    assert found.exit_code == 2
    assert option in found.stderr
    assert ledger.releases.get(release.id).state is S.FROZEN


def test_a_drill_is_never_accepted(call: Call, opened: Opened, ledger: Ledger) -> None:
    """It was broken on purpose; a frozen one is told only what helps."""
    release = opened("v1", to=S.FROZEN, procedure="drill")
    found = call("accept", release.id, *ACCEPT[1:])
    assert found.exit_code == 3
    assert "is a drill" in found.stderr
    assert ledger.releases.get(release.id).state is S.FROZEN
    assert "accept" not in frozen_next(release, None)


def test_what_a_person_writes_is_kept_without_secrets(
    call: Call, ledger: Ledger, opened: Opened, tmp_path: Path
) -> None:
    """A line of a log is easily pasted, and is in the history for good."""
    (tmp_path / ".env").write_text("DB_PASS=hunter22\n")
    target = {"platform": "compose", "project": "shop", "directory": str(tmp_path)}
    book = {
        "system": "shop",
        "source": {"repo": "shop"},
        "components": {"web": {}},
        "environments": {"production": {"tier": "development", "target": target}},
    }
    release = opened("v1", to=S.FROZEN, runbook=book)
    found = call("accept", "--why", "password hunter22 was wrong", "--name", "Ada", release.id)
    assert found.exit_code == 0, found.output
    said = "Ada accepted it: password [secret DB_PASS] was wrong"
    assert ledger.releases.get(release.id).because == said
    assert "hunter22" not in found.output + ledger.records.approvals(release.id)[0].text
