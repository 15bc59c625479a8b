#!/usr/bin/env bash
# What a GPU does to speed and to sameness: builds llama.cpp for CUDA out of the source in the npm package, without a network, and
# measures. Meant to take 10 minutes on 16 cores, nearly all of it nvcc. Has not been run on a GPU yet.
#
#   bench/gpu/run.sh [--dry-run] [--bundle FILE]
#
#   --dry-run   no CUDA: the package's own CPU libraries, one round; says what it can without a GPU
#   --bundle    llama.cpp's source as a git bundle, when there is no node_modules here
#   CUDAARCHS   the GPU's architecture, when CMake can't find it out (90 for an H200)
#
# Needs git, a C compiler, and for CUDA cmake and nvcc. The table goes to stdout and to $OUT/gpu.md, if OUT names a folder.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bundle=$root/node_modules/node-llama-cpp/llama/gitRelease.bundle
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=1 ;;
    --bundle) bundle=${2:?--bundle takes a file}; shift ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; [ "$1" = --help ] && exit 0; exit 2 ;;
  esac
  shift
done

need() { command -v "$1" >/dev/null || { echo "There is no \`$1\` here: $2." >&2; exit 1; }; }
need git "llama.cpp's source is a git bundle"
need "${CC:=cc}" "measure.c has to be built"
[ -f "$bundle" ] || { echo "There is no $bundle: install the packages, or name one with --bundle." >&2; exit 1; }

work=$root/cache/gpu
mkdir -p "$work"
if [ ! -f "$work/llama.cpp/include/llama.h" ]; then
  rm -rf "$work/llama.cpp"
  git clone --quiet "$bundle" "$work/llama.cpp" 2>/dev/null
fi
source=$work/llama.cpp
headers=(-I "$source/include" -I "$source/ggml/include")

if [ -n "$dry" ]; then
  libraries=$(cd "$root/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64" && pwd -P)
  link=("$libraries"/libllama.v*.so "$libraries"/libggml.v*.so "$libraries/libggml-base.so" "-Wl,-rpath,$libraries")
  backend=("$libraries/libggml-cpu-haswell.so")
  rounds=1
else
  need cmake "llama.cpp has to be built"
  PATH=$PATH:/usr/local/cuda/bin
  need nvcc "llama.cpp has to be built for CUDA; --dry-run does without"
  # AVX2 and FMA as canonical mode has them; one GPU architecture, or it takes an hour.
  cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_CUDA=ON \
    -DCMAKE_CUDA_ARCHITECTURES="${CUDAARCHS:-native}" -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON \
    -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_COMMON=OFF >"$work/cmake.log" 2>&1 || { tail -20 "$work/cmake.log" >&2; exit 1; }
  cmake --build "$work/build" --target llama -j "$(nproc)" >"$work/build.log" 2>&1 || { tail -20 "$work/build.log" >&2; exit 1; }
  libraries=$work/build/bin
  link=("$libraries/libllama.so" "$libraries/libggml.so" "$libraries/libggml-base.so" "-Wl,-rpath,$libraries")
  backend=()
  rounds=5
fi

for program in model measure; do
  "$CC" -O2 -Wall -Wextra "${headers[@]}" "$root/bench/gpu/$program.c" -o "$work/$program" "${link[@]}" -lm
done
[ -f "$work/model.gguf" ] || { "$work/model" "$work/model.gguf.part" && mv "$work/model.gguf.part" "$work/model.gguf"; }
{
  echo "llama.cpp: $(git -C "$source" describe --tags --always)${dry:+, the libraries of the npm package}"
  "$work/measure" "$work/model.gguf" "$rounds" "${backend[@]}"
  if [ -z "$dry" ] && [ -d "$root/node_modules/node-llama-cpp" ] && command -v node >/dev/null; then
    printf '\nThe engine beside llama.cpp on this machine (npm run bench:inference):\n\n'
    node "$root/scripts/setUp.mjs" run "$root/bench/inference.ts" --rounds 5
  fi
} | if [ -n "${OUT:-}" ]; then tee "$OUT/gpu.md"; else cat; fi
