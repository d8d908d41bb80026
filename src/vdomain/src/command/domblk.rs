//! `domblklist`, `domblkinfo`, `domblkstat`: print what there is to know about a domain's disks.

use guest::disks::{self, RunningDisk, Size};
use serde_json::{Value, json};
use sys::runtime::block_on;

use crate::arguments::{Domblkinfo, Domblklist, Domblkstat};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::running::Guest;

pub(super) fn domblklist(
    arguments: &Domblklist,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let domain = domains::model(&name, arguments.inactive, environment)?;
    let rows: Vec<[Option<String>; 4]> = domain
        .devices
        .disks
        .iter()
        .map(|disk| {
            let kind = disk.source.word().to_owned();
            let device = disk.device.to_string();
            [Some(kind), Some(device), Some(disk.name().to_owned()), disks::source(disk)]
        })
        .collect();
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    if arguments.json {
        let json = |[kind, device, target, source]: &[Option<String>; 4]| json!({ "type": kind, "device": device, "target": target, "source": source });
        output.json(&rows.iter().map(json).collect())?;
    } else if arguments.details {
        let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(text)).collect();
        output.text(&table(["Type", "Device", "Target", "Source"], &rows))?;
    } else {
        let rows: Vec<_> =
            rows.iter().map(|[_, _, target, source]| [target, source].map(text)).collect();
        output.text(&table(["Target", "Source"], &rows))?;
    }
    Ok(Exit::Done)
}

/// The disks of a running guest: all, or the one with this name or image.
fn running(
    word: &str,
    device: Option<&str>,
    environment: &Environment,
) -> Result<Vec<RunningDisk>, Failure> {
    let name = super::domain_to_read(word, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let mut all = block_on(disks::disks(&guest.qemu, &guest.domain))?;
    let Some(device) = device else { return Ok(all) };
    let pos = qemu::change::disk(&guest.domain, device)?;
    Ok(vec![all.swap_remove(pos)])
}

pub(super) fn domblkinfo(
    arguments: &Domblkinfo,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if arguments.device.is_none() && !arguments.all {
        return Err(Failure::usage("which disk? Name one, or say --all"));
    }
    let disks = running(&arguments.domain.name, arguments.device.as_deref(), environment)?;
    let unit = |bytes: u64| if arguments.human { human(bytes) } else { bytes.to_string() };
    if arguments.json {
        output.json(&disks.iter().map(size_as_json).collect())?;
    } else if arguments.all {
        let row = |disk: &RunningDisk| {
            let sizes = disk.size.map(|size| [size.capacity, size.allocation, size.physical]);
            let [capacity, allocation, physical] =
                sizes.map_or_else(|| [(); 3].map(|()| "-".to_owned()), |sizes| sizes.map(unit));
            [disk.target.clone(), capacity, allocation, physical]
        };
        let rows: Vec<_> = disks.iter().map(row).collect();
        output.text(&table(["Target", "Capacity", "Allocation", "Physical"], &rows))?;
    } else {
        for disk in &disks {
            let Size { capacity, allocation, physical } = disk.size.ok_or_else(|| {
                Failure::state(format!("there is no medium in '{}'", disk.target))
            })?;
            let lines =
                [("Capacity", capacity), ("Allocation", allocation), ("Physical", physical)];
            let line = |(title, bytes): &(&str, u64)| {
                format!("{:<15} {}\n", format!("{title}:"), unit(*bytes))
            };
            output.text(&lines.iter().map(line).collect::<String>())?;
        }
    }
    Ok(Exit::Done)
}

fn size_as_json(disk: &RunningDisk) -> Value {
    json!({
        "target": disk.target,
        "capacity": disk.size.map(|size| size.capacity),
        "allocation": disk.size.map(|size| size.allocation),
        "physical": disk.size.map(|size| size.physical),
    })
}

/// A number of bytes for people, as virsh prints it.
fn human(bytes: u64) -> String {
    let (mut number, mut units) = (bytes as f64, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].iter());
    let mut unit = units.next().unwrap_or(&"B");
    while number >= 1024.0
        && let Some(larger) = units.next()
    {
        number /= 1024.0;
        unit = larger;
    }
    format!("{number:.3} {unit}")
}

pub(super) fn domblkstat(
    arguments: &Domblkstat,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let disks = running(&arguments.domain.name, arguments.device.as_deref(), environment)?;
    if arguments.json {
        let json = |disk: &RunningDisk| {
            let mut json = json!({ "device": disk.target });
            for (name, number) in counted(disk) {
                json[name] = number.into();
            }
            json
        };
        output.json(&disks.iter().map(json).collect())?;
        return Ok(Exit::Done);
    }
    for disk in &disks {
        let line = |(name, number): &(&str, u64)| format!("{} {name} {number}\n", disk.target);
        output.text(&counted(disk).iter().map(line).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// What virsh counts of a disk, in its order.
fn counted(disk: &RunningDisk) -> [(&'static str, u64); 8] {
    [
        ("rd_req", disk.reads.requests),
        ("rd_bytes", disk.reads.bytes),
        ("wr_req", disk.writes.requests),
        ("wr_bytes", disk.writes.bytes),
        ("flush_operations", disk.flushes.requests),
        ("rd_total_times", disk.reads.time),
        ("wr_total_times", disk.writes.time),
        ("flush_total_times", disk.flushes.time),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people_have_three_places() {
        assert_eq!(human(512), "512.000 B");
        assert_eq!(human(64 << 20), "64.000 MiB");
        assert_eq!(human(1536), "1.500 KiB");
    }
}
