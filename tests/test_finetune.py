"""Fine-tuning on tiny random checkpoints of Llama, MPT and Qwen, for real: loss, merge, resume, packing, bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from docgen_training.base_tokens import BaseTokens
from docgen_training.bases import find_base, load_weights
from docgen_training.cli import cli
from docgen_training.completions import completions, documented, make_asking
from docgen_training.finetune import finetune
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.packing import LAYOUTS, Feed, answer_losses, choose_packing, fitting, lay_out
from docgen_training.records import write_records
from docgen_training.synthesize import synthesize

from docgen_plugin.errors import DocgenError, ModelError
from tests.tiny_checkpoints import FAMILIES, qwen_checkpoint

OPTIONS = FinetuneOptions(
    rank=4, epochs=1, rows=2, width=320, accumulate=1, rate=0.01, precision="f32", threads=1, device="cpu"
)
LAYOUT = {"llama": "tree", "mpt": "blocks", "qwen": "tree"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "team.jsonl"
    write_records(path, synthesize(6, seed=5))
    return path


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "valid.jsonl"
    write_records(path, synthesize(2, seed=99))
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The folder of each family's checkpoint; copy one before changing it."""
    folder = tmp_path_factory.mktemp("bases")
    return {family: make(folder / family, hidden=32) for family, make in FAMILIES.items()}


@pytest.fixture(scope="module")
def qwen(checkpoints):
    return checkpoints["qwen"]


def _steps(out):
    return [loss for _, loss in json.loads((out / "losses.json").read_text())["train"]]


@pytest.fixture(scope="module")
def whole(qwen, data, valid, tmp_path_factory):
    """A run of Qwen that was not stopped."""
    return finetune(str(qwen), [data], valid, tmp_path_factory.mktemp("whole") / "out", OPTIONS)


# --- packing --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def prompted(request, checkpoints, data):
    base = find_base(str(checkpoints[request.param]))
    tokens = BaseTokens(base, 4096)
    tables, _ = fitting(completions(documented([data]), make_asking("compact", tokens), 0.5, 1), 320)
    return request.param, load_weights(base).eval(), tables


def _losses(model, tables, layout, size):
    import torch

    feed = Feed(lay_out(tables, 320, layout), layout, size, 1)
    with torch.inference_mode():
        return torch.cat([answer_losses(model, batch, layout) for batch in feed.in_order("cpu")])


@pytest.mark.slow
def test_packed_answers_have_the_losses_they_have_alone(prompted):
    family, model, tables = prompted
    sample = [(shared, pairs[:3]) for shared, pairs in tables[:3]]
    alone = _losses(model, sample, "padded", 1)
    exact = ("tree", "blocks", "padded") if LAYOUT[family] == "tree" else ("blocks", "padded")
    for layout in exact:
        found = _losses(model, sample, layout, 3)
        assert found.shape == alone.shape == (sum(len(a) for _, pairs in sample for _, a in pairs),)
        assert float((found - alone).abs().max()) < 1e-4, layout
    if family == "mpt":  # its distances are counted in tokens: behind other answers the prefix looks far
        assert float((_losses(model, sample, "tree", 3) - alone).abs().max()) > 1e-2
    assert choose_packing(model, tables, "cpu") == LAYOUT[family]


def test_a_model_that_takes_no_mask_is_padded(prompted):
    family, model, tables = prompted

    class Deaf:
        """Takes a mask and does not mind it."""

        dtype, training, config = model.dtype, False, model.config

        def forward(self, input_ids, attention_mask, use_cache):
            return model(input_ids=input_ids, use_cache=use_cache)

        __call__ = forward

        def eval(self):
            return self

        train = lambda self, mode: self  # noqa: E731

    assert choose_packing(Deaf(), tables, "cpu") == "padded", family


def test_every_epoch_sees_every_row_once_in_its_own_order(prompted):
    _, _, tables = prompted
    for layout in LAYOUTS:
        feed = Feed(lay_out(tables, 320, layout), layout, 2, 7)
        epochs = []
        for epoch in range(2):
            batches = [feed.batch(epoch * feed.batches + one, "cpu") for one in range(feed.batches)]
            epochs.append([tuple(row[row > 0].tolist()) for batch in batches for row in batch.tokens])
        assert sorted(epochs[0]) == sorted(epochs[1])
        assert epochs[0] != epochs[1]
        assert len(epochs[0]) == len(feed.lengths)


def test_only_answers_are_targets(prompted):
    _, _, tables = prompted
    rows = lay_out(tables, 320, "tree")
    answers = sorted(tuple(answer) for _, pairs in tables for _, answer in pairs)
    found = []
    for tree, targets in zip(rows["tree"], rows["targets"], strict=True):
        for branch in sorted(set(tree[tree >= 0])):
            part = tuple(int(one) for one in targets[tree == branch] if one >= 0)
            found += [part] if part else []
    assert sorted(found) == answers


# --- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft's own call
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_loss_falls_and_the_merged_model_is_the_adapted_one(family, checkpoints, data, valid, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = finetune(str(checkpoints[family]), [data], valid, tmp_path / "out", OPTIONS)
    told = json.loads((out / "run.json").read_text())
    assert told["losses"]["valid"] < json.loads((out / "losses.json").read_text())["valid"][0][1] - 0.1
    assert told["layout"] == LAYOUT[family]
    assert told["prompt"] == "compact"
    assert told["data"][0]["records"] == 6
    assert told["data"][0]["licenses"]
    assert told["tokens"] > 0
    assert (out / "losses.png").read_bytes()[:4] == b"\x89PNG"
    assert not (out / "checkpoint").exists()

    base = load_weights(find_base(str(checkpoints[family])))
    adapted = PeftModel.from_pretrained(base, out / "adapter").eval()
    merged = AutoModelForCausalLM.from_pretrained(out / "merged").eval()
    tokenizer = AutoTokenizer.from_pretrained(out / "merged")
    ids = tokenizer("# orders\norder_id int\n", return_tensors="pt").input_ids
    with torch.inference_mode():
        with adapted.disable_adapter():
            before = adapted(ids).logits
        assert torch.allclose(adapted(ids).logits, merged(ids).logits, atol=1e-4)
        assert not torch.allclose(before, merged(ids).logits, atol=1e-2)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        assert (out / "merged" / file).read_bytes() == (checkpoints[family] / file).read_bytes()


@pytest.mark.slow
def test_a_full_run_keeps_the_type_of_the_base(data, tmp_path):
    import torch

    base = qwen_checkpoint(tmp_path / "base", hidden=32, dtype="bfloat16")
    options = replace(
        OPTIONS, method="full", precision="bf16", checkpointing=True, prompt="instruct", width=900, rate=0.03
    )
    out = finetune(str(base), [data], None, tmp_path / "out", options)
    merged = load_weights(find_base(str(out / "merged")))
    assert merged.dtype == torch.bfloat16
    assert not (out / "adapter").exists()
    start = load_weights(find_base(str(base)))
    changed = [
        name
        for (name, a), b in zip(start.named_parameters(), merged.parameters(), strict=True)
        if not torch.equal(a, b)
    ]
    assert len(changed) == len(list(start.parameters()))
    steps = _steps(out)
    assert steps[-1] < steps[0] - 0.1
    told = json.loads((out / "run.json").read_text())
    assert (told["prompt"], told["method"], told["losses"]["valid"]) == ("instruct", "full", None)


@pytest.mark.slow
def test_gradient_checkpointing_computes_the_same(whole, qwen, data, valid, tmp_path):
    out = finetune(str(qwen), [data], valid, tmp_path / "out", replace(OPTIONS, checkpointing=True))
    assert _steps(out) == pytest.approx(_steps(whole), abs=1e-4)


def _command(base, data, valid, out, *more):
    options = (
        "--rank 4 --epochs 1 --rows 2 --width 320 --accumulate 1 --rate 0.01 --precision f32 --threads 1"
    )
    script = Path(sys.executable).with_name("docgen-train")
    named = ["finetune", "--base", base, "--data", data, "--valid", valid, "--out", out]
    return [str(one) for one in (script, *named, *options.split(), "--device", "cpu", *more)]


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_been(whole, qwen, data, valid, tmp_path):
    """SIGTERM in the middle: one line, exit code 130, the checkpoint kept; the same command ends with the same losses."""
    out = tmp_path / "out"
    command = _command(qwen, data, valid, out, "--save-every", "0.01s")
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (out / "checkpoint" / "state.pt").exists():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 130, said
    assert said.strip().splitlines()[-1].startswith("docgen-train: stopped; the same command goes on")
    assert not (out / "merged").exists()

    refused = subprocess.run([*command, "--rank", "8", "--seed", "2"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "was begun with --rank 4, now 8; --seed 1, now 2" in refused.stderr
    assert refused.stderr.count("\n") == 1

    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert _steps(out) == pytest.approx(_steps(whole), abs=1e-5)


def test_a_finished_run_is_kept(whole, qwen, data, valid, tmp_path):
    before = (whole / "run.json").stat().st_mtime_ns
    assert finetune(str(qwen), [data], valid, whole, replace(OPTIONS, threads=2)) == whole
    assert (whole / "run.json").stat().st_mtime_ns == before
    with pytest.raises(DocgenError, match=r"holds a finished run with --epochs 1, now 2: name another --out"):
        finetune(str(qwen), [data], valid, whole, replace(OPTIONS, epochs=2))
    other = tmp_path / "other.jsonl"
    write_records(other, synthesize(3, seed=8))
    with pytest.raises(DocgenError, match=r"other\.jsonl is new or changed, .*team\.jsonl is missing"):
        finetune(str(qwen), [other], valid, whole, OPTIONS)


@pytest.mark.slow
def test_a_merge_that_failed_is_made_up_for(qwen, data, valid, tmp_path, monkeypatch, whole):
    """The trained weights are not lost with the last write: the checkpoint holds them."""
    out = tmp_path / "out"

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(BaseTokens, "copy_files", full)
        with pytest.raises(DocgenError, match="No space left on device; the checkpoint is kept"):
            finetune(str(qwen), [data], valid, out, OPTIONS)
    assert not (out / "merged").exists()
    finetune(str(qwen), [data], valid, out, OPTIONS)
    assert _steps(out) == pytest.approx(_steps(whole), abs=1e-6)
    assert (out / "merged" / "model.safetensors").exists()


def test_a_time_budget_ends_a_run(qwen, data, tmp_path):
    out = finetune(str(qwen), [data], None, tmp_path / "out", replace(OPTIONS, epochs=500, minutes=0.01))
    told = json.loads((out / "run.json").read_text())
    assert 0 < told["steps"] < 500


# --- bad input ------------------------------------------------------------------------------------------------------


def _copy(folder, to):
    shutil.copytree(folder, to)
    return to


def _edit(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _spoil(folder, what):
    """Spoil a copy of a base in one way."""
    if what == "no config":
        (folder / "config.json").unlink()
    elif what == "no weights":
        (folder / "model.safetensors").unlink()
    elif what == "cut weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    elif what == "no tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
            (folder / name).unlink()
    elif what == "bad tokenizer":
        (folder / "tokenizer.json").write_text('{"model": 5}')
    elif what == "unknown architecture":
        _edit(folder / "config.json", model_type="nosuch", architectures=["NoSuch"])
    elif what == "an encoder":
        _edit(folder / "config.json", model_type="t5", architectures=["T5Model"])
    elif what == "own code":
        auto = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
        _edit(folder / "config.json", model_type="mine", auto_map=auto)
    elif what == "more layers":
        _edit(folder / "config.json", num_hidden_layers=3, layer_types=["full_attention"] * 3)


SPOILT = [
    ("no config", "has no config.json"),
    ("no weights", "holds no weights"),
    ("cut weights", "cannot be loaded"),
    ("no tokenizer", "its tokenizer cannot be loaded"),
    ("bad tokenizer", "its tokenizer cannot be loaded"),
    ("unknown architecture", "cannot be loaded"),
    ("an encoder", "is no model that continues a text"),
    ("own code", "needs code of its own, which is not run"),
    ("more layers", "its files lack weights"),
]


@pytest.mark.parametrize(("what", "line"), SPOILT)
def test_a_base_that_cannot_be_used_is_told_in_one_line(what, line, qwen, data, tmp_path):
    base = _copy(qwen, tmp_path / "base")
    _spoil(base, what)
    with pytest.raises(ModelError, match=re.escape(line)) as caught:
        finetune(str(base), [data], None, tmp_path / "out", OPTIONS)
    assert "\n" not in str(caught.value)
    assert str(base) in str(caught.value)
    assert not (tmp_path / "out" / "checkpoint").exists()


MISTAKES = [
    ("no/such/folder/here", OPTIONS, "no such folder, and no name on the hub"),
    ("./nowhere", OPTIONS, "no such folder"),
    ("FILE", OPTIONS, "is a file: a base is a Hugging Face folder"),
    (
        "QWEN",
        replace(OPTIONS, targets=("nosuch",)),
        "has no such modules; it has down_proj, gate_proj, k_proj",
    ),
    ("QWEN", replace(OPTIONS, width=64), "no table with a question and its answer fits"),
    ("BARE", replace(OPTIONS, prompt="instruct"), "has no chat template"),
    ("QWEN", replace(OPTIONS, device="cuda"), "--device cuda: this torch sees no CUDA card"),
    ("QWEN", replace(OPTIONS, rate=1e30, method="full"), "start anew with a lower --rate"),
]


@pytest.mark.parametrize(("named", "options", "line"), MISTAKES, ids=[line for *_, line in MISTAKES])
def test_mistakes_are_told_in_one_line(named, options, line, qwen, data, tmp_path):
    import torch

    if options.device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a card")
    if named == "BARE":
        named = str(qwen_checkpoint(tmp_path / "bare", template="", hidden=32))
    named = {"QWEN": str(qwen), "FILE": str(data)}.get(named, named)
    with pytest.raises(DocgenError, match=re.escape(line)) as caught:
        finetune(named, [data], None, tmp_path / "out", options)
    assert "\n" not in str(caught.value)


RECORDS = [
    (
        '{"source": "s", "table": "t", "columns": [{"name": "a", "description": "A."}]}\n{"source": "s"}',
        ":2: .*no 'columns'",
    ),
    ('{"source": "s", "table": "t", "columns": [{"type": "int"}]}', ":1: .*no 'name'"),
    ('{"source": "s", "table": "t"', ":1: not a training record"),
    (
        '{"source": "s", "table": "t", "columns": [{"name": "a"}]}',
        "1 tables, none has a description to learn from",
    ),
    ("", "0 tables, none has a description to learn from"),
]


@pytest.mark.parametrize(("lines", "line"), RECORDS)
def test_bad_records_are_told_before_anything_is_loaded(lines, line, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(lines)
    with pytest.raises(DocgenError, match=line):
        finetune("no-such-base-is-asked-for", [path], None, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_told_before_the_start(qwen, data, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DocgenError, match=r"the disk has 0 MB left, .* take .* MB: make room"):
        finetune(str(qwen), [data], None, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_cannot_be_read_is_told(qwen, data, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DocgenError, match="lower --rate"):
        finetune(str(qwen), [data], None, out, replace(OPTIONS, rate=1e30, method="full"))
    (out / "checkpoint" / "state.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DocgenError, match=r"state\.pt: cannot go on from it"):
        finetune(str(qwen), [data], None, out, replace(OPTIONS, rate=1e30, method="full"))
    assert (out / "checkpoint" / "state.pt").read_bytes() == b"not a checkpoint"


def test_a_file_in_place_of_the_folder_is_told(qwen, data, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DocgenError, match="is a file; name a folder"):
        finetune(str(qwen), [data], None, tmp_path / "out", OPTIONS)
    result = CliRunner().invoke(cli, ["finetune", "--data", str(data), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert (tmp_path / "out").read_text() == "mine"


# --- the hub --------------------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ANSWERS = {
    "team/private": (401, {"X-Error-Code": "RepoNotFound"}),
    "team/gated": (403, {"X-Error-Code": "GatedRepo"}),
    "team/none": (404, {"X-Error-Code": "RepoNotFound"}),
    "team/broken": (500, {}),
}


@contextmanager
def _hub(folder):
    """Serve a folder as the model team/tiny in the hub's way; others answer as ANSWERS say."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.partition("?")[0]
            name = re.search(r"(team/\w+)", path)[1]  # type: ignore[index]
            if name != "team/tiny":
                return self._send(*ANSWERS[name], b"{}")
            if path.startswith("/api/") and "/revision/" in path and not path.endswith(("/v1", COMMIT)):
                return self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
            files = sorted(folder.iterdir())
            if "/tree/" in path:
                listed = [
                    {"type": "file", "path": one.name, "size": one.stat().st_size, "oid": "0" * 40}
                    for one in files
                ]
                return self._send(200, {}, json.dumps(listed).encode())
            if path.startswith("/api/"):
                listed = [{"rfilename": one.name, "size": one.stat().st_size} for one in files]
                return self._send(
                    200, {}, json.dumps({"id": name, "sha": COMMIT, "siblings": listed}).encode()
                )
            body = (folder / path.rpartition("/")[2]).read_bytes()
            return self._send(200, {"ETag": f'"{hash(body) & 0xFFFFFFFF:x}"', "X-Repo-Commit": COMMIT}, body)

        def _send(self, status, headers, body):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


HUB = """
import sys
from docgen_plugin.errors import DocgenError
from docgen_training.bases import find_base, load_weights
for name in sys.argv[1:]:
    try:
        base = find_base(name)
        print(base.name, base.revision, type(load_weights(base)).__name__)
    except DocgenError as err:
        print(err)
"""
HUB_LINES = [
    ("team/tiny@v1", f"team/tiny {COMMIT} Qwen2ForCausalLM"),
    (
        "team/private",
        "team/private: no such folder, and the hub shows no such model: check the name; for a private one log in",
    ),
    ("team/none", "team/none: no such folder, and the hub shows no such model"),
    ("team/gated", "team/gated: its owner asks who uses it: accept the terms at"),
    ("team/tiny@v9", "team/tiny: has no revision 'v9'"),
    ("team/broken", "team/broken: no such folder, and it cannot be fetched from the hub: "),
]


@pytest.mark.slow
def test_a_base_of_the_hub(qwen, tmp_path):
    """The real client against a server that answers as the hub does."""
    names = [name for name, _ in HUB_LINES]
    with _hub(qwen) as address:
        lines = _find_bases(address, tmp_path, names)
    for line, (_, wanted) in zip(lines, HUB_LINES, strict=True):
        assert line.startswith(wanted)
    # nobody answers any more: what was fetched serves on
    kept, none = _find_bases(address, tmp_path, ["team/tiny@v1", "team/none"])
    assert kept == HUB_LINES[0][1]
    assert none.startswith("team/none: no such folder, and it cannot be fetched from the hub: ")
    assert none.endswith("try again, or name a folder")


def _find_bases(address, home, names):
    told = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    run = subprocess.run(
        [sys.executable, "-c", HUB, *names], capture_output=True, text=True, env={**os.environ, **told}
    )
    lines = run.stdout.splitlines()
    assert len(lines) == len(names), run.stdout + run.stderr
    return lines
