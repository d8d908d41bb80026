//! `snapshot-create-as`: overlays on disks.

use std::time::SystemTime;

use qemu::change::block::{DiskSpec, Snapshot, Work};
use serde_json::Value;
use sys::runtime::block_on;

use crate::arguments::SnapshotCreateAs;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(in crate::command) fn snapshot_create_as(
    arguments: &SnapshotCreateAs,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if !arguments.disk_only {
        return Err(Failure::usage("a snapshot of a guest's memory cannot be made")
            .help("--disk-only makes one of its disks"));
    }
    let disks = arguments.diskspec.iter().map(|spec| parse(spec)).collect::<Result<_, _>>()?;
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let name = arguments.snapshot.clone().unwrap_or_else(|| now.to_string());
    if name.is_empty() || name.contains('/') {
        return Err(Failure::usage(format!("'{name}' cannot be the name of a snapshot")));
    }
    let done = format!("Domain snapshot {name} created");
    let work = Work::Snapshot(Snapshot { name, disks, reuse: arguments.reuse_external });
    let frozen = match arguments.quiesce && !arguments.saying.print_plan {
        true => Some(Frozen::freeze(arguments, environment)?),
        false => None,
    };
    let word = &arguments.domain.name;
    let exit = super::change(word, arguments.saying, environment, output, &work, &done);
    drop(frozen);
    exit
}

/// One disk of a snapshot, in words; a comma that is doubled is one.
///
/// virsh: `virshParseSnapshotDiskspec`.
fn parse(text: &str) -> Result<DiskSpec, Failure> {
    let text = text.replace(",,", "\0");
    let mut words = text.split(',').map(|word| word.replace('\0', ","));
    let mut spec = DiskSpec { disk: words.next().unwrap_or_default(), ..DiskSpec::default() };
    let refuse = |word: &str| {
        Err(Failure::usage(format!("'{word}' says nothing of a disk"))
            .help("DISK[,snapshot=no|external][,driver=FORMAT][,stype=file|block][,file=PATH]"))
    };
    for word in words {
        match word.split_once('=') {
            Some(("snapshot", "no")) => spec.is_left_out = true,
            Some(("snapshot", "external")) => {}
            Some(("driver", format)) => spec.format = Some(format.to_owned()),
            Some(("stype", "file")) => spec.block = false,
            Some(("stype", "block")) => spec.block = true,
            Some(("file", path)) => {
                let absolute = std::path::absolute(path).map_err(Failure::refused)?;
                spec.path = Some(absolute.display().to_string());
            }
            _ => return refuse(&word),
        }
    }
    if spec.disk.is_empty() { refuse("") } else { Ok(spec) }
}

/// A guest whose file systems are frozen until this is dropped.
struct Frozen(Guest);

impl Frozen {
    fn freeze(arguments: &SnapshotCreateAs, environment: &Environment) -> Result<Self, Failure> {
        let name = crate::command::domain(&arguments.domain.name, environment)?;
        let guest = Guest::connect(&name, environment)?;
        let mut agent = guest.agent()?;
        // Also where not all were frozen, all that were must go on.
        let frozen = Self(guest);
        block_on(agent.execute("guest-fsfreeze-freeze", &Value::Null))?;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // There is nobody who could be told; the agent thaws by itself when it is started again.
        if let Ok(mut agent) = self.0.agent() {
            let _ = block_on(agent.execute("guest-fsfreeze-thaw", &Value::Null));
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_comma_that_is_doubled_belongs_to_the_path() {
        let spec = parse("vda,file=/a,,b.qcow2,driver=qcow2,stype=block").unwrap();
        let path = Some("/a,b.qcow2".to_owned());
        let format = Some("qcow2".to_owned());
        let disk = "vda".to_owned();
        assert_eq!(spec, DiskSpec { disk, path, format, block: true, ..DiskSpec::default() });
        assert!(parse("vdb,snapshot=no").unwrap().is_left_out);
        assert!(parse("vdb,snapshot=internal").is_err() && parse("").is_err());
    }
}
