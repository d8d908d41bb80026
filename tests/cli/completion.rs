//! Completion of command lines by shells.

use crate::common::{Home, run};
use crate::document;

/// What bash is told for a command line whose last word is being typed.
fn complete(home: &Home, words: &[&str]) -> Vec<String> {
    let mut command = home.command(&["--"]);
    command.args(words).env("COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    run(command).done().out.lines().map(str::to_owned).collect()
}

#[test]
fn commands_and_names_of_domains_are_completed() {
    let Some(home) = Home::with_qemu() else { return };
    for name in ["web1", "web2", "database"] {
        home.define(&document(name, ""));
    }

    assert_eq!(complete(&home, &["vdomain", "domblki"]), ["domblkinfo"]);
    assert_eq!(complete(&home, &["vdomain", "start", "web"]), ["web1", "web2"]);
    assert_eq!(complete(&home, &["vdomain", "destroy", "web1", "d"]), ["database"]);
    assert_eq!(complete(&home, &["vdomain", "wait", "web1", "--for", "sh"]), ["shutoff"]);
}

#[test]
fn where_nothing_can_be_read_nothing_is_said() {
    let home = Home::new();

    assert!(complete(&home, &["vdomain", "start", "web"]).is_empty());
}

#[test]
fn each_shell_is_told_how_to_ask() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let mut command = home.command(&[]);
        command.env("COMPLETE", shell);
        let script = run(command).done().out;
        assert!(script.contains("COMPLETE") && script.contains("vdomain"), "{shell}: {script}");
    }
}
