//! Control groups of version 2: one for each guest whose document limits it, and below it one for
//! threads that are limited by themselves.
//!
//! A group of a guest is made below one that is ours to arrange: the partition that the document names;
//! the unit that we run in, if systemd has delegated it; a scope of its own that systemd makes on demand;
//! `/machine` where there is no systemd.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use qemu::plan::{ControlGroup, GroupSetting, Thread};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// What is there if a systemd is, which then arranges all groups.
const SYSTEMD: &str = "/run/systemd/system";
/// The group that we are in ourselves beside the guest's: a group with groups below it has no processes.
const OURS: &str = "supervisor";
/// How long systemd may take to make a scope.
const SCOPE_LIMIT: Duration = Duration::from_secs(10);
/// How long a group may hold processes that have ended.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);
/// How often to look again.
const PAUSE: Duration = Duration::from_millis(10);
/// The partitions that libvirt names as they are; it adds `.partition` to others.
///
/// libvirt: `virCgroupSetPartitionSuffix`.
const PLAIN: [&str; 3] = ["machine", "system", "user"];

/// Why a guest cannot be limited as its document says.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}{purpose}: {reason}{}",
    .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default(),
    .help.as_ref().map(|help| format!("; {help}")).unwrap_or_default()
)]
pub struct GroupError {
    /// Where the element stands that asks for it, as `FILE:LINE:COLUMN`.
    pub at: Option<String>,
    /// What asks for it, in the user's words.
    pub purpose: String,
    /// What went wrong.
    pub reason: String,
    /// What would help.
    pub help: Option<String>,
}

/// The control group of a guest.
#[derive(Debug)]
pub struct Group {
    /// Its directory.
    path: PathBuf,
    /// The directory of the group that we are in ourselves.
    ours: PathBuf,
}

/// The group below which that of a guest is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A directory that is there.
    There(PathBuf),
    /// A scope that systemd is to put this process into, and in which slice.
    Scope {
        /// The slice.
        slice: String,
    },
}

/// Why this kernel can limit no guest.
pub fn missing() -> Option<String> {
    let controllers = Path::new(MOUNT).join("cgroup.controllers");
    (!controllers.exists()).then(|| format!("there are no control groups of version 2 at {MOUNT}"))
}

/// Below which group that of a guest is to be made.
///
/// # Errors
/// There is none.
pub fn parent(planned: &ControlGroup) -> Result<Parent, GroupError> {
    match missing() {
        Some(reason) => Err(without_group(planned, reason)),
        None => find_parent(planned).map_err(|reason| without_group(planned, reason)),
    }
}

/// Waits until systemd has put this process into the scope that it was told to.
///
/// # Errors
/// It does not.
pub fn in_scope(planned: &ControlGroup, unit: &str) -> Result<PathBuf, GroupError> {
    let began = Instant::now();
    loop {
        let now = own().map_err(|error| without_group(planned, sys::reason(&error)))?;
        if now.ends_with(unit) {
            return Ok(now);
        }
        if began.elapsed() > SCOPE_LIMIT {
            let reason = format!("systemd did not make '{unit}' within {SCOPE_LIMIT:?}");
            return Err(without_group(planned, reason));
        }
        thread::sleep(PAUSE);
    }
}

/// What is said to a guest that cannot get a group.
pub fn without_group(planned: &ControlGroup, reason: String) -> GroupError {
    let first = planned.settings.first();
    GroupError {
        at: planned.at.clone(),
        purpose: first.map_or("<partition>", |setting| &setting.purpose).to_owned(),
        reason: format!("the guest cannot get a control group: {reason}"),
        help: Some(
            "start it in one that is delegated: systemd-run --scope --property Delegate=yes \
             (with --user for a user's guests) vdomain start …"
                .to_owned(),
        ),
    }
}

/// Makes the group of a guest with the limits that are for all of it; `name` is the guest's as a part of
/// the name of a unit.
///
/// # Errors
/// What is limited, and why it cannot be. Nothing is left then but groups without processes, which the
/// next start uses.
pub fn make(planned: &ControlGroup, parent: PathBuf, name: &str) -> Result<Group, GroupError> {
    let general = |reason| without_group(planned, reason);
    let said = |error: io::Error| general(sys::reason(&error));
    let mut ours = own().map_err(said)?;
    if ours == parent && parent != Path::new(MOUNT) {
        ours = parent.join(OURS);
        make_directory(&ours).map_err(said)?;
        move_all(&parent, &ours).map_err(said)?;
    }
    for setting in &planned.settings {
        let controller = controller(setting);
        enable(&parent, controller).map_err(|error| GroupError {
            at: setting.at.clone(),
            purpose: setting.purpose.clone(),
            reason: format!("control groups cannot limit '{controller}' here: {error}"),
            help: Some(
                "as root, write 'Delegate=cpu cpuset io memory' into [Service] of \
                 /etc/systemd/system/user@.service.d/delegate.conf for guests of users, and log \
                 in again"
                    .to_owned(),
            ),
        })?;
    }
    let path = parent.join(format!("qemu-{name}"));
    // One of this name that is there has no processes: a guest runs once.
    remove(&path);
    fs::create_dir(&path).map_err(|error| general(of_file(&path, &error)))?;
    let group = Group { path, ours };
    let whole = planned.settings.iter().filter(|setting| setting.thread.is_none());
    for setting in whole {
        if let Err(error) = write_setting(&group.path, setting) {
            remove(&group.path);
            return Err(refused(setting, error));
        }
    }
    Ok(group)
}

impl Group {
    /// Its directory, to be removed when the guest is gone.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts processes in it: what is started inherits the group.
    ///
    /// # Errors
    /// This process could not change its group.
    pub fn inside<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        enter(&self.path)?;
        let started = start();
        enter(&self.ours)?;
        Ok(started)
    }
}

/// Limits threads of a guest by themselves, in groups within that of the guest at `path`; `threads` says
/// the numbers of those that are there.
///
/// # Errors
/// What is limited, and why it cannot be.
pub fn limit_threads(
    path: &Path,
    planned: &ControlGroup,
    threads: impl Fn(Thread) -> Vec<i32>,
) -> Result<(), GroupError> {
    for setting in &planned.settings {
        let Some(thread) = setting.thread else { continue };
        let numbers = threads(thread);
        if !numbers.is_empty() {
            limit(path, setting, thread, &numbers).map_err(|error| refused(setting, error))?;
        }
    }
    Ok(())
}

fn limit(group: &Path, setting: &GroupSetting, thread: Thread, numbers: &[i32]) -> io::Result<()> {
    let path = group.join(match thread {
        Thread::Emulator => "emulator".to_owned(),
        Thread::Vcpu { number } => format!("vcpu{number}"),
        Thread::Iothread { number } => format!("iothread{number}"),
    });
    make_directory(&path)?;
    write(&path.join("cgroup.type"), "threaded")?;
    enable(group, controller(setting)).map_err(io::Error::other)?;
    write_setting(&path, setting)?;
    for number in numbers {
        write(&path.join("cgroup.threads"), &number.to_string())?;
    }
    Ok(())
}

/// Removes a group and those below it, once their processes have ended.
pub fn remove(path: &Path) {
    let began = Instant::now();
    while path.exists() && began.elapsed() < REMOVAL_LIMIT {
        for below in fs::read_dir(path).into_iter().flatten().flatten() {
            if below.file_type().is_ok_and(|kind| kind.is_dir()) {
                // Tried again, as the group itself is.
                let _ = fs::remove_dir(below.path());
            }
        }
        if fs::remove_dir(path).is_err() {
            thread::sleep(PAUSE);
        }
    }
}

fn find_parent(planned: &ControlGroup) -> Result<Parent, String> {
    let own = own().map_err(|error| sys::reason(&error))?;
    let partition = planned.partition.as_deref();
    if Path::new(SYSTEMD).exists() && !(partition.is_none() && sys::file::is_delegated(&own)) {
        let slice = match partition {
            Some(partition) => slice_of(partition),
            None if sys::process::is_root() => "machine.slice".to_owned(),
            None => "app.slice".to_owned(),
        };
        return Ok(Parent::Scope { slice });
    }
    let path = match partition {
        None if own == Path::new(MOUNT) => {
            let machine = own.join("machine");
            make_directory(&machine).map_err(|error| of_file(&machine, &error))?;
            descend(&machine);
            machine
        }
        None => own,
        Some(partition) => {
            let path = Path::new(MOUNT).join(directory_of(partition));
            if !path.is_dir() {
                return Err(format!("there is no '{}' for the partition", path.display()));
            }
            descend(&path);
            path
        }
    };
    Ok(Parent::There(path))
}

/// The directory of a partition without systemd.
///
/// libvirt: `virCgroupSetPartitionSuffix`.
fn directory_of(partition: &str) -> PathBuf {
    let parts = partition.split('/').filter(|part| !part.is_empty()).enumerate();
    parts
        .map(|(at, part)| match (at == 0 && PLAIN.contains(&part)) || part.contains('.') {
            true => part.to_owned(),
            false => format!("{part}.partition"),
        })
        .collect()
}

/// The slice of a partition with systemd.
///
/// libvirt: `virSystemdMakeSliceName`.
fn slice_of(partition: &str) -> String {
    let parts: Vec<&str> = partition.split('/').filter(|part| !part.is_empty()).collect();
    format!(
        "{}.slice",
        parts.iter().map(|part| sys::service::in_unit(part)).collect::<Vec<_>>().join("-")
    )
}

/// The directory of the group that this process is in.
fn own() -> io::Result<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    Ok(match path {
        Some("") | None => PathBuf::from(MOUNT),
        Some(path) => Path::new(MOUNT).join(path),
    })
}

/// Lets the groups above one pass all controllers down to it that they have.
fn descend(path: &Path) {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.retain(|group| group.starts_with(MOUNT));
    for group in above.into_iter().rev() {
        let there = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
        for controller in there.split_whitespace() {
            // What is needed is asked for again, and then must be.
            let _ = enable(group, controller);
        }
    }
}

/// Moves processes from one group into another.
fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    for process in fs::read_to_string(from.join("cgroup.procs"))?.lines() {
        match write(&to.join("cgroup.procs"), process) {
            // It has ended meanwhile.
            Err(error) if error.raw_os_error() == Some(ESRCH) => {}
            moved => moved?,
        }
    }
    Ok(())
}

/// Linux: `ESRCH`, no such process.
const ESRCH: i32 = 3;

fn enter(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.procs"), &std::process::id().to_string())
}

/// Lets groups below one use a controller.
fn enable(group: &Path, controller: &str) -> Result<(), String> {
    let file = group.join("cgroup.subtree_control");
    write(&file, &format!("+{controller}")).map_err(|error| of_file(&file, &error))
}

/// The controller of a file is the word before its first dot.
fn controller(setting: &GroupSetting) -> &str {
    setting.file.split('.').next().unwrap_or_default()
}

fn write_setting(group: &Path, setting: &GroupSetting) -> io::Result<()> {
    let device = match &setting.device {
        Some(path) => format!("{} ", device_number(path)?),
        None => String::new(),
    };
    // libvirt: `virCgroupV2SetBlkioWeight` does the same.
    let bfq = group.join(setting.file.replace("io.weight", "io.bfq.weight"));
    let file = if bfq.exists() { bfq } else { group.join(&setting.file) };
    write(&file, &format!("{device}{}", setting.value))
        .map_err(|error| io::Error::other(of_file(&file, &error)))
}

/// The number by which the kernel knows a block device, such as `8:0`.
fn device_number(path: &str) -> io::Result<String> {
    let number = fs::metadata(path)
        .map_err(|error| io::Error::other(of_file(Path::new(path), &error)))?
        .st_rdev();
    Ok(format!("{}:{}", sys::file::major(number), sys::file::minor(number)))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Files of groups take one write as one value, and are never made.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

fn of_file(file: &Path, error: &io::Error) -> String {
    format!("'{}': {}", file.display(), sys::reason(error))
}

fn refused(setting: &GroupSetting, error: io::Error) -> GroupError {
    GroupError {
        at: setting.at.clone(),
        purpose: setting.purpose.clone(),
        reason: format!("the kernel does not take '{}': {}", setting.value, sys::reason(&error)),
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_as_libvirt_names_them() {
        assert_eq!(directory_of("/machine/guests"), Path::new("machine/guests.partition"));
        assert_eq!(directory_of("/mine/a.b"), Path::new("mine.partition/a.b"));
        assert_eq!(slice_of("/machine/web-1"), "machine-web\\x2d1.slice");
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let error = device_number("/nonexistent").unwrap_err();
        assert_eq!(error.to_string(), "'/nonexistent': no such file or directory");
    }
}
