//! Changing the devices of a stored document.

use qemu::Mode;
use qemu::change::{self, find};
use store::{Definitions, Name};
use sys::lock::Lock;

use super::{Action, Named, Subject};
use crate::document::Document;
use crate::domains;
use crate::failure::Failure;
use crate::output::Output;

/// A stored document as it will be. Nobody else changes definitions until it is written or dropped.
pub(in crate::command) struct Stored {
    name: Name,
    definitions: Definitions,
    document: String,
    _lock: Lock,
}

impl Stored {
    /// Changes the document in memory. An address that is made up for an interface is noted in
    /// `device`, so that the guest gets the same.
    pub(super) fn change(
        subject: &Subject<'_>,
        action: Action,
        device: &mut Named,
        output: &mut Output,
    ) -> Result<Self, Failure> {
        let (definitions, lock, mut document) = Self::read(subject)?;
        let mode = match action {
            Action::Attach => {
                change::add(&mut document.domain, device.devices.clone()).map_err(|kind| {
                    let message = "the stored document has one already, and there can be only one";
                    Failure::refused(format!("{kind}: {message}"))
                })?;
                Mode::Define
            }
            Action::Update { .. } => {
                let merged = change::merged(&document.domain, &device.devices);
                (document.domain, _) = merged.map_err(|problems| device.refused(problems))?;
                Mode::Reload
            }
            Action::Detach => {
                let found = find(&document.domain, &device.devices).map_err(Failure::refused)?;
                change::take(&mut document.domain, found);
                Mode::Reload
            }
        };
        let mut completed = document
            .complete(&subject.world, mode, &subject.changing.reading)
            .map_err(|failure| match failure {
                Failure::Document { problems, .. } => device.refused(problems),
                other => other,
            })?;
        completed.warnings.retain(|problem| problem.has_place());
        output.problems(&device.source, &completed.warnings);
        if action == Action::Attach {
            device.take_mac(&completed.domain);
        }
        Ok(Self {
            name: subject.name.clone(),
            definitions,
            document: conf::print(&completed.domain),
            _lock: lock,
        })
    }

    /// Changes the document in memory as `edit` does.
    pub(in crate::command) fn edit(
        subject: &Subject<'_>,
        edit: impl FnOnce(&mut conf::Domain) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let (definitions, lock, mut document) = Self::read(subject)?;
        edit(&mut document.domain)?;
        let completed =
            document.complete(&subject.world, Mode::Reload, &subject.changing.reading)?;
        let document = conf::print(&completed.domain);
        Ok(Self { name: subject.name.clone(), definitions, document, _lock: lock })
    }

    /// What is stored, without its places; nobody else changes definitions as long as there is the
    /// lock.
    fn read(subject: &Subject<'_>) -> Result<(Definitions, Lock, Document), Failure> {
        let definitions = Definitions::new(&subject.environment.directories.definitions);
        let lock = definitions.lock()?;
        let bytes = domains::stored(&subject.name, subject.environment)?;
        let path = definitions.path(&subject.name).display().to_string();
        let document = Document::from_bytes(&path, bytes)?.without_places()?;
        Ok((definitions, lock, document))
    }

    /// Stores it.
    pub(in crate::command) fn write(self) -> Result<(), Failure> {
        self.definitions.write(&self.name, &self.document)?;
        Ok(())
    }
}

impl Named {
    /// Takes over the MAC address that completion has made up.
    ///
    /// libvirt: `qemuDomainAttachDeviceLiveAndConfig`.
    fn take_mac(&mut self, completed: &conf::Domain) {
        let Some(interface) = self.devices.interfaces.first_mut() else { return };
        let is_it = |other: &&conf::device::Interface| other.origin.is_at(interface.origin);
        let found = completed.devices.interfaces.iter().find(is_it);
        if let Some(found) = found.filter(|_| interface.mac.is_none()) {
            interface.mac.clone_from(&found.mac);
        }
    }
}
