//! Sockets between guest and host.

use conf::device::{DeviceKind, Vsock};

use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Builder, ClaimCid, HelperSocket, Open};
use crate::answers::{Answer, Answers, PathKind, Question};

/// What the kernel serves vsock devices with.
const VHOST_VSOCK: &str = "/dev/vhost-vsock";
/// The program that serves them where the kernel does not.
const PROGRAM: &str = "vhost-device-vsock";

/// What to look at.
pub(super) fn questions(_vsock: &Vsock, _answers: &Answers) -> Vec<Question> {
    vec![Question::Path(VHOST_VSOCK.to_owned())]
}

/// The vsock device.
///
/// libvirt: `qemuBuildVsockCommandLine`.
pub(super) fn vsock(builder: &mut Builder<'_>, _pos: usize, vsock: &Vsock) {
    builder.part("vsock", vsock.origin);
    let seen = builder.ask(&Question::Path(VHOST_VSOCK.to_owned()));
    let missing = seen == Some(&Answer::Path(PathKind::Missing));
    if missing {
        by_program(builder, vsock);
    } else {
        by_kernel(builder, vsock);
    }
}

fn by_kernel(builder: &mut Builder<'_>, vsock: &Vsock) {
    let alias = builder.aliases.get(DeviceKind::Vsock, 0).to_owned();
    let late = format!("{alias}-cid");
    let cid = vsock.fixed_cid().or(builder.host.vsock_cid);
    let open = Open::VhostVsock { cid, late: late.clone() };
    let fd = builder.fd(format!("{alias}-vhost"), VHOST_VSOCK, open);
    let mut device = Device::virtio("vhost-vsock-pci", vsock.model, vsock.driver.as_ref());
    device.set("id", alias);
    match cid {
        Some(cid) => device.set("guest-cid", cid),
        None => device.set("guest-cid", format!("{{{late}}}")),
    };
    device.descriptors("vhostfd", vec![fd]);
    device.address(&vsock.info, builder);
    builder.device(device);
}

/// The same for the guest, served by a program of its own.
fn by_program(builder: &mut Builder<'_>, vsock: &Vsock) {
    let Some(program) = builder.host.programs.get(PROGRAM) else {
        let refused = builder.refuse(format!("this host has no {VHOST_VSOCK}"));
        refused.help = Some(format!("load the kernel module vhost_vsock, or install {PROGRAM}"));
        return;
    };
    if !super::memory::is_shared(builder.domain) {
        let refused = builder.refuse(format!(
            "this host has no {VHOST_VSOCK}, and {PROGRAM} needs the guest's memory to be shared"
        ));
        let share = super::memory::HOW_TO_SHARE;
        refused.help = Some(format!("{share}, or load the kernel module vhost_vsock"));
        return;
    }
    let alias = builder.aliases.get(DeviceKind::Vsock, 0).to_owned();
    let late = format!("{alias}-cid");
    let name = format!("{alias}-{PROGRAM}");
    let cid = vsock.fixed_cid();
    let argv = vec![
        program.clone(),
        "--guest-cid".to_owned(),
        cid.map_or_else(|| format!("{{{late}}}"), |cid| cid.to_string()),
        "--socket".to_owned(),
        "{socket}".to_owned(),
        "--uds-path".to_owned(),
        format!("{{{alias}-path}}"),
    ];
    let helper = builder.helper(&name, argv);
    helper.socket = HelperSocket::Path;
    helper.claim_cid = Some(ClaimCid { cid, late });
    builder.note(format!(
        "the vsock device is served by {program}: the host reaches the guest through the socket \
         {alias}.sock in its run-time directory, not by AF_VSOCK"
    ));
    let source = format!("helper:{name}");
    let fd = builder.fd(format!("{alias}-socket"), source, Open::Helper { helper: name });
    let chardev = format!("chr-vu-{alias}");
    builder.chardev(Chardev::new(
        chardev.clone(),
        Backend::Socket(Socket::connected(SocketAddress::Fd(Box::new(fd)))),
    ));
    let mut device = Device::virtio("vhost-user-vsock-pci", vsock.model, vsock.driver.as_ref());
    device.set("id", alias).set("chardev", chardev);
    device.address(&vsock.info, builder);
    builder.device(device);
}
