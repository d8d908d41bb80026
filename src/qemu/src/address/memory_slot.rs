//! Slots of memory modules.

use std::collections::BTreeSet;

use conf::Domain;
use conf::address::{Address, Dimm};
use conf::device::memory_device::MemoryModel;
use xml::{Part, Problem};

/// Gives each memory module the lowest slot that is free, if memory can be added at all. Where it
/// appears in the guest's memory is left to QEMU.
///
/// libvirt: `qemuDomainAssignMemorySlots`.
///
/// # Errors
/// More modules than slots.
pub fn assign(domain: &mut Domain) -> Result<(), Problem> {
    let Some(max_memory) = &domain.max_memory else { return Ok(()) };
    let slots = max_memory.slots.map_or(0, |slots| slots.get());
    let memories = &mut domain.devices.memories;
    let mut taken: BTreeSet<u32> = memories
        .iter()
        .filter_map(|memory| match &memory.info.address {
            Some(Address::Dimm(dimm)) => Some(dimm.slot),
            _ => None,
        })
        .collect();
    for memory in memories {
        let is_module = matches!(memory.model, MemoryModel::Dimm(_) | MemoryModel::Nvdimm(_));
        if !is_module || matches!(memory.info.address, Some(Address::Dimm(_))) {
            continue;
        }
        let slot = (0..slots).find(|slot| !taken.contains(slot)).ok_or_else(|| {
            let message = format!("there is no slot left for the memory module: there are {slots}");
            Problem::error(memory.origin, Part::Name, message).help("raise 'slots' of <maxMemory>")
        })?;
        taken.insert(slot);
        memory.info.address = Some(Address::Dimm(Dimm { slot, base: None }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    /// The slots of two modules, the second of which asks for slot 0.
    fn slots(max_memory: &str) -> Result<Vec<Option<u32>>, String> {
        let module = |address| {
            format!(
                "<memory model='dimm'><target><size>524288</size><node>0</node></target>{address}\
                 </memory>"
            )
        };
        let text = format!(
            "<domain type='qemu'><name>t</name><os><type>hvm</type></os>{max_memory}\
             <devices>{}{}</devices></domain>",
            module(""),
            module("<address type='dimm' slot='0'/>")
        );
        let (mut domain, _) = conf::parse(&Source::new("t.xml", text)).unwrap();
        assign(&mut domain).map_err(|problem| problem.message)?;
        let memories = domain.devices.memories.iter();
        Ok(memories
            .map(|memory| match &memory.info.address {
                Some(Address::Dimm(dimm)) => Some(dimm.slot),
                _ => None,
            })
            .collect())
    }

    #[test]
    fn a_module_gets_the_lowest_free_slot() {
        let slots = slots("<maxMemory slots='2' unit='GiB'>8</maxMemory>");
        assert_eq!(slots, Ok(vec![Some(1), Some(0)]));
    }

    #[test]
    fn a_module_too_many_is_refused() {
        assert_eq!(
            slots("<maxMemory slots='1' unit='GiB'>8</maxMemory>"),
            Err("there is no slot left for the memory module: there are 1".to_owned())
        );
    }

    #[test]
    fn a_guest_whose_memory_cannot_grow_has_no_slots() {
        assert_eq!(slots(""), Ok(vec![None, Some(0)]));
    }
}
