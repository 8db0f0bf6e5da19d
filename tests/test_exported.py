"""Every public name of the core, pinned: a change here is a change for whoever builds on us."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import docgen_plugin

PINNED = {
    "docgen_plugin": ["__version__", "hookimpl"],
    "docgen_plugin.alternatives": ["Alternative", "Given", "alternative", "given"],
    "docgen_plugin.calibration": ["Calibration", "Curve", "curve_key", "points_json", "read_points", "shipped_curves", "write_curves"],
    "docgen_plugin.canary": [
        "Canary", "begin", "candidate", "drop", "load", "located", "owner", "parse_share", "promote", "running",
        "standing_name", "told_share",
    ],
    "docgen_plugin.claims": [
        "Evidence", "foreign_mention", "invented_literal", "neighbours", "strip_examples", "strip_units",
        "supported_units", "unit_words",
    ],
    "docgen_plugin.cli": ["cli", "main"],
    "docgen_plugin.cli_ledger": ["COMMANDS", "counted", "reviewer"],
    "docgen_plugin.cli_coverage": ["COMMANDS"],
    "docgen_plugin.cli_canary": [
        "COMMANDS", "PACKAGED", "begin", "canary_json", "choice_json", "end", "tell_shadowed", "told",
    ],
    "docgen_plugin.cli_metrics": ["COMMANDS", "show_trial", "trial_pair"],
    "docgen_plugin.cli_model": ["COMMANDS"],
    "docgen_plugin.cli_options": [
        "Choice", "Session", "as_json", "filtering", "for_source", "selecting", "settings", "source_options",
    ],
    "docgen_plugin.cli_review": ["COMMANDS"],
    "docgen_plugin.cli_source": ["COMMANDS", "loaded", "told_answered"],
    "docgen_plugin.cli_sync": ["COMMANDS"],
    "docgen_plugin.compact": ["Compact", "GRAMMAR"],
    "docgen_plugin.config": ["Config", "load_config"],
    "docgen_plugin.console": [
        "columns_progress", "count", "emit", "say", "show", "table_lines", "visible", "visible_lines", "working",
    ],
    "docgen_plugin.coverage": ["Coverage", "Group", "TableCoverage", "compare", "measure", "percent"],
    "docgen_plugin.coverage_report": ["as_badge", "as_json", "as_markdown", "fault_json"],
    "docgen_plugin.database": ["Database", "Deadlock", "with_driver"],
    "docgen_plugin.descriptions_file": ["render", "write"],
    "docgen_plugin.dialect": ["Dialect", "Tokens", "asked_units"],
    "docgen_plugin.errors": ["ConfigError", "DocgenError", "LedgerError", "ModelError", "SourceError", "WriteError"],
    "docgen_plugin.files": ["digest", "replace_file"],
    "docgen_plugin.frames": ["plain_text"],
    "docgen_plugin.freshness": ["Turn", "WRITTEN_OVER", "fingerprint", "judge", "same_evidence", "same_text"],
    "docgen_plugin.generate": ["Answer", "Generator", "TableRequest", "load"],
    "docgen_plugin.gguf_header": ["Value", "check_file", "read_header"],
    "docgen_plugin.grounding": ["Checker", "ONE_OF", "UNCLEAR", "Verdict", "confidence", "is_opaque"],
    "docgen_plugin.hookspecs": [
        "hookimpl", "load_generator", "read_catalog", "read_catalog_at", "register_commands", "select_tables",
        "write_descriptions",
    ],
    "docgen_plugin.hub": [
        "HubFile", "HubReference", "SCHEME", "cached", "fetch", "held", "look", "parse", "upload",
    ],
    "docgen_plugin.inherit": ["Accepted", "DISAGREE", "Found", "Hint", "evidence", "inherited", "reference_of"],
    "docgen_plugin.kinds": [
        "PREPOSITIONS", "acts_itself", "article", "is_adjective", "is_asking_verb", "is_named_action", "is_noun",
        "is_noun_phrase", "is_occasion", "is_participle", "is_party", "is_plural", "is_predicate", "is_verb",
    ],
    "docgen_plugin.known_columns": ["KnownColumns"],
    "docgen_plugin.ledger_pages": [
        "Filter", "GROUPS", "ORDERS", "bookmark", "count_query", "page_query", "tally_query",
    ],
    "docgen_plugin.ledger_rows": [
        "Counted", "Decision", "Event", "Row", "UNDONE", "add_rows", "batches", "decide_rows", "event_of", "event_values",
        "histories_query", "history_of", "place_of", "restore_rows", "row_of", "undo_rows",
    ],
    "docgen_plugin.ledger_transfer": ["Imported", "curve_lines", "export_lines", "import_lines"],
    "docgen_plugin.lineage": [
        "SQLGLOT_BUGS", "mark_functions", "quiet_sqlglot", "rare_collections", "read_lineage", "trace",
        "with_lineage",
    ],
    "docgen_plugin.manifest": [
        "Base", "DataSet", "FILE", "Manifest", "headline", "is_name", "parse", "read", "render", "version_key",
    ],
    "docgen_plugin.measures": [
        "BANDS", "Drop", "Fate", "GROUPS", "Group", "Measures", "Taken", "Trial", "Versus", "fates", "measure",
        "trial",
    ],
    "docgen_plugin.measures_page": ["as_page"],
    "docgen_plugin.measures_report": ["as_json", "as_openmetrics", "trial_json"],
    "docgen_plugin.migrations": ["MIGRATIONS", "SORT_CHARS", "calibrations", "events", "metadata", "suggestions", "versions"],
    "docgen_plugin.model": [
        "Catalog", "Change", "Column", "ColumnRef",
        "DICTIONARY", "ForeignKey",
        "GLOSSARY", "Lineage", "NAME", "Provenance", "STATES", "Suggestion", "Table", "WriteReport",
        "text_hash",
    ],
    "docgen_plugin.model_choice": [
        "Choice", "chosen_values", "current", "is_chosen", "load", "located", "pinned", "require_spoken", "rollback",
        "use",
    ],
    "docgen_plugin.model_folders": [
        "Kept", "check_space", "copy_checked", "discard", "link_or_copy", "place", "require", "versions",
    ],
    "docgen_plugin.model_record": [
        "Values", "ended", "moment", "path_of", "read", "running", "standing", "write",
    ],
    "docgen_plugin.model_files": ["ModelFiles", "default_model", "find_base", "model_files"],
    "docgen_plugin.pipeline": ["ApplyReport", "SuggestReport", "apply", "read_catalog", "suggest", "write"],
    "docgen_plugin.plugins": ["manager"],
    "docgen_plugin.proportions": ["LEAST", "Share", "is_lower", "newcombe", "wilson"],
    "docgen_plugin.registry": [
        "CARD", "Listed", "Located", "is_here", "listed", "locate", "look", "split", "unknown", "verify",
    ],
    "docgen_plugin.review.access": ["Gate", "Guard", "digest_of", "new_token", "read_reviewers"],
    "docgen_plugin.review.desk": ["Desk", "Meant", "Outcome", "Shown", "Written"],
    "docgen_plugin.review.filters": ["KEYS", "ORIGINS", "parse", "spoken"],
    "docgen_plugin.review.keyboard": ["Keys", "Lines", "RESIZED", "edited", "opened"],
    "docgen_plugin.review.ledgers": ["Ledgers"],
    "docgen_plugin.review.models": ["Models"],
    "docgen_plugin.review.server": [
        "Address", "check", "gate", "has_desktop", "listening", "require_web", "serve", "uvicorn_server",
    ],
    "docgen_plugin.review.screen": [
        "PlaceShown", "alternative_lines", "clipped", "composed", "given_lines", "history_lines", "pages", "place_lines",
        "table_lines", "wrapped",
    ],
    "docgen_plugin.review.terminal": ["REASONS", "review"],
    "docgen_plugin.review.views": [
        "Asked", "COLUMNS", "ORIGINS", "PAGE", "PlaceView", "TableLine", "asked", "diff_lines", "folders", "owners",
        "place_view", "progress", "table_lines", "table_places",
    ],
    "docgen_plugin.review.walk": ["Scope", "Walk"],
    "docgen_plugin.review.web": ["application"],
    "docgen_plugin.selection": ["chosen_tables", "is_selected", "require_choice", "resolved"],
    "docgen_plugin.slots": ["LIKELY", "fill_slot", "happening", "printed", "qualified", "slot_text", "takes"],
    "docgen_plugin.sources": ["read_catalog", "shown", "write"],
    "docgen_plugin.store": ["Decision", "Event", "Filter", "Ledger", "Page", "Row"],
    "docgen_plugin.text_quality": ["FAULTS", "Fault", "find_fault"],
    "docgen_plugin.style": ["LANGUAGES", "Style", "language_of"],
    "docgen_plugin.sync": ["ACTIONS", "Difference", "Plan", "changes", "plan"],
    "docgen_plugin.targets": ["Target", "approved", "find", "machine_made", "ordered", "refresh", "reopen"],
    "docgen_plugin.writeback": ["ApplyReport", "apply"],
    "docgen_plugin.writers": ["Candidate", "Load", "Writer", "Writers"],
}  # fmt: skip

# modules whose names are pinned above, and all others that the package has
MODULES = sorted(
    {module.name for module in pkgutil.walk_packages(docgen_plugin.__path__, "docgen_plugin.")}
    - {"docgen_plugin.review"}
)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_public_names_are_pinned(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__) == PINNED[name]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_names_what_is_public_in_order_and_has_it(name):
    module = importlib.import_module(name)
    public = list(module.__all__)
    assert public in (sorted(public), sorted(public, key=str.lower))
    for one in public:
        assert hasattr(module, one), one


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_named_like_a_hook(name):
    # a submodule named like a hook makes pluggy drop the hook without a word
    assert name.rsplit(".", 1)[-1] not in PINNED["docgen_plugin.hookspecs"]
