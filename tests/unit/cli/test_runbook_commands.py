"""`check`, `docs` and `register --write`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.cli.runbook_commands import guesses_in, places_with
from tests.unit.cli.conftest import Call


def test_check_tells_what_cannot_be_released_yet(call: Call, shop: Path) -> None:
    """A runbook may name a platform that is not built; that is no mistake."""
    found = call("check")
    assert found.exit_code == 0, found.output
    assert "no mistakes" in found.stdout
    assert "later: Runwright cannot deploy to Amazon ECS yet" in found.stdout


def test_check_tells_the_mistakes_of_all_files_and_exits_with_two(call: Call, shop: Path) -> None:
    """It does not stop at the first file."""
    broken = shop.with_name("broken.yaml")
    broken.write_text(shop.read_text().replace("system: shop", "system: Shop\nnonsense: 1"))
    found = call("check", str(broken), str(shop), str(shop.with_name("gone.yaml")))
    assert found.exit_code == 2
    assert "nonsense" in found.stderr
    assert "gone.yaml" in found.stderr
    assert f"{shop}: shop" in found.stdout
    data = json.loads(call("check", str(broken), str(shop), "--json").stdout)
    assert [one["ok"] for one in data["runbooks"]] == [False, True]
    assert "nonsense" in data["runbooks"][0]["mistakes"]


def test_docs_prints_a_section_and_lists_them_if_there_is_no_such_one(call: Call) -> None:
    """The reference of the models."""
    assert "watch:" in call("docs", "watch").stdout
    assert "system:" in call("docs").stdout
    found = call("docs", "nosuch")
    assert found.exit_code == 2
    assert "watch" in found.stderr


def test_what_is_written_for_prefect_deploy_is_the_runbooks_in_the_folder(
    call: Call, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runbook from elsewhere is registered, and not written into this checkout."""
    monkeypatch.setattr("deployments.server.ROOT", tmp_path)
    (tmp_path / "shipped" / "store.yaml").write_text(shop.read_text().replace("system: shop", "system: store"))
    found = call("register", "--write", "--json")
    assert found.exit_code == 0, found.output
    text = (tmp_path / "prefect.yaml").read_text()
    assert "store-production" in text
    assert "shop-production" not in text
    assert json.loads(found.stdout)["deployments"] == text.count("entrypoint:")


def test_a_guess_is_told_whole() -> None:
    """Also what stands before its mark, and where it goes on in the next lines."""
    text = "# How: check: this\nbackup: {} # beside this file; check: with room\n# check: a, b: take it out; an old\n# version cannot start.\n# Other.\nx: 1 # plain\n# more\n"
    assert guesses_in(text) == [
        (2, "beside this file; with room"),
        (3, "a, b: take it out; an old version cannot start. Other."),
    ]


def test_what_was_found_before_is_still_found_after_the_suggested_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new runbook is added to the others, unless it is found already, or is of the same system as one of them."""
    books = tmp_path / "books"
    books.mkdir()
    new = tmp_path / "new.yaml"
    new.write_text("system: new\n")
    (tmp_path / "old.yaml").write_text("system: new\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNWRIGHT_SYSTEMS", raising=False)
    assert places_with(new) == str(new)
    (tmp_path / "runwright.yaml").write_text("system: usual\n")
    assert places_with(tmp_path / "runwright.yaml") == ""
    assert places_with(new) == f"{tmp_path / 'runwright.yaml'}:{new}"
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", f"{books}:{tmp_path / 'old.yaml'}")
    assert places_with(new) == f"{books}:{new}"
    assert places_with(books / "x.yaml") == f"{books}:{tmp_path / 'old.yaml'}:{books / 'x.yaml'}"
    (books / "x.yaml").write_text("system: x\n")
    assert places_with(books / "x.yaml") == ""
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", str(tmp_path / "gone"))
    assert places_with(new) == str(new)
