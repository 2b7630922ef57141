#!/bin/sh
# Every static check, as CI runs them: Python by ruff and mypy; C by cppcheck, gcc's analyzer, gcc and clang with all
# warnings as errors, both also for every board's firmware. Ends with the first that complains. Needs apt's cppcheck,
# clang, gcc-arm-none-eabi and gcc-riscv64-unknown-elf; says which is missing.
#
#   tools/lint.sh            # with the Python of the environment: PYTHON=... for another
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

need() {
    command -v "$1" >/dev/null || { echo "$1 is not installed: apt-get install $2" >&2; exit 2; }
}
need cppcheck cppcheck
need clang clang
need gcc gcc
need arm-none-eabi-gcc "gcc-arm-none-eabi libnewlib-arm-none-eabi"
need riscv64-unknown-elf-gcc "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"

say() { printf '%s\n' "$*" >&2; }
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
common="-std=c99 -ffp-contract=off -fno-math-errno -Idevice/include -Idevice/src"
portable="device/src/*.c device/src/kernels/*.c device/src/portable/*.c"

say "ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .
say "mypy"
"$python" -m mypy

say "cppcheck"
# unreadVariable: does not see a buffer that is read through a pointer in a struct. unusedStructMember: nor members that
# assembly reads, or that stand for bytes of a bundle.
cppcheck --quiet --std=c99 --error-exitcode=1 --enable=warning,style,performance,portability \
    --suppress=missingIncludeSystem --suppress=unreadVariable --suppress=unusedStructMember \
    -Idevice/include -Idevice/src -Itests/device device/src tests/device tools/bench
# comparePointers: the linker places the arrays between whose ends memory lies. No style: it takes what hardware changes
# for constant (a word of flash read back).
cppcheck --quiet --std=c99 --error-exitcode=1 --enable=warning,performance,portability \
    --suppress=missingIncludeSystem --suppress=comparePointers \
    -DBOARD_NAME='"any"' -DBOARD_MAX_PAYLOAD=768 -DBOARD_CREDIT=2 -DBOARD_RECEIVE_BUFFER=2048 \
    -Idevice/include -Ifirmware/app firmware

"$python" tools/vectors/make_header.py "$scratch/vectors.h"
say "gcc, with its analyzer"
for file in $portable; do
    gcc $common $warnings -O2 -fanalyzer -c "$file" -o "$scratch/out.o"
done
say "clang"
for file in $portable tests/device/*.c tests/device/fuzz/*.c; do
    case $file in */platform_board.c) continue ;; esac
    clang $common $warnings -O2 -Itests/device -I"$scratch" -c "$file" -o "$scratch/out.o"
done
say "gcc for Cortex-M0, Cortex-M4F, Cortex-M55 and RISC-V"
for file in $portable; do
    arm-none-eabi-gcc $common $warnings -O2 -mcpu=cortex-m0 -mthumb -c "$file" -o "$scratch/out.o"
    riscv64-unknown-elf-gcc $common $warnings -O2 -march=rv32imac -mabi=ilp32 --specs=picolibc.specs \
        -c "$file" -o "$scratch/out.o"
done
for file in device/src/*.c device/src/kernels/*.c device/src/cortex_m4/*.c; do
    arm-none-eabi-gcc $common $warnings -O2 -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard \
        -c "$file" -o "$scratch/out.o"
done
for file in device/src/*.c device/src/kernels/*.c device/src/cortex_m4/*.c device/src/helium/*.c; do
    [ -f "$file" ] || continue
    arm-none-eabi-gcc $common $warnings -O2 -mcpu=cortex-m55 -mthumb -mfloat-abi=hard -fno-tree-vectorize \
        -c "$file" -o "$scratch/out.o"
done

say "the Python extension"
python_include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
extension="$common $warnings -O2 -DPy_LIMITED_API=0x030B0000 -Idevice/src -c host/edgetwin/core/_core.c"
# no-pedantic: Python's slots hold functions as void *, which ISO C has no conversion for.
gcc $extension -Wno-pedantic -isystem "$python_include" -o "$scratch/out.o"
clang $extension -isystem "$python_include" -o "$scratch/out.o"

say "the learning engine"
engine=host/edgetwin/dictionary
engine_common="-std=gnu99 -Wall -Wextra -Wconversion -Wshadow -Werror -O2"
cppcheck --quiet --std=c99 --error-exitcode=1 --enable=warning,performance,portability \
    --suppress=missingIncludeSystem -DENGINE_ISA=base $engine/engine
for compiler in gcc clang; do
    $compiler $engine_common -DPy_LIMITED_API=0x030B0000 -DENGINE_X86 -isystem "$python_include" \
        -c $engine/_engine.c -o "$scratch/out.o"
    for type in -UENGINE_DOUBLE -DENGINE_DOUBLE; do
        for isa in base "avx2 -mavx2 -mfma" "avx512 -mavx512f -mavx512dq"; do
            [ "$isa" = base ] || [ "$(uname -m)" = x86_64 ] || continue
            for file in $engine/engine/*.c; do
                $compiler $engine_common $type -DENGINE_ISA=$isa -c "$file" -o "$scratch/out.o"
            done
        done
    done
done

say "firmware"
# A line a source of each board: its compiler, clang's own flags, those that clang does not know, the source, the flags.
"$python" - >"$scratch/firmware" <<'EOF'
from pathlib import Path

from edgetwin.boards import boards

# The C library's headers where each compiler has them; clang takes no specs and no version of the instruction set.
CLANG = {
    "cc": ["-O2"],
    "arm-none-eabi-gcc": ["--target=arm-none-eabi", "-isystem", "/usr/lib/arm-none-eabi/include"],
    "riscv64-unknown-elf-gcc": [
        "--target=riscv32-unknown-elf", "-isystem", "/usr/lib/picolibc/riscv64-unknown-elf/include"
    ],
}
drivers = Path("firmware/boards")
for name, board in boards().items():
    own = [*(drivers / name).glob("*.c"), *(drivers / path for path in (*board.shared, *board.program_sources))]
    limits = {macro.upper(): value for macro, value in board.node.model_dump().items()}
    defines = [f"-DBOARD_{macro}={value}" for macro, value in {"NAME": f'"{name}"', **limits}.items()]
    unknown = [flag for flag in board.flags if flag.startswith(("--specs=", "-misa-spec="))]
    flags = [flag for flag in board.flags if flag not in unknown] + defines
    for source in (*sorted(own), Path("firmware/app/main.c")):
        print(board.compiler, ",".join(CLANG[board.compiler]), ",".join(unknown) or "-", source, *flags)
EOF
while read -r compiler clang_only unknown source flags; do
    [ "$unknown" = - ] && unknown=
    $compiler $(echo "$unknown" | tr , ' ') $common $warnings -O2 $flags -Ifirmware/app -c "$source" -o "$scratch/out.o"
    clang $(echo "$clang_only" | tr , ' ') $common $warnings $flags -Ifirmware/app -fsyntax-only "$source"
done <"$scratch/firmware"
say "clean"
