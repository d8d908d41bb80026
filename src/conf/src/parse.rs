//! From a document to a [`Domain`] and back, and the schema of both.

use base::words::Words as _;
use xml::{Grammar, Namespace, Origin, Part, Problem, Source, Tag, Xml};

use crate::device::{DeviceKind, Devices};
use crate::domain::Domain;
use crate::printed::printed;
use crate::qemu_namespace::NAMESPACES;
use crate::step::{
    disk_order, implicit_controllers, iothread_ids, numatune_placement, seclabel_models,
    sysinfo_uuid, thread_tuning,
};

/// Reads a document, with what is to be said about it besides. Lists that libvirt sorts while it
/// reads are sorted.
///
/// libvirt: `virDomainDefParseXML`.
///
/// # Errors
/// Every problem that was found, warnings included, when one of them is an error.
pub fn parse(source: &Source) -> Result<(Domain, Vec<Problem>), Vec<Problem>> {
    let (mut domain, problems) = parse_live(source)?;
    domain.devices.forget_given_aliases();
    Ok((domain, problems))
}

/// Reads the document of a running guest, whose devices keep the names that QEMU knows them by.
///
/// libvirt: `virDomainDefParse` without `VIR_DOMAIN_DEF_PARSE_INACTIVE`.
///
/// # Errors
/// As for [`parse`].
pub fn parse_live(source: &Source) -> Result<(Domain, Vec<Problem>), Vec<Problem>> {
    let (mut domain, mut problems) = xml::read::<Domain>(source, "domain", NAMESPACES)?;
    problems.extend(seclabel_models::check(&domain));
    problems.extend(iothread_ids::run(&mut domain));
    problems.extend(thread_tuning::run(&mut domain));
    problems.extend(numatune_placement::run(&mut domain));
    disk_order::run(&mut domain);
    domain.devices.sort_controllers();
    implicit_controllers::for_hostdevs(&mut domain.devices, &mut problems);
    problems.extend(sysinfo_uuid::run(&mut domain));
    xml::sort_problems(&mut problems);
    if problems.iter().any(Problem::is_error) { Err(problems) } else { Ok((domain, problems)) }
}

/// Reads the document of one device: an element as it stands in `<devices>`. What comes back has that
/// one device.
///
/// libvirt: `virDomainDeviceDefParse`.
///
/// # Errors
/// Every problem that was found, warnings included, when one of them is an error.
pub fn parse_device(source: &Source) -> Result<(Devices, Vec<Problem>), Vec<Problem>> {
    let name = source.root().map_err(|problem| vec![problem])?;
    let (devices, problems) =
        Devices::read_one(source, &name, NAMESPACES).unwrap_or_else(|| {
            let kinds = DeviceKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>();
            let problem =
                Problem::error(Origin::None, Part::Byte(0), format!("<{name}> is no device"));
            Err(vec![problem.expected(format!("one of: {}", kinds.join(", ")))])
        })?;
    Ok((devices, problems))
}

/// Prints a domain as libvirt prints that of a guest that does not run, secrets included.
pub fn print(domain: &Domain) -> String {
    let mut tag = Tag::new("domain");
    printed(domain).print(&mut tag);
    for Namespace { prefix, uri } in NAMESPACES {
        if tag.has_children_in(prefix) {
            tag.attribute(&format!("xmlns:{prefix}"), uri);
        }
    }
    tag.into_text()
}

/// The RELAX NG schema of what [`parse`] reads without a warning.
pub fn schema() -> String {
    let mut grammar = Grammar::default();
    let content = Domain::pattern(&mut grammar);
    grammar.to_text("domain", &content, NAMESPACES)
}
