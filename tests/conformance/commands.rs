//! What plans say to QEMU is what QEMU says that it takes: every command, and every property of every
//! device that the recording tells of.

use std::collections::BTreeSet;
use std::sync::Arc;

use qemu::Capabilities;
use qemu::plan::Plan;
use qmp::Schema;
use serde_json::Value;

use crate::corpus::{Corpus, Document};
use crate::machine::planned;
use crate::world::World;
use crate::{Case, Outcome};

/// The QEMUs that were recorded.
const RECORDINGS: &[&str] = &[
    "libvirt/caps_7.2.0_x86_64.replies",
    "libvirt/caps_8.2.0_x86_64.replies",
    "libvirt/caps_9.2.0_x86_64.replies",
    "libvirt/caps_10.0.0_x86_64.replies",
    "real/caps_11.1.3_x86_64.replies",
];

/// How many findings are shown.
const SHOWN: usize = 40;

/// One case for each QEMU.
pub(crate) fn cases(corpus: &Corpus) -> Vec<Case> {
    let documents = Arc::new(corpus.inputs());
    RECORDINGS
        .iter()
        .map(|recording| {
            let name = recording.rsplit('/').next().unwrap_or(recording);
            let name = name.trim_end_matches(".replies");
            let world = World::read(corpus, recording);
            let documents = Arc::clone(&documents);
            Case::new(format!("commands/{name}"), move || fits(&world?, &documents))
        })
        .collect()
}

/// Everything that can be planned for this QEMU is what it takes.
fn fits(world: &World, documents: &[Document]) -> Outcome {
    let schema = Schema::from_text(&world.capabilities.schema);
    let mut findings: BTreeSet<String> = BTreeSet::new();
    for document in documents {
        let Ok(domain) = world.completed(document) else { continue };
        let Ok(plan) = planned(&domain, world) else { continue };
        for finding in of_plan(&plan, &schema, &world.capabilities) {
            findings.insert(format!("{}: {finding}", document.name));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = findings.iter().take(SHOWN).cloned().collect();
    Err(format!("{} findings\n{}", findings.len(), shown.join("\n")))
}

fn of_plan(plan: &Plan, schema: &Schema<'_>, capabilities: &Capabilities) -> Vec<String> {
    let mut findings = Vec::new();
    for command in &plan.qmp {
        let found = schema.check(&command.execute, &command.arguments);
        findings.extend(found.iter().map(|finding| format!("{}: {finding}", command.execute)));
        if command.execute == "device_add" {
            findings.extend(of_device(&command.arguments, capabilities));
        }
    }
    for pair in plan.argv.windows(2) {
        let Ok(value) = serde_json::from_str::<Value>(&pair[1]) else { continue };
        let command = match pair[0].as_str() {
            "-blockdev" => "blockdev-add",
            "-object" => "object-add",
            "-netdev" => "netdev_add",
            "-device" => {
                findings.extend(of_device(&value, capabilities));
                continue;
            }
            _ => continue,
        };
        let found = schema.check(command, &value);
        findings.extend(found.iter().map(|finding| format!("{}: {finding}", pair[0])));
    }
    findings
}

/// What a device is said that it does not have.
fn of_device(device: &Value, capabilities: &Capabilities) -> Vec<String> {
    let Some(driver) = device["driver"].as_str() else { return vec!["no driver".to_owned()] };
    let Some(known) = capabilities.properties.get(driver) else { return Vec::new() };
    let said = device.as_object().into_iter().flat_map(|members| members.keys());
    said.filter(|name| !["driver", "id", "bus"].contains(&name.as_str()))
        .filter(|name| !known.contains(name))
        .map(|name| format!("{driver} has no property '{name}'"))
        .collect()
}
