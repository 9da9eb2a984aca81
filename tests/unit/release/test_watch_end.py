"""The end of a watch: what was watched must be what was released."""

from __future__ import annotations

import pytest

from runwright.errors import VerificationError
from runwright.ledger.states import ReleaseState
from runwright.platforms.host.driver import Host
from runwright.platforms.shape import Observed, ServiceFact
from runwright.policy.watch import Conclusion
from runwright.release.watch import Watcher
from tests.unit.release.conftest import Opener


@pytest.mark.parametrize(("runs", "proven"), [("b" * 40, True), ("c" * 40, False)])
def test_nothing_is_proven_of_a_version_that_does_not_run_any_more(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, runs: str, proven: bool
) -> None:
    """Somebody has started another one by hand while the watch went on: every rule judged that."""
    work = opened()
    work.write_down("slot", "blue")
    services = (
        ServiceFact("web", "web-1", runs, True, slot="blue"),
        ServiceFact("web", "web-2", "d", True, slot="green"),
    )
    monkeypatch.setattr(Host, "observe", lambda *_: Observed(services))
    reached: list[ReleaseState] = []
    monkeypatch.setattr(work.ledger.releases, "advance", lambda _, state, *__: reached.append(state))
    watcher, end = Watcher(work), Conclusion("proven", "watched for 6s")
    if proven:
        assert watcher._ended(end) == "proven: watched for 6s"
    else:
        with pytest.raises(VerificationError, match=r"web runs ccc.* Nothing is proven"):
            watcher._ended(end)
    assert reached == ([ReleaseState.PROVEN] if proven else [])
