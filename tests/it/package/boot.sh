#!/bin/sh
# Boots the systemd of a root in namespaces of its own: processes, mounts, host name, network, control groups.
#
#   boot.sh ROOT GROUP
#
# GROUP is a control group (version 2) of its own, which is there. Whatever ends this process ends all that was booted:
# the mounts are in its own namespace, and go with it. Nothing is mounted outside, and no network is reached but its own.
set -eu

if [ "${3:-}" != inside ]; then
    echo 0 >"$2/cgroup.procs"
    # The parent's end is this one's, and with it that of process 1.
    exec setpriv --pdeathsig KILL \
        unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child "$0" "$1" "$2" inside
fi

mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 devices dev
for device in null,3 zero,5 full,7 random,8 urandom,9; do
    mknod -m 666 "dev/${device%,*}" c 1 "${device#*,}"
done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 terminals dev/pts
mount -t tmpfs memory dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p mnt/outside
pivot_root . mnt/outside
cd /
umount -l /mnt/outside
# As systemd-nspawn leaves it: what a service's own namespace mounts for all, such as credentials, is seen outside of it.
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /lib/systemd/systemd
