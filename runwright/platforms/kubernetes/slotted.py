"""The Kubernetes platform where two versions run side by side: Deployments NAME-blue and NAME-green behind one Service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runwright.engine.actions import Do, Output
from runwright.errors import RefusedError
from runwright.platforms.kubernetes import applying, owning, preparing, watched
from runwright.platforms.kubernetes.colours import (
    arranged,
    counted,
    guards,
    in_slot,
    needed_first,
)
from runwright.platforms.kubernetes.driver import images_in, require_known
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.manifests import COMMIT, RELEASE, SLOT, marked, template
from runwright.platforms.kubernetes.ownership import Kind
from runwright.platforms.kubernetes.preparing import APPLY_SECONDS
from runwright.platforms.kubernetes.two_places import TwoPlaces
from runwright.platforms.shape import Beside
from runwright.versions import Version


class Slotted(TwoPlaces):
    """A namespace in which the Deployments in `traffic` run in one of two places; what else there is is rolled in place."""

    # ------------------------------------------------------------------------------------------------- new versions

    def staged(self, do: Do, version: Version) -> Beside:
        """Return what lives beside ``version``, and what becomes of it."""
        found, serving = super().beside(do, version), self._router.serving(do)
        says = []
        if serving == "" and (there := self._plain(do)):
            names = " and ".join(title(one) for one in there.values())
            says.append(
                f"{names} serves as before there were two colours: what runs is started as blue first, its users are moved "
                "there, and then it is taken away."
            )
        if self.target.strategy == "canary":
            says.append(
                "A share of the users is a share of the pods behind the Service: with few of them it is larger than the rung says, "
                "and what it really was is told."
            )
        return Beside((*says, *found.says), found.dark, found.refuses, found.what)

    def start(
        self,
        do: Do,
        version: Version,
        slot: str,
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,
        beside: Beside | None = None,
    ) -> None:
        """Make ``version`` run in ``slot``, with as many pods as serve now, and wait until all of them are ready.

        keep: what runs of it there stays, whichever release started it. Raise VerificationError as soon as it is in vain,
        DeadlineError if it takes too long, RefusedError if something serves that users would share with it.
        """
        if not slot:
            super().start(do, version, slot, prefix, release_id, keep=keep, anew=anew, beside=beside)
            return
        self._require_cluster(do, version)
        made = preparing.read_composed(do, version)
        standing, plain = self._router.standings(do), self._plain(do)
        first = standing.get(next(iter(self._exposed.values())))
        serving = first.slot if first is not None else None
        if serving == "":
            if any(o["spec"].get("replicas") != 0 for o in plain.values()):
                self._require_the_same(do, version)
                self._leaving = tuple(plain)
            else:
                self._router.stop(do, f"{prefix}/closed")  # nobody serves: nobody may meet a candidate
        laid = arranged(made, self._exposed, serving if serving is not None else slot)
        found = owning.settled(do, self.kubectl, laid.objects, self._last(do, version))
        if not keep and self._version is not None and version.extra["folder"] == self._version.extra.get("folder"):
            require_known(found, version)
        there = self._in(do, slot)
        folder = Path(version.extra["folder"]) / "started" / release_id
        if self._leaving is None:  # else it is what serves: what it needs is there
            base = needed_first(arranged(made, self._exposed, slot).base, self._exposed, standing)
            early = [one for one in found if any(one.rendered == o for o in base)]
            owning.take_over(
                do, self.kubectl, early, folder / "own", prefix, {Kind.PERSON, Kind.UNKNOWN} if keep else ()
            )
            self._apply(
                do, folder / f"00-first-{slot}.json", base, f"what {version.name} needs", f"{prefix}/first", keep
            )
        mine = guards(made, self._exposed, slot)
        numbers = {title(one.rendered): one.scaling for one in found}
        laid_workloads = dict(zip(made.workloads, laid.workloads.values(), strict=True))
        waits = []
        for service in (s for s in made.workloads if s in self._exposed):
            scaling = numbers[title(laid_workloads[service])]
            number = None if scaling is None else scaling.number if scaling.number is not None else scaling.now
            one = counted(in_slot(made.workloads[service], slot), number)
            waits.append(one)
            if service in there and self._stays(there[service], version, service, release_id, keep=keep):
                continue
            one = marked(one, {RELEASE: release_id, COMMIT: version.commit})
            what = f"{title(one)} of {version.name}"
            self._apply(
                do, folder / f"{service}-{slot}.json", [one, *mine[service]], what, f"{prefix}/apply/{service}", keep
            )
        for one in waits:
            watched.rolled(do, self.kubectl, one, self.target.ready_timeout, f"{prefix}/unblock")

    def _apply(self, do: Do, file: Path, objects: Sequence[Object], what: str, key: str, forced: bool) -> None:
        if objects:
            applying.write_file(do, file, objects, f"{key}/file")
            applying.apply(do, self.kubectl, file, what, key, forced=forced)

    def _stays(self, found: Object, version: Version, service: str, release_id: str, *, keep: bool) -> bool:
        """Return whether a Deployment in a slot is as it shall be: of that version, and started by that release if it matters."""
        marks = (template(found).get("metadata") or {}).get("annotations") or {}
        runs, wanted = images_in(template(found)), version.extra.get("images", {}).get(service, {})
        return (
            found["spec"].get("replicas") != 0
            and marks.get(COMMIT, "") == version.commit
            and all(runs.get(name) == image for name, image in wanted.items())
            and (keep or marks.get(RELEASE) == release_id)
        )

    def _require_the_same(self, do: Do, version: Version) -> None:
        """Raise RefusedError if what serves in no slot is another version: its Service finds the pods of both."""
        expected = self.expected(version)
        for fact in self.observe(do).running:
            if fact.service in self._exposed and not fact.slot and fact.identity != expected.get(fact.service):
                raise RefusedError(
                    f"Deployment/{fact.service} serves, belongs to no colour, and is not {version.name}: users would reach both.",
                    state="Nothing was changed.",
                    next="Deploy with `adopt`, so that it is known as the way back and is moved first.",
                )

    # ------------------------------------------------------------------------------------------------ round the slots

    def replace_others(
        self,
        do: Do,
        version: Version,
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,  # noqa: ARG002
    ) -> None:
        """Apply what follows the users (Services, autoscalers, routes), roll what does not run in slots, and take away what
        ``version`` does not have."""
        self._require_cluster(do, version)
        made = preparing.read_composed(do, version)
        laid = self._laid_out(do, made)
        found = owning.settled(do, self.kubectl, laid.objects, self._last(do, version))
        gone = self._vanished(do, version, laid)
        folder = Path(version.extra["folder"]) / "started" / release_id
        rest = [one for one in found if not self._of_slot(one.rendered)]
        owning.take_over(do, self.kubectl, rest, folder / "own", prefix, {Kind.PERSON, Kind.UNKNOWN} if keep else ())
        first = [one for one in rest if one.rendered not in laid.workloads.values()]
        base = [one.applied for one in first if not (keep and one.only_forward)]
        what = f"what {version.name} needs besides its workloads"
        self._apply(do, folder / "10-base.json", base, what, f"{prefix}/apply/base", keep)
        for one in rest:
            service = name_of(one.rendered)
            if laid.workloads.get(service) is not one.rendered:
                continue
            workload = marked(one.applied, self._marks(do, version, service, release_id, keep=keep))
            what = f"{title(workload)} of {version.name}"
            self._apply(do, folder / f"20-{service}.json", [workload], what, f"{prefix}/apply/{service}", keep)
            watched.rolled(do, self.kubectl, workload, self.target.ready_timeout, f"{prefix}/unblock")
        applying.take_away(do, self.kubectl, gone, f"{prefix}/gone")

    def _marks(self, do: Do, version: Version, service: str, release_id: str, *, keep: bool) -> dict[str, str]:
        """Return the marks of a workload that is rolled in place; on the way back those that it has, if it was never replaced."""
        if keep:
            fact = next((f for f in self.observe(do).running if f.service == service and not f.slot), None)
            if (
                fact is not None
                and fact.commit == version.commit
                and fact.identity == self.expected(version).get(service)
            ):
                return {RELEASE: fact.release, COMMIT: fact.commit}
        return {RELEASE: release_id, COMMIT: version.commit}

    def leave(self, do: Do, version: Version, prefix: str) -> None:
        """Take away what ran of ``version`` under its own name, once nobody is sent there any more."""
        words = ("get", *(f"deployment/{service}" for service in self._exposed), "-o", "name", "--ignore-not-found")

        def parse(output: Output) -> tuple[str, ...]:
            return tuple(line.rpartition("/")[2] for line in output.text.split())

        says = "look what runs as before there were two colours"
        found = do(self.kubectl.read(*words, says=says, parse=parse, assume=self._leaving or ()))
        serving = self._router.serving(do)
        if not found or serving in ("", None):
            return
        made = preparing.read_composed(do, version)
        laid = arranged(made, self._exposed, str(serving))
        moved = [
            o
            for o in laid.base
            if o not in made.base and not (o["kind"] == "Service" or SLOT in (o["metadata"].get("labels") or {}))
        ]
        folder = Path(version.extra["folder"]) / "started" / "moved"
        owning.take_over(do, self.kubectl, owning.settled(do, self.kubectl, moved), folder / "own", prefix)
        self._apply(do, folder / f"{serving}.json", moved, f"what scales {serving}", f"{prefix}/moved", forced=True)
        self._settle(do)
        names = [f"deployment/{service}" for service in found]
        names += [f"poddisruptionbudget/{name_of(o)}" for some in guards(made, found, "").values() for o in some]
        says = f"take away {' and '.join(names)}: the pods in {serving} serve now"
        gone = ("delete", *names, "--ignore-not-found", "--wait=false")
        do(self.kubectl.change(*gone, says=says, key=f"{prefix}/plain", deadline_seconds=APPLY_SECONDS))
        self._gone(do, found, "")
