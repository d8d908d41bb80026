//! Programs that run beside QEMU, and where they lie.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Helper programs by their names.
const HELPERS: &[&str] = &[
    "dbus-daemon",
    "ovs-vsctl",
    "passt",
    "qemu-pr-helper",
    "qemu-rdp",
    "swtpm",
    "swtpm_setup",
    "tc",
    "vhost-device-vsock",
    "vhost-user-gpu",
    "virtiofsd",
];

/// Where distributions put programs that are not meant for people.
const LIBRARY_DIRECTORIES: &[&str] =
    &["/usr/sbin", "/usr/libexec", "/usr/lib/virtiofsd", "/usr/lib/qemu", "/usr/local/libexec"];

/// The helper programs that are there.
///
/// Debian 12's `/usr/lib/qemu/virtiofsd` is the old one in C, with other options: virtiofsd counts
/// only where the one in Rust is found.
pub(super) fn helpers(path: &str) -> BTreeMap<String, String> {
    HELPERS
        .iter()
        .filter_map(|name| {
            let found = find(name, path).or_else(|| {
                LIBRARY_DIRECTORIES
                    .iter()
                    .filter(|directory| !(**directory == "/usr/lib/qemu" && *name == "virtiofsd"))
                    .find_map(|directory| executable(&Path::new(directory).join(name)))
            })?;
            Some(((*name).to_owned(), found))
        })
        .collect()
}

/// The first program of this name in the directories of `path`; `/usr/bin` also without being in it.
pub(super) fn find(name: &str, path: &str) -> Option<String> {
    path.split(':')
        .filter(|directory| directory.starts_with('/'))
        .chain(["/usr/bin", "/usr/local/bin"])
        .find_map(|directory| executable(&Path::new(directory).join(name)))
}

fn executable(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        .then(|| path.to_str().map(str::to_owned))?
}
