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
    /// NUMA nodes.
    pub numa_nodes: Vec<u32>,
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Helper programs by name (`virtiofsd`, `passt`, `swtpm`, `vhost-device-vsock`): their paths.
    pub programs: BTreeMap<String, String>,
    /// Choices of whoever runs the machine.
    pub settings: Settings,
    /// Where UUIDs and MAC addresses come from.
    pub randomness: Randomness,
    /// Security drivers whose labels are understood; the first one is the default.
    pub security_models: Vec<String>,
}

/// Directories that end up in documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directories {
    /// The driver's own directory, such as `/var/lib/libvirt/qemu`.
    pub lib: String,
    /// Where channels' sockets lie, such as `/var/run/libvirt/qemu/channel`.
    pub channel: String,
    /// Where NVRAM files lie, such as `/var/lib/libvirt/qemu/nvram`.
    pub nvram: String,
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
