//! `<iothreads>`, `<iothreadids>` and `<defaultiothread>`: threads of QEMU that serve disks.

use xml::{El, Origin, Part, Reader, Xml};

/// `<iothreadids>`: each I/O thread by itself.
///
/// libvirt: `virDomainIOThreadIDDefParseXML`, `virDomainDefIothreadsFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IothreadIds {
    /// Where it was written.
    pub origin: Origin,
    /// The threads. Those that `<iothreads>` counts beyond them have the lowest free numbers.
    #[xml(child, name = "iothread")]
    pub iothreads: Vec<Iothread>,
}

/// `<iothread>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Iothread::finish)]
pub struct Iothread {
    /// Where it was written.
    pub origin: Origin,
    /// Its number, from 1.
    #[xml(attribute, required)]
    pub id: u32,
    /// How many helper threads it has at least.
    #[xml(attribute)]
    pub thread_pool_min: Option<u32>,
    /// How many helper threads it has at most.
    #[xml(attribute)]
    pub thread_pool_max: Option<u32>,
    /// How long it looks for work before it sleeps.
    #[xml(child)]
    pub poll: Option<Poll>,
}

impl Iothread {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.id == 0 {
            let part = Part::Attribute("id".to_owned());
            reader.error(el.origin(), part, "I/O threads are numbered from 1");
        }
    }
}

/// `<poll>`. Absent: QEMU's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Poll {
    /// The longest time, in nanoseconds; 0: it sleeps at once.
    #[xml(attribute)]
    pub max: Option<u64>,
    /// What the time is multiplied with when it was too short.
    #[xml(attribute)]
    pub grow: Option<u32>,
    /// What the time is divided by when it was too long.
    #[xml(attribute)]
    pub shrink: Option<u32>,
}

/// `<defaultiothread>`: the thread that serves what no I/O thread does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(drop_if = DefaultIothread::is_void)]
pub struct DefaultIothread {
    /// Where it was written.
    pub origin: Origin,
    /// How many helper threads it has at least.
    #[xml(attribute)]
    pub thread_pool_min: Option<u32>,
    /// How many helper threads it has at most.
    #[xml(attribute)]
    pub thread_pool_max: Option<u32>,
}

impl DefaultIothread {
    fn is_void(&self) -> bool {
        *self == Self::default()
    }
}
