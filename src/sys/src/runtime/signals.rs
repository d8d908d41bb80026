//! Signals that ask the process to end, as values.

use std::io;

use async_signal::Signal;
use futures_lite::StreamExt;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationSignal {
    /// `SIGHUP`: the terminal is gone.
    Hangup,
    /// `SIGINT`: the user pressed ^C.
    Interrupt,
    /// `SIGTERM`: a service manager or `kill`.
    Terminate,
}

/// Termination signals as they come; from its making on they no longer end the process by
/// themselves, also after it is dropped.
#[derive(Debug)]
pub struct Signals(async_signal::Signals);

impl Signals {
    /// Starts listening. No signal is blocked, so that children have nothing to take back.
    ///
    /// # Errors
    ///
    /// Those of sigaction(2).
    pub fn new() -> io::Result<Self> {
        Ok(Self(async_signal::Signals::new([Signal::Hup, Signal::Int, Signal::Term])?))
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    ///
    /// Those of reading the descriptor through which the handler speaks.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the signal is there next time.
    pub async fn next(&mut self) -> io::Result<TerminationSignal> {
        match self.0.next().await.expect("the stream of signals never ends")? {
            Signal::Hup => Ok(TerminationSignal::Hangup),
            Signal::Int => Ok(TerminationSignal::Interrupt),
            _ => Ok(TerminationSignal::Terminate),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::{self, Process};
    use crate::runtime::{block_on, within};

    #[test]
    fn a_termination_signal_becomes_a_value() {
        let mut signals = Signals::new().unwrap();

        Process::open(std::process::id()).unwrap().kill(process::Signal::TERM).unwrap();
        let signal = block_on(within(Duration::from_secs(10), signals.next()));

        assert_eq!(signal.unwrap().unwrap(), TerminationSignal::Terminate);
    }
}
