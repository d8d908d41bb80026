//! What a QEMU binary can do: asked over QMP once, and kept until something changes that could
//! change the answers.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qemu::Capabilities;
use qemu::capabilities::{processor_queries, queries};
use qmp::replies::Run;
use qmp::{Client, Recording};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sys::process::{Child, Program, Signal};
use sys::runtime::{self, Socket};

/// How long QEMU may take to begin to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// The number under which QEMU inherits its monitor.
const MONITOR_FD: i32 = 3;

/// What a binary can do could not be found out.
#[derive(Debug, thiserror::Error)]
#[error("cannot find out what '{binary}' can do: {reason}")]
pub struct ProbeError {
    /// The binary.
    pub binary: String,
    /// Why not.
    pub reason: String,
}

/// What is kept, with what it depends on.
///
/// The first line of the file is this as JSON, but for the schema, which follows as it is.
/// As a string in JSON its quarter of a megabyte would have to be unescaped at every start.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    key: Key,
    capabilities: Capabilities,
    /// The length of the schema in bytes, by which a file that was cut off is recognized.
    schema_length: usize,
}

/// All that can change the answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    /// The program that asks, which may ask other things when it was built anew: its size and the
    /// time of its last change.
    asked_by: (u64, i64, i64),
    /// The binary: device, inode, size, time of the last change.
    binary: (u64, u64, u64, i64, i64),
    /// The directories with QEMU's modules, with the times of their last changes.
    modules: Vec<(String, i64)>,
    kernel: String,
    /// Whether `/dev/kvm` can be used.
    kvm: bool,
    microcode: String,
    user: u32,
}

/// What the binary can do, from what is kept in `cache` or from the binary itself.
///
/// # Errors
/// The binary cannot be started, or does not answer as QEMU does. A cache that cannot be written is
/// none: it is asked again the next time.
pub fn of(binary: &Path, cache: &Path) -> Result<Capabilities, ProbeError> {
    let failed = |reason: String| ProbeError { binary: binary.display().to_string(), reason };
    let key = Key::now(binary).map_err(|error| failed(sys::reason(&error)))?;
    let path = cache_file(binary, cache);
    if let Some(kept) = fs::read_to_string(&path).ok().and_then(Kept::read)
        && kept.key == key
    {
        return Ok(kept.capabilities);
    }
    let recording = record(binary)?;
    let capabilities =
        Capabilities::from_recording(&binary.display().to_string(), &recording).map_err(failed)?;
    let schema_length = capabilities.schema.len();
    let mut kept = Kept { key, capabilities, schema_length };
    if let Some(directory) = path.parent()
        && fs::create_dir_all(directory).is_ok()
        && let Ok(text) = kept.write()
    {
        // Without a cache the next start asks again.
        let _ = sys::file::atomic_write(&path, text.as_bytes(), 0o644);
    }
    Ok(kept.capabilities)
}

/// Asks the binary, and keeps questions and answers. If it uses KVM, it is started a second time to say
/// what it gives guests without.
///
/// # Errors
/// The binary cannot be started, or does not answer as QEMU does.
pub fn record(binary: &Path) -> Result<Recording, ProbeError> {
    let first = record_run(binary, "kvm:tcg", &queries())?;
    let uses_kvm = first
        .lookup("query-kvm", &Value::Null)
        .is_some_and(|answer| answer.as_ref().is_ok_and(|kvm| kvm["enabled"] == true));
    let mut runs = vec![first];
    if uses_kvm {
        // A QEMU that was built without TCG does not start, and has nothing to say of it.
        runs.extend(record_run(binary, "tcg", &processor_queries()));
    }
    Ok(Recording { runs })
}

/// What one QEMU says that takes the first of `accelerators` that it can have.
fn record_run(
    binary: &Path,
    accelerators: &str,
    queries: &[(&str, Value)],
) -> Result<Run, ProbeError> {
    let failed = |reason: String| ProbeError { binary: binary.display().to_string(), reason };
    let (ours, theirs) = sys::fd::socketpair().map_err(|error| failed(sys::reason(&error)))?;
    let messages = sys::fd::memfd("messages")
        .map(fs::File::from)
        .map_err(|error| failed(sys::reason(&error)))?;
    let mut child = start(binary, accelerators, theirs, &messages)
        .map_err(|error| failed(sys::reason(&error)))?;
    let run = runtime::block_on(async {
        let socket = Socket::try_from(ours).map_err(|error| sys::reason(&error))?;
        converse(socket, queries).await.map_err(|error| error.to_string())
    });
    end(&mut child);
    run.map_err(|reason| {
        let said = read_messages(messages);
        failed(if said.is_empty() { reason } else { format!("{reason}; it said: {said}") })
    })
}

fn start(
    binary: &Path,
    accelerators: &str,
    monitor: std::os::fd::OwnedFd,
    messages: &fs::File,
) -> io::Result<Child> {
    let arguments = [
        "-S",
        "-no-user-config",
        "-nodefaults",
        "-nographic",
        "-machine",
        &format!("none,accel={accelerators}"),
        "-chardev",
        &format!("socket,id=monitor,fd={MONITOR_FD}"),
        "-mon",
        "chardev=monitor,mode=control",
    ]
    .map(OsString::from);
    Program {
        argv: std::iter::once(binary.as_os_str().to_owned()).chain(arguments).collect(),
        directory: Some(PathBuf::from("/")),
        descriptors: vec![(monitor, MONITOR_FD), (messages.try_clone()?.into(), 2)],
        own_session: true,
        // Nobody else knows of it.
        before_exec: Some(Box::new(sys::process::end_with_parent)),
        ..Program::default()
    }
    .spawn()
}

async fn converse(socket: Socket, queries: &[(&str, Value)]) -> Result<Run, qmp::Error> {
    let (client, events) = Client::open(socket, LIMIT).await?;
    drop(events);
    let pending: Vec<_> = queries
        .iter()
        .map(|(command, arguments)| {
            let answer = client.send(command, arguments);
            (command, arguments, answer)
        })
        .collect();
    let mut run = Run::begun();
    for (command, arguments, answer) in pending {
        let outcome = match answer.answer_within(LIMIT).await {
            Ok(value) => Ok(value),
            Err(qmp::Error::Refused { class, desc, .. }) => Err(qmp::Refusal { class, desc }),
            Err(error) => return Err(error),
        };
        run.push(command, arguments, outcome);
    }
    Ok(run)
}

fn end(child: &mut Child) {
    // A process that cannot be signalled or waited for is gone.
    let _ = child.process().kill(Signal::KILL);
    let _ = child.wait();
}

fn read_messages(mut messages: fs::File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    // What cannot be read cannot be said.
    let _ = messages.rewind().and_then(|()| messages.read_to_string(&mut text));
    text.lines().last().unwrap_or_default().to_owned()
}

fn cache_file(binary: &Path, cache: &Path) -> PathBuf {
    let name = binary.display().to_string().trim_start_matches('/').replace('/', "-");
    cache.join("capabilities").join(format!("{name}.json"))
}

impl Kept {
    /// Reads a file; nothing comes of one that is damaged, or from another version.
    fn read(mut text: String) -> Option<Self> {
        let (first, _) = text.split_once('\n')?;
        let mut kept: Self = serde_json::from_str(first).ok()?;
        text.drain(..=first.len());
        kept.capabilities.schema = text;
        (kept.capabilities.schema.len() == kept.schema_length).then_some(kept)
    }

    fn write(&mut self) -> serde_json::Result<String> {
        let schema = std::mem::take(&mut self.capabilities.schema);
        let first = serde_json::to_string(self);
        self.capabilities.schema = schema;
        Ok(format!("{}\n{}", first?, self.capabilities.schema))
    }
}

impl Key {
    fn now(binary: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(binary)?;
        let asked_by = fs::metadata("/proc/self/exe")?;
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Ok(Self {
            asked_by: (asked_by.size(), asked_by.mtime(), asked_by.mtime_nsec()),
            binary: (
                metadata.dev(),
                metadata.ino(),
                metadata.size(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
            modules: modules(),
            kernel: fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default(),
            kvm: fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok(),
            microcode: cpuinfo
                .lines()
                .take_while(|line| !line.is_empty())
                .filter(|line| line.starts_with("microcode") || line.starts_with("model name"))
                .collect(),
            user: sys::process::user(),
        })
    }
}

/// Where distributions put QEMU's modules: `/usr/lib/qemu`, `/usr/lib64/qemu`,
/// `/usr/lib/x86_64-linux-gnu/qemu`.
fn modules() -> Vec<(String, i64)> {
    let triplet = format!("/usr/lib/{}-linux-gnu/qemu", std::env::consts::ARCH);
    ["/usr/lib/qemu", "/usr/lib64/qemu", &triplet]
        .iter()
        .filter_map(|path| Some(((*path).to_owned(), fs::metadata(path).ok()?.ctime())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_nothing_of_a_damaged_file() {
        let binary = "/usr/bin/\nqemu".to_owned();
        let schema = "a\t{\"name\": \"a\\\\n\"}\n".to_owned();
        let capabilities = Capabilities { binary, schema, ..Capabilities::default() };
        let key = Key::now(Path::new("/proc/self/exe")).unwrap();
        let schema_length = capabilities.schema.len();
        let mut kept = Kept { key, capabilities, schema_length };

        let text = kept.write().unwrap();

        assert_eq!(Kept::read(text.clone()).as_ref(), Some(&kept));
        for end in 0..text.len() {
            assert_eq!(
                Kept::read(text[..end].to_owned()),
                None,
                "with {end} bytes of {}",
                text.len()
            );
        }
        assert_eq!(Kept::read(format!("{text}]")), None);
    }
}
