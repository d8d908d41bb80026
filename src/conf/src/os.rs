//! `<os>`: machine, firmware, kernel, boot.

use base::{NonEmpty, YesNo, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::architecture::Architecture;
use crate::device::disk::backing_store::NAMES_NOTHING;
use crate::device::disk::source::Source;

words! {
    /// What kind of guest it is.
    ///
    /// libvirt: `virDomainOSType`.
    pub enum OsKind {
        /// A whole machine; the only kind that QEMU runs.
        Hvm = "hvm",
        /// A guest that knows that it runs on Xen.
        Xen = "xen",
        /// The old word for `xen`.
        Linux = "linux",
        /// A container.
        Exe = "exe",
        /// User-mode Linux.
        Uml = "uml",
        /// A guest of Xen with hardware help.
        XenPvh = "xenpvh",
    }
}

words! {
    /// The firmware that is looked for.
    pub enum FirmwareKind {
        /// A BIOS.
        Bios = "bios",
        /// UEFI.
        Efi = "efi",
    }
}

words! {
    /// A property of a firmware.
    pub enum FirmwareFeatureName {
        /// Its variables hold the keys of an owner from the start.
        EnrolledKeys = "enrolled-keys",
        /// It starts only what is signed.
        SecureBoot = "secure-boot",
    }
}

words! {
    /// How a firmware is put into the machine.
    pub enum LoaderKind {
        /// As a read-only memory.
        Rom = "rom",
        /// As flash memory.
        Pflash = "pflash",
    }
}

words! {
    /// The format of a firmware's image.
    pub enum FirmwareFormat {
        /// The bytes as they are.
        Raw = "raw",
        /// QEMU's qcow2.
        Qcow2 = "qcow2",
    }
}

words! {
    /// A kind of device that the firmware tries to boot from.
    pub enum BootDevice {
        /// The first floppy disk.
        Fd = "fd",
        /// The first CD-ROM.
        Cdrom = "cdrom",
        /// The first hard disk.
        Hd = "hd",
        /// The first network interface.
        Network = "network",
    }
}

words! {
    /// Where the SMBIOS strings come from.
    pub enum SmbiosMode unset "none" {
        /// From QEMU.
        Emulate = "emulate",
        /// From the host.
        Host = "host",
        /// From `<sysinfo>`.
        Sysinfo = "sysinfo",
    }
}

words! {
    /// What a file of ACPI tables is.
    pub enum AcpiTableKind {
        /// One table.
        Raw = "raw",
        /// Several tables in a row.
        Rawset = "rawset",
        /// A SLIC table, which holds a licence.
        Slic = "slic",
        /// An MSDM table, which holds a licence.
        Msdm = "msdm",
    }
}

/// `<os>`.
///
/// libvirt: `virDomainDefParseBootOptions`, `virDomainOSDefFormat...` in `src/conf/domain_conf.c`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Os::finish)]
pub struct Os {
    /// Where it was written.
    pub origin: Origin,
    /// The firmware that is looked for on the host. Absent: the one that `loader` names, or QEMU's
    /// own.
    #[xml(attribute)]
    pub firmware: Option<FirmwareKind>,
    /// The kind of guest, its architecture and its machine.
    #[xml(child, name = "type", required)]
    pub kind: OsType,
    /// What is asked of the firmware that is looked for.
    #[xml(child, name = "firmware")]
    pub firmware_features: Option<FirmwareFeatures>,
    /// The first program of a container.
    #[xml(text_child, read_if = Os::is_exe)]
    pub init: Option<NonEmpty>,
    /// Its arguments.
    #[xml(text_child, name = "initarg", read_if = Os::is_exe)]
    pub init_arguments: Vec<String>,
    /// Its environment.
    #[xml(child, name = "initenv", read_if = Os::is_exe)]
    pub init_environment: Vec<InitVariable>,
    /// Its directory.
    #[xml(text_child, name = "initdir", read_if = Os::is_exe)]
    pub init_directory: Option<NonEmpty>,
    /// Its user.
    #[xml(text_child, name = "inituser", read_if = Os::is_exe)]
    pub init_user: Option<NonEmpty>,
    /// Its group.
    #[xml(text_child, name = "initgroup", read_if = Os::is_exe)]
    pub init_group: Option<NonEmpty>,
    /// The firmware's image.
    #[xml(child)]
    pub loader: Option<Loader>,
    /// The image of the firmware's variables.
    #[xml(child)]
    pub nvram: Option<Nvram>,
    /// A kernel of the host that is started without a boot loader.
    #[xml(text_child)]
    pub kernel: Option<NonEmpty>,
    /// The initial RAM disk of that kernel.
    #[xml(text_child)]
    pub initrd: Option<NonEmpty>,
    /// The command line of that kernel.
    #[xml(text_child)]
    pub cmdline: Option<NonEmpty>,
    /// The signed first stage that starts that kernel under secure boot.
    #[xml(text_child)]
    pub shim: Option<NonEmpty>,
    /// The device tree of that kernel.
    #[xml(text_child)]
    pub dtb: Option<NonEmpty>,
    /// The root device of that kernel; only for user-mode Linux.
    #[xml(text_child)]
    pub root: Option<NonEmpty>,
    /// ACPI tables from files.
    #[xml(child, name = "table", within = "acpi")]
    pub acpi_tables: Vec<AcpiTable>,
    /// What the firmware tries to boot from, in this order; at most four.
    #[xml(attribute_child = "dev", name = "boot")]
    pub boot_devices: Vec<BootDevice>,
    /// Whether the firmware lets the user choose.
    #[xml(child)]
    pub bootmenu: Option<Bootmenu>,
    /// Settings of a BIOS.
    #[xml(child)]
    pub bios: Option<Bios>,
    /// Where the SMBIOS strings come from. Absent: from QEMU.
    #[xml(attribute_child = "mode", name = "smbios")]
    pub smbios_mode: Option<SmbiosMode>,
}

impl Os {
    /// How many `<boot>` elements count (libvirt: `VIR_DOMAIN_BOOT_LAST`).
    pub const MAX_BOOT_DEVICES: usize = 4;

    fn is_exe(&self) -> bool {
        self.kind.kind == OsKind::Exe
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        for extra in el.children().filter(|child| child.is("boot")).skip(Self::MAX_BOOT_DEVICES) {
            reader.warning(
                extra.origin(),
                Part::Name,
                format!("only the first {} <boot> have an effect", Self::MAX_BOOT_DEVICES),
            );
        }
        self.boot_devices.truncate(Self::MAX_BOOT_DEVICES);
    }
}

/// `<type>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct OsType {
    /// The architecture of the guest. Absent: that of the host.
    #[xml(attribute, name = "arch")]
    pub architecture: Option<Architecture>,
    /// The machine, in QEMU's words. Absent: the default one of the QEMU binary.
    #[xml(attribute)]
    pub machine: Option<NonEmpty>,
    /// The kind of guest.
    #[xml(text, required)]
    pub kind: OsKind,
}

/// `<firmware>`: what is asked of the firmware that is looked for, each property at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = FirmwareFeatures::finish)]
pub struct FirmwareFeatures {
    /// The properties, in the order of [`FirmwareFeatureName`].
    #[xml(child, name = "feature")]
    pub features: Vec<FirmwareFeature>,
}

impl FirmwareFeatures {
    /// Whether `name` is asked for; `None` where either will do.
    pub fn get(&self, name: FirmwareFeatureName) -> Option<YesNo> {
        self.features.iter().find(|feature| feature.name == name).map(|feature| feature.enabled)
    }

    /// Asks for `name`, for its absence, or for either.
    pub fn set(&mut self, name: FirmwareFeatureName, enabled: Option<YesNo>) {
        self.features.retain(|feature| feature.name != name);
        self.features.extend(enabled.map(|enabled| FirmwareFeature {
            origin: Origin::None,
            enabled,
            name,
        }));
        self.features.sort_by_key(|feature| feature.name);
    }

    /// The last one of a name counts.
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        for FirmwareFeature { origin, enabled, name } in std::mem::take(&mut self.features) {
            if self.get(name).is_some() {
                let message = format!("the feature '{name}' appears more than once");
                let problem = Problem::warning(origin, Part::Attribute("name".to_owned()), message);
                reader.push(problem.help("only the last one has an effect"));
            }
            self.set(name, Some(enabled));
        }
    }
}

/// `<feature>` of a firmware.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct FirmwareFeature {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the firmware must have it, or must not.
    #[xml(attribute, required)]
    pub enabled: YesNo,
    /// Which one.
    #[xml(attribute, required)]
    pub name: FirmwareFeatureName,
}

impl Default for FirmwareFeature {
    fn default() -> Self {
        Self { origin: Origin::None, enabled: YesNo::Yes, name: FirmwareFeatureName::EnrolledKeys }
    }
}

/// `<initenv>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct InitVariable {
    /// The name of the variable.
    #[xml(attribute, required)]
    pub name: String,
    /// Its value.
    #[xml(text, required)]
    pub value: String,
}

/// `<loader>`: the firmware's image.
///
/// libvirt: `virDomainLoaderDefParseXMLLoader`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Loader {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the guest can write to it. Absent: completion decides.
    #[xml(attribute)]
    pub readonly: Option<YesNo>,
    /// Whether it needs system management mode to protect its variables.
    #[xml(attribute)]
    pub secure: Option<YesNo>,
    /// How it is put into the machine. Absent: as a read-only memory.
    #[xml(attribute, name = "type")]
    pub kind: Option<LoaderKind>,
    /// Whether it works without variables.
    #[xml(attribute)]
    pub stateless: Option<YesNo>,
    /// Its format. Absent: raw.
    #[xml(attribute)]
    pub format: Option<FirmwareFormat>,
    /// The image. Absent: one is looked for.
    #[xml(text)]
    pub path: Option<NonEmpty>,
}

/// `<nvram>` of a firmware: the image of its variables.
///
/// libvirt: `virDomainLoaderDefParseXMLNvram`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Nvram::finish)]
pub struct Nvram {
    /// Where it was written.
    pub origin: Origin,
    /// What the image is copied from when there is none.
    #[xml(attribute)]
    pub template: Option<String>,
    /// The format of the template.
    #[xml(attribute, name = "templateFormat")]
    pub template_format: Option<FirmwareFormat>,
    /// The format of the image.
    #[xml(attribute)]
    pub format: Option<FirmwareFormat>,
    /// Where the image is, as a disk has it. Absent: in the file at `path`.
    #[xml(flatten, key_after = "template_format", within = "source")]
    pub source: Option<Source>,
    /// The image. Absent, where there is no `source` either: completion chooses a file.
    #[xml(text, read_if = Nvram::is_path)]
    pub path: Option<NonEmpty>,
}

impl Nvram {
    fn is_path(&self) -> bool {
        self.source.is_none()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(source) = &mut self.source {
            source.has_no_startup_policy(reader);
        }
        match (&self.source, el.child("source")) {
            (Some(_), None) => reader.push(
                Problem::error(el.origin(), Part::Name, "<nvram> needs <source>")
                    .help("its attribute 'type' says that there is one"),
            ),
            (Some(source), Some(found)) if source.is_empty() => {
                reader.error(found.origin(), Part::Name, NAMES_NOTHING);
            }
            _ => {}
        }
    }
}

/// `<table>` of ACPI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct AcpiTable {
    /// Where it was written.
    pub origin: Origin,
    /// What the file holds.
    #[xml(attribute, name = "type", required)]
    pub kind: AcpiTableKind,
    /// The file.
    #[xml(text, required)]
    pub path: String,
}

/// `<bootmenu>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bootmenu {
    /// Where it was written.
    pub origin: Origin,
    /// Whether there is one. Absent: as the firmware likes.
    #[xml(attribute)]
    pub enable: Option<YesNo>,
    /// How long it is shown, in milliseconds.
    #[xml(attribute, read_if = Bootmenu::is_enabled)]
    pub timeout: Option<u32>,
}

impl Bootmenu {
    fn is_enabled(&self) -> bool {
        self.enable == Some(YesNo::Yes)
    }
}

/// `<bios>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Bios::finish)]
pub struct Bios {
    /// Where it was written.
    pub origin: Origin,
    /// Whether it talks on the first serial port, too.
    #[xml(attribute, name = "useserial")]
    pub use_serial: Option<YesNo>,
    /// How long it waits before it tries to boot again, in milliseconds; -1: for ever. Absent: it
    /// does not try again.
    #[xml(attribute, name = "rebootTimeout")]
    pub reboot_timeout: Option<i32>,
}

impl Bios {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(timeout) = self.reboot_timeout.filter(|timeout| !(-1..=65535).contains(timeout))
        {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::Attribute("rebootTimeout".to_owned()),
                    format!("{timeout} is not a value of 'rebootTimeout'"),
                )
                .expected("a number from -1 to 65535"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    fn os(content: &str) -> Result<String, Vec<String>> {
        reprint::<Os>("os", &format!("<os><type>hvm</type>{content}</os>"))
    }

    #[test]
    fn the_last_word_on_a_firmware_feature_counts() {
        let printed = os("<firmware><feature enabled='no' name='secure-boot'/>\
             <feature enabled='yes' name='enrolled-keys'/>\
             <feature enabled='yes' name='secure-boot'/></firmware>")
        .unwrap();
        assert_eq!(
            printed,
            "<os>\n  <type>hvm</type>\n  <firmware>\n    \
             <feature enabled='yes' name='enrolled-keys'/>\n    \
             <feature enabled='yes' name='secure-boot'/>\n  </firmware>\n</os>\n"
        );
    }

    #[test]
    fn nvram_is_a_path_or_a_source() {
        let path = "<nvram template='/t'>/a</nvram>";
        assert!(os(path).unwrap().contains(path));
        let source = "<nvram template='/t' type='file' format='raw'><source file='/a'/></nvram>";
        assert!(os(source).unwrap().contains("type='file' format='raw'>\n    <source file='/a'/>"));
        assert_eq!(
            os("<nvram type='file'/>").unwrap_err(),
            ["<nvram> needs <source>; its attribute 'type' says that there is one"]
        );
    }

    #[test]
    fn four_boot_devices_count() {
        let boot = "<boot dev='hd'/>".repeat(5);
        let (os, problems) = read::<Os>("os", &format!("<os><type>hvm</type>{boot}</os>")).unwrap();
        assert_eq!(os.boot_devices.len(), 4);
        assert_eq!(problems, ["only the first 4 <boot> have an effect"]);
    }

    #[test]
    fn a_menu_that_is_off_has_no_timeout() {
        let printed = os("<bootmenu enable='no' timeout='5'/><bios rebootTimeout='-1'/>").unwrap();
        assert!(printed.contains("<bootmenu enable='no'/>"), "{printed}");
        assert!(os("<bios rebootTimeout='-2'/>").is_err());
    }
}
