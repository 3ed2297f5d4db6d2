#!/usr/bin/env bash
# Make music up, train a small model on it, and judge it: the way of the default weights, in small.
# Before: apt install fluidsynth fluid-soundfont-gm timgm6mb-soundfont
#         pip install -c constraints.txt '.[train]'
# Usage: bash train_small.sh [DIR]
set -euo pipefail
folder=${1:-small}

rtmss data synth "$folder/data" --songs 16 --valid 4
rtmss train small --data "$folder/data" --output "$folder/run"
rtmss evaluate "$folder/data" --weights "$folder/run/weights.safetensors"
