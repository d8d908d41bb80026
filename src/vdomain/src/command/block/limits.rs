//! `blkdeviotune`: limits of a disk.

use conf::throttle::Iotune;
use qemu::change::Limits;
use serde_json::{Map, Value};

use crate::arguments::Blkdeviotune;
use crate::command::change::Subject;
use crate::command::change::live::Live;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(in crate::command) fn blkdeviotune(
    arguments: &Blkdeviotune,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let subject = Subject::new(&arguments.disk.domain.name, environment, &arguments.changing)?;
    let (is_live, _) = subject.affects()?;
    let domain = domains::model(&subject.name, !is_live, environment)?;
    let disk = &domain.devices.disks[qemu::change::disk(&domain, &arguments.disk.disk)?];
    let limits = Limits {
        disk: disk.name().to_owned(),
        numbers: given(arguments).into_iter().filter_map(|(name, it)| Some((name, it?))).collect(),
        group: arguments.group_name.clone(),
    };
    if limits.numbers.is_empty() && limits.group.is_none() {
        let iotune = disk.iotune.clone().unwrap_or_default();
        print(iotune, arguments.changing.json, output)?;
        return Ok(Exit::Done);
    }
    let world = &subject.world;
    let limit = |live: &Live| {
        let capabilities = world.capabilities(&live.domain)?;
        Ok(limits.change(&live.domain, &live.inventory, &capabilities, &world.host)?)
    };
    subject.edit(output, limit, |domain| limits.set(domain).map(|(domain, _)| domain))
}

/// The limits in virsh's words, those that are not given among them.
fn given(it: &Blkdeviotune) -> [(&'static str, Option<u64>); 19] {
    [
        ("total_bytes_sec", it.total_bytes_sec),
        ("read_bytes_sec", it.read_bytes_sec),
        ("write_bytes_sec", it.write_bytes_sec),
        ("total_iops_sec", it.total_iops_sec),
        ("read_iops_sec", it.read_iops_sec),
        ("write_iops_sec", it.write_iops_sec),
        ("total_bytes_sec_max", it.total_bytes_sec_max),
        ("read_bytes_sec_max", it.read_bytes_sec_max),
        ("write_bytes_sec_max", it.write_bytes_sec_max),
        ("total_iops_sec_max", it.total_iops_sec_max),
        ("read_iops_sec_max", it.read_iops_sec_max),
        ("write_iops_sec_max", it.write_iops_sec_max),
        ("size_iops_sec", it.size_iops_sec),
        ("total_bytes_sec_max_length", it.total_bytes_sec_max_length),
        ("read_bytes_sec_max_length", it.read_bytes_sec_max_length),
        ("write_bytes_sec_max_length", it.write_bytes_sec_max_length),
        ("total_iops_sec_max_length", it.total_iops_sec_max_length),
        ("read_iops_sec_max_length", it.read_iops_sec_max_length),
        ("write_iops_sec_max_length", it.write_iops_sec_max_length),
    ]
}

/// virsh: `cmdBlkdeviotune`, which says in front of the lengths which group it is.
fn print(mut iotune: Iotune, json: bool, output: &mut Output) -> Result<(), Failure> {
    let group = iotune.group_name.take();
    let numbers = iotune.numbers_mut().map(|(name, number)| (name, number.map_or(0, u64::from)));
    if json {
        let numbers = numbers.iter().map(|(name, number)| ((*name).to_owned(), (*number).into()));
        let mut json: Map<String, Value> = numbers.collect();
        json.insert("group_name".to_owned(), group.into());
        return output.json(&json.into());
    }
    let mut text = String::new();
    for (name, number) in numbers {
        text += &format!("{name:<15}: {number}\n");
        if name == "size_iops_sec" {
            text += &format!("{:<15}: {}\n", "group_name", group.as_deref().unwrap_or_default());
        }
    }
    output.text(&text)
}
