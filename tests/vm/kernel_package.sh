# SPDX-License-Identifier: BSD-2-Clause
# Prepares a distribution's kernel for QEMU: apt fetches it, and it gets an initramfs that mounts the host's root.
# shellcheck shell=bash
# boot.sh sources this file, and sets $vm (this directory) and $busybox (a static busybox). The machine's own apt
# configuration and lists are not changed.
: "${vm:?}"

: "${JSGUARD_VM_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/jsguard-vm}"

# The suites from which kernels can come. They are in the archive that the machine's apt sources name.
readonly suites=(bullseye bookworm trixie trixie-backports)
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# The modules that the guest's root and the system tests need. A module that is built into a kernel has no file.
readonly modules=(
    virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci fuse virtiofs overlay veth
)

# private_apt PROGRAM ARGUMENTS...: runs apt-get or apt-cache with separate lists and sources.
private_apt() { "$1" -c "$JSGUARD_VM_CACHE/apt/apt.conf" "${@:2}"; }

# archive_address: prints the archive from which this machine takes its own release.
archive_address() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v release="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" '$1 == release { print $2; exit }'
}

# update_lists: updates the package lists of all suites.
update_lists() {
    local apt=$JSGUARD_VM_CACHE/apt address suite
    address=$(archive_address)
    [[ -n $address ]] || return 1
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    for suite in "${suites[@]}"; do
        echo "deb [signed-by=$keyring] $address $suite main"
    done >"$apt/sources.list"
    # The machine's own commands for after an update must not run for these lists.
    cat >"$apt/apt.conf" <<CONF
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
    private_apt apt-get -qq update
}

# newest_package VERSION: prints the image package of that version's last release. "newest": the last of all versions.
newest_package() {
    local version='[0-9]+\.'
    [[ $1 == newest ]] || version="${1//./\\.}[.+-]"
    private_apt apt-cache search --names-only "^linux-image-$version.*-cloud-amd64\$" | awk '{ print $1 }' |
        sort --version-sort | tail -n 1
}

# packages_of IMAGE: prints the image package, and the packages that have its parts on newer systems.
packages_of() {
    echo "$1"
    private_apt apt-cache depends --important "$1" |
        grep -oE "linux-(binary|modules)-[^ ]*-cloud-amd64" | sort -u || true
}

# unpack_kernel BZIMAGE ELF: extracts the kernel, so that the guest need not decompress it in emulation. Writes no file if
# the kernel is packed in an unknown format. The offsets are those of the x86 boot protocol.
unpack_kernel() {
    local sectors offset size unpack
    sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
    read -r offset size < <(od -An -tu4 -j $((0x248)) -N 8 "$1")
    tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c "$size" >"$2.packed"
    for unpack in 'zstd -dc' 'lz4 -dc' 'xz -dc --single-stream'; do
        # A size field follows the compressed data. It is no part of the format, and each program complains.
        $unpack <"$2.packed" >"$2" 2>/dev/null || true
        [[ $(head -c 4 "$2") == $'\x7fELF' ]] && break
        rm "$2"
    done
    rm "$2.packed"
}

# copy_module FILE TO: copies a module, and decompresses it.
copy_module() {
    case $1 in
    *.xz) xz -dc "$1" >"$2" ;;
    *.zst) zstd -qdc "$1" >"$2" ;;
    *) cp "$1" "$2" ;;
    esac
}

# make_initramfs TREE TO: builds the initramfs from an unpacked kernel package.
make_initramfs() {
    local root=$1.initramfs name file number=10
    mkdir -p "$root"/{bin,proc,sys,dev,ro,rw,new,modules}
    cp -L "${busybox:?}" "$root/bin/busybox"
    cp "$vm/init.sh" "$root/init"
    chmod 755 "$root/init"
    for name in "${modules[@]}"; do
        file=$(find "$1" -name "$name.ko*" | head -n 1)
        [[ -n $file ]] || continue
        copy_module "$file" "$root/modules/$((number++))-$name.ko"
    done
    (cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) | gzip -1 >"$2"
    rm -r "$root"
}

# fetch_kernel VERSION DIRECTORY: fetches and unpacks a kernel. It writes the file "package" last. Its caller tests the
# result, so the shell's option -e has no effect in this function.
fetch_kernel() {
    local image packages compressed deb debs=$2/debs
    # Old lists may name packages that the archive no longer has.
    image=$(newest_package "$1" 2>/dev/null) || true
    if [[ -z $image || -n $(find "$JSGUARD_VM_CACHE/apt/sources.list" -mmin +720) ]]; then
        update_lists || return 1
        image=$(newest_package "$1")
    fi
    [[ -n $image ]] || return 1
    mapfile -t packages < <(packages_of "$image")
    mkdir -p "$debs" "$2/tree"
    (cd "$debs" && private_apt apt-get -qq download "${packages[@]}") || return 1
    for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$2/tree" || return 1; done
    rm -r "$debs"
    compressed=$(find "$2/tree" \( -name vmlinuz -o -name 'vmlinuz-*' \) -type f | head -n 1)
    [[ -n $compressed ]] || return 1
    unpack_kernel "$compressed" "$2/kernel"
    [[ -s $2/kernel ]] || cp "$compressed" "$2/kernel"
    echo "$image" >"$2/package"
}

# kernel_directory VERSION: prints the directory with its kernel, initramfs, package name and unpacked tree. Fetches the
# kernel if it is not there.
kernel_directory() {
    local directory=$JSGUARD_VM_CACHE/$1
    mkdir -p "$JSGUARD_VM_CACHE"
    (
        flock 9
        if [[ ! -s $directory/package ]]; then
            rm -rf "$directory"
            fetch_kernel "$1" "$directory" || exit 1
        fi
        if [[ ! -s $directory/initramfs.gz || $vm/init.sh -nt $directory/initramfs.gz ||
            $vm/kernel_package.sh -nt $directory/initramfs.gz ]]; then
            make_initramfs "$directory/tree" "$directory/initramfs.gz"
        fi
    ) 9>"$JSGUARD_VM_CACHE/lock" >&2 || return 1
    echo "$directory"
}
