"""Millions of made-up interactions, made by the database itself, for benchmarks and tests."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine, text

VERBS = (
    *("hold", "carry", "sit on", "look at", "ride", "pick up", "put down", "kick", "throw"),
    *("drink with", "eat", "read", "open", "push", "pull"),
)
CLASSES = (
    *("cup", "chair", "bottle", "backpack", "bicycle", "book", "cell phone", "sports ball"),
    *("handbag", "laptop", "suitcase", "umbrella", "skateboard", "knife", "bench", "frisbee"),
)
CAMERAS = 40
FIRST_DAY, DAYS = "2026-08-01", 100

_BATCH = 500_000  # rows of one transaction
_FALL = 0.7  # every verb and class is this much rarer than the one before
_V, _T = "({} * 7919 % 10007) / 10007.0", "({} * 104729 % 99991) / 99991.0"  # as if by chance
_COLUMNS = (
    "id, camera, kind, phase, verb, human_track, human_number, object_track, object_class,"
    " started_at, ended_at, media_start, media_end, mean_score, peak_score, peak_at,"
    " human_box, object_box, snapshot, end_reason, bundle, config"
)


def fill(engine: Engine, rows: int, on_batch: Callable[[int], None] = lambda _: None) -> None:
    """Spread `rows` interactions of 3 s evenly over 100 days and 40 cameras.

    One in a hundred thousand lasts an hour. Verbs and classes are as unequal as in life.
    """
    step = DAYS * 86_400 / rows
    postgres = engine.dialect.name == "postgresql"
    for start in range(0, rows, _BATCH):
        end = min(start + _BATCH, rows) - 1
        with engine.begin() as connection:
            connection.execute(text(_statement(start, end, step, postgres)))
        on_batch(end + 1)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if postgres else "ANALYZE")


def _statement(start: int, end: int, step: float, postgres: bool) -> str:
    if postgres:
        numbers = (
            f"SELECT g AS n, {_V.format('g')} AS v, {_T.format('g')} AS t, gen_random_uuid() AS id,"
            f" timestamptz '{FIRST_DAY} 00:00+00' + g * {step} * interval '1 s' AS began"
            f" FROM generate_series({start}::bigint, {end}) AS g"
        )
        ended = "began + length * interval '1 s'"
    else:
        numbers = (
            f"WITH RECURSIVE g(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM g WHERE n < {end})"
            f" SELECT n, {_V.format('n')} AS v, {_T.format('n')} AS t,"
            f" lower(hex(randomblob(16))) AS id, n * {step} AS began FROM g"
        )
        stamp = "strftime('%Y-%m-%d %H:%M:%f000', '{day}', '+' || ({seconds}) || ' seconds')"
        ended = stamp.format(day=FIRST_DAY, seconds="began + length")
    began = "began" if postgres else stamp.format(day=FIRST_DAY, seconds="began")
    camera, person = f"'camera' || (n % {CAMERAS})", f"(n / {CAMERAS * 10})"
    boxes = "'[10.5,20.5,110.25,320.125]', '[60.5,200.5,90.25,230.125]'"
    return (
        f"INSERT INTO interactions ({_COLUMNS}) SELECT id, {camera}, 'interval', 'end',"
        f" {_choice('v', VERBS)}, {camera} || ':0:' || {person}, {person},"
        f" {camera} || ':0:' || (n / 300), {_choice('t', CLASSES)}, {began}, {ended},"
        f" n, n + length, 0.7, 0.9, n + 1, {boxes}, 'snapshots/x/' || n || '.jpg', 'ended',"
        " 'bench', 'bench' FROM (SELECT *, CASE WHEN n % 100000 = 99999 THEN 3600 ELSE 3 END"
        f" AS length FROM ({numbers}) AS numbers) AS made"
    )


def _choice(column: str, names: Sequence[str]) -> str:
    """The first name for most values below 1, every other one for fewer."""
    cases = " ".join(
        f"WHEN {column} < {1 - _FALL ** (i + 1):.6f} THEN '{name}'"
        for i, name in enumerate(names[:-1])
    )
    return f"CASE {cases} ELSE '{names[-1]}' END"
