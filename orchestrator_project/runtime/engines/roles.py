"""Who may do what in the embedded PostgreSQL: the application is an ordinary role, and the switch has a reserve.

The superuser's connections are kept for the engine's own start. The application's role owns its databases and nothing
else. The reserve's role is the same, and may use the connections that the server keeps back from everybody else.
Runs at every start: it adds what is missing, and takes over what an older version left to the superuser.
"""

import psycopg2.extensions
from psycopg2 import sql

SUPERUSER = "postgres"
APPLICATION = "orchestrator"
RESERVE = "orchestrator_reserve"
# CREATEDB: tests make databases beside ours. pg_monitor: doctor looks at all sessions. pg_signal_backend: the switch
# ends the session of a sender that does not answer any more, whichever of the two roles it has.
OPTIONS = {APPLICATION: "LOGIN CREATEDB", RESERVE: "LOGIN"}
GRANTS = (
    ("pg_monitor", APPLICATION),
    ("pg_signal_backend", APPLICATION),
    (APPLICATION, RESERVE),
    ("pg_use_reserved_connections", RESERVE),
)
# What is not the application's, with the statement that makes it so; what a column owns follows its table.
NOT_OURS = """
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
             WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND c.relowner = %(superuser)s::regrole
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
                          AND d.deptype IN ('a', 'i', 'e'))
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.proowner = %(superuser)s::regrole
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass
                          AND d.deptype = 'e')
"""

Connection = psycopg2.extensions.connection


def make_roles(connection: Connection) -> None:
    """Make the roles that are missing, with their grants. ``connection`` is the superuser's, in autocommit."""
    with connection.cursor() as cursor:
        for role, options in OPTIONS.items():
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            cursor.execute(
                sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(role), sql.SQL(options))
            )
        for granted, to in GRANTS:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(granted), sql.Identifier(to)))
        # What the reserve makes belongs to the application, too.
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET role TO {}").format(
                sql.Identifier(RESERVE), sql.Identifier(APPLICATION)
            )
        )


def make_database(connection: Connection, name: str) -> None:
    """Make the application's database where it is missing, and see that it is the application's."""
    database, owner = sql.Identifier(name), sql.Identifier(APPLICATION)
    with connection.cursor() as cursor:
        cursor.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", [name])
        found = cursor.fetchone()
        if found is None:
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
        elif found[0] != APPLICATION:
            cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))


def take_over(connection: Connection) -> None:
    """Give the application what an older version made as the superuser, all of it or nothing.

    ``connection`` is the superuser's, in the application's database, not in autocommit.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(NOT_OURS, {"superuser": SUPERUSER})
        for kind, name in cursor.fetchall():  # quoted by the server
            cursor.execute(
                sql.SQL("ALTER {} {} OWNER TO {}").format(
                    sql.SQL(kind), sql.SQL(name), sql.Identifier(APPLICATION)
                )
            )
