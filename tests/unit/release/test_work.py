"""What a step works with."""

from __future__ import annotations

import pytest

from runwright.errors import ObservationError
from runwright.release.work import at_work
from tasks.lease import holding
from tasks.put_back import in_hand
from tasks.run import RUN
from tests.unit.release.conftest import Opener

SECRETS = {"SMTP_PASSWORD": "hunter2-hunter2"}


def test_an_environment_in_hand_needs_no_orchestrator(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a Prefect that is gone after the first step, the next ones, and the way back, have the secrets all the same."""
    release_id, answers = opened().id, [SECRETS]

    def load(*_: object) -> dict[str, str]:
        if not answers:
            raise ObservationError("Prefect's API does not answer as it should.")
        return answers.pop()

    monkeypatch.setattr("tasks.run.load_secrets", load)
    seen = []
    monkeypatch.setattr(
        "runwright.release.put_back.after_failure", lambda work, error: seen.append((work.secrets, str(error.what)))
    )
    with pytest.raises(ObservationError, match="it broke"), in_hand(release_id):
        for _ in range(2):
            with at_work(release_id, RUN) as work:
                assert work.secrets == SECRETS
        raise ObservationError("it broke")
    assert seen == [(SECRETS, "it broke")]


def test_secrets_are_not_kept_beyond_the_lease(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read for one procedure is gone with it; while a release is prepared, each step reads them."""
    release_id, asked = opened().id, []
    monkeypatch.setattr("tasks.run.load_secrets", lambda *_: asked.append(1) or SECRETS)
    for _ in range(2):
        with holding(release_id, "deploy"):
            for _ in range(2):
                with at_work(release_id, RUN):
                    pass
    assert len(asked) == 2
    for _ in range(2):
        with at_work(release_id, RUN):
            pass
    assert len(asked) == 4
