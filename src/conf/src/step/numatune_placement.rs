//! Who chooses the host's NUMA nodes and CPUs.

use xml::{Origin, Part, Problem};

use crate::cpu::Cpu;
use crate::domain::Domain;
use crate::numatune::{NumatuneMemory, NumatunePlacement};
use crate::vcpu::Placement;

/// Settles who chooses: the document where it names nodes, else whoever chooses the other.
///
/// libvirt: `virDomainNumatuneParseXML`, `virDomainNumatuneSet`.
pub fn run(domain: &mut Domain) -> Vec<Problem> {
    let mut problems = memnodes(domain);
    let cpus_chosen_by_numad =
        domain.vcpu.as_ref().is_some_and(|vcpu| vcpu.placement == Placement::Auto);
    if cpus_chosen_by_numad {
        let numatune = domain.numatune.get_or_insert_default();
        numatune.memory.get_or_insert_with(|| NumatuneMemory {
            origin: Origin::Step("numatune_placement"),
            placement: Some(NumatunePlacement::Auto),
            ..NumatuneMemory::default()
        });
    }
    let Some(memory) = domain.numatune.as_mut().and_then(|numatune| numatune.memory.as_mut())
    else {
        return problems;
    };
    let placement = memory.placement.unwrap_or({
        if memory.nodeset.is_some() || !cpus_chosen_by_numad {
            NumatunePlacement::Static
        } else {
            NumatunePlacement::Auto
        }
    });
    memory.placement = Some(placement);
    match placement {
        NumatunePlacement::Static if memory.nodeset.is_none() => problems.push(
            Problem::error(memory.origin, Part::Name, "<memory> of <numatune> needs 'nodeset'")
                .help("name the nodes, or let numad choose them with placement='auto'"),
        ),
        NumatunePlacement::Static => {}
        NumatunePlacement::Auto => {
            memory.nodeset = None;
            if !pins(domain) {
                domain.vcpu.get_or_insert_default().placement = Placement::Auto;
            }
            problems.extend(refuse_memnodes(domain));
        }
    }
    problems
}

/// Whether the document names host CPUs for anything.
fn pins(domain: &Domain) -> bool {
    domain.vcpu.as_ref().is_some_and(|vcpu| vcpu.cpuset.is_some())
        || domain.cputune.as_ref().is_some_and(|tune| {
            !tune.vcpu_pins.is_empty()
                || tune.emulator_pin.is_some()
                || !tune.iothread_pins.is_empty()
        })
}

/// libvirt: `virDomainNumatuneNodeParseXML`.
fn memnodes(domain: &Domain) -> Vec<Problem> {
    let cells = domain.cpu.as_ref().map_or(0, |cpu: &Cpu| cpu.numa_cells().len());
    let memnodes = domain.numatune.iter().flat_map(|numatune| &numatune.memnodes);
    memnodes
        .filter(|memnode| memnode.cell_id as usize >= cells)
        .map(|memnode| {
            let message = format!("<memnode> is for cell {}, which is not there", memnode.cell_id);
            Problem::error(memnode.origin, Part::Attribute("cellid".to_owned()), message)
                .help("cells are listed in <numa> of <cpu>")
        })
        .collect()
}

fn refuse_memnodes(domain: &Domain) -> Option<Problem> {
    let memnode = domain.numatune.as_ref()?.memnodes.first()?;
    let message = "<memnode> contradicts placement='auto'";
    Some(Problem::error(memnode.origin, Part::Name, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    fn placed(content: &str) -> (Domain, Vec<String>) {
        let text =
            format!("<domain type='kvm'><name>a</name><os><type>hvm</type></os>{content}</domain>");
        let (mut domain, _) = read::<Domain>("domain", &text).unwrap();
        let problems = run(&mut domain);
        (domain, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn numad_chooses_nodes_where_it_chooses_cpus() {
        let (domain, problems) = placed("<vcpu placement='auto'>2</vcpu>");
        assert_eq!(problems, Vec::<String>::new());
        assert!(domain.numatune.unwrap().memory.unwrap().is_auto());
    }

    #[test]
    fn numad_chooses_cpus_where_it_chooses_nodes_and_nothing_is_pinned() {
        let numatune = "<numatune><memory placement='auto' nodeset='0'/></numatune>";
        let (domain, _) = placed(&format!("<vcpu>2</vcpu>{numatune}"));
        assert_eq!(domain.vcpu.unwrap().placement, Placement::Auto);
        assert_eq!(domain.numatune.unwrap().memory.unwrap().nodeset, None);

        let (domain, _) = placed(&format!("<vcpu cpuset='1'>2</vcpu>{numatune}"));
        assert_eq!(domain.vcpu.unwrap().placement, Placement::Static);
    }

    #[test]
    fn nodes_must_be_named_where_nobody_else_chooses_them() {
        let (_, problems) = placed("<numatune><memory mode='strict'/></numatune>");
        assert_eq!(
            problems,
            ["<memory> of <numatune> needs 'nodeset'; name the nodes, or let numad choose them \
              with placement='auto'"]
        );
    }
}
