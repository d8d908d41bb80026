//! Processors of a guest, which come while it runs, and go.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use base::YesNo;

use conf::vcpu::{Vcpu, VcpuState, Vcpus};
use conf::{Domain, DomainType};
use serde_json::Value;
use xml::Problem;

use super::{Change, Removal, refusal};
use crate::alias;
use crate::capabilities::Capabilities;
use crate::host::Host;
use crate::plan::{Inventory, Thread, processor_id, processors};

/// Which processors a guest is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processors {
    /// So many.
    Count(u32),
    /// These, beside those that it has.
    With(BTreeSet<u32>),
    /// Those that it has but these.
    Without(BTreeSet<u32>),
}

/// A guest that runs.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// Its live document.
    pub live: &'a Domain,
    /// What its QEMU has.
    pub inventory: &'a Inventory,
    /// What QEMU answers to `query-hotpluggable-cpus`.
    pub places: &'a Value,
}

impl Processors {
    /// What is done to a guest that runs, one change after the other: all processors are added by one, and
    /// each is taken away by its own, since the guest must let go of it. There is at least one, if only
    /// one that does nothing.
    ///
    /// libvirt: `qemuDomainSelectHotplugVcpuEntities`, `qemuDomainFilterHotplugVcpuEntities`.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn changes(
        &self,
        guest: Guest<'_>,
        capabilities: &Capabilities,
        host: &Host,
    ) -> Result<Vec<Change>, Vec<Problem>> {
        let states = states(guest.live);
        self.check_live(guest.live, &states)?;
        let online = states.iter().filter(|state| state.enabled.into()).count();
        let (added, taken): (Vec<u32>, Vec<u32>) = match self {
            Self::Count(count) => {
                let count = *count as usize;
                let offline = states.iter().filter(|state| state.enabled == YesNo::No);
                let may_go = states.iter().rev().filter(|state| may_go(state));
                (
                    offline.take(count.saturating_sub(online)).map(|state| state.id).collect(),
                    may_go.take(online.saturating_sub(count)).map(|state| state.id).collect(),
                )
            }
            Self::With(numbers) => (numbers.iter().copied().collect(), Vec::new()),
            Self::Without(numbers) => (Vec::new(), numbers.iter().rev().copied().collect()),
        };
        if taken.is_empty() {
            return Ok(vec![add(guest, added.into_iter().collect(), capabilities, host)?]);
        }
        refuse_damage(guest.live, capabilities)?;
        Ok((0..).zip(taken).map(|(before, number)| take(guest, number, before)).collect())
    }

    fn check_live(&self, live: &Domain, states: &[VcpuState]) -> Result<(), Vec<Problem>> {
        check_maximum(self, live)?;
        let numbers = match self {
            Self::Count(count) => {
                let stay = states.iter().filter(|it| it.enabled.into() && !may_go(it)).count();
                if (*count as usize) < stay {
                    let message = format!("{stay} processors are part of the machine and stay");
                    let help = "start the guest with those that are to go as hotpluggable='yes' in \
                                <vcpus>; `vdomain setvcpus --guest` has the guest not use them";
                    return Err(vec![refusal(message).help(help)]);
                }
                return Ok(());
            }
            Self::With(numbers) | Self::Without(numbers) => numbers,
        };
        let is_online = matches!(self, Self::With(_));
        for state in states.iter().filter(|state| numbers.contains(&state.id)) {
            let number = state.id;
            if bool::from(state.enabled) == is_online {
                let how = if is_online { "there already" } else { "not there" };
                return Err(vec![refusal(format!("processor {number} is {how}"))]);
            }
            if !is_online && !may_go(state) {
                let message = format!("processor {number} is part of the machine and stays");
                return Err(vec![refusal(message)]);
            }
        }
        Ok(())
    }

    /// A stored document in which the guest begins with them. `hotpluggable`: those that are more can be
    /// taken away later.
    ///
    /// libvirt: `qemuDomainSetVcpusConfig`, `qemuDomainSetVcpuConfig`.
    ///
    /// # Errors
    /// It cannot have them.
    pub fn set(&self, domain: &Domain, hotpluggable: bool) -> Result<Domain, Vec<Problem>> {
        check_maximum(self, domain)?;
        let mut states = states(domain);
        states.iter_mut().for_each(|state| state.order = None);
        let mut is_listed = domain.vcpus.is_some();
        match self {
            Self::Count(count) => {
                is_listed |= set_count(&mut states, *count as usize, hotpluggable);
            }
            Self::With(numbers) | Self::Without(numbers) => {
                is_listed = true;
                let first = numbers.first().copied().unwrap_or_default();
                if first == 0 {
                    return Err(vec![refusal("processor 0 is always there")]);
                }
                let stays = |state: &&VcpuState| {
                    state.id > first
                        && !numbers.contains(&state.id)
                        && bool::from(state.enabled)
                        && !may_go(state)
                };
                if let Some(behind) = states.iter().find(stays) {
                    let message = format!(
                        "processor {first} cannot change: processor {} behind it is part of the \
                         machine",
                        behind.id
                    );
                    return Err(vec![refusal(message)]);
                }
                for state in states.iter_mut().filter(|state| numbers.contains(&state.id)) {
                    state.enabled = YesNo::from(matches!(self, Self::With(_)));
                    state.hotpluggable = Some(YesNo::Yes);
                }
            }
        }
        Ok(with_states(domain, states, is_listed))
    }
}

/// A stored document in which the guest has at most so many processors.
///
/// libvirt: `qemuDomainSetVcpusMax`.
pub fn with_maximum(domain: &Domain, count: u32) -> Domain {
    let mut states = states(domain);
    states.truncate(count as usize);
    for state in &mut states {
        state.order = None;
    }
    let more = (states.len() as u32..count).map(|id| VcpuState { id, ..VcpuState::default() });
    states.extend(more);
    with_states(domain, states, domain.vcpus.is_some())
}

/// Numbers the processors of a guest that runs in the order in which they came: those that are part of the
/// machine first.
///
/// libvirt: `qemuDomainVcpuPersistOrder`.
pub(crate) fn number_orders(domain: &mut Domain) {
    let Some(Vcpus { vcpus, .. }) = &mut domain.vcpus else { return };
    vcpus.iter_mut().filter(|it| it.enabled == YesNo::No).for_each(|it| it.order = None);
    let mut online: Vec<&mut VcpuState> =
        vcpus.iter_mut().filter(|state| state.enabled.into()).collect();
    online.sort_by_key(|state| (may_go(state), state.order, state.id));
    for (order, state) in (1..).zip(online) {
        state.order = NonZeroU32::new(order);
    }
}

/// Takes the processor of this id out of a live document; `None` if it has none.
pub(super) fn without(domain: &Domain, id: &str) -> Option<Domain> {
    let mut states = states(domain);
    let state = states.iter_mut().find(|state| processor_id(state.id) == id && may_go(state))?;
    state.enabled = YesNo::No;
    let mut domain = with_states(domain, states, true);
    number_orders(&mut domain);
    Some(domain)
}

/// Whether a processor can be taken from a guest that runs.
fn may_go(state: &VcpuState) -> bool {
    bool::from(state.enabled) && state.hotpluggable == Some(YesNo::Yes)
}

/// All processors, each by itself.
fn states(domain: &Domain) -> Vec<VcpuState> {
    if let Some(list) = &domain.vcpus {
        return list.vcpus.clone();
    }
    let online = domain.vcpu.as_ref().map_or(1, Vcpu::online);
    let state = |id: u32| {
        let enabled = YesNo::from(id < online);
        let hotpluggable = Some(YesNo::from(id >= online));
        VcpuState { id, enabled, hotpluggable, ..VcpuState::default() }
    };
    (0..domain.max_vcpus()).map(state).collect()
}

/// The document with these processors; `is_listed`: each by itself.
fn with_states(domain: &Domain, states: Vec<VcpuState>, is_listed: bool) -> Domain {
    let mut domain = domain.clone();
    let vcpu = domain.vcpu.get_or_insert_with(Vcpu::default);
    vcpu.maximum = states.len() as u32;
    let online = states.iter().filter(|state| state.enabled.into()).count() as u32;
    vcpu.current = Some(online).filter(|online| *online != vcpu.maximum);
    domain.vcpus = is_listed.then(|| Vcpus { vcpus: states, ..Vcpus::default() });
    domain
}

/// Makes so many of a stored document's processors be there from the start; whether each must be listed by
/// itself then.
fn set_count(states: &mut [VcpuState], count: usize, mut hotpluggable: bool) -> bool {
    let mut online = states.iter().filter(|state| state.enabled.into()).count();
    let mut is_listed = false;
    for state in states.iter_mut() {
        if online >= count {
            break;
        }
        // Those that stay come before those that can go.
        if state.enabled.into() {
            hotpluggable |= may_go(state);
            continue;
        }
        state.enabled = YesNo::Yes;
        state.hotpluggable = Some(YesNo::from(hotpluggable));
        is_listed |= hotpluggable;
        online += 1;
    }
    for state in states.iter_mut().rev().filter(|state| state.enabled.into()) {
        if online <= count {
            break;
        }
        state.enabled = YesNo::No;
        state.hotpluggable = Some(YesNo::Yes);
        online -= 1;
    }
    is_listed
}

/// The guest has a place for each.
fn check_maximum(wanted: &Processors, domain: &Domain) -> Result<(), Vec<Problem>> {
    let maximum = domain.max_vcpus();
    let (message, has_room) = match wanted {
        Processors::Count(count) => (
            format!("the guest can have at most {maximum} processors, not {count}"),
            *count <= maximum,
        ),
        Processors::With(numbers) | Processors::Without(numbers) => {
            let last = numbers.last().copied().unwrap_or_default();
            let message =
                format!("there is no processor {last}: the guest has 0 to {}", maximum - 1);
            (message, last < maximum)
        }
    };
    if has_room {
        return Ok(());
    }
    Err(vec![refusal(message).help("`vdomain setvcpus --maximum --config` changes that")])
}

/// Adds processors, all at once.
fn add(
    guest: Guest<'_>,
    numbers: BTreeSet<u32>,
    capabilities: &Capabilities,
    host: &Host,
) -> Result<Change, Vec<Problem>> {
    let Guest { live, inventory, places } = guest;
    let unchanged = Change {
        purpose: "processors of the guest".to_owned(),
        revision: inventory.revision,
        document: conf::print(&alias::of_running(live)),
        ..Change::default()
    };
    if numbers.is_empty() {
        return Ok(unchanged);
    }
    let name = live.os.kind.machine.as_deref().unwrap_or_default();
    if capabilities.machine(name).is_some_and(|machine| !machine.hotpluggable_cpus) {
        let message = format!("a '{name}' machine takes no processors while it runs");
        let help = "--config changes the stored document; the next start has them";
        return Err(vec![refusal(message).help(help)]);
    }
    refuse_too_many(live, inventory, numbers.len())?;
    let mut states = states(live);
    let mut order = states.iter().filter(|state| state.enabled.into()).count() as u32;
    for state in states.iter_mut().filter(|state| numbers.contains(&state.id)) {
        order += 1;
        state.enabled = YesNo::Yes;
        state.order = NonZeroU32::new(order);
    }
    let domain = with_states(live, states, true);
    let plan = processors(&domain, (&numbers, places), inventory, capabilities, host)?;
    let mut change = Change {
        purpose: worded("attach", &numbers),
        document: conf::print(&alias::of_running(&domain)),
        revision: inventory.revision,
        ..Change::of_plan(plan)
    };
    let is_new = |thread| matches!(thread, Thread::Vcpu { number } if numbers.contains(&number));
    change.threads.retain(|placement| is_new(placement.thread));
    if let Some(group) = &mut change.control_group {
        group.settings.retain(|setting| setting.thread.is_some_and(is_new));
    }
    change.control_group.take_if(|group| group.settings.is_empty());
    Ok(change)
}

/// Without KVM, QEMU has room for as many processors as there can be at once, and never gets room back: it
/// would end at one more.
///
/// QEMU: `tcg_register_thread`.
fn refuse_too_many(live: &Domain, there: &Inventory, more: usize) -> Result<(), Vec<Problem>> {
    let online = live.vcpu.as_ref().map_or(1, Vcpu::online);
    let made = (online + there.processors_gone) as usize + more;
    if live.kind != DomainType::Qemu || made <= live.max_vcpus() as usize {
        return Ok(());
    }
    let message = format!(
        "QEMU cannot add {more} processors any more: without KVM, those that have gone count too"
    );
    Err(vec![refusal(message).help("the guest has all of them again when it is started anew")])
}

/// Without KVM, QEMU 7.2 writes over its own memory when a processor goes, and ends soon after; 10.0 does
/// not.
fn refuse_damage(live: &Domain, capabilities: &Capabilities) -> Result<(), Vec<Problem>> {
    let (major, minor, _) = capabilities.version;
    if live.kind != DomainType::Qemu || major >= 10 {
        return Ok(());
    }
    let message = format!(
        "QEMU {major}.{minor} cannot take a processor away without KVM: it would crash, as it does in \
         7.2"
    );
    let help = "QEMU 10.0 can; `vdomain setvcpus --guest` has the guest not use it";
    Err(vec![refusal(message).help(help)])
}

/// Takes a processor away, when so many have gone before.
fn take(guest: Guest<'_>, number: u32, before: u64) -> Change {
    let id = processor_id(number);
    let domain = without(guest.live, &id);
    Change {
        purpose: worded("detach", &BTreeSet::from([number])),
        revision: guest.inventory.revision + before,
        removal: Some(Removal {
            helpers: format!("{id}-"),
            device: id,
            purpose: format!("processor {number}"),
            ..Removal::default()
        }),
        document: conf::print(domain.as_ref().unwrap_or(guest.live)),
        ..Change::default()
    }
}

fn worded(what: &str, numbers: &BTreeSet<u32>) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("{what} processor {one}"),
        several => format!("{what} processors {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    /// `<vcpu>` and `<vcpus>` as they are printed.
    fn printed(domain: &Domain) -> Vec<String> {
        let text = conf::print(domain);
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("<vcpu "));
        lines.map(|line| line.replace(" placement='static'", "")).collect()
    }

    fn domain(vcpus: &str) -> Domain {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory>{vcpus}<os><type>hvm</type></os>\
             </domain>"
        );
        conf::parse(&Source::new("a", text).without_places()).unwrap().0
    }

    const LISTED: &str = "<vcpu current='2'>4</vcpu><vcpus>\
        <vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='no' hotpluggable='yes'/>\
        <vcpu id='2' enabled='yes' hotpluggable='yes'/><vcpu id='3' enabled='no' hotpluggable='yes'/>\
        </vcpus>";

    #[test]
    fn processors_are_listed_by_themselves_only_if_some_can_go() {
        let three = |hotpluggable| {
            let domain = domain("<vcpu current='2'>4</vcpu>");
            printed(&Processors::Count(3).set(&domain, hotpluggable).unwrap())
        };
        assert_eq!(three(false), ["<vcpu current='3'>4</vcpu>"]);
        assert_eq!(
            three(true),
            [
                "<vcpu current='3'>4</vcpu>",
                "<vcpu id='0' enabled='yes' hotpluggable='no'/>",
                "<vcpu id='1' enabled='yes' hotpluggable='no'/>",
                "<vcpu id='2' enabled='yes' hotpluggable='yes'/>",
                "<vcpu id='3' enabled='no' hotpluggable='yes'/>",
            ]
        );
    }

    #[test]
    fn what_stays_stands_before_what_can_go() {
        let set = |wanted: Processors| wanted.set(&domain(LISTED), false).map(|it| printed(&it));
        let more = set(Processors::Count(4)).unwrap();
        assert_eq!(more[2], "<vcpu id='1' enabled='yes' hotpluggable='no'/>");
        assert_eq!(more[4], "<vcpu id='3' enabled='yes' hotpluggable='yes'/>");
        let fewer = set(Processors::Count(1)).unwrap();
        assert_eq!(fewer[3], "<vcpu id='2' enabled='no' hotpluggable='yes'/>");
        assert!(set(Processors::Without(BTreeSet::from([0]))).is_err());
        assert!(set(Processors::Count(5)).unwrap_err()[0].message.contains("at most 4"));
    }

    #[test]
    fn another_maximum_keeps_who_is_there() {
        let most = |count| printed(&with_maximum(&domain("<vcpu current='2'>4</vcpu>"), count));
        assert_eq!(most(8), ["<vcpu current='2'>8</vcpu>"]);
        assert_eq!(most(1), ["<vcpu>1</vcpu>"]);
    }

    #[test]
    fn a_running_guest_has_them_in_the_order_in_which_they_came() {
        let mut live = domain(LISTED);
        number_orders(&mut live);
        assert_eq!(printed(&live)[3], "<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/>");
        let gone = without(&live, "vcpu2").unwrap();
        assert_eq!(
            printed(&gone)[..2],
            [
                "<vcpu current='1'>4</vcpu>",
                "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
            ]
        );
        assert_eq!(without(&gone, "vcpu2"), None);
        assert_eq!(without(&live, "vcpu0"), None);
    }
}
