"""The ask benchmark: its questions have the answers that a slow reader finds, and the program
answers a small run of them as a user would wish."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from models.evaluation.ask_questions import NO_ANSWER, OPEN, SHARES, Asked
from models.evaluation.ask_scores import ALL, CONFIGURED, Outcome, Reply, auroc, table
from models.evaluation.asking import make_questions
from models.evaluation.diary import Diary, Found, Happening
from models.world.render import World
from models.world.truth import ClipTruth
from stream.cli_evaluate import app

NOW = datetime(2026, 3, 4, 18, tzinfo=UTC)
OPEN_VERBS = frozenset(("read", "push"))


@pytest.fixture(scope="module")
def diary() -> Diary:
    """Six clips of three cameras, a quarter of an hour apart, none of them of the benchmark."""
    return Diary(
        (("gate", "lobby", "yard")[n % 3], NOW.timestamp() - 900 * (n + 1), acted(200 + n))
        for n in range(6)
    )


def acted(seed: int) -> ClipTruth:
    world = World(seed, width=96, height=72, fps=12.5, seconds=20.0)
    for _ in world.frames():
        pass
    return world.truth()


@pytest.fixture(scope="module")
def questions(diary: Diary) -> list[Asked]:
    return make_questions(diary, 200, now=NOW, open_verbs=OPEN_VERBS)


def test_the_same_seed_asks_the_same_and_every_kind_is_asked(
    diary: Diary, questions: list[Asked]
) -> None:
    assert make_questions(diary, 200, now=NOW, open_verbs=OPEN_VERBS) == questions
    assert len({asked.text for asked in questions}) == len(questions) > 150
    assert {asked.kind for asked in questions} >= set(SHARES) - {"unseen pairs", "custody"}
    assert all("{" not in asked.text for asked in questions)


def test_what_has_an_answer_names_it_and_what_has_none_has_none(questions: list[Asked]) -> None:
    for asked in questions:
        assert bool(asked.right) == (asked.kind != NO_ANSWER and asked.yes is not False)
        assert all(one.seen for one in asked.right)
        if asked.kind == OPEN:
            assert asked.verb in OPEN_VERBS
        elif asked.verb and asked.right:
            assert asked.verb not in OPEN_VERBS
        if asked.number is not None:
            assert 0 < asked.number <= len(asked.right)
    assert {asked.yes for asked in questions} == {None, True, False}


def found_of(diary: Diary, one: Happening) -> Found:
    middle = (one.start + one.end) / 2
    boxes = {i.id: i.box for i in diary.at(one.clip, middle).values()}
    return Found(one.camera, one.start, one.end, middle, boxes[one.person], boxes[one.thing], 0.9)


def test_only_the_right_two_at_the_right_time_and_place_are_a_hit(diary: Diary) -> None:
    one = next(h for h in diary.happenings if h.seen and h.end - h.start > 1)
    right = found_of(diary, one)
    assert diary.shows(right, one)
    for wrong in (
        replace(right, camera="elsewhere"),
        replace(right, start=one.end + 2, end=one.end + 3),
        replace(right, person=right.thing),
        replace(right, thing=(0.0, 0.0, 1.0, 1.0)),
    ):
        assert not diary.shows(wrong, one)


def outcome(
    kind: str, confidence: float | None, right: tuple[Happening, ...], hit: bool
) -> Outcome:
    rows = () if confidence is None else (Found("", 0, 0, 0, (0,) * 4, (0,) * 4, confidence),)
    asked = Asked("", kind, "", "", right)
    return Outcome(asked, Reply(rows), (hit,) * len(rows), None)


def test_the_table_counts_recall_and_abstention(diary: Diary) -> None:
    some = tuple(diary.happenings[:1])
    outcomes = [outcome("plain", 0.9, some, True)] * 3 + [outcome("plain", None, some, False)]
    outcomes += [outcome(NO_ANSWER, 0.5, (), False), outcome(NO_ANSWER, None, (), False)]
    rows = {row.kind: row for row in table(outcomes)}
    assert rows["plain"].first.value == rows[ALL].first.value == 0.75
    assert rows["plain"].auroc.value == (3 * 1 + 1 * 0.25) / 4
    assert math.isnan(rows[NO_ANSWER].first.value)
    assert rows["plain"].first.low <= 0.75 <= rows["plain"].first.high


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(a: list[int], b: list[int]) -> None:
    pairs = [1.0 if x > y else 0.5 if x == y else 0.0 for x in a for y in b]
    assert auroc(np.array(a, float), np.array(b, float)) == pytest.approx(np.mean(pairs))


def test_a_small_run_is_answered_as_a_user_would_wish_and_is_watched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three clips, forty questions; `stream evaluate ask` asks three hundred about more."""
    monkeypatch.setenv("HOI_STREAM_HOME", str(tmp_path))
    tables = asked_of(3, 40)
    rows = {row["kind"]: row for row in tables["program"]}
    assert rows[ALL]["questions"] >= 35
    for kind in ("plain", "paraphrase"):
        assert rows[kind]["five"]["value"] >= 0.6
    assert rows[ALL]["auroc"]["value"] >= 0.7
    others = {name: {row["kind"]: row for row in of} for name, of in tables.items()}
    assert rows[ALL]["first"]["value"] > others["object prior"][ALL]["first"]["value"]
    assert others["plain CLIP"]["plain"]["five"]["value"] > 0
    assert others["program over true events"][CONFIGURED]["first"]["value"] >= 0.95

    told = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("events/*.db")}
    assert len(told) == 3
    lost = min(told)
    lost.unlink()
    assert asked_of(3, 40) == tables
    again = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("events/*.db")}
    assert {path for path in told if again[path] != told[path]} == {lost}


def asked_of(clips: int, questions: int) -> dict[str, list[dict[str, Any]]]:
    command = ["ask", "--clips", str(clips), "--questions", str(questions), "--json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    tables: dict[str, list[dict[str, Any]]] = json.loads(result.stdout)["tables"]
    return tables
