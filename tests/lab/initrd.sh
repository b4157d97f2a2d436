# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Making file systems for Linux guests from what this machine has: busybox,
# programs with their libraries, the modules of the kernel $release.

die() { echo "lab: $*" >&2; exit 99; }

# Debian's newest: $kernel and its $release
find_kernel() {
  kernel=$(ls /boot/vmlinuz-*-amd64 2>/dev/null | tail -n 1)
  release=${kernel#/boot/vmlinuz-}
  [ -n "$kernel" ]
}

# put ROOT FILE [PATH]: a file, with the libraries that it is linked with
libraries=yes # or no
put() {
  local root=$1 file=$2 path=${3:-$2} library
  [ -e "$file" ] || die "there is no $file"
  mkdir -p "$root${path%/*}"
  cp -L "$file" "$root$path"
  [ $libraries = yes ] || return 0
  for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ )]*' || true); do
    [ -e "$root$library" ] || put "$root" "$library"
  done
}

# put_modules ROOT MODULE...: with what they need
put_modules() {
  local root=$1 module file
  shift
  mkdir -p "$root/lib/modules/$release"
  for module; do
    modprobe -S "$release" --show-depends "$module" | awk '/^insmod/{print $2}'
  done | sort -u | while read -r file; do
    mkdir -p "$root${file%/*}"
    cp "$file" "$root$file"
  done
  cp "/lib/modules/$release"/modules.{builtin,order} "$root/lib/modules/$release/"
  depmod -b "$root" "$release" 2>/dev/null
}

put_busybox() {
  local root=$1 applet
  mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,tmp,run,mnt,etc,root}
  mkdir -p "$root/var/log"
  cp /bin/busybox "$root/bin/"
  for applet in $(/bin/busybox --list | grep -vx busybox); do
    ln -sf busybox "$root/bin/$applet"
  done
}

# pack ROOT FILE: as an initrd
pack() { (cd "$1" && find . | cpio -o -H newc --quiet | gzip -1) > "$2"; }
