//! What happens to a guest, in libvirt's words.
//!
//! QEMU's events are made into libvirt's: `virsh event` has these names, and says this of each.
//!
//! libvirt: `virshDomainEventCallbacks` in `tools/virsh-domain-event.c` has the names and texts,
//! `src/qemu/qemu_process.c` what each event of QEMU becomes.

use conf::Domain;
use conf::device::{DeviceKind, Disk};
use qemu::plan::Inventory;
use qmp::Event;
use serde_json::Value;

use crate::agent;
use crate::disks::{self, name_of};

/// All names of libvirt's that something of QEMU's becomes.
pub const NAMES: &[&str] = &[
    "lifecycle",
    "reboot",
    "rtc-change",
    "watchdog",
    "io-error",
    "graphics",
    "io-error-reason",
    "block-job",
    "tray-change",
    "pm-wakeup",
    "pm-suspend",
    "balloon-change",
    "pm-suspend-disk",
    "device-removed",
    "agent-lifecycle",
    "device-removal-failed",
    "block-threshold",
    "memory-failure",
    "memory-device-size-change",
];

/// The event of QEMU's that names a node of a disk and not the disk.
pub const NAMES_NODE: &str = "BLOCK_WRITE_THRESHOLD";

/// Something that happened to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainEvent {
    /// What, by libvirt's name, such as `lifecycle`.
    pub name: &'static str,
    /// What there is to say about it. Empty if the name says it all.
    pub detail: String,
}

impl DomainEvent {
    fn new(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into() }
    }

    /// The line that `virsh event` prints.
    pub fn line(&self, domain: &str) -> String {
        let Self { name, detail } = self;
        let colon = match *name {
            _ if detail.is_empty() => "",
            "tray-change" => " ",
            _ => ": ",
        };
        format!("event '{name}' for domain '{domain}'{colon}{detail}")
    }
}

/// Makes libvirt's events of QEMU's. Some say something only together.
#[derive(Debug, Default)]
pub struct Translator {
    /// Why the guest will stop, where that was said before it does.
    stops_for: Option<&'static str>,
    /// How the guest has ended, where that was said before it has.
    ends_by: Option<&'static str>,
}

impl Translator {
    /// What an event of QEMU's is in libvirt's words: one thing, several, or nothing. Of `inventory` only
    /// events of [`NAMES_NODE`] make use.
    pub fn take(
        &mut self,
        event: &Event,
        domain: &Domain,
        inventory: &Inventory,
    ) -> Vec<DomainEvent> {
        let data = |key: &str| event.data.get(key).unwrap_or(&Value::Null);
        let text = |key: &str| data(key).as_str().unwrap_or_default();
        let number = |key: &str| data(key).as_i64().unwrap_or(0);
        let disk = || match text("qom-path") {
            "" => name_of(domain, text("device")),
            path => name_of(domain, path.split('/').nth(3).unwrap_or(path)),
        };
        let one = |name, detail: String| vec![DomainEvent::new(name, detail)];
        match event.name.as_str() {
            "STOP" => {
                let why = self.stops_for.take().unwrap_or("Paused");
                one("lifecycle", format!("Suspended {why}"))
            }
            "RESUME" => one("lifecycle", "Resumed Unpaused".to_owned()),
            "SHUTDOWN" => {
                let who = if data("guest") == &Value::Bool(true) { "guest" } else { "host" };
                self.ends_by.get_or_insert(if who == "guest" { "Shutdown" } else { "Destroyed" });
                one("lifecycle", format!("Shutdown Finished after {who} request"))
            }
            "GUEST_PANICKED" => {
                self.ends_by = Some("Crashed");
                one("lifecycle", "Crashed Panicked".to_owned())
            }
            "GUEST_CRASHLOADED" => one("lifecycle", "Crashed Crashloaded".to_owned()),
            "SUSPEND" => vec![
                DomainEvent::new("lifecycle", "PMSuspended Memory"),
                DomainEvent::new("pm-suspend", ""),
            ],
            "SUSPEND_DISK" => one("pm-suspend-disk", String::new()),
            "WAKEUP" => vec![
                DomainEvent::new("lifecycle", "Started Event wakeup"),
                DomainEvent::new("pm-wakeup", ""),
            ],
            "RESET" => one("reboot", String::new()),
            "RTC_CHANGE" => one("rtc-change", number("offset").to_string()),
            "WATCHDOG" => {
                if text("action") == "pause" {
                    self.stops_for = Some("Watchdog");
                }
                one("watchdog", text("action").to_owned())
            }
            "BLOCK_IO_ERROR" => self.io_error(&disk(), text("action"), text("reason")),
            "VNC_CONNECTED" | "SPICE_CONNECTED" => one("graphics", client("connect", data)),
            "VNC_INITIALIZED" | "SPICE_INITIALIZED" => one("graphics", client("initialize", data)),
            "VNC_DISCONNECTED" | "SPICE_DISCONNECTED" => {
                one("graphics", client("disconnect", data))
            }
            "DEVICE_TRAY_MOVED" => {
                let way = if data("tray-open") == &Value::Bool(true) { "opened" } else { "closed" };
                let id = text("id");
                let id = if id.is_empty() { text("device") } else { id };
                one("tray-change", format!("disk {}: {way}", name_of(domain, id)))
            }
            "BALLOON_CHANGE" => one("balloon-change", format!("{}KiB", number("actual") / 1024)),
            "DEVICE_DELETED" if !text("device").is_empty() => {
                one("device-removed", text("device").to_owned())
            }
            "DEVICE_UNPLUG_GUEST_ERROR" if !text("device").is_empty() => {
                one("device-removal-failed", text("device").to_owned())
            }
            "VSERPORT_CHANGE" if is_agent(text("id"), domain) => {
                let is_open = data("open") == &Value::Bool(true);
                let state = if is_open { "connected" } else { "disconnected" };
                one("agent-lifecycle", format!("state: '{state}' reason: 'channel event'"))
            }
            "BLOCK_JOB_COMPLETED" | "BLOCK_JOB_CANCELLED" | "BLOCK_JOB_READY" => {
                let what = match event.name.as_str() {
                    "BLOCK_JOB_READY" => "ready",
                    "BLOCK_JOB_CANCELLED" => "canceled",
                    _ if text("error").is_empty() => "completed",
                    _ => "failed",
                };
                let kind = job(text("type"));
                one("block-job", format!("{kind} for {} {what}", disk_of(domain, text("device"))))
            }
            NAMES_NODE => {
                let (limit, over) = (number("write-threshold"), number("amount-exceeded"));
                let disk = disk_with(text("node-name"), domain, inventory);
                one("block-threshold", format!("dev: {disk} {limit} {over}"))
            }
            "MEMORY_FAILURE" => one(
                "memory-failure",
                format!("recipient: {}\naction: {}", text("recipient"), text("action")),
            ),
            "MEMORY_DEVICE_SIZE_CHANGE" => one(
                "memory-device-size-change",
                format!("alias: '{}' new-size: {}", text("id"), number("size")),
            ),
            _ => Vec::new(),
        }
    }

    /// The guest is gone.
    pub fn end(&mut self) -> DomainEvent {
        // A QEMU that said nothing before it ended was killed.
        let how = self.ends_by.take().unwrap_or("Failed");
        DomainEvent::new("lifecycle", format!("Stopped {how}"))
    }

    fn io_error(&mut self, disk: &str, action: &str, reason: &str) -> Vec<DomainEvent> {
        let action = match action {
            "stop" => {
                self.stops_for = Some("I/O Error");
                "pause"
            }
            "ignore" => "none",
            other => other,
        };
        vec![
            DomainEvent::new("io-error", format!("{disk} {action}")),
            DomainEvent::new("io-error-reason", format!("{disk} {action} due to {reason}")),
        ]
    }
}

/// A guest was started.
pub fn started() -> DomainEvent {
    DomainEvent::new("lifecycle", "Started Booted")
}

/// The image of the disk that a job is about, whose name is in that of the job, such as
/// `commit-vda-libvirt-1-format`.
///
/// libvirt: `qemuBlockJobEmitEvents`.
fn disk_of(domain: &Domain, job: &str) -> String {
    let name = job.split_once('-').and_then(|(_, rest)| Some(rest.split_once("-libvirt-")?.0));
    let pos = name.and_then(|name| domain.devices.disk(name));
    let path = pos.and_then(|pos| disks::source(&domain.devices.disks[pos]));
    path.unwrap_or_else(|| name.unwrap_or(job).to_owned())
}

/// The disk and the path of its image that has this node, as virsh prints them.
///
/// libvirt: `qemuProcessHandleBlockThreshold`. virsh: `virshEventBlockThresholdPrint`.
fn disk_with(node: &str, domain: &Domain, inventory: &Inventory) -> String {
    let aliases = qemu::alias::Aliases::assign(domain);
    let has_it =
        |(pos, _): &(usize, &Disk)| inventory.uses_node(aliases.get(DeviceKind::Disk, *pos), node);
    let found = domain.devices.disks.iter().enumerate().find(has_it);
    found.map_or_else(
        || node.to_owned(),
        |(_, disk)| {
            let path = disks::source(disk).unwrap_or_else(|| "<null>".to_owned());
            format!("{}({path})", disk.name())
        },
    )
}

/// Whether a port is the agent's.
fn is_agent(id: &str, domain: &Domain) -> bool {
    let aliases = qemu::alias::Aliases::assign(domain);
    aliases.find(id).is_some_and(|found| {
        found.kind == DeviceKind::Channel
            && domain.devices.channels[found.pos].virtio_name() == Some(agent::CHANNEL)
    })
}

/// What `virsh event` says of a client of a display.
fn client<'a>(phase: &str, data: impl Fn(&str) -> &'a Value) -> String {
    let end = |end: &Value| {
        let text = |key: &str| end[key].as_str().unwrap_or_default();
        let service = if text("service").is_empty() { text("port") } else { text("service") };
        format!("[{} {} {service}]", text("family"), text("host"))
    };
    let auth = data("server")["auth"].as_str().unwrap_or("none").to_owned();
    format!("{phase} local{} remote{} {auth}", end(data("server")), end(data("client")))
}

/// libvirt's words for what a job does.
fn job(kind: &str) -> &str {
    match kind {
        "commit" => "Active Block Commit",
        "mirror" => "Block Copy",
        "stream" => "Block Pull",
        "backup" => "Backup",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn lines(events: &[(&str, Value)]) -> Vec<String> {
        let document = "<domain type='qemu'><name>web1</name><memory>1</memory><os><type>hvm</type>
            </os><devices><disk type='file' device='disk'><source file='/a'/>
            <target dev='vda' bus='virtio'/></disk><channel type='unix'>
            <target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>";
        let source = xml_source(document);
        let (domain, _) = conf::parse(&source).unwrap();
        let mut translator = Translator::default();
        events
            .iter()
            .flat_map(|(name, data)| {
                let data = data.as_object().cloned().unwrap_or_default();
                let event = Event { name: (*name).to_owned(), data, timestamp: None };
                translator.take(&event, &domain, &Inventory::default())
            })
            .map(|event| event.line("web1"))
            .collect()
    }

    fn xml_source(text: &str) -> xml::Source {
        xml::Source::decode("web1.xml", text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_guest_that_stops_for_an_error_says_so() {
        let failed = json!({"device": "", "qom-path": "/machine/peripheral/virtio-disk0/x",
            "action": "stop", "reason": "No space left on device"});

        assert_eq!(
            lines(&[("BLOCK_IO_ERROR", failed), ("STOP", json!({})), ("STOP", json!({}))]),
            [
                "event 'io-error' for domain 'web1': vda pause",
                "event 'io-error-reason' for domain 'web1': vda pause due to No space left on device",
                "event 'lifecycle' for domain 'web1': Suspended I/O Error",
                "event 'lifecycle' for domain 'web1': Suspended Paused",
            ]
        );
    }

    #[test]
    fn only_the_agents_channel_is_the_agents() {
        assert_eq!(
            lines(&[
                ("VSERPORT_CHANGE", json!({"id": "channel0", "open": true})),
                ("VSERPORT_CHANGE", json!({"id": "channel1", "open": true})),
            ]),
            [
                "event 'agent-lifecycle' for domain 'web1': state: 'connected' reason: 'channel event'"
            ]
        );
    }

    #[test]
    fn a_block_job_is_about_the_image_of_its_disk() {
        let job = |device: &str| json!({"type": "stream", "device": device});
        assert_eq!(
            lines(&[
                ("BLOCK_JOB_COMPLETED", job("pull-vda-libvirt-1-format")),
                ("BLOCK_JOB_CANCELLED", job("drive0")),
            ]),
            [
                "event 'block-job' for domain 'web1': Block Pull for /a completed",
                "event 'block-job' for domain 'web1': Block Pull for drive0 canceled",
            ]
        );
    }

    #[test]
    fn events_with_nothing_to_add_are_a_name() {
        assert_eq!(
            lines(&[("RESET", json!({})), ("BALLOON_CHANGE", json!({"actual": 2048}))]),
            ["event 'reboot' for domain 'web1'", "event 'balloon-change' for domain 'web1': 2KiB"]
        );
    }

    #[test]
    fn the_end_is_told_by_what_came_before() {
        let source = xml_source("<domain type='qemu'><name>a</name></domain>");
        let domain = conf::parse(&source).map(|(domain, _)| domain).unwrap_or_default();
        let mut translator = Translator::default();
        let data = json!({"guest": true, "reason": "guest-shutdown"}).as_object().cloned().unwrap();
        translator.take(
            &Event { name: "SHUTDOWN".to_owned(), data, timestamp: None },
            &domain,
            &Inventory::default(),
        );

        assert_eq!(translator.end().detail, "Stopped Shutdown");
        assert_eq!(Translator::default().end().detail, "Stopped Failed");
    }
}
