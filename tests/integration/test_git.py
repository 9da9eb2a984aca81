"""Mirrors, versions and worktrees with a real git."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command
from runwright.errors import ActionError, InputError, NotBuiltError, RefusedError
from runwright.source import Resolved, allowed, checkout, log_between, mirror, resolve, tree_id
from runwright.testing.direct import Direct

Git = Callable[..., str]
IDENTITY = {
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
       (("NAME", "T"), ("EMAIL", "t@example.com"), ("DATE", "2026-01-02T03:04:05Z"))},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An empty repository."""
    folder = tmp_path / "repo"
    git(folder.parent, "init", "--quiet", "--initial-branch=main", str(folder))
    return folder


def git(folder: Path, *words: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env={**os.environ, **IDENTITY},
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(repo: Path, files: dict[str, str | None], message: str = "change") -> str:
    """Commit ``files`` (None removes one) and return the commit's id."""
    for name, content in files.items():
        path = repo / name
        if content is None:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return tmp_path / "mirrors" / "shop.git"


def files_of(tree: Path) -> dict[str, str]:
    files = (p for p in sorted(tree.rglob("*")) if p.is_file() and p.name != ".git")
    return {str(p.relative_to(tree)): p.read_text() for p in files}


# -------------------------------------------------------------------------------------------------------------- mirror


def test_a_mirror_follows_its_repository(repo: Path, bare: Path) -> None:
    """Branches and tags that are new, moved or gone are so in the mirror; commits that it held stay."""
    first = commit(repo, {"a": "1"})
    git(repo, "branch", "old")
    do = Direct()
    mirror(do, str(repo), bare, "source")
    assert resolve(do, bare, "old").commit == first
    second = commit(repo, {"a": "2"})
    git(repo, "branch", "-D", "old")
    git(repo, "tag", "v1")
    mirror(do, str(repo), bare, "source")
    assert resolve(do, bare, "main").commit == resolve(do, bare, "v1").commit == second
    with pytest.raises(InputError):
        resolve(do, bare, "old")
    assert resolve(do, bare, first).commit == first
    assert do.keys == ["source/init", "source/fetch"] * 2


def test_a_rewritten_branch_does_not_take_the_old_commit_away(repo: Path, bare: Path) -> None:
    """What was released can be checked out again after a force push."""
    first = commit(repo, {"a": "1"})
    mirror(Direct(), str(repo), bare, "source")
    git(repo, "commit", "--amend", "--quiet", "-m", "rewritten")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")
    mirror(Direct(), str(repo), bare, "source")
    found = resolve(Direct(), bare, first)
    assert (found.kind, found.branches) == ("commit", ())


def test_a_repository_that_is_not_there_fails_without_asking(tmp_path: Path, bare: Path) -> None:
    """An address that leads to no repository is an ActionError, not a question."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ActionError):
        mirror(Direct(), str(tmp_path / "empty"), bare, "source")


def test_a_damaged_mirror_is_fetched_again(repo: Path, bare: Path) -> None:
    """A mirror that was interrupted while it was made is finished by the next one."""
    wanted = commit(repo, {"a": "1"})
    bare.mkdir(parents=True)
    (bare / "objects").mkdir()
    mirror(Direct(), str(repo), bare, "source")
    assert resolve(Direct(), bare, "main").commit == wanted


def test_hooks_of_a_repository_are_not_run(repo: Path, bare: Path, tmp_path: Path) -> None:
    """Neither a hook in the mirror nor one named by its configuration is run by a checkout."""
    wanted = commit(repo, {"a": "1"})
    mirror(Direct(), str(repo), bare, "source")
    ran = tmp_path / "ran"
    (bare / "hooks").mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        hook = bare / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    git(bare, "config", "core.fsmonitor", f"touch {ran}")
    checkout(Direct(), bare, wanted, tmp_path / "tree", "tree")
    mirror(Direct(), str(repo), bare, "again")
    assert not ran.exists()


def test_filters_that_a_repository_names_are_not_run(repo: Path, bare: Path, tmp_path: Path) -> None:
    """A .gitattributes cannot make a checkout run a filter of the user's configuration."""
    wanted = commit(repo, {".gitattributes": "* filter=evil\n", "a": "plain\n"})
    mirror(Direct(), str(repo), bare, "source")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text('[filter "evil"]\n\tsmudge = sed s/plain/evil/\n')
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(home)
    try:
        checkout(Direct(), bare, wanted, tmp_path / "tree", "tree")
    finally:
        os.environ["HOME"] = before or "/"
    assert (tmp_path / "tree" / "a").read_text() == "plain\n"


def test_a_token_reaches_git_by_its_environment_alone(bare: Path) -> None:
    """A token is in no word of the command, in no sentence and not in how the action prints."""
    seen: list[Command[None]] = []
    mirror(seen.append, "github:acme/shop", bare, "source", token="s3cret-token")  # type: ignore[arg-type]
    fetch = seen[-1]
    assert "https://github.com/acme/shop.git" in fetch.argv
    assert "s3cret-token" not in repr(fetch) + " ".join(fetch.argv) + fetch.says
    assert fetch.env["GIT_TERMINAL_PROMPT"] == "0"
    names = {value for name, value in fetch.env.items() if name.startswith("GIT_CONFIG_KEY_")}
    assert "http.https://github.com/.extraHeader" in names


@contextmanager
def over_tls(folder: Path, location: str = "") -> Iterator[tuple[str, list[str | None]]]:
    """A server with the certificate in ``folder`` that sends everybody to ``location``, if any, and refuses otherwise.

    Yields its address and what it was given as authorization.
    """
    given: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers.get("Authorization"))
            self.send_response(302 if location else 403)
            if location:
                self.send_header("Location", location + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_does_not_follow_a_repository_that_moved(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that is named gets the token, whom it redirects to gets nothing, and the error says what to change."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=git.test"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1", *files], check=True, capture_output=True)
    monkeypatch.setenv("HOME", str(tmp_path))  # what the user trusts, and would follow
    (tmp_path / ".gitconfig").write_text(f"[http]\n\tsslCAInfo = {tmp_path}/cert.pem\n\tfollowRedirects = true\n")
    with over_tls(tmp_path) as (other, leaked), over_tls(tmp_path, other) as (named, given):
        with pytest.raises(ActionError, match="returned error: 302") as caught:
            mirror(Direct(), f"{named}/acme/shop.git", bare, "source", token="s3cret-token")
        assert caught.value.next == "The repository was renamed or moved; put its new address into `source.repo`."
        assert len(given) == 1
        assert str(given[0]).startswith("Basic ")
        assert leaked == []
        with pytest.raises(ActionError, match="403") as refused:
            mirror(Direct(), f"{other}/acme/shop.git", bare, "again", token="s3cret-token")
        assert "renamed" not in refused.value.next


# ------------------------------------------------------------------------------------------------------------- resolve


def test_tags_branches_and_commits_resolve_to_full_commits(repo: Path, bare: Path) -> None:
    """A tag (plain, annotated or a tag of a tag), a branch, a full and an abbreviated commit all lead to one commit."""
    first = commit(repo, {"a": "1"}, "First\n\nWith a body")
    git(repo, "tag", "v1.0.0")
    git(repo, "tag", "-a", "v1.0.1", "-m", "annotated")
    git(repo, "tag", "-a", "outer", "-m", "of a tag", "v1.0.1")
    git(repo, "branch", "hotfix/login")
    commit(repo, {"a": "2"})
    mirror(Direct(), str(repo), bare, "source")
    do = Direct()
    for ref, kind in (
        *(("v1.0.0", "tag"), ("v1.0.1", "tag"), ("outer", "tag"), ("hotfix/login", "branch")),
        *((first, "commit"), (first[:7], "commit"), (first[:12], "commit")),
    ):
        found = resolve(do, bare, ref)
        assert (found.commit, found.kind, found.ref) == (first, kind, ref)
    assert set(found.tags) == {"v1.0.0", "v1.0.1"}
    assert "outer" in resolve(do, bare, "outer").tags
    assert set(found.branches) == {"hotfix/login", "main"}
    assert (found.subject, found.committed_at.isoformat()) == ("First", "2026-01-02T03:04:05+00:00")


def test_a_tag_wins_over_a_branch_of_its_name_and_says_so(repo: Path, bare: Path) -> None:
    """The tag is taken, as git does, and the remark names the branch's commit."""
    tagged = commit(repo, {"a": "1"})
    git(repo, "tag", "v2")
    other = commit(repo, {"a": "2"})
    git(repo, "branch", "v2")
    mirror(Direct(), str(repo), bare, "source")
    found = resolve(Direct(), bare, "v2")
    assert (found.commit, found.kind) == (tagged, "tag")
    assert other[:8] in found.remarks[0]


def test_a_name_is_looked_up_whole(repo: Path, bare: Path) -> None:
    """Neither the beginning of a name nor git's own ways to write a revision find anything."""
    commit(repo, {"a": "1"})
    git(repo, "tag", "release/1")
    mirror(Direct(), str(repo), bare, "source")
    for ref in ("release", "tags/release/1", "heads/main", "HEAD", "FETCH_HEAD", "mai"):
        with pytest.raises(InputError):
            resolve(Direct(), bare, ref)


@pytest.mark.parametrize("ref", ["--upload-pack=x", "main~1", "main^{tree}", "a b", "x@{1}", "..", "", "a\nb", ":/fix"])
def test_what_cannot_be_a_name_is_refused(bare: Path, ref: str) -> None:
    """Options and expressions of git are no versions; git is not even asked."""
    with pytest.raises(InputError):
        resolve(Direct(), bare, ref)


def test_an_unknown_version_names_what_is_near(repo: Path, bare: Path) -> None:
    """A typo is answered with the names that are near and the newest ones."""
    commit(repo, {"a": "1"})
    git(repo, "tag", "v1.4.0")
    git(repo, "tag", "v1.4.1")
    mirror(Direct(), str(repo), bare, "source")
    with pytest.raises(InputError) as caught:
        resolve(Direct(), bare, "v1.40")
    assert "v1.4.0" in caught.value.next
    assert "main" in caught.value.next


def test_an_abbreviated_commit_must_be_unique(repo: Path, bare: Path) -> None:
    """Digits that begin a commit and something else mean the commit; those of a tree alone mean nothing."""
    wanted = commit(repo, {"a": "1"})
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    mirror(Direct(), str(repo), bare, "source")
    assert resolve(Direct(), bare, wanted[:8]).commit == wanted
    with pytest.raises(InputError):
        resolve(Direct(), bare, tree[:10])
    with pytest.raises(InputError):
        resolve(Direct(), bare, wanted[:5])


def test_a_subject_cannot_write_on_the_terminal(repo: Path, bare: Path) -> None:
    """Control characters of a commit's subject are left out."""
    commit(repo, {"a": "1"}, "red \x1b[31malert")
    mirror(Direct(), str(repo), bare, "source")
    assert resolve(Direct(), bare, "main").subject == "red  [31malert"


def test_the_log_between_two_commits_is_what_the_second_adds(repo: Path, bare: Path) -> None:
    """Newest first, bounded, and empty the other way round."""
    first = commit(repo, {"a": "1"}, "one")
    second = commit(repo, {"a": "2"}, "two")
    third = commit(repo, {"a": "3"}, "three")
    mirror(Direct(), str(repo), bare, "source")
    do = Direct()
    assert log_between(do, bare, first, third) == [(third, "three"), (second, "two")]
    assert log_between(do, bare, first, third, at_most=1) == [(third, "three")]
    assert log_between(do, bare, third, first) == []
    with pytest.raises(InputError):
        log_between(do, bare, "main", third)


def test_equal_files_have_one_tree(repo: Path, bare: Path) -> None:
    """Two commits with the same files have the same tree id."""
    first = commit(repo, {"a": "1"})
    second = commit(repo, {}, "empty")
    third = commit(repo, {"a": "2"})
    mirror(Direct(), str(repo), bare, "source")
    ids = [tree_id(Direct(), bare, c) for c in (first, second, third)]
    assert ids[0] == ids[1] != ids[2]


def test_what_is_allowed_follows_the_commit(repo: Path, bare: Path) -> None:
    """A commit that a tag names is allowed where tags are, however it was asked for."""
    commit(repo, {"a": "1"})
    git(repo, "tag", "v1.0.0")
    git(repo, "checkout", "--quiet", "-b", "side")
    commit(repo, {"a": "2"})
    mirror(Direct(), str(repo), bare, "source")
    main, side = resolve(Direct(), bare, "main"), resolve(Direct(), bare, "side")
    assert (allowed(main, "tag:v*"), allowed(side, "tag:v*")) == (True, False)
    assert (allowed(main, "branch:main"), allowed(side, "branch:main")) == (True, False)
    assert allowed(side, "tag:v*|branch:side")


# ------------------------------------------------------------------------------------------------------------ checkout


@pytest.fixture
def three(repo: Path, bare: Path) -> dict[str, str]:
    """A mirror with three commits: one adds, one changes and removes, one turns a folder into a file."""
    ids = {
        "one": commit(repo, {"app.py": "1", "lib/a.py": "a", "lib/b.py": "b"}),
        "two": commit(repo, {"app.py": "2", "lib/b.py": None, "new.py": "n"}),
        "three": commit(repo, {"lib/a.py": None, "lib": "a file"}),
    }
    mirror(Direct(), str(repo), bare, "source")
    return ids


def test_a_checkout_is_exactly_the_commit(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """Going forth and back, every tracked file is that of the commit, and git says so too."""
    tree = tmp_path / "trees" / "shop"
    expected = {
        "one": {"app.py": "1", "lib/a.py": "a", "lib/b.py": "b"},
        "two": {"app.py": "2", "lib/a.py": "a", "new.py": "n"},
        "three": {"app.py": "2", "lib": "a file", "new.py": "n"},
    }
    for name in ("one", "two", "three", "one", "three", "two", "two"):
        checkout(Direct(), bare, three[name], tree, "tree")
        assert files_of(tree) == expected[name]
        assert git(tree, "rev-parse", "HEAD") == three[name]
        assert git(tree, "status", "--porcelain") == ""


def test_edits_by_hand_are_put_right(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """A changed and a removed file are as the commit has them after the next checkout of the same commit."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["one"], tree, "tree")
    (tree / "app.py").write_text("9")
    (tree / "lib" / "b.py").unlink()
    checkout(Direct(), bare, three["one"], tree, "tree")
    assert files_of(tree) == {"app.py": "1", "lib/a.py": "a", "lib/b.py": "b"}


def test_data_beside_the_code_stays(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """Files and folders that git does not track survive every checkout."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["one"], tree, "tree")
    (tree / "data").mkdir()
    (tree / "data" / "shop.db").write_text("rows")
    (tree / "lib" / "cache").write_text("mine")
    checkout(Direct(), bare, three["two"], tree, "tree")
    assert files_of(tree) == {
        "app.py": "2", "lib/a.py": "a", "new.py": "n", "data/shop.db": "rows", "lib/cache": "mine",
    }  # fmt: skip


@pytest.mark.parametrize("strange", ["new.py", "new.py/data", "lib/mine"])
def test_what_is_in_the_way_is_never_replaced(three: dict[str, str], bare: Path, tmp_path: Path, strange: str) -> None:
    """A file or a folder that is not ours, where the commit has a file, refuses the checkout and stays."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["one"], tree, "tree")
    path = tree / strange
    path.parent.mkdir(exist_ok=True)
    path.write_text("precious")
    with pytest.raises(RefusedError, match=strange):
        checkout(Direct(), bare, three["three"], tree, "tree")
    assert path.read_text() == "precious"
    assert (tree / "app.py").read_text() == "1"


def test_a_folder_of_somebody_else_is_refused(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """A folder that holds files already is not taken over."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "thesis.txt").write_text("years of work")
    with pytest.raises(RefusedError):
        checkout(Direct(), bare, three["one"], tree, "tree")
    assert files_of(tree) == {"thesis.txt": "years of work"}


def test_an_interrupted_checkout_leaves_no_strangers(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """A checkout that died half-way, lock and all, is finished first, so that its files do not stay behind."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["one"], tree, "tree")
    (tree.parent / "tree.commit").write_text(f"going {three['two']}")
    (tree.parent / "tree.git" / "index.lock").write_text("")
    (tree / "new.py").write_text("n")  # written, and not in the index yet
    checkout(Direct(), bare, three["one"], tree, "tree")
    assert files_of(tree) == {"app.py": "1", "lib/a.py": "a", "lib/b.py": "b"}


def test_a_lost_index_leaves_no_strangers(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """When git's state beside the tree was removed, files of the commit before still go."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["two"], tree, "tree")
    (tree.parent / "tree.git" / "index").unlink()
    checkout(Direct(), bare, three["one"], tree, "tree")
    assert files_of(tree) == {"app.py": "1", "lib/a.py": "a", "lib/b.py": "b"}


def test_a_removed_tree_comes_back(three: dict[str, str], bare: Path, tmp_path: Path) -> None:
    """A tree that somebody removed is made again."""
    tree = tmp_path / "tree"
    checkout(Direct(), bare, three["one"], tree, "tree")
    subprocess.run(["rm", "-r", str(tree)], check=True)
    checkout(Direct(), bare, three["two"], tree, "tree")
    assert files_of(tree) == {"app.py": "2", "lib/a.py": "a", "new.py": "n"}


def test_submodules_are_refused(repo: Path, bare: Path, tmp_path: Path) -> None:
    """A commit with a submodule is refused by name, before anything is written."""
    inner = commit(repo, {"a": "1"})
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{inner},vendor/lib")
    git(repo, "commit", "--quiet", "-m", "submodule")
    mirror(Direct(), str(repo), bare, "source")
    with pytest.raises(NotBuiltError, match="vendor/lib"):
        checkout(Direct(), bare, git(repo, "rev-parse", "HEAD"), tmp_path / "tree", "tree")
    assert not (tmp_path / "tree").exists()


def test_large_files_are_refused_and_the_bare_mention_is_not(repo: Path, bare: Path, tmp_path: Path) -> None:
    """Files that git keeps as addresses only are refused; an attribute that no file has is no reason to."""
    mentioned = commit(repo, {"media/.gitattributes": "*.png filter=lfs\n", "a": "1"})
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    used = commit(repo, {"media/logo.png": pointer})
    mirror(Direct(), str(repo), bare, "source")
    checkout(Direct(), bare, mentioned, tmp_path / "tree", "tree")
    with pytest.raises(NotBuiltError, match=r"media/logo\.png"):
        checkout(Direct(), bare, used, tmp_path / "tree", "tree")


def test_a_commit_must_be_full(bare: Path, tmp_path: Path) -> None:
    """Only a resolved commit is checked out."""
    with pytest.raises(InputError):
        checkout(Direct(), bare, "main", tmp_path / "tree", "tree")


def test_resolved_is_comparable(repo: Path, bare: Path) -> None:
    """Asking twice gives the same answer."""
    commit(repo, {"a": "1"})
    mirror(Direct(), str(repo), bare, "source")
    one: Resolved = resolve(Direct(), bare, "main")
    assert one == resolve(Direct(), bare, "main")


def test_a_link_of_the_repository_is_not_written_through(repo: Path, bare: Path, tmp_path: Path) -> None:
    """A commit that puts a file where the one before had a link to a folder outside does not write outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo / "lib").symlink_to(outside)
    linked = commit(repo, {"a": "1"})
    (repo / "lib").unlink()
    plain = commit(repo, {"lib/passwd": "mine"})
    mirror(Direct(), str(repo), bare, "source")
    tree = tmp_path / "tree"
    for one in (linked, plain):
        checkout(Direct(), bare, one, tree, "tree")
    assert (list(outside.iterdir()), (tree / "lib").is_symlink()) == ([], False)
    assert (tree / "lib" / "passwd").read_text() == "mine"
