//! What a running guest has done with its disks, and how large their images are.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use conf::Domain;
use conf::device::disk::Disk;
use conf::device::{Device, DeviceKind};
use qemu::alias::Aliases;
use serde_json::Value;

/// A disk of a running guest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunningDisk {
    /// Its name, such as `vda`.
    pub target: String,
    /// Where its image is: a path, or what a server calls it. `None` for an empty drive.
    pub source: Option<String>,
    /// The name of the node on top of its image's chain. `None` for an empty drive.
    pub node: Option<String>,
    /// What the guest has read.
    pub reads: Transfers,
    /// What it has written.
    pub writes: Transfers,
    /// How often it has had all written out.
    pub flushes: Transfers,
    /// How large its image is. `None` for an empty drive.
    pub size: Option<Size>,
}

/// Transfers of one kind since the guest was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// How many.
    pub requests: u64,
    /// How many bytes. Flushes have none.
    pub bytes: u64,
    /// How long they took, in nanoseconds.
    pub time: u64,
    /// How many failed.
    pub errors: u64,
}

/// How large an image is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// What the guest sees.
    pub capacity: u64,
    /// What it takes on the host, holes left out.
    pub allocation: u64,
    /// How long the file is, or how large the block device.
    pub physical: u64,
}

/// The disks of a running guest, in the order of its document.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn disks(qemu: &qmp::Client, domain: &Domain) -> Result<Vec<RunningDisk>, qmp::Error> {
    let statistics = qemu.send("query-blockstats", &Value::Null);
    let blocks = qemu.send("query-block", &Value::Null);
    let (statistics, blocks) = (statistics.answer().await?, blocks.answer().await?);
    let aliases = Aliases::assign(domain);
    let of_disk = |(pos, disk): (usize, &Disk)| {
        let alias = aliases.get(DeviceKind::Disk, pos);
        describe(disk, find(&statistics, alias), find(&blocks, alias))
    };
    Ok(domain.devices.disks.iter().enumerate().map(of_disk).collect())
}

/// Where the image of a disk is, in the words of `domblklist`. `None` for an empty drive.
///
/// libvirt: `virDomainDiskGetSource`, as `cmdDomblklist` prints it.
pub fn source(disk: &Disk) -> Option<String> {
    if disk.is_empty() {
        return None;
    }
    let network = disk.source.network().and_then(|network| network.name.as_ref());
    disk.source
        .path()
        .map(str::to_owned)
        .or_else(|| network.map(|name| name.to_string()))
        .or_else(|| Some("-".to_owned()))
}

/// The answer about one disk: its path in QEMU's tree is its id, or contains it.
fn find<'a>(answer: &'a Value, alias: &str) -> &'a Value {
    let is_meant = |one: &&Value| {
        one["qdev"].as_str().is_some_and(|path| path.split('/').any(|part| part == alias))
    };
    answer.as_array().and_then(|all| all.iter().find(is_meant)).unwrap_or(&Value::Null)
}

fn describe(disk: &Disk, statistics: &Value, block: &Value) -> RunningDisk {
    let stats = &statistics["stats"];
    let number = |key: &str| stats[key].as_u64().unwrap_or(0);
    let transfers = |short: &str, long: &str| Transfers {
        requests: number(&format!("{short}_operations")),
        bytes: number(&format!("{short}_bytes")),
        time: number(&format!("{long}_total_time_ns")),
        errors: number(&format!("failed_{short}_operations")),
    };
    let image = &block["inserted"]["image"];
    let source = source(disk);
    let size = image["virtual-size"].as_u64().map(|capacity| {
        let actual = image["actual-size"].as_u64().unwrap_or(0);
        let highest = statistics["parent"]["stats"]["wr_highest_offset"].as_u64().unwrap_or(0);
        let file = source.as_ref().and_then(|path| Path::new(path).metadata().ok());
        match file {
            Some(file) if file.is_file() => {
                Size { capacity, allocation: file.blocks() * 512, physical: file.len() }
            }
            // Of a block device it is only known how far the guest has written.
            _ => Size { capacity, allocation: highest.max(actual), physical: actual.max(capacity) },
        }
    });
    RunningDisk {
        target: disk.name().to_owned(),
        source,
        node: block["inserted"]["node-name"].as_str().map(str::to_owned),
        reads: transfers("rd", "rd"),
        writes: transfers("wr", "wr"),
        flushes: transfers("flush", "flush"),
        size,
    }
}

/// What a device of the document is called in events: the name of the disk, or the alias.
pub fn name_of(domain: &Domain, alias: &str) -> String {
    let found = Aliases::assign(domain).find(alias);
    let disk = domain.devices.iter().find_map(|(id, device)| match device {
        Device::Disk(disk) if Some(id) == found => Some(disk.name().to_owned()),
        _ => None,
    });
    disk.unwrap_or_else(|| alias.to_owned())
}
