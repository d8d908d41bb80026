//! Which domain a word on the command line means, and what its documents say.

use std::fs;
use std::io;

use base::uuid::Uuid;
use base::value::Value as _;
use conf::Domain;
use store::{Definitions, Name, RunDirectory};
use supervisor::status::Status;

use crate::document::Document;
use crate::environment::Environment;
use crate::failure::Failure;

/// How a domain may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By its whole name, its UUID, or the number that `list` shows.
    Whole,
    /// By the beginning of its name too, where no other begins like that. Only for what changes
    /// nothing: a domain that is defined tomorrow must not change what a script does.
    Prefix,
}

/// The domains that there are.
#[derive(Debug)]
pub(crate) struct Domains<'a> {
    environment: &'a Environment,
    definitions: Definitions,
    /// All names, sorted.
    names: Vec<Name>,
}

impl<'a> Domains<'a> {
    /// Looks which there are, defined or running.
    pub(crate) fn read(environment: &'a Environment) -> Result<Self, Failure> {
        let definitions = Definitions::new(&environment.directories.definitions);
        let mut names = definitions.list()?;
        names.extend(RunDirectory::list(&environment.directories.run)?);
        names.sort();
        names.dedup();
        Ok(Self { environment, definitions, names })
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// The domain that `word` means. A name goes before a UUID, and that before a number.
    pub(crate) fn find(&self, word: &str, naming: Naming) -> Result<Name, Failure> {
        let exact = self.names.iter().find(|name| name.as_str() == word);
        if let Some(name) = exact.or_else(|| self.with_uuid(word)).or_else(|| self.with_id(word)) {
            return Ok(name.clone());
        }
        let begins = |name: &&Name| !word.is_empty() && name.as_str().starts_with(word);
        let alike: Vec<&Name> = self.names.iter().filter(begins).collect();
        match (naming, alike.as_slice()) {
            (Naming::Prefix, [only]) => Ok((*only).clone()),
            (Naming::Prefix, [_, _, ..]) => Err(Failure::ambiguous(word, &alike)),
            _ => Err(Failure::no_domain(word, &self.names)),
        }
    }

    fn with_uuid(&self, word: &str) -> Option<&Name> {
        let uuid = Uuid::parse(word).ok()??;
        self.names.iter().find(|name| self.uuid(name) == Some(uuid))
    }

    fn with_id(&self, word: &str) -> Option<&Name> {
        let id: u32 = word.parse().ok()?;
        self.names.iter().find(|name| {
            self.status(name).and_then(|status| status.qemu).is_some_and(|qemu| qemu.pid == id)
        })
    }

    /// A domain's UUID: of the guest that runs, else of the definition. `None` where neither can be
    /// read.
    pub(crate) fn uuid(&self, name: &Name) -> Option<Uuid> {
        match self.status(name) {
            Some(status) => Uuid::parse(&status.uuid).ok()?,
            None => {
                let path = self.definitions.path(name).display().to_string();
                let bytes = self.definitions.read(name).ok()??;
                Document::from_bytes(&path, bytes).ok()?.domain.uuid
            }
        }
    }

    /// What is written down about a guest that runs.
    fn status(&self, name: &Name) -> Option<Status> {
        Status::read(&self.environment.directories.run_of(name).ok()?)
    }
}

/// The document that a running guest was started from; `None` if it does not run.
pub(crate) fn live(name: &Name, environment: &Environment) -> Result<Option<String>, Failure> {
    let path = environment.directories.run_of(name)?.document();
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| {
            Failure::refused(format!("cannot read '{}': {}", path.display(), sys::reason(&error)))
        }),
    }
}

/// The document that a domain is started from next time.
pub(crate) fn stored(name: &Name, environment: &Environment) -> Result<Vec<u8>, Failure> {
    Definitions::new(&environment.directories.definitions)
        .read(name)?
        .ok_or_else(|| Failure::state(format!("domain '{name}' runs, but is not defined")))
}

/// What the document of a domain says: the one that it runs with, else or if `inactive` the stored
/// one.
pub(crate) fn model(
    name: &Name,
    inactive: bool,
    environment: &Environment,
) -> Result<Domain, Failure> {
    let live = if inactive { None } else { live(name, environment)? };
    let (path, bytes) = match live {
        Some(text) => (environment.directories.run_of(name)?.document(), text.into_bytes()),
        None => {
            let definitions = Definitions::new(&environment.directories.definitions);
            (definitions.path(name), stored(name, environment)?)
        }
    };
    Ok(Document::from_bytes(&path.display().to_string(), bytes)?.domain)
}
