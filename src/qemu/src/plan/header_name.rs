//! Names in the header of an image, of its backing image and its data file: a path, a URL, the older
//! `PROTOCOL:…`, or `json:` with a block node in QEMU's words.
//!
//! libvirt: `virStorageSourceNewFromBackingAbsolute` and the rest of
//! `src/storage_file/storage_source_backingstore.c`, but for two paths that libvirt takes for relative:
//! those behind `ssh://SERVER` and `nfs://SERVER` begin with their slash. Errors here are predicates of
//! a sentence whose subject is the name.

use std::num::{NonZeroU16, NonZeroU64};

use base::{NonEmpty, YesNo};
use conf::device::disk::network_source::{
    Cookie, Host as Server, Network, NfsIdentity, Protocol, Transport,
};
use conf::device::disk::source::{Block, Slice, Source};
use serde_json::{Map, Value, json};

/// What a name stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Named {
    /// The file, device or object.
    pub(super) source: Source,
    /// The part of it that is the image.
    pub(super) slice: Option<Slice>,
}

impl From<Source> for Named {
    fn from(source: Source) -> Self {
        Self { source, slice: None }
    }
}

impl From<Network> for Named {
    fn from(network: Network) -> Self {
        Source::Network(Box::new(network)).into()
    }
}

/// Reads a name in the header of the image `of`.
///
/// # Errors
/// Why QEMU cannot be told of that image.
pub(super) fn parse(name: &str, of: &str) -> Result<Named, String> {
    let before_colon = name.split_once(':').filter(|(before, _)| !before.contains('/'));
    let network = match before_colon {
        None => return Ok(file(name, of)),
        Some(("file", path)) => return Ok(file(path, of)),
        Some(("json", text)) => return json(text),
        Some(_) if name.contains("://") => url(name)?,
        Some(("nbd", rest)) => nbd_colon(rest)?,
        Some(("rbd", rest)) => rbd_colon(rest)?,
        Some((other, _)) => return Err(unknown_protocol(other)),
    };
    checked(network).map(Named::from)
}

/// A path, which is relative to the directory of the image `of`. QEMU: `path_combine`.
fn file(path: &str, of: &str) -> Named {
    let path = match of.rsplit_once('/') {
        Some((directory, _)) if !path.starts_with('/') => format!("{directory}/{path}"),
        _ => path.to_owned(),
    };
    Source::file(path).into()
}

fn unknown_protocol(name: &str) -> String {
    format!("has the protocol '{name}', which cannot be used there")
}

/// Everybody who can read the image sees them, and libvirt takes none from there either.
fn credentials() -> String {
    "has a user or a password in it".to_owned()
}

/// The image, if the server has to be told which one and is.
fn checked(network: Network) -> Result<Network, String> {
    let name = network.name.as_deref().unwrap_or_default();
    let (is_named, form) = match network.protocol {
        Protocol::Nbd => return Ok(network),
        Protocol::Gluster | Protocol::Rbd => {
            (name.split_once('/').is_some_and(|(volume, _)| !volume.is_empty()), "VOLUME/IMAGE")
        }
        Protocol::Iscsi => (!name.is_empty(), "TARGET/NUMBER"),
        _ => (!name.is_empty(), "PATH"),
    };
    is_named.then_some(network).ok_or_else(|| format!("does not say which image, as {form}"))
}

/// `PROTOCOL[+TRANSPORT]://SERVER[:PORT]/NAME[?QUERY]`.
fn url(text: &str) -> Result<Network, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (scheme, transport) = scheme.split_once('+').unwrap_or((scheme, "tcp"));
    let known = <Protocol as base::Value>::parse(scheme).ok().flatten();
    let protocol = known.ok_or_else(|| unknown_protocol(scheme))?;
    let is_http = matches!(protocol, Protocol::Http | Protocol::Https);
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(credentials());
    }
    let server = match transport {
        "tcp" => inet(authority)?,
        "unix" => match query.strip_prefix("socket=") {
            Some(socket) => unix(unescaped(socket)?),
            None => return Err("does not say which socket, as ?socket=PATH".to_owned()),
        },
        other => return Err(format!("has a server that is reached by '{other}'")),
    };
    let path = unescaped(path)?;
    let name = match protocol {
        Protocol::Ssh | Protocol::Nfs if !path.is_empty() => format!("/{path}"),
        _ => path,
    };
    Ok(Network {
        protocol,
        name: non_empty(name),
        query: non_empty(query.to_owned()).filter(|_| is_http),
        hosts: vec![server],
        ..Network::default()
    })
}

fn non_empty(text: String) -> Option<NonEmpty> {
    Some(NonEmpty(text)).filter(|text| !text.is_empty())
}

/// A part of a URL without `%` and numbers.
fn unescaped(text: &str) -> Result<String, String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|number| u8::from_str_radix(number, 16).ok());
        bytes.push(byte.ok_or("has a '%' without two hexadecimal digits behind it")?);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 behind its '%'".to_owned())
}

fn unix(socket: String) -> Server {
    Server { transport: Some(Transport::Unix), socket: Some(socket), ..Server::default() }
}

/// `NAME[:PORT]`, with brackets around an IPv6 address.
fn inet(text: &str) -> Result<Server, String> {
    let (name, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    server(name, port)
}

/// A server that is reached by TCP. No port: the protocol's.
fn server(name: &str, port: Option<&str>) -> Result<Server, String> {
    if name.is_empty() {
        return Err("names no server".to_owned());
    }
    let number = port.map(str::parse::<u16>).transpose();
    let number = number.map_err(|_| {
        format!("has the port '{}', which is not a number to 65535", port.unwrap_or_default())
    })?;
    let port = number.and_then(NonZeroU16::new);
    Ok(Server { name: Some(name.to_owned()), port, ..Server::default() })
}

/// `nbd:SERVER:PORT[:exportname=NAME]` or `nbd:unix:PATH[:exportname=NAME]`.
fn nbd_colon(rest: &str) -> Result<Network, String> {
    let (place, export) = rest.split_once(":exportname=").unwrap_or((rest, ""));
    let server = match place.strip_prefix("unix:") {
        Some(socket) => unix(socket.to_owned()),
        None => inet(place)?,
    };
    Ok(Network {
        protocol: Protocol::Nbd,
        name: non_empty(export.to_owned()),
        hosts: vec![server],
        ..Network::default()
    })
}

/// `rbd:POOL/IMAGE[@SNAPSHOT][:OPTION=VALUE…]`, where a backslash takes the meaning from what follows.
///
/// libvirt: `virStorageSourceParseRBDColonString`.
fn rbd_colon(rest: &str) -> Result<Network, String> {
    let mut parts = split_unescaped(rest, ':').into_iter();
    let image = parts.next().unwrap_or_default();
    let (image, snapshot) = match image.split_once('@') {
        Some((image, snapshot)) => (image.to_owned(), Some(snapshot.to_owned())),
        None => (image, None),
    };
    let mut network =
        Network { protocol: Protocol::Rbd, name: non_empty(image), snapshot, ..Network::default() };
    for option in parts {
        match option.split_once('=') {
            Some(("id" | "key", _)) => return Err(credentials()),
            Some(("conf", path)) => network.config = Some(path.to_owned()),
            Some(("mon_host", hosts)) => {
                let hosts = hosts.split([',', ';', ' ']).filter(|host| !host.is_empty());
                network.hosts = hosts.map(inet).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
    }
    Ok(network)
}

/// The parts between separators that have no backslash before them, without the backslashes.
fn split_unescaped(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == separator {
            parts.push(String::new());
        } else if let (Some(part), Some(char)) =
            (parts.last_mut(), if char == '\\' { chars.next() } else { Some(char) })
        {
            part.push(char);
        }
    }
    parts
}

/// `json:{"driver":…}` or `json:{"file":{"driver":…}}`, whose members may be flat: `file.driver`.
///
/// libvirt: `virStorageSourceParseBackingJSON`.
fn json(text: &str) -> Result<Named, String> {
    let read = serde_json::from_str::<Map<String, Value>>(text);
    let flat = read.map_err(|error| format!("is no JSON object: {error}"))?;
    let mut root = Map::new();
    for (key, value) in flat {
        insert(&mut root, &key, value);
    }
    let node = match root.get("file") {
        Some(Value::Object(file)) if !root.contains_key("driver") => file,
        _ => &root,
    };
    if text_of(node, "driver") != Some("raw") {
        return protocol_node(node);
    }
    let number = |name: &str| match node.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("has '{name}': {value}, which is not a number of bytes")),
        },
    };
    let (offset, size) = (number("offset")?, number("size")?);
    let file = node.get("file").and_then(Value::as_object).ok_or("has no 'file' below 'raw'")?;
    let slice = match (offset, size) {
        (None, None) => None,
        (offset, Some(size)) => {
            Some(Slice { offset: offset.unwrap_or(0), size, ..Slice::default() })
        }
        (Some(_), None) => return Err("has an 'offset' without a 'size'".to_owned()),
    };
    Ok(Named { slice, ..protocol_node(file)? })
}

/// Puts a member where its key says: `a.b` is `b` of the object `a`.
fn insert(object: &mut Map<String, Value>, key: &str, value: Value) {
    match (key.split_once('.'), value) {
        (Some((first, rest)), value) => {
            let inner = object.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
        (None, Value::Object(members)) => {
            let mut inner = Map::new();
            members.into_iter().for_each(|(key, value)| insert(&mut inner, &key, value));
            object.insert(key.to_owned(), inner.into());
        }
        (None, value) => {
            object.insert(key.to_owned(), value);
        }
    }
}

fn text_of<'a>(node: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    node.get(name).and_then(Value::as_str)
}

fn needed<'a>(node: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    text_of(node, name).ok_or_else(|| format!("has no text '{name}'"))
}

/// A block node that is no format.
fn protocol_node(node: &Map<String, Value>) -> Result<Named, String> {
    const CREDENTIALS: [&str; 9] = [
        "user",
        "username",
        "password",
        "password-secret",
        "key-secret",
        "cookie-secret",
        "proxy-username",
        "proxy-password-secret",
        "tls-creds",
    ];
    let driver = needed(node, "driver")?;
    // NFS knows users by number alone.
    if driver != "nfs" && CREDENTIALS.iter().any(|name| node.contains_key(*name)) {
        return Err(credentials());
    }
    let network = match driver {
        "file" => return Ok(Source::file(absolute(node)?).into()),
        "host_device" | "host_cdrom" => {
            let dev = non_empty(absolute(node)?);
            return Ok(Source::Block(Block { dev, ..Block::default() }).into());
        }
        "http" | "https" | "ftp" | "ftps" | "tftp" => curl(node, driver)?,
        "gluster" | "iscsi" if node.contains_key("filename") => {
            of_protocol(url(needed(node, "filename")?)?, driver)?
        }
        "gluster" => Network {
            protocol: Protocol::Gluster,
            name: non_empty(format!("{}/{}", needed(node, "volume")?, needed(node, "path")?)),
            hosts: servers(node)?,
            ..Network::default()
        },
        "iscsi" => iscsi(node)?,
        "nbd" => Network {
            protocol: Protocol::Nbd,
            name: non_empty(text_of(node, "export").unwrap_or_default().to_owned()),
            hosts: vec![only_server(node)?],
            ..Network::default()
        },
        "ssh" => Network {
            protocol: Protocol::Ssh,
            name: non_empty(needed(node, "path")?.to_owned()),
            hosts: vec![only_server(node)?],
            ..Network::default()
        },
        "rbd" => match text_of(node, "filename") {
            Some(name) => rbd_colon(name.strip_prefix("rbd:").unwrap_or(name))?,
            None => Network {
                protocol: Protocol::Rbd,
                name: non_empty(format!("{}/{}", needed(node, "pool")?, needed(node, "image")?)),
                snapshot: text_of(node, "snapshot").map(str::to_owned),
                config: text_of(node, "conf").map(str::to_owned),
                hosts: servers(node)?,
                ..Network::default()
            },
        },
        "nfs" => nfs(node)?,
        other => {
            return Err(format!("has the driver '{other}', which cannot be used there"));
        }
    };
    checked(network).map(Named::from)
}

fn absolute(node: &Map<String, Value>) -> Result<String, String> {
    let path = needed(node, "filename")?;
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err("has a relative 'filename', and nothing says to which directory".to_owned()),
    }
}

fn of_protocol(network: Network, driver: &str) -> Result<Network, String> {
    match network.protocol.to_string() == driver {
        true => Ok(network),
        false => Err(format!("has a URL of {} for the driver '{driver}'", network.protocol)),
    }
}

/// libvirt: `virStorageSourceParseBackingJSONUri`.
fn curl(node: &Map<String, Value>, driver: &str) -> Result<Network, String> {
    let mut network = of_protocol(url(needed(node, "url")?)?, driver)?;
    network.ssl_verify = match node.get("sslverify") {
        Some(Value::Bool(true)) => Some(YesNo::Yes),
        Some(Value::Bool(false)) => Some(YesNo::No),
        // As virt-v2v writes it.
        Some(Value::String(off)) if off == "off" => Some(YesNo::No),
        None => None,
        Some(other) => return Err(format!("has 'sslverify': {other}, not true or false")),
    };
    let number = |name: &str| node.get(name).and_then(Value::as_u64).and_then(NonZeroU64::new);
    (network.readahead, network.timeout) = (number("readahead"), number("timeout"));
    for cookie in text_of(node, "cookie").unwrap_or_default().split(';') {
        let cookie = cookie.trim_start();
        if let Some((name, value)) = cookie.split_once('=') {
            let (name, value) = (name.to_owned(), value.to_owned());
            network.cookies.push(Cookie { name, value, ..Cookie::default() });
        } else if !cookie.is_empty() {
            return Err("has a 'cookie' without a value".to_owned());
        }
    }
    Ok(network)
}

/// libvirt: `virStorageSourceParseBackingJSONiSCSI`.
fn iscsi(node: &Map<String, Value>) -> Result<Network, String> {
    if needed(node, "transport")? != "tcp" {
        return Err("has a 'transport' that is not 'tcp'".to_owned());
    }
    let unit = match node.get("lun") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => "0".to_owned(),
    };
    Ok(Network {
        protocol: Protocol::Iscsi,
        name: non_empty(format!("{}/{unit}", needed(node, "target")?)),
        hosts: vec![inet(needed(node, "portal")?)?],
        ..Network::default()
    })
}

fn nfs(node: &Map<String, Value>) -> Result<Network, String> {
    let number = |name: &str| Some(format!("+{}", node.get(name)?.as_u64()?));
    Ok(Network {
        protocol: Protocol::Nfs,
        name: non_empty(needed(node, "path")?.to_owned()),
        hosts: vec![only_server(node)?],
        nfs_identity: Some(NfsIdentity { user: number("user"), group: number("group") }),
        ..Network::default()
    })
}

/// The server of a node that has one: `server`, or as before QEMU 2.9 `path`, or `host` and `port`.
fn only_server(node: &Map<String, Value>) -> Result<Server, String> {
    match (node.get("server"), text_of(node, "host"), text_of(node, "path")) {
        (Some(Value::Object(server)), ..) => socket_address(server),
        (None, Some(host), _) => server(host, text_of(node, "port")),
        (None, None, Some(path)) => Ok(unix(path.to_owned())),
        _ => Err("names no server".to_owned()),
    }
}

/// The servers of a node that can have several: a list, or members `0`, `1`, … of an object.
fn servers(node: &Map<String, Value>) -> Result<Vec<Server>, String> {
    let read = |value: &Value| match value {
        Value::Object(address) => socket_address(address),
        _ => Err("has a 'server' that is no object".to_owned()),
    };
    match node.get("server") {
        None => Ok(Vec::new()),
        Some(Value::Array(servers)) => servers.iter().map(read).collect(),
        Some(Value::Object(servers)) => servers.values().map(read).collect(),
        Some(_) => Err("has a 'server' that is no list".to_owned()),
    }
}

/// QEMU: `SocketAddress`; Gluster's older words are `tcp` and `socket`.
fn socket_address(address: &Map<String, Value>) -> Result<Server, String> {
    match text_of(address, "type") {
        None | Some("inet" | "tcp") => server(needed(address, "host")?, text_of(address, "port")),
        Some("unix") => {
            let path = text_of(address, "path").or_else(|| text_of(address, "socket"));
            path.map(|path| unix(path.to_owned())).ok_or_else(|| "names no socket".to_owned())
        }
        Some(other) => Err(format!("has a server of the type '{other}'")),
    }
}
