#!/usr/bin/env bash
# Installs the system packages of a task, with apt-get where it may; otherwise says which command to run.
# usage: system_packages.sh native|board|test      exit 0: all there; 1: something is missing
set -euo pipefail

task=${1:?usage: system_packages.sh native|board|test}
# command that proves the package is there : package
needs=("cc:gcc" "make:make")
if [ "$task" != native ]; then
    needs+=("arm-none-eabi-gcc:gcc-arm-none-eabi" "qemu-system-arm:qemu-system-arm")
fi
if [ "$task" = test ]; then
    needs+=("clang:clang" "cppcheck:cppcheck")
fi

missing=()
for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
# Headers and libraries that come without a command of their own.
if [ "$task" != native ] && ! [ -e /usr/lib/arm-none-eabi/newlib/libc.a ] && ! [ -e /usr/lib/arm-none-eabi/lib/libc.a ] &&
    ! arm-none-eabi-gcc -print-file-name=libc.a 2>/dev/null | grep -q /; then
    missing+=("libnewlib-arm-none-eabi")
fi
if [ "$task" = test ]; then
    # libFuzzer's and the sanitizers' runtime, of the clang that the package brings
    if ! command -v clang >/dev/null || ! [ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a)" ]; then
        version=$(clang -dumpversion 2>/dev/null | cut -d. -f1 || true)
        missing+=("libclang-rt-${version:-14}-dev")
    fi
fi
[ ${#missing[@]} -eq 0 ] && exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then
        root=()
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        root=(sudo -n)
    else
        echo "missing: ${missing[*]}. Run: sudo ${install[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}" >&2
    # An update first only if the lists are older than the packages asked for.
    DEBIAN_FRONTEND=noninteractive "${root[@]}" "${install[@]}" -qq >&2 ||
        { "${root[@]}" apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive "${root[@]}" "${install[@]}" -qq >&2; }
    exit 0
fi
echo "missing: ${missing[*]}. Install them with your system's package manager (Debian's names)." >&2
exit 1
