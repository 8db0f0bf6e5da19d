"""A shared folder as registry: publishing into it, pulling from it, and what can be wrong with either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from docgen_plugin import manifest, model_folders, registry
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.llama import default_model
from docgen_plugin.manifest import Base
from tests.registries import located, made, put


def shared(config: Config) -> Path:
    return Path(config.registry)


def kept(config: Config) -> list[str]:
    """Return the files of the cache, half ones and all."""
    root = Path(config.cache)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_version_is_pulled_once_and_then_needs_no_registry(model_settings):
    put(shared(model_settings), b"one")
    found = located("shop@1", model_settings)
    assert (found.reference, found.place, found.path.read_bytes()) == ("shop@1", "cache", b"one")
    assert kept(model_settings) == ["models/shop/1/docgen-model.json", "models/shop/1/shop.gguf"]
    shutil.rmtree(shared(model_settings))
    assert located("shop@1", model_settings).path == found.path
    assert located("shop@1", replace(model_settings, registry="")).path == found.path


def test_a_name_alone_is_the_newest_version(model_settings, capsys):
    for version in ("9", "10", "2.1", "11-rc1"):
        put(shared(model_settings), version.encode(), version=version)
    assert located("shop", model_settings).reference == "shop@11-rc1"
    put(shared(model_settings), b"eleven", version="11")
    assert located("shop", model_settings).reference == "shop@11"
    assert located("shop@2.1", model_settings).path.read_bytes() == b"2.1"
    shutil.rmtree(shared(model_settings))
    assert located("shop", model_settings).reference == "shop@11"
    assert "no such folder: mount it" in capsys.readouterr().err


def test_the_package_is_one_more_place(model_settings):
    found = located("docgen-base", model_settings)
    assert (found.place, found.path) == ("package", default_model())
    assert located("", model_settings).path == default_model()


def test_a_folder_of_the_registry_is_a_name_too(model_settings):
    one = put(shared(model_settings), b"one")
    found = located(str(one.folder), model_settings)
    assert (found.path, found.place) == (one.path, "path")


def test_a_name_that_nobody_knows_may_be_a_plugins(model_settings):
    put(shared(model_settings), b"one")
    for reference in ("till", "openai:gpt", "a/b", "shop@", "@1"):
        assert located(reference, model_settings) is None
    message = str(registry.unknown("shpo@1", model_settings))
    assert message.startswith("shpo@1: no such model in the package, the cache, the registry")
    assert message.endswith("did you mean shop?")


def test_a_version_that_is_not_there_names_those_that_are(model_settings):
    put(shared(model_settings), b"one")
    put(shared(model_settings), b"two", version="2")
    with pytest.raises(ModelError, match="shop: has no version 3; there are 1, 2"):
        located("shop@3", model_settings)


def _write(text):
    return lambda one: (one.folder / manifest.FILE).write_text(text, encoding="utf-8")


def _edit(**changes):
    def edit(one):
        values = json.loads(manifest.render(one.manifest)) | changes
        (one.folder / manifest.FILE).write_text(json.dumps(values), encoding="utf-8")

    return edit


def _sparse(one):
    with one.path.open("ab") as file:
        file.truncate(1 << 42)
    _edit(size=1 << 42)(one)


# what happened to the version in the registry, and the line that says so
DAMAGED = {
    "another file": (lambda one: one.path.write_bytes(b"0ne"), "refused: its sha256 is"),
    "half a file": (lambda one: one.path.write_bytes(b"o"), "refused: has 1 bytes, its manifest states 3"),
    "no file": (lambda one: one.path.unlink(), "cannot be read: No such file"),
    "a manifest that is no JSON": (_write("oops"), "is no JSON"),
    "a manifest without fields": (_write("{}"), "lacks name"),
    "a newer manifest": (_edit(manifest_version=7), "manifest version 7, this docgen reads up to 1"),
    "a manifest of another model": (_edit(name="till"), "speaks of till@1"),
    "no room": (_sparse, "4,398,047 MB do not fit"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_not_as_stated_is_never_pulled(model_settings, name):
    damage, message = DAMAGED[name]
    damage(put(shared(model_settings), b"one"))
    with pytest.raises(ModelError) as caught:
        located("shop@1", model_settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert kept(model_settings) == []


def test_a_broken_version_does_not_hide_the_others(model_settings, capsys):
    put(shared(model_settings), b"one")
    _write("oops")(put(shared(model_settings), b"two", version="2"))
    assert located("shop", model_settings).reference == "shop@1"
    assert "left out" in capsys.readouterr().err
    found, problems = registry.listed(model_settings)
    assert [one.reference for one in found] == ["docgen-base@1", "shop@1"]
    assert len(problems) == 1


def test_a_file_changed_in_the_cache_is_refused_and_a_pull_mends_it(model_settings, capsys):
    put(shared(model_settings), b"one")
    path = located("shop@1", model_settings).path
    path.write_bytes(b"0ne")
    with pytest.raises(ModelError, match=r"shop.gguf: refused: its sha256 is"):
        located("shop@1", model_settings)
    assert dict(registry.verify(model_settings))["shop@1 (registry)"] == ""
    assert "refused" in dict(registry.verify(model_settings))["shop@1 (cache)"]
    assert located("shop@1", model_settings, fresh=True).path.read_bytes() == b"one"
    assert "pulled again" in capsys.readouterr().err
    assert all(wrong == "" for _, wrong in registry.verify(model_settings))


def test_another_registrys_version_of_the_same_name(model_settings, tmp_path, capsys):
    put(shared(model_settings), b"one")
    located("shop@1", model_settings)
    other = replace(model_settings, registry=str(tmp_path / "other"))
    put(shared(other), b"another")
    assert located("shop", other).path.read_bytes() == b"another"
    assert "was not what the registry holds" in capsys.readouterr().err


def test_a_gguf_beside_its_manifest_is_held_to_it(model_settings):
    one = put(shared(model_settings), b"one")
    assert located(str(one.path), model_settings).manifest == one.manifest
    one.path.write_bytes(b"0ne")
    with pytest.raises(ModelError, match="refused"):
        located(str(one.path), model_settings)
    other = one.folder / "other.gguf"
    other.write_bytes(b"other")
    assert located(str(other), model_settings).manifest is None


def test_a_version_is_never_replaced(model_settings):
    one = put(shared(model_settings), b"one")
    with pytest.raises(ModelError, match="is there already: a version is never replaced"):
        put(shared(model_settings), b"two")
    assert one.path.read_bytes() == b"one"
    assert sorted(path.name for path in one.folder.parent.iterdir()) == ["1"]


PUBLISH = """
import sys
from pathlib import Path
from docgen_plugin.errors import ModelError
from tests.registries import located, made, put
try:
    put(Path(sys.argv[1]), f"model {sys.argv[2]}".encode() * 100_000)
    print("won", sys.argv[2])
except ModelError as err:
    print(err)
"""
ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_of_several_publishers_at_once_one_wins_whole(model_settings):
    command = [sys.executable, "-c", PUBLISH, model_settings.registry]
    workers = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for number in range(4)
    ]
    told = [worker.communicate(timeout=60)[0].strip() for worker in workers]
    winner, *others = sorted(told, key=lambda line: not line.startswith("won"))
    assert winner.startswith("won")
    assert all("is there already" in one for one in others)
    own = shared(model_settings) / "shop"
    assert [path.name for path in own.iterdir()] == ["1"]
    content = located("shop", model_settings).path.read_bytes()
    assert content == f"model {winner.split()[1]}".encode() * 100_000


def test_what_fails_while_it_is_published_leaves_nothing(model_settings):
    def fill(folder):
        (folder / "shop.gguf").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model_folders.place(shared(model_settings), made(b"whole"), fill)
    assert list((shared(model_settings) / "shop").iterdir()) == []


def test_what_a_killed_process_left_is_no_version_and_goes_later(model_settings):
    own = shared(model_settings) / "shop"
    half = own / ".1.abc.tmp"
    half.mkdir(parents=True)
    (half / "shop.gguf").write_bytes(b"ha")
    assert located("shop", model_settings) is None
    put(shared(model_settings), b"one")
    assert half.is_dir()  # somebody may still fill it
    os.utime(half, (0, 0))
    put(shared(model_settings), b"two", version="2")
    assert not half.exists()


def test_a_registry_that_is_not_there_or_no_folder(model_settings, tmp_path):
    with pytest.raises(ModelError, match="gone: no such folder: mount it, or change the setting `registry`"):
        located("shop", replace(model_settings, registry=str(tmp_path / "gone")))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written"):
        put(tmp_path / "file", b"one")
    assert located("shop", replace(model_settings, registry="")) is None


@pytest.mark.slow
def test_a_registry_without_the_right_to_write():
    code = PUBLISH.replace("try:", "import os\nif os.geteuid() == 0:\n    os.setuid(65534)\ntry:", 1)
    # NOTE: not pytest's tmp_path: its parents are closed to other users, and root may write everywhere
    with tempfile.TemporaryDirectory(prefix="docgen-") as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", code, folder, "1"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert "cannot be written: Permission denied: ask for the right to write there" in done.stdout, (
            done.stderr
        )
        assert list(Path(folder).iterdir()) == []


def _adapter(config, base_sha256, name="style"):
    return put(shared(config), b"adapter", name=name, kind="adapter", base=Base("till", "", base_sha256))


def test_an_adapter_of_the_model_in_the_package_needs_nothing_more(model_settings):
    _adapter(model_settings, located("", model_settings).sha256)
    found = located("style", model_settings)
    assert [one.name for one in found.path.parent.glob("*.gguf")] == ["style.gguf"]


def test_an_adapter_brings_its_base_from_the_registry(model_settings):
    base = put(shared(model_settings), b"base", name="till")
    _adapter(model_settings, base.manifest.sha256)
    found = located("style", model_settings)
    beside = sorted(found.path.parent.glob("*.gguf"))
    assert [one.read_bytes() for one in beside] == [b"base", b"adapter"]
    shutil.rmtree(shared(model_settings))
    assert located("style@1", replace(model_settings, registry="")).path == found.path


def test_an_adapter_without_its_base_says_which_one(model_settings):
    _adapter(model_settings, "e" * 64)
    with pytest.raises(
        ModelError, match=r"style@1: is an adapter for till \(sha256 eeeeeeeeeeee...\), which is neither"
    ):
        located("style", model_settings)
