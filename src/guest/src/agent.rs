//! The guest agent: a program in the guest that does what QEMU cannot, asked over a channel.
//!
//! Its protocol is QMP's, without a greeting and without ids. What an earlier client has left to be
//! answered would be taken for the answer to what is asked now, so each connection begins with
//! `guest-sync-delimited`: everything up to its answer is thrown away.
//!
//! Source: QEMU's `qga/qapi-schema.json`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use conf::Domain;
use conf::device::DeviceKind;
use qemu::alias::Aliases;
use serde_json::{Value, json};
use sys::runtime::{self, Socket};

/// The name of the agent's channel.
///
/// libvirt: `qemuFindAgentConfig`.
pub const CHANNEL: &str = "org.qemu.guest_agent.0";

/// How long an agent that runs may take to answer, in a guest that is busy.
pub const USUAL_LIMIT: Duration = Duration::from_secs(5);

/// The longest answer that is taken: a guest can say what it likes.
const LONGEST: usize = 16 << 20;

/// What stands before a message whose beginning must be found. It is no part of any JSON text.
const DELIMITER: u8 = 0xff;

/// Why an agent did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing between the host and the guest to ask over.
    #[error("the guest has no channel to an agent")]
    NoChannel,
    /// Nobody has opened the channel's other end.
    #[error("no agent runs in the guest")]
    NotRunning,
    /// No answer came in time. What was asked may have been done.
    #[error("the guest's agent did not answer '{command}' within {limit:?}")]
    TimedOut {
        /// What was asked.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The agent said no.
    #[error("the guest's agent refused '{command}': {desc}")]
    Refused {
        /// What was asked.
        command: String,
        /// Its words.
        desc: String,
    },
    /// What was said is not the agent's protocol.
    #[error("the guest's agent does not speak its protocol: {0}")]
    Protocol(String),
    /// The guest cannot use so many processors, for this reason.
    #[error("{0}")]
    Processors(String),
    /// The connection failed.
    #[error("cannot talk to the guest's agent: {}", sys::reason(.0))]
    Io(#[from] io::Error),
    /// QEMU could not be asked about the channel.
    #[error(transparent)]
    Qmp(#[from] qmp::Error),
}

impl Error {
    /// What can be done about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoChannel => Some(
                "add <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>\
                 </channel> to its devices, and start it again",
            ),
            Self::NotRunning => {
                Some("install and start qemu-guest-agent in the guest; it may still be booting")
            }
            Self::TimedOut { .. } => {
                Some("the guest may hang, or another program may be talking to its agent")
            }
            _ => None,
        }
    }

    /// Whether an agent may answer later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::NotRunning | Self::TimedOut { .. })
    }
}

/// A connection to the agent of a guest. QEMU serves one at a time; others wait for their turn.
#[derive(Debug)]
pub struct Agent {
    socket: Socket,
    received: Vec<u8>,
    /// How long an answer may take.
    limit: Duration,
}

/// The channel between the host and an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The socket on the host.
    pub path: PathBuf,
    /// Whether somebody in the guest has opened it.
    pub is_open: bool,
}

/// The channel to the agent of a guest.
///
/// # Errors
/// [`Error::NoChannel`] if the document has none, or one that is no socket.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn channel(qemu: &qmp::Client, domain: &Domain) -> Result<Channel, Error> {
    let channels = &domain.devices.channels;
    let pos = channels.iter().position(|channel| channel.virtio_name() == Some(CHANNEL));
    let pos = pos.ok_or(Error::NoChannel)?;
    let label = format!("char{}", Aliases::assign(domain).get(DeviceKind::Channel, pos));
    let chardevs = qemu.execute("query-chardev", &Value::Null).await?;
    let found = chardevs.as_array().and_then(|all| all.iter().find(|one| one["label"] == label));
    let chardev = found.ok_or(Error::NoChannel)?;
    let path = chardev["filename"].as_str().and_then(socket_path).ok_or(Error::NoChannel)?;
    Ok(Channel { path, is_open: chardev["frontend-open"].as_bool().unwrap_or(true) })
}

/// Has the guest use so many of its processors.
///
/// libvirt: `qemuDomainSetVcpusAgent`, `qemuAgentUpdateCPUInfo`. `there`: how many it has.
///
/// # Errors
/// See [`Error`]; [`Error::Processors`] if the guest cannot.
///
/// # Cancel safety
/// The guest may do it all the same.
pub async fn use_processors(agent: &mut Agent, count: u32, there: u32) -> Result<(), Error> {
    if count > there {
        return Err(Error::Processors(format!("the guest has {there} processors, not {count}")));
    }
    let mut told = agent.execute("guest-get-vcpus", &Value::Null).await?;
    let vcpus = told.as_array_mut().map_or(&mut [][..], Vec::as_mut_slice);
    let changed = switched(vcpus, count as usize).map_err(Error::Processors)?;
    // An agent can stop in the middle; it says how many it has done.
    let mut rest = changed.as_slice();
    while !rest.is_empty() {
        let answer = agent.execute("guest-set-vcpus", &json!({ "vcpus": rest })).await?;
        let done = answer.as_u64().and_then(|done| usize::try_from(done).ok()).unwrap_or(0);
        if done == 0 || done > rest.len() {
            return Err(Error::Protocol(format!("{answer} processors were set")));
        }
        rest = &rest[done..];
    }
    Ok(())
}

/// Which processors are switched on or off so that the guest uses so many, as the agent is told. `vcpus`:
/// what it answers to `guest-get-vcpus`.
fn switched(vcpus: &mut [Value], count: usize) -> Result<Vec<Value>, String> {
    let is = |vcpu: &Value, member: &str| vcpu[member] == true;
    let mut online = vcpus.iter().filter(|vcpu| is(vcpu, "online")).count();
    let may_stop = |vcpu: &Value| is(vcpu, "online") && is(vcpu, "can-offline");
    let mut stoppable = vcpus.iter().filter(|vcpu| may_stop(vcpu)).count();
    if stoppable == online
        && let Some(first) = vcpus.iter_mut().find(|it| it["logical-id"] == 0 && may_stop(it))
    {
        // Linux lets the first one be stopped, and then cannot suspend.
        first["can-offline"] = false.into();
        stoppable -= 1;
    }
    if count > vcpus.len() {
        return Err(format!("its agent knows of {} processors only", vcpus.len()));
    }
    if count < online - stoppable {
        return Err(format!("the guest cannot do without {} of them", online - stoppable));
    }
    let mut changed = Vec::new();
    for vcpu in vcpus {
        let starts = !is(vcpu, "online");
        let is_needed = if starts { online < count } else { online > count && may_stop(vcpu) };
        if !is_needed {
            continue;
        }
        online = if starts { online + 1 } else { online - 1 };
        changed.push(json!({ "logical-id": vcpu["logical-id"], "online": starts }));
    }
    Ok(changed)
}

/// The path in QEMU's words for a character device: `disconnected:unix:PATH,server=on`.
fn socket_path(filename: &str) -> Option<PathBuf> {
    let (_, path) = filename.split_once("unix:")?;
    let end = path.rfind(",server").unwrap_or(path.len());
    Some(PathBuf::from(&path[..end]))
}

impl Agent {
    /// Connects to the agent of a guest.
    ///
    /// # Errors
    /// See [`Error`]; that no agent runs is known at once.
    ///
    /// # Cancel safety
    /// May be dropped at any time: the connection is closed.
    pub async fn connect(qemu: &qmp::Client, domain: &Domain) -> Result<Self, Error> {
        let channel = channel(qemu, domain).await?;
        if !channel.is_open {
            return Err(Error::NotRunning);
        }
        Self::open(&channel.path, USUAL_LIMIT).await
    }

    /// Connects to an agent's socket and finds the beginning of the conversation.
    ///
    /// # Errors
    /// See [`Error`].
    ///
    /// # Cancel safety
    /// May be dropped at any time: the connection is closed.
    pub async fn open(path: &Path, limit: Duration) -> Result<Self, Error> {
        let mut agent = Self { socket: Socket::connect(path).await?, received: Vec::new(), limit };
        let id = mark();
        let command = "guest-sync-delimited";
        let mut bytes = vec![DELIMITER];
        bytes.extend(message(command, &json!({ "id": id })));
        let answer = runtime::within(limit, async {
            agent.socket.send_all(&bytes, &[]).await?;
            loop {
                // Whatever stands before the delimiter was meant for somebody else.
                let line = agent.line().await?;
                let begin = line.iter().rposition(|byte| *byte == DELIMITER).map_or(0, |at| at + 1);
                let answer: Option<Value> = serde_json::from_slice(&line[begin..]).ok();
                if answer.is_some_and(|answer| answer["return"] == id) {
                    return Ok(());
                }
            }
        });
        match answer.await {
            Some(Ok(())) => Ok(agent),
            Some(Err(error)) => Err(error),
            None => Err(Error::TimedOut { command: command.to_owned(), limit }),
        }
    }

    /// How long an answer may take from now on.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Has the agent do something, and waits for its answer. `arguments` is an object, or `null`.
    ///
    /// # Errors
    /// See [`Error`]. After anything but [`Error::Refused`] the connection is of no further use.
    ///
    /// # Cancel safety
    /// The command may be carried out; the connection is of no further use.
    pub async fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let limit = self.limit;
        let answer = runtime::within(limit, async {
            self.tell(command, arguments).await?;
            self.line().await
        });
        let line = answer.await.ok_or(Error::TimedOut { command: command.to_owned(), limit })??;
        let mut answer: Value = serde_json::from_slice(&line)
            .map_err(|error| Error::Protocol(format!("its answer to '{command}': {error}")))?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(Error::Refused {
                command: command.to_owned(),
                desc: answer["error"]["desc"].as_str().unwrap_or("without a reason").to_owned(),
            }),
        }
    }

    /// Has the agent do something that it answers only where it fails: to shut the guest down.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// As for [`Agent::execute`].
    pub async fn tell(&mut self, command: &str, arguments: &Value) -> Result<(), Error> {
        Ok(self.socket.send_all(&message(command, arguments), &[]).await?)
    }

    /// The next line.
    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.received[looked_at..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.received.drain(..=looked_at + end).collect());
            }
            looked_at = self.received.len();
            if looked_at > LONGEST {
                return Err(Error::Protocol(format!("a line of more than {LONGEST} bytes")));
            }
            let mut bytes = vec![0; 4096];
            let (count, _) = self.socket.receive(&mut bytes).await?;
            if count == 0 {
                return Err(Error::NotRunning);
            }
            self.received.extend_from_slice(&bytes[..count]);
        }
    }
}

fn message(command: &str, arguments: &Value) -> Vec<u8> {
    let mut message = json!({ "execute": command });
    if !arguments.is_null() {
        message["arguments"] = arguments.clone();
    }
    format!("{message}\n").into_bytes()
}

/// A number that no earlier client is likely to have asked with.
fn mark() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32) >> 16
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use sys::runtime::block_on;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// An agent that says `before`, answers the synchronization, and then each command with the next
    /// of `answers`.
    fn scripted(before: &'static [u8], answers: Vec<Value>) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = Vec::new();
            lines.read_until(b'\n', &mut line).unwrap();
            assert_eq!(line[0], DELIMITER);
            let sync: Value = serde_json::from_slice(&line[1..]).unwrap();
            assert_eq!(sync["execute"], "guest-sync-delimited");
            let id = &sync["arguments"]["id"];
            stream.write_all(before).unwrap();
            stream.write_all(format!("{}\n", json!({ "return": id })).as_bytes()).unwrap();
            for answer in answers {
                line.clear();
                if lines.read_until(b'\n', &mut line).unwrap() == 0 {
                    return;
                }
                stream.write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
        });
        (directory, path)
    }

    #[test]
    fn what_was_said_to_somebody_else_is_not_taken_for_an_answer() {
        let stale = b"{\"return\": {\"host-name\": \"old\"}}\n{\"return\": 7}\n{\"retu\xff";
        let (_directory, path) = scripted(stale, vec![json!({"return": {"host-name": "web1"}})]);

        let name = block_on(async {
            let mut agent = Agent::open(&path, SOON).await.unwrap();
            agent.execute("guest-get-host-name", &Value::Null).await.unwrap()
        });

        assert_eq!(name["host-name"], "web1");
    }

    #[test]
    fn a_refusal_says_what_was_refused_and_the_next_command_goes_on() {
        let refusal = json!({"error": {"class": "CommandNotFound", "desc": "no such command"}});
        let (_directory, path) = scripted(b"", vec![refusal, json!({"return": {}})]);

        let (refused, done) = block_on(async {
            let mut agent = Agent::open(&path, SOON).await.unwrap();
            let refused = agent.execute("guest-dance", &json!({"to": "x"})).await.unwrap_err();
            (refused, agent.execute("guest-ping", &Value::Null).await)
        });

        let text = "the guest's agent refused 'guest-dance': no such command";
        assert_eq!(refused.to_string(), text);
        assert_eq!(done.unwrap(), json!({}));
    }

    #[test]
    fn an_agent_that_says_nothing_is_not_waited_for_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent");
        let _listener = UnixListener::bind(&path).unwrap();

        let error = block_on(Agent::open(&path, Duration::from_millis(50))).unwrap_err();

        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert!(error.help().unwrap().contains("may hang"));
    }

    #[test]
    fn an_agent_that_ends_is_noticed_at_once() {
        let (_directory, path) = scripted(b"", vec![]);

        let error = block_on(async {
            let mut agent = Agent::open(&path, SOON).await.unwrap();
            agent.execute("guest-ping", &Value::Null).await.unwrap_err()
        });

        assert!(matches!(error, Error::NotRunning | Error::Io(_)), "{error}");
    }

    #[test]
    fn the_path_is_found_in_qemus_words() {
        for words in ["disconnected:unix:/run/a,b,server=on", "unix:/run/a,b,server=on <-> x"] {
            assert_eq!(socket_path(words).unwrap(), Path::new("/run/a,b"));
        }
        assert_eq!(socket_path("pty:/dev/pts/3"), None);
    }

    #[test]
    fn the_first_processor_is_not_switched_off() {
        let vcpu = |number: u32, online: bool, stops: bool| json!({"logical-id": number, "online": online, "can-offline": stops});
        let three = || vec![vcpu(0, true, true), vcpu(1, true, true), vcpu(2, false, true)];
        let set = |number: u32, online: bool| json!({"logical-id": number, "online": online});
        assert_eq!(switched(&mut three(), 1), Ok(vec![set(1, false)]));
        assert_eq!(switched(&mut three(), 3), Ok(vec![set(2, true)]));
        assert_eq!(switched(&mut three(), 2), Ok(vec![]));
        assert!(switched(&mut three(), 4).is_err());
        let stays = &mut [vcpu(0, true, false), vcpu(1, true, false)];
        assert_eq!(switched(stays, 1).unwrap_err(), "the guest cannot do without 2 of them");
    }
}
