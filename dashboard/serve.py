"""Composition root of the HTTP API, which `stream api` starts under uvicorn.

By hand: `HOI_API_TOKEN=... uvicorn --factory dashboard.serve:serve`, from the repository.
"""

import os

from fastapi import FastAPI

from configs.settings import load_from_environment
from dashboard.api import make_api
from models.speech import BundleSpeech
from storage.ask import OpenVerbs
from storage.database import make_engine, make_sessions, upgrade
from storage.errors import StorageError

TOKEN_VARIABLE = "HOI_API_TOKEN"


def serve() -> FastAPI:
    """The token is that of the environment; HOI_STREAM_CONFIG may name the settings' file."""
    settings = load_from_environment()
    engine = make_engine(settings.database.url)
    upgrade(engine, before=_refuse)
    known = OpenVerbs.of(
        BundleSpeech(settings.bundle), settings.vectors.every_seconds, settings.smoothing.default
    )
    token, media = os.environ.get(TOKEN_VARIABLE, ""), settings.media.absolute()
    return make_api(make_sessions(engine), token, known, media)


def _refuse(revision: str) -> None:
    raise StorageError(f"the database has schema {revision}: run `stream db upgrade` first")
