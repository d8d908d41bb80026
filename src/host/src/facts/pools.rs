//! Storage pools that libvirt defined: what keeps their volumes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qemu::host::{Pool, PoolAuth, PoolHost};
use xml::{Source, Subtree};

use super::directory;

/// The pools by name. libvirt keeps their XML where only root, or the user, can read it.
pub(super) fn pools(config: Option<&Path>, privileged: bool) -> BTreeMap<String, Pool> {
    let path = match config {
        _ if privileged => Path::new("/etc/libvirt/storage").to_owned(),
        Some(config) => config.join("libvirt/storage"),
        None => return BTreeMap::new(),
    };
    directory(path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .filter_map(|path| pool(&fs::read_to_string(path).ok()?))
        .collect()
}

/// libvirt: `virStoragePoolDefParseXML`.
fn pool(text: &str) -> Option<(String, Pool)> {
    let (pool, _) = xml::read::<Subtree>(&Source::new("pool", text), "pool", &[]).ok()?;
    let kind = serde_json::from_value(pool.attribute("type")?.into()).ok()?;
    let name = pool.child("name")?.text.trim().to_owned();
    let text = |parent: Option<&Subtree>, child: &str| {
        Some(parent?.child(child)?.text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let source = pool.child("source");
    let hosts = source.into_iter().flat_map(|source| &source.children);
    let auth = source.and_then(|source| source.child("auth")).and_then(|auth| {
        let secret = auth.child("secret")?;
        Some(PoolAuth {
            username: auth.attribute("username")?.to_owned(),
            uuid: secret.attribute("uuid").map(str::to_owned),
            usage: secret.attribute("usage").map(str::to_owned),
        })
    });
    let initiator = source
        .and_then(|source| source.child("initiator")?.child("iqn")?.attribute("name"))
        .map(str::to_owned);
    let pool = Pool {
        kind,
        path: text(pool.child("target"), "path"),
        hosts: hosts
            .filter(|(name, _)| name == "host")
            .map(|(_, host)| PoolHost {
                name: host.attribute("name").unwrap_or_default().to_owned(),
                port: host.attribute("port").and_then(|port| port.parse().ok()),
            })
            .collect(),
        device: source
            .and_then(|source| source.child("device")?.attribute("path"))
            .map(str::to_owned),
        initiator,
        auth,
        volumes: BTreeMap::new(),
    };
    Some((name, pool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qemu::host::PoolKind;

    #[test]
    fn a_pool_has_a_directory() {
        let (name, pool) = pool(
            "<pool type='dir'><name>default</name>\
             <target><path>/var/lib/libvirt/images</path></target></pool>",
        )
        .unwrap();
        assert_eq!(name, "default");
        assert_eq!(pool.kind, PoolKind::Dir);
        assert_eq!(pool.path.as_deref(), Some("/var/lib/libvirt/images"));
    }

    #[test]
    fn a_pool_has_a_server_and_who_we_are_to_it() {
        let (_, pool) = pool(
            "<pool type='iscsi-direct'><name>x</name><source>\
             <host name='192.0.2.7' port='3261'/><device path='iqn.2013-06.com.example:pool'/>\
             <initiator><iqn name='iqn.2013-06.com.example:us'/></initiator>\
             <auth type='chap' username='myname'><secret usage='mycluster'/></auth></source></pool>",
        )
        .unwrap();
        assert_eq!(pool.kind, PoolKind::IscsiDirect);
        assert_eq!(pool.hosts, [PoolHost { name: "192.0.2.7".to_owned(), port: Some(3261) }]);
        assert_eq!(pool.device.as_deref(), Some("iqn.2013-06.com.example:pool"));
        assert_eq!(pool.initiator.as_deref(), Some("iqn.2013-06.com.example:us"));
        let auth = pool.auth.unwrap();
        assert_eq!((auth.username.as_str(), auth.usage.as_deref()), ("myname", Some("mycluster")));
    }
}
