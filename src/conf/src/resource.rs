//! `<resource>`: the control group that QEMU is put into.

use base::NonEmpty;
use xml::{El, Origin, Part, Problem, Reader, Xml};

/// `<resource>`.
///
/// libvirt: `virDomainResourceDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Resource::finish)]
pub struct Resource {
    /// Where it was written.
    pub origin: Origin,
    /// The path below which the control group is made, from `/`.
    #[xml(text_child)]
    pub partition: Option<NonEmpty>,
    /// What tells this guest's Fibre Channel traffic from that of others.
    #[xml(child, name = "fibrechannel")]
    pub fibre_channel: Option<FibreChannel>,
}

impl Resource {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.partition.is_none() && self.fibre_channel.is_none() {
            reader.push(
                Problem::error(el.origin(), Part::Name, "<resource> has nothing in it")
                    .expected("<partition> or <fibrechannel>"),
            );
        }
    }
}

/// `<fibrechannel>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct FibreChannel {
    /// The name of the application.
    #[xml(attribute, name = "appid", required)]
    pub app_id: String,
}
