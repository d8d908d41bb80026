//! The processors.

use std::collections::BTreeMap;

use base::YesNo;
use xml::{Part, Problem};

use crate::domain::Domain;
use crate::vcpu::{Vcpu, VcpuState, Vcpus};

/// A guest that says nothing has one processor; where processors are listed by themselves, all of
/// them are.
///
/// libvirt: `virDomainVcpuParse`.
pub fn default_vcpus(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let vcpu = domain.vcpu.get_or_insert_with(Vcpu::default);
    let Some(Vcpus { vcpus, origin: list }) = &mut domain.vcpus else { return };
    let mut listed: BTreeMap<u32, VcpuState> = BTreeMap::new();
    for state in vcpus.drain(..) {
        let part = || Part::Attribute("id".to_owned());
        if state.id >= vcpu.maximum {
            let message = format!("there is no processor {}", state.id);
            problems.push(
                Problem::error(state.origin, part(), message)
                    .expected(format!("a number below {}, as <vcpu> says", vcpu.maximum)),
            );
        } else if let Some(again) = listed.insert(state.id, state) {
            let message = format!("processor {} appears more than once in <vcpus>", again.id);
            problems.push(Problem::error(again.origin, part(), message));
        }
    }
    let online = listed.values().filter(|state| state.enabled.into()).count() as u32;
    vcpu.current = Some(online).filter(|online| *online != vcpu.maximum);
    *vcpus = (0..vcpu.maximum)
        .map(|id| {
            listed.remove(&id).unwrap_or_else(|| VcpuState {
                origin: *list,
                id,
                ..VcpuState::default()
            })
        })
        .collect();
}

/// A processor can be taken away if it was not there from the start.
///
/// libvirt: `virDomainVcpuDefPostParse`.
pub fn default_hotpluggable(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let Some(Vcpus { vcpus, .. }) = &mut domain.vcpus else { return };
    for state in vcpus {
        let online: bool = state.enabled.into();
        let hotpluggable = *state.hotpluggable.get_or_insert(YesNo::from(!online));
        if !online && hotpluggable == YesNo::No {
            let part = Part::Attribute("hotpluggable".to_owned());
            let message = format!(
                "processor {} is not there from the start and could never be added",
                state.id
            );
            problems.push(
                Problem::error(state.origin, part, message)
                    .help("write hotpluggable='yes' or enabled='yes'"),
            );
        }
    }
}

impl Domain {
    /// How many processors there can be.
    pub fn max_vcpus(&self) -> u32 {
        self.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_that_are_not_listed_are_not_there_from_the_start() {
        let mut domain = Domain {
            vcpu: Some(Vcpu::new(3)),
            vcpus: Some(Vcpus {
                vcpus: vec![VcpuState { enabled: YesNo::Yes, ..VcpuState::default() }],
                ..Vcpus::default()
            }),
            ..Domain::default()
        };
        let mut problems = Vec::new();

        default_vcpus(&mut domain, &mut problems);
        default_hotpluggable(&mut domain, &mut problems);

        assert_eq!(problems, []);
        assert_eq!(domain.vcpu.unwrap().online(), 1);
        let hotpluggable: Vec<_> =
            domain.vcpus.unwrap().vcpus.iter().map(|state| state.hotpluggable).collect();
        assert_eq!(hotpluggable, [Some(YesNo::No), Some(YesNo::Yes), Some(YesNo::Yes)]);
    }
}
