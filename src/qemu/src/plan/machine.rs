//! The machine, its accelerator and what belongs to the chipset.

use base::{OnOff, YesNo};
use conf::DomainType;
use conf::clock::TimerName;
use conf::features::IoapicDriver;
use conf::memory::Kibibytes;

use super::argument::Argument;
use super::{Builder, cpu, firmware, launch_security, memory, memory_device, sound};
use crate::machine::Family;

/// `-machine` and `-accel`.
///
/// libvirt: `qemuBuildMachineCommandLine`, `qemuBuildAccelCommandLine`.
pub(super) fn machine(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    builder.part("machine", domain.os.origin);
    let Some(name) = domain.os.kind.machine.as_deref() else {
        let refused = builder.refuse("the guest has no machine");
        refused.help = Some("complete the document before a plan is made".to_owned());
        return;
    };
    let features = domain.features.as_ref();
    let mut machine = Argument::new(name);
    machine.add("usb", "off");
    machine.switch("vmport", features.and_then(|features| features.vmport));
    machine.switch("smm", features.and_then(|features| Some(features.smm.as_ref()?.state)));
    machine.maybe(
        "kernel_irqchip",
        features.and_then(|features| features.ioapic).map(|driver| match driver {
            IoapicDriver::Qemu => "split",
            IoapicDriver::Kvm => "on",
        }),
    );
    machine.switch("i8042", features.and_then(|features| features.ps2));
    let dump_core = domain.memory.as_ref().and_then(|memory| memory.dump_core);
    let dump_core = dump_core.map_or(builder.host.settings.dump_guest_core, bool::from);
    machine.switch("dump-guest-core", Some(dump_core));
    if domain.memory_backing.as_ref().is_some_and(|backing| backing.no_share_pages) {
        machine.add("mem-merge", "off");
    }
    memory_device::of_machine(&mut machine, builder);
    memory::of_machine(&mut machine, builder);
    launch_security::of_machine(&mut machine, builder);
    firmware::of_machine(&mut machine, builder);
    if cpu::numa(domain).is_some_and(super::numa::has_hmat) {
        machine.add("hmat", "on");
    }
    if domain.os.bios.as_ref().is_some_and(|bios| bios.use_serial.is_some_and(bool::from)) {
        machine.add("graphics", "off");
    }
    let hpet = domain.clock.as_ref().and_then(|clock| clock.timer(TimerName::Hpet));
    machine.switch("hpet", hpet.and_then(|timer| timer.present));
    sound::of_machine(&mut machine, domain);
    machine.switch("acpi", Some(features.is_some_and(|features| features.acpi)));
    builder.argument("machine", machine.into_text());
    accelerator(builder);
    let tseg = features.and_then(|features| features.smm.as_ref()?.tseg.as_ref());
    if let Some(tseg) = tseg {
        builder.argument("global", format!("mch.extended-tseg-mbytes={}", tseg.0 >> 20));
    }
}

fn accelerator(builder: &mut Builder<'_>) {
    let features = builder.domain.features.as_ref();
    let mut accelerator;
    match builder.domain.kind {
        DomainType::Kvm => {
            accelerator = Argument::new("kvm");
            let ring = features.and_then(|features| features.kvm.as_ref()?.dirty_ring.as_ref());
            let ring = ring.filter(|ring| ring.state == OnOff::On);
            accelerator.maybe("dirty-ring-size", ring.and_then(|ring| ring.size));
        }
        DomainType::Qemu => {
            accelerator = Argument::new("tcg");
            let cache = features.and_then(|features| features.tcg.as_ref()?.translation_cache);
            accelerator.maybe("tb-size", cache.map(|Kibibytes(size)| size / 1024));
        }
        other => {
            let refused = builder.refuse(format!("QEMU does not run guests of type '{other}'"));
            refused.expected = Some("type='kvm' or type='qemu'".to_owned());
            return;
        }
    }
    builder.argument("accel", accelerator.into_text());
}

/// Which sleep states the chipset offers.
///
/// libvirt: `qemuBuildPMCommandLine`.
pub(super) fn sleep_states(builder: &mut Builder<'_>) {
    let Some(pm) = &builder.domain.pm else { return };
    builder.part("sleep states", pm.origin);
    let chipset = match builder.family {
        Family::Q35 => "ICH9-LPC",
        _ => "PIIX4_PM",
    };
    for (property, offered) in [("s3", pm.suspend_to_mem), ("s4", pm.suspend_to_disk)] {
        if let Some(offered) = offered {
            let disabled = u8::from(offered == YesNo::No);
            builder.argument("global", format!("{chipset}.disable_{property}={disabled}"));
        }
    }
}

/// How large a window for 64-bit addresses the root of the PCI buses has.
pub(super) fn pci_hole(builder: &mut Builder<'_>) {
    let host = match builder.family {
        Family::Q35 => "q35-pcihost",
        _ => "i440FX-pcihost",
    };
    for controller in &builder.domain.devices.controllers {
        if let Some(size) = controller.pcihole64.filter(|_| controller.is_pci_root()) {
            builder.argument("global", format!("{host}.pci-hole64-size={}K", size.0));
        }
    }
}
