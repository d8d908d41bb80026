//! `validate`: say what is wrong with documents.

use qemu::Mode;

use crate::arguments::Validate;
use crate::document::Document;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

pub(super) fn run(
    arguments: &Validate,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let world = World::elsewhere(environment, &arguments.elsewhere)?;
    let mut exit = Exit::Done;
    for file in &arguments.files {
        let completed = Document::read(file)
            .and_then(|document| document.complete(&world, Mode::Define, &arguments.reading));
        match completed {
            Ok(completed) => {
                output.problems(&completed.source, &completed.warnings);
                let verdict = match completed.warnings.len() {
                    0 => "nothing wrong".to_owned(),
                    1 => "1 warning".to_owned(),
                    number => format!("{number} warnings"),
                };
                if !completed.warnings.is_empty() {
                    exit = Exit::Refused;
                }
                output.text(&format!("{}: {verdict}\n", file.display()))?;
            }
            Err(failure) => exit = output.failure(&failure),
        }
    }
    Ok(exit)
}
