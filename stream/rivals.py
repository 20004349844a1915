"""Counter-evidence: what else an event may have been, as it looked at its best moment."""

from collections.abc import Callable, Sequence

import numpy as np

from storage.interactions import RejectedPair, Rivals
from stream.sightings import Pair, Sighting

_MOST_VERBS = 3
_LEAST = 0.01  # probability; less is no rival


def find_rivals(
    best: Sighting,
    pair: Pair,
    verb: str,
    names: Sequence[str],
    track_id: Callable[[int], str],
) -> Rivals | None:
    """The likeliest other verbs of the two, and the likeliest other two below one half.

    None: nothing was believed of this pair then.
    """
    smoothed = best.frame
    beliefs, numbers = smoothed.beliefs, smoothed.detections.tracker_id
    mine = (beliefs.human == pair[0]) & (beliefs.object == pair[1])
    if not mine.any() or numbers is None:
        return None
    own = beliefs.probabilities[int(np.argmax(mine))]
    verbs = [
        (names[v], round(float(own[v]), 4))
        for v in np.argsort(-own, kind="stable")
        if names[v] != verb and own[v] >= _LEAST
    ]
    rejected = None
    if verb in names:
        column = beliefs.probabilities[:, names.index(verb)]
        seen = np.isin(beliefs.human, numbers) & np.isin(beliefs.object, numbers)
        other = np.where(seen & ~mine & (column < 0.5) & (column >= _LEAST), column, -1)
        row = int(np.argmax(other))
        if other[row] >= 0:
            thing = int(beliefs.object[row])
            place = int(np.argmax(numbers == thing))
            rejected = RejectedPair(
                track_id(int(beliefs.human[row])),
                track_id(thing),
                str(smoothed.detections.data["class_name"][place]),
                round(float(other[row]), 4),
            )
    return Rivals(tuple(verbs[:_MOST_VERBS]), rejected)
