//! Taking over a guest whose supervisor was killed: QEMU is asked for its state again, the processes
//! are found by what was written down.
//!
//! What QEMU has stays, descriptor sets among it: QEMU 7.2 closes sets when its last client goes, but
//! only those of which nothing is open, and such a one nobody misses.

use std::path::Path;
use std::time::Duration;

use host::helper;
use qmp::{Client, Events};
use serde_json::Value;
use store::RunDirectory;
use sys::process::Child;
use sys::runtime;

use crate::control::Control;
use crate::launch::{Guest, LaunchError, Resources};
use crate::registration::Registration;
use crate::state::{GuestState, Reason, from_run_state};
use crate::status::Status;

/// How long QEMU may take to greet: it runs, so this is short.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// How long a QEMU that does not answer may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Takes a guest over. `None` if it has ended meanwhile; then nothing of it is left.
///
/// # Errors
/// QEMU runs, and cannot be talked to. The guest goes on.
pub async fn adopt(run: RunDirectory) -> Result<Option<Guest>, LaunchError> {
    let status = Status::read(&run);
    if status.as_ref().is_none_or(|status| !status.is_ready) {
        end_strays(&run);
    }
    let Some(status) = status else {
        run.remove()?;
        return Ok(None);
    };
    let mut resources = Resources::found(run, &status);
    // A guest that was not ready was never said to run, and may lack half of its devices.
    if !status.is_ready || resources.qemu.is_none() {
        resources.clear();
        return Ok(None);
    }
    let (client, events, state) = match ask(&resources.run.monitor()).await {
        Ok(asked) => asked,
        Err(error) => {
            // A QEMU that is just ending does not answer any more.
            if let Some(qemu) = &resources.qemu
                && runtime::within(END_LIMIT, runtime::exited(qemu.process())).await.is_some()
            {
                resources.clear();
                return Ok(None);
            }
            return Err(error.into());
        }
    };
    let control = Control::listen(&resources.run)?;
    let qemu = resources.qemu.take().expect("it was found above");
    // What was registered with machined stays so as long as QEMU lives.
    let guest = Guest {
        qemu,
        resources,
        client,
        events,
        control,
        status,
        state,
        adopted: true,
        registration: Registration::default(),
    };
    if let Some(units) = guest.status.units.clone() {
        let run = guest.resources.run.clone();
        // What has a control group is where it belongs.
        let processes = guest.resources.group.is_none().then(|| guest.processes());
        guest.registration.keep(units, run, processes.unwrap_or_default());
    }
    Ok(Some(guest))
}

/// Ends what a supervisor had started that was killed before it could write that down.
fn end_strays(run: &RunDirectory) {
    for stray in sys::process::writing_below(run.path()).unwrap_or_default() {
        helper::end_now(&mut Child::found(stray));
    }
}

/// Talks to QEMU and asks it for its state.
pub(crate) async fn ask(
    monitor: &Path,
) -> Result<(Client, Events, (GuestState, Reason)), qmp::Error> {
    let (client, events) = Client::connect(monitor, GREETING_LIMIT).await?;
    let answer = client.execute("query-status", &Value::Null).await?;
    Ok((client, events, from_run_state(answer["status"].as_str().unwrap_or_default())))
}
