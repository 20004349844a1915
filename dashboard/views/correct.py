"""Fields that show what was understood of a question, and take what was meant."""

from collections.abc import Collection, Sequence
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import reads
from dashboard.corrections import Correction
from storage.words import COLOURS
from storage.zones import local_zone

_MINUTE = 60  # seconds: the fields of times know no less
_EARLIEST, _LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59)  # all that can be asked for
_COLOURS = COLOURS - {"gray"}  # it is grey


def correct(url: str, question: str, meant: Correction) -> Correction:
    """Filled with what was understood; another question fills them anew."""
    with st.expander("Correct what was understood"):
        did, what, where, since, until = st.columns(5)
        verbs = _several(did, "Did", reads.verb_names(url), meant.verbs, f"verbs {question}")
        things = reads.object_names(url)
        objects = _several(what, "What", things, meant.objects, f"objects {question}")
        places = reads.camera_names(url)
        camera = _one(where, "Where", "any camera", places, meant.camera, f"place {question}")
        began = _time(since, "Since", meant.since, f"since {question}")
        ended = _time(until, "Until", meant.until, f"until {question}")
        wears, above, below, thing, looks = st.columns(5)

        def colour(place: DeltaGenerator, label: str, known: str | None) -> str | None:
            return _one(place, label, "any colour", _COLOURS, known, f"{label} {question}")

        return Correction(
            verbs=verbs,
            objects=objects,
            camera=camera,
            since=began,
            until=ended,
            person_colour=colour(wears, "Wears", meant.person_colour),
            upper_colour=colour(above, "Wears above", meant.upper_colour),
            lower_colour=colour(below, "Wears below", meant.lower_colour),
            thing_colour=colour(thing, "Colour of the thing", meant.thing_colour),
            looks=_several(looks, "Looks", (), meant.looks, f"looks {question}")
            if meant.looks
            else (),
        )


def _several(
    place: DeltaGenerator, label: str, names: Collection[str], known: Sequence[str], key: str
) -> tuple[str, ...]:
    chosen = place.multiselect(label, sorted({*names, *known}), list(known), key=key)
    return tuple(known) if set(chosen) == set(known) else tuple(chosen)


def _one(
    place: DeltaGenerator,
    label: str,
    anything: str,
    names: Collection[str],
    known: str | None,
    key: str,
) -> str | None:
    every = sorted({*names, *filter(None, [known])})
    index = 0 if known is None else 1 + every.index(known)
    chosen = place.selectbox(label, [anything, *every], index, key=key)
    return None if chosen == anything else chosen


def _time(place: DeltaGenerator, label: str, known: datetime | None, key: str) -> datetime | None:
    """What is shown is known more exactly, and goes on with the time until somebody changes it."""
    zone, state = local_zone(), st.session_state
    first: datetime | None = None
    if known is not None:
        first = known.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None)
    if key not in state or state[key] == state[f"first {key}"]:
        state[key] = state[f"first {key}"] = first  # as a default it could not be cleared
    chosen = place.datetime_input(label, None, _EARLIEST, _LATEST, key=key, step=_MINUTE)
    if chosen == state[f"first {key}"]:
        return known
    return None if chosen is None else chosen.replace(tzinfo=zone)
