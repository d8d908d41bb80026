//! Disks whose images another program has opened and handed over, under names of its own.
//!
//! What is done to add one is decided by this program, run as `attach-device --print-plan`: that takes what
//! a QEMU can do and what the host is like, of which a supervisor knows nothing and keeps nothing.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use conf::Domain;
use host::helper;
use qemu::Change;
use qemu::alias::Aliases;
use qemu::change::storage::{self, Model, Opened};
use sys::fd::Access;
use sys::process::{Child, Program};
use sys::runtime::{self, Descriptor};
use xml::Source;

use super::record::Record;
use super::{Order, refused};
use crate::control::{Errno, Problem, StorageError};
use crate::launch::Guest;

/// The number under which the program that decides has the image.
const IMAGE_FD: i32 = 3;

/// What the log of the program that decides is called.
const LOG: &str = "storage";

/// An image that somebody has opened.
#[derive(Clone, Debug)]
pub struct Image {
    descriptor: Arc<OwnedFd>,
    opened: Opened,
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.descriptor, &other.descriptor)
    }
}

/// What a change is given that was opened by others.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// What the disk is called by whoever has handed it over.
    pub(super) name: String,
    /// Its image.
    image: Image,
}

impl Handed {
    /// The image, for QEMU.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.image.descriptor.try_clone()
    }
}

impl Image {
    /// A file or block device that somebody has opened.
    ///
    /// systemd: `vl_method_add_storage` in `src/vmspawn/vmspawn-varlink.c`.
    ///
    /// # Errors
    /// It cannot be an image.
    pub(crate) fn of(descriptor: OwnedFd) -> Result<Self, Problem> {
        let file = File::from(descriptor);
        let kind = file.metadata().map_err(refused)?.file_type();
        if kind.is_dir() {
            return Err(Problem::System(Errno::IS_DIRECTORY));
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Problem::System(Errno::BAD_FILE));
        }
        let descriptor = OwnedFd::from(file);
        let access = sys::fd::access(&descriptor).map_err(refused)?;
        let access = access.ok_or(Problem::System(Errno::BAD_DESCRIPTOR))?;
        let direct = sys::fd::is_direct(&descriptor).map_err(refused)?;
        let path = own_path(&descriptor);
        let name = fs::read_link(&path).map_err(refused)?;
        let opened = Opened {
            path: name.to_string_lossy().into_owned(),
            block: kind.is_block_device(),
            readonly: access == Access::ReadOnly,
            direct,
        };
        // QEMU's locks do not keep those from an image who share one opening of it. A file that may not be
        // opened again is taken as it came.
        let again = sys::fd::open_file(path.as_ref(), access, direct);
        Ok(Self { descriptor: Arc::new(again.unwrap_or(descriptor)), opened })
    }

    /// The same for reading only. QEMU takes no descriptor that can do more than it asks for.
    fn only_read(self) -> Result<Self, Problem> {
        if self.opened.readonly {
            return Ok(self);
        }
        let path = own_path(&self.descriptor);
        let again = sys::fd::open_file(path.as_ref(), Access::ReadOnly, self.opened.direct);
        let opened = Opened { readonly: true, ..self.opened };
        Ok(Self { descriptor: Arc::new(again.map_err(refused)?), opened })
    }
}

/// The path by which this process opens again what one of its descriptors is open on.
fn own_path(descriptor: impl AsFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd())
}

/// What is to be done to add a disk.
pub(super) async fn add(
    name: &str,
    model: Model,
    image: &Image,
    guest: &Guest,
) -> Result<Order, Problem> {
    let (record, live) = read(guest)?;
    if find(name, &record, &live).is_ok() || has(name, &live) {
        return Err(StorageError::StorageExists.into());
    }
    let image = match model {
        Model::ScsiCd => image.clone().only_read()?,
        Model::VirtioBlk | Model::VirtioScsi => image.clone(),
    };
    let path = format!("/proc/self/fd/{IMAGE_FD}");
    let (document, target) = storage::document(&live, &image.opened, model, &path);
    let mut change = decide(&document, &image, guest).await?;
    let placed = storage::placed(&change.document, &target, &image.opened);
    (change.document, _) = placed.ok_or_else(|| refused("there is no place for it"))?;
    Ok(Order::handed(change, Handed { name: name.to_owned(), image }))
}

/// What is to be done to have the guest let go of a disk.
pub(super) fn remove(name: &str, guest: &Guest) -> Result<Order, Problem> {
    let (record, live) = read(guest)?;
    let device = find(name, &record, &live)?;
    let id = Aliases::assign(&live).find(device).ok_or(StorageError::NoSuchStorage)?;
    let change = qemu::change::detach(&live, id, &record.inventory, xml::Origin::None);
    let first = |problems: Vec<xml::Problem>| match problems.into_iter().next() {
        Some(problem) => refused(problem.message),
        None => Problem::System(Errno::IO),
    };
    Ok(Order { change: change.map_err(first)?, ..Order::default() })
}

/// What is to be done to put another image behind a disk.
pub(super) fn replace(name: &str, image: &Image, guest: &Guest) -> Result<Order, Problem> {
    let (record, live) = read(guest)?;
    let device = find(name, &record, &live)?;
    let busy = Problem::System(Errno::BUSY);
    if record.removals.iter().any(|removal| removal.device == device) {
        return Err(busy);
    }
    let at = Aliases::assign(&live).find(device).ok_or(StorageError::NoSuchStorage)?;
    let is_read = live.devices.disks.get(at.pos).is_some_and(|disk| disk.readonly);
    let image = match (is_read, image.opened.readonly) {
        (false, true) => return Err(Problem::System(Errno::READ_ONLY)),
        (true, _) => image.clone().only_read()?,
        (false, false) => image.clone(),
    };
    let change = storage::replace(&live, &record.inventory, device, &image.opened).ok_or(busy)?;
    Ok(Order::handed(change, Handed { name: name.to_owned(), image }))
}

/// Writes down why something was refused, which systemd's interface has no words for.
pub(super) fn noted<T>(done: Result<T, Problem>, guest: &Guest) -> Result<T, Problem> {
    if let Err(Problem::Refused(reason)) = &done {
        // Without room on the disk, it is refused all the same.
        let _ = fs::write(guest.resources.run.helper_log(LOG), format!("{reason}\n"));
    }
    done
}

/// Whether the guest has a disk of this name that did not come this way.
fn has(name: &str, live: &Domain) -> bool {
    live.devices.disk(name).is_some() || Aliases::assign(live).find(name).is_some()
}

/// How QEMU calls a disk.
fn find<'a>(name: &str, record: &'a Record, live: &Domain) -> Result<&'a str, StorageError> {
    match record.storage.get(name) {
        Some(device) => Ok(device),
        None if has(name, live) => Err(StorageError::StorageImmutable),
        None => Err(StorageError::NoSuchStorage),
    }
}

/// What a guest has, and its document.
fn read(guest: &Guest) -> Result<(Record, Domain), Problem> {
    let run = &guest.resources.run;
    let unknown = || refused("it is not known what its QEMU has");
    let record = Record::read(run).ok_or_else(unknown)?;
    let text = fs::read_to_string(run.document()).map_err(refused)?;
    let source = Source::new("live document", text).without_places();
    let (live, _) = conf::parse_live(&source).map_err(|_| unknown())?;
    Ok((record, live))
}

/// A process that ends when nobody waits for it any more.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        helper::end_now(&mut self.0);
    }
}

/// Has this program decide on a change that adds a device.
async fn decide(document: &str, image: &Image, guest: &Guest) -> Result<Change, Problem> {
    let run = &guest.resources.run;
    let (said, says) = io::pipe().map_err(refused)?;
    let document = sys::fd::memfd_of("disk", document.as_bytes()).map_err(refused)?;
    // A user's guest may be handed a file that the user may not open, and nothing of it is looked at.
    let image = match image.opened.block {
        true => image.descriptor.try_clone(),
        false => sys::fd::memfd("image"),
    };
    let image = image.map_err(refused)?;
    let log = File::create(run.helper_log(LOG)).map_err(refused)?;
    let words = ["vdomain", "attach-device", "--live", "--print-plan", "--json", "--"];
    let arguments = [run.name().as_str(), "/proc/self/fd/0"];
    let variables = guest.status.variables.iter();
    let program = Program {
        argv: words.iter().chain(&arguments).map(Into::into).collect(),
        executable: Some("/proc/self/exe".into()),
        environment: variables.map(|(name, value)| (name.into(), value.into())).collect(),
        directory: Some("/".into()),
        descriptors: vec![(document, 0), (says.into(), 1), (log.into(), 2), (image, IMAGE_FD)],
        own_session: true,
        ..Program::default()
    };
    let child = Ending(program.spawn().map_err(refused)?);
    let said = Descriptor::new(said.into()).map_err(refused)?;
    let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match said.read(&mut bytes).await.map_err(refused)? {
            0 => break,
            count => text.extend_from_slice(&bytes[..count]),
        }
    }
    runtime::exited(child.0.process()).await.map_err(refused)?;
    serde_json::from_slice(&text).map_err(|_| {
        refused(fs::read_to_string(run.helper_log(LOG)).unwrap_or_default().trim_end())
    })
}
