"""A program that runs there: started, followed to its end, found again, ended.

Each is started by a small program of the shell that is the leader of a session of its own. It is told over its standard input
what to do, so that neither secrets nor arguments are words of a command; it answers with its process id, and at the end with
the exit code.

A change is a job: it has a folder there, in which its process and its outcome are written down, and it runs on when the
connection is cut. It begins only when it was told that its process is in the journal. Whoever comes back finds out what became
of it, be it this process or the next.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from typing import Any, Final

from runwright.engine.actions import Command, Output, Process
from runwright.engine.effects.environment import MARK
from runwright.engine.there.login import Login
from runwright.errors import ActionError, UnreachableError

KEPT_BYTES: Final = 2**20
HEAD: Final = b"RUNWRIGHT "
BEGINS: Final = b"RUNWRIGHT begins\n"
"""Before it, the user's own profile may have complained about something."""
GO: Final = b"go\n"

RUNNER: Final = r"""
mask=$(umask); umask 077
request= line= newline='
'
while IFS= read -r line && [ "$line" != "$1" ]; do request=$request$line$newline; done
[ "$line" = "$1" ] || exit 64
read -r stat </proc/$$/stat
set -- ${stat##*) }
started=${20}
[ "$4" = "$$" ] || { echo "RUNWRIGHT nosession"; exit 64; }
echo "RUNWRIGHT begins" >&2
eval "$request"
"""
"""Reads lines of the shell until one that says that this is all, and does what they say."""

_CHECKED: Final = r"""
cd {folder} 2>/dev/null || {{ echo "RUNWRIGHT nofolder"; exit 64; }}
command -v {program} >/dev/null 2>&1 || {{ echo "RUNWRIGHT missing"; exit 64; }}
"""

_READ: Final = r"""
echo "RUNWRIGHT $$ $started"
( umask "$mask"; exec {words} ) {into} {source}
code=$?
printf '\nRUNWRIGHT %s\n' "$code" >&2
"""

_JOB: Final = r"""
d=$HOME/.runwright/jobs/{name}
mkdir -p "$d" && echo "$$ $started" >"$d/pid.new" && mv "$d/pid.new" "$d/pid" || exit 64
head -c {size} >"$d/in"
[ "$(wc -c <"$d/in")" -eq {size} ] || exit 64
echo "RUNWRIGHT $$ $started"
read -r go; [ "$go" = go ] || {{ rm -rf "$d"; exit 64; }}
exec 3<"$d/in"; rm -f "$d/in"
trap : TERM HUP INT PIPE
( umask "$mask"; trap - TERM HUP INT PIPE; exec {words} ) <&3 >"$d/out" 2>"$d/err" {into} {source} &
child=$!
exec 3<&-
while wait "$child"; code=$?; kill -0 "$child" 2>/dev/null; do :; done
echo "$code" >"$d/code.new" && mv "$d/code.new" "$d/code"
tail -c {kept} "$d/out" && tail -c {kept} "$d/err" >&2 && printf '\nRUNWRIGHT %s\n' "$code" >&2 && rm -f "$d/out" "$d/err"
"""

_LOOK: Final = r"""
d=$HOME/.runwright/jobs/$1
if printf 'x\0' | grep -qzx x 2>/dev/null; then
    files=$(grep -lzxF -e "$2" /proc/[0-9]*/environ 2>/dev/null)
else
    files=$(for f in /proc/[0-9]*/environ; do
        { tr '\0' '\n' <"$f" | grep -qxF -e "$2"; } 2>/dev/null && echo "$f"
    done)
fi
[ -f "$d/pid" ] && { read -r pid start <"$d/pid"; files="/proc/$pid/ $files"; } || start=
for f in $files; do
    p=${f#/proc/}; p=${p%%/*}
    { read -r stat <"/proc/$p/stat"; } 2>/dev/null || continue
    set -- ${stat##*) }
    case $1 in Z|X) continue;; esac
    [ "$p" = "${pid-}" ] && [ "${20}" != "$start" ] && continue
    echo "runs $p ${20}"
done
[ -d "$d" ] && echo there
[ -f "$d/code" ] && { read -r code <"$d/code"; echo "code $code"; }
:
"""
"""Tells what runs of a job, and then its exit code: one that ends between the two is not taken for one without an outcome."""

_PRINTED: Final = r"""
d=$HOME/.runwright/jobs/$1
tail -c "$3" "$d/$2" 2>/dev/null
:
"""

_END: Final = r"""
members() {
    found=
    for f in /proc/[0-9]*/stat; do
        { read -r stat <"$f"; } 2>/dev/null || continue
        p=${f#/proc/}; p=${p%/stat}
        set -- ${stat##*) }
        case $1 in Z|X) continue;; esac
        [ "$4" = "$leader" ] && found="$found $p"
        [ "$p" = "$leader" ] && [ "$started" != 0 ] && [ "${20}" != "$started" ] && { found=; return; }
    done
}
leader=$1 started=$2 left=$(( $3 * 10 ))
members
[ -n "$found" ] && kill -TERM $found 2>/dev/null; [ -n "$found" ] && kill -CONT $found 2>/dev/null
while members; [ -n "$found" ] && [ "$left" -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
[ -n "$found" ] && kill -KILL $found 2>/dev/null
left=50
while members; [ -n "$found" ] && [ "$left" -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
[ -z "$found" ]
"""


@dataclass(frozen=True)
class Found:
    """What is there of a job: what runs of it, its exit code, None if it has none (yet), and whether it was begun at all."""

    running: tuple[Process, ...]
    code: int | None
    begun: bool


def request(action: Command[Any], mark: str, end: str) -> bytes:
    """Return what the runner is told, to its last line, ``end``; what follows is the standard input.

    Raise ActionError for a variable that no shell can set.
    """
    if wrong := [name for name in action.env if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)]:
        raise ActionError(
            f"The variable {wrong[0]!r} cannot be set for a program on another host: {action.says}.",
            state="It changed nothing.",
            next="Name it with letters, digits and underscores.",
        )
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in {**action.env, MARK: mark}.items())
    checked = _CHECKED.format(
        folder=shlex.quote(str(action.cwd)) if action.cwd else '"$HOME"', program=shlex.quote(action.argv[0])
    )
    parts: dict[str, Any] = {"words": shlex.join(action.argv), "into": "", "source": ""}
    made = ""
    if action.stdout_to:
        parts["into"] = f">{shlex.quote(str(action.stdout_to))}"
        made = f'( umask "$mask"; mkdir -p {shlex.quote(str(action.stdout_to.parent))} )\n'
    if action.stdin_from:
        parts["source"] = f"<{shlex.quote(str(action.stdin_from))}"
    if action.key is None:
        body = _READ.format(**parts)
    else:
        body = _JOB.format(**parts, name=job_name(mark), size=len(action.stdin or b""), kept=KEPT_BYTES)
    return f"{exports}{checked}{made}{body}\n{end}\n".encode()


def job_name(mark: str) -> str:
    """Return the name of the folder in which the job with this ``mark`` is written down."""
    return hashlib.sha256(mark.encode()).hexdigest()[:32]


def look(login: Login, mark: str) -> Found:
    """Return what is there of the action with this ``mark``, by its folder and by what carries the mark. Raise UnreachableError."""
    _, said = login.sh(_LOOK, job_name(mark), f"{MARK}={mark}")
    running, code, begun = [], None, False
    for line in said.decode("ascii", "replace").splitlines():
        match line.split():
            case ["runs", pid, started]:
                running.append(Process(login.on, int(pid), int(started)))
            case ["code", number]:
                code = int(number)
            case ["there"]:
                begun = True  # one that was never told to begin removes its folder
    return Found(tuple(dict.fromkeys(running)), code, begun)


def end(login: Login, process: Process, grace_seconds: float) -> None:
    """End a process there and everything in its session: asked first, killed after ``grace_seconds``.

    An id that was given to another process since is left alone. Raise ActionError if it cannot be ended, UnreachableError.
    """
    words = (str(process.pid), str(process.started), str(int(grace_seconds)))
    code, _ = login.sh(_END, *words, seconds=grace_seconds + 60.0)
    if code:
        raise ActionError(f"Process {process.pid} on {login.on} cannot be ended.", state="It still runs there.")


def printed(login: Login, mark: str, code: int) -> Output:
    """Return what the job with this ``mark``, which ended with ``code``, has left: the end of what it printed."""
    out, err = (login.sh(_PRINTED, job_name(mark), name, str(KEPT_BYTES))[1] for name in ("out", "err"))
    return Output(code, whole_lines(out), whole_lines(err))


def whole_lines(text: bytes) -> bytes:
    """Return ``text`` from the beginning of a line, if its own beginning was dropped: half a secret is not known as one."""
    if len(text) < KEPT_BYTES:
        return text
    _, ended, rest = text.partition(b"\n")
    return rest if ended else text[KEPT_BYTES // 2 :]


def cut_off(login: Login, action: Command[Any], why: UnreachableError | None, *, begun: bool) -> UnreachableError:
    """Return the error for an action during which the connection was cut, and that nobody has found again."""
    error = UnreachableError(
        f"The connection to {login.on} was cut, and it was not reached again{f' ({why.what})' if why else ''}: {action.says}.",
        state="It may still run there, and what it has done by now is unknown." if begun else "It was not begun.",
        next="Run again when the host is reached: what still runs of it is ended or awaited first.",
    )
    error.begun = begun
    return error
