//! Changing the devices of a guest that runs.

use qemu::Change;
use qemu::change::{Attaching, Updating, detach, find};
use qemu::plan::{Inventory, Options};
use supervisor::change::{Order, Record};
use supervisor::client::AskError;
use xml::{Part, Source};

use super::{Action, Named, Subject};
use crate::domains;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::sharing;

/// How often a change is decided on anew because the guest changed meanwhile.
const TRIES: usize = 10;

/// A guest that runs: what its document says, and what its QEMU has.
pub(in crate::command) struct Live {
    pub(in crate::command) domain: conf::Domain,
    pub(in crate::command) inventory: Inventory,
}

/// Decides on a change and has it carried out.
pub(super) fn change(
    subject: &Subject<'_>,
    action: Action,
    device: &Named,
    output: &mut Output,
) -> Result<Exit, Failure> {
    carry_out(subject, Some(device), output, |live, output| match action {
        Action::Attach => attaching(subject, live, device, output),
        Action::Update { force } => updating(subject, live, device, force, output),
        Action::Detach => {
            let id = find(&live.domain, &device.devices).map_err(Failure::refused)?;
            let origin = device.devices.iter().next().map(|(_, device)| device.origin());
            detach(&live.domain, id, &live.inventory, origin.unwrap_or_default())
                .map_err(|problems| device.refused(problems))
        }
    })
}

/// Has a change carried out that `decide` decides on, again if the guest changes meanwhile.
pub(in crate::command) fn carry_out(
    subject: &Subject<'_>,
    device: Option<&Named>,
    output: &mut Output,
    mut decide: impl FnMut(&Live, &mut Output) -> Result<Change, Failure>,
) -> Result<Exit, Failure> {
    let name = &subject.name;
    let run = subject.environment.directories.run_of(name)?;
    let asked = |error| super::super::refused(name, error);
    for _ in 0..TRIES {
        // A supervisor that takes over completes what the one before it had begun.
        let mut client = super::super::connect(&run).map_err(asked)?;
        let live = read(subject)?;
        let mut change = decide(&live, output)?;
        if let Some(Named { source, .. }) = device {
            let places = source.places();
            change.locate(|origin| {
                let found = places.find(origin, &Part::Name)?;
                Some(report::place(source, &found))
            });
        }
        if subject.changing.print_plan {
            print(&change, subject.changing.json, output)?;
            return Ok(Exit::Done);
        }
        for note in &change.notes {
            output.say(note);
        }
        let what = change.removal.as_ref().map(|removal| removal.purpose.clone());
        let environment = super::super::start::for_helpers(subject.environment).collect();
        let definitions = Some(subject.environment.directories.definitions.clone());
        match client.change(&Order { change, environment, definitions, handed: None }) {
            Ok(true) => return Ok(Exit::Done),
            Ok(false) => {
                let what = what.unwrap_or_default();
                return Err(Failure::Other {
                    exit: Exit::TimedOut,
                    message: format!("the guest has not let go of {what} yet"),
                    help: Some(
                        "it goes as soon as the guest has, or when it is reset: `vdomain reset`"
                            .to_owned(),
                    ),
                });
            }
            Err(AskError::Changed) => {}
            Err(error) => {
                let disks =
                    device.map(|device| device.devices.disks.as_slice()).unwrap_or_default();
                let environment = subject.environment;
                return Err(sharing::name_the_other(asked(error), name, disks, environment));
            }
        }
    }
    Err(Failure::refused(format!("domain '{name}' changes all the time")))
}

fn attaching(
    subject: &Subject<'_>,
    live: &Live,
    device: &Named,
    output: &mut Output,
) -> Result<Change, Failure> {
    let world = &subject.world;
    let capabilities = world.capabilities(&live.domain)?;
    let refused = |problems| device.refused(problems);
    let attaching = Attaching::new(&live.domain, &device.devices, &capabilities, &world.host)
        .map_err(refused)?;
    output.problems(&device.source, &attaching.problems);
    for made in &attaching.made {
        output.say(format_args!("made {made}"));
    }
    let answers = world.look(|answers| attaching.questions(&world.host, answers));
    let options = Options { paused: false, strict: subject.changing.reading.strict };
    attaching
        .change(&live.inventory, &capabilities, &world.host, &answers, &options)
        .map_err(refused)
}

fn updating(
    subject: &Subject<'_>,
    live: &Live,
    device: &Named,
    force: bool,
    output: &mut Output,
) -> Result<Change, Failure> {
    let world = &subject.world;
    let capabilities = world.capabilities(&live.domain)?;
    let refused = |problems| device.refused(problems);
    let updating = Updating::new(&live.domain, &device.devices, &capabilities, &world.host)
        .map_err(refused)?;
    output.problems(&device.source, &updating.problems);
    let answers = world.look(|answers| updating.questions(&world.host, answers));
    let options = Options { paused: false, strict: subject.changing.reading.strict };
    let world = (&world.host, &answers, &options);
    updating.change(&live.inventory, &capabilities, world, force).map_err(refused)
}

/// What a guest is at the moment.
fn read(subject: &Subject<'_>) -> Result<Live, Failure> {
    let name = &subject.name;
    let run = subject.environment.directories.run_of(name)?;
    let unknown = || Failure::refused(format!("it is not known what domain '{name}' has"));
    let record = Record::read(&run).ok_or_else(unknown)?;
    let text = domains::live(name, subject.environment)?.ok_or_else(unknown)?;
    let source = Source::new(run.document().display().to_string(), text).without_places();
    let (domain, _) =
        conf::parse_live(&source).map_err(|problems| Failure::Document { source, problems })?;
    Ok(Live { domain, inventory: record.inventory })
}

fn print(change: &Change, json: bool, output: &mut Output) -> Result<(), Failure> {
    if !json {
        return output.text(&change.to_string());
    }
    let json = serde_json::to_value(change)
        .map_err(|error| Failure::refused(format!("the change cannot be written: {error}")))?;
    output.json(&json)
}
