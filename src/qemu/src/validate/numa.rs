//! NUMA nodes of the host that memory comes from.
//!
//! libvirt: `virDomainNumatuneNodeParseXML` and `virDomainDefValidateInternal`.

use conf::numatune::NumatuneMode;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[Rule::new(
    "restrictive-everywhere-or-nowhere",
    "the restrictive mode is the control group's, for all of QEMU",
    restrictive,
)];

fn restrictive(check: &mut Check<'_>) {
    let Some(numatune) = &check.domain.numatune else { return };
    let Some(memory) = &numatune.memory else { return };
    let wanted = memory.mode == NumatuneMode::Restrictive;
    for memnode in &numatune.memnodes {
        if (memnode.mode == NumatuneMode::Restrictive) != wanted {
            let message =
                format!("<memnode> is '{}', but <memory> is '{}'", memnode.mode, memory.mode);
            check.refuse(
                memnode.origin,
                attribute("mode"),
                message,
                "write mode='restrictive' in both, or in neither",
            );
        }
    }
}
