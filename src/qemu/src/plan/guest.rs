//! What belongs to the guest as a whole: its name, how QEMU is talked to and confined.

use base::OnOff;
use conf::DomainType;
use xml::{Part, Problem};

use super::argument::{Argument, on_off};
use super::device::Device;
use super::{Builder, Open, namespace};

/// `-name`, `-S` and what else comes before everything.
pub(super) fn start(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    builder.part("guest", domain.origin);
    let mut name = Argument::new("");
    name.add("guest", &domain.name).add("debug-threads", "on");
    builder.argument("name", name.into_text());
    namespace::deprecation(builder);
    builder.flag("S");
    for variable in ["PATH", "HOME"] {
        if let Some(value) = builder.host.environment.get(variable) {
            builder.environment.insert(variable.to_owned(), value.clone());
        }
    }
    builder.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    if domain.kind == DomainType::Kvm && !builder.capabilities.kvm {
        let message = "this QEMU cannot use KVM here";
        builder.note(format!("{message}: the start will fail unless that changes"));
    }
}

/// The UUID, and how QEMU shows nothing and is talked to.
pub(super) fn identity(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    builder.part("guest", domain.origin);
    if let Some(uuid) = domain.uuid {
        builder.argument("uuid", uuid.to_string());
    }
}

/// The monitor, on which QEMU listens so that another process can take over.
pub(super) fn monitor(builder: &mut Builder<'_>) {
    builder.part("monitor", builder.domain.origin);
    if builder.domain.devices.graphics.is_empty() {
        builder.argument("display", "none");
    }
    builder.flag("no-user-config");
    builder.flag("nodefaults");
    let fd = builder.fd("monitor", "monitor", Open::Monitor);
    let number = builder.inherit(fd);
    let chardev = format!("socket,id=charmonitor,fd={number},server=on,wait=off");
    builder.argument("chardev", chardev);
    builder.argument("mon", "chardev=charmonitor,id=monitor,mode=control");
}

/// A device by which the guest says where its kernel keeps what a dump needs.
pub(super) fn vmcoreinfo(builder: &mut Builder<'_>) {
    let features = builder.domain.features.as_ref();
    if features.and_then(|features| features.vmcoreinfo) == Some(OnOff::On) {
        builder.part("vmcoreinfo", builder.domain.origin);
        builder.device(Device::new("vmcoreinfo"));
    }
}

/// Confinement of QEMU, and how it says what happens.
pub(super) fn end(builder: &mut Builder<'_>) {
    let teardown = builder.domain.features.as_ref().and_then(|features| features.async_teardown);
    if let Some(teardown) = teardown {
        builder.argument("run-with", format!("async-teardown={}", on_off(teardown.into())));
    }
    builder.argument("msg", "timestamp=on");
}

/// `-sandbox`.
pub(super) fn sandbox(builder: &mut Builder<'_>) {
    builder.part("guest", builder.domain.origin);
    builder.argument(
        "sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
}

/// Refuses what no plan can be made of, so that nothing is left out in silence.
pub(super) fn refuse_unknown(builder: &mut Builder<'_>) {
    if let Some(nvram) = &builder.domain.devices.nvram {
        let message = "a device <nvram> is only for machines of type pseries";
        builder.problems.push(Problem::error(nvram.origin, Part::Name, message));
    }
}
