"""Who may import what: one table for our packages and for third parties alike."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("configs", "models", "storage", "stream", "dashboard")

# what is imported -> the places that may; the longest name that fits decides.
# A package may always import itself; a name that is not here is free.
MAY_IMPORT = {
    "configs": ("stream/cli", "stream/build", "dashboard/app.py", "dashboard/serve.py"),
    "models": ("stream/",),
    "models.speech": ("stream/", "dashboard/app.py", "dashboard/serve.py"),
    "storage": ("stream/", "dashboard/"),
    "stream": (),
    "dashboard": (),
    "av": (
        *("stream/containers.py", "stream/sources.py", "stream/packets.py", "stream/video.py"),
        "models/world/",
    ),
    "torch": ("models/",),
    "onnxruntime": ("models/",),
    "transformers": ("models/",),
    "open_clip": ("models/",),
    "sqlalchemy": ("storage/",),
    "alembic": ("storage/",),
    "redis": ("storage/",),
    "paho": ("stream/mqtt.py",),
    "pydantic_settings": ("configs/",),
    "typer": ("stream/cli",),
    "rich": ("stream/cli",),
    "streamlit": ("dashboard/",),
    "fastapi": ("dashboard/",),
    "lemminflect": ("storage/words.py",),
    "tensorboardX": ("models/training/",),
}


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed_places(name: str) -> tuple[str, ...] | None:
    rules = [rule for rule in MAY_IMPORT if f"{name}.".startswith(f"{rule}.")]
    return MAY_IMPORT[max(rules, key=len)] if rules else None


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_keep_their_direction(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for name in imported_names(path):
            places = allowed_places(name)
            if places is not None and name.split(".")[0] != package:
                assert place.startswith(places), f"{place} may not import {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_ours_and_not_of_the_same_name_elsewhere(package: str) -> None:
    file = importlib.import_module(package).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)
