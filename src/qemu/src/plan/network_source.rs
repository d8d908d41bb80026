//! Images on servers: what QEMU is told of the server, and of who it is to the server.

use std::num::NonZeroU16;

use base::YesNo;
use conf::device::disk::auth::Auth;
use conf::device::disk::encryption::{Encryption, EncryptionEngine};
use conf::device::disk::network_source::{Host as Server, Network, Protocol, Transport};
use conf::device::disk::source::Source;
use serde_json::{Map, Value, json};

use super::blockdev::object;
use super::chain::{Layer, Place};
use super::{Builder, Open, hostdev, secret};
use crate::answers::Question;
use crate::host::Host;

/// How much QEMU's client for Gluster logs.
///
/// libvirt: `gluster_debug_level` in `qemu.conf`.
const GLUSTER_DEBUG: u32 = 4;

/// The secrets to look for that an image needs.
pub(super) fn questions(layer: &Layer<'_>, host: &Host) -> Vec<Question> {
    let mut questions = Vec::new();
    let network = network(layer);
    if let Some(auth) = &layer.auth {
        let kind = usage(network);
        questions.push(secret::question(host, kind, &auth.secret.lookup));
    }
    if let Place::Other(source) = &layer.place
        && let Source::Nvme(nvme) = source.as_ref().as_ref()
    {
        questions.push(Question::Pci(nvme.address.address().to_string()));
    }
    let secrets = layer.encryption.iter().flat_map(|encryption| &encryption.secrets);
    questions.extend(secrets.map(|found| secret::question(host, "volume", &found.lookup)));
    if let Some(Some(tls)) = network.and_then(|network| secret::nbd_tls(host, network))
        && let Some(lookup) = secret::tls_lookup(tls)
    {
        questions.push(secret::question(host, "tls", &lookup));
    }
    questions
}

fn network<'a>(layer: &'a Layer<'_>) -> Option<&'a Network> {
    match &layer.place {
        Place::Other(source) => source.network(),
        _ => None,
    }
}

/// What a password for a server is used for, in the words of libvirt's secrets.
fn usage(network: Option<&Network>) -> &'static str {
    match network.map(|network| network.protocol) {
        Some(Protocol::Rbd) => "ceph",
        _ => "iscsi",
    }
}

/// The properties of the node of an image on a server, all but those that every node has. `None`: it
/// was refused.
///
/// libvirt: `qemuBlockStorageSourceGetBackendProps`.
pub(super) fn properties(
    builder: &mut Builder<'_>,
    layer: &Layer<'_>,
    node: &str,
    format_node: &str,
) -> Option<Map<String, Value>> {
    let network = network(layer)?;
    let auth = layer.auth.as_deref();
    let before = builder.problems.len();
    let mut properties = match network.protocol {
        Protocol::Nbd => nbd(builder, network, node)?,
        Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp => {
            curl(builder, network, node)?
        }
        Protocol::Iscsi => iscsi(builder, network)?,
        Protocol::Rbd => rbd(builder, network, node)?,
        Protocol::Gluster => gluster(builder, network)?,
        Protocol::Ssh => ssh(builder, network, auth)?,
        Protocol::Nfs => nfs(builder, network)?,
        Protocol::Sheepdog | Protocol::Vxhs => {
            builder.refuse(format!("QEMU has no protocol '{}' any more", network.protocol));
            return None;
        }
    };
    if let Some(auth) = auth {
        let id = format!("{node}-auth-secret0");
        self::auth(builder, network, auth, id, &mut properties);
    }
    if let Some(encryption) = layer.encryption
        && encryption.engine == Some(EncryptionEngine::Librbd)
    {
        let encrypt = librbd(builder, encryption, format_node);
        properties.insert("encrypt".to_owned(), encrypt);
    }
    (builder.problems.len() == before).then_some(properties)
}

/// Who QEMU is to a server, with an object `id` for the password.
pub(super) fn auth(
    builder: &mut Builder<'_>,
    network: &Network,
    auth: &Auth,
    id: String,
    properties: &mut Map<String, Value>,
) {
    let (user, password) = match network.protocol {
        Protocol::Rbd => ("user", "key-secret"),
        Protocol::Iscsi => ("user", "password-secret"),
        Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps => {
            ("username", "password-secret")
        }
        _ => return,
    };
    secret::of_host(builder, &id, usage(Some(network)), &auth.secret.lookup);
    properties.insert(user.to_owned(), auth.username.as_str().into());
    if network.protocol == Protocol::Rbd {
        properties.insert("auth-client-required".to_owned(), json!(["cephx", "none"]));
    }
    properties.insert(password.to_owned(), id.into());
}

/// Notes that QEMU makes the connections by itself.
fn by_itself(builder: &mut Builder<'_>, network: &Network) {
    let protocol = network.protocol;
    let name = network.name.as_deref().unwrap_or_default().trim_start_matches('/');
    for server in &network.hosts {
        let address = match &server.socket {
            Some(path) => path.clone(),
            None => format!("{protocol}://{}/{name}", portal(server, protocol)),
        };
        builder.by_path(address, "QEMU connects to servers of disks by itself");
    }
    if network.hosts.is_empty() {
        let address = format!("{protocol}:{name}");
        builder.by_path(address, "QEMU finds the servers in its client library's configuration");
    }
}

/// The only server that there may be.
fn one_server<'a>(builder: &mut Builder<'_>, network: &'a Network) -> Option<&'a Server> {
    match network.hosts.as_slice() {
        [server] => Some(server),
        servers => {
            let message =
                format!("<source protocol='{}'> has {} servers", network.protocol, servers.len());
            builder.refuse(message).help = Some("write exactly one <host>".to_owned());
            None
        }
    }
}

/// A server's name and port, which must be reached by TCP.
fn inet(
    builder: &mut Builder<'_>,
    server: &Server,
    protocol: Protocol,
) -> Option<(String, String)> {
    if let Some(transport) = server.transport {
        let message = format!("QEMU reaches servers of the protocol '{protocol}' by TCP alone");
        let refused = builder.refuse(message);
        refused.origin = server.origin;
        refused.help = Some(format!("leave out transport='{transport}'"));
        return None;
    }
    Some((server.name.clone().unwrap_or_default(), port(server, protocol).to_string()))
}

/// The port of a server: the protocol's where none is given, as in `<nvram>`, and otherwise 0.
fn port(server: &Server, protocol: Protocol) -> u16 {
    server.port.or(protocol.default_port()).map_or(0, NonZeroU16::get)
}

/// A server's name and port in one text, as URLs have it.
fn portal(server: &Server, protocol: Protocol) -> String {
    let name = server.name.as_deref().unwrap_or_default();
    let name = match name.contains(':') {
        true => format!("[{name}]"),
        false => name.to_owned(),
    };
    match port(server, protocol) {
        0 => name,
        port => format!("{name}:{port}"),
    }
}

fn nbd(builder: &mut Builder<'_>, network: &Network, node: &str) -> Option<Map<String, Value>> {
    let server = one_server(builder, network)?;
    let tls = secret::nbd_tls(builder.host, network);
    let server = match (&server.socket, server.transport) {
        (Some(path), Some(Transport::Unix)) => {
            // A connection would do, too, but QEMU could not connect again then.
            let fd = builder.fd(format!("{node}-socket"), path.clone(), Open::SocketNode);
            json!({"type": "unix", "path": builder.inherited_path(fd)})
        }
        _ => {
            let (host, port) = inet(builder, server, network.protocol)?;
            by_itself(builder, network);
            json!({"type": "inet", "host": host, "port": port})
        }
    };
    let mut properties = object(json!({"driver": "nbd", "server": server}));
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    if let Some(export) = network.name.as_deref() {
        set("export", export.into());
    }
    match tls {
        None => {}
        Some(Some(tls)) => {
            set("tls-creds", secret::tls_client(builder, node, tls).into());
            if let Some(name) = &network.tls_hostname {
                set("tls-hostname", name.as_str().into());
            }
        }
        Some(None) => {
            let refused = builder.refuse("this host has no certificates for NBD servers");
            refused.help = Some("put them into /etc/pki/libvirt-nbd or /etc/pki/qemu".to_owned());
            return None;
        }
    }
    if let Some(delay) = network.reconnect {
        properties.insert("reconnect-delay".to_owned(), u32::from(delay).into());
    }
    Some(properties)
}

fn curl(builder: &mut Builder<'_>, network: &Network, node: &str) -> Option<Map<String, Value>> {
    let server = one_server(builder, network)?;
    inet(builder, server, network.protocol)?;
    by_itself(builder, network);
    let name = network.name.as_deref().unwrap_or_default();
    let slash = if name.starts_with('/') { "" } else { "/" };
    let query = network.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let protocol = network.protocol;
    let url = format!("{protocol}://{}{slash}{}{query}", portal(server, protocol), escaped(name));
    let mut properties = object(json!({"driver": protocol.to_string(), "url": url}));
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    if let Some(verify) = network.ssl_verify {
        set("sslverify", bool::from(verify).into());
    }
    if !network.cookies.is_empty() {
        let id = format!("{node}-httpcookie-secret0");
        let cookies =
            network.cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let cookies: Vec<String> = cookies.collect();
        secret::of_document(builder, &id, cookies.join("; "));
        set("cookie-secret", id.into());
    }
    if let Some(seconds) = network.timeout {
        set("timeout", u64::from(seconds).into());
    }
    if let Some(bytes) = network.readahead {
        set("readahead", u64::from(bytes).into());
    }
    Some(properties)
}

/// A path as URLs have it: what has a meaning of its own there is written as `%` and a number.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
        match is_plain {
            true => text.push(byte.into()),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

pub(super) fn iscsi(builder: &mut Builder<'_>, network: &Network) -> Option<Map<String, Value>> {
    let server = one_server(builder, network)?;
    inet(builder, server, network.protocol)?;
    by_itself(builder, network);
    let name = network.name.as_deref().unwrap_or_default();
    let (target, unit) = name.split_once('/').unwrap_or((name, "0"));
    let Ok(unit) = unit.parse::<u32>() else {
        let message = format!("'{unit}' in the name '{name}' is not the number of a unit");
        builder.refuse(message).help = Some("write name='TARGET/NUMBER'".to_owned());
        return None;
    };
    let mut properties = object(json!({
        "driver": "iscsi", "portal": portal(server, network.protocol), "target": target, "lun": unit,
        "transport": "tcp",
    }));
    if let Some(name) = &network.initiator.iqn {
        properties.insert("initiator-name".to_owned(), name.as_str().into());
    }
    Some(properties)
}

fn rbd(builder: &mut Builder<'_>, network: &Network, node: &str) -> Option<Map<String, Value>> {
    let (pool, image) = network.name.as_deref().unwrap_or_default().split_once('/')?;
    let mut properties = object(json!({"driver": "rbd", "pool": pool, "image": image}));
    let mut servers = Vec::new();
    for server in &network.hosts {
        let (host, port) = inet(builder, server, network.protocol)?;
        servers.push(json!({"host": host, "port": port}));
    }
    by_itself(builder, network);
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    if let Some(snapshot) = &network.snapshot {
        set("snapshot", snapshot.as_str().into());
    }
    if let Some(config) = &network.config {
        let fd = builder.fd(format!("{node}-config"), config.clone(), Open::MemfdCopy);
        set("conf", builder.inherited_path(fd).into());
    }
    if !servers.is_empty() {
        set("server", servers.into());
    }
    Some(properties)
}

/// The layers of an encrypted image of Ceph, the topmost first.
fn librbd(builder: &mut Builder<'_>, encryption: &Encryption, node: &str) -> Value {
    let format = encryption.format.to_string();
    let ids: Vec<String> = passphrases(builder, encryption, node);
    ids.into_iter().rev().fold(Value::Null, |below, id| {
        let mut layer = json!({"format": format, "key-secret": id});
        if !below.is_null() {
            layer["parent"] = below;
        }
        layer
    })
}

/// Objects with the passphrases of an encrypted image; their ids.
pub(super) fn passphrases(
    builder: &mut Builder<'_>,
    encryption: &Encryption,
    node: &str,
) -> Vec<String> {
    let secrets = encryption.secrets.iter().enumerate();
    secrets
        .map(|(at, found)| {
            let id = format!("{node}-encryption-secret{at}");
            secret::of_host(builder, &id, "volume", &found.lookup);
            id
        })
        .collect()
}

fn gluster(builder: &mut Builder<'_>, network: &Network) -> Option<Map<String, Value>> {
    let (volume, path) = network.name.as_deref().unwrap_or_default().split_once('/')?;
    let mut servers = Vec::new();
    for server in &network.hosts {
        servers.push(match (&server.socket, server.transport) {
            (Some(path), Some(Transport::Unix)) => json!({"type": "unix", "path": path}),
            _ => {
                let (host, port) = inet(builder, server, network.protocol)?;
                json!({"type": "inet", "host": host, "port": port})
            }
        });
    }
    by_itself(builder, network);
    Some(object(json!({
        "driver": "gluster", "volume": volume, "path": path, "server": servers,
        "debug": GLUSTER_DEBUG,
    })))
}

fn ssh(
    builder: &mut Builder<'_>,
    network: &Network,
    auth: Option<&Auth>,
) -> Option<Map<String, Value>> {
    let server = one_server(builder, network)?;
    let (host, port) = inet(builder, server, network.protocol)?;
    let unknown = [
        ("<auth>", auth.is_some()),
        ("<knownHosts>", network.known_hosts.is_some()),
        ("<identity>", network.ssh_identity.is_some()),
    ];
    if let Some((what, _)) = unknown.into_iter().find(|(_, there)| *there) {
        let refused = builder.refuse(format!("QEMU's client for SSH knows no {what}"));
        refused.help = Some(
            "leave it out: the client asks the user's agent and ~/.ssh/known_hosts, or mount the \
             server's directory and write <disk type='file'>"
                .to_owned(),
        );
        return None;
    }
    by_itself(builder, network);
    Some(object(json!({
        "driver": "ssh", "path": network.name.as_deref().unwrap_or_default(),
        "server": {"host": host, "port": port},
    })))
}

fn nfs(builder: &mut Builder<'_>, network: &Network) -> Option<Map<String, Value>> {
    let server = one_server(builder, network)?;
    let (host, _) = inet(builder, server, network.protocol)?;
    by_itself(builder, network);
    let mut properties = object(json!({
        "driver": "nfs", "server": {"host": host, "type": "inet"},
        "path": network.name.as_deref().unwrap_or_default(),
    }));
    let identity = network.nfs_identity.as_ref();
    let names = [
        ("user", identity.and_then(|identity| identity.user.as_deref())),
        ("group", identity.and_then(|identity| identity.group.as_deref())),
    ];
    for (what, name) in names {
        let Some(name) = name else { continue };
        let Ok(number) = name.trim_start_matches('+').parse::<u32>() else {
            let message = format!("'{name}' is not the number of a {what}, which is all NFS knows");
            builder.refuse(message).help = Some(format!("write {what}='+NUMBER'"));
            return None;
        };
        properties.insert(what.to_owned(), number.into());
    }
    Some(properties)
}

/// The properties of the node of an image that is neither on a server nor a file, all but those that
/// every node has.
pub(super) fn elsewhere(
    builder: &mut Builder<'_>,
    name: &str,
    source: &Source,
) -> Option<Map<String, Value>> {
    match source {
        Source::Nvme(nvme) => {
            let address = nvme.address.address();
            let is_managed = nvme.managed != Some(YesNo::No);
            let driver = hostdev::VFIO_PCI.to_owned();
            hostdev::handover(builder, address, driver, is_managed)?;
            let device = address.to_string();
            builder.by_path(
                format!("pci:{device}"),
                "QEMU opens the NVMe controller by VFIO by itself",
            );
            Some(object(json!({
                "driver": "nvme", "device": device, "namespace": nvme.namespace,
            })))
        }
        Source::VhostVdpa(vdpa) => {
            let open = Open::Device { access: super::Access::Rw };
            let fd = builder.fd(format!("{name}-vdpa"), vdpa.dev.clone(), open);
            let path = builder.fdset(vec![fd]);
            Some(object(json!({"driver": "virtio-blk-vhost-vdpa", "path": path})))
        }
        other => {
            let kind = other.word();
            builder.refuse(format!("an image of the type '{kind}' cannot be here"));
            None
        }
    }
}
