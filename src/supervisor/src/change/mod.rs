//! Changing a guest that runs: a [`Change`] is carried out as a whole, or taken back as a whole.
//!
//! What is added is there when the answer comes. What is taken away is asked of the guest: until it
//! has let go, the removal is written down and shown, and whoever supervises the guest then completes
//! it.

mod carry_out;
mod job;
mod record;
mod removal;
mod storage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use qemu::Change;
use qemu::change::{Removal, memory};
use qmp::Event;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{Answer, Asked, Errno, Problem, Request};
use crate::launch::Guest;

pub use job::{Begun, Ended, Outcome};
pub use record::{Beginning, Record};
pub use storage::{Handed, Image};

/// How long to wait until stored documents are tried again that somebody else is changing.
const PAUSE: Duration = Duration::from_millis(20);

/// A change, and what helper processes that it starts are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The change.
    pub change: Change,
    /// The environment of helper processes.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where the stored documents are in which images change with those of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<PathBuf>,
    /// What is not opened, because others have.
    #[serde(skip)]
    pub handed: Option<Handed>,
}

impl Order {
    /// A change with an image that somebody has opened.
    fn handed(change: Change, handed: Handed) -> Self {
        Self { change, handed: Some(handed), ..Self::default() }
    }
}

/// The changes of a guest that are under way.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    removals: Vec<Waiting>,
    /// When what is to be done about jobs that have ended is tried again.
    again: Option<Instant>,
    /// Who waits for that.
    asked: Vec<Asked>,
}

/// A device that the guest was asked to let go of.
#[derive(Debug)]
struct Waiting {
    removal: Removal,
    /// Who waits for it, each until then.
    asked: Vec<(Asked, Instant)>,
}

impl Waiting {
    /// Takes away what was behind the device, which is gone, and tells all who wait.
    async fn complete(self, guest: &mut Guest) {
        removal::complete(&self.removal, guest).await;
        self.answer(&Ok(()));
    }

    /// Tells all who wait what has come of it.
    fn answer(self, outcome: &Result<(), Problem>) {
        for (asked, _) in self.asked {
            let done = outcome.clone().map(|()| Answer::Done(json!({ "done": true })));
            asked.answer(done);
        }
    }
}

impl Changes {
    /// Goes on with what an earlier supervisor of the guest had begun.
    pub(crate) async fn resume(guest: &mut Guest) -> Self {
        let mut changes = Self::default();
        let Some(record) = Record::read(&guest.resources.run) else { return changes };
        if !record.undo.is_empty() {
            carry_out::take_back(guest, record.clone()).await;
        }
        let waiting = record.removals.into_iter();
        changes.removals = waiting.map(|removal| Waiting { removal, asked: Vec::new() }).collect();
        changes.look(guest).await;
        changes
    }

    /// Does what is asked about devices.
    pub(crate) async fn serve(&mut self, asked: Asked, guest: &mut Guest) {
        match &asked.request {
            Request::Change(order) => {
                let order = order.clone();
                self.carry_out(&order, asked, guest).await;
            }
            Request::BlockJobs => {
                let jobs = job::report(guest).await;
                asked.answer(Ok(Answer::Done(json!({ "jobs": jobs }))));
            }
            Request::EndBlockJob { disk, pivot } => {
                let ended = job::end(disk, *pivot, guest).await;
                asked.answer(ended.map(|()| Answer::done()));
            }
            Request::AddStorage { name, model, image } => {
                let order = storage::add(name, *model, image, guest).await;
                let done = self.done(order, guest).await;
                asked.answer(storage::noted(done, guest));
            }
            Request::ReplaceStorage { name, image } => {
                let order = storage::replace(name, image, guest);
                let done = self.done(order, guest).await;
                asked.answer(storage::noted(done, guest));
            }
            Request::RemoveStorage { name } => {
                let order = storage::remove(name, guest);
                let done = self.done(order, guest).await;
                asked.answer(storage::noted(done, guest));
            }
            _ => asked.answer(Err(Problem::Gone)),
        }
    }

    /// Does what is to be done about jobs that have ended.
    pub(crate) async fn go_on(&mut self, guest: &mut Guest) {
        self.again = None;
        if !job::go_on(guest).await {
            self.again = Some(Instant::now() + PAUSE);
            return;
        }
        for asked in self.asked.drain(..) {
            asked.answer(Ok(Answer::Done(json!({ "done": true }))));
        }
    }

    /// Whether it is time to try that again.
    pub(crate) fn is_due(&self) -> bool {
        self.again.is_some_and(|again| again <= Instant::now())
    }

    /// Carries out a change. Whoever asked is answered now, or when the guest has let go of a device.
    async fn carry_out(&mut self, order: &Order, asked: Asked, guest: &mut Guest) {
        let removal = match carry_out::carry_out(order, guest).await {
            Ok(Some(removal)) => removal,
            Ok(None) if order.change.job.is_some() => {
                self.asked.push(asked);
                return self.go_on(guest).await;
            }
            Ok(None) => return asked.answer(Ok(Answer::Done(json!({ "done": true })))),
            Err(problem) => return asked.answer(Err(problem)),
        };
        let mut waiting = self.waiting_for(removal);
        match removal::ask(&waiting.removal, guest).await {
            Ok(removal::Asking::Gone) => {
                waiting.asked.push((asked, Instant::now()));
                waiting.complete(guest).await;
            }
            Ok(removal::Asking::Asked | removal::Asking::AskedBefore) => {
                waiting.asked.push((asked, Instant::now() + removal::LIMIT));
                self.removals.push(waiting);
                self.note(guest);
            }
            Err(problem) => {
                self.note(guest);
                waiting.asked.push((asked, Instant::now()));
                waiting.answer(&Err(problem));
            }
        }
    }

    /// Who waits for the guest to let go of a device, if it was asked before.
    fn waiting_for(&mut self, removal: Removal) -> Waiting {
        let is_it = |waiting: &Waiting| waiting.removal.device == removal.device;
        let before = self.removals.iter().position(is_it).map(|at| self.removals.remove(at));
        Waiting { asked: before.map_or_else(Vec::new, |before| before.asked), removal }
    }

    /// Carries out a change, and has the guest asked to let go of a device that goes, without waiting
    /// until it has.
    async fn done(
        &mut self,
        order: Result<Order, Problem>,
        guest: &mut Guest,
    ) -> Result<Answer, Problem> {
        let Some(removal) = carry_out::carry_out(&order?, guest).await? else {
            return Ok(Answer::done());
        };
        match removal::ask(&removal, guest).await? {
            removal::Asking::Gone => removal::complete(&removal, guest).await,
            removal::Asking::AskedBefore => return Err(Problem::System(Errno::BUSY)),
            removal::Asking::Asked => {
                let waiting = self.waiting_for(removal);
                self.removals.push(waiting);
                self.note(guest);
            }
        }
        Ok(Answer::done())
    }

    /// Whether an event may say something about them.
    pub(crate) fn concern(event: &Event) -> bool {
        matches!(
            event.name.as_str(),
            "DEVICE_DELETED"
                | "DEVICE_UNPLUG_GUEST_ERROR"
                | "MEM_UNPLUG_ERROR"
                | "ACPI_DEVICE_OST"
                | "JOB_STATUS_CHANGE"
                | "BALLOON_CHANGE"
        )
    }

    /// What an event says about them.
    pub(crate) async fn take_in(&mut self, event: &Event, guest: &mut Guest) {
        if event.name == "JOB_STATUS_CHANGE" {
            if event.data.get("status").is_some_and(|status| status == "concluded") {
                self.go_on(guest).await;
            }
            return;
        }
        if let Some(bytes) = event.data.get("actual").and_then(|actual| actual.as_u64()) {
            return ballooned(bytes, guest);
        }
        let status = event.data.get("info");
        if status.is_some_and(removal::is_done) {
            return self.look(guest).await;
        }
        let device = status.map_or(event.data.get("device"), |status| status.get("device"));
        let device = device.and_then(|device| device.as_str());
        let Some(device) = device else { return };
        let Some(at) = self.removals.iter().position(|it| it.removal.device == device) else {
            return;
        };
        match event.name.as_str() {
            "DEVICE_DELETED" => {
                self.removals.remove(at).complete(guest).await;
            }
            "ACPI_DEVICE_OST" if !status.is_some_and(removal::is_refusal) => {}
            "DEVICE_UNPLUG_GUEST_ERROR" | "MEM_UNPLUG_ERROR" | "ACPI_DEVICE_OST" => {
                let waiting = self.removals.remove(at);
                self.note(guest);
                let what = &waiting.removal.purpose;
                let reason = format!("the guest refuses to let go of {what}");
                waiting.answer(&Err(Problem::Refused(reason)));
            }
            _ => {}
        }
    }

    /// When somebody has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let waiting = self.removals.iter().flat_map(|it| &it.asked).map(|(_, until)| *until);
        waiting.chain(self.again).min()
    }

    /// Tells those who have waited long enough that the guest has not answered.
    pub(crate) fn give_up(&mut self) {
        let now = Instant::now();
        for waiting in &mut self.removals {
            for (asked, _) in waiting.asked.extract_if(.., |(_, until)| *until <= now) {
                asked.answer(Ok(Answer::Done(json!({ "done": false }))));
            }
        }
    }

    /// Looks which devices are gone, where events were lost.
    pub(crate) async fn look(&mut self, guest: &mut Guest) {
        self.go_on(guest).await;
        if self.removals.is_empty() {
            return;
        }
        let Some(there) = removal::devices(&guest.client).await else { return };
        let (there, gone): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut self.removals)
            .into_iter()
            .partition(|waiting| there.contains(&waiting.removal.device));
        self.removals = there;
        for waiting in gone {
            waiting.complete(guest).await;
        }
    }

    /// The devices that the guest was asked to let go of, and has not yet.
    pub(crate) fn removals(&self) -> impl Iterator<Item = &str> {
        self.removals.iter().map(|waiting| waiting.removal.device.as_str())
    }

    /// Those who still wait when the guest ends.
    pub(crate) fn into_asked(self) -> impl Iterator<Item = Asked> {
        let waiting = self.removals.into_iter().flat_map(|waiting| waiting.asked);
        waiting.map(|(asked, _)| asked).chain(self.asked)
    }

    /// Writes down which devices the guest has not let go of.
    fn note(&self, guest: &Guest) {
        if let Some(mut record) = Record::read(&guest.resources.run) {
            record.removals = self.removals.iter().map(|it| it.removal.clone()).collect();
            // What is not written down is found again by asking QEMU.
            let _ = record.write(&guest.resources.run);
        }
    }
}

/// Notes in the live document how much memory the balloon leaves the guest.
fn ballooned(bytes: u64, guest: &Guest) {
    record::edit_document(&guest.resources.run, |text| memory::ballooned(text, bytes));
}

/// Whether something is asked about devices.
pub(crate) fn concerns(request: &Request) -> bool {
    matches!(
        request,
        Request::Change(_)
            | Request::BlockJobs
            | Request::EndBlockJob { .. }
            | Request::AddStorage { .. }
            | Request::RemoveStorage { .. }
            | Request::ReplaceStorage { .. }
    )
}

fn refused(error: impl std::fmt::Display) -> Problem {
    Problem::Refused(error.to_string())
}
