//! `<domain>`: the root of the document.

use base::{Uuid, words};
use xml::{El, Elsewhere, Origin, Part, Problem, Reader, Xml};

use crate::clock::Clock;
use crate::cpu::Cpu;
use crate::cputune::Cputune;
use crate::device::Devices;
use crate::features::Features;
use crate::idmap::Idmap;
use crate::iothreads::{DefaultIothread, IothreadIds};
use crate::keywrap::Keywrap;
use crate::launch_security::LaunchSecurity;
use crate::lifecycle::{LifecycleAction, LockFailureAction};
use crate::memory::{Kibibytes, MaxMemory, Memory};
use crate::memory_backing::MemoryBacking;
use crate::metadata::Metadata;
use crate::numatune::Numatune;
use crate::os::Os;
use crate::perf::Perf;
use crate::pm::Pm;
use crate::qemu_namespace::{Commandline, DeprecationBehavior, Override, QemuCapabilities};
use crate::resource::Resource;
use crate::seclabel::Seclabel;
use crate::sysinfo::Sysinfo;
use crate::throttle::ThrottleGroups;
use crate::tune::{Blkiotune, Memtune};
use crate::vcpu::{Vcpu, Vcpus};

words! {
    /// What runs the guest.
    ///
    /// libvirt: `virDomainVirtType`.
    pub enum DomainType {
        /// QEMU, interpreting.
        Qemu = "qemu",
        /// QEMU with the KQEMU accelerator, long gone.
        Kqemu = "kqemu",
        /// QEMU with the host's KVM.
        Kvm = "kvm",
        /// Xen.
        Xen = "xen",
        /// Linux containers.
        Lxc = "lxc",
        /// User-mode Linux.
        Uml = "uml",
        /// OpenVZ.
        Openvz = "openvz",
        /// libvirt's own test driver.
        Test = "test",
        /// VMware.
        Vmware = "vmware",
        /// Hyper-V.
        Hyperv = "hyperv",
        /// VirtualBox.
        Vbox = "vbox",
        /// IBM's PHYP.
        Phyp = "phyp",
        /// Parallels.
        Parallels = "parallels",
        /// FreeBSD's bhyve.
        Bhyve = "bhyve",
        /// Virtuozzo.
        Vz = "vz",
        /// QEMU with macOS's Hypervisor framework.
        Hvf = "hvf",
    }
}

/// A domain: what a document says, or what completion has made of it.
///
/// libvirt: `virDomainDefParseXML`, `virDomainDefFormatInternalSetRootName`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Domain::finish)]
pub struct Domain {
    /// Where it was written.
    pub origin: Origin,
    /// What runs it.
    #[xml(attribute, name = "type", required)]
    pub kind: DomainType,
    /// The number of a guest that runs. Reading forgets it.
    #[xml(attribute, print_with = Domain::id_attribute)]
    pub id: Option<Elsewhere>,
    /// The number of the guest, where this is to be printed of one that runs.
    pub running: Option<u32>,
    /// Its name; no `/` in it.
    #[xml(text_child, required)]
    pub name: String,
    /// Its UUID. Absent: a random one is made when it is defined.
    #[xml(text_child)]
    pub uuid: Option<Uuid>,
    /// An identifier that changes whenever the guest's state goes back in time.
    #[xml(child, keep_empty, repeat = "error")]
    pub genid: Option<GenId>,
    /// One line for people.
    #[xml(text_child)]
    pub title: Option<String>,
    /// Text for people.
    #[xml(text_child)]
    pub description: Option<String>,
    /// What others keep here.
    #[xml(child)]
    pub metadata: Option<Metadata>,
    /// How much memory devices may add up to.
    #[xml(child, name = "maxMemory")]
    pub max_memory: Option<MaxMemory>,
    /// What the guest has, memory devices included. Absent: the sum of its NUMA cells.
    #[xml(child)]
    pub memory: Option<Memory>,
    /// What the balloon leaves it. Absent: all of it.
    #[xml(text_child, unit, name = "currentMemory")]
    pub current_memory: Option<Kibibytes>,
    /// Limits of block I/O.
    #[xml(child, repeat = "merge")]
    pub blkiotune: Option<Blkiotune>,
    /// Limits of memory.
    #[xml(child, repeat = "merge")]
    pub memtune: Option<Memtune>,
    /// What is behind the memory.
    #[xml(child, name = "memoryBacking", repeat = "merge")]
    pub memory_backing: Option<MemoryBacking>,
    /// How many processors.
    #[xml(child)]
    pub vcpu: Option<Vcpu>,
    /// Each processor by itself.
    #[xml(child, repeat = "merge")]
    pub vcpus: Option<Vcpus>,
    /// How many I/O threads.
    #[xml(text_child)]
    pub iothreads: Option<std::num::NonZeroU32>,
    /// Each I/O thread by itself.
    #[xml(child, name = "iothreadids", repeat = "merge")]
    pub iothread_ids: Option<IothreadIds>,
    /// The thread that serves what no I/O thread does.
    #[xml(child, name = "defaultiothread")]
    pub default_iothread: Option<DefaultIothread>,
    /// Limits that disks share.
    #[xml(child, name = "throttlegroups", repeat = "merge")]
    pub throttle_groups: Option<ThrottleGroups>,
    /// Pinning and scheduling.
    #[xml(child, repeat = "merge")]
    pub cputune: Option<Cputune>,
    /// The host nodes that memory comes from.
    #[xml(child, repeat = "error")]
    pub numatune: Option<Numatune>,
    /// The control group.
    #[xml(child)]
    pub resource: Option<Resource>,
    /// SMBIOS strings and firmware configuration entries.
    #[xml(child)]
    pub sysinfo: Vec<Sysinfo>,
    /// A boot loader of the host; only Xen has one.
    #[xml(text_child)]
    pub bootloader: Option<String>,
    /// Its arguments.
    #[xml(text_child)]
    pub bootloader_args: Option<String>,
    /// Machine, firmware, kernel, boot.
    #[xml(child, keep_empty, required, repeat = "merge")]
    pub os: Os,
    /// Users and groups of containers.
    #[xml(child, repeat = "merge")]
    pub idmap: Option<Idmap>,
    /// What the machine and the hypervisor offer besides devices.
    #[xml(child, repeat = "merge")]
    pub features: Option<Features>,
    /// The processor.
    #[xml(child)]
    pub cpu: Option<Cpu>,
    /// The clocks.
    #[xml(child, repeat = "merge")]
    pub clock: Option<Clock>,
    /// What happens when the guest powers off. Absent: destroy.
    #[xml(text_child)]
    pub on_poweroff: Option<LifecycleAction>,
    /// What happens when it reboots. Absent: restart.
    #[xml(text_child)]
    pub on_reboot: Option<LifecycleAction>,
    /// What happens when it crashes. Absent: destroy.
    #[xml(text_child)]
    pub on_crash: Option<LifecycleAction>,
    /// What happens when a lock is lost.
    #[xml(text_child)]
    pub on_lockfailure: Option<LockFailureAction>,
    /// Sleep states.
    #[xml(child, repeat = "merge")]
    pub pm: Option<Pm>,
    /// Events that are counted.
    #[xml(child, repeat = "merge")]
    pub perf: Option<Perf>,
    /// The devices.
    #[xml(child, keep_empty, repeat = "merge")]
    pub devices: Devices,
    /// Labels of security drivers.
    #[xml(child)]
    pub seclabel: Vec<Seclabel>,
    /// Key wrapping of s390.
    #[xml(child)]
    pub keywrap: Option<Keywrap>,
    /// Encrypted guests.
    #[xml(child, name = "launchSecurity")]
    pub launch_security: Option<LaunchSecurity>,
    /// Arguments and environment of QEMU by hand.
    #[xml(child, name = "qemu:commandline")]
    pub qemu_commandline: Option<Commandline>,
    /// Capabilities of QEMU by hand.
    #[xml(child, name = "qemu:capabilities")]
    pub qemu_capabilities: Option<QemuCapabilities>,
    /// Properties of devices by hand.
    #[xml(child, name = "qemu:override")]
    pub qemu_override: Option<Override>,
    /// What QEMU does about deprecated features.
    #[xml(attribute_child = "behavior", name = "qemu:deprecation")]
    pub qemu_deprecation: Option<DeprecationBehavior>,
}

impl Domain {
    fn id_attribute(&self) -> Option<String> {
        self.running.map(|id| id.to_string())
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(name) = el.child("name")
            && self.name.contains('\n')
        {
            reader.error(name.origin(), Part::Text, "the name has several lines");
        }
        if let Some(title) = el.child("title")
            && self.title.as_ref().is_some_and(|title| title.contains('\n'))
        {
            reader.push(
                Problem::error(title.origin(), Part::Text, "the title has several lines")
                    .help("keep the first one, and put the rest into <description>"),
            );
        }
    }
}

/// `<genid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct GenId {
    /// Where it was written.
    pub origin: Origin,
    /// The identifier. Absent: a random one is made when the domain is defined.
    #[xml(text)]
    pub id: Option<Uuid>,
}
