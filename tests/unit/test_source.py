"""What may be released where, and which addresses of repositories are taken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runwright.errors import InputError
from runwright.git import address, credentials, environment
from runwright.source import Resolved, allowed


def resolved(*, tags: tuple[str, ...] = (), branches: tuple[str, ...] = ()) -> Resolved:
    return Resolved("a" * 40, "x", "commit", tags, branches, "subject", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("rule", "tags", "branches", "expected"),
    [
        ("any", (), (), True),
        ("tag:v*", ("v1.4.0",), (), True),
        ("tag:v*", ("nightly", "v1.4.0"), (), True),
        ("tag:v*", ("nightly",), ("v1.4.0",), False),
        ("tag:v*", (), ("main",), False),
        ("tag:v?.0", ("v1.0",), (), True),
        ("tag:v?.0", ("v12.0",), (), False),
        ("branch:main", (), ("main",), True),
        ("branch:main", (), ("main2", "old/main"), False),
        ("branch:main", ("main",), (), False),
        ("branch:hotfix/*", (), ("hotfix/login/2",), True),
        ("tag:v*|branch:hotfix/*", (), ("hotfix/login",), True),
        ("tag:v*|branch:hotfix/*", ("v1",), (), True),
        ("tag:v*|branch:hotfix/*", ("x",), ("main",), False),
        ("tag:V*", ("v1",), (), False),
    ],
)
def test_a_rule_allows_what_its_patterns_name(
    rule: str, tags: tuple[str, ...], branches: tuple[str, ...], expected: bool
) -> None:
    """One pattern of its kind is enough; case counts."""
    assert allowed(resolved(tags=tags, branches=branches), rule) is expected


@pytest.mark.parametrize(
    ("repo", "expected"),
    [
        ("github:acme/shop", "https://github.com/acme/shop.git"),
        ("github:acme/shop.git", "https://github.com/acme/shop.git"),
        ("https://git.example.com/acme/shop.git", "https://git.example.com/acme/shop.git"),
        ("ssh://git@git.example.com:2222/shop.git", "ssh://git@git.example.com:2222/shop.git"),
        ("git@github.com:acme/shop.git", "git@github.com:acme/shop.git"),
        ("file:///srv/shop.git", "file:///srv/shop.git"),
    ],
)
def test_addresses_that_git_understands_are_taken(repo: str, expected: str) -> None:
    """github:, https, ssh and file addresses."""
    assert address(repo) == expected


def test_a_folder_becomes_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder means the one that is there now, wherever git runs later."""
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    assert address("shop") == str(tmp_path / "shop")


@pytest.mark.parametrize(
    "repo",
    [
        "ext::sh -c 'touch /tmp/x'",
        "git://github.com/acme/shop",
        "-oProxyCommand=touch",
        "--upload-pack=touch",
        "ssh://-oProxyCommand=touch/x",
        "git@-oProxyCommand=touch:x",
        "git@github.com:-x",
        "github:acme",
        "github:../x",
        "/no/such/folder",
        "https://",
        "",
    ],
)
def test_addresses_that_could_run_something_are_refused(repo: str) -> None:
    """Transports that run programs, options in disguise, and folders that are not there."""
    with pytest.raises(InputError):
        address(repo)


@pytest.mark.parametrize(
    "repo",
    ["https://user:hunter2@example.com/x.git", "https://hunter2@example.com/x.git", "ssh://git:hunter2@example.com/x"],
)
def test_an_address_with_a_password_is_refused_without_showing_it(repo: str) -> None:
    """The message says where a token belongs, and does not repeat it."""
    with pytest.raises(InputError) as caught:
        address(repo)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://git.example.com/x.git", "git@github.com:acme/shop.git", "/srv/shop"])
def test_a_token_goes_over_https_only(url: str) -> None:
    """Anything else would send it in the clear, or nowhere."""
    with pytest.raises(InputError):
        credentials(url, "s3cret")


def test_settings_of_git_are_counted() -> None:
    """Every setting has its number; one that is given for a command wins over ours."""
    found = environment({"GIT_DIR": "/x"}, {"core.bare": "true"})
    count = int(found["GIT_CONFIG_COUNT"])
    settings = {found[f"GIT_CONFIG_KEY_{i}"]: found[f"GIT_CONFIG_VALUE_{i}"] for i in range(count)}
    assert settings["core.bare"] == "true"
    assert settings["core.hooksPath"] == "/dev/null"
    assert found["GIT_DIR"] == "/x"
