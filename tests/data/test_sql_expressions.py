"""Which SQL expressions may run: those that read this dataset's rows alone, and give the same answer for them on every day."""

# ruff: noqa: S608  the SQL is of this file and of DuckDB's own catalog
from __future__ import annotations

from typing import Any

import pytest

from mlops_ci.data.custom_sql.expression import ExpressionJudge
from mlops_ci.data.engines.duckdb import open_locked_connection

COLUMNS = {"x": "integer", "s": "string", "d": "date", "Total": "number", "today": "date"}
FINE = """
x > 0
X > 0 AND total < 1
today > d
"today" > d
x BETWEEN 1 AND 2 AND s IS NOT NULL AND CASE WHEN x > 1 THEN true ELSE false END
x IN (1, 2) OR s LIKE 'a%' OR s ILIKE 'B' OR regexp_matches(s, '^a')
CAST(x AS DECIMAL(10, 2)) > 1 AND x::VARCHAR = '1' AND TRY_CAST(s AS INTEGER) > 0
s COLLATE NOCASE = 'a'
x > (SELECT avg(x) FROM data)
x > (SELECT max(t.x) FROM data t WHERE t.s = data.s)
EXISTS (SELECT 1 FROM data other WHERE other.x = data.x)
(WITH high AS (SELECT max(x) AS x FROM data) SELECT x FROM high) > x
(SELECT count(*) FROM data NATURAL JOIN (VALUES (1), (2)) v(x)) > 0
(SELECT count(*) FROM range(3) r, unnest([1, 2]) u) > x
x IN (SELECT unnest([1, 2]))
(SELECT x FROM data ORDER BY s DESC NULLS LAST LIMIT 1) > 0
(SELECT x FROM data UNION ALL SELECT 1 INTERSECT SELECT 2) > 0
count(*) OVER (PARTITION BY s ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) = 1
list_sum(list_transform([x], lambda y: y + 1)) > 0
[y + 1 FOR y IN [x] IF y > 0][1] > 0
{'a': x}.a > 0 AND MAP {'a': x}['a'] > 0
s[1:2] = 'a' AND s.lower() = 'a'
extract(year FROM d) > 1 AND date_trunc('month', d) = d AND strftime(d, '%Y') = '2020' AND last_day(d) > d
d + INTERVAL 1 DAY > d AND age(d, DATE '2020-01-01') > INTERVAL 1 DAY AND date_diff('day', d, DATE '2020-01-01') > 1
d::TIMESTAMPTZ AT TIME ZONE 'UTC' > d AND make_timestamptz(2020, 1, 1, 1, 1, 1) > d AND hour(d::TIMESTAMPTZ) = 0
nullif(x, 1) > 0 AND coalesce(x, 1) > 0 AND if(x > 1, true, false) AND split_part(s, 'a', 1) = 'x'
json_extract('{}', '$.a') IS NULL AND s ->> 'a' IS NULL
COLUMNS('x') > 0
x ** 2 > 0 AND -x < 0 AND NOT (x = 1) AND x IS DISTINCT FROM 1
""".strip().splitlines()
CLOCK_OR_CHANCE = """
current_date > d
current_date() > d
CURRENT_TIMESTAMP > d
current_time IS NULL
localtime IS NULL
localtimestamp > d
now() > d
NOW() > d
main.now() > d
pg_catalog.now() > d
transaction_timestamp() > d
today() > d
get_current_timestamp() > d
get_current_time() IS NULL
age(d) > INTERVAL 1 DAY
d.age() > INTERVAL 1 DAY
ago(INTERVAL 1 DAY) > d
strftime(now(), '%Y') = '2020'
x > (SELECT count(*) FROM data WHERE d > current_date)
(SELECT x FROM data ORDER BY random() LIMIT 1) > 0
list_transform([x], lambda y: y + random())[1] > 0
count(*) OVER (ORDER BY random()) > 1
count(*) FILTER (random() > 0.5) OVER () > 1
random() > 0.5
uuid() IS NULL
gen_random_uuid() IS NULL
uuidv7() IS NULL
nextval('s') > 0
setseed(0.5) IS NULL
txid_current() > 0
current_setting('TimeZone') = 'UTC'
getvariable('x') IS NULL
current_user = 'x'
user = 'x'
version() = 'x'
pg_sleep(1) IS NULL
pg_postmaster_start_time() > d
reservoir_quantile(x, 0.5) > 1
(SELECT avg(x) FROM data TABLESAMPLE 10%) > 1
(SELECT avg(x) FROM data USING SAMPLE 3 ROWS) > 1
""".strip().splitlines()
OTHER_DATA = """
(SELECT count(*) FROM read_csv('/etc/passwd')) > 0
(SELECT count(*) FROM '/etc/passwd') > 0
(SELECT count(*) FROM "a.parquet") > 0
(SELECT content FROM read_text('/etc/passwd')) = ''
(SELECT count(*) FROM glob('/etc/*')) > 0
(SELECT count(*) FROM duckdb_secrets()) >= 0
(SELECT max(value) FROM duckdb_settings() WHERE name = 'allowed_paths') = 'x'
(FROM duckdb_settings() SELECT count(*)) > 0
(SELECT count(*) FROM information_schema.tables) > 0
(SELECT count(*) FROM duckdb_tables) > 0
(SELECT count(*) FROM pg_catalog.pg_settings) > 0
(SELECT count(*) FROM sqlite_master) > 0
(SELECT count(*) FROM other.data) > 0
(SELECT count(*) FROM query('SELECT now()')) > 0
(SELECT count(*) FROM query_table('data')) > 0
(SELECT count(*) FROM json_execute_serialized_sql('{}')) > 0
(SELECT count(*) FROM pragma_database_size()) > 0
(SELECT count(*) FROM (DESCRIBE data)) > 0
(SELECT count(*) FROM (SHOW TABLES)) > 0
(SELECT count(*) FROM (SUMMARIZE data)) > 0
(WITH sqlite_master AS (SELECT 1) SELECT 1) > 0 AND (SELECT count(*) FROM sqlite_master) > 0
json_serialize_plan('SELECT now()') = ''
format_type(23, 0) = 'x'
get_block_size('x') > 0
$1 > 0
id > 0; DROP TABLE data
1); SELECT (2
true), (true
true) UNION SELECT (true
true) EXCEPT SELECT (false
x >
""".strip().splitlines()


@pytest.fixture(scope="module")
def judge() -> Any:
    connection = open_locked_connection(())
    columns = "range AS x, 'a' AS s, DATE '2020-01-01' AS d, 1.5 AS Total, DATE '2020-01-01' AS today"
    connection.execute(f"CREATE TABLE data AS SELECT {columns} FROM range(3)")
    yield ExpressionJudge(connection, COLUMNS)
    connection.close()


@pytest.mark.parametrize("sql", FINE)
def test_an_expression_over_the_rows_may_run_and_does(judge: Any, sql: str) -> None:
    import duckdb

    assert judge.find_refusal(sql) is None
    (found,) = judge._connection.sql("SELECT * FROM data").set_alias("data").select(duckdb.SQLExpression(sql)).types
    assert str(found) == "BOOLEAN"


@pytest.mark.parametrize("sql", CLOCK_OR_CHANCE)
def test_a_clock_and_chance_are_refused_with_the_reason(judge: Any, sql: str) -> None:
    why = judge.find_refusal(sql)
    assert "can differ from run to run" in why or "would differ from run to run" in why


@pytest.mark.parametrize("sql", OTHER_DATA)
def test_what_is_no_condition_over_the_rows_is_refused(judge: Any, sql: str) -> None:
    assert judge.find_refusal(sql)


def test_every_function_of_the_engine_that_is_not_steady_is_refused(judge: Any) -> None:
    rows = judge._connection.execute(
        "SELECT function_name, min(len(parameters)) FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')"
        " GROUP BY 1 HAVING bool_and(stability = 'VOLATILE' OR (stability = 'CONSISTENT_WITHIN_QUERY' AND len(parameters) = 0))"
    ).fetchall()
    assert len(rows) > 25
    allowed = [
        name for name, given in rows if judge.find_refusal(f'"{name}"({", ".join(["x"] * given)}) IS NULL') is None
    ]
    assert allowed == []


def test_every_table_function_of_the_engine_that_reads_something_is_refused(judge: Any) -> None:
    rows = judge._connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro', 'pragma')"
    ).fetchall()
    assert len(rows) > 100
    allowed = {name for (name,) in rows if judge.find_refusal(f'(SELECT count(*) FROM "{name}"()) > 0') is None}
    assert allowed == {"range", "generate_series", "unnest"}


def test_every_view_of_the_engine_is_refused(judge: Any) -> None:
    rows = judge._connection.execute("SELECT schema_name, view_name FROM duckdb_views()").fetchall()
    assert len(rows) > 20
    for schema, view in rows:
        assert judge.find_refusal(f'(SELECT count(*) FROM "{schema}"."{view}") > 0')
        assert judge.find_refusal(f'(SELECT count(*) FROM "{view}") > 0')


def test_a_deep_expression_is_refused_or_judged_and_never_ends_the_process(judge: Any) -> None:
    for depth in (100, 4000):
        judge.find_refusal("(" * depth + "x" + ")" * depth + " > 0")
        judge.find_refusal("NOT " * depth + "(x > 0)")
