//! `<devices>`: one list for each kind, in the order in which libvirt prints the kinds.

pub mod audio;
pub mod channel;
pub mod chardev;
pub mod console;
pub mod controller;
mod controller_list;
pub mod crypto;
pub mod disk;
pub mod filesystem;
pub mod graphics;
pub mod host_address;
pub mod hostdev;
pub mod hub;
pub mod input;
pub mod interface;
pub mod iommu;
pub mod iothread_mapping;
pub mod iterate;
pub mod lease;
pub mod memballoon;
pub mod memory_device;
pub mod nvram;
pub mod panic;
pub mod parallel;
pub mod pstore;
pub mod reconnect;
pub mod redirdev;
pub mod redirfilter;
pub mod rng;
pub mod serial;
pub mod shmem;
pub mod smartcard;
pub mod sound;
pub mod tpm;
pub mod video;
pub mod virtio;
pub mod vsock;
pub mod watchdog;

use xml::{Origin, Xml};

pub use audio::Audio;
pub use channel::Channel;
pub use console::Console;
pub use controller::Controller;
pub use crypto::Crypto;
pub use disk::Disk;
pub use filesystem::Filesystem;
pub use graphics::Graphics;
pub use hostdev::Hostdev;
pub use hub::Hub;
pub use input::Input;
pub use interface::Interface;
pub use iommu::Iommu;
pub use iterate::{Device, DeviceId, DeviceKind};
pub use lease::Lease;
pub use memballoon::Memballoon;
pub use memory_device::MemoryDevice;
pub use nvram::Nvram;
pub use panic::Panic;
pub use parallel::Parallel;
pub use pstore::Pstore;
pub use redirdev::Redirdev;
pub use redirfilter::Redirfilter;
pub use rng::Rng;
pub use serial::Serial;
pub use shmem::Shmem;
pub use smartcard::Smartcard;
pub use sound::Sound;
pub use tpm::Tpm;
pub use video::Video;
pub use vsock::Vsock;
pub use watchdog::Watchdog;

/// The devices of a domain.
///
/// libvirt: `virDomainDefFormatInternalSetRootName`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Devices {
    /// Where it was written.
    pub origin: Origin,
    /// The QEMU binary. Absent: completion chooses the one for the guest's architecture.
    #[xml(text_child)]
    pub emulator: Option<String>,
    /// `<disk>`: disks.
    #[xml(child, name = "disk", keep_empty)]
    pub disks: Vec<Disk>,
    /// `<controller>`: controllers of buses.
    #[xml(child, name = "controller", keep_empty)]
    pub controllers: Vec<Controller>,
    /// `<lease>`: locks held while the guest runs.
    #[xml(child, name = "lease", keep_empty)]
    pub leases: Vec<Lease>,
    /// `<filesystem>`: folders shared with the guest.
    #[xml(child, name = "filesystem", keep_empty)]
    pub filesystems: Vec<Filesystem>,
    /// `<interface>`: network interfaces.
    #[xml(child, name = "interface", keep_empty)]
    pub interfaces: Vec<Interface>,
    /// `<smartcard>`: smartcards.
    #[xml(child, name = "smartcard", keep_empty)]
    pub smartcards: Vec<Smartcard>,
    /// `<serial>`: serial ports.
    #[xml(child, name = "serial", open)]
    pub serials: Vec<Serial>,
    /// `<parallel>`: parallel ports.
    #[xml(child, name = "parallel", open)]
    pub parallels: Vec<Parallel>,
    /// `<console>`: consoles.
    #[xml(child, name = "console", open)]
    pub consoles: Vec<Console>,
    /// `<channel>`: channels between host and guest programs.
    #[xml(child, name = "channel", open)]
    pub channels: Vec<Channel>,
    /// `<input>`: keyboards, mice, tablets.
    #[xml(child, name = "input", keep_empty)]
    pub inputs: Vec<Input>,
    /// `<tpm>`: trusted platform modules.
    #[xml(child, name = "tpm", keep_empty)]
    pub tpms: Vec<Tpm>,
    /// `<graphics>`: displays.
    #[xml(child, keep_empty)]
    pub graphics: Vec<Graphics>,
    /// `<sound>`: sound cards.
    #[xml(child, name = "sound", keep_empty)]
    pub sounds: Vec<Sound>,
    /// `<audio>`: what plays the sound on the host.
    #[xml(child, name = "audio", keep_empty)]
    pub audios: Vec<Audio>,
    /// `<video>`: video cards.
    #[xml(child, name = "video", open)]
    pub videos: Vec<Video>,
    /// `<hostdev>`: devices of the host.
    #[xml(child, name = "hostdev", keep_empty)]
    pub hostdevs: Vec<Hostdev>,
    /// `<redirdev>`: USB devices from elsewhere.
    #[xml(child, name = "redirdev", open)]
    pub redirdevs: Vec<Redirdev>,
    /// `<redirfilter>`: which USB devices may be redirected.
    #[xml(child, repeat = "error")]
    pub redirfilter: Option<Redirfilter>,
    /// `<hub>`: USB hubs.
    #[xml(child, name = "hub", keep_empty)]
    pub hubs: Vec<Hub>,
    /// `<watchdog>`: watchdogs.
    #[xml(child, name = "watchdog", keep_empty)]
    pub watchdogs: Vec<Watchdog>,
    /// `<memballoon>`: the memory balloon.
    #[xml(child, keep_empty, repeat = "error")]
    pub memballoon: Option<Memballoon>,
    /// `<rng>`: sources of random numbers.
    #[xml(child, name = "rng", open)]
    pub rngs: Vec<Rng>,
    /// `<nvram>`: the NVRAM device of PowerPC.
    #[xml(child, open, repeat = "error")]
    pub nvram: Option<Nvram>,
    /// `<panic>`: what reports a guest's panic.
    #[xml(child, name = "panic", keep_empty)]
    pub panics: Vec<Panic>,
    /// `<shmem>`: memory shared with other guests.
    #[xml(child, name = "shmem", open)]
    pub shmems: Vec<Shmem>,
    /// `<memory>`: memory modules.
    #[xml(child, name = "memory", open)]
    pub memories: Vec<MemoryDevice>,
    /// `<crypto>`: crypto devices.
    #[xml(child, name = "crypto", keep_empty)]
    pub cryptos: Vec<Crypto>,
    /// `<iommu>`: the IOMMU.
    #[xml(child, keep_empty, repeat = "error")]
    pub iommu: Option<Iommu>,
    /// `<vsock>`: the vsock device.
    #[xml(child, keep_empty, repeat = "error")]
    pub vsock: Option<Vsock>,
    /// `<pstore>`: persistent storage for crash logs.
    #[xml(child, keep_empty, repeat = "error")]
    pub pstore: Option<Pstore>,
}
