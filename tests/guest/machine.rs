//! Documents of test guests, and where the parts of a guest are.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::{Home, not_installed, not_tested, run};

/// Where the parts of the test guest are; the names are those of docs/testing.md.
#[derive(Debug)]
pub(crate) struct Parts(HashMap<String, String>);

impl Parts {
    /// What `scripts/guest-image --print` says. Where there is no guest yet, a line that says what
    /// is missing.
    pub(crate) fn find() -> Option<&'static Self> {
        static PARTS: OnceLock<Result<Parts, String>> = OnceLock::new();
        match PARTS.get_or_init(Self::ask) {
            Ok(parts) => Some(parts),
            Err(reason) => {
                not_installed(reason);
                None
            }
        }
    }

    fn ask() -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/guest-image");
        let mut command = Command::new(script);
        command.arg("--print");
        let ran = run(command);
        if ran.code != 0 {
            return Err(ran.err.trim_end().to_owned());
        }
        let pairs = ran.out.lines().filter_map(|line| line.split_once('='));
        Ok(Self(pairs.map(|(name, path)| (name.to_owned(), path.to_owned())).collect()))
    }

    /// The path of one part.
    pub(crate) fn get(&self, name: &str) -> &str {
        &self.0[name]
    }
}

/// A home for guests, where there is a QEMU and a test guest; else a line that says what is missing.
/// The programs that the scripts have built are found in it.
pub(crate) fn home() -> Option<Home> {
    let parts = Parts::find()?;
    let mut home = Home::with_qemu()?;
    home.programs = Some(parts.get("bin").into());
    Some(home)
}

/// Whether this runs as root; else a line that says what is not tested.
pub(crate) fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        not_tested(&format!("{what} takes root"));
    }
    is_root
}

/// Whether a program is installed; else a line that says what is not tested.
pub(crate) fn has(home: &Home, program: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$1\"", "sh", program]);
    home.inside(&mut command);
    let has = run(command).code == 0;
    if !has {
        not_installed(&format!("{program} is not installed"));
    }
    has
}

/// Whether passt is installed and may make the user namespace that it locks itself into, as it may
/// not in a plain chroot; else a line that says what is not tested.
pub(crate) fn has_passt(home: &Home) -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "true"]);
    let may = run(unshare).code == 0;
    if !may {
        not_tested("passt takes user namespaces");
    }
    may && has(home, "passt")
}

/// `<os>` of a guest that is started from a kernel and runs a script.
pub(crate) fn runs(script: &str) -> String {
    direct(&format!("vdomain.run={}", base64(script)))
}

/// `<os>` of a guest that is started from a kernel and then is a shell on its console.
pub(crate) fn stays(script: &str) -> String {
    direct(&format!("vdomain.run={} vdomain.stay", base64(script)))
}

fn direct(words: &str) -> String {
    let parts = Parts::find().unwrap();
    let (kernel, initrd) = (parts.get("kernel"), parts.get("initrd"));
    format!(
        "    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet {words}</cmdline>
"
    )
}

/// The document of a guest with a serial console.
pub(crate) fn document(name: &str, os: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
{os}  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='maximum'/>
  <devices>
{devices}
    <serial type='pty'/>
  </devices>
</domain>
"
    )
}

/// The document with memory that processes beside QEMU can share.
pub(crate) fn with_shared_memory(document: &str) -> String {
    document.replace(
        "</memory>\n",
        "</memory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
  </memoryBacking>
",
    )
}

/// A disk in a file.
pub(crate) fn disk(path: &Path, format: &str, target: &str, rest: &str) -> String {
    let bus = match &target[..2] {
        "vd" => "virtio",
        "nv" => "nvme",
        _ => "sata",
    };
    format!(
        "    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}'/>
      <source file='{}'/>
      <target dev='{target}' bus='{bus}'/>
{rest}    </disk>
",
        path.display()
    )
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            encoded.push(if digit <= three.len() { DIGITS[value as usize].into() } else { '=' });
        }
    }
    encoded
}

#[test]
fn scripts_are_encoded_as_the_guest_decodes_them() {
    assert_eq!([base64("abc"), base64("ab"), base64("a")], ["YWJj", "YWI=", "YQ=="]);
}
