//! Work on images of disks: what QEMU's jobs have come to, and what is done about it.
//!
//! How a job has ended is written down first. Then the documents say so, QEMU forgets the job and lets
//! go of what is not used any more, and last the job is crossed out, so that whoever takes the guest
//! over in the middle can do all of it again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use qemu::Change;
use qemu::change::JobKind;
use qemu::change::block::{self, Job};
use qmp::{Client, ErrorClass};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Definitions, RunDirectory};

use super::record::{Record, edit_document};
use crate::control::Problem;
use crate::launch::Guest;

/// Work on images that was begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The work.
    pub job: Job,
    /// Where stored documents are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<PathBuf>,
    /// How it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// How work on images has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The images have changed.
    Completed,
    /// Somebody has ended it, and images are as they were.
    Cancelled,
    /// It has failed, for this reason, and images are as they were.
    Failed(String),
}

/// How the last job of a disk ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The name of QEMU's job.
    pub id: String,
    /// What kind of work it was.
    pub kind: JobKind,
    /// The disk, such as `vda`.
    pub disk: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// A disk has one job at a time, and stays as long as it has one.
pub(super) fn refuse_second(change: &Change, record: &Record) -> Result<(), Problem> {
    for Begun { job, .. } in &record.jobs {
        let title = job.kind.title();
        let goes = change.removal.as_ref().is_some_and(|removal| removal.device == job.device);
        let disks = change.job.iter().flat_map(|job| &job.images);
        if goes || disks.map(|images| &images.disk).any(|disk| *disk == job.disk) {
            let disk = &job.disk;
            return Err(Problem::Refused(format!("disk '{disk}' has a block job: {title}")));
        }
    }
    Ok(())
}

/// Whether work was begun, of which that is not known because somebody died or QEMU did not answer.
pub(super) async fn has_begun(job: &Job, guest: &Guest) -> bool {
    if job.id.is_empty() {
        // A node that nothing uses can be taken away.
        return match &job.given_up {
            Some(node) => !is_taken_away(node, &guest.client).await,
            None => false,
        };
    }
    jobs(&guest.client).await.is_none_or(|jobs| jobs.contains_key(&job.id))
}

/// Takes a node away; `false` if something uses it, or QEMU does not answer.
async fn is_taken_away(node: &str, client: &Client) -> bool {
    let arguments = json!({ "node-name": node });
    match client.execute("blockdev-del", &arguments).await {
        Ok(_) => true,
        Err(qmp::Error::Refused { class: ErrorClass::DeviceNotFound, .. }) => true,
        Err(error) => error.to_string().contains("Failed to find node"),
    }
}

/// QEMU's jobs by their names; `None` if it does not say.
async fn jobs(client: &Client) -> Option<BTreeMap<String, Value>> {
    let jobs = client.execute("query-jobs", &Value::Null).await.ok()?;
    let named = |job: &Value| Some((job["id"].as_str()?.to_owned(), job.clone()));
    Some(jobs.as_array()?.iter().filter_map(named).collect())
}

/// Looks which jobs have ended, and does what is to be done then; `false`: somebody is changing stored
/// documents, and it must be tried again.
pub(super) async fn go_on(guest: &mut Guest) -> bool {
    let run = guest.resources.run.clone();
    let Some(mut record) = Record::read(&run) else { return true };
    if record.jobs.is_empty() {
        return true;
    }
    if record.jobs.iter().any(|begun| begun.outcome.is_none()) {
        let Some(jobs) = jobs(&guest.client).await else { return true };
        for begun in record.jobs.iter_mut().filter(|begun| begun.outcome.is_none()) {
            begun.outcome = outcome(&begun.job, jobs.get(&begun.job.id), &guest.client).await;
        }
        // What is not written down is found again by asking QEMU.
        let _ = record.write(&run);
    }
    let ended: Vec<Begun> =
        record.jobs.iter().filter(|begun| begun.outcome.is_some()).cloned().collect();
    let mut all = true;
    for begun in ended {
        all &= finish(&begun, &mut record, guest).await;
    }
    all
}

/// How a job has ended; `None` if it has not.
async fn outcome(job: &Job, found: Option<&Value>, client: &Client) -> Option<Outcome> {
    let error = match found {
        Some(found) if found["status"] != "concluded" => return None,
        Some(found) => found["error"].as_str(),
        None => Some("QEMU does not know the job any more"),
    };
    let left = match &job.left {
        Some(node) if error.is_none() || found.is_none() => Some(is_taken_away(node, client).await),
        _ => None,
    };
    Some(match (left, error) {
        (Some(true), _) | (None, None) => Outcome::Completed,
        (Some(false), None) => Outcome::Cancelled,
        // QEMU: `job_update_rc` says what strerror says of ECANCELED.
        (_, Some("Operation canceled")) => Outcome::Cancelled,
        (_, Some(error)) => Outcome::Failed(error.to_owned()),
    })
}

/// Does what is to be done when a job has ended; `false`: somebody is changing stored documents.
async fn finish(begun: &Begun, record: &mut Record, guest: &Guest) -> bool {
    let (job, run) = (&begun.job, &guest.resources.run);
    let Some(outcome) = begun.outcome.clone() else { return true };
    let is_completed = outcome == Outcome::Completed;
    if is_completed {
        edit_document(run, |text| block::live_after(text, &job.images));
        if !store(begun, run) {
            return false;
        }
        job.rewired.iter().for_each(|rewired| record.inventory.rewire(rewired));
    }
    if !job.id.is_empty() {
        // As long as QEMU has the job, it keeps the nodes.
        let _ = guest.client.execute("job-dismiss", &json!({ "id": job.id })).await;
        record.ended.retain(|ended| ended.disk != job.disk);
        let (id, disk) = (job.id.clone(), job.disk.clone());
        record.ended.push(Ended { id, kind: job.kind, disk, outcome });
    }
    let gone = if is_completed { &job.unused } else { &job.given_up };
    let commands = gone.as_ref().map(|node| record.inventory.below_node(node));
    for command in commands.unwrap_or_default() {
        let told = guest.client.execute(&command.execute, &command.arguments).await;
        // A node that QEMU keeps keeps its name, too.
        if !told.is_err_and(|error| error.to_string().contains(" in use")) {
            record.inventory.remove(&[command]);
        }
    }
    if is_completed {
        job.delete.iter().for_each(|path| drop(std::fs::remove_file(path)));
    }
    record.jobs.retain(|other| other.job != *job);
    record.inventory.revision += 1;
    let _ = record.write(run);
    true
}

/// Changes the stored document; `false`: somebody else is at it.
fn store(begun: &Begun, run: &RunDirectory) -> bool {
    let Some(directory) = &begun.definitions else { return true };
    let definitions = Definitions::new(directory);
    // A document that cannot be read or written stays as it is: the guest runs with another one.
    let Ok(lock) = definitions.try_lock() else { return true };
    let Some(_lock) = lock else { return false };
    let name = run.name();
    let text = definitions.read(name).ok().flatten().and_then(|text| String::from_utf8(text).ok());
    let Job { images, kind, .. } = &begun.job;
    if let Some(document) = text.and_then(|text| block::stored_after(&text, images, *kind)) {
        let _ = definitions.write(name, &document);
    }
    true
}

/// What there is to say of jobs: those that are under way, and how the last one of each disk ended.
pub(super) async fn report(guest: &Guest) -> Value {
    let Some(record) = Record::read(&guest.resources.run) else { return json!([]) };
    let block = guest.client.execute("query-block-jobs", &Value::Null).await.unwrap_or_default();
    let block = block.as_array().cloned().unwrap_or_default();
    let mut reports = Vec::new();
    for Begun { job, .. } in record.jobs.iter().filter(|begun| !begun.job.id.is_empty()) {
        let found = block.iter().find(|found| found["device"] == job.id.as_str());
        let number = |member: &str| found.and_then(|found| found[member].as_u64()).unwrap_or(0);
        let is_ready = found.is_some_and(|found| found["ready"] == true);
        reports.push(json!({
            "id": job.id, "disk": job.disk, "kind": job.kind,
            "state": if is_ready { "ready" } else { "running" },
            "done": number("offset"), "total": number("len"), "bandwidth": number("speed"),
        }));
    }
    for Ended { id, kind, disk, outcome } in &record.ended {
        let (state, error) = match outcome {
            Outcome::Completed => ("completed", None),
            Outcome::Cancelled => ("cancelled", None),
            Outcome::Failed(error) => ("failed", Some(error)),
        };
        let mut report = json!({ "id": id, "disk": disk, "kind": kind, "state": state });
        if let Some(error) = error {
            report["error"] = error.as_str().into();
        }
        reports.push(report);
    }
    reports.into()
}

/// Has a job end: the guest goes over to the other image, or all stays as it was. The job has not
/// ended yet when this returns.
pub(super) async fn end(disk: &str, pivot: bool, guest: &Guest) -> Result<(), Problem> {
    let refused = |message: String| Err(Problem::Refused(message));
    let record = Record::read(&guest.resources.run).unwrap_or_default();
    let Some(begun) = record.jobs.iter().find(|begun| begun.job.disk == disk) else {
        return refused(format!("there is no block job on disk '{disk}'"));
    };
    let Job { id, kind, .. } = &begun.job;
    if !pivot {
        guest.client.execute("block-job-cancel", &json!({ "device": id })).await?;
        return Ok(());
    }
    if !kind.pivots() {
        let title = kind.title();
        return refused(format!("disk '{disk}': there is nothing to pivot to in a {title}"));
    }
    let block = guest.client.execute("query-block-jobs", &Value::Null).await?;
    let is_ready = |job: &Value| job["device"] == id.as_str() && job["ready"] == true;
    if !block.as_array().into_iter().flatten().any(is_ready) {
        return refused(format!("disk '{disk}' is not ready for pivot yet"));
    }
    guest.client.execute("job-complete", &json!({ "id": id })).await?;
    Ok(())
}
