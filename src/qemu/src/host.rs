//! Facts of the machine, as plain values: filled in by the crate `host`, or read from a file so that
//! a guest of another host can be completed and planned here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What completion and planning must know of a machine.
///
/// Everything has a value that stands for "not there", so that a file needs to name only what
/// matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// The processor's architecture in libvirt's words, such as `x86_64`.
    pub architecture: String,
    /// Whether guests run as root.
    pub privileged: bool,
    /// The QEMU binary of each guest architecture.
    pub emulators: BTreeMap<String, String>,
    /// The directories that completion writes into documents.
    pub directories: Directories,
    /// Environment variables that change a guest: `QEMU_AUDIO_DRV`, `SDL_AUDIODRIVER`, `XDG_*` and
    /// the like.
    pub environment: BTreeMap<String, String>,
    /// The size of a page of memory in KiB.
    pub page_size: u64,
    /// Where huge pages are mounted.
    pub hugepages: Vec<HugepageMount>,
    /// Firmware descriptors, in the order in which they are tried.
    pub firmware: Vec<FirmwareDescriptor>,
    /// PCI devices by address (`0000:06:12.5`): what kind of bus they are made for.
    pub pci_devices: BTreeMap<String, PciKind>,
    /// NUMA nodes. Empty: not known.
    pub numa_nodes: Vec<u32>,
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// libvirt's storage pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// Where secrets lie: directories, in the order in which they are searched. None: this is another
    /// machine, whose secrets are not looked for.
    pub secrets: Vec<String>,
    /// Helper programs by name (`virtiofsd`, `passt`, `swtpm`, `vhost-device-vsock`): their paths.
    pub programs: BTreeMap<String, String>,
    /// Choices of whoever runs the machine.
    pub settings: Settings,
    /// The NUMA nodes that numad advises to take memory from. Absent: there is no numad.
    pub numad_nodes: Option<Vec<u32>>,
    /// What the firmware says of this machine: the files of `/sys/class/dmi/id` by name.
    pub dmi: BTreeMap<String, String>,
    /// The first CID that no guest has. Absent: that is seen when a guest starts.
    pub vsock_cid: Option<u32>,
    /// What the clock shows. Absent: that is seen when a guest starts.
    pub clock: Option<HostClock>,
    /// Where UUIDs and MAC addresses come from.
    pub randomness: Randomness,
    /// Security drivers whose labels are understood; the first one is the default.
    pub security_models: Vec<String>,
    /// How the processor encrypts the memory of guests. Absent: it does not.
    pub sev: Option<SevFacts>,
    /// What the processor is to guests of each type (`kvm`, `qemu`) with `mode='host-model'`. Absent:
    /// the model that comes nearest to what QEMU has.
    pub processors: BTreeMap<String, HostCpu>,
    /// Why guests cannot be limited. Absent: the kernel has control groups of version 2.
    pub no_control_groups: Option<String>,
    /// The first render node of a graphics card, such as `/dev/dri/renderD128`.
    pub render_node: Option<String>,
    /// Where the sockets of helper programs lie, by the program's name, for a host that gives them
    /// names of its own: see [`Host::of_guest`].
    pub helper_sockets: BTreeMap<String, String>,
}

/// How an AMD processor encrypts the memory of guests (SEV).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SevFacts {
    /// The address bit that says that a page is encrypted.
    pub c_bit_position: u32,
    /// How many address bits encryption takes.
    pub reduced_phys_bits: u32,
}

/// How many characters of a guest's name are in its short name.
///
/// libvirt: `VIR_DOMAIN_SHORT_NAME_MAX`.
const SHORT_NAME: usize = 20;

impl Host {
    /// A path of one guest: `{name}` in `pattern` becomes its name, `{short-name}` the first 20
    /// characters of it.
    ///
    /// libvirt: `virDomainDefGetShortName`.
    pub fn of_guest(pattern: &str, name: &str) -> String {
        let short: String = name.chars().take(SHORT_NAME).collect();
        pattern.replace("{name}", name).replace("{short-name}", &short)
    }
}

/// Directories that end up in documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directories {
    /// The driver's own directory, such as `/var/lib/libvirt/qemu`.
    pub lib: String,
    /// Where channels' sockets lie, such as `/var/run/libvirt/qemu/channel`.
    pub channel: String,
    /// Where the sockets of one guest's channels lie, such as `/run/vdomain/.channel/{name}`: see
    /// [`Host::of_guest`].
    pub channels: String,
    /// Where NVRAM files lie, such as `/var/lib/libvirt/qemu/nvram`.
    pub nvram: String,
    /// Where a running guest's own sockets lie, such as `/run/vdomain/{name}`: see [`Host::of_guest`].
    pub guest: String,
    /// Where the state of guests' TPMs lies, such as `/var/lib/libvirt/swtpm`.
    pub tpm: String,
    /// Where guests' memory lies that is made of files, such as
    /// `/var/lib/libvirt/qemu/ram/1-{short-name}`: see [`Host::of_guest`].
    pub memory: String,
    /// Where guests' memory lies below a mount of huge pages, such as `libvirt/qemu`.
    pub hugepages: String,
}

/// What the host's clock shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostClock {
    /// Seconds since 1970, in UTC.
    pub time: i64,
    /// How many seconds the host's time zone is before UTC.
    pub offset: i64,
}

/// A processor by the model that comes nearest to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostCpu {
    /// The name of the model.
    pub model: String,
    /// What it has besides (`true`), and what of the model it has not.
    pub features: BTreeMap<String, bool>,
}

/// A mount of hugetlbfs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HugepageMount {
    /// The size of a page in KiB.
    pub size: u64,
    /// The directory.
    pub path: String,
    /// Whether this size is the kernel's default.
    #[serde(default)]
    pub default: bool,
}

/// A file of `/usr/share/qemu/firmware` or a directory that overrides it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareDescriptor {
    /// The file's name without its directory.
    pub name: String,
    /// Its JSON. See QEMU, `docs/interop/firmware.json`.
    pub content: serde_json::Value,
}

/// What kind of bus a PCI device is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PciKind {
    /// PCI Express.
    Express,
    /// Conventional PCI, or unknown.
    Conventional,
}

/// A network of libvirt's network XML, as far as an interface needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// The bridge that interfaces are attached to. Absent: there is none.
    pub bridge: Option<String>,
    /// `nat`, `route`, `open`, `bridge`, `hostdev`, … Absent: isolated.
    pub forward: Option<String>,
    /// The host's first address in it. Absent: it has none.
    pub address: Option<String>,
    /// Devices of the host that interfaces are put on by macvtap, where `forward` is the mode of
    /// that.
    pub devices: Vec<String>,
    /// PCI addresses of devices that guests are given, where `forward` is `hostdev`.
    pub pci_addresses: Vec<String>,
    /// Whether the host lets go of such a device when a guest starts.
    pub managed: bool,
    /// What holds for each interface that does not say it otherwise.
    pub port: PortSettings,
    /// What holds for interfaces of a group, before `port` does.
    pub portgroups: BTreeMap<String, PortGroup>,
}

/// What holds for interfaces of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortSettings {
    /// The kind of switch, such as `openvswitch`. Absent: a bridge of the kernel.
    pub virtualport: Option<String>,
    /// The profile that the switch knows.
    pub profile: Option<String>,
    /// The VLANs of packets. Absent: none.
    pub vlan: Option<PortVlan>,
    /// Limits. Absent: none.
    pub bandwidth: Option<PortBandwidth>,
}

/// A group of settings of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortGroup {
    /// Whether interfaces that name no group are of this one.
    pub is_default: bool,
    /// Its settings.
    pub port: PortSettings,
}

/// The VLANs of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortVlan {
    /// Whether packets carry their tag into the guest.
    pub trunk: bool,
    /// The tags.
    pub tags: Vec<u16>,
    /// The tag of packets that come without one.
    pub native: Option<u16>,
    /// Whether packets of the native tag leave with it.
    pub native_is_tagged: bool,
}

/// Limits of an interface, seen from the guest, in KiB and KiB a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortBandwidth {
    /// Of what the guest receives.
    pub inbound: Option<PortRate>,
    /// Of what the guest sends.
    pub outbound: Option<PortRate>,
}

/// A limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortRate {
    /// All the time.
    pub average: Option<u64>,
    /// For a while.
    pub peak: Option<u64>,
    /// How much may be sent at the peak rate.
    pub burst: Option<u64>,
}

/// A storage pool of libvirt, as far as a disk needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// What keeps its volumes.
    pub kind: PoolKind,
    /// Where the host shows its volumes: a directory. Absent: it does not.
    pub path: Option<String>,
    /// Its servers.
    pub hosts: Vec<PoolHost>,
    /// Of iSCSI: the target.
    pub device: Option<String>,
    /// Of `iscsi-direct`: who QEMU is.
    pub initiator: Option<String>,
    /// Who QEMU is to the server.
    pub auth: Option<PoolAuth>,
    /// Volumes that are not simply a name in `path`.
    pub volumes: BTreeMap<String, Volume>,
}

/// What keeps the volumes of a storage pool.
///
/// libvirt: `virStoragePoolType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// A directory.
    #[default]
    Dir,
    /// A file system.
    Fs,
    /// A file system of a server.
    Netfs,
    /// A volume group.
    Logical,
    /// Partitions.
    Disk,
    /// An iSCSI target, whose units the host has as devices.
    Iscsi,
    /// An iSCSI target that QEMU talks to.
    IscsiDirect,
    /// A SCSI adapter.
    Scsi,
    /// Devices with several paths.
    Mpath,
    /// Ceph.
    Rbd,
    /// Sheepdog.
    Sheepdog,
    /// Gluster.
    Gluster,
    /// ZFS.
    Zfs,
    /// Virtuozzo storage.
    Vstorage,
}

impl PoolKind {
    /// Whether its volumes are files.
    pub fn has_files(self) -> bool {
        matches!(self, Self::Dir | Self::Fs | Self::Netfs | Self::Vstorage)
    }

    /// Whether its volumes are block devices whose names are theirs.
    pub fn has_devices(self) -> bool {
        matches!(self, Self::Logical | Self::Disk | Self::Scsi | Self::Zfs)
    }
}

/// A server of a storage pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolHost {
    /// Its name or address.
    pub name: String,
    /// Its port. Absent: the protocol's.
    pub port: Option<u16>,
}

/// Who QEMU is to the server of a storage pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolAuth {
    /// The user's name.
    pub username: String,
    /// The UUID of the password's secret. Absent: `usage` says which one it is.
    pub uuid: Option<String>,
    /// What the password's secret is used for.
    pub usage: Option<String>,
}

/// A volume of a storage pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    /// What it is.
    pub kind: VolumeKind,
    /// Where it is.
    pub path: String,
}

/// What a volume of a storage pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// A file.
    #[default]
    File,
    /// A block device.
    Block,
    /// A directory.
    Dir,
}

/// Choices of whoever runs the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Whether `pc` and `q35` become the newest versioned machine.
    pub machine_aliases: MachineAliases,
    /// Whether guests with VNC play sound on the host (libvirt: `vnc_allow_host_audio`).
    pub vnc_host_audio: bool,
    /// Whether guests without a display play sound on the host (libvirt:
    /// `nographics_allow_host_audio`).
    pub no_graphics_host_audio: bool,
    /// Whether QEMU's memory is part of core dumps unless a document says otherwise (libvirt:
    /// `dump_guest_core`).
    pub dump_guest_core: bool,
    /// What becomes of a guest with `<lease>`.
    pub leases: Leases,
    /// VNC servers of which a document does not say it otherwise.
    pub vnc: DisplaySettings,
    /// SPICE servers of which a document does not say it otherwise.
    pub spice: DisplaySettings,
    /// Certificates for character devices over TCP (libvirt: `chardev_tls_x509_cert_dir` and the
    /// like). Absent: there are none.
    pub chardev_tls: Option<TlsSettings>,
    /// Whether character devices over TCP use TLS unless a document says otherwise (libvirt:
    /// `chardev_tls`).
    pub chardev_uses_tls: bool,
    /// Certificates for disks on NBD servers (libvirt: `nbd_tls_x509_cert_dir`,
    /// `nbd_tls_x509_secret_uuid`). Absent: there are none.
    pub nbd_tls: Option<TlsSettings>,
    /// Whether connections to NBD servers use TLS unless a document says otherwise (libvirt:
    /// `nbd_tls`).
    pub nbd_uses_tls: bool,
}

/// What becomes of a guest with `<lease>`: nobody holds leases here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leases {
    /// It is not started.
    #[default]
    Refuse,
    /// It is started without holding them, as libvirt does that was not given a lock manager.
    Ignore,
}

/// How a kind of display is served unless a document says otherwise.
///
/// libvirt: the settings `vnc_*` and `spice_*` of `qemu.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DisplaySettings {
    /// The address at which it listens. Absent: `127.0.0.1`.
    pub listen: Option<String>,
    /// Whether it listens on a UNIX socket of the guest where no address is named.
    pub auto_unix_socket: bool,
    /// The password. Absent: none is asked for.
    pub password: Option<String>,
    /// Its certificates. Absent: it speaks no TLS.
    pub tls: Option<TlsSettings>,
    /// Whether clients say by SASL who they are.
    pub sasl: bool,
    /// The directory of SASL's configuration. Absent: the host's.
    pub sasl_directory: Option<String>,
}

/// Certificates for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// The directory with `ca-cert.pem`, and `server-cert.pem` and `server-key.pem` of a server,
    /// `client-cert.pem` and `client-key.pem` of a client.
    pub directory: String,
    /// Whether clients must have a certificate, too.
    pub verify: bool,
    /// The UUID of the secret that the key is encrypted with. Absent: it is not.
    pub secret: Option<String>,
}

/// What becomes of a machine's alias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineAliases {
    /// It becomes the machine it stands for, so that the guest keeps it.
    #[default]
    Resolve,
    /// It stays.
    Keep,
}

/// Where bytes that should differ from guest to guest come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Randomness {
    /// Byte n of whatever is asked for is n: what libvirt's tests use.
    #[default]
    Counting,
    /// These bytes, each used once.
    Pool(Vec<u8>),
}

/// Hands out the bytes of a [`Randomness`].
#[derive(Clone, Debug)]
pub struct RandomBytes<'a> {
    source: &'a Randomness,
    used: usize,
}

impl Randomness {
    /// Starts handing out bytes.
    pub fn start(&self) -> RandomBytes<'_> {
        RandomBytes { source: self, used: 0 }
    }
}

impl RandomBytes<'_> {
    /// The next bytes. `None` when the pool is used up.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.source {
            Randomness::Counting => Some(std::array::from_fn(|at| at as u8)),
            Randomness::Pool(pool) => {
                let bytes = pool.get(self.used..self.used + N)?.try_into().ok()?;
                self.used += N;
                Some(bytes)
            }
        }
    }
}
