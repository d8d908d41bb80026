//! Firmware descriptors: JSON files that say what a firmware image is and can do.
//!
//! QEMU: `docs/interop/firmware.json`. libvirt: `qemuInteropFetchConfigs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use qemu::host::FirmwareDescriptor;

use super::directory;

/// The descriptors in the order in which they are tried. A file of a later directory replaces one of
/// the same name, an empty file hides it.
pub(super) fn descriptors(user: Option<&Path>) -> Vec<FirmwareDescriptor> {
    let mut directories: Vec<PathBuf> =
        vec!["/usr/share/qemu/firmware".into(), "/etc/qemu/firmware".into()];
    directories.extend(user.map(|config| config.join("qemu/firmware")));
    merged(&directories)
}

fn merged(directories: &[PathBuf]) -> Vec<FirmwareDescriptor> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for path in directories.iter().flat_map(directory) {
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && name.ends_with(".json")
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.insert(name.to_owned(), text);
        }
    }
    files
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .filter_map(|(name, text)| {
            Some(FirmwareDescriptor { name, content: serde_json::from_str(&text).ok()? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_directories_replace_and_hide_files_of_earlier_ones() {
        let root = tempfile::tempdir().unwrap();
        let (usr, etc) = (root.path().join("usr"), root.path().join("etc"));
        for (directory, name, text) in [
            (&usr, "10-a.json", "{\"from\":\"usr\"}"),
            (&usr, "20-b.json", "{}"),
            (&usr, "30-c.json", "not json"),
            (&etc, "10-a.json", "{\"from\":\"etc\"}"),
            (&etc, "20-b.json", ""),
        ] {
            fs::create_dir_all(directory).unwrap();
            fs::write(directory.join(name), text).unwrap();
        }

        let found = merged(&[usr, etc]);

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].content["from"], "etc");
    }
}
