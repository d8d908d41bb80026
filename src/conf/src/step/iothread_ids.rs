//! The numbers of I/O threads.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use xml::{Origin, Part, Problem};

use crate::domain::Domain;
use crate::iothreads::Iothread;

/// Where I/O threads are listed, lists all of them: what is counted beyond the list has the lowest
/// free numbers. The count is at least the length of the list.
///
/// libvirt: `virDomainDefParseIOThreads`, `virDomainIOThreadIDDefArrayInit`.
pub fn run(domain: &mut Domain) -> Vec<Problem> {
    let Some(ids) = domain.iothread_ids.as_mut().filter(|ids| !ids.iothreads.is_empty()) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    for iothread in &ids.iothreads {
        if !taken.insert(iothread.id) {
            let message = format!("I/O thread {} appears more than once", iothread.id);
            let part = Part::Attribute("id".to_owned());
            problems.push(Problem::error(iothread.origin, part, message));
        }
    }
    let missing = domain.iothreads.map_or(0, NonZeroU32::get).saturating_sub(taken.len() as u32);
    let free = (1..).filter(|id| !taken.contains(id)).take(missing as usize);
    let origin = Origin::Step("iothread_ids");
    ids.iothreads.extend(free.map(|id| Iothread { origin, id, ..Iothread::default() }));
    domain.iothreads = NonZeroU32::new(ids.iothreads.len() as u32);
    problems
}

impl Domain {
    /// The numbers of the I/O threads, in order.
    pub fn iothread_numbers(&self) -> Vec<u32> {
        match &self.iothread_ids {
            Some(ids) if !ids.iothreads.is_empty() => {
                ids.iothreads.iter().map(|iothread| iothread.id).collect()
            }
            _ => (1..=self.iothreads.map_or(0, NonZeroU32::get)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    #[test]
    fn threads_beyond_the_list_have_the_lowest_free_numbers() {
        let text = "<domain type='kvm'><name>a</name><os><type>hvm</type></os>
            <iothreads>4</iothreads>
            <iothreadids><iothread id='3'/><iothread id='1'/></iothreadids></domain>";
        let (mut domain, _) = read::<Domain>("domain", text).unwrap();
        assert_eq!(domain.iothread_numbers(), [3, 1]);
        assert_eq!(run(&mut domain), []);
        assert_eq!(domain.iothread_numbers(), [3, 1, 2, 4]);
    }
}
