"""Who and what looks as a question says: "in a striped shirt", "a wooden box".

A track has a vector of what it looks like. It may be striped the more it is nearer to "a photo of a
striped cup" than to "a photo of a cup". How much nearer it must be differs from tower to tower and
from word to word, so tracks are compared with each other: those pass that look more like it than
five of six that were there. None of them need be striped, and the answer says so.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from storage.filters import Filters
from storage.names import object_classes_seen
from storage.question import Clause
from storage.speech import OpenVerbs
from storage.steps import EARLIEST, LATEST
from storage.tables import TrackRow, Vector
from storage.vector_rows import Floats, bundles_with_vectors

PASSING = 1 / 6  # of all tracks of a class, those that look most like it
_ENOUGH = 100  # tracks to compare with; in a time with fewer the newest of other times, too
_MOST = 5000  # tracks of a class and bundle that are looked at, the newest
_AROUND = timedelta(days=1)  # what happened before or after is of tracks so near
_PERSON = "person"


@dataclass(frozen=True)
class Alike:
    """Tracks that look most like something; of how many, and whether of all that there were."""

    likeness: dict[str, float]  # by track: share of those compared that look less like it
    bundles: frozenset[str]  # that saw them
    compared: int = 0
    complete: bool = True


class Looks:
    """Of all clauses of one question, over the tracks of its camera and its time.

    `notes` say what was compared, and which bundles could not be asked.
    """

    def __init__(self, session: Session, how: OpenVerbs | None, window: Filters) -> None:
        self._session, self._how, self._window = session, how, window
        self._known = dict[tuple[str, tuple[str, ...]], Alike]()
        self.notes = dict[str, None]()

    @property
    def complete(self) -> bool:
        return all(found.complete for found in self._known.values())

    def hears(self, words: str) -> bool:
        """Can any bundle be told what the words look like, of which a look is stored?"""
        told = self._told(words)
        return any(why is None and self._has_looks(bundle) for bundle, why in told)

    def filters(self, clause: Clause) -> Filters:
        """The tracks that are meant, where a clause says what they look like."""
        found: Filters = {}
        bundles = list[frozenset[str]]()
        if (people := self._people(clause)) is not None:
            found["human_tracks"] = people.likeness
            bundles.append(people.bundles)
        if (things := self._things(clause)) is not None:
            found["object_tracks"] = things.likeness
            bundles.append(things.bundles)
        if bundles:
            found["bundles"] = frozenset.intersection(*bundles)
        return found

    def likeness(self, clause: Clause, person: str, thing: str) -> float:
        """How much two tracks that passed look as the clause says; 1: it says nothing."""
        people, things = self._people(clause), self._things(clause)
        of_person = 1.0 if people is None else people.likeness.get(person, 1.0)
        return of_person * (1.0 if things is None else things.likeness.get(thing, 1.0))

    def _people(self, clause: Clause) -> Alike | None:
        look = clause.person_look
        return None if look is None else self._alike(f"person {look}", look, (_PERSON,))

    def _things(self, clause: Clause) -> Alike | None:
        look = clause.thing_look
        if look is None:
            return None
        classes = clause.objects or tuple(object_classes_seen(self._session))
        return self._alike(f"{look} {{}}", look, classes)

    def _alike(self, said: str, look: str, classes: tuple[str, ...]) -> Alike:
        """`said`: what is seen, `{}` in the place of a class."""
        key = said, classes
        if key not in self._known:
            self._known[key] = self._compare(said, classes)
            compared = self._known[key].compared
            guess = f"a guess by looks, the likest of {compared:,}"
            none = "nothing is stored of what they look like"
            self.notes[f"{look!r}: {guess if compared else none}"] = None
        return self._known[key]

    def _compare(self, said: str, classes: Collection[str]) -> Alike:
        likeness, compared, complete = dict[str, float](), 0, True
        seen = set[str]()
        for bundle in self._bundles(said):
            for name in sorted(classes):
                tracks = self._tracks(bundle, name, self._window)
                if not tracks:
                    continue
                nearer = self._direction(bundle, said, name)
                scores = _scores(tracks, nearer)
                others = scores
                if len(others) < _ENOUGH:
                    anytime: Filters = {"camera": self._window.get("camera")}
                    others = _scores(self._tracks(bundle, name, anytime), nearer)
                above = len(others) - np.searchsorted(np.sort(others), scores) - 1
                shares = dict(zip(tracks, (above / len(others)).tolist(), strict=True))
                likeness |= {track: 1 - s for track, s in shares.items() if s < PASSING}
                seen.add(bundle)
                compared += len(others)
                complete = complete and len(tracks) < _MOST
        return Alike(likeness, frozenset(seen), compared, complete)

    def _bundles(self, said: str) -> list[str]:
        """Those that can be asked; of the others a note is made."""
        told = list(self._told(said.format("thing")))
        self.notes |= dict.fromkeys(why for _, why in told if why is not None)
        return [bundle for bundle, why in told if why is None]

    def _told(self, words: str) -> Iterator[tuple[str, str | None]]:
        """Bundles that are stored, and why each cannot be told the words; None: it can."""
        if self._how is None:
            return
        speaks = self._how.speaks
        for bundle in bundles_with_vectors(self._session):
            mute = speaks.silence(bundle)
            yield bundle, speaks.deaf(bundle, words) if mute is None else mute

    def _direction(self, bundle: str, said: str, name: str) -> Floats:
        """(D,) from any such thing to what is said of it."""
        assert self._how is not None
        told, any_ = self._how.speaks.plain(bundle, [_photo(said.format(name)), _photo(name)])
        direction: Floats = told - any_
        return direction

    def _tracks(self, bundle: str, name: str, window: Filters) -> dict[str, Vector]:
        """Of a bundle and a class that were there; the newest of many."""
        row = TrackRow
        query = select(row.id, row.look).where(
            row.bundle == bundle, row.class_name == name, row.look.is_not(None), *_within(window)
        )
        found = self._session.execute(query.order_by(row.last_seen.desc()).limit(_MOST))
        return {id_: look for id_, look in found if look is not None}

    def _has_looks(self, bundle: str) -> bool:
        row = TrackRow
        query = select(row.id).where(row.bundle == bundle, row.look.is_not(None)).limit(1)
        return self._session.scalar(query) is not None


def _scores(tracks: dict[str, Vector], direction: Floats) -> Floats:
    """(N,)"""
    scores: Floats = np.stack(list(tracks.values())).astype(np.float32) @ direction
    return scores


def _within(window: Filters) -> list[ColumnElement[bool]]:
    row, found = TrackRow, list[ColumnElement[bool]]()
    if (camera := window.get("camera")) is not None:
        found.append(row.camera == camera)
    if (since := window.get("since")) is not None:
        found.append(row.last_seen >= max(since, EARLIEST) - _AROUND)
    if (until := window.get("until")) is not None:
        found.append(row.first_seen <= min(until, LATEST) + _AROUND)
    return found


def _photo(words: str) -> str:
    return f"a photo of {'an' if words[0] in 'aeiou' else 'a'} {words}"
