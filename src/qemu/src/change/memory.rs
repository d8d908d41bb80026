//! How much memory a guest has that runs: what its balloon leaves it, and what virtio-mem gives it.

use conf::Domain;
use conf::device::DeviceKind;
use conf::device::memballoon::MemballoonModel;
use conf::device::memory_device::{MemoryModel, VirtioMem};
use conf::memory::Kibibytes;
use serde_json::{Value, json};
use xml::Problem;

use super::{Change, Step, refusal};
use crate::alias::Aliases;
use crate::capabilities::Capabilities;
use crate::complete::{Mode, complete};
use crate::host::Host;
use crate::plan::Inventory;

/// What is done to have the balloon of a guest leave it so much memory. The live document changes when
/// the guest has done that.
///
/// libvirt: `qemuDomainSetMemoryFlags`.
///
/// # Errors
/// Why it cannot be done.
pub fn balloon(
    live: &Domain,
    inventory: &Inventory,
    size: Kibibytes,
) -> Result<Change, Vec<Problem>> {
    check(live, size)?;
    let model = live.devices.memballoon.as_ref().map(|balloon| balloon.model);
    if matches!(model, None | Some(MemballoonModel::None)) {
        let problem = refusal("the guest has no balloon, by which its memory could change");
        return Err(vec![problem.help("add <memballoon model='virtio'/> to the stored document")]);
    }
    let purpose = "memory of the guest".to_owned();
    let step = Step::with_undo(("balloon", json!({"value": size.bytes()})), None, &purpose);
    Ok(Change::of_steps(inventory, live, purpose, vec![step]))
}

/// A stored document in which the guest begins with so much memory.
///
/// # Errors
/// It can have no more than it says.
pub fn with_current(domain: &Domain, size: Kibibytes) -> Result<Domain, Vec<Problem>> {
    check(domain, size)?;
    Ok(Domain { current_memory: Some(size), ..domain.clone() })
}

/// A stored document in which the guest has at most so much memory.
///
/// libvirt: `qemuDomainSetMemoryFlags` with `VIR_DOMAIN_MEM_MAXIMUM`.
///
/// # Errors
/// Its memory is that of its nodes.
pub fn with_maximum(domain: &Domain, size: Kibibytes) -> Result<Domain, Vec<Problem>> {
    let mut domain = domain.clone();
    if domain.cpu.as_ref().is_some_and(|cpu| cpu.numa.is_some()) {
        let message = "the memory of a guest with NUMA nodes is that of its nodes";
        return Err(vec![refusal(message).help("change <numa>, with `vdomain edit`")]);
    }
    if let Some(memory) = &mut domain.memory {
        memory.size = size;
    }
    domain.current_memory = domain.current_memory.filter(|current| current.0 < size.0);
    Ok(domain)
}

/// The text of a live document in which the balloon leaves the guest so many bytes; `None` if that is
/// no document.
pub fn ballooned(document: &str, bytes: u64) -> Option<String> {
    super::edited(document, |domain| {
        domain.current_memory = Some(Kibibytes(bytes / 1024));
        Some(())
    })
}

fn check(domain: &Domain, size: Kibibytes) -> Result<(), Vec<Problem>> {
    let most = domain.memory.as_ref().map_or(Kibibytes(0), |memory| memory.size);
    if size.0 > most.0 {
        let message = format!("the guest can have at most {} KiB, not {}", most.0, size.0);
        return Err(vec![refusal(message).help("`vdomain setmaxmem --config` changes that")]);
    }
    Ok(())
}

/// Which virtio-mem device is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// Its alias, as the document gives it or QEMU knows it. Absent: the only one there is.
    pub alias: Option<String>,
    /// The guest's NUMA node that it belongs to. Absent: any.
    pub node: Option<u32>,
    /// How large the guest is asked to let it be.
    pub size: Kibibytes,
}

impl Requested {
    /// A document in which the device is asked for that, and its place.
    ///
    /// libvirt: `virshGetUpdatedMemoryXML`.
    ///
    /// # Errors
    /// There is none like it, or several.
    pub fn set(&self, domain: &Domain) -> Result<(Domain, usize), Vec<Problem>> {
        let mut domain = domain.clone();
        let aliases = Aliases::assign(&domain);
        let is_it = |pos: usize, memory: &VirtioMem| {
            let alias = aliases.get(DeviceKind::MemoryDevice, pos);
            self.alias.as_deref().is_none_or(|wanted| wanted == alias)
                && self.node.is_none_or(|node| memory.target.node == Some(node))
        };
        let memories = domain.devices.memories.iter_mut().enumerate();
        let mut found: Vec<(usize, &mut VirtioMem)> = memories
            .filter_map(|(pos, memory)| match &mut memory.model {
                MemoryModel::VirtioMem(model) if is_it(pos, model) => Some((pos, model)),
                _ => None,
            })
            .collect();
        match found.as_mut_slice() {
            [(pos, memory)] => {
                let pos = *pos;
                memory.target.requested = self.size;
                Ok((domain, pos))
            }
            [] => Err(vec![refusal("the guest has no such virtio-mem device")]),
            _ => {
                let problem = refusal("the guest has several virtio-mem devices like that");
                Err(vec![problem.help("say which by --alias")])
            }
        }
    }

    /// What is done to ask the guest for that.
    ///
    /// libvirt: `qemuDomainChangeMemoryLiveValidateChange`, `qemuDomainChangeMemoryRequestedSize`.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn change(
        &self,
        live: &Domain,
        inventory: &Inventory,
        capabilities: &Capabilities,
        host: &Host,
    ) -> Result<Change, Vec<Problem>> {
        let (domain, pos) = self.set(live)?;
        let domain = complete(domain, capabilities, host, Mode::Reload)?.domain;
        let step = request(live, &domain, pos);
        let purpose = step.command.purpose.clone();
        Ok(Change::of_steps(inventory, &domain, purpose, vec![step]))
    }
}

/// Asks the guest for the size that a virtio-mem device is to have.
pub(super) fn request(before: &Domain, after: &Domain, pos: usize) -> Step {
    let alias = Aliases::assign(before).get(DeviceKind::MemoryDevice, pos).to_owned();
    let set = |domain: &Domain| -> (&str, Value) {
        let size = match &domain.devices.memories[pos].model {
            MemoryModel::VirtioMem(memory) => memory.target.requested.bytes(),
            _ => 0,
        };
        let path = format!("/machine/peripheral/{alias}");
        ("qom-set", json!({"path": path, "property": "requested-size", "value": size}))
    };
    Step::with_undo(set(after), Some(set(before)), &format!("size of memory {alias}"))
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    fn domain(memories: &str) -> Domain {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os>\
             <devices>{memories}</devices></domain>"
        );
        conf::parse(&Source::new("a", text).without_places()).unwrap().0
    }

    fn memory(node: u32) -> String {
        format!(
            "<memory model='virtio-mem'><target><size unit='KiB'>8192</size><node>{node}</node>\
             <block unit='KiB'>2048</block><requested unit='KiB'>0</requested></target></memory>"
        )
    }

    #[test]
    fn one_device_is_asked_for_another_size() {
        let domain = domain(&(memory(0) + &memory(1)));
        let size = Kibibytes(4096);
        let several = Requested { size, ..Requested::default() };
        assert!(several.set(&domain).unwrap_err()[0].message.contains("several"));
        let none = Requested { node: Some(2), ..several.clone() };
        assert!(none.set(&domain).unwrap_err()[0].message.contains("no such"));

        let of_node = Requested { node: Some(1), ..several.clone() };
        let of_alias = Requested { alias: Some("virtiomem1".to_owned()), ..several };
        for requested in [of_node, of_alias] {
            let (changed, pos) = requested.set(&domain).unwrap();
            assert_eq!(pos, 1);
            let text = conf::print(&changed);
            assert_eq!(text.matches("<requested unit='KiB'>4096</requested>").count(), 1);
        }
    }

    #[test]
    fn the_maximum_takes_the_balloon_along() {
        let smaller =
            with_maximum(&with_current(&domain(""), Kibibytes(900)).unwrap(), Kibibytes(800));
        assert_eq!(smaller.unwrap().current_memory, None);
        assert!(with_current(&domain(""), Kibibytes(1025)).is_err());
        assert!(ballooned("<domain>", 1).is_none());
    }
}
