//! All devices in one order, whatever their kind.

use base::words;
use xml::{Namespace, Origin, Problem, Source};

use super::Devices;
use crate::device_info::DeviceInfo;
use crate::step::disk_order;

/// One device among all: its kind, and its position among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its position in the list of its kind.
    pub pos: usize,
}

/// What the kinds of devices have in common.
#[diagnostic::on_unimplemented(message = "name `{Self}` in `with_info!` or `without_info!` below")]
trait Common {
    fn origin(&self) -> Origin;
    fn info(&self) -> Option<&DeviceInfo>;
    fn info_mut(&mut self) -> Option<&mut DeviceInfo>;
}

/// One line for each kind, in libvirt's order.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident in $list:ident = $word:literal,)+) => {
        words! {
            /// The kinds of devices, in the order in which libvirt goes through them: it decides
            /// which of several errors is found first, and who gets the lower number.
            ///
            /// libvirt: `virDomainDeviceInfoIterateFlags`.
            pub enum DeviceKind {
                $($(#[$doc])* $kind = $word),+
            }
        }

        /// A device of any kind.
        #[derive(Clone, Copy, Debug)]
        pub enum Device<'a> {
            $($(#[$doc])* $kind(&'a super::$kind)),+
        }

        impl<'a> Device<'a> {
            /// Where it was written.
            pub fn origin(self) -> Origin {
                match self {
                    $(Self::$kind(device) => Common::origin(device)),+
                }
            }

            /// What it is.
            pub fn kind(self) -> DeviceKind {
                match self {
                    $(Self::$kind(_) => DeviceKind::$kind),+
                }
            }

            /// Its element, with a newline at the end.
            pub fn to_xml(self) -> String {
                match self {
                    $(Self::$kind(device) => xml::print(device, $word)),+
                }
            }

            /// Its name and address, if devices of its kind have any.
            pub fn info(self) -> Option<&'a DeviceInfo> {
                match self {
                    $(Self::$kind(device) => Common::info(device)),+
                }
            }
        }

        impl Devices {
            /// All devices with their ids, in the order of [`DeviceKind`]; but not a console that
            /// only stands for the first serial port.
            pub fn iter(&self) -> impl Iterator<Item = (DeviceId, Device<'_>)> {
                let mut all = Vec::new();
                $(all.extend(self.$list.iter().enumerate().map(|(pos, device)| {
                    (DeviceId { kind: DeviceKind::$kind, pos }, Device::$kind(device))
                }));)+
                all.into_iter().filter(|(id, device)| match device {
                    Device::Console(console) => id.pos != 0 || !console.is_serial(),
                    _ => true,
                })
            }

            /// The device with this id.
            pub fn get(&self, id: DeviceId) -> Option<Device<'_>> {
                match id.kind {
                    $(DeviceKind::$kind => self.$list.iter().nth(id.pos).map(Device::$kind)),+
                }
            }

            /// Reads an element as one device; `None` if there are none of that name.
            pub(crate) fn read_one(
                source: &Source,
                name: &str,
                namespaces: &'static [Namespace],
            ) -> Option<Read> {
                match name {
                    $($word => Some(xml::read::<super::$kind>(source, name, namespaces).map(
                        |(device, problems)| {
                            let mut devices = Self::default();
                            devices.$list.add(device);
                            (devices, problems)
                        },
                    )),)+
                    _ => None,
                }
            }

            /// Adds the devices of `more` at the end of each list.
            fn append(&mut self, more: Self) -> Result<(), DeviceKind> {
                $(for device in IntoIterator::into_iter(more.$list) {
                    if !self.$list.add(device) {
                        return Err(DeviceKind::$kind);
                    }
                })+
                Ok(())
            }

            /// Takes a device out. Those of its kind behind it move up.
            pub fn remove(&mut self, id: DeviceId) -> bool {
                match id.kind {
                    $(DeviceKind::$kind => self.$list.remove_at(id.pos).is_some()),+
                }
            }

            /// The name and address of a device, to be changed.
            pub fn info_mut(&mut self, id: DeviceId) -> Option<&mut DeviceInfo> {
                match id.kind {
                    $(DeviceKind::$kind => {
                        self.$list.iter_mut().nth(id.pos).and_then(Common::info_mut)
                    })+
                }
            }
        }
    };
}

kinds! {
    /// Disks.
    Disk in disks = "disk",
    /// Network interfaces.
    Interface in interfaces = "interface",
    /// Sound cards.
    Sound in sounds = "sound",
    /// Devices of the host.
    Hostdev in hostdevs = "hostdev",
    /// Video cards.
    Video in videos = "video",
    /// Controllers of buses.
    Controller in controllers = "controller",
    /// Smartcards.
    Smartcard in smartcards = "smartcard",
    /// Serial ports.
    Serial in serials = "serial",
    /// Parallel ports.
    Parallel in parallels = "parallel",
    /// Channels.
    Channel in channels = "channel",
    /// Consoles. The first one may be only another name of the first serial port.
    Console in consoles = "console",
    /// Keyboards, mice, tablets.
    Input in inputs = "input",
    /// Folders shared with the guest.
    Filesystem in filesystems = "filesystem",
    /// Watchdogs.
    Watchdog in watchdogs = "watchdog",
    /// The memory balloon.
    Memballoon in memballoon = "memballoon",
    /// Sources of random numbers.
    Rng in rngs = "rng",
    /// The NVRAM device of PowerPC.
    Nvram in nvram = "nvram",
    /// USB hubs.
    Hub in hubs = "hub",
    /// Memory shared with other guests.
    Shmem in shmems = "shmem",
    /// Trusted platform modules.
    Tpm in tpms = "tpm",
    /// What reports a guest's panic.
    Panic in panics = "panic",
    /// Memory modules.
    MemoryDevice in memories = "memory",
    /// USB devices from elsewhere.
    Redirdev in redirdevs = "redirdev",
    /// The IOMMU.
    Iommu in iommu = "iommu",
    /// The vsock device.
    Vsock in vsock = "vsock",
    /// Crypto devices.
    Crypto in cryptos = "crypto",
    /// Persistent storage for crash logs.
    Pstore in pstore = "pstore",
    /// Displays.
    Graphics in graphics = "graphics",
    /// What plays the sound on the host.
    Audio in audios = "audio",
    /// Locks held while the guest runs.
    Lease in leases = "lease",
}

/// What reading one device gives: a list of that device, and what is to be said about it.
type Read = Result<(Devices, Vec<Problem>), Vec<Problem>>;

/// A list of devices of one kind, or a place for one.
trait List<T> {
    /// Adds one at the end; `false` if there is no place.
    fn add(&mut self, device: T) -> bool;

    /// Takes one out.
    fn remove_at(&mut self, pos: usize) -> Option<T>;
}

impl<T> List<T> for Vec<T> {
    fn add(&mut self, device: T) -> bool {
        self.push(device);
        true
    }

    fn remove_at(&mut self, pos: usize) -> Option<T> {
        (pos < self.len()).then(|| self.remove(pos))
    }
}

impl<T> List<T> for Option<T> {
    fn add(&mut self, device: T) -> bool {
        let is_free = self.is_none();
        self.get_or_insert(device);
        is_free
    }

    fn remove_at(&mut self, pos: usize) -> Option<T> {
        if pos == 0 { self.take() } else { None }
    }
}

impl Devices {
    /// Adds the devices of `more`, each at the place where reading it with the others would put it.
    ///
    /// # Errors
    /// There can be only one of that kind, and there is.
    pub fn insert(&mut self, more: Self) -> Result<(), DeviceKind> {
        self.append(more)?;
        disk_order::sort(&mut self.disks);
        self.sort_controllers();
        Ok(())
    }

    /// Forgets the names that devices have only while the guest runs.
    pub fn forget_given_aliases(&mut self) {
        let mut ids: Vec<DeviceId> = self.iter().map(|(id, _)| id).collect();
        ids.push(DeviceId { kind: DeviceKind::Console, pos: 0 });
        for id in ids {
            if let Some(info) = self.info_mut(id) {
                info.alias.take_if(|alias| !alias.is_of_user());
            }
        }
    }
}

/// The kinds that have a name and an address.
macro_rules! with_info {
    ($($kind:ident)+) => {
        $(impl Common for super::$kind {
            fn origin(&self) -> Origin {
                self.origin
            }

            fn info(&self) -> Option<&DeviceInfo> {
                Some(&self.info)
            }

            fn info_mut(&mut self) -> Option<&mut DeviceInfo> {
                Some(&mut self.info)
            }
        })+
    };
}

with_info! {
    Channel Console Controller Crypto Disk Filesystem Hostdev Hub Input Interface Iommu Memballoon
    MemoryDevice Nvram Panic Parallel Pstore Redirdev Rng Serial Shmem Smartcard Sound Tpm Video
    Vsock Watchdog
}

/// The kinds that have neither.
macro_rules! without_info {
    ($($kind:ident)+) => {
        $(impl Common for super::$kind {
            fn origin(&self) -> Origin {
                self.origin
            }

            fn info(&self) -> Option<&DeviceInfo> {
                None
            }

            fn info_mut(&mut self) -> Option<&mut DeviceInfo> {
                None
            }
        })+
    };
}

without_info! {
    Audio Graphics Lease
}
