"""A fine-tuning run in small: a LoRA of a few steps on a tiny base, with the run.json that tells of it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from docgen_training.parity import table_text
from docgen_training.records import write_records
from docgen_training.synthesize import synthesize

from docgen_plugin.files import digest

__all__ = ["tuned"]


def tuned(base: Path, out: Path, steps: int = 6) -> Path:
    """Write the folder of a run whose adapter is not merged yet; return it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out.mkdir(parents=True)
    records = list(synthesize(12, seed=5))
    write_records(out / "records.jsonl", records)
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    torch.manual_seed(0)
    # lora_B starts from random numbers instead of zeros: the merged weights must differ from the base's
    config = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-2)
    for record in records[:steps]:
        ids = torch.tensor([tokenizer(table_text(record.table))["input_ids"][:200]])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(out / "adapter")
    (out / "run.json").write_text(
        json.dumps(
            {
                "method": "lora",
                "prompt": "compact",
                "base": {
                    "name": str(base),
                    "revision": "",
                    "sha256": digest(base / "model.safetensors"),
                },
                "options": {"rank": 4, "steps": steps},
                "data": [
                    {
                        "path": "records.jsonl",
                        "sha256": digest(out / "records.jsonl"),
                        "records": len(records),
                        "licenses": ["Apache-2.0", "MIT"],
                    }
                ],
                "code_commit": "0123abc",
                "seconds": 1.5,
            }
        ),
        "utf-8",
    )
    return out
