"""`stream models`: which bundles are installed, what is in them, whether they are whole."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli_output import show_rows

app = typer.Typer(help="Model bundles: list, show, verify, import.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="An installed bundle or a bundle's folder.")]


@app.command("list")
def list_bundles() -> None:
    """Installed bundles."""
    from models.bundle import find_bundles, load_bundle

    rows = []
    for name in sorted(find_bundles()):
        bundle = load_bundle(name)
        detector = "its own" if bundle.has_detector else "--detector"
        rows.append((name, bundle.hash, bundle.manifest.footage, detector, str(bundle.folder)))
    show_rows(("name", "hash", "footage", "detector", "folder"), rows)


@app.command("show")
def show_bundle(name: NameArgument) -> None:
    """What a bundle is made of and which verbs it knows."""
    from models.bundle import load_bundle

    bundle = load_bundle(name)
    manifest, vocabulary = bundle.manifest, bundle.vocabulary
    rows = [
        ("name", f"{manifest.name} {manifest.version}"),
        ("about", manifest.description),
        ("hash", bundle.hash),
        ("folder", str(bundle.folder)),
        ("footage", manifest.footage),
        ("scorer", manifest.scorer.kind),
        ("verbs", ", ".join(vocabulary.verb_names)),
        ("objects", ", ".join(vocabulary.objects)),
        *((f"licence of {what}", licence) for what, licence in manifest.licences.items()),
        *((f"SHA-256 of {file}", digest) for file, digest in manifest.files.items()),
    ]
    show_rows(("", ""), rows)


@app.command("verify")
def verify_bundle(name: NameArgument) -> None:
    """Check every file of a bundle against its SHA-256."""
    from models.bundle import load_bundle

    bundle = load_bundle(name)
    typer.echo(f"{bundle.name} {bundle.hash}: {len(bundle.manifest.files)} files are as they were")


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
    name: Annotated[str, typer.Argument(help="cmmp-vitb16 or cmmp-vitl14.")],
    file: Annotated[str | None, typer.Option("--file", help="Which of the hub's files.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="I may use them, licence or not.")] = False,
) -> None:
    """Fetch weights from their hub and turn them into a bundle; goes on where it was cut off."""
    from models.bundle import home
    from models.cmmp.official import import_official
    from models.errors import ModelError
    from models.hub import choose_file, fetch, find_files, find_offer

    offer = find_offer(name)
    out = home() / "bundles" / name
    if out.exists():
        raise ModelError(f"{out}: is there already; delete it to pull it anew")
    typer.echo(f"{offer.repo}, licence: {offer.licence or 'none granted by the publishers'}")
    if offer.licence is None and not yes:
        raise ModelError(f"{name} has no licence: say --yes if you may use it all the same")
    files = find_files(offer)
    chosen = choose_file(offer, files, file)
    path = fetch(offer, chosen, files[chosen], home() / "downloads" / name)
    folder = import_official(path, offer.clip, out)
    path.unlink()
    typer.echo(f"{name}: {folder}")
