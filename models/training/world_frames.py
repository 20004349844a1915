"""Rendered frames on disk, for training: one file a clip, JPEG as a codec would leave them."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.heatmap_detector import HEIGHT, WIDTH
from models.world.render import World
from models.world.truth import FrameTruth

FIRST_SEED = 100_000  # of training clips
HELD_OUT = range(10_000, 11_000)  # seeds for evaluation; nothing is trained or tuned on these
CLIP_SECONDS = 8.0
RENDERED = 384, 288  # width and height of a clip
RENDERED_TO_INPUT = WIDTH / RENDERED[0]  # factor of boxes; both are 4:3
_WORKERS = os.cpu_count() or 1
_FEW = 24  # clips; a worker takes as long to start as to render ten
EVERY = 8  # frames next to each other show the same


def render_frames(
    folder: Path, clips: int, *, on_clip: Callable[[int], None], first_seed: int = FIRST_SEED
) -> list[Path]:
    """Clips that are not there yet are rendered, many in parallel; returns all files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{first_seed + i}.npz" for i in range(clips)]
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return paths
    if len(missing) <= _FEW:
        for done, path in enumerate(missing, 1):
            _render_clip(path)
            on_clip(clips - len(missing) + done)
        return paths
    with ProcessPoolExecutor(_WORKERS, get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(_render_clip, missing, chunksize=4), 1):
            on_clip(clips - len(missing) + done)
    return paths


def read_clip(path: Path) -> tuple[list[npt.NDArray[np.uint8]], list[FrameTruth]]:
    """JPEG bytes and truth of each kept frame."""
    return read_jpegs(path), read_truths(path)


def read_truths(path: Path) -> list[FrameTruth]:
    """Of each kept frame."""
    with np.load(path) as file:
        rows = json.loads(file["truth"].tobytes())
    return [FrameTruth.from_dict(row) for row in rows]


def read_jpegs(path: Path) -> list[npt.NDArray[np.uint8]]:
    """Of each kept frame."""
    with np.load(path) as file:
        return np.split(file["jpeg"], np.cumsum(file["lengths"])[:-1])


def decode(jpeg: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(HEIGHT, WIDTH, 3) RGB."""
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    if image is None:
        raise ModelError("a training frame is damaged; delete the clip's file and render it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _render_clip(path: Path) -> None:
    seed = int(path.stem)
    rng = np.random.default_rng(seed)
    quality = int(rng.integers(45, 93))  # one a clip: compression is a property of a camera
    jpegs: list[npt.NDArray[np.uint8]] = []
    rows = []
    world = World(seed, width=RENDERED[0], height=RENDERED[1], seconds=CLIP_SECONDS)
    for image, truth in world.frames(EVERY, int(rng.integers(EVERY))):
        small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        jpegs.append(np.asarray(encoded, np.uint8).ravel())
        rows.append(asdict(truth))
    text = np.frombuffer(json.dumps(rows).encode(), np.uint8)
    lengths = np.array([len(jpeg) for jpeg in jpegs])
    partial = path.with_suffix(".part.npz")
    np.savez(partial, jpeg=np.concatenate(jpegs), lengths=lengths, truth=text)
    partial.replace(path)
