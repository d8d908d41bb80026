//! Guests that are started with the host: a unit of systemd each.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::name::Name;

/// The units in a directory that start guests with the host.
#[derive(Clone, Debug)]
pub struct Autostart {
    directory: PathBuf,
    target: &'static str,
}

/// What the unit of a guest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// This program.
    pub program: PathBuf,
    /// What of the environment says where things are kept: names and values.
    pub environment: Vec<(String, String)>,
}

/// How long a guest may take to shut down when the host does, in seconds.
const STOP_LIMIT: u32 = 90;

impl Autostart {
    /// The units in `directory`, which need not exist yet. Those of the system are started with it,
    /// those of a user when the user's first session begins, or with the system where the user
    /// lingers.
    pub fn new(directory: impl Into<PathBuf>, of_system: bool) -> Self {
        let target = if of_system { "multi-user.target" } else { "default.target" };
        Self { directory: directory.into(), target }
    }

    /// The unit of a guest.
    pub fn path(&self, name: &Name) -> PathBuf {
        self.directory.join(Self::unit_of(name))
    }

    /// What makes systemd start it.
    fn link(&self, name: &Name) -> PathBuf {
        self.directory.join(format!("{}.wants", self.target)).join(Self::unit_of(name))
    }

    /// The name of the unit of a guest. `@` makes `systemctl list-units 'vdomain-autostart@*'` list
    /// them all.
    pub fn unit_of(name: &Name) -> String {
        format!("vdomain-autostart@{}.service", name.in_unit())
    }

    /// Whether a guest is started with the host.
    pub fn is_enabled(&self, name: &Name) -> bool {
        self.link(name).symlink_metadata().is_ok()
    }

    /// Has a guest started with the host.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn enable(&self, name: &Name, unit: &Unit) -> Result<(), Error> {
        let (path, link) = (self.path(name), self.link(name));
        let wants = link.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(wants).map_err(Error::io("make the directory", wants))?;
        sys::file::atomic_write(&path, self.text(name, unit).as_bytes(), 0o644)
            .map_err(Error::File)?;
        match symlink(Path::new("..").join(Self::unit_of(name)), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("make the link", link)(error))
            }
            _ => Ok(()),
        }
    }

    /// Has a guest no longer started with the host; `false` if it was not.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn disable(&self, name: &Name) -> Result<bool, Error> {
        let mut was_there = false;
        // The link first: one that leads nowhere would be a failure at the next start.
        for path in [self.link(name), self.path(name)] {
            match fs::remove_file(&path) {
                Ok(()) => was_there = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", path)(error)),
            }
        }
        Ok(was_there)
    }

    /// Source: `systemd.unit(5)`, `systemd.service(5)`.
    fn text(&self, name: &Name, unit: &Unit) -> String {
        let name = quoted(name.as_str());
        let program = quoted(&unit.program.to_string_lossy());
        let environment: String = unit
            .environment
            .iter()
            .map(|(variable, value)| {
                format!("Environment={}\n", quoted(&format!("{variable}={value}")))
            })
            .collect();
        format!(
            "# Made by `vdomain autostart`, and removed by `vdomain autostart --disable`.
[Unit]
Description=Guest {name} of vdomain
Wants=network-online.target
After=network-online.target remote-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
{environment}ExecStart={program} start {name}
ExecStop={program} shutdown --timeout {STOP_LIMIT} --mode agent,acpi,destroy {name}
TimeoutStopSec={}
# It may run already, or have powered itself off.
SuccessExitStatus=4
KillMode=mixed

[Install]
WantedBy={}
",
            STOP_LIMIT + 30,
            self.target
        )
    }
}

/// A text as one word of a setting, in which nothing is replaced.
///
/// Source: `systemd.service(5)`, "Command lines"; `systemd.unit(5)`, "Specifiers".
fn quoted(text: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c));
    if !text.is_empty() && !text.contains(special) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '%' | '$' => quoted.extend([letter, letter]),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        Unit {
            program: "/usr/bin/vdomain".into(),
            environment: vec![("VDOMAIN_HOME".to_owned(), "/srv/my guests".to_owned())],
        }
    }

    #[test]
    fn a_guest_that_is_enabled_has_a_unit_and_a_link_to_it() {
        let home = tempfile::tempdir().unwrap();
        let autostart = Autostart::new(home.path().join("units"), true);
        let name = Name::new("web 1-a").unwrap();

        autostart.enable(&name, &unit()).unwrap();
        autostart.enable(&name, &unit()).unwrap();

        let file = "vdomain-autostart@web\\x201\\x2da.service";
        let link = home.path().join("units/multi-user.target.wants").join(file);
        let text = fs::read_to_string(&link).unwrap();
        assert_eq!(text, fs::read_to_string(home.path().join("units").join(file)).unwrap());
        assert!(text.contains("ExecStart=/usr/bin/vdomain start \"web 1-a\"\n"), "{text}");
        assert!(text.contains("Environment=\"VDOMAIN_HOME=/srv/my guests\"\n"), "{text}");
        assert!(autostart.is_enabled(&name));
    }

    #[test]
    fn nothing_is_left_of_a_guest_that_is_disabled() {
        let home = tempfile::tempdir().unwrap();
        let autostart = Autostart::new(home.path(), false);
        let name = Name::new("web1").unwrap();
        autostart.enable(&name, &unit()).unwrap();

        assert!(autostart.disable(&name).unwrap());
        assert!(!autostart.disable(&name).unwrap());

        assert!(!autostart.is_enabled(&name));
        let wants = home.path().join("default.target.wants");
        assert_eq!(fs::read_dir(wants).unwrap().count(), 0);
        assert!(!autostart.path(&name).exists());
    }

    #[test]
    fn what_systemd_would_replace_is_left_as_it_is() {
        assert_eq!(quoted("a%b$c\"d"), "\"a%%b$$c\\\"d\"");
        assert_eq!(quoted("/usr/bin/vdomain"), "/usr/bin/vdomain");
    }
}
