"""What a user says that a question means, in place of what was read from its words."""

from dataclasses import dataclass, replace
from datetime import datetime

from storage.question import Question


@dataclass(frozen=True)
class Correction:
    """Who (by colours), did, what, where and when; None and nothing leave it open."""

    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    camera: str | None
    since: datetime | None
    until: datetime | None
    person_colour: str | None  # worn above or below
    upper_colour: str | None
    lower_colour: str | None
    thing_colour: str | None
    looks: tuple[str, ...] = ()  # of those that were read

    @classmethod
    def of(cls, question: Question) -> "Correction":
        """None yet: what was read."""
        clause = question.clause
        return cls(
            (*clause.verbs, *clause.phrases),
            clause.objects,
            question.camera,
            question.since,
            question.until,
            clause.person_colour,
            clause.upper_colour,
            clause.lower_colour,
            clause.thing_colour,
            tuple(look for look in (clause.person_look, clause.thing_look) if look is not None),
        )

    def applied(self, question: Question) -> Question:
        """To be asked; with it every question has an answer."""
        phrases = tuple(verb for verb in self.verbs if verb in question.clause.phrases)
        clause = replace(
            question.clause,
            verbs=tuple(verb for verb in self.verbs if verb not in phrases),
            phrases=phrases,
            objects=self.objects,
            person_colour=self.person_colour,
            upper_colour=self.upper_colour,
            lower_colour=self.lower_colour,
            thing_colour=self.thing_colour,
            person_look=self._kept(question.clause.person_look),
            thing_look=self._kept(question.clause.thing_look),
        )
        return replace(
            question,
            clause=clause,
            camera=self.camera,
            since=self.since,
            until=self.until,
            answerable=True,
        )

    def _kept(self, look: str | None) -> str | None:
        return look if look in self.looks else None
