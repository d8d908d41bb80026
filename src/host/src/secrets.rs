//! Secrets: looking where they are, and their values when a guest starts.
//!
//! A directory of secrets has a file `UUID` with the value itself, or `UUID.base64` beside `UUID.xml`
//! as libvirt writes them; the XML says what the secret is used for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use qemu::answers::{Secret, SecretFile};
use qemu::plan::{PlannedSecret, SecretOrigin};
use xml::{Source, Subtree};

use crate::late::LateValues;
use crate::opening::OpenError;

/// The largest value of a secret, in bytes.
///
/// libvirt: `VIR_SECRET_VALUE...` of `src/remote/remote_protocol.x`.
const LARGEST: u64 = 65536;

/// Where a secret's value is, if there is such a secret.
///
/// # Errors
/// A directory is there and cannot be read.
pub fn find(secret: &Secret) -> io::Result<Option<SecretFile>> {
    for directory in secret.directories.iter().map(Path::new) {
        let found = match (&secret.uuid, &secret.usage) {
            (Some(uuid), _) => of_uuid(directory, uuid)?,
            (None, Some(usage)) => of_usage(directory, &secret.kind, usage)?,
            (None, None) => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of_uuid(directory: &Path, uuid: &str) -> io::Result<Option<SecretFile>> {
    for (name, base64) in [(uuid.to_owned(), false), (format!("{uuid}.base64"), true)] {
        let path = directory.join(name);
        if path.try_exists()? {
            return Ok(Some(SecretFile { path: path.display().to_string(), base64 }));
        }
    }
    Ok(None)
}

fn of_usage(directory: &Path, kind: &str, usage: &str) -> io::Result<Option<SecretFile>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    files.sort();
    for file in files {
        if let Some(uuid) = uuid_of(&fs::read_to_string(&file)?, kind, usage)
            && let Some(found) = of_uuid(directory, &uuid)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The UUID of a secret that is used for this.
///
/// libvirt: `virSecretDefParseUsage`.
fn uuid_of(text: &str, kind: &str, usage: &str) -> Option<String> {
    let (secret, _) = xml::read::<Subtree>(&Source::new("secret", text), "secret", &[]).ok()?;
    let found = secret.child("usage")?;
    let element = match kind {
        "volume" => "volume",
        "iscsi" => "target",
        _ => "name",
    };
    let fits = found.attribute("type") == Some(kind) && found.child(element)?.text.trim() == usage;
    fits.then(|| Some(secret.child("uuid")?.text.trim().to_owned()))?
}

/// Reads the values of a plan's secrets, which become late values.
///
/// # Errors
/// The first one that cannot be read.
pub fn fill(secrets: &[PlannedSecret], late: &mut LateValues) -> Result<(), OpenError> {
    for secret in secrets {
        let value = value(&secret.from).map_err(|error| OpenError {
            at: secret.at.clone(),
            purpose: secret.purpose.clone(),
            problem: format!("cannot read its secret: {}", sys::reason(&error)),
            help: None,
        })?;
        late.insert(&secret.late, value);
    }
    Ok(())
}

/// The value in base64.
fn value(from: &SecretOrigin) -> io::Result<String> {
    match from {
        SecretOrigin::Document { value } => Ok(base::base64::encode(value.as_bytes())),
        SecretOrigin::NotExamined { secret } => {
            Err(io::Error::other(format!("nobody has looked for the {secret}")))
        }
        SecretOrigin::File(SecretFile { path, base64 }) => {
            let path = Path::new(path);
            let file = sys::fd::open_file(path, sys::fd::Access::ReadOnly, false)?;
            let mut bytes = Vec::new();
            io::Read::read_to_end(
                &mut io::Read::take(fs::File::from(file), LARGEST + 1),
                &mut bytes,
            )?;
            if bytes.len() as u64 > LARGEST {
                let path = path.display();
                return Err(io::Error::other(format!("'{path}' has more than {LARGEST} bytes")));
            }
            if !base64 {
                return Ok(base::base64::encode(&bytes));
            }
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.split_whitespace().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6fd3f62d-9fe7-4a4e-a869-7acd6376d8ea";

    fn secret(directory: &Path, uuid: Option<&str>, usage: Option<&str>) -> Secret {
        Secret {
            directories: vec!["/no/such".to_owned(), directory.display().to_string()],
            uuid: uuid.map(str::to_owned),
            kind: "ceph".to_owned(),
            usage: usage.map(str::to_owned),
        }
    }

    #[test]
    fn a_file_of_our_own_holds_the_value_itself() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(UUID), "foob").unwrap();

        let file = find(&secret(directory.path(), Some(UUID), None)).unwrap().unwrap();

        assert!(!file.base64);
        assert_eq!(value(&SecretOrigin::File(file)).unwrap(), "Zm9vYg==");
    }

    #[test]
    fn libvirts_secrets_are_found_by_what_they_are_used_for() {
        let directory = tempfile::tempdir().unwrap();
        let xml = format!(
            "<secret ephemeral='no'><uuid>{UUID}</uuid>\
             <usage type='ceph'><name>client.admin</name></usage></secret>"
        );
        fs::write(directory.path().join(format!("{UUID}.xml")), xml).unwrap();
        let wanted = secret(directory.path(), None, Some("client.admin"));
        // Its value was never set.
        assert_eq!(find(&wanted).unwrap(), None);
        fs::write(directory.path().join(format!("{UUID}.base64")), "Zm9v\n").unwrap();

        let file = find(&wanted).unwrap().unwrap();

        assert_eq!(value(&SecretOrigin::File(file)).unwrap(), "Zm9v");
        let other = Secret { kind: "iscsi".to_owned(), ..wanted };
        assert_eq!(find(&other).unwrap(), None);
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_named_by_its_place() {
        let from = SecretOrigin::File(SecretFile { path: "/no/such".to_owned(), base64: false });
        let planned = PlannedSecret {
            late: "x".to_owned(),
            from,
            purpose: "disk vda".to_owned(),
            at: Some("a.xml:3:5".to_owned()),
            ..PlannedSecret::default()
        };

        let error = fill(&[planned], &mut LateValues::default()).unwrap_err();

        assert_eq!(
            error.to_string(),
            "a.xml:3:5: disk vda: cannot read its secret: cannot open '/no/such': no such file or \
             directory"
        );
    }
}
