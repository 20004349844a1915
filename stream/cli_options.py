"""Options that several commands share, and what some of them mean."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HOI_STREAM_CONFIG",
        help="YAML file, see configs/default.yaml.",
        show_envvar=True,
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", help="Where events are kept, e.g. postgresql+psycopg://... ."),
]
BundleOption = Annotated[
    str | None,
    typer.Option("--bundle", "-b", help="Model bundle: auto, world, boxes or a folder."),
]
DetectorOption = Annotated[
    str | None,
    typer.Option("--detector", "-d", help="COCO detector: a .onnx file or a transformers model."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Events as JSON lines, each when it ends; nothing else.")
]
AgainstOption = Annotated[
    str | None, typer.Option("--against", help="Another bundle, on the same clips.")
]
ClipsOption = Annotated[int, typer.Option("--clips", min=1, help="How many held-out clips.")]
DataOption = Annotated[
    str, typer.Option("--data", help="Where the data lie: hicodet:PATH or vcoco:PATH.")
]


def vcoco_folder(data: str) -> Path:
    kind, _, place = data.partition(":")
    if kind != "vcoco" or not place:
        raise typer.BadParameter(f"--data {data!r}: write vcoco:PATH of the folder")
    return Path(place)
