//! `vcpuinfo`: print what a guest's processors do.

use guest::statistics::{RunningVcpu, processors};
use serde_json::{Value, json};
use sys::runtime::block_on;

use crate::arguments::Reporting;
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
    let guest = Guest::connect(&name, environment)?;
    let vcpus = block_on(processors(&guest.seen()))?;
    if arguments.json {
        output.json(&vcpus.iter().map(json).collect())?;
    } else {
        let texts: Vec<String> = vcpus.iter().map(text).collect();
        output.text(&texts.join("\n"))?;
    }
    Ok(Exit::Done)
}

/// Where it may run; nowhere, if it is gone.
fn affinity(vcpu: &RunningVcpu) -> Vec<bool> {
    sys::thread::affinity(vcpu.thread).unwrap_or_default()
}

fn text(vcpu: &RunningVcpu) -> String {
    let affinity: String =
        affinity(vcpu).iter().map(|allowed| if *allowed { 'y' } else { '-' }).collect();
    let (cpu, time) = match vcpu.work {
        Some(work) => (work.processor.to_string(), work.total().as_secs_f64()),
        None => ("N/A".to_owned(), 0.0),
    };
    let lines = [
        ("VCPU", vcpu.number.to_string()),
        ("CPU", cpu),
        ("State", "running".to_owned()),
        ("CPU time", format!("{time:.1}s")),
        ("CPU Affinity", affinity),
    ];
    lines.iter().map(|(title, value)| format!("{:<15} {value}\n", format!("{title}:"))).collect()
}

fn json(vcpu: &RunningVcpu) -> Value {
    let affinity = affinity(vcpu);
    let allowed: Vec<usize> = (0..affinity.len()).filter(|cpu| affinity[*cpu]).collect();
    json!({
        "vcpu": vcpu.number,
        "cpu": vcpu.work.map(|work| work.processor),
        "state": "running",
        "cpu_time": vcpu.work.map(|work| work.total().as_secs_f64()),
        "cpu_affinity": allowed,
        "thread": vcpu.thread,
    })
}
