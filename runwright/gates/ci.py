"""Whether a commit's checks have passed on GitHub: check runs and commit statuses alike.

https://docs.github.com/en/rest/checks/runs and https://docs.github.com/en/rest/commits/statuses
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from runwright.engine.actions import Do, Http, Reply
from runwright.errors import InputError, ObservationError
from runwright.gates.shape import Asking
from runwright.loopback import is_loopback
from runwright.plural import plural
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import CiPassed, Gate
from runwright.versions import COMMIT

PAGE_SIZE: Final = 100
MAX_PAGES: Final = 30
SHOWN_NAMES: Final = 10

State = Literal["pass", "fail", "pending", "skipped"]

_CONCLUSIONS: Final[dict[str, State]] = {
    "success": "pass",
    "neutral": "pass",
    "skipped": "skipped",
    "failure": "fail",
    "cancelled": "fail",
    "timed_out": "fail",
    "action_required": "fail",
    "startup_failure": "fail",
    "stale": "fail",
}
_WORST_LAST: Final[tuple[State, ...]] = ("skipped", "pass", "pending", "fail")
_UNFINISHED: Final = frozenset({"queued", "in_progress", "waiting", "requested", "pending"})
_STATUSES: Final[dict[str, State]] = {"success": "pass", "pending": "pending", "failure": "fail", "error": "fail"}

_ON_GITHUB: Final = re.compile(
    r"(?:github:|https://(?:[^/@\s]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<name>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True)
class Check:
    """The state of one named check, how its service words it, and when it began (newer ones compare greater).

    suite: which run of which workflow it is of; a job that is run again stays in its suite.
    """

    name: str
    state: State
    word: str
    begun: tuple[str, int] = ("", 0)
    suite: int = 0


def github_name(source: str) -> str | None:
    """Return "owner/name" of a repository on github.com, given as a git URL or ``github:owner/name``; else None."""
    found = _ON_GITHUB.fullmatch(source)
    return found["name"] if found else None


def ci_passed(
    do: Do, gate_id: str, spec: CiPassed, *, source: str, commit: str, token: str | None, now: datetime
) -> GateResult:
    """Return whether the checks of ``commit`` have passed. ``source`` is the runbook's; ``token`` is filled in already.

    Blind if GitHub does not answer, refuses, or answers what we do not understand.
    """
    return ask(gate_id, now, lambda: judge(read_checks(do, spec, source=source, commit=commit, token=token), spec))


def judge(checks: Iterable[Check], spec: CiPassed) -> Answer:
    """Return what ``checks`` say. Named ones must all have passed; without names all that ran, and at least one.

    A check that was skipped proves nothing: it does not count, and does not stand for a named one.
    """
    by_name = {check.name: check for check in checks}
    if not by_name:
        return GateState.FAIL, "The commit has no checks at all. Push it, and let its checks run."
    missing = [name for name in spec.checks if name not in by_name]
    wanted = [by_name[name] for name in spec.checks if name in by_name] if spec.checks else list(by_name.values())
    failed = [c for c in wanted if c.state == "fail" or (c.state == "skipped" and spec.checks)]
    pending = [c for c in wanted if c.state == "pending"]
    passed = [c for c in wanted if c.state == "pass"]
    problems = []
    if failed:
        problems.append(f"not passed: {_named(failed)}")
    if pending:
        problems.append(f"not finished yet: {_named(pending)}")
    if missing:
        there = ", ".join(sorted(by_name)[:SHOWN_NAMES])
        problems.append(f"never ran: {', '.join(missing)} (the commit has {there})")
    if not problems and not passed:
        problems.append(f"all {len(by_name)} were skipped, which proves nothing")
    if problems:
        return (
            GateState.FAIL,
            f"{len(passed)} of {plural(len(wanted) + len(missing), 'check')} passed; {'; '.join(problems)}.",
        )
    return GateState.PASS, f"{plural(len(passed), 'check')} passed: {_named(passed, words=False)}."


def read_checks(do: Do, spec: CiPassed, *, source: str, commit: str, token: str | None) -> tuple[Check, ...]:
    """Return one check of each name of ``commit``: where several workflows have one of that name, the worst.

    Of checks that were run again the newest counts. Raise InputError if the repository or the commit is none,
    ObservationError if GitHub refuses or is not understood, ActionError if it cannot be reached.
    """
    base = _commit_url(spec, source, commit, token)
    runs = _pages(do, f"{base}/check-runs", "check_runs", _check_run, token)
    statuses = _pages(do, f"{base}/status", "statuses", _status, token)  # GitHub gives the newest of each name
    newest = {(check.name, check.suite): check for check in sorted(runs, key=lambda check: check.begun)}
    best_first = sorted((*newest.values(), *statuses), key=lambda check: _WORST_LAST.index(check.state))
    return tuple({check.name: check for check in best_first}.values())


def _commit_url(spec: CiPassed, source: str, commit: str, token: str | None) -> str:
    name = spec.github or github_name(source)
    if name is None:
        raise InputError(
            "The checks cannot be read: `source.repo` is not on GitHub.",
            next="Name the repository whose checks count in the gate: ci: {github: OWNER/NAME}.",
        )
    if set(name.split("/")) & {".", ".."} or name.count("/") != 1:
        raise InputError(f"{name!r} is no repository on GitHub.", next="Give it as OWNER/NAME.")
    if not COMMIT.fullmatch(commit):
        raise InputError(f"{commit[:60]!r} is no full commit id.", next="Resolve the version to its commit first.")
    api = urlsplit(spec.api)
    local = is_loopback(api.hostname or "")
    if not api.hostname or api.scheme not in {"https", "http"} or (api.scheme == "http" and token and not local):
        raise InputError(
            f"{spec.api!r} cannot be asked{' with a token' if api.scheme == 'http' else ''}.",
            next="Give the API's address with https, for example https://api.github.com.",
        )
    return f"{spec.api.rstrip('/')}/repos/{quote(name)}/commits/{commit}"


def _pages(do: Do, url: str, key: str, convert: Callable[[dict[str, Any]], Check], token: str | None) -> list[Check]:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "runwright"}
    if token:
        headers["Authorization"] = f"Bearer {token}"

    def page_of(reply: Reply) -> tuple[int, list[Check]]:
        if reply.status != 200:
            raise _refused(reply, bool(token))
        data = json.loads(reply.body)
        return int(data["total_count"]), [convert(item) for item in data[key]]

    checks: list[Check] = []
    for page in range(1, MAX_PAGES + 1):
        total, found = do(
            Http(
                says=f"ask GitHub for the commit's {key.replace('_', ' ')}, page {page}",
                method="GET",
                url=f"{url}?per_page={PAGE_SIZE}&page={page}",
                headers=headers,
                ok=None,
                parse=page_of,
            )
        )
        checks += found
        if not found or len(checks) >= total:
            return checks
    raise ObservationError(
        f"The commit has more than {MAX_PAGES * PAGE_SIZE} checks.", next="Name those that count in the gate: checks."
    )


def _refused(reply: Reply, with_token: bool) -> ObservationError:
    """Return why GitHub did not answer, and what to do."""
    status = reply.status
    needs = "It must be allowed to read checks and commit statuses of this repository."
    token = (
        f"Look at the token in the environment's block. {needs}" if with_token else f"Give the gate a token. {needs}"
    )
    if status == 429 or (status == 403 and reply.headers.get("x-ratelimit-remaining") == "0"):
        reset = reply.headers.get("x-ratelimit-reset", "")
        until = f" until {datetime.fromtimestamp(int(reset), UTC):%H:%M} UTC" if reset.isdigit() else ""
        hint = "Wait." if with_token else "Give the gate a token: without one there are 60 requests an hour."
        return ObservationError(f"GitHub answers no more requests{until}: its rate limit is reached.", next=hint)
    what, hint = {
        401: ("GitHub does not accept the token (401).", token),
        403: ("GitHub refuses to show the checks (403).", token),
        404: ("GitHub shows no such repository or commit (404).", f"Is the commit pushed, and the name right? {token}"),
        422: ("GitHub does not know the commit (422).", "Push it, and let its checks run."),
    }.get(status, (f"GitHub answered with status {status}.", "See https://www.githubstatus.com, then try again."))
    if 300 <= status < 400:
        what = f"The repository was renamed or moved ({status})."
        hint = "Put its new name into `source.repo`, or into the gate."
    return ObservationError(what, next=hint)


def _check_run(run: dict[str, Any]) -> Check:
    status, conclusion = run["status"], run.get("conclusion")
    begun = (run.get("started_at") or "", int(run["id"]))
    suite = int((run.get("check_suite") or {}).get("id", 0))
    if status in _UNFINISHED:
        return Check(run["name"], "pending", status, begun, suite)
    if status != "completed" or conclusion not in _CONCLUSIONS:
        raise _strange("check", run["name"], f"{status}/{conclusion}")
    return Check(run["name"], _CONCLUSIONS[conclusion], conclusion, begun, suite)


def _status(status: dict[str, Any]) -> Check:
    state = status["state"]
    if state not in _STATUSES:
        raise _strange("status", status["context"], state)
    return Check(status["context"], _STATUSES[state], state)


def _strange(kind: str, name: str, word: str) -> ObservationError:
    return ObservationError(
        f"The {kind} {name!r} is {word!r}, which Runwright does not know.",
        next="Look at it on GitHub; a newer Runwright may know it.",
    )


def _named(checks: list[Check], *, words: bool = True) -> str:
    shown = [f"{c.name} ({c.word.replace('_', ' ')})" if words else c.name for c in checks[:SHOWN_NAMES]]
    more = len(checks) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.ci is not None
    token = asking.fill(gate.ci.token) if gate.ci.token else asking.secrets.get("github_token")
    source = asking.book.source.repo
    return ci_passed(asking.do, gate.id, gate.ci, source=source, commit=asking.commit(), token=token, now=asking.now)
