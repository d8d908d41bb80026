//! A process that becomes another program.

use std::convert::Infallible;
use std::io::{self, Write};

use super::Process;
use super::program::{Prepared, Program, pointers};

impl Program {
    /// Becomes the program: this process goes on as it, with its number and its children, and with
    /// the descriptors that are given and no others. It does not become the leader of a session.
    ///
    /// Does not return once it has begun: where the program cannot be executed then, the process
    /// ends with status 127.
    ///
    /// # Errors
    ///
    /// As for [`Program::spawn`], as far as they show before anything is done.
    pub fn replace(mut self) -> io::Result<Infallible> {
        self.own_session = false;
        let prepared = Prepared::new(&mut self)?;
        let (argv, environment) = (pointers(&prepared.argv), pointers(&prepared.environment));
        // SAFETY: the pointers are ended by null and live on. Other threads end with the exec; until
        // then they may find their descriptors replaced, and whatever they do is not ours any more.
        let (step, errno) = unsafe { prepared.run(&argv, &environment, &mut self.before_exec) };
        // Descriptors are not what they were, so there is no way back.
        let error = self.describe(step, errno);
        let _ = writeln!(io::stderr(), "{error}");
        // SAFETY: nothing of this process is run any more.
        unsafe { libc::_exit(127) }
    }
}

impl Process {
    /// Whether the process is a child of this one, which alone can learn how it ends.
    ///
    /// # Errors
    ///
    /// `NotFound` when it has ended and been reaped.
    pub fn is_child(&self) -> io::Result<bool> {
        Ok(self.stat(1)? == u64::from(std::process::id()))
    }
}
