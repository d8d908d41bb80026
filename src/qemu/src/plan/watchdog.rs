//! Watchdogs, and what reports a guest's panic.

use conf::address::Address;
use conf::device::DeviceKind;
use conf::device::panic::{Panic, PanicModel};
use conf::device::watchdog::{Watchdog, WatchdogAction, WatchdogModel};

use serde_json::json;

use super::Builder;
use super::device::Device;

/// All watchdogs, and what happens when one of them runs down.
///
/// libvirt: `qemuBuildWatchdogCommandLine`.
pub(super) fn watchdogs(builder: &mut Builder<'_>) {
    let watchdogs = &builder.domain.devices.watchdogs;
    for (pos, watchdog) in watchdogs.iter().enumerate() {
        if !builder.wants(DeviceKind::Watchdog, pos) {
            continue;
        }
        builder.part(format!("watchdog {pos}"), watchdog.origin);
        let driver = match watchdog.model {
            WatchdogModel::I6300esb => "i6300esb",
            WatchdogModel::Ib700 => "ib700",
            WatchdogModel::Itco => {
                builder.argument("global", "ICH9-LPC.noreboot=off");
                continue;
            }
            WatchdogModel::Diag288 => {
                builder.refuse("a watchdog of model 'diag288' is only for s390");
                continue;
            }
        };
        let mut device = Device::new(driver);
        device.set("id", builder.aliases.get(DeviceKind::Watchdog, pos));
        device.address(&watchdog.info, builder);
        builder.device(device);
    }
    if let Some(Watchdog { action, .. }) = watchdogs.first() {
        // QEMU stops the guest, and its memory is dumped then.
        let action = match action {
            WatchdogAction::Dump => WatchdogAction::Pause,
            action => *action,
        };
        if builder.is_whole_machine() {
            builder.argument("watchdog-action", action.to_string());
        } else if (0..watchdogs.len()).any(|pos| builder.wants(DeviceKind::Watchdog, pos)) {
            builder.afterwards("watchdog-set-action", json!({"action": action.to_string()}));
        }
    }
}

/// What reports a panic; Hyper-V's way is a property of the processor.
///
/// libvirt: `qemuBuildPanicCommandLine`.
pub(super) fn panic(builder: &mut Builder<'_>, pos: usize, panic: &Panic) {
    builder.part(format!("panic {pos}"), panic.origin);
    let device = match panic.model {
        Some(PanicModel::Isa) | None => {
            let mut device = Device::new("pvpanic");
            if let Some(Address::Isa(isa)) = &panic.info.address {
                device.maybe("ioport", isa.iobase.map(|port| port.0));
            }
            device
        }
        Some(PanicModel::Pvpanic) => {
            let mut device = Device::new("pvpanic-pci");
            device.address(&panic.info, builder);
            device
        }
        Some(PanicModel::Hyperv) => return,
        Some(model @ (PanicModel::Pseries | PanicModel::S390)) => {
            builder.refuse(format!("this machine has no panic device of model '{model}'"));
            return;
        }
    };
    builder.device(device);
}
