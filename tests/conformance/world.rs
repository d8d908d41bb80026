//! The world that a case takes place in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use qemu::host::HostCpu;
use qemu::host::TlsSettings;
use qemu::{Capabilities, CompleteDomain, Host, Mode};
use serde_json::Value;
use xml::Source;

use crate::corpus::{Corpus, Document};
use crate::fixed_point::shown;

/// The recording that the expectations of libvirt's own tests were made with.
pub(crate) const OF_CASES: &str = "libvirt/caps_10.0.0_x86_64.replies";
/// The recording of the QEMU beside the libvirt that read what people and tools wrote.
pub(crate) const OF_REAL: &str = "real/caps_11.1.3_x86_64.replies";

/// What a QEMU can do and what a host is like.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) capabilities: Capabilities,
    pub(crate) host: Host,
}

/// What the corpus says of a case that takes place in a changed world: the words are those of
/// libvirt's own tests.
pub(crate) type Changes = Value;

/// The types of QEMU behind libvirt's names of capabilities.
const TYPES: &[(&str, &str)] = &[
    ("QEMU_CAPS_DEVICE_QEMU_XHCI", "qemu-xhci"),
    ("QEMU_CAPS_NEC_USB_XHCI", "nec-usb-xhci"),
    ("QEMU_CAPS_ICH9_USB_EHCI1", "ich9-usb-ehci1"),
    ("QEMU_CAPS_PIIX3_USB_UHCI", "piix3-usb-uhci"),
    ("QEMU_CAPS_SEV_GUEST", "sev-guest"),
    ("QEMU_CAPS_SEV_SNP_GUEST", "sev-snp-guest"),
];

/// The processor that libvirt's own tests call `QEMU_CPU_DEF_HASWELL`: the model, and what it has
/// besides.
const HASWELL: (&str, &str) = (
    "Haswell",
    "+vme +ds +acpi +ss +ht +tm +pbe +dtes64 +monitor +ds-cpl +vmx +smx +est +tm2 +xtpr +pdcm +f16c \
     +rdrand +pdpe1gb +abm +lahf-lm",
);

/// The processor of the host that read what people and tools wrote, as libvirt itself saw it: QEMU
/// could not use KVM there.
const OF_REAL_HOST: (&str, &str) = (
    "kvm64",
    "+x2apic +tsc-deadline +hypervisor +vme +ss +arat +tsc-adjust +hle +fdp-excptn-only +erms \
     +rtm +zero-fcs-fds +clflushopt +clwb +umip +gfni +la57 +cldemote +movdiri +movdir64b \
     +fsrm +tsx-ldtrk +arch-capabilities +fzrm +fsrs +fsrc +intel-psfd +lahf-lm \
     +3dnowprefetch +lfence-always-serializing +null-sel-clr-base +tsa-sq-no +tsa-l1-no \
     +rdctl-no +rsba +skip-l1dfl-vmentry +mds-no +pschange-mc-no +taa-no +sbdr-ssdp-no \
     +fbsdp-no +psdp-no +fb-clear +gds-no +rfds-no -pni",
);

fn processor((model, words): (&str, &str)) -> HostCpu {
    let features = words.split(' ').filter_map(|word| {
        let name = word.get(1..)?.to_owned();
        Some((name, word.starts_with('+')))
    });
    HostCpu { model: model.to_owned(), features: features.collect() }
}

impl World {
    /// The host of libvirt's own tests with a QEMU of the corpus.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn read(corpus: &Corpus, recording: &str) -> Result<Self, String> {
        let recording = qmp::Recording::parse(&corpus.text(recording)?)
            .map_err(|error| format!("{recording}: {error}"))?;
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/libvirt-host.json");
        let host = fs::read_to_string(path).map_err(|error| error.to_string())?;
        Ok(Self {
            capabilities: Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)?,
            host: serde_json::from_str(&host).map_err(|error| error.to_string())?,
        })
    }

    /// The host whose libvirt started what people and tools wrote.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn real(corpus: &Corpus) -> Result<Self, String> {
        let mut world = Self::read(corpus, OF_REAL)?;
        world.host.processors.insert("kvm".to_owned(), processor(OF_REAL_HOST));
        let Host { directories, render_node, settings, .. } = &mut world.host;
        directories.channel = "/run/libvirt/qemu/channel".to_owned();
        directories.channels = "/run/libvirt/qemu/channel/-1-{short-name}".to_owned();
        *render_node = Some("/dev/dri/renderD128".to_owned());
        settings.spice.password = None;
        Ok(world)
    }

    /// What completion makes of a document, as if it were stored here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn completed(&self, document: &Document) -> Result<CompleteDomain, String> {
        let source = Source::new(document.name.clone(), document.text.clone());
        let say = |problems: Vec<_>| shown(&source, &problems);
        let (domain, _) = conf::parse(&source).map_err(say)?;
        qemu::complete(domain, &self.capabilities, &self.host, Mode::Reload)
            .map(|completion| completion.domain)
            .map_err(say)
    }

    /// This world with what is said of a case.
    pub(crate) fn changed(&self, changes: &Changes) -> Self {
        let mut world = self.clone();
        let names = |key: &str| -> Vec<String> {
            let list = changes[key].as_array();
            list.into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned())).collect()
        };
        let mut types: BTreeSet<&str> = self.capabilities.types.iter().collect();
        for (word, name) in TYPES {
            if names("without").iter().any(|without| without == word) {
                types.remove(name);
            }
            let is_amd = changes["variant"] == "+amdsev";
            if names("with").iter().any(|with| with == word) || (is_amd && name.starts_with("sev"))
            {
                types.insert(name);
            }
        }
        world.capabilities.types = types.into_iter().collect();
        if changes["host_cpu"] == "QEMU_CPU_DEF_HASWELL" {
            for kind in ["kvm", "qemu"] {
                world.host.processors.insert(kind.to_owned(), processor(HASWELL));
            }
        }
        for (name, value) in objects(changes, "environment") {
            world.host.environment.insert(name, value);
        }
        for (name, value) in objects(changes, "driver_config") {
            let settings = &mut world.host.settings;
            match name.as_str() {
                "vncAllowHostAudio" => settings.vnc_host_audio = value == "true",
                "nogfxAllowHostAudio" => settings.no_graphics_host_audio = value == "true",
                "dumpGuestCore" => settings.dump_guest_core = value == "true",
                "chardevTLS" => settings.chardev_uses_tls = value == "1",
                "chardevTLSx509secretUUID" => {
                    settings
                        .chardev_tls
                        .iter_mut()
                        .for_each(|tls| tls.secret = Some(value.clone()));
                }
                "vncAutoUnixSocket" => settings.vnc.auto_unix_socket = value == "true",
                "spiceAutoUnixSocket" => settings.spice.auto_unix_socket = value == "true",
                "vncSASL" => settings.vnc.sasl = value == "1",
                "spiceSASL" => settings.spice.sasl = value == "1",
                "vncTLS" => settings.vnc.tls = Some(certificates("/etc/pki/libvirt-vnc")),
                "vncTLSx509verify" => {
                    settings.vnc.tls.iter_mut().for_each(|tls| tls.verify = value == "1");
                }
                "spiceTLS" => settings.spice.tls = Some(certificates("/etc/pki/libvirt-spice")),
                _ => {}
            }
        }
        world
    }
}

fn certificates(directory: &str) -> TlsSettings {
    TlsSettings { directory: directory.to_owned(), ..TlsSettings::default() }
}

fn objects(changes: &Changes, key: &str) -> Vec<(String, String)> {
    changes[key]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}
