//! Guests outlive those who watch over them, whenever these die; and whatever is left of them then is
//! what somebody said, and nothing else. The guests have no disk and do nothing.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sys::process::Process;

use crate::common::{Home, run};
use crate::document;

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What one guest is made of.
struct Seen<'a> {
    home: &'a Home,
    name: &'a str,
}

impl Seen<'_> {
    fn state(&self) -> String {
        self.home.vdomain(&["domstate", self.name]).done().out.trim_end().to_owned()
    }

    fn run(&self) -> PathBuf {
        self.home.path("home/run").join(self.name)
    }

    fn qemu(&self) -> Option<u32> {
        let status = fs::read(self.run().join("status.json")).ok()?;
        let status: Value = serde_json::from_slice(&status).unwrap();
        Some(status["qemu"]["pid"].as_u64()? as u32)
    }

    /// The processes that hold the guest's lock or have its name on their command line.
    fn supervisors(&self) -> Vec<u32> {
        let lock = self.home.path("home/run").join(format!(".{}.lock", self.name));
        processes(|process| {
            let descriptors = fs::read_dir(process.join("fd")).ok()?;
            let targets = descriptors.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
            let line = fs::read(process.join("cmdline")).ok()?;
            let supervises = line.windows(10).any(|word| word == b"\0supervise");
            (supervises && targets.into_iter().any(|target| target == lock)).then_some(())
        })
    }

    fn qemus(&self) -> Vec<u32> {
        let name = format!("guest={},", self.name);
        processes(|process| {
            let line = fs::read(process.join("cmdline")).ok()?;
            let environment = fs::read_link(process.join("cwd")).ok()?;
            let is_ours = environment.starts_with(self.home.path(""));
            (is_ours && String::from_utf8_lossy(&line).contains(&name)).then_some(())
        })
    }

    /// Ends whoever supervises the guest, without a chance to clear anything away.
    fn kill_supervisors(&self) -> usize {
        let supervisors = self.supervisors();
        supervisors.iter().for_each(|process| kill(*process));
        supervisors.len()
    }

    /// Nothing of the guest is left.
    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.state(), "shut off");
        assert_eq!(self.qemus(), Vec::<u32>::new(), "no QEMU is left");
        // It has replied, and ends.
        eventually("the supervisor has ended", || self.supervisors().is_empty());
        assert!(!self.run().exists());
    }
}

/// The processes of which something is true.
fn processes(is: impl Fn(PathBuf) -> Option<()>) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|number| is(PathBuf::from(format!("/proc/{number}"))).is_some()).collect()
}

fn kill(process: u32) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    // It may have ended by itself just now.
    let _ = kill_process(process, Signal::KILL);
}

/// Runs the program without waiting for it.
fn begin(home: &Home, arguments: &[&str]) -> Child {
    let mut command = home.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until something is so.
#[track_caller]
fn eventually(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < deadline, "it never came that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How often the supervisor is killed.
const KILLS: usize = 100;

/// Devices that leave something behind if nobody clears it away: a socket, and a process beside QEMU and a
/// network device where there can be.
fn leaving(home: &Home, tap: &str) -> String {
    let mut devices = format!(
        "    <channel type='unix'>
      <source mode='bind' path='{}'/>
      <target type='virtio' name='org.vdomain.test'/>
    </channel>",
        home.path("channel.sock").display()
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "true"]);
    // passt locks itself into a user namespace, which it may not make in a plain chroot.
    if Path::new("/usr/bin/passt").exists() && run(unshare).code == 0 {
        devices += "<interface type='user'><backend type='passt'/></interface>";
    }
    if rustix::process::geteuid().is_root() && Path::new("/dev/net/tun").exists() {
        devices += &format!("<interface type='ethernet'><target dev='{tap}'/></interface>");
    }
    devices
}

/// The processes of a home: what they were started with, or have open, is in it.
fn of_home(home: &Home) -> Vec<u32> {
    let home = home.path("home");
    let name = home.to_str().unwrap();
    processes(|process| {
        let line = fs::read(process.join("cmdline")).ok()?;
        let descriptors = fs::read_dir(process.join("fd")).ok()?;
        let mut open = descriptors.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        let names = String::from_utf8_lossy(&line).contains(name);
        (names || open.any(|path| path.starts_with(&home))).then_some(())
    })
}

/// At what the supervisor is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Start,
    Run,
    Stop,
}

#[test]
fn whenever_its_supervisor_is_killed_a_guest_is_what_was_said_and_leaves_nothing() {
    let Some(home) = Home::with_qemu() else { return };
    let tap = format!("vk{}", std::process::id());
    let guest = Seen { home: &home, name: "killed" };
    let plain = document("killed", &leaving(&home, &tap));
    home.define(&plain.replace("  <os>", "  <cputune><shares>300</shares></cputune>\n  <os>"));
    let is_limited = home.vdomain(&["start", "--paused", "killed"]).code == 0;
    let group = guest.qemu().filter(|_| is_limited).map(crate::limits::group);
    home.vdomain(&["destroy", "killed"]);
    if !is_limited {
        home.define(&plain);
    }
    let given = std::env::var("VDOMAIN_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = given.unwrap_or(now | 1);
    println!("VDOMAIN_SEED={seed} does the same again, as far as time lets it");
    let mut random = Random(seed);
    let begun = Instant::now();
    home.vdomain(&["start", "--paused", "killed"]).done();
    let start = begun.elapsed().as_micros() as u64;
    home.vdomain(&["destroy", "killed"]).done();
    let nothing_is_left = || {
        let files = [Some(home.path("channel.sock")), group.clone()];
        let files = files.into_iter().flatten().chain([Path::new("/sys/class/net").join(&tap)]);
        let processes = of_home(&home).into_iter().map(|process| format!("process {process}"));
        let files = files.filter(|path| path.exists()).map(|path| path.display().to_string());
        let left: Vec<String> = processes.chain(files).collect();
        // Shown where it stays.
        println!("left: {left:?}");
        left.is_empty()
    };
    eventually("nothing is left", nothing_is_left);

    let (mut kills, mut round) = (0, 0);
    while kills < KILLS {
        round += 1;
        let state = guest.state();
        let moment = match (state.as_str(), random.below(2)) {
            ("shut off", _) => Moment::Start,
            (_, 0) => Moment::Run,
            _ => Moment::Stop,
        };
        let (command, after, limit) = match (moment, state.as_str()) {
            (Moment::Start, _) if round % 2 == 0 => (&["start", "killed"][..], "running", start),
            (Moment::Start, _) => (&["start", "--paused", "killed"][..], "paused", start),
            (Moment::Run, "paused") => (&["resume", "killed"][..], "running", 15_000),
            (Moment::Run, _) => (&["suspend", "killed"][..], "paused", 15_000),
            (Moment::Stop, _) => (&["destroy", "killed"][..], "shut off", 20_000),
        };
        let qemu = guest.qemu();
        let mut asking = begin(&home, command);
        thread::sleep(Duration::from_micros(random.below(limit)));
        let killed = guest.kill_supervisors();
        kills += killed;
        let code = asking.wait().unwrap().code();
        let now = guest.state();
        let what = format!("round {round}, {moment:?}, killed {killed}: {code:?}, {now}");

        match moment {
            // A start is one or none.
            Moment::Start if code != Some(0) && killed > 0 && now == "shut off" => {}
            Moment::Start => assert_eq!((code, now.as_str()), (Some(0), after), "{what}"),
            // The command asks the next supervisor again.
            Moment::Run => {
                assert_eq!((code, now.as_str()), (Some(0), after), "{what}");
                assert_eq!(guest.qemu(), qemu, "{what}");
            }
            // The next supervisor may have found nothing to end.
            Moment::Stop => {
                assert!(code == Some(0) || (code == Some(4) && killed > 0), "{what}");
                assert_eq!(now, after, "{what}");
            }
        }
        if now == "shut off" {
            guest.is_gone();
            eventually("nothing is left", nothing_is_left);
            continue;
        }
        assert_eq!((guest.qemus().len(), guest.supervisors().len()), (1, 1), "{what}");
        let held = fs::read_dir(format!("/proc/{}/fd", guest.supervisors()[0])).unwrap().count();
        assert!(held < 40, "{what}: the supervisor has {held} descriptors");
    }
}

#[test]
fn several_who_ask_at_once_get_one_supervisor_and_the_same_answer() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("asked", ""));
    home.vdomain(&["start", "--paused", "asked"]).done();
    let guest = Seen { home: &home, name: "asked" };
    for _ in 0..3 {
        guest.kill_supervisors();
        let states = thread::scope(|scope| {
            let asking: Vec<_> = (0..6).map(|_| scope.spawn(|| guest.state())).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(states, ["paused"; 6]);
        assert_eq!(guest.supervisors().len(), 1);
    }
}

#[test]
fn what_systemd_starts_takes_a_guest_over_and_stays() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("kept", ""));
    home.vdomain(&["start", "--paused", "kept"]).done();
    let guest = Seen { home: &home, name: "kept" };
    let qemu = guest.qemu();
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let again = || begin(&home, &["supervise", "kept", &path("home/run"), &path("home/state")]);
    // Somebody supervises it.
    assert!(again().wait().unwrap().success());
    let first = Process::open(guest.supervisors()[0]).unwrap();
    guest.kill_supervisors();
    // systemd waits for the end of what it starts again, too: the lock goes with the last thread.
    eventually("it has ended", || !first.is_alive().unwrap());
    for _ in 0..3 {
        let mut next = again();
        eventually("it has taken over", || guest.supervisors() == [next.id()]);
        eventually("it listens", || guest.state() == "paused");
        assert_eq!(guest.supervisors(), [next.id()]);
        assert_eq!(guest.qemu(), qemu);
        guest.kill_supervisors();
        assert!(!next.wait().unwrap().success(), "systemd starts what was killed again");
    }
    let mut last = again();
    eventually("it listens", || guest.state() == "paused");
    home.vdomain(&["destroy", "kept"]).done();
    assert!(last.wait().unwrap().success());
    guest.is_gone();
    assert!(again().wait().unwrap().success(), "there is nothing to be done");
}

#[test]
fn a_supervisor_goes_on_as_another_version_and_keeps_its_child() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("upgraded", ""));
    home.vdomain(&["start", "--paused", "upgraded"]).done();
    let guest = Seen { home: &home, name: "upgraded" };
    let (supervisors, qemu) = (guest.supervisors(), guest.qemu().unwrap());
    let other = home.path("vdomain-of-tomorrow");
    fs::copy(env!("CARGO_BIN_EXE_vdomain"), &other).unwrap();

    let mut reexec = Command::new(&other);
    reexec.args(["reexec", "--all"]);
    home.inside(&mut reexec);
    let said = crate::common::run(reexec).done();

    assert!(said.err.contains("Domain 'upgraded' is supervised by process"), "{}", said.err);
    assert_eq!(guest.supervisors(), supervisors, "it is the same process");
    let executable = fs::read_link(format!("/proc/{}/exe", supervisors[0])).unwrap();
    assert_eq!(executable, other);
    assert_eq!(guest.qemu(), Some(qemu));
    assert_eq!(guest.state(), "paused");
    home.vdomain(&["resume", "upgraded"]).done();
    // Only its parent can know how a process ends.
    kill(qemu);
    eventually("the guest is gone", || !guest.run().exists());
    guest.is_gone();
    let last = home.vdomain(&["domstate", "--json", "upgraded"]).done().out;
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(
        (&last["reason"], &last["last"]["exit"]),
        (&"crashed".into(), &"signal: 9 (SIGKILL)".into())
    );
}

/// Runs the program, and gives it lines and takes them from it.
struct Conversation(Child, BufReader<ChildStdout>);

impl Conversation {
    fn begin(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn says(&mut self, line: &str) {
        self.0.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for a line that contains this.
    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended before '{wanted}'");
        }
    }
}

#[test]
fn who_asks_and_listens_goes_on_with_the_next_supervisor() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("shared", ""));
    home.vdomain(&["start", "--paused", "shared"]).done();
    let guest = Seen { home: &home, name: "shared" };
    let mut events = Conversation::begin(&home, &["event", "shared", "--loop"]);
    let mut shells = [(); 2].map(|()| Conversation::begin(&home, &["qmp", "shared"]));
    for shell in &mut shells {
        shell.says("query-status");
        shell.hears("prelaunch");
    }
    let mut waiting = begin(&home, &["wait", "shared", "--for", "shutoff"]);

    for round in 0..3 {
        match round {
            1 => assert_eq!(guest.kill_supervisors(), 1),
            _ => drop(home.vdomain(&["reexec", "--all"]).done()),
        }
        let (command, status) = [("resume", "running"), ("suspend", "paused")][round % 2];
        home.vdomain(&[command, "shared"]).done();
        for shell in &mut shells {
            shell.says("query-status");
            shell.hears(&format!("\"status\": \"{status}\""));
        }
    }
    // Who listens has missed what happened before it had found the next supervisor.
    let has_heard = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in (0..200).take_while(|_| !has_heard.load(Ordering::Relaxed)) {
                home.vdomain(&["suspend", "shared"]).done();
                home.vdomain(&["resume", "shared"]).done();
            }
        });
        events.hears("Resumed");
        has_heard.store(true, Ordering::Relaxed);
    });
    assert!(waiting.try_wait().unwrap().is_none());
    home.vdomain(&["destroy", "shared"]).done();
    assert!(waiting.wait().unwrap().success());
    events.hears("Stopped");
    let ended = events.0.wait().unwrap();
    assert!(ended.success(), "{ended}");
    for mut shell in shells {
        shell.says("query-status");
        assert_eq!(shell.0.wait().unwrap().code(), Some(4));
    }
}

#[test]
fn what_cannot_go_on_is_not_tried() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("stays", ""));
    home.vdomain(&["start", "--paused", "stays"]).done();
    let guest = Seen { home: &home, name: "stays" };
    let supervisors = guest.supervisors();
    let call = |program: &str| {
        use std::os::unix::net::UnixStream;
        let mut socket = UnixStream::connect(guest.run().join("control")).unwrap();
        let call = format!(
            "{{\"method\":\"org.vdomain.Domain.Reexec\",\"parameters\":{{\"program\":\"{program}\"}}}}\0"
        );
        socket.write_all(call.as_bytes()).unwrap();
        let mut reply = [0; 4096];
        let count = std::io::Read::read(&mut socket, &mut reply).unwrap();
        String::from_utf8_lossy(&reply[..count]).into_owned()
    };
    for program in ["vdomain", "/no/such/program", "/etc/passwd", "/etc"] {
        assert!(call(program).contains("org.vdomain.Domain.Refused"), "{program}");
    }
    assert_eq!(guest.supervisors(), supervisors);
    assert_eq!(guest.state(), "paused");
}

#[test]
fn adopt_finds_what_has_no_supervisor_and_clears_away_what_has_ended() {
    let Some(home) = Home::with_qemu() else { return };
    for name in ["orphan", "corpse"] {
        home.define(&document(name, ""));
        home.vdomain(&["start", "--paused", name]).done();
    }
    let (orphan, corpse) =
        (Seen { home: &home, name: "orphan" }, Seen { home: &home, name: "corpse" });
    orphan.kill_supervisors();
    corpse.kill_supervisors();
    kill(corpse.qemu().unwrap());
    assert!(corpse.run().join("control").exists(), "a stale socket is left");

    let said = home.vdomain(&["adopt"]).done().err;

    assert!(said.contains("Domain 'orphan' is supervised by process"), "{said}");
    assert!(said.contains("Domain 'corpse' is not running"), "{said}");
    assert_eq!(orphan.supervisors().len(), 1);
    corpse.is_gone();
    home.vdomain(&["start", "--paused", "corpse"]).done();
    assert_eq!(corpse.state(), "paused");
}

#[test]
fn without_its_run_time_directory_nothing_runs_and_everything_starts() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("rebooted", ""));
    let guest = Seen { home: &home, name: "rebooted" };
    // As after a crash of the host that kept its files: nothing that they name is there.
    home.vdomain(&["start", "--paused", "rebooted"]).done();
    let qemu = guest.qemu().unwrap();
    let kept = home.path("kept");
    assert!(
        Command::new("cp")
            .args(["-a", "--"])
            .arg(guest.run())
            .arg(&kept)
            .status()
            .unwrap()
            .success()
    );
    home.vdomain(&["destroy", "rebooted"]).done();
    fs::rename(&kept, guest.run()).unwrap();

    guest.is_gone();
    assert!(!guest.qemus().contains(&qemu));
    fs::remove_dir_all(home.path("home/run")).unwrap();
    guest.is_gone();
    home.vdomain(&["start", "--paused", "rebooted"]).done();
    assert_eq!(guest.state(), "paused");
}

#[test]
fn twenty_guests_start_at_once_are_controlled_and_gone() {
    let Some(home) = Home::with_qemu() else { return };
    let names: Vec<String> = (0..20).map(|number| format!("many{number}")).collect();
    for name in &names {
        home.define(&document(name, ""));
    }
    let all = |command: &[&str]| {
        let mut words = command.to_vec();
        words.extend(names.iter().map(String::as_str));
        home.vdomain(&words).done()
    };
    all(&["start", "--paused"]);
    let states = || {
        let list: Value =
            serde_json::from_str(&home.vdomain(&["list", "--json"]).done().out).unwrap();
        let states = list.as_array().unwrap().iter();
        states.map(|guest| guest["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["paused"; 20]);
    all(&["resume"]);
    assert_eq!(states(), ["running"; 20]);
    all(&["suspend"]);
    // One that does not answer holds up no other.
    let stuck = Seen { home: &home, name: "many7" };
    let [supervisor] = stuck.supervisors()[..] else { panic!("many7 has one supervisor") };
    let supervisor = Pid::from_raw(supervisor.try_into().unwrap()).unwrap();
    kill_process(supervisor, Signal::STOP).unwrap();
    let mut stopping = begin(&home, &{
        let mut words = vec!["destroy"];
        words.extend(names.iter().map(String::as_str));
        words
    });
    let others = names.iter().filter(|name| *name != "many7");
    for name in others {
        let run = home.path("home/run").join(name);
        eventually("the others are gone", || !run.exists());
    }
    assert!(stuck.run().exists());
    kill_process(supervisor, Signal::CONT).unwrap();
    assert!(stopping.wait().unwrap().success());
    for name in &names {
        Seen { home: &home, name }.is_gone();
    }
}

/// A small file system for running guests, gone when this is dropped, and they with it.
struct SmallDisk<'a> {
    home: &'a Home,
    path: PathBuf,
}

impl<'a> SmallDisk<'a> {
    /// `None` where we may not.
    fn mount(home: &'a Home) -> Option<Self> {
        let path = home.path("home/run");
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self { home, path })
    }

    /// Leaves no room on it.
    fn fill(&self) -> PathBuf {
        let path = self.path.join("full");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        self.home.destroy_all();
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_stops_no_guest_and_a_start_says_so() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("squeezed", ""));
    let Some(disk) = SmallDisk::mount(&home) else {
        return crate::common::not_tested("a full disk, as no file system may be mounted here");
    };
    home.vdomain(&["start", "--paused", "squeezed"]).done();
    let guest = Seen { home: &home, name: "squeezed" };
    let room = disk.fill();

    home.vdomain(&["resume", "squeezed"]).done();
    guest.kill_supervisors();
    assert_eq!(guest.state(), "running");
    assert_eq!(guest.supervisors().len(), 1);
    home.vdomain(&["destroy", "squeezed"]).done();
    guest.is_gone();
    // What the guest had took room, too.
    let more = disk.path.join("more");
    fs::copy(&room, &more).unwrap_err();
    let said = home.vdomain(&["start", "--paused", "squeezed"]).fails(1);
    assert!(said.contains("no space left on device"), "{said}");
    guest.is_gone();

    fs::remove_file(room).unwrap();
    fs::remove_file(more).unwrap();
    home.vdomain(&["start", "--paused", "squeezed"]).done();
    home.vdomain(&["destroy", "squeezed"]).done();
    guest.is_gone();
}
