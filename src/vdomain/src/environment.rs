//! What the program's environment says: the only place that reads it.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use store::Directories;
use supervisor::units::Units;

use crate::failure::Failure;

/// What the program's environment says.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Where things are kept.
    pub(crate) directories: Directories,
    /// Whether it runs as root.
    pub(crate) privileged: bool,
    /// Where systemd-machined listens, if guests are to be registered with it.
    pub(crate) machined: Option<PathBuf>,
    /// How systemd is asked for units of their own for guests, if they are to have them.
    pub(crate) units: Option<Units>,
    /// How systemd is asked for the scope of a guest that is limited.
    pub(crate) systemd: Option<Units>,
    /// All variables that are text.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Result<Self, Failure> {
        let variables: BTreeMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let privileged = sys::process::is_root();
        let directories = directories(&variables, privileged)?;
        let machined = machined(&variables, privileged).filter(|socket| socket.exists());
        let units = units(&variables, privileged, Path::exists);
        let systemd = systemd(&variables, privileged, Path::exists);
        Ok(Self { directories, privileged, machined, units, systemd, variables })
    }

    /// What looking at this machine starts from.
    pub(crate) fn given(&self) -> host::Given {
        host::Given {
            privileged: self.privileged,
            environment: self.variables.clone(),
            state: self.directories.state.clone(),
            run: self.directories.run.clone(),
            secrets: self.directories.secrets.clone(),
        }
    }
}

/// Where systemd-machined would listen: in the host's or the user's run-time directory, or where
/// `VDOMAIN_MACHINED` says. Guests that are kept elsewhere are nobody's business unless it is said.
fn machined(variables: &BTreeMap<String, String>, privileged: bool) -> Option<PathBuf> {
    const SOCKET: &str = "systemd/machine/io.systemd.Machine";
    match variables.get("VDOMAIN_MACHINED").map(String::as_str) {
        Some("off") => None,
        Some(path) if path.starts_with('/') => Some(path.into()),
        _ if variables.contains_key("VDOMAIN_HOME") => None,
        _ if privileged => Some(PathBuf::from("/run").join(SOCKET)),
        _ => Some(PathBuf::from(variables.get("XDG_RUNTIME_DIR")?).join(SOCKET)),
    }
}

/// Where systemd says which users' managers run without a session.
pub(crate) const LINGER: &str = "/var/lib/systemd/linger";

/// How systemd is asked for units, if guests are to have them. A manager that ends with the user's last
/// session would take guests with it, so there it must be wanted.
fn units(
    variables: &BTreeMap<String, String>,
    privileged: bool,
    exists: impl Fn(&Path) -> bool,
) -> Option<Units> {
    let wanted = variables.get("VDOMAIN_UNITS").is_some_and(|wanted| wanted == "on");
    if variables.contains_key("VDOMAIN_HOME") && !wanted {
        return None;
    }
    let stays = || Some(exists(&Path::new(LINGER).join(variables.get("USER")?)));
    match privileged || wanted || stays()? {
        true => systemd(variables, privileged, &exists),
        false => None,
    }
}

/// How systemd is asked: the system's manager by root, a user's by the user.
fn systemd(
    variables: &BTreeMap<String, String>,
    privileged: bool,
    exists: impl Fn(&Path) -> bool,
) -> Option<Units> {
    if variables.get("VDOMAIN_UNITS").is_some_and(|wanted| wanted == "off") {
        return None;
    }
    let user = match privileged {
        true => None,
        false => Some(PathBuf::from(variables.get("XDG_RUNTIME_DIR")?)),
    };
    let manager = user.as_deref().unwrap_or(Path::new("/run")).join("systemd/private");
    if !exists(&manager) {
        return None;
    }
    let mut places = env::split_paths(variables.get("PATH")?);
    let busctl = places.find_map(|place| Some(place.join("busctl")).filter(|path| exists(path)))?;
    let program = env::current_exe().ok().filter(|path| exists(path))?;
    Some(Units { busctl, program, user })
}

fn directories(
    variables: &BTreeMap<String, String>,
    privileged: bool,
) -> Result<Directories, Failure> {
    let path = |name: &str| variables.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(home) = path("VDOMAIN_HOME") {
        let home = std::path::absolute(&home)
            .map_err(|error| Failure::refused(format!("VDOMAIN_HOME: {}", sys::reason(&error))))?;
        return Ok(Directories::below(&home));
    }
    if privileged {
        return Ok(Directories::system());
    }
    let home = path("HOME").ok_or_else(|| {
        Failure::refused("HOME is not set").help("set it, or VDOMAIN_HOME, to a directory of yours")
    })?;
    let runtime = path("XDG_RUNTIME_DIR").ok_or_else(|| {
        Failure::refused("XDG_RUNTIME_DIR is not set").help(
            "log in through PAM's systemd module, or set VDOMAIN_HOME to a directory of yours",
        )
    })?;
    let or = |name: &str, below: &str| path(name).unwrap_or_else(|| home.join(below));
    Ok(Directories::user(
        &or("XDG_CONFIG_HOME", ".config"),
        &or("XDG_STATE_HOME", ".local/state"),
        &runtime,
        &or("XDG_CACHE_HOME", ".cache"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_home_of_its_own_goes_before_everything() {
        let found = directories(&variables(&[("VDOMAIN_HOME", "/x")]), true).unwrap();
        assert_eq!(found.definitions, PathBuf::from("/x/domains"));
    }

    #[test]
    fn guests_are_registered_where_machined_is_unless_it_is_off() {
        let found = |pairs: &[(&str, &str)], privileged| machined(&variables(pairs), privileged);
        let system = "/run/systemd/machine/io.systemd.Machine";
        assert_eq!(found(&[], true), Some(system.into()));
        let runtime = ("XDG_RUNTIME_DIR", "/run/user/1");
        let user = "/run/user/1/systemd/machine/io.systemd.Machine";
        assert_eq!(found(&[runtime], false), Some(user.into()));
        assert_eq!(found(&[("VDOMAIN_MACHINED", "off")], true), None);
        let home = ("VDOMAIN_HOME", "/x");
        assert_eq!(found(&[home], true), None);
        assert_eq!(found(&[home, ("VDOMAIN_MACHINED", "/m")], true), Some("/m".into()));
    }

    #[test]
    fn guests_have_units_where_the_service_manager_stays() {
        let found = |pairs: &[(&str, &str)], privileged, missing: &str| {
            let path = [("PATH", "/usr/bin")];
            let all: Vec<_> = pairs.iter().chain(&path).copied().collect();
            units(&variables(&all), privileged, |path| path != Path::new(missing))
        };
        let system = found(&[], true, "").unwrap();
        assert_eq!((system.busctl, system.user), ("/usr/bin/busctl".into(), None));
        let user = [("XDG_RUNTIME_DIR", "/run/user/1"), ("USER", "u")];
        assert_eq!(found(&user, false, "").unwrap().user, Some("/run/user/1".into()));
        assert_eq!(found(&user, false, "/var/lib/systemd/linger/u"), None);
        assert_eq!(found(&[], true, "/run/systemd/private"), None);
        assert_eq!(found(&[], true, "/usr/bin/busctl"), None);
        assert_eq!(found(&[("VDOMAIN_UNITS", "off")], true, ""), None);
        assert_eq!(found(&[("VDOMAIN_HOME", "/x")], true, ""), None);
        let wanted = [("VDOMAIN_HOME", "/x"), ("VDOMAIN_UNITS", "on")];
        assert!(found(&wanted, true, "").is_some());
    }

    #[test]
    fn a_user_has_the_xdg_directories() {
        let found = directories(
            &variables(&[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/1")]),
            false,
        )
        .unwrap();
        assert_eq!(found.definitions, PathBuf::from("/home/u/.config/vdomain/domains"));
        assert_eq!(found.run, PathBuf::from("/run/user/1/vdomain"));
    }

    #[test]
    fn a_user_without_a_runtime_directory_is_told_what_to_set() {
        assert!(directories(&variables(&[("HOME", "/home/u")]), false).is_err());
    }
}
