"""How a release that never began is closed, and what is kept of why."""

from __future__ import annotations

import pytest

from runwright.errors import RefusedError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.release import begin

GATES = (
    "2 of 9 gates stop the release:\n  env: /etc/shop.env lacks SECRET_KEY.\n  disk: 3 GB are free, 20 are required."
)


@pytest.fixture
def release_id(runwright_home: object) -> str:
    with open_ledger() as ledger:
        return ledger.releases.open(
            "shop", "test", "v1", procedure="deploy", run_id="run-1", runbook={}, parameters={}, deployer="somebody"
        ).id


def test_the_reason_of_an_end_before_the_first_change_is_told_whole(release_id: str) -> None:
    """Given gates that stop a release, its reason names each of them: a list's first line alone names none."""
    with open_ledger() as ledger:
        begin._abandon_if_untouched(ledger, release_id, RefusedError(GATES))
        release = ledger.releases.get(release_id)
    assert release.state is ReleaseState.ABANDONED
    assert release.because == (
        "nothing was changed: 2 of 9 gates stop the release: env: /etc/shop.env lacks SECRET_KEY; "
        "disk: 3 GB are free, 20 are required"
    )


def test_a_release_that_has_not_ended_names_the_command_that_takes_it_back(release_id: str) -> None:
    """The command can be typed as it stands: the place is one word, and without --yes it would only show."""
    with open_ledger() as ledger:
        _advance_to_migrating(ledger, release_id)
        with pytest.raises(RefusedError) as caught:
            begin._nobody_else(ledger, "shop", "test", "another")
    assert "`runwright rollback shop/test --yes`" in caught.value.next


def _advance_to_migrating(ledger: Ledger, release_id: str) -> None:
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.MIGRATING):
        ledger.releases.advance(release_id, state, "so it went")
