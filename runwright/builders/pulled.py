"""Images that were built elsewhere, by CI: pulled once, and known by their digest from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runwright.builders import engine
from runwright.builders.engine import Image
from runwright.engine.actions import Do
from runwright.errors import ActionError, InputError, ObservationError, RefusedError
from runwright.versions import Artifact, image_name, repository


@dataclass(frozen=True)
class Recorded:
    """What is known of a component of one commit before it is released: ``proven`` in whichever environment (and by which
    release, as people read it), and ``planned`` last for this one."""

    proven: Artifact | None = None
    by: str = ""
    planned: Artifact | None = None


@dataclass
class Pulled:
    """How images are pulled. env: for docker. may_be_local: an image that never was in a registry is taken as it is here.

    remarks: what a person should know about what was pulled.
    """

    env: Mapping[str, str]
    recorded: Recorded
    may_be_local: bool
    remarks: list[str] = field(default_factory=list)

    def artifact(self, do: Do, component: str, reference: str, commit: str, keep_as: str, key: str) -> Artifact:
        """Return the image that ``reference`` names, on this machine and kept by a tag that begins with ``keep_as``.

        The digest that was proven for this commit elsewhere is the one that is taken. Raise ActionError if there is no such
        image or it cannot be pulled, RefusedError if the name means another image than when it was planned.
        """
        if reference.endswith((":", "/")) or not reference:
            raise InputError(
                f"The image of {component} has no tag: the Compose file says `{reference}`, with a variable that is not set.",
                state="Nothing was pulled.",
                next=f'Say in the runbook how it is named: components: {{{component}: {{image: "…:${{release.version}}"}}}}',
            )
        image = engine.look(do, reference)
        if image is not None and not image.digests and self.may_be_local:
            self.remarks.append(
                f"{reference} never was in a registry: {component} is the image that is on this machine."
            )
            found = Artifact(component, image.id, image.id)
        else:
            wanted = self._wanted(component, reference)
            found, image = self._from_registry(do, component, wanted, commit, key)
        self._compare(component, reference, found)
        if image.commit and not commit.startswith(image.commit):
            self.remarks.append(
                f"{reference} says that it was built of commit {image.commit[:12]}, and {commit[:12]} is released."
            )
        engine.tag(do, found.reference, f"{keep_as}-{found.identity.partition(':')[2][:8]}", f"{key}/keep")
        return found

    def _wanted(self, component: str, reference: str) -> str:
        proven = self.recorded.proven
        if proven is None or not same_repository(proven.reference, reference):
            return reference
        self.remarks.append(
            f"{component} is {proven.reference}, as {self.recorded.by} has proven it for this commit, whatever {reference} is by now."
        )
        return proven.reference

    def _from_registry(self, do: Do, component: str, reference: str, commit: str, key: str) -> tuple[Artifact, Image]:
        try:
            engine.pull(do, reference, self.env, f"pull {reference}", f"{key}/pull")
        except ActionError as error:
            raise self._unavailable(do, reference, commit, error) from None
        unknown = Image(
            "sha256:(known when it is pulled)", digests=(f"{repository(reference)}@sha256:(not pulled yet)",)
        )
        image = engine.look(do, reference, assume=unknown)
        names = [] if image is None else [d for d in image.digests if same_repository(d, reference)]
        if image is None or not names:
            raise ActionError(
                f"{reference} was pulled and is not here under a digest.",
                state="Nothing was deployed.",
                next=f"Run `docker image inspect {reference}` by hand; something else may remove images on this machine.",
            )
        # the same image may have been pushed twice, under two digests: either is it
        digest = reference if "@" in reference else min(names)
        return Artifact(component, digest, digest.partition("@")[2]), image

    def _unavailable(self, do: Do, reference: str, commit: str, error: ActionError) -> ActionError:
        try:
            there = engine.in_registry(do, reference, self.env)
        except ObservationError as away:
            return ActionError(
                f"{reference} could not be pulled: {error.what}", state="Nothing was changed.", next=away.next
            )
        if there:
            return ActionError(error.what, state="Nothing was changed.", next=f"Run `docker pull {reference}` by hand.")
        return ActionError(
            f"There is no image {reference} in its registry.",
            state="Nothing was changed.",
            next=f"CI may still be building it, or its build of {commit[:12]} failed: look there, then deploy again. A gate `ci` "
            "asks for that first. If CI names images otherwise, correct `image` of the component.",
        )

    def _compare(self, component: str, reference: str, found: Artifact) -> None:
        planned = self.recorded.planned
        if planned is None or planned.identity == found.identity or self.recorded.proven is not None:
            return
        raise RefusedError(
            f"{reference} is another image than when this version was planned: it was {planned.identity}, and is "
            f"{found.identity} now. Somebody has pushed it again.",
            state="Nothing was changed.",
            next=f"Find out who did, and whether {component} is right so; then plan again with --build, and deploy.",
        )


def same_repository(one: str, other: str) -> bool:
    """Return whether two references are of one repository, whatever their tags and digests."""
    return repository(image_name(one)) == repository(image_name(other))
