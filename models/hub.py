"""Weights that others publish: what may be fetched from where, under which licence, and checked."""

import hashlib
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download

from models.errors import ModelError

logger = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds until the hub says what it has
_WEIGHTS = (".pt", ".pth", ".safetensors")


@dataclass(frozen=True)
class Offer:
    """`licence`: what its publishers grant; None: they grant none."""

    repo: str
    clip: str  # as `models.cmmp.official` names the architecture
    licence: str | None = None


OFFERS = {
    "cmmp-vitb16": Offer("lttt/CMMP", "B16"),
    "cmmp-vitl14": Offer("lttt/CMMP", "L14"),
}


def find_offer(name: str) -> Offer:
    if name not in OFFERS:
        raise ModelError(f"nothing to pull under {name!r}; there is: {', '.join(sorted(OFFERS))}")
    return OFFERS[name]


def find_files(offer: Offer, *, endpoint: str | None = None) -> dict[str, str | None]:
    """Its files of weights and their SHA-256, where the hub tells it."""
    with _one_line(offer):
        info = HfApi(endpoint=endpoint).model_info(
            offer.repo, files_metadata=True, timeout=_PATIENCE
        )
    files = {row.rfilename: row.lfs.sha256 if row.lfs else None for row in info.siblings or ()}
    return {name: files[name] for name in sorted(files) if name.endswith(_WEIGHTS)}


def choose_file(offer: Offer, files: Collection[str], file: str | None) -> str:
    """The named one, or the only one there is."""
    if file in files:
        return str(file)
    if file is None and len(files) == 1:
        return next(iter(files))
    raise ModelError(f"{offer.repo}: choose one of its files by --file: {', '.join(files)}")


def fetch(
    offer: Offer, file: str, sha256: str | None, folder: Path, *, endpoint: str | None = None
) -> Path:
    """Download into the folder, going on where an earlier try ended, and check the SHA-256.

    A file that differs from what the hub says of it is deleted.
    """
    with _one_line(offer):
        path = Path(hf_hub_download(offer.repo, file, local_dir=folder, endpoint=endpoint))
    if sha256 is None:
        logger.warning("%s tells no SHA-256 of %s: not checked", offer.repo, file)
    elif _sha256(path) != sha256:
        path.unlink()
        raise ModelError(f"{offer.repo}: {file} arrived with another SHA-256 than the hub's")
    return path


@contextmanager
def _one_line(offer: Offer) -> Iterator[None]:
    """The hub's library has other network errors in every version: all become ours."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{offer.repo} cannot be fetched: {reason}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
