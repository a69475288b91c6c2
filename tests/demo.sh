#!/bin/sh
# What `make demo` shows: the commands as a person types them, and what they answer.
set -eu
bin=$1 shelf=$2 clip=$3
export MODELCTL_ROOT="$PWD/$shelf" PATH="$PWD/$bin:$PATH"

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

if python -c 'import torch' 2>/dev/null; then
    heard=musicnn models=musicnn,librosa,essentia,opensmile
else
    heard=opensmile models=librosa,essentia,opensmile
    echo "pip would take torch's CUDA build here (nearly 3 GB), so Musicnn is fetched and proven, and not run;"
    echo "with PIP_EXTRA_INDEX_URL set to the index of CPU builds that PyTorch's start page names, it is: make clean demo"
fi

show modelctl status
show modelctl fetch musicnn
show modelctl list --for genre-classification
show modelctl run "$heard" "$clip"
show modelctl run librosa "$clip"
show modelctl extract "$clip" --model "$models" --out .demo/features
printf '\n>>> features = modelctl.extract("%s", "%s")\n' "$heard" "$clip"
python - "$heard" "$clip" <<'PYTHON'
import sys

import modelctl

features = modelctl.extract(sys.argv[1], sys.argv[2])
print("values", features.values.shape, "clip", features.clip.shape, "times", features.times.round(2))
print("what ran:", features.provenance["model"], features.provenance["layer"] or "", features.provenance["parameters"])
PYTHON
