//! From a document to a [`Domain`] and back, and the schema of both.

use xml::{Grammar, Namespace, Problem, Source, Tag, Xml};

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

/// Prints a domain as libvirt prints that of a guest that does not run, secrets included.
pub fn print(domain: &Domain) -> String {
    let mut tag = Tag::new("domain");
    printed(domain).print(&mut tag);
    for Namespace { prefix, uri } in NAMESPACES {
        if tag.has_children_in(prefix) {
            tag.attribute(&format!("xmlns:{prefix}"), uri);
        }
    }
    tag.to_text()
}

/// The RELAX NG schema of what [`parse`] reads without a warning.
pub fn schema() -> String {
    let mut grammar = Grammar::default();
    let content = Domain::pattern(&mut grammar);
    grammar.to_text("domain", &content, NAMESPACES)
}
