//! Where things are kept.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::name::Name;
use crate::run::RunDirectory;

/// The longest path of a UNIX socket, without the zero byte at its end (Linux: `unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// Where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Definitions, `NAME.xml`.
    pub definitions: PathBuf,
    /// TPM state, saved state, NVRAM that is made here.
    pub state: PathBuf,
    /// Secrets, a file each, which the user puts there.
    pub secrets: PathBuf,
    /// Units of systemd that start guests with the host.
    pub units: PathBuf,
    /// Running guests, a directory each. Gone after a reboot of the host.
    pub run: PathBuf,
    /// What can be found out again.
    pub cache: PathBuf,
}

impl Directories {
    /// Of guests that run as root.
    pub fn system() -> Self {
        Self {
            definitions: "/etc/vdomain/domains".into(),
            state: "/var/lib/vdomain".into(),
            secrets: "/etc/vdomain/secrets".into(),
            units: "/etc/systemd/system".into(),
            run: "/run/vdomain".into(),
            cache: "/var/cache/vdomain".into(),
        }
    }

    /// Of a user's guests, below the directories that the XDG specification names.
    pub fn user(config: &Path, state: &Path, runtime: &Path, cache: &Path) -> Self {
        Self {
            definitions: config.join("vdomain/domains"),
            state: state.join("vdomain"),
            secrets: config.join("vdomain/secrets"),
            units: config.join("systemd/user"),
            run: runtime.join("vdomain"),
            cache: cache.join("vdomain"),
        }
    }

    /// All below one directory, for trying out and for tests.
    pub fn below(home: &Path) -> Self {
        Self {
            definitions: home.join("domains"),
            state: home.join("state"),
            secrets: home.join("secrets"),
            units: home.join("units"),
            run: home.join("run"),
            cache: home.join("cache"),
        }
    }

    /// The run-time directory of a guest.
    ///
    /// # Errors
    /// A path of a socket in it that is longer than the kernel takes.
    pub fn run_of(&self, name: &Name) -> Result<RunDirectory, Error> {
        let run = RunDirectory::new(self.run.join(name.as_str()), name.clone(), self.state.clone());
        let path = run.longest_socket();
        let length = path.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            let name = name.to_string();
            return Err(Error::SocketPath { name, path, length, limit: MAX_SOCKET_PATH });
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_is_too_long_is_refused() {
        let directories = Directories::below(Path::new("/tmp/x"));
        assert!(directories.run_of(&Name::new("a".repeat(60)).unwrap()).is_ok());
        let error = directories.run_of(&Name::new("a".repeat(100)).unwrap()).unwrap_err();
        assert!(error.to_string().contains("at most 107"), "{error}");
    }
}
