//! The control socket, over which a guest is asked and QEMU is shared.

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use qemu::plan::Command;
use qmp::Notice;
use serde_json::{Value, json};
use store::RunDirectory;
use supervisor::launch::{NoFaults, launch};
use supervisor::state::Reason;
use supervisor::varlink::{Call, Connection, Reply};
use supervisor::{Client, Last, Request, driver};
use sys::process::{Process, Signal};
use sys::runtime::{self, Listener, Socket, block_on, within};
use tempfile::TempDir;

use crate::machine::{qemu_binary, request};

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A guest that a supervisor watches over.
pub(crate) struct Watched {
    home: TempDir,
    pub(crate) run: RunDirectory,
    watcher: JoinHandle<std::io::Result<driver::Watched>>,
}

impl Watched {
    pub(crate) fn start(name: &str) -> Option<Self> {
        Self::start_with(name, |_| {})
    }

    /// A guest that is asked for a little differently.
    pub(crate) fn start_with(name: &str, change: impl Fn(&mut Request)) -> Option<Self> {
        let binary = qemu_binary()?;
        let home = tempfile::tempdir().unwrap();
        let mut request = request(&binary, home.path(), name);
        change(&mut request);
        let run = request.run_directory().unwrap();
        let guest = block_on(launch(request, &NoFaults)).unwrap();
        let watcher = thread::spawn(|| block_on(driver::watch(guest)));
        Some(Self { home, run, watcher })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.run).unwrap()
    }

    /// A connection that speaks varlink as a program of others would.
    pub(crate) async fn connection(&self) -> Connection {
        Connection::new(Socket::connect(&self.run.control()).await.unwrap())
    }

    /// Ends the guest; how it ended.
    pub(crate) fn destroy(self) -> Last {
        self.client().call("Destroy", json!({})).unwrap();
        self.wait_for_end()
    }

    /// Waits until the supervisor has ended; how the guest ended.
    pub(crate) fn wait_for_end(self) -> Last {
        self.watcher.join().unwrap().unwrap();
        assert!(!self.run.path().exists());
        let last = Last::read(&self.run).unwrap();
        drop(self.home);
        last
    }
}

#[test]
fn any_number_of_clients_talk_to_qemu_beside_each_other() {
    let Some(guest) = Watched::start("shared") else { return };
    let mut others: Vec<_> = (0..3).map(|_| guest.client().qmp().unwrap()).collect();

    block_on(async {
        for (client, _) in &others {
            let status = client.execute("query-status", &Value::Null).await.unwrap();
            assert_eq!(status["status"], "prelaunch");
        }
        let first = others[0].0.clone();
        first.execute("cont", &Value::Null).await.unwrap();
        for (_, events) in &mut others {
            let wanted = events.find(|event| event.name == "RESUME");
            assert!(matches!(within(LIMIT, wanted).await, Some(Some(Notice::Event(_)))));
        }
        let refused = first.execute("no-such-command", &Value::Null).await.unwrap_err();
        assert_eq!(refused.class(), Some(&qmp::ErrorClass::CommandNotFound));
    });
    assert_eq!(guest.client().state().unwrap().0, "running");
    others.truncate(1);

    guest.destroy();
    let (client, _) = &others[0];
    assert!(block_on(client.execute("query-status", &Value::Null)).is_err());
}

#[test]
fn a_supervisor_says_everything_it_knows() {
    let Some(guest) = Watched::start("described") else { return };

    let said = guest.client().describe().unwrap();

    assert_eq!((said.name.as_str(), said.state.as_str()), ("described", "paused"));
    assert_eq!(said.supervisor.pid, std::process::id());
    assert!(!said.supervisor.adopted);
    assert_eq!(said.consoles.len(), 1);
    assert_eq!(said.helpers.keys().collect::<Vec<_>>(), ["fs0-virtiofsd"]);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((now - 60..=now + 2).contains(&said.started), "{}", said.started);
    guest.destroy();
}

/// Calls a method and returns the reply.
async fn call(connection: &mut Connection, method: &str) -> Reply {
    connection.send(&Call::new(method, json!({}))).await.unwrap();
    receive(connection).await
}

async fn receive(connection: &mut Connection) -> Reply {
    within(LIMIT, connection.receive()).await.expect("a reply").unwrap().expect("not the end")
}

/// Subscribes to events.
async fn subscribe(connection: &mut Connection, interface: &str, filter: Value) {
    let method = format!("{interface}.SubscribeEvents");
    let call = Call::new(method, json!({ "filter": filter })).with_more();
    connection.send(&call).await.unwrap();
    let ready = receive(connection).await;
    assert_eq!((&ready.parameters["event"], ready.continues), (&json!("READY"), true));
}

#[test]
fn systemd_pauses_resumes_describes_and_terminates() {
    let Some(guest) = Watched::start("systemd") else { return };
    block_on(async {
        let mut machine = guest.connection().await;
        let mut all = guest.connection().await;
        let mut stops = guest.connection().await;
        subscribe(&mut all, "io.systemd.MachineInstance", json!(null)).await;
        subscribe(&mut stops, "io.systemd.MachineInstance", json!(["STOP"])).await;
        for (method, status) in [("Resume", "running"), ("Pause", "paused"), ("Resume", "running")]
        {
            let method = format!("io.systemd.MachineInstance.{method}");
            assert_eq!(call(&mut machine, &method).await, Reply::done(json!({})));
            let described = call(&mut machine, "io.systemd.MachineInstance.Describe").await;
            let running = status == "running";
            let expected = json!({ "running": running, "status": status });
            assert_eq!(described, Reply::done(expected));
        }
        for event in ["RESUME", "STOP", "RESUME"] {
            let told = receive(&mut all).await;
            assert_eq!(told, Reply::one_of_several(json!({ "event": event })));
        }
        assert_eq!(receive(&mut stops).await.parameters, json!({ "event": "STOP" }));
        let done = call(&mut machine, "io.systemd.MachineInstance.Terminate").await;
        assert_eq!(done, Reply::done(json!({})));
        let shutdown = receive(&mut all).await.parameters;
        assert_eq!(shutdown["event"], "SHUTDOWN");
        assert_eq!(shutdown["data"]["reason"], "host-qmp-quit");
        assert_eq!(within(LIMIT, all.receive::<Reply>()).await.unwrap().unwrap(), None);
    });

    assert_eq!(guest.wait_for_end().reason, Reason::Destroyed);
}

#[test]
fn events_carry_the_state_and_a_number() {
    let Some(guest) = Watched::start("numbered") else { return };
    block_on(async {
        let mut events = guest.connection().await;
        subscribe(&mut events, "org.vdomain.Domain", json!(["STOP", "SHUTDOWN"])).await;
        let mut asking = guest.connection().await;
        for method in ["Resume", "Suspend"] {
            call(&mut asking, &format!("org.vdomain.Domain.{method}")).await;
        }
        let stop = receive(&mut events).await.parameters;
        assert_eq!(stop["event"], "STOP");
        assert_eq!((&stop["sequence"], &stop["state"]), (&json!(2), &json!("paused")));
        assert_eq!(stop["reason"], "user");
        assert!(stop["seconds"].as_i64().unwrap() > 0);
        call(&mut asking, "org.vdomain.Domain.Destroy").await;
        assert_eq!(receive(&mut events).await.parameters["state"], "in shutdown");
        let last = receive(&mut events).await;
        assert_eq!(last.error.as_deref(), Some("org.vdomain.Domain.Gone"));
    });
    guest.wait_for_end();
}

#[test]
fn a_client_that_does_not_read_delays_nobody() {
    let Some(guest) = Watched::start("slow") else { return };
    block_on(async {
        let mut slow = guest.connection().await;
        let mut events = guest.connection().await;
        subscribe(&mut events, "org.vdomain.Domain", json!(["RESUME"])).await;
        subscribe(&mut slow, "org.vdomain.Domain", json!(null)).await;
        let mut stuck = guest.connection().await;
        let described = Call::new("org.vdomain.Domain.Describe", json!({}));
        // Sends until nothing more is taken: its replies fill the socket.
        let fill = async { while stuck.send(&described).await.is_ok() {} };
        assert!(within(Duration::from_millis(200), fill).await.is_none());

        let mut asking = guest.connection().await;
        for _ in 0..200 {
            for method in ["Resume", "Suspend"] {
                let done = call(&mut asking, &format!("org.vdomain.Domain.{method}")).await;
                assert_eq!(done, Reply::done(json!({})));
            }
        }

        let mut last = 0;
        for _ in 0..200 {
            let sequence = receive(&mut events).await.parameters["sequence"].as_u64().unwrap();
            assert_eq!(sequence, if last == 0 { 1 } else { last + 2 });
            last = sequence;
        }
    });
    guest.destroy();
}

#[test]
fn a_guest_is_gone_within_a_moment_of_asking() {
    let Some(guest) = Watched::start("moment") else { return };
    let mut client = guest.client();
    let asked = Instant::now();
    client.call("Destroy", json!({})).unwrap();
    let took = asked.elapsed();
    // Asked of a QEMU that answers, 200 ms is the limit; a busy machine gets more.
    assert!(took < Duration::from_secs(1), "{took:?}");
    let last = guest.wait_for_end();
    assert_eq!(last.exit.as_deref(), Some("exit status: 0"));
}

#[test]
fn a_qemu_that_hangs_is_killed_and_everything_else_is_answered_meanwhile() {
    let Some(guest) = Watched::start("hangs") else { return };
    let qemu = Process::open(guest.client().describe().unwrap().pid).unwrap();
    qemu.kill(Signal::STOP).unwrap();
    block_on(async {
        let mut asking = guest.connection().await;
        asking.send(&Call::new("org.vdomain.Domain.Resume", json!({}))).await.unwrap();
        let mut other = guest.connection().await;
        let state = call(&mut other, "org.vdomain.Domain.GetState").await;
        assert_eq!(state.parameters["state"], "paused");
        // SIGTERM waits until the process runs on, SIGKILL does not.
        assert_eq!(call(&mut other, "org.vdomain.Domain.Destroy").await, Reply::done(json!({})));
        let gone = receive(&mut asking).await;
        assert_eq!(gone.error.as_deref(), Some("org.vdomain.Domain.Gone"));
    });
    let last = guest.wait_for_end();
    assert_eq!(last.exit.as_deref(), Some("signal: 9 (SIGKILL)"));
    assert_eq!(last.reason, Reason::Destroyed);
}

#[test]
fn a_qemu_that_dies_is_noticed_and_how_it_died_is_kept() {
    let Some(guest) = Watched::start("dies") else { return };
    let qemu = Process::open(guest.client().describe().unwrap().pid).unwrap();
    qemu.kill(Signal::KILL).unwrap();
    let last = guest.wait_for_end();
    assert_eq!(last.reason, Reason::Crashed);
    assert_eq!(last.exit.as_deref(), Some("signal: 9 (SIGKILL)"));
}

#[test]
fn a_reset_is_the_end_where_the_document_says_so() {
    let Some(guest) = Watched::start_with("reboots", |request| {
        request.lifecycle.reboot = "destroy".to_owned();
    }) else {
        return;
    };
    let mut client = guest.client();
    client.call("Resume", json!({})).unwrap();
    client.call("Reset", json!({})).unwrap();
    assert_eq!(guest.wait_for_end().reason, Reason::Shutdown);
}

#[test]
fn a_guest_that_was_just_started_runs_because_of_that() {
    let run = |request: &mut Request| {
        let cont = Command { execute: "cont".to_owned(), ..Command::default() };
        request.plan.qmp.push(cont);
    };
    let Some(guest) = Watched::start_with("booted", run) else { return };
    let mut client = guest.client();

    let booted = ("running".to_owned(), "booted".to_owned());
    assert_eq!(client.state().unwrap(), booted);

    client.call("Suspend", json!({})).unwrap();
    client.call("Resume", json!({})).unwrap();
    assert_eq!(client.state().unwrap().1, "unpaused");
    guest.destroy();
}

#[test]
fn a_reset_is_none_elsewhere() {
    let Some(guest) = Watched::start("resets") else { return };
    let mut client = guest.client();
    client.call("Resume", json!({})).unwrap();
    client.call("Reset", json!({})).unwrap();
    assert_eq!(client.state().unwrap().0, "running");
    guest.destroy();
}

#[test]
fn guests_start_pause_resume_and_end_as_systemd_tries_it() {
    for cycle in 0..5 {
        let Some(guest) = Watched::start(&format!("cycle{cycle}")) else { return };
        block_on(async {
            let mut machine = guest.connection().await;
            for _ in 0..3 {
                for (method, running) in [("Pause", false), ("Resume", true)] {
                    let method = format!("io.systemd.MachineInstance.{method}");
                    assert_eq!(call(&mut machine, &method).await, Reply::done(json!({})));
                    let described = call(&mut machine, "io.systemd.MachineInstance.Describe").await;
                    assert_eq!(described.parameters["running"], running);
                }
            }
        });
        guest.destroy();
    }
}

#[test]
fn several_clients_steer_one_guest_at_once() {
    let Some(guest) = Watched::start("steered") else { return };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                block_on(async {
                    let mut client = guest.connection().await;
                    let mut events = guest.connection().await;
                    subscribe(&mut events, "org.vdomain.Domain", json!(null)).await;
                    for _ in 0..20 {
                        for method in ["Pause", "Describe", "Resume", "Describe"] {
                            let method = format!("io.systemd.MachineInstance.{method}");
                            assert_eq!(call(&mut client, &method).await.error, None);
                        }
                    }
                    // What one has done is seen by all, in the same order and without a gap.
                    let first = receive(&mut events).await.parameters["sequence"].as_u64().unwrap();
                    for sequence in first + 1..first + 10 {
                        assert_eq!(receive(&mut events).await.parameters["sequence"], sequence);
                    }
                });
            });
        }
    });
    assert_eq!(guest.client().state().unwrap().0, "running");
    guest.destroy();
}

#[test]
fn a_reader_misses_nothing_of_a_storm() {
    let Some(guest) = Watched::start("storm") else { return };
    let (qemu, _events) = guest.client().qmp().unwrap();
    block_on(async {
        let mut events = guest.connection().await;
        subscribe(&mut events, "org.vdomain.Domain", json!(null)).await;
        let storm = async {
            for _ in 0..5_000 {
                for command in ["cont", "stop"] {
                    qemu.execute(command, &Value::Null).await.unwrap();
                }
            }
        };
        let read = async {
            for (sequence, wanted) in (1..=10_000_u64).zip(["RESUME", "STOP"].into_iter().cycle()) {
                let told = receive(&mut events).await.parameters;
                let seen = (told["sequence"].as_u64(), told["event"].as_str());
                assert_eq!(seen, (Some(sequence), Some(wanted)), "{told}");
            }
        };
        runtime::zip(storm, read).await;
    });
    guest.destroy();
}

#[test]
fn what_others_share_is_there_after_another_supervisor_takes_over() {
    let Some(guest) = Watched::start("sets") else { return };
    let (first, _) = guest.client().qmp().unwrap();
    let sets = |client: qmp::Client| {
        block_on(async move { client.execute("query-fdsets", &Value::Null).await.unwrap() })
    };
    let before = sets(first);
    assert_eq!(before.as_array().unwrap().len(), 1);
    let program = json!({ "program": "/bin/true" });
    guest.client().call("Reexec", program).unwrap();
    let Ok(driver::Watched::Reexec { guest: given_up, .. }) = guest.watcher.join().unwrap() else {
        panic!("the guest is given up, and not gone")
    };
    drop(given_up);

    let adopted = block_on(supervisor::adopt::adopt(guest.run.clone())).unwrap().unwrap();

    assert!(adopted.adopted);
    assert_eq!(sets(adopted.client.clone()), before);
    let watcher = thread::spawn(|| block_on(driver::watch(adopted)));
    Watched { home: guest.home, run: guest.run, watcher }.destroy();
}

#[test]
fn a_guest_is_registered_with_machined_and_runs_without() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("machined");
    let machined = block_on(async { Listener::bind(&socket).unwrap() });
    let with = |name: &str, socket: &Path| {
        Watched::start_with(name, |request| {
            request.machined = Some(socket.to_owned());
            request.uuid = "5b1f6ca2-4f0f-4d1c-9d86-2f7f2a4c8a55".to_owned();
        })
    };
    let Some(guest) = with("registered", &socket) else { return };
    let described = |guest: &Watched| {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = guest.client().describe().unwrap();
            if said.machined.is_some() || Instant::now() > deadline {
                return said;
            }
            thread::sleep(Duration::from_millis(5));
        }
    };
    let told = block_on(async {
        let mut connection = Connection::new(machined.accept().await.unwrap());
        let call: Call = within(LIMIT, connection.receive()).await.unwrap().unwrap().unwrap();
        connection.send(&Reply::done(json!({}))).await.unwrap();
        call
    });
    let said = described(&guest);
    assert_eq!(said.machined.as_deref(), Some("registered"));
    assert_eq!(told.method, "io.systemd.Machine.Register");
    let parameters = &told.parameters;
    assert_eq!((&parameters["name"], &parameters["class"]), (&json!("registered"), &json!("vm")));
    assert_eq!(parameters["id"], "5b1f6ca24f0f4d1c9d862f7f2a4c8a55");
    assert_eq!(parameters["leader"], said.pid);
    assert_eq!(parameters["controlAddress"], json!(guest.run.control()));
    guest.destroy();

    drop(machined);
    let guest = with("alone", &socket).unwrap();
    assert!(described(&guest).machined.unwrap().contains("connection refused"));
    assert_eq!(guest.client().state().unwrap().0, "paused");
    guest.destroy();
}
