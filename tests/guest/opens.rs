//! What QEMU opens by itself, traced from its start to the end of the guest, is what
//! docs/what-qemu-opens.md lists.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::boot::{by_uefi, overlay};
use crate::common::{Home, QEMU};
use crate::machine::{disk, document, has, has_passt, home, is_root, runs, with_shared_memory};
use crate::running::Console;
use crate::shares::{ninep, virtiofs};

const LIST: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/what-qemu-opens.md"));

#[test]
fn nothing_is_opened_that_a_guest_with_everything_names() {
    let Some(home) = home() else { return };
    if !["strace", "virtiofsd"].iter().all(|program| has(&home, program)) {
        return;
    }
    let [old, fast] = ["old", "fast"].map(|name| {
        let folder = home.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("hello"), format!("from {name}\n")).unwrap();
        folder
    });
    let base = home.write("base.raw", vec![0; 1 << 20]);
    let overlay = overlay(&home, &base);
    let raw = home.write("other.raw", vec![0; 1 << 20]);
    let media = home.write("media.iso", vec![0; 1 << 20]);
    let log = home.path("console.log");
    let mut devices = [
        disk(&overlay, "qcow2", "vda", ""),
        disk(&raw, "raw", "nvme0n1", "      <serial>nvme</serial>\n"),
        disk(&media, "raw", "sda", "").replace("device='disk'", "device='cdrom'"),
        ninep(&old, "old", "accessmode='mapped'", ""),
        virtiofs(&fast, "fast", "", ""),
        "    <interface type='user'>\n      <model type='e1000e'/>\n    </interface>\n".to_owned(),
        format!(
            "    <console type='pty'>\n      <log file='{}'/>\n      <target type='virtio'/>\n    \
             </console>\n",
            log.display()
        ),
        "    <channel type='unix'>\n      <target type='virtio' name='org.qemu.guest_agent.0'/>\n    \
         </channel>\n"
            .to_owned(),
        "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n    </rng>\n"
            .to_owned(),
    ]
    .concat();
    if Path::new("/dev/vhost-vsock").exists() || has(&home, "vhost-device-vsock") {
        devices += "    <vsock model='virtio'><cid auto='yes'/></vsock>\n";
    }
    if has_passt(&home) {
        devices += "    <interface type='user'>\n      <backend type='passt'/>\n      \
                    <model type='virtio'/>\n    </interface>\n";
    }
    if is_root("making a tap") {
        devices +=
            "    <interface type='ethernet'>\n      <model type='virtio'/>\n    </interface>\n";
    }
    let script = runs(
        "share 9p old; share virtiofs fast; cat /mnt/*/hello; cp /mnt/old/hello /mnt/old/copy; dhcp
        fill /dev/vda 1 written",
    );
    let traced = Traced::new(&home, "everything");
    traced.define(&with_shared_memory(&document("everything", &script, &devices)));

    let said = Console::start(&home, "everything").run();

    assert!(said.contains("from fast\nfrom old\n"), "{said}");
    assert!(old.join("copy").exists() && fs::read(&log).unwrap().is_empty(), "{said}");
    traced.opens_what_is_listed(&[&old]);
}

#[test]
fn nothing_is_opened_that_a_guest_with_firmware_names() {
    let Some(home) = home() else { return };
    if !has(&home, "strace") {
        return;
    }
    let Some((document, _nvram)) = by_uefi(&home, "firmware") else { return };
    let traced = Traced::new(&home, "firmware");
    traced.define(&document);

    let said = Console::start(&home, "firmware").run();

    assert!(said.starts_with("firmware uefi\n"), "{said}");
    traced.opens_what_is_listed(&[]);
}

/// A guest whose QEMU is traced.
struct Traced<'a> {
    home: &'a Home,
    name: &'a str,
    emulator: PathBuf,
}

impl<'a> Traced<'a> {
    fn new(home: &'a Home, name: &'a str) -> Self {
        let calls = "open,openat,openat2,creat,connect,bind,execve,execveat,unlink,unlinkat,rename,\
                     renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,mknod,mknodat,\
                     truncate,chmod,fchmodat,chown,lchown,fchownat";
        let trace = home.path("trace");
        let script = format!(
            "#!/bin/sh\nexec strace -D -f -y -s 4096 --seccomp-bpf -e trace={calls} -o {}.$$ -- {QEMU} \
             \"$@\"\n",
            trace.display()
        );
        let emulator = home.write("qemu-traced", script);
        fs::set_permissions(&emulator, fs::Permissions::from_mode(0o755)).unwrap();
        Self { home, name, emulator }
    }

    fn define(&self, document: &str) {
        let emulator = format!("  <devices>\n    <emulator>{}</emulator>", self.emulator.display());
        self.home.define(&document.replacen("  <devices>", &emulator, 1));
    }

    /// Every call that names a path is on the list, or lies below a shared directory.
    #[track_caller]
    fn opens_what_is_listed(&self, shares: &[&Path]) {
        let trace = self.trace();
        let listed = listed();
        let calls: Vec<_> = trace.lines().filter_map(Access::of_line).collect();
        assert!(calls.len() > 20, "nothing was traced:\n{trace}");
        // By way of the descriptor that was passed, not by the path.
        let below = |access: &Access<'_>| {
            let directory = Path::new(&access.directory);
            shares.iter().any(|share| directory.starts_with(share))
        };
        let own = self.home.path("").display().to_string();
        let wrong: Vec<_> = calls
            .iter()
            .filter(|access| !below(access))
            .filter(|access| !listed.iter().any(|entry| entry.allows(access)))
            .filter(|access| access.happened || access.path.starts_with(&own))
            .map(|access| access.line)
            .collect();
        assert!(wrong.is_empty(), "not in docs/what-qemu-opens.md:\n{}", wrong.join("\n"));
    }

    /// The trace of the guest's own QEMU; the others were asked what they can do.
    fn trace(&self) -> String {
        let files = fs::read_dir(self.home.path("")).unwrap().map(|entry| entry.unwrap().path());
        let traces = files.filter(|path| path.display().to_string().contains("/trace."));
        let name = format!("guest={}", self.name);
        traces.map(|path| fs::read_to_string(path).unwrap()).find(|it| it.contains(&name)).unwrap()
    }
}

/// A call that names a path.
#[derive(Debug)]
struct Access<'a> {
    line: &'a str,
    /// What the path is relative to, if it is.
    directory: String,
    path: String,
    writes: bool,
    happened: bool,
}

impl<'a> Access<'a> {
    /// Understands a line such as `7 openat(AT_FDCWD</tmp>, "a", O_RDONLY) = 3</tmp/a>`.
    fn of_line(line: &'a str) -> Option<Self> {
        let (_, call) = line.split_once(' ')?;
        let (name, rest) = call.trim_start().split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let path = arguments.split('"').nth(1).unwrap_or_default();
        // A socket that has no path is none of a file system's.
        if matches!(name, "connect" | "bind") && !arguments.contains("AF_UNIX") {
            return None;
        }
        let directory = arguments
            .split_once('<')
            .filter(|(before, _)| !before.contains('"'))
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or("", |(directory, _)| directory);
        let writes = !name.starts_with("open")
            || ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"]
                .iter()
                .any(|flag| arguments.contains(flag));
        let path = Path::new(directory).join(path);
        Some(Self {
            line,
            directory: directory.to_owned(),
            path: without_parents(&path.display().to_string()),
            writes,
            happened: !result.starts_with('-'),
        })
    }
}

/// `/usr/bin/../share` is `/usr/share`.
fn without_parents(path: &str) -> String {
    match path.split_once("/../") {
        None => path.to_owned(),
        Some((before, after)) => {
            let parent = before.rsplit_once('/').map_or("", |(parent, _)| parent);
            without_parents(&format!("{parent}/{after}"))
        }
    }
}

/// A row of the list.
struct Entry {
    pattern: String,
    writes: bool,
}

impl Entry {
    fn allows(&self, access: &Access<'_>) -> bool {
        (self.writes || !access.writes) && matches(&self.pattern, &access.path)
    }
}

/// The rows of the list: a path in which `*` stands for anything, how it is opened, why.
fn listed() -> Vec<Entry> {
    let rows = LIST.lines().filter(|line| line.starts_with("| `"));
    let entry = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        Entry { pattern: cells[1].trim_matches('`').to_owned(), writes: cells[2] != "read" }
    };
    rows.map(entry).collect()
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

#[test]
fn a_path_matches_a_pattern() {
    assert!(matches("/lib/*.so*", "/lib/x/a.so.1") && !matches("/lib/*.so", "/lib/a.so.1"));
    assert_eq!(without_parents("/usr/bin/../lib/a/../b"), "/usr/lib/b");
}
