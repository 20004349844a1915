"""Makes `nouns.tsv.gz` of WordNet 3.0: its things, animals, plants and food, and what is a kind of
what.

    apt install wordnet-base && python -m storage.wordnet /usr/share/wordnet

A line is a meaning: its words with their place among the meanings of the word, the lines of which
it is a kind, and how many meanings it and its kinds are.
"""

import gzip
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILES = frozenset(
    ("03", "05", "06", "13", "17", "20")
)  # tops, animal, artifact, food, object, plant
_WORD = re.compile(r"[a-z][a-z-]*( [a-z-]+)?")  # no names of species, nothing of three words


@dataclass(frozen=True)
class _Meaning:
    words: tuple[str, ...]
    kinds_of: tuple[str, ...]  # offsets


def main(folder: Path, out: Path) -> None:
    meanings = dict(_read(folder / "data.noun"))
    lower = {offset for one in meanings.values() for offset in one.kinds_of}
    while bare := {o for o, one in meanings.items() if not one.words and o not in lower}:
        meanings = {offset: one for offset, one in meanings.items() if offset not in bare}
        lower = {offset for one in meanings.values() for offset in one.kinds_of}
    places = _places(folder / "index.noun", set(meanings))
    line = {offset: n for n, offset in enumerate(meanings)}
    below = Counter(o for offset in meanings for o in _upwards(offset, meanings))
    rows = []
    for offset, one in meanings.items():
        words = ",".join(f"{word}:{places[word, offset]}" for word in one.words)
        kinds = ",".join(str(line[o]) for o in one.kinds_of if o in line)
        rows.append(f"{words}\t{kinds}\t{below[offset]}\n")
    out.write_bytes(gzip.compress("".join(rows).encode(), mtime=0))


def _read(path: Path) -> Iterator[tuple[str, _Meaning]]:
    """As wndb(5WN) says: offset, file, kind, words (hexadecimal), pointers; "@" is "a kind of"."""
    for text in path.read_text("latin-1").splitlines():
        fields = text.partition("|")[0].split()
        if text.startswith(" ") or fields[1] not in _FILES:
            continue
        count = int(fields[3], 16)
        words = (word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]
        kinds_of = tuple(o for sign, o in zip(pointers[::4], pointers[1::4]) if sign == "@")  # noqa: B905
        yield fields[0], _Meaning(tuple(w for w in words if _WORD.fullmatch(w)), kinds_of)


def _places(path: Path, kept: set[str]) -> dict[tuple[str, str], int]:
    """(word, offset) -> the how manieth of the word's kept meanings, the most frequent first."""
    found: dict[tuple[str, str], int] = {}
    for text in path.read_text("latin-1").splitlines():
        if not text.startswith(" "):
            fields = text.split()
            offsets = (o for o in fields[4 + int(fields[3]) + 2 :] if o in kept)
            word = fields[0].replace("_", " ")
            found |= {(word, offset): place for place, offset in enumerate(offsets)}
    return found


def _upwards(offset: str, meanings: dict[str, _Meaning]) -> set[str]:
    """It, and all that it is a kind of."""
    found, waiting = set[str](), [offset]
    while waiting:
        one = waiting.pop()
        if one in meanings and one not in found:
            found.add(one)
            waiting += meanings[one].kinds_of
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("nouns.tsv.gz"))
