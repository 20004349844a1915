"""Makes `nouns.tsv.gz` and `verbs.tsv.gz` of WordNet 3.0.

    apt install wordnet-base && python -m storage.wordnet /usr/share/wordnet

Nouns are things, animals, plants and food; verbs are what somebody does. A line is a meaning: its
words, the lines of which it is a kind, and how many meanings it and its kinds are. A noun has its
place among the meanings of the word, a verb how often it was found to mean that. Lines of verbs
also tell what the definition begins with (`definitions.py`) and the number of WordNet's file.
"""

import gzip
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.definitions import genera

_THINGS = frozenset(
    ("03", "05", "06", "13", "17", "20")
)  # tops, animal, artifact, food, object, plant
_NOUN = re.compile(r"[a-z][a-z-]*( [a-z-]+)?")  # no names of species, nothing of three words
_VERB = re.compile(r"[a-z][a-z-]*( [a-z-]+){0,2}")
_SOMEBODY = frozenset(("02", "08", "09", *map(str, range(14, 24))))  # frames: "Somebody ----s ..."


@dataclass(frozen=True)
class _Meaning:
    file: str
    words: tuple[str, ...]
    keys: tuple[str, ...]  # of the words, as in cntlist
    kinds_of: tuple[str, ...]  # offsets
    frames: frozenset[str]
    definition: str


def main(folder: Path, out: Path) -> None:
    write_nouns(folder, out / "nouns.tsv.gz")
    write_verbs(folder, out / "verbs.tsv.gz")


def write_nouns(folder: Path, out: Path) -> None:
    every = dict(_read(folder / "data.noun", _NOUN))
    meanings = _without_bare({o: one for o, one in every.items() if one.file in _THINGS})
    places = _places(folder / "index.noun", set(meanings))
    lines = {offset: n for n, offset in enumerate(meanings)}
    below = _below(meanings)
    rows = []
    for offset, one in meanings.items():
        words = ",".join(f"{word}:{places[word, offset]}" for word in one.words)
        rows.append(f"{words}\t{_kinds(one, lines)}\t{below[offset]}\n")
    out.write_bytes(gzip.compress("".join(rows).encode(), mtime=0))


def write_verbs(folder: Path, out: Path) -> None:
    every = dict(_read(folder / "data.verb", _VERB))
    known = {word for one in every.values() for word in one.words}
    done = {offset for offset, one in every.items() if one.frames & _SOMEBODY}
    above = {o for offset in done for o in _upwards(offset, every)}
    meanings = {offset: one for offset, one in every.items() if offset in above}
    counts = _counts(folder / "cntlist.rev")
    lines = {offset: n for n, offset in enumerate(meanings)}
    below = _below(meanings)
    rows = []
    for offset, one in meanings.items():
        keyed = zip(one.words, one.keys, strict=True) if offset in done else ()
        words = ",".join(f"{word}:{counts.get(key, 0)}" for word, key in keyed)
        begins = ",".join(sorted(genera(one.definition, known)))
        told = (words, _kinds(one, lines), str(below[offset]), begins, one.file)
        rows.append("\t".join(told) + "\n")
    out.write_bytes(gzip.compress("".join(rows).encode(), mtime=0))


def _read(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, _Meaning]]:
    """As wndb(5WN) says: offset, file, kind, words and pointers with their numbers (of words
    hexadecimal), frames, "|", definition; "@" is "a kind of"."""
    for text in path.read_text("latin-1").splitlines():
        if text.startswith(" "):
            continue
        told, _, definition = text.partition("|")
        fields = told.split()
        end = 4 + 2 * int(fields[3], 16)
        named = [
            (word.replace("_", " "), f"{word}%2:{fields[1]}:{int(number, 16):02}::")
            for word, number in zip(fields[4:end:2], fields[5:end:2], strict=True)
        ]
        kept = [one for one in named if wanted.fullmatch(one[0])]
        pointers, frames = fields[end + 1 :], end + 1 + 4 * int(fields[end])
        pairs = zip(
            pointers[: frames - end - 1 : 4], pointers[1 : frames - end - 1 : 4], strict=True
        )
        yield (
            fields[0],
            _Meaning(
                file=fields[1],
                words=tuple(word for word, _ in kept),
                keys=tuple(key for _, key in kept),
                kinds_of=tuple(offset for sign, offset in pairs if sign == "@"),
                frames=frozenset(fields[frames + 2 :: 3]),
                definition=definition.strip(),
            ),
        )


def _without_bare(meanings: dict[str, _Meaning]) -> dict[str, _Meaning]:
    """Without those that have no words, nor kinds that have any."""
    lower = {offset for one in meanings.values() for offset in one.kinds_of}
    while bare := {o for o, one in meanings.items() if not one.words and o not in lower}:
        meanings = {offset: one for offset, one in meanings.items() if offset not in bare}
        lower = {offset for one in meanings.values() for offset in one.kinds_of}
    return meanings


def _kinds(one: _Meaning, lines: Mapping[str, int]) -> str:
    return ",".join(str(lines[offset]) for offset in one.kinds_of if offset in lines)


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


def _counts(path: Path) -> dict[str, int]:
    """Sense keys -> how often texts were found to mean that (cntlist(5WN))."""
    told = (text.split() for text in path.read_text().splitlines())
    return {key: int(count) for key, _, count in told}


def _below(meanings: Mapping[str, _Meaning]) -> Counter[str]:
    return Counter(o for offset in meanings for o in _upwards(offset, meanings))


def _upwards(offset: str, meanings: Mapping[str, _Meaning]) -> set[str]:
    """It, and all that it is a kind of."""
    found, waiting = set[str](), [offset]
    while waiting:
        one = waiting.pop()
        if one in meanings and one not in found:
            found.add(one)
            waiting += meanings[one].kinds_of
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
