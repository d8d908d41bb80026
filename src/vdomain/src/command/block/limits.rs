//! `blkdeviotune`: limits of a disk.

use base::size::Unit;
use conf::throttle::Iotune;
use qemu::change::Limits;
use serde_json::{Map, Value};

use super::{bytes, refused};
use crate::arguments::Blkdeviotune;
use crate::command::change::{Subject, config, live};
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
    let word = &arguments.disk.disk;
    let subject = Subject::new(&arguments.disk.domain.name, environment, &arguments.changing)?;
    let (is_live, is_config) = subject.affects()?;
    let domain = domains::model(&subject.name, !is_live, environment)?;
    let name = &subject.name;
    let no_disk = || Failure::refused(format!("domain '{name}' has no disk '{word}'"));
    let pos = guest::disks::position(&domain, word).ok_or_else(no_disk)?;
    let disk = &domain.devices.disks[pos];
    let limits = Limits {
        disk: disk.name().to_owned(),
        numbers: given(arguments)?.into_iter().filter_map(|(name, it)| Some((name, it?))).collect(),
        group: arguments.group_name.clone(),
    };
    if limits.numbers.is_empty() && limits.group.is_none() {
        let iotune = disk.iotune.clone().unwrap_or_default();
        print(iotune, arguments.changing.json, output)?;
        return Ok(Exit::Done);
    }
    let stored = match is_config {
        true => Some(config::Stored::edit(&subject, |domain| {
            let (limited, _) = limits.set(domain).map_err(refused)?;
            *domain = limited;
            Ok(())
        })?),
        false => None,
    };
    if is_live {
        let world = &subject.world;
        live::carry_out(&subject, None, output, |live, _| {
            let capabilities = world.capabilities(&live.domain)?;
            let changed = limits.change(&live.domain, &live.inventory, &capabilities, &world.host);
            changed.map_err(refused)
        })?;
    }
    if let Some(stored) = stored {
        stored.write()?;
    }
    Ok(Exit::Done)
}

/// The limits in virsh's words, those that are not given among them.
fn given(it: &Blkdeviotune) -> Result<[(&'static str, Option<u64>); 19], Failure> {
    let sized =
        |text: &Option<String>| text.as_deref().map(|text| bytes(text, Unit::BYTE)).transpose();
    Ok([
        ("total_bytes_sec", sized(&it.total_bytes_sec)?),
        ("read_bytes_sec", sized(&it.read_bytes_sec)?),
        ("write_bytes_sec", sized(&it.write_bytes_sec)?),
        ("total_iops_sec", it.total_iops_sec),
        ("read_iops_sec", it.read_iops_sec),
        ("write_iops_sec", it.write_iops_sec),
        ("total_bytes_sec_max", sized(&it.total_bytes_sec_max)?),
        ("read_bytes_sec_max", sized(&it.read_bytes_sec_max)?),
        ("write_bytes_sec_max", sized(&it.write_bytes_sec_max)?),
        ("total_iops_sec_max", it.total_iops_sec_max),
        ("read_iops_sec_max", it.read_iops_sec_max),
        ("write_iops_sec_max", it.write_iops_sec_max),
        ("size_iops_sec", sized(&it.size_iops_sec)?),
        ("total_bytes_sec_max_length", it.total_bytes_sec_max_length),
        ("read_bytes_sec_max_length", it.read_bytes_sec_max_length),
        ("write_bytes_sec_max_length", it.write_bytes_sec_max_length),
        ("total_iops_sec_max_length", it.total_iops_sec_max_length),
        ("read_iops_sec_max_length", it.read_iops_sec_max_length),
        ("write_iops_sec_max_length", it.write_iops_sec_max_length),
    ])
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
