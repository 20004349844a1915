"""Who and what looks as a question says: "in a striped shirt", "a wooden box".

A track has a vector of what it looks like. It may be striped the more it is nearer to "a photo of a
striped cup" than to "a photo of a cup". How much nearer it must be differs from tower to tower and
from word to word, so tracks are compared with each other: those pass that look more like it than
five of six that were stored. None of them need be striped, and the answer says so.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from storage.filters import Filters
from storage.names import object_classes_seen
from storage.question import Clause
from storage.speech import OpenVerbs
from storage.tables import TrackRow, Vector
from storage.vector_rows import Floats

PASSING = 1 / 6  # of all tracks of a camera, those that look most like it
_COMPARED = 2000  # tracks, the newest
_MOST = 5000  # that are asked for at once, the newest
_PERSON = "person"


@dataclass(frozen=True, eq=False)
class _Tracks:
    """N tracks of one bundle and class."""

    ids: list[str]
    looks: Floats  # (N, D) of length one


class Looks:
    """Of all clauses of one question; `notes` say what was compared."""

    def __init__(self, session: Session, how: OpenVerbs | None) -> None:
        self._session, self._how = session, how
        self._nulls = dict[tuple[str, str, str, str | None], Floats]()  # scores, in order
        self.notes = dict[str, None]()
        self.likeness = dict[str, float]()  # of tracks: share of all that look less like it

    def filters(self, clause: Clause, window: Filters) -> Filters:
        """The tracks that are meant, where a clause says what they look like."""
        found: Filters = {}
        if clause.person_look is not None:
            found["human_tracks"] = self._alike(clause.person_look, (_PERSON,), window)
        if clause.thing_look is not None:
            classes = clause.objects or object_classes_seen(self._session)
            found["object_tracks"] = self._alike(clause.thing_look, classes, window)
        return found

    def _alike(self, look: str, classes: Collection[str], window: Filters) -> list[str]:
        found, compared = list[str](), 0
        for (bundle, name), tracks in self._tracks(classes, _conditions(window), _MOST).items():
            null = self._null(bundle, name, look, window.get("camera"))
            scores = self._scores(bundle, name, look, tracks.looks)
            others = len(null) - np.searchsorted(null, scores) - 1  # at least as much like it
            above = others.clip(0) / max(len(null), 1)
            passing = np.flatnonzero(above < PASSING).tolist()
            self.likeness |= {tracks.ids[n]: 1 - float(above[n]) for n in passing}
            found += [tracks.ids[n] for n in passing]
            compared += len(null)
        many = f"those that look most like it of {compared:,}, which need not be"
        self.notes[
            f"{look!r}: {many if compared else 'nothing is stored of what they look like'}"
        ] = None
        return found

    def _null(self, bundle: str, name: str, look: str, camera: str | None) -> Floats:
        key = bundle, name, look, camera
        if key not in self._nulls:
            row = TrackRow
            near = [row.bundle == bundle, *([] if camera is None else [row.camera == camera])]
            tracks = self._tracks((name,), near, _COMPARED).get((bundle, name))
            looks = np.zeros((0, 1)) if tracks is None else tracks.looks
            scores = self._scores(bundle, name, look, looks) if len(looks) else np.zeros(0)
            self._nulls[key] = np.sort(scores)
        return self._nulls[key]

    def _scores(self, bundle: str, name: str, look: str, looks: Floats) -> Floats:
        """(N,) how much nearer than to what is said of any."""
        assert self._how is not None
        said = f"person {look}" if name == _PERSON else f"{look} {name}"
        told, any_ = self._how.speaks.plain(bundle, [_photo(said), _photo(name)])
        found: Floats = looks @ (told - any_)
        return found

    def _tracks(
        self, classes: Iterable[str], conditions: list[ColumnElement[bool]], most: int
    ) -> dict[tuple[str, str], _Tracks]:
        """By bundle and class, of bundles that can be asked."""
        if self._how is None:
            return {}
        row = TrackRow
        query = select(row.bundle, row.class_name, row.id, row.look)
        query = query.where(row.class_name.in_(sorted(classes)), row.look.is_not(None), *conditions)
        rows: dict[tuple[str, str], list[tuple[str, Vector]]] = {}
        for bundle, name, id_, look in self._session.execute(
            query.order_by(row.last_seen.desc()).limit(most)
        ):
            if look is not None:
                rows.setdefault((bundle, name), []).append((id_, look))
        return {
            key: _Tracks(
                [id_ for id_, _ in some], np.stack([look for _, look in some]).astype(float)
            )
            for key, some in rows.items()
            if self._how.speaks.silence(key[0]) is None
        }


def _conditions(window: Filters) -> list[ColumnElement[bool]]:
    """Tracks that were there at the cameras and the time that are asked about."""
    row, found = TrackRow, list[ColumnElement[bool]]()
    if (camera := window.get("camera")) is not None:
        found.append(row.camera == camera)
    if (since := window.get("since")) is not None:
        found.append(row.last_seen >= since)
    if (until := window.get("until")) is not None:
        found.append(row.first_seen <= until)
    return found


def _photo(words: str) -> str:
    return f"a photo of {'an' if words[0] in 'aeiou' else 'a'} {words}"
