"""Where the code comes from: a mirror of the repository, the commit that a version means, and a worktree of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from runwright.engine.actions import Command, Do, Output
from runwright.engine.there.place import LOCAL
from runwright.errors import ActionError, InputError, ObservationError
from runwright.git import address, change, credentials, environment, lines, read, records
from runwright.versions import COMMIT, checked_ref
from runwright.worktree import checkout

__all__ = ["Resolved", "allowed", "checkout", "log_between", "mentions", "mirror", "resolve", "tree_id"]

FETCH_SECONDS = 900.0  # a first clone of a large repository over a slow line
SHORTEST_COMMIT = 7  # digits; git itself abbreviates to seven
_NAMES = 4000  # tags and branches that are looked through for one that is nearly right
_SUBJECT = 200
_REDIRECTED = re.compile(r"returned error: 30[1-8]\b")
_ABBREVIATED = re.compile(rf"[0-9a-f]{{{SHORTEST_COMMIT},40}}")


@dataclass(frozen=True)
class Resolved:
    """What a version means, settled once.

    ref: what was asked for. kind: what that is. tags: those at the commit. branches: those that contain it.
    remarks: what a person should know, such as a branch of the same name.
    """

    commit: str
    ref: str
    kind: Literal["tag", "branch", "commit"]
    tags: tuple[str, ...]
    branches: tuple[str, ...]
    subject: str
    committed_at: datetime
    remarks: tuple[str, ...] = ()


def mirror(do: Do, repo: str, into: Path, key: str, *, token: str = "") -> None:
    """Make ``into`` hold all branches and tags of ``repo`` as they are now; commits that it held are kept.

    ``repo``: github:OWNER/NAME, a URL or a folder. ``token``: reads a private repository over https; it is only sent to
    that server, and with it no redirect is followed. Nobody is ever asked for a password. Raise InputError for an
    address that is none, ActionError if it cannot be fetched.
    """
    url = address(repo)
    settings = credentials(url, token) if token else {}
    do(
        change(
            into,
            *("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(into)),
            says=f"prepare a mirror of {url}",
            key=f"{key}/init",
            deadline_seconds=30.0,
            on=LOCAL,
        )
    )
    try:
        do(_fetch(url, into, settings, f"{key}/fetch"))
    except ActionError as error:
        if not _REDIRECTED.search(error.what):
            raise
        raise ActionError(
            error.what,
            state=error.state,
            next="The repository was renamed or moved; put its new address into `source.repo`.",
        ) from error


def resolve(do: Do, mirror: Path, ref: str) -> Resolved:
    """Return the commit that ``ref`` means: a tag, else a branch, else a commit (at least seven digits).

    A tag wins over a branch of the same name, as in git itself; a remark says so if they differ. Raise InputError if
    there is nothing of that name, with the names that are near, or if an abbreviated commit is not unique.
    """
    checked_ref(ref)
    tag = _commit_of(do, mirror, f"refs/tags/{ref}")
    branch = _commit_of(do, mirror, f"refs/heads/{ref}")
    remarks: tuple[str, ...] = ()
    if tag and branch and tag != branch:
        remarks = (f"There is also a branch {ref}, at {branch[:8]}; the tag was taken.",)
    if tag:
        return _described(do, mirror, tag, ref, "tag", remarks)
    if branch:
        return _described(do, mirror, branch, ref, "branch", remarks)
    if _ABBREVIATED.fullmatch(ref) and (commit := _abbreviated(do, mirror, ref)):
        return _described(do, mirror, commit, ref, "commit", remarks)
    raise _not_found(do, mirror, ref)


def allowed(resolved: Resolved, rule: str) -> bool:
    """Whether a version may be released where ``rule`` holds (an environment's ``refs``).

    ``any``; ``tag:v*``: a tag at the commit has such a name; ``branch:main``: such a branch contains the commit.
    Several are joined by ``|``. ``*`` stands for anything, a slash as well.
    """
    if rule == "any":
        return True
    names = {"tag": resolved.tags, "branch": resolved.branches}
    for part in rule.split("|"):
        kind, _, pattern = part.partition(":")
        if any(fnmatchcase(name, pattern) for name in names[kind]):
            return True
    return False


def tree_id(do: Do, mirror: Path, commit: str) -> str:
    """Return the id of everything that ``commit`` holds: equal for commits with equal files."""
    return do(
        read(
            mirror,
            *("rev-parse", "--verify", "--end-of-options", f"{_full(commit)}^{{tree}}"),
            says=f"read the tree of {commit[:8]}",
            parse=_one_id,
        )
    )


def mentions(do: Do, mirror: Path, commit: str, text: str) -> bool:
    """Whether a Python file of ``commit`` holds ``text`` as a word; nothing of it is run."""
    return do(
        read(
            mirror,
            *("grep", "--quiet", "--fixed-strings", "--word-regexp", "-e", text, _full(commit)),
            *("--", "*.py"),
            says=f"see whether {commit[:8]} names {_clean(text)}",
            parse=lambda output: output.code == 0,
            ok=frozenset({0, 1}),
        )
    )


def holding(do: Do, mirror: Path, commit: str, text: str, where: str) -> list[str]:
    """Return the paths of the files of ``commit``, among those that the glob ``where`` names, that hold ``text``."""
    name = _full(commit)
    found = do(
        read(
            mirror,
            *("grep", "-z", "--files-with-matches", "--fixed-strings", "-e", text, name),
            *("--", f":(glob){where}"),
            says=f"see which files of {commit[:8]} hold {_clean(text)}",
            parse=records,
            ok=frozenset({0, 1}),
        )
    )
    return [path.removeprefix(f"{name}:") for path in found]


def log_between(do: Do, mirror: Path, a: str, b: str, *, at_most: int = 200) -> list[tuple[str, str]]:
    """Return (commit, subject) of what ``b`` has and ``a`` has not, newest first; empty if ``b`` is behind."""
    found = do(
        read(
            mirror,
            *("log", "-z", "--no-show-signature", "--no-color", "--format=%H %s", f"--max-count={at_most}"),
            *("--end-of-options", f"{_full(a)}..{_full(b)}", "--"),
            says=f"read what changed from {a[:8]} to {b[:8]}",
            parse=records,
        )
    )
    return [(commit, _clean(subject)) for commit, _, subject in (line.partition(" ") for line in found)]


def changed_between(do: Do, mirror: Path, a: str, b: str) -> list[str]:
    """Return the paths of the files that differ between the commits ``a`` and ``b``. Raise ActionError if one is not known."""
    return do(
        read(
            mirror,
            *(
                "diff",
                "-z",
                "--name-only",
                "--no-renames",
                "--no-ext-diff",
                "--end-of-options",
                _full(a),
                _full(b),
                "--",
            ),
            says=f"read which files changed from {a[:8]} to {b[:8]}",
            parse=records,
        )
    )


# --------------------------------------------------------------------------------------------------------------- parts


def _fetch(url: str, into: Path, settings: Mapping[str, str], key: str) -> Command[None]:
    quiet = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    return Command(
        argv=("git", "fetch", *quiet, "--no-auto-maintenance", "--end-of-options", url, *refs),
        env=environment({"GIT_DIR": str(into)}, {**settings, "core.bare": "true"}),
        says=f"fetch {url}",
        key=key,
        deadline_seconds=FETCH_SECONDS,
        on=LOCAL,
    )


def _full(commit: str) -> str:
    if not COMMIT.fullmatch(commit):
        raise InputError(f"{commit!r} is no full commit id.", next="Resolve the version first.")
    return commit


def _one_id(output: Output) -> str:
    found = output.text.strip()
    if not COMMIT.fullmatch(found):
        raise ObservationError("git did not answer with an id.", next="See whether the mirror is whole: git fsck.")
    return found


def _clean(text: str) -> str:
    """Return one line of somebody's text without control characters, so that it can be printed anywhere."""
    return "".join(c if c.isprintable() else " " for c in text)[:_SUBJECT].strip()


def _commit_of(do: Do, mirror: Path, name: str) -> str:
    """Return the commit that a full ref name leads to (through any annotated tags), or "" if there is none."""
    return do(
        read(
            mirror,
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
            says=f"look for {name.removeprefix('refs/')}",
            parse=lambda output: _one_id(output) if output.code == 0 else "",
            ok=frozenset({0, 1, 128}),
        )
    )


def _abbreviated(do: Do, mirror: Path, digits: str) -> str:
    objects = do(
        read(mirror, "rev-parse", f"--disambiguate={digits}", says=f"look for the commit {digits}", parse=lines)
    )
    kinds = do(
        read(
            mirror,
            *("cat-file", "--batch-check=%(objecttype) %(objectname)"),
            says=f"see which of {len(objects)} objects are commits",
            stdin="".join(f"{o}\n" for o in objects).encode(),
            parse=lines,
        )
    )
    commits = [line.removeprefix("commit ") for line in kinds if line.startswith("commit ")]
    if len(commits) > 1:
        shown = ", ".join(c[: len(digits) + 4] for c in commits[:5])
        raise InputError(f"{digits} may be one of {len(commits)} commits: {shown}.", next="Give more digits.")
    return commits[0] if commits else ""


def _described(
    do: Do,
    mirror: Path,
    commit: str,
    ref: str,
    kind: Literal["tag", "branch", "commit"],
    remarks: tuple[str, ...],
) -> Resolved:
    when, subject = do(
        read(
            mirror,
            *("log", "-1", "--no-show-signature", "--no-color", "--format=%ct %s", "--end-of-options", commit, "--"),
            says=f"read the commit {commit[:8]}",
            parse=_when_and_what,
        )
    )
    tags = _names(do, mirror, "refs/tags", f"--points-at={commit}")
    return Resolved(
        commit=commit,
        ref=ref,
        kind=kind,
        tags=(ref, *tags) if kind == "tag" and ref not in tags else tags,  # git does not see a tag of a tag there
        branches=_names(do, mirror, "refs/heads", f"--contains={commit}"),
        subject=subject,
        committed_at=when,
        remarks=remarks,
    )


def _when_and_what(output: Output) -> tuple[datetime, str]:
    seconds, _, subject = output.text.partition(" ")
    return datetime.fromtimestamp(int(seconds), UTC), _clean(subject.rstrip("\n"))


def _names(do: Do, mirror: Path, where: str, *options: str) -> tuple[str, ...]:
    found = do(
        read(
            mirror,
            *(
                "for-each-ref",
                f"--count={_NAMES}",
                "--sort=-creatordate",
                "--format=%(refname:strip=2)",
                *options,
                where,
            ),
            says=f"list {'tags' if where.endswith('tags') else 'branches'}",
            parse=lines,
        )
    )
    return tuple(found)


def _not_found(do: Do, mirror: Path, ref: str) -> InputError:
    tags, branches = _names(do, mirror, "refs/tags"), _names(do, mirror, "refs/heads")
    near = difflib.get_close_matches(ref, [*tags, *branches], n=5, cutoff=0.5)
    newest = [name for name in (*tags[:3], *branches[:3]) if name not in near]
    if not tags and not branches:
        return InputError(f"There is no version {ref}: the repository has no tag and no branch.", next="Push one.")
    said = f"Near to it: {', '.join(near)}. " if near else ""
    return InputError(
        f"There is no tag, branch or commit {ref} in the repository that the runbook names.",
        next=f"Push it there, or name another. {said}" + (f"The newest: {', '.join(newest)}." if newest else ""),
    )
