"""Reads interactions from Redis, each once, with as many consumers of a group as you start.

Needs only redis-py:  python consumer.py redis://localhost:6379/0 --group door-bell --name one
docs/events.md says what a message holds. Put what you want to do into `handle`.
"""

import argparse
import json
from typing import Any

import redis

STREAM = "hoi:interactions"
VERSION = "1"
SEEN_SECONDS = 7 * 86_400  # how long a handled message is remembered
PATIENCE_MS = 60_000  # a message that another consumer held for so long is taken over


def handle(interaction: dict[str, Any]) -> None:
    """One line for every interaction that ended."""
    if interaction["phase"] == "end":
        who, what = interaction["human_track"], interaction["object_class"]
        print(f"{interaction['started_at']} {who} {interaction['verb']} {what}", flush=True)  # noqa: T201


def consume(client: "redis.Redis[str]", group: str, name: str, *, once: bool) -> None:
    """Handle all messages, the present and the coming ones; `once`: the present ones alone."""
    try:
        client.xgroup_create(STREAM, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):  # the group is there already
            raise
    for id_, fields in mine(client, group, name):  # left over from before a crash
        take(client, group, id_, fields)
    while True:
        taken_over = client.xautoclaim(STREAM, group, name, PATIENCE_MS, "0-0", count=100)[1]
        answer = client.xreadgroup(
            group, name, {STREAM: ">"}, count=100, block=None if once else 5000
        )
        messages = taken_over + [message for _, some in answer or [] for message in some]
        for id_, fields in messages:
            take(client, group, id_, fields)
        if once and not messages:
            return


def mine(client: "redis.Redis[str]", group: str, name: str) -> list[Any]:
    """What this consumer was given and never acknowledged."""
    answer = client.xreadgroup(group, name, {STREAM: "0"}, count=10_000)
    return [message for _, some in answer or [] for message in some]


def take(client: "redis.Redis[str]", group: str, id_: str, fields: dict[str, str] | None) -> None:
    """Handle a message unless it was handled before, under whatever id; then acknowledge it."""
    if fields and fields["v"] == VERSION:  # none: it was trimmed from the stream meanwhile
        seen = f"hoi:seen:{group}:{fields['key']}"
        if not client.exists(seen):
            handle(json.loads(fields["json"]))
            client.set(seen, 1, ex=SEEN_SECONDS)
    client.xack(STREAM, group, id_)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--group", default="example")
    parser.add_argument("--name", default="one", help="different for every consumer of a group")
    parser.add_argument("--once", action="store_true", help="end when there is nothing new")
    given = parser.parse_args()
    client = redis.Redis.from_url(given.url, decode_responses=True)
    consume(client, given.group, given.name, once=given.once)


if __name__ == "__main__":
    main()
