"""What tracks look like."""

import sqlalchemy as sa
from alembic import op

from storage.tables import HalfVector

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tracks", sa.Column("look", HalfVector()))


def downgrade() -> None:
    op.drop_column("tracks", "look")
