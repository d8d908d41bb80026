//! USB devices from elsewhere, and smartcards.

use conf::device::DeviceKind;
use conf::device::redirdev::Redirdev;
use conf::device::redirfilter::Redirfilter;
use conf::device::smartcard::{Smartcard, SmartcardMode};

use base::YesNo;

use super::Builder;
use super::device::Device;
use super::source::{Words, chardev};

/// The folder of certificates where none is named.
///
/// libvirt: `VIR_DOMAIN_SMARTCARD_DEFAULT_DATABASE`.
const DATABASE: &str = "/etc/pki/nssdb";

/// A USB port that a device elsewhere can be plugged into.
///
/// libvirt: `qemuBuildRedirdevDevProps`.
pub(super) fn redirdev(builder: &mut Builder<'_>, pos: usize, redirdev: &Redirdev) {
    builder.part(format!("redirdev {pos}"), redirdev.origin);
    let alias = builder.aliases.get(DeviceKind::Redirdev, pos).to_owned();
    let words = Words { spicevmc: "usbredir", ..Words::USUAL };
    let Some(chardev) = chardev(builder, &alias, &redirdev.chardev, words, None) else { return };
    let mut device = Device::new("usb-redir");
    device.set("chardev", chardev.id.as_str()).set("id", alias);
    device.maybe("filter", builder.domain.devices.redirfilter.as_ref().map(filter));
    device.maybe("bootindex", redirdev.info.boot_order());
    device.address(&redirdev.info, builder);
    builder.chardev(chardev);
    builder.device(device);
}

/// Which devices pass, in QEMU's words: class, vendor, product and version of each rule.
fn filter(filter: &Redirfilter) -> String {
    let rules = filter.rules.iter().map(|rule| {
        let code = |code: Option<u32>, width: usize| {
            code.map_or("-1".to_owned(), |code| format!("0x{code:0width$X}"))
        };
        [
            code(rule.class.map(|class| class.0), 2),
            code(rule.vendor.map(|vendor| vendor.0), 4),
            code(rule.product.map(|product| product.0), 4),
            code(rule.version.map(|version| version.0.into()), 4),
            u32::from(rule.allow == YesNo::Yes).to_string(),
        ]
        .join(":")
    });
    rules.collect::<Vec<_>>().join("|")
}

/// A smartcard.
///
/// libvirt: `qemuBuildSmartcardCommandLine`.
pub(super) fn smartcard(builder: &mut Builder<'_>, pos: usize, smartcard: &Smartcard) {
    builder.part(format!("smartcard {pos}"), smartcard.origin);
    let alias = builder.aliases.get(DeviceKind::Smartcard, pos).to_owned();
    let mut device = match &smartcard.mode {
        SmartcardMode::Host => {
            let mut device = Device::new("ccid-card-emulated");
            device.set("backend", "nss-emulated");
            builder.by_path(DATABASE, "QEMU looks for cards in the readers of the host");
            device
        }
        SmartcardMode::HostCertificates(card) => {
            let mut device = Device::new("ccid-card-emulated");
            device.set("backend", "certificates");
            let names = ["cert1", "cert2", "cert3"];
            for (name, certificate) in names.into_iter().zip(&card.certificates) {
                device.set(name, certificate.as_str());
            }
            let database = card.database.as_deref().unwrap_or(DATABASE);
            device.set("db", database);
            builder.by_path(database, "QEMU's smartcard library opens its database by itself");
            device
        }
        SmartcardMode::Passthrough(source) => {
            let words = Words { spicevmc: "smartcard", ..Words::USUAL };
            let Some(chardev) = chardev(builder, &alias, source, words, None) else { return };
            let mut device = Device::new("ccid-card-passthru");
            device.set("chardev", chardev.id.as_str());
            builder.chardev(chardev);
            device
        }
    };
    device.set("id", alias);
    device.address(&smartcard.info, builder);
    builder.device(device);
}
