//! Guests whose memory the host cannot read.

use conf::launch_security::{LaunchSecurity, Sev, SevSnp};
use serde_json::{Map, Value};

use super::argument::Argument;
use super::{Builder, Open};
use crate::host::Host;

/// The object that the machine is told of. libvirt: `qemuBuildMachineCommandLine`.
const OBJECT: &str = "lsec0";

/// What `-machine` says about it.
pub(super) fn of_machine(machine: &mut Argument, builder: &Builder<'_>) {
    if let Some(LaunchSecurity::Sev(_) | LaunchSecurity::SevSnp(_)) =
        &builder.domain.launch_security
    {
        machine.add("confidential-guest-support", OBJECT);
    }
}

/// The object with which the guest's memory is encrypted.
///
/// libvirt: `qemuBuildSEVCommandLine`, `qemuBuildSEVSNPCommandLine`.
pub(super) fn launch_security(builder: &mut Builder<'_>) {
    let Some(security) = &builder.domain.launch_security else { return };
    match security {
        LaunchSecurity::Sev(sev) => self::sev(builder, sev),
        LaunchSecurity::SevSnp(snp) => self::sev_snp(builder, snp),
        LaunchSecurity::S390Pv => {
            builder.cold_part("launch security", builder.domain.origin);
            builder.refuse("launch security of type 's390-pv' is only for s390");
        }
    }
}

fn sev(builder: &mut Builder<'_>, sev: &Sev) {
    builder.cold_part("launch security", sev.origin);
    let Some(mut object) = common(builder, "sev-guest", sev.c_bit_position, sev.reduced_phys_bits)
    else {
        return;
    };
    object.insert("policy".to_owned(), sev.policy.0.into());
    let files = [
        ("dh-cert-file", "dh_cert.base64", &sev.dh_certificate),
        ("session-file", "session.base64", &sev.session),
    ];
    for (property, file, content) in files {
        if let Some(content) = content {
            let directory = Host::of_guest(&builder.host.directories.guest, &builder.domain.name);
            let open = Open::Text { content: content.0.clone() };
            let fd =
                builder.fd(format!("{OBJECT}-{property}"), format!("{directory}/{file}"), open);
            object.insert(property.to_owned(), builder.inherited_path(fd).into());
        }
    }
    if let Some(hashes) = sev.kernel_hashes {
        object.insert("kernel-hashes".to_owned(), bool::from(hashes).into());
    }
    builder.object(object.into());
}

fn sev_snp(builder: &mut Builder<'_>, snp: &SevSnp) {
    builder.cold_part("launch security", snp.origin);
    let Some(mut object) =
        common(builder, "sev-snp-guest", snp.c_bit_position, snp.reduced_phys_bits)
    else {
        return;
    };
    if let Some(hashes) = snp.kernel_hashes {
        object.insert("kernel-hashes".to_owned(), bool::from(hashes).into());
    }
    object.insert("policy".to_owned(), snp.policy.0.into());
    let texts = [
        ("guest-visible-workarounds", &snp.guest_visible_workarounds),
        ("id-block", &snp.id_block),
        ("id-auth", &snp.id_auth),
        ("host-data", &snp.host_data),
    ];
    for (property, text) in texts {
        if let Some(text) = text {
            object.insert(property.to_owned(), text.0.clone().into());
        }
    }
    if let Some(key) = snp.author_key {
        object.insert("author-key-enabled".to_owned(), bool::from(key).into());
    }
    if let Some(vcek) = snp.vcek {
        object.insert("vcek-disabled".to_owned(), (!bool::from(vcek)).into());
    }
    builder.object(object.into());
}

/// What all kinds have: where the processor's mark is in an address, which a document leaves to the
/// host.
///
/// libvirt: `qemuProcessUpdateSEVInfo`.
fn common(
    builder: &mut Builder<'_>,
    kind: &str,
    position: Option<u32>,
    bits: Option<u32>,
) -> Option<Map<String, Value>> {
    let host = builder.host.sev.as_ref();
    let position = position.or(host.map(|sev| sev.c_bit_position));
    let bits = bits.or(host.map(|sev| sev.reduced_phys_bits));
    let (Some(position), Some(bits)) = (position, bits) else {
        let message = "this host does not say how its processor encrypts memory";
        let help = "name <cbitpos> and <reducedPhysBits>".to_owned();
        builder.refuse(message).help = Some(help);
        return None;
    };
    let mut object = Map::new();
    object.insert("qom-type".to_owned(), kind.into());
    object.insert("id".to_owned(), OBJECT.into());
    object.insert("cbitpos".to_owned(), position.into());
    object.insert("reduced-phys-bits".to_owned(), bits.into());
    Some(object)
}
