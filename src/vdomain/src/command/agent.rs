//! `qemu-agent-command`, `guestinfo`, `domfsinfo`, `domtime`, `domhostname`, `set-user-password`:
//! what is asked of the agent in a guest.

use std::io::Read;
use std::time::{Duration, SystemTime};

use base::base64;
use guest::agent;
use serde_json::{Map, Value, json};
use sys::runtime::block_on;

use crate::arguments::{AgentCommand, Domtime, Guestinfo, Reporting, SetUserPassword};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::running::Guest;

/// Asks the agent of a guest for something.
fn ask(
    word: &str,
    command: &str,
    arguments: &Value,
    environment: &Environment,
) -> Result<Value, Failure> {
    let name = super::domain(word, environment)?;
    let guest = Guest::connect(&name, environment)?;
    Ok(block_on(guest.agent()?.execute(command, arguments))?)
}

pub(super) fn command(
    arguments: &AgentCommand,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let text = arguments.command.join(" ");
    let mut command: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("not a command to the agent: {error}")))?;
    let Some(execute) = command["execute"].as_str().map(str::to_owned) else {
        return Err(Failure::usage("a command to the agent says what it is in \"execute\"")
            .help("such as '{\"execute\": \"guest-info\"}'"));
    };
    let name = super::domain(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let limit = Duration::from_secs(arguments.timeout.unwrap_or(agent::USUAL_LIMIT.as_secs()));
    let mut agent = guest.agent()?.within(limit);
    let answer = block_on(agent.execute(&execute, &command["arguments"].take()))?;
    let reply = json!({ "return": answer });
    if arguments.pretty {
        output.json(&reply)?;
    } else {
        output.text(&format!("{reply}\n"))?;
    }
    Ok(Exit::Done)
}

/// How an answer of the agent is written under virsh's names.
type Write = fn(&Value, &mut Map<String, Value>);

/// The groups of `guestinfo`, what the agent is asked for each, and how its answer is written.
const GROUPS: &[(&str, &str, Write)] = &[
    ("user", "guest-get-users", users),
    ("os", "guest-get-osinfo", os),
    ("timezone", "guest-get-timezone", timezone),
    ("hostname", "guest-get-host-name", hostname),
    ("filesystem", "guest-get-fsinfo", filesystems),
    ("interface", "guest-network-get-interfaces", interfaces),
];

/// libvirt: `qemuDomainGetGuestInfo`, whose names these are.
pub(super) fn guestinfo(
    arguments: &Guestinfo,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let asked = [
        arguments.user,
        arguments.os,
        arguments.timezone,
        arguments.hostname,
        arguments.filesystem,
        arguments.interface,
    ];
    let all = !asked.contains(&true);
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let mut agent = guest.agent()?;
    let mut info = Map::new();
    for ((_, command, write), asked) in GROUPS.iter().zip(asked) {
        if !all && !asked {
            continue;
        }
        match block_on(agent.execute(command, &Value::Null)) {
            Ok(answer) => write(&answer, &mut info),
            // An older agent does not know all of them.
            Err(agent::Error::Refused { .. }) if all => {}
            Err(error) => return Err(error.into()),
        }
    }
    if arguments.json {
        output.json(&Value::Object(info))?;
    } else {
        let line = |(name, value): (&String, &Value)| match value {
            Value::String(text) => format!("{name:<20}: {text}\n"),
            value => format!("{name:<20}: {value}\n"),
        };
        output.text(&info.iter().map(line).collect::<String>())?;
    }
    Ok(Exit::Done)
}

fn list(answer: &Value, prefix: &str, info: &mut Map<String, Value>, members: &[(&str, &str)]) {
    let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    info.insert(format!("{prefix}.count"), all.len().into());
    for (at, one) in all.iter().enumerate() {
        for (name, key) in members {
            if let Some(value) = one.get(key) {
                info.insert(format!("{prefix}.{at}.{name}"), value.clone());
            }
        }
    }
}

fn users(answer: &Value, info: &mut Map<String, Value>) {
    list(
        answer,
        "user",
        info,
        &[("name", "user"), ("domain", "domain"), ("login-time", "login-time")],
    );
}

fn os(answer: &Value, info: &mut Map<String, Value>) {
    for (name, value) in answer.as_object().into_iter().flatten() {
        info.insert(format!("os.{name}"), value.clone());
    }
}

fn timezone(answer: &Value, info: &mut Map<String, Value>) {
    for (name, key) in [("timezone.name", "zone"), ("timezone.offset", "offset")] {
        if let Some(value) = answer.get(key) {
            info.insert(name.to_owned(), value.clone());
        }
    }
}

fn hostname(answer: &Value, info: &mut Map<String, Value>) {
    info.insert("hostname".to_owned(), answer["host-name"].clone());
}

fn filesystems(answer: &Value, info: &mut Map<String, Value>) {
    let members = [
        ("name", "name"),
        ("mountpoint", "mountpoint"),
        ("fstype", "type"),
        ("total-bytes", "total-bytes"),
        ("used-bytes", "used-bytes"),
    ];
    list(answer, "fs", info, &members);
}

fn interfaces(answer: &Value, info: &mut Map<String, Value>) {
    list(answer, "if", info, &[("name", "name"), ("hwaddr", "hardware-address")]);
    for (at, one) in answer.as_array().into_iter().flatten().enumerate() {
        let members = [("addr", "ip-address"), ("type", "ip-address-type"), ("prefix", "prefix")];
        if one.get("ip-addresses").is_some() {
            list(&one["ip-addresses"], &format!("if.{at}.addr"), info, &members);
        }
    }
}

pub(super) fn domfsinfo(
    arguments: &Reporting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let answer = ask(&arguments.domain.name, "guest-get-fsinfo", &Value::Null, environment)?;
    if arguments.json {
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let cell = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |one: &Value| {
        let disks = one["disk"].as_array().into_iter().flatten();
        let disks: Vec<String> = disks.map(|disk| cell(&disk["dev"])).collect();
        [cell(&one["mountpoint"]), cell(&one["name"]), cell(&one["type"]), disks.join(",")]
    };
    let rows: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
    output.text(&table(["Mountpoint", "Name", "Type", "Target"], &rows))?;
    Ok(Exit::Done)
}

pub(super) fn domhostname(
    arguments: &Reporting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let answer = ask(&arguments.domain.name, "guest-get-host-name", &Value::Null, environment)?;
    if arguments.json {
        output.json(&json!({ "hostname": answer["host-name"] }))?;
    } else {
        output.text(&format!("{}\n", answer["host-name"].as_str().unwrap_or_default()))?;
    }
    Ok(Exit::Done)
}

pub(super) fn domtime(
    arguments: &Domtime,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let word = &arguments.domain.name;
    let new = if arguments.sync {
        // Without a time the guest takes the one of its hardware's clock.
        Some(Value::Null)
    } else {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds =
            if arguments.now { Some(now()) } else { arguments.time.map(Duration::from_secs) };
        seconds.map(|time| json!({ "time": u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) }))
    };
    if let Some(time) = new {
        ask(word, "guest-set-time", &time, environment)?;
        return Ok(Exit::Done);
    }
    let answer = ask(word, "guest-get-time", &Value::Null, environment)?;
    let seconds = answer.as_u64().unwrap_or(0) / 1_000_000_000;
    if arguments.json {
        output.json(&json!({ "time": seconds }))?;
    } else {
        output.text(&format!("Time: {seconds}\n"))?;
    }
    Ok(Exit::Done)
}

pub(super) fn set_user_password(
    arguments: &SetUserPassword,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let password = match &arguments.password {
        Some(password) => password.clone(),
        None => read_password(output)?,
    };
    let command = json!({
        "username": arguments.user,
        "password": base64::encode(password.as_bytes()),
        "crypted": arguments.encrypted,
    });
    ask(&arguments.domain.name, "guest-set-user-password", &command, environment)?;
    output.say(format_args!(
        "Password set successfully for {} in {}",
        arguments.user, arguments.domain.name
    ));
    Ok(Exit::Done)
}

/// The password from standard input: what stands on a command line is seen by all on the host.
fn read_password(output: &mut Output) -> Result<String, Failure> {
    output.say("The password, and an end of input:");
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).map_err(|error| {
        Failure::refused(format!("cannot read standard input: {}", sys::reason(&error)))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
