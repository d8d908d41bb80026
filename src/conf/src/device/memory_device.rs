//! `<memory>` among the devices: a memory module.

use std::fmt::Write;
use std::num::NonZeroU64;

use base::{BadValue, CpuSet, Datatype, NonEmpty, Uuid, Value, YesNo};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::device_info::DeviceInfo;
use crate::memory::{Kibibytes, NonZeroKibibytes};
use crate::memory_backing::MemoryAccess;

/// A memory module.
///
/// libvirt: `virDomainMemoryDefParseXML`, `virDomainMemoryDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct MemoryDevice {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    #[xml(flatten, key_first)]
    pub model: MemoryModel,
    /// Whether other processes can map it. Absent: as the guest's memory says.
    #[xml(attribute)]
    pub access: Option<MemoryAccess>,
    /// Whether the host may forget it when the guest ends. Absent: as the guest's memory says.
    #[xml(attribute)]
    pub discard: Option<YesNo>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// What a memory module is.
///
/// libvirt: `virDomainMemoryModel`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "model")]
pub enum MemoryModel {
    /// Memory in a slot. QEMU: `pc-dimm`.
    #[xml(word = "dimm")]
    Dimm(Dimm),
    /// Memory that keeps its content: a file of the host. QEMU: `nvdimm`.
    #[xml(word = "nvdimm")]
    Nvdimm(Nvdimm),
    /// Memory that keeps its content, as a virtio device. QEMU: `virtio-pmem-pci`.
    #[xml(word = "virtio-pmem")]
    VirtioPmem(VirtioPmem),
    /// Memory that grows and shrinks while the guest runs. QEMU: `virtio-mem-pci`.
    #[xml(word = "virtio-mem")]
    VirtioMem(VirtioMem),
    /// Memory for enclaves of Intel's SGX. QEMU: the machine's `sgx-epc`.
    #[xml(word = "sgx-epc")]
    SgxEpc(SgxEpc),
}

impl MemoryModel {
    /// How large it is at most.
    pub fn size(&self) -> Kibibytes {
        match self {
            Self::Dimm(dimm) => dimm.target.size,
            Self::Nvdimm(nvdimm) => nvdimm.target.size,
            Self::VirtioPmem(pmem) => pmem.target.size,
            Self::VirtioMem(mem) => mem.target.size,
            Self::SgxEpc(epc) => epc.target.size,
        }
    }

    /// How large it is at most, to be changed.
    pub fn size_mut(&mut self) -> &mut Kibibytes {
        match self {
            Self::Dimm(dimm) => &mut dimm.target.size,
            Self::Nvdimm(nvdimm) => &mut nvdimm.target.size,
            Self::VirtioPmem(pmem) => &mut pmem.target.size,
            Self::VirtioMem(mem) => &mut mem.target.size,
            Self::SgxEpc(epc) => &mut epc.target.size,
        }
    }

    /// The guest's NUMA node that it belongs to.
    pub fn node(&self) -> Option<u32> {
        match self {
            Self::Dimm(dimm) => dimm.target.node,
            Self::Nvdimm(nvdimm) => nvdimm.target.node,
            Self::VirtioPmem(pmem) => pmem.target.node,
            Self::VirtioMem(mem) => mem.target.node,
            Self::SgxEpc(epc) => epc.target.node,
        }
    }

    /// The host's NUMA nodes that it comes from.
    pub fn nodemask(&self) -> Option<&CpuSet> {
        match self {
            Self::Dimm(dimm) => dimm.source.as_ref()?.nodemask.as_ref(),
            Self::VirtioMem(mem) => mem.source.as_ref()?.nodemask.as_ref(),
            Self::SgxEpc(epc) => epc.source.as_ref()?.nodemask.as_ref(),
            Self::Nvdimm(_) | Self::VirtioPmem(_) => None,
        }
    }

    /// The size of the host's pages that it is made of.
    pub fn pagesize(&self) -> Option<Kibibytes> {
        let source = match self {
            Self::Dimm(dimm) => dimm.source.as_ref()?,
            Self::VirtioMem(mem) => mem.source.as_ref()?,
            Self::Nvdimm(_) | Self::VirtioPmem(_) | Self::SgxEpc(_) => return None,
        };
        source.pagesize.map(NonZeroKibibytes::get)
    }

    /// The file that it is.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Nvdimm(nvdimm) => nvdimm.source.as_ref()?.path.as_deref(),
            Self::VirtioPmem(pmem) => pmem.source.as_ref()?.path.as_deref(),
            Self::Dimm(_) | Self::VirtioMem(_) | Self::SgxEpc(_) => None,
        }
    }
}

/// `model='dimm'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Dimm {
    /// Where it comes from.
    #[xml(child)]
    pub source: Option<PageSource>,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: PlainTarget,
}

/// `model='nvdimm'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Nvdimm {
    /// Its UUID; only on PowerPC is one made. Absent: none.
    #[xml(text_child)]
    pub uuid: Option<Uuid>,
    /// Where it comes from.
    #[xml(child)]
    pub source: Option<NvdimmSource>,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: NvdimmTarget,
}

/// `model='virtio-pmem'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioPmem {
    /// Where it comes from.
    #[xml(child)]
    pub source: Option<PathSource>,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: VirtioPmemTarget,
}

/// `model='virtio-mem'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioMem {
    /// Where it comes from.
    #[xml(child)]
    pub source: Option<PageSource>,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: VirtioMemTarget,
}

/// `model='sgx-epc'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct SgxEpc {
    /// Where it comes from.
    #[xml(child)]
    pub source: Option<NodeSource>,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: PlainTarget,
}

/// `<source>` of memory made of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = PageSource::finish)]
pub struct PageSource {
    /// The host's NUMA nodes. Absent: as for the guest's other memory.
    #[xml(text_child)]
    pub nodemask: Option<CpuSet>,
    /// The size of the pages. Absent: as for the guest's other memory.
    #[xml(text_child, unit)]
    pub pagesize: Option<NonZeroKibibytes>,
}

impl PageSource {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(self.nodemask.as_ref(), el, reader);
    }
}

/// `<source>` of memory for enclaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = NodeSource::finish)]
pub struct NodeSource {
    /// The host's NUMA nodes. Absent: any.
    #[xml(text_child)]
    pub nodemask: Option<CpuSet>,
}

impl NodeSource {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(self.nodemask.as_ref(), el, reader);
    }
}

fn refuse_empty(nodemask: Option<&CpuSet>, el: El<'_>, reader: &mut Reader) {
    if nodemask.is_some_and(|nodes| nodes.0.is_empty()) {
        let origin = el.child("nodemask").unwrap_or(el).origin();
        reader.error(origin, Part::Text, "<nodemask> has no node in it");
    }
}

/// `<source>` of an NVDIMM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct NvdimmSource {
    /// The file. Absent: refused by validation.
    #[xml(text_child)]
    pub path: Option<NonEmpty>,
    /// What its place in QEMU's memory is a multiple of. Absent: the size of a page.
    #[xml(text_child, unit)]
    pub alignsize: Option<NonZeroKibibytes>,
    /// Whether the file is persistent memory itself, so that QEMU need not write it back.
    #[xml(flag)]
    pub pmem: bool,
}

/// `<source>` of a virtio-pmem device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PathSource {
    /// The file. Absent: refused by validation.
    #[xml(text_child)]
    pub path: Option<NonEmpty>,
}

/// `<target>` of a DIMM and of memory for enclaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PlainTarget {
    /// Where it was written.
    pub origin: Origin,
    /// How large it is.
    #[xml(text_child, unit, required)]
    pub size: Kibibytes,
    /// The guest's NUMA node that it belongs to. Absent: none, or node 0 if there are nodes.
    #[xml(text_child)]
    pub node: Option<u32>,
}

/// `<target>` of an NVDIMM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = NvdimmTarget::finish)]
pub struct NvdimmTarget {
    /// Where it was written.
    pub origin: Origin,
    /// How large it is, the label included.
    #[xml(text_child, unit, required)]
    pub size: Kibibytes,
    /// The guest's NUMA node that it belongs to. Absent: none, or node 0 if there are nodes.
    #[xml(text_child)]
    pub node: Option<u32>,
    /// The part that holds the labels of namespaces. Absent: none.
    #[xml(child)]
    pub label: Option<Label>,
    /// Whether the guest cannot write to it.
    #[xml(flag)]
    pub readonly: bool,
}

impl NvdimmTarget {
    /// The size of the part that holds labels.
    pub fn label_size(&self) -> Option<Kibibytes> {
        self.label.as_ref()?.size.map(NonZeroKibibytes::get)
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let Some(label) = self.label_size() else { return };
        let origin = el.child("label").unwrap_or(el).origin();
        if label < Label::SMALLEST {
            let message = format!("a label of {} KiB is too small", label.0);
            let expected = format!("at least {} KiB", Label::SMALLEST.0);
            reader.push(Problem::error(origin, Part::Name, message).expected(expected));
        }
        if label >= self.size {
            let message =
                format!("the label of {} KiB leaves nothing of {} KiB", label.0, self.size.0);
            reader.error(origin, Part::Name, message);
        }
    }
}

/// `<label>` of an NVDIMM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Label {
    /// How large it is.
    #[xml(text_child, unit)]
    pub size: Option<NonZeroKibibytes>,
}

impl Label {
    /// The smallest that QEMU takes.
    const SMALLEST: Kibibytes = Kibibytes(128);
}

/// `<target>` of a virtio-pmem device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioPmemTarget {
    /// Where it was written.
    pub origin: Origin,
    /// How large it is.
    #[xml(text_child, unit, required)]
    pub size: Kibibytes,
    /// The guest's NUMA node that it belongs to. Absent: none.
    #[xml(text_child)]
    pub node: Option<u32>,
    /// Where the guest finds it. Absent: QEMU chooses.
    #[xml(child)]
    pub address: Option<MemoryAddress>,
}

/// `<target>` of a virtio-mem device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(ignores = "current")]
pub struct VirtioMemTarget {
    /// Where it was written.
    pub origin: Origin,
    /// Whether QEMU maps only what the guest uses (QEMU: `dynamic-memslots`). Absent: no.
    #[xml(attribute, name = "dynamicMemslots")]
    pub dynamic_memslots: Option<YesNo>,
    /// How large it can become.
    #[xml(text_child, unit, required)]
    pub size: Kibibytes,
    /// The guest's NUMA node that it belongs to. Absent: none, or node 0 if there are nodes.
    #[xml(text_child)]
    pub node: Option<u32>,
    /// In what steps it grows and shrinks. Absent: refused by validation.
    #[xml(text_child, unit)]
    pub block: Option<NonZeroKibibytes>,
    /// How large the guest is asked to let it be. Absent: not at all.
    #[xml(text_child, unit, print_if = VirtioMemTarget::has_block)]
    pub requested: Kibibytes,
    /// Where the guest finds it. Absent: QEMU chooses.
    #[xml(child)]
    pub address: Option<MemoryAddress>,
}

impl VirtioMemTarget {
    fn has_block(&self) -> bool {
        self.block.is_some()
    }
}

/// `<address>` in a `<target>`: where the guest finds the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MemoryAddress {
    /// The guest's physical address. Absent: QEMU chooses.
    #[xml(attribute)]
    pub base: Option<HexAddress>,
}

/// An address that is written in hexadecimal digits, with or without `0x`; 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HexAddress(pub NonZeroU64);

impl Value for HexAddress {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        u64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .map(|address| NonZeroU64::new(address).map(Self))
            .ok_or_else(|| BadValue::new("an address in hexadecimal digits, such as 0x140000000"))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{:#x}", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("(0[xX])?[0-9a-fA-F]+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_label_is_neither_too_small_nor_all_there_is() {
        let label = |size| {
            let text = format!(
                "<memory model='nvdimm'><target><size>256</size>\
                 <label><size>{size}</size></label></target></memory>"
            );
            reprint::<MemoryDevice>("memory", &text)
        };
        assert_eq!(
            label(64).unwrap_err(),
            ["a label of 64 KiB is too small: expected at least 128 KiB"]
        );
        assert_eq!(label(256).unwrap_err(), ["the label of 256 KiB leaves nothing of 256 KiB"]);
        assert!(label(128).unwrap().contains("<size unit='KiB'>128</size>"));
    }

    #[test]
    fn what_is_requested_is_printed_where_there_are_blocks() {
        let target = |inner: &str| {
            let text = format!(
                "<memory model='virtio-mem'><target><size>4096</size>{inner}</target></memory>"
            );
            let (memory, warnings) = read::<MemoryDevice>("memory", &text).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            xml::print(&memory, "memory")
        };
        assert!(!target("<requested>1024</requested>").contains("requested"));
        let printed = target("<block unit='MiB'>2</block><current>7</current>");
        assert!(printed.contains("<requested unit='KiB'>0</requested>"), "{printed}");
        assert!(!printed.contains("current"), "{printed}");
    }

    #[test]
    fn an_address_is_hexadecimal_even_without_a_prefix() {
        assert_eq!(HexAddress::parse("140000000").unwrap().unwrap().to_text(), "0x140000000");
        assert_eq!(HexAddress::parse("0x0"), Ok(None));
        assert!(HexAddress::parse("0xg").is_err());
    }

    #[test]
    fn memory_comes_from_one_node_at_least() {
        let text = "<memory model='sgx-epc'><source><nodemask>1,^1</nodemask></source>\
            <target><size>4096</size></target></memory>";
        assert_eq!(
            reprint::<MemoryDevice>("memory", text).unwrap_err(),
            ["<nodemask> has no node in it"]
        );
    }
}
