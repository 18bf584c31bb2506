"""Give keys, people and groups limits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes to this version."""
    op.create_table(
        "user_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("folded_name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_groups")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_user_groups_folded_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["user_groups.id"], name=op.f("fk_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"])
    op.add_column("api_keys", sa.Column("limits", sa.JSON(), nullable=True))
    op.add_column("api_keys", sa.Column("scopes", sa.JSON(), nullable=True))
    op.add_column("api_keys", sa.Column("allowed_ips", sa.JSON(), nullable=True))
    op.add_column("api_keys", sa.Column("group_id", sa.String(length=36), nullable=True))
    op.add_column("api_keys", sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("old_digest", sa.String(length=64), nullable=True))
    op.add_column("api_keys", sa.Column("old_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_api_keys_group_id"), "api_keys", ["group_id"])
    op.add_column("users", sa.Column("limits", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Goes back to the version before."""
    op.drop_column("users", "limits")
    op.drop_index(op.f("ix_api_keys_group_id"), table_name="api_keys")
    for name in ("old_until", "old_digest", "rotated_at", "group_id", "allowed_ips", "scopes", "limits"):
        op.drop_column("api_keys", name)
    op.drop_table("group_members")
    op.drop_table("user_groups")
