"""Migrations, as snippets, and the level of each with its reason. A wrong L1 is dangerous; a wrong L3 is a question."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

import pytest

from runwright.policy.levels import Level, worst
from runwright.policy.reversibility import Classified, classify, classify_all, level_of, needs_stop

HEAD = '''
"""A revision."""
import logging
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
revision = "a"
down_revision = None
'''


def revision(upgrade: str, module: str = "") -> str:
    """Return a revision file with these statements in ``upgrade()``, and ``module`` before it."""
    return f"{HEAD}\n{dedent(module)}\ndef upgrade() -> None:\n{indent(dedent(upgrade).strip() or 'pass', '    ')}\n"


def read(upgrade: str, module: str = "", new: frozenset[str] = frozenset()) -> Classified:
    return classify(revision(upgrade, module), new)


ADDS = [
    ("pass", ()),
    ('op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))', ("adds table orders",)),
    (
        'op.create_table("items", sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False))',
        ("adds table items (refers to orders)",),
    ),
    (
        'op.create_table("items", sa.ForeignKeyConstraint(["o"], ["shop.orders.id"]), schema="shop")',
        ("adds table shop.items (refers to shop.orders)",),
    ),
    ('op.add_column("shop", sa.Column("note", sa.Text()))', ("adds nullable column shop.note",)),
    ('op.add_column("shop", sa.Column("note", sa.Text(), nullable=True))', ("adds nullable column shop.note",)),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer, nullable=False, server_default="0"))',
        ("adds column shop.n with a default",),
    ),
    (
        'op.add_column("shop", sa.Column("t", sa.DateTime, nullable=False, server_default=sa.func.now()))',
        ("adds column shop.t with a default",),
    ),
    (
        'op.add_column("shop", sa.Column("b", sa.Boolean, nullable=False, server_default=sa.false()))',
        ("adds column shop.b with a default",),
    ),
    ('op.add_column("shop", sa.Column("code", sa.Text, unique=True))', ("adds nullable column shop.code",)),
    (
        'op.create_index(op.f("ix_shop_a"), "shop", ["a"], unique=False)',
        ("adds index ix_shop_a on shop (writes there wait while it is built)",),
    ),
    (
        'op.create_index("ix", "shop", [sa.text("lower(name)"), sa.text("at DESC NULLS LAST")])',
        ("adds index ix on shop (writes there wait while it is built)",),
    ),
    (
        'op.create_index("ix", "shop", ["a"], postgresql_where=sa.text("deleted_at IS NULL AND kind = \'x\'"))',
        ("adds index ix on shop (writes there wait while it is built)",),
    ),
    (
        """
        with op.get_context().autocommit_block():
            op.create_index("ix", "shop", ["a"], postgresql_concurrently=True)
        """,
        ("adds index ix on shop without blocking writes",),
    ),
    (
        """
        with op.batch_alter_table("shop") as batch_op:
            batch_op.add_column(sa.Column("note", sa.Text(), nullable=True))
            batch_op.create_index("ix", ["note"])
        """,
        ("adds nullable column shop.note", "adds index ix on shop (writes there wait while it is built)"),
    ),
    (
        """
        op.create_table("orders", sa.Column("id", sa.Integer))
        op.create_index("uq", "orders", ["id"], unique=True)
        op.create_unique_constraint("uq2", "orders", ["id"])
        op.create_foreign_key("fk", "orders", "shop", ["id"], ["id"])
        op.create_check_constraint("ck", "orders", "id > 0")
        op.add_column("orders", sa.Column("n", sa.Integer, nullable=False))
        op.alter_column("orders", "n", nullable=True)
        op.execute("INSERT INTO orders (id) SELECT id FROM shop")
        op.execute("UPDATE orders SET n = id")
        """,
        (
            "adds table orders",
            "adds index uq on orders",
            "adds unique rule uq2 on orders",
            "adds foreign key fk on orders",
            "adds check ck on orders",
            "adds column orders.n",
            "changes column orders.n of a new table",
            "inserts rows into orders",
            "changes rows of new table orders",
        ),
    ),
    (
        """
        kinds = op.create_table("kinds", sa.Column("name", sa.Text))
        op.bulk_insert(kinds, [{"name": n} for n in ("a", "b")])
        op.bulk_insert(sa.table("kinds", sa.column("name")), [{"name": "c"}])
        op.execute(kinds.insert().values(name="d"))
        """,
        ("adds table kinds", "inserts rows into kinds"),
    ),
    (
        """
        op.add_column("shop", sa.Column("mode", sa.Text(), nullable=True, server_default="once"))
        for old, new in {"a": "once", "b": "often"}.items():
            op.get_bind().execute(sa.text(f"UPDATE shop SET mode = '{new}' WHERE kind::text = '{old}'"))
        op.execute(sa.table("shop").update().where(sa.column("mode").is_(None)).values(mode="once"))
        op.execute(sa.table("shop").update().values({"mode": "once"}))
        op.alter_column("shop", "mode", nullable=False)
        """,
        (
            "adds column shop.mode with a default",
            "fills new column shop.mode",
            "forbids that column shop.mode is empty (it is new, and has a default)",
        ),
    ),
    (
        """
        op.execute("ALTER TABLE shop ADD COLUMN mode text DEFAULT 'once'")
        op.execute("UPDATE shop SET mode = lower(kind); ALTER TABLE shop ALTER COLUMN mode SET NOT NULL")
        """,
        (
            "adds column shop.mode with a default",
            "fills new column shop.mode",
            "forbids that column shop.mode is empty (it is new, and has a default)",
        ),
    ),
    ('op.create_table_comment("shop", "what it is")', ("comments on table shop",)),
    ('op.alter_column("shop", "a", comment="x", existing_type=sa.Text())', ("comments on column shop.a",)),
    ('postgresql.ENUM("a", "b", name="mood").create(op.get_bind(), checkfirst=True)', ("adds type mood",)),
    ('op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")', ("adds extension btree_gist",)),
    ("op.execute(\"CREATE TYPE mood AS ENUM ('a', 'b')\")", ("adds type mood",)),
    ('op.execute("CREATE SEQUENCE s START 10")', ("adds sequence s",)),
    ('op.execute("CREATE VIEW v AS SELECT a, f(a) FROM shop")', ("adds view v",)),
    ('op.execute("COMMENT ON TABLE shop IS \'x\'")', ("comments on table shop",)),
    ("op.execute(\"SET LOCAL lock_timeout = '2s'\")", ()),
    (
        'op.execute("CREATE TABLE t (id uuid DEFAULT gen_random_uuid(), a int REFERENCES shop (id))")',
        ("adds table t (refers to shop)",),
    ),
    ('op.execute(sa.text("ALTER TABLE shop ADD COLUMN IF NOT EXISTS n int NOT NULL DEFAULT 0, ADD d text"))',
     ("adds column shop.n with a default", "adds nullable column shop.d")),
    ('op.execute("CREATE INDEX CONCURRENTLY ix ON shop (lower(a)) WHERE b IS NULL")',
     ("adds index ix on shop without blocking writes",)),
    ('op.execute("REINDEX INDEX CONCURRENTLY ix_shop_a")', ("builds index ix_shop_a anew without blocking writes",)),
    (
        'op.execute("REINDEX (VERBOSE, CONCURRENTLY) TABLE public.shop")',
        ("builds the indexes of table public.shop anew without blocking writes",),
    ),
    ('op.execute("reindex table shop")', ("builds the indexes of table shop anew (who writes there waits)",)),
    ('op.execute("ANALYZE shop")', ()),
    ('op.execute("VACUUM (ANALYZE) shop")', ("runs VACUUM (ANALYZE) shop",)),
    ('op.execute("-- nothing but a comment")', ()),
]  # fmt: skip


@pytest.mark.parametrize(("upgrade", "operations"), ADDS)
def test_what_only_adds_is_l1(upgrade: str, operations: tuple[str, ...]) -> None:
    """Tables, columns that old inserts may leave out, plain indexes, types, comments; and anything on a new table."""
    found = read(upgrade)
    assert (found.level, found.reasons) == (Level.L1, ())
    assert found.operations == operations


_NEW = 'op.add_column("shop", sa.Column("n", sa.Integer, server_default="0"))\n'
_MAYBE = "ALTER TABLE shop ADD COLUMN IF NOT EXISTS n int DEFAULT 0; "

HARMS = [
    (
        'op.create_table("t")\nop.execute("WITH x AS (DELETE FROM shop RETURNING a) UPDATE t SET n = 1 FROM x")',
        "changes rows of t",
    ),
    (f'{_NEW}op.execute("UPDATE shop SET n = 1, a = 2")', "changes rows of shop: the values before are lost"),
    (f'{_NEW}op.execute("UPDATE store SET n = 1")', "changes rows of store"),
    (f'{_NEW}op.execute("UPDATE shop SET (n, a) = (1, 2)")', "changes rows of shop"),
    (f'{_NEW}op.execute("UPDATE shop SET n = take_next()")', "changes rows of shop"),
    (
        f'{_NEW}op.execute("WITH x AS (DELETE FROM shop RETURNING a) UPDATE shop SET n = 1 FROM x")',
        "changes rows of shop",
    ),
    (f'{_NEW}op.execute(sa.table("shop").update().values(n=sa.func.f()))', "changes rows of shop"),
    (f'op.execute("{_MAYBE}UPDATE shop SET n = 1")', "changes rows of shop"),
    (f'op.execute("{_MAYBE}ALTER TABLE shop ALTER COLUMN n SET NOT NULL")', "forbids that column shop.n is empty"),
    (
        f'if True:\n    {_NEW}op.execute("UPDATE shop SET n = 1")\nop.execute("UPDATE shop SET a = n")',
        "changes rows of shop",
    ),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer))\nop.alter_column("shop", "n", nullable=False)',
        "forbids that column shop.n is empty: rows that the old version writes would be refused",
    ),
    ('op.drop_column("shop", "note")', "drops column shop.note (loses data)"),
    ('op.drop_table("shop")', "drops table shop (loses data)"),
    ('op.drop_index("ix", "shop")', "drops index ix"),
    ('op.drop_constraint("ck", "shop")', "drops constraint ck of shop"),
    ('op.rename_table("shop", "store")', "renames table shop to store"),
    ('op.alter_column("shop", "a", new_column_name="b")', "renames column shop.a to b"),
    ('op.alter_column("shop", "a", type_=sa.Integer())', "changes the type of column shop.a"),
    ('op.alter_column("shop", "a", nullable=False)', "forbids that column shop.a is empty"),
    ('op.alter_column("shop", "a", nullable=True)', "lets column shop.a be empty"),
    ('op.alter_column("shop", "a", server_default=None)', "removes the default of column shop.a"),
    ('op.alter_column("shop", "a", server_default="1")', "changes the default of column shop.a"),
    ('op.add_column("shop", sa.Column("n", sa.Integer, nullable=False))', "may not be empty and has no default"),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer, nullable=False, server_default=None))',
        "may not be empty and has no default",
    ),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer, nullable=False, server_default=sa.text("NULL")))',
        "may not be empty and has no default",
    ),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer, nullable=False, default=0))',
        "may not be empty and has no default",
    ),
    (
        'op.add_column("shop", sa.Column("n", sa.Integer, nullable=False, server_default=sa.FetchedValue()))',
        "may not be empty and has no default",
    ),
    ('op.add_column("shop", sa.Column("n", sa.Integer, primary_key=True))', "to the primary key"),
    ('op.add_column("shop", sa.Column("n", sa.Integer, sa.ForeignKey("x.id")))', "that refers to x"),
    ('op.add_column("shop", sa.Column("n", sa.Integer, sa.Computed("a * 2")))', "with a rule of its own"),
    ('op.add_column("shop", sa.Column("n", sa.Integer, *extra()))', "cannot read"),
    ('op.add_column("shop", sa.Column("n", sa.Text, unique=True, server_default="x"))', "adds unique column shop.n"),
    ('op.add_column("shop", column)', "cannot read: a column that is added to shop"),
    ('op.create_index("ix", "shop", ["a"], unique=True)', "adds unique index ix on shop"),
    ('op.create_index("ix", "shop", ["a"], unique=UNIQUE)', "adds unique index ix on shop"),
    ('op.create_index("ix", "shop", [sa.text("(payload::int)")])', "adds index ix on shop with an expression"),
    ('op.create_index("ix", "shop", [sa.text("1 / a")])', "adds index ix on shop with an expression"),
    (
        'op.create_index("ix", "shop", ["a"], postgresql_where=sa.text("a::int > 1"))',
        "adds index ix on shop with an expression",
    ),
    ('op.create_unique_constraint("uq", "shop", ["a"])', "adds unique rule uq on shop"),
    ('op.create_check_constraint("ck", "shop", "a > 0")', "adds check ck on shop"),
    ('op.create_foreign_key("fk", "shop", "x", ["a"], ["id"])', "adds foreign key fk on shop"),
    ('op.create_exclude_constraint("ex", "shop", ("a", "="))', "adds exclusion rule ex on shop"),
    ('op.create_table("t", sa.Column("a", sa.Text), postgresql_inherits="shop")', "adds table t that inherits"),
    ('op.bulk_insert(sa.table("shop"), [{"a": 1}])', "inserts rows into shop"),
    ('op.execute(sa.table("shop").update().values(a=1))', "changes rows of shop"),
    ('op.execute(sa.delete(sa.table("shop")))', "deletes rows of shop (loses data)"),
    ('op.execute("UPDATE shop SET a = 1")', "changes rows of shop"),
    ('op.execute("DELETE FROM shop")', "deletes rows of shop (loses data)"),
    ('op.execute("TRUNCATE shop")', "deletes rows of shop (loses data)"),
    ('op.execute("INSERT INTO shop VALUES (1)")', "inserts rows into shop"),
    ('op.execute("DROP TABLE IF EXISTS shop")', "drops table shop (loses data)"),
    ('op.execute("CREATE TABLE t (a int); DROP TABLE shop")', "drops table shop (loses data)"),
    ('op.execute("ALTER TABLE shop DROP COLUMN a")', "drops column a of shop (loses data)"),
    ('op.execute("ALTER TABLE shop RENAME TO store")', "runs ALTER TABLE shop RENAME TO store"),
    ('op.execute("ALTER TABLE shop ADD COLUMN n int NOT NULL")', "may not be empty and has no default"),
    ('op.execute("ALTER TABLE shop ADD COLUMN n int NOT NULL DEFAULT NULL")', "may not be empty and has no default"),
    ('op.execute("ALTER TABLE shop ADD COLUMN n int REFERENCES x (id)")', "that refers to x"),
    ('op.execute("ALTER TABLE shop ADD COLUMN n int GENERATED ALWAYS AS (a * 2) STORED")', "with a rule of its own"),
    ('op.execute("ALTER TABLE shop ADD COLUMN a int, DROP COLUMN b")', "drops column b of shop (loses data)"),
    ('op.execute("ALTER TABLE shop ADD CONSTRAINT x CHECK (a > 0)")', "adds a rule to shop"),
    ('op.execute("CREATE UNIQUE INDEX ix ON shop (a)")', "adds unique index ix on shop"),
    ('op.execute("CREATE INDEX ix ON shop (CAST(a AS int))")', "adds index ix on shop with an expression"),
    ("op.execute(\"ALTER TYPE mood ADD VALUE 'c'\")", "adds a value to type mood"),
    ('op.execute("CREATE POLICY p ON shop USING (true)")', "which rows the old version may read and write"),
    ('op.execute("ALTER TABLE shop ENABLE ROW LEVEL SECURITY")', "which rows the old version may read and write"),
    ('op.execute("CREATE OR REPLACE VIEW v AS SELECT 1")', "replaces view v"),
    ('op.execute("CREATE TRIGGER t BEFORE INSERT ON shop EXECUTE FUNCTION f()")', "not known"),
    ('op.execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$")', "not known"),
    ('op.execute("CREATE TABLE p PARTITION OF shop FOR VALUES FROM (1) TO (2)")', "not known"),
    ('op.execute("CREATE TABLE t (a int) INHERITS (shop)")', "not known"),
    ('op.execute("DO $$ BEGIN DROP TABLE shop; END $$")', "not known"),
    ('op.execute("SET search_path TO other")', "not known"),
    ('op.execute("REINDEX whatever")', "runs REINDEX whatever: it is not known"),
    ("op.execute(\"SELECT setval('s', 1)\")", "whether it only reads is not known"),
    ('op.execute("not SQL at all (")', "cannot read: the SQL"),
    ("op.execute(build())", "cannot read"),
    ('op.execute(f"DROP TABLE {name}")', "cannot read: SQL that is put together while it runs"),
    ("op.invoke(thing)", "cannot read: the operation invoke"),
    ('postgresql.ENUM(name="mood").drop(op.get_bind())', "drops type mood"),
    ("sa.MetaData().create_all(op.get_bind())", "cannot read"),
    ("Base.metadata.create_all(op.get_bind())", "cannot read"),
    ('rows = op.get_bind().execute(sa.text("SELECT 1"))', "whether it only reads is not known"),
    ("rows = op.get_bind().execute(sa.select(sa.table('shop')))", "cannot read: a query whose answer it may act on"),
    ('op.get_bind().execute(sa.text("UPDATE shop SET a = 1"))', "changes rows of shop"),
    ("raise RuntimeError('no')", "cannot read: raise RuntimeError"),
    ("helper(op)", "cannot read: what helper(...) does"),
    ("x = 1\nx += 1", "cannot read: x += 1"),
    (
        "op.create_table('t', sa.Column('a', sa.Text), if_not_exists=True)\nop.create_index('i', 't', ['a'], unique=True)",
        "adds unique index i on t",
    ),
]


@pytest.mark.parametrize(("upgrade", "reason"), HARMS)
def test_everything_else_is_l3_with_a_reason(upgrade: str, reason: str) -> None:
    """What loses data, what old code can break on, and what cannot be read; the reason names table and column."""
    found = read(upgrade)
    assert found.level is Level.L3
    assert any(reason in line for line in found.reasons), found.reasons


FLOW = [
    ("if bind.dialect.name == 'postgresql':\n    op.create_index('a', 't', ['x'])", Level.L1),
    ("if bind.dialect.name == 'postgresql':\n    op.drop_index('a', 't')", Level.L3),
    ("if bind.dialect.name != 'postgresql':\n    return\nop.create_index('a', 't', ['x'])", Level.L1),
    ("if bind.dialect.name != 'postgresql':\n    return\nop.drop_index('a', 't')", Level.L3),
    ("name = bind.dialect.name if bind else ''\nif name == 'sqlite':\n    return", Level.L1),
    ("if op.get_context().dialect.name in ('sqlite', 'mysql'):\n    pass\nelse:\n    op.drop_table('t')", Level.L3),
    ("if sa.inspect(bind).has_table('t'):\n    return\nop.create_table('t')", Level.L3),
    ("if not rows:\n    op.create_table('t')", Level.L3),
    ("if True:\n    op.create_table('t')\nelse:\n    op.drop_table('t')", Level.L1),
    ("for t in ('a', 'b'):\n    op.add_column(t, sa.Column('n', sa.Text))", Level.L1),
    ("for t, i in {'a': 'x', 'b': 'y'}.items():\n    op.create_index(i, t, ['n'])", Level.L1),
    ("for t in ('a', 'b'):\n    if t == 'b':\n        continue\n    op.create_index('i', t, ['n'])", Level.L1),
    ("for t in ('a', 'b'):\n    if t == 'b':\n        op.drop_table(t)", Level.L3),
    ("for t in tables():\n    op.create_index('i', t, ['n'])", Level.L3),
    (
        "for t in ('a', 'b'):\n    op.create_table(t)\n    break\nop.create_index('i', 'b', ['n'], unique=True)",
        Level.L3,
    ),
    ("while True:\n    op.create_table('t')", Level.L3),
    ("try:\n    op.create_table('t')\nexcept Exception:\n    pass", Level.L3),
    ("with open('x') as f:\n    op.create_table('t')", Level.L3),
    ("[op.add_column(t, sa.Column('n', sa.Text)) for t in T]", Level.L1),
    ("[op.drop_column(t, 'n') for t in T]", Level.L3),
    ("bind and op.drop_table('t')", Level.L3),
    ("op.create_table('a') if bind.dialect.name == 'x' else op.drop_table('b')", Level.L3),
    ("print('hello')\nlogging.getLogger('x').info('hello')", Level.L1),
    ("exec('op.drop_table(1)')", Level.L3),
    ("getattr(op, 'drop_table')('t')", Level.L3),
    ("list(map(op.drop_table, ('t',)))", Level.L3),
    ("sorted(('t',), key=op.drop_table)", Level.L3),
    ("import app.steps\napp.steps.AddTriggers()", Level.L3),
    ("import app.steps\napp.steps.run(op.get_bind())", Level.L3),
    ("def inner():\n    op.drop_table('t')\ninner()", Level.L3),
    ("op = other\nop.create_table('t')", Level.L3),
]


@pytest.mark.parametrize(("upgrade", "level"), FLOW)
def test_code_is_followed_as_far_as_it_is_certain(upgrade: str, level: Level) -> None:
    """Conditions on the kind of database take both ways; loops over constants run; all other branching is L3."""
    assert read(f"bind = op.get_bind()\n{upgrade}").level is level


MODULES = [
    ("TABLE = 'shop'\nCOLUMN = f'{TABLE}_note'", "op.add_column(TABLE, sa.Column(COLUMN, sa.Text))",
     ("adds nullable column shop.shop_note",)),
    ("DEFAULT = '0'\nSQL = 'CREATE INDEX ix ON %s (%s)' % ('shop', 'a')", "op.execute(SQL)",
     ("adds index ix on shop (writes there wait while it is built)",)),
    ("def _is_postgres() -> bool:\n    return op.get_bind().dialect.name == 'postgresql'",
     "if not _is_postgres():\n    return\nop.create_table('t')", ("adds table t",)),
    ("def _sql(table):\n    name = f'ix_{table}'\n    return f'CREATE INDEX {name} ON {table} (a)'",
     "for t in ('x', 'y'):\n    op.execute(sa.text(_sql(t)))",
     ("adds index ix_x on x (writes there wait while it is built)",
      "adds index ix_y on y (writes there wait while it is built)")),
    ("def _default(v):\n    if op.get_bind().dialect.name == 'postgresql':\n        return sa.text(v + '::json')\n    return sa.text(v)",
     "op.add_column('t', sa.Column('j', sa.JSON, nullable=False, server_default=_default(\"'{}'\")))",
     ("adds column t.j with a default",)),
    ("def add(table, *, column='note'):\n    op.add_column(table, sa.Column(column, sa.Text))",
     "add('a')\nadd('b', column='x')", ("adds nullable column a.note", "adds nullable column b.x")),
    ("from sqlalchemy.sql import text\nfrom alembic import op as operations", "operations.execute(text('CREATE SEQUENCE s'))",
     ("adds sequence s",)),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app", "op.create_table('t')", ("adds table t",)),
]  # fmt: skip


@pytest.mark.parametrize(("module", "upgrade", "operations"), MODULES)
def test_constants_and_functions_of_the_file_are_followed(
    module: str, upgrade: str, operations: tuple[str, ...]
) -> None:
    """Module constants, f-strings of them, and helpers with arguments and returns."""
    found = read(upgrade, module)
    assert (found.level, found.operations) == (Level.L1, operations), found.reasons


UNREADABLE = [
    "",
    "def upgrade(:",
    "upgrade = make()",
    "async def upgrade():\n    pass",
    HEAD + "\nif FLAG:\n    def upgrade():\n        pass",
    HEAD + "\n@decorated\ndef upgrade():\n    pass",
    HEAD + "\nprepare()\ndef upgrade():\n    pass",
    HEAD + "\ndef upgrade():\n    yield 1",
    HEAD + "\ndef upgrade():\n    again()\ndef again():\n    again()",
    HEAD
    + "\ndef upgrade():\n"
    + "".join(f"{' ' * (4 + 4 * i)}for a{i} in range_:\n" for i in range(3))
    + " " * 16
    + "pass",
    HEAD + "\nN = tuple(str(1))\ndef upgrade():\n    for a in X:\n        global N\n",
    "\0",
    "x = " + "(" * 500 + ")" * 500,
]


@pytest.mark.parametrize("source", UNREADABLE)
def test_what_cannot_be_read_is_l3(source: str) -> None:
    """A file without a plain upgrade(), or that is not followed to its end, is never taken for harmless."""
    found = classify(source)
    assert found.level is Level.L3
    assert all(reason.startswith("cannot read: ") for reason in found.reasons)


def test_a_loop_without_end_is_given_up() -> None:
    """Loops in loops in loops are L3 after a bounded number of steps."""
    items = f"ITEMS = ({', '.join(str(i) for i in range(200))})"
    for body in ("print(a, b, c)", "pass"):
        source = f"for a in ITEMS:\n    for b in ITEMS:\n        for c in ITEMS:\n            {body}"
        assert read(source, items).reasons == ("cannot read: a migration that is too long",)


def test_a_batch_that_copies_the_table_is_not_additive() -> None:
    """On SQLite a batch copies the table for a default that is an expression, and rows written meanwhile are lost."""
    column = 'sa.Column("n", sa.Integer, nullable=False, server_default={})'
    batch = 'with op.batch_alter_table("shop"{}) as b:\n    b.add_column({})'
    assert read(batch.format("", column.format('"0"'))).level is Level.L1
    assert read(batch.format("", column.format('sa.text("0")'))).level is Level.L3
    assert read(batch.format(', recreate="always"', column.format('"0"'))).level is Level.L3
    assert read(batch.format(', recreate="always"', column.format('"0"')), new=frozenset({"shop"})).level is Level.L1
    assert read(batch.format(", copy_from=table", column.format('"0"'))).level is Level.L3


def test_tables_of_the_same_release_are_new() -> None:
    """What an earlier pending migration created may be changed at will by a later one; what it only may have, not."""
    create = revision('op.create_table("orders", sa.Column("id", sa.Integer))')
    unique = revision('op.create_unique_constraint("uq", "orders", ["id"])')
    maybe = revision(
        'if op.get_bind().dialect.name == "sqlite":\n    return\nop.create_table("orders", sa.Column("id", sa.Integer))'
    )
    assert [c.level for c in classify_all([create, unique])] == [Level.L1, Level.L1]
    assert [c.level for c in classify_all([unique, create])] == [Level.L3, Level.L1]
    assert [c.level for c in classify_all([maybe, unique])] == [Level.L1, Level.L3]


def test_names_are_compared_as_the_database_does() -> None:
    """Unquoted SQL names are in lower case; a table of another schema is another table."""
    mixed = 'op.create_table("Orders", sa.Column("id", sa.Integer))\nop.execute("INSERT INTO {} VALUES (1)")'
    assert read(mixed.format('\\"Orders\\"')).level is Level.L1
    assert read(mixed.format("Orders")).level is Level.L3
    assert read(mixed.format('other.\\"Orders\\"')).level is Level.L3


def test_rows_written_on_the_side_are_seen() -> None:
    """An insert into a new table that deletes elsewhere, or calls what is not known, is L3."""
    for sql in (
        "WITH gone AS (DELETE FROM shop RETURNING *) INSERT INTO orders SELECT * FROM gone",
        "INSERT INTO orders SELECT purge_shop()",
    ):
        assert read(f'op.execute("{sql}")', new=frozenset({"orders"})).level is Level.L3


def test_the_level_of_a_release_is_that_of_its_worst_migration() -> None:
    """None is L0, all additive L1, anything else L3; only L0 and L1 let the old version run meanwhile."""
    add, drop = read('op.create_table("t")'), read('op.drop_table("shop")')
    assert (level_of([]), level_of([add, add]), level_of([add, drop])) == (Level.L0, Level.L1, Level.L3)
    assert (needs_stop([]), needs_stop([add]), needs_stop([drop, add])) == (False, False, True)


def test_every_level_has_a_meaning_and_they_are_ordered() -> None:
    """Levels compare by how hard the way back is, and each can be printed with what it means."""
    assert list(Level) == sorted(Level)
    assert worst([Level.L1, Level.L3, Level.L2]) is Level.L3
    assert len({level.meaning for level in Level}) == len(Level)


@dataclass(frozen=True)
class _Any:
    level: Level


def test_anything_with_a_level_counts() -> None:
    """level_of takes migrations, classifications, or whatever else has a level."""
    assert level_of([_Any(Level.L2)]) is Level.L2
