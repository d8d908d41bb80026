//! Changing the devices of a domain: of the guest that runs, of the stored document, or of both.

pub(super) mod config;
pub(super) mod live;
mod words;

use conf::device::Disk;
use conf::{Devices, Domain};
use qemu::Change;
use store::Name;
use xml::{Problem, Source};

use crate::arguments::{
    Affected, AttachDisk, AttachInterface, ChangeMedia, Changing, DetachDisk, DetachInterface,
    DeviceFile, UpdateDevice,
};
use crate::document::Document;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

/// What is done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Attach,
    Detach,
    /// Makes it as the document says; `force`: a tray opens also if the guest has locked it.
    Update {
        force: bool,
    },
}

/// A device that a user names, and the document that it was read from.
#[derive(Debug)]
pub(super) struct Named {
    source: Source,
    devices: Devices,
}

/// A domain whose devices change.
pub(super) struct Subject<'a> {
    pub(super) name: Name,
    pub(super) environment: &'a Environment,
    pub(super) world: World,
    changing: &'a Changing,
}

pub(super) fn attach_device(
    arguments: &DeviceFile,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let device = Document::source(&arguments.file)?;
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Attach, device, "Device attached successfully", output)
}

pub(super) fn detach_device(
    arguments: &DeviceFile,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let device = Document::source(&arguments.file)?;
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Detach, device, "Device detached successfully", output)
}

pub(super) fn update_device(
    arguments: &UpdateDevice,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let DeviceFile { domain, file, changing } = &arguments.device;
    let device = Document::source(file)?;
    let subject = Subject::new(&domain.name, environment, changing)?;
    let update = Action::Update { force: arguments.force };
    subject.change(update, device, "Device updated successfully", output)
}

pub(super) fn change_media(
    arguments: &ChangeMedia,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let text = words::medium(arguments, &subject.drive(&arguments.drive)?)?;
    if arguments.print_xml {
        output.text(&text)?;
        return Ok(Exit::Done);
    }
    let done = match (arguments.eject, arguments.insert) {
        (true, _) => "Successfully ejected media.",
        (_, true) => "Successfully inserted media.",
        _ => "Successfully updated media.",
    };
    let device = Source::new("drive", text);
    subject.change(Action::Update { force: arguments.force }, device, done, output)
}

pub(super) fn attach_disk(
    arguments: &AttachDisk,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let text = words::disk(arguments);
    if arguments.print_xml {
        output.text(&text)?;
        return Ok(Exit::Done);
    }
    let device = Source::new("disk", text);
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Attach, device, "Disk attached successfully", output)
}

pub(super) fn detach_disk(
    arguments: &DetachDisk,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let device = Source::new("disk", words::target(&arguments.target));
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Detach, device, "Disk detached successfully", output)
}

pub(super) fn attach_interface(
    arguments: &AttachInterface,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let text = words::interface(arguments)?;
    if arguments.print_xml {
        output.text(&text)?;
        return Ok(Exit::Done);
    }
    let device = Source::new("interface", text);
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Attach, device, "Interface attached successfully", output)
}

pub(super) fn detach_interface(
    arguments: &DetachInterface,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let text = words::mac(&arguments.kind, arguments.mac.as_deref());
    let device = Source::new("interface", text);
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    subject.change(Action::Detach, device, "Interface detached successfully", output)
}

impl Named {
    fn read(source: Source, output: &mut Output) -> Result<Self, Failure> {
        match conf::parse_device(&source) {
            Ok((devices, problems)) => {
                output.problems(&source, &problems);
                Ok(Self { source, devices })
            }
            Err(problems) => Err(Failure::Document { source, problems }),
        }
    }

    /// Why it is not accepted.
    fn refused(&self, problems: Vec<Problem>) -> Failure {
        Failure::Document { source: self.source.clone(), problems }
    }
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        word: &str,
        environment: &'a Environment,
        changing: &'a Changing,
    ) -> Result<Self, Failure> {
        let name = super::domain(word, environment)?;
        Ok(Self { name, environment, world: World::here(environment), changing })
    }

    /// Whether the guest and the stored document are changed.
    ///
    /// virsh: `cmdAttachDevice`.
    pub(super) fn affects(&self) -> Result<(bool, bool), Failure> {
        let runs = self.environment.directories.run_of(&self.name)?.path().exists();
        let Affected { live, config, persistent, .. } = self.changing.affected;
        let said = live || config || persistent;
        let live = live || (persistent && runs) || (!said && runs);
        let config = config || persistent || (!said && !runs);
        if live && !runs {
            return Err(Failure::state(format!("domain '{}' is not running", self.name))
                .help("--config changes the stored document"));
        }
        Ok((live, config && !self.changing.print_plan))
    }

    /// The drive of this name or with this image.
    fn drive(&self, word: &str) -> Result<Disk, Failure> {
        let (live, _) = self.affects()?;
        let domain = domains::model(&self.name, !live, self.environment)?;
        let is_it = |disk: &&Disk| disk.name() == word || disk.source.path() == Some(word);
        let found = domain.devices.disks.iter().filter(|disk| disk.is_removable()).find(is_it);
        found.cloned().ok_or_else(|| {
            let drives = domain.devices.disks.iter().filter(|disk| disk.is_removable());
            let drives: Vec<&str> = drives.map(Disk::name).collect();
            let message = format!("domain '{}' has no drive '{word}'", self.name);
            match drives.as_slice() {
                [] => Failure::refused(message).help("it has no drive whose medium can change"),
                drives => Failure::refused(message).help(format!("it has {}", drives.join(", "))),
            }
        })
    }

    /// Changes the guest, the stored document, or both, without a device that is named: nothing is stored
    /// unless the guest has taken it.
    pub(super) fn edit(
        &self,
        output: &mut Output,
        live: impl Fn(&live::Live) -> Result<Change, Failure>,
        stored: impl Fn(&Domain) -> Result<Domain, Vec<Problem>>,
    ) -> Result<Exit, Failure> {
        self.edit_in_turn(output, |guest| Ok(vec![live(guest)?]), stored)
    }

    /// The same by changes of the guest that are carried out one after the other. What they are is decided
    /// anew before each of them, and the first is carried out then.
    pub(super) fn edit_in_turn(
        &self,
        output: &mut Output,
        live: impl Fn(&live::Live) -> Result<Vec<Change>, Failure>,
        stored: impl Fn(&Domain) -> Result<Domain, Vec<Problem>>,
    ) -> Result<Exit, Failure> {
        let (is_live, is_config) = self.affects()?;
        let document = match is_config {
            true => Some(config::Stored::edit(self, |domain| {
                *domain = stored(domain)?;
                Ok(())
            })?),
            false => None,
        };
        let print_plan = self.changing.print_plan;
        let mut done = 0;
        let mut is_through = !is_live;
        while !is_through {
            live::carry_out(self, None, output, |guest, _| {
                let mut changes = live(guest)?.into_iter().skip(if print_plan { done } else { 0 });
                let next = changes.next().unwrap_or_default();
                is_through = changes.next().is_none();
                Ok(next)
            })?;
            done += 1;
        }
        document.map_or(Ok(()), config::Stored::write)?;
        Ok(Exit::Done)
    }

    /// Does something with a device wherever it is to be done: nothing is stored unless the guest has
    /// taken it.
    fn change(
        &self,
        action: Action,
        device: Source,
        done: &str,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let mut device = Named::read(device, output)?;
        let (live, config) = self.affects()?;
        let stored = match config {
            true => Some(config::Stored::change(self, action, &mut device, output)?),
            false => None,
        };
        let exit = match live {
            true => live::change(self, action, &device, output)?,
            false => Exit::Done,
        };
        if let Some(stored) = stored {
            stored.write()?;
        }
        if exit == Exit::Done && !self.changing.print_plan {
            output.say(done);
        }
        Ok(exit)
    }
}
