//! What is behind disks: images, the servers they are on, and what encrypts them.
//!
//! libvirt: `virDomainDiskDefValidateSourceChainOne` in `src/conf/domain_validate.c`,
//! `qemuDomainValidateStorageSource` in `src/qemu/qemu_domain.c`.

use base::{OnOff, words::Words};
use conf::device::Disk;
use conf::device::disk::BackingStore;
use conf::device::disk::driver::StorageFormat;
use conf::device::disk::encryption::{EncryptionEngine, EncryptionFormat};
use conf::device::disk::network_source::{Network, Protocol};
use conf::device::disk::source::Source;
use xml::{Origin, Part};

use super::disk::each;
use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("image-format-is-supported", "QEMU reads only formats that it knows", formats),
    Rule::new("protocol-is-supported", "QEMU reaches only servers that it knows", protocols),
    Rule::new("server-fits-protocol", "each protocol has its own way to a server", servers),
    Rule::new("nvme-namespace-is-there", "namespaces are counted from 1", namespaces),
    Rule::new("image-encryption-fits", "an image has its cipher in itself", encryption),
    Rule::new("secret-fits-protocol", "each protocol has secrets of its own", secrets),
];

/// The sources of a disk's image and of those below it that the document names, with their formats.
fn images(disk: &Disk) -> Vec<(&Source, Option<StorageFormat>, Origin)> {
    let mut images = vec![(&disk.source, disk.driver.format, disk.driver.origin)];
    let mut below = disk.backing_store.as_ref();
    while let Some(image) = below.and_then(BackingStore::image) {
        images.push((&image.source, Some(image.format.format), image.origin));
        below = image.backing_store.as_ref();
    }
    images
}

/// libvirt: `qemuDomainValidateStorageSource`.
fn formats(check: &mut Check<'_>) {
    each(check, |check, disk| {
        for (source, format, origin) in images(disk) {
            let help = match format {
                Some(StorageFormat::Iso) => "write type='raw'",
                Some(format)
                    if matches!(source, Source::Dir(_)) && format != StorageFormat::Fat =>
                {
                    "a directory is shown as a FAT file system: write type='fat'"
                }
                Some(StorageFormat::Dir) => "write type='dir' in <disk> and type='fat' here",
                Some(StorageFormat::Cow) => "convert the image to qcow2",
                Some(StorageFormat::Fat)
                    if !matches!(source, Source::Dir(_) | Source::Volume(_)) =>
                {
                    "a FAT file system is shown of a directory: write type='dir' in <disk>"
                }
                _ => continue,
            };
            let word = format.map_or("", Words::word);
            let message = format!("QEMU reads no image of the format '{word}'");
            check.refuse(origin, attribute("type"), message, help);
        }
        if matches!(disk.source, Source::Dir(_)) && !disk.readonly {
            let message = "a directory that is shown as a FAT file system can only be read";
            check.refuse(disk.source.common().origin, Part::Name, message, "add <readonly/>");
        }
        let needs_qcow2 = [
            ("discard_no_unref", disk.driver.discard_no_unref == Some(OnOff::On)),
            ("metadata_cache", disk.driver.metadata_cache.max_size.is_some()),
        ];
        if disk.driver.discard_no_unref == Some(OnOff::On) && disk.readonly {
            let message = "nothing is discarded in a read-only image";
            check.refuse(disk.origin, within("driver@discard_no_unref"), message, "leave it out");
        }
        let is_qcow2 = disk.driver.format == Some(StorageFormat::Qcow2);
        for (name, _) in needs_qcow2.into_iter().filter(|(_, given)| *given && !is_qcow2) {
            let message = format!("'{name}' is for images of the format qcow2");
            check.refuse(disk.origin, within(format!("driver@{name}")), message, "leave it out");
        }
    });
}

fn protocols(check: &mut Check<'_>) {
    each(check, |check, disk| {
        for (source, _, _) in images(disk) {
            let Some(network) = source.network() else { continue };
            if matches!(network.protocol, Protocol::Sheepdog | Protocol::Vxhs | Protocol::Tftp) {
                let message = format!("QEMU has no protocol '{}' any more", network.protocol);
                let origin = source.common().origin;
                check.refuse(origin, attribute("protocol"), message, "move the image elsewhere");
            }
        }
    });
}

fn servers(check: &mut Check<'_>) {
    each(check, |check, disk| {
        for (source, _, _) in images(disk) {
            let Some(network) = source.network() else { continue };
            let Network { protocol, hosts, tls_hostname, .. } = network;
            let origin = source.common().origin;
            if tls_hostname.is_some() && *protocol != Protocol::Nbd {
                let message = format!("'tlsHostname' is for protocol='nbd', not '{protocol}'");
                check.refuse(origin, attribute("tlsHostname"), message, "leave it out");
            }
            if *protocol != Protocol::Nfs {
                continue;
            }
            if hosts.len() != 1 {
                let message = format!("an NFS server is one <host>; these are {}", hosts.len());
                check.refuse(origin, Part::Name, message, "write one <host name='…'/>");
            }
            for host in hosts {
                if host.transport.is_some() {
                    let message = "an NFS server is reached by TCP";
                    check.refuse(host.origin, attribute("transport"), message, "leave it out");
                }
                if host.port.is_some() {
                    let message = "an NFS server says itself on which port it listens";
                    check.refuse(host.origin, attribute("port"), message, "leave it out");
                }
            }
        }
    });
}

fn namespaces(check: &mut Check<'_>) {
    each(check, |check, disk| {
        if let Source::Nvme(nvme) = &disk.source
            && nvme.namespace == 0
        {
            let message = "there is no NVMe namespace 0";
            check.refuse_value(nvme.common.origin, "namespace", message, "a number from 1 on");
        }
    });
}

fn encryption(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let top = disk.encryption().map(|top| (top, disk.driver.format, &disk.source));
        let below = images(disk).into_iter().skip(1);
        let below = below.filter_map(|(source, format, _)| {
            source.common().encryption.as_ref().map(|encryption| (encryption, format, source))
        });
        for (encryption, format, source) in top.into_iter().chain(below) {
            if encryption.cipher.is_some() {
                let message = "the <cipher> of a disk's image is in the image itself";
                check.refuse(encryption.origin, Part::Name, message, "leave out <cipher>");
            }
            let is_librbd = encryption.engine == Some(EncryptionEngine::Librbd);
            if is_librbd && source.network().is_none_or(|network| network.protocol != Protocol::Rbd)
            {
                let message = "librbd decrypts only images in Ceph";
                let help = "leave out 'engine'";
                check.refuse(encryption.origin, attribute("engine"), message, help);
            }
            let takes_it = matches!(format, None | Some(StorageFormat::Raw | StorageFormat::Qcow2))
                || is_librbd;
            let refused = match encryption.format {
                EncryptionFormat::Default | EncryptionFormat::Qcow => Some((
                    "QEMU has the encryption of old qcow and qcow2 images no more",
                    "convert the image to one with LUKS",
                )),
                EncryptionFormat::Luks2 | EncryptionFormat::LuksAny if !is_librbd => Some((
                    "QEMU itself knows the first version of LUKS only",
                    "write format='luks', or engine='librbd' for an image in Ceph",
                )),
                _ => None,
            };
            if let Some((message, help)) = refused {
                check.refuse(encryption.origin, attribute("format"), message, help);
            } else if !takes_it {
                let message = "only raw and qcow2 images can be encrypted";
                check.refuse(encryption.origin, attribute("format"), message, "leave it out");
            }
        }
    });
}

/// What a secret can be for.
///
/// libvirt: `virSecretUsageType`.
const SECRET_KINDS: &[&str] = &["none", "volume", "ceph", "iscsi", "tls", "vtpm"];

fn secrets(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Some(network) = disk.source.network() else { return };
        let Some(auth) = disk.auth() else { return };
        let wanted = match network.protocol {
            Protocol::Iscsi => "iscsi",
            Protocol::Rbd => "ceph",
            Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Ssh => {
                let kind = auth.secret.kind.as_deref().unwrap_or_default();
                if !SECRET_KINDS.contains(&kind) {
                    let message = format!("there are no secrets of type '{kind}'");
                    let help = "write the type that the secret was defined with, such as 'iscsi'";
                    check.refuse(auth.origin, within("secret@type"), message, help);
                }
                return;
            }
            other => {
                let message = format!("nobody logs in to a server of the protocol '{other}'");
                check.refuse(auth.origin, Part::Name, message, "leave out <auth>");
                return;
            }
        };
        if auth.secret.kind.as_deref() != Some(wanted) {
            let found = auth.secret.kind.as_deref().map_or_else(
                || "the <secret> has no type".to_owned(),
                |kind| format!("the type of <secret> is '{kind}'"),
            );
            let help = format!("write <secret type='{wanted}' …/>");
            check.refuse(auth.origin, Part::Name, found, help);
        }
    });
}
