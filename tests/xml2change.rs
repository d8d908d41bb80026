//! Changes of guests that run, compared with those in `tests/xml2change`: the guest of `NAME.xml` was
//! started, and the device of `NAME.attach.xml` is added to it, that of `NAME.detach.xml` taken away,
//! or one made as `NAME.update.xml` says. `NAME.change.json` says what is done and `NAME.after.xml` what the live document is then;
//! `NAME.err` says why nothing is done. `NAME.images.json` says what is done with images of its disks;
//! `NAME.stored.xml` is what becomes of the stored document then.
//!
//! What is unusual about a case stands on its first line; see `tests/golden`.

mod golden;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use golden::Case;
use libtest_mimic::Failed;
use qemu::change::block::{self, Running, Work};
use qemu::change::{Attaching, Updating, detach, find};
use qemu::plan::{Inventory, Options};
use qemu::{Answers, Change};
use serde_json::Value;
use xml::{Part, Problem, Source};

fn main() -> ExitCode {
    let expected = [".attach.xml", ".detach.xml", ".update.xml", ".after.xml", ".stored.xml"];
    golden::main("xml2change", &expected, &["strict"], run)
}

/// How many bytes the guest sees of every image.
const SIZE: u64 = 8 << 20;

fn images(case: &Case, guest: &Guest, work: &Work) -> Result<(), Failed> {
    let nodes = guest.inventory.told.iter().filter_map(|told| told.arguments["node-name"].as_str());
    let sizes = nodes.map(|node| (node.to_owned(), SIZE)).collect();
    let running = Running {
        live: &guest.domain,
        inventory: &guest.inventory,
        capabilities: &case.capabilities,
        host: &case.host,
        answers: &guest.answers,
        sizes: &sizes,
    };
    let mut change = match work.change(&running) {
        Ok(change) => change,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let none = ["change.json", "after.xml", "stored.xml"].map(|ending| (ending, None));
            return case.expect(&[&none[..], &[("err", golden::lines(&lines))]].concat());
        }
    };
    takes_back_what_it_does(&change)?;
    let before = std::mem::take(&mut change.document);
    let job = change.job.as_ref().ok_or("nothing is begun")?;
    leaves_nothing(guest, &change, job)?;
    let after = block::live_after(&before, &job.images);
    let stored = block::stored_after(&guest.stored, &job.images, job.kind);
    let mut json = serde_json::to_value(&change)?;
    json.as_object_mut().map(|members| members.remove("document"));
    let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
    let change = ("change.json", Some(text));
    case.expect(&[change, ("after.xml", after), ("stored.xml", stored), ("err", None)])
}

/// When work on images is done and the disk is taken away, QEMU has nothing of it any more; and what it
/// has is what the document says.
fn leaves_nothing(guest: &Guest, change: &Change, job: &block::Job) -> Result<(), Failed> {
    let device = job.device.as_str();
    let without = |inventory: &Inventory| {
        let mut inventory = inventory.clone();
        let behind = inventory.behind(&[device]);
        inventory.remove_device(device);
        inventory.remove(&behind);
        inventory.told.len()
    };
    let told: Vec<_> = change.steps.iter().map(|step| step.command.clone()).collect();
    let mut inventory = guest.inventory.clone();
    inventory.add(&told);
    for (unused, is_done) in [(&job.given_up, false), (&job.unused, true)] {
        let mut inventory = inventory.clone();
        if is_done {
            job.rewired.iter().for_each(|rewired| inventory.rewire(rewired));
        } else if job.id.is_empty() {
            continue;
        }
        if let Some(node) = unused {
            let commands = inventory.below_node(node);
            inventory.remove(&commands);
        }
        let others = without(&guest.inventory);
        let more = job.images.len() - 1;
        if more == 0 && without(&inventory) != others {
            return Err(format!("left behind, done: {is_done}: {:?}", inventory.told).into());
        }
    }
    Ok(())
}

/// A guest that runs.
struct Guest {
    stored: String,
    domain: conf::Domain,
    inventory: Inventory,
    answers: Answers,
}

fn run(case: Case) -> Result<(), Failed> {
    let guest = Guest::started(&case)?;
    if let Ok(work) = fs::read_to_string(case.stem.with_extension("images.json")) {
        return images(&case, &guest, &serde_json::from_str(&work)?);
    }
    let (action, device) = device(&case.stem)?;
    let change = match action {
        "attach" => attach(&case, &guest, &device),
        "detach" => take_away(&guest, &device),
        _ => update(&case, &guest, &device),
    };
    match change {
        Err(problems) => {
            let text = golden::lines(&problems);
            case.expect(&[("err", text), ("change.json", None), ("after.xml", None)])
        }
        Ok(mut change) => {
            takes_back_what_it_does(&change)?;
            goes_back_to_where_it_was(&guest, &change)?;
            let after = std::mem::take(&mut change.document);
            let mut json = serde_json::to_value(&change)?;
            // It is beside this file.
            json.as_object_mut().map(|members| members.remove("document"));
            let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
            case.expect(&[("change.json", Some(text)), ("after.xml", Some(after)), ("err", None)])
        }
    }
}

impl Guest {
    fn started(case: &Case) -> Result<Self, Failed> {
        let answers = match fs::read_to_string(case.stem.with_extension("answers.json")) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Answers::default(),
        };
        let failed = |problems: Vec<Problem>| Failed::from(case.shown(&problems).join("\n"));
        let (domain, _) = conf::parse(&case.source).map_err(failed)?;
        let completion =
            qemu::complete(domain, &case.capabilities, &case.host, case.mode).map_err(failed)?;
        let (domain, options) = (completion.domain, Options::default());
        let plan = qemu::plan::plan(&domain, &case.capabilities, &case.host, &answers, &options)
            .map_err(failed)?;
        let stored = conf::print(&domain);
        let text = conf::print(&qemu::alias::of_running(&domain));
        let (domain, _) =
            conf::parse_live(&Source::new("live", text).without_places()).map_err(failed)?;
        Ok(Self { stored, domain, inventory: Inventory::of(&plan), answers })
    }
}

/// What is done with which device.
fn device(stem: &Path) -> Result<(&'static str, Source), Failed> {
    for action in ["attach", "detach", "update"] {
        let path = stem.with_extension(format!("{action}.xml"));
        if let Ok(text) = fs::read_to_string(&path) {
            return Ok((action, Source::new("device", text)));
        }
    }
    Err("there is no .attach.xml, .detach.xml or .update.xml".into())
}

fn attach(case: &Case, guest: &Guest, source: &Source) -> Result<Change, Vec<String>> {
    let shown = |problems: Vec<Problem>| shown(source, &problems);
    let (devices, _) = conf::parse_device(source).map_err(shown)?;
    let attaching =
        Attaching::new(&guest.domain, &devices, &case.capabilities, &case.host).map_err(shown)?;
    let mut change = attaching
        .change(
            &guest.inventory,
            &case.capabilities,
            &case.host,
            &guest.answers,
            &Options { strict: case.words.contains("strict"), ..Options::default() },
        )
        .map_err(shown)?;
    let places = source.places();
    change.locate(|origin| {
        let place = places.find(origin, &Part::Name)?;
        Some(format!("device:{}:{}", place.line, place.column))
    });
    Ok(change)
}

fn update(case: &Case, guest: &Guest, source: &Source) -> Result<Change, Vec<String>> {
    let shown = |problems: Vec<Problem>| shown(source, &problems);
    let (devices, _) = conf::parse_device(source).map_err(shown)?;
    let updating =
        Updating::new(&guest.domain, &devices, &case.capabilities, &case.host).map_err(shown)?;
    let world = (&case.host, &guest.answers, &Options::default());
    updating.change(&guest.inventory, &case.capabilities, world, false).map_err(shown)
}

fn take_away(guest: &Guest, source: &Source) -> Result<Change, Vec<String>> {
    let shown = |problems: Vec<Problem>| shown(source, &problems);
    let (devices, _) = conf::parse_device(source).map_err(shown)?;
    let id = find(&guest.domain, &devices).map_err(|why| vec![why.to_string()])?;
    detach(&guest.domain, id, &guest.inventory, xml::Origin::None).map_err(shown)
}

fn shown(source: &Source, problems: &[Problem]) -> Vec<String> {
    let places = source.places();
    let one = |problem: &Problem| match places.find(problem.origin, &problem.part) {
        Some(place) => format!("{}:{}: {problem}", place.line, place.column),
        None => problem.to_string(),
    };
    problems.iter().map(one).collect()
}

/// Whatever is made can be taken back, and every descriptor goes along with a command.
fn takes_back_what_it_does(change: &Change) -> Result<(), Failed> {
    for step in &change.steps {
        let makes = step.command.execute.contains("add") || step.command.execute == "getfd";
        if makes && step.undo.is_none() {
            return Err(format!("nothing takes '{}' back", step.command.execute).into());
        }
    }
    let opened: BTreeSet<&str> = change.fds.iter().map(|fd| fd.name.as_str()).collect();
    let sent: BTreeSet<&str> =
        change.steps.iter().flat_map(|step| &step.command.fds).map(String::as_str).collect();
    if opened != sent {
        return Err(format!("opened are {opened:?}, sent are {sent:?}").into());
    }
    Ok(())
}

/// A device that was added and is taken away leaves nothing: neither in the document, nor in QEMU.
fn goes_back_to_where_it_was(guest: &Guest, change: &Change) -> Result<(), Failed> {
    let Some(last) = change.steps.iter().rev().find(|it| it.command.execute == "device_add") else {
        return Ok(());
    };
    let device = last.command.arguments["id"].as_str().unwrap_or_default();
    let source = Source::new("after", change.document.clone()).without_places();
    let (after, _) = conf::parse_live(&source).map_err(|_| "the document after it is wrong")?;
    let mut inventory = guest.inventory.clone();
    let told: Vec<_> = change.steps.iter().map(|step| step.command.clone()).collect();
    inventory.add(&told);
    let Some(id) = qemu::alias::Aliases::assign(&after).find(device.trim_end_matches("-device"))
    else {
        return Err(format!("the document after it has no {device}").into());
    };
    let back = detach(&after, id, &inventory, xml::Origin::None)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<String>())?;
    let removal = back.removal.ok_or("nothing is removed")?;
    for device in removal.with.iter().chain([&removal.device]) {
        inventory.remove_device(device);
    }
    inventory.remove(&removal.behind);
    let kept: Vec<String> = inventory.told[guest.inventory.told.len().min(inventory.told.len())..]
        .iter()
        .filter(|told| told.arguments["driver"].as_str().is_none_or(|it| !is_controller(it)))
        .map(|told| Value::String(format!("{} {}", told.execute, told.arguments)).to_string())
        .collect();
    if kept.is_empty() { Ok(()) } else { Err(format!("left behind: {kept:?}").into()) }
}

/// Controllers that came along stay, as libvirt's do.
fn is_controller(driver: &str) -> bool {
    driver.starts_with("virtio-scsi") || driver.starts_with("virtio-serial") || driver == "lsi"
}
