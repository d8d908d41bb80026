//! Processors that are added to a machine, and where QEMU's threads run.

use std::collections::BTreeMap;
use std::path::Path;

use host::control_group;
use qemu::plan::{AddedProcessor, ControlGroup, Policy, Thread, ThreadPlacement};
use qmp::Client;
use serde_json::Value;

use super::LaunchError;

/// Adds processors. What each of them is and where it goes is what QEMU says of its empty places.
///
/// libvirt: `qemuProcessSetupHotpluggableVcpus`.
pub(super) async fn add(client: &Client, processors: &[AddedProcessor]) -> Result<(), LaunchError> {
    if processors.is_empty() {
        return Ok(());
    }
    let places = client.execute("query-hotpluggable-cpus", &Value::Null).await?;
    for processor in processors {
        // QEMU says better what is wrong with a place that is not there.
        let device = qemu::plan::processor(&places, processor.number).unwrap_or_default();
        let added = client.execute("device_add", &device).await;
        added.map_err(|error| LaunchError::Command {
            at: processor.at.clone(),
            purpose: processor.purpose.clone(),
            error,
        })?;
    }
    Ok(())
}

/// Limits threads, and puts them where they are to run.
///
/// libvirt: `qemuProcessSetupPid`.
pub(crate) async fn place(
    client: &Client,
    qemu: u32,
    placements: &[ThreadPlacement],
    limited: Option<(&Path, &ControlGroup)>,
) -> Result<(), LaunchError> {
    let has_limits =
        limited.is_some_and(|(_, planned)| planned.settings.iter().any(|it| it.thread.is_some()));
    if placements.is_empty() && !has_limits {
        return Ok(());
    }
    let vcpus = client.execute("query-cpus-fast", &Value::Null).await?;
    let vcpus = numbers(&vcpus, "cpu-index", |index| index.as_u64()?.try_into().ok());
    let iothreads = client.execute("query-iothreads", &Value::Null).await?;
    let iothreads =
        numbers(&iothreads, "id", |id| id.as_str()?.strip_prefix("iothread")?.parse().ok());
    let mut others = sys::thread::of_process(qemu)?;
    others.retain(|thread| !vcpus.values().chain(iothreads.values()).any(|other| other == thread));
    let threads = |of: Thread| -> Vec<i32> {
        match of {
            Thread::Emulator => others.clone(),
            Thread::Vcpu { number } => vcpus.get(&number).copied().into_iter().collect(),
            Thread::Iothread { number } => iothreads.get(&number).copied().into_iter().collect(),
        }
    };
    if let Some((group, planned)) = limited {
        control_group::limit_threads(group, planned, threads)?;
    }
    for placement in placements {
        for thread in threads(placement.thread) {
            put(thread, placement).map_err(|error| LaunchError::Thread {
                at: placement.at.clone(),
                what: worded(placement.thread),
                error,
            })?;
        }
    }
    Ok(())
}

/// The numbers of threads by what the guest or the document calls them.
fn numbers(list: &Value, name: &str, number: impl Fn(&Value) -> Option<u32>) -> BTreeMap<u32, i32> {
    let entries = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    entries
        .filter_map(|entry| {
            Some((number(&entry[name])?, entry["thread-id"].as_i64()?.try_into().ok()?))
        })
        .collect()
}

fn put(thread: i32, placement: &ThreadPlacement) -> std::io::Result<()> {
    if let Some(cpus) = &placement.cpus {
        sys::thread::set_affinity(thread, cpus)?;
    }
    match placement.policy {
        None => Ok(()),
        Some(policy) => sys::thread::set_policy(
            thread,
            match policy {
                Policy::Batch => sys::thread::Policy::Batch,
                Policy::Idle => sys::thread::Policy::Idle,
                Policy::Fifo { priority } => sys::thread::Policy::Fifo(priority),
                Policy::Rr { priority } => sys::thread::Policy::RoundRobin(priority),
            },
        ),
    }
}

fn worded(thread: Thread) -> String {
    match thread {
        Thread::Emulator => "QEMU".to_owned(),
        Thread::Vcpu { number } => format!("processor {number}"),
        Thread::Iothread { number } => format!("I/O thread {number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn threads_are_found_by_number() {
        let list = json!([{"id": "iothread3", "thread-id": 17}, {"id": "mine", "thread-id": 18}]);
        let parsed = |id: &Value| id.as_str()?.strip_prefix("iothread")?.parse().ok();
        assert_eq!(numbers(&list, "id", parsed), BTreeMap::from([(3, 17)]));
    }
}
