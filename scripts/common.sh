# What the scripts share: where things are, how to speak, how to become root.
# shellcheck shell=bash disable=SC2034
set -Eeuo pipefail
trap 'say "line $LINENO: this did not work: $BASH_COMMAND"' ERR

# The project's directory.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything the scripts make or build, but for cargo's own target directory.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vdomain/scripts

# Programs built because Debian lacks them come first; where Debian 13 keeps virtiofsd, and
# what a user without /sbin in PATH misses, come last.
export PATH="$cache/tools/bin:$PATH:/usr/libexec:/usr/sbin:/sbin"

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$EUID" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# virtiofsd cannot enter its sandbox below a root that is not a mount point, which a plain
# chroot's is not. There, root runs the script again on a mount of the same tree. It is stacked
# on /proc, since that mount can be made private, so that nothing shows outside.
stand_on_mount_point() {
    if [ "$EUID" != 0 ] || awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        return
    fi
    # shellcheck disable=SC2016
    exec unshare --mount --propagation unchanged bash -ec '
        mount --make-private /proc
        mount --rbind / /proc
        mount --make-rslave /proc
        exec chroot /proc "$@"' - "$top/scripts/${0##*/}" "$@"
}
