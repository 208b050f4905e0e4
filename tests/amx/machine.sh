#!/usr/bin/env bash
# Runs a Linux program on an emulated x86-64 CPU that has AMX (tile, int8, bf16).
#
#   tests/amx/machine.sh [--env NAME=VALUE]... [--with PATH]... [--limit SECONDS] BINARY [ARGS...]
#
#   --env NAME=VALUE  sets a variable for the program; nothing else is handed on
#   --with PATH       copies a file or folder into the emulated machine, at the same path
#   --limit SECONDS   ends the run after that time (default 1800), with exit code 124
#
# The program's output (both streams) comes on standard output, and its exit code is this script's:
# 124 for the time limit, 125 for any other failure of the emulation itself. It runs as root in the
# current folder's path, in memory, with the shared libraries that ldd names.
#
# AMX_CACHE   where the emulator and the kernel are kept (default target/amx); made in a few minutes
# AMX_MEMORY  memory of the emulated machine in MiB, 256 to 2048 (default 1024)
#
# The emulator is Bochs. The kernel is Linux, built here with two changes. Bochs has no XFD, the
# fault by which Linux gives a thread room for its tiles on first use, and without it Linux hides
# AMX: so here every thread has that room from its start. The kernel is a small one, to boot fast.
set -euo pipefail

# All that decides what is emulated is pinned; the libraries Bochs needs follow their suite. Both
# suites are stable ones, whose packages change at point releases only.
emulator_suite=trixie
emulator=(bochs=3.0+dfsg-1 bochs-term=3.0+dfsg-1 libc6 libgcc-s1 libltdl7 libncurses6
    libreadline8t64 libsamplerate0 libstdc++6 libtinfo6)
kernel_suite=bookworm
kernel=(linux-source-6.1=6.1.176-1 busybox-static=1:1.35.0-4+deb12u1+b1 bc bison flex m4 libfl2)
# This version multiplies signed bytes as if they were unsigned ones, in all four of the tile
# instructions for bytes. These are the places (hexadecimal, in usr/bin/bochs-bin) where a sign is
# to be extended, with the old and the new bytes: first in the body of tdpbssd, then of the right
# operand alone in the body that tdpbusd and tdpbsud share. So tdpbsud stays wrong.
signs=(
    2743be:440fb6c2:440fbec2 2743c2:0fb6c6:0fbec6 2743c5:440fb6d1:440fbed1 2743c9:0fb6ed:0fbeed
    2743d3:c1e918:c1f918 2743dd:450fb6d2:450fbed2 2743e7:c1ea18:c1fa18 2743f1:450fb6c0:450fbec0
    274705:440fb6d1:440fbed1 274709:0fb6ed:0fbeed 274713:c1e918:c1f918 27471d:450fb6d2:450fbed2
)
# Change this number with anything that prepares the cache, so that an older one is made anew.
recipe=1

here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "amx: $*" >&2; exit 125; }

variables=()
extra=()
limit=1800
while [ $# -gt 0 ]; do
    case $1 in
    --env) variables+=("${2:?--env needs NAME=VALUE}"); shift 2 ;;
    --with) extra+=("$(realpath "${2:?--with needs a path}")"); shift 2 ;;
    --limit) limit=${2:?--limit needs seconds}; shift 2 ;;
    --) shift; break ;;
    -*) fail "unknown option $1" ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || fail "usage: machine.sh [--env NAME=VALUE] [--with PATH] [--limit S] BINARY [ARGS]"
program=$(realpath "$1")
[ -x "$program" ] || fail "cannot run $1"
shift
for v in ${variables[@]+"${variables[@]}"}; do
    [[ $v =~ ^[A-Za-z_][A-Za-z_0-9]*= ]] || fail "--env takes NAME=VALUE, not $v"
done

mkdir -p "${AMX_CACHE:=target/amx}"
cache=$(cd "$AMX_CACHE" && pwd)
memory=${AMX_MEMORY:-1024}
[ "$memory" -ge 256 ] && [ "$memory" -le 2048 ] || fail "AMX_MEMORY is from 256 to 2048"

# ---- The parts that are made once ----

# Fetches packages of a suite and unpacks them into a folder. The archive's address is the one the
# system's own apt uses; the lists are kept apart, so that nothing of the system changes.
fetch() {
    local suite=$1 into=$2 uri spec apt
    shift 2
    uri=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 !~ /security|updates|backports/ { print $2; exit }')
    [ -n "$uri" ] || fail "apt names no archive to fetch packages from"
    apt=$into.apt
    mkdir -p "$apt/lists" "$apt/cache/archives/partial" "$apt/debs" "$into"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" \
        >"$apt/sources.list"
    apt=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    apt-get "${apt[@]}" update >&2 || fail "cannot read the package lists of $suite"
    for spec; do
        (cd "$into.apt/debs" && apt-get "${apt[@]}" download "$spec" >&2) ||
            fail "package $spec is not in $suite (any more); pin another version in $0"
    done
    for spec in "$into.apt/debs"/*.deb; do
        dpkg-deb -x "$spec" "$into"
    done
    rm -rf "$into.apt"
}

prepare_emulator() {
    local dir=$1 library names name binary place at old new found
    fetch "$emulator_suite" "$dir" "${emulator[@]}"
    binary=$dir/usr/bin/bochs-bin
    for place in "${signs[@]}"; do
        IFS=: read -r at old new <<<"$place"
        found=$(od -An -v -tx1 -j $((0x$at)) -N $((${#old} / 2)) "$binary" | tr -d ' \n')
        [ "$found" = "$old" ] || fail "bochs-bin has $found at $at, not $old: see signs in $0"
        printf '%b' "$(sed 's/../\\x&/g' <<<"$new")" |
            dd of="$binary" bs=1 seek=$((0x$at)) conv=notrunc status=none
    done
    # Bochs is linked to GTK for the window of its debugger, which never opens here: a stand-in that
    # has the names it asks for spares a hundred packages.
    nm -D --undefined-only "$binary" |
        awk '$2 ~ /^(g|gdk|gtk|pango)_/ { print "void " $2 "(void) { __builtin_trap(); }" }' \
            >"$dir/stand-in.c"
    mkdir -p "$dir/stand-in"
    names=$(readelf -d "$binary" |
        sed -n 's/.*NEEDED.*\[\(lib\(gtk\|gdk\|pango\|gobject\|glib\)[^]]*\)\].*/\1/p')
    library=
    for name in $names; do
        if [ -z "$library" ]; then
            library=$name
            gcc -w -fno-builtin -shared -fPIC -o "$dir/stand-in/$name" "$dir/stand-in.c"
        else
            ln -s "$library" "$dir/stand-in/$name"
        fi
    done
    gcc -c -x assembler-with-cpp -o "$dir/rom.o" "$here/rom.S"
    objcopy -O binary -j .text "$dir/rom.o" "$dir/rom.bin"
    # Bochs insists on a VGA BIOS: the shortest one whose bytes add up to zero.
    { printf '\x55\xaa\x01\xcb'; head -c 507 /dev/zero; printf '\x35'; } >"$dir/vga.bin"
}

prepare_kernel() {
    local dir=$1 tools=$1/tools/usr source entry
    fetch "$kernel_suite" "$dir/tools" "${kernel[@]}"
    cp "$dir/tools/bin/busybox" "$dir/busybox"
    source=$(echo "$dir"/tools/usr/src/linux-source-*.tar.xz)
    mkdir "$dir/source"
    tar -C "$dir/source" --strip-components=1 -xf "$source"
    (
        cd "$dir/source"
        # Tiles are saved like all other registers, not by XFD's fault.
        sed -i 's/^\(#define XFEATURE_MASK_USER_DYNAMIC\).*/\1 0ULL/' \
            arch/x86/include/asm/fpu/xstate.h
        sed -i '/BUILD_BUG_ON(XFEATURE_MASK_USER_DYNAMIC != /d' arch/x86/kernel/fpu/core.c
        # That makes a thread's registers larger than a page.
        sed -i 's/u8 __padding\[PAGE_SIZE\];/u8 __padding[4 * PAGE_SIZE];/' \
            arch/x86/include/asm/fpu/types.h
        # objtool would need libelf, and nothing that this small kernel has needs objtool.
        sed -i '/select HAVE_OBJTOOL\t/d' arch/x86/Kconfig
        export PATH=$tools/bin:$PATH BISON_PKGDATADIR=$tools/share/bison M4=$tools/bin/m4
        export LD_LIBRARY_PATH=$tools/lib/x86_64-linux-gnu
        make ARCH=x86_64 tinyconfig
        sed 's/^/CONFIG_/' >fragment <<-'END'
		64BIT=y
		ADVISE_SYSCALLS=y
		BINFMT_ELF=y
		BINFMT_SCRIPT=y
		BLK_DEV_INITRD=y
		BUG=y
		CC_OPTIMIZE_FOR_PERFORMANCE=y
		DEVTMPFS=y
		EPOLL=y
		EVENTFD=y
		FILE_LOCKING=y
		FUTEX=y
		HIGH_RES_TIMERS=y
		HYPERVISOR_GUEST=y
		HZ_100=y
		HZ_PERIODIC=y
		INET=y
		IPV6=n
		JUMP_LABEL=n
		MEMBARRIER=y
		MULTIUSER=y
		NET=y
		PCI=n
		POSIX_TIMERS=y
		PRINTK=y
		PROC_FS=y
		PVH=y
		RD_BZIP2=n
		RD_GZIP=n
		RD_LZ4=n
		RD_LZMA=n
		RD_LZO=n
		RD_XZ=n
		RD_ZSTD=n
		RSEQ=y
		SERIAL_8250=y
		SERIAL_8250_CONSOLE=y
		SHMEM=y
		SIGNALFD=y
		SMP=n
		SPECULATION_MITIGATIONS=n
		SYSFS=y
		TIMERFD=y
		TMPFS=y
		TTY=y
		UNIX=y
		UNIX98_PTYS=y
		UNWINDER_GUESS=y
		VT=n
		X86_KERNEL_IBT=n
END
        scripts/kconfig/merge_config.sh -m .config fragment
        make ARCH=x86_64 olddefconfig
        nice make ARCH=x86_64 -j"$(nproc)" vmlinux
    ) >"$dir/build.log" 2>&1 || {
        tail -n 20 "$dir/build.log" >&2
        fail "the kernel did not build"
    }
    objcopy -O binary "$dir/source/vmlinux" "$dir/kernel.bin"
    # Linux's entry point for virtual machines. The kernel's addresses begin at physical zero plus
    # 0xffffffff80000000, of which the lower half is enough.
    entry=$(nm "$dir/source/vmlinux" | awk '$3 == "pvh_start_xen" { print substr($1, 9) }')
    echo $((0x$entry - 0x80000000)) >"$dir/entry"
    rm -rf "$dir/tools" "$dir/source"
}

# Two runs that begin at the same time prepare only one cache.
exec 9>"$cache/lock"
flock 9
if [ "$(cat "$cache/recipe" 2>/dev/null)" != "$recipe" ]; then
    for tool in apt-get awk dpkg-deb flock gcc ldd make nm objcopy perl readelf xz; do
        command -v "$tool" >/dev/null || fail "needs $tool"
    done
    echo "amx: preparing $cache, once: this takes some minutes" >&2
    rm -rf "$cache/emulator" "$cache/kernel"
    mkdir "$cache/kernel"
    prepare_emulator "$cache/emulator"
    prepare_kernel "$cache/kernel"
    echo "$recipe" >"$cache/recipe"
fi
exec 9>&-

# ---- This run ----

run=$(mktemp -d "$cache/run.XXXXXX")
emulated=
reader=
cleanup() {
    [ -z "$emulated" ] || kill -KILL "$emulated" 2>/dev/null || true
    [ -z "$reader" ] || kill "$reader" 2>/dev/null || true
    rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# A word in single quotes, for the emulated machine's shell.
quote() { local q="'\\''"; printf "'%s'" "${1//\'/$q}"; }

root=$run/root
place() { mkdir -p "$root$(dirname "$1")"; cp -aL "$1" "$root$1"; }
mkdir -p "$root"/{bin,dev,proc,sys,tmp} "$root$PWD"
cp "$cache/kernel/busybox" "$root/bin/busybox"
mkdir -p "$root$(dirname "$program")"
objcopy --strip-debug "$program" "$root$program" 2>/dev/null || place "$program"
{ ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | sort -u >"$run/libraries" || true
while read -r library; do
    [ -e "$root$library" ] || place "$library"
done <"$run/libraries"
for path in ${extra[@]+"${extra[@]}"}; do
    place "$path"
done
{
    echo 'export HOME=/tmp PATH=/bin'
    for v in ${variables[@]+"${variables[@]}"}; do
        echo "export ${v%%=*}=$(quote "${v#*=}")"
    done
    printf 'cd %s\nexec %s' "$(quote "$PWD")" "$(quote "$program")"
    for a; do printf ' %s' "$(quote "$a")"; done
    echo
} >"$root/program"
# The second serial line carries the program's output and nothing else; the first one carries the
# kernel's messages and the exit code. Closing a line waits until all of it is sent.
cat >"$root/init" <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b ln -s /proc/self/fd /dev/fd
$b mkdir /dev/pts /dev/shm
$b mount -t devpts pts /dev/pts
$b mount -t tmpfs shm /dev/shm
$b ifconfig lo 127.0.0.1 up
$b --install -s /bin
(
    exec >/dev/ttyS1 2>&1 </dev/null
    $b stty -F /dev/ttyS1 115200 raw -echo
    $b sh /program
)
echo "amx-exit $?" >/dev/ttyS0
# Time for the line to be sent, before the kernel's last words.
$b sleep 0.1
$b reboot -f
END
chmod +x "$root/init"
(cd "$root" && find . | "$cache/kernel/busybox" cpio -o -H newc 2>/dev/null) >"$run/initrd"
rm -rf "$root"

# The disk: the list of its pieces, then the start block with what it points to, then the kernel,
# then the files. Numbers are little-endian.
u32() {
    local v
    for v; do
        v=$((v))
        printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((v & 255)) $((v >> 8 & 255)) \
            $((v >> 16 & 255)) $((v >> 24 & 255)))"
    done
}
u64() { local v; for v; do u32 $((v & 0xffffffff)) $((v >> 32)); done; }
pad() { truncate -s "%$2" "$1"; }
size() { stat -c %s "$1"; }

initrd_at=0x8000000
initrd_size=$(size "$run/initrd")
# The kernel unpacks the files beside the place they were read to.
[ $((initrd_at + 2 * initrd_size + (64 << 20))) -le $((memory << 20)) ] ||
    fail "the program and its files, $((initrd_size >> 20)) MiB, need a larger AMX_MEMORY"
{
    u32 0x336ec578 1 0 1          # magic, version, flags, number of modules
    u64 0x6080 0x7000 0 0x6100    # module list, command line, no ACPI, memory map
    u32 3 0                       # entries in the memory map
} >"$run/start"
pad "$run/start" 128
u64 $initrd_at "$initrd_size" 0 0 >>"$run/start"
pad "$run/start" 256
{
    u64 0 0x9fc00; u32 1 0
    u64 0xf0000 0x10000; u32 2 0
    u64 0x100000 $(((memory << 20) - 0x100000)); u32 1 0
} >>"$run/start"
pad "$run/start" 4096
# clearcpuid=580 is FSRM: Bochs has it without ERMS, which Linux's memmove takes to be impossible.
printf '%s\0' "console=ttyS0 quiet nokaslr tsc=reliable lpj=1000000 nolapic reboot=t panic=-1 \
random.trust_cpu=on idle=halt no_timer_check clearcpuid=580 8250.nr_uarts=2" >>"$run/start"
pad "$run/start" 512
cp "$cache/kernel/kernel.bin" "$run/kernel"
pad "$run/kernel" 512
pad "$run/initrd" 512
sector=1
for piece in "start 0x6000" "kernel 0x1000000" "initrd $initrd_at"; do
    read -r name address <<<"$piece"
    sectors=$(($(size "$run/$name") / 512))
    u32 "$address" $sector $sectors
    sector=$((sector + sectors))
done >"$run/disk"
u32 "$(cat "$cache/kernel/entry")" 0 0 >>"$run/disk"
pad "$run/disk" 512
cat "$run/start" "$run/kernel" "$run/initrd" >>"$run/disk"
rm "$run/start" "$run/kernel" "$run/initrd"

# Without TPAUSE, which Bochs is so slow at that Linux's short delays stall the boot, and without
# the compact forms of XSAVE, whose faults the next version's list of changes speaks of. Without
# AVX-512 BF16: with an operand in memory its product was another here than on a CPU that has it.
# Emulated time runs by instructions alone, so that waiting costs nothing.
cat >"$run/bochsrc" <<END
cpu: model=sapphire_rapids, ips=100000000, reset_on_triple_fault=0
cpu: exclude_features="waitpkg, xsaves, xsavec, avx512bf16"
memory: guest=$memory, host=$memory
romimage: file=$cache/emulator/rom.bin
vgaromimage: file=$cache/emulator/vga.bin
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path=$run/disk, cylinders=0, heads=16, spt=63
floppya: type=none
com1: enabled=1, mode=file, dev=$run/console
com2: enabled=1, mode=file, dev=$run/output
pci: enabled=0
parport1: enabled=0
speaker: enabled=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
clock: sync=none
display_library: term
log: $run/log
panic: action=fatal
error: action=ignore
info: action=report
debug: action=ignore
END

libraries=$cache/emulator/usr/lib/x86_64-linux-gnu
mkfifo "$run/output"
cat "$run/output" &
reader=$!
exec 3>"$run/output"
TERM=dumb LTDL_LIBRARY_PATH=$libraries/bochs/plugins BXSHARE=$cache/emulator/usr/share/bochs \
    timeout -s KILL "$limit" "$libraries/ld-linux-x86-64.so.2" \
    --library-path "$cache/emulator/stand-in:$libraries" "$cache/emulator/usr/bin/bochs-bin" \
    -q -f "$run/bochsrc" </dev/null >"$run/screen" 2>&1 &
emulated=$!
# The kernel's triple fault, by which it powers off, is a failure to Bochs: only the line counts.
ended=0
wait "$emulated" 2>/dev/null || ended=$?
emulated=
exec 3>&-
wait "$reader" || true
reader=
touch "$run/console"
code=$(tr -d '\r' <"$run/console" | sed -n 's/^amx-exit \([0-9]*\)$/\1/p' | tail -n 1)
if [ -n "$code" ]; then
    exit "$code"
fi
if [ $ended -eq 137 ]; then
    echo "amx: ended after the limit of $limit seconds (--limit)" >&2
    exit 124
fi
tail -n 20 "$run/screen" "$run/console" >&2
fail "the emulated machine stopped before the program did"
