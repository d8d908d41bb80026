//! `console`, `ttyconsole`: connect to the console of a guest.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use conf::Domain;
use conf::device::chardev::Chardev;
use qemu::alias::Aliases;
use serde_json::{Value, json};
use store::{Name, RunDirectory};
use supervisor::client::AskError;
use supervisor::{Client, GuestState};
use sys::lock::{Kind, Lock};
use sys::terminal::{Ended, Keys, RawMode};

use crate::arguments::{Console, Escape, OneOf};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How long a supervisor may take to clear away what is left of a guest.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How long the second press of the escape key may take after the first, which would leave.
const SECOND_PRESS: Duration = Duration::from_millis(400);

/// How much of the log is shown to who connects: some screens.
const SCROLL_BACK: u64 = 16 * 1024;

/// How often to look for more in a log.
const LOG_PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(
    arguments: &Console,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.domain.name, environment)?;
    let run = environment.directories.run_of(&name)?;
    super::ask(&run, |mut client| client.state()).map_err(|error| super::refused(&name, error))?;
    let domain = domains::model(&name, false, environment)?;
    let (log, device) = match &arguments.devname {
        None => (Some(log(&domain).unwrap_or_else(|| run.console_log())), None),
        Some(alias) => {
            let chardev = named(&domain, &name, alias)?;
            let lock = run.console_lock().with_file_name(format!("console-{alias}.lock"));
            let device = Device { terminal: terminal_of(&name, alias, environment)?, lock };
            (log_of(chardev), Some(device))
        }
    };
    if arguments.read_only {
        return follow(&name, &run, log.as_deref(), output);
    }
    if let Some(Ok(mut log)) = log.map(File::open) {
        show_end(&mut log, output)?;
    }
    attach(&run, device, &arguments.keys, arguments.force, output, |_| Ok(()))
}

/// The terminal behind the device of this alias.
fn terminal_of(name: &Name, alias: &str, environment: &Environment) -> Result<PathBuf, Failure> {
    let chardevs = Guest::connect(name, environment)?.execute("query-chardev", &Value::Null)?;
    let label = format!("char{alias}");
    let mut chardevs = chardevs.as_array().into_iter().flatten();
    let found = chardevs.find(|chardev| chardev["label"] == *label);
    let path = found.and_then(|found| found["filename"].as_str()?.strip_prefix("pty:"));
    path.map(PathBuf::from).ok_or_else(|| {
        Failure::refused(format!("device '{alias}' of domain '{name}' has no terminal"))
            .help("only devices of type 'pty' have one")
    })
}

/// A device that somebody connects to instead of the first console.
#[derive(Debug)]
pub(super) struct Device {
    terminal: PathBuf,
    /// Held by whoever types.
    lock: PathBuf,
}

/// The console, serial or parallel port of this alias.
///
/// libvirt: `qemuDomainOpenConsole`.
fn named<'a>(domain: &'a Domain, name: &Name, alias: &str) -> Result<&'a Chardev, Failure> {
    let aliases = Aliases::assign(domain);
    let devices = domain.devices.iter().filter_map(|(id, device)| {
        let chardev = match device {
            conf::device::Device::Console(console) => &console.chardev,
            conf::device::Device::Serial(serial) => &serial.chardev,
            conf::device::Device::Parallel(parallel) => &parallel.chardev,
            _ => return None,
        };
        Some((aliases.get(id.kind, id.pos), chardev))
    });
    let devices: Vec<_> = devices.collect();
    let found = devices.iter().find(|(known, _)| *known == alias);
    found.map(|(_, chardev)| *chardev).ok_or_else(|| {
        let known: Vec<&str> = devices.iter().map(|(known, _)| *known).collect();
        let failure = Failure::refused(format!("domain '{name}' has no console '{alias}'"));
        match known.as_slice() {
            [] => failure.help("it has none"),
            known => failure.help(format!("it has {}", known.join(", "))),
        }
    })
}

/// `ttyconsole`: print the terminal of a guest's first console.
pub(super) fn ttyconsole(
    one: &OneOf,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&one.name, environment)?;
    let run = environment.directories.run_of(&name)?;
    let consoles = super::ask(&run, |mut client| client.consoles())
        .map_err(|error| super::refused(&name, error))?;
    let path = terminal(&name, consoles)?;
    output.text(&format!("{}\n", path.display()))?;
    Ok(Exit::Done)
}

/// The terminal of the first console that has one.
fn terminal(name: &Name, consoles: Vec<Option<PathBuf>>) -> Result<PathBuf, Failure> {
    consoles.into_iter().flatten().next().ok_or_else(|| {
        Failure::refused(format!("domain '{name}' has no console with a terminal"))
            .help("add <console type='pty'/> to its devices and start it again")
    })
}

/// The log that the document names, of the first console that has one.
fn log(domain: &Domain) -> Option<PathBuf> {
    let consoles = domain.devices.consoles.iter().map(|console| &console.chardev);
    let serials = domain.devices.serials.iter().map(|serial| &serial.chardev);
    consoles.chain(serials).find_map(log_of)
}

/// The log that the document names of a device.
fn log_of(chardev: &Chardev) -> Option<PathBuf> {
    chardev.log.as_ref()?.file.as_ref().map(PathBuf::from)
}

/// Shows the end of what the guest has said, from a line's beginning on.
fn show_end(log: &mut File, output: &mut Output) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        Failure::refused(format!("cannot read the console's log: {}", sys::reason(&error)))
    };
    let length = log.seek(SeekFrom::End(0)).map_err(cannot)?;
    let from = length.saturating_sub(SCROLL_BACK);
    log.seek(SeekFrom::Start(from)).map_err(cannot)?;
    let mut text = Vec::new();
    log.read_to_end(&mut text).map_err(cannot)?;
    let begin = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) if from > 0 => end + 1,
        _ => 0,
    };
    output.text(&String::from_utf8_lossy(&text[begin..]))
}

/// Shows what the guest says, until it is gone. Whoever types is not disturbed.
fn follow(
    name: &Name,
    run: &RunDirectory,
    path: Option<&Path>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Some(path) = path else {
        return Err(Failure::refused("nothing of what this device says is kept")
            .help("add <log file='…'/> to it and start the guest again"));
    };
    let mut log = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::refused(format!("domain '{name}' has no console to read from"))
                .help("add <console type='pty'/> to its devices and start it again"));
        }
        opened => opened.map_err(|error| cannot_open(path, &error))?,
    };
    show_end(&mut log, output)?;
    let mut more = Vec::new();
    loop {
        let gone = super::wait_until_gone(run, Some(Instant::now() + LOG_PAUSE))
            .map_err(|error| super::refused(name, error))?;
        log.read_to_end(&mut more).map_err(|error| cannot_open(path, &error))?;
        output.text(&String::from_utf8_lossy(&more))?;
        more.clear();
        if gone {
            return Ok(Exit::Done);
        }
    }
}

/// Connects to a device, or to the first console that has a terminal; `connected` is called when it is
/// open. One at a time, unless it is forced.
pub(super) fn attach(
    run: &RunDirectory,
    device: Option<Device>,
    escape: &Escape,
    force: bool,
    output: &mut Output,
    connected: impl FnOnce(&mut Client) -> Result<(), AskError>,
) -> Result<Exit, Failure> {
    let name = run.name();
    let refused = |error| super::refused(name, error);
    let (mut client, consoles) = super::ask(run, |mut client| {
        let consoles = client.consoles()?;
        Ok((client, consoles))
    })
    .map_err(refused)?;
    let Device { terminal: path, lock } = match device {
        Some(device) => device,
        None => Device { terminal: terminal(name, consoles)?, lock: run.console_lock() },
    };
    let lock = Lock::try_take(&lock, Kind::Exclusive).map_err(Failure::refused)?;
    if lock.is_none() && !force {
        return Err(Failure::state(format!("somebody is connected to the console of '{name}'"))
            .help("--read-only shows its log, and --force connects all the same"));
    }
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(sys::terminal::NOT_CONTROLLING)
        .open(&path)
        .map_err(|error| cannot_open(&path, &error))?;
    let shown = shown(escape.escape);
    output.say(format_args!("Connected to domain '{name}'\nEscape character is {shown}"));
    // Standard input may be no terminal; what comes from it is passed on all the same.
    let raw = RawMode::enter(io::stdin()).ok();
    connected(&mut client).map_err(refused)?;
    let mut keyboard = Keyboard::new(escape.escape);
    let mut size = None;
    let mut pass_on_size = || {
        let now = sys::terminal::window_size(io::stdin());
        if now != size
            && let Some(now) = now
        {
            // What the guest makes of it is up to its console.
            let _ = sys::terminal::set_window_size(&terminal, now);
        }
        size = now;
    };
    pass_on_size();
    let ended = sys::terminal::pass_through(io::stdin(), io::stdout(), &terminal, |typed| {
        pass_on_size();
        keyboard.take(typed, |wish| steer(run, wish))
    });
    drop(raw);
    match ended {
        Ok(Ended::ByUser) => output.say("\nLeft the console; the guest goes on"),
        Ok(Ended::ByPeer) => {
            // The guest may also just have closed its console.
            let _ = super::wait_until_gone(run, Some(Instant::now() + END_LIMIT));
            output.say("\nThe guest is gone");
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(Failure::NobodyReads);
        }
        Err(error) => {
            return Err(Failure::refused(format!("the console: {}", sys::reason(&error))));
        }
    }
    Ok(Exit::Done)
}

/// A key as it is written: `^] (Ctrl + ])`.
fn shown(key: u8) -> String {
    match key {
        control @ ..0x20 => {
            let letter = char::from(control | 0x40);
            format!("^{letter} (Ctrl + {letter})")
        }
        other => char::from(other).to_string(),
    }
}

/// What can be done with a guest by keys of its console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    TogglePause,
    Reset,
}

/// Does it beside the console, which goes on meanwhile. There is nowhere to say that it failed but
/// between what the guest says.
fn steer(run: &RunDirectory, wish: Wish) {
    let run = run.clone();
    thread::spawn(move || {
        let done = super::ask(&run, |mut client| {
            let method = match wish {
                Wish::Reset => "Reset",
                Wish::TogglePause if client.state()?.0 == GuestState::Paused.to_string() => {
                    "Resume"
                }
                Wish::TogglePause => "Suspend",
            };
            client.call(method, json!({}))
        });
        if let Err(error) = done {
            Output::new().say(format_args!("\r\n{error}\r"));
        }
    });
}

/// What is typed, up to where it is no longer the guest's.
#[derive(Debug)]
struct Keyboard {
    escape: u8,
    /// How often the escape key was pressed last.
    pressed: u8,
}

impl Keyboard {
    fn new(escape: u8) -> Self {
        Self { escape, pressed: 0 }
    }

    /// Leaves in `typed` what is the guest's. Pressed once, the escape key leaves, if it is not
    /// pressed again soon; pressed twice, the next key is a wish.
    fn take(&mut self, typed: &mut Vec<u8>, mut wish: impl FnMut(Wish)) -> Keys {
        let keys = std::mem::take(typed);
        if keys.is_empty() && self.pressed == 1 {
            return Keys::End;
        }
        for key in keys {
            match (self.pressed, key) {
                (0, key) if key == self.escape => self.pressed = 1,
                (0, key) => typed.push(key),
                (1, key) if key == self.escape => self.pressed = 2,
                (1, _) => return Keys::End,
                (_, key) => {
                    self.pressed = 0;
                    match key {
                        b'p' => wish(Wish::TogglePause),
                        b'r' => wish(Wish::Reset),
                        key if key == self.escape => typed.push(key),
                        _ => {}
                    }
                }
            }
        }
        if self.pressed == 1 { Keys::AskAgain(SECOND_PRESS) } else { Keys::PassOn }
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!(
        "cannot open the console '{}': {}",
        path.display(),
        sys::reason(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on, what is wished for, and what follows.
    fn typed(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Wish>, Keys) {
        let (mut passed, mut wishes, mut follows) = (Vec::new(), Vec::new(), Keys::PassOn);
        let mut keyboard = Keyboard::new(0x1d);
        for piece in pieces {
            let mut typed = piece.to_vec();
            follows = keyboard.take(&mut typed, |wish| wishes.push(wish));
            passed.extend(typed);
        }
        (passed, wishes, follows)
    }

    #[test]
    fn what_was_typed_before_leaving_is_passed_on() {
        assert_eq!(typed(&[b"ls\r\x1dx"]), (b"ls\r".to_vec(), vec![], Keys::End));
        assert_eq!(typed(&[b"ls\r\x1d", b""]), (b"ls\r".to_vec(), vec![], Keys::End));
        assert_eq!(typed(&[b"a\x1d"]).2, Keys::AskAgain(SECOND_PRESS));
    }

    #[test]
    fn the_key_pressed_twice_asks_for_something() {
        let (passed, wishes, follows) = typed(&[b"a\x1d", b"\x1d", b"pb\x1d\x1drc"]);
        assert_eq!(passed, b"abc");
        assert_eq!(wishes, [Wish::TogglePause, Wish::Reset]);
        assert_eq!(follows, Keys::PassOn);
    }

    #[test]
    fn the_key_pressed_three_times_is_the_guests() {
        assert_eq!(typed(&[b"\x1d\x1d\x1dx"]), (b"\x1dx".to_vec(), vec![], Keys::PassOn));
    }

    #[test]
    fn keys_are_shown_as_they_are_pressed() {
        assert_eq!(shown(0x1d), "^] (Ctrl + ])");
        assert_eq!(shown(b'~'), "~");
    }
}
