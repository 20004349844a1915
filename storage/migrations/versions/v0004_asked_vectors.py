"""Pair vectors by bundle, and by what questions filter."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OLD = ["camera", "taken_at"]
_NEW = (
    ["bundle", "camera", "taken_at"],
    ["bundle", "object_class", "taken_at"],
    ["bundle", "human_number", "taken_at"],
    ["bundle", "taken_at"],
)
_NUMBER = {  # what follows the last colon
    "sqlite": "CAST(replace(human_track,"
    " rtrim(human_track, replace(human_track, ':', '')), '') AS INTEGER)",
    "postgresql": "coalesce(substring(human_track FROM ':([0-9]+)$')::int, 0)",
}


def upgrade() -> None:
    op.add_column(
        "pair_vectors", sa.Column("human_number", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute(f"UPDATE pair_vectors SET human_number = {_NUMBER[op.get_bind().dialect.name]}")
    op.drop_index(_name(_OLD), "pair_vectors")
    for columns in _NEW:
        op.create_index(_name(columns), "pair_vectors", columns)


def downgrade() -> None:
    for columns in _NEW:
        op.drop_index(_name(columns), "pair_vectors")
    op.create_index(_name(_OLD), "pair_vectors", _OLD)
    op.drop_column("pair_vectors", "human_number")


def _name(columns: list[str]) -> str:
    return f"ix_pair_vectors_{'_'.join(columns)}"
