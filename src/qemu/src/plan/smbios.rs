//! What the guest reads about the machine: SMBIOS strings, firmware configuration, its generation.

use base::words::Words;
use conf::os::SmbiosMode;
use conf::sysinfo::{Entries, Smbios, Sysinfo};

use super::argument::Argument;
use super::device::Device;
use super::{Builder, Open};

/// What is said of the firmware, the machine, its board and its case: the number of the structure,
/// and each field with the file below `/sys/class/dmi/id` that holds the host's own.
const OF_HOST: &[(u8, &[(&str, &str)])] = &[
    (
        0,
        &[
            ("vendor", "bios_vendor"),
            ("version", "bios_version"),
            ("date", "bios_date"),
            ("release", "bios_release"),
        ],
    ),
    (
        1,
        &[
            ("manufacturer", "sys_vendor"),
            ("product", "product_name"),
            ("version", "product_version"),
            ("serial", "product_serial"),
            ("sku", "product_sku"),
            ("family", "product_family"),
        ],
    ),
    (
        2,
        &[
            ("manufacturer", "board_vendor"),
            ("product", "board_name"),
            ("version", "board_version"),
            ("serial", "board_serial"),
            ("asset", "board_asset_tag"),
        ],
    ),
    (
        3,
        &[
            ("manufacturer", "chassis_vendor"),
            ("version", "chassis_version"),
            ("serial", "chassis_serial"),
            ("asset", "chassis_asset_tag"),
        ],
    ),
];

/// `-smbios`.
///
/// libvirt: `qemuBuildSmbiosCommandLine`.
pub(super) fn smbios(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    builder.part("SMBIOS", domain.os.origin);
    match domain.os.smbios_mode {
        None | Some(SmbiosMode::Emulate) => {}
        Some(SmbiosMode::Sysinfo) => {
            let said = domain.sysinfo.iter().find_map(|sysinfo| match sysinfo {
                Sysinfo::Smbios(smbios) => Some(smbios.as_ref()),
                Sysinfo::Fwcfg(_) => None,
            });
            match said {
                Some(said) => of_sysinfo(builder, said),
                None => {
                    let refused = builder.refuse("<smbios mode='sysinfo'/> has nothing to say");
                    refused.help = Some("add <sysinfo type='smbios'>".to_owned());
                }
            }
        }
        Some(SmbiosMode::Host) => of_host(builder),
    }
}

fn of_sysinfo(builder: &mut Builder<'_>, said: &Smbios) {
    builder.part("SMBIOS", said.origin);
    structure(builder, 0, said.bios.as_ref());
    structure(builder, 1, said.system.as_ref());
    for board in &said.base_boards {
        structure(builder, 2, Some(board));
    }
    structure(builder, 3, said.chassis.as_ref());
    if let Some(strings) = &said.oem_strings {
        let mut argument = Argument::new("type=11");
        for text in &strings.entries {
            argument.add("value", text);
        }
        builder.argument("smbios", argument.into_text());
    }
}

/// The words that libvirt has for the fields of a structure are QEMU's.
fn structure<N: Words>(builder: &mut Builder<'_>, number: u8, entries: Option<&Entries<N>>) {
    let Some(entries) = entries else { return };
    let mut argument = Argument::new(&format!("type={number}"));
    for (name, text) in entries.iter() {
        argument.add(name.word(), text);
    }
    builder.argument("smbios", argument.into_text());
}

fn of_host(builder: &mut Builder<'_>) {
    let host = builder.host;
    if host.dmi.is_empty() {
        let refused = builder.refuse("what SMBIOS says of this host is not known");
        refused.help = Some("use <smbios mode='sysinfo'/> and <sysinfo type='smbios'>".to_owned());
        return;
    }
    for (number, fields) in OF_HOST {
        let mut argument = Argument::new(&format!("type={number}"));
        for (name, file) in *fields {
            argument.maybe(name, host.dmi.get(*file));
        }
        builder.argument("smbios", argument.into_text());
    }
}

/// `-fw_cfg`; QEMU gets a copy of each file in memory.
///
/// libvirt: `qemuBuildSysinfoCommandLine`.
pub(super) fn firmware_configuration(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    for (at, sysinfo) in domain.sysinfo.iter().enumerate() {
        let Sysinfo::Fwcfg(fwcfg) = sysinfo else { continue };
        builder.part("firmware configuration", fwcfg.origin);
        for (number, entry) in fwcfg.entries.iter().enumerate() {
            let mut argument = Argument::new("");
            argument.add("name", &entry.name);
            if let Some(value) = &entry.value {
                argument.add("string", &**value);
            } else if let Some(file) = &entry.file {
                let fd = builder.fd(format!("fwcfg{at}-{number}"), file, Open::MemfdCopy);
                argument.add("file", builder.inherited_path(fd));
            }
            builder.argument("fw_cfg", argument.into_text());
        }
    }
}

/// The identifier that changes whenever the guest's state goes back in time.
///
/// libvirt: `qemuBuildVMGenIDCommandLine`.
pub(super) fn generation(builder: &mut Builder<'_>) {
    let Some(genid) = &builder.domain.genid else { return };
    let Some(id) = genid.id else { return };
    builder.part("genid", genid.origin);
    let mut device = Device::new("vmgenid");
    device.set("guid", id.to_string()).set("id", "vmgenid0");
    builder.device(device);
}
