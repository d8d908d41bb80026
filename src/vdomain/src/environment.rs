//! What the program's environment says: the only place that reads it.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use store::Directories;

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
        Ok(Self { directories, privileged, machined, variables })
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
