"""What people wear and what colour things have, among the words of a question."""

from dataclasses import dataclass

from storage.reading import Reading
from storage.words import COLOURS, DETERMINERS, GARMENTS, WORN_ABOVE, WORN_BELOW


@dataclass(frozen=True)
class Dress:
    """Colours of what somebody wears; None is any."""

    anywhere: str | None = None
    above: str | None = None
    below: str | None = None


def read_dress(reading: Reading) -> Dress:
    """ "in red", "in a red shirt", "wearing a blue coat", "with green trousers"."""
    words = reading.words
    for i in sorted(reading.free):
        if words[i] not in COLOURS:
            continue
        start = i - 1 if reading.before(i) in DETERMINERS else i
        if reading.before(start) not in ("in", "wearing", "wears", "wore", "with"):
            continue
        dressed = i + 1 < len(words) and words[i + 1] in GARMENTS
        if not dressed and (reading.before(start) == "with" or start != i):
            continue  # "with a red cup", "in a red car": of the thing
        end = i + 2 if dressed else i + 1
        reading.explain(range(start - 1, end), f"person in {words[i]}")
        colour, garment = _plain(words[i]), words[i + 1] if dressed else ""
        if garment in WORN_ABOVE:
            return Dress(above=colour)
        return Dress(below=colour) if garment in WORN_BELOW else Dress(colour)
    return Dress()


def read_thing_colour(reading: Reading) -> str | None:
    """The colour in front of a thing or of "one"; read the things first."""
    for i in sorted(reading.free):
        after = i + 1
        if reading.words[i] in COLOURS and after in reading.objects.values():
            reading.explain([i], f"{reading.words[i]} thing")
            return _plain(reading.words[i])
    return None


def _plain(colour: str) -> str:
    return "grey" if colour == "gray" else colour
