//! The machine that a guest gets is the one that libvirt gives it.

use std::sync::Arc;

use qemu::plan::{Options, Plan};
use qemu::{Answers, CompleteDomain};
use xml::Problem;

use crate::comparison::Comparison;
use crate::corpus::{Corpus, Document};
use crate::world::{OF_CASES, World};
use crate::{Case, Outcome};

/// One case for each document of which it is known with what arguments libvirt starts it; none, and
/// a word to the person who runs this, where nothing can compare.
pub(crate) fn cases(corpus: &Corpus) -> Result<Vec<Case>, String> {
    let comparison = match Comparison::start(&corpus.tool("abi-compare")) {
        Ok(comparison) => Arc::new(comparison),
        Err(reason) => {
            crate::say(&format!("conformance: machines are not compared: {reason}"));
            return Ok(Vec::new());
        }
    };
    let special = corpus.json("libvirt/special.json")?;
    let of_cases = Arc::new(World::read(corpus, OF_CASES)?);
    let mut cases = Vec::new();
    for document in corpus.inputs() {
        let changes = special[&document.name].clone();
        let variant = changes["variant"].as_str();
        if let Ok(arguments) = corpus.of_case(&document.name, variant, "args") {
            let name = format!("machine/{}", document.name);
            let (world, comparison) = (Arc::clone(&of_cases), Arc::clone(&comparison));
            cases.push(Case::new(name, move || {
                is_same(&document, &world.changed(&changes), &arguments, &comparison)
            }));
        }
    }
    let of_real = Arc::new(World::real(corpus)?);
    for document in corpus.stored() {
        let name = document.name.trim_end_matches(".libvirt").to_owned();
        if let Ok(arguments) = corpus.text(&format!("real/{name}.args")) {
            let name = format!("machine-real/{name}");
            let (world, comparison) = (Arc::clone(&of_real), Arc::clone(&comparison));
            cases
                .push(Case::new(name, move || is_same(&document, &world, &arguments, &comparison)));
        }
    }
    Ok(cases)
}

fn is_same(
    document: &Document,
    world: &World,
    arguments: &str,
    comparison: &Comparison,
) -> Outcome {
    let domain = world.completed(document)?;
    let plan = serde_json::to_value(planned(&domain, world)?).map_err(|error| error.to_string())?;
    comparison.of(&plan, arguments)
}

/// The plan of a start in a world of which nothing is looked at.
pub(crate) fn planned(domain: &CompleteDomain, world: &World) -> Result<Plan, String> {
    let options = Options::default();
    let answers = Answers::default();
    qemu::plan::plan(domain, &world.capabilities, &world.host, &answers, &options).map_err(
        |problems: Vec<Problem>| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("refused: {}", lines.join("\n"))
        },
    )
}
