//! `capabilities`: print what a QEMU binary can do.

use std::path::PathBuf;

use qemu::Capabilities;

use crate::arguments::CapabilitiesArguments;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world;

pub(super) fn run(
    arguments: &CapabilitiesArguments,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let capabilities = if let Some(path) = &arguments.replay {
        world::recorded(path)?
    } else {
        let emulator = emulator(arguments, environment)?;
        if let Some(path) = &arguments.record {
            let recording = host::capabilities::record(&emulator).map_err(Failure::refused)?;
            sys::file::atomic_write(path, recording.to_string().as_bytes(), 0o644)
                .map_err(Failure::refused)?;
            output.say(format_args!("The conversation is in {}", path.display()));
        }
        let cache = &environment.directories.cache;
        host::capabilities::of(&emulator, cache).map_err(Failure::refused)?
    };
    if arguments.json {
        let mut json = serde_json::to_value(&capabilities)
            .map_err(|error| Failure::refused(format!("they cannot be written: {error}")))?;
        if let Some(fields) = json.as_object_mut() {
            fields.remove("schema");
        }
        output.json(&json)?;
    } else {
        output.text(&summary(&capabilities))?;
    }
    Ok(Exit::Done)
}

fn emulator(
    arguments: &CapabilitiesArguments,
    environment: &Environment,
) -> Result<PathBuf, Failure> {
    if let Some(path) = &arguments.emulator {
        return Ok(path.clone());
    }
    let host = host::facts(&environment.given());
    host.emulators.get(&host.architecture).map(PathBuf::from).ok_or_else(|| {
        Failure::refused(format!("there is no QEMU for {} guests", host.architecture))
            .help("install one, or name one with --emulator")
    })
}

fn summary(capabilities: &Capabilities) -> String {
    let (major, minor, micro) = capabilities.version;
    let machines: Vec<&str> = capabilities
        .machines
        .iter()
        .filter(|machine| machine.alias.is_some() || machine.is_default)
        .map(|machine| machine.name.as_str())
        .collect();
    let lines = [
        ("Binary", capabilities.binary.clone()),
        ("Version", format!("{major}.{minor}.{micro}")),
        ("Architecture", capabilities.architecture.clone()),
        ("KVM", if capabilities.kvm { "yes" } else { "no" }.to_owned()),
        ("Machines", format!("{} of {}", machines.join(", "), capabilities.machines.len())),
        ("CPU models", capabilities.cpu_models.len().to_string()),
        ("Object types", capabilities.types.len().to_string()),
    ];
    lines.iter().map(|(name, value)| format!("{:14}{value}\n", format!("{name}:"))).collect()
}
