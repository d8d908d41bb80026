//! `<reconnect>` of a socket that QEMU connects to.

use base::YesNo;
use xml::{El, Part, Problem, Reader, Xml};

/// Whether and when QEMU connects again after the other side went away.
///
/// libvirt: `virDomainChrSourceReconnectDefParseXML`, `virDomainChrSourceReconnectDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Reconnect::finish)]
pub struct Reconnect {
    /// Whether it does. Absent: no.
    #[xml(attribute)]
    pub enabled: Option<YesNo>,
    /// Seconds between attempts; 0 stands for "never".
    #[xml(attribute, read_if = Reconnect::is_enabled)]
    pub timeout: Option<u32>,
}

impl Reconnect {
    fn is_enabled(&self) -> bool {
        self.enabled == Some(YesNo::Yes)
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.is_enabled() && el.attribute("timeout").is_none() {
            let problem = Problem::error(el.origin(), Part::Name, "<reconnect> needs 'timeout'");
            reader.push(problem.expected("a number of seconds"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn reconnecting_needs_to_know_after_how_many_seconds() {
        assert_eq!(
            reprint::<Reconnect>("reconnect", "<reconnect enabled='yes'/>").unwrap_err(),
            ["<reconnect> needs 'timeout': expected a number of seconds"]
        );
        assert_eq!(
            reprint::<Reconnect>("reconnect", "<reconnect enabled='no' timeout='5'/>").unwrap(),
            "<reconnect enabled='no'/>\n"
        );
    }
}
