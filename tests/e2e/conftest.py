"""One server, one worker, one repository for all of these tests, and a place for each story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from examples.make_repository import make
from tests.e2e.place import Place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """A client of the run's Prefect server."""
    with get_client(sync_client=True) as made:
        yield made


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's repository."""
    folder = tmp_path_factory.mktemp("e2e-repository") / "shop"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest,
    prefect_worker: Path,
    client: SyncPrefectClient,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """The place of one file's tests: they follow one upon the other there."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    folder = tmp_path_factory.mktemp(f"e2e-{name}")
    with pytest.MonkeyPatch.context() as patch:
        _surround(patch, folder)
        made = Place(client, folder, f"shop-{name}", repository)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def runwright_home(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RUNWRIGHT_HOME of the test's place, in place of the empty one that other tests have."""
    _surround(monkeypatch, place.folder)
    return place.folder / "home"


def _surround(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.delenv("RUNWRIGHT_LEDGER_URL", raising=False)
    patch.setenv("RUNWRIGHT_HOME", str(folder / "home"))
    patch.setenv("RUNWRIGHT_SYSTEMS", str(folder / "systems"))
