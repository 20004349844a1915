"""Pictures and clips over HTTP, by the id of their interaction: no path is ever asked for."""

from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from storage.database import Sessions
from storage.repository import get_interaction


def add_media(api: FastAPI, sessions: Sessions, checked: Any, media: Path | None) -> None:
    def found(id: UUID, kind: str) -> FileResponse:
        with sessions() as session:
            one = get_interaction(session, id=id)
        place = None if one is None else getattr(one, kind)
        path = None if media is None or place is None else _below(media, place)
        if path is None:
            raise HTTPException(404, f"no {kind} of such an interaction is kept")
        return FileResponse(path)

    @api.get("/interactions/{id}/snapshot", dependencies=[checked], response_class=FileResponse)
    def snapshot(id: UUID) -> FileResponse:
        """The picture of its best moment; the boxes are in the interaction."""
        return found(id, "snapshot")

    @api.get("/interactions/{id}/clip", dependencies=[checked], response_class=FileResponse)
    def clip(id: UUID) -> FileResponse:
        """The video around it, also by ranges; `clip_peak` says where the best moment is."""
        return found(id, "clip")


def _below(media: Path, place: str) -> Path | None:
    """The file, if it is there and where it belongs: what a database says is not trusted."""
    path, root = (media / place).resolve(), media.resolve()
    return path if path.is_relative_to(root) and path.is_file() else None
