"""Models on a hub: the real huggingface_hub client against a server that speaks its protocol, faults included."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from docgen_plugin import hub as edge
from docgen_plugin import manifest, registry
from docgen_plugin.errors import ModelError
from docgen_plugin.manifest import Base
from tests.registries import hub_files, located, made

ONE, TWO = b"one" * 1000, b"two" * 1000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The client waits a second before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def cached(folder: Path) -> list[str]:
    """Return what lies in the hub's cache under a GGUF's name or its hash, half files too."""
    root = folder / "hub"
    found = [
        path
        for path in root.rglob("*")
        if path.suffix in (".gguf", ".incomplete") or path.parent.name == "blobs"
    ]
    return sorted(
        path.name for path in found if path.suffix == ".gguf" or path.stat().st_size >= len(ONE) // 2
    )


def test_a_branch_is_pinned_to_its_commit(hub, model_settings):
    one = hub.repository("acme/shop").commit(hub_files(ONE))
    found = located("hf://acme/shop", model_settings)
    assert (found.reference, found.place) == (f"hf://acme/shop@{one}", "hub")
    assert found.path.read_bytes() == ONE
    two = hub.repository("acme/shop").commit(hub_files(TWO, version="2"))
    assert located("hf://acme/shop@main", model_settings).reference == f"hf://acme/shop@{two}"
    assert located(found.reference, model_settings).path.read_bytes() == ONE


def test_what_is_pinned_and_pulled_asks_nobody(hub, model_settings):
    hub.repository("acme/shop").commit(hub_files(ONE))
    found = located("hf://acme/shop", model_settings)
    hub.asked.clear()
    for fresh in (False, True):
        assert located(found.reference, model_settings, fresh).path == found.path
    assert hub.asked == []


def test_a_tag_and_a_pull_request_are_revisions(hub, model_settings):
    repository = hub.repository("acme/shop")
    repository.refs["v1"] = repository.refs["refs/pr/3"] = repository.commit(hub_files(ONE))
    repository.commit(hub_files(TWO, version="2"))
    for revision in ("v1", "refs/pr/3"):
        assert located(f"hf://acme/shop@{revision}", model_settings).path.read_bytes() == ONE


def test_a_repository_without_a_manifest(hub, model_settings):
    repository = hub.repository("acme/general")
    one = repository.commit({"general-q4.gguf": ONE})
    found = located("hf://acme/general", model_settings)
    assert (found.reference, found.manifest) == (f"hf://acme/general@{one}", None)
    assert located(found.reference, model_settings).path == found.path
    repository.commit({"general-q8.gguf": TWO})
    with pytest.raises(ModelError, match=r"holds 2 GGUF files, name one: hf://acme/general/general-q4.gguf"):
        located("hf://acme/general", model_settings)
    assert located("hf://acme/general/general-q8.gguf", model_settings).path.read_bytes() == TWO
    hub.repository("acme/none").commit({"README.md": b"# Nothing"})
    with pytest.raises(ModelError, match="hf://acme/none: holds no GGUF file"):
        located("hf://acme/none", model_settings)


def test_the_token_stays_with_the_hub(hub, model_settings):
    hub.repository("acme/shop").private = True
    hub.repository("acme/shop").commit(hub_files(ONE))
    assert located("hf://acme/shop", model_settings).path.read_bytes() == ONE
    assert all("localhost" in host for host in hub.hosts["/storage"])
    assert hub.tokens["/storage"] == {""}


def test_half_a_file_is_gone_on_with(hub, model_settings, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50)  # as it is, 10 MB come before any are kept
    hub.repository("acme/shop").commit(hub_files(ONE))
    hub.cuts = 2
    assert located("hf://acme/shop", model_settings).path.read_bytes() == ONE
    assert hub.ranges == ["", "bytes=1500-", "bytes=2250-"]


def test_a_download_that_never_ends_leaves_nothing(hub, model_settings, tmp_path):
    hub.repository("acme/shop").commit(hub_files(ONE))
    hub.cuts, hub.cut_at = 99, 0
    with pytest.raises(ModelError, match=r"hf://acme/shop@\w+: http://127.0.0.1:\d+ cannot be reached"):
        located("hf://acme/shop", model_settings)
    assert cached(tmp_path) == []
    hub.cuts = 0
    assert located("hf://acme/shop", model_settings).path.read_bytes() == ONE


def test_a_file_with_another_hash_is_refused_and_not_kept(hub, model_settings, tmp_path):
    hub.repository("acme/shop").commit(hub_files(ONE))
    hub.wrong = True
    with pytest.raises(
        ModelError, match=r"refused: what came for shop.gguf has sha256 \w{12}..., \w{12}... was stated"
    ):
        located("hf://acme/shop", model_settings)
    assert cached(tmp_path) == []
    hub.wrong = False
    assert located("hf://acme/shop", model_settings).path.read_bytes() == ONE


def test_a_manifest_of_another_file_is_refused_before_anything_is_downloaded(hub, model_settings, tmp_path):
    stated = manifest.render(replace(made(TWO), size=len(ONE)))
    hub.repository("acme/shop").commit({"shop.gguf": ONE, manifest.FILE: stated})
    with pytest.raises(
        ModelError, match=r"refused: its manifest states sha256 \w{12}... for shop.gguf, the hub has"
    ):
        located("hf://acme/shop", model_settings)
    assert cached(tmp_path) == []


def test_a_file_changed_in_the_cache_is_refused_and_a_pull_mends_it(hub, model_settings):
    hub.repository("acme/shop").commit(hub_files(ONE))
    found = located("hf://acme/shop", model_settings)
    found.path.write_bytes(TWO)
    with pytest.raises(ModelError, match=f"refused: .* docgen model pull {found.reference} brings it anew"):
        located(found.reference, model_settings)
    assert "refused" in dict(registry.verify(model_settings))[found.reference]
    assert located(found.reference, model_settings, fresh=True).path.read_bytes() == ONE
    assert dict(registry.verify(model_settings, found.reference)) == {found.reference: ""}


def test_a_model_that_does_not_fit_is_not_begun(hub, model_settings):
    hub.repository("acme/shop").commit(hub_files(ONE))
    hub.claims["shop.gguf"] = 1 << 50
    with pytest.raises(ModelError, match=r"1,125,899,907 MB do not fit"):
        located("hf://acme/shop", model_settings)
    assert not any("storage" in one for one in hub.asked)


def _refuse(status, path="/api/models/acme"):
    return lambda hub: hub.refuse.update({path: status})


ANSWERS = {
    "no such repository": (None, "hf://acme/nothing", "has no such repository or file (404)"),
    "no such revision": (None, "hf://acme/shop@v9", "hf://acme/shop@v9: the repository has no such revision"),
    "no such commit": (None, f"hf://acme/shop@{'1' * 40}", "the repository has no such revision"),
    "no such file": (None, "hf://acme/shop/till.gguf", "has no file till.gguf"),
    "401": (
        _refuse(401),
        "hf://acme/shop",
        "answers 401: no such repository, or it is not open to you: set HF_TOKEN",
    ),
    "403": (_refuse(403), "hf://acme/shop", "answers 403: no such repository, or it is not open to you"),
    "404": (_refuse(404), "hf://acme/shop", "has no such repository or file (404)"),
    "429": (_refuse(429), "hf://acme/shop", "has had too many requests (429): try again in 7 s"),
    "503": (_refuse(503), "hf://acme/shop", "answers 503: try again later"),
    "418": (_refuse(418), "hf://acme/shop", "answers 418"),
    "429 for the file": (
        _refuse(429, "/storage"),
        "hf://acme/shop",
        "too many requests (429): try again in 7 s",
    ),
    "401 for the file": (_refuse(401, "/acme"), "hf://acme/shop", "answers 401"),
    "500 for the file": (_refuse(500, "/storage"), "hf://acme/shop", "answers 500"),
    "no reference": (None, "hf://shop", "wants hf://owner/name, hf://owner/name@revision"),
    "an empty revision": (None, "hf://acme/shop@", "wants hf://owner/name"),
    "a name that a hub refuses": (None, "hf://acme/a--b..c", "hf://acme/a--b..c: "),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_hub_answers_is_one_line(hub, model_settings, tmp_path, name):
    fault, reference, message = ANSWERS[name]
    hub.repository("acme/shop").commit(hub_files(ONE))
    if fault:
        fault(hub)
    with pytest.raises(ModelError) as caught:
        located(reference, model_settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert cached(tmp_path) == []


def test_a_stranger_is_told_to_set_a_token(hub, model_settings, monkeypatch):
    hub.repository("acme/shop").private = True
    hub.repository("acme/shop").commit(hub_files(ONE))
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(
        ModelError, match="answers 401: no such repository, or it is not open to you: set HF_TOKEN"
    ):
        located("hf://acme/shop", model_settings)


@pytest.mark.parametrize("name", ["503", "429", "offline"])
def test_a_branch_without_the_hub_is_what_was_pulled_last(hub, model_settings, monkeypatch, capsys, name):
    hub.repository("acme/shop").commit(hub_files(ONE))
    found = located("hf://acme/shop", model_settings)
    if name == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        hub.refuse["/api"] = int(name)
    assert located("hf://acme/shop", model_settings) == found
    assert f"{found.reference}, pulled before, is used" in capsys.readouterr().err
    with pytest.raises(ModelError):
        located("hf://acme/shop", model_settings, fresh=True)


def test_a_repository_that_was_closed_is_not_what_was_pulled_last(hub, model_settings):
    hub.repository("acme/shop").commit(hub_files(ONE))
    located("hf://acme/shop", model_settings)
    del hub.repositories["acme/shop"]
    with pytest.raises(ModelError, match="404"):
        located("hf://acme/shop", model_settings)


def test_offline_and_never_pulled(hub, model_settings, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for reference in ("hf://acme/shop", f"hf://acme/shop@{'1' * 40}"):
        with pytest.raises(
            ModelError, match="not pulled yet, and HF_HUB_OFFLINE keeps docgen off the network"
        ):
            located(reference, model_settings)
    assert hub.asked == []


def test_without_huggingface_hub(model_settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"need huggingface_hub: pip install 'docgen-plugin\[hub\]'"):
        located("hf://acme/shop", model_settings)
    assert registry.listed(model_settings)[0][0].reference == "docgen-base@1"
    assert registry.verify(model_settings)


def test_models_of_the_hubs_cache_are_listed(hub, model_settings):
    hub.repository("acme/shop").commit(hub_files(ONE, license="mit"))
    hub.repository("acme/general").commit({"general.gguf": TWO})
    references = [located(f"hf://acme/{name}", model_settings).reference for name in ("shop", "general")]
    listed = {one.reference: one for one in registry.listed(model_settings)[0]}
    assert listed[references[0]].manifest.license == "mit"
    assert references[1] not in listed  # nothing is known of it
    assert [str(one.reference) for one in edge.held()] == references[:1]


def test_an_adapter_brings_its_base_from_the_hub(hub, model_settings):
    base = hub.repository("acme/till").commit(hub_files(TWO, "till"))
    stated = Base("hf://acme/till", base, made(TWO).sha256)
    hub.repository("acme/style").commit(hub_files(ONE, "style", kind="adapter", base=stated))
    found = located("hf://acme/style", model_settings)
    assert sorted(one.read_bytes() for one in found.path.parent.glob("*.gguf")) == sorted([ONE, TWO])
    hub.refuse["/"] = 503
    assert located(found.reference, model_settings).path == found.path
