//! Memory modules.

use conf::device::memory_device::{MemoryAddress, MemoryModel};
use conf::device::{DeviceKind, MemoryDevice};

use super::Builder;
use super::argument::Argument;
use super::device::Device;
use super::memory::{self, Request};

/// What the sizes of modules are multiples of, in KiB.
///
/// libvirt: `qemuDomainGetMemoryModuleSizeAlignment`.
const MODULE_ALIGNMENT: u64 = 2048;

/// A memory module and what is behind it.
///
/// libvirt: `qemuBuildMemoryDeviceCommandLine`, `qemuBuildMemoryDeviceProps`.
pub(super) fn memory_device(builder: &mut Builder<'_>, pos: usize, memory: &MemoryDevice) {
    let model = &memory.model;
    if matches!(model, MemoryModel::SgxEpc(_)) {
        return;
    }
    builder.part(format!("memory module {pos}"), memory.origin);
    let alias = builder.aliases.get(DeviceKind::MemoryDevice, pos).to_owned();
    let Some(backend) = backend(builder, memory, &alias) else { return };
    let mut device = Device::new(match model {
        MemoryModel::Dimm(_) | MemoryModel::SgxEpc(_) => "pc-dimm",
        MemoryModel::Nvdimm(_) => "nvdimm",
        MemoryModel::VirtioPmem(_) => "virtio-pmem-pci",
        MemoryModel::VirtioMem(_) => "virtio-mem-pci",
    });
    device.maybe("node", model.node());
    if let MemoryModel::Nvdimm(nvdimm) = model {
        device.maybe("label-size", nvdimm.target.label_size().map(|size| size.bytes()));
        device.maybe("uuid", nvdimm.uuid.map(|uuid| uuid.to_string()));
        device.switch("unarmed", nvdimm.target.readonly.then_some(true));
    }
    if let MemoryModel::VirtioMem(mem) = model {
        device.maybe("block-size", mem.target.block.map(|size| size.get().bytes()));
        let requested = mem.target.requested.bytes();
        device.maybe("requested-size", Some(requested).filter(|size| *size > 0));
    }
    device.set("memdev", format!("mem{alias}"));
    device.switch("prealloc", backend.is_prealloc_by_device.then_some(true));
    device.maybe("memaddr", address(model));
    if let MemoryModel::VirtioMem(mem) = model {
        device.switch("dynamic-memslots", mem.target.dynamic_memslots);
    }
    device.set("id", alias);
    device.address(&memory.info, builder);
    builder.object(backend.object);
    builder.device(device);
}

/// What `-machine` says about memory modules.
pub(super) fn of_machine(machine: &mut Argument, builder: &Builder<'_>) {
    let memories = &builder.domain.devices.memories;
    if memories.iter().any(|memory| matches!(memory.model, MemoryModel::Nvdimm(_))) {
        machine.add("nvdimm", "on");
    }
    for (number, (pos, memory)) in epc(builder).enumerate() {
        let alias = builder.aliases.get(DeviceKind::MemoryDevice, pos);
        machine.add(&format!("sgx-epc.{number}.memdev"), format!("mem{alias}"));
        machine.add(&format!("sgx-epc.{number}.node"), memory.model.node().unwrap_or_default());
    }
}

/// The objects behind memory for enclaves, which the machine is made with.
pub(super) fn enclaves(builder: &mut Builder<'_>) {
    let enclaves: Vec<(usize, &MemoryDevice)> = epc(builder).collect();
    for (pos, memory) in enclaves {
        builder.part(format!("memory module {pos}"), memory.origin);
        let alias = builder.aliases.get(DeviceKind::MemoryDevice, pos).to_owned();
        if let Some(backend) = backend(builder, memory, &alias) {
            builder.argument("object", backend.object.to_string());
        }
    }
}

fn epc<'a>(builder: &Builder<'a>) -> impl Iterator<Item = (usize, &'a MemoryDevice)> {
    let memories = builder.domain.devices.memories.iter().enumerate();
    memories.filter(|(_, memory)| matches!(memory.model, MemoryModel::SgxEpc(_)))
}

fn backend(
    builder: &mut Builder<'_>,
    memory: &MemoryDevice,
    alias: &str,
) -> Option<memory::Backend> {
    let model = &memory.model;
    let request = Request {
        id: format!("mem{alias}"),
        file_name: Some(alias),
        size: model.size().0.next_multiple_of(MODULE_ALIGNMENT) << 10,
        node: model.node(),
        access: memory.access,
        discard: memory.discard,
        page_size: model.pagesize().map(|size| size.0),
        host_nodes: model.nodemask(),
        model: Some(model),
        ..Request::default()
    };
    memory::backend(builder, &request)
}

/// Where the guest finds memory that is a virtio device.
fn address(model: &MemoryModel) -> Option<u64> {
    let address: &MemoryAddress = match model {
        MemoryModel::VirtioPmem(pmem) => pmem.target.address.as_ref()?,
        MemoryModel::VirtioMem(mem) => mem.target.address.as_ref()?,
        MemoryModel::Dimm(_) | MemoryModel::Nvdimm(_) | MemoryModel::SgxEpc(_) => return None,
    };
    address.base.map(|base| base.0.get())
}
