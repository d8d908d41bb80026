//! Carrying out a change: what it names is opened, QEMU is told, and all of it is taken back if a step
//! fails.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::time::Duration;

use host::late::LateValues;
use host::opening::{self, Made, Place};
use host::{helper, vfio};
use qemu::Change;
use qemu::change::{Removal, Undo};
use qemu::plan::{Command, Fd, Open};
use qmp::{Client, Notice};
use serde_json::Value;
use sys::runtime;

use super::job::{self, Begun, Outcome};
use super::record::{Beginning, Record};
use super::{Order, refused};
use crate::control::Problem;
use crate::exchange::{ExchangeError, exchange};
use crate::launch::{Guest, cid, end_helper, name_sockets, threads};

/// How long a guest may take to open a tray that it has locked.
///
/// libvirt: `CHANGE_MEDIA_TIMEOUT` in `src/qemu/qemu_hotplug.c`.
const TRAY_LIMIT: Duration = Duration::from_secs(5);

/// Carries out all of a change but a removal, which is returned.
///
/// # Errors
/// Why not; then nothing has changed.
pub(super) async fn carry_out(
    order: &Order,
    guest: &mut Guest,
) -> Result<Option<Removal>, Problem> {
    let change = &order.change;
    let run = guest.resources.run.clone();
    let mut record = Record::read(&run)
        .ok_or_else(|| Problem::Refused("it is not known what its QEMU has".to_owned()))?;
    if record.inventory.revision != change.revision {
        return Err(Problem::Changed);
    }
    job::refuse_second(change, &record)?;
    if change.steps.is_empty() && change.removal.is_some() {
        return Ok(change.removal.clone());
    }
    // Whoever takes the guest over in the middle of this takes it back, unless it has begun.
    let begun = change.job.clone().map(|job| {
        let outcome = job.id.is_empty().then_some(Outcome::Completed);
        Begun { job, definitions: order.definitions.clone(), outcome }
    });
    let told: Vec<Command> = change.steps.iter().map(|step| step.command.clone()).collect();
    record.beginning = begun.clone().map(|begun| Beginning { begun, told: told.clone() });
    record.undo = change.steps.iter().rev().filter_map(|step| step.undo.clone()).collect();
    note(&record, guest)?;
    let before =
        Before { helpers: guest.resources.helpers.len(), taken: guest.resources.taken.len() };
    let made = match try_carry_out(order, guest).await {
        Ok(made) => made,
        Err((problem, done)) => {
            let undo = done.iter().rev().filter_map(|at| change.steps[*at].undo.clone());
            undo_all(undo.collect(), guest).await;
            before.restore(guest);
            record.undo.clear();
            record.beginning = None;
            note(&record, guest)?;
            return Err(problem);
        }
    };
    afterwards(change, guest).await;
    record.undo.clear();
    record.inventory.add(&told);
    record.inventory.remove(&change.afterwards);
    if let Some(medium) = &change.medium {
        record.inventory.set_drive(&medium.device, medium.node.as_deref());
    }
    record.inventory.revision += 1;
    record.beginning = None;
    record.ended.retain(|ended| begun.as_ref().is_none_or(|begun| begun.job.disk != ended.disk));
    record.jobs.extend(begun);
    let device = told.iter().rev().find_map(|command| command.arguments["id"].as_str());
    if made != Made::default() {
        record.made.insert(device.unwrap_or_default().to_owned(), made);
    }
    if let (Some(handed), Some(device)) = (&order.handed, device) {
        record.storage.insert(handed.name.clone(), device.to_owned());
    }
    note(&record, guest)?;
    sys::file::atomic_write_until_crash(&run.document(), change.document.as_bytes(), 0o600)
        .map_err(|error| Problem::Refused(sys::reason(&error)))?;
    Ok(change.removal.clone())
}

/// Takes back a change in the middle of which a supervisor died, unless work on images has begun by it.
pub(super) async fn take_back(guest: &mut Guest, mut record: Record) {
    if let Some(Beginning { begun, told }) = record.beginning.take()
        && job::has_begun(&begun.job, guest).await
    {
        record.undo.clear();
        record.inventory.add(&told);
        record.inventory.revision += 1;
        record.jobs.push(begun);
        let _ = note(&record, guest);
        return;
    }
    undo_all(std::mem::take(&mut record.undo), guest).await;
    let _ = note(&record, guest);
}

/// How much there was.
struct Before {
    helpers: usize,
    taken: usize,
}

impl Before {
    fn restore(&self, guest: &mut Guest) {
        for running in guest.resources.helpers.split_off(self.helpers).into_iter().rev() {
            guest.status.helpers.remove(&running.name);
            end_helper(running);
        }
        let taken = guest.resources.taken.split_off(self.taken);
        taken.iter().rev().for_each(vfio::give_back);
        guest.status.taken.clone_from(&guest.resources.taken);
        let _ = guest.status.write(&guest.resources.run);
    }
}

/// What was made; or why not, and which steps were done.
async fn try_carry_out(order: &Order, guest: &mut Guest) -> Result<Made, (Problem, Vec<usize>)> {
    let change = &order.change;
    let mut late = LateValues::default();
    let not_begun = |problem: Problem| (problem, Vec::new());
    start_helpers(order, guest, &mut late).map_err(not_begun)?;
    let mut opened = open(order, guest, &mut late).map_err(not_begun)?;
    let mut made = opened.made.clone();
    guest.resources.made.add(&made);
    guest.status.made.clone_from(&guest.resources.made);
    let told: Vec<Command> = change.steps.iter().map(|step| step.command.clone()).collect();
    let result = match tell(&guest.client, &told, &late, &mut opened.fds).await {
        Ok(()) => {
            place(change, guest).await.map_err(|problem| (problem, (0..told.len()).collect()))
        }
        Err(error) => Err(explained(error, &told)),
    };
    let has_begun = match (&result, &change.job) {
        // Where QEMU has not answered, it may have done it all the same.
        (Err(_), Some(job)) => job::has_begun(job, guest).await,
        _ => false,
    };
    if result.is_ok() || has_begun {
        // The guest's images are its user's.
        made.images.clear();
        return Ok(made);
    }
    if let Err(failed) = result {
        made.remove();
        guest.resources.made.forget(&made);
        guest.status.made.clone_from(&guest.resources.made);
        return Err(failed);
    }
    if let Some(cid) = cid(&change.fds, &change.helpers, &late) {
        guest.status.cid = Some(cid);
        // Without room on the disk, only the document does not say it.
        let _ = guest.status.write(&guest.resources.run);
    }
    Ok(made)
}

/// What QEMU refused, with its place, and which steps were done.
fn explained(error: ExchangeError, told: &[Command]) -> (Problem, Vec<usize>) {
    match error {
        ExchangeError::Refused { at, error, done } => {
            let Command { at, purpose, .. } = &told[at];
            let place = at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
            (Problem::Refused(format!("{place}{purpose}: {error}")), done)
        }
        ExchangeError::NoDescriptor(name) => {
            (refused(format!("the change has no descriptor '{name}'")), Vec::new())
        }
    }
}

/// Puts the threads of new processors where they are to run, and limits them.
async fn place(change: &Change, guest: &Guest) -> Result<(), Problem> {
    let limited = guest.resources.group.as_deref().zip(change.control_group.as_ref());
    let qemu = guest.qemu.process().identity().map_err(refused)?.pid;
    threads::place(&guest.client, qemu, &change.threads, limited).await.map_err(refused)
}

/// Tells QEMU everything at once; but a tray may take its time to open.
async fn tell(
    client: &Client,
    commands: &[Command],
    late: &LateValues,
    fds: &mut BTreeMap<String, OwnedFd>,
) -> Result<(), ExchangeError> {
    let tray = commands.iter().position(|command| command.execute == "blockdev-open-tray");
    let Some(tray) = tray else {
        return exchange(client, commands, late, fds).await.map(|_| ());
    };
    exchange(client, &commands[..tray], late, fds).await?;
    let opened = open_tray(client, &commands[tray]).await;
    opened.map_err(|error| ExchangeError::Refused {
        at: tray,
        error,
        done: (0..tray).collect(),
    })?;
    let rest = exchange(client, &commands[tray + 1..], late, fds).await;
    rest.map(|_| ()).map_err(|error| error.after(tray + 1))
}

/// Opens a tray. A guest that has locked it is asked, and may open it.
///
/// libvirt: `qemuHotplugWaitForTrayEject`.
async fn open_tray(client: &Client, command: &Command) -> Result<(), qmp::Error> {
    let mut events = client.subscribe(&["DEVICE_TRAY_MOVED"]);
    let Err(refused) = client.execute(&command.execute, &command.arguments).await else {
        return Ok(());
    };
    if !refused.to_string().contains("wait for tray to open") {
        return Err(refused);
    }
    let moved = async {
        while let Some(notice) = events.next().await {
            let Notice::Event(event) = notice else { return };
            if event.data.get("id") == command.arguments.get("id") {
                return;
            }
        }
    };
    runtime::within(TRAY_LIMIT, moved).await.ok_or(refused)
}

fn start_helpers(order: &Order, guest: &mut Guest, late: &mut LateValues) -> Result<(), Problem> {
    let Order { change, environment, .. } = order;
    host::secrets::fill(&change.secrets, late).map_err(refused)?;
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    for planned in &change.helpers {
        let run = &guest.resources.run;
        name_sockets(&planned.argv, run, late);
        let guests = run.path().parent().unwrap_or(run.path()).to_owned();
        let claim = opening::claim(planned, &guests, late).map_err(refused)?;
        let (socket, log) = (run.helper_socket(&planned.name), run.helper_log(&planned.name));
        let running =
            helper::start(planned, &socket, &log, &environment, late, claim).map_err(refused)?;
        if !planned.ends {
            let identity = running.child.process().identity().map_err(refused)?;
            guest.status.helpers.insert(running.name.clone(), identity.into());
            guest.resources.helpers.push(running);
            guest.status.write(&guest.resources.run).map_err(refused)?;
        }
    }
    Ok(())
}

fn open(
    order: &Order,
    guest: &mut Guest,
    late: &mut LateValues,
) -> Result<opening::Opened, Problem> {
    let change = &order.change;
    for device in &change.handovers {
        guest.resources.taken.push(vfio::take(device).map_err(refused)?);
        guest.status.taken.clone_from(&guest.resources.taken);
        guest.status.write(&guest.resources.run).map_err(refused)?;
    }
    let place = Place { monitor: guest.resources.run.monitor(), helpers: &guest.resources.helpers };
    let is_handed = |fd: &Fd| order.handed.is_some() && matches!(fd.open, Open::File { .. });
    let (handed, wanted): (Vec<Fd>, _) = change.fds.iter().cloned().partition(is_handed);
    let wanted = (change.virtual_functions.as_slice(), wanted.as_slice());
    let mut opened = opening::open_all(wanted, &place, late).map_err(refused)?;
    for (fd, handed) in handed.into_iter().zip(&order.handed) {
        opened.fds.insert(fd.name, handed.descriptor().map_err(refused)?);
    }
    Ok(opened)
}

/// What is done when all steps are done; QEMU's refusals change nothing.
async fn afterwards(change: &Change, guest: &Guest) {
    let pending: Vec<_> = change
        .afterwards
        .iter()
        .map(|command| guest.client.send(&command.execute, &command.arguments))
        .collect();
    for answer in pending {
        let _ = answer.answer().await;
    }
}

/// Takes steps back, as far as QEMU lets it.
async fn undo_all(undo: Vec<Undo>, guest: &Guest) {
    for Undo { execute, arguments } in undo {
        // What was consumed or is gone needs no taking back.
        let _: Result<Value, qmp::Error> = guest.client.execute(&execute, &arguments).await;
    }
}

fn note(record: &Record, guest: &Guest) -> Result<(), Problem> {
    record.write(&guest.resources.run).map_err(refused)
}
