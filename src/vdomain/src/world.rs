//! The machine that documents are completed and planned for: this one, or one from files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use conf::Domain;
use qemu::{Answers, Capabilities, CompleteDomain, Host, Question};

use crate::arguments::Elsewhere;
use crate::environment::Environment;
use crate::failure::Failure;

/// The machine that documents are completed and planned for.
#[derive(Debug)]
pub(crate) struct World {
    /// What it is like.
    pub(crate) host: Host,
    /// What its QEMU can do, if a recording says so.
    recorded: Option<Capabilities>,
    /// What the QEMUs that were asked for can do, by their paths.
    known: RefCell<BTreeMap<String, Rc<Capabilities>>>,
    /// Where what a QEMU can do is kept.
    cache: std::path::PathBuf,
    /// Whether it is this one, so that things can be looked at.
    here: bool,
}

impl World {
    /// This machine.
    pub(crate) fn here(environment: &Environment) -> Self {
        Self {
            host: host::facts(&environment.given()),
            recorded: None,
            known: RefCell::default(),
            cache: environment.directories.cache.clone(),
            here: true,
        }
    }

    /// The machine that files describe, as far as they do.
    pub(crate) fn elsewhere(
        environment: &Environment,
        elsewhere: &Elsewhere,
    ) -> Result<Self, Failure> {
        let mut world = match &elsewhere.host {
            None => Self::here(environment),
            Some(path) => Self {
                host: serde_json::from_str(&read(path)?).map_err(|error| {
                    Failure::refused(format!(
                        "'{}' does not describe a host: {error}",
                        path.display()
                    ))
                })?,
                recorded: None,
                known: RefCell::default(),
                cache: environment.directories.cache.clone(),
                here: false,
            },
        };
        if let Some(path) = &elsewhere.capabilities {
            world.recorded = Some(recorded(path)?);
        }
        Ok(world)
    }

    /// What the QEMU of a domain can do.
    pub(crate) fn capabilities(&self, domain: &Domain) -> Result<Rc<Capabilities>, Failure> {
        let arch = domain.os.kind.architecture.map_or_else(
            || self.host.architecture.clone(),
            |architecture| architecture.to_string(),
        );
        let emulator = match &domain.devices.emulator {
            Some(emulator) => emulator,
            None => self.host.emulators.get(&arch).ok_or_else(|| {
                Failure::refused(format!("there is no QEMU for {arch} guests"))
                    .help(format!("install qemu-system-{arch}, or name one in <emulator>"))
            })?,
        };
        if let Some(known) = self.known.borrow().get(emulator) {
            return Ok(Rc::clone(known));
        }
        let found = match &self.recorded {
            Some(recorded) => Capabilities { binary: emulator.clone(), ..recorded.clone() },
            None => host::capabilities::of(Path::new(emulator), &self.cache)
                .map_err(Failure::refused)?,
        };
        let found = Rc::new(found);
        self.known.borrow_mut().insert(emulator.clone(), Rc::clone(&found));
        Ok(found)
    }

    /// Looks at everything that planning a domain asks about, unless it is for another machine.
    pub(crate) fn answers(&self, domain: &CompleteDomain) -> Answers {
        self.look(|answers| qemu::plan::questions(domain, &self.host, answers))
    }

    /// Looks at everything that is asked about, until nothing new is.
    pub(crate) fn look(&self, questions: impl Fn(&Answers) -> Vec<Question>) -> Answers {
        let mut answers = Answers::default();
        if !self.here {
            return answers;
        }
        loop {
            let open: Vec<Question> = questions(&answers)
                .into_iter()
                .filter(|question| answers.get(question).is_none())
                .collect();
            if open.is_empty() {
                return answers;
            }
            for question in open {
                let answer = host::look(&question);
                answers.insert(question, answer);
            }
        }
    }
}

/// What a QEMU can do, from a recorded conversation with it, which does not say where it lies.
pub(crate) fn recorded(path: &Path) -> Result<Capabilities, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::refused(format!("'{}' is no conversation with QEMU: {error}", path.display()))
    };
    let recording =
        qmp::replies::Recording::parse(&read(path)?).map_err(|error| refused(&error))?;
    Capabilities::from_recording("", &recording).map_err(|error| refused(&error))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::refused(format!("cannot read '{}': {}", path.display(), sys::reason(&error)))
    })
}
