//! Where the documents are, and what is known of each.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The directory of documents.
pub(crate) struct Corpus {
    root: PathBuf,
}

/// A document of the corpus.
#[derive(Clone)]
pub(crate) struct Document {
    /// Its file name without `.xml`.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// What the libvirt that stored documents, 12.8, prints otherwise than 11.3 does.
const PRINTED_OTHERWISE: &[(&str, &str)] =
    &[("<hyperv mode='passthrough'/>", "<hyperv mode='passthrough'>\n    </hyperv>")];

/// A document and what a libvirt stored of it.
pub(crate) struct Stored {
    /// What it was given.
    pub(crate) given: Document,
    /// What it stored.
    pub(crate) stored: Document,
    /// Whether it was given without `<emulator>`.
    pub(crate) without_emulator: bool,
    /// Whether it was given the newest machine of a kind in place of a version.
    pub(crate) generic_machine: bool,
}

impl Corpus {
    /// Finds the corpus.
    ///
    /// # Errors
    /// Where it was looked for.
    pub(crate) fn find() -> Result<Self, String> {
        let root = match env::var_os("VDOMAIN_CORPUS") {
            Some(root) => PathBuf::from(root),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        };
        if root.is_dir() {
            return Ok(Self { root });
        }
        Err(format!(
            "conformance: no documents at {}; set VDOMAIN_CORPUS to where they are",
            root.display()
        ))
    }

    /// What libvirt's own tests expect it to print.
    pub(crate) fn expected(&self) -> Vec<Document> {
        let is_expected = |name: &str| name.contains(".x86_64-latest");
        self.documents("libvirt/cases", is_expected)
    }

    /// What libvirt's own tests read without an error.
    pub(crate) fn inputs(&self) -> Vec<Document> {
        let directory = self.root.join("libvirt/cases");
        let is_input = |name: &str| {
            !name.contains(".x86_64-latest")
                && directory.join(format!("{name}.x86_64-latest.xml")).exists()
        };
        self.documents("libvirt/cases", is_input)
    }

    /// What libvirt's own tests expect it to refuse: already when it reads a document, or only when
    /// it starts the guest.
    pub(crate) fn refused(&self, at_start: bool) -> Vec<Document> {
        let directory = self.root.join("libvirt/cases");
        let is_refused = |name: &str| {
            let exists = |what| directory.join(format!("{name}.x86_64-latest.{what}")).exists();
            !name.contains(".x86_64-latest") && exists("err") && exists("xml") == at_start
        };
        self.documents("libvirt/cases", is_refused)
    }

    /// What people and tools wrote and libvirt accepted.
    pub(crate) fn accepted(&self) -> Vec<Document> {
        let directory = self.root.join("real");
        let is_accepted = |name: &str| directory.join(format!("{name}.libvirt.xml")).exists();
        self.documents("real", is_accepted)
    }

    /// What libvirt made of the documents that it accepted. `virsh` ends them with an empty line.
    pub(crate) fn stored(&self) -> Vec<Document> {
        let mut documents = self.documents("real", |name| name.ends_with(".libvirt"));
        for document in &mut documents {
            document.text.truncate(document.text.trim_end().len());
            document.text.push('\n');
            for (newer, older) in PRINTED_OTHERWISE {
                document.text = document.text.replace(newer, older);
            }
        }
        documents
    }

    /// What people and tools wrote and a libvirt was told to store, as the list of them says.
    ///
    /// # Errors
    /// Why the list cannot be read.
    pub(crate) fn definitions(&self) -> Result<Vec<Stored>, String> {
        let manifest = self.text("real/MANIFEST.tsv")?;
        let mut stored: BTreeMap<String, Document> = self
            .stored()
            .into_iter()
            .map(|document| (document.name.trim_end_matches(".libvirt").to_owned(), document))
            .collect();
        let mut definitions = Vec::new();
        for line in manifest.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [file, .., how, _] = &columns[..] else { continue };
            let name = file.trim_end_matches(".xml");
            let Some(stored) = stored.remove(name) else { continue };
            let how = how.rsplit(':').next().unwrap_or_default();
            definitions.push(Stored {
                given: Document {
                    name: name.to_owned(),
                    text: self.text(&format!("real/{file}"))?,
                },
                stored,
                without_emulator: how != "A",
                generic_machine: how == "C",
            });
        }
        Ok(definitions)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn text(&self, path: &str) -> Result<String, String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What libvirt makes of a case: a file with this ending, of the case's changed world where that
    /// makes a difference.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn of_case(
        &self,
        name: &str,
        variant: Option<&str>,
        ending: &str,
    ) -> Result<String, String> {
        let text =
            |variant| self.text(&format!("libvirt/cases/{name}.x86_64-latest{variant}.{ending}"));
        variant.and_then(|variant| text(variant).ok()).map_or_else(|| text(""), Ok)
    }

    /// Where a program lies that comes with the corpus.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.root.join("../tools").join(name)
    }

    /// What a file of JSON says.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn json(&self, path: &str) -> Result<Value, String> {
        serde_json::from_str(&self.text(path)?).map_err(|error| format!("{path}: {error}"))
    }

    fn documents(&self, directory: &str, wanted: impl Fn(&str) -> bool) -> Vec<Document> {
        let directory = self.root.join(directory);
        let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".xml").map(str::to_owned))
            .filter(|name| wanted(name))
            .collect();
        names.sort();
        names
            .into_iter()
            .filter_map(|name| {
                let text = fs::read_to_string(directory.join(format!("{name}.xml"))).ok()?;
                Some(Document { name, text })
            })
            .collect()
    }
}
