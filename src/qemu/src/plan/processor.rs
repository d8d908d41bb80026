//! Processors that are added to a machine: what each of them is, and where it goes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use xml::Origin;

use super::Builder;
use super::device::Device;

/// The parts of a processor's place in the machine, the largest first.
const PLACE: [&str; 7] =
    ["node-id", "socket-id", "die-id", "cluster-id", "module-id", "core-id", "thread-id"];

/// The id of a processor that is added.
///
/// libvirt: `qemuDomainHotplugAddVcpu`.
pub fn processor_id(number: u32) -> String {
    format!("vcpu{number}")
}

/// Whether that is the id of a processor that was added.
pub(super) fn is_processor(id: &str) -> bool {
    id.strip_prefix("vcpu").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The arguments of `device_add` for a processor: QEMU says what goes into which place in its answer to
/// `query-hotpluggable-cpus`, and processors are numbered in the order of their places. `None` if there is
/// no such place, or if more than one processor goes into it.
///
/// libvirt: `qemuMonitorQueryHotpluggableCpusSorter`, `qemuBuildHotpluggableCPUProps`.
pub fn processor(places: &Value, number: u32) -> Option<Value> {
    let mut places: Vec<&Value> = places.as_array()?.iter().collect();
    places.sort_by_key(|place| PLACE.map(|part| place["props"][part].as_u64()));
    let place = places.get(usize::try_from(number).ok()?)?;
    if place["vcpus-count"] != 1 {
        return None;
    }
    let mut device = Map::new();
    device.insert("driver".to_owned(), place["type"].clone());
    device.insert("id".to_owned(), processor_id(number).into());
    device.extend(place["props"].as_object()?.clone());
    Some(device.into())
}

/// Those of these numbers, each a part of its own.
pub(super) fn processors(builder: &mut Builder<'_>, numbers: &BTreeSet<u32>, places: &Value) {
    for number in numbers {
        builder.part(format!("processor {number}"), Origin::None);
        match processor(places, *number) {
            Some(Value::Object(properties)) => {
                builder.device(Device { properties, ..Device::default() });
            }
            _ => {
                builder.refuse(format!("processor {number}: QEMU cannot add it by itself"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn processors_are_numbered_by_their_places() {
        let place = |socket: u32, core: u32| {
            json!({"type": "qemu64-x86_64-cpu", "vcpus-count": 1,
                   "props": {"socket-id": socket, "core-id": core, "thread-id": 0}})
        };
        let places = json!([place(1, 1), place(1, 0), place(0, 1), place(0, 0)]);
        assert_eq!(
            processor(&places, 2).unwrap(),
            json!({"driver": "qemu64-x86_64-cpu", "id": "vcpu2",
                   "socket-id": 1, "core-id": 0, "thread-id": 0})
        );
        assert_eq!(processor(&places, 4), None);
    }
}
