//! Elements of libvirt's QEMU namespace: arguments, capabilities and properties by hand.

use base::words;
use xml::{El, Namespace, Origin, Part, Problem, Reader, Xml};

/// The namespaces of domain XML whose elements are modelled.
pub const NAMESPACES: &[Namespace] =
    &[Namespace { prefix: "qemu", uri: "http://libvirt.org/schemas/domain/qemu/1.0" }];

/// `<qemu:commandline>`: what is added to QEMU's command line and environment.
///
/// libvirt: `qemuDomainDefNamespaceParse`, `qemuDomainDefNamespaceFormatXML` in
/// `src/qemu/qemu_domain.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Commandline {
    /// Where it was written.
    pub origin: Origin,
    /// Arguments behind all others.
    #[xml(attribute_child = "value", name = "qemu:arg")]
    pub arguments: Vec<String>,
    /// Variables of the environment.
    #[xml(child, name = "qemu:env")]
    pub environment: Vec<Variable>,
}

/// `<qemu:env>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Variable::finish)]
pub struct Variable {
    /// Where it was written.
    pub origin: Origin,
    /// Its name: letters, digits and `_`, no digit first.
    #[xml(attribute, required)]
    pub name: String,
    /// Its value. Absent: the empty one.
    #[xml(attribute)]
    pub value: Option<String>,
}

impl Variable {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.name.starts_with(|c: char| c.is_ascii_digit()) || !self.name.chars().all(word) {
            let part = Part::Attribute("name".to_owned());
            let message = format!("'{}' is not the name of a variable", self.name);
            reader.push(
                Problem::error(el.origin(), part, message)
                    .expected("letters, digits and '_', no digit first"),
            );
        }
    }
}

/// `<qemu:capabilities>`: what libvirt is told to believe of QEMU, in the words of its
/// `virQEMUCaps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct QemuCapabilities {
    /// Where it was written.
    pub origin: Origin,
    /// What QEMU has.
    #[xml(attribute_child = "capability", name = "qemu:add")]
    pub added: Vec<String>,
    /// What QEMU does not have.
    #[xml(attribute_child = "capability", name = "qemu:del")]
    pub removed: Vec<String>,
}

/// `<qemu:override>`: properties of devices by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Override {
    /// Where it was written.
    pub origin: Origin,
    /// The devices.
    #[xml(child, name = "qemu:device")]
    pub devices: Vec<OverriddenDevice>,
}

/// `<qemu:device>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct OverriddenDevice {
    /// Where it was written.
    pub origin: Origin,
    /// The id of the device on QEMU's command line.
    #[xml(attribute, required)]
    pub alias: String,
    /// Properties of what the guest sees.
    #[xml(child, name = "qemu:property", within = "qemu:frontend")]
    pub properties: Vec<Property>,
}

words! {
    /// What the value of a property is, or that there is to be none.
    pub enum PropertyKind {
        /// A text.
        String = "string",
        /// A number.
        Signed = "signed",
        /// A number of zero or more.
        Unsigned = "unsigned",
        /// `true` or `false`.
        Bool = "bool",
        /// The property is left out.
        Remove = "remove",
    }
}

/// `<qemu:property>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Property {
    /// Where it was written.
    pub origin: Origin,
    /// Its name.
    #[xml(attribute, required)]
    pub name: String,
    /// What the value is.
    #[xml(attribute, name = "type", required)]
    pub kind: PropertyKind,
    /// The value.
    #[xml(attribute, required, read_if = Property::has_value)]
    pub value: Option<String>,
}

impl Property {
    fn has_value(&self) -> bool {
        self.kind != PropertyKind::Remove
    }
}

words! {
    /// What QEMU does when something deprecated is used over QMP.
    ///
    /// QEMU: `-compat`.
    pub enum DeprecationBehavior {
        /// What it always does.
        None = "none",
        /// It leaves deprecated things out of its answers.
        Omit = "omit",
        /// It refuses deprecated commands.
        Reject = "reject",
        /// It ends.
        Crash = "crash",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Domain;
    use crate::testing::read;

    fn printed(content: &str) -> String {
        let text = format!(
            "<domain type='kvm' xmlns:q='{}'><name>a</name><os><type>hvm</type></os>{content}</domain>",
            NAMESPACES[0].uri
        );
        crate::print(&read::<Domain>("domain", &text).unwrap().0)
    }

    #[test]
    fn the_prefix_is_always_qemu() {
        let printed =
            printed("<q:commandline><q:env name='A'/><q:arg value='-x'/></q:commandline>");
        assert!(
            printed.starts_with(
                "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
            ),
            "{printed}"
        );
        assert!(
            printed.ends_with(
                "  <qemu:commandline>\n    <qemu:arg value='-x'/>\n    <qemu:env name='A'/>\n  \
                 </qemu:commandline>\n</domain>\n"
            ),
            "{printed}"
        );
    }

    #[test]
    fn the_namespace_goes_with_its_elements() {
        assert!(printed("<q:commandline/>").starts_with("<domain type='kvm'>\n"));
    }
}
