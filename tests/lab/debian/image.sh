# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# The lab's second image: Debian's own packages with systemd as PID 1, as far as
# a dom0 needs them. They come from where this machine's apt has its packages.
# A file system image of them is kept; each run writes on a copy of it, and its
# own files are laid over it by our small initrd (init).

debian_packages=(systemd systemd-sysv udev kmod e2fsprogs busybox-static
                 xen-utils-4.17 xen-utils-common xenstore-utils
                 libaio1 libev4 libinih1 libjansson4 libnbd0 libsystemd0)
# what a real machine has and a dom0 of half a minute does not need
debian_masked=(dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
               fstrim.timer getty@.service getty-static.service
               serial-getty@.service ldconfig.service
               proc-sys-fs-binfmt_misc.automount systemd-binfmt.service
               systemd-ask-password-wall.path systemd-hwdb-update.service
               systemd-journal-catalog-update.service systemd-logind.service
               systemd-pstore.service systemd-random-seed.service
               systemd-tmpfiles-clean.timer systemd-update-utmp.service
               systemd-update-utmp-runlevel.service hwclock.service)

# apt's own configuration: where packages are, and through which proxy
debian_fetch() { # ROOT
  local sources
  apt-config dump Acquire::http > "$work/apt.conf"
  sources=$(find /etc/apt/sources.list* -name '*.sources' -o -name '*.list')
  # shellcheck disable=SC2046,SC2086
  mmdebstrap --quiet --mode=root --variant=essential \
    --aptopt="$work/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --include="$(IFS=,; echo "${debian_packages[*]}")" \
    "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$1" $sources
}

debian_configure() { # ROOT
  local unit
  for unit in "${debian_masked[@]}"; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
  done
  mkdir -p "$1/etc/systemd/journald.conf.d" "$1/var/lib/xen/save"
  printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' \
    > "$1/etc/systemd/journald.conf.d/lab.conf"
  echo lab > "$1/etc/hostname"
  echo 127.0.0.1 localhost lab > "$1/etc/hosts"
  echo "XENCONSOLED_ARGS='--log=all --log-dir=/var/log/xen/console'" \
    >> "$1/etc/default/xen"
  mkdir -p "$1/var/log/xen/console"
  tr -d - < /proc/sys/kernel/random/uuid > "$1/etc/machine-id"
}

# $debian_base: made once, and again when the text above has changed
find_debian_base() {
  local folder=${VBDD_LAB_CACHE:-${top_builddir:-.}/lab-cache}
  debian_base=$folder/debian-$(sha256sum < "$here/debian/image.sh" |
                               cut -c1-16).ext4
  [ ! -e "$debian_base" ] || return 0
  [ "$(id -u)" = 0 ] || die "only root can make the Debian image"
  mkdir -p "$folder"
  rm -f "$folder"/debian-*.ext4
  debian_fetch "$work/root" 2>"$work/log" ||
    { cat "$work/log" >&2; die "the Debian image cannot be made"; }
  debian_configure "$work/root"
  mke2fs -q -t ext4 -d "$work/root" "$folder/new" 1G >/dev/null
  rm -rf "$work/root"
  mv "$folder/new" "$debian_base"
  echo "LAB: the Debian image was made in $SECONDS s" >&2
}

# What a run adds to the image; Debian brings libraries itself.
make_debian() { # ROOT
  libraries=no
  find_debian_base
  put_modules "$1" "${dom0_modules[@]}" xen-blkfront autofs4
  put "$1" "$here/debian/run" /lab/run
  put "$1" "$here/debian/lab.service" /etc/systemd/system/lab.service
  machine+=(-drive "file=$debian_base,if=none,id=root,format=raw,snapshot=on"
            -device virtio-blk-pci,drive=root,serial=lab-root,addr=0x1e)
}

# In the image /bin, /lib and /sbin are links.
merge_usr() { # ROOT
  local name
  for name in bin lib lib64 sbin; do
    [ -d "$1/$name" ] || continue
    mkdir -p "$1/usr/$name"
    cp -a "$1/$name/." "$1/usr/$name/"
    rm -r "${1:?}/$name"
  done
}

pack_debian() { # ROOT INITRD
  local init=$work/init
  merge_usr "$1"
  mkdir -p "$init/lib"
  put_busybox "$init"
  mv "$1" "$init/overlay"
  ln -s ../overlay/usr/lib/modules "$init/lib/modules"
  cp "$here/debian/init" "$init/init"
  chmod +x "$init/init" "$init/overlay/lab/run"
  pack "$init" "$2"
}
