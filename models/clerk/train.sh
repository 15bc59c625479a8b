#!/bin/sh
# The clerk from nothing, in one command: three legs of training, then the GGUF. Needs Python 3 with PyTorch and NumPy
# (Debian: python3-torch), Node, no network and no GPU; about 45 million tokens, of which
# one quiet core did 3,000 a second. The same machine gives the same bytes (tried with `quick`, twice).
#
#   models/clerk/train.sh OUT            # OUT/clerk-q8_0.gguf
#   models/clerk/train.sh OUT quick      # twenty steps of each leg: shows that it runs
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?Say where to write: models/clerk/train.sh OUT}
part=${2:+1000}
part=${part:-1}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export OPENBLAS_CORETYPE=SkylakeX OPENBLAS_NUM_THREADS=1 PYTHONHASHSEED=0
python=${PYTHON:-python3}
cd "$here"
steps() { echo $(( $1 / part > 20 ? $1 / part : 20 )); }
begin() { echo "leg $1: $2 steps, see $out/leg$1/train.log" >&2; mkdir -p "$out/leg$1"; }
finish() { node export.mjs --run "$out/leg$1" --out "$out/leg$1.gguf" >&2; }

# From nothing, on the old generator's plain messages.
n=$(steps 11250)
begin 1 "$n"
"$python" train.py --steps "$n" --workers 1 --batch 16 --seed 1 --out "$out/leg1"
finish 1

# Mail.
n=$(steps 3500)
begin 2 "$n"
"$python" finetune.py --base "$out/leg1.gguf" --steps "$n" --batch 10 --lr 6e-4 --seed 11 --out "$out/leg2"
finish 2

# More mail, and its words in the vocabulary.
n=$(steps 5000)
begin 3 "$n"
"$python" finetune.py --base "$out/leg2.gguf" --grow 2400 --steps "$n" --batch 12 --lr 7e-4 --old-share .12 --seed 12 --out "$out/leg3"
finish 3

mv "$out/leg3.gguf" "$out/clerk-q8_0.gguf"
sha256sum "$out/clerk-q8_0.gguf"
