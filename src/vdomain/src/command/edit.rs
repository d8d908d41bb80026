//! `edit`: change the document of a domain in an editor.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use qemu::Mode;
use store::{Definitions, Name};

use crate::arguments::{One, Reading};
use crate::document::{Completed, Document};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

/// The editor of those who have not said which they like.
const EDITOR: &str = "vi";

pub(super) fn run(
    one: &One,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&one.name, environment)?;
    let before = domains::stored(&name, environment)?;
    let draft = Draft::new(&name, &before, environment)?;
    let completed = loop {
        draft.edit(environment)?;
        let text = draft.read()?;
        if text == before {
            draft.discard();
            output.say(format_args!("Domain '{name}' XML configuration not changed"));
            return Ok(Exit::Done);
        }
        match accept(&name, &draft, text, &before, environment) {
            Ok(completed) => break completed,
            Err(failure) => {
                let exit = output.failure(&failure);
                if !again(output) {
                    output.say(format_args!("The text is kept in {}", draft.path.display()));
                    return Ok(exit);
                }
            }
        }
    };
    completed.say(output);
    let definitions = Definitions::new(&environment.directories.definitions);
    let lock = definitions.lock()?;
    if definitions.read(&name)?.as_deref() != Some(&before) {
        return Err(Failure::refused(format!("domain '{name}' was changed meanwhile"))
            .help(format!("your text is kept in {}", draft.path.display())));
    }
    definitions.write(&name, &conf::print(&completed.domain))?;
    drop(lock);
    draft.discard();
    output.say(format_args!("Domain '{name}' XML configuration edited"));
    Ok(Exit::Done)
}

/// The text that is edited: a file of its own, so that nothing is lost and nothing is half changed.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn new(name: &Name, text: &[u8], environment: &Environment) -> Result<Self, Failure> {
        let directory = environment.variables.get("TMPDIR").map_or("/tmp", String::as_str);
        let path = Path::new(directory).join(format!("vdomain-{}-{name}.xml", std::process::id()));
        let write = || {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(text)
        };
        write().map_err(failed("write", &path))?;
        Ok(Self { path })
    }

    /// Has the user edit it.
    fn edit(&self, environment: &Environment) -> Result<(), Failure> {
        let set = |variable: &&str| environment.variables.get(*variable).filter(|e| !e.is_empty());
        let editor = ["VISUAL", "EDITOR"].iter().find_map(set).map_or(EDITOR, String::as_str);
        // By a shell, as the variables may hold options too.
        let ended = Command::new("sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(&self.path)
            .status()
            .map_err(failed("edit", &self.path))?;
        if ended.success() {
            return Ok(());
        }
        Err(Failure::refused(format!("the editor '{editor}' ended with {ended}")).help(format!(
            "name another one in $VISUAL or $EDITOR; the text is kept in {}",
            self.path.display()
        )))
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        fs::read(&self.path).map_err(failed("read", &self.path))
    }

    fn discard(&self) {
        // What stays behind is a copy in a directory for such.
        let _ = fs::remove_file(&self.path);
    }
}

/// Completes what was edited as `define` does, or says what is wrong with it.
fn accept(
    name: &Name,
    draft: &Draft,
    text: Vec<u8>,
    before: &[u8],
    environment: &Environment,
) -> Result<Completed, Failure> {
    let mut document = Document::from_bytes(&draft.path.display().to_string(), text)?;
    if document.domain.name != name.as_str() {
        let now = &document.domain.name;
        return Err(Failure::refused(format!("the name was changed from '{name}' to '{now}'"))
            .help(format!("`vdomain domrename {name} {now}` does that")));
    }
    // A damaged definition can be put right too; then there is nothing to compare with.
    if let Ok(old) = Document::from_bytes("", before.to_vec()) {
        let (old_uuid, uuid) = (old.domain.uuid, document.domain.uuid);
        if let (Some(old_uuid), Some(uuid)) = (old_uuid, uuid)
            && old_uuid != uuid
        {
            return Err(Failure::refused(format!("the UUID was changed to {uuid}"))
                .help(format!("it stays {old_uuid}; `define` another name for another domain")));
        }
        qemu::complete::keep_identity(&mut document.domain, &old.domain);
    }
    document.complete(&World::here(environment), Mode::Define, &Reading::default())
}

/// Whether the user wants to edit once more; where nobody can be asked, not.
fn again(output: &mut Output) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    output.say("Failed. Try again? [Y/n]");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok_and(|count| count > 0) && !answer.trim().to_lowercase().starts_with('n')
}

fn failed(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        Failure::refused(format!("cannot {action} '{}': {}", path.display(), sys::reason(&error)))
    }
}
