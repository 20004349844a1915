"""`stream alerts`: questions that stand, what they found, and how it was told."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from configs.settings import Settings, load
from stream.cli_options import ConfigOption, DatabaseOption
from stream.cli_output import complain, show_rows

if TYPE_CHECKING:
    from models.bundle import Bundle
    from storage.database import Sessions

_POLL_SECONDS = 0.2  # until the end of `run` is noticed

alerts_app = typer.Typer(help="Questions that stand: alerts.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Of the standing question.")]


@alerts_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Short, without spaces.")],
    question: Annotated[str, typer.Argument(help='For example "who picked up a box".')],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="https://..., mqtt://host/topic, mailto:a@b; repeatable."),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option("--secret", help="What signs webhooks: env:HOI_SECRET_X or file:NAME."),
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option("--camera", help="Of these cameras alone.")
    ] = None,
    min_score: Annotated[float, typer.Option("--min-score", min=0, max=1)] = 0.0,
    cooldown: Annotated[
        str, typer.Option("--cooldown", help="Between two alerts: 90s, 5m, '5m per camera'.")
    ] = "0s",
    quiet: Annotated[
        str, typer.Option("--quiet", help="'22:00-07:00 Europe/Berlin': nobody is told then.")
    ] = "",
    when: Annotated[
        Literal["known", "over"], typer.Option("--when", help="Tell when it is known, or over.")
    ] = "known",
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Save a question that is asked of everything new; one of the same name is changed."""
    from storage.channels import Channel
    from storage.quiet import QuietHours
    from storage.standing import Standing, parse_cooldown, understand_standing
    from storage.standing_rows import save_standing
    from stream.build_bundle import unheard

    settings = load(config, database={"url": database})
    channels = tuple(
        Channel.make(url, secret if url.startswith("http") else None) for url in to or ()
    )
    seconds, per_camera = parse_cooldown(cooldown)
    spans, _, zone = quiet.strip().rpartition(" ") if " " in quiet.strip() else (quiet, "", "UTC")
    hours = QuietHours.parse(spans, zone)
    bundle = _bundle(settings)
    known = {} if bundle is None else {
        "verbs": bundle.vocabulary.verb_names, "objects": bundle.vocabulary.objects
    }  # fmt: skip
    with _sessions(settings) as sessions, sessions.begin() as session:
        asked = understand_standing(session, question, now=datetime.now(UTC), **known)
        wanted = Standing(
            name, asked, channels, tuple(camera or ()), min_score=min_score, cooldown=seconds,
            per_camera=per_camera, quiet=hours, at_end=when == "over",
        )  # fmt: skip
        saved = save_standing(session, wanted)
    complain("understood: " + " · ".join(map(str, asked.understood)))
    if bundle is not None and (deaf := unheard(bundle, saved.verbs)):
        complain(f"bundle {bundle.name} does not see: {', '.join(sorted(deaf))}; another may")
    kinds = ", ".join(channel.kind for channel in saved.channels)
    typer.echo(f"{name}: saved, tells by {kinds}")


@alerts_app.command("list")
def list_all(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Show the questions that stand."""
    from storage.standing_rows import all_standing

    with _sessions(load(config, database={"url": database})) as sessions, sessions() as session:
        found = all_standing(session)
    rows = [
        (one.name, "on" if one.active else "paused", one.question.text,
         ", ".join(channel.kind for channel in one.channels), one.trouble or "")
        for one in found
    ]  # fmt: skip
    show_rows(("name", "", "question", "tells by", "trouble"), rows)


@alerts_app.command("show")
def show(name: NameArgument, config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Show one question, its channels and its newest alerts."""
    from storage.alert_rows import recent_alerts
    from storage.standing import shown_cooldown
    from storage.standing_rows import get_standing

    with _sessions(load(config, database={"url": database})) as sessions, sessions() as session:
        one = get_standing(session, name)
        alerts = recent_alerts(session, standing=name, limit=10)
    rows = [
        ("question", one.question.text),
        ("understood", " · ".join(map(str, one.question.understood))),
        ("state", "on" if one.active else "paused"),
        ("trouble", one.trouble or ""),
        ("cameras", ", ".join(one.cameras) or "all"),
        ("least score", f"{one.min_score:g}"),
        ("tells when", "over" if one.at_end else "known"),
        ("cool-down", shown_cooldown(one)),
        ("quiet hours", f"{one.quiet} {one.quiet.zone}" if one.quiet.spans else ""),
        *(("channel", _channel(c.url, c.secret)) for c in one.channels),
    ]
    show_rows(("what", ""), rows)
    told = [(_time(a.at), a.camera, a.body["answer"], a.held or "told") for a in alerts]
    show_rows(("alert", "camera", "answer", ""), told)


@alerts_app.command("remove")
def remove(
    name: NameArgument, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Forget a question, with its alerts and their log."""
    from storage.standing_rows import remove_standing

    with _sessions(load(config, database={"url": database})) as sessions, sessions.begin() as s:
        remove_standing(s, name)
    typer.echo(f"{name}: removed")


@alerts_app.command("pause")
def pause(
    name: NameArgument,
    resume: Annotated[bool, typer.Option("--resume", help="Ask it again.")] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Stop asking a question for a while; what happens meanwhile is not told."""
    from storage.standing_rows import set_active

    with _sessions(load(config, database={"url": database})) as sessions, sessions.begin() as s:
        set_active(s, name, active=resume)
    typer.echo(f"{name}: {'on' if resume else 'paused'}")


@alerts_app.command("test")
def try_out(
    name: NameArgument, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Send a marked alert by every channel now; exit code 1 if one of them fails."""
    from storage.delivery_rows import DELIVERED
    from stream.alert_test import send_test
    from stream.alerting import Alerting
    from stream.build_alerts import make_teller

    settings = load(config, database={"url": database})
    with _sessions(settings) as sessions:
        log = send_test(sessions, Alerting(sessions, make_teller(settings).send), name)
    show_rows(("channel", "", "outcome"), [(a.channel.url, a.state, a.outcome) for a in log])
    raise typer.Exit(0 if all(a.state == DELIVERED for a in log) else 1)


@alerts_app.command("log")
def show_log(
    name: Annotated[str | None, typer.Argument(help="Of one question alone.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 50,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Show the newest tries to deliver, and alerts that were held back."""
    from storage.alert_rows import recent_alerts
    from storage.delivery_rows import delivery_log, untried

    with _sessions(load(config, database={"url": database})) as sessions, sessions() as session:
        tries = delivery_log(session, standing=name, limit=limit)
        alerts = recent_alerts(session, standing=name, limit=limit)
        tries += untried(session, standing=name, limit=limit)
    rows = [(a.at, a.standing, a.channel.kind, a.state, a.outcome, _time(a.next_at)) for a in tries]
    rows += [(a.at, a.standing, "", "held back", a.held, "") for a in alerts if a.held is not None]
    newest = sorted(rows, reverse=True)[:limit]
    shown = [(_time(at), *rest) for at, *rest in newest]
    show_rows(("time", "question", "channel", "state", "outcome", "next try"), shown)


@alerts_app.command("run")
def ask_and_tell(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Ask and tell without watching any video, beside runs or alone; Ctrl-C ends it."""
    from stream.alerting import Alerting
    from stream.build_alerts import make_teller

    settings = load(config, database={"url": database})
    ended: list[int] = []  # no Event: its lock may be held where the signal comes
    with _sessions(settings) as sessions:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda got, _: ended.append(got))
        with Alerting(sessions, make_teller(settings).send):
            complain("asking standing questions; Ctrl-C ends it")
            while not ended:
                time.sleep(_POLL_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _sessions(settings: Settings) -> Iterator["Sessions"]:
    from storage.database import make_engine, make_sessions
    from storage.maintenance import bring_up_to_date

    engine = make_engine(settings.database.url)
    try:
        bring_up_to_date(engine, settings.backups)
        yield make_sessions(engine)
    finally:
        engine.dispose()


def _bundle(settings: Settings) -> "Bundle | None":
    """The one that a run would take; None: there is none, and nothing of it is known."""
    from models.errors import ModelError
    from stream.build_bundle import open_bundle

    try:
        return open_bundle(settings)
    except ModelError:
        return None


def _channel(url: str, secret: str | None) -> str:
    return url if secret is None else f"{url}, signed with {secret}"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
