"""Where things are kept, whoever asks and from wherever."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.home import LEDGER_VARIABLE, ledger_url


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("sqlite:///ledger.db", "sqlite:///{here}/ledger.db"),
        ("sqlite+pysqlite:///data/ledger.db?timeout=5", "sqlite+pysqlite:///{here}/data/ledger.db?timeout=5"),
        ("sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://db.internal/runwright", "postgresql://db.internal/runwright"),
        ("postgresql:///runwright", "postgresql:///runwright"),
    ],
)
def test_a_relative_ledger_is_the_same_file_for_every_process(
    given: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker and its runs work in another folder than the person who gave the address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LEDGER_VARIABLE, given)
    assert ledger_url() == found.format(here=tmp_path)
