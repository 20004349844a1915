"""`open_dataset`: the one place that knows which kinds of data there are."""

from pathlib import Path
from typing import Literal

from models.datasets.coco import open_coco
from models.datasets.examples import HOIDataset
from models.datasets.hico_facts import DEFAULT
from models.datasets.hicodet import open_hicodet
from models.datasets.vcoco import open_vcoco
from models.datasets.world import open_world
from models.errors import ModelError

Split = Literal["train", "test"]
KINDS = ("hicodet", "vcoco", "coco", "world")


def open_dataset(spec: str, *, split: Split, setting: str = DEFAULT) -> HOIDataset:
    """`hicodet:PATH`, `vcoco:PATH`, `coco:PATH` or `world:PATH`; only images that have pairs.

    A zero-shot `setting` takes its unseen pairs out of the training split and leaves `test` whole.
    Raises `ModelError` for an unknown kind or setting and for annotations that cannot be used.
    """
    kind, folder = parse_spec(spec)
    if kind == "hicodet":
        return open_hicodet(folder, split, setting)
    if kind == "world":
        return open_world(folder, split, setting)
    if setting != DEFAULT:
        raise ModelError(f"{kind} has no zero-shot settings, only {DEFAULT!r}")
    return open_vcoco(folder, split) if kind == "vcoco" else open_coco(folder, split)


def parse_spec(spec: str) -> tuple[str, Path]:
    """Kind and folder."""
    kind, _, place = spec.partition(":")
    if kind not in KINDS or not place:
        raise ModelError(f"data {spec!r}: write {', '.join(f'{k}:PATH' for k in KINDS)}")
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    return kind, folder
