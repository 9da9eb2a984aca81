"""Paths of where things are done now: on this machine as everywhere, on another host over ssh.

What drivers look at on the disk they look at through these. Only what is needed is there: whatever else would touch a disk
raises TypeError while things are done on another host, so that nobody looks at this machine by mistake.
"""

from __future__ import annotations

import errno
import io
import os
import pathlib
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import IO, Any, Final

from runwright.engine.effects.environment import child_environment
from runwright.engine.there.login import OURS, Login, refused, shell
from runwright.engine.there.place import current

_CODES: Final = {
    40: errno.ENOENT, 41: errno.EACCES, 42: errno.EISDIR, 43: errno.ENOTDIR, 44: errno.EEXIST, 45: errno.ENOTEMPTY, 46: errno.EIO,
}  # fmt: skip
_WHY: Final = r"""
why() {
    [ -e "$1" ] || [ -L "$1" ] || exit 40
    exit "$2"
}
"""
_STAT: Final = (
    _WHY
    + r"""
case $2 in follow) stat -L -c '%f %i %h %u %g %s %X %Y %Z' "$1" 2>/dev/null;; *) stat -c '%f %i %h %u %g %s %X %Y %Z' "$1" 2>/dev/null;; esac ||
    { [ -L "$1" ] && exit 40; why "$1" 41; }
"""
)
_LIST: Final = (
    _WHY
    + r"""
[ -d "$1" ] || why "$1" 43
cd "$1" 2>/dev/null && [ -r . ] || exit 41
for f in * .[!.]* ..?*; do
    if [ -L "$f" ] && [ -d "$f" ]; then printf 'k%s\0' "$f"
    elif [ -L "$f" ]; then printf 'l%s\0' "$f"
    elif [ -d "$f" ]; then printf 'd%s\0' "$f"
    elif [ -e "$f" ]; then printf 'f%s\0' "$f"
    fi
done
:
"""
)
_READ: Final = (
    _WHY
    + r"""
[ -d "$1" ] && exit 42
[ -r "$1" ] || why "$1" 41
echo RUNWRIGHT
exec cat "$1"
"""
)
_CONTENT: Final = (
    _WHY
    + r"""
[ -d "$1" ] && exit 42
[ -r "$1" ] || why "$1" 41
cat "$1"
"""
)
_UNLINK: Final = _WHY + 'rm -f "$1" 2>/dev/null || why "$1" 41'
_MOVE: Final = _WHY + '[ -e "$1" ] || [ -L "$1" ] || exit 40; mv -f -T "$1" "$2" 2>/dev/null || why "$1" 46'
_MKDIR: Final = r"""
[ "$2" = parents ] && { mkdir -p "$(dirname "$1")" 2>/dev/null || exit 41; }
mkdir "$1" 2>/dev/null && exit 0
[ -d "$1" ] && exit 44
[ -d "$(dirname "$1")" ] && exit 41
exit 40
"""
_RMDIR: Final = _WHY + '[ -d "$1" ] || exit 40; rmdir "$1" 2>/dev/null || exit 45'
_RESOLVE: Final = 'realpath -m -- "$1" 2>/dev/null || readlink -f "$1" || printf "%s\\n" "$1"'
_READLINK: Final = _WHY + '[ -L "$1" ] || why "$1" 46; readlink "$1"'
_FREE: Final = 'df -Pk "$1" | tail -n 1'


class Path(pathlib.PosixPath):
    """A path of where things are done now."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        if (login := current()) is None:
            return super().stat(follow_symlinks=follow_symlinks)
        said = self._told(login, _STAT, "follow" if follow_symlinks else "itself").decode("ascii").split()
        mode, rest = int(said[0], 16), [int(word) for word in said[1:]]
        inode, links, user, group, size, *times = rest
        return os.stat_result((mode, inode, 0, links, user, group, size, *times))

    def exists(self, **_: Any) -> bool:
        return super().exists() if current() is None else self._mode() is not None

    def is_file(self, **_: Any) -> bool:
        return super().is_file() if current() is None else stat.S_ISREG(self._mode() or 0)

    def is_dir(self, **_: Any) -> bool:
        return super().is_dir() if current() is None else stat.S_ISDIR(self._mode() or 0)

    def is_symlink(self) -> bool:
        return super().is_symlink() if current() is None else stat.S_ISLNK(self._mode(follow_symlinks=False) or 0)

    def iterdir(self) -> Any:
        if (login := current()) is None:
            return super().iterdir()
        return iter([self / name for _, name in self.listed(login)])

    def open(  # type: ignore[override]
        self, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None
    ) -> IO[Any]:
        if (login := current()) is None:
            return super().open(mode, buffering, encoding, errors, newline)
        if mode not in ("r", "rb", "rt"):
            raise TypeError("what is on another host is written by an action")
        stream = io.BufferedReader(_Stream(login, self))
        return stream if "b" in mode else io.TextIOWrapper(stream, encoding or "utf-8", errors, newline)

    def read_bytes(self) -> bytes:
        return super().read_bytes() if (login := current()) is None else self._told(login, _CONTENT)

    def read_text(self, encoding: Any = None, errors: Any = None) -> str:
        if current() is None:
            return super().read_text(encoding, errors)
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding or "utf-8", errors).read()

    def unlink(self, missing_ok: bool = False) -> None:
        if (login := current()) is None:
            return super().unlink(missing_ok)
        if not missing_ok and not self.is_symlink() and not self.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        self._told(login, _UNLINK)
        return None

    def rename(self, target: Any) -> Any:
        if (login := current()) is None:
            return super().rename(target)
        self._told(login, _MOVE, str(target))
        return type(self)(target)

    def replace(self, target: Any) -> Any:
        return super().replace(target) if current() is None else self.rename(target)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if (login := current()) is None:
            return super().mkdir(mode, parents, exist_ok)
        try:
            self._told(login, _MKDIR, "parents" if parents else "alone")
        except FileExistsError:
            if not exist_ok:
                raise
        return None

    def rmdir(self) -> None:
        if (login := current()) is None:
            return super().rmdir()
        self._told(login, _RMDIR)
        return None

    def resolve(self, strict: bool = False) -> Any:
        if (login := current()) is None:
            return super().resolve(strict)
        return type(self)(self._told(login, _RESOLVE).decode(errors="surrogateescape").removesuffix("\n"))

    def readlink(self) -> Any:
        if (login := current()) is None:
            return super().readlink()
        return type(self)(self._told(login, _READLINK).decode(errors="surrogateescape").removesuffix("\n"))

    def expanduser(self) -> Any:
        if (login := current()) is None or self.parts[:1] != ("~",):
            return super().expanduser()
        return type(self)(login.home, *self.parts[1:])

    def __fspath__(self) -> str:
        if current() is not None:
            raise TypeError(f"{self} is on another host: this looks at this machine")
        return str(self)

    def remove_tree(self) -> None:
        """Remove the folder and all that is in it, as far as that can be done."""
        if (login := current()) is None:
            shutil.rmtree(str(self), ignore_errors=True)
        else:
            login.sh('rm -rf -- "$1" 2>/dev/null; :', str(self))

    def free_bytes(self) -> int:
        """Return how many bytes are free for us on the disk that it is on. Raise OSError."""
        if (login := current()) is None:
            return shutil.disk_usage(str(self)).free
        try:
            return int(self._told(login, _FREE).split()[-3]) * 1024
        except (IndexError, ValueError):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self)) from None

    def _mode(self, *, follow_symlinks: bool = True) -> int | None:
        try:
            return self.stat(follow_symlinks=follow_symlinks).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def listed(self, login: Login) -> list[tuple[str, str]]:
        """Return what is in the folder there, as (kind, name), by name: d a folder, k a link to one, l another link, f all else."""
        said = self._told(login, _LIST).decode(errors="surrogateescape").split("\0")
        return sorted(((entry[0], entry[1:]) for entry in said if entry), key=lambda entry: entry[1])

    def _told(self, login: Login, script: str, *words: str) -> bytes:
        """Return what ``script`` prints there of this path. Raise OSError as the system would."""
        code, said = login.sh(script, str(self), *words)
        if code:
            raise error_of(code, str(self))
        return said


def error_of(code: int, path: str) -> OSError:
    """Return the error that a script's exit code stands for."""
    number = _CODES.get(code, errno.EIO)
    return OSError(number, os.strerror(number), path)


class _Stream(io.RawIOBase):
    """A file there, read as it comes."""

    def __init__(self, login: Login, path: Path) -> None:
        login.home  # noqa: B018 - whoever cannot log in says why
        self._child = subprocess.Popen(
            login.argv(shell(_READ, str(path))),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment({}),
            start_new_session=True,
        )
        self._login = login
        self._path = path
        self._rest = b""
        head = b"RUNWRIGHT\n"
        found = b""
        assert self._child.stdout is not None
        while head not in found:
            piece = os.read(self._child.stdout.fileno(), 65536)
            if not piece:
                raise self._ended()
            found += piece
        self._rest = found.partition(head)[2]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self._child.stdout is not None
        data = self._rest[: len(buffer)] or os.read(self._child.stdout.fileno(), len(buffer))
        self._rest = self._rest[len(data) :] if self._rest else b""
        if not data and self._child.wait():  # half a file is none
            raise self._ended()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()
        super().close()

    def _ended(self) -> Exception:
        assert self._child.stderr is not None
        code = self._child.wait()
        said = self._child.stderr.read()
        return refused(self._login.address, said) if code == 255 else error_of(code, str(self._path))


def walk(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield (folder, its folders, all else in it) of ``top`` and below, as os.walk does: what is taken out of the folders is
    not gone into, nor are links. What cannot be read is left out."""
    if (login := current()) is None:
        for folder, folders, files in os.walk(str(top)):
            yield Path(folder), folders, files
        return
    try:
        entries = top.listed(login)
    except OSError:
        return
    links = {name for kind, name in entries if kind == "k"}
    folders = [name for kind, name in entries if kind in "dk"]
    yield top, folders, [name for kind, name in entries if kind not in "dk"]
    for name in folders:
        if name not in links:
            yield from walk(top / name)


def which(program: str) -> str | None:
    """Return where ``program`` is on the PATH, None if it is not."""
    if (login := current()) is None:
        return shutil.which(program)
    code, said = login.sh('command -v "$1"', program)
    return said.decode(errors="surrogateescape").strip() or None if code == 0 else None


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a new folder that is removed at the end, with all that is in it."""
    if (login := current()) is None:
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    code, said = login.sh('umask 077; mktemp -d "${TMPDIR:-/tmp}/runwright.XXXXXXXX"')
    if code:
        raise error_of(41, "/tmp")  # noqa: S108
    made = Path(said.decode().strip())
    try:
        yield made
    finally:
        made.remove_tree()


def own_folder(local: pathlib.Path) -> Path:
    """Return our own folder where things are done now; ``local`` on this machine. Raise UnreachableError."""
    login = current()
    return Path(local) if login is None else Path(login.home) / OURS
