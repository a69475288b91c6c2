#!/bin/sh
# What `make demo` shows: the commands as a person types them, and what they answer.
set -eu
bin=$1 shelf=$2 clip=$3
export MODELCTL_ROOT="$PWD/$shelf" PATH="$PWD/$bin:$PATH"

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

show modelctl status
show modelctl fetch musicnn
show modelctl list --for genre-classification
show modelctl run musicnn "$clip"
show modelctl run librosa "$clip"
show modelctl extract "$clip" --model musicnn,librosa,essentia,opensmile --out .demo/features
printf '\n>>> features = modelctl.extract("musicnn", "%s")\n' "$clip"
python - "$clip" <<'PYTHON'
import sys

import modelctl

features = modelctl.extract("musicnn", sys.argv[1])
print("values", features.values.shape, "clip", features.clip.shape, "times", features.times.round(2))
print("layer", features.provenance["layer"], "of", features.provenance["parameters"]["checkpoint"])
PYTHON
