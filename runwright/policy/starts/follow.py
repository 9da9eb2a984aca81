"""Follows what starts from a command through scripts, tasks and modules, and finds what migrates on the way."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runwright.policy.starts.python import read_module
from runwright.policy.starts.shell import simple_commands
from runwright.policy.starts.sources import habits_in
from runwright.policy.starts.tools import UNKNOWN, Found, tool_of

MOST_FILES = 300
"""How many files are read of one service: more than any start that a person could follow."""
_SHOWN = 120
_INTERPRETERS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", ".", "source", "ruby", "php", "perl", "node", "bun",
                           "deno", "ts-node", "tsx", "nodemon", "python", "python2", "python3", "run-parts"})  # fmt: skip
_TASKS = frozenset({"npm", "yarn", "pnpm", "bun"})
_PROCFILES = frozenset({"honcho", "foreman", "overmind", "hivemind", "goreman"})
_SUPERVISOR = ("supervisord.conf", "supervisor.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf",
               "/etc/supervisor/conf.d/", "/etc/supervisor.d/")  # fmt: skip
_S6 = ("/etc/s6-overlay/s6-rc.d/", "/etc/cont-init.d/", "/etc/services.d/", "/etc/s6/")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[\w.()]+)?")
_VARIABLE = re.compile(r".*[$)}`][^/]*/(\.\.?/)*")
"""What a shell puts before the rest of a path: `$HERE/../`, `$(dirname "$0")/`."""
_SETTINGS = ("supervisord", "circusd", "uwsgi")
"""Programs that start what stands in the files they are given."""
_RUN = re.compile(
    r"\s*(?:(?:command|cmd|(?:smart-)?attach-daemon2?|(?:hook|exec)-[a-z0-9-]+)\s*[=:]\s*(?:exec:|cmd=)?|[A-Za-z0-9_-]+:\s)\s*(.+)"
)
_LOADED = re.compile(r"\s*(?:module|wsgi(?:-file)?|(?:shared-)?(?:py)?import)\s*[=:]\s*(\S+)")
"""Lines of such a file, or of a Procfile: what is run, and which module is loaded."""
_SERVERS = frozenset({"gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "celery", "flask", "fastapi", "waitress-serve", "dramatiq",
                      "rq", "arq", "huey_consumer", "taskiq"})  # fmt: skip
_STARTS_BY_NAME = {
    "gunicorn": ("gunicorn.conf.py",),
    "flask": ("app.py", "wsgi.py"),
    "fastapi": ("main.py", "app.py", "app/main.py"),
    "manage.py": (),
}

Files = Sequence[tuple[str, str]]
"""Names and texts."""
Find = Callable[[str], Files]
"""Returns the files that a path or a bare name may mean; of one that ends in "/": all below it."""


@dataclass
class Follower:
    """Follows one service.

    find: reads files of the commit, and of the image what the commit does not have. modules: reads Python modules of the
    commit alone, given a path and the file that imports it.
    """

    find: Find
    modules: Callable[[str, str], Files]
    found: list[Found] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def command(self, words: Sequence[str], where: str = "its command") -> None:
        """Follow a command as a container starts it."""
        for line, simple in simple_commands(shlex.join(words)):
            self._simple(simple, where if line == 1 else f"{where} line {line}")

    def _simple(self, words: tuple[str, ...], where: str) -> None:
        tool, before = tool_of(words), len(self.found)
        if tool in ("", UNKNOWN):
            self._follow(words)
        if tool and (tool != UNKNOWN or len(self.found) == before):
            self._add(tool, where, shlex.join(words))

    def _add(self, tool: str, where: str, says: str) -> None:
        found = Found(tool, where, " ".join(says.split())[:_SHOWN])
        if found not in self.found:
            self.found.append(found)

    def _follow(self, words: tuple[str, ...]) -> None:
        program, rest = words[0].rpartition("/")[2], [w for w in words[1:] if not w.startswith("-")]
        if program in _TASKS:
            self._task([w for w in rest if w not in ("run", "run-script", "exec")][:1])
        elif program in ("make", "just", "task"):
            self._recipes(rest)
        elif program in _PROCFILES:
            self._processes("Procfile")
        elif program.startswith(_SETTINGS):
            given = [name for word in _values(words) if (name := word.partition(":")[0]).endswith((".conf", ".ini"))]
            for name in (*given, *(_SUPERVISOR if program.startswith("supervisord") else ())):
                self._processes(name)
            self._loads(_values(words))
        elif words[0] in ("/init", "s6-svscan", "/s6-init") or program == "s6-svscan":
            for folder in _S6:
                self._files(folder)
        else:
            self._programs(words, rest)

    def _programs(self, words: tuple[str, ...], rest: list[str]) -> None:
        """Follow a program or a script, and the modules that a server is given."""
        program = words[0].rpartition("/")[2]
        interpreted = re.sub(r"[\d.]+$", "", program) in _INTERPRETERS or program in _INTERPRETERS
        if interpreted and "-m" in words[1:-1]:
            module = words[words.index("-m") + 1]
            self._module(module)
            self._programs((module, *words[words.index("-m") + 2 :]), rest[1:])
        elif interpreted:
            for name in rest[:1]:
                self._files(name if program != "run-parts" else f"{name}/", started=True)
        elif program in _SERVERS:
            for name in _STARTS_BY_NAME.get(program, ()):
                self._files(name)
            self._loads(_values(words), any_word=program == "celery")
        elif not words[0].startswith("-") and not re.fullmatch(r"\$[^/]*", words[0]):
            self._files(words[0], started=True)

    def _loads(self, values: Iterable[str], *, any_word: bool = False) -> None:
        """Follow those of ``values`` that name a Python file or a module. any_word: a name alone may be one."""
        for value in values:
            word = value.removeprefix("python:").removeprefix("file:")  # as gunicorn names its settings
            if word.endswith(".py"):
                self._files(word)
            elif _MODULE.fullmatch(word) and ("." in word or ":" in word or any_word):
                self._module(word.partition(":")[0])

    # ------------------------------------------------------------------------------------------------------- files

    def _files(self, path: str, *, started: bool = False) -> None:
        for name, text in self.find(_VARIABLE.sub("", path)):
            self._file(name, text, started=started)

    def _file(self, name: str, text: str, *, started: bool) -> None:
        if name in self._seen or len(self._seen) >= MOST_FILES or "\0" in text[:1024]:
            return
        self._seen.add(name)
        first = text.partition("\n")[0]
        ending = PurePosixPath(name).suffix
        if ending == ".py" or (first.startswith("#!") and "python" in first):
            self._python(name, text, started=started)
        elif ending in ("", ".sh", ".bash", ".env") or first.startswith("#!"):
            self._script(name, text)
        else:
            for line, tool, says in habits_in(name, text):
                self._add(tool, f"{name} line {line}", says)

    def _script(self, name: str, text: str, first: int = 1) -> None:
        for line, words in simple_commands(text, first):
            self._simple(words, f"{name} line {line}")

    def _python(self, name: str, text: str, *, started: bool) -> None:
        module = read_module(text, started=started)
        for line, tool, says in module.found:
            self._add(tool, f"{name} line {line}", says)
        for dotted in module.imports:
            self._module(dotted, beside=name)

    def _module(self, dotted: str, beside: str = "") -> None:
        """Follow a Python module of the commit: a relative one from the file ``beside``, any other from wherever it is."""
        bare = dotted.lstrip(".")
        folder = PurePosixPath(beside)
        for _ in dotted[: len(dotted) - len(bare)]:
            folder = folder.parent
        path = bare.replace(".", "/")
        if bare != dotted:
            path = str(folder / path)
        for name in (f"{path}.py", f"{path}/__init__.py", f"{path}/__main__.py"):
            for found, text in self.modules(name, beside):
                self._file(found, text, started=name.endswith("__main__.py"))

    # ------------------------------------------------------------------------------------------------------- tasks

    def _task(self, names: list[str]) -> None:
        """Follow a script of package.json, with what runs before and after it."""
        wanted = names[0] if names else "start"
        for name, text in self.find("package.json"):
            try:
                scripts = json.loads(text).get("scripts") or {}
            except (ValueError, AttributeError):
                continue
            for task in (f"pre{wanted}", wanted, f"post{wanted}"):
                mark = f"{name} {task}"
                if isinstance(scripts.get(task), str) and mark not in self._seen:
                    self._seen.add(mark)
                    for _, words in simple_commands(scripts[task]):
                        self._simple(words, f"{name} script {task}")

    def _recipes(self, targets: list[str]) -> None:
        """Follow the recipes of a Makefile (or a justfile), with those of the targets that these depend on."""
        for file in ("Makefile", "makefile", "justfile", "GNUmakefile"):
            for name, text in self.find(file):
                for target in [t for t in targets if "=" not in t] or _targets(text)[:1]:
                    self._recipe(name, text, target)

    def _recipe(self, name: str, text: str, target: str) -> None:
        mark = f"{name} {target}"
        if mark in self._seen:
            return
        self._seen.add(mark)
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if not re.match(rf"{re.escape(target)}\s*:(?!=)", line):
                continue
            for other in line.partition(":")[2].split():
                self._recipe(name, text, other)
            for offset, recipe in enumerate(lines[number:], number + 1):
                if recipe.strip() and not recipe[:1].isspace():
                    break
                self._script(name, recipe.strip().lstrip("@-+"), offset)

    def _processes(self, file: str) -> None:
        """Follow the processes of a Procfile, or of the settings of supervisord, Circus or uWSGI."""
        for name, text in self.find(file):
            if name in self._seen:
                continue
            self._seen.add(name)
            for number, line in enumerate(text.splitlines(), 1):
                if loaded := _LOADED.match(line):
                    self._loads([loaded[1]], any_word=True)
                elif found := _RUN.match(line):
                    self._script(name, found[1], number)


def _values(words: Sequence[str]) -> list[str]:
    """Return the words behind a program that are no options, and the values in ``--option=value``."""
    return [w.rpartition("=")[2] for w in words[1:] if not w.startswith("-") or "=" in w]


def _targets(text: str) -> list[str]:
    return [m[1] for m in re.finditer(r"^([A-Za-z0-9_-]+)\s*:(?!=)", text, re.MULTILINE)]


def said_in(files: Iterable[tuple[str, str]]) -> list[Found]:
    """Return what the code in ``files`` (name, text) does about migrations when its program starts."""
    return [Found(tool, f"{n} line {line}", says) for n, text in files for line, tool, says in habits_in(n, text)]
