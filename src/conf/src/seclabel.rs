//! `<seclabel>` of a domain or a device: what SELinux and AppArmor make of QEMU and its files.

use base::{NonEmpty, YesNo, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

words! {
    /// Who chooses the label of the QEMU process.
    pub enum SeclabelKind {
        /// Nobody: it has none of its own.
        None = "none",
        /// The security driver does, anew at each start.
        Dynamic = "dynamic",
        /// The document does.
        Static = "static",
    }
}

/// `<seclabel>` of a domain.
///
/// libvirt: `virSecurityLabelDefParseXML`, `virSecurityLabelDefFormat`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(finish = Seclabel::finish, drop_if = Seclabel::is_void, ignores = "label imagelabel")]
pub struct Seclabel {
    /// Where it was written.
    pub origin: Origin,
    /// Who chooses the label. Absent: the label has no effect, and is not kept.
    #[xml(attribute, name = "type")]
    pub kind: Option<SeclabelKind>,
    /// The security driver. Absent: that of the host, if there is no other `<seclabel>`.
    #[xml(attribute)]
    pub model: Option<NonEmpty>,
    /// Whether files of the guest are labelled, too. Absent: only where the label is dynamic.
    #[xml(attribute, read_if = Seclabel::has_label, print_if = Seclabel::has_label)]
    pub relabel: Option<YesNo>,
    /// The label.
    #[xml(text_child, required, read_if = Seclabel::is_static, print_if = Seclabel::is_static)]
    pub label: Option<NonEmpty>,
    /// What a dynamic label begins with.
    #[xml(text_child, name = "baselabel", read_if = Seclabel::is_dynamic)]
    pub base_label: Option<NonEmpty>,
}

impl Default for Seclabel {
    fn default() -> Self {
        Self {
            origin: Origin::None,
            kind: None,
            model: None,
            relabel: None,
            label: None,
            base_label: None,
        }
    }
}

impl Seclabel {
    fn has_label(&self) -> bool {
        !matches!(self.kind, None | Some(SeclabelKind::None))
    }

    fn is_static(&self) -> bool {
        self.kind == Some(SeclabelKind::Static) && !self.is_of_model_none()
    }

    fn is_void(&self) -> bool {
        self.kind.is_none() && self.model.is_some()
    }

    fn is_dynamic(&self) -> bool {
        self.kind == Some(SeclabelKind::Dynamic)
    }

    fn is_of_model_none(&self) -> bool {
        self.model.as_deref() == Some("none")
    }

    /// Makes it say that there is no label at all, which is all that the model `none` can say.
    pub fn clear(&mut self) {
        *self = Self {
            origin: self.origin,
            kind: Some(SeclabelKind::None),
            model: self.model.take(),
            ..Self::default()
        };
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let relabel = el.attribute("relabel");
        let part = Part::Attribute("relabel".to_owned());
        match self.kind {
            Some(SeclabelKind::None) if relabel == Some("yes") => {
                reader.error(el.origin(), part, "nothing can be relabelled with type='none'");
            }
            Some(SeclabelKind::Dynamic) if self.relabel == Some(YesNo::No) => {
                reader.push(
                    Problem::error(el.origin(), part, "a dynamic label needs relabel='yes'")
                        .help("leave 'relabel' out, or write type='none'"),
                );
            }
            _ => {}
        }
        if self.is_of_model_none() {
            self.clear();
        }
        if self.is_void() {
            reader.push(
                Problem::warning(el.origin(), Part::Name, "<seclabel> has no effect")
                    .help("say with 'type' who chooses the label"),
            );
        }
        let default = if self.is_dynamic() { YesNo::Yes } else { YesNo::No };
        if self.has_label() {
            self.relabel.get_or_insert(default);
        }
    }
}

/// `<seclabel>` of a device's source.
///
/// libvirt: `virSecurityDeviceLabelDefParseXML`, `virSecurityDeviceLabelDefFormat`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(finish = DeviceSeclabel::finish, drop_if = DeviceSeclabel::is_void, ignores = "labelskip")]
pub struct DeviceSeclabel {
    /// Where it was written.
    pub origin: Origin,
    /// The security driver. Absent: all of them.
    #[xml(attribute)]
    pub model: Option<String>,
    /// Whether the file is labelled.
    #[xml(attribute)]
    pub relabel: YesNo,
    /// The label. Absent: the domain's.
    #[xml(text_child)]
    pub label: Option<NonEmpty>,
}

impl Default for DeviceSeclabel {
    fn default() -> Self {
        Self { origin: Origin::None, model: None, relabel: YesNo::Yes, label: None }
    }
}

impl DeviceSeclabel {
    fn is_void(&self) -> bool {
        self.label.is_none() && self.relabel == YesNo::Yes
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.label.is_some() && self.relabel == YesNo::No {
            let part = Part::Attribute("relabel".to_owned());
            reader.error(el.origin(), part, "relabel='no' contradicts <label>");
        }
        if self.label.is_none() && el.attribute("relabel") == Some("yes") {
            let part = Part::Attribute("relabel".to_owned());
            reader.push(
                Problem::error(el.origin(), part, "relabel='yes' needs <label>")
                    .help("leave 'relabel' out to use the domain's label"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    fn domain(text: &str) -> Result<String, Vec<String>> {
        reprint::<Seclabel>("seclabel", text)
    }

    #[test]
    fn the_label_of_a_running_guest_is_dropped_without_a_word() {
        let text = "<seclabel type='dynamic' model='dac'><label>1:1</label>\
                    <imagelabel>1:1</imagelabel><baselabel>b</baselabel></seclabel>";
        let (label, problems) = read::<Seclabel>("seclabel", text).unwrap();
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            xml::print(&label, "seclabel"),
            "<seclabel type='dynamic' model='dac' relabel='yes'>\n  \
             <baselabel>b</baselabel>\n</seclabel>\n"
        );
    }

    #[test]
    fn the_model_none_can_say_nothing() {
        assert_eq!(
            domain("<seclabel model='none'><baselabel>b</baselabel></seclabel>").unwrap(),
            "<seclabel type='none' model='none'/>\n"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "<seclabel type='static' model='dac'/>",
            "<seclabel type='dynamic' relabel='no'/>",
            "<seclabel type='none' relabel='yes'/>",
        ] {
            assert!(domain(text).is_err(), "{text}");
        }
        let device = |text| reprint::<DeviceSeclabel>("seclabel", text);
        assert!(device("<seclabel model='dac' relabel='yes'/>").is_err());
        assert!(device("<seclabel relabel='no'><label>a</label></seclabel>").is_err());
    }
}
