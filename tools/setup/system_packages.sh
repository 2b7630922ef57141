#!/usr/bin/env bash
# Installs the system packages of a task, with apt-get where it may; otherwise says which command to run.
# usage: system_packages.sh native|board|riscv|test      exit 0: all there; 1: something is missing
set -euo pipefail

task=${1:?usage: system_packages.sh native|board|riscv|test}

# Prints the packages that are missing (Debian's names).
missing() {
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v python3 >/dev/null || echo python3
    # What pip needs: virtual environments, and the headers for the C core.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    python3 -c 'import os, sysconfig as s, sys; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' \
        2>/dev/null || echo python3-dev
    [ "$task" = native ] && return
    if [ "$task" != board ]; then
        command -v riscv64-unknown-elf-gcc >/dev/null || echo gcc-riscv64-unknown-elf
        [ -d /usr/lib/picolibc/riscv64-unknown-elf ] || echo picolibc-riscv64-unknown-elf
        command -v qemu-system-riscv32 >/dev/null || echo qemu-system-misc
    fi
    [ "$task" = riscv ] && return
    command -v arm-none-eabi-gcc >/dev/null || echo gcc-arm-none-eabi
    # gcc prints a bare name if it does not find the library
    case "$(arm-none-eabi-gcc -print-file-name=libc.a 2>/dev/null || true)" in
        */*) ;;
        *) echo libnewlib-arm-none-eabi ;;
    esac
    command -v qemu-system-arm >/dev/null || echo qemu-system-arm
    [ "$task" = board ] && return
    command -v cppcheck >/dev/null || echo cppcheck
    if command -v clang >/dev/null; then
        # libFuzzer and the sanitizers are a package of their own, of clang's version
        ls "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer*.a >/dev/null 2>&1 ||
            echo "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    else
        echo clang
    fi
}

# Installs packages by apt-get where it may; otherwise says what to run and ends.
install() {
    local command=(apt-get install -y -qq --no-install-recommends "$@") root=()
    if ! command -v apt-get >/dev/null; then
        echo "missing: $*. Install them with your system's package manager (these are Debian's names)." >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "missing: $*. Run: sudo apt-get update && sudo ${command[*]}" >&2
            exit 1
        fi
        root=(sudo -n)
    fi
    echo "installing $*" >&2
    # An update only if the lists do not do as they are.
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" >&2 || {
        "${root[@]}" apt-get update -qq >&2
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" >&2
    }
}

# Twice: which libclang-rt is wanted is known once clang is there.
for _ in 1 2; do
    needed=$(missing | xargs)
    [ -z "$needed" ] && exit 0
    # shellcheck disable=SC2086 # words on purpose
    install $needed
done
needed=$(missing | xargs)
[ -z "$needed" ] || { echo "still missing after the installation: $needed" >&2; exit 1; }
