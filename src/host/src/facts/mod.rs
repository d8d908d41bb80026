//! What this machine is like, as the value that completion and planning take.
//!
//! What cannot be read counts as not there: a guest that needs it is refused with that reason later.

mod firmware;
mod network;
mod pools;
mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use qemu::host::{
    Directories, Host, HugepageMount, PciKind, Randomness, Settings, SevFacts, TlsSettings,
};

/// What the caller knows already.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Whether guests run as root.
    pub privileged: bool,
    /// The program's environment.
    pub environment: BTreeMap<String, String>,
    /// Where state of guests is kept.
    pub state: PathBuf,
    /// Where running guests are kept.
    pub run: PathBuf,
    /// Where our own secrets are kept.
    pub secrets: PathBuf,
}

/// The variables that can change a guest.
const VARIABLES: &[&str] = &[
    "QEMU_AUDIO_DRV",
    "SDL_AUDIODRIVER",
    "PIPEWIRE_RUNTIME_DIR",
    "PIPEWIRE_CORE",
    "PIPEWIRE_REMOTE",
    "XAUTHORITY",
    "DISPLAY",
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
];

/// The guest architectures whose QEMU is looked for.
const ARCHITECTURES: &[(&str, &str)] =
    &[("x86_64", "qemu-system-x86_64"), ("i686", "qemu-system-i386")];

/// Enough bytes for the UUID and the MAC addresses of any guest.
const RANDOM_BYTES: usize = 4096;

/// Looks at this machine.
pub fn facts(given: &Given) -> Host {
    let path = given.environment.get("PATH").map_or("", String::as_str);
    let config = config_directory(given);
    Host {
        architecture: std::env::consts::ARCH.to_owned(),
        privileged: given.privileged,
        emulators: ARCHITECTURES
            .iter()
            .filter_map(|(arch, program)| {
                Some(((*arch).to_owned(), programs::find(program, path)?))
            })
            .collect(),
        directories: Directories {
            lib: text(&given.state),
            channel: text(&given.run.join(".channel")),
            channels: text(&given.run.join(".channel/{name}")),
            nvram: text(&given.state.join("nvram")),
            guest: text(&given.run.join("{name}")),
            tpm: text(&given.state.join("tpm")),
            memory: text(&given.state.join("ram")),
            hugepages: String::new(),
        },
        environment: given
            .environment
            .iter()
            .filter(|(name, _)| VARIABLES.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        page_size: 4,
        hugepages: hugepages(),
        firmware: firmware::descriptors(config.as_deref().filter(|_| !given.privileged)),
        pci_devices: pci_devices(),
        numa_nodes: numa_nodes(),
        networks: network::networks(config.as_deref(), given.privileged),
        dmi: dmi(),
        no_control_groups: crate::control_group::missing(),
        render_node: render_node(),
        pools: pools::pools(config.as_deref(), given.privileged),
        secrets: secrets(given, config.as_deref()),
        programs: programs::helpers(path),
        settings: Settings {
            chardev_tls: certificates("/etc/pki/libvirt-chardev"),
            nbd_tls: certificates("/etc/pki/libvirt-nbd"),
            ..Settings::default()
        },
        security_models: security_models(),
        sev: sys::processor::memory_encryption().map(|(c_bit_position, reduced_phys_bits)| {
            SevFacts { c_bit_position, reduced_phys_bits }
        }),
        randomness: Randomness::Pool(random_bytes()),
        ..Host::default()
    }
}

fn config_directory(given: &Given) -> Option<PathBuf> {
    let variable = |name: &str| given.environment.get(name).filter(|value| !value.is_empty());
    variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".config")))
}

/// Where secrets lie: what systemd has handed over, our own, and libvirt's.
fn secrets(given: &Given, config: Option<&Path>) -> Vec<String> {
    let libvirt = match config {
        _ if given.privileged => Some(PathBuf::from("/etc/libvirt/secrets")),
        config => config.map(|config| config.join("libvirt/secrets")),
    };
    let credentials = given.environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let directories = credentials.into_iter().chain([given.secrets.clone()]).chain(libvirt);
    directories.map(|directory| text(&directory)).collect()
}

/// Certificates for connections of a kind, where libvirt has them.
///
/// libvirt: `virQEMUDriverConfigSetDefaults`.
fn certificates(own: &str) -> Option<TlsSettings> {
    let directories = [own, "/etc/pki/qemu"];
    let found = directories.into_iter().find(|directory| Path::new(directory).is_dir())?;
    Some(TlsSettings { directory: found.to_owned(), ..TlsSettings::default() })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn random_bytes() -> Vec<u8> {
    let mut bytes = vec![0; RANDOM_BYTES];
    match fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// The mounts of hugetlbfs.
fn hugepages() -> Vec<HugepageMount> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let default = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
    parse_hugepages(&mounts, default)
}

fn parse_hugepages(mounts: &str, default: Option<u64>) -> Vec<HugepageMount> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            if kind != "hugetlbfs" {
                return None;
            }
            let size = options
                .split(',')
                .find_map(|option| option.strip_prefix("pagesize="))
                .and_then(|size| {
                    base::Unit::parse(size.trim_start_matches(char::is_numeric)).ok().and_then(
                        |unit| {
                            let digits = size.trim_end_matches(|c: char| !c.is_numeric());
                            unit.bytes(digits.parse().ok()?)
                        },
                    )
                })
                .map(|bytes| bytes / 1024)
                .or(default)?;
            Some(HugepageMount { size, path: path.to_owned(), default: Some(size) == default })
        })
        .collect()
}

/// The PCI devices. A device with a link speed is PCI Express.
fn pci_devices() -> BTreeMap<String, PciKind> {
    directory("/sys/bus/pci/devices")
        .filter_map(|path| {
            let address = path.file_name()?.to_str()?.to_owned();
            let express = path.join("max_link_speed").exists();
            Some((address, if express { PciKind::Express } else { PciKind::Conventional }))
        })
        .collect()
}

/// The first graphics card that draws without a screen.
///
/// libvirt: `virHostGetDRMRenderNode`.
fn render_node() -> Option<String> {
    let is_render_node = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD"))
    };
    directory("/dev/dri").filter(is_render_node).min().map(|path| text(&path))
}

fn numa_nodes() -> Vec<u32> {
    let mut nodes: Vec<u32> = directory("/sys/devices/system/node")
        .filter_map(|path| path.file_name()?.to_str()?.strip_prefix("node")?.parse().ok())
        .collect();
    nodes.sort_unstable();
    nodes
}

/// The security driver of libvirt where the kernel has none that it knows; of the others it is left
/// open, since what they allow is for their own policies to say.
///
/// libvirt: `virSecuritySELinuxDriverProbe`, `virSecurityAppArmorDriverProbe`.
fn security_models() -> Vec<String> {
    let has_selinux = Path::new("/sys/fs/selinux/enforce").exists();
    let apparmor = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    let has_apparmor = apparmor.is_ok_and(|enabled| enabled.trim() == "Y");
    if has_selinux || has_apparmor { Vec::new() } else { vec!["none".to_owned()] }
}

/// What the firmware says of this machine, as far as we may read it.
fn dmi() -> BTreeMap<String, String> {
    directory("/sys/class/dmi/id")
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let said = fs::read_to_string(&path).ok()?.trim_end().to_owned();
            let wanted = ["bios_", "sys_", "product_", "board_", "chassis_"];
            (wanted.iter().any(|prefix| name.starts_with(prefix)) && !said.is_empty())
                .then_some((name, said))
        })
        .collect()
}

/// What is in a directory; nothing if it cannot be read.
fn directory(path: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_huge_pages_are_found_with_their_sizes() {
        let mounts = "proc /proc proc rw 0 0\n\
            hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n\
            none /huge1G hugetlbfs rw,pagesize=1024M 0 0\n";
        let found = parse_hugepages(mounts, Some(2048));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].size, found[0].default), (2048, true));
        assert_eq!((found[1].size, found[1].default), (1 << 20, false));
    }

    #[test]
    fn facts_of_this_machine_can_be_written_down_and_read_back() {
        let host = facts(&Given { environment: std::env::vars().collect(), ..Given::default() });
        let text = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
    }
}
