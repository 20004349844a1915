"""The Redis stream of interactions: publish to it, read from it; its length is bounded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from storage.errors import StorageError
from storage.interactions import Interaction
from storage.outbox import OutboxRow

STREAM = "hoi:interactions"
VERSION = "1"  # of the JSON in a message
MAX_LENGTH = 100_000  # messages; Redis trims in whole nodes, so some more are kept
_TAIL = 2_000  # messages searched for rows whose delivery is in doubt; more than one batch


@dataclass(frozen=True)
class Message:
    """One phase of one interaction, as a consumer gets it; the vector stays in the database."""

    id: str  # of the message: give it to `read(after=...)`
    key: str  # the same if the message was delivered twice
    interaction: Interaction


class Bus:
    def __init__(self, url: str, *, max_length: int = MAX_LENGTH) -> None:
        self.shown = re.sub(r"//[^/]*@", "//***@", url)
        self._max_length = max_length
        try:
            # Retrying is the relay's; a retry in here would send a batch twice unseen.
            self._client = redis.Redis.from_url(
                url,
                decode_responses=True,
                protocol=2,  # its refusal of a missing password can be understood
                socket_timeout=10,
                socket_connect_timeout=5,
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"redis URL {self.shown!r} cannot be read: write redis://host:6379/0"
            ) from error

    def ping(self) -> None:
        """Raises when the server cannot be reached or does not let us in."""
        try:
            self._client.ping()
        except redis.RedisError as error:
            raise self._ours(error) from error

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        """All of them or, when this raises, perhaps none: ask `missing` before trying again."""
        try:
            with self._client.pipeline(transaction=True) as pipe:
                for row in rows:
                    pipe.xadd(
                        STREAM, cast(Any, _fields(row)), maxlen=self._max_length, approximate=True
                    )
                pipe.execute()
        except redis.RedisError as error:
            raise self._ours(error) from error

    def missing(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Those that are not among the newest messages of the stream."""
        try:
            tail = cast(Any, self._client.xrevrange(STREAM, count=_TAIL))
        except redis.RedisError as error:
            raise self._ours(error) from error
        there = {fields.get("key") for _, fields in tail}
        return [row for row in rows if row.key not in there]

    def read(
        self, *, after: str = "0-0", count: int = 100, block_ms: int | None = None
    ) -> list[Message]:
        """Messages after the given one, oldest first; waits `block_ms` if there is none."""
        try:
            answer = cast(Any, self._client.xread({STREAM: after}, count=count, block=block_ms))
        except redis.RedisError as error:
            raise self._ours(error) from error
        entries = [entry for _, entries in answer or [] for entry in entries]
        return [
            Message(id_, fields["key"], Interaction.from_json(fields["json"]))
            for id_, fields in entries
            if fields.get("v") == VERSION
        ]

    def close(self) -> None:
        self._client.close()

    def _ours(self, error: redis.RedisError) -> StorageError:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = message.rpartition("of pipeline caused error: ")[2]
        return StorageError(f"redis {self.shown}: {message}")


def _fields(row: OutboxRow) -> dict[str, str]:
    interaction = row.record
    assert isinstance(interaction, Interaction)  # pair vectors stay in the database
    return {
        "v": VERSION,
        "key": row.key,
        "id": str(interaction.id),
        "phase": interaction.phase.value,
        "json": interaction.to_json(with_vector=False),
    }
