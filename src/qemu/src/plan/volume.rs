//! Volumes of storage pools: what file, device or server each stands for.

use std::borrow::Cow;
use std::num::NonZeroU16;

use base::NonEmpty;
use conf::device::disk::auth::{Auth, AuthKind, AuthSecret, SecretLookup};
use conf::device::disk::network_source::{Host as Server, Network, Protocol};
use conf::device::disk::source::{Source, Volume, VolumeMode};
use xml::{Part, Problem};

use super::chain::Place;
use crate::answers::{Answer, Answers, PathKind, Question};
use crate::host::{Host, Pool, PoolKind, VolumeKind};

/// What a volume stands for.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    /// Where it is.
    pub(super) place: Place<'a>,
    /// Who QEMU is to the pool's server.
    pub(super) auth: Option<Auth>,
    /// What would have to be looked at to know of which kind it is.
    pub(super) unanswered: Option<Question>,
}

/// Finds out what a volume stands for.
///
/// libvirt: `qemuDomainTranslate...` of `src/conf/storage_source_conf.c` and
/// `virDomainDiskTranslateSourcePool`.
///
/// # Errors
/// There is no such pool, or its volumes cannot be disks.
pub(super) fn find<'a>(
    volume: &'a Volume,
    host: &Host,
    answers: &Answers,
) -> Result<Found<'a>, Problem> {
    let name = volume.pool.as_deref().unwrap_or_default();
    let wanted = volume.volume.as_deref().unwrap_or_default();
    let refuse = |message: String, help: &str| {
        let origin = volume.common.origin;
        Problem::error(origin, Part::Name, message).help(help.to_owned())
    };
    let Some(pool) = host.pools.get(name) else {
        return Err(refuse(
            format!("this host has no libvirt storage pool '{name}'"),
            "define it with 'virsh pool-define', or name the file itself with \
             <disk type='file'> and <source file='…'/>",
        ));
    };
    if volume.mode.is_some() && pool.kind != PoolKind::Iscsi {
        return Err(refuse(
            format!("'mode' is for volumes of iSCSI pools, but '{name}' is none"),
            "leave it out",
        ));
    }
    let by_server = pool.kind == PoolKind::IscsiDirect
        || (pool.kind == PoolKind::Iscsi && volume.mode == Some(VolumeMode::Direct));
    if by_server {
        return iscsi(pool, wanted)
            .map_err(|message| refuse(message, "name it as 'virsh vol-list' does: unit:0:0:UNIT"));
    }
    if let Some(known) = pool.volumes.get(wanted) {
        let path = known.path.clone();
        let place = match known.kind {
            VolumeKind::File => Place::Local { path, block: false },
            VolumeKind::Block => Place::Local { path, block: true },
            VolumeKind::Dir => Place::Directory { path },
        };
        return Ok(Found { place, auth: None, unanswered: None });
    }
    let directory = pool.path.as_deref().unwrap_or_default().trim_end_matches('/');
    let found = |place| Found { place, auth: None, unanswered: None };
    let path = match pool.kind {
        PoolKind::Iscsi => match unit(wanted) {
            Some(unit) => format!("{directory}/{}-lun-{unit}", by_path(pool)),
            None => {
                return Err(refuse(
                    format!("'{wanted}' is no unit of the iSCSI pool '{name}'"),
                    "name it as 'virsh vol-list' does: unit:0:0:UNIT",
                ));
            }
        },
        kind if kind.has_devices() || kind.has_files() => format!("{directory}/{wanted}"),
        _ => {
            return Err(refuse(
                format!("volumes of the pool '{name}', which is of another type, cannot be disks"),
                "say in the document itself where the image is",
            ));
        }
    };
    if !pool.kind.has_files() {
        return Ok(found(Place::Local { path, block: true }));
    }
    let question = Question::Image(path.clone());
    let seen = answers.get(&question);
    Ok(match seen {
        Some(Answer::Path(PathKind::Directory)) => found(Place::Directory { path }),
        Some(Answer::Image(image)) => {
            found(Place::Local { path, block: image.kind == PathKind::BlockDevice })
        }
        _ => Found {
            unanswered: seen.is_none().then_some(question),
            ..found(Place::Local { path, block: false })
        },
    })
}

/// The unit of a volume's name `unit:HOST:BUS:UNIT`.
///
/// libvirt: `virStorageBackendISCSINewLun` and `virDomainDiskTranslateISCSIDirect`.
fn unit(volume: &str) -> Option<u32> {
    let mut numbers = volume.strip_prefix("unit:")?.split(':').skip(2);
    let unit = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some(unit)
}

/// How udev calls the device of an iSCSI session.
fn by_path(pool: &Pool) -> String {
    let server = pool.hosts.first();
    let host = server.map(|server| server.name.as_str()).unwrap_or_default();
    let port = server.and_then(|server| server.port).unwrap_or(3260);
    format!("ip-{host}:{port}-iscsi-{}", pool.device.as_deref().unwrap_or_default())
}

/// A unit that QEMU itself reaches by iSCSI.
fn iscsi<'a>(pool: &Pool, volume: &str) -> Result<Found<'a>, String> {
    let unit = unit(volume).ok_or_else(|| format!("'{volume}' is no unit of an iSCSI pool"))?;
    let target = pool.device.as_deref().unwrap_or_default();
    let mut network = Network {
        protocol: Protocol::Iscsi,
        name: Some(NonEmpty(format!("{target}/{unit}"))),
        ..Network::default()
    };
    network.hosts = pool
        .hosts
        .iter()
        .map(|server| Server {
            name: Some(server.name.clone()),
            port: server.port.and_then(NonZeroU16::new).or(Protocol::Iscsi.default_port()),
            ..Server::default()
        })
        .collect();
    network.initiator.iqn = pool.initiator.clone();
    let auth = pool.auth.as_ref().map(|auth| Auth {
        kind: Some(AuthKind::Chap),
        username: auth.username.clone(),
        secret: AuthSecret {
            kind: Some("iscsi".to_owned()),
            lookup: SecretLookup {
                uuid: auth.uuid.as_deref().and_then(|uuid| base::Value::parse(uuid).ok().flatten()),
                usage: auth.usage.clone(),
            },
        },
        ..Auth::default()
    });
    let place = Place::Other(Box::new(Cow::Owned(Source::Network(Box::new(network)))));
    Ok(Found { place, auth, unanswered: None })
}
