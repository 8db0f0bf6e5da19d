"""llama.cpp's converter with what it cannot be told by its options; runs in a process of its own.

python -m docgen_training.converter_process SCRIPT CHECKPOINT OUT SETTINGS

SETTINGS is a JSON object: `split` is the name of the split to take when the converter's hash knows none, empty to go by
its definition, `metadata` the texts to write into the file. Exit code 3 says that the last line on standard error is for people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from docgen_training.splits import known_split

__all__ = ["FAILED", "NAMED", "main"]

FAILED = 3
NAMED = "docgen: split named "  # on standard error, with the name, when the hash did not know it

# the converter knows the names of the models' own code on the hub, not all that transformers gives the same network
_ALIASES = {"MptForCausalLM": "MPTForCausalLM"}


def main(script: Path, checkpoint: Path, out: Path, settings: Path) -> None:
    """Convert a checkpoint to an F16 GGUF."""
    wanted = json.loads(settings.read_text("utf-8"))
    sys.path.insert(0, str(script.parent))
    converter: Any = import_module(script.stem)
    base: Any = import_module("conversion.base")
    text_model = base.TextModel
    text_model.get_vocab_base_pre = _naming(text_model.get_vocab_base_pre, wanted["split"])
    text_model.prepare_metadata = _telling(text_model.prepare_metadata, wanted["metadata"])
    converter.get_model_architecture = _architecture(converter.get_model_architecture, converter)
    sys.argv = [str(script), str(checkpoint), "--outfile", str(out), "--outtype", "f16"]
    converter.main()


def _naming(known: Callable[..., str], split: str) -> Callable[..., str]:
    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            backend = getattr(tokenizer, "backend_tokenizer", None)
            name = split or (known_split(backend.to_str()) if backend is not None else "")
            if name:
                print(NAMED + name, file=sys.stderr)
                return name
            _fail("split")

    return get_vocab_base_pre


def _telling(prepare: Callable[..., None], metadata: dict[str, str]) -> Callable[..., None]:
    def prepare_metadata(self: Any, vocab_only: bool) -> None:
        prepare(self, vocab_only)
        for key, value in metadata.items():
            self.gguf_writer.add_string(key, value)

    return prepare_metadata


def _architecture(find: Callable[..., str], converter: Any) -> Callable[..., str]:
    def get_model_architecture(hparams: dict[str, Any], model_type: Any) -> str:
        found = find(hparams, model_type)
        name = _ALIASES.get(found, found)
        try:
            converter.get_model_class(name)
        except NotImplementedError:
            _fail("architecture")
        return name

    return get_model_architecture


def _fail(why: str) -> NoReturn:
    # SystemExit: the converter catches every Exception of a tokenizer and tries the next kind
    print(why, file=sys.stderr)
    raise SystemExit(FAILED)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
