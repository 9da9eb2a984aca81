"""One login at another host, shared by everything that this process does there."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Final

from runwright.engine.effects.environment import child_environment
from runwright.engine.there.address import Address
from runwright.engine.there.asking import SHELL, Asking, Silent
from runwright.errors import ActionError, UnreachableError

CONFIG_VARIABLE: Final = "RUNWRIGHT_SSH_CONFIG"
"""Names a configuration file for ssh to use in place of the user's own."""
OURS: Final = ".runwright"
"""Our folder there, in the home of the user that logs in."""

CONNECT_SECONDS = 15
PERSIST_SECONDS = 300
"""A run that was killed cannot end its connection: it ends itself after that time without use."""
ASK_SECONDS = 60.0
AT_ONCE = 8
"""A server takes ten sessions over one connection, unless it is told otherwise (sshd_config: MaxSessions)."""
_PREFIX: Final = "runwright-ssh-"
_SSH_FAILED: Final = 255
_WAY_OUT: Final = 3
"""Of the sessions, so many are for short questions alone: a program that runs long is ended over one of them."""

_OPTIONS: Final = {
    "BatchMode": "yes",  # nobody is there to be asked for a password
    "StrictHostKeyChecking": "yes",  # a host that nobody has vouched for is not ours
    "ControlMaster": "auto",
    "ControlPersist": str(PERSIST_SECONDS),
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    "RemoteCommand": "none",
    "PermitLocalCommand": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
}

_HELLO: Final = r"""
echo "RUNWRIGHT $HOME"
[ "$(uname -s)" = Linux ] && [ -r /proc/self/stat ] || echo "no Linux"
mkdir -p "$HOME/.runwright/jobs" && chmod 700 "$HOME/.runwright" "$HOME/.runwright/jobs" || echo "no folder"
find "$HOME/.runwright/jobs" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} + 2>/dev/null
:
"""


class Login:
    """A login at ``address``. key: a private key in clear, if not one of those that ssh finds by itself is meant.

    It is made when it is first needed, and made again if it was cut.
    """

    def __init__(self, address: Address, key: str = "") -> None:
        self.address = address
        self._key = key
        self._folder: Path | None = None
        self._home = ""
        self._asked: Asking | None = None
        self._lock = threading.RLock()
        self.running = threading.BoundedSemaphore(AT_ONCE - _WAY_OUT)
        """Held by what runs a program there."""
        self._asking = threading.BoundedSemaphore(_WAY_OUT - 1)

    @property
    def on(self) -> str:
        """The host, as actions and the journal name it."""
        return self.address.text

    @property
    def home(self) -> str:
        """The home of the user there. Raise UnreachableError if nobody can log in, ActionError if nothing can be done there."""
        with self._lock:
            if not self._home:
                self._home = self._hello()
            return self._home

    @property
    def folder(self) -> Path:
        """Our own folder here for this login: its socket, its key. Only this user can look into it."""
        with self._lock:
            if self._folder is None:
                # not below our home: the path of a socket has room for a hundred characters
                _remove_of_the_dead()
                self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
                if self._key:
                    file = os.open(self._folder / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    with os.fdopen(file, "w", encoding="utf-8") as opened:
                        opened.write(self._key.replace("\r\n", "\n").rstrip("\n") + "\n")
            return self._folder

    def has(self, key: str) -> bool:
        """Return whether it logs in with that ``key``."""
        return self._key == key

    def program(self) -> tuple[str, ...]:
        """Return ssh and its options, before whom to log in to; other programs that call ssh can be given it as well."""
        own = os.environ.get(CONFIG_VARIABLE)
        words: list[str] = ["ssh", "-T", *(("-F", own) if own else ())]
        for name, value in {**_OPTIONS, "ControlPath": str(self.folder / "c")}.items():
            words += ["-o", f"{name}={value}"]
        if self._key:
            words += ["-o", "IdentitiesOnly=yes", "-i", str(self.folder / "key")]
        return tuple(words)

    def argv(self, command: str, *before: str) -> tuple[str, ...]:
        """Return the words that run ``command``, lines of a POSIX shell, there. before: further options of ssh."""
        return (*self.program(), *before, *self.address.words, command)

    def sh(self, script: str, *words: str, stdin: bytes = b"", seconds: float = ASK_SECONDS) -> tuple[int, bytes]:
        """Run a short ``script`` of a POSIX shell there, with ``words`` as its arguments, and return its exit code and output.

        It must bear being run twice: it is, if the connection was cut. Raise UnreachableError.
        """
        self.home  # noqa: B018 - the first question to a host is whether it is one that we can work on
        if not stdin and (told := self._kept_shell(script, words, seconds)) is not None:
            return told
        done = self._ask(shell(script, *words), stdin, seconds)
        if done.returncode == _SSH_FAILED:
            done = self._ask(shell(script, *words), stdin, seconds)
        if done.returncode == _SSH_FAILED:
            raise refused(self.address, done.stderr)
        return done.returncode, done.stdout

    def answers(self, host: str, port: int, seconds: float = 5.0) -> bool:
        """Return whether somebody takes connections at ``host``:``port``, as seen from there."""
        self.home  # noqa: B018
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        argv = (*self.program(), "-W", where, *self.address.words)
        try:
            return self._run(argv, b"", seconds).returncode == 0
        except UnreachableError:
            return True  # it was connected to, and does not hang up by itself

    def control(self, command: str, *words: str) -> bool:
        """Tell the connection to do something (`ssh -O`), such as to forward a port; return whether it did."""
        argv = (*self.program(), "-O", command, *words, *self.address.words)
        return self._run(argv, b"", ASK_SECONDS).returncode == 0

    def close(self) -> None:
        """End the connection, and remove what was kept for it."""
        with self._lock:
            if self._folder is None:
                return
            if self._asked is not None:
                self._asked.close()
            with contextlib.suppress(ActionError):
                self.control("exit")
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder, self._home, self._asked = None, "", None

    def _hello(self) -> str:
        done = self._ask(shell(_HELLO), b"", CONNECT_SECONDS + ASK_SECONDS)
        if done.returncode == _SSH_FAILED:
            raise refused(self.address, done.stderr)
        # what the user's own profile prints comes before
        _, met, said = done.stdout.decode("utf-8", "replace").partition("RUNWRIGHT ")
        home, *troubles = said.splitlines()
        if done.returncode or not met or not home.startswith("/") or troubles:
            why = {"no Linux": "it is no Linux", "no folder": f"{home}/{OURS} cannot be made"}
            said = ", ".join(why.get(t, t) for t in troubles) or "its login shell is no POSIX shell"
            raise ActionError(
                f"Nothing can be released on {self.on}: {said}.",
                state="Nothing was done there.",
                next=f"Log in by hand (`ssh {self.address.host}`) and see what `sh -c 'echo $HOME'` prints.",
            )
        return home

    def _kept_shell(self, script: str, words: tuple[str, ...], seconds: float) -> tuple[int, bytes] | None:
        """Return what the shell that stays answers; None if it is busy, or does not answer: then another one is asked."""
        with self._lock:
            if self._asked is None:
                try:
                    self._asked = Asking(lambda end: self.argv(shell(SHELL, end)), CONNECT_SECONDS + seconds)
                except (Silent, OSError):
                    return None
            asked = self._asked
        if not asked.busy.acquire(blocking=False):
            return None
        try:
            return asked.ask(script, words, seconds)
        except BaseException as error:
            with self._lock:
                self._asked = None if self._asked is asked else self._asked
            if isinstance(error, Silent):
                return None
            raise
        finally:
            asked.busy.release()

    def _ask(self, command: str, stdin: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        with self._asking:
            return self._run(self.argv(command), stdin, seconds)

    def _run(self, argv: tuple[str, ...], stdin: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        # a file: the connection, which goes on in the background, may hold on to what it was started with
        with tempfile.TemporaryFile() as errors:
            try:
                done = subprocess.run(
                    argv,
                    input=stdin,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=seconds,
                    env=child_environment({}),
                    start_new_session=True,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise UnreachableError(
                    f"{self.on} did not answer within {seconds:.0f} s.", next="Look at the host and at the way to it."
                ) from None
            except OSError as error:
                raise ActionError(
                    f"ssh could not be started: {error.strerror}.",
                    state="Nothing was done.",
                    next="Install an OpenSSH client where the worker runs.",
                ) from error
            errors.seek(0)
            return subprocess.CompletedProcess(argv, done.returncode, done.stdout, errors.read())


def _remove_of_the_dead() -> None:
    """Remove what a run that was killed has left here: there may be a key among it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and not Path("/proc", pid).exists() and folder.lstat().st_uid == os.geteuid():
                shutil.rmtree(folder)


def shell(script: str, *words: str) -> str:
    """Return the one line that runs ``script`` with ``words``, whatever POSIX shell it is given to."""
    return "exec " + shlex.join(("/bin/sh", "-c", script, "runwright", *words))


def refused(address: Address, printed: bytes) -> UnreachableError:
    """Return the error for a login that failed; printed: what ssh said."""
    text = printed.decode("utf-8", "replace")
    said = " ".join(text.split())[-400:] or "ssh gave no reason"
    port = f" -p {address.port}" if address.port else ""
    if "HOST IDENTIFICATION HAS CHANGED" in text:
        return UnreachableError(
            f"The key of {address.text} is not the one that is known of it: somebody may stand between, or the host was set up anew.",
            state="It was not logged in to.",
            next="Ask who runs the host. If it was set up anew, forget the old key where the worker runs (`ssh-keygen -R "
            f"{f'[{address.host}]:{address.port}' if address.port else address.host}`), and make the new one known as it was told to you.",
        )
    if "ost key verification failed" in text or "host key is known" in text:
        return UnreachableError(
            f"The key of {address.text} is not known here, so nobody can tell whether it is that host.",
            state="It was not logged in to.",
            next=f"As the user that the worker runs as: `ssh-keyscan{port} {address.host}` shows its keys. Compare them with the host's own "
            "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), and add the line to ~/.ssh/known_hosts.",
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        return UnreachableError(
            f"{address.text} does not let us log in: {said}",
            state="Nothing was done there.",
            next="Put the public key into ~/.ssh/authorized_keys there. The private one is found as ssh finds it (an agent, ~/.ssh), or is "
            "the secret `ssh_private_key` of the environment's block.",
        )
    return UnreachableError(
        f"{address.text} cannot be reached: {said}",
        state="Nothing new was begun there.",
        next=f"Try it by hand as the user that the worker runs as: `ssh{port} {address.host} true`.",
    )
