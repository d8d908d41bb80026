//! Folders shared with the guest.

use base::OnOff;
use conf::device::filesystem::{
    AccessMode, Binary, Cache, DriverKind, Multidevs, Sandbox, WritePolicy,
};
use conf::device::{DeviceKind, Filesystem};
use conf::idmap::IdRange;

use super::argument::Argument;
use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Builder, HelperSocket, Open, memory, vhost_user};
use crate::answers::{Answer, Answers, PathKind, Question};

/// The daemon that serves folders by virtiofs.
const VIRTIOFSD: &str = "virtiofsd";

/// What to look at.
pub(super) fn questions(filesystem: &Filesystem, _answers: &Answers) -> Vec<Question> {
    let daemon = binary_path(filesystem).filter(|_| filesystem.socket().is_none());
    let paths = [filesystem.dir(), filesystem.socket(), daemon];
    paths.into_iter().flatten().map(|path| Question::Path(path.to_owned())).collect()
}

fn binary_path(filesystem: &Filesystem) -> Option<&str> {
    filesystem.binary.as_ref()?.path.as_deref()
}

/// A shared folder.
///
/// libvirt: `qemuBuildFilesystemCommandLine`.
pub(super) fn filesystem(builder: &mut Builder<'_>, pos: usize, filesystem: &Filesystem) {
    let tag = filesystem.tag().unwrap_or("of another daemon");
    builder.part(format!("filesystem {tag}"), filesystem.origin);
    let alias = builder.aliases.get(DeviceKind::Filesystem, pos).to_owned();
    match filesystem.driver.kind {
        None | Some(DriverKind::Path) => ninep(builder, filesystem, &alias),
        Some(DriverKind::Virtiofs) => virtiofs(builder, filesystem, &alias),
        Some(DriverKind::Mtp) => mtp(builder, filesystem, &alias),
        Some(kind) => {
            let refused = builder.refuse(format!("QEMU has no filesystem driver '{kind}'"));
            refused.expected = Some("path, virtiofs or mtp".to_owned());
        }
    }
}

/// The folder as a path by which QEMU reaches it through a descriptor.
fn directory(builder: &mut Builder<'_>, filesystem: &Filesystem, alias: &str) -> Option<String> {
    let Some(dir) = filesystem.dir() else {
        builder.refuse("QEMU shares only folders of the host").expected =
            Some("type='mount' and <source dir='…'/>".to_owned());
        return None;
    };
    if !is_there(builder, dir, PathKind::Directory) {
        return None;
    }
    let fd = builder.fd(format!("{alias}-dir"), dir, Open::Directory);
    Some(builder.inherited_path(fd))
}

/// Whether what is at a path is what is wanted, or nobody looked.
fn is_there(builder: &mut Builder<'_>, path: &str, wanted: PathKind) -> bool {
    let what = match wanted {
        PathKind::Directory => "a folder",
        _ => "a socket",
    };
    let message = match builder.ask(&Question::Path(path.to_owned())) {
        Some(Answer::Path(PathKind::Missing)) => format!("'{path}' does not exist"),
        Some(Answer::Path(kind)) if *kind != wanted => format!("'{path}' is not {what}"),
        Some(Answer::Failed(reason)) => reason.clone(),
        _ => return true,
    };
    builder.refuse(message);
    false
}

fn ninep(builder: &mut Builder<'_>, filesystem: &Filesystem, alias: &str) {
    let Some(path) = directory(builder, filesystem, alias) else { return };
    let fsdev = format!("fsdev-{alias}");
    let mut argument = Argument::new("local");
    let model = match filesystem.accessmode {
        None | Some(AccessMode::Passthrough) => "passthrough",
        Some(AccessMode::Mapped) => "mapped",
        Some(AccessMode::Squash) => "none",
    };
    argument.add("security_model", model);
    argument.maybe(
        "multidevs",
        filesystem.multidevs.map(|multidevs| match multidevs {
            Multidevs::Remap => "remap",
            Multidevs::Forbid => "forbid",
            Multidevs::Warn => "warn",
        }),
    );
    argument.maybe("fmode", filesystem.fmode.map(|mode| format!("{:04o}", mode.0)));
    argument.maybe("dmode", filesystem.dmode.map(|mode| format!("{:04o}", mode.0)));
    if filesystem.driver.wrpolicy == Some(WritePolicy::Immediate) {
        argument.add("writeout", "immediate");
    }
    argument.add("id", &fsdev).add("path", path);
    if filesystem.readonly {
        argument.word("readonly");
    }
    builder.argument("fsdev", argument.into_text());
    let options = Some(&filesystem.driver.virtio);
    let mut device = Device::virtio("virtio-9p-pci", filesystem.model, options);
    device.set("id", alias).set("fsdev", fsdev).maybe("mount_tag", filesystem.tag());
    device.address(&filesystem.info, builder);
    builder.device(device);
}

fn mtp(builder: &mut Builder<'_>, filesystem: &Filesystem, alias: &str) {
    let Some(path) = directory(builder, filesystem, alias) else { return };
    let mut device = Device::new("usb-mtp");
    device.set("id", alias).set("rootdir", path).maybe("desc", filesystem.tag());
    device.set("readonly", filesystem.readonly);
    device.address(&filesystem.info, builder);
    builder.device(device);
}

/// libvirt: `qemuBuildVHostUserFsDevProps`, `qemuVirtioFSBuildCommandLine`.
fn virtiofs(builder: &mut Builder<'_>, filesystem: &Filesystem, alias: &str) {
    if !memory::is_shared(builder.domain) {
        let refused = builder.refuse("virtiofs needs the guest's memory to be shared");
        refused.help = Some(format!("{}, or start with --adapt", memory::HOW_TO_SHARE));
        return;
    }
    let (source, open) = match filesystem.socket() {
        Some(socket) => {
            if !is_there(builder, socket, PathKind::Socket) {
                return;
            }
            (socket.to_owned(), Open::ConnectUnix)
        }
        None => match daemon(builder, filesystem, alias) {
            Some(name) => {
                let source = builder.helper_source(VIRTIOFSD, alias, &name);
                (source, Open::Helper { helper: name })
            }
            None => return,
        },
    };
    let fd = builder.fd(format!("{alias}-socket"), source, open);
    let chardev = vhost_user::chardev_id(alias);
    let socket = Socket::connected(SocketAddress::Fd(Box::new(fd)));
    builder.chardev(Chardev::new(chardev.clone(), Backend::Socket(socket)));
    let options = Some(&filesystem.driver.virtio);
    let mut device = Device::virtio("vhost-user-fs-pci", filesystem.model, options);
    device.set("id", alias).set("chardev", chardev);
    device.maybe("queue-size", filesystem.driver.queue.map(u64::from));
    device.maybe("tag", filesystem.tag());
    device.maybe("bootindex", filesystem.info.boot_order());
    device.address(&filesystem.info, builder);
    builder.device(device);
}

/// The daemon, started for this folder; its name in the plan.
fn daemon(builder: &mut Builder<'_>, filesystem: &Filesystem, alias: &str) -> Option<String> {
    let dir = filesystem.dir()?.to_owned();
    if !is_there(builder, &dir, PathKind::Directory) {
        return None;
    }
    let program = match binary_path(filesystem) {
        Some(path) => {
            let seen = builder.ask(&Question::Path(path.to_owned()));
            if seen == Some(&Answer::Path(PathKind::Missing)) {
                let refused = builder.refuse(format!("there is no program '{path}'"));
                refused.help = Some(format!("install {VIRTIOFSD}, or correct <binary path>"));
                return None;
            }
            path.to_owned()
        }
        None => match builder.host.programs.get(VIRTIOFSD) {
            Some(path) => path.clone(),
            None => {
                let refused = builder.refuse(format!("this host has no {VIRTIOFSD}"));
                refused.help = Some(format!("install {VIRTIOFSD}"));
                return None;
            }
        },
    };
    let mut argv = vec![program, "--fd={socket}".to_owned(), "--shared-dir".to_owned(), dir];
    let default = Binary::default();
    options(&mut argv, filesystem.binary.as_ref().unwrap_or(&default));
    if let Some(idmap) = &filesystem.idmap {
        let maps = [("--uid-map", &idmap.users), ("--gid-map", &idmap.groups)];
        for (option, entries) in maps {
            let map = |entry: &IdRange| {
                format!("{option}=:{}:{}:{}:", entry.start, entry.target, entry.count)
            };
            argv.extend(entries.iter().map(map));
        }
    }
    if filesystem.readonly {
        argv.push("--readonly".to_owned());
    }
    let name = format!("{alias}-{VIRTIOFSD}");
    builder.helper(&name, argv).socket = HelperSocket::Inherited;
    Some(name)
}

/// The options of virtiofsd in Rust, which locks as the guest asks it to without being told.
fn options(argv: &mut Vec<String>, binary: &Binary) {
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    match binary.cache {
        Some(Cache::None) => add(&["--cache", "never"]),
        Some(Cache::Always) => add(&["--cache", "always"]),
        None => {}
    }
    match binary.sandbox {
        Some(Sandbox::Namespace) => add(&["--sandbox", "namespace"]),
        Some(Sandbox::Chroot) => add(&["--sandbox", "chroot"]),
        None => {}
    }
    if binary.xattr == Some(OnOff::On) {
        add(&["--xattr"]);
    }
    if let Some(size) = binary.thread_pool {
        add(&[&format!("--thread-pool-size={size}")]);
    }
    if let Some(files) = binary.open_files {
        add(&[&format!("--rlimit-nofile={files}")]);
    }
}
