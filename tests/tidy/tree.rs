//! The files of the project, with paths relative to its top.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories and files that hold the project, as opposed to what is built.
const PARTS: &[&str] = &[
    "src",
    "tests",
    "benches",
    "fuzz/Cargo.toml",
    "fuzz/fuzz_targets",
    "scripts",
    "schemas",
    "docs",
    ".ci",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];

/// A crate of the workspace.
pub(crate) struct Crate {
    /// The directory below `src`, which is also the name by which others depend on it.
    pub(crate) name: String,
    /// `src/NAME`.
    pub(crate) directory: PathBuf,
}

/// A file's path turned into where it is on this machine.
fn absolute(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The text of a file; empty if it is not text.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let bytes = fs::read(absolute(path.as_ref()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
    String::from_utf8(bytes).unwrap_or_default()
}

/// Fails if a generated file is not kept as it is generated; with `BLESS=1`, writes it first.
#[track_caller]
pub(crate) fn assert_kept(file: &str, generated: &str, test: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(absolute(Path::new(file)), generated).unwrap();
    }
    let kept = if exists(Path::new(file)) { read(file) } else { String::new() };
    let differs = kept.lines().zip(generated.lines()).position(|(kept, new)| kept != new);
    assert!(
        kept == generated,
        "{file}:{}: is generated and out of date; run `BLESS=1 cargo test --test tidy {test}`",
        differs.map_or(1, |at| at + 1)
    );
}

/// Whether there is a file or directory.
pub(crate) fn exists(path: &Path) -> bool {
    absolute(path).exists()
}

/// All files of the project, sorted.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = PARTS.iter().flat_map(below).collect();
    found.sort();
    found
}

/// All files below a directory, or the file itself, or nothing where there is neither.
pub(crate) fn below(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let path = path.as_ref();
    let absolute = absolute(path);
    if absolute.is_file() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = fs::read_dir(absolute) else { return Vec::new() };
    entries.flat_map(|entry| below(path.join(entry.unwrap().file_name()))).collect()
}

/// The crates in the order in which the workspace lists them.
pub(crate) fn crates() -> Vec<Crate> {
    let found: Vec<Crate> = read("Cargo.toml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"src/")?.strip_suffix("\","))
        .map(|name| Crate { name: name.to_owned(), directory: Path::new("src").join(name) })
        .collect();
    assert!(!found.is_empty(), "Cargo.toml lists its members one a line");
    found
}

/// Whether a file has this extension.
pub(crate) fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
