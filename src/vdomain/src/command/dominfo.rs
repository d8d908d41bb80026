//! `dominfo`: print what there is to know about a domain.

use std::time::Duration;

use serde_json::{Map, Value};
use store::{Definitions, Name};
use supervisor::status::Status;
use sys::runtime::block_on;

use crate::arguments::Reporting;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn run(
    arguments: &Reporting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let (state, reason) = super::domstate::of(&name, environment)?;
    let domain = domains::model(&name, reason.is_none(), environment)?;
    let definitions = Definitions::new(&environment.directories.definitions);
    let id = match reason {
        Some(_) => Status::read(&environment.directories.run_of(&name)?)
            .and_then(|status| Some(status.qemu?.pid)),
        None => None,
    };
    let vcpu = domain.vcpu.as_ref();
    let vcpus = vcpu.map_or(1, |vcpu| vcpu.current.unwrap_or(vcpu.maximum));
    let memory = domain.memory.as_ref().map_or(0, |memory| memory.size.0);
    let used = domain.current_memory.map_or(memory, |current| current.0);
    // A guest that ends meanwhile had what its document says.
    let used = id.and_then(|_| balloon(&name, environment)).unwrap_or(used);
    let mut info = Info::default();
    info.add("Id", "id", id.map_or("-".into(), |id| id.to_string()), id.into());
    info.text("Name", "name", name.as_str());
    info.text("UUID", "uuid", &domain.uuid.map(|uuid| uuid.to_string()).unwrap_or_default());
    info.text("OS Type", "os_type", &domain.os.kind.kind.to_string());
    info.text("State", "state", &state);
    info.add("CPU(s)", "vcpus", vcpus.to_string(), vcpus.into());
    // A guest may end between two looks at it.
    if let Some(work) = id.and_then(|id| sys::thread::work_of_process(id).ok()) {
        let seconds = work.total().as_secs_f64();
        info.add("CPU time", "cpu_time", format!("{seconds:.1}s"), seconds.into());
    }
    info.add("Max memory", "max_memory_kib", format!("{memory} KiB"), memory.into());
    info.add("Used memory", "used_memory_kib", format!("{used} KiB"), used.into());
    info.switch("Persistent", "persistent", definitions.path(&name).exists(), ["yes", "no"]);
    let autostart = super::autostart::of(environment).is_enabled(&name);
    info.switch("Autostart", "autostart", autostart, ["enable", "disable"]);
    if arguments.json {
        output.json(&Value::Object(info.json))?;
    } else {
        output.text(&info.text)?;
    }
    Ok(Exit::Done)
}

/// How long a QEMU is waited for that is asked only for its balloon.
const BALLOON_LIMIT: Duration = Duration::from_secs(1);

/// What the balloon leaves a running guest, in KiB; `None` where nobody can tell.
fn balloon(name: &Name, environment: &Environment) -> Option<u64> {
    let guest = Guest::connect(name, environment).ok()?;
    let asked = guest.qemu.send("query-balloon", &Value::Null);
    let answer = block_on(asked.answer_within(BALLOON_LIMIT)).ok()?;
    Some(answer["actual"].as_u64()? / 1024)
}

/// Lines for people and members for programs, which say the same.
#[derive(Debug, Default)]
struct Info {
    text: String,
    json: Map<String, Value>,
}

impl Info {
    fn add(&mut self, title: &str, key: &str, text: String, value: Value) {
        // The width is virsh's.
        self.text.push_str(&format!("{:<15} {text}\n", format!("{title}:")));
        self.json.insert(key.to_owned(), value);
    }

    fn text(&mut self, title: &str, key: &str, text: &str) {
        self.add(title, key, text.to_owned(), text.into());
    }

    fn switch(&mut self, title: &str, key: &str, on: bool, [yes, no]: [&str; 2]) {
        self.add(title, key, if on { yes } else { no }.to_owned(), on.into());
    }
}
