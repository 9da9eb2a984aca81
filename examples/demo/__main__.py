"""See it work: ``python -m examples.demo``, and ``python -m examples.demo stop`` to end everything that it started.

A small shop is released four times on this machine, while a client asks it for its items. Two releases are bad: one
fails its migration, one answers errors a while after it got the traffic. Exits 1 if anything ends otherwise than it
should.

``python -m examples.demo kubernetes`` releases it in a namespace of its own of the current context's cluster, which is removed
afterwards; six of its releases are bad there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from deployments import server
from deployments.own_server import login_file
from examples.demo import surroundings
from examples.demo.client_beside import Beside
from examples.demo.kubernetes import InCluster
from examples.demo.story import IN_A_CLUSTER, STORY, Chapter, Seen, wrong
from examples.demo.surroundings import ROOT, Shop
from examples.demo.table import table
from runwright.engine.effects.processes import alive
from runwright.errors import RunwrightError
from runwright.ledger import open_ledger
from runwright.runbook.loader import load_system

if TYPE_CHECKING:
    from deployments.cli.following import Event

PLAIN_WIDTH = 150
SHOWN = ("state", "warning", "note")
"""Of what a release does, what is told here; ``runwright deploy`` tells the rest too."""


class Teller:
    """Prints what happens: with colours and a moving last line on a terminal, as plain lines elsewhere."""

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        self.console = Console(width=None if terminal else PLAIN_WIDTH, highlight=False, markup=False)
        self._status = self.console.status("", spinner="dots")
        self._began = time.monotonic()

    def line(self, text: str, style: str = "") -> None:
        """Print one line, with the seconds since the demo began."""
        self.console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", style=style, soft_wrap=True)

    def moving(self, text: str) -> None:
        """Show what goes on right now, on a terminal."""
        if self.console.is_terminal:
            self._status.update(text)
            self._status.start()

    def still(self) -> None:
        """Take the moving line away."""
        self._status.stop()


def main(words: list[str]) -> int:
    """Run the demo, or end what it started. Return 0 if all was as it should be."""
    surroundings.settle()
    if words not in ([], ["stop"], ["kubernetes"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if words == ["kubernetes"]:
            return in_cluster(Teller())
        return end() if words else demo(Teller(), Shop(), STORY)
    except RunwrightError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What was started goes on running: `make stop` ends it.", file=sys.stderr)
        return 130


def in_cluster(teller: Teller) -> int:
    """Tell the story of a cluster, and remove what was made there, however it ends."""
    shop = InCluster.found()
    os.environ["RUNWRIGHT_SYSTEMS"] = str(shop.runbook.parent)
    teller.line(f"The cluster is {shop.context} ({shop.server}); images go through {shop.registry}.")
    try:
        return demo(teller, shop, IN_A_CLUSTER)
    finally:
        teller.still()
        for one in shop.end():
            teller.line(f"Removed: {one}.")


def demo(teller: Teller, shop: Shop, story: Sequence[Chapter]) -> int:
    """Tell the whole story and return 0 if it went as it should."""
    began = time.monotonic()
    running = start_everything(teller, shop)
    from deployments.cli.prefect_api import Prefect
    from examples.demo.releasing import release

    beside = Beside(shop)
    rows: list[tuple[Chapter, Seen]] = []
    with open_ledger() as ledger, Prefect(running.api_url) as prefect:
        for chapter in story:
            teller.line(f"--- {chapter.version}: {chapter.title} ---", style="bold")
            seen = release(chapter, ledger, prefect, shop, beside, shower(teller, chapter, beside, running))
            rows.append((chapter, seen))
            teller.still()
            if seen.rollbacks:
                ended = " and ".join(state.lower() for state in sorted(set(seen.rollbacks)))
                teller.line(f"{chapter.version}  the rollback run that the automation fired is {ended}")
            teller.line(f"{chapter.version} is {seen.state or 'not released'}; {seen.front or 'nothing'} serves.\n")
    beside.stop()
    return told(teller, rows, running.ui_url, shop, time.monotonic() - began)


def start_everything(teller: Teller, shop: Shop) -> server.Running:
    """Make the example's repository, start the Prefect server and a worker, and register the shop."""
    surroundings.begin_afresh(shop)
    teller.line("Starting a Prefect server and a worker; making the shop's repository.")
    repository = ROOT / ".runwright" / "example" / "shop"
    making = subprocess.Popen(
        [sys.executable, "-m", "examples.make_repository", str(repository)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    teller.moving("The server makes its database the first time: about twenty seconds.")
    try:
        running = server.start()
        shop.make()
    finally:
        made = making.wait()
    if made:
        raise RunwrightError("The shop's repository could not be made.", next="What went wrong is printed above.")
    from deployments.apply import register
    from deployments.cli.prefect_api import Prefect
    from deployments.specs import specs_of
    from examples.demo.releasing import remove_unfinished

    with Prefect(running.api_url) as prefect:
        remove_unfinished(prefect, shop)
    names = register(specs_of(load_system(shop.system).runbook), environment=server.environment())
    teller.still()
    teller.line(
        f"Prefect is at {running.ui_url}; registered: {', '.join(n for n in names if n.endswith(shop.environment))}."
    )
    return running


def shower(teller: Teller, chapter: Chapter, beside: Beside, running: server.Running) -> Callable[[Event], None]:
    """Return a function that tells of one event of a release; a reason is told once."""
    known: list[str] = []

    def show(event: Event) -> None:
        text = event.text
        if event.kind == "warning" and not (running.server and alive(running.server)):
            raise RunwrightError("The Prefect server was ended while the demo went on.", next="Run `make demo` again.")
        if event.kind == "run":
            told = event.data["state"] in ("RUNNING", "FAILED", "CRASHED")
            text = f"the run is {event.data['name'].lower()}"
        else:
            told = event.kind in SHOWN
        if event.kind == "state":
            because = event.data["because"]
            text = f"{event.data['state']}: {because.splitlines()[0]}"
            for reason in known:
                text = text.replace(reason, "").rstrip("; :")
            known.append(because.splitlines()[0])
        if told:
            teller.line(f"{chapter.version}  {text}")
        counts = beside.counts()
        requests = f"   the client: {counts['sent']} requests, {counts['failed']} failed" if beside.client else ""
        teller.moving(f"{text[:40]}{requests}")

    return show


def told(teller: Teller, rows: list[tuple[Chapter, Seen]], ui: str, shop: Shop, seconds: float) -> int:
    """Print the table and what to do next; return 0 if everything went as the story says."""
    say: Callable[..., Any] = teller.console.print
    say()
    say(table(rows, fancy=teller.console.is_terminal))
    say("Until safe: from the verdict until the version before it was seen to serve again.", style="dim")
    say()
    say(f"{shop.version() or 'Nothing'} serves now, at {shop.front()}. All of it took {seconds:.0f} s.")
    say(f"Every run, its log, plan, watch and rollback: {ui}; `cat {login_file()}` shows the login that it asks for.")
    say("`make stop` ends everything that was started.")
    problems = [sentence for chapter, seen in rows for sentence in wrong(chapter, seen)]
    if problems:
        say("\nThis is not how it should have ended:", style="bold red")
        for sentence in problems:
            say(f"  {sentence}", style="red", soft_wrap=True)
        say(f"The logs are in {ROOT / '.runwright' / 'logs'}, the runs in the UI.")
    return 1 if problems else 0


def end() -> int:
    """End the worker, the server, the shop and its front door; what they wrote stays in .runwright."""
    ended = [*server.end(), *Shop().end(), *InCluster.left()]
    print(f"Ended: {', '.join(ended)}." if ended else "Nothing of the demo is running.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
