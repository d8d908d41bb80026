# The words a test's script has in the guest, besides busybox's; docs/testing.md lists them.
# shellcheck shell=sh

# Prints a sysfs attribute, or `-` where the device has none.
attribute() {
    value=
    { read -r value <"$1"; } 2>/dev/null
    echo "${value:--}"
}

# Prints the last component of what a sysfs link points to, or `-`.
link() {
    target=$(readlink "$1") || target=-
    echo "${target##*/}"
}

# Prints the address of the PCI device that a sysfs device sits on, or `-`.
pci_address() {
    address=$(readlink -f "$1" | grep -o '[0-9a-f]\{4\}:[0-9a-f]\{2\}:[0-9a-f]\{2\}\.[0-7]' | tail -n 1)
    echo "${address:--}"
}

# Prints the serial number of a disk as its bus has it: SCSI and SATA disks keep it in page 80
# of the vital product data, behind four bytes.
disk_serial() {
    for file in "$1/serial" "$1/device/serial"; do
        if [ -e "$file" ]; then
            attribute "$file"
            return
        fi
    done
    serial=$(tail -c +5 "$1/device/vpd_pg80" 2>/dev/null | tr -d '\0 ')
    echo "${serial:--}"
}

# Prints which kind of firmware started the guest.
firmware() {
    if [ -d /sys/firmware/efi ]; then
        echo 'firmware uefi'
    else
        echo 'firmware bios'
    fi
}

disks() {
    for disk in /sys/block/*; do
        name=${disk##*/}
        case $name in
            '*' | loop* | ram*) continue ;;
            sd* | sr*) scsi=$(link "$disk/device") ;;
            *) scsi=- ;;
        esac
        # A floppy's size is known once it was opened.
        true 2>/dev/null <"/dev/$name"
        pci=$(pci_address "$disk")
        if [ "$pci" = - ]; then
            driver=$(link "$disk/device/driver")
        else
            driver=$(link "/sys/bus/pci/devices/$pci/driver")
        fi
        echo "disk $name size=$(($(attribute "$disk/size") * 512))" \
            "serial=$(disk_serial "$disk") driver=$driver pci=$pci scsi=$scsi" \
            "ro=$(attribute "$disk/ro") block=$(attribute "$disk/queue/logical_block_size")" \
            "discard=$(attribute "$disk/queue/discard_max_bytes")" \
            "cache=$(attribute "$disk/queue/write_cache" | tr ' ' -)"
    done
}

pci() {
    for device in /sys/bus/pci/devices/*; do
        vendor=$(attribute "$device/vendor") product=$(attribute "$device/device")
        class=$(attribute "$device/class")
        echo "pci ${device##*/} id=${vendor#0x}:${product#0x} class=${class#0x}" \
            "driver=$(link "$device/driver")"
    done
}

interfaces() {
    for interface in /sys/class/net/*; do
        name=${interface##*/}
        [ "$name" = lo ] && continue
        echo "interface $name mac=$(attribute "$interface/address")" \
            "driver=$(link "$interface/device/driver") pci=$(pci_address "$interface/device")" \
            "mtu=$(attribute "$interface/mtu")"
    done
}

# Asks for an address on every interface, or on those named.
dhcp() {
    [ $# -gt 0 ] || for interface in /sys/class/net/*; do
        [ "$interface" = /sys/class/net/lo ] || set -- "$@" "${interface##*/}"
    done
    for name; do
        ip link set "$name" up
        udhcpc -i "$name" -n -q -t 8 -T 1 -s /etc/udhcpc.sh 2>/dev/null ||
            echo "address $name none"
    done
}

# share 9p|virtiofs TAG [OPTIONS]: mounts a share on /mnt/TAG.
share() {
    mkdir -p "/mnt/$2"
    case $1 in
        9p) mount -t 9p -o "trans=virtio,version=9p2000.L${3:+,$3}" "$2" "/mnt/$2" ;;
        virtiofs) mount -t virtiofs ${3:+-o "$3"} "$2" "/mnt/$2" ;;
        *)
            echo "share: $1 is neither 9p nor virtiofs"
            return 1
            ;;
    esac
}

# fill FILE MIB WORD: writes WORD line after line, through to the disk.
fill() {
    yes "$3" | dd of="$1" bs=1M count="$2" iflag=fullblock conv=fsync,notrunc 2>/dev/null
}
