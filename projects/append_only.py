"""Triggers of the database that let events of the trail be added and read, and nothing else.

A migration that alters the table on SQLite makes it anew and loses them: let its last operation be ``guard``.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "projects_auditevent"
SAID = "The audit trail is append-only."
SQLITE = {
    "audit_keeps": f"CREATE TRIGGER audit_keeps BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
    "audit_holds": f"CREATE TRIGGER audit_holds BEFORE DELETE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{SAID}'); END",
}
POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL = {
    "audit_keeps": f"CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuses()",
    "audit_holds": f"CREATE TRIGGER audit_holds BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()",
}


def statements(vendor: str) -> list[str]:
    """What puts the triggers in place, on a table that may have them already."""
    if vendor == "postgresql":
        return [POSTGRESQL_FUNCTION, *removal(vendor), *POSTGRESQL.values()]
    return [*removal(vendor), *SQLITE.values()]


def removal(vendor: str) -> list[str]:
    """What takes the triggers away."""
    if vendor == "postgresql":
        return [f"DROP TRIGGER IF EXISTS {name} ON {TABLE}" for name in POSTGRESQL]
    return [f"DROP TRIGGER IF EXISTS {name}" for name in SQLITE]


def guard(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Events can be added and read, and nothing else."""
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


def unguard(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The table is as any other."""
    for statement in removal(schema_editor.connection.vendor):
        schema_editor.execute(statement)
