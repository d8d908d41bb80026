//! `<model>` of an interface: what the guest sees.

use base::words::Words;
use base::{BadValue, Datatype, Value, words};

words! {
    /// The models that libvirt knows, whatever their capitals in the document.
    ///
    /// libvirt: `virDomainNetModel`.
    pub enum KnownModel {
        /// Xen.
        Netfront = "netfront",
        /// Realtek's.
        Rtl8139 = "rtl8139",
        /// virtio-net of the generation that the slot suggests.
        Virtio = "virtio",
        /// Intel's 82540EM.
        E1000 = "e1000",
        /// Intel's 82574L.
        E1000e = "e1000e",
        /// Intel's 82576.
        Igb = "igb",
        /// virtio-net 0.9 and 1.0.
        VirtioTransitional = "virtio-transitional",
        /// virtio-net 1.0 alone.
        VirtioNonTransitional = "virtio-non-transitional",
        /// On the USB bus.
        UsbNet = "usb-net",
        /// Of PowerPC.
        SpaprVlan = "spapr-vlan",
        /// SMSC's, of some ARM machines.
        Lan9118 = "lan9118",
        /// SMC's, of some ARM machines.
        Smc91c111 = "scm91c111",
        /// VMware's first.
        Vlance = "vlance",
        /// VMware's.
        Vmxnet = "vmxnet",
        /// VMware's.
        Vmxnet2 = "vmxnet2",
        /// VMware's.
        Vmxnet3 = "vmxnet3",
        /// AMD's, of VirtualBox.
        Am79c970a = "Am79C970A",
        /// AMD's, of VirtualBox.
        Am79c973 = "Am79C973",
        /// Intel's, of VirtualBox.
        I82540em = "82540EM",
        /// Intel's, of VirtualBox.
        I82545em = "82545EM",
        /// Intel's, of VirtualBox.
        I82543gc = "82543GC",
    }
}

/// What the guest sees.
///
/// libvirt: `virDomainNetSetModelString`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceModel {
    /// A model that libvirt knows.
    Known(KnownModel),
    /// A device of QEMU by its own name.
    Other(String),
}

impl InterfaceModel {
    /// virtio-net.
    pub const VIRTIO: Self = Self::Known(KnownModel::Virtio);

    /// Whether it is one of virtio's.
    pub fn is_virtio(&self) -> bool {
        use KnownModel::{Virtio, VirtioNonTransitional, VirtioTransitional};
        matches!(self, Self::Known(Virtio | VirtioTransitional | VirtioNonTransitional))
    }

    /// The name, as it is printed.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.word(),
            Self::Other(name) => name,
        }
    }
}

impl Value for InterfaceModel {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        if text.is_empty() {
            return Ok(None);
        }
        let same = |known: &&KnownModel| known.word().eq_ignore_ascii_case(text);
        if let Some(known) = KnownModel::ALL.iter().find(same) {
            return Ok(Some(Self::Known(*known)));
        }
        let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let expected = "a name of letters, digits, '-' and '_'";
        if good { Ok(Some(Self::Other(text.to_owned()))) } else { Err(BadValue::new(expected)) }
    }

    fn write(&self, out: &mut String) {
        out.push_str(self.as_str());
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[a-zA-Z0-9_\\-]+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_models_are_printed_in_libvirts_spelling() {
        let model = InterfaceModel::parse("E1000E").unwrap().unwrap();
        assert_eq!(model, InterfaceModel::Known(KnownModel::E1000e));
        assert_eq!(model.to_text(), "e1000e");
        assert_eq!(InterfaceModel::parse("ne2k_pci").unwrap().unwrap().to_text(), "ne2k_pci");
    }

    #[test]
    fn a_model_cannot_smuggle_options() {
        assert!(InterfaceModel::parse("e1000,mac=1").is_err());
    }
}
