"""Which systems `up`, `register`, `doctor` and `check` go by when they are not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.cli.output import Output
from deployments.cli.server_commands import _tell, specs_of_chosen
from deployments.cli.systems import Chosen, choose
from runwright.errors import InputError
from tests.unit.cli.conftest import SHOP, Call


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A shipped runbook, of which `later` names a platform that is not built."""
    file = tmp_path / "shipped" / "store.yaml"
    file.write_text(SHOP.replace("system: shop", "system: store"))
    return file


def places(chosen: Chosen) -> list[str]:
    """What is chosen, as SYSTEM/ENVIRONMENT."""
    return [f"{one.loaded.runbook.system}/{name}" for one in chosen.systems for name in one.environments]


def test_with_runbooks_of_ones_own_the_shipped_ones_are_left_alone(shop: Path, shipped: Path) -> None:
    """Nobody has the systems that come with Runwright. Of one's own all environments are meant."""
    chosen = choose()
    assert places(chosen) == ["shop/development", "shop/production", "shop/later"]
    assert {spec.name for spec in specs_of_chosen(chosen)} == {"shop-development", "shop-production", "shop-later"}


def test_without_any_the_shipped_ones_that_can_be_released_are_chosen(shipped: Path) -> None:
    """An environment whose platform is not built is not registered, and it is told that none is one's own."""
    chosen = choose()
    assert places(chosen) == ["store/development", "store/production"]
    assert not chosen.own
    assert {spec.name for spec in specs_of_chosen(chosen)} == {"store-development", "store-production"}


@pytest.mark.parametrize(
    ("names", "said"), [(["a"], "1 deployment is registered."), (["a", "b"], "2 deployments are registered.")]
)
def test_what_is_registered_is_counted(
    shop: Path, capsys: pytest.CaptureFixture[str], names: list[str], said: str
) -> None:
    """One of them is no plural."""
    _tell(Output(), names, choose())
    assert said in capsys.readouterr().out.splitlines()


def test_a_shipped_one_is_chosen_by_its_name(shop: Path, shipped: Path) -> None:
    """All of it: whoever names it wants it."""
    assert places(choose(["store"])) == ["store/development", "store/production", "store/later"]
    with pytest.raises(InputError, match=r"no system `stor`\. Did you mean `store`"):
        choose(["stor"])


def test_a_runbook_with_mistakes_does_not_hide_the_others(shop: Path) -> None:
    """It is told, and the rest is done."""
    broken = shop.with_name("broken.yaml")
    broken.write_text("system: [")
    chosen = choose()
    assert list(chosen.broken) == [broken]
    assert len(chosen.systems) == 1


def test_the_runbook_that_init_writes_is_found_where_it_was_written(
    call: Call, tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init` writes ./runwright.yaml; nothing has to be set for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runwright.yaml").write_text(SHOP)
    assert places(choose())[0] == "shop/development"
    found = call("check")
    assert found.exit_code == 0, found.output
    assert "shop, development" in found.stdout
    assert "store" not in found.output


def test_check_without_a_runbook_has_nothing_to_check(call: Call, shipped: Path) -> None:
    """That somebody else's runbooks have no mistakes is no answer."""
    found = call("check")
    assert found.exit_code == 2
    assert "There is no runbook of yours" in found.stderr
    assert "runwright init" in found.stderr


def test_a_folder_that_is_set_and_holds_no_runbook_is_named(
    call: Call, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not said that nothing is set; runbooks in folders of that folder are not found."""
    (tmp_path / "books" / "shop").mkdir(parents=True)
    (tmp_path / "books" / "shop" / "runwright.yaml").write_text(SHOP)
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", str(tmp_path / "books"))
    found = call("check")
    assert found.exit_code == 2
    assert f"RUNWRIGHT_SYSTEMS is {tmp_path / 'books'}, and no .yaml or .yml file is in it." in found.stderr
    assert "folders in it are not looked into" in found.stderr
    assert "not set" not in found.stderr


def test_a_shipped_system_is_known_by_its_name_beside_ones_own(call: Call, shop: Path, shipped: Path) -> None:
    """Also an environment that cannot be released yet; what is listed are one's own."""
    assert call("status", "store/later").exit_code == 0
    found = call("status", "shop/prod")
    assert found.exit_code == 2
    assert "shop/production" in found.stderr
    assert "store" not in found.stderr
