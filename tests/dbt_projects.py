"""A dbt project of any size: hand-written property files of several styles, generated sources and models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from docgen_plugin.model import ColumnRef

__all__ = ["ENTITIES", "PROJECT", "dbt", "dbt_descriptions", "generate", "property_files", "source_tables"]

PROJECT = Path(__file__).parent / "data" / "journey_dbt"

# raw table: column as the ERP names it, its type, the name that staging gives it
ENTITIES = {
    "customer": "cust_id integer customer_id, cust_nm varchar(80) customer_name, seg_cd varchar(4) seg_cd,"
    " email_addr varchar(80) email, signup_dt date signup_date, attr_7 varchar(9) attr_7",
    "order_header": "ord_id integer order_id, cust_id integer customer_id, ord_ts timestamp ordered_at,"
    " ord_sts varchar(12) order_status, tot_amt numeric(12, 2) total_amount, ccy_cd varchar(3) currency_code",
    "payment": "pay_id integer payment_id, ord_id integer order_id, pay_mthd varchar(12) payment_method,"
    " amt numeric(12, 2) amount, rcvd_ts timestamp received_at",
    "product": "prod_id integer product_id, prod_nm varchar(80) product_name, cat_cd varchar(8) category_code,"
    " list_prc numeric(10, 2) list_price, wgt_kg numeric(8, 3) weight_kg, discont_ind boolean is_discontinued",
    "order_line": "ord_id integer order_id, ln_nbr integer line_number, prod_id integer product_id,"
    " qty integer quantity, unit_prc numeric(10, 2) unit_price, disc_pct numeric(5, 2) discount_pct",
    "supplier": "supp_id integer supplier_id, supp_nm varchar(80) supplier_name, ctry_cd varchar(2) country_code,"
    " lead_days integer lead_time_days, rating smallint rating",
    "purchase_order": "po_nbr integer purchase_order_number, supp_id integer supplier_id, po_dt date ordered_on,"
    " exp_dt date expected_on, tot_amt numeric(12, 2) total_amount",
    "shipment": "shp_id integer shipment_id, ord_id integer order_id, carr_cd varchar(6) carrier_code,"
    " shp_ts timestamp shipped_at, dlv_ts timestamp delivered_at, trk_nbr varchar(40) tracking_number",
    "store": "store_nbr integer store_number, store_nm varchar(60) store_name, region_cd varchar(4) region_code,"
    " sqm integer floor_area_sqm, open_dt date opened_on",
    "employee": "emp_id integer employee_id, emp_nm varchar(80) employee_name, store_nbr integer store_number,"
    " hire_dt date hired_on, hrly_rt numeric(6, 2) hourly_rate, term_dt date left_on",
}
_HAND_WRITTEN = ("customer", "order_header", "payment", "product")  # stand in _sources.yml
_DBT = (
    "import sys; from dbt.cli.main import dbtRunner; sys.exit(not dbtRunner().invoke(sys.argv[1:]).success)"
)


def source_tables(entities: int = len(ENTITIES)) -> list[str]:
    """Return the statements that make the raw tables."""
    statements = ["CREATE SCHEMA raw"]
    for entity in list(ENTITIES)[:entities]:
        columns = ", ".join(f"{raw} {kind}" for raw, kind, _ in _columns(entity))
        statements.append(f"CREATE TABLE raw.{entity} ({columns})")
    return statements


def generate(root: Path, entities: int = len(ENTITIES)) -> int:
    """Write the project and return how many models it has: four to an entity."""
    shutil.copytree(PROJECT, root)
    chosen = list(ENTITIES)[:entities]
    others = [name for name in chosen if name not in _HAND_WRITTEN]
    if others:
        more = "".join(f"      - name: {name}\n" for name in others)
        text = f"sources:\n  - name: back_office\n    schema: raw\n    tables:\n{more}"
        (root / "models" / "staging" / "_more_sources.yml").write_text(text, encoding="utf-8")
    for entity in chosen:
        for path, sql in _models(entity, "erp" if entity in _HAND_WRITTEN else "back_office"):
            file = root / "models" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sql, encoding="utf-8")
    return 4 * len(chosen)


def _columns(entity: str) -> list[tuple[str, str, str]]:
    found = []
    for part in ENTITIES[entity].replace(", 2)", ",2)").replace(", 3)", ",3)").split(", "):
        raw, kind, name = part.split()
        found.append((raw, kind, name))
    return found


def _models(entity: str, source: str) -> list[tuple[str, str]]:
    columns = _columns(entity)
    names = [name for _, _, name in columns]
    key = names[0]
    renamed = ",\n    ".join(raw if raw == name else f"{raw} as {name}" for raw, _, name in columns)
    mart = "fct" if entity in ("order_header", "order_line", "payment", "shipment") else "dim"
    listed = ",\n    ".join(f"s.{name}" for name in names)
    return [
        (
            f"staging/stg_{entity}.sql",
            f"select\n    {renamed}\nfrom {{{{ source('{source}', '{entity}') }}}}\n",
        ),
        (
            f"intermediate/int_{entity}_checked.sql",
            f"select\n    {listed},\n    s.{key} is null as is_orphan\nfrom {{{{ ref('stg_{entity}') }}}} as s\n",
        ),
        (
            f"marts/{mart}_{entity}.sql",
            f"with checked as (\n    select * from {{{{ ref('int_{entity}_checked') }}}}\n)\n"
            f"select *, current_timestamp as loaded_at from checked where not is_orphan\n",
        ),
        (
            f"marts/reports/rpt_{entity}_count.sql",
            f"select {names[1]}, count(*) as {entity}_cnt, max({key}) as last_{key}\n"
            f"from {{{{ ref('{mart}_{entity}') }}}}\ngroup by {names[1]}\n",
        ),
    ]


def dbt(root: Path, *words: str, environment: Mapping[str, str] | None = None) -> None:
    """Run dbt in a project; a failure shows what it said."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _DBT, "--quiet", *words, "--profiles-dir", "."],
        cwd=root,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"dbt {' '.join(words)}\n{done.stdout}\n{done.stderr}"


def dbt_descriptions(root: Path) -> dict[ColumnRef, str]:
    """Return every description that dbt itself read, from its manifest."""
    manifest = json.loads((root / "target" / "manifest.json").read_text(encoding="utf-8"))
    found: dict[ColumnRef, str] = {}
    for key, node in {**manifest["nodes"], **manifest["sources"]}.items():
        texts = {"": node.get("description", "")}
        texts.update({name: column["description"] for name, column in node.get("columns", {}).items()})
        found.update({ColumnRef(key, name): text for name, text in texts.items() if text})
    return found


def property_files(root: Path) -> dict[str, str]:
    """Return the project's YAML files as they are, line ends included."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes().decode("utf-8")
        for folder in ("models", "seeds")
        for path in sorted((root / folder).rglob("*.yml"))
    }
