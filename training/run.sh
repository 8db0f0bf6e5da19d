#!/usr/bin/env bash
# The whole journey, a line a stage: from seeds, a teacher's tables, the dictionary and a corpus to a GGUF with its scores.
#   training/run.sh CORPUS [RUNS] [TIME]
# CORPUS holds warehouse.jsonl.xz and api.jsonl.xz (to learn from) and valid.jsonl.xz (never trained on).
# The teacher's tables are in the repository; to have others written:
#   docgen-train seeds --out seeds.jsonl && docgen-train teach seeds.jsonl --teacher https://host/v1 --model NAME --out taught.jsonl.xz
#   docgen-train curate taught.jsonl.xz --out training/teacher/tables.jsonl.xz
set -euo pipefail
corpus=${1:?the folder of the corpus}
runs=${2:-training/runs}
budget=${3:-3h}
model=$runs/docgen-base.gguf
teacher=training/teacher
tokens="--tokenizer $runs/tokenizer.model"

docgen-train clean "$corpus/warehouse.jsonl.xz" "$corpus/api.jsonl.xz" --out "$runs/corpus.jsonl.xz"
docgen-train clean --house "$corpus/warehouse.jsonl.xz" --out "$runs/house.jsonl.xz"
docgen-train synthesize --tables 24000 --seed 31 --out "$runs/synthetic.jsonl.xz"
docgen-train synthesize --tables 30000 --seed 17 --fillers "$runs/corpus.jsonl.xz" --out "$runs/copy.jsonl.xz"
docgen-train vocabulary "$runs/synthetic.jsonl.xz" "$teacher/tables.jsonl.xz" "$runs/corpus.jsonl.xz" --size 8192 --out "$runs/tokenizer.model"
docgen-train encode "$teacher/tables.jsonl.xz" $tokens --hints 0.4 --out "$runs/teacher.npz"
docgen-train encode "$runs/house.jsonl.xz" $tokens --hints 0.3 --out "$runs/house.npz"
docgen-train encode "$runs/synthetic.jsonl.xz" $tokens --hints 0.3 --out "$runs/synthetic.npz"
docgen-train encode "$runs/copy.jsonl.xz" $tokens --hints 0.3 --out "$runs/copy.npz"
docgen-train encode "$runs/corpus.jsonl.xz" --raw $tokens --out "$runs/raw.npz"
docgen-train pretrain $tokens --out "$runs/base" --time-budget "$budget" --decay-from 0.6 --style-from 0.85 \
    --data "$runs/copy.npz=0.50:0.20" --data "$runs/synthetic.npz=0.30:0.20" --data "$runs/raw.npz=0.20:0.08" \
    --data "$runs/teacher.npz=0.0:0.45" --data "$runs/house.npz=0.0:0.07" \
    --style "$runs/teacher.npz=0.72" --style "$runs/house.npz=0.10" --style "$runs/synthetic.npz=0.18"
docgen-train export "$runs/base" --quantise F16 --out "$runs/docgen-base-f16.gguf"
docgen-train parity "$runs/base" "$runs/docgen-base-f16.gguf" --data "$corpus/valid.jsonl.xz"
docgen-train export "$runs/base" --out "$model"
docgen-train evaluate "$model" --data "$corpus/valid.jsonl.xz" --known "$corpus/warehouse.jsonl.xz" --out "$runs/evaluation"
docgen-train study make --data "$corpus/valid.jsonl.xz" --system "docgen=$model" --system template --system dictionary \
    --key "$runs/study/key.json" --out "$runs/study/sheet"
docgen-train card "$runs/base" "$model" --scores "$runs/evaluation/scores.json" --out "$runs/docgen-base.md"
open=Apache-2.0,MIT,BSD,MPL-2.0,CC0-1.0,CC-BY-4.0
docgen-train manifest "$model" --scores "$runs/evaluation/scores.json" --data "$teacher/tables.jsonl.xz=Apache-2.0" \
    --data "$runs/synthetic.jsonl.xz=Apache-2.0" --data "$runs/copy.jsonl.xz=$open" --data "$runs/corpus.jsonl.xz=$open" \
    --data "$runs/house.jsonl.xz=$open"
