//! How much memory the guest has.

use xml::{Origin, Part, Problem};

use crate::domain::Domain;
use crate::memory::{Kibibytes, Memory};

/// The guest's memory is what `<memory>` says, or else the sum of its NUMA cells and memory devices;
/// in a new definition the NUMA cells always decide. The balloon leaves it all of that unless the
/// document says less.
///
/// libvirt: `virDomainDefPostParseMemory`.
pub fn totals(domain: &mut Domain, is_new: bool, problems: &mut Vec<Problem>) {
    let cells: u64 = domain.numa_memory().0;
    let given = domain.memory.as_ref().map_or(0, |memory| memory.size.0);
    let devices = domain.memory_of_devices().0;
    if given == 0 || (is_new && cells > 0) {
        let memory = domain.memory.get_or_insert_with(|| Memory {
            origin: Origin::Step("memory total"),
            ..Memory::default()
        });
        memory.size = Kibibytes(cells.saturating_add(devices));
    }
    let total = domain.total_memory();
    if total.0 <= devices {
        let origin = domain.memory.as_ref().map_or(domain.origin, |memory| memory.origin);
        let origin = if given == 0 { domain.origin } else { origin };
        let message = if devices == 0 {
            "the guest has no memory".to_owned()
        } else {
            format!("memory devices hold {devices} KiB, which leaves nothing of {} KiB", total.0)
        };
        problems.push(
            Problem::error(origin, Part::Name, message)
                .help("say how much in <memory>, memory devices included, or in <cpu><numa>"),
        );
    }
    if let Some(current) = domain.current_memory.filter(|current| current.0 > total.0) {
        let message = format!(
            "<currentMemory> is {} KiB, more than the guest has: it becomes {} KiB",
            current.0, total.0
        );
        let part = Part::Within("currentMemory".to_owned());
        problems.push(Problem::warning(domain.origin, part, message));
    }
    domain.current_memory = Some(
        domain.current_memory.filter(|current| (1..=total.0).contains(&current.0)).unwrap_or(total),
    );
    if let Some(max) = &domain.max_memory
        && max.size < total
    {
        let message = format!("<maxMemory> is {} KiB, <memory> is {} KiB", max.size.0, total.0);
        problems.push(Problem::error(max.origin, Part::Text, message).expected("at least as much"));
    }
}

impl Domain {
    /// How much memory the guest has, memory devices included.
    pub fn total_memory(&self) -> Kibibytes {
        self.memory.as_ref().map_or(Kibibytes(0), |memory| memory.size)
    }

    /// How much memory the memory modules have.
    pub fn memory_of_devices(&self) -> Kibibytes {
        let modules = self.devices.memories.iter();
        Kibibytes(modules.fold(0, |sum, module| sum.saturating_add(module.model.size().0)))
    }

    /// How much memory the guest has without its memory modules.
    pub fn initial_memory(&self) -> Kibibytes {
        Kibibytes(self.total_memory().0.saturating_sub(self.memory_of_devices().0))
    }

    /// How much memory the NUMA cells have, memory devices not included.
    pub fn numa_memory(&self) -> Kibibytes {
        let cells = self.cpu.as_ref().map_or(&[][..], |cpu| cpu.numa_cells());
        Kibibytes(cells.iter().fold(0, |sum, cell| sum.saturating_add(cell.memory.0)))
    }
}
