"""A model's manifest: written and read back, and every way in which a file can be none."""

from __future__ import annotations

import json

import pytest

from docgen_plugin import manifest
from docgen_plugin.errors import ModelError
from docgen_plugin.llama import default_model
from docgen_plugin.manifest import Base, DataSet, Manifest
from docgen_plugin.model_folders import Kept, require

WHOLE = Manifest(
    name="shop",
    version="2.1",
    file="shop-q8.gguf",
    sha256="a" * 64,
    size=12,
    kind="adapter",
    grammar="docgen-1",
    license="apache-2.0",
    base=Base("hf://acme/base", "main", "b" * 64),
    data=(DataSet("ours.jsonl", "c" * 64, ("MIT", "CC0-1.0"), 7),),
    code_commit="d" * 40,
    configuration={"rank": 8, "modules": ["q", "v"]},
    scores={"systems": {"docgen suggest": {"chrf": 31.6}}},
    created_at="2026-01-02T03:04:05+00:00",
)


def test_what_is_written_is_what_is_read(tmp_path):
    path = tmp_path / manifest.FILE
    path.write_bytes(manifest.render(WHOLE))
    assert manifest.read(path) == WHOLE


def _values(**changes):
    return {**json.loads(manifest.render(WHOLE)), **changes}


def _without(key):
    values = _values()
    del values[key]
    return values


WRONG = {
    "no JSON": (b"{oops", "is no JSON"),
    "no text": (b"\xff\xfe", "is no JSON"),
    "a list": ([], "wants an object"),
    "a newer version": (
        _values(manifest_version=2),
        "manifest version 2, this docgen reads up to 1: upgrade",
    ),
    "a newer version with more in it": (_values(manifest_version=9, licence="x"), "upgrade docgen-plugin"),
    "no version of itself": (_without("manifest_version"), "lacks manifest_version"),
    "no name": (_without("name"), "lacks name"),
    "no hash": (_without("sha256"), "lacks sha256"),
    "no size": (_without("size"), "lacks size"),
    "an empty file": (_values(file=""), "lacks file"),
    "a misspelt field": (_values(licence="MIT"), "unknown field licence"),
    "a misspelt field within": (_values(base={"name": "x", "sha": "y"}), "unknown field base.sha"),
    "half a hash": (_values(sha256="abc"), "sha256 wants 64 hexadecimal digits"),
    "a size in words": (_values(size="big"), "size wants a whole number"),
    "a name with a way out": (_values(name="../shop"), "name '../shop' wants letters"),
    "a version with a slash": (_values(version="1/2"), "version '1/2' wants letters"),
    "a file elsewhere": (_values(file="../shop.gguf"), "wants the name of a .gguf beside"),
    "a file of Windows elsewhere": (_values(file="..\\shop.gguf"), "wants the name of a .gguf beside"),
    "a file that is no GGUF": (_values(file="shop.bin"), "wants the name of a .gguf beside"),
    "another kind": (_values(kind="router"), "kind 'router' wants model or adapter"),
    "an adapter without a base": (_values(base=None), "an adapter wants base.sha256"),
    "data without a name": (_values(data=[{"sha256": ""}]), "lacks data.name"),
    "data as a text": (_values(data="ours"), "data wants a list"),
    "licences as a text": (_values(data=[{"name": "x", "licenses": "MIT"}]), "data.licenses wants a list"),
    "scores as a number": (_values(scores=3), "scores wants an object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_manifest_says_why(tmp_path, name):
    content, message = WRONG[name]
    path = tmp_path / manifest.FILE
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ModelError) as caught:
        manifest.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        manifest.read(tmp_path / manifest.FILE)


def test_the_model_in_the_package_is_the_one_its_manifest_states():
    # after another model was put there: docgen-train manifest docgen_plugin/models/docgen-base.gguf --run ... --scores ...
    model = default_model()
    stated = manifest.read(model.parent / manifest.FILE)
    assert require(Kept(stated, model.parent)) == stated.sha256
    assert stated.file == model.name
    assert all(one.sha256 and one.licenses and one.tables for one in stated.data)
    assert "chrF" in manifest.headline(stated)
