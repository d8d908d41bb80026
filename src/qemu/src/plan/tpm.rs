//! Trusted platform modules.

use base::Value;
use conf::device::DeviceKind;
use conf::device::chardev::SourceMode;
use conf::device::disk::auth::SecretLookup;
use conf::device::tpm::{
    Emulator, Tpm, TpmBackend, TpmEncryption, TpmModel, TpmSourceType, TpmVersion,
};

use super::argument::Argument;
use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Access, Builder, Fd, Helper, HelperSocket, Open, secret};
use crate::answers::{Answer, PathKind, Question};
use crate::host::Host;

/// The program that is a TPM.
const SWTPM: &str = "swtpm";
/// The program that makes its state.
const SWTPM_SETUP: &str = "swtpm_setup";
/// What secrets of TPMs are used for, in libvirt's words.
const SECRET: &str = "vtpm";
/// The character device that leads to an emulator. libvirt: `qemuBuildTPMsCommandLine`.
const CHARDEV: &str = "chrtpm";

/// What to look at: whether the host's TPM can be told to stop, where a secret is.
pub(super) fn questions(tpm: &Tpm, host: &Host) -> Vec<Question> {
    match &tpm.backend {
        TpmBackend::Passthrough(host) => vec![Question::Path(cancel_path(host.device()))],
        TpmBackend::Emulator(emulator) => {
            let lookup = emulator.encryption.as_ref().and_then(lookup);
            lookup.map(|lookup| secret::question(host, SECRET, &lookup)).into_iter().collect()
        }
        TpmBackend::External(_) => Vec::new(),
    }
}

/// The secret that the state is encrypted with.
fn lookup(encryption: &TpmEncryption) -> Option<SecretLookup> {
    Some(SecretLookup { uuid: Some(encryption.secret?), usage: None })
}

/// A trusted platform module.
///
/// libvirt: `qemuBuildTPMCommandLine`.
pub(super) fn tpm(builder: &mut Builder<'_>, pos: usize, tpm: &Tpm) {
    builder.part(format!("TPM {pos}"), tpm.origin);
    let alias = builder.aliases.get(DeviceKind::Tpm, pos).to_owned();
    let id = format!("tpm-{alias}");
    match &tpm.backend {
        TpmBackend::Passthrough(host) => passthrough(builder, host.device(), &alias, &id),
        TpmBackend::Emulator(emulator) => {
            let Some(fd) = self::emulator(builder, emulator, &alias) else { return };
            connected(builder, fd, &id);
        }
        TpmBackend::External(external) => {
            debug_assert_eq!(external.source.mode, SourceMode::Connect, "reading refuses others");
            let path = external.source.path.clone();
            let fd = builder.fd(format!("{alias}-socket"), path, Open::ConnectUnix);
            connected(builder, fd, &id);
        }
    }
    let driver = match tpm.model {
        Some(TpmModel::TpmTis) => "tpm-tis",
        Some(TpmModel::TpmCrb) => "tpm-crb",
        model => {
            let model = model.map_or_else(|| "default".to_owned(), |model| model.to_string());
            builder.refuse(format!("this machine has no TPM of model '{model}'"));
            return;
        }
    };
    let mut device = Device::new(driver);
    device.set("tpmdev", id).set("id", alias);
    device.address(&tpm.info, builder);
    builder.device(device);
}

/// The host's TPM, and the file by which what it does is broken off.
fn passthrough(builder: &mut Builder<'_>, path: &str, alias: &str, id: &str) {
    let open = Open::Device { access: Access::Rw };
    let fd = builder.fd(format!("{alias}-tpm"), path, open);
    let device = builder.fdset(vec![fd]);
    let mut cancel = cancel_path(path);
    let seen = builder.ask(&Question::Path(cancel.clone()));
    if seen == Some(&Answer::Path(PathKind::Missing)) {
        // A TPM 2.0 has none.
        cancel = "/dev/null".to_owned();
    }
    let fd = builder.fd(format!("{alias}-cancel"), cancel, Open::Log { append: true });
    let cancel = builder.fdset(vec![fd]);
    let mut argument = Argument::new("passthrough");
    argument.add("id", id).add("path", device).add("cancel-path", cancel);
    builder.argument("tpmdev", argument.into_text());
}

/// libvirt: `virTPMCreateCancelPath`.
fn cancel_path(device: &str) -> String {
    let name = device.rsplit_once('/').map_or(device, |(_, name)| name);
    format!("/sys/class/tpm/{name}/device/cancel")
}

/// An emulator that QEMU has a connection to.
fn connected(builder: &mut Builder<'_>, fd: Fd, id: &str) {
    let socket = Socket::connected(SocketAddress::Fd(Box::new(fd)));
    builder.chardev(Chardev::new(CHARDEV, Backend::Socket(socket)));
    let mut argument = Argument::new("emulator");
    argument.add("id", id).add("chardev", CHARDEV);
    builder.argument("tpmdev", argument.into_text());
}

/// swtpm, started for the guest, with a state that is made at the first start.
///
/// libvirt: `qemuTPMEmulatorBuildCommand`, `qemuTPMEmulatorRunSetup`,
/// `qemuTPMEmulatorReconfigure`.
fn emulator(builder: &mut Builder<'_>, emulator: &Emulator, alias: &str) -> Option<Fd> {
    let program = builder.program(SWTPM)?;
    let setup = builder.program(SWTPM_SETUP)?;
    let state = state(builder, emulator, alias)?;
    make_state(builder, emulator, setup, &state, alias);
    let helper = format!("{alias}-{SWTPM}");
    let tpmstate = match &state.kind {
        TpmSourceType::Dir => format!("dir={},mode=0600", state.path),
        TpmSourceType::File => format!("backend-uri=file://{}", state.path),
    };
    let mut argv = vec![program];
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["socket", "--ctrl", "type=unixio,clientfd={socket}", "--tpmstate", &tpmstate]);
    if let Some(level) = emulator.debug {
        add(&["--log", &format!("fd=1,level={level}")]);
    }
    if state.secret.is_some() {
        let key = "pwdfile=/proc/self/fd/{secret},mode=aes-256-cbc";
        add(&["--key", key, "--migration-key", key]);
    }
    // It ends with the connection.
    add(&["--terminate"]);
    add(state.version);
    let planned = builder.helper(&helper, argv);
    planned.socket = HelperSocket::Pair;
    planned.secret.clone_from(&state.secret);
    let source = builder.helper_source(SWTPM, alias, &helper);
    Some(builder.fd(format!("{alias}-socket"), source, Open::Helper { helper }))
}

/// Where the state of an emulator is, and of which version.
struct State {
    kind: TpmSourceType,
    path: String,
    version: &'static [&'static str],
    /// The late value that it is encrypted with.
    secret: Option<String>,
}

/// libvirt: `qemuTPMEmulatorStorageBuildPath`.
fn state(builder: &mut Builder<'_>, emulator: &Emulator, alias: &str) -> Option<State> {
    let (directory, version): (_, &[&str]) = match emulator.version {
        Some(TpmVersion::V1_2) => ("tpm1.2", &[]),
        None | Some(TpmVersion::V2_0) => ("tpm2", &["--tpm2"]),
    };
    let named = emulator.source.as_ref().and_then(|source| Some((source.kind?, &source.path)));
    let (kind, path) = match named {
        Some((kind, path)) => (kind, path.clone()),
        None => {
            let Some(uuid) = builder.domain.uuid else {
                builder.refuse("the guest has no UUID, by which its state is found").help =
                    Some("complete the document before a plan is made".to_owned());
                return None;
            };
            let root = &builder.host.directories.tpm;
            (TpmSourceType::Dir, format!("{root}/{}/{directory}", uuid.to_text()))
        }
    };
    let lookup = emulator.encryption.as_ref().and_then(lookup);
    let secret = match &lookup {
        None => None,
        Some(lookup) => {
            let from = secret::find(builder, SECRET, lookup)?;
            let late = format!("{alias}-secret");
            builder.secret_value(&late, from);
            Some(late)
        }
    };
    Some(State { kind, path, version, secret })
}

/// Makes the state unless it is there, and switches banks of registers on and off.
fn make_state(
    builder: &mut Builder<'_>,
    emulator: &Emulator,
    setup: String,
    state: &State,
    alias: &str,
) {
    let place = match state.kind {
        TpmSourceType::Dir => state.path.clone(),
        TpmSourceType::File => format!("file://{}", state.path),
    };
    let directory = (state.kind == TpmSourceType::Dir).then(|| state.path.clone());
    let uuid = builder.domain.uuid.map(|uuid| uuid.to_text()).unwrap_or_default();
    let owner = format!("{}:{uuid}", builder.domain.name);
    let begin = |words: &[&str]| -> Vec<String> {
        let start = [setup.as_str(), "--tpm-state", &place];
        let all = start.iter().chain(state.version).chain(words);
        all.map(|word| (*word).to_owned()).collect()
    };
    if !builder.host.privileged {
        // Where certificates of a user come from is in files of that user.
        let argv = ["--create-config-files", "skip-if-exist"].map(str::to_owned);
        let argv = std::iter::once(setup.clone()).chain(argv).collect();
        preparation(builder, &format!("{alias}-swtpm-config"), argv);
    }
    let mut argv = begin(&[
        "--vmid",
        &owner,
        "--createek",
        "--create-ek-cert",
        "--create-platform-cert",
        "--lock-nvram",
        "--not-overwrite",
    ]);
    let encryption = ["--pwdfile-fd", "{secret}", "--cipher", "aes-256-cbc"].map(str::to_owned);
    let encryption = encryption.into_iter().filter(|_| state.secret.is_some());
    argv.extend(encryption.clone());
    if let Some(profile) = &emulator.profile {
        let source = profile.source.iter().flat_map(|source| ["--profile-name", source]);
        argv.extend(source.map(str::to_owned));
        let remove = profile.remove_disabled.map(|remove| remove.to_string());
        let remove = remove.iter().flat_map(|how| ["--profile-remove-disabled", how]);
        argv.extend(remove.map(str::to_owned));
    }
    let helper = preparation(builder, &format!("{alias}-{SWTPM_SETUP}"), argv);
    helper.directory = directory;
    helper.secret.clone_from(&state.secret);
    let banks = emulator.active_pcr_banks.as_ref();
    let banks: Vec<&str> = banks.into_iter().flat_map(|banks| banks.names()).collect();
    if !banks.is_empty() {
        let mut argv = begin(&["--reconfigure", "--pcr-banks", &banks.join(",")]);
        argv.extend(encryption);
        let helper = preparation(builder, &format!("{alias}-pcr-banks"), argv);
        helper.secret.clone_from(&state.secret);
    }
}

/// A process that ends before the emulator is started.
fn preparation<'b>(builder: &'b mut Builder<'_>, name: &str, argv: Vec<String>) -> &'b mut Helper {
    let helper = builder.helper(name, argv);
    helper.socket = HelperSocket::None;
    helper.ends = true;
    helper
}
