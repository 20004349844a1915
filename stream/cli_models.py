"""`stream models`: which bundles are installed, what is in them, whether they are whole."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli_output import show_rows

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.hub import Offer

app = typer.Typer(help="Model bundles: list, show, verify, import.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="An installed bundle or a bundle's folder.")]


@app.command("list")
def list_bundles() -> None:
    """Installed bundles, and what can be pulled."""
    from models.bundle import find_bundles
    from models.hub import OFFERS

    installed = sorted(find_bundles())
    columns = ("installed", "hash", "footage", "detector", "licences", "folder")
    show_rows(columns, [_row(name) for name in installed])
    rows = [
        (name, _licence(offer), offer.repo)
        for name, offer in sorted(OFFERS.items())
        if name not in installed
    ]
    show_rows(("to be pulled", "licence", "from"), rows)


def _row(name: str) -> tuple[str, ...]:
    """One that is damaged does not hide the others."""
    from models.bundle import find_bundles, load_bundle
    from models.errors import ModelError

    try:
        bundle = load_bundle(name)
    except ModelError as error:
        return (name, "damaged", "", "", str(error), str(find_bundles()[name]))
    detector = "its own" if bundle.has_detector else "--detector"
    licences = ", ".join(sorted(set(bundle.manifest.licences.values())))
    return (name, bundle.hash, bundle.manifest.footage, detector, licences, str(bundle.folder))


@app.command("show")
def show_bundle(name: NameArgument) -> None:
    """What a bundle is made of, how large it is and which verbs it knows."""
    from models.bundle import load_bundle

    bundle = load_bundle(name)
    manifest, vocabulary = bundle.manifest, bundle.vocabulary
    sizes = {file: bundle.path(file).stat().st_size / 1e6 for file in manifest.files}
    rows = [
        ("name", f"{manifest.name} {manifest.version}"),
        ("about", manifest.description),
        ("hash", bundle.hash),
        ("folder", str(bundle.folder)),
        ("footage", manifest.footage),
        ("detector", _detector(bundle)),
        ("scorer", manifest.scorer.kind),
        (f"{len(vocabulary.verbs)} verbs", ", ".join(vocabulary.verb_names)),
        (f"{len(vocabulary.objects)} objects", ", ".join(vocabulary.objects)),
        ("size", f"{sum(sizes.values()):.1f} MB in {len(sizes)} files"),
        *((f"size of {file}", f"{size:.1f} MB") for file, size in sizes.items()),
        *((f"licence of {what}", licence) for what, licence in manifest.licences.items()),
        *((f"SHA-256 of {file}", digest) for file, digest in manifest.files.items()),
    ]
    show_rows(("", ""), rows)


def _detector(bundle: "Bundle") -> str:
    section = bundle.manifest.detector
    if section.file is None:
        return "none: --detector FILE.onnx, or NAME of a COCO detector of transformers"
    return f"{section.file}, {section.kind}, from {section.threshold:g}"


@app.command("verify")
def verify_bundle(name: NameArgument) -> None:
    """Check every file of a bundle against its SHA-256."""
    from models.bundle import load_bundle

    bundle = load_bundle(name)
    typer.echo(f"{bundle.name} {bundle.hash}: {len(bundle.manifest.files)} files are as they were")


@app.command("draw")
def draw_bundle(
    name: NameArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder of the pictures.")] = Path("docs"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the world's clip.")] = 10_012,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Into the clip.")] = 8.0,
) -> None:
    """What a CMMP bundle sees in a frame of the drawn world: the figures of docs/cmmp.md."""
    from models.bundle import load_bundle
    from stream.figures import draw_figures

    for path in draw_figures(load_bundle(name), out, seed=seed, seconds=seconds):
        typer.echo(str(path))


@app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="The authors' checkpoint, .pt or .safetensors.")],
    clip: Annotated[str, typer.Option("--clip", help="Its CLIP: B16 or L14.")],
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder, new or empty.")],
) -> None:
    """Turn official CMMP weights, their detector included, into a bundle."""
    from models.bundle import load_bundle
    from models.cmmp.official import import_official

    bundle = load_bundle(str(import_official(file, clip, out)))
    for what, licence in bundle.manifest.licences.items():
        typer.echo(f"licence of {what}: {licence}")
    typer.echo(f"{bundle.name} {bundle.hash}: {bundle.folder}")


@app.command("pull")
def pull_weights(
    name: Annotated[str, typer.Argument(help="clip, clip-vitl14, cmmp-vitb16 or cmmp-vitl14.")],
    file: Annotated[str | None, typer.Option("--file", help="Which of the hub's files.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="I may use them, licence or not.")] = False,
) -> None:
    """Fetch weights from their hub and turn them into a bundle; goes on where it was cut off."""
    from models.bundle import home
    from models.errors import ModelError
    from models.hub import choose_file, fetch, find_files, find_offer

    offer = find_offer(name)
    out, work = home() / "bundles" / name, home() / "downloads" / name
    if out.exists():
        raise ModelError(f"{out}: is there already; delete it to pull it anew")
    typer.echo(f"{offer.repo}, licence: {_licence(offer)}")
    if offer.licence is None and not yes:
        raise ModelError(f"{name} has no licence: say --yes if you may use it all the same")
    files = find_files(offer)
    chosen = choose_file(offer, files, file)
    typer.echo(f"{chosen}, SHA-256: {files[chosen] or 'not told by the hub'}")
    path = fetch(offer, chosen, files[chosen], work)
    made = work / "bundle" / name
    shutil.rmtree(made, ignore_errors=True)  # of a try that was cut off
    _convert(offer, path, made)
    out.parent.mkdir(parents=True, exist_ok=True)
    made.rename(out)
    shutil.rmtree(work)
    typer.echo(f"{name}: {out}")


def _licence(offer: "Offer") -> str:
    return offer.licence or "none granted by the publishers"


def _convert(offer: "Offer", weights: Path, out: Path) -> None:
    from models.cmmp.official import import_official
    from models.cmmp.plain import convert_clip

    if offer.kind == "cmmp":
        import_official(weights, offer.architecture, out)
    else:
        convert_clip(weights, offer.architecture, _licence(offer), out)
