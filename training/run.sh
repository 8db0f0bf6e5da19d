#!/usr/bin/env bash
# The whole journey, a line a stage: from the dictionary and a corpus of documented schemas to a GGUF with its scores.
#   training/run.sh CORPUS [RUNS] [MINUTES]
# CORPUS holds warehouse.jsonl.xz and api.jsonl.xz (to learn from) and valid.jsonl.xz (never trained on).
set -euo pipefail
corpus=${1:?the folder of the corpus}
runs=${2:-training/runs}
minutes=${3:-90}
model=$runs/docgen-base.gguf

docgen-train clean "$corpus/warehouse.jsonl.xz" "$corpus/api.jsonl.xz" --out "$runs/corpus.jsonl.xz"
docgen-train synthesize --tables 60000 --seed 2 --out "$runs/synthetic.jsonl.xz"
docgen-train synthesize --tables 30000 --seed 7 --fillers "$runs/corpus.jsonl.xz" --out "$runs/copy.jsonl.xz"
docgen-train vocabulary "$runs/synthetic.jsonl.xz" "$runs/corpus.jsonl.xz" --size 8192 --out "$runs/tokenizer.model"
docgen-train encode "$runs/synthetic.jsonl.xz" --tokenizer "$runs/tokenizer.model" --out "$runs/synthetic.npz"
docgen-train encode "$runs/copy.jsonl.xz" --tokenizer "$runs/tokenizer.model" --out "$runs/copy.npz"
docgen-train encode "$runs/corpus.jsonl.xz" --raw --tokenizer "$runs/tokenizer.model" --out "$runs/raw.npz"
docgen-train pretrain --tokenizer "$runs/tokenizer.model" --out "$runs/base" --minutes "$minutes" \
    --data "$runs/copy.npz=0.45:0.35" --data "$runs/synthetic.npz=0.40:0.62" --data "$runs/raw.npz=0.15:0.03"
docgen-train export "$runs/base" --quantise F16 --out "$runs/docgen-base-f16.gguf"
docgen-train parity "$runs/base" "$runs/docgen-base-f16.gguf" --data "$corpus/valid.jsonl.xz"
docgen-train export "$runs/base" --out "$model"
docgen-train evaluate "$model" --data "$corpus/valid.jsonl.xz" --out "$runs/scores.json"
docgen-train card "$runs/base" "$model" --scores "$runs/scores.json" --out "$runs/docgen-base.md"
