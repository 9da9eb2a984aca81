"""Whether an env file holds what its environment needs. Keys are named; values are never shown."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dotenv.parser import parse_stream

from runwright.engine.actions import Do, Read
from runwright.engine.there.paths import Path
from runwright.errors import ObservationError, RunbookError
from runwright.gates.shape import Asking
from runwright.patterns import begins, found
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.environment import EnvFile
from runwright.runbook.gates import Gate

MAX_BYTES: Final = 2**20
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ORDER: Final = (GateState.PASS, GateState.WARN, GateState.FAIL)
_SHELL: Final = re.compile(r"\$\(.+\)")


@dataclass(frozen=True, repr=False)
class EnvFacts:
    """What an env file holds. ``values``: the last value of each key, as it is written, None if it has no ``=``.

    ``repeated``: lines by key, of keys that are set more than once. ``unread``: numbers of lines that are no setting.
    """

    values: Mapping[str, str | None]
    repeated: Mapping[str, tuple[int, ...]]
    unread: tuple[int, ...]

    def __repr__(self) -> str:
        return f"EnvFacts({len(self.values)} keys)"


Seen = tuple[frozenset[str], datetime]
"""The names of the variables that one running instance of a service sees, and since when."""


def env_holds(
    do: Do,
    gate_id: str,
    spec: EnvFile,
    *,
    path: Path | None,
    secrets: Mapping[str, str],
    now: datetime,
    seen: Callable[[str], Sequence[Seen]] = lambda _: (),
) -> GateResult:
    """Return whether the env file ``path`` and the environment block's ``secrets`` hold together what ``spec`` asks for.

    A secret of the block stands for a key of the same name, also where the file has another value. Without a file
    (``path`` is None) the secrets are all there is. Blind if the file cannot be read. ``seen`` tells what the running
    instances of a service see; it is asked for the services of ``spec.seen_in``.
    """

    def question() -> Answer:
        facts, changed = EnvFacts({}, {}, ()), None
        if path is not None:
            facts = do(Read(says=f"read the keys of {path}", function=lambda: read_env_file(path)))
            changed = do(Read(says=f"see when {path} was changed", function=lambda: _changed_at(path), assume=None))
        try:
            answers = [judge(facts, spec, secrets, str(path) if path is not None else "the block")]
        except ValueError as error:
            raise RunbookError(f"In `config`: {error}.", next="Correct it in the runbook.") from None
        answers += [judge_seen(name, seen(name), spec.required, secrets, changed) for name in spec.seen_in]
        worst = max((state for state, _ in answers), key=_ORDER.index)
        return worst, " ".join(reason for _, reason in answers)

    return ask(gate_id, now, question)


def judge(facts: EnvFacts, spec: EnvFile, secrets: Mapping[str, str], place: str) -> Answer:
    """Return what ``facts`` and ``secrets`` say together. All problems are told at once."""
    values = {**facts.values, **{key: value for key, value in secrets.items() if value}}
    wrong = {key: problem for key in spec.required if (problem := _required(key, values, spec))}
    wrong |= {key: problem for key in spec.forms if key not in wrong and (problem := _form(key, values, spec))}
    problems = list(wrong.values())
    if facts.unread:
        lines = ", ".join(map(str, facts.unread))
        problems.append(f"no KEY=VALUE in line {lines}, so that what follows may be read wrongly")
    if problems:
        return GateState.FAIL, f"{place}: {'; '.join(problems)}."
    them = "the required key is" if len(spec.required) == 1 else f"all {len(spec.required)} required keys are"
    found = f"{place}: {them} set"
    if facts.repeated:
        twice = "; ".join(f"{key} in lines {', '.join(map(str, lines))}" for key, lines in facts.repeated.items())
        return GateState.WARN, f"{found}. Set more than once, the last one counts: {twice}."
    return GateState.PASS, f"{found}."


def judge_seen(
    service: str, seen: Sequence[Seen], required: Sequence[str], secrets: Mapping[str, str], changed: datetime | None
) -> Answer:
    """Return whether every running instance of ``service`` sees all ``required`` keys.

    What was set after it was started it cannot see yet, and the release starts it anew: that is a remark. When a secret
    of the block was set is not known, so that it may be newer too.
    """
    if not seen:
        return GateState.PASS, f"Nothing of {service} runs yet."
    missing = [key for key in required if any(key not in names for names, _ in seen)]
    if not missing:
        return GateState.PASS, f"{service} sees all of them."
    told = f"{service}, as it runs, does not see {', '.join(missing)}"
    newer = changed is not None and any(changed > since for _, since in seen)
    if newer or all(key in secrets for key in missing):
        return GateState.WARN, f"{told}: that may have been set after it was started."
    return GateState.FAIL, f"{told}: nothing passes it on to the service, or what it passes on is empty."


def _changed_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def read_env_file(path: Path) -> EnvFacts:
    """Return what the file ``path`` holds, read as Compose and python-dotenv read it, with nothing interpolated.

    Raise ObservationError if it cannot be read or is no text.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ObservationError(f"{path} is larger than {MAX_BYTES // 2**20} MiB.", next="Name an env file.")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ObservationError(f"{path} is not UTF-8 text.", next="Save it as UTF-8.") from None
    except FileNotFoundError:
        raise ObservationError(
            f"There is no env file {path}.", next="Create it, or name the right one in the runbook: target.env_file."
        ) from None
    except OSError as error:
        raise ObservationError(
            f"{path} cannot be read: {error.strerror}.", next="Let the user that runs Runwright read it."
        ) from None
    values: dict[str, str | None] = {}
    lines: dict[str, tuple[int, ...]] = {}
    unread: list[int] = []
    for binding in parse_stream(io.StringIO(text)):
        # blank lines before a setting belong to it
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        if binding.error or (binding.value is None and binding.key and not _KEY.fullmatch(binding.key)):
            unread.append(line)
        elif binding.key is not None:
            values[binding.key] = binding.value
            if binding.value is not None:  # a bare word may be part of somebody's secret: it is never shown
                lines[binding.key] = (*lines.get(binding.key, ()), line)
    return EnvFacts(values, {key: where for key, where in lines.items() if len(where) > 1}, tuple(unread))


def _required(key: str, values: Mapping[str, str | None], spec: EnvFile) -> str:
    value = values.get(key)
    if key not in values:
        return f"{key} is missing"
    if value is None or not value.strip():
        return f"{key} is empty"
    if any(found(pattern, value) for pattern in spec.placeholders):
        return f"{key} still holds a placeholder"
    if _SHELL.search(value):
        return f"{key} holds a shell command, which an env file does not run"
    return ""


def _form(key: str, values: Mapping[str, str | None], spec: EnvFile) -> str:
    # a key that is not there is as good as empty: one that may be says so by a form that nothing has too
    if begins(spec.forms[key], values.get(key) or ""):
        return ""
    return f"{key} {'does not have' if values.get(key) else 'is not set, and needs'} the form {spec.forms[key]}"


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""

    def seen(service: str) -> list[Seen]:
        return [(found.names, found.since) for found in asking.platform.keys_seen(asking.do, service)]

    config, secrets, file = asking.place.config, asking.application_secrets, asking.env_file()
    path = Path(file) if file is not None else None
    return env_holds(asking.do, gate.id, config, path=path, secrets=secrets, now=asking.now, seen=seen)
