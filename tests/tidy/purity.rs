//! What is decided is decided without looking at the world, and only the program speaks to the user.

use std::path::Path;

use crate::Findings;
use crate::rust::{Source, sources};
use crate::tree::crates;

/// The crates that do nothing but turn values into values.
const PURE: &[&str] = &["base", "xml-derive", "xml", "conf", "qemu"];

/// How the world is looked at or changed.
const WORLD: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os::unix",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "SystemTime::now",
    "Instant::now",
];

/// What is in another order in every process.
const UNORDERED: &[&str] = &["HashMap", "HashSet", "RandomState"];

/// What speaks to whoever started the program, or ends it.
const PROGRAM: &[&str] = &[
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "std::io::stdout",
    "std::io::stderr",
    "std::process::exit",
    "std::process::ExitCode",
    "std::env::args",
    "std::env::args_os",
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::env::vars_os",
];

/// How QEMU's programs, devices, options and commands are spelled. The XML has its own words for
/// what they stand for.
fn is_qemu(text: &str) -> bool {
    let text = text.trim_matches('"');
    let ends = |endings: &[&str]| endings.iter().any(|ending| text.ends_with(ending));
    text.starts_with("qemu-system-")
        || ((text.starts_with("virtio-") || text.starts_with("vhost-"))
            && ends(&["-pci", "-device", "-ccw"]))
        || ends(&["-add", "-del", "_add", "_del"])
        || ["query-", "qom-"].iter().any(|start| text.starts_with(start))
        || ["-device", "-blockdev", "-netdev", "-chardev", "-object", "-machine"].contains(&text)
}

/// Whether `name` is `path` or something in it.
fn is_named(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Everything in `source` that `is_wrong`.
fn collect(findings: &mut Findings, source: &Source, is_wrong: impl Fn(&str) -> bool) {
    for (line, name) in source.names.iter().filter(|(_, name)| is_wrong(name)) {
        findings.add(&source.file, *line, name);
    }
}

fn pure_sources() -> impl Iterator<Item = &'static Source> {
    PURE.iter().flat_map(|name| sources(&Path::new("src").join(name)))
}

#[test]
fn the_pure_crates_do_not_look_at_the_world() {
    let mut findings = Findings::of(
        "the same input gives the same plan: what they must know of the world comes in as a value",
    );
    for source in pure_sources() {
        collect(&mut findings, source, |name| WORLD.iter().any(|path| is_named(name, path)));
    }
    findings.none();
}

#[test]
fn the_pure_crates_do_not_wait() {
    let mut findings = Findings::of("nothing in them can have to wait: they do no I/O");
    for source in pure_sources() {
        collect(&mut findings, source, |name| name == "async" || name == "await");
    }
    findings.none();
}

#[test]
fn the_pure_crates_keep_an_order() {
    let mut findings = Findings::of(
        "a hash map is in another order in every process, and a plan is the same byte for byte; \
         take a BTreeMap",
    );
    for source in pure_sources() {
        collect(&mut findings, source, |name| {
            name.split("::").any(|segment| UNORDERED.contains(&segment))
        });
    }
    findings.none();
}

#[test]
fn only_the_program_speaks_to_its_user() {
    let mut findings = Findings::of(
        "arguments, environment, output and exit code are the program's; libraries are given \
         values and return values",
    );
    for member in crates().iter().filter(|member| member.name != "vdomain") {
        for source in sources(&member.directory) {
            collect(&mut findings, source, |name| PROGRAM.iter().any(|path| is_named(name, path)));
        }
    }
    findings.none();
}

#[test]
fn conf_does_not_know_that_qemu_exists() {
    let mut findings = Findings::of(
        "conf is the model of the XML, useful without QEMU; what an element means to QEMU stands \
         in the file of that name in src/qemu",
    );
    for source in sources(Path::new("src/conf")) {
        for (line, literal) in source.literals.iter().filter(|(_, literal)| is_qemu(literal)) {
            findings.add(&source.file, *line, literal);
        }
    }
    findings.none();
}
