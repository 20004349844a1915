"""Weights that others publish: what may be fetched from where, under which licence, and checked."""

import hashlib
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.file_download import http_get

from models.errors import ModelError

logger = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds until the hub says what it has
_WEIGHTS = (".pt", ".pth", ".safetensors")


@dataclass(frozen=True)
class Offer:
    """Weights of one kind: CMMP's authors', or CLIP's alone."""

    repo: str
    kind: Literal["cmmp", "clip"]
    architecture: str  # cmmp: as `models.cmmp.official` names it; clip: as open_clip does
    licence: str | None = None  # what its publishers grant; None: they grant none
    file: str | None = None  # None: the user says which


_OPEN_CLIP_FILE = "open_clip_model.safetensors"  # beside the same weights as a pickle
OFFERS = {
    "clip": Offer(
        "timm/vit_base_patch16_clip_224.openai",
        "clip",
        "ViT-B-16-quickgelu",
        "MIT (OpenAI)",
        _OPEN_CLIP_FILE,
    ),
    "clip-vitl14": Offer(
        "timm/vit_large_patch14_clip_336.openai",
        "clip",
        "ViT-L-14-336-quickgelu",
        "MIT (OpenAI)",
        _OPEN_CLIP_FILE,
    ),
    "cmmp-vitb16": Offer("lttt/CMMP", "cmmp", "B16"),
    "cmmp-vitl14": Offer("lttt/CMMP", "cmmp", "L14"),
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
    """The named one, that of the offer, or the only one there is."""
    wanted = file or offer.file
    if wanted in files:
        return str(wanted)
    if wanted is None and len(files) == 1:
        return next(iter(files))
    raise ModelError(f"{offer.repo}: choose one of its files by --file: {', '.join(files)}")


def fetch(
    offer: Offer, file: str, sha256: str | None, folder: Path, *, endpoint: str | None = None
) -> Path:
    """Download into the folder, going on where an earlier try ended, and check the SHA-256.

    What is there already, and is what the hub has, is not fetched again. A file that differs from
    what the hub says of it is deleted. (`hf_hub_download` begins anew in every process.)
    """
    path = folder / file
    if sha256 is not None and path.is_file() and _sha256(path) == sha256:
        return path
    part = path.with_name(f"{path.name}.{(sha256 or '')[:16]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with _one_line(offer), part.open("ab") as out:
        url = hf_hub_url(offer.repo, file, endpoint=endpoint)
        size = get_hf_file_metadata(url, timeout=_PATIENCE, endpoint=endpoint).size
        http_get(url, out, resume_size=out.tell(), expected_size=size)
    if sha256 is None:
        logger.warning("%s tells no SHA-256 of %s: not checked", offer.repo, file)
    elif _sha256(part) != sha256:
        part.unlink()
        raise ModelError(f"{offer.repo}: {file} arrived with another SHA-256 than the hub's")
    return part.replace(path)


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
