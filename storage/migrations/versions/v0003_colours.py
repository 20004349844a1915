"""Colours of tracks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = ("colour", "lower_colour")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("tracks", sa.Column(name, sa.Text()))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("tracks", name)
